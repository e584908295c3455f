//! The header of a partial parity log (RAID5).
//!
//! *Where*: where the member's superblock says; 4 KiB. An area of 1 MiB holds several logs, one behind the other,
//! and the header with the highest generation counts; 8 KiB at least hold one.
//! *Byte order*: little. *Checksum*: CRC-32C over the header with its field 0.
//! *Proof of identity*: no magic; 512 bytes of 0xff, then a signature, which is CRC-32C of the array's UUID.
//! *Written by*: mdadm (an empty one), then the kernel at every write. *Source*: `md_p.h`, `raid5-ppl.c`.
//!
//! *Quirk*: mdadm 4.6 takes the offset for unsigned, so it cannot create a PPL with 1.0, where it is negative.

use std::mem::{offset_of, size_of};

use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U32, U64},
};

use crate::{
    Damage, MdUuid, Media, What, Write,
    checksum::crc32c,
    units::{Bytes, Sectors},
};

/// The header's size.
pub const SIZE: usize = 4096;
/// As many entries as fit.
pub const MAX_ENTRIES: u32 = 148;

const FORMAT: &str = "PPL";

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawEntry {
    data_sector: U64,
    pp_size: U32,
    data_size: U32,

    parity_disk: U32,
    checksum: U32,
}

#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    reserved: [u8; 512],

    signature: U32,
    padding: U32,
    generation: U64,

    entries_count: U32,
    checksum: U32,
    entries: [RawEntry; 148],
    rest: [u8; 8],
}

const _: () = assert!(
    size_of::<Raw>() == SIZE
        && size_of::<RawEntry>() == 24
        && offset_of!(Raw, signature) == 512
        && offset_of!(Raw, generation) == 520
        && offset_of!(Raw, checksum) == 532
        && offset_of!(Raw, entries) == 536
);

/// A header.
#[derive(Clone)]
pub struct Header {
    raw: Box<Raw>,
}

/// One piece of partial parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first data sector, in array sectors.
    pub data_sector: Sectors,
    /// The partial parity's size.
    pub pp_size: Bytes,
    /// The size of the data that was to be written.
    pub data_size: Bytes,
    /// Which member has the parity.
    pub parity_disk: u32,
    /// CRC-32C of the partial parity.
    pub checksum: u32,
}

/// What stands for the array in its members' headers.
#[must_use]
pub fn signature(array: MdUuid) -> u32 {
    crc32c(&array.0)
}

/// Reads the header at `at`. `None` where there is none.
///
/// # Errors
/// [`Damage::Corrupt`] for a wrong checksum, another array's signature or too many entries; [`Damage::Io`].
pub fn read(media: &dyn Media, at: Sectors, array: MdUuid) -> Result<Option<Header>, Damage> {
    let mut raw = Box::new(Raw::new_zeroed());
    let io = |source| Damage::Io { format: FORMAT, at, source };
    media.read_at(at.bytes(), raw.as_mut_bytes()).map_err(io)?;
    if raw.reserved != [0xff; 512] {
        return Ok(None);
    }
    let header = Header { raw };
    let corrupt = |what| Err(Damage::Corrupt { format: FORMAT, at, what });
    let (stored, computed) = (header.raw.checksum.get(), header.computed_checksum());
    if stored != computed {
        return corrupt(What::Checksum { stored, computed });
    }
    let field = |field, value: u32, rule| corrupt(What::Field { field, value: value.into(), rule });
    if header.signature() != signature(array) {
        return field("signature", header.signature(), "that of the array");
    }
    if header.raw.entries_count.get() > MAX_ENTRIES {
        return field("entries_count", header.raw.entries_count.get(), "at most 148");
    }
    Ok(Some(header))
}

impl Header {
    /// An empty one for a new array.
    #[must_use]
    pub fn new(array: MdUuid) -> Self {
        let mut raw = Box::new(Raw::new_zeroed());
        raw.reserved = [0xff; 512];
        raw.signature.set(signature(array));
        let mut header = Self { raw };
        header.raw.checksum.set(header.computed_checksum());
        header
    }

    /// Which array it belongs to, see [`signature`].
    #[must_use]
    pub fn signature(&self) -> u32 {
        self.raw.signature.get()
    }

    /// Grows with every write.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.raw.generation.get()
    }

    /// What is logged.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry> + '_ {
        let count = usize::try_from(self.raw.entries_count.get()).unwrap_or(usize::MAX);
        self.raw.entries.iter().take(count).map(|raw| Entry {
            data_sector: Sectors(raw.data_sector.get()),
            pp_size: Bytes(raw.pp_size.get().into()),
            data_size: Bytes(raw.data_size.get().into()),
            parity_disk: raw.parity_disk.get(),
            checksum: raw.checksum.get(),
        })
    }

    fn computed_checksum(&self) -> u32 {
        let mut raw = self.raw.clone();
        raw.checksum.set(0);
        crc32c(raw.as_bytes())
    }

    /// What goes to the device, with the checksum filled in.
    #[must_use]
    pub fn encode(&self, at: Sectors) -> Write {
        let mut raw = self.raw.clone();
        raw.checksum.set(self.computed_checksum());
        Write { at: at.bytes(), data: raw.as_bytes().to_vec() }
    }

    /// The whole of a new log: the header, and zeros to the end of its `area` (at most 64 MiB, as the
    /// superblock's field for it has 16 bits of sectors).
    #[must_use]
    pub fn initial(&self, at: Sectors, area: Sectors) -> Write {
        let mut write = self.encode(at);
        let len = usize::try_from(area.min(Sectors(0xffff)).bytes().0).unwrap_or(SIZE).max(SIZE);
        write.data.resize(len, 0);
        write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Sectors = Sectors(8);

    fn device(change: impl Fn(&mut Raw)) -> Vec<u8> {
        let mut header = Header::new(MdUuid([5; 16]));
        header.raw.entries_count.set(1);
        header.raw.entries[0].data_sector.set(77);
        header.raw.checksum.set(header.computed_checksum());
        change(&mut header.raw);
        let mut device = vec![0; 4096];
        device.extend(header.raw.as_bytes());
        device
    }

    fn resummed(change: impl Fn(&mut Raw)) -> Vec<u8> {
        device(|raw| {
            change(raw);
            let header = Header { raw: Box::new(raw.clone()) };
            raw.checksum.set(header.computed_checksum());
        })
    }

    #[test]
    fn round_trip_and_each_rejection() {
        let uuid = MdUuid([5; 16]);
        let good = device(|_| ());
        let header = read(&good, AT, uuid).unwrap().unwrap();
        assert_eq!(header.encode(AT).data, good[4096..]);
        assert_eq!(header.entries().next().unwrap().data_sector, Sectors(77));
        assert!(read(&device(|raw| raw.reserved[511] = 0), AT, uuid).unwrap().is_none());
        let field = |device: &Vec<u8>, uuid, name| match read(device, AT, uuid) {
            Err(Damage::Corrupt { what: What::Field { field, .. }, at: AT, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {:?}", other.err()),
        };
        field(&good, MdUuid([6; 16]), "signature");
        field(&resummed(|raw| raw.entries_count.set(149)), uuid, "entries_count");
        let broken = read(&device(|raw| raw.rest[7] = 1), AT, uuid);
        assert!(matches!(broken, Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
        let short = read(&good[..8000].to_vec(), AT, uuid);
        assert!(matches!(short, Err(Damage::Io { .. })));
        assert!(
            read(&resummed(|raw| raw.entries_count.set(148)), AT, uuid).unwrap().unwrap().entries().len()
                == 148
        );
    }
}
