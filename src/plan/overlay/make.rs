//! Making a set of overlays, as a course: names and loop devices may be somebody else's by the time that they are wanted.

use superblock::Bytes;

use super::{NewSet, WantedOverlay, create, path_of, wanted};
use crate::{
    model::overlay::{self, Overlays, Underlays},
    plan::{
        Plan, Refusal,
        course::{Course, Deed, Event, Look, Said, Then, Turn, View},
        run::Failure,
    },
};

/// So often it is decided again, where that comes to something else.
const MOST_AGAIN: u32 = 3;

/// Makes a set over these devices.
#[derive(Debug)]
pub struct MakeSet {
    devices: Vec<String>,
    /// The name that was given.
    name: Option<String>,
    /// The directory that was named.
    store: Option<String>,
    size: Bytes,
    new: NewSet,
    plan: Plan,
    /// The overlays' paths, in the order of the devices.
    paths: Vec<String>,
    failure: Option<Failure>,
    again: u32,
}

impl MakeSet {
    /// `name`: where none is given, one is made up; `store`: the directory for the files, where it is not the usual one;
    /// `size`: 0 for what a member may need.
    #[must_use]
    pub fn new(devices: Vec<String>, name: Option<String>, store: Option<String>, size: Bytes) -> Self {
        Self {
            devices,
            name,
            store,
            size,
            new: NewSet { set: String::new(), store: String::new(), size },
            plan: Plan::default(),
            paths: Vec::new(),
            failure: None,
            again: 0,
        }
    }

    fn look(&self) -> Turn {
        Turn::look(Look::Overlays { store: self.store.clone() })
    }

    fn named(&mut self, seen: &Overlays) -> Turn {
        let made_up = || {
            let mut all = (1..).map(|nth: u32| format!("set{nth}"));
            all.find(|name| !seen.all.iter().any(|overlay| overlay.set == *name)).unwrap_or_default()
        };
        let set = self.name.clone().unwrap_or_else(made_up);
        if seen.all.iter().any(|overlay| overlay.set == set) {
            let refusal = Refusal::new(format!("there is a set of overlays {set} already"));
            return Turn::refuse(
                refusal.hint("mdctl overlay list shows it; without --name a free name is taken"),
            );
        }
        let store = self.store.clone().unwrap_or_else(|| seen.store.clone());
        self.new = NewSet { set, store, size: self.size };
        Turn::look(Look::Underlays { paths: self.devices.clone() })
    }

    fn decide(&mut self, seen: Underlays) -> Turn {
        let name = |member: &WantedOverlay| path_of(&overlay::name_of(&self.new.set, &member.kernel_name));
        let decided = wanted(seen).and_then(|members| {
            let plan = create(&self.new, &members)?;
            Ok((plan, members.iter().map(name).collect()))
        });
        let failure = self.failure.take();
        match (decided, failure) {
            (Err(refusal), _) => Turn::refuse(refusal),
            (Ok((plan, _)), Some(failure)) if plan == self.plan => {
                Turn::end(1).after(Said::failure(&failure))
            }
            (Ok((plan, paths)), failure) => {
                (self.plan, self.paths) = (plan.clone(), paths);
                match failure {
                    None => Turn::carry_out(plan),
                    Some(_) => Then::Instead(vec![plan]).into(),
                }
            }
        }
    }

    fn may_again(&self, failure: &Failure) -> bool {
        !failure.committed && failure.not_undone.is_empty() && self.again < MOST_AGAIN
    }

    fn ended(&mut self, deed: Option<Deed>) -> Turn {
        let done = || Said::out(format!("set {}: {}", self.new.set, self.paths.join(" ")));
        match deed {
            Some(Deed::Done) => Turn::end(0).after(vec![done()]),
            Some(Deed::Shown) | None => Turn::end(0),
            // What is somebody else's by now is not taken again, should that have been it.
            Some(Deed::Failed(failure)) if self.may_again(&failure) => {
                self.again += 1;
                self.failure = Some(failure);
                self.look()
            }
            Some(Deed::Failed(failure)) => {
                let (mut said, status) = Said::ended(&failure, &self.plan.summary);
                if status == 0 {
                    said.push(done());
                }
                Turn::end(status).after(said)
            }
        }
    }
}

impl Course for MakeSet {
    fn next(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin | Event::Woke(_) | Event::Answered(_) => self.look(),
            Event::Unseen(unseen) => match self.failure.take() {
                Some(failure) => Turn::end(1).after(Said::failure(&failure)),
                None => Turn::refuse(unseen),
            },
            Event::Seen(View::Overlays(seen)) => self.named(&seen),
            Event::Seen(view) => match view.underlays() {
                Ok(seen) => self.decide(seen),
                Err(unseen) => Turn::refuse(unseen),
            },
            Event::Done(deeds) => self.ended(deeds.into_iter().next()),
        }
    }
}

#[cfg(test)]
#[path = "make_tests.rs"]
mod tests;
