//! What is kept of what a command overwrote: entries, the devices that they are about, and what is seen of these now.

mod identity;

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use superblock::{Bytes, MdUuid, Write};

use super::{Device, Unusable, clock, world::Timestamp};

pub use identity::{Carried, Identity, Partition, Print};

/// The name of an entry: date, time, microseconds and a random number, `20261122-103455-1234561f`. Clocks are set back:
/// which entry is later, its number says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(String);

/// A text that cannot be an entry's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no name of an archive entry")]
pub struct BadId;

impl EntryId {
    /// From a time and a random number.
    #[must_use]
    pub fn new(time: Timestamp, random: u8) -> Self {
        Self(format!("{}-{:06}{random:02x}", clock::compact(time.seconds), time.micros))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EntryId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'-';
        let good = (1..=40).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-');
        if good { Ok(Self(text)) } else { Err(BadId) }
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was run, when, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The entry's name.
    pub id: EntryId,
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
    pub undoes: Option<EntryId>,
    /// Nobody asked for that: the command of that entry was killed.
    #[serde(default)]
    pub cleans_up: bool,
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
    pub fn order(&self) -> (u64, &EntryId) {
        (self.seq, &self.id)
    }

    /// The command that takes it back.
    ///
    /// # Errors
    /// Nothing does: why.
    pub fn back(&self) -> Result<String, &str> {
        if self.cleans_up {
            return Err("it took away what a killed command had left half made");
        }
        let change = self.group.as_ref();
        if let Some(why) = change.and_then(|change| change.no_way.as_deref()) {
            return Err(why);
        }
        let by = change.and_then(|change| change.back.clone());
        Ok(by.unwrap_or_else(|| format!("mdctl undo {}", self.id)))
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
    /// The command that takes the change back; none where `mdctl undo` does it, or nothing.
    pub back: Option<String>,
    /// Why nothing takes it back.
    #[serde(default)]
    pub no_way: Option<String>,
}

/// One device of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDevice {
    /// The device as it was.
    pub device: Identity,
    /// The bytes that were there.
    pub before: Vec<Write>,
    /// The bytes that were to be written, in order.
    pub written: Vec<Write>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was run.
    pub about: About,
    /// What was kept.
    pub devices: Vec<KeptDevice>,
}

/// An entry without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// What was run.
    pub about: About,
    /// The devices.
    pub devices: Vec<Identity>,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size: u64,
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Entries, the oldest first.
    pub entries: Vec<Shelved>,
    /// Files that are not believed, with the reason.
    pub damaged: Vec<(PathBuf, String)>,
}

impl Shelf {
    /// What each entry is about, and the devices as they were then.
    #[must_use]
    pub fn known(&self) -> Vec<(&About, &[Identity])> {
        self.entries.iter().map(|shelved| (&shelved.about, shelved.devices.as_slice())).collect()
    }
}

/// Where to look on a device of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The path that the device has now.
    pub path: String,
    /// Start and length of what was kept of it.
    pub kept: Vec<(Bytes, Bytes)>,
}

/// One device of an entry, as it is now.
#[derive(Debug)]
pub struct Present {
    /// The device.
    pub device: Device,
    /// What the kept ranges hold now.
    pub now: Vec<Write>,
    /// What is at its start and at its end, where signatures stand.
    pub ends: Vec<Write>,
    /// The group of volumes that it belongs to: name, UUID, number of its metadata.
    pub group: Option<(String, String, u32)>,
    /// What begins where an array's data does: the array's UUID, and a name.
    pub inside: Vec<(MdUuid, String)>,
    /// Blocks of its data are not those of then, though it has left its array.
    pub changed: bool,
    /// Where blocks are as they were then.
    pub unchanged: Vec<Bytes>,
}

/// The device at a path, or why it cannot be used.
pub type Found = (String, Result<Present, Unusable>);
