//! `--detail`, `--examine` and `--query` beside the reference, byte for byte, on arrays of every level, metadata
//! and state.

use crate::guest::{Case, Disks, ours, reference, settle, sh, wait_idle};

/// Words of create for every level, with how many disks they take.
const LEVELS: [(&str, usize); 8] = [
    ("-l0 -n3", 3),
    ("-l1 -n2 --assume-clean", 2),
    ("-l4 -n3 --assume-clean", 3),
    ("-l5 -n3 --assume-clean", 3),
    ("-l6 -n4 --assume-clean", 4),
    ("-l10 -n4 -pn2 --assume-clean", 4),
    ("-l10 -n3 -pf2 --assume-clean", 3),
    ("-l10 -n4 -po2 --assume-clean", 4),
];

/// A state: its name, the words of create, the disks, and what is done then.
struct State {
    name: &'static str,
    words: &'static str,
    disks: usize,
    then: &'static str,
}

const fn state(name: &'static str, words: &'static str, disks: usize, then: &'static str) -> State {
    State { name, words, disks, then }
}

/// Keeps what synchronises where it is, for long enough.
const SLOWLY: &str =
    "echo 1 >/proc/sys/dev/raid/speed_limit_max; echo 1 >/proc/sys/dev/raid/speed_limit_min;";

/// In a script, `$M` is the array's directory in sysfs.
const STATES: &[State] = &[
    state("spares", "-l1 -n2 -x2 --assume-clean", 4, ""),
    state("missing_raid1", "-l1 -n3 --assume-clean", 2, ""),
    state("missing_raid6", "-l6 -n5", 3, ""),
    state("faulty_member", "-l1 -n3 --assume-clean", 3, "mdadm /dev/md0 -f /dev/ram1"),
    state(
        "removed_member",
        "-l5 -n3 --assume-clean",
        3,
        "mdadm /dev/md0 -f /dev/ram0; mdadm /dev/md0 -r /dev/ram0",
    ),
    state(
        "removed_member_0_90",
        "-e 0.90 -l5 -n3 --assume-clean",
        3,
        "mdadm /dev/md0 -f /dev/ram0 -r /dev/ram0",
    ),
    state(
        "failed_raid5",
        "-l5 -n3 --assume-clean",
        3,
        "echo faulty >$M/dev-ram0/state; echo faulty >$M/dev-ram1/state",
    ),
    state(
        "failed_raid10",
        "-l10 -n4 --assume-clean",
        4,
        "mdadm /dev/md0 -f /dev/ram0; echo faulty >$M/dev-ram1/state",
    ),
    state("recovering", "-l5 -n3", 3, ""),
    state("recovering_0_90", "-e 0.90 -l5 -n3", 3, ""),
    state("recovering_spare", "-l1 -n2 -x1 --assume-clean", 3, "mdadm /dev/md0 -f /dev/ram0"),
    state(
        "recovering_1_0_bitmap",
        "-e 1.0 -l6 -n4 -x1 -b internal --assume-clean",
        5,
        "mdadm /dev/md0 -f /dev/ram2",
    ),
    state("recovering_raid10", "-l10 -n4 -x1 --assume-clean", 5, "mdadm /dev/md0 -f /dev/ram3"),
    state("resyncing", "-l1 -n2", 2, ""),
    state("resyncing_raid10_far", "-l10 -n3 -pf2", 3, ""),
    state("frozen", "-l1 -n2", 2, "echo frozen >$M/sync_action"),
    state("checking", "-l1 -n2 --assume-clean", 2, "echo check >$M/sync_action"),
    state("repairing", "-l5 -n3 --assume-clean", 3, "echo repair >$M/sync_action"),
    state("replacing", "-l1 -n2 -x1 --assume-clean", 3, "mdadm /dev/md0 --replace /dev/ram0; sleep 0.3"),
    state(
        "replacing_raid5_1_0",
        "-e 1.0 -l5 -n3 -x1 --assume-clean",
        4,
        "mdadm /dev/md0 --replace /dev/ram1; sleep 0.3",
    ),
    state("read_only", "-l5 -n3 --assume-clean -b internal", 3, "mdadm -o /dev/md0"),
    state("read_only_raid0", "-l0 -n2", 2, "mdadm -o /dev/md0"),
    state("assembled_read_only", "-l1 -n2", 2, "mdadm -S /dev/md0; mdadm -A -o /dev/md0 /dev/ram0 /dev/ram1"),
    state(
        "auto_read_only_pending",
        "-l1 -n2",
        2,
        "mdadm -S /dev/md0; mdadm -I /dev/ram0; mdadm -I /dev/ram1; mdadm -S /dev/md127; echo 1 >/sys/module/md_mod/parameters/start_ro; mdadm -A /dev/md0 /dev/ram0 /dev/ram1; echo read-auto >$M/array_state",
    ),
    state("inactive", "-l5 -n3 --assume-clean", 3, "mdadm -S /dev/md0; mdadm -I /dev/ram1"),
    state("inactive_0_90", "-e 0.90 -l5 -n3 --assume-clean", 3, "mdadm -S /dev/md0; mdadm -I /dev/ram1"),
    state("inactive_with_spare", "-l1 -n2 -x1 --assume-clean", 3, "mdadm -S /dev/md0; mdadm -I /dev/ram2"),
    state("journal", "-l5 -n3 --write-journal /dev/ram3", 3, ""),
    state("ppl", "-l5 -n3 -k ppl", 3, ""),
    state("ppl_1_1", "-e 1.1 -l5 -n3 -k ppl --assume-clean", 3, ""),
    state("bitmap", "-l1 -n2 -b internal --bitmap-chunk=4M --assume-clean", 2, ""),
    state("bitmap_1_1", "-e 1.1 -l10 -n4 -b internal --assume-clean", 4, ""),
    state("bitmap_1_0", "-e 1.0 -l1 -n2 -b internal --assume-clean", 2, ""),
    state("bitmap_0_90", "-e 0.90 -l1 -n2 -b internal --assume-clean", 2, ""),
    state("write_mostly", "-l1 -n3 -b internal --write-behind --assume-clean --write-mostly", 3, ""),
    state("failfast", "-l1 -n2 -x1 --assume-clean --failfast", 3, ""),
    state("write_mostly_0_90", "-e 0.90 -l1 -n2 --assume-clean --write-mostly", 2, ""),
    state("of_another_host", "-l1 -n2 --assume-clean --homehost=else --name=data", 2, ""),
    state(
        "without_host",
        "-l1 -n2 --assume-clean --homehost=none --name=a-very-long-name-of-32-bytes-",
        2,
        "",
    ),
    state("sets_of_three", "-l10 -n6 -pn3 --assume-clean", 6, "mdadm /dev/md0 -f /dev/ram4"),
    state("smaller_size", "-l5 -n3 -z 8M -c 64 -p ra --assume-clean", 3, ""),
    state("raid6_layout", "-l6 -n4 -c 16 -p ddf-N-continue --assume-clean", 4, ""),
    state("one_member", "-l1 -n1 --force", 1, ""),
    state("raid0_layouts", "-l0 -n2 -p alternate", 2, ""),
    state(
        "active",
        "-l1 -n2 --assume-clean",
        2,
        "echo 60 >$M/safe_mode_delay; dd if=/dev/zero of=/dev/md0 bs=4k count=1 oflag=direct status=none",
    ),
    state(
        "grown_and_reshaping",
        "-l5 -n3 -x1 --assume-clean",
        4,
        "mdadm -G /dev/md0 -n4 >/dev/null 2>&1; sleep 0.5",
    ),
    state("bad_blocks", "-l1 -n2 --assume-clean", 2, "echo '1000 8' >$M/dev-ram0/bad_blocks; sleep 0.3"),
    state("stopped", "-l6 -n4 --assume-clean", 4, "mdadm -S /dev/md0"),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ["0.90", "1.0", "1.1", "1.2"]
        .into_iter()
        .map(|metadata| {
            Case::new(format!("every_level_{}", metadata.replace('.', "_")), move || levels(metadata))
        })
        .collect();
    cases.extend(
        STATES.iter().map(|state| Case::new(format!("state_{}", state.name), move || state_of(state))),
    );
    cases.extend([
        Case::new("built", built),
        Case::new("member_without_node", member_without_node),
        Case::new("delayed", delayed),
        Case::new("stacked", stacked),
        Case::new("no_array", no_array),
        Case::new("options", options),
    ]);
    cases.push(Case::new("linear", || special("-llinear -n2", 2)).needs("linear"));
    cases.push(Case::new("level_faulty", level_faulty).needs("faulty"));
    cases
}

fn create(words: &str, disks: &[&str], slots_missing: bool) {
    let missing = if slots_missing { missing_words(words, disks.len()) } else { String::new() };
    let words = format!(
        "mdadm() {{ /usr/sbin/mdadm \"$@\"; }}; mdadm -C /dev/md0 {words} -R {} {missing}",
        disks.join(" ")
    );
    sh(&words).ok();
    settle();
}

/// `missing` for every slot that has no disk.
fn missing_words(words: &str, disks: usize) -> String {
    let number = |option: &str| {
        words.split(' ').find_map(|word| word.strip_prefix(option)?.parse::<usize>().ok()).unwrap_or(0)
    };
    let absent = (number("-n") + number("-x")).saturating_sub(disks);
    vec!["missing"; absent].join(" ")
}

/// Runs the same words on both and wants the same answers: output, messages and status.
#[track_caller]
fn same(words: &[&str]) {
    same_all(&[words.join(" ")]);
}

/// Runs each of these command lines on both. What changes while it is looked at is looked at again: ours has to equal
/// one of the two answers that stand around it.
#[track_caller]
pub(crate) fn same_all(lines: &[String]) {
    let mut left: Vec<String> = lines.to_vec();
    let mut shown = (String::new(), String::new());
    let mut before = answers("/usr/sbin/mdadm", &left);
    for _ in 0..4 {
        let mine = answers("/usr/local/sbin/mdadm", &left);
        let differ = |theirs: &[String]| -> Vec<usize> {
            (0..mine.len()).filter(|&n| theirs.get(n) != mine.get(n)).collect()
        };
        let mut open = differ(&before);
        if open.is_empty() {
            return;
        }
        let after = answers("/usr/sbin/mdadm", &left);
        let still = differ(&after);
        open.retain(|n| still.contains(n));
        if open.is_empty() {
            return;
        }
        left = open.iter().map(|&n| left[n].clone()).collect();
        before = open.iter().map(|&n| after[n].clone()).collect();
        shown = (before.concat(), open.iter().map(|&n| mine[n].clone()).collect());
    }
    crate::guest::same_text(&shown.0, &shown.1);
    panic!("never the same: {left:#?}");
}

/// What a program answers to each command line: its words, then output and messages, then the status.
pub(crate) fn answers(program: &str, lines: &[String]) -> Vec<String> {
    const END: &str = "\u{1}";
    let script: String = lines
        .iter()
        .map(|line| format!("echo \"$ mdadm {line}\"; {program} {line} 2>/tmp/messages; echo \"[$?]\"; cat /tmp/messages; printf '\\001';"))
        .collect();
    let all = sh(&script).stdout;
    let answers: Vec<String> = all.split_terminator(END).map(str::to_owned).collect();
    assert_eq!(answers.len(), lines.len(), "one answer to each: {all}");
    answers
}

/// Every form of every report, on one array and its members.
#[track_caller]
fn everything(array: &str, members: &[&str]) {
    let forms = ["-D", "-Db", "-DY", "-Dbv", "-Dt", "-DY --no-devices", "-D --no-devices"];
    let mut lines: Vec<String> = forms.iter().map(|form| format!("{form} {array}")).collect();
    // The reference dies of an array that has not been started.
    if !crate::guest::mdstat().contains(" : inactive") {
        lines.push(format!("-Q {array}"));
    }
    let all = members.join(" ");
    lines.extend(members.iter().map(|member| format!("-E {member}")));
    // It gives the creation time of 0.90 for that of the update.
    if !reference(&["-E", members[0]]).stdout.contains("Version : 0.9") {
        lines.extend(members.iter().map(|member| format!("-EY {member}")));
    }
    lines.extend([format!("-Q {all}"), format!("-Eb {all}"), "-Esv".to_owned(), "-Dsv".to_owned()]);
    same_all(&lines);
}

fn levels(metadata: &'static str) {
    let disks = Disks::new(4, 16384);
    for (words, count) in LEVELS {
        create(&format!("-e {metadata} {words}"), &disks.all()[..count], false);
        everything("/dev/md0", &disks.all()[..count]);
        reference(&["-S", "/dev/md0"]).ok();
        same_all(&disks.all().iter().map(|disk| format!("-E {disk}")).collect::<Vec<_>>());
        disks.wipe();
    }
}

fn state_of(state: &State) {
    let disks = Disks::new(6, 16384);
    sh(SLOWLY).ok();
    create(state.words, &disks.all()[..state.disks], true);
    let script = format!("M=/sys/block/md0/md; mdadm() {{ /usr/sbin/mdadm \"$@\"; }}; {}", state.then);
    let _ = sh(&script);
    settle();
    let members: Vec<&str> = disks.all().into_iter().take(state.disks).collect();
    let there: Vec<&str> = members.into_iter().filter(|path| std::path::Path::new(path).exists()).collect();
    let array = if std::path::Path::new("/dev/md0").exists() { "/dev/md0" } else { "/dev/md127" };
    everything(array, &there);
    sh("echo 200000 >/proc/sys/dev/raid/speed_limit_max; echo 1000 >/proc/sys/dev/raid/speed_limit_min; \
        echo 0 >/sys/module/md_mod/parameters/start_ro")
    .ok();
}

fn special(words: &str, count: usize) {
    let disks = Disks::new(2, 16384);
    create(words, &disks.all()[..count], false);
    everything("/dev/md0", &disks.all()[..count]);
}

/// With `--test` the reference finds a member missing that is there. What is asked of the array itself is left out: this
/// level passes the member's own superblock through, and only the reference takes it for the array's.
fn level_faulty() {
    let disks = Disks::new(1, 16384);
    create("-lfaulty -n1 --force", &disks.all(), false);
    let lines = [
        "-D /dev/md0",
        "-Db /dev/md0",
        "-DY /dev/md0",
        "-Q /dev/ram0",
        "-E /dev/ram0",
        "-EY /dev/ram0",
        "-Dsv",
        "-Esv",
    ];
    same_all(&lines.map(str::to_owned));
    ours(&["-Dt", "/dev/md0"]).ok();
}

/// Its brief lines are mended here, and a scan makes no node to look at it.
fn member_without_node() {
    let disks = Disks::new(2, 16384);
    create("-l1 -n2 --assume-clean", &disks.all(), false);
    sh("rm /dev/ram1").ok();
    same_all(&["-D /dev/md0", "-DY /dev/md0", "-Dt /dev/md0", "-E /dev/ram0"].map(str::to_owned));
    assert!(ours(&["-D", "/dev/md0"]).ok().stdout.ends_with("active sync   missing\n"));
    let line = ours(&["-Db", "/dev/md0"]).ok().stdout;
    assert!(line.starts_with("ARRAY /dev/md0 metadata=1.2 UUID="), "{line}");
}

fn built() {
    let disks = Disks::new(2, 16384);
    for words in ["-l0 -n2 -c 64", "-l1 -n2", "-l1 -n2 --assume-clean"] {
        let mut all: Vec<&str> = ["-B", "/dev/md3"].into_iter().chain(words.split(' ')).collect();
        all.extend(disks.all());
        reference(&all).ok();
        settle();
        everything("/dev/md3", &disks.all());
        reference(&["-S", "/dev/md3"]).ok();
    }
}

/// Two arrays on the same disk: one waits for the other.
fn delayed() {
    sh("modprobe brd rd_nr=2 rd_size=65536 max_part=4").ok();
    settle();
    for disk in ["/dev/ram0", "/dev/ram1"] {
        sh(&format!("printf '2048,32768\\n34816,32768\\n' | sfdisk -q {disk}; udevadm settle")).ok();
    }
    sh(SLOWLY).ok();
    for (array, part) in [("/dev/md0", 1), ("/dev/md1", 2)] {
        sh(&format!("/usr/sbin/mdadm -C {array} -l1 -n2 -R /dev/ram0p{part} /dev/ram1p{part}")).ok();
    }
    settle();
    assert!(crate::guest::mdstat().contains("DELAYED"), "{}", crate::guest::mdstat());
    everything("/dev/md1", &["/dev/ram0p2", "/dev/ram1p2", "/dev/ram0"]);
    everything("/dev/md0", &["/dev/ram0p1"]);
    sh("echo 200000 >/proc/sys/dev/raid/speed_limit_max; echo 1000 >/proc/sys/dev/raid/speed_limit_min").ok();
}

/// An array of arrays, and one with a name of its own.
fn stacked() {
    let disks = Disks::new(6, 16384);
    let create = |words: &str| drop(sh(&format!("/usr/sbin/mdadm -C {words}")).ok());
    create("/dev/md5 -l1 -n2 -R --assume-clean /dev/ram0 /dev/ram1");
    create("/dev/md/inner -l1 -n2 -R --assume-clean /dev/ram2 /dev/ram3");
    settle();
    create("/dev/md7 -l0 -n2 -R /dev/md5 /dev/md/inner");
    create("/dev/md/last -l1 -n2 -R --assume-clean /dev/ram4 /dev/ram5");
    settle();
    wait_idle();
    everything("/dev/md7", &["/dev/md5", "/dev/md/inner"]);
    everything("/dev/md/inner", &disks.all()[2..4]);
    same(&["-Ds"]);
    same(&["-Ds", "-vv"]);
    same(&["-DsY"]);
}

fn no_array() {
    let disks = Disks::new(2, 16384);
    let _ = disks;
    sh("mknod /tmp/md9 b 9 9; echo text >/tmp/text; echo md8 >/sys/module/md_mod/parameters/new_array").ok();
    settle();
    for words in [
        "-D /dev/ram0",
        "-Dt /dev/ram0",
        "-D /nowhere",
        "-Dt /nowhere /dev/ram1",
        "-D /dev/md8",
        "-Db /dev/md8",
        "-D /tmp/text",
        "-D",
        "-Q /nowhere",
        "-Q /tmp/text",
        "-Q /dev/ram0 /nowhere",
        "-Q",
        "-Ds",
        "-Dst",
        "-D /dev/null",
    ] {
        same(&[words]);
    }
    sh("rm -f /tmp/md9 /tmp/text").ok();
}

fn options() {
    let disks = Disks::new(3, 16384);
    sh("mkdir -p /dev/disk/by-test; for n in 0 1 2; do ln -sf /dev/ram$n /dev/disk/by-test/disk$n; done")
        .ok();
    create("-l5 -n3 --assume-clean --homehost=else --name=x", &disks.all(), false);
    for words in [
        "-D --prefer=by-test /dev/md0",
        "-Dbv --prefer=by-test /dev/md0",
        "-D --homehost=else /dev/md0",
        "-D '--homehost=<none>' /dev/md0",
        "-E --homehost=else /dev/ram0",
        "-E '--homehost=<ignore>' /dev/ram0",
        "-DYt /dev/md0",
        "-D -Q /dev/md0",
        "-Q /dev/ram0 -D /dev/md0",
        "-Dv /dev/md0",
        "-Dq /dev/md0",
    ] {
        same(&[words]);
    }
    // Nine o'clock elsewhere.
    for zone in ["Asia/Kolkata", "America/New_York", "nowhere"] {
        let both = |program: &str| {
            sh(&format!("TZ={zone} {program} -D /dev/md0; TZ={zone} {program} -E /dev/ram0")).ok()
        };
        assert_eq!(both("/usr/sbin/mdadm").stdout, both("/usr/local/sbin/mdadm").stdout, "{zone}");
    }
    sh("rm -r /dev/disk/by-test").ok();
}
