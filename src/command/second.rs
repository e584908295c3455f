//! Processes that commands start of this very program: one that ends a critical section should its process be killed, one that
//! ends in the background what the kernel goes on with, a monitor, and one that delivers an alert.

use std::{ffi::OsString, path::Path};

use anyhow::{Context as _, Result};

use super::{DONE, FAILED};
use crate::{
    execute::{follow, post, watch},
    inventory,
    kernel::{Lock, Machine, interrupt::Interrupt, second},
    model::monitor::Letter,
    plan::monitor::Mailbox,
};

/// Locks of reshapes begin with this.
const RESHAPE: &str = "reshape-";
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
        follow::WORKER => {
            second::named(follow::NAME);
            Some(super::run(Path::new(COMMAND), words.to_vec()))
        }
        follow::MONITOR => {
            // The original's guard against a second monitor looks for this name.
            second::stand_alone("mdadm");
            let [pid_file, program, words @ ..] = words else { return Some(FAILED) };
            // Whatever ends it does so once the file is removed.
            let kept = Interrupt::catch();
            let status = super::run(Path::new(program), words.to_vec());
            follow::forget(Path::new(pid_file));
            drop(kept);
            Some(status)
        }
        post::NAME => {
            second::stand_alone(post::NAME);
            let [file] = words else { return Some(FAILED) };
            let file = file.to_string_lossy();
            Some(match post::run(&file, addressed(&file)) {
                Ok(()) => DONE,
                Err(error) => {
                    tracing::debug!(%error, "a letter could not be delivered, and nobody told");
                    FAILED
                }
            })
        }
        _ => None,
    }
}

/// A letter, and its receiver as the configuration has it now.
fn addressed(file: &str) -> Result<(Mailbox, Letter)> {
    let letter =
        inventory::letter(Path::new(file))?.with_context(|| format!("{file}: this is not a letter"))?;
    let to = Mailbox::all(inventory::alerts()?).into_iter().find(|to| to.name() == letter.to);
    Ok((to.context("this receiver is not configured any more")?, letter))
}

/// A command that is carried out by one process at a time.
fn alone(machine: &Machine, what: &str, words: &[OsString]) -> u8 {
    match follow::place(machine, what).map_err(anyhow::Error::from).and_then(|path| Ok(Lock::at_once(&path)?))
    {
        Ok(Some(lock)) => {
            // What holds writes back is not to end half-way.
            if !what.starts_with(RESHAPE) {
                return super::run(Path::new(COMMAND), words.to_vec());
            }
            match follow::oversee(machine, &lock, words) {
                Ok(status) => status.and_then(|status| u8::try_from(status).ok()).unwrap_or(FAILED),
                Err(error) => {
                    tracing::debug!(%error, "nobody to oversee");
                    super::run(Path::new(COMMAND), words.to_vec())
                }
            }
        }
        // Another one is at it.
        Ok(None) => DONE,
        Err(error) => {
            tracing::debug!(%error, "no lock for the background");
            FAILED
        }
    }
}
