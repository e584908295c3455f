//! Commands about members, with everything that goes wrong on the way.

use superblock::{Level, Sectors};

use super::{
    bench::{Bench, Disk},
    session::{Manage, ManageJob},
    tests::{array, context, superblock},
    *,
};
use crate::{
    plan::{
        course::{
            Answer, Course, Deed, Ending, Event, Then, Turn,
            twin::{self, Change, Fault, Outcome, Tally},
        },
        replace::session as replacing,
    },
    request::ManageWord,
    words::Errno,
};

const ERRORS: &[Errno] = &[Errno::EBUSY, Errno::ENOMEM, Errno::EINVAL];

/// What somebody else does.
const CHANGES: &[Change<Bench>] = &[
    ("the array is stopped", |bench| bench.array = None),
    ("the next number is taken", |bench| {
        let number = bench.array.as_ref().map_or(0, |array| array.detail.counts.raid_disks);
        let info = crate::plan::DiskInfo { number: i32::try_from(number).unwrap(), raid_disk: -1, state: 0 };
        let _ = bench.hot_add("/dev/ram9", info);
    }),
    ("the new device is taken", |bench| {
        if let Some(device) = bench.disks.get_mut("/dev/ram5") {
            device.busy = true;
        }
    }),
    ("the new device is gone", |bench| drop(bench.disks.remove("/dev/ram5"))),
    ("the array becomes read-only", |bench| {
        if let Some(array) = &mut bench.array {
            array.detail.array_state = Some("readonly".into());
        }
    }),
];

fn job(words: &[(ManageOp, &str)]) -> ManageJob {
    let word = |(op, device): &(ManageOp, &str)| ManageWord {
        op: *op,
        device: (*device).into(),
        write_mostly: None,
        failfast: None,
    };
    ManageJob {
        members: words.iter().map(word).collect(),
        readonly: false,
        run: false,
        stop: false,
        dry_run: false,
        test: false,
        outspoken: true,
        context: context(),
    }
}

fn went(job: &ManageJob, bench: &Bench) -> Outcome<Bench> {
    twin::drive(&mut Manage::new(job.clone()), bench.clone(), Answer::Yes, None, None)
}

fn slots(outcome: &Outcome<Bench>) -> String {
    let array = outcome.scene.array.as_ref().unwrap();
    array.present(None).iter().map(|present| if *present { 'U' } else { '_' }).collect()
}

/// Everything goes wrong once, and somebody else is at work: the array never fails, and nothing is left held.
fn everything(job: &ManageJob, bench: &Bench) -> Tally {
    twin::everything(|| Manage::new(job.clone()), bench, ERRORS, CHANGES, Bench::check)
}

#[test]
fn words_are_done_one_after_the_other_whatever_happens() {
    use ManageOp::{Add, AddSpare, Fail, ReAdd, Remove, Replace, With};
    let mut all = Tally::default();
    for (level, state, words, ends) in [
        (Level::Raid1, "UUU", &[(Fail, "/dev/ram1"), (Remove, "/dev/ram1"), (Add, "/dev/ram5")][..], "U_U"),
        (Level::Raid5, "UUU", &[(Add, "/dev/ram5"), (Add, "/dev/ram6")], "UUU"),
        (Level::Raid10, "UUUU", &[(Fail, "set-A"), (Remove, "set-A")], "_U_U"),
        (Level::Raid1, "U_", &[(AddSpare, "/dev/ram5")], "U_"),
        (Level::Raid6, "UUUU", &[(Fail, "ram1"), (Remove, "failed"), (ReAdd, "/dev/ram1")], "UUUU"),
        (Level::Raid5, "UUU", &[(Add, "/dev/ram5"), (Replace, "/dev/ram1"), (With, "/dev/ram5")], "UUU"),
        (Level::Raid1, "UFU", &[(ReAdd, "missing")], "U_U"),
    ] {
        let bench = Bench::new(array(level, state), &[5, 6, 9]);
        let job = job(words);
        let outcome = went(&job, &bench);
        assert_eq!((outcome.status(), slots(&outcome).as_str()), (0, ends), "{words:?}: {}", outcome.text());
        let tally = everything(&job, &bench);
        all = Tally {
            turns: all.turns + tally.turns,
            faults: all.faults + tally.faults,
            changes: all.changes + tally.changes,
        };
    }
    println!("manage: {all:?}");
    assert!(all.reaches(60, 150, 300), "{all:?}");
}

#[test]
fn the_array_as_a_whole_comes_before_and_after() {
    let bench = Bench::new(array(Level::Raid1, "UU"), &[5, 9]);
    let wanted = ManageJob { readonly: true, stop: true, ..job(&[(ManageOp::Fail, "/dev/ram1")]) };
    let outcome = went(&wanted, &bench);
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    assert!(
        outcome.scene.array.is_none() && outcome.text().ends_with("stopped /dev/md0"),
        "{}",
        outcome.text()
    );
    assert!(everything(&wanted, &bench).reaches(6, 15, 30));
    // A word that fails ends the command before the rest.
    let wanted = ManageJob { stop: true, ..job(&[(ManageOp::Fail, "/dev/ram7")]) };
    let outcome = went(&wanted, &bench);
    assert!(outcome.status() != 0 && outcome.scene.array.is_some(), "{}", outcome.text());
}

#[test]
fn a_number_that_was_taken_meanwhile_is_looked_for_again() {
    let bench = Bench::new(array(Level::Raid1, "UU"), &[5, 9]);
    let add = job(&[(ManageOp::Add, "/dev/ram5")]);
    // Claim, lock, freeze, write, then the kernel says that it is busy.
    let mut met = 0;
    for at in 0..12 {
        let fault = Some(Fault::Step(at, Errno::EBUSY));
        let outcome = twin::drive(&mut Manage::new(add.clone()), bench.clone(), Answer::Yes, fault, None);
        met += usize::from(
            outcome.status() == 0 && outcome.text().contains("added /dev/ram5") && outcome.turns > 6,
        );
        assert!(!outcome.scene.frozen || outcome.text().contains("recovery"), "{}", outcome.text());
    }
    assert!(met >= 1, "the command tried again");
}

#[test]
fn statuses_are_the_originals() {
    let bench = Bench::new(array(Level::Raid1, "UU"), &[5, 9]);
    let fail = job(&[(ManageOp::Fail, "/dev/ram1")]);
    // After the lock and the second look.
    let busy = Some(Fault::Step(2, Errno::EBUSY));
    let run = |job: &ManageJob, fault| {
        twin::drive(&mut Manage::new(job.clone()), bench.clone(), Answer::Yes, fault, None)
    };
    assert_eq!(run(&fail, busy).status(), 2, "the kernel keeps it");
    assert_eq!(run(&fail, Some(Fault::Step(2, Errno::EINVAL))).status(), 1);
    assert_eq!(run(&ManageJob { test: true, ..fail.clone() }, busy).status(), 1);
    let nothing = ManageJob { test: true, ..job(&[(ManageOp::Remove, "failed")]) };
    assert_eq!(run(&nothing, None).status(), 2, "nothing was done");
    assert_eq!(run(&job(&[(ManageOp::Remove, "failed")]), None).status(), 0);
    let mut gone = bench.clone();
    gone.array = None;
    assert_eq!(went(&job(&[]), &gone).status(), 0);
    assert_eq!(went(&fail, &gone).text(), "Cannot get array info for /dev/md0");
}

#[test]
fn a_member_that_failed_although_the_kernel_says_busy_is_failed() {
    let bench = Bench::new(array(Level::Raid5, "U_U"), &[]);
    let native = ManageJob {
        context: ManageContext { force: true, ..context() },
        ..job(&[(ManageOp::Fail, "/dev/ram0")])
    };
    let original = ManageJob { outspoken: false, ..native.clone() };
    let failed: Change<Bench> = ("the member fails", |bench| bench.lose(0));
    let ends = |job: &ManageJob, change| {
        let busy = Some(Fault::Step(0, Errno::EBUSY));
        let outcome = twin::drive(&mut Manage::new(job.clone()), bench.clone(), Answer::Yes, busy, change);
        (outcome.status(), outcome.text())
    };
    // The kernel did it between our look and our next one.
    let last = went(&native, &bench).turns - 1;
    let (status, said) = ends(&native, Some((last, failed)));
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("/dev/ram0 is failed, and /dev/md0 has failed with it")
            && said.contains("mdctl explain /dev/md0")
            && !said.contains("set device faulty failed"),
        "{said}"
    );
    // The last one with its data is not marked: the array is broken instead.
    let broken: Change<Bench> = ("the array breaks", |bench| {
        if let Some(array) = &mut bench.array {
            array.detail.array_state = Some("broken".into());
        }
    });
    let (status, said) = ends(&native, Some((last, broken)));
    assert!(
        status == 0 && said.contains("/dev/md0 has failed, for it cannot do without /dev/ram0"),
        "{said}"
    );
    // It keeps the member; and the original does not ask.
    for (job, change) in [(&native, None), (&original, None), (&original, Some((last, failed)))] {
        let (status, said) = ends(job, change);
        assert!(status == 2 && said.contains("set device faulty failed for /dev/ram0"), "{said}");
    }
}

/// Two commands at once, each of which takes what the other one leaves: whoever is second looks again, and keeps the only copy.
#[test]
fn two_commands_at_once_leave_a_copy() {
    let fails: Change<Bench> = ("ram0 is failed", |bench| bench.lose(0));
    let goes: Change<Bench> = ("ram0 is failed and taken out", |bench| {
        bench.lose(0);
        let array = bench.array.as_mut().unwrap();
        array.detail.members.retain(|member| member.dev.minor != 0);
        array.links.retain(|link| link.name != "ram0");
    });
    for (level, state) in [(Level::Raid1, "UU"), (Level::Raid5, "UUU"), (Level::Raid10, "UU")] {
        let bench = Bench::new(array(level, state), &[5]);
        let fail = job(&[(ManageOp::Fail, "/dev/ram1")]);
        let turns = went(&fail, &bench).turns;
        for change in [fails, goes] {
            // The last one comes after the act.
            for turn in 0..turns - 1 {
                let change = Some((turn, change));
                let outcome =
                    twin::drive(&mut Manage::new(fail.clone()), bench.clone(), Answer::Yes, None, change);
                Bench::check(&outcome, "two at once");
                assert_eq!(outcome.status(), 1, "{level:?} {turn}: {}", outcome.text());
                assert!(outcome.text().contains("array will be failed"), "{}", outcome.text());
            }
        }
        // By force it is done all the same, and nobody is waited for.
        let forced = ManageJob { context: ManageContext { force: true, ..context() }, ..fail };
        let change = Some((turns - 2, fails));
        let outcome = twin::drive(&mut Manage::new(forced), bench, Answer::Yes, None, change);
        assert_eq!(outcome.status(), 0, "{}", outcome.text());
    }
}

/// A member that may bring a failed array back stays, and none is added to it.
#[test]
fn an_array_that_failed_meanwhile_is_looked_at_again() {
    let bench = Bench::new(array(Level::Raid5, "UUF"), &[5]);
    let fails: Change<Bench> = ("another member fails", |bench| bench.lose(0));
    // After an addition recovery is let start.
    for (word, after) in [((ManageOp::Remove, "/dev/ram2"), 1), ((ManageOp::Add, "/dev/ram5"), 2)] {
        let job = job(&[word]);
        let act = went(&job, &bench).turns - 1 - after;
        let change = Some((act, fails));
        let outcome = twin::drive(&mut Manage::new(job), bench.clone(), Answer::Yes, None, change);
        let inside = outcome.scene.array.as_ref().unwrap().links.len();
        assert_eq!((outcome.status(), inside), (1, 3), "{word:?}: {}", outcome.text());
        assert!(outcome.text().contains("has failed") || outcome.text().contains("re-assemble"));
    }
}

/// Where nothing comes to rest a command ends.
#[test]
fn nobody_looks_again_for_ever() {
    let bench = Bench::new(array(Level::Raid1, "UUU"), &[]);
    let mut manage = Manage::new(job(&[(ManageOp::Fail, "/dev/ram1")]));
    let mut event = Event::Begin;
    let mut tried = 0;
    let ending = loop {
        let turn = manage.next(event);
        event = match turn.then {
            Then::Look(look) => Event::Seen(twin::Scene::see(&bench, &look).unwrap()),
            Then::Do(_) | Then::Instead(_) => {
                tried += 1;
                let cause = anyhow::Error::from(crate::plan::run::Outdated("changed".to_owned()));
                let failure = crate::plan::run::Failure::alone("check".to_owned(), cause.into());
                Event::Done(vec![Deed::Failed(failure)])
            }
            Then::End(ending) => break ending,
            other => panic!("{other:?}"),
        };
    };
    assert!(tried > 3 && tried < 20, "{tried}");
    assert_eq!(ending, Ending::Status(1));
}

#[test]
fn a_copy_of_a_member_is_found_by_looking_at_both() {
    let mut bench = Bench::new(array(Level::Raid1, "UU"), &[9]);
    let copy = Some(superblock(1, 20, Level::Raid1, 2));
    bench.disks.insert("/dev/ram5".into(), Disk { minor: 5, superblock: copy, busy: false });
    let outcome = went(&job(&[(ManageOp::Add, "/dev/ram5")]), &bench);
    assert!(outcome.text().contains("/dev/ram5 is a copy of /dev/ram1"), "{}", outcome.text());
}

/// The replacement of a member of /dev/md0 by /dev/ram5.
fn replacement(old: &str) -> replacing::ReplaceJob {
    replacing::ReplaceJob {
        old: old.to_owned(),
        new: "/dev/ram5".to_owned(),
        no_wait: false,
        json: false,
        context: context(),
    }
}

#[test]
fn a_replacement_is_started_watched_and_verified_whatever_happens() {
    let mut all = Tally::default();
    for (state, old, words) in [
        ("UUU", "/dev/ram1", "serves in slot 1 of /dev/md0, /dev/ram1 is out; no member is missing"),
        ("UUU", "1", "serves in slot 1"),
        ("U_U", "missing", "serves in slot 1 of /dev/md0; no member is missing"),
        ("UFU", "ram1", "ram1 is out; no member is missing"),
    ] {
        let bench = Bench::new(array(Level::Raid5, state), &[5, 9]);
        let make = || replacing::Replace::new(replacement(old));
        let outcome = twin::drive(&mut make(), bench.clone(), Answer::Yes, None, None);
        assert!(outcome.status() == 0 && outcome.text().contains(words), "{state} {old}: {}", outcome.text());
        let tally = twin::everything(make, &bench, ERRORS, CHANGES, Bench::check);
        all = Tally {
            turns: all.turns + tally.turns,
            faults: all.faults + tally.faults,
            changes: all.changes + tally.changes,
        };
        // One look that finds no members is not the end of the new one.
        let mut blinks = bench.clone();
        blinks.blinks = true;
        let outcome = twin::drive(&mut make(), blinks, Answer::Yes, None, None);
        assert!(outcome.status() == 0 && outcome.text().contains(words), "{state} {old}: {}", outcome.text());
        // Somebody stops waiting: the kernel goes on.
        let fault = Some(Fault::Wait(0));
        let outcome = twin::drive(&mut make(), bench.clone(), Answer::Yes, fault, None);
        assert_eq!(outcome.status(), 130, "{}", outcome.text());
        // The new member fails while it is filled.
        let fails: Change<Bench> = ("the new member fails", |bench| bench.lose(5));
        for turn in 0..outcome.turns {
            let outcome = twin::drive(&mut make(), bench.clone(), Answer::Yes, None, Some((turn, fails)));
            Bench::check(&outcome, "the new member fails");
        }
    }
    println!("replace: {all:?}");
    assert!(all.reaches(30, 80, 150), "{all:?}");
}

/// md calls a copy complete that has holes: the old member may still have what is missing.
#[test]
fn a_copy_with_holes_is_not_done_and_the_old_member_stays() {
    for (level, state, old, stays) in [
        (Level::Raid1, "UU", "/dev/ram1", true),
        (Level::Raid5, "UUU", "/dev/ram1", true),
        (Level::Raid5, "UFU", "ram1", true),
        (Level::Raid6, "U_UU", "missing", false),
    ] {
        let mut bench = Bench::new(array(level, state), &[5, 9]);
        bench.unreadable = vec![(Sectors(4096), Sectors(8))];
        let make = || replacing::Replace::new(replacement(old));
        let mut course = make();
        let outcome = twin::drive(&mut course, bench.clone(), Answer::Yes, None, None);
        let text = outcome.text();
        assert_eq!(outcome.status(), 1, "{state} {old}: {text}");
        let told =
            "/dev/ram5 serves in slot 1 of /dev/md0, but 4 KiB of it could not be read: sectors 4096 to 4103";
        assert!(text.contains(told) && text.contains("until it is written to"), "{text}");
        assert_eq!(text.contains(&format!("{old} is not taken out")), stays, "{text}");
        let links = &outcome.scene.array.as_ref().unwrap().links;
        assert_eq!(links.iter().any(|link| link.name == "ram1"), stays, "{text}");
        let came = course.came().map(|(came, _)| came.clone());
        assert!(matches!(came, Some(replacing::ReplaceEnd::Partly { slot: 1, missing: 0, .. })), "{came:?}");
        twin::everything(make, &bench, ERRORS, CHANGES, Bench::check);
    }
}

/// A course, and what would be noted of it.
struct Noted {
    course: Manage,
    notes: Vec<(String, Vec<String>)>,
}

impl Course for Noted {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.course.next(event);
        if let Then::Do(plans) | Then::Instead(plans) = &turn.then {
            let noted = plans.iter().filter_map(|plan| self.course.progress(plan));
            self.notes.extend(noted.map(|progress| (progress.doing, progress.ahead)));
        }
        turn
    }
}

/// Whenever it is killed, the next command can tell what was done, and what was not begun.
#[test]
fn how_far_it_is_can_be_told_at_any_time() {
    let bench = Bench::new(array(Level::Raid1, "UUU"), &[5, 6, 9]);
    let words =
        [(ManageOp::Fail, "/dev/ram1"), (ManageOp::Remove, "/dev/ram1"), (ManageOp::Add, "/dev/ram5")];
    let mut noted = Noted { course: Manage::new(job(&words)), notes: Vec::new() };
    let outcome = twin::drive(&mut noted, bench, Answer::Yes, None, None);
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    let acts: Vec<&str> = noted.notes.iter().take(3).map(|(doing, _)| doing.as_str()).collect();
    assert_eq!(
        acts,
        [
            "mark /dev/ram1 in /dev/md0 as failed",
            "take /dev/ram1 out of /dev/md0",
            "add /dev/ram5 to /dev/md0"
        ]
    );
    let ahead: Vec<String> = noted.notes.iter().take(3).map(|(_, ahead)| ahead.join(", ")).collect();
    assert_eq!(ahead, ["--remove /dev/ram1, --add /dev/ram5", "--add /dev/ram5", ""]);
}
