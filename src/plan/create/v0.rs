//! 0.90 metadata of a new array: superblock and bitmap of every member.

use superblock::{
    Damage, Judge as _, MdUuid, bitmap, placement,
    v0::{self, ArrayState, Disk, DiskState, NewArray, Superblock},
};

use super::{
    bitmap_kind,
    build::{BITMAP_DELAY, Decided, Made},
    slots::{Placed, SlotPart},
};
use crate::{
    plan::Refusal,
    request::{BitmapKind, ConsistencyPolicy},
};

/// The bitmap begins behind the superblock's 4 KiB.
const BITMAP_AFTER: superblock::Sectors = superblock::Sectors(8);

/// Superblock and bitmap of every member.
pub(super) fn members<'a>(decided: &Decided<'a>, uuid: MdUuid) -> Result<Vec<Made<'a>>, Refusal> {
    refuse_what_is_too_new(decided)?;
    let bitmap = new_bitmap(decided, uuid)?;
    let array = array(decided, uuid, bitmap.is_some());
    decided.slots.placed.iter().map(|placed| member(decided, &array, bitmap.as_ref(), placed)).collect()
}

fn refuse_what_is_too_new(decided: &Decided<'_>) -> Result<(), Refusal> {
    let request = decided.request;
    if request.data_offset.is_some() {
        return Err(Refusal::new("data-offset not supported for 0.90"));
    }
    if decided.has_journal() || request.consistency_policy == Some(ConsistencyPolicy::Ppl) {
        return Err(Refusal::new("0.90 metadata knows neither a journal nor a partial parity log"));
    }
    if decided.sizing.size.0 >= 1 << 33 {
        return Err(Refusal::new("0.90 metadata supports at most 4 terabytes per device")
            .hint("use version 1 metadata: --metadata=1.2"));
    }
    Ok(())
}

fn array(decided: &Decided<'_>, uuid: MdUuid, has_bitmap: bool) -> NewArray {
    let present = u32::try_from(decided.slots.placed.len()).unwrap_or(u32::MAX);
    let missing = decided.slots.missing;
    let spares = decided.spares();
    let mut state = ArrayState::empty();
    state.set(ArrayState::CLEAN, decided.slots.clean);
    state.set(ArrayState::BITMAP_PRESENT, has_bitmap);
    NewArray {
        uuid,
        created: u32::try_from(decided.world.now.seconds).unwrap_or(u32::MAX),
        level: decided.level,
        layout: decided.sizing.layout,
        size: decided.sizing.size.kib(),
        chunk: decided.sizing.chunk.bytes(),
        raid_disks: decided.raid_disks,
        md_minor: decided.context.id.map(|id| id.minor).unwrap_or_default(),
        state,
        nr_disks: present + missing,
        active_disks: present.saturating_sub(spares),
        working_disks: present,
        failed_disks: missing,
        spare_disks: spares,
        disks: decided.slots.placed.iter().map(|placed| disk(decided, placed)).collect(),
    }
}

fn disk(decided: &Decided<'_>, placed: &Placed) -> Disk {
    let id = decided.device(placed).map(|device| device.id).unwrap_or_default();
    let (raid_disk, state) = match placed.part {
        SlotPart::Active(slot) => (slot, DiskState::ACTIVE | DiskState::SYNC),
        SlotPart::Spare(place) => (place, DiskState::empty()),
        SlotPart::Journal => (placed.number, DiskState::JOURNAL),
    };
    Disk { number: placed.number, major: id.major, minor: id.minor, raid_disk, state }
}

fn new_bitmap(decided: &Decided<'_>, uuid: MdUuid) -> Result<Option<bitmap::Superblock>, Refusal> {
    let request = decided.request;
    match bitmap_kind(request) {
        BitmapKind::None => return Ok(None),
        BitmapKind::Internal => {}
        BitmapKind::Clustered | BitmapKind::Lockless => {
            return Err(Refusal::new("0.90 metadata has room for an internal bitmap only"));
        }
    }
    let sync_size = decided.sync_size();
    let chunk = placement::bitmap_chunk_v0(sync_size, request.bitmap_chunk)
        .map_err(|why| Refusal::new("Given bitmap chunk size not supported.").hint(why.to_string()))?;
    let new = bitmap::NewSuperblock {
        version: bitmap::Version::Plain,
        uuid: in_memory(uuid),
        sync_size,
        chunk,
        daemon_sleep: request.delay.unwrap_or(BITMAP_DELAY),
        write_behind: request.write_behind.unwrap_or(0),
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: Vec::new(),
        assume_clean: false,
    };
    Ok(Some(new.build()))
}

/// The UUID as this machine holds a 0.90 superblock's: the bitmap has a copy of those bytes.
fn in_memory(uuid: MdUuid) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, word) in bytes.chunks_exact_mut(4).zip(uuid.words()) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn member<'a>(
    decided: &Decided<'a>,
    array: &NewArray,
    bitmap: Option<&bitmap::Superblock>,
    placed: &Placed,
) -> Result<Made<'a>, Refusal> {
    let device = decided.device(placed)?;
    let small = || Refusal::new(format!("no free space left on {}", device.path));
    let at = v0::place(device.size).ok_or_else(small)?;
    let superblock: Superblock = array
        .member(placed.number, at, superblock::Endian::HOST)
        .map_err(|why| Refusal::new(format!("{}: {why}", device.path)))?;
    let does_not_fit =
        |why: Damage| Refusal::new(format!("{}: the metadata does not fit: {why}", device.path));
    superblock.judge_bounds(device.sectors()).map_err(does_not_fit)?;
    let mut writes: Vec<_> =
        bitmap.map(|bitmap| bitmap.initial_v0(at.saturating_add(BITMAP_AFTER))).into_iter().collect();
    // The superblock goes last: only with it is the rest believed.
    writes.push(superblock.encode());
    let role = match placed.part {
        SlotPart::Active(slot) => format!("slot {slot}"),
        SlotPart::Spare(_) | SlotPart::Journal => "spare".to_owned(),
    };
    let what = format!("superblock 0.90 at {at} ({role})");
    let size = if decided.sizing.size.0 > 0 { decided.sizing.size } else { at };
    Ok(Made { device, info: decided.info(placed), what, writes, data: (superblock::Sectors(0), size) })
}
