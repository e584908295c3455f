//! `mdctl explain`: an array is put into each state, what is found is asserted, and the command that is offered is run.

use serde_json::Value;

use crate::guest::{self, Case, Disks, mdctl, reference, run, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("failed_stale_and_back", failed_stale_and_back),
        Case::new("stopped_degraded_and_inactive", stopped_degraded_and_inactive),
        Case::new("not_enough_and_dirty", not_enough_and_dirty),
        Case::new("two_histories", two_histories),
        Case::new("damaged_short_and_newer", damaged_short_and_newer),
        Case::new("names_and_hosts", names_and_hosts),
        Case::new("read_only_pending_delayed_frozen", read_only_pending_delayed_frozen),
        Case::new("journal_and_bitmap", journal_and_bitmap),
        Case::new("held_devices_and_no_members", held_devices_and_no_members),
    ]
}

/// The one answer.
#[track_caller]
fn explain(word: &str) -> Value {
    let output = mdctl(&["explain", "--json", word]).ok();
    let report: Value = serde_json::from_str(&output.stdout).expect("explain says JSON");
    assert_eq!(report["schema"], "mdctl.explain.1");
    report["subjects"][0].clone()
}

/// The same in words: nothing in them acts on a terminal.
#[track_caller]
fn in_words(word: &str) -> String {
    let text = mdctl(&["explain", word]).ok().stdout;
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    text
}

/// The finding of this kind.
#[track_caller]
fn finding(explained: &Value, kind: &str) -> Value {
    let findings = explained["findings"].as_array().expect("there are findings");
    let found = findings.iter().find(|finding| finding["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {explained:#}")).clone()
}

/// Runs the command of a finding, as pasted into a shell.
#[track_caller]
fn try_it(finding: &Value) {
    let line = finding["command"]["line"].as_str().unwrap_or_else(|| panic!("no command in {finding:#}"));
    sh(line).ok();
    guest::settle();
}

#[track_caller]
fn next(explained: &Value) -> String {
    explained["next_command"]["line"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn has(value: &Value, text: &str) {
    assert!(value.to_string().contains(text), "{text:?} is not in {value:#}");
}

fn create(words: &[&str]) {
    reference(&[&["--quiet", "--create", "--run"], words].concat()).ok();
    guest::settle();
}

fn stop(array: &str) {
    reference(&["--quiet", "--stop", array]).ok();
}

/// Writes to an array, so that its members count further.
fn dirty(array: &str) {
    sh(&format!("dd if=/dev/urandom of={array} bs=64k count=2 oflag=direct conv=fsync status=none")).ok();
}

fn state(array: &str) -> String {
    sh(&format!("cat /sys/block/{array}/md/array_state")).ok().stdout.trim().to_owned()
}

fn failed_stale_and_back() {
    let _disks = Disks::new(3, 16 << 10);
    create(&[
        "/dev/md0",
        "-l5",
        "-n3",
        "--assume-clean",
        "--bitmap=internal",
        "/dev/ram0",
        "/dev/ram1",
        "/dev/ram2",
    ]);
    let fine = explain("md0");
    assert_eq!((&fine["fine"], &fine["findings"][0]["kind"]), (&true.into(), &"fine".into()), "{fine:#}");
    assert!(mdctl(&["explain"]).ok().stdout.starts_with("nothing to explain"));
    reference(&["--quiet", "/dev/md0", "--fail", "/dev/ram1"]).ok();
    let failed = explain("/dev/md0");
    has(&finding(&failed, "member_failed")["evidence"], "Disk failure on ram1");
    has(&finding(&failed, "member_missing"), "it was /dev/ram1, which failed");
    try_it(&finding(&failed, "member_failed"));
    dirty("/dev/md0");
    for word in ["0", "/dev/ram1"] {
        let stale = finding(&explain(word), "stale");
        has(&stale["text"], "/dev/ram1: slot 1, out of date by");
        has(&stale["command"]["line"], "--re-add /dev/ram1");
    }
    assert!(mdctl(&["explain"]).ok().stdout.contains("out of date by"));
    try_it(&finding(&explain("md0"), "stale"));
    guest::wait_for("it is whole again", |mdstat| mdstat.contains("[UUU]"));
    assert_eq!(explain("md0")["fine"], true);
    // Without a bitmap everything has to be copied, and that is said.
    sh("mdadm -q --grow /dev/md0 --bitmap=none; /usr/sbin/mdadm -q --grow /dev/md0 --bitmap=none; true").ok();
    reference(&["--quiet", "/dev/md0", "--fail", "/dev/ram2"]).ok();
    reference(&["--quiet", "/dev/md0", "--remove", "/dev/ram2"]).ok();
    dirty("/dev/md0");
    let stale = finding(&explain("md0"), "stale");
    has(&stale["command"], "--add");
    has(&stale["command"]["effect"], "all of it");
    try_it(&stale);
    guest::wait_for("it is whole again", |mdstat| mdstat.contains("[UUU]"));
}

fn stopped_degraded_and_inactive() {
    let _disks = Disks::new(3, 16 << 10);
    create(&[
        "/dev/md/home",
        "-l5",
        "-n3",
        "--assume-clean",
        "--bitmap=none",
        "/dev/ram0",
        "/dev/ram1",
        "/dev/ram2",
    ]);
    stop("/dev/md/home");
    // Whole, and not assembled: by every name.
    let uuid = explain("home")["uuid"].clone();
    for word in ["guest:home", "/dev/md/home", uuid.as_str().unwrap_or_default()] {
        let explained = explain(word);
        assert_eq!(explained["uuid"], uuid, "{word}");
        has(&finding(&explained, "not_assembled")["evidence"], "nothing stands in the way");
    }
    try_it(&finding(&explain("home"), "not_assembled"));
    assert!(guest::mdstat().contains("[3/3]"), "{}", guest::mdstat());
    has(&finding(&explain("home"), "name"), "counted down from 127; /dev/md/home is the name to use");
    // A member that was there last time is not here: read-only, until somebody decides.
    stop("/dev/md/home");
    run(&["wipefs", "-qa", "/dev/ram2"]).ok();
    let explained = explain("home");
    has(&finding(&explained, "member_missing"), "counts on it");
    let unassembled = finding(&explained, "not_assembled");
    has(&unassembled["command"]["line"], "--readonly");
    assert_eq!(next(&explained), unassembled["command"]["line"].as_str().unwrap_or_default());
    try_it(&unassembled);
    assert_eq!(state("md127"), "readonly");
    has(&finding(&explain("home"), "read_only"), "somebody switched it");
    try_it(&finding(&explain("home"), "read_only"));
    assert_ne!(state("md127"), "readonly");
    stop("/dev/md/home");
    // In the kernel, and not started.
    reference(&["--quiet", "--incremental", "/dev/ram0"]);
    let one = explain("md127");
    has(&finding(&one, "not_started"), "2 of 3 devices are enough");
    reference(&["--quiet", "--incremental", "/dev/ram1"]);
    stop("/dev/md127");
    reference(&["--quiet", "--assemble", "--no-degraded", "--scan"]);
    if state_of_any() == "inactive" {
        let both = explain("md127");
        try_it(&finding(&both, "not_started"));
    }
    has(&explain("/dev/ram2")["findings"], "no_md_metadata");
}

/// The state of md127, or nothing where there is none.
fn state_of_any() -> String {
    sh("cat /sys/block/md127/md/array_state 2>/dev/null || true").ok().stdout.trim().to_owned()
}

fn not_enough_and_dirty() {
    let disks = Disks::new(3, 16 << 10);
    let words =
        ["/dev/md0", "-l5", "-n3", "--assume-clean", "--bitmap=none", "/dev/ram0", "/dev/ram1", "/dev/ram2"];
    create(&words);
    reference(&["--quiet", "/dev/md0", "--fail", "/dev/ram2"]).ok();
    dirty("/dev/md0");
    stop("/dev/md0");
    run(&["wipefs", "-qa", "/dev/ram1"]).ok();
    let explained = explain("0");
    has(&finding(&explained, "not_enough_members"), "1 of 3 devices up to date: not enough for raid5");
    has(&finding(&explained, "stale"), "/dev/ram2: slot 2, out of date by");
    let command = finding(&explained, "not_enough_members");
    has(&command["command"]["line"], "--force --dry-run");
    let before = disks.read(2, 4096, 4096);
    try_it(&command);
    guest::same_bytes("a dry run", &before, &disks.read(2, 4096, 4096));
    // Writes were in flight, and a member is gone: the kernel's own refusal, and what force would do.
    disks.wipe();
    create(&words);
    sh("echo 0 > /sys/block/md0/md/safe_mode_delay").ok();
    sh("dd if=/dev/zero of=/dev/md0 bs=64k count=64 oflag=direct status=none & \
        for n in $(seq 200); do [ $(cat /sys/block/md0/md/array_state) = active ] && break; done; \
        for d in 0 1; do dd if=/dev/ram$d of=/tmp/ram$d.img bs=64k count=1 iflag=direct status=none; done; wait")
    .ok();
    stop("/dev/md0");
    sh("for d in 0 1; do dd if=/tmp/ram$d.img of=/dev/ram$d bs=64k conv=fsync status=none; done; wipefs -qa /dev/ram2").ok();
    let explained = explain("0");
    has(&finding(&explained, "dirty_degraded"), "its parity cannot be trusted");
    try_it(&finding(&explained, "dirty_degraded"));
    // Where the kernel was asked all the same, its answer is told.
    reference(&["--assemble", "--run", "/dev/md0", "/dev/ram0", "/dev/ram1"]);
    if run(&["dmesg"]).stdout.contains("cannot start dirty degraded array") {
        assert!(in_words("0").contains("cannot start dirty degraded array"));
    }
}

fn two_histories() {
    let _disks = Disks::new(2, 16 << 10);
    create(&["/dev/md0", "-l1", "-n2", "--assume-clean", "--bitmap=none", "/dev/ram0", "/dev/ram1"]);
    stop("/dev/md0");
    for half in ["/dev/ram0", "/dev/ram1"] {
        reference(&["--quiet", "--assemble", "--run", "/dev/md0", half]).ok();
        dirty("/dev/md0");
        stop("/dev/md0");
    }
    let explained = explain("0");
    let split = finding(&explained, "split_brain");
    has(&split["text"], "two histories of one array");
    assert_eq!(split["evidence"].as_array().map(Vec::len), Some(2), "{split:#}");
    try_it(&finding(&explained, "not_assembled"));
    assert_eq!(state("md0"), "readonly");
    assert!(in_words("md0").contains("two histories"));
    let running = explain("md0");
    has(&finding(&running, "split_brain")["needs"], "your choice");
    assert!(next(&running).starts_with("mdctl examine"), "{running:#}");
}

fn damaged_short_and_newer() {
    let disks = Disks::new(4, 16 << 10);
    create(&[
        "/dev/md0",
        "-l1",
        "-n4",
        "--assume-clean",
        "--bitmap=none",
        "/dev/ram0",
        "/dev/ram1",
        "/dev/ram2",
        "/dev/ram3",
    ]);
    stop("/dev/md0");
    disks.write(1, 4096 + 216, &[0xde, 0xad]);
    // A feature that no kernel knows, with a right checksum.
    let mut head = disks.read(2, 4096, 512);
    head[10] ^= 0x80;
    let sum = u32::from_le_bytes([head[216], head[217], head[218], head[219]]).wrapping_add(0x80 << 16);
    head[216..220].copy_from_slice(&sum.to_le_bytes());
    disks.write(2, 4096, &head);
    // A member that was cut.
    let short = guest::loop_disk("short", 8 << 20);
    sh(&format!("dd if=/dev/ram3 of={short} bs=1M count=8 conv=fsync status=none; wipefs -qa /dev/ram3"))
        .ok();
    let explained = explain("0");
    has(&finding(&explained, "bad_checksum"), "/dev/ram1: the superblock is damaged");
    try_it(&finding(&explained, "bad_checksum"));
    has(&finding(&explained, "metadata_unusable"), "feature bits 0x800000");
    has(&finding(&explained, "too_small")["evidence"], "(16384 sectors)");
    has(&explain("/dev/ram1")["findings"], "bad_checksum");
    // The kernel's own words about it.
    reference(&["--assemble", "--run", "/dev/md0", "/dev/ram0", "/dev/ram2"]);
    has(&explain("0")["findings"], "kernel, ");
}

fn names_and_hosts() {
    let _disks = Disks::new(4, 16 << 10);
    create(&[
        "/dev/md5",
        "-l1",
        "-n2",
        "--homehost=other",
        "--assume-clean",
        "--bitmap=none",
        "/dev/ram0",
        "/dev/ram1",
    ]);
    stop("/dev/md5");
    let explained = explain("5");
    has(
        &finding(&explained, "foreign_host")["evidence"],
        "belongs to host \\\"other\\\", and this one is \\\"guest\\\"",
    );
    try_it(&finding(&explained, "not_assembled"));
    stop("/dev/md5");
    reference(&["--quiet", "--assemble", "--scan"]).ok();
    guest::settle();
    has(&finding(&explain("md127"), "name"), "is not honoured");
    assert!(in_words("md127").contains("free, counted down from 127"));
    stop("/dev/md127");
    // Evil names do not act; the array is found by its UUID.
    create(&[
        "/dev/md1",
        "--name=$(reboot);\u{1b}[2J",
        "-l1",
        "-n2",
        "--assume-clean",
        "--bitmap=none",
        "/dev/ram2",
        "/dev/ram3",
    ]);
    let uuid = explain("md1")["uuid"].clone();
    stop("/dev/md1");
    let explained = explain(uuid.as_str().unwrap_or_default());
    try_it(&finding(&explained, "not_assembled"));
    // Kept down by the configuration, and said so.
    guest::clean();
    let _disks = Disks::new(2, 16 << 10);
    create(&["/dev/md0", "-l1", "-n2", "--assume-clean", "--bitmap=none", "/dev/ram0", "/dev/ram1"]);
    stop("/dev/md0");
    sh("mkdir -p /etc/mdadm; echo 'AUTO -all' > /etc/mdadm/mdadm.conf").ok();
    has(&finding(&explain("0"), "configuration"), "AUTO line");
}

fn read_only_pending_delayed_frozen() {
    let _disks = Disks::new(4, 16 << 10);
    create(&["/dev/md0", "-l1", "-n2", "--bitmap=none", "/dev/ram0", "/dev/ram1"]);
    guest::wait_idle();
    stop("/dev/md0");
    sh("echo 1 > /sys/module/md_mod/parameters/start_ro").ok();
    reference(&["--quiet", "--assemble", "--update=resync", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
    sh("echo 0 > /sys/module/md_mod/parameters/start_ro").ok();
    let explained = explain("md0");
    has(&finding(&explained, "read_auto"), "until it is written to");
    try_it(&finding(&explained, "sync_pending"));
    guest::wait_idle();
    assert_eq!(explain("md0")["fine"], true);
    reference(&["--quiet", "/dev/md0", "--fail", "/dev/ram1"]).ok();
    reference(&["--quiet", "/dev/md0", "--remove", "/dev/ram1"]).ok();
    sh("echo frozen > /sys/block/md0/md/sync_action").ok();
    let command = finding(&explain("md0"), "sync_frozen");
    has(&command["command"]["line"], "--action=idle /dev/md0");
    stop("/dev/md0");
    // Two arrays on partitions of one disk: the second waits for the first.
    let disk = guest::loop_disk("both", 64 << 20);
    sh(&format!("printf 'label: gpt\n,30MiB\n,\n' | sfdisk -q --no-reread --no-tell-kernel {disk}; partx -a {disk}; udevadm settle")).ok();
    sh("echo 300 > /proc/sys/dev/raid/speed_limit_max; echo 200 > /proc/sys/dev/raid/speed_limit_min").ok();
    create(&["/dev/md1", "-l1", "-n2", "--bitmap=none", &format!("{disk}p1"), "/dev/ram2"]);
    create(&["/dev/md2", "-l1", "-n2", "--bitmap=none", &format!("{disk}p2"), "/dev/ram3"]);
    let found = ["md1", "md2"].map(|name| explain(name)["findings"].clone());
    sh("echo 200000 > /proc/sys/dev/raid/speed_limit_max; echo 1000 > /proc/sys/dev/raid/speed_limit_min")
        .ok();
    let delayed = found.iter().find(|findings| findings.to_string().contains("sync_delayed"));
    has(delayed.unwrap_or(&Value::Null), "waits for /dev/md");
    has(&Value::from(found.to_vec()), "sync_running");
    guest::wait_idle();
}

fn journal_and_bitmap() {
    let disks = Disks::new(4, 16 << 10);
    create(&[
        "/dev/md0",
        "-l5",
        "-n3",
        "--write-journal=/dev/ram3",
        "--assume-clean",
        "/dev/ram0",
        "/dev/ram1",
        "/dev/ram2",
    ]);
    guest::wait_idle();
    stop("/dev/md0");
    run(&["wipefs", "-qa", "/dev/ram3"]).ok();
    let explained = explain("0");
    let missing = finding(&explained, "journal_missing");
    has(&missing["command"]["line"], "--force --dry-run");
    try_it(&missing);
    disks.wipe();
    create(&["/dev/md0", "-l1", "-n2", "--assume-clean", "--bitmap=internal", "/dev/ram0", "/dev/ram1"]);
    stop("/dev/md0");
    disks.write(0, 8192, &[0xff; 64]);
    let damaged = finding(&explain("0"), "bitmap_unusable");
    assert_eq!(damaged["device"], "/dev/ram0");
    has(&damaged["evidence"], "magic");
}

fn held_devices_and_no_members() {
    let _disks = Disks::new(3, 16 << 10);
    create(&["/dev/md0", "-l1", "-n2", "--assume-clean", "--bitmap=none", "-e1.0", "/dev/ram0", "/dev/ram1"]);
    stop("/dev/md0");
    // Metadata at the end: its data can be mounted past the array.
    sh("mkfs.ext4 -q -b 1024 /dev/ram1 12000; mkdir -p '/tmp/a b'; mount -t ext4 -o ro /dev/ram1 '/tmp/a b'")
        .ok();
    let held = finding(&explain("0"), "held");
    has(&held["text"], "the file system mounted at /tmp/a b");
    try_it(&held);
    assert!(!sh("cat /proc/mounts").ok().stdout.contains("/dev/ram1"), "it is mounted still");
    try_it(&finding(&explain("0"), "not_assembled"));
    let member = explain("/dev/ram0");
    has(&member["summary"], "slot 0, in sync");
    run(&["mkswap", "-q", "/dev/ram2"]).ok();
    let swap = explain("/dev/ram2");
    has(&finding(&swap, "no_md_metadata")["evidence"], "it holds swap");
    let nothing = mdctl(&["explain", "/dev/nosuch"]).fails(1);
    assert!(nothing.stderr.contains("there is no such device"), "{nothing}");
    let nothing = mdctl(&["explain", "nosuch", "md0"]).fails(1);
    assert!(nothing.stdout.contains(": raid1, running"), "{nothing}");
}
