//! Ctrl-C while waiting: seen as an event, so that what runs on in the kernel can be told before the end.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use nix::{
    poll::PollFlags,
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use super::{KernelError, wait};

/// SIGINT and SIGTERM, kept from ending this thread as long as this lives.
#[derive(Debug)]
pub struct Interrupt {
    signals: SignalFd,
    set: SigSet,
}

impl Interrupt {
    /// From now on they are events.
    pub fn catch() -> Result<Self, KernelError> {
        let error = |what: &'static str| move |errno| KernelError::new("SIGINT", what, errno);
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
        set.thread_block().map_err(error("block"))?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        Ok(Self { signals: signals.map_err(error("signalfd"))?, set })
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        // Nothing is read, so it stays to be seen.
        wait::ready(&[self.signals.as_fd()], PollFlags::POLLIN, Duration::ZERO).unwrap_or(false)
    }

    /// Waits for one, or until time is over.
    pub fn wait(&self, deadline: super::Deadline) -> Result<(), KernelError> {
        match deadline.left() {
            Some(left) => wait::ready(&[self.signals.as_fd()], PollFlags::POLLIN, left).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        // The process is about to go on as before; a mask that stays is no harm.
        let _ = self.set.thread_unblock();
    }
}
