//! What comes back, what must not, and every step failing.

use superblock::{
    Bytes, Sectors,
    lvm::{Extent, Label, PhysicalVolume, Slot, Wish},
};

use super::*;
use crate::{
    model::{
        DevId,
        volume::{AreaSeen, PvDevice},
    },
    plan::run::tests::every_failure_leaves_no_trace,
};

pub(in crate::plan::volume) fn id(seed: u8) -> LvmUuid {
    LvmUuid::from_random([seed; 32])
}

pub(in crate::plan::volume) fn device(seed: u8, committed: bool) -> PvDevice {
    let place = Extent { start: Bytes(4096), size: Bytes(1_044_480) };
    let mut area = Area::new(place);
    area.committed = committed.then_some(Slot { offset: 512, size: 900, crc: 1, flags: 0 });
    PvDevice {
        path: format!("/dev/d{seed}"),
        size: Bytes(64 << 20),
        label: Label::new(id(seed), Bytes(64 << 20), place, Bytes(1 << 20)),
        areas: vec![AreaSeen { area, holds: None }],
        dev: DevId { major: 8, minor: u32::from(seed) },
        logical_block: 512,
        read_only: false,
        damaged: Vec::new(),
        twice: Vec::new(),
        stripe: Sectors(0),
        device_id: None,
    }
}

pub(in crate::plan::volume) fn group(seqno: u32, volumes: &[&str]) -> Group {
    let mut group = Group::empty("vg".into());
    (group.id, group.seqno) = (id(9), seqno);
    for seed in 1..=2 {
        let pv = PhysicalVolume::new(id(seed), String::new(), Sectors(131_072), Sectors(2048), Sectors(8192));
        group.pvs.push(pv.unwrap());
    }
    for (name, seed) in volumes.iter().zip(20..) {
        let segments = group.allocate(&Wish { extents: 2, ..Wish::default() }).unwrap().segments;
        group.add(LogicalVolume { id: id(seed), segments, ..LogicalVolume::empty((*name).into()) }).unwrap();
    }
    group
}

pub(in crate::plan::volume) fn world(group: Group) -> Groups {
    let devices = vec![Some(device(1, true)), Some(device(2, true))];
    let found = FoundGroup { group, devices, ..FoundGroup::default() };
    Groups { groups: vec![found], ..Groups::default() }
}

pub(in crate::plan::volume) fn kept(seqno: u32, volumes: &[&str], path: &str) -> KeptState {
    KeptState { path: path.into(), group: group(seqno, volumes) }
}

#[test]
fn every_step_may_fail() {
    let plan = plan(&world(group(7, &["a", "b"])), &kept(3, &["a"], "x"), (0, &[]), false, &Stamp::default())
        .unwrap();
    let asked: Vec<_> = plan.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert_eq!(asked[0], "volumes that this state does not have will be gone: b");
    assert_eq!(every_failure_leaves_no_trace(&plan), 6);
    // Nobody knows the group any more.
    let lone = Groups { lone: vec![device(1, false), device(2, false)], ..Groups::default() };
    let anew = super::plan(&lone, &kept(3, &["a"], "x"), (0, &[]), false, &Stamp::default()).unwrap();
    assert_eq!(every_failure_leaves_no_trace(&anew), 5);
    // Labels are there, and no text can be read.
    let mut damaged = [1, 2].map(|seed| device(seed, true));
    damaged.iter_mut().for_each(|device| device.damaged.push("checksum is 1, should be 2".into()));
    let unread = Groups { unread: damaged.to_vec(), ..Groups::default() };
    let again = super::plan(&unread, &kept(3, &["a"], "x"), (0, &[]), false, &Stamp::default()).unwrap();
    assert_eq!(every_failure_leaves_no_trace(&again), 5);
    let half = Groups { lone: vec![device(1, false)], ..Groups::default() };
    assert!(
        super::plan(&half, &kept(3, &["a"], "x"), (0, &[]), false, &Stamp::default())
            .unwrap_err()
            .text
            .contains("is not there")
    );
}

#[test]
fn what_must_not_come_back() {
    let groups = world(group(7, &["a", "b"]));
    let refused = |groups: &Groups, kept: &KeptState| {
        plan(groups, kept, (0, &[]), false, &Stamp::default()).unwrap_err().text
    };
    let mut other = kept(3, &["a"], "x");
    other.group.id = id(8);
    assert!(refused(&groups, &other).contains("the one that was kept"));
    let mut gone = groups.clone();
    gone.groups[0].group.pvs.pop();
    gone.groups[0].devices.pop();
    assert!(refused(&gone, &kept(3, &["a"], "x")).contains("which is not here"));
    let mut busy = groups.clone();
    let uuid = uuid::lvm(id(9).plain(), id(21).plain(), None);
    busy.active.push(Listed { name: "vg-b".into(), uuid: Some(uuid), ..Listed::default() });
    assert_eq!(refused(&busy, &kept(3, &["a"], "x")), "volume b is active and would change under its users");
    let mut locked = groups;
    locked.groups[0].objections.push("of a reason".into());
    assert_eq!(refused(&locked, &kept(3, &["a"], "x")), "group vg can only be read: of a reason");
}

fn words(refusal: &Refusal) -> String {
    format!("{}\n{}", refusal.text, refusal.hint.clone().unwrap_or_default())
}

#[test]
fn other_contents_are_named_and_not_restored_without_force() {
    let groups = world(group(7, &["a", "b"]));
    let asked = |now: &Group, old: Group, force: bool| {
        let groups = Groups {
            groups: vec![FoundGroup { group: now.clone(), ..groups.groups[0].clone() }],
            ..Groups::default()
        };
        let between = |seqno| KeptState { path: "y".into(), group: Group { seqno, ..now.clone() } };
        let all: Vec<KeptState> = (4..7).map(between).collect();
        plan(&groups, &KeptState { path: "x".into(), group: old }, (0, &all), force, &Stamp::default())
    };
    // It was moved since.
    let mut moved = group(7, &["a", "b"]);
    let Kind::Striped { legs, .. } = &mut moved.volume_mut("a").unwrap().segments[0].kind else { panic!() };
    legs[0].pv = 1;
    let refusal = asked(&moved, group(3, &["a"]), false).unwrap_err();
    assert_eq!(
        refusal.text,
        "group vg as it was after change 3: vg/a is at other extents now: it would have what is there, and nothing of what \
         was written to it since"
    );
    assert!(refusal.said[0].text.contains("will be gone: b") && refusal.hint.unwrap().contains("--force"));
    let forced = asked(&moved, group(3, &["a"]), true).unwrap();
    assert!(
        forced.needs_consent()
            && forced.warnings.iter().any(|it| it.text.starts_with("vg/a is at other extents"))
    );
    // It is longer or shorter, or has another name, or is back: its content is what it was.
    let mut longer = group(7, &["a", "b"]);
    longer.volume_mut("b").unwrap().segments[0].len = 3;
    longer.rename("a", "c").unwrap();
    longer.remove("c").unwrap();
    let longer = asked(&longer, group(3, &["a", "b"]), false).unwrap();
    let said: Vec<&str> = longer.warnings.iter().map(|it| it.text.as_str()).collect();
    assert!(
        said.contains(&"vg/a comes back; `mdctl volume activate vg/a` makes its device")
            && said.contains(&"vg/b has 8 MiB again, not 12 MiB"),
        "{said:?}"
    );
    // What it had is somebody else's now.
    let mut reused = group(7, &["z"]);
    reused.volumes[0].id = id(77);
    let refusal = asked(&reused, group(3, &["a"]), false).unwrap_err();
    assert!(
        refusal.text.contains("vg/a would come back, and what it had has been given"),
        "{}",
        refusal.text
    );
    // A snapshot that was removed has not kept what was written since.
    let mut with = group(3, &["a", "s"]);
    with.make_snapshot("a", "s", Sectors(8), id(50)).unwrap();
    let refusal = asked(&group(7, &["a"]), with, false).unwrap_err();
    assert!(
        refusal.text.contains("snapshot vg/s would come back without what it should have kept of vg/a"),
        "{}",
        refusal.text
    );
}

#[test]
fn who_had_extents_in_between_counts_and_so_does_what_nobody_knows() {
    let mut reused = group(7, &["z"]);
    reused.volumes[0].id = id(77);
    let groups = world(group(5, &[]));
    let had = KeptState { path: "y".into(), group: Group { seqno: 4, ..reused } };
    let ask = |all: &[KeptState]| {
        plan(&groups, &kept(3, &["a"], "x"), (0, all), false, &Stamp::default()).unwrap_err()
    };
    let refusal = words(&ask(&[had]));
    assert!(
        refusal.contains("been given to other volumes since: z had some of it after change 4"),
        "{refusal}"
    );
    let refusal = words(&ask(&[]));
    assert!(
        refusal.contains("nobody can tell: no state after change 4 is kept") && refusal.contains("--force")
    );
}

#[test]
fn the_change_is_above_every_number_that_is_known() {
    let number = |plan: Result<Plan, Refusal>| {
        let steps = plan.unwrap().steps;
        let written = steps.iter().find_map(|step| match step {
            Step::Lvm(LvmStep::PreCommit { seqno, text, .. }) => {
                assert_eq!(Group::parse(text).unwrap().seqno, *seqno);
                Some(*seqno)
            }
            _ => None,
        });
        written.unwrap()
    };
    let ask = |groups: &Groups, highest| {
        plan(groups, &kept(3, &["a"], "x"), (highest, &[]), false, &Stamp::default())
    };
    // Nobody knows the group any more: LVM2 goes on from the text, and so do we.
    let lone = Groups { lone: vec![device(1, false), device(2, false)], ..Groups::default() };
    assert_eq!(number(ask(&lone, 0)), 4);
    assert_eq!(number(ask(&lone, 12)), 13);
    // It is there.
    let there = world(group(7, &["a"]));
    assert_eq!(number(ask(&there, 0)), 8);
    assert_eq!(number(ask(&there, 12)), 13);
    assert!(ask(&there, u32::MAX).unwrap_err().text.contains("cannot be counted any further"));
}

#[test]
fn what_a_state_was_archived_before_is_asked_about() {
    let mut state = kept(3, &["a", "b"], "x");
    state.group.written.description = "Created *before* executing 'mdctl volume remove vg/b'".into();
    let plan = plan(&world(group(4, &["a"])), &state, (4, &[]), false, &Stamp::default()).unwrap();
    let last = plan.warnings.last().unwrap();
    assert_eq!(last.text, "group vg will be as it was after change 3, before `mdctl volume remove vg/b`");
}

/// A state of before a rollback in whose midst its volume was removed has the volume half old, half new.
#[test]
fn what_was_removed_while_it_was_rolled_back() {
    let snapshot = |seqno, merging| {
        let mut state = kept(seqno, &["a", "s"], "x");
        state.group.make_snapshot("a", "s", Sectors(8), id(50)).unwrap();
        state.group.set_merging("s", merging).unwrap();
        state
    };
    let before = kept(2, &["a"], "x");
    let all = [before.clone(), snapshot(3, false), snapshot(4, true)];
    let removed = world(group(5, &[]));
    let restore = |state: &KeptState, all: &[KeptState], groups: &Groups, force| {
        plan(groups, state, (0, all), force, &Stamp::default()).map_err(|refusal| refusal.text)
    };
    let text = restore(&before, &all, &removed, false).unwrap_err();
    assert!(
        text.contains("vg/a was to be rolled back to vg/s when it was removed, which may have begun"),
        "{text}"
    );
    assert!(text.contains("--at 4 brings back both"), "{text}");
    let forced = restore(&before, &all, &removed, true).unwrap();
    assert!(
        forced
            .warnings
            .iter()
            .any(|warning| warning.text.contains("a part of it would be old and the rest new"))
    );
    // With the snapshot the kernel goes on.
    assert!(restore(&all[2], &all, &removed, false).is_ok());
    // It had ended before the volume was removed.
    let mut ended = all.to_vec();
    ended.push(kept(5, &["a"], "x"));
    let later = world(group(6, &[]));
    assert!(restore(&before, &ended, &later, false).is_ok());
    assert!(
        restore(&all[2], &ended, &later, false).unwrap_err().contains("without what it should have kept")
    );
    // Somebody else had its extents.
    let mut given = all.to_vec();
    given.push(KeptState {
        path: "x".into(),
        group: {
            let mut group = group(5, &["b"]);
            group.volumes[0].id = id(77);
            group
        },
    });
    assert!(
        restore(&all[2], &given, &later, false).unwrap_err().contains("been given to other volumes since")
    );
}
