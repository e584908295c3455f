//! File locks with an end to the waiting.

use std::{
    cell::Cell,
    fs::{self, File},
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use nix::fcntl::{Flock, FlockArg};

use super::{
    DevId, ErrorCause, Holder, KernelError, Procfs,
    wait::{Deadline, LONG},
};

/// A lock file that is held, for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: Flock<File>,
    end: End,
}

/// What becomes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It stays: of many who wait, only the next one is busy when it is let go.
    Stays,
    /// It is removed before it is let go.
    Removed,
    /// The last of those who have it together removes it.
    RemovedByTheLast,
}

impl Lock {
    /// Takes the lock, waiting at most until the deadline.
    ///
    /// Holders unlink the file before they let go, so whoever was waiting has locked a file that is not there any
    /// more and begins again with the new one.
    /// `told` is called once when that takes long.
    pub fn take(path: &Path, deadline: Deadline, told: &dyn Fn()) -> Result<Self, KernelError> {
        Self::with(path, End::Removed, deadline, told)
    }

    /// The same where many may wait, each of whom would begin again each time: the file stays. Others, as mdadm, may unlink
    /// it all the same.
    pub fn take_of_many(path: &Path, deadline: Deadline, told: &dyn Fn()) -> Result<Self, KernelError> {
        Self::with(path, End::Stays, deadline, told)
    }

    /// Takes a lock as LVM2 does, alone or together with others: behind a second lock, so that one who wants it alone does
    /// not wait for ever while others come and go.
    pub fn queue(path: &Path, alone: bool, deadline: Deadline, told: &dyn Fn()) -> Result<Self, KernelError> {
        let mut name = path.as_os_str().to_owned();
        name.push(":aux");
        let turn = Self::with(Path::new(&name), End::Removed, deadline, told)?;
        if alone {
            return Self::with(path, End::Removed, deadline, told);
        }
        drop(turn);
        Self::with(path, End::RemovedByTheLast, deadline, told)
    }

    /// Takes the lock if nobody has it.
    pub fn at_once(path: &Path) -> Result<Option<Self>, KernelError> {
        Self::now(path, End::Removed)
    }

    /// Locks a file that is there for something else, and stays; `None` where it is not there, or somebody has it.
    pub fn of_file(path: &Path) -> Result<Option<Self>, KernelError> {
        let opened = File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path);
        match opened {
            Ok(file) => Self::lock_now(path, file, End::Stays),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KernelError::io(path, "open", &error)),
        }
    }

    fn now(path: &Path, end: End) -> Result<Option<Self>, KernelError> {
        Self::lock_now(path, open(path)?, end)
    }

    fn lock_now(path: &Path, file: File, end: End) -> Result<Option<Self>, KernelError> {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => {
                let lock = Self { path: path.to_owned(), file, end };
                // Else somebody let it go just now: he has it no more, and neither have we.
                Ok(Some(lock).filter(Self::is_there))
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(KernelError::new(path.display().to_string(), "flock", errno)),
        }
    }

    /// For a process that shall hold it as well: it is free when both have let it go, or one has said so.
    pub fn shared(&self) -> Result<OwnedFd, KernelError> {
        let file = self.file.try_clone().map_err(|error| KernelError::io(&self.path, "dup", &error))?;
        Ok(file.into())
    }

    fn with(path: &Path, end: End, deadline: Deadline, told: &dyn Fn()) -> Result<Self, KernelError> {
        let once = Cell::new(Some(told));
        let told = || once.take().into_iter().for_each(|told| told());
        loop {
            let alone = end != End::RemovedByTheLast;
            let file = locked(path, open(path)?, alone, deadline, &told)?;
            let ours = file.metadata().map_err(|error| KernelError::io(path, "fstat", &error))?;
            match fs::symlink_metadata(path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Self { path: path.to_owned(), file, end });
                }
                _ if deadline.left().is_none() => return Err(late(path, deadline)),
                _ => {}
            }
        }
    }
}

impl Lock {
    /// Whether the file that is locked is still the one that has the name.
    fn is_there(&self) -> bool {
        let same = |there: &fs::Metadata, ours: &fs::Metadata| {
            (there.dev(), there.ino()) == (ours.dev(), ours.ino())
        };
        let there = fs::symlink_metadata(&self.path);
        there.is_ok_and(|there| self.file.metadata().is_ok_and(|ours| same(&there, &ours)))
    }
}

/// How long a command waits for one lock that many take. Once it has waited in vain it only tries: whoever keeps the lock that
/// long may keep it for ever, and a command of many acts must not wait as often. Clones share what came of it.
#[derive(Clone, Debug)]
pub struct Patience {
    most: Duration,
    /// How the wait ended.
    in_vain: Arc<Mutex<Option<KernelError>>>,
}

impl Patience {
    /// Waits once, for so long.
    #[must_use]
    pub fn of(most: Duration) -> Self {
        Self { most, in_vain: Arc::default() }
    }

    /// Takes the lock. `told` is called, with the most that it takes, when there is a long wait.
    pub fn take(&self, path: &Path, told: &dyn Fn(Duration)) -> Result<Lock, KernelError> {
        // Those who come meanwhile wait for the same end.
        let mut in_vain = self.in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &*in_vain {
            let lock = Lock::now(path, End::Stays)?.ok_or_else(|| error.clone())?;
            // Whoever kept it is gone.
            *in_vain = None;
            return Ok(lock);
        }
        let taken = Lock::take_of_many(path, Deadline::after(self.most), &|| told(self.most));
        if let Err(error @ KernelError { cause: ErrorCause::TimedOut(_), .. }) = &taken {
            *in_vain = Some(error.clone());
        }
        taken
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let goes = match self.end {
            End::Stays => false,
            End::Removed => true,
            End::RemovedByTheLast => {
                self.file.relock(FlockArg::LockExclusiveNonblock).is_ok() && self.is_there()
            }
        };
        if goes {
            // Before the lock is let go, see `take`. Left in place it would do no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> Result<File, KernelError> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let opened = options.custom_flags(nix::libc::O_NOFOLLOW).open(path);
    opened.map_err(|error| KernelError::io(path, "open", &error))
}

/// The processes that hold a lock on the file, this one left out: whom to name when it took too long.
pub fn holders(procfs: &Procfs, path: &Path) -> Result<Vec<Holder>, KernelError> {
    let meta = fs::symlink_metadata(path).map_err(|error| KernelError::io(path, "stat", &error))?;
    let mut pids = procfs.lockers(DevId::from_raw(meta.dev()), meta.ino())?;
    pids.sort_unstable();
    pids.dedup();
    pids.retain(|pid| *pid != std::process::id());
    let process = |pid| Holder::Process { pid, name: procfs.command_name(pid).unwrap_or_default() };
    Ok(pids.into_iter().map(process).collect())
}

fn late(path: &Path, deadline: Deadline) -> KernelError {
    deadline.error(&path.display().to_string(), "flock")
}

/// Locks a file. The kernel has no lock with a time-out, so a thread waits and is left behind when it takes too
/// long; when it gets the lock after all, it lets go at once.
fn locked(
    path: &Path,
    file: File,
    alone: bool,
    deadline: Deadline,
    told: &dyn Fn(),
) -> Result<Flock<File>, KernelError> {
    let (at_once, waiting) = if alone {
        (FlockArg::LockExclusiveNonblock, FlockArg::LockExclusive)
    } else {
        (FlockArg::LockSharedNonblock, FlockArg::LockShared)
    };
    let file = match Flock::lock(file, at_once) {
        Ok(locked) => return Ok(locked),
        Err((file, nix::errno::Errno::EWOULDBLOCK)) => file,
        Err((_, errno)) => return Err(KernelError::new(path.display().to_string(), "flock", errno)),
    };
    let (sender, receiver) = mpsc::channel();
    let waiter = move || {
        let mut file = file;
        let answer = loop {
            match Flock::lock(file, waiting) {
                Err((again, nix::errno::Errno::EINTR)) => file = again,
                answer => break answer,
            }
        };
        // Nobody listens any more after the deadline: the lock is dropped with the message.
        let _ = sender.send(answer);
    };
    thread::Builder::new()
        .name("lock".to_owned())
        .spawn(waiter)
        .map_err(|error| KernelError::io(path, "flock", &error))?;
    let left = || deadline.left().unwrap_or_default();
    let answer = receiver.recv_timeout(left().min(LONG)).or_else(|_| {
        told();
        receiver.recv_timeout(left())
    });
    match answer {
        Ok(Ok(locked)) => Ok(locked),
        Ok(Err((_, errno))) => Err(KernelError::new(path.display().to_string(), "flock", errno)),
        Err(_) => Err(late(path, deadline)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn waits_and_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map.lock");
        let soon = || Deadline::after(Duration::from_millis(30));
        let held = Lock::take(&path, soon(), &|| ()).unwrap();
        let error = Lock::take(&path, soon(), &|| ()).unwrap_err().to_string();
        assert!(error.ends_with("map.lock: flock: did not happen within 30 ms"), "{error}");

        let (go, gone) = mpsc::channel();
        let waiter = thread::spawn({
            let path = path.clone();
            move || {
                go.send(()).unwrap();
                Lock::take(&path, Deadline::after(Duration::from_secs(10)), &|| ())
            }
        });
        gone.recv().unwrap();
        drop(held);
        drop(waiter.join().unwrap().unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_there_for_something_else_is_neither_made_nor_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letter");
        assert!(Lock::of_file(&path).unwrap().is_none());
        assert!(!path.exists());
        fs::write(&path, "text").unwrap();
        let held = Lock::of_file(&path).unwrap();
        assert!(held.is_some());
        assert!(Lock::of_file(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::of_file(&path).unwrap().is_some());
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }

    #[test]
    fn a_file_that_somebody_removed_is_not_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map.lock");
        let held = Lock::take_of_many(&path, Deadline::after(Duration::ZERO), &|| ()).unwrap();
        // As mdadm does it before it lets go.
        fs::remove_file(&path).unwrap();
        let next = Lock::take_of_many(&path, Deadline::after(Duration::ZERO), &|| ()).unwrap();
        drop(held);
        assert!(next.is_there());
        drop(next);
        assert!(path.exists(), "the next one finds it");
    }

    #[test]
    fn a_lock_that_is_kept_is_waited_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map.lock");
        let held = Lock::take_of_many(&path, Deadline::after(Duration::ZERO), &|| ()).unwrap();
        let patience = Patience::of(Duration::from_millis(300));
        let begun = Instant::now();
        let why = patience.take(&path, &|_| ()).unwrap_err();
        assert!(begun.elapsed() >= Duration::from_millis(300));
        let again = Instant::now();
        for _ in 0..10 {
            assert_eq!(patience.clone().take(&path, &|_| ()).unwrap_err(), why);
        }
        assert!(again.elapsed() < Duration::from_millis(1500), "it was waited for again by each");
        drop(held);
        // The thread that still waits has it for a moment.
        let taken = (0..1000).find_map(|_| {
            thread::sleep(Duration::from_millis(5));
            patience.take(&path, &|_| ()).ok()
        });
        drop(taken.expect("it is free"));
        let next = Lock::take_of_many(&path, Deadline::after(Duration::from_secs(10)), &|| ()).unwrap();
        let last = Instant::now();
        assert!(patience.take(&path, &|_| ()).is_err());
        assert!(last.elapsed() >= Duration::from_millis(300), "somebody else has it now");
        drop(next);
    }

    #[test]
    fn at_once_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one");
        let held = Lock::at_once(&path).unwrap().unwrap();
        assert!(Lock::at_once(&path).unwrap().is_none());
        let copy = held.shared().unwrap();
        // Whoever lets it go says so for all who have it.
        drop(held);
        assert!(Lock::at_once(&path).unwrap().is_some());
        drop(copy);
        assert!(!path.exists());
    }

    #[test]
    fn together_with_others_or_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("V_vg");
        let soon = || Deadline::after(Duration::from_millis(30));
        let one = Lock::queue(&path, false, soon(), &|| ()).unwrap();
        let two = Lock::queue(&path, false, soon(), &|| ()).unwrap();
        assert!(Lock::queue(&path, true, soon(), &|| ()).is_err());
        drop(one);
        assert!(path.exists(), "the other one has it still");
        assert!(Lock::queue(&path, true, soon(), &|| ()).is_err());
        drop(two);
        assert!(!path.exists());
        let alone = Lock::queue(&path, true, soon(), &|| ()).unwrap();
        assert!(Lock::queue(&path, false, soon(), &|| ()).is_err());
        drop(alone);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map.lock");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(
            Lock::take(&path, Deadline::after(Duration::ZERO), &|| ())
                .unwrap_err()
                .is(nix::errno::Errno::ELOOP)
        );
    }
}
