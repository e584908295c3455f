//! Each event by the pair of looks that it comes of.

use superblock::{Level, Sectors};

use super::*;
use crate::{model::status::ArrayStatus, words::DevId};

pub(in crate::plan::monitor) fn member(name: &str, slot: Option<u32>, state: &str) -> MemberStatus {
    let minor = u32::from(*name.as_bytes().last().unwrap());
    MemberStatus {
        kernel_name: name.to_owned(),
        id: Some(DevId { major: 8, minor }),
        path: Some(format!("/dev/{name}")),
        slot,
        state: state.split(',').filter(|word| !word.is_empty()).map(MemberState::parse).collect(),
        model: Some("Model".to_owned()),
        serial: Some(format!("S-{name}")),
        ..MemberStatus::default()
    }
}

pub(in crate::plan::monitor) fn array(name: &str, pattern: &str, members: Vec<MemberStatus>) -> ArraySeen {
    let status = ArrayStatus {
        kernel_name: name.to_owned(),
        level: Some(Level::Raid1),
        state: "clean".into(),
        metadata: "1.2".to_owned(),
        raid_disks: u32::try_from(pattern.len()).unwrap(),
        members,
        ..ArrayStatus::default()
    };
    ArraySeen { status, percent: SyncPercent::None, pattern: pattern.to_owned() }
}

fn whole() -> ArraySeen {
    array("md0", "UU", vec![member("sda", Some(0), "in_sync"), member("sdb", Some(1), "in_sync")])
}

fn with(pattern: &str, members: &[(&str, Option<u32>, &str)]) -> ArraySeen {
    let members = members.iter().map(|(name, slot, state)| member(name, *slot, state));
    array("md0", pattern, members.collect())
}

fn at(percent: SyncPercent) -> ArraySeen {
    ArraySeen { percent, ..whole() }
}

fn told(before: Option<&ArraySeen>, now: &ArraySeen) -> Vec<String> {
    let watching = Watching { path: "/dev/md0".to_owned(), expected_spares: Some(1), increment: 20 };
    changes(before, now, &watching)
        .iter()
        .map(|event| event.words().join(" ").replace(" /dev/md0", ""))
        .collect()
}

#[test]
fn at_the_first_look() {
    let spare =
        with("UU", &[("sda", Some(0), "in_sync"), ("sdb", Some(1), "in_sync"), ("sdc", None, "spare")]);
    assert!(told(None, &spare).is_empty());
    assert_eq!(told(None, &whole()), ["SparesMissing"]);
    let degraded = with("U_", &[("sda", Some(0), "in_sync"), ("sdc", None, "spare")]);
    assert_eq!(told(None, &degraded), ["DegradedArray"]);
    // A failed member is no spare, and neither is what runs at a first look a beginning.
    let rebuilding = with("U_", &[("sda", Some(0), "in_sync"), ("sdc", None, "faulty")]);
    let rebuilding = ArraySeen { percent: SyncPercent::At(5), ..rebuilding };
    assert_eq!(told(None, &rebuilding), ["DegradedArray", "SparesMissing"]);
    assert_eq!(told(None, &with("__", &[("sdc", None, "spare")])), ["DegradedArray", "ArrayFailed"]);
}

#[test]
fn how_far_a_synchronisation_is() {
    use SyncPercent::{At, Delayed, None, Pending, Remote};
    for (before, now, expected) in [
        (None, None, &[][..]),
        (None, At(0), &["RebuildStarted"]),
        (None, At(55), &["RebuildStarted"]),
        (Delayed, At(0), &["RebuildStarted"]),
        (Pending, At(0), &["RebuildStarted"]),
        (Remote, At(7), &["RebuildStarted"]),
        (None, Delayed, &[]),
        (Delayed, None, &[]),
        (At(3), At(19), &[]),
        (At(3), At(20), &["Rebuild20"]),
        // What it is now, not what was crossed.
        (At(19), At(67), &["Rebuild67"]),
        (At(20), At(39), &[]),
        // It began again.
        (At(60), At(2), &[]),
        (At(60), Delayed, &[]),
        (At(60), None, &["RebuildFinished"]),
        (At(100), None, &["RebuildFinished"]),
    ] {
        assert_eq!(told(Some(&at(before)), &at(now)), expected, "{before:?} {now:?}");
    }
    let fast = Watching { path: "/dev/md0".to_owned(), expected_spares: Option::None, increment: 5 };
    let events = changes(Some(&at(At(4))), &at(At(5)), &fast);
    assert_eq!(events.iter().map(|event| event.kind.to_string()).collect::<Vec<_>>(), ["Rebuild05"]);
}

#[test]
fn what_a_check_found_is_told_and_a_rebuild_repeats_it_without_ours() {
    for (action, ours) in [("check", true), ("repair", true), ("recover", false), ("resync", false)] {
        let mut now = whole();
        (now.status.mismatches, now.status.last_action) =
            (Some(Sectors(128)), Some(SyncAction::parse(action)));
        let mut expected = vec!["RebuildFinished  mismatches found: 128 (on raid level 1)"];
        expected.extend(ours.then_some("MismatchFound 128 sectors"));
        assert_eq!(told(Some(&at(SyncPercent::At(80))), &now), expected, "{action}");
    }
}

#[test]
fn what_became_of_members() {
    let spare = ("sdc", None, "spare");
    let (a, b) = (("sda", Some(0), "in_sync"), ("sdb", Some(1), "in_sync"));
    let gone_b = ("sdb", None, "faulty");
    let filled = ("sdc", Some(1), "spare");
    for (what, before, now, expected) in [
        ("a member fails", vec![a, b], vec![a, gone_b], &["Fail /dev/sdb"][..]),
        ("it is removed before it is seen", vec![a, b], vec![a], &["Fail /dev/sdb"]),
        ("a failed one is removed", vec![a, gone_b], vec![a], &[]),
        ("still in its slot", vec![a, b], vec![a, ("sdb", Some(1), "faulty")], &["Fail /dev/sdb"]),
        ("a spare fails", vec![a, b, spare], vec![a, b, ("sdc", None, "faulty")], &["FailSpare /dev/sdc"]),
        ("a spare is removed", vec![a, b, spare], vec![a, b], &[]),
        ("a spare is added", vec![a, b], vec![a, b, spare], &[]),
        (
            "one that is filled fails",
            vec![a, filled],
            vec![a, ("sdc", Some(1), "faulty")],
            &["FailSpare /dev/sdc"],
        ),
        ("a spare begins", vec![a, gone_b, spare], vec![a, gone_b, filled], &[]),
        (
            "it is in sync",
            vec![a, gone_b, filled],
            vec![a, gone_b, ("sdc", Some(1), "in_sync")],
            &["SpareActive /dev/sdc", "ArrayRestored"],
        ),
        (
            "one is in sync at once",
            vec![a, b],
            vec![a, b, ("sdc", Some(2), "in_sync")],
            &["SpareActive /dev/sdc"],
        ),
        // The original takes this for a failure.
        (
            "they change their slots",
            vec![a, b],
            vec![("sdb", Some(0), "in_sync"), ("sda", Some(1), "in_sync")],
            &[],
        ),
        (
            "all fail",
            vec![a, b],
            vec![("sda", None, "faulty"), gone_b],
            &["Fail /dev/sda", "Fail /dev/sdb", "ArrayFailed"],
        ),
    ] {
        let pattern = |members: &[_]| "U".repeat(members.len().clamp(2, 2));
        let (before, now) = (with(&pattern(&before), &before), with(&pattern(&now), &now));
        assert_eq!(told(Some(&before), &now), expected, "{what}");
    }
}

#[test]
fn another_disk_of_the_same_name_is_another_member() {
    let other = MemberStatus { id: Some(DevId { major: 9, minor: 9 }), ..member("sdb", Some(1), "in_sync") };
    let now = array("md0", "UU", vec![member("sda", Some(0), "in_sync"), other]);
    assert_eq!(told(Some(&whole()), &now), ["Fail /dev/sdb", "SpareActive /dev/sdb"]);
    // The device itself is gone: its number cannot be read any more.
    let gone = MemberStatus { id: None, ..member("sdb", Some(1), "in_sync") };
    let now = array("md0", "UU", vec![member("sda", Some(0), "in_sync"), gone]);
    assert!(told(Some(&whole()), &now).is_empty());
}

#[test]
fn a_failure_names_the_disk_and_the_next_command() {
    let watching = Watching { path: "/dev/md0".to_owned(), expected_spares: None, increment: 20 };
    let (a, b) = (("sda", Some(0), "in_sync"), ("sdb", None, "faulty"));
    for (members, next) in [
        (vec![a, b], "mdctl manage /dev/md0 --remove /dev/sdb; then mdctl manage /dev/md0 --add NEW-DISK"),
        (vec![a, b, ("sdc", None, "spare")], "a spare takes its place: mdctl wait /dev/md0"),
    ] {
        let [event] = changes(Some(&whole()), &with("U_", &members), &watching).try_into().unwrap();
        assert_eq!(event.next, next);
        assert_eq!(event.kernel.as_deref(), Some("md0"));
        assert_eq!(event.disk.unwrap().to_string(), "Model, serial number S-sdb");
    }
}

#[test]
fn one_look_at_a_failure_and_its_rebuild_tells_the_failure_first() {
    let (a, spare) = (("sda", Some(0), "in_sync"), ("sdc", None, "spare"));
    let before = with("UU", &[a, ("sdb", Some(1), "in_sync"), spare]);
    let rebuilding = with("U_", &[a, ("sdb", None, "faulty"), ("sdc", Some(1), "spare")]);
    let rebuilding = ArraySeen { percent: SyncPercent::At(99), ..rebuilding };
    assert_eq!(told(Some(&before), &rebuilding), ["Fail /dev/sdb", "RebuildStarted"]);
    // In sync a moment before the end of the recovery.
    let ends = with("UU", &[a, ("sdb", None, "faulty"), ("sdc", Some(1), "in_sync")]);
    let nearly = settled(Some(&rebuilding), &ArraySeen { percent: SyncPercent::At(99), ..ends.clone() });
    assert!(told(Some(&rebuilding), &nearly).is_empty());
    let end = settled(Some(&nearly), &ends);
    assert_eq!(told(Some(&nearly), &end), ["RebuildFinished", "SpareActive /dev/sdc", "ArrayRestored"]);
}
