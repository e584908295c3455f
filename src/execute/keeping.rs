//! Where kept bytes are stored: the first place that takes them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use superblock::{Bytes, Media, Write, window::Seen};

use super::live::waits;

use crate::{
    archive::{self, Bounds, Entry, EntryId, EntrySubject, FileName, KeptDevice, Record, Stored},
    kernel::{BlockDevice, Deadline, KernelError, Lock, Machine, files, host},
    plan::run::Outdated,
};

/// Old entries are removed after this many new ones, and after a large one.
const PRUNED_EVERY: u64 = 8;
/// Of an entry.
const LARGE: Bytes = Bytes(1 << 20);
/// How long others may be at storing an entry.
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// The places in the order of trying, with what each may hold. What an initramfs has in `/var` is lost when the real
/// root takes over, so there it is `/run` alone.
fn places(machine: &Machine) -> Vec<(PathBuf, Bounds)> {
    let disk = (machine.state.join("mdctl/archive"), Bounds::DISK);
    let memory = (machine.places.run.join("mdctl/archive"), Bounds::MEMORY);
    if host::is_early() { vec![memory] } else { vec![disk, memory] }
}

/// What is in these ranges now.
pub(super) fn fetch(device: &BlockDevice, ranges: &[(Bytes, Bytes)]) -> Result<Vec<Write>> {
    let one = |(at, length): &(Bytes, Bytes)| {
        let mut data = vec![0; usize::try_from(length.0)?];
        device.read_at(*at, &mut data).map_err(|error| KernelError::io(device.path(), "read", &error))?;
        Ok(Write { at: *at, data })
    };
    ranges.iter().map(one).collect()
}

/// Reads back what was written and compares.
pub(super) fn verify(device: &BlockDevice, writes: &[Write]) -> Result<()> {
    let there = device.saved(writes)?;
    match writes.iter().zip(&there).find(|(written, there)| written != there) {
        Some((written, _)) => {
            bail!("{}: what was written at byte {} is not there", device.path().display(), written.at.0)
        }
        None => Ok(()),
    }
}

/// Compares with what a plan saw.
pub(super) fn unchanged(device: &BlockDevice, seen: &[Seen]) -> Result<()> {
    let path = device.path().display();
    let mut same = true;
    for seen in seen {
        same &= device.holds(seen.at, seen.bytes())?;
    }
    ensure!(same, Outdated(format!("somebody else changed {path} meanwhile")));
    Ok(())
}

/// Fetches and stores; when this returns, the entry is on stable storage. Answers what somebody should know of the place: what
/// is in memory is not kept long.
pub(super) fn store(
    machine: &Machine,
    record: &Record,
    fetch: impl Fn(&str, &[(Bytes, Bytes)]) -> Result<Vec<Write>>,
) -> Result<Option<String>> {
    let mut devices = Vec::new();
    for wanted in &record.devices {
        let before = fetch(&wanted.device.path, &wanted.ranges)?;
        devices.push(KeptDevice { device: wanted.device.clone(), before, written: wanted.written.clone() });
    }
    let mut entry = Entry { about: record.about.clone(), devices };
    let mut refused = Vec::new();
    for (dir, bounds) in places(machine) {
        match put(&dir, machine, &mut entry) {
            Ok(size) => {
                // All files are looked at for it: not each time, unless there is much to make room for.
                if entry.about.seq % PRUNED_EVERY == 0 || size > LARGE {
                    prune(&dir, bounds);
                }
                let instead = |why: &String| {
                    let dir = dir.display();
                    format!("{why}; what is overwritten is kept in {dir} instead, until the machine restarts")
                };
                return Ok(refused.first().map(instead));
            }
            Err(Refused::Entry(error)) => {
                bail!("what would be overwritten cannot be kept: {error}; --no-archive does without")
            }
            Err(Refused::Place(error)) => refused.push(error.to_string()),
        }
    }
    Err(anyhow!(
        "what would be overwritten cannot be kept ({}); make room there, or do without it: --no-archive",
        refused.join("; ")
    ))
}

/// Why an entry is not stored.
enum Refused {
    Entry(archive::TooLarge),
    Place(KernelError),
}

impl From<KernelError> for Refused {
    fn from(error: KernelError) -> Self {
        Self::Place(error)
    }
}

/// Stores an entry under the next number; answers its size. Between the look for it and the file's name nobody else takes it.
fn put(dir: &Path, machine: &Machine, entry: &mut Entry) -> Result<Bytes, Refused> {
    files::make_dirs(dir, 0o700)?;
    let path = dir.join("lock");
    let told = || waits(machine, "the lock of the archive", &path, LOCK_WAIT);
    let _lock = Lock::take(&path, Deadline::after(LOCK_WAIT), &told)?;
    let places = places(machine);
    let names = places.iter().flat_map(|(place, _)| stored(place));
    entry.about.seq = FileName::next(names);
    let of = if entry.devices.is_empty() { EntrySubject::Group } else { EntrySubject::Devices };
    let name = FileName { seq: entry.about.seq, id: entry.about.id.clone(), of };
    let file = archive::encode(entry).map_err(Refused::Entry)?;
    files::replace(&dir.join(name.to_string()), &file, 0o600)?;
    files::sync_dir(dir)?;
    Ok(Bytes(u64::try_from(file.len()).unwrap_or(u64::MAX)))
}

/// The names of the entries in a directory.
fn stored(dir: &Path) -> Vec<FileName> {
    let names = files::names(dir).unwrap_or_default();
    names.iter().filter_map(|name| FileName::parse(name.to_str()?)).collect()
}

/// Takes the oldest entries away; one that stays by mistake harms nobody.
fn prune(dir: &Path, bounds: Bounds) {
    let files = stored(dir).into_iter().filter_map(|name| {
        let size = Bytes(files::size(&dir.join(name.to_string()))?);
        Some(Stored { name, size })
    });
    for name in archive::superfluous(files.collect(), bounds) {
        if let Err(error) = files::remove(&dir.join(name.to_string())) {
            tracing::debug!(%error, "an old entry stays");
        }
    }
}

/// Removes an entry.
pub(super) fn discard(machine: &Machine, id: &EntryId) -> Result<()> {
    for (dir, _) in places(machine) {
        for name in stored(&dir).iter().filter(|name| name.id == *id) {
            files::remove(&dir.join(name.to_string())).context("an entry of the archive stays")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{archive::About, model::world::Timestamp};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a directory of the test's own")]
    fn what_is_kept_in_memory_alone_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Machine::live(true);
        machine.places.run = dir.path().join("run");
        machine.state = dir.path().join("state");
        let id = |seconds| EntryId::new(Timestamp { seconds, micros: 0 }, 7);
        let record = |seconds| {
            let about = About {
                id: id(seconds),
                time: seconds,
                command: vec!["mdctl".into()],
                summary: "create".into(),
                version: "1".into(),
                host: None,
                undoes: None,
                cleans_up: false,
                seq: 0,
                group: None,
            };
            Record { about, devices: Vec::new() }
        };
        let kept = |seconds| store(&machine, &record(seconds), |_, _| Ok(Vec::new())).unwrap();
        assert_eq!(kept(1), None);
        std::fs::remove_dir_all(&machine.state).unwrap();
        std::fs::write(&machine.state, "not a directory").unwrap();
        let remark = kept(2).unwrap();
        let (state, run) = (machine.state.display().to_string(), machine.places.run.display().to_string());
        assert!(remark.starts_with(&state) && remark.contains("Not a directory"), "{remark}");
        assert!(remark.contains(&format!("is kept in {run}/mdctl/archive instead")), "{remark}");
        assert_eq!(stored(&machine.places.run.join("mdctl/archive")).len(), 1);
    }
}
