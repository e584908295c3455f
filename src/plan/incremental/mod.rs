//! Incremental assembly: one device at a time, as udev finds them, each by a process of its own.
//!
//! Processes know nothing of each other but what the kernel and the map show. So each looks, decides, and acts under the
//! map's lock on what it saw, and only then: whoever finds that another was quicker looks again. Who may start an array is
//! decided by the same functions as in assembly, over the members that the kernel has and the one that came.
//!
//! An event that comes twice is answered twice in the same way: units wait for the words of the answer. What a killed
//! process left is a state like any other: an array with some of its members, with or without a line in the map.

mod admission;
mod arrange;
mod bare;
pub mod joining;
mod late;
pub mod leaving;
mod names;
pub mod rebuilding;
pub mod starting;
mod words;

#[cfg(test)]
mod bare_tests;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod joining_tests;
#[cfg(test)]
mod leaving_tests;
#[cfg(test)]
mod starting_tests;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use superblock::{Events, MdUuid};

use super::ArrayName;

pub use joining::Joining;
pub use leaving::{Leaving, LeavingJob};
pub use rebuilding::Rebuilding;
pub use starting::Starting;

/// One device that came.
#[derive(Clone, Debug)]
pub struct IncrementalJob {
    /// Its path.
    pub device: String,
    /// Whether DEVICE lines let it be looked at.
    pub permitted: bool,
    /// The origin beside it, where it is a snapshot.
    pub origin: Option<String>,
    /// Its names by the way to it, as its event has them.
    pub places: Vec<String>,
    /// The array of the disk that failed in its place.
    pub heir_of: Option<MdUuid>,
    /// Arrays that waited for members with so many events.
    pub awaited: BTreeMap<MdUuid, Events>,
    /// The directory where that is noted.
    pub waits: String,
    /// Start with what is there; take members into arrays that run.
    pub run: bool,
    /// The answer is a document: sentences about it only with `--verbose`.
    pub export: bool,
    /// Whether a new member gets a bad-block log (`CREATE bbl=`).
    pub bad_block_log: bool,
    /// The zone for dates.
    pub zone: TimeZone,
}

/// What became of the array that a device belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The array.
    pub array: ArrayName,
    /// It may be another host's.
    pub foreign: bool,
    /// Whether it runs; `None` where it did not start although it should have.
    pub started: Option<Started>,
    /// The sentence for people.
    pub message: String,
}

/// Whether an array runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// Too few members.
    No,
    /// Enough members, but some that were there last time are missing.
    Unsafe,
    /// It did before.
    Already,
    /// It does now.
    Yes,
}

impl Started {
    /// The word of `MD_STARTED`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Unsafe => "unsafe",
            Self::Already => "already",
            Self::Yes => "yes",
        }
    }
}

/// The node of a device by its kernel name.
fn node(name: &str) -> String {
    format!("/dev/{}", name.replace('!', "/"))
}
