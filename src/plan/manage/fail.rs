//! Marking members as failed, and taking them out.

use superblock::Level;

use super::{Attempt, KernelRefusal, ManageContext, ManageDecision, Todo, guarded, is_member_array, member};
use crate::{
    model::{
        DevId,
        manage::{ManageSubject, Managed},
    },
    plan::{
        MdStep, Refusal,
        only_copy::{Need, need},
    },
};

/// Marks a member as failed. Without `--force` not one whose data the array cannot do without, however it was spelled.
pub(super) fn fail(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<ManageDecision, Refusal> {
    let (word, shown) = (&todo.word, &context.array.path);
    let needed = subject.dev.filter(|_| !context.force).and_then(|dev| need(array, dev));
    if let Some(need) = needed {
        return Err(kept(need, word, array, shown));
    }
    let act = MdStep::Fail { array: context.array.clone(), member: member(todo, subject) };
    let refused = KernelRefusal::Because(format!("set device faulty failed for {word}: "));
    let steps = guarded(act, array, context);
    let mut way = Attempt::new(format!("mark {word} in {shown} as failed"), steps, refused);
    way.detail = Some(format!("set {word} faulty in {shown}"));
    Ok(ManageDecision::only(way))
}

/// Why a member stays. The first sentence is the original's where the original refuses, too.
pub(super) fn kept(need: Need, word: &str, array: &Managed, shown: &str) -> Refusal {
    let wait = format!("mdctl wait {shown} waits for its end; --force fails it all the same");
    match need {
        Need::Members => Refusal::new(format!("Cannot remove {word} from {shown}, array will be failed."))
            .hint("--force fails it all the same; what is on the array is then lost to its users"),
        Need::Reshape => Refusal::new(format!(
            "Cannot remove {word} from {shown}: a reshape is not finished, and one of its two shapes would lack too many members"
        ))
        .hint(wait),
        Need::Resync(_) => {
            let why = match array.detail.level {
                Level::Raid1 | Level::Raid10 => "what is not copied yet is only on it",
                _ => "the parity is not right yet, so the others cannot replace what is on it",
            };
            Refusal::new(format!("Cannot remove {word} from {shown}: a resync is not finished, and {why}"))
                .hint(format!("{wait}, and what only it has is lost"))
        }
    }
}

/// Takes a member out. Whether it may go is the kernel's to say: it keeps those that are in use.
pub(super) fn remove(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<ManageDecision, Refusal> {
    if is_member_array(array) {
        return Err(Refusal::new(
            "Cannot remove disks from a 'member' array, perform this operation on the parent container",
        ));
    }
    let (word, shown) = (&todo.word, &context.array.path);
    if !context.force && may_bring_back(array, subject) {
        return Err(Refusal::new(format!(
            "Cannot remove {word} from {shown}: the array has failed, and {word} may be needed to bring it back"
        ))
        .hint(format!(
            "mdctl explain {shown} says how; --force takes it out all the same, and leaves its data as it is"
        )));
    }
    let act = MdStep::Remove {
        array: context.array.clone(),
        member: member(todo, subject),
        patient: context.force || has_failed(array, subject),
    };
    let refused = KernelRefusal::Because(format!("hot remove failed for {word}: "));
    let steps = guarded(act, array, context);
    let mut way = Attempt::new(format!("take {word} out of {shown}"), steps, refused);
    way.said = Some(format!("hot removed {word} from {shown}"));
    Ok(ManageDecision::only(way))
}

/// Whether it is one of those whose failure was too much.
fn may_bring_back(array: &Managed, subject: &ManageSubject) -> bool {
    let failed = array.is_redundant() && !array.geometry().enough(&array.present(None), true);
    failed && has_failed(array, subject)
}

/// Whether it is there and has failed: the kernel lets go of it as soon as what is under way has ended.
fn has_failed(array: &Managed, subject: &ManageSubject) -> bool {
    subject.dev.is_some_and(|dev| is_failed(array, dev))
}

/// The same by its number.
pub(super) fn is_failed(array: &Managed, dev: DevId) -> bool {
    let here = array.detail.members.iter().find(|member| member.dev == dev && member.alive);
    here.is_some_and(|member| member.state.faulty)
}
