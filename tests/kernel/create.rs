//! Arrays made by us and by the reference from the same words are the same, byte for byte.
//!
//! Both start the array read-only, so that the kernel writes nothing and the members hold what the program wrote.
//! Only what must differ is masked: times, device UUIDs, checksums over them, a journal's random start.

use std::{fs, os::unix::fs::FileExt as _};

use crate::guest::{self, Case, Disks, Output, ours, reference};

/// What is compared of each device: its first 4 MiB and its last 256 KiB. All metadata lies there.
const HEAD: usize = 4 << 20;
const TAIL: u64 = 256 << 10;

/// Level and metadata × what else: `D` stands for as many disks as follow it.
const WORDS: &[(&str, &str)] = &[
    ("raid1_default", "-l1 -n2 D2"),
    ("raid1_1_0", "-l1 -n2 -e1.0 D2"),
    ("raid1_1_1", "-l1 -n2 -e1.1 D2"),
    ("raid1_0_90", "-l1 -n2 -e0.90 D2"),
    ("raid1_bitmap", "-l1 -n2 -b internal D2"),
    ("raid1_bitmap_1_0", "-l1 -n2 -e1.0 -b internal D2"),
    ("raid1_bitmap_1_1", "-l1 -n2 -e1.1 -b internal D2"),
    ("raid1_bitmap_0_90", "-l1 -n2 -e0.90 -b internal D2"),
    ("raid1_bitmap_chunk", "-l1 -n2 -b internal --bitmap-chunk=4K D2"),
    ("raid1_bitmap_chunk_delay", "-l1 -n2 -b internal --bitmap-chunk=128M -d 17 D2"),
    ("raid1_write_behind", "-l1 -n2 -b internal --write-behind=100 D1 --write-mostly /dev/ram1"),
    ("raid1_write_behind_default", "-l1 -n2 -b internal --write-behind D1 -W /dev/ram1"),
    ("raid1_failfast", "-l1 -n2 --failfast D2"),
    ("raid1_spare", "-l1 -n2 -x1 D3"),
    ("raid1_missing", "-l1 -n2 D1 missing"),
    ("raid1_missing_first", "-l1 -n2 missing D1"),
    ("raid1_three", "-l1 -n3 D3"),
    ("raid1_one", "-l1 --force -n1 D1"),
    ("raid1_size", "-l1 -n2 --size=20M D2"),
    ("raid1_size_odd", "-l1 -n2 --size=20001 D2"),
    ("raid1_size_bitmap_1_0", "-l1 -n2 -e1.0 --size=20M -b internal D2"),
    ("raid1_data_offset", "-l1 -n2 --data-offset=4M D2"),
    ("raid1_data_offset_small", "-l1 -n2 --data-offset=16K D2"),
    ("raid1_data_offset_variable", "-l1 -n2 --data-offset=variable /dev/ram0:2M /dev/ram1:3M"),
    ("raid1_assume_clean", "-l1 -n2 --assume-clean D2"),
    ("raid1_name", "-l1 -n2 -N home D2"),
    ("raid1_name_with_host", "-l1 -n2 -N other:home D2"),
    ("raid1_homehost", "-l1 -n2 --homehost=alpha D2"),
    ("raid1_no_homehost", "-l1 -n2 --homehost=<none> D2"),
    ("raid1_long_name", "-l1 -n2 -N abcdefghijklmnopqrstuvwxyz0123 D2"),
    ("raid0", "-l0 -n2 D2"),
    ("raid0_chunk", "-l0 -n3 -c 64 D3"),
    ("raid0_alternate", "-l0 -n2 -p alternate D2"),
    ("raid0_dangerous", "-l0 -n2 -p dangerous D2"),
    ("raid0_1_0", "-l0 -n2 -e1.0 D2"),
    ("raid0_size", "-l0 -n2 --size=10M D2"),
    ("raid4", "-l4 -n3 D3"),
    ("raid4_bitmap", "-l4 -n3 -b internal D3"),
    ("raid5", "-l5 -n3 D3"),
    ("raid5_0_90", "-l5 -n3 -e0.90 D3"),
    ("raid5_1_0", "-l5 -n3 -e1.0 D3"),
    ("raid5_1_1_bitmap", "-l5 -n3 -e1.1 -b internal D3"),
    ("raid5_force", "-l5 -n3 --force D3"),
    ("raid5_spare", "-l5 -n3 -x1 D4"),
    ("raid5_missing", "-l5 -n3 D2 missing"),
    ("raid5_missing_middle", "-l5 -n3 D1 missing /dev/ram1"),
    ("raid5_assume_clean", "-l5 -n3 --assume-clean D3"),
    ("raid5_left_asymmetric", "-l5 -n3 -p la -c 128 D3"),
    ("raid5_right_symmetric", "-l5 -n3 -p rs -c 64K D3"),
    ("raid5_parity_first", "-l5 -n3 -p parity-first D3"),
    ("raid5_ppl", "-l5 -n3 -k ppl D3"),
    ("raid5_ppl_1_1", "-l5 -n3 -e1.1 -k ppl D3"),
    ("raid5_ppl_spare", "-l5 -n3 -x1 -k ppl D4"),
    ("raid5_journal", "-l5 -n3 D3 --write-journal /dev/ram3"),
    ("raid5_journal_first", "-l5 -n3 --write-journal /dev/ram3 D3"),
    ("raid5_policy_bitmap", "-l5 -n3 -k bitmap -b internal D3"),
    ("raid5_policy_resync", "-l5 -n3 -k resync D3"),
    ("raid6", "-l6 -n4 D4"),
    ("raid6_0_90", "-l6 -n4 -e0.90 D4"),
    ("raid6_bitmap_1_0", "-l6 -n4 -e1.0 -b internal D4"),
    ("raid6_one_missing", "-l6 -n4 D3 missing"),
    ("raid6_two_missing", "-l6 -n4 D2 missing missing"),
    ("raid6_layout", "-l6 -n4 -p ddf-N-restart -c 64 D4"),
    ("raid6_journal", "-l6 -n4 D4 --write-journal /dev/ram4"),
    ("raid10", "-l10 -n4 D4"),
    ("raid10_odd", "-l10 -n3 D3"),
    ("raid10_near3", "-l10 -n4 -p n3 D4"),
    ("raid10_far", "-l10 -n4 -p f2 D4"),
    ("raid10_offset", "-l10 -n4 -p o2 D4"),
    ("raid10_bitmap", "-l10 -n4 -b internal D4"),
    ("raid10_far_bitmap_1_0", "-l10 -n3 -p f2 -e1.0 -b internal D3"),
    ("raid10_0_90", "-l10 -n4 -e0.90 D4"),
    ("raid10_missing", "-l10 -n4 D3 missing"),
    ("raid10_spare_bitmap", "-l10 -n4 -x1 -b internal D5"),
];

/// Large devices on sparse files: where data begins and what a bitmap needs depend on the size.
const LARGE: &[(&str, u64, &str)] = &[
    ("raid1_7g", 7 << 30, "-l1 -n2 -b internal D2"),
    ("raid1_9g", 9 << 30, "-l1 -n2 -b internal D2"),
    ("raid5_40g", 40 << 30, "-l5 -n3 -b internal D3"),
    ("raid1_300g", 300 << 30, "-l1 -n2 -b internal D2"),
    ("raid1_300g_1_0", 300 << 30, "-l1 -n2 -e1.0 -b internal D2"),
    ("raid10_3t", 3 << 40, "-l10 -n4 -b internal D4"),
    ("raid5_3t_ppl", 3 << 40, "-l5 -n3 -k ppl D3"),
    ("raid1_1t_0_90", 1 << 40, "-l1 -n2 -e0.90 -b internal D2"),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = WORDS
        .iter()
        .map(|(name, words)| Case::new(format!("same_bytes_{name}"), move || same_on_ram(words)))
        .collect();
    cases.push(Case::new("same_bytes_linear", || same_on_ram("-l linear -n2 D2")).needs("linear"));
    let redundant = [
        "-l1 -n2 D2",
        "-l4 -n3 D3",
        "-l5 -n3 -b internal D3",
        "-l5 -n3 -k ppl D3",
        "-l6 -n4 D4",
        "-l10 -n4 D4",
        "-l10 -n3 -p f2 D3",
        "-l5 -n3 -e0.90 D3",
        "-l5 -n3 --write-zeroes D3",
    ];
    cases.push(Case::new("limit_of_0_90", limit_of_0_90));
    cases.push(Case::new("no_more_helpers_than_there_is_work", no_more_helpers_than_there_is_work));
    cases.push(Case::new("firmware_raid_is_forgotten", firmware_raid_is_forgotten));
    cases.push(Case::new("what_does_not_fit_is_not_written", what_does_not_fit_is_not_written));
    cases.push(Case::new("something_else_at_the_path", something_else_at_the_path));
    cases.push(Case::new("a_check_finds_no_mismatch", move || {
        redundant.iter().for_each(|words| check(words))
    }));
    cases.extend(LARGE.iter().map(|(name, size, words)| {
        Case::new(format!("same_bytes_{name}"), move || same_on_loop(*size, words))
    }));
    cases
}

/// The anchors of DDF and of Intel's at the end of a disk: gone after create, add and zero. The
/// reference believes whole metadata only, so these bytes alone are no case for it.
fn firmware_raid_is_forgotten() {
    let disks = Disks::new(3, 32 << 10);
    let end = 32 << 20;
    let mut anchors = vec![0; 1024];
    anchors[..24].copy_from_slice(b"Intel Raid ISM Cfg Sig. ");
    anchors[512..516].copy_from_slice(&[0xde, 0x11, 0xde, 0x11]);
    let plant = |n: usize| disks.write(n, end - 1024, &anchors);
    let tail = |n: usize| disks.read(n, end - 1024, 1024);
    disks.wipe();
    plant(0);
    plant(2);
    // The data ends before the anchors: no copy of another member's zeroes hides them.
    let words = ["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "--size=20M"];
    ours(&[&words[..], &["/dev/ram0", "/dev/ram1"]].concat()).ok();
    assert!(tail(0).iter().all(|byte| *byte == 0), "create leaves no anchor");
    ours(&["/dev/md0", "--fail", "/dev/ram1", "--remove", "/dev/ram1"]).ok();
    ours(&["/dev/md0", "--add", "/dev/ram2"]).ok();
    guest::wait_idle();
    assert!(tail(2).iter().all(|byte| *byte == 0), "add leaves no anchor");
    ours(&["-S", "/dev/md0"]).ok();
    // What was overwritten is in the archive.
    disks.wipe();
    plant(0);
    ours(&["--zero-superblock", "/dev/ram0"]).ok();
    assert!(tail(0).iter().all(|byte| *byte == 0), "zero leaves no anchor");
    guest::mdctl(&["undo", "-y"]).ok();
    assert_eq!(tail(0), anchors);
    for options in [&["--zero-superblock", "-e", "ddf"][..], &["--zero-superblock", "-e", "imsm"]] {
        plant(0);
        ours(&[options, &["/dev/ram0"]].concat()).ok();
        let kept = tail(0);
        let zeroed = if options[2] == "ddf" { &kept[512..] } else { &kept[..512] };
        assert!(zeroed.iter().all(|byte| *byte == 0), "{options:?}");
        assert!(kept.iter().any(|byte| *byte != 0), "the other format stays");
    }
    disks.wipe();
}

/// Refusals that leave the disks as they were; where the reference refuses, in its words.
fn what_does_not_fit_is_not_written() {
    let disks = Disks::new(2, 32 << 10);
    disks.wipe();
    let start = ["-C", "/dev/md0", "--run", "--assume-clean", "-n2"];
    let with = |words: &[&'static str]| [&start[..], words, &["/dev/ram0", "/dev/ram1"]].concat();
    for words in [
        &["-l1", "--data-offset=8K", "-b", "internal"][..],
        &["-l1", "--data-offset=12K", "-b", "internal"],
        &["-l1", "--data-offset=64K", "-b", "lockless"],
        &["-l1", "-b", "clustered", "--nodes=2000", "--home-cluster=c"],
        // The original says two things more around it.
        &["-l1", "-e1.0", "-b", "lockless"],
        // The original ends before that where the cluster's library is missing.
        &["-l5", "-b", "clustered", "--nodes=3", "--home-cluster=c"],
        &["-l10", "-p", "f2", "-b", "clustered", "--nodes=3", "--home-cluster=c"],
    ] {
        let output = ours(&with(words)).fails(1);
        let named = [
            "does not fit",
            "The max num of nodes can't exceed",
            "supported with",
            "only supported with creating",
        ];
        assert!(named.iter().any(|text| output.stderr.contains(text)), "{output}");
    }
    for words in [&["-l1", "-b", "internal", "--nodes=3"][..], &["-l1", "-b", "none", "--write-behind"]] {
        let (theirs, mine) = (reference(&with(words)), ours(&with(words)));
        refused_alike(&theirs, &mine);
    }
    for n in 0..2 {
        assert!(disks.read(n, 0, 4 << 20).iter().all(|byte| *byte == 0), "disk {n} is as it was");
    }
    assert_eq!(guest::arrays(), Vec::<String>::new());
}

/// With the same words and status; what to do may follow ours.
#[track_caller]
fn refused_alike(theirs: &Output, mine: &Output) {
    assert_ne!(theirs.status, 0, "{theirs}");
    assert_eq!(theirs.status, mine.status, "{theirs}\n{mine}");
    assert!(mine.stderr.starts_with(&theirs.stderr), "{theirs}\n{mine}");
}

/// A link to another disk, or a file, where the array would have its name.
fn something_else_at_the_path() {
    let disks = Disks::new(3, 32 << 10);
    disks.wipe();
    guest::sh("mkdir -p /dev/md; ln -s /dev/ram2 /dev/md/other; touch /dev/md/file").ok();
    for path in ["/dev/md/other", "/dev/md/file"] {
        let words = ["-C", path, "--run", "-l1", "-n2", "/dev/ram0", "/dev/ram1"];
        let (theirs, mine) = (reference(&words), ours(&words));
        refused_alike(&theirs, &mine);
        let built = ["--build", path, "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"];
        assert!(ours(&built).fails(1).stderr.contains("exists but is not an md array."));
    }
    guest::sh("rm /dev/md/other /dev/md/file").ok();
    assert_eq!(guest::arrays(), Vec::<String>::new());
}

/// The command line with the disks filled in; they are counted from the first at every `D`.
/// 4 TiB a member, less a KiB: the size is a number of 32 bits.
fn limit_of_0_90() {
    let disks = [0, 1].map(|n| guest::loop_disk(&format!("huge{n}"), 5 << 40));
    let disks = [disks[0].as_str(), disks[1].as_str()];
    for (size, status) in [(1_u64 << 32, 1), ((1 << 32) - 1, 0)] {
        let size = format!("--size={size}");
        let words = ["-C", "/dev/md0", "--run", "-e0.90", "-l1", "-n2", "--assume-clean", &size];
        for program in [guest::reference, guest::ours] {
            program(&[&words[..], &disks].concat()).fails(status);
            if status == 0 {
                let made = guest::sh("cat /sys/block/md0/md/component_size").ok().stdout;
                assert_eq!(made.trim(), ((1_u64 << 32) - 1).to_string());
                guest::reference(&["-S", "/dev/md0"]).ok();
            }
        }
    }
}

fn fill(words: &str, disks: &[&str]) -> Vec<String> {
    let mut filled: Vec<String> =
        ["--create", "/dev/md0", "--run", "--readonly", "--uuid=01234567:89abcdef:fedcba98:76543210"]
            .map(str::to_owned)
            .to_vec();
    for word in words.split(' ') {
        match word.strip_prefix('D').and_then(|count| count.parse::<usize>().ok()) {
            Some(count) => filled.extend(disks[..count].iter().map(|disk| (*disk).to_owned())),
            None => filled.push(word.to_owned()),
        }
    }
    filled
}

/// Made by us and synced by the kernel, the members agree, and the reference can stop and assemble it.
fn check(words: &str) {
    let disks = Disks::new(4, 24 << 10);
    let words = fill(words, &disks.all());
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "--readonly").collect();
    ours(&words).ok();
    guest::wait_idle();
    reference(&["--stop", "/dev/md0"]).ok();
    let members: Vec<&str> = words.into_iter().filter(|word| word.starts_with("/dev/ram")).collect();
    reference(&[&["--assemble", "/dev/md0"], &members[..]].concat()).ok();
    guest::sh("echo active >/sys/block/md0/md/array_state; echo check >/sys/block/md0/md/sync_action").ok();
    guest::until("the check has run", || {
        let state = guest::sh("cat /sys/block/md0/md/last_sync_action /sys/block/md0/md/sync_action").stdout;
        state == "check\nidle\n"
    });
    let found = guest::sh("cat /sys/block/md0/md/mismatch_cnt /sys/block/md0/md/last_sync_action").ok();
    assert_eq!(found.stdout, "0\ncheck\n", "{found}");
    reference(&["--stop", "/dev/md0"]).ok();
}

fn same_on_ram(words: &str) {
    let disks = Disks::new(5, 32 << 10);
    let images = |program: fn(&[&str]) -> guest::Output| {
        disks.wipe();
        create_and_stop(program, &fill(words, &disks.all()));
        (0..5)
            .map(|n| [disks.read(n, 0, HEAD), disks.read(n, (32 << 20) - TAIL, 256 << 10)].concat())
            .collect::<Vec<_>>()
    };
    let (theirs, mine) = (images(reference), images(ours));
    compare(&theirs, &mine);
}

fn same_on_loop(size: u64, words: &str) {
    let images = |program: fn(&[&str]) -> guest::Output| {
        let disks: Vec<String> = (0..5).map(|n| guest::loop_disk(&format!("disk{n}"), size)).collect();
        let paths: Vec<&str> = disks.iter().map(String::as_str).collect();
        create_and_stop(program, &fill(words, &paths));
        let image = |n: usize| {
            #[expect(clippy::disallowed_methods, reason = "a test drives the machine from outside")]
            let file = fs::File::open(format!("/tmp/disk{n}.img")).expect("the image opens");
            let mut head = vec![0; HEAD];
            file.read_exact_at(&mut head, 0).expect("the image reads");
            let mut tail = vec![0; 256 << 10];
            file.read_exact_at(&mut tail, size - TAIL).expect("the image reads");
            [head, tail].concat()
        };
        let images: Vec<Vec<u8>> = (0..5).map(image).collect();
        guest::sh("losetup -D; udevadm settle").ok();
        images
    };
    let (theirs, mine) = (images(reference), images(ours));
    compare(&theirs, &mine);
}

fn create_and_stop(program: fn(&[&str]) -> guest::Output, words: &[String]) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    program(&words).ok();
    reference(&["--stop", "/dev/md0"]).ok();
}

fn compare(theirs: &[Vec<u8>], mine: &[Vec<u8>]) {
    for (n, (theirs, mine)) in theirs.iter().zip(mine).enumerate() {
        let (theirs, mine) = (masked(theirs), masked(mine));
        guest::same_bytes(&format!("disk {n}"), &theirs, &mine);
    }
}

/// The image with the fields that two runs can not share set to zero, in every structure that starts a 512-byte block.
fn masked(image: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    for block in image.chunks_exact_mut(512) {
        let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        let fields: &[(usize, usize)] = match (word(0), word(4)) {
            // ctime, device_uuid, utime, sb_csum
            (0xa92b_4efc, 1) => &[(64, 8), (168, 16), (192, 8), (216, 4)],
            // ctime, utime, sb_csum
            (0xa92b_4efc, 0) => &[(24, 4), (128, 4), (152, 4)],
            // The journal's first block: checksum, seq, position
            (0x6433_c509, _) => &[(4, 4), (16, 8)],
            _ => &[],
        };
        for (at, length) in fields {
            block[*at..at + length].fill(0);
        }
    }
    image
}

/// Who makes one array needs neither threads nor processes; who stops four needs three threads besides.
fn no_more_helpers_than_there_is_work() {
    let _disks = Disks::new(8, 16 << 10);
    let helpers = |words: &[&str]| {
        let command = [&["/usr/local/sbin/mdadm"], words].concat();
        let (output, calls) = guest::traced("clone,clone3,fork,vfork", &command);
        output.ok();
        let made: Vec<String> = calls.into_iter().filter(|call| call.contains("(")).collect();
        (made.len(), made)
    };
    for n in 0..4 {
        let (md, disks) = (format!("/dev/md/h{n}"), [2 * n, 2 * n + 1].map(|disk| format!("/dev/ram{disk}")));
        let words =
            ["--create", &md, "--run", "--assume-clean", "-l1", "-n2", "-bnone", &disks[0], &disks[1]];
        let (count, made) = helpers(&words);
        assert_eq!(count, 0, "{made:#?}");
    }
    let (count, made) = helpers(&["--stop", "--scan"]);
    assert!(count <= 3, "{made:#?}");
    assert!(guest::arrays().is_empty(), "{}", guest::mdstat());
}
