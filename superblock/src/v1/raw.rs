//! The 4096 bytes of a version-1 superblock, under the kernel's names (`include/uapi/linux/raid/md_p.h`).

use std::mem::{offset_of, size_of};

use bitflags::bitflags;
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{I32, U16, U32, U64},
};

/// First word of both native formats.
pub const MAGIC: u32 = 0xa92b_4efc;
/// What is read and kept: one page, whatever `max_dev` says.
pub const SIZE: usize = 4096;
/// As many roles as fit the page after the fixed part.
pub const MAX_DEVICES: u32 = 1920;

/// `dev_roles` value of a spare, and of a slot of the table that no device has.
pub const ROLE_SPARE: u16 = 0xffff;
/// `dev_roles` value of a failed device.
pub const ROLE_FAULTY: u16 = 0xfffe;
/// `dev_roles` value of the write journal.
pub const ROLE_JOURNAL: u16 = 0xfffd;
/// The largest slot number in `dev_roles`.
pub const ROLE_MAX: u16 = 0xff00;

bitflags! {
    /// `feature_map`. Bits that we do not know are kept and written back.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FeatureMap: u32 {
        /// `bitmap_offset` is valid.
        const BITMAP_OFFSET = 1;
        /// `recovery_offset` is valid and must be honoured.
        const RECOVERY_OFFSET = 2;
        /// The reshape fields are valid.
        const RESHAPE_ACTIVE = 4;
        /// The bad-block list is not empty.
        const BAD_BLOCKS = 8;
        /// The device is replacing the one that has the same role.
        const REPLACEMENT = 16;
        /// A reshape that keeps the number of devices runs from the end to the start.
        const RESHAPE_BACKWARDS = 32;
        /// `new_offset` is valid.
        const NEW_OFFSET = 64;
        /// A recovery of this device is guided by the bitmap.
        const RECOVERY_BITMAP = 128;
        /// The bitmap has a version that must be checked: clustered.
        const BITMAP_VERSIONED = 256;
        /// The array has a write journal.
        const JOURNAL = 512;
        /// `ppl` is valid.
        const PPL = 1024;
        /// `ppl` is valid and its area holds several logs.
        const MULTIPLE_PPLS = 2048;
        /// `layout` is meaningful for RAID0.
        const RAID0_LAYOUT = 4096;
        const _ = !0;
    }
}

impl FeatureMap {
    /// The bits that kernels up to 7.2 know; they refuse a superblock with any other.
    pub const KNOWN: Self = Self::from_bits_retain(0x1fff);

    /// The bits outside [`Self::KNOWN`].
    #[must_use]
    pub fn unknown(self) -> u32 {
        self.bits() & !Self::KNOWN.bits()
    }
}

bitflags! {
    /// `devflags`. Bits that we do not know are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DevFlags: u8 {
        /// Read from this device only when there is no other.
        const WRITE_MOSTLY = 1;
        /// Do not retry requests to this device.
        const FAIL_FAST = 2;
        const _ = !0;
    }
}

/// A time as it is stored: seconds in the low 40 bits, microseconds in the high 24.
///
/// Ordered by time; the stored number is not (microseconds are its high part).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Seconds since 1970, 40 bits.
    pub seconds: u64,
    /// Microseconds, 24 bits; mdadm writes 0, the kernel a number below a million.
    pub micros: u32,
}

impl Stamp {
    const SECONDS: u64 = (1 << 40) - 1;

    /// From the stored number.
    #[must_use]
    pub fn from_raw(raw: u64) -> Self {
        Self { seconds: raw & Self::SECONDS, micros: u32::try_from(raw >> 40).unwrap_or(0) }
    }

    /// The stored number; bits that do not fit are dropped.
    #[must_use]
    pub fn raw(self) -> u64 {
        self.seconds & Self::SECONDS | u64::from(self.micros) << 40
    }
}

/// The fixed part.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Raw {
    pub(crate) magic: U32,
    pub(crate) major_version: U32,
    pub(crate) feature_map: U32,
    pub(crate) pad0: U32,

    pub(crate) set_uuid: [u8; 16],

    pub(crate) set_name: [u8; 32],

    pub(crate) ctime: U64,
    pub(crate) level: I32,
    pub(crate) layout: U32,

    pub(crate) size: U64,
    pub(crate) chunksize: U32,
    pub(crate) raid_disks: U32,

    /// Or `ppl { offset: s16, size: u16 }`.
    pub(crate) bitmap_offset: I32,
    pub(crate) new_level: I32,
    pub(crate) reshape_position: U64,

    pub(crate) delta_disks: I32,
    pub(crate) new_layout: U32,
    pub(crate) new_chunk: U32,
    pub(crate) new_offset: I32,

    pub(crate) data_offset: U64,
    pub(crate) data_size: U64,

    pub(crate) super_offset: U64,
    /// Or `journal_tail`.
    pub(crate) recovery_offset: U64,

    pub(crate) dev_number: U32,
    pub(crate) cnt_corrected_read: U32,
    pub(crate) device_uuid: [u8; 16],
    pub(crate) devflags: u8,
    pub(crate) bblog_shift: u8,
    pub(crate) bblog_size: U16,
    pub(crate) bblog_offset: I32,

    pub(crate) utime: U64,
    pub(crate) events: U64,

    pub(crate) resync_offset: U64,
    pub(crate) sb_csum: U32,
    pub(crate) max_dev: U32,

    /// Padding before Linux 6.19; older kernels refuse a value here.
    pub(crate) logical_block_size: U32,
    pub(crate) pad3: [u8; 28],
}

/// The whole page.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Page {
    pub(crate) head: Raw,
    pub(crate) dev_roles: [U16; 1920],
}

const _: () = assert!(
    size_of::<Raw>() == 256
        && size_of::<Page>() == SIZE
        && offset_of!(Raw, ctime) == 64
        && offset_of!(Raw, bitmap_offset) == 96
        && offset_of!(Raw, data_offset) == 128
        && offset_of!(Raw, recovery_offset) == 152
        && offset_of!(Raw, device_uuid) == 168
        && offset_of!(Raw, bblog_size) == 186
        && offset_of!(Raw, utime) == 192
        && offset_of!(Raw, sb_csum) == 216
        && offset_of!(Raw, logical_block_size) == 224
        && offset_of!(Raw, pad3) == 228
);
