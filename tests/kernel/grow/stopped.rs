//! Reshapes that are stopped and started again and again, and whose processes are killed.

use crate::guest::{Case, Disks, mdctl, ours, settle, sh, tried, until};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("stopped_and_started_again_and_again", stopped_and_started_again_and_again),
        Case::new("its_process_is_killed", its_process_is_killed),
        Case::new("a_member_fails_meanwhile", a_member_fails_meanwhile),
        Case::new("what_a_store_cannot_be", what_a_store_cannot_be),
    ]
}

pub(super) const STORE: &str = "/root/aside";

/// Clean, with data in all of it, without room on its members; slow.
pub(super) struct Array {
    pub(super) disks: Disks,
}

impl Array {
    fn new(words: &[&str], disks: usize) -> Self {
        let old = ["-e0.90", "-z40832"];
        Self::of(&[words, &old].concat(), disks, disks)
    }

    /// Of these members, with more disks beside them.
    pub(super) fn of(words: &[&str], members: usize, disks: usize) -> Self {
        sh(&format!("rm -f {STORE}; rm -rf /var/lib/mdctl/reshape"));
        let disks = Disks::new(disks, 40 << 10);
        let create = ["-q", "-C", "/dev/md0", "--run", "-c64", "--bitmap=none", "--assume-clean"];
        ours(&[&create[..], words, &disks.all()[..members]].concat()).ok();
        settle();
        sh("head -c $(blockdev --getsize64 /dev/md0) /dev/urandom > /dev/shm/data; \
            dd if=/dev/shm/data of=/dev/md0 bs=1M oflag=direct status=none; \
            [ ! -e /sys/block/md0/md/sync_action ] || echo repair > /sys/block/md0/md/sync_action; \
            mdadm -W /dev/md0 || true")
        .ok();
        speed(1000);
        Self { disks }
    }

    #[track_caller]
    pub(super) fn is_sound(&self) {
        let compare = "dd if=/dev/md0 bs=1M iflag=direct status=none | cmp -n $(stat -c %s /dev/shm/data) - /dev/shm/data";
        sh(compare).ok();
    }

    /// It has its new shape; nothing is left of what was set aside, or held back.
    #[track_caller]
    pub(super) fn ends(&self, attrs: &[(&str, &str)]) {
        speed(500_000);
        until("the reshape is over", || {
            matches!(attr("reshape_position").as_str(), "none" | "")
                && sh("pgrep -x mdctl-follow").status != 0
        });
        for (name, value) in attrs {
            assert_eq!(attr(name), *value, "{name}");
        }
        self.is_sound();
        if attr("level") != "raid0" {
            assert_eq!((attr("suspend_lo"), attr("suspend_hi")), ("0".into(), "0".into()));
            assert_eq!(attr("sync_max"), "max");
        }
        assert_eq!(sh(&format!("ls {STORE} /var/lib/mdctl/reshape/*")).stdout, "");
        if attr("level") != "raid0" {
            sh("echo check > /sys/block/md0/md/sync_action").ok();
            until("the check is over", || attr("sync_action") == "idle");
            assert_eq!(attr("mismatch_cnt"), "0");
        }
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        let _ = sh(&format!("pkill -x mdctl-follow; rm -f {STORE}; rm -rf /var/lib/mdctl/reshape"));
    }
}

pub(super) fn attr(name: &str) -> String {
    sh(&format!("cat /sys/block/md0/md/{name}")).stdout.trim().to_owned()
}

pub(super) fn speed(most: u32) {
    sh(&format!("cd /sys/block/md0/md; echo {most} > sync_speed_max; echo {most} > sync_speed_min"));
}

pub(super) fn position() -> u64 {
    attr("reshape_position").parse().unwrap_or(u64::MAX)
}

fn stopped_and_started_again_and_again() {
    let array = Array::new(&["-l5", "-n3"], 3);
    ours(&["--grow", "/dev/md0", "-c128", "--backup-file", STORE]).ok();
    let mut stops = 0;
    for nth in 0..tried(10).max(4) {
        let begun = position();
        if begun == u64::MAX {
            break;
        }
        until("it goes on", || position() != begun);
        // Each start brings it on by what was set aside.
        if position() == u64::MAX {
            break;
        }
        stops += 1;
        ours(&["--stop", "/dev/md0"]).ok();
        if nth % 2 == 0 {
            ours(&[&["--assemble", "/dev/md0"][..], &array.disks.all()].concat()).ok();
        } else {
            let last: Vec<_> = array.disks.all().iter().map(|disk| ours(&["-I", disk])).collect();
            last.last().expect("a member").clone().ok();
            // Whatever it is called.
            sh("[ -e /sys/block/md0 ] || { mdadm --stop --scan; false; }").ok();
        }
        speed(1000);
        array.is_sound();
    }
    assert!(stops > 0, "it was never stopped in the midst");
    array.ends(&[("chunk_size", "131072"), ("level", "raid5")]);
}

fn its_process_is_killed() {
    let array = Array::new(&["-l6", "-n4"], 4);
    ours(&["--grow", "/dev/md0", "-l5", "--backup-file", STORE]).ok();
    for _ in 0..tried(4).max(2) {
        let begun = position();
        if begun == u64::MAX {
            break;
        }
        until("it goes on", || position() != begun);
        sh("pkill -9 -x mdctl-follow; pkill -9 -x mdctl; true").ok();
        // The kernel comes to where it may go, and reads go on.
        array.is_sound();
        sh("setsid mdctl grow --continue /dev/md0 > /dev/null 2>&1 < /dev/null &").ok();
    }
    speed(500_000);
    until("the level is the last one", || attr("level") == "raid5");
    array.ends(&[("raid_disks", "3"), ("layout", "2")]);
}

fn a_member_fails_meanwhile() {
    let array = Array::new(&["-l6", "-n4"], 4);
    ours(&["--grow", "/dev/md0", "-c128", "--backup-file", STORE]).ok();
    let begun = position();
    until("it goes on", || position() != begun);
    ours(&["/dev/md0", "--fail", array.disks.path(1)]).ok();
    array.is_sound();
    speed(500_000);
    until("the reshape is over", || {
        attr("reshape_position") == "none" && sh("pgrep -x mdctl-follow").status != 0
    });
    assert_eq!(attr("chunk_size"), "131072");
    assert_eq!(attr("degraded"), "1");
    array.is_sound();
    assert_eq!((attr("suspend_lo"), attr("suspend_hi")), ("0".into(), "0".into()));
}

fn what_a_store_cannot_be() {
    let array = Array::new(&["-l5", "-n3"], 3);
    let refused = |file: &str, text: &str| {
        let said = mdctl(&["grow", "/dev/md0", "--chunk=128", "--backup-file", file]).fails(1);
        assert!(said.to_string().contains(text), "{said}");
        assert_eq!((attr("chunk_size"), attr("sync_action")), ("65536".into(), "idle".into()));
        assert_eq!(attr("sync_max"), "max");
    };
    sh(&format!("touch {STORE}")).ok();
    refused(STORE, "File exists");
    sh(&format!("rm {STORE}")).ok();
    refused("/nowhere/aside", "cannot create backup file");
    // Too small for it.
    sh("mkdir -p /tmp/small; mount -t tmpfs -o size=1m none /tmp/small").ok();
    refused("/tmp/small/aside", "No space left");
    sh("umount /tmp/small").ok();
    // On the array itself, by a file system.
    sh("mkfs.ext4 -q /dev/md0 && mkdir -p /tmp/own && mount /dev/md0 /tmp/own").ok();
    refused("/tmp/own/aside", "must NOT be on the array");
    sh("umount /tmp/own").ok();
    let said = mdctl(&["grow", "/dev/md0", "--chunk=128"]).fails(1);
    assert!(said.to_string().contains("--backup-file"), "{said}");
    drop(array);
}
