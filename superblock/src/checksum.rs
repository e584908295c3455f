//! Every checksum rule of the md formats, by name.
//!
//! 0.90 and 1.x add up 32-bit words; PPL and the RAID5 journal use CRC-32C, the one inverted at the end and
//! the other not; a GPT header has the plain CRC-32. Nothing else in this crate knows a checksum.

use crate::endian::Endian;

/// The index of `sb_csum` among the 32-bit words of a 0.90 superblock.
const SB0_CSUM_WORD: usize = 38;
/// The index of `sb_csum` among the 32-bit words of a 1.x superblock.
const SB1_CSUM_WORD: usize = 54;

/// The sum of a 0.90 superblock: all words, its own word left out, in the superblock's byte order.
///
/// Alpha kernels fold the result to 16 bits, which mdadm imitates when it runs there; we do not.
#[must_use]
pub fn md0_sum(page: &[u8], order: Endian) -> u32 {
    let words = page.chunks_exact(4).map(|word| order.u32(word.try_into().unwrap_or_default()));
    fold(words.enumerate().filter(|(index, _)| *index != SB0_CSUM_WORD).map(|(_, word)| word))
}

/// The sum of a 1.x superblock: little-endian words over `256 + 2 * max_dev` bytes, its own word left out,
/// a trailing 16-bit half taken as a number.
#[must_use]
pub fn md1_sum(used: &[u8]) -> u32 {
    let words = used.chunks_exact(4);
    let half = words.remainder().try_into().map_or(0, |half| u32::from(u16::from_le_bytes(half)));
    let words = words.map(|word| u32::from_le_bytes(word.try_into().unwrap_or_default()));
    let words = words.enumerate().filter(|(index, _)| *index != SB1_CSUM_WORD).map(|(_, word)| word);
    fold(words.chain([half]))
}

/// The plain CRC-32, of what we set aside ourselves.
#[must_use]
pub fn crc32(data: &[u8]) -> u32 {
    crc32fast::hash(data)
}

/// The CRC-32 of a GPT header (UEFI specification 5.3.2), its own field at 16 taken as 0. `header` is as long as the
/// header says that it is.
#[must_use]
pub fn gpt_crc(header: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    let (before, rest) = header.split_at(header.len().min(16));
    let (own, after) = rest.split_at(rest.len().min(4));
    crc.update(before);
    crc.update([0; 4].get(..own.len()).unwrap_or_default());
    crc.update(after);
    crc.finalize()
}

/// Adds up in 64 bits and folds once, low half plus high half.
fn fold(words: impl Iterator<Item = u32>) -> u32 {
    let sum = words.fold(0u64, |sum, word| sum.wrapping_add(u64::from(word)));
    let [low, high] = halves(sum);
    low.wrapping_add(high)
}

fn halves(sum: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// CRC-32C as everyone knows it, inverted before and after: the PPL's header, entries and signature.
#[must_use]
pub fn crc32c(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
}

/// CRC-32C with the given start value and no inversion at either end: the kernel's `crc32c_le`, which the
/// journal uses bare.
#[must_use]
pub fn crc32c_raw(seed: u32, data: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, data)
}

/// The value that a journal's checksums start from: `crc32c_le(~0, uuid)` over the array UUID as stored.
#[must_use]
pub fn journal_seed(uuid: [u8; 16]) -> u32 {
    crc32c_raw(u32::MAX, &uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_check_values() {
        // The check value of the CRC catalogue, and the property that tells the two variants apart.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_raw(u32::MAX, b"123456789"), !0xe306_9283);
        assert_eq!(crc32c_raw(crc32c_raw(u32::MAX, b"1234"), b"56789"), !0xe306_9283);
        assert_eq!(crc32c_raw(7, b""), 7);
    }

    #[test]
    fn sums_leave_their_own_word_out_and_fold_the_carry() {
        let mut page = vec![0u8; 4096];
        page[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        page[4..8].copy_from_slice(&2u32.to_le_bytes());
        // 0xffffffff + 2 = 0x1_00000001, folded to 2
        assert_eq!(md1_sum(&page), 2);
        assert_eq!(md0_sum(&page, Endian::Little), 2);
        page[216..220].fill(0xa5);
        assert_eq!(md1_sum(&page), 2);
        page[216..220].fill(0);
        page[152..156].fill(0xa5);
        assert_eq!(md0_sum(&page, Endian::Little), 2);
        assert_eq!(md1_sum(&[0; 258][..256]), 0);
    }

    #[test]
    fn odd_number_of_roles_counts_the_trailing_half() {
        let mut used = vec![0u8; 258];
        used[256..].copy_from_slice(&[0x34, 0x12]);
        assert_eq!(md1_sum(&used), 0x1234);
    }

    #[test]
    fn byte_order_decides_the_words() {
        let mut page = vec![0u8; 4096];
        page[3] = 1;
        assert_eq!(md0_sum(&page, Endian::Big), 1);
        assert_eq!(md0_sum(&page, Endian::Little), 0x0100_0000);
    }
}
