//! What only one member has: nothing overwrites it, takes it for something else, or leads there, without being asked twice.

use crate::guest::{self, Case, Disks, Output, mdctl, ours, reference, sh};

pub(crate) fn cases() -> Vec<Case> {
    let split = |name: &str, create: &'static str, sides: [&'static [usize]; 2]| {
        Case::new(format!("apart_{name}"), move || apart(create, sides))
    };
    vec![
        split("raid1", "-l1 -n2 -e1.2 --bitmap=none", [&[0], &[1]]),
        split("raid1_bitmap", "-l1 -n2 -e1.0 --bitmap=internal --bitmap-chunk=64K", [&[0], &[1]]),
        split("raid1_old", "-l1 -n2 -e0.90", [&[0], &[1]]),
        split("raid10", "-l10 -n4 --bitmap=internal --bitmap-chunk=64K", [&[0, 2], &[1, 3]]),
        split("raid5", "-l5 -n3 --bitmap=none", [&[0, 1], &[1, 2]]),
        split("raid4_old", "-l4 -n3 -e0.90", [&[0, 1], &[1, 2]]),
        split("raid6", "-l6 -n4 --bitmap=internal", [&[0, 1], &[2, 3]]),
        Case::new("force_takes_one_side", force_takes_one_side),
        Case::new("lost_one_after_the_other", lost_one_after_the_other),
        Case::new("only_copy_of_a_mirror", only_copy_of_a_mirror),
        Case::new("only_copy_of_parity", only_copy_of_parity),
        Case::new("failed_in_mid_rebuild", failed_in_mid_rebuild),
        Case::new("copy_of_a_member", copy_of_a_member),
        Case::new("stale_copy_of_a_mirror", || stale_copy("-l1 -n2", 2, &[0, 1])),
        Case::new("stale_copy_of_parity", || stale_copy("-l5 -n3", 3, &[1])),
        Case::new("stale_copy_of_parity_old", || stale_copy("-l5 -n3 -e0.90", 3, &[1])),
        Case::new("stale_copy_of_raid10", || stale_copy("-l10 -n2", 2, &[0])),
        Case::new("stale_copy_incremental", stale_copy_incremental),
        Case::new("larger_blocks_are_noticed", larger_blocks_are_noticed),
    ]
}

fn paths(slots: &[usize]) -> Vec<String> {
    slots.iter().map(|slot| format!("/dev/ram{slot}")).collect()
}

fn with(words: &[&str], devices: &[String]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).chain(devices.iter().cloned()).collect()
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Creates /dev/md7 on RAM disks.
fn create(shape: &str, count: usize) {
    let words: Vec<&str> = shape.split(' ').collect();
    let all: Vec<usize> = (0..count).collect();
    reference(&refs(&with(&[&["-q", "-C", "/dev/md7", "-R"][..], &words].concat(), &paths(&all)))).ok();
}

fn no_trace(said: &Output, device: &str) {
    assert!(!said.stderr.contains("missed no write"), "{said}");
    assert!(!guest::mdstat().contains(&format!("{}[", device.trim_start_matches("/dev/"))), "{said}");
}

/// Each side runs without the other and is written to; what stayed outside is never taken back as it was.
fn apart(shape: &str, sides: [&[usize]; 2]) {
    let count = sides.iter().flat_map(|side| side.iter()).max().map_or(0, |last| last + 1);
    let _disks = Disks::new(count, 24 << 10);
    create(&format!("{shape} --assume-clean"), count);
    reference(&["-q", "-S", "/dev/md7"]).ok();
    for (side, seek) in sides.into_iter().zip(["0", "8"]) {
        reference(&refs(&with(&["-q", "-A", "--run", "--force", "/dev/md7"], &paths(side)))).ok();
        sh(&format!("yes {seek} | dd of=/dev/md7 bs=1M seek={seek} count=1 iflag=fullblock conv=fsync")).ok();
        reference(&["-q", "-S", "/dev/md7"]).ok();
    }
    let [first, second] = sides;
    reference(&refs(&with(&["-q", "-A", "--run", "/dev/md7"], &paths(second)))).ok();
    let outside = *first.iter().find(|slot| !second.contains(slot)).expect("a side has somebody of its own");
    let device = format!("/dev/ram{outside}");
    for words in [["--re-add", &device], ["--add", &device], ["--add-spare", &device]] {
        let said = ours(&[&["/dev/md7"][..], &words].concat()).fails(1);
        assert!(said.stderr.contains("apart from each other"), "{words:?}: {said}");
        no_trace(&said, &device);
    }
    no_trace(&mdctl(&["manage", "/dev/md7", "--re-add", "--force", &device]).fails(1), &device);
    no_trace(&mdctl(&["replace", "/dev/md7", "missing", &device]).fails(1), &device);
    let explained = mdctl(&["explain", &device]).ok();
    assert!(explained.stdout.contains("two histories"), "{explained}");
    // A full copy, after what is lost was said.
    let said = mdctl(&["manage", "/dev/md7", "--add", "--force", &device]).ok();
    assert!(said.stderr.contains("is lost") && said.stderr.contains("full copy"), "{said}");
    reference(&["-q", "--wait", "/dev/md7"]);
    if count - second.len() == 1 {
        sh("echo check > /sys/block/md7/md/sync_action; mdctl wait /dev/md7; grep -qx 0 /sys/block/md7/md/mismatch_cnt").ok();
    }
    reference(&["-q", "-S", "/dev/md7"]).ok();
}

/// Force brings no two histories together where one is enough.
fn force_takes_one_side() {
    for (shape, sides) in [
        ("-l1 -n2 -b internal", [&[0][..], &[1]]),
        ("-l1 -n2 -e0.90", [&[0], &[1]]),
        ("-l10 -n4", [&[0, 2], &[1, 3]]),
    ] {
        let count = sides.concat().len();
        let _disks = Disks::new(count, 24 << 10);
        create(&format!("{shape} --assume-clean"), count);
        reference(&["-q", "-S", "/dev/md7"]).ok();
        for side in sides {
            reference(&refs(&with(&["-q", "-A", "--run", "--force", "/dev/md7"], &paths(side)))).ok();
            sh("dd if=/dev/urandom of=/dev/md7 bs=64k count=1 conv=fsync").ok();
            reference(&["-q", "-S", "/dev/md7"]).ok();
        }
        let all: Vec<usize> = (0..count).collect();
        let said = ours(&refs(&with(&["-A", "--force", "/dev/md7"], &paths(&all)))).ok();
        let half = format!("{} drive", count / 2);
        assert!(said.stderr.contains("as failed") && said.to_string().contains(&half), "{shape}: {said}");
        reference(&["-q", "-S", "/dev/md7"]).ok();
    }
}

/// The second of two does not know that the first came back, and has missed writes, and nothing more.
fn lost_one_after_the_other() {
    for shape in ["-l6 -n4", "-l10 -n4", "-l6 -n4 -e0.90"] {
        let _disks = Disks::new(4, 24 << 10);
        create(&format!("{shape} --assume-clean --bitmap=internal"), 4);
        for lost in ["/dev/ram1", "/dev/ram3"] {
            ours(&["-q", "/dev/md7", "--fail", lost, "--remove", lost]).ok();
        }
        for back in ["/dev/ram1", "/dev/ram3"] {
            ours(&["-q", "/dev/md7", "--re-add", back]).ok();
            reference(&["-q", "--wait", "/dev/md7"]);
        }
        assert!(guest::mdstat().contains("[UUUU]"), "{shape}: {}", guest::mdstat());
        reference(&["-q", "-S", "/dev/md7"]).ok();
    }
}

fn slowly() {
    sh("cd /proc/sys/dev/raid; echo 500 > speed_limit_max; echo 400 > speed_limit_min").ok();
}

fn quickly() {
    sh("cd /proc/sys/dev/raid; echo 1000 > speed_limit_min; echo 200000 > speed_limit_max").ok();
}

fn only_copy_of_a_mirror() {
    let _disks = Disks::new(2, 24 << 10);
    sh("mkfs.ext4 -q /dev/ram0 23000").ok();
    slowly();
    create("-l1 -n2 -e1.0 --bitmap=none", 2);
    let said = ours(&["/dev/md7", "--fail", "/dev/ram0"]).fails(1);
    assert!(said.stderr.contains("a resync is not finished"), "{said}");
    mdctl(&["manage", "/dev/md7", "--replace", "/dev/ram0"]).fails(1);
    // The reference does it, and the data is gone from the array.
    reference(&["-q", "/dev/md7", "--fail", "/dev/ram0"]).ok();
    let explained = mdctl(&["explain", "/dev/md7"]).ok().stdout;
    assert!(explained.contains("is only on it") && !explained.contains("--remove"), "{explained}");
    // The resync sleeps for its limit of speed, and has the member until it wakes up.
    guest::until("the failed member is let go", || {
        sh("grep -q none /sys/block/md7/md/dev-ram0/slot").status == 0
    });
    // It still stands there: taken back in its place, it would be copied over.
    for word in ["/dev/ram0", "failed"] {
        let said = ours(&["/dev/md7", "--re-add", word]).fails(1);
        assert!(said.stderr.contains("before a resync was finished"), "{word}: {said}");
    }
    ours(&["-q", "/dev/md7", "--remove", "/dev/ram0"]).ok();
    for words in [&["manage", "/dev/md7", "--add", "/dev/ram0"][..], &["--zero-superblock", "/dev/ram0"]] {
        let said = mdctl(words).fails(1);
        assert!(said.stderr.contains("before a resync was finished"), "{said}");
    }
    mdctl(&["stop", "/dev/md7"]).ok();
    // As explain has said.
    mdctl(&["assemble", "--run", "/dev/md7", "/dev/ram0"]).ok();
    sh("fsck.ext4 -fn /dev/md7").ok();
    mdctl(&["stop", "/dev/md7"]).ok();
    quickly();
}

fn only_copy_of_parity() {
    let _disks = Disks::new(3, 24 << 10);
    sh("for d in 0 1 2; do dd if=/dev/urandom of=/dev/ram$d bs=1M count=24; done").ok();
    slowly();
    create("-l5 -n3 -f --bitmap=none", 3);
    let before = sh("sha256sum < /dev/md7").ok().stdout;
    for device in ["/dev/ram0", "/dev/ram1", "/dev/ram2"] {
        ours(&["/dev/md7", "--fail", device]).fails(1);
    }
    reference(&["-q", "/dev/md7", "--fail", "/dev/ram1"]).ok();
    let explained = mdctl(&["explain", "/dev/md7"]).ok().stdout;
    assert!(explained.contains("cannot be made from the others"), "{explained}");
    assert!(!explained.contains("--remove"), "{explained}");
    mdctl(&["stop", "/dev/md7"]).ok();
    quickly();
    // As explain has said.
    let commands: Vec<&str> = explained.split('`').skip(1).step_by(2).collect();
    let [create, repair] = commands[..] else { panic!("{explained}") };
    sh(create).ok();
    assert_eq!(sh("sha256sum < /dev/md7").ok().stdout, before);
    sh(repair).ok();
    guest::wait_idle();
    // For a moment longer the kernel is busy with the end of the repair.
    guest::until("a check begins", || ours(&["--misc", "--action=check", "/dev/md7"]).status == 0);
    guest::wait_idle();
    assert_eq!(sh("cat /sys/block/md7/md/mismatch_cnt").ok().stdout.trim(), "0");
    assert_eq!(sh("sha256sum < /dev/md7").ok().stdout, before);
    mdctl(&["stop", "/dev/md7"]).ok();
}

/// The last member fails while another is being filled: nothing to rebuild from, and nobody is to be taken out.
fn failed_in_mid_rebuild() {
    let _disks = Disks::new(3, 24 << 10);
    create("-l5 -n3 --assume-clean --bitmap=none", 3);
    reference(&["-q", "/dev/md7", "--fail", "/dev/ram0", "--remove", "/dev/ram0"]).ok();
    slowly();
    reference(&["-q", "/dev/md7", "--add", "/dev/ram0"]).ok();
    let _ = ours(&["/dev/md7", "--fail", "--force", "/dev/ram1"]);
    let explained = mdctl(&["explain", "/dev/md7"]).ok().stdout;
    assert!(!explained.contains("waits as a spare") && !explained.contains("--remove"), "{explained}");
    assert!(explained.contains("next:\n    mdctl stop /dev/md7\n"), "{explained}");
    let said = ours(&["/dev/md7", "--remove", "/dev/ram1"]).fails(1);
    assert!(said.stderr.contains("bring it back"), "{said}");
    mdctl(&["stop", "/dev/md7"]).ok();
    quickly();
}

fn copy_of_a_member() {
    let _disks = Disks::new(3, 24 << 10);
    create("-l1 -n2 --assume-clean", 2);
    reference(&["-q", "-S", "/dev/md7"]).ok();
    sh("dd if=/dev/ram1 of=/dev/ram2 bs=1M").ok();
    let said = mdctl(&["assemble", "/dev/md7", "/dev/ram0", "/dev/ram1", "/dev/ram2"]).ok();
    assert!(said.stderr.contains("it is a copy of"), "{said}");
    let copy = if guest::mdstat().contains("ram2[") { "/dev/ram1" } else { "/dev/ram2" };
    for words in [["--add", copy], ["--add-spare", copy]] {
        let said = ours(&[&["/dev/md7"][..], &words].concat()).fails(1);
        assert!(said.stderr.contains("is a copy of"), "{said}");
    }
    let explained = mdctl(&["explain", "/dev/md7"]).ok().stdout;
    assert!(explained.contains("a copy of") && !explained.contains("can become a spare"), "{explained}");
    mdctl(&["stop", "/dev/md7"]).ok();
}

/// Writes 8 MiB over the array, lets it become clean, and gives their sum.
fn fill(seed: &str) -> String {
    sh(&format!(
        "yes {seed} | dd of=/dev/md7 bs=1M count=8 iflag=fullblock oflag=direct status=none; sync; sleep 1.2"
    ))
    .ok();
    sum()
}

fn sum() -> String {
    sh("dd if=/dev/md7 bs=1M count=8 iflag=direct status=none | sha256sum").ok().stdout
}

fn stop() {
    mdctl(&["stop", "/dev/md7"]).ok();
}

/// Copies one member on to the last disk while the array is idle; the array goes on.
fn copied(shape: &str, count: usize, slot: usize) -> String {
    create(&format!("{shape} --assume-clean"), count);
    fill("old");
    sh(&format!("dd if=/dev/ram{slot} of=/dev/ram{count} bs=1M iflag=direct oflag=direct status=none; sync"))
        .ok();
    let sum = fill("new");
    stop();
    sum
}

/// Has the event count of the member and its old data.
fn stale_copy(shape: &str, count: usize, slots: &[usize]) {
    for slot in slots {
        let _disks = Disks::new(count + 1, 24 << 10);
        let right = copied(shape, count, *slot);
        let explained = mdctl(&["explain"]).stdout;
        assert!(explained.contains(&format!("/dev/ram{count}: a copy of /dev/ram{slot}")), "{explained}");
        let mut devices: Vec<usize> = (0..=count).collect();
        for _ in 0..2 {
            devices.reverse();
            let said = mdctl(&refs(&with(&["assemble", "/dev/md7"], &paths(&devices)))).ok();
            let told = format!("ignoring /dev/ram{count} as it is a copy of /dev/ram{slot}");
            assert!(said.stderr.contains(&told), "{said}");
            assert!(!guest::mdstat().contains(&format!("ram{count}[")), "{said}");
            assert_eq!(sum(), right);
            stop();
        }
        let said = mdctl(&["assemble", "--scan"]).ok();
        assert!(said.stderr.contains("as it is a copy of"), "{said}");
        assert!(!guest::mdstat().contains(&format!("ram{count}[")), "{said}");
        mdctl(&["stop", "--scan"]).ok();
    }
}

/// Before the member and after it.
fn stale_copy_incremental() {
    for order in [[0, 3, 2, 1], [3, 0, 2, 1], [0, 1, 3, 2], [1, 3, 0, 2], [3, 1, 0, 2]] {
        let _disks = Disks::new(4, 24 << 10);
        let right = copied("-l5 -n3", 3, 1);
        for disk in order {
            ours(&["-I", &format!("/dev/ram{disk}")]);
        }
        let mdstat = guest::mdstat();
        assert!(!mdstat.contains("ram3["), "{order:?}: {mdstat}");
        assert!(mdstat.contains("[UUU]"), "{order:?}: {mdstat}");
        let md = mdstat.lines().find_map(|line| line.split(' ').next().filter(|word| word.starts_with("md")));
        let md = md.expect("it runs").to_owned();
        let read = sh(&format!("dd if=/dev/{md} bs=1M count=8 iflag=direct status=none | sha256sum"));
        assert_eq!(read.ok().stdout, right, "{order:?}");
        mdctl(&["stop", "--scan"]).ok();
    }
}

fn larger_blocks_are_noticed() {
    let _disks = Disks::new(1, 24 << 10);
    let disk = guest::loop_disk("grown", 24 << 20);
    reference(&["-q", "-C", "/dev/md7", "-R", "-l1", "-n2", "--assume-clean", "/dev/ram0", &disk]).ok();
    reference(&["-q", "-S", "/dev/md7"]).ok();
    sh(&format!("losetup -d {disk}")).ok();
    let disk = sh("losetup -f --show -b 4096 /tmp/grown.img").ok().stdout.trim().to_owned();
    guest::settle();
    let said = mdctl(&["assemble", "/dev/md7", "/dev/ram0", &disk]).ok();
    assert!(said.stderr.contains(&format!("{disk} has logical blocks of 4096 bytes")), "{said}");
    let explained = mdctl(&["explain"]).ok().stdout;
    assert!(explained.contains(&format!("{disk}: has logical blocks of 4096 bytes")), "{explained}");
    mdctl(&["stop", "/dev/md7"]).ok();
}
