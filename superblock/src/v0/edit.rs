//! New 0.90 superblocks, and changes to those that exist.

use zerocopy::{FromZeros, IntoBytes};

use super::{
    ArrayState, Disk, DiskState, MAGIC, MAX_DISKS, Superblock,
    raw::{Raw, RawDisk},
};
use crate::{
    Events, Level, MdUuid,
    endian::Endian,
    units::{Bytes, Kib, Sectors},
    v1::{NotReverted, aligned},
};

/// What all members of a new array have in common.
#[derive(Clone, Debug)]
pub struct NewArray {
    /// The array's identity; see [`super::uuid_at_home`].
    pub uuid: MdUuid,
    /// Creation time, seconds since 1970.
    pub created: u32,
    /// The level.
    pub level: Level,
    /// Layout by level.
    pub layout: u32,
    /// Used size of each member, less than 4 TiB.
    pub size: Kib,
    /// The chunk; 0 where the level has none.
    pub chunk: Bytes,
    /// Number of slots.
    pub raid_disks: u32,
    /// The preferred minor.
    pub md_minor: u32,
    /// State of the array: clean, bitmap present.
    pub state: ArrayState,
    /// Disks there are and are missed.
    pub nr_disks: u32,
    /// Disks in slots.
    pub active_disks: u32,
    /// Disks that there are.
    pub working_disks: u32,
    /// Disks that are missed.
    pub failed_disks: u32,
    /// Spares.
    pub spare_disks: u32,
    /// The disks. Of their states only active and in-sync are stored, as mdadm does: write-mostly is for the
    /// kernel to record.
    pub disks: Vec<Disk>,
}

/// A disk number beyond the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("disk number {0} is beyond the {MAX_DISKS} of 0.90 metadata")]
pub struct NoSuchDisk(pub u32);

impl NewArray {
    /// The superblock of the member `number`, whose device puts it at `at`; byte for byte what mdadm writes
    /// from the same inputs.
    ///
    /// # Errors
    /// [`NoSuchDisk`].
    pub fn member(&self, number: u32, at: Sectors, order: Endian) -> Result<Superblock, NoSuchDisk> {
        let mut raw = Box::new(Raw::new_zeroed());
        let [first, second, third, fourth] = self.uuid.words();
        let word = |bytes: [u8; 4]| u32::from_ne_bytes(bytes);
        let fields = [
            (&mut raw.md_magic, MAGIC),
            (&mut raw.minor_version, 90),
            (&mut raw.set_uuid0, first),
            (&mut raw.set_uuid1, second),
            (&mut raw.set_uuid2, third),
            (&mut raw.set_uuid3, fourth),
            (&mut raw.ctime, self.created),
            (&mut raw.utime, self.created),
            (&mut raw.level, word(self.level.number().to_ne_bytes())),
            (&mut raw.size, u32::try_from(self.size.0).unwrap_or(u32::MAX)),
            (&mut raw.raid_disks, self.raid_disks),
            (&mut raw.md_minor, self.md_minor),
            (&mut raw.state, self.state.bits()),
            (&mut raw.nr_disks, self.nr_disks),
            (&mut raw.active_disks, self.active_disks),
            (&mut raw.working_disks, self.working_disks),
            (&mut raw.failed_disks, self.failed_disks),
            (&mut raw.spare_disks, self.spare_disks),
            (&mut raw.layout, self.layout),
            (&mut raw.chunk_size, u32::try_from(self.chunk.0).unwrap_or(u32::MAX)),
        ];
        for (field, value) in fields {
            field.set(order, value);
        }
        raw.events.set(order, 1);
        let mut superblock = Superblock { at, order, raw };
        for disk in &self.disks {
            let state = disk.state & (DiskState::ACTIVE | DiskState::SYNC);
            Disk { state, ..*disk }.write_to(superblock.entry(disk.number)?, order);
        }
        superblock.raw.this_disk = *superblock.entry(number)?;
        superblock.fill_csum();
        Ok(superblock)
    }
}

impl Superblock {
    /// The superblock with which a device joins this member's array, at `at` on that device: as the spare `disk`.
    ///
    /// # Errors
    /// [`NoSuchDisk`].
    pub fn newcomer(&self, disk: Disk, at: Sectors) -> Result<Self, NoSuchDisk> {
        let mut joined = self.clone();
        joined.at = at;
        joined.edit(Edit::Disk(disk))?;
        joined.edit(Edit::ThisDisk(disk))?;
        Ok(joined)
    }
}

/// One change. What mdadm calls it, where it has a word, is in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The event count (`--force`: bring a stale member up to date).
    Events(Events),
    /// The time of the last update, in seconds since 1970.
    Updated(u32),
    /// An entry of the table, by its number (`assemble`).
    Disk(Disk),
    /// This device's own entry.
    ThisDisk(Disk),
    /// No resync needed (`--force` on a degraded RAID4/5/6).
    MarkClean,
    /// Resync from the start (`resync`).
    MarkDirty,
    /// The array's identity (`uuid`, `homehost`). The bitmap has a copy of its own.
    Uuid(MdUuid),
    /// The preferred minor (`super-minor`).
    Minor(u32),
    /// Where a reshape stands (`assemble` of an interrupted one).
    ReshapePosition(Sectors),
    /// Forget the bitmap (`no-bitmap`).
    NoBitmap,
    /// Count the disks anew (`summaries`).
    Summaries,
    /// The other byte order (`byteorder`).
    ByteOrder,
    /// Move all words behind the checksum up by one, where Linux 2.2 on sparc left a gap (`sparc2.2`).
    Sparc22,
}

impl Superblock {
    /// Makes one change and fills in the checksum. Returns whether any byte of the contents changed.
    ///
    /// # Errors
    /// [`NoSuchDisk`].
    pub fn edit(&mut self, edit: Edit) -> Result<bool, NoSuchDisk> {
        let before = self.raw.clone();
        self.apply(edit)?;
        let changed = before.as_bytes() != self.as_bytes();
        self.fill_csum();
        Ok(changed)
    }

    fn apply(&mut self, edit: Edit) -> Result<(), NoSuchDisk> {
        let order = self.order;
        match edit {
            Edit::Events(events) => self.raw.events.set(order, events.0),
            Edit::Updated(seconds) => self.raw.utime.set(order, seconds),
            Edit::Disk(disk) => disk.write_to(self.entry(disk.number)?, order),
            Edit::ThisDisk(disk) => disk.write_to(&mut self.raw.this_disk, order),
            Edit::MarkClean => self.set_state(ArrayState::CLEAN, true),
            Edit::MarkDirty => {
                self.set_state(ArrayState::CLEAN, false);
                self.raw.recovery_cp.set(order, 0);
            }
            Edit::Uuid(uuid) => {
                let [first, second, third, fourth] = uuid.words();
                self.raw.set_uuid0.set(order, first);
                self.raw.set_uuid1.set(order, second);
                self.raw.set_uuid2.set(order, third);
                self.raw.set_uuid3.set(order, fourth);
            }
            Edit::Minor(minor) => self.raw.md_minor.set(order, minor),
            Edit::ReshapePosition(position) => self.raw.reshape_position.set(order, position.0),
            Edit::NoBitmap => self.set_state(ArrayState::BITMAP_PRESENT, false),
            Edit::Summaries => self.summarise(),
            Edit::ByteOrder => self.swap(),
            Edit::Sparc22 => self.raw.as_mut_bytes().copy_within(160.., 156),
        }
        Ok(())
    }

    /// Turns a reshape round, so that it goes back to where it came from (`revert-reshape`).
    ///
    /// # Errors
    /// [`NotReverted`]; nothing is changed then.
    pub fn revert_reshape(&mut self) -> Result<(), NotReverted> {
        let (order, delta) = (self.order, self.delta_disks());
        if self.minor_version() <= 90 {
            return Err(NotReverted::NoReshape);
        }
        if delta == 0 {
            return Err(NotReverted::SameDevices);
        }
        let back = delta.checked_neg().ok_or(NotReverted::Geometry)?;
        let before = self.raid_disks().checked_add_signed(back).ok_or(NotReverted::Geometry)?;
        let parity = match self.level().number() {
            6 => Some(2),
            4 | 5 => Some(1),
            _ => None,
        };
        if let Some(parity) = parity {
            let disks = before.checked_sub(parity).filter(|disks| *disks > 0).ok_or(NotReverted::Geometry)?;
            let position = self.reshape_position().ok_or(NotReverted::NoReshape)?;
            aligned(position, self.new_chunk().sectors(), disks)?;
        }
        self.raw.raid_disks.set(order, before);
        self.raw.delta_disks.set(order, u32::from_ne_bytes(back.to_ne_bytes()));
        std::mem::swap(&mut self.raw.new_layout, &mut self.raw.layout);
        std::mem::swap(&mut self.raw.new_chunk, &mut self.raw.chunk_size);
        self.fill_csum();
        Ok(())
    }

    /// Sets how far a reshape is, in sectors of the array.
    pub fn set_reshape_position(&mut self, position: crate::Sectors) {
        self.raw.reshape_position.set(self.order, position.0);
        self.fill_csum();
    }

    /// A reshape that has laid nothing out anew is forgotten: the shape is what it was.
    ///
    /// # Errors
    /// [`NotReverted`].
    pub fn forget_reshape(&mut self) -> Result<(), NotReverted> {
        if self.reshape_position() != Some(crate::Sectors(0)) {
            return Err(NotReverted::NoReshape);
        }
        let back = self.delta_disks().checked_neg().ok_or(NotReverted::Geometry)?;
        let before = self.raid_disks().checked_add_signed(back).ok_or(NotReverted::Geometry)?;
        self.raw.raid_disks.set(self.order, before);
        self.raw.minor_version.set(self.order, 90);
        self.raw.delta_disks.set(self.order, 0);
        self.fill_csum();
        Ok(())
    }

    /// A reshape is over: version 0.90 again, with the shape that it was to make.
    pub fn end_reshape(&mut self) {
        self.raw.minor_version.set(self.order, 90);
        self.raw.layout = self.raw.new_layout;
        self.raw.chunk_size = self.raw.new_chunk;
        self.raw.delta_disks.set(self.order, 0);
        self.fill_csum();
    }

    fn entry(&mut self, number: u32) -> Result<&mut RawDisk, NoSuchDisk> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.raw.disks.get_mut(index).ok_or(NoSuchDisk(number))
    }

    fn set_state(&mut self, bits: ArrayState, on: bool) {
        let mut state = self.state();
        state.set(bits, on);
        self.raw.state.set(self.order, state.bits());
    }

    fn fill_csum(&mut self) {
        let csum = self.computed_csum();
        self.raw.sb_csum.set(self.order, csum);
    }

    /// Counts from the table. An entry without device numbers is nobody; beyond the slots its state is cleared.
    fn summarise(&mut self) {
        let order = self.order;
        let [mut all, mut active, mut working, mut failed, mut spare] = [0u32; 5];
        let slots = usize::try_from(self.raid_disks()).unwrap_or(usize::MAX);
        let disks: Vec<Disk> = self.disks().collect();
        for (index, (disk, raw)) in disks.iter().zip(&mut self.raw.disks).enumerate() {
            if disk.major == 0 && disk.minor == 0 {
                if index >= slots && disk.number == 0 {
                    raw.state.set(order, 0);
                }
                continue;
            }
            if disk.state.contains(DiskState::REMOVED) {
                continue;
            }
            let faulty = disk.state.contains(DiskState::FAULTY);
            all = all.saturating_add(1);
            active = active.saturating_add(disk.state.contains(DiskState::ACTIVE).into());
            failed = failed.saturating_add(faulty.into());
            working = working.saturating_add((!faulty).into());
            spare = spare.saturating_add(disk.state.is_empty().into());
        }
        self.raw.nr_disks.set(order, all);
        self.raw.active_disks.set(order, active);
        self.raw.working_disks.set(order, working);
        self.raw.failed_disks.set(order, failed);
        self.raw.spare_disks.set(order, spare);
    }

    /// To the other byte order: every word turned round, and the two halves of each 64-bit number exchanged.
    fn swap(&mut self) {
        for word in self.raw.as_mut_bytes().chunks_exact_mut(4) {
            word.reverse();
        }
        let new = self.order.swapped();
        self.order = new;
        // The words are right now; read as numbers of the new order their halves are the wrong way round.
        for double in [&mut self.raw.events, &mut self.raw.cp_events, &mut self.raw.reshape_position] {
            let value = double.get(new).rotate_left(32);
            double.set(new, value);
        }
    }
}

impl Disk {
    /// Sets the named fields; the reserved words stay.
    fn write_to(self, raw: &mut RawDisk, order: Endian) {
        raw.number.set(order, self.number);
        raw.major.set(order, self.major);
        raw.minor.set(order, self.minor);
        raw.raid_disk.set(order, self.raid_disk);
        raw.state.set(order, self.state.bits());
    }
}
