//! Discarding sets while others use, make and discard them.

use std::collections::BTreeSet;

use anyhow::bail;
use superblock::{Bytes, Write};

use super::*;
use crate::{
    model::{
        dm::SnapshotStatus,
        overlay::{Overlay, name_of, parts},
    },
    plan::{
        Step,
        course::{
            Answer, View,
            twin::{self, Fault, Outcome, Scene},
        },
        dm::DmStep,
        overlay::{OverlayStep, description},
    },
    words::Errno,
};

const STORE: &str = "/run/o";

/// A device and who uses it.
#[derive(Clone, Debug, Default)]
struct Device {
    open: u32,
    holders: Vec<String>,
}

/// The devices by name, and the files of the store.
#[derive(Clone, Debug, Default)]
struct Sets {
    devices: std::collections::BTreeMap<String, Device>,
    files: BTreeSet<String>,
    /// Devices that somebody used while a plan wanted to take them away.
    used: BTreeSet<String>,
    /// Written steps, which a discard has none of.
    written: usize,
}

fn cow(name: &str) -> String {
    format!("{STORE}/{name}.cow")
}

impl Sets {
    fn new(sets: &[&str]) -> Self {
        let mut scene = Self::default();
        sets.iter().for_each(|set| scene.make(set));
        scene
    }

    fn make(&mut self, set: &str) {
        for member in ["sda", "sdb"] {
            let name = name_of(set, member);
            self.files.insert(cow(&name));
            self.devices.insert(name, Device::default());
        }
        self.files.insert(description(STORE, set));
    }

    fn last(&mut self) -> Option<&mut Device> {
        let set = name_of("b", "");
        self.devices.iter_mut().rfind(|(name, _)| name.starts_with(&set)).map(|(_, device)| device)
    }

    /// Devices, and files that a description names.
    fn overlays(&self) -> Vec<Overlay> {
        let names: BTreeSet<String> = self
            .files
            .iter()
            .filter_map(|file| {
                let name = file.strip_prefix("/run/o/")?.strip_suffix(".cow")?;
                let (set, _) = parts(name)?;
                self.files.contains(&description(STORE, set)).then(|| name.to_owned())
            })
            .chain(self.devices.keys().cloned())
            .collect();
        let one = |name: String| {
            let (set, member) = parts(&name)?;
            let device = self.devices.get(&name);
            Some(Overlay {
                set: set.to_owned(),
                device: device.map(|_| name.clone()),
                id: None,
                member: format!("/dev/{member}"),
                size: Bytes(1 << 20),
                file: cow(&name),
                status: SnapshotStatus::Unknown,
                open: device.map_or(0, |device| device.open),
                holders: device.map(|device| device.holders.clone()).unwrap_or_default(),
                noted: Vec::new(),
            })
        };
        names.into_iter().filter_map(one).collect()
    }

    fn names(&self) -> Vec<String> {
        Overlays { all: self.overlays(), ..Overlays::default() }.sets()
    }
}

impl Scene for Sets {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Dm(DmStep::Remove { name, .. }) => {
                let Some(device) = self.devices.get(name) else { bail!("{name}: no such device") };
                if device.open > 0 || !device.holders.is_empty() {
                    self.used.insert(name.clone());
                    bail!("{name}: Device or resource busy");
                }
                self.devices.remove(name);
            }
            Step::Overlay(OverlayStep::Forget { files, .. }) => {
                self.files.retain(|file| !files.contains(file));
            }
            Step::Commit | Step::Dm(DmStep::WaitForUdev) => {}
            _ => self.written += 1,
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn see(&self, _: &Look) -> Result<View, Unseen> {
        Ok(View::Overlays(Overlays { all: self.overlays(), store: STORE.to_owned(), files: Vec::new() }))
    }

    fn sound(&self) -> Result<(), String> {
        if let Some(name) = self.devices.keys().find(|name| !self.files.contains(&cow(name))) {
            return Err(format!("{name} is there, and its file is gone"));
        }
        if let Some(name) = self.used.iter().find(|name| !self.devices.contains_key(*name)) {
            return Err(format!("{name} was taken from whoever used it"));
        }
        let seen = self.overlays();
        let lost = |file: &&String| file.ends_with(".cow") && !seen.iter().any(|one| one.file == **file);
        if let Some(file) = self.files.iter().find(lost) {
            return Err(format!("{file} is there, and nothing speaks of it"));
        }
        let told = |set: &str| seen.iter().any(|one| one.set == set);
        let empty = |file: &&String| {
            let set = file.strip_prefix("/run/o/").and_then(|file| file.strip_suffix(".set"));
            set.is_some_and(|set| !told(set))
        };
        if let Some(file) = self.files.iter().find(empty) {
            return Err(format!("{file} is of no overlay"));
        }
        match self.written {
            0 => Ok(()),
            steps => Err(format!("{steps} steps are no part of a discard")),
        }
    }
}

fn course(sets: &[&str], all: bool) -> Discard {
    Discard::new(sets.iter().map(ToString::to_string).collect(), all, None)
}

fn drive(sets: &[&str], all: bool, scene: &Sets) -> Outcome<Sets> {
    twin::drive(&mut course(sets, all), scene.clone(), Answer::Yes, None, None)
}

#[test]
fn those_that_are_named_go_and_a_wrong_name_is_said() {
    let scene = Sets::new(&["a", "b", "c"]);
    let outcome = drive(&["a", "c"], false, &scene);
    assert_eq!((outcome.status(), outcome.scene.names()), (0, vec!["b".to_owned()]));
    let outcome = drive(&["x", "b"], false, &scene);
    assert_eq!((outcome.status(), outcome.scene.names().len()), (1, 2));
    assert!(outcome.text().contains("no set of overlays \"x\""), "{}", outcome.text());
    assert_eq!(drive(&[], true, &scene).scene.names(), Vec::<String>::new());
    assert_eq!(drive(&[], false, &scene).status(), 1);
    let none = drive(&[], true, &Sets::default());
    assert_eq!((none.status(), none.text().as_str()), (0, ""));
}

#[test]
fn a_set_that_is_refused_stands_in_the_document() {
    let outcome = drive(&["x", "b"], false, &Sets::new(&["b"]));
    let refused: Vec<&Refusal> = outcome.said.iter().filter_map(|said| said.refusal.as_deref()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].text, "no set of overlays \"x\"");
    assert_eq!(refused[0].hint.as_deref(), Some("there are b"));
}

/// One set of two overlays; the plan is commit, remove, remove, wait, forget.
fn failing(step: usize) -> (u8, Vec<String>, Sets) {
    let fault = Fault::Step(step, Errno::EIO);
    let outcome = twin::drive(&mut course(&["b"], false), Sets::new(&["b"]), Answer::Yes, Some(fault), None);
    let said = outcome.text().lines().map(str::to_owned).collect();
    (outcome.status(), said, outcome.scene)
}

#[test]
fn half_done_is_said_with_what_remains() {
    let (status, said, scene) = failing(2);
    assert_eq!(status, 1);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("remove device MDOV-b-sdb"), "{said:?}");
    assert_eq!(said[1], "not all is done: discard overlays b");
    assert_eq!(said[2], "what remains to be done: mdctl overlay discard b");
    // The command that was named does it.
    assert_eq!(scene.files.len(), 3);
    let again = drive(&["b"], false, &scene);
    assert_eq!((again.status(), again.scene.files.len(), again.scene.devices.len()), (0, 0, 0));
}

#[test]
fn a_minor_rest_is_warned_of_and_is_no_failure() {
    let (status, said, scene) = failing(3);
    assert_eq!((status, said.len(), scene.files.len()), (0, 1, 0), "{said:?}");
    assert!(said[0].starts_with("wait for udev"), "{said:?}");
    let (status, said, scene) = failing(0);
    assert_eq!((status, said.len(), scene.devices.len()), (1, 1, 2), "{said:?}");
}

#[test]
fn a_look_that_failed_takes_one_set_from_the_others() {
    let fault = Some(Fault::Look(0));
    let outcome =
        twin::drive(&mut course(&["a", "b"], false), Sets::new(&["a", "b"]), Answer::Yes, fault, None);
    assert_eq!((outcome.status(), outcome.scene.names()), (1, vec!["a".to_owned()]));
    let outcome = twin::drive(&mut course(&[], true), Sets::new(&["a", "b"]), Answer::Yes, fault, None);
    assert_eq!((outcome.status(), outcome.scene.names().len()), (1, 2));
}

const CHANGES: &[twin::Change<Sets>] = &[
    ("somebody opened one", |sets| {
        if let Some(last) = sets.last() {
            last.open = 1;
        }
    }),
    ("an array stands on one", |sets| {
        if let Some(last) = sets.last() {
            last.holders = vec!["md127".to_owned()];
        }
    }),
    ("somebody else discarded one", |sets| {
        sets.devices.retain(|name, _| !name.starts_with(&name_of("b", "")));
        sets.files.retain(|file| !file.starts_with("/run/o/MDOV-b-") && file != "/run/o/b.set");
    }),
    ("somebody else made one", |sets| sets.make("new")),
    ("the kernel lost the devices", |sets| sets.devices.clear()),
];

#[test]
fn it_ends_whatever_fails_and_others_are_left_alone() {
    let check = |outcome: &Outcome<Sets>, what: &str| {
        let names = outcome.scene.names();
        assert!(names.contains(&"c".to_owned()), "{what}: one that was not named is gone");
        let new = what.starts_with("somebody else made one");
        assert!(!new || names.contains(&"new".to_owned()), "{what}: one that was not there is gone");
        let left = names.iter().any(|name| name == "a" || name == "b");
        // What somebody else took away first was not found.
        let not_there = what.starts_with("somebody else discarded one") && outcome.status() != 0;
        assert_eq!(outcome.status() != 0, left || not_there, "{what}: {}", outcome.text());
    };
    let scene = Sets::new(&["a", "b", "c"]);
    let make = || course(&["a", "b"], false);
    let tally = twin::everything(make, &scene, &[Errno::EBUSY, Errno::EIO], CHANGES, check);
    println!("discard: {tally:?}");
    assert!(tally.reaches(5, 22, 25), "{tally:?}");
}
