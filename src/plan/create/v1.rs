//! Version 1 metadata of a new array: superblock, bitmap and logs of every member.

use superblock::{
    Events, Level, MdUuid, Role, Sectors, Write, bitmap, journal, placement, ppl,
    v1::{self, DevFlags, Minor, NewArray, NewBitmap, NewMember, Superblock},
};

use super::{
    bitmap_kind,
    build::{BITMAP_DELAY, Decided, Made},
    slots::{Placed, SlotPart, Slots},
};
use crate::{model::Device, plan::Refusal, request::BitmapKind};

/// Superblock, bitmap and logs of every member.
pub(super) fn members<'a>(
    decided: &Decided<'a>,
    minor: Minor,
    uuid: MdUuid,
) -> Result<Vec<Made<'a>>, Refusal> {
    let array = array(decided, minor, uuid)?;
    let fresh = decided.world.fresh.get(1..).unwrap_or_default();
    decided
        .slots
        .placed
        .iter()
        .zip(fresh)
        .map(|(placed, device_uuid)| member(decided, &array, placed, *device_uuid))
        .collect()
}

fn array(decided: &Decided<'_>, minor: Minor, uuid: MdUuid) -> Result<NewArray, Refusal> {
    let context = decided.context;
    let host = context.homehost.as_deref().map(str::as_bytes);
    Ok(NewArray {
        minor,
        uuid,
        name: v1::set_name(host, context.name.as_bytes()),
        created: decided.world.now.seconds,
        level: decided.level,
        layout: decided.sizing.layout,
        size: decided.sizing.size,
        chunk: decided.sizing.chunk,
        raid_disks: decided.raid_disks,
        spares: decided.spares(),
        clean: decided.slots.clean,
        raid0_layout: decided.level == Level::Raid0 && decided.sizing.layout != 0,
        journal: decided.has_journal(),
        ppl: decided.has_ppl(),
        bitmap: new_bitmap(decided, minor, uuid)?,
        bad_block_log: context.bad_block_log,
        roles: roles(&decided.slots),
    })
}

/// Roles by device number; a number that nobody has is a spare.
fn roles(slots: &Slots) -> Vec<Role> {
    let last = slots.placed.iter().map(|p| p.number).max().unwrap_or(0);
    (0..=last)
        .map(|number| match slots.placed.iter().find(|p| p.number == number).map(|p| p.part) {
            Some(SlotPart::Active(slot)) => Role::Slot { slot, replacement: false },
            Some(SlotPart::Journal) => Role::Journal,
            Some(SlotPart::Spare(_)) | None => Role::Spare,
        })
        .collect()
}

fn new_bitmap(decided: &Decided<'_>, minor: Minor, uuid: MdUuid) -> Result<Option<NewBitmap>, Refusal> {
    let request = decided.request;
    let (version, nodes) = match bitmap_kind(request) {
        BitmapKind::None => return Ok(None),
        BitmapKind::Internal => (bitmap::Version::Plain, 0),
        BitmapKind::Lockless => (bitmap::Version::Lockless, 0),
        BitmapKind::Clustered => (bitmap::Version::Clustered, request.nodes.unwrap_or(4)),
    };
    let size = decided.sizing.size;
    let place = placement::internal_bitmap(minor, size, decided.sync_size(), request.bitmap_chunk)
        .map_err(|why| Refusal::new("Given bitmap chunk size not supported.").hint(why.to_string()))?;
    let superblock = bitmap::NewSuperblock {
        version,
        uuid: uuid.0,
        sync_size: decided.sync_size(),
        chunk: place.chunk,
        daemon_sleep: request.delay.unwrap_or(BITMAP_DELAY),
        write_behind: request.write_behind.unwrap_or(0),
        sectors_reserved: if version == bitmap::Version::Lockless {
            u32::try_from(placement::LOCKLESS_ROOM.0).unwrap_or(u32::MAX)
        } else {
            0
        },
        nodes,
        cluster_name: request.home_cluster.clone().unwrap_or_default().into_bytes(),
        assume_clean: request.assume_clean || request.write_zeroes,
    }
    .build();
    Ok(Some(NewBitmap { offset: place.offset, superblock }))
}

fn member<'a>(
    decided: &Decided<'a>,
    array: &NewArray,
    placed: &Placed,
    uuid: MdUuid,
) -> Result<Made<'a>, Refusal> {
    let device = decided.device(placed)?;
    let info = decided.info(placed);
    let data_offset = decided.sizing.data_offsets.get(placed.listed).copied().unwrap_or_default();
    let mut flags = DevFlags::empty();
    let word = decided.word(placed);
    flags.set(DevFlags::WRITE_MOSTLY, word.is_some_and(|w| w.write_mostly));
    flags.set(DevFlags::FAIL_FAST, word.is_some_and(|w| w.failfast));
    let member = NewMember {
        number: placed.number,
        uuid,
        events: first_events(decided, placed),
        device: device.sectors(),
        data_offset,
        flags,
    };
    let superblock = array.member(&member).map_err(|why| Refusal::new(format!("{}: {why}", device.path)))?;
    nodes_fit(array, &superblock)?;
    let mut writes = logs(decided, array, placed, &superblock, device)?;
    judge(array, &superblock, device, &writes)?;
    // The superblock goes last: only with it is the rest believed.
    writes.push(superblock.encode());
    let role = match placed.part {
        SlotPart::Active(slot) => format!("slot {slot}"),
        SlotPart::Spare(_) => "spare".to_owned(),
        SlotPart::Journal => "journal".to_owned(),
    };
    let what = format!("superblock {} at {} ({role})", array.minor, superblock.at());
    let size = if decided.sizing.size.0 > 0 { decided.sizing.size } else { superblock.data_size() };
    Ok(Made { device, info, what, writes, data: (data_offset, size) })
}

/// Each node of a cluster has a bitmap of its own before the data.
fn nodes_fit(array: &NewArray, superblock: &Superblock) -> Result<(), Refusal> {
    let Some(bitmap) = array.bitmap.as_ref().map(|bitmap| &bitmap.superblock) else { return Ok(()) };
    let most = superblock.most_nodes(bitmap);
    if u64::from(bitmap.nodes()) <= most {
        return Ok(());
    }
    Err(Refusal::new(format!("The max num of nodes can't exceed {most}")).hint(
        "a larger --bitmap-chunk makes the bitmaps smaller, a larger --data-offset gives them more room",
    ))
}

/// What is about to be written must be what reading accepts, and harm no data.
fn judge(
    array: &NewArray,
    superblock: &Superblock,
    device: &Device,
    beside: &[Write],
) -> Result<(), Refusal> {
    let judged = superblock.judge_new(device.sectors(), beside);
    let has_bitmap = array.bitmap.is_some();
    // The kernel uses all that a lockless bitmap claims.
    let lockless = array.bitmap.as_ref().and_then(|bitmap| bitmap.superblock.version());
    let claimed = superblock.bitmap_at().filter(|_| lockless == Some(bitmap::Version::Lockless));
    let claimed = claimed.map(|at| at.saturating_add(placement::LOCKLESS_ROOM));
    let why = match (judged, claimed.filter(|end| *end > superblock.data_offset())) {
        (Ok(()), None) => return Ok(()),
        (Err(why), _) => why.to_string(),
        (Ok(()), Some(end)) => {
            format!("the lockless bitmap ends at {end} and data begins at {}", superblock.data_offset())
        }
    };
    let refusal = Refusal::new(format!("{}: the metadata does not fit: {why}", device.path));
    Err(match (has_bitmap, array.minor) {
        (true, Minor::V1_0) => refusal.hint("a larger --bitmap-chunk or a smaller --size makes room"),
        (true, _) => refusal.hint("a larger --data-offset or a larger --bitmap-chunk makes room"),
        (false, Minor::V1_0) => refusal.hint("a smaller --size makes room"),
        (false, _) => refusal.hint("a larger --data-offset makes room"),
    })
}

/// Members begin at 0 and the kernel counts from there. A journal that is written before any other begins at 1
/// (observed with mdadm 4.6).
fn first_events(decided: &Decided<'_>, placed: &Placed) -> Events {
    let is_first = decided.slots.placed.first() == Some(placed);
    Events(u64::from(is_first && placed.part == SlotPart::Journal))
}

/// What stands beside the superblock: the bitmap or the partial parity log, on a journal its first block.
fn logs(
    decided: &Decided<'_>,
    array: &NewArray,
    placed: &Placed,
    superblock: &Superblock,
    device: &Device,
) -> Result<Vec<Write>, Refusal> {
    if placed.part == SlotPart::Journal {
        let block = journal::MetaBlock::new(array.uuid, decided.random()?);
        return Ok(vec![block.encode(superblock.data_offset(), array.uuid)]);
    }
    if let (Some(bitmap), Some(at)) = (&array.bitmap, superblock.bitmap_at()) {
        let initial = bitmap.superblock.initial(at);
        return initial
            .map(|write| vec![write])
            .ok_or_else(|| Refusal::new(format!("{}: the bitmap is too large", device.path)));
    }
    if let (Some(ppl), Some(at)) = (superblock.ppl(), superblock.ppl_at()) {
        return Ok(vec![ppl::Header::new(array.uuid).initial(at, Sectors(ppl.size.into()))]);
    }
    Ok(Vec::new())
}
