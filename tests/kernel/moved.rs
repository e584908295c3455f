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
        Case::new("of_a_disk_that_fails", of_a_disk_that_fails),
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

/// Devices on the disks, without their first MiB, of which a place can be made bad.
fn table(disk: usize, kind: &str) {
    script(&format!(
        "printf '%s\\n' {kind} >/tmp/table; \
         if [ -e /dev/mapper/d{disk} ]; then dmsetup suspend --noflush --nolockfs d{disk}; dmsetup load d{disk} /tmp/table; \
         dmsetup resume d{disk}; else dmsetup create d{disk} /tmp/table; fi; udevadm settle"
    ));
}

fn good(disk: usize) {
    table(disk, &format!("'0 63488 linear /dev/ram{disk} 2048'"));
}

fn takes_no_writes(disk: usize) {
    table(disk, &format!("'0 63488 flakey /dev/ram{disk} 2048 0 1 1 error_writes'"));
}

/// The copying takes so much of its time, in percent.
fn pace(percent: u32) {
    script(&format!("echo {percent} >/sys/module/dm_mirror/parameters/raid1_resync_throttle"));
}

/// Whoever follows has given the move up: the volume is whole, where it was, and nothing of the move is left.
fn stays() {
    until("nobody follows any more", || sh("pgrep -x mdctl-follow").status != 0);
    good(0);
    good(1);
    script(
        "blockdev --flushbufs /dev/vg/a; cmp -n 25165824 /tmp/all.img /dev/vg/a; [ $(dmsetup ls | grep -c vg-) = 1 ]; vgck vg; \
         [ $(lvs --noheadings vg | wc -l) = 1 ]; lvs --noheadings -o devices vg/a | grep -q d0; dmsetup table vg-a | grep -q linear",
    );
}

/// Writes to what is copied fail on one of the disks, and nobody follows: they wait, and are there afterwards.
fn writes_wait(disk: usize) {
    pace(1);
    volume("move vg/a /dev/mapper/d0 /dev/mapper/d1").ok();
    script("pkill -x mdctl-follow");
    until("something is copied", || {
        let status = script("dmsetup status vg-a-moving");
        let regions = status.split_whitespace().find(|word| word.contains('/')).map(str::to_owned);
        regions.and_then(|all| all.split('/').next()?.parse::<u32>().ok()).is_some_and(|done| done > 3)
    });
    takes_no_writes(disk);
    script(
        "head -c 1M /dev/urandom | dd of=/tmp/all.img conv=notrunc status=none; \
         (dd if=/tmp/all.img of=/dev/vg/a bs=1M count=1 oflag=direct conv=notrunc status=none; touch /tmp/written) \
         >/dev/null 2>&1 & sleep 1; [ ! -e /tmp/written ]",
    );
    let status = volume("move vg --status").ok().stdout;
    assert!(status.contains("has write errors, and writes to it wait"), "{status}");
    if disk == 0 {
        good(0);
    }
    // The new disk takes no metadata either; what was held goes on all the same.
    let given_up = volume("move vg/a --abort");
    assert_eq!(given_up.status, i32::from(disk == 1), "{given_up}");
    until("the write is done", || sh("[ -e /tmp/written ]").status == 0);
    if disk == 1 {
        good(1);
        volume("move vg/a --abort").ok();
    }
    script("rm /tmp/written");
    stays();
}

/// What was reported as written is where the volume stays, whichever disk fails in the midst of a move.
fn of_a_disk_that_fails() {
    let disks = disks();
    script("modprobe -a dm_mirror dm_flakey");
    good(0);
    good(1);
    volume("group create vg /dev/mapper/d0 /dev/mapper/d1").ok();
    volume("create vg/a 24M --on /dev/mapper/d0").ok();
    script(
        "head -c 24M /dev/urandom >/tmp/all.img; dd if=/tmp/all.img of=/dev/vg/a bs=1M oflag=direct status=none",
    );
    // A place in the middle cannot be read.
    pace(1);
    volume("move vg/a /dev/mapper/d0 /dev/mapper/d1").ok();
    table(0, "'0 45000 linear /dev/ram0 2048' '45000 16 error' '45016 18472 linear /dev/ram0 47064'");
    pace(100);
    stays();
    writes_wait(0);
    writes_wait(1);
    // Somebody follows: it ends by itself.
    pace(1);
    volume("move vg/a /dev/mapper/d0 /dev/mapper/d1").ok();
    table(1, "'0 40000 linear /dev/ram1 2048' '40000 23488 flakey /dev/ram1 42048 0 1 1 error_writes'");
    pace(100);
    stays();
    volume("move vg/a /dev/mapper/d0 /dev/mapper/d1 --wait").ok();
    script("cmp -n 25165824 /tmp/all.img /dev/vg/a; lvs --noheadings -o devices vg/a | grep -q d1");
    volume("deactivate vg").ok();
    script("dmsetup remove d0; dmsetup remove d1; rm -f /tmp/all.img");
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
