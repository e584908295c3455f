//! Which device counts, by values.

use superblock::{
    Bytes, Sectors,
    lvm::{Extent, Label, LogicalVolume, PhysicalVolume, Stamp, Wish},
};

use super::*;
use crate::model::{
    dm::Listed,
    volume::{AreaSeen, Checked},
};

fn id(seed: u8) -> LvmUuid {
    LvmUuid::from_random([seed; 32])
}

/// A group of two physical volumes with one volume on each.
fn group(seqno: u32) -> Group {
    let mut group = Group::empty("vg".into());
    (group.id, group.seqno) = (id(9), seqno);
    for seed in 1..=2u8 {
        let pv = PhysicalVolume::new(
            id(seed),
            format!("/dev/d{seed}"),
            Sectors(131_072),
            Sectors(2048),
            Sectors(8192),
        );
        group.add_pv(pv.unwrap()).unwrap();
    }
    for (name, seed) in [("a", 20), ("b", 21)] {
        let segments = group.allocate(&Wish { extents: 10, ..Wish::default() }).unwrap().segments;
        group.add(LogicalVolume { id: id(seed), segments, ..LogicalVolume::empty(name.into()) }).unwrap();
    }
    group
}

fn text(group: &Group) -> Arc<Text> {
    let bytes = group.raw(&Stamp::default());
    let group = Group::parse(&bytes).map_err(|bad| bad.to_string());
    Arc::new(Text { bytes, group })
}

fn strange_text(bytes: &str) -> Arc<Text> {
    let group = Group::parse(bytes.as_bytes()).map_err(|bad| bad.to_string());
    Arc::new(Text { bytes: bytes.as_bytes().to_vec(), group })
}

fn on(minor: u32, seed: u8, texts: &[Arc<Text>]) -> SightedPv {
    let place = Extent { start: Bytes(4096), size: Bytes(1_044_480) };
    let holds = texts.first().and_then(|text| text.group.as_ref().ok()).map(|group| (group.id, group.seqno));
    let area = AreaSeen { area: superblock::lvm::Area::new(place), holds };
    let pv = PvDevice {
        path: format!("/dev/d{minor}"),
        dev: DevId { major: 8, minor },
        size: Bytes(64 << 20),
        logical_block: 512,
        read_only: false,
        label: Label::new(id(seed), Bytes(64 << 20), place, Bytes(1 << 20)),
        areas: vec![area],
        damaged: Vec::new(),
        twice: Vec::new(),
        stripe: Sectors(0),
        device_id: None,
    };
    SightedPv { pv, texts: texts.to_vec(), refused: None, holders: Vec::new() }
}

fn gathered(sighted: Vec<SightedPv>) -> Groups {
    let mut groups = Groups::default();
    gather(&mut groups, sighted);
    groups
}

#[test]
fn the_newest_text_counts_and_the_rest_lags() {
    let groups = gathered(vec![on(1, 1, &[text(&group(4))]), on(2, 2, &[text(&group(5))])]);
    let found = groups.group("vg").unwrap();
    assert_eq!((found.group.seqno, found.present().count()), (5, 2));
    assert!(found.objections.is_empty() && found.absent.is_empty(), "{:?}", found.objections);
    assert!(found.remarks[0].contains("its metadata is that of change 4, the group's is 5"));
}

#[test]
fn what_is_missing_is_missing() {
    let groups = gathered(vec![on(1, 1, &[text(&group(5))])]);
    let found = groups.group("vg").unwrap();
    assert_eq!(found.objections, [format!("pv1 ({}), last seen as /dev/d2, is missing", id(2))]);
    assert!(!found.is_left_out(1));
}

#[test]
fn what_is_there_twice_is_on_two_devices() {
    let both =
        || vec![on(1, 1, &[text(&group(5))]), on(2, 2, &[text(&group(5))]), on(5, 1, &[text(&group(5))])];
    let groups = gathered(both());
    let found = groups.group("vg").unwrap();
    let said = format!("pv0 ({}) is on two devices, /dev/d1 and /dev/d5: {TAKE_AWAY}", id(1));
    assert_eq!((found.why_absent(0), &found.objections[0]), (said.clone(), &said));
    assert!(found.is_left_out(0) && found.devices[0].is_none());
    assert_eq!(groups.refused.len(), 2);
    // A group of which nothing else is there is known all the same.
    let mut alone = both();
    alone.remove(1);
    assert!(gathered(alone).group("vg").is_some());
    // Active volumes show which one is meant; changes wait as with lvm2.
    let mut used = both();
    used[2].holders = vec![DevId { major: 253, minor: 0 }];
    let volume = Listed { dev: DevId { major: 253, minor: 0 }, name: "vg-a".into(), ..Listed::default() };
    for (allowed, objections) in [(false, 1), (true, 0)] {
        let mut groups =
            Groups { active: vec![volume.clone()], change_with_duplicates: allowed, ..Groups::default() };
        gather(&mut groups, used.clone());
        let found = groups.group("vg").unwrap();
        assert_eq!(found.devices[0].as_ref().unwrap().path, "/dev/d5");
        assert_eq!(found.objections.len(), objections, "{:?}", found.objections);
        let said = found.objections.iter().chain(&found.remarks).next().unwrap();
        assert!(
            said.contains("is on several devices, /dev/d1 and /dev/d5: active volumes use /dev/d5"),
            "{said}"
        );
        assert_eq!(groups.refused.len(), 1);
    }
    // The upper one of a stack is what the lower one is for.
    let mut stack = both();
    stack[0].holders = vec![stack[2].pv.dev];
    let groups = gathered(stack);
    let found = groups.group("vg").unwrap();
    assert_eq!(found.devices[0].as_ref().unwrap().path, "/dev/d5");
    assert!(found.objections.is_empty() && found.remarks.is_empty());
    let checked = Checked::left_out(&groups.refused[0]);
    assert_eq!(checked.facts, ["/dev/d1 is below /dev/d5, which counts in its place"]);
    assert!(checked.problems.is_empty(), "a plain stack is sound");
}

#[test]
fn what_cannot_be_read_is_said_once() {
    let [both, other] = ["/dev/a: reading: error", "/dev/a: small"].map(str::to_owned);
    let mut checked =
        Checked { problems: vec![both.clone()], remarks: vec![both, other.clone()], ..Checked::default() };
    checked.say_once();
    assert_eq!(checked.remarks, [other]);
}

#[test]
fn what_does_not_count_has_its_cause() {
    let mut unlisted = on(1, 1, &[text(&group(5))]);
    unlisted.refused = Some(LeftOutCause::NotListed);
    let groups = gathered(vec![unlisted, on(2, 2, &[text(&group(5))])]);
    let found = groups.group("vg").unwrap();
    assert_eq!(
        found.why_absent(0),
        format!("pv0 ({}) is left out: /dev/d1 is not in the devices file", id(1))
    );
    assert!(groups.refused[0].is_somebodys() && groups.refused[0].group.as_deref() == Some("vg"));
    // A filter leaves a path and no more; the hint of where the device was says the rest.
    let turned = RefusedDevice {
        path: "/dev/d1".into(),
        dev: None,
        pv: None,
        group: None,
        cause: LeftOutCause::Filtered,
    };
    let mut groups = Groups { unopened: vec![turned], ..Groups::default() };
    gather(&mut groups, vec![on(2, 2, &[text(&group(5))])]);
    let why = groups.group("vg").unwrap().why_absent(0);
    assert!(why.ends_with("is left out: /dev/d1 is turned away by a filter of lvm.conf"), "{why}");
}

#[test]
fn what_is_not_understood_is_somebodys() {
    let odd = strange_text("pm {\nid = 7\n}\n");
    let groups = gathered(vec![on(1, 1, std::slice::from_ref(&odd))]);
    assert!(groups.groups.is_empty() && groups.lone.is_empty());
    let refused = &groups.refused[0];
    assert!(refused.is_somebodys() && refused.group.as_deref() == Some("pm"), "{refused:?}");
    // An old state of a group that forgot the device is free.
    let mut without = group(6);
    without.volumes.clear();
    without.remove_pv(id(1)).unwrap();
    let groups = gathered(vec![on(1, 1, &[text(&group(5))]), on(2, 2, &[text(&without)])]);
    assert!(!groups.refused[0].is_somebodys(), "{:?}", groups.refused);
}

#[test]
fn a_configuration_that_is_not_understood_objects() {
    let mut groups = Groups { faults: vec!["lvm.conf: line 1: x".into()], ..Groups::default() };
    gather(&mut groups, vec![on(1, 1, &[text(&group(5))]), on(2, 2, &[text(&group(5))])]);
    assert_eq!(groups.group("vg").unwrap().objections, ["lvm.conf: line 1: x"]);
}

#[test]
fn whose_a_group_is() {
    let anothers = |change: &dyn Fn(&mut Group)| {
        let mut group = group(5);
        change(&mut group);
        let found = gathered(vec![on(1, 1, &[text(&group)]), on(2, 2, &[text(&group)])]);
        found.group("vg").unwrap().anothers.join("; ")
    };
    use superblock::lvm::group::GroupStatus;
    assert_eq!(anothers(&|_| ()), "");
    assert_eq!(
        anothers(&|group| group.system_id = Some("box".into())),
        "the group belongs to the machine \"box\""
    );
    assert!(anothers(&|group| group.status.insert(GroupStatus::EXPORTED)).contains("exported"));
    assert!(anothers(&|group| group.status.insert(GroupStatus::CLUSTERED)).contains("cluster"));
    assert!(anothers(&|group| group.lock_type = Some("sanlock".into())).contains("sanlock"));
    assert_eq!(anothers(&|group| group.lock_type = Some("none".into())), "");
}

/// Each side was changed without the other, equally often.
#[test]
fn two_states_of_one_number_are_neither_sound_nor_old() {
    let side = |seed: u8| {
        let mut group = group(5);
        group.remove(if seed == 1 { "b" } else { "a" }).unwrap();
        group.pvs.retain(|pv| pv.id == id(seed));
        if seed == 2 {
            for segment in &mut group.volumes[0].segments {
                let superblock::lvm::Kind::Striped { legs, .. } = &mut segment.kind else { panic!() };
                legs[0].pv = 0;
            }
        }
        group
    };
    let mut groups = Groups::default();
    assemble(&mut groups, vec![on(1, 1, &[text(&side(1))]), on(2, 2, &[text(&side(2))])], Vec::new());
    let [found] = groups.groups.as_slice() else { panic!("{:?}", groups.groups) };
    let says = "there are two different states 5 of it, on /dev/d1 and on /dev/d2: each was changed without the other";
    assert!(found.objections.iter().any(|objection| objection == says), "{:?}", found.objections);
    assert!(matches!(groups.refused[0].cause, LeftOutCause::Rival { seqno: 5, .. }), "{:?}", groups.refused);
    assert!(groups.outdated.is_empty());
    // One of them is older.
    let mut older = side(2);
    older.seqno = 4;
    let mut groups = Groups::default();
    assemble(&mut groups, vec![on(1, 1, &[text(&side(1))]), on(2, 2, &[text(&older)])], Vec::new());
    assert!(groups.groups[0].rival.is_none() && groups.outdated.len() == 1);
}

#[test]
fn a_device_that_is_held_back_is_not_sound() {
    let unread =
        |path: &str, cause| RefusedDevice { path: path.into(), dev: None, pv: None, group: None, cause };
    let groups = Groups {
        unopened: vec![
            unread("/dev/mapper/s", LeftOutCause::Suspended),
            unread("/dev/sr0", LeftOutCause::Unreadable("No medium found".into())),
        ],
        ..Groups::default()
    };
    let checked: Vec<Checked> = groups.held().map(Checked::left_out).collect();
    assert_eq!(checked.len(), 1);
    assert_eq!(
        checked[0].problems,
        ["/dev/mapper/s is suspended and was not read; `dmsetup resume` lets it go on"]
    );
}
