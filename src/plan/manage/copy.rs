//! What adding a device copies: told before it is done, from superblocks and bitmaps alone.

use std::fmt;

use superblock::{Bytes, Events, Sectors};

use crate::model::manage::Managed;

/// What is copied to a device that is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// Nothing now: no slot is empty, it waits as a spare.
    Spare,
    /// It holds no data: the write journal.
    Journal,
    /// Only what the bitmap remembers as changed.
    Bitmap {
        /// So much at most.
        dirty: Bytes,
        /// Of so much.
        all: Bytes,
    },
    /// Nothing: it has missed nothing.
    UpToDate,
    /// All of it.
    Full {
        /// So much.
        all: Bytes,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spare => write!(f, "nothing to copy: no member is missing, it waits as a spare"),
            Self::Journal => write!(f, "nothing to copy: it is the journal"),
            Self::UpToDate => write!(f, "nothing to copy: it has missed no write"),
            Self::Bitmap { dirty, all } => write!(f, "bitmap: {} of {}", Size(*dirty), Size(*all)),
            Self::Full { all, why } => write!(f, "full copy of {}, because {why}", Size(*all)),
        }
    }
}

/// A size as people say it.
pub(super) struct Size(pub(super) Bytes);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        // Tenths of the unit, so that no number has a fraction on the way.
        let mut tenths = u128::from(self.0.0) * 10 / 1024;
        let mut unit = 0;
        while tenths >= 10_240 && unit + 1 < units.len() {
            tenths /= 1024;
            unit += 1;
        }
        let name = units.get(unit).copied().unwrap_or_default();
        match tenths % 10 {
            0 => write!(f, "{} {name}", tenths / 10),
            tenth => write!(f, "{}.{tenth} {name}", tenths / 10),
        }
    }
}

/// What the kernel will do with a former member whose count is `events`, and that nothing but its age speaks against.
pub(super) fn of_former_member(array: &Managed, events: Events, current: Events) -> Copy {
    let all = array.component_size().bytes();
    let Some(bitmap) = &array.bitmap else {
        // One more may be the kernel's own mark of the removal; it decides.
        return if events >= current {
            Copy::UpToDate
        } else {
            Copy::Full { all, why: older(events, current, "there is no bitmap") }
        };
    };
    if events < bitmap.events_cleared() {
        let cleared = bitmap.events_cleared();
        return Copy::Full { all, why: older(events, cleared, "the bitmap has forgotten what it missed") };
    }
    if events >= current {
        return Copy::UpToDate;
    }
    let chunk = Sectors(u64::from(bitmap.chunksize()) / 512).bytes();
    Copy::Bitmap { dirty: Bytes(chunk.0.saturating_mul(array.bits.dirty)).min(all), all }
}

fn older(events: Events, than: Events, and: &str) -> String {
    format!("it stopped at event {} of {} and {and}", events.0, than.0)
}

/// Everything.
#[must_use]
pub fn full(array: &Managed, why: &str) -> Copy {
    Copy::Full { all: array.component_size().bytes(), why: why.to_owned() }
}

/// What a device that is new to the array is in for.
pub(super) fn of_newcomer(array: &Managed, why: &str) -> Copy {
    if array.present(None).iter().all(|present| *present) || !array.is_redundant() {
        return Copy::Spare;
    }
    full(array, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 KiB"),
            (1536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            (1_288_490_189, "1.2 GiB"),
            (4 << 40, "4 TiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(Size(Bytes(bytes)).to_string(), text);
        }
    }
}
