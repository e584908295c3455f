//! The fields of a version-1 superblock, one getter each, with their units and signs.

use super::{
    DevFlags, FeatureMap, ROLE_FAULTY, ROLE_JOURNAL, ROLE_SPARE, Stamp, Superblock, raw::MAX_DEVICES,
};
use crate::{Events, Level, MdUuid, Role, units::Sectors};

/// Where the bad-block log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadBlockLog {
    /// Sectors from the superblock, negative where the log is before it.
    pub offset: i32,
    /// Its size in sectors.
    pub size: u16,
    /// Its entries count blocks of `512 << shift` bytes.
    pub shift: u8,
}

/// Where the partial parity log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ppl {
    /// Sectors from the superblock, negative where the area is before it.
    ///
    /// mdadm reads it as unsigned when it reports: −2056 is shown as 63480.
    pub offset: i16,
    /// Sectors of the area.
    pub size: u16,
}

/// `u64::MAX`, by which several fields say "complete".
pub(super) const COMPLETE: u64 = u64::MAX;

impl Superblock {
    /// What is present.
    #[must_use]
    pub fn feature_map(&self) -> FeatureMap {
        FeatureMap::from_bits_retain(self.page.head.feature_map.get())
    }

    /// The array's identity.
    #[must_use]
    pub fn set_uuid(&self) -> MdUuid {
        MdUuid(self.page.head.set_uuid)
    }

    /// The array's name up to the first NUL, often `host:name`. Not trusted: any bytes.
    #[must_use]
    pub fn set_name(&self) -> &[u8] {
        let name = &self.page.head.set_name[..];
        name.split(|&byte| byte == 0).next().unwrap_or(name)
    }

    /// The name without its host, split at the first `:`, and the host where there is one.
    #[must_use]
    pub fn host_and_name(&self) -> (Option<&[u8]>, &[u8]) {
        let full = self.set_name();
        let mut parts = full.splitn(2, |&byte| byte == b':');
        match (parts.next(), parts.next()) {
            (Some(host), Some(name)) => (Some(host), name),
            _ => (None, full),
        }
    }

    /// Whether the name begins with `host:`; what "local to host" means.
    #[must_use]
    pub fn is_local_to(&self, host: &[u8]) -> bool {
        !host.is_empty() && self.host_and_name().0 == Some(host)
    }

    /// When the array was created.
    #[must_use]
    pub fn ctime(&self) -> Stamp {
        Stamp::from_raw(self.page.head.ctime.get())
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_number(self.page.head.level.get())
    }

    /// The layout, meaning by level.
    #[must_use]
    pub fn layout(&self) -> u32 {
        self.page.head.layout.get()
    }

    /// Used size of each member; 0 where each uses all it has (RAID0, linear).
    #[must_use]
    pub fn size(&self) -> Sectors {
        Sectors(self.page.head.size.get())
    }

    /// The chunk; 0 where the level has none.
    #[must_use]
    pub fn chunksize(&self) -> Sectors {
        Sectors(self.page.head.chunksize.get().into())
    }

    /// Number of slots. During a reshape, the number after it.
    #[must_use]
    pub fn raid_disks(&self) -> u32 {
        self.page.head.raid_disks.get()
    }

    /// Sectors from the superblock to the bitmap, negative where that is before it; `None` without one.
    #[must_use]
    pub fn bitmap_offset(&self) -> Option<i32> {
        let present = self.feature_map().contains(FeatureMap::BITMAP_OFFSET);
        present.then(|| self.page.head.bitmap_offset.get())
    }

    /// Where the bitmap is on the device; `None` without one, or where the offset leads off the device.
    #[must_use]
    pub fn bitmap_at(&self) -> Option<Sectors> {
        self.relative(self.bitmap_offset()?)
    }

    /// The partial parity log; `None` without one, and beside a bitmap, whose offset has the same bytes.
    #[must_use]
    pub fn ppl(&self) -> Option<Ppl> {
        let features = self.feature_map();
        if features.contains(FeatureMap::BITMAP_OFFSET)
            || !features.intersects(FeatureMap::PPL | FeatureMap::MULTIPLE_PPLS)
        {
            return None;
        }
        let [a, b, c, d] = self.page.head.bitmap_offset.to_bytes();
        Some(Ppl { offset: i16::from_le_bytes([a, b]), size: u16::from_le_bytes([c, d]) })
    }

    /// Where the partial parity log is on the device; `None` as for [`Self::bitmap_at`].
    #[must_use]
    pub fn ppl_at(&self) -> Option<Sectors> {
        self.relative(self.ppl()?.offset.into())
    }

    /// The level after the reshape.
    #[must_use]
    pub fn new_level(&self) -> Level {
        Level::from_number(self.page.head.new_level.get())
    }

    /// Where the reshape stands, in array sectors; meaningful while one is active.
    #[must_use]
    pub fn reshape_position(&self) -> Sectors {
        Sectors(self.page.head.reshape_position.get())
    }

    /// The change of the number of slots; negative shrinks.
    #[must_use]
    pub fn delta_disks(&self) -> i32 {
        self.page.head.delta_disks.get()
    }

    /// The layout after the reshape.
    #[must_use]
    pub fn new_layout(&self) -> u32 {
        self.page.head.new_layout.get()
    }

    /// The chunk after the reshape.
    #[must_use]
    pub fn new_chunk(&self) -> Sectors {
        Sectors(self.page.head.new_chunk.get().into())
    }

    /// By how many sectors the data moves in the reshape; meaningful with [`FeatureMap::NEW_OFFSET`].
    #[must_use]
    pub fn new_offset(&self) -> i32 {
        self.page.head.new_offset.get()
    }

    /// Where the data begins.
    #[must_use]
    pub fn data_offset(&self) -> Sectors {
        Sectors(self.page.head.data_offset.get())
    }

    /// Room for data on this device.
    #[must_use]
    pub fn data_size(&self) -> Sectors {
        Sectors(self.page.head.data_size.get())
    }

    /// How far this device is recovered; meaningful with [`FeatureMap::RECOVERY_OFFSET`]. All 64 bits
    /// (mdadm reads 32).
    #[must_use]
    pub fn recovery_offset(&self) -> Sectors {
        Sectors(self.page.head.recovery_offset.get())
    }

    /// The same bytes on a journal device: where the journal's log begins, from `data_offset`.
    #[must_use]
    pub fn journal_tail(&self) -> Sectors {
        self.recovery_offset()
    }

    /// Index into the roles; the device keeps it for as long as it is a member.
    #[must_use]
    pub fn dev_number(&self) -> u32 {
        self.page.head.dev_number.get()
    }

    /// Read errors that were corrected by writing.
    #[must_use]
    pub fn cnt_corrected_read(&self) -> u32 {
        self.page.head.cnt_corrected_read.get()
    }

    /// The device's identity.
    #[must_use]
    pub fn device_uuid(&self) -> MdUuid {
        MdUuid(self.page.head.device_uuid)
    }

    /// Flags of this device.
    #[must_use]
    pub fn devflags(&self) -> DevFlags {
        DevFlags::from_bits_retain(self.page.head.devflags)
    }

    /// The bad-block log as the fields have it; `None` where its size or offset is 0.
    #[must_use]
    pub fn bad_block_log(&self) -> Option<BadBlockLog> {
        let head = &self.page.head;
        let (offset, size, shift) = (head.bblog_offset.get(), head.bblog_size.get(), head.bblog_shift);
        (offset != 0 && size != 0).then_some(BadBlockLog { offset, size, shift })
    }

    /// Where the bad-block log is on the device; `None` without one, or where the offset leads off the device.
    #[must_use]
    pub fn bad_block_log_at(&self) -> Option<Sectors> {
        self.relative(self.bad_block_log()?.offset)
    }

    /// When it was last written.
    #[must_use]
    pub fn utime(&self) -> Stamp {
        Stamp::from_raw(self.page.head.utime.get())
    }

    /// Event count.
    #[must_use]
    pub fn events(&self) -> Events {
        Events(self.page.head.events.get())
    }

    /// Up to where the array is known to be in sync, from `data_offset`; `None` where it is clean.
    #[must_use]
    pub fn resync_offset(&self) -> Option<Sectors> {
        let offset = self.page.head.resync_offset.get();
        (offset != COMPLETE).then_some(Sectors(offset))
    }

    /// Whether no resync is needed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.resync_offset().is_none()
    }

    /// The checksum as stored.
    #[must_use]
    pub fn sb_csum(&self) -> u32 {
        self.page.head.sb_csum.get()
    }

    /// How many roles count, at most [`MAX_DEVICES`].
    #[must_use]
    pub fn max_dev(&self) -> u32 {
        self.page.head.max_dev.get().min(MAX_DEVICES)
    }

    /// The array's logical block size in bytes; 0 where the array was made before Linux 6.19.
    #[must_use]
    pub fn logical_block_size(&self) -> u32 {
        self.page.head.logical_block_size.get()
    }

    /// The role of every device by number, `max_dev` of them, as stored.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = u16> + '_ {
        let count = usize::try_from(self.max_dev()).unwrap_or(usize::MAX);
        self.page.dev_roles.iter().take(count).map(|role| role.get())
    }

    /// The stored role of device `number`; that of a spare where `max_dev` does not reach.
    #[must_use]
    pub fn role_of(&self, number: u32) -> u16 {
        let nth = usize::try_from(number).unwrap_or(usize::MAX);
        self.roles().nth(nth).unwrap_or(ROLE_SPARE)
    }

    /// This device's role. A number beyond `max_dev` has none and counts as failed, as mdadm decides when it
    /// assembles (its report says "spare", as it does for every failed device).
    #[must_use]
    pub fn role(&self) -> Role {
        if self.dev_number() >= self.max_dev() {
            return Role::Faulty;
        }
        match self.role_of(self.dev_number()) {
            ROLE_SPARE => Role::Spare,
            ROLE_FAULTY => Role::Faulty,
            ROLE_JOURNAL => Role::Journal,
            slot => Role::Slot {
                slot: slot.into(),
                replacement: self.feature_map().contains(FeatureMap::REPLACEMENT),
            },
        }
    }

    /// Whether a device of this size has room for what the superblock describes. mdadm takes a 1.1 or 1.2
    /// superblock on a device that is too small for none, except when it reports.
    #[must_use]
    pub fn fits(&self, device: Sectors) -> bool {
        let end = |size: Sectors| self.data_offset().0.checked_add(size.0);
        let holds = |size| end(size).is_some_and(|end| end <= device.0);
        self.minor == super::Minor::V1_0
            || (self.role() == Role::Journal || holds(self.size())) && holds(self.data_size())
    }

    /// The absolute place of something that is given relative to the superblock.
    fn relative(&self, offset: i32) -> Option<Sectors> {
        self.at().0.checked_add_signed(offset.into()).map(Sectors)
    }
}
