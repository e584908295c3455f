//! Deactivation, removal and renaming over many looks: one thing after the other; what can be done is done, and what cannot is named.

use std::collections::VecDeque;

use super::{
    activate::Target,
    courses::{Called, InTurn},
    deactivate, groups, missing,
};
use crate::{
    model::{
        active::{Active, ActiveDevice},
        dm::name,
        volume::VolumesSeen,
    },
    plan::{Plan, Refusal, course::Course},
    request::volume::{Named, VolumeName},
};

/// A course that also knows where there was nothing to do.
pub trait InTurnCourse: Course {
    /// The plans without steps that it came to.
    fn nothing(&self) -> &[Plan];
}

impl<T, A, D> InTurnCourse for InTurn<T, A, D>
where
    A: FnMut(&VolumesSeen) -> VecDeque<T>,
    D: FnMut(&VolumesSeen, &T) -> Result<Plan, Refusal>,
{
    fn nothing(&self) -> &[Plan] {
        InTurn::nothing(self)
    }
}

/// Takes away the devices of the groups and volumes that are named; of all groups where none are.
#[must_use]
pub fn deactivate(names: Vec<Named>, called: Called) -> impl InTurnCourse {
    let all = move |seen: &VolumesSeen| {
        if !names.is_empty() {
            return Target::named(&names);
        }
        let groups = seen.groups.groups.iter().map(|found| found.group.name.clone());
        groups.map(|group| Target { group, volumes: Vec::new() }).collect()
    };
    InTurn::new(all, decide, called)
}

/// Removes the volumes that are named, group after group.
#[must_use]
pub fn remove(names: &[VolumeName], called: Called) -> impl InTurnCourse + use<> {
    let mut of_groups: VecDeque<(String, Vec<VolumeName>)> = VecDeque::new();
    for name in names {
        match of_groups.iter_mut().find(|(group, _)| *group == name.group) {
            Some((_, names)) => names.push(name.clone()),
            None => of_groups.push_back((name.group.clone(), vec![name.clone()])),
        }
    }
    let decide = |seen: &VolumesSeen, (group, names): &(String, Vec<VolumeName>)| {
        let found = groups::named(&seen.groups, group)?;
        super::remove::plan(found, &active(seen, group), names, &seen.stamp)
    };
    InTurn::new(move |_: &VolumesSeen| of_groups.clone(), decide, called)
}

/// Removes groups that have no volumes.
#[must_use]
pub fn remove_groups(names: Vec<String>, called: Called) -> impl InTurnCourse {
    let decide = |seen: &VolumesSeen, name: &String| super::group::remove(groups::named(&seen.groups, name)?);
    InTurn::new(move |_: &VolumesSeen| names.iter().cloned().collect(), decide, called)
}

/// Gives a volume another name.
#[must_use]
pub fn rename(from: &VolumeName, to: &str, called: Called) -> impl InTurnCourse + use<> {
    let (from, to) = (from.clone(), to.to_owned());
    let decide = move |seen: &VolumesSeen, (): &()| {
        let found = groups::named(&seen.groups, &from.group)?;
        super::rename::volume(found, &active(seen, &from.group), &from, &to, &seen.stamp)
    };
    InTurn::new(|_: &VolumesSeen| [()].into(), decide, called)
}

/// Gives a group another name.
#[must_use]
pub fn rename_group(from: &str, to: &str, called: Called) -> impl InTurnCourse + use<> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let decide = move |seen: &VolumesSeen, (): &()| {
        let found = groups::named(&seen.groups, &from)?;
        super::rename::group(found, &active(seen, &from), (&to, &seen.groups), &seen.stamp)
    };
    InTurn::new(|_: &VolumesSeen| [()].into(), decide, called)
}

/// Takes what is missing out of a group.
#[must_use]
pub fn forget(group: &str, force: bool, called: Called) -> impl InTurnCourse + use<> {
    let group = group.to_owned();
    let decide = move |seen: &VolumesSeen, (): &()| {
        let found = groups::named(&seen.groups, &group)?;
        missing::reduce(&seen.groups, found, &active(seen, &group), force, &seen.stamp)
    };
    InTurn::new(|_: &VolumesSeen| [()].into(), decide, called)
}

/// The devices of a group.
fn active(seen: &VolumesSeen, group: &str) -> Active {
    let found = seen.groups.group(group);
    found.and_then(|found| seen.active.get(found.group.id.plain())).cloned().unwrap_or_default()
}

fn decide(seen: &VolumesSeen, target: &Target) -> Result<Plan, Refusal> {
    let left = left(seen, &target.group);
    if !left.devices.is_empty() {
        return deactivate::left(&target.group, &left, &target.volumes);
    }
    let found = groups::named(&seen.groups, &target.group)?;
    deactivate::plan(found, &active(seen, &target.group), &target.volumes)
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
    let is_of = |device: &&ActiveDevice| name::split(&device.info.name).0 == group;
    left.devices.extend(all.filter(is_of).cloned());
    left
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
