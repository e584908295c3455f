//! What is taken out for good, and what gets its label again.

use crate::plan::DiskStep;
use superblock::{
    Sectors,
    lvm::{LogicalVolume, PhysicalVolume, Wish},
};

use super::*;
use crate::{
    model::{DevId, samples, volume::KeptState},
    plan::{
        run::tests::every_failure_leaves_no_trace,
        volume::{
            restore,
            which::{Which, choose},
        },
    },
};

fn id(seed: u8) -> LvmUuid {
    LvmUuid::from_random([seed; 32])
}

/// Two physical volumes, `a` on the first, `b` on the second, `c` on both.
fn group() -> Group {
    let mut group = Group::empty("vg".into());
    (group.id, group.seqno) = (id(9), 4);
    for seed in 1..=2u8 {
        let device = format!("/dev/d{seed}");
        let pv = PhysicalVolume::new(id(seed), device, Sectors(131_072), Sectors(2048), Sectors(8192));
        group.add_pv(pv.unwrap()).unwrap();
    }
    for (name, seed, extents) in [("a", 20, 10), ("c", 22, 6), ("b", 21, 6)] {
        let segments = group.allocate(&Wish { extents, ..Wish::default() }).unwrap().segments;
        group.add(LogicalVolume { id: id(seed), segments, ..LogicalVolume::empty(name.into()) }).unwrap();
    }
    group
}

fn pv(seed: u8) -> PvDevice {
    let place = Extent { start: Bytes(4096), size: Bytes(1_044_480) };
    PvDevice {
        path: format!("/dev/d{seed}"),
        dev: DevId { major: 8, minor: seed.into() },
        size: Bytes(64 << 20),
        logical_block: 512,
        read_only: false,
        label: Label::new(id(seed), Bytes(64 << 20), place, Bytes(1 << 20)),
        areas: vec![AreaSeen { area: Area::new(place), holds: None }],
        damaged: Vec::new(),
        twice: Vec::new(),
        stripe: Sectors(0),
        device_id: None,
    }
}

fn half(group: Group) -> Groups {
    let mut found = FoundGroup { group, devices: vec![Some(pv(1)), None], ..FoundGroup::default() };
    gather::judge(&mut found, &Groups::default());
    Groups { groups: vec![found], ..Groups::default() }
}

fn refusal(plan: Result<Plan, Refusal>) -> String {
    plan.expect_err("refused").text
}

#[test]
fn what_is_missing_is_taken_out() {
    let groups = half(group());
    let out = |groups: &Groups, force| {
        reduce(groups, &groups.groups[0], &Active::default(), force, &Stamp::default())
    };
    assert_eq!(refusal(out(&groups, false)), "group vg: volumes are on what is missing: c, b");
    let plan = out(&groups, true).unwrap();
    let asked: Vec<&str> = plan.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert!(
        asked[0].starts_with("vg/c will be removed") && asked[1].starts_with("vg/b will be removed"),
        "{asked:?}"
    );
    assert_eq!(every_failure_leaves_no_trace(&plan), 6);
    let written = plan.steps.iter().find_map(|step| match step {
        Step::Lvm(LvmStep::PreCommit { text, .. }) => Group::parse(text).ok(),
        _ => None,
    });
    let written = written.unwrap();
    assert_eq!((written.pvs.len(), written.volumes.len(), written.seqno), (1, 1, 5));
    // Nothing is on it: nobody has to be forced.
    let mut empty = group();
    empty.remove("b").unwrap();
    empty.remove("c").unwrap();
    assert!(out(&half(empty), false).unwrap().needs_consent());
    // Nothing is missing.
    let mut whole = half(group());
    whole.groups[0].devices[1] = Some(pv(2));
    assert!(out(&whole, false).unwrap().steps.is_empty());
}

#[test]
fn what_only_does_not_count_is_not_taken_out() {
    use crate::model::volume::{LeftOutCause, RefusedDevice};
    let mut groups = half(group());
    let cause = LeftOutCause::Twice { all: vec!["/dev/x".into(), "/dev/y".into()], chosen: None };
    let refused = RefusedDevice { path: "/dev/x".into(), dev: None, pv: Some(id(2)), group: None, cause };
    groups.groups[0].absent.insert(1, refused);
    let refused = reduce(&groups, &groups.groups[0], &Active::default(), true, &Stamp::default());
    assert!(refusal(refused).contains("is on two devices, /dev/x and /dev/y"));
    // Somebody else's stays somebody else's.
    let mut group = group();
    group.system_id = Some("box".into());
    let groups = half(group);
    let refused = reduce(&groups, &groups.groups[0], &Active::default(), true, &Stamp::default());
    assert!(refusal(refused).contains("the group belongs to the machine \"box\""));
}

fn candidate(size: u64) -> Candidate {
    let device = samples::device("/dev/d2", DevId { major: 8, minor: 2 }, Bytes(size));
    Candidate { path: "/dev/d2".into(), found: Ok(device) }
}

#[test]
fn a_label_is_written_again_and_the_group_restored() {
    let groups = half(group());
    let candidate = candidate(64 << 20);
    let bare = (id(2), &candidate);
    let (after, labels) = with_labels(&groups, &group(), &[bare]).unwrap();
    assert!(after.groups[0].objections.is_empty(), "{:?}", after.groups[0].objections);
    let kept = [KeptState { path: "x".into(), group: group() }];
    let chosen = choose("vg", &groups, &kept, &Which::Last).unwrap();
    let plan =
        with_steps(restore::plan(&after, chosen, (4, &[]), false, &Stamp::default()).unwrap(), &labels);
    assert!(
        plan.warnings[0].text.starts_with("/dev/d2 has no label: label and metadata area of physical volume")
    );
    assert!(
        matches!(plan.steps[0], Step::Lvm(LvmStep::Lock { .. }))
            && matches!(plan.steps[1], Step::Disk(DiskStep::Claim { .. }))
    );
    assert_eq!(every_failure_leaves_no_trace(&plan), 8);
    // Nobody knows the group any more, and one of its devices is still labelled.
    let lone = Groups { lone: vec![pv(1)], ..Groups::default() };
    let bare = (id(2), &candidate);
    let (after, labels) = with_labels(&lone, &group(), &[bare]).unwrap();
    assert_eq!((after.lone.len(), labels.len()), (2, 1));
    let plan =
        with_steps(restore::plan(&after, chosen, (4, &[]), false, &Stamp::default()).unwrap(), &labels);
    assert_eq!(every_failure_leaves_no_trace(&plan), 7);
}

#[test]
fn another_device_is_not_labelled() {
    let why = |candidate: &Candidate| {
        relabel(&group(), id(2), candidate).map(|_| String::new()).unwrap_or_else(|refusal| refusal.text)
    };
    assert!(why(&candidate(32 << 20)).contains("has 65536 sectors, where that had 131072"));
    let changed = |change: &dyn Fn(&mut Device)| {
        let mut candidate = candidate(64 << 20);
        change(candidate.found.as_mut().unwrap());
        candidate
    };
    let busy = changed(&|device| device.busy = true);
    assert!(why(&busy).contains("is in use by somebody"));
    assert!(why(&changed(&|device| device.read_only = true)).contains("is read-only"));
    let foreign = superblock::foreign::Foreign {
        kind: superblock::foreign::Kind::Ext4,
        at: Bytes(1024),
        size: None,
        label: None,
        uuid: None,
        mtime: None,
        table: None,
    };
    let other = changed(&|device| device.foreign = vec![foreign.clone()]);
    assert!(why(&other).contains("has ext4 on it"));
    let labelled = superblock::foreign::Foreign { kind: superblock::foreign::Kind::Lvm2, ..foreign.clone() };
    let labelled = changed(&|device| device.foreign = vec![labelled.clone()]);
    assert!(why(&labelled).contains("has LVM2 physical volume on it"));
    // What is left of its own label is not in the way; what is left of another one is.
    let left = |id: LvmUuid| {
        let kind = superblock::foreign::Kind::Lvm2;
        superblock::foreign::Foreign { kind, uuid: Some(id.to_string()), ..foreign.clone() }
    };
    assert_eq!(why(&changed(&|device| device.foreign = vec![left(id(2))])), "");
    assert!(
        why(&changed(&|device| device.foreign = vec![left(id(1))])).contains("LVM2 physical volume on it")
    );
    let both = changed(&|device| device.foreign = vec![left(id(2)), foreign.clone()]);
    assert!(why(&both).contains("has ext4 on it"));
    let gone = Candidate { path: "/dev/d2".into(), found: Err(crate::model::Unusable::Open("x".into())) };
    assert!(why(&gone).contains("is not there"));
}
