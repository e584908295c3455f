//! Targets: what a row of a table does with its range. Lengths and offsets are sectors.

use std::{fmt, str::FromStr};

use superblock::Sectors;

use super::{table::BadTable, words};
use crate::model::DevId;

/// A device that a row leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dev {
    /// By number, as the driver reports it.
    Number(DevId),
    /// By path, as a person writes it.
    Path(String),
    /// Another device-mapper device, by its name: its number is put in when the table is loaded.
    Dm(String),
}

impl fmt::Display for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(dev) => write!(f, "{dev}"),
            Self::Path(path) => f.write_str(&words::escape(path)),
            Self::Dm(name) => f.write_str(&words::escape(name)),
        }
    }
}

impl Dev {
    fn read(word: &str) -> Self {
        let number = |(major, minor): (&str, &str)| {
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            let both = digits(major) && digits(minor);
            both.then_some(Self::Number(DevId { major: major.parse().ok()?, minor: minor.parse().ok()? }))
        };
        match word.split_once(':').and_then(number) {
            Some(dev) => dev,
            None if word.starts_with('/') => Self::Path(word.to_owned()),
            None => Self::Dm(word.to_owned()),
        }
    }
}

/// A device and where on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The device.
    pub dev: Dev,
    /// The first sector.
    pub start: Sectors,
}

/// What a snapshot's store is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// On disk, survives a restart (`P`).
    Persistent,
    /// The same, and told in user space when it is full (`PO`).
    PersistentOverflow,
    /// In memory (`N`).
    Transient,
}

impl Store {
    fn word(self) -> &'static str {
        match self {
            Self::Persistent => "P",
            Self::PersistentOverflow => "PO",
            Self::Transient => "N",
        }
    }
}

/// What snapshot and snapshot-merge take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What is or was there.
    pub origin: Dev,
    /// Where exceptions are stored.
    pub cow: Dev,
    /// How they are stored.
    pub store: Store,
    /// Sectors of a chunk; 0 is the driver's choice.
    pub chunk: Sectors,
    /// Words of features.
    pub features: Vec<String>,
}

/// Where a mirror keeps which regions are in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorLog {
    /// `core`, `disk`, `userspace`.
    pub kind: String,
    /// Its words; the first, or for `disk` the second, is the region's size.
    pub args: Vec<String>,
}

/// What becomes of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// It is a range of another device.
    Linear(Leg),
    /// It is spread over several.
    Striped {
        /// Sectors of one stripe's part.
        chunk: Sectors,
        /// The devices.
        legs: Vec<Leg>,
    },
    /// What the origin was.
    Snapshot(Snapshot),
    /// A device that has snapshots.
    SnapshotOrigin(Dev),
    /// A device into which a snapshot is being merged.
    SnapshotMerge(Snapshot),
    /// All I/O fails.
    Error,
    /// Reads zeroes, swallows writes.
    Zero,
    /// The same on several devices.
    Mirror {
        /// Which regions are in sync.
        log: MirrorLog,
        /// The devices.
        legs: Vec<Leg>,
        /// Words of features.
        features: Vec<String>,
    },
    /// I/O takes longer: the device for reads (and all else that has none of its own), writes, flushes, each with
    /// milliseconds.
    Delay(Vec<(Leg, u64)>),
    /// Fails from time to time.
    Flakey {
        /// The device.
        on: Leg,
        /// Seconds that it works.
        up: u64,
        /// Seconds that it does not.
        down: u64,
        /// What goes wrong; without words everything.
        features: Vec<String>,
    },
    /// Checksums.
    Integrity {
        /// The device, and the sectors at its start that are left alone.
        on: Leg,
        /// Bytes of a tag; `None` where the hash tells.
        tag: Option<u64>,
        /// `J`, `B`, `D`, `R` or `I`.
        mode: char,
        /// Words of options.
        options: Vec<String>,
    },
    /// What is only shown.
    Other {
        /// Its name.
        kind: String,
        /// Its parameters, as they are.
        params: String,
    },
}

impl Target {
    /// Its name.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Linear(_) => "linear",
            Self::Striped { .. } => "striped",
            Self::Snapshot(_) => "snapshot",
            Self::SnapshotOrigin(_) => "snapshot-origin",
            Self::SnapshotMerge(_) => "snapshot-merge",
            Self::Error => "error",
            Self::Zero => "zero",
            Self::Mirror { .. } => "mirror",
            Self::Delay(_) => "delay",
            Self::Flakey { .. } => "flakey",
            Self::Integrity { .. } => "integrity",
            Self::Other { kind, .. } => kind,
        }
    }

    /// Its parameters, as they stand in a table.
    #[must_use]
    pub fn params(&self) -> String {
        let list = |words: &[String]| match words {
            [] => String::new(),
            words => format!(" {} {}", words.len(), escaped(words)),
        };
        let snapshot = |s: &Snapshot| {
            format!("{} {} {} {}{}", s.origin, s.cow, s.store.word(), s.chunk.0, list(&s.features))
        };
        match self {
            Self::Linear(leg) => leg.to_string(),
            Self::Striped { chunk, legs } => format!("{} {}{}", legs.len(), chunk.0, joined(legs)),
            Self::Snapshot(s) | Self::SnapshotMerge(s) => snapshot(s),
            Self::SnapshotOrigin(dev) => dev.to_string(),
            Self::Error | Self::Zero => String::new(),
            Self::Mirror { log, legs, features } => {
                let args: String = log.args.iter().map(|arg| format!(" {}", words::escape(arg))).collect();
                let legs = format!("{}{}", legs.len(), joined(legs));
                format!("{} {}{args} {legs}{}", log.kind, log.args.len(), list(features))
            }
            Self::Delay(parts) => {
                let part = |(leg, ms): &(Leg, u64)| format!("{leg} {ms}");
                parts.iter().map(part).collect::<Vec<_>>().join(" ")
            }
            Self::Flakey { on, up, down, features } => format!("{on} {up} {down}{}", list(features)),
            Self::Integrity { on, tag, mode, options } => {
                let tag = tag.map_or_else(|| "-".to_owned(), |tag| tag.to_string());
                let options = match options.as_slice() {
                    [] => "0".to_owned(),
                    options => format!("{} {}", options.len(), escaped(options)),
                };
                format!("{on} {tag} {mode} {options}")
            }
            Self::Other { params, .. } => params.clone(),
        }
    }

    /// The devices it names, where it is understood.
    #[must_use]
    pub fn devices(&self) -> Vec<&Dev> {
        match self {
            Self::Linear(leg) | Self::Flakey { on: leg, .. } | Self::Integrity { on: leg, .. } => {
                vec![&leg.dev]
            }
            Self::Striped { legs, .. } | Self::Mirror { legs, .. } => {
                legs.iter().map(|leg| &leg.dev).collect()
            }
            Self::Snapshot(s) | Self::SnapshotMerge(s) => vec![&s.origin, &s.cow],
            Self::SnapshotOrigin(dev) => vec![dev],
            Self::Delay(parts) => parts.iter().map(|(leg, _)| &leg.dev).collect(),
            Self::Error | Self::Zero | Self::Other { .. } => Vec::new(),
        }
    }

    /// The same target with other devices in the places of those that it names.
    ///
    /// # Errors
    /// What `by` answers.
    pub fn with_devices<E>(&self, by: &mut dyn FnMut(&Dev) -> Result<Dev, E>) -> Result<Self, E> {
        let mut target = self.clone();
        for dev in target.devices_mut() {
            *dev = by(dev)?;
        }
        Ok(target)
    }

    fn devices_mut(&mut self) -> Vec<&mut Dev> {
        match self {
            Self::Linear(leg) | Self::Flakey { on: leg, .. } | Self::Integrity { on: leg, .. } => {
                vec![&mut leg.dev]
            }
            Self::Striped { legs, .. } | Self::Mirror { legs, .. } => {
                legs.iter_mut().map(|leg| &mut leg.dev).collect()
            }
            Self::Snapshot(s) | Self::SnapshotMerge(s) => vec![&mut s.origin, &mut s.cow],
            Self::SnapshotOrigin(dev) => vec![dev],
            Self::Delay(parts) => parts.iter_mut().map(|(leg, _)| &mut leg.dev).collect(),
            Self::Error | Self::Zero | Self::Other { .. } => Vec::new(),
        }
    }

    /// Reads the parameters of a target.
    ///
    /// # Errors
    /// A target that is known and takes other parameters.
    pub fn parse(kind: &str, params: &str) -> Result<Self, BadTable> {
        let words = words::split(params);
        let bad = || BadTable::Params { target: kind.to_owned(), params: params.to_owned() };
        match known(kind, Words(&words)) {
            Some(parsed) => parsed.ok_or_else(bad),
            None => Ok(Self::Other { kind: kind.to_owned(), params: params.to_owned() }),
        }
    }

    /// The same, where what is not understood, or would not be written in the same words, stays text.
    #[must_use]
    pub fn lenient(kind: &str, params: &str) -> Self {
        let other = || Self::Other { kind: kind.to_owned(), params: params.to_owned() };
        match Self::parse(kind, params) {
            Ok(target) if target.params() == params => target,
            Ok(_) | Err(_) => other(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = self.params();
        let gap = if params.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{params}", self.kind())
    }
}

impl FromStr for Target {
    type Err = BadTable;

    fn from_str(text: &str) -> Result<Self, BadTable> {
        let text = text.trim();
        let (kind, params) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
        if kind.is_empty() { Err(BadTable::Row(text.to_owned())) } else { Self::parse(kind, params.trim()) }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dev, self.start.0)
    }
}

fn joined(legs: &[Leg]) -> String {
    legs.iter().map(|leg| format!(" {leg}")).collect()
}

fn escaped(words: &[String]) -> String {
    words.iter().map(|word| words::escape(word)).collect::<Vec<_>>().join(" ")
}

/// The targets that are known; `None` for others, `Some(None)` for parameters that do not fit.
fn known(kind: &str, words: Words<'_>) -> Option<Option<Target>> {
    Some(match kind {
        "linear" => linear(words),
        "striped" => striped(words),
        "snapshot" => snapshot(words).map(Target::Snapshot),
        "snapshot-merge" => snapshot(words).map(Target::SnapshotMerge),
        "snapshot-origin" => origin(words),
        "error" => words.end(Target::Error),
        "zero" => words.end(Target::Zero),
        "mirror" => mirror(words),
        "delay" => delay(words),
        "flakey" => flakey(words),
        "integrity" => integrity(words),
        _ => return None,
    })
}

/// Words that are taken one after the other.
struct Words<'a>(&'a [String]);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u64> {
        let word = self.next()?;
        if word.bytes().all(|b| b.is_ascii_digit()) { word.parse().ok() } else { None }
    }

    fn sectors(&mut self) -> Option<Sectors> {
        self.number().map(Sectors)
    }

    fn dev(&mut self) -> Option<Dev> {
        self.next().map(Dev::read)
    }

    fn leg(&mut self) -> Option<Leg> {
        Some(Leg { dev: self.dev()?, start: self.sectors()? })
    }

    /// Exactly so many legs; the count is believed only as far as there are words.
    fn legs(&mut self, count: u64) -> Option<Vec<Leg>> {
        let fits = usize::try_from(count).is_ok_and(|count| count > 0 && count <= self.0.len() / 2);
        if !fits {
            return None;
        }
        (0..count).map(|_| self.leg()).collect()
    }

    /// A count and so many words, or nothing at all.
    fn list(&mut self) -> Option<Vec<String>> {
        if self.0.is_empty() {
            return Some(Vec::new());
        }
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())?;
        let (list, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(list.to_vec())
    }

    /// The value, where no word is left.
    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

fn linear(mut words: Words<'_>) -> Option<Target> {
    let leg = words.leg()?;
    words.end(Target::Linear(leg))
}

fn striped(mut words: Words<'_>) -> Option<Target> {
    let (count, chunk) = (words.number()?, words.sectors()?);
    let legs = words.legs(count)?;
    words.end(Target::Striped { chunk, legs })
}

fn snapshot(mut words: Words<'_>) -> Option<Snapshot> {
    let (origin, cow) = (words.dev()?, words.dev()?);
    let store = match words.next()? {
        "P" => Store::Persistent,
        "PO" => Store::PersistentOverflow,
        "N" => Store::Transient,
        _ => return None,
    };
    let (chunk, features) = (words.sectors()?, words.list()?);
    words.end(Snapshot { origin, cow, store, chunk, features })
}

fn origin(mut words: Words<'_>) -> Option<Target> {
    let dev = words.dev()?;
    words.end(Target::SnapshotOrigin(dev))
}

fn mirror(mut words: Words<'_>) -> Option<Target> {
    let log = MirrorLog { kind: words.next()?.to_owned(), args: words.list()? };
    let count = words.number()?;
    let (legs, features) = (words.legs(count)?, words.list()?);
    words.end(Target::Mirror { log, legs, features })
}

fn delay(mut words: Words<'_>) -> Option<Target> {
    let mut parts = Vec::new();
    while !words.0.is_empty() {
        parts.push((words.leg()?, words.number()?));
    }
    (1..=3).contains(&parts.len()).then_some(Target::Delay(parts))
}

fn flakey(mut words: Words<'_>) -> Option<Target> {
    let (on, up, down) = (words.leg()?, words.number()?, words.number()?);
    let features = words.list()?;
    words.end(Target::Flakey { on, up, down, features })
}

fn integrity(mut words: Words<'_>) -> Option<Target> {
    let on = words.leg()?;
    let tag = match words.next()? {
        "-" => None,
        word => Some(word.parse().ok()?),
    };
    let mode = words.next()?.parse().ok().filter(|mode: &char| "JBDRI".contains(*mode))?;
    let options = words.list()?;
    words.end(Target::Integrity { on, tag, mode, options })
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
