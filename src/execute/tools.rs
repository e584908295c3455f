//! File systems' own tools.

use anyhow::{Result, bail};

use std::time::Duration;

use crate::{
    kernel::{Meanwhile, program},
    plan::volume::fs::FsStep,
};

/// They may take days.
const STILL: Duration = Duration::from_secs(60);

/// Runs one to its end; what it says is told where it fails.
pub(super) fn run(step: &FsStep, meanwhile: &Meanwhile) -> Result<()> {
    let (name, words) = step.command();
    let what = format!("running {name} {}", words.join(" "));
    let _heard = meanwhile.again_and_again(STILL, move |passed| match passed.as_secs() / STILL.as_secs() {
        0 => what.clone(),
        1 => format!("{name} still runs, for a minute now"),
        minutes => format!("{name} still runs, for {minutes} minutes now"),
    });
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = program::run(name, &words)?;
    match ended.status {
        Some(status) if status <= step.highest() => Ok(()),
        Some(status) => bail!("{step}: status {status}: {}", ended.said),
        None => bail!("{step}: killed: {}", ended.said),
    }
}
