//! `activate` and `deactivate`: group after group; what can be done is done, and what cannot is named.

use anyhow::Result;

use super::{Work, by_group, one};
use crate::{
    command::{DONE, FAILED},
    inventory,
    plan::volume::{
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
    let mut status = DONE;
    for (group, volumes) in meant(work, &request.names)? {
        let mut left_out = Vec::new();
        status |= work.change(|groups| {
            let found = one(groups, &group)?;
            let active = work.active(groups, found)?;
            Ok(devices::activate(found, &active, &volumes, request.partial).map(|done| {
                left_out = done.left_out;
                Some(done.plan)
            }))
        })?;
        for why in &left_out {
            work.ui.error(why);
            status = FAILED;
        }
    }
    Ok(status)
}

/// Takes devices away.
pub(super) fn deactivate(work: &Work<'_>, names: &[Named]) -> Result<u8> {
    let mut status = DONE;
    for (group, volumes) in meant(work, names)? {
        status |= work.change(|groups| {
            let found = one(groups, &group)?;
            let active = work.active(groups, found)?;
            Ok(devices::deactivate(found, &active, &volumes).map(Some))
        })?;
    }
    Ok(status)
}
