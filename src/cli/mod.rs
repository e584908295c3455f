//! Words in: from argv to one typed request, without touching the machine.
//!
//! `options` is the table, `scan` splits argv as getopt_long does, `parse` keeps the mode and the order,
//! `low` holds what was typed and makes a request of it: what commands take.

pub mod complete;
pub mod dm;
pub mod help;
pub mod low;
pub mod native;
pub mod options;
pub mod overlay;
pub mod parse;
pub mod trial;
pub mod values;
pub mod volume;

mod blocks;
mod boot;
mod config;
mod raid6check;
mod scan;
mod scrub;
mod table;
mod verbs;

use std::ffi::OsString;

use parse::Parsed;

/// Understands a command line: the words after `program`, the name without its directory.
///
/// # Errors
/// A command line that is refused.
pub fn understand(program: &str, args: Vec<OsString>) -> Result<Parsed, UsageError> {
    match program {
        "mdctl" => native::parse(args),
        raid6check::NAME => raid6check::parse(args),
        _ => parse::parse(args),
    }
}

/// A command line that is refused: what to say and the exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// What was found on the way, to be said first.
    pub said: Vec<String>,
    /// First line; the program's name goes before it. Further lines stand as they are.
    pub message: String,
    /// Whether the two lines of usage follow.
    pub usage: bool,
    /// Exit status.
    pub status: u8,
    /// Whether only root is told; others hear that they are not.
    pub for_root: bool,
}

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { said: Vec::new(), message: message.into(), usage: false, status: 2, for_root: false }
    }

    pub(crate) fn status(message: impl Into<String>, status: u8) -> Self {
        Self { said: Vec::new(), message: message.into(), usage: false, status, for_root: false }
    }

    pub(crate) fn for_root(message: impl Into<String>, status: u8) -> Self {
        Self { for_root: true, ..Self::status(message, status) }
    }

    pub(crate) fn with_usage(message: impl Into<String>) -> Self {
        Self { said: Vec::new(), message: message.into(), usage: true, status: 2, for_root: false }
    }
}

#[cfg(test)]
mod tests;
