//! Guesses on overlays while everything fails and others use the same devices.

use super::*;
use crate::{
    model::trial::ToolEnded,
    plan::{
        course::{
            Answer, Ending,
            twin::{self, Fault, Outcome},
        },
        trial::bench::{CHANGES, Machine, STEM, guess},
    },
    words::Errno,
};

/// Two guesses, the first a little better.
fn guesses() -> Vec<Scored> {
    vec![guess([0, 1, 2], 20), guess([1, 0, 2], 20)]
}

fn job(machine: &Machine) -> TriesJob {
    TriesJob {
        stem: STEM.to_owned(),
        count: 2,
        keep: None,
        apply: None,
        dry_run: false,
        bench: machine.bench(),
    }
}

struct Ran {
    outcome: Outcome<Machine>,
    came: Option<CameOfTries>,
}

impl Ran {
    fn tried(&self) -> Vec<Option<Tried>> {
        let came = self.came.iter().flat_map(|came| &came.ranked);
        came.map(|(_, tried)| tried.clone()).collect()
    }

    /// The first device of each guess in the order of the ranking.
    fn order(&self) -> Vec<usize> {
        let came = self.came.iter().flat_map(|came| &came.ranked);
        came.filter_map(|(scored, _)| scored.hypothesis.seats[0].map(|seat| seat.device)).collect()
    }
}

fn ran_with(job: TriesJob, machine: &Machine, fault: Option<Fault>) -> Ran {
    let mut tries = Tries::new(job, guesses());
    let outcome = twin::drive(&mut tries, machine.clone(), Answer::Yes, fault, None);
    Ran { outcome, came: tries.came() }
}

fn ran(machine: &Machine) -> Ran {
    ran_with(job(machine), machine, None)
}

fn looked(status: i32) -> Option<Tried> {
    Some(Tried::Looked { tool: "e2fsck", status: Some(status) })
}

#[test]
fn what_a_tool_says_decides_between_equals() {
    let mut machine = Machine::new();
    let calm = ran(&machine);
    assert_eq!((calm.order(), calm.tried()), (vec![0, 1], vec![looked(0), looked(0)]));
    machine.tool.insert(format!("{STEM}_1"), ToolEnded::Ended(Some(4)));
    let ran = ran(&machine);
    assert_eq!((ran.order(), ran.tried()), (vec![1, 0], vec![looked(0), looked(4)]));
    assert_eq!((ran.outcome.status(), ran.outcome.text().as_str()), (0, ""));
    assert!(ran.outcome.scene.left().is_empty() && ran.outcome.scene.marks().is_empty());
}

#[test]
fn a_tool_that_says_nothing_changes_nothing() {
    let mut machine = Machine::new();
    for (ended, tried) in [
        (ToolEnded::NoTool, Tried::Starts),
        (ToolEnded::Failed("e2fsck: too slow".into()), Tried::Blind("e2fsck: too slow".into())),
        (ToolEnded::Ended(None), Tried::Looked { tool: "e2fsck", status: None }),
    ] {
        machine.tool.insert(format!("{STEM}_1"), ended);
        let ran = ran(&machine);
        // The other is clean.
        assert_eq!((ran.order(), ran.tried()), (vec![1, 0], vec![looked(0), Some(tried)]));
    }
}

#[test]
fn what_does_not_start_comes_last_and_what_had_no_room_stays() {
    let mut machine = Machine::new();
    machine.refuses.insert(format!("{STEM}_1"));
    let refused = ran(&machine);
    assert_eq!(refused.order(), [1, 0]);
    assert!(matches!(&refused.tried()[1], Some(Tried::NoStart(why)) if why.contains("Invalid argument")));
    assert!(refused.outcome.scene.left().is_empty() && refused.outcome.scene.marks().is_empty());
    machine.refuses.clear();
    machine.small.extend([1, 2].map(|nth| format!("{STEM}_{nth}")));
    let small = ran(&machine);
    assert_eq!(small.order(), [0, 1]);
    assert!(small.tried().iter().all(|tried| matches!(tried, Some(Tried::NoRoom(_)))), "{:?}", small.tried());
    assert!(small.outcome.scene.left().is_empty());
}

#[test]
fn what_keeps_a_guess_from_being_tried_is_called_by_its_name() {
    let machine = Machine::new();
    let changed = |name: &str, turn: usize| {
        let change = CHANGES.iter().find(|(known, _)| *known == name).expect("a change");
        let mut tries = Tries::new(job(&machine), guesses());
        let outcome = twin::drive(&mut tries, machine.clone(), Answer::Yes, None, Some((turn, *change)));
        assert_eq!((outcome.status(), outcome.scene.left().len()), (0, 0), "{}", outcome.text());
        tries
            .came()
            .expect("nothing is refused")
            .ranked
            .into_iter()
            .map(|(_, tried)| tried)
            .collect::<Vec<_>>()
    };
    let untried = |tried: &Option<Tried>| match tried {
        Some(Tried::Untried(why)) => why.clone(),
        other => format!("{other:?}"),
    };
    // Between the look at what is below and the plan.
    let gone = changed("a member vanished", 1);
    assert_eq!(untried(&gone[0]), "/dev/sdb: No such file or directory");
    let other = changed("another disk has a member's path", 0);
    assert_eq!(untried(&other[0]), "/dev/sdb is another device than the one that was looked at");
    let written = changed("somebody made a file system on a member", 0);
    assert_eq!(untried(&written[0]), "/dev/sdb was written to since it was looked at");
    // While the tool looks.
    let stopped = changed("the array was stopped", 5);
    assert_eq!(untried(&stopped[1]), "the array was stopped by another program meanwhile");
    assert_eq!(stopped[0], looked(0));
    // Before the array is started: it gets another number.
    assert_eq!(changed("the number was taken", 4), [looked(0), looked(0)]);
    // That there is no device-mapper has nothing to do with room.
    let mut machine = machine;
    machine.without_dm = true;
    let without = ran(&machine);
    assert!(untried(&without.tried()[0]).contains("no such module"), "{:?}", without.tried());
    assert!(without.outcome.scene.left().is_empty());
}

#[test]
fn one_stays_up_and_nothing_else() {
    let machine = Machine::new();
    let mut keep = TriesJob { keep: Some(2), ..job(&machine) };
    let kept = ran_with(keep.clone(), &machine, None);
    let scene = &kept.outcome.scene;
    let left: Vec<(String, Vec<String>)> = scene.left().into_iter().collect();
    assert_eq!(left, [(STEM.to_owned(), vec!["md127".to_owned()])]);
    assert!(scene.marks().is_empty(), "udev may look at it");
    let came = kept.came.unwrap();
    assert_eq!(came.kept.unwrap(), StandingGuess { number: 2, set: STEM.into(), array: "/dev/md127".into() });
    let mut refusing = machine.clone();
    refusing.refuses.insert(STEM.to_owned());
    let refused = ran_with(keep.clone(), &refusing, None);
    assert!(
        refused.came.is_none() && refused.outcome.status() == 1 && refused.outcome.scene.left().is_empty()
    );
    assert!(refused.outcome.text().contains("Invalid argument"), "{}", refused.outcome.text());
    keep.dry_run = true;
    let shown = ran_with(keep, &machine, None);
    assert_eq!((shown.tried(), shown.outcome.turns), (vec![None, None], 1));
}

#[test]
fn there_is_no_guess_of_such_a_number() {
    let machine = Machine::new();
    for (keep, apply, dry_run) in [(Some(3), None, false), (Some(0), None, true), (None, Some(9), true)] {
        let wrong = TriesJob { keep, apply, dry_run, ..job(&machine) };
        let ran = ran_with(wrong, &machine, None);
        let number = keep.or(apply).unwrap_or_default();
        let refusal = Ending::Refused(Refusal::new(format!("there is no guess {number}")));
        assert_eq!((ran.outcome.ending, ran.outcome.turns), (refusal, 1));
        assert!(ran.came.is_none());
    }
}

#[test]
fn no_set_of_another_process_is_taken_for_ours() {
    let sets = |names: &[&str]| {
        let one = |name: &&str| crate::model::overlay::Overlay {
            set: (*name).to_owned(),
            device: None,
            id: None,
            member: String::new(),
            size: superblock::Bytes(0),
            file: String::new(),
            status: crate::model::dm::SnapshotStatus::Unknown,
            open: 0,
            holders: Vec::new(),
            noted: Vec::new(),
        };
        Overlays { all: names.iter().map(one).collect(), ..Overlays::default() }
    };
    assert_eq!(stem(7, &sets(&["trial70", "trial8_1"])), "trial7");
    assert_eq!(stem(7, &sets(&["trial7"])), "trial7.2");
    assert_eq!(stem(7, &sets(&["trial7.2_1", "trial7_2"])), "trial7.3");
}

#[test]
fn the_notes_name_every_set() {
    let machine = Machine::new();
    let sets = |job: TriesJob| Tries::new(job, guesses()).sets().join(" ");
    assert_eq!(sets(TriesJob { keep: Some(1), ..job(&machine) }), "trial7_1 trial7_2 trial7");
    assert_eq!(sets(TriesJob { count: 9, ..job(&machine) }), "trial7_1 trial7_2");
    assert_eq!(sets(TriesJob { count: 0, ..job(&machine) }), "");
    assert_eq!(sets(TriesJob { dry_run: true, keep: Some(1), ..job(&machine) }), "");
}

/// Whatever is left of ours is what was asked for, or it is said, with the status.
fn nothing_is_left_unsaid(outcome: &Outcome<Machine>, kept: bool, what: &str) {
    let text = outcome.text();
    let mut said = 0;
    for (set, arrays) in outcome.scene.left() {
        if text.contains(&format!("overlays {set} could not be taken away: ")) {
            said += 1;
            assert!(text.contains(&format!("mdctl overlay discard {set}")), "{what}: {text}");
            for array in arrays {
                assert!(text.contains(&format!("mdctl stop /dev/{array}")), "{what}: {text}");
            }
        } else {
            // What happens after the last look is seen by nobody.
            let late = what.ends_with(&format!(" after turn {}", outcome.turns - 1));
            let up = kept && set == STEM && (late || !arrays.is_empty());
            assert!(up, "{what}: {set} with {arrays:?} is left without a word: {text}");
        }
    }
    assert!(said == 0 || outcome.status() == 1, "{what}: {text}");
    // Where something failed once, and not because others have it open, nothing stays.
    let busy = text.contains("could not be taken away: stop md127: Device or resource busy");
    let ours = !busy && ["Step", "Look", "Wait"].iter().any(|fault| what.starts_with(fault));
    assert!(!ours || said == 0, "{what}: {text}");
    // The mark of one whose number somebody else has by now is that one's.
    let mut marks = outcome.scene.marks().iter();
    let ours = marks.find(|kernel| !outcome.scene.is_theirs(kernel));
    assert_eq!(ours, None, "{what}: it is marked as being created for ever: {text}");
}

const ERRORS: [Errno; 2] = [Errno::EIO, Errno::EBUSY];

#[test]
fn everything_is_taken_away_whatever_happens() {
    let machine = Machine::new();
    let make = || Tries::new(job(&machine), guesses());
    let check = |outcome: &Outcome<Machine>, what: &str| {
        nothing_is_left_unsaid(outcome, false, what);
        assert_eq!(outcome.status() != 0, !outcome.scene.left().is_empty(), "{what}: {}", outcome.text());
    };
    let tally = twin::everything(make, &machine, &ERRORS, CHANGES, check);
    println!("trial: {tally:?}");
    assert!(tally.reaches(25, 224, 250), "{tally:?}");
}

#[test]
fn what_stays_up_is_all_that_stays() {
    let machine = Machine::new();
    let keep = TriesJob { count: 1, keep: Some(1), ..job(&machine) };
    let make = || Tries::new(keep.clone(), guesses());
    let check = |outcome: &Outcome<Machine>, what: &str| {
        nothing_is_left_unsaid(outcome, outcome.status() == 0, what);
        let up = outcome.scene.left().contains_key(STEM) && outcome.status() == 0;
        assert!(up || outcome.status() != 0, "{what}: neither up nor refused");
    };
    let tally = twin::everything(make, &machine, &ERRORS, CHANGES, check);
    println!("trial --keep: {tally:?}");
    assert!(tally.reaches(21, 201, 210), "{tally:?}");
}
