//! Scrubbing: which arrays are checked from where, and the course that begins, watches and ends checks.

mod course;
mod locate;
mod ready;
mod schedule;
mod steps;
mod watched;

use std::time::Duration;

use crate::request::ScrubChoice;

pub use course::Scrub;
pub use locate::Locate;
pub use ready::{Left, ready};
pub use schedule::{files as schedule_files, remarks, schedule};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubJob {
    /// What is done.
    pub act: ScrubAct,
    /// Paths, kernel names, names or UUIDs; all arrays where there are none.
    pub words: Vec<String>,
    /// Of these arrays.
    pub which: ScrubChoice,
    /// From the start, wherever a check was cut off.
    pub from_start: bool,
    /// How often somebody wants to see how far it is.
    pub tick: Option<Duration>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubAct {
    /// Begin checks.
    Start,
    /// Begin checks and stay until they are over.
    Run {
        /// At most so long.
        most: Option<Duration>,
    },
    /// Stop checks.
    Stop,
    /// Every array is due again.
    Renew,
}

#[cfg(test)]
mod tests;
