//! What a monitor sees of all arrays in one look.

use std::collections::BTreeMap;

use super::{status::ArrayStatus, world::MapEntry};

/// One look at the arrays of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitored {
    /// The time, in seconds since 1970.
    pub now: u64,
    /// Every array that is in the kernel.
    pub arrays: Vec<ArraySeen>,
    /// What is at each path that was asked about.
    pub named: BTreeMap<String, NamedArray>,
    /// The text of /proc/mdstat.
    pub mdstat: String,
    /// The map file, for the identities of arrays.
    pub map: Vec<MapEntry>,
    /// Names below /dev/disk/by-path of each device, by kernel name: what POLICY lines speak of.
    pub by_path: BTreeMap<String, Vec<String>>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedArray {
    /// An array, by its kernel name.
    Array(String),
    /// A device that is not an array.
    NoArray,
    /// Nothing that can be opened: the system's words.
    Absent(String),
}

/// One array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArraySeen {
    /// As sysfs tells it.
    pub status: ArrayStatus,
    /// How far a synchronisation is, as /proc/mdstat has it.
    pub percent: SyncPercent,
    /// `UU_`, as /proc/mdstat has it; empty where the level has none.
    pub pattern: String,
}

/// How far a synchronisation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPercent {
    /// Nothing is going on.
    #[default]
    None,
    /// Another array on the same devices goes first.
    Delayed,
    /// It begins when the array is written to.
    Pending,
    /// Another node of the cluster does it.
    Remote,
    /// Whole percents, rounded down.
    At(u8),
}

impl SyncPercent {
    /// The number, where it runs here.
    #[must_use]
    pub fn number(self) -> Option<u8> {
        match self {
            Self::At(percent) => Some(percent),
            Self::None | Self::Delayed | Self::Pending | Self::Remote => None,
        }
    }
}
