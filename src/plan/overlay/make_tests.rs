//! Making a set while others make sets, take loop devices and use the disks.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use superblock::Write;

use super::*;
use crate::{
    model::{
        Candidate, Device, Unusable,
        dm::SnapshotStatus,
        overlay::{Overlay, Underlay, name_of, parts},
    },
    plan::{
        Step, SystemStep,
        course::{
            Answer, Unseen,
            twin::{self, Outcome, Scene},
        },
        create::tests::device,
        dm::DmStep,
        overlay::OverlayStep,
    },
    words::Errno,
};

const STORE: &str = "/run/mdctl/overlays";

/// Disks, loop devices, overlays and their files.
#[derive(Clone, Debug, Default)]
struct Room {
    files: BTreeSet<String>,
    /// In use, each by a file.
    loops: BTreeMap<u32, String>,
    devices: BTreeSet<String>,
    busy: bool,
    gone: bool,
}

impl Room {
    fn number(device: &str) -> u32 {
        device.trim_start_matches("/dev/loop").parse().expect("a loop device")
    }

    fn make(&mut self, set: &str) {
        for member in ["sda", "sdb"] {
            self.devices.insert(name_of(set, member));
            self.files.insert(format!("{STORE}/{}.cow", name_of(set, member)));
        }
        self.files.insert(format!("{STORE}/{set}.set"));
    }

    /// Devices, files and loop devices of a set.
    fn count(&self, set: &str) -> (usize, usize, usize) {
        let of = |name: &&String| name.contains(&name_of(set, "")) || name.contains(&format!("/{set}.set"));
        let (devices, files) = (self.devices.iter().filter(of).count(), self.files.iter().filter(of).count());
        (devices, files, self.loops.values().filter(of).count())
    }
}

impl Scene for Room {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Overlay(OverlayStep::Store { file, .. })
            | Step::System(SystemStep::SaveFile { file, .. }) => {
                ensure!(self.files.insert(file.clone()), "{file}: File exists");
            }
            Step::Overlay(OverlayStep::Forget { files, .. }) => {
                self.files.retain(|file| !files.contains(file));
            }
            Step::System(SystemStep::RemoveFile { file }) => drop(self.files.remove(file)),
            Step::Overlay(OverlayStep::Attach { file, device }) => {
                let taken = self.loops.contains_key(&Self::number(device));
                ensure!(!taken, "{device}: Device or resource busy");
                self.loops.insert(Self::number(device), file.clone());
            }
            Step::Overlay(OverlayStep::Detach { file, device }) => {
                let name = file.rsplit_once('/').map_or("", |(_, name)| name).trim_end_matches(".cow");
                if !self.devices.contains(name) {
                    self.loops.remove(&Self::number(device));
                }
            }
            Step::Dm(DmStep::Create { name, .. }) => {
                ensure!(self.devices.insert(name.clone()), "{name}: Device or resource busy");
            }
            Step::Dm(DmStep::Load { .. }) => ensure!(!self.busy && !self.gone, "Device or resource busy"),
            Step::Dm(DmStep::Remove { name, .. }) => ensure!(self.devices.remove(name), "{name}: none"),
            Step::Dm(_) | Step::Commit => {}
            other => bail!("{other}: nothing here does that"),
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::Overlays { .. } => {
                let one = |name: &String| Overlay {
                    set: parts(name).expect("an overlay").0.to_owned(),
                    device: Some(name.clone()),
                    id: None,
                    member: "/dev/sda".into(),
                    size: Bytes(1 << 20),
                    file: format!("{STORE}/{name}.cow"),
                    status: SnapshotStatus::Unknown,
                    open: 0,
                    holders: Vec::new(),
                    noted: Vec::new(),
                };
                let all = self.devices.iter().map(one).collect();
                View::Overlays(Overlays { all, store: STORE.into(), files: Vec::new() })
            }
            Look::Underlays { paths } => {
                let one = |path: &String| {
                    let mut device = device(path, 64 << 20);
                    device.found = device.found.map(|found| Device { busy: self.busy, ..found });
                    let why = || Err(Unusable::Open("No such file or directory".into()));
                    let device = if self.gone { Candidate { found: why(), ..device } } else { device };
                    Underlay { device, holders: Vec::new(), prints: Vec::new() }
                };
                let loops = (0..).filter(|nth| !self.loops.contains_key(nth)).take(paths.len()).collect();
                View::Underlays(Underlays { devices: paths.iter().map(one).collect(), loops })
            }
            other => panic!("{other:?}"),
        })
    }

    fn sound(&self) -> Result<(), String> {
        Ok(())
    }
}

fn course(name: Option<&str>) -> MakeSet {
    let devices = ["/dev/sda", "/dev/sdb"].map(str::to_owned).to_vec();
    MakeSet::new(devices, name.map(str::to_owned), None, Bytes(0))
}

#[test]
fn a_name_and_loop_devices_that_nobody_has() {
    let mut room = Room::default();
    room.make("set1");
    room.loops.insert(0, "theirs".into());
    let outcome = twin::drive(&mut course(None), room, Answer::Nobody, None, None);
    assert_eq!(outcome.text(), "set set2: /dev/mapper/MDOV-set2-sda /dev/mapper/MDOV-set2-sdb");
    assert_eq!((outcome.status(), outcome.scene.count("set2")), (0, (2, 3, 2)));
    assert_eq!(outcome.scene.loops.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    // A name that was given is meant.
    let outcome = twin::drive(&mut course(Some("set2")), outcome.scene, Answer::Nobody, None, None);
    assert_eq!((outcome.status(), outcome.scene.count("set2")), (1, (2, 3, 2)));
    assert_eq!(outcome.text(), "there is a set of overlays set2 already");
}

#[test]
fn whatever_happens_there_is_a_whole_set_or_nothing() {
    let changes: &[twin::Change<Room>] = &[
        ("somebody takes the loop device", |room| {
            room.loops.entry(0).or_insert_with(|| "theirs".into());
        }),
        ("somebody makes a set", |room| {
            if room.devices.is_empty() {
                room.make("set1");
            }
        }),
        ("somebody assembles the disks", |room| room.busy = room.devices.is_empty()),
        ("a disk goes", |room| room.gone = room.devices.is_empty()),
    ];
    let check = |outcome: &Outcome<Room>, what: &str| {
        let (scene, text) = (&outcome.scene, outcome.text());
        let theirs =
            what.starts_with("somebody makes") && scene.loops.values().all(|file| file.contains("set2"));
        let set = if theirs { "set2" } else { "set1" };
        let is_made = outcome.status() == 0 || text.contains("not all is done");
        let expected = if is_made { (2, 3, 2) } else { (0, 0, 0) };
        assert_eq!(scene.count(set), expected, "{what}: {text}: {scene:?}");
        if what.starts_with("somebody takes") || what.starts_with("somebody makes") {
            assert_eq!(outcome.status(), 0, "{what}: {text}");
        }
    };
    let tally =
        twin::everything(|| course(None), &Room::default(), &[Errno::EIO, Errno::EBUSY], changes, check);
    println!("overlay create: {tally:?}");
    assert!(tally.reaches(4, 28, 16), "{tally:?}");
}
