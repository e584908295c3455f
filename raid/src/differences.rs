//! Where blocks that say the same twice do not agree, and which of them is the odd one, as far as redundancy tells.

use crate::{
    blame::{Blame, Syndromes},
    parity,
    stripes::Row,
};

/// A page that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where it begins in the blocks.
    pub from: usize,
    /// How long it is.
    pub length: usize,
    /// The blocks that do not fit the others, by their index. Empty where nothing tells which: two copies, one parity.
    pub odd: Vec<usize>,
}

/// The pages of a stripe that do not fit together. `blocks` by slot, all of one length; `None`: not a block for every slot.
#[must_use]
pub fn of_parity(row: &Row, blocks: &[&[u8]], page: usize) -> Option<Vec<Difference>> {
    let len = blocks.first()?.len();
    if blocks.iter().any(|block| block.len() != len) || row.p() >= blocks.len() {
        return None;
    }
    if row.q().is_some() {
        return of_both(row, blocks, page);
    }
    let mut sum = vec![0; len];
    blocks.iter().for_each(|block| parity::add(&mut sum, block));
    let pages = (0..len).step_by(page.max(1)).zip(sum.chunks(page.max(1)));
    let odd = pages.filter(|(_, sum)| !parity::is_zero(sum));
    Some(odd.map(|(from, sum)| Difference { from, length: sum.len(), odd: Vec::new() }).collect())
}

fn of_both(row: &Row, blocks: &[&[u8]], page: usize) -> Option<Vec<Difference>> {
    let mut syndromes = Syndromes::default();
    if syndromes.fit(row, blocks)? {
        return Some(Vec::new());
    }
    let len = blocks.first()?.len();
    let difference = |from: usize| {
        let length = page.max(1).min(len.saturating_sub(from));
        let odd = match syndromes.blame(row, from, length) {
            Blame::Nobody => return None,
            Blame::Slot(slot) => vec![slot],
            Blame::NotZero(_) | Blame::Several => Vec::new(),
        };
        Some(Difference { from, length, odd })
    };
    Some((0..len).step_by(page.max(1)).filter_map(difference).collect())
}

/// The pages of which not all copies are the same; where most of them are, the others are the odd ones.
#[must_use]
pub fn of_copies(copies: &[&[u8]], page: usize) -> Vec<Difference> {
    let len = copies.iter().map(|copy| copy.len()).min().unwrap_or(0);
    let page = page.max(1);
    let difference = |from: usize| {
        let length = page.min(len.saturating_sub(from));
        let pages: Vec<&[u8]> =
            copies.iter().filter_map(|copy| copy.get(from..from.saturating_add(length))).collect();
        let (first, rest) = pages.split_first()?;
        if rest.iter().all(|other| other == first) {
            return None;
        }
        let equal = |to: &[u8]| pages.iter().filter(|other| **other == to).count();
        let most = pages.iter().find(|one| equal(one).saturating_mul(2) > pages.len());
        let is_odd = |(_, one): &(usize, &&[u8])| most.is_some_and(|most| **one != *most);
        let odd = pages.iter().enumerate().filter(is_odd).map(|(nth, _)| nth).collect();
        Some(Difference { from, length, odd })
    };
    (0..len).step_by(page).filter_map(difference).collect()
}

#[cfg(test)]
mod tests {
    use superblock::{Level, Sectors};

    use super::*;
    use crate::{Geometry, Stripes, image};

    const PAGE: usize = 4096;
    const CHUNK: u64 = 16;

    fn stripe(level: Level, disks: u32) -> (Row, Vec<Vec<u8>>) {
        let geometry = Geometry {
            level,
            layout: 2,
            chunk: Sectors(CHUNK),
            raid_disks: disks,
            component_size: Sectors(CHUNK),
        };
        let stripes = Stripes::new(geometry, &[]).unwrap();
        let len = usize::try_from(stripes.size().bytes().0).unwrap();
        let data: Vec<u8> = (0..len).map(|at| u8::try_from(at.wrapping_mul(7) % 251).unwrap()).collect();
        let members = image::members(&stripes, &data, 2 * PAGE, 0).unwrap();
        (stripes.row(0).unwrap(), members)
    }

    fn of(row: &Row, members: &[Vec<u8>]) -> Vec<(usize, Vec<usize>)> {
        let blocks: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
        let found = of_parity(row, &blocks, PAGE).unwrap();
        found.into_iter().map(|one| (one.from, one.odd)).collect()
    }

    #[test]
    fn one_parity_tells_where_and_two_tell_who() {
        let (row, mut members) = stripe(Level::Raid5, 3);
        assert_eq!(of(&row, &members), []);
        members[1][PAGE + 5] ^= 1;
        assert_eq!(of(&row, &members), [(PAGE, vec![])]);
        let (row, mut members) = stripe(Level::Raid6, 5);
        assert_eq!(of(&row, &members), []);
        for slot in 0..5 {
            members[slot][7] ^= 0x40;
            assert_eq!(of(&row, &members), [(0, vec![slot])]);
            members[slot][7] ^= 0x40;
        }
        members[0][PAGE] ^= 1;
        members[1][PAGE] ^= 2;
        assert_eq!(of(&row, &members), [(PAGE, vec![])], "two are too many");
        let blocks: Vec<&[u8]> = members.iter().take(2).map(Vec::as_slice).collect();
        assert_eq!(of_parity(&row, &blocks, PAGE), None);
    }

    #[test]
    fn most_copies_are_right_and_two_alone_tell_nothing() {
        let right = vec![3; 2 * PAGE];
        let mut other = right.clone();
        other[PAGE] = 4;
        let found = |copies: &[&Vec<u8>]| {
            let copies: Vec<&[u8]> = copies.iter().map(|copy| copy.as_slice()).collect();
            of_copies(&copies, PAGE).into_iter().map(|one| (one.from, one.odd)).collect::<Vec<_>>()
        };
        assert_eq!(found(&[&right, &right]), []);
        assert_eq!(found(&[&right, &other]), [(PAGE, vec![])]);
        assert_eq!(found(&[&right, &other, &right]), [(PAGE, vec![1])]);
        assert_eq!(found(&[&right, &other, &right, &other]), [(PAGE, vec![])]);
        assert_eq!(found(&[]), []);
    }
}
