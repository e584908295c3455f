//! What a killed command left of arrays is taken back, as a course: arrays first, then the bytes below them.

use super::{Recovery, failed, plan, told_before};
use crate::{
    model::{World, unfinished::Unfinished},
    plan::{
        course::{Course, Deed, Ending, Event, Look, Said, Then, Turn, Unseen},
        undo::PutBack,
    },
};

/// So often it is looked again, because somebody else changed what had been seen.
const MOST_AGAIN: u32 = 3;

/// Takes back what one command left.
#[derive(Debug)]
pub struct TakeBack {
    left: Unfinished,
    stage: Stage,
    world: World,
    recovery: Recovery,
    put_back: PutBack,
    again: u32,
    /// What could not be done after the arrays were stopped.
    missing: Option<String>,
    told: Vec<String>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Arrays and the map.
    World,
    /// Which arrays are marked as being created.
    Creating,
    /// The end of the plan.
    Arrays,
    /// The end of what puts the bytes back.
    Bytes,
}

impl Course for TakeBack {
    fn next(&mut self, event: Event) -> Turn {
        self.turn(event).unwrap_or_else(|unseen| self.fail(failed(&unseen.text)))
    }
}

impl TakeBack {
    /// Begins with the notes of the killed command.
    #[must_use]
    pub fn new(left: &Unfinished) -> Self {
        Self {
            left: left.clone(),
            stage: Stage::World,
            world: World::default(),
            recovery: Recovery::default(),
            put_back: PutBack::new(left.archive.as_deref().unwrap_or_default()),
            again: 0,
            missing: None,
            told: Vec::new(),
        }
    }

    /// What was taken back, in words. Where it did not come to its end this was said.
    #[must_use]
    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (Stage::World, Event::Seen(view)) => {
                self.world = *view.world()?;
                self.stage = Stage::Creating;
                Turn::look(Look::Creating)
            }
            (Stage::Creating, Event::Seen(view)) => self.decide(&view.creating()?),
            (Stage::Arrays, Event::Done(deeds)) => self.stopped(deeds),
            (Stage::Bytes, event) => self.bytes(event),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, Event::Begin | Event::Seen(_) | Event::Done(_) | Event::Answered(_) | Event::Woke(_)) => {
                self.look()
            }
        })
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::World;
        Turn::look(Look::World { fresh: 0 })
    }

    fn decide(&mut self, creating: &[String]) -> Turn {
        self.recovery = plan(&self.left, &self.world.arrays, &self.world.map, creating);
        if self.recovery.plan.steps.is_empty() {
            return self.below();
        }
        self.stage = Stage::Arrays;
        Turn::carry_out(self.recovery.plan.clone())
    }

    /// What fails after the arrays are stopped keeps no bytes from coming back; the next command tries the rest again.
    fn stopped(&mut self, deeds: Vec<Deed>) -> Turn {
        match deeds.into_iter().next() {
            Some(Deed::Failed(failure)) if failure.committed => self.missing = Some(failure.to_string()),
            Some(Deed::Failed(failure)) if failure.stale && self.again < MOST_AGAIN => {
                self.again += 1;
                return self.look();
            }
            Some(Deed::Failed(failure)) => {
                let left =
                    failure.not_undone.iter().map(|left| Said::error(format!("could not undo: {left}")));
                return self.fail(failed(&failure.to_string()).after(left.collect()));
            }
            Some(Deed::Done | Deed::Shown) | None => {}
        }
        self.below()
    }

    fn below(&mut self) -> Turn {
        let Recovery { stopped, running, thawed, released, put_back, .. } = &self.recovery;
        self.told
            .extend(stopped.iter().map(|array| format!("{array}, which it had begun to make, is stopped")));
        self.told.extend(running.iter().map(|array| format!("{array} runs, and is left as it is")));
        if self.missing.is_none() {
            self.told.extend(thawed.iter().map(|array| format!("recovery of {array} may start again")));
            self.told.extend(released.iter().map(|array| format!("{array} takes writes to all of it again")));
        }
        match put_back {
            Some(_) => {
                self.stage = Stage::Bytes;
                self.bytes(Event::Begin)
            }
            None => self.end(),
        }
    }

    fn bytes(&mut self, event: Event) -> Turn {
        let Turn { say, then } = self.put_back.next(event);
        match then {
            Then::End(Ending::Status(0)) => {
                self.told.extend(self.put_back.came().map(ToOwned::to_owned));
                self.end().after(say)
            }
            then @ Then::End(_) => self.fail(Turn { say, then }),
            then => Turn { say, then },
        }
    }

    fn end(&mut self) -> Turn {
        if let Some(why) = self.missing.take() {
            return self.fail(failed(&why));
        }
        let is_back = !self.recovery.stopped.is_empty() || self.put_back.is_back();
        let was_making = !self.left.made.is_empty() || !self.left.hidden.is_empty();
        if is_back && was_making && self.recovery.running.is_empty() {
            self.told.push("run it again if it is still wanted".to_owned());
        }
        Turn::end(0)
    }

    fn fail(&mut self, turn: Turn) -> Turn {
        turn.after(told_before(self.told()))
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
