//! Devices as reports want them: each with what it stands on.

use std::collections::BTreeMap;

use superblock::Sectors;

use super::DeviceInfo;
use crate::model::DevId;

/// One row as the driver tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldRow {
    /// Its first sector.
    pub start: Sectors,
    /// Its sectors.
    pub length: Sectors,
    /// The target's name.
    pub kind: String,
    /// Parameters or status, as it is.
    pub text: String,
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DmSeen {
    /// Its state.
    pub info: DeviceInfo,
    /// What its table leads to.
    pub deps: Vec<DevId>,
    /// Sectors that are read ahead; `None` for a device that has never had a table.
    pub read_ahead: Option<u32>,
    /// Its rows, where they were asked for.
    pub rows: Option<Vec<ToldRow>>,
}

/// Everything that a report may need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// In the driver's order.
    pub devices: Vec<DmSeen>,
    /// The kernel's names of all block devices that matter (`dm-0`, `sda1`).
    pub blocks: BTreeMap<DevId, String>,
}

impl Overview {
    /// The device of a number.
    #[must_use]
    pub fn by_number(&self, dev: DevId) -> Option<&DmSeen> {
        self.devices.iter().find(|seen| seen.info.dev == dev)
    }

    /// Those whose tables lead to this one.
    pub fn users(&self, dev: DevId) -> impl Iterator<Item = &DmSeen> {
        self.devices.iter().filter(move |seen| seen.deps.contains(&dev))
    }
}
