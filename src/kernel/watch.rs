//! Files of the kernel that tell when they change: `/proc/mdstat` and the sysfs attributes that md notifies
//! (`array_state`, `sync_action`, `sync_completed`, `degraded`, a member's `state` among them).

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use nix::poll::PollFlags;

use super::{
    KernelError,
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
