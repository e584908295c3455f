//! What md's attributes say, as values. Words that are not known are kept.

use superblock::Sectors;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $variant,)*
            /// A word of a newer kernel.
            Other(String),
        }

        impl $name {
            /// From the kernel's word.
            pub fn parse(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The kernel's word.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }
    };
}

words! {
    /// `array_state`.
    ArrayState {
        Clear = "clear", Inactive = "inactive", Suspended = "suspended", ReadOnly = "readonly", ReadAuto = "read-auto",
        Clean = "clean", Active = "active", WritePending = "write-pending", ActiveIdle = "active-idle", Broken = "broken",
    }
}

words! {
    /// `sync_action` and `last_sync_action`.
    SyncAction {
        Idle = "idle", Frozen = "frozen", Resync = "resync", Recover = "recover", Check = "check", Repair = "repair",
        Reshape = "reshape", None = "none",
    }
}

words! {
    /// One word of a member's `state`.
    MemberState {
        Faulty = "faulty", InSync = "in_sync", WriteMostly = "write_mostly", Blocked = "blocked", Spare = "spare",
        WriteError = "write_error", WantReplacement = "want_replacement", Replacement = "replacement",
        ExternalBbl = "external_bbl", FailFast = "failfast", Journal = "journal",
    }
}

impl ArrayState {
    /// Whether the array has been started.
    pub fn is_running(&self) -> bool {
        !matches!(self, Self::Clear | Self::Inactive | Self::Other(_))
    }
}

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
pub enum Progress {
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

impl Progress {
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
