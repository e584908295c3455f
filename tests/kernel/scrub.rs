//! `mdctl scrub`: checks that are cut off and go on, whoever cut them off, and what they find.

use std::path::Path;

use crate::guest::{self, Case, Disks, Output, mdctl, ours, reference, run, settle, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("start_status_stop", start_status_stop),
        Case::new("a_run_that_is_cut_off_goes_on", a_run_that_is_cut_off_goes_on),
        Case::new("the_reference_goes_on_and_back", the_reference_goes_on_and_back),
        Case::new("killed_and_terminated", killed_and_terminated),
        Case::new("what_is_left_out", what_is_left_out),
        Case::new("a_disk_fails_meanwhile", a_disk_fails_meanwhile),
        Case::new("a_mismatch_is_found_and_placed", a_mismatch_is_found_and_placed),
        Case::new("what_differs_is_located", what_differs_is_located),
        Case::new("what_lies_there_is_told", what_lies_there_is_told),
        Case::new("raid6_and_raid10_go_on_and_are_judged", raid6_and_raid10_go_on_and_are_judged),
        Case::new("arrays_that_share_disks_wait_for_each_other", arrays_that_share_disks_wait_for_each_other),
        Case::new("the_words_of_mdcheck", the_words_of_mdcheck),
        Case::new("a_schedule_is_shown_and_set", a_schedule_is_shown_and_set),
    ]
}

/// Sectors of each member.
const TOTAL: u64 = 129_024;

/// No notes of another case are there, and none stay.
struct Notes;

impl Notes {
    fn new() -> Self {
        sh("rm -rf /var/lib/mdcheck /var/lib/mdctl/scrub").ok();
        Self
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = sh("rm -rf /var/lib/mdcheck /var/lib/mdctl/scrub");
    }
}

/// A mirror that is clean, and slow: a second of a check is 2 MiB.
fn mirror() -> (Notes, Disks) {
    let notes = Notes::new();
    let disks = Disks::new(2, 64 << 10);
    let words = ["-q", "-C", "/dev/md1", "-l1", "-n2", "--run", "--assume-clean", "--bitmap=none"];
    reference(&[&words[..], &disks.all()].concat()).ok();
    settle();
    speed("md1", 2000);
    (notes, disks)
}

fn speed(array: &str, most: u32) {
    sh(&format!("echo {most} > /sys/block/{array}/md/sync_speed_max")).ok();
}

fn attr(array: &str, name: &str) -> String {
    let path = format!("/sys/block/{array}/md/{name}");
    std::fs::read_to_string(path).expect("the attribute is there").trim().to_owned()
}

/// As the kernel has them where no check is bounded.
#[track_caller]
fn is_as_before(array: &str) {
    let found = ["sync_action", "sync_min", "sync_max"].map(|name| attr(array, name));
    assert_eq!(found, ["idle", "0", "max"]);
}

/// The one array's line of `scrub status`.
#[track_caller]
fn status() -> serde_json::Value {
    let output = mdctl(&["scrub", "status", "--json"]).ok();
    let mut report: serde_json::Value = serde_json::from_str(&output.stdout).expect("it is JSON");
    report["arrays"][0].take()
}

/// What the file of a position says.
fn position() -> Option<u64> {
    let text = sh("cat /var/lib/mdcheck/MD_UUID_* 2>/dev/null").stdout;
    text.trim().parse().ok()
}

fn start_status_stop() {
    let _mirror = mirror();
    let started = mdctl(&["scrub", "start", "md1"]).ok();
    assert!(started.stdout.contains("a check begins at its start"), "{started}");
    assert_eq!(attr("md1", "sync_action"), "check");
    assert_eq!(status()["state"], "running");
    let again = mdctl(&["scrub", "start", "md1"]).ok();
    assert!(again.stderr.contains("a check runs already"), "{again}");
    mdctl(&["scrub", "stop"]).ok();
    is_as_before("md1");
    let found = status();
    assert_eq!(found["state"], "cut-off");
    assert_eq!(found["position_sectors"].as_u64(), position());
    speed("md1", 1_000_000);
    // Nobody watches this one: how it ended is found afterwards.
    mdctl(&["scrub", "start"]).ok();
    mdctl(&["wait", "/dev/md1"]);
    let found = status();
    assert_eq!(
        (&found["state"], &found["whole"][0]["mismatch_sectors"]),
        (&"whole".into(), &0.into()),
        "{found:#}"
    );
    let due = mdctl(&["scrub", "start", "--due"]).ok();
    assert!(due.stderr.contains("it was checked since"), "{due}");
    is_as_before("md1");
    assert!(position().is_none());
    mdctl(&["scrub", "renew"]).ok();
    mdctl(&["scrub", "start", "--due"]).ok();
    mdctl(&["wait", "/dev/md1"]);
    mdctl(&["scrub", "stop"]).ok();
    assert_eq!(status()["whole"].as_array().map(Vec::len), Some(2));
}

fn a_run_that_is_cut_off_goes_on() {
    let _mirror = mirror();
    let first = mdctl(&["scrub", "run", "md1", "--for=3s"]).ok();
    assert!(first.stdout.contains("time is over"), "{first}");
    is_as_before("md1");
    let at = position().expect("it is noted");
    assert!((4096..TOTAL / 2).contains(&at), "{at}");
    speed("md1", 1_000_000);
    let second = mdctl(&["scrub", "run"]).ok();
    assert!(!second.stdout.contains("its start") && second.stdout.contains("checked as a whole"), "{second}");
    is_as_before("md1");
    assert_eq!(position(), None);
    assert!(sh("ls /var/lib/mdcheck/Checked_*").status == 0);
}

/// The script of the reference, where this guest has it.
const MDCHECK: &str = "/usr/share/mdadm/mdcheck";

fn the_reference_goes_on_and_back() {
    assert!(Path::new(MDCHECK).exists(), "the reference's script is in the guest");
    let _mirror = mirror();
    mdctl(&["scrub", "run", "--for=3"]).ok();
    let at = position().expect("it is noted");
    run(&[MDCHECK, "--start"]).ok();
    // It gives the kernel what we noted, and without a time it stops the check as it ends, a bit farther on some kernels.
    let from: u64 = attr("md1", "sync_min").parse().expect("a number");
    assert!(from >= at, "{from} and not {at}");
    mdctl(&["scrub", "start"]).ok();
    let stopped = mdctl(&["scrub", "stop"]).ok();
    let farther = position().expect("it is noted");
    assert!(farther >= at, "{stopped}");
    let found = status();
    assert_eq!(found["position_sectors"].as_u64(), Some(farther));
    // What it notes we go on from.
    sh("echo 65536 > $(ls /var/lib/mdcheck/MD_UUID_*)").ok();
    mdctl(&["scrub", "start"]).ok();
    assert_eq!(attr("md1", "sync_min"), "65536");
    mdctl(&["scrub", "stop"]).ok();
    // And nothing of what a file says is run.
    sh("echo 'touch /tmp/ran' > $(ls /var/lib/mdcheck/MD_UUID_*)").ok();
    let odd = mdctl(&["scrub", "start"]).ok();
    assert!(odd.stderr.contains("is not a position") && odd.stdout.contains("its start"), "{odd}");
    assert!(!Path::new("/tmp/ran").exists());
}

/// Begins a run in the background, waits until this is so, ends it by a signal, and waits for its end.
#[track_caller]
fn ended_by(signal: &str, until: &str) -> Output {
    sh(&format!(
        "/usr/local/sbin/mdctl scrub run & run=$!; for i in $(seq 400); do {until} && break; sleep 0.1; done; {until} || exit 99; \
         kill -{signal} $run; wait $run; exit 0"
    ))
    .ok()
}

fn killed_and_terminated() {
    let _mirror = mirror();
    // Saved once, then killed: the check runs on.
    ended_by("KILL", "[ \"$(cat /var/lib/mdcheck/MD_UUID_* 2>/dev/null || echo 0)\" -gt 0 ]");
    assert_eq!(attr("md1", "sync_action"), "check");
    let saved = position().expect("it was saved");
    // It hears of the signal from its first wait on.
    let again = ended_by("TERM", "grep -qs 'SigBlk:.*4002' /proc/$run/task/*/status");
    assert!(again.stderr.contains("begun before is watched"), "{again}");
    is_as_before("md1");
    assert!(position().expect("it is noted") >= saved);
    // Killed, and the array was stopped: from where it was saved.
    ended_by("KILL", "grep -qs 'SigBlk:.*4002' /proc/$run/task/*/status");
    let saved = position().expect("it was saved");
    ours(&["-q", "--stop", "/dev/md1"]).ok();
    ours(&["-q", "-A", "/dev/md1", "/dev/ram0", "/dev/ram1"]).ok();
    let found = status();
    assert_eq!((&found["state"], found["position_sectors"].as_u64()), (&"cut-off".into(), Some(saved)));
    let run = mdctl(&["scrub", "run"]).ok();
    assert!(run.stdout.contains("checked as a whole"), "{run}");
    is_as_before("md1");
}

fn what_is_left_out() {
    let (_notes, disks) = mirror();
    for (change, back, words) in [
        ("mdctl readonly /dev/md1", "mdctl readwrite /dev/md1", "it is read-only"),
        (
            "echo frozen > /sys/block/md1/md/sync_action",
            "echo idle > /sys/block/md1/md/sync_action",
            "frozen",
        ),
        (
            "echo repair > /sys/block/md1/md/sync_action",
            // Linux 7 makes a resync of what is left of it.
            "cd /sys/block/md1/md; echo frozen >sync_action; echo none >resync_start; echo idle >sync_action",
            "a repair runs",
        ),
        (
            "echo 8192 > /sys/block/md1/md/sync_max",
            "echo max > /sys/block/md1/md/sync_max",
            "sync_max is 8192",
        ),
    ] {
        sh(change).ok();
        let named = mdctl(&["scrub", "start", "md1"]).fails(1);
        assert!(named.stderr.contains(words), "{words}: {named}");
        let stopped = mdctl(&["scrub", "stop"]).ok();
        assert!(stopped.stdout.is_empty(), "nothing but a check is stopped: {stopped}");
        mdctl(&["scrub", "start"]).ok();
        assert_ne!(attr("md1", "sync_action"), "check", "{words}");
        sh(back).ok();
        // The kernel takes it once the check is over.
        sh("for i in $(seq 100); do echo 0 2>/dev/null > /sys/block/md1/md/sync_min && exit 0; sleep 0.1; done; exit 1").ok();
    }
    reference(&["-q", "/dev/md1", "--fail", disks.path(1)]).ok();
    let named = mdctl(&["scrub", "start", "md1"]).fails(1);
    assert!(named.stderr.contains("it is degraded"), "{named}");
    let all = mdctl(&["scrub", "run"]).ok();
    assert!(all.stderr.contains("it is degraded"), "{all}");
    assert!(!Path::new("/var/lib/mdcheck").exists());
    mdctl(&["scrub", "start", "md77"]).fails(1);
}

fn a_disk_fails_meanwhile() {
    let (_notes, disks) = mirror();
    let script = format!(
        "/usr/local/sbin/mdctl scrub run md1 & run=$!; for i in $(seq 100); do grep -q check /sys/block/md1/md/sync_action && break; \
         sleep 0.1; done; /usr/sbin/mdadm -q /dev/md1 --fail {}; wait $run",
        disks.path(1)
    );
    let ended = sh(&script).fails(1);
    // Either the kernel ends the check, or it is seen before that and stopped.
    let by_kernel = ended.stderr.contains("it has lost a member; it is noted at");
    assert!(by_kernel || ended.stderr.contains("the check is stopped: it is degraded"), "{ended}");
    // The kernel looks for a spare for a while.
    assert_eq!(["sync_min", "sync_max"].map(|name| attr("md1", name)), ["0", "max"]);
    assert_eq!(status()["state"], "cut-off");
    assert!(sh("ls /var/lib/mdcheck/Checked_*").status != 0, "it is not whole");
}

fn a_mismatch_is_found_and_placed() {
    let _notes = Notes::new();
    let disks = Disks::new(3, 64 << 10);
    let words = ["-q", "-C", "/dev/md5", "-l5", "-n3", "--run", "--assume-clean", "--bitmap=none"];
    reference(&[&words[..], &disks.all()].concat()).ok();
    settle();
    let data: u64 = sh("cat /sys/block/md5/md/dev-ram1/offset").ok().stdout.trim().parse().expect("a number");
    reference(&["-q", "--stop", "/dev/md5"]).ok();
    disks.write(1, (data + 40_960) * 512, &[0x5a; 4096]);
    reference(&[&["-q", "-A", "/dev/md5"][..], &disks.all()].concat()).ok();
    settle();
    let found = mdctl(&["scrub", "run", "md5"]).ok();
    assert!(
        found.stderr.contains("4 KiB differ") && found.stderr.contains("which member is wrong"),
        "{found}"
    );
    let whole = status()["whole"][0].take();
    assert_eq!(whole["mismatch_sectors"], 8, "{whole:#}");
    // The stripe's two pieces of data, in chunks of 512 KiB.
    let starts: Vec<u64> = whole["ranges"]
        .as_array()
        .expect("there are places")
        .iter()
        .filter_map(|range| range["start_sector"].as_u64())
        .collect();
    assert_eq!(starts, [81_920, 82_944], "{whole:#}");
    let text = mdctl(&["scrub", "status"]).ok();
    assert!(text.stdout.contains("8 (4 KiB)") && text.stdout.contains("81920-81928"), "{text}");
}

/// What `mdctl scrub locate` says of md5.
fn located() -> serde_json::Value {
    let ended = mdctl(&["scrub", "locate", "md5", "--json"]).ok();
    let mut document: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a document");
    assert_eq!(document["schema"], "mdctl.differences.1");
    document["arrays"][0].take()
}

/// A page of the member in slot 1, in every level, found while the array runs.
fn what_differs_is_located() {
    for (words, count, starts, odd) in [
        (&["-l1"][..], 2, &[40_960][..], &[][..]),
        (&["-l1"], 3, &[40_960], &["/dev/ram1"]),
        (&["-l4"], 3, &[81_920, 82_944], &[]),
        (&["-l5"], 3, &[81_920, 82_944], &[]),
        (&["-l6"], 5, &[122_880], &["/dev/ram1"]),
        (&["-l10", "-pn2"], 4, &[81_920], &[]),
        (&["-l10", "-pf2"], 4, &[164_864], &[]),
        (&["-l10", "-po3"], 3, &[39_936], &["/dev/ram1"]),
    ] {
        let _notes = Notes::new();
        let disks = Disks::new(count, 64 << 10);
        let devices = format!("-n{count}");
        let start = ["-q", "-C", "/dev/md5", &devices, "--run", "--assume-clean", "--bitmap=none"];
        reference(&[&start[..], words, &disks.all()].concat()).ok();
        settle();
        let array = located();
        assert!(array["places"].as_array().is_some_and(Vec::is_empty), "{words:?}: {array:#}");
        assert!(array["compared_bytes"] == array["total_bytes"] && array["more"] == false, "{array:#}");
        let data: u64 = attr("md5", "dev-ram1/offset").parse().expect("a number");
        disks.write(1, (data + 40_960) * 512, &[0x5a; 4096]);
        let array = located();
        let [place] = array["places"].as_array().expect("a list").as_slice() else {
            panic!("{words:?}: {array:#}")
        };
        let contents = place["contents"].as_array().expect("a list").iter();
        let found: Vec<u64> = contents.filter_map(|spot| spot["start_sector"].as_u64()).collect();
        assert_eq!(found, starts, "{words:?}: {array:#}");
        assert_eq!(place["odd_members"], serde_json::json!(odd), "{words:?}: {array:#}");
        assert_eq!((&place["length_bytes"], &array["differing_bytes"]), (&4096.into(), &4096.into()));
        // Whoever reads the array finds it in one of these places. Of copies any may be read, and the RAID5 has parity there.
        let reads = |at: &u64| {
            sh(&format!("dd if=/dev/md5 bs=512 skip={at} count=8 iflag=direct status=none | tr -d Z | wc -c"))
        };
        let is_data = matches!(words[0], "-l4" | "-l6");
        assert!(
            !is_data || starts.iter().any(|at| reads(at).ok().stdout.trim() == "0"),
            "{words:?}: {array:#}"
        );
        let text = mdctl(&["scrub", "locate", "md5"]).ok();
        assert!(text.stdout.contains("members differ in one place, 4 KiB"), "{text}");
        reference(&["-q", "--stop", "/dev/md5"]).ok();
    }
}

/// Swap and a mounted file system on volumes, and free space of their group.
fn what_lies_there_is_told() {
    let _notes = Notes::new();
    let disks = Disks::new(2, 64 << 10);
    let words = ["-q", "-C", "/dev/md5", "-l1", "-n2", "--run", "--assume-clean", "--bitmap=none"];
    reference(&[&words[..], &disks.all()].concat()).ok();
    settle();
    mdctl(&["volume", "group", "create", "vgloc", "/dev/md5"]).ok();
    mdctl(&["volume", "create", "vgloc/swap", "8M"]).ok();
    mdctl(&["volume", "create", "vgloc/home", "8M"]).ok();
    sh("mkswap -q /dev/vgloc/swap; mkfs.ext4 -q -L home /dev/vgloc/home; mkdir -p /mnt/located; mount /dev/vgloc/home /mnt/located; sync")
        .ok();
    let data: u64 = attr("md5", "dev-ram1/offset").parse().expect("a number");
    let begins = |volume: &str| -> u64 {
        let table = sh(&format!("dmsetup table vgloc-{volume}")).ok().stdout;
        table.split_whitespace().last().and_then(|word| word.parse().ok()).expect("a linear volume")
    };
    let (swap, home) = (begins("swap"), begins("home"));
    for start in [swap + 4096, home + 8192, home + 40_000] {
        disks.write(1, (data + start) * 512, &[0x5a; 4096]);
    }
    let array = located();
    sh("umount /mnt/located").ok();
    let all: Vec<String> = array["places"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|place| {
            let spot = &place["contents"][0];
            ["device", "device_offset_bytes", "content", "mounted_on", "purpose", "harmless"]
                .map(|key| spot[key].to_string().replace('"', ""))
                .join(" ")
        })
        .collect();
    mdctl(&["volume", "remove", "vgloc/swap", "vgloc/home", "--yes"]).ok();
    mdctl(&["volume", "group", "remove", "vgloc", "--yes"]).ok();
    assert_eq!(
        all,
        [
            "/dev/vgloc/swap 2097152 swap null swap true",
            "/dev/vgloc/home 4194304 ext4 \\home\\ /mnt/located data false",
            &format!("/dev/md5 {} free space of group vgloc null free true", (home + 40_000) * 512),
        ],
        "{array:#}"
    );
}

/// One page of one member is not as the others have it.
fn raid6_and_raid10_go_on_and_are_judged() {
    // RAID10 counts in units of 64 KiB, and the kernel does not say where.
    for (level, count, words, places) in
        [("6", 8, "raid6check say", &[81_920, 82_944][..]), ("10", 128, "small counts are harmless", &[])]
    {
        let _notes = Notes::new();
        let disks = Disks::new(4, 64 << 10);
        let level = format!("-l{level}");
        let words_of = ["-q", "-C", "/dev/md5", &level, "-n4", "--run", "--assume-clean", "--bitmap=none"];
        reference(&[&words_of[..], &disks.all()].concat()).ok();
        settle();
        let data: u64 = attr("md5", "dev-ram1/offset").parse().expect("a number");
        reference(&["-q", "--stop", "/dev/md5"]).ok();
        disks.write(1, (data + 40_960) * 512, &[0x5a; 4096]);
        reference(&[&["-q", "-A", "/dev/md5"][..], &disks.all()].concat()).ok();
        settle();
        speed("md5", 2000);
        mdctl(&["scrub", "start", "md5"]).ok();
        guest::until("something is compared", || {
            let completed = attr("md5", "sync_completed");
            completed.split(' ').next().and_then(|at| at.parse::<u64>().ok()).is_some_and(|at| at > 2048)
        });
        assert_eq!(status()["state"], "running", "{level}");
        mdctl(&["scrub", "stop"]).ok();
        is_as_before("md5");
        let found = status();
        let (at, total) = (found["position_sectors"].as_u64(), found["total_sectors"].as_u64());
        assert!(found["state"] == "cut-off" && at > Some(0) && at < total, "{level}: {found:#}");
        speed("md5", 1_000_000);
        let whole = mdctl(&["scrub", "run", "md5"]).ok();
        assert!(!whole.stdout.contains("its start") && whole.stderr.contains(words), "{level}: {whole}");
        is_as_before("md5");
        let last = status()["whole"][0].take();
        assert_eq!(last["mismatch_sectors"], count, "{level}: {last:#}");
        let ranges = last["ranges"].as_array().expect("a list").iter();
        let starts: Vec<u64> = ranges.filter_map(|range| range["start_sector"].as_u64()).collect();
        assert_eq!(starts, places, "{level}: {last:#}");
        reference(&["-q", "--stop", "/dev/md5"]).ok();
    }
}

fn arrays_that_share_disks_wait_for_each_other() {
    let _notes = Notes::new();
    let disks = ["one", "two"].map(|name| guest::loop_disk(name, 140 << 20));
    for disk in &disks {
        sh(&format!(
            "printf ',60M\\n,\\n' | sfdisk -q --no-reread --force {disk}; partx -a {disk}; udevadm settle"
        ))
        .ok();
    }
    for (array, part) in [("/dev/md1", 1), ("/dev/md2", 2)] {
        let members = disks.each_ref().map(|disk| format!("{disk}p{part}"));
        let words = ["-q", "-C", array, "-l1", "-n2", "--run", "--assume-clean", "--bitmap=none"];
        reference(&[&words[..], &members.each_ref().map(String::as_str)].concat()).ok();
    }
    settle();
    ["md1", "md2"].iter().for_each(|array| speed(array, 2000));
    let states = || {
        let output = mdctl(&["scrub", "status", "--json"]).ok();
        let report: serde_json::Value = serde_json::from_str(&output.stdout).expect("it is JSON");
        let arrays = report["arrays"].as_array().expect("a list").clone();
        let mut states: Vec<String> =
            arrays.iter().map(|array| array["state"].as_str().unwrap_or_default().to_owned()).collect();
        states.sort();
        states
    };
    mdctl(&["scrub", "start"]).ok();
    guest::until("one waits", || states() == ["running", "waiting"]);
    // Either is stopped: what waits has compared nothing, and is due all the same.
    mdctl(&["scrub", "stop"]).ok();
    for array in ["md1", "md2"] {
        is_as_before(array);
    }
    assert_eq!(states(), ["cut-off", "cut-off"]);
    ["md1", "md2"].iter().for_each(|array| speed(array, 1_000_000));
    let run = mdctl(&["scrub", "run", "--cut-off"]).ok();
    assert_eq!(run.stdout.matches("checked as a whole").count(), 2, "{run}");
    assert_eq!(states(), ["whole", "whole"]);
    reference(&["-q", "--stop", "/dev/md1", "/dev/md2"]).ok();
    sh("losetup -D; udevadm settle").ok();
}

/// The script that the units call.
const OURS: &str = "/usr/local/lib/guest/mdcheck";

fn the_words_of_mdcheck() {
    let script = include_str!("../../packaging/share/mdcheck").replace("@SBINDIR@", "/usr/local/sbin");
    std::fs::create_dir_all("/usr/local/lib/guest").expect("a directory of the guest");
    std::fs::write(OURS, script).expect("a file of the guest");
    sh(&format!("chmod 755 {OURS}")).ok();
    let _mirror = mirror();
    for words in [
        &["--help"][..],
        &["--start", "--continue"],
        &["--start", "--start"],
        &["--nonsense"],
        &["word"],
        &["--duration"],
        &["--restart"],
        &["--continue"],
    ] {
        let ours = run(&[&[OURS], words].concat());
        assert_eq!(ours.status, run(&[&[MDCHECK], words].concat()).status, "{words:?}: {ours}");
        assert_eq!(attr("md1", "sync_action"), "idle", "{words:?}");
    }
    run(&[OURS, "--start", "--duration", "3 seconds"]).ok();
    let at = position().expect("it is noted");
    speed("md1", 1_000_000);
    let on = run(&[OURS, "--continue", "--duration", "1 hour"]).ok();
    assert!(at > 0 && on.stdout.contains("checked as a whole"), "{on}");
    let done = run(&[OURS, "--start"]).ok();
    assert_eq!(attr("md1", "sync_action"), "idle", "{done}");
    run(&[OURS, "--restart"]).ok();
    assert!(sh("ls /var/lib/mdcheck/Checked_*").status != 0);
}

/// systemd's tool for a guest in which systemd does not run: it keeps what is on in files, and says it.
const SYSTEMCTL: &str = r#"#!/bin/sh
state=/tmp/units
verb=$1; shift
echo "$verb $*" >> $state/log
case $verb in
    show)
        for unit; do :; done
        case $unit in
            mdcheck_start.*|mdcheck_continue.*) echo LoadState=loaded ;;
            *) echo "Id=$unit"; echo LoadState=not-found; exit 0 ;;
        esac
        echo "Id=$unit"
        [ -e "$state/enabled/$unit" ] && echo UnitFileState=enabled || echo UnitFileState=disabled
        [ -e "$state/active/$unit" ] && echo ActiveState=active || echo ActiveState=inactive
        echo "DropInPaths=$(ls -d /etc/systemd/system/$unit.d/* 2>/dev/null | tr '\n' ' ')"
        case $unit in
            *.timer) calendar=$(cat /etc/systemd/system/$unit.d/*.conf 2>/dev/null | sed -n 's/^OnCalendar=\(..*\)/\1/p' | tail -1)
                echo "TimersCalendar={ OnCalendar=${calendar:-daily} ; next_elapse=(null) }"
                echo "NextElapseUSecRealtime=Sun 2026-12-06 07:13:22 UTC"
                echo "LastTriggerUSec=Sun 2026-11-01 07:13:22 UTC" ;;
            mdcheck_start.service) echo "ExecStart={ path=/x ; argv[]=/usr/share/mdadm/mdcheck --restart ; }" ;;
            *) echo 'ExecStart={ path=/x ; argv[]=/usr/share/mdadm/mdcheck --start --duration ${MDADM_CHECK_DURATION} ; }'
                most=$(cat /etc/systemd/system/$unit.d/*.conf 2>/dev/null | sed -n 's/^Environment=\(..*\)/\1/p' | tail -1)
                echo "Environment=${most:-\"MDADM_CHECK_DURATION=6 hours\"}" ;;
        esac ;;
    enable) for unit; do touch "$state/enabled/$unit"; done ;;
    disable) for unit; do rm -f "$state/enabled/$unit"; done ;;
    start) [ -e $state/fails ] && { echo "Failed to start"; exit 1; }; for unit; do touch "$state/active/$unit"; done ;;
    stop) for unit; do rm -f "$state/active/$unit"; done ;;
esac
exit 0
"#;

/// The stub, and nothing set before and after.
struct Units;

impl Units {
    const CLEAN: &str = "rm -rf /usr/local/sbin/systemctl /tmp/units /run/systemd/system /etc/systemd/system/mdcheck_* /etc/cron.d/mdadm";

    fn new() -> Self {
        sh(Self::CLEAN).ok();
        std::fs::write("/usr/local/sbin/systemctl", SYSTEMCTL).expect("a file of the guest");
        let units = ["start", "continue"].map(|name| format!("/tmp/units/*/mdcheck_{name}.timer"));
        let touch = units
            .map(|unit| format!("touch {} {}", unit.replace('*', "enabled"), unit.replace('*', "active")));
        sh(&format!(
            "chmod 755 /usr/local/sbin/systemctl; mkdir -p /tmp/units/enabled /tmp/units/active; {}",
            touch.join("; ")
        ))
        .ok();
        Self
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        let _ = sh(Self::CLEAN);
    }
}

fn a_schedule_is_shown_and_set() {
    let _mirror = mirror();
    let _units = Units::new();
    let without = mdctl(&["scrub", "schedule", "--weekly"]).fails(1);
    assert!(without.stderr.contains("/etc/cron.d/mdctl: `0 0 * * 0 root mdctl scrub renew"), "{without}");
    assert!(mdctl(&["scrub", "schedule"]).ok().stdout.contains("without systemd"));
    sh("mkdir -p /run/systemd/system /etc/cron.d; echo '57 0 * * 0 root /usr/share/mdadm/checkarray --cron --all' > /etc/cron.d/mdadm").ok();
    let shown = mdctl(&["scrub", "schedule"]).ok();
    for words in ["Sun Dec  6 07:13:22 2026", "for 6 hours at most", "/dev/md1", "/etc/cron.d/mdadm, line 1"]
    {
        assert!(shown.stdout.contains(words), "{words}: {shown}");
    }
    let files = "cat /etc/systemd/system/mdcheck_*/* 2>/dev/null";
    let planned = mdctl(&["scrub", "schedule", "--on=Sat 02:00", "--for=90min", "--dry-run"]).ok();
    assert!(planned.stdout.contains("systemctl stop mdcheck_start.timer"), "{planned}");
    assert_eq!(sh(files).stdout, "");
    // A step that fails puts all of it back.
    sh("touch /tmp/units/fails").ok();
    mdctl(&["scrub", "schedule", "--on=Sat 02:00", "--for=90min"]).fails(1);
    assert_eq!(sh(files).stdout, "");
    sh("rm /tmp/units/fails; touch /tmp/units/active/mdcheck_start.timer").ok();
    let set = mdctl(&["scrub", "schedule", "--on=Sat 02:00", "--for=90min"]).ok();
    assert!(set.stdout.contains("Sat 02:00") && set.stdout.contains("for 90 minutes at most"), "{set}");
    assert!(set.stderr.contains("/etc/cron.d/mdadm, line 1: cron checks arrays, too"), "{set}");
    let log = sh("cat /tmp/units/log").stdout;
    assert!(log.contains("daemon-reload") && log.contains("start mdcheck_start.timer"), "{log}");
    let again = mdctl(&["scrub", "schedule", "--on=Sat 02:00", "--for=90min"]).ok();
    assert!(again.stderr.contains("so it is already"), "{again}");
    mdctl(&["scrub", "schedule", "--on=Saturn"]).fails(1);
    mdctl(&["scrub", "schedule", "--off"]).ok();
    let json = mdctl(&["scrub", "schedule", "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(
        (&report["timers"][0]["enabled"], &report["timers"][1]["active"]),
        (&false.into(), &false.into())
    );
    mdctl(&["scrub", "schedule", "--monthly"]).ok();
    assert!(!sh(files).stdout.contains("Wants="), "a month is not a named time");
}
