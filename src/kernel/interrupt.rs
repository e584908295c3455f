//! Ctrl-C while waiting: seen as an event, so that what runs on in the kernel can be told before the end; and the signal by which
//! a process that stays is asked to read its configuration again.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use nix::{
    poll::PollFlags,
    sys::{
        signal::{SigSet, SigmaskHow, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use super::{KernelError, wait};

/// SIGINT and SIGTERM, kept from ending this thread as long as this lives.
#[derive(Debug)]
pub struct Interrupt {
    signals: SignalFd,
    /// SIGHUP, where it is a call.
    calls: Option<SignalFd>,
    /// What was kept away before.
    before: SigSet,
}

/// These become events for this thread; what was kept away before.
fn block(signals: &[Signal]) -> Result<(SignalFd, SigSet), KernelError> {
    let error = |what: &'static str| move |errno| KernelError::new("SIGINT", what, errno);
    let set: SigSet = signals.iter().copied().collect();
    let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(error("block"))?;
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
    Ok((signals.map_err(error("signalfd"))?, before))
}

impl Interrupt {
    /// From now on they are events.
    pub fn catch() -> Result<Self, KernelError> {
        let (signals, before) = block(&[Signal::SIGINT, Signal::SIGTERM])?;
        Ok(Self { signals, calls: None, before })
    }

    /// SIGHUP is one from now on, too: a call.
    pub fn and_calls(mut self) -> Result<Self, KernelError> {
        let (calls, _) = block(&[Signal::SIGHUP])?;
        self.calls = Some(calls);
        Ok(self)
    }

    /// Whether a call has come since this was asked last.
    pub fn was_called(&self) -> bool {
        let next = || self.calls.as_ref()?.read_signal().ok().flatten();
        let called = next().is_some();
        while next().is_some() {}
        called
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        // Nothing is read, so it stays to be seen.
        wait::ready(&[self.signals.as_fd()], PollFlags::POLLIN, Duration::ZERO).unwrap_or(false)
    }

    /// Waits for one, or until time is over.
    pub fn wait(&self, deadline: super::Deadline) -> Result<(), KernelError> {
        match deadline.left() {
            Some(left) => wait::ready(&self.descriptors(), PollFlags::POLLIN, left).map(drop),
            None => Ok(()),
        }
    }

    /// Of interrupts and calls.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        [Some(&self.signals), self.calls.as_ref()].into_iter().flatten().map(AsFd::as_fd).collect()
    }

    /// Whether an interrupt or a call waits to be asked for.
    pub(super) fn is_there(&self) -> bool {
        wait::ready(&self.descriptors(), PollFlags::POLLIN, Duration::ZERO).unwrap_or(false)
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        // The process is about to go on as before; a mask that stays is no harm.
        let _ = self.before.thread_set_mask();
    }
}
