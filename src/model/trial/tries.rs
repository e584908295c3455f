//! What came of guesses that were started on overlays, and what that makes of their ranking.

use super::{Scored, points};
use crate::model::order::InOrder as _;

/// What came of a guess that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The kernel starts it; nothing here can look at what is inside.
    Starts,
    /// The file system's own tool looked at it.
    Looked {
        /// Which.
        tool: &'static str,
        /// Its exit status; `None` where a signal ended it.
        status: Option<i32>,
    },
    /// It starts, and the tool could not be run to its end: why.
    Blind(String),
    /// It cannot be started: why.
    NoStart(String),
    /// The overlays had no room, which says nothing of the guess: in the words of who found out.
    NoRoom(String),
    /// Something else was in the way, which says nothing of the guess either.
    Untried(String),
}

impl Tried {
    /// What the kernel and the file system's tool think of the guess.
    #[must_use]
    pub fn verdict(&self) -> Option<GuessVerdict> {
        match self {
            Self::Looked { status: Some(0), .. } => Some(GuessVerdict::Clean),
            Self::Looked { status: Some(_), .. } => Some(GuessVerdict::Errors),
            Self::NoStart(_) => Some(GuessVerdict::NoStart),
            Self::Looked { status: None, .. }
            | Self::Starts
            | Self::Blind(_)
            | Self::NoRoom(_)
            | Self::Untried(_) => None,
        }
    }

    /// Why it did not start, or was not tried.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::NoStart(why) | Self::NoRoom(why) | Self::Untried(why) => Some(why),
            Self::Starts | Self::Looked { .. } | Self::Blind(_) => None,
        }
    }
}

/// A guess that stays up on its overlays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingGuess {
    /// Its number in the ranking, from 1.
    pub number: usize,
    /// The set of overlays.
    pub set: String,
    /// The path of the array.
    pub array: String,
}

/// What the kernel, and the file system's own tool, think of a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessVerdict {
    /// The file system's tool finds it clean.
    Clean,
    /// The file system's tool finds errors.
    Errors,
    /// The kernel does not start it.
    NoStart,
}

impl GuessVerdict {
    /// Points for it.
    #[must_use]
    pub fn points(self) -> i64 {
        match self {
            Self::Clean => points::CLEAN,
            Self::Errors => -points::ERRORS,
            Self::NoStart => -points::NO_START,
        }
    }
}

/// A file system's own tool that looks at one without a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    /// ext2, ext3 and ext4.
    E2fsck,
    /// xfs.
    XfsRepair,
    /// btrfs.
    Btrfs,
}

impl Checker {
    /// For what is found inside, where there is one.
    #[must_use]
    pub fn of(scored: &Scored) -> Option<Self> {
        match scored.evidence.contents.first()?.kind.as_str() {
            "ext2" | "ext3" | "ext4" => Some(Self::E2fsck),
            "xfs" => Some(Self::XfsRepair),
            "btrfs" => Some(Self::Btrfs),
            _ => None,
        }
    }

    /// The program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::E2fsck => "e2fsck",
            Self::XfsRepair => "xfs_repair",
            Self::Btrfs => "btrfs",
        }
    }

    /// Its words before the device: those with which it changes nothing.
    #[must_use]
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::E2fsck => &["-f", "-n"],
            Self::XfsRepair => &["-n"],
            Self::Btrfs => &["check", "--readonly"],
        }
    }
}

/// How a look with such a tool ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolEnded {
    /// The program is not installed.
    NoTool,
    /// With this exit status; `None` where a signal ended it.
    Ended(Option<i32>),
    /// It could not be run, or not to its end: why.
    Failed(String),
}

/// The best first, by evidence and by what came of trying them.
pub fn rank_tried(ranked: &mut [(Scored, Option<Tried>)]) {
    ranked.order_by_key(|(scored, tried)| {
        let verdict = tried.as_ref().and_then(Tried::verdict);
        std::cmp::Reverse(i64::from(scored.points()) + verdict.map_or(0, GuessVerdict::points))
    });
}
