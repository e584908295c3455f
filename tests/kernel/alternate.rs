//! One group's metadata by both programs in turn, volumes being metadata only; also on a machine without device-mapper.

#![expect(clippy::disallowed_methods, reason = "a test writes its input")]

use std::fs;

use crate::{
    guest::{Case, Disks, Output, lvm_dir, mdctl, run, same_text, sh},
    metadata::{PLAIN, body, fresh, seqno, sound, volumes},
};

/// The guest does the same with active volumes.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("each_takes_what_the_other_made", each_takes_what_the_other_made).extra().on_loops(),
        Case::new("seventy_two_in_turn", seventy_two_in_turn).extra().on_loops(),
        Case::new("backup_and_restore_both_ways", backup_and_restore_both_ways).extra().on_loops(),
        Case::new("no_room_for_the_text", no_room_for_the_text).extra().on_loops(),
        Case::new("one_name_at_one_time", one_name_at_one_time).extra().on_loops(),
        Case::new("an_old_text_has_a_name", an_old_text_has_a_name).extra().on_loops(),
        Case::new("filters_and_the_devices_file", filters_and_the_devices_file).extra().on_loops(),
    ]
}

fn volume(words: &str) -> Output {
    let words: Vec<&str> = std::iter::once("volume").chain(words.split_whitespace()).collect();
    mdctl(&words)
}

fn lvm(words: &str) -> Output {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&words)
}

fn names(group: &str) -> String {
    let shown = lvm(&format!("lvs --noheadings -o lv_name -O lv_name {group}")).ok().stdout;
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn each_takes_what_the_other_made() {
    fresh();
    let disks = Disks::new(3, 32768);
    let [a, b, c] = [0, 1, 2].map(|n| disks.path(n));
    // Ours, and lvm2 goes on.
    volume(&format!("group create ours {a} {b} --extent 1M")).ok();
    for words in ["ours/lin 4M", "ours/wide 4M --stripes 2", "ours/ro 1M --read-only"] {
        volume(&format!("create {words} --inactive")).ok();
    }
    volume("snapshot ours/lin snap --size 1M").ok();
    sound("ours");
    sh(&format!(
        "set -e; vgextend -q ours {c}; lvextend -q -l+2 ours/lin; lvreduce -q -f -y -l-2 ours/wide
         lvrename -q ours ro now; lvcreate {PLAIN} -l1 -n theirs ours; lvremove -q -y ours/snap
         vgchange -q --addtag t ours; lvchange -q --addtag v ours/now; vgrename -q ours both"
    ))
    .ok();
    sound("both");
    assert_eq!(names("both"), "lin now theirs wide");
    // lvm2's, and we go on.
    volume("resize both/lin +1M").ok();
    volume("rename both/theirs mine").ok();
    volume("remove -y both/now").ok();
    volume("create both/more 50%FREE --inactive").ok();
    sound("both");
    lvm("vgremove -q -f both").ok();
    sh(&format!(
        "set -e; vgcreate -q -s 1m theirs {a} {b}; lvcreate {PLAIN} -l4 -n lin theirs
         lvcreate {PLAIN} -i2 -l4 -n wide theirs; lvcreate {PLAIN} -l1 -n gone theirs"
    ))
    .ok();
    volume(&format!("group extend theirs {c} -y")).ok();
    volume("resize theirs/lin +2M").ok();
    volume("rename theirs/wide w-2").ok();
    volume("remove -y theirs/gone").ok();
    volume("group rename theirs last").ok();
    assert_eq!(names("last"), "lin w-2");
    sound("last");
    volume(&format!("group reduce last {c}")).ok();
    assert_eq!(lvm(&format!("pvs --noheadings -o pv_name {c}")).status, 5, "nobody's again");
    volume("remove -y last/lin last/w-2").ok();
    volume("group remove last").ok();
    assert_eq!(lvm("vgs --noheadings").ok().stdout, "");
}

fn seventy_two_in_turn() {
    fresh();
    let disks = Disks::new(2, 32768);
    volume(&format!("group create vg {} --extent 64k", disks.all().join(" "))).ok();
    let mut changes = 1;
    let mut step = |output: Output| {
        let output = output.ok();
        changes += 1;
        assert_eq!(seqno("vg"), changes, "{output}");
    };
    for n in 0..12 {
        step(volume(&format!("create vg/a{n} 3extents --inactive")));
        step(lvm(&format!("lvcreate {PLAIN} -l3 -n b{n} vg")));
        step(volume(&format!("resize vg/b{n} +2extents")));
        step(lvm(&format!("lvextend -q -l+2 vg/a{n}")));
        step(volume(&format!("rename vg/b{n} c{n}")));
        step(if n % 2 == 0 {
            lvm(&format!("lvremove -q -y vg/a{n}"))
        } else {
            volume(&format!("remove -y vg/c{n}"))
        });
    }
    sound("vg");
    let left: Vec<String> =
        (0..12).map(|n| format!("{}{n} 320.00k", if n % 2 == 0 { "c" } else { "a" })).collect();
    let shown = lvm("lvs --noheadings --units k -o lv_name,lv_size vg").ok().stdout;
    let mut shown: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    shown.sort_by_key(|line| left.iter().position(|one| one == line));
    assert_eq!(shown, left);
    let theirs = lvm("vgcfgrestore -l vg").ok().stdout;
    assert_eq!(theirs.matches("File:").count(), 74 - 1, "an archive of every change, and the backup");
    lvm("vgremove -q -f vg").ok();
}

fn backup_and_restore_both_ways() {
    fresh();
    let disks = Disks::new(2, 16384);
    sh(&format!(
        "set -e; vgcreate -q vg {}; lvcreate {PLAIN} -l1 -n a vg; lvcreate {PLAIN} -i2 -l2 -n b --addtag x/y vg",
        disks.all().join(" ")
    ))
    .ok();
    let state = volumes("vg");
    volume("backup vg --file /tmp/ours.vg").ok();
    lvm("vgcfgbackup -q -f /tmp/theirs.vg vg").ok();
    let [ours, theirs] =
        ["/tmp/ours.vg", "/tmp/theirs.vg"].map(|path| fs::read_to_string(path).expect("a file"));
    same_text(&body(&theirs), &body(&ours));
    volume("remove -y vg/a").ok();
    lvm("vgcfgrestore -q -f /tmp/ours.vg vg").ok();
    assert_eq!(volumes("vg"), state, "lvm2 from our file");
    lvm("lvremove -q -y vg/b").ok();
    volume("restore vg --file /tmp/theirs.vg -y").ok();
    assert_eq!(volumes("vg"), state, "we from lvm2's file");
    sound("vg");
    // Each from the other's archive.
    let number = seqno("vg");
    lvm("lvremove -q -y vg/b").ok();
    volume(&format!("restore vg --at {number} -y")).ok();
    assert_eq!(names("vg"), "a b");
    volume("remove -y vg/a").ok();
    let newest = sh(&format!("ls {}/archive | sort | tail -n1", lvm_dir())).ok().stdout;
    lvm(&format!("vgcfgrestore -q -f {}/archive/{} vg", lvm_dir(), newest.trim())).ok();
    assert_eq!(volumes("vg"), state);
    sound("vg");
    lvm("vgremove -q -f vg").ok();
}

/// Refused with numbers before a byte is written.
fn no_room_for_the_text() {
    fresh();
    let disks = Disks::new(1, 65536);
    volume(&format!("group create vg {} --extent 4k --metadata-size 1M", disks.path(0))).ok();
    let list = |count: usize| {
        let lines: Vec<String> = (0..count).map(|n| format!("vg/v{n} 1extents\n")).collect();
        fs::write("/tmp/list", lines.concat()).expect("/tmp takes a file");
    };
    list(1000);
    volume("create --from /tmp/list --inactive").ok();
    sound("vg");
    let before = disks.read(0, 0, 64 << 20);
    fs::write("/tmp/list", (1000..3000).map(|n| format!("vg/v{n} 1extents\n")).collect::<String>())
        .expect("a file");
    let refused = volume("create --from /tmp/list --inactive").fails(1);
    assert!(
        refused
            .stderr
            .contains("bytes, and a metadata area of 1044480 bytes takes texts of at most 521472 bytes"),
        "{refused}"
    );
    assert!(disks.read(0, 0, 64 << 20) == before, "nothing was written");
    assert_eq!(seqno("vg"), 2);
    lvm("vgremove -q -f vg").ok();
}

/// Both look at all devices again once they have the lock.
fn one_name_at_one_time() {
    fresh();
    let disks = Disks::new(2, 16384);
    let [a, b] = [0, 1].map(|n| disks.path(n));
    let ours = |group: &str, disk: &str| format!("mdctl volume group create {group} {disk}");
    let theirs = |group: &str, disk: &str| format!("vgcreate -q {group} {disk}");
    let races = [
        (ours("vg", a), ours("vg", b), "there is a group vg already"),
        (ours("vg", a), theirs("vg", b), "there is a group vg already"),
        (ours("va", a), ours("vb", a), "belongs to group v"),
        (ours("va", a), theirs("vb", a), "belongs to group v"),
    ];
    for (first, second, why) in races {
        for _ in 0..4 {
            // All wait for the lock, so that both have looked before.
            let ran = sh(&format!(
                "mkdir -p /run/lock/lvm; rm -f /tmp/held; (flock -x 9; touch /tmp/held; sleep 0.2) 9>/run/lock/lvm/P_global &
                 while ! [ -e /tmp/held ]; do :; done
                 {first} >/tmp/first 2>&1 & a=$!; {second} >/tmp/second 2>&1 & b=$!
                 wait $a; x=$?; wait $b; y=$?; echo $x $y; cat /tmp/first /tmp/second; wait"
            ))
            .ok();
            let groups = lvm("vgs --noheadings -o vg_name").ok();
            assert_eq!(groups.stdout.split_whitespace().count(), 1, "{first}, {second}: {groups}{ran}");
            assert_eq!(groups.stderr, "", "{groups}");
            let lost =
                ran.stdout.lines().next().unwrap_or_default().split(' ').filter(|status| *status != "0");
            assert_eq!(lost.count(), 1, "{ran}");
            if !ran.stdout.starts_with("0 ") || !second.starts_with("vgcreate") {
                // One that comes late finds the other at work.
                let at_work = ran.stdout.contains("is in use by process") && ran.stdout.contains("(mdctl)");
                assert!(ran.stdout.contains(why) || at_work, "{ran}");
            }
            sh("vgremove -q -f $(vgs --noheadings -o vg_name); pvremove -q $(pvs --noheadings -o pv_name)")
                .ok();
        }
    }
}

/// A device that was away while its group got another name has a text with the old one: to lvm2 that is a group.
fn an_old_text_has_a_name() {
    fresh();
    let disks = Disks::new(3, 16384);
    let [a, b, c] = [0, 1, 2].map(|n| disks.path(n));
    volume(&format!("group create vg {a} {b}")).ok();
    let away = disks.read(1, 0, 2 << 20);
    lvm(&format!("vgreduce -q vg {b}")).ok();
    volume("group rename vg vh").ok();
    disks.write(1, 0, &away);
    for words in [format!("group create vg {c}"), "group rename vh vg".to_owned()] {
        let refused = volume(&words).fails(1);
        assert!(refused.stderr.contains(&format!("{b} has an old state of a group vg")), "{refused}");
    }
    // It can be taken once somebody says so.
    volume(&format!("group extend vh {b}")).fails(1);
    volume(&format!("group extend vh {b} -y")).ok();
    volume(&format!("group create vg {c}")).ok();
    sound("vh");
    sound("vg");
    lvm("vgremove -q -f vg vh").ok();
}

fn filters_and_the_devices_file() {
    fresh();
    let disks = Disks::new(2, 16384);
    let [a, b] = [0, 1].map(|n| disks.path(n));
    sh(&format!("set -e; vgcreate -q va {a}; vgcreate -q vb {b}")).ok();
    let groups = || {
        let theirs = lvm("vgs --noheadings -o vg_name").ok().stdout;
        let ours = volume("list --json").ok().stdout;
        let seen = |name: &&str| ours.contains(&format!("\"{name}\""));
        let ours: Vec<&str> = ["va", "vb"].into_iter().filter(seen).collect();
        assert_eq!(theirs.split_whitespace().collect::<Vec<_>>(), ours, "both see the same");
        ours.join(" ")
    };
    assert_eq!(groups(), "va vb");
    let local = |text: &str| {
        fs::write(format!("{}/lvmlocal.conf", lvm_dir()), text).expect("LVM2's directory takes a file");
    };
    local(&format!("devices {{ filter = [ \"r|{b}|\" ] }}\n"));
    assert_eq!(groups(), "va");
    local("devices { use_devicesfile = 1 }\n");
    let listed = lvm(&format!("lvmdevices -y --adddev {a}"));
    assert_eq!(listed.status, 0, "{listed}");
    assert_eq!(groups(), "va");
    // What we add to it lvm2 takes, and what we take out is gone.
    sh(&format!("wipefs -q -a {b}; dd if=/dev/zero of={b} bs=4k count=4 oflag=direct status=none")).ok();
    volume(&format!("group create vb {b}")).ok();
    assert_eq!(groups(), "va vb");
    let check = lvm("lvmdevices --check");
    assert!(check.status == 0 && !check.stderr.contains(b), "{check}");
    volume("group remove vb").ok();
    let text = fs::read_to_string(format!("{}/devices/system.devices", lvm_dir())).expect("the devices file");
    assert!(text.contains(a) && !text.contains(b), "{text}");
    sh("vgremove -q -f va").ok();
    fresh();
}
