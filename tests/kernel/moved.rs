//! Moves of volumes that are striped, or not active: what is written meanwhile is there afterwards, and what somebody else
//! did in between is noticed.

use crate::{
    guest::{Case, Disks, mdctl, sh, until},
    snapshot::{done, nothing_suspended, script, volume},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("striped_while_in_use", striped_while_in_use),
        Case::new("taken_back", taken_back),
        Case::new("asleep", asleep).extra(),
    ]
}

/// What takes a move back is a move; the state in its midst, in which the old extents would be copied over the new ones, is not
/// brought back.
fn taken_back() {
    let disks = disks();
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/a 8M --on /dev/ram0").ok();
    volume("move vg/a /dev/ram0 --wait").ok();
    script(
        "dd if=/dev/urandom of=/dev/vg/a bs=1M count=8 oflag=direct status=none; sha256sum </dev/vg/a >/tmp/sum.img",
    );
    let refused = mdctl(&["undo", "--yes"]).fails(1);
    assert!(
        refused.stderr.contains("this takes it back: mdctl volume move vg/a /dev/ram1 /dev/ram0"),
        "{refused}"
    );
    volume("deactivate vg").ok();
    let refused = volume("restore vg --at 3 --yes --force").fails(1);
    assert!(refused.stderr.contains("vg/a was being moved then"), "{refused}");
    assert!(refused.stderr.contains("--at 2 before it, --at 4 (that of now) after it"), "{refused}");
    volume("activate vg").ok();
    volume("move vg/a /dev/ram1 /dev/ram0 --wait").ok();
    script(
        "sha256sum </dev/vg/a | cmp - /tmp/sum.img; lvs --noheadings -o devices vg/a | grep -q ram0; vgck vg",
    );
    volume("deactivate vg").ok();
    done(disks);
}

const WHOLE: &str = "sync; echo 3 >/proc/sys/vm/drop_caches; [ \"$(find /mnt -type f | sort | xargs cat | md5sum)\" = \"$(cat /tmp/sum.img)\" ]";
const SUM: &str = "sync; find /mnt -type f | sort | xargs cat | md5sum >/tmp/sum.img";

/// One disk, without its first MiB (so that nobody takes it for the same), is behind a device that takes so many milliseconds for
/// a write.
fn slow(disk: usize, milliseconds: u32) {
    script(&format!(
        "modprobe dm_delay; echo \"0 63488 delay /dev/ram{disk} 2048 0 /dev/ram{disk} 2048 {milliseconds}\" >/tmp/slow; \
         if [ -e /dev/mapper/slow ]; then dmsetup load slow /tmp/slow; dmsetup resume slow; else dmsetup create slow /tmp/slow; fi"
    ));
}

fn disks() -> Disks {
    sh("modprobe dm_mod; modprobe dm_snapshot; umount /mnt 2>/dev/null; dmsetup remove_all --retry; \
        rm -rf /etc/lvm/archive /etc/lvm/backup /run/lvm/* /run/mdctl /var/lib/mdctl")
    .ok();
    Disks::new(4, 32 << 10)
}

/// Of each leg the device.
fn legs() -> String {
    let text = script("lvs --noheadings -o devices vg/wide");
    let devices = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    devices.map(|word| word.split('(').next().unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

fn plain() {
    nothing_suspended();
    script(
        "[ $(dmsetup ls | grep -c vg-) = 1 ]; dmsetup table vg-wide | grep -q ' striped 2 '; vgck vg; [ $(lvs --noheadings vg | wc -l) = 1 ]",
    );
}

fn striped_while_in_use() {
    let disks = disks();
    slow(3, 0);
    script(
        "vgcreate -qq -s 1M vg /dev/ram0 /dev/ram1 /dev/ram2 /dev/mapper/slow; lvcreate -qq -y -i2 -I64k -L 16M -n wide vg /dev/ram0 /dev/ram1; \
         lvcreate -qq -y -L 28M -n tmp vg /dev/ram2; lvcreate -qq -y -L 2M -n gap vg /dev/mapper/slow; lvremove -qq -y vg/tmp; \
         mkfs.ext4 -q /dev/vg/wide; mount /dev/vg/wide /mnt; head -c 3M /dev/urandom >/mnt/file; lvremove -qq -y vg/gap",
    );
    script(SUM);
    volume("move vg /dev/ram0 --wait").ok();
    assert_eq!(legs(), "/dev/ram2 /dev/ram1", "not where the other leg is");
    script(WHOLE);
    plain();
    // Written while it is copied, then given up.
    slow(3, 300);
    volume("move vg/wide /dev/ram1 /dev/mapper/slow").ok();
    script(
        "pkill -x mdctl-follow; dmsetup table vg-wide-moving | grep -q mirror; dmsetup table vg-wide | grep -q striped",
    );
    // A command that is killed meanwhile, and the next one, leave the copy alone.
    script(
        "strace -f -qq -o /dev/null -e inject=pwrite64:signal=KILL:when=2 mdctl volume create vg/x 1M || true; \
         mdctl volume create vg/y 1M; [ ! -e /run/mdctl/unfinished ] || [ -z \"$(ls /run/mdctl/unfinished)\" ]; \
         lvremove -qq -y vg/y; lvremove -qq -y vg/x 2>/dev/null || true; dmsetup table vg-wide-moving | grep -q mirror",
    );
    script("head -c 1M /dev/urandom >/mnt/more; sync");
    script(SUM);
    let status = volume("move vg --status").ok().stdout;
    assert!(status.contains("vg/wide: ") && status.contains("copied"), "{status}");
    volume("move vg --abort").ok();
    assert_eq!(legs(), "/dev/ram2 /dev/ram1");
    script(WHOLE);
    plain();
    // lvm2 gives it its table by the metadata: what is written now has no copy, and the copy begins again.
    volume("move vg/wide /dev/ram1 /dev/mapper/slow").ok();
    script("pkill -x mdctl-follow; lvchange --refresh vg/wide; head -c 2M /dev/urandom >/mnt/third; sync");
    script(SUM);
    let status = volume("move vg --status").ok().stdout;
    assert!(status.contains("interrupted"), "{status}");
    slow(3, 0);
    volume("move vg --wait").ok();
    assert_eq!(legs(), "/dev/ram2 /dev/mapper/slow");
    script(WHOLE);
    plain();
    // With a snapshot, and after a restart.
    volume("move vg/wide /dev/mapper/slow /dev/ram1 --wait").ok();
    volume("snapshot vg/wide snap --size 8M --on /dev/ram0").ok();
    slow(3, 300);
    volume("move vg/wide /dev/ram2 /dev/mapper/slow").ok();
    script("umount /mnt");
    volume("deactivate vg").ok();
    assert_eq!(script("dmsetup ls | grep -c vg- || true").trim(), "0");
    let up = volume("activate vg").ok();
    assert!(up.stderr.contains("its move goes on"), "{up}");
    script("mount /dev/vg/wide /mnt");
    slow(3, 0);
    until("nobody follows any more", || sh("pgrep -x mdctl-follow").status != 0);
    assert_eq!(legs(), "/dev/mapper/slow /dev/ram1");
    script(WHOLE);
    script(
        "e2fsck -fn /dev/vg/snap >/dev/null; lvremove -qq -y vg/snap; umount /mnt; e2fsck -fn /dev/vg/wide >/dev/null",
    );
    plain();
    done(disks);
}

/// Active for the copy alone.
fn asleep() {
    let disks = disks();
    slow(1, 0);
    script(
        "vgcreate -qq vg /dev/ram0 /dev/mapper/slow; lvcreate -qq -y -L 8M -n data vg /dev/ram0; \
         head -c 8M /dev/urandom >/dev/vg/data; md5sum </dev/vg/data >/tmp/sum.img; vgchange -qq -an vg",
    );
    let moved = volume("move vg /dev/ram0 --wait").ok();
    assert!(moved.stderr.contains("vg/data is not active"), "{moved}");
    assert_eq!(script("vgck vg; dmsetup ls | grep -c vg- || true").trim(), "0");
    assert_eq!(
        script("lvs --noheadings -o devices,active vg/data").split_whitespace().next(),
        Some("/dev/mapper/slow(0)")
    );
    // There is no room: it is as it was.
    script("lvcreate -qq -y -an -Zn -Wn -l 100%FREE -n full vg /dev/ram0");
    let refused = volume("move vg/data /dev/mapper/slow --wait").fails(1);
    assert!(refused.stderr.contains("no room"), "{refused}");
    assert_eq!(script("dmsetup ls | grep -c vg- || true").trim(), "0");
    script("lvremove -qq -y vg/full");
    // Begun and given up.
    volume("move vg/data /dev/mapper/slow --wait").ok();
    slow(1, 300);
    volume("move vg/data /dev/ram0").ok();
    script("pkill -x mdctl-follow");
    volume("move vg --abort").ok();
    slow(1, 0);
    assert_eq!(script("dmsetup ls | grep -c vg- || true").trim(), "0");
    script("vgchange -qq -ay vg; [ \"$(md5sum </dev/vg/data)\" = \"$(cat /tmp/sum.img)\" ]; vgck vg");
    // With its snapshot: both are copied at the same time, and who ends first leaves the other its devices.
    script(
        "lvcreate -qq -y -s -L 4M -n snap vg/data /dev/ram0; dd if=/dev/zero of=/dev/vg/data bs=64k count=8 oflag=direct status=none; \
         md5sum </dev/vg/data >/tmp/new.img; vgchange -qq -an vg",
    );
    slow(1, 100);
    volume("move vg /dev/ram0").ok();
    assert!(script("lvs --noheadings -a -o lv_name vg").matches("moves_here").count() == 2);
    slow(1, 0);
    until("nobody follows any more", || sh("pgrep -x mdctl-follow").status != 0);
    assert_eq!(script("vgck vg; dmsetup ls | grep -c vg- || true").trim(), "0");
    assert_eq!(script("pvs --noheadings -o lv_name --segments /dev/ram0").trim(), "");
    script(
        "vgchange -qq -ay vg; [ \"$(md5sum </dev/vg/data)\" = \"$(cat /tmp/new.img)\" ]; \
         [ \"$(md5sum </dev/vg/snap)\" = \"$(cat /tmp/sum.img)\" ]",
    );
    done(disks);
}
