//! `mdctl status`: what it says of arrays in every state, what it costs, and its live screen.

use crate::guest::{self, Case, Disks, mdctl, reference, run, sh, traced};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("one_array_of_each_kind", one_array_of_each_kind),
        Case::new("rebuilding_and_what_is_missing", rebuilding_and_what_is_missing),
        Case::new("no_device_is_opened_for_running_arrays", no_device_is_opened_for_running_arrays),
        Case::new("watch_on_a_terminal", watch_on_a_terminal),
        Case::new("watch_as_json_lines", watch_as_json_lines),
    ]
}

/// The answer as JSON.
#[track_caller]
fn status(words: &[&str]) -> serde_json::Value {
    let output = mdctl(&[&["status", "--json"], words].concat()).ok();
    serde_json::from_str(&output.stdout).expect("status says JSON")
}

fn text_of(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Slot, role and device of each member.
fn roles(array: &serde_json::Value) -> Vec<(Option<u64>, &str, &str)> {
    let members = array["members"].as_array().expect("there are members");
    let role = |member: &'_ serde_json::Value| member["slot"].as_u64();
    members
        .iter()
        .map(|member| (role(member), text_of(&member["role"]), text_of(&member["kernel_name"])))
        .collect()
}

/// The array with this kernel name.
fn array<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let arrays = report["arrays"].as_array().expect("there are arrays");
    arrays
        .iter()
        .find(|array| array["kernel_name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

fn create(words: &[&str]) {
    reference(&[&["--quiet", "--create", "--run"], words].concat()).ok();
}

/// A mirror with a failed member, a RAID5 with a partial parity log, a RAID0 with old metadata, half a mirror that was
/// not started.
fn several() {
    assert_eq!(mdctl(&["status"]).ok().stdout, "no arrays\n");
    let _disks = Disks::new(11, 16 << 10);
    create(&[
        "/dev/md1",
        "-l1",
        "-n2",
        "-x1",
        "--assume-clean",
        "--bitmap=internal",
        "/dev/ram0",
        "/dev/ram1",
        "/dev/ram2",
    ]);
    create(&[
        "/dev/md5",
        "-l5",
        "-n3",
        "--assume-clean",
        "--consistency-policy=ppl",
        "/dev/ram3",
        "/dev/ram4",
        "/dev/ram5",
    ]);
    create(&["/dev/md0", "-l0", "-n2", "-e0.90", "/dev/ram6", "/dev/ram7"]);
    create(&["/dev/md/home", "-l1", "-n2", "--assume-clean", "/dev/ram8", "/dev/ram9"]);
    guest::settle();
    reference(&["--quiet", "/dev/md1", "--fail", "/dev/ram1"]).ok();
    guest::wait_for("the spare is in", |mdstat| mdstat.matches("[UU]").count() == 2);
    sh("echo writemostly > /sys/block/md1/md/dev-ram2/state").ok();
    reference(&["--quiet", "--stop", "/dev/md/home"]).ok();
    reference(&["--quiet", "--incremental", "/dev/ram8"]);
    guest::settle();
}

fn one_array_of_each_kind() {
    several();
    let report = status(&[]);
    assert_eq!(report["schema"], "mdctl.status.1");
    let md1 = array(&report, "md1");
    assert_eq!(
        (&md1["health"], &md1["level"], &md1["metadata"]),
        (&"complete".into(), &"raid1".into(), &"1.2".into())
    );
    assert_eq!(md1["name"], "guest:1");
    assert_eq!(md1["bitmap"]["chunk_bytes"], 64 << 20);
    let uuid = reference(&["--detail", "--export", "/dev/md1"]).ok().stdout;
    assert!(uuid.contains(&format!("MD_UUID={}\n", text_of(&md1["uuid"]))), "{uuid}\n{md1:#}");
    assert_eq!(
        roles(md1),
        [(Some(0), "active", "ram0"), (Some(1), "active", "ram2"), (None, "faulty", "ram1")]
    );
    let md5 = array(&report, "md5");
    assert_eq!((&md5["consistency_policy"], &md5["layout"]), (&"ppl".into(), &"left-symmetric".into()));
    let blocks: u64 = sh("cat /sys/block/md5/size").ok().stdout.trim().parse().unwrap_or(0);
    assert_eq!(md5["size_bytes"], blocks * 512);
    assert_eq!(array(&report, "md0")["metadata"], "0.90");
    assert_eq!(array(&report, "md127")["health"], "inactive");
    assert_eq!(array(&report, "md127")["members"][0]["role"], "attached");
    texts();
}

fn texts() {
    let text = mdctl(&["status", "md1", "/dev/md5"]).ok().stdout;
    assert!(text.contains("/dev/md1: raid1, clean") && text.contains("in sync, write-mostly"), "{text}");
    assert!(text.contains("partial parity log") && !text.contains("md0") && !text.contains('\x1b'), "{text}");
    let nothing = mdctl(&["status", "md9"]).fails(1);
    assert!(nothing.stderr.contains("md9: is no array in the kernel"), "{nothing}");
    // An array that is on devices only is told of, unless nobody wants devices to be read.
    reference(&["--quiet", "--stop", "/dev/md127"]).ok();
    let report = status(&[]);
    assert_eq!(report["not_running"][0]["name"], "guest:home");
    assert_eq!(report["not_running"][0]["present_devices"], 2);
    assert_eq!(report["not_running"][0]["startable"], true);
    assert_eq!(status(&["--running"])["not_running"], serde_json::Value::Null);
    let text = mdctl(&["status"]).ok().stdout;
    assert!(text.contains("not running: guest:home, raid1, 2 of 2 devices"), "{text}");
}

fn rebuilding_and_what_is_missing() {
    let _disks = Disks::new(4, 32 << 10);
    create(&[
        "/dev/md0",
        "-l1",
        "-n3",
        "--assume-clean",
        "--bitmap=none",
        "/dev/ram0",
        "/dev/ram1",
        "missing",
    ]);
    sh("echo 800 > /sys/block/md0/md/sync_speed_max; echo 400 > /sys/block/md0/md/sync_speed_min").ok();
    let report = status(&["md0"]);
    assert_eq!(array(&report, "md0")["missing_slots"], serde_json::json!([2]));
    let text = mdctl(&["status"]).ok().stdout;
    assert!(text.contains("1 of 3 devices missing: slot 2: mdctl explain /dev/md0"), "{text}");
    reference(&["--quiet", "/dev/md0", "--add", "/dev/ram2"]).ok();
    guest::wait_for("it recovers", |mdstat| mdstat.contains("recovery ="));
    let report = status(&["md0"]);
    let md0 = array(&report, "md0");
    assert_eq!((&md0["health"], &md0["sync"]["action"]), (&"degraded".into(), &"recovery".into()), "{md0:#}");
    assert!(md0["sync"]["done_percent"].as_f64().is_some_and(|percent| percent < 100.0), "{md0:#}");
    assert_eq!(md0["members"][2]["role"], "rebuilding", "{md0:#}");
    assert!(md0["members"][2]["rebuilt_percent"].is_number(), "{md0:#}");
    let text = sh("script -qec 'stty cols 80 rows 24; TERM=xterm mdctl status' /dev/null").ok().stdout;
    assert!(
        text.contains("recovery [") && text.contains("rebuilding") && text.contains("\x1b[33m"),
        "{text}"
    );
    let plain =
        sh("script -qec 'stty cols 80 rows 24; TERM=xterm NO_COLOR=1 mdctl status' /dev/null").ok().stdout;
    assert!(
        !plain.contains('\x1b') && plain.lines().all(|line| line.trim_end().chars().count() <= 80),
        "{plain}"
    );
    sh("echo frozen > /sys/block/md0/md/sync_action").ok();
    let text = mdctl(&["status"]).ok().stdout;
    assert!(text.contains("frozen"), "{text}");
}

fn no_device_is_opened_for_running_arrays() {
    let _disks = Disks::new(4, 16 << 10);
    create(&["/dev/md0", "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"]);
    create(&["/dev/md1", "-l1", "-n2", "--assume-clean", "/dev/ram2", "/dev/ram3"]);
    guest::settle();
    for words in [&["status", "--running"][..], &["status", "md0"], &["status"]] {
        let command = [&["/usr/local/sbin/mdctl"], words].concat();
        let (output, trace) = traced("openat", &command);
        output.ok();
        let opened: Vec<&String> = trace.iter().filter(|line| line.contains("\"/dev/ram")).collect();
        assert!(opened.is_empty(), "{words:?}: {opened:#?}");
        let reads = trace.iter().filter(|line| line.contains("/sys/block/")).count();
        assert!(reads < 2 * (45 + 2 * 20), "{reads} files of sysfs for two arrays:\n{}", trace.join("\n"));
    }
    // Somebody who is not root sees the same arrays.
    let other =
        run(&["setpriv", "--reuid=65534", "--clear-groups", "/usr/local/sbin/mdctl", "status", "--json"])
            .ok();
    assert!(other.stdout.contains("\"md1\"") && other.stdout.contains("\"not_running\": null"), "{other}");
}

/// Waits until a command's text is there, without sleeping longer than it takes.
const UNTIL: &str = "seen() { for _ in $(seq 300); do grep -aq \"$1\" $2 && return 0; sleep 0.1; done; echo \"no $1 in\"; cat $2; return 1; }\n";

fn watch_on_a_terminal() {
    let _disks = Disks::new(3, 16 << 10);
    create(&["/dev/md0", "-l1", "-n2", "-x1", "--assume-clean", "/dev/ram0", "/dev/ram1", "/dev/ram2"]);
    guest::settle();
    for (key, disk) in [("q", 2), ("\\003", 1)] {
        let script = format!(
            "{UNTIL}rm -f /tmp/keys /tmp/screen; mkfifo /tmp/keys
             TERM=xterm script -qefc 'stty rows 30 cols 80; stty -a > /tmp/before; mdctl status --watch; echo left $?; stty -a > /tmp/after' /tmp/screen < /tmp/keys > /dev/null &
             exec 9> /tmp/keys
             seen 'q quits' /tmp/screen && seen 'UUID' /tmp/screen || exit 1
             /usr/sbin/mdadm -q /dev/md0 --fail /dev/ram{disk}
             seen 'faulty' /tmp/screen || exit 1
             printf '{key}' >&9
             seen 'left 0' /tmp/screen || exit 1
             exec 9>&-; wait
             cmp /tmp/before /tmp/after"
        );
        let output = sh(&script);
        assert_eq!(output.status, 0, "{key}: {output}");
        let screen = sh("cat /tmp/screen").ok().stdout;
        let (enter, leave) = (screen.find("\x1b[?1049h\x1b[?25l"), screen.find("\x1b[?25h\x1b[?1049l"));
        assert!(enter < leave && enter.is_some(), "{key}: {screen:?}");
        // Nothing is cleared before it is written again.
        assert!(!screen.contains("\x1b[2J") && !screen.contains("\x1b[H\x1b[J"), "{screen:?}");
    }
}

fn watch_as_json_lines() {
    let _disks = Disks::new(2, 16 << 10);
    let script = format!(
        "{UNTIL}mdctl status --watch --json > /tmp/lines & pid=$!
         seen '\"arrays\":\\[\\]' /tmp/lines || exit 1
         /usr/sbin/mdadm -q --create /dev/md0 --run -l1 -n2 --assume-clean /dev/ram0 /dev/ram1 || exit 1
         seen '\"kernel_name\":\"md0\"' /tmp/lines || exit 1
         /usr/sbin/mdadm -q /dev/md0 --fail /dev/ram1
         seen '\"role\":\"faulty\"' /tmp/lines || exit 1
         kill $pid; wait
         # A reader that goes away ends it, without waiting for the next change.
         timeout 20 bash -c 'mdctl status --watch --json | head -n1 > /dev/null; exit ${{PIPESTATUS[0]}}'"
    );
    let output = sh(&script);
    assert_eq!(output.status, 0, "{output}");
    for line in sh("cat /tmp/lines").ok().stdout.lines() {
        let report: serde_json::Value = serde_json::from_str(line).expect("each line is a document");
        assert_eq!(report["schema"], "mdctl.status.1");
    }
}
