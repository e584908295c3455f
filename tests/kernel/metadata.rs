//! LVM2's metadata by both programs: what the one writes the other reads; locks, damage, power cuts.

#![expect(clippy::disallowed_methods, reason = "a test looks at LVM2's files")]

use std::fs;

use superblock::lvm::{area, label};

use crate::guest::{self, Case, Disks, mdctl, run, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("what_lvm_writes_we_read_and_keep", what_lvm_writes_we_read_and_keep),
        Case::new("what_we_write_lvm_takes", what_we_write_lvm_takes).on_loops(),
        Case::new("damaged_areas", damaged_areas).on_loops(),
        Case::new("a_text_that_does_not_fit", a_text_that_does_not_fit).on_loops(),
        Case::new("what_is_missing_or_there_twice", what_is_missing_or_there_twice).on_loops(),
        Case::new("members_are_never_physical_volumes", members_are_never_physical_volumes),
        Case::new("blocks_of_4096_bytes", blocks_of_4096_bytes).on_loops(),
        Case::new("bytes_of_any_kind", bytes_of_any_kind).on_loops(),
        Case::new("locks_are_waited_for", locks_are_waited_for).on_loops(),
        Case::new("two_hundred_commands_at_once", two_hundred_commands_at_once).extra().on_loops(),
    ]
}

/// LVM2's own files of the case before are gone; volumes are only metadata here.
pub(crate) fn fresh() {
    let dir = guest::lvm_dir();
    sh(&format!("rm -rf {dir}/archive {dir}/backup {dir}/devices {dir}/lvmlocal.conf /run/lvm/hints")).ok();
    if guest::in_guest() {
        sh("modprobe dm_mod").ok();
    }
}

pub(crate) const PLAIN: &str = "-q -an -Zn -Wn";

fn group(disks: &Disks, name: &str) {
    let devices = disks.all().join(" ");
    sh(&format!("vgcreate -q {name} {devices}")).ok();
}

/// What both have to say about a group that is well.
pub(crate) fn sound(name: &str) {
    let check = mdctl(&["volume", "check", name]).ok();
    assert!(check.stdout.starts_with(&format!("group {name}: sound")), "{check}");
    assert!(!check.stdout.contains("read-only:") && !check.stdout.contains("remark:"), "{check}");
    let theirs = run(&["vgck", name]).ok();
    assert_eq!(theirs.stderr, "", "{theirs}");
}

pub(crate) fn seqno(name: &str) -> u32 {
    run(&["vgs", "--noheadings", "-o", "seqno", name]).ok().stdout.trim().parse().expect("a number")
}

pub(crate) fn volumes(name: &str) -> String {
    let shown =
        run(&["lvs", "--noheadings", "-a", "-o", "name,uuid,size,origin,stripes,devices,tags", name]).ok();
    shown.stdout
}

/// A text without what differs between two files of the same state.
pub(crate) fn body(text: &str) -> String {
    let own = ["# Generated", "description", "creation_host = \"guest\"\t#", "creation_time ="];
    let from = text.find(" {\n").expect("a group");
    let lines = text[from..].lines().filter(|line| !own.iter().any(|own| line.starts_with(own)));
    lines.collect::<Vec<_>>().join("\n")
}

fn what_lvm_writes_we_read_and_keep() {
    fresh();
    let disks = Disks::new(3, 16384);
    group(&disks, "vg");
    sh(&format!(
        "lvcreate {PLAIN} -l2 -n data vg; lvcreate {PLAIN} -i3 -l3 -n str --addtag a/b --addtag 'c=1&d' vg
         lvcreate {PLAIN} -l1 -n ro -p r vg; lvcreate {PLAIN} -l1 -n skip -ky vg; lvcreate {PLAIN} -l1 -n pool0 -C y vg
         lvchange -q -ay vg/data; lvcreate -q -s -l1 -n snap vg/data; vgchange -q -an vg
         vgchange -q --addtag g vg; pvchange -q -x n {}; lvextend -q -l+1 vg/data 2>&1 || :; lvrename -q vg ro now",
        disks.path(2)
    ))
    .ok();
    sound("vg");
    mdctl(&["volume", "backup", "vg", "--file", "/tmp/ours.vg"]).ok();
    sh("vgcfgbackup -q -f /tmp/theirs.vg vg").ok();
    let [ours, theirs] =
        ["/tmp/ours.vg", "/tmp/theirs.vg"].map(|path| fs::read_to_string(path).expect("a file"));
    guest::same_text(&body(&theirs), &body(&ours));
    let before = volumes("vg");
    sh("vgcfgrestore -q -f /tmp/ours.vg vg").ok();
    assert_eq!(volumes("vg"), before, "lvm restores what we kept");
    // A kind that we only read: word for word, and refused with the reason.
    sh(&format!("lvcreate {PLAIN} --type zero -l1 -n z vg")).ok();
    let check = mdctl(&["volume", "check", "vg"]).ok();
    assert!(check.stdout.contains("read-only: vg/logical_volumes/z/segment1 is of kind \"zero\""), "{check}");
    mdctl(&["volume", "backup", "vg", "--file", "/tmp/ours.vg"]).ok();
    let before = volumes("vg");
    let number = seqno("vg");
    let refused = mdctl(&["volume", "restore", "vg", "--at", "3", "-y"]).fails(1);
    assert!(refused.stderr.contains("group vg can only be read: "), "{refused}");
    assert_eq!(seqno("vg"), number);
    sh("vgcfgrestore -q -f /tmp/ours.vg vg").ok();
    assert_eq!(volumes("vg"), before, "nothing of what we do not know was lost");
    sh("vgremove -q -f vg").ok();
}

fn what_we_write_lvm_takes() {
    fresh();
    let disks = Disks::new(2, 16384);
    group(&disks, "vg");
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        sh(&format!("lvcreate {PLAIN} -l1 -n {name} vg")).ok();
        assert_eq!(usize::try_from(seqno("vg")), Ok(number + 2));
    }
    let list = mdctl(&["volume", "restore", "--list", "vg"]).ok();
    let changes = |text: &str| text.lines().filter(|line| line.starts_with("change ")).count();
    assert_eq!(changes(&list.stdout), 4, "{list}");
    let dry = mdctl(&["volume", "restore", "vg", "--at", "2", "--dry-run"]).ok();
    assert!(dry.stdout.contains("make change 5 of vg valid"), "{dry}");
    assert_eq!(seqno("vg"), 4, "nothing was done");
    let refused = mdctl(&["volume", "restore", "vg", "--at", "2"]).fails(1);
    assert!(refused.stderr.contains("will be gone: b, c"), "{refused}");
    for round in 0..3 {
        let before = seqno("vg");
        mdctl(&["volume", "restore", "vg", "--at", "3", "-y"]).ok();
        assert_eq!(seqno("vg"), before + 1);
        let names = run(&["lvs", "--noheadings", "-o", "name", "vg"]).ok().stdout;
        assert_eq!(names.split_whitespace().collect::<Vec<_>>(), ["a", "b"]);
        sound("vg");
        sh(&format!("lvcreate {PLAIN} -l1 -n more{round} vg; lvremove -q -y vg/a; vgck vg")).ok();
    }
    // The files are LVM2's own.
    sh("vgcfgrestore -q -l vg | grep -q 'Created .before. executing .mdctl volume restore vg --at 3'").ok();
    mdctl(&["volume", "restore", "vg", "--at", "3", "-y"]).ok();
    sh("vgcfgrestore -q vg").ok();
    for disk in disks.all() {
        let dump = run(&["pvck", "--dump", "headers", disk]).ok();
        assert!(!format!("{dump}").to_lowercase().contains("incorrect"), "{dump}");
        sh(&format!("pvck --dump metadata {disk} | grep -q 'seqno = {}'", seqno("vg"))).ok();
    }
    // Nobody has the group any more, its devices are there.
    let state = fs::read(format!("{}/backup/vg", guest::lvm_dir())).expect("a backup");
    sh("vgremove -q -f vg").ok();
    fs::write("/tmp/gone.vg", state).expect("/tmp takes a file");
    mdctl(&["volume", "restore", "vg", "--file", "/tmp/gone.vg", "-y"]).ok();
    let names = run(&["lvs", "--noheadings", "-o", "name", "vg"]).ok().stdout;
    assert_eq!(names.split_whitespace().collect::<Vec<_>>(), ["a", "b"]);
    sh("vgremove -q -f vg").ok();
}

fn damaged_areas() {
    fresh();
    let disks = Disks::new(2, 16384);
    group(&disks, "vg");
    sh(&format!("lvcreate {PLAIN} -l1 -n a vg; lvcreate {PLAIN} -l1 -n b vg")).ok();
    let header = disks.read(0, 4096, 512);
    // A header: the other area has the group, and the next change writes this one anew.
    disks.write(0, 4096 + 100, b"damage");
    let check = mdctl(&["volume", "check", "vg"]).fails(1);
    let said = format!("problem: {}: LVM2 metadata area metadata at sector 8: checksum is", disks.path(0));
    assert!(check.stdout.contains(&said), "{check}");
    assert!(check.stdout.contains("the next change writes it again"), "{check}");
    mdctl(&["volume", "restore", "vg", "--at", "2", "-y"]).ok();
    sound("vg");
    sh("lvs vg/a 2>/dev/null && ! lvs vg/b 2>/dev/null").ok();
    // The old header comes back: it lags behind, and the next change puts it right.
    disks.write(0, 4096, &header);
    let check = mdctl(&["volume", "check", "vg"]).ok();
    assert!(check.stdout.contains("has an older state; the next change puts it right"), "{check}");
    mdctl(&["volume", "restore", "vg", "--at", "2", "-y"]).ok();
    sound("vg");
    // A text: its area is written all the same.
    let image: Vec<u8> = disks.read(1, 0, 2 << 20);
    let label = label::read(&image).expect("sound").expect("a label");
    let slot = area::read(&image, label.metadata[0]).expect("sound").committed.expect("a text");
    disks.write(1, 4096 + slot.offset + 20, b"damage");
    let check = mdctl(&["volume", "check", "vg"]).fails(1);
    assert!(check.stdout.contains("LVM2 metadata text metadata at sector"), "{check}");
    mdctl(&["volume", "restore", "vg", "--at", "2", "-y"]).ok();
    sound("vg");
    sh("vgremove -q -f vg").ok();
}

fn a_text_that_does_not_fit() {
    fresh();
    let disks = Disks::new(1, 16384);
    group(&disks, "vg");
    let text = fs::read_to_string(format!("{}/backup/vg", guest::lvm_dir())).expect("a backup");
    let with_tags = |bytes: usize| {
        let tags: Vec<String> = (0..bytes / 1004).map(|nth| format!("\"{nth:01000}\"")).collect();
        let text = text.replace(
            "\tflags = []\n\textent",
            &format!("\tflags = []\n\ttags = [{}]\n\textent", tags.join(", ")),
        );
        fs::write("/tmp/large.vg", text).expect("/tmp takes a file");
    };
    let restore = ["volume", "restore", "vg", "--file", "/tmp/large.vg", "-y"];
    with_tags(400 << 10);
    let near = mdctl(&restore).ok();
    assert!(
        near.stderr
            .contains(&format!("% of what the area on {} takes; it cannot be enlarged later", disks.path(0))),
        "{near}"
    );
    sound_but_nearly_full();
    let number = seqno("vg");
    with_tags(540 << 10);
    let refused = mdctl(&restore).fails(1);
    assert!(
        refused.stderr.contains("a metadata area of 1044480 bytes takes texts of at most 521"),
        "{refused}"
    );
    let theirs = sh("vgcfgrestore -q -f /tmp/large.vg vg");
    assert_ne!(theirs.status, 0, "lvm: {theirs}");
    assert_eq!(seqno("vg"), number);
    // Texts go round the ring.
    for _ in 0..3 {
        with_tags(400 << 10);
        mdctl(&restore).ok();
        sh("vgck vg && vgchange -q --addtag x vg && vgchange -q --deltag x vg").ok();
    }
    assert_eq!(seqno("vg"), number + 9);
    sh("vgremove -q -f vg").ok();
}

fn sound_but_nearly_full() {
    let check = mdctl(&["volume", "check", "vg"]).ok();
    assert!(check.stdout.contains("% full and cannot be enlarged"), "{check}");
    sh("vgck vg").ok();
}

fn what_is_missing_or_there_twice() {
    fresh();
    let disks = Disks::new(4, 8192);
    sh(&format!("vgcreate -q vg {} {}; lvcreate {PLAIN} -i2 -l2 -n a vg", disks.path(0), disks.path(1))).ok();
    // A copy of the second.
    disks.write(2, 0, &disks.read(1, 0, 2 << 20));
    let check = mdctl(&["volume", "check"]).fails(1);
    assert!(check.stdout.contains("has the same physical volume"), "{check}");
    assert!(
        check.stdout.contains("is on two devices, ") && check.stdout.contains("take the others away"),
        "{check}"
    );
    disks.write(2, 0, &vec![0; 2 << 20]);
    sound("vg");
    // The second is not there.
    let label = disks.read(1, 0, 2048);
    disks.write(1, 0, &[0; 2048]);
    let check = mdctl(&["volume", "check", "vg"]).fails(1);
    assert!(check.stdout.contains("pv1") && check.stdout.contains("mdctl volume restore vg"), "{check}");
    // Its label can be written again; nobody agrees to that here.
    let asked = mdctl(&["volume", "restore", "vg", "--at", "1"]).fails(1);
    assert!(asked.stderr.contains("has no label: label and metadata area of physical volume"), "{asked}");
    disks.write(1, 0, &label);
    sound("vg");
    sh("vgremove -q -f vg").ok();
}

fn members_are_never_physical_volumes() {
    fresh();
    let disks = Disks::new(2, 16384);
    for metadata in ["0.90", "1.0", "1.2"] {
        guest::reference(&[
            "-C",
            "/dev/md0",
            "--run",
            "-l1",
            "-n2",
            "-e",
            metadata,
            "--assume-clean",
            disks.path(0),
            disks.path(1),
        ])
        .ok();
        guest::settle();
        sh("wipefs -q -a /dev/md0; vgcreate -q vg /dev/md0").ok();
        sound("vg");
        let check = mdctl(&["volume", "check"]);
        assert!(check.stdout.contains("/dev/md0: physical volume"), "{check}");
        guest::reference(&["-S", "/dev/md0"]).ok();
        let check = mdctl(&["volume", "check"]);
        assert!(!check.stdout.contains("group vg"), "{metadata}: {check}");
        if metadata != "1.2" {
            let said = format!("problem: {} is a member of an md array (metadata {metadata})", disks.path(1));
            assert!(check.stdout.contains(&said), "{check}");
        }
        disks.wipe();
    }
}

fn blocks_of_4096_bytes() {
    fresh();
    let disk = guest::disk_4k(32);
    assert_eq!(run(&["blockdev", "--getss", &disk]).ok().stdout.trim(), "4096");
    sh(&format!("vgcreate -q vg {disk}; lvcreate {PLAIN} -l1 -n a vg; lvcreate {PLAIN} -l1 -n b vg")).ok();
    mdctl(&["volume", "restore", "vg", "--at", "2", "-y"]).ok();
    sound("vg");
    sh(&format!("lvcreate {PLAIN} -l1 -n c vg")).ok();
    mdctl(&["volume", "restore", "vg", "--at", "2", "-y"]).ok();
    sound("vg");
    sh(&format!("vgremove -q -f vg; pvremove -q {disk}")).ok();
    for words in
        ["group create vg DISK", "create vg/a 2extents --inactive", "resize vg/a +1extents", "remove vg/a -y"]
    {
        let words = words.replace("DISK", &disk);
        mdctl(&[&["volume"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok();
        sound("vg");
    }
    sh("vgremove -q -f vg").ok();
}

fn bytes_of_any_kind() {
    fresh();
    let disks = Disks::new(1, 8192);
    group(&disks, "vg");
    let good: Vec<u8> = disks.read(0, 0, 64 << 10);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for place in [512u64, 544, 4096, 4136, 4608, 5120] {
        for _ in 0..2 {
            let junk: Vec<u8> = (0..24).map(|_| next().to_le_bytes()[0]).collect();
            disks.write(0, place + next() % 128, &junk);
            let check = mdctl(&["volume", "check"]);
            assert!(check.status <= 1 && !check.stderr.contains("panicked"), "{check}");
            assert!(check.stdout.chars().all(|c| c == '\n' || !c.is_control()), "{check}");
            disks.write(0, 0, &good);
        }
    }
    sound("vg");
    sh("vgremove -q -f vg").ok();
}

fn locks_are_waited_for() {
    fresh();
    let disks = Disks::new(1, 16384);
    group(&disks, "vg");
    sh(&format!("lvcreate {PLAIN} -l1 -n a vg")).ok();
    // Somebody has the group: we wait for him.
    sh("mkdir -p /run/lock/lvm; rm -f /tmp/locked /tmp/free; (flock -x 9; touch /tmp/locked; sleep 1; touch /tmp/free) \
        9>/run/lock/lvm/V_vg & while ! [ -e /tmp/locked ]; do :; done; mdctl volume restore vg --at 1 -y && [ -e /tmp/free ]").ok();
    sound("vg");
    // What lvm does while we do something else: each change is there.
    let text = fs::read_to_string(format!("{}/backup/vg", guest::lvm_dir())).expect("a backup");
    fs::write("/tmp/a.vg", text).expect("/tmp takes a file");
    let before = seqno("vg");
    sh("(for n in 1 2 3 4 5 6; do vgchange -q --addtag t$n vg || exit 1; done) & a=$!
        (for n in 1 2 3 4 5 6; do mdctl volume restore vg --file /tmp/a.vg -y 2>/tmp/err || exit 1; done) & b=$!
        wait $a && wait $b || { cat /tmp/err >&2; exit 1; }").ok();
    assert_eq!(seqno("vg"), before + 12, "every change was counted once");
    assert_eq!(sh("ls /run/lock/lvm").ok().stdout, "", "no lock is left");
    sound("vg");
    sh("vgremove -q -f vg").ok();
}

fn two_hundred_commands_at_once() {
    fresh();
    let disks = Disks::new(2, 65536);
    sh(&format!("vgcreate -q -s 64k vg {}", disks.all().join(" "))).ok();
    sh(&format!(
        "(for n in $(seq 100); do mdctl volume create vg/o$n 1extents --inactive || exit 1; done) >/tmp/ours 2>&1 & a=$!
         (for n in $(seq 100); do lvcreate {PLAIN} -l1 -n t$n vg || exit 1; done) >/tmp/theirs 2>&1 & b=$!
         wait $a && wait $b || {{ tail -n3 /tmp/ours /tmp/theirs >&2; exit 1; }}"
    ))
    .ok();
    assert_eq!(run(&["lvs", "--noheadings", "vg"]).ok().stdout.lines().count(), 200);
    assert_eq!(seqno("vg"), 201, "every change was counted once");
    sound("vg");
    sh("vgremove -q -f vg").ok();
}
