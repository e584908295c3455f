//! The 0.90 superblock.
//!
//! *Where*: in the last 64 KiB block that is aligned to 64 KiB; the 60 KiB behind it are its bitmap's.
//! *Byte order*: the writer's. Both are read and the order is kept; the kernel takes only its own.
//! *Checksum*: [`crate::checksum::md0_sum`] over all 1024 words.
//! *Written by*: mdadm at creation, then the kernel. *Source*: `include/uapi/linux/raid/md_p.h`,
//! `drivers/md/md.c` (`super_90_load`, `super_90_validate`).
//!
//! *Quirks*: the structure does not say where it is, so a partition that ends where its disk ends may carry one
//! that is as valid for the disk. The kernel compares checksums folded to 16 bits, because alphas stored them
//! so; mdadm does not compare them at all. `minor_version` is 91 while a reshape runs.

mod bounds;
mod edit;
mod home;
mod raw;

use std::fmt;

use zerocopy::{FromZeros, IntoBytes};

use crate::{
    Damage, Events, Level, MdUuid, Media, Membership, Role, Write,
    checksum::md0_sum,
    endian::Endian,
    units::{Bytes, Kib, Sectors},
};

pub use edit::{Edit, NewArray, NoSuchDisk};
pub use home::{host_hash, uuid_at_home};
pub use raw::{ArrayState, DiskState, MAGIC, MAX_DISKS, SIZE};

use raw::{Raw, RawDisk};

const FORMAT: &str = "0.90";
/// The block at the end of the device, and what positions are aligned to.
const RESERVED: Sectors = Sectors(128);

/// Where the superblock is on a device of `len`; `None` where the device is too small.
#[must_use]
pub fn place(len: Bytes) -> Option<Sectors> {
    len.sectors().round_down(RESERVED).checked_sub(RESERVED)
}

/// A 0.90 superblock. Holds all bytes as read, so what we do not know survives a rewrite.
#[derive(Clone)]
pub struct Superblock {
    at: Sectors,
    order: Endian,
    raw: Box<Raw>,
}

/// An entry of the table of disks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Its index in the table.
    pub number: u32,
    /// Device numbers when it was last written; of no use later.
    pub major: u32,
    /// See `major`.
    pub minor: u32,
    /// Its slot.
    pub raid_disk: u32,
    /// Its state.
    pub state: DiskState,
}

/// A superblock in its place that was not judged.
pub type Unverified = crate::Unverified<Superblock>;

/// To 16 bits, as the kernel does before it compares (`md_csum_fold`).
fn fold16(csum: u32) -> u32 {
    let once = (csum & 0xffff).wrapping_add(csum >> 16);
    (once & 0xffff).wrapping_add(once >> 16)
}

/// Looks for the superblock, in either byte order. `None` where it is not here.
///
/// # Errors
/// [`Damage::Io`]. All else is for [`Unverified::verify`].
pub fn read(media: &dyn Media) -> Result<Option<Unverified>, Damage> {
    let Some(at) = place(media.len()) else { return Ok(None) };
    let mut raw = Box::new(Raw::new_zeroed());
    media.read_at(at.bytes(), raw.as_mut_bytes()).map_err(|source| Damage::Io {
        format: FORMAT,
        at,
        source,
    })?;
    let order = [Endian::HOST, Endian::HOST.swapped()]
        .into_iter()
        .find(|&order| raw.md_magic.get(order) == MAGIC && raw.major_version.get(order) == 0);
    Ok(order.map(|order| Unverified::new(Superblock { at, order, raw }, media.len().sectors())))
}

impl Superblock {
    /// Where it is.
    #[must_use]
    pub fn at(&self) -> Sectors {
        self.at
    }

    /// Its byte order. Only [`Endian::HOST`] is a member for this machine's kernel.
    #[must_use]
    pub fn order(&self) -> Endian {
        self.order
    }

    /// All bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.raw.as_bytes()
    }

    /// The checksum of the bytes as they stand.
    #[must_use]
    pub fn computed_csum(&self) -> u32 {
        md0_sum(self.as_bytes(), self.order)
    }

    /// The checksum as stored.
    #[must_use]
    pub fn sb_csum(&self) -> u32 {
        self.raw.sb_csum.get(self.order)
    }

    /// Whether the stored checksum is the computed one in all 32 bits, which is what a report says.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        self.sb_csum() == self.computed_csum()
    }

    /// Always 0.
    #[must_use]
    pub fn major_version(&self) -> u32 {
        self.raw.major_version.get(self.order)
    }

    /// 90, or 91 while a reshape runs.
    #[must_use]
    pub fn minor_version(&self) -> u32 {
        self.raw.minor_version.get(self.order)
    }

    /// Usually 0.
    #[must_use]
    pub fn patch_version(&self) -> u32 {
        self.raw.patch_version.get(self.order)
    }

    /// The array's identity. Before minor version 90 it was one word.
    #[must_use]
    pub fn set_uuid(&self) -> MdUuid {
        let raw = &self.raw;
        let words = [raw.set_uuid0, raw.set_uuid1, raw.set_uuid2, raw.set_uuid3];
        let [first, rest @ ..] = words.map(|word| word.get(self.order));
        let rest = if self.minor_version() >= 90 { rest } else { [0; 3] };
        let [second, third, fourth] = rest;
        MdUuid::from_words([first, second, third, fourth])
    }

    /// The UUID as this machine holds it in memory, which is what the bitmap's copy is compared with.
    #[must_use]
    pub fn uuid_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for (group, word) in bytes.chunks_exact_mut(4).zip(self.set_uuid().words()) {
            group.copy_from_slice(&self.order.bytes(word));
        }
        bytes
    }

    /// Whether the UUID's second half is the hash of this host's name.
    #[must_use]
    pub fn is_local_to(&self, host: &[u8]) -> bool {
        !host.is_empty()
            && self.minor_version() >= 90
            && self.set_uuid() == uuid_at_home(self.set_uuid(), host, self.order)
    }

    /// Creation time, seconds since 1970.
    #[must_use]
    pub fn ctime(&self) -> u32 {
        self.raw.ctime.get(self.order)
    }

    /// Last update, seconds since 1970.
    #[must_use]
    pub fn utime(&self) -> u32 {
        self.raw.utime.get(self.order)
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_number(signed(self.raw.level.get(self.order)))
    }

    /// Used size of each member.
    #[must_use]
    pub fn size(&self) -> Kib {
        Kib(self.raw.size.get(self.order).into())
    }

    /// Devices when it was written.
    #[must_use]
    pub fn nr_disks(&self) -> u32 {
        self.raw.nr_disks.get(self.order)
    }

    /// Number of slots. During a reshape, the number after it.
    #[must_use]
    pub fn raid_disks(&self) -> u32 {
        self.raw.raid_disks.get(self.order)
    }

    /// The preferred minor.
    #[must_use]
    pub fn md_minor(&self) -> u32 {
        self.raw.md_minor.get(self.order)
    }

    /// Whether the array is not to keep metadata; 0.
    #[must_use]
    pub fn not_persistent(&self) -> u32 {
        self.raw.not_persistent.get(self.order)
    }

    /// State of the array.
    #[must_use]
    pub fn state(&self) -> ArrayState {
        ArrayState::from_bits_retain(self.raw.state.get(self.order))
    }

    /// Count of active disks when it was written.
    #[must_use]
    pub fn active_disks(&self) -> u32 {
        self.raw.active_disks.get(self.order)
    }

    /// Count of working disks when it was written.
    #[must_use]
    pub fn working_disks(&self) -> u32 {
        self.raw.working_disks.get(self.order)
    }

    /// Count of failed disks when it was written.
    #[must_use]
    pub fn failed_disks(&self) -> u32 {
        self.raw.failed_disks.get(self.order)
    }

    /// Count of spares when it was written.
    #[must_use]
    pub fn spare_disks(&self) -> u32 {
        self.raw.spare_disks.get(self.order)
    }

    /// Event count.
    #[must_use]
    pub fn events(&self) -> Events {
        Events(self.raw.events.get(self.order))
    }

    /// Event count at the last checkpoint of a resync.
    #[must_use]
    pub fn cp_events(&self) -> Events {
        Events(self.raw.cp_events.get(self.order))
    }

    /// How far a resync came, in sectors of each member.
    #[must_use]
    pub fn recovery_cp(&self) -> Sectors {
        Sectors(self.raw.recovery_cp.get(self.order).into())
    }

    /// Where a reshape stands, in array sectors; `None` where none runs.
    #[must_use]
    pub fn reshape_position(&self) -> Option<Sectors> {
        let position = self.raw.reshape_position.get(self.order);
        (self.minor_version() > 90 && position != u64::MAX).then_some(Sectors(position))
    }

    /// The level after the reshape.
    #[must_use]
    pub fn new_level(&self) -> Level {
        Level::from_number(signed(self.raw.new_level.get(self.order)))
    }

    /// The change of the number of slots; negative shrinks.
    #[must_use]
    pub fn delta_disks(&self) -> i32 {
        signed(self.raw.delta_disks.get(self.order))
    }

    /// The layout after the reshape.
    #[must_use]
    pub fn new_layout(&self) -> u32 {
        self.raw.new_layout.get(self.order)
    }

    /// The chunk after the reshape.
    #[must_use]
    pub fn new_chunk(&self) -> Bytes {
        Bytes(self.raw.new_chunk.get(self.order).into())
    }

    /// The layout, meaning by level.
    #[must_use]
    pub fn layout(&self) -> u32 {
        self.raw.layout.get(self.order)
    }

    /// The chunk; 0 where the level has none.
    #[must_use]
    pub fn chunk_size(&self) -> Bytes {
        Bytes(self.raw.chunk_size.get(self.order).into())
    }

    /// Where the bitmap is on the device; `None` without one.
    #[must_use]
    pub fn bitmap_at(&self) -> Option<Sectors> {
        self.state().contains(ArrayState::BITMAP_PRESENT).then(|| self.at.saturating_add(Sectors(8)))
    }

    /// The table of disks.
    pub fn disks(&self) -> impl ExactSizeIterator<Item = Disk> + '_ {
        self.raw.disks.iter().map(|disk| self.disk_of(disk))
    }

    /// This device's own entry.
    #[must_use]
    pub fn this_disk(&self) -> Disk {
        self.disk_of(&self.raw.this_disk)
    }

    fn disk_of(&self, raw: &RawDisk) -> Disk {
        Disk {
            number: raw.number.get(self.order),
            major: raw.major.get(self.order),
            minor: raw.minor.get(self.order),
            raid_disk: raw.raid_disk.get(self.order),
            state: DiskState::from_bits_retain(raw.state.get(self.order)),
        }
    }

    /// What goes to the device, with the checksum filled in.
    #[must_use]
    pub fn encode(&self) -> Write {
        let mut raw = self.raw.clone();
        raw.sb_csum.set(self.order, self.computed_csum());
        Write { at: self.at.bytes(), data: raw.as_bytes().to_vec() }
    }

    /// The common view.
    #[must_use]
    pub fn membership(&self) -> Membership {
        Membership {
            array: self.set_uuid(),
            member: None,
            name: None,
            minor: Some(self.md_minor()),
            level: self.level(),
            raid_disks: self.raid_disks(),
            layout: self.layout(),
            chunk: self.chunk_size().sectors(),
            component_size: self.size().sectors(),
            data_offset: Sectors(0),
            data_size: self.at,
            events: self.events(),
            role: self.this_disk().role(),
            dev_number: self.this_disk().number,
            created: self.ctime().into(),
            updated: self.utime().into(),
            clean: self.state().contains(ArrayState::CLEAN),
            recovery_offset: None,
            reshape_position: self.reshape_position(),
        }
    }
}

impl Disk {
    /// What it is to the array.
    #[must_use]
    pub fn role(&self) -> Role {
        if self.state.contains(DiskState::FAULTY) {
            Role::Faulty
        } else if self.state.contains(DiskState::JOURNAL) {
            Role::Journal
        } else if self.state.intersects(DiskState::SYNC | DiskState::ACTIVE) {
            let replacement = self.state.contains(DiskState::REPLACEMENT);
            Role::Slot { slot: self.raid_disk, replacement }
        } else {
            Role::Spare
        }
    }
}

fn signed(word: u32) -> i32 {
    i32::from_ne_bytes(word.to_ne_bytes())
}

impl PartialEq for Superblock {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order) && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Superblock {}

impl fmt::Debug for Superblock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (array, number, order) = (self.set_uuid(), self.this_disk().number, self.order);
        write!(f, "0.90 superblock ({order:?} endian) of disk {number} of {array}")
    }
}

#[cfg(test)]
mod tests;
