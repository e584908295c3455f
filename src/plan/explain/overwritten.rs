//! Members whose superblock an undo brought back, and whose data was written over before that: by their metadata they are up
//! to date, so nothing but the archive keeps them out.

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
        let of_array: Vec<&Overwritten> = all.iter().filter(|one| one.array == uuid.to_string()).collect();
        let Some(first) = of_array.first() else { return explanation };
        let paths: BTreeSet<&str> = of_array.iter().map(|one| one.path.as_str()).collect();
        let array = self.arrays.iter().find(|array| self.uuid_of(array) == Some(uuid));
        let running = array.filter(|array| array.is_running());
        for seen in explanation.devices.iter_mut().filter(|seen| paths.contains(seen.path.as_str())) {
            seen.standing = format!("{}, by its metadata; its data was written over", seen.standing);
        }
        let is_led_on = |finding: &Finding| match running {
            Some(_) => finding.device.as_deref().is_some_and(|device| paths.contains(device)),
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
            "{path}: its superblock is back, its data is not: {} of another array may have written over it ({})",
            copied.cause.name(),
            copied.extent()
        );
        Finding::new(Kind::Overwritten, severity, text)
            .of(path)
            .because(format!(
                "`{}` had made it a member of array {}; that was undone {}",
                one.by.escape_debug(),
                copied.array,
                self.when(one.since)
            ))
            .because("what was written to that array itself lies on any of its members")
            .needs(format!("{path} left out when the array is started, then added as a new device"))
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
            "starts it read-only without {out}. Look whether its data is right; then `mdctl readwrite {name}`, `mdctl --zero-superblock {out}`, `mdctl {name} --add {out}`: everything is copied onto it"
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
        let effect = format!(
            "erases its superblock, so that it is not taken back as it is; then `mdctl {shown} --add {path}` copies everything onto it"
        );
        Some(NextCommand::new(["mdctl", "--zero-superblock", path], effect))
    }
}
