//! Where data, bitmap, bad-block log and partial parity log go: the arithmetic of mdadm, as pure functions.
//!
//! Observed with mdadm 4.6 and read from the superblocks that it writes. Arrays must come out byte for byte
//! equal, so the rules are kept with their oddities; each oddity is named where it is.

use crate::{
    units::{Bytes, Sectors},
    v1::Minor,
};

/// Room for a partial parity log when an array is created: 1 MiB, several logs.
pub const PPL_AREA: Sectors = Sectors(2048);
/// The bad-block log: 4 KiB.
pub const BAD_BLOCK_LOG: Sectors = Sectors(8);

/// What a lockless bitmap says in `sectors_reserved`, however little lies before the bad-block log.
pub const LOCKLESS_ROOM: Sectors = Sectors(256);

const GIB: u64 = 2 * 1024 * 1024;
const MIB: u64 = 2 * 1024;

/// Room that is left for a bitmap, whether there is one or not, for a member (or a member's used size) of `size`.
#[must_use]
pub fn bitmap_space(size: Sectors) -> Sectors {
    if size.0 < 128 {
        Sectors(0)
    } else if size.0.saturating_sub(128) >= 200 * GIB {
        Sectors(256)
    } else if size.0.saturating_sub(8) > 8 * GIB {
        Sectors(128)
    } else {
        Sectors(8)
    }
}

/// Where data begins when nothing was asked: chosen for the first device listed and used for all.
///
/// About a thousandth of the device is kept free for later reshapes, at most 128 MiB and at least two chunks.
/// `chunk` is 0 where the level has none.
#[must_use]
pub fn default_data_offset(minor: Minor, device: Sectors, chunk: Sectors, ppl: bool) -> Sectors {
    if minor == Minor::V1_0 {
        return Sectors(0);
    }
    let mut headroom = 128 * MIB;
    let fits = |half: u64| chunk.0 == 0 || half >= chunk.0.saturating_mul(2);
    while headroom > 0 && headroom.saturating_mul(1024) > device.0 && fits(headroom / 2) {
        headroom /= 2;
    }
    let space = if ppl { PPL_AREA } else { bitmap_space(device) };
    let offset = Sectors(24).saturating_add(space).saturating_add(Sectors(headroom));
    offset.round_up(Sectors(MIB)).unwrap_or(offset)
}

/// How much of a device a new array can use; `None` where it cannot even hold the metadata.
#[must_use]
pub fn usable_size(minor: Minor, device: Sectors, data_offset: Sectors, ppl: bool) -> Option<Sectors> {
    match minor {
        Minor::V1_0 => {
            let space = if ppl { PPL_AREA } else { bitmap_space(device) };
            device.round_down(Sectors(8)).checked_sub(space.saturating_add(Sectors(16 + 8)))
        }
        Minor::V1_1 | Minor::V1_2 => device.checked_sub(data_offset),
    }
}

/// Where a new internal bitmap goes and how coarse it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalBitmap {
    /// Sectors from the superblock.
    pub offset: i32,
    /// Bytes for each bit.
    pub chunk: u32,
    /// The room that was counted with.
    pub room: Sectors,
}

/// Why there is no room for a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBitmap {
    /// The member is too small for any.
    #[error("there is no room for a write-intent bitmap")]
    NoRoom,
    /// The chunk is too small for the room.
    #[error("a bitmap chunk of {wanted} is too small: at least {least} fits the room")]
    ChunkTooSmall {
        /// What was asked for.
        wanted: Bytes,
        /// The smallest that fits.
        least: Bytes,
    },
}

/// The smallest power of two from 4 KiB up that covers `sync_size` with the bits that `room` holds.
fn smallest_chunk(sync_size: Sectors, room: Bytes) -> Bytes {
    let most = room.saturating_sub(Bytes(256)).0.saturating_mul(8);
    let mut chunk = 4096u64;
    let mut bits = (sync_size.bytes().0 >> 12).saturating_add(1);
    while bits > most.max(1) {
        chunk = chunk.saturating_mul(2);
        bits = bits.div_ceil(2);
    }
    Bytes(chunk)
}

/// Picks the chunk: what was asked for if it fits, else at least 64 MiB.
fn bitmap_chunk(sync_size: Sectors, room: Bytes, wanted: Option<Bytes>) -> Result<u32, NoBitmap> {
    let least = smallest_chunk(sync_size, room);
    let chunk = match wanted {
        Some(wanted) if wanted < least => return Err(NoBitmap::ChunkTooSmall { wanted, least }),
        Some(wanted) => wanted,
        None => least.max(Bytes(64 << 20)),
    };
    u32::try_from(chunk.0).map_err(|_| NoBitmap::NoRoom)
}

/// The bitmap of a new 1.x array. `size` is each member's used size, `sync_size` what the bitmap covers: the
/// same, except for RAID10, where it is the whole array.
///
/// # Errors
/// [`NoBitmap`].
pub fn internal_bitmap(
    minor: Minor,
    size: Sectors,
    sync_size: Sectors,
    wanted: Option<Bytes>,
) -> Result<InternalBitmap, NoBitmap> {
    let room = bitmap_space(size);
    if room <= Sectors(1) {
        return Err(NoBitmap::NoRoom);
    }
    let chunk = bitmap_chunk(sync_size, room.bytes(), wanted)?;
    if minor != Minor::V1_0 {
        return Ok(InternalBitmap { offset: 8, chunk, room });
    }
    // Before the superblock and its bad-block log, on a 4 KiB boundary, and no larger than needed.
    let bits = sync_size.bytes().0.checked_div(chunk.into()).unwrap_or(0).saturating_add(1);
    let blocks = bits.div_ceil(8).saturating_add(256).div_ceil(4096);
    let room = Sectors(blocks.saturating_mul(8));
    let offset = i32::try_from(room.saturating_add(BAD_BLOCK_LOG).0).map_err(|_| NoBitmap::NoRoom)?;
    Ok(InternalBitmap { offset: offset.saturating_neg(), chunk, room })
}

/// The chunk of the bitmap of a 0.90 array, which has the 60 KiB behind the superblock.
///
/// # Errors
/// [`NoBitmap::ChunkTooSmall`].
pub fn bitmap_chunk_v0(sync_size: Sectors, wanted: Option<Bytes>) -> Result<u32, NoBitmap> {
    bitmap_chunk(sync_size, Bytes(60 * 1024), wanted)
}
