//! Whether many names or identities are all different, without a set of them: a number is made of each, and the numbers are
//! sorted. Equal bytes have equal numbers, so where no two numbers are equal no two names are; where two are, it need not be so,
//! and somebody has to look (a text may be made to have such names: then looking is all that it costs).

/// Whether certainly no two are equal.
pub(super) fn distinct<'a>(all: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut marks: Vec<u64> = all.map(mark).collect();
    marks.sort_unstable();
    !marks.windows(2).any(|pair| matches!(pair, [one, next] if one == next))
}

/// An odd number with as many ones as zeros.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

fn mark(bytes: &[u8]) -> u64 {
    let len = u64::try_from(bytes.len()).unwrap_or_default();
    bytes.chunks(8).fold(len, |mark, chunk| {
        let word = chunk.iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
        (mark.rotate_left(29) ^ word).wrapping_mul(MIX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_are_found() {
        let names: Vec<String> = (0..20_000).map(|n| format!("volume-of-{n}")).collect();
        assert!(distinct(names.iter().map(String::as_bytes)));
        let twice = names.iter().chain(names.last());
        assert!(!distinct(twice.map(String::as_bytes)));
        assert!(distinct(std::iter::empty()));
        assert!(distinct([b"a".as_slice(), b"\0a", b"a\0", b"", b"\0"].into_iter()));
    }
}
