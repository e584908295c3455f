//! The write-intent bitmap: its superblock and its bits.
//!
//! *Where*: where the member's superblock says (1.x: `bitmap_offset`; 0.90: the 60 KiB behind it). The bits
//! follow the 256 bytes of this superblock at once. A clustered bitmap is one such area for each node, each a
//! whole number of 4 KiB blocks, one behind the other.
//! *Byte order*: the superblock is little-endian in all versions; only the bits of version 3 are words in the
//! order of the machine that wrote them. *Checksum*: none; the magic and the array's UUID are the proof.
//! *Written by*: mdadm at creation (all bits set), then by the kernel.
//! *Source*: `drivers/md/md-bitmap.h`, `md-bitmap.c`, `md-llbitmap.c`.
//!
//! *Quirks*: a lockless bitmap (6) has one *byte* for each chunk from byte 1024 on, and the kernel fills it when
//! it first uses it; mdadm still reserves and writes it as if it had bits. A `chunksize` of 0 makes mdadm die.

pub mod lockless;

use std::mem::{offset_of, size_of};

use bitflags::bitflags;
use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U32, U64},
};

use crate::{
    Damage, Events, Media, What, Write,
    units::{Bytes, Sectors},
};

/// "bitm".
pub const MAGIC: u32 = 0x6d74_6962;
/// The superblock's size.
pub const SIZE: usize = 256;
/// No array has a larger bitmap: 64 nodes of the room that mdadm grants one, with an ample margin.
pub const MAX_AREA: Bytes = Bytes(64 << 20);

const FORMAT: &str = "bitmap";

/// The kind of bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 3: the bits are words in the writer's byte order.
    HostEndian,
    /// 4: the bits are bytes.
    Plain,
    /// 5: one copy for each node of a cluster.
    Clustered,
    /// 6: one byte of state for each chunk.
    Lockless,
}

impl Version {
    /// From the stored number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            3 => Self::HostEndian,
            4 => Self::Plain,
            5 => Self::Clustered,
            6 => Self::Lockless,
            _ => return None,
        })
    }

    /// The stored number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::HostEndian => 3,
            Self::Plain => 4,
            Self::Clustered => 5,
            Self::Lockless => 6,
        }
    }
}

bitflags! {
    /// `state`. Bits that we do not know are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct State: u32 {
        /// Out of date: the array ran without it.
        const STALE = 1 << 1;
        /// It could not be written.
        const WRITE_ERROR = 1 << 2;
        /// Lockless: the kernel has still to fill it.
        const FIRST_USE = 1 << 3;
        /// Lockless: fill it as clean.
        const CLEAN = 1 << 4;
        /// Lockless: the daemon was at work.
        const DAEMON_BUSY = 1 << 5;
        /// The bits are words in the writer's byte order.
        const HOST_ENDIAN = 1 << 15;
        const _ = !0;
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: U32,
    version: U32,
    uuid: [u8; 16],
    events: U64,
    events_cleared: U64,
    sync_size: U64,

    state: U32,
    chunksize: U32,
    daemon_sleep: U32,
    write_behind: U32,

    sectors_reserved: U32,
    nodes: U32,
    cluster_name: [u8; 64],
    pad: [u8; 120],
}

/// The sector that has the superblock and the first bits.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Sector {
    head: Raw,
    first_bits: [u8; 256],
}

const _: () = assert!(
    size_of::<Raw>() == SIZE
        && size_of::<Sector>() == 512
        && offset_of!(Raw, events) == 24
        && offset_of!(Raw, sync_size) == 40
        && offset_of!(Raw, state) == 48
        && offset_of!(Raw, sectors_reserved) == 64
        && offset_of!(Raw, cluster_name) == 72
);

/// A bitmap's superblock, with the sector's other half kept for writing it back.
#[derive(Clone, Copy)]
pub struct Superblock {
    sector: Sector,
}

/// What a new bitmap says.
#[derive(Clone, Debug)]
pub struct NewSuperblock {
    /// The kind.
    pub version: Version,
    /// The array's UUID, the bytes as the member's superblock stores them.
    pub uuid: [u8; 16],
    /// What it covers.
    pub sync_size: Sectors,
    /// Bytes for each bit.
    pub chunk: u32,
    /// Seconds between flushes.
    pub daemon_sleep: u32,
    /// Outstanding writes to write-mostly members; 0 for none.
    pub write_behind: u32,
    /// Room that it has; mdadm says so only for a lockless bitmap.
    pub sectors_reserved: u32,
    /// Nodes of a cluster; 0 without.
    pub nodes: u32,
    /// The cluster's name, cut to 63 bytes.
    pub cluster_name: Vec<u8>,
    /// Lockless only: begin as clean.
    pub assume_clean: bool,
}

impl NewSuperblock {
    /// The superblock, byte for byte what mdadm writes from the same inputs.
    #[must_use]
    pub fn build(&self) -> Superblock {
        let mut head = Raw::new_zeroed();
        head.magic.set(MAGIC);
        head.version.set(self.version.number());
        head.uuid = self.uuid;
        head.sync_size.set(self.sync_size.0);
        head.chunksize.set(self.chunk);
        head.daemon_sleep.set(self.daemon_sleep);
        head.write_behind.set(self.write_behind);
        head.sectors_reserved.set(self.sectors_reserved);
        head.nodes.set(self.nodes);
        for (to, from) in head.cluster_name.iter_mut().zip(self.cluster_name.iter().take(63)) {
            *to = *from;
        }
        if self.version == Version::Lockless {
            let clean = if self.assume_clean { State::CLEAN } else { State::empty() };
            head.state.set((State::FIRST_USE | clean).bits());
        }
        Superblock { sector: Sector { head, first_bits: [0xff; 256] } }
    }
}

/// Reads the superblock at `at`. `None` where there is none.
///
/// # Errors
/// [`Damage::Corrupt`] for a chunk size that no bitmap can have, [`Damage::Unsupported`] for an unknown
/// version, [`Damage::Io`].
pub fn read(media: &dyn Media, at: Sectors) -> Result<Option<Superblock>, Damage> {
    let superblock = load(media, at)?;
    if superblock.magic() != MAGIC {
        return Ok(None);
    }
    superblock.check(at)?;
    Ok(Some(superblock))
}

/// The bytes at `at` taken as a superblock, whatever they are: for a report of what is there.
///
/// # Errors
/// [`Damage::Io`].
pub fn load(media: &dyn Media, at: Sectors) -> Result<Superblock, Damage> {
    let mut sector = Sector::new_zeroed();
    let io = |source| Damage::Io { format: FORMAT, at, source };
    media.read_at(at.bytes(), sector.as_mut_bytes()).map_err(io)?;
    Ok(Superblock { sector })
}

impl Superblock {
    /// Whether what has the right magic can be used (the kernel's rules, `md_bitmap_read_sb`).
    ///
    /// # Errors
    /// As [`read`].
    pub fn check(&self, at: Sectors) -> Result<(), Damage> {
        let field = |field, value: u32, rule| {
            Err(Damage::Corrupt {
                format: FORMAT,
                at,
                what: What::Field { field, value: value.into(), rule },
            })
        };
        let number = self.version_number();
        if Version::from_number(number).is_none() {
            return Err(Damage::Unsupported { format: FORMAT, at, why: format!("version {number}") });
        }
        if self.chunksize() < 512 || !self.chunksize().is_power_of_two() {
            return field("chunksize", self.chunksize(), "a power of two from 512 up");
        }
        if self.daemon_sleep() == 0 {
            return field("daemon_sleep", 0, "at least 1 second");
        }
        if self.write_behind() > 16383 {
            return field("write_behind", self.write_behind(), "at most 16383");
        }
        Ok(())
    }

    /// The magic as it stands.
    #[must_use]
    pub fn magic(&self) -> u32 {
        self.sector.head.magic.get()
    }

    /// The version as it stands.
    #[must_use]
    pub fn version_number(&self) -> u32 {
        self.sector.head.version.get()
    }

    /// The version, where it is known.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        Version::from_number(self.version_number())
    }

    /// The array's UUID in the bytes of the member's superblock.
    #[must_use]
    pub fn uuid(&self) -> [u8; 16] {
        self.sector.head.uuid
    }

    /// Its event count. It is accepted if this equals the array's count or is one more.
    #[must_use]
    pub fn events(&self) -> Events {
        Events(self.sector.head.events.get())
    }

    /// The event count when a bit was last cleared.
    #[must_use]
    pub fn events_cleared(&self) -> Events {
        Events(self.sector.head.events_cleared.get())
    }

    /// What it covers: a member, or for RAID10 the whole array.
    #[must_use]
    pub fn sync_size(&self) -> Sectors {
        Sectors(self.sector.head.sync_size.get())
    }

    /// State.
    #[must_use]
    pub fn state(&self) -> State {
        State::from_bits_retain(self.sector.head.state.get())
    }

    /// Bytes for each bit. May be any number until [`Self::check`].
    #[must_use]
    pub fn chunksize(&self) -> u32 {
        self.sector.head.chunksize.get()
    }

    /// Seconds between flushes.
    #[must_use]
    pub fn daemon_sleep(&self) -> u32 {
        self.sector.head.daemon_sleep.get()
    }

    /// Outstanding writes to write-mostly members; 0 for none.
    #[must_use]
    pub fn write_behind(&self) -> u32 {
        self.sector.head.write_behind.get()
    }

    /// Room that it has; 0 where that is not said.
    #[must_use]
    pub fn sectors_reserved(&self) -> u32 {
        self.sector.head.sectors_reserved.get()
    }

    /// Nodes of the cluster; 0 without.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.sector.head.nodes.get()
    }

    /// The cluster's name up to the first NUL. Not trusted.
    #[must_use]
    pub fn cluster_name(&self) -> &[u8] {
        let name = &self.sector.head.cluster_name[..];
        name.split(|&byte| byte == 0).next().unwrap_or(name)
    }

    /// The superblock's 256 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.sector.head.as_bytes()
    }

    /// How many chunks it has; `None` where `chunksize` is 0.
    #[must_use]
    pub fn bits(&self) -> Option<u64> {
        let chunk = u64::from(self.chunksize());
        let bytes = u128::from(self.sync_size().0).saturating_mul(512);
        let last = chunk.checked_sub(1)?;
        let bits = bytes.saturating_add(last.into()).checked_div(chunk.into())?;
        Some(u64::try_from(bits).unwrap_or(u64::MAX))
    }

    /// Superblock and bits rounded up to `unit`: the area of one node.
    fn area(&self, unit: u64) -> Bytes {
        let bits = self.bits().unwrap_or(0).div_ceil(8).saturating_add(256);
        Bytes(bits.checked_next_multiple_of(unit).unwrap_or(u64::MAX))
    }

    /// The room that the bitmap of one node takes: whole 4 KiB blocks.
    #[must_use]
    pub fn node_area(&self) -> Bytes {
        self.area(4096)
    }

    /// What goes to the device when only the superblock changed; the bits beside it stay as they were read.
    #[must_use]
    pub fn encode(&self, at: Sectors) -> Write {
        Write { at: at.bytes(), data: self.sector.as_bytes().to_vec() }
    }

    /// The whole of a new 1.x bitmap: node 0 with all bits set, further nodes with none.
    ///
    /// Rounded to 4 KiB, or to sectors where it does not begin on a 4 KiB boundary. `None` where that is
    /// beyond [`MAX_AREA`].
    #[must_use]
    pub fn initial(&self, at: Sectors) -> Option<Write> {
        let unit = if at.round_down(Sectors(8)) == at { 4096 } else { 512 };
        let nodes = u64::from(self.nodes().max(1));
        let total = self.area(unit).0.checked_mul(nodes).filter(|&total| total <= MAX_AREA.0)?;
        let node = usize::try_from(self.area(unit).0).ok()?;
        let mut data = vec![0; usize::try_from(total).ok()?];
        for (nth, area) in data.chunks_exact_mut(node).enumerate() {
            area.fill(if nth == 0 { 0xff } else { 0 });
            area.get_mut(..SIZE)?.copy_from_slice(self.as_bytes());
        }
        Some(Write { at: at.bytes(), data })
    }

    /// The whole of a new 0.90 bitmap: all of its 60 KiB.
    #[must_use]
    pub fn initial_v0(&self, at: Sectors) -> Write {
        let mut data = self.as_bytes().to_vec();
        data.resize(60 * 1024, 0xff);
        Write { at: at.bytes(), data }
    }

    /// Where the bitmap of each node of a cluster begins: whole 4 KiB blocks, one behind the other. One place where there
    /// is no cluster.
    pub fn places(&self, at: Sectors) -> impl Iterator<Item = Sectors> + use<> {
        let area = self.node_area().sectors();
        let nodes = u64::from(self.nodes().max(1));
        (0..nodes).map_while(move |node| at.checked_add(Sectors(area.0.checked_mul(node)?)))
    }

    /// The same for another number of nodes.
    #[must_use]
    pub fn with_nodes(mut self, nodes: u32) -> Self {
        self.sector.head.nodes.set(nodes);
        self
    }

    /// The same for another cluster; the name is cut to 63 bytes.
    #[must_use]
    pub fn with_cluster_name(mut self, name: &[u8]) -> Self {
        let mut field = [0; 64];
        for (to, from) in field.iter_mut().zip(name.iter().take(63)) {
            *to = *from;
        }
        self.sector.head.cluster_name = field;
        self
    }

    /// The same with another array UUID.
    #[must_use]
    pub fn with_uuid(mut self, uuid: [u8; 16]) -> Self {
        self.sector.head.uuid = uuid;
        self
    }
}

impl PartialEq for Superblock {
    fn eq(&self, other: &Self) -> bool {
        self.sector.as_bytes() == other.sector.as_bytes()
    }
}

impl Eq for Superblock {}

impl std::fmt::Debug for Superblock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (version, chunk, covers) = (self.version_number(), self.chunksize(), self.sync_size());
        write!(f, "version {version} bitmap, {chunk} bytes a bit, over {covers}")
    }
}

/// Bits of a bitmap, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many there are, as far as they could be read.
    pub total: u64,
    /// How many are set.
    pub dirty: u64,
}

/// Counts the bits of a bitmap whose superblock is at `at`, as far as the device and `room` go.
///
/// # Errors
/// [`Damage::Io`].
pub fn count(media: &dyn Media, at: Sectors, superblock: &Superblock, room: Bytes) -> Result<Count, Damage> {
    let all = superblock.bits().unwrap_or(0);
    let end = at.bytes().saturating_add(room.min(MAX_AREA)).min(media.len());
    let mut next = at.bytes();
    let mut skip = SIZE;
    let mut seen = Count::default();
    let mut buf = [0; 4096];
    while seen.total < all && next < end {
        // Up to the next 4 KiB boundary, in whole sectors.
        let stop = next.saturating_add(Bytes(1)).round_up(Bytes(4096)).unwrap_or(end).min(end);
        let here = stop.saturating_sub(next);
        let Some(part) = usize::try_from(here.0).ok().and_then(|len| buf.get_mut(..len)) else { break };
        let io = |source| Damage::Io { format: FORMAT, at: next.sectors(), source };
        media.read_at(next, part).map_err(io)?;
        for &byte in part.iter().skip(skip) {
            let bits = all.saturating_sub(seen.total).min(8);
            let mask = if bits == 8 { 0xff } else { !(0xffu8 << bits) };
            seen.total = seen.total.saturating_add(bits);
            seen.dirty = seen.dirty.saturating_add((byte & mask).count_ones().into());
        }
        skip = 0;
        next = stop;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests;
