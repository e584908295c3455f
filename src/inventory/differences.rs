//! Where the members of a running array do not agree, read past md.

use raid::{Stripes, differences, stripes::Part};
use superblock::{Bytes, Sectors};

use super::stripes::{bytes, is_bad, read, still_whole};
use crate::{
    kernel::{KernelError, Machine, parallel},
    model::{
        order::InOrder as _,
        raw::{DifferencesSeen, Differing, RawArray, RawMember, StripeRange},
    },
};

/// What is compared at once; md counts in pages, too.
const PAGE: usize = 4096;
/// The same in sectors.
const SECTORS: u64 = 8;

/// So many reads that fail are enough to narrow down what cannot be read: each may take a disk a long time.
const MOST_FAILURES: u32 = 32;

/// Reads a range of all members at the same time and compares. The range is one of the members where there is parity, of
/// the array where there are copies.
///
/// # Errors
/// The array has lost a member since, whose blocks would be old ones.
pub(super) fn differences(
    machine: &Machine,
    array: &RawArray,
    range: StripeRange,
) -> Result<Box<DifferencesSeen>, KernelError> {
    let Some(layout) = array.stripes() else { return Ok(Box::default()) };
    let mut seen = compared(array, &layout, range);
    // What cannot be read is small: the rest of the range is compared without it. Of a disk that reads nothing, not all is tried.
    let mut left = std::mem::take(&mut seen.unread);
    let mut failures = 0;
    while let Some((range, slot, why)) = left.pop() {
        if range.length.0 <= SECTORS || failures >= MOST_FAILURES {
            seen.unread.push((range, slot, why));
            continue;
        }
        still_whole(machine, array)?;
        let half = Sectors((range.length.0 / 2).next_multiple_of(SECTORS));
        let halves =
            [(range.from, half), (range.from.saturating_add(half), range.length.saturating_sub(half))];
        for (from, length) in halves.into_iter().filter(|(_, length)| length.0 > 0) {
            let again = compared(array, &layout, StripeRange { from, length });
            failures += u32::from(!again.unread.is_empty());
            seen.found.extend(again.found);
            left.extend(again.unread);
        }
    }
    still_whole(machine, array)?;
    seen.found.order_by_key(|one| one.at.from);
    seen.unread.order_by_key(|(range, ..)| range.from);
    Ok(Box::new(seen))
}

fn compared(array: &RawArray, layout: &Stripes, range: StripeRange) -> DifferencesSeen {
    if layout.row(0).is_some() { in_stripes(array, layout, range) } else { in_copies(array, layout, range) }
}

fn in_stripes(array: &RawArray, layout: &Stripes, range: StripeRange) -> DifferencesSeen {
    let blocks = parallel::each(array.members.len(), &array.members, |member| read(member, range));
    let mut seen = DifferencesSeen::default();
    let (mut at, end) = (range.from.0, range.from.0.saturating_add(range.length.0));
    let chunk = array.geometry.chunk.0.max(1);
    while at < end {
        let length =
            chunk.saturating_sub(at.checked_rem(chunk).unwrap_or(0)).min(end.saturating_sub(at)).max(1);
        let skip = bytes(at.saturating_sub(range.from.0));
        let piece = skip..skip.saturating_add(bytes(length));
        let unread = array.members.iter().zip(&blocks).enumerate().find_map(|(slot, (member, block))| {
            let why = is_bad(member, at, length).or_else(|| block.as_ref().err().map(ToString::to_string))?;
            Some((StripeRange { from: Sectors(at), length: Sectors(length) }, slot, why))
        });
        let here: Option<Vec<&[u8]>> = blocks
            .iter()
            .map(|block| block.as_ref().ok().and_then(|block| block.get(piece.clone())))
            .collect();
        match (unread, here, layout.row(at)) {
            (None, Some(here), Some(row)) => {
                let found = differences::of_parity(&row, &here, PAGE).unwrap_or_default();
                seen.found.extend(found.into_iter().filter_map(|one| {
                    let part = one.odd.first().map(|slot| row.part(*slot));
                    let from = at.checked_add(length_of(one.from))?;
                    let length = length_of(one.length);
                    let sectors = of_stripe(array, layout, (from, length), part);
                    let at = StripeRange { from: Sectors(from), length: Sectors(length) };
                    let sum = sum(&here, one.from, one.length);
                    Some(Differing { at, sectors, odd: one.odd, sum })
                }));
            }
            (unread, ..) => seen.unread.extend(unread),
        }
        at = at.saturating_add(length);
    }
    seen
}

/// The sectors of the array in a place of a stripe: those of every chunk of data where it is not known whose block is wrong.
fn of_stripe(
    array: &RawArray,
    layout: &Stripes,
    (from, length): (u64, u64),
    part: Option<Part>,
) -> Vec<(Sectors, Sectors)> {
    let chunk = array.geometry.chunk.0;
    let place = |nth: u64| {
        let data = layout.size().0.checked_div(array.length().0)?;
        let start = from.checked_div(chunk)?.checked_mul(data)?.checked_add(nth)?.checked_mul(chunk)?;
        Some((Sectors(start.checked_add(from.checked_rem(chunk)?)?), Sectors(length)))
    };
    match part {
        Some(Part::P | Part::Q) => Vec::new(),
        Some(Part::Data(nth)) => u64::try_from(nth).ok().and_then(place).into_iter().collect(),
        None => {
            let data = layout.size().0.checked_div(array.length().0).unwrap_or(0);
            (0..data).filter_map(place).collect()
        }
    }
}

/// A run of the array, and where its copies are: slot, and sector there.
struct Copied {
    at: u64,
    length: u64,
    places: Vec<(usize, u64)>,
}

fn in_copies(array: &RawArray, layout: &Stripes, range: StripeRange) -> DifferencesSeen {
    let runs = runs(layout, range);
    let wanted = wanted(array.members.len(), &runs);
    let each: Vec<(&RawMember, &Vec<StripeRange>)> = array.members.iter().zip(&wanted).collect();
    let blocks = parallel::each(each.len(), &each, |(member, ranges)| {
        ranges.iter().map(|range| read(member, *range)).collect::<Vec<_>>()
    });
    let mut seen = DifferencesSeen::default();
    for run in &runs {
        let mut copies = Vec::new();
        let mut unread = None;
        for (slot, sector) in &run.places {
            let member = array.members.get(*slot);
            let bad = member.and_then(|member| is_bad(member, *sector, run.length));
            let ranges = wanted.get(*slot).into_iter().flatten();
            let mut all = ranges.zip(blocks.get(*slot).into_iter().flatten());
            let found = all.find(|(range, _)| {
                range.from.0 <= *sector && *sector < range.from.0.saturating_add(range.length.0)
            });
            let copy = found.map(|(range, block)| {
                let skip = bytes(sector.saturating_sub(range.from.0));
                let end = skip.saturating_add(bytes(run.length));
                block.as_ref().map(|block| block.get(skip..end).unwrap_or_default())
            });
            match (bad, copy) {
                (None, Some(Ok(copy))) => copies.push((*slot, copy)),
                (Some(why), _) => unread = Some((*slot, why)),
                (None, Some(Err(error))) => unread = Some((*slot, error.to_string())),
                (None, None) => {}
            }
        }
        let whole = StripeRange { from: Sectors(run.at), length: Sectors(run.length) };
        seen.unread.extend(unread.map(|(slot, why)| (whole, slot, why)));
        if seen.unread.last().is_some_and(|(range, ..)| range.from.0 == run.at) {
            continue;
        }
        let blocks: Vec<&[u8]> = copies.iter().map(|(_, copy)| *copy).collect();
        seen.found.extend(differences::of_copies(&blocks, PAGE).into_iter().map(|one| {
            let from = Sectors(run.at.saturating_add(length_of(one.from)));
            let length = Sectors(length_of(one.length));
            let odd = one.odd.iter().filter_map(|nth| copies.get(*nth)).map(|(slot, _)| *slot).collect();
            let sum = sum(&blocks, one.from, one.length);
            Differing { at: StripeRange { from, length }, sectors: vec![(from, length)], odd, sum }
        }));
    }
    seen
}

fn runs(layout: &Stripes, range: StripeRange) -> Vec<Copied> {
    let (mut at, end) = (range.from.0, range.from.0.saturating_add(range.length.0));
    let mut runs = Vec::new();
    while let Some(extent) = layout.at(at).filter(|_| at < end) {
        let length = extent.run.min(end.saturating_sub(at)).max(1);
        let places = layout.copies(at).map(|place| (place.slot, place.sector)).collect();
        runs.push(Copied { at, length, places });
        at = at.saturating_add(length);
    }
    runs
}

/// What is read of each slot, with what lies side by side as one.
fn wanted(slots: usize, runs: &[Copied]) -> Vec<Vec<StripeRange>> {
    let mut wanted: Vec<Vec<(u64, u64)>> = vec![Vec::new(); slots];
    for run in runs {
        for (slot, sector) in &run.places {
            if let Some(of_slot) = wanted.get_mut(*slot) {
                of_slot.push((*sector, run.length));
            }
        }
    }
    let joined = |mut ranges: Vec<(u64, u64)>| {
        ranges.sort_unstable();
        let mut joined: Vec<StripeRange> = Vec::new();
        for (from, length) in ranges {
            match joined.last_mut() {
                Some(last) if last.from.0.saturating_add(last.length.0) == from => last.length.0 += length,
                _ => joined.push(StripeRange { from: Sectors(from), length: Sectors(length) }),
            }
        }
        joined
    };
    wanted.into_iter().map(joined).collect()
}

/// Of the same range of all blocks.
fn sum(blocks: &[&[u8]], from: usize, length: usize) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    blocks
        .iter()
        .filter_map(|block| block.get(from..from.saturating_add(length)))
        .for_each(|page| sum.update(page));
    sum.finalize()
}

fn length_of(bytes: usize) -> u64 {
    Bytes(u64::try_from(bytes).unwrap_or(0)).sectors().0
}
