//! Device numbers.

use std::{fmt, str::FromStr};

use nix::sys::stat::{major, makedev, minor};

/// A device number, printed `major:minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevId {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// The major number of `mdN` devices (`MD_MAJOR`).
pub const MD_MAJOR: u32 = 9;

impl DevId {
    /// From the C library's `dev_t`.
    #[must_use]
    pub fn from_raw(raw: u64) -> Self {
        let number = |part| u32::try_from(part).unwrap_or(u32::MAX);
        Self { major: number(major(raw)), minor: number(minor(raw)) }
    }

    /// As the C library's `dev_t`.
    #[must_use]
    pub fn raw(self) -> u64 {
        makedev(self.major.into(), self.minor.into())
    }

    /// As the kernel's ioctls take it (`new_decode_dev`): 12 bits of major, 20 of minor; `None` for a number
    /// that does not fit.
    #[must_use]
    pub fn encoded(self) -> Option<u32> {
        let fits = self.major < 1 << 12 && self.minor < 1 << 20;
        fits.then_some((self.minor & 0xff) | (self.major << 8) | ((self.minor & !0xff) << 12))
    }
}

impl fmt::Display for DevId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A text that is not `major:minor`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device number is MAJOR:MINOR")]
pub struct BadDevId;

impl FromStr for DevId {
    type Err = BadDevId;

    fn from_str(text: &str) -> Result<Self, BadDevId> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse().map_err(|_| BadDevId) } else { Err(BadDevId) }
        };
        let (major, minor) = text.split_once(':').ok_or(BadDevId)?;
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let dev = DevId { major: 259, minor: 0x12345 };
        assert_eq!(dev.encoded(), Some(0x1231_0345));
        assert_eq!(DevId::from_raw(dev.raw()), dev);
        assert_eq!(DevId { major: 4096, minor: 0 }.encoded(), None);
        assert_eq!("259:74565".parse(), Ok(dev));
        assert_eq!(dev.to_string(), "259:74565");
        for bad in ["", "8", "8:", ":1", "8:-1", "8:+1", "8:1:2", "8:4294967296"] {
            assert_eq!(bad.parse::<DevId>(), Err(BadDevId), "{bad}");
        }
    }
}
