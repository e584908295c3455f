//! Members that lag behind, are gone, or lost their superblock; a guess that stays up.

use super::array::{
    applied_and_undone, files_are_intact, named, nothing_is_left, stop, sums, superblocks, trial, with_files,
};
use crate::guest::{Case, Disks, mdctl, reference, settle, sh};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("stale", stale),
        Case::new("two_stale", two_stale).extra(),
        Case::new("degraded", degraded),
        Case::new("keep", keep),
    ]
}

/// Real writes while a member is out.
const WRITE: &str = "mount /dev/md0 /tmp/m && cd /tmp/m && mkdir new && \
    for f in 1 2 3 4 5 6; do head -c 100000 /dev/urandom > new/$f; done && \
    find . -type f | sort | xargs sha256sum > /tmp/files; cd /; umount /tmp/m";

fn running(disks: &Disks, order: &[usize]) {
    let members = named(disks, order);
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    reference(&[&["--assemble", "/dev/md0"][..], &members].concat()).ok();
}

/// A member fails, and files are written without it: it stays out, and it is said why.
fn stale() {
    let disks = Disks::new(3, 12288);
    let order = [0, 1, 2];
    with_files(&disks, "-l5 -c16", &order);
    running(&disks, &order);
    reference(&["/dev/md0", "--fail", "/dev/ram1"]).ok();
    sh(WRITE).ok();
    stop();
    let said = trial(&disks, "", &order);
    said.is_first("raid5 16 left-symmetric", "0-2");
    assert_eq!(
        (said.first().differs().as_str(), said.json["equal"].as_u64()),
        ("", Some(0)),
        "{}",
        said.output
    );
    assert!(
        said.output.stderr.contains("/dev/ram1, slot 1, was left behind: last written"),
        "{}",
        said.output
    );
    let tempting = said.guesses().into_iter().find(|guess| guess.differs() == "stale member in");
    let tempting = tempting.map(|guess| (guess.order(), guess.0["redundancy"].clone())).unwrap_or_default();
    assert_eq!(tempting.0, "012", "{}", said.output);
    assert!(tempting.1["agree"].as_u64() < tempting.1["checked"].as_u64(), "{}", said.output);
    let members = named(&disks, &order);
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    mdctl(&[&["trial", "--apply=1", "-y", "--assemble=0", "--name=/dev/md0"][..], &members].concat()).ok();
    files_are_intact("/dev/md0");
    stop();
}

/// One failed long ago and one just now: the newer of the two comes back.
fn two_stale() {
    let disks = Disks::new(3, 12288);
    let order = [0, 1, 2];
    with_files(&disks, "-l5 -c16", &order);
    running(&disks, &order);
    reference(&["/dev/md0", "--fail", "/dev/ram1"]).ok();
    sh(WRITE).ok();
    // The kernel does it and says EBUSY: the array is broken then.
    sh("echo faulty >/sys/block/md0/md/dev-ram2/state");
    sh("grep faulty /sys/block/md0/md/dev-ram2/state").ok();
    stop();
    let said = trial(&disks, "", &order);
    said.is_first("raid5 16 left-symmetric", "0-2");
    assert_eq!(said.first().differs(), "stale member in", "{}", said.output);
    applied_and_undone(&disks, "", &order);
}

/// A dead disk, and one whose superblock is gone.
fn degraded() {
    let disks = Disks::new(4, 12288);
    with_files(&disks, "-l5 -c16", &[0, 1, 2, 3]);
    reference(&["--zero-superblock", "/dev/ram1"]).ok();
    let said = trial(&disks, "--assemble=1", &[2, 1, 0]);
    said.is_first("raid5 16 left-symmetric", "012-");
    applied_and_undone(&disks, "--assemble=0", &[2, 1, 0]);
    disks.wipe();
    with_files(&disks, "-l6 -c16", &[0, 1, 2, 3]);
    reference(&["--zero-superblock", "/dev/ram2"]).ok();
    trial(&disks, "--assemble=1", &[1, 2, 3]).is_first("raid6 16 left-symmetric", "-123");
}

/// Left up to be looked at; then everything is as it was.
fn keep() {
    let disks = Disks::new(3, 12288);
    let order = [0, 1, 2];
    with_files(&disks, "-l5 -c16", &order);
    superblocks(&disks, "-l5 -c16", &[2, 1, 0]);
    let before = sums(&disks);
    let members = named(&disks, &order);
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let kept = mdctl(&[&["trial", "--json", "--assemble=0", "--keep"][..], &members].concat()).ok();
    let json: serde_json::Value = serde_json::from_str(&kept.stdout).unwrap_or_default();
    let word = |key: &str| json["kept"][key].as_str().unwrap_or_default().to_owned();
    let (array, set) = (word("array"), word("set"));
    files_are_intact(&array);
    let written = sh(&format!("dd if=/dev/zero of={array} bs=4k count=1 oflag=direct"));
    assert_ne!(written.status, 0, "{written}");
    let in_use = mdctl(&["overlay", "discard", &set]).fails(1);
    assert!(in_use.stderr.contains("mdctl stop"), "{in_use}");
    assert!(kept.stderr.contains(&format!("mdctl stop {array}; mdctl overlay discard {set}")), "{kept}");
    mdctl(&["stop", &array]).ok();
    mdctl(&["overlay", "discard", &set]).ok();
    settle();
    nothing_is_left();
    assert_eq!(sums(&disks), before);
}
