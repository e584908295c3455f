//! Changes to a superblock that exists. Each changes its fields and nothing else; unknown bytes stay.

use super::{
    BadBlockLog, COMPLETE, DevFlags, FeatureMap, MAX_DEVICES, Ppl, ROLE_SPARE, Stamp, Superblock,
    create::stored_role,
};
use crate::{Events, MdUuid, Role, units::Sectors};

/// One change. What mdadm calls it, where it has a word, is in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The event count (`--force`: bring a stale member up to date).
    Events(Events),
    /// The time of the last update, in seconds since 1970.
    Updated(u64),
    /// The role of a device by its number; `max_dev` grows where it must (`assemble`).
    Role {
        /// The device.
        number: u32,
        /// Its role. Whether it is a replacement is this device's feature bit and not changed here.
        role: Role,
    },
    /// Which number this device has.
    DevNumber(u32),
    /// This device's identity.
    DeviceUuid(MdUuid),
    /// No resync needed (`--force` on a degraded RAID4/5/6).
    MarkClean,
    /// Resync from the start (`resync`).
    MarkDirty,
    /// The array's identity (`uuid`). The bitmap has a copy of its own.
    Uuid(MdUuid),
    /// The stored name, see [`super::set_name`] (`name`, `homehost`).
    Name([u8; 32]),
    /// Write-mostly on or off (`writemostly`, `readwrite`).
    WriteMostly(bool),
    /// Fail-fast on or off (`failfast`, `nofailfast`).
    FailFast(bool),
    /// Where a reshape stands (`assemble` of an interrupted one).
    ReshapePosition(Sectors),
    /// The reshape is over.
    Reshaped,
    /// Forget the bitmap (`no-bitmap`).
    NoBitmap,
    /// Forget the bad-block log (`no-bbl`, `force-no-bbl`). Whether it is empty is for the caller to ask.
    NoBadBlockLog,
    /// Give it a bad-block log (`bbl`).
    BadBlockLog(BadBlockLog),
    /// Give it a partial parity log (`ppl`).
    Ppl(Ppl),
    /// Forget the partial parity log (`no-ppl`).
    NoPpl,
    /// Room for data (`devicesize`).
    DataSize(Sectors),
    /// RAID0's layout, `None` for unspecified (`layout-original`, `-alternate`, `-unspecified`).
    Raid0Layout(Option<u32>),
}

/// Why a change cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("device number {0} is beyond the {MAX_DEVICES} of version 1 metadata")]
pub struct NoSuchNumber(pub u32);

impl Superblock {
    /// Makes one change and fills in the checksum. Returns whether any byte of the contents changed.
    ///
    /// # Errors
    /// [`NoSuchNumber`].
    pub fn edit(&mut self, edit: Edit) -> Result<bool, NoSuchNumber> {
        let before = self.page.clone();
        self.apply(edit)?;
        let changed = zerocopy::IntoBytes::as_bytes(&*before) != self.as_bytes();
        self.fill_csum();
        Ok(changed)
    }

    /// Stores the checksum of the bytes as they stand.
    pub(super) fn fill_csum(&mut self) {
        let csum = self.computed_csum();
        self.page.head.sb_csum.set(csum);
    }

    fn apply(&mut self, edit: Edit) -> Result<(), NoSuchNumber> {
        let head = &mut self.page.head;
        match edit {
            Edit::Events(events) => head.events.set(events.0),
            Edit::Updated(seconds) => head.utime.set(Stamp { seconds, micros: 0 }.raw()),
            Edit::Role { number, role } => self.set_role(number, role)?,
            Edit::DevNumber(number) => head.dev_number.set(number),
            Edit::DeviceUuid(uuid) => head.device_uuid = uuid.0,
            Edit::MarkClean => head.resync_offset.set(COMPLETE),
            Edit::MarkDirty => head.resync_offset.set(0),
            Edit::Uuid(uuid) => head.set_uuid = uuid.0,
            Edit::Name(name) => head.set_name = name,
            Edit::WriteMostly(on) => self.set_devflag(DevFlags::WRITE_MOSTLY, on),
            Edit::FailFast(on) => self.set_devflag(DevFlags::FAIL_FAST, on),
            Edit::ReshapePosition(position) => head.reshape_position.set(position.0),
            Edit::Reshaped => {
                head.layout = head.new_layout;
                head.chunksize = head.new_chunk;
                head.delta_disks.set(0);
                self.set_features(FeatureMap::RESHAPE_ACTIVE | FeatureMap::RESHAPE_BACKWARDS, false);
            }
            Edit::NoBitmap => self.set_features(FeatureMap::BITMAP_OFFSET, false),
            Edit::NoBadBlockLog => {
                self.set_features(FeatureMap::BAD_BLOCKS, false);
                self.set_log(BadBlockLog::default());
            }
            Edit::BadBlockLog(log) => self.set_log(log),
            Edit::Ppl(ppl) => {
                let ([a, b], [c, d]) = (ppl.offset.to_le_bytes(), ppl.size.to_le_bytes());
                head.bitmap_offset.set(i32::from_le_bytes([a, b, c, d]));
                self.set_features(FeatureMap::PPL, true);
            }
            Edit::NoPpl => self.set_features(FeatureMap::PPL | FeatureMap::MULTIPLE_PPLS, false),
            Edit::DataSize(size) => head.data_size.set(size.0),
            Edit::Raid0Layout(layout) => {
                head.layout.set(layout.unwrap_or(0));
                self.set_features(FeatureMap::RAID0_LAYOUT, layout.is_some());
            }
        }
        Ok(())
    }

    pub(super) fn set_role(&mut self, number: u32, role: Role) -> Result<(), NoSuchNumber> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let counted = usize::try_from(self.max_dev()).unwrap_or(usize::MAX);
        // What lies between the old end and the new one was padding, with any content.
        for gap in self.page.dev_roles.iter_mut().take(index).skip(counted) {
            gap.set(ROLE_SPARE);
        }
        let slot = self.page.dev_roles.get_mut(index).ok_or(NoSuchNumber(number))?;
        slot.set(stored_role(role));
        let needed = number.saturating_add(1).max(self.max_dev());
        self.page.head.max_dev.set(needed);
        Ok(())
    }

    fn set_devflag(&mut self, flag: DevFlags, on: bool) {
        let mut flags = self.devflags();
        flags.set(flag, on);
        self.page.head.devflags = flags.bits();
    }

    fn set_features(&mut self, bits: FeatureMap, on: bool) {
        let mut features = self.feature_map();
        features.set(bits, on);
        self.page.head.feature_map.set(features.bits());
    }

    fn set_log(&mut self, log: BadBlockLog) {
        self.page.head.bblog_offset.set(log.offset);
        self.page.head.bblog_size.set(log.size);
        self.page.head.bblog_shift = log.shift;
    }
}
