//! Carrying a guess out while everything fails and others use the same devices.

use super::*;
use crate::{
    model::trial::{Differs, Grounds},
    plan::{
        course::twin::{self, Fault, Outcome},
        trial::bench::{Machine, devices, guess, settings},
    },
    words::Errno,
};

fn job() -> CarryJob {
    CarryJob {
        number: 1,
        scored: guess([2, 1, 0], 20),
        word: "/dev/md/data".into(),
        command: "mdctl create /dev/md/data".into(),
        devices: devices(),
        settings: settings(),
        agreed: false,
        dry_run: false,
    }
}

fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.writable = true;
    machine
}

fn ran(job: CarryJob, answer: Answer, fault: Option<Fault>) -> (Outcome<Machine>, Option<Vec<String>>) {
    let mut carrying = Carrying::new(job, &[]);
    let outcome = twin::drive(&mut carrying, machine(), answer, fault, None);
    let assembles = carrying.assembles();
    (outcome, assembles)
}

#[test]
fn it_is_written_when_somebody_agrees() {
    let (outcome, assembles) = ran(job(), Answer::Yes, None);
    assert_eq!((outcome.status(), assembles), (0, None));
    assert_eq!(outcome.text(), "/dev/md/data is up; to take it back: mdctl stop /dev/md/data; mdctl undo");
    assert!(outcome.scene.runs("md127"));
    for (answer, said) in [
        (Answer::No, "nothing was written"),
        (Answer::Nobody, "nothing was written: nobody can be asked here; --yes (-y) agrees"),
    ] {
        let (outcome, _) = ran(job(), answer, None);
        assert_eq!((outcome.status(), outcome.text().as_str()), (1, said));
        assert!(!outcome.scene.runs("md127"));
    }
    // Who agreed before needs no second look.
    let (agreed, _) = ran(CarryJob { agreed: true, ..job() }, Answer::No, None);
    assert_eq!((agreed.status(), agreed.turns), (0, 4));
}

#[test]
fn what_nothing_speaks_for_is_refused() {
    let (outcome, _) = ran(CarryJob { scored: guess([0, 1, 2], 0), ..job() }, Answer::Yes, None);
    assert_eq!((outcome.status(), outcome.turns), (1, 1));
    assert!(outcome.text().starts_with("nothing speaks for guess 1: "), "{}", outcome.text());
}

#[test]
fn what_is_not_any_more_what_was_looked_at_is_not_written_to() {
    for (name, said) in [
        ("another disk has a member's path", "/dev/sdb is another device than the one that was looked at"),
        ("somebody made a file system on a member", "/dev/sdb was written to since it was looked at"),
    ] {
        let change = *CHANGES.iter().find(|(known, _)| *known == name).expect("a change");
        // Before the look, and while somebody thinks about the question.
        for turn in [0, 2] {
            let mut carrying = Carrying::new(job(), &[]);
            let outcome = twin::drive(&mut carrying, machine(), Answer::Yes, None, Some((turn, change)));
            assert_eq!((outcome.status(), outcome.text().as_str()), (1, said), "{turn}");
            assert!(!outcome.scene.runs("md127"));
        }
    }
}

#[test]
fn what_superblocks_say_is_assembled() {
    let mut scored = guess([0, 1, 2], 20);
    scored.hypothesis.seats.iter_mut().for_each(|seat| *seat = None);
    scored.hypothesis.grounds = Grounds::Superblocks;
    let job = |differs: &[Differs]| {
        let mut job = CarryJob { scored: scored.clone(), ..job() };
        job.scored.hypothesis.differs = differs.to_vec();
        job
    };
    let (outcome, assembles) = ran(job(&[]), Answer::Yes, None);
    assert_eq!((outcome.status(), assembles.is_some()), (0, true));
    let (outcome, assembles) = ran(job(&[]), Answer::No, None);
    assert_eq!((outcome.status(), assembles), (1, None));
    assert_eq!(ran(job(&[Differs::Order]), Answer::Yes, None).1, None);
}

#[test]
fn what_a_trial_ends_with() {
    assert_eq!(
        (ended(None), ended(Some(&guess([0, 1, 2], 20))), ended(Some(&guess([0, 1, 2], 0)))),
        (1, 0, 1)
    );
    assert_eq!(to_carry_out(Some(2), false, true), Some(2));
    assert_eq!(to_carry_out(None, true, false), Some(1));
    assert_eq!((to_carry_out(None, true, true), to_carry_out(None, false, false)), (None, None));
}

const CHANGES: &[twin::Change<Machine>] = crate::plan::trial::bench::CHANGES;

#[test]
fn it_ends_up_or_leaves_nothing() {
    let make = || Carrying::new(job(), &[]);
    let check = |outcome: &Outcome<Machine>, what: &str| {
        let up = outcome.text().contains("is up; to take it back");
        assert_eq!(outcome.status() == 0, up, "{what}: {}", outcome.text());
    };
    let tally = twin::everything(make, &machine(), &[Errno::EIO, Errno::EBUSY], CHANGES, check);
    println!("trial --apply: {tally:?}");
    assert!(tally.reaches(7, 46, 70), "{tally:?}");
}
