//! What md's attributes say, as values. Words that are not known are kept.

use superblock::Sectors;

/// `raid_disks`, `layout`, `chunk_size`: during a reshape the kernel prints `new (old)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changing {
    /// What it is, or what it is becoming.
    pub new: i64,
    /// What it was before the reshape that runs.
    pub old: Option<i64>,
}

impl Changing {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None => Some(Self { new: text.parse().ok()?, old: None }),
            Some((new, old)) => {
                let old = old.trim().strip_prefix('(')?.strip_suffix(')')?;
                Some(Self { new: new.parse().ok()?, old: Some(old.parse().ok()?) })
            }
        }
    }
}

/// `sync_completed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncProgress {
    /// Nothing runs.
    None,
    /// It waits for another array on the same devices.
    Delayed,
    /// So many sectors of so many.
    At {
        /// Done.
        done: Sectors,
        /// Of.
        total: Sectors,
    },
}

impl SyncProgress {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "delayed" => Some(Self::Delayed),
            _ => {
                let (done, total) = text.split_once('/')?;
                let number = |part: &str| part.trim().parse().ok().map(Sectors);
                Some(Self::At { done: number(done)?, total: number(total)? })
            }
        }
    }
}

/// A member's `slot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotText {
    /// No slot: a spare, or failed.
    None,
    /// The write journal.
    Journal,
    /// This slot.
    Slot(u32),
}

impl SlotText {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "journal" => Some(Self::Journal),
            _ => text.parse().ok().map(Self::Slot),
        }
    }
}

/// A count of sectors, or `none`.
pub(super) fn sectors_or_none(text: &str) -> Option<Option<Sectors>> {
    if text == "none" { Some(None) } else { text.parse().ok().map(|n| Some(Sectors(n))) }
}

/// `SECTOR LENGTH` lines.
pub(super) fn ranges(text: &str) -> Option<Vec<(Sectors, Sectors)>> {
    let range = |line: &str| {
        let (start, length) = line.trim().split_once(' ')?;
        Some((Sectors(start.parse().ok()?), Sectors(length.trim().parse().ok()?)))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(range).collect()
}
