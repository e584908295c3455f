//! Device numbers.

use std::{fmt, str::FromStr};

/// A device number, printed `major:minor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevId {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// The major number of `mdN` devices (`MD_MAJOR`).
pub const MD_MAJOR: u32 = 9;

impl DevId {
    /// From the C library's `dev_t` (`gnu_dev_major`, `gnu_dev_minor`: 12 + 20 bits of major, 8 + 24 of minor).
    #[must_use]
    pub fn from_raw(raw: u64) -> Self {
        let number = |part: u64| u32::try_from(part & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let major = ((raw >> 8) & 0xfff) | ((raw >> 32) & !0xfff);
        let minor = (raw & 0xff) | ((raw >> 12) & !0xff);
        Self { major: number(major), minor: number(minor) }
    }

    /// As the C library's `dev_t`.
    #[must_use]
    pub fn raw(self) -> u64 {
        let (major, minor) = (u64::from(self.major), u64::from(self.minor));
        ((major & !0xfff) << 32) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | (minor & 0xff)
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
        for (major, minor) in [(0, 0), (9, 127), (4095, 0xf_ffff), (u32::MAX, u32::MAX)] {
            let dev = DevId { major, minor };
            assert_eq!(DevId::from_raw(dev.raw()), dev);
            assert_eq!(dev.raw(), nix::libc::makedev(major, minor));
        }
        for bad in ["", "8", "8:", ":1", "8:-1", "8:+1", "8:1:2", "8:4294967296"] {
            assert_eq!(bad.parse::<DevId>(), Err(BadDevId), "{bad}");
        }
    }
}
