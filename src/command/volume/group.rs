//! `group create | extend | reduce | remove | rename`.

use std::path::Path;

use anyhow::Result;
use superblock::lvm::LvmUuid;

use super::{Work, one};
use crate::{
    inventory,
    kernel::{host, node},
    model::{Below, Candidate, DevId},
    plan::{
        Refusal,
        volume::{
            group::{self, New},
            reduce, turns,
        },
    },
    request::volume::GroupRequest,
};

/// One request about groups.
pub(super) fn run(work: &Work<'_>, request: &GroupRequest) -> Result<u8> {
    match request {
        GroupRequest::Create(request) => {
            let id = identity()?;
            with_devices(work, &request.devices, |groups, new| {
                Ok(group::create(request, new, (groups, id), &work.stamp()).map(Some))
            })
        }
        GroupRequest::Extend { group, devices, room } => with_devices(work, devices, |groups, new| {
            let found = one(groups, group)?;
            Ok(group::extend(found, new, (groups, *room), &work.stamp()).map(Some))
        }),
        GroupRequest::Reduce { group, devices } => work.change(|groups| {
            let found = one(groups, group)?;
            let numbers: Vec<DevId> = devices.iter().map(|path| number(path)).collect::<Result<_>>()?;
            Ok(reduce::plan(found, &numbers, devices, &work.stamp()).map(Some))
        }),
        GroupRequest::Forget { group, force } => {
            work.in_turn(&mut turns::forget(group, *force, work.called()))
        }
        GroupRequest::Remove(names) => work.in_turn(&mut turns::remove_groups(names.clone(), work.called())),
        GroupRequest::Rename { from, to } => work.in_turn(&mut turns::rename_group(from, to, work.called())),
    }
}

fn identity() -> Result<LvmUuid> {
    Ok(LvmUuid::from_random(host::random_bytes()?))
}

fn number(path: &str) -> Result<DevId> {
    let dev = node::number_of(Path::new(path))?;
    let dev = dev.ok_or_else(|| Refusal::new(format!("{path} is not a block device")))?;
    Ok(dev)
}

/// Looks at devices that shall become physical volumes.
fn with_devices(
    work: &Work<'_>,
    paths: &[String],
    mut decide: impl FnMut(&crate::model::volume::Groups, &[New<'_>]) -> Result<super::Decided>,
) -> Result<u8> {
    let ids: Vec<LvmUuid> = paths.iter().map(|_| identity()).collect::<Result<_>>()?;
    work.change(|groups| {
        let candidates: Vec<Candidate> = inventory::look_to_write(work.machine, paths);
        let below: Vec<Below> = paths
            .iter()
            .map(|path| inventory::below(work.machine, path).ok().flatten().unwrap_or_default())
            .collect();
        let new: Vec<New<'_>> = candidates
            .iter()
            .zip(&below)
            .zip(&ids)
            .map(|((candidate, below), id)| New { candidate, below, id: *id, listed: below.listed.clone() })
            .collect();
        decide(groups, &new)
    })
}
