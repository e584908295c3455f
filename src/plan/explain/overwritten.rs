//! Members whose data was written over before an undo. Most have no superblock any more; of those that have theirs again nothing
//! but the archive knows that they are not up to date.

use std::collections::BTreeSet;

use superblock::MdUuid;

use super::{ExplainScene, Explanation, Finding, Kind, NextCommand, Severity};
use crate::{
    archive::Overwritten,
    model::status::ArrayStatus,
    plan::assemble::{Claim, Lineup, shape::Shapes, startable::shortage},
};

impl ExplainScene<'_> {
    /// Adds them, and takes back what was offered as if their data were right.
    #[must_use]
    pub fn with_overwritten(&self, mut explanation: Explanation, all: &[Overwritten]) -> Explanation {
        let Some(uuid) = explanation.uuid else { return explanation };
        let of_array = all.iter().filter(|one| one.array == uuid.to_string());
        let (of_array, out): (Vec<&Overwritten>, Vec<&Overwritten>) = of_array.partition(|one| one.is_back);
        let left_out: Vec<Finding> = out.into_iter().map(|one| self.left_out(uuid, one)).collect();
        explanation.findings.extend(left_out);
        let Some(first) = of_array.first() else { return explanation.sorted() };
        let paths: BTreeSet<&str> = of_array.iter().map(|one| one.path.as_str()).collect();
        let array = self.arrays.iter().find(|array| self.uuid_of(array) == Some(uuid));
        let running = array.filter(|array| array.is_running());
        for seen in explanation.devices.iter_mut().filter(|seen| paths.contains(seen.path.as_str())) {
            seen.standing = format!("{}, by its metadata; its data was written over", seen.standing);
        }
        let inside = |array: &ArrayStatus| {
            array.members.iter().any(|member| member.path.as_deref().is_some_and(|path| paths.contains(path)))
        };
        let is_led_on = |finding: &Finding| match running {
            Some(array) => {
                inside(array) || finding.device.as_deref().is_some_and(|device| paths.contains(device))
            }
            None => matches!(finding.kind, Kind::NotAssembled | Kind::NotStarted),
        };
        explanation.findings.retain(|finding| finding.kind != Kind::Fine);
        for finding in explanation.findings.iter_mut().filter(|finding| is_led_on(finding)) {
            finding.command = None;
            finding.evidence.clear();
            finding.needs = None;
        }
        let (severity, way) = match running {
            Some(array) => (Severity::Weakens, self.of_running(array, first)),
            None => (Severity::Blocks, self.without(uuid, array, &paths)),
        };
        let mut told: Vec<Finding> = of_array.iter().map(|one| self.written_over(one, severity)).collect();
        if let Some(finding) = told.first_mut() {
            finding.command = way;
        }
        explanation.findings.splice(0..0, told);
        explanation.sorted()
    }

    fn written_over(&self, one: &Overwritten, severity: Severity) -> Finding {
        let Overwritten { path, copied, .. } = one;
        let text = format!(
            "{path}: its superblock is back, its data is not: {} may have overwritten it ({})",
            copied.by("another array"),
            copied.extent()
        );
        Finding::new(Kind::Overwritten, severity, text)
            .of(path)
            .because(self.undone(one))
            .because("what was written to that array itself lies on any of its members")
            .needs(format!("{path} left out when the array is started, then added as a new device"))
    }

    fn undone(&self, one: &Overwritten) -> String {
        let (by, when) = (one.by.escape_debug(), self.when(one.since));
        match one.copied.array.as_str() {
            "" => format!("`{by}` was undone {when}, and blocks of its data are not those from before"),
            array => format!("`{by}` had made it a member of array {array}; that was undone {when}"),
        }
    }

    /// A former member, with which the array can be filled up again.
    fn left_out(&self, uuid: MdUuid, one: &Overwritten) -> Finding {
        let Overwritten { path, copied, .. } = one;
        let text = format!(
            "{path}: was a member, and has no superblock any more: {} has overwritten its data ({})",
            copied.by("another array"),
            copied.extent()
        );
        let finding = Finding::new(Kind::Overwritten, Severity::Note, text)
            .of(path)
            .because(format!("{}, and {path} was left out", self.undone(one)));
        let array = self.arrays.iter().find(|array| self.uuid_of(array) == Some(uuid));
        match array.filter(|array| array.is_running() && !array.missing().is_empty()) {
            Some(array) => {
                let effect = format!("everything that belongs on {path} is copied onto it");
                let shown = array.shown();
                Finding { severity: Severity::Weakens, ..finding }
                    .try_next(NextCommand::new(["mdctl", "manage", &shown, "--add", path], effect))
            }
            None => finding,
        }
    }

    /// Starts it from the others, where they are enough.
    fn without(
        &self,
        uuid: MdUuid,
        array: Option<&ArrayStatus>,
        paths: &BTreeSet<&str>,
    ) -> Option<NextCommand> {
        if let Some(array) = array {
            let shown = array.shown();
            let effect = "stops it and changes nothing on its devices; `mdctl explain` says then how it is started from the others";
            return Some(NextCommand::new(["mdctl", "stop", &shown], effect));
        }
        let (outcome, _) = self.session.try_found(uuid, &self.session.options).result.ok()?;
        let name = outcome.name.path;
        let out = paths.iter().copied().collect::<Vec<_>>().join(" ");
        let Some(others) = self.enough(uuid, paths) else {
            let effect = format!(
                "starts it read-only with {out}, for the others are not enough without it: what lies on {out} is wrong"
            );
            let uuid = format!("--uuid={uuid}");
            return Some(NextCommand::new(["mdctl", "assemble", &name, &uuid, "--readonly"], effect));
        };
        let effect = format!(
            "starts it read-only without {out}. Look whether its data is right; then `mdctl readwrite {name}`, `mdctl zero-superblock {out}`, `mdctl manage {name} --add {out}`: everything is copied onto it"
        );
        let mut next = NextCommand::new(["mdctl", "assemble", &name, "--readonly", "--run"], effect);
        next.words.extend(others);
        Some(next)
    }

    /// The other members, where the array can be started from them.
    fn enough(&self, uuid: MdUuid, without: &BTreeSet<&str>) -> Option<Vec<String>> {
        let claims = self.claims_of(uuid).into_iter();
        let good: Vec<Claim> = claims.filter(|claim| !without.contains(claim.path.as_str())).collect();
        let slots = good.iter().filter(|claim| claim.damage.is_none()).map(Claim::slots).max()?;
        let lineup = Lineup::new(&good, slots, false).ok()?;
        let model = lineup.freshest().and_then(|place| good.get(place.claim))?;
        let clean = model.facts.clean || model.metadata.has_ppl();
        if shortage(&Shapes::of(model), &lineup.present(), clean).is_some() {
            return None;
        }
        let is_out = |nth: usize| lineup.out.iter().any(|(out, _)| *out == nth);
        let places = good.iter().enumerate().filter(|(nth, _)| !is_out(*nth));
        Some(places.map(|(_, claim)| claim.path.clone()).collect())
    }

    /// What to do while it runs: with such a member or without it.
    fn of_running(&self, array: &ArrayStatus, one: &Overwritten) -> Option<NextCommand> {
        let (shown, path) = (array.shown(), &one.path);
        let inside = array.members.iter().any(|member| member.path.as_deref() == Some(path));
        if inside {
            let effect = format!(
                "stops it and changes nothing on its devices; `mdctl explain` says then how it is started without {path}"
            );
            return Some(NextCommand::new(["mdctl", "stop", &shown], effect));
        }
        // Who holds it is said in a finding of its own.
        if self.claims().any(|claim| claim.path == *path && claim.busy) {
            return None;
        }
        let effect = format!(
            "erases its superblock, so that it is not taken back as it is; then `mdctl manage {shown} --add {path}` copies everything onto it"
        );
        Some(NextCommand::new(["mdctl", "zero-superblock", path], effect))
    }
}
