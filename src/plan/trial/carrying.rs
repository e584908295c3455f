//! Carrying a guess out on the devices themselves, as a course: whether anything speaks for it, whether somebody agrees, and what
//! is written then.

use super::{TrialDevice, TrialSeen, request, supported};
use crate::{
    model::{Candidate, World, trial::Scored},
    plan::{
        Plan, Refusal,
        course::{Answer, Course, Deed, Event, Look, Said, Then, Turn},
        create::{self, CreateSettings},
    },
    request::CreateRequest,
};

/// Exit status of a failure.
const FAILED: u8 = 1;
/// So often it is looked again, because somebody else changed what had been seen.
const MOST_AGAIN: u32 = 3;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CarryJob {
    /// The number of the guess.
    pub number: usize,
    /// It.
    pub scored: Scored,
    /// What the array is called.
    pub word: String,
    /// The command that does the same without a trial.
    pub command: String,
    /// The devices that the guess speaks of by number.
    pub devices: Vec<TrialDevice>,
    /// For arrays that are made.
    pub settings: CreateSettings,
    /// Whoever asked for it agreed beforehand: no time passes over a question.
    pub agreed: bool,
    /// It is only shown.
    pub dry_run: bool,
}

/// The number of the guess that is carried out, or shown in a dry run. A document of the guesses is not followed by one of
/// the plan, unless that is asked for.
#[must_use]
pub fn to_carry_out(apply: Option<usize>, dry_run: bool, json: bool) -> Option<usize> {
    apply.or((dry_run && !json).then_some(1))
}

/// The exit status of a trial that carries nothing out.
#[must_use]
pub fn ended(best: Option<&Scored>) -> u8 {
    if best.is_some_and(Scored::is_supported) { 0 } else { FAILED }
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    World,
    Devices,
    Asked,
    Writing,
}

/// One guess that is carried out.
#[derive(Debug)]
pub struct Carrying {
    job: CarryJob,
    /// The superblocks on the devices say just this: nothing needs to be written.
    said_there: bool,
    stage: Stage,
    world: World,
    plan: Plan,
    /// Somebody agreed.
    agreed: bool,
    again: u32,
    assembles: bool,
}

impl Course for Carrying {
    fn next(&mut self, event: Event) -> Turn {
        self.turn(event).unwrap_or_else(Turn::refuse)
    }
}

impl Carrying {
    /// Begins.
    #[must_use]
    pub fn new(job: CarryJob, seen: &[TrialSeen]) -> Self {
        Self {
            said_there: job.scored.hypothesis.is_said_by(seen),
            agreed: job.agreed,
            job,
            stage: Stage::World,
            world: World::default(),
            plan: Plan::default(),
            again: 0,
            assembles: false,
        }
    }

    /// The devices from which the array is to be assembled as its superblocks say; `None` where that is not what was decided.
    #[must_use]
    pub fn assembles(&self) -> Option<Vec<String>> {
        self.assembles.then(|| {
            let seats = self.job.scored.hypothesis.seats.iter().flatten();
            let used = seats.filter_map(|seat| self.job.devices.get(seat.device));
            used.map(|device| device.path.clone()).collect()
        })
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Refusal> {
        match (self.stage, event) {
            (_, Event::Begin) => self.begin(),
            (Stage::World, Event::Seen(view)) => {
                self.world = *view.world()?;
                self.stage = Stage::Devices;
                Ok(Turn::look(Look::ToWrite { paths: self.request().paths() }))
            }
            (Stage::Devices, Event::Seen(view)) => self.decide(view.to_write()?),
            (Stage::Asked, Event::Answered(answer)) => Ok(self.answered(answer)),
            (Stage::Writing, Event::Done(deeds)) => self.ended(deeds),
            (_, Event::Unseen(unseen)) => Err(unseen.into()),
            (_, Event::Seen(_) | Event::Done(_) | Event::Answered(_) | Event::Woke(_)) => Ok(self.look()),
        }
    }

    fn request(&self) -> CreateRequest {
        let paths: Vec<String> = self.job.devices.iter().map(|device| device.path.clone()).collect();
        request(&self.job.scored.hypothesis, &paths, &self.job.word, false)
    }

    fn begin(&mut self) -> Result<Turn, Refusal> {
        supported(&self.job.scored, self.job.number, &self.job.command)?;
        if !self.said_there {
            return Ok(self.look());
        }
        if self.job.dry_run {
            return Ok(self.assemble());
        }
        self.stage = Stage::Asked;
        Ok(Then::Ask(format!("Assemble {}", self.job.word)).into())
    }

    fn assemble(&mut self) -> Turn {
        self.assembles = true;
        Turn::end(0)
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::World;
        Turn::look(Look::World { fresh: self.request().identities() })
    }

    fn decide(&mut self, devices: Vec<Candidate>) -> Result<Turn, Refusal> {
        for now in &devices {
            let then = self.job.devices.iter().find(|device| device.path == now.path);
            then.map_or(Ok(()), |then| then.still(now))?;
        }
        self.world.devices = devices;
        let request = self.request();
        let context = self.job.settings.context(&request, &self.world)?;
        // That members have other metadata is why there was a trial.
        self.plan = Plan { warnings: Vec::new(), ..create::plan(&request, &context, &self.world)? };
        if self.job.dry_run || self.agreed {
            self.stage = Stage::Writing;
            return Ok(Turn::carry_out(self.plan.clone()));
        }
        self.stage = Stage::Asked;
        let members = self.job.scored.hypothesis.seats.iter().flatten().count();
        let word = &self.job.word;
        Ok(Then::Ask(format!("Write new superblocks to {members} devices, and start {word} from them"))
            .into())
    }

    /// Whoever thinks about the answer gives others time: it is looked and decided again.
    fn answered(&mut self, answer: Answer) -> Turn {
        let nothing = match answer {
            Answer::Yes if self.said_there => return self.assemble(),
            Answer::Yes => {
                self.agreed = true;
                return self.look();
            }
            Answer::No => "nothing was written",
            Answer::Nobody => "nothing was written: nobody can be asked here; --yes (-y) agrees",
        };
        Turn::refuse(Refusal::new(nothing))
    }

    fn ended(&mut self, deeds: Vec<Deed>) -> Result<Turn, Refusal> {
        let word = &self.job.word;
        let up = Said::out(format!("{word} is up; to take it back: mdctl stop {word}; mdctl undo"));
        match deeds.into_iter().next() {
            Some(Deed::Done) => Ok(Turn::end(0).after(vec![up])),
            Some(Deed::Shown) | None => Ok(Turn::end(0)),
            Some(Deed::Failed(failure)) if failure.stale && !failure.committed && self.again < MOST_AGAIN => {
                self.again += 1;
                Ok(self.look())
            }
            Some(Deed::Failed(failure)) => {
                let (mut said, status) = Said::ended(&failure, &self.plan.summary);
                said.extend((status == 0).then_some(up));
                Ok(Turn::end(status).after(said))
            }
        }
    }
}

#[cfg(test)]
#[path = "carrying_tests.rs"]
mod tests;
