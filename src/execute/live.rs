//! The machine itself: each step, said to the kernel.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use nix::{errno::Errno, fcntl::Flock};
use superblock::{Bytes, Write};

use super::{
    critical,
    dm::Dm,
    keeping,
    noting::Noting,
    tools,
    volumes::{Stale, Volumes},
    watch::Watch,
    zeroing,
};
use crate::{
    config::map,
    kernel::{
        self, Access, BlockDevice, KernelError, Lock, Machine, MdDevice, files, kmsg::KernelLog, lock, md,
        node, notes, wait,
    },
    model::{delta::Begun, world::MapEntry},
    plan::{
        ArrayName, DiskStep, MdStep, MemberName, Step, SystemStep,
        dm::DmStep,
        run::{Host, Trouble},
    },
    words::{ArrayAttr, MemberAttr},
};

/// How long a short-lived open by somebody else (udev's probe) is waited out.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How long udev has for one event.
pub(super) const UDEV_WAIT: Duration = Duration::from_secs(10);

/// Is told how far a long step is: the device, what is done and what there is.
pub type ShowProgress = Box<dyn Fn(&str, Bytes, Bytes) + Send + Sync>;

/// Carries steps out for real.
pub struct Live {
    progress: ShowProgress,
    pub(super) machine: Machine,
    pub(super) claims: BTreeMap<String, Claimed>,
    /// Whole disks that udev is kept from, by kernel name.
    pub(super) hidden: BTreeMap<String, Flock<File>>,
    pub(super) arrays: BTreeMap<String, MdDevice>,
    /// Loop devices that nothing stands on yet.
    pub(super) loops: BTreeMap<String, File>,
    lock: Option<MapLock>,
    /// The lock of several plans that are carried out at once.
    shared: Option<MapLock>,
    /// It was taken for this plan before.
    taken: Option<MapLock>,
    pub(super) log: KernelLog,
    /// For whoever comes after us if we are killed.
    noting: Noting,
    /// Where the archive's entry is, where it is not in the usual place.
    kept_elsewhere: Option<String>,
    /// What else is worth a word.
    pub(super) remarks: Vec<String>,
    /// device-mapper.
    dm: Dm,
    /// LVM2's metadata.
    volumes: Volumes,
}

/// The lock of the map file, held as long as somebody has it.
pub type MapLock = Arc<Mutex<Lock>>;

/// A refusal, and what the kernel logged about it.
#[derive(Debug, thiserror::Error)]
#[error("{error} (kernel: {line})")]
pub struct Logged {
    error: KernelError,
    line: String,
}

impl Logged {
    /// A refusal with the line that tells why.
    pub(super) fn new(error: KernelError, line: String) -> Self {
        Self { error, line }
    }

    /// The refusal.
    #[must_use]
    pub fn error(&self) -> &KernelError {
        &self.error
    }
}

impl Host for Live {
    fn apply(&mut self, step: &Step) -> Result<Vec<Write>, Trouble> {
        self.act(step).map_err(trouble)
    }
}

/// Separates what decides how to go on from what is only read by people.
pub(super) fn trouble(cause: anyhow::Error) -> Trouble {
    let refused = cause.downcast_ref::<KernelError>();
    let refused = refused.or_else(|| cause.downcast_ref::<Logged>().map(Logged::error));
    let errno = refused.and_then(KernelError::number);
    let past_commit = cause.is::<critical::PastCommit>();
    let stale = cause.is::<Stale>();
    let trouble = Trouble::from(cause);
    Trouble { errno, stale: stale || trouble.stale, past_commit, ..trouble }
}

impl Live {
    #[expect(clippy::too_many_lines, reason = "one arm a step; the list is the point")]
    fn act(&mut self, step: &Step) -> Result<Vec<Write>> {
        self.noting.before(step, &self.machine);
        let mut saved = Vec::new();
        match step {
            Step::Disk(DiskStep::Claim { device }) => self.claim(device)?,
            Step::Disk(DiskStep::Share { device }) => {
                let opened = BlockDevice::open(Path::new(device), Access::Read)?;
                drop(self.claims.insert(device.clone(), Claimed { device: opened, writer: None }));
            }
            Step::Disk(DiskStep::Release { device }) => drop(self.claims.remove(device)),
            Step::System(SystemStep::Archive { record }) => {
                let kept = keeping::store(&self.machine, record, |path, ranges| {
                    self.readable(path, |device| keeping::fetch(device, ranges))
                });
                self.kept_elsewhere = kept?;
            }
            Step::System(SystemStep::Discard { id }) => {
                self.kept_elsewhere = None;
                keeping::discard(&self.machine, id)?;
            }
            Step::Disk(DiskStep::Write { device, writes, .. }) => saved = self.write(device, writes)?,
            Step::System(SystemStep::SaveFile { file, size, pieces }) => {
                files::save(Path::new(file), *size, pieces)?
            }
            Step::System(SystemStep::Link { file, name }) => files::link(Path::new(file), Path::new(name))?,
            Step::System(SystemStep::RemoveFile { file }) => drop(files::remove(Path::new(file))?),
            Step::Disk(DiskStep::Verify { device, writes }) => {
                self.readable(device, |opened| keeping::verify(opened, writes))?;
            }
            Step::Disk(DiskStep::Unchanged { device, seen }) => {
                self.readable(device, |opened| keeping::unchanged(opened, seen))?;
            }
            Step::Disk(DiskStep::Zero { ranges }) => zeroing::zero_all(ranges, &self.progress)?,
            Step::System(SystemStep::LockMap) => self.lock_map()?,
            Step::Md(MdStep::Expect { array, uuid, members }) => {
                self.expect(array, *uuid, members.as_deref())?
            }
            Step::Md(MdStep::ExpectStates { array, members }) => self.expect_states(array, members)?,
            Step::System(SystemStep::UnlockMap) => drop(self.lock.take()),
            Step::System(SystemStep::HideFromUdev { array }) => self.hide(array)?,
            Step::System(SystemStep::ShowToUdev { array }) => drop(files::remove(&self.creating(array))?),
            Step::Md(MdStep::NewArray { array, id }) => self.new_array(array, *id)?,
            Step::Md(MdStep::SetVersion { array, version }) => {
                let (major_version, minor_version) = *version;
                let info = md::ArrayInfo { major_version, minor_version, ..md::ArrayInfo::default() };
                self.array(array)?.set_array_info(&info)?;
            }
            Step::Md(MdStep::SetShape { array, shape }) => self.set_shape(array, *shape)?,
            Step::Md(MdStep::SetAttr { array, attr, value, optional }) => {
                self.set(array, *attr, value, *optional)?
            }
            Step::Md(MdStep::Change { array, attr, from, to }) => {
                self.still(array, *attr, (from.as_deref(), to))?;
                self.set(array, *attr, to, false)?
            }
            Step::Md(MdStep::AddDisk { array, device, info })
            | Step::Md(MdStep::HotAdd { array, device, info }) => {
                self.add_disk(array, device, *info)?;
            }
            Step::Md(MdStep::DenyDevice { array }) => self.array(array)?.clustered_disk_nack()?,
            Step::Md(MdStep::Fail { array, member }) => self.fail(array, member)?,
            Step::Md(MdStep::Remove { array, member, patient }) => self.remove(array, member, *patient)?,
            Step::Md(MdStep::Withdraw { array, device, dev }) => {
                let member = MemberName { shown: device.clone(), dev: Some(*dev), link: None };
                self.remove(array, &member, true)?
            }
            Step::Md(MdStep::SetMember { array, member, attr, value }) => {
                self.set_member(array, member, *attr, value)?
            }
            Step::Md(MdStep::Shift { array, member, to, .. }) => {
                self.set_member(array, member, MemberAttr::NewOffset, &to.0.to_string())?
            }
            Step::Md(MdStep::Freeze { array }) => self.set(array, ArrayAttr::SyncAction, "frozen", false)?,
            Step::Md(MdStep::Thaw { array }) => self.set(array, ArrayAttr::SyncAction, "idle", true)?,
            Step::Md(MdStep::Run { array }) => self.run(array)?,
            Step::Md(MdStep::MakeWritable { array }) => self.make_writable(array)?,
            Step::Md(MdStep::MakeReadonly { array }) => self.make_readonly(array)?,
            Step::Md(MdStep::Stop { array }) => self.stop(array)?,
            Step::System(SystemStep::MapAdd { entry }) => {
                self.edit_map(|entries| map::with(entries, entry))?
            }
            Step::System(SystemStep::MapRemove { entry }) => {
                self.edit_map(|entries| map::without(entries, &entry.devnm))?
            }
            Step::System(SystemStep::Node { array }) => self.node(array)?,
            Step::System(SystemStep::RemoveNode { array }) => self.remove_node(array)?,
            Step::System(SystemStep::Uevent { array }) => self.uevent(array)?,
            Step::Md(MdStep::Configure { array, attr, value }) => self.configure(array, attr, value)?,
            Step::Md(MdStep::AutoDetect) => self.auto_detect()?,
            Step::System(SystemStep::Follow { lock, words }) => {
                drop(super::follow::start(&self.machine, lock, words)?)
            }
            Step::System(SystemStep::EndFollow { lock }) => super::follow::end(&self.machine, lock)?,
            Step::System(SystemStep::UnitFiles { files }) => super::units::files(files)?,
            Step::System(SystemStep::EditFile { change, mode }) => super::texts::edit(change, *mode)?,
            Step::System(SystemStep::Units { verb, units }) => super::units::change(*verb, units)?,
            Step::System(SystemStep::WriteFile { path, text, mode }) => {
                let path = Path::new(path);
                // Nothing below /run outlives a boot, directories neither; what is below /var/lib may be the first file there.
                let roots = [&self.machine.places.run, &self.machine.state];
                if let Some(dir) = path.parent().filter(|dir| roots.iter().any(|root| dir.starts_with(root)))
                {
                    files::make_dirs(dir, 0o755)?;
                }
                files::replace(path, text.as_bytes(), *mode)?;
                // What is noted to outlive the machine does so from now on, its name included.
                if let Some(dir) = path.parent().filter(|dir| dir.starts_with(&self.machine.state)) {
                    files::sync_dir(dir)?;
                }
            }
            Step::Disk(DiskStep::PutStream { stream, target, header, bytes, begun }) => {
                let told = |done, total| (self.progress)(target, done, total);
                let note = super::delta::Note {
                    begun,
                    dirs: &Begun::dirs(&self.machine.state, &self.machine.places.run),
                };
                super::delta::put(stream, target, (header, note), *bytes, &told)?;
            }
            Step::System(SystemStep::Note { notes, note }) => {
                notes::append(Path::new(notes), &note.to_string())?
            }
            Step::Dm(step) => self.device_mapper(step)?,
            Step::Overlay(step) => self.overlay(step)?,
            Step::Critical(critical) => {
                let watch = Watch::start(&self.machine, critical, &self.dm, self.volumes.shared_lock());
                critical::carry_out(critical, &mut self.dm, watch)?;
            }
            Step::Mend(mend) => super::mend::carry_out(mend, &self.machine)?,
            Step::Lvm(step) => self.volumes.apply(step)?,
            Step::Window(step) => super::window::carry_out(step, &self.machine)?,
            Step::Fs(step) => tools::run(step, &self.machine.meanwhile)?,
            Step::Alert(step) => super::alerts::tell(step, &self.machine)?,
            Step::Commit => {}
        }
        Noting::after(step, &self.machine);
        Ok(saved)
    }
}

impl Live {
    /// Ready to act.
    #[must_use]
    pub fn new(machine: Machine, progress: ShowProgress) -> Self {
        let log = KernelLog::mark(&machine.places.dev.join("kmsg"));
        Self {
            progress,
            dm: Dm::new(machine.clone()),
            volumes: Volumes::new(machine.clone()),
            machine,
            claims: BTreeMap::new(),
            hidden: BTreeMap::new(),
            arrays: BTreeMap::new(),
            loops: BTreeMap::new(),
            lock: None,
            shared: None,
            taken: None,
            log,
            noting: Noting::default(),
            kept_elsewhere: None,
            remarks: Vec::new(),
        }
    }

    /// Has the map's lock already: the plan's own step takes it over, and lets it go where the plan says so.
    pub fn has(&mut self, lock: Option<MapLock>) {
        self.taken = lock;
    }

    /// Ready to act beside others under one lock of the map.
    pub(super) fn beside(machine: Machine, lock: MapLock) -> Self {
        Self { shared: Some(lock), ..Self::new(machine, Box::new(|_, _, _| {})) }
    }

    /// What else should be said about what was done, each once.
    pub fn remarks(&mut self) -> Vec<String> {
        let mut remarks = std::mem::take(&mut self.dm.remarks);
        remarks.append(&mut self.volumes.remarks);
        remarks.append(&mut self.remarks);
        remarks.extend(self.kept_elsewhere.take());
        remarks
    }

    /// A semaphore that this made is noted, also where the step failed.
    fn device_mapper(&mut self, step: &DmStep) -> Result<()> {
        let done = self.dm.apply(step);
        self.noting.cookie(self.dm.fresh_cookie(), &self.machine);
        done
    }

    fn run_dir(&self) -> PathBuf {
        self.machine.places.run.join("mdadm")
    }

    /// Opens exclusively and keeps udev from the whole disk.
    fn claim(&mut self, path: &str) -> Result<()> {
        let open = || BlockDevice::open(Path::new(path), Access::ReadExclusive);
        let passing = |error: &KernelError| error.is(Errno::EBUSY) && self.only_processes_hold(path);
        let device = wait::retry(BUSY_WAIT, open, passing, || self.waits_for(path, &self.holders(path)))
            .map_err(|error| self.explain_busy(path, error))?;
        self.keep_udev_away(&device);
        self.claims.insert(path.to_owned(), Claimed { device, writer: None });
        Ok(())
    }

    /// A device that only a process has open may be free in a moment; one with a holder will not.
    fn only_processes_hold(&self, path: &str) -> bool {
        let holders = self.holders(path);
        holders.iter().all(kernel::Holder::is_process)
    }

    fn holders(&self, path: &str) -> Vec<kernel::Holder> {
        let dev = node::number_of(Path::new(path)).ok().flatten();
        dev.and_then(|dev| kernel::holders::holders(&self.machine.sysfs, &self.machine.procfs, dev).ok())
            .unwrap_or_default()
    }

    /// Says what is waited for, and who has it.
    pub(super) fn waits_for(&self, what: &str, by: &[kernel::Holder]) {
        waits_by(&self.machine, what, by, BUSY_WAIT);
    }

    pub(super) fn explain_busy(&self, path: &str, error: KernelError) -> anyhow::Error {
        if !error.is(Errno::EBUSY) {
            return error.into();
        }
        match self.holders(path).as_slice() {
            [] => error.into(),
            holders => anyhow!("{error}: held by {}", held(holders)),
        }
    }

    /// udev locks whole disks while it probes, and leaves alone those that are locked. Where it cannot be locked the
    /// map's lock still keeps incremental assembly out; that is so where udev itself waits for us.
    fn keep_udev_away(&mut self, device: &BlockDevice) {
        if self.machine.event {
            return;
        }
        let sysfs = &self.machine.sysfs;
        let Some(name) = device.dev().and_then(|dev| sysfs.name_of(dev)) else { return };
        let whole = sysfs.whole_of(&name).unwrap_or(name);
        if self.hidden.contains_key(&whole) {
            return;
        }
        let path = self.machine.places.dev.join(&whole);
        // By a descriptor of its own: the claim ends before the lock does.
        let open = || BlockDevice::hide_from_udev(&path);
        let told = || self.waits_for(&format!("udev, which looks at {whole}"), &[]);
        let lock = wait::retry(BUSY_WAIT, open, |error| error.is(Errno::EWOULDBLOCK), told);
        match lock {
            Ok(lock) => drop(self.hidden.insert(whole, lock)),
            Err(error) => tracing::debug!(%error, "udev is not kept away"),
        }
    }

    /// Saves what is there, then writes and syncs. A device that was given to an array that is stopped again is opened
    /// anew: then this is the way back.
    fn write(&mut self, path: &str, writes: &[Write]) -> Result<Vec<Write>> {
        if let Some(claimed) = self.claims.get_mut(path) {
            // By the one that only reads: it has an end to the waiting.
            let saved = claimed.device.saved(writes)?;
            claimed.writer()?.write_all(writes)?;
            return Ok(saved);
        }
        let open = || BlockDevice::open(Path::new(path), Access::WriteExclusive);
        let told = || self.waits_for(path, &self.holders(path));
        let device = wait::retry(BUSY_WAIT, open, |error| error.is(Errno::EBUSY), told)?;
        let saved = device.saved(writes)?;
        device.write_all(writes)?;
        Ok(saved)
    }

    /// The claimed device, else the path opened to read.
    fn readable<T>(&self, path: &str, read: impl FnOnce(&BlockDevice) -> Result<T>) -> Result<T> {
        match self.claims.get(path) {
            Some(claimed) => read(&claimed.device),
            None => read(&BlockDevice::open(Path::new(path), Access::Read)?),
        }
    }

    fn lock_map(&mut self) -> Result<()> {
        self.lock = Some(match (self.taken.take(), &self.shared) {
            (Some(lock), _) => lock,
            (None, Some(lock)) => Arc::clone(lock),
            (None, None) => map_lock(&self.machine)?,
        });
        Ok(())
    }

    fn edit_map(&mut self, edit: impl FnOnce(Vec<MapEntry>) -> Vec<MapEntry>) -> Result<()> {
        let Some(lock) = &self.lock else { bail!("the map is changed only under its lock") };
        // Among those who share it, one at a time.
        let _turn = lock.lock();
        let path = self.run_dir().join("map");
        let text = files::read(&path, 1 << 20)?.unwrap_or_default();
        let entries = edit(map::parse(&String::from_utf8_lossy(&text)));
        files::replace(&path, map::format(&entries).as_bytes(), 0o600)?;
        Ok(())
    }

    fn creating(&self, array: &ArrayName) -> PathBuf {
        self.run_dir().join(format!("creating-{}", array.kernel))
    }

    fn hide(&self, array: &ArrayName) -> Result<()> {
        files::make_dirs(&self.run_dir(), 0o755)?;
        files::touch(&self.creating(array), 0o600)?;
        Ok(())
    }

    /// Where things are.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The opened array.
    pub(super) fn array(&mut self, array: &ArrayName) -> Result<&MdDevice> {
        if !self.arrays.contains_key(&array.kernel) {
            let dev = self.number(&array.kernel)?;
            let device = node::open_number(&self.machine.places, dev, Access::Read, &array.path)?;
            self.arrays.insert(array.kernel.clone(), device);
        }
        self.arrays.get(&array.kernel).ok_or_else(|| anyhow!("{}: not open", array.kernel))
    }

    /// The errno, and what the kernel logged meanwhile: the last line about this array, else the last about md that
    /// says more than that something failed.
    pub(super) fn with_log(&mut self, array: &ArrayName, error: KernelError) -> anyhow::Error {
        let lines = self.log.since(&["md:", "md/", array.kernel.as_str()]);
        let telling = |line: &&String| !line.contains("pers->run() failed");
        let about = lines.iter().rev().find(|line| line.contains(&array.kernel));
        match about.or_else(|| lines.iter().rev().find(telling)) {
            Some(line) => Logged { error, line: line.trim().to_owned() }.into(),
            None => error.into(),
        }
    }
}

/// A device that nobody else can claim meanwhile. It is opened for writing only when something is to be written: whoever
/// closes such a descriptor makes udev probe the device again.
pub(super) struct Claimed {
    pub(super) device: BlockDevice,
    writer: Option<BlockDevice>,
}

impl Claimed {
    fn writer(&mut self) -> Result<&BlockDevice, KernelError> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => Ok(none.insert(BlockDevice::open(self.device.path(), Access::Write)?)),
        }
    }
}

/// Holders in one line.
pub(super) fn held(by: &[kernel::Holder]) -> String {
    by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Says that a lock is waited for, and who has it.
pub(super) fn waits(machine: &Machine, what: &str, path: &Path, limit: Duration) {
    waits_by(machine, what, &lock::holders(&machine.procfs, path).unwrap_or_default(), limit);
}

/// The same of whatever somebody holds.
pub(super) fn waits_by(machine: &Machine, what: &str, by: &[kernel::Holder], limit: Duration) {
    let by = held(by);
    let by = if by.is_empty() { String::new() } else { format!(", which {by} holds") };
    machine.meanwhile.say(&format!("waiting for {what}{by} (for at most {} s)", limit.as_secs()));
}

/// The lock of the map file for the next plan; `None` where it is not to be had: that plan will say so.
#[must_use]
pub fn map_turn(machine: &Machine) -> Option<MapLock> {
    map_lock(machine).ok()
}

/// Takes the lock of the map file, in bounded time, and in no time where the command has waited for it in vain.
pub(super) fn map_lock(machine: &Machine) -> Result<MapLock> {
    let dir = machine.places.run.join("mdadm");
    files::make_dirs(&dir, 0o755)?;
    let path = dir.join("map.lock");
    let told = |limit| waits(machine, "the lock of the map file", &path, limit);
    let lock = machine.map_lock.take(&path, &told).map_err(|error| {
        let by = lock::holders(&machine.procfs, &path).unwrap_or_default();
        match held(&by) {
            by if by.is_empty() => error.into(),
            by => anyhow!("{error}: the lock of the map file is held by {by}"),
        }
    })?;
    Ok(Arc::new(Mutex::new(lock)))
}
