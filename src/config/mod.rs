//! mdadm.conf and the map file: text in, values out. Nothing here opens a file.

pub mod alerts;
pub mod conf;
pub mod format;
pub mod glob;
pub mod lvm;
pub mod name;
pub mod policy;
pub mod sources;
pub mod unused;

mod lines;

pub use conf::{Config, Diagnostic};
pub use format::Metadata;

pub mod map;

/// Whose arrays are ours, as a word of the command line or of HOMEHOST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// `<system>`: the machine's own host name.
    System,
    /// `<none>` or nothing: no host.
    None,
    /// This name.
    Named(String),
}

impl HostName {
    /// From a word that is not `<ignore>`.
    pub fn from_word(word: &str) -> Self {
        if word.is_empty() || word.eq_ignore_ascii_case("<none>") {
            Self::None
        } else if word.eq_ignore_ascii_case("<system>") {
            Self::System
        } else {
            Self::Named(word.to_owned())
        }
    }
}
