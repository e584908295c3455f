//! Whether to start, and the sentence that says what came of it.

use std::fmt::Write as _;

use crate::model::Geometry;

use super::{Options, classify::DeviceClass, lineup::Lineup, shape::Shapes};

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Slots with an up-to-date device.
    pub whole: usize,
    /// Members whose recovery was under way.
    pub rebuilding: usize,
    /// Spares.
    pub spares: usize,
    /// Up-to-date journals.
    pub journals: usize,
    /// Slots.
    pub slots: usize,
    /// Members that the freshest one counts on.
    pub expected: usize,
}

impl Count {
    /// Counts a line-up.
    #[must_use]
    pub fn new(lineup: &Lineup, geometry: &Geometry, expected: usize) -> Self {
        let slots = usize::try_from(geometry.raid_disks).unwrap_or(0);
        let current_journal = |place: &super::lineup::PlacedDevice| {
            matches!(place.class, DeviceClass::Journal { current: true })
        };
        Self {
            whole: lineup.seats().filter(|place| place.is_whole()).count(),
            rebuilding: lineup.seats().filter(|place| place.is_rebuilding()).count(),
            spares: lineup.spares.len(),
            journals: lineup.journal.iter().filter(|place| current_journal(place)).count(),
            slots,
            expected,
        }
    }

    /// "2 drives", with what else there is.
    fn drives(&self, out_of: bool) -> String {
        let mut text = format!("{} drive{}", self.whole, plural(self.whole));
        if out_of && self.whole < self.slots {
            let _ = write!(text, " (out of {})", self.slots);
        }
        if self.rebuilding > 0 {
            let join = if self.spares > 0 { "," } else { " and" };
            let _ = write!(text, "{join} {} rebuilding", self.rebuilding);
        }
        if self.spares > 0 {
            let _ = write!(text, " and {} spare{}", self.spares, plural(self.spares));
        }
        text
    }

    /// After the start.
    #[must_use]
    pub fn started(&self, path: &str) -> String {
        let journals = match self.journals {
            0 => String::new(),
            n => format!(" and {n} journal{}", plural(n)),
        };
        format!("{path} has been started with {}{journals}.", self.drives(true))
    }

    /// Left as it is because of `--no-degraded`.
    #[must_use]
    pub fn left(&self, path: &str) -> String {
        format!("{path} assembled from {}, but not started.", self.drives(true))
    }

    fn not_started(&self, path: &str, why: &str) -> String {
        format!("{path} assembled from {} - {why}.", self.drives(false))
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// What to do with an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it.
    Start,
    /// Start it read-only: its journal is missing.
    StartReadonly,
    /// Assemble it, and leave the start to somebody else.
    LeaveInactive,
    /// Do not touch it; the sentence says why.
    Refuse(String),
}

/// Why an array with these members cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Too few.
    Members,
    /// Too few for an array that was being written to.
    Dirty,
}

impl Shortage {
    fn unless_clean(self) -> &'static str {
        match self {
            Self::Members => "",
            Self::Dirty => " while not clean - consider --force",
        }
    }

    /// After the kernel would not start it.
    #[must_use]
    pub fn insisted(self) -> String {
        format!("Not enough devices to start the array{}.", self.unless_clean())
    }
}

/// Why an array with these members cannot run; `None` where it can.
#[must_use]
pub fn shortage(shapes: &Shapes, present: &[bool], clean: bool) -> Option<Shortage> {
    if shapes.enough(present, clean) {
        None
    } else if shapes.enough(present, true) {
        Some(Shortage::Dirty)
    } else {
        Some(Shortage::Members)
    }
}

/// Decides. `clean` says that no write was in flight, or that it does not matter.
#[must_use]
pub fn verdict(
    count: &Count,
    journal: bool,
    shortage: Option<Shortage>,
    path: &str,
    options: &Options,
) -> Verdict {
    if journal && count.journals == 0 && options.waits && !options.run {
        return Verdict::LeaveInactive;
    }
    if journal && count.journals == 0 && !options.force && !options.waits {
        let text = "Not safe to assemble with missing or stale journal device, consider --force.";
        return Verdict::Refuse(text.to_owned());
    }
    let complete = count.whole + count.rebuilding >= count.expected;
    let start = options.run
        || (shortage.is_none() && (complete || (!options.no_degraded && (options.force || options.partial))));
    let degraded = count.whole < count.slots;
    if start && !(options.no_degraded && degraded && !options.run) {
        return if journal && count.journals == 0 { Verdict::StartReadonly } else { Verdict::Start };
    }
    if options.no_degraded || options.waits {
        return Verdict::LeaveInactive;
    }
    let why = match shortage {
        Some(why) => format!("not enough to start the array{}", why.unless_clean()),
        None if count.expected == count.slots => {
            format!("need all {} to start it (use --run to insist)", count.expected)
        }
        None => format!("need {} to start (use --run to insist)", count.expected),
    };
    Verdict::Refuse(count.not_started(path, &why))
}
