//! systemd's units, by its own tool.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};

use super::texts;
use crate::{
    kernel::{KernelError, files, program},
    plan::{TextChange, UnitVerb},
};

/// A timer starts and stops at once; reading all units again may take a while on a busy machine.
const LONGEST: Duration = Duration::from_secs(90);

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
pub(super) fn files(wanted: &[TextChange]) -> Result<()> {
    wanted.iter().try_for_each(texts::expect)?;
    for (nth, file) in wanted.iter().enumerate() {
        if let Err(error) = put(file) {
            put_back(wanted.get(..nth).unwrap_or_default());
            return Err(error.into());
        }
    }
    systemctl(&["daemon-reload"]).inspect_err(|_| put_back(wanted))
}

fn put_back(changed: &[TextChange]) {
    for file in changed.iter().rev() {
        let back = put(&file.back());
        tracing::debug!(?back, path = file.path, "a file of units is put back");
    }
}

fn put(file: &TextChange) -> Result<(), KernelError> {
    let path = Path::new(&file.path);
    match &file.to {
        Some(text) => {
            path.parent().map_or(Ok(()), |dir| files::make_dirs(dir, 0o755))?;
            files::replace(path, text.as_bytes(), 0o644)
        }
        None => files::remove(path).map(drop),
    }
}
