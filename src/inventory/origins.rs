//! Snapshots of device-mapper that stand beside their origins: both show the superblock that is on the origin, and only there
//! it is a member's.

use std::path::Path;

use super::dm::Driver;
use crate::kernel::{KernelError, Machine, node};

/// The origin of a snapshot, by its path, where it is there as a device of its own; `None` for everything else.
///
/// # Errors
/// What could not be read.
pub(super) fn origin_beside(machine: &Machine, name: &str) -> Result<Option<String>, KernelError> {
    // A snapshot stands on its origin and on its store.
    if !name.starts_with("dm-") || machine.sysfs.slaves(name)?.len() < 2 {
        return Ok(None);
    }
    let driver = Driver::open(machine)?;
    let table = |name: &str| -> Result<_, KernelError> {
        let Some(mapped) = machine.sysfs.dm_name(name)? else { return Ok(None) };
        Ok(driver.table(&mapped)?.map(|(_, table)| (mapped, table)))
    };
    let Some(origin) = table(name)?.and_then(|(_, table)| table.is_snapshot_of()) else { return Ok(None) };
    let holders = machine.sysfs.name_of(origin).map(|name| machine.sysfs.holders(&name)).transpose()?;
    for holder in holders.unwrap_or_default().iter().filter(|holder| holder.starts_with("dm-")) {
        if let Some((mapped, _)) = table(holder)?.filter(|(_, table)| table.is_origin(origin)) {
            return Ok(Some(machine.places.dev.join("mapper").join(mapped).display().to_string()));
        }
    }
    Ok(None)
}

/// The same for a path; what cannot be told counts as not a snapshot.
#[must_use]
pub fn origin_of_path(machine: &Machine, path: &Path) -> Option<String> {
    let number = node::number_of(path).ok().flatten()?;
    origin_beside(machine, &machine.sysfs.name_of(number)?).ok().flatten()
}
