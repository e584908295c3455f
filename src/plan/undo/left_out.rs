//! Members whose data an undo cannot bring back: the kernel wrote over it for the array that the command made. With their old
//! superblock they would start as if they were up to date, at the next boot at the latest. So where the others of their array are
//! enough they get no superblock, and the array is filled from those.

use std::collections::BTreeSet;

use raid::geometry::Geometry;
use superblock::{Bytes, MdUuid, Membership, Role, Write, probe};

use super::{Present, membership};
use crate::{
    archive::{CopiedOver, CopyCause, Entry, KeptDevice, Pieces, copied_over, lay_over},
    plan::zero,
};

/// What was written over the data of the `nth` device, by what is there now.
pub(super) fn copied_now(entry: &Entry, nth: usize, present: &Present) -> Vec<CopiedOver> {
    let mut copied = by_superblocks(&entry.devices, nth, present);
    // What an undo put back has had its content before.
    if copied.is_empty() && entry.about.undoes.is_none() {
        copied.extend(entry.devices.get(nth).and_then(|kept| written(kept, present)));
    }
    copied
}

/// The same, without a look at what is in the array that the command made.
pub(super) fn by_superblocks(devices: &[KeptDevice], nth: usize, present: &Present) -> Vec<CopiedOver> {
    let now = &present.device.probe.found;
    let counts = |copied: &CopiedOver| {
        copied.cause == CopyCause::Unknown
            || now.iter().any(|found| membership(found).array.to_string() == copied.array)
    };
    let mut copied = copied_over(devices, nth, now, present.changed);
    copied.retain(counts);
    copied
}

/// Something begins where the data of the array begins that the command made, and was not there before: it was written there.
fn written(kept: &KeptDevice, present: &Present) -> Option<CopiedOver> {
    let was = found(kept);
    if was.is_empty() {
        return None;
    }
    let is_new = |array: &MdUuid| !was.iter().any(|was| was.fields().array() == *array);
    let (array, _) = present.inside.iter().find(|(array, _)| is_new(array))?;
    let made = present.device.probe.found.iter().map(membership).find(|made| made.array == *array)?;
    if present.unchanged.contains(&made.data_offset.bytes()) {
        return None;
    }
    Some(CopiedOver { array: array.to_string(), cause: CopyCause::Use, far: None })
}

/// Which devices of an entry get no superblock, by their place in it.
pub(super) fn left_out(entry: &Entry, present: &[Present]) -> BTreeSet<usize> {
    let devices = &entry.devices;
    let were: Vec<Vec<probe::Found>> = devices.iter().map(found).collect();
    let lost: BTreeSet<usize> = (0..devices.len())
        .filter(|nth| present.get(*nth).is_some_and(|now| !copied_now(entry, *nth, now).is_empty()))
        .collect();
    // A slot of a device that the command did not touch has what it had; a copy that was out of date then is not enough.
    let enough = |array: MdUuid| {
        let of_array =
            |nth: usize| were.get(nth).into_iter().flatten().find(|was| was.fields().array() == array);
        let newest = (0..were.len()).filter_map(of_array).max_by_key(|was| was.fields().events());
        newest.is_some_and(|newest| {
            let was = membership(newest);
            let is_gone = |nth: &usize| {
                let stale = of_array(*nth).is_some_and(|one| one.fields().events().0 + 1 < was.events.0);
                lost.contains(nth) || stale
            };
            let gone = (0..were.len()).filter(is_gone);
            let gone: BTreeSet<u32> = gone.filter_map(|nth| slot(&membership(of_array(nth)?))).collect();
            let working = newest.fields().working_slots(was.raid_disks);
            let there = (0..was.raid_disks).zip(working).map(|(slot, works)| works && !gone.contains(&slot));
            geometry(&was).enough(&there.collect::<Vec<_>>(), was.clean)
        })
    };
    let is_left_out = |nth: &usize| match were.get(*nth).map(Vec::as_slice) {
        Some([was]) => slot(&membership(was)).is_some() && enough(was.fields().array()),
        // Of two arrays nobody knows which one counts.
        Some(_) | None => false,
    };
    lost.iter().copied().filter(is_left_out).collect()
}

/// The bytes from before, with the superblock or without.
pub(super) fn back(kept: &KeptDevice, is_out: bool) -> Vec<Write> {
    if is_out { without_superblock(kept) } else { kept.before.clone() }
}

fn without_superblock(kept: &KeptDevice) -> Vec<Write> {
    let mut pieces = kept.before.clone();
    for found in found(kept) {
        let zeroes = zero::zeroes(found.at(), found.fields());
        pieces.iter_mut().for_each(|piece| lay_over(piece, &zeroes));
    }
    pieces
}

fn found(kept: &KeptDevice) -> Vec<probe::Found> {
    probe::probe(&Pieces { size: Bytes(kept.device.size), pieces: &kept.before }).found
}

fn slot(was: &Membership) -> Option<u32> {
    match was.role {
        Role::Slot { slot, .. } => Some(slot),
        Role::Spare | Role::Faulty | Role::Journal => None,
    }
}

fn geometry(was: &Membership) -> Geometry {
    Geometry {
        level: was.level,
        layout: was.layout,
        chunk: was.chunk,
        raid_disks: was.raid_disks,
        component_size: was.component_size,
    }
}

#[cfg(test)]
mod tests {
    use superblock::{Level, v1};

    use super::*;
    use crate::{
        archive::{
            overwritten_bench::{NEW, NONE, OLD, after, array, kept_of, member},
            tests::about,
        },
        model::Device,
        plan::create::tests::device,
    };

    /// Which of the old array's members are left out, after another array was made of the first `made.raid_disks` and ran.
    fn out(was: &v1::NewArray, made: &v1::NewArray) -> Vec<usize> {
        out_after(
            was,
            made,
            if made.clean && made.roles.iter().all(|role| *role != Role::Spare) { 1 } else { 17 },
        )
    }

    /// The same for so many events.
    fn out_after(was: &v1::NewArray, made: &v1::NewArray, events: u64) -> Vec<usize> {
        let devices: Vec<KeptDevice> =
            (0..made.raid_disks).map(|nth| kept_of(was, made, nth, NONE)).collect();
        let ran = v1::NewArray {
            clean: true,
            roles: (0..made.raid_disks).map(|slot| Role::Slot { slot, replacement: false }).collect(),
            ..made.clone()
        };
        let present = |nth: u32| {
            let now = after(&ran, nth, events, None);
            let probe = probe::probe(&Pieces { size: Bytes(32 << 20), pieces: std::slice::from_ref(&now) });
            let found = device("/dev/a", 32 << 20).found.expect("a device");
            Present {
                device: Device { probe, ..found },
                now: vec![now],
                ends: Vec::new(),
                inside: Vec::new(),
                changed: false,
                unchanged: Vec::new(),
                group: None,
            }
        };
        let present: Vec<Present> = (0..made.raid_disks).map(present).collect();
        left_out(&Entry { about: about(1_800_000_000), devices }, &present).into_iter().collect()
    }

    #[test]
    fn members_whose_data_is_gone_get_no_superblock_where_the_others_are_enough() {
        let raid5 = array(OLD, Level::Raid5, 2, 3, true);
        let mirror = array(NEW, Level::Raid1, 0, 2, false);
        assert_eq!(out(&raid5, &mirror), [1]);
        let mut filled = array(NEW, Level::Raid5, 2, 3, true);
        filled.roles[2] = Role::Spare;
        assert_eq!(out(&raid5, &filled), [2], "a new RAID5 fills its last member");
        assert_eq!(
            out(&raid5, &array(NEW, Level::Raid5, 2, 3, false)),
            Vec::<usize>::new(),
            "none has all of its data"
        );
        assert_eq!(
            out(&raid5, &array(NEW, Level::Raid1, 0, 2, true)),
            Vec::<usize>::new(),
            "nothing was written"
        );
        let dirty = array(OLD, Level::Raid5, 2, 3, false);
        assert_eq!(out(&dirty, &mirror), Vec::<usize>::new(), "dirty and short is not enough");
        assert_eq!(out(&array(OLD, Level::Raid0, 0, 3, true), &mirror), Vec::<usize>::new());
        let three = array(NEW, Level::Raid1, 0, 3, false);
        assert_eq!(out(&array(OLD, Level::Raid6, 2, 4, true), &three), [1, 2]);
        assert_eq!(out(&raid5, &three), Vec::<usize>::new(), "two are too many");
        assert_eq!(out(&array(OLD, Level::Raid10, 0x102, 4, true), &mirror), [1]);
    }

    #[test]
    fn an_array_that_was_written_to_leaves_its_members_out() {
        let raid5 = array(OLD, Level::Raid5, 2, 3, true);
        let one = array(NEW, Level::Raid1, 0, 1, true);
        assert_eq!(out_after(&raid5, &one, 1), Vec::<usize>::new(), "it was started, and that is all");
        assert_eq!(out_after(&raid5, &one, 3), [0]);
        let both = array(NEW, Level::Raid1, 0, 2, true);
        assert_eq!(out_after(&raid5, &both, 3), Vec::<usize>::new(), "one is not enough");
        assert_eq!(out_after(&array(OLD, Level::Raid6, 2, 4, true), &both, 3), [0, 1]);
    }

    /// An array that is made anew over its own data shows what was there before.
    #[test]
    fn content_that_was_there_before_was_not_written() {
        let (was, made) = (array(OLD, Level::Raid1, 0, 2, true), array(NEW, Level::Raid1, 0, 2, true));
        let shown = |unchanged: Vec<Bytes>| {
            let now = after(&made, 0, 1, None);
            let probe = probe::probe(&Pieces { size: Bytes(32 << 20), pieces: std::slice::from_ref(&now) });
            let found = device("/dev/a", 32 << 20).found.expect("a device");
            let (device, inside) = (Device { probe, ..found }, vec![(NEW, "xfs".to_owned())]);
            let present = Present {
                device,
                now: vec![now],
                ends: vec![],
                inside,
                changed: false,
                unchanged,
                group: None,
            };
            let devices = vec![kept_of(&was, &made, 0, NONE)];
            left_out(&Entry { about: about(1_800_000_000), devices }, &[present]).len()
        };
        assert_eq!((shown(vec![Bytes(1 << 20)]), shown(vec![])), (0, 1));
    }

    /// A command took its superblock, and then somebody wrote to the device.
    #[test]
    fn a_device_whose_blocks_are_others_is_left_out() {
        let mirror = array(OLD, Level::Raid1, 0, 2, true);
        let erased = |changed| {
            let mut kept = kept_of(&mirror, &mirror, 1, NONE);
            kept.written[0].data.fill(0);
            let found = device("/dev/a", 32 << 20).found.expect("a device");
            let now = vec![kept.written[0].clone()];
            let present = Present {
                device: found,
                now,
                ends: Vec::new(),
                inside: Vec::new(),
                changed,
                unchanged: Vec::new(),
                group: None,
            };
            left_out(&Entry { about: about(1_800_000_000), devices: vec![kept] }, &[present])
        };
        assert_eq!((erased(false).len(), erased(true).len()), (0, 1));
    }

    /// A resync copied the older half over the newer: what is left is not enough, for it is older.
    #[test]
    fn a_copy_that_was_out_of_date_is_not_enough() {
        let mirror = array(OLD, Level::Raid1, 0, 2, true);
        let made = array(NEW, Level::Raid1, 0, 2, false);
        let with = |events: u64| {
            let mut devices: Vec<KeptDevice> = (0..2).map(|nth| kept_of(&mirror, &made, nth, NONE)).collect();
            let mut map = superblock::sectors::SectorMap::zeros(Bytes(32 << 20));
            map.write(&member(&mirror, 0, events, NONE).encode());
            superblock::Media::read_at(&map, Bytes(4096), &mut devices[0].before[0].data).unwrap();
            let present = |nth: u32| {
                let now = after(&made, nth, 17, None);
                let probe =
                    probe::probe(&Pieces { size: Bytes(32 << 20), pieces: std::slice::from_ref(&now) });
                let found = device("/dev/a", 32 << 20).found.expect("a device");
                let device = Device { probe, ..found };
                Present {
                    device,
                    now: vec![now],
                    ends: vec![],
                    inside: vec![],
                    changed: false,
                    unchanged: Vec::new(),
                    group: None,
                }
            };
            let present: Vec<Present> = (0..2).map(present).collect();
            left_out(&Entry { about: about(1_800_000_000), devices }, &present).len()
        };
        assert_eq!((with(7), with(3)), (1, 0));
    }

    #[test]
    fn all_but_the_superblock_comes_back() {
        let kept =
            kept_of(&array(OLD, Level::Raid5, 2, 3, true), &array(NEW, Level::Raid1, 0, 2, false), 0, NONE);
        let [back] = &without_superblock(&kept)[..] else { panic!("one piece") };
        assert!(back.data[..512].iter().all(|byte| *byte == 0));
        assert_eq!(back.data[512..], kept.before[0].data[512..]);
    }
}
