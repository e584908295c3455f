//! What udev's rules are asked to do about a device: the upper half of a cookie.

use bitflags::bitflags;

bitflags! {
    /// Flags that the kernel hands on to udev in `DM_COOKIE`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UdevFlags: u16 {
        /// No link in /dev/mapper.
        const DISABLE_DM_RULES = 0x01;
        /// No links of the subsystem (/dev/VG/LV).
        const DISABLE_SUBSYSTEM_RULES = 0x02;
        /// No probing, no /dev/disk links.
        const DISABLE_DISK_RULES = 0x04;
        /// All other rules should ignore it.
        const DISABLE_OTHER_RULES = 0x08;
        /// Its links yield to those of others with the same file system.
        const LOW_PRIORITY = 0x10;
        /// Whoever waits does not touch nodes itself.
        const DISABLE_LIBRARY_FALLBACK = 0x20;
        /// A genuine event, whose flags udev keeps for those that follow.
        const PRIMARY_SOURCE = 0x40;
        /// The subsystem's first own flag; LVM2's rules: not to be scanned yet.
        const SUBSYSTEM_0 = 0x100;
        /// The subsystem's second own flag.
        const SUBSYSTEM_1 = 0x200;
    }
}

impl UdevFlags {
    /// A visible volume, and everything that has no reason to be otherwise.
    pub const VISIBLE: Self = Self::DISABLE_LIBRARY_FALLBACK.union(Self::PRIMARY_SOURCE);
    /// A new volume that may still hold what was on its disks: not scanned until it is wiped.
    pub const UNWIPED: Self = Self::VISIBLE.union(Self::SUBSYSTEM_0);
    /// A new snapshot's store while it is zeroed.
    pub const UNWIPED_STORE: Self =
        Self::UNWIPED.union(Self::DISABLE_DISK_RULES).union(Self::DISABLE_OTHER_RULES);
    /// The hidden layer that an origin stands on (`-real`).
    pub const REAL: Self = Self::VISIBLE
        .union(Self::DISABLE_SUBSYSTEM_RULES)
        .union(Self::DISABLE_DISK_RULES)
        .union(Self::DISABLE_OTHER_RULES);
    /// A hidden layer that yields its links as well (`-cow`), and a snapshot that is being merged.
    pub const HIDDEN: Self = Self::REAL.union(Self::LOW_PRIORITY);
    /// A visible snapshot: it carries the same file system as its origin, whose links stay.
    pub const SNAPSHOT: Self = Self::VISIBLE.union(Self::LOW_PRIORITY);
    /// A private device of ours that nothing else shall look at: no probing, no links but /dev/mapper.
    pub const PRIVATE: Self =
        Self::DISABLE_SUBSYSTEM_RULES.union(Self::DISABLE_DISK_RULES).union(Self::DISABLE_OTHER_RULES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_lvm2_sends_them() {
        // Observed with LVM 2.03.31, see docs/compat.md.
        let words = [
            (UdevFlags::VISIBLE, 0x60),
            (UdevFlags::UNWIPED, 0x160),
            (UdevFlags::UNWIPED_STORE, 0x16c),
            (UdevFlags::HIDDEN, 0x7e),
            (UdevFlags::REAL, 0x6e),
            (UdevFlags::SNAPSHOT, 0x70),
            (UdevFlags::PRIVATE, 0xe),
        ];
        for (flags, word) in words {
            assert_eq!(flags.bits(), word, "{flags:?}");
        }
    }
}
