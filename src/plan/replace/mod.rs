//! `mdctl replace ARRAY OLD NEW`: one verb for a member that still serves, one that failed, and one that is gone.

pub mod lost;
pub mod session;

use superblock::{Level, probe::Found};

use super::{
    MdStep, MemberName, Plan, Refusal, Step,
    manage::{self, Copy, ManageContext, Todo},
};
use crate::{
    model::{
        DevId,
        manage::{Link, ManageSubject, Managed},
    },
    request::ManageOp,
    words::{ArrayState, MemberAttr, MemberState, SyncAction},
};

/// What is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldMember {
    /// A member that serves in this slot: it is copied, and serves until the copy is whole.
    Serving {
        /// The device.
        dev: DevId,
        /// Its slot.
        slot: u32,
    },
    /// A member that failed and was not taken out.
    Failed {
        /// The device; `None` where it is gone from the machine.
        dev: Option<DevId>,
        /// Its name in sysfs.
        link: String,
    },
    /// An empty slot.
    Missing,
}

impl OldMember {
    /// Its device, where there is one.
    #[must_use]
    pub fn dev(&self) -> Option<DevId> {
        match self {
            Self::Serving { dev, .. } => Some(*dev),
            Self::Failed { dev, .. } => *dev,
            Self::Missing => None,
        }
    }
}

/// What is done, and how its end is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacing {
    /// What starts it.
    pub plan: Plan,
    /// What it replaces.
    pub old: OldMember,
    /// The slot, where it is known beforehand.
    pub slot: Option<u32>,
    /// What is copied.
    pub copy: Copy,
    /// Taken as what it was: the kernel may refuse that, then it is added as new.
    pub otherwise: Option<Box<Replacing>>,
}

/// Understands the word for the old member: a device, its kernel name or number, a slot, or `missing`.
///
/// # Errors
/// It names nothing that could be replaced.
pub fn old(word: &str, array: &Managed, subject: &ManageSubject, shown: &str) -> Result<OldMember, Refusal> {
    let slots = array.detail.counts.raid_disks;
    if word == "missing" {
        return match (failed(array), array.present(None).contains(&false)) {
            (Some(link), true) => Ok(of_link(link)),
            (None, true) => Ok(OldMember::Missing),
            (_, false) => Err(Refusal::new(format!("no member of {shown} is missing"))),
        };
    }
    if let Ok(slot) = word.parse::<u32>() {
        if slot >= slots {
            return Err(Refusal::new(format!("{shown} has slots 0 to {}", slots.saturating_sub(1))));
        }
        let seated =
            array.links.iter().find(|link| link.slot == Some(slot) && !link.is(&MemberState::Replacement));
        return Ok(seated.map_or(OldMember::Missing, of_link));
    }
    let by_name = array.links.iter().find(|link| link.name == word);
    let link = by_name.or_else(|| subject.dev.and_then(|dev| array.link_of(dev)));
    match link {
        Some(link) if link.slot.is_none() && !link.is(&MemberState::Faulty) => {
            Err(Refusal::new(format!("{word} is a spare of {shown}: there is nothing on it to replace")))
        }
        Some(link) => Ok(of_link(link)),
        None => removed(word, array, subject, shown),
    }
}

fn of_link(link: &Link) -> OldMember {
    match (link.is(&MemberState::Faulty), link.slot, link.dev) {
        (false, Some(slot), Some(dev)) => OldMember::Serving { dev, slot },
        _ => OldMember::Failed { dev: link.dev, link: link.name.clone() },
    }
}

fn failed(array: &Managed) -> Option<&Link> {
    array.links.iter().find(|link| link.is(&MemberState::Faulty))
}

/// A device that is no member any more: by its superblock it was one of this array.
fn removed(word: &str, array: &Managed, subject: &ManageSubject, shown: &str) -> Result<OldMember, Refusal> {
    let device = subject.seen.as_ref().and_then(|seen| seen.found.as_ref().ok());
    let was = device.is_some_and(|device| {
        let Some(ours) = &array.detail.superblock else { return false };
        let ours = |found: &Found| found.fields().array() == ours.native.array();
        device.probe.found.iter().any(ours)
    });
    if was && array.present(None).contains(&false) {
        return Ok(OldMember::Missing);
    }
    let refusal = Refusal::new(format!("{word} is no member of {shown}"));
    Err(refusal.hint("for a member that is gone say 'missing', or the number of its slot"))
}

/// Decides what starts the replacement.
///
/// # Errors
/// The array cannot replace, or the new device cannot join it.
pub fn plan(
    words: (&str, &str),
    old: OldMember,
    array: &Managed,
    new: &ManageSubject,
    context: &ManageContext,
) -> Result<Replacing, Refusal> {
    let (old_word, new_word) = words;
    let shown = &context.array.path;
    able(array, shown)?;
    manage::already::not_yet(new_word, new.dev, array, shown)?;
    if let OldMember::Serving { slot, .. } = old {
        manage::already::not_replaced(old_word, slot, array, shown)?;
    }
    let spare = match new.dev.and_then(|dev| array.link_of(dev)) {
        None => None,
        Some(link) if link.is(&MemberState::Faulty) => {
            return Err(Refusal::new(format!("{new_word} has failed in {shown}"))
                .hint(format!("take it out first: mdctl manage {shown} --remove {new_word}")));
        }
        Some(link) => Some(link),
    };
    let serving = matches!(old, OldMember::Serving { .. });
    let op = if serving { ManageOp::AddSpare } else { ManageOp::Add };
    let todo = Todo::of(op, new_word);
    let mut ways = match spare {
        Some(_) => Vec::new(),
        None => manage::decide(&todo, array, new, context)?.ways,
    };
    // A spare that is there already is filled as soon as the kernel finds an empty slot: nothing needs to be done.
    let begun = spare.map(|_| Replacing {
        plan: Plan { summary: String::new(), steps: vec![Step::Commit], warnings: Vec::new() },
        old: old.clone(),
        slot: None,
        copy: manage::full(array, "it is new to the array"),
        otherwise: None,
    });
    let mut made: Option<Replacing> = begun;
    while let Some(way) = ways.pop() {
        let copy = way.copy.unwrap_or_else(|| manage::full(array, "it is new to the array"));
        made = Some(Replacing {
            plan: way.plan,
            old: old.clone(),
            slot: None,
            copy,
            otherwise: made.map(Box::new),
        });
    }
    let mut made = made.ok_or_else(|| Refusal::new(format!("{new_word} cannot join {shown}")))?;
    made.plan.summary = format!("replace {old_word} in {shown} by {new_word}");
    if let OldMember::Serving { dev, slot } = old {
        made.slot = Some(slot);
        made.copy = manage::full(array, &format!("{old_word} is copied to it and serves until that is done"));
        pair(&mut made.plan, (old_word, dev), (new_word, new.dev), slot, array, context);
    }
    Ok(made)
}

/// The level must have copies, and the metadata must be the kernel's.
fn able(array: &Managed, shown: &str) -> Result<(), Refusal> {
    let level = array.detail.level;
    if !matches!(level, Level::Raid1 | Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10) {
        let name = level.name().unwrap_or("this level");
        return Err(Refusal::new(format!("{shown} is {name}: it has nothing to make a lost member from")));
    }
    let state = array.detail.array_state.as_ref();
    if matches!(state, Some(ArrayState::ReadOnly | ArrayState::Inactive | ArrayState::Clear) | None) {
        return Err(Refusal::new(format!(
            "{shown} is {}: nothing is copied",
            state.map_or("not running", ArrayState::word)
        ))
        .hint(format!("mdctl readwrite {shown}")));
    }
    let other = array.sync_action.as_ref();
    if let Some(action) = other.filter(|action| !matches!(action, SyncAction::Idle | SyncAction::Recover)) {
        return Err(Refusal::new(format!("{shown} is busy with {action}"))
            .hint(format!("wait for its end: mdctl wait {shown}")));
    }
    Ok(())
}

/// Marks the old member and seats the new one beside it, before the kernel may begin.
fn pair(
    plan: &mut Plan,
    old: (&str, DevId),
    new: (&str, Option<DevId>),
    slot: u32,
    array: &Managed,
    context: &ManageContext,
) {
    let set = |word: &str, dev: Option<DevId>, attr: MemberAttr, value: String| {
        Step::Md(MdStep::SetMember {
            array: context.array.clone(),
            member: MemberName { shown: word.to_owned(), dev, link: None },
            attr,
            value,
        })
    };
    let marks = [
        set(old.0, Some(old.1), MemberAttr::State, "want_replacement".to_owned()),
        set(new.0, new.1, MemberAttr::Slot, slot.to_string()),
    ];
    let is_frozen = |step: &Step| matches!(step, Step::Md(MdStep::Freeze { .. }));
    if !plan.steps.iter().any(is_frozen) {
        let freeze = manage::freeze(array, context);
        plan.steps.splice(0..0, freeze);
    }
    let commit = plan.steps.iter().position(|step| *step == Step::Commit).unwrap_or(plan.steps.len());
    plan.steps.splice(commit..commit, marks);
}

/// Lets what was frozen go on, after the commit.
#[must_use]
pub fn thawed(mut plan: Plan, context: &ManageContext) -> Plan {
    if plan.steps.iter().any(|step| matches!(step, Step::Md(MdStep::Freeze { .. }))) {
        plan.steps.push(Step::Md(MdStep::Thaw { array: context.array.clone() }));
    }
    plan
}

/// Where a replacement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Going,
    /// The new member serves in this slot.
    Done {
        /// The slot.
        slot: u32,
    },
    /// The new member failed.
    Lost,
    /// The kernel does not list the new member, or not as what it will be: somebody took it out, or it has to write something
    /// down first.
    Unlisted,
    /// Nothing is copied and the new member does not serve.
    Idle,
}

/// Reads it off the array.
#[must_use]
pub fn standing(array: &Managed, new: DevId, old: &OldMember) -> Standing {
    let Some(link) = array.link_of(new) else { return Standing::Unlisted };
    if link.is(&MemberState::Faulty) {
        // A member with bad blocks that are not written down yet is shown as both, and serves.
        return if link.is(&MemberState::Blocked) { Standing::Unlisted } else { Standing::Lost };
    }
    let replaced = match old {
        // Until the kernel has swapped them, the new one is only a replacement beside the old one.
        OldMember::Serving { dev, .. } => {
            array.link_of(*dev).is_none_or(|link| link.is(&MemberState::Faulty))
        }
        OldMember::Failed { .. } | OldMember::Missing => true,
    };
    match (link.slot, link.is(&MemberState::InSync), replaced) {
        (Some(slot), true, true) => Standing::Done { slot },
        _ if matches!(array.sync_action, Some(SyncAction::Idle | SyncAction::Frozen) | None) => {
            Standing::Idle
        }
        _ => Standing::Going,
    }
}

/// Takes the old member out, where it is still there.
#[must_use]
pub fn take_out(word: &str, array: &Managed, old: &OldMember, context: &ManageContext) -> Option<Plan> {
    let link = match old {
        OldMember::Serving { dev, .. } => array.link_of(*dev)?,
        OldMember::Failed { link, .. } => array.links.iter().find(|found| found.name == *link)?,
        OldMember::Missing => return None,
    };
    let member = MemberName { shown: word.to_owned(), dev: link.dev, link: Some(link.name.clone()) };
    link.is(&MemberState::Faulty).then(|| Plan {
        summary: format!("take {word} out of {}", context.array.path),
        steps: vec![
            Step::Md(MdStep::Remove { array: context.array.clone(), member, patient: true }),
            Step::Commit,
        ],
        warnings: Vec::new(),
    })
}
