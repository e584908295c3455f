//! `--incremental`, device by device by mdadm and by ours: the same words, status, kernel state and map.
#![expect(clippy::disallowed_methods, reason = "a test drives the machine from outside")]

use std::fs;

use crate::guest::{self, Case, Disks, reference, run, sh};

mod crowd;

/// What all cases of assembly stand on, and those; the second half is cut off.
const HELPERS: &str = include_str!("../assemble/cases.sh");
/// The cases.
const SCRIPT: &str = include_str!("cases.sh");

pub(crate) fn cases() -> Vec<Case> {
    let names = SCRIPT.lines().filter_map(|line| line.strip_prefix("c_")?.split_once("()"));
    let mut cases: Vec<Case> = names.map(|(name, _)| Case::new(name, move || compare(name))).collect();
    cases.extend([
        Case::new("who_was_awaited_is_taken_back", who_was_awaited_is_taken_back),
        Case::new(
            "an_event_of_udevs_waits_for_no_lock_of_udevs",
            an_event_of_udevs_waits_for_no_lock_of_udevs,
        ),
        Case::new("a_second_event_is_answered_as_the_first", a_second_event_is_answered_as_the_first),
        Case::new("histories_that_parted_stay_apart", histories_that_parted_stay_apart),
        Case::new("the_fresher_of_two_with_one_slot_stays", the_fresher_of_two_with_one_slot_stays),
        Case::new("who_was_replaced_and_comes_first_makes_way", who_was_replaced_makes_way),
        Case::new("an_old_copy_that_comes_first_makes_way", an_old_copy_makes_way),
        Case::new("of_two_copies_that_are_alike_the_first_stays", of_two_alike_the_first_stays),
        Case::new("a_device_in_use_is_left_alone", a_device_in_use_is_left_alone),
        Case::new("an_array_without_a_line_is_found", an_array_without_a_line_is_found),
        Case::new("the_last_good_member_breaks_nothing", the_last_good_member_breaks_nothing),
        Case::new("who_is_gone_leaves_what_waits", who_is_gone_leaves_what_waits),
        Case::new("too_few_say_why", too_few_say_why),
        Case::new("others_wait_for_homehost", others_wait_for_homehost),
    ]);
    cases.extend(crowd::cases());
    cases
}

/// One script of the helpers, some of their cases' own helpers, and our cases.
fn script() -> &'static str {
    let (helpers, theirs) = HELPERS.split_once("# --- the cases").expect("the helpers end somewhere");
    let shared = theirs
        .lines()
        .filter(|line| ["denies()", "events()", "dirty()"].iter().any(|name| line.starts_with(name)));
    let (_, end) = theirs.rsplit_once("\nmodprobe brd").expect("the script has an end");
    let shared: String = shared.map(|line| format!("{line}\n")).collect();
    let text = format!("{helpers}\n{shared}{SCRIPT}\nmodprobe brd{end}");
    fs::write("/tmp/incremental-cases.sh", text).expect("/tmp takes a file");
    "/tmp/incremental-cases.sh"
}

fn by(program: &str, name: &str) -> String {
    run(&["env", "REFERENCE=/usr/sbin/mdadm", "bash", script(), program, name]).ok().stdout
}

fn ours(name: &str) -> String {
    by("/usr/local/sbin/mdadm", name)
}

fn compare(name: &str) {
    let name = format!("c_{name}");
    let reference = by("/usr/sbin/mdadm", &name);
    assert!(!reference.contains("SETUP FAILED"), "{reference}");
    // What to do about it stands in a line of its own.
    let hint = |line: &&str| line.starts_with("  err: mdadm: `mdctl explain ");
    let ours = ours(&name);
    let rest: String = ours.lines().filter(|line| !hint(line)).map(|line| format!("{line}\n")).collect();
    guest::same_text(&reference, &rest);
}

/// The values of `MD_STARTED`, and statuses, in their order.
fn answers(text: &str) -> Vec<&str> {
    let started = |line: &'static str| line;
    let words = [started("  out: MD_STARTED="), started("  status: ")];
    text.lines().filter_map(|line| words.iter().find_map(|word| line.strip_prefix(word))).collect()
}

/// udev locks a whole disk as long as a program of its rules runs: who waits for that lock there waits for himself.
fn an_event_of_udevs_waits_for_no_lock_of_udevs() {
    let _disks = Disks::new(2, 16384);
    reference(&[
        "-C",
        "/dev/md5",
        "--run",
        "--assume-clean",
        "-bnone",
        "-l1",
        "-n2",
        "/dev/ram0",
        "/dev/ram1",
    ])
    .ok();
    reference(&["--stop", "/dev/md5"]).ok();
    sh("mkdir -p /run/udev/rules.d; cat >/run/udev/rules.d/64-of-the-case.rules <<'END'\n\
        SUBSYSTEM==\"block\", ACTION==\"add\", KERNEL==\"ram[01]\", IMPORT{program}=\"/usr/bin/strace -f -qq -o /tmp/calls.%k \
        -e trace=flock,openat /usr/local/sbin/mdadm --incremental --export $devnode --offroot\"\nEND\n\
        udevadm control --reload; udevadm trigger --settle --action=add /dev/ram0; udevadm trigger --settle --action=add /dev/ram1; \
        rm /run/udev/rules.d/64-of-the-case.rules; udevadm control --reload")
    .ok();
    let known =
        sh("udevadm info -q property -n /dev/ram0; udevadm info -q property -n /dev/ram1").ok().stdout;
    assert!(known.contains("MD_STARTED=yes"), "{known}");
    for disk in ["ram0", "ram1"] {
        let calls = sh(&format!("cat /tmp/calls.{disk}; rm /tmp/calls.{disk}")).ok().stdout;
        let refused = calls.lines().filter(|call| call.contains("EAGAIN")).count();
        let opened = calls.lines().filter(|call| call.contains(&format!("\"/dev/{disk}\""))).count();
        // To look, and under the lock to claim: what is looked at is never held, or two would wait for each other.
        assert!(refused == 0 && opened == 2, "{calls}");
    }
}

fn who_was_awaited_is_taken_back() {
    let text = ours("d_late_awaited");
    // When somebody has taken it out it stays out.
    assert_eq!(answers(&text), ["unsafe", "0", "already", "0", "2"], "{text}");
    assert!(text.contains("[UU]") && text.contains("[U_]"), "{text}");
}

fn a_second_event_is_answered_as_the_first() {
    let text = ours("d_twice");
    let expected = [
        "no", "0", "no", "0", "unsafe", "0", "unsafe", "0", "unsafe", "0", "yes", "0", "already", "0",
        "already", "0",
    ];
    assert_eq!(answers(&text), expected, "{text}");
}

fn histories_that_parted_stay_apart() {
    // Each believes that the other failed: the first one runs alone, the second one is told.
    for case in ["d_parted", "d_parted_fresh_first"] {
        let text = ours(case);
        assert_eq!(answers(&text), ["yes", "0", "2"], "{text}");
        assert!(text.contains("[2/1]"), "{text}");
    }
}

fn the_fresher_of_two_with_one_slot_stays() {
    let text = ours("d_slot_twice");
    assert!(text.contains("it is a copy of") || text.contains("has the same slot"), "{text}");
    assert_eq!(answers(&text), ["no", "0", "2", "no", "0"], "{text}");
}

/// All slots are served, none by these.
fn whole_without(text: &str, out: &str) {
    for line in text.lines().filter(|line| line.contains("mdstat: md0 :")) {
        assert!(line.contains(" active ") && !line.contains(out), "{text}");
    }
    assert!(text.contains("UU]") && !text.contains("U_") && !text.contains("_U"), "{text}");
    let failed = answers(text).into_iter().find(|answer| !["0", "no", "unsafe", "yes"].contains(answer));
    assert_eq!(failed, None, "{text}");
}

fn who_was_replaced_makes_way() {
    for (case, gone) in
        [("d_replaced_raid1", "ram1["), ("d_replaced_raid5", "ram2["), ("d_replaced_raid6", "ram3[")]
    {
        whole_without(&ours(case), gone);
    }
    whole_without(&ours("d_replaced_raid10"), "ram3[");
    // A spare that was taken away: who came for it has its number.
    whole_without(&ours("d_spare_number"), "ram2[");
}

fn an_old_copy_makes_way() {
    for case in ["d_old_copy_raid1", "d_old_copy_raid5", "d_old_copy_raid10", "d_old_copy_and_assemble"] {
        whole_without(&ours(case), "ram6[");
    }
}

fn of_two_alike_the_first_stays() {
    let text = ours("d_equal_copy");
    assert_eq!(answers(&text), ["unsafe", "0", "2", "yes", "0"], "{text}");
    assert!(text.contains("/dev/ram6 is not added to /dev/md/0: it is a copy of /dev/ram1"), "{text}");
    assert!(text.contains("[UU]") && text.contains("ram1["), "{text}");
}

fn a_device_in_use_is_left_alone() {
    let text = ours("d_busy");
    assert_eq!(answers(&text), ["1", "unsafe", "0"], "{text}");
    let held =
        text.contains("cannot reopen /dev/ram0: open: EBUSY") && text.contains("held by device-mapper");
    assert!(held, "{text}");
}

fn an_array_without_a_line_is_found() {
    let text = ours("d_unmapped");
    assert_eq!(answers(&text), ["unsafe", "0", "yes", "0"], "{text}");
    assert!(text.contains("map: md0 1.2 11111111:22222222:33333333:44444444 /dev/md"), "{text}");
}

fn the_last_good_member_breaks_nothing() {
    let text = ours("d_fail_last");
    assert_eq!(answers(&text), ["1", "1"], "{text}");
    assert!(text.contains("Cannot fail member device ram0 in array md0."), "{text}");
    let before = text.split("--force ram0").next().unwrap_or_default();
    assert!(before.contains("State : clean, degraded") && !before.contains("broken"), "{text}");
}

fn who_is_gone_leaves_what_waits() {
    let text = ours("d_fail_inactive");
    assert_eq!(answers(&text), ["no", "0", "unsafe", "0", "0", "unsafe", "0", "yes", "0"], "{text}");
}

fn too_few_say_why() {
    let text = ours("d_start_all_too_few");
    assert_eq!(answers(&text), ["no", "0", "1"], "{text}");
    assert!(text.contains("failed to start array /dev/md/0: Input/output error"), "{text}");
}

fn others_wait_for_homehost() {
    let text = ours("d_auto_homehost");
    assert_eq!(answers(&text), ["1", "0"], "{text}");
}
