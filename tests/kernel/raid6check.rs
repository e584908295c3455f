//! `raid6check`: wrong blocks of a RAID6 array are found, told in the original's words, and put right while the array is written to.

use crate::guest::{
    Case, Disks, Output, ours, read_by_a_ring, reference, run, settle, sh, traced, tried, until, wait_idle,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_page_of_each_member", a_page_of_each_member),
        Case::new("two_slots_of_a_stripe", two_slots_of_a_stripe),
        Case::new("other_layouts", other_layouts),
        Case::new("nothing_is_wrong_while_it_is_written_to", nothing_is_wrong_while_it_is_written_to),
        Case::new("killed_while_writes_are_held_back", killed_while_writes_are_held_back),
        Case::new("what_is_refused", what_is_refused),
        Case::new("what_a_check_costs", what_a_check_costs),
    ]
}

const CHUNK: u64 = 64 << 10;
/// Where the data of each member begins.
const OFFSET: u64 = 1 << 20;
const DISKS: usize = 5;

/// Clean, with data in all of it.
struct Array {
    disks: Disks,
}

impl Array {
    fn new(words: &[&str]) -> Self {
        let disks = Disks::new(DISKS, 20 << 10);
        let create =
            ["-q", "-C", "/dev/md6", "--run", "-l6", "-n5", "-c64", "--data-offset=1M", "--bitmap=none"];
        reference(&[&create[..], words, &disks.all()].concat()).ok();
        settle();
        sh("head -c 40M /dev/urandom > /dev/shm/data; dd if=/dev/shm/data of=/dev/md6 bs=1M oflag=direct status=none").ok();
        wait_idle();
        Self { disks }
    }

    /// Turns bytes of a member's stripe over.
    fn spoil(&self, slot: usize, stripe: u64, at: u64, length: usize) {
        let at = OFFSET + stripe * CHUNK + at;
        let bytes: Vec<u8> = self.disks.read(slot, at, length).into_iter().map(|byte| !byte).collect();
        self.disks.write(slot, at, &bytes);
    }

    /// The data is as it was written, by the page cache's idea too, and md itself finds no mismatch.
    #[track_caller]
    fn is_sound(&self) {
        sh("cmp -n 41943040 /dev/md6 /dev/shm/data").ok();
        sh("dd if=/dev/md6 bs=1M count=40 iflag=direct status=none | cmp - /dev/shm/data").ok();
        sh("echo check > /sys/block/md6/md/sync_action").ok();
        until("the check is over", || attr("sync_action") == "idle");
        assert_eq!(attr("mismatch_cnt"), "0");
        assert_eq!((attr("suspend_lo"), attr("suspend_hi")), ("0".into(), "0".into()));
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        let _ = std::fs::remove_file("/dev/shm/data");
    }
}

fn attr(name: &str) -> String {
    std::fs::read_to_string(format!("/sys/block/md6/md/{name}"))
        .expect("the attribute is there")
        .trim()
        .to_owned()
}

fn six(words: &[&str]) -> Output {
    run(&[&["/usr/local/sbin/raid6check"], words].concat())
}

/// The lines that name a finding, without the role in the stripe.
fn found(output: &Output) -> Vec<String> {
    let lines = output.stdout.lines().filter(|line| line.contains("rror") || line.contains("epair"));
    let short = |line: &str| match (line.split_once(": possible failed disk slot "), line.split_once(" --> "))
    {
        (Some((begin, role_and)), Some((_, path))) => {
            format!(
                "{begin}: {} {path}",
                role_and.split_once(": ").map_or("", |(_, slot)| slot.split(' ').next().unwrap_or(""))
            )
        }
        _ => line.to_owned(),
    };
    lines.map(short).collect()
}

fn a_page_of_each_member() {
    let array = Array::new(&["--assume-clean"]);
    let clean = six(&["/dev/md6", "0", "0"]).ok();
    let header: Vec<&str> = clean.stdout.lines().collect();
    let stripes = attr("component_size").parse::<u64>().expect("a number") * 1024 / CHUNK;
    assert_eq!(
        header[..5],
        [
            "layout: 2",
            "disks: 5",
            &format!("component size: {}", stripes * CHUNK),
            &format!("total stripes: {stripes}"),
            "chunk size: 65536",
        ]
    );
    assert!(clean.stdout.contains("- offset: 1048576 -") && found(&clean).is_empty(), "{clean}");
    for slot in 0..DISKS {
        let nth = u64::try_from(slot).expect("small");
        array.spoil(slot, 10 + 3 * nth, nth * 4096 + 100, 9);
    }
    let expected: Vec<String> = (0..DISKS)
        .map(|slot| format!("Error detected at stripe {}, page {slot}: {slot} /dev/ram{slot}", 10 + 3 * slot))
        .collect();
    assert_eq!(found(&six(&["/dev/md6", "0", "0"]).ok()), expected);
    assert_eq!(found(&six(&["/dev/md6", "11", "3"]).ok()), expected[1..2], "a part of it");
    assert_eq!(found(&six(&["/dev/md6", "0", "0", "other"]).ok()), expected, "nothing was put right yet");
    let put_right = found(&six(&["/dev/md6", "0", "0", "autorepair"]).ok());
    let repaired = (0..DISKS).map(|slot| format!("Auto-repairing slot {slot} (/dev/ram{slot})"));
    let both: Vec<String> =
        expected.into_iter().zip(repaired).flat_map(|(one, other)| [one, other]).collect();
    assert_eq!(put_right, both);
    assert!(found(&six(&["/dev/md6", "0", "0"]).ok()).is_empty());
    array.is_sound();
}

/// Whom nobody can be blamed for is named, and left alone until both slots are said.
fn two_slots_of_a_stripe() {
    let array = Array::new(&["--assume-clean"]);
    for (one, other, stripe) in [(0, 1, 20), (3, 4, 21), (0, 4, 22), (2, 3, 23)] {
        array.spoil(one, stripe, 8192, 4096);
        array.spoil(other, stripe, 8192 + 50, 300);
        let unknown = [format!("Error detected at stripe {stripe}, page 2: disk slot unknown")];
        let stripe = stripe.to_string();
        assert_eq!(found(&six(&["/dev/md6", &stripe, "1", "autorepair"]).ok()), unknown, "left alone");
        let (one, other) = (one.to_string(), other.to_string());
        let repair = six(&["/dev/md6", "repair", &stripe, &one, &other]).ok();
        assert!(repair.stdout.contains(&format!("Repairing stripe {stripe}\n")), "{repair}");
        let slots =
            format!("Assuming slots {one} (/dev/ram{one}) and {other} (/dev/ram{other}) are incorrect");
        assert!(repair.stdout.contains(&slots), "{repair}");
        assert!(found(&six(&["/dev/md6", "0", "0"]).ok()).is_empty());
    }
    array.is_sound();
}

fn other_layouts() {
    for layout in
        ["right-asymmetric", "left-symmetric-6", "parity-first-6", "ddf-N-continue", "ddf-zero-restart"]
    {
        let array = Array::new(&["--assume-clean", "--layout", layout]);
        for slot in 0..DISKS {
            array.spoil(slot, 7 + u64::try_from(slot).expect("small"), 0, 65536);
        }
        let output = six(&["/dev/md6", "0", "0", "autorepair"]).ok();
        for slot in 0..DISKS {
            let lines = found(&output);
            let of = lines.iter().filter(|line| line.ends_with(&format!(": {slot} /dev/ram{slot}")));
            assert_eq!(of.count(), 16, "{layout} {slot}: {output}");
        }
        array.is_sound();
        sh("/usr/sbin/mdadm -S /dev/md6").ok();
    }
}

/// What is written meanwhile is no error, and is not made old again.
fn nothing_is_wrong_while_it_is_written_to() {
    let array = Array::new(&["--assume-clean"]);
    let writer = "while [ $SECONDS -lt 20 ]; do dd if=/dev/shm/data of=/dev/md6 bs=64k oflag=direct status=none; done & \
                  n=0; while [ $SECONDS -lt 20 ]; do raid6check /dev/md6 0 0 autorepair | grep -E 'rror|epair'; \
                  [ ${PIPESTATUS[0]} = 0 ] || echo status; n=$((n + 1)); done; wait; echo times $n";
    let output = sh(writer).ok();
    let times: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("times")).collect();
    assert!(found(&output).is_empty() && !times.is_empty() && !output.stdout.contains("status"), "{output}");
    array.is_sound();
}

fn killed_while_writes_are_held_back() {
    let array = Array::new(&["--assume-clean"]);
    let check = ["/usr/local/sbin/raid6check", "/dev/md6", "30", "1", "autorepair"];
    for call in ["write", "pwrite64", "io_submit"] {
        array.spoil(2, 30, 4096, 4096);
        let (_, trace) = traced(call, &check);
        let made = trace.iter().filter(|line| line.contains(&format!(" {call}("))).count();
        for nth in (1..=made).step_by(made.div_ceil(tried(12)).max(1)) {
            array.spoil(2, 30, 4096, 4096);
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            run(&[&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject], &check[..]].concat());
            // The next command that changes something lets writes through again.
            ours(&["--zero-superblock", "/dev/loop7"]);
            assert_eq!(attr("suspend_hi"), "0", "killed at {call} {nth}");
            six(&["/dev/md6", "30", "1", "autorepair"]).ok();
            assert!(found(&six(&["/dev/md6", "0", "0"]).ok()).is_empty(), "killed at {call} {nth}");
        }
    }
    array.is_sound();
}

fn what_is_refused() {
    let array = Array::new(&[]);
    let refused = |words: &[&str], status: i32, text: &str| {
        let output = six(words).fails(status);
        assert!(output.stderr.contains(text), "{output}");
    };
    refused(&["/dev/md6"], 1, "Usage: raid6check");
    refused(&["/dev/none", "0", "0"], 2, "/dev/none");
    refused(&["/dev/md6", "x", "0"], 4, "Bad number: x");
    refused(
        &["/dev/md6", "repair", "1", "0", "5"],
        4,
        "failed_slot_2 index is higher than number of devices in raid",
    );
    refused(&["/dev/md6", "repair", "1", "2", "2"], 4, "failed_slot_1 and failed_slot_2 are the same");
    refused(&["/dev/md6", "repair", "99999", "1", "2"], 4, "stripes");
    let beyond = six(&["/dev/md6", "99999", "0"]).ok();
    assert!(beyond.stderr.contains("start beyond disks size"), "{beyond}");
    sh("echo 64 > /sys/block/md6/md/sync_speed_max; echo check > /sys/block/md6/md/sync_action").ok();
    refused(&["/dev/md6", "0", "0", "autorepair"], 7, "a check runs");
    sh("echo idle > /sys/block/md6/md/sync_action; echo system > /sys/block/md6/md/sync_speed_max").ok();
    wait_idle();
    reference(&["/dev/md6", "-f", array.disks.path(1)]).ok();
    refused(&["/dev/md6", "0", "0"], 8, "degraded array");
    sh("/usr/sbin/mdadm -S /dev/md6").ok();
    settle();
    reference(&[
        "-q",
        "-C",
        "/dev/md5",
        "--run",
        "-l5",
        "-n3",
        "--assume-clean",
        "/dev/ram0",
        "/dev/ram1",
        "/dev/ram2",
    ])
    .ok();
    refused(&["/dev/md5", "0", "0"], 3, "not a RAID-6");
}

/// Nothing is held back for what fits, and what is read is read in large pieces.
fn what_a_check_costs() {
    let _array = Array::new(&["--assume-clean"]);
    let (output, trace) = traced(
        "openat,pread64,preadv2,io_submit,io_uring_enter,write",
        &["/usr/local/sbin/raid6check", "/dev/md6", "0", "0"],
    );
    output.ok();
    assert!(!trace.iter().any(|line| line.contains("suspend_") && line.contains("write(")), "{trace:#?}");
    let calls = trace.iter().filter(|line| line.contains("</dev/ram") && !line.contains("openat")).count();
    // 19 MiB of each of 5 members, 1 MiB at a time.
    assert_eq!(calls + read_by_a_ring(&trace), 5 * 19, "{trace:#?}");
}
