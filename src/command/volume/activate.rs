//! `activate` and `deactivate`: group after group; what can be done is done, and what cannot is named.

use anyhow::Result;

use super::{Work, by_group, one};
use crate::{
    command::DONE,
    inventory,
    model::{active::Active, dm, volume::Groups},
    plan::volume::{
        activate::Activate,
        devices,
        request::{ActivateRequest, Named},
    },
};

/// The groups that are meant, each with the volumes that were named of it; none for all of them.
fn meant(work: &Work<'_>, names: &[Named]) -> Result<Vec<(String, Vec<String>)>> {
    if names.is_empty() {
        let groups = inventory::volumes::groups(work.machine)?;
        return Ok(groups.groups.into_iter().map(|found| (found.group.name, Vec::new())).collect());
    }
    let of = |group: &str| {
        let mut named = names.iter().filter(|name| name.group == group);
        let whole = named.clone().any(|name| name.volume.is_none());
        let volumes =
            if whole { Vec::new() } else { named.by_ref().filter_map(|name| name.volume.clone()).collect() };
        (group.to_owned(), volumes)
    };
    Ok(by_group(names.iter().map(|name| name.group.as_str())).into_iter().map(of).collect())
}

/// Makes devices.
pub(super) fn activate(work: &Work<'_>, request: &ActivateRequest) -> Result<u8> {
    work.drive(&mut Activate::new(request.clone(), work.called()))
}

/// Takes devices away.
pub(super) fn deactivate(work: &Work<'_>, names: &[Named]) -> Result<u8> {
    let mut status = DONE;
    for (group, volumes) in meant(work, names)? {
        status |= work.change(|groups| {
            let left = left(work, groups, &group)?;
            if !left.devices.is_empty() {
                return Ok(devices::deactivate_left(&group, &left, &volumes).map(Some));
            }
            let found = one(groups, &group)?;
            let active = work.active(groups, found)?;
            Ok(devices::deactivate(found, &active, &volumes).map(Some))
        })?;
    }
    Ok(status)
}

/// Devices of a group whose metadata is gone with its disks, known by their names alone.
fn left(work: &Work<'_>, groups: &Groups, name: &str) -> Result<Active> {
    let mut left = Active::default();
    if groups.groups.iter().any(|found| found.group.name == name) {
        return Ok(left);
    }
    let named = groups.active.iter().filter(|one| dm::name::split(&one.name).0 == name);
    let mut ids: Vec<&str> =
        named.filter_map(|one| Some(dm::uuid::parse(one.uuid.as_deref()?)?.group)).collect();
    // One that has another name now is somebody's.
    ids.retain(|id| !groups.groups.iter().any(|found| found.group.id.plain() == *id));
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        left.devices.extend(inventory::active(work.machine, &groups.active, id)?.devices);
    }
    Ok(left)
}
