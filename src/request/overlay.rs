//! `mdctl overlay`: members that may be written to and are not.

use std::path::PathBuf;

use superblock::Bytes;

/// `mdctl overlay`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverlayRequest {
    /// Make a set.
    Create {
        /// The members.
        devices: Vec<String>,
        /// The set's name; one is made up where there is none.
        name: Option<String>,
        /// The directory of the files.
        store: Option<PathBuf>,
        /// The size of each file.
        size: Option<Bytes>,
    },
    /// Show them.
    List,
    /// What a set would change.
    Diff {
        /// The set.
        set: String,
        /// The directory of its files.
        store: Option<PathBuf>,
    },
    /// Write it to the members.
    Commit {
        /// The set.
        set: String,
        /// The directory of its files.
        store: Option<PathBuf>,
        /// Also over members that were written to since it was made.
        force: bool,
    },
    /// Take sets away.
    Discard {
        /// The sets; all where there are none and `all` is given.
        sets: Vec<String>,
        /// All of them.
        all: bool,
        /// The directory of their files.
        store: Option<PathBuf>,
    },
}
