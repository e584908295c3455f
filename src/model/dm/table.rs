//! A table: which ranges of a device lead where.

use std::{fmt, str::FromStr};

use superblock::Sectors;

use super::{Dev, Snapshot, Target};
use crate::model::DevId;

/// Sectors of the largest device: its size in bytes is a signed number.
const LARGEST: u64 = (1 << 54) - 1;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it starts.
    pub start: Sectors,
    /// How long it is.
    pub length: Sectors,
    /// Where it leads.
    pub target: Target,
}

/// The rows in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// They follow each other without gaps, from 0.
    pub rows: Vec<Row>,
}

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTable {
    /// A row does not begin with two numbers and a target's name.
    #[error("\"{}\" is no row of a table: START LENGTH TARGET PARAMETERS", .0.escape_debug())]
    Row(String),
    /// A target that is known does not take these parameters.
    #[error("the target {target} does not take \"{}\"", .params.escape_debug())]
    Params {
        /// The target.
        target: String,
        /// What was given.
        params: String,
    },
    /// There is no row.
    #[error("a table needs a row")]
    Empty,
    /// A row does not begin where the one before it ends.
    #[error("a row begins at sector {found} where {expected} was to be next")]
    Gap {
        /// Where the one before it ends.
        expected: u64,
        /// Where it begins.
        found: u64,
    },
    /// A row of no length, or one that ends nowhere.
    #[error("the row at sector {0} has no possible length")]
    Length(u64),
}

impl Table {
    /// A table of one row.
    #[must_use]
    pub fn of(length: Sectors, target: Target) -> Self {
        Self { rows: vec![Row { start: Sectors(0), length, target }] }
    }

    /// Targets one after the other.
    pub fn concat(parts: impl IntoIterator<Item = (Sectors, Target)>) -> Self {
        let mut start = Sectors(0);
        let row = |(length, target): (Sectors, Target)| {
            let row = Row { start, length, target };
            start = start.saturating_add(length);
            row
        };
        Self { rows: parts.into_iter().map(row).collect() }
    }

    /// A table in a person's words: parameters that are not understood are the driver's to judge.
    ///
    /// # Errors
    /// The number of the line that is no row.
    pub fn lenient(text: &str) -> Result<Self, usize> {
        let mut rows = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (start, length, kind, params) = Row::words(line).ok_or(number + 1)?;
            rows.push(Row::reported(start, length, kind, params));
        }
        Ok(Self { rows })
    }

    /// The size of a device with this table.
    #[must_use]
    pub fn size(&self) -> Sectors {
        self.rows.last().map_or(Sectors(0), |row| row.start.saturating_add(row.length))
    }

    /// What the driver would refuse about any table.
    ///
    /// # Errors
    /// The first gap, overlap or impossible length.
    pub fn check(&self) -> Result<(), BadTable> {
        let mut expected = Sectors(0);
        if self.rows.is_empty() {
            return Err(BadTable::Empty);
        }
        for row in &self.rows {
            if row.start != expected {
                return Err(BadTable::Gap { expected: expected.0, found: row.start.0 });
            }
            let end = row.start.checked_add(row.length).filter(|end| end.0 <= LARGEST);
            expected = end.filter(|_| row.length.0 > 0).ok_or(BadTable::Length(row.start.0))?;
        }
        Ok(())
    }

    /// The device of which this one shows an earlier state, where that is all that it does.
    #[must_use]
    pub fn is_snapshot_of(&self) -> Option<DevId> {
        match self.rows.as_slice() {
            [Row { target: Target::Snapshot(Snapshot { origin: Dev::Number(origin), .. }), .. }] => {
                Some(*origin)
            }
            _ => None,
        }
    }

    /// Whether it shows this device as it is now, which has snapshots.
    #[must_use]
    pub fn is_origin(&self, dev: DevId) -> bool {
        let is_it = |of: &Dev| *of == Dev::Number(dev);
        match self.rows.as_slice() {
            [Row { target: Target::SnapshotOrigin(of), .. }] => is_it(of),
            [Row { target: Target::SnapshotMerge(merging), .. }] => is_it(&merging.origin),
            _ => false,
        }
    }

    /// Every device that it names.
    pub fn devices(&self) -> impl Iterator<Item = &super::Dev> {
        self.rows.iter().flat_map(|row| row.target.devices())
    }
}

impl Row {
    /// Start, length, target, and the rest.
    fn words(text: &str) -> Option<(Sectors, Sectors, &str, &str)> {
        let word = |text: &str| -> Option<usize> {
            let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
            (end > 0).then_some(end)
        };
        let (start, rest) = text.split_at(word(text)?);
        let rest = rest.trim_start();
        let (length, rest) = rest.split_at(word(rest)?);
        let rest = rest.trim_start();
        let (kind, rest) = rest.split_at(word(rest)?);
        Some((Sectors(start.parse().ok()?), Sectors(length.parse().ok()?), kind, rest.trim()))
    }

    /// A row as the driver reports it: what is not understood stays text.
    #[must_use]
    pub fn reported(start: Sectors, length: Sectors, kind: &str, params: &str) -> Self {
        Self { start, length, target: Target::lenient(kind, params) }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.start.0, self.length.0, self.target)
    }
}

impl FromStr for Row {
    type Err = BadTable;

    fn from_str(text: &str) -> Result<Self, BadTable> {
        let words = Self::words(text.trim()).ok_or_else(|| BadTable::Row(text.to_owned()))?;
        let (start, length, kind, params) = words;
        Ok(Self { start, length, target: Target::parse(kind, params)? })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.rows.iter().enumerate() {
            write!(f, "{}{row}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl FromStr for Table {
    type Err = BadTable;

    /// One row a line; empty lines and lines that begin with `#` say nothing.
    fn from_str(text: &str) -> Result<Self, BadTable> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let table = Self { rows: lines.map(str::parse).collect::<Result<_, _>>()? };
        table.check()?;
        Ok(table)
    }
}
