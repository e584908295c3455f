//! Acts on what stands around arrays: files, the archive, the map, `/dev` and udev.

use std::fmt;

use superblock::{Bytes, Write};

use super::ArrayName;
use crate::{
    archive::{EntryId, Record},
    model::{unfinished::Note, world::MapEntry},
};

/// One act on files, the map, or `/dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemStep {
    /// Fetch the bytes that the plan endangers and store them in the archive. [`crate::plan::keep`] puts it in.
    Archive {
        /// What is kept.
        record: Box<Record>,
    },
    /// Take an entry out of the archive again: what it was made for did not happen.
    Discard {
        /// The entry.
        id: EntryId,
    },
    /// Make a sparse file with some bytes in it, and sync it.
    SaveFile {
        /// Its path; nothing may be there.
        file: String,
        /// Its size.
        size: Bytes,
        /// What is in it.
        pieces: Vec<Write>,
    },
    /// Give a file one more name.
    Link {
        /// The file.
        file: String,
        /// The name; nothing may be there.
        name: String,
    },
    /// Take a file away again.
    RemoveFile {
        /// Its path.
        file: String,
    },
    /// Write a file of text, whole or not at all. Comes last before the commit.
    WriteFile {
        /// Its path.
        path: String,
        /// Its text.
        text: String,
        /// Its permissions.
        mode: u32,
    },
    /// Make, change and remove files that systemd reads, and have it read them: all of them or none.
    UnitFiles {
        /// In this order.
        files: Vec<TextChange>,
    },
    /// Have systemd do something to units.
    Units {
        /// What.
        verb: UnitVerb,
        /// Their names.
        units: Vec<String>,
    },
    /// Change a file of text that somebody else writes, too: whole or not at all, with the owner and permissions that it has.
    EditFile {
        /// What becomes of it.
        change: TextChange,
        /// Its permissions where it is new.
        mode: u32,
    },
    /// Take the lock of the map file.
    LockMap,
    /// Let the lock of the map file go.
    UnlockMap,
    /// Record the array in the map file.
    MapAdd {
        /// The line.
        entry: MapEntry,
    },
    /// Take the array's line out of the map file.
    MapRemove {
        /// The line as it was; `devnm` selects it.
        entry: MapEntry,
    },
    /// Tell udev's rules that the array is not ready yet (`creating-` file).
    HideFromUdev {
        /// The array.
        array: ArrayName,
    },
    /// Take that back.
    ShowToUdev {
        /// The array.
        array: ArrayName,
    },
    /// Make `/dev` agree: wait for udev to have made node and link, or make them where udev is not running.
    Node {
        /// The array.
        array: ArrayName,
    },
    /// Remove what `/dev` still shows of a stopped array.
    RemoveNode {
        /// The array.
        array: ArrayName,
    },
    /// Send a `change` event, so that udev looks again.
    Uevent {
        /// The array.
        array: ArrayName,
    },
    /// Have a command carried out by a process in the background, unless one is at it. Comes last.
    Follow {
        /// The name of the lock that this process holds.
        lock: String,
        /// The command's words.
        words: Vec<String>,
    },
    /// End the process in the background that holds this lock, and wait until it has ended.
    EndFollow {
        /// The lock's name.
        lock: String,
    },
    /// Add a line to the notes of a command that was killed.
    Note {
        /// Their file.
        notes: String,
        /// What is noted.
        note: Note,
    },
}

/// What becomes of a file of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChange {
    /// Its path.
    pub path: String,
    /// What it has to say now; `None` where it must not be there.
    pub from: Option<String>,
    /// What it says then; `None` removes it.
    pub to: Option<String>,
}

/// What systemd does to units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitVerb {
    /// They start by themselves from now on.
    Enable,
    /// They do not.
    Disable,
    /// Now.
    Start,
    /// Now.
    Stop,
}

impl UnitVerb {
    /// systemctl's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }

    fn back(self) -> Self {
        match self {
            Self::Enable => Self::Disable,
            Self::Disable => Self::Enable,
            Self::Start => Self::Stop,
            Self::Stop => Self::Start,
        }
    }
}

impl TextChange {
    /// What puts it back.
    #[must_use]
    pub fn back(&self) -> Self {
        Self { path: self.path.clone(), from: self.to.clone(), to: self.from.clone() }
    }
}

impl SystemStep {
    /// The step that takes this one back.
    ///
    /// `None`: `Discard`, `RemoveFile`, `UnlockMap`, `ShowToUdev` and `RemoveNode` come last in their plans, after the commit
    /// or as an undo; events cannot be unsent; `WriteFile` is whole or not there; `Follow` and `Note` come after the commit.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        Some(match self {
            Self::Archive { record } => Self::Discard { id: record.about.id.clone() },
            Self::SaveFile { file, .. } | Self::Link { name: file, .. } => {
                Self::RemoveFile { file: file.clone() }
            }
            Self::UnitFiles { files } => {
                Self::UnitFiles { files: files.iter().rev().map(TextChange::back).collect() }
            }
            Self::EditFile { change, mode } => Self::EditFile { change: change.back(), mode: *mode },
            Self::Units { verb, units } => Self::Units { verb: verb.back(), units: units.clone() },
            Self::LockMap => Self::UnlockMap,
            Self::MapAdd { entry } => Self::MapRemove { entry: entry.clone() },
            Self::MapRemove { entry } => Self::MapAdd { entry: entry.clone() },
            Self::HideFromUdev { array } => Self::ShowToUdev { array: array.clone() },
            Self::Node { array } => Self::RemoveNode { array: array.clone() },
            Self::Discard { .. }
            | Self::RemoveFile { .. }
            | Self::WriteFile { .. }
            | Self::UnlockMap
            | Self::ShowToUdev { .. }
            | Self::RemoveNode { .. }
            | Self::Uevent { .. }
            | Self::Follow { .. }
            | Self::EndFollow { .. }
            | Self::Note { .. } => return None,
        })
    }
}

impl fmt::Display for SystemStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive { record } => {
                write!(f, "keep {} bytes in the archive as {}", record.size().0, record.about.id)
            }
            Self::Discard { id } => write!(f, "take {id} out of the archive"),
            Self::SaveFile { file, size, .. } => write!(f, "write {file}, {size}"),
            Self::Link { file, name } => write!(f, "link {name} to {file}"),
            Self::RemoveFile { file } => write!(f, "remove {file}"),
            Self::WriteFile { path, .. } => write!(f, "write the file {path}"),
            Self::UnitFiles { files } => {
                let act = |file: &TextChange| match file.to {
                    Some(_) => format!("write {}", file.path),
                    None => format!("remove {}", file.path),
                };
                let acts: Vec<String> = files.iter().map(act).collect();
                write!(f, "{}; systemctl daemon-reload", acts.join("; "))
            }
            Self::EditFile { change: TextChange { path, to: Some(_), .. }, .. } => write!(f, "write {path}"),
            Self::EditFile { change: TextChange { path, to: None, .. }, .. } => write!(f, "remove {path}"),
            Self::Units { verb, units } => write!(f, "systemctl {} {}", verb.word(), units.join(" ")),
            Self::LockMap => write!(f, "lock the map file"),
            Self::UnlockMap => write!(f, "unlock the map file"),
            Self::MapAdd { entry } => write!(f, "map {} -> {}", entry.devnm, entry.path),
            Self::MapRemove { entry } => write!(f, "remove {} from the map", entry.devnm),
            Self::HideFromUdev { array } => write!(f, "mark {array} as being created"),
            Self::ShowToUdev { array } => write!(f, "mark {array} as created"),
            Self::Node { array } => write!(f, "make {} appear", array.path),
            Self::RemoveNode { array } => write!(f, "remove what is left of {}", array.path),
            Self::Uevent { array } => write!(f, "send a change event for {array}"),
            Self::Note { notes, .. } => write!(f, "note in {notes} what is over"),
            Self::EndFollow { .. } => write!(f, "end the process in the background"),
            Self::Follow { words, .. } => {
                write!(f, "have `mdctl {}` done in the background", words.join(" "))
            }
        }
    }
}
