//! The loop over a machine made of values.

use std::collections::BTreeMap;

use superblock::Write;

use super::*;
use crate::{
    config::alerts::WebHook,
    model::monitor::{ArraySeen, Letter, MonitorTexts, NamedArray, Spool, Spooled, SyncPercent},
    plan::{
        course::{
            Answer, View,
            twin::{self, Scene},
        },
        monitor::{
            Mailbox, Origin, WatchedArray, Watching,
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
    post: Post,
    /// The first wait is ended by a call, and this is configured by then.
    texts: Option<MonitorTexts>,
    called: bool,
}

/// In seconds; by then everything has happened.
const LONGEST: u64 = 600;

/// Letters, and receivers.
#[derive(Clone, Debug, Default)]
struct Post {
    now: u64,
    /// Files of letters, and why each was refused.
    files: BTreeMap<String, (Letter, Option<String>)>,
    /// What is being delivered, and until when.
    under_way: BTreeMap<String, u64>,
    takes: u64,
    /// The first answers are refusals.
    refusals: usize,
    taken: Vec<String>,
    /// The first directory cannot be written.
    is_full: bool,
}

impl Post {
    fn act(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Alert(AlertStep::Keep { file, .. }) if self.is_full && file.starts_with("/spool") => {
                anyhow::bail!("{file}: no space left on device")
            }
            Step::Alert(AlertStep::Keep { file, text }) => {
                let letter = Letter::from_file(text).expect("a letter");
                self.files.insert(file.clone(), (letter, None));
            }
            Step::Alert(AlertStep::Deliver { file, .. }) => {
                let to = |file: &String| self.files.get(file).map(|(letter, _)| letter.to.clone());
                let is_busy = self.under_way.keys().any(|other| to(other) == to(file));
                assert!(!is_busy, "one at a time to each");
                self.under_way.insert(file.clone(), self.now + self.takes);
                self.answer();
            }
            // No letter was refused before it is sent again.
            Step::System(SystemStep::RemoveFile { file }) => {
                if let Some((_, why)) = self.files.get_mut(file.trim_end_matches(".refused")) {
                    *why = None;
                }
            }
            other => anyhow::bail!("a monitor does not do this: {other}"),
        }
        Ok(())
    }

    fn answer(&mut self) {
        let is_over = |(file, at): (&String, &u64)| (*at <= self.now).then(|| file.clone());
        let over: Vec<String> = self.under_way.iter().filter_map(is_over).collect();
        for file in over {
            self.under_way.remove(&file);
            if self.refusals > 0 {
                self.refusals -= 1;
                self.files.get_mut(&file).expect("it is kept").1 = Some("http status: 503".to_owned());
            } else if let Some((letter, _)) = self.files.remove(&file) {
                self.taken.push(letter.text);
            }
        }
    }

    fn see(&self) -> Spool {
        let in_hand = |file: &String| self.under_way.contains_key(file);
        let letters = self.files.iter().map(|(file, (letter, refused))| Spooled {
            file: file.clone(),
            letter: letter.clone(),
            in_hand: in_hand(file),
            refused: refused.clone(),
        });
        Spool { now: self.now, letters: letters.collect() }
    }
}

impl Scene for Machine {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Alert(AlertStep::Program { words, .. }) => self.programs.push(words.join(" ")),
            Step::Alert(AlertStep::Sendmail { message, .. }) => self.mails.push(message.clone()),
            Step::Alert(AlertStep::Syslog { text, .. }) => self.logged.push(text.clone()),
            Step::Alert(AlertStep::Journal { .. }) => {}
            other => self.post.act(other)?,
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
                    now: self.post.now,
                    arrays: self.arrays.clone(),
                    named: paths.iter().map(|path| (path.clone(), at(path))).collect(),
                    mdstat: "Personalities : [raid1]\n".to_owned(),
                    ..Monitored::default()
                })))
            }
            Look::MonitorTexts { .. } => {
                Ok(View::MonitorTexts(Box::new(self.texts.clone().unwrap_or_default())))
            }
            Look::Letters { .. } => Ok(View::Letters(Box::new(self.post.see()))),
            Look::KernelLog { .. } => {
                Ok(View::KernelLog(self.log.iter().map(|line| (*line).to_owned()).collect()))
            }
            other => Err(Unseen { text: format!("nothing shows {other:?}"), errno: None }),
        }
    }

    fn pass_time(&mut self, wait: &Wait) -> Woke {
        if self.texts.is_some() && !std::mem::replace(&mut self.called, true) {
            return Woke::Called;
        }
        self.post.now += wait.most.as_secs().max(1);
        self.post.answer();
        // Some letters are for nobody, so they are not waited for without end.
        let is_late = self.post.now > LONGEST;
        let is_quiet = !is_late && (self.later.is_empty() || self.post.now % 10 != 0);
        if wait.on.is_empty() || (!self.post.files.is_empty() && is_quiet) {
            return Woke::TimeUp;
        }
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
        given: Receivers { mail_to: None, ..receivers() },
        config: None,
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

fn with_hook(course: Monitor) -> Monitor {
    let hook = WebHook { url: "http://hook/secret".to_owned(), token_file: None };
    let dirs = vec!["/spool".to_owned(), "/run".to_owned()];
    let outbox = Outbox::new(dirs, vec![Mailbox::Hook(hook)], "1".to_owned(), "box");
    Monitor { job: MonitorJob { outbox, ..course.job }, ..course }
}

/// What the receiver took.
fn taken(scene: &Machine) -> Vec<String> {
    let event = |text: &String| {
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        document["event"].as_str().unwrap().to_owned()
    };
    scene.post.taken.iter().map(event).collect()
}

#[test]
fn one_look_waits_for_receivers_and_says_whether_they_answered() {
    let arrays = vec![mirror("md0", "U_", "faulty")];
    let machine = Machine { arrays, post: Post { takes: 20, ..Post::default() }, ..Machine::default() };
    let fine = drive(with_hook(monitor(&[], true, true)), machine.clone());
    assert_eq!(
        (fine.status(), taken(&fine.scene)),
        (0, ["TestMessage", "NewArray", "DegradedArray"].map(str::to_owned).to_vec())
    );
    let mut refuses = machine.clone();
    refuses.post.refusals = 1;
    let refused = drive(with_hook(monitor(&[], true, true)), refuses);
    assert_eq!((refused.status(), refused.scene.post.files.len()), (1, 3));
    let text = refused.text();
    assert!(text.contains("http://hook: http status: 503; the alert is kept in /spool/"), "{text}");
    assert!(
        text.ends_with("3 of the alerts could not be delivered; the next monitor sends them again"),
        "{text}"
    );
    // Logs learn of it as well.
    assert!(refused.scene.logged.iter().any(|line| line.contains("503")));
}

#[test]
fn a_name_begins_no_header_of_its_own() {
    let event = ArrayEvent::new(EventKind::Fail, "/dev/md/a\r\nBcc: x@y\n\nbody").component("/dev/b\nc");
    let mail = receivers().mail(&event, "md0 : active\n");
    let (headers, body) = mail.split_once("\n\n").unwrap();
    let names: Vec<&str> = headers.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["From", "To", "Subject"]);
    assert!(body.starts_with("This is an automatically generated mail message.\nFail event"), "{body}");
}

#[test]
fn arrays_are_looked_at_while_a_receiver_does_not_answer() {
    let there = vec![mirror("md0", "UU", "in_sync")];
    let machine = Machine {
        arrays: there.clone(),
        later: vec![there.clone(), vec![mirror("md0", "U_", "faulty")], there],
        post: Post { takes: 35, refusals: 2, ..Post::default() },
        ..Machine::default()
    };
    let end =
        twin::drive(&mut with_hook(monitor(&["/dev/md0"], false, true)), machine, Answer::No, None, None);
    assert_eq!(
        end.scene.programs,
        ["TestMessage /dev/md0", "Fail /dev/md0 /dev/sdb", "SpareActive /dev/md0 /dev/sdb"]
    );
    // Each once, in their order.
    let events = ["TestMessage", "Fail", "ArrayRestored", "SpareActive"];
    let mut seen = taken(&end.scene);
    seen.retain(|event| events.contains(&event.as_str()));
    assert_eq!(seen.first().map(String::as_str), Some("TestMessage"), "{seen:?}");
    assert!(end.text().contains("it takes alerts again"), "{}", end.text());
}

#[test]
fn a_full_disk_keeps_no_alert_back() {
    let post = Post { is_full: true, refusals: 1, ..Post::default() };
    let machine = Machine { arrays: vec![mirror("md0", "U_", "faulty")], post, ..Machine::default() };
    let end = drive(with_hook(monitor(&[], true, false)), machine);
    assert!(end.text().contains("kept in /run/"), "{}", end.text());
    assert_eq!(end.scene.post.files.len(), 2);
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
    // With a receiver that takes its time.
    let machine = Machine { post: Post { takes: 3, refusals: 1, ..Post::default() }, ..machine };
    let tally = twin::everything(
        || with_hook(make()),
        &machine,
        &[Errno::EIO],
        changes,
        |outcome, what| {
            assert_eq!(outcome.status(), 0, "{what}: {}", outcome.text());
        },
    );
    assert!(tally.reaches(20, 15, 60), "{tally:?}");
}

/// What is configured: mail to somebody else, and a web address besides the one that was there, or in its place.
fn texts(hooks: &[&str]) -> MonitorTexts {
    let hooks: String = hooks.iter().map(|url| format!("HOOK url={url}\n")).collect();
    MonitorTexts {
        conf: vec![("/etc/mdadm.conf".to_owned(), "MAILADDR other\nODD x\n".to_owned())],
        alerts: Some(("/etc/mdctl.conf".to_owned(), hooks)),
        ..MonitorTexts::default()
    }
}

#[test]
fn a_call_has_receivers_read_again_and_loses_no_letter() {
    let there = vec![mirror("md0", "UU", "in_sync")];
    let machine = Machine {
        arrays: there.clone(),
        later: vec![there.clone(), vec![mirror("md0", "U_", "faulty")], there],
        // The one that is there has taken nothing until then.
        post: Post { takes: 2, refusals: 1, ..Post::default() },
        texts: Some(texts(&["http://new/", "http://hook/secret"])),
        ..Machine::default()
    };
    let end = drive(with_hook(monitor(&["/dev/md0"], false, true)), machine.clone());
    assert!(end.text().contains("Unknown keyword ODD"), "{}", end.text());
    let to = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("To: ").map(str::to_owned));
    let to: Vec<String> = end.scene.mails.iter().filter_map(to).collect();
    assert_eq!(to, ["root", "other"], "the test's went out before");
    let taken = taken(&end.scene);
    for (event, times) in [("TestMessage", 1), ("Fail", 2), ("SpareActive", 2)] {
        assert_eq!(taken.iter().filter(|taken| *taken == event).count(), times, "{event}: {taken:?}");
    }
    // A receiver that is gone keeps its letters: it may come back.
    let gone = Machine { texts: Some(texts(&["http://new/"])), ..machine };
    let end = drive(with_hook(monitor(&["/dev/md0"], false, true)), gone);
    assert!(end.text().contains("1 alerts are kept for receivers"), "{}", end.text());
    assert!(end.scene.post.files.values().any(|(letter, _)| letter.to == "http://hook/secret"));
}

#[test]
fn the_next_command_is_said_as_the_program_is_called() {
    let command = "mdctl manage /dev/md0 --add NEW-DISK";
    let native = Receivers { native: true, ..receivers() };
    assert_eq!(
        (native.next(command).as_str(), receivers().next(command).as_str()),
        (command, "mdadm /dev/md0 --add NEW-DISK")
    );
}

#[test]
fn what_cannot_be_read_again_changes_nothing() {
    let machine = Machine { arrays: vec![mirror("md0", "UU", "in_sync")], ..Machine::default() };
    let mut course = monitor(&["/dev/md0"], false, false);
    course.stage = Stage::Waiting;
    let _look = course.next(Happened::Woke(Woke::Called));
    let turn = course.next(Happened::Unseen(Unseen { text: "no".to_owned(), errno: None }));
    assert!(turn.say.iter().any(|said| said.text == "no; who is told stays as it was"), "{turn:?}");
    assert_eq!(course.job.receivers, receivers());
    assert_eq!(drive(course, machine).status(), 0);
}

#[test]
fn what_a_killed_monitor_left_is_delivered_whatever_happens() {
    let letter = |id: &str, to: &str| Letter {
        id: id.to_owned(),
        written: 0,
        to: to.to_owned(),
        text: format!("{{\"event\":\"{id}\"}}"),
    };
    let mut post = Post { takes: 1, ..Post::default() };
    for (dir, id, to) in [
        ("/spool", "000000000000.000001.9", "http://hook/secret"),
        ("/run", "000000000000.000002.9", "http://hook/secret"),
        ("/spool", "000000000000.000003.9", "http://nobody/"),
    ] {
        post.files.insert(format!("{dir}/{id}.letter"), (letter(id, to), None));
    }
    // One was refused when its monitor was killed.
    post.files.get_mut("/spool/000000000000.000001.9.letter").expect("it is there").1 = Some("no".to_owned());
    let there = vec![mirror("md0", "UU", "in_sync")];
    let machine = Machine { arrays: there.clone(), later: vec![there], post, ..Machine::default() };
    let make = || with_hook(monitor(&["/dev/md0"], false, false));
    let changes: &[twin::Change<Machine>] = &[
        ("another process left one more", |machine| {
            let more = Letter {
                id: "4".into(),
                written: 0,
                to: "http://hook/secret".into(),
                text: "{\"event\":\"4\"}".into(),
            };
            machine.post.files.insert("/run/000000000000.000004.9.letter".into(), (more, None));
        }),
        ("another process delivered one", |machine| {
            machine.post.files.remove("/run/000000000000.000002.9.letter");
        }),
    ];
    let plain = drive(make(), machine.clone());
    assert_eq!(taken(&plain.scene), ["000000000000.000001.9", "000000000000.000002.9"]);
    assert!(plain.text().contains("1 alerts are kept for receivers"), "{}", plain.text());
    let tally = twin::everything(make, &machine, &[Errno::EIO], changes, |outcome, what| {
        assert_eq!(outcome.status(), 0, "{what}: {}", outcome.text());
        let taken = taken(&outcome.scene);
        let mut once = taken.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), taken.len(), "{what}: {taken:?}");
        // Whoever did not take it finds it kept.
        let kept = |id: &str| outcome.scene.post.files.keys().any(|file| file.contains(id));
        assert!(kept("000003") && (kept("000001") || once.iter().any(|id| id.contains("000001"))), "{what}");
    });
    assert!(tally.reaches(8, 6, 12), "{tally:?}");
}
