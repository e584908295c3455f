//! Every change of a shape beside the original: what is said, the status, the shape, and all of the data.

use crate::guest::{Case, Disks, Output, ours, reference, settle, sh, until};

pub(crate) fn cases() -> Vec<Case> {
    // One of eight is enough for each run; all of them are tried where all cases are.
    let cells = CELLS.iter().enumerate().map(|(nth, cell)| {
        let name = format!("as_the_original::{}::{}", cell.0.join("_"), cell.1.join("_"));
        let case = Case::new(name, || beside(cell));
        if nth % 8 == 0 { case } else { case.extra() }
    });
    cells.chain([Case::new("what_the_original_cannot", what_the_original_cannot)]).collect()
}

/// How an array is made (and how many devices it gets), and how it is changed; `+` stands for the next device.
type Cell = (&'static [&'static str], &'static [&'static str], usize);

const CELLS: &[Cell] = &[
    (&["-l1", "-n2"], &["-l0"], 2),
    (&["-l1", "-n2"], &["-l5"], 2),
    (&["-l1", "-n3"], &["-l5"], 3),
    (&["-l1", "-n2"], &["-n3"], 2),
    (&["-l1", "-n2"], &["-n3", "-f"], 2),
    (&["-l1", "-n2"], &["-n3", "-a", "+"], 2),
    (&["-l1", "-n3"], &["-n2"], 3),
    (&["-l1", "-n2"], &["-c64"], 2),
    (&["-l1", "-n2", "-x1"], &["-l5", "-n3"], 3),
    (&["-l0", "-n2", "-c64"], &["-l1"], 2),
    (&["-l0", "-n2", "-c64"], &["-l4"], 2),
    (&["-l0", "-n2", "-c64"], &["-l5"], 2),
    (&["-l0", "-n2", "-c64"], &["-l5", "-a", "+"], 2),
    (&["-l0", "-n2", "-c64"], &["-l10"], 2),
    (&["-l0", "-n2", "-c64"], &["-n3"], 2),
    (&["-l0", "-n2", "-c64"], &["-n3", "-a", "+"], 2),
    (&["-l4", "-n3", "-c64"], &["-l0"], 3),
    (&["-l4", "-n3", "-c64"], &["-l5"], 3),
    (&["-l4", "-n3", "-c64"], &["-l1"], 3),
    (&["-l5", "-n3", "-c64"], &["-l0"], 3),
    (&["-l5", "-n3", "-c64"], &["-l4"], 3),
    (&["-l5", "-n3", "-c64"], &["-l10"], 3),
    (&["-l5", "-n3", "-c64"], &["-l6"], 3),
    (&["-l5", "-n3", "-c64"], &["-n4"], 3),
    (&["-l5", "-n3", "-c64"], &["-n4", "-f"], 3),
    (&["-l5", "-n3", "-c64"], &["-p", "ra"], 3),
    (&["-l5", "-n3", "-c64"], &["-p", "bogus"], 3),
    (&["-l5", "-n3", "-c64"], &["-c128"], 3),
    (&["-l5", "-n2", "-c64"], &["-l1"], 2),
    (&["-l5", "-n3", "-x1", "-c64"], &["-l6"], 4),
    (&["-l5", "-n3", "-x1", "-c64"], &["-l6", "--layout=preserve"], 4),
    (&["-l5", "-n3", "-x1", "-c64"], &["-n4"], 4),
    (&["-l6", "-n4", "-c64"], &["-l5"], 4),
    (&["-l6", "-n5", "-c64"], &["-n4"], 5),
    (&["-l10", "-n4", "-c64"], &["-l0"], 4),
    (&["-l10", "-n4", "-c64"], &["-l5"], 4),
    (&["-l10", "-n4", "-c64"], &["-p", "n3"], 4),
    (&["-l10", "-n4", "-c64", "-pf2"], &["-n5", "-a", "+"], 4),
    (&["-l10", "-n4", "-c64"], &["-n5", "-a", "+"], 4),
    (&["-l10", "-n4", "-c64"], &["-c128"], 4),
];

fn attr(name: &str) -> String {
    sh(&format!("cat /sys/block/md9/md/{name}")).stdout.trim().to_owned()
}

/// The array with data in it.
fn make(words: &[&str], disks: &[&str]) {
    sh("rm -rf /var/lib/mdctl/reshape");
    let size: &[&str] = if words.contains(&"-l0") { &[] } else { &["-z", "10240"] };
    let create = ["-q", "-C", "/dev/md9", "--run", "--assume-clean", "--bitmap=none"];
    reference(&[&create[..], words, size, disks].concat()).ok();
    settle();
    sh("head -c $(blockdev --getsize64 /dev/md9) /dev/urandom > /dev/shm/data; \
        dd if=/dev/shm/data of=/dev/md9 bs=1M oflag=direct status=none; cd /sys/block/md9/md; \
        if [ -e sync_action ]; then echo repair > sync_action; /usr/sbin/mdadm -W /dev/md9; fi; true")
    .ok();
}

/// What it became once nothing goes on, and whether its data is what it was.
fn became() -> Vec<String> {
    let names = ["level", "raid_disks", "layout", "chunk_size", "degraded", "array_size"];
    let busy = || {
        let action = attr("sync_action");
        !matches!(action.as_str(), "idle" | "") || attr("reshape_position") != "none"
    };
    // The original gives the last level some seconds after the end, by a process of its own.
    let quiet = std::cell::Cell::new(0);
    until("nothing goes on", || {
        let waits = busy() || sh("pgrep -x 'mdadm|mdctl-follow'").status == 0;
        quiet.set(if waits { 0 } else { quiet.get() + 1 });
        quiet.get() > 2
    });
    let size = sh("blockdev --getsize64 /dev/md9").stdout.trim().to_owned();
    let same =
        sh("n=$(blockdev --getsize64 /dev/md9); m=$(stat -c %s /dev/shm/data); [ $m -lt $n ] && n=$m; \
                   dd if=/dev/md9 bs=1M iflag=direct status=none | cmp -n $n - /dev/shm/data");
    let mut found: Vec<String> = names.map(attr).into();
    sh("/usr/sbin/mdadm -q --stop /dev/md9; udevadm settle");
    found.extend([size, if same.status == 0 { "the data is there".to_owned() } else { same.to_string() }]);
    found
}

fn beside((create, grow, count): &Cell) {
    let run = |program: fn(&[&str]) -> Output| {
        let disks = Disks::new(6, 20 << 10);
        let all = disks.all();
        make(create, &all[..*count]);
        let mut next = all[*count..].iter();
        let words: Vec<&str> = grow
            .iter()
            .map(|word| if *word == "+" { *next.next().expect("a device") } else { word })
            .collect();
        let said = program(&[&["--grow", "/dev/md9"], words.as_slice()].concat());
        (said, became())
    };
    let (theirs, as_theirs) = run(reference);
    let (said, as_ours) = run(ours);
    assert_eq!(as_ours.last().map(String::as_str), Some("the data is there"), "{said}");
    assert_eq!((theirs.status, &as_theirs), (said.status, &as_ours), "{theirs}\n{said}");
    // What the original says of its own writes to sysfs, and that it waits, is its own.
    let lines = |output: &Output| {
        let text = format!("{}{}", output.stdout, output.stderr);
        let own = |line: &&str| !line.contains("failed to write") && !line.contains("wait 5 seconds");
        text.lines().filter(own).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let (theirs, said) = (lines(&theirs), lines(&said));
    let missing: Vec<_> = theirs.iter().filter(|line| !said.contains(line)).collect();
    assert!(missing.is_empty(), "not said: {missing:?} of {theirs:?}, but {said:?}");
}

/// Cells that the original refuses, although the kernel can.
fn what_the_original_cannot() {
    for (create, grow, count, becomes) in [
        (&["-l0", "-n2", "-c64"][..], &["-l6"][..], 2, ["raid6", "4", "2"]),
        (&["-l4", "-n3", "-x1", "-c64"], &["-l6"], 4, ["raid6", "4", "2"]),
        (&["-l6", "-n4", "-c64"], &["-l4"], 4, ["raid4", "3", "0"]),
        (&["-l6", "-n4", "-c64"], &["-l0"], 4, ["raid0", "2", "0"]),
        (&["-l5", "-n2", "-c64"], &["-l0"], 2, ["raid0", "1", "0"]),
        (&["-l1", "-n2"], &["-l4"], 2, ["raid4", "2", "0"]),
    ] {
        let disks = Disks::new(6, 20 << 10);
        make(create, &disks.all()[..count]);
        ours(&[&["--grow", "/dev/md9"], grow].concat()).ok();
        let found = became();
        assert_eq!(found[..3], becomes, "{create:?} {grow:?}: {found:?}");
        assert_eq!(found.last().map(String::as_str), Some("the data is there"), "{create:?} {grow:?}");
    }
}
