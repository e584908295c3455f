//! Processes that commands start of this very program: one that ends a critical section should its process be killed, and one
//! that ends in the background what the kernel goes on with.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{DONE, FAILED};
use crate::{
    execute::watch,
    inventory,
    kernel::{Lock, Machine, files, lock, second},
};

/// The name under which this program works in the background: the words after it are the name of its lock and a command.
const BACKGROUND: &str = "mdctl-follow";
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
        BACKGROUND => {
            second::stand_alone(BACKGROUND);
            let (what, words) = words.split_first()?;
            Some(alone(&inventory::machine(), &what.to_string_lossy(), words))
        }
        _ => None,
    }
}

/// A command that is carried out by one process at a time.
fn alone(machine: &Machine, what: &str, words: &[OsString]) -> u8 {
    match place(machine, what).and_then(|path| Ok(Lock::at_once(&path)?)) {
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

fn place(machine: &Machine, what: &str) -> Result<PathBuf> {
    let dir = machine.places.run.join("mdctl/background");
    files::make_dirs(&dir, 0o700)?;
    Ok(dir.join(what))
}

/// Has a command carried out in the background, unless a process is at it: who is, in words; `None` where nobody can be.
pub(super) fn in_background(machine: &Machine, what: &str, words: &[&str]) -> Option<String> {
    let path = place(machine, what).ok()?;
    match Lock::at_once(&path).ok()? {
        None => {
            let by = lock::holders(&machine.procfs, &path).ok()?;
            return Some(by.first().map_or_else(|| "a process".to_owned(), ToString::to_string));
        }
        Some(free) => drop(free),
    }
    let words: Vec<&str> = [BACKGROUND, what].into_iter().chain(words.iter().copied()).collect();
    match second::in_background(&machine.procfs, &machine.places.dev.join("kmsg"), &words) {
        Ok(pid) => Some(format!("process {pid}")),
        Err(error) => {
            tracing::debug!(%error, "nothing in the background");
            None
        }
    }
}
