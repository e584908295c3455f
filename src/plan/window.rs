//! What is set aside of an array while its data is laid out anew where it lies, as steps.

use std::fmt;

use superblock::{
    Bytes, Sectors,
    backup::{Backup, Part},
};

use super::ArrayName;
use crate::model::Geometry;

/// One act on a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowStep {
    /// Make it, with all the room that it will need, and nothing set aside in it.
    Make {
        /// Its file; nothing may be there.
        store: String,
        /// Its size.
        size: Bytes,
        /// What it says.
        backup: Backup,
    },
    /// Hold writes to a part of the array back, and set it aside: its data first, and, once that is on stable storage, what says so.
    Save {
        /// The array.
        array: ArrayName,
        /// The store.
        store: String,
        /// Where its description is in it.
        at: Sectors,
        /// Which part.
        part: usize,
        /// What the store says afterwards, but for the sum of the part's data.
        backup: Backup,
        /// What is held back already.
        held: (Sectors, Sectors),
    },
    /// Say that parts are not needed any more.
    Say {
        /// The store.
        store: String,
        /// Where its description is in it.
        at: Sectors,
        /// What it says.
        backup: Backup,
    },
    /// Hold writes back between these sectors of the array, and from nothing else.
    Hold {
        /// The array.
        array: ArrayName,
        /// From, and up to. Nothing where both are the same.
        range: (Sectors, Sectors),
        /// What is held back already.
        held: (Sectors, Sectors),
    },
    /// Write what was set aside to the members, laid out anew.
    Restore {
        /// The store.
        store: String,
        /// Which parts, with their places in it.
        parts: Vec<(Sectors, Part)>,
        /// The shape that it is written in.
        shape: Geometry,
        /// The members by slot: paths, and where their data begins.
        members: Vec<Option<(String, Sectors)>>,
    },
}

impl WindowStep {
    /// The step that takes this one back; `None`: what is set aside harms nobody, and what is restored is what was there.
    #[must_use]
    pub fn undo(&self) -> Option<super::SystemStep> {
        match self {
            Self::Make { store, .. } => Some(super::SystemStep::RemoveFile { file: store.clone() }),
            Self::Save { .. } | Self::Say { .. } | Self::Hold { .. } | Self::Restore { .. } => None,
        }
    }
}

fn kib(sectors: Sectors) -> u64 {
    sectors.0 / 2
}

impl fmt::Display for WindowStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make { store, size, .. } => {
                write!(f, "make {store} for what is set aside ({} KiB)", size.0 / 1024)
            }
            Self::Save { array, store, part, backup, .. } => {
                let part = backup.parts.get(*part).copied().unwrap_or_default();
                let (from, to) = (kib(part.start), kib(part.end()));
                write!(
                    f,
                    "hold writes to {array} from {from} KiB to {to} KiB back and set that aside in {store}"
                )
            }
            Self::Say { store, .. } => write!(f, "let {store} say what is set aside"),
            Self::Hold { array, range: (from, to), .. } if from == to => {
                write!(f, "hold no writes to {array} back")
            }
            Self::Hold { array, range: (from, to), .. } => {
                write!(f, "hold writes to {array} from {} KiB to {} KiB back", kib(*from), kib(*to))
            }
            Self::Restore { store, parts, members, .. } => {
                let bytes: u64 = parts.iter().map(|(_, part)| kib(part.length)).sum();
                let members = members.iter().flatten().count();
                write!(f, "write {bytes} KiB that are set aside in {store} to {members} members")
            }
        }
    }
}
