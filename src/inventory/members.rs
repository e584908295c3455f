//! Devices that may be members: what is on them, and whether somebody holds them.

use std::path::Path;

use superblock::{Media, v1::Minor, window::Width};

use super::devices::{Opened, describe, each, unusable};
use crate::{
    kernel::{self, KernelError, Machine, holders},
    model::{Device, Sight},
};

/// Reads all devices, in parallel, two reads for each; the answers are in the order of the paths.
///
/// Whether those with metadata are in use is found out afterwards, one by one: a partition and its disk, asked for
/// alone at the same time, would each find the other in the way. With `explain`, also by whom.
#[must_use]
pub fn members(machine: &Machine, paths: &[String], explain: bool) -> Vec<Sight> {
    let mut sights = each(machine, paths, false, Width::Narrow, |path, opened| one(machine, path, opened));
    for device in sights.iter_mut().filter_map(|sight| sight.found.as_mut().ok()) {
        if !device.probe.found.is_empty() {
            find_holders(machine, device, explain);
        }
    }
    sights
}

fn one(machine: &Machine, path: &str, opened: Result<Opened<'_>, KernelError>) -> Sight {
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return Sight { path: path.to_owned(), found: Err(unusable(error)), magic: [None; 3] },
    };
    let found = describe(machine, path, &opened);
    let window = &opened.window;
    let magic = Minor::ALL.map(|minor| {
        let mut bytes = [0; 4];
        window.read_at(minor.place(window.len())?.bytes(), &mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    });
    Sight { path: path.to_owned(), found, magic }
}

fn find_holders(machine: &Machine, device: &mut Device, explain: bool) {
    // What cannot be opened now will be refused when it is claimed, with the reason.
    device.busy = kernel::BlockDevice::is_claimed(Path::new(&device.path)).unwrap_or(false);
    if device.busy && explain {
        let found = holders::holders(&machine.sysfs, &machine.procfs, device.id).unwrap_or_default();
        device.holders = found.iter().map(ToString::to_string).collect();
    }
}
