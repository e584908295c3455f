//! The driver's twin: a course over a machine made of values, in which each look and each step fails once, and somebody
//! else changes the machine between any two turns.

use superblock::Write;

use super::{Answer, Course, Deed, Ending, Event, Hold, Look, Said, Then, Turn, Unseen, View, Wait, Woke};
use crate::{
    archive::EntryId,
    plan::{
        Plan, Refusal, Step,
        run::{self, Failure, Host, Trouble},
    },
    words::Errno,
};

/// A course that takes more turns than this goes round in circles.
const MOST_TURNS: usize = 500;

/// Exit status when the user stopped waiting.
const INTERRUPTED: u8 = 130;

/// A machine made of values: what steps do to it, what looks show of it, what waiting brings.
pub(crate) trait Scene: Clone {
    /// What a step does.
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>>;

    /// The plan as it is carried out, with what is kept of that which it overwrites; it may put an entry back.
    fn keep(&self, plan: &Plan, undoes: Option<&EntryId>) -> Plan {
        let _ = undoes;
        plan.clone()
    }

    /// A plan has ended, and with it what only its process held: claims and locks.
    fn let_go(&mut self);

    /// Keeps others away until the end.
    fn hold(&mut self, hold: &Hold) -> anyhow::Result<()> {
        anyhow::bail!("{hold}: nothing here is held")
    }

    /// The course has ended, and with it what was held over its turns.
    fn ended(&mut self) {}

    /// What there is to see.
    fn see(&self, look: &Look) -> Result<View, Unseen>;

    /// What happens while the course waits. Time that passes must end every wait in the end.
    fn pass_time(&mut self, wait: &Wait) -> Woke {
        let _ = wait;
        Woke::TimeUp
    }

    /// What must hold whenever a course has ended, however it ended: nothing held, nothing locked, nothing lost.
    fn sound(&self) -> Result<(), String>;
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The N-th step of all that are tried, undo steps among them, is refused with this.
    Step(usize, Errno),
    /// The N-th look fails.
    Look(usize),
    /// The N-th wait is interrupted by the user.
    Wait(usize),
}

/// Something that somebody else does.
pub(crate) type Change<S> = (&'static str, fn(&mut S));

/// How a course ended.
#[derive(Debug)]
pub(crate) struct Outcome<S> {
    pub(crate) scene: S,
    pub(crate) ending: Ending,
    pub(crate) said: Vec<Said>,
    pub(crate) turns: usize,
    steps: usize,
    looks: usize,
    waits: usize,
}

impl<S> Outcome<S> {
    /// The command's exit status.
    pub(crate) fn status(&self) -> u8 {
        match &self.ending {
            Ending::Status(status) | Ending::Refused(Refusal { status, .. }) => *status,
        }
    }

    /// Everything that was said, a line each, the refusal last.
    pub(crate) fn text(&self) -> String {
        let said = self.said.iter().map(|said| said.text.as_str());
        let refusal = match &self.ending {
            Ending::Refused(refusal) => Some(refusal.text.as_str()),
            Ending::Status(_) => None,
        };
        said.chain(refusal).collect::<Vec<_>>().join("\n")
    }
}

/// What tests went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Turns of the course when nothing goes wrong.
    pub(crate) turns: usize,
    /// Runs with a step, a look or a wait that failed.
    pub(crate) faults: usize,
    /// Runs with a change by somebody else.
    pub(crate) changes: usize,
}

impl Tally {
    /// Whether so much was gone through at least: a test that meets nothing any more must not pass.
    pub(crate) fn reaches(&self, turns: usize, faults: usize, changes: usize) -> bool {
        self.turns >= turns && self.faults >= faults && self.changes >= changes
    }
}

struct Faulty<'a, S> {
    scene: &'a mut S,
    calls: &'a mut usize,
    fault: Option<Fault>,
}

impl<S: Scene> Host for Faulty<'_, S> {
    fn apply(&mut self, step: &Step) -> Result<Vec<Write>, Trouble> {
        let call = *self.calls;
        *self.calls += 1;
        match self.fault {
            Some(Fault::Step(at, errno)) if at == call => {
                let cause = anyhow::anyhow!("{step}: {errno}");
                Err(Trouble { errno: Some(errno), ..Trouble::from(cause) })
            }
            _ => Ok(self.scene.act(step)?),
        }
    }
}

fn carry_out<S: Scene>(
    plan: &Plan,
    undoes: Option<&EntryId>,
    scene: &mut S,
    calls: &mut usize,
    fault: Option<Fault>,
) -> Deed {
    let plan = scene.keep(plan, undoes);
    let mut host = Faulty { scene, calls, fault };
    let deed = run::run(&plan, &mut host).map_or_else(Deed::Failed, |()| Deed::Done);
    scene.let_go();
    deed
}

/// Drives a course to its end: with one fault, and one change by somebody else before this turn.
pub(crate) fn drive<S: Scene>(
    course: &mut dyn Course,
    mut scene: S,
    answer: Answer,
    fault: Option<Fault>,
    change: Option<(usize, Change<S>)>,
) -> Outcome<S> {
    let (mut said, mut calls, mut looks, mut waits) = (Vec::new(), 0, 0, 0);
    let mut event = Event::Begin;
    for turns in 0..MOST_TURNS {
        let Turn { say, then } = course.next(event);
        said.extend(say);
        // What was seen is old from now on.
        if let Some((_, (_, change))) = change.filter(|(at, _)| *at == turns) {
            change(&mut scene);
        }
        event = match then {
            Then::Look(look) => {
                let failed = fault == Some(Fault::Look(looks));
                looks += 1;
                let eio = || Unseen { text: "told not to see".to_owned(), errno: Some(Errno::EIO) };
                let seen = if failed { Err(eio()) } else { scene.see(&look) };
                seen.map_or_else(Event::Unseen, Event::Seen)
            }
            Then::Do(plans) | Then::Instead(plans) => {
                let deeds = plans.iter().map(|plan| carry_out(plan, None, &mut scene, &mut calls, fault));
                Event::Done(deeds.collect())
            }
            Then::Undo(plan, id, _) => {
                Event::Done(vec![carry_out(&plan, Some(&id), &mut scene, &mut calls, fault)])
            }
            Then::Hold(hold) => {
                let call = calls;
                calls += 1;
                let held = match fault {
                    Some(Fault::Step(at, errno)) if at == call => {
                        let cause = anyhow::anyhow!("{hold}: {errno}");
                        Err(Trouble { errno: Some(errno), ..Trouble::from(cause) })
                    }
                    _ => scene.hold(&hold).map_err(Trouble::from),
                };
                let failed = |trouble| Deed::Failed(Failure::alone(hold.to_string(), trouble));
                Event::Done(vec![held.map_or_else(failed, |()| Deed::Done)])
            }
            Then::Wait(wait) => {
                let interrupted = fault == Some(Fault::Wait(waits));
                waits += 1;
                Event::Woke(if interrupted { Woke::Interrupted } else { scene.pass_time(&wait) })
            }
            Then::Ask(_) | Then::AskPlainly(_) => Event::Answered(answer),
            Then::End(ending) => {
                scene.ended();
                return Outcome { scene, ending, said, turns: turns + 1, steps: calls, looks, waits };
            }
        };
    }
    panic!("no end after {MOST_TURNS} turns; said: {said:#?}");
}

/// Drives a course with nothing wrong, then with every step refused (by each of these errors), every look blind and every
/// wait interrupted, then with each change by somebody else before every turn. Whatever happens the course ends, the
/// scene is sound, and a status that is not 0 comes with a word; `check` holds what else must be so.
pub(crate) fn everything<S: Scene, C: Course>(
    make: impl Fn() -> C,
    scene: &S,
    errors: &[Errno],
    changes: &[Change<S>],
    check: impl Fn(&Outcome<S>, &str),
) -> Tally {
    let go = |fault: Option<Fault>, change: Option<(usize, Change<S>)>, what: &str| {
        let outcome = drive(&mut make(), scene.clone(), Answer::Yes, fault, change);
        if let Err(unsound) = outcome.scene.sound() {
            panic!("{what}: {unsound}; said: {}", outcome.text());
        }
        // Whoever interrupts a command knows why it ended.
        let explained = [0, INTERRUPTED].contains(&outcome.status()) || !outcome.text().is_empty();
        assert!(explained, "{what}: failed without a word");
        check(&outcome, what);
        outcome
    };
    let clean = go(None, None, "nothing went wrong");
    let mut tally = Tally { turns: clean.turns, ..Tally::default() };
    let mut faults: Vec<Fault> = (0..clean.looks).map(Fault::Look).collect();
    faults.extend((0..clean.waits).map(Fault::Wait));
    faults.extend(errors.iter().flat_map(|errno| (0..clean.steps).map(|at| Fault::Step(at, *errno))));
    for fault in faults {
        go(Some(fault), None, &format!("{fault:?}"));
        tally.faults += 1;
    }
    for (name, change) in changes {
        for turn in 0..clean.turns {
            go(None, Some((turn, (name, *change))), &format!("{name} after turn {turn}"));
            tally.changes += 1;
        }
    }
    tally
}
