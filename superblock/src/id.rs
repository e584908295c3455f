//! Identities found in metadata.

use std::{fmt, str::FromStr};

/// An md UUID: 16 bytes in the order in which they are printed (`a1b2c3d4:…`, four groups of eight hex digits).
///
/// 1.x stores the bytes in this order. 0.90 stores four 32-bit words in the host's byte order, each printed
/// as a number; [`MdUuid::from_words`] and [`MdUuid::words`] convert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MdUuid(pub [u8; 16]);

impl MdUuid {
    /// The UUID whose printed groups are these four numbers.
    #[must_use]
    pub fn from_words(words: [u32; 4]) -> Self {
        let mut bytes = [0; 16];
        for (group, word) in bytes.chunks_exact_mut(4).zip(words) {
            group.copy_from_slice(&word.to_be_bytes());
        }
        Self(bytes)
    }

    /// The UUID of a 0.90 array from the 16 bytes that a kernel of this machine's byte order has in memory, and prints
    /// one after another (`md/uuid` in sysfs).
    #[must_use]
    pub fn from_v0_memory(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self::from_words([[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_ne_bytes))
    }

    /// The four printed groups as numbers.
    #[must_use]
    pub fn words(self) -> [u32; 4] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_be_bytes)
    }

    /// Whether all bytes are zero: no identity.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for MdUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.words();
        write!(f, "{a:08x}:{b:08x}:{c:08x}:{d:08x}")
    }
}

/// A text that is not 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a UUID is 32 hexadecimal digits, optionally separated by ':', '.', '-' or blanks")]
pub struct BadUuid;

impl FromStr for MdUuid {
    type Err = BadUuid;

    /// Accepts what mdadm accepts: 32 hex digits with `: . -` and blanks anywhere between.
    fn from_str(text: &str) -> Result<Self, BadUuid> {
        let mut bytes = [0u8; 16];
        let mut digits = text.chars().filter(|c| !matches!(c, ':' | '.' | '-' | ' ' | '\t' | '\n'));
        for byte in &mut bytes {
            let mut nibble = || {
                digits.next().and_then(|c| c.to_digit(16)).and_then(|d| u8::try_from(d).ok()).ok_or(BadUuid)
            };
            let high = nibble()?;
            let low = nibble()?;
            *byte = (high << 4) | low;
        }
        if digits.next().is_some() { Err(BadUuid) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_v0_array_has_words_of_this_machine() {
        // What a running array's sysfs said, and what was in its superblock.
        let memory: MdUuid = "9814c42e:192c3b09:0a7c9cdf:87fa59e0".parse().unwrap();
        let shown = MdUuid::from_v0_memory(memory.0).to_string();
        if cfg!(target_endian = "little") {
            assert_eq!(shown, "2ec41498:093b2c19:df9c7c0a:e059fa87");
        } else {
            assert_eq!(shown, memory.to_string());
        }
    }

    #[test]
    fn text_round_trip_and_separators() {
        let plain = "00112233:44556677:8899aabb:ccddeeff";
        let uuid: MdUuid = plain.parse().unwrap();
        assert_eq!(uuid.to_string(), plain);
        assert_eq!(MdUuid::from_words(uuid.words()), uuid);
        for same in ["00112233445566778899aabbccddeeff", "0011.2233-4455 6677:8899aabbccddeeff"] {
            assert_eq!(same.parse(), Ok(uuid));
        }
        for bad in
            ["", "0", "00112233:44556677:8899aabb:ccddeef", "00112233:44556677:8899aabb:ccddeeff0", "xx"]
        {
            assert_eq!(bad.parse::<MdUuid>(), Err(BadUuid));
        }
    }
}
