//! Where nothing but force starts an array: the command, and what is at risk with it.

use superblock::{Level, MdUuid};

use super::{NextCommand, stopped::Work};
use crate::{
    model::human,
    plan::assemble::{Claim, Lineup, Options, Verdict, force, shape::Shapes, startable::shortage},
};

/// What `--force` takes for right without knowing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Risk {
    /// In words, each of one kind.
    lines: Vec<String>,
}

impl Work<'_> {
    /// The command that starts the array by force, where that is enough. It is shown what it would write, and not done.
    pub(super) fn forced(&self, uuid: MdUuid, path: &str) -> Option<NextCommand> {
        let risk = self.risk()?.lines.join("; ");
        let by_uuid = format!("--uuid={uuid}");
        if let Some(array) = self.array {
            // Its members are held until it is stopped.
            let shown = array.shown();
            let effect = format!(
                "stops it and changes nothing on its devices; then `mdctl assemble {shown} {by_uuid} --force` starts it, at a risk: {risk}. \
                 With --dry-run it shows what it would write, and writes nothing"
            );
            return Some(NextCommand::new(["mdctl", "stop", &shown], effect));
        }
        let session = self.scene.session;
        let options = Options { force: true, ..session.options };
        let (outcome, _) = session.try_found(uuid, &options).result.ok()?;
        let starts = matches!(outcome.verdict, Verdict::Start | Verdict::StartReadonly);
        let path = if path.is_empty() { outcome.name.path.as_str() } else { path };
        let effect = format!(
            "shows what --force would overwrite, and overwrites nothing; the same without --dry-run does it, at a risk: {risk}"
        );
        starts
            .then(|| NextCommand::new(["mdctl", "assemble", path, &by_uuid, "--force", "--dry-run"], effect))
    }

    /// What would be taken for right; `None` where not even that is enough.
    fn risk(&self) -> Option<Risk> {
        let mut lineup = Lineup::new(self.claims, self.slots, true).ok()?;
        let freshest = lineup.freshest().and_then(|place| self.claims.get(place.claim))?;
        let shapes = Shapes::of(freshest);
        let promoted = force::promote(&mut lineup, self.claims, &shapes);
        if shortage(&shapes, &lineup.present(), true).is_some() {
            return None;
        }
        let mut lines = vec![];
        for promotion in promoted {
            let claim = self.claims.get(promotion.claim)?;
            lines.push(self.stale_again(claim, promotion.slot, freshest));
        }
        let taken = |claim: &Claim| {
            lineup.seats().any(|seat| self.claims.get(seat.claim).is_some_and(|one| one.path == claim.path))
        };
        let damaged = self.claims.iter().filter(|claim| claim.damage.is_some() && taken(claim));
        lines.extend(damaged.map(|claim| format!("the damaged superblock of {} is believed", claim.path)));
        let clean = freshest.facts.clean || freshest.metadata.has_ppl();
        let has_parity = matches!(freshest.facts.level, Level::Raid4 | Level::Raid5 | Level::Raid6);
        if !clean && has_parity {
            lines.push(
                "what was being written when it went down may be wrong, also in files that nobody wrote to: parity is taken as it is"
                    .to_owned(),
            );
        }
        if freshest.metadata.wants_journal() && lineup.journal.is_none() {
            lines.push("writes that only the missing journal has are lost".to_owned());
        }
        if lines.is_empty() {
            lines.push("what the array wrote last may be lost".to_owned());
        }
        Some(Risk { lines })
    }

    /// What is lost with a member that was left behind and counts again.
    fn stale_again(&self, claim: &Claim, slot: u32, freshest: &Claim) -> String {
        let behind = freshest.facts.events.0.saturating_sub(claim.facts.events.0);
        let s = if behind == 1 { "" } else { "s" };
        let long = human::duration(freshest.facts.updated.saturating_sub(claim.facts.updated));
        format!(
            "{} (slot {slot}) counts as up to date although it missed {behind} event{s}, {long}: what was written after {} is torn or lost where it lies on {}",
            claim.path,
            self.scene.when(claim.facts.updated),
            claim.path
        )
    }
}
