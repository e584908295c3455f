//! The power fails in the midst of reshapes: on whichever road, after any write, with any of what was not flushed lost or torn. The
//! members and the disk with what is set aside are parts of one device, so their writes have one order.

use crate::{
    guest::{Case, Disks, sh, tried, until},
    powercut::{Logged, read_log},
};

pub(crate) fn cases() -> Vec<Case> {
    ROADS
        .iter()
        .map(|road| Case::new(format!("the_power_fails::{}", road.name), || cut(road)).needs("dm-log-writes"))
        .collect()
}

/// A change, and where its data goes meanwhile.
struct Road {
    name: &'static str,
    /// How the array is made.
    create: &'static str,
    members: usize,
    /// How it is changed.
    grow: &'static str,
    /// Level, layout, chunk and slots in the end.
    becomes: [&'static str; 4],
}

const ROADS: [Road; 8] = [
    Road {
        name: "moved_to_more_devices",
        create: "-l5 -n3 -x1 -c64 -e1.2 -z 10240",
        members: 4,
        grow: "-n4",
        becomes: ["raid5", "2", "65536", "4"],
    },
    Road {
        name: "moved_to_fewer_devices",
        create: "-l5 -n4 -c64 -e1.2 -z 8192",
        members: 4,
        grow: "-n3",
        becomes: ["raid5", "2", "65536", "3"],
    },
    Road {
        name: "moved_in_place",
        create: "-l6 -n4 -c64 -e1.2 -z 10240",
        members: 4,
        grow: "-c128",
        becomes: ["raid6", "2", "131072", "4"],
    },
    Road {
        name: "moved_and_another_level",
        create: "-l6 -n4 -c64 -e1.2 -z 10240",
        members: 4,
        grow: "-l5",
        becomes: ["raid5", "2", "65536", "3"],
    },
    Road {
        name: "set_aside_in_place",
        create: "-l5 -n3 -c64 -e0.90 -z 12160",
        members: 3,
        grow: "-c128",
        becomes: ["raid5", "2", "131072", "3"],
    },
    Road {
        name: "set_aside_in_place_and_another_level",
        create: "-l6 -n4 -c64 -e0.90 -z 12160",
        members: 4,
        grow: "-l5",
        becomes: ["raid5", "2", "65536", "3"],
    },
    Road {
        name: "set_aside_for_more_devices",
        create: "-l5 -n3 -x1 -c64 -e0.90 -z 12160",
        members: 4,
        grow: "-n4",
        becomes: ["raid5", "2", "65536", "4"],
    },
    Road {
        name: "set_aside_for_fewer_devices",
        create: "-l5 -n4 -c64 -e0.90 -z 12160",
        members: 4,
        grow: "-n3",
        becomes: ["raid5", "2", "65536", "3"],
    },
];

/// Of each member, and of the disk with what is set aside.
const MEMBER: u64 = 12 << 10;
const STORE: u64 = 16 << 10;
/// Cuts of each road where nothing else is said.
const CUTS: usize = 1;
/// All of them.
const MANY: usize = 70;

/// Numbers that look like chance and are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}

/// The program that is tried.
fn grower() -> String {
    std::env::var("MDCTL_GROWER").unwrap_or_else(|_| "mdadm".to_owned())
}

fn script(text: &str) -> String {
    let done = sh(&format!("set -e; {text}"));
    assert_eq!(done.status, 0, "{text}\n{done}");
    done.stdout
}

/// Members `/dev/mapper/m0` and so on, and a file system for all that is noted, as parts of a device.
fn parts(device: &str, members: usize) {
    for n in 0..members {
        let from = u64::try_from(n).expect("a number") * MEMBER * 2;
        script(&format!("dmsetup create m{n} --table '0 {} linear {device} {from}'", MEMBER * 2));
    }
    let from = u64::try_from(members).expect("a number") * MEMBER * 2;
    script(&format!("dmsetup create st --table '0 {} linear {device} {from}'; udevadm settle", STORE * 2));
}

fn mount() {
    script("mkdir -p /var/lib/mdctl; mount /dev/mapper/st /var/lib/mdctl");
}

fn away(members: usize) {
    sh("pkill -x mdctl-follow; mdadm -q --stop --scan; umount /var/lib/mdctl; udevadm settle");
    until("nobody follows", || sh("pgrep -x mdctl-follow").status != 0);
    for n in 0..members {
        sh(&format!("dmsetup remove --retry m{n}"));
    }
    sh("dmsetup remove --retry st; udevadm settle");
}

fn attr(name: &str) -> String {
    sh(&format!("cat /sys/block/md*/md/{name}")).stdout.trim().to_owned()
}

fn shape() -> [String; 4] {
    ["level", "layout", "chunk_size", "raid_disks"].map(attr)
}

fn is_over(road: &Road) -> bool {
    shape() == road.becomes && attr("reshape_position") == "none" && attr("sync_action") == "idle"
}

/// The log of all writes from the begin of the change to its end, and the device before.
fn recorded(road: &Road, disks: &Disks) -> (Vec<u8>, Vec<Logged>) {
    let size = u64::try_from(road.members).expect("a number") * MEMBER + STORE;
    script(&format!(
        "modprobe dm_log_writes; dmsetup create lw --table '0 {} log-writes {} {}'; udevadm settle",
        size * 2,
        disks.path(0),
        disks.path(1)
    ));
    parts("/dev/mapper/lw", road.members);
    script("mkfs.ext4 -q -E nodiscard /dev/mapper/st");
    mount();
    let members: Vec<String> = (0..road.members).map(|n| format!("/dev/mapper/m{n}")).collect();
    let members = members.join(" ");
    script(&format!(
        "/usr/sbin/mdadm -qC /dev/md0 {} --run --assume-clean --bitmap=none {members}; udevadm settle; \
         size=$(blockdev --getsize64 /dev/md0); head -c $size /dev/urandom > /dev/shm/data; \
         dd if=/dev/shm/data of=/dev/md0 bs=1M oflag=direct status=none; \
         echo repair > /sys/block/md0/md/sync_action; /usr/sbin/mdadm -W /dev/md0 || true",
        road.create
    ));
    if road.grow == "-n3" {
        // What fewer members hold, and a little less, is all that there is.
        script(
            "k=$(($(cat /sys/block/md0/md/component_size) * 2 - 1024)); mdadm --grow /dev/md0 --array-size $k; \
             truncate -s $((k * 1024)) /dev/shm/data",
        );
    }
    script("sync; dmsetup message lw 0 mark start");
    let before = disks.read(0, 0, usize::try_from(size << 10).expect("a size"));
    script(&format!(
        "echo 4000 > /sys/block/md0/md/sync_speed_max; {} --grow /dev/md0 {}",
        grower(),
        road.grow
    ));
    until("the array has its new shape", || is_over(road));
    until("nobody follows", || sh("pgrep -x mdctl-follow").status != 0);
    script("dmsetup message lw 0 mark end; cmp -n $(stat -c %s /dev/shm/data) /dev/md0 /dev/shm/data");
    away(road.members);
    script("dmsetup remove --retry lw");
    (before, read_log(disks.path(1)))
}

/// What is on the device when the power fails after so many writes: what was not flushed is there, or not, or in part.
fn image(before: &[u8], log: &[Logged], up_to: usize, chance: &mut Chance) -> (Vec<u8>, u64) {
    let mut image = before.to_vec();
    let flushed = log[..up_to].iter().rposition(|entry| entry.flush).unwrap_or(0);
    let kind = chance.below(4);
    for (nth, entry) in log[..up_to].iter().enumerate() {
        let at = usize::try_from(entry.sector * 512).expect("an offset");
        let mut length = entry.data.len();
        if nth > flushed && length > 0 {
            match (kind, chance.below(3)) {
                (0, _) => {}
                (1, _) | (_, 0) => length = 0,
                // Whole pages, then sectors of one.
                (2, 1) => length = length.min(4096),
                (_, 1) => {
                    let sectors = u64::try_from(length / 512).expect("a number");
                    length = usize::try_from(chance.below(sectors + 1)).expect("a number") * 512;
                }
                _ => {}
            }
        }
        image[at..at + length].copy_from_slice(&entry.data[..length]);
    }
    (image, kind)
}

fn cut(road: &Road) {
    sh("mdadm -q --stop --scan; dmsetup remove_all --retry; umount /var/lib/mdctl; rm -rf /run/mdctl");
    let size = u64::try_from(road.members).expect("a number") * MEMBER + STORE;
    // The log has each write and a sector more.
    let disks = Disks::new(2, size * 6);
    let (before, log) = recorded(road, &disks);
    let from = log.iter().position(|entry| entry.mark.as_deref() == Some("start")).expect("the first mark");
    let to = log.iter().position(|entry| entry.mark.as_deref() == Some("end")).expect("the last mark");
    let log = &log[from..to];
    disks.wipe();
    let mut chance = Chance(u64::try_from(log.len()).expect("a number"));
    let cuts = if tried(MANY) == MANY { MANY } else { CUTS };
    for nth in 0..cuts {
        let share = u64::try_from(log.len() / cuts).expect("a number");
        let up_to = usize::try_from(chance.below(share)).expect("a number") + log.len() * nth / cuts;
        let (image, kind) = image(&before, log, up_to, &mut chance);
        let what = format!("{}: after {up_to} of {} writes, loss {kind}", road.name, log.len());
        disks.write(0, 0, &image);
        survives(road, &disks, &what);
    }
    println!("{}: {cuts} power cuts, {} writes", road.name, log.len());
}

/// By udev's events, or by a command; what is there is right at once and in the end.
fn survives(road: &Road, disks: &Disks, what: &str) {
    parts(disks.path(0), road.members);
    mount();
    let members: Vec<String> = (0..road.members).map(|n| format!("/dev/mapper/m{n}")).collect();
    let mut said = String::new();
    for member in &members {
        let joined = sh(&format!("mdadm -I {member}"));
        said.push_str(&format!("{member}: {joined}"));
    }
    if sh("ls -d /sys/block/md*/md/dev-*").status != 0 || attr("array_state") == "inactive" {
        let started = sh("mdadm -IRs; mdadm --assemble --scan");
        said.push_str(&started.to_string());
    }
    let array = sh("ls -d /sys/block/md* | head -1").stdout.trim().replace("/sys/block/", "/dev/");
    let compare = format!(
        "n=$(stat -c %s /dev/shm/data); [ $(blockdev --getsize64 {array}) -ge $n ] && \
         dd if={array} bs=1M iflag=direct status=none | cmp -n $n - /dev/shm/data"
    );
    let state = || sh("cat /proc/mdstat; dmesg | tail -15; ls -la /var/lib/mdctl/reshape").to_string();
    let read = sh(&compare);
    let at_once = read;
    sh("for f in /sys/block/md*/md/sync_speed_max; do echo 500000 > $f; done");
    // Before the change began it is as it was.
    if attr("reshape_position") == "none" && !is_over(road) && sh("pgrep -x mdctl-follow").status != 0 {
        said.push_str("\nit had not begun\n");
    } else {
        until("the array has its new shape", || {
            is_over(road) || attr("reshape_position") == "none" && sh("pgrep -x mdctl-follow").status != 0
        });
        assert!(is_over(road), "{what}: {:?} {said}\n{}", shape(), state());
    }
    let read = sh(&compare);
    assert_eq!(
        (at_once.status, read.status),
        (0, 0),
        "{what}: at once {at_once}, in the end {read}\n{said}\n{}",
        state()
    );
    sh("for f in /sys/block/md*/md/sync_action; do echo check > $f; done");
    until("the check is over", || attr("sync_action") == "idle");
    assert_eq!(attr("mismatch_cnt"), "0", "{what}: {said}\n{}", state());
    assert_eq!((attr("suspend_lo"), attr("suspend_hi")), ("0".into(), "0".into()), "{what}");
    assert_eq!(attr("sync_max"), "max", "{what}");
    away(road.members);
}
