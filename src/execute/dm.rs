//! Acts on device-mapper devices, said to the driver. Events are waited for once, all together; what udev does not do
//! in time is done here, and told.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::errno::Errno;

use super::live::{Logged, held, waits_by};
use crate::{
    kernel::{
        self, Deadline, KernelError, Machine,
        cookie::{Cookie, Waited},
        dm::{Control, DmCallManner, DmFlags, Geometry, Info, NewRow, Prepared, PreparedRequest, Who},
        kmsg::KernelLog,
        node, wait,
    },
    model::{
        DevId,
        dm::{Dev, Owner, ReadAhead, Status, Table, UdevFlags, name, uuid},
    },
    plan::{
        cookies::CookieStep,
        dm::{Condition, DmStep, Quiesce, Udev},
        run::Outdated,
        volume::mover,
    },
};

/// Whether the mirrors of a device are what they have to be. What fails is for another look: nothing can be suspended above it.
fn expect(control: &Control, name: &str, state: Condition) -> Result<()> {
    let rows = control.status(Who::Name(name), DmFlags::empty())?.map(|(_, rows)| rows).unwrap_or_default();
    let statuses: Vec<Status> = rows.iter().map(|row| Status::parse(&row.kind, &row.text)).collect();
    match (mover::progress(statuses.iter()), state) {
        (Some(_), Condition::Well) => Ok(()),
        (Some((done, all)), Condition::InSync) if all > 0 && done == all => Ok(()),
        (Some((done, all)), Condition::InSync) => Err(anyhow!("{name}: {done} of {all} regions are copied")),
        (None, Condition::InSync | Condition::Well) => {
            Err(Outdated(format!("{name}: one of its devices fails")).into())
        }
    }
}

/// How long udev has for all events of a plan together, beside a moment for each.
const UDEV_WAIT: Duration = Duration::from_secs(30);
/// How long somebody may keep a device open that is to be removed.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// What a node of ours allows where udev makes none: the owner and the group `disk`.
const NODE_MODE: u32 = 0o660;
/// `disk`, as every distribution has it.
const NODE_GROUP: u32 = 6;

/// What /dev shall show once udev is done.
#[derive(Debug)]
enum Expected {
    /// This name leads to this device.
    There {
        name: String,
        dev: DevId,
        flags: UdevFlags,
        /// It is a volume that people see, so it has a link in its group's directory.
        volume: bool,
    },
    /// Nothing has this name.
    Gone(String),
}

/// The driver, and what is on its way.
pub struct Dm {
    machine: Machine,
    control: Option<Control>,
    cookie: Option<Cookie>,
    /// Its value, until somebody has noted it.
    fresh: Option<u32>,
    numbers: BTreeMap<String, DevId>,
    /// Made by this, and without a table so far.
    new: BTreeSet<String>,
    expected: Vec<Expected>,
    udev: Udev,
    log: KernelLog,
    /// What udev did not do.
    pub(super) remarks: Vec<String>,
}

/// One step about a cookie that is not of this plan.
fn about_cookie(step: &CookieStep, meanwhile: &kernel::Meanwhile) -> Result<()> {
    match step {
        CookieStep::Make(value) => drop(Cookie::make(*value)?.leave()),
        CookieStep::Lower(value) => {
            if !kernel::cookie::complete(*value)? {
                bail!("cookie 0x{value:x}: nobody waits for it any more");
            }
        }
        CookieStep::Release { value, most } => {
            let (cookie, limit) = (*value, most.as_secs());
            let _heard = meanwhile.while_kept(move || {
                format!("waiting for udev to be done with cookie 0x{cookie:x} (for at most {limit} s)")
            });
            let waited = Cookie::join(*value)?.take_over().wait(Deadline::after(*most))?;
            if let Waited::Late(left) = waited {
                bail!(
                    "cookie 0x{value:x}: udev did not answer {left} events within {} s; the cookie is removed",
                    most.as_secs()
                );
            }
        }
        CookieStep::Forget(value) => drop(kernel::cookie::remove(*value)?),
    }
    Ok(())
}

impl Dm {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        let log = KernelLog::mark(&machine.places.dev.join("kmsg"));
        Self {
            machine,
            control: None,
            cookie: None,
            fresh: None,
            numbers: BTreeMap::new(),
            new: BTreeSet::new(),
            expected: Vec::new(),
            udev: Udev::default(),
            log,
            remarks: Vec::new(),
        }
    }

    /// The driver, opened once.
    pub fn control(&mut self) -> Result<Control> {
        if self.control.is_none() {
            self.control = Some(Control::open(&self.machine.places)?);
        }
        self.control.clone().context("device-mapper is not open")
    }

    /// Carries one step out.
    pub(super) fn apply(&mut self, step: &DmStep) -> Result<()> {
        // Semaphores are there also where the driver is not.
        if let DmStep::Cookie(step) = step {
            return about_cookie(step, &self.machine.meanwhile);
        }
        let control = self.control()?;
        match step {
            DmStep::Create { name, uuid, minor } => {
                let info = control.create(name, uuid.as_deref(), *minor)?;
                self.remember(name, &info);
                self.new.insert(name.clone());
            }
            DmStep::Load { name, table, read_only } => self.load(name, table, *read_only)?,
            DmStep::Resume { name, flags, quiesce, .. } => self.resume(name, *flags, *quiesce)?,
            DmStep::Replace { name, table, read_only, flags } => {
                self.load(name, table, *read_only)?;
                self.resume(name, *flags, Quiesce::NO_FREEZE)?;
            }
            DmStep::Suspend { name, quiesce, .. } => {
                drop(control.suspend(Who::Name(name), suspend_flags(*quiesce))?);
            }
            DmStep::GoOn { name, flags } => {
                control.clear(Who::Name(name))?;
                self.resume(name, *flags, Quiesce::NO_FREEZE)?;
            }
            DmStep::Remove { name, flags, deferred } => self.remove(name, *flags, *deferred)?,
            DmStep::Withdraw(gone) => self.remove(&gone.name, gone.flags, false)?,
            DmStep::Bring(gone) => {
                let info = control.create(&gone.name, gone.uuid.as_deref(), None)?;
                self.remember(&gone.name, &info);
                self.load(&gone.name, &gone.table, gone.read_only)?;
                self.resume(&gone.name, gone.flags, Quiesce::NO_FREEZE)?;
            }
            DmStep::Rename { name, to, flags } => self.rename(name, to, *flags)?,
            DmStep::SetUuid { name, uuid } => {
                let set = |cookie| control.set_uuid(Who::Name(name), uuid, cookie);
                drop(self.with_event(UdevFlags::VISIBLE, set)?);
            }
            DmStep::Clear { name } => drop(control.clear(Who::Name(name))?),
            DmStep::Message { name, sector, text } => {
                drop(control.message(Who::Name(name), *sector, text)?);
            }
            DmStep::ReadAhead { name, sectors } => self.read_ahead(name, *sectors)?,
            DmStep::SetGeometry { name, numbers } => {
                control.set_geometry(Who::Name(name), Geometry { numbers: *numbers })?;
            }
            DmStep::Udev(udev) => self.treat_events(*udev)?,
            DmStep::Expect { name, state } => expect(&control, name, *state)?,
            DmStep::Cookie(_) => {}
            DmStep::WaitForUdev => self.wait()?,
        }
        Ok(())
    }

    /// Whether a device was made by this and has no table yet.
    pub(super) fn is_new(&self, name: &str) -> bool {
        self.new.contains(name)
    }

    fn remember(&mut self, name: &str, info: &Info) {
        if let Some(dev) = info.dev {
            self.numbers.insert(name.to_owned(), dev);
        }
    }

    /// The number of a device-mapper device.
    pub fn number(&mut self, name: &str) -> Result<DevId> {
        if let Some(dev) = self.numbers.get(name) {
            return Ok(*dev);
        }
        let info = self.control()?.info(Who::Name(name), DmFlags::empty())?;
        let info = info.ok_or_else(|| anyhow!("{name}: there is no such device-mapper device"))?;
        self.remember(name, &info);
        info.dev.with_context(|| format!("{name}: the driver says no number"))
    }

    /// Names and paths become numbers: no quoting, and no rename comes in between.
    fn rows(&mut self, table: &Table) -> Result<Vec<NewRow>> {
        let mut number = |dev: &Dev| -> Result<Dev> {
            Ok(Dev::Number(match dev {
                Dev::Number(dev) => *dev,
                Dev::Dm(name) => self.number(name)?,
                Dev::Path(path) => {
                    let dev = node::number_of(Path::new(path))?;
                    dev.ok_or_else(|| anyhow!("{path} is not a block device"))?
                }
            }))
        };
        let row = |row: &crate::model::dm::Row| {
            let target = row.target.with_devices(&mut number)?;
            let (kind, params) = (target.kind().to_owned(), target.params());
            Ok(NewRow { start: row.start.0, length: row.length.0, kind, params })
        };
        table.rows.iter().map(row).collect()
    }

    fn load(&mut self, name: &str, table: &Table, read_only: bool) -> Result<()> {
        let rows = self.rows(table)?;
        let flags = if read_only { DmFlags::READONLY } else { DmFlags::empty() };
        // What others did before is not about this table.
        drop(self.log.since(&[]));
        let loaded = self.control()?.load(Who::Name(name), &rows, flags);
        loaded.map(drop).map_err(|error| refused_table(&mut self.log, error))
    }

    fn resume(&mut self, name: &str, flags: UdevFlags, quiesce: Quiesce) -> Result<()> {
        let how = DmCallManner::flags(suspend_flags(quiesce));
        let control = self.control()?;
        let info = self.with_event(flags, |cookie| control.resume(Who::Name(name), how.cookie(cookie)))?;
        self.resumed(name, flags, &info);
        Ok(())
    }

    fn resumed(&mut self, name: &str, flags: UdevFlags, info: &Info) {
        self.remember(name, info);
        self.new.remove(name);
        if let Some(dev) = info.dev.filter(|_| info.flags.contains(DmFlags::ACTIVE_PRESENT)) {
            let volume = uuid::parse(&info.uuid).is_some_and(|parts| parts.layer.is_none());
            let (name, dev) = (name.to_owned(), dev);
            self.expected.push(Expected::There { name, dev, flags, volume });
        }
    }

    /// Makes a request of which udev will hear, unless the answer says that it will not.
    fn with_event(
        &mut self,
        flags: UdevFlags,
        request: impl FnOnce(u32) -> Result<Info, KernelError>,
    ) -> Result<Info, KernelError> {
        let word = self.raise(flags);
        let answer = request(word);
        let told = answer.as_ref().is_ok_and(|info| info.flags.contains(DmFlags::UEVENT_GENERATED));
        if !told {
            self.lower();
        }
        answer
    }

    /// The semaphore that was made since this was last asked.
    pub(super) fn fresh_cookie(&mut self) -> Option<u32> {
        self.fresh.take()
    }

    fn treat_events(&mut self, udev: Udev) -> Result<()> {
        self.udev = udev;
        if let Some(value) = udev.cookie {
            self.cookie = Some(Cookie::join(value)?);
        }
        Ok(())
    }

    /// One event more; the word that goes with the request.
    fn raise(&mut self, flags: UdevFlags) -> u32 {
        let flags = match self.udev.no_rules {
            true => flags | UdevFlags::DISABLE_DM_RULES | UdevFlags::DISABLE_SUBSYSTEM_RULES,
            false => flags,
        };
        if self.udev.no_sync && self.udev.cookie.is_none() {
            return u32::from(flags.bits()) << 16;
        }
        if self.cookie.is_none() && self.machine.udev {
            match Cookie::create() {
                Ok(cookie) => {
                    self.fresh = Some(cookie.value());
                    self.cookie = Some(cookie);
                }
                // Without semaphores nobody can be waited for: nodes are made here, as where there is no udev.
                Err(error) => {
                    tracing::debug!(%error, "no udev cookie");
                    self.machine.udev = false;
                }
            }
        }
        match &mut self.cookie {
            Some(cookie) => match cookie.raise() {
                Ok(()) => cookie.with(flags.bits()),
                Err(_) => u32::from(flags.bits()) << 16,
            },
            None => {
                // Nodes and links are made here; a udev that runs all the same must not make them, too.
                let ours = UdevFlags::DISABLE_DM_RULES | UdevFlags::DISABLE_SUBSYSTEM_RULES;
                u32::from((flags | ours).bits()) << 16
            }
        }
    }

    fn lower(&mut self) {
        if let Some(Err(error)) = self.cookie.as_mut().map(Cookie::lower) {
            tracing::debug!(%error, "a cookie stays raised");
        }
    }

    fn remove(&mut self, name: &str, flags: UdevFlags, deferred: bool) -> Result<()> {
        let control = self.control()?;
        let how = if deferred { DmFlags::DEFERRED_REMOVE } else { DmFlags::empty() };
        let passing = OnceCell::new();
        let machine = self.machine.clone();
        let removed = self.with_event(flags, |cookie| {
            let request = || control.remove(Who::Name(name), DmCallManner::flags(how).cookie(cookie));
            let again = |error: &KernelError| {
                error.is(Errno::EBUSY)
                    && *passing.get_or_init(|| only_processes(&holders(&machine, &control, name)))
            };
            let told = || waits_by(&machine, name, &holders(&machine, &control, name), BUSY_WAIT);
            wait::retry(BUSY_WAIT, request, again, told)
        });
        match removed {
            Ok(info) => {
                self.numbers.remove(name);
                if !info.flags.contains(DmFlags::DEFERRED_REMOVE) || info.open == 0 {
                    self.expected.push(Expected::Gone(name.to_owned()));
                }
                Ok(())
            }
            Err(error) if error.is(Errno::EBUSY) => {
                let by = held(&holders(&machine, &self.control()?, name));
                Err(if by.is_empty() { error.into() } else { anyhow!("{error}: it is held by {by}") })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// In /sys the unit is KiB.
    fn read_ahead(&mut self, name: &str, sectors: ReadAhead) -> Result<()> {
        let dev = self.number(name)?;
        let attribute = format!("dev/block/{dev}/bdi/read_ahead_kb");
        let now = self.machine.sysfs.read(&attribute)?.and_then(|text| text.trim().parse::<u32>().ok());
        let wanted = match sectors {
            ReadAhead::Auto => return Ok(()),
            ReadAhead::None => 0,
            ReadAhead::Sectors(sectors) => sectors,
            ReadAhead::AtLeast(sectors) => sectors.max(now.unwrap_or(0).saturating_mul(2)),
        };
        Ok(self.machine.sysfs.write(&attribute, &wanted.div_ceil(2).to_string())?)
    }

    fn rename(&mut self, name: &str, to: &str, flags: UdevFlags) -> Result<()> {
        let control = self.control()?;
        let info = self.with_event(flags, |word| {
            control.rename(Who::Name(name), to, DmCallManner::default().cookie(word))
        })?;
        self.numbers.remove(name);
        self.expected.push(Expected::Gone(name.to_owned()));
        self.resumed(to, flags, &info);
        Ok(())
    }

    /// A suspend that is ready to be sent.
    pub fn prepare_suspend(&mut self, name: &str, quiesce: Quiesce) -> Result<Prepared> {
        Ok(self.control()?.prepare(Who::Name(name), PreparedRequest::Suspend(suspend_flags(quiesce)))?)
    }

    /// A resume that is ready to be sent, its event already counted: [`Self::fired`] tells what became of it.
    pub fn prepare_resume(&mut self, name: &str, flags: UdevFlags) -> Result<Prepared> {
        let dev = self.number(name)?;
        // It was seen before, and keeps the links that it has.
        self.expected.push(Expected::There { name: name.to_owned(), dev, flags, volume: false });
        let word = self.raise(flags);
        let request = PreparedRequest::Resume(DmFlags::SKIP_LOCKFS, word);
        let prepared = self.control()?.prepare(Who::Name(name), request);
        if prepared.is_err() {
            self.lower();
        }
        Ok(prepared?)
    }

    /// After the critical section: what a prepared resume was answered, or that it was never sent.
    pub fn fired(&mut self, answer: Option<DmFlags>) {
        if !answer.is_some_and(|flags| flags.contains(DmFlags::UEVENT_GENERATED)) {
            self.lower();
        }
    }

    /// One wait for everything, then a look at what is there.
    fn wait(&mut self) -> Result<()> {
        let cookie = self.cookie.take();
        let expected = std::mem::take(&mut self.expected);
        if self.udev.cookie.is_some() || (self.udev.no_sync && !self.udev.no_rules && self.machine.udev) {
            // Somebody else waits, or nobody: what is there now says nothing.
            return Ok(());
        }
        if let Some(cookie) = cookie.filter(|cookie| cookie.raised() > 0) {
            let raised = cookie.raised();
            let limit = UDEV_WAIT.saturating_add(Duration::from_millis(u64::from(raised) * 200));
            let most = limit.as_secs();
            let _heard = self.machine.meanwhile.while_kept(move || {
                format!("waiting for udev to answer {raised} events of device-mapper (for at most {most} s)")
            });
            match cookie.wait(Deadline::after(limit))? {
                Waited::Done => {}
                Waited::Removed => self.remarks.push(
                    "somebody removed the semaphore by which udev answers; its work was not waited for".into(),
                ),
                Waited::Late(left) => self.remarks.push(format!(
                    "udev did not answer {left} of {raised} events of device-mapper within {} s: its rules hang, or \
                     lack the call of dmsetup udevcomplete",
                    limit.as_secs()
                )),
            }
        }
        for one in expected {
            self.verify(&one)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.machine.places.dev.join("mapper").join(name)
    }

    /// `/dev/GROUP/VOLUME`.
    fn group_link(&self, name: &str) -> PathBuf {
        let (group, volume, _) = name::split(name);
        self.machine.places.dev.join(group).join(volume)
    }

    /// Makes /dev right where it is not.
    fn verify(&mut self, expected: &Expected) -> Result<()> {
        match expected {
            Expected::There { name, dev, flags, volume } => {
                let path = self.path(name);
                let by_udev = self.machine.udev && !self.udev.no_rules;
                let hidden = by_udev && flags.contains(UdevFlags::DISABLE_DM_RULES);
                // Removed or renamed later in the same plan.
                let passed = self.numbers.get(name) != Some(dev);
                if hidden || passed {
                    return Ok(());
                }
                let made = node::repair_node(&path, *dev, self.udev.owner.mode.unwrap_or(NODE_MODE))?;
                if made && !by_udev {
                    let Owner { uid, gid, .. } = self.udev.owner;
                    node::give(&path, uid, gid.or(Some(NODE_GROUP)))?;
                }
                let linked = *volume && !flags.contains(UdevFlags::DISABLE_SUBSYSTEM_RULES);
                if linked && !by_udev {
                    node::link_volume(&self.machine.places, name, &self.group_link(name))?;
                }
                if made && by_udev {
                    self.remarks.push(format!("udev did not make {}: it was made", path.display()));
                }
            }
            Expected::Gone(name) => {
                if self.numbers.contains_key(name) {
                    return Ok(());
                }
                let path = self.path(name);
                if !self.machine.udev {
                    node::unlink_volume(&self.machine.places, name, &self.group_link(name))?;
                }
                if node::remove_mapper_node(&path)? && self.machine.udev {
                    self.remarks.push(format!("udev did not remove {}: it was removed", path.display()));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Dm {
    fn drop(&mut self) {
        // A plan that failed has events on their way too.
        if let Err(error) = self.wait() {
            tracing::debug!(%error, "udev was not waited for");
        }
    }
}

fn suspend_flags(quiesce: Quiesce) -> DmFlags {
    let mut flags = DmFlags::empty();
    flags.set(DmFlags::SKIP_LOCKFS, !quiesce.freeze);
    flags.set(DmFlags::NOFLUSH, !quiesce.flush);
    flags
}

fn holders(machine: &Machine, control: &Control, name: &str) -> Vec<kernel::Holder> {
    let info = control.info(Who::Name(name), DmFlags::empty()).ok().flatten();
    let dev = info.and_then(|info| info.dev);
    dev.and_then(|dev| kernel::holders::holders(&machine.sysfs, &machine.procfs, dev).ok())
        .unwrap_or_default()
}

/// What only processes have open may be closed in a moment.
fn only_processes(holders: &[kernel::Holder]) -> bool {
    holders.iter().all(kernel::Holder::is_process)
}

/// The errno, and the driver's reason, which only its log has.
fn refused_table(log: &mut KernelLog, error: KernelError) -> anyhow::Error {
    let lines = log.since(&["device-mapper:"]);
    // The target's own words come first; the last line mostly says no more than that it failed.
    let dull = |line: &&String| line.contains("error adding target to table");
    let beside = |line: &&String| line.contains("version") && line.contains("loaded");
    let telling = lines.iter().find(|line| !dull(line) && !beside(line));
    let Some(line) = telling.or_else(|| lines.iter().find(dull)) else { return error.into() };
    let line = line.trim().trim_start_matches("device-mapper:").trim().to_owned();
    let hint = if line.contains("immutable target") {
        Some("this target can only be replaced by removing the device and making it again")
    } else if line.contains("change device type") {
        Some("a device keeps the kind of queue that its first table gave it: remove it and make it again")
    } else {
        None
    };
    let logged = anyhow::Error::from(Logged::new(error, line));
    match hint {
        Some(hint) => logged.context(hint),
        None => logged,
    }
}

/// Says something to a target; its answer, where it has one.
pub fn message(machine: &Machine, name: &str, sector: u64, text: &str) -> Result<Option<String>> {
    let mut log = KernelLog::mark(&machine.places.dev.join("kmsg"));
    let control = Control::open(&machine.places)?;
    let said = control.message(Who::Name(name), sector, text);
    said.map_err(|error| refused_table(&mut log, error))
}

/// Makes `/dev/mapper` right for these devices, and for names there that no device has.
pub fn make_nodes(machine: &Machine, only: &[String]) -> Result<()> {
    let control = Control::open(&machine.places)?;
    let dir = machine.places.dev.join("mapper");
    let all = control.list("", "")?;
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    for name in kernel::files::names(&dir)? {
        let name = name.to_string_lossy().into_owned();
        if name != "control" && wanted(&name) && !all.iter().any(|one| one.name == name) {
            node::remove_mapper_node(&dir.join(&name))?;
        }
    }
    for one in all.iter().filter(|one| wanted(&one.name)) {
        let path = dir.join(&one.name);
        if node::repair_node(&path, one.dev, NODE_MODE)? {
            node::give(&path, None, Some(NODE_GROUP))?;
        }
    }
    Ok(())
}
