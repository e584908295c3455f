//! What a version-1 superblock says, as one value.

use serde::Serialize;
use superblock::{
    Level, Sectors, bitmap,
    v1::{DevFlags, FeatureMap, Minor, ROLE_FAULTY, ROLE_JOURNAL, ROLE_MAX, Superblock},
};

use super::super::{DiskText, words};

/// A version-1 superblock for a reader.
#[derive(Clone, Debug, Serialize)]
pub struct V1 {
    /// `1.0`, `1.1`, `1.2`.
    pub metadata: &'static str,
    pub feature_map: u32,
    pub array_uuid: String,
    pub name: DiskText,
    /// The host that the name says it belongs to, where that is this one.
    pub local_to_host: Option<String>,
    pub cluster_name: Option<DiskText>,
    pub created_unix_seconds: u64,
    /// `null` for a number without a name.
    pub level: Option<&'static str>,
    pub level_number: i32,
    pub raid_devices: u32,
    pub avail_dev_size_sectors: u64,
    /// `null` where the level does not say.
    pub array_size_kib: Option<u64>,
    pub used_dev_size_sectors: u64,
    pub data_offset_sectors: u64,
    /// Where the data will begin after the reshape.
    pub new_data_offset_sectors: Option<u64>,
    pub super_offset_sectors: u64,
    pub recovery_offset_sectors: Option<u64>,
    #[serde(flatten)]
    pub space: Space,
    pub clean: bool,
    pub device_uuid: String,
    pub bitmap: Option<BitmapLine>,
    pub ppl: Option<Ppl>,
    pub reshape: Option<ReshapeV1>,
    pub write_mostly: bool,
    pub failfast: bool,
    pub device_flags: u8,
    pub updated_unix_seconds: u64,
    pub bad_block_log: Option<BadBlockLog>,
    pub checksum: Checksum,
    pub events: u64,
    pub layout: Option<String>,
    pub layout_number: u32,
    pub chunk_sectors: u64,
    pub device_number: u32,
    pub role: Role,
    /// By slot: how many devices have it. Empty where the number of slots is beyond the format.
    pub devices_per_slot: Vec<u32>,
    /// By device number; `null` for a spare or failed device.
    pub slots: Vec<Option<u16>>,
    /// What contradicts itself and is shown nevertheless.
    pub defects: Vec<String>,
    pub logical_block_size_bytes: u32,
}

/// Room around the data. Negative "after": the device is too small.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Space {
    pub unused_before_sectors: Option<u64>,
    pub unused_after_sectors: Option<i64>,
    pub truncated: bool,
    /// The stored numbers, as the text shows them: wrapping as in the original.
    #[serde(skip)]
    pub(super) shown: Option<(u64, u64)>,
}

/// The write-intent bitmap's place.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BitmapLine {
    /// From the superblock.
    pub offset_sectors: i32,
}

/// The partial parity log.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ppl {
    /// From the superblock.
    pub offset_sectors: i16,
    pub size_sectors: u16,
}

/// A reshape that is under way.
#[derive(Clone, Debug, Serialize)]
pub struct ReshapeV1 {
    pub position_sectors: u64,
    pub delta_devices: i32,
    pub new_level: Option<&'static str>,
    pub new_level_number: i32,
    pub new_layout: Option<String>,
    pub new_layout_number: u32,
    pub new_chunk_sectors: u64,
}

/// The bad-block log.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BadBlockLog {
    pub entries: u32,
    /// From the superblock.
    pub offset_sectors: i32,
    pub has_bad_blocks: bool,
}

/// The checksum.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Checksum {
    pub stored: u32,
    pub computed: u32,
    pub correct: bool,
}

impl Checksum {
    pub(super) fn of(stored: u32, computed: u32) -> Self {
        Self { stored, computed, correct: stored == computed }
    }
}

/// What the device is to the array by its own superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "slot")]
pub enum Role {
    Active(u16),
    Replacement(u16),
    /// Failed devices read the same.
    Spare,
    Journal,
}

/// The data members as a fraction of the slots, as the original reckons the array size.
fn data_members(level: Level, raid_disks: u32, layout: u32) -> Option<(u64, u64)> {
    let n = u64::from(raid_disks);
    match level {
        Level::Raid1 => Some((1, 1)),
        Level::Raid4 | Level::Raid5 => Some((n.checked_sub(1)?, 1)),
        Level::Raid6 => Some((n.checked_sub(2)?, 1)),
        Level::Raid10 => Some((n, u64::from(layout & 255) * u64::from(layout >> 8 & 255))),
        Level::Faulty
        | Level::Multipath
        | Level::Linear
        | Level::Raid0
        | Level::Container
        | Level::Other(_) => None,
    }
}

/// The array's size in bytes from one member's; `None` where the level does not say or the layout is damaged.
pub(super) fn array_bytes(level: Level, raid_disks: u32, layout: u32, member_bytes: u128) -> Option<u128> {
    let (data, copies) = data_members(level, raid_disks, layout)?;
    if data == 0 {
        return None;
    }
    member_bytes.saturating_mul(data.into()).checked_div(copies.into())
}

impl V1 {
    /// From a superblock, the bitmap superblock where the metadata says that there is one, the device's size, and
    /// the name of this host.
    #[must_use]
    pub fn of(
        sb: &Superblock,
        bitmap: Option<&bitmap::Superblock>,
        device: Sectors,
        host: Option<&str>,
    ) -> Self {
        let features = sb.feature_map();
        let level = sb.level();
        let space = space(sb, bitmap, device);
        let (slots, devices_per_slot, mut defects) = slots(sb);
        if level == Level::Raid10 && array_bytes(level, 2, sb.layout(), 1).is_none() {
            defects.push(format!("layout {:#x} has no copies", sb.layout()));
        }
        if bitmap.is_some_and(|b| b.chunksize() == 0) {
            defects.push("the bitmap's chunk size is 0".to_owned());
        }
        let bytes = array_bytes(level, sb.raid_disks(), sb.layout(), sectors_to_bytes(sb.size()));
        Self {
            metadata: minor_by_place(sb.at().0).name(),
            feature_map: features.bits(),
            array_uuid: sb.set_uuid().to_string(),
            name: DiskText::new(sb.set_name()),
            local_to_host: host
                .filter(|host| host.len() < 32 && sb.is_local_to(host.as_bytes()))
                .map(str::to_owned),
            cluster_name: cluster_name(sb, bitmap),
            created_unix_seconds: sb.ctime().seconds,
            level: level.name(),
            level_number: level.number(),
            raid_devices: sb.raid_disks(),
            avail_dev_size_sectors: sb.data_size().0,
            array_size_kib: bytes.and_then(|bytes| u64::try_from(bytes >> 10).ok()),
            used_dev_size_sectors: sb.size().0,
            data_offset_sectors: sb.data_offset().0,
            new_data_offset_sectors: (features.contains(FeatureMap::NEW_OFFSET) && sb.new_offset() != 0)
                .then(|| sb.data_offset().0.wrapping_add_signed(sb.new_offset().into())),
            super_offset_sectors: sb.at().0,
            recovery_offset_sectors: features
                .contains(FeatureMap::RECOVERY_OFFSET)
                .then(|| sb.recovery_offset().0),
            space,
            clean: sb.is_clean(),
            device_uuid: sb.device_uuid().to_string(),
            bitmap: sb.bitmap_offset().map(|offset_sectors| BitmapLine { offset_sectors }),
            ppl: sb.ppl().map(|ppl| Ppl { offset_sectors: ppl.offset, size_sectors: ppl.size }),
            reshape: features.contains(FeatureMap::RESHAPE_ACTIVE).then(|| reshape(sb)),
            write_mostly: sb.devflags().contains(DevFlags::WRITE_MOSTLY),
            failfast: sb.devflags().contains(DevFlags::FAIL_FAST),
            device_flags: sb.devflags().bits(),
            updated_unix_seconds: sb.utime().seconds,
            bad_block_log: bad_block_log(sb),
            checksum: Checksum::of(sb.sb_csum(), sb.computed_csum()),
            events: sb.events().0,
            layout: layout(sb),
            layout_number: sb.layout(),
            chunk_sectors: sb.chunksize().0,
            device_number: sb.dev_number(),
            role: role(sb),
            devices_per_slot,
            slots,
            defects,
            logical_block_size_bytes: sb.logical_block_size(),
        }
    }

    /// How many slots there are, those that a shrinking reshape still has included.
    pub(super) fn slot_count(&self) -> u64 {
        slot_count(self.raid_devices, self.reshape.as_ref().map_or(0, |r| r.delta_devices))
    }

    /// The level, for what depends on it.
    pub(super) fn level(&self) -> Level {
        Level::from_number(self.level_number)
    }
}

fn sectors_to_bytes(sectors: Sectors) -> u128 {
    u128::from(sectors.0) << 9
}

fn slot_count(raid_disks: u32, delta: i32) -> u64 {
    u64::from(raid_disks) + if delta < 0 { u64::from(delta.unsigned_abs()) } else { 0 }
}

fn cluster_name(sb: &Superblock, bitmap: Option<&bitmap::Superblock>) -> Option<DiskText> {
    let bitmap = bitmap.filter(|b| b.nodes() > 0 && b.uuid() == sb.set_uuid().0)?;
    Some(DiskText::new(bitmap.cluster_name()))
}

fn bad_block_log(sb: &Superblock) -> Option<BadBlockLog> {
    let log = sb.bad_block_log()?;
    Some(BadBlockLog {
        entries: u32::from(log.size) * 64,
        offset_sectors: log.offset,
        has_bad_blocks: sb.feature_map().contains(FeatureMap::BAD_BLOCKS),
    })
}

fn layout(sb: &Superblock) -> Option<String> {
    let meaningful = sb.level() != Level::Raid0 || sb.feature_map().contains(FeatureMap::RAID0_LAYOUT);
    if meaningful { words::layout(sb.level(), sb.layout()) } else { None }
}

fn reshape(sb: &Superblock) -> ReshapeV1 {
    ReshapeV1 {
        position_sectors: sb.reshape_position().0,
        delta_devices: sb.delta_disks(),
        new_level: sb.new_level().name(),
        new_level_number: sb.new_level().number(),
        // By the level of now, as the original shows it.
        new_layout: words::layout(sb.level(), sb.new_layout()),
        new_layout_number: sb.new_layout(),
        new_chunk_sectors: sb.new_chunk().0,
    }
}

fn role(sb: &Superblock) -> Role {
    let replacement = sb.feature_map().contains(FeatureMap::REPLACEMENT);
    match sb.role_of(sb.dev_number()) {
        ROLE_FAULTY.. => Role::Spare,
        ROLE_JOURNAL => Role::Journal,
        slot if replacement => Role::Replacement(slot),
        slot => Role::Active(slot),
    }
}

/// The slot of each device, the devices of each slot, and what is wrong with them.
fn slots(sb: &Superblock) -> (Vec<Option<u16>>, Vec<u32>, Vec<String>) {
    let slots: Vec<Option<u16>> = sb.roles().map(|role| (role < ROLE_FAULTY).then_some(role)).collect();
    let delta = if sb.feature_map().contains(FeatureMap::RESHAPE_ACTIVE) { sb.delta_disks() } else { 0 };
    let total = slot_count(sb.raid_disks(), delta);
    let beyond = total > superblock::v1::MAX_DEVICES.into();
    if beyond {
        let defect =
            format!("{total} slots, but version 1 metadata has at most {}", superblock::v1::MAX_DEVICES);
        return (slots, vec![], vec![defect]);
    }
    let mut count = vec![0u32; usize::try_from(total).unwrap_or(0)];
    for role in sb.roles() {
        if let Some(devices) = count.get_mut(usize::from(role)) {
            *devices += 1;
        }
    }
    let both = |devices: u32| devices > 2 || devices == 2 && sb.level() == Level::Raid0;
    let no_slot = |role: u16| role <= ROLE_MAX && u64::from(role) > total;
    let mut defects = vec![];
    if count.iter().any(|devices| both(*devices)) || sb.roles().any(no_slot) {
        defects.push(super::INCONSISTENT.to_owned());
    }
    (slots, count, defects)
}

/// The room before and after the data. Everything may be any number, so all of it wraps, as it does in the original
/// that this has to agree with; the signed form is for those who reckon.
fn space(sb: &Superblock, bitmap: Option<&bitmap::Superblock>, device: Sectors) -> Space {
    let used = if sb.level().number() <= 0 { sb.data_size().0 } else { sb.size().0 };
    let (before, mut after) = if sb.data_offset() < sb.at() {
        space_in_front(sb, used)
    } else {
        space_behind(sb, bitmap, used, device)
    };
    let journal = role(sb) == Role::Journal;
    if journal {
        // A journal uses all whole blocks of 4 KiB.
        after = device.0.wrapping_sub(sb.data_offset().0) % 8;
    }
    let meaningful = !sb.feature_map().contains(FeatureMap::NEW_OFFSET);
    // The original uses 1 as a mark for "none at all" and so hides that, and a true 1 too.
    let hidden = after == 1 || !journal && before == 0 && after == 0;
    Space {
        unused_before_sectors: meaningful.then_some(before),
        unused_after_sectors: meaningful.then_some(words::signed64(after)),
        truncated: after > i64::MAX.unsigned_abs(),
        shown: (meaningful && !hidden).then_some((before, after)),
    }
}

/// 1.0: the superblock, and what belongs to it, is behind the data.
fn space_in_front(sb: &Superblock, used: u64) -> (u64, u64) {
    let at = sb.at().0;
    let mut end = at;
    if let Some(log) = sb.bad_block_log() {
        end = end.min(at.wrapping_add_signed(log.offset.into()));
    }
    if let Some(offset) = sb.bitmap_offset() {
        end = end.min(at.wrapping_add_signed(offset.into()));
    } else if let Some(ppl) = sb.ppl() {
        // The original reads this offset without its sign.
        end = end.min(at.wrapping_add(words::unsigned16(ppl.offset).into()));
    }
    let data_end = sb.data_offset().0.wrapping_add(used);
    let after = if data_end < end { end.wrapping_sub(data_end) } else { 0 };
    (sb.data_offset().0, after)
}

/// 1.1 and 1.2: the data is behind the superblock, the bitmap or PPL, and the bad-block log.
fn space_behind(
    sb: &Superblock,
    bitmap: Option<&bitmap::Superblock>,
    used: u64,
    device: Sectors,
) -> (u64, u64) {
    let at = sb.at().0;
    // The kernel keeps 32 KiB for a bitmap behind the superblock's 4 KiB.
    let mut earliest = at.wrapping_add(72);
    if let Some(offset) = sb.bitmap_offset() {
        if let (Ok(offset), Some(bitmap)) = (u64::try_from(offset), bitmap) {
            earliest = earliest.max(offset.wrapping_add(bitmap.node_area().sectors().0));
        }
    } else if let Some(ppl) = sb.ppl() {
        let offset = u64::from(words::unsigned16(ppl.offset));
        earliest = earliest.max(offset.wrapping_add(ppl.size.into()));
    }
    if let Some(log) = sb.bad_block_log() {
        let end = at.wrapping_add_signed(log.offset.into()).wrapping_add(log.size.into());
        earliest = earliest.max(end);
    }
    let before = sb.data_offset().0.saturating_sub(earliest);
    (before, device.0.wrapping_sub(used).wrapping_sub(sb.data_offset().0))
}

/// The version by the place, as the original has it: on the smallest devices two places are one.
fn minor_by_place(super_offset: u64) -> Minor {
    match super_offset {
        0..=4 => Minor::V1_1,
        5..=8 => Minor::V1_2,
        9.. => Minor::V1_0,
    }
}
