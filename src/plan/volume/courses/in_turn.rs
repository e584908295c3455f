//! One change after the other, each decided on a look of its own; what can be done is done, and what cannot is named.

use std::collections::VecDeque;

use super::{
    Called,
    change::{Next, OneChange, Over},
};
use crate::{
    model::volume::VolumesSeen,
    plan::{
        Plan, Refusal,
        course::{Course, Event, Look, Said, Turn},
        volume::groups,
    },
};

/// The course. `all`: what is to be changed, asked at the first look; `decide`: the plan for one of these.
pub struct InTurn<T, A, D> {
    all: A,
    decide: D,
    called: Called,
    /// What is left to be done; `None` before the first look.
    queue: Option<VecDeque<T>>,
    change: OneChange,
    status: u8,
    /// Plans that had nothing to do.
    nothing: Vec<Plan>,
}

impl<T, A, D> InTurn<T, A, D>
where
    A: FnMut(&VolumesSeen) -> VecDeque<T>,
    D: FnMut(&VolumesSeen, &T) -> Result<Plan, Refusal>,
{
    /// Nothing is done yet.
    pub fn new(all: A, decide: D, called: Called) -> Self {
        let (queue, change, nothing) = (None, OneChange::default(), Vec::new());
        Self { all, decide, called, queue, change, status: 0, nothing }
    }

    /// The plans without steps that it came to, where there was nothing to do.
    pub fn nothing(&self) -> &[Plan] {
        &self.nothing
    }

    fn look(&self) -> Turn {
        Turn::look(Look::Volumes { command: self.called.words.clone() })
    }

    /// The next one of which anything is to be done.
    fn seen(&mut self, seen: &VolumesSeen) -> Turn {
        if let Err(refusal) = groups::refuse_unreadable(&seen.groups) {
            return Turn::refuse(refusal);
        }
        let mut said = Vec::new();
        if self.queue.is_none() {
            let all = (self.all)(seen);
            if all.is_empty() {
                said.push(Said::note("nothing to do"));
            }
            self.queue = Some(all);
        }
        while let Some(one) = self.queue.as_ref().and_then(VecDeque::front) {
            let decided = (self.decide)(seen, one);
            if let Some(plan) = decided.as_ref().ok().filter(|plan| plan.steps.is_empty()) {
                self.nothing.push(plan.clone());
            }
            match self.change.decided(decided.map(Some), self.called.dry_run) {
                Next::Turn(turn) => return turn.after(said),
                Next::Again => return self.look().after(said),
                Next::Over(words, over) => said.extend(self.over(words, over)),
            }
        }
        Turn::end(self.status).after(said)
    }

    /// The first one is over.
    fn over(&mut self, mut said: Vec<Said>, over: Over) -> Vec<Said> {
        self.change = OneChange::default();
        self.queue.as_mut().and_then(VecDeque::pop_front);
        self.status |= match over {
            Over::Done(status) => status,
            Over::Shown => 0,
            Over::Failed => 1,
            Over::Nothing => {
                said.push(Said::note("nothing to do"));
                0
            }
            Over::Refused(refusal) => {
                said.extend(Said::refusal(&refusal));
                refusal.status
            }
        };
        said
    }
}

impl<T, A, D> Course for InTurn<T, A, D>
where
    A: FnMut(&VolumesSeen) -> VecDeque<T>,
    D: FnMut(&VolumesSeen, &T) -> Result<Plan, Refusal>,
{
    fn next(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin | Event::Woke(_) => self.look(),
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Seen(view) => match view.volumes() {
                Ok(seen) => self.seen(&seen),
                Err(unseen) => Turn::refuse(unseen),
            },
            event @ (Event::Done(_) | Event::Answered(_)) => match self.change.next(event) {
                Next::Turn(turn) => turn,
                Next::Again => self.look(),
                Next::Over(words, over) => {
                    let said = self.over(words, over);
                    let is_last = self.queue.as_ref().is_none_or(VecDeque::is_empty);
                    if is_last { Turn::end(self.status).after(said) } else { self.look().after(said) }
                }
            },
        }
    }
}
