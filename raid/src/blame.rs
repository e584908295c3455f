//! RAID6: which block of a stripe does not fit the others. The two syndromes tell it where one block alone is wrong.
//!
//! Source: H. Peter Anvin, "The mathematics of RAID-6", part 4: what is wrong at place z changes the first syndrome by x and
//! the second by x times the coefficient of z.

use crate::{
    parity,
    stripes::{Part, Row},
};

/// What the syndromes say of the blocks of a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// All blocks fit.
    Nobody,
    /// All fit when the block of this slot is brought back from the others.
    Slot(usize),
    /// The slot of a syndrome whose zeros count as data (DDF) is not zero there: no block of it is there to be wrong.
    NotZero(usize),
    /// More than one block is wrong.
    Several,
}

/// Room for both syndromes; kept, so that many stripes allocate once.
#[derive(Debug, Default)]
pub struct Syndromes {
    p: Vec<u8>,
    q: Vec<u8>,
}

impl Syndromes {
    /// By what the blocks of a stripe differ from what both syndromes say. `blocks` by slot, all of one length.
    /// Answers whether they fit; `None`: no RAID6, or not a block for every slot.
    pub fn fit(&mut self, row: &Row, blocks: &[&[u8]]) -> Option<bool> {
        let len = blocks.first()?.len();
        let q = row.q()?;
        if blocks.iter().any(|block| block.len() != len) {
            return None;
        }
        self.p.resize(len, 0);
        self.q.resize(len, 0);
        let data = places(row, blocks)?;
        parity::syndromes(&mut self.p, &mut self.q, &data);
        parity::add(&mut self.p, blocks.get(row.p())?);
        parity::add(&mut self.q, blocks.get(q)?);
        Some(parity::is_zero(&self.p) && parity::is_zero(&self.q))
    }

    /// Whom the difference of a range of the blocks points at, after [`Self::fit`].
    #[must_use]
    pub fn blame(&self, row: &Row, from: usize, len: usize) -> Blame {
        let range = from..from.saturating_add(len);
        let (Some(p), Some(q)) = (self.p.get(range.clone()), self.q.get(range)) else {
            return Blame::Several;
        };
        let mut blame = Blame::Nobody;
        for (p, q) in p.iter().zip(q).filter(|(p, q)| (**p, **q) != (0, 0)) {
            let here = one(row, *p, *q);
            match blame {
                Blame::Nobody => blame = here,
                met if met == here => {}
                _ => return Blame::Several,
            }
        }
        blame
    }
}

/// Whom one byte points at.
fn one(row: &Row, p: u8, q: u8) -> Blame {
    match (p, q, row.q()) {
        (_, 0, _) => Blame::Slot(row.p()),
        (0, _, Some(second)) => Blame::Slot(second),
        _ => {
            let coefficient = parity::divide(q, p);
            let mut slots = row.places().enumerate();
            match slots.find(|(place, _)| parity::coefficient(*place) == coefficient) {
                Some((_, Some(slot))) => Blame::Slot(slot),
                Some((place, None)) => Blame::NotZero(place),
                None => Blame::Several,
            }
        }
    }
}

fn places<'a>(row: &Row, blocks: &[&'a [u8]]) -> Option<Vec<Option<&'a [u8]>>> {
    row.places()
        .map(|slot| slot.map_or(Some(None), |slot| blocks.get(slot).map(|block| Some(*block))))
        .collect()
}

/// What one or two slots of a stripe should have, from all others. `blocks` by slot, all of one length; `None`: no RAID6, not a
/// block for every slot, or a slot that is not there.
#[must_use]
pub fn bring_back(row: &Row, blocks: &[&[u8]], slots: &[usize]) -> Option<Vec<Vec<u8>>> {
    let (p_slot, q_slot, len) = (row.p(), row.q()?, blocks.first()?.len());
    let twice = matches!(slots, [one, other] if one == other);
    let beyond = slots.len() > 2 || twice || slots.iter().any(|slot| *slot >= blocks.len());
    if beyond || blocks.iter().any(|block| block.len() != len) {
        return None;
    }
    let lost = |slot: usize| slots.contains(&slot);
    let is_data = |slot: &&usize| matches!(row.part(**slot), Part::Data(_));
    let mut without = places(row, blocks)?;
    for (block, slot) in without.iter_mut().zip(row.places()) {
        *block = block.filter(|_| !slot.is_some_and(lost));
    }
    let (mut p, mut q) = (vec![0; len], vec![0; len]);
    parity::syndromes(&mut p, &mut q, &without);
    let times = |slot: usize| parity::coefficient(row.place(slot));
    let missing: Vec<usize> = slots.iter().filter(is_data).copied().collect();
    let mut found: Vec<(usize, Vec<u8>)> = Vec::new();
    match missing.as_slice() {
        [] => {}
        [one] if lost(p_slot) => {
            parity::add(&mut q, blocks.get(q_slot)?);
            parity::scale(&mut q, parity::divide(1, times(*one)));
            found.push((*one, q));
        }
        [one] => {
            parity::add(&mut p, blocks.get(p_slot)?);
            found.push((*one, p));
        }
        [one, other] => {
            parity::add(&mut p, blocks.get(p_slot)?);
            parity::add(&mut q, blocks.get(q_slot)?);
            parity::first_of_two(&p, &mut q, times(*one), times(*other));
            parity::add(&mut p, &q);
            found.extend([(*one, q), (*other, p)]);
        }
        _ => return None,
    }
    if lost(p_slot) || lost(q_slot) {
        for (block, slot) in without.iter_mut().zip(row.places()) {
            let back = found.iter().find(|(of, _)| Some(*of) == slot);
            *block = block.or(back.map(|(_, block)| block.as_slice()));
        }
        let (mut p, mut q) = (vec![0; len], vec![0; len]);
        parity::syndromes(&mut p, &mut q, &without);
        found.extend([(p_slot, p), (q_slot, q)]);
    }
    slots.iter().map(|slot| Some(found.iter().find(|(of, _)| of == slot)?.1.clone())).collect()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failure of the test")]
mod tests {
    use superblock::{Level, Sectors};

    use super::*;
    use crate::{Geometry, Stripes};

    const LAYOUTS: [u32; 14] = [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20];
    const LEN: usize = 96;

    fn stripes(layout: u32, raid_disks: u32) -> Stripes {
        let geometry = Geometry {
            level: Level::Raid6,
            layout,
            chunk: Sectors(8),
            raid_disks,
            component_size: Sectors(8 * 64),
        };
        Stripes::new(geometry, &[]).unwrap()
    }

    /// A stripe as a driver writes it.
    fn written(row: &Row, disks: usize) -> Vec<Vec<u8>> {
        let byte = |slot: usize, at: usize| u8::try_from((slot * 71 + at * 31 + at / 7) % 251).unwrap();
        let mut blocks: Vec<Vec<u8>> =
            (0..disks).map(|slot| (0..LEN).map(|at| byte(slot, at)).collect()).collect();
        let (mut p, mut q) = (vec![0; LEN], vec![0; LEN]);
        {
            let here: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
            parity::syndromes(&mut p, &mut q, &places(row, &here).unwrap());
        }
        blocks[row.p()] = p;
        blocks[row.q().unwrap()] = q;
        blocks
    }

    fn slices(blocks: &[Vec<u8>]) -> Vec<&[u8]> {
        blocks.iter().map(Vec::as_slice).collect()
    }

    fn each_stripe(mut with: impl FnMut(&Row, Vec<Vec<u8>>)) {
        for layout in LAYOUTS {
            for disks in [4, 5, 7] {
                let stripes = stripes(layout, disks);
                for stripe in 0..u64::from(disks) {
                    let row = stripes.row(stripe * 8).unwrap();
                    let blocks = written(&row, usize::try_from(disks).unwrap());
                    with(&row, blocks);
                }
            }
        }
    }

    #[test]
    fn one_wrong_block_is_found_and_brought_back() {
        let mut syndromes = Syndromes::default();
        each_stripe(|row, blocks| {
            assert_eq!(syndromes.fit(row, &slices(&blocks)), Some(true));
            for slot in 0..blocks.len() {
                let mut bad = blocks.clone();
                bad[slot][5] ^= 0x81;
                bad[slot][70] ^= 1;
                assert_eq!(syndromes.fit(row, &slices(&bad)), Some(false));
                assert_eq!(syndromes.blame(row, 0, LEN), Blame::Slot(slot), "{row:?}");
                assert_eq!(syndromes.blame(row, 32, 32), Blame::Nobody);
                let back = bring_back(row, &slices(&bad), &[slot]).unwrap();
                assert_eq!(back, [blocks[slot].clone()], "{row:?} {slot}");
            }
        });
    }

    #[test]
    fn two_wrong_blocks_are_brought_back_and_no_one_is_blamed_for_both() {
        let mut syndromes = Syndromes::default();
        each_stripe(|row, blocks| {
            for one in 0..blocks.len() {
                for other in (0..blocks.len()).filter(|other| *other != one) {
                    let mut bad = blocks.clone();
                    (0..LEN).for_each(|at| bad[one][at] ^= 0x5a);
                    (0..LEN).for_each(|at| {
                        bad[other][at] = bad[other][at].wrapping_add(u8::try_from(at).unwrap() | 1)
                    });
                    assert_eq!(syndromes.fit(row, &slices(&bad)), Some(false));
                    assert_eq!(syndromes.blame(row, 0, LEN), Blame::Several, "{row:?} {one} {other}");
                    let back = bring_back(row, &slices(&bad), &[one, other]).unwrap();
                    assert_eq!(back, [blocks[one].clone(), blocks[other].clone()], "{row:?} {one} {other}");
                }
            }
        });
    }

    #[test]
    fn nonsense_is_nothing() {
        let row = stripes(2, 4).row(0).unwrap();
        let blocks = written(&row, 4);
        let mut short = blocks.clone();
        short[1].pop();
        let mut syndromes = Syndromes::default();
        assert_eq!(syndromes.fit(&row, &slices(&short)), None);
        assert_eq!(syndromes.fit(&row, &slices(&blocks[..2])), None);
        assert_eq!(bring_back(&row, &slices(&blocks), &[4]), None);
        assert_eq!(bring_back(&row, &slices(&blocks), &[0, 1, 2]), None);
        assert_eq!(syndromes.blame(&row, 90, 100), Blame::Several);
    }
}
