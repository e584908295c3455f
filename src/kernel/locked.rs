//! Memory that stays, and signals that wait: for the moment in which devices are suspended.

use nix::sys::{
    mman::{MlockAllFlags, mlockall, munlockall},
    signal::{SigSet, SigmaskHow},
};

/// As long as this lives, no page of this process is taken away, and no signal ends or interrupts this thread. (SIGKILL
/// does; for that there are notes.)
#[derive(Debug)]
pub struct Undisturbed {
    before: Option<SigSet>,
    locked: bool,
}

impl Undisturbed {
    /// From now on. Where memory cannot be locked it goes on without: what is needed has been touched.
    #[must_use]
    pub fn begin() -> Self {
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        let locked = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE);
        if let Err(errno) = locked {
            tracing::debug!(%errno, "memory is not locked");
        }
        Self { before, locked: locked.is_ok() }
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        if self.locked {
            let _ = munlockall();
        }
        if let Some(before) = &self.before {
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn signals_wait_and_come_back() {
        let blocked = || SigSet::thread_get_mask().unwrap().contains(Signal::SIGTERM);
        let before = blocked();
        let undisturbed = Undisturbed::begin();
        assert!(blocked());
        drop(undisturbed);
        assert_eq!(blocked(), before);
    }
}
