//! Who uses a device without claiming it, and devices that do not answer.

use std::time::{Duration, Instant};

use crate::guest::{Case, Disks, mdctl, ours, reference, run, settle, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_loop_device_is_a_user", a_loop_device_is_a_user),
        Case::new("a_program_that_writes_is_a_user", a_program_that_writes_is_a_user),
        Case::new("a_member_in_use_is_not_added_or_zeroed", a_member_in_use_is_not_added_or_zeroed),
        Case::new("a_suspended_device_is_left_out", a_suspended_device_is_left_out),
        Case::new("what_a_suspended_device_may_stand_for", what_a_suspended_device_may_stand_for),
        Case::new("a_disk_that_hangs_is_not_waited_for_without_end", a_disk_that_hangs).needs("dm_delay"),
    ]
}

/// A file system on a loop device over a disk claims the loop device, and not the disk.
fn a_loop_device_is_a_user() {
    let disks = Disks::new(3, 32 << 10);
    sh("losetup /dev/loop5 /dev/ram0; mkfs.ext4 -q /dev/loop5; mkdir -p /tmp/m; mount /dev/loop5 /tmp/m")
        .ok();
    sh("echo kept >/tmp/m/file; sync").ok();
    settle();
    let by = "/dev/ram0 is in use by loop device loop5 (the file system mounted at /tmp/m)";
    for words in [
        &["create", "/dev/md0", "-l0", "-n2", "/dev/ram0", "/dev/ram1"][..],
        &["volume", "group", "create", "vg", "/dev/ram0"],
    ] {
        let output = mdctl(words).fails(1);
        assert!(output.stderr.contains(by), "{output}");
        // The file system is mounted, so only what a label or a superblock would be is compared.
        assert!(
            disks.read(0, 0, 1024) == [0; 1024] && disks.read(1, 0, 8192) == [0; 8192],
            "written: {output}"
        );
    }
    assert!(ours(&["-C", "/dev/md0", "-l0", "-n2", "/dev/ram0", "/dev/ram1"]).fails(1).stderr.contains(by));
    let plan = mdctl(&["volume", "group", "create", "vg", "/dev/ram0", "--dry-run"]);
    assert!(plan.stdout.contains(by) || plan.stderr.contains(by), "{plan}");
    let build = ["-B", "/dev/md0", "-l0", "-n2", "/dev/ram0", "/dev/ram1"];
    assert!(ours(&build).fails(1).stderr.contains(by));
    assert!(ours(&[&build[..], &["--force"]].concat()).ok().stderr.contains(by));
    reference(&["--stop", "/dev/md0"]).ok();
    // Through a partition, and whoever says yes is believed.
    sh("umount /tmp/m; losetup -d /dev/loop5; wipefs -qa /dev/ram0; rmdir /tmp/m").ok();
    mdctl(&["create", "/dev/md0", "--run", "-l0", "-n2", "/dev/ram0", "/dev/ram1"]).ok();
}

fn a_program_that_writes_is_a_user() {
    let _disks = Disks::new(2, 32 << 10);
    let words = "volume group create vg /dev/ram0";
    let reads = format!("exec 7</dev/ram0; sleep 60 & sleeper=$!; mdctl {words} --dry-run -y; kill $sleeper");
    let output = sh(&reads).ok();
    assert!(!output.stderr.contains("in use") && !output.stdout.contains("in use"), "{output}");
    let writes = format!(
        "sleep 60 7<>/dev/ram0 & sleeper=$!; mdctl {words}; status=$?; kill $sleeper; \
         echo \"process $sleeper (sleep), which writes to it\"; exit $status"
    );
    let output = sh(&writes).fails(1);
    let expected = format!("/dev/ram0 is in use by {}", output.stdout.trim());
    assert!(output.stderr.contains(&expected), "{expected}: {output}");
}

fn a_member_in_use_is_not_added_or_zeroed() {
    let disks = Disks::new(3, 32 << 10);
    reference(&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"]).ok();
    sh("losetup /dev/loop5 /dev/ram2").ok();
    let by = "/dev/ram2 is in use by loop device loop5";
    for words in [&["/dev/md0", "--add", "/dev/ram2"][..], &["--zero-superblock", "/dev/ram2"]] {
        let output = ours(words);
        assert!(output.status != 0 && output.stderr.contains(by), "{output}");
    }
    assert!(disks.read(2, 4096, 4) == [0; 4]);
    ours(&["/dev/md0", "--add", "--force", "/dev/ram2"]).ok();
    sh("losetup -d /dev/loop5").ok();
}

/// Reading it would wait without end, and no signal would end that.
fn a_suspended_device_is_left_out() {
    let _disks = Disks::new(4, 32 << 10);
    run(&["modprobe", "dm_mod"]).ok();
    reference(&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"]).ok();
    reference(&["--stop", "/dev/md0"]).ok();
    sh("dmsetup create slow --table '0 65536 linear /dev/ram2 0'; udevadm settle").ok();
    sh("losetup /dev/loop5 /dev/mapper/slow; udevadm settle; dmsetup suspend slow").ok();
    let told = "device-mapper device slow is suspended; `dmsetup resume slow` lets it go on";
    for (words, status) in [
        (&["status"][..], 0),
        (&["explain"], 0),
        (&["--examine", "--scan"], 0),
        (&["--examine", "/dev/loop5"], 1),
        (&["volume", "group", "create", "vg", "/dev/ram3", "--dry-run"], 0),
        (&["volume", "group", "create", "vg", "/dev/loop5"], 1),
        (&["create", "/dev/md1", "--run", "-l1", "-n2", "/dev/mapper/slow", "/dev/ram3"], 2),
        (&["assemble", "--scan"], 0),
    ] {
        let output = mdctl(words);
        assert_eq!(output.status, status, "{output}");
        let scans_groups = words.first() == Some(&"volume") && status == 0;
        assert!(scans_groups || output.stderr.contains(told), "{output}");
    }
    assert!(crate::guest::mdstat().contains("md0 : active"), "{}", crate::guest::mdstat());
    sh("dmsetup resume slow; losetup -d /dev/loop5; dmsetup remove --retry slow").ok();
}

/// The origin of a snapshot is suspended: the snapshot, which has the same label, does not count in its place, nor what both
/// stand on.
fn what_a_suspended_device_may_stand_for() {
    let _disks = Disks::new(2, 64 << 10);
    sh("modprobe dm_snapshot; vgcreate -qq vv /dev/ram0; lvcreate -qq -y -L8M -n a vv; vgchange -qq -an vv")
        .ok();
    sh("dmsetup create s --table '0 131072 snapshot-origin /dev/ram0'").ok();
    sh("dmsetup create c --table '0 131072 snapshot /dev/ram0 /dev/ram1 P 8'; udevadm settle").ok();
    mdctl(&["volume", "activate", "vv"]).fails(1);
    sh("dmsetup suspend --nolockfs s").ok();
    let refused = mdctl(&["volume", "activate", "vv"]).fails(1);
    assert!(refused.stderr.contains("/dev/mapper/s, which is suspended"), "{refused}");
    sh("dmsetup resume s; dmsetup remove --retry c").ok();
    mdctl(&["volume", "activate", "vv"]).ok();
    // Something on a volume says nothing of the volume's devices.
    sh("dmsetup create t --table '0 8192 linear /dev/vv/a 0'; udevadm settle; dmsetup suspend t").ok();
    let shown = mdctl(&["volume", "show"]).ok();
    assert!(!shown.stdout.contains("missing"), "{shown}");
    sh("dmsetup resume t; dmsetup remove --retry t; vgchange -qq -an vv; dmsetup remove --retry s").ok();
}

/// Not suspended: it is opened as any other, and then every read waits for ten minutes.
fn a_disk_that_hangs() {
    let _disks = Disks::new(2, 32 << 10);
    ours(&["-C", "/dev/md0", "--run", "-l1", "-n2", "-bnone", "--assume-clean", "/dev/ram0", "/dev/ram1"])
        .ok();
    reference(&["--stop", "/dev/md0"]).ok();
    // udev would look at it, and wait.
    sh("modprobe dm_delay; udevadm settle; udevadm control --stop-exec-queue").ok();
    sh("dmsetup create slow --noudevsync --table '0 65536 delay /dev/ram0 0 600000'").ok();
    let node = sh("echo /dev/$(dmsetup info -c --noheadings -o blkdevname slow)").ok();
    let node = node.stdout.trim();
    let begun = Instant::now();
    let output = mdctl(&["-X", node]);
    let took = begun.elapsed();
    let said = format!("waiting for {node} to be read (for at most 40 s)");
    assert!(output.status != 0 && output.stderr.contains(&said), "{output}");
    assert!(output.stderr.contains("within 40 s") && took < Duration::from_secs(60), "{took:?}: {output}");
    // Suspending it lets the reads go on: whoever was left behind with them ends.
    sh("dmsetup suspend --noudevsync slow; dmsetup resume --noudevsync slow; sleep 1").ok();
    let left =
        sh("pgrep -c mdctl; dmsetup remove --noudevsync slow; udevadm control --start-exec-queue").ok();
    assert_eq!(left.stdout.trim(), "0", "{left}");
}
