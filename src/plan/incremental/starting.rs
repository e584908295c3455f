//! Everything that waits is started with what it has: the end of waiting at boot.
//!
//! Their members are looked at first, each once: who must not count leaves, and what is being reshaped with its data in a
//! backup file is left alone.

use crate::{
    model::{DevId, RunningArray, world::MapEntry},
    plan::{
        ArrayName, Plan, Refusal,
        assemble::{CandidatePath, Options, Session, Verdict},
        course::{Course, Deed, Event, Look, Said, Then, Turn, Unseen, UsedBy},
        naming::NameTrust,
    },
};

use super::{
    Arrival, Started,
    arrange::{Arrangement, arrange, show},
    names,
};

/// Exit status of a failure.
const FAILED: u8 = 1;
/// How often others may be quicker.
const MOST_OUTDATED: usize = 50;

/// All arrays that wait.
pub struct Starting<'a> {
    session: Session<'a>,
    stage: Stage,
    /// Arrays that the map does not know.
    unmapped: Vec<String>,
    doing: Vec<Arrival>,
    came: Vec<Arrival>,
    outdated: usize,
    status: u8,
    say: Vec<Said>,
}

#[derive(Clone, Copy)]
enum Stage {
    World,
    Members,
    Acting,
    Showing {
        /// Somebody was quicker with another one.
        again: bool,
    },
}

impl Course for Starting<'_> {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl<'a> Starting<'a> {
    /// Begins; the session has looked at nothing yet.
    #[must_use]
    pub fn new(mut session: Session<'a>) -> Self {
        session.options = Options { run: true, waits: true, ..Options::default() };
        Self {
            session,
            stage: Stage::World,
            unmapped: Vec::new(),
            doing: Vec::new(),
            came: Vec::new(),
            outdated: 0,
            status: 0,
            say: Vec::new(),
        }
    }

    /// What became of each.
    #[must_use]
    pub fn came(self) -> Vec<Arrival> {
        self.came
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (Stage::World, Event::Begin) => Turn::look(Look::World { fresh: 0 }),
            (Stage::World, Event::Seen(view)) => {
                self.session.world = *view.world()?;
                self.session.candidates.clear();
                self.unmapped.clear();
                let names = self.waiting().into_iter().flat_map(|array| array.names);
                let paths: Vec<String> = names.map(|name| super::node(&name)).collect();
                if paths.is_empty() {
                    return Ok(Turn::end(self.status));
                }
                self.stage = Stage::Members;
                Turn::look(Look::Members { paths, used_by: UsedBy::Unasked })
            }
            (Stage::Members, Event::Seen(view)) => {
                let asked = self.session.asked;
                let found = view.members()?;
                self.session.candidates =
                    found.iter().map(|sight| CandidatePath::new(sight, asked)).collect();
                self.start()
            }
            (Stage::Acting, Event::Done(deeds)) => self.done(deeds),
            (Stage::Showing { again }, Event::Done(deeds)) => {
                let failed = |deed: &Deed| match deed {
                    Deed::Failed(failure) => Some(Said::warn(failure.why())),
                    Deed::Done | Deed::Shown => None,
                };
                self.say.extend(deeds.iter().filter_map(failed));
                self.end(again)
            }
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    /// Native arrays that have members and do not run, but those that failed to start already.
    fn waiting(&self) -> Vec<RunningArray> {
        let tried = |name: &String| self.came.iter().any(|came| came.array.kernel == *name);
        let waits = |array: &&RunningArray| {
            !array.is_active()
                && !array.names.is_empty()
                && !array.metadata.starts_with("external:")
                && !tried(&array.name)
        };
        self.session.world.arrays.iter().filter(waits).cloned().collect()
    }

    fn start(&mut self) -> Turn {
        let mut plans = Vec::new();
        for array in self.waiting() {
            self.name(&array);
            match self.decide(&array) {
                Ok((plan, came)) => {
                    plans.push(plan);
                    self.doing.push(came);
                }
                Err(refusal) => self.fail(self.session.name_of(&array), &refusal.text),
            }
        }
        if plans.is_empty() {
            return Turn::end(self.status);
        }
        self.stage = Stage::Acting;
        Then::Do(plans).into()
    }

    /// An array that the map does not know gets the name that it would have got.
    fn name(&mut self, array: &RunningArray) {
        let claims = self.session.candidates.iter().filter_map(|known| known.of(self.session.asked).ok());
        let mut inside = claims.filter(|claim| array.members.contains(&claim.id));
        let Some(claim) = inside.next() else { return };
        if !self.session.world.map.iter().any(|entry| entry.devnm == array.name) {
            let path = names::path(&self.session, array, claim);
            let (devnm, metadata, uuid) = (array.name.clone(), String::new(), claim.facts.array);
            self.session.world.map.push(MapEntry { devnm, metadata, uuid, path });
            self.unmapped.push(array.name.clone());
        }
    }

    fn decide(&self, array: &RunningArray) -> Result<(Plan, Arrival), Refusal> {
        let name = self.session.name_of(array);
        let inside = |index: &usize| self.id(*index).is_some_and(|id| array.members.contains(&id));
        let members: Vec<usize> = (0..self.session.candidates.len()).filter(inside).collect();
        let decided = self.session.decide(members, None, &self.session.options, self.session.asked);
        let (outcome, members) = decided?;
        if let Verdict::Refuse(text) = &outcome.verdict {
            return Err(Refusal::new(text));
        }
        let first = members.first().and_then(|index| self.session.candidates.get(*index));
        let claim = first.and_then(|candidate| candidate.of(self.session.asked).ok());
        let came = Arrival {
            message: format!("started array {}", name.path),
            foreign: claim.is_some_and(|claim| self.session.trust(claim) == NameTrust::Foreign),
            started: Some(Started::Yes),
            array: name,
        };
        let mapped = !self.unmapped.contains(&array.name);
        let how = Arrangement { tentative: true, mapped, ..Arrangement::default() };
        Ok((arrange(outcome.plan, &came.array, &how), came))
    }

    fn id(&self, index: usize) -> Option<DevId> {
        let candidate = self.session.candidates.get(index)?;
        candidate.of(self.session.asked).ok().map(|claim| claim.id)
    }

    fn fail(&mut self, array: ArrayName, why: &str) {
        let message = format!("failed to start array {}: {why}", array.path);
        self.say.push(Said::error(&message));
        self.status = FAILED;
        self.came.push(Arrival { array, foreign: false, started: None, message });
    }

    fn done(&mut self, deeds: Vec<Deed>) -> Turn {
        let mut again = false;
        let mut shown = Vec::new();
        for (came, deed) in std::mem::take(&mut self.doing).into_iter().zip(deeds) {
            match deed {
                Deed::Shown => {}
                Deed::Done => {
                    shown.push(show(&came.array));
                    self.say.push(Said::note(&came.message));
                    self.came.push(came);
                }
                Deed::Failed(failure) if failure.stale && self.outdated < MOST_OUTDATED => {
                    self.outdated += 1;
                    self.say.push(Said::detail(format!("{:#}", failure.cause)));
                    again = true;
                }
                // It runs: only others were not told of it.
                Deed::Failed(failure) if failure.committed && failure.rest.minor => {
                    shown.push(show(&came.array));
                    self.say.extend([Said::note(&came.message), Said::warn(failure.why())]);
                    self.came.push(came);
                }
                Deed::Failed(failure) => {
                    let why = failure.answer().unwrap_or_else(|| format!("{:#}", failure.cause));
                    self.fail(came.array, &why);
                    self.say.push(Said::detail(failure.why()));
                }
            }
        }
        if shown.is_empty() {
            return self.end(again);
        }
        self.stage = Stage::Showing { again };
        Then::Do(shown).into()
    }

    fn end(&mut self, again: bool) -> Turn {
        if !again {
            return Turn::end(self.status);
        }
        self.stage = Stage::World;
        Turn::look(Look::World { fresh: 0 })
    }
}
