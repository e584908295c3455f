//! What came of guesses that were started on overlays, and what that makes of their ranking.

use super::Scored;

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
    /// Points for it. A tool decides between guesses that are as good as equal: one that is right may have errors that it
    /// had before. What does not start is behind all that have any evidence.
    #[must_use]
    pub fn points(self) -> i64 {
        match self {
            Self::Clean => 5,
            Self::Errors => -5,
            Self::NoStart => -300,
        }
    }
}

/// The best first, by evidence and by what came of trying them.
pub fn rank_tried<T>(ranked: &mut [(Scored, T)], verdict: impl Fn(&T) -> Option<GuessVerdict>) {
    ranked.sort_by_key(|(scored, tried)| {
        std::cmp::Reverse(i64::from(scored.points()) + verdict(tried).map_or(0, GuessVerdict::points))
    });
}
