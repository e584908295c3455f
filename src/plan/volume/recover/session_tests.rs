//! A command that was killed while it held devices back, at each of its moments; and others who are at the same group.

use std::collections::BTreeSet;

use anyhow::{bail, ensure};
use superblock::{Write, lvm::Group};

use super::*;
use crate::{
    model::volume::Groups,
    plan::{
        Step,
        course::{
            Answer, View,
            twin::{self, Change, Outcome, Scene},
        },
        critical::Critical,
        dm::DmStep,
        fake::dm::FakeDm,
        volume::{
            edit::Means,
            metadata::LvmStep,
            mover,
            mover_tests::{driver, seen},
            shift::GroupScene,
            snapshot,
            verbs_tests::{active, id, means, stamp, volume, with_volumes},
        },
    },
    request::volume::NewSnapshot,
    words::Errno,
};

/// Who has the group's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lock {
    #[default]
    Free,
    Ours,
    Theirs,
}

/// A group, its devices and its lock.
#[derive(Clone, Debug)]
struct Killed {
    found: Option<FoundGroup>,
    dm: FakeDm,
    notes: Unfinished,
    lock: Lock,
    /// Devices that somebody else holds back just now, as he may.
    theirs: BTreeSet<String>,
    /// What was done to devices that somebody else was at.
    disturbed: Vec<String>,
}

/// What a plan does up to its critical section, that section, and the group as it would be.
fn plans(found: &FoundGroup) -> Vec<(Plan, Critical, Group)> {
    let (_, there) = active(found);
    let stamp = stamp();
    let scene = GroupScene { found, active: &there, stamp: &stamp };
    let mut means = Means { fresh: (20..40).map(id).collect::<Vec<_>>().into_iter(), ..means() };
    let new = NewSnapshot {
        origin: volume("a"),
        name: Some("z".into()),
        size: None,
        chunk: None,
        read_only: false,
        on: Vec::new(),
    };
    let snapshot = snapshot::create(&scene, &new, &mut means).unwrap();
    let moved = mover::begin(&scene, &volume("a"), (0, false), &[], &mut means).unwrap();
    let parts = |mut plan: Plan| {
        let text = plan.steps.iter().find_map(|step| match step {
            Step::Lvm(LvmStep::PreCommit { text, .. }) => Some(text.clone()),
            _ => None,
        });
        let moment = plan.steps.iter().position(|step| matches!(step, Step::Critical(_))).unwrap();
        let Step::Critical(critical) = plan.steps[moment].clone() else { panic!("it was one") };
        plan.steps.truncate(moment);
        (plan, *critical, Group::parse(&text.unwrap()).unwrap())
    };
    [snapshot, moved].map(parts).to_vec()
}

impl Killed {
    /// Killed when so many devices were suspended; or, once that was committed, so many resumed again.
    fn at(which: usize, suspended: usize, resumed: Option<usize>) -> Self {
        let found = with_volumes();
        let (plan, critical, group) = plans(&found).swap_remove(which);
        let mut dm = driver(&[&active(&found).0, &plan]);
        for one in &critical.suspend[..suspended] {
            dm.devices.get_mut(&one.name).unwrap().suspended = true;
        }
        let mut found = found;
        if let Some(resumed) = resumed {
            found.group = group;
            for one in &critical.resume[..resumed] {
                let flags = one.flags;
                let (name, quiesce, before) = (one.name.clone(), crate::plan::dm::Quiesce::NO_FREEZE, None);
                dm.apply(&DmStep::Resume { name, flags, quiesce, before }).unwrap();
            }
        }
        let commit = critical.commit.as_ref().unwrap();
        let notes = Unfinished {
            suspended: critical.names().map(str::to_owned).collect(),
            groups: vec![(commit.group.clone(), commit.seqno)],
            ..Unfinished::default()
        };
        let (lock, theirs, disturbed) = (Lock::Free, BTreeSet::new(), Vec::new());
        Self { found: Some(found), dm, notes, lock, theirs, disturbed }
    }

    /// All moments.
    fn moments() -> Vec<(String, Self)> {
        let mut all = Vec::new();
        for (which, (plan, critical, _)) in plans(&with_volumes()).iter().enumerate() {
            for n in 0..=critical.suspend.len() {
                all.push((format!("{}: {n} suspended", plan.summary), Self::at(which, n, None)));
            }
            for n in 0..=critical.resume.len() {
                let what = format!("{}: committed, {n} resumed", plan.summary);
                all.push((what, Self::at(which, critical.suspend.len(), Some(n))));
            }
        }
        all
    }

    /// What there has to be: what the metadata says.
    fn wanted(&self) -> FakeDm {
        self.found.as_ref().map(|found| driver(&[&active(found).0])).unwrap_or_default()
    }

    fn group(&mut self) -> Option<&mut Group> {
        self.found.as_mut().map(|found| &mut found.group)
    }

    /// The process that watched the killed one has the lock from it, and ends what it began.
    fn watcher_ends_it(&mut self) {
        if self.lock != Lock::Ours {
            let seqno = self.found.as_ref().map_or(0, |found| found.group.seqno.into());
            let is_committed = self.notes.groups.iter().any(|(_, noted)| *noted <= seqno);
            for device in self.dm.devices.values_mut().filter(|device| device.suspended) {
                let waiting = device.waiting.take().filter(|_| is_committed);
                device.live = waiting.or(device.live.take());
                device.suspended = false;
            }
        }
    }

    fn dmsetup_resumes(&mut self) {
        self.dm.devices.values_mut().for_each(|device| device.suspended = false);
    }

    /// lvm2 begins a change of its own, and is in the midst of it.
    fn lvm2_is_at_it(&mut self) {
        if self.lock == Lock::Free {
            self.lock = Lock::Theirs;
            self.dmsetup_resumes();
            if let Some(device) = self.dm.devices.get_mut("vg-a") {
                device.suspended = true;
                self.theirs.insert("vg-a".into());
            }
        }
    }

    /// Somebody has the lock and waits, for a device that is held back.
    fn somebody_waits(&mut self) {
        if self.lock == Lock::Free {
            self.lock = Lock::Theirs;
        }
    }

    fn lvm2_commits(&mut self) {
        if self.lock == Lock::Free {
            if let Some(group) = self.group() {
                group.seqno += 1;
            }
        }
    }

    fn lvm2_removes_a_volume(&mut self) {
        let in_use = self.dm.devices.get("vg-w").is_some_and(|device| device.suspended);
        if self.lock == Lock::Free && !in_use {
            self.group().map(|group| group.remove("w"));
            self.dm.devices.remove("vg-w");
        }
    }

    fn disks_go(&mut self) {
        self.found = None;
    }
}

impl Scene for Killed {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        if let Step::Critical(critical) = step {
            if self.lock != Lock::Ours {
                self.disturbed.push(step.to_string());
            }
            self.dm.critical(critical)?;
            return Ok(Vec::new());
        }
        let Step::Dm(step) = step else {
            ensure!(*step == Step::Commit, "{step}: nothing here does that");
            return Ok(Vec::new());
        };
        let name = match step {
            DmStep::Resume { name, .. }
            | DmStep::GoOn { name, .. }
            | DmStep::Clear { name }
            | DmStep::Load { name, .. }
            | DmStep::Create { name, .. }
            | DmStep::Remove { name, .. } => name.clone(),
            _ => String::new(),
        };
        let goes_on = matches!(step, DmStep::Resume { .. } | DmStep::GoOn { .. } | DmStep::Clear { .. });
        let may = self.lock == Lock::Ours || (goes_on && !self.theirs.contains(&name));
        if !name.is_empty() && !may {
            self.disturbed.push(step.to_string());
        }
        self.dm.apply(step)?;
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn hold(&mut self, hold: &Hold) -> anyhow::Result<()> {
        let Hold::Groups { names, .. } = hold else { bail!("{hold}: nothing here holds that") };
        ensure!(names == &["vg"], "{hold}: no such group");
        if self.lock == Lock::Theirs {
            // Nobody needs that long between suspending and resuming, unless he waits for us.
            for name in std::mem::take(&mut self.theirs) {
                self.dm.device(&name)?.suspended = false;
            }
        }
        ensure!(self.lock == Lock::Free, "LVM2's lock is held by process 7 (lvconvert)");
        self.lock = Lock::Ours;
        Ok(())
    }

    fn ended(&mut self) {
        if self.lock == Lock::Ours {
            self.lock = Lock::Free;
        }
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        let Look::Volumes { .. } = look else { panic!("{look:?}") };
        let groups = Groups { groups: self.found.iter().cloned().collect(), ..Groups::default() };
        let active = [(id(99).plain().to_owned(), seen(&self.dm))].into();
        Ok(View::Volumes(Box::new(VolumesSeen { groups, active, stamp: stamp() })))
    }

    fn sound(&self) -> Result<(), String> {
        match (self.lock, self.disturbed.first()) {
            (Lock::Ours, _) => Err("the lock is held".to_owned()),
            (_, Some(step)) => Err(format!("somebody else was at it: {step}")),
            (Lock::Free | Lock::Theirs, None) => Ok(()),
        }
    }
}

fn run(scene: &Killed) -> Outcome<Killed> {
    twin::drive(&mut PutRight::new(&scene.notes, "mdctl"), scene.clone(), Answer::Nobody, None, None)
}

#[test]
fn whenever_it_was_killed_the_devices_become_what_the_metadata_says() {
    let moments = Killed::moments();
    assert!(moments.len() > 12, "{}", moments.len());
    for (what, scene) in moments {
        let devices = scene.dm.devices.iter();
        let held = devices.filter(|(_, device)| device.suspended && device.live.is_some());
        let held: Vec<&String> = held.map(|(name, _)| name).collect();
        let mut course = PutRight::new(&scene.notes, "mdctl");
        let outcome = twin::drive(&mut course, scene.clone(), Answer::Nobody, None, None);
        let told = course.told().join("; ");
        assert_eq!(outcome.status(), 0, "{what}: {}", outcome.text());
        // What a move copies with is its own: it goes on by its own command.
        if !what.contains("move") || !what.contains("committed") {
            assert_eq!(outcome.scene.dm.devices, scene.wanted().devices, "{what}: {told}");
        }
        assert!(outcome.scene.dm.devices.values().all(|device| !device.suspended), "{what}: {told}");
        for name in held {
            assert!(told.contains(name.as_str()), "{what}: {name}: {told}");
        }
        assert_eq!(run(&outcome.scene).turns, 4, "{what}: nothing is left to be done");
    }
}

#[test]
fn what_became_of_its_change_is_said() {
    let said = |committed, changed: fn(&mut Killed)| {
        let mut scene = Killed::at(0, 0, Some(0));
        scene.notes.committed = committed;
        changed(&mut scene);
        let mut course = PutRight::new(&scene.notes, "mdctl");
        let outcome = twin::drive(&mut course, scene, Answer::Nobody, None, None);
        assert_eq!(outcome.status(), 0, "{}", outcome.text());
        course.told().join("; ")
    };
    assert!(said(true, |_| {}).contains("its change of group vg was made, and stays"));
    let since = said(true, |scene| scene.found.as_mut().unwrap().group.seqno += 1);
    assert!(
        since.contains("was made; the group was changed once since, which may have taken it back"),
        "{since}"
    );
    // It was killed before it could note that, and nothing is kept: the words in the group tell.
    assert!(said(false, |_| {}).contains("whether its change of group vg came about is not known"));
    let ours = said(false, |scene| {
        scene.notes.command = "/sbin/mdctl volume resize a".into();
        scene.found.as_mut().unwrap().group.written.description = "mdctl volume resize a".into();
    });
    assert!(ours.contains("its change of group vg was made, and stays"), "{ours}");
    let before = said(false, |scene| scene.found.as_mut().unwrap().group.seqno -= 1);
    assert!(before.contains("its change of group vg has not come about"), "{before}");
    // Where an entry was kept, that is asked.
    assert!(!said(false, |scene| scene.notes.archive = Some("1".into())).contains("its change"));
}

#[test]
fn it_ends_whatever_fails_and_whoever_comes_between() {
    let changes: &[Change<Killed>] = &[
        ("the watching process ends it", Killed::watcher_ends_it),
        ("dmsetup resumes", Killed::dmsetup_resumes),
        ("lvm2 is at it", Killed::lvm2_is_at_it),
        ("somebody waits", Killed::somebody_waits),
        ("lvm2 commits", Killed::lvm2_commits),
        ("lvm2 removes a volume", Killed::lvm2_removes_a_volume),
        ("the disks go", Killed::disks_go),
    ];
    let check = |outcome: &Outcome<Killed>, what: &str| {
        let (scene, text) = (&outcome.scene, outcome.text());
        let left = |scene: &Killed| {
            let devices = scene.dm.devices.iter().filter(|(name, _)| !scene.theirs.contains(*name));
            devices.filter(|(_, device)| device.suspended && device.live.is_some()).count()
        };
        assert!(outcome.status() != 0 || left(scene) == 0, "{what}: {text}");
        if what.starts_with("somebody waits") {
            assert_eq!(left(scene), 0, "he waits for a device that we can let go on: {text}");
        }
        if scene.found.is_none() {
            return;
        }
        // The next command comes, when nobody else is at it.
        let mut later = scene.clone();
        later.lock = Lock::Free;
        later.dm.devices.values_mut().for_each(|device| device.suspended &= scene.theirs.is_empty());
        let again = run(&later);
        let said = again.text();
        assert_eq!((again.status(), left(&again.scene)), (0, 0), "{what}, then again: {said}");
        let waiting = again.scene.dm.devices.values().any(|device| device.waiting.is_some());
        assert!(!waiting, "{what}, then again: {said}");
        if !what.starts_with("lvm2 commits") && scene.theirs.is_empty() {
            assert_eq!(again.scene.dm.devices, again.scene.wanted().devices, "{what}, then again: {said}");
        }
    };
    let (mut turns, mut faults, mut foreign) = (0, 0, 0);
    let (_, critical, _) = &plans(&with_volumes())[0];
    let all = critical.suspend.len();
    for (suspended, resumed) in [(1, None), (all, None), (all, Some(0)), (all, Some(1))] {
        let scene = Killed::at(0, suspended, resumed);
        let make = || PutRight::new(&scene.notes, "mdctl");
        let tally = twin::everything(make, &scene, &[Errno::EIO, Errno::EBUSY], changes, check);
        println!("put right {suspended} {resumed:?}: {tally:?}");
        turns += tally.turns;
        faults += tally.faults;
        foreign += tally.changes;
    }
    assert!(turns >= 24 && faults >= 60 && foreign >= 160, "{turns} {faults} {foreign}");
}

#[test]
fn one_device_that_cannot_go_on_keeps_no_other_from_it() {
    let (_, critical, _) = &plans(&with_volumes())[0];
    let scene = Killed::at(0, critical.suspend.len(), Some(0));
    // Looks and the lock come first, then the commit, then the first device.
    let fault = twin::Fault::Step(2, Errno::EIO);
    let mut course = PutRight::new(&scene.notes, "mdctl");
    let outcome = twin::drive(&mut course, scene, Answer::Nobody, Some(fault), None);
    let suspended = outcome.scene.dm.devices.values().filter(|device| device.suspended).count();
    assert!(suspended < critical.suspend.len(), "{suspended}");
    assert_eq!(outcome.status(), 1);
    assert!(outcome.text().contains("what it left could not be taken back: resume "), "{}", outcome.text());
}

#[test]
fn without_the_metadata_nothing_goes_on_with_a_table_that_may_be_the_wrong_one() {
    let mut scene = Killed::at(0, 1, None);
    let found = scene.found.take();
    let outcome = run(&scene);
    assert_eq!(outcome.status(), 1, "its notes stay");
    let said = "stays suspended: there is no group vg to be found";
    assert!(outcome.text().contains(said), "{}", outcome.text());
    let back = Killed { found, ..outcome.scene };
    assert_eq!((run(&back).status(), &run(&back).scene.dm.devices), (0, &back.wanted().devices));
}
