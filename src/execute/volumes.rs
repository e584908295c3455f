//! LVM2's metadata: locks, archive, pre-commit, commit, as LVM2 itself does it, around the page cache and synced.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use superblock::{
    Damage, Write,
    lvm::{Area, Extent, Group, Label, LvmUuid, area, label},
};

use crate::{
    config::lvm::{LONGEST, Settings},
    kernel::{Access, BlockDevice, Deadline, Lock, Machine, files, host, lock, sysfs::Suspended},
    model::volume::AreaTarget,
    plan::volume::metadata::{ListedDevice, LvmStep},
};

use super::live::{held, waits};

/// How long another program may keep a lock.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// LVM2 keeps at least so many archived texts of a group, and all that are younger than 30 days.
const ARCHIVED: usize = 10;
const ARCHIVED_FOR: i64 = 30 * 86_400;

/// The group is not as the plan found it. Planning again helps.
#[derive(Debug, thiserror::Error)]
#[error("somebody else changed {group} meanwhile ({device}); run the command again")]
pub(super) struct Stale {
    group: String,
    device: String,
}

/// What is held while groups are changed.
pub(super) struct Volumes {
    machine: Machine,
    etc: PathBuf,
    locks: Vec<Lock>,
    /// What did not work and stopped nothing.
    pub(super) remarks: Vec<String>,
}

/// Takes the lock of a group as LVM2 does.
///
/// # Errors
/// Somebody has it for longer than `limit`.
pub(super) fn hold(machine: &Machine, group: &str, limit: Duration) -> Result<Lock> {
    // What a killed command left is put right whatever the configuration says.
    let dir = lock_dir(machine, understood(machine))?;
    take(machine, &dir.join(format!("V_{group}")), limit)
}

/// What LVM2's files say of where it locks and what it remembers. Nothing is locked, and so nothing changed, where they cannot
/// be understood: they may say that what is about to be written is not ours.
fn settings(machine: &Machine) -> Result<Settings> {
    let settings = understood(machine);
    match settings.faults.first() {
        Some(fault) => bail!("{fault}"),
        None => Ok(settings),
    }
}

fn understood(machine: &Machine) -> Settings {
    Settings::of(&machine.lvm, |path| files::read_plain(path, LONGEST))
}

fn lock_dir(machine: &Machine, settings: Settings) -> Result<PathBuf> {
    let usual = || machine.places.run.join("lock/lvm");
    let dir = settings.locking_dir.map_or_else(usual, PathBuf::from);
    files::make_dirs(&dir, 0o700)?;
    Ok(dir)
}

fn take(machine: &Machine, path: &Path, limit: Duration) -> Result<Lock> {
    let told = || waits(machine, "LVM2's lock", path, limit);
    let taken = Lock::queue(path, true, Deadline::after(limit), &told);
    taken.map_err(|error| {
        let by = lock::holders(&machine.procfs, path).unwrap_or_default();
        match held(&by) {
            by if by.is_empty() => error.into(),
            by => anyhow::anyhow!("{error}: LVM2's lock is held by {by}"),
        }
    })
}

impl Volumes {
    /// Nothing is held yet.
    pub(super) fn new(machine: Machine) -> Self {
        Self { etc: machine.lvm.clone(), machine, locks: Vec::new(), remarks: Vec::new() }
    }

    /// Carries one act out.
    pub(super) fn apply(&mut self, step: &LvmStep) -> Result<()> {
        match step {
            LvmStep::Lock { global, groups } => self.lock(*global, groups),
            LvmStep::Unlock => {
                // In the reverse order.
                while self.locks.pop().is_some() {}
                Ok(())
            }
            LvmStep::Check { group, areas } => self.locked().and_then(|()| check(group, areas)),
            LvmStep::Free { name, take, among, known } => {
                self.locked().and_then(|()| free(&self.machine, name.as_deref(), take, (among, known)))
            }
            LvmStep::Archive { group, text } => self.archive(group, text),
            LvmStep::PreCommit { group, seqno, targets, text } => {
                self.locked().and_then(|()| pre_commit(group, *seqno, targets, text))
            }
            LvmStep::Commit { targets, .. } => {
                self.locked()?;
                targets
                    .iter()
                    .try_for_each(|target| put(&target.device, &[target.area.commit(target.placed.slot)]))
            }
            LvmStep::Revert { targets, .. } => {
                self.locked()?;
                let undone = targets.iter().map(|target| put(&target.device, &[target.area.revert()]));
                // Each for itself: one that fails keeps no other from being put right.
                undone.collect::<Vec<_>>().into_iter().collect()
            }
            LvmStep::Verify { group, id, seqno, areas } => {
                areas.iter().try_for_each(|(device, area)| verify(group, *id, *seqno, device, area))
            }
            LvmStep::ForgetHints => self.forget_hints(),
            LvmStep::Backup { group, text } => {
                let path = self.etc.join("backup").join(group);
                self.keep(&path, text)
            }
            LvmStep::RemoveBackup { group } => {
                files::remove(&self.etc.join("backup").join(group))?;
                Ok(())
            }
            LvmStep::Devices { add, remove } => self.devices(add, remove),
        }
    }

    /// For a process that is to hold the lock of the group as well.
    pub(super) fn shared_lock(&self) -> Option<OwnedFd> {
        self.locks.last().and_then(|lock| lock.shared().ok())
    }

    fn locked(&self) -> Result<()> {
        ensure!(!self.locks.is_empty(), "metadata is changed only under its lock");
        Ok(())
    }

    /// The global lock first, where it is needed at all, then the groups' in alphabetical order: everybody's order, so nobody waits for ever.
    fn lock(&mut self, global: bool, groups: &[String]) -> Result<()> {
        let dir = lock_dir(&self.machine, settings(&self.machine)?)?;
        let mut groups: Vec<&String> = groups.iter().collect();
        groups.sort();
        let all = global.then(|| String::from("P_global"));
        let all = all.into_iter().chain(groups.into_iter().map(|group| format!("V_{group}")));
        for name in all {
            match take(&self.machine, &dir.join(name), LOCK_WAIT) {
                Ok(lock) => self.locks.push(lock),
                Err(error) => {
                    self.locks.clear();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// A new file, numbered behind the last; old ones go where there are enough.
    fn archive(&mut self, group: &str, text: &[u8]) -> Result<()> {
        let dir = self.etc.join("archive");
        let (now, _) = host::now();
        let mut old = numbered(&files::names(&dir)?, group);
        old.sort();
        let next = old.last().map_or(0, |(number, _)| number.saturating_add(1));
        let [a, b, c, d] = host::random_bytes()?;
        let random = u32::from_le_bytes([a, b, c, d & 0x7f]);
        self.keep(&dir.join(format!("{group}_{next:05}-{random}.vg")), text)?;
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let spare = old.len().saturating_add(1).saturating_sub(ARCHIVED);
        for (_, name) in old.into_iter().take(spare) {
            let path = dir.join(name);
            let young = files::changed(&path).is_none_or(|time| time.saturating_add(ARCHIVED_FOR) > now);
            if young {
                break;
            }
            files::remove(&path)?;
        }
        Ok(())
    }

    /// Writes a file of LVM2's. Where its directory cannot be written at all (an initial RAM disk, a rescue system) that
    /// is told and stops nothing.
    fn keep(&mut self, path: &Path, text: &[u8]) -> Result<()> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let written = files::make_dirs(dir, 0o700).and_then(|()| files::replace(path, text, 0o600));
        match written {
            Err(error) if error.is(Errno::EROFS) => {
                self.remarks.push(format!("{error}: LVM2's copy of the metadata is not kept"));
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// LVM2 looks at all devices again when it finds this file.
    fn forget_hints(&self) -> Result<()> {
        let dir = self.machine.places.run.join("lvm");
        let has_none = settings(&self.machine)?.hints.is_some_and(|hints| hints == "none");
        if !has_none && files::is_dir(&dir) {
            files::touch(&dir.join("newhints"), 0o644)?;
            if files::size(&dir.join("hints")).is_some() {
                files::replace(&dir.join("hints"), b"", 0o644)?;
            }
        }
        Ok(())
    }

    fn devices(&mut self, add: &[ListedDevice], remove: &[LvmUuid]) -> Result<()> {
        let path = self.etc.join("devices/system.devices");
        let Some(text) = files::read_plain(&path, LONGEST)? else { return Ok(()) };
        let text = String::from_utf8_lossy(&text).into_owned();
        let entries: Vec<_> = add.iter().map(entry).collect();
        let gone: Vec<&str> = remove.iter().map(LvmUuid::plain).collect();
        let Some(next) = crate::config::lvm::edited(&text, &entries, &gone) else { return Ok(()) };
        let written = files::replace(&path, next.as_bytes(), 0o600);
        written.and_then(|()| files::sync_dir(&self.etc.join("devices"))).context("the devices file")
    }
}

fn entry(device: &ListedDevice) -> crate::config::lvm::DevicesFileEntry {
    crate::config::lvm::DevicesFileEntry {
        kind: device.kind.clone(),
        name: device.name.clone(),
        device: Some(device.path.clone()),
        pv: Some(device.pv.plain().to_owned()),
        part: None,
    }
}

/// Archive files of one group with their numbers.
fn numbered(names: &[std::ffi::OsString], group: &str) -> Vec<(u32, String)> {
    let one = |name: &std::ffi::OsString| {
        let name = name.to_str()?;
        let number = name.strip_prefix(group)?.strip_prefix('_')?.strip_suffix(".vg")?;
        Some((number.split_once('-')?.0.parse().ok()?, name.to_owned()))
    };
    names.iter().filter_map(one).collect()
}

fn put(device: &str, writes: &[Write]) -> Result<()> {
    Ok(BlockDevice::open(Path::new(device), Access::Write)?.write_all(writes)?)
}

fn place(area: &Area) -> Extent {
    area.place
}

/// Headers are as they were read. A pre-commit of somebody who holds the lock no more is nobody's.
fn check(group: &str, areas: &[(String, Area)]) -> Result<()> {
    for (path, area) in areas {
        let device = BlockDevice::open(Path::new(path), Access::Read)?;
        let now = match area::read(&device, place(area)) {
            Err(Damage::Corrupt { .. }) if area.lost => continue,
            now => now.with_context(|| path.clone())?,
        };
        if area.lost || (now.committed, now.ignored) != (area.committed, area.ignored) {
            return Err(Stale { group: group.to_owned(), device: path.clone() }.into());
        }
    }
    Ok(())
}

/// Somebody may have made a group of this name, or used a device, between the plan and the locks.
fn free(
    machine: &Machine,
    name: Option<&str>,
    take: &[String],
    (among, known): (&[String], &[LvmUuid]),
) -> Result<()> {
    for path in take {
        if texts(path).is_some_and(|(label, texts)| texts.iter().any(|text| knows(text, label.id))) {
            return Err(Stale { group: "a group of its own".to_owned(), device: path.clone() }.into());
        }
    }
    let Some(name) = name else { return Ok(()) };
    let begins = format!("{name} {{");
    // What stands on a suspended device never answers, and LVM2's lock would be held until it does.
    let suspended = Suspended::look(&machine.sysfs);
    for path in among.iter().filter(|path| suspended.check(Path::new(path)).is_ok()) {
        let texts = texts(path).map(|(_, texts)| texts).unwrap_or_default();
        let Some(text) = texts.iter().find(|text| text.starts_with(begins.as_bytes())) else { continue };
        // Planning again would not help, and lvm2 sees two groups of the name as long as that text is there.
        ensure!(
            !Group::parse(text).is_ok_and(|group| known.contains(&group.id)),
            "{path} has an old state of a group {name}, from before it was taken out or renamed: take the device into a \
             group again, or, where nothing on it is needed, free it with wipefs -a {path}"
        );
        return Err(Stale { group: name.to_owned(), device: path.clone() }.into());
    }
    Ok(())
}

/// A text that is not understood may know everything.
fn knows(text: &[u8], pv: LvmUuid) -> bool {
    Group::parse(text).map_or(true, |group| group.pv(pv).is_some())
}

/// The label of a device and its committed texts; what cannot be read says nothing.
fn texts(path: &str) -> Option<(Label, Vec<Vec<u8>>)> {
    let device = BlockDevice::open(Path::new(path), Access::Read).ok()?;
    let label = label::read(&device).ok()??;
    let areas = label.metadata.iter().filter_map(|place| area::read(&device, *place).ok());
    let texts = areas
        .filter(|area| !area.ignored)
        .filter_map(|area| area::text(&device, &area, area.committed?).ok());
    let texts = texts.collect();
    Some((label, texts))
}

/// Text into free room, read back and understood, and only then named.
fn pre_commit(group: &str, seqno: u32, targets: &[AreaTarget], text: &[u8]) -> Result<()> {
    let understood = Group::parse(text)?;
    ensure!(understood.seqno == seqno, "the text of {group} is not that of change {seqno}");
    let mut devices = Vec::with_capacity(targets.len());
    for target in targets {
        let device = BlockDevice::open(Path::new(&target.device), Access::Write)?;
        device.write_all(&target.placed.writes)?;
        let back =
            area::text(&device, &target.area, target.placed.slot).with_context(|| target.device.clone())?;
        if back != text {
            bail!("{}: the metadata reads back otherwise than it was written", target.device);
        }
        devices.push(device);
    }
    for (device, target) in devices.iter().zip(targets) {
        device.write_all(&[target.area.pre_commit(target.placed.slot)])?;
    }
    Ok(())
}

fn verify(group: &str, id: LvmUuid, seqno: u32, path: &str, area: &Area) -> Result<()> {
    let device = BlockDevice::open(Path::new(path), Access::Read)?;
    let now = area::read(&device, place(area)).with_context(|| path.to_owned())?;
    ensure!(
        now.committed == area.committed,
        "{path}: the metadata header reads back otherwise than it was written"
    );
    let Some(slot) = now.committed else { return Ok(()) };
    let text = area::text(&device, &now, slot).with_context(|| path.to_owned())?;
    let read = Group::parse(&text).with_context(|| path.to_owned())?;
    ensure!(read.id == id && read.seqno == seqno, "{path}: does not have change {seqno} of {group}");
    Ok(())
}
