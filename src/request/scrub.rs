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

/// `mdctl scrub schedule`; shows when checks run where nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleRequest {
    /// When all arrays are due.
    pub when: Option<ScheduleWhen>,
    /// How long one part may take.
    pub most: Option<Duration>,
}

/// When all arrays are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleWhen {
    /// Never.
    Off,
    /// On the first Sunday of a month.
    Monthly,
    /// On Sundays.
    Weekly,
    /// In systemd's words.
    On(String),
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
    /// Read the members and show where they do not agree.
    Locate,
}

/// Which arrays are meant.
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
