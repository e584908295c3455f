//! Processes that commands start of this very program: one that ends a critical section should its process be killed, and one
//! that ends in the background what the kernel goes on with.

use std::{ffi::OsString, path::Path};

use super::{DONE, FAILED};
use crate::{
    execute::{follow, watch},
    inventory,
    kernel::{Lock, Machine, second},
};

/// The name of commands.
const COMMAND: &str = "mdctl";

/// Runs what goes by this name; `None` where it is a command's.
pub(super) fn run(name: &str, words: &[OsString]) -> Option<u8> {
    match name {
        watch::NAME => Some(match watch::run(&inventory::machine()) {
            Ok(()) => DONE,
            Err(error) => {
                tracing::debug!(%error, "nothing to watch");
                FAILED
            }
        }),
        follow::NAME => {
            second::stand_alone(follow::NAME);
            let (what, words) = words.split_first()?;
            Some(alone(&inventory::machine(), &what.to_string_lossy(), words))
        }
        follow::MONITOR => {
            // The original's guard against a second monitor looks for this name.
            second::stand_alone("mdadm");
            let (program, words) = words.split_first()?;
            Some(super::run(Path::new(program), words.to_vec()))
        }
        _ => None,
    }
}

/// A command that is carried out by one process at a time.
fn alone(machine: &Machine, what: &str, words: &[OsString]) -> u8 {
    match follow::place(machine, what).map_err(anyhow::Error::from).and_then(|path| Ok(Lock::at_once(&path)?))
    {
        Ok(Some(lock)) => {
            let status = super::run(Path::new(COMMAND), words.to_vec());
            drop(lock);
            status
        }
        // Another one is at it.
        Ok(None) => DONE,
        Err(error) => {
            tracing::debug!(%error, "no lock for the background");
            FAILED
        }
    }
}
