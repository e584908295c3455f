//! What an array holds beside ext4: xfs, LVM2, GPT, LUKS, btrfs.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives the machine from outside, with programs and files"
)]

use std::{fs::OpenOptions, os::unix::fs::FileExt as _};

use superblock::sectors::SectorMap;

use super::array::{applied_and_undone, empty, stop, superblocks, trial, with_script};
use crate::guest::{Case, Disks, sh};

/// What mkfs.btrfs and cryptsetup wrote; their recipe is in superblock/tests/fixtures/recipe.sh.
const BTRFS: &str = include_str!("../../../superblock/tests/fixtures/content-btrfs.sectors");
const LUKS: &str = include_str!("../../../superblock/tests/fixtures/content-luks.sectors");

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("xfs", xfs).needs("xfs"),
        Case::new("lvm", lvm).extra(),
        Case::new("gpt", gpt).extra(),
        Case::new("btrfs", btrfs).extra(),
        Case::new("luks", luks).extra(),
    ]
}

const IN_ORDER: [usize; 4] = [0, 1, 2, 3];

fn kinds(value: &serde_json::Value) -> String {
    let inside = value["inside"].as_array().into_iter().flatten();
    let one = |content: &serde_json::Value| {
        let inner = kinds(content);
        let kind = content["kind"].as_str().unwrap_or_default().to_owned();
        if inner.is_empty() { kind } else { format!("{kind} > {inner}") }
    };
    inside.map(one).collect::<Vec<_>>().join(", ")
}

/// The superblocks lie about order and chunk.
fn is_found(disks: &Disks, inside: &str) {
    superblocks(disks, "-l5 -c64", &[3, 1, 0, 2]);
    let said = trial(disks, "--assemble=1", &IN_ORDER);
    said.is_first("raid5 16 left-symmetric", "0123");
    assert_eq!(kinds(said.first().0), inside, "{}", said.output);
}

fn xfs() {
    let disks = Disks::new(4, 32768);
    let before = "where=/dev/md0; mkfs.xfs -q -f --unsupported /dev/md0";
    with_script(&disks, "-l5 -c16", &IN_ORDER, before, ":");
    is_found(&disks, "xfs");
    applied_and_undone(&disks, "", &IN_ORDER);
}

fn lvm() {
    let disks = Disks::new(4, 12288);
    let before = "where=/dev/tvg/a; exec 2>/tmp/lvm; pvcreate -q /dev/md0; vgcreate -q -s 1M tvg /dev/md0; \
        lvcreate -q -y -n b -L 4M tvg; lvcreate -q -y -n a -L 12M tvg; lvextend -q -L 5M tvg/b; mkfs.ext4 -q $where";
    with_script(&disks, "-l5 -c16", &IN_ORDER, before, "vgchange -q -an tvg");
    is_found(&disks, "LVM2 physical volume > ext4");
}

fn gpt() {
    let disks = Disks::new(4, 12288);
    let before =
        "where=/dev/md0p1; sgdisk -n1:2048:0 /dev/md0 >/dev/null; udevadm settle; mkfs.ext4 -q $where";
    with_script(&disks, "-l5 -c16", &IN_ORDER, before, ":");
    is_found(&disks, "GPT partition table > ext4");
}

/// An array with these sectors, which is running.
fn with_sectors(disks: &Disks, words: &str, text: &str) {
    empty(disks, words, &IN_ORDER);
    let map: SectorMap = text.parse().expect("a fixture parses");
    let array = OpenOptions::new().write(true).open("/dev/md0").expect("the array opens");
    for (sector, bytes) in map.sectors() {
        array.write_all_at(bytes, sector.bytes().0).expect("the array takes it");
    }
    array.sync_all().expect("the array syncs");
}

/// Its superblock is 64 KiB behind its start: with small chunks on another member.
fn btrfs() {
    let disks = Disks::new(4, 40960);
    with_sectors(&disks, "-l5 -c16", BTRFS);
    stop();
    is_found(&disks, "btrfs");
}

/// Two headers, and behind them nothing that can be told from noise: with chunks of 4 KiB they reach over all members.
fn luks() {
    let disks = Disks::new(4, 8192);
    with_sectors(&disks, "-l6 -c4", LUKS);
    sh("dd if=/dev/urandom of=/dev/md0 bs=64k seek=1 count=60 conv=fsync status=none").ok();
    stop();
    superblocks(&disks, "-l6 -c64", &[3, 1, 0, 2]);
    let said = trial(&disks, "--assemble=1", &IN_ORDER);
    said.is_first("raid6 4 left-symmetric", "0123");
    assert_eq!(
        (kinds(said.first().0).as_str(), &said.json["conclusive"]),
        ("LUKS", &false.into()),
        "{}",
        said.output
    );
}
