//! Members of one UUID that do not describe one array: from before a grow, in a reshape, of another creation.

use superblock::{Write, v1::NewArray};

use super::{
    bounds::{device, fix, patch},
    *,
};
use crate::plan::assemble::shape::{Shapes, difference};

const FORCE: Options = Options {
    run: false,
    force: true,
    no_degraded: false,
    readonly: false,
    partial: false,
    waits: false,
    invalid_backup: false,
    stands: false,
};
const PARTIAL: Options = Options {
    run: false,
    force: false,
    no_degraded: false,
    readonly: false,
    partial: true,
    waits: false,
    invalid_backup: false,
    stands: false,
};

/// A member after its words were changed, with a right checksum.
fn patched(member: &Claim, words: &[(usize, u32)]) -> Claim {
    let mut write: Write = member.metadata.encode();
    for (at, value) in words {
        patch(&mut write.data, *at, *value);
    }
    fix(&mut write);
    Claim::of(&device(member.id.minor, write), None).unwrap()
}

/// In a reshape at a position, from `disks - delta` slots to `disks`; with the data moving, so without a backup file.
fn reshaping(member: &Claim, position: u32, delta: i32, layout: u32) -> Claim {
    let level = u32::from_ne_bytes(member.facts.level.number().to_ne_bytes());
    let delta = u32::from_ne_bytes(delta.to_ne_bytes());
    patched(member, &[(8, 4 | 64), (100, level), (104, position), (112, delta), (116, layout), (120, 1024)])
}

#[test]
fn whoever_knows_another_shape_never_counts_and_is_never_forced() {
    let now = array(Level::Raid5, 2, 3);
    let others: [(NewArray, &str); 6] = [
        (NewArray { size: Sectors(8192), ..now.clone() }, "member size 4096 KiB instead of 20480 KiB"),
        (NewArray { raid_disks: 4, ..now.clone() }, "raid devices 4 instead of 3"),
        (NewArray { chunk: Sectors(128), ..now.clone() }, "chunk 64 KiB instead of 512 KiB"),
        (NewArray { layout: 0, ..now.clone() }, "layout 0 instead of 2"),
        (NewArray { level: Level::Raid4, ..now.clone() }, "level raid4 instead of raid5"),
        (NewArray { created: 1_600_000_000, ..now.clone() }, "another creation time"),
    ];
    for (other, what) in others {
        for events in [9, 8, 3] {
            let pair = vec![claim(&now, 0, 9, &[]), claim(&other, 1, events, &[])];
            let outcome = decide(pair.clone(), FORCE);
            assert!(matches!(outcome.verdict, Verdict::Refuse(_)), "{what}, {events}: {outcome:?}");
            assert_eq!(outcome.out, [("/dev/b".to_owned(), Why::OtherShape(what.to_owned()))]);
            let said = "ignoring /dev/b: its superblock describes another shape than the freshest member's";
            assert_eq!(notes(&outcome), [format!("{said}: {what}")]);
            let mut enough = pair;
            enough.push(claim(&now, 2, 9, &[]));
            let outcome = decide(enough, PARTIAL);
            assert_eq!(added(&outcome), ["/dev/c", "/dev/a"], "the others suffice");
            assert_eq!(outcome.done, "/dev/md0 has been started with 2 drives (out of 3).");
        }
    }
}

#[test]
fn a_damaged_first_member_does_not_say_which_shape_is_right() {
    let raid1 = array(Level::Raid1, 0, 3);
    let mut bad = claim(&NewArray { size: Sectors(8192), ..raid1.clone() }, 0, 7, &[]);
    bad.damage = Some("checksum is 00000000, should be 00000001".to_owned());
    let outcome = decide(vec![bad, claim(&raid1, 1, 7, &[]), claim(&raid1, 2, 7, &[])], FORCE);
    assert_eq!(added(&outcome), ["/dev/c", "/dev/b"]);
}

#[test]
fn what_a_reshape_changes_on_the_way_is_no_other_shape() {
    let raid5 = array(Level::Raid5, 2, 4);
    let member = |number, events| claim(&raid5, number, events, &[]);
    let here = reshaping(&member(0, 9), 4096, 1, 2);
    assert_eq!(
        difference(&here, &reshaping(&member(1, 8), 2048, 1, 2)),
        None,
        "it goes on between two writes"
    );
    assert_eq!(difference(&here, &member(1, 3)), None, "the layout is the old one until the end");
    let before = claim(&array(Level::Raid5, 2, 3), 1, 3, &[]);
    assert_eq!(difference(&here, &before).unwrap(), "raid devices 3 instead of 4");
    let elsewhere = reshaping(&member(1, 9), 4096, 1, 0);
    assert_eq!(difference(&here, &elsewhere).unwrap(), "another goal of the reshape");
}

#[test]
fn both_shapes_of_a_reshape_need_members() {
    // Four of six devices hold all copies of what was moved, and not of what the two last ones still have.
    let mirror = claim(&array(Level::Raid10, 0x102, 4), 0, 9, &[]);
    let present = [true, true, true, true, false, false];
    assert!(Shapes::of(&mirror).enough(&present, true));
    let shrinking = reshaping(&mirror, 4096, -2, 0x102);
    assert!(!Shapes::of(&shrinking).enough(&present, true));
    assert!(Shapes::of(&shrinking).enough(&[true, false, true, false, true, false], true));
    // From near copies to far ones: slots 0 and 3 hold all of the old shape, and of the new one not what 1 and 2 hold.
    let far = reshaping(&mirror, 4096, 0, 0x201);
    let (apart, across) = ([true, false, false, true], [true, false, true, false]);
    assert!(Shapes::of(&mirror).enough(&apart, true) && !Shapes::of(&far).enough(&apart, true));
    assert!(Shapes::of(&mirror).enough(&across, true) && Shapes::of(&far).enough(&across, true));
    // A RAID5 that grows by two: two of the old three, and one of the new ones too few.
    let grown = reshaping(&claim(&array(Level::Raid5, 2, 5), 0, 9, &[]), 4096, 2, 2);
    assert!(Shapes::of(&grown).enough(&[true, true, false, true, true], true));
    assert!(!Shapes::of(&grown).enough(&[true, true, false, true, false], true));
}

#[test]
fn force_goes_on_until_both_shapes_have_enough() {
    let raid10 = array(Level::Raid10, 0x102, 4);
    let six =
        NewArray { roles: (0..6).map(|slot| Role::Slot { slot, replacement: false }).collect(), ..raid10 };
    let member = |number, events| reshaping(&claim(&six, number, events, &[]), 4096, -2, 0x102);
    let claims = || vec![member(0, 9), member(1, 9), member(2, 9), member(3, 9), member(4, 5)];
    let outcome = decide(claims(), Options { partial: true, ..FORCE });
    assert_eq!(notes(&outcome)[0], "forcing event count in /dev/e(4) from 5 up to 9");
    let plain = decide(claims(), PARTIAL);
    assert_eq!(plain.shortage, Some(Shortage::Members), "{}", plain.done);
}
