//! What the stores of snapshots have, as far as it is on their devices.

use std::{collections::BTreeMap, path::Path};

use superblock::{
    Sectors,
    cow::{self, Start},
    lvm::LogicalVolume,
};

use super::Extents;
use crate::{
    kernel::{KernelError, Machine, host, node, program},
    model::{
        active::Active,
        dm::name,
        volume::{FoundGroup, GroupLook, GroupSeen, StoreSeen, VolumeInside},
    },
};

/// The stores of all snapshots of a volume, by the snapshots' names; why one cannot be read.
#[must_use]
pub fn stores(found: &FoundGroup, origin: &str) -> BTreeMap<String, Result<StoreSeen, String>> {
    let names = found.group.snapshots_of(origin).map(|snapshot| snapshot.cow.to_owned());
    names.filter_map(|name| Some((name.clone(), store(found, &name)?))).collect()
}

/// The store of a snapshot; `None` for what is not one.
#[must_use]
pub fn store(found: &FoundGroup, name: &str) -> Option<Result<StoreSeen, String>> {
    let group = &found.group;
    let snapshot = group.snapshot_in(name)?;
    let volume = group.volume(snapshot.cow)?;
    let origin = group.sectors(snapshot.row.extents());
    let read = || {
        let media = Extents::open(found, volume).map_err(|error| error.to_string())?;
        let total = group.sectors(volume.extents());
        match cow::start(&media).map_err(|error| error.to_string())? {
            // The kernel makes header and first list when it is activated.
            Start::Fresh => Ok(StoreSeen {
                is_valid: true,
                chunk: snapshot.chunk,
                free: total.saturating_sub(Sectors(snapshot.chunk.0.saturating_mul(2))),
                changed: Vec::new(),
            }),
            Start::Foreign => Err("what it begins with is not a snapshot's store".to_owned()),
            Start::Store(store) => {
                let scan = cow::scan(&media, &store, Some(origin)).map_err(|error| error.to_string())?;
                Ok(StoreSeen {
                    is_valid: store.is_valid(),
                    chunk: store.chunk(),
                    free: scan.usage.total.saturating_sub(scan.usage.allocated),
                    changed: scan.changed(),
                })
            }
        }
    };
    Some(read())
}

fn inside(found: &FoundGroup, volume: &LogicalVolume, active: &Active) -> VolumeInside {
    let device = name::join(&found.group.name, &volume.name, None);
    let is_active = active.devices.iter().any(|one| one.info.name == device);
    VolumeInside {
        content: super::content(found, volume).map_err(|error| error.to_string()),
        store: if is_active { None } else { store(found, &volume.name) },
    }
}

/// All groups, and the devices of one of them.
///
/// # Errors
/// What of the machine could not be read at all.
pub fn group(machine: &Machine, look: &GroupLook) -> Result<GroupSeen, KernelError> {
    let groups = super::volumes::groups(machine)?;
    let mut seen = GroupSeen { name: look.name.clone(), groups, ..GroupSeen::default() };
    if let Some(found) = seen.groups.group(&look.name) {
        seen.active = super::active(machine, &seen.groups.active, found.group.id.plain())?;
        // One store alone has no siblings.
        let of = look.stores_of.iter().filter_map(|name| found.group.snapshot_in(name));
        let origins = of.map(|snapshot| snapshot.origin);
        let origins = origins.filter(|origin| found.group.snapshots_of(origin).nth(1).is_some());
        seen.stores = origins.flat_map(|origin| stores(found, origin)).collect();
        if look.below {
            let below = found.present().map(|(_, pv)| super::below_of(machine, pv.dev, &pv.path));
            seen.below = below.collect();
        }
        let volume = look.inside.as_deref().and_then(|name| found.group.volume(name));
        seen.inside = volume.map(|volume| inside(found, volume, &seen.active));
    }
    for path in &look.paths {
        if let Ok(Some(dev)) = node::number_of(Path::new(path)) {
            seen.numbers.push((path.clone(), dev));
        }
    }
    let absent = look.tools.iter().filter(|tool| !program::is_there(tool));
    seen.absent = absent.cloned().collect();
    let below = |path: &String| super::below(machine, path).ok().flatten().unwrap_or_default();
    let joining = super::look_to_write(machine, &look.joining).into_iter();
    seen.joining = joining.zip(look.joining.iter().map(below)).collect();
    seen.random = (0..look.fresh).map(|_| host::random_bytes()).collect::<Result<_, _>>()?;
    seen.stamp = super::volumes::stamp(&look.command);
    let (seconds, micros) = host::now();
    seen.clock = std::time::Duration::new(seconds, micros.saturating_mul(1000));
    Ok(seen)
}
