//! What goes wrong is named, ends with the right status, and leaves nothing half-made.

use std::collections::BTreeSet;

use crate::guest::{self, Case, Disks, ours, reference, run, sh, traced};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("busy_member", busy_member),
        Case::new("device_listed_twice", device_listed_twice),
        Case::new("read_only_member", read_only_member),
        Case::new("too_small_member", too_small_member),
        Case::new("unreadable_member", unreadable_member),
        Case::new("member_that_cannot_be_written", member_that_cannot_be_written),
        Case::new("no_such_device_and_no_block_device", no_such_device_and_no_block_device),
        Case::new("array_name_in_use", array_name_in_use),
        Case::new("level_that_the_kernel_has_not", level_that_the_kernel_has_not),
        Case::new("geometry_that_the_kernel_refuses", geometry_that_the_kernel_refuses),
        Case::new("no_md_driver", no_md_driver),
        Case::new("not_root", not_root),
        Case::new("full_run_directory", full_run_directory),
        Case::new("held_map_lock_is_told", held_map_lock_is_told),
        Case::new("mounted_array_is_not_stopped", mounted_array_is_not_stopped),
        Case::new("dry_runs_change_nothing", dry_runs_change_nothing),
    ]
}

/// Creates with these words; the command must fail so, and leave no trace.
#[track_caller]
fn refused(disks: &Disks, words: &[&str], status: i32, said: &[&str]) {
    let count = disks.all().len();
    let before: Vec<_> = (0..count).map(|n| disks.read(n, 0, 1 << 20)).collect();
    let output = ours(words).fails(status);
    for text in said {
        assert!(output.stderr.contains(text), "{text:?} is not said:\n{output}");
    }
    no_trace();
    for (n, before) in before.iter().enumerate() {
        guest::same_bytes(&format!("disk {n}"), before, &disks.read(n, 0, 1 << 20));
    }
}

#[track_caller]
fn no_trace() {
    guest::settle();
    let held: Vec<String> = guest::arrays().into_iter().filter(|name| name != "md9").collect();
    assert!(held.is_empty(), "arrays are left: {held:?}\n{}", guest::mdstat());
    let left =
        sh("ls /run/mdadm | grep -vE '^map(.lock)?$' || true; grep -v '^md9 ' /run/mdadm/map 2>/dev/null || true")
            .ok();
    assert_eq!(left.stdout, "", "something is left in /run/mdadm");
    let links = sh("ls /dev/md 2>/dev/null | grep -v '^kept$' || true").ok();
    assert_eq!(links.stdout, "", "links are left");
}

fn pair() -> Disks {
    let disks = Disks::new(3, 16 << 10);
    disks.write(0, 4096, b"what was there before");
    disks
}

const CREATE: [&str; 6] = ["--create", "/dev/md0", "--run", "-l1", "-n2", "--bitmap=none"];

fn with<'a>(devices: &[&'a str]) -> Vec<&'a str> {
    [&CREATE[..], devices].concat()
}

fn busy_member() {
    let disks = pair();
    reference(&["--create", "/dev/md9", "--run", "-l1", "--force", "-n1", "/dev/ram2"]).ok();
    let all = [&with(&["/dev/ram0", "/dev/ram2"])[..], &["-e1.2"]].concat();
    refused(&disks, &all, 1, &["/dev/ram2", "busy", "array md9", "create aborted"]);
}

fn device_listed_twice() {
    refused(&pair(), &with(&["/dev/ram0", "/dev/ram0"]), 1, &["/dev/ram0 is listed twice"]);
}

fn read_only_member() {
    let disks = pair();
    run(&["blockdev", "--setro", "/dev/ram1"]).ok();
    refused(&disks, &with(&["/dev/ram0", "/dev/ram1"]), 1, &["/dev/ram1", "read-only"]);
}

fn too_small_member() {
    let disks = pair();
    let small = guest::loop_disk("small", 8192);
    refused(&disks, &with(&["/dev/ram0", &small]), 1, &["no free space left on", &small]);
}

fn unreadable_member() {
    let disks = pair();
    run(&["modprobe", "dm_mod"]).ok();
    sh("printf '0 32000 error\n' | dmsetup create bad; udevadm settle").ok();
    let output = ours(&with(&["/dev/ram0", "/dev/mapper/bad"]));
    assert!(output.status != 0 && output.stderr.contains("/dev/mapper/bad"), "{output}");
    no_trace();
    assert_eq!(disks.read(0, 4096, 21), b"what was there before");
}

fn member_that_cannot_be_written() {
    let disks = pair();
    run(&["modprobe", "-a", "dm_mod", "dm_flakey"]).ok();
    sh("printf '0 32768 flakey /dev/ram1 0 0 600 1 error_writes\n' | dmsetup create unwritable; udevadm settle").ok();
    let output = ours(&with(&["/dev/ram0", "/dev/mapper/unwritable"])).fails(1);
    assert!(output.stderr.contains("/dev/mapper/unwritable") && output.stderr.contains("EIO"), "{output}");
    no_trace();
    assert_eq!(disks.read(0, 4096, 21), b"what was there before");
}

fn no_such_device_and_no_block_device() {
    let disks = pair();
    refused(&disks, &with(&["/dev/ram0", "/dev/nosuch"]), 2, &["cannot open /dev/nosuch: No such file"]);
    refused(&disks, &with(&["/dev/ram0", "/dev/null"]), 2, &["/dev/null is not a block device."]);
}

fn array_name_in_use() {
    let disks = pair();
    reference(&["--create", "/dev/md9", "--run", "-l1", "--force", "-n1", "/dev/ram2"]).ok();
    let words = ["--create", "/dev/md9", "--run", "-l1", "-n2", "/dev/ram0", "/dev/ram1"];
    refused(&disks, &words, 1, &["/dev/md9 is already in use."]);
}

fn level_that_the_kernel_has_not() {
    let disks = pair();
    sh("rmmod raid1; echo 'install raid1 /bin/false' >/etc/modprobe.d/none.conf").ok();
    let words = with(&["/dev/ram0", "/dev/ram1"]);
    refused(&disks, &words, 1, &["RUN_ARRAY", "EINVAL", "personality"]);
    sh("rm /etc/modprobe.d/none.conf; modprobe raid1").ok();
}

fn geometry_that_the_kernel_refuses() {
    let disks = pair();
    // Two zones, and nobody said in which layout.
    sh("echo 0 > /sys/module/raid0/parameters/default_layout").ok();
    let small = guest::loop_disk("small", 8 << 20);
    let words =
        ["--create", "/dev/md/odd", "--run", "-l0", "-n3", "-p", "dangerous", "/dev/ram0", "/dev/ram1"];
    refused(&disks, &[&words[..], &[small.as_str()]].concat(), 1, &["RUN_ARRAY", "default_layout"]);
    // What the kernel need not be asked is refused before anything is written.
    let words =
        ["--create", "/dev/md/odd", "--run", "-l5", "-n3", "-c", "12", "/dev/ram0", "/dev/ram1", "/dev/ram2"];
    refused(&disks, &words, 1, &["invalid chunk size 12K"]);
}

fn no_md_driver() {
    let disks = pair();
    sh("rmmod raid456 raid10 raid1 raid0 linear faulty multipath 2>/dev/null; rmmod md_mod").ok();
    sh("for m in md_mod raid1; do echo \"install $m /bin/false\"; done >/etc/modprobe.d/none.conf").ok();
    let output = ours(&with(&["/dev/ram0", "/dev/ram1"]));
    sh("rm /etc/modprobe.d/none.conf; modprobe -a md_mod raid0 raid1 raid10 raid456").ok();
    assert!(output.status == 1 && output.stderr.contains("md_mod"), "{output}");
    assert_eq!(disks.read(0, 4096, 21), b"what was there before");
    no_trace();
}

fn not_root() {
    let disks = pair();
    let words = with(&["/dev/ram0", "/dev/ram1"]).join(" ");
    let output = sh(&format!("setpriv --reuid 65534 --clear-groups /usr/local/sbin/mdadm {words}")).fails(1);
    assert_eq!(output.stderr, "mdadm: must be super-user to perform this action\n");
    assert_eq!(disks.read(0, 4096, 21), b"what was there before");
}

fn full_run_directory() {
    let disks = pair();
    sh("mkdir -p /run/mdadm; mount -t tmpfs -o size=4k,nr_inodes=2 none /run/mdadm; touch /run/mdadm/map")
        .ok();
    let output = ours(&with(&["/dev/ram0", "/dev/ram1"]));
    sh("umount /run/mdadm").ok();
    assert!(output.status == 1 && output.stderr.contains("ENOSPC"), "{output}");
    no_trace();
    assert_eq!(disks.read(0, 4096, 21), b"what was there before");
}

fn held_map_lock_is_told() {
    let disks = pair();
    sh("mkdir -p /run/mdadm; (flock 9; exec sleep 55) 9>/run/mdadm/map.lock >/dev/null 2>&1 &").ok();
    let output = ours(&with(&["/dev/ram0", "/dev/ram1"]));
    sh("pkill sleep; rm -f /run/mdadm/map.lock").ok();
    assert!(output.status == 1 && output.stderr.contains("held by process"), "{output}");
    let meanwhile = "waiting for the lock of the map file, which process ";
    assert_eq!(output.stderr.matches(meanwhile).count(), 1, "{output}");
    no_trace();
    assert_eq!(disks.read(0, 4096, 21), b"what was there before");
}

fn mounted_array_is_not_stopped() {
    let _disks = pair();
    ours(&with(&["/dev/ram0", "/dev/ram1"])).ok();
    sh("mkfs.ext4 -q /dev/md0 && mount /dev/md0 /mnt").ok();
    let output = ours(&["--stop", "/dev/md0"]).fails(1);
    assert!(output.stderr.contains("Cannot get exclusive access to /dev/md0"), "{output}");
    assert!(output.stderr.contains("mounted at /mnt"), "{output}");
    sh("umount /mnt").ok();
    ours(&["--stop", "/dev/md0"]).ok();
    no_trace();
}

/// ioctls that only ask.
const READING: [&str; 8] =
    ["BLKGET", "BLKSSZ", "BLKPBSZ", "BLKROGET", "TCGETS", "RAID_VERSION", "GET_ARRAY_INFO", "GET_DISK_INFO"];

/// System calls that could change something: only reading ones may be left.
fn dry_runs_change_nothing() {
    let disks = pair();
    let changing = |words: &[&str]| {
        let calls = "openat,open,creat,ioctl,write,pwrite64,mknodat,mknod,unlink,unlinkat,rename,renameat,renameat2,\
                     mkdir,mkdirat,symlink,symlinkat,flock,fsync,fdatasync,fallocate,ftruncate,mount,kill";
        let (output, trace) = traced(calls, &[&["/usr/local/sbin/mdadm"], words].concat());
        output.ok();
        let has = |call: &str, words: &[&str]| words.iter().any(|word| call.contains(word));
        // Its own processes, which read for it.
        let pids: BTreeSet<&str> = trace.iter().filter_map(|call| call.split(' ').next()).collect();
        let ends = |call: &str| {
            let pid = call.split_once("kill(").and_then(|(_, rest)| rest.split_once(',')).map(|(pid, _)| pid);
            pid.is_some_and(|pid| pids.contains(pid))
        };
        let changes = |call: &String| {
            let opens_to_read = call.contains("openat(") && !has(call, &["O_WRONLY", "O_RDWR", "O_CREAT"]);
            let asks = call.contains("ioctl(") && has(call, &READING);
            let says =
                has(call, &["+++", "---", "resumed>"]) || call.contains("write(") && call.contains("<pipe:");
            !(opens_to_read || asks || says || ends(call))
        };
        let changed: Vec<_> = trace.iter().filter(|call| changes(call)).collect();
        assert!(changed.is_empty(), "{words:?}: {changed:#?}");
    };
    changing(&[&with(&["/dev/ram0", "/dev/ram1"])[..], &["--dry-run"]].concat());
    assert_eq!(disks.read(0, 4096, 21), b"what was there before");
    no_trace();
    ours(&with(&["/dev/ram0", "/dev/ram1"])).ok();
    changing(&["--stop", "/dev/md0", "--dry-run"]);
    changing(&["--stop", "--scan", "--dry-run"]);
    ours(&["--stop", "/dev/md0"]).ok();
    changing(&["--assemble", "/dev/md0", "--dry-run", "/dev/ram0", "/dev/ram1"]);
    changing(&["--assemble", "--scan", "--dry-run"]);
    no_trace();
}
