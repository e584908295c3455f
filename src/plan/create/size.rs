//! How much of each device a new array uses.

use superblock::{Level, Sectors, placement, v1::Minor};

use super::{Format, Listing};
use crate::{
    model::{Device, layout},
    plan::{
        Refusal, Warning,
        request::{ConsistencyPolicy, CreateRequest, DataOffset, SizeOrMax},
    },
};

/// Chunk of new arrays where the level has chunks and none was asked for: 512 KiB.
pub(super) const DEFAULT_CHUNK: Sectors = Sectors(1024);
/// RAID1 sizes are rounded to this, so that a later change to RAID5 finds a chunk that fits: 64 KiB.
const RAID1_ROUNDING: Sectors = Sectors(128);

/// Geometry and places, before any device got a role.
#[derive(Clone, Debug)]
pub(super) struct Sizing {
    /// Chunk; 0 where the level has none.
    pub(super) chunk: Sectors,
    /// Layout number.
    pub(super) layout: u32,
    /// Used size of each member; 0 where members use all they have.
    pub(super) size: Sectors,
    /// Where data begins, by index of what was listed.
    pub(super) data_offsets: Vec<Sectors>,
}

/// Whether all members use the same size, which the metadata records.
pub(super) fn has_common_size(level: Level) -> bool {
    !matches!(level, Level::Linear | Level::Raid0)
}

fn chunk_of(request: &CreateRequest, level: Level) -> Sectors {
    match level {
        Level::Raid0 | Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10 => {
            request.chunk.unwrap_or(DEFAULT_CHUNK)
        }
        Level::Linear => request.chunk.unwrap_or(Sectors(0)),
        _ => Sectors(0),
    }
}

/// Chooses chunk, layout, offsets and size; remarks go to `said`.
pub(super) fn sizing(
    request: &CreateRequest,
    level: Level,
    format: Format,
    verbose: i32,
    listing: &[Listing<'_>],
    said: &mut Vec<Warning>,
) -> Result<Sizing, Refusal> {
    let chunk = chunk_of(request, level);
    let layout = request.layout.unwrap_or_else(|| layout::default_layout(level));
    let ppl = request.consistency_policy == Some(ConsistencyPolicy::Ppl);
    let given = match request.size {
        Some(SizeOrMax::Size(size)) if chunk.0 > 0 => Some(size.round_down(chunk)),
        Some(SizeOrMax::Size(size)) => Some(size),
        Some(SizeOrMax::Max) | None => None,
    };
    if given.is_some_and(|size| size < chunk || size.0 == 0) {
        return Err(Refusal::new("Size cannot be smaller than chunk."));
    }
    let data_offsets = data_offsets(request, format, chunk, ppl, listing);
    let mut failed = false;
    let mut usable: Vec<(&str, Sectors)> = Vec::new();
    for (index, item) in listing.iter().enumerate() {
        let Some(device) = item.device else { continue };
        let offset = data_offsets.get(index).copied().unwrap_or_default();
        let room = room(format, device, offset, ppl);
        let room = if chunk.0 > 0 { room.round_down(chunk) } else { room };
        if item.journal {
            continue;
        }
        match given {
            _ if room.kib().0 == 0 => {
                said.push(Warning::note(format!("no free space left on {}", device.path)));
                failed = true;
            }
            Some(size) if room.kib() < size.kib() => {
                said.push(Warning::note(format!(
                    "{} is smaller than given size. {}K < {}K + metadata",
                    device.path,
                    room.kib().0,
                    size.kib().0
                )));
                failed = true;
            }
            _ => usable.push((&device.path, room)),
        }
    }
    if failed {
        return Err(Refusal::new("create aborted"));
    }
    let smallest = usable.iter().map(|(_, room)| *room).min();
    let largest = usable.iter().rev().max_by_key(|(_, room)| *room).copied();
    let size = match (given, smallest) {
        (Some(size), _) => size,
        (None, None) => return Err(Refusal::new("no size and no drives given - aborting create.")),
        (None, Some(_)) if !has_common_size(level) => Sectors(0),
        (None, Some(room)) => {
            let room = Sectors(room.kib().0 * 2);
            let size = if level == Level::Raid1 { room.round_down(RAID1_ROUNDING) } else { room };
            if verbose > 0 {
                said.push(Warning::note(format!("size set to {}K", size.kib().0)));
            }
            size
        }
    };
    warn_of_waste(level, size, largest, said);
    Ok(Sizing { chunk, layout, size, data_offsets })
}

/// Members that could give more than one percent more than they are asked for: probably a slip.
fn warn_of_waste(level: Level, size: Sectors, largest: Option<(&str, Sectors)>, said: &mut Vec<Warning>) {
    let Some((path, room)) = largest else { return };
    let (room, size) = (room.kib().0, size.kib().0);
    if level.number() > 0 && room.saturating_sub(size).saturating_mul(100) > room {
        said.push(Warning::ask(format!("largest drive ({path}) exceeds size ({size}K) by more than 1%")));
    }
}

/// Where data begins on each listed device. The default is computed on the first and used for all, as mdadm does.
fn data_offsets(
    request: &CreateRequest,
    format: Format,
    chunk: Sectors,
    ppl: bool,
    listing: &[Listing<'_>],
) -> Vec<Sectors> {
    let Format::V1(minor) = format else { return vec![Sectors(0); listing.len()] };
    let mut shared = match request.data_offset {
        Some(DataOffset::Fixed(offset)) => Some(offset),
        Some(DataOffset::Variable) | None => None,
    };
    let mut offsets = Vec::with_capacity(listing.len());
    for (item, word) in listing.iter().zip(&request.members) {
        let own = word.data_offset.filter(|_| request.data_offset == Some(DataOffset::Variable));
        let offset = own.or(shared).unwrap_or_else(|| match item.device {
            Some(device) => placement::default_data_offset(minor, device.sectors(), chunk, ppl),
            None => Sectors(0),
        });
        if item.device.is_some() {
            shared = shared.or(Some(offset));
        }
        offsets.push(offset);
    }
    offsets
}

/// Room for data on a device.
fn room(format: Format, device: &Device, offset: Sectors, ppl: bool) -> Sectors {
    match format {
        Format::V1(minor @ (Minor::V1_0 | Minor::V1_1 | Minor::V1_2)) => {
            placement::usable_size(minor, device.sectors(), offset, ppl).unwrap_or_default()
        }
        // 0.90 keeps the last 64 KiB-aligned 64 KiB block.
        Format::V0 => device.sectors().round_down(Sectors(128)).saturating_sub(Sectors(128)),
    }
}
