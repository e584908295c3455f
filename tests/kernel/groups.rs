//! Groups that are somebody else's, that are half there, or that are there twice; and a configuration that says so.

use crate::guest::{Case, Disks, Output, mdctl, run, settle, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("somebody_elses_are_left_alone", somebody_elses_are_left_alone),
        Case::new("what_pvmove_moves_is_named", what_pvmove_moves_is_named),
        Case::new("a_broken_configuration_stops_what_writes", a_broken_configuration_stops_what_writes),
        Case::new("a_copy_is_named", a_copy_is_named),
        Case::new("a_lost_label_comes_back", a_lost_label_comes_back),
        Case::new("a_path_is_no_proof_of_a_lost_label", a_path_is_no_proof_of_a_lost_label),
        Case::new("what_is_gone_is_taken_out", what_is_gone_is_taken_out),
        Case::new("what_comes_back_is_taken_in_again", what_comes_back_is_taken_in_again),
        Case::new("a_tool_that_fails_is_a_failure", a_tool_that_fails_is_a_failure),
    ]
}

/// No group, no file of lvm2's from cases before.
fn disks(count: usize) -> Disks {
    sh("modprobe dm_mod; dmsetup remove_all --retry; rm -rf /etc/lvm/archive /etc/lvm/backup /run/lvm/* /run/mdctl /var/lib/mdctl").ok();
    Disks::new(count, 64 << 10)
}

fn done(_: Disks) {
    sh("umount /mnt 2>/dev/null; dmsetup remove_all --retry; rm -rf /etc/lvm/archive /etc/lvm/backup /run/lvm/*").ok();
    settle();
}

fn volume(words: &str) -> Output {
    let words: Vec<&str> = std::iter::once("volume").chain(words.split_whitespace()).collect();
    mdctl(&words)
}

#[track_caller]
fn says(output: &Output, words: &str) {
    assert!(
        output.stderr.contains(words) || output.stdout.contains(words),
        "\"{words}\" is missing:\n{output}"
    );
}

fn devices() -> String {
    sh("dmsetup ls | grep -v 'No devices' | awk '{print $1}' | sort | tr '\\n' ' '").stdout.trim().to_owned()
}

fn somebody_elses_are_left_alone() {
    let disks = disks(3);
    sh("vgcreate -qq tx /dev/ram0; lvcreate -qq -y -L 8M -n a tx; vgchange -qq -an tx; \
        vgchange -qq -y --config 'local/extra_system_ids=[\"elsewhere\"]' --systemid elsewhere tx; \
        vgcreate -qq ex /dev/ram1; lvcreate -qq -y -L 8M -n a ex; vgchange -qq -an ex; vgexport -qq ex; \
        vgcreate -qq us /dev/ram2; lvcreate -qq -y -L 8M -n a us; vgchange -qq -an us")
    .ok();
    for (group, why) in [("tx", "belongs to the machine \"elsewhere\""), ("ex", "`vgimport`")] {
        says(&volume(&format!("activate {group}")).fails(1), why);
        says(&volume(&format!("activate {group}/a")).fails(1), why);
        says(&volume(&format!("create {group}/b 4M -y")).fails(1), why);
        assert_eq!(run(&["vgchange", "-ay", group]).status, 5, "as lvm2");
    }
    assert_eq!(devices(), "");
    says(&volume("group create nn /dev/ram0 -y").fails(1), "belongs to group tx already");
    says(&volume("group extend us /dev/ram1 -y").fails(1), "belongs to group ex already");
    // Of all groups only ours is activated.
    says(&volume("activate --all-groups").ok(), "group tx is left alone");
    assert_eq!(devices(), "us-a");
    // With a system id of ours it is ours.
    let ours = "mkdir -p /tmp/lvmx && printf 'local {\\n extra_system_ids = [ '\"\\'elsewhere\\'\"' ]\\n}\\n' >/tmp/lvmx/lvmlocal.conf && \
                LVM_SYSTEM_DIR=/tmp/lvmx mdctl volume activate tx; r=$?; rm -r /tmp/lvmx; exit $r";
    sh(ours).ok();
    assert_eq!(devices(), "tx-a us-a");
    volume("deactivate tx us").ok();
    done(disks);
}

fn what_pvmove_moves_is_named() {
    let disks = disks(2);
    // Its copy would be over before it is killed.
    sh("modprobe dm_mirror; echo 1 >/sys/module/dm_mirror/parameters/raid1_resync_throttle; \
        vgcreate -qq pm /dev/ram0 /dev/ram1; lvcreate -qq -y -L 32M -n data pm /dev/ram0; lvcreate -qq -y -L 4M -n still pm /dev/ram1; \
        dd if=/dev/urandom of=/dev/pm/data bs=1M count=32 oflag=direct status=none; sha256sum </dev/pm/data >/tmp/sum; \
        timeout -s KILL 2 pvmove -i 60 -n data /dev/ram0 /dev/ram1; lvs --noheadings -a pm | grep -q pvmove0")
    .ok();
    let listed = volume("list").ok();
    says(&listed, "`pvmove` is moving extents of data");
    says(&listed, "still");
    says(&volume("group create steal /dev/ram0 -y").fails(1), "belongs to group pm already");
    says(&volume("create pm/b 4M -y").fails(1), "`pvmove` is moving extents of data");
    says(&volume("deactivate pm").fails(1), "pm/data is being moved by `pvmove`");
    sh("lvchange -an pm/data; dmsetup remove_all --retry").ok();
    let some = volume("activate pm").fails(1);
    says(&some, "pm/data is being moved by `pvmove`");
    assert_eq!(devices(), "pm-still");
    volume("deactivate pm").ok();
    sh("echo 100 >/sys/module/dm_mirror/parameters/raid1_resync_throttle; vgchange -qq -ay pm; pvmove -qq --abort; \
        sha256sum </dev/pm/data | cmp - /tmp/sum; vgchange -qq -an pm")
    .ok();
    volume("activate pm").ok();
    sh("sha256sum </dev/pm/data | cmp - /tmp/sum").ok();
    volume("deactivate pm").ok();
    done(disks);
}

fn a_broken_configuration_stops_what_writes() {
    let disks = disks(2);
    volume("group create filt /dev/ram0").ok();
    let with = |text: &str, words: &str| {
        sh(&format!(
            "mkdir -p /tmp/lvmx && printf '%s\\n' \"{text}\" >/tmp/lvmx/lvm.conf && LVM_SYSTEM_DIR=/tmp/lvmx mdctl volume {words}; \
             r=$?; rm -r /tmp/lvmx; exit $r"
        ))
    };
    let short = "devices { global_filter = [ 'r|/dev/ram0|'";
    for words in [
        "create filt/y 4M -y",
        "group extend filt /dev/ram1 -y",
        "activate filt",
        "deactivate filt",
        "group create g2 /dev/ram1 -y",
    ] {
        says(&with(short, words).fails(1), "/tmp/lvmx/lvm.conf: line 2: a value is missing");
    }
    says(&with(short, "list").ok(), "/tmp/lvmx/lvm.conf: line 2");
    let single = "devices { filter = [ 'r|/dev/ram0|' ] }";
    let refused = with(single, "create filt/y 4M -y").fails(1);
    says(&refused, "there is no group filt");
    says(&refused, "a filter of lvm.conf turns");
    says(&with(single, "group create two /dev/ram0 -y").fails(1), "is turned away by a filter of lvm.conf");
    volume("create filt/y 4M -y").ok();
    volume("deactivate filt").ok();
    done(disks);
}

fn a_copy_is_named() {
    let disks = disks(3);
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/v 24M --on /dev/ram0").ok();
    sh("dd if=/dev/ram0 of=/dev/ram2 bs=1M status=none").ok();
    // While it is active the device that is used counts; lvm2 does not change such a group either.
    says(&volume("list").ok(), "/dev/ram0 and /dev/ram2: active volumes use /dev/ram0");
    says(&volume("resize vg/v +4M").fails(1), "active volumes use /dev/ram0");
    assert_eq!(run(&["lvextend", "-L+4M", "vg/v"]).status, 5, "as lvm2");
    volume("deactivate vg").ok();
    let on_two = "is on two devices, /dev/ram0 and /dev/ram2";
    for words in ["activate vg", "activate --partial vg", "create vg/w 4M -y", "check vg"] {
        says(&volume(words).fails(1), on_two);
    }
    says(&volume("list").ok(), on_two);
    assert_eq!(devices(), "");
    says(&volume("group create other /dev/ram2 -y").fails(1), "has the same physical volume as others");
    sh("wipefs -qa /dev/ram2").ok();
    volume("activate vg").ok();
    volume("deactivate vg").ok();
    done(disks);
}

fn a_lost_label_comes_back() {
    let disks = disks(2);
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/w 16M --on /dev/ram1").ok();
    sh("dd if=/dev/urandom of=/dev/vg/w bs=1M count=16 oflag=direct status=none; sha256sum </dev/vg/w >/tmp/sum").ok();
    volume("deactivate vg").ok();
    sh("pvremove -qq -ff -y /dev/ram1").ok();
    let checked = volume("check").fails(1);
    says(&checked, "group vg: not sound");
    says(&checked, "mdctl volume restore vg");
    says(&volume("restore vg").fails(1), "/dev/ram1 has no label");
    volume("restore vg -y").ok();
    volume("check vg").ok();
    volume("activate vg").ok();
    sh("sha256sum </dev/vg/w | cmp - /tmp/sum; pvs --noheadings /dev/ram1 | grep -q vg; vgck vg").ok();
    volume("deactivate vg").ok();
    // The device says nothing itself; the group does, as long as it is on others.
    sh("pvremove -qq -ff -y /dev/ram1").ok();
    says(&mdctl(&["explain", "/dev/ram1"]).ok(), "of group vg; its label is gone");
    // Another device is not taken for it.
    sh("pvremove -qq -ff -y /dev/ram1; mkfs.ext4 -q /dev/ram1").ok();
    let refused = volume("restore vg -y").fails(1);
    says(&refused, "/dev/ram1 has ext4 on it");
    sh("blkid -o value -s TYPE /dev/ram1 | grep -q ext4").ok();
    done(disks);
}

fn a_path_is_no_proof_of_a_lost_label() {
    let disks = disks(2);
    sh("modprobe loop; truncate -s 64M /tmp/a.img /tmp/b.img; losetup /dev/loop2 /tmp/a.img").ok();
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("group create vl /dev/loop2").ok();
    // Somebody's data, without any signature.
    sh("dd if=/dev/urandom of=/dev/ram1 bs=1M count=64 oflag=direct status=none; sha256sum </dev/ram1 >/tmp/sum").ok();
    let refused = volume("restore vg -y").fails(1);
    says(&refused, "something else was written to its start");
    says(&refused, "--force writes its label and metadata area to /dev/ram1");
    says(&mdctl(&["explain", "/dev/ram1"]).ok(), "may be another disk");
    sh("sha256sum </dev/ram1 | cmp - /tmp/sum").ok();
    volume("restore vg --force").fails(1);
    volume("restore vg --force -y").ok();
    volume("check vg").ok();
    // Another file under the name of the one that has the group's text.
    sh("dd if=/dev/zero of=/dev/loop2 bs=4096 count=1 oflag=direct status=none; losetup -d /dev/loop2; \
        losetup /dev/loop2 /tmp/b.img; sha256sum </tmp/b.img >/tmp/sum")
    .ok();
    let settled = "udevadm settle; rm -f /run/lvm/hints";
    sh(settled).ok();
    says(&volume("restore vl -y").fails(1), "nothing tells that it is that disk");
    sh("losetup /dev/loop7 /tmp/a.img").ok();
    sh(settled).ok();
    volume("restore vl -y").ok();
    sh("sha256sum </tmp/b.img | cmp - /tmp/sum; pvs --noheadings /dev/loop7 | grep -q vl").ok();
    sh("losetup -d /dev/loop2; losetup -d /dev/loop7; rm /tmp/a.img /tmp/b.img").ok();
    done(disks);
}

fn what_is_gone_is_taken_out() {
    let disks = disks(2);
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/here 8M --on /dev/ram0").ok();
    volume("create vg/there 8M --on /dev/ram1").ok();
    volume("deactivate vg").ok();
    sh("dd if=/dev/zero of=/dev/ram1 bs=64k count=20 oflag=direct status=none; rm -f /run/lvm/hints").ok();
    says(&volume("group reduce vg --missing -y").fails(1), "volumes are on what is missing: there");
    volume("group reduce vg --missing --force").fails(1);
    volume("group reduce vg --missing --force -y").ok();
    volume("check vg").ok();
    sh("vgs --noheadings -o vg_attr,pv_count,lv_count vg | grep -q 'wz--n- *1 *1'; vgck vg").ok();
    volume("activate vg").ok();
    assert_eq!(devices(), "vg-here");
    volume("deactivate vg").ok();
    done(disks);
}

fn what_comes_back_is_taken_in_again() {
    let disks = disks(3);
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/there 8M --on /dev/ram1").ok();
    sh("dd if=/dev/urandom of=/dev/vg/there bs=1M count=8 oflag=direct status=none; sha256sum </dev/vg/there >/tmp/sum").ok();
    volume("deactivate vg").ok();
    let out = "dd if=/dev/ram1 of=/tmp/out.img bs=1M iflag=direct status=none; \
               dd if=/dev/zero of=/dev/ram1 bs=1M count=64 oflag=direct status=none; rm -f /run/lvm/hints";
    sh(out).ok();
    volume("group reduce vg --missing --force -y").ok();
    let is_back = || {
        volume("check vg").ok();
        volume("activate vg").ok();
        sh("sha256sum </dev/vg/there | cmp - /tmp/sum; vgck vg; pvs --noheadings /dev/ram1 | grep -q vg")
            .ok();
        volume("deactivate vg").ok();
    };
    sh("dd if=/tmp/out.img of=/dev/ram1 bs=1M oflag=direct status=none; rm -f /run/lvm/hints").ok();
    says(&mdctl(&["undo", "--yes"]).fails(1), "this takes it back: mdctl volume restore vg --at 2");
    says(&volume("group extend vg /dev/ram1").fails(1), "`mdctl volume restore vg --at 2` takes it in again");
    volume("restore vg --at 2 -y").ok();
    is_back();
    // Taken out in order, and another one in its place, which goes again.
    volume("remove vg/there -y").ok();
    volume("group reduce vg /dev/ram1").ok();
    volume("group extend vg /dev/ram2").ok();
    volume("restore vg --at 4 -y").ok();
    is_back();
    sh("[ $(vgs --noheadings -o pv_count vg) = 2 ]; pvs --noheadings -o vg_name /dev/ram2 2>/dev/null | grep -q vg && exit 1; rm /tmp/out.img").ok();
    done(disks);
}

fn a_tool_that_fails_is_a_failure() {
    let disks = disks(1);
    volume("group create vg /dev/ram0").ok();
    volume("create vg/v 24M").ok();
    sh("mkfs.ext4 -q /dev/vg/v; printf '#!/bin/sh\\necho no >&2\\nexit 1\\n' >/usr/local/sbin/resize2fs; chmod +x /usr/local/sbin/resize2fs").ok();
    let failed = volume("resize vg/v +8M --fs");
    let json = volume("resize vg/v +4M --fs --json");
    sh("rm /usr/local/sbin/resize2fs").ok();
    says(&failed.clone().fails(1), "not all is done: resize vg/v from 24 MiB to 32 MiB");
    says(&failed, "what remains to be done: ");
    assert!(!failed.stdout.contains("done"), "{failed}");
    assert_eq!(failed.stderr.matches("run resize2fs").count(), 1, "{failed}");
    assert!(json.status == 1 && json.stdout.contains("\"incomplete\""), "{json}");
    // The volume has the size already; the file system has not.
    says(&volume("resize vg/v 36M --fs").ok(), "grow the file system in vg/v to 36 MiB");
    sh("dumpe2fs -h /dev/vg/v 2>/dev/null | grep -q 'Block count: *36864' || dumpe2fs -h /dev/vg/v | grep -q 'Block count: *9216'").ok();
    says(&volume("resize vg/v 36M --fs").ok(), "nothing");
    volume("resize vg/v +4M --fs").ok();
    sh("e2fsck -fn /dev/vg/v").ok();
    volume("deactivate vg").ok();
    done(disks);
}
