//! `--monitor` by both programs over the same arrays: what their programs are told. Then what the reference has not: receivers that
//! refuse, a monitor that is killed.

#[cfg(all(feature = "mail", feature = "hook"))]
mod receivers;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::guest::{self, Case, Disks, ours, reference, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("looks_once_as_the_reference_does", looks_once),
        Case::new("a_failure_and_a_rebuild_are_the_same_events", failure_and_rebuild),
        Case::new("a_spare_moves_within_a_group", moves_a_spare),
        Case::new("of_two_monitors_that_scan_the_second_ends", only_one),
        #[cfg(all(feature = "mail", feature = "hook"))]
        Case::new("receivers_that_refuse_get_each_event_once", receivers::refuse),
        #[cfg(all(feature = "mail", feature = "hook"))]
        Case::new("a_receiver_that_does_not_answer_holds_nothing_up", receivers::hangs),
        #[cfg(all(feature = "mail", feature = "hook"))]
        Case::new("receivers_are_read_again_and_a_dead_delivery_is_seen", receivers::called),
    ]
}

/// The two programs, and where what they told is.
const BOTH: [(&str, &str); 2] =
    [("/usr/sbin/mdadm", "/tmp/told.ref"), ("/usr/local/sbin/mdadm", "/tmp/told.our")];

/// A program that notes its arguments.
fn notes_arguments() {
    sh("printf '#!/bin/sh\\necho \"$#:$*\" >>\"$TOLD\"\\n' >/tmp/tell; chmod +x /tmp/tell; rm -f /tmp/told.*").ok();
}

fn told(path: &str) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A monitor in the background; it ends with the case.
struct Running(Child);

impl Running {
    fn start(program: &str, told: &str, words: &[&str]) -> Self {
        let mut command = Command::new(program);
        command
            .args(words)
            .env("TOLD", told)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("a monitor starts"))
    }

    #[cfg(all(feature = "mail", feature = "hook"))]
    fn signal(&self, name: &str) {
        sh(&format!("kill -{name} {}", self.0.id())).ok();
    }

    #[cfg(all(feature = "mail", feature = "hook"))]
    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn looks_once() {
    notes_arguments();
    let disks = Disks::new(4, 16 << 10);
    let [a, b, c] = [0, 1, 2].map(|n| disks.path(n));
    reference(&["-q", "-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", a, "missing"]).ok();
    reference(&["-q", "-C", "/dev/md1", "--run", "-l0", "-n2", b, c]).ok();
    guest::settle();
    let uuid = sh("/usr/sbin/mdadm -D --export /dev/md0 | sed -n s/MD_UUID=//p").ok().stdout;
    let lines = format!("ARRAY /dev/md/x UUID=0:1:2:3\nARRAY /dev/md0 spares=2 UUID={uuid}MAILFROM me@box\n");
    fs::write("/tmp/monitor.conf", lines).expect("/tmp takes a file");
    for words in [
        "-F -1 /dev/nx",
        "-F -1 /dev/null",
        "-F -s -1",
        "-F -i /tmp/x /dev/md0",
        "-F -s -1 -t -p /tmp/tell",
        "-F -1 -t -p /tmp/tell /dev/md0 /dev/md1",
        "-F -s -1 -c /tmp/monitor.conf -p /tmp/tell",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let answers = BOTH.map(|(program, told)| {
            guest::run(&[&["env", &format!("TOLD={told}"), program], words.as_slice()].concat())
        });
        assert_eq!(answers[0].status, answers[1].status, "{}{}", answers[0], answers[1]);
        assert_eq!(answers[0].stderr, answers[1].stderr, "{}{}", answers[0], answers[1]);
        let [theirs, our] = BOTH.map(|(_, path)| told(path));
        assert_eq!(theirs, our, "{words:?}");
        assert_eq!(our.is_empty(), !words.contains(&"/tmp/tell"), "{words:?}");
        sh("rm -f /tmp/told.*").ok();
    }
}

fn failure_and_rebuild() {
    notes_arguments();
    let disks = Disks::new(3, 32 << 10);
    let [a, b, c] = [0, 1, 2].map(|n| disks.path(n));
    reference(&["-q", "-C", "/dev/md0", "--run", "-l1", "-n2", "-x1", "--assume-clean", a, b, c]).ok();
    guest::settle();
    sh("echo 4000 >/sys/block/md0/md/sync_speed_min; echo 8000 >/sys/block/md0/md/sync_speed_max").ok();
    let words = ["-F", "--no-sharing", "-d", "1", "-t", "-p", "/tmp/tell", "/dev/md0"];
    let _both = BOTH.map(|(program, told)| Running::start(program, told, &words));
    let both_told =
        |what: &str| BOTH.iter().all(|(_, path)| told(path).iter().any(|line| line.contains(what)));
    guest::until("both look", || both_told("TestMessage"));
    reference(&["-q", "/dev/md0", "--fail", b]).ok();
    guest::until("both see the end", || both_told("SpareActive"));
    reference(&["-q", "--stop", "/dev/md0"]).ok();
    guest::until("both miss it", || both_told("DeviceDisappeared"));
    // How far it is at a look is a matter of the moment.
    let [theirs, our] = BOTH.map(|(_, path)| {
        let is_progress = |line: &String| {
            line.strip_prefix("2:Rebuild").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        told(path).into_iter().filter(|line| !is_progress(line)).collect::<Vec<_>>()
    });
    // What failed, and then what follows from it: both are seen in one look, and the original says the rebuild first.
    let at = |what: &str| our.iter().position(|line| line.contains(what));
    assert!(at("Fail") < at("RebuildStarted"), "{our:?}");
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(theirs), sorted(our));
}

fn groups() -> Disks {
    notes_arguments();
    let disks = Disks::new(5, 16 << 10);
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|n| disks.path(n));
    reference(&["-q", "-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", a, b]).ok();
    reference(&["-q", "-C", "/dev/md1", "--run", "-l1", "-n2", "-x1", "--assume-clean", c, d, e]).ok();
    guest::settle();
    let script = "for n in 0 1; do echo \"ARRAY /dev/md$n spare-group=g UUID=$(/usr/sbin/mdadm -D --export /dev/md$n | \
                  sed -n s/MD_UUID=//p)\"; done >/tmp/monitor.conf";
    sh(script).ok();
    disks
}

const SCAN: [&str; 9] = ["-F", "-s", "-c", "/tmp/monitor.conf", "-d", "1", "-t", "-p", "/tmp/tell"];

fn moves_a_spare() {
    let mut answers = Vec::new();
    for (program, path) in BOTH {
        let disks = groups();
        let running = Running::start(program, path, &SCAN);
        guest::until("it looks", || told(path).len() == 2);
        reference(&["-q", "/dev/md0", "--fail", disks.path(1)]).ok();
        guest::until("the spare moves", || told(path).iter().any(|line| line.contains("MoveSpare")));
        guest::wait_for("it fills the slot", |mdstat| mdstat.matches("[UU]").count() == 2);
        drop(running);
        let moved =
            told(path).into_iter().filter(|line| !line.contains("Rebuild") && !line.contains("SpareActive"));
        answers.push(moved.collect::<Vec<_>>());
        guest::clean();
    }
    assert_eq!(answers[0], answers[1]);
}

fn only_one() {
    let _disks = groups();
    let first = Running::start(BOTH[1].0, BOTH[1].1, &SCAN);
    guest::until("it looks", || told(BOTH[1].1).len() == 2);
    let number = fs::read_to_string("/run/mdadm/autorebuild.pid").expect("the number is there");
    assert_eq!(number.trim(), first.0.id().to_string());
    let said = "mdadm: Only one autorebuild process allowed in scan mode, aborting\n";
    for second in [reference(&SCAN), ours(&SCAN)] {
        assert_eq!(second.fails(1).stderr, said);
    }
    drop(first);
    ours(&[&SCAN[..], &["-f", "-i", "/tmp/monitor.pid"]].concat()).ok();
    let pid = fs::read_to_string("/tmp/monitor.pid").expect("the number is there");
    guest::until("it is the one", || {
        fs::read_to_string("/run/mdadm/autorebuild.pid").is_ok_and(|text| text == pid)
    });
    assert_eq!(reference(&SCAN).fails(1).stderr, said);
    sh("kill $(cat /tmp/monitor.pid)").ok();
    guest::until("it ends", || !Path::new("/proc").join(pid.trim()).exists());
    assert!(!Path::new("/tmp/monitor.pid").exists(), "whoever ends removes the file with its number");
}
