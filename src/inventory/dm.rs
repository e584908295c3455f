//! What device-mapper has: devices, their tables, what their targets report.

use std::time::Duration;

use superblock::Sectors;

use crate::{
    kernel::{
        self, KernelError, Machine,
        dm::{Control, DmFlags, Info, Reported, Who},
        wait,
    },
    model::{
        DevId,
        dm::{DeviceInfo, DmSeen, Listed, Overview, Row, Status, Table, ToldRow, UdevCookie, UdevCookies},
    },
};

/// The driver, open for questions.
#[derive(Clone, Debug)]
pub struct Driver {
    control: Control,
}

/// A row with what its target reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its first sector.
    pub start: Sectors,
    /// Its sectors.
    pub length: Sectors,
    /// The target's name.
    pub kind: String,
    /// What it reports.
    pub status: Status,
}

/// All devices whose UUIDs begin so, all of them for "". One request to the driver; none where /sys shows that there is no
/// device, so that the module is not loaded only to be asked.
pub fn list(machine: &Machine, by_uuid: &str) -> Result<Vec<Listed>, KernelError> {
    let any = machine.sysfs.names("class/block")?.iter().any(|name| name.starts_with("dm-"));
    if any { Driver::open(machine)?.list(by_uuid) } else { Ok(Vec::new()) }
}

/// The semaphores by which udev tells that it is done.
pub fn cookies(machine: &Machine) -> Result<UdevCookies, KernelError> {
    let one = |one: kernel::cookie::CookieStanding| UdevCookie {
        value: one.cookie,
        semid: one.semid,
        count: one.value,
        operated: one.operated,
        changed: one.changed,
    };
    let all = kernel::cookie::all(&machine.procfs)?.into_iter().map(one).collect();
    Ok(UdevCookies { all, random: kernel::cookie::random()?, now: kernel::host::now().0 })
}

impl Driver {
    /// Opens it, loading the module where it is missing.
    pub fn open(machine: &Machine) -> Result<Self, KernelError> {
        Ok(Self { control: Control::open(&machine.places)? })
    }

    /// All devices whose UUIDs begin so; all of them for "". One request.
    pub fn list(&self, by_uuid: &str) -> Result<Vec<Listed>, KernelError> {
        let listed = |one: kernel::dm::DmListed| Listed {
            dev: one.dev,
            name: one.name,
            uuid: one.uuid,
            event: one.event,
        };
        Ok(self.control.list("", by_uuid)?.into_iter().map(listed).collect())
    }

    /// The state of a device; `None` where there is none of this name.
    pub fn info(&self, name: &str) -> Result<Option<DeviceInfo>, KernelError> {
        Ok(self.control.info(Who::Name(name), DmFlags::empty())?.map(device_info))
    }

    /// A device's live table.
    pub fn table(&self, name: &str) -> Result<Option<(DeviceInfo, Table)>, KernelError> {
        let answer = self.control.status(Who::Name(name), DmFlags::STATUS_TABLE)?;
        Ok(answer.map(|(info, rows)| (device_info(info), table(rows))))
    }

    /// What a device's targets report. Without `flush`, counters may lag behind and nothing is written.
    pub fn status(&self, name: &str, flush: bool) -> Result<Option<(DeviceInfo, Vec<Running>)>, KernelError> {
        let flags = if flush { DmFlags::empty() } else { DmFlags::NOFLUSH };
        let running = |row: Reported| Running {
            start: Sectors(row.start),
            length: Sectors(row.length),
            status: Status::parse(&row.kind, &row.text),
            kind: row.kind,
        };
        let answer = self.control.status(Who::Name(name), flags)?;
        Ok(answer.map(|(info, rows)| (device_info(info), rows.into_iter().map(running).collect())))
    }

    /// The numbers that a device's live table leads to.
    pub fn deps(&self, name: &str) -> Result<Vec<DevId>, KernelError> {
        let answer = self.control.deps(Who::Name(name), DmFlags::empty())?;
        Ok(answer.map(|(_, devs)| devs).unwrap_or_default())
    }

    /// The version of a target, loading its module; `None` where this kernel has none.
    pub fn target(&self, kind: &str) -> Result<Option<[u32; 3]>, KernelError> {
        Ok(self.control.target_version(kind)?.map(|target| target.version))
    }
}

fn table(rows: Vec<Reported>) -> Table {
    let row = |row: Reported| Row::reported(Sectors(row.start), Sectors(row.length), &row.kind, &row.text);
    Table { rows: rows.into_iter().map(row).collect() }
}

/// As the rest of the program has it.
pub(crate) fn device_info(info: Info) -> DeviceInfo {
    let has = |flag| info.flags.contains(flag);
    DeviceInfo {
        dev: info.dev.unwrap_or_default(),
        uuid: Some(info.uuid.clone()).filter(|uuid| !uuid.is_empty()),
        open: info.open,
        segments: info.segments,
        event: info.event,
        suspended: has(DmFlags::SUSPEND),
        read_only: has(DmFlags::READONLY),
        live: has(DmFlags::ACTIVE_PRESENT),
        inactive: has(DmFlags::INACTIVE_PRESENT),
        deferred_remove: has(DmFlags::DEFERRED_REMOVE),
        internal_suspend: has(DmFlags::INTERNAL_SUSPEND),
        name: info.name,
    }
}

/// What a report wants to know beside the devices' states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedOfDm {
    /// What tables lead to.
    pub deps: bool,
    /// Rows: status or parameters.
    pub rows: Option<Rows>,
    /// About the table that waits.
    pub inactive: bool,
    /// States at all: a list of names needs none.
    pub states: bool,
}

/// Which text of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// What targets report; committed first, or not.
    Status {
        /// Counters are committed first.
        flush: bool,
    },
    /// Parameters.
    Table,
}

impl Driver {
    /// Everything that there is.
    pub fn overview(&self, machine: &Machine, wanted: WantedOfDm) -> Result<Overview, KernelError> {
        let mut devices = Vec::new();
        for one in self.list("")? {
            let listed = || DmSeen {
                info: DeviceInfo {
                    dev: one.dev,
                    name: one.name.clone(),
                    uuid: one.uuid.clone(),
                    event: one.event.unwrap_or(0),
                    ..DeviceInfo::default()
                },
                ..DmSeen::default()
            };
            let has_more = wanted.states || wanted.deps || wanted.rows.is_some();
            let seen =
                if has_more { self.seen(machine, Who::Name(&one.name), wanted)? } else { Some(listed()) };
            // One that went meanwhile is not there.
            devices.extend(seen);
        }
        Ok(self.with_blocks(machine, devices))
    }

    /// One device; `None` where there is none.
    pub fn seen(
        &self,
        machine: &Machine,
        who: Who<'_>,
        wanted: WantedOfDm,
    ) -> Result<Option<DmSeen>, KernelError> {
        let mut flags = DmFlags::empty();
        flags.set(DmFlags::QUERY_INACTIVE, wanted.inactive);
        let (info, rows) = match wanted.rows {
            None => (self.control.info(who, flags)?, None),
            Some(Rows::Table) => split(self.control.status(who, flags | DmFlags::STATUS_TABLE)?),
            Some(Rows::Status { flush }) => {
                flags.set(DmFlags::NOFLUSH, !flush);
                split(self.control.status(who, flags)?)
            }
        };
        let Some(info) = info else { return Ok(None) };
        let info = device_info(info);
        let deps = match wanted.deps {
            true => self.control.deps(Who::Name(&info.name), flags & DmFlags::QUERY_INACTIVE)?,
            false => None,
        };
        let deps = deps.map(|(_, devs)| devs).unwrap_or_default();
        let rows = rows.map(|rows| rows.into_iter().map(told).collect());
        Ok(Some(DmSeen { read_ahead: read_ahead(machine, info.dev)?, info, deps, rows }))
    }

    /// The answer of the next event of a device.
    pub fn wait(
        &self,
        name: &str,
        event: u32,
        flush: bool,
    ) -> Result<(DeviceInfo, Vec<ToldRow>), KernelError> {
        let flags = if flush { DmFlags::empty() } else { DmFlags::NOFLUSH };
        let (info, rows) = self.control.wait(Who::Name(name), event, flags)?;
        Ok((device_info(info), rows.into_iter().map(told).collect()))
    }

    /// The name of the device with this UUID, number or path.
    pub fn name_of(&self, word: &NamedDevice<'_>) -> Result<Option<String>, KernelError> {
        let info = match word {
            NamedDevice::Uuid(uuid) => self.control.info(Who::Uuid(uuid), DmFlags::empty())?,
            NamedDevice::Number(dev) => self.control.info(Who::Dev(*dev), DmFlags::empty())?,
            NamedDevice::Path(path) => match kernel::node::number_of(std::path::Path::new(path))? {
                Some(dev) => self.control.info(Who::Dev(dev), DmFlags::empty())?,
                None => None,
            },
        };
        Ok(info.map(|info| info.name))
    }

    /// The text that integrity measurement takes of a table.
    pub fn measured(&self, name: &str) -> Result<Option<Vec<ToldRow>>, KernelError> {
        let rows = self.control.status(Who::Name(name), DmFlags::IMA_MEASUREMENT)?;
        Ok(rows.map(|(_, rows)| rows.into_iter().map(told).collect()))
    }

    /// The target types that are loaded.
    pub fn targets(&self) -> Result<Vec<(String, [u32; 3])>, KernelError> {
        Ok(self.control.versions()?.into_iter().map(|target| (target.name, target.version)).collect())
    }

    /// The driver's version.
    pub fn version(&self) -> Result<String, KernelError> {
        Ok(self.control.version()?.to_string())
    }

    /// The same devices, with the kernel's names of all that matter.
    pub fn with_blocks(&self, machine: &Machine, devices: Vec<DmSeen>) -> Overview {
        let mut blocks = std::collections::BTreeMap::new();
        for dev in devices.iter().flat_map(|seen| seen.deps.iter().chain([&seen.info.dev])) {
            if blocks.contains_key(dev) {
                continue;
            }
            if let Some(name) = machine.sysfs.name_of(*dev) {
                blocks.insert(*dev, name);
            }
        }
        Overview { devices, blocks }
    }
}

/// Events of all devices together.
pub struct Events {
    /// Where the driver tells them.
    control: Option<Control>,
}

/// After an event more may follow at once.
const MOMENT: Duration = Duration::from_millis(100);

impl Events {
    /// Where they cannot be told, time passes instead.
    #[must_use]
    pub fn open(machine: &Machine) -> Self {
        Self { control: Control::open(&machine.places).ok() }
    }

    /// An event from now on ends the next wait: to be called before a look.
    pub fn arm(&mut self) {
        self.control.take_if(|control| control.arm_poll().is_err());
    }

    /// Until an event, or for so long.
    pub fn wait(&self, slice: Duration) {
        match self.control.as_ref().map(|control| control.event(slice)) {
            Some(Ok(true)) => wait::pause(MOMENT),
            Some(Ok(false)) => {}
            Some(Err(_)) | None => wait::pause(slice),
        }
    }
}

/// A device, not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedDevice<'a> {
    /// By UUID.
    Uuid(&'a str),
    /// By number.
    Number(DevId),
    /// By a path to its node.
    Path(&'a str),
}

fn split(answer: Option<(Info, Vec<Reported>)>) -> (Option<Info>, Option<Vec<Reported>>) {
    match answer {
        Some((info, rows)) => (Some(info), Some(rows)),
        None => (None, None),
    }
}

fn told(row: Reported) -> ToldRow {
    ToldRow { start: Sectors(row.start), length: Sectors(row.length), kind: row.kind, text: row.text }
}

/// In sectors. A device that has never had a table is not in /sys.
fn read_ahead(machine: &Machine, dev: DevId) -> Result<Option<u32>, KernelError> {
    let text = machine.sysfs.read(format!("dev/block/{dev}/bdi/read_ahead_kb"))?;
    Ok(text.and_then(|text| text.trim().parse::<u32>().ok()).map(|kib| kib.saturating_mul(2)))
}

/// The driver's major number; `None` while it is not there.
///
/// # Errors
/// What reading `/proc/devices` was refused with.
pub fn major(machine: &Machine) -> Result<Option<u32>, KernelError> {
    machine.procfs.block_major("device-mapper")
}
