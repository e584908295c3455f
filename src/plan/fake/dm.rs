//! device-mapper as a value, for tests: it refuses what the driver refuses, and what nobody should ask of it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    model::dm::{Dev, Row, Table, Target, name},
    plan::{
        critical::Critical,
        dm::{Condition, DmStep},
    },
};

/// One device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FakeDevice {
    pub(crate) uuid: Option<String>,
    pub(crate) live: Option<Table>,
    pub(crate) waiting: Option<Table>,
    pub(crate) suspended: bool,
    /// Somebody has it open.
    pub(crate) open: bool,
}

/// All devices, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FakeDm {
    pub(crate) devices: BTreeMap<String, FakeDevice>,
}

impl FakeDm {
    pub(crate) fn device(&mut self, name: &str) -> Result<&mut FakeDevice> {
        self.devices.get_mut(name).with_context(|| format!("{name}: ENXIO"))
    }

    fn load(&mut self, name: &str, table: &Table) -> Result<()> {
        table.check()?;
        let suspended = self.devices.iter().find(|(_, device)| device.suspended);
        if let Some((other, _)) = suspended {
            bail!("a table is loaded into {name} while {other} is suspended");
        }
        for dev in table.devices() {
            if let Dev::Dm(other) = dev {
                ensure!(other != name && self.devices.contains_key(other), "{name}: {other}: EINVAL");
            }
        }
        self.device(name)?.waiting = Some(table.clone());
        Ok(())
    }

    fn resume(&mut self, name: &str) -> Result<()> {
        let device = self.device(name)?;
        if let Some(table) = device.waiting.take() {
            device.live = Some(table);
        }
        device.suspended = false;
        Ok(())
    }

    /// Whether a table of another device leads to this one.
    fn is_used(&self, name: &str) -> bool {
        let leads = |table: &Option<Table>| {
            let mut devices = table.iter().flat_map(Table::devices);
            devices.any(|dev| matches!(dev, Dev::Dm(other) if other == name))
        };
        self.devices.values().any(|device| leads(&device.live) || leads(&device.waiting))
    }

    fn remove(&mut self, name: &str, deferred: bool) -> Result<()> {
        let open = self.device(name)?.open;
        ensure!(deferred || !(open || self.is_used(name)), "{name}: EBUSY");
        self.devices.remove(name);
        Ok(())
    }

    /// All of it or nothing.
    pub(crate) fn critical(&mut self, critical: &Critical) -> Result<()> {
        critical.check().map_err(anyhow::Error::msg)?;
        let before = self.clone();
        let mut all = || -> Result<()> {
            for one in &critical.suspend {
                self.device(&one.name)?.suspended = true;
            }
            critical.resume.iter().try_for_each(|one| self.resume(&one.name))
        };
        all().inspect_err(|_| *self = before)
    }

    pub(crate) fn apply(&mut self, step: &DmStep) -> Result<()> {
        match step {
            DmStep::Create { name, uuid, .. } => {
                name::check(name)?;
                let taken = |device: &FakeDevice| uuid.is_some() && device.uuid == *uuid;
                let exists = self.devices.contains_key(name) || self.devices.values().any(taken);
                ensure!(!exists, "{name}: EBUSY");
                let device = FakeDevice { uuid: uuid.clone(), ..FakeDevice::default() };
                self.devices.insert(name.clone(), device);
            }
            DmStep::Load { name, table, .. } => self.load(name, table)?,
            DmStep::Resume { name, .. } => self.resume(name)?,
            DmStep::Replace { name, table, .. } => {
                self.load(name, table)?;
                self.resume(name)?;
            }
            DmStep::Suspend { name, .. } => self.device(name)?.suspended = true,
            DmStep::GoOn { name, .. } => {
                self.device(name)?.waiting = None;
                self.resume(name)?;
            }
            DmStep::Remove { name, deferred, .. } => self.remove(name, *deferred)?,
            DmStep::Withdraw(gone) => self.remove(&gone.name, false)?,
            DmStep::Bring(gone) => {
                ensure!(!self.devices.contains_key(&gone.name), "{}: EBUSY", gone.name);
                let device = FakeDevice { uuid: gone.uuid.clone(), ..FakeDevice::default() };
                self.devices.insert(gone.name.clone(), device);
                self.load(&gone.name, &gone.table)?;
                self.resume(&gone.name)?;
            }
            DmStep::Rename { name, to, .. } => {
                name::check(to)?;
                ensure!(!self.devices.contains_key(to), "{to}: EBUSY");
                let device = self.devices.remove(name).with_context(|| format!("{name}: ENXIO"))?;
                self.devices.insert(to.clone(), device);
            }
            DmStep::SetUuid { name, uuid } => {
                let device = self.device(name)?;
                ensure!(device.uuid.is_none(), "{name}: EINVAL");
                device.uuid = Some(uuid.clone());
            }
            DmStep::Clear { name } => self.device(name)?.waiting = None,
            DmStep::Udev(_) | DmStep::Cookie(_) => {}
            DmStep::Message { name, .. }
            | DmStep::ReadAhead { name, .. }
            | DmStep::SetGeometry { name, .. } => drop(self.device(name)?),
            DmStep::Expect { name, state: Condition::InSync | Condition::Well } => {
                let live = self.device(name)?.live.as_ref();
                let mirrors = |row: &Row| matches!(row.target, Target::Mirror { .. });
                ensure!(
                    live.is_some_and(|table| table.rows.iter().any(mirrors)),
                    "{name}: nothing is mirrored"
                );
            }
            DmStep::WaitForUdev => {
                // What never had a table keeps nobody waiting.
                let holds = |device: &FakeDevice| device.suspended && device.live.is_some();
                let suspended = self.devices.values().find(|device| holds(device));
                ensure!(suspended.is_none(), "waits for udev while a device is suspended");
            }
        }
        Ok(())
    }
}
