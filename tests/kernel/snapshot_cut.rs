//! Power cuts while snapshots are made, enlarged, rolled back and removed: what is on the disk after any of the writes is a group
//! with the old state or the new one, and it can be activated with the data that belongs to it.

use superblock::lvm::{Group, area, label};

use crate::{
    guest::{Case, Disks, sh, until},
    powercut::{Logged, read_log},
    snapshot::{script, volume},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("around_every_commit", || cut(false)).needs("dm-log-writes"),
        Case::new("after_every_write", || cut(true)).needs("dm-log-writes").extra(),
    ]
}

/// Of each disk; the log has all that is written.
const KIB: u64 = 32 << 10;

/// What is done, each under a mark.
const ACTS: [(&str, &str); 6] = [
    ("snapshot", "volume snapshot vg/data snap --size 4M"),
    ("extend", "volume resize vg/snap 8M"),
    ("write", ""),
    ("rollback", "volume rollback vg/snap --wait"),
    ("again", "volume snapshot vg/data snap --size 4M"),
    ("remove", "volume remove -y vg/snap"),
];

const OLD: &str = "head -c 2M /dev/zero | tr '\\0' A";
const NEW: &str = "head -c 2M /dev/zero | tr '\\0' B";

/// The number of the change that a disk has, as anybody reads it.
fn number_on(image: &[u8]) -> u32 {
    let image = &image[..2 << 20].to_vec();
    let label = label::read(image).expect("a sound label").expect("a label");
    let area = area::read(image, label.metadata[0]).expect("a sound header");
    let text = area::text(image, &area, area.committed.expect("a committed text")).expect("a sound text");
    Group::parse(&text).expect("a group").seqno
}

fn sum(of: &str) -> String {
    script(&format!("dd if=/dev/vg/{of} bs=64k count=32 iflag=direct status=none | md5sum"))
}

/// The log of all that is written by the acts, and the disk before.
fn recorded(disks: &Disks) -> (Vec<u8>, Vec<Logged>) {
    let log = format!("0 {} log-writes {} {}", KIB * 2, disks.path(0), disks.path(1));
    script(&format!(
        "modprobe dm_log_writes; modprobe dm_snapshot; dmsetup create lw --table '{log}'; udevadm settle; \
         mdctl volume group create vg /dev/mapper/lw; mdctl volume create vg/data 4M; \
         {OLD} | dd of=/dev/vg/data bs=64k oflag=direct iflag=fullblock status=none; sync /dev/mapper/lw; \
         dmsetup message lw 0 mark start"
    ));
    let size = usize::try_from(KIB << 10).expect("a size");
    let before = disks.read(0, 0, size);
    for (mark, words) in ACTS {
        script(&format!("dmsetup message lw 0 mark {mark}"));
        if words.is_empty() {
            script(&format!(
                "{NEW} | dd of=/dev/vg/data bs=64k oflag=direct iflag=fullblock conv=notrunc status=none; sync /dev/mapper/lw"
            ));
        } else {
            script(&format!("mdctl {words}"));
        }
    }
    script(
        "dmsetup message lw 0 mark end; mdctl volume deactivate vg; udevadm settle; dmsetup remove --retry lw",
    );
    (before, read_log(disks.path(1)))
}

/// Activates what a disk has, and looks at the data. `act`: what was under way.
fn activated(act: &str, [old, new]: &[String; 2], what: &str) {
    let done = volume("activate vg");
    assert!(done.status == 0, "{what}: {done}");
    let suspended = sh("dmsetup info -c --noheadings -o suspended | grep -i suspended").stdout;
    assert_eq!(suspended, "", "{what}");
    let snapshot = sh("lvs --noheadings -o lv_merging,attr vg/snap").stdout;
    let merging =
        snapshot.contains("merging") || sh("dmsetup table vg-data").stdout.contains("snapshot-merge");
    let data = sum("data");
    match act {
        "start" | "snapshot" | "extend" => assert_eq!(data, *old, "{what}"),
        "rollback" if merging || snapshot.is_empty() => assert_eq!(data, *old, "{what}: rolled back"),
        "rollback" => assert_eq!(data, *new, "{what}: not yet rolled back"),
        "again" | "remove" | "end" => assert_eq!(data, *old, "{what}"),
        _ => {}
    }
    if !snapshot.is_empty() && !merging {
        assert_eq!(sum("snap"), *old, "{what}: the snapshot");
    }
    sh("pkill -x mdctl-follow");
    until("nobody follows", || sh("pgrep -x mdctl-follow").status != 0);
    script("mdctl volume deactivate vg; udevadm settle");
}

fn cut(everywhere: bool) {
    sh("dmsetup remove_all --retry; rm -rf /etc/lvm/archive /etc/lvm/backup /etc/lvm/devices /run/lvm/* /run/mdctl").ok();
    let disks = Disks::new(2, KIB);
    let (mut image, log) = recorded(&disks);
    let from = log.iter().position(|entry| entry.mark.as_deref() == Some("start")).expect("the first mark");
    // Nothing else has the label.
    disks.wipe();
    let (mut act, mut last) = ("start".to_owned(), number_on(&image));
    let first = last;
    let sums = [OLD, NEW].map(|data| script(&format!("{data} | md5sum")));
    let mut tried = 0;
    let mut before = image.clone();
    let mut dirty = false;
    for (nth, entry) in log.iter().enumerate().skip(from) {
        if let Some(mark) = &entry.mark {
            act.clone_from(mark);
        }
        if entry.data.is_empty() {
            continue;
        }
        before.copy_from_slice(&image);
        let at = usize::try_from(entry.sector * 512).expect("an offset");
        image[at..][..entry.data.len()].copy_from_slice(&entry.data);
        let number = number_on(&image);
        assert!(number == last || number == last + 1, "{act}, write {nth}: change {number} after {last}");
        let what = format!("{act}, write {nth} at sector {}, change {number}", entry.sector);
        let commit = number != last;
        last = number;
        if everywhere || commit {
            if commit && dirty {
                disks.write(0, 0, &before);
                activated(&act, &sums, &format!("before {what}"));
                tried += 1;
            }
            disks.write(0, 0, &image);
            activated(&act, &sums, &format!("after {what}"));
            tried += 1;
            dirty = false;
        } else {
            dirty = true;
        }
    }
    // A snapshot, its extension, the rollback's begin and end, another snapshot, its removal.
    assert_eq!(last, first + 6, "all changes are in the log");
    assert!(tried >= 10, "activated {tried} times");
    disks.wipe();
}
