//! What is kept before it is overwritten: one entry for each plan that writes metadata, as a value and as a file.
//!
//! Nothing here looks or acts. `plan::keep` says what is kept, `execute` fetches the bytes and stores the file,
//! `inventory` reads it back, `plan::undo` decides what of it is put back. `docs/archive.md` describes the file.

mod bounds;
mod file_name;
mod format;
mod former;
mod identity;
mod pieces;
pub mod prints;
mod same;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use superblock::{Bytes, Write};

use crate::model::world::Timestamp;

pub use bounds::{Bounds, Stored, superfluous};
pub use file_name::{FileName, Of};
pub use format::{Damaged, LARGEST, TooLarge, decode, encode};
pub use former::{Former, former};
pub use identity::{Attributes, Carried, Identity, Partition, Sighted};
pub(crate) use pieces::Pieces;
pub use prints::Print;
pub use same::{By, Sameness};

/// The name of an entry: date, time, microseconds and a random number, `20261122-103455-1234561f`. Clocks are set back:
/// which entry is later, its number says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// A text that cannot be an entry's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no name of an archive entry")]
pub struct BadId;

impl Id {
    /// From a time and a random number.
    #[must_use]
    pub fn new(time: Timestamp, random: u8) -> Self {
        Self(format!("{}-{:06}{random:02x}", crate::model::clock::compact(time.seconds), time.micros))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'-';
        let good = (1..=40).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-');
        if good { Ok(Self(text)) } else { Err(BadId) }
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was run, when, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The entry's name.
    pub id: Id,
    /// Seconds since 1970.
    pub time: u64,
    /// The words of the command.
    pub command: Vec<String>,
    /// The plan in one line.
    pub summary: String,
    /// The program that kept it.
    pub version: String,
    /// The host's name.
    pub host: Option<String>,
    /// The entry that this command put back.
    pub undoes: Option<Id>,
    /// The entry's number: later ones have higher ones, whatever the clock says. It is given as the entry is stored; older
    /// programs gave none.
    #[serde(default)]
    pub seq: u64,
    /// The change of a group of volumes.
    #[serde(default)]
    pub group: Option<GroupChange>,
}

impl About {
    /// By this entries are ordered.
    #[must_use]
    pub fn order(&self) -> (u64, &Id) {
        (self.seq, &self.id)
    }

    /// The command that takes it back.
    #[must_use]
    pub fn back(&self) -> String {
        let by = self.group.as_ref().and_then(|change| change.back.clone());
        by.unwrap_or_else(|| format!("mdctl undo {}", self.id))
    }
}

/// A change of a group of volumes. Its metadata is LVM2's to keep; the entry says which change it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupChange {
    /// The group's name after it, or before where it is gone.
    pub group: String,
    /// Its UUID.
    pub id: String,
    /// The number of its metadata before; none where the group is new.
    pub before: Option<u32>,
    /// The number after; none where the group is gone.
    pub after: Option<u32>,
    /// The command that takes the change back; none where `mdctl undo` does it.
    pub back: Option<String>,
}

/// What is to be kept of one device, and what is going to be written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The device.
    pub device: Identity,
    /// Start and length of what is kept: in order, apart, multiples of 512.
    pub ranges: Vec<(Bytes, Bytes)>,
    /// The bytes that the plan writes, in its order.
    pub written: Vec<Write>,
}

/// What is to be kept, before its bytes are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was run.
    pub about: About,
    /// The devices.
    pub devices: Vec<Wanted>,
}

impl Record {
    /// How much is kept.
    #[must_use]
    pub fn size(&self) -> Bytes {
        let lengths = self.devices.iter().flat_map(|device| &device.ranges).map(|(_, length)| *length);
        lengths.fold(Bytes(0), Bytes::saturating_add)
    }
}

/// One device of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The device as it was.
    pub device: Identity,
    /// The bytes that were there.
    pub before: Vec<Write>,
    /// The bytes that were to be written, in order.
    pub written: Vec<Write>,
}

impl Kept {
    /// What the kept ranges hold once the plan has written, as far as the plan alone decides.
    #[must_use]
    pub fn after(&self) -> Vec<Write> {
        let mut after = self.before.clone();
        for write in &self.written {
            for piece in &mut after {
                lay_over(piece, write);
            }
        }
        after
    }
}

/// Puts the part of `new` that lies in `piece` into it.
pub(crate) fn lay_over(piece: &mut Write, new: &Write) {
    let start = piece.at.max(new.at);
    let skip = |of: Bytes| usize::try_from(start.saturating_sub(of).0).unwrap_or(usize::MAX);
    let (to, from) = (skip(piece.at), skip(new.at));
    let target = piece.data.get_mut(to..).unwrap_or_default();
    let source = new.data.get(from..).unwrap_or_default();
    for (old, new) in target.iter_mut().zip(source) {
        *old = *new;
    }
}

/// The entries that are undone: something put them back, and that was not undone itself.
#[must_use]
pub fn undone<'a>(entries: impl IntoIterator<Item = &'a About>) -> BTreeSet<&'a Id> {
    let mut entries: Vec<&About> = entries.into_iter().collect();
    entries.sort_by(|a, b| b.order().cmp(&a.order()));
    let mut undone = BTreeSet::new();
    for about in entries {
        if !undone.contains(&about.id) {
            undone.extend(about.undoes.as_ref());
        }
    }
    undone
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was run.
    pub about: About,
    /// What was kept.
    pub devices: Vec<Kept>,
}

#[cfg(test)]
pub(crate) mod tests;
