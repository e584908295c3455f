//! `--replace` and `--with`: a member is copied to a spare while it still serves.

use super::{
    Attempt, KernelRefusal, ManageContext, ManageDecision, Todo, fail, freeze, is_external, is_member_array,
    member,
};
use crate::{
    model::manage::{Link, ManageSubject, Managed},
    plan::{
        MdStep, MemberName, Refusal, Step,
        only_copy::{Need, need},
    },
    words::{MemberAttr, MemberState},
};

/// Asks for a replacement of a member.
pub(super) fn replace(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<ManageDecision, Refusal> {
    let (word, shown) = (&todo.word, &context.array.path);
    if is_member_array(array) {
        return Err(Refusal::new(
            "Cannot replace disks in a 'member' array, perform this operation on the parent container",
        ));
    }
    if is_external(array) {
        return Err(Refusal::new("--replace only supported for native metadata (0.90 or 1.x)"));
    }
    let link = link(array, subject)
        .ok_or_else(|| Refusal::new(format!("{word} not found in {shown} so cannot --replace it")))?;
    let slot =
        link.slot.ok_or_else(|| Refusal::new(format!("{word} is not active and so cannot be replaced.")))?;
    // The kernel fills a replacement before it finishes a resync.
    let unfinished = |need: &Need| matches!(need, Need::Resync(_) | Need::Reshape);
    let need = subject.dev.filter(|_| !context.force).and_then(|dev| need(array, dev));
    if let Some(need) = need.filter(unfinished) {
        return Err(fail::kept(need, word, array, shown));
    }
    let freeze = freeze(array, context);
    let mark = Step::Md(MdStep::SetMember {
        array: context.array.clone(),
        member: MemberName { link: Some(link.name.clone()), ..member(todo, subject) },
        attr: MemberAttr::State,
        value: "want_replacement".to_owned(),
    });
    let steps = freeze.into_iter().chain([mark, Step::Commit]).collect();
    let refused = KernelRefusal::Plainly(format!("Failed to request replacement for {word}"));
    let mut way = Attempt::new(format!("ask for a replacement of {word} in {shown}"), steps, refused);
    way.said = Some(format!("Marked {word} (device {slot} in {shown}) for replacement"));
    Ok(ManageDecision { marked: Some(slot), ..ManageDecision::only(way) })
}

/// Chooses the spare.
pub(super) fn with(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<ManageDecision, Refusal> {
    let (word, shown) = (&todo.word, &context.array.path);
    let Some(slot) = todo.slot else {
        return Err(Refusal::new(format!("No matching --replace device for --with {word}")));
    };
    let link = link(array, subject).ok_or_else(|| {
        Refusal::new(format!("{word} not found in {shown} so cannot make it preferred replacement"))
    })?;
    if link.is(&MemberState::Faulty) {
        return Err(Refusal::new(format!("{word} is faulty and cannot be a replacement")));
    }
    if link.slot.is_some() {
        return Err(Refusal::new(format!("{word} is active and cannot be a replacement")));
    }
    let choose = Step::Md(MdStep::SetMember {
        array: context.array.clone(),
        member: MemberName { link: Some(link.name.clone()), ..member(todo, subject) },
        attr: MemberAttr::Slot,
        value: slot.to_string(),
    });
    let mut way = Attempt::new(
        format!("let {word} replace the member in slot {slot} of {shown}"),
        vec![choose, Step::Commit],
        KernelRefusal::Plainly(format!("Failed to {word} as preferred replacement.")),
    );
    way.said = Some(format!("Marked {word} in {shown} as replacement for device {slot}"));
    Ok(ManageDecision { counts: false, ..ManageDecision::only(way) })
}

fn link<'a>(array: &'a Managed, subject: &ManageSubject) -> Option<&'a Link> {
    subject.dev.and_then(|dev| array.link_of(dev))
}
