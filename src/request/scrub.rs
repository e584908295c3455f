//! `mdctl scrub`: checks of redundant arrays.

use std::time::Duration;

/// One of the verbs below `scrub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubRequest {
    /// What is done.
    pub verb: ScrubVerb,
    /// Paths, kernel names, names or UUIDs; all arrays where there are none.
    pub arrays: Vec<String>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubVerb {
    /// Begin checks.
    Start {
        /// Of which arrays.
        which: ScrubChoice,
        /// From the start, wherever a check was cut off.
        from_start: bool,
    },
    /// Begin checks and stay until they are over.
    Run {
        /// Of which arrays.
        which: ScrubChoice,
        /// From the start, wherever a check was cut off.
        from_start: bool,
        /// At most so long.
        most: Option<Duration>,
    },
    /// Stop checks.
    Stop,
    /// Every array is due again.
    Renew,
    /// Show how things stand.
    Status,
}

/// ScrubChoice arrays are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScrubChoice {
    /// All of them.
    #[default]
    All,
    /// Those whose check was cut off, and those that were not checked since all became due.
    Due,
    /// Those whose check was cut off.
    CutOff,
}
