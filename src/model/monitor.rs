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

/// The letters of the monitor that are under way, as their files show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spool {
    /// The time, in seconds since 1970.
    pub now: u64,
    /// The letters, oldest first.
    pub letters: Vec<Spooled>,
}

/// The file of one letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// Its path.
    pub file: String,
    /// What is in it.
    pub letter: Letter,
    /// A process is delivering it.
    pub in_hand: bool,
    /// Why it could not be delivered the last time.
    pub refused: Option<String>,
}

/// One letter: an alert for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its identity, the same at each attempt.
    pub id: String,
    /// When it was written, in seconds since 1970.
    pub written: u64,
    /// Whom it is for.
    pub to: String,
    /// What it says.
    pub text: String,
}

impl Letter {
    /// As its file has it.
    #[must_use]
    pub fn to_file(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.id, self.written, self.to, self.text)
    }

    /// From its file; `None` for what is not one.
    #[must_use]
    pub fn from_file(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '\n');
        let (id, written, to) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let is_whole = !id.is_empty() && !to.is_empty();
        is_whole.then_some(())?;
        Some(Self { id: id.to_owned(), written, to: to.to_owned(), text: parts.next()?.to_owned() })
    }

    /// The file in which the process that could not deliver it says why.
    #[must_use]
    pub fn why_file(file: &str) -> String {
        format!("{file}.refused")
    }
}

/// What is configured for a monitor, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonitorTexts {
    /// mdadm.conf, and files beside it: path and text, in their order.
    pub conf: Vec<(String, String)>,
    /// Files beside it that could not be read.
    pub unread: Vec<String>,
    /// Our own file of receivers: path and text.
    pub alerts: Option<(String, String)>,
    /// Files with secrets that are not there, or that others may read.
    pub secrets: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letters_file() {
        let letter =
            Letter { id: "a.1".into(), written: 7, to: "smtp".into(), text: "From: x\n\ny\n".into() };
        assert_eq!(Letter::from_file(&letter.to_file()), Some(letter));
        for text in ["", "a", "a\n7\nb", "a\nx\nb\nc", "\n7\nb\nc"] {
            assert_eq!(Letter::from_file(text), None, "{text:?}");
        }
    }
}
