//! What verbs decide on one look at a group, while others change it.

use superblock::{Bytes, foreign::Kind};

use super::{
    change::{ChangeCourse, ChangeManner},
    create::{self, MakingVolumes},
    group,
    lab::Lab,
    reduce, resize,
    restore::{self, Restoring},
    snapshot,
    verbs_tests::{candidate, found, id, new, volume, with_volumes},
    which::Which,
};
use crate::{
    model::{
        DevId,
        volume::{GroupSeen, Groups, KeptState, VolumeInside},
    },
    plan::course::twin::{self, Outcome},
    request::volume::{
        Amount, CreateGroup, CreateVolumes, NewSnapshot, PvWord, ResizeRequest, Sign, SizeChange, Wipe,
    },
    words::Errno,
};

fn new_snapshot(on: &[&str]) -> NewSnapshot {
    let word = |path: &&str| PvWord { path: (*path).to_owned(), ranges: Vec::new() };
    NewSnapshot {
        origin: volume("a"),
        name: Some("s".into()),
        size: None,
        chunk: None,
        read_only: false,
        on: on.iter().map(word).collect(),
    }
}

#[test]
fn a_snapshot_is_made_or_nothing_was_done() {
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let (group, said) = (&outcome.scene.group, outcome.text());
        let is_made = group.snapshots_of("a").next().is_some();
        let is_incomplete = said.contains("not all is done");
        assert_eq!(is_made, outcome.status() == 0 || is_incomplete, "{what}: {said}");
        // What lvm2 made is never lost.
        assert!(!what.starts_with("lvm2 makes") || group.volume("lvm2s").is_some(), "{what}: {said}");
    };
    let new = new_snapshot(&["/dev/d1"]);
    let tally = twin::everything(
        || {
            ChangeCourse::new(
                snapshot::look(&new, ""),
                |seen: &GroupSeen| snapshot::decide(seen, &new),
                ChangeManner::Carry,
            )
        },
        &Lab::new(&["a"]),
        &[Errno::EIO, Errno::ENOSPC],
        &[
            ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
            ("lvm2 removes a volume", Lab::lvm2_removes_a_volume),
            ("lvm2 exports the group", Lab::lvm2_exports_the_group),
            ("the configuration breaks", Lab::the_configuration_breaks),
        ],
        check,
    );
    assert!(tally.reaches(3, 15, 12), "{tally:?}");
}

#[test]
fn identities_are_those_that_were_seen() {
    let outcome = twin::drive(
        &mut ChangeCourse::new(
            snapshot::look(&new_snapshot(&[]), ""),
            |seen: &GroupSeen| snapshot::decide(seen, &new_snapshot(&[])),
            ChangeManner::Carry,
        ),
        Lab::new(&["a"]),
        crate::plan::course::Answer::Yes,
        None,
        None,
    );
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    let ids: Vec<_> = [100, 101].map(id).to_vec();
    let made = outcome.scene.group.volume("s").expect("it was made");
    assert!(ids.contains(&made.id), "{:?}", made.id);
    let blind = GroupSeen { name: "vg".into(), groups: outcome.scene.groups(), ..GroupSeen::default() };
    let refusal = snapshot::decide(&blind, &NewSnapshot { name: Some("t".into()), ..new_snapshot(&[]) });
    assert_eq!(refusal.unwrap_err().text, "no more random identities");
}

#[test]
fn devices_join_and_leave_as_they_were_seen() {
    let request = CreateGroup { group: "vg".into(), devices: Vec::new(), extent: None, room: None };
    let seen = |groups: Groups, joining: &[u8]| GroupSeen {
        name: "vg".into(),
        groups,
        joining: joining.iter().map(|n| candidate(*n)).collect(),
        random: vec![[99; 32], [57; 32]],
        numbers: vec![("/dev/md1".into(), DevId { major: 9, minor: 1 })],
        ..GroupSeen::default()
    };
    let made = group::decide_create(&seen(Groups::default(), &[7]), &request).unwrap().expect("a plan");
    assert_eq!(made.summary, "make group vg of /dev/md7");
    let two = group::decide_create(&seen(Groups::default(), &[7, 8]), &request).unwrap_err();
    assert_eq!(two.text, "no more random identities");
    let none = group::decide_extend(&seen(Groups::default(), &[7]), None).unwrap_err();
    assert_eq!(none.text, "there is no group vg (there are none)");
    let there = || Groups { groups: vec![found()], ..Groups::default() };
    let more = group::decide_extend(&seen(there(), &[7]), Some(Bytes(1 << 20))).unwrap().expect("a plan");
    assert_eq!(more.summary, "add /dev/md7 to group vg");
    let less = |groups, path: &str| reduce::decide(&seen(groups, &[]), &[path.to_owned()]);
    assert!(less(there(), "/dev/md1").unwrap().is_some());
    assert_eq!(less(there(), "/dev/md5").unwrap_err().text, "/dev/md5 is not a block device");
    let used = Groups { groups: vec![with_volumes()], ..Groups::default() };
    assert!(less(used, "/dev/md1").unwrap_err().text.contains("vg/w is on it"));
}

#[test]
fn what_is_inside_matters_only_where_it_could_be_lost() {
    let seen = |content| GroupSeen {
        name: "vg".into(),
        groups: Groups { groups: vec![with_volumes()], ..Groups::default() },
        inside: Some(VolumeInside { content, store: None }),
        ..GroupSeen::default()
    };
    let decide = |content, sign, fs| {
        let change = SizeChange { sign: Some(sign), amount: Amount::Extents(1) };
        let request = ResizeRequest { name: volume("a"), change, fs, force: false, on: Vec::new() };
        resize::decide(&seen(content), &request).map_err(|refusal| refusal.text)
    };
    let unread = || Err("/dev/md0: read: EIO".to_owned());
    assert!(decide(unread(), Sign::Plus, false).unwrap().is_some());
    assert_eq!(decide(unread(), Sign::Minus, false).unwrap_err(), "/dev/md0: read: EIO");
    assert_eq!(decide(unread(), Sign::Plus, true).unwrap_err(), "/dev/md0: read: EIO");
    let idle = decide(Ok(Some((Kind::Ext4, None))), Sign::Plus, true).unwrap_err();
    assert_eq!(idle, "vg/a is not active: its file system cannot be resized");
}

#[test]
fn volumes_are_made_all_or_none() {
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let (group, said) = (&outcome.scene.group, outcome.text());
        let made = ["b", "c"].map(|name| group.volume(name).is_some());
        assert_eq!(made[0], made[1], "{what}: {said}");
        assert_eq!(made[0], outcome.status() == 0 || said.contains("not all is done"), "{what}: {said}");
        assert!(!what.starts_with("lvm2 makes") || group.volume("lvm2s").is_some(), "{what}: {said}");
    };
    for wipe in [Wipe::No, Wipe::Yes] {
        let volumes = vec![new("b", 2, 1), new("c", 2, 1)];
        let request = CreateVolumes { volumes, from: None, wipe, inactive: true };
        let tally = twin::everything(
            || {
                ChangeCourse::new(
                    create::look(&request, "vg", ""),
                    MakingVolumes { request: &request },
                    ChangeManner::Carry,
                )
            },
            &Lab::new(&["a"]),
            &[Errno::EIO],
            &[
                ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
                ("lvm2 removes a volume", Lab::lvm2_removes_a_volume),
                ("lvm2 exports the group", Lab::lvm2_exports_the_group),
                ("the configuration breaks", Lab::the_configuration_breaks),
            ],
            check,
        );
        // What lies in their place is looked at where it would be wiped.
        let turns = if wipe == Wipe::No { 3 } else { 4 };
        assert!(tally.turns == turns && tally.reaches(turns, 5, 12), "{tally:?}");
    }
}

#[test]
fn an_earlier_state_comes_back_or_nothing_was_done() {
    let mut group = Lab::new(&["a"]).group;
    group.seqno = 4;
    let kept = [KeptState { path: "/etc/lvm/archive/vg_00004".into(), group }];
    let which = Which::At(4);
    let restoring = Restoring { name: "vg", kept: &kept, all: &kept, which: &which, force: true };
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let (group, said) = (&outcome.scene.group, outcome.text());
        let is_back = group.volume("b").is_none();
        assert_eq!(is_back, outcome.status() == 0 || said.contains("not all is done"), "{what}: {said}");
    };
    let tally = twin::everything(
        || ChangeCourse::new(restore::look("vg", ""), restoring, ChangeManner::Carry),
        &Lab::new(&["a", "b"]),
        &[Errno::EIO],
        &[
            ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
            ("lvm2 exports the group", Lab::lvm2_exports_the_group),
            ("the configuration breaks", Lab::the_configuration_breaks),
        ],
        check,
    );
    assert!(tally.reaches(5, 8, 15), "{tally:?}");
}
