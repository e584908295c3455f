//! A running array as it is read past md, straight from its members, to find blocks that do not agree with the others.

use raid::{Geometry, Stripes};
use superblock::{Bytes, Sectors};

use crate::words::{DevId, SyncKind};

/// An array with all of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawArray {
    /// The kernel's name.
    pub kernel: String,
    /// The path that people use.
    pub path: String,
    /// The shape.
    pub geometry: Geometry,
    /// By slot.
    pub members: Vec<RawMember>,
    /// The slots in the order in which sysfs has the members.
    pub listed: Vec<usize>,
    /// What is being synced.
    pub syncing: Option<SyncKind>,
    /// Parity was not made for all of it yet.
    pub unsynced: bool,
    /// Somebody holds writes to a part of it back.
    pub held: bool,
}

/// One member of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMember {
    /// A path to it.
    pub path: String,
    /// Its number.
    pub dev: DevId,
    /// Where its data begins.
    pub data_offset: Sectors,
    /// What its bad-block log names: start and length, counted from where its data begins.
    pub bad: Vec<(Sectors, Sectors)>,
}

/// Why it cannot be read so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRaw {
    /// There is nothing at the path, or it cannot be opened: the system's words.
    NoDevice(String),
    /// No array of a level that is asked for.
    OtherLevel,
    /// A slot has no member with all of its data.
    Degraded,
    /// It is changing its shape, or md says things about it that do not go together.
    Shape(String),
}

impl RawArray {
    /// Which sector is where.
    #[must_use]
    pub fn stripes(&self) -> Option<Stripes> {
        Stripes::new(self.geometry, &[])
    }

    /// How much there is to compare: of each member where there is parity, of the array where there are copies.
    #[must_use]
    pub fn length(&self) -> Sectors {
        match self.stripes() {
            Some(stripes) if stripes.row(0).is_some() => {
                Sectors(self.count().saturating_mul(self.geometry.chunk.0))
            }
            Some(stripes) => stripes.size(),
            None => Sectors(0),
        }
    }

    /// How many stripes there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.geometry.component_size.0.checked_div(self.geometry.chunk.0).unwrap_or(0)
    }

    /// The sectors of the array that a stripe has: from, and up to.
    #[must_use]
    pub fn sectors(&self, stripe: u64) -> (Sectors, Sectors) {
        let width =
            u64::from(self.geometry.raid_disks.saturating_sub(2)).saturating_mul(self.geometry.chunk.0);
        let from = stripe.saturating_mul(width);
        (Sectors(from), Sectors(from.saturating_add(width)))
    }
}

/// Which part of all members is read: whole chunks, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripeRange {
    /// From here, counted from where the data begins.
    pub from: Sectors,
    /// This much.
    pub length: Sectors,
}

/// A stripe, or a part of one, that does not fit together or that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripePart {
    /// Which stripe.
    pub stripe: u64,
    /// Where the part begins in each chunk.
    pub at: Bytes,
    /// What is there, by slot.
    pub blocks: Vec<Vec<u8>>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StripesSeen {
    /// What does not fit together, or all that was asked for.
    pub parts: Vec<StripePart>,
    /// Stripes that could not be read, or that a bad-block log names, with the slot and why.
    pub unread: Vec<(u64, usize, String)>,
}

/// A place where members do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// What is read to see it: of the members where there is parity, of the array where there are copies.
    pub at: StripeRange,
    /// The sectors of the array that lie there: start and length. Of levels with parity those of every chunk that may be
    /// wrong; none where parity alone is.
    pub sectors: Vec<(Sectors, Sectors)>,
    /// The slots that do not agree with the others; empty where redundancy does not tell which.
    pub odd: Vec<usize>,
    /// A checksum of what all members have there: it tells whether another reading shows the same.
    pub sum: u32,
}

/// What came of comparing a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DifferencesSeen {
    /// Where members do not agree, in the order of the range.
    pub found: Vec<Differing>,
    /// What could not be compared: the part of the range, the slot, and why.
    pub unread: Vec<(StripeRange, usize, String)>,
}
