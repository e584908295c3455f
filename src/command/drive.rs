//! The one loop that looks, acts, waits, speaks and asks: for all courses. It decides nothing.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;

use super::{
    Outcome,
    keep::{self, Kept},
    noted::Noted,
    preview_kept, refuse, tell, volume,
};
use crate::{
    config::Config,
    execute::{self, MapLock},
    inventory::{self, dm::Events},
    kernel::{Deadline, Machine, Watched, bell::Bell, interrupt::Interrupt, terminal},
    model::volume::Groups,
    plan::{
        Plan, Step, SystemStep,
        course::{Answer, Cause, Course, Deed, Ending, Event, How, Look, Said, Then, View, Wait, Woke},
        run::Failure,
    },
    report::{self, text::harmless},
    request::Common,
    ui::{Bars, Ui},
};

/// What a course is driven with.
pub(super) struct Driver<'a> {
    pub(super) common: &'a Common,
    pub(super) machine: &'a Machine,
    pub(super) ui: &'a Ui,
    pub(super) config: &'a Config,
    /// The course makes a document of its own: what became of each plan is not told beside it.
    pub(super) own_document: bool,
}

impl Driver<'_> {
    /// Drives a course to its end and answers the command's exit status.
    pub(super) fn drive(&self, course: &mut dyn Course) -> Result<u8> {
        let mut waiting = Waiting::of(&*course)?;
        // Failures that another way may take the place of.
        let mut untold = Vec::new();
        // For a dry run, which shows what becomes of a group.
        let mut groups = Groups::default();
        let mut held = Vec::new();
        // The map's lock, while a course that somebody was quicker than looks again.
        let mut turn_held = None;
        let mut progress = Noted::default();
        let mut event = Event::Begin;
        loop {
            let turn = course.next(event);
            // A sentence begins in a line of its own.
            if !turn.say.is_empty() || matches!(turn.then, Then::Ask(_) | Then::AskPlainly(_) | Then::End(_))
            {
                waiting.bars = None;
            }
            // One document tells everything in the order in which it came about.
            match &turn.then {
                Then::Instead(_) => untold.clear(),
                Then::Do(_) | Then::Undo(..) | Then::End(_) => untold.drain(..).for_each(tell),
                Then::Look(_) | Then::Hold(_) | Then::Wait(_) | Then::Ask(_) | Then::AskPlainly(_) => {}
            }
            turn.say.iter().for_each(|said| self.say(said));
            if !matches!(turn.then, Then::Look(Look::World { .. }) | Then::Do(_)) {
                turn_held = None;
            }
            event = match turn.then {
                Then::Look(look) => self.look(&look, &mut groups),
                Then::Do(plans) | Then::Instead(plans) => {
                    if !self.common.dry_run {
                        progress.before(&*course, &plans, self.machine);
                    }
                    let deeds = self.carry_out(self.kept(&plans), &groups, &mut untold, turn_held.take());
                    progress.after(&deeds);
                    let late = |deed: &Deed| matches!(deed, Deed::Failed(failure) if failure.stale && !failure.committed);
                    if course.keeps_its_turn() && deeds.iter().any(late) {
                        turn_held = execute::map_turn(self.machine);
                    }
                    Event::Done(deeds)
                }
                Then::Undo(plan, entry, whose) => {
                    let kept = Kept::undoing(&plan, self.machine, self.common, Some((entry, whose)));
                    Event::Done(self.carry_out(vec![kept], &groups, &mut untold, None))
                }
                Then::Hold(hold) => Event::Done(vec![match execute::hold(self.machine, &hold) {
                    Ok(more) => {
                        held.extend(more);
                        Deed::Done
                    }
                    Err(trouble) => Deed::Failed(Failure::alone(hold.to_string(), trouble)),
                }]),
                // It may have come before anything was waited for.
                Then::Wait(_) if course.stays() && waiting.is_over() => Event::Woke(Woke::Interrupted),
                Then::Wait(wait) => Event::Woke(self.wait(&wait, &mut waiting)?),
                Then::Ask(question) => Event::Answered(self.ask(&question)),
                Then::AskPlainly(question) => {
                    Event::Answered(if self.ui.ask(&question) { Answer::Yes } else { Answer::No })
                }
                Then::End(Ending::Status(status)) => return Ok(status),
                Then::End(Ending::Refused(refusal)) => return Ok(refuse(&refusal, self.common, self.ui)),
            };
        }
    }

    fn look(&self, look: &Look, groups: &mut Groups) -> Event {
        let seen = inventory::see(self.machine, self.config, look);
        match &seen {
            Ok(View::Group(seen)) if self.common.dry_run => groups.clone_from(&seen.groups),
            Ok(View::Volumes(seen)) if self.common.dry_run => groups.clone_from(&seen.groups),
            Ok(_) | Err(_) => {}
        }
        seen.map_or_else(Event::Unseen, Event::Seen)
    }

    fn say(&self, said: &Said) {
        let text = said.text.as_str();
        match said.how {
            How::Out if self.common.verbose >= 0 && !self.common.json => {
                super::print(&format!("{}: {}\n", self.ui.program(), harmless(text)));
            }
            How::Ask if !self.common.yes => self.ui.warn(text),
            How::Line => drop(super::print(&format!("{}\n", harmless(text)))),
            How::Out | How::Ask => {}
            How::Note => self.ui.note(text),
            How::Detail => self.ui.detail(text),
            How::Warn => self.ui.warn(text),
            How::Error => self.ui.error(text),
        }
        let told = self.common.json && !self.own_document;
        if let Some(refusal) = said.refusal.as_ref().filter(|_| told) {
            tell(super::refused(refusal));
        }
    }

    fn kept(&self, plans: &[Plan]) -> Vec<Kept> {
        plans.iter().map(|plan| Kept::new(plan, self.machine, self.common)).collect()
    }

    fn carry_out(
        &self,
        kept: Vec<Kept>,
        groups: &Groups,
        untold: &mut Vec<Outcome>,
        turn: Option<MapLock>,
    ) -> Vec<Deed> {
        if self.common.dry_run {
            return kept.iter().map(|kept| self.show(kept, groups)).collect();
        }
        let ended = match kept.as_slice() {
            [one] => vec![keep::run_in_turn(one, self.machine, self.ui, turn)],
            several => keep::run_kept(several, self.machine, self.ui),
        };
        let deeds = kept.iter().zip(ended).map(|(kept, ended)| {
            let is_aside =
                kept.plan.steps.iter().any(|step| matches!(step, Step::System(SystemStep::Follow { .. })));
            if self.common.json && !self.own_document && !is_aside {
                let told = super::ended_outcome(&kept.plan, ended.as_ref().err());
                match &ended {
                    // Who looks again answers with what comes of that.
                    Err(failure) if failure.stale && !failure.committed => {}
                    Err(failure) if !(failure.committed && failure.rest.minor) => untold.push(told),
                    Ok(()) | Err(_) => tell(told),
                }
            }
            ended.map_or_else(Deed::Failed, |()| Deed::Done)
        });
        deeds.collect()
    }

    fn show(&self, kept: &Kept, groups: &Groups) -> Deed {
        // What was seen otherwise is shown by those who looked.
        if !self.common.json && !groups.groups.is_empty() {
            for (before, after) in volume::changed(groups, &kept.plan) {
                super::print(&report::volume::difference(before, &after));
            }
        }
        if !(self.common.json && self.own_document) {
            preview_kept(&kept.plan, self.common);
        }
        Deed::Shown
    }

    fn ask(&self, question: &str) -> Answer {
        if self.common.yes {
            Answer::Yes
        } else if !terminal::somebody_is_there() {
            Answer::Nobody
        } else if self.ui.ask(question) {
            Answer::Yes
        } else {
            Answer::No
        }
    }

    /// A cause is watched from its first wait on, and again from the end of each: what changes between a wait and the look
    /// that follows it ends the next wait.
    fn wait(&self, wait: &Wait, waiting: &mut Waiting) -> Result<Woke> {
        if let Some(bar) = &wait.bar {
            let bars = waiting.bars.get_or_insert_with(|| self.ui.bars());
            bars.show(&bar.what, bar.done, bar.total);
        }
        if waiting.interrupt.is_none() {
            waiting.interrupt = Some(Interrupt::catch()?);
        }
        for cause in &wait.on {
            if self.arm(cause, waiting)? {
                return Ok(if waiting.is_deaf(wait) { Woke::Deaf } else { Woke::Armed });
            }
        }
        let Some(interrupt) = &waiting.interrupt else { return Ok(Woke::Interrupted) };
        if let Some(bell) = waiting.bell.as_mut().filter(|_| wait.on.contains(&Cause::Arrays)) {
            let rang = bell.wait(interrupt, Deadline::after(wait.most))?;
            return Ok(match rang {
                _ if interrupt.has_come() => Woke::Interrupted,
                _ if interrupt.was_called() => Woke::Called,
                true => Woke::Changed,
                false => Woke::TimeUp,
            });
        }
        let limit = Deadline::after(wait.most);
        let watched = wait.on.iter().find(|cause| waiting.files.contains_key(cause));
        let attribute = watched.and_then(|cause| waiting.files.get_mut(cause)).and_then(Option::as_mut);
        match (attribute, &mut waiting.events) {
            (Some(file), _) => {
                file.changed_or_interrupted(interrupt, limit)?;
                file.read()?;
            }
            (None, Some(events)) => {
                events.wait(wait.most);
                events.arm();
            }
            (None, None) => interrupt.wait(limit)?,
        }
        Ok(match limit.left() {
            _ if interrupt.has_come() => Woke::Interrupted,
            _ if interrupt.was_called() => Woke::Called,
            Some(_) => Woke::Changed,
            None => Woke::TimeUp,
        })
    }

    /// Begins to watch for a cause; `false` where that has begun already.
    fn arm(&self, cause: &Cause, waiting: &mut Waiting) -> Result<bool> {
        match cause {
            Cause::Attribute { .. } if waiting.files.contains_key(cause) => Ok(false),
            Cause::Attribute { array, attr } => {
                let below = Path::new("block").join(array).join("md").join(attr.path());
                let mut file = Watched::open(&self.machine.sysfs.path(below))?;
                if let Some(file) = &mut file {
                    file.read()?;
                }
                waiting.files.insert(cause.clone(), file);
                Ok(true)
            }
            Cause::Arrays if waiting.bell.is_some() => Ok(false),
            Cause::Arrays => {
                waiting.bell = Some(Bell::hang(self.machine)?);
                Ok(true)
            }
            Cause::DeviceMapper if waiting.events.is_some() => Ok(false),
            Cause::DeviceMapper => {
                let mut events = Events::open(self.machine);
                events.arm();
                waiting.events = Some(events);
                Ok(true)
            }
        }
    }
}

/// What waits go on with.
#[derive(Default)]
struct Waiting {
    interrupt: Option<Interrupt>,
    files: BTreeMap<Cause, Option<Watched>>,
    events: Option<Events>,
    bell: Option<Bell>,
    bars: Option<Bars>,
}

impl Waiting {
    /// Before anything is waited for.
    fn of(course: &dyn Course) -> Result<Self> {
        let mut waiting = Self::default();
        if course.stays() {
            let interrupt = Interrupt::catch()?;
            // Of a process with a terminal SIGHUP says that this has gone.
            let is_called = !terminal::has_one();
            waiting.interrupt = Some(if is_called { interrupt.and_calls()? } else { interrupt });
        }
        Ok(waiting)
    }

    /// Whether the user wants no more waiting.
    fn is_over(&self) -> bool {
        self.interrupt.as_ref().is_some_and(Interrupt::has_come)
    }

    /// Whether none of the causes can be watched.
    fn is_deaf(&self, wait: &Wait) -> bool {
        let deaf = |cause: &Cause| matches!(self.files.get(cause), Some(None));
        !wait.on.is_empty() && wait.on.iter().all(deaf)
    }
}
