//! Output that cannot be written, stacks and files with limits, odd configurations and names; and a document with `--json`
//! however a command ends.

use crate::guest::{Case, Disks, mdctl, ours, reference, run, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("an_answer_that_cannot_be_written_is_a_failure", full_output),
        Case::new("a_small_stack_is_enough", small_stack),
        Case::new("a_limit_for_files_is_named", file_limit),
        Case::new("an_odd_configuration_is_passed_over", odd_configuration),
        Case::new("names_are_bytes_and_steer_nothing", odd_names),
        Case::new("what_cannot_be_read_is_not_zeroed", unreadable_superblock),
        Case::new("an_error_is_a_document_too", errors_as_json),
    ]
}

/// A mirror that ours has made, so that the history has something to tell.
fn pair() -> Disks {
    let disks = Disks::new(2, 16 << 10);
    ours(&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"]).ok();
    disks
}

fn full_output() {
    let _disks = pair();
    for words in [
        "status",
        "--detail /dev/md0",
        "--examine /dev/ram0",
        "explain",
        "history",
        "--help",
        "status --json",
    ] {
        let output = sh(&format!("mdctl {words} >/dev/full")).fails(1);
        assert!(output.stderr.contains("standard output: write: ENOSPC"), "{output}");
        // A reader that goes away is no failure.
        let output = sh(&format!("set -o pipefail; mdctl {words} | true")).ok();
        assert_eq!(output.stderr, "", "{output}");
    }
}

fn small_stack() {
    let _disks = pair();
    reference(&["--stop", "/dev/md0"]).ok();
    sh("ulimit -s 64; mdctl assemble --scan && mdctl status && mdctl explain && mdctl stop /dev/md0").ok();
}

fn file_limit() {
    let _disks = pair();
    let output =
        sh("ulimit -f 1; mdctl status >/tmp/small.img; dd if=/dev/zero of=/tmp/x.img count=1 2>/dev/null; \
                     mdctl --examine /dev/ram0 /dev/ram1 /dev/ram0 /dev/ram1 >/tmp/small.img");
    assert!(output.status == 1 && output.stderr.contains("standard output: write: EFBIG"), "{output}");
}

fn odd_configuration() {
    let _disks = pair();
    sh("mkdir -p /etc/mdadm.conf.d/odd.conf; truncate -s 5M /etc/mdadm.conf.d/huge.conf").ok();
    for words in [&["status"][..], &["explain"]] {
        let output = mdctl(words).ok();
        for odd in ["odd.conf: read: EISDIR", "huge.conf: read: unexpected content"] {
            assert!(output.stderr.contains(odd), "{output}");
        }
    }
    reference(&["--stop", "/dev/md0"]).ok();
    mdctl(&["assemble", "--scan"]).ok();
    // The one file itself: reports go on without it, what acts does not.
    sh("rm -r /etc/mdadm.conf.d; truncate -s 5M /etc/mdadm.conf").ok();
    assert!(mdctl(&["status"]).ok().stderr.contains("/etc/mdadm.conf: read: "));
    mdctl(&["assemble", "--scan"]).fails(1);
    sh("echo 'DEVICE /*/../*/../*/../*/../*/../*/../*' >/etc/mdadm.conf").ok();
    let output = mdctl(&["assemble", "--scan"]).fails(1);
    assert!(output.stderr.contains("DEVICE /*/..") && output.stderr.contains("paths"), "{output}");
}

fn odd_names() {
    let _disks = pair();
    let output = sh("ln -s /dev/ram0 $'/tmp/odd\\xff.img'; mdadm --examine $'/tmp/odd\\xff.img'").ok();
    assert!(output.stdout.contains("Raid Level : raid1"), "{output}");
    let output = sh("mdadm --examine $'/tmp/\\e[31mred'").fails(1);
    assert!(output.stderr.contains("\\u{1b}[31mred") && !output.stderr.contains('\u{1b}'), "{output}");
}

fn unreadable_superblock() {
    let _disks = Disks::new(1, 32 << 10);
    run(&["modprobe", "dm_mod"]).ok();
    sh("printf '0 65536 error\\n' | dmsetup create bad; udevadm settle").ok();
    let output = ours(&["--zero-superblock", "/dev/mapper/bad"]).fails(1);
    assert!(output.stderr.contains("/dev/mapper/bad") && output.stderr.contains("not zeroed"), "{output}");
}

fn errors_as_json() {
    let _disks = pair();
    for (words, status) in [
        (&["history", "nope"][..], 2),
        (&["trial"], 2),
        (&["nonsense"], 2),
        (&["create"], 2),
        (&["replace", "/dev/md99", "0", "/dev/ram0"], 1),
        (&["volume", "snapshot", "apply", "/tmp/none.img", "/dev/ram0"], 1),
        (&["stop"], 2),
        (&["stop", "/dev/md99"], 1),
        (&["wait", "/dev/md0"], 1),
        (&["run", "/dev/md99"], 1),
        (&["readonly", "/dev/md99"], 1),
        (&["--detail-platform"], 2),
        (&["--version"], 0),
    ] {
        let output = mdctl(&[words, &["--json"]].concat()).fails(status);
        let document: serde_json::Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
        assert_eq!(document["schema"], "mdctl.outcome.1", "{output}");
        let reason = document["error"]["reason"].as_str().unwrap_or_default();
        assert_eq!(reason.is_empty(), status == 0, "{output}");
        assert!(!output.stderr.is_empty(), "{output}");
    }
}
