//! Deactivation over many looks: group after group; what can be done is done, and what cannot is named.

use std::collections::VecDeque;

use super::{
    activate::Target,
    change::{ROUNDS, done, failed},
    courses::Called,
    devices, groups,
    request::Named,
};
use crate::{
    model::{active::Active, dm::name, volume::VolumesSeen},
    plan::{
        Plan, Refusal,
        course::{Course, Deed, Event, Look, Said, Turn},
    },
};

/// The course.
#[derive(Debug)]
pub struct Deactivate {
    names: Vec<Named>,
    called: Called,
    /// What is left to be done; `None` before the first look.
    queue: Option<VecDeque<Target>>,
    plan: Plan,
    rounds: usize,
    status: u8,
    /// Plans that had nothing to do.
    nothing: Vec<Plan>,
}

impl Deactivate {
    /// The groups and volumes that are named; all where none are.
    #[must_use]
    pub fn new(names: Vec<Named>, called: Called) -> Self {
        let (queue, plan, nothing) = (None, Plan::default(), Vec::new());
        Self { names, called, queue, plan, rounds: 0, status: 0, nothing }
    }

    /// The plans without steps that it came to, where there was nothing to do.
    #[must_use]
    pub fn nothing(&self) -> &[Plan] {
        &self.nothing
    }

    fn look(&self) -> Turn {
        Turn::look(Look::Volumes { command: self.called.words.clone() })
    }

    /// The next group of which anything is to be done.
    fn seen(&mut self, seen: &VolumesSeen) -> Turn {
        if let Err(refusal) = groups::refuse_unreadable(&seen.groups) {
            return Turn::refuse(refusal);
        }
        let all = || {
            let groups = seen.groups.groups.iter().map(|found| found.group.name.clone());
            groups.map(|group| Target { group, volumes: Vec::new() }).collect()
        };
        let named = || if self.names.is_empty() { all() } else { Target::named(&self.names) };
        let is_first = self.queue.is_none();
        let mut queue = self.queue.take().unwrap_or_else(named);
        let mut said = Vec::new();
        if is_first && queue.is_empty() {
            said.push(Said::note("nothing to do"));
        }
        while let Some(target) = queue.front() {
            match decide(seen, target) {
                Ok(plan) if plan.steps.is_empty() => {
                    said.extend(plan.warnings.iter().map(Said::from));
                    said.push(Said::note("nothing to do"));
                    self.nothing.push(plan);
                }
                Ok(plan) => {
                    if self.rounds == 0 {
                        said.extend(plan.warnings.iter().map(Said::from));
                    }
                    self.plan = plan;
                    self.queue = Some(queue);
                    return Turn::carry_out(self.plan.clone()).after(said);
                }
                Err(refusal) => {
                    self.status |= refusal.status;
                    said.extend(Said::refusal(&refusal));
                }
            }
            self.rounds = 0;
            queue.pop_front();
        }
        Turn::end(self.status).after(said)
    }

    fn ended(&mut self, deed: Deed) -> Turn {
        let said = match deed {
            Deed::Failed(failure) if failure.stale && !failure.committed && self.rounds < ROUNDS => {
                self.rounds += 1;
                return self.look();
            }
            Deed::Failed(failure) => {
                let (said, status) = failed(&failure, &self.plan);
                self.status |= status;
                said
            }
            Deed::Done => vec![done(&self.plan)],
            Deed::Shown => Vec::new(),
        };
        self.rounds = 0;
        let queue = self.queue.get_or_insert_default();
        queue.pop_front();
        match queue.is_empty() {
            true => Turn::end(self.status).after(said),
            false => self.look().after(said),
        }
    }
}

fn decide(seen: &VolumesSeen, target: &Target) -> Result<Plan, Refusal> {
    let left = left(seen, &target.group);
    if !left.devices.is_empty() {
        return devices::deactivate_left(&target.group, &left, &target.volumes);
    }
    let found = groups::named(&seen.groups, &target.group)?;
    let none = Active::default();
    let active = seen.active.get(found.group.id.plain()).unwrap_or(&none);
    devices::deactivate(found, active, &target.volumes)
}

/// Devices of a group whose metadata is gone with its disks, known by their names alone.
fn left(seen: &VolumesSeen, group: &str) -> Active {
    let mut left = Active::default();
    if seen.groups.groups.iter().any(|found| found.group.name == group) {
        return left;
    }
    // One that has another name now is somebody's.
    let lost = seen
        .active
        .iter()
        .filter(|(id, _)| !seen.groups.groups.iter().any(|found| found.group.id.plain() == id.as_str()));
    let all = lost.flat_map(|(_, active)| &active.devices);
    let is_of = |device: &&crate::model::active::ActiveDevice| name::split(&device.info.name).0 == group;
    left.devices.extend(all.filter(is_of).cloned());
    left
}

impl Course for Deactivate {
    fn next(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin | Event::Woke(_) | Event::Answered(_) => self.look(),
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Seen(view) => match view.volumes() {
                Ok(seen) => self.seen(&seen),
                Err(unseen) => Turn::refuse(unseen),
            },
            Event::Done(deeds) => match deeds.into_iter().next() {
                Some(deed) => self.ended(deed),
                None => Turn::refuse(Refusal::new("nothing was carried out")),
            },
        }
    }
}

#[cfg(test)]
#[path = "deactivate_tests.rs"]
mod tests;
