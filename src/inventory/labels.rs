//! What tells which device was a physical volume whose label is gone: the devices that could be, and what is kept of those of then.

use std::{collections::BTreeSet, path::Path};

use superblock::{
    Bytes, Media,
    lvm::{Group, LvmUuid, PhysicalVolume, label},
};

use super::{archive, below, entry, like, look_to_write};
use crate::{
    archive::{Identity, KeptDevice, Pieces},
    config::lvm,
    kernel::{Access, BlockDevice, KernelError, Machine},
    model::{
        Candidate,
        volume::{Bare, Groups, SEARCHED, Traces},
    },
};

/// The traces of the physical volumes of a group that are missing, and of the group on those that are of none now.
///
/// # Errors
/// The archive cannot be read.
pub fn traces(machine: &Machine, groups: &Groups, group: &Group) -> Result<Traces, KernelError> {
    let missing: Vec<&PhysicalVolume> = group.pvs.iter().filter(|pv| !groups.has(pv.id)).collect();
    let lone = groups.lone.iter().filter(|device| group.pv(device.label.id).is_some());
    let lone = lone.map(|device| head(&device.path)).collect();
    if missing.is_empty() {
        return Ok(Traces { lone, ..Traces::default() });
    }
    let mut paths: Vec<String> = missing.iter().map(|pv| pv.device.clone()).collect();
    let labelled =
        || groups.groups.iter().flat_map(|found| found.devices.iter().flatten()).chain(&groups.lone);
    let is_of_size = |path: &str| {
        let size = below(machine, path).ok().flatten().map(|below| below.size.sectors());
        size.is_some_and(|size| missing.iter().any(|pv| pv.dev_size == size))
    };
    let others = groups.looked_at.iter().filter(|path| !labelled().any(|pv| pv.path == **path));
    paths.extend(others.filter(|path| is_of_size(path)).cloned());
    let kept = kept(machine, &missing)?;
    let names = names(groups, &missing);
    let devices = devices(machine, &paths, &kept);
    Ok(Traces { devices, kept, lone, names })
}

/// Each device once, by the first of its paths.
fn devices(machine: &Machine, paths: &[String], kept: &[(LvmUuid, Identity)]) -> Vec<Bare> {
    let known: Vec<Identity> = kept.iter().map(|(_, then)| then.clone()).collect();
    let mut identities = like(machine, paths, &known);
    let mut seen = BTreeSet::new();
    let new =
        |candidate: &Candidate| candidate.found.as_ref().ok().is_none_or(|device| seen.insert(device.id));
    let one = |candidate: Candidate| {
        let at = identities.iter().position(|sighted| sighted.identity.path == candidate.path);
        let below = below(machine, &candidate.path).ok().flatten();
        Bare {
            identity: at.map(|at| identities.swap_remove(at).identity),
            listed: below.and_then(|below| below.listed),
            head: head(&candidate.path),
            candidate,
        }
    };
    look_to_write(machine, paths).into_iter().filter(new).map(one).collect()
}

fn head(path: &str) -> Vec<u8> {
    let read = || {
        let device = BlockDevice::open(Path::new(path), Access::Read).ok()?;
        let length = device.len().min(SEARCHED).round_down(Bytes(4096));
        let mut head = vec![0; usize::try_from(length.0).ok()?];
        device.read_at(Bytes(0), &mut head).ok().map(|()| head)
    };
    read().unwrap_or_default()
}

/// The devices on which the archive has these labels: where a command wrote them, or found them.
fn kept(machine: &Machine, missing: &[&PhysicalVolume]) -> Result<Vec<(LvmUuid, Identity)>, KernelError> {
    let is_of_size = |then: &Identity| {
        missing.iter().any(|pv| pv.dev_size.bytes() == Bytes(then.size).round_down(Bytes(512)))
    };
    let mut all = Vec::new();
    for shelved in archive(machine)?.entries.iter().filter(|shelved| shelved.devices.iter().any(is_of_size)) {
        let Ok((entry, _)) = entry(&shelved.path) else { continue };
        for kept in &entry.devices {
            let ids = labels(kept);
            let known = missing.iter().filter(|pv| ids.contains(&pv.id));
            all.extend(known.map(|pv| (pv.id, kept.device.clone())));
        }
    }
    Ok(all)
}

/// The labels that the device had before and after.
fn labels(kept: &KeptDevice) -> Vec<LvmUuid> {
    let size = Bytes(kept.device.size);
    let label = |pieces| label::read(&Pieces { size, pieces }).ok().flatten();
    [label(&kept.before), label(&kept.after())].into_iter().flatten().map(|label| label.id).collect()
}

/// The names of the devices that the devices file and the group itself have.
fn names(groups: &Groups, missing: &[&PhysicalVolume]) -> Vec<(LvmUuid, (String, String))> {
    let file = groups.devices_file.as_ref().map(|file| lvm::devices(&file.text)).unwrap_or_default();
    let mut all = Vec::new();
    for pv in missing {
        let listed =
            file.iter().filter(|entry| entry.pv.as_deref() == Some(pv.id.plain()) && entry.part.is_none());
        all.extend(listed.map(|entry| (pv.id, (entry.kind.clone(), entry.name.clone()))));
        all.extend(pv.device_id.iter().map(|known| (pv.id, (known.kind.clone(), known.id.clone()))));
    }
    all
}
