//! `mdctl undo` as a course: which entry is meant, what of it is put back, whether somebody agrees, and how to take that
//! back again.

use jiff::tz::TimeZone;

use super::{
    DeviceTrust, NO_SUPERBLOCK, choose,
    decision::{Decision, Way},
};
use crate::{
    archive::{About, EntryId, Shelf},
    model::clock::ctime,
    plan::{
        DiskStep, Plan, Refusal, Step, Warning,
        course::{Answer, Course, Deed, Event, Look, Said, Then, Turn, Whose},
    },
};

/// Exit status of a failure.
const FAILED: u8 = 1;
/// So often it is looked again, because somebody else changed what had been seen.
const MOST_AGAIN: u32 = 5;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Job {
    /// How the entry's name begins; none: the newest one.
    pub id: Option<String>,
    /// A path is enough to know a device by.
    pub force: bool,
    /// Whoever asked for it agreed beforehand: no time passes over a question.
    pub agreed: bool,
    /// It is only shown.
    pub dry_run: bool,
    /// For dates.
    pub zone: TimeZone,
}

/// One undo.
#[derive(Debug)]
pub struct Undo {
    job: Job,
    stage: Stage,
    /// The entry that is meant.
    about: Option<About>,
    /// The newest entry before it is undone.
    newest: Option<(u64, EntryId)>,
    decision: Option<Decision>,
    plan: Plan,
    /// What somebody agreed to.
    agreed: Option<Plan>,
    again: u32,
    /// Everything that was said, and what is to be said.
    told: Vec<Said>,
    say: Vec<Said>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What the archive holds.
    Shelf,
    /// What the decision looks at.
    Deciding,
    /// The answer.
    Asked,
    /// The end of the plan.
    Undoing,
    /// What the archive holds after it.
    Undone,
}

impl Course for Undo {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl Undo {
    /// Begins.
    #[must_use]
    pub fn new(job: Job) -> Self {
        Self {
            job,
            stage: Stage::Shelf,
            about: None,
            newest: None,
            decision: None,
            plan: Plan::default(),
            agreed: None,
            again: 0,
            told: Vec::new(),
            say: Vec::new(),
        }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Refusal> {
        match (self.stage, event) {
            (Stage::Shelf, Event::Seen(view)) => self.begin(view.shelf()?),
            (Stage::Deciding, Event::Seen(view)) => {
                let Some(decision) = &mut self.decision else { return self.look_again() };
                let way = decision.next(view)?;
                let said = std::mem::take(&mut decision.said);
                said.into_iter().for_each(|said| self.tell(said));
                match way {
                    Way::Look(look) => Ok(Turn::look(look)),
                    Way::Decided(plan) => Ok(self.decided(plan?)),
                }
            }
            (Stage::Asked, Event::Answered(answer)) => self.answered(answer),
            (Stage::Undoing, Event::Done(deeds)) => self.ended(deeds),
            (Stage::Undone, Event::Seen(view)) => Ok(self.undone(&view.shelf()?)),
            // It is done; only its name is not known.
            (Stage::Undone, Event::Unseen(_)) => Ok(self.undone(&Shelf::default())),
            (_, Event::Unseen(unseen)) => Err(unseen.into()),
            (_, Event::Begin) => Ok(Turn::look(Look::Shelf)),
            (_, Event::Seen(_) | Event::Done(_) | Event::Answered(_) | Event::Woke(_)) => self.look_again(),
        }
    }

    /// Says something once, however often it is looked again.
    fn tell(&mut self, said: Said) {
        if !self.told.contains(&said) {
            self.told.push(said.clone());
            self.say.push(said);
        }
    }

    fn begin(&mut self, shelf: Shelf) -> Result<Turn, Refusal> {
        for (path, error) in &shelf.damaged {
            self.tell(Said::warn(format!("{}: {error}", path.display())));
        }
        let about = match &self.about {
            // Asked for the newest, nobody is given one that came meanwhile.
            Some(about) => about.clone(),
            None => {
                let abouts: Vec<&About> = shelf.entries.iter().map(|shelved| &shelved.about).collect();
                choose(self.job.id.as_deref(), &abouts)?.clone()
            }
        };
        if self.job.id.is_none() {
            self.tell(Said::note(meant(&about, &self.job.zone)));
        }
        self.newest = shelf.entries.iter().map(|shelved| order(&shelved.about)).max();
        let trust = if self.job.force { DeviceTrust::Path } else { DeviceTrust::Proof };
        let decision = Decision::begin(shelf, &about.id, trust)?;
        let look = decision.look();
        (self.about, self.decision, self.stage) = (Some(about), Some(decision), Stage::Deciding);
        Ok(Turn::look(look))
    }

    /// A question is asked once for each plan: what somebody agreed to is what is done.
    fn decided(&mut self, plan: Plan) -> Turn {
        self.plan = plan;
        if self.job.dry_run {
            return self.carry_out();
        }
        // Who agreed beforehand is told what is lost, too: nobody asks him.
        let told = |warning: &Warning| match self.job.agreed {
            true => Said::warn(&warning.text),
            false => Said::from(warning),
        };
        let warnings: Vec<Said> = self.plan.warnings.iter().map(told).collect();
        warnings.into_iter().for_each(|said| self.tell(said));
        let asks = self.job.id.is_none() || self.plan.needs_consent();
        if asks && self.agreed.as_ref() != Some(&self.plan) {
            self.stage = Stage::Asked;
            return Then::Ask("Take it back".to_owned()).into();
        }
        self.carry_out()
    }

    /// Whoever thinks about the answer gives others time: it is looked again, and decided again.
    fn answered(&mut self, answer: Answer) -> Result<Turn, Refusal> {
        match answer {
            Answer::Yes if self.job.agreed => Ok(self.carry_out()),
            Answer::Yes => {
                self.agreed = Some(self.plan.clone());
                self.look_again()
            }
            Answer::No => Ok(Turn::end(FAILED).after(vec![Said::error("nothing was written")])),
            Answer::Nobody => {
                let way = match (&self.job.id, &self.about) {
                    (None, Some(about)) => {
                        format!("name the entry (mdctl undo {}), or agree with --yes (-y)", about.id)
                    }
                    (Some(_), _) | (None, None) => "--yes (-y) agrees".to_owned(),
                };
                let why = Said::error("nothing was written: nobody can be asked here");
                Ok(Turn::end(FAILED).after(vec![why, Said::note(way)]))
            }
        }
    }

    fn carry_out(&mut self) -> Turn {
        let Some(about) = &self.about else { return Turn::end(FAILED) };
        self.stage = Stage::Undoing;
        Then::Undo(self.plan.clone(), about.id.clone(), Whose::Persons).into()
    }

    fn look_again(&mut self) -> Result<Turn, Refusal> {
        self.again += 1;
        if self.again > MOST_AGAIN {
            let text = "nothing was written: somebody else is changing these devices";
            return Err(Refusal::new(text).hint("wait for the end of that, then try again"));
        }
        self.stage = Stage::Shelf;
        Ok(Turn::look(Look::Shelf))
    }

    fn ended(&mut self, deeds: Vec<Deed>) -> Result<Turn, Refusal> {
        match deeds.into_iter().next() {
            Some(Deed::Shown) => return Ok(Turn::end(0)),
            Some(Deed::Failed(failure)) if failure.stale && !failure.committed => return self.look_again(),
            Some(Deed::Failed(failure)) => {
                let (said, status) = Said::ended(&failure, &self.plan.summary);
                self.say.extend(said);
                if status != 0 {
                    return Ok(Turn::end(status));
                }
            }
            Some(Deed::Done) | None => {}
        }
        self.stage = Stage::Undone;
        Ok(Turn::look(Look::Shelf))
    }

    fn undone(&self, shelf: &Shelf) -> Turn {
        let Some(about) = &self.about else { return Turn::end(0) };
        let entries = shelf.entries.iter().map(|shelved| &shelved.about);
        let ours = entries
            .filter(|other| other.undoes.as_ref() == Some(&about.id) && Some(order(other)) > self.newest);
        let again = ours.max_by_key(|other| order(other)).map(|other| &other.id);
        let again = again.map(|id| format!("; `mdctl undo {id}` takes this back")).unwrap_or_default();
        let out: Vec<&str> = self.plan.steps.iter().filter(|step| is_out(step)).filter_map(device).collect();
        let paths: Vec<&str> = written(&self.plan).into_iter().filter(|path| !out.contains(path)).collect();
        let told = [("put back on ", paths), ("no superblock on ", out)];
        let told = told.into_iter().filter(|(_, paths)| !paths.is_empty());
        let told: Vec<String> = told.map(|(what, paths)| format!("{what}{}", paths.join(", "))).collect();
        let what = plain(&about.summary);
        let out = format!("undid {}: {what}; {}{again}", about.id, told.join("; "));
        Turn::end(0).after(vec![Said::out(out)])
    }
}

/// The devices that a plan writes to.
pub(super) fn written(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().filter_map(device).collect()
}

fn device(step: &Step) -> Option<&str> {
    match step {
        Step::Disk(DiskStep::Write { device, .. }) => Some(device),
        _ => None,
    }
}

/// Whether it is the write to a device that gets no superblock.
fn is_out(step: &Step) -> bool {
    matches!(step, Step::Disk(DiskStep::Write { what, .. }) if what == NO_SUPERBLOCK)
}

fn order(about: &About) -> (u64, EntryId) {
    (about.seq, about.id.clone())
}

/// What `mdctl undo` without an entry's name is about.
fn meant(about: &About, zone: &TimeZone) -> String {
    let (date, command) = (ctime(about.time, zone), about.command.join(" "));
    format!("this takes back {}: {} ({date})", about.id, plain(&command))
}

/// In one line.
fn plain(text: &str) -> String {
    let one = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(one).collect()
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
