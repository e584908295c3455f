//! The monitor as a course: look, tell, wait.

use std::{
    collections::{BTreeSet, VecDeque},
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

/// What is asked for.
#[derive(Clone, Debug)]
pub struct MonitorJob {
    /// What is watched.
    pub list: List,
    /// Who is told.
    pub receivers: Receivers,
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
    /// What is to be told, in order.
    queue: VecDeque<Telling>,
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
    /// What a killed one left.
    Letters,
    Looking,
    /// Why these happened.
    Cause(Vec<ArrayEvent>),
    /// Somebody is told; a log that takes no lines is a detail, as for the original.
    Telling {
        of_log: bool,
    },
    /// A letter is delivered, the one of this file.
    Delivering(String),
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
}

impl Monitor {
    /// Begins.
    #[must_use]
    pub fn new(job: MonitorJob) -> Self {
        Self {
            job,
            stage: Stage::Looking,
            seen: Monitored::default(),
            queue: VecDeque::new(),
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
                Woke::Interrupted => Turn::end(0),
                Woke::Changed => {
                    self.soon = true;
                    self.look()
                }
                Woke::Armed | Woke::TimeUp | Woke::Deaf => self.look(),
            },
            (Stage::Letters, Happened::Seen(view)) => {
                self.job.outbox.adopt(view.letters().unwrap_or_default());
                self.look()
            }
            (Stage::Letters, Happened::Unseen(unseen)) => {
                self.say.push(Said::warn(unseen.text));
                self.look()
            }
            (Stage::Delivering(file), Happened::Done(deeds)) => self.delivered(&file, deeds),
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
            (_, other) => {
                Turn::refuse(Unseen { text: format!("an answer to no question: {other:?}"), errno: None })
            }
        }
    }

    /// What a killed one left is looked for first.
    fn letters(&mut self) -> Turn {
        let Some(dir) = self.job.outbox.dir() else { return self.look() };
        self.stage = Stage::Letters;
        Turn::look(Look::Letters { dir: dir.to_owned() })
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
        self.wait()
    }

    fn seen(&mut self, seen: Monitored) -> Turn {
        self.blind = false;
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
            self.queue.extend(self.said(event).into_iter().map(Telling::Said));
            self.queue.extend(self.job.receivers.acts(event, &self.seen).into_iter().map(Telling::Act));
            let now = self.seen.now;
            for to in self.job.outbox.boxes().to_vec() {
                if let Some(text) = self.job.receivers.letter(&to, event, &self.seen) {
                    self.queue.push_back(Telling::Act(self.job.outbox.write(&to, text, now)));
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

    /// The next piece of telling, or what comes after all of it.
    fn go_on(&mut self) -> Turn {
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
        if let Some((file, plan)) = self.job.outbox.due(self.seen.now) {
            self.stage = Stage::Delivering(file);
            return Turn::carry_out(plan);
        }
        if self.job.oneshot {
            return Turn::end(0);
        }
        if !self.job.list.has_redundancy() {
            self.say.push(Said::warn("No array with redundancy detected, stopping"));
            return Turn::end(0);
        }
        match self.job.sharing.as_ref().and_then(|it| it.find(&self.job.list, &self.seen, &self.tried)) {
            Some(what) => self.move_spare(what, Act::Remove),
            None => self.wait(),
        }
    }

    fn delivered(&mut self, file: &str, deeds: Vec<Deed>) -> Turn {
        for deed in deeds {
            match deed {
                Deed::Done | Deed::Shown => self.job.outbox.delivered(file),
                Deed::Failed(failure) if failure.committed => {
                    self.job.outbox.delivered(file);
                    self.say.push(Said::warn(failure.why()));
                }
                Deed::Failed(failure) => {
                    let said = self.job.outbox.refused(file, &failure.why(), self.seen.now);
                    self.say.extend(said.map(Said::warn));
                }
            }
        }
        self.go_on()
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
        let soon = std::mem::take(&mut self.soon);
        let until = self.job.outbox.until(self.seen.now).map_or(Duration::MAX, Duration::from_secs);
        let most = if soon { self.job.delay.min(AFTER_A_CHANGE) } else { self.job.delay };
        Then::Wait(Wait {
            on: vec![Cause::Arrays],
            most: most.min(until.max(Duration::from_secs(1))),
            bar: None,
        })
        .into()
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
