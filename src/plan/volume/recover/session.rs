//! What a killed command left of volumes is put right, as a course: what is suspended goes on, then the devices become what
//! the metadata says. Under LVM2's locks from the look to the end: else it might be somebody who is at it just now whose
//! devices are put right, or the process that watched the killed one.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    time::Duration,
};

use super::{resume, tidy};
use crate::{
    model::{
        active::{Active, ActiveDevice},
        dm::{name, uuid},
        unfinished::Unfinished,
        volume::{FoundGroup, VolumesSeen},
    },
    plan::{
        Plan,
        course::{Course, Deed, Event, Hold, Look, Said, Then, Turn, Unseen},
        recover::{failed, told_before},
    },
};

/// How long somebody else may have a group. Who has it longer while a device of it is suspended waits for that device.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// So often groups are locked that were not seen before.
const MOST_AGAIN: u32 = 3;

/// Puts right what one command left.
#[derive(Debug)]
pub struct PutRight {
    left: Unfinished,
    command: String,
    stage: Stage,
    again: u32,
    /// Groups that are ours now.
    held: BTreeSet<String>,
    /// Groups whose locks are waited for.
    wanted: BTreeSet<String>,
    /// What was suspended before any lock was waited for.
    before: Option<Vec<String>>,
    /// Why the locks are not ours.
    locked_out: Option<String>,
    /// Devices that are to go on.
    resuming: Vec<String>,
    /// Groups that are still to be tidied, and the plans of the first of them.
    groups: VecDeque<String>,
    plans: VecDeque<Plan>,
    /// What was not done.
    missing: Vec<String>,
    told: Vec<String>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// A look, before anything is done.
    First,
    /// The locks.
    Locks,
    /// The end of what resumes.
    Resuming,
    /// What came of it.
    Resumed,
    /// The end of a plan that tidies.
    Tidying,
    /// A look before the next group.
    Between,
}

impl Course for PutRight {
    fn next(&mut self, event: Event) -> Turn {
        match self.turn(event) {
            Ok(turn) => turn,
            Err(unseen) => {
                self.missing.push(unseen.text);
                self.end()
            }
        }
    }
}

impl PutRight {
    /// Begins with the notes of the killed command. `command`: this one's words.
    #[must_use]
    pub fn new(left: &Unfinished, command: &str) -> Self {
        Self {
            left: left.clone(),
            command: command.to_owned(),
            stage: Stage::First,
            again: 0,
            held: BTreeSet::new(),
            wanted: BTreeSet::new(),
            before: None,
            locked_out: None,
            resuming: Vec::new(),
            groups: VecDeque::new(),
            plans: VecDeque::new(),
            missing: Vec::new(),
            told: Vec::new(),
        }
    }

    /// What was done, in words. Where it did not come to its end this was said.
    #[must_use]
    pub fn told(&mut self) -> Vec<String> {
        mem::take(&mut self.told)
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (_, Event::Begin) if self.left.groups.is_empty() && self.left.suspended.is_empty() => self.end(),
            (Stage::First, Event::Seen(view)) => self.first(&*view.volumes()?),
            (Stage::Resumed, Event::Seen(view)) => self.resumed(&*view.volumes()?),
            (Stage::Between, Event::Seen(view)) => self.tidy(&*view.volumes()?),
            (Stage::Locks, Event::Done(deeds)) => self.locked(deeds),
            (Stage::Resuming, Event::Done(deeds)) => {
                // Of what failed, the next look tells.
                self.missed(deeds);
                self.look(Stage::Resumed)
            }
            (Stage::Tidying, Event::Done(deeds)) => self.tidied(deeds),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, Event::Begin | Event::Seen(_) | Event::Done(_) | Event::Answered(_) | Event::Woke(_)) => {
                self.look(Stage::First)
            }
        })
    }

    fn look(&mut self, stage: Stage) -> Turn {
        self.stage = stage;
        Turn::look(Look::Volumes { command: self.command.clone() })
    }

    /// The devices that were noted, are there and are suspended.
    fn suspended<'a>(&self, seen: &'a VolumesSeen) -> impl Iterator<Item = &'a ActiveDevice> {
        let noted = self.left.suspended.clone();
        devices(seen).filter(move |device| device.info.suspended && noted.contains(&device.info.name))
    }

    /// Groups that a killed command was about to change.
    fn touched(&self, seen: &VolumesSeen) -> BTreeSet<String> {
        let noted = devices(seen).filter(|device| self.left.suspended.contains(&device.info.name));
        let of_devices = noted.filter_map(|device| Some(group_of(seen, device)?.group.name.clone()));
        self.left.groups.iter().map(|(name, _)| name.clone()).chain(of_devices).collect()
    }

    /// Every group that was touched is locked before anything is decided: also one that was not to be seen before.
    fn first(&mut self, seen: &VolumesSeen) -> Turn {
        if self.before.is_none() {
            self.before = Some(self.suspended(seen).map(|device| device.info.name.clone()).collect());
        }
        let wanted: BTreeSet<String> = self.touched(seen).difference(&self.held).cloned().collect();
        if self.locked_out.is_none() && !wanted.is_empty() {
            if self.again < MOST_AGAIN {
                self.again += 1;
                self.stage = Stage::Locks;
                self.wanted = wanted;
                let names = self.wanted.iter().cloned().collect();
                return Then::Hold(Hold::Groups { names, most: LOCK_WAIT }).into();
            }
            self.locked_out = Some("somebody else changes the groups".to_owned());
        }
        self.resume(seen)
    }

    fn locked(&mut self, deeds: Vec<Deed>) -> Turn {
        match deeds.into_iter().next() {
            Some(Deed::Failed(failure)) => self.locked_out = Some(format!("{:#}", failure.cause)),
            Some(Deed::Done | Deed::Shown) | None => self.held.append(&mut self.wanted),
        }
        self.look(Stage::First)
    }

    fn resume(&mut self, seen: &VolumesSeen) -> Turn {
        let mut left = self.left.clone();
        if self.locked_out.is_some() {
            // Whoever has the lock is at it himself, unless it has been so for all that time.
            let before = self.before.clone().unwrap_or_default();
            let still = self.suspended(seen).map(|device| device.info.name.clone());
            left.suspended = still.filter(|name| before.contains(name)).collect();
        }
        // Without the metadata nobody knows with which table a device is to go on.
        let known = |device: &&ActiveDevice| group_of(seen, device).is_some();
        let devices: Vec<ActiveDevice> = devices(seen).filter(known).cloned().collect();
        let found: Vec<&FoundGroup> = seen.groups.groups.iter().collect();
        let plan = resume(&left, &found, &devices);
        if plan.steps.is_empty() {
            return self.resumed(seen);
        }
        self.resuming = self.suspended(seen).map(|device| device.info.name.clone()).collect();
        self.resuming.retain(|name| left.suspended.contains(name));
        self.stage = Stage::Resuming;
        Turn::carry_out(plan)
    }

    fn resumed(&mut self, seen: &VolumesSeen) -> Turn {
        let still: Vec<&ActiveDevice> = self.suspended(seen).collect();
        let mut resumed = mem::take(&mut self.resuming);
        resumed.retain(|name| !still.iter().any(|device| device.info.name == *name));
        if !resumed.is_empty() {
            self.told.push(format!("{} resumed", resumed.join(", ")));
        }
        let lost = still.iter().filter(|device| group_of(seen, device).is_none());
        let lost = lost.map(|device| {
            let group = name::split(&device.info.name).0;
            format!("{} stays suspended: there is no group {group} to be found", device.info.name)
        });
        self.missing.extend(lost);
        if let Some(why) = self.locked_out.take() {
            self.missing.push(why);
            return self.end();
        }
        self.told.extend(self.changes(seen));
        self.groups = self.held.iter().cloned().collect();
        self.tidy(seen)
    }

    /// What has become of the changes of groups. Where an entry was kept, that tells of those that had not passed the commit.
    fn changes(&self, seen: &VolumesSeen) -> Vec<String> {
        let tells = self.left.committed || self.left.archive.is_none();
        let said = |(name, seqno): &(String, u64)| {
            let group = &seen.groups.group(name)?.group;
            let since = u64::from(group.seqno).checked_sub(*seqno);
            let by = &group.written.description;
            // Who wrote a number that was not seen to be committed, only its words tell.
            let ours = self.left.committed || (!by.is_empty() && self.left.command.ends_with(by));
            Some(match since {
                None if self.left.committed => return None,
                None => format!("its change of group {name} has not come about"),
                Some(0) if ours => format!("its change of group {name} was made, and stays"),
                Some(since) if self.left.committed => {
                    format!("its change of group {name} was made; {}", changed_since(since))
                }
                Some(_) => format!(
                    "whether its change of group {name} came about is not known: `mdctl volume list {name}` shows what is there"
                ),
            })
        };
        self.left.groups.iter().filter(|_| tells).filter_map(said).collect()
    }

    /// The next group that something is to be done with.
    fn tidy(&mut self, seen: &VolumesSeen) -> Turn {
        while let Some(name) = self.groups.front() {
            if let Some(found) = seen.groups.group(name) {
                let none = Active::default();
                let active = seen.active.get(found.group.id.plain()).unwrap_or(&none);
                self.plans = tidy(found, active, &seen.stamp).into();
            }
            if let Some(plan) = self.plans.front() {
                self.stage = Stage::Tidying;
                return Turn::carry_out(plan.clone());
            }
            self.groups.pop_front();
        }
        self.end()
    }

    fn tidied(&mut self, deeds: Vec<Deed>) -> Turn {
        let plan = self.plans.pop_front().unwrap_or_default();
        let group = self.groups.front().cloned().unwrap_or_default();
        let is_done = self.missed(deeds);
        if is_done {
            self.told.push(format!("{group}: {}", plan.summary));
        } else {
            // What follows was decided on what this plan was to do.
            self.plans.clear();
        }
        match self.plans.front() {
            Some(plan) => Turn::carry_out(plan.clone()),
            None => {
                self.groups.pop_front();
                if self.groups.is_empty() { self.end() } else { self.look(Stage::Between) }
            }
        }
    }

    /// Whether the plan was carried out; what of it was not is kept for the end.
    fn missed(&mut self, deeds: Vec<Deed>) -> bool {
        let Some(Deed::Failed(failure)) = deeds.into_iter().next() else { return true };
        self.missing.push(failure.to_string());
        self.missing.extend(failure.rest.others);
        self.missing.extend(failure.not_undone.iter().map(|left| format!("could not undo: {left}")));
        failure.committed && failure.rest.minor
    }

    fn end(&mut self) -> Turn {
        if self.missing.is_empty() {
            return Turn::end(0);
        }
        let said: Vec<Said> = told_before(self.told());
        failed(&self.missing.join("; ")).after(said)
    }
}

/// What was changed may have been taken back by then.
#[must_use]
pub fn changed_since(times: u64) -> String {
    match times {
        1 => "the group was changed once since, which may have taken it back".to_owned(),
        times => format!("the group was changed {times} times since, which may have taken it back"),
    }
}

fn devices(seen: &VolumesSeen) -> impl Iterator<Item = &ActiveDevice> {
    seen.active.values().flat_map(|active| &active.devices)
}

fn group_of<'a>(seen: &'a VolumesSeen, device: &ActiveDevice) -> Option<&'a FoundGroup> {
    let id = uuid::parse(device.info.uuid.as_deref()?)?.group;
    seen.groups.groups.iter().find(|found| found.group.id.plain() == id)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
