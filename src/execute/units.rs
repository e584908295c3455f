//! systemd's units, by its own tool.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};

use crate::{
    kernel::{KernelError, files, program},
    plan::{UnitFile, UnitVerb, run::Outdated},
};

/// A timer starts and stops at once; reading all units again may take a while on a busy machine.
const LONGEST: Duration = Duration::from_secs(90);
/// The most that a file of ours is believed to be.
const LONGEST_FILE: u64 = 64 << 10;

fn systemctl(words: &[&str]) -> Result<()> {
    let ended = program::run_for("systemctl", words, LONGEST)?;
    match ended.status {
        Some(0) => Ok(()),
        status => {
            let status = status.map_or("killed".to_owned(), |status| format!("status {status}"));
            bail!("systemctl {}: {status}: {}", words.join(" "), ended.said)
        }
    }
}

/// Has systemd do it.
pub(super) fn change(verb: UnitVerb, units: &[String]) -> Result<()> {
    let words: Vec<&str> = std::iter::once(verb.word()).chain(units.iter().map(String::as_str)).collect();
    systemctl(&words)
}

/// Changes the files and has systemd read them. Where that fails, those that were changed are put back.
pub(super) fn files(wanted: &[UnitFile]) -> Result<()> {
    for file in wanted {
        let now = files::read(Path::new(&file.path), LONGEST_FILE)?;
        let now = now.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if now != file.from {
            bail!(Outdated(format!("{} is another by now", file.path)));
        }
    }
    for (nth, file) in wanted.iter().enumerate() {
        if let Err(error) = put(file) {
            put_back(wanted.get(..nth).unwrap_or_default());
            return Err(error.into());
        }
    }
    systemctl(&["daemon-reload"]).inspect_err(|_| put_back(wanted))
}

fn put_back(changed: &[UnitFile]) {
    for file in changed.iter().rev() {
        let back = put(&file.back());
        tracing::debug!(?back, path = file.path, "a file of units is put back");
    }
}

fn put(file: &UnitFile) -> Result<(), KernelError> {
    let path = Path::new(&file.path);
    match &file.to {
        Some(text) => {
            path.parent().map_or(Ok(()), |dir| files::make_dirs(dir, 0o755))?;
            files::replace(path, text.as_bytes(), 0o644)
        }
        None => files::remove(path).map(drop),
    }
}
