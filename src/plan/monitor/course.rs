//! The monitor as a course: look, tell, wait.

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::OsString,
    time::Duration,
};

use super::{
    cause,
    event::{ArrayEvent, EventKind},
    list::List,
    moves::{Move, Sharing},
    outbox::Outbox,
    step::AlertStep,
    telling::{self, Receivers},
};
use crate::{
    config::conf,
    model::monitor::Monitored,
    plan::{
        Plan, Step, SystemStep,
        course::{
            Cause, Course, Deed, Ending, Event as Happened, How, Look, Said, Then, Turn, Unseen, Wait, Woke,
        },
        manage::session::Manage,
    },
    request::ManageOp,
};

/// What follows from a change may be announced by nothing: the wait after it is at most so long.
const AFTER_A_CHANGE: Duration = Duration::from_secs(5);

/// At the end, what receivers answer is looked for this often.
const BETWEEN_ANSWERS: Duration = Duration::from_millis(200);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct MonitorJob {
    /// What is watched.
    pub list: List,
    /// Who is told.
    pub receivers: Receivers,
    /// Those of them that the command line names, and the configuration file that it does.
    pub given: Receivers,
    pub config: Option<OsString>,
    /// At most so long between two looks.
    pub delay: Duration,
    /// One look and no more.
    pub oneshot: bool,
    /// Letters, for those who may not answer.
    pub outbox: Outbox,
    /// Spares may move.
    pub sharing: Option<Sharing>,
    /// The file in which others find this process, and its number.
    pub pid_file: Option<(String, u32)>,
}

/// The monitor.
pub struct Monitor {
    job: MonitorJob,
    stage: Stage,
    seen: Monitored,
    /// Letters to be kept, before anything else: whatever happens then, they are not lost.
    keeps: VecDeque<Step>,
    /// What is to be told, in order.
    queue: VecDeque<Telling>,
    /// The time of the last look, and when arrays are looked at again; in seconds since 1970.
    now: u64,
    look_at: u64,
    /// There is nothing left but what receivers answer.
    ending: bool,
    /// Something changed: what follows from it is looked for soon.
    soon: bool,
    /// Moves that led nowhere, until something changes.
    tried: BTreeSet<Move>,
    begun: bool,
    /// The last look failed, and that was said.
    blind: bool,
    say: Vec<Said>,
}

/// What is waited for.
enum Stage {
    /// The number of this process is written down.
    Noting,
    /// What became of letters, and what a killed one left.
    Letters,
    Looking,
    /// Who is told, by what is configured now.
    Reading,
    /// Why these happened.
    Cause(Vec<ArrayEvent>),
    /// Somebody is told; a log that takes no lines is a detail, as for the original.
    Telling {
        of_log: bool,
    },
    /// A letter is kept.
    Keeping(Step),
    /// A process is sent off with a letter, the one of this file.
    Posting(String),
    /// A spare moves.
    Moving(Box<Moving>),
    Waiting,
}

/// A move that is under way.
struct Moving {
    what: Move,
    act: Act,
    course: Manage,
}

/// Its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Remove,
    Add,
    /// It could not be added: the donor gets it back.
    Back,
}

/// One piece of telling.
#[derive(Debug)]
enum Telling {
    /// A sentence for standard error.
    Said(Said),
    /// An act.
    Act(AlertStep),
}

impl Course for Monitor {
    fn next(&mut self, event: Happened) -> Turn {
        let turn = self.turn(event);
        turn.after(std::mem::take(&mut self.say))
    }

    fn stays(&self) -> bool {
        !self.job.oneshot
    }
}

impl Monitor {
    /// Begins.
    #[must_use]
    pub fn new(job: MonitorJob) -> Self {
        Self {
            job,
            stage: Stage::Looking,
            seen: Monitored::default(),
            keeps: VecDeque::new(),
            queue: VecDeque::new(),
            now: 0,
            look_at: 0,
            ending: false,
            soon: false,
            tried: BTreeSet::new(),
            begun: false,
            blind: false,
            say: Vec::new(),
        }
    }

    fn turn(&mut self, event: Happened) -> Turn {
        let stage = std::mem::replace(&mut self.stage, Stage::Looking);
        match (stage, event) {
            (Stage::Looking, Happened::Seen(view)) => match view.monitored() {
                Ok(seen) => self.seen(*seen),
                Err(unseen) => self.unseen(unseen),
            },
            (Stage::Looking, Happened::Unseen(unseen)) => self.unseen(unseen),
            (Stage::Cause(events), Happened::Seen(view)) => {
                let log = view.kernel_log().unwrap_or_default();
                self.tell(events, &log)
            }
            // Without the kernel's words an event is one all the same.
            (Stage::Cause(events), _) => self.tell(events, &[]),
            (Stage::Telling { of_log }, Happened::Done(deeds)) => {
                for deed in deeds {
                    if let Deed::Failed(failure) = deed {
                        let why = failure.why();
                        self.say.push(if of_log { Said::detail(why) } else { Said::warn(why) });
                    }
                }
                self.go_on()
            }
            (Stage::Moving(moving), event) => self.moving(*moving, event),
            (Stage::Waiting, Happened::Woke(woke)) => match woke {
                Woke::Interrupted if self.ending => self.ended(),
                Woke::Interrupted => Turn::end(0),
                Woke::Called => {
                    self.stage = Stage::Reading;
                    Turn::look(Look::MonitorTexts { config: self.job.config.clone() })
                }
                Woke::Changed => {
                    self.soon = true;
                    self.look()
                }
                Woke::Armed => self.look(),
                Woke::TimeUp | Woke::Deaf => self.letters(),
            },
            (Stage::Reading, event) => self.read(event),
            (stage @ (Stage::Letters | Stage::Keeping(_) | Stage::Posting(_)), event) => {
                self.post(stage, event)
            }
            (Stage::Noting, Happened::Done(deeds)) => {
                for deed in deeds {
                    if let Deed::Failed(failure) = deed {
                        self.say.push(Said::detail(failure.why()));
                    }
                }
                self.letters()
            }
            (_, Happened::Begin) => match self.job.pid_file.take() {
                Some((path, pid)) => {
                    self.stage = Stage::Noting;
                    let text = format!("{pid}\n");
                    let note = Step::System(SystemStep::WriteFile { path, text, mode: 0o700 });
                    Turn::carry_out(Plan { steps: vec![note, Step::Commit], ..Plan::default() })
                }
                None => self.letters(),
            },
            (_, other) => no_question(other),
        }
    }

    /// Receivers as they are configured now. Where that cannot be read they stay as they were.
    fn read(&mut self, event: Happened) -> Turn {
        let texts = match event {
            Happened::Seen(view) => view.monitor_texts(),
            Happened::Unseen(unseen) => Err(unseen),
            other => return no_question(other),
        };
        match texts {
            Err(Unseen { text, .. }) => {
                self.trouble(Said::warn(format!("{text}; who is told stays as it was")))
            }
            Ok(texts) => {
                let (config, odd) =
                    conf::parse(texts.conf.iter().map(|(path, text)| (path.as_str(), text.as_str())));
                self.job.receivers = self.job.given.configured(&config);
                let (boxes, unused) = self.job.receivers.mailboxes(texts.alerts.as_ref());
                self.job.outbox.readdress(boxes);
                self.say.push(Said::note("the configuration was read again: who is told is as it says now"));
                let odd = odd.iter().map(ToString::to_string);
                let odd = texts.unread.into_iter().chain(odd).chain(unused).chain(texts.secrets);
                odd.for_each(|odd| self.trouble(Said::warn(odd)));
            }
        }
        // What is to be told of that goes out before the next wait.
        self.letters()
    }

    /// What happened to letters.
    fn post(&mut self, stage: Stage, event: Happened) -> Turn {
        match (stage, event) {
            (Stage::Letters, Happened::Seen(view)) => {
                if let Ok(spool) = view.letters() {
                    self.now = spool.now;
                    let said = self.job.outbox.seen(&spool);
                    said.into_iter().for_each(|said| self.trouble(said));
                }
                self.after_letters()
            }
            (Stage::Letters, Happened::Unseen(unseen)) => {
                if !std::mem::replace(&mut self.blind, true) {
                    self.say.push(Said::warn(unseen.text));
                }
                self.look_or_end()
            }
            (Stage::Keeping(step), Happened::Done(deeds)) => self.kept(&step, deeds),
            (Stage::Posting(file), Happened::Done(deeds)) => self.posted(&file, deeds),
            (_, other) => no_question(other),
        }
    }

    /// What became of letters, and what a killed process left.
    fn letters(&mut self) -> Turn {
        let Some(dirs) = self.job.outbox.dirs() else { return self.look_or_end() };
        self.stage = Stage::Letters;
        Turn::look(Look::Letters { dirs: dirs.to_vec() })
    }

    /// Arrays, where it is time for them; a clock that was set back does not put that off.
    fn after_letters(&mut self) -> Turn {
        let is_put_off = self.look_at > self.now.saturating_add(self.job.delay.as_secs());
        match self.now >= self.look_at || is_put_off {
            true => self.look_or_end(),
            false => self.go_on(),
        }
    }

    fn look_or_end(&mut self) -> Turn {
        if self.ending { self.go_on() } else { self.look() }
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::Looking;
        Turn::look(Look::Monitored { paths: self.job.list.paths() })
    }

    /// A look that fails is made again: whoever watches does not stop watching because of one.
    fn unseen(&mut self, unseen: Unseen) -> Turn {
        if self.job.oneshot {
            return Turn::refuse(unseen);
        }
        if !std::mem::replace(&mut self.blind, true) {
            self.say.push(Said::error(unseen.text));
        }
        self.look_at = self.now.saturating_add(self.job.delay.as_secs());
        self.wait()
    }

    fn seen(&mut self, seen: Monitored) -> Turn {
        self.blind = false;
        self.now = seen.now;
        let soon = std::mem::take(&mut self.soon);
        let delay = if soon { self.job.delay.min(AFTER_A_CHANGE) } else { self.job.delay };
        self.look_at = self.now.saturating_add(delay.as_secs());
        self.seen = seen;
        if !std::mem::replace(&mut self.begun, true) {
            self.say.extend(self.job.list.begin(&self.seen).into_iter().map(Said::error));
        }
        let events = self.job.list.look(&self.seen);
        if !events.is_empty() {
            self.tried.clear();
        }
        let words = cause::words(&events);
        if words.is_empty() {
            return self.tell(events, &[]);
        }
        self.stage = Stage::Cause(events);
        Turn::look(Look::KernelLog { words })
    }

    fn tell(&mut self, mut events: Vec<ArrayEvent>, log: &[String]) -> Turn {
        for event in &mut events {
            event.cause = cause::cause(event, log);
            event.next = self.job.receivers.next(&event.next);
            self.queue.extend(self.said(event).into_iter().map(Telling::Said));
            self.queue.extend(self.job.receivers.acts(event, &self.seen).into_iter().map(Telling::Act));
            for to in self.job.outbox.boxes().cloned().collect::<Vec<_>>() {
                if let Some(text) = self.job.receivers.letter(&to, event, &self.seen) {
                    let (steps, said) = self.job.outbox.write(&to, text, self.seen.now);
                    self.keeps.extend(steps);
                    said.into_iter().for_each(|said| self.trouble(said));
                }
            }
        }
        self.go_on()
    }

    fn said(&self, event: &ArrayEvent) -> Vec<Said> {
        if !self.job.receivers.native {
            let known = event.kind.is_known_to_original();
            return if known { vec![Said::warn(event.to_string())] } else { vec![] };
        }
        let about = telling::about(event).into_iter().map(|line| Said::note(format!("  {line}")));
        [Said::warn(event.to_string())].into_iter().chain(about).collect()
    }

    /// What is said about a receiver is told to logs as well.
    fn trouble(&mut self, said: Said) {
        self.queue.extend(self.job.receivers.trouble(&said.text).into_iter().map(Telling::Act));
        self.say.push(said);
    }

    /// Letters are kept and sent off first, for a program may take its time. Then the next piece of telling, or what comes after
    /// all of it.
    fn go_on(&mut self) -> Turn {
        if let Some(step) = self.keeps.pop_front() {
            self.stage = Stage::Keeping(step.clone());
            return Turn::carry_out(Plan {
                summary: step.to_string(),
                steps: vec![step],
                warnings: Vec::new(),
            });
        }
        if let Some((file, plan)) = self.job.outbox.due(self.now, self.ending || self.job.oneshot) {
            self.stage = Stage::Posting(file);
            return Turn::carry_out(plan);
        }
        while let Some(telling) = self.queue.pop_front() {
            match telling {
                Telling::Said(said) => self.say.push(said),
                Telling::Act(act) => {
                    let of_log = matches!(act, AlertStep::Syslog { .. } | AlertStep::Journal { .. });
                    self.stage = Stage::Telling { of_log };
                    let summary = act.to_string();
                    let steps = vec![Step::Alert(act)];
                    return Turn::carry_out(Plan { summary, steps, warnings: Vec::new() });
                }
            }
        }
        if self.ending || self.job.oneshot {
            return self.end();
        }
        if !self.job.list.has_redundancy() {
            self.say.push(Said::warn("No array with redundancy detected, stopping"));
            return self.end();
        }
        match self.job.sharing.as_ref().and_then(|it| it.find(&self.job.list, &self.seen, &self.tried)) {
            Some(what) => self.move_spare(what, Act::Remove),
            None => self.wait(),
        }
    }

    fn kept(&mut self, step: &Step, deeds: Vec<Deed>) -> Turn {
        for deed in deeds {
            let Deed::Failed(failure) = deed else { continue };
            let why = failure.why();
            let elsewhere = match step {
                Step::Alert(AlertStep::Keep { file, text }) => self.job.outbox.not_kept(file, text),
                _ => None,
            };
            match elsewhere {
                Some(step) => self.keeps.push_front(step),
                None => self.trouble(Said::warn(why)),
            }
        }
        self.go_on()
    }

    fn posted(&mut self, file: &str, deeds: Vec<Deed>) -> Turn {
        for deed in deeds {
            if let Deed::Failed(failure) = deed {
                let said = self.job.outbox.refused(file, &failure.why(), self.now);
                said.into_iter().for_each(|said| self.trouble(said));
            }
        }
        self.go_on()
    }

    /// The end, once every receiver has answered or is given up for now.
    fn end(&mut self) -> Turn {
        self.ending = true;
        if !self.job.outbox.is_busy() {
            return self.ended();
        }
        self.stage = Stage::Waiting;
        Then::Wait(Wait { on: Vec::new(), most: BETWEEN_ANSWERS, bar: None }).into()
    }

    /// Whoever asked for one look learns whether everybody was told.
    fn ended(&mut self) -> Turn {
        let left = self.job.outbox.left();
        if left == 0 {
            return Turn::end(0);
        }
        let text = format!("{left} of the alerts could not be delivered; the next monitor sends them again");
        self.say.push(Said::error(text));
        Turn::end(u8::from(self.job.oneshot))
    }

    fn move_spare(&mut self, what: Move, act: Act) -> Turn {
        let Some(sharing) = &self.job.sharing else { return self.wait() };
        let (op, array) = match act {
            Act::Remove => (ManageOp::Remove, &what.from),
            Act::Add => (ManageOp::Add, &what.to),
            Act::Back => (ManageOp::Add, &what.from),
        };
        let course = sharing.command(op, array, &what.disk);
        self.moving(Moving { what, act, course }, Happened::Begin)
    }

    /// Hands everything on to the command that is under way.
    fn moving(&mut self, mut moving: Moving, event: Happened) -> Turn {
        let Turn { say, then } = moving.course.next(event);
        // What it does is told by the event, what it could not do by itself.
        self.say.extend(say.into_iter().filter(|said| matches!(said.how, How::Error | How::Warn)));
        let ending = match then {
            Then::End(ending) => ending,
            then => {
                self.stage = Stage::Moving(Box::new(moving));
                return then.into();
            }
        };
        let what = moving.what;
        if let Ending::Refused(refusal) = &ending {
            self.say.extend(Said::refusal(refusal));
        }
        match (moving.act, ending == Ending::Status(0)) {
            (Act::Remove, true) => self.move_spare(what, Act::Add),
            (Act::Add, true) => {
                let event = ArrayEvent::new(EventKind::MoveSpare, &what.to).component(&what.from);
                // What was seen is old: nothing more is decided on it.
                self.seen.arrays.clear();
                self.tell(vec![event], &[])
            }
            (Act::Add, false) => {
                self.tried.insert(what.clone());
                self.move_spare(what, Act::Back)
            }
            (Act::Remove | Act::Back, _) => {
                self.tried.insert(what);
                self.wait()
            }
        }
    }

    fn wait(&mut self) -> Turn {
        self.stage = Stage::Waiting;
        let until = self.job.outbox.until(self.now).unwrap_or(u64::MAX);
        let most = self.look_at.saturating_sub(self.now).min(self.job.delay.as_secs()).min(until);
        Then::Wait(Wait { on: vec![Cause::Arrays], most: Duration::from_secs(most.max(1)), bar: None }).into()
    }
}

/// A mistake of the driver's.
fn no_question(answer: Happened) -> Turn {
    Turn::refuse(Unseen { text: format!("an answer to no question: {answer:?}"), errno: None })
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
