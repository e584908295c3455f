//! Why metadata could not be used.

use std::io;

use crate::units::Sectors;

/// The outcome of reading that is neither "not mine" nor a value.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The format is here and its bytes contradict themselves.
    #[error("{format} metadata at sector {}: {what}", at.0)]
    Corrupt {
        /// The format's name as the user knows it ("1.2", "0.90", "bitmap", …).
        format: &'static str,
        /// Where the damaged structure begins.
        at: Sectors,
        /// What is wrong, with the numbers needed to find it.
        what: What,
    },
    /// The format is here in a version or with features that we do not know.
    #[error("{format} metadata at sector {}: {why}", at.0)]
    Unsupported {
        /// The format's name.
        format: &'static str,
        /// Where the structure begins.
        at: Sectors,
        /// What is too new.
        why: String,
    },
    /// The device could not be read.
    #[error("reading {format} metadata at sector {}: {source}", at.0)]
    Io {
        /// The format that was looked for.
        format: &'static str,
        /// Where it was looked for.
        at: Sectors,
        /// The device's error.
        source: io::Error,
    },
}

/// One contradiction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The stored checksum is not that of the bytes.
    #[error("checksum is {stored:08x}, should be {computed:08x}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As computed.
        computed: u32,
    },
    /// A field has a value that nothing could have written.
    #[error("{field} is {value}, {rule}")]
    Field {
        /// The kernel's name of the field.
        field: &'static str,
        /// Its value.
        value: i128,
        /// What holds for sound metadata.
        rule: &'static str,
    },
}
