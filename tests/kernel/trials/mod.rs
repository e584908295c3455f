//! Overlays and trials: members stay as they are, nobody else takes notice, nothing is left, and the right guess comes first.

mod array;
mod faults;
mod inside;
mod members;
mod shapes;

use array::{nothing_is_left, sums};

use crate::guest::{Case, Disks, mdctl, reference, run, settle, sh};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("overlays", overlays),
        Case::new("full", full),
        Case::new("order", order),
        Case::new("killed", killed),
        Case::new("bounds_of_a_trial", bounds_of_a_trial),
    ];
    cases.extend(shapes::cases());
    cases.extend(members::cases());
    cases.extend(inside::cases());
    cases.extend(faults::cases());
    cases
}

fn overlays() {
    let disks = Disks::new(3, 32768);
    let members = disks.all();
    let create = ["--create", "/dev/md0", "--run", "-l5", "-n3", "--assume-clean"];
    reference(&[&create[..], &members].concat()).ok();
    let refused = mdctl(&[&["overlay", "create"][..], &members].concat()).fails(1);
    assert!(refused.stderr.contains("is a member of md0, which is running"), "{refused}");
    let refused = mdctl(&[&["trial"][..], &members].concat()).fails(1);
    assert!(refused.stderr.contains("is a member of md0, which is running"), "{refused}");
    mdctl(&["trial", "/dev/md0"]).fails(1);
    reference(&["--stop", "/dev/md0"]).ok();
    let before = sums(&disks);

    // With the rule that assembles whatever appears, none does.
    sh("mkdir -p /run/udev/rules.d && cp /opt/reference/udev/64-* /run/udev/rules.d/ && udevadm control --reload").ok();
    mdctl(&[&["overlay", "create", "--name", "t1"][..], &members].concat()).ok();
    // A scan takes an overlay for no member.
    let scanned = mdctl(&["assemble", "--scan"]);
    assert!(!scanned.stderr.contains("has been started"), "{scanned}");
    let held = mdctl(&["zero-superblock", members[0]]).fails(2);
    assert!(held.stderr.contains("`mdctl overlay discard t1` first"), "{held}");
    settle();
    let mdstat = sh("cat /proc/mdstat; udevadm info /dev/mapper/MDOV-t1-ram0").ok().stdout;
    sh("rm /run/udev/rules.d/64-*; udevadm control --reload").ok();
    assert!(!mdstat.contains("active") && !mdstat.contains("ID_FS_TYPE"), "{mdstat}");

    reference(&[
        "--assemble",
        "/dev/md0",
        "/dev/mapper/MDOV-t1-ram0",
        "/dev/mapper/MDOV-t1-ram1",
        "/dev/mapper/MDOV-t1-ram2",
    ])
    .ok();
    sh("mkfs.ext4 -q /dev/md0").ok();
    let used = mdctl(&["overlay", "discard", "t1"]).fails(1);
    assert!(used.stderr.contains("in use by md0"), "{used}");
    reference(&["--stop", "/dev/md0"]).ok();
    settle();
    let diff = mdctl(&["overlay", "diff", "t1"]).ok();
    assert!(diff.stdout.contains("4096 bytes at           4096  metadata"), "{diff}");
    assert_eq!(sums(&disks), before);
    mdctl(&["overlay", "commit", "-y", "t1"]).ok();
    nothing_is_left();
    reference(&[&["--assemble", "/dev/md0"][..], &members].concat()).ok();
    sh("e2fsck -fn /dev/md0").ok();
    reference(&["--stop", "/dev/md0"]).ok();
}

fn full() {
    let disks = Disks::new(1, 16384);
    let before = sums(&disks);
    mdctl(&["overlay", "create", "--name", "small", "--size", "1M", disks.path(0)]).ok();
    sh("dd if=/dev/urandom of=/dev/mapper/MDOV-small-ram0 bs=64k count=64 oflag=direct").fails(1);
    let list = mdctl(&["overlay", "list"]).ok();
    assert!(list.stdout.contains("100%") && list.stderr.contains("its file is full"), "{list}");
    mdctl(&["overlay", "commit", "-y", "small"]).fails(1);
    mdctl(&["overlay", "discard", "small"]).ok();
    nothing_is_left();
    assert_eq!(sums(&disks), before);
}

/// A RAID5 with files, made anew over its members in another order.
fn broken(disks: &Disks) {
    let in_order = |order: [usize; 3]| order.map(|nth| disks.path(nth).to_owned());
    let create = |order: [usize; 3]| {
        let members = in_order(order);
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let words = ["--create", "/dev/md0", "--run", "-l5", "-n3", "-c16", "--assume-clean"];
        reference(&[&words[..], &members].concat()).ok();
    };
    create([0, 1, 2]);
    sh("mkfs.ext4 -q /dev/md0; mkdir -p /tmp/m; mount /dev/md0 /tmp/m; cd /tmp/m; \
        for d in 1 2 3 4 5 6 7 8 9; do mkdir d$d; for f in 1 2 3; do head -c 60000 /dev/urandom > d$d/f$f; done; done; \
        find . -type f | sort | xargs sha256sum > /tmp/files; cd /; umount /tmp/m")
    .ok();
    reference(&["--stop", "/dev/md0"]).ok();
    create([2, 0, 1]);
    reference(&["--stop", "/dev/md0"]).ok();
    settle();
}

fn order() {
    let disks = Disks::new(3, 32768);
    broken(&disks);
    let before = sums(&disks);
    let trial = mdctl(&[&["trial", "--json", "--assemble=1"][..], &disks.all()].concat()).ok();
    assert_eq!(sums(&disks), before);
    nothing_is_left();
    let members = trial.stdout.split("\"members\"").nth(1).unwrap_or_default().to_owned();
    let places: Vec<Option<usize>> =
        disks.all().iter().map(|disk| members.find(&format!("\"{disk}\""))).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{trial}");
    assert!(
        trial.stdout.contains("\"tool\": \"e2fsck\"") && trial.stdout.contains("\"status\": 0"),
        "{trial}"
    );

    let apply = ["trial", "--apply=1", "--assemble=0", "-y", "--name=/dev/md0"];
    mdctl(&[&apply[..], &disks.all()].concat()).ok();
    sh("mount -o ro /dev/md0 /tmp/m; cd /tmp/m; sha256sum -c --quiet /tmp/files; s=$?; cd /; umount /tmp/m; exit $s").ok();
    mdctl(&["stop", "/dev/md0"]).ok();
    mdctl(&["undo", "-y"]).ok();
    sh("rm -rf /var/lib/mdctl /tmp/files").ok();
}

/// Killed while its array stands on overlays: the next command takes all of it away.
fn killed() {
    let disks = Disks::new(3, 32768);
    broken(&disks);
    let before = sums(&disks);
    for call in ["inject=pwrite64:signal=KILL:when=1", "inject=unlink:signal=KILL:when=1"] {
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", call, "/usr/local/sbin/mdctl"];
        let words = ["trial", "--assemble=1", "--limit=1"];
        assert_ne!(run(&[&strace[..], &words, &disks.all()].concat()).status, 0, "{call}");
        settle();
        assert!(!sh("dmsetup ls | grep MDOV").stdout.is_empty(), "{call}: nothing to be found");
        let next = mdctl(&["overlay", "discard", "none"]).fails(1);
        assert!(next.stderr.contains("its overlays are gone"), "{call}: {next}");
        nothing_is_left();
        assert_eq!(sums(&disks), before);
    }
}

/// Many members of a size that nobody can read through: memory and time have an end, something is said meanwhile, and what was
/// not tried is told. Nothing is written where nothing speaks for a guess.
fn bounds_of_a_trial() {
    sh("mkdir -p /tmp/large && mount -t tmpfs -o size=600M large /tmp/large && modprobe loop").ok();
    let attach =
        "for n in $(seq 24); do truncate -s 10T /tmp/large/$n; losetup -f --show /tmp/large/$n; done";
    let devices = sh(attach).ok().stdout;
    let devices: Vec<&str> = devices.split_whitespace().collect();
    let words = ["-q", "--create", "/dev/md0", "--run", "-l6", "-n24", "--assume-clean", "--bitmap=none"];
    reference(&[&words[..], &devices].concat()).ok();
    sh("head -c 8M /dev/urandom > /dev/md0").ok();
    reference(&["-q", "--stop", "/dev/md0"]).ok();
    let all = devices.join(" ");
    sh(&format!("for d in {all}; do dd if=/dev/zero of=$d bs=4k count=4 conv=notrunc status=none; done"))
        .ok();
    let timed =
        format!("/usr/bin/time -f 'kilobytes %M seconds %e' mdctl trial --time=15 --assemble=0 {all}");
    // How far it comes in that time decides whether anything speaks for a guess.
    let said = sh(&timed);
    assert!(matches!(said.status, 0 | 1), "{said}");
    assert!(said.stderr.contains("guesses were looked at so far"), "{said}");
    assert!(said.stderr.contains("Not looked at, because time was over"), "{said}");
    let used = said.stderr.split("kilobytes ").nth(1).unwrap_or_default();
    let kilobytes: u64 = used.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
    assert!(kilobytes <= 64 << 10, "{said}");
    sh("losetup -D; umount /tmp/large").ok();

    let disks = Disks::new(2, 32768);
    let refused = mdctl(&[&["trial", "--apply=1", "--yes"][..], &disks.all()].concat()).fails(1);
    assert!(refused.stderr.contains("nothing speaks for any guess"), "{refused}");
}
