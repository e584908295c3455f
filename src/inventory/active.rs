//! A group's devices as the driver has them, and who uses them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    kernel::{Holder, KernelError, Machine, holders},
    model::{
        active::{Active, ActiveDevice},
        dm::{DeviceInfo, Listed, Row, SnapshotStatus, Status, Target, name, uuid},
        volume::{Groups, VolumesSeen},
    },
};

use super::dm::Driver;

/// The devices of one group, of those that were listed before: state and table of each, and who has it open. Devices
/// of the group that stand on each other are not counted as users. No request to the driver where there is none.
///
/// # Errors
/// What the driver refused.
pub fn active(machine: &Machine, listed: &[Listed], group: &str) -> Result<Active, KernelError> {
    let prefix = uuid::group_prefix(group);
    let own: Vec<&Listed> = listed
        .iter()
        .filter(|one| one.uuid.as_deref().is_some_and(|uuid| uuid.starts_with(&prefix)))
        .collect();
    if own.is_empty() {
        return Ok(Active::default());
    }
    let driver = Driver::open(machine)?;
    let mut devices = Vec::with_capacity(own.len());
    for one in &own {
        let Some((info, table)) = driver.table(&one.name)? else { continue };
        let info = DeviceInfo { uuid: one.uuid.clone(), name: one.name.clone(), dev: one.dev, ..info };
        let holders = if info.open > 0 { users(machine, &info, &own) } else { Vec::new() };
        let reports = |row: &Row| {
            matches!(row.target, Target::Mirror { .. } | Target::Snapshot(_) | Target::SnapshotMerge(_))
        };
        let mut status = Vec::new();
        if table.rows.iter().any(reports) {
            let rows = driver.status(&one.name, false)?.map(|(_, rows)| rows).unwrap_or_default();
            status.extend(rows.into_iter().map(|row| row.status));
        }
        devices.push(ActiveDevice { info, table, status, holders });
    }
    Ok(Active { devices })
}

/// All groups and their devices, also the devices of groups that are not to be found. `command`: who would write.
///
/// # Errors
/// What could not be asked.
pub fn all_volumes(machine: &Machine, command: &str) -> Result<VolumesSeen, KernelError> {
    let groups = super::volumes::groups(machine)?;
    let listed = groups.active.iter().filter_map(|one| uuid::parse(one.uuid.as_deref()?));
    let ids: BTreeSet<String> = listed.map(|parsed| parsed.group.to_owned()).collect();
    let of = |id: String| active(machine, &groups.active, &id).map(|active| (id, active));
    let active = ids.into_iter().map(of).collect::<Result<_, _>>()?;
    Ok(VolumesSeen { groups, active, stamp: super::volumes::stamp(command) })
}

/// Who has a device open, in words. Those who only look at it for a moment (udev) are waited for later.
fn users(machine: &Machine, info: &DeviceInfo, own: &[&Listed]) -> Vec<String> {
    let dev = info.dev;
    let found = holders::holders(&machine.sysfs, &machine.procfs, dev).unwrap_or_default();
    let is_user = |holder: &&Holder| match holder {
        Holder::Dm { name, .. } => !own.iter().any(|one| one.name == *name),
        Holder::Process { name, .. } => !name.contains("udev"),
        Holder::Md(_)
        | Holder::Stacked(_)
        | Holder::Partition { .. }
        | Holder::Mount(_)
        | Holder::Swap
        | Holder::Loop { .. }
        | Holder::Writer { .. }
        | Holder::Unseen => true,
    };
    found.iter().filter(is_user).map(ToString::to_string).collect()
}

/// The state of every active snapshot, by its device's name.
///
/// # Errors
/// What the driver refused.
pub fn snapshots(
    machine: &Machine,
    groups: &Groups,
) -> Result<BTreeMap<String, SnapshotStatus>, KernelError> {
    let mut states = BTreeMap::new();
    let mut driver = None;
    for found in &groups.groups {
        for snapshot in found.group.snapshots() {
            let Some(cow) = found.group.volume(snapshot.cow) else { continue };
            // What is put back is reported by the volume that it is put into.
            let origin = found.group.volume(snapshot.origin).filter(|_| snapshot.merging);
            let own = uuid::lvm(found.group.id.plain(), origin.unwrap_or(cow).id.plain(), None);
            let Some(device) = groups.active.iter().find(|one| one.uuid.as_deref() == Some(&own)) else {
                continue;
            };
            if driver.is_none() {
                driver = Some(Driver::open(machine)?);
            }
            let Some(driver) = &driver else { continue };
            let rows = driver.status(&device.name, false)?.map(|(_, rows)| rows).unwrap_or_default();
            let state = rows.iter().find_map(|row| match row.status {
                Status::Snapshot(state) => Some(state),
                _ => None,
            });
            let name = name::join(&found.group.name, snapshot.cow, None);
            states.extend(state.map(|state| (name, state)));
        }
    }
    Ok(states)
}
