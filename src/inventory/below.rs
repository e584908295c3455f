//! What groups stand on: sysfs tells.

use crate::words::SyncAction;
use std::path::Path;

use superblock::{Bytes, Sectors};

use super::volumes::device_id;
use crate::{
    kernel::{KernelError, Machine, node},
    model::{Below, BelowArray, DevId},
};

/// No full stripe is larger; some disks claim sizes that are none.
const LARGEST_STRIPE: u64 = 256 << 20;

/// A device by its path.
///
/// # Errors
/// It cannot be looked at, or is not a block device (`None`).
pub fn below(machine: &Machine, path: &str) -> Result<Option<Below>, KernelError> {
    let Some(dev) = node::number_of(Path::new(path))? else { return Ok(None) };
    Ok(Some(below_of(machine, dev, path)))
}

/// A device by its number.
#[must_use]
pub fn below_of(machine: &Machine, dev: DevId, path: &str) -> Below {
    let sysfs = &machine.sysfs;
    let name = sysfs.name_of(dev).unwrap_or_default();
    let whole = sysfs.whole_of(&name).unwrap_or_else(|| name.clone());
    let attr = |of: &str, below: &str| -> Option<u64> {
        sysfs.block_attr(of, below).ok().flatten()?.trim().parse().ok()
    };
    let logical = attr(&whole, "queue/logical_block_size").and_then(|size| u32::try_from(size).ok());
    let stripe = attr(&whole, "queue/optimal_io_size").filter(|size| {
        *size <= LARGEST_STRIPE && *size > u64::from(logical.unwrap_or(512)) && size % 4096 == 0
    });
    Below {
        path: path.to_owned(),
        dev,
        size: Sectors(attr(&name, "size").unwrap_or(0)).bytes(),
        logical_block: logical.unwrap_or(512),
        read_only: attr(&name, "ro") == Some(1),
        stripe: Bytes(stripe.unwrap_or(0)).sectors(),
        listed: device_id(machine, &name, path),
        array: array(machine, &name),
        kernel_name: name,
    }
}

fn array(machine: &Machine, name: &str) -> Option<BelowArray> {
    let array = machine.sysfs.array(name);
    if !array.exists() {
        return None;
    }
    let text = |below: &str| {
        machine.sysfs.read(format!("block/{name}/md/{below}")).ok().flatten().unwrap_or_default()
    };
    let action = array.sync_action().ok().flatten();
    Some(BelowArray {
        level: text("level").trim().to_owned(),
        state: array.state().ok().flatten().unwrap_or_default(),
        slots: text("raid_disks").split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0),
        degraded: array.degraded().ok().flatten().unwrap_or(0),
        action: action.filter(|action| *action != SyncAction::Idle),
        members: machine.sysfs.slaves(name).unwrap_or_default(),
    })
}
