//! One change of groups, over as many looks as it takes: look, decide, ask, do; and again from the start where somebody else
//! changed a group between the look and the lock.

use crate::{
    model::volume::{GroupLook, GroupSeen},
    plan::{
        Plan, Refusal,
        consent::Consent,
        course::{Answer, Course, Deed, Event, Look, Said, Then, Turn, View},
        run::Failure,
    },
};

/// How often the same is decided again because somebody else was quicker.
pub const ROUNDS: usize = 50;

/// What a change comes to: a plan, or nothing to do, or no.
pub type Decided = Result<Option<Plan>, Refusal>;

/// A decision that first shows what else it has to know.
pub enum Sought {
    /// It is made.
    Decided(Option<Plan>),
    /// This has to be looked at first.
    Look(Look),
}

/// What a group is changed to, decided again after each look at it.
pub trait Decide {
    /// By the group alone.
    ///
    /// # Errors
    /// Why not.
    fn first(&mut self, seen: &GroupSeen) -> Result<Sought, Refusal>;

    /// By the group as it was seen, and what was looked at beside it.
    ///
    /// # Errors
    /// Why not.
    fn then(&mut self, seen: &GroupSeen, more: View) -> Decided;
}

impl<F: FnMut(&GroupSeen) -> Decided> Decide for F {
    fn first(&mut self, seen: &GroupSeen) -> Result<Sought, Refusal> {
        self(seen).map(Sought::Decided)
    }

    fn then(&mut self, seen: &GroupSeen, _: View) -> Decided {
        self(seen)
    }
}

/// The course.
pub struct ChangeCourse<D> {
    look: GroupLook,
    decide: D,
    /// The group, while something beside it is looked at.
    seen: Option<Box<GroupSeen>>,
    manner: ChangeManner,
    /// What is asked about, or done.
    plan: Plan,
    rounds: usize,
    consent: Consent,
    /// There was nothing to do: the plan has no more than warnings.
    nothing: bool,
}

/// Whether anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeManner {
    /// Yes.
    Carry,
    /// It is only shown: nobody is asked.
    Show,
}

impl<D: Decide> ChangeCourse<D> {
    /// A change that `decide` plans by this look; it is asked again after each.
    pub fn new(look: GroupLook, decide: D, manner: ChangeManner) -> Self {
        let (plan, consent) = (Plan::default(), Consent::default());
        Self { look, decide, seen: None, manner, plan, rounds: 0, consent, nothing: false }
    }

    fn look(&self) -> Turn {
        Turn::look(Look::Group(self.look.clone()))
    }

    /// The plan without steps that it came to, where there was nothing to do.
    pub fn nothing(&self) -> Option<&Plan> {
        self.nothing.then_some(&self.plan)
    }

    fn seen(&mut self, view: View) -> Result<Turn, Refusal> {
        if let Some(seen) = self.seen.take() {
            let plan = self.decide.then(&seen, view)?;
            return Ok(self.decided(plan));
        }
        let seen = view.group()?;
        self.rounds += 1;
        super::groups::refuse_unreadable(&seen.groups)?;
        Ok(match self.decide.first(&seen)? {
            Sought::Decided(plan) => self.decided(plan),
            Sought::Look(look) => {
                self.seen = Some(seen);
                Turn::look(look)
            }
        })
    }

    fn decided(&mut self, plan: Option<Plan>) -> Turn {
        self.plan = plan.unwrap_or_default();
        let said = self.plan.warnings.iter().map(Said::from).collect();
        if self.plan.steps.is_empty() {
            self.nothing = true;
            return Turn::end(0).after(vec![Said::note("nothing to do")]).after(said);
        }
        if self.manner == ChangeManner::Show {
            return Turn::carry_out(self.plan.clone());
        }
        let covered = self.consent.covers(&self.plan);
        if !covered {
            return Turn::from(Then::Ask("Go on".to_owned())).after(said);
        }
        // What was said before is not said again.
        let said = if self.consent.was_asked() || self.rounds > 1 { Vec::new() } else { said };
        Turn::carry_out(self.plan.clone()).after(said)
    }

    fn ended(&mut self, deed: Deed) -> Turn {
        match deed {
            Deed::Done => Turn::end(0).after(vec![done(&self.plan)]),
            Deed::Shown => Turn::end(0),
            Deed::Failed(failure) if failure.stale && !failure.committed && self.rounds < ROUNDS => {
                self.look()
            }
            Deed::Failed(failure) => {
                let (said, status) = failed(&failure, &self.plan);
                Turn::end(status).after(said)
            }
        }
    }
}

/// The line of a change that was made.
pub(super) fn done(plan: &Plan) -> Said {
    Said::out(format!("done: {}", plan.summary))
}

/// What is said of a plan that failed, and the status that comes of it.
pub(super) fn failed(failure: &Failure, plan: &Plan) -> (Vec<Said>, u8) {
    let (mut said, status) = Said::ended(failure, &plan.summary);
    if status == 0 {
        said.push(done(plan));
    }
    (said, status)
}

impl<D: Decide> Course for ChangeCourse<D> {
    fn next(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin => self.look(),
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Seen(view) => self.seen(view).unwrap_or_else(Turn::refuse),
            Event::Answered(Answer::Yes) => {
                self.consent.give(&self.plan);
                Turn::carry_out(self.plan.clone())
            }
            Event::Answered(Answer::No) => Turn::end(1).after(vec![Said::error("nothing was done")]),
            Event::Answered(Answer::Nobody) => Turn::end(1)
                .after(vec![Said::error("nothing was done: nobody can be asked here; --yes (-y) agrees")]),
            Event::Done(deeds) => match deeds.into_iter().next() {
                Some(deed) => self.ended(deed),
                None => Turn::refuse(Refusal::new("nothing was carried out")),
            },
            Event::Woke(_) => Turn::refuse(Refusal::new("nothing was waited for")),
        }
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
