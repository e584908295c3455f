//! All that one killed command left, as a course: overlays and the arrays on them, arrays and the bytes below them, volumes,
//! devices of device-mapper. What is over is noted, so that no later command does it to what others made since.

use std::collections::VecDeque;

use super::{devices, failed, session::TakeBack};
use crate::{
    model::{
        DevId,
        dm::Overview,
        overlay::Overlays,
        unfinished::{Note, Unfinished},
    },
    plan::{
        ArrayName, Plan, Step, SystemStep,
        cookies::CookieStep,
        course::{Course, Deed, Ending, Event, Look, Said, Then, Turn, Unseen},
        dm::DmStep,
        overlay::{clean_up, standing},
        trial,
        volume::recover::session::PutRight,
    },
};

/// An array may be stopped, or given other members, by somebody else at the same time.
const MOST_STOPS: u32 = 3;

/// Takes back what one command left. It ends with 0 where its notes are of no use any more.
#[derive(Debug)]
pub(super) struct Recover {
    left: Unfinished,
    /// The file of its notes.
    notes: String,
    stage: Stage,
    /// Sets of overlays that are still there, each with the directory of its files.
    sets: VecDeque<(String, String)>,
    /// So often it was tried to stop the arrays on the first of them.
    stops: u32,
    arrays: TakeBack,
    volumes: PutRight,
    /// Devices that are being removed.
    removed: Vec<String>,
    /// What was not done.
    missing: Vec<String>,
    told: Vec<String>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A look at overlays.
    Overlays,
    /// The arrays on a set to be stopped.
    Standing,
    /// A set to be taken away.
    Set,
    /// The course of the arrays.
    Arrays,
    /// The note that it is over.
    Noting,
    /// The course of the volumes.
    Volumes,
    /// Semaphores to be removed.
    Cookies,
    /// A look at devices.
    Devices,
    /// Devices to be removed.
    Removing,
}

impl Course for Recover {
    fn next(&mut self, event: Event) -> Turn {
        self.turn(event).unwrap_or_else(|unseen| failed(&unseen.text))
    }
}

impl Recover {
    /// Begins with the notes of the killed command, and their file. `command`: this one's words.
    #[must_use]
    pub(super) fn new(left: &Unfinished, notes: &str, command: &str) -> Self {
        let sets = made(left).chain(&left.forgotten).cloned().collect();
        Self {
            left: left.clone(),
            notes: notes.to_owned(),
            stage: Stage::Overlays,
            sets,
            stops: 0,
            arrays: TakeBack::new(left),
            volumes: PutRight::new(left, command),
            removed: Vec::new(),
            missing: Vec::new(),
            told: Vec::new(),
        }
    }

    /// What was done, in words, whether it came to its end or not.
    #[must_use]
    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (_, Event::Begin) => self.next_set(),
            (Stage::Arrays, event) => {
                let turn = self.arrays.next(event);
                self.of_arrays(turn)
            }
            (Stage::Volumes, event) => {
                let turn = self.volumes.next(event);
                self.of_volumes(turn)
            }
            (Stage::Overlays, Event::Seen(view)) => self.set_seen(&view.overlays()?),
            (Stage::Devices, Event::Seen(view)) => self.devices_seen(&*view.dm()?),
            (_, Event::Done(deeds)) => self.done(deeds),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, Event::Seen(_) | Event::Woke(_) | Event::Answered(_)) => {
                failed("it was answered what nobody had asked")
            }
        })
    }

    /// The end of a plan. What comes after overlays and arrays does without what failed.
    fn done(&mut self, deeds: Vec<Deed>) -> Turn {
        let failure = deeds.into_iter().find_map(|deed| match deed {
            Deed::Failed(failure) => Some(failure),
            Deed::Done | Deed::Shown => None,
        });
        let is_minor = failure.as_ref().is_none_or(|failure| failure.committed && failure.rest.minor);
        let why = failure.map(|failure| failure.to_string());
        match (self.stage, why) {
            (Stage::Standing, None) => self.look_at_set(),
            (Stage::Standing, Some(_)) if self.stops < MOST_STOPS => self.look_at_set(),
            (Stage::Set, why) if is_minor => {
                self.sets.pop_front();
                self.stops = 0;
                self.next_set().after(why.into_iter().map(Said::warn).collect())
            }
            (Stage::Noting, None) => {
                self.stage = Stage::Volumes;
                let turn = self.volumes.next(Event::Begin);
                self.of_volumes(turn)
            }
            (Stage::Cookies, why) => {
                self.missing.extend(why);
                self.devices()
            }
            (Stage::Removing, why) => {
                if is_minor {
                    let told = self
                        .removed
                        .iter()
                        .map(|name| format!("device {name}, which never had a table, is removed"));
                    self.told.extend(told);
                }
                self.missing.extend(why);
                self.end()
            }
            (_, why) => {
                let why = why.unwrap_or_else(|| "it ended what nobody had begun".to_owned());
                failed(&why)
            }
        }
    }

    /// Once the commit was passed, a set that was made is there to stay.
    fn next_set(&mut self) -> Turn {
        if self.sets.is_empty() {
            self.stage = Stage::Arrays;
            let turn = self.arrays.next(Event::Begin);
            return self.of_arrays(turn);
        }
        self.look_at_set()
    }

    fn look_at_set(&mut self) -> Turn {
        self.stage = Stage::Overlays;
        Turn::look(Look::Overlays { store: self.sets.front().map(|(_, store)| store.clone()) })
    }

    fn set_seen(&mut self, seen: &Overlays) -> Turn {
        let Some((set, store)) = self.sets.front() else { return self.next_set() };
        let arrays = standing(set, seen);
        if !arrays.is_empty() && self.stops < MOST_STOPS {
            let stop = |(array, members): &(ArrayName, Vec<DevId>)| {
                trial::as_seen(trial::take_down(array), array, members)
            };
            let plans = arrays.iter().map(stop).collect();
            self.stops += 1;
            self.stage = Stage::Standing;
            return Then::Do(plans).into();
        }
        match clean_up(set, seen, Some(store)) {
            Ok(plan) => {
                self.stage = Stage::Set;
                Turn::carry_out(plan)
            }
            Err(refusal) => failed(&refusal.text),
        }
    }

    fn of_arrays(&mut self, turn: Turn) -> Turn {
        match turn.then {
            Then::End(Ending::Status(0)) => {
                self.told.extend(self.arrays.told());
                self.stage = Stage::Noting;
                let note = Step::System(SystemStep::Note { notes: self.notes.clone(), note: Note::Over });
                let summary = format!("note what is over of: {}", self.left.command);
                let plan = Plan { summary, steps: vec![Step::Commit, note], warnings: Vec::new() };
                Turn::carry_out(plan).after(turn.say)
            }
            Then::End(_) => turn,
            _ => turn,
        }
    }

    fn of_volumes(&mut self, turn: Turn) -> Turn {
        match turn.then {
            Then::End(Ending::Status(0)) => {
                self.told.extend(self.volumes.told());
                self.cookies().after(turn.say)
            }
            Then::End(_) => turn,
            _ => turn,
        }
    }

    /// Semaphores that nobody waits for any more.
    fn cookies(&mut self) -> Turn {
        if self.left.cookies.is_empty() {
            return self.devices();
        }
        let forget =
            self.left.cookies.iter().map(|cookie| Step::Dm(DmStep::Cookie(CookieStep::Forget(*cookie))));
        let steps = std::iter::once(Step::Commit).chain(forget).collect();
        let summary = format!("remove the cookies of: {}", self.left.command);
        self.stage = Stage::Cookies;
        Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
    }

    fn devices(&mut self) -> Turn {
        if self.left.devices.is_empty() {
            return self.end();
        }
        self.stage = Stage::Devices;
        Turn::look(Look::Dm)
    }

    fn devices_seen(&mut self, all: &Overview) -> Turn {
        let (plan, removed) = devices(&self.left, all);
        if plan.steps.is_empty() {
            return self.end();
        }
        self.removed = removed;
        self.stage = Stage::Removing;
        Turn::carry_out(plan)
    }

    fn end(&mut self) -> Turn {
        if made(&self.left).count() > 0 {
            self.told.push("its overlays are gone, the members are as they were".to_owned());
        }
        let forgotten = self.left.forgotten.iter();
        self.told.extend(forgotten.map(|(set, _)| format!("the files of overlays {set} are gone")));
        if !self.missing.is_empty() {
            return failed(&self.missing.join("; "));
        }
        Turn::end(0)
    }
}

/// The sets that it made and that are to be gone: none where it had passed its commit.
fn made(left: &Unfinished) -> impl Iterator<Item = &(String, String)> {
    left.overlays.iter().filter(|_| !left.committed)
}

#[cfg(test)]
#[path = "whole_tests.rs"]
mod tests;
