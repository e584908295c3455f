use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use superblock::Write;

use super::*;
use crate::{
    archive::EntryId,
    model::{DevId, RunningArray, unfinished::Note},
    plan::{
        DiskStep, MdStep, Plan, Step, SystemStep,
        course::{
            Answer, View,
            twin::{self, Change, Outcome, Scene},
        },
        run::Outdated,
        undo::bench::{Before, CHANGES, Table},
    },
    words::Errno,
};

/// An array in the kernel.
#[derive(Clone, Debug, Default)]
struct Array {
    serves: bool,
    held: bool,
    members: Vec<DevId>,
}

/// A machine on which a command was killed that was making an array of two disks.
#[derive(Clone, Debug)]
struct Killed {
    table: Table,
    arrays: BTreeMap<String, Array>,
    hidden: BTreeSet<String>,
    locked: bool,
    /// Arrays of somebody else's.
    theirs: usize,
}

impl Killed {
    fn new() -> (Self, Before) {
        let (table, before) = Table::new();
        let members = vec![DevId { major: 8, minor: 97 }];
        let arrays = [("md0".to_owned(), Array { members, ..Array::default() })].into();
        let hidden = ["md0".to_owned()].into();
        (Self { table, arrays, hidden, locked: false, theirs: 0 }, before)
    }

    /// What the command noted.
    fn notes(&self) -> String {
        let notes = [
            Note::Begun { command: "mdadm -C /dev/md0".into(), time: 1 },
            Note::Hidden("md0".into()),
            Note::Archive(self.table.id().to_string()),
            Note::Made("md0".into()),
            Note::Member { array: "md0".into(), dev: DevId { major: 8, minor: 97 } },
        ];
        notes.iter().map(ToString::to_string).collect()
    }
}

impl Scene for Killed {
    fn act(&mut self, step: &Step) -> Result<Vec<Write>> {
        match step {
            Step::System(SystemStep::LockMap) => {
                ensure!(!self.locked, "locked twice");
                self.locked = true;
            }
            Step::System(SystemStep::UnlockMap) => self.locked = false,
            Step::Md(MdStep::Expect { array, members, .. }) => {
                let now = self.arrays.get(&array.kernel).map(|array| array.members.clone());
                ensure!(now == *members, Outdated(format!("{array} was changed meanwhile")));
            }
            Step::Md(MdStep::Stop { array }) => {
                ensure!(!self.arrays.get(&array.kernel).is_some_and(|array| array.held), "{array}: busy");
                ensure!(self.arrays.remove(&array.kernel).is_some(), "{array}: no such array");
            }
            Step::System(SystemStep::ShowToUdev { array }) => drop(self.hidden.remove(&array.kernel)),
            Step::Disk(DiskStep::Claim { device }) if self.arrays.contains_key("md0") => {
                anyhow::bail!("{device}: Device or resource busy")
            }
            Step::System(SystemStep::Uevent { .. }) | Step::Commit => {}
            other => return self.table.act(other),
        }
        Ok(Vec::new())
    }

    fn keep(&self, plan: &Plan, undoes: Option<&EntryId>) -> Plan {
        self.table.keep(plan, undoes)
    }

    fn let_go(&mut self) {
        self.locked = false;
        self.table.let_go();
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::World { .. } => {
                let array = |(name, array): (&String, &Array)| RunningArray {
                    name: name.clone(),
                    state: if array.serves { "clean" } else { "inactive" }.into(),
                    members: array.members.clone(),
                    ..RunningArray::default()
                };
                let arrays = self.arrays.iter().map(array).collect();
                View::World(Box::new(World { arrays, ..World::default() }))
            }
            Look::Creating => View::Creating(self.hidden.iter().cloned().collect()),
            other => return self.table.see(other),
        })
    }

    fn sound(&self) -> Result<(), String> {
        let theirs = self.arrays.keys().filter(|name| *name != "md0").count();
        if self.locked || theirs != self.theirs {
            return Err(format!("locked: {}, arrays: {:?}", self.locked, self.arrays));
        }
        self.table.sound()
    }
}

fn run(notes: &str, scene: &Killed) -> (Outcome<Killed>, Vec<String>) {
    let mut course = TakeBack::new(&Unfinished::parse(notes));
    let outcome = twin::drive(&mut course, scene.clone(), Answer::Nobody, None, None);
    (outcome, course.told())
}

/// What comes after arrays and bytes may fail, and then the next command reads the notes again.
#[test]
fn a_second_run_takes_nothing_back_twice_and_says_what_is_so() {
    let (scene, Before { old, new }) = Killed::new();
    let notes = scene.notes();
    let over = format!("{notes}{}", Note::Over);
    let (first, told) = run(&notes, &scene);
    assert_eq!((first.status(), &first.scene.table.disks.0), (0, &old), "{}", first.text());
    assert_eq!(
        told,
        [
            "md0, which it had begun to make, is stopped",
            "the metadata from before is back on /dev/a, /dev/b",
            "run it again if it is still wanted"
        ]
    );
    // Killed before it could note that: the bytes say it.
    let (second, told) = run(&notes, &first.scene);
    assert_eq!((second.status(), &second.scene.table.disks.0), (0, &old));
    assert_eq!(told, ["what it was to overwrite on /dev/a, /dev/b is as it was before"]);

    // Whoever makes an array of that name by then, or does again what was taken back, keeps it.
    let mut since = first.scene.clone();
    since.arrays.insert("md0".into(), Array::default());
    since.table.disks.0.clone_from(&new);
    let (second, told) = run(&over, &since);
    assert_eq!((second.status(), second.scene.arrays.len()), (0, 1));
    assert_eq!((&second.scene.table.disks.0, told.len(), second.turns), (&new, 0, 3), "{told:?}");

    // An array that served data when it was looked at is not taken for one that never did.
    let mut serves = scene.clone();
    serves.arrays.insert("md0".into(), Array { serves: true, ..Array::default() });
    let (left, told) = run(&notes, &serves);
    assert_eq!((left.status(), told), (0, vec!["md0 runs, and is left as it is".to_owned()]));
    let mut stopped = left.scene;
    stopped.arrays.clear();
    let (second, told) = run(&over, &stopped);
    assert_eq!((&second.scene.table.disks.0, told.len()), (&new, 0));
}

#[test]
fn what_was_done_before_a_failure_is_said() {
    let (mut scene, Before { new, .. }) = Killed::new();
    let notes = scene.notes();
    scene.table.busy = true;
    let (left, _) = run(&notes, &scene);
    // Somebody uses a disk: that is said, and the array is stopped all the same.
    assert_eq!((left.status(), left.scene.arrays.len()), (0, 0), "{}", left.text());
    assert_eq!(left.scene.table.disks.0, new);
    let fault = twin::Fault::Step(9, Errno::EIO);
    let mut course = TakeBack::new(&Unfinished::parse(&notes));
    let (scene, _) = Killed::new();
    let outcome = twin::drive(&mut course, scene, Answer::Nobody, Some(fault), None);
    let lines: Vec<String> = outcome.said.iter().map(|said| said.text.clone()).collect();
    assert_eq!((outcome.status(), lines.len()), (1, 2), "{lines:?}");
    assert_eq!(lines[0], "    md0, which it had begun to make, is stopped");
    assert!(lines[1].starts_with("what it left could not be taken back: "), "{lines:?}");
}

#[test]
fn it_ends_whatever_fails_and_whoever_comes_between() {
    let changes: &[Change<Killed>] = &[
        ("somebody stopped it", |killed| drop(killed.arrays.remove("md0"))),
        ("somebody holds it", |killed| {
            if let Some(array) = killed.arrays.get_mut("md0") {
                array.held = true;
            }
        }),
        ("somebody assembled another", |killed| {
            killed.arrays.insert("md9".into(), Array::default());
            killed.theirs = 1;
        }),
        ("somebody made an array of its disk", |killed| (CHANGES[0].1)(&mut killed.table)),
        ("a disk was detached", |killed| (CHANGES[4].1)(&mut killed.table)),
        ("another disk is in its place", |killed| (CHANGES[5].1)(&mut killed.table)),
    ];
    let (scene, Before { old, new }) = Killed::new();
    let notes = scene.notes();
    let check = |outcome: &Outcome<Killed>, what: &str| {
        let (scene, text) = (&outcome.scene, outcome.text());
        let disks = &scene.table.disks.0;
        let there = scene.arrays.contains_key("md0");
        assert!(outcome.status() != 0 || !there, "{what}: {text}");
        assert!(!there || disks[1] != old[1], "{what}: bytes were put back below an array: {text}");
        if what.starts_with("somebody stopped it") {
            assert!(outcome.status() == 0 && disks == &old, "{what}: {text}");
        }
        if changes.iter().any(|(name, _)| what.starts_with(name)) {
            return;
        }
        assert!(disks == &old || disks == &new, "{what}: {text}");
        assert!(outcome.status() != 0 || disks == &old, "{what}: {text}");
        let (again, told) = run(&notes, scene);
        assert_eq!((again.status(), &again.scene.table.disks.0), (0, &old), "{what}, then again: {told:?}");
        assert!(again.scene.hidden.is_empty(), "{what}, then again: {told:?}");
    };
    let errors = [Errno::EIO, Errno::EBUSY];
    let make = || TakeBack::new(&Unfinished::parse(&notes));
    let tally = twin::everything(make, &scene, &errors, changes, check);
    assert!(tally.reaches(9, 42, 54), "{tally:?}");
}
