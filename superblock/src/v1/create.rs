//! New superblocks: the fields that mdadm writes at creation, from inputs alone.

use zerocopy::FromZeros;

use super::{
    COMPLETE, DevFlags, FeatureMap, MAGIC, MAX_DEVICES, MIN_DEVICE, Minor, ROLE_FAULTY, ROLE_JOURNAL,
    ROLE_MAX, ROLE_SPARE, Stamp, Superblock,
    raw::{Page, Raw},
};
use crate::{Events, Level, MdUuid, Role, bitmap, placement, units::Sectors};

/// What all members of a new array have in common.
#[derive(Clone, Debug)]
pub struct NewArray {
    /// Where the superblocks go.
    pub minor: Minor,
    /// The array's identity.
    pub uuid: MdUuid,
    /// The stored name, see [`set_name`].
    pub name: [u8; 32],
    /// Creation time, seconds since 1970.
    pub created: u64,
    /// The level.
    pub level: Level,
    /// Layout by level. RAID0 takes 0 (dangerous), 1 (original) or 2 (alternate).
    pub layout: u32,
    /// Used size of each member; 0 where each uses all it has.
    pub size: Sectors,
    /// The chunk; 0 where the level has none.
    pub chunk: Sectors,
    /// Number of slots.
    pub raid_disks: u32,
    /// Devices beyond the slots that are filled: spares, the spare of the RAID5 trick, the journal.
    pub spares: u32,
    /// Whether the array begins in sync.
    pub clean: bool,
    /// Whether RAID0's layout is marked as meaningful: always where it is not 0, from Linux 5.4 on.
    pub raid0_layout: bool,
    /// Whether one of the members is a write journal.
    pub journal: bool,
    /// Whether the members get a partial parity log.
    pub ppl: bool,
    /// The write-intent bitmap, if there is one.
    pub bitmap: Option<NewBitmap>,
    /// Whether room is set aside for a bad-block log (never with a clustered bitmap).
    pub bad_block_log: bool,
    /// Roles by device number. A number that is left out of the array is a spare.
    pub roles: Vec<Role>,
}

/// A new bitmap and its place.
#[derive(Clone, Debug)]
pub struct NewBitmap {
    /// Sectors from the superblock.
    pub offset: i32,
    /// Its superblock.
    pub superblock: bitmap::Superblock,
}

/// What is each member's own.
#[derive(Clone, Copy, Debug)]
pub struct NewMember {
    /// Its number, the index of its role.
    pub number: u32,
    /// Its identity.
    pub uuid: MdUuid,
    /// 0 for a new array. mdadm gives a journal 1 where no data member was written before it.
    pub events: Events,
    /// The size of the whole device.
    pub device: Sectors,
    /// Where its data begins; 0 for 1.0.
    pub data_offset: Sectors,
    /// Write-mostly and fail-fast.
    pub flags: DevFlags,
}

/// Why there can be no such superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// More devices than the format has roles for.
    #[error("{0} devices are too many: version 1 metadata has room for {MAX_DEVICES}")]
    TooManyDevices(u32),
    /// The device cannot hold metadata and data.
    #[error("a device of {device} is too small: {needed} are needed")]
    TooSmall {
        /// What there is.
        device: Sectors,
        /// What is needed.
        needed: Sectors,
    },
}

/// The stored name: `host:name` where a host is given, the name has no `:` of its own and both fit 31 bytes;
/// else the name alone, cut to 31.
#[must_use]
pub fn set_name(host: Option<&[u8]>, name: &[u8]) -> [u8; 32] {
    let joined = host.filter(|_| !name.contains(&b':')).map(|host| [host, b":", name].concat());
    let stored = joined.as_deref().filter(|joined| joined.len() < 32).unwrap_or(name);
    let mut field = [0; 32];
    for (to, from) in field.iter_mut().zip(stored.iter().take(31).take_while(|&&byte| byte != 0)) {
        *to = *from;
    }
    field
}

impl NewArray {
    /// The superblock of one member, byte for byte what mdadm writes from the same inputs.
    ///
    /// # Errors
    /// [`NotPossible`].
    pub fn member(&self, member: &NewMember) -> Result<Superblock, NotPossible> {
        let mut page = Box::new(Page::new_zeroed());
        self.fill_shared(&mut page.head)?;
        self.fill_roles(&mut page)?;
        let head = &mut page.head;
        head.dev_number.set(member.number);
        head.device_uuid = member.uuid.0;
        head.devflags = member.flags.bits();
        head.events.set(member.events.0);
        self.fill_places(head, member)?;
        let mut superblock = Superblock { minor: self.minor, page };
        superblock.fill_csum();
        Ok(superblock)
    }

    fn features(&self) -> FeatureMap {
        let mut features = FeatureMap::empty();
        features.set(FeatureMap::BITMAP_OFFSET, self.bitmap.is_some());
        features.set(FeatureMap::BITMAP_VERSIONED, self.is_clustered());
        features.set(FeatureMap::PPL, self.ppl);
        features.set(FeatureMap::JOURNAL, self.journal);
        features.set(FeatureMap::RAID0_LAYOUT, self.raid0_layout);
        features
    }

    fn is_clustered(&self) -> bool {
        self.bitmap.as_ref().is_some_and(|bitmap| bitmap.superblock.nodes() > 0)
    }

    fn fill_shared(&self, head: &mut Raw) -> Result<(), NotPossible> {
        let devices = self.raid_disks.saturating_add(self.spares);
        if devices > MAX_DEVICES {
            return Err(NotPossible::TooManyDevices(devices));
        }
        let now = Stamp { seconds: self.created, micros: 0 }.raw();
        head.magic.set(MAGIC);
        head.major_version.set(1);
        head.feature_map.set(self.features().bits());
        head.set_uuid = self.uuid.0;
        head.set_name = self.name;
        head.ctime.set(now);
        head.utime.set(now);
        head.level.set(self.level.number());
        head.layout.set(self.layout);
        head.size.set(self.size.0);
        head.chunksize.set(u32::try_from(self.chunk.0).unwrap_or(u32::MAX));
        head.raid_disks.set(self.raid_disks);
        head.resync_offset.set(if self.clean { COMPLETE } else { 0 });
        // Room for roles up to the end of the last sector that the devices need.
        let used = devices.saturating_mul(2).saturating_add(256).next_multiple_of(512);
        head.max_dev.set(used.saturating_sub(256) / 2);
        Ok(())
    }

    fn fill_roles(&self, page: &mut Page) -> Result<(), NotPossible> {
        for role in &mut page.dev_roles {
            role.set(ROLE_SPARE);
        }
        let count = u32::try_from(self.roles.len()).unwrap_or(u32::MAX);
        if count > MAX_DEVICES {
            return Err(NotPossible::TooManyDevices(count));
        }
        for (slot, role) in page.dev_roles.iter_mut().zip(&self.roles) {
            slot.set(stored_role(*role));
        }
        if count > page.head.max_dev.get() {
            page.head.max_dev.set(count);
        }
        Ok(())
    }

    /// The offsets and sizes that depend on the device.
    fn fill_places(&self, head: &mut Raw, member: &NewMember) -> Result<(), NotPossible> {
        let small = |needed| NotPossible::TooSmall { device: member.device, needed };
        let at = self.minor.place(member.device.bytes()).ok_or(small(MIN_DEVICE))?;
        head.super_offset.set(at.0);
        head.data_offset.set(member.data_offset.0);
        let (offset, space) = self.fill_log(head);
        if self.minor == Minor::V1_0 {
            let spare = at.checked_sub(self.size).ok_or(small(self.size.saturating_add(Sectors(24))))?;
            // The bitmap's room and the bad-block log's, or what the used size leaves of them.
            let reserved = space.saturating_add(Sectors(8)).min(spare);
            head.data_size.set(at.saturating_sub(reserved).0);
            if self.wants_log() && reserved >= Sectors(8) {
                head.bblog_size.set(8);
                head.bblog_offset.set(-8);
            }
            return Ok(());
        }
        let room = member.device.checked_sub(member.data_offset).ok_or(small(member.data_offset))?;
        head.data_size.set(room.0);
        let after_bitmap = offset.saturating_add(space);
        let log = if member.data_offset >= at.saturating_add(after_bitmap).saturating_add(Sectors(8)) {
            Some(after_bitmap)
        } else {
            member
                .data_offset
                .checked_sub(at.saturating_add(Sectors(16)))
                .map(|rest| Sectors(8).saturating_add(rest))
        };
        if let Some(log) = log.filter(|_| self.wants_log()) {
            head.bblog_size.set(8);
            head.bblog_offset.set(i32::try_from(log.0).unwrap_or(i32::MAX));
        }
        Ok(())
    }

    fn wants_log(&self) -> bool {
        self.bad_block_log && !self.is_clustered()
    }

    /// Places bitmap or PPL. Returns the offset from the superblock behind it, as 1.1 and 1.2 count, and the
    /// room that it takes; where there is neither, room is left for a bitmap to come.
    fn fill_log(&self, head: &mut Raw) -> (Sectors, Sectors) {
        if let Some(bitmap) = &self.bitmap {
            head.bitmap_offset.set(bitmap.offset);
            let offset = u64::try_from(bitmap.offset).unwrap_or(0);
            (Sectors(offset), bitmap.superblock.node_area().sectors())
        } else if self.ppl {
            let offset: i16 = if self.minor == Minor::V1_0 { -2056 } else { 8 };
            let [a, b] = offset.to_le_bytes();
            let [c, d] = 2048u16.to_le_bytes();
            head.bitmap_offset = i32::from_le_bytes([a, b, c, d]).into();
            (Sectors(8), placement::PPL_AREA)
        } else {
            (Sectors(8), placement::bitmap_space(self.size))
        }
    }
}

/// The number that a role is stored as.
pub(super) fn stored_role(role: Role) -> u16 {
    match role {
        Role::Slot { slot, .. } => u16::try_from(slot).unwrap_or(ROLE_FAULTY).min(ROLE_MAX),
        Role::Spare => ROLE_SPARE,
        Role::Faulty => ROLE_FAULTY,
        Role::Journal => ROLE_JOURNAL,
    }
}
