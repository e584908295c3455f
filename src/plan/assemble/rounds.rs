//! Assembly as a course: looks until nothing more comes up.
//!
//! An array that was started may be a member of another one, so complete arrays come first, and each round looks at what
//! is new. Every round ends something, so there are no more rounds than arrays. Whoever changes the machine between a look
//! and the map's lock makes us look again.

use std::collections::{BTreeSet, VecDeque};

use super::{
    ArrayOutcome, AssembleTarget, CandidatePath, Count, Remark, SearchedArray, Session, Stop, Verdict,
    WantedIdentity, Why,
    session::{is_line_for, same_names},
};
use crate::{
    model::{Sight, Unusable},
    plan::{
        DiskStep, MdStep, Plan, Step,
        course::{Course, Deed, Event, Look, Said, Then, Turn, Unseen, UsedBy, View},
        run::Failure,
    },
};

/// Exit status of a failure.
const FAILED: u8 = 1;
/// Exit status where no device fits.
const NOT_FOUND: u8 = 2;
/// How often somebody else may be quicker in one command.
const MOST_OUTDATED: usize = 50;

/// What is to be assembled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssembleJob {
    /// One array, out of these devices; out of all where none is listed.
    One(AssembleTarget, Vec<String>),
    /// Arrays by their names, each from its ARRAY line.
    Lines(Vec<String>),
    /// All that the configuration lists; all that is found where it lists nothing, or not what is asked for.
    Scan(WantedIdentity),
}

/// How far an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Only arrays that have all members that they had: the others may gain one that stands on these.
    Complete,
    /// Degraded ones too; what fails is kept for the last pass.
    Degraded,
    /// What fails is said.
    Last,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Done,
    Later,
    Failed(u8),
    /// It has to be decided again: a member was not to be had, or somebody else was quicker.
    Again,
}

/// A decision that waits to be carried out.
struct Ready {
    target: AssembleTarget,
    outcome: ArrayOutcome,
    members: Vec<usize>,
}

/// What became of an array, for the command's document.
#[derive(Clone, Debug)]
pub struct Came {
    /// Its path, or the word by which it was asked for.
    pub array: String,
    /// The kernel's name of it.
    pub kernel_name: Option<String>,
    /// What became of it.
    pub became: Became,
    /// The sentence for people.
    pub message: String,
    /// Who was there.
    pub count: Option<Count>,
    /// Devices that were left out.
    pub out: Vec<(String, Why)>,
}

/// What became of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It runs.
    Started,
    /// It has its members and waits.
    Inactive,
    /// Nothing was done.
    Refused,
    /// Something was tried and taken back.
    Failed,
    /// No device of it was found.
    NotFound,
}

/// One command's assembly.
pub struct Rounds<'a> {
    session: Session<'a>,
    job: AssembleJob,
    /// Fresh identities that the request needs.
    fresh: usize,
    came: Vec<Came>,
    say: Vec<Said>,
    /// Names of [`Job::Lines`] and the one target of [`Job::One`] that are still to be assembled.
    queue: VecDeque<AssembleTarget>,
    /// Targets of a scan that need no more thought.
    ended: Vec<AssembleTarget>,
    doing: Vec<Ready>,
    /// What became of the targets that this round did nothing for.
    decided: Vec<(AssembleTarget, Ended)>,
    pass: Pass,
    status: u8,
    started: bool,
    outdated: usize,
    begun: bool,
    /// Under the original's name its silence stays.
    native: bool,
}

impl Course for Rounds<'_> {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl<'a> Rounds<'a> {
    /// Begins; the session has looked at nothing yet.
    #[must_use]
    pub fn new(session: Session<'a>, job: AssembleJob, fresh: usize) -> Self {
        Self {
            session,
            job,
            fresh,
            came: Vec::new(),
            say: Vec::new(),
            queue: VecDeque::new(),
            ended: Vec::new(),
            doing: Vec::new(),
            decided: Vec::new(),
            pass: Pass::Complete,
            status: 0,
            started: false,
            outdated: 0,
            begun: false,
            native: false,
        }
    }

    /// Also says what the original does not.
    #[must_use]
    pub fn native(self, native: bool) -> Self {
        Self { native, ..self }
    }

    /// What became of each array.
    #[must_use]
    pub fn came(self) -> Vec<Came> {
        self.came
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match event {
            Event::Begin => self.begin(),
            Event::Seen(view @ View::World(_)) => {
                let mut world = *view.world()?;
                if let Some(updating) = self.session.updating.as_mut().filter(|_| !self.begun) {
                    updating.fresh = std::mem::take(&mut world.fresh);
                }
                self.session.world = world;
                self.look_at_devices()
            }
            Event::Seen(view @ View::Candidates(_)) => {
                let known: BTreeSet<&str> =
                    self.session.candidates.iter().map(|candidate| candidate.path.as_str()).collect();
                let mut new = view.candidates()?;
                new.retain(|path| !known.contains(path.as_str()));
                if new.is_empty() {
                    self.decide_all()
                } else {
                    Turn::look(Look::Members { paths: new, used_by: UsedBy::Whether })
                }
            }
            Event::Seen(view) => {
                let sights = view.members()?;
                self.say.extend(sights.iter().filter_map(silent));
                let new = sights.iter().map(|sight| CandidatePath::new(sight, self.session.asked));
                let new: Vec<CandidatePath> = new.collect();
                self.session.candidates.splice(0..0, new);
                self.decide_all()
            }
            Event::Done(deeds) => self.done(deeds),
            Event::Unseen(unseen) => return Err(unseen),
            Event::Woke(_) | Event::Answered(_) => self.decide_all(),
        })
    }

    /// What needs no look comes first.
    fn begin(&mut self) -> Turn {
        match &self.job {
            AssembleJob::One(target, _) => self.queue.push_back(target.clone()),
            AssembleJob::Lines(words) => {
                for word in words.clone() {
                    let nth = self.session.config.arrays.iter().position(|line| is_line_for(line, &word));
                    match nth {
                        Some(nth) => self.queue.push_back(AssembleTarget::Line(nth)),
                        None => {
                            self.say.push(Said::error(format!("{word} not identified in config file.")));
                            self.status |= FAILED;
                        }
                    }
                }
                if self.queue.is_empty() {
                    return Turn::end(self.status);
                }
            }
            AssembleJob::Scan(_) => {
                if let Some(text) = same_names(self.session.config) {
                    self.say.push(Said::error(text));
                    self.say.push(Said::error("Duplicate MD device names in conf file were found."));
                    return Turn::end(FAILED);
                }
            }
        }
        Turn::look(Look::World { fresh: self.fresh })
    }

    /// Listed devices are looked at once; all others again and again, for new ones.
    fn look_at_devices(&mut self) -> Turn {
        match &self.job {
            AssembleJob::One(_, listed) if !listed.is_empty() => {
                if self.begun {
                    return self.decide_all();
                }
                self.begun = true;
                Turn::look(Look::Members { paths: listed.clone(), used_by: UsedBy::ByWhom })
            }
            AssembleJob::One(..) | AssembleJob::Lines(_) | AssembleJob::Scan(_) => {
                Turn::look(Look::Candidates)
            }
        }
    }

    fn decide_all(&mut self) -> Turn {
        let first = !std::mem::replace(&mut self.begun, true);
        match &self.job {
            AssembleJob::One(..) | AssembleJob::Lines(_) => self.decide_next(),
            AssembleJob::Scan(identity) => {
                let identity = identity.clone();
                let lines = self.session.lines(&identity);
                if !lines.is_empty() {
                    return self.decide_several(lines);
                }
                if self.session.home.host.is_none() {
                    self.say.push(Said::error("No arrays found in config file"));
                    return Turn::end(FAILED);
                }
                if first {
                    self.say.push(Said::detail("looking for devices for further assembly"));
                    let nothing = self.session.candidates.iter().filter_map(CandidatePath::nothing);
                    self.say.extend(nothing.map(Said::detail));
                }
                // Who asks for one by its identity counts on all of it, as with listed members.
                self.session.options.partial &= identity.is_empty();
                let found = self.session.found(&identity);
                self.decide_several(found)
            }
        }
    }

    /// One after the other, each to its end.
    fn decide_next(&mut self) -> Turn {
        while let Some(target) = self.queue.front().cloned() {
            match self.decide(&target, Pass::Last) {
                Ok(ready) => return self.carry_out(vec![ready]),
                Err(Ended::Failed(status)) => self.status |= status,
                Err(Ended::Done | Ended::Later | Ended::Again) => {}
            }
            self.queue.pop_front();
        }
        Turn::end(self.status)
    }

    /// All that can be decided now, at once.
    fn decide_several(&mut self, targets: Vec<AssembleTarget>) -> Turn {
        let mut ready = Vec::new();
        for target in targets {
            if self.ended.contains(&target) {
                continue;
            }
            match self.decide(&target, self.pass) {
                Ok(one) => ready.push(one),
                Err(ended) => self.decided.push((target, ended)),
            }
        }
        if ready.is_empty() { self.round() } else { self.carry_out(ready) }
    }

    fn carry_out(&mut self, ready: Vec<Ready>) -> Turn {
        let plans: Vec<Plan> = ready.iter().map(|ready| ready.outcome.plan.clone()).collect();
        self.doing = ready;
        Then::Do(plans).into()
    }

    /// Decides about one array, and says what there is to say before it is carried out.
    fn decide(&mut self, target: &AssembleTarget, pass: Pass) -> Result<Ready, Ended> {
        let SearchedArray { remarks, result } = self.session.try_target(target);
        let (outcome, members) = match result {
            Ok(decided) => decided,
            Err(_) if pass != Pass::Last => return Err(Ended::Later),
            Err(stop) => {
                self.remark(&remarks);
                return Err(self.stopped(target, &stop));
            }
        };
        let wait = match pass {
            Pass::Complete => !outcome.is_complete(),
            Pass::Degraded => matches!(outcome.verdict, Verdict::Refuse(_)),
            Pass::Last => false,
        };
        if wait {
            return Err(Ended::Later);
        }
        self.remark(&remarks);
        self.remark(&outcome.before);
        if let Verdict::Refuse(text) = &outcome.verdict {
            self.say.push(Said::error(text));
            self.note(&outcome, Became::Refused, text.clone());
            return Err(Ended::Failed(FAILED));
        }
        self.session.record(&outcome, &members);
        Ok(Ready { target: target.clone(), outcome, members })
    }

    /// What came of what was carried out.
    fn done(&mut self, deeds: Vec<Deed>) -> Turn {
        let doing = std::mem::take(&mut self.doing);
        let outdated = self.outdated;
        for (Ready { target, outcome, members }, deed) in doing.into_iter().zip(deeds) {
            let ended = match deed {
                Deed::Done => self.came_up(&outcome),
                Deed::Shown => {
                    self.note(&outcome, became(&outcome), outcome.done.clone());
                    Ended::Done
                }
                // The array is there. Under the original's name it is only said what is missing, as there.
                Deed::Failed(failure) if failure.committed => {
                    let path = &outcome.name.path;
                    self.say.push(Said::error(format!("{path}: {}: {:#}", failure.step, failure.cause)));
                    let later = failure.rest.later.iter().filter(|_| self.native);
                    self.say
                        .extend(later.map(|later| Said::note(format!("what remains to be done: {later}"))));
                    self.status |= if self.native && !failure.rest.minor { FAILED } else { 0 };
                    self.came_up(&outcome)
                }
                Deed::Failed(failure) => {
                    self.session.forget(&outcome, &members);
                    self.failed(&outcome, &failure)
                }
            };
            self.decided.push((target, ended));
        }
        match &self.job {
            AssembleJob::One(..) | AssembleJob::Lines(_) => self.next_of_queue(outdated),
            AssembleJob::Scan(_) => self.round(),
        }
    }

    fn next_of_queue(&mut self, outdated: usize) -> Turn {
        for (_, ended) in std::mem::take(&mut self.decided) {
            match ended {
                Ended::Again => {}
                Ended::Failed(status) => {
                    self.status |= status;
                    self.queue.pop_front();
                }
                Ended::Done | Ended::Later => drop(self.queue.pop_front()),
            }
        }
        if self.outdated > outdated { Turn::look(Look::World { fresh: 0 }) } else { self.decide_next() }
    }

    /// The end of a round of a scan: whether there is another.
    fn round(&mut self) -> Turn {
        let mut progress = false;
        for (target, ended) in std::mem::take(&mut self.decided) {
            match ended {
                Ended::Later => continue,
                Ended::Again => {
                    progress = true;
                    continue;
                }
                Ended::Done => (progress, self.started) = (true, true),
                Ended::Failed(status) => self.status |= status,
            }
            self.ended.push(target);
        }
        if progress {
            self.pass = Pass::Complete;
            return Turn::look(if self.outdated > 0 { Look::World { fresh: 0 } } else { Look::Candidates });
        }
        self.pass = match self.pass {
            Pass::Complete => Pass::Degraded,
            Pass::Degraded => Pass::Last,
            Pass::Last => return self.end(),
        };
        self.decide_all()
    }

    fn end(&mut self) -> Turn {
        let AssembleJob::Scan(identity) = &self.job else { return Turn::end(self.status) };
        if !self.session.lines(identity).is_empty() {
            return Turn::end(self.status);
        }
        if self.started {
            return Turn::end(0);
        }
        self.say.push(Said::error("No arrays found in config file or automatically"));
        Turn::end(FAILED)
    }
}

impl Rounds<'_> {
    fn came_up(&mut self, outcome: &ArrayOutcome) -> Ended {
        self.remark(&outcome.after);
        if outcome.verdict == Verdict::LeaveInactive {
            self.say.push(Said::note(&outcome.done));
        } else {
            self.say.push(Said::out(&outcome.done));
        }
        self.note(outcome, became(outcome), outcome.done.clone());
        Ended::Done
    }

    fn failed(&mut self, outcome: &ArrayOutcome, failure: &Failure) -> Ended {
        let left = failure.not_undone.iter().map(|left| Said::error(format!("could not undo: {left}")));
        self.say.extend(left);
        if failure.stale && self.outdated < MOST_OUTDATED {
            self.outdated += 1;
            self.say.push(Said::detail(format!("{:#}", failure.cause)));
            return Ended::Again;
        }
        let path = &outcome.name.path;
        let reason = format!("{:#}", failure.cause);
        let why = failure.answer().unwrap_or_else(|| reason.clone());
        match outcome.plan.steps.get(failure.at) {
            Some(Step::Md(MdStep::AddDisk { device, .. })) => {
                self.without(device, format!("failed to add {device} to {path}: {why}"), reason)
            }
            Some(Step::Disk(DiskStep::Claim { device })) => {
                self.without(device, format!("{device} is busy - skipping"), reason)
            }
            Some(Step::Md(MdStep::Run { .. })) => {
                self.say.push(Said::error(format!("failed to RUN_ARRAY {path}: {why}")));
                let hint = outcome.shortage.map_or_else(|| reason.clone(), |shortage| shortage.insisted());
                self.say.push(Said::error(hint));
                self.note(outcome, Became::Failed, reason);
                Ended::Failed(FAILED)
            }
            _ => {
                let text = format!("{path}: {}: {reason}", failure.step);
                self.say.push(Said::error(&text));
                self.note(outcome, Became::Failed, text);
                Ended::Failed(FAILED)
            }
        }
    }

    /// Once more without a device that cannot be had.
    fn without(&mut self, device: &str, text: String, reason: String) -> Ended {
        self.say.push(Said::error(text));
        self.say.push(Said::detail(reason));
        if self.session.give_up(device) { Ended::Again } else { Ended::Failed(FAILED) }
    }

    fn stopped(&mut self, target: &AssembleTarget, stop: &Stop) -> Ended {
        let (status, became, message) = match stop {
            Stop::Nothing => {
                let array = self.session.name_of_target(target);
                let runs =
                    self.session.runs_as(target).map(|kernel| format!("{array} runs already, as {kernel}"));
                let text = runs.unwrap_or_else(|| format!("no device of {array} was found"));
                if self.native {
                    self.say.push(Said::error(&text));
                }
                (NOT_FOUND, Became::NotFound, text)
            }
            Stop::Refused(refusal) => {
                self.say.extend(Said::refusal(refusal));
                (refusal.status, Became::Refused, refusal.text.clone())
            }
        };
        let array = self.session.name_of_target(target);
        self.came.push(Came { array, kernel_name: None, became, message, count: None, out: Vec::new() });
        Ended::Failed(status)
    }

    fn remark(&mut self, remarks: &[Remark]) {
        let said = |remark: &Remark| {
            if remark.detail { Said::detail(&remark.text) } else { Said::note(&remark.text) }
        };
        self.say.extend(remarks.iter().map(said));
    }

    fn note(&mut self, outcome: &ArrayOutcome, became: Became, message: String) {
        self.came.push(Came {
            array: outcome.name.path.clone(),
            kernel_name: Some(outcome.name.kernel.clone()),
            became,
            message,
            count: Some(outcome.count.clone()),
            out: outcome.out.clone(),
        });
    }
}

/// A device that does not answer is left out of a scan, and nobody named it.
fn silent(sight: &Sight) -> Option<Said> {
    match &sight.found {
        Err(Unusable::Silent(why)) => Some(Said::warn(format!("left out: {why}"))),
        Ok(_) | Err(Unusable::Open(_) | Unusable::NotBlock | Unusable::Broken(_)) => None,
    }
}

fn became(outcome: &ArrayOutcome) -> Became {
    if outcome.verdict == Verdict::LeaveInactive { Became::Inactive } else { Became::Started }
}
