//! Activation over many looks: group after group; what can be done is done, and what cannot is named.

use std::collections::VecDeque;

use super::{
    change::{ROUNDS, done, failed},
    courses::{self, Called},
    devices::{self, GoesOn},
    groups, mover,
    rollback::{self, State},
    siblings::Stores,
};
use crate::{
    model::{
        active::Active,
        dm::name,
        volume::{GroupLook, GroupSeen, Groups},
    },
    plan::{
        Plan, Refusal,
        course::{Course, Deed, Ending, Event, Look, Said, Then, Turn, View},
    },
    request::volume::{ActivateRequest, Named},
};

/// The course.
#[derive(Debug)]
pub struct Activate {
    request: ActivateRequest,
    /// What is left to be done; `None` before the first look.
    queue: Option<VecDeque<Target>>,
    groups: Groups,
    plan: Plan,
    goes_on: GoesOn,
    /// A group that was activated, and rollbacks with it that may have no end.
    unsure: Option<(String, GoesOn)>,
    /// What the snapshots have of the first volumes that are rolled back.
    stores: Stores,
    rounds: usize,
    status: u8,
    called: Called,
    /// What goes on in groups that were activated, and somebody has to end.
    begun: VecDeque<Follower>,
    /// The one that is being found somebody for.
    following: Option<Follower>,
    /// How it ends once that is done.
    ending: Option<Ending>,
}

/// A rollback or a move that was begun before, and goes on with its volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Follower {
    verb: &'static str,
    group: String,
    volume: String,
}

impl Follower {
    fn name(&self) -> String {
        format!("{}/{}", self.group, self.volume)
    }

    fn begin(&self) -> Turn {
        let lock = format!("{}-{}", self.verb, name::join(&self.group, &self.volume, None));
        courses::follow(lock, ["volume", self.verb, &self.name(), "--wait"])
    }

    fn said(&self, deed: Option<&Deed>) -> Said {
        let (name, verb) = (self.name(), self.verb);
        Said::note(match deed {
            Some(Deed::Done) => {
                format!("{name}: its {verb} goes on, and a process in the background ends it")
            }
            _ => format!("{name}: its {verb} goes on, and mdctl volume {verb} {name} --wait ends it"),
        })
    }
}

/// A group and the volumes that were named of it; none for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) volumes: Vec<String>,
}

impl Target {
    /// Each group that is named once, in the order of the words; whole, where one of these says so.
    pub(super) fn named(names: &[Named]) -> VecDeque<Self> {
        let mut targets: VecDeque<Self> = VecDeque::new();
        for Named { group, .. } in names {
            if targets.iter().any(|target| target.group == *group) {
                continue;
            }
            let of = || names.iter().filter(|name| name.group == *group);
            let whole = of().any(|name| name.volume.is_none());
            let volumes =
                if whole { Vec::new() } else { of().filter_map(|name| name.volume.clone()).collect() };
            targets.push_back(Self { group: group.clone(), volumes });
        }
        targets
    }
}

impl Activate {
    /// What was asked for.
    #[must_use]
    pub fn new(request: ActivateRequest, called: Called) -> Self {
        Self {
            request,
            called,
            queue: None,
            groups: Groups::default(),
            plan: Plan::default(),
            goes_on: GoesOn::default(),
            unsure: None,
            stores: Stores::default(),
            rounds: 0,
            status: 0,
            begun: VecDeque::new(),
            following: None,
            ending: None,
        }
    }

    /// What goes on in a group is ended in the background: nobody waits for it.
    fn goes_on(&mut self, group: &str, goes_on: GoesOn) {
        if self.called.dry_run {
            return;
        }
        let one = |verb, volume| Follower { verb, group: group.to_owned(), volume };
        self.begun.extend(goes_on.rollbacks.into_iter().map(|volume| one("rollback", volume)));
        self.begun.extend(goes_on.moves.into_iter().map(|move_| one("move", move_.volume)));
    }

    /// The end, once somebody is found for all that goes on: that is never lost, whatever else went wrong.
    fn end(&mut self, said: Vec<Said>) -> Turn {
        if let Some((group, goes_on)) = self.unsure.take() {
            self.goes_on(&group, goes_on);
        }
        self.following = self.begun.pop_front();
        match &self.following {
            Some(follower) => follower.begin().after(said),
            None => {
                Turn { say: said, then: Then::End(self.ending.take().unwrap_or(Ending::Status(self.status))) }
            }
        }
    }

    /// The groups that are meant. Where none are named, what is somebody else's is passed over.
    fn targets(&self) -> (VecDeque<Target>, Vec<Said>) {
        let names = &self.request.names;
        if names.is_empty() {
            let (ours, others): (Vec<_>, Vec<_>) =
                self.groups.groups.iter().partition(|found| found.anothers.is_empty());
            let said = others.into_iter().map(|found| {
                let why = found.anothers.first().map_or("", String::as_str);
                Said::note(format!("group {} is left alone: {why}", found.group.name))
            });
            let all = ours.into_iter();
            let target = |group: String| Target { group, volumes: Vec::new() };
            return (all.map(|found| target(found.group.name.clone())).collect(), said.collect());
        }
        (Target::named(names), Vec::new())
    }

    /// With the next group, or the end.
    fn go_on(&mut self, mut said: Vec<Said>) -> Turn {
        if self.unsure.is_some() {
            return Turn::look(Look::Groups).after(said);
        }
        loop {
            let Some(target) = self.queue.as_ref().and_then(VecDeque::front).cloned() else {
                return Turn::end(self.status).after(said);
            };
            match groups::named(&self.groups, &target.group) {
                Ok(found) => {
                    let group = found.group.id.plain().to_owned();
                    let listed = self.groups.active.clone();
                    return Turn::look(Look::Active { group, listed }).after(said);
                }
                Err(refusal) => said.extend(self.refused(&refusal)),
            }
        }
    }

    /// The first group is done with.
    fn next_group(&mut self) {
        self.rounds = 0;
        self.stores.clear();
        self.queue.as_mut().and_then(VecDeque::pop_front);
    }

    fn refused(&mut self, refusal: &Refusal) -> Vec<Said> {
        self.status = self.status.max(refusal.status);
        self.next_group();
        Said::refusal(refusal)
    }

    fn groups_seen(&mut self, groups: Groups) -> Turn {
        if let Err(refusal) = groups::refuse_unreadable(&groups) {
            return Turn::refuse(refusal);
        }
        self.groups = groups;
        let mut said = Vec::new();
        if self.queue.is_none() {
            let (targets, others) = self.targets();
            said = others;
            if targets.is_empty() && said.is_empty() {
                said.push(Said::note("nothing to do"));
            }
            self.queue = Some(targets);
        }
        let activated = self.unsure.as_ref().and_then(|(group, _)| self.groups.group(group));
        if let Some(found) = activated {
            let (group, listed) = (found.group.id.plain().to_owned(), self.groups.active.clone());
            return Turn::look(Look::Active { group, listed });
        }
        self.unsure = None;
        self.go_on(said)
    }

    /// A rollback that cannot happen is said, and nobody waits for its end.
    fn rollbacks_seen(&mut self, active: &Active, group: String, goes_on: GoesOn) -> Turn {
        let Some(found) = self.groups.group(&group) else { return self.go_on(Vec::new()) };
        let is_lost = |name: &String| rollback::state(&found.group, active, name) == State::Overflowed;
        let (lost, mut rollbacks): (Vec<_>, Vec<_>) = goes_on.rollbacks.into_iter().partition(is_lost);
        // Of a volume that was left out nobody ends anything.
        rollbacks.retain(|name| rollback::state(&found.group, active, name) != State::Requested);
        let said: Vec<Said> =
            lost.iter().flat_map(|name| Said::refusal(&rollback::overflowed(&found.group, name))).collect();
        if !lost.is_empty() {
            self.status = self.status.max(1);
        }
        let goes_on = GoesOn { rollbacks, ..goes_on };
        self.goes_on(&group, goes_on);
        self.go_on(said)
    }

    fn active_seen(&mut self, active: &Active) -> Turn {
        if let Some((group, goes_on)) = self.unsure.take() {
            return self.rollbacks_seen(active, group, goes_on);
        }
        let Some(target) = self.queue.as_ref().and_then(VecDeque::front).cloned() else {
            return Turn::end(self.status);
        };
        self.rounds += 1;
        if let Some(look) = self.stores_to_look_at(active, &target) {
            return Turn::look(Look::Group(look));
        }
        let decided = groups::named(&self.groups, &target.group).and_then(|found| {
            let goes_on = devices::goes_on(found, active, &target.volumes);
            let done = devices::activate(found, active, &self.stores, &target.volumes, self.request.partial)?;
            Ok((goes_on, done, mover::stuck(&found.group)))
        });
        let (goes_on, activation, stuck) = match decided {
            Ok(decided) => decided,
            Err(refusal) => {
                let said = self.refused(&refusal);
                return self.go_on(said);
            }
        };
        (self.goes_on, self.plan) = (goes_on, activation.plan);
        let mut said: Vec<Said> = self.plan.warnings.iter().map(Said::from).collect();
        said.extend(stuck.into_iter().map(Said::warn));
        if self.plan.steps.is_empty() {
            if activation.left_out.is_empty() {
                said.push(Said::note("nothing to do"));
            }
            said.extend(self.left_out(&activation.left_out));
            self.begin();
            return self.go_on(said);
        }
        said.extend(self.left_out(&activation.left_out));
        Turn::carry_out(self.plan.clone()).after(said)
    }

    /// Where a rollback would begin beside other snapshots, all that their stores have is looked at first.
    fn stores_to_look_at(&self, active: &Active, target: &Target) -> Option<GroupLook> {
        let found = self.groups.group(&target.group)?;
        let stores_of = devices::merges_beside_others(found, active, &target.volumes);
        let is_new = stores_of.iter().any(|name| !self.stores.contains_key(name));
        let name = target.group.clone();
        (is_new && self.rounds <= ROUNDS).then(|| GroupLook { name, stores_of, ..GroupLook::default() })
    }

    fn stores_seen(&mut self, seen: GroupSeen) -> Turn {
        if let Err(refusal) = groups::refuse_unreadable(&seen.groups) {
            return Turn::refuse(refusal);
        }
        (self.groups, self.stores) = (seen.groups, seen.stores);
        self.active_seen(&seen.active)
    }

    fn left_out(&mut self, why: &[Refusal]) -> Vec<Said> {
        if !why.is_empty() {
            self.status = self.status.max(1);
        }
        why.iter().flat_map(Said::refusal).collect()
    }

    /// The first group is active now, and what was begun in it goes on.
    fn begin(&mut self) {
        let goes_on = std::mem::take(&mut self.goes_on);
        let group = self.queue.as_ref().and_then(VecDeque::front).map(|target| target.group.clone());
        match group {
            Some(group) if goes_on.rollbacks.is_empty() => self.goes_on(&group, goes_on),
            Some(group) => self.unsure = Some((group, goes_on)),
            None => {}
        }
        self.next_group();
    }

    fn ended(&mut self, deed: Deed) -> Turn {
        let said = match deed {
            Deed::Failed(failure) if failure.stale && !failure.committed && self.rounds < ROUNDS => {
                return Turn::look(Look::Groups);
            }
            Deed::Failed(failure) => {
                let (said, status) = failed(&failure, &self.plan);
                self.status = self.status.max(status);
                if failure.committed {
                    self.begin();
                } else {
                    self.next_group();
                }
                said
            }
            Deed::Done => {
                self.begin();
                vec![done(&self.plan)]
            }
            Deed::Shown => {
                self.next_group();
                Vec::new()
            }
        };
        self.go_on(said)
    }
}

impl Course for Activate {
    fn next(&mut self, event: Event) -> Turn {
        if let Some(follower) = self.following.take() {
            let deed = match &event {
                Event::Done(deeds) => deeds.first(),
                _ => None,
            };
            return self.end(vec![follower.said(deed)]);
        }
        match self.turn(event) {
            Turn { say, then: Then::End(ending) } => {
                self.ending = Some(ending);
                self.end(say)
            }
            turn => turn,
        }
    }
}

impl Activate {
    fn turn(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin => Turn::look(Look::Groups),
            Event::Seen(View::Groups(groups)) => self.groups_seen(*groups),
            Event::Seen(View::Active(active)) => self.active_seen(&active),
            Event::Seen(View::Group(seen)) => self.stores_seen(*seen),
            Event::Seen(other) => match other.active() {
                Ok(active) => self.active_seen(&active),
                Err(unseen) => Turn::refuse(unseen),
            },
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Done(deeds) => match deeds.into_iter().next() {
                Some(deed) => self.ended(deed),
                None => Turn::refuse(Refusal::new("nothing was carried out")),
            },
            Event::Woke(_) | Event::Answered(_) => Turn::refuse(Refusal::new("nobody was waited for")),
        }
    }
}

#[cfg(test)]
#[path = "activate_tests.rs"]
mod tests;
