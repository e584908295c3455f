//! The partition table of the first sector, for showing it where there is nothing else.
//!
//! *Where*: bytes 446 to 510 of sector 0, four entries of 16 bytes; 55 aa at 510. *Byte order*: little.
//! *Checksum*: none. *Written by*: partitioning tools; never by us. A GPT shows here as one entry of type ee.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned, little_endian::U32};

use crate::{Damage, Media, units::Sectors};

const FORMAT: &str = "MBR";
const SIGNATURE: [u8; 2] = [0x55, 0xaa];

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawEntry {
    active: u8,
    first_chs: [u8; 3],
    kind: u8,
    last_chs: [u8; 3],
    start: U32,
    count: U32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    code: [u8; 446],
    entries: [RawEntry; 4],
    signature: [u8; 2],
}

const _: () = assert!(std::mem::size_of::<Raw>() == 512);

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the partition begins, in the disk's own sectors.
    pub start: u32,
    /// Its size; 0 for an empty entry.
    pub count: u32,
    /// Its type.
    pub kind: u8,
}

/// The table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its entries.
    pub entries: [Entry; 4],
}

/// Reads the table. `None` where the signature is not there.
///
/// # Errors
/// [`Damage::Io`].
pub fn read(media: &dyn Media) -> Result<Option<Table>, Damage> {
    if media.len().sectors() < Sectors(1) {
        return Ok(None);
    }
    let mut raw = Raw::new_zeroed();
    media.read_at(Sectors(0).bytes(), raw.as_mut_bytes()).map_err(|source| Damage::Io {
        format: FORMAT,
        at: Sectors(0),
        source,
    })?;
    let entry = |raw: RawEntry| Entry { start: raw.start.get(), count: raw.count.get(), kind: raw.kind };
    Ok((raw.signature == SIGNATURE).then(|| Table { entries: raw.entries.map(entry) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_signature() {
        let mut sector = vec![0; 512];
        assert_eq!(read(&sector).unwrap(), None);
        sector[446 + 16 + 4] = 0x83;
        sector[446 + 16 + 8..446 + 16 + 16].copy_from_slice(&[0, 8, 0, 0, 0, 0x20, 0, 0]);
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        let table = read(&sector).unwrap().unwrap();
        assert_eq!(table.entries[1], Entry { start: 2048, count: 8192, kind: 0x83 });
        assert_eq!(table.entries[0].count, 0);
        assert_eq!(read(&sector[..511].to_vec()).unwrap(), None);
    }
}
