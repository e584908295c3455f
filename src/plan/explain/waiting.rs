//! What synchronises in an array that runs, or waits, and for what.

use crate::words::{ArrayState, MemberState, SyncAction, SyncKind};

use super::{Finding, Kind, NextCommand, Severity, running::Work};
use crate::{
    model::{
        human, scrub,
        status::{Activity, ArrayStatus, MemberStatus, Stage},
    },
    plan::only_copy::is_source,
};

impl Work<'_> {
    /// All of it.
    pub(super) fn sync(&self) -> Vec<Finding> {
        // Whatever the kernel still counts there: nothing that is written to a broken array arrives.
        let works = self.array.state != ArrayState::Broken;
        let activity = self.array.activity.as_ref().filter(|_| works).map(|activity| self.activity(activity));
        [self.frozen(), activity, self.reshape(), self.mismatches()].into_iter().flatten().collect()
    }

    fn frozen(&self) -> Option<Finding> {
        let text = "resync and recovery are switched off (sync_action is frozen)";
        let effect = "lets the kernel start what is due: a resync, or a recovery onto a spare";
        let command = NextCommand::new(["mdctl", "--misc", "--action=idle", &self.array.shown()], effect);
        let frozen = self.array.action == Some(SyncAction::Frozen);
        frozen.then(|| Finding::new(Kind::SyncFrozen, Severity::Weakens, text).try_next(command))
    }

    fn activity(&self, activity: &Activity) -> Finding {
        let (array, kind) = (self.array.shown(), activity.kind);
        match activity.stage {
            Stage::Pending => {
                let text = format!("a {kind} waits until the array is written to");
                let effect = format!("lets the array be written to; the {kind} begins");
                Finding::new(Kind::SyncPending, Severity::Weakens, text)
                    .because(format!("array_state is {}", self.array.state))
                    .try_next(NextCommand::new(["mdctl", "readwrite", &array], effect))
            }
            Stage::Delayed => {
                let others = self.in_the_way();
                let by = if others.is_empty() { "another array".to_owned() } else { others.join(", ") };
                let text = format!("a {kind} waits for {by}, which is on the same disks");
                Finding::new(Kind::SyncDelayed, Severity::Weakens, text)
                    .also(self.log(&[&self.array.kernel_name]))
                    .needs("nothing but time")
            }
            Stage::Running { .. } | Stage::Starting | Stage::Remote => {
                let done = activity.per_mille().map(|n| format!(", {}.{}% done", n / 10, n % 10));
                let left = activity.seconds_left().map(|s| format!(", about {} to go", human::duration(s)));
                let text = format!("a {kind} runs{}{}", done.unwrap_or_default(), left.unwrap_or_default());
                Finding::new(Kind::SyncRunning, Severity::Note, text)
                    .also(self.source_of(kind))
                    .also(if kind == SyncKind::Reshape { self.reshaping() } else { Vec::new() })
                    .needs("nothing but time")
                    .try_next(NextCommand::new(["mdctl", "status", "--watch", &array], "shows the progress"))
            }
        }
    }

    /// Who holds what a resync has not come to yet.
    fn source_of(&self, kind: SyncKind) -> Option<String> {
        let geometry = self.array.geometry().filter(|_| kind == SyncKind::Resync)?;
        let in_slot = |slot: u32| {
            self.array
                .members
                .iter()
                .find(|member| member.slot == Some(slot) && member.is(&MemberState::InSync))
        };
        let slots = 0..self.array.raid_disks;
        let mut preferred: Vec<bool> = slots
            .clone()
            .map(|slot| in_slot(slot).is_some_and(|member| !member.is(&MemberState::WriteMostly)))
            .collect();
        if !preferred.contains(&true) {
            preferred = self.array.present();
        }
        let sources = slots.zip(0..).filter(|(_, nth)| is_source(&geometry, &preferred, *nth));
        let paths: Vec<String> =
            sources.filter_map(|(slot, _)| in_slot(slot)).map(MemberStatus::shown).collect();
        let mirrors = matches!(geometry.level, superblock::Level::Raid1 | superblock::Level::Raid10);
        let text = match mirrors {
            true => format!("until it is done, what it has not come to is only on {}", paths.join(", ")),
            false => "until it is done, no member can be made from the others".to_owned(),
        };
        (!paths.is_empty()).then_some(text)
    }

    fn mismatches(&self) -> Option<Finding> {
        let checked = matches!(self.array.last_action, Some(SyncAction::Check | SyncAction::Repair));
        let count = self.array.mismatches.filter(|count| count.0 > 0 && checked)?;
        let text =
            format!("the last check found {} that differ between members", human::size(count.bytes().0));
        let effect = "reads the members and shows where they differ and what lies there; writes nothing";
        Some(
            Finding::new(Kind::Mismatches, Severity::Weakens, text)
                .because(format!("mismatch_cnt is {}", count.0))
                .needs(scrub::meaning(self.array.level, count))
                .try_next(NextCommand::new(["mdctl", "scrub", "locate", &self.array.shown()], effect)),
        )
    }

    /// Arrays that share a disk and synchronise now.
    fn in_the_way(&self) -> Vec<String> {
        let disks = |array: &ArrayStatus| {
            array.members.iter().filter_map(|member| member.disk.clone()).collect::<Vec<_>>()
        };
        let ours = disks(self.array);
        let others = self.scene.arrays.iter().filter(|other| other.kernel_name != self.array.kernel_name);
        let shares = |other: &&ArrayStatus| disks(other).iter().any(|disk| ours.contains(disk));
        others.filter(|other| other.is_moving()).filter(shares).map(ArrayStatus::shown).collect()
    }
}
