//! One history, in the order in which things were done, and nothing goes onto a disk that only has the path of another one.

use crate::guest::{self, Case, Disks, mdctl, mdstat, ours, reference, settle, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("another_disk_in_its_place", another_disk_in_its_place),
        Case::new("killed_and_another_disk_in_its_place", killed_and_another_disk_in_its_place),
        Case::new("the_clock_is_set_back", the_clock_is_set_back),
        Case::new("what_it_left_is_its_own", what_it_left_is_its_own),
        Case::new("volumes_are_in_it", volumes_are_in_it),
        Case::new("what_is_lost_is_asked", what_is_lost_is_asked),
        Case::new("erased_members_are_explained", erased_members_are_explained),
    ]
}

fn empty_archive() {
    sh("rm -rf /var/lib/mdctl /run/mdctl").ok();
}

/// The file of the entry that was stored last: names are in the order of their numbers.
fn newest() -> String {
    let name = sh("ls /var/lib/mdctl/archive | tail -n1").ok().stdout;
    name.trim().split('.').nth(1).expect("an entry").to_owned()
}

/// A mirror with a file system on two loop devices, stopped; a third one has somebody's data and begins blank.
fn mirror() -> [String; 3] {
    empty_archive();
    let _md = Disks::new(1, 4096);
    let loops = ["one", "two", "other"].map(|name| guest::loop_disk(name, 32 << 20));
    let [one, two, other] = &loops;
    reference(&["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "-b", "none", one, two]).ok();
    sh("mkfs.ext4 -q /dev/md0; mount /dev/md0 /mnt; echo text >/mnt/file; umount /mnt").ok();
    reference(&["-S", "/dev/md0"]).ok();
    sh(&format!("head -c 30000000 /dev/urandom | dd of={other} bs=16k seek=1 conv=fsync status=none")).ok();
    settle();
    loops
}

fn file_of(disk: &str) -> String {
    sh(&format!("losetup -n -O BACK-FILE {disk}")).ok().stdout.trim().to_owned()
}

/// Detaches loops, and attaches files to them.
fn attach(changes: &[(&str, &str)]) {
    for (disk, _) in changes {
        sh(&format!("losetup -d {disk}")).ok();
    }
    settle();
    for (disk, file) in changes {
        sh(&format!("losetup {disk} {file}")).ok();
    }
    settle();
}

fn sum(file: &str) -> String {
    sh(&format!("sync; sha256sum <{file}")).ok().stdout
}

/// Two disks without numbers change places over a boot.
fn another_disk_in_its_place() {
    let [one, two, other] = mirror();
    let (ours_file, theirs) = (file_of(&two), file_of(&other));
    ours(&["--zero-superblock", &two]).ok();
    let id = newest();
    let (erased, foreign) = (sum(&ours_file), sum(&theirs));
    sh("echo 00000000-1111-2222-3333-444444444444 >/tmp/boot; \
        mount --bind /tmp/boot /proc/sys/kernel/random/boot_id")
    .ok();
    // The disk itself is away.
    sh(&format!("losetup -d {other}")).ok();
    attach(&[(&two, &theirs)]);
    let refused = mdctl(&["undo", &id]).fails(1);
    assert!(refused.stderr.contains("nothing tells that this is the disk of then"), "{refused}");
    assert!(refused.stderr.contains(&format!("--force writes to {two}")), "{refused}");
    assert_eq!(sum(&theirs), foreign);
    // It is here under another name, and is found.
    sh(&format!("losetup {other} {ours_file}")).ok();
    settle();
    let done = mdctl(&["undo", &id]).ok();
    assert!(done.stdout.contains(&format!("put back on {other}")), "{done}");
    assert_eq!(sum(&theirs), foreign);
    assert_ne!(sum(&ours_file), erased);
    sh(&"umount /proc/sys/kernel/random/boot_id; mdadm -A /dev/md0 LOOPS; mount -o ro /dev/md0 /mnt && cat /mnt/file; umount /mnt".replace("LOOPS", &format!("{one} {other}"))).ok();
    sh("mdadm -S /dev/md0; losetup -D; rm -f /tmp/boot").ok();
}

/// A command is killed after its write, and another disk is there when the next one cleans up.
fn killed_and_another_disk_in_its_place() {
    let [one, two, other] = mirror();
    let (ours_file, theirs) = (file_of(&two), file_of(&other));
    let foreign = sum(&theirs);
    let kill = format!(
        "strace -f -qq -o /dev/null -e trace=fsync,fdatasync -e inject=fsync,fdatasync:signal=KILL:when=3 \
         /usr/local/sbin/mdadm --zero-superblock {two}"
    );
    assert_ne!(sh(&kill).status, 0);
    sh(&format!("losetup -d {other}")).ok();
    attach(&[(&two, &theirs)]);
    let next = mdctl(&["stop", "--scan"]);
    assert!(next.stderr.contains("was killed at its work"), "{next}");
    assert!(next.stderr.contains("another disk is there now"), "{next}");
    assert_eq!(sum(&theirs), foreign);
    // Once the disk is here again, there is a way back.
    attach(&[(&two, &ours_file)]);
    mdctl(&["undo", &newest()]).ok();
    reference(&["--examine", &two]).ok();
    // The same without a change of disks: the bytes come back.
    assert_ne!(sh(&kill).status, 0);
    let next = mdctl(&["stop", "--scan"]);
    assert!(!next.stderr.contains("another disk is there now"), "{next}");
    let up = ours(&["-A", "/dev/md0", &one, &two]).ok();
    assert!(mdstat().contains("[UU]"), "{up} {}", mdstat());
    sh("mdadm -S /dev/md0; losetup -D").ok();
}

fn the_clock_is_set_back() {
    empty_archive();
    let disks = Disks::new(4, 16 << 10);
    ours(&[
        "-C",
        "/dev/md5",
        "--run",
        "-l1",
        "-n2",
        "--assume-clean",
        "-b",
        "none",
        disks.path(0),
        disks.path(1),
    ])
    .ok();
    ours(&["-S", "/dev/md5"]).ok();
    ours(&["-C", "/dev/md6", "--run", "-l0", "-n2", disks.path(2), disks.path(3)]).ok();
    ours(&["-S", "/dev/md6"]).ok();
    settle();
    sh("date +%s >/tmp/now; date -s 2020-01-01").ok();
    ours(&["--zero-superblock", disks.path(3)]).ok();
    let listed = mdctl(&["history"]).ok();
    assert!(listed.stdout.lines().nth(1).unwrap_or_default().contains("--zero-superblock"), "{listed}");
    let done = mdctl(&["undo", "-y"]).ok();
    sh("date -s @$(cat /tmp/now); rm /tmp/now").ok();
    assert!(done.stdout.contains("erase the superblocks"), "{done}");
    reference(&["--examine", disks.path(3)]).ok();
    reference(&["--examine", disks.path(0)]).ok();
    // Once more is no walk into the past.
    let again = mdctl(&["undo", "-y"]).fails(1);
    assert!(again.stderr.contains("the last change is an undo itself"), "{again}");
    reference(&["--examine", disks.path(0)]).ok();
}

fn groups() -> Disks {
    empty_archive();
    sh("modprobe dm-mod").ok();
    Disks::new(3, 32 << 10)
}

/// The group that was just made goes, over whatever was there; one that was changed since does not.
fn what_it_left_is_its_own() {
    let disks = groups();
    let disk = disks.path(0);
    for before in ["true", "mkfs.ext4 -q -F", "pvcreate -q -y"] {
        sh(&format!("wipefs -qa {disk}; {before} {disk}")).ok();
        let old = disks.read(0, 0, 32 << 20);
        mdctl(&["volume", "group", "create", "u", disk, "-y"]).ok();
        let done = mdctl(&["undo", "-y"]).ok();
        assert!(done.stdout.contains("make group u"), "{done}");
        guest::same_bytes(before, &old, &disks.read(0, 0, 32 << 20));
    }
    sh(&format!("wipefs -qa {disk}")).ok();
    mdctl(&["volume", "group", "create", "u", disk, "-y"]).ok();
    let made = newest();
    mdctl(&["volume", "create", "u/a", "4M"]).ok();
    let later = mdctl(&["undo", &made]).fails(1);
    assert!(!later.stderr.contains("--force"), "{later}");
    assert!(later.stderr.contains("mdctl volume group remove u"), "{later}");
    sh("vgremove -qq -f u; pvremove -qq /dev/ram0").ok();
}

/// What was done to volumes last is named with what takes it back, and nothing before it is touched.
fn volumes_are_in_it() {
    let disks = groups();
    mdctl(&["volume", "group", "create", "vg", disks.path(0), "-y"]).ok();
    mdctl(&["volume", "create", "vg/a", "8M"]).ok();
    mdctl(&["volume", "remove", "vg/a", "-y"]).ok();
    let undo = mdctl(&["undo", "-y"]).fails(1);
    assert!(undo.stderr.contains("volume remove vg/a"), "{undo}");
    assert!(undo.stderr.contains("this takes it back: mdctl volume restore vg --at 2"), "{undo}");
    assert!(!undo.stderr.contains("--force"), "{undo}");
    let listed = mdctl(&["history"]).ok();
    let lines: Vec<&str> = listed.stdout.lines().filter(|line| line.contains("group vg:")).collect();
    assert_eq!(
        lines.iter().map(|line| line.trim()).collect::<Vec<_>>(),
        ["group vg: from change 2 to 3", "group vg: from change 1 to 2", "group vg: from change none to 1"],
        "{listed}"
    );
    mdctl(&["volume", "restore", "vg", "--at", "2", "-y"]).ok();
    assert!(sh("lvs --noheadings -o lv_name vg").ok().stdout.contains('a'));
    sh("vgremove -qq -f vg; pvremove -qq /dev/ram0").ok();
}

/// An array that was used since is not taken back without a yes, and the file system is named.
fn what_is_lost_is_asked() {
    empty_archive();
    let disks = Disks::new(2, 16 << 10);
    let nobody = mdctl(&["undo"]).fails(1);
    assert!(nobody.stderr.contains("there is nothing to undo"), "{nobody}");
    ours(&[
        "-C",
        "/dev/md5",
        "--run",
        "-l1",
        "-n2",
        "--assume-clean",
        "-b",
        "none",
        disks.path(0),
        disks.path(1),
    ])
    .ok();
    sh("mkfs.ext4 -q -L home /dev/md5").ok();
    ours(&["-S", "/dev/md5"]).ok();
    settle();
    let id = newest();
    let bare = mdctl(&["undo"]).fails(1);
    assert!(bare.stderr.contains(&format!("this takes back {id}: ")), "{bare}");
    assert!(bare.stderr.contains(&format!("name the entry (mdctl undo {id})")), "{bare}");
    let named = mdctl(&["undo", &id]).fails(1);
    assert!(named.stderr.contains("ext4 \"home\""), "{named}");
    assert!(named.stderr.contains("--yes (-y) agrees"), "{named}");
    reference(&["--examine", disks.path(0)]).ok();
    let done = mdctl(&["undo", &id, "-y"]).ok();
    let undo = newest();
    assert!(done.stdout.contains(&format!("`mdctl undo {undo}` takes this back")), "{done}");
    reference(&["--examine", disks.path(0)]).fails(1);
    mdctl(&["undo", &undo]).ok();
    reference(&["--examine", disks.path(0)]).ok();
}

/// A member that was erased is named with its array and the way back; also when all are.
fn erased_members_are_explained() {
    empty_archive();
    let disks = Disks::new(3, 16 << 10);
    ours(
        &[&["-C", "/dev/md0", "--run", "-l5", "-n3", "--assume-clean", "-b", "none"][..], &disks.all()]
            .concat(),
    )
    .ok();
    ours(&["-S", "/dev/md0"]).ok();
    settle();
    ours(&["--zero-superblock", disks.path(2), disks.path(1)]).ok();
    let id = newest();
    let some = mdctl(&["explain"]).ok();
    assert!(some.stdout.contains("was a member of array"), "{some}");
    assert!(some.stdout.contains(&format!("next:\n    mdctl undo {id}")), "{some}");
    ours(&["--zero-superblock", disks.path(0)]).ok();
    let all = mdctl(&["explain"]).ok();
    assert!(all.stdout.contains("erased from "), "{all}");
    let one = mdctl(&["explain", disks.path(1)]).ok();
    assert!(one.stdout.contains("was a member of array") && one.stdout.contains(&id), "{one}");
}
