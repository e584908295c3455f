//! `mdctl volume`: look, decide, show or ask, do. Whoever changed the group between the look and the lock makes us look again.

mod activate;
mod backup;
mod check;
mod create;
mod group;
mod list;
mod mover;
mod resize;
mod restore;
mod rollback;
mod snapshot;

use anyhow::Result;
use superblock::lvm::Group;

use super::{drive::Driver, outcome, refuse, tell};
use crate::{
    config::Config,
    inventory,
    kernel::Machine,
    model::{
        active::Active,
        volume::{FoundGroup, GroupLook, Groups},
    },
    plan::{
        Plan, Refusal, Step,
        course::Course,
        volume::{
            change::{ChangeCourse, ChangeManner, Decide},
            courses::Called,
            groups,
            metadata::LvmStep,
            turns::{self, InTurnCourse},
        },
    },
    request::{Common, volume::VolumeRequest},
    ui::{self, Ui},
};

/// One command at work.
struct Work<'a> {
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
}

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
        VolumeRequest::Rename { from, to } => work.in_turn(&mut turns::rename(from, to, work.called())),
        VolumeRequest::Remove(names) => work.in_turn(&mut turns::remove(names, work.called())),
        VolumeRequest::Activate(request) => activate::activate(&work, request),
        VolumeRequest::Deactivate(names) => activate::deactivate(&work, names),
        VolumeRequest::Check(names) => check::run(names, common, machine, ui),
        VolumeRequest::Backup(request) => backup::run(request, common, machine, ui),
        VolumeRequest::Restore(request) => restore::run(&work, request),
    }
}

/// The group of this name.
fn one<'a>(groups: &'a Groups, name: &str) -> Result<&'a FoundGroup> {
    Ok(groups::named(groups, name)?)
}

/// The groups that a plan writes, as they are and as they would be.
pub(super) fn changed<'a>(groups: &'a Groups, plan: &Plan) -> Vec<(Option<&'a Group>, Group)> {
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
        inventory::volumes::stamp(&self.words())
    }

    /// How the command was called, for courses.
    fn called(&self) -> Called {
        let (words, dry_run) = (self.words(), self.common.dry_run);
        Called { words, dry_run, shows_bars: ui::shows_bars() }
    }

    /// Says a refusal; what is not one goes on.
    fn refused(&self, error: anyhow::Error) -> Result<u8> {
        Ok(refuse(&error.downcast::<Refusal>()?, self.common, self.ui))
    }

    /// The devices of a group.
    fn active(&self, groups: &Groups, found: &FoundGroup) -> Result<Active> {
        Ok(inventory::active(self.machine, &groups.active, found.group.id.plain())?)
    }

    /// The words of the command, for the metadata.
    fn words(&self) -> String {
        self.common.words.join(" ")
    }

    /// Plans, shows or asks, and does; again from the start where somebody else changed the group meanwhile.
    fn change(&self, look: GroupLook, decide: impl Decide) -> Result<u8> {
        let manner = if self.common.dry_run { ChangeManner::Show } else { ChangeManner::Carry };
        let mut course = ChangeCourse::new(look, decide, manner);
        let status = self.drive(&mut course)?;
        if let (Some(plan), true) = (course.nothing(), self.common.json) {
            tell(outcome(plan, self.common.dry_run));
        }
        Ok(status)
    }

    /// Drives a course that is about several things to its end.
    fn in_turn(&self, course: &mut impl InTurnCourse) -> Result<u8> {
        let status = self.drive(course)?;
        if self.common.json {
            course.nothing().iter().for_each(|plan| tell(outcome(plan, self.common.dry_run)));
        }
        Ok(status)
    }

    /// Drives a course to its end.
    fn drive(&self, course: &mut dyn Course) -> Result<u8> {
        self.driven(course, false)
    }

    /// The same with one of which the document is made here.
    fn drive_alone(&self, course: &mut dyn Course) -> Result<u8> {
        self.driven(course, true)
    }

    fn driven(&self, course: &mut dyn Course, own_document: bool) -> Result<u8> {
        let (common, machine, ui) = (self.common, self.machine, self.ui);
        // Nothing that mdadm.conf says is about groups.
        let config = Config::default();
        Driver { common, machine, ui, config: &config, own_document }.drive(course)
    }
}
