//! The sides of an array whose members went on apart: who belongs to each, and whether it can be started without the others.

use super::{Finding, Kind, NextCommand, Severity, running, stopped::Work};
use crate::model::order::InOrder as _;
use crate::{
    model::status::ArrayStatus,
    plan::{
        assemble::{Claim, Lineup, Why, shape::Shapes, startable::shortage},
        histories::{HistoryLine, parted},
    },
};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// Its members, by slot.
    pub(super) paths: Vec<String>,
    /// Why these alone do not start: a sentence without its subject.
    pub(super) lacks: Option<String>,
}

impl Side {
    /// The side of one member, of those that may be on it.
    pub(super) fn of(own: &Claim, others: &[&Claim]) -> Self {
        let line = HistoryLine::of(&own.metadata, own.slots(), own.facts.events);
        let is_on_it =
            |other: &Claim| other.path == own.path || parted(&other.metadata, &other.facts, &line).is_none();
        let of_it = others.iter().filter(|other| other.is_usable(false) && is_on_it(other));
        let claims: Vec<Claim> = of_it.map(|claim| (*claim).clone()).collect();
        let lineup = Lineup::new(&claims, own.slots(), false).ok();
        let model = lineup.as_ref().and_then(|lineup| claims.get(lineup.freshest()?.claim));
        let Some((lineup, model)) = lineup.as_ref().zip(model) else {
            let paths = claims.into_iter().map(|claim| claim.path).collect();
            return Self { paths, lacks: Some("has no member that is up to date".to_owned()) };
        };
        let clean = model.facts.clean || model.metadata.has_ppl();
        let present = lineup.present();
        let lacks = shortage(&Shapes::of(model), &present, clean).map(|_| {
            let slots = present.iter().zip(0..model.facts.raid_disks).filter(|(here, _)| !**here);
            let slots: Vec<String> = slots.map(|(_, slot)| slot.to_string()).collect();
            let s = if slots.len() == 1 { "" } else { "s" };
            format!("cannot be started alone: it lacks slot{s} {}", slots.join(", "))
        });
        let current = lineup.seats().filter(|place| place.is_whole() || place.is_rebuilding());
        let paths = current.filter_map(|place| Some(claims.get(place.claim)?.path.clone()));
        Self { paths: paths.collect(), lacks }
    }

    /// Every side of these members; those that can be started first.
    pub(super) fn all(claims: &[&Claim]) -> Vec<Self> {
        let mut sides: Vec<Self> = Vec::new();
        for claim in claims {
            if sides.iter().any(|side| side.paths.contains(&claim.path)) {
                continue;
            }
            let side = Self::of(claim, claims);
            if !sides.contains(&side) {
                sides.push(side);
            }
        }
        sides.order_by_key(|side| side.lacks.is_some());
        sides
    }

    /// What starts it to be looked at, and writes nothing; `None` where it cannot be started.
    pub(super) fn command(&self, array: &str) -> Option<NextCommand> {
        let words = running::side(array, &self.paths);
        self.lacks.is_none().then_some(NextCommand { words, effect: String::new() })
    }

    /// Its members, and what it lacks.
    pub(super) fn said(&self) -> String {
        let paths = self.paths.join(", ");
        self.lacks.as_ref().map_or_else(|| paths.clone(), |lacks| format!("{paths}: {lacks}"))
    }
}

/// Of an array that does not run.
impl Work<'_> {
    /// Two histories, each with devices to start: which is kept is for people to choose, so both are looked at first.
    pub(super) fn one_side(&self, path: &str) -> Option<Finding> {
        let lineup = self.lineup.as_ref()?;
        let name = |index: usize| self.claims.get(index).map(|claim| claim.path.clone());
        let fresh: Vec<String> = lineup.seats().filter_map(|place| name(place.claim)).collect();
        let first = NextCommand { words: running::side(path, &fresh), effect: String::new() };
        let others = self.other_sides();
        if others.is_empty() {
            return None;
        }
        let text = format!(
            "it is not assembled, and there are {} histories of it to choose from",
            if others.len() == 1 { "two".to_owned() } else { (others.len() + 1).to_string() }
        );
        let commands = others.iter().filter_map(|side| Some(side.command(path)?.line()));
        let looks: Vec<String> =
            commands.map(|line| format!("mdctl stop {path}, and the other side: {line}")).collect();
        let effect = match looks.is_empty() {
            true => {
                "starts the only side that can be started, to be looked at, and writes nothing".to_owned()
            }
            false => {
                format!(
                    "starts one side to be looked at, and writes nothing; then: {}",
                    looks.join("; then: ")
                )
            }
        };
        let mut found = Finding::new(Kind::NotAssembled, Severity::Blocks, text)
            .because(format!("one side: {}", fresh.join(", ")));
        for side in &others {
            found = found.because(format!("the other: {}", side.said()));
        }
        let choice = match looks.is_empty() {
            true => "your choice: this side, or what the other one lacks",
            false => "your choice, after a look at both",
        };
        Some(
            found
                .needs(format!(
                    "{choice}; to go on with one: start it without --readonly, then mdctl manage {path} --add --force and the other's devices, which copies everything onto them"
                ))
                .try_next(NextCommand { effect, ..first }),
        )
    }

    /// The sides that are not started.
    fn other_sides(&self) -> Vec<Side> {
        let split = |(index, why): &(usize, Why)| matches!(why, Why::Split { .. }).then_some(*index);
        let out = self.lineup.iter().flat_map(|lineup| &lineup.out).filter_map(split);
        Side::all(&out.filter_map(|index| self.claims.get(index)).collect::<Vec<_>>())
    }

    /// The freshest side is not enough, and another one is: that one can be looked at, and no force mixes the two.
    pub(super) fn other_starts(&self, path: &str, finding: Finding) -> Finding {
        let others = self.other_sides();
        // Of one that was in use force takes this side alone.
        if finding.kind != Kind::NotEnough {
            return finding;
        }
        let Some((side, command)) = others.iter().find_map(|side| Some((side, side.command(path)?))) else {
            return finding;
        };
        let seats = self.lineup.iter().flat_map(Lineup::seats);
        let here = seats.filter_map(|place| Some(self.claims.get(place.claim)?.path.clone()));
        let here = here.collect::<Vec<_>>().join(", ");
        let looks = "starts the other side to be looked at, and writes nothing";
        let next = match self.array.map(ArrayStatus::shown) {
            None => NextCommand { effect: looks.to_owned(), ..command },
            Some(shown) => NextCommand::new(
                ["mdctl", "stop", &shown],
                format!("lets go of its devices; then {} {looks}", command.line()),
            ),
        };
        finding
            .because(format!(
                "this side, {here}, went on apart from the other one, {}",
                side.paths.join(", ")
            ))
            .needs("the missing devices of this side; or your choice of the other one, after a look at it")
            .try_next(next)
    }
}
