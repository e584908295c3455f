//! Members are added, failed, removed and replaced as the reference does it: the same commands on the same arrays say the
//! same, end the same, and leave the same array and the same metadata.

use std::fmt::Write as _;

mod lines;

use lines::SAME;

use crate::guest::{self, Case, Disks, Output, mdctl, ours, reference, sh};

const UUID: &str = "--uuid=01234567:89abcdef:fedcba98:76543210";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SAME
        .iter()
        .map(|(name, scenarios)| {
            Case::new(format!("same_{name}"), move || {
                scenarios.iter().for_each(|(create, lines)| same(create, lines))
            })
        })
        .collect();
    cases.extend([
        Case::new("guard_holds_for_every_spelling", guard_holds_for_every_spelling),
        Case::new("re_add_copies_only_what_changed", re_add_copies_only_what_changed),
        Case::new("larger_blocks_are_refused", larger_blocks_are_refused),
        Case::new("what_the_kernel_refuses_leaves_no_trace", what_the_kernel_refuses_leaves_no_trace),
        Case::new("dry_runs_change_nothing", dry_runs_change_nothing),
        Case::new("replace_serving_failed_and_missing", replace_serving_failed_and_missing),
        Case::new("replace_with_unreadable_sectors", replace_with_unreadable_sectors),
        Case::new("replace_says_and_refuses", replace_says_and_refuses),
        Case::new("members_that_are_gone", members_that_are_gone),
        Case::new("two_commands_at_once", two_commands_at_once),
        Case::new("taken_out_under_load", taken_out_under_load),
    ]);
    cases
}

/// Both programs, from the same state.
fn same(create: &str, lines: &[&str]) {
    let disks = Disks::new(8, 16 << 10);
    let tell = |program: fn(&[&str]) -> Output, tries: usize| {
        disks.wipe();
        let words = format!("--create /dev/md0 --run --assume-clean {UUID} {create}");
        reference(&split(&words).iter().map(String::as_str).collect::<Vec<_>>()).ok();
        let mut told = String::new();
        for line in lines {
            let answer = one(program, line);
            if tries > 0 && gave_up(line, &answer) {
                guest::wait_idle();
                reference(&["--stop", "/dev/md0"]).ok();
                guest::settle();
                return None;
            }
            writeln!(told, "{answer}").expect("a string takes all");
        }
        settled(&mut told);
        Some(told)
    };
    let theirs =
        (0..4).rev().find_map(|tries| tell(reference, tries)).expect("the last try is taken as it is");
    let mine = tell(ours, 0).expect("ours has one try");
    guest::same_text(&theirs, &mine);
}

/// The reference waits 50 ms for a member that it has failed in the same command: on a busy machine that is not always enough.
fn gave_up(line: &str, answer: &str) -> bool {
    line.contains("--fail") && line.contains("--remove") && answer.contains("Device or resource busy")
}

fn split(line: &str) -> Vec<String> {
    let word = |word: &str| match (word, word.strip_prefix('D')) {
        ("md0", _) => "/dev/md0".to_owned(),
        (_, Some(number)) if number.parse::<u8>().is_ok() => format!("/dev/ram{number}"),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect()
}

fn one(program: fn(&[&str]) -> Output, line: &str) -> String {
    match line.strip_prefix('@') {
        Some("full") => full(),
        Some("swapped") => guest::wait_for("the old member is out", |text| text.contains("(F)")),
        Some("write") => {
            sh("dd if=/dev/urandom of=/dev/md0 bs=64k count=2 seek=3 oflag=direct").ok();
        }
        Some(script) => drop(sh(script)),
        None => {
            let words = split(line);
            let output = program(&words.iter().map(String::as_str).collect::<Vec<_>>());
            out_of_slots();
            return format!("$ {line}\n{}{}[{}]", output.stdout, output.stderr, output.status);
        }
    }
    String::new()
}

/// A faulty member leaves its slot a moment after it became one, where nothing is copied and the array is written to.
#[track_caller]
fn out_of_slots() {
    let script = r#"
        cd /sys/block/md0/md 2>/dev/null || exit 0
        case $(cat sync_action 2>/dev/null) in idle) ;; *) exit 0 ;; esac
        case $(cat array_state) in clean|active|active-idle) ;; *) exit 0 ;; esac
        for dev in dev-*; do
            if grep -q faulty $dev/state && grep -q '[0-9]' $dev/slot; then exit 1; fi
        done 2>/dev/null
        exit 0"#;
    guest::until("faulty members are out of their slots", || sh(script).status == 0);
}

/// Waits until every slot is in sync and nothing is copied.
#[track_caller]
fn full() {
    guest::wait_for("all slots are in sync", |text| {
        let slots = text.split('[').skip(1).filter_map(|part| part.split_once(']'));
        let whole = slots.map(|(slots, _)| slots).filter(|slots| slots.starts_with(['U', '_']));
        whole.clone().count() > 0
            && whole.clone().all(|slots| !slots.contains('_'))
            && !text.contains("recovery")
    });
}

/// The array as the reference describes it, and after it was stopped the metadata of all disks.
fn settled(told: &mut String) {
    let detail = reference(&["--detail", "/dev/md0"]);
    let fickle = ["Update Time", "Creation Time", "Events", "Checksum", "State :"];
    let _ = reference(&["--stop", "/dev/md0"]);
    for n in 0..8 {
        let found = reference(&["--examine", &format!("/dev/ram{n}")]);
        told.push_str(&detail_lines(&found.stdout, &fickle));
    }
    told.push_str(&detail_lines(&detail.stdout, &fickle));
}

fn detail_lines(text: &str, without: &[&str]) -> String {
    let kept = text.lines().filter(|line| !without.iter().any(|word| line.trim_start().starts_with(word)));
    guest::redact(&kept.collect::<Vec<_>>().join("\n"))
}

fn create(words: &str) {
    let words = format!("--create /dev/md0 --run --assume-clean {words}");
    reference(&split(&words).iter().map(String::as_str).collect::<Vec<_>>()).ok();
}

fn line(program: fn(&[&str]) -> Output, line: &str) -> Output {
    program(&split(line).iter().map(String::as_str).collect::<Vec<_>>())
}

/// By path, link, partition, kernel name, number and set: the last good member is kept, unless somebody insists.
fn guard_holds_for_every_spelling() {
    let _disks = Disks::new(4, 16 << 10);
    create("-l1 -n2 D0 D1");
    line(ours, "md0 --fail D0").ok();
    sh("ln -sf /dev/ram1 /tmp/by-id").ok();
    for word in ["/dev/ram1", "/tmp/by-id", "ram1", "1:1"] {
        let said = ours(&["/dev/md0", "--fail", word]).fails(1).stderr;
        assert_eq!(said, format!("mdadm: Cannot remove {word} from /dev/md0, array will be failed.\n"));
    }
    let said = mdctl(&["/dev/md0", "--fail", "ram1"]).fails(1).stderr;
    assert!(said.contains("--force"), "{said}");
    // The kernel keeps the last mirror; elsewhere the data is lost, as was insisted on.
    line(ours, "--manage md0 --force --fail D1").fails(2);
    reference(&["--stop", "/dev/md0"]).ok();
    create("-l10 -n4 D0 D1 D2 D3");
    line(ours, "md0 --fail set-A set-B").fails(1);
    assert!(guest::mdstat().contains("[_U_U]"), "{}", guest::mdstat());
    reference(&["--stop", "/dev/md0"]).ok();
    create("-l5 -n3 D0 D1 D2");
    line(ours, "md0 --fail D0 D1").fails(1);
    // This kernel carries it out, and says that it is busy.
    let _ = line(ours, "md0 --fail D1 --force");
    assert!(guest::mdstat().contains("[__U]"), "{}", guest::mdstat());
    let _ = sh("rm -f /tmp/by-id");
    reference(&["--stop", "/dev/md0"]).ok();
    // A partition, which the original's guard does not see.
    let disk = guest::loop_disk("parts", 64 << 20);
    sh(&format!("printf '2048,16M\\n,16M\\n' | sfdisk -q -X dos {disk}; partx -u {disk} || partx -a {disk}; udevadm settle")).ok();
    let (one, two) = (format!("{disk}p1"), format!("{disk}p2"));
    reference(&["--create", "/dev/md0", "--run", "--assume-clean", "-l1", "-n2", &one, &two]).ok();
    ours(&["/dev/md0", "--fail", &one]).ok();
    ours(&["/dev/md0", "--fail", &two]).fails(1);
    reference(&["--stop", "/dev/md0"]).ok();
}

/// Sectors written to a disk so far.
fn written(disk: &str) -> u64 {
    let stat = sh(&format!("cat /sys/block/{disk}/stat")).ok().stdout;
    stat.split_whitespace().nth(6).and_then(|n| n.parse().ok()).expect("the seventh field is a number")
}

/// Of 60 MiB only the chunks that were written meanwhile are copied, and that is said beforehand.
fn re_add_copies_only_what_changed() {
    let _disks = Disks::new(3, 64 << 10);
    // RAM disks do not count what is written to them.
    let disk = guest::loop_disk("counted", 64 << 20);
    let name = disk.trim_start_matches("/dev/").to_owned();
    let with = |text: &str| text.replace("D1", &disk);
    create(&with("-l1 -n2 -b internal --bitmap-chunk=64K --delay=1 D0 D1"));
    let clean =
        "for i in $(seq 100); do mdadm -X /dev/ram0 | grep -q ' 0 dirty' && exit 0; sleep 0.1; done; exit 1";
    sh(clean).ok();
    line(ours, &with("md0 --fail D1 --remove D1")).ok();
    sh("dd if=/dev/urandom of=/dev/md0 bs=64k count=4 seek=100 oflag=direct").ok();
    let before = written(&name);
    let said = line(mdctl, &with("md0 --re-add D1")).ok().stderr;
    assert!(said.contains("bitmap: 256 KiB of 63 MiB"), "{said}");
    full();
    let copied = written(&name) - before;
    assert!((512..2048).contains(&copied), "{copied} sectors were written for 512 that changed");
    sh(&with("cmp <(tail -c +2097153 /dev/ram0) <(tail -c +2097153 D1)")).ok();
    // With the bitmap's help gone, and new: everything, and why.
    line(ours, &with("md0 --fail D1 --remove D1")).ok();
    sh(&with("ref-mdadm --zero-superblock D1")).ok();
    let said = line(mdctl, &with("md0 --add D1")).ok().stderr;
    assert!(said.contains("full copy of 63 MiB, because it is new to the array"), "{said}");
    full();
    let said = line(mdctl, "md0 --add D2").ok().stderr;
    assert!(said.contains("it waits as a spare"), "{said}");
    reference(&["--stop", "/dev/md0"]).ok();
}

fn larger_blocks_are_refused() {
    let _disks = Disks::new(3, 32 << 10);
    create("-l1 -n2 D0 D1");
    let disk = guest::loop_disk("blocks", 32 << 20);
    sh(&format!("losetup -d {disk}")).ok();
    let disk = sh("losetup -f --show -b 4096 /tmp/blocks.img").ok().stdout.trim().to_owned();
    guest::settle();
    for op in ["--add", "--add-spare"] {
        let refused = ours(&["/dev/md0", op, &disk]).fails(1);
        assert!(refused.stderr.contains("logical blocks of 4096 bytes"), "{refused}");
        assert!(refused.stderr.contains("--force"), "the flag is told:\n{refused}");
    }
    let blocks = "cat /sys/block/md0/queue/logical_block_size";
    assert_eq!(sh(blocks).ok().stdout, "512\n");
    sh(&format!("[ -z \"$(ref-mdadm -E {disk} 2>/dev/null)\" ]")).ok();
    ours(&["--manage", "/dev/md0", "--force", "--add", &disk]).ok();
    reference(&["--stop", "/dev/md0"]).ok();
}

/// RAID0 takes no spares: the superblock that was written for one is taken back, byte for byte.
fn what_the_kernel_refuses_leaves_no_trace() {
    let disks = Disks::new(3, 16 << 10);
    create("-l0 -n2 D0 D1");
    disks.write(2, 0, &[0x5a; 1 << 20]);
    let refused = line(ours, "md0 --add D2").fails(1);
    assert_eq!(refused.stderr, "mdadm: add new device failed for /dev/ram2 as 2: Invalid argument\n");
    guest::same_bytes("the refused device", &[0x5a; 1 << 20], &disks.read(2, 0, 1 << 20));
    let told = line(ours, "md0 -v --add D2").fails(1).stderr;
    assert!(told.lines().count() > 1, "the kernel's own words are told with -v: {told}");
    assert_eq!(
        sh("ls /var/lib/mdctl/archive 2>/dev/null | wc -l").ok().stdout.trim(),
        "0",
        "nothing is kept of it"
    );
    reference(&["--stop", "/dev/md0"]).ok();
}

fn dry_runs_change_nothing() {
    let disks = Disks::new(4, 16 << 10);
    create("-l1 -n3 D0 D1 D2");
    let state = || (guest::mdstat(), (0..4).map(|n| disks.read(n, 0, 16 << 10)).collect::<Vec<_>>());
    // The kernel marks the array clean when it has been idle for a while.
    guest::until("the superblocks stay as they are", || {
        let first = state();
        sh("udevadm settle; sleep 0.4");
        first == state()
    });
    let before = state();
    for words in [
        "--manage md0 --dry-run --fail D0 --remove D0 --add D3",
        "--manage md0 --dry-run --fail D0 D1",
        "--manage md0 --dry-run --replace D0",
        "--manage md0 --dry-run --readonly",
    ] {
        line(mdctl, words).ok();
    }
    // Each word sees what the one before would have left.
    line(mdctl, "--manage md0 --dry-run --fail D0 D1 D2").fails(1);
    line(mdctl, "replace md0 D0 D3 --dry-run").ok();
    let told = line(mdctl, "replace md0 D0 D3 --dry-run --json").ok().stdout;
    assert!(told.contains("\"planned\"") && told.contains("want_replacement"), "{told}");
    assert!(state() == before, "a dry run changed something");
    reference(&["--stop", "/dev/md0"]).ok();
}

fn replace_serving_failed_and_missing() {
    let _disks = Disks::new(8, 24 << 10);
    create("-l5 -n3 D0 D1 D2");
    sh("dd if=/dev/urandom of=/dev/md0 bs=1M count=20 oflag=direct; sha256sum </dev/md0 >/tmp/sum").ok();
    let same = || sh("echo 3 >/proc/sys/vm/drop_caches; sha256sum </dev/md0 | cmp - /tmp/sum").ok();
    let whole = |members: &[&str]| {
        let stat = guest::mdstat();
        assert!(stat.contains("[UUU]") && !stat.contains("(F)") && !stat.contains("(S)"), "{stat}");
        members.iter().for_each(|member| assert!(stat.contains(member), "{member}: {stat}"));
        same();
    };
    // One that serves: it is copied, and then out.
    let told = line(mdctl, "replace md0 D0 D3").ok();
    assert!(
        told.stdout
            .contains("/dev/ram3 serves in slot 0 of /dev/md0, /dev/ram0 is out; no member is missing"),
        "{told}"
    );
    assert!(told.stderr.contains("full copy of"), "{told}");
    whole(&["ram3", "ram1", "ram2"]);
    // One that failed, by its slot and by its name.
    line(ours, "md0 --fail D1").ok();
    let told = line(mdctl, "replace md0 ram1 D4").ok();
    assert!(told.stdout.contains("/dev/ram4 serves in slot 1"), "{told}");
    whole(&["ram3", "ram4", "ram2"]);
    // One that is gone.
    line(ours, "md0 --fail D2 --remove D2").ok();
    let told = line(mdctl, "replace md0 missing D5 --json").ok();
    assert!(told.stdout.contains("\"done\"") && told.stdout.contains("\"slot\": 2"), "{told}");
    whole(&["ram3", "ram4", "ram5"]);
    // A spare that is there already, and nobody waits.
    line(ours, "md0 --add D6").ok();
    line(mdctl, "replace md0 1 D6 --no-wait").ok();
    guest::wait_for("the copy is whole", |text| text.contains("ram4[") && text.contains("(F)"));
    line(ours, "md0 --remove failed").ok();
    whole(&["ram3", "ram6", "ram5"]);
    // By the one who was taken out.
    line(ours, "md0 --fail D3 --remove D3").ok();
    line(mdctl, "replace md0 D3 D0").ok();
    whole(&["ram0", "ram6", "ram5"]);
    assert_eq!(sh("cat /sys/block/md0/md/sync_action").ok().stdout, "idle\n");
    reference(&["--stop", "/dev/md0"]).ok();
}

/// The last copy has 4 KiB that cannot be read: the kernel calls the new member complete, we do not.
fn replace_with_unreadable_sectors() {
    let _disks = Disks::new(4, 32 << 10);
    sh("printf '0 40960 linear /dev/ram0 0\n40960 8 error\n40968 24568 linear /dev/ram0 40968\n' | dmsetup create half; udevadm settle").ok();
    let half = "/dev/mapper/half";
    reference(&["-q", "-C", "/dev/md0", "-R", "--assume-clean", "-l1", "-n2", half, "missing"]).ok();
    let told = mdctl(&["replace", "/dev/md0", half, "/dev/ram2", "--json"]).fails(1);
    assert!(told.stderr.contains("/dev/ram2 serves in slot 0 of /dev/md0, but 4 KiB of it could not be read: sectors 40960 to 40967"), "{told}");
    assert!(told.stderr.contains("/dev/mapper/half is not taken out"), "{told}");
    for word in ["\"incomplete\"", "\"member_sector\": 40960", "\"array_sector\": "] {
        assert!(told.stdout.contains(word), "{told}");
    }
    assert!(guest::mdstat().contains("(F)"), "{}", guest::mdstat());
    let explained = mdctl(&["explain", "/dev/md0"]).stdout;
    assert!(!explained.contains("dmsetup table"), "{explained}");
    // Where it says: the sector cannot be read, and can once it was written.
    let sector =
        told.stdout.split("\"array_sector\": ").nth(1).and_then(|rest| rest.split([',', '\n']).next());
    let sector = sector.expect("a number").trim().to_owned();
    let read = format!("dd if=/dev/md0 of=/dev/null bs=512 skip={sector} count=8 iflag=direct");
    sh(&read).fails(1);
    sh(&format!(
        "dd if=/dev/zero of=/dev/md0 bs=4096 seek={} count=1 oflag=direct",
        sector.parse::<u64>().expect("a number") / 8
    ))
    .ok();
    sh(&read).ok();
    reference(&["--stop", "/dev/md0"]).ok();
    sh("dmsetup remove half").ok();
}

fn replace_says_and_refuses() {
    let _disks = Disks::new(5, 32 << 10);
    create("-l1 -n2 D0 D1");
    for (words, said) in [
        ("replace md0 missing D3", "no member of /dev/md0 is missing"),
        ("replace md0 7 D3", "/dev/md0 has slots 0 to 1"),
        ("replace md0 D4 D3", "/dev/ram4 is no member of /dev/md0"),
        ("replace md0 D0 D1", "/dev/ram1 is a member of /dev/md0 already"),
        ("replace md0 D0 /dev/nonexist", "/dev/nonexist"),
        ("replace /dev/md5 D0 D3", "/dev/md5"),
        ("replace D0 D0 D3", "does not appear to be an md device"),
    ] {
        let refused = line(mdctl, words).fails(1);
        assert!(refused.stderr.contains(said), "{said:?} is not said:\n{refused}");
    }
    assert!(guest::mdstat().contains("[UU]"));
    // One that is being replaced already, by another device: the copy goes on.
    sh("echo 100 >/sys/block/md0/md/sync_speed_max; echo 50 >/sys/block/md0/md/sync_speed_min").ok();
    line(mdctl, "replace md0 D0 D3 --no-wait").ok();
    let refused = line(mdctl, "replace md0 D0 D4").fails(1);
    assert!(refused.stderr.contains("is being replaced by /dev/ram3 already"), "{refused}");
    let refused = line(mdctl, "replace md0 0 D4").fails(1);
    assert!(refused.stderr.contains("mdctl wait /dev/md0"), "{refused}");
    assert!(!guest::mdstat().contains("ram4["), "{}", guest::mdstat());
    sh("echo 200000 >/sys/block/md0/md/sync_speed_max; echo 1000 >/sys/block/md0/md/sync_speed_min").ok();
    guest::wait_for("the copy is whole", |text| text.contains("(F)"));
    line(ours, "md0 --remove failed").ok();
    line(mdctl, "replace md0 D3 D0").ok();
    // Whoever stops waiting is told that the kernel goes on.
    sh("echo 100 >/sys/block/md0/md/sync_speed_max; echo 50 >/sys/block/md0/md/sync_speed_min").ok();
    let told =
        sh("mdctl replace /dev/md0 /dev/ram0 /dev/ram3 & sleep 2; kill -INT $!; wait $!; echo status $?")
            .ok();
    assert!(told.stdout.contains("status 130"), "{told}");
    assert!(told.stderr.contains("the kernel copies"), "{told}");
    sh("echo 200000 >/sys/block/md0/md/sync_speed_max").ok();
    guest::wait_for("the copy is whole", |text| text.contains("(F)"));
    // The new member dies on the way.
    line(ours, "md0 --remove failed").ok();
    sh("echo 100 >/sys/block/md0/md/sync_speed_max; echo 50 >/sys/block/md0/md/sync_speed_min").ok();
    let told = sh("mdctl replace /dev/md0 /dev/ram1 /dev/ram4 & sleep 2; echo faulty >/sys/block/md0/md/dev-ram4/state; wait $!; echo status $?").ok();
    assert!(told.stdout.contains("status 1\n") && told.stderr.contains("does not serve"), "{told}");
    assert!(guest::mdstat().contains("[UU]"), "the old member serves: {}", guest::mdstat());
    reference(&["--stop", "/dev/md0"]).ok();
}

/// A disk is pulled: its name, its number and `detached` still name it.
fn members_that_are_gone() {
    sh("modprobe scsi_debug dev_size_mb=32 num_tgts=1 max_luns=1 delay=0").ok();
    guest::settle();
    let pulled = sh(
        "for d in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*; do basename $d; done",
    )
    .ok();
    let pulled = pulled.stdout.trim().to_owned();
    let _disks = Disks::new(3, 32 << 10);
    for words in [
        vec!["--fail".to_owned(), "detached".to_owned(), "--remove".to_owned(), "detached".to_owned()],
        vec!["--fail".to_owned(), pulled.clone(), "--remove".to_owned(), pulled.clone()],
    ] {
        if !std::path::Path::new(&format!("/dev/{pulled}")).exists() {
            sh("rmmod scsi_debug; modprobe scsi_debug dev_size_mb=32 num_tgts=1 max_luns=1 delay=0").ok();
            guest::settle();
        }
        reference(&[
            "--create",
            "/dev/md0",
            "--run",
            "--assume-clean",
            "-l1",
            "-n2",
            "/dev/ram0",
            &format!("/dev/{pulled}"),
        ])
        .ok();
        sh(&format!("echo 1 >/sys/block/{pulled}/device/delete")).ok();
        sh("dd if=/dev/zero of=/dev/md0 bs=64k count=1 oflag=direct").ok();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let _ = ours(&[&["/dev/md0"], &words[..]].concat());
        guest::wait_for("it is out", |text| !text.contains(&format!("{pulled}[")));
        let told = line(mdctl, "replace md0 missing D1").ok();
        assert!(told.stdout.contains("no member is missing"), "{told}");
        reference(&["--stop", "/dev/md0"]).ok();
        sh("ref-mdadm --zero-superblock /dev/ram0 /dev/ram1").ok();
    }
    let _ = sh("rmmod scsi_debug");
}

/// Two at once on one array: both end, and every device is a member once.
fn two_commands_at_once() {
    let _disks = Disks::new(6, 16 << 10);
    create("-l1 -n3 D0 D1 D2");
    sh("for d in 3 4 5; do mdadm /dev/md0 --add /dev/ram$d & mdadm /dev/md0 --add /dev/ram$d & done; wait")
        .ok();
    let stat = guest::mdstat();
    for n in 3..6 {
        assert_eq!(stat.matches(&format!("ram{n}[")).count(), 1, "{stat}");
    }
    assert_eq!(sh("cat /sys/block/md0/md/sync_action").ok().stdout, "idle\n");
    let examined = sh("for d in 0 1 2 3 4 5; do ref-mdadm -E /dev/ram$d | grep -c 'correct'; done").ok();
    assert_eq!(examined.stdout, "1\n".repeat(6));
    reference(&["--stop", "/dev/md0"]).ok();
}

/// A disk that breaks while the array is written to can be taken out, as with the original; the next one cannot.
fn taken_out_under_load() {
    for program in [reference, ours] {
        let _disks = Disks::new(3, 64 << 10);
        create("-l5 -n3 -b none D0 D1 D2");
        sh("while :; do dd if=/dev/zero of=/dev/md0 bs=4k count=64 oflag=direct; done >/dev/null 2>&1 & echo $! >/tmp/writer; \
            until grep -q ^active /sys/block/md0/md/array_state; do :; done")
        .ok();
        line(program, "/dev/md0 --fail D1").ok();
        let refused = line(program, "/dev/md0 --fail D2").fails(1);
        assert!(refused.stderr.contains("array will be failed"), "{refused}");
        sh("kill $(cat /tmp/writer); fuser -k /dev/md0; udevadm settle; ref-mdadm -q --stop /dev/md0").ok();
        sh("ref-mdadm --zero-superblock /dev/ram0 /dev/ram1 /dev/ram2; rm /tmp/writer").ok();
    }
}
