//! The two syndromes of RAID6 over GF(256), and what they bring back. RAID4 and RAID5 have the first alone.
//!
//! Source: H. Peter Anvin, "The mathematics of RAID-6"; the kernel's `lib/raid6` uses the same field (x⁸ + x⁴ + x³ + x² + 1)
//! and generator (2).

/// Powers of the generator, twice around so that a sum of two logarithms needs no reduction.
const EXP: [u8; 512] = powers();
/// Logarithms; that of 0 is never used.
const LOG: [u8; 256] = logarithms();

const fn double(value: u8) -> u8 {
    (value << 1) ^ (if value & 0x80 == 0 { 0 } else { 0x1d })
}

const fn powers() -> [u8; 512] {
    let mut table = [0; 512];
    let (mut value, mut nth) = (1, 0);
    while nth < 512 {
        table[nth] = value;
        value = double(value);
        nth += 1;
    }
    table
}

#[expect(clippy::as_conversions, reason = "widening in a constant: `from` is not const")]
const fn logarithms() -> [u8; 256] {
    let (mut table, mut value, mut log) = ([0; 256], 1u8, 0u8);
    while log < 255 {
        table[value as usize] = log;
        value = double(value);
        log += 1;
    }
    table
}

fn log(value: u8) -> usize {
    usize::from(LOG[usize::from(value)])
}

/// The product in the field.
#[must_use]
pub fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { EXP[log(a) + log(b)] }
}

/// The quotient; 0 where the divisor is 0, which no coefficient is.
#[must_use]
pub fn divide(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { EXP[log(a) + 255 - log(b)] }
}

/// The coefficient of the data block at this place in the order of the syndrome.
#[must_use]
pub fn coefficient(place: usize) -> u8 {
    EXP[place % 255]
}

/// So many bytes are reckoned with at once.
const WIDE: usize = 16;

fn wide(bytes: &[u8]) -> u128 {
    bytes.try_into().map_or(0, u128::from_ne_bytes)
}

/// Each byte doubled.
fn double_each(word: u128) -> u128 {
    const LOW: u128 = u128::from_ne_bytes([0x7f; WIDE]);
    const ONES: u128 = u128::from_ne_bytes([1; WIDE]);
    ((word & LOW) << 1) ^ (((word >> 7) & ONES) * 0x1d)
}

/// Each byte times a coefficient.
fn times_each(mut word: u128, coefficient: u8) -> u128 {
    if word == 0 || coefficient == 1 {
        return word;
    }
    let (mut rest, mut sum) = (coefficient, 0);
    while rest > 0 {
        if rest & 1 == 1 {
            sum ^= word;
        }
        rest >>= 1;
        word = double_each(word);
    }
    sum
}

/// Adds a block to a sum of blocks.
pub fn add(sum: &mut [u8], block: &[u8]) {
    add_times(sum, block, 1);
}

/// Adds a block times a coefficient.
pub fn add_times(sum: &mut [u8], block: &[u8], coefficient: u8) {
    let (mut sums, mut blocks) = (sum.chunks_exact_mut(WIDE), block.chunks_exact(WIDE));
    for (to, from) in sums.by_ref().zip(blocks.by_ref()) {
        let word = wide(to) ^ times_each(wide(from), coefficient);
        to.copy_from_slice(&word.to_ne_bytes());
    }
    for (to, from) in sums.into_remainder().iter_mut().zip(blocks.remainder()) {
        *to ^= multiply(*from, coefficient);
    }
}

/// Whether nothing is in it.
#[must_use]
pub fn is_zero(block: &[u8]) -> bool {
    let mut words = block.chunks_exact(WIDE);
    words.all(|word| wide(word) == 0) && words.remainder().iter().all(|byte| *byte == 0)
}

/// Two lost data blocks with coefficients `x` and `y`, from what is left in both syndromes when the blocks that are
/// there are taken out of them. The first of the two; the other is its sum with `p`.
#[must_use]
pub fn first_of_two(p: &[u8], q: &[u8], x: u8, y: u8) -> Vec<u8> {
    // a ^ b = p and x·a ^ y·b = q, so a = (q ^ y·p) / (x ^ y).
    let below = x ^ y;
    p.iter().zip(q).map(|(&p, &q)| divide(q ^ multiply(y, p), below)).collect()
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
        }
        for at in [0, 15, 16, 39] {
            let mut block = [0; 40];
            assert!(is_zero(&block));
            block[at] = 1;
            assert!(!is_zero(&block));
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
            assert_eq!(first_of_two(&p, &q, x, y), a);
        }
    }
}
