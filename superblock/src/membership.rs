//! The common view: what any native format says about the one device that carries it.

use std::fmt;

use crate::{id::MdUuid, units::Sectors};

/// The event count of a member; the highest is the freshest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Events(pub u64);

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A RAID level by the kernel's number (`md_p.h`). Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// −5: fault injection.
    Faulty,
    /// −4: multipath.
    Multipath,
    /// −1: concatenation.
    Linear,
    /// 0: striping.
    Raid0,
    /// 1: mirroring.
    Raid1,
    /// 4: striping with one parity member.
    Raid4,
    /// 5: striping with rotating parity.
    Raid5,
    /// 6: striping with two syndromes.
    Raid6,
    /// 10: striping over copies.
    Raid10,
    /// −100: a container of external metadata; never on disk.
    Container,
    /// Any other number.
    Other(i32),
}

impl Level {
    /// From the number in metadata or in the kernel's array info.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        match number {
            -5 => Self::Faulty,
            -4 => Self::Multipath,
            -1 => Self::Linear,
            0 => Self::Raid0,
            1 => Self::Raid1,
            4 => Self::Raid4,
            5 => Self::Raid5,
            6 => Self::Raid6,
            10 => Self::Raid10,
            -100 => Self::Container,
            other => Self::Other(other),
        }
    }

    /// The kernel's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Faulty => -5,
            Self::Multipath => -4,
            Self::Linear => -1,
            Self::Raid0 => 0,
            Self::Raid1 => 1,
            Self::Raid4 => 4,
            Self::Raid5 => 5,
            Self::Raid6 => 6,
            Self::Raid10 => 10,
            Self::Container => -100,
            Self::Other(number) => number,
        }
    }

    /// The name that mdadm and the kernel print; `None` for an unknown number.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Faulty => "faulty",
            Self::Multipath => "multipath",
            Self::Linear => "linear",
            Self::Raid0 => "raid0",
            Self::Raid1 => "raid1",
            Self::Raid4 => "raid4",
            Self::Raid5 => "raid5",
            Self::Raid6 => "raid6",
            Self::Raid10 => "raid10",
            Self::Container => "container",
            Self::Other(_) => return None,
        })
    }
}

/// What the metadata says that its device is to the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An active member in this slot (`raid_disk`). With `replacement`, it is being made to take that slot over.
    Slot {
        /// The slot.
        slot: u32,
        /// Whether it is the slot's replacement rather than its holder.
        replacement: bool,
    },
    /// A spare.
    Spare,
    /// Failed.
    Faulty,
    /// The write journal.
    Journal,
}

/// What a superblock says about its device and its array, the same for 0.90 and 1.x.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The array.
    pub array: MdUuid,
    /// This member; `None` for 0.90, which has none.
    pub member: Option<MdUuid>,
    /// The stored name, without padding; `None` for 0.90. Bytes: the text is not trusted.
    pub name: Option<Vec<u8>>,
    /// The preferred minor; 0.90 only.
    pub minor: Option<u32>,
    /// The level.
    pub level: Level,
    /// Number of slots, bounded by the format's own maximum.
    pub raid_disks: u32,
    /// Layout number, meaning by level.
    pub layout: u32,
    /// Chunk; 0 where the level has none.
    pub chunk: Sectors,
    /// Used size of each member.
    pub component_size: Sectors,
    /// Where the member's data begins.
    pub data_offset: Sectors,
    /// Room for data on this member.
    pub data_size: Sectors,
    /// Event count.
    pub events: Events,
    /// This device's role by its own metadata.
    pub role: Role,
    /// Index of this device in the metadata; not its slot.
    pub dev_number: u32,
    /// Creation time, seconds since 1970.
    pub created: u64,
    /// Last update, seconds since 1970.
    pub updated: u64,
    /// Whether the array was clean (no resync needed).
    pub clean: bool,
    /// How far a recovery of this member came; `None` when it is complete.
    pub recovery_offset: Option<Sectors>,
    /// Where a reshape stands, in array sectors; `None` when none runs.
    pub reshape_position: Option<Sectors>,
}
