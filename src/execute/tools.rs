//! File systems' own tools.

use anyhow::{Result, bail};

use crate::{kernel::program, plan::volume::fs::FsStep};

/// Runs one to its end; what it says is told where it fails.
pub(super) fn run(step: &FsStep) -> Result<()> {
    let (name, words) = step.command();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = program::run(name, &words)?;
    match ended.status {
        Some(status) if status <= step.highest() => Ok(()),
        Some(status) => bail!("{step}: status {status}: {}", ended.said),
        None => bail!("{step}: killed: {}", ended.said),
    }
}
