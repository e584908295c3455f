//! Marking members as failed, and taking them out.

use super::{Attempt, Context, Decision, Refused, Todo, is_member_array, member};
use crate::{
    model::manage::{Managed, Subject},
    plan::{Refusal, Step},
};

/// Marks a member as failed. Without `--force` not one whose data the array cannot do without, however it was spelled.
pub(super) fn fail(
    todo: &Todo,
    array: &Managed,
    subject: &Subject,
    context: &Context,
) -> Result<Decision, Refusal> {
    let (word, shown) = (&todo.word, &context.array.path);
    if !context.force && is_needed(array, subject) {
        return Err(Refusal::new(format!("Cannot remove {word} from {shown}, array will be failed."))
            .hint("--force fails it all the same; what is on the array is then lost to its users"));
    }
    let step = Step::Fail { array: context.array.clone(), member: member(todo, subject) };
    let refused = Refused::Because(format!("set device faulty failed for {word}: "));
    let mut way =
        Attempt::new(format!("mark {word} in {shown} as failed"), vec![step, Step::Commit], refused);
    way.detail = Some(format!("set {word} faulty in {shown}"));
    Ok(Decision::only(way))
}

/// Whether the array has enough members with this one and not without it.
fn is_needed(array: &Managed, subject: &Subject) -> bool {
    let Some(dev) = subject.dev else { return false };
    let with = array.present(None);
    let without = array.present(Some(dev));
    with != without && !array.geometry().enough(&without, array.detail.flags.clean)
}

/// Takes a member out. Whether it may go is the kernel's to say: it keeps those that are in use.
pub(super) fn remove(
    todo: &Todo,
    array: &Managed,
    subject: &Subject,
    context: &Context,
) -> Result<Decision, Refusal> {
    if is_member_array(array) {
        return Err(Refusal::new(
            "Cannot remove disks from a 'member' array, perform this operation on the parent container",
        ));
    }
    let (word, shown) = (&todo.word, &context.array.path);
    let step =
        Step::Remove { array: context.array.clone(), member: member(todo, subject), patient: context.force };
    let refused = Refused::Because(format!("hot remove failed for {word}: "));
    let mut way = Attempt::new(format!("take {word} out of {shown}"), vec![step, Step::Commit], refused);
    way.said = Some(format!("hot removed {word} from {shown}"));
    Ok(Decision::only(way))
}
