//! The host that a 0.90 array belongs to: the second half of its UUID is a hash of the host's name.
//!
//! mdadm has kept it there since 2.6, having no name to store. The hash is SHA-1 as FIPS 180-4 has it; nothing
//! secret depends on it.

use crate::{MdUuid, endian::Endian};

/// The first eight bytes of SHA-1 over the host's name.
#[must_use]
pub fn host_hash(host: &[u8]) -> [u8; 8] {
    let mut message = host.to_vec();
    message.push(0x80);
    let padded = message.len().saturating_add(8).next_multiple_of(64);
    message.resize(padded.saturating_sub(8), 0);
    let bits = u64::try_from(host.len()).unwrap_or(0).saturating_mul(8);
    message.extend(bits.to_be_bytes());

    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0u32];
    for block in message.chunks_exact(64) {
        compress(&mut state, block);
    }
    let [a, b, ..] = state;
    let ([a, b, c, d], [e, f, g, h]) = (a.to_be_bytes(), b.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

fn compress(state: &mut [u32; 5], block: &[u8]) {
    let mut words: Vec<u32> =
        block.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap_or_default())).collect();
    for at in 16..80usize {
        let back = |by: usize| at.checked_sub(by).and_then(|at| words.get(at)).copied().unwrap_or(0);
        words.push((back(3) ^ back(8) ^ back(14) ^ back(16)).rotate_left(1));
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (round, word) in words.iter().enumerate() {
        let (f, k) = match round {
            0..20 => (b & c | !b & d, 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdcu32),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (kept, new) in state.iter_mut().zip([a, b, c, d, e]) {
        *kept = kept.wrapping_add(new);
    }
}

/// The UUID with its second half replaced by the host's hash. The bytes of the hash are stored as they are, so
/// the number that they make depends on the byte order of the superblock.
#[must_use]
pub fn uuid_at_home(uuid: MdUuid, host: &[u8], order: Endian) -> MdUuid {
    let [a, b, _, _] = uuid.words();
    let [p, q, r, s, t, u, v, w] = host_hash(host);
    MdUuid::from_words([a, b, order.u32([p, q, r, s]), order.u32([t, u, v, w])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_of_the_standard_examples() {
        // FIPS 180 examples, the first eight bytes.
        assert_eq!(host_hash(b"abc"), [0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a]);
        assert_eq!(host_hash(b""), [0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d]);
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(host_hash(long), [0x84, 0x98, 0x3e, 0x44, 0x1c, 0x3b, 0xd2, 0x6e]);
    }

    #[test]
    fn only_the_second_half_changes() {
        let uuid: MdUuid = "00112233:44556677:8899aabb:ccddeeff".parse().unwrap();
        let home = uuid_at_home(uuid, b"abc", Endian::Little);
        assert_eq!(home.to_string(), "00112233:44556677:363e99a9:6a810647");
        assert_eq!(
            uuid_at_home(uuid, b"abc", Endian::Big).to_string(),
            "00112233:44556677:a9993e36:4706816a"
        );
    }
}
