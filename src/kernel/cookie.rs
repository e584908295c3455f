//! Knowing when udev is done with events of device-mapper: a semaphore that is raised for each event that the kernel
//! will send, lowered by udev's last rule, and waited for once, for all of them together and not for ever.

use std::{ffi::c_int, time::Duration};

use nix::errno::Errno;

use super::{Deadline, KernelError, Procfs, host, sysv::Semaphore};

/// The upper half of the key of every such semaphore.
const MAGIC: u32 = 0x0D4D;
/// Bases that are tried before giving up.
const TRIES: usize = 64;

/// A semaphore of ours. It is removed when the wait is over, or with this.
#[derive(Debug)]
pub struct Cookie {
    semaphore: Semaphore,
    base: u16,
    raised: u32,
    ours: bool,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// udev is done with everything.
    Done,
    /// Somebody else took the semaphore away.
    Removed,
    /// So many events have not been answered in time.
    Late(u32),
}

impl Cookie {
    /// A new one, with a key that nobody has. An error means that there are no semaphores here.
    pub fn create() -> Result<Self, KernelError> {
        for value in random()? {
            match Self::make(value) {
                Err(error) if error.is(Errno::EEXIST) => {}
                made => return made,
            }
        }
        Err(KernelError::new("udev cookie", "semget", Errno::EEXIST))
    }

    /// A new one with this value.
    pub fn make(value: u32) -> Result<Self, KernelError> {
        let base = base(value)?;
        let semaphore = Semaphore::create(value);
        let semaphore = semaphore.map_err(|errno| KernelError::new("udev cookie", "semget", errno))?;
        let cookie = Self { semaphore, base, raised: 0, ours: true };
        // One for ourselves, so that it is not 0 before everything has been raised.
        semaphore.set(1).map_err(|errno| cookie.error("semctl", errno))?;
        Ok(cookie)
    }

    /// One that somebody else made and waits for.
    pub fn join(value: u32) -> Result<Self, KernelError> {
        let base = base(value)?;
        let semaphore = Semaphore::find(value).map_err(|errno| no_semaphore(value, errno))?;
        Ok(Self { semaphore, base, raised: 0, ours: false })
    }

    /// What goes into a request, below udev's flags.
    #[must_use]
    pub fn with(&self, flags: u16) -> u32 {
        (u32::from(flags) << 16) | u32::from(self.base)
    }

    /// By which `dmsetup` and udev's rules know it.
    #[must_use]
    pub fn value(&self) -> u32 {
        key(self.base)
    }

    /// The semaphore's number.
    #[must_use]
    pub fn semid(&self) -> c_int {
        self.semaphore.id()
    }

    /// Before a request that makes an event.
    pub fn raise(&mut self) -> Result<(), KernelError> {
        self.semaphore.add(1).map_err(|errno| self.error("semop", errno))?;
        self.raised = self.raised.saturating_add(1);
        Ok(())
    }

    /// After a request that made none, or failed.
    pub fn lower(&mut self) -> Result<(), KernelError> {
        self.raised = self.raised.saturating_sub(1);
        self.semaphore.add(-1).map_err(|errno| self.error("semop", errno))
    }

    /// How many events are or were expected.
    #[must_use]
    pub fn raised(&self) -> u32 {
        self.raised
    }

    /// Leaves it to whoever made it, or to whoever is told its value.
    pub fn leave(mut self) -> u32 {
        self.ours = false;
        self.value()
    }

    /// Takes over from whoever made it: it is ours to wait for and to remove.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.ours = true;
        self
    }

    /// Waits until udev is done, and removes it.
    pub fn wait(self, deadline: Deadline) -> Result<Waited, KernelError> {
        // Our own one. Below 0 it cannot go: then udev answered more than was raised.
        match self.semaphore.add(-1) {
            Ok(()) | Err(Errno::EAGAIN) => {}
            Err(Errno::EIDRM | Errno::EINVAL) => return Ok(Waited::Removed),
            Err(errno) => return Err(self.error("semop", errno)),
        }
        loop {
            let left = deadline.left().unwrap_or(Duration::ZERO);
            match self.semaphore.wait_for_zero(left) {
                Ok(()) => return Ok(Waited::Done),
                Err(Errno::EINTR) => {}
                Err(Errno::EIDRM | Errno::EINVAL) => return Ok(Waited::Removed),
                Err(Errno::EAGAIN) => {
                    let late = self.semaphore.value().ok().and_then(|value| u32::try_from(value).ok());
                    return Ok(Waited::Late(late.unwrap_or(0)));
                }
                Err(errno) => return Err(self.error("semtimedop", errno)),
            }
        }
    }

    fn error(&self, operation: &'static str, errno: Errno) -> KernelError {
        KernelError::new(format!("udev cookie 0x{:x}", self.value()), operation, errno)
    }
}

impl Drop for Cookie {
    fn drop(&mut self) {
        if self.ours {
            // udev's rules take a cookie that is gone for one that is done.
            let _ = self.semaphore.remove();
        }
    }
}

fn key(base: u16) -> u32 {
    (MAGIC << 16) | u32::from(base)
}

/// The lower half of a cookie's value.
fn base(value: u32) -> Result<u16, KernelError> {
    let base = u16::try_from(value & 0xffff).ok().filter(|base| *base != 0 && value >> 16 == MAGIC);
    base.ok_or_else(|| no_semaphore(value, Errno::EINVAL))
}

fn no_semaphore(value: u32, errno: Errno) -> KernelError {
    KernelError::new(format!("udev cookie 0x{value:x}"), "semget", errno)
}

/// Values that a new one may have.
pub fn random() -> Result<Vec<u32>, KernelError> {
    let bases = (0..TRIES).map(|_| host::random_bytes::<2>().map(u16::from_ne_bytes));
    let bases: Vec<u16> = bases.collect::<Result<_, _>>()?;
    Ok(bases.into_iter().filter(|base| *base != 0).map(key).collect())
}

/// What udev's last rule says: one event less to wait for. `false`: there is no such cookie.
pub fn complete(value: u32) -> Result<bool, KernelError> {
    let fail = |operation: &'static str| {
        move |errno| KernelError::new(format!("udev cookie 0x{value:x}"), operation, errno)
    };
    // Only the lower half says which: the upper half carries flags.
    let key = (MAGIC << 16) | (value & 0xffff);
    match Semaphore::find(key) {
        Ok(semaphore) => match semaphore.add(-1) {
            Ok(()) => Ok(true),
            Err(Errno::EIDRM | Errno::EINVAL | Errno::EAGAIN) => Ok(false),
            Err(errno) => Err(fail("semop")(errno)),
        },
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(fail("semget")(errno)),
    }
}

/// Removes a cookie that nobody waits for any more; `false` where there is none.
pub fn remove(value: u32) -> Result<bool, KernelError> {
    let fail = |errno| KernelError::new(format!("udev cookie 0x{value:x}"), "semctl", errno);
    match Semaphore::find(value) {
        Ok(semaphore) => semaphore.remove().map(|()| true).map_err(fail),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(fail(errno)),
    }
}

/// A cookie in the kernel's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieStanding {
    /// Its value.
    pub cookie: u32,
    /// The semaphore's number.
    pub semid: u32,
    /// What it stands at.
    pub value: c_int,
    /// Seconds since 1970 of the last operation; 0 for never.
    pub operated: u64,
    /// Seconds since 1970 of the last change of its value by setting it, or of its making.
    pub changed: u64,
}

/// All that there are, of all programs.
pub fn all(procfs: &Procfs) -> Result<Vec<CookieStanding>, KernelError> {
    let text = procfs.text("sysvipc/sem")?;
    Ok(text.lines().skip(1).filter_map(standing).collect())
}

/// `key semid perms nsems uid gid cuid cgid otime ctime`.
fn standing(line: &str) -> Option<CookieStanding> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let key: i64 = words.first()?.parse().ok()?;
    let cookie = u32::try_from(key).ok().filter(|key| key >> 16 == MAGIC)?;
    let value = Semaphore::find(cookie).ok()?.value().ok()?;
    Some(CookieStanding {
        cookie,
        semid: words.get(1)?.parse().ok()?,
        value,
        operated: words.get(8)?.parse().ok()?,
        changed: words.get(9)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_waited_for_and_gone() {
        let mut cookie = Cookie::create().unwrap();
        let value = cookie.value();
        assert_eq!(value >> 16, 0x0d4d);
        assert_eq!(cookie.with(0x60), (0x60 << 16) | (value & 0xffff));
        cookie.raise().unwrap();
        cookie.raise().unwrap();
        cookie.lower().unwrap();
        assert!(complete(value).unwrap());
        let procfs = Procfs::new("/proc");
        assert!(all(&procfs).unwrap().iter().any(|one| one.cookie == value && one.value == 1));
        assert_eq!(cookie.wait(Deadline::after(Duration::from_secs(5))), Ok(Waited::Done));
        assert!(!complete(value).unwrap() && !remove(value).unwrap());

        let mut late = Cookie::create().unwrap();
        let value = late.value();
        late.raise().unwrap();
        assert_eq!(late.wait(Deadline::after(Duration::from_millis(20))), Ok(Waited::Late(1)));
        assert!(Cookie::join(value).is_err());

        let taken = Cookie::create().unwrap();
        assert!(remove(taken.value()).unwrap());
        assert_eq!(taken.wait(Deadline::after(Duration::from_secs(5))), Ok(Waited::Removed));
    }
}
