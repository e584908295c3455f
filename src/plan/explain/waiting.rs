//! What synchronises in an array that runs, or waits, and for what.

use super::{Command, Finding, Kind, Severity, running::Work};
use crate::model::{
    human,
    status::{Activity, ArrayStatus, Stage},
};

impl Work<'_> {
    /// All of it.
    pub(super) fn sync(&self) -> Vec<Finding> {
        let activity = self.array.activity.as_ref().map(|activity| self.activity(activity));
        [self.frozen(), activity, self.reshape(), self.mismatches()].into_iter().flatten().collect()
    }

    fn frozen(&self) -> Option<Finding> {
        let text = "resync and recovery are switched off (sync_action is frozen)";
        let effect = "lets the kernel start what is due: a resync, or a recovery onto a spare";
        let command = Command::new(["mdctl", "--misc", "--action=idle", &self.array.shown()], effect);
        let frozen = self.array.action.as_deref() == Some("frozen");
        frozen.then(|| Finding::new(Kind::SyncFrozen, Severity::Weakens, text).try_next(command))
    }

    fn activity(&self, activity: &Activity) -> Finding {
        let (array, kind) = (self.array.shown(), &activity.kind);
        match activity.stage {
            Stage::Pending => {
                let text = format!("a {kind} waits until the array is written to");
                let effect = format!("lets the array be written to; the {kind} begins");
                Finding::new(Kind::SyncPending, Severity::Weakens, text)
                    .because(format!("array_state is {}", self.array.state))
                    .try_next(Command::new(["mdctl", "readwrite", &array], effect))
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
                    .needs("nothing but time")
                    .try_next(Command::new(["mdctl", "status", "--watch", &array], "shows the progress"))
            }
        }
    }

    fn reshape(&self) -> Option<Finding> {
        let at = self.array.reshape_position.filter(|_| self.array.activity.is_none())?;
        let text = format!("a reshape was cut off at {}", human::size(at.bytes().0));
        Some(Finding::new(Kind::Reshape, Severity::Weakens, text).because("no reshape runs"))
    }

    fn mismatches(&self) -> Option<Finding> {
        let checked = matches!(self.array.last_action.as_deref(), Some("check" | "repair"));
        let count = self.array.mismatches.filter(|count| count.0 > 0 && checked)?;
        let text =
            format!("the last check found {} that differ between members", human::size(count.bytes().0));
        let effect = "compares the members again; writes nothing";
        let harmless = "on RAID1 and RAID10 small counts are harmless: swap, and files that change while they are written";
        Some(
            Finding::new(Kind::Mismatches, Severity::Weakens, text)
                .because(format!("mismatch_cnt is {}", count.0))
                .needs(harmless)
                .try_next(Command::new(["mdctl", "--misc", "--action=check", &self.array.shown()], effect)),
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
