//! What a device is known by where nothing else tells it from others: checksums of a few blocks in fixed places.

use std::collections::BTreeSet;

use superblock::{Bytes, Native, Write, probe::Found};

use super::{Identity, Print};

/// The size of a block.
pub const BLOCK: Bytes = Bytes(4096);
/// Blocks at the start of the device and of an array's data: superblocks of file systems, group descriptors, tables.
const HEAD: [u64; 8] = [0, 1, 2, 3, 4, 16, 17, 256];
/// Blocks spread over all of it.
const SPREAD: u64 = 12;
/// So many starts of data count: a device seldom has more than one superblock.
const STARTS: usize = 2;
/// The most blocks of a device: less than 200 KiB.
pub const MOST: usize = 48;

impl Print {
    /// Of the bytes of a block; none where all are the same, as on a disk that was never written.
    #[must_use]
    pub fn of(block: &Write) -> Option<Self> {
        let first = block.data.first()?;
        let says_something = block.data.iter().any(|byte| byte != first);
        says_something.then(|| Self { at: block.at.0, crc32: crc32fast::hash(&block.data) })
    }
}

/// The places of the blocks of a device of this size with these superblocks: in order, each once.
#[must_use]
pub fn places(size: Bytes, found: &[Found]) -> Vec<Bytes> {
    let mut starts: Vec<Bytes> = found.iter().filter_map(data).take(STARTS).collect();
    starts.push(Bytes(0));
    let heads = starts
        .iter()
        .flat_map(|start| HEAD.iter().map(|nth| start.saturating_add(Bytes(nth.saturating_mul(BLOCK.0)))));
    let part = size.0 / SPREAD.saturating_add(1);
    let spread = (1..=SPREAD).map(|nth| Bytes(part.saturating_mul(nth)));
    let fits = |at: &Bytes| at.checked_add(BLOCK).is_some_and(|end| end <= size);
    let mut places: Vec<Bytes> = heads.chain(spread).map(|at| at.round_down(BLOCK)).filter(fits).collect();
    places.sort_unstable();
    places.dedup();
    places.truncate(MOST);
    places
}

/// The most places that are looked at where several devices may be meant.
const MOST_PLACES: usize = 2 * MOST;

/// The places that are looked at on a device of this size: those of all that are known of it.
#[must_use]
pub fn of_size(known: &[Identity], size: u64) -> Vec<Bytes> {
    let of_size = known.iter().filter(|known| known.size == size);
    let at: BTreeSet<u64> = of_size.flat_map(|known| &known.prints).map(|print| print.at).collect();
    at.into_iter().take(MOST_PLACES).map(Bytes).collect()
}

fn data(found: &Found) -> Option<Bytes> {
    match found.fields() {
        Native::V0(_) => None,
        Native::V1(sb) => Some(sb.data_offset().bytes()),
    }
}

/// The prints that lie apart from these ranges: what the command is about to write tells nothing.
#[must_use]
pub fn outside(prints: &[Print], ranges: &[(Bytes, Bytes)]) -> Vec<Print> {
    let apart = |print: &Print, (at, length): &(Bytes, Bytes)| {
        let end = at.saturating_add(*length);
        Bytes(print.at) >= end || Bytes(print.at).saturating_add(BLOCK) <= *at
    };
    prints.iter().filter(|print| ranges.iter().all(|range| apart(print, range))).copied().collect()
}

/// Whether the blocks tell that it is the same device: two at least, and half of those that said something, are as they
/// were. A block alone may be the same on many disks.
#[must_use]
pub fn agree(then: &[Print], now: &[Print]) -> bool {
    let same = then.iter().filter(|print| now.contains(print)).count();
    same >= 2 && same.saturating_mul(2) >= then.len()
}

/// Whether most of the blocks that said something are not as they were.
#[must_use]
pub fn contradict(then: &[Print], now: &[Print]) -> bool {
    let same = then.iter().filter(|print| now.contains(print)).count();
    same.saturating_mul(2) < then.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(at: u64, crc32: u32) -> Print {
        Print { at, crc32 }
    }

    #[test]
    fn places_are_few_in_order_and_inside() {
        for size in [0, 4096, 5000, 64 << 20, 10 << 40] {
            let places = places(Bytes(size), &[]);
            assert!(places.len() <= MOST);
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(places.iter().all(|at| at.0 % 4096 == 0 && at.0 + 4096 <= size), "{size}");
        }
        assert_eq!(places(Bytes(64 << 20), &[]).len(), 20);
    }

    #[test]
    fn blank_blocks_say_nothing() {
        let block = |byte: u8| Write { at: Bytes(0), data: vec![byte; 4096] };
        assert_eq!((Print::of(&block(0)), Print::of(&block(0xe5))), (None, None));
        let mut written = block(0);
        written.data[9] = 1;
        assert!(Print::of(&written).is_some());
    }

    #[test]
    fn two_and_half_of_them_agree() {
        let then = [print(0, 1), print(4096, 2), print(8192, 3), print(12288, 4)];
        assert!(agree(&then, &then));
        assert!(agree(&then, &[print(0, 1), print(8192, 3), print(12288, 9)]));
        assert!(!agree(&then, &[print(0, 1), print(4096, 9)]), "one of four");
        assert!(!agree(&then[..1], &then), "one alone");
        assert!(!agree(&[], &[]), "nothing");
        let five = [&then[..], &[print(16384, 5)]].concat();
        assert!(!agree(&five, &then[..2]), "two of five");
    }

    #[test]
    fn what_is_written_over_is_left_out() {
        let prints = [print(0, 1), print(4096, 2), print(8192, 3)];
        assert_eq!(outside(&prints, &[(Bytes(4608), Bytes(512))]), [prints[0], prints[2]]);
        assert_eq!(outside(&prints, &[(Bytes(4096), Bytes(4096))]), [prints[0], prints[2]]);
        assert_eq!(outside(&prints, &[]), prints);
    }
}
