//! A group's devices as the driver has them.

use super::dm::{Dev, DeviceInfo, Status, Table};

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveDevice {
    /// Its state.
    pub info: DeviceInfo,
    /// Its live table.
    pub table: Table,
    /// What its targets report, row by row; only of those that copy or keep what changes.
    pub status: Vec<Status>,
    /// Who has it open, in words; devices that stand on it are not among them.
    pub holders: Vec<String>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// In no order.
    pub devices: Vec<ActiveDevice>,
}

impl Active {
    /// The device with this UUID.
    #[must_use]
    pub fn with(&self, uuid: &str) -> Option<&ActiveDevice> {
        self.devices.iter().find(|device| device.info.uuid.as_deref() == Some(uuid))
    }

    /// A table with names in the place of numbers wherever a number is one of these devices: as plans write tables.
    #[must_use]
    pub fn named(&self, table: &Table) -> Table {
        let name = |dev: &Dev| -> Result<Dev, std::convert::Infallible> {
            let Dev::Number(number) = dev else { return Ok(dev.clone()) };
            let known = self.devices.iter().find(|device| device.info.dev == *number);
            Ok(known.map_or_else(|| dev.clone(), |device| Dev::Dm(device.info.name.clone())))
        };
        let mut named = table.clone();
        for row in &mut named.rows {
            let Ok(target) = row.target.with_devices(&mut |dev| name(dev));
            row.target = target;
        }
        named
    }

    /// Whether the table of any of them leads to this device.
    #[must_use]
    pub fn lead_to(&self, name: &str) -> bool {
        let Some(on) = self.devices.iter().find(|device| device.info.name == name) else { return false };
        self.devices.iter().any(|device| device.table.devices().any(|dev| *dev == Dev::Number(on.info.dev)))
    }
}
