//! Rollbacks and moves, while everything fails and others change the group: every volume has what is its own afterwards.

use superblock::{
    Sectors,
    lvm::{LvmUuid, Wish},
};

use super::{
    Called, Move, Rollback,
    lab::{Lab, places},
};
use crate::{
    model::{dm::Target, volume::FoundGroup},
    plan::{
        Step,
        course::{
            Answer,
            twin::{self, Change, Outcome, Scene},
        },
        volume::{
            devices,
            verbs_tests::{id, volume, with_volumes},
        },
    },
    request::volume::{MoveRequest, Moving, Named, RollbackRequest, When},
    words::Errno,
};

fn called() -> Called {
    Called { words: "mdctl volume".into(), dry_run: false, shows_bars: false }
}

fn lvremove_room(lab: &mut Lab) {
    if lab.has("a_moves_here") && lab.removed("vg-a_moves_here") {
        lab.group().remove("a_moves_here").unwrap();
        lab.committed();
    }
    lab.allocated(4);
}

fn forced_away(lab: &mut Lab) {
    if lab.has("a_moves_here") {
        lab.group().remove("a_moves_here").unwrap();
        lab.committed();
    }
}

fn lvextend(lab: &mut Lab) {
    if lab.has("a") {
        let room = lab.group().allocate(&Wish { extents: 1, ..Wish::default() });
        if let Ok(room) = room {
            lab.group().extend("a", room.segments).unwrap();
            let group = lab.group().clone();
            for place in places(&group, "a").into_iter().skip(4) {
                lab.contents.remove(&place);
            }
            lab.committed();
            lab.reload("a");
        }
    }
}

fn lvchange_an(lab: &mut Lab) {
    for name in ["vg-a", "vg-a-moving", "vg-a_moves_here"] {
        lab.removed(name);
    }
}

fn restarted(lab: &mut Lab) {
    lab.state.dm.devices.clear();
    lab.copied.clear();
    lab.let_go();
    let Some(found) = lab.found.clone() else { return };
    let plan = devices::activate(&found, &Default::default(), &Default::default(), &[], false).unwrap().plan;
    for step in &plan.steps {
        if let Step::Dm(step) = step {
            lab.state.dm.apply(step).unwrap();
        }
    }
}

fn aborted(lab: &mut Lab) {
    if lab.has("a_moves_here") {
        forced_away(lab);
        lab.reload("a");
        lvchange_an_layers(lab);
    }
}

fn lvchange_an_layers(lab: &mut Lab) {
    lab.removed("vg-a-moving");
    lab.removed("vg-a_moves_here");
}

fn disk_dies(lab: &mut Lab) {
    lab.is_dying = true;
}

fn disk_has_a_bad_place(lab: &mut Lab) {
    lab.unreadable = Some(2);
}

fn disk_goes(lab: &mut Lab) {
    if let Some(found) = &mut lab.found {
        found.devices[0] = None;
    }
}

fn vgremove(lab: &mut Lab) {
    lab.found = None;
    lab.state.dm.devices.clear();
}

fn another_commit(lab: &mut Lab) {
    lab.committed();
}

fn breaks_the_configuration(lab: &mut Lab) {
    lab.is_broken = true;
}

fn lvremove(lab: &mut Lab) {
    if lab.has("a") && lab.removed("vg-a") {
        lab.group().remove("a").unwrap();
        lab.committed();
    }
}

fn lvrename(lab: &mut Lab) {
    if lab.has("a") {
        lab.group().rename("a", "b").unwrap();
        lab.committed();
        if let Some(device) = lab.state.dm.devices.remove("vg-a") {
            lab.state.dm.devices.insert("vg-b".into(), device);
        }
        lab.reload("b");
    }
}

/// The devices are gone; the metadata follows.
fn lvremove_begins(lab: &mut Lab) {
    if lab.has("a") {
        for name in ["vg-a", "vg-a-moving", "vg-a_moves_here"] {
            lab.removed(name);
        }
        lab.removing = Some("a");
    }
}

const MOVES: &[Change<Lab>] = &[
    ("lvm2 wants the room, and makes a volume", lvremove_room),
    ("the room is taken out of the metadata by force", forced_away),
    ("lvm2 makes the volume longer", lvextend),
    ("lvm2 deactivates the volume", lvchange_an),
    ("the machine restarts", restarted),
    ("a second mdctl gives the move up", aborted),
    ("the new disk dies", disk_dies),
    ("the old disk cannot be read everywhere", disk_has_a_bad_place),
    ("the old disk is not to be seen", disk_goes),
    ("the configuration breaks", breaks_the_configuration),
    ("the group is removed", vgremove),
    ("lvm2 removes the volume", lvremove),
    ("lvm2 begins to remove the volume", lvremove_begins),
    ("lvm2 renames the volume", lvrename),
    ("somebody commits something else", another_commit),
];

fn copies(lab: &Lab) -> bool {
    let mirror = |row: &crate::model::dm::Row| matches!(row.target, Target::Mirror { .. });
    let tables = lab.state.dm.devices.values().filter_map(|device| device.live.as_ref());
    tables.flat_map(|table| &table.rows).any(mirror)
}

#[test]
fn a_move_loses_nothing_whatever_happens() {
    let request = MoveRequest {
        name: Named { group: "vg".into(), volume: Some("a".into()) },
        what: Moving::Move { from: Some("/dev/md0".into()), to: Vec::new(), wait: true },
    };
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let lab = &outcome.scene;
        let knows = lab.has("a_moves_here");
        // What copies is known to the metadata, so that somebody can end it.
        assert!(!copies(lab) || knows, "{what}: copies what nobody knows of; {}", outcome.text());
        // Who was to wait for the end does not go away well before it.
        assert!(outcome.status() != 0 || !knows, "{what}: ended before the move; {}", outcome.text());
        if outcome.status() == 0 && lab.has("a") && !knows && !what.contains("gives the move up") {
            let group = &lab.found.as_ref().unwrap().group;
            let on_old = places(group, "a").iter().take(4).any(|(pv, _)| *pv == 0);
            assert!(!on_old || what.contains("force"), "{what}: moved, it says; {}", outcome.text());
        }
    };
    let lab = Lab::new(with_volumes());
    let clean = twin::drive(&mut Move::new(&request, called()), lab.clone(), Answer::Yes, None, None);
    assert_eq!((clean.status(), copies(&clean.scene)), (0, false), "{}", clean.text());
    assert_eq!(places(&clean.scene.found.unwrap().group, "a").iter().map(|(pv, _)| *pv).max(), Some(1));
    let tally =
        twin::everything(|| Move::new(&request, called()), &lab, &[Errno::EIO, Errno::EBUSY], MOVES, check);
    println!("move: {tally:?}");
    assert!(tally.reaches(3, 8, 20), "{tally:?}");
    // One that is not active is activated for it.
    let mut asleep = lab;
    asleep.state.dm.devices.clear();
    let tally = twin::everything(|| Move::new(&request, called()), &asleep, &[Errno::EIO], MOVES, check);
    println!("move asleep: {tally:?}");
    assert!(tally.reaches(3, 8, 20), "{tally:?}");
    let down = twin::drive(&mut Move::new(&request, called()), asleep, Answer::Yes, None, None);
    assert!(down.scene.state.dm.devices.is_empty(), "{:?}", down.scene.state.dm.devices.keys());
}

#[test]
fn a_move_in_the_background_and_one_given_up() {
    let named = || Named { group: "vg".into(), volume: Some("a".into()) };
    let begin = MoveRequest {
        name: named(),
        what: Moving::Move { from: Some("/dev/md0".into()), to: Vec::new(), wait: false },
    };
    let begun =
        twin::drive(&mut Move::new(&begin, called()), Lab::new(with_volumes()), Answer::Yes, None, None);
    assert!(
        begun
            .text()
            .contains("vg/a: 0 % copied; the kernel goes on, and a process in the background ends it")
    );
    assert!(begun.scene.state.followed.contains("move-vg-a") && copies(&begun.scene));
    let abort = MoveRequest { name: named(), what: Moving::Abort };
    let check = |outcome: &Outcome<Lab>, what: &str| {
        if outcome.status() == 0 {
            assert!(!copies(&outcome.scene), "{what}: {}", outcome.text());
        }
    };
    let tally = twin::everything(|| Move::new(&abort, called()), &begun.scene, &[Errno::EIO], MOVES, check);
    println!("abort: {tally:?}");
    assert!(tally.reaches(3, 8, 20), "{tally:?}");
    // Whoever watches ends what lost its room, and says so.
    let go_on = MoveRequest { name: named(), what: Moving::Move { from: None, to: Vec::new(), wait: true } };
    let taken = twin::drive(
        &mut Move::new(&go_on, called()),
        begun.scene,
        Answer::Yes,
        None,
        Some((2, ("taken", forced_away))),
    );
    assert!(
        taken.text().contains("vg/a: the metadata has no room that it moves to any more"),
        "{}",
        taken.text()
    );
    assert!(taken.status() == 1 && !copies(&taken.scene));
    assert_eq!(taken.scene.state.dm.devices.keys().collect::<Vec<_>>(), ["vg-a", "vg-w"]);
}

#[test]
fn a_move_of_which_a_device_fails_is_given_up() {
    let named = || Named { group: "vg".into(), volume: Some("a".into()) };
    let request = |wait| MoveRequest {
        name: named(),
        what: Moving::Move { from: Some("/dev/md0".into()), to: Vec::new(), wait },
    };
    let failures: [(Change<Lab>, &str); 2] = [
        (("old", disk_has_a_bad_place), "vg/a: /dev/md0, where it is, has read errors: the move is given up"),
        (("new", disk_dies), "vg/a: /dev/md1, where it goes, has write errors: the move is given up"),
    ];
    for (failure, says) in failures {
        let (waits, lab) = (request(true), Lab::new(with_volumes()));
        let mut course = Move::new(&waits, called());
        let ended = twin::drive(&mut course, lab, Answer::Yes, None, Some((3, failure)));
        assert!(ended.text().contains(says), "{}", ended.text());
        assert!(ended.text().contains("vg/a stays where it was"), "{}", ended.text());
        assert_eq!((ended.status(), copies(&ended.scene)), (1, false), "{}", ended.text());
        assert_eq!(ended.scene.sound(), Ok(()), "{}", ended.text());
        assert!(!ended.scene.has("a_moves_here"), "{}", ended.text());
        assert_eq!(ended.scene.state.dm.devices.keys().collect::<Vec<_>>(), ["vg-a", "vg-w"]);
        // Somebody gives it up whom nobody told; what is held is let go, or nothing could be suspended.
        let (begins, lab) = (request(false), Lab::new(with_volumes()));
        let mut begun = twin::drive(&mut Move::new(&begins, called()), lab, Answer::Yes, None, None).scene;
        failure.1(&mut begun);
        (0..4).for_each(|_| begun.copies());
        let abort = MoveRequest { name: named(), what: Moving::Abort };
        let ended = twin::drive(&mut Move::new(&abort, called()), begun, Answer::Yes, None, None);
        assert_eq!((ended.status(), copies(&ended.scene)), (0, false), "{}", ended.text());
        assert_eq!(ended.scene.sound(), Ok(()), "{}", ended.text());
    }
}

#[test]
fn a_move_ends_with_its_volume() {
    let request = MoveRequest {
        name: Named { group: "vg".into(), volume: Some("a".into()) },
        what: Moving::Move { from: Some("/dev/md0".into()), to: Vec::new(), wait: true },
    };
    let changes: [fn(&mut Lab); 2] = [lvremove, lvremove_begins];
    for change in changes {
        let change = ("removed", change);
        let mut course = Move::new(&request, called());
        let lab = Lab::new(with_volumes());
        let ended = twin::drive(&mut course, lab, Answer::Yes, None, Some((3, change)));
        assert!(ended.text().contains("it was removed while it was being moved"), "{}", ended.text());
        assert!(!ended.scene.has("a") && !ended.scene.has("a_moves_here"), "{}", ended.text());
        assert_eq!((ended.status(), copies(&ended.scene)), (1, false), "{}", ended.text());
    }
}

/// `a` with snapshots `w`, which is put back, and `t`.
fn with_snapshots() -> FoundGroup {
    let mut found = with_volumes();
    let room = found.group.allocate(&Wish { extents: 1, ..Wish::default() }).unwrap();
    let mut t = superblock::lvm::LogicalVolume::empty("t".into());
    (t.id, t.segments) = (id(41), room.segments);
    found.group.add(t).unwrap();
    found.group.make_snapshot("a", "w", Sectors(8), id(42)).unwrap();
    found.group.make_snapshot("a", "t", Sectors(8), id(43)).unwrap();
    found
}

fn deactivated(lab: &mut Lab) {
    if lab.state.dm.devices.values().all(|device| !device.open) {
        lab.state.dm.devices.clear();
    }
}

fn finished_by_lvm2(lab: &mut Lab) {
    let merging = lab.found.as_ref().and_then(|found| Some(found.group.snapshot_in("w")?.merging));
    if merging == Some(true) && lab.merging.0 == 0 {
        lab.group().remove("w").unwrap();
        lab.committed();
        lab.state.dm.devices.clear();
    }
}

const ROLLBACKS: &[Change<Lab>] = &[
    ("the volume is deactivated", deactivated),
    ("lvm2 ends it", finished_by_lvm2),
    ("the machine restarts", restarted),
    ("the group is removed", vgremove),
    ("somebody commits something else", another_commit),
];

#[test]
fn a_rollback_loses_nothing_whatever_happens() {
    let request = RollbackRequest { name: volume("w"), when: When::Now, wait: true };
    let lab = Lab::new(with_snapshots());
    let clean = twin::drive(&mut Rollback::new(&request, called()), lab.clone(), Answer::Yes, None, None);
    assert_eq!((clean.status(), clean.scene.merging.0), (0, 0), "{}", clean.text());
    assert!(!clean.scene.has("w") && clean.scene.has("t"));
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let lab = &outcome.scene;
        let is_over = outcome.status() == 0 && lab.has("a") && !lab.has("w");
        assert!(!is_over || lab.merging.0 == 0, "{what}: {}", outcome.text());
    };
    let tally = twin::everything(
        || Rollback::new(&request, called()),
        &lab,
        &[Errno::EIO, Errno::EBUSY],
        ROLLBACKS,
        check,
    );
    println!("rollback: {tally:?}");
    assert!(tally.reaches(3, 8, 20), "{tally:?}");
    // The other snapshot would be lost.
    let mut small = lab.clone();
    small.merging.1 = 2;
    let refused = twin::drive(&mut Rollback::new(&request, called()), small, Answer::Yes, None, None);
    assert!(refused.text().contains("snapshot vg/t would overflow and be lost"), "{}", refused.text());
    assert_eq!((refused.status(), refused.scene.merging.0), (1, 3));
    // Nobody waits.
    let request = RollbackRequest { wait: false, ..request };
    let begun = twin::drive(&mut Rollback::new(&request, called()), lab, Answer::Yes, None, None);
    assert!(begun.text().contains("a process in the background ends it"), "{}", begun.text());
    assert!(begun.scene.state.followed.contains("rollback-vg-w"));
    assert_eq!(LvmUuid::from_random([41; 32]), id(41));
}
