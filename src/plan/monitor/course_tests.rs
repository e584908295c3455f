//! The loop over a machine made of values.

use superblock::Write;

use super::*;
use crate::{
    model::monitor::{ArraySeen, NamedArray, SyncPercent},
    plan::{
        course::{
            Answer, View,
            twin::{self, Scene},
        },
        monitor::{
            Origin, WatchedArray, Watching,
            changes::tests::{array, member},
        },
    },
    words::Errno,
};

/// Arrays, what becomes of them while time passes, and who was told of what.
#[derive(Clone, Debug, Default)]
struct Machine {
    arrays: Vec<ArraySeen>,
    later: Vec<Vec<ArraySeen>>,
    programs: Vec<String>,
    mails: Vec<String>,
    logged: Vec<String>,
    log: Vec<&'static str>,
}

impl Scene for Machine {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Alert(AlertStep::Program { words, .. }) => self.programs.push(words.join(" ")),
            Step::Alert(AlertStep::Sendmail { message, .. }) => self.mails.push(message.clone()),
            Step::Alert(AlertStep::Syslog { text, .. }) => self.logged.push(text.clone()),
            Step::Alert(AlertStep::Journal { .. } | AlertStep::Keep { .. } | AlertStep::Deliver { .. }) => {}
            other => anyhow::bail!("a monitor does not do this: {other}"),
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        match look {
            Look::Monitored { paths } => {
                let at = |path: &String| {
                    let name = path.trim_start_matches("/dev/");
                    match self.arrays.iter().find(|array| array.status.kernel_name == name) {
                        Some(_) => NamedArray::Array(name.to_owned()),
                        None => NamedArray::Absent("No such file or directory".to_owned()),
                    }
                };
                Ok(View::Monitored(Box::new(Monitored {
                    arrays: self.arrays.clone(),
                    named: paths.iter().map(|path| (path.clone(), at(path))).collect(),
                    mdstat: "Personalities : [raid1]\n".to_owned(),
                    ..Monitored::default()
                })))
            }
            Look::KernelLog { .. } => {
                Ok(View::KernelLog(self.log.iter().map(|line| (*line).to_owned()).collect()))
            }
            other => Err(Unseen { text: format!("nothing shows {other:?}"), errno: None }),
        }
    }

    fn pass_time(&mut self, wait: &Wait) -> Woke {
        assert_eq!(wait.on, [Cause::Arrays]);
        // In the end somebody stops it.
        match self.later.is_empty() {
            true => Woke::Interrupted,
            false => {
                self.arrays = self.later.remove(0);
                Woke::Changed
            }
        }
    }

    fn sound(&self) -> Result<(), String> {
        Ok(())
    }
}

fn mirror(name: &str, pattern: &str, second: &str) -> ArraySeen {
    array(name, pattern, vec![member("sda", Some(0), "in_sync"), member("sdb", Some(1), second)])
}

fn receivers() -> Receivers {
    Receivers {
        program: Some("/bin/tell".to_owned()),
        mail_to: Some("root".to_owned()),
        syslog: true,
        host: "box".to_owned(),
        ..Receivers::default()
    }
}

fn monitor(named: &[&str], oneshot: bool, test: bool) -> Monitor {
    let watched = named.iter().map(|path| {
        let watching = Watching { path: (*path).to_owned(), expected_spares: None, increment: 20 };
        WatchedArray::new(watching, Origin::Named)
    });
    let list = List::new(watched.collect(), named.is_empty(), 20, test);
    Monitor::new(MonitorJob {
        list,
        receivers: receivers(),
        delay: Duration::from_secs(60),
        oneshot,
        outbox: Outbox::default(),
        sharing: None,
        pid_file: None,
    })
}

fn drive(course: Monitor, machine: Machine) -> twin::Outcome<Machine> {
    twin::drive(&mut { course }, machine, Answer::No, None, None)
}

#[test]
fn one_look_at_what_is_there() {
    let machine = Machine { arrays: vec![mirror("md0", "U_", "faulty")], ..Machine::default() };
    let found = drive(monitor(&[], true, true), machine.clone());
    let names = ["TestMessage /dev/md0", "NewArray /dev/md0", "DegradedArray /dev/md0"];
    assert_eq!(found.scene.programs, names);
    assert_eq!(found.status(), 0);
    assert_eq!(found.scene.mails.len(), 2);
    assert_eq!(found.text().lines().last(), Some("DegradedArray event detected on md device /dev/md0"));
    let named = drive(monitor(&["/dev/md0", "/dev/md1"], true, false), machine);
    assert_eq!(named.scene.programs, ["DegradedArray /dev/md0"]);
    assert!(
        named.text().starts_with("error opening /dev/md1: No such file or directory\n"),
        "{}",
        named.text()
    );
}

#[test]
fn without_an_array_there_is_nothing_to_do() {
    let none = drive(monitor(&[], false, false), Machine::default());
    assert_eq!((none.status(), none.text().as_str()), (0, "No array with redundancy detected, stopping"));
}

#[test]
fn a_failure_a_rebuild_and_the_end() {
    let filling = |percent| ArraySeen { percent, ..mirror("md0", "U_", "spare") };
    let machine = Machine {
        arrays: vec![mirror("md0", "UU", "in_sync")],
        later: vec![
            vec![mirror("md0", "UU", "in_sync")],
            vec![mirror("md0", "U_", "faulty")],
            vec![filling(SyncPercent::At(0))],
            vec![filling(SyncPercent::At(62))],
            vec![mirror("md0", "UU", "in_sync")],
            vec![],
        ],
        log: vec!["md/raid1:md0: Disk failure on sdb, disabling device."],
        ..Machine::default()
    };
    let end = drive(monitor(&["/dev/md0"], false, false), machine);
    assert_eq!(end.status(), 0);
    let events = [
        "Fail /dev/md0 /dev/sdb",
        "RebuildStarted /dev/md0",
        "Rebuild62 /dev/md0",
        "RebuildFinished /dev/md0",
        "SpareActive /dev/md0 /dev/sdb",
        "DeviceDisappeared /dev/md0",
    ];
    assert_eq!(end.scene.programs, events);
    assert_eq!(end.scene.logged.len(), events.len());
    let [mail] = end.scene.mails.try_into().unwrap();
    assert_eq!(
        mail,
        "From: mdadm monitoring <root@box>\nTo: root\nSubject: Fail event on /dev/md0:box\n\n\
         This is an automatically generated mail message.\n\
         Fail event detected on md device /dev/md0, component device /dev/sdb\n\
         The /proc/mdstat file currently contains the following:\n\nPersonalities : [raid1]\n\n\
         Disk: Model, serial number S-sdb\n\
         Kernel: md/raid1:md0: Disk failure on sdb, disabling device.\n\
         Next: mdadm /dev/md0 --remove /dev/sdb; then mdadm /dev/md0 --add NEW-DISK\n"
    );
}

#[test]
fn an_array_that_comes_back_degraded_is_told_of() {
    let there = vec![mirror("md0", "UU", "in_sync"), mirror("md1", "UU", "in_sync")];
    let machine = Machine {
        arrays: there.clone(),
        later: vec![
            there.clone(),
            vec![there[1].clone()],
            vec![mirror("md0", "U_", "faulty"), there[1].clone()],
        ],
        ..Machine::default()
    };
    let end = drive(monitor(&["/dev/md0", "/dev/md1"], false, false), machine);
    assert_eq!(
        end.scene.programs,
        ["DeviceDisappeared /dev/md0", "NewArray /dev/md0", "DegradedArray /dev/md0"]
    );
}

#[test]
fn it_ends_whatever_happens() {
    let machine = Machine {
        arrays: vec![mirror("md0", "U_", "faulty")],
        later: vec![vec![mirror("md0", "UU", "in_sync")], vec![mirror("md0", "U_", "faulty")]],
        ..Machine::default()
    };
    let changes: &[twin::Change<Machine>] = &[
        ("all arrays were stopped", |machine| machine.arrays.clear()),
        ("one was made", |machine| machine.arrays.push(mirror("md7", "UU", "in_sync"))),
        ("a member failed", |machine| {
            for array in &mut machine.arrays {
                *array = mirror(&array.status.kernel_name, "U_", "faulty");
            }
        }),
    ];
    let make = || monitor(&[], false, true);
    let tally = twin::everything(make, &machine, &[Errno::EIO], changes, |outcome, what| {
        assert_eq!(outcome.status(), 0, "{what}: {}", outcome.text());
    });
    assert!(tally.reaches(20, 15, 60), "{tally:?}");
}
