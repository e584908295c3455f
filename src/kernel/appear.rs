//! Waiting until nodes, links and devices have come or gone: by events, with an end.

use std::{
    fs,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify},
};

use super::{
    DevId, ErrorCause, KernelError, Sysfs,
    node::{self, Places},
    uevent::{Listener, Source},
    wait::{self, Deadline, Told},
};

/// How long an event is trusted to come: after that the state itself is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Names that appear in directories, and that go.
struct Names {
    inotify: Inotify,
}

impl Names {
    fn new() -> Result<Self, KernelError> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(|errno| KernelError::new("inotify", "inotify_init", errno))?;
        Ok(Self { inotify })
    }

    /// Watches the directory of `path`, or the nearest one above it that exists; answers which.
    fn watch(&self, path: &Path) -> Option<PathBuf> {
        let what = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_ATTRIB;
        let dir = path.ancestors().skip(1).find(|dir| self.inotify.add_watch(*dir, what).is_ok())?;
        Some(dir.to_owned())
    }

    fn drain(&self) {
        while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

/// Waits until `done` answers true, looking again whenever a name near one of `paths` comes or goes.
fn until(paths: &[&Path], deadline: Deadline, mut done: impl FnMut() -> bool) -> Result<bool, KernelError> {
    if done() {
        return Ok(true);
    }
    let names = Names::new()?;
    loop {
        let watched: Vec<_> = paths.iter().map(|path| names.watch(path)).collect();
        // Only now is nothing missed.
        if done() {
            return Ok(true);
        }
        let Some(left) = deadline.left() else { return Ok(false) };
        let moved = paths.iter().map(|path| names.watch(path)).ne(watched);
        if !moved {
            wait::readable(&[names.inotify.as_fd()], left.min(LOOK_AGAIN))?;
            names.drain();
        }
    }
}

/// Waits until `path` is the block device `dev`, itself or through links.
pub fn wait_for_node(
    places: &Places,
    path: &Path,
    dev: DevId,
    deadline: Deadline,
) -> Result<(), KernelError> {
    let there = || matches!(node::number_of(path), Ok(Some(number)) if number == dev);
    // A link may be there before the node that it leads to.
    let nodes = places.dev.join("any");
    if until(&[path, &nodes], deadline, there)? {
        return Ok(());
    }
    Err(deadline.error(&path.display().to_string(), "wait for the device node"))
}

/// Waits until nothing has this name.
pub fn wait_for_removal(path: &Path, deadline: Deadline) -> Result<(), KernelError> {
    if until(&[path], deadline, || fs::symlink_metadata(path).is_err())? {
        return Ok(());
    }
    Err(deadline.error(&path.display().to_string(), "wait for removal"))
}

/// Waits until udev has no event left to work on: its queue file is gone. At once where udev is not running.
pub fn settle(places: &Places, deadline: Deadline) -> Result<(), KernelError> {
    let queue = places.run.join("udev/queue");
    if !places.has_udev() || until(&[&queue], deadline, || !queue.exists())? {
        return Ok(());
    }
    Err(deadline.error("udev", "wait for its queue"))
}

/// Sends a `change` event for a block device and waits until udev is done with exactly this one. `token` is the text
/// of a fresh UUID that marks it; without `udev` nobody is waited for. `told` is called once when that takes long.
pub fn change_and_wait(
    sysfs: &Sysfs,
    name: &str,
    token: &str,
    udev: bool,
    (limit, told): (Duration, impl FnOnce()),
) -> Result<(), KernelError> {
    let listener = if udev { Some(Listener::new(Source::Udev)?) } else { None };
    // `ACTION UUID`: the kernel puts the UUID into the event as SYNTH_UUID (Documentation/ABI, sysfs-uevent).
    sysfs.array(name).uevent(&format!("change {token}"))?;
    let Some(listener) = listener else { return Ok(()) };
    let mut told = Told::new(limit, told);
    while let Some(slice) = told.slice() {
        loop {
            match listener.next_now() {
                Ok(Some(event)) if event.get("SYNTH_UUID") == Some(token) => return Ok(()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                // It may have been among those that were lost.
                Err(error) if error.is(Errno::ENOBUFS) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        wait::readable(&[listener.as_fd()], slice)?;
    }
    Err(KernelError::other(name, "wait for udev", ErrorCause::TimedOut(limit)))
}

/// Sees a block device go. Made before what makes it go, so that no event is missed.
#[derive(Debug)]
pub struct Disappearance<'a> {
    sysfs: &'a Sysfs,
    node: PathBuf,
    name: String,
    kernel: Listener,
    udev: Option<Listener>,
}

impl<'a> Disappearance<'a> {
    /// Begins to listen for the removal of the device with this kernel name; with `udev`, also for the end of
    /// udev's own work on it.
    pub fn listen(sysfs: &'a Sysfs, places: &Places, name: &str, udev: bool) -> Result<Self, KernelError> {
        Ok(Self {
            sysfs,
            node: places.dev.join(name),
            name: name.to_owned(),
            kernel: Listener::new(Source::Kernel)?,
            udev: if udev { Some(Listener::new(Source::Udev)?) } else { None },
        })
    }

    /// Returns when the device has gone from /sys and /dev and udev is done with it. `told` is called once when that takes long.
    pub fn wait(self, limit: Duration, told: impl FnOnce()) -> Result<(), KernelError> {
        let mut told = Told::new(limit, told);
        let mut announced = self.udev.is_none();
        loop {
            if !announced {
                announced = removal_seen(self.udev.as_ref(), &self.name)?;
            }
            removal_seen(Some(&self.kernel), &self.name)?;
            if announced && self.is_gone() {
                return Ok(());
            }
            let Some(slice) = told.slice() else {
                // udev that does not answer does not make a device come back.
                let gone = self.is_gone();
                let late = || KernelError::other(&self.name, "wait for removal", ErrorCause::TimedOut(limit));
                return if gone { Ok(()) } else { Err(late()) };
            };
            let mut fds = vec![self.kernel.as_fd()];
            fds.extend(self.udev.as_ref().map(AsFd::as_fd));
            wait::readable(&fds, slice.min(LOOK_AGAIN))?;
        }
    }

    fn is_gone(&self) -> bool {
        !self.sysfs.exists(Path::new("block").join(&self.name)) && fs::symlink_metadata(&self.node).is_err()
    }
}

/// Reads what has come. Lost events count as seen: the state is looked at anyway.
fn removal_seen(listener: Option<&Listener>, name: &str) -> Result<bool, KernelError> {
    let Some(listener) = listener else { return Ok(true) };
    let mut seen = false;
    loop {
        match listener.next_now() {
            Ok(Some(event)) => {
                seen |= event.is_block() && event.action() == "remove" && event.kernel_name() == name;
            }
            Ok(None) => return Ok(seen),
            Err(error) if error.is(Errno::ENOBUFS) => seen = true,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn places(dir: &Path) -> Places {
        Places { dev: dir.join("dev"), run: dir.join("run") }
    }

    #[test]
    fn removal_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node");
        fs::write(&path, "").unwrap();
        let error = wait_for_removal(&path, Deadline::after(Duration::from_millis(20))).unwrap_err();
        assert!(
            error.to_string().ends_with("node: wait for removal: did not happen within 20 ms"),
            "{error}"
        );
        let remover = thread::spawn({
            let path = path.clone();
            move || fs::remove_file(path).unwrap()
        });
        wait_for_removal(&path, Deadline::after(Duration::from_secs(10))).unwrap();
        remover.join().unwrap();
    }

    #[test]
    fn a_name_in_a_directory_that_does_not_exist_yet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dev/md/home");
        let maker = thread::spawn({
            let path = path.clone();
            move || {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        });
        let deadline = Deadline::after(Duration::from_secs(10));
        assert!(until(&[&path], deadline, || path.exists()).unwrap());
        maker.join().unwrap();
        // A regular file is not the device.
        let dev = DevId { major: 9, minor: 0 };
        let soon = Deadline::after(Duration::from_millis(10));
        assert!(wait_for_node(&places(dir.path()), &path, dev, soon).is_err());
    }

    #[test]
    fn settle_follows_the_queue_file() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let soon = || Deadline::after(Duration::from_millis(20));
        fs::create_dir_all(places.run.join("udev")).unwrap();
        fs::write(places.run.join("udev/queue"), "").unwrap();
        settle(&places, soon()).unwrap();
        let socket = places.run.join("udev/io.systemd.Udev");
        let _udev = std::os::unix::net::UnixListener::bind(socket).unwrap();
        assert!(settle(&places, soon()).is_err());
        fs::remove_file(places.run.join("udev/queue")).unwrap();
        settle(&places, soon()).unwrap();
    }
}
