//! Opening and reading devices, all at once.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use superblock::{Media, foreign, probe, window::Window};

use super::arrays::model_id;
use crate::{
    kernel::{self, Access, Cause, KernelError, Machine, holders},
    model::{Candidate, Device, Unusable},
};

/// Devices that are read at the same time; each waits for its own disk, not for a processor.
const AT_ONCE: usize = 64;

/// Looks at every path, in parallel; the answers are in the order of the paths. With `exclusive` it also finds out
/// whether somebody else holds the device, and what besides md metadata is on it.
#[must_use]
pub fn look(machine: &Machine, paths: &[String], exclusive: bool) -> Vec<Candidate> {
    all_at_once(paths, |path| Candidate { path: path.clone(), found: one(machine, path, exclusive) })
}

/// Does the same for every path, many at a time; the answers are in the order of the paths.
pub(super) fn all_at_once<T: Send>(paths: &[String], look: impl Fn(&String) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((index, path)) = take(&next, paths) {
            done.push((index, look(path)));
        }
        done
    };
    let mut found: Vec<(usize, T)> = thread::scope(|scope| {
        let helpers: Vec<_> = (1..paths.len().min(AT_ONCE)).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        found.extend(helpers.into_iter().filter_map(|helper| helper.join().ok()).flatten());
        found
    });
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, answer)| answer).collect()
}

fn take<'a>(next: &AtomicUsize, paths: &'a [String]) -> Option<(usize, &'a String)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    paths.get(index).map(|path| (index, path))
}

fn one(machine: &Machine, path: &str, exclusive: bool) -> Result<Device, Unusable> {
    let (opened, busy) = open(path, exclusive).map_err(unusable)?;
    let window = Window::new(&opened);
    let mut device = describe(machine, path, &opened, &window)?;
    if exclusive {
        device.foreign = foreign::scan(&window).unwrap_or_default();
    }
    if let Some(dev) = opened.dev().filter(|_| busy) {
        let found = holders::holders(&machine.sysfs, &machine.procfs, dev).unwrap_or_default();
        device.busy = true;
        device.holders = found.iter().map(ToString::to_string).collect();
    }
    Ok(device)
}

/// What an open device is, and the md metadata on it.
pub(super) fn describe(
    machine: &Machine,
    path: &str,
    opened: &kernel::Device,
    window: &Window<'_>,
) -> Result<Device, Unusable> {
    let dev = opened.dev().ok_or(Unusable::NotBlock)?;
    let kernel_name = machine.sysfs.name_of(dev).unwrap_or_default();
    Ok(Device {
        path: path.to_owned(),
        id: model_id(dev),
        size: opened.len(),
        logical_block: opened.logical_block_size(),
        read_only: opened.is_read_only(),
        whole: machine.sysfs.whole_of(&kernel_name),
        kernel_name,
        busy: false,
        holders: Vec::new(),
        probe: probe::probe(window),
        foreign: Vec::new(),
    })
}

/// Opens for reading; whether it is held is found out by asking for it alone first.
fn open(path: &str, exclusive: bool) -> Result<(kernel::Device, bool), KernelError> {
    let path = Path::new(path);
    if !exclusive {
        return kernel::Device::open(path, Access::Read).map(|device| (device, false));
    }
    match kernel::Device::open(path, Access::ReadExclusive) {
        Ok(device) => Ok((device, false)),
        Err(error) if error.is(nix::errno::Errno::EBUSY) => {
            kernel::Device::open(path, Access::Read).map(|device| (device, true))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn unusable(error: KernelError) -> Unusable {
    match (&error.cause, error.operation.as_ref()) {
        (Cause::Errno(nix::errno::Errno::ENOTBLK), _) => Unusable::NotBlock,
        (Cause::Errno(errno), "open" | "stat") => Unusable::Open(errno.desc().to_owned()),
        _ => Unusable::Broken(error.to_string()),
    }
}
