//! Checks as a course: begin, wait, save how far they are, note how they end.

mod entering;

use std::time::Duration;

use superblock::Sectors;

use super::{
    ScrubAct, ScrubJob, ready, steps,
    watched::{LONGEST_UNSAVED, Watched, at_percent, told},
};
use crate::{
    model::{
        human,
        scrub::{ScrubArray, ScrubSight, Settled, SyncLimit, settle},
    },
    plan::{
        Plan,
        course::{Bar, Cause, Course, Deed, Event, Look, Said, Then, Turn, Unseen, Wait, Woke},
        run::Failure,
    },
    words::SyncAction,
};

/// Exit status of a failure.
const FAILED: u8 = 1;
/// What a disk's failure sets off is over soon, where there is no spare.
const A_MOMENT: Duration = Duration::from_secs(2);
/// Looks that fail one after the other before it is given up.
const MOST_BLIND: u32 = 3;
/// A stop that somebody else is quicker than is tried again.
const MOST_STOPS: u32 = 3;

/// The course.
pub struct Scrub {
    job: ScrubJob,
    stage: Stage,
    watched: Vec<Watched>,
    /// What was seen, until the kernel's log was.
    held: Option<(Stage, Box<ScrubSight>)>,
    log: Vec<String>,
    /// Arrays whose `sync_min` the kernel does not take back yet, and how often that is waited for still.
    untidy: Vec<String>,
    patience: u32,
    /// What was handed out, plan by plan.
    acts: Vec<Act>,
    /// When time is over, by the clock of [`ScrubSight`].
    deadline: Option<u64>,
    /// The same clock at the last look.
    clock: u64,
    /// Why checks are stopped now.
    ending: Option<Ending>,
    blind: u32,
    /// That something could not be written was said.
    unwritten: bool,
    status: u8,
    say: Vec<Said>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    First,
    Watching,
    /// What the kernel said of checks that are over.
    Log,
    Acting,
    Waiting,
}

/// Why checks are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Asked,
    TimeUp,
    Interrupted,
}

/// A plan, and what it is for.
type Work = (Act, Plan);

/// What a plan is for.
#[derive(Clone, Debug)]
enum Act {
    Begin(Box<Watched>, Said),
    Stop,
    /// A file or an attribute: what is not written is said.
    Note,
    Renew(usize),
}

impl Course for Scrub {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl Scrub {
    /// Before the first look.
    #[must_use]
    pub fn new(job: ScrubJob) -> Self {
        let ending = (job.act == ScrubAct::Stop).then_some(Ending::Asked);
        Self {
            job,
            stage: Stage::First,
            watched: Vec::new(),
            held: None,
            log: Vec::new(),
            untidy: Vec::new(),
            patience: 3,
            acts: Vec::new(),
            deadline: None,
            clock: 0,
            ending,
            blind: 0,
            unwritten: false,
            status: 0,
            say: Vec::new(),
        }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (_, Event::Begin) => self.look(Stage::First),
            (stage @ (Stage::First | Stage::Watching), Event::Seen(view)) => self.seen(stage, view.scrub()?),
            (Stage::First, Event::Unseen(unseen)) => return Err(unseen),
            // Without the kernel's log a check is over all the same.
            (Stage::Log, event) => {
                if let Event::Seen(view) = event {
                    self.log = view.kernel_log().unwrap_or_default();
                }
                match self.held.take() {
                    Some((stage, sight)) => self.decide(stage, &sight),
                    None => self.look(Stage::Watching),
                }
            }
            (_, Event::Unseen(unseen)) => self.unseen(unseen)?,
            (_, Event::Done(deeds)) => self.done(deeds),
            (_, Event::Woke(woke)) => {
                if woke == Woke::Interrupted {
                    self.ending = Some(Ending::Interrupted);
                }
                self.look(Stage::Watching)
            }
            (_, Event::Seen(_) | Event::Answered(_)) => self.look(Stage::Watching),
        })
    }

    fn seen(&mut self, stage: Stage, sight: Box<ScrubSight>) -> Turn {
        self.blind = 0;
        let watched = |array: &ScrubArray| {
            let kernel = &array.status.kernel_name;
            let noted = array.kept.record.open.as_ref().is_some_and(|open| open.part.is_some());
            noted || self.watched.iter().any(|watched| watched.kernel == *kernel)
        };
        let over = |array: &&ScrubArray| {
            let found = array.status.mismatches.is_some_and(|count| count.0 > 0);
            found && array.status.action != Some(SyncAction::Check) && watched(array)
        };
        let over: Vec<String> =
            sight.arrays.iter().filter(over).map(|array| array.status.kernel_name.clone()).collect();
        if over.is_empty() {
            return self.decide(stage, &sight);
        }
        self.held = Some((stage, sight));
        self.stage = Stage::Log;
        Turn::look(Look::KernelLog { words: over })
    }

    fn decide(&mut self, stage: Stage, sight: &ScrubSight) -> Turn {
        let turn = if stage == Stage::First { self.first(sight) } else { self.watch(sight, Vec::new()) };
        self.log.clear();
        turn
    }

    fn look(&mut self, stage: Stage) -> Turn {
        self.stage = stage;
        let words = if stage == Stage::First { self.job.words.clone() } else { Vec::new() };
        Turn::look(Look::Scrub { words })
    }

    /// A look that fails is made again; what was saved stays for another time.
    fn unseen(&mut self, unseen: Unseen) -> Result<Turn, Unseen> {
        self.blind += 1;
        if self.blind >= MOST_BLIND || self.ending.is_some_and(|_| self.blind > 1) {
            return Err(unseen);
        }
        self.say.push(Said::warn(unseen.text));
        Ok(self.look(Stage::Watching))
    }

    fn first(&mut self, sight: &ScrubSight) -> Turn {
        self.clock = sight.clock;
        for word in &sight.absent {
            self.say.push(Said::error(format!("{word} is not an array in the kernel")));
            self.status |= FAILED;
        }
        if let ScrubAct::Run { most: Some(most) } = self.job.act {
            self.deadline = Some(sight.clock.saturating_add(most.as_secs().max(1)));
        }
        if self.job.act == ScrubAct::Renew {
            return self.renew(sight);
        }
        if sight.arrays.is_empty() && self.job.words.is_empty() {
            self.say.push(Said::note("no array runs"));
        }
        let mut plans = Vec::new();
        for array in &sight.arrays {
            let settled = settle(array, sight.now, &sight.boot).with_log(&self.log, array);
            let shown = array.status.shown();
            self.say.extend(settled.odd.iter().map(|odd| Said::warn(format!("{shown}: {odd}"))));
            match self.job.act {
                ScrubAct::Stop => plans.extend(self.stopping(sight, array, settled)),
                ScrubAct::Start | ScrubAct::Run { .. } | ScrubAct::Renew => {
                    self.entering(sight, array, settled, &mut plans)
                }
            }
        }
        if self.job.act == ScrubAct::Stop {
            return self.watch(sight, plans);
        }
        self.carry_out(plans)
    }

    /// One look at what is watched.
    fn watch(&mut self, sight: &ScrubSight, mut plans: Vec<Work>) -> Turn {
        self.clock = sight.clock;
        if self.deadline.is_some_and(|deadline| sight.clock >= deadline) {
            self.ending = self.ending.or(Some(Ending::TimeUp));
        }
        let mut stay = Vec::new();
        for watched in std::mem::take(&mut self.watched) {
            // One that was assembled again has no mark unless the check began just then.
            let same = |array: &&ScrubArray| {
                let marked = array.sync_max == SyncLimit::Marked;
                array.status.kernel_name == watched.kernel && (marked || array.diskseq == watched.diskseq)
            };
            match sight.arrays.iter().find(same).filter(|array| array.status.is_running()) {
                Some(array) => stay.extend(self.one(sight, array, watched, &mut plans)),
                None => self.gone(&watched),
            }
        }
        self.watched = stay;
        plans.extend(self.tidy(sight));
        self.carry_out(plans)
    }

    /// What could not be put back while something else began, which may be over by now.
    fn tidy(&mut self, sight: &ScrubSight) -> Vec<Work> {
        let is_idle = |array: &&ScrubArray| array.status.action == Some(SyncAction::Idle);
        let mut idle = sight.arrays.iter().filter(is_idle).collect::<Vec<_>>();
        idle.retain(|array| self.untidy.contains(&array.status.kernel_name));
        self.untidy.retain(|name| idle.iter().all(|array| array.status.kernel_name != *name));
        idle.into_iter().filter_map(steps::tidied).map(|plan| (Act::Note, plan)).collect()
    }

    /// One array: what is to be done about it, and whether it is watched on.
    fn one(
        &mut self,
        sight: &ScrubSight,
        array: &ScrubArray,
        mut watched: Watched,
        plans: &mut Vec<Work>,
    ) -> Option<Watched> {
        let mut array = array.clone();
        // What could not be written down is known all the same.
        let noted = array.kept.record.whole.iter().any(|whole| whole.begun == watched.open.begun);
        if array.kept.record.open.is_none() && !noted {
            array.kept.record.open = Some(watched.open.clone());
        }
        let settled = settle(&array, sight.now, &sight.boot).with_log(&self.log, &array);
        if settled.running.is_none() {
            self.over(sight, &array, &watched, settled, plans);
            return None;
        }
        watched.come_to(&array);
        let degraded = ready::degraded(&array);
        if self.ending.is_some() || degraded.is_some() {
            watched.stops += 1;
            if watched.stops > MOST_STOPS {
                self.fail(&watched, "the check cannot be stopped");
                return None;
            }
            if let Some(left) = degraded.filter(|_| watched.stops == 1) {
                self.fail(&watched, &format!("the check is stopped: {}", left.why));
            }
            plans.push((Act::Stop, steps::stop(&array)));
        } else if let Some(open) = watched.due(sight.clock) {
            let mut record = settled.record;
            record.open = Some(open);
            plans.extend(steps::save(sight, &array, &record, watched.done).map(|plan| (Act::Note, plan)));
        }
        Some(watched)
    }

    /// Something that is a failure where the array was named.
    fn fail(&mut self, watched: &Watched, why: &str) {
        let text = format!("{}: {why}", watched.shown);
        self.say.push(if watched.named { Said::error(text) } else { Said::warn(text) });
        self.status |= if watched.named { FAILED } else { 0 };
    }

    fn gone(&mut self, watched: &Watched) {
        let at = at_percent(watched.saved.1, watched.total);
        self.fail(watched, &format!("the array was stopped; its check is noted at {at}"));
    }

    /// The check does not run any more.
    fn over(
        &mut self,
        sight: &ScrubSight,
        array: &ScrubArray,
        watched: &Watched,
        settled: Settled,
        plans: &mut Vec<Work>,
    ) {
        let mut settled = settled;
        let seconds = sight.clock.saturating_sub(watched.begun);
        if settled.finished {
            if let Some(whole) = settled.record.whole.first_mut() {
                whole.seconds = watched.open.seconds.map(|before| before.saturating_add(seconds));
            }
            self.say.extend(told(array, &settled));
            plans.extend(steps::whole(sight, array, &settled.record).map(|plan| (Act::Note, plan)));
            return;
        }
        if array.kept.record.whole.iter().any(|whole| whole.begun == watched.open.begun) {
            return self.say.push(Said::note(format!("{}: its check is over; that is noted", watched.shown)));
        }
        let mut at = settled.cut_off.unwrap_or_default();
        if let Some(open) = settled.record.open.as_mut() {
            // All that was asked for before the stop was compared.
            at = at.max(watched.done);
            open.position = at.0;
            open.seconds = watched.open.seconds.map(|before| before.saturating_add(seconds));
        }
        let cut_off = settled.record.open.as_ref().map(|_| at);
        let place = at_percent(at, watched.total);
        match (self.ending, watched.stops) {
            (Some(Ending::Asked | Ending::Interrupted), 1..) => {
                self.say.push(Said::out(format!("{}: the check was stopped at {place}", watched.shown)));
            }
            (Some(Ending::TimeUp), 1..) => {
                self.say.push(Said::out(format!("{}: time is over; the check is at {place}", watched.shown)));
            }
            (_, 1..) => {}
            (_, 0) => {
                let action = array.status.action.as_ref().filter(|action| action.kind().is_some());
                let why = match action {
                    _ if ready::degraded(array).is_some() => "it has lost a member".to_owned(),
                    Some(action) => {
                        format!("a {} began", action.noun())
                    }
                    None => "somebody stopped the check".to_owned(),
                };
                self.fail(watched, &format!("{why}; it is noted at {place}"));
            }
        }
        if array.sync_min.0 != 0 && array.status.action != Some(SyncAction::Idle) {
            self.untidy.push(array.status.kernel_name.clone());
        }
        plans.extend(steps::cut_off(sight, array, &settled.record, cut_off).map(|plan| (Act::Note, plan)));
    }

    fn carry_out(&mut self, plans: Vec<Work>) -> Turn {
        if plans.is_empty() {
            return self.wait();
        }
        self.stage = Stage::Acting;
        let (acts, plans) = plans.into_iter().unzip();
        self.acts = acts;
        Then::Do(plans).into()
    }

    fn done(&mut self, deeds: Vec<Deed>) -> Turn {
        let (mut stopped, mut shown) = (false, false);
        for (act, deed) in std::mem::take(&mut self.acts).into_iter().zip(deeds) {
            stopped |= matches!(act, Act::Stop);
            match deed {
                Deed::Shown => shown = true,
                Deed::Done => self.did(act),
                Deed::Failed(failure) => self.failed(act, &failure),
            }
        }
        match (shown, stopped) {
            (true, _) => Turn::end(self.status),
            (false, true) => self.look(Stage::Watching),
            (false, false) => self.wait(),
        }
    }

    fn failed(&mut self, act: Act, failure: &Failure) {
        match act {
            // It runs, and is watched: only its notes are missing.
            Act::Begin(..) if failure.committed => {
                self.unwritten(failure);
                self.did(act);
            }
            Act::Begin(watched, _) if failure.stale => self.fail(&watched, &failure.why()),
            // It is looked at again, whatever became of it.
            Act::Stop if failure.stale => {}
            Act::Begin(..) | Act::Stop => {
                self.say.extend(Said::failure(failure));
                self.status |= FAILED;
            }
            Act::Note | Act::Renew(_) => self.unwritten(failure),
        }
    }

    /// What cannot be written once cannot be written many times, and is said once.
    fn unwritten(&mut self, failure: &Failure) {
        self.status |= FAILED;
        if !std::mem::replace(&mut self.unwritten, true) {
            self.say.push(Said::error(failure.why()));
        }
    }

    fn did(&mut self, act: Act) {
        match act {
            Act::Begin(watched, said) => {
                self.say.push(said);
                if matches!(self.job.act, ScrubAct::Run { .. }) {
                    self.watched.push(*watched);
                }
            }
            Act::Renew(count) => {
                self.say.push(Said::out(format!("{} to be checked again", human::counted(count, "array"))));
            }
            Act::Stop | Act::Note => {}
        }
    }

    fn wait(&mut self) -> Turn {
        if self.watched.is_empty() {
            return self.end();
        }
        if self.ending.is_some() {
            return self.look(Stage::Watching);
        }
        self.stage = Stage::Waiting;
        let saves = self.watched.iter().map(Watched::interval).min().unwrap_or(LONGEST_UNSAVED);
        let left = self.deadline.map_or(saves, |deadline| deadline.saturating_sub(self.clock));
        let due = Duration::from_secs(saves.min(left).max(1));
        let most = self.job.tick.map_or(due, |tick| tick.min(due));
        Then::Wait(Wait { on: vec![Cause::Arrays], most, bar: self.bar() }).into()
    }

    fn end(&mut self) -> Turn {
        if self.untidy.is_empty() || self.patience == 0 {
            let left = self.untidy.iter().map(|name| {
                Said::note(format!(
                    "{name}: sync_min is put back by the next `mdctl scrub`, when nothing runs there"
                ))
            });
            self.say.extend(left);
            return Turn::end(self.status);
        }
        self.patience -= 1;
        self.stage = Stage::Waiting;
        Then::Wait(Wait { on: vec![Cause::Arrays], most: A_MOMENT, bar: None }).into()
    }

    fn bar(&self) -> Option<Bar> {
        let what = match self.watched.as_slice() {
            [one] => one.shown.clone(),
            several => human::counted(several.len(), "array"),
        };
        let sum = |of: fn(&Watched) -> Sectors| {
            self.watched.iter().fold(0_u64, |sum, one| sum.saturating_add(of(one).bytes().0))
        };
        Some(Bar { what, done: sum(|one| one.done), total: sum(|one| one.total) })
    }
}
