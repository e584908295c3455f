//! What is set aside while data is laid out anew where it lies: mdadm's backup, in a file or at the end of a spare.
//!
//! One sector says which parts of the array are in the store; their data follows. mdadm's own checksum adds up the same byte again
//! and again (observed with mdadm 4.6), so it proves nothing. Behind what mdadm looks at stands a second one, which covers the
//! description and the data; mdadm leaves it alone and can go on with the store.

use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout,
    little_endian::{U32, U64},
};

use crate::{Bytes, Sectors, Write, checksum};

/// The description's size.
pub const SIZE: usize = 512;
/// Where data begins in a file.
pub const DATA_AT: Sectors = Sectors(8);

/// One part in use; both, from the first time on that there were two.
const MAGIC: [[u8; 16]; 2] = [*b"md_backup_data-1", *b"md_backup_data-2"];
/// Ours, behind the original's fields.
const OWN: [u8; 8] = *b"mdctl-w1";
/// What the original's sum comes to, whatever it is made of.
const SUM: u32 = 0x2492_4915;

#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Raw {
    magic: [u8; 16],
    uuid: [u8; 16],
    mtime: U64,
    at: U64,
    start: U64,
    length: U64,
    sum: U32,
    pad: [u8; 4],
    second: U64,
    start_2: U64,
    length_2: U64,
    sum_2: U32,
    rest: [u8; 156],
    own: [u8; 8],
    data: [U32; 2],
    own_sum: U32,
    rest_2: [u8; 236],
}

const _: () = assert!(size_of::<Raw>() == SIZE);

/// Why what looks like a description is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// It is not as it was written.
    #[error("its checksum is wrong")]
    Sum,
    /// Its numbers go beyond all disks.
    #[error("its numbers go beyond all disks")]
    Bounds,
}

/// A part of the array's data, in its order and without parity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its first sector of the array.
    pub start: Sectors,
    /// Its length; 0: there is none.
    pub length: Sectors,
    /// CRC-32 of its data; `None` where mdadm wrote it.
    pub sum: Option<u32>,
}

impl Part {
    /// The first sector behind it.
    #[must_use]
    pub fn end(&self) -> Sectors {
        self.start.saturating_add(self.length)
    }

    /// Whether there is anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == Sectors(0)
    }
}

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The array, as its superblocks store it.
    pub uuid: [u8; 16],
    /// When it was written, in seconds since 1970.
    pub written: u64,
    /// Where the data of the first part begins in the store.
    pub at: Sectors,
    /// How far behind it that of the second part does.
    pub second: Sectors,
    /// The parts.
    pub parts: [Part; 2],
}

impl Backup {
    /// Where the data of a part is in the store.
    #[must_use]
    pub fn place(&self, part: usize) -> Sectors {
        if part == 0 { self.at } else { self.at.saturating_add(self.second) }
    }

    /// The description's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut raw = Raw::new_zeroed();
        let [first, second] = self.parts;
        raw.magic = MAGIC[1];
        raw.uuid = self.uuid;
        raw.mtime.set(self.written);
        raw.at.set(self.at.0);
        raw.start.set(first.start.0);
        raw.length.set(first.length.0);
        raw.sum.set(SUM);
        raw.second.set(self.second.0);
        raw.start_2.set(second.start.0);
        raw.length_2.set(second.length.0);
        raw.sum_2.set(SUM);
        raw.own = OWN;
        raw.data = [first, second].map(|part| U32::new(part.sum.unwrap_or(0)));
        raw.own_sum.set(0);
        let sum = checksum::crc32(raw.as_bytes());
        raw.own_sum.set(sum);
        raw.as_bytes().to_vec()
    }

    /// As something to be written at a place of the store.
    #[must_use]
    pub fn write(&self, at: Sectors) -> Write {
        Write { at: at.bytes(), data: self.encode() }
    }

    /// From the description's bytes; `None` where there is none.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Unsound> {
        let Ok((raw, _)) = Raw::read_from_prefix(bytes) else { return Ok(None) };
        let Some(parts) = MAGIC.iter().position(|magic| *magic == raw.magic) else { return Ok(None) };
        let ours = raw.own == OWN;
        let stored = raw.own_sum.get();
        let mut bare = raw.clone();
        bare.own_sum.set(0);
        let computed = checksum::crc32(bare.as_bytes());
        let (stored, computed) = if ours { (stored, computed) } else { (raw.sum.get(), SUM) };
        if stored != computed {
            return Err(Unsound::Sum);
        }
        let sum = |nth: usize| raw.data.get(nth).map(|sum| sum.get()).filter(|_| ours);
        let first = Part { start: Sectors(raw.start.get()), length: Sectors(raw.length.get()), sum: sum(0) };
        let second =
            Part { start: Sectors(raw.start_2.get()), length: Sectors(raw.length_2.get()), sum: sum(1) };
        let second = if parts == 0 { Part::default() } else { second };
        let found = Self {
            uuid: raw.uuid,
            written: raw.mtime.get(),
            at: Sectors(raw.at.get()),
            second: if parts == 0 { Sectors(0) } else { Sectors(raw.second.get()) },
            parts: [first, second],
        };
        found.is_sound().then_some(Some(found)).ok_or(Unsound::Bounds)
    }

    /// No number makes a sum of them overflow, or a store of more than all memory.
    fn is_sound(&self) -> bool {
        const MOST: u64 = 1 << 54;
        const LONGEST: u64 = 1 << 24;
        let numbers = [self.at, self.second].into_iter().chain(self.parts.iter().map(|part| part.start));
        numbers.into_iter().all(|number| number.0 < MOST)
            && self.parts.iter().all(|part| part.length.0 <= LONGEST)
    }
}

/// Bytes that a store of two parts of this length needs.
#[must_use]
pub fn store_size(part: Sectors) -> Bytes {
    Sectors(part.0.saturating_mul(2)).saturating_add(DATA_AT).bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mdadm_writes_is_read() {
        // mdadm 4.6, a file, 3 x RAID5 from 64K to 128K: the first fill of both parts.
        let mut bytes = vec![0u8; SIZE];
        bytes[..16].copy_from_slice(b"md_backup_data-2");
        bytes[16..32].copy_from_slice(&[7; 16]);
        bytes[32..36].copy_from_slice(&[0x19, 0xf0, 0x0a, 0x6b]);
        bytes[40] = 8;
        bytes[57] = 0x10;
        bytes[64..68].copy_from_slice(&[0x15, 0x49, 0x92, 0x24]);
        for at in [73, 81, 89] {
            bytes[at] = 0x10;
        }
        bytes[96..100].copy_from_slice(&[0x15, 0x49, 0x92, 0x24]);
        let found = Backup::decode(&bytes).unwrap().unwrap();
        assert_eq!((found.at, found.second), (Sectors(8), Sectors(4096)));
        let part = |start| Part { start: Sectors(start), length: Sectors(4096), sum: None };
        assert_eq!(found.parts, [part(0), part(4096)]);
        assert_eq!(found.place(1), Sectors(4104));
        bytes[64] = 0;
        assert_eq!(Backup::decode(&bytes), Err(Unsound::Sum));
    }

    #[test]
    fn ours_is_what_mdadm_takes_and_no_byte_of_it_goes_unseen() {
        let part = |start, sum| Part { start: Sectors(start), length: Sectors(2048), sum: Some(sum) };
        let backup = Backup {
            uuid: [9; 16],
            written: 1_800_000_000,
            at: DATA_AT,
            second: Sectors(2048),
            parts: [part(4096, 1), part(6144, 2)],
        };
        let bytes = backup.encode();
        assert_eq!(bytes[64..68], [0x15, 0x49, 0x92, 0x24]);
        assert_eq!(Backup::decode(&bytes), Ok(Some(backup)));
        for at in 16..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x40;
            let changed = Backup::decode(&bytes);
            assert!(changed != Ok(Some(backup)), "byte {at}");
        }
        assert_eq!(Backup::decode(&[0; SIZE]), Ok(None));
        assert_eq!(store_size(Sectors(2048)), Bytes(4104 * 512));
    }
}
