//! Taking sets of overlays away, one after the other, as a course: what is there is looked at again before each.

use super::{discard, set_of};
use crate::{
    model::overlay::Overlays,
    plan::{
        Refusal,
        course::{Course, Deed, Event, Look, Said, Turn, Unseen},
    },
};

/// Takes these sets away, or all.
#[derive(Debug)]
pub struct Discard {
    /// Those that are left, the next one last; `None` until it is known which are all.
    sets: Option<Vec<String>>,
    store: Option<String>,
    /// What the plan that is being carried out does.
    doing: String,
    status: u8,
}

impl Discard {
    /// `store`: a directory to look into beside the usual one.
    #[must_use]
    pub fn new(sets: Vec<String>, all: bool, store: Option<String>) -> Self {
        let mut sets = sets;
        sets.reverse();
        Self { sets: (!all).then_some(sets), store, doing: String::new(), status: 0 }
    }

    fn look(&self) -> Turn {
        Turn::look(Look::Overlays { store: self.store.clone() })
    }

    /// The next set that can be taken away. Those that cannot are said; there is no set that is left out in silence.
    fn one(&mut self, seen: &Overlays) -> Turn {
        let sets = self.sets.get_or_insert_with(|| seen.sets().into_iter().rev().collect());
        let mut said = Vec::new();
        while let Some(set) = sets.pop() {
            let found = set_of(seen, &set, self.store.as_deref());
            match found.and_then(|(overlays, dir)| discard(&set, &overlays, &dir)) {
                Ok(plan) => {
                    self.doing.clone_from(&plan.summary);
                    return Turn::carry_out(plan).after(said);
                }
                Err(refusal) => {
                    self.status |= refusal.status;
                    said.extend(Said::refusal(&refusal));
                }
            }
        }
        Turn::end(self.status).after(said)
    }

    /// Without a look one set is not taken away; another look may see the next.
    fn unseen(&mut self, unseen: Unseen) -> Turn {
        let refusal = Refusal::from(unseen);
        if self.sets.as_mut().and_then(Vec::pop).is_none() {
            return Turn::refuse(refusal);
        }
        self.status |= refusal.status;
        self.go_on().after(Said::refusal(&refusal))
    }

    fn ended(&mut self, deeds: Vec<Deed>) -> Turn {
        let mut said = Vec::new();
        for deed in deeds {
            if let Deed::Failed(failure) = deed {
                let (of_it, status) = Said::ended(&failure, &self.doing);
                said.extend(of_it);
                self.status |= status;
            }
        }
        self.go_on().after(said)
    }

    fn go_on(&self) -> Turn {
        match self.sets.as_ref().is_none_or(Vec::is_empty) {
            true => Turn::end(self.status),
            false => self.look(),
        }
    }
}

impl Course for Discard {
    fn next(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin if self.sets.as_ref().is_some_and(Vec::is_empty) => {
                let refusal = Refusal::new("no set is named");
                Turn::refuse(refusal.hint("mdctl overlay list shows them; --all takes all"))
            }
            Event::Begin | Event::Woke(_) | Event::Answered(_) => self.look(),
            Event::Seen(view) => match view.overlays() {
                Ok(seen) => self.one(&seen),
                Err(unseen) => self.unseen(unseen),
            },
            Event::Unseen(unseen) => self.unseen(unseen),
            Event::Done(deeds) => self.ended(deeds),
        }
    }
}

#[cfg(test)]
#[path = "discard_tests.rs"]
mod tests;
