//! `mdctl volume`: look, decide, show or ask, do. Whoever changed the group between the look and the lock makes us look again.

mod activate;
mod backup;
mod check;
mod create;
mod group;
mod list;
mod mover;
pub(super) mod recover;
mod resize;
mod restore;
mod rollback;
mod snapshot;

use anyhow::Result;
use superblock::lvm::Group;

use super::{
    DONE, Ended, FAILED, carried_out, keep, keep::Kept, outcome, preview_kept, print, refuse, say, tell,
};
use crate::{
    cli::request::Common,
    inventory,
    kernel::{Machine, terminal},
    model::{
        active::Active,
        volume::{Found, Groups},
    },
    plan::{
        Plan, Refusal, Say, Step,
        volume::{
            metadata::LvmStep,
            remove, rename,
            request::{VolumeName, VolumeRequest},
        },
    },
    report,
    ui::Ui,
};

/// How often the same is planned again because somebody else was quicker.
const ROUNDS: usize = 50;

/// One command at work.
struct Work<'a> {
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
}

/// What a change comes to: a plan, or nothing to do, or no.
type Decided = Result<Option<Plan>, Refusal>;

/// One request.
pub(super) fn run(request: &VolumeRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let work = Work { common, machine, ui };
    match request {
        VolumeRequest::List(request) => list::list(&work, request),
        VolumeRequest::Show(names) => list::show(&work, names),
        VolumeRequest::Group(request) => group::run(&work, request),
        VolumeRequest::Create(request) => create::run(&work, request),
        VolumeRequest::Snapshot(new) => snapshot::run(&work, new),
        VolumeRequest::Diff(request) => snapshot::diff(&work, request),
        VolumeRequest::Apply { stream, target } => snapshot::apply(&work, stream, target),
        VolumeRequest::Rollback(request) => rollback::run(&work, request),
        VolumeRequest::Move(request) => mover::run(&work, request),
        VolumeRequest::Resize(request) => resize::run(&work, request),
        VolumeRequest::Rename { from, to } => work.change(|groups| {
            let found = one(groups, &from.group)?;
            let active = work.active(groups, found)?;
            Ok(rename::volume(found, &active, from, to, &work.stamp()).map(Some))
        }),
        VolumeRequest::Remove(names) => remove(&work, names),
        VolumeRequest::Activate(request) => activate::activate(&work, request),
        VolumeRequest::Deactivate(names) => activate::deactivate(&work, names),
        VolumeRequest::Check(names) => check::run(names, common, machine, ui),
        VolumeRequest::Backup(request) => backup::run(request, common, machine, ui),
        VolumeRequest::Restore(request) => restore::run(&work, request),
    }
}

/// The group of this name.
fn one<'a>(groups: &'a Groups, name: &str) -> Result<&'a Found> {
    if let Some(found) = groups.group(name) {
        return Ok(found);
    }
    let same = groups.groups.iter().filter(|found| found.group.name == name).count();
    let refusal = if same > 1 {
        Refusal::new(format!("there are {same} groups of the name {name}"))
            .hint("vgrename UUID NAME gives one of them another name")
    } else {
        let known: Vec<&str> = groups.groups.iter().map(|found| found.group.name.as_str()).collect();
        let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
        Refusal::new(format!("there is no group {name} (groups: {known})"))
    };
    Err(refusal.into())
}

fn remove(work: &Work<'_>, names: &[VolumeName]) -> Result<u8> {
    let mut status = DONE;
    for group in by_group(names.iter().map(|name| name.group.as_str())) {
        let names: Vec<VolumeName> = names.iter().filter(|name| name.group == group).cloned().collect();
        status |= work.change(|groups| {
            let found = one(groups, group)?;
            let active = work.active(groups, found)?;
            Ok(remove::plan(found, &active, &names, &work.stamp()).map(Some))
        })?;
    }
    Ok(status)
}

/// Each group once, in the order of the words.
fn by_group<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut groups: Vec<&str> = Vec::new();
    for name in names {
        if !groups.contains(&name) {
            groups.push(name);
        }
    }
    groups
}

/// The groups that a plan writes, as they are and as they would be.
fn changed<'a>(groups: &'a Groups, plan: &Plan) -> Vec<(Option<&'a Group>, Group)> {
    let written = plan.steps.iter().filter_map(|step| match step {
        Step::Lvm(LvmStep::PreCommit { text, .. }) => Group::parse(text).ok(),
        _ => None,
    });
    let before =
        |after: &Group| groups.groups.iter().map(|found| &found.group).find(|group| group.id == after.id);
    written.map(|after| (before(&after), after)).collect()
}

impl Work<'_> {
    /// Who changes, for the metadata.
    fn stamp(&self) -> superblock::lvm::Stamp {
        inventory::volumes::stamp(&self.common.words.join(" "))
    }

    /// The devices of a group.
    fn active(&self, groups: &Groups, found: &Found) -> Result<Active> {
        Ok(inventory::active(self.machine, &groups.active, found.group.id.plain())?)
    }

    /// Plans, shows or asks, and does; again from the start where somebody else changed the group meanwhile.
    fn change(&self, mut decide: impl FnMut(&Groups) -> Result<Decided>) -> Result<u8> {
        let mut agreed = false;
        for round in 1.. {
            let groups = inventory::volumes::groups(self.machine)?;
            let decided = match decide(&groups) {
                Ok(decided) => decided,
                Err(error) => Err(error.downcast::<Refusal>()?),
            };
            let plan = match decided {
                Err(refusal) => return Ok(refuse(&refusal, self.common, self.ui)),
                Ok(plan) => plan.unwrap_or_default(),
            };
            if plan.steps.is_empty() {
                return Ok(self.nothing(&plan));
            }
            let kept = Kept::new(&plan, self.machine, self.common);
            if self.common.dry_run {
                return Ok(self.preview(&groups, &kept));
            }
            if !agreed && !self.agreed(&plan) {
                return Ok(FAILED);
            }
            agreed = true;
            let done = keep::run(&kept, self.machine, self.ui);
            match &done {
                Err(failure) if round < ROUNDS && !failure.committed && failure.stale => {}
                _ => {
                    let out = format!("done: {}", plan.summary);
                    let ended = Ended { out, ..Ended::default() };
                    return carried_out(done, &kept, self.common, self.ui, ended);
                }
            }
        }
        Ok(FAILED)
    }

    fn nothing(&self, plan: &Plan) -> u8 {
        for warning in &plan.warnings {
            say(warning.kind, &warning.text, self.ui);
        }
        if self.common.json {
            tell(outcome(plan, self.common.dry_run));
        } else {
            self.ui.note("nothing to do");
        }
        DONE
    }

    fn preview(&self, groups: &Groups, kept: &Kept) -> u8 {
        if !self.common.json {
            for (before, after) in changed(groups, &kept.plan) {
                print(&report::volume::difference(before, &after));
            }
        }
        preview_kept(&kept.plan, self.common)
    }

    /// Says what was found, and asks where that needs a yes. Nobody waits for an answer that cannot come.
    fn agreed(&self, plan: &Plan) -> bool {
        for warning in plan.warnings.iter().filter(|warning| warning.kind != Say::Ask || !self.common.yes) {
            say(warning.kind, &warning.text, self.ui);
        }
        if !plan.needs_consent() || self.common.yes {
            return true;
        }
        if !terminal::somebody_is_there() {
            self.ui.error("nothing was done: nobody can be asked here; --yes (-y) agrees");
            return false;
        }
        self.ui.ask("Go on")
    }
}
