//! Scrubbing: what is seen of arrays for it, what is kept of it, and what that comes to.

mod contents;
mod kept;
mod located;
mod places;
pub mod schedule;
mod settle;

use superblock::{Level, MdUuid, Sectors};

pub use contents::{ArraySpot, OnDevice, Piece, Purpose, spots};
pub use kept::{Kept, KeptPosition, OpenScrub, ScrubPart, ScrubRecord, TOO_OLD, WholeScrub, parse_position};
pub use located::{Located, LocatedPlace, LocatedUnread};
pub use places::{places, ranges};
pub use settle::{RunningCheck, Settled, settle};

use super::status::ArrayStatus;
use crate::words::ArrayState;

/// What `sync_max` is set to while a check of ours runs: farther than any array reaches. The kernel puts it back to `max` when
/// a check comes to its end and leaves it where one is cut off; nothing else tells these two apart for certain.
pub const MARK: Sectors = Sectors(1 << 60);

/// Up to here swap and files that change while they are written may account for differences between mirrors.
const SMALL: Sectors = Sectors(512);

/// One look at arrays for scrubbing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubSight {
    /// The time, in seconds since 1970.
    pub now: u64,
    /// Seconds since the machine was started: they do not jump.
    pub clock: u64,
    /// This boot.
    pub boot: String,
    /// Where the reference keeps what it notes.
    pub theirs: String,
    /// Where we keep what it has no file for.
    pub ours: String,
    /// The arrays that were asked about, in that order, each once; all of them where none was named.
    pub arrays: Vec<ScrubArray>,
    /// Words that mean no array in the kernel.
    pub absent: Vec<String>,
    /// Identities with a marker of a check that came to its end, whether their arrays are here or not.
    pub checked: Vec<MdUuid>,
}

impl ScrubSight {
    /// Where the position of a check is noted.
    #[must_use]
    pub fn position_file(&self, uuid: MdUuid) -> String {
        format!("{}/MD_UUID_{uuid}", self.theirs)
    }

    /// What marks that a check came to its end.
    #[must_use]
    pub fn marker_file(&self, uuid: MdUuid) -> String {
        format!("{}/Checked_{uuid}", self.theirs)
    }

    /// Where the rest is kept.
    #[must_use]
    pub fn record_file(&self, uuid: MdUuid) -> String {
        format!("{}/{uuid}.json", self.ours)
    }
}

/// One array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubArray {
    /// As sysfs tells it.
    pub status: ArrayStatus,
    /// `sync_min`.
    pub sync_min: Sectors,
    /// `sync_max`.
    pub sync_max: SyncLimit,
    /// The kernel's number of the array's device: one that is stopped and assembled has another.
    pub diskseq: Option<u64>,
    /// What is kept of it.
    pub kept: Kept,
}

/// Where a check ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncLimit {
    /// At the end.
    #[default]
    End,
    /// The same, and a check of ours runs or was cut off.
    Marked,
    /// Somebody wants no more than this.
    At(Sectors),
}

impl SyncLimit {
    /// From the kernel's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "max" => Some(Self::End),
            number => number.parse().ok().map(|at| match Sectors(at) {
                MARK => Self::Marked,
                at => Self::At(at),
            }),
        }
    }

    /// The kernel's word.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::End => "max".to_owned(),
            Self::Marked => MARK.0.to_string(),
            Self::At(at) => at.0.to_string(),
        }
    }
}

impl ScrubArray {
    /// How many sectors a check goes through, as the kernel counts them: of each member, or of the array where members are
    /// filled unevenly.
    #[must_use]
    pub fn total(&self) -> Sectors {
        match self.status.level {
            Some(Level::Raid10) => self.status.size.sectors(),
            _ => self.status.component_size.unwrap_or_default().sectors(),
        }
    }

    /// Whether there is anything to compare.
    #[must_use]
    pub fn has_redundancy(&self) -> bool {
        let levels = [Level::Raid1, Level::Raid4, Level::Raid5, Level::Raid6, Level::Raid10];
        self.status.level.is_some_and(|level| levels.contains(&level)) && self.status.raid_disks > 1
    }

    /// Whether it takes writes, or will with the first one.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        match &self.status.state {
            ArrayState::Clean
            | ArrayState::Active
            | ArrayState::ActiveIdle
            | ArrayState::WritePending
            | ArrayState::ReadAuto
            | ArrayState::Other(_) => true,
            ArrayState::Clear
            | ArrayState::Inactive
            | ArrayState::Suspended
            | ArrayState::ReadOnly
            | ArrayState::Broken => false,
        }
    }
}

/// What this number of mismatches means, as a whole sentence.
#[must_use]
pub fn sentence(level: Option<Level>, count: Sectors) -> String {
    let meaning = meaning(level, count);
    if meaning.starts_with("to ") { format!("needed: {meaning}") } else { meaning.to_owned() }
}

/// What this number of mismatches means, and what to do about it.
#[must_use]
pub fn meaning(level: Option<Level>, count: Sectors) -> &'static str {
    let mirrors = matches!(level, Some(Level::Raid1 | Level::Raid10));
    match (mirrors, count <= SMALL) {
        (true, true) => {
            "on RAID1 and RAID10 small counts are harmless, where swap or files that change while they are written are on it; mdctl scrub locate shows where it is and what lies there"
        }
        (true, false) => {
            "to know which member is right before anything is repaired: so much differs where members were written to apart from each other and then put together, or where a disk lost writes. What is read depends on the member that is asked; mdctl scrub locate shows where it is and what lies there"
        }
        (false, _) if level == Some(Level::Raid6) => {
            "to know which member is wrong before anything is repaired, which mdctl scrub locate and raid6check say: where parity does not fit, a lost member would be made wrongly"
        }
        (false, _) => {
            "to know which member is wrong before anything is repaired: where parity does not fit, a lost member would be made wrongly; mdctl scrub locate shows where it is and what lies there"
        }
    }
}

/// So much of so much, in whole percents, rounded down: all of it is 100 alone.
#[must_use]
pub fn percent(done: Sectors, total: Sectors) -> u64 {
    let percent = u128::from(done.0) * 100 / u128::from(total.0.max(1));
    u64::try_from(percent).unwrap_or(100).min(100)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
