use superblock::Kib;

use super::*;
use crate::words::SyncAction;

const NOW: u64 = 2_000_000_000;

/// A RAID1 of 1000 sectors that is idle, after a check.
fn idle() -> ScrubArray {
    let status = ArrayStatus {
        level: Some(Level::Raid1),
        raid_disks: 2,
        state: ArrayState::Clean,
        component_size: Some(Kib(500)),
        mismatches: Some(Sectors(8)),
        last_action: Some(SyncAction::Check),
        action: Some(SyncAction::Idle),
        ..ArrayStatus::default()
    };
    ScrubArray { status, diskseq: Some(7), ..ScrubArray::default() }
}

fn part() -> ScrubPart {
    ScrubPart { since: NOW - 50, from: 96, boot: "b".into(), diskseq: Some(7) }
}

fn open(position: u64, part: Option<ScrubPart>) -> OpenScrub {
    OpenScrub {
        begun: NOW - 100,
        position,
        mismatches: 16,
        seconds: Some(40),
        partly: false,
        ranges: Vec::new(),
        part,
    }
}

/// The same with a check that was noted at this position.
fn noted(position: u64, part: Option<ScrubPart>) -> ScrubArray {
    let mut array = idle();
    array.kept.position = Some(KeptPosition { at: Sectors(position), noted: NOW - 10 });
    array.kept.record.open = Some(open(position, part));
    array
}

#[test]
fn a_check_of_ours_that_the_kernel_brought_to_its_end_is_whole() {
    let settled = settle(&noted(400, Some(part())), NOW, "b");
    assert!(settled.finished && settled.cut_off.is_none() && settled.record.open.is_none());
    let whole = &settled.record.whole[0];
    assert_eq!((whole.mismatches, whole.partly, whole.seconds), (24, false, None));
}

#[test]
fn what_is_not_certain_is_cut_off_where_it_was_noted() {
    type Change = fn(&mut ScrubArray);
    let cases: [(&str, Change, u64); 7] = [
        ("the mark is still there", |a| a.sync_max = SyncLimit::Marked, 400),
        ("the kernel came farther", |a| (a.sync_max, a.sync_min) = (SyncLimit::Marked, Sectors(600)), 600),
        ("a recovery took the mark", |a| a.status.last_action = Some(SyncAction::Recover), 400),
        ("the same, farther", |a| a.sync_min = Sectors(640), 640),
        (
            "another boot",
            |a| a.kept.record.open.as_mut().unwrap().part.as_mut().unwrap().boot = "x".into(),
            400,
        ),
        ("assembled again", |a| a.diskseq = Some(9), 400),
        (
            "a recovery runs",
            |a| (a.status.action, a.sync_max) = (Some(SyncAction::Recover), SyncLimit::Marked),
            400,
        ),
    ];
    for (what, change, expected) in cases {
        let mut array = noted(400, Some(part()));
        change(&mut array);
        let settled = settle(&array, NOW, "b");
        assert_eq!(settled.cut_off, Some(Sectors(expected)), "{what}");
        assert!(!settled.finished && settled.record.whole.is_empty(), "{what}");
        assert_eq!(settled.record.open.unwrap().part, None, "{what}");
    }
}

#[test]
fn the_position_of_either_program_counts() {
    // The reference went on, and not by us was it counted.
    let mut array = noted(400, None);
    array.kept.position.as_mut().unwrap().at = Sectors(700);
    let settled = settle(&array, NOW, "b");
    assert_eq!(settled.cut_off, Some(Sectors(700)));
    assert!(settled.record.open.unwrap().partly);
    // It came to its end there.
    let mut array = noted(400, None);
    array.kept.position = None;
    assert_eq!(settle(&array, NOW, "b").cut_off, None);
    // It was the reference from the start.
    array = idle();
    array.kept.position = Some(KeptPosition { at: Sectors(8), noted: NOW });
    assert_eq!(settle(&array, NOW, "b").cut_off, Some(Sectors(8)));
    // Its script was killed, or somebody wrote `idle`: the kernel knows.
    array = ScrubArray { sync_min: Sectors(96), ..idle() };
    assert_eq!(settle(&array, NOW, "b").cut_off, Some(Sectors(96)));
}

#[test]
fn a_position_that_cannot_be_is_from_the_start_with_a_remark() {
    let far = noted(1000, None);
    let mut old = noted(400, None);
    old.kept.position.as_mut().unwrap().noted = NOW - TOO_OLD - 1;
    for array in [far, old] {
        let settled = settle(&array, NOW, "b");
        assert_eq!((settled.cut_off, settled.odd.len()), (None, 1), "{settled:?}");
    }
    for (text, expected) in [
        ("4096\n", Some(4096)),
        ("0", Some(0)),
        ("", None),
        ("-1", None),
        ("+8", None),
        ("99999999999999999999999", None),
        ("8; rm -rf /", None),
        ("8 8", None),
    ] {
        assert_eq!(parse_position(text).ok(), expected.map(Sectors), "{text}");
    }
}

#[test]
fn a_check_that_runs_is_ours_by_the_mark() {
    for (limit, ours) in
        [(SyncLimit::Marked, true), (SyncLimit::End, false), (SyncLimit::At(Sectors(8)), false)]
    {
        let mut array = noted(400, Some(part()));
        (array.status.action, array.sync_max) = (Some(SyncAction::Check), limit);
        let settled = settle(&array, NOW, "b");
        assert_eq!(settled.running, Some(RunningCheck { ours }));
        assert_eq!(settled.record.open.unwrap().part.is_some(), ours);
    }
}

#[test]
fn a_record_reads_back_and_stays_small() {
    let mut record = ScrubRecord::default();
    record.open = Some(open(8, Some(part())));
    for begun in 0..100 {
        record.add(WholeScrub { begun, ..WholeScrub::default() });
        record.add(WholeScrub { begun, ..WholeScrub::default() });
    }
    assert_eq!(ScrubRecord::parse(&record.text()), Ok(record.clone()));
    assert_eq!((record.whole.len(), record.whole[0].begun, record.whole[1].begun), (24, 99, 98));
    assert!(record.text().len() < 16 << 10);
    for bad in ["", "{}", "[]", "{\"schema\":\"mdctl.scrub-record.2\",\"open\":null}", "null"] {
        assert!(ScrubRecord::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn limits_read_back() {
    for limit in [SyncLimit::End, SyncLimit::Marked, SyncLimit::At(Sectors(8))] {
        assert_eq!(SyncLimit::parse(&limit.word()), Some(limit));
    }
    assert_eq!(SyncLimit::parse("none"), None);
}
