//! `mdctl boot check` on a machine whose /usr is on an array, with an image that lacks what the array needs, and one that has it.

use std::fs;

use crate::guest::{Case, Disks, Output, mdctl, reference, run, settle, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("what_an_image_lacks", what_an_image_lacks)]
}

/// An archive of empty files, as cpio's format newc has it.
fn archive(names: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names.iter().chain(&["TRAILER!!!"]) {
        let length = name.len() + 1;
        out.extend(
            format!("070701{:08X}{:08X}{}{length:08X}{:08X}", 1, 0o100_644, "00000000".repeat(9), 0).bytes(),
        );
        out.extend(name.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// With the array where /usr is, in a place of its own.
fn check(option: &str) -> Output {
    let line = format!("mount /dev/md/usr /usr && exec /tmp/mdctl boot check {option}");
    run(&["unshare", "-m", "bash", "-c", &line])
}

fn what_an_image_lacks() {
    let disks = Disks::new(2, 16 << 10);
    let words =
        ["-q", "-C", "/dev/md/usr", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none", "--name=usr"];
    reference(&[&words[..], &disks.all()].concat()).ok();
    settle();
    let release = sh("uname -r").ok().stdout.trim().to_owned();
    sh(&format!(
        "set -e; mkfs.ext4 -q /dev/md/usr; cp /usr/local/sbin/mdctl /tmp/mdctl; \
         mount /dev/md/usr /mnt; mkdir -p /mnt/lib/modules/{release}; umount /mnt"
    ))
    .ok();
    let image = format!("/boot/initrd.img-{release}");
    sh("mkdir -p /boot").ok();
    let bare = ["conf/initramfs.conf", "scripts/local", "scripts/local-block/mdadm"];
    fs::write(&image, archive(&bare)).expect("/boot takes a file");
    let lacks = check("").fails(1);
    for part in
        ["no program mdadm", "64-md-raid-assembly.rules is not in it", "the driver raid1 is not in it"]
    {
        assert!(lacks.stdout.contains(part), "{part}: {lacks}");
    }
    assert!(lacks.stdout.contains(&format!("update-initramfs -u -k {release}")), "{lacks}");
    assert!(lacks.stdout.contains("the next start would fail"), "{lacks}");
    let rest = [
        "usr/sbin/mdadm",
        "usr/lib/udev/rules.d/63-md-raid-arrays.rules",
        "usr/lib/udev/rules.d/64-md-raid-assembly.rules",
        "usr/lib/modules/x/kernel/drivers/md/raid1.ko.xz",
        "usr/lib/modules/x/kernel/drivers/md/md-mod.ko",
    ];
    let mut early = archive(&["kernel/x86/microcode/AuthenticAMD.bin"]);
    early.resize(early.len().next_multiple_of(512), 0);
    // No program is there that could unpack it: /usr is hidden.
    early.extend(archive(&[&bare[..], &rest[..]].concat()));
    fs::write(&image, early).expect("/boot takes a file");
    let sound = check("").ok();
    assert!(!sound.stdout.contains("!!") && !sound.stdout.contains("looked into"), "{sound}");
    let document: serde_json::Value = serde_json::from_str(&check("--json").ok().stdout).expect("it is JSON");
    assert_eq!(
        (&document["schema"], &document["images"][0]),
        (&"mdctl.boot-check.1".into(), &image.clone().into())
    );
    // Without the array below /usr nobody needs the image.
    let idle = mdctl(&["boot", "check"]).ok();
    assert!(idle.stdout.contains("no image looked at: the root is on no array"), "{idle}");
    // An image that cannot be read must not pass the check.
    sh(&format!("rm {image}; mkfifo {image}")).ok();
    let unknown = check("").fails(1);
    assert!(unknown.stdout.contains("it is a FIFO") && unknown.stdout.contains("is not known"), "{unknown}");
    sh(&format!("rm {image} /tmp/mdctl")).ok();
}
