//! Deactivation, removal and renaming while others change the group and its devices.

use super::{super::lab::Lab, *};
use crate::{
    plan::{
        course::{
            Answer,
            twin::{self, Outcome},
        },
        volume::activate::Activate,
    },
    request::volume::ActivateRequest,
    words::Errno,
};

fn course(names: &[&str]) -> impl InTurnCourse + use<> {
    let name = |name: &&str| match name.split_once('/') {
        Some((group, volume)) => Named { group: group.into(), volume: Some(volume.into()) },
        None => Named { group: (*name).into(), volume: None },
    };
    deactivate(names.iter().map(name).collect(), Called::default())
}

/// With all of its volumes active.
fn up(volumes: &[&str]) -> Lab {
    let request = ActivateRequest { names: Vec::new(), partial: false };
    let mut activate = Activate::new(request, Called::default());
    twin::drive(&mut activate, Lab::new(volumes), Answer::Yes, None, None).scene
}

fn run(lab: Lab, names: &[&str]) -> (Outcome<Lab>, Vec<String>) {
    let outcome = twin::drive(&mut course(names), lab, Answer::Nobody, None, None);
    let left = outcome.scene.state.dm.devices.keys().cloned().collect();
    (outcome, left)
}

#[test]
fn what_is_named_goes_and_what_is_not_there_is_said() {
    let (all, left) = run(up(&["a", "b"]), &[]);
    assert_eq!((all.status(), left.len()), (0, 0), "{}", all.text());
    let (one, left) = run(up(&["a", "b"]), &["vg/a"]);
    assert_eq!((one.status(), left), (0, vec!["vg-b".to_owned()]), "{}", one.text());
    let (again, left) = run(one.scene, &["vg/a", "none", "vg/b"]);
    assert_eq!((again.status(), left.len()), (1, 0), "{}", again.text());
    assert!(again.text().contains("there is no group none"), "{}", again.text());
    let mut nothing = course(&["vg"]);
    let outcome = twin::drive(&mut nothing, again.scene, Answer::Nobody, None, None);
    assert_eq!((outcome.status(), outcome.text().as_str(), nothing.nothing().len()), (0, "nothing to do", 1));
}

#[test]
fn devices_whose_disks_are_gone_go_as_the_kernel_has_them() {
    let mut lab = up(&["a", "b"]);
    lab.is_lost = true;
    let (outcome, left) = run(lab.clone(), &["vg"]);
    assert_eq!((outcome.status(), left.len()), (0, 0), "{}", outcome.text());
    assert!(outcome.text().contains("no metadata of group vg is there"), "{}", outcome.text());
    let (outcome, left) = run(lab, &["vg/a"]);
    assert_eq!((outcome.status(), left), (0, vec!["vg-b".to_owned()]), "{}", outcome.text());
}

#[test]
fn it_ends_whatever_fails_and_whoever_comes_between() {
    let changes: &[twin::Change<Lab>] = &[
        ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
        ("lvm2 removes a volume", Lab::lvm2_removes_a_volume),
        ("lvm2 exports the group", Lab::lvm2_exports_the_group),
        ("lvm2 activates", Lab::lvm2_activates),
        ("a device goes", Lab::a_device_goes),
        ("all devices go", |lab| lab.is_lost = true),
        ("the configuration breaks", Lab::the_configuration_breaks),
    ];
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let devices = &outcome.scene.state.dm.devices;
        assert!(devices.values().all(|device| device.live.is_some()), "{what}: half gone: {devices:?}");
        // It removes no device here.
        let is_late = what.starts_with("lvm2 activates") || what.starts_with("lvm2 removes");
        let is_late = is_late || (what.starts_with("all devices go") && outcome.text() == "nothing to do");
        assert!(outcome.status() != 0 || devices.is_empty() || is_late, "{what}: {}", outcome.text());
    };
    for names in [&["vg"][..], &[], &["vg/a", "vg/b"]] {
        let scene = up(&["a", "b"]);
        let tally = twin::everything(|| course(names), &scene, &[Errno::EIO, Errno::EBUSY], changes, check);
        println!("deactivate {names:?}: {tally:?}");
        assert!(tally.reaches(3, 13, 21), "{tally:?}");
    }
}

fn volumes(names: &[&str]) -> impl InTurnCourse + use<> {
    let name = |name: &&str| {
        let (group, volume) = name.split_once('/').expect("a volume");
        VolumeName { group: group.into(), volume: volume.into() }
    };
    remove(&names.iter().map(name).collect::<Vec<_>>(), Called::default())
}

#[test]
fn removal_is_asked_about_and_one_that_cannot_be_stops_no_other() {
    let scene = up(&["a", "b"]);
    for (answer, left) in [(Answer::Yes, 1), (Answer::No, 2), (Answer::Nobody, 2)] {
        let mut course = volumes(&["none/x", "vg/a"]);
        let outcome = twin::drive(&mut course, scene.clone(), answer, None, None);
        assert_eq!((outcome.status(), outcome.scene.group.volumes.len()), (1, left), "{}", outcome.text());
        assert!(outcome.text().contains("there is no group none"), "{}", outcome.text());
        assert_eq!(outcome.text().contains("nothing was done"), left == 2, "{}", outcome.text());
    }
    let mut group = remove_groups(vec!["vg".into()], Called::default());
    let outcome = twin::drive(&mut group, scene, Answer::Yes, None, None);
    assert_eq!(outcome.status(), 1, "it has volumes: {}", outcome.text());
}

#[test]
fn what_is_removed_is_removed_whole_whatever_happens() {
    let changes: &[twin::Change<Lab>] = &[
        ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
        ("lvm2 removes a volume", Lab::lvm2_removes_a_volume),
        ("lvm2 exports the group", Lab::lvm2_exports_the_group),
        ("a device goes", Lab::a_device_goes),
        ("the configuration breaks", Lab::the_configuration_breaks),
    ];
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let lab = &outcome.scene;
        let has = |name: &str| lab.group.volumes.iter().any(|volume| volume.name == name);
        let foreign = changes.iter().any(|(name, _)| what.starts_with(name));
        assert!(has("b"), "{what}: what nobody named stays");
        if outcome.status() == 0 {
            let device = lab.state.dm.devices.contains_key("vg-a");
            assert!(!has("a") && !device, "{what}: {}", outcome.text());
        } else if !foreign && !outcome.text().contains("not all is done") {
            assert!(has("a") && lab.state.dm.devices.contains_key("vg-a"), "{what}: {}", outcome.text());
        }
    };
    let scene = up(&["a", "b"]);
    let make = || volumes(&["vg/a"]);
    let tally = twin::everything(make, &scene, &[Errno::EIO, Errno::EBUSY], changes, check);
    println!("volume remove: {tally:?}");
    assert!(tally.reaches(4, 20, 20), "{tally:?}");
}

#[test]
fn a_volume_has_one_of_two_names_whatever_happens() {
    let changes: &[twin::Change<Lab>] = &[
        ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
        ("lvm2 removes a volume", Lab::lvm2_removes_a_volume),
        ("lvm2 exports the group", Lab::lvm2_exports_the_group),
        ("the configuration breaks", Lab::the_configuration_breaks),
    ];
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let lab = &outcome.scene;
        let has = |name: &str| lab.group.volumes.iter().any(|volume| volume.name == name);
        let device = |name: &str| lab.state.dm.devices.contains_key(name);
        let text = outcome.text();
        assert!(has("b") && device("vg-b"), "{what}: what nobody named stays");
        if outcome.status() == 0 {
            assert!(has("new") && !has("a") && device("vg-new") && !device("vg-a"), "{what}: {text}");
        } else if !what.starts_with("lvm2 removes") && !text.contains("not all is done") {
            assert!(has("a") && !has("new") && device("vg-a") && !device("vg-new"), "{what}: {text}");
        }
    };
    let scene = up(&["a", "b"]);
    let from = VolumeName { group: "vg".into(), volume: "a".into() };
    let make = || rename(&from, "new", Called::default());
    let tally = twin::everything(make, &scene, &[Errno::EIO, Errno::EBUSY], changes, check);
    println!("volume rename: {tally:?}");
    assert!(tally.reaches(3, 15, 12), "{tally:?}");
}
