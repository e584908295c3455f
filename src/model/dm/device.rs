//! What the driver says about one device.

use crate::model::DevId;

/// One line of the driver's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub dev: DevId,
    /// Its name, as the driver has it (mangled).
    pub name: String,
    /// Its UUID; `None` where it has none or the driver did not say.
    pub uuid: Option<String>,
    /// Counts its events; `None` where the driver did not say.
    pub event: Option<u32>,
}

/// The state of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its number.
    pub dev: DevId,
    /// Its name, as the driver has it (mangled).
    pub name: String,
    /// Its UUID.
    pub uuid: Option<String>,
    /// How many have it open.
    pub open: u32,
    /// Rows of its live table.
    pub segments: u32,
    /// Counts its events.
    pub event: u32,
    /// I/O is held back.
    pub suspended: bool,
    /// Writes are refused.
    pub read_only: bool,
    /// It has a live table.
    pub live: bool,
    /// It has a table that waits to become live.
    pub inactive: bool,
    /// It goes when its last user closes it.
    pub deferred_remove: bool,
    /// The driver itself holds I/O back.
    pub internal_suspend: bool,
}
