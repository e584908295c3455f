//! Opening and reading devices, all at once.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use nix::errno::Errno;
use superblock::{
    Media, foreign, probe,
    window::{Loaded, Width, Window},
};

use crate::{
    kernel::{
        self, Access, Cause, KernelError, Machine,
        aio::{self, Read},
        holders,
    },
    model::{Candidate, Device, Unusable},
};

/// Devices that are open and read at the same time.
const AT_ONCE: usize = 64;
/// Few enough for a thread for each: asking the kernel for many reads at once takes longer, for it then takes tens of
/// milliseconds to let go of what it had for them.
const FEW: usize = 8;
/// Devices that are being opened at the same time: an open may wait for a disk, but seldom does.
const OPENED_AT_ONCE: usize = 4;

/// Looks at every path; the answers are in the order of the paths. With `exclusive` it also finds out
/// whether somebody else holds the device, and what besides md metadata is on it.
#[must_use]
pub fn look(machine: &Machine, paths: &[String], exclusive: bool) -> Vec<Candidate> {
    let width = if exclusive { Width::Wide } else { Width::Narrow };
    each(paths, exclusive, width, |path, opened| Candidate {
        path: path.to_owned(),
        found: opened.map_err(unusable).and_then(|opened| one(machine, path, &opened, exclusive)),
    })
}

/// A device that is open, with the ends of it.
pub(super) struct Opened<'a> {
    pub(super) device: &'a kernel::Device,
    pub(super) window: Window<'a>,
    /// Somebody holds it; asked only where `exclusive`.
    pub(super) busy: bool,
}

/// Opens every path, reads the ends of all of them in one go, and does `look` with each; the answers are in the order
/// of the paths.
pub(super) fn each<T: Send>(
    paths: &[String],
    exclusive: bool,
    width: Width,
    look: impl Fn(&str, Result<Opened<'_>, KernelError>) -> T + Sync,
) -> Vec<T> {
    let one = |path: &String, opened: Result<(kernel::Device, bool), KernelError>| match opened {
        Ok((device, busy)) => {
            let window = Window::new(&device, width);
            look(path, Ok(Opened { device: &device, window, busy }))
        }
        Err(error) => look(path, Err(error)),
    };
    if paths.len() <= FEW && !exclusive {
        return in_parallel(FEW, paths, |path| one(path, open(path, false)));
    }
    let mut answers = Vec::with_capacity(paths.len());
    for paths in paths.chunks(AT_ONCE) {
        // Asked for alone at the same time, a partition and its disk would each find the other in the way.
        let threads = if exclusive { 1 } else { OPENED_AT_ONCE };
        let opened = in_parallel(threads, paths, |path| open(path, exclusive));
        if let Ok(ends) = read_ends(&opened, width) {
            let all = paths.iter().zip(opened).zip(ends);
            answers.extend(all.map(|((path, opened), ends)| match opened {
                Ok((device, busy)) => {
                    let window = Window::filled(&device, width, ends);
                    look(path, Ok(Opened { device: &device, window, busy }))
                }
                Err(error) => look(path, Err(error)),
            }));
            continue;
        }
        answers.extend(in_parallel(AT_ONCE, paths, |path| one(path, open(path, exclusive))));
    }
    answers
}

/// Both ends of every device that is open. An error where the kernel cannot read many at once.
fn read_ends(
    opened: &[Result<(kernel::Device, bool), KernelError>],
    width: Width,
) -> Result<Vec<[Option<Loaded>; 2]>, Errno> {
    let devices = opened.iter().map(|opened| opened.as_ref().ok().map(|(device, _)| device));
    let ends = |device: &kernel::Device| Window::ends(device.len(), width);
    let mut reads = Vec::new();
    for device in devices.clone().flatten() {
        let wanted = ends(device).into_iter().filter(|(start, stop)| start < stop);
        reads.extend(wanted.map(|(at, stop)| Read { device, at, length: stop.saturating_sub(at) }));
    }
    let mut answers = aio::read_all(&reads)?.into_iter();
    let mut next = |(start, stop)| if start < stop { answers.next().flatten() } else { None };
    Ok(devices.map(|device| device.map(ends).map_or([None, None], |ends| ends.map(&mut next))).collect())
}

/// Does the same for every item, several at a time; the answers are in the order of the items.
fn in_parallel<I: Sync, T: Send>(threads: usize, items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    if threads.min(items.len()) <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut found: Vec<(usize, T)> = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(some)).collect();
        let mut found = some();
        found.extend(helpers.into_iter().filter_map(|helper| helper.join().ok()).flatten());
        found
    });
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, answer)| answer).collect()
}

fn one(machine: &Machine, path: &str, opened: &Opened<'_>, exclusive: bool) -> Result<Device, Unusable> {
    let mut device = describe(machine, path, opened)?;
    if exclusive {
        device.foreign = foreign::scan(&opened.window).unwrap_or_default();
    }
    if let Some(dev) = opened.device.dev().filter(|_| opened.busy) {
        let found = holders::holders(&machine.sysfs, &machine.procfs, dev).unwrap_or_default();
        device.busy = true;
        device.holders = found.iter().map(ToString::to_string).collect();
    }
    Ok(device)
}

/// What an open device is, and the md metadata on it.
pub(super) fn describe(machine: &Machine, path: &str, opened: &Opened<'_>) -> Result<Device, Unusable> {
    let Opened { device: opened, window, .. } = opened;
    let dev = opened.dev().ok_or(Unusable::NotBlock)?;
    let kernel_name = machine.sysfs.name_of(dev).unwrap_or_default();
    Ok(Device {
        path: path.to_owned(),
        id: dev,
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

/// Opens for reading; whether it is held is found out by asking for it alone for a moment.
fn open(path: &str, exclusive: bool) -> Result<(kernel::Device, bool), KernelError> {
    let path = Path::new(path);
    let device = kernel::Device::open(path, Access::Read)?;
    let busy = exclusive && device.dev().is_some() && kernel::Device::is_claimed(path)?;
    Ok((device, busy))
}

pub(super) fn unusable(error: KernelError) -> Unusable {
    match (&error.cause, error.operation.as_ref()) {
        (Cause::Errno(Errno::ENOTBLK), _) => Unusable::NotBlock,
        (Cause::Errno(errno), "open" | "stat") => Unusable::Open(errno.desc().to_owned()),
        _ => Unusable::Broken(error.to_string()),
    }
}
