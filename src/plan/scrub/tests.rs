//! The course over arrays made of values.

use std::{collections::BTreeMap, time::Duration};

use superblock::{Bytes, Kib, Level, MdUuid, Sectors, Write};

use super::*;
use crate::{
    model::{
        scrub::{
            Kept, KeptPosition, OpenScrub, ScrubArray, ScrubRecord, ScrubSight, SyncLimit, parse_position,
        },
        status::{Activity, ArrayStatus, MemberStatus, Stage},
    },
    plan::{
        MdStep, Step, SystemStep,
        course::{
            Answer, Look, Unseen, View, Wait, Woke,
            twin::{self, Fault, Scene},
        },
        run::Outdated,
    },
    words::{ArrayAttr, ArrayState, Errno, MemberState, SyncAction, SyncKind},
};

const TOTAL: u64 = 16_000;
/// So many sectors are compared in a second.
const SPEED: u64 = 100;

/// A machine whose arrays behave as the kernel's.
#[derive(Clone, Debug)]
struct Machine {
    clock: u64,
    arrays: Vec<Array>,
    files: BTreeMap<String, String>,
    read_only_files: bool,
}

#[derive(Clone, Debug)]
struct Array {
    status: ArrayStatus,
    sync_min: u64,
    limit: SyncLimit,
    at: u64,
    diskseq: u64,
    /// So far an earlier check came.
    before: u64,
}

fn array(minor: u8) -> Array {
    let member = |slot: u32| MemberStatus {
        kernel_name: format!("sd{slot}"),
        slot: Some(slot),
        state: vec![MemberState::InSync],
        ..MemberStatus::default()
    };
    let status = ArrayStatus {
        kernel_name: format!("md{minor}"),
        uuid: Some(MdUuid([minor + 1; 16])),
        state: ArrayState::Clean,
        level: Some(Level::Raid5),
        metadata: "1.2".into(),
        chunk: Bytes(65_536),
        raid_disks: 3,
        layout: 2,
        component_size: Some(Kib(TOTAL / 2)),
        degraded: Some(0),
        mismatches: Some(Sectors(0)),
        last_action: Some(SyncAction::None),
        action: Some(SyncAction::Idle),
        members: (0..3).map(member).collect(),
        ..ArrayStatus::default()
    };
    Array { status, sync_min: 0, limit: SyncLimit::End, at: 0, diskseq: 7, before: 0 }
}

fn machine(arrays: u8) -> Machine {
    Machine {
        clock: 1000,
        arrays: (0..arrays).map(array).collect(),
        files: BTreeMap::new(),
        read_only_files: false,
    }
}

impl Array {
    fn is(&self, action: SyncAction) -> bool {
        self.status.action == Some(action)
    }

    /// The kernel's checkpoint: it makes one every sixteenth.
    fn completed(&self) -> u64 {
        (self.at / (TOTAL / 16) * (TOTAL / 16)).max(self.sync_min)
    }

    fn check(&mut self) {
        self.before = self.before.max(self.at);
        self.status.action = Some(SyncAction::Check);
        self.status.last_action = Some(SyncAction::Check);
        self.status.mismatches = Some(Sectors(0));
        self.at = self.sync_min;
    }

    fn cut(&mut self) {
        if self.is(SyncAction::Check) {
            self.sync_min = self.completed();
            self.status.action = Some(SyncAction::Idle);
        }
    }

    fn pass(&mut self, seconds: u64) {
        if self.is(SyncAction::Check) {
            self.at += seconds * SPEED;
            self.status.mismatches = Some(Sectors(8));
            if self.at >= TOTAL {
                (self.sync_min, self.limit) = (0, SyncLimit::End);
                self.status.action = Some(SyncAction::Idle);
            }
        }
    }

    fn degrade(&mut self) {
        self.cut();
        self.status.degraded = Some(1);
        self.status.members[0].state = vec![MemberState::Faulty];
    }

    fn recover(&mut self) {
        self.degrade();
        self.status.action = Some(SyncAction::Recover);
        self.status.last_action = Some(SyncAction::Recover);
    }

    fn seen(&self) -> ScrubArray {
        let mut status = self.status.clone();
        let stage = Stage::Running { done: Sectors(self.at), total: Sectors(TOTAL) };
        let activity = Activity { kind: SyncKind::Check, stage, speed: None };
        status.activity = self.is(SyncAction::Check).then_some(activity);
        ScrubArray {
            status,
            sync_min: Sectors(self.sync_min),
            sync_max: self.limit,
            diskseq: Some(self.diskseq),
            kept: Kept::default(),
        }
    }
}

impl Machine {
    fn sight(&self, words: &[String]) -> ScrubSight {
        let mut sight = ScrubSight {
            now: 1_000_000 + self.clock,
            clock: self.clock,
            boot: "b".into(),
            theirs: "/theirs".into(),
            ours: "/ours".into(),
            ..ScrubSight::default()
        };
        let mut seen: Vec<ScrubArray> = self.arrays.iter().map(Array::seen).collect();
        if !words.is_empty() {
            seen.retain(|array| words.contains(&array.status.kernel_name));
            let here = |word: &&String| seen.iter().any(|array| array.status.kernel_name == **word);
            sight.absent = words.iter().filter(|word| !here(word)).cloned().collect();
        }
        for array in &mut seen {
            let uuid = array.status.uuid.unwrap();
            let file = |path: String| self.files.get(&path);
            array.kept.position = file(sight.position_file(uuid))
                .map(|text| KeptPosition { at: parse_position(text).unwrap(), noted: sight.now });
            array.kept.checked = file(sight.marker_file(uuid)).map(|_| sight.now);
            let record = file(sight.record_file(uuid)).map(|text| ScrubRecord::parse(text).unwrap());
            array.kept.record = record.unwrap_or_default();
            sight.checked.extend(array.kept.checked.map(|_| uuid));
        }
        sight.arrays = seen;
        sight
    }

    fn record(&self, minor: u8) -> ScrubRecord {
        let uuid = MdUuid([minor + 1; 16]);
        let text = self.files.get(&self.sight(&[]).record_file(uuid));
        text.map(|text| ScrubRecord::parse(text).unwrap()).unwrap_or_default()
    }

    fn position(&self, minor: u8) -> Option<u64> {
        let uuid = MdUuid([minor + 1; 16]);
        self.files.get(&self.sight(&[]).position_file(uuid)).map(|text| text.trim().parse().unwrap())
    }

    fn is_marked(&self, minor: u8) -> bool {
        let uuid = MdUuid([minor + 1; 16]);
        self.files.contains_key(&self.sight(&[]).marker_file(uuid))
    }
}

impl Scene for Machine {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Md(MdStep::Change { array, attr, from, to }) => {
                let found = self.arrays.iter_mut().find(|one| one.status.kernel_name == array.kernel);
                let Some(found) = found else { anyhow::bail!("no such array") };
                match attr {
                    ArrayAttr::SyncMin => {
                        anyhow::ensure!(found.is(SyncAction::Idle), "busy");
                        found.sync_min = to.parse()?;
                    }
                    ArrayAttr::SyncMax => found.limit = SyncLimit::parse(to).unwrap(),
                    ArrayAttr::SyncAction => {
                        let now = found.status.action.as_ref().unwrap().word();
                        if from.as_deref() != Some(now) {
                            return Err(Outdated(format!("it is {now} by now")).into());
                        }
                        if to == "check" { found.check() } else { found.cut() }
                    }
                    other => anyhow::bail!("{other} is not for us"),
                }
            }
            Step::System(SystemStep::WriteFile { .. } | SystemStep::RemoveFile { .. })
                if self.read_only_files =>
            {
                anyhow::bail!("{step}: read-only file system")
            }
            Step::System(SystemStep::WriteFile { path, text, .. }) => {
                self.files.insert(path.clone(), text.clone());
            }
            Step::System(SystemStep::RemoveFile { file }) => drop(self.files.remove(file)),
            Step::Commit => {}
            other => anyhow::bail!("a scrub does not {other}"),
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        match look {
            Look::Scrub { words } => Ok(View::Scrub(Box::new(self.sight(words)))),
            Look::KernelLog { .. } => Ok(View::KernelLog(
                ["md: check of RAID array md0", "md0: mismatch sector in range 0-8"]
                    .map(str::to_owned)
                    .into(),
            )),
            other => Err(Unseen { text: format!("nothing shows {other:?}"), errno: None }),
        }
    }

    fn pass_time(&mut self, wait: &Wait) -> Woke {
        let seconds = wait.most.as_secs();
        assert!(seconds > 0, "no busy waiting");
        self.clock += seconds;
        let before: Vec<_> = self.arrays.iter().map(|array| array.status.action.clone()).collect();
        self.arrays.iter_mut().for_each(|array| array.pass(seconds));
        let after: Vec<_> = self.arrays.iter().map(|array| array.status.action.clone()).collect();
        if before == after { Woke::TimeUp } else { Woke::Changed }
    }

    fn sound(&self) -> Result<(), String> {
        for array in &self.arrays {
            let minor = if array.status.kernel_name == "md0" { 0 } else { 1 };
            let record = self.record(minor);
            if record.whole.len() > 1 || (!record.whole.is_empty() && array.at.max(array.before) < TOTAL) {
                return Err(format!("noted as whole and is not: {record:?}"));
            }
            let at = array.at.max(array.sync_min).max(array.before);
            if self.position(minor).is_some_and(|position| position > at) {
                return Err(format!("noted farther than it came: {:?} of {at}", self.position(minor)));
            }
        }
        Ok(())
    }
}

fn job(act: ScrubAct, words: &[&str]) -> ScrubJob {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    ScrubJob { act, words, which: ScrubChoice::All, from_start: false, tick: None }
}

fn run(most: Option<u64>) -> ScrubAct {
    ScrubAct::Run { most: most.map(Duration::from_secs) }
}

fn go(machine: &Machine, job: ScrubJob) -> twin::Outcome<Machine> {
    let outcome = twin::drive(&mut Scrub::new(job), machine.clone(), Answer::No, None, None);
    outcome.scene.sound().unwrap();
    outcome
}

#[test]
fn a_run_watches_checks_to_their_end_and_notes_them() {
    let done = go(&machine(2), job(run(None), &[]));
    assert_eq!(done.status(), 0, "{}", done.text());
    for minor in [0, 1] {
        let record = done.scene.record(minor);
        assert_eq!((record.whole.len(), &record.open), (1, &None));
        assert_eq!((record.whole[0].mismatches, record.whole[0].partly), (8, false));
        assert_eq!(record.whole[0].ranges.is_empty(), minor == 1, "{record:?}");
        assert!(record.whole[0].seconds >= Some(TOTAL / SPEED));
        assert_eq!((done.scene.position(minor), done.scene.is_marked(minor)), (None, true));
    }
    assert!(done.text().contains("4 KiB differ"), "{}", done.text());
}

#[test]
fn a_run_is_cut_off_in_time_and_goes_on_where_it_was() {
    let first = go(&machine(1), job(run(Some(60)), &["md0"]));
    assert_eq!((first.status(), first.scene.position(0)), (0, Some(6000)), "{}", first.text());
    let array = &first.scene.arrays[0];
    assert_eq!((array.sync_min, array.limit), (0, SyncLimit::End), "a plain check later is whole");
    assert!(array.is(SyncAction::Idle));
    let second = go(&first.scene, job(run(None), &["md0"]));
    assert!(second.text().contains("begins at 37 %"), "{}", second.text());
    let whole = &second.scene.record(0).whole[0];
    assert_eq!((whole.mismatches, whole.partly), (16, false), "both parts count");
    assert!(whole.seconds >= Some(160));
}

#[test]
fn a_start_returns_and_what_became_of_it_is_found_later() {
    let mut started = go(&machine(1), job(ScrubAct::Start, &[]));
    assert_eq!(started.status(), 0);
    assert!(started.scene.arrays[0].is(SyncAction::Check));
    // It comes to its end, or somebody cuts it off.
    started.scene.arrays[0].pass(100);
    let mut cut = started.scene.clone();
    cut.arrays[0].cut();
    let stopped = go(&cut, job(ScrubAct::Stop, &[]));
    assert_eq!(stopped.scene.position(0), Some(10_000));
    assert_eq!((stopped.scene.arrays[0].sync_min, stopped.scene.arrays[0].limit), (0, SyncLimit::End));
    let mut ended = started.scene.clone();
    ended.arrays[0].pass(100);
    let due = ScrubJob { which: ScrubChoice::Due, ..job(ScrubAct::Start, &[]) };
    let noted = go(&ended, due.clone());
    assert!(noted.scene.is_marked(0) && noted.scene.arrays[0].is(SyncAction::Idle), "{}", noted.text());
    assert_eq!(noted.scene.record(0).whole.len(), 1);
    // Due again.
    let renewed = go(&noted.scene, job(ScrubAct::Renew, &[]));
    assert!(!renewed.scene.is_marked(0), "{}", renewed.text());
    assert!(
        twin::drive(&mut Scrub::new(due), renewed.scene, Answer::No, None, None).scene.arrays[0]
            .is(SyncAction::Check)
    );
}

#[test]
fn a_killed_run_is_gone_on_with() {
    // All that a killed one leaves: the check, its mark, and what it saved last.
    let mut killed = go(&machine(1), job(ScrubAct::Start, &[])).scene;
    killed.arrays[0].pass(20);
    killed.clock += 20;
    let again = go(&killed, job(run(None), &[]));
    assert!(again.text().contains("begun before is watched"), "{}", again.text());
    assert_eq!(again.scene.record(0).whole[0].mismatches, 8);
    // The machine was off meanwhile.
    let mut off = go(&machine(1), job(run(Some(30)), &[])).scene;
    off.arrays[0] = array(0);
    let again = go(&off, job(ScrubAct::Start, &[]));
    assert_eq!(again.scene.arrays[0].sync_min, 3000);
    let from_start = ScrubJob { from_start: true, ..job(ScrubAct::Start, &[]) };
    assert_eq!(go(&off, from_start).scene.arrays[0].sync_min, 0);
}

#[test]
fn stop_stops_checks_and_nothing_else() {
    let mut machine = machine(2);
    machine.arrays[0].check();
    machine.arrays[0].pass(50);
    machine.arrays[1].status.action = Some(SyncAction::Repair);
    let stopped = go(&machine, job(ScrubAct::Stop, &[]));
    assert_eq!((stopped.status(), stopped.scene.position(0)), (0, Some(5000)), "{}", stopped.text());
    assert!(stopped.scene.arrays[0].is(SyncAction::Idle) && stopped.scene.arrays[1].is(SyncAction::Repair));
    assert!(stopped.scene.record(0).open.unwrap().partly, "it was not begun by us");
}

#[test]
fn every_reason_to_leave_an_array_out() {
    type Change = fn(&mut Array);
    let cases: [(Change, &str); 12] = [
        (|a| a.status.level = Some(Level::Raid0), "raid0 has no redundancy"),
        (|a| (a.status.level, a.status.raid_disks) = (Some(Level::Raid1), 1), "no redundancy"),
        (|a| a.status.state = ArrayState::Inactive, "it is not started"),
        (|a| (a.status.state, a.status.level) = (ArrayState::Inactive, None), "it is not started"),
        (|a| a.status.state = ArrayState::ReadOnly, "it is read-only"),
        (|a| a.status.state = ArrayState::Suspended, "it is suspended"),
        (|a| a.status.state = ArrayState::Broken, "its state is broken"),
        (Array::degrade, "it is degraded"),
        (|a| a.status.action = Some(SyncAction::Resync), "a resync runs"),
        (|a| a.status.action = Some(SyncAction::Repair), "a repair runs"),
        (|a| a.status.action = Some(SyncAction::Frozen), "sync_action is frozen"),
        (|a| a.limit = SyncLimit::At(Sectors(800)), "sync_max is 800"),
    ];
    for (change, words) in cases {
        let mut machine = machine(1);
        change(&mut machine.arrays[0]);
        for (names, status) in [(&[][..], 0), (&["md0"][..], 1)] {
            let outcome = go(&machine, job(ScrubAct::Start, names));
            assert_eq!(outcome.status(), status, "{words}: {}", outcome.text());
            assert!(outcome.text().contains(words), "{words}: {}", outcome.text());
            assert!(outcome.scene.files.is_empty() && !outcome.scene.arrays[0].is(SyncAction::Check));
        }
    }
    // A check that runs is what was asked for.
    let mut machine = machine(1);
    machine.arrays[0].check();
    let outcome = go(&machine, job(ScrubAct::Start, &["md0"]));
    assert!(outcome.status() == 0 && outcome.text().contains("a check runs already"), "{}", outcome.text());
    assert_eq!(go(&machine, job(ScrubAct::Start, &["md7"])).status(), 1);
}

#[test]
fn where_nothing_can_be_written_checks_run_all_the_same() {
    let machine = Machine { read_only_files: true, ..machine(1) };
    let outcome = go(&machine, job(run(None), &[]));
    assert!(outcome.scene.arrays[0].at >= TOTAL && outcome.text().contains("checked as a whole"));
    assert_eq!((outcome.status(), outcome.text().matches("read-only").count()), (1, 1), "{}", outcome.text());
}

#[test]
fn whatever_others_do_nothing_wrong_is_noted() {
    let changes: &[twin::Change<Machine>] = &[
        ("one was stopped", |m| drop(m.arrays.remove(0))),
        ("assembled again", |m| m.arrays[0] = Array { diskseq: 9, before: m.arrays[0].at, ..array(0) }),
        ("somebody wrote idle", |m| m.arrays[0].cut()),
        ("a disk failed", |m| m.arrays[0].degrade()),
        ("a recovery began", |m| m.arrays[0].recover()),
        ("a check of somebody else's began", |m| {
            if m.arrays[0].is(SyncAction::Idle) {
                m.arrays[0].check();
            }
        }),
        ("the notes went away", |m| m.files.clear()),
        ("the notes cannot be written any more", |m| m.read_only_files = true),
    ];
    let errors = [Errno::EBUSY, Errno::ENOSPC];
    for (act, turns, faults) in [(run(None), 20, 40), (run(Some(60)), 15, 40), (ScrubAct::Start, 3, 6)] {
        let make = || Scrub::new(job(act, &[]));
        let tally = twin::everything(make, &machine(2), &errors, changes, |outcome, what| {
            for array in outcome.scene.arrays.iter().filter(|_| act != ScrubAct::Start) {
                let left = array.is(SyncAction::Check) && array.limit == SyncLimit::Marked;
                let short = array.status.degraded != Some(0) && array.is(SyncAction::Check);
                assert!(!short || outcome.status() != 0, "{what}: a degraded array is checked");
                // Who cannot look, or may not stop, leaves a check that the next run goes on with.
                assert!(!left || outcome.status() != 0, "{what}: a check was left: {}", outcome.text());
            }
        });
        assert!(tally.reaches(turns, faults, 3), "{act:?}: {tally:?}");
    }
    let mut checked = machine(1);
    checked.arrays[0].check();
    checked.arrays[0].pass(50);
    let make = || Scrub::new(job(ScrubAct::Stop, &["md0"]));
    let tally = twin::everything(make, &checked, &errors, changes, |_, _| {});
    assert!(tally.reaches(4, 6, 20), "{tally:?}");
}

#[test]
fn an_interrupted_run_stops_its_checks_and_notes_them() {
    for at in 0..4 {
        let mut course = Scrub::new(job(run(None), &[]));
        let fault = Some(Fault::Wait(at));
        let outcome = twin::drive(&mut course, machine(1), Answer::No, fault, None);
        assert_eq!(outcome.status(), 0, "{}", outcome.text());
        let array = &outcome.scene.arrays[0];
        assert!(array.is(SyncAction::Idle) && array.limit == SyncLimit::End && array.sync_min == 0);
        assert_eq!(outcome.scene.position(0), Some(array.at));
        let OpenScrub { part, .. } = outcome.scene.record(0).open.unwrap();
        assert_eq!(part, None);
    }
}
