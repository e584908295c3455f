//! How much of the array, and of each member, is used.

use superblock::{Kib, Level, Sectors};

use super::{Act, GrowJob, name, set};
use crate::{
    model::grow::Growing,
    plan::{MdStep, MemberName, Refusal, Step, course::Said},
    request::SizeOrMax,
    words::{ArrayAttr, Errno, MemberAttr, MemberState, SyncAction},
};

/// How much of the array is shown. It is a bound that does not outlive a stop.
pub(super) fn array_size(job: &GrowJob, array: &Growing, size: SizeOrMax) -> Act {
    let shown = &job.array.path;
    let word = |bound: Option<Kib>| bound.map_or_else(|| "default".to_owned(), |kib| kib.0.to_string());
    let to = match size {
        SizeOrMax::Max => None,
        SizeOrMax::Size(sectors) => Some(Kib(sectors.0 / 2)),
    };
    let mut act = Act::new(match to {
        None => format!("show all of {shown}"),
        Some(kib) => format!("show {}K of {shown}", kib.0),
    });
    act.then(
        [set(&name(job, array), ArrayAttr::ArraySize, Some(word(array.bounded)), word(to)), Step::Commit],
        "current kernel does not support setting --array-size",
    );
    act.because.push((Errno::E2BIG, "--array-size setting is too large.".to_owned()));
    act
}

/// How much of each member is used. A member that cannot be told so keeps what it has, and the kernel says no where that matters.
///
/// # Errors
/// The level, or something that runs, does not allow it.
pub(super) fn component_size(job: &GrowJob, array: &Growing, size: SizeOrMax) -> Result<Act, Refusal> {
    let shown = &job.array.path;
    match array.managed.detail.level {
        Level::Raid0 => {
            return Err(Refusal::new("Component size change is not supported for RAID0"));
        }
        Level::Linear => {
            return Err(Refusal::new("Cannot set device size in this type of array."));
        }
        _ => {}
    }
    let now = array.managed.component_size();
    let to = match size {
        SizeOrMax::Max => Kib(0),
        SizeOrMax::Size(sectors) => Kib(sectors.0 / 2),
    };
    let array_name = name(job, array);
    let mut act = Act::new(match size {
        SizeOrMax::Max => format!("use all of each member of {shown}"),
        SizeOrMax::Size(_) => format!("use {}K of each member of {shown}", to.0),
    });
    let freezes = matches!(array.managed.sync_action, Some(SyncAction::Idle | SyncAction::Recover));
    let freeze = freezes.then(|| Step::Md(MdStep::Freeze { array: array_name.clone() }));
    act.then(freeze, "");
    let cannot = format!("Cannot set device size for {shown}: ");
    // A member says how much of it there is; only one that must be told so is asked to use more or less of it.
    let told = array.members.iter().filter(|member| !member.is(&MemberState::Faulty));
    let told = told.filter(|member| needs_telling(member.usable, to, size));
    let members = told.map(|member| {
        Step::Md(MdStep::SetMember {
            array: array_name.clone(),
            member: MemberName {
                shown: member.path.clone().unwrap_or_else(|| member.name.clone()),
                dev: member.dev,
                link: Some(member.name.clone()),
            },
            attr: MemberAttr::Size,
            value: to.0.to_string(),
        })
    });
    act.then(members, cannot.clone());
    act.then(
        [set(&array_name, ArrayAttr::ComponentSize, Some((now.0 / 2).to_string()), to.0.to_string())],
        cannot,
    );
    if job.request.assume_clean {
        act.then([set(&array_name, ArrayAttr::ResyncStart, None, "none")], "");
    }
    act.plan.steps.push(Step::Commit);
    if freezes {
        act.plan.steps.push(Step::Md(MdStep::Thaw { array: array_name }));
    }
    if array.managed.detail.flags.bitmap {
        act.because.push((Errno::EBUSY, "Bitmap must be removed before size can be changed".to_owned()));
    }
    Ok(act)
}

/// A size that a member has room for needs no word to it.
fn needs_telling(usable: Sectors, to: Kib, size: SizeOrMax) -> bool {
    size == SizeOrMax::Max || usable < to.sectors()
}

/// What is said of it, once the array is looked at again.
pub(super) fn came(job: &GrowJob, before: Sectors, after: Sectors) -> Said {
    let (shown, kib) = (&job.array.path, after.0 / 2);
    Said::note(if before == after {
        format!("component size of {shown} unchanged at {kib}K")
    } else {
        format!("component size of {shown} has been set to {kib}K")
    })
}
