//! The persistent exception store of a dm-snapshot: what a copy-on-write device has on it.
//!
//! *Where*: from the start of the COW device, all of it, in chunks. Chunk 0 is the header; chunk 1 is the first
//! metadata area, and every (E+1)-th chunk after it is another one, E being the number of entries that fit in a chunk;
//! all others are data. *Byte order*: little. *Checksum*: none. *Written by*: the kernel alone; `lvcreate` and ours only
//! zero the first 4 KiB, which is how a new store is recognised. *Source*: `drivers/md/dm-snap-persistent.c`.
//!
//! An entry says that a chunk of the origin has its counterpart in a chunk of this device. Entries are used in order and
//! end with the first one whose `new_chunk` is 0, so the list has no pointers to follow: it is as long as the device at
//! most.
//!
//! *Quirks*: a store that overflowed has `valid` 0 and is refused by the kernel for ever, yet its entries and data are all
//! there up to that point: reading goes on here. A merge takes entries off the end; an interrupted one is a shorter list.

mod merge;
mod scan;

use std::mem::{offset_of, size_of};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned, little_endian::U32};

pub use merge::{Batch, Merge};
pub use scan::{Entry, Exceptions, Finding, Findings, MAX_RUNS, Run, Scan, Usage, scan};

use crate::{
    Damage, Media, What, Write,
    units::{Bytes, Sectors},
};

/// "SnAp".
pub const MAGIC: u32 = 0x7041_6e53;
/// The only version.
pub const VERSION: u32 = 1;
/// What is read of the header, and zeroed to make a new store.
pub const HEADER: usize = 4096;
/// An entry: `old_chunk` and `new_chunk`.
pub const ENTRY: usize = 16;
/// LVM's least store: the header, one area, one chunk of data.
pub const MIN_CHUNKS: u64 = 3;
/// LVM's chunks: from here…
pub const MIN_CHUNK: Sectors = Sectors(8);
/// … to here.
pub const MAX_CHUNK: Sectors = Sectors(1024);

const FORMAT: &str = "snapshot store";
/// The kernel's bound: a chunk's bytes are an `int`.
const KERNEL_MAX_CHUNK: u32 = 0x7fff_ffff >> 9;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: U32,
    valid: U32,
    version: U32,
    chunk_size: U32,

    rest: [u8; 496],
}

const _: () = assert!(size_of::<Raw>() == 512 && offset_of!(Raw, chunk_size) == 12);

/// What stands at the start of a COW device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A store.
    Store(Store),
    /// Zeros where the magic would be: the kernel makes a new store here.
    Fresh,
    /// Anything else: the kernel refuses it (ENXIO).
    Foreign,
}

/// A store's header on a device of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    valid: bool,
    chunk: u32,
    device: Bytes,
}

/// Reads the header. `None` where there is none: see [`start`] for what there is instead.
///
/// # Errors
/// [`Damage::Corrupt`] for a chunk size that no store can have, [`Damage::Unsupported`] for another version,
/// [`Damage::Io`].
pub fn read(media: &dyn Media) -> Result<Option<Store>, Damage> {
    Ok(match start(media)? {
        Start::Store(store) => Some(store),
        Start::Fresh | Start::Foreign => None,
    })
}

/// Reads the header, and tells a device for a new store from one that has something else on it.
///
/// # Errors
/// As [`read`].
pub fn start(media: &dyn Media) -> Result<Start, Damage> {
    let at = Sectors(0);
    let mut raw = Raw::new_zeroed();
    let io = |source| Damage::Io { format: FORMAT, at, source };
    media.read_at(Bytes(0), raw.as_mut_bytes()).map_err(io)?;
    match raw.magic.get() {
        MAGIC => {}
        0 => return Ok(Start::Fresh),
        _ => return Ok(Start::Foreign),
    }
    if raw.version.get() != VERSION {
        let why = format!("version {}", raw.version.get());
        return Err(Damage::Unsupported { format: FORMAT, at, why });
    }
    let chunk = raw.chunk_size.get();
    if !chunk.is_power_of_two() || chunk > KERNEL_MAX_CHUNK {
        let what = What::Field {
            field: "chunk_size",
            value: chunk.into(),
            rule: "a power of two of at most 2 GiB less one sector",
        };
        return Err(Damage::Corrupt { format: FORMAT, at, what });
    }
    // The kernel writes 1 and takes anything but 0.
    Ok(Start::Store(Store { valid: raw.valid.get() != 0, chunk, device: media.len() }))
}

impl Store {
    /// Whether the kernel would use it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.valid
    }

    /// The chunk.
    #[must_use]
    pub fn chunk(&self) -> Sectors {
        Sectors(self.chunk.into())
    }

    /// How many entries an area has.
    #[must_use]
    pub fn entries_per_area(&self) -> u64 {
        u64::from(self.chunk).saturating_mul(32)
    }

    /// How many whole chunks the device has.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.device.0.checked_div(self.chunk().bytes().0).unwrap_or(0)
    }

    /// The chunk where an area is.
    #[must_use]
    pub fn area_at(&self, area: u64) -> u64 {
        area.saturating_mul(self.entries_per_area().saturating_add(1)).saturating_add(1)
    }

    /// Whether a chunk of the device is the header or an area.
    #[must_use]
    pub fn is_metadata(&self, chunk: u64) -> bool {
        chunk == 0 || chunk.checked_rem(self.entries_per_area().saturating_add(1)) == Some(1)
    }

    /// Where a chunk begins; `None` where that is beyond all devices.
    #[must_use]
    pub fn place(&self, chunk: u64) -> Option<Bytes> {
        chunk.checked_mul(self.chunk().bytes().0).map(Bytes)
    }

    /// The header of a store with this chunk, for one that is made outside the kernel. The first area has to be zero.
    #[must_use]
    pub fn header(chunk: Sectors) -> Option<Write> {
        let sectors =
            u32::try_from(chunk.0).ok().filter(|c| c.is_power_of_two() && *c <= KERNEL_MAX_CHUNK)?;
        let mut raw = Raw::new_zeroed();
        raw.magic.set(MAGIC);
        raw.valid.set(1);
        raw.version.set(VERSION);
        raw.chunk_size.set(sectors);
        let mut data = raw.as_bytes().to_vec();
        data.resize(HEADER.min(usize::try_from(chunk.bytes().0).ok()?), 0);
        Some(Write { at: Bytes(0), data })
    }
}

/// What makes a device one for a new store.
#[must_use]
pub fn fresh() -> Write {
    Write { at: Bytes(0), data: vec![0; HEADER] }
}

/// The most that a store for an origin can ever use: header, one chunk for each of the origin's, and the areas for them.
/// LVM makes none larger (rounded up to extents).
#[must_use]
pub fn max_size(origin: Sectors, chunk: Sectors) -> Sectors {
    let chunks = origin.0.checked_next_multiple_of(chunk.0).and_then(|all| all.checked_div(chunk.0));
    let chunks = chunks.unwrap_or(u64::MAX);
    let entries = chunk.0.saturating_mul(32);
    let areas = chunks.saturating_add(entries).checked_div(entries).unwrap_or(0);
    Sectors(chunks.saturating_add(areas).saturating_add(1).saturating_mul(chunk.0))
}

/// The least that LVM makes.
#[must_use]
pub fn min_size(chunk: Sectors) -> Sectors {
    Sectors(chunk.0.saturating_mul(MIN_CHUNKS))
}

#[cfg(test)]
mod tests;
