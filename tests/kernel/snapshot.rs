//! Snapshots, rollback, moves and streams: the devices are lvm2's, what one program begins the other ends, and nothing stays
//! suspended.

use crate::guest::{Case, Disks, Output, mdctl, same_text, settle, sh, traced, until};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("the_same_devices_as_lvm2s", the_same_devices_as_lvm2s),
        Case::new("a_mounted_file_system_is_whole", a_mounted_file_system_is_whole),
        Case::new("rolled_back_by_either", rolled_back_by_either),
        Case::new("rolled_back_at_the_next_activation", rolled_back_at_the_next_activation),
        Case::new("removed_while_it_is_rolled_back", removed_while_it_is_rolled_back),
        Case::new("a_full_store_gives_what_it_has", a_full_store_gives_what_it_has),
        Case::new("a_stream_makes_a_copy_equal", a_stream_makes_a_copy_equal),
        Case::new("moved_while_in_use", moved_while_in_use),
        Case::new("ended_in_the_background", ended_in_the_background),
        Case::new("warned_on_a_degraded_array", warned_on_a_degraded_array),
    ]
}

/// Two disks and on them a group with an active volume.
pub(crate) fn group() -> Disks {
    sh("modprobe dm_mod; modprobe dm_snapshot; umount /mnt 2>/dev/null; dmsetup remove_all --retry; \
        rm -rf /etc/lvm/archive /etc/lvm/backup /run/lvm/* /run/mdctl /var/lib/mdctl")
    .ok();
    let disks = Disks::new(2, 48 << 10);
    script("vgcreate -qq vg /dev/ram0 /dev/ram1; lvcreate -qq -y -L 16M -n data vg");
    disks
}

pub(crate) fn done(_: Disks) {
    sh("pkill -x mdctl-follow; umount /mnt 2>/dev/null; dmsetup remove_all --retry; rm -rf /etc/lvm/archive /etc/lvm/backup /run/lvm/*").ok();
    settle();
}

/// A script of which every line has to work.
#[track_caller]
pub(crate) fn script(text: &str) -> String {
    sh(&format!("set -e -o pipefail; {text}")).ok().stdout
}

#[track_caller]
pub(crate) fn volume(words: &str) -> Output {
    let words: Vec<&str> = std::iter::once("volume").chain(words.split_whitespace()).collect();
    mdctl(&words)
}

/// What the kernel and udev have of the group's devices, without what is chance.
fn devices() -> String {
    settle();
    let names =
        "for d in /sys/block/dm-*/dm; do sed \"s|.*|s/$(cat ${d%/dm}/dev)/&/g|\" $d/name; done >/tmp/names";
    let udev = "for d in /dev/mapper/vg-*; do echo $d; udevadm info -q property $d \
                | grep -E '^(DM_(NAME|LV|VG|UDEV|SUSPENDED|NOSCAN)|ID_FS|SYSTEMD)' | sort; \
                udevadm info -q symlink $d | tr ' ' '\\n' | grep -vE 'uuid|diskseq' | sort; done";
    sh(&format!(
        "{names}; dmsetup table | sed -f /tmp/names | sort; \
         dmsetup info -c --noheadings -o name,uuid,attr,open | sed -E 's/LVM-[A-Za-z0-9]{{64}}/LVM-/' | sort; {udev}; \
         lvs -a --noheadings -o name,attr,size,origin,chunk_size,seg_pe_ranges vg | sort; vgck vg"
    ))
    .ok()
    .stdout
}

#[track_caller]
pub(crate) fn nothing_suspended() {
    let suspended =
        sh("dmsetup info -c --noheadings -o name,suspended,tables_loaded | grep -vE 'Active:Live$'").stdout;
    assert!(suspended.is_empty(), "{suspended}");
}

fn the_same_devices_as_lvm2s() {
    let stages: [(&str, &str, &str); 5] = [
        ("first", "lvcreate -qq -y -s -L 8M -n snap vg/data", "snapshot vg/data snap --size 8M"),
        (
            "second",
            "lvcreate -qq -y -s -L 4M -c 32k -n two vg/data",
            "snapshot vg/data two --size 4M --chunk 32k",
        ),
        ("extended", "lvextend -qq -y -L 12M vg/snap", "resize vg/snap 12M"),
        ("removed", "lvremove -qq -y vg/two", "remove -y vg/two"),
        (
            "merged",
            "lvconvert -qq -y -i 1 --merge vg/snap; sleep 1; lvs vg >/dev/null",
            "rollback vg/snap --wait",
        ),
    ];
    let write = "dd if=/dev/urandom of=/dev/vg/data bs=64k count=3 oflag=direct status=none; udevadm settle";
    let run_all = |by: &dyn Fn(&str, &str)| -> Vec<String> {
        let disks = group();
        script("mkfs.ext4 -q -U 01234567-89ab-cdef-0123-456789abcdef /dev/vg/data; udevadm settle");
        let mut seen = Vec::new();
        for (stage, theirs, ours) in stages {
            if stage == "merged" {
                script(write);
            }
            by(theirs, ours);
            seen.push(format!("{stage}\n{}", devices()));
        }
        done(disks);
        seen
    };
    let theirs = run_all(&|theirs, _| drop(script(theirs)));
    let ours = run_all(&|_, words| drop(volume(words).ok()));
    for (theirs, ours) in theirs.iter().zip(&ours) {
        same_text(theirs, ours);
    }
}

fn a_mounted_file_system_is_whole() {
    let disks = group();
    for (make, check) in [
        ("mkfs.ext4 -q -F", "e2fsck -fn /dev/vg/data-snap"),
        // A frozen XFS leaves a log that the next mount replays.
        (
            "mkfs.xfs -q -f --unsupported",
            "mkdir -p /tmp/second; mount -o nouuid /dev/vg/data-snap /tmp/second && umount /tmp/second && \
             xfs_repair -n -o force_geometry /dev/vg/data-snap",
        ),
    ] {
        script(&format!("{make} /dev/vg/data >/dev/null; mount /dev/vg/data /mnt"));
        // Somebody writes all the time.
        sh("(while [ -e /mnt/go ] || [ ! -e /mnt/stop ]; do cp /etc/services /mnt/$RANDOM 2>/dev/null; \
             rm -f /mnt/1* ; done) >/dev/null 2>&1 & echo $! >/tmp/writer")
        .ok();
        let words = ["/usr/local/sbin/mdctl", "volume", "snapshot", "vg/data", "--size", "8M"];
        let (output, trace) = traced("ioctl", &words);
        sh("kill $(cat /tmp/writer)").ok();
        output.ok();
        let changes = ["DM_DEV_CREATE", "DM_DEV_REMOVE", "DM_TABLE_LOAD", "DM_DEV_SUSPEND", "DM_TABLE_CLEAR"];
        let count = trace.iter().filter(|line| changes.iter().any(|change| line.contains(change))).count();
        assert!(count <= 16, "{count} requests that change something: {trace:#?}");
        nothing_suspended();
        let fsck = sh(check);
        assert!(fsck.status == 0, "{fsck}");
        script("umount /mnt; lvremove -qq -y vg/data-snap");
    }
    done(disks);
}

pub(crate) const FILL: &str = "dd if=/dev/urandom of=/dev/vg/data bs=1M count=16 oflag=direct status=none";
pub(crate) const SUM: &str = "dd if=/dev/vg/data bs=1M iflag=direct status=none | md5sum";
pub(crate) const CHANGE: &str = "for at in 3 700 1500 40; do dd if=/dev/urandom of=/dev/vg/data bs=4k count=9 seek=$at oflag=direct conv=notrunc status=none; done";

fn rolled_back_by_either() {
    let disks = group();
    script(FILL);
    let before = script(SUM);
    volume("snapshot vg/data snap --size 8M").ok();
    script(CHANGE);
    assert_ne!(script(SUM), before);
    script("lvconvert -qq -y -i 1 --merge vg/snap; sleep 1; lvs vg >/dev/null; udevadm settle");
    assert_eq!(script(SUM), before, "ours, by lvm2");
    let none = volume("rollback vg/snap").fails(1);
    assert!(none.stderr.contains("there is no snapshot vg/snap"), "{none}");

    script("lvcreate -qq -y -s -L 8M -n snap vg/data");
    script(CHANGE);
    volume("rollback vg/snap --now --wait").ok();
    assert_eq!(script(SUM), before, "lvm2's, by us");
    // With another snapshot, which keeps what it has.
    volume("snapshot vg/data one --size 8M").ok();
    script(CHANGE);
    let between = script(SUM);
    volume("snapshot vg/data two --size 8M").ok();
    script(CHANGE);
    volume("rollback vg/one --wait").ok();
    assert_eq!(script(SUM), before);
    assert_eq!(script(&SUM.replace("data", "two")), between, "the other snapshot");
    volume("rollback vg/two --wait").ok();
    assert_eq!(script(SUM), between);
    script("vgck vg; [ $(dmsetup ls | wc -l) = 1 ]");
    done(disks);
}

fn rolled_back_at_the_next_activation() {
    let disks = group();
    script("mkfs.ext4 -q /dev/vg/data; mount /dev/vg/data /mnt; echo old >/mnt/file; sync");
    volume("snapshot vg/data snap --size 8M").ok();
    script("echo new >/mnt/file; sync");
    let refused = volume("rollback vg/snap --now").fails(1);
    assert!(refused.stderr.contains("/mnt"), "{refused}");
    let later = volume("rollback vg/snap").ok();
    assert!(later.stderr.contains("next time"), "{later}");
    assert!(script("lvs --noheadings -o attr vg/data").trim().starts_with('O'), "lvm2 sees it");
    let asked = volume("rollback vg/snap --wait");
    assert!(asked.status == 1 && asked.stderr.contains("in use"), "{asked}");
    assert_eq!(script("cat /mnt/file"), "new\n");
    // Ours goes on where it is closed, whoever asked.
    script("umount /mnt");
    volume("rollback vg/snap --wait").ok();
    script("mount /dev/vg/data /mnt; [ $(cat /mnt/file) = old ]");
    // Asked for by lvm2, begun by our activation, ended by us.
    script(
        "lvcreate -qq -y -s -L 8M -n snap vg/data; echo newer >/mnt/file; sync; lvconvert -qq -y --merge vg/snap; umount /mnt",
    );
    volume("deactivate vg").ok();
    volume("activate vg").ok();
    script("mount /dev/vg/data /mnt; [ $(cat /mnt/file) = old ]; umount /mnt");
    volume("rollback vg/snap --wait");
    script("vgck vg; lvs vg/data; ! lvs vg/snap 2>/dev/null; [ $(dmsetup ls | wc -l) = 1 ]");
    done(disks);
}

fn a_full_store_gives_what_it_has() {
    let disks = group();
    script(FILL);
    script("dd if=/dev/vg/data of=/tmp/before.img bs=1M iflag=direct status=none");
    volume("snapshot vg/data snap --size 4M").ok();
    let refused = volume("resize vg/snap 64M").fails(1);
    assert!(refused.stderr.contains("never needs more"), "{refused}");
    volume("resize vg/snap 8M").ok();
    script("dd if=/dev/urandom of=/dev/vg/data bs=1M count=5 oflag=direct conv=notrunc status=none");
    let refused = volume("resize -y vg/snap 4M").fails(1);
    assert!(refused.stderr.contains("in use"), "{refused}");
    // 16 MiB do not fit 8 MiB.
    script(&CHANGE.replace("count=9", "count=300"));
    script("dd if=/dev/urandom of=/dev/vg/data bs=1M count=16 oflag=direct conv=notrunc status=none");
    let status = script("dmsetup status vg-snap");
    assert!(status.contains("Invalid"), "{status}");
    let list = volume("list vg").ok().stdout;
    assert!(list.contains("invalid"), "{list}");
    let refused = volume("rollback vg/snap").fails(1);
    assert!(refused.stderr.contains("overflowed") && refused.stderr.contains("--reverse"), "{refused}");
    let diff = volume("snapshot diff vg/snap --json").ok();
    assert!(diff.stderr.contains("overflowed") && diff.stdout.contains(r#""state":"invalid""#), "{diff}");
    // What it has is put on a copy of the volume: those ranges are as they were.
    script("dd if=/dev/vg/data of=/tmp/copy.img bs=1M iflag=direct status=none");
    volume("snapshot diff vg/snap --reverse --stream /tmp/saved.img").ok();
    volume("snapshot apply /tmp/saved.img /tmp/copy.img").ok();
    let text = volume("snapshot diff vg/snap").ok().stdout;
    let ranges: Vec<(u64, u64)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().map(str::parse);
            Some((words.next()?.ok()?, words.next()?.ok()?))
        })
        .collect();
    assert!(ranges.iter().map(|(_, length)| length).sum::<u64>() > 7 << 20, "{text}");
    for (start, length) in ranges {
        script(&format!("cmp -i {start} -n {length} /tmp/before.img /tmp/copy.img"));
    }
    done(disks);
}

/// A volume that was removed in the midst of a rollback is half old and half new without its snapshot.
fn removed_while_it_is_rolled_back() {
    let disks = group();
    script(FILL);
    volume("snapshot vg/data snap --size 20M").ok();
    script("dd if=/dev/vg/snap bs=1M iflag=direct status=none | sha256sum >/tmp/sum.img");
    script("dd if=/dev/urandom of=/dev/vg/data bs=1M count=16 oflag=direct conv=notrunc status=none");
    script("echo 1 >/sys/module/dm_snapshot/parameters/snapshot_copy_throttle");
    volume("rollback vg/snap").ok();
    let asked = volume("remove vg/data").fails(1);
    assert!(asked.stderr.contains("while it is rolled back to snap"), "{asked}");
    script("pkill -x mdctl-follow || true");
    volume("remove vg/data --yes").ok();
    script("echo 100 >/sys/module/dm_snapshot/parameters/snapshot_copy_throttle");
    let refused = volume("restore vg --at 2 --yes").fails(1);
    assert!(refused.stderr.contains("a part of it would be old and the rest new"), "{refused}");
    volume("restore vg --at 4 --yes").ok();
    volume("activate vg").ok();
    let equal =
        "[ \"$(dd if=/dev/vg/data bs=1M iflag=direct status=none | sha256sum)\" = \"$(cat /tmp/sum.img)\" ]";
    script(equal);
    // Activation has somebody end it.
    until("the rollback is over", || sh("[ $(lvs --noheadings vg | wc -l) = 1 ]").status == 0);
    script(equal);
    script("vgck vg");
    done(disks);
}

fn a_stream_makes_a_copy_equal() {
    let disks = group();
    script(FILL);
    volume("snapshot vg/data snap --size 12M").ok();
    script(
        "dd if=/dev/vg/snap of=/tmp/base.img bs=1M iflag=direct status=none; cp /tmp/base.img /tmp/copy.img",
    );
    script(CHANGE);
    volume("snapshot vg/data later --size 8M").ok();
    script("dd if=/dev/vg/later bs=1M iflag=direct status=none | sha256sum >/tmp/sum.img");
    script(&CHANGE.replace("1500", "2500"));
    let equal = |copy: &str, of: &str| {
        script(&format!("[ \"$(sha256sum <{copy})\" = \"$({of})\" ]"));
    };
    volume("snapshot diff vg/snap --to vg/later --stream /tmp/one.img").ok();
    let shown = volume("snapshot apply --dry-run /tmp/one.img /tmp/copy.img").ok();
    assert!(shown.stdout.contains("put /tmp/one.img on /tmp/copy.img"), "{shown}");
    script("cmp /tmp/base.img /tmp/copy.img");
    volume("snapshot apply /tmp/one.img /tmp/copy.img").ok();
    equal("/tmp/copy.img", "cat /tmp/sum.img");
    // To what is there now; a copy that is not the base is refused and stays as it is.
    volume("snapshot diff vg/snap --stream /tmp/now.img").ok();
    // Where it looks is the file system's affair. In its first record that would be a write that was cut off.
    script("cp /tmp/base.img /tmp/right.img; cp /tmp/base.img /tmp/other.img");
    volume("snapshot apply /tmp/now.img /tmp/right.img").ok();
    script(
        "at=$({ cmp -l /tmp/base.img /tmp/right.img || true; } | tail -n 1 | awk '{print $1}'); [ \"$at\" -gt 4 ] && \
         printf '\\377x\\0' | dd of=/tmp/other.img bs=1 seek=$((at - 3)) conv=notrunc status=none && \
         cp /tmp/other.img /tmp/same.img",
    );
    let refused = volume("snapshot apply /tmp/now.img /tmp/other.img").fails(1);
    assert!(refused.stderr.contains("nothing was written"), "{refused}");
    script("cmp /tmp/other.img /tmp/same.img");
    // Nor is a later one, that has all but the last of it.
    script(
        "at=$({ cmp -l /tmp/base.img /tmp/right.img || true; } | tail -n 1 | awk '{print $1}'); cp /tmp/right.img /tmp/other.img; \
         printf '\\377x\\0' | dd of=/tmp/other.img bs=1 seek=$((at - 3)) conv=notrunc status=none; cp /tmp/other.img /tmp/same.img",
    );
    let refused = volume("snapshot apply /tmp/now.img /tmp/other.img").fails(1);
    assert!(refused.stderr.contains("it has something else at sector"), "{refused}");
    script("cmp /tmp/other.img /tmp/same.img; truncate -s 8M /tmp/other.img");
    volume("snapshot apply /tmp/now.img /tmp/other.img").fails(1);
    volume("snapshot apply /tmp/now.img /dev/vg/data").fails(1);
    // Cut off at its second write, and repeated.
    let kill = "strace -f -qq -o /dev/null -e inject=pwrite64:signal=KILL:when=3 mdctl volume snapshot apply /tmp/now.img /tmp/base.img";
    assert!(sh(kill).status != 0);
    script("[ $(ls /var/lib/mdctl/begun | wc -l) = 1 ]");
    volume("snapshot apply /tmp/now.img /tmp/base.img").ok();
    script("[ $(ls /var/lib/mdctl/begun | wc -l) = 0 ]");
    equal("/tmp/base.img", "dd if=/dev/vg/data bs=1M iflag=direct status=none | sha256sum");
    let again = volume("snapshot apply /tmp/now.img /tmp/base.img").ok();
    assert!(again.stdout.contains("already"), "{again}");
    // Where nothing is active the store is read all the same.
    let active = volume("snapshot diff vg/snap").ok().stdout;
    volume("deactivate vg").ok();
    assert_eq!(volume("snapshot diff vg/snap").ok().stdout, active);
    done(disks);
}

fn moved_while_in_use() {
    let disks = group();
    script(
        "mkfs.ext4 -q /dev/vg/data; mount /dev/vg/data /mnt; head -c 3M /dev/urandom >/mnt/file; sync; md5sum </mnt/file >/tmp/sum.img",
    );
    let whole =
        "sync; echo 3 >/proc/sys/vm/drop_caches; [ \"$(md5sum </mnt/file)\" = \"$(cat /tmp/sum.img)\" ]";
    let on = || script("lvs --noheadings -o devices vg/data").trim().to_owned();
    volume("move vg /dev/ram0 /dev/ram1 --wait").ok();
    assert_eq!(on(), "/dev/ram1(0)");
    script(&format!(
        "{whole}; vgck vg; [ $(lvs --noheadings vg | wc -l) = 1 ]; dmsetup table vg-data | grep linear"
    ));
    // Begun and given up, and slow enough for that.
    let speed = |percent: &str| {
        script(&format!(
            "modprobe dm_mirror; echo {percent} >/sys/module/dm_mirror/parameters/raid1_resync_throttle"
        ));
    };
    speed("1");
    volume("move vg/data /dev/ram1").ok();
    let status = volume("move vg --status").ok().stdout;
    assert!(status.contains("vg/data: ") && status.contains("copied"), "{status}");
    volume("move vg --abort").ok();
    assert_eq!(on(), "/dev/ram1(0)");
    script(&format!("{whole}; dmsetup table vg-data | grep linear"));
    // A restart in the middle: the old extents are whole, and the copy begins again.
    volume("move vg/data /dev/ram1").ok();
    script("umount /mnt; dmsetup remove --retry vg-data; vgchange -qq -ay vg; mount /dev/vg/data /mnt");
    script(whole);
    let status = volume("move vg --status").ok().stdout;
    assert!(status.contains("interrupted"), "{status}");
    speed("100");
    volume("move vg --wait").ok();
    assert_eq!(on(), "/dev/ram0(0)");
    // With a snapshot the layer below moves, and the store.
    volume("snapshot vg/data snap --size 8M").ok();
    script("echo more >/mnt/more; sync");
    volume("move vg /dev/ram0 --wait").ok();
    assert_eq!(on(), "/dev/ram1(0)");
    script(&format!("{whole}; e2fsck -fn /dev/vg/snap >/dev/null; umount /mnt; vgck vg"));
    volume("rollback vg/snap --wait").ok();
    script(&format!("mount /dev/vg/data /mnt; {whole}; [ ! -e /mnt/more ]; umount /mnt; vgck vg"));
    done(disks);
}

fn warned_on_a_degraded_array() {
    let disks = group();
    script(
        "dmsetup remove_all --retry; dd if=/dev/zero of=/dev/ram0 bs=1M count=2 status=none; \
         udevadm settle; /usr/sbin/mdadm -C /dev/md0 --run -l1 -n2 /dev/ram0 missing 2>/dev/null; \
         vgcreate -qq vd /dev/md0; lvcreate -qq -y -L 8M -n data vd",
    );
    let made = volume("snapshot vd/data snap").ok();
    assert!(made.stderr.contains("degraded"), "{made}");
    nothing_suspended();
    script("lvs vd/snap; vgck vd; lvremove -qq -y vd; vgremove -qq vd");
    settle();
    script("/usr/sbin/mdadm -S /dev/md0");
    done(disks);
}

/// Without `--wait` a process ends what the kernel goes on with: one, and again after an activation.
fn ended_in_the_background() {
    let disks = group();
    script(FILL);
    let before = script(SUM);
    let over = || until("nobody follows any more", || sh("pgrep -x mdctl-follow").status != 0);
    volume("snapshot vg/data snap --size 12M").ok();
    script(CHANGE);
    volume("rollback vg/snap").ok();
    over();
    assert_eq!(script(SUM), before);
    script("[ $(dmsetup ls | wc -l) = 1 ]; ! lvs vg/snap 2>/dev/null");
    // Slowly, so that it is seen.
    let speed = |percent: &str| {
        script(&format!(
            "modprobe dm_mirror; echo {percent} >/sys/module/dm_mirror/parameters/raid1_resync_throttle"
        ));
    };
    speed("1");
    let begun = volume("move vg/data /dev/ram0").ok();
    let again = volume("move vg/data").ok();
    let process = |said: &Output| {
        said.stderr.split("process ").nth(1).map(|rest| rest.split(' ').next().map(str::to_owned))
    };
    assert!(process(&begun).is_some(), "{begun}");
    assert_eq!(process(&begun), process(&again), "{begun}{again}");
    let refused = volume("remove -y vg/data").fails(1);
    assert!(refused.stderr.contains("is being moved"), "{refused}");
    script("pkill -x mdctl-follow");
    over();
    volume("deactivate vg").ok();
    let activated = volume("activate vg").ok();
    assert!(activated.stderr.contains("its move goes on"), "{activated}");
    speed("100");
    over();
    assert_eq!(script("lvs --noheadings -o devices vg/data").trim(), "/dev/ram1(0)");
    assert_eq!(script(SUM), before);
    script("[ $(lvs --noheadings vg | wc -l) = 1 ]; dmsetup table vg-data | grep -q linear; vgck vg");
    done(disks);
}
