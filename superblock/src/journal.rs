//! The meta block of a RAID4/5/6 write journal.
//!
//! *Where*: on the journal device; the log begins `journal_tail` sectors behind its data offset, at 0 when new.
//! *Byte order*: little. *Checksum*: CRC-32C without final inversion, seeded with that of the array's UUID, over
//! the 4 KiB with its field 0. *Written by*: mdadm (one empty block), then the kernel. *Source*: `md_p.h`,
//! `raid5-cache.c`.
//!
//! *Quirk*: a block is valid only with the sequence number that is expected, so mdadm starts at a random one;
//! what an older journal left behind is then not taken for a continuation.

use std::mem::{offset_of, size_of};

use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use crate::{
    Damage, MdUuid, Media, What, Write,
    checksum::{crc32c_raw, journal_seed},
    units::{Bytes, Sectors},
};

/// First word of a meta block.
pub const MAGIC: u32 = 0x6433_c509;
/// The block's size.
pub const SIZE: usize = 4096;

const FORMAT: &str = "journal";
const VERSION: u8 = 1;
const HEAD: usize = 32;

#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: U32,
    checksum: U32,
    version: u8,
    pad1: u8,
    pad2: U16,
    meta_size: U32,

    seq: U64,
    position: U64,

    payloads: [u8; 4064],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawPayload {
    kind: U16,
    flags: U16,
    size: U32,
}

const _: () = assert!(
    size_of::<Raw>() == SIZE
        && offset_of!(Raw, meta_size) == 12
        && offset_of!(Raw, position) == 24
        && offset_of!(Raw, payloads) == HEAD
        && size_of::<RawPayload>() == 8
);

/// A meta block.
#[derive(Clone)]
pub struct MetaBlock {
    raw: Box<Raw>,
}

/// One thing that is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Data that follows in the log.
    Data(Blocks),
    /// Parity that follows in the log.
    Parity(Blocks),
    /// These stripes were written to the members.
    Flush(Vec<Sectors>),
}

/// Where logged blocks belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// 1: discard, 2: reshaping, 4: reshaped.
    pub flags: u16,
    /// How much.
    pub size: Sectors,
    /// Where: data in array sectors, parity in sectors of the members.
    pub location: Sectors,
    /// A checksum for each 4 KiB.
    pub checksums: Vec<u32>,
}

/// Reads the meta block at `at`. `None` where there is none.
///
/// # Errors
/// [`Damage::Corrupt`] for a wrong checksum (another array's block has one) or payloads that do not fit;
/// [`Damage::Unsupported`] for another version or payload; [`Damage::Io`].
pub fn read(media: &dyn Media, at: Sectors, array: MdUuid) -> Result<Option<MetaBlock>, Damage> {
    let mut raw = Box::new(Raw::new_zeroed());
    let io = |source| Damage::Io { format: FORMAT, at, source };
    media.read_at(at.bytes(), raw.as_mut_bytes()).map_err(io)?;
    if raw.magic.get() != MAGIC {
        return Ok(None);
    }
    let block = MetaBlock { raw };
    let corrupt = |what| Err(Damage::Corrupt { format: FORMAT, at, what });
    let (stored, computed) = (block.raw.checksum.get(), block.computed_checksum(array));
    if stored != computed {
        return corrupt(What::Checksum { stored, computed });
    }
    if block.raw.version != VERSION {
        let why = format!("version {}", block.raw.version);
        return Err(Damage::Unsupported { format: FORMAT, at, why });
    }
    let size = block.raw.meta_size.get();
    if !(32..=4096).contains(&size) {
        return corrupt(What::Field { field: "meta_size", value: size.into(), rule: "32 to 4096" });
    }
    block.parse(at)?;
    Ok(Some(block))
}

impl MetaBlock {
    /// An empty one for a new journal; `seq` is to be random.
    #[must_use]
    pub fn new(array: MdUuid, seq: u64) -> Self {
        let mut raw = Box::new(Raw::new_zeroed());
        raw.magic.set(MAGIC);
        raw.version = VERSION;
        raw.meta_size.set(32);
        raw.seq.set(seq);
        let mut block = Self { raw };
        block.raw.checksum.set(block.computed_checksum(array));
        block
    }

    /// Its number in the log.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.raw.seq.get()
    }

    /// Where it is in the log, in sectors from the data offset.
    #[must_use]
    pub fn position(&self) -> Sectors {
        Sectors(self.raw.position.get())
    }

    /// How many of its bytes count.
    #[must_use]
    pub fn meta_size(&self) -> Bytes {
        Bytes(self.raw.meta_size.get().into())
    }

    /// What is logged.
    #[must_use]
    pub fn payloads(&self) -> Vec<Payload> {
        self.parse(Sectors(0)).unwrap_or_default()
    }

    fn parse(&self, at: Sectors) -> Result<Vec<Payload>, Damage> {
        let used = usize::try_from(self.raw.meta_size.get()).unwrap_or(SIZE).saturating_sub(HEAD);
        let mut rest = self.raw.payloads.get(..used).unwrap_or(&self.raw.payloads);
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (payload, next) = one(rest, at)?;
            found.push(payload);
            rest = next;
        }
        Ok(found)
    }

    fn computed_checksum(&self, array: MdUuid) -> u32 {
        let mut raw = self.raw.clone();
        raw.checksum.set(0);
        crc32c_raw(journal_seed(array.0), raw.as_bytes())
    }

    /// What goes to the device, with the checksum filled in.
    #[must_use]
    pub fn encode(&self, at: Sectors, array: MdUuid) -> Write {
        let mut raw = self.raw.clone();
        raw.checksum.set(self.computed_checksum(array));
        Write { at: at.bytes(), data: raw.as_bytes().to_vec() }
    }
}

/// Takes one payload from the front.
fn one(bytes: &[u8], at: Sectors) -> Result<(Payload, &[u8]), Damage> {
    let cut = || {
        let value = bytes.len().try_into().unwrap_or(i128::MAX);
        let what = What::Field { field: "payload", value, rule: "whole within meta_size" };
        Damage::Corrupt { format: FORMAT, at, what }
    };
    let (head, rest) = RawPayload::read_from_prefix(bytes).map_err(|_| cut())?;
    let size = head.size.get();
    match head.kind.get() {
        kind @ (0 | 1) => {
            let (location, rest) = U64::read_from_prefix(rest).map_err(|_| cut())?;
            // A checksum for each 4 KiB, which is 8 sectors.
            let len =
                usize::try_from(size >> 3).ok().and_then(|count| count.checked_mul(4)).ok_or_else(cut)?;
            let (sums, rest) = rest.split_at_checked(len).ok_or_else(cut)?;
            let checksums =
                sums.chunks_exact(4).map(|sum| u32::from_le_bytes(sum.try_into().unwrap_or_default()));
            let blocks = Blocks {
                flags: head.flags.get(),
                size: Sectors(size.into()),
                location: Sectors(location.get()),
                checksums: checksums.collect(),
            };
            Ok((if kind == 0 { Payload::Data(blocks) } else { Payload::Parity(blocks) }, rest))
        }
        2 => {
            let len = usize::try_from(size).map_err(|_| cut())?;
            let (stripes, rest) = rest.split_at_checked(len).ok_or_else(cut)?;
            let stripe = |bytes: &[u8]| Sectors(u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
            Ok((Payload::Flush(stripes.chunks_exact(8).map(stripe).collect()), rest))
        }
        kind => Err(Damage::Unsupported { format: FORMAT, at, why: format!("payload type {kind}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Sectors = Sectors(8);
    const UUID: MdUuid = MdUuid([5; 16]);

    fn device(size: u32, payloads: &[u8], change: impl Fn(&mut Raw)) -> Vec<u8> {
        let mut block = MetaBlock::new(UUID, 0x1234);
        block.raw.payloads[..payloads.len()].copy_from_slice(payloads);
        block.raw.meta_size.set(size);
        change(&mut block.raw);
        block.raw.checksum.set(block.computed_checksum(UUID));
        let mut device = vec![0; 4096];
        device.extend(block.raw.as_bytes());
        device
    }

    fn data(size: u8, sums: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, size, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([7, 0, 0, 0].repeat(sums));
        bytes
    }

    #[test]
    fn round_trip_of_each_payload() {
        let mut payloads = data(16, 2);
        payloads.extend([2, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        let device = device(32 + 24 + 24, &payloads, |_| ());
        let block = read(&device, AT, UUID).unwrap().unwrap();
        assert_eq!(block.encode(AT, UUID).data, device[4096..]);
        let blocks = Blocks { flags: 0, size: Sectors(16), location: Sectors(16), checksums: vec![7, 7] };
        assert_eq!(block.payloads(), [Payload::Data(blocks), Payload::Flush(vec![Sectors(1), Sectors(2)])]);
        assert_eq!((block.seq(), block.position(), block.meta_size()), (0x1234, Sectors(0), Bytes(80)));
    }

    #[test]
    fn each_rejection() {
        let good = device(32, &[], |_| ());
        assert!(read(&good, AT, UUID).unwrap().unwrap().payloads().is_empty());
        assert!(read(&device(32, &[], |raw| raw.magic.set(1)), AT, UUID).unwrap().is_none());
        let wrong_sum = read(&good, AT, MdUuid([6; 16]));
        assert!(matches!(wrong_sum, Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
        let newer = read(&device(32, &[], |raw| raw.version = 2), AT, UUID);
        assert!(matches!(newer, Err(Damage::Unsupported { .. })));
        let unknown = read(&device(40, &[3], |_| ()), AT, UUID);
        assert!(matches!(unknown, Err(Damage::Unsupported { .. })));
        for (size, payloads, name) in [
            (31, vec![], "meta_size"),
            (4097, vec![], "meta_size"),
            (39, vec![], "payload"),
            (47, data(8, 1), "payload"),
            (32 + 19, data(8, 1), "payload"),
            (32 + 20, data(16, 1), "payload"),
            (48, vec![2, 0, 0, 0, 16], "payload"),
            (48, vec![2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "payload"),
        ] {
            match read(&device(size, &payloads, |_| ()), AT, UUID) {
                Err(Damage::Corrupt { what: What::Field { field, .. }, .. }) => assert_eq!(field, name),
                other => panic!("{size} {payloads:?}: {:?}", other.map(|block| block.map(|b| b.payloads()))),
            }
        }
        assert!(matches!(read(&good[..8000].to_vec(), AT, UUID), Err(Damage::Io { .. })));
    }
}
