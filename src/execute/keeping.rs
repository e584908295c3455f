//! Where kept bytes are stored: the first place that takes them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use superblock::{Bytes, Media, Write};

use crate::{
    archive::{self, Bounds, Entry, Id, Kept, Record, Stored},
    kernel::{Device, KernelError, Machine, files},
};

/// The places in the order of trying, with what each may hold. What an initramfs has in `/var` is lost when the real
/// root takes over, so there it is `/run` alone.
fn places(machine: &Machine) -> Vec<(PathBuf, Bounds)> {
    let disk = (machine.state.join("mdctl/archive"), Bounds::DISK);
    let memory = (machine.places.run.join("mdctl/archive"), Bounds::MEMORY);
    let early = files::size(Path::new("/etc/initrd-release")).is_some();
    if early { vec![memory] } else { vec![disk, memory] }
}

/// What is in these ranges now.
pub(super) fn fetch(device: &Device, ranges: &[(Bytes, Bytes)]) -> Result<Vec<Write>> {
    let one = |(at, length): &(Bytes, Bytes)| {
        let mut data = vec![0; usize::try_from(length.0)?];
        device.read_at(*at, &mut data).map_err(|error| KernelError::io(device.path(), "read", &error))?;
        Ok(Write { at: *at, data })
    };
    ranges.iter().map(one).collect()
}

/// Reads back what was written and compares.
pub(super) fn verify(device: &Device, writes: &[Write]) -> Result<()> {
    let there = device.saved(writes)?;
    match writes.iter().zip(&there).find(|(written, there)| written != there) {
        Some((written, _)) => {
            bail!("{}: what was written at byte {} is not there", device.path().display(), written.at.0)
        }
        None => Ok(()),
    }
}

/// Fetches and stores; when this returns, the entry is on stable storage.
pub(super) fn store(
    machine: &Machine,
    record: &Record,
    fetch: impl Fn(&str, &[(Bytes, Bytes)]) -> Result<Vec<Write>>,
) -> Result<()> {
    let mut devices = Vec::new();
    for wanted in &record.devices {
        let before = fetch(&wanted.device.path, &wanted.ranges)?;
        devices.push(Kept { device: wanted.device.clone(), before, written: wanted.written.clone() });
    }
    let file = archive::encode(&Entry { about: record.about.clone(), devices }).map_err(|error| {
        anyhow!("what would be overwritten cannot be kept: {error}; --no-archive does without")
    })?;
    let mut refused = Vec::new();
    for (dir, bounds) in places(machine) {
        match put(&dir, &record.about.id, &file) {
            Ok(()) => {
                prune(&dir, bounds);
                return Ok(());
            }
            Err(error) => refused.push(error.to_string()),
        }
    }
    Err(anyhow!(
        "what would be overwritten cannot be kept ({}); make room there, or do without it: --no-archive",
        refused.join("; ")
    ))
}

fn put(dir: &Path, id: &Id, file: &[u8]) -> Result<(), KernelError> {
    files::make_dirs(dir, 0o700)?;
    files::replace(&dir.join(id.file_name()), file, 0o600)?;
    files::sync_dir(dir)
}

/// Takes the oldest entries away; one that stays by mistake harms nobody.
fn prune(dir: &Path, bounds: Bounds) {
    let names = files::names(dir).unwrap_or_default();
    let stored = names.iter().filter_map(|name| {
        let id = Id::from_file_name(name.to_str()?)?;
        Some(Stored { id, size: Bytes(files::size(&dir.join(name))?) })
    });
    for id in archive::superfluous(stored.collect(), bounds) {
        if let Err(error) = files::remove(&dir.join(id.file_name())) {
            tracing::debug!(%error, "an old entry stays");
        }
    }
}

/// Removes an entry.
pub(super) fn discard(machine: &Machine, id: &Id) -> Result<()> {
    for (dir, _) in places(machine) {
        files::remove(&dir.join(id.file_name())).context("an entry of the archive stays")?;
    }
    Ok(())
}
