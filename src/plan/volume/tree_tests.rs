//! The devices of volumes, and how they change: names and order as LVM2 has them.

use superblock::lvm::Group;

use super::*;
use crate::{
    model::{DevId, volume::fixture},
    plan::run::tests::every_failure_leaves_no_trace,
    plan::{Plan, Step},
};

const VOLUMES: &str = r#"
data { id = "dddddd-dddd-dddd-dddd-dddd-dddd-dddddd" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 2
segment1 { start_extent = 0 extent_count = 10 type = "striped" stripe_count = 1 stripes = ["pv0", 0] }
segment2 { start_extent = 10 extent_count = 8 type = "striped" stripe_count = 2 stripe_size = 16 stripes = ["pv0", 20, "pv1", 30] } }
snap { id = "ssssss-ssss-ssss-ssss-ssss-ssss-ssssss" status = ["READ"] flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv1", 0] } }
two { id = "tttttt-tttt-tttt-tttt-tttt-tttt-tttttt" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv1", 10] } }
"#;

fn group(snapshots: &[&str], merging: Option<&str>) -> Group {
    let mut group: Group = fixture::group("vg-1", VOLUMES);
    for (nth, name) in snapshots.iter().enumerate() {
        let row = LvmUuid::from_random([u8::try_from(nth).unwrap(); 32]);
        group.make_snapshot("data", name, Sectors(8), row).unwrap();
    }
    if let Some(name) = merging {
        group.set_merging(name, true).unwrap();
    }
    group
}

fn find(pv: usize) -> Option<Dev> {
    Some(Dev::Number(DevId { major: 9, minor: u32::try_from(pv).ok()? }))
}

fn wanted(snapshots: &[&str], merging: Option<&str>) -> Vec<Wanted> {
    Family::of(&group(snapshots, merging), "data", &find).unwrap().wanted()
}

fn shown(all: &[Wanted]) -> Vec<String> {
    let one = |one: &Wanted| {
        let mode = if one.read_only { " ro" } else { "" };
        format!("{} {:x}{mode}: {}", one.name, one.flags.bits(), one.table.to_string().replace('\n', ", "))
    };
    all.iter().map(one).collect()
}

const OWN: &str = "0 80 linear 9:0 2048, 80 64 striped 2 16 9:0 2208 9:1 2288";

#[test]
fn plain() {
    let all = wanted(&[], None);
    assert_eq!(shown(&all), [format!("vg--1-data 60: {OWN}")]);
    let uuid = "LVM-abcdefabcdabcdabcdabcdabcdabcdefdddddddddddddddddddddddddddddddd";
    assert_eq!(all[0].uuid, uuid);
}

#[test]
fn with_snapshots_each_layer_has_its_name_and_its_flags() {
    let all = wanted(&["snap", "two"], None);
    assert_eq!(
        shown(&all),
        [
            &format!("vg--1-data-real 6e: {OWN}"),
            "vg--1-snap-cow 7e: 0 32 linear 9:1 2048",
            "vg--1-two-cow 7e: 0 32 linear 9:1 2128",
            // A snapshot that is only read has a store that is written.
            "vg--1-snap 70 ro: 0 144 snapshot vg--1-data-real vg--1-snap-cow P 8",
            "vg--1-two 70: 0 144 snapshot vg--1-data-real vg--1-two-cow P 8",
            "vg--1-data 60: 0 144 snapshot-origin vg--1-data-real",
        ]
    );
    assert!(all[0].uuid.ends_with("dddd-real") && all[1].uuid.ends_with("ssss-cow"));
}

#[test]
fn a_merging_snapshot_is_parked() {
    assert_eq!(
        shown(&wanted(&["snap"], Some("snap")))[1..],
        [
            "vg--1-snap-cow 7e: 0 32 linear 9:1 2048",
            "vg--1-data 60: 0 144 snapshot-merge vg--1-data-real vg--1-snap-cow P 8",
            "vg--1-snap 7e ro: 0 144 error",
        ]
    );
}

#[test]
fn what_is_missing_is_named() {
    let missing = Family::of(&group(&["snap"], None), "data", &|pv| find(pv).filter(|_| pv == 0));
    assert!(matches!(missing, Err(NoTree::Missing { volume, .. }) if volume == "data"));
    assert_eq!(Family::of(&group(&[], None), "none", &find), Err(NoTree::None("none".into())));
}

/// The transition's steps in one list, after those that make what is there before.
fn steps(before: &[Wanted], after: &[Wanted], moment: Moment) -> (Vec<String>, usize) {
    let first = transition(&[], before, Moment::default());
    let made: Vec<Step> =
        first.prepare.into_iter().chain([Step::Critical(Box::new(first.critical)), Step::Commit]).collect();
    let Transition { prepare, critical, cleanup } = transition(before, after, moment);
    let changed: Vec<Step> =
        prepare.into_iter().chain([Step::Critical(Box::new(critical)), Step::Commit]).collect();
    let text = changed.iter().chain(&cleanup).map(ToString::to_string).collect();
    let plan = |steps: &[Step]| Plan { summary: String::new(), steps: steps.to_vec(), warnings: Vec::new() };
    // Both on a machine of values that refuses what the driver refuses.
    every_failure_leaves_no_trace(&plan(&made));
    let all: Vec<Step> = made.iter().filter(|step| **step != Step::Commit).chain(&changed).cloned().collect();
    let ioctls = changed.iter().map(calls).sum();
    every_failure_leaves_no_trace(&Plan { steps: all, ..plan(&[]) });
    (text, ioctls)
}

/// How many requests that change something.
fn calls(step: &Step) -> usize {
    match step {
        Step::Dm(_) => 1,
        Step::Critical(critical) => critical.suspend.len() + critical.resume.len(),
        _ => 0,
    }
}

fn moment() -> Moment {
    let commit = Commit { group: "vg-1".into(), seqno: 6, writes: Vec::new() };
    Moment { commit: Some(commit), freeze: true, hold: vec!["vg--1-data".into()] }
}

#[test]
fn the_first_snapshot() {
    let (text, ioctls) = steps(&wanted(&[], None), &wanted(&["two"], None), moment());
    assert_eq!(
        text,
        [
            "make device vg--1-data-real",
            "load into vg--1-data-real: 0 80 linear 9:0 2048, and 1 rows more",
            "make device vg--1-two-cow",
            "load into vg--1-two-cow: 0 32 linear 9:1 2128",
            "resume vg--1-two-cow",
            "make device vg--1-two",
            "load into vg--1-two: 0 144 snapshot vg--1-data-real vg--1-two-cow P 8",
            "load into vg--1-data: 0 144 snapshot-origin vg--1-data-real",
            "suspend vg--1-data, vg--1-data-real with their file systems frozen; commit metadata 6 of vg-1; resume \
             vg--1-data-real, vg--1-two, vg--1-data",
            "commit",
        ]
    );
    assert_eq!(ioctls, 13, "not more than 16");
}

#[test]
fn the_second_snapshot() {
    let (text, _) = steps(&wanted(&["two"], None), &wanted(&["two", "snap"], None), moment());
    assert_eq!(
        text[5..],
        [
            "suspend vg--1-data with their file systems frozen; commit metadata 6 of vg-1; resume vg--1-snap, \
             vg--1-data",
            "commit",
        ]
    );
}

#[test]
fn rolled_back_and_cleaned_up() {
    let quiet = || Moment { freeze: false, ..moment() };
    let (text, _) = steps(&wanted(&["two"], None), &wanted(&["two"], Some("two")), quiet());
    assert_eq!(
        text,
        [
            "load into vg--1-data: 0 144 snapshot-merge vg--1-data-real vg--1-two-cow P 8",
            "load into vg--1-two: 0 144 error",
            "suspend vg--1-two, vg--1-data; commit metadata 6 of vg-1; resume vg--1-data, vg--1-two",
            "commit",
        ]
    );
    let (text, _) = steps(&wanted(&["two"], Some("two")), &wanted(&[], None), quiet());
    assert_eq!(
        text,
        [
            &format!("load into vg--1-data: {}, and 1 rows more", "0 80 linear 9:0 2048"),
            "suspend vg--1-data; commit metadata 6 of vg-1; resume vg--1-data",
            "commit",
            "remove device vg--1-two",
            "remove device vg--1-two-cow",
            "remove device vg--1-data-real",
        ]
    );
}

#[test]
fn one_of_two_snapshots_goes() {
    let both = wanted(&["two", "snap"], None);
    let (text, _) = steps(&both, &wanted(&["two"], None), Moment { freeze: false, ..moment() });
    assert_eq!(
        text,
        [
            "suspend vg--1-data; commit metadata 6 of vg-1; resume vg--1-data",
            "commit",
            "remove device vg--1-snap",
            "remove device vg--1-snap-cow",
        ]
    );
}
