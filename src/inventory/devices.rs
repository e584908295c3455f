//! Opening and reading devices, all at once.

use std::{path::Path, sync::Arc};

use nix::errno::Errno;
use superblock::{
    Media, foreign, probe,
    window::{Loaded, Width, Window},
};

use crate::{
    kernel::{
        self, Access, ErrorCause, KernelError, Machine,
        aio::{self, LONGEST_WAIT, Read, ReadAnswer},
        holders, parallel,
        sysfs::Suspended,
    },
    model::{Candidate, Device, Unusable},
};

/// Devices that are open and read at the same time.
const AT_ONCE: usize = 64;
/// Devices that are being opened at the same time, where there are enough of them: an open may wait for a disk, but seldom does.
const OPENED_AT_ONCE: usize = 4;

/// Looks at every path; the answers are in the order of the paths. With `exclusive` it also finds out
/// whether somebody else holds the device, and what besides md metadata is on it.
#[must_use]
pub fn look(machine: &Machine, paths: &[String], exclusive: bool) -> Vec<Candidate> {
    let width = if exclusive { Width::Wide } else { Width::Narrow };
    each(machine, paths, exclusive, width, |path, opened| Candidate {
        path: path.to_owned(),
        found: opened.map_err(unusable).and_then(|opened| one(machine, path, &opened, exclusive)),
    })
}

/// The same for devices that are going to be written: also who uses them without claiming them, and the bytes by which all
/// of this was found.
#[must_use]
pub fn look_to_write(machine: &Machine, paths: &[String]) -> Vec<Candidate> {
    let mut found = each(machine, paths, true, Width::Wide, |path, opened| Candidate {
        path: path.to_owned(),
        found: opened.map_err(unusable).and_then(|opened| {
            let seen = opened.window.ends_read().into();
            Ok(Device { seen, ..one(machine, path, &opened, true)? })
        }),
    });
    let free = || found.iter().filter_map(|one| one.found.as_ref().ok()).filter(|device| !device.busy);
    let ids: Vec<kernel::DevId> = free().map(|device| device.id).collect();
    if ids.is_empty() {
        return found;
    }
    let holders::Users { of: mut users, all } = holders::users(&machine.sysfs, &machine.procfs, &ids);
    for device in found.iter_mut().filter_map(|one| one.found.as_mut().ok()).filter(|device| !device.busy) {
        let users = users.remove(&device.id).unwrap_or_default();
        device.holders = users.iter().map(ToString::to_string).collect();
        device.unsearched = !all;
    }
    found
}

/// A device that is open, with the ends of it.
pub(super) struct Opened<'a> {
    pub(super) device: &'a kernel::BlockDevice,
    pub(super) window: Window<'a>,
    /// Somebody holds it; asked only where `exclusive`.
    pub(super) busy: bool,
}

/// Opens every path, reads the ends of all of them in one go, and does `look` with each; the answers are in the order
/// of the paths. What does not answer is an error: nobody waits for it without end.
pub(super) fn each<T: Send>(
    machine: &Machine,
    paths: &[String],
    exclusive: bool,
    width: Width,
    look: impl Fn(&str, Result<Opened<'_>, KernelError>) -> T + Sync,
) -> Vec<T> {
    if paths.is_empty() {
        return Vec::new();
    }
    let suspended = Suspended::look(&machine.sysfs);
    let mut answers = Vec::with_capacity(paths.len());
    for paths in paths.chunks(AT_ONCE) {
        // Asked for alone at the same time, a partition and its disk would each find the other in the way.
        let threads = if exclusive { 1 } else { OPENED_AT_ONCE.min(paths.len() / OPENED_AT_ONCE) };
        let opened = parallel::each(threads, paths, |path| {
            suspended.check(Path::new(path))?;
            open(path, exclusive)
        });
        if let Ok(ends) = read_ends(&opened, width) {
            answers.extend(paths.iter().zip(opened).zip(ends).map(|((path, opened), ends)| {
                match (opened, ends) {
                    (Ok((device, busy)), Some(ends)) => {
                        let window = Window::filled(&device, width, ends);
                        look(path, Ok(Opened { device: &device, window, busy }))
                    }
                    (Ok(_), None) => look(path, Err(late(path))),
                    (Err(error), _) => look(path, Err(error)),
                }
            }));
            continue;
        }
        // A kernel that cannot: a thread for each, and no end to their waiting.
        let all: Vec<_> = paths.iter().zip(opened).collect();
        answers.extend(parallel::each(AT_ONCE, &all, |(path, opened)| match opened {
            Ok((device, busy)) => {
                let window = Window::new(device, width);
                look(path, Ok(Opened { device, window, busy: *busy }))
            }
            Err(error) => look(path, Err(error.clone())),
        }));
    }
    answers
}

fn late(path: &str) -> KernelError {
    KernelError::other(path, "read", ErrorCause::TimedOut(LONGEST_WAIT))
}

/// Both ends of a device, where they were read as a whole.
type Ends = [Option<Loaded>; 2];

/// Both ends of every device that is open; `None` for one that did not answer. An error where the kernel cannot read many at once.
fn read_ends(
    opened: &[Result<(kernel::BlockDevice, bool), KernelError>],
    width: Width,
) -> Result<Vec<Option<Ends>>, Errno> {
    let devices = opened.iter().map(|opened| opened.as_ref().ok().map(|(device, _)| device));
    let ends = |device: &kernel::BlockDevice| Window::ends(device.len(), width);
    let mut reads = Vec::new();
    for device in devices.clone().flatten() {
        let wanted = ends(device).into_iter().filter(|(start, stop)| start < stop);
        reads.extend(wanted.map(|(at, stop)| Read { device, at, length: stop.saturating_sub(at) }));
    }
    let mut answers = aio::read_all(&reads, LONGEST_WAIT)?.into_iter();
    let mut next = |(start, stop)| match if start < stop { answers.next() } else { None } {
        Some(ReadAnswer::Whole(bytes)) => Ok(Some(bytes)),
        Some(ReadAnswer::Failed) | None => Ok(None),
        Some(ReadAnswer::Late) => Err(()),
    };
    let mut both = |device| {
        let [head, tail] = ends(device).map(&mut next);
        Some([head.ok()?, tail.ok()?])
    };
    Ok(devices.map(|device| device.map_or(Some([None, None]), &mut both)).collect())
}

fn one(machine: &Machine, path: &str, opened: &Opened<'_>, exclusive: bool) -> Result<Device, Unusable> {
    let mut device = describe(machine, path, opened)?;
    if exclusive {
        device.foreign = foreign::scan(&opened.window).unwrap_or_default();
    }
    if let Some(dev) = opened.device.dev().filter(|_| opened.busy) {
        let found = holders::holders(&machine.sysfs, &machine.procfs, dev).unwrap_or_default();
        // Whoever is not found may have had it for a moment only: others look, too.
        let known = found.iter().any(|holder| *holder != holders::Holder::Unseen);
        device.busy = known || kernel::BlockDevice::is_claimed(Path::new(path)).unwrap_or(true);
        device.holders = found.iter().map(ToString::to_string).collect();
    }
    Ok(device)
}

/// What an open device is, and the md metadata on it.
pub(super) fn describe(machine: &Machine, path: &str, opened: &Opened<'_>) -> Result<Device, Unusable> {
    let Opened { device: opened, window, .. } = opened;
    let dev = opened.dev().ok_or(Unusable::NotBlock)?;
    let kernel_name = machine.sysfs.name_of(dev).unwrap_or_default();
    let probe = probe::probe(window);
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
        unsearched: false,
        aside: super::grow::set_aside(machine, &probe).map(Arc::new),
        probe,
        foreign: Vec::new(),
        seen: [].into(),
    })
}

/// Opens for reading; whether it is held is found out by asking for it alone for a moment.
fn open(path: &str, exclusive: bool) -> Result<(kernel::BlockDevice, bool), KernelError> {
    let path = Path::new(path);
    let device = kernel::BlockDevice::open(path, Access::Read)?;
    let busy = exclusive && device.dev().is_some() && kernel::BlockDevice::is_claimed(path)?;
    Ok((device, busy))
}

pub(super) fn unusable(error: KernelError) -> Unusable {
    match (&error.cause, error.operation.as_ref()) {
        (ErrorCause::Errno(Errno::ENOTBLK), _) => Unusable::NotBlock,
        (ErrorCause::Suspended(_) | ErrorCause::TimedOut(_), _) => Unusable::Silent(error.to_string()),
        (ErrorCause::Errno(errno), "open" | "stat") => Unusable::Open(errno.desc().to_owned()),
        _ => Unusable::Broken(error.to_string()),
    }
}
