//! Files of the kernel that tell when they change: `/proc/mdstat` and the sysfs attributes that md notifies
//! (`array_state`, `sync_action`, `sync_completed`, `degraded`, a member's `state` among them).

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek},
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    KernelError,
    interrupt::Interrupt,
    wait::{self, Deadline},
};

/// The most that is read; `/proc/mdstat` of thousands of arrays stays below.
const LONGEST: u64 = 16 << 20;

/// One such file, held open.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    file: File,
}

impl Watched {
    /// Opens it; `None` where there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, KernelError> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { path: path.to_owned(), file })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KernelError::io(path, "open", &error)),
        }
    }

    /// What it says now. A change after this moment is seen by [`Watched::changed`]: read first, then wait.
    /// `None`: what it belongs to is gone.
    pub fn read(&mut self) -> Result<Option<String>, KernelError> {
        let mut bytes = vec![];
        let read = self.file.rewind().and_then(|()| (&self.file).take(LONGEST).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())),
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
            Err(error) => Err(KernelError::io(&self.path, "read", &error)),
        }
    }

    /// Waits for a change since the last read, for an interrupt, or until time is over.
    pub fn changed_or_interrupted(
        &self,
        interrupt: &Interrupt,
        deadline: Deadline,
    ) -> Result<(), KernelError> {
        match deadline.left() {
            // Sysfs is always readable: only what is exceptional there is news. A signal is input.
            Some(left) => wait::either(self.file.as_fd(), interrupt.descriptor(), left),
            None => Ok(()),
        }
    }

    /// Waits for a change since the last read; `false` when time was over first. Not every change is told: progress
    /// is not, so wait in slices where progress counts.
    pub fn changed(&self, deadline: Deadline) -> Result<bool, KernelError> {
        while let Some(left) = deadline.left() {
            if wait::ready(&[self.file.as_fd()], PollFlags::POLLPRI, left)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What ended a wait for several things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// One of the files changed.
    pub changed: bool,
    /// One of the other descriptors has something to read.
    pub readable: bool,
    /// Nobody reads what is written to the output any more.
    pub hung_up: bool,
}

/// Waits until one of the files changes since its last read, one of `inputs` can be read, or `output` is closed at
/// its other end; nothing of it when time is over.
pub fn any(
    files: &[Watched],
    inputs: &[BorrowedFd<'_>],
    output: BorrowedFd<'_>,
    slice: Duration,
) -> Result<Woken, KernelError> {
    let mut fds: Vec<PollFd<'_>> =
        files.iter().map(|file| PollFd::new(file.file.as_fd(), PollFlags::POLLPRI)).collect();
    fds.extend(inputs.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
    // An error of the output is told whatever is asked for.
    fds.push(PollFd::new(output, PollFlags::empty()));
    let timeout = PollTimeout::try_from(slice).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Woken::default()),
        Err(errno) => return Err(KernelError::new("event descriptors", "poll", errno)),
    }
    let is = |fd: &PollFd<'_>, flags| fd.revents().is_some_and(|events| events.intersects(flags));
    // sysfs and /proc say POLLERR together with POLLPRI.
    let changed = fds.iter().take(files.len()).any(|fd| is(fd, PollFlags::POLLPRI | PollFlags::POLLERR));
    let readable = fds
        .iter()
        .skip(files.len())
        .take(inputs.len())
        .any(|fd| is(fd, PollFlags::POLLIN | PollFlags::POLLHUP));
    let hung_up = fds.last().is_some_and(|fd| is(fd, PollFlags::POLLERR | PollFlags::POLLHUP));
    Ok(Woken { changed, readable, hung_up })
}
