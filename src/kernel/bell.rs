//! One wait for whatever happens to arrays: /proc/mdstat tells of members and synchronisations, the kernel's events of arrays that
//! come and go.

use std::os::fd::AsFd;

use super::{
    KernelError, Machine, Watched,
    interrupt::Interrupt,
    uevent::{Listener, Source},
    wait::{self, Deadline},
};

/// Rings when something happens to an array.
#[derive(Debug)]
pub struct Bell {
    mdstat: Option<Watched>,
    /// `None` where nobody may listen.
    events: Option<Listener>,
    machine: Machine,
}

impl Bell {
    /// From now on nothing is missed.
    ///
    /// # Errors
    /// /proc/mdstat is there and cannot be read.
    pub fn hang(machine: &Machine) -> Result<Self, KernelError> {
        let events = match Listener::new(Source::Kernel) {
            Ok(events) => Some(events),
            Err(error) => {
                tracing::debug!(%error, "no events of arrays");
                None
            }
        };
        let mut bell = Self { mdstat: None, events, machine: machine.clone() };
        bell.read()?;
        Ok(bell)
    }

    /// What was told until now is not told again. The driver may be loaded later, and /proc/mdstat comes with it.
    fn read(&mut self) -> Result<(), KernelError> {
        if self.mdstat.is_none() {
            self.mdstat = Watched::open(&self.machine.procfs.path("mdstat"))?;
        }
        match &mut self.mdstat {
            Some(file) => file.read().map(drop),
            None => Ok(()),
        }
    }

    /// Waits; whether it rang before the time was over or an interrupt or a call came.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self, interrupt: &Interrupt, deadline: Deadline) -> Result<bool, KernelError> {
        let rang = loop {
            let Some(left) = deadline.left() else { break false };
            let mdstat = self.mdstat.as_ref().map(AsFd::as_fd);
            let mut inputs = interrupt.descriptors();
            inputs.extend(self.events.as_ref().map(AsFd::as_fd));
            if wait::exceptional(mdstat, &inputs, left)? {
                break true;
            }
            if interrupt.is_there() {
                break false;
            }
            if self.events.as_ref().is_some_and(is_of_arrays) {
                break true;
            }
        };
        self.read()?;
        Ok(rang)
    }
}

/// Whether an array is among the devices that events have come about. Where events were lost one may be.
fn is_of_arrays(events: &Listener) -> bool {
    let mut found = false;
    loop {
        match events.next_now() {
            Ok(Some(event)) => found |= event.is_block() && event.kernel_name().starts_with("md"),
            Ok(None) => return found,
            Err(error) => {
                tracing::debug!(%error, "events were lost");
                return true;
            }
        }
    }
}
