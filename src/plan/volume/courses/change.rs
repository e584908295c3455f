//! One change of a group within a course: decided on what was seen, agreed to, carried out; decided again on another look where
//! somebody else was quicker.

use crate::plan::{
    Plan, Refusal,
    consent::Consent,
    course::{Answer, Deed, Event, Said, Then, Turn},
    volume::change::{Decided, ROUNDS, done, failed},
};

/// One change.
#[derive(Debug, Default)]
pub(super) struct OneChange {
    rounds: usize,
    consent: Consent,
    plan: Option<Plan>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// This, and what comes of it goes to [`OneChange::next`].
    Turn(Turn),
    /// A new look, and a decision on it.
    Again,
    /// It is over, after these words.
    Over(Vec<Said>, Over),
}

/// How it is over.
#[derive(Debug)]
pub(super) enum Over {
    /// It was done; with a status that is not 0 where something after the change itself failed.
    Done(u8),
    /// There was nothing to do.
    Nothing,
    /// It was only shown.
    Shown,
    /// It was not done; why has been said.
    Failed,
    /// It is refused.
    Refused(Refusal),
}

impl OneChange {
    /// It was decided on what was seen.
    pub(super) fn decided(&mut self, decided: Decided, dry_run: bool) -> Next {
        let plan = match decided {
            Err(refusal) => return Next::Over(Vec::new(), Over::Refused(refusal)),
            Ok(plan) => plan.unwrap_or_default(),
        };
        let said: Vec<Said> = plan.warnings.iter().map(Said::from).collect();
        if plan.steps.is_empty() {
            return Next::Over(said, Over::Nothing);
        }
        if dry_run || self.consent.covers(&plan) {
            // What was said before is not said again.
            let known = dry_run || self.consent.was_asked() || self.rounds > 0;
            let said = if known { Vec::new() } else { said };
            self.plan = Some(plan.clone());
            return Next::Turn(Turn::carry_out(plan).after(said));
        }
        self.plan = Some(plan);
        Next::Turn(Turn::from(Then::Ask("Go on".to_owned())).after(said))
    }

    /// What came of the turn before.
    pub(super) fn next(&mut self, event: Event) -> Next {
        match event {
            Event::Answered(Answer::Yes) => {
                let plan = self.plan.clone().unwrap_or_default();
                self.consent.give(&plan);
                Next::Turn(Turn::carry_out(plan))
            }
            Event::Answered(Answer::No) => Next::Over(vec![Said::error("nothing was done")], Over::Failed),
            Event::Answered(Answer::Nobody) => {
                let why = "nothing was done: nobody can be asked here; --yes (-y) agrees";
                Next::Over(vec![Said::error(why)], Over::Failed)
            }
            Event::Done(deeds) => deeds.into_iter().next().map_or(Next::Again, |deed| self.ended(deed)),
            Event::Begin | Event::Seen(_) | Event::Unseen(_) | Event::Woke(_) => Next::Again,
        }
    }

    fn ended(&mut self, deed: Deed) -> Next {
        let plan = self.plan.clone().unwrap_or_default();
        match deed {
            Deed::Done => Next::Over(vec![done(&plan)], Over::Done(0)),
            Deed::Shown => Next::Over(Vec::new(), Over::Shown),
            Deed::Failed(failure) if failure.stale && !failure.committed && self.rounds < ROUNDS => {
                self.rounds += 1;
                Next::Again
            }
            Deed::Failed(failure) => {
                let (said, status) = failed(&failure, &plan);
                Next::Over(said, if failure.committed { Over::Done(status) } else { Over::Failed })
            }
        }
    }
}
