//! That the guest itself is as the other cases need it: the reference creates, shows and stops an array.

use crate::guest::{self, Case, Disks, mdctl, ours, reference};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("the_reference_is_4_6", the_reference_is_4_6),
        Case::new("ours_is_there", ours_is_there),
        Case::new("the_reference_creates_shows_and_stops", the_reference_creates_shows_and_stops),
        Case::new("two_runs_read_the_same_once_redacted", two_runs_read_the_same_once_redacted),
        Case::new("system_calls_are_seen", system_calls_are_seen),
        Case::new("disks_are_new_for_each_case", disks_are_new_for_each_case),
        Case::new("the_reference_makes_a_linear_array", the_reference_makes_a_linear_array).needs("linear"),
    ]
}

fn the_reference_is_4_6() {
    let version = reference(&["--version"]).ok();
    assert!(version.stderr.contains("v4.6"), "{version}");
}

fn ours_is_there() {
    let there = guest::sh("readlink -f /usr/local/sbin/mdadm && head -c 4 /usr/local/sbin/mdctl").ok();
    assert_eq!(there.stdout, "/usr/local/sbin/mdctl\n\u{7f}ELF");
    for output in [ours(&["--version"]), mdctl(&["--version"])] {
        assert!(output.status < 126, "{output}");
    }
}

fn create(disks: &Disks, level: &str) {
    let count = disks.all().len().to_string();
    let words = ["--create", "/dev/md/smoke", "--run", "-l", level, "-n", &count];
    reference(&[&words[..], &disks.all()].concat()).ok();
    guest::settle();
}

fn the_reference_creates_shows_and_stops() {
    let disks = Disks::new(3, 16384);
    create(&disks, "5");
    guest::wait_idle();
    let detail = reference(&["--detail", "/dev/md/smoke"]).ok();
    assert!(detail.stdout.contains("State : clean"), "{detail}");
    reference(&["--stop", "/dev/md/smoke"]).ok();
    assert_eq!(guest::arrays(), Vec::<String>::new());
}

fn two_runs_read_the_same_once_redacted() {
    let examine = || {
        let disks = Disks::new(2, 16384);
        create(&disks, "1");
        guest::wait_idle();
        reference(&["--stop", "/dev/md/smoke"]).ok();
        guest::redact(&reference(&["--examine", disks.path(0)]).ok().stdout)
    };
    let (first, second) = (examine(), examine());
    assert!(first.contains("Array UUID : <UUID0>") && first.contains("Device UUID : <UUID1>"), "{first}");
    let no_events =
        |text: &str| text.lines().filter(|line| !line.contains("Events")).collect::<Vec<_>>().join("\n");
    guest::same_text(&no_events(&first), &no_events(&second));
}

fn system_calls_are_seen() {
    let disks = Disks::new(1, 1024);
    let (_, calls) = guest::traced("ioctl", &["/usr/sbin/mdadm", "--examine", disks.path(0)]);
    assert!(calls.iter().any(|call| call.contains("BLKGETSIZE64")), "{calls:#?}");
}

fn disks_are_new_for_each_case() {
    let disks = Disks::new(2, 1024);
    disks.write(1, 4096, b"something");
    guest::same_bytes("what was written", b"something", &disks.read(1, 4096, 9));
    disks.wipe();
    assert_eq!(disks.read(1, 4096, 9), [0; 9]);
    let node = guest::loop_disk("other", 1 << 20);
    assert_eq!(guest::run(&["blockdev", "--getsize64", &node]).ok().stdout, "1048576\n");
}

fn the_reference_makes_a_linear_array() {
    let disks = Disks::new(2, 16384);
    create(&disks, "linear");
    assert!(guest::mdstat().contains("active linear"), "{}", guest::mdstat());
}
