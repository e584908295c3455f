//! Changes that need more than a value: where a log finds room, how a reshape is turned round, what a 0.90 superblock
//! becomes. The results are mdadm's (`super1.c`), byte for byte, but where that would overlap data.

use zerocopy::FromZeros;

use super::{
    BadBlockLog, COMPLETE, FeatureMap, MAGIC, Minor, Ppl, ROLE_SPARE, Superblock,
    raw::{Page, Stamp},
};
use crate::{
    MdUuid, bitmap,
    units::{Bytes, Sectors},
    v0,
};

/// A bad-block log keeps this far from the superblock, where there is room, so that a bitmap may come between.
const LOG_DISTANCE: i64 = 64;
/// A log takes this much.
const LOG_SIZE: i64 = 8;
/// The header of a partial parity log.
const PPL_HEADER: i64 = 8;
/// The least that is kept of partial parity.
const PPL_LEAST: i64 = 256;
/// What a log with several headers takes.
const PPL_MOST: i64 = 2048;

/// Why there can be no partial parity log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPpl {
    /// A bitmap has its place.
    #[error("Cannot add PPL to array with bitmap")]
    Bitmap,
    /// A journal does its work.
    #[error("Cannot add PPL to array with journal")]
    Journal,
    /// There is no room.
    #[error("Not enough space to add ppl")]
    NoRoom,
}

/// Why a reshape cannot be turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReverted {
    /// There is none.
    #[error("No active reshape to revert")]
    NoReshape,
    /// 0.90 can only turn those round that change the number of devices.
    #[error("Can only revert reshape which changes number of devices")]
    SameDevices,
    /// It stands in the middle of a stripe of the other geometry.
    #[error("Reshape position is not suitably aligned.")]
    Unaligned,
    /// The geometry makes no sense.
    #[error("the geometry of the reshape makes no sense")]
    Geometry,
}

impl Superblock {
    /// Where a bad-block log has room; `None` where it has not.
    #[must_use]
    pub fn room_for_bad_block_log(&self, bitmap: Option<&bitmap::Superblock>) -> Option<BadBlockLog> {
        let signed = |sectors: Sectors| i64::try_from(sectors.0).ok();
        let (at, data) = (signed(self.at())?, signed(self.data_offset())?);
        let (offset, size) = match (self.bitmap_offset(), bitmap, self.ppl()) {
            (Some(offset), Some(bitmap), _) => (i64::from(offset), signed(bitmap.node_area().sectors())?),
            (None, _, Some(ppl)) => (i64::from(ppl.offset), i64::from(ppl.size)),
            _ => (0, 0),
        };
        let log = |offset: i64| Some(BadBlockLog { offset: i32::try_from(offset).ok()?, size: 8, shift: 0 });
        if self.minor() == Minor::V1_0 {
            let room = if size > 0 && offset < 0 {
                offset.checked_neg()?.checked_sub(size)?
            } else {
                at.checked_sub(data)?.checked_sub(signed(self.data_size())?)?
            };
            return if room >= LOG_SIZE { log(LOG_SIZE.checked_neg()?) } else { None };
        }
        // Here mdadm adds the superblock's own place to what counts from the superblock, and may reach into the data.
        let begin = at.checked_add(LOG_SIZE)?;
        let mut place = if size > 0 && offset > 0 { offset.checked_add(size)? } else { begin };
        let far = begin.checked_add(LOG_DISTANCE)?;
        while place < far && at.checked_add(place)?.checked_add(16)? <= data {
            place = place.checked_add(LOG_SIZE)?;
        }
        let end = at.checked_add(place)?.checked_add(LOG_SIZE)?;
        if end <= data { log(place) } else { None }
    }

    /// Where a partial parity log has room.
    ///
    /// # Errors
    /// [`NoPpl`].
    pub fn room_for_ppl(&self) -> Result<Ppl, NoPpl> {
        let features = self.feature_map();
        if features.contains(FeatureMap::BITMAP_OFFSET) {
            return Err(NoPpl::Bitmap);
        }
        if features.contains(FeatureMap::JOURNAL) {
            return Err(NoPpl::Journal);
        }
        self.ppl_room().ok_or(NoPpl::NoRoom)
    }

    fn ppl_room(&self) -> Option<Ppl> {
        let signed = |sectors: Sectors| i64::try_from(sectors.0).ok();
        let (at, data) = (signed(self.at())?, signed(self.data_offset())?);
        let log = self.bad_block_log().map_or(0, |log| i64::from(log.offset));
        let (offset, room) = if self.minor() == Minor::V1_0 {
            let free = at.checked_sub(data)?.checked_sub(signed(self.data_size())?)?;
            let offset = free.checked_neg()?.max(i16::MIN.into());
            (offset, log.checked_sub(offset)?)
        } else if log > 0 {
            (LOG_SIZE, log.checked_sub(LOG_SIZE)?)
        } else {
            (LOG_SIZE, data.checked_sub(at)?.checked_sub(LOG_SIZE)?)
        };
        if room < PPL_HEADER.checked_add(LOG_SIZE)? {
            return None;
        }
        let best = signed(self.chunksize())?.max(PPL_LEAST).checked_add(PPL_HEADER)?;
        let size = if room >= PPL_MOST { PPL_MOST } else { room.min(best) };
        Some(Ppl { offset: i16::try_from(offset).ok()?, size: u16::try_from(size).ok()? })
    }

    /// Turns a reshape round, so that it goes back to where it came from. With `unstarted` one that has not moved anything
    /// is only forgotten.
    ///
    /// # Errors
    /// [`NotReverted`]; nothing is changed then.
    pub fn revert_reshape(&mut self, unstarted: bool) -> Result<(), NotReverted> {
        let features = self.feature_map();
        if !features.contains(FeatureMap::RESHAPE_ACTIVE) {
            return Err(NotReverted::NoReshape);
        }
        let delta = self.delta_disks();
        let back = delta.checked_neg().ok_or(NotReverted::Geometry)?;
        let before = self.raid_disks().checked_add_signed(back).ok_or(NotReverted::Geometry)?;
        let forwards = delta > 0 || delta == 0 && !features.contains(FeatureMap::RESHAPE_BACKWARDS);
        if unstarted && self.reshape_position() == Sectors(0) && forwards {
            let head = &mut self.page.head;
            head.feature_map.set(features.difference(FeatureMap::RESHAPE_ACTIVE).bits());
            head.raid_disks.set(before);
            head.delta_disks.set(0);
            self.fill_csum();
            return Ok(());
        }
        let parity = match self.level().number() {
            6 => Some(2),
            4 | 5 => Some(1),
            _ => None,
        };
        if let Some(parity) = parity {
            let disks = before.checked_sub(parity).filter(|disks| *disks > 0).ok_or(NotReverted::Geometry)?;
            aligned(self.reshape_position(), self.new_chunk(), disks)?;
        }
        self.swap_geometry(before, delta)
    }

    fn swap_geometry(&mut self, before: u32, delta: i32) -> Result<(), NotReverted> {
        let mut features = self.feature_map();
        let head = &mut self.page.head;
        let moved = if features.contains(FeatureMap::NEW_OFFSET) { head.new_offset.get() } else { 0 };
        let back = moved.checked_neg().ok_or(NotReverted::Geometry)?;
        let data = head.data_offset.get().checked_add_signed(moved.into()).ok_or(NotReverted::Geometry)?;
        let size = head.data_size.get().checked_add_signed(back.into()).ok_or(NotReverted::Geometry)?;
        let delta_back = delta.checked_neg().ok_or(NotReverted::Geometry)?;
        if delta == 0 {
            features.toggle(FeatureMap::RESHAPE_BACKWARDS);
        }
        head.feature_map.set(features.bits());
        head.raid_disks.set(before);
        head.delta_disks.set(delta_back);
        std::mem::swap(&mut head.new_layout, &mut head.layout);
        std::mem::swap(&mut head.new_chunk, &mut head.chunksize);
        head.data_offset.set(data);
        head.data_size.set(size);
        if features.contains(FeatureMap::NEW_OFFSET) {
            head.new_offset.set(back);
        }
        self.fill_csum();
        Ok(())
    }

    /// The 1.0 superblock of a 0.90 member: one second younger, so that it is the one that counts. `None` where the device
    /// is too small.
    #[must_use]
    pub fn from_v0(old: &v0::Superblock, device: Bytes, member: MdUuid) -> Option<Self> {
        let mut page = Box::new(Page::new_zeroed());
        let head = &mut page.head;
        head.magic.set(MAGIC);
        head.major_version.set(1);
        head.set_uuid = old.set_uuid().0;
        head.set_name = super::set_name(None, old.md_minor().to_string().as_bytes());
        let stamp = |seconds: u32, more: u64| {
            Stamp { seconds: u64::from(seconds).saturating_add(more), micros: 0 }.raw()
        };
        head.ctime.set(stamp(old.ctime(), 1));
        head.utime.set(stamp(old.utime(), 0));
        head.level.set(old.level().number());
        head.layout.set(old.layout());
        let size = old.size().sectors();
        head.size.set(size.0);
        head.chunksize.set(u32::try_from(old.chunk_size().sectors().0).ok()?);
        head.raid_disks.set(old.raid_disks());
        let all = v0::place(device)?;
        head.data_size.set(if old.level().number() > 0 { size.0 } else { all.0 });
        head.resync_offset.set(COMPLETE);
        head.max_dev.set(v0::MAX_DISKS);
        head.dev_number.set(old.this_disk().number);
        head.super_offset.set(Minor::V1_0.place(device)?.0);
        head.device_uuid = member.0;
        for (role, disk) in page.dev_roles.iter_mut().zip(old.disks()) {
            let good =
                disk.state.contains(v0::DiskState::SYNC) && !disk.state.contains(v0::DiskState::FAULTY);
            let slot = u16::try_from(disk.raid_disk).unwrap_or(ROLE_SPARE);
            role.set(if good { slot } else { ROLE_SPARE });
        }
        let mut superblock = Self { minor: Minor::V1_0, page };
        superblock.fill_csum();
        Some(superblock)
    }
}

/// The position has to be a multiple of what one stripe of the other geometry holds.
pub(crate) fn aligned(position: Sectors, chunk: Sectors, disks: u32) -> Result<(), NotReverted> {
    let stripe = chunk.0.checked_mul(disks.into()).ok_or(NotReverted::Geometry)?;
    match position.0.checked_rem(stripe) {
        Some(0) => Ok(()),
        Some(_) => Err(NotReverted::Unaligned),
        None => Err(NotReverted::Geometry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Events, Level,
        v1::{DevFlags, Edit, NewArray, NewMember},
    };

    fn member(minor: Minor, level: Level, device: u64, data_offset: u64) -> Superblock {
        let array = NewArray {
            minor,
            uuid: MdUuid([1; 16]),
            name: crate::v1::set_name(None, b"x"),
            created: 1,
            level,
            layout: 2,
            size: Sectors(8192),
            chunk: Sectors(128),
            raid_disks: 4,
            spares: 0,
            clean: true,
            raid0_layout: false,
            journal: false,
            ppl: false,
            bitmap: None,
            bad_block_log: true,
            roles: Vec::new(),
        };
        let member = NewMember {
            number: 0,
            uuid: MdUuid([2; 16]),
            events: Events(1),
            device: Sectors(device),
            data_offset: Sectors(data_offset),
            flags: DevFlags::empty(),
        };
        array.member(&member).unwrap()
    }

    #[test]
    fn logs_find_room_or_are_told_that_there_is_none() {
        for (minor, device, data, log, ppl) in [
            // Away from the superblock, where there is room for that.
            (Minor::V1_2, 65536, 2048, Some(80), Some((8, 264))),
            (Minor::V1_1, 65536, 2048, Some(72), Some((8, 264))),
            // Never into the data.
            (Minor::V1_2, 65536, 32, Some(16), Some((8, 16))),
            (Minor::V1_2, 65536, 24, None, None),
            (Minor::V1_0, 8240, 0, Some(-8), Some((-32, 32))),
        ] {
            let mut sb = member(minor, Level::Raid5, device, data);
            sb.edit(Edit::NoBadBlockLog).unwrap();
            if minor == Minor::V1_0 {
                sb.edit(Edit::DataSize(Sectors(8192))).unwrap();
            }
            let found = sb.room_for_bad_block_log(None).map(|log| log.offset);
            assert_eq!(found, log, "{minor} {data}");
            assert_eq!(sb.room_for_ppl().ok().map(|ppl| (ppl.offset, ppl.size)), ppl, "{minor} {data}");
        }
        let sb = member(Minor::V1_2, Level::Raid5, 65536, 2048);
        assert_eq!(sb.room_for_ppl(), Err(NoPpl::NoRoom), "the bad-block log is in the way");
    }

    #[test]
    fn a_reshape_turned_round_twice_is_what_it_was() {
        let mut sb = member(Minor::V1_2, Level::Raid5, 65536, 2048);
        assert_eq!(sb.revert_reshape(false), Err(NotReverted::NoReshape));
        let head = &mut sb.page.head;
        head.feature_map.set((FeatureMap::RESHAPE_ACTIVE | FeatureMap::NEW_OFFSET).bits());
        head.delta_disks.set(1);
        head.new_chunk.set(128);
        head.new_layout.set(0);
        head.new_offset.set(-384);
        head.reshape_position.set(128 * 2 * 3 * 5);
        sb.fill_csum();
        let before = sb.encode();
        sb.revert_reshape(false).unwrap();
        assert_eq!((sb.raid_disks(), sb.delta_disks(), sb.layout()), (3, -1, 0));
        assert_eq!((sb.data_offset(), sb.new_offset()), (Sectors(1664), 384));
        assert!(sb.checksum_ok());
        sb.revert_reshape(true).unwrap();
        assert_eq!(sb.encode(), before);
        sb.page.head.reshape_position.set(128 * 2 + 1);
        assert_eq!(sb.revert_reshape(false), Err(NotReverted::Unaligned));
        // One that has moved nothing is only forgotten.
        sb.page.head.reshape_position.set(0);
        sb.revert_reshape(true).unwrap();
        assert_eq!((sb.raid_disks(), sb.delta_disks()), (3, 0));
        assert!(!sb.feature_map().contains(FeatureMap::RESHAPE_ACTIVE));
    }
}
