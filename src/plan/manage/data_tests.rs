//! What nothing may take from an array, or give to it, without being asked twice.

use superblock::{Level, MdUuid, Native, Role, Sectors, bitmap, probe::Found, v1};

use super::{
    tests::{UUID, array, context, dev, disk, path, superblock},
    *,
};
use crate::{
    model::manage::WrittenOver,
    plan::replace::{self, OldMember},
};

/// The same disk with a change in its superblock.
fn edited(minor: u32, sb: v1::Superblock, edits: &[v1::Edit]) -> ManageSubject {
    let mut sb = sb;
    for edit in edits {
        sb.edit(*edit).unwrap();
    }
    disk(minor, Some(sb))
}

fn failed(number: u32) -> v1::Edit {
    v1::Edit::Role { number, role: Role::Faulty }
}

/// The same array with a bitmap that has forgotten nothing.
fn with_bitmap(mut array: Managed) -> Managed {
    let bitmap = bitmap::NewSuperblock {
        version: bitmap::Version::Plain,
        uuid: UUID.0,
        sync_size: Sectors(30_720),
        chunk: 65_536,
        daemon_sleep: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: Vec::new(),
        assume_clean: false,
    };
    array.bitmap = Some(bitmap.build());
    array
}

#[test]
fn what_was_written_to_apart_is_never_taken_back_as_it_was() {
    let layouts = [
        (Level::Raid1, "U_", 1, &[0][..]),
        (Level::Raid4, "_UU", 0, &[2]),
        (Level::Raid5, "_UU", 0, &[2]),
        (Level::Raid6, "UU__", 3, &[0, 1]),
        (Level::Raid10, "U_U_", 3, &[0, 2]),
    ];
    for (level, slots, own, denied) in layouts {
        let count = u32::try_from(slots.len()).unwrap();
        for events in [3, 15, 19, 20, 21, 400] {
            let edits: Vec<v1::Edit> = denied.iter().copied().map(failed).collect();
            let subject = || edited(own, superblock(own, events, level, count), &edits);
            for world in [array(level, slots), with_bitmap(array(level, slots))] {
                let case = format!("{level:?} {slots} at {events}");
                for (op, force) in [
                    (ManageOp::Add, false),
                    (ManageOp::AddSpare, false),
                    (ManageOp::ReAdd, false),
                    (ManageOp::ReAdd, true),
                ] {
                    let context = ManageContext { force, ..context() };
                    let refused = decide(&path(op, own), &world, &subject(), &context).unwrap_err();
                    assert!(refused.text.contains("apart from each other"), "{case} {op:?}: {refused:?}");
                    assert!(refused.said[0].text.contains("slot"), "{case}: what it says of the others");
                    assert!(refused.hint.unwrap().contains("--add --force"), "{case}: the way on");
                }
                let insisting = ManageContext { force: true, ..context() };
                let forced = decide(&path(ManageOp::Add, own), &world, &subject(), &insisting).unwrap();
                let [way] = forced.ways.as_slice() else { panic!("{case}: one way: {forced:?}") };
                assert!(matches!(way.copy, Some(Copy::Full { .. })), "{case}: {:?}", way.copy);
                assert!(way.plan.warnings[0].text.contains("is lost"), "{case}");
                // `--re-add missing` names it and goes on.
                let quiet = Todo { quiet: true, ..path(ManageOp::ReAdd, own) };
                let passed = decide(&quiet, &world, &subject(), &context()).unwrap();
                assert!(passed.ways.is_empty() && matches!(passed.otherwise, Otherwise::Warn(_)), "{case}");
            }
        }
    }
    // A replacement tries the same.
    let world = array(Level::Raid1, "U_");
    let new = edited(1, superblock(1, 20, Level::Raid1, 2), &[failed(0)]);
    let refused =
        replace::plan(("missing", "/dev/ram1"), OldMember::Missing, &world, &new, &context()).unwrap_err();
    assert!(refused.text.contains("apart from each other"), "{refused:?}");
}

#[test]
fn two_lost_members_come_back_one_after_the_other() {
    for (level, own, edit) in [(Level::Raid6, 3, failed(2)), (Level::Raid10, 3, failed(1))] {
        let world = with_bitmap(array(level, "UUU_"));
        let subject = edited(own, superblock(own, 15, level, 4), &[edit]);
        let decision = decide(&path(ManageOp::ReAdd, own), &world, &subject, &context()).unwrap();
        assert!(matches!(decision.ways[0].copy, Some(Copy::Bitmap { .. })), "{decision:?}");
    }
}

#[test]
fn a_superblock_that_came_back_without_its_data_brings_nothing_back() {
    let world = with_bitmap(array(Level::Raid1, "U_"));
    let written_over = |of: MdUuid| ManageSubject {
        written_over: Some(WrittenOver { array: of.to_string(), by: "a resync of array x".into() }),
        ..disk(1, Some(superblock(1, 15, Level::Raid1, 2)))
    };
    let by_bitmap = |decision: &ManageDecision| matches!(decision.ways[0].copy, Some(Copy::Bitmap { .. }));
    for op in [ManageOp::ReAdd, ManageOp::Add] {
        let of_another = decide(&path(op, 1), &world, &written_over(MdUuid([9; 16])), &context()).unwrap();
        assert!(by_bitmap(&of_another), "{of_another:?}");
    }
    let refused = decide(&path(ManageOp::ReAdd, 1), &world, &written_over(UUID), &context()).unwrap_err();
    assert!(refused.text.contains("a resync of array x may have written over its data"), "{refused:?}");
    assert!(refused.hint.unwrap().contains("--add /dev/ram1 copies everything"));
    let quiet = Todo { quiet: true, ..path(ManageOp::ReAdd, 1) };
    let passed = decide(&quiet, &world, &written_over(UUID), &context()).unwrap();
    assert!(passed.ways.is_empty() && matches!(passed.otherwise, Otherwise::Warn(_)));
    for op in [ManageOp::Add, ManageOp::AddSpare] {
        let added = decide(&path(op, 1), &world, &written_over(UUID), &context()).unwrap();
        let [way] = added.ways.as_slice() else { panic!("{added:?}") };
        assert!(matches!(way.copy, Some(Copy::Full { .. })), "{:?}", way.copy);
        assert!(way.plan.warnings[0].text.contains("an undo brought its superblock back"));
    }
    let missing = ("missing", "/dev/ram1");
    let replaced =
        replace::plan(missing, OldMember::Missing, &world, &written_over(UUID), &context()).unwrap();
    assert!(format!("{replaced:?}").contains("Full"), "{replaced:?}");
}

#[test]
fn a_member_that_a_resync_takes_data_from_is_kept() {
    let kept = |level, slots: &str, victim: u32, change: fn(&mut Managed)| {
        let mut world = array(level, slots);
        world.resync_at = Some(Sectors(2048));
        change(&mut world);
        let subject = ManageSubject { dev: Some(dev(victim)), ..ManageSubject::default() };
        let todo = path(ManageOp::Fail, victim);
        let insisting = ManageContext { force: true, ..context() };
        assert!(decide(&todo, &world, &subject, &insisting).is_ok(), "{level:?} {slots} {victim}");
        let replaced = decide(&path(ManageOp::Replace, victim), &world, &subject, &context());
        let failed = decide(&todo, &world, &subject, &context());
        assert_eq!(failed.is_err(), replaced.is_err(), "{level:?} {slots} {victim}");
        failed.is_err_and(|refusal| refusal.text.contains("a resync is not finished"))
    };
    let as_it_is: fn(&mut Managed) = |_| {};
    for (level, slots, victim, expected) in [
        (Level::Raid1, "UU", 0, true),
        (Level::Raid1, "UU", 1, false),
        (Level::Raid1, "FUU", 1, true),
        (Level::Raid1, "FUU", 2, false),
        (Level::Raid10, "UUUU", 0, true),
        (Level::Raid10, "UUUU", 3, false),
        (Level::Raid4, "UUU", 1, true),
        (Level::Raid5, "UUU", 2, true),
        (Level::Raid6, "UUUU", 0, true),
    ] {
        assert_eq!(kept(level, slots, victim, as_it_is), expected, "{level:?} {slots} {victim}");
    }
    let write_mostly: fn(&mut Managed) = |world| world.detail.members[0].state.write_mostly = true;
    assert!(!kept(Level::Raid1, "UU", 0, write_mostly) && kept(Level::Raid1, "UU", 1, write_mostly));
    let finished: fn(&mut Managed) = |world| world.resync_at = None;
    assert!(!kept(Level::Raid5, "UUU", 0, finished));
}

#[test]
fn a_reshape_needs_members_of_both_shapes() {
    // From five slots to four; one is missing already.
    let mut world = array(Level::Raid5, "U_UUU");
    world.detail.counts.raid_disks = 4;
    world.slots_before = Some(5);
    let refused = |victim: u32| {
        let subject = ManageSubject { dev: Some(dev(victim)), ..ManageSubject::default() };
        decide(&path(ManageOp::Fail, victim), &world, &subject, &context()).map_err(|refusal| refusal.text)
    };
    assert!(refused(4).unwrap_err().contains("a reshape is not finished"));
    assert!(refused(0).is_err());
}

#[test]
fn a_reshape_that_keeps_enough_of_both_shapes_stops_no_failure() {
    let fails = |level, slots: &str, (before, after): (u32, u32), victim: u32| {
        let mut world = array(level, slots);
        world.detail.counts.raid_disks = after;
        world.slots_before = Some(before);
        let subject = ManageSubject { dev: Some(dev(victim)), ..ManageSubject::default() };
        let todo = path(ManageOp::Fail, victim);
        let insisting = ManageContext { force: true, ..context() };
        assert!(decide(&todo, &world, &subject, &insisting).is_ok(), "{level:?} {slots} {victim}");
        decide(&todo, &world, &subject, &context()).is_ok()
    };
    for (level, slots, counts, victim, expected) in [
        // It grows: any one may go, old or new, and no second one.
        (Level::Raid5, "UUUU", (3, 4), 0, true),
        (Level::Raid5, "UUUU", (3, 4), 3, true),
        (Level::Raid5, "UUU_", (3, 4), 0, false),
        (Level::Raid5, "_UUU", (3, 4), 3, false),
        (Level::Raid6, "UUUUU", (4, 5), 1, true),
        (Level::Raid6, "U_UUU", (4, 5), 2, true),
        (Level::Raid6, "U__UU", (4, 5), 0, false),
        // It shrinks.
        (Level::Raid5, "UUUU", (4, 3), 0, true),
        (Level::Raid5, "UUU_", (4, 3), 0, false),
        (Level::Raid6, "UUUU_", (5, 4), 0, true),
        // Its layout or chunk changes.
        (Level::Raid5, "UUU", (3, 3), 1, true),
        (Level::Raid5, "U_U", (3, 3), 0, false),
    ] {
        assert_eq!(fails(level, slots, counts, victim), expected, "{level:?} {slots} {counts:?} {victim}");
    }
}

#[test]
fn what_may_bring_a_failed_array_back_stays() {
    let world = array(Level::Raid5, "UFF");
    let todo = path(ManageOp::Remove, 1);
    let subject = ManageSubject { dev: Some(dev(1)), ..ManageSubject::default() };
    assert!(decide(&todo, &world, &subject, &context()).unwrap_err().text.contains("bring it back"));
    assert!(decide(&todo, &world, &subject, &ManageContext { force: true, ..context() }).is_ok());
    assert!(decide(&todo, &array(Level::Raid5, "UFU"), &subject, &context()).is_ok());
}

#[test]
fn the_only_copy_is_not_added_again() {
    use crate::model::world::LogLine;
    let world = array(Level::Raid1, "_U");
    let resyncing = |at: u64| {
        let mut subject = disk(0, Some(superblock(0, 15, Level::Raid1, 2)));
        let found = &mut subject.seen.as_mut().unwrap().found.as_mut().unwrap().probe.found;
        let Native::V1(sb) = found[0].fields() else { unreachable!() };
        let mut image = vec![0; 1 << 24];
        image[4096..4096 + sb.as_bytes().len()].copy_from_slice(sb.as_bytes());
        // `resync_offset`.
        image[4096 + 208..4096 + 216].copy_from_slice(&at.to_le_bytes());
        let read = v1::read(&image, v1::Minor::V1_2).unwrap().unwrap();
        found[0] = Found { superblock: read.map(Native::V1), bitmap: None };
        subject
    };
    for op in [ManageOp::Add, ManageOp::AddSpare, ManageOp::ReAdd] {
        let refused = decide(&path(op, 0), &world, &resyncing(4096), &context()).unwrap_err();
        assert!(refused.text.contains("before a resync was finished"), "{op:?}: {refused:?}");
        assert!(refused.hint.unwrap().contains("mdctl explain /dev/md0 says how"));
    }
    // Where it failed and stands, the kernel would copy onto it as well.
    let attached = array(Level::Raid1, "FU");
    for found in [false, true] {
        let todo = Todo { found, ..path(ManageOp::ReAdd, 0) };
        let refused = decide(&todo, &attached, &resyncing(4096), &context()).unwrap_err();
        assert!(refused.text.contains("before a resync was finished"), "{refused:?}");
    }
    let insisting = ManageContext { force: true, ..context() };
    assert!(decide(&path(ManageOp::Add, 0), &world, &resyncing(4096), &insisting).is_ok());
    // 0 is also what an array has that is being written to: the log decides.
    let mut subject = resyncing(0);
    assert!(decide(&path(ManageOp::Add, 0), &world, &subject, &context()).is_ok());
    let line = |text: &str| LogLine { at: 0, text: text.to_owned() };
    subject.log = vec![
        line("md: resync of RAID array md0"),
        line("md/raid1:md0: Disk failure on ram0, disabling device."),
    ];
    assert!(decide(&path(ManageOp::Add, 0), &world, &subject, &context()).is_err());
}

#[test]
fn a_copy_of_a_member_is_not_taken_for_a_spare() {
    let world = array(Level::Raid1, "UU");
    let mut subject = disk(5, Some(superblock(1, 20, Level::Raid1, 2)));
    subject.twin = Some("/dev/ram1".into());
    let refused = decide(&path(ManageOp::Add, 5), &world, &subject, &context()).unwrap_err();
    assert!(refused.text.contains("is a copy of /dev/ram1"), "{refused:?}");
    assert!(
        decide(&path(ManageOp::Add, 5), &world, &subject, &ManageContext { force: true, ..context() })
            .is_ok()
    );
}

#[test]
fn an_old_member_becomes_a_new_one_where_the_others_were_replaced() {
    // Slots 1 and 2 have other devices than it knows.
    let mut world = array(Level::Raid5, "UUU");
    for (slot, number) in [(1_usize, 5), (2, 6)] {
        world.detail.members[slot].number = number;
    }
    world.detail.members.remove(0);
    world.links.remove(0);
    let old = || disk(0, Some(superblock(0, 5, Level::Raid5, 3)));
    assert!(decide(&path(ManageOp::ReAdd, 0), &world, &old(), &context()).is_err());
    for op in [ManageOp::Add, ManageOp::AddSpare] {
        let decision = decide(&path(op, 0), &world, &old(), &context()).unwrap();
        let [way] = decision.ways.as_slice() else { panic!("{op:?}: as a new one only: {decision:?}") };
        let copy = way.copy.as_ref().unwrap().to_string();
        assert!(copy.ends_with("because other members were replaced since"), "{copy}");
    }
}
