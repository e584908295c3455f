//! Changing the members of an array that runs. Each word of the command sees what those before it have left, so each is
//! decided by itself: from the array as it is then, and the device that the word names.

mod add;
pub mod already;
mod apart;
mod copy;
mod fail;
mod pair;
mod readd;
pub mod session;
pub mod twin;
mod update;
mod whole;
mod words;

use crate::{
    model::{
        DevId,
        detail::{MetadataVersion, TableMember},
        manage::{ManageSubject, Managed, Unknown},
    },
    request::{ManageOp, Update},
    words::SyncAction,
};
use jiff::tz::TimeZone;
use superblock::MdUuid;

use super::{ArrayName, MdStep, MemberName, Plan, Refusal, SeenMember, Step, SystemStep};

pub use copy::{Copy, full};
pub use words::{Meaning, NamedMember, meaning};

/// One device and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// The operation.
    pub op: ManageOp,
    /// The word, as it is shown.
    pub word: String,
    /// `--write-mostly`, or its opposite, came before it.
    pub write_mostly: Option<bool>,
    /// `--failfast`, or its opposite, came before it.
    pub failfast: Option<bool>,
    /// It was found by `failed`, `detached` or `set-A`.
    pub found: bool,
    /// It was found by `missing`: that it does not fit is no failure.
    pub quiet: bool,
    /// With `--with`: the slot of the member that it is to replace.
    pub slot: Option<u32>,
}

/// What holds for the whole command.
#[derive(Clone, Debug)]
pub struct ManageContext {
    /// The array's names; the path is as it was typed.
    pub array: ArrayName,
    /// `--force`.
    pub force: bool,
    /// `--update=`.
    pub update: Option<Update>,
    /// Whether a new member gets a bad-block log (`CREATE bbl=`).
    pub bad_block_log: bool,
    /// Random identities.
    pub fresh: Vec<MdUuid>,
    /// The zone for dates.
    pub zone: TimeZone,
}

/// One way to do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The steps.
    pub plan: Plan,
    /// What is said when they were taken; several lines are several messages.
    pub said: Option<String>,
    /// What is said only with `--verbose`.
    pub detail: Option<String>,
    /// When the kernel refuses.
    pub refused: KernelRefusal,
    /// What it copies.
    pub copy: Option<Copy>,
}

/// What a kernel's refusal means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelRefusal {
    /// The end: this, which ends in a colon and blanks, and then the kernel's words.
    Because(String),
    /// The end: this says all.
    Plainly(String),
    /// The next way is tried, without a word. Where the kernel has no memory or the array takes no writes it is the
    /// end nevertheless.
    Quietly(String),
    /// The next way is tried; this and the kernel's words in brackets are said.
    Aloud(String),
}

/// The ways, in the order in which they are tried, and what to do when none of them led anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManageDecision {
    /// Tried until one succeeds.
    pub ways: Vec<Attempt>,
    /// Without a way left.
    pub otherwise: Otherwise,
    /// For the next `--with`: the slot that was marked.
    pub marked: Option<u32>,
    /// Counts for `--test`.
    pub counts: bool,
}

/// When no way led anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// Nothing is said.
    #[default]
    Nothing,
    /// Nothing, but for those who want to hear everything.
    Mention(String),
    /// This is said, and it is no failure.
    Warn(Refusal),
    /// It is a failure.
    Refuse(Refusal),
    /// These words take its place.
    Instead(Vec<Todo>),
}

impl ManageDecision {
    /// One way and no other.
    fn only(way: Attempt) -> Self {
        Self { ways: vec![way], counts: true, ..Self::default() }
    }
}

impl Attempt {
    fn new(summary: String, steps: Vec<Step>, refused: KernelRefusal) -> Self {
        Self {
            plan: Plan { summary, steps, warnings: Vec::new() },
            said: None,
            detail: None,
            refused,
            copy: None,
        }
    }

    /// Whether recovery is kept from starting when it was carried out.
    #[must_use]
    pub fn freezes(&self) -> bool {
        self.plan.steps.iter().any(|step| matches!(step, Step::Md(MdStep::Freeze { .. })))
    }
}

/// The letter by which the original calls an operation.
pub(super) trait Letter {
    fn letter(self) -> char;
}

impl Letter for ManageOp {
    fn letter(self) -> char {
        match self {
            Self::Add => 'a',
            Self::AddSpare => 'S',
            Self::AddJournal => 'j',
            Self::ReAdd => 'A',
            Self::Remove => 'r',
            Self::Fail => 'f',
            Self::Replace => 'R',
            Self::With => 'W',
            Self::ClusterConfirm => 'c',
        }
    }
}

/// Decides about one word.
///
/// # Errors
/// In the original's words.
pub fn decide(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<ManageDecision, Refusal> {
    if let Some(unknown) = &subject.unknown {
        if todo.quiet {
            return Ok(ManageDecision::default());
        }
        return Err(Refusal::new(match unknown {
            Unknown::NoFile(why) => format!("stat failed for {}: {why}", todo.word),
            Unknown::NotBlock => format!("{} is not a block device.", todo.word),
        }));
    }
    if todo.op == ManageOp::ClusterConfirm {
        return confirm(todo, array, subject, context);
    }
    match todo.op {
        ManageOp::Fail => fail::fail(todo, array, subject, context),
        ManageOp::Remove => fail::remove(todo, array, subject, context),
        ManageOp::Replace => pair::replace(todo, array, subject, context),
        ManageOp::With => pair::with(todo, array, subject, context),
        ManageOp::Add
        | ManageOp::AddSpare
        | ManageOp::AddJournal
        | ManageOp::ReAdd
        | ManageOp::ClusterConfirm => add::add(todo, array, subject, context),
    }
}

/// Answers what another node of a cluster asks: whether we see the device that it wants to add.
fn confirm(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<ManageDecision, Refusal> {
    if !array.detail.flags.clustered {
        let shown = &context.array.path;
        return Err(Refusal::new(format!("{shown} is not a clustered array: there is nothing to confirm")));
    }
    if todo.word != "missing" {
        return add::add(todo, array, subject, context);
    }
    let steps = vec![Step::Md(MdStep::DenyDevice { array: context.array.clone() }), Step::Commit];
    let refused = KernelRefusal::Because("CLUSTERED_DISK_NACK failed: ".to_owned());
    Ok(ManageDecision::only(Attempt::new(
        "deny the device that the cluster asks about".to_owned(),
        steps,
        refused,
    )))
}

/// Lets recovery start again.
#[must_use]
pub fn thaw(array: &ArrayName) -> Plan {
    let summary = format!("let recovery of {} start", array.path);
    Plan {
        summary,
        steps: vec![Step::Md(MdStep::Thaw { array: array.clone() }), Step::Commit],
        warnings: Vec::new(),
    }
}

/// The step that keeps recovery from starting, where that is possible and was not done already. What runs and is no
/// recovery is left alone.
pub(super) fn freeze(array: &Managed, context: &ManageContext) -> Option<Step> {
    let may = matches!(array.sync_action, Some(SyncAction::Idle | SyncAction::Recover));
    (may && !array.frozen).then(|| Step::Md(MdStep::Freeze { array: context.array.clone() }))
}

/// What is looked at again once others are kept away: with two commands at once each would see what the other one is about
/// to take. Nothing where the kernel has no table of the members, for containers and before the start.
pub(super) fn look_again(array: &Managed, context: &ManageContext) -> Option<Step> {
    states(array, &context.array)
}

/// The same for others who change an array by its members' states.
pub(in crate::plan) fn states(array: &Managed, name: &ArrayName) -> Option<Step> {
    let seen = |member: &TableMember| SeenMember {
        number: member.number,
        dev: member.dev,
        faulty: member.state.faulty,
        serves: (member.state.sync && !member.state.faulty).then_some(member.raid_disk),
    };
    let members = &array.detail.members;
    let has_table = !is_external(array) && members.iter().all(|member| member.number >= 0);
    has_table.then(|| {
        let members = members.iter().map(seen).collect();
        Step::Md(MdStep::ExpectStates { array: name.clone(), members })
    })
}

/// One act on a member, under the lock of the map and after a second look. By force nothing is asked of the other members, so
/// nobody is waited for.
fn guarded(act: MdStep, array: &Managed, context: &ManageContext) -> Vec<Step> {
    match look_again(array, context).filter(|_| !context.force) {
        None => vec![Step::Md(act), Step::Commit],
        Some(again) => vec![
            Step::System(SystemStep::LockMap),
            again,
            Step::Md(act),
            Step::Commit,
            Step::System(SystemStep::UnlockMap),
        ],
    }
}

/// Arrays on containers are changed through their container.
fn is_member_array(array: &Managed) -> bool {
    array.detail.container.is_some()
}

fn is_external(array: &Managed) -> bool {
    matches!(array.detail.metadata, MetadataVersion::External(_))
}

/// The member as steps name it.
fn member(todo: &Todo, subject: &ManageSubject) -> MemberName {
    MemberName { shown: todo.word.clone(), dev: subject.dev, link: subject.link.clone() }
}

/// The array as it is after a step, for a dry run.
#[must_use]
pub fn after(mut array: Managed, step: &Step) -> Managed {
    let same = |member: &MemberName, dev: DevId| member.dev == Some(dev);
    match step {
        Step::Md(MdStep::Fail { member, .. }) => {
            for found in array.detail.members.iter_mut().filter(|found| same(member, found.dev)) {
                found.state.faulty = true;
                found.state.sync = false;
            }
        }
        Step::Md(MdStep::Remove { member, .. }) => {
            array.detail.members.retain(|found| !same(member, found.dev));
            array.links.retain(|link| link.dev.is_none_or(|dev| !same(member, dev)));
        }
        Step::Md(MdStep::Freeze { .. }) => array.frozen = true,
        _ => {}
    }
    array
}

#[cfg(test)]
pub(in crate::plan) mod bench;
#[cfg(test)]
mod data_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
pub(in crate::plan) mod tests;
