//! What is done to the members of an array that runs.

use std::time::Duration;

use anyhow::{Result, anyhow};
use nix::errno::Errno;

use super::live::Live;
use crate::{
    kernel::{self, Deadline, KernelError, wait},
    plan::{ArrayName, MemberName},
};

/// How long a member is given that the kernel is still letting go of.
const BRIEFLY: Duration = Duration::from_millis(50);
/// The same, where somebody insists.
const PATIENTLY: Duration = Duration::from_secs(5);

impl Live {
    /// By its number; a member whose device is gone by its name in sysfs.
    pub(super) fn fail(&mut self, array: &ArrayName, member: &MemberName) -> Result<()> {
        let failed = match member.dev {
            Some(dev) => self.array(array)?.set_disk_faulty(number(dev)),
            None => return self.set_member(array, member, "state", "faulty"),
        };
        failed.map_err(|error| self.with_log(array, of(member, error)))
    }

    /// A member that has just failed is in use for a moment longer.
    pub(super) fn remove(&mut self, array: &ArrayName, member: &MemberName, patient: bool) -> Result<()> {
        let limit = Deadline::after(if patient { PATIENTLY } else { BRIEFLY });
        let removed = match member.dev {
            Some(dev) => {
                let opened = self.array(array)?;
                wait::retry(limit, || opened.hot_remove_disk(number(dev)), |error| error.is(Errno::EBUSY))
            }
            None => {
                let state = self.attribute(array, member, "state")?;
                let sysfs = &self.machine().sysfs;
                wait::retry(limit, || sysfs.write(&state, "remove"), |error| error.is(Errno::EBUSY))
            }
        };
        removed.map_err(|error| of(member, error).into())
    }

    pub(super) fn set_member(
        &mut self,
        array: &ArrayName,
        member: &MemberName,
        attr: &str,
        value: &str,
    ) -> Result<()> {
        let path = self.attribute(array, member, attr)?;
        let written = self.machine().sysfs.write(path, value);
        written.map_err(|error| self.with_log(array, error))
    }

    fn attribute(&self, array: &ArrayName, member: &MemberName, attr: &str) -> Result<String> {
        let known = member.link.clone();
        let found = || {
            let dev = number(member.dev?);
            let array = self.machine().sysfs.array(&array.kernel);
            Some(array.member_of(dev).ok()??.name().to_owned())
        };
        let name = known.or_else(found);
        let name = name.ok_or_else(|| anyhow!("{} is no member of {array}", member.shown))?;
        Ok(format!("block/{}/md/dev-{name}/{attr}", array.kernel))
    }
}

fn number(dev: crate::model::DevId) -> kernel::DevId {
    kernel::DevId { major: dev.major, minor: dev.minor }
}

/// The member is what the error is about, not the array.
fn of(member: &MemberName, error: KernelError) -> KernelError {
    KernelError { device: member.shown.clone(), ..error }
}
