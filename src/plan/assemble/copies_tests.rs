use superblock::{Level, Native, v0, v1};

use super::super::{
    Options, Verdict, Why,
    claim::Claim,
    plan,
    tests::{added, array, bounds, claim, decide, name},
};
use crate::plan::{DiskStep, Step};

/// `/dev/a`, `/dev/b` …, each last written at its events and time.
fn member(array: &v1::NewArray, number: u32, (events, updated): (u64, u64)) -> Claim {
    claim(array, number, events, &[v1::Edit::Updated(updated)])
}

/// A copy of a member on another device.
fn copy(array: &v1::NewArray, number: u32, state: (u64, u64)) -> Claim {
    let mut copy = member(array, number, state);
    copy.path = "/dev/copy".into();
    copy.id.minor += 100;
    copy
}

#[test]
fn a_copy_from_when_the_array_was_in_use_never_beats_the_member() {
    let now = (18, 200);
    // Idle when it was copied; being written to; long ago; and a clock that has been put back since.
    for then in [(18, 100), (19, 100), (3, 50), (18, 300), (19, 300)] {
        for (level, layout, disks) in [
            (Level::Raid1, 0, 2),
            (Level::Raid4, 0, 3),
            (Level::Raid5, 2, 3),
            (Level::Raid6, 2, 4),
            (Level::Raid10, 0x102, 2),
        ] {
            let array = array(level, layout, disks);
            for which in 0..disks {
                let mut claims: Vec<Claim> = (0..disks).map(|number| member(&array, number, now)).collect();
                for place in [0, claims.len()] {
                    claims.insert(place, copy(&array, which, then));
                    let outcome = decide(claims.clone(), Options { partial: true, ..Options::default() });
                    let case = format!("{level:?} {then:?} {which} {place}");
                    assert_eq!(outcome.verdict, Verdict::Start, "{case}");
                    assert!(!added(&outcome).contains(&"/dev/copy"), "{case}");
                    assert_eq!(added(&outcome).len(), claims.len() - 1, "{case}");
                    let of = claims
                        .iter()
                        .find(|claim| claim.path != "/dev/copy" && claim.slot() == Some((which, false)));
                    let why = Why::Copy { of: of.unwrap().path.clone(), stale: true };
                    assert_eq!(outcome.out, [("/dev/copy".to_owned(), why)], "{case}");
                    claims.remove(place);
                }
            }
        }
    }
}

#[test]
fn copies_of_all_members_stay_out_together() {
    let raid5 = array(Level::Raid5, 2, 3);
    let mut claims = Vec::new();
    for number in 0..3 {
        claims.push(copy(&raid5, number, (18, 100)));
        claims.push(member(&raid5, number, (18, 200)));
    }
    let outcome = decide(claims, Options::default());
    assert_eq!(added(&outcome).len(), 3);
    assert!(!added(&outcome).contains(&"/dev/copy"));
}

#[test]
fn of_exact_copies_the_first_is_taken() {
    let raid1 = array(Level::Raid1, 0, 2);
    let claims = vec![copy(&raid1, 0, (18, 200)), member(&raid1, 0, (18, 200)), member(&raid1, 1, (18, 200))];
    let outcome = decide(claims, Options::default());
    assert_eq!(outcome.out, [("/dev/a".to_owned(), Why::Copy { of: "/dev/copy".to_owned(), stale: false })]);
}

#[test]
fn a_copy_without_its_member_is_left_out_and_waited_for() {
    let raid5 = array(Level::Raid5, 2, 3);
    let claims =
        || vec![member(&raid5, 0, (18, 200)), copy(&raid5, 1, (18, 100)), member(&raid5, 2, (18, 200))];
    let older = Why::Older { than: "/dev/c".to_owned(), alike: true };
    let scan = decide(claims(), Options { partial: true, ..Options::default() });
    assert_eq!(scan.done, "/dev/md0 has been started with 2 drives (out of 3).");
    assert_eq!(scan.out, [("/dev/copy".to_owned(), older)]);
    let waits = decide(claims(), Options { waits: true, ..Options::default() });
    assert_ne!(waits.verdict, Verdict::Start, "the member itself may come");
    // It is needed, and somebody insists.
    let few = vec![member(&raid5, 0, (18, 200)), copy(&raid5, 1, (18, 100))];
    let forced = decide(few, Options { force: true, ..Options::default() });
    assert_eq!(added(&forced).len(), 2);
}

/// As md left it: marked as in use or clean.
fn state(array: &v1::NewArray, number: u32, (events, updated, clean): (u64, u64, bool)) -> Claim {
    let mark = if clean { v1::Edit::MarkClean } else { v1::Edit::MarkDirty };
    let mut one = claim(array, number, events, &[mark, v1::Edit::Updated(updated)]);
    one.facts = one.metadata.membership();
    assert_eq!(one.facts.clean, clean);
    one
}

#[test]
fn a_copy_from_when_the_array_was_in_use_is_left_out_without_its_member_too() {
    let raid5 = array(Level::Raid5, 2, 3);
    // md counts back as it marks the array clean, or on; the others went on being used.
    for (then, now) in [
        ((20, 100, false), (19, 103, true)),
        ((19, 100, false), (20, 103, true)),
        ((20, 100, false), (19, 103, false)),
    ] {
        let old = || state(&raid5, 1, then);
        let claims = || vec![state(&raid5, 0, now), old(), state(&raid5, 2, now)];
        let why = Why::Older { than: "/dev/c".to_owned(), alike: false };
        let scan = decide(claims(), Options { partial: true, ..Options::default() });
        assert_eq!(scan.out, [("/dev/b".to_owned(), why)], "{then:?}");
        // Without parity that is right, less than all is not started.
        assert_eq!(added(&scan).len(), if now.2 { 2 } else { 0 }, "{then:?}");
        assert_ne!(decide(claims(), Options { waits: true, ..Options::default() }).verdict, Verdict::Start);
        // There are not enough without it, and it may be the member.
        let few = vec![state(&raid5, 0, now), old()];
        let outcome = decide(few, Options { run: true, partial: true, ..Options::default() });
        assert_eq!(added(&outcome).len(), 2, "{then:?}");
        let doubt =
            |remark: &super::super::Remark| remark.text.contains("/dev/b was last written before /dev/a");
        assert!(outcome.before.iter().any(doubt), "{:?}", outcome.before);
    }
}

#[test]
fn a_power_cut_between_two_superblocks_makes_nobody_old() {
    let raid5 = array(Level::Raid5, 2, 3);
    // Before a write and after it.
    for (one, others) in [
        ((18, 100, true), (19, 200, false)),
        ((19, 100, false), (18, 102, true)),
        ((19, 100, false), (20, 102, true)),
        ((18, 100, false), (19, 200, false)),
    ] {
        let claims = vec![state(&raid5, 0, one), state(&raid5, 1, others), state(&raid5, 2, others)];
        assert_eq!(added(&decide(claims, Options::default())).len(), 3, "{one:?}");
    }
    // Nobody writes these as they are used.
    let raid0 = array(Level::Raid0, 0, 2);
    let claims = vec![member(&raid0, 0, (0, 100)), member(&raid0, 1, (0, 200))];
    assert_eq!(added(&decide(claims, Options::default())).len(), 2);
}

#[test]
fn who_was_forced_in_counts_as_written_with_the_others() {
    let raid5 = array(Level::Raid5, 2, 3);
    let claims = vec![member(&raid5, 0, (18, 200)), member(&raid5, 1, (5, 100))];
    let forced = decide(claims, Options { force: true, ..Options::default() });
    let step = forced.plan.steps.iter().find_map(|step| match step {
        Step::Disk(DiskStep::Write { writes, .. }) => Some(writes[0].data.clone()),
        _ => None,
    });
    assert_eq!(step.unwrap()[192..197], 200_u64.to_le_bytes()[..5]);
}

#[test]
fn two_of_0_90_in_one_slot_are_told_apart_by_time() {
    let member = |number: u32, slot: usize, updated: u32| {
        let write = bounds::v0_members(Level::Raid1, 0, 2).remove(slot);
        let claim = Claim::of(&bounds::device(number, write), None).unwrap();
        let Native::V0(mut superblock) = claim.metadata else { panic!("0.90") };
        superblock.edit(v0::Edit::Updated(updated)).unwrap();
        let metadata = Native::V0(superblock);
        Claim { facts: metadata.membership(), metadata, ..claim }
    };
    for (then, now) in [(100, 200), (200, 100)] {
        // Its number is the device; the slot is that of the first one.
        let claims = vec![member(5, 0, then), member(0, 0, now), member(1, 1, now)];
        let paths: Vec<String> = claims.iter().map(|claim| claim.path.clone()).collect();
        let outcome = decide(claims, Options::default());
        assert_eq!(outcome.out, [(paths[0].clone(), Why::Copy { of: paths[1].clone(), stale: true })]);
    }
    let alike = vec![member(5, 0, 200), member(0, 0, 200), member(1, 1, 200)];
    let refused = plan(alike, name(), None, &Options::default()).unwrap_err();
    assert!(refused.text.contains("very similar superblocks"), "{refused}");
}
