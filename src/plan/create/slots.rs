//! Which device gets which number, slot and role when an array is created.

use superblock::Level;

/// What was listed at one place of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedWords {
    /// A device.
    Device,
    /// The word `missing`.
    Missing,
    /// The write journal.
    Journal,
}

/// What a device becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotPart {
    /// In sync in this slot.
    Active(u32),
    /// A spare. The number that follows the slots is what the kernel is told as its place.
    Spare(u32),
    /// The write journal.
    Journal,
}

/// One device with its place in the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Index into what was listed.
    pub listed: usize,
    /// Index in the metadata (`dev_number`).
    pub number: u32,
    /// Role.
    pub part: SlotPart,
}

/// All devices, and what the array starts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Devices in the order in which they are written and added.
    pub placed: Vec<Placed>,
    /// Slots without an in-sync device.
    pub missing: u32,
    /// The array starts clean: no initial resync.
    pub clean: bool,
}

/// What decides about the roles besides the list.
#[derive(Clone, Copy, Debug)]
pub struct SlotWish {
    /// The level.
    pub level: Level,
    /// Slots.
    pub raid_disks: u32,
    /// `--assume-clean` (or `--write-zeroes`).
    pub assume_clean: bool,
    /// `--force`: take the list literally.
    pub force: bool,
}

/// Gives every listed device its number and role.
///
/// A complete RAID4/5 starts with its last slot empty and that device as a spare: recovering one member reads and writes
/// sequentially, a resync of all stripes does not. A RAID6 with exactly one missing device gives up a second one, since
/// two absent members need no resync at all. Observed with mdadm 4.6: the moved device gets the first number after the
/// list, and the number of its place stays unused.
#[must_use]
pub fn place(listed: &[ListedWords], wish: SlotWish) -> Slots {
    let slots = usize::try_from(wish.raid_disks).unwrap_or(usize::MAX);
    let mut gaps =
        listed.iter().take(slots).enumerate().filter(|(_, l)| **l == ListedWords::Missing).map(|(i, _)| i);
    let first_missing = gaps.next();
    let second_missing = gaps.next();
    let literal = wish.assume_clean || wish.force;
    let moved = match wish.level {
        _ if literal || slots == 0 => None,
        Level::Raid4 | Level::Raid5 if first_missing.is_none() => Some(slots - 1),
        Level::Raid6 if second_missing.is_none() => {
            first_missing.map(|gap| if gap == slots - 1 { slots.saturating_sub(2) } else { slots - 1 })
        }
        _ => None,
    };
    let clean = wish.assume_clean
        || wish.level.number() <= 0
        || match wish.level {
            Level::Raid4 | Level::Raid5 => moved.is_some() || first_missing.is_some(),
            Level::Raid6 => moved.is_some() || second_missing.is_some(),
            _ => false,
        };
    let placed = number_all(listed, moved, wish.raid_disks);
    let active = placed.iter().filter(|p| matches!(p.part, SlotPart::Active(_))).count();
    let active = u32::try_from(active).unwrap_or(u32::MAX);
    Slots { placed, missing: wish.raid_disks.saturating_sub(active), clean }
}

fn number_all(listed: &[ListedWords], moved: Option<usize>, raid_disks: u32) -> Vec<Placed> {
    let mut placed = Vec::with_capacity(listed.len());
    let mut slot = 0;
    let order = (0..listed.len()).chain(moved);
    for (number, index) in order.enumerate() {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let is_its_old_place = moved == Some(index) && u32::try_from(index) == Ok(number);
        match listed.get(index) {
            Some(ListedWords::Device) if !is_its_old_place => {
                let part = if slot < raid_disks { SlotPart::Active(slot) } else { SlotPart::Spare(slot) };
                placed.push(Placed { listed: index, number, part });
                slot += 1;
            }
            Some(ListedWords::Journal) => {
                placed.push(Placed { listed: index, number, part: SlotPart::Journal })
            }
            _ => slot += 1,
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::{
        ListedWords::{Device as D, Journal as J, Missing as M},
        SlotPart::{Active as A, Journal as Jn, Spare as S},
        *,
    };

    fn parts(
        level: Level,
        raid_disks: u32,
        listed: &[ListedWords],
        literal: bool,
    ) -> (Vec<(usize, u32, SlotPart)>, bool) {
        let slots = place(listed, SlotWish { level, raid_disks, assume_clean: false, force: literal });
        (slots.placed.iter().map(|p| (p.listed, p.number, p.part)).collect(), slots.clean)
    }

    #[test]
    fn raid5_gives_up_its_last_member_as_a_spare() {
        let (placed, clean) = parts(Level::Raid5, 3, &[D, D, D], false);
        assert_eq!(placed, [(0, 0, A(0)), (1, 1, A(1)), (2, 3, S(3))]);
        assert!(clean);
        let (placed, _) = parts(Level::Raid5, 3, &[D, D, D, D], false);
        assert_eq!(placed, [(0, 0, A(0)), (1, 1, A(1)), (3, 3, S(3)), (2, 4, S(4))]);
    }

    #[test]
    fn forced_raid5_is_taken_literally_and_resyncs() {
        let (placed, clean) = parts(Level::Raid5, 3, &[D, D, D], true);
        assert_eq!(placed, [(0, 0, A(0)), (1, 1, A(1)), (2, 2, A(2))]);
        assert!(!clean);
    }

    #[test]
    fn a_missing_word_keeps_its_slot() {
        let (placed, clean) = parts(Level::Raid5, 3, &[D, M, D], false);
        assert_eq!(placed, [(0, 0, A(0)), (2, 2, A(2))]);
        assert!(clean);
        let (placed, clean) = parts(Level::Raid1, 2, &[M, D], false);
        assert_eq!(placed, [(1, 1, A(1))]);
        assert!(!clean);
    }

    #[test]
    fn raid6_with_one_gap_opens_a_second() {
        let (placed, clean) = parts(Level::Raid6, 4, &[D, D, D, M], false);
        assert_eq!(placed, [(0, 0, A(0)), (1, 1, A(1)), (2, 4, S(4))]);
        assert!(clean);
        let (placed, _) = parts(Level::Raid6, 4, &[M, D, D, D], false);
        assert_eq!(placed, [(1, 1, A(1)), (2, 2, A(2)), (3, 4, S(4))]);
        let (_, clean) = parts(Level::Raid6, 4, &[D, D, D, D], false);
        assert!(!clean);
    }

    #[test]
    fn a_journal_takes_a_number_but_no_slot() {
        let (placed, _) = parts(Level::Raid5, 3, &[D, D, D, J], false);
        assert_eq!(placed, [(0, 0, A(0)), (1, 1, A(1)), (3, 3, Jn), (2, 4, S(3))]);
    }
}
