//! Devices that may be members: what is on them, and whether somebody holds them.

use std::path::Path;

use superblock::{Bytes, Media, foreign, v1::Minor, window::Width};

use super::devices::{Opened, describe, each, unusable};
use crate::{
    kernel::{self, KernelError, Machine, holders},
    model::{Device, Sight, view::UsedBy},
};

/// Reads all devices, in parallel, two reads for each; the answers are in the order of the paths.
///
/// Whether those with metadata are in use, where that is asked, is found out afterwards, one by one: a partition and
/// its disk, asked for alone at the same time, would each find the other in the way.
#[must_use]
pub fn members(machine: &Machine, paths: &[String], used_by: UsedBy) -> Vec<Sight> {
    // One alone may be bare: what else may be on it is in the same two reads, which only get longer.
    let alone = paths.len() == 1;
    let width = if alone { Width::Wide } else { Width::Narrow };
    let mut sights = each(machine, paths, false, width, |path, opened| one(machine, path, opened, alone));
    if used_by != UsedBy::Unasked {
        let found = sights.iter_mut().filter_map(|sight| sight.found.as_mut().ok());
        for device in found.filter(|device| !device.probe.found.is_empty()) {
            find_holders(machine, device, used_by == UsedBy::ByWhom);
        }
    }
    sights
}

fn one(machine: &Machine, path: &str, opened: Result<Opened<'_>, KernelError>, alone: bool) -> Sight {
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let found = Err(unusable(error));
            return Sight { path: path.to_owned(), found, magic: [None; 3], bare: false };
        }
    };
    let found = describe(machine, path, &opened);
    let window = &opened.window;
    let magic = Minor::ALL.map(|minor| {
        let mut bytes = [0; 4];
        window.read_at(minor.place(window.len())?.bytes(), &mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    });
    // Its ends say nothing of file systems that begin with zeros.
    let bare = alone && is_bare(window) && foreign::scan(window).is_ok_and(|found| found.is_empty());
    Sight { path: path.to_owned(), found, magic, bare }
}

/// Whether nobody wrote anything at either end; both are in memory.
fn is_bare(window: &dyn Media) -> bool {
    const END: usize = 4096;
    let constant = |at: Option<Bytes>| {
        let mut bytes = [0; END];
        let read = at.is_some_and(|at| window.read_at(at, &mut bytes).is_ok());
        read && matches!(bytes[0], 0 | 0x5a | 0xff) && bytes.iter().all(|byte| *byte == bytes[0])
    };
    let last = window.len().0.checked_sub(4096).map(Bytes);
    constant(Some(Bytes(0))) && constant(last)
}

fn find_holders(machine: &Machine, device: &mut Device, explain: bool) {
    // What cannot be opened now will be refused when it is claimed, with the reason.
    device.busy = kernel::BlockDevice::is_claimed(Path::new(&device.path)).unwrap_or(false);
    if device.busy && explain {
        let found = holders::holders(&machine.sysfs, &machine.procfs, device.id).unwrap_or_default();
        device.holders = found.iter().map(ToString::to_string).collect();
    }
}
