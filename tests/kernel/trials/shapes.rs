//! Arrays whose superblocks are gone or lie: order, level, chunk, layout, data offset, format.

use super::array::{applied_and_undone, superblocks, trial, wipe_superblocks, with_files, with_members};
use crate::guest::{Case, Disks, reference};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("raid6", raid6),
        Case::new("raid6_wiped", raid6_wiped).extra(),
        Case::new("raid10", || raid10(&["n2"])),
        Case::new("raid10_far_and_offset", || raid10(&["f2", "o2"])).extra(),
        Case::new("shape", || shape(&[("-l5 -c64", "chunk"), ("-l6 -c16", "level")])),
        Case::new("shapes", || shape(&[("-l5 -c16 -pra", "layout"), ("-l4 -c16", "level")])).extra(),
        Case::new("striped", striped).extra(),
        Case::new("offset", offset).extra(),
        Case::new("offsets_differ", offsets_differ),
        Case::new("formats", formats).extra(),
    ]
}

const IN_ORDER: [usize; 4] = [0, 1, 2, 3];

/// Made anew in another order. It is carried out, and taken back.
fn raid6() {
    let disks = Disks::new(4, 12288);
    with_files(&disks, "-l6 -c16", &IN_ORDER);
    superblocks(&disks, "-l6 -c16", &[2, 0, 3, 1]);
    let said = trial(&disks, "--assemble=1", &IN_ORDER);
    said.is_first("raid6 16 left-symmetric", "0123");
    assert_eq!(
        (said.first().differs().as_str(), &said.json["equal"]),
        ("order", &0.into()),
        "{}",
        said.output
    );
    applied_and_undone(&disks, "--assemble=0", &[3, 2, 1, 0]);
}

/// Without any superblock, the level known, the disks in another order.
fn raid6_wiped() {
    let disks = Disks::new(4, 12288);
    with_files(&disks, "-l6 -c16", &IN_ORDER);
    wipe_superblocks(&disks);
    trial(&disks, "--assemble=0 -l6 -c16 -pls", &[3, 1, 0, 2]).is_first("raid6 16 left-symmetric", "0123");
}

/// The halves of a mirror can be exchanged: one of the first equals has everybody in place, and each has the files.
fn raid10(layouts: &[&str]) {
    for layout in layouts {
        let disks = Disks::new(4, 12288);
        let words = format!("-l10 -c16 -p{layout}");
        with_files(&disks, &words, &IN_ORDER);
        superblocks(&disks, &words, &[1, 3, 0, 2]);
        let said = trial(&disks, "--assemble=1", &IN_ORDER);
        said.is_first(&format!("raid10 16 {layout}"), "0123");
        assert_eq!(said.json["equal"], if *layout == "n2" { 3 } else { 0 }, "{}", said.output);
        applied_and_undone(&disks, "--assemble=0", &IN_ORDER);
    }
}

/// One array, and superblocks that lie about one thing after the other.
fn shape(lies: &[(&str, &str)]) {
    let disks = Disks::new(4, 12288);
    with_files(&disks, "-l5 -c16", &IN_ORDER);
    for (lie, differs) in lies {
        superblocks(&disks, lie, &IN_ORDER);
        let said = trial(&disks, "--assemble=0", &IN_ORDER);
        said.is_first("raid5 16 left-symmetric", "0123");
        assert_eq!(said.first().differs(), *differs, "{}", said.output);
    }
}

/// Without parity: RAID0 taken for RAID10 and the other way round.
fn striped() {
    for (truth, lie, shape) in
        [("-l0 -c16", "-l10 -c16", "raid0 16 original"), ("-l10 -c16", "-l0 -c16", "raid10 16 n2")]
    {
        let disks = Disks::new(4, 12288);
        with_files(&disks, truth, &IN_ORDER);
        superblocks(&disks, lie, &IN_ORDER);
        trial(&disks, "--assemble=1", &IN_ORDER).is_first(shape, "0123");
    }
}

/// Made by a version that put data elsewhere: superblocks that are gone, and superblocks that say otherwise.
fn offset() {
    let disks = Disks::new(3, 16384);
    let order = [0, 1, 2];
    for offset in ["2M", "4M"] {
        with_files(&disks, &format!("-l5 -c16 --data-offset={offset}"), &order);
        wipe_superblocks(&disks);
        let said = trial(&disks, "--assemble=0", &order);
        said.is_first("raid5 16 left-symmetric", "012");
        superblocks(&disks, "-l5 -c16", &order);
        let said = trial(&disks, "--assemble=1", &order);
        said.is_first("raid5 16 left-symmetric", "012");
        assert_eq!(said.first().differs(), "data offset", "{}", said.output);
        disks.wipe();
    }
}

/// Members that were added later, by another version: each has its own offset, and one lost its superblock.
fn offsets_differ() {
    let disks = Disks::new(3, 24576);
    let order = [0, 1, 2];
    offsets_of(&disks, &[1024, 2048, 4096]);
    reference(&["--zero-superblock", "/dev/ram2"]).ok();
    let said = trial(&disks, "--assemble=1", &[2, 1, 0]);
    said.is_first("raid5 16 left-symmetric", "012");
    assert_eq!(said.first().offsets(), [2048, 4096, 8192], "{}", said.output);
    applied_and_undone(&disks, "--assemble=0", &order);
}

/// An array with files whose members begin at these KiB.
fn offsets_of(disks: &Disks, offsets: &[u64]) {
    let members: Vec<String> =
        offsets.iter().enumerate().map(|(nth, offset)| format!("{}:{offset}", disks.path(nth))).collect();
    with_members(&members, "-l5 -c16 --data-offset=variable");
}

/// Superblocks at the end.
fn formats() {
    let disks = Disks::new(3, 12288);
    let order = [0, 1, 2];
    for format in ["0.90", "1.0"] {
        let words = format!("-e{format} -l5 -c16");
        with_files(&disks, &words, &order);
        superblocks(&disks, &words, &[1, 2, 0]);
        let said = trial(&disks, "--assemble=1", &order);
        said.is_first("raid5 16 left-symmetric", "012");
        assert_eq!(said.first().0["metadata"], *format);
        applied_and_undone(&disks, "--assemble=0", &order);
        wipe_superblocks(&disks);
        trial(&disks, "--assemble=1", &order).is_first("raid5 16 left-symmetric", "012");
        disks.wipe();
    }
}
