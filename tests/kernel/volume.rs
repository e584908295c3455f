//! Volumes beside lvm2: what either makes, the other lists, activates, changes and removes.

use crate::guest::{Case, Disks, Output, mdctl, run, same_text, settle, sh, traced};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("the_same_volumes_as_lvm2s", the_same_volumes_as_lvm2s),
        Case::new("lvm2_goes_on_with_ours", lvm2_goes_on_with_ours),
        Case::new("we_go_on_with_lvm2s", we_go_on_with_lvm2s),
        Case::new("activation_is_cheap_and_idempotent", activation_is_cheap_and_idempotent),
        Case::new("old_signatures_are_gone", old_signatures_are_gone),
        Case::new("many_at_once", many_at_once),
        Case::new("file_systems_grow_and_shrink", file_systems_grow_and_shrink),
        Case::new("nothing_is_done_to_what_is_in_use", nothing_is_done_to_what_is_in_use),
        Case::new("volumes_on_an_array", volumes_on_an_array),
        Case::new("a_device_is_missing", a_device_is_missing),
        Case::new("a_failed_removal_leaves_the_volume", a_failed_removal_leaves_the_volume),
        Case::new("both_programs_at_once", both_programs_at_once),
    ]
}

/// No group, no file of lvm2's from cases before.
fn disks(count: usize, mib: u64) -> Disks {
    sh("modprobe dm_mod; dmsetup remove_all --retry; rm -rf /etc/lvm/archive /etc/lvm/backup /run/lvm/* /run/mdctl /var/lib/mdctl").ok();
    Disks::new(count, mib << 10)
}

fn done(_: Disks) {
    sh("umount /mnt 2>/dev/null; dmsetup remove_all --retry; rm -rf /etc/lvm/archive /etc/lvm/backup /run/lvm/*").ok();
    settle();
}

fn volume(words: &str) -> Output {
    let words: Vec<&str> = std::iter::once("volume").chain(words.split_whitespace()).collect();
    mdctl(&words)
}

/// A file for `create --from`.
#[expect(clippy::disallowed_methods, reason = "a test makes its input")]
fn list(lines: &str) {
    std::fs::write("/tmp/list", lines).expect("a file in /tmp");
}

fn lvm(words: &str) -> Output {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&words)
}

/// Everything that the kernel and udev say of a group's devices, without what differs between two groups.
fn devices(group: &str) -> String {
    described(group, "")
}

fn described(group: &str, without: &str) -> String {
    settle();
    // lvm2 hides a volume while it wipes it; udev shows it when it sees the wiping end, which no settling waits for.
    sh(&format!(
        "for d in /dev/{group}/*; do ! udevadm info -q property $d | grep -q SYSTEMD_READY=0 ||            udevadm trigger --settle --action=change $d; done"
    ));
    let script = format!(
        "dmsetup table | grep '^{group}-' | sort; \
         dmsetup info -c --noheadings -o name,attr,open,segments,subsystem,vg_name,lv_name | grep '^{group}-' | sort; \
         for d in /dev/{group}/*; do echo $d $(readlink -f $d >/dev/null && echo leads); \
           udevadm info -q property $d | grep -vE '^(DEVPATH|DEVNAME|DISKSEQ|MINOR|USEC_INITIALIZED|DEVLINKS{without})=' | sort; \
           udevadm info -q symlink $d | tr ' ' '\\n' | grep -v diskseq | sort; done; \
         blkid -p -o export /dev/{group}/* 2>/dev/null | grep -v DEVNAME"
    );
    let text =
        sh(&script).stdout.replace(&format!("{group}-"), "GROUP-").replace(&format!("{group}/"), "GROUP/");
    let text = text.replace(&format!("={group}\n"), "=GROUP\n").replace(&format!("vg_{group}"), "GROUP");
    let ids = ids(group);
    ids.iter()
        .enumerate()
        .fold(text, |text, (n, id)| text.replace(id, &format!("ID{n}")))
        .replace(&format!(":{group}:"), ":GROUP:")
}

/// The UUIDs of a group and its volumes as they stand in device names.
fn ids(group: &str) -> Vec<String> {
    let all =
        sh(&format!("vgs --noheadings -o vg_uuid {group}; lvs --noheadings -o lv_uuid -O lv_name {group}"))
            .ok()
            .stdout;
    all.split_whitespace().map(|id| id.replace('-', "")).collect()
}

/// Volumes of a group as lvm2 lists them.
fn listed(group: &str) -> String {
    let fields = "lv_name,lv_size,segtype,stripes,stripe_size,lv_attr,seg_pe_ranges";
    lvm(&format!("lvs --noheadings --units b --segments -o {fields} -O lv_name {group}")).ok().stdout
}

fn sound(group: &str) {
    let checked = lvm(&format!("vgck {group}")).ok();
    assert!(checked.stderr.is_empty() && checked.stdout.is_empty(), "{checked}");
}

fn the_same_volumes_as_lvm2s() {
    let disks = disks(4, 64);
    lvm("vgcreate -q vgl /dev/ram0 /dev/ram1").ok();
    volume("group create vgm /dev/ram2 /dev/ram3 --metadata-size 1M --extent 4M").ok();
    for words in ["-L8M -n lin", "-L16M -n a-b -i2 -I64k", "-L4M -n ro -pr", "-l100%FREE -n rest"] {
        lvm(&format!("lvcreate -q -y {words} vgl")).ok();
    }
    for words in [
        "vgm/lin 8M",
        "vgm/a-b 16M --stripes 2 --stripe-size 64k",
        "vgm/ro 4M --read-only",
        "vgm/rest 100%FREE",
    ] {
        volume(&format!("create {words}")).ok();
    }
    let places = |text: String| {
        text.replace("/dev/ram0", "A")
            .replace("/dev/ram2", "A")
            .replace("/dev/ram1", "B")
            .replace("/dev/ram3", "B")
    };
    let placed = |text: String| text.replace(" 1:2 ", " 1:0 ").replace(" 1:3 ", " 1:1 ");
    same_text(&places(listed("vgl")), &places(listed("vgm")));
    // lvm2 wipes what it made visible before, so that its last event is not the one that made it.
    let new = |group| placed(described(group, "|DM_ACTIVATION"));
    same_text(&new("vgl"), &new("vgm"));
    sound("vgm");
    // After a restart of the devices by the other program each.
    lvm("vgchange -q -an vgm").ok();
    volume("deactivate vgl").ok();
    assert_eq!(sh("dmsetup ls").stdout.trim(), "No devices found");
    lvm("vgchange -q -ay vgl").ok();
    volume("activate vgm").ok();
    same_text(&placed(devices("vgl")), &placed(devices("vgm")));
    lvm("vgchange -q -an vgl vgm").ok();
    done(disks);
}

fn lvm2_goes_on_with_ours() {
    let disks = disks(3, 64);
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/data 8M").ok();
    volume("create vg/wide 8M --stripes 2").ok();
    sh("head -c 8M /dev/urandom >/tmp/image; dd if=/tmp/image of=/dev/vg/data bs=1M oflag=direct status=none").ok();
    for words in [
        "lvextend -L+4M vg/data",
        "lvcreate -y -s -L4M -n snap vg/data",
        "lvremove -y vg/snap",
        "lvrename vg data files",
        "vgextend vg /dev/ram2",
        "lvcreate -y -L4M -n more vg /dev/ram2",
        "lvreduce -y -L8M vg/files",
        "vgcfgbackup vg",
        "vgck vg",
        "lvremove -y vg/more",
        "vgreduce vg /dev/ram2",
        "vgrename vg vh",
        "vgchange -an vh",
        "vgchange -ay vh",
    ] {
        lvm(words).ok();
    }
    sh("cmp /tmp/image /dev/vh/files").ok();
    sound("vh");
    volume("list vh").ok();
    lvm("vgremove -y vh").ok();
    done(disks);
}

fn we_go_on_with_lvm2s() {
    let disks = disks(3, 64);
    lvm("vgcreate -q vg /dev/ram0 /dev/ram1").ok();
    lvm("lvcreate -q -y -L8M -n data vg").ok();
    lvm("lvcreate -q -y -L8M -n wide -i2 vg").ok();
    sh("head -c 8M /dev/urandom >/tmp/image; dd if=/tmp/image of=/dev/vg/data bs=1M oflag=direct status=none").ok();
    let shown = volume("list").ok().stdout;
    assert!(shown.contains("data") && shown.contains("wide") && shown.contains("striped"), "{shown}");
    let shown = volume("show vg/data").ok().stdout;
    assert!(shown.contains("/dev/ram0") && shown.contains("extents 0-1"), "{shown}");
    for words in [
        "resize vg/data +4M",
        "resize vg/wide 16M",
        "rename vg/data files",
        "group extend vg /dev/ram2",
        "create vg/more 4M /dev/ram2",
        "resize vg/more +4M",
        "remove -y vg/more",
        "group reduce vg /dev/ram2",
        "deactivate vg",
        "group rename vg vh",
        "activate vh",
    ] {
        volume(words).ok();
        let name = if words.contains("vh") { "vh" } else { "vg" };
        if words.starts_with("group rename") {
            continue;
        }
        sound(name);
    }
    sh("cmp -n $((8<<20)) /tmp/image /dev/vh/files").ok();
    let sizes = lvm("lvs --noheadings --units m -o lv_name,lv_size vh").ok().stdout;
    assert!(sizes.contains("files 12.00m") && sizes.contains("wide  16.00m"), "{sizes}");
    let backup = sh("vgcfgrestore -l vh; ls /etc/lvm/backup /etc/lvm/archive").ok();
    assert!(backup.stdout.contains("vh"), "{backup}");
    volume("remove -y vh/files vh/wide").ok();
    volume("group remove vh").ok();
    assert_eq!(lvm("vgs --noheadings").ok().stdout, "");
    done(disks);
}

/// How often the kernel was asked to do what, and how often somebody waited for udev.
fn calls(trace: &[String]) -> (usize, usize) {
    let dm = trace.iter().filter(|line| line.contains("DM_")).count();
    (dm, trace.iter().filter(|line| line.contains("semget")).count())
}

fn activation_is_cheap_and_idempotent() {
    let disks = disks(1, 128);
    volume("group create vg /dev/ram0 --extent 1M").ok();
    let lines: String = (0..20).map(|n| format!("vg/v{n} 1M\n")).collect();
    list(&lines);
    volume("create --from /tmp/list").ok();
    volume("deactivate vg").ok();
    assert_eq!(sh("dmsetup ls").stdout.trim(), "No devices found");
    let mdctl = "/usr/local/sbin/mdctl";
    let (output, trace) = traced("ioctl,semget", &[mdctl, "volume", "activate", "vg"]);
    output.ok();
    let (dm, waits) = calls(&trace);
    assert!(dm <= 3 * 20 + 3 && waits == 1, "{dm} calls and {waits} waits:\n{}", trace.join("\n"));
    let before = devices("vg");
    assert!(before.contains("vg/v19") || before.contains("GROUP/v19"), "{before}");
    // Once more: nothing is to be done.
    let (output, trace) = traced("ioctl,semget", &[mdctl, "volume", "activate", "vg"]);
    output.ok();
    let changes = ["DM_DEV_CREATE", "DM_TABLE_LOAD", "DM_DEV_SUSPEND"];
    assert!(
        !trace.iter().any(|line| changes.iter().any(|change| line.contains(change))),
        "{}",
        trace.join("\n")
    );
    // The list costs one call for the group.
    let (output, trace) = traced("ioctl", &[mdctl, "volume", "list"]);
    let output = output.ok();
    assert!(calls(&trace).0 <= 2 && output.stdout.lines().count() == 21, "{}\n{output}", trace.join("\n"));
    // Of a stack that lvm2 half took away only the missing part is made.
    lvm("lvchange -an vg/v3 vg/v7").ok();
    volume("activate vg").ok();
    same_text(&before, &devices("vg"));
    volume("deactivate vg/v3").ok();
    assert!(!sh("ls /dev/vg").stdout.lines().any(|name| name == "v3"));
    volume("deactivate vg").ok();
    volume("deactivate vg").ok();
    assert!(!std::path::Path::new("/dev/vg").exists());
    done(disks);
}

fn old_signatures_are_gone() {
    let disks = disks(2, 64);
    volume("group create vg /dev/ram0").ok();
    volume("create vg/data 32M").ok();
    sh("mkfs.ext4 -q /dev/vg/data").ok();
    volume("remove -y vg/data").ok();
    // Without a terminal nobody is asked.
    let refused = volume("create vg/new 32M --wipe ask").fails(1);
    assert!(refused.stderr.contains("ext4") && refused.stderr.contains("--wipe"), "{refused}");
    assert_eq!(listed("vg"), "");
    volume("create vg/kept 32M --wipe no").ok();
    assert!(sh("blkid -p /dev/vg/kept").stdout.contains("ext4"));
    volume("remove -y vg/kept").ok();
    volume("create vg/new 32M").ok();
    settle();
    assert_eq!(sh("blkid -p /dev/vg/new").stdout, "");
    assert!(!sh("udevadm info -q property /dev/vg/new").stdout.contains("ID_FS_TYPE"));
    // What was wiped is kept.
    assert!(mdctl(&["history"]).ok().stdout.contains("volume create vg/new"));
    done(disks);
}

fn many_at_once() {
    let disks = disks(2, 256);
    volume("group create vg /dev/ram0 /dev/ram1 --extent 512k").ok();
    let before = lvm("vgs --noheadings -o vg_seqno vg").ok().stdout;
    let lines: String = (0..100).map(|n| format!("vg/v{n:03} 512k\n")).collect();
    list(&lines);
    volume("create --from /tmp/list --inactive").ok();
    let after = lvm("vgs --noheadings -o vg_seqno vg").ok().stdout;
    let number = |text: &str| text.trim().parse::<u64>().expect("a number");
    assert_eq!(number(&before) + 1, number(&after), "one commit");
    assert_eq!(lvm("lvs --noheadings vg").ok().stdout.lines().count(), 100);
    sound("vg");
    // All or nothing.
    list("vg/x 512k\nvg/v001 512k\n");
    volume("create --from /tmp/list").fails(1);
    list("vg/x 512k\nvg/y 512G\n");
    volume("create --from /tmp/list").fails(1);
    assert_eq!(lvm("lvs --noheadings vg").ok().stdout.lines().count(), 100);
    done(disks);
}

fn file_systems_grow_and_shrink() {
    let disks = disks(1, 768);
    volume("group create vg /dev/ram0").ok();
    volume("create vg/e 32M").ok();
    volume("create vg/x 320M").ok();
    sh("mkfs.ext4 -q /dev/vg/e && mkfs.xfs -q /dev/vg/x && mount /dev/vg/e /mnt && head -c 9M /dev/urandom >/mnt/f && sha256sum /mnt/f >/tmp/sum").ok();
    let size = |at: &str| {
        sh(&format!("df --output=size -BM {at} | tail -1"))
            .ok()
            .stdout
            .trim()
            .trim_end_matches('M')
            .parse::<u64>()
            .expect("a size")
    };
    let before = size("/mnt");
    volume("resize vg/e +32M --fs").ok();
    assert!(size("/mnt") > before + 20, "grown where it is mounted");
    // Shrinking is for what is not mounted.
    let refused = volume("resize vg/e 32M --fs").fails(1);
    assert!(refused.stderr.contains("/mnt"), "{refused}");
    // Without --fs it is refused where the file system reaches beyond the new end.
    sh("umount /mnt").ok();
    let refused = volume("resize vg/e 32M -y").fails(1);
    assert!(refused.stderr.contains("ext4") && refused.stderr.contains("--fs"), "{refused}");
    volume("resize vg/e 32M --fs -y").ok();
    sh("e2fsck -fn /dev/vg/e && mount /dev/vg/e /mnt && sha256sum -c --quiet /tmp/sum && umount /mnt").ok();
    assert_eq!(sh("blockdev --getsize64 /dev/vg/e").ok().stdout.trim(), "33554432");
    sh("mount /dev/vg/x /mnt").ok();
    let before = size("/mnt");
    volume("resize vg/x +64M --fs").ok();
    assert!(size("/mnt") > before + 50, "grown where it is mounted");
    sh("umount /mnt").ok();
    let refused = volume("resize vg/x 320M --fs -y").fails(1);
    assert!(refused.stderr.contains("xfs"), "{refused}");
    done(disks);
}

fn nothing_is_done_to_what_is_in_use() {
    let disks = disks(4, 64);
    sh("mkfs.ext4 -q /dev/ram1 && mount /dev/ram1 /mnt").ok();
    let refused = volume("group create vg /dev/ram0 /dev/ram1").fails(1);
    assert!(refused.stderr.contains("/dev/ram1") && refused.stderr.contains("/mnt"), "{refused}");
    sh("umount /mnt").ok();
    // What is on a device is told; a yes overwrites it, and it can come back.
    let refused = volume("group create vg /dev/ram0 /dev/ram1").fails(1);
    assert!(refused.stderr.contains("ext4"), "{refused}");
    assert_eq!(lvm("vgs --noheadings").ok().stdout, "");
    run(&[
        "/usr/sbin/mdadm",
        "-C",
        "/dev/md0",
        "--run",
        "-l1",
        "-n2",
        "--assume-clean",
        "-e1.0",
        "/dev/ram2",
        "/dev/ram3",
    ])
    .ok();
    let refused = volume("group create vg /dev/ram2").fails(1);
    assert!(refused.stderr.contains("md0"), "{refused}");
    volume("group create vg /dev/md0").ok();
    volume("create vg/data 8M").ok();
    // The label at the start of the member is not taken for one.
    volume("deactivate vg").ok();
    run(&["/usr/sbin/mdadm", "--stop", "/dev/md0"]).ok();
    assert!(!volume("list").stdout.contains("data"), "a member is no device of a group");
    let refused = volume("group create vh /dev/ram2").fails(1);
    assert!(refused.stderr.contains("ram2"), "{refused}");
    run(&["/usr/sbin/mdadm", "-A", "/dev/md0", "/dev/ram2", "/dev/ram3"]).ok();
    settle();
    volume("activate vg").ok();
    sh("mkfs.ext4 -q /dev/vg/data && mount /dev/vg/data /mnt").ok();
    for words in ["remove -y vg/data", "deactivate vg"] {
        let refused = volume(words).fails(1);
        assert!(refused.stderr.contains("/mnt"), "{refused}");
    }
    // A name in use, and one that is none.
    volume("create vg/data 4M").fails(1);
    volume("create vg/snapshot1 4M").fails(1);
    volume("create vg/x_tdata 4M").fails(1);
    volume("create vg/big 400G").fails(1);
    let question = volume("remove vg/data").fails(1);
    assert!(question.stderr.contains("-y") || question.stderr.contains("/mnt"), "{question}");
    sound("vg");
    sh("umount /mnt").ok();
    volume("deactivate vg").ok();
    done(disks);
}

/// RAID5 of four with 64 KiB chunks: full stripes of 192 KiB.
fn volumes_on_an_array() {
    let disks = disks(5, 64);
    let make = ["/usr/sbin/mdadm", "-C", "/dev/md0", "--run", "-l5", "-n4", "-c64", "--assume-clean"];
    run(&[&make[..], &disks.all()[..4]].concat()).ok();
    let planned = volume("group create vg /dev/md0 --dry-run").ok().stdout;
    assert!(planned.contains("commit"), "{planned}");
    assert_eq!(lvm("pvs --noheadings").ok().stdout, "");
    volume("group create vg /dev/md0").ok();
    volume("create vg/a 5M").ok();
    volume("create vg/b 5M").ok();
    let tables = sh("dmsetup table | awk '{print $NF}'").ok().stdout;
    for start in tables.lines() {
        let sector: u64 = start.parse().expect("a sector");
        assert!(sector >= 8 << 11 && sector % 384 == 0, "{tables}");
    }
    sound("vg");
    let shown = volume("show vg/a").ok().stdout;
    assert!(shown.contains("/dev/md0") && shown.contains("raid5") && shown.contains("ram3"), "{shown}");
    let json = volume("list --json").ok().stdout;
    assert!(json.contains("mdctl.volumes.1"), "{json}");
    // A read-only array takes no group; a degraded one is warned of.
    volume("deactivate vg").ok();
    sh("/usr/sbin/mdadm --readonly /dev/md0").ok();
    let refused = volume("create vg/c 4M").fails(1);
    assert!(refused.stderr.contains("md0") && refused.stderr.contains("read-only"), "{refused}");
    let refused = volume("group create vh /dev/md0").fails(1);
    assert!(refused.stderr.contains("md0"), "{refused}");
    volume("activate vg").ok();
    volume("deactivate vg").ok();
    sh("/usr/sbin/mdadm --readwrite /dev/md0; /usr/sbin/mdadm /dev/md0 -f /dev/ram3").ok();
    let warned = volume("create vg/c 4M").ok();
    assert!(warned.stderr.contains("degraded"), "{warned}");
    volume("deactivate vg").ok();
    done(disks);
}

fn a_device_is_missing() {
    let disks = disks(3, 64);
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/here 8M /dev/ram0").ok();
    volume("create vg/there 8M /dev/ram1").ok();
    volume("create vg/both 8M --stripes 2").ok();
    volume("deactivate vg").ok();
    sh("dd if=/dev/ram1 of=/tmp/ram1 bs=1M iflag=direct status=none; dd if=/dev/zero of=/dev/ram1 bs=64k count=2 oflag=direct status=none; rm -f /run/lvm/hints").ok();
    let some = volume("activate vg");
    assert!(
        some.status == 1 && some.stderr.contains("vg/there") && some.stderr.contains("vg/both"),
        "{some}"
    );
    let active = sh("dmsetup ls | awk '{print $1}' | sort").stdout;
    assert_eq!(active, "vg-here\n");
    let refused = volume("create vg/new 4M").fails(1);
    assert!(refused.stderr.contains("missing"), "{refused}");
    // Each leg that is missing is an error, as with lvm2; the others can be read.
    let all = "dmsetup table | sort; dmsetup info -c --noheadings -o name,uuid,attr,open,segments | sort; \
               ls -l /dev/vg /dev/mapper | awk '{print $1, $5, $9}'";
    volume("activate vg --partial").ok();
    let ours = sh(all).ok().stdout;
    let read = |at: u32| {
        sh(&format!("dd if=/dev/vg/both bs=64k count=1 skip={at} iflag=direct of=/dev/null")).status
    };
    assert_eq!((read(0), read(1)), (0, 1), "{ours}");
    volume("deactivate vg").ok();
    assert_eq!(sh("dmsetup ls").stdout.trim(), "No devices found");
    lvm("vgchange -q -ay --activationmode partial vg").ok();
    // Layers are numbered in another order.
    let sizes = |text: &str| text.lines().map(|line| line.replace("252:", "")).collect::<Vec<_>>().join("\n");
    same_text(&without_minors(&sizes(&sh(all).ok().stdout)), &without_minors(&sizes(&ours)));
    volume("deactivate vg").ok();
    assert_eq!(sh("dmsetup ls").stdout.trim(), "No devices found");
    volume("activate vg/both --partial").ok();
    sh("dd if=/tmp/ram1 of=/dev/ram1 bs=1M oflag=direct status=none").ok();
    volume("activate vg").ok();
    assert_eq!(sh("dmsetup ls | wc -l").stdout.trim(), "3", "what stood in for the missing one is gone");
    sound("vg");
    // Nothing is left of the group but its devices.
    sh("for d in /dev/ram0 /dev/ram1; do dd if=/dev/zero of=$d bs=64k count=2 oflag=direct status=none; done; rm -f /run/lvm/hints").ok();
    let gone = volume("deactivate vg").ok();
    assert!(gone.stderr.contains("no metadata of group vg is there"), "{gone}");
    assert_eq!(sh("dmsetup ls").stdout.trim(), "No devices found");
    done(disks);
}

/// Tables without the numbers of other device-mapper devices.
fn without_minors(text: &str) -> String {
    text.lines().map(|line| line.split(" error").next().unwrap_or(line).to_owned() + "\n").collect()
}

/// The metadata cannot be written: the devices that were gone already come back.
fn a_failed_removal_leaves_the_volume() {
    let disks = disks(2, 64);
    volume("group create vg /dev/ram0 /dev/ram1").ok();
    volume("create vg/data 8M --stripes 2").ok();
    sh("head -c 8M /dev/urandom >/tmp/image; dd if=/tmp/image of=/dev/vg/data bs=1M oflag=direct status=none").ok();
    volume("snapshot vg/data old --size 4M").ok();
    let state = || {
        settle();
        sh("dmsetup table | sed 's/25[0-9]:[0-9]*/LAYER/g' | sort; dmsetup info -c --noheadings -o name,uuid,attr | sort; ls /dev/vg; lvs --noheadings -o lv_name,lv_active vg; \
            cmp /tmp/image /dev/vg/data; cmp /tmp/image /dev/vg/old")
        .ok()
        .stdout
    };
    let before = state();
    let command = ["/usr/local/sbin/mdctl", "volume", "remove", "-y", "vg/data"];
    // Texts and pre-commits on both devices come first; these are the commits.
    for nth in [5, 6] {
        let inject = format!("inject=pwrite64:error=EIO:when={nth}");
        run(&[&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject][..], &command].concat()).fails(1);
        same_text(&before, &state());
    }
    run(&command).ok();
    assert_eq!(sh("dmsetup ls").stdout.trim(), "No devices found");
    done(disks);
}

/// Both programs change one group at the same time, each a volume of its own at every turn.
fn both_programs_at_once() {
    let disks = disks(2, 256);
    volume("group create vg /dev/ram0 /dev/ram1 --extent 1M").ok();
    let script = "
        ours() { for n in 1 2 3 4 5 6 7 8 9; do mdctl volume create vg/o$n 1M --inactive && mdctl volume resize vg/o$n +1M && \
                 mdctl volume rename vg/o$n p$n && mdctl volume activate vg/p$n || echo ours $n failed; done; }
        theirs() { for n in 1 2 3 4 5 6 7 8 9; do lvcreate -q -y -an -Zn -Wn -L1M -n l$n vg && lvextend -q -L+1M vg/l$n && \
                 lvrename -q vg l$n m$n && lvchange -q -ay vg/m$n || echo theirs $n failed; done; }
        ours >/tmp/volumes-ours 2>&1 & theirs >/tmp/volumes-theirs 2>&1 & wait; date +%s; grep -h failed /tmp/volumes-ours /tmp/volumes-theirs; tail -3 /tmp/volumes-ours; true";
    let ran = sh(script).ok();
    let sizes = lvm("lvs --noheadings --units m -o lv_name,lv_size,lv_active vg").ok().stdout;
    let whole = sizes.lines().filter(|line| line.contains("2.00m active")).count();
    assert_eq!(whole, 18, "{ran}\n{sizes}");
    sound("vg");
    let seqno: u64 = lvm("vgs --noheadings -o vg_seqno vg").ok().stdout.trim().parse().expect("a number");
    assert!(seqno > 54, "every change is one commit: {seqno}");
    volume("deactivate vg").ok();
    done(disks);
}
