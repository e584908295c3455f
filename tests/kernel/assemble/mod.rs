//! `--assemble`, case by case by mdadm and by ours: the same words, status, kernel state, map and superblocks.
#![expect(clippy::disallowed_methods, reason = "a test drives the machine from outside")]

use std::fs;

use crate::guest::{self, Case, run};

/// The cases, and what is looked at after each of them.
const SCRIPT: &str = include_str!("cases.sh");

pub(crate) fn cases() -> Vec<Case> {
    let names =
        SCRIPT.lines().filter_map(|line| line.strip_prefix("c_")?.split_once("()")).map(|(name, _)| name);
    let mut cases: Vec<Case> = names.map(|name| Case::new(name, move || compare(name))).collect();
    cases.extend([
        Case::new("damaged_checksum_is_named_and_left_out", damaged_checksum_is_named_and_left_out),
        Case::new("hostile_counts_stop_nobody_else", hostile_counts_stop_nobody_else),
        Case::new("array_on_arrays_waits_for_them", array_on_arrays_waits_for_them),
        Case::new("asked_for_by_uuid_means_only_that", asked_for_by_uuid_means_only_that),
        Case::new("meant_by_homehost", meant_by_homehost),
        Case::new("one_that_fails_stops_no_other", one_that_fails_stops_no_other_and_is_told_once),
        Case::new("force_whatever_the_order", force_whatever_the_order),
        Case::new("dry_run_changes_nothing", dry_run_changes_nothing),
        Case::new("json_says_who_was_left_out", json_says_who_was_left_out),
        Case::new("two_reads_a_device", two_reads_a_device),
        Case::new("members_from_before_a_grow_are_left_out", members_from_before_a_grow_are_left_out),
        Case::new(
            "a_line_that_wants_a_container_is_passed_over",
            a_line_that_wants_a_container_is_passed_over,
        ),
    ]);
    cases
}

fn script() -> &'static str {
    fs::write("/tmp/assemble-cases.sh", SCRIPT).expect("/tmp takes a file");
    "/tmp/assemble-cases.sh"
}

/// Runs one case by one program.
fn by(program: &str, name: &str) -> String {
    run(&["env", "REFERENCE=/usr/sbin/mdadm", "bash", script(), program, name]).ok().stdout
}

fn compare(name: &str) {
    let name = format!("c_{name}");
    let reference = by("/usr/sbin/mdadm", &name);
    assert!(!reference.contains("SETUP FAILED"), "{reference}");
    // Of two devices that are one the original takes the first, and says nothing of the other.
    let ours = ours(&name);
    let told = |line: &&str| line.contains("err: mdadm: ignoring ") && line.contains("as it is a copy of ");
    assert_eq!(ours.lines().any(|line| told(&line)), name.starts_with("c_dup_slot"), "{ours}");
    // What differs is said beside the original's sentence.
    let differs =
        |line: &&str| line.contains("err: mdadm: beside ") && line.contains(" it says: member size ");
    assert_eq!(ours.lines().any(|line| differs(&line)), name.starts_with("c_shape_"), "{ours}");
    // Of two histories the original starts one in silence.
    let apart = |line: &&str| line.contains(" were written to without each other, and only the side of ");
    let told = |line: &&str| told(line) || differs(line) || apart(line);
    let rest: String = ours.lines().filter(|line| !told(line)).map(|line| format!("{line}\n")).collect();
    guest::same_text(&reference, &rest);
}

fn ours(name: &str) -> String {
    by("/usr/local/sbin/mdadm", name)
}

fn damaged_checksum_is_named_and_left_out() {
    let text = ours("d_checksum_scan");
    assert!(text.contains("ignoring /dev/ram1: its superblock is damaged: checksum is "), "{text}");
    assert!(text.contains("has been started with 2 drives (out of 3)."), "{text}");
    let text = ours("d_checksum_force");
    assert!(text.contains("has been started with 2 drives"), "{text}");
}

fn hostile_counts_stop_nobody_else() {
    for case in ["d_max_dev", "d_bitmap_chunk"] {
        let text = ours(case);
        assert!(text.contains("has been started with 2 drives"), "{text}");
    }
}

fn array_on_arrays_waits_for_them() {
    for case in ["d_stacked", "d_auto_stacked"] {
        let text = ours(case);
        assert_eq!(text.matches("has been started with 2 drives.").count(), 2, "{text}");
    }
}

fn asked_for_by_uuid_means_only_that() {
    for case in ["d_conf_scan_uuid", "d_conf_scan_uuid_unlisted"] {
        let text = ours(case);
        assert_eq!(text.matches("has been started").count(), 1, "{text}");
        assert!(text.contains("/dev/md1 has been") || text.contains("/dev/md/1 has been"), "{text}");
    }
}

fn meant_by_homehost() {
    let text = ours("d_other_array_home");
    assert!(text.contains("has been started with 2 drives."), "{text}");
    let text = ours("d_auto_policy_home");
    assert!(text.contains("/dev/md/0 has been started") && !text.contains("alpha"), "{text}");
}

fn one_that_fails_stops_no_other_and_is_told_once() {
    for (case, status) in [("d_conf_one_fails", 1), ("d_auto_fail_two", 0)] {
        let text = ours(case);
        assert_eq!(text.matches("not enough to start the array").count(), 1, "{text}");
        assert!(text.contains("has been started with 2 drives."), "{text}");
        assert!(text.contains(&format!("status: {status}")), "{text}");
    }
}

fn force_whatever_the_order() {
    let text = ours("d_two_stale_reversed");
    assert!(text.contains("has been started with 3 drives (out of 4)."), "{text}");
    assert_eq!(text.matches("forcing event count in").count(), 1, "the freshest alone: {text}");
    // The original gives the other half to the kernel, which may know of no more than its bitmap does.
    let text = ours("d_two_halves_force");
    assert!(text.contains("ignoring /dev/ram0 as it reports /dev/ram1 as failed"), "{text}");
    assert!(text.contains("has been started with 1 drive (out of 2)."), "{text}");
}

fn dry_run_changes_nothing() {
    let text = ours("d_dry_run");
    assert!(text.contains("  1  open /dev/ram1 exclusively"), "{text}");
    assert!(text.contains("run md0") && text.contains("status: 0"), "{text}");
    assert!(!text.contains("mdstat:") && !text.contains("map:"), "{text}");
}

fn json_says_who_was_left_out() {
    let text = ours("d_json");
    let json: String = text.lines().filter_map(|line| line.strip_prefix("  out: ")).collect();
    let answer: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let array = &answer["arrays"][0];
    assert_eq!(array["result"], "started", "{text}");
    assert_eq!(array["left_out"][0]["device"], "/dev/ram1", "{text}");
    assert_eq!(array["members"]["in_sync"], 2, "{text}");
}

/// Twice the fresh two start without the stale one, and with one fresh member alone nothing does.
fn members_from_before_a_grow_are_left_out() {
    let text = ours("d_shape_scan");
    assert_eq!(text.matches("has been started with 2 drives (out of 3).").count(), 2, "{text}");
    let said =
        "ignoring /dev/ram2: its superblock describes another shape than the freshest member's: member size";
    assert_eq!(text.matches(said).count(), 3, "{text}");
    assert_eq!(text.matches("not enough to start the array").count(), 1, "{text}");
    assert!(!text.contains("forcing event count"), "{text}");
}

fn a_line_that_wants_a_container_is_passed_over() {
    let text = ours("d_conf_container");
    let said = "/dev/md7: its ARRAY line wants a container; containers are not supported yet";
    assert_eq!(text.matches(said).count(), 2, "alone, and once in a scan: {text}");
    assert_eq!(text.matches("status: 2").count(), 2, "{text}");
    assert!(text.contains("/dev/md5 has been started with 2 drives."), "{text}");
    assert!(!text.contains("/dev/md7 has been started"), "{text}");
}

/// 12 members: two reads of metadata each, and none a second time although there are four arrays. A device that has none has
/// a read more, for each place where metadata may be.
fn two_reads_a_device() {
    let text = ours("d_reads");
    let number =
        |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)?.parse::<u32>().ok());
    let (devices, reads) = (number("devices: "), number("reads: "));
    assert!(reads.zip(devices).is_some_and(|(reads, all)| (12..=3 * all).contains(&reads)), "{text}");
}
