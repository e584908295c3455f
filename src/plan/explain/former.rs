//! Members whose superblock a command took: the archive has it.

use std::collections::BTreeSet;

use superblock::MdUuid;

use super::{ExplainScene, Explanation, Finding, Kind, NextCommand, Severity};
use crate::archive::Former;

/// An array that is on no device any more is mentioned without being asked for that long, in seconds: 30 days. Later it is one
/// that nobody misses.
const MISSED: u64 = 30 * 24 * 60 * 60;

impl ExplainScene<'_> {
    /// Adds what the archive knows of an array's members, or of the device, where something is wrong.
    #[must_use]
    pub fn with_former(&self, mut explanation: Explanation, former: &[Former]) -> Explanation {
        let runs = explanation.uuid.is_some_and(|uuid| {
            self.arrays.iter().any(|array| array.is_running() && self.uuid_of(array) == Some(uuid))
        });
        if explanation.is_fine() || runs {
            return explanation;
        }
        let array = explanation.uuid.map(|uuid| uuid.to_string());
        let is_about = |one: &&Former| match &array {
            Some(array) => one.array == *array,
            None => one.path == explanation.subject,
        };
        let found: Vec<Finding> = former.iter().filter(is_about).map(|one| self.taken(one, former)).collect();
        explanation.findings.splice(0..0, found);
        explanation.sorted()
    }

    /// Arrays whose members are here, and none carries their metadata.
    #[must_use]
    pub fn lost(&self, former: &[Former]) -> Vec<Explanation> {
        let now = self.session.world.now.seconds;
        let on_devices: BTreeSet<String> = self.claims().map(|claim| claim.facts.array.to_string()).collect();
        let running: BTreeSet<String> =
            self.arrays.iter().filter_map(|array| self.uuid_of(array)).map(|uuid| uuid.to_string()).collect();
        let missed = |one: &&Former| {
            let recent = now.saturating_sub(one.until) < MISSED;
            recent && one.blank && !on_devices.contains(&one.array) && !running.contains(&one.array)
        };
        let missed: Vec<&Former> = former.iter().filter(missed).collect();
        let arrays: BTreeSet<&str> = missed.iter().map(|one| one.array.as_str()).collect();
        arrays
            .into_iter()
            .map(|array| {
                let of_array: Vec<&Former> =
                    missed.iter().copied().filter(|one| one.array == array).collect();
                self.gone(array, &of_array, former)
            })
            .collect()
    }

    fn gone(&self, array: &str, members: &[&Former], all: &[Former]) -> Explanation {
        let name = members.iter().find_map(|one| one.name.clone()).unwrap_or_else(|| array.to_owned());
        let explanation = Explanation {
            subject: name,
            uuid: array.parse::<MdUuid>().ok(),
            devices: Vec::new(),
            ..Explanation::default()
        };
        if members.iter().all(|one| one.is_undone_by_its_entry()) {
            let paths: Vec<&str> = members.iter().map(|one| one.path.as_str()).collect();
            return Explanation {
                summary: format!("erased from {}, and the archive has it", paths.join(", ")),
                findings: self.erased(members),
                ..explanation
            };
        }
        Explanation {
            summary: "its superblocks are gone from all devices; the archive has them".to_owned(),
            findings: members.iter().map(|one| self.taken(one, all)).collect(),
            ..explanation
        }
        .sorted()
    }

    /// Commands that left nothing on devices: somebody wanted that, most likely, so it is only mentioned, each command once.
    fn erased(&self, members: &[&Former]) -> Vec<Finding> {
        let mut found: Vec<Finding> = Vec::new();
        for (nth, one) in members.iter().enumerate() {
            if members.iter().take(nth).any(|before| before.id == one.id) {
                continue;
            }
            let text = format!("`{}` took its superblocks, {}", one.by.escape_debug(), self.when(one.until));
            found.push(Finding::new(Kind::Former, Severity::Note, text).try_next(undo(one)));
        }
        found
    }

    /// An undo is offered where it gives back what its command took, and overwrites nothing that came later.
    fn taken(&self, one: &Former, all: &[Former]) -> Finding {
        let Former { path, array, .. } = one;
        let name = one.name.as_ref().map(|name| format!("{name:?}, ")).unwrap_or_default();
        let when = self.when(one.until);
        let by = one.by.escape_debug();
        if !one.taken {
            let text = format!("{path}: was a member of array {name}{array}, and its superblock is gone");
            let by = format!("`{by}` still had it, {when}; no command of mdctl took it");
            return Finding::new(Kind::Former, Severity::Blocks, text)
                .of(path)
                .because(by)
                .try_next(self.tried(array, all));
        }
        let text = format!("{path}: was a member of array {name}{array} until {when}");
        let by = format!("`{by}` took its superblock, which is kept as {}", one.id);
        let found = Finding::new(Kind::Former, Severity::Blocks, text).of(path).because(by);
        if !one.is_undone_by_its_entry() {
            let is = match one.carries.first() {
                Some(other) => format!("{path} is a member of array {other} now"),
                None => format!("something else is on {path} now"),
            };
            return found.because(is).needs(format!(
                "nothing, if it is to stay so: `mdctl undo {}` would overwrite what is on it",
                one.id
            ));
        }
        found.try_next(undo(one))
    }

    /// Looks for the array on overlays, with those that have its superblock and those that had it.
    fn tried(&self, array: &str, all: &[Former]) -> NextCommand {
        let has = self.claims().filter(|claim| claim.facts.array.to_string() == array);
        let had = all.iter().filter(|one| one.array == array).map(|one| one.path.clone());
        let paths: BTreeSet<String> = has.map(|claim| claim.path.clone()).chain(had).collect();
        let effect =
            "guesses what the array was by what is kept and what is on the devices; writes nothing to them";
        let mut next = NextCommand::new(["mdctl", "trial"], effect);
        next.words.extend(paths);
        next
    }
}

fn undo(one: &Former) -> NextCommand {
    NextCommand::new(["mdctl", "undo", one.id.as_str()], "puts back what that command took")
}
