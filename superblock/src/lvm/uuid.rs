//! Identities of LVM2: 32 characters of its own alphabet.

use std::{fmt, str::FromStr};

/// What may stand in an identity: `!` and `#` are read, never made.
const MADE: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// The same and those two, by byte.
const READ: [bool; 256] = super::text::bytes_of(&[MADE, b"!#"]);
/// Characters between hyphens.
const GROUPS: [usize; 7] = [6, 4, 4, 4, 4, 4, 6];

/// The identity of a group, a physical volume or a volume. Printed in groups of 6-4-4-4-4-4-6, stored without hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LvmUuid([u8; 32]);

impl LvmUuid {
    /// Its length with hyphens.
    pub const PRINTED: usize = 38;

    /// From the 32 bytes that a header has; `None` where one is not of the alphabet.
    #[must_use]
    pub fn from_stored(bytes: [u8; 32]) -> Option<Self> {
        bytes.iter().all(|byte| READ.get(usize::from(*byte)) == Some(&true)).then_some(Self(bytes))
    }

    /// A new one from 32 random bytes.
    #[must_use]
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(random.map(|byte| MADE.get(usize::from(byte % 62)).copied().unwrap_or(b'0')))
    }

    /// The 32 bytes as a header has them.
    #[must_use]
    pub fn stored(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 32 characters without hyphens, as names of device-mapper devices have them.
    #[must_use]
    pub fn plain(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for LvmUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.plain();
        for (index, len) in GROUPS.into_iter().enumerate() {
            let (group, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
            rest = after;
            if index > 0 {
                f.write_str("-")?;
            }
            f.write_str(group)?;
        }
        Ok(())
    }
}

impl fmt::Debug for LvmUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an LVM2 UUID is 32 letters and digits, in groups of 6-4-4-4-4-4-6 or without hyphens")]
pub struct BadLvmUuid;

impl FromStr for LvmUuid {
    type Err = BadLvmUuid;

    /// Hyphens may be anywhere, as with LVM2.
    fn from_str(text: &str) -> Result<Self, BadLvmUuid> {
        Self::from_text(text.as_bytes()).ok_or(BadLvmUuid)
    }
}

impl LvmUuid {
    /// From printed bytes.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        Self::from_groups(text).or_else(|| Self::from_any(text))
    }

    /// With its hyphens where they are printed: what every text has.
    fn from_groups(text: &[u8]) -> Option<Self> {
        let text: &[u8; Self::PRINTED] = text.try_into().ok()?;
        let mut bytes = [0; 32];
        let (mut from, mut to) = (text.as_slice(), bytes.as_mut_slice());
        for (index, len) in GROUPS.into_iter().enumerate() {
            if index > 0 {
                from = from.strip_prefix(b"-")?;
            }
            let (group, rest) = from.split_at_checked(len)?;
            let (place, after) = to.split_at_mut_checked(len)?;
            place.copy_from_slice(group);
            (from, to) = (rest, after);
        }
        Self::from_stored(bytes)
    }

    fn from_any(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let mut from = text.iter().filter(|byte| **byte != b'-');
        for to in &mut bytes {
            *to = *from.next()?;
        }
        if from.next().is_some() { None } else { Self::from_stored(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_and_stored() {
        let printed = "6HbQoq-7gzh-81Hb-71LQ-E1hq-Mgah-NjIvJN";
        let uuid: LvmUuid = printed.parse().unwrap();
        assert_eq!(uuid.to_string(), printed);
        assert_eq!(uuid.plain(), "6HbQoq7gzh81Hb71LQE1hqMgahNjIvJN");
        assert_eq!(uuid.plain().parse(), Ok(uuid));
        for bad in [
            "",
            "6HbQoq7gzh81Hb71LQE1hqMgahNjIvJ",
            "6HbQoq7gzh81Hb71LQE1hqMgahNjIvJNx",
            "6HbQoq7gzh81Hb71LQE1hqMgahNjIvJ/",
        ] {
            assert_eq!(bad.parse::<LvmUuid>(), Err(BadLvmUuid), "{bad}");
        }
        let made = LvmUuid::from_random(std::array::from_fn(|at| u8::try_from(at * 8).unwrap()));
        assert_eq!(LvmUuid::from_stored(*made.stored()), Some(made));
    }
}
