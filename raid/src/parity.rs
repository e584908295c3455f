//! The two syndromes of RAID6 over GF(256), and what they bring back. RAID4 and RAID5 have the first alone.
//!
//! Source: H. Peter Anvin, "The mathematics of RAID-6"; the kernel's `lib/raid6` uses the same field (x⁸ + x⁴ + x³ + x² + 1)
//! and generator (2).
//!
//! The loops work on arrays of `WIDE` bytes, which the compiler turns into vector instructions: with SSE2, which every x86-64
//! has, a doubling is an addition, a comparison, an `and` and an `xor`. Wider instructions would have to be chosen while the
//! program runs, and calling what was compiled for them needs `unsafe`; memory is the limit already (`benches/parity.rs`).

/// So many bytes are reckoned with at once: both sums and a block of this width fit into the registers.
const WIDE: usize = 32;

type Lane = [u8; WIDE];

/// Powers of the generator, twice around so that a sum of two logarithms needs no reduction.
const EXP: [u8; 512] = tables().0;
/// Logarithms; that of 0 is never used.
const LOG: [u8; 256] = tables().1;

const fn double(value: u8) -> u8 {
    value.wrapping_shl(1) ^ (if value >= 0x80 { 0x1d } else { 0 })
}

#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "reckoned by the compiler, which refuses what leaves its bounds"
)]
const fn tables() -> ([u8; 512], [u8; 256]) {
    let (mut exp, mut log) = ([0; 512], [0; 256]);
    let (mut value, mut nth) = (1u8, 0);
    while nth < 512 {
        exp[nth] = value;
        if nth < 255 {
            log[value as usize] = nth as u8;
        }
        value = double(value);
        nth += 1;
    }
    (exp, log)
}

fn log(value: u8) -> usize {
    LOG.get(usize::from(value)).copied().map_or(0, usize::from)
}

fn exp(power: usize) -> u8 {
    EXP.get(power).copied().unwrap_or(0)
}

/// The product in the field.
#[must_use]
pub fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { exp(log(a).saturating_add(log(b))) }
}

/// The quotient; 0 where the divisor is 0, which no coefficient is.
#[must_use]
pub fn divide(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { exp(log(a).saturating_add(255).saturating_sub(log(b))) }
}

/// The coefficient of the data block at this place in the order of the syndrome.
#[must_use]
pub fn coefficient(place: usize) -> u8 {
    exp(place % 255)
}

fn add_lane(sum: &mut Lane, block: &Lane) {
    sum.iter_mut().zip(block).for_each(|(sum, block)| *sum ^= *block);
}

fn double_lane(sum: &mut Lane) {
    sum.iter_mut().for_each(|byte| *byte = double(*byte));
}

fn times_lane(block: &Lane, coefficient: u8) -> Lane {
    let (mut sum, mut power, mut rest) = ([0; WIDE], *block, coefficient);
    loop {
        if rest & 1 == 1 {
            add_lane(&mut sum, &power);
        }
        rest >>= 1;
        if rest == 0 {
            return sum;
        }
        double_lane(&mut power);
    }
}

/// Calls for each piece of two blocks, the last of which may be filled up with zeros.
fn each_lane(sum: &mut [u8], block: &[u8], with: impl Fn(&mut Lane, &Lane)) {
    let (mut sums, mut blocks) = (sum.chunks_exact_mut(WIDE), block.chunks_exact(WIDE));
    for (sum, block) in sums.by_ref().zip(blocks.by_ref()) {
        if let (Some(sum), Some(block)) = (sum.first_chunk_mut(), block.first_chunk()) {
            with(sum, block);
        }
    }
    let (sum, block) = (sums.into_remainder(), blocks.remainder());
    let (mut last, mut by) = ([0; WIDE], [0; WIDE]);
    last.iter_mut().zip(&*sum).for_each(|(last, sum)| *last = *sum);
    by.iter_mut().zip(block).for_each(|(by, block)| *by = *block);
    with(&mut last, &by);
    sum.iter_mut().zip(last).for_each(|(sum, last)| *sum = last);
}

/// Adds a block to a sum of blocks of the same length.
pub fn add(sum: &mut [u8], block: &[u8]) {
    each_lane(sum, block, add_lane);
}

/// Adds a block times a coefficient.
pub fn add_times(sum: &mut [u8], block: &[u8], coefficient: u8) {
    each_lane(sum, block, |sum, block| add_lane(sum, &times_lane(block, coefficient)));
}

/// Each byte times a coefficient.
pub fn scale(block: &mut [u8], coefficient: u8) {
    let by_lane = |lane: &mut Lane| *lane = times_lane(lane, coefficient);
    let mut lanes = block.chunks_exact_mut(WIDE);
    lanes.by_ref().filter_map(<[u8]>::first_chunk_mut).for_each(by_lane);
    lanes.into_remainder().iter_mut().for_each(|byte| *byte = multiply(*byte, coefficient));
}

/// One step of the second syndrome, from the last place to the first: all that was added so far moves on by one place, and the
/// block of this place comes to it. Without a block it counts as zeros.
pub fn next_place(syndrome: &mut [u8], block: Option<&[u8]>) {
    match block {
        Some(block) => each_lane(syndrome, block, |sum, block| {
            double_lane(sum);
            add_lane(sum, block);
        }),
        None => scale(syndrome, 2),
    }
}

/// The sum of these blocks, which are as long as it; without a block: zeros.
pub fn sum(p: &mut [u8], blocks: &[Option<&[u8]>]) {
    lanes_of(p, blocks, |at, to| {
        let mut sum = [0; WIDE];
        blocks.iter().flatten().filter_map(|block| lane(block, at)).for_each(|lane| add_lane(&mut sum, lane));
        *to = sum;
    });
}

/// Both syndromes of these blocks, by their places; all are as long as the sums. Without a block: zeros.
pub fn syndromes(p: &mut [u8], q: &mut [u8], blocks: &[Option<&[u8]>]) {
    let mut at = 0usize;
    let (mut ps, mut qs) = (p.chunks_exact_mut(WIDE), q.chunks_exact_mut(WIDE));
    for (p, q) in ps.by_ref().zip(qs.by_ref()) {
        let (mut sum, mut second) = ([0; WIDE], [0; WIDE]);
        for block in blocks.iter().rev() {
            double_lane(&mut second);
            if let Some(lane) = block.and_then(|block| lane(block, at)) {
                add_lane(&mut sum, lane);
                add_lane(&mut second, lane);
            }
        }
        p.copy_from_slice(&sum);
        q.copy_from_slice(&second);
        at = at.saturating_add(WIDE);
    }
    let bytes = ps.into_remainder().iter_mut().zip(qs.into_remainder());
    for (at, (p, q)) in (at..).zip(bytes) {
        (*p, *q) = (0, 0);
        for block in blocks.iter().rev() {
            let byte = block.and_then(|block| block.get(at)).copied().unwrap_or(0);
            (*p, *q) = (*p ^ byte, double(*q) ^ byte);
        }
    }
}

fn lane(block: &[u8], at: usize) -> Option<&Lane> {
    block.get(at..)?.first_chunk()
}

/// Calls for each piece of a block that is to be filled; what does not fill a piece is reckoned byte by byte, as a sum.
fn lanes_of(p: &mut [u8], blocks: &[Option<&[u8]>], with: impl Fn(usize, &mut Lane)) {
    let mut at = 0usize;
    let mut lanes = p.chunks_exact_mut(WIDE);
    for lane in lanes.by_ref().filter_map(<[u8]>::first_chunk_mut) {
        with(at, lane);
        at = at.saturating_add(WIDE);
    }
    for (at, p) in (at..).zip(lanes.into_remainder()) {
        let bytes = blocks.iter().flatten().filter_map(|block| block.get(at));
        *p = bytes.fold(0, |sum, byte| sum ^ byte);
    }
}

/// Whether nothing is in it.
#[must_use]
pub fn is_zero(block: &[u8]) -> bool {
    let mut lanes = block.chunks_exact(WIDE);
    lanes.all(|lane| lane.iter().fold(0, |any, byte| any | byte) == 0)
        && lanes.remainder().iter().all(|byte| *byte == 0)
}

/// Two lost data blocks with coefficients `x` and `y`, from what is left in both syndromes when the blocks that are
/// there are taken out of them. The first of the two takes the place of `q`; the other is its sum with `p`.
pub fn first_of_two(p: &[u8], q: &mut [u8], x: u8, y: u8) {
    // a ^ b = p and x·a ^ y·b = q, so a = (q ^ y·p) / (x ^ y).
    add_times(q, p, y);
    scale(q, divide(1, x ^ y));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_one() {
        assert_eq!((EXP[8], coefficient(1), coefficient(255)), (0x1d, 2, 1));
        for a in 0..=255u8 {
            for b in 1..=255u8 {
                assert_eq!(divide(multiply(a, b), b), a);
                assert_eq!(multiply(a, b), multiply(b, a));
            }
            assert_eq!(multiply(a, 2), double(a));
        }
    }

    #[test]
    fn many_at_once_are_as_each() {
        let block: Vec<u8> = (0..=255).chain(0..77).collect();
        for coefficient in [0, 1, 2, 3, 0x1d, 0x80, 0xff] {
            let mut sum = vec![0x5a; block.len()];
            add_times(&mut sum, &block, coefficient);
            let expected: Vec<u8> = block.iter().map(|byte| 0x5a ^ multiply(*byte, coefficient)).collect();
            assert_eq!(sum, expected);
            let mut scaled = block.clone();
            scale(&mut scaled, coefficient);
            assert!(scaled.iter().zip(&block).all(|(now, byte)| *now == multiply(*byte, coefficient)));
        }
        for at in [0, 15, 16, 39] {
            let mut block = [0; 40];
            assert!(is_zero(&block));
            block[at] = 1;
            assert!(!is_zero(&block));
        }
    }

    #[test]
    fn stripes_at_once_and_place_by_place_are_as_blocks_times_their_coefficients() {
        for len in [0, 1, 31, 32, 33, 200] {
            let blocks: Vec<Vec<u8>> = (0..7u8)
                .map(|nth| {
                    (0..len).map(|at: u8| at.wrapping_mul(31).wrapping_add(nth.wrapping_mul(71))).collect()
                })
                .collect();
            let here: Vec<Option<&[u8]>> = blocks
                .iter()
                .enumerate()
                .map(|(nth, block)| (nth != 3).then_some(block.as_slice()))
                .collect();
            let zeros = vec![0; usize::from(len)];
            let (mut p, mut q) = (zeros.clone(), zeros.clone());
            for (place, block) in here.iter().enumerate() {
                let Some(block) = block else { continue };
                add(&mut p, block);
                add_times(&mut q, block, coefficient(place));
            }
            let (mut sum_alone, mut both, mut steps) =
                (vec![9; usize::from(len)], (vec![9; usize::from(len)], vec![9; usize::from(len)]), zeros);
            sum(&mut sum_alone, &here);
            syndromes(&mut both.0, &mut both.1, &here);
            here.iter().rev().for_each(|block| next_place(&mut steps, *block));
            assert_eq!((&sum_alone, &both.0, &both.1, &steps), (&p, &p, &q, &q), "{len}");
        }
    }

    #[test]
    fn two_lost_blocks_come_back() {
        let (a, b) = (vec![1u8, 0, 77, 255], vec![9u8, 3, 0, 255]);
        for (x, y) in [(0, 1), (1, 0), (3, 11), (254, 7)] {
            let (x, y) = (coefficient(x), coefficient(y));
            let (mut p, mut q) = (vec![0; 4], vec![0; 4]);
            for (block, times) in [(&a, x), (&b, y)] {
                add(&mut p, block);
                add_times(&mut q, block, times);
            }
            first_of_two(&p, &mut q, x, y);
            assert_eq!(q, a);
        }
    }
}
