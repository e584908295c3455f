//! Many at once, and killed at their work: none is lost, none is in two arrays, no array is named twice.

use crate::guest::{Case, reference, run, run_for, settle, sh, traced, tried};

/// Seconds for a round on a slow machine.
const LONGEST: u32 = 300;
/// Arrays of four members each.
const ARRAYS: usize = 16;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("sixty_four_at_once", || crowd(2)),
        Case::new("sixty_four_at_once_two_hundred_times", || crowd(200)).extra(),
        Case::new("killed_anywhere_the_next_event_finishes", killed),
        Case::new("who_was_late_once_is_not_late_again", who_was_late_once_is_not_late_again),
    ]
}

/// Disks that hold sixteen arrays, none of which runs.
fn setup() {
    sh("modprobe -r brd; modprobe brd rd_nr=64 rd_size=8192; modprobe raid1; modprobe raid456; modprobe raid10; \
        rm -f /run/mdadm/map; hostname guest")
    .ok();
    for array in 0..ARRAYS {
        let first = array * 4;
        let disks: Vec<String> = (first..first + 4).map(|disk| format!("/dev/ram{disk}")).collect();
        let level = ["1", "5", "6", "10"][array % 4];
        let md = format!("/dev/md/crowd{array}");
        let mut words = vec!["--create", &md, "--level", level, "-n4", "--run", "--assume-clean", "-bnone"];
        words.extend(["--homehost=guest"]);
        words.extend(disks.iter().map(String::as_str));
        reference(&words).ok();
    }
    stop();
}

fn stop() {
    sh(
        "for m in $(sed -n 's/^\\(md[^ ]*\\) :.*/\\1/p' /proc/mdstat); do /usr/sbin/mdadm -qS /dev/$m; done; rm -f /run/mdadm/map",
    );
    settle();
}

/// All arrays run with all of their members, each under its name and once.
fn all_are_there(what: &str) {
    settle();
    let mdstat = sh("cat /proc/mdstat").stdout;
    let whole = mdstat.matches("[4/4] [UUUU]").count();
    assert_eq!(whole, ARRAYS, "{what}: {mdstat}");
    let map = sh("cut -d' ' -f4 /run/mdadm/map | sort | uniq -c").stdout;
    assert_eq!(map.lines().count(), ARRAYS, "{what}: {map}");
    assert!(map.lines().all(|line| line.trim_start().starts_with("1 /dev/md/crowd")), "{what}: {map}");
    let left =
        sh("ls /run/mdadm /run/mdctl/unfinished 2>/dev/null | grep -E 'creating|map.new|^[0-9]'").stdout;
    assert!(left.is_empty(), "{what}: {left}");
}

fn crowd(rounds: u32) {
    setup();
    for round in 0..tried(usize::try_from(rounds).unwrap_or(2)) {
        // In another order each time, and every other time with udev's events in between.
        let trigger =
            if round % 2 == 1 { "udevadm trigger --action=change --subsystem-match=block;" } else { "" };
        let script = format!(
            "for d in $(seq 0 63 | shuf --random-source=<(yes {round})); do \
                 mdadm -I --export /dev/ram$d >/tmp/crowd.$d 2>&1 || echo FAILED >>/tmp/crowd.$d & \
             done; {trigger} wait; grep -l FAILED /tmp/crowd.* | xargs -r head -50"
        );
        let failed = run_for(LONGEST, &["bash", "-c", &script]).ok().stdout;
        assert!(failed.is_empty(), "round {round}: {failed}");
        all_are_there(&format!("round {round}"));
        let yes = sh("cat /tmp/crowd.* | grep -c -x MD_STARTED=yes").stdout;
        assert_eq!(yes.trim(), ARRAYS.to_string(), "round {round}: each is started by one");
        stop();
    }
    sh("rm -f /tmp/crowd.*; modprobe -r brd");
}

/// The second of three members is killed at every call that changes something; its next event and the last member's
/// make the array whole.
fn killed() {
    let disks = ["/dev/ram0", "/dev/ram1", "/dev/ram2"];
    sh("modprobe -r brd; modprobe brd rd_nr=16 rd_size=20480; rm -f /run/mdadm/map; hostname guest");
    let mut create =
        vec!["--create", "/dev/md/k", "-l5", "-n3", "--run", "--assume-clean", "--homehost=guest"];
    create.extend(disks);
    reference(&create).ok();
    stop();
    for victim in 0..disks.len() {
        let before = || {
            stop();
            for disk in disks.iter().take(victim) {
                run(&["mdadm", "-I", disk]).ok();
            }
        };
        before();
        let calls = ["ioctl", "write", "rename", "unlink", "flock", "openat"];
        let (output, trace) = traced(&calls.join(","), &["mdadm", "-I", disks[victim]]);
        output.ok();
        let made = |call: &str| trace.iter().filter(|line| line.contains(&format!(" {call}("))).count();
        for (call, most) in calls.into_iter().zip([5, 3, 2, 1, 1, 4]) {
            let made = made(call);
            for nth in (1..=made).step_by(made.div_ceil(tried(most)).max(1)) {
                before();
                let inject = format!("inject={call}:signal=KILL:when={nth}");
                run(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject, "mdadm", "-I", disks[victim]]);
                for disk in &disks[victim..] {
                    run(&["mdadm", "-I", disk]).ok();
                }
                let what = format!("{} killed at {call} {nth}", disks[victim]);
                let mdstat = sh("cat /proc/mdstat").stdout;
                assert!(mdstat.contains("[3/3] [UUU]"), "{what}: {mdstat}");
                let map = sh("cat /run/mdadm/map").stdout;
                assert!(map.lines().count() == 1 && map.contains(" /dev/md/k"), "{what}: {map}");
            }
        }
    }
    stop();
    sh("modprobe -r brd");
}

/// Five come while somebody has the lock, so that all of them have seen the same: each but the first looks once more, with the
/// map to itself, however many there are.
fn who_was_late_once_is_not_late_again() {
    sh("modprobe -r brd; modprobe brd rd_nr=8 rd_size=20480; rm -f /run/mdadm/map; hostname guest");
    let disks: Vec<String> = (0..8).map(|disk| format!("/dev/ram{disk}")).collect();
    let mut create = vec!["--create", "/dev/md/late", "-l0", "-n8", "--run", "--homehost=guest"];
    create.extend(disks.iter().map(String::as_str));
    reference(&create).ok();
    stop();
    (0..2).for_each(|n| drop(run(&["mdadm", "-I", &disks[n]]).ok()));
    // A process that waits for the lock has looked.
    let script = "flock /run/mdadm/map.lock bash -c 'while [ ! -e /tmp/go ]; do sleep 0.1; done' & \
        for n in 2 3 4 5 6; do strace -f -qq -o /tmp/looks.$n -e trace=openat mdadm -I /dev/ram$n & done; \
        for try in $(seq 600); do [ $(grep -c -- '-> FLOCK' /proc/locks) -lt 5 ] || break; sleep 0.1; done; \
        touch /tmp/go; wait; rm /tmp/go; \
        for n in 2 3 4 5 6; do grep -c '/sys/module/md_mod/parameters/create_on_open' /tmp/looks.$n; done | sort | uniq -c";
    let looks = run_for(LONGEST, &["bash", "-c", script]).ok().stdout;
    let looks: Vec<&str> = looks.lines().map(str::trim).collect();
    assert_eq!(looks, ["1 1", "4 2"], "{looks:?}");
    run(&["mdadm", "-I", &disks[7]]).ok();
    let mdstat = sh("cat /proc/mdstat").stdout;
    assert!(mdstat.contains(": active raid0"), "{mdstat}");
    stop();
    sh("rm -f /tmp/looks.*; modprobe -r brd");
}
