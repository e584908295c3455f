//! Taking back devices that were members: where they stand, or by their own superblock.

use superblock::{Events, Native, Write};

use super::{Attempt, KernelRefusal, ManageContext, Todo, add, apart::Apart, copy, member};
use crate::{
    model::{
        Device,
        manage::{ManageSubject, Managed},
    },
    plan::{DiskInfo, MdStep, Refusal, Step, disk_state},
    request::ManageOp,
    words::MemberAttr,
};

/// A failed member that was not taken out yet: the kernel can take it back as it is.
pub(super) fn attached(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Option<Attempt> {
    if todo.op != ManageOp::ReAdd || todo.quiet {
        return None;
    }
    let link = array.link_of(subject.dev?)?;
    let kernel = &context.array.kernel;
    let step = Step::Md(MdStep::SetMember {
        array: context.array.clone(),
        member: crate::plan::MemberName { link: Some(link.name.clone()), ..member(todo, subject) },
        attr: MemberAttr::State,
        value: "re-add".to_owned(),
    });
    let path = format!("/sys/block/{kernel}/md/dev-{}/state", link.name);
    let refused = KernelRefusal::Aloud(format!("failed to write 're-add' to '{path}'"));
    let summary = format!("take {} back into {}", todo.word, context.array.path);
    let mut way = Attempt::new(summary, vec![step, Step::Commit], refused);
    way.said = Some(format!("re-add {} to {kernel} succeed", todo.word));
    Some(way)
}

/// Number, slot and state that a device's own superblock gives it; `None` where it was no member in a slot.
fn seat(array: &Managed, device: &Device) -> Option<(DiskInfo, Events)> {
    let number = |n: u32| i32::try_from(n).ok();
    let in_slot = disk_state::ACTIVE | disk_state::SYNC;
    let native = add::superblock_of(array, device)?;
    // The kernel would believe its numbers.
    native.bounds().ok()?;
    match native.fields() {
        Native::V0(sb) => {
            let disk = sb.this_disk();
            let state = disk.state;
            let whole = state.contains(superblock::v0::DiskState::ACTIVE)
                && !state.contains(superblock::v0::DiskState::FAULTY);
            let info = DiskInfo {
                number: number(disk.number)?,
                raid_disk: number(disk.raid_disk)?,
                state: state.bits(),
            };
            whole.then_some((info, sb.events()))
        }
        Native::V1(sb) => {
            let superblock::Role::Slot { slot, .. } = sb.role() else { return None };
            let mut state = in_slot;
            if sb.devflags().contains(superblock::v1::DevFlags::WRITE_MOSTLY) {
                state |= disk_state::WRITE_MOSTLY;
            }
            if sb.devflags().contains(superblock::v1::DevFlags::FAIL_FAST) {
                state |= disk_state::FAIL_FAST;
            }
            let info = DiskInfo { number: number(sb.dev_number())?, raid_disk: number(slot)?, state };
            Some((info, sb.events()))
        }
    }
}

/// The way of a device whose superblock says that it was a member in a slot, if its number is still free.
pub(super) fn former(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    context: &ManageContext,
) -> Result<Option<Attempt>, Refusal> {
    let Some((mut info, events)) = seat(array, device) else { return Ok(None) };
    if u32::try_from(info.number).is_ok_and(|number| !array.is_free(number)) {
        return Ok(None);
    }
    let word = &todo.word;
    for (wish, bit) in [(todo.write_mostly, disk_state::WRITE_MOSTLY), (todo.failfast, disk_state::FAIL_FAST)]
    {
        match wish {
            Some(true) => info.state |= bit,
            Some(false) => info.state &= !bit,
            None => {}
        }
    }
    let writes = updated(todo, array, device, context)?;
    let steps = add::steps(array, device, context, (Vec::new(), writes), info, false);
    let refused = KernelRefusal::Quietly(format!("add new device failed for {word}: "));
    let mut way = Attempt::new(format!("take {word} back into {}", context.array.path), steps, refused);
    way.said = Some(format!("re-added {word}"));
    way.copy = Some(copy::of_former_member(array, events, current(array)));
    Ok(Some(way))
}

/// The superblock with what was asked for, where something was.
fn updated(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    context: &ManageContext,
) -> Result<Vec<Write>, Refusal> {
    if context.update.is_none() && todo.write_mostly.is_none() && todo.failfast.is_none() {
        return Ok(Vec::new());
    }
    let failed = || Refusal::new("failed to update superblock during re-add");
    let found = add::superblock_of(array, device).map(|found| (found, found.fields()));
    match found {
        Some((found, Native::V1(sb))) => {
            found.check().map_err(|_| failed())?;
            let mut sb = sb.clone();
            super::update::update(&mut sb, todo, array, device, context.update)?;
            Ok(vec![sb.encode()])
        }
        // Where 0.90 keeps these flags the kernel writes them itself.
        Some((_, Native::V0(_))) if context.update.is_none() => Ok(Vec::new()),
        _ => Err(failed()),
    }
}

/// The array's own count.
pub(super) fn current(array: &Managed) -> Events {
    array.detail.superblock.as_ref().map_or(Events(0), |superblock| superblock.native.events())
}

/// Why a device that has this array's superblock cannot come back as what it was.
pub(super) fn objection(array: &Managed, device: &Device) -> Option<String> {
    add::superblock_of(array, device)?;
    match Apart::of(array, device) {
        Some(apart) if apart.has_its_own() => {
            return Some("it was written to apart from the array".to_owned());
        }
        Some(_) => return Some("other members were replaced since".to_owned()),
        None => {}
    }
    let Some((info, events)) = seat(array, device) else {
        return Some("it was no member in a slot when it was written last".to_owned());
    };
    if u32::try_from(info.number).is_ok_and(|number| !array.is_free(number)) {
        return Some(format!("its number {} has been given to another device", info.number));
    }
    match copy::of_former_member(array, events, current(array)) {
        super::Copy::Full { why, .. } => Some(why),
        _ => Some("the kernel did not take it back as what it was".to_owned()),
    }
}
