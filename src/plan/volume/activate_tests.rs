//! Activation while others change the group and its devices.

use superblock::Sectors;

use super::{super::lab::Lab, *};
use crate::{
    model::dm::SnapshotStatus,
    plan::course::{
        Answer,
        twin::{self, Outcome},
    },
    words::Errno,
};

fn course(names: &[&str]) -> Activate {
    let name = |name: &&str| match name.split_once('/') {
        Some((group, volume)) => Named { group: group.into(), volume: Some(volume.into()) },
        None => Named { group: (*name).into(), volume: None },
    };
    let request = ActivateRequest { names: names.iter().map(name).collect(), partial: false };
    Activate::new(request, Called::default())
}

/// The names of devices with live tables.
fn live(outcome: &Outcome<Lab>) -> Vec<&str> {
    let devices = outcome.scene.state.dm.devices.iter();
    devices.filter(|(_, device)| device.live.is_some()).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn whatever_happens_a_volume_is_whole_or_not_there() {
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let said = outcome.text();
        let all: Vec<String> =
            outcome.scene.group.volumes.iter().map(|volume| format!("vg-{}", volume.name)).collect();
        let devices = &outcome.scene.state.dm.devices;
        assert!(devices.values().all(|device| device.live.is_some()), "{what}: half made: {devices:?}");
        let is_late =
            what.starts_with("lvm2 makes") || what.starts_with("a device") || what.starts_with("the conf");
        let is_left = what.starts_with("lvm2 removes") || what.starts_with("lvm2 exports");
        if outcome.status() == 0 && !is_late && !is_left {
            assert_eq!(live(outcome), all, "{what}: {said}");
        }
    };
    for (volumes, names) in
        [(&["a", "b"][..], &["vg"][..]), (&["a"], &[]), (&["a", "b", "c"], &["vg/a", "vg/c", "vg/b"])]
    {
        let tally = twin::everything(
            || course(names),
            &Lab::new(volumes),
            &[Errno::EIO, Errno::EBUSY],
            &[
                ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
                ("lvm2 removes a volume", Lab::lvm2_removes_a_volume),
                ("lvm2 exports the group", Lab::lvm2_exports_the_group),
                ("lvm2 activates", Lab::lvm2_activates),
                ("a device goes", Lab::a_device_goes),
                ("the configuration breaks", Lab::the_configuration_breaks),
            ],
            check,
        );
        assert!(tally.reaches(4, 10, 20), "{tally:?}");
        println!("activate {names:?}: {tally:?}");
    }
}

#[test]
fn somebody_elses_group_is_left_alone() {
    let mut lab = Lab::new(&["a"]);
    lab.lvm2_exports_the_group();
    let named = twin::drive(&mut course(&["vg"]), lab.clone(), Answer::Yes, None, None);
    assert_eq!((named.status(), live(&named).len()), (1, 0));
    assert!(named.text().contains("group vg is not activated: the group is exported"), "{}", named.text());
    let all = twin::drive(&mut course(&[]), lab, Answer::Yes, None, None);
    assert_eq!((all.status(), live(&all).len()), (0, 0));
    assert!(all.text().contains("group vg is left alone: the group is exported"), "{}", all.text());
    // It is exported between our look and our lock.
    let late: (&str, fn(&mut Lab)) = ("", Lab::lvm2_exports_the_group);
    let late = twin::drive(&mut course(&["vg"]), Lab::new(&["a"]), Answer::Yes, None, Some((2, late)));
    assert_eq!((late.status(), live(&late).len()), (1, 0), "{}", late.text());
}

#[test]
fn one_group_that_cannot_be_stops_no_other() {
    let outcome = twin::drive(&mut course(&["none", "vg"]), Lab::new(&["a"]), Answer::Yes, None, None);
    assert_eq!((outcome.status(), live(&outcome)), (1, vec!["vg-a"]));
    assert!(outcome.text().contains("there is no group none"), "{}", outcome.text());
    let mut half = Lab::new(&["a", "b"]);
    half.is_half = true;
    let half = twin::drive(&mut course(&["vg"]), half, Answer::Yes, None, None);
    assert_eq!((half.status(), half.text().contains("vg")), (0, true), "both are on the first device");
}

#[test]
fn a_rollback_that_cannot_happen_is_said() {
    let (allocated, metadata) = (Sectors(64), Sectors(16));
    let usage = SnapshotStatus::Usage { allocated, total: Sectors(128), metadata };
    for (merges, lost) in [(usage, false), (SnapshotStatus::Overflow, true), (SnapshotStatus::Invalid, true)]
    {
        let lab = Lab::with_a_rollback(merges);
        let outcome = twin::drive(&mut course(&["vg"]), lab, Answer::Yes, None, None);
        let said = outcome.text();
        assert_eq!(outcome.status(), u8::from(lost), "{merges:?}: {said}");
        assert_eq!(said.contains("vg/s overflowed: vg/a is not rolled back"), lost, "{merges:?}: {said}");
        assert_eq!(outcome.scene.state.followed.is_empty(), lost, "nobody waits for its end");
        let ends = "vg/s: its rollback goes on, and a process in the background ends it";
        assert_eq!(said.contains(ends), !lost, "{said}");
    }
    // One that goes on has somebody who ends it, or it is said what does; whatever else goes wrong.
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let is_up = outcome.scene.state.dm.devices.contains_key("vg-a");
        let is_late = what.starts_with("lvm2 exports");
        let said = outcome.text();
        let is_followed = outcome.scene.state.followed.contains("rollback-vg-s");
        let named = said.contains("its rollback goes on, and mdctl volume rollback vg/s --wait ends it");
        assert!(!is_up || is_followed || named || is_late, "{what}: {said}");
    };
    let tally = twin::everything(
        || course(&["vg"]),
        &Lab::with_a_rollback(usage),
        &[Errno::EIO],
        &[
            ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
            ("lvm2 exports the group", Lab::lvm2_exports_the_group),
            ("a device goes", Lab::a_device_goes),
        ],
        check,
    );
    println!("activate with a rollback that goes on: {tally:?}");
    assert!(tally.reaches(7, 10, 20), "{tally:?}");
    // Whatever happens in between, one that overflowed is not taken for one that goes on.
    let lab = Lab::with_a_rollback(SnapshotStatus::Overflow);
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let is_up = outcome.scene.state.dm.devices.values().any(|device| device.live.is_some());
        let is_late = what.starts_with("lvm2 removes") || what.starts_with("lvm2 exports");
        assert!(outcome.status() != 0 || !is_up || is_late, "{what}: {}", outcome.text());
    };
    let tally = twin::everything(
        || course(&["vg"]),
        &lab,
        &[Errno::EIO],
        &[
            ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
            ("lvm2 exports the group", Lab::lvm2_exports_the_group),
            ("a device goes", Lab::a_device_goes),
            ("the configuration breaks", Lab::the_configuration_breaks),
        ],
        check,
    );
    println!("activate with a rollback: {tally:?}");
    assert!(tally.reaches(6, 10, 20), "{tally:?}");
}

#[test]
fn a_rollback_that_would_cost_another_snapshot_does_not_begin() {
    let room = twin::drive(
        &mut course(&["vg"]),
        Lab::with_a_rollback_beside(Sectors(1 << 14)),
        Answer::Yes,
        None,
        None,
    );
    assert_eq!(room.status(), 0, "{}", room.text());
    assert!(live(&room).contains(&"vg-a") && room.scene.state.followed.contains("rollback-vg-s"));
    for names in [&["vg"][..], &[], &["vg/a", "vg/z"], &["vg/s", "vg/z"]] {
        let small = Lab::with_a_rollback_beside(Sectors(1 << 12));
        let outcome = twin::drive(&mut course(names), small, Answer::Yes, None, None);
        let said = outcome.text();
        assert_eq!((outcome.status(), live(&outcome)), (1, vec!["vg-z"]), "{names:?}: {said}");
        for part in [
            "vg/a is not activated, because its rollback to s would begin: snapshot vg/t would overflow and be lost: it has to \
             keep 4 MiB of what vg/a has now, and 2 MiB of its store are free",
            "mdctl volume resize vg/t +3M gives it the room; mdctl volume remove vg/t gives it up; then mdctl volume activate vg/a",
        ] {
            assert!(said.contains(part), "{names:?}: {said}");
        }
        assert!(outcome.scene.state.followed.is_empty() && !said.contains("goes on"), "{said}");
    }
    // Whoever is quicker, and whatever fails: it begins only with room for the other one.
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let is_up = live(outcome).contains(&"vg-a");
        let activated = what.starts_with("lvm2 activates") || what.starts_with("lvm2 removes");
        assert!(!is_up || activated, "{what}: {}", outcome.text());
    };
    let tally = twin::everything(
        || course(&["vg"]),
        &Lab::with_a_rollback_beside(Sectors(1 << 12)),
        &[Errno::EIO],
        &[
            ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
            ("lvm2 exports the group", Lab::lvm2_exports_the_group),
            ("lvm2 activates", Lab::lvm2_activates),
            ("a device goes", Lab::a_device_goes),
        ],
        check,
    );
    assert!(tally.reaches(4, 5, 10), "{tally:?}");
}
