//! One stripe while nobody writes to it. md holds writes to a range of sectors back from the moment that `suspend_hi` passes
//! `suspend_lo`, and has let all that were under way end by then.
//!
//! No signal ends it in between. SIGKILL does; the notes that were taken before tell the next command what to let through.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use superblock::{Media, Sectors};

use crate::{
    kernel::{Access, BlockDevice, KernelError, Machine, files, locked::Undisturbed, sysfs::Array},
    plan::{
        mend::{Mend, MendMember},
        run::Outdated,
    },
    words::{ArrayAttr, SyncAction},
};

/// A member with all that is to be written there, made ready before anything is held back.
struct Ready<'a> {
    member: &'a MendMember,
    device: BlockDevice,
    writes: Option<crate::kernel::ready::ReadyWrites>,
    now: Vec<u8>,
}

/// Carries it out.
pub(super) fn carry_out(mend: &Mend, machine: &Machine) -> Result<()> {
    let array = machine.sysfs.array(&mend.array.kernel);
    let mut ready = mend.members.iter().map(open).collect::<Result<Vec<_>>>()?;
    let undisturbed = Undisturbed::begin();
    let done = hold(&array, mend.sectors).and_then(|()| compare_and_write(mend, &array, &mut ready));
    let released = let_go(&array);
    drop(undisturbed);
    released.with_context(|| format!("writes to a part of {} stay held back", mend.array.path))?;
    done?;
    for one in ready.iter().filter(|one| one.writes.is_some()) {
        one.device.sync()?;
    }
    if mend.writes() {
        let (from, up_to) = mend.sectors;
        // Readers of the array are to see it too; those of a file system have pages of their own.
        files::forget_pages(Path::new(&mend.array.path), from.bytes(), up_to.saturating_sub(from).bytes());
    }
    Ok(())
}

fn open(member: &MendMember) -> Result<Ready<'_>> {
    let access = if member.right.is_empty() { Access::Read } else { Access::Write };
    let device = BlockDevice::open(Path::new(&member.path), access)?;
    ensure!(device.dev() == Some(member.dev), Outdated(format!("{} is another device by now", member.path)));
    let writes = (!member.right.is_empty()).then(|| device.ready(&member.right)).transpose()?;
    Ok(Ready { member, device, writes, now: vec![0; member.seen.data.len()] })
}

fn hold(array: &Array<'_>, (from, up_to): (Sectors, Sectors)) -> Result<()> {
    array.write(ArrayAttr::SuspendLo, &from.0.to_string())?;
    Ok(array.write(ArrayAttr::SuspendHi, &up_to.0.to_string())?)
}

/// First the upper end: nothing is held back any more once it is below the lower one.
fn let_go(array: &Array<'_>) -> Result<(), KernelError> {
    array.write(ArrayAttr::SuspendHi, "0")?;
    array.write(ArrayAttr::SuspendLo, "0")
}

fn compare_and_write(mend: &Mend, array: &Array<'_>, ready: &mut [Ready<'_>]) -> Result<()> {
    let path = &mend.array.path;
    let is_whole = array.degraded()? == Some(0);
    let is_idle = array.sync_action()? == Some(SyncAction::Idle);
    ensure!(is_whole && (is_idle || !mend.writes()), Outdated(format!("{path} is at something else by now")));
    for one in ready.iter_mut() {
        let read = one.device.read_at(one.member.seen.at, &mut one.now);
        read.map_err(|error| KernelError::io(one.device.path(), "read", &error))?;
        let same = one.now == one.member.seen.data;
        ensure!(same, Outdated(format!("stripe {} of {path} was written to meanwhile", mend.stripe)));
    }
    for one in ready.iter() {
        if let Some(Err(errno)) = one.writes.as_ref().map(crate::kernel::ready::ReadyWrites::fire) {
            bail!(KernelError::new(one.member.path.clone(), "write", errno));
        }
    }
    Ok(())
}
