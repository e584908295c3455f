//! Taking a guess off its overlays and these off their members: what is there is looked at before each act, and nothing is
//! touched that somebody else put there.

use super::{as_seen, leave_up, take_down};
use crate::{
    model::{
        DevId, RunningArray, World,
        overlay::{Overlay, Overlays},
        trial::Tried,
    },
    plan::{
        ArrayName, Plan, Step, SystemStep,
        course::{Deed, Event, Look, Turn, Unseen},
        overlay::clean_up,
    },
    words::Errno,
};

/// So often it is looked and tried before what is there is left there.
const MOST_TRIES: u32 = 3;

/// What is still there at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remains {
    /// Nothing.
    Nothing,
    /// The array, as it was to be.
    Up(ArrayName),
    /// What could not be taken away.
    Left {
        /// Arrays on the overlays, by the kernel's names.
        arrays: Vec<String>,
        /// Why.
        why: String,
    },
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Overlays,
    Arrays,
    Stopping,
    Staying,
    Discarding,
    Parting,
}

/// What the first look found of the try itself.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// An overlay's file was too small.
    lost: bool,
    /// All overlays are there.
    whole: bool,
    /// The array that was started is there.
    stands: bool,
}

/// One removal.
#[derive(Debug)]
pub(super) struct Removal {
    set: String,
    store: String,
    members: usize,
    /// An array that is there is left up.
    pub(super) stays: bool,
    /// Overlays were begun.
    pub(super) begun: bool,
    /// The array that was started.
    pub(super) array: Option<ArrayName>,
    /// The array that is marked as being created.
    pub(super) marked: Option<ArrayName>,
    stage: Stage,
    seen: Overlays,
    found: Option<Found>,
    /// Arrays that stand on the overlays.
    arrays: Vec<String>,
    again: u32,
    remains: Remains,
}

impl Removal {
    pub(super) fn new(set: String, store: String, members: usize, stays: bool) -> Self {
        Self {
            set,
            store,
            members,
            stays,
            begun: false,
            array: None,
            marked: None,
            stage: Stage::Overlays,
            seen: Overlays::default(),
            found: None,
            arrays: Vec::new(),
            again: 0,
            remains: Remains::Nothing,
        }
    }

    /// What comes next; `None` when it is over.
    pub(super) fn next(&mut self, event: Event) -> Option<Turn> {
        self.turn(event).unwrap_or_else(|unseen| self.again(unseen.text))
    }

    pub(super) fn remains(self) -> Remains {
        self.remains
    }

    /// What came of the guess, by what was seen when it was over.
    pub(super) fn judged(&self, tried: Option<Tried>) -> Option<Tried> {
        let Some(found) = self.found else { return tried };
        if found.lost && !matches!(tried, Some(Tried::Looked { status: Some(0), .. })) {
            let why = tried.as_ref().and_then(Tried::error).map(str::to_owned);
            let lost = self.overlays().find_map(Overlay::lost).unwrap_or("its file is full");
            return Some(Tried::NoRoom(why.unwrap_or_else(|| format!("an overlay: {lost}"))));
        }
        let gone = |what: &str| Some(Tried::Untried(format!("{what} by another program meanwhile")));
        match tried {
            Some(Tried::NoStart(_) | Tried::Starts | Tried::Looked { .. } | Tried::Blind(_))
                if !found.whole =>
            {
                gone("an overlay was removed")
            }
            _ if self.array.is_some() && !found.stands => gone("the array was stopped"),
            tried => tried,
        }
    }

    fn turn(&mut self, event: Event) -> Result<Option<Turn>, Unseen> {
        Ok(match (self.stage, event) {
            (Stage::Overlays, Event::Seen(view)) => {
                self.seen = view.overlays()?;
                self.stage = Stage::Arrays;
                Some(Turn::look(Look::World { fresh: 0 }))
            }
            (Stage::Arrays, Event::Seen(view)) => self.seen(&*view.world()?),
            (Stage::Stopping, Event::Done(deeds)) => self.stopped(deeds),
            (Stage::Staying, Event::Done(deeds)) => self.stayed(deeds),
            (Stage::Discarding, Event::Done(deeds)) => self.discarded(deeds),
            (Stage::Parting, _) => None,
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, Event::Begin | Event::Seen(_) | Event::Done(_) | Event::Woke(_) | Event::Answered(_)) => {
                Some(self.look())
            }
        })
    }

    fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        self.seen.all.iter().filter(|overlay| overlay.set == self.set)
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::Overlays;
        Turn::look(Look::Overlays { store: Some(self.store.clone()) })
    }

    fn seen(&mut self, world: &World) -> Option<Turn> {
        let own: Vec<DevId> = self.overlays().filter_map(|overlay| overlay.id).collect();
        let on_them = |array: &&RunningArray| array.members.iter().any(|member| own.contains(member));
        let on_them: Vec<&RunningArray> = world.arrays.iter().filter(on_them).collect();
        self.arrays = on_them.iter().map(|array| array.name.clone()).collect();
        // With a member that is none of ours it is somebody else's array.
        let mut ours = on_them;
        ours.retain(|array| array.members.iter().all(|member| own.contains(member)));
        let kernel = self.array.as_ref().map(|array| array.kernel.as_str());
        let it = ours.iter().find(|array| Some(array.name.as_str()) == kernel);
        let there = self.overlays().filter(|overlay| overlay.device.is_some()).count();
        let now = Found {
            lost: self.overlays().any(|overlay| overlay.lost().is_some()),
            whole: there == self.members,
            stands: it.is_some(),
        };
        // Later looks find what this removal did.
        let found = *self.found.get_or_insert(now);
        if let (true, Some(array)) = (self.stays, it) {
            if found.whole && !found.lost {
                self.stage = Stage::Staying;
                return Some(Turn::carry_out(staying(array)));
            }
        }
        if let Some(array) = ours.first() {
            self.stage = Stage::Stopping;
            return Some(Turn::carry_out(stopping(array)));
        }
        match clean_up(&self.set, &self.seen, Some(&self.store)) {
            Ok(mut plan) => {
                self.stage = Stage::Discarding;
                // The mark of an array that is not there any more.
                let there = |array: &ArrayName| world.arrays.iter().any(|other| other.name == array.kernel);
                let marked = self.marked.iter().filter(|array| !there(array)).cloned();
                plan.steps.extend(marked.map(|array| Step::System(SystemStep::ShowToUdev { array })));
                Some(Turn::carry_out(plan))
            }
            Err(refusal) => self.again(refusal.text),
        }
    }

    fn stopped(&mut self, deeds: Vec<Deed>) -> Option<Turn> {
        match deeds.into_iter().next() {
            // That step has waited for whoever has it open.
            Some(Deed::Failed(failure)) if failure.at == STOP && failure.errno == Some(Errno::EBUSY) => {
                self.leave(failure.why())
            }
            Some(Deed::Failed(failure)) if !failure.committed => self.again(failure.why()),
            Some(Deed::Failed(_)) => Some(self.look()),
            Some(Deed::Done) => {
                self.marked = None;
                Some(self.look())
            }
            Some(Deed::Shown) | None => None,
        }
    }

    /// It is up in either case, unless somebody else stopped it; only udev may not have been told that it may look.
    fn stayed(&mut self, deeds: Vec<Deed>) -> Option<Turn> {
        if let Some(Deed::Failed(_)) = deeds.first() {
            self.again += 1;
            if self.again < MOST_TRIES {
                // It is judged again, as if there had been no look.
                self.found = None;
                return Some(self.look());
            }
        }
        self.remains = self.array.clone().map_or(Remains::Nothing, Remains::Up);
        None
    }

    fn discarded(&mut self, deeds: Vec<Deed>) -> Option<Turn> {
        match deeds.into_iter().next() {
            Some(Deed::Failed(failure)) if !(failure.committed && failure.rest.minor) => {
                self.again(failure.why())
            }
            _ => {
                self.remains = Remains::Nothing;
                None
            }
        }
    }

    /// Looks again; at last what is there is left there.
    fn again(&mut self, why: String) -> Option<Turn> {
        self.again += 1;
        if self.again < MOST_TRIES {
            return Some(self.look());
        }
        self.leave(why)
    }

    /// An array that is left there is not marked as being created for ever.
    fn leave(&mut self, why: String) -> Option<Turn> {
        let started = self.array.iter().filter(|_| self.found.is_none()).map(|array| array.kernel.clone());
        let arrays = self.arrays.iter().cloned().chain(started).collect();
        self.remains = Remains::Left { arrays, why };
        let marked = self.marked.take().filter(|array| self.arrays.contains(&array.kernel))?;
        self.stage = Stage::Parting;
        Some(Turn::carry_out(leave_up(&marked)))
    }
}

/// The place of the stop in [`stopping`].
const STOP: usize = 2;

/// Stops an array, if it is still what was seen.
fn stopping(array: &RunningArray) -> Plan {
    as_seen(take_down(&named(array)), &named(array), &array.members)
}

/// Leaves an array up, if it is still what was seen.
fn staying(array: &RunningArray) -> Plan {
    let mut plan = leave_up(&named(array));
    plan.steps.insert(0, Step::System(SystemStep::LockMap));
    plan.steps.push(Step::System(SystemStep::UnlockMap));
    as_seen(plan, &named(array), &array.members)
}

fn named(array: &RunningArray) -> ArrayName {
    ArrayName { kernel: array.name.clone(), path: format!("/dev/{}", array.name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::MdStep;

    #[test]
    fn the_stop_is_in_its_place() {
        let plan = stopping(&RunningArray { name: "md9".into(), ..RunningArray::default() });
        assert!(matches!(plan.steps.get(STOP), Some(Step::Md(MdStep::Stop { .. }))), "{plan}");
        assert!(matches!(plan.steps.get(1), Some(Step::Md(MdStep::Expect { .. }))), "{plan}");
    }
}
