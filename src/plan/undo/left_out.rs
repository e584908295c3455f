//! Members whose data an undo cannot bring back: the kernel wrote over it for the array that the command made. With their old
//! superblock they would start as if they were up to date, at the next boot at the latest. So where the others of their array are
//! enough they get no superblock, and the array is filled from those.

use std::collections::BTreeSet;

use raid::geometry::Geometry;
use superblock::{Bytes, MdUuid, Membership, Role, Write, probe};

use super::{Present, membership};
use crate::{
    archive::{CopiedOver, Entry, KeptDevice, Pieces, copied_over, lay_over},
    plan::zero,
};

/// What was written over the data of the `nth` device, by what is there now.
pub(super) fn copied_now(devices: &[KeptDevice], nth: usize, present: &Present) -> Vec<CopiedOver> {
    let now = &present.device.probe.found;
    let is_there = |array: &str| now.iter().any(|found| membership(found).array.to_string() == array);
    copied_over(devices, nth, now).into_iter().filter(|copied| is_there(&copied.array)).collect()
}

/// Which devices of an entry get no superblock, by their place in it.
pub(super) fn left_out(entry: &Entry, present: &[Present]) -> BTreeSet<usize> {
    let devices = &entry.devices;
    let were: Vec<Vec<Membership>> = devices.iter().map(members).collect();
    let lost: BTreeSet<usize> = (0..devices.len())
        .filter(|nth| present.get(*nth).is_some_and(|now| !copied_now(devices, *nth, now).is_empty()))
        .collect();
    // A slot of a device that the command did not touch has what it had.
    let enough = |array: MdUuid| {
        let of_array = |nth: usize| were.get(nth).into_iter().flatten().find(|was| was.array == array);
        let slots_lost: BTreeSet<u32> = lost.iter().filter_map(|nth| slot(of_array(*nth)?)).collect();
        let newest = (0..were.len()).filter_map(of_array).max_by_key(|was| was.events);
        newest.is_some_and(|was| {
            let there: Vec<bool> = (0..was.raid_disks).map(|slot| !slots_lost.contains(&slot)).collect();
            geometry(was).enough(&there, was.clean)
        })
    };
    let is_left_out = |nth: &usize| match were.get(*nth).map(Vec::as_slice) {
        Some([was]) => slot(was).is_some() && enough(was.array),
        // Of two arrays nobody knows which one counts.
        Some(_) | None => false,
    };
    lost.iter().copied().filter(is_left_out).collect()
}

/// The bytes from before, without the superblock.
pub(super) fn without_superblock(kept: &KeptDevice) -> Vec<Write> {
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

fn members(kept: &KeptDevice) -> Vec<Membership> {
    found(kept).iter().map(membership).collect()
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
            overwritten_bench::{NEW, NONE, OLD, after, array, kept_of},
            tests::about,
        },
        model::Device,
        plan::create::tests::device,
    };

    /// Which of the old array's members are left out, after another array was made of the first `made.raid_disks` and ran.
    fn out(was: &v1::NewArray, made: &v1::NewArray) -> Vec<usize> {
        let devices: Vec<KeptDevice> =
            (0..made.raid_disks).map(|nth| kept_of(was, made, nth, NONE)).collect();
        let ran = v1::NewArray {
            clean: true,
            roles: (0..made.raid_disks).map(|slot| Role::Slot { slot, replacement: false }).collect(),
            ..made.clone()
        };
        let present = |nth: u32| {
            let now = after(&ran, nth, 17, None);
            let probe = probe::probe(&Pieces { size: Bytes(32 << 20), pieces: std::slice::from_ref(&now) });
            let found = device("/dev/a", 32 << 20).found.expect("a device");
            Present {
                device: Device { probe, ..found },
                now: vec![now],
                ends: Vec::new(),
                inside: Vec::new(),
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
    fn all_but_the_superblock_comes_back() {
        let kept =
            kept_of(&array(OLD, Level::Raid5, 2, 3, true), &array(NEW, Level::Raid1, 0, 2, false), 0, NONE);
        let [back] = &without_superblock(&kept)[..] else { panic!("one piece") };
        assert!(back.data[..512].iter().all(|byte| *byte == 0));
        assert_eq!(back.data[512..], kept.before[0].data[512..]);
    }
}
