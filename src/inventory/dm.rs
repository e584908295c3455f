//! What device-mapper has: devices, their tables, what their targets report.

use superblock::Sectors;

use crate::{
    kernel::{
        self, KernelError, Machine,
        dm::{Control, Flags, Info, Reported, Who},
    },
    model::{
        DevId,
        dm::{DeviceInfo, Listed, Row, Status, Table},
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

impl Driver {
    /// Opens it, loading the module where it is missing.
    pub fn open(machine: &Machine) -> Result<Self, KernelError> {
        Ok(Self { control: Control::open(&machine.places)? })
    }

    /// All devices whose UUIDs begin so; all of them for "". One request.
    pub fn list(&self, by_uuid: &str) -> Result<Vec<Listed>, KernelError> {
        let listed = |one: kernel::dm::Listed| Listed {
            dev: model_dev(one.dev),
            name: one.name,
            uuid: one.uuid,
            event: one.event,
        };
        Ok(self.control.list("", by_uuid)?.into_iter().map(listed).collect())
    }

    /// The state of a device; `None` where there is none of this name.
    pub fn info(&self, name: &str) -> Result<Option<DeviceInfo>, KernelError> {
        Ok(self.control.info(Who::Name(name), Flags::empty())?.map(device_info))
    }

    /// A device's live table.
    pub fn table(&self, name: &str) -> Result<Option<(DeviceInfo, Table)>, KernelError> {
        let answer = self.control.status(Who::Name(name), Flags::STATUS_TABLE)?;
        Ok(answer.map(|(info, rows)| (device_info(info), table(rows))))
    }

    /// What a device's targets report. Without `flush`, counters may lag behind and nothing is written.
    pub fn status(&self, name: &str, flush: bool) -> Result<Option<(DeviceInfo, Vec<Running>)>, KernelError> {
        let flags = if flush { Flags::empty() } else { Flags::NOFLUSH };
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
        let answer = self.control.deps(Who::Name(name), Flags::empty())?;
        Ok(answer.map(|(_, devs)| devs.into_iter().map(model_dev).collect()).unwrap_or_default())
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
        dev: info.dev.map(model_dev).unwrap_or_default(),
        uuid: Some(info.uuid.clone()).filter(|uuid| !uuid.is_empty()),
        open: info.open,
        segments: info.segments,
        event: info.event,
        suspended: has(Flags::SUSPEND),
        read_only: has(Flags::READONLY),
        live: has(Flags::ACTIVE_PRESENT),
        inactive: has(Flags::INACTIVE_PRESENT),
        deferred_remove: has(Flags::DEFERRED_REMOVE),
        internal_suspend: has(Flags::INTERNAL_SUSPEND),
        name: info.name,
    }
}

fn model_dev(dev: kernel::DevId) -> DevId {
    DevId { major: dev.major, minor: dev.minor }
}
