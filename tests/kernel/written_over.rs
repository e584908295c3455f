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
    assert!(explained.contains("has written over its data (all of it)"), "{explained}");
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
