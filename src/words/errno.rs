//! The kernel's answers, as numbers: what is decided by them must not hang on a C library's words.

use std::fmt;

/// An error number (`errno.h`), as Linux has it on all architectures that md is used on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// No such thing.
    pub const ENOENT: Self = Self(2);
    /// The device answered an error.
    pub const EIO: Self = Self(5);
    /// More than fits.
    pub const E2BIG: Self = Self(7);
    /// No such device.
    pub const ENODEV: Self = Self(19);
    /// No memory, or one more than fits.
    pub const ENOMEM: Self = Self(12);
    /// In use.
    pub const EBUSY: Self = Self(16);
    /// It is there already.
    pub const EEXIST: Self = Self(17);
    /// Not a sound request.
    pub const EINVAL: Self = Self(22);
    /// No room.
    pub const ENOSPC: Self = Self(28);
    /// Read-only.
    pub const EROFS: Self = Self(30);
    /// Too long in waiting.
    pub const ETIMEDOUT: Self = Self(110);

    /// In the C library's words ("Device or resource busy"), for people.
    #[must_use]
    pub fn text(self) -> String {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        text.split(" (os error").next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno as System;

    use super::Errno;

    #[test]
    fn the_numbers_are_the_systems() {
        for (ours, system) in [
            (Errno::ENOENT, System::ENOENT),
            (Errno::EIO, System::EIO),
            (Errno::E2BIG, System::E2BIG),
            (Errno::ENODEV, System::ENODEV),
            (Errno::ENOMEM, System::ENOMEM),
            (Errno::EBUSY, System::EBUSY),
            (Errno::EEXIST, System::EEXIST),
            (Errno::EINVAL, System::EINVAL),
            (Errno::ENOSPC, System::ENOSPC),
            (Errno::EROFS, System::EROFS),
            (Errno::ETIMEDOUT, System::ETIMEDOUT),
        ] {
            assert_eq!(System::from_raw(ours.0), system);
        }
        assert_eq!(Errno::EBUSY.text(), "Device or resource busy");
    }
}
