//! System V semaphores: sets of one, which is what udev's rules for device-mapper count down.

use std::{ffi::c_int, ptr, time::Duration};

use nix::{
    errno::Errno,
    libc::{self, key_t, size_t, timespec},
};

/// `struct sembuf`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Operation {
    number: u16,
    change: i16,
    flags: i16,
}
const _: () = assert!(size_of::<Operation>() == 6);

const NOWAIT: i16 = 0o4000;
/// Both of linux/sem.h.
const SETVAL: c_int = 16;
const GETVAL: c_int = 12;

// The libc crate declares semget alone; signatures of semop(2) and semctl(2).
unsafe extern "C" {
    fn semtimedop(id: c_int, operations: *mut Operation, count: size_t, timeout: *const timespec) -> c_int;
    fn semctl(id: c_int, number: c_int, command: c_int, ...) -> c_int;
}

/// `union semun`, which is semctl's last argument: the number is not everywhere at the low end of it.
#[repr(C)]
union Argument {
    value: c_int,
    pointer: *mut libc::c_void,
}
const _: () = assert!(size_of::<Argument>() == size_of::<*mut libc::c_void>());

/// A set of one semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Semaphore(c_int);

impl Semaphore {
    /// Makes one; `EEXIST` where the key is taken.
    pub(super) fn create(key: u32) -> Result<Self, Errno> {
        get(key, libc::IPC_CREAT | libc::IPC_EXCL | 0o600).map(Self)
    }

    /// The one with this key.
    pub(super) fn find(key: u32) -> Result<Self, Errno> {
        get(key, 0).map(Self)
    }

    /// Sets its value.
    pub(super) fn set(self, value: c_int) -> Result<(), Errno> {
        let mut argument = Argument { pointer: ptr::null_mut() };
        argument.value = value;
        // SAFETY: SETVAL takes the union by value, and of it the number.
        Errno::result(unsafe { semctl(self.0, 0, SETVAL, argument) }).map(drop)
    }

    /// Its value.
    pub(super) fn value(self) -> Result<c_int, Errno> {
        // SAFETY: GETVAL takes no argument.
        Errno::result(unsafe { semctl(self.0, 0, GETVAL) })
    }

    /// Its number in the kernel's tables.
    pub(super) fn id(self) -> c_int {
        self.0
    }

    /// Takes it away; whoever waits for it is told.
    pub(super) fn remove(self) -> Result<(), Errno> {
        // SAFETY: IPC_RMID takes no argument.
        Errno::result(unsafe { semctl(self.0, 0, libc::IPC_RMID) }).map(drop)
    }

    /// Adds to it without waiting: `EAGAIN` where that would have to wait.
    pub(super) fn add(self, change: i16) -> Result<(), Errno> {
        self.operate(Operation { number: 0, change, flags: NOWAIT }, None)
    }

    /// Waits until it is 0: `EAGAIN` when that took too long, `EIDRM` or `EINVAL` when it went away.
    pub(super) fn wait_for_zero(self, limit: Duration) -> Result<(), Errno> {
        self.operate(Operation { number: 0, change: 0, flags: 0 }, Some(limit))
    }

    fn operate(self, mut operation: Operation, limit: Option<Duration>) -> Result<(), Errno> {
        let limit = limit.map(|limit| timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: one operation and at most one time, both alive for the call.
        Errno::result(unsafe { semtimedop(self.0, &raw mut operation, 1, limit) }).map(drop)
    }
}

fn get(key: u32, flags: c_int) -> Result<c_int, Errno> {
    let key = key_t::from_ne_bytes(key.to_ne_bytes());
    // SAFETY: numbers alone.
    Errno::result(unsafe { libc::semget(key, 1, flags) })
}
