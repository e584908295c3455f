//! Commands killed at their work: the array is as before or as after, and the next command says what it found and works.

use crate::guest::{Case, Disks, mdstat, ours, reference, run, settle, sh, traced, tried};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("create", create),
        Case::new("forced_assembly", forced_assembly),
        Case::new("add", add),
        Case::new("replace", replace),
        Case::new("zero_superblock", zero_superblock),
        Case::new("stop", stop),
        Case::new("used_since", used_since),
    ]
}

/// System calls that change something (metadata, the kernel's arrays, sysfs, the map, names), and at how many of its
/// invocations a command is killed.
const CALLS: [(&str, usize); 6] =
    [("pwrite64", 4), ("ioctl", 4), ("write", 3), ("rename", 2), ("unlink", 1), ("flock", 1)];

/// Runs a command and kills it when it enters the `nth` such call; whether it was killed.
fn killed_at(call: &str, nth: usize, words: &[&str]) -> bool {
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject, "/usr/local/sbin/mdadm"];
    run(&[&strace, words].concat()).status != 0
}

/// Where a command is to be killed: spread over its whole work.
fn points(words: &[&str]) -> Vec<(&'static str, usize)> {
    let names = CALLS.map(|(call, _)| call).join(",");
    let (output, trace) = traced(&names, &[&["/usr/local/sbin/mdadm"], words].concat());
    output.ok();
    let made = |call: &str| trace.iter().filter(|line| line.contains(&format!(" {call}("))).count();
    let spread = |(call, most): (&'static str, usize)| {
        let made = made(call);
        (1..=made).step_by(made.div_ceil(tried(most)).max(1)).map(move |nth| (call, nth))
    };
    CALLS.into_iter().flat_map(spread).collect()
}

/// What the ends of the disks hold, around every cache.
fn metadata(disks: &[&str]) -> String {
    let one = |disk: &&str| {
        format!(
            "dd if={disk} bs=64k count=3 iflag=direct status=none | md5sum; \
             dd if={disk} bs=64k skip=$(($(blockdev --getsize64 {disk}) / 65536 - 3)) iflag=direct status=none | md5sum; "
        )
    };
    sh(&disks.iter().map(one).collect::<String>()).ok().stdout
}

/// Kills the command at all points in turn, each time from the same state. A command about another disk finds what
/// was left; then `check` looks whether it is as before or as after.
fn at_each_point(words: &[&str], before: impl Fn(), check: impl Fn(&str)) {
    before();
    let points = points(words);
    let mut killed = 0;
    for (call, nth) in &points {
        before();
        if !killed_at(call, *nth, words) {
            continue;
        }
        settle();
        killed += 1;
        let next = ours(&["--zero-superblock", "/dev/ram3"]).ok();
        settle();
        let what = format!("killed at {call} {nth}; then: {next}");
        let left =
            sh("ls /run/mdctl/unfinished /run/mdadm 2>/dev/null | grep -E -- '^[0-9]|creating'").stdout;
        assert!(left.is_empty(), "{what}: {left}");
        check(&what);
    }
    assert!(killed * 2 > points.len(), "killed only {killed} times of {}", points.len());
}

fn clean() {
    sh("/usr/sbin/mdadm -S --scan; rm -rf /run/mdadm/map /var/lib/mdctl /run/mdctl");
    settle();
}

fn create() {
    let disks = Disks::new(4, 8192);
    let members = &disks.all()[..2];
    let words = [&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean"], members].concat();
    let before = metadata(members);
    let wipe = || {
        clean();
        disks.wipe();
    };
    at_each_point(&words, wipe, |what| {
        if mdstat().contains("md0 : active") {
            assert!(!what.contains("killed at its work") || what.contains("md0 runs"), "{what}");
            return;
        }
        assert!(!mdstat().contains("md0"), "{what}");
        assert_eq!(metadata(members), before, "{what}");
        assert!(!sh("cat /run/mdadm/map").stdout.contains("md0"), "{what}");
        ours(&words).ok();
        assert!(mdstat().contains("md0 : active"), "{what}");
    });
    clean();
}

fn forced_assembly() {
    let disks = Disks::new(4, 8192);
    let members = &disks.all()[..3];
    let words = [&["-A", "--force", "/dev/md0"], members].concat();
    let stale = || {
        clean();
        disks.wipe();
        let make =
            [&["-C", "/dev/md0", "--run", "-l5", "-n3", "--assume-clean", "-b", "none"], members].concat();
        reference(&make).ok();
        // The second one behind the back of the guard against it.
        sh(
            "/usr/sbin/mdadm /dev/md0 -f /dev/ram1; dd if=/dev/zero of=/dev/md0 bs=64k count=1 oflag=direct; \
            echo faulty >/sys/block/md0/md/dev-ram2/state; /usr/sbin/mdadm -S /dev/md0",
        );
        settle();
    };
    at_each_point(&words, stale, |what| {
        if !mdstat().contains("md0 : active") {
            assert!(!mdstat().contains("md0"), "{what}");
            assert!(
                ours(&[&["-A", "/dev/md0"], members].concat()).status != 0,
                "the events are the old ones: {what}"
            );
            ours(&words).ok();
        }
        assert!(mdstat().contains("md0 : active"), "{what}");
    });
    clean();
}

fn add() {
    let disks = Disks::new(4, 8192);
    let words = ["/dev/md0", "--add", "/dev/ram2"];
    let degraded = || {
        clean();
        disks.wipe();
        reference(&["-C", "/dev/md0", "--run", "-l1", "-n2", "/dev/ram0", "missing"]).ok();
        settle();
    };
    let blank = metadata(&["/dev/ram2"]);
    at_each_point(&words, degraded, |what| {
        if !mdstat().contains("ram2[") {
            assert_eq!(metadata(&["/dev/ram2"]), blank, "{what}");
            ours(&words).ok();
        }
        assert!(mdstat().contains("ram2["), "{what}");
    });
    clean();
}

/// Recovery is kept from starting while members are paired; it must not stay so.
fn replace() {
    let disks = Disks::new(4, 8192);
    let words = ["/dev/md0", "--replace", "/dev/ram0", "--with", "/dev/ram2"];
    let with_spare = || {
        clean();
        disks.wipe();
        let make = ["-C", "/dev/md0", "--run", "-l1", "-n2", "-x1", "--assume-clean"];
        reference(&[&make[..], &disks.all()[..3]].concat()).ok();
        settle();
    };
    at_each_point(&words, with_spare, |what| {
        assert_ne!(sh("cat /sys/block/md0/md/sync_action").ok().stdout.trim(), "frozen", "{what}");
        assert!(mdstat().contains("md0 : active"), "{what}");
    });
    clean();
}

fn zero_superblock() {
    let disks = Disks::new(4, 8192);
    let words = ["--zero-superblock", "/dev/ram0"];
    reference(&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"]).ok();
    settle();
    reference(&["-S", "/dev/md0"]).ok();
    let before = metadata(&["/dev/ram0"]);
    sh("dd if=/dev/ram0 of=/tmp/ram0 bs=1M iflag=direct status=none").ok();
    let member = || {
        clean();
        sh("dd if=/tmp/ram0 of=/dev/ram0 bs=1M oflag=direct status=none").ok();
    };
    at_each_point(&words, member, |what| {
        let left = ours(&["-E", "/dev/ram0"]);
        if left.status == 0 {
            assert_eq!(metadata(&["/dev/ram0"]), before, "{what}");
            ours(&words).ok();
        }
        assert!(ours(&["-E", "/dev/ram0"]).status != 0, "{what}");
    });
    drop(disks);
}

fn stop() {
    let disks = Disks::new(4, 8192);
    let words = ["--stop", "/dev/md0"];
    let running = || {
        clean();
        disks.wipe();
        reference(&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"])
            .ok();
        settle();
    };
    at_each_point(&words, running, |what| {
        if mdstat().contains("md0 : active") {
            ours(&words).ok();
        }
        assert!(!mdstat().contains("md0"), "{what}");
        ours(&["-A", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
    });
    clean();
}

/// What somebody else made of what a killed command left is his.
fn used_since() {
    let disks = Disks::new(4, 24 << 10);
    let members = &disks.all()[..2];
    let words = [&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean"], members].concat();
    let is_written = |nth: &usize| {
        clean();
        disks.wipe();
        killed_at("fsync", *nth, &words);
        members.iter().all(|member| reference(&["-E", member]).status == 0) && !mdstat().contains(" active ")
    };
    assert!((1..=8).any(|nth| is_written(&nth)), "killed with both superblocks written");
    reference(&["--stop", "--scan"]);
    reference(&[&["-A", "/dev/md0"], members].concat()).ok();
    sh("mkfs.ext4 -q /dev/md0").ok();
    reference(&["--stop", "/dev/md0"]).ok();
    let next = ours(&["--zero-superblock", "/dev/ram3"]).ok();
    assert!(next.stderr.contains("its array has been used: it is left as it is; `mdctl undo "), "{next}");
    reference(&[&["-A", "/dev/md0"], members].concat()).ok();
    sh("fsck.ext4 -fn /dev/md0").ok();
    clean();
}
