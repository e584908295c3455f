//! Nothing overwritten is lost: arrays with files are destroyed by mistake and brought back.

use crate::guest::{self, Case, Disks, mdctl, ours, reference, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("create_by_mistake", create_by_mistake),
        Case::new("zeroed_by_mistake", zeroed_by_mistake),
        Case::new("forced_by_mistake", forced_by_mistake),
        Case::new("updated_and_added_by_mistake", updated_and_added_by_mistake),
        Case::new("undo_is_undone", undo_is_undone),
        Case::new("undo_refuses_what_changed_since", undo_refuses_what_changed_since),
        Case::new("archive_that_cannot_be_written", archive_that_cannot_be_written),
        Case::new("killed_between_archive_and_write", killed_between_archive_and_write),
        Case::new("damaged_entries_are_refused_by_name", damaged_entries_are_refused_by_name),
        Case::new("devices_are_known_by_their_identity", devices_are_known_by_their_identity),
        Case::new("zero_superblock_as_the_reference", zero_superblock_as_the_reference),
        Case::new("dump_and_restore_with_the_reference", dump_and_restore_with_the_reference),
        Case::new("create_after_a_yes", create_after_a_yes),
        Case::new("destroy_names_the_array", destroy_names_the_array),
    ]
}

/// No entries from cases before.
pub(crate) fn empty_archive() {
    sh("rm -rf /var/lib/mdctl /run/mdctl").ok();
}

fn entries() -> Vec<String> {
    let history = mdctl(&["history", "--json"]).ok();
    let names = history.stdout.lines().filter(|line| line.contains("\"id\""));
    let mut names: Vec<String> = names.filter_map(|line| Some(line.split('"').nth(3)?.to_owned())).collect();
    names.reverse();
    names
}

/// A RAID5 of four with files on it, stopped.
pub(crate) fn with_files() -> Disks {
    empty_archive();
    let disks = Disks::new(4, 16 << 10);
    let words =
        ["--create", "/dev/md0", "--run", "-l5", "-n4", "-c64", "--assume-clean", "--bitmap=internal"];
    reference(&[&words[..], &disks.all()].concat()).ok();
    sh("mkfs.ext4 -q /dev/md0 && mount /dev/md0 /mnt && cd /mnt && head -c 4000000 /dev/urandom >f0 && \
        for n in 1 2 3 4 5 6; do tail -c +${n}0000 f0 >f$n; done && sha256sum f* >/tmp/sums && cd / && umount /mnt")
    .ok();
    reference(&["--stop", "/dev/md0"]).ok();
    guest::settle();
    disks
}

/// The array comes up from its own metadata, clean and whole, and every file is as it was.
#[track_caller]
pub(crate) fn files_are_intact(disks: &Disks) {
    ours(&[&["--assemble", "/dev/md0"][..], &disks.all()].concat()).ok();
    let state = sh("cat /sys/block/md0/md/degraded /sys/block/md0/md/sync_action").ok();
    assert_eq!(state.stdout, "0\nidle\n", "{}", guest::mdstat());
    let found = sh(
        "mount -o ro /dev/md0 /mnt && cd /mnt && sha256sum --quiet -c /tmp/sums; s=$?; cd /; umount /mnt; \
                    [ $s = 0 ] && fsck.ext4 -fn /dev/md0",
    );
    found.ok();
    ours(&["--stop", "/dev/md0"]).ok();
    guest::settle();
}

/// Other order, level and chunk; taken for clean, so that nothing is resynced.
fn mistaken(disks: &Disks) -> Vec<String> {
    let words = "--create /dev/md0 --run -l6 -n4 -c32 --assume-clean -e1.0";
    let members = [3, 1, 0, 2].map(|n| disks.path(n));
    words.split(' ').chain(members).map(str::to_owned).collect()
}

fn words(of: &[String]) -> Vec<&str> {
    of.iter().map(String::as_str).collect()
}

pub(crate) fn stop() {
    ours(&["--stop", "/dev/md0"]).ok();
    guest::settle();
}

fn create_by_mistake() {
    let disks = with_files();
    ours(&words(&mistaken(&disks))).ok();
    guest::settle();
    let busy = mdctl(&["undo", "-y"]).fails(1);
    assert!(busy.stderr.contains("is in use by array md0"), "{busy}");
    assert!(busy.stderr.contains("mdctl stop /dev/md0"), "{busy}");
    // It ran, was written to by the kernel, and was assembled once more.
    stop();
    ours(&[&["--assemble", "/dev/md0"][..], &disks.all()].concat()).ok();
    stop();
    let before: Vec<_> = (0..4).map(|n| disks.read(n, 0, 1 << 20)).collect();
    mdctl(&["undo", "--dry-run"]).ok();
    for (n, before) in before.iter().enumerate() {
        guest::same_bytes("a dry run writes nothing", before, &disks.read(n, 0, 1 << 20));
    }
    let done = mdctl(&["undo", "-y"]).ok();
    assert!(done.stdout.contains(": create /dev/md0"), "{done}");
    files_are_intact(&disks);
    assert_eq!(entries().len(), 2);
    let [_, undo] = &entries()[..] else { panic!("two entries") };
    assert!(done.stdout.contains(&format!("`mdctl undo {undo}` takes this back")), "{done}");
    let again = mdctl(&["undo", "-y"]).fails(1);
    assert!(again.stderr.contains("the last change is an undo itself"), "{again}");
}

fn zeroed_by_mistake() {
    let disks = with_files();
    ours(&[&["--zero-superblock"][..], &disks.all()].concat()).ok();
    assert_eq!(reference(&["--examine", disks.path(0)]).status, 1);
    assert_eq!(entries().len(), 1, "one entry for all four");
    mdctl(&["undo", "-y"]).ok();
    files_are_intact(&disks);
}

/// A member that was left behind goes in by force where a fresh one is missing; the undo takes it out again.
fn forced_by_mistake() {
    let disks = with_files();
    let assemble = |members: [usize; 3], more: &[&str]| {
        let members = members.map(|n| disks.path(n));
        ours(&[&["--assemble", "/dev/md0"][..], &members, more].concat())
    };
    // The fourth is away while something is written.
    assemble([0, 1, 2], &["--run"]).ok();
    sh("mount /dev/md0 /mnt; echo later >/mnt/later; umount /mnt").ok();
    stop();
    let examined = |n: usize| reference(&["--examine", disks.path(n)]).ok().stdout;
    let before: Vec<String> = (0..4).map(examined).collect();
    empty_archive();
    assemble([0, 1, 3], &[]).fails(1);
    assemble([0, 1, 3], &["--force"]).ok();
    stop();
    assert_ne!(before[3], examined(3), "the stale member was taken for fresh");
    mdctl(&["undo", "-y"]).ok();
    for (n, before) in before.iter().enumerate() {
        guest::same_text(before, &examined(n));
    }
    assemble([0, 1, 3], &[]).fails(1);
    assemble([0, 1, 2], &["--run"]).ok();
    sh("mount -o ro /dev/md0 /mnt && cd /mnt && sha256sum --quiet -c /tmp/sums && grep -q later later; s=$?; cd /; umount /mnt; exit $s").ok();
    stop();
}

/// A new UUID that nobody wanted, and a disk that was added to the wrong array.
fn updated_and_added_by_mistake() {
    let disks = with_files();
    let line = || reference(&["--examine", "--brief", disks.path(0)]).ok().stdout;
    let before = line();
    ours(&[&["--assemble", "/dev/md0", "--update=uuid"][..], &disks.all()].concat()).ok();
    stop();
    assert_ne!(before, line());
    mdctl(&["undo", "-y"]).ok();
    assert_eq!(before, line());
    files_are_intact(&disks);
    // The first disk leaves its array for another one.
    let other = guest::loop_disk("other", 16 << 20);
    ours(&[
        "--create",
        "/dev/md1",
        "--run",
        "-l1",
        "-n2",
        "--bitmap=none",
        "--assume-clean",
        &other,
        "missing",
    ])
    .ok();
    ours(&["/dev/md1", "--add", disks.path(0)]).ok();
    guest::wait_idle();
    let busy = mdctl(&["undo", "-y"]).fails(1);
    assert!(busy.stderr.contains("is in use by array md1"), "{busy}");
    ours(&["/dev/md1", "--fail", disks.path(0), "--remove", disks.path(0)]).ok();
    ours(&["--stop", "/dev/md1"]).ok();
    guest::settle();
    let undone = mdctl(&["undo", "-y"]).ok();
    // Its data is gone, and the others are enough: it is filled again.
    assert!(undone.stderr.contains("so it is left without a superblock"), "{undone}");
    assert_eq!(reference(&["--examine", disks.path(0)]).fails(1).stdout, "");
    sh(&format!("losetup -d {other}")).ok();
}

fn undo_is_undone() {
    let disks = with_files();
    let old: Vec<_> = (0..4).map(|n| disks.read(n, 0, 16 << 20)).collect();
    ours(&words(&mistaken(&disks))).ok();
    stop();
    let new: Vec<_> = (0..4).map(|n| disks.read(n, 0, 16 << 20)).collect();
    mdctl(&["undo", "-y"]).ok();
    for (n, old) in old.iter().enumerate() {
        guest::same_bytes("undone", old, &disks.read(n, 0, 16 << 20));
    }
    let [first, second] = &entries()[..] else { panic!("two entries") };
    mdctl(&["undo", "-y", second]).ok();
    for (n, new) in new.iter().enumerate() {
        guest::same_bytes("the undo undone", new, &disks.read(n, 0, 16 << 20));
    }
    // The first is in force again.
    let planned = mdctl(&["undo", first, "--dry-run"]).ok();
    assert!(planned.stdout.starts_with(&format!("undo {first}:")), "{planned}");
    mdctl(&["undo", first, "-y"]).ok();
    files_are_intact(&disks);
}

fn undo_refuses_what_changed_since() {
    let disks = with_files();
    ours(&[&["--zero-superblock"][..], &disks.all()].concat()).ok();
    // Another array.
    reference(&[
        "--create",
        "/dev/md1",
        "--run",
        "-l1",
        "-n2",
        "--bitmap=none",
        disks.path(0),
        disks.path(1),
    ])
    .ok();
    reference(&["--stop", "/dev/md1"]).ok();
    guest::settle();
    let refused = mdctl(&["undo", "-y"]).fails(1);
    assert!(refused.stderr.contains("has been changed since"), "{refused}");
    assert!(refused.stderr.contains("it carries a superblock of array"), "{refused}");
    // A file system.
    reference(&["--zero-superblock", disks.path(0), disks.path(1)]).ok();
    sh("mkfs.xfs -q -f /dev/ram1 || mkswap /dev/ram1").ok();
    let refused = mdctl(&["undo", "-y"]).fails(1);
    assert!(refused.stderr.contains("it now holds"), "{refused}");
    // What we ourselves did later has to go first.
    sh("dd if=/dev/zero of=/dev/ram1 bs=64k count=16 status=none").ok();
    let first = entries().pop().expect("an entry");
    ours(&["--create", "/dev/md1", "--run", "-l1", "-n2", "--bitmap=none", disks.path(2), disks.path(3)])
        .ok();
    ours(&["--stop", "/dev/md1"]).ok();
    guest::settle();
    let refused = mdctl(&["undo", &first]).fails(1);
    assert!(refused.stderr.contains("came later and is about the same"), "{refused}");
    assert!(mdctl(&["undo", "nosuch"]).fails(1).stderr.contains("no such entry"));
}

fn archive_that_cannot_be_written() {
    let disks = with_files();
    sh("mkdir -p /var/lib/mdctl /run/mdctl && mount -t tmpfs -o ro none /var/lib/mdctl").ok();
    let before: Vec<_> = (0..4).map(|n| disks.read(n, 0, 1 << 20)).collect();
    let zeroed = ours(&["--zero-superblock", disks.path(3)]).ok();
    assert!(zeroed.stderr.contains("is kept in /run/mdctl/archive instead"), "{zeroed}");
    assert_eq!(sh("ls /run/mdctl/archive | wc -l").ok().stdout, "1\n", "kept in memory then");
    mdctl(&["undo", "-y"]).ok();
    sh("mount -t tmpfs -o ro none /run/mdctl").ok();
    let refused = ours(&words(&mistaken(&disks))).fails(1);
    assert!(
        refused.stderr.contains("cannot be kept") && refused.stderr.contains("--no-archive"),
        "{refused}"
    );
    assert_eq!(guest::arrays(), Vec::<String>::new());
    for (n, before) in before.iter().enumerate() {
        guest::same_bytes("nothing was written", before, &disks.read(n, 0, 1 << 20));
    }
    ours(&["--zero-superblock", "--no-archive", disks.path(3)]).ok();
    sh("umount /var/lib/mdctl /run/mdctl").ok();
}

/// The entry is there and nothing was written: there is nothing to put back, and nothing stands in the way.
fn killed_between_archive_and_write() {
    let disks = with_files();
    let kill = |call: &str, when: u32| {
        let words = mistaken(&disks).join(" ");
        let inject = format!("inject={call}:signal=KILL:when={when}");
        sh(&format!("strace -f -o /dev/null -e trace={call} -e {inject} /usr/local/sbin/mdadm {words}"))
    };
    // The archive is renamed into its place, and then its directory is synced.
    let killed = kill("rename", 1);
    assert_ne!(killed.status, 0, "{killed}");
    guest::settle();
    let nothing = mdctl(&["undo", "-y"]).fails(1);
    assert!(
        nothing.stderr.contains("there is nothing to put back") || nothing.stderr.contains("nothing to undo"),
        "{nothing}"
    );
    files_are_intact(&disks);
    // Some members are written, others are not.
    empty_archive();
    sh("rm -f /run/mdadm/creating-*").ok();
    let killed = kill("pwrite64", 2);
    assert_ne!(killed.status, 0, "{killed}");
    guest::settle();
    sh("rm -f /run/mdadm/creating-*").ok();
    // What the next command put back is not done again by asking.
    let _ = mdctl(&["undo", "-y"]);
    files_are_intact(&disks);
}

fn damaged_entries_are_refused_by_name() {
    let disks = with_files();
    ours(&["--zero-superblock", disks.path(0)]).ok();
    let id = entries().pop().expect("an entry");
    let file = sh(&format!("ls /var/lib/mdctl/archive/*{id}.mdkeep")).ok().stdout.trim().to_owned();
    sh(&format!("cp {file} /tmp/kept; printf X | dd of={file} bs=1 seek=300 conv=notrunc status=none")).ok();
    let listed = mdctl(&["history"]).fails(1);
    assert!(listed.stderr.contains(&file) && listed.stderr.contains("checksum is wrong"), "{listed}");
    assert!(mdctl(&["undo", "-y"]).fails(1).stderr.contains("checksum is wrong"));
    sh(&format!("head -c 700 /tmp/kept >{file}")).ok();
    assert!(mdctl(&["history"]).fails(1).stderr.contains(&file));
    sh(&format!("cp /tmp/kept {file}; cp /tmp/kept /var/lib/mdctl/archive/20200101-000000-00000000.mdkeep"))
        .ok();
    let listed = mdctl(&["history"]).fails(1);
    assert!(listed.stderr.contains("it says that it is"), "{listed}");
    mdctl(&["undo", "-y"]).ok();
    files_are_intact(&disks);
}

/// The same disks under other names: known by the members' own UUIDs.
fn devices_are_known_by_their_identity() {
    empty_archive();
    let _disks = Disks::new(1, 4096);
    let [a, b] = ["a", "b"].map(|name| guest::loop_disk(name, 16 << 20));
    let create = |level: &str, first: &str, second: &str| {
        ours(
            &[
                "--create",
                "/dev/md0",
                "--run",
                level,
                "-n2",
                "--assume-clean",
                "-e1.2",
                "-c64",
                first,
                second,
            ][..],
        )
    };
    create("-l0", &a, &b).ok();
    stop();
    sh(&format!("cp {a} /tmp/old-a; cp {b} /tmp/old-b")).ok();
    create("-l0", &b, &a).ok();
    stop();
    // The loop devices change places.
    let file = |of: &str| sh(&format!("losetup -n -O BACK-FILE {of}")).ok().stdout.trim().to_owned();
    let (file_a, file_b) = (file(&a), file(&b));
    sh(&format!(
        "losetup -d {a}; losetup -d {b}; losetup {a} {file_b} && losetup {b} {file_a}; udevadm settle"
    ))
    .ok();
    mdctl(&["undo", "-y"]).ok();
    sh(&format!("cmp {b} /tmp/old-a && cmp {a} /tmp/old-b")).ok();
    sh(&format!("losetup -d {a} {b}; rm -f /tmp/old-a /tmp/old-b")).ok();
}

/// The same command on equal disks by both programs: words, status and bytes.
fn zero_superblock_as_the_reference() {
    empty_archive();
    let disks = Disks::new(3, 4096);
    for (turn, format) in ["0.90", "1.0", "1.1", "1.2"].into_iter().enumerate() {
        let words =
            ["--create", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none", "-e", format];
        reference(&[&words[..], &[disks.path(0), disks.path(1)]].concat()).ok();
        reference(&["--stop", "/dev/md0"]).ok();
        guest::settle();
        let member = disks.read(0, 0, 4 << 20);
        let all = [
            &["--zero-superblock"][..],
            &["-q", "--zero-superblock"],
            &["--zero-superblock", "-e", "0.90"],
            &["--zero-superblock", "-e", "1"],
            &["--zero-superblock", "-e", "default"],
            &["-v", "--zero-superblock", "-f", "-e", "1.0"],
            &["--zero-superblock", "-f", "-e", "1"],
            &["-q", "--zero-superblock", "-f", "-e", "0"],
        ];
        // The first always, of the others every second one.
        for (_, options) in all.into_iter().enumerate().filter(|(nth, _)| *nth == 0 || (nth + turn) % 2 == 0)
        {
            disks.write(0, 0, &member);
            disks.write(2, 0, &member);
            // Twice: the second time there may be nothing left.
            for _ in 0..if options.len() == 1 { 2 } else { 1 } {
                let theirs = reference(&[options, &["/dev/ram0", "/dev/nosuch"]].concat());
                let mine = ours(&[options, &["/dev/ram2", "/dev/nosuch"]].concat());
                same(&theirs, &mine);
                let what = format!("{format} {options:?}");
                guest::same_bytes(&what, &disks.read(0, 0, 4 << 20), &disks.read(2, 0, 4 << 20));
            }
        }
        disks.write(0, 0, &vec![0; 4 << 20]);
    }
    // Members of a running array: not without --force.
    let words = ["--create", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none", "-e1.2"];
    reference(&[&words[..], &["/dev/ram0", "/dev/ram2"]].concat()).ok();
    for options in [&["--zero-superblock"][..], &["--zero-superblock", "--force"]] {
        let theirs = reference(&[options, &["/dev/ram0"]].concat());
        same(&theirs, &ours(&[options, &["/dev/ram2"]].concat()));
    }
    reference(&["--stop", "/dev/md0"]).ok();
}

/// Words and status are equal, but for the disks' numbers.
#[track_caller]
fn same(theirs: &guest::Output, mine: &guest::Output) {
    let plain = |text: &str| text.replace("ram0", "ram2");
    assert_eq!(theirs.status, mine.status, "{theirs}\n{mine}");
    assert_eq!(plain(&theirs.stderr), plain(&mine.stderr), "{theirs}\n{mine}");
    assert_eq!(plain(&theirs.stdout), plain(&mine.stdout), "{theirs}\n{mine}");
}

/// Each program puts back what the other saved, and both save the same bytes under the same names.
fn dump_and_restore_with_the_reference() {
    empty_archive();
    sh("rm -rf /tmp/theirs /tmp/mine; mkdir -p /tmp/theirs /tmp/mine /dev/disk/by-id").ok();
    let disks = Disks::new(2, 4096);
    for (format, bitmap) in [("0.90", "internal"), ("1.0", "none"), ("1.1", "internal"), ("1.2", "internal")]
    {
        let bitmap = format!("--bitmap={bitmap}");
        let words = ["--create", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", &bitmap, "-e", format];
        reference(&[&words[..], &disks.all()].concat()).ok();
        reference(&["--stop", "/dev/md0"]).ok();
        guest::settle();
        sh("ln -sf ../../ram0 /dev/disk/by-id/test-0; rm -f /tmp/theirs/* /tmp/mine/*").ok();
        let member = disks.read(0, 0, 4 << 20);
        let place = |output: &guest::Output| guest::Output {
            stdout: output.stdout.replace("/tmp/mine", "/tmp/theirs"),
            stderr: output.stderr.replace("/tmp/mine", "/tmp/theirs"),
            ..output.clone()
        };
        for options in [&[][..], &["-e", "1.2"]] {
            let theirs = reference(&[&["--dump=/tmp/theirs"], options, &["/dev/ram0"]].concat());
            let mine = ours(&[&["--dump=/tmp/mine"], options, &["/dev/ram0"]].concat());
            same(&theirs, &place(&mine));
        }
        sh("cd /tmp/mine && for f in *; do cmp $f ../theirs/$f; done && [ $(stat -c %h ram0) = 2 ] && \
            [ $(stat -c %b ram0) -le $(stat -c %b ../theirs/ram0) ] && ls . >/tmp/a && ls ../theirs >/tmp/b && cmp /tmp/a /tmp/b")
        .ok();
        // Crosswise.
        for (theirs_first, from) in [(true, "--restore=/tmp/mine"), (false, "--restore=/tmp/theirs")] {
            disks.write(0, 0, &vec![0; 4 << 20]);
            let done =
                if theirs_first { reference(&[from, "/dev/ram0"]) } else { ours(&[from, "/dev/ram0"]) };
            assert!(done.clone().ok().stdout.ends_with("/test-0.\n"), "{done}");
            reference(&["--assemble", "/dev/md0", disks.path(0), disks.path(1)]).ok();
            reference(&["--stop", "/dev/md0"]).ok();
            guest::settle();
            disks.write(0, 0, &member);
        }
    }
    sh("rm -f /dev/disk/by-id/test-0; cp /tmp/theirs/ram0 /tmp/one; truncate -s 1M /tmp/short; truncate -s 4M /tmp/blank; rm /tmp/theirs/*").ok();
    for words in [
        &["--dump=/tmp/nosuch", "/dev/ram0"][..],
        &["--dump=/tmp/one", "/dev/ram0"],
        &["--dump=/tmp/theirs", "/dev/nosuch"],
        &["--dump=/tmp/theirs"],
        &["--restore=/tmp/nosuch", "/dev/ram0"],
        &["--restore=/tmp/one", "/dev/ram0", "/dev/ram1"],
        &["--restore=/tmp/one", "/dev/ram0"],
        &["-q", "--restore=/tmp/one", "/dev/ram0"],
        &["--restore=/tmp/theirs", "/dev/ram0"],
        &["--restore=/tmp/short", "/dev/ram0"],
        &["--restore=/tmp/blank", "/dev/ram0"],
        &["--restore=/tmp/one", "-e", "0.90", "/dev/ram0"],
        &["--restore=/tmp/one", "/dev/nosuch"],
    ] {
        same(&reference(words), &ours(words));
    }
    // A restore overwrites, so it is kept and can be undone.
    let before = disks.read(1, 0, 4 << 20);
    ours(&["--restore=/tmp/one", "/dev/ram1"]).ok();
    assert_ne!(before, disks.read(1, 0, 4 << 20));
    mdctl(&["undo", "-y"]).ok();
    guest::same_bytes("a restore undone", &before, &disks.read(1, 0, 4 << 20));
}

/// A person answers yes, to other order, level and chunk, and nothing is taken for clean: still nothing is lost.
fn create_after_a_yes() {
    let disks = with_files();
    let members = [3, 1, 0, 2].map(|n| disks.path(n)).join(" ");
    let words = format!("--create /dev/md0 -l6 -n4 -c32 --bitmap=none {members}");
    let asked = sh(&format!("echo n | mdadm {words}")).fails(1);
    assert!(asked.stderr.contains("Continue creating array [y/N]?"), "{asked}");
    let done = sh(&format!("echo y | mdadm {words}")).ok();
    assert!(done.stderr.contains("is not resynced until it is written to"), "{done}");
    assert!(guest::mdstat().contains("resync=PENDING"), "{}", guest::mdstat());
    // Nobody waits for what does not run.
    ours(&["--wait", "/dev/md0"]).fails(1);
    stop();
    mdctl(&["undo", "-y"]).ok();
    files_are_intact(&disks);
}

/// Naming the array answers the question, naming another one is refused.
fn destroy_names_the_array() {
    let disks = with_files();
    let export = reference(&["--examine", "--export", disks.path(0)]).ok().stdout;
    let uuid = export.lines().find_map(|line| line.strip_prefix("MD_UUID=")).expect("a UUID").to_owned();
    let destroy = format!("--destroy={uuid}");
    let words = ["--create", "/dev/md0", "-l5", "-n4", "--bitmap=none", "--assume-clean"];
    let all = disks.all();
    fn create<'a>(words: &[&'a str], more: &[&'a str], all: &[&'a str]) -> Vec<&'a str> {
        [words, more, all].concat()
    }
    let asked = ours(&create(&words, &["--force"], &all)).fails(1);
    assert!(asked.stderr.contains("Continue creating array"), "{asked}");
    let other = ours(&create(&words, &["--destroy=00000000:00000000:00000000:00000001"], &all)).fails(1);
    assert!(other.stderr.contains("no device that is listed is a member"), "{other}");
    ours(&create(&words, &[&destroy], &all)).ok();
    stop();
    mdctl(&["undo", "-y"]).ok();
    mdctl(&[&["create"][..], &create(&words, &["--force"], &all)[1..]].concat()).ok();
    stop();
    mdctl(&["undo", "-y"]).ok();
    files_are_intact(&disks);
}
