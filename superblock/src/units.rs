//! Sizes with their unit in the type. A sector is 512 bytes everywhere in md metadata, whatever the
//! device's logical block size.

use std::fmt;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The sum, or `None` where it does not fit 64 bits.
            #[must_use]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or `None` where it would be negative.
            #[must_use]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// The difference, 0 where it would be negative.
            #[must_use]
            pub fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The sum, the largest value where it does not fit.
            #[must_use]
            pub fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The largest multiple of `unit` that is not above `self`; `self` where `unit` is 0.
            #[must_use]
            pub fn round_down(self, unit: Self) -> Self {
                Self(self.0.saturating_sub(self.0.checked_rem(unit.0).unwrap_or(0)))
            }

            /// The smallest multiple of `unit` that is not below `self`; `None` where it does not fit.
            #[must_use]
            pub fn round_up(self, unit: Self) -> Option<Self> {
                self.0.checked_next_multiple_of(unit.0).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $suffix), self.0)
            }
        }
    };
}

unit!(
    /// A count of bytes.
    Bytes,
    "bytes"
);
unit!(
    /// A count of 512-byte sectors.
    Sectors,
    "sectors"
);
unit!(
    /// A count of 1024-byte units, the unit of the md driver's older interfaces and of 0.90 metadata.
    Kib,
    "KiB"
);

impl Sectors {
    /// In bytes, saturating: no device is that large, a damaged field may claim to be.
    #[must_use]
    pub fn bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(512))
    }

    /// In KiB, rounded down.
    #[must_use]
    pub fn kib(self) -> Kib {
        Kib(self.0 >> 1)
    }
}

impl Bytes {
    /// In whole sectors, rounded down.
    #[must_use]
    pub fn sectors(self) -> Sectors {
        Sectors(self.0 >> 9)
    }
}

impl Kib {
    /// In sectors, saturating.
    #[must_use]
    pub fn sectors(self) -> Sectors {
        Sectors(self.0.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_never_wraps() {
        assert_eq!(Sectors(127).round_down(Sectors(8)), Sectors(120));
        assert_eq!(Sectors(127).round_down(Sectors(0)), Sectors(127));
        assert_eq!(Sectors(121).round_up(Sectors(8)), Some(Sectors(128)));
        assert_eq!(Sectors(u64::MAX).round_up(Sectors(8)), None);
        assert_eq!(Sectors(u64::MAX).bytes(), Bytes(u64::MAX));
    }
}
