use superblock::Kib;

use super::*;
use crate::{
    model::{
        raw::RawMember,
        scrub::{OnDevice, Piece, Purpose},
        status::{ArrayStatus, MemberStatus},
    },
    plan::course::Ending,
    words::{ArrayState, DevId, MemberState},
};

const MIB: u64 = 2048;

fn raw(level: Level, disks: u32) -> RawArray {
    let member = |slot: u32| RawMember {
        path: format!("/dev/vd{slot}"),
        dev: DevId { major: 253, minor: slot },
        data_offset: Sectors(2048),
        bad: Vec::new(),
    };
    RawArray {
        kernel: "md127".into(),
        path: "/dev/md127".into(),
        geometry: raid::Geometry {
            level,
            layout: 2,
            chunk: Sectors(if level == Level::Raid1 { 0 } else { 128 }),
            raid_disks: disks,
            component_size: Sectors(16 * MIB),
        },
        members: (0..disks).map(member).collect(),
        listed: Vec::new(),
        syncing: None,
        unsynced: false,
        held: false,
    }
}

fn sight(level: Level) -> View {
    let member = |slot: u32| MemberStatus {
        slot: Some(slot),
        state: vec![MemberState::InSync],
        ..MemberStatus::default()
    };
    let status = ArrayStatus {
        kernel_name: "md127".into(),
        path: Some("/dev/md/home".into()),
        level: Some(level),
        raid_disks: 3,
        members: (0..3).map(member).collect(),

        component_size: Some(Kib(8192)),
        state: ArrayState::Clean,
        ..ArrayStatus::default()
    };
    let array = ScrubArray { status, ..ScrubArray::default() };
    View::Scrub(Box::new(ScrubSight { arrays: vec![array], ..ScrubSight::default() }))
}

/// Drives the course; `differ` answers each reading by its number, counted from 0, and its range.
fn drive(
    array: RawArray,
    differ: impl Fn(usize, StripeRange) -> DifferencesSeen,
) -> (Locate, u8, Vec<String>) {
    let level = array.geometry.level;
    let mut course = Locate::new(Vec::new());
    let (mut event, mut said, mut nth) = (Event::Begin, Vec::new(), 0);
    for _ in 0..20_000 {
        let turn = course.next(event);
        said.extend(turn.say.into_iter().map(|said| said.text));
        event = match turn.then {
            Then::Look(Look::Scrub { .. }) => Event::Seen(sight(level)),
            Then::Look(Look::RawArray { .. }) => Event::Seen(View::RawArray(Ok(Box::new(array.clone())))),
            Then::Look(Look::Differences { range, .. }) => {
                nth += 1;
                Event::Seen(View::Differences(Box::new(differ(nth - 1, range))))
            }
            Then::Look(Look::Contents { .. }) => Event::Seen(View::Contents(vec![Piece {
                length: Bytes(64 << 20),
                device: "/dev/md/home".into(),
                content: OnDevice { purpose: Purpose::Swap, ..OnDevice::default() },
                ..Piece::default()
            }])),
            Then::Wait(_) => Event::Woke(Woke::TimeUp),
            Then::End(Ending::Status(status)) => return (course, status, said),
            other => panic!("{other:?}"),
        };
    }
    panic!("no end")
}

fn page(at: u64, odd: &[usize]) -> Differing {
    let at = StripeRange { from: Sectors(at), length: Sectors(8) };
    Differing { at, sectors: vec![(at.from, at.length)], odd: odd.to_vec(), sum: 0 }
}

fn within(pages: &[Differing], range: StripeRange) -> DifferencesSeen {
    let is_in =
        |one: &&Differing| range.from <= one.at.from && one.at.from < range.from.saturating_add(range.length);
    DifferencesSeen { found: pages.iter().filter(is_in).cloned().collect(), unread: Vec::new() }
}

#[test]
fn what_differs_three_times_is_a_finding_and_neighbours_are_one() {
    // 16 MiB in steps of 4 MiB are four readings.
    let pages = [page(MIB, &[1]), page(MIB + 8, &[1]), page(9 * MIB, &[])];
    let (course, status, said) = drive(raw(Level::Raid1, 3), |_, range| within(&pages, range));
    assert_eq!((status, said.as_slice()), (0, [].as_slice()));
    let [located] = course.located.as_slice() else { panic!() };
    assert_eq!((located.compared, located.length), (Sectors(16 * MIB), Sectors(16 * MIB)));
    let places: Vec<_> = located.places.iter().map(|one| (one.length.0, one.odd.clone())).collect();
    assert_eq!(places, [(16, vec!["/dev/vd1".to_owned()]), (8, vec![])]);
    assert!(located.places.iter().all(|one| one.spots[0].is_harmless(Some(Level::Raid1))));
}

#[test]
fn what_was_being_written_is_none() {
    let pages = [page(0, &[]), page(64, &[])];
    let only_first = |nth: usize, range| within(if nth < 4 { &pages } else { &pages[..1] }, range);
    let (course, ..) = drive(raw(Level::Raid1, 2), only_first);
    assert_eq!(course.located[0].places.len(), 1);
    let (course, ..) =
        drive(raw(Level::Raid1, 2), |nth, range| within(&pages[..usize::from(nth < 5)], range));
    assert_eq!(course.located[0].places.len(), 0, "it differed twice only");
}

#[test]
fn what_changes_all_the_time_is_not_judged() {
    let changing = |nth: usize, range| {
        let sum = u32::try_from(nth).unwrap();
        within(&[Differing { sum, ..page(64, &[]) }, page(128, &[])], range)
    };
    let (course, ..) = drive(raw(Level::Raid1, 2), changing);
    let located = &course.located[0];
    assert_eq!(located.places.len(), 1, "{located:?}");
    assert!(located.unread.len() == 1 && located.unread[0].why.contains("all the time"), "{located:?}");
}

#[test]
fn an_array_that_differs_everywhere_is_not_read_to_its_end() {
    let all = |_, range: StripeRange| {
        let found = (0..range.length.0 / 16).map(|nth| page(range.from.0 + nth * 16, &[])).collect();
        DifferencesSeen { found, unread: Vec::new() }
    };
    let mut large = raw(Level::Raid1, 2);
    large.geometry.component_size = Sectors(1 << 30);
    let (course, ..) =
        drive(large, |nth, range| if nth < 40 { all(nth, range) } else { DifferencesSeen::default() });
    assert!(course.located[0].more && course.located[0].compared < Sectors(1 << 20));
}

#[test]
fn what_is_being_made_is_not_compared() {
    let syncing = RawArray { syncing: Some(SyncKind::Recovery), ..raw(Level::Raid5, 3) };
    let unsynced = RawArray { unsynced: true, ..raw(Level::Raid5, 3) };
    for (array, part) in [(syncing, "a recovery runs"), (unsynced, "a resync is not finished")] {
        let (course, status, said) = drive(array, |_, _| panic!("read"));
        assert!(status == FAILED && course.located.is_empty() && said[0].contains(part), "{said:?}");
    }
    let checked = RawArray { syncing: Some(SyncKind::Check), ..raw(Level::Raid6, 4) };
    assert_eq!(drive(checked, |_, _| DifferencesSeen::default()).1, 0);
}
