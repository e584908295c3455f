//! All parts of what a killed command left, while each of them fails and others use the same things.

use crate::plan::{MdStep, SystemStep, cookies::CookieStep};
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use superblock::{Bytes, Write};

use super::{
    super::{Killed, only_told},
    *,
};
use crate::{
    model::{
        DevId, RunningArray, World,
        dm::{DeviceInfo, DmSeen, SnapshotStatus},
        overlay::{Overlay, name_of},
    },
    plan::{
        course::{
            Answer, View,
            twin::{self, Change, Outcome, Scene},
        },
        overlay::OverlayStep,
        run::Outdated,
    },
    words::Errno,
};

const STORE: &str = "/run/o";

/// The number of an overlay.
const fn overlay(nth: u32) -> DevId {
    DevId { major: 253, minor: nth }
}

/// An array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Array {
    serves: bool,
    held: bool,
    members: Vec<DevId>,
}

/// A machine on which a trial was killed that had an array on overlays, with more of what commands leave.
#[derive(Clone, Debug)]
struct Left {
    /// `md9` stands on the overlays, `md0` was made and never started.
    arrays: BTreeMap<String, Array>,
    overlays: BTreeSet<String>,
    files: BTreeSet<String>,
    /// Devices without a table, and whether somebody has them open.
    halves: BTreeMap<String, bool>,
    cookies: BTreeSet<u32>,
    notes: String,
    locked: bool,
}

impl Left {
    fn new() -> Self {
        let members = vec![DevId { major: 8, minor: 1 }];
        let idle = Array { members, ..Array::default() };
        let notes = [
            Note::Begun { command: "mdctl trial".into(), time: 1 },
            Note::Overlays { set: "t".into(), store: STORE.into() },
            Note::Made("md0".into()),
            Note::Member { array: "md0".into(), dev: DevId { major: 8, minor: 1 } },
            Note::Cookie(0x0d4d_0001),
            Note::Cookie(0x0d4d_0002),
            Note::Device("half".into()),
        ];
        let overlays: BTreeSet<String> = ["sda", "sdb"].iter().map(|member| name_of("t", member)).collect();
        let cow = overlays.iter().map(|name| format!("{STORE}/{name}.cow"));
        let unfinished = format!("{STORE}/{}.cow", name_of("t", "sdc"));
        let theirs = format!("{STORE}/{}.cow", name_of("u", "sda"));
        let on_overlays = Array { serves: true, members: (0..2).map(overlay).collect(), ..Array::default() };
        Self {
            arrays: [("md0".into(), idle), ("md9".into(), on_overlays)].into(),
            files: cow.chain([unfinished, theirs]).collect(),
            overlays,
            halves: [("half".to_owned(), false), ("theirs".to_owned(), false)].into(),
            cookies: [0x0d4d_0001, 0x0d4d_0002, 0x0d4d_0003].into(),
            notes: notes.iter().map(ToString::to_string).collect(),
            locked: false,
        }
    }

    fn course(&self) -> Killed {
        let notes = (Unfinished::parse(&self.notes), "/run/mdctl/unfinished/7-0".to_owned());
        Killed::new(&[notes], "mdctl")
    }

    /// What is not the killed command's stays.
    fn is_clean(&self) -> bool {
        let (halves, cookies) = (self.halves.keys(), self.cookies.iter());
        self.overlays.is_empty()
            && self.files.len() == 1
            && halves.eq(["theirs"])
            && cookies.eq(&[0x0d4d_0003])
            && !self.stands()
    }

    /// `md9` stands on the overlays.
    fn stands(&self) -> bool {
        self.arrays.get("md9").is_some_and(|array| array.members.contains(&overlay(0)))
    }

    fn removed(&mut self, name: &str) -> anyhow::Result<()> {
        if let Some(open) = self.halves.get(name) {
            ensure!(!open, "{name}: Device or resource busy");
            self.halves.remove(name);
            return Ok(());
        }
        ensure!(!self.stands(), "{name}: Device or resource busy");
        ensure!(self.overlays.remove(name), "{name}: No such device or address");
        Ok(())
    }
}

impl Scene for Left {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
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
            Step::Dm(DmStep::Remove { name, .. }) => self.removed(name)?,
            Step::Dm(DmStep::Cookie(CookieStep::Forget(cookie))) => drop(self.cookies.remove(cookie)),
            Step::Overlay(OverlayStep::Forget { files, .. }) => {
                self.files.retain(|file| !files.contains(file))
            }
            Step::System(SystemStep::RemoveFile { file }) => drop(self.files.remove(file)),
            Step::System(SystemStep::Note { note, .. }) => self.notes.push_str(&note.to_string()),
            Step::System(SystemStep::ShowToUdev { .. }) | Step::Commit | Step::Dm(DmStep::WaitForUdev) => {}
            other => bail!("{other}: nothing here does that"),
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {
        self.locked = false;
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::Overlays { .. } => {
                let stands = self.stands();
                let one = |(nth, name): (u32, &String)| Overlay {
                    set: "t".into(),
                    device: Some(name.clone()),
                    id: Some(overlay(nth)),
                    member: "/dev/sda".into(),
                    size: Bytes(1 << 20),
                    file: format!("{STORE}/{name}.cow"),
                    status: SnapshotStatus::Unknown,
                    open: u32::from(stands),
                    holders: stands.then(|| "md9".to_owned()).into_iter().collect(),
                    noted: Vec::new(),
                };
                let all = (0..).zip(&self.overlays).map(one).collect();
                let files = self.files.iter().cloned().collect();
                View::Overlays(Overlays { all, store: "/run/mdctl/overlays".into(), files })
            }
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
            Look::Creating => View::Creating(Vec::new()),
            Look::Dm => {
                let one = |(name, open): (&String, &bool)| DmSeen {
                    info: DeviceInfo { name: name.clone(), open: u32::from(*open), ..DeviceInfo::default() },
                    ..DmSeen::default()
                };
                let devices = self.halves.iter().map(one).collect();
                View::Dm(Box::new(Overview { devices, ..Overview::default() }))
            }
            other => panic!("{other:?}"),
        })
    }

    fn sound(&self) -> Result<(), String> {
        if self.locked {
            return Err("the map is locked".to_owned());
        }
        if !self.halves.contains_key("theirs") || !self.cookies.contains(&0x0d4d_0003) {
            return Err("something of somebody else's is gone".to_owned());
        }
        Ok(())
    }
}

fn run(scene: &Left) -> Outcome<Left> {
    twin::drive(&mut scene.course(), scene.clone(), Answer::Nobody, None, None)
}

#[test]
fn all_of_it_is_taken_back_and_said_in_one_line() {
    let outcome = run(&Left::new());
    assert!(outcome.status() == 0 && outcome.scene.is_clean(), "{}: {:?}", outcome.text(), outcome.scene);
    assert_eq!(
        outcome.text(),
        "    md0, which it had begun to make, is stopped; run it again if it is still wanted; device half, which never had a table, is removed; its overlays are gone, the members are as \
         they were"
    );
    let again = run(&outcome.scene);
    assert_eq!(again.status(), 0);
    let nothing = Left { notes: "begun 1 x\n".into(), ..outcome.scene };
    assert_eq!((run(&nothing).status(), run(&nothing).text().as_str()), (0, "    nothing of it is left"));
    let done = Left { notes: format!("begun 1 x\n{}", Note::Committed), ..nothing };
    assert_eq!((run(&done).status(), run(&done).text().as_str()), (0, "    its change was made, and stays"));
    // What had passed its commit stays.
    let mut committed = Left::new();
    committed.notes.push_str(&Note::Committed.to_string());
    let outcome = run(&committed);
    assert_eq!((outcome.status(), outcome.scene.overlays.len()), (0, 2), "{}", outcome.text());
}

/// One command, several notes: what is left of it is said once, and nothing contradicts it.
#[test]
fn one_killed_command_one_truth() {
    let notes = |parts: &[&str]| -> Vec<(Unfinished, String)> {
        parts.iter().map(|text| (Unfinished::parse(text), "/run/mdctl/unfinished/7-0".to_owned())).collect()
    };
    let scene = Left { notes: String::new(), ..Left::new() };
    let told = |parts: &[&str]| {
        let mut course = Killed::new(&notes(parts), "mdctl");
        let outcome = twin::drive(&mut course, scene.clone(), Answer::Nobody, None, None);
        assert_eq!(outcome.status(), 0);
        assert!((0..parts.len()).all(|nth| course.is_over(nth)));
        outcome.text()
    };
    assert_eq!(told(&["begun 1 x\n", "begun 1 x\n"]), "    nothing of it is left");
    let made = "begun 1 x\nmade md0\nmember 8:1 md0\n";
    let stopped = "    md0, which it had begun to make, is stopped; run it again if it is still wanted";
    assert_eq!(told(&["begun 1 x\n", made]), stopped);
    assert_eq!(told(&["begun 1 x\ncommitted\n", "begun 1 x\n"]), "    its change was made, and stays");
    let words = "begun 1 x\ndoing fail a\nahead --remove a\nahead --add b\ndid fail a\n";
    assert_eq!(told(&[words]), "    it had done: fail a; it had not begun: --remove a, --add b");
    let at = format!("{words}doing take a out\nahead --add b\n");
    assert_eq!(
        told(&[&at, "begun 1 x\n"]),
        "    it had done: fail a; it was at, and may not have done: take a out; it had not begun: --add b"
    );
    let report = |notes: &str| only_told(&[Unfinished::parse(notes)], "then").join("\n");
    assert_eq!(
        report(words),
        "`x` was killed at its work (then)\n    it had done: fail a; it had not begun: --remove a, --add b"
    );
    assert_eq!(
        report(made),
        "`x` was killed at its work (then)\n    the next command that changes something takes back what is left of it"
    );
}

#[test]
fn it_ends_whatever_fails_and_whoever_comes_between() {
    let changes: &[Change<Left>] = &[
        ("somebody mounts the array on the overlays", |left| {
            if let Some(array) = left.arrays.get_mut("md9") {
                array.held = true;
            }
        }),
        ("somebody stops the array on the overlays", |left| drop(left.arrays.remove("md9"))),
        ("somebody has the name for an array of other disks", |left| {
            let members = vec![DevId { major: 8, minor: 2 }];
            left.arrays.insert("md9".into(), Array { serves: true, members, ..Array::default() });
        }),
        ("somebody stops the array", |left| drop(left.arrays.remove("md0"))),
        ("somebody makes an array of that name", |left| {
            left.arrays.insert("md0".into(), Array { serves: true, ..Array::default() });
        }),
        ("somebody opens the device", |left| {
            if let Some(open) = left.halves.get_mut("half") {
                *open = true;
            }
        }),
        ("the set is discarded", |left| {
            if !left.stands() {
                left.overlays.clear();
            }
        }),
    ];
    let check = |outcome: &Outcome<Left>, what: &str| {
        let (scene, text) = (&outcome.scene, outcome.text());
        let is_open = scene.halves.get("half") == Some(&true);
        let clean = scene.is_clean() || is_open;
        assert!(outcome.status() != 0 || clean, "{what}: {text}: {scene:?}");
        if outcome.status() != 0 {
            assert!(text.contains("what it left could not be taken back: "), "{what}: {text}");
        }
        let theirs = scene.arrays.get("md0").is_some_and(|array| array.serves);
        assert!(!what.starts_with("somebody makes") || theirs, "{what}: {text}: {scene:?}");
        let other = what.starts_with("somebody has the name");
        assert!(!other || scene.arrays.contains_key("md9"), "{what}: {text}: {scene:?}");
        // The next command comes when nobody uses any of it.
        let mut later = scene.clone();
        later.arrays.values_mut().for_each(|array| array.held = false);
        later.halves.values_mut().for_each(|open| *open = false);
        let again = run(&later);
        assert!(
            again.status() == 0 && again.scene.is_clean(),
            "{what}, then again: {}: {:?}",
            again.text(),
            again.scene
        );
        assert_eq!(again.scene.arrays.contains_key("md0"), theirs, "{what}, then again");
    };
    let scene = Left::new();
    let tally = twin::everything(|| scene.course(), &scene, &[Errno::EIO, Errno::EBUSY], changes, check);
    println!("recover: {tally:?}");
    assert!(tally.reaches(12, 57, 72), "{tally:?}");
}
