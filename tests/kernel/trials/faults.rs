//! Overlays and trials that are killed, have no room, or lose a member.

use super::array::{named, nothing_is_left, sums, superblocks, trial, with_files};
use crate::guest::{Case, Disks, mdctl, reference, run, run_for, settle, sh, traced};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("commit_killed", commit_killed),
        Case::new("commit_cut_off", commit_cut_off),
        Case::new("set_older_than_its_members", set_older_than_its_members),
        Case::new("create_killed", create_killed),
        Case::new("no_room", no_room),
        Case::new("unreadable", unreadable),
        Case::new("held", held),
        Case::new("stopped_meanwhile", stopped_meanwhile),
    ]
}

const MDCTL: &str = "/usr/local/sbin/mdctl";

/// At which calls a command is killed, and at most how many of each.
const CALLS: [(&str, usize); 5] = [("ioctl", 3), ("pwrite64", 3), ("fsync", 2), ("unlink", 4), ("rename", 1)];

/// The points of one run, spread over it.
fn points(words: &[&str]) -> Vec<String> {
    let names = CALLS.map(|(call, _)| call).join(",");
    let (output, trace) = traced(&names, &[&[MDCTL], words].concat());
    output.ok();
    let spread = |(call, most): (&'static str, usize)| {
        let made = trace.iter().filter(|line| line.contains(&format!(" {call}("))).count();
        (1..=made)
            .rev()
            .step_by(made.div_ceil(most).max(1))
            .map(move |nth| format!("inject={call}:signal=KILL:when={nth}"))
    };
    CALLS.into_iter().flat_map(spread).collect()
}

fn killed_at(point: &str, words: &[&str]) -> bool {
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", point, MDCTL];
    let killed = run(&[&strace, words].concat()).status != 0;
    settle();
    killed
}

/// Two members with something written to their overlays; what commit makes of them.
fn written(disks: &Disks) {
    sh("rm -rf /run/mdctl /var/lib/mdctl").ok();
    disks.wipe();
    sh("for n in 0 1; do dd if=/dev/zero bs=1M count=2 | tr '\\0' $n | dd of=/dev/ram$n bs=1M; done 2>/dev/null; sync").ok();
    mdctl(&["overlay", "create", "--name=t1", "/dev/ram0", "/dev/ram1"]).ok();
    sh("for n in 0 1; do dd if=/dev/zero bs=64k count=9 | tr '\\0' x | \
        dd of=/dev/mapper/MDOV-t1-ram$n bs=64k seek=3 oflag=direct iflag=fullblock; done 2>/dev/null")
    .ok();
}

/// Its devices were taken away, its files are there, and the array was used without it: what it holds is old.
fn set_older_than_its_members() {
    let disks = Disks::new(2, 16384);
    let members = disks.all();
    let create = ["--create", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none"];
    reference(&[&create[..], &members].concat()).ok();
    reference(&["--stop", "/dev/md0"]).ok();
    settle();
    mdctl(&[&["overlay", "create", "--name=t1"][..], &members].concat()).ok();
    sh("for n in 0 1; do dd if=/dev/urandom of=/dev/mapper/MDOV-t1-ram$n bs=1M seek=4 count=1 oflag=direct; done 2>/dev/null")
        .ok();
    let listed = |words: &str| {
        let list = mdctl(&["overlay", "list"]).ok();
        assert!(format!("{}{}", list.stdout, list.stderr).contains(words), "{list}");
    };
    sh("dmsetup remove MDOV-t1-ram0 MDOV-t1-ram1; losetup -D").ok();
    settle();
    mdctl(&[&["assemble", "/dev/md0"][..], &members].concat()).ok();
    sh("dd if=/dev/urandom of=/dev/md0 bs=1M seek=4 count=1 conv=fsync status=none").ok();
    reference(&["--stop", "/dev/md0"]).ok();
    let newer = sums(&disks);
    let commit = ["overlay", "commit", "-y", "t1"];
    let refused = mdctl(&commit).fails(1);
    assert!(refused.stderr.contains("old data would go over newer"), "{refused}");
    assert!(refused.stderr.contains("mdctl overlay discard t1"), "{refused}");
    assert_eq!(sums(&disks), newer);
    listed("t1");
    mdctl(&[&commit[..], &["--force"]].concat()).ok();
    assert_ne!(sums(&disks), newer);
    nothing_is_left();
}

/// Killed at any point: the next command ends it or takes it back, and it can be done again.
fn commit_killed() {
    let disks = Disks::new(2, 8192);
    written(&disks);
    let before = sums(&disks);
    let words = ["overlay", "commit", "-y", "t1"];
    let points = points(&words);
    let after = sums(&disks);
    nothing_is_left();
    assert_ne!(before, after);
    for point in points {
        written(&disks);
        if !killed_at(&point, &words) {
            continue;
        }
        // Whatever changes something next.
        let next = mdctl(&["overlay", "discard", "none"]).fails(1);
        let now = sums(&disks);
        assert!(now == before || now == after, "{point}: neither as before nor as after: {next}");
        let there = !mdctl(&["overlay", "list"]).ok().stdout.is_empty()
            && mdctl(&["overlay", "list"]).ok().stdout.contains("t1");
        if there {
            mdctl(&words).ok();
        }
        assert_eq!(sums(&disks), after, "{point}: {next}");
        nothing_is_left();
    }
}

/// The power goes while the set is written, and with it all that /run knew: no half of it counts as up to date, and the
/// archive has what was there.
fn commit_cut_off() {
    let disks = Disks::new(2, 16384);
    let members = disks.all();
    let over = ["/dev/mapper/MDOV-t1-ram0", "/dev/mapper/MDOV-t1-ram1"];
    let fill = || sh("dd if=/dev/urandom of=/dev/md0 bs=1M count=4 oflag=direct status=none; sync").ok();
    let content = || sh("dd if=/dev/md0 bs=1M count=4 iflag=direct status=none | sha256sum").ok().stdout;
    let stop = || {
        reference(&["--stop", "/dev/md0"]).ok();
        settle();
    };
    let set = || {
        sh("rm -rf /run/mdctl /var/lib/mdctl").ok();
        disks.wipe();
        let create = ["--create", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "-b", "internal"];
        reference(&[&create[..], &members].concat()).ok();
        fill();
        let then = content();
        stop();
        mdctl(&[&["overlay", "create", "--name=t1"][..], &members].concat()).ok();
        mdctl(&[&["assemble", "/dev/md0"][..], &over].concat()).ok();
        fill();
        let now = content();
        stop();
        (then, now)
    };
    let assemble = || run(&[&[MDCTL, "assemble", "/dev/md0"][..], &members].concat());
    let words = ["overlay", "commit", "-y", "t1"];
    let (_, now) = set();
    let (output, trace) = traced("pwrite64", &[&[MDCTL], &words[..]].concat());
    output.ok();
    assemble().ok();
    assert_eq!(content(), now);
    stop();
    let writes = trace.iter().filter(|line| line.contains(" pwrite64(")).count();
    assert!(writes > 8, "{trace:#?}");
    for nth in (1..=writes).step_by(3) {
        let (then, now) = set();
        assert!(killed_at(&format!("inject=pwrite64:signal=KILL:when={nth}"), &words));
        sh("rm -rf /run/mdctl").ok();
        let assembled = assemble();
        if assembled.status == 0 {
            let there = content();
            assert!(
                there == then || there == now,
                "write {nth} of {writes}: half of it is served: {assembled}"
            );
            let check = "echo check > /sys/block/md0/md/sync_action; cd /sys/block/md0/md; \
                while grep -q check sync_action; do sleep .1; done; cat mismatch_cnt";
            assert_eq!(sh(check).ok().stdout.trim(), "0", "write {nth} of {writes}");
            stop();
        } else {
            mdctl(&["undo", "-y"]).ok();
            assemble().ok();
            assert_eq!(content(), then, "write {nth} of {writes}");
            stop();
        }
        sh("dmsetup remove MDOV-t1-ram0 MDOV-t1-ram1; losetup -D; true").ok();
        settle();
    }
}

/// A set that is half made is taken away by the next command.
fn create_killed() {
    let disks = Disks::new(2, 8192);
    let before = sums(&disks);
    let words = ["overlay", "create", "--name=t1", "/dev/ram0", "/dev/ram1"];
    let points = points(&words);
    mdctl(&["overlay", "discard", "t1"]).ok();
    for point in points {
        if !killed_at(&point, &words) {
            mdctl(&["overlay", "discard", "t1"]).ok();
            continue;
        }
        let next = mdctl(&["overlay", "discard", "none"]).fails(1);
        if next.stderr.contains("there are t1") {
            mdctl(&["overlay", "discard", "t1"]).ok();
        }
        nothing_is_left();
        assert_eq!(sums(&disks), before, "{point}: {next}");
    }
}

/// Files that are too small, and a directory without room.
fn no_room() {
    let disks = Disks::new(3, 12288);
    let order = [0, 1, 2];
    with_files(&disks, "-l5 -c16", &order);
    superblocks(&disks, "-l5 -c16", &[2, 1, 0]);
    let no_room = |words: &str| {
        let said = trial(&disks, words, &order);
        // That is no evidence against the guess.
        said.is_first("raid5 16 left-symmetric", "012");
        assert_eq!(said.first().0["assembled"]["no_room"], true, "{}", said.output);
        assert!(said.output.stderr.contains("had no room"), "{}", said.output);
    };
    no_room("--assemble=1 --store-size=8K");
    sh("mkdir -p /tmp/small && mount -t tmpfs -o size=16k none /tmp/small").ok();
    no_room("--assemble=1 --store=/tmp/small");
    assert_eq!(sh("ls /tmp/small").stdout, "");
    sh("umount /tmp/small; rmdir /tmp/small").ok();
}

/// A member with sectors that cannot be read: they are named, and the rest of it counts.
fn unreadable() {
    let disks = Disks::new(3, 12288);
    with_files(&disks, "-l5 -c16", &[0, 1, 2]);
    reference(&["--zero-superblock", "/dev/ram0", "/dev/ram1", "/dev/ram2"]).ok();
    sh("dmsetup create bad --table '0 3000 linear /dev/ram1 0\n3000 256 error\n3256 21320 linear /dev/ram1 3256'").ok();
    // Longer than windows are apart.
    let members = named(&disks, &[0, 2]);
    let trial = mdctl(&["trial", "--assemble=0", &members[0], "/dev/mapper/bad", &members[1]]).ok();
    assert!(trial.stderr.contains("/dev/mapper/bad: 2 times 8 KiB could not be read"), "{trial}");
    assert!(trial.stdout.contains("ram0 mapper/bad ram2"), "{trial}");
    sh("dmsetup remove bad").ok();
}

/// In place of the file system's tool this runs, with the array as `$device`.
fn with_tool(script: &str, trial: impl FnOnce()) {
    const TOOL: &str = "/usr/local/sbin/e2fsck";
    sh(&format!("test ! -e {TOOL}")).ok();
    let text = format!("#!/bin/sh\nfor device; do :; done\n{script}\n");
    sh(&format!("cat > {TOOL} <<'END'\n{text}END\nchmod +x {TOOL}")).ok();
    trial();
    sh(&format!("rm {TOOL}")).ok();
}

/// Somebody opens the array while it is looked at, and keeps it open: what is left is said, with the commands that take it
/// away. Nothing more is tried beside it.
fn held() {
    let disks = Disks::new(3, 12288);
    with_files(&disks, "-l5 -c16", &[0, 1, 2]);
    let before = sums(&disks);
    with_tool("sleep 600 <$device >/dev/null 2>&1 & echo $! >/run/held", || {
        let trial = run_for(240, &[&[MDCTL, "trial"][..], &disks.all()].concat()).fails(1);
        assert!(trial.stderr.contains("could not be taken away: "), "{trial}");
        assert!(trial.stdout.contains("e2fsck: clean"), "{trial}");
        let remains = trial.stderr.lines().find_map(|line| line.split("what remains to be done: ").nth(1));
        let remains = remains.unwrap_or_else(|| panic!("{trial}"));
        assert!(remains.starts_with("mdctl stop /dev/md") && remains.contains("_1"), "{trial}");
        sh(&format!("kill $(cat /run/held); rm /run/held; {remains}")).ok();
    });
    settle();
    nothing_is_left();
    assert_eq!(sums(&disks), before);
}

/// Somebody stops the array while it is looked at: that is nothing against the guess, and nothing is left.
fn stopped_meanwhile() {
    let disks = Disks::new(3, 12288);
    with_files(&disks, "-l5 -c16", &[0, 1, 2]);
    with_tool("/usr/sbin/mdadm --stop $device", || {
        let said = trial(&disks, "--assemble=1", &[0, 1, 2]);
        said.is_first("raid5 16 left-symmetric", "012");
        let assembled = &said.first().0["assembled"];
        let error = assembled["error"].as_str().unwrap_or_default();
        assert!(error.contains("was stopped by another program"), "{}", said.output);
        assert_eq!(assembled["no_room"], false, "{}", said.output);
    });
}
