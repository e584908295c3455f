//! The 4096 bytes of a 0.90 superblock, under the kernel's names (`include/uapi/linux/raid/md_p.h`).
//!
//! Every word is in the order of the machine that wrote it, so a word has no value until the order is named.
//! `events` and `reshape_position` are 64-bit numbers in that order: the kernel's two declarations, low word
//! first or high word first, come to the same.

use std::mem::{offset_of, size_of};

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::endian::Endian;

/// First word of both native formats.
pub const MAGIC: u32 = 0xa92b_4efc;
/// The superblock's size.
pub const SIZE: usize = 4096;
/// The entries of the table of disks.
pub const MAX_DISKS: u32 = 27;

bitflags! {
    /// `state` of the array. Bits that we do not know are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ArrayState: u32 {
        /// No resync needed.
        const CLEAN = 1;
        /// Errors.
        const ERRORS = 1 << 1;
        /// Bad blocks.
        const BBM_ERRORS = 1 << 2;
        /// Clustered.
        const CLUSTERED = 1 << 5;
        /// A bitmap follows the superblock.
        const BITMAP_PRESENT = 1 << 8;
        const _ = !0;
    }
}

bitflags! {
    /// `state` of a disk. Bits that we do not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DiskState: u32 {
        /// Failed.
        const FAULTY = 1;
        /// In a slot.
        const ACTIVE = 1 << 1;
        /// Its contents are up to date.
        const SYNC = 1 << 2;
        /// Gone.
        const REMOVED = 1 << 3;
        /// Cluster: being added.
        const CLUSTER_ADD = 1 << 4;
        /// Cluster: a candidate.
        const CANDIDATE = 1 << 5;
        /// Read from it only when there is no other.
        const WRITE_MOSTLY = 1 << 9;
        /// Do not retry requests.
        const FAIL_FAST = 1 << 10;
        /// It is replacing the holder of its slot.
        const REPLACEMENT = 1 << 17;
        /// The write journal.
        const JOURNAL = 1 << 18;
        const _ = !0;
    }
}

/// A word whose byte order the superblock decides.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub(super) struct Word([u8; 4]);

impl Word {
    pub(super) fn get(self, order: Endian) -> u32 {
        order.u32(self.0)
    }

    pub(super) fn set(&mut self, order: Endian, value: u32) {
        self.0 = order.bytes(value);
    }
}

/// Two words that are one number.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub(super) struct Double([u8; 8]);

impl Double {
    pub(super) fn get(self, order: Endian) -> u64 {
        match order {
            Endian::Little => u64::from_le_bytes(self.0),
            Endian::Big => u64::from_be_bytes(self.0),
        }
    }

    pub(super) fn set(&mut self, order: Endian, value: u64) {
        self.0 = match order {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        };
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDisk {
    pub(super) number: Word,
    pub(super) major: Word,
    pub(super) minor: Word,
    pub(super) raid_disk: Word,

    pub(super) state: Word,
    pub(super) reserved: [Word; 27],
}

/// The whole.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Raw {
    pub(super) md_magic: Word,
    pub(super) major_version: Word,
    pub(super) minor_version: Word,
    pub(super) patch_version: Word,

    pub(super) gvalid_words: Word,
    pub(super) set_uuid0: Word,
    pub(super) ctime: Word,
    pub(super) level: Word,

    pub(super) size: Word,
    pub(super) nr_disks: Word,
    pub(super) raid_disks: Word,
    pub(super) md_minor: Word,

    pub(super) not_persistent: Word,
    pub(super) set_uuid1: Word,
    pub(super) set_uuid2: Word,
    pub(super) set_uuid3: Word,

    pub(super) gstate_creserved: [Word; 16],

    pub(super) utime: Word,
    pub(super) state: Word,
    pub(super) active_disks: Word,
    pub(super) working_disks: Word,

    pub(super) failed_disks: Word,
    pub(super) spare_disks: Word,
    pub(super) sb_csum: Word,
    pub(super) events: Double,
    pub(super) cp_events: Double,
    pub(super) recovery_cp: Word,

    pub(super) reshape_position: Double,
    pub(super) new_level: Word,
    pub(super) delta_disks: Word,

    pub(super) new_layout: Word,
    pub(super) new_chunk: Word,
    pub(super) gstate_sreserved: [Word; 14],

    pub(super) layout: Word,
    pub(super) chunk_size: Word,
    pub(super) root_pv: Word,
    pub(super) root_block: Word,

    pub(super) pstate_reserved: [Word; 60],

    pub(super) disks: [RawDisk; 27],

    pub(super) this_disk: RawDisk,
}

const _: () = assert!(
    size_of::<Raw>() == SIZE
        && size_of::<RawDisk>() == 128
        && offset_of!(Raw, utime) == 32 * 4
        && offset_of!(Raw, sb_csum) == 38 * 4
        && offset_of!(Raw, events) == 39 * 4
        && offset_of!(Raw, recovery_cp) == 43 * 4
        && offset_of!(Raw, reshape_position) == 44 * 4
        && offset_of!(Raw, layout) == 64 * 4
        && offset_of!(Raw, disks) == 128 * 4
        && offset_of!(Raw, this_disk) == 992 * 4
);
