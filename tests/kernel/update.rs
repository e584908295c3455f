//! `--assemble --update=`: every update on every format, beside the reference on the same bytes.

use crate::guest::{Case, Disks, mdctl, ours, reference, settle, sh};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        BASES.iter().map(|base| Case::new(base.name, move || cells(base, base.updates))).collect();
    cases.extend(BASES.iter().map(|base| {
        let name = format!("{}_all_updates", base.name);
        Case::new(name, move || cells(base, &EVERY)).extra()
    }));
    cases.extend([
        Case::new("identity", identity),
        Case::new("other_byte_order", other_byte_order),
        Case::new("partial_parity_log", partial_parity_log),
        Case::new("all_or_none", all_or_none),
        Case::new("revert_reshape", revert_reshape),
    ]);
    cases
}

const EVERY: [&str; 26] = [
    "summaries",
    "uuid --uuid=01234567:89abcdef:00112233:44556677",
    "name",
    "homehost",
    "nodes",
    "resync",
    "super-minor",
    "devicesize",
    "bitmap",
    "no-bitmap",
    "bbl",
    "no-bbl",
    "force-no-bbl",
    "no-ppl",
    "metadata",
    "revert-reshape",
    "layout-original",
    "layout-alternate",
    "layout-unspecified",
    "homehost --homehost=elsewhere",
    "name --name=new",
    "name --name=other:new",
    "name --name=abcdefghijklmnopqrstuvwxyz012345",
    "homehost --homehost=none",
    "name --homehost=none",
    "byteorder",
];

/// An array, and what is updated in it: the words after `--update=`.
struct Base {
    name: &'static str,
    words: &'static str,
    disks: usize,
    updates: &'static [&'static str],
}

const BASES: &[Base] = &[
    Base {
        name: "v0_90",
        words: "-e 0.90 -l1 -n3 --assume-clean",
        disks: 2,
        updates: &[
            "summaries",
            "uuid --uuid=01234567:89abcdef:00112233:44556677",
            "homehost --homehost=elsewhere",
            "homehost --homehost=none",
            "resync",
            "byteorder",
            "super-minor",
            "metadata",
            "name",
            "revert-reshape",
            "nodes",
        ],
    },
    Base {
        name: "v0_90_bitmap",
        words: "-e 0.90 -l1 -n2 -b internal --assume-clean",
        disks: 2,
        updates: &[
            "uuid --uuid=01234567:89abcdef:00112233:44556677",
            "homehost --homehost=elsewhere",
            "no-bitmap",
            "metadata",
        ],
    },
    Base {
        name: "v1_2",
        words: "-l5 -n3 --assume-clean",
        disks: 3,
        updates: &[
            "uuid --uuid=01234567:89abcdef:00112233:44556677",
            "name --name=new",
            "name --name=other:new",
            "name --homehost=none",
            "homehost --homehost=elsewhere",
            "resync",
            "devicesize",
            "bbl",
            "no-bbl",
            "layout-original",
            "summaries",
            "home-cluster",
            "revert-reshape",
        ],
    },
    Base {
        name: "v1_0_bitmap",
        words: "-e 1.0 -l1 -n2 -b internal --assume-clean",
        disks: 2,
        updates: &[
            "uuid --uuid=01234567:89abcdef:00112233:44556677",
            "homehost --homehost=elsewhere",
            "no-bitmap",
            "no-bbl",
            "bbl",
            "devicesize",
        ],
    },
    Base {
        name: "v1_1_bitmap",
        words: "-e 1.1 -l10 -n2 -b internal --bitmap-chunk=4K --assume-clean",
        disks: 2,
        updates: &[
            "uuid --uuid=01234567:89abcdef:00112233:44556677",
            "no-bitmap",
            "bbl",
            "force-no-bbl",
            "devicesize",
        ],
    },
    Base {
        name: "raid0",
        words: "-l0 -n2",
        disks: 2,
        updates: &["layout-original", "layout-alternate", "layout-unspecified", "ppl -e 1.0"],
    },
    Base {
        name: "ppl",
        words: "-l5 -n3 -k ppl --assume-clean",
        disks: 3,
        updates: &["no-ppl", "bbl", "uuid --uuid=01234567:89abcdef:00112233:44556677"],
    },
];

/// Saves the ends of the disks, where all metadata is.
const SAVE: &str = r#"
ends() { # DIRECTORY: what the disks have now
    for d in $disks; do
        dd if=/dev/$d bs=4k count=36 status=none iflag=direct; dd if=/dev/$d bs=4k skip=$((2048-48)) status=none iflag=direct
    done >$1
}
back() {
    n=0
    for d in $disks; do
        dd if=/tmp/base of=/dev/$d bs=4k skip=$((n*84)) count=36 status=none oflag=direct
        dd if=/tmp/base of=/dev/$d bs=4k skip=$((n*84+36)) seek=$((2048-48)) count=48 status=none oflag=direct
        n=$((n+1))
    done
}
"#;

fn create(words: &str, disks: usize) -> (Disks, String) {
    let all = Disks::new(4, 8192);
    let names = all.all()[..disks].iter().map(|path| path.trim_start_matches("/dev/")).collect::<Vec<_>>();
    let members = all.all()[..disks].join(" ");
    let missing = "missing ".repeat(words.split("-n").nth(1).map_or(0, |text| {
        let slots = text.split(' ').next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        slots.saturating_sub(disks)
    }));
    let names = names.join(" ");
    sh(&format!("/usr/sbin/mdadm -C /dev/md0 {words} -R {members} {missing}")).ok();
    settle();
    sh(&format!("/usr/sbin/mdadm -S /dev/md0; disks='{names}'; {SAVE} ends /tmp/base")).ok();
    (all, names)
}

/// Each update by each program from the same bytes. Read-only, so that the kernel writes nothing.
fn cells(base: &Base, updates: &[&str]) {
    let (_disks, names) = create(base.words, base.disks);
    let run = |program: &str, words: &str| {
        let members: String = names.split(' ').map(|name| format!(" /dev/{name}")).collect();
        let script = format!(
            "disks='{names}'; {SAVE} back; {program} -A -o --update={words} /dev/md0{members} >/tmp/said 2>&1; \
             status=$?; {program} -S /dev/md0 >/dev/null 2>&1; ends /tmp/after; echo \"[$status]\"; cat /tmp/said"
        );
        // Whether the array before has gone yet is udev's matter.
        let told = |line: &&str| !line.contains("fallback to creation via node");
        let said: String = sh(&script).stdout.lines().filter(told).map(|line| format!("{line}\n")).collect();
        (said, bytes_of("/tmp/after"))
    };
    for words in updates {
        let (their_words, mut theirs) = run("/usr/sbin/mdadm", words);
        let (our_words, mut mine) = run("/usr/local/sbin/mdadm", words);
        // docs/compat.md: its words lead astray.
        let astray = words == &"byteorder" && their_words.contains("superblock has disappeared");
        assert!(astray || their_words == our_words, "{}: {words}:\n{their_words}{our_words}", base.name);
        assert_eq!(their_words.lines().next(), our_words.lines().next(), "{}: {words}", base.name);
        if words.starts_with("metadata") {
            mask_random(&mut theirs);
            mask_random(&mut mine);
        }
        // What it refuses at a later member it has done to those before; ours does nothing then.
        if theirs != mine {
            let at = theirs.iter().zip(&mine).position(|(a, b)| a != b).unwrap_or(0);
            panic!("{}: {words}: bytes differ from {at:#x} on (of {:#x} a disk)", base.name, 84 * 4096);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what a script of this test wrote")]
fn bytes_of(path: &str) -> Vec<u8> {
    std::fs::read(path).expect("the script wrote it")
}

/// The identities of the members of a 1.0 array that was one of 0.90, and with them the checksums.
fn mask_random(ends: &mut [u8]) {
    for disk in ends.chunks_mut(84 * 4096) {
        let superblock = disk.len() - 8192;
        disk[superblock + 168..superblock + 184].fill(0);
        disk[superblock + 216..superblock + 220].fill(0);
    }
}

fn uuids(disks: &Disks) -> Vec<String> {
    let text = |disk: &str| {
        let shown = reference(&["-E", disk]).ok().stdout;
        let line = shown.lines().find(|line| line.contains("UUID :") && !line.contains("Device"));
        line.and_then(|line| line.split(" : ").nth(1)).unwrap_or_default().to_owned()
    };
    disks.all()[..2].iter().map(|disk| text(disk)).collect()
}

/// Without `--uuid` a fresh one, the same for all; the option is the new value and not what is looked for.
fn identity() {
    for (words, host_part) in
        [("-l1 -n2 -b internal --assume-clean", false), ("-e 0.90 -l1 -n2 --assume-clean", true)]
    {
        let (disks, _) = create(words, 2);
        let before = uuids(&disks);
        let planned =
            mdctl(&["-A", "--dry-run", "--update=uuid", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok().stdout;
        assert!(planned.contains("write superblock (--update=uuid) to /dev/ram1"), "{planned}");
        assert_eq!(uuids(&disks), before, "a dry run writes nothing");
        ours(&["-A", "--update=uuid", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
        settle();
        let after = uuids(&disks);
        assert_eq!(after[0], after[1]);
        assert_ne!(after[0], before[0]);
        // Of 0.90 the second half stays the host's.
        assert_eq!(after[0][18..] == before[0][18..], host_part, "{before:?} {after:?}");
        assert!(sh("cat /proc/mdstat").ok().stdout.contains("[2/2] [UU]"));
        if !host_part {
            let bitmap = reference(&["-X", "/dev/ram1"]).ok().stdout;
            assert!(bitmap.contains(&after[0]), "{bitmap}");
        }
        ours(&["-S", "/dev/md0"]).ok();
        // From the configuration: the UUID of the line is the old one.
        let uuid = after[0].split(' ').next().unwrap_or_default();
        sh(&format!("echo 'ARRAY /dev/md4 uuid={uuid}' >/etc/mdadm.conf")).ok();
        ours(&["-A", "/dev/md4", "--update=uuid", "--uuid=11111111:22222222:33333333:44444444"]).ok();
        settle();
        assert!(uuids(&disks)[1].starts_with("11111111:22222222:33333333:44444444"));
        ours(&["-S", "/dev/md4"]).ok();
        sh("rm /etc/mdadm.conf").ok();
    }
}

/// A superblock of the other byte order is turned round; one of Linux 2.2 on sparc moved.
fn other_byte_order() {
    let (disks, names) = create("-e 0.90 -l1 -n2 --assume-clean", 2);
    let at = 8192 * 1024 - 65536;
    let native = [0, 1].map(|n| disks.read(n, at, 4096));
    for n in 0..2 {
        let mut superblock = disks.read(n, at, 4096);
        superblock.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        for double in [156, 164, 176] {
            let (low, high) = superblock[double..double + 8].split_at_mut(4);
            low.swap_with_slice(high);
        }
        disks.write(n, at, &superblock);
    }
    sh(&format!("disks='{names}'; {SAVE} ends /tmp/base")).ok();
    // The reference does not find them any more, since it forgot to look for the other byte order.
    ours(&["-A", "/dev/md0", "/dev/ram0", "/dev/ram1"]).fails(1);
    ours(&["-A", "-o", "--update=byteorder", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
    ours(&["-S", "/dev/md0"]).ok();
    assert!(
        native.iter().enumerate().all(|(n, bytes)| *bytes == disks.read(n, at, 4096)),
        "not turned round"
    );
    ours(&["-A", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
    ours(&["-S", "/dev/md0"]).ok();
    for n in 0..2 {
        let mut superblock = disks.read(n, at, 4096);
        assert_eq!(superblock[4092..], [0; 4]);
        superblock.copy_within(156..4092, 160);
        superblock[156..160].fill(0);
        disks.write(n, at, &superblock);
    }
    sh(&format!("disks='{names}'; {SAVE} ends /tmp/base")).ok();
    let fix = |program: &str| {
        sh(&format!("disks='{names}'; {SAVE} back")).ok();
        let said = sh(&format!(
            "{program} -A -o --update=sparc2.2 /dev/md0 /dev/ram0 /dev/ram1 2>&1; echo \"[$?]\"; {program} -S /dev/md0 >/dev/null 2>&1"
        ));
        (said.stdout, disks.read(0, at, 4096), disks.read(1, at, 4096))
    };
    // The reference writes the same, and decides by what it read before.
    let (theirs, mine) = (fix("/usr/sbin/mdadm"), fix("/usr/local/sbin/mdadm"));
    assert!(theirs.1 == mine.1 && theirs.2 == mine.2, "the superblocks differ");
    let adjusted = "mdadm: adjusting superblock of /dev/ram0 for 2.2/sparc compatibility.\n";
    assert!(theirs.0.contains(adjusted) && mine.0.contains(adjusted), "{}", mine.0);
    assert!(mine.0.ends_with("started with 2 drives.\n[0]\n"), "{}", mine.0);
    assert!(native.iter().enumerate().all(|(n, bytes)| bytes[..4092] == disks.read(n, at, 4096)[..4092]));
}

/// The reference refuses it always, taking the array for one with a bitmap file.
fn partial_parity_log() {
    let _disks = create("-l5 -n3 --assume-clean", 3);
    let words = ["-A", "--update=ppl", "/dev/md0", "/dev/ram0", "/dev/ram1", "/dev/ram2"];
    assert!(ours(&words).fails(1).stderr.contains("Not enough space to add ppl"));
    ours(&["-A", "--update=no-bbl", "/dev/md0", "/dev/ram0", "/dev/ram1", "/dev/ram2"]).ok();
    ours(&["-S", "/dev/md0"]).ok();
    ours(&words).ok();
    settle();
    let policy = sh("cat /sys/block/md0/md/consistency_policy").ok().stdout;
    assert_eq!(policy, "ppl\n");
    let examined = reference(&["-E", "/dev/ram1"]).ok().stdout;
    assert!(examined.contains("PPL :"), "{examined}");
    ours(&["-S", "/dev/md0"]).ok();
    ours(&["-A", "/dev/md0", "/dev/ram0", "/dev/ram1", "/dev/ram2"]).ok();
    ours(&["-S", "/dev/md0"]).ok();
    let told = ours(&["-A", "--update=ppl", "/dev/md1", "/dev/ram0", "/dev/ram1", "/dev/ram2"]);
    assert_eq!(told.status, 0, "it has one already: {told}");
}

/// What cannot be done to one member is done to none; what is left out of the array is told, too.
fn all_or_none() {
    let (disks, names) = create("-l1 -n2 --assume-clean", 2);
    sh(&format!(
        "/usr/sbin/mdadm -A /dev/md0 /dev/ram0 /dev/ram1; echo '1000 8' >/sys/block/md0/md/dev-ram1/bad_blocks; \
         dd if=/dev/zero of=/dev/md0 bs=4k count=1 oflag=direct status=none; /usr/sbin/mdadm -S /dev/md0; \
         disks='{names}'; {SAVE} ends /tmp/base"
    ))
    .ok();
    let words = ["-A", "--update=no-bbl", "/dev/md0", "/dev/ram0", "/dev/ram1"];
    let mine = ours(&words);
    sh(&format!("disks='{names}'; {SAVE} ends /tmp/after; cmp /tmp/base /tmp/after")).ok();
    assert!(mine.status == 1 && mine.stderr.contains("Cannot remove active bbl from /dev/ram1"), "{mine}");
    ours(&["-A", "--update=force-no-bbl", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
    ours(&["-S", "/dev/md0"]).ok();
    assert!(reference(&["--examine-badblocks", "/dev/ram1"]).ok().stdout.starts_with("No bad-blocks list"));
    // A member that failed belongs to the array, and goes with it.
    sh("/usr/sbin/mdadm -A /dev/md0 /dev/ram0 /dev/ram1; /usr/sbin/mdadm /dev/md0 -f /dev/ram1; udevadm settle; \
        /usr/sbin/mdadm -S /dev/md0")
    .ok();
    ours(&["-A", "--run", "--update=uuid", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
    let found = uuids(&disks);
    assert_eq!(found[0], found[1]);
    ours(&["-S", "/dev/md0"]).ok();
}

/// A reshape that was interrupted goes back.
fn revert_reshape() {
    let (disks, _) = create("-l5 -n3 --assume-clean", 3);
    sh("echo 1 >/proc/sys/dev/raid/speed_limit_max; echo 1 >/proc/sys/dev/raid/speed_limit_min; \
        /usr/sbin/mdadm -A /dev/md0 /dev/ram0 /dev/ram1 /dev/ram2 && /usr/sbin/mdadm /dev/md0 -a /dev/ram3 && \
        /usr/sbin/mdadm -G /dev/md0 -n4 && /usr/sbin/mdadm -S /dev/md0; \
        echo 200000 >/proc/sys/dev/raid/speed_limit_max; echo 1000 >/proc/sys/dev/raid/speed_limit_min")
    .ok();
    sh(&format!("disks='ram0 ram1 ram2 ram3'; {SAVE} ends /tmp/base")).ok();
    let run = |program: &str| {
        let script = format!(
            "disks='ram0 ram1 ram2 ram3'; {SAVE} back; \
             {program} -A -o --update=revert-reshape /dev/md0 /dev/ram0 /dev/ram1 /dev/ram2 /dev/ram3 2>&1; echo \"[$?]\"; \
             {program} -S /dev/md0 >/dev/null 2>&1; ends /tmp/after"
        );
        (sh(&script).stdout, bytes_of("/tmp/after"))
    };
    let (theirs, mine) = (run("/usr/sbin/mdadm"), run("/usr/local/sbin/mdadm"));
    assert_eq!(theirs.0, mine.0);
    assert!(theirs.1 == mine.1, "the bytes differ");
    let _ = disks;
}
