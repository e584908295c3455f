//! The superblock of a device that joins an array that exists: what all members share comes from one that is in sync,
//! what is the device's own is made anew. Nothing of the other member's own goes along: neither its bad-block flag,
//! nor how far it was recovered, nor whether it is a replacement.

use super::{DevFlags, FeatureMap, NewArray, NewBitmap, NewMember, NoSuchNumber, NotPossible, Superblock};
use crate::{Events, MdUuid, Role, bitmap, units::Sectors};

/// A device that joins.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// The number that it gets.
    pub number: u32,
    /// Its identity.
    pub uuid: MdUuid,
    /// As a journal, not as a spare.
    pub journal: bool,
    /// The size of the whole device.
    pub device: Sectors,
    /// Write-mostly and fail-fast.
    pub flags: DevFlags,
    /// The array's bitmap, as its superblock stands on the member.
    pub bitmap: Option<bitmap::Superblock>,
    /// Whether room is set aside for a bad-block log.
    pub bad_block_log: bool,
}

impl Superblock {
    /// The superblock with which a device joins this member's array.
    ///
    /// # Errors
    /// [`NotPossible`].
    pub fn newcomer(&self, new: &Newcomer) -> Result<Self, NotPossible> {
        let places = self.described(new).member(&NewMember {
            number: new.number,
            uuid: new.uuid,
            events: Events(0),
            device: new.device,
            data_offset: self.data_offset(),
            flags: new.flags,
        })?;
        let mut joined = self.clone();
        let (head, from) = (&mut joined.page.head, &places.page.head);
        head.super_offset = from.super_offset;
        head.data_size = from.data_size;
        head.bblog_size = from.bblog_size;
        head.bblog_offset = from.bblog_offset;
        head.bblog_shift = from.bblog_shift;
        head.recovery_offset.set(0);
        head.cnt_corrected_read.set(0);
        head.dev_number.set(new.number);
        head.device_uuid = new.uuid.0;
        head.devflags = new.flags.bits();
        // A journal carries the array's count: by it the kernel knows that its log is current.
        if !new.journal {
            head.events.set(0);
        }
        let mut features = self.feature_map();
        features.remove(
            FeatureMap::RECOVERY_OFFSET
                | FeatureMap::BAD_BLOCKS
                | FeatureMap::REPLACEMENT
                | FeatureMap::RECOVERY_BITMAP,
        );
        features.set(FeatureMap::JOURNAL, features.contains(FeatureMap::JOURNAL) || new.journal);
        joined.page.head.feature_map.set(features.bits());
        let role = if new.journal { Role::Journal } else { Role::Spare };
        joined
            .set_role(new.number, role)
            .map_err(|NoSuchNumber(number)| NotPossible::TooManyDevices(number.saturating_add(1)))?;
        joined.fill_csum();
        Ok(joined)
    }

    /// The array as a new one, as far as the places on a member depend on it.
    fn described(&self, new: &Newcomer) -> NewArray {
        let bitmap = self.bitmap_offset().zip(new.bitmap);
        NewArray {
            minor: self.minor(),
            uuid: self.set_uuid(),
            name: [0; 32],
            created: 0,
            level: self.level(),
            layout: self.layout(),
            size: self.size(),
            chunk: self.chunksize(),
            raid_disks: self.raid_disks(),
            spares: 0,
            clean: true,
            raid0_layout: false,
            journal: false,
            ppl: self.ppl().is_some(),
            bitmap: bitmap.map(|(offset, superblock)| NewBitmap { offset, superblock }),
            bad_block_log: new.bad_block_log,
            roles: Vec::new(),
        }
    }
}
