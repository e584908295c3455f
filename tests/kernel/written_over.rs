//! Data that the kernel wrote over, and arrays that went on: what an undo must not bring back.

use crate::{
    archive::{empty_archive, files_are_intact, stop, with_files},
    guest::{self, Case, Disks, mdctl, ours, reference, sh},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("what_a_resync_wrote_is_told", what_a_resync_wrote_is_told),
        Case::new("an_array_that_went_on_keeps_its_metadata", an_array_that_went_on_keeps_its_metadata),
        Case::new("what_a_resync_wrote_and_force", what_a_resync_wrote_and_force),
        Case::new("used_by_another_array", used_by_another_array),
        Case::new("erased_and_written_to", erased_and_written_to),
        Case::new("one_half_went_on", one_half_went_on),
    ]
}

/// Makes a mirror of two of the array's disks by mistake: the third is copied onto the first.
fn mirror_over(disks: &Disks) {
    let [from, to] = [disks.path(2), disks.path(0)];
    ours(&["--create", "/dev/md0", "--run", "-l1", "-n2", "--bitmap=none", from, to]).ok();
    guest::wait_idle();
    stop();
}

/// Honest about what metadata cannot bring back.
fn what_a_resync_wrote_is_told() {
    let disks = with_files();
    mirror_over(&disks);
    let undone = mdctl(&["undo", "-y"]).ok();
    let told = |path: &str| undone.stderr.contains(&format!("{path}: a resync of array "));
    assert!(undone.stderr.contains("has written over data (all of it)"), "{undone}");
    assert!(told(disks.path(0)) && !told(disks.path(2)), "the first member is only read: {undone}");
    assert!(undone.stderr.contains("so it is left without a superblock"), "{undone}");
    assert!(reference(&["--examine", disks.path(0)]).fails(1).stderr.contains("No md superblock"));
    // Whoever starts it, starts it without that member, and it is filled again.
    mdctl(&["assemble", "--scan"]).ok();
    sh("mount -o ro /dev/md0 /mnt && cd /mnt && sha256sum --quiet -c /tmp/sums; s=$?; cd /; umount /mnt; exit $s").ok();
    let explained = mdctl(&["explain"]).ok().stdout;
    assert!(explained.contains("has overwritten its data (all of it)"), "{explained}");
    let next = format!("manage /dev/md/0 --add {}", disks.path(0));
    assert!(explained.contains(&next), "{explained}");
    mdctl(&next.split(' ').collect::<Vec<_>>()).ok();
    guest::wait_for("it is filled", |text| text.contains("[UUUU]"));
    guest::wait_idle();
    ours(&["--stop", "/dev/md0"]).ok();
    files_are_intact(&disks);
}

/// A member that missed writes would count as up to date again, and one that serves would be lost.
fn an_array_that_went_on_keeps_its_metadata() {
    for metadata in ["0.90", "1.2"] {
        empty_archive();
        let disks = Disks::new(3, 16 << 10);
        let [first, second, third] = [0, 1, 2].map(|n| disks.path(n));
        let create = [
            "--create",
            "/dev/md0",
            "--run",
            "-e",
            metadata,
            "-l1",
            "-n2",
            "--bitmap=none",
            "--assume-clean",
        ];
        reference(&[&create[..], &[first, second]].concat()).ok();
        stop();
        ours(&["--assemble", "/dev/md0", "--update=uuid", first, second]).ok();
        ours(&["/dev/md0", "--fail", first, "--remove", first]).ok();
        sh("dd if=/dev/urandom of=/dev/md0 bs=1M count=1 conv=fsync status=none").ok();
        stop();
        let refused = mdctl(&["undo", "-y"]).fails(1);
        assert!(refused.stderr.contains("went on without it"), "{refused}");
        let undo = mdctl(&["history", "--json"]).ok();
        assert!(!undo.stdout.contains("\"undoes\": \""), "{undo}");
        // A disk that was added and has become the last copy.
        ours(&["--assemble", "/dev/md0", "--run", second]).ok();
        mdctl(&["manage", "/dev/md0", "--add", third]).ok();
        guest::wait_for("it is filled", |text| text.contains("[UU]"));
        guest::wait_idle();
        ours(&["/dev/md0", "--fail", second, "--remove", second]).ok();
        sh("dd if=/dev/urandom of=/dev/md0 bs=1M count=1 conv=fsync status=none").ok();
        stop();
        let refused = mdctl(&["undo", "-y"]).fails(1);
        assert!(refused.stderr.contains("is an up-to-date member of array"), "{refused}");
    }
}

/// With force all of it comes back: then it is known, and told, that the data is not right.
fn what_a_resync_wrote_and_force() {
    let disks = with_files();
    mirror_over(&disks);
    mdctl(&["undo", "-y", "--force"]).ok();
    let explained = mdctl(&["explain", disks.path(0)]).ok().stdout;
    assert!(explained.contains("its superblock is back, its data is not"), "{explained}");
    let next = explained.split("next:").nth(1).expect("a next command");
    let next = next.lines().find(|line| line.contains("mdctl")).expect("a line");
    assert!(next.contains("--readonly --run") && !next.contains(disks.path(0)), "{explained}");
    let examined = reference(&["--examine", disks.path(0)]).ok();
    assert!(examined.stdout.contains("Raid Level : raid5"), "{examined}");
    // Its bitmap knows nothing of what was written over it: it does not come back as what it was, and is filled anew.
    let all = disks.all();
    let others = &all[1..];
    ours(&[&["--assemble", "/dev/md0", "--run"], others].concat()).ok();
    let refused = mdctl(&["manage", "/dev/md0", "--re-add", disks.path(0)]).fails(1);
    assert!(refused.stderr.contains("an undo brought its superblock back"), "{refused}");
    mdctl(&["manage", "/dev/md0", "--add", disks.path(0)]).ok();
    guest::wait_for("it is filled", |text| text.contains("[UUUU]"));
    guest::wait_idle();
    ours(&["--stop", "/dev/md0"]).ok();
    files_are_intact(&disks);
}

/// A mirror with something on it, stopped; its content's checksum.
fn mirror(disks: &Disks, metadata: &str) -> String {
    empty_archive();
    disks.wipe();
    let [first, second] = [disks.path(0), disks.path(1)];
    let create = ["--create", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=internal"];
    reference(&[&create[..], &["-e", metadata, first, second]].concat()).ok();
    sh("dd if=/dev/urandom of=/dev/md0 bs=1M count=4 oflag=direct status=none").ok();
    let sum = content();
    stop();
    sum
}

fn content() -> String {
    sh("dd if=/dev/md0 bs=1M count=4 iflag=direct status=none | sha256sum").ok().stdout
}

/// An array was made of one half, and written to: that half does not come back as up to date.
fn used_by_another_array() {
    let disks = Disks::new(3, 16 << 10);
    for metadata in ["0.90", "1.0", "1.2"] {
        for used in [false, true] {
            let sum = mirror(&disks, metadata);
            let half = disks.path(1);
            ours(&["--create", "/dev/md1", "--run", "-l1", "-n2", "-e1.2", half, "missing"]).ok();
            if used {
                sh("dd if=/dev/urandom of=/dev/md1 bs=1M count=4 oflag=direct status=none").ok();
            }
            ours(&["--stop", "/dev/md1"]).ok();
            guest::settle();
            let undone = mdctl(&["undo", "-y"]).ok();
            let told = undone.stderr.contains("so it is left without a superblock");
            assert_eq!(told, used, "{metadata}: {undone}");
            mdctl(&["assemble", "--scan"]).ok();
            let degraded = sh("cat /sys/block/md0/md/degraded").ok().stdout;
            assert_eq!(degraded.trim(), if used { "1" } else { "0" }, "{metadata}: {undone}");
            assert_eq!(content(), sum, "{metadata}");
            stop();
        }
    }
}

/// Its superblock was taken, and then something was written to it past md.
fn erased_and_written_to() {
    let disks = Disks::new(2, 16 << 10);
    let sum = mirror(&disks, "1.2");
    let half = disks.path(1);
    mdctl(&["zero-superblock", half]).ok();
    sh(&format!("dd if=/dev/urandom of={half} bs=1M seek=1 count=8 oflag=direct status=none")).ok();
    let refused = mdctl(&["undo", "-y"]).fails(1);
    assert!(refused.stderr.contains("is not known has written over data (some of it)"), "{refused}");
    assert!(refused.stderr.contains("--force puts the superblock back"), "{refused}");
    reference(&["--assemble", "/dev/md0", "--run", disks.path(0)]).ok();
    mdctl(&["manage", "/dev/md0", "--add", half]).ok();
    guest::wait_for("it is filled", |text| text.contains("[UU]"));
    guest::wait_idle();
    assert_eq!(content(), sum);
    stop();
}

/// The entry is about the half that went on; the other one, which is not in it, would count again.
fn one_half_went_on() {
    let disks = Disks::new(2, 16 << 10);
    for metadata in ["0.90", "1.2"] {
        mirror(&disks, metadata);
        ours(&["--assemble", "--run", "--update=uuid", "/dev/md0", disks.path(0)]).ok();
        sh("dd if=/dev/urandom of=/dev/md0 bs=1M count=4 oflag=direct status=none").ok();
        stop();
        let refused = mdctl(&["undo", "-y"]).fails(1);
        assert!(refused.stderr.contains("went on without slot 1"), "{refused}");
    }
}
