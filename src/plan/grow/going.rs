//! A reshape that goes on: it is waited for, and the array gets its last levels when it is over.

use std::time::Duration;

use superblock::{Level, Sectors, backup::Part};

use super::{
    Act, set, shape,
    windows::{self, Next},
};
use crate::{
    model::grow::{Growing, WindowNote, WindowSight},
    plan::{
        ArrayName, MdStep, Plan, Refusal, Step, SystemStep,
        course::{Bar, Cause, Course, Deed, Ending, Event, Look, Said, Then, Turn, Unseen, Wait, Woke},
        manage::session::{no_array, one},
        run::Failure,
        window::WindowStep,
    },
    words::{ArrayAttr, ArrayState, SyncAction},
};

/// Exit status of what was interrupted.
const INTERRUPTED: u8 = 130;
/// Exit status where nothing goes on.
const NOTHING: u8 = 2;
/// Nothing announces how far a reshape is; its end is announced.
const TICK: Duration = Duration::from_secs(30);
/// The kernel tells when it has written down how far it is; should it not, this is when it is looked at.
pub(super) const PULSE: Duration = Duration::from_secs(1);
/// So often the last levels are tried again: who looks at an array for a moment keeps it from changing its level.
const MOST_TRIES: u32 = 10;
/// And so long afterwards.
const PAUSE: Duration = Duration::from_secs(3);

/// How far somebody goes with a reshape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To its end.
    Over,
    /// Until nothing of it is set aside any more: then it can be turned round.
    NothingIsAside,
    /// To a place at which both shapes begin a stripe: whoever started it has let it go no farther.
    ItStands,
    /// No farther: a process in the background goes on.
    InTheBackground,
}

/// One reshape.
pub struct Going {
    pub(super) path: String,
    outspoken: bool,
    pub(super) until: Until,
    /// The array's members, once they are known.
    pub(super) members: Vec<String>,
    /// Where data may be set aside, and the time: for one that is to be turned round.
    pub(super) store: (Option<String>, u64),
    pub(super) stage: Stage,
    tries: u32,
    /// So often the kernel was told to go on, and did not.
    nudges: u32,
    tidied: bool,
    /// Somebody wants it to end: first nothing must be held back any more.
    leaving: bool,
    say: Vec<Said>,
}

pub(super) enum Stage {
    Look,
    Waiting,
    /// How far a reshape is whose data is set aside.
    Window(Box<Growing>),
    /// Something is done for it.
    Aside(Box<Growing>, Option<Box<WindowSight>>),
    /// Writes go on, for nothing can be set aside.
    LetGo,
    /// Nothing of it is needed any more.
    Tidied,
    Nudged,
    /// Nobody else goes on with it.
    Alone,
    Finishing(Box<Act>),
}

/// Has a reshape waited for in the background, and ended.
#[must_use]
pub fn follow(array: &ArrayName) -> Step {
    let words = ["grow", "--continue", &format!("/dev/{}", array.kernel)].map(str::to_owned).to_vec();
    Step::System(SystemStep::Follow { lock: lock(array), words })
}

/// Of whoever does that.
pub(super) fn lock(array: &ArrayName) -> String {
    format!("reshape-{}", array.kernel)
}

impl Course for Going {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(|unseen| Turn::refuse(Refusal::from(unseen)));
        turn.after(std::mem::take(&mut self.say))
    }
}

impl Going {
    /// Of the array at a path.
    #[must_use]
    pub fn new(path: String, outspoken: bool) -> Self {
        Self {
            path,
            outspoken,
            until: Until::Over,
            members: Vec::new(),
            store: (None, 0),
            stage: Stage::Look,
            tries: 0,
            nudges: 0,
            tidied: false,
            leaving: false,
            say: Vec::new(),
        }
    }

    /// The same, so far.
    #[must_use]
    pub fn until(self, until: Until) -> Self {
        Self { until, ..self }
    }

    /// What is set aside on the way back goes into this file. The time in seconds since 1970.
    #[must_use]
    pub fn with_store(self, store: Option<String>, now: u64) -> Self {
        Self { store: (store, now), ..self }
    }

    /// Paths of the array's members, once it was seen.
    #[must_use]
    pub fn members(&self) -> &[String] {
        &self.members
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        let stage = std::mem::replace(&mut self.stage, Stage::Look);
        Ok(match (stage, event) {
            (Stage::Window(array), Event::Woke(Woke::Interrupted)) if !self.leaving && has_store(&array) => {
                // Whoever shuts the machine down waits for writes to this array.
                self.leaving = true;
                self.look_closely(array)
            }
            (Stage::Waiting | Stage::Window(_), Event::Woke(Woke::Interrupted)) => self.left(),
            (Stage::Look, Event::Begin) | (Stage::Waiting, Event::Woke(_)) => self.look(),
            (Stage::Look, Event::Seen(view)) => match view.growing()? {
                Ok(array) if self.until != Until::Over => self.seen_for_now(array),
                Ok(array) => self.seen(&array),
                Err(absent) => Turn::refuse(no_array(&self.path, &absent)),
            },
            (Stage::Window(array), Event::Seen(view)) => match view.window()? {
                Some(sight) if self.until == Until::ItStands => self.stands(array, &sight),
                Some(sight) => self.windowed(array, sight),
                // It was stopped: it goes on where it is assembled again.
                None => Turn::end(0),
            },
            (Stage::Window(array), Event::Woke(_)) if self.until == Until::ItStands => {
                self.look_for_the_place(array)
            }
            (Stage::Window(array), Event::Woke(_)) => self.look_closely(array),
            (stage, Event::Done(deeds)) => self.done(stage, one(deeds)?),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    fn done(&mut self, stage: Stage, deed: Deed) -> Turn {
        match (stage, deed) {
            (Stage::Finishing(act), deed) => self.finished(*act, deed),
            (Stage::LetGo, Deed::Done) => Turn::end(1),
            (_, Deed::Shown) => Turn::end(0),
            (Stage::Aside(array, _), Deed::Done) => self.look_closely(array),
            (Stage::Aside(array, sight), Deed::Failed(failure)) => self.stuck(&array, sight, &failure),
            (Stage::Alone, Deed::Done) if self.until == Until::InTheBackground => Turn::end(0),
            (_, Deed::Done) => self.look(),
            (Stage::Tidied, Deed::Failed(failure)) => {
                self.say.extend(Said::failure(&failure));
                self.look()
            }
            (_, Deed::Failed(failure)) => {
                self.say.extend(Said::failure(&failure));
                Turn::end(1)
            }
        }
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::Look;
        Turn::look(Look::Growing { array: self.path.clone(), store: self.store.0.clone() })
    }

    fn seen(&mut self, array: &Growing) -> Turn {
        let kernel = array.managed.detail.kernel_name.clone();
        let array_name = ArrayName { kernel, path: self.path.clone() };
        if array.note.as_ref().is_some_and(|note| note.window.is_some()) {
            return self.look_closely(Box::new(array.clone()));
        }
        let running = array.managed.sync_action == Some(SyncAction::Reshape);
        if array.reshape_at.is_some() || running {
            if running {
                self.nudges = 0;
            } else if self.nudges < MOST_TRIES {
                return self.nudge(array, &array_name);
            }
            // Without levels that come then the kernel does all the rest.
            return if array.note.is_some() { self.wait(array, &array_name) } else { Turn::end(0) };
        }
        let now = shape::shape(array);
        let levels = array.note.as_ref().and_then(|note| note.left(&now));
        match (levels, &array.note) {
            (Some(levels), Some(note)) => {
                let levels: Vec<Level> = levels.iter().filter_map(|word| named(word)).collect();
                let mut act = Act::new(format!("give {} its last level", self.path));
                let act_steps = finishing(array, &array_name, &levels, note.without_parity, &mut act);
                act.then(act_steps, "");
                let plan = act.plan.clone();
                self.stage = Stage::Finishing(Box::new(act));
                Turn::carry_out(plan)
            }
            _ if self.tidied => Turn::end(0),
            _ if self.outspoken => {
                let text = format!("{} is not being reshaped: there is nothing to go on with", self.path);
                Turn::refuse(Refusal::new(text).status(NOTHING))
            }
            _ => Turn::end(NOTHING),
        }
    }

    pub(super) fn look_closely(&mut self, array: Box<Growing>) -> Turn {
        let window = array.note.as_ref().and_then(|note| note.window.clone());
        self.stage = Stage::Window(array);
        match window {
            Some(WindowNote { store, at, .. }) => {
                Turn::look(Look::Window { array: self.path.clone(), store, at })
            }
            None => Turn::end(0),
        }
    }

    /// What comes next of what is set aside.
    fn windowed(&mut self, array: Box<Growing>, sight: Box<WindowSight>) -> Turn {
        let array_name = ArrayName { kernel: sight.kernel.clone(), path: self.path.clone() };
        let Some(window) = array.note.as_ref().and_then(|note| note.window.as_ref()) else {
            return Turn::end(0);
        };
        let backup = match &sight.backup {
            _ if window.store.is_empty() => None,
            Ok(backup) => Some(*backup),
            // Its store is gone. Where the reshape is over it is not needed.
            Err(_) if sight.position.is_none() && self.until == Until::Over => return self.tidy(&array),
            Err(why) => {
                let text = format!("{}: the reshape stands still: {why}", self.path);
                return Turn::refuse(Refusal::new(text));
            }
        };
        let next = match backup {
            Some(backup) if self.leaving || self.until == Until::NothingIsAside => {
                let empty = backup.parts.iter().all(Part::is_empty);
                if empty && sight.held == (Sectors(0), Sectors(0)) && sight.position.is_some() {
                    return if self.leaving { self.left() } else { Turn::end(0) };
                }
                windows::ending(window, &sight, &backup, &array_name)
            }
            Some(backup) => windows::next(window, &sight, &backup, &array_name),
            None => windows::step(window, &sight, &array_name),
        };
        match next {
            Next::Do(what, steps) => {
                let summary = format!("{}: {what}", self.path);
                let steps = steps.into_iter().chain([Step::Commit]).collect();
                self.stage = Stage::Aside(array, Some(sight));
                Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
            }
            Next::Over if self.until == Until::NothingIsAside => {
                let text =
                    format!("the reshape of {} is over: it cannot be turned round any more", self.path);
                Turn::refuse(Refusal::new(text))
            }
            Next::Over => self.tidy(&array),
            Next::Wait if sight.action != Some(SyncAction::Reshape) && self.nudges < MOST_TRIES => {
                // An array that is read-only waits for its first write, or for who makes it writable.
                self.nudges = self.nudges.saturating_add(1);
                let thaw = Step::Md(MdStep::Thaw { array: array_name });
                self.stage = Stage::Aside(array, Some(sight));
                let summary = format!("have the reshape of {} go on", self.path);
                Turn::carry_out(Plan { summary, steps: vec![thaw, Step::Commit], warnings: Vec::new() })
            }
            Next::Wait => {
                let total = Sectors(window.size).bytes().0;
                let done = sight.position.map_or(total, |at| at.bytes().0.min(total));
                let done = if window.backwards { total.saturating_sub(done) } else { done };
                let attr = |attr| Cause::Attribute { array: array_name.kernel.clone(), attr };
                let on = vec![attr(ArrayAttr::SyncCompleted), attr(ArrayAttr::SyncAction)];
                let bar = Bar { what: format!("reshape of {}", self.path), done, total };
                self.stage = Stage::Window(array);
                Then::Wait(Wait { on, most: PULSE, bar: Some(bar) }).into()
            }
        }
    }

    /// Interrupted: what has begun goes on with another command.
    fn left(&mut self) -> Turn {
        if self.outspoken {
            let text = format!("mdctl grow --continue {} goes on with the reshape", self.path);
            self.say.push(Said::note(text));
        }
        Turn::end(INTERRUPTED)
    }

    /// Nothing more can be set aside: the kernel stands still where the last part ends, and the array serves as before. Writes wait
    /// only for what is set aside and not passed yet.
    fn stuck(&mut self, array: &Growing, sight: Option<Box<WindowSight>>, failure: &Failure) -> Turn {
        self.say.extend(Said::failure(failure));
        let text = format!("{}: the reshape stands still, and the array goes on", self.path);
        self.say.push(Said::error(text));
        self.say.push(Said::note(format!("mdctl grow --continue {} goes on with it", self.path)));
        let Some(sight) = sight.filter(|sight| sight.held != (Sectors(0), Sectors(0))) else {
            return Turn::end(1);
        };
        let parts = sight.backup.as_ref().map(|backup| backup.parts).unwrap_or_default();
        let used = parts.iter().filter(|part| !part.is_empty());
        let range = used.clone().map(|part| part.start).min().zip(used.map(Part::end).max());
        let hold = WindowStep::Hold {
            array: ArrayName { kernel: array.managed.detail.kernel_name.clone(), path: self.path.clone() },
            range: range.unwrap_or_default(),
            held: (Sectors(0), Sectors(u64::MAX)),
        };
        self.stage = Stage::LetGo;
        let summary = format!("hold no more writes to {} back than must be", self.path);
        let steps = vec![Step::Commit, Step::Window(Box::new(hold))];
        Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
    }

    /// The store goes, and what is noted of it.
    fn tidy(&mut self, array: &Growing) -> Turn {
        let (Some(note), Some(file)) = (&array.note, array.note_file()) else { return Turn::end(0) };
        let mut steps = vec![Step::Commit];
        if let Some(window) = note.window.as_ref().filter(|window| !window.store.is_empty()) {
            steps.push(Step::System(SystemStep::RemoveFile { file: window.store.clone() }));
        }
        steps.push(Step::System(match note.levels.is_empty() {
            true => SystemStep::RemoveFile { file },
            false => {
                let text = note.clone().with_window(None).text();
                SystemStep::WriteFile { path: file, text, mode: 0o600 }
            }
        }));
        self.tidied = true;
        self.stage = Stage::Tidied;
        let summary = format!("take away what was set aside of {}", self.path);
        Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
    }

    /// It stands still, and the kernel goes on when it is told to.
    fn nudge(&mut self, array: &Growing, array_name: &ArrayName) -> Turn {
        self.nudges = self.nudges.saturating_add(1);
        let mut act = Act::new(format!("have the reshape of {} go on", self.path));
        match array.managed.detail.array_state {
            Some(ArrayState::ReadOnly) => {
                let text = format!("{} is read-only: its reshape goes on when it is writable", self.path);
                return Turn::refuse(Refusal::new(text).hint(format!("mdctl readwrite {}", self.path)));
            }
            Some(ArrayState::ReadAuto) => {
                let from = Some(ArrayState::ReadAuto.word().to_owned());
                act.then([set(array_name, ArrayAttr::ArrayState, from, ArrayState::Active.word())], "");
            }
            _ => {}
        }
        act.then([Step::Md(MdStep::Thaw { array: array_name.clone() }), Step::Commit], "");
        self.stage = Stage::Nudged;
        Turn::carry_out(act.plan)
    }

    fn wait(&mut self, array: &Growing, array_name: &ArrayName) -> Turn {
        self.stage = Stage::Waiting;
        let total = array.managed.detail.size.0;
        let done = array.reshape_at.map_or(0, |at| at.bytes().0.min(total));
        let on = vec![Cause::Attribute { array: array_name.kernel.clone(), attr: ArrayAttr::SyncAction }];
        let bar = Bar { what: format!("reshape of {}", self.path), done, total };
        let most = if self.nudges > 0 { PAUSE } else { TICK };
        Then::Wait(Wait { on, most, bar: Some(bar) }).into()
    }

    fn finished(&mut self, act: Act, deed: Deed) -> Turn {
        match deed {
            Deed::Shown => Turn::end(0),
            Deed::Done => {
                self.say.extend(act.said);
                Turn::end(0)
            }
            Deed::Failed(failure) if !failure.committed && self.tries < MOST_TRIES => {
                self.tries = self.tries.saturating_add(1);
                self.say.push(Said::detail(failure.why()));
                self.stage = Stage::Waiting;
                Then::Wait(Wait { on: vec![Cause::Arrays], most: PAUSE, bar: None }).into()
            }
            Deed::Failed(failure) => {
                self.say.extend(Said::failure(&failure));
                let text = format!("{} has its new shape, and not its last level yet", self.path);
                let hint = format!("mdctl grow --continue {} tries it again", self.path);
                Then::End(Ending::Refused(Refusal::new(text).hint(hint))).into()
            }
        }
    }
}

/// Whether anything may be set aside.
pub(super) fn has_store(array: &Growing) -> bool {
    let window = array.note.as_ref().and_then(|note| note.window.as_ref());
    window.is_some_and(|window| !window.store.is_empty())
}

fn finishing(
    array: &Growing,
    array_name: &ArrayName,
    levels: &[Level],
    without_parity: bool,
    act: &mut Act,
) -> Vec<Step> {
    act.then([Step::System(SystemStep::LockMap)], "");
    if array.managed.sync_action != Some(SyncAction::Frozen) {
        act.then([Step::Md(MdStep::Freeze { array: array_name.clone() })], "");
    }
    shape::finish(array, array_name, levels, without_parity, act);
    let mut rest = vec![Step::Commit];
    rest.extend(shape::forget(array));
    rest.push(Step::Md(MdStep::Thaw { array: array_name.clone() }));
    rest.push(Step::System(SystemStep::UnlockMap));
    rest
}

/// From the driver's word.
fn named(word: &str) -> Option<Level> {
    [0, 1, 4, 5, 6, 10].map(Level::from_number).into_iter().find(|level| level.name() == Some(word))
}
