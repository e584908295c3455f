//! A stream of differences between two states of a volume: what `mdctl volume snapshot diff --stream` writes and `apply`
//! replays. Our own format; `docs/delta.md` describes it for others.
//!
//! *Where*: a file or a pipe, from the beginning to the end without seeking. *Byte order*: little. *Checksum*: CRC-32C over
//! the header; over each record's head; over the data of each record; over the same range of the base, so that a wrong
//! base is found before anything is written. *Written by*: mdctl.

use std::mem::{offset_of, size_of};

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U32, U64},
};

use crate::{
    Damage, What,
    checksum::crc32c,
    units::{Bytes, Sectors},
};

/// The first bytes.
pub const MAGIC: [u8; 8] = *b"mdctlDlt";
/// The only version.
pub const VERSION: u32 = 1;
/// The header's size.
pub const HEADER: usize = 256;
/// The size of a record's head.
pub const HEAD: usize = 32;
/// A record has no more data than this: it is held in memory.
pub const MAX_DATA: u32 = 1 << 20;
/// So many records may be under way between two syncs of the target: after an interruption at most so many neighbours
/// are neither old nor new.
pub const WINDOW: u64 = 64;

const FORMAT: &str = "delta";
const RECORD: u32 = u32::from_le_bytes(*b"mdRc");
const END: u32 = u32::from_le_bytes(*b"mdEn");

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: [u8; 8],
    version: U32,
    flags: U32,

    size: U64,
    time: U64,

    group: [u8; 32],
    volume: [u8; 32],
    base: [u8; 32],

    records: U64,
    bytes: U64,

    rest: [u8; 108],
    checksum: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHead {
    kind: U32,
    length: U32,
    start: U64,

    base: U32,
    data: U32,
    zero: U32,
    checksum: U32,
}

const _: () = assert!(
    size_of::<RawHeader>() == HEADER
        && size_of::<RawHead>() == HEAD
        && offset_of!(RawHeader, size) == 16
        && offset_of!(RawHeader, group) == 32
        && offset_of!(RawHeader, records) == 128
        && offset_of!(RawHeader, checksum) == 252
);

/// `flags`: the data is the snapshot's, so that applying goes back in time.
const REVERSE: u32 = 1;

/// What a stream says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The volume's size: the target has at least this.
    pub size: Sectors,
    /// Seconds since 1970 when it was made.
    pub time: u64,
    /// The group's identity.
    pub group: [u8; 32],
    /// The identity of the volume that the snapshot is of.
    pub volume: [u8; 32],
    /// The snapshot's identity.
    pub snapshot: [u8; 32],
    /// Applied to a copy of the volume it gives the snapshot; else, applied to a copy of the snapshot, the volume.
    pub reverse: bool,
    /// How many records follow.
    pub records: u64,
    /// How many bytes of data they have.
    pub bytes: Bytes,
}

/// What stands before a record's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it belongs.
    pub start: Sectors,
    /// How many bytes: whole sectors, at most [`MAX_DATA`].
    pub length: u32,
    /// CRC-32C of what the base has there.
    pub base: u32,
    /// CRC-32C of the data.
    pub data: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A record, and then its data.
    Record(Record),
    /// The end: so many records there were.
    End(u64),
}

fn corrupt(field: &'static str, value: impl Into<i128>, rule: &'static str) -> Damage {
    Damage::Corrupt { format: FORMAT, at: Sectors(0), what: What::Field { field, value: value.into(), rule } }
}

fn check(stored: u32, bytes: &[u8]) -> Result<(), Damage> {
    let computed = crc32c(bytes.get(..bytes.len().saturating_sub(4)).unwrap_or_default());
    if stored == computed {
        return Ok(());
    }
    Err(Damage::Corrupt { format: FORMAT, at: Sectors(0), what: What::Checksum { stored, computed } })
}

impl Header {
    /// The first [`HEADER`] bytes of a stream. `None` where it is something else.
    ///
    /// # Errors
    /// [`Damage::Unsupported`] for another version, [`Damage::Corrupt`].
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Option<Self>, Damage> {
        let Ok(raw) = RawHeader::read_from_bytes(bytes) else { return Ok(None) };
        if raw.magic != MAGIC {
            return Ok(None);
        }
        if raw.version.get() != VERSION || raw.flags.get() & !REVERSE != 0 {
            let why = format!("version {} with flags {:x}", raw.version.get(), raw.flags.get());
            return Err(Damage::Unsupported { format: FORMAT, at: Sectors(0), why });
        }
        check(raw.checksum.get(), bytes)?;
        Ok(Some(Self {
            size: Sectors(raw.size.get()),
            time: raw.time.get(),
            group: raw.group,
            volume: raw.volume,
            snapshot: raw.base,
            reverse: raw.flags.get() & REVERSE != 0,
            records: raw.records.get(),
            bytes: Bytes(raw.bytes.get()),
        }))
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut raw = RawHeader {
            magic: MAGIC,
            version: VERSION.into(),
            flags: if self.reverse { REVERSE } else { 0 }.into(),
            size: self.size.0.into(),
            time: self.time.into(),
            group: self.group,
            volume: self.volume,
            base: self.snapshot,
            records: self.records.into(),
            bytes: self.bytes.0.into(),
            rest: [0; 108],
            checksum: 0.into(),
        };
        raw.checksum = crc32c(raw.as_bytes().get(..HEADER.saturating_sub(4)).unwrap_or_default()).into();
        raw.as_bytes().to_vec()
    }
}

impl Record {
    /// For this range with this data over that base; both have the same length, whole sectors and at most
    /// [`MAX_DATA`].
    #[must_use]
    pub fn new(start: Sectors, base: &[u8], data: &[u8]) -> Option<Self> {
        let length =
            u32::try_from(data.len()).ok().filter(|len| *len <= MAX_DATA && *len % 512 == 0 && *len > 0);
        let length = length.filter(|_| base.len() == data.len())?;
        Some(Self { start, length, base: crc32c(base), data: crc32c(data) })
    }

    /// Whether these are the record's data.
    #[must_use]
    pub fn is_data(&self, bytes: &[u8]) -> bool {
        crc32c(bytes) == self.data
    }

    /// Whether these are what the base has there.
    #[must_use]
    pub fn is_base(&self, bytes: &[u8]) -> bool {
        crc32c(bytes) == self.base
    }
}

impl Next {
    /// The next [`HEAD`] bytes of a stream whose volume has this size.
    ///
    /// # Errors
    /// [`Damage::Corrupt`] with what is wrong.
    pub fn decode(bytes: &[u8; HEAD], size: Sectors) -> Result<Self, Damage> {
        let raw = RawHead::read_from_bytes(bytes).map_err(|_| corrupt("length", 0, "a head"))?;
        check(raw.checksum.get(), bytes)?;
        let (length, start) = (raw.length.get(), raw.start.get());
        match raw.kind.get() {
            END => return Ok(Self::End(start)),
            RECORD => {}
            other => return Err(corrupt("kind", other, "a record or the end")),
        }
        if length == 0 || length > MAX_DATA || length % 512 != 0 {
            return Err(corrupt("length", length, "whole sectors of at most 1 MiB"));
        }
        let end = Sectors(start).checked_add(Bytes(length.into()).sectors());
        if end.is_none_or(|end| end > size) {
            return Err(corrupt("start", start, "inside the volume"));
        }
        Ok(Self::Record(Record { start: Sectors(start), length, base: raw.base.get(), data: raw.data.get() }))
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, length, start, base, data) = match self {
            Self::Record(record) => (RECORD, record.length, record.start.0, record.base, record.data),
            Self::End(records) => (END, 0, *records, 0, 0),
        };
        let mut raw = RawHead {
            kind: kind.into(),
            length: length.into(),
            start: start.into(),
            base: base.into(),
            data: data.into(),
            zero: 0.into(),
            checksum: 0.into(),
        };
        raw.checksum = crc32c(raw.as_bytes().get(..HEAD.saturating_sub(4)).unwrap_or_default()).into();
        raw.as_bytes().to_vec()
    }
}

/// What a target has where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// What the base has.
    Base,
    /// The record's data already, or base and data are the same.
    Data,
    /// Neither.
    Neither,
}

/// Whether a target is the base of a stream, or something between base and result: each record has the one or the other. Where the
/// stream was begun on this very target, and interrupted, also records that are neither may be there: after new records, then at
/// most [`WINDOW`] of any kind, then old ones. (The first record is synced before the second is written.) Without that a later copy,
/// of which the first records are the same, would be taken for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judge {
    seen: u64,
    /// The first record that is not there yet.
    first_missing: Option<u64>,
    /// The first that is neither, and the last that is not old.
    first_neither: Option<(u64, Sectors)>,
    last_touched: Option<u64>,
}

impl Judge {
    /// The next record.
    pub fn see(&mut self, at: Sectors, found: Found) {
        let number = self.seen;
        self.seen = self.seen.saturating_add(1);
        match found {
            Found::Data => self.last_touched = Some(number),
            Found::Base => {
                self.first_missing.get_or_insert(number);
            }
            Found::Neither => {
                self.first_missing.get_or_insert(number);
                self.first_neither.get_or_insert((number, at));
                self.last_touched = Some(number);
            }
        }
    }

    /// Whether all of it is there already.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.first_missing.is_none()
    }

    /// Where the target is neither base nor result; `None` where it may be applied to. `begun`: the stream was begun on it.
    #[must_use]
    pub fn wrong(&self, begun: bool) -> Option<Sectors> {
        let (_, at) = self.first_neither?;
        if !begun {
            return Some(at);
        }
        let (first, last) = (self.first_missing?, self.last_touched?);
        let interrupted = match first {
            // The first record is synced alone. Alone in the stream it proves nothing.
            0 => last == 0 && self.seen > 1,
            _ => last.saturating_sub(first) < WINDOW,
        };
        (!interrupted).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            size: Sectors(64),
            time: 5,
            group: [b'g'; 32],
            volume: [b'v'; 32],
            snapshot: [b's'; 32],
            reverse: true,
            records: 1,
            bytes: Bytes(1024),
        }
    }

    fn raw(change: impl Fn(&mut RawHeader)) -> [u8; HEADER] {
        let mut raw = RawHeader::read_from_bytes(&header().encode()).unwrap();
        change(&mut raw);
        let sum = crc32c(&raw.as_bytes()[..HEADER - 4]);
        raw.checksum = sum.into();
        raw.as_bytes().try_into().unwrap()
    }

    #[test]
    fn a_header_comes_back_and_each_rejection() {
        assert_eq!(Header::decode(&raw(|_| ())).unwrap(), Some(header()));
        assert_eq!(Header::decode(&raw(|raw| raw.magic[0] = 0)).unwrap(), None);
        let unsupported =
            |bytes: [u8; HEADER]| matches!(Header::decode(&bytes), Err(Damage::Unsupported { .. }));
        assert!(unsupported(raw(|raw| raw.version.set(2))) && unsupported(raw(|raw| raw.flags.set(2))));
        let mut bytes = raw(|_| ());
        bytes[200] = 1;
        assert!(matches!(Header::decode(&bytes), Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
    }

    #[test]
    fn a_record_comes_back_and_each_rejection() {
        let record = Record::new(Sectors(8), &[1; 1024], &[2; 1024]).unwrap();
        assert!(record.is_data(&[2; 1024]) && record.is_base(&[1; 1024]) && !record.is_base(&[2; 1024]));
        let head = |change: &dyn Fn(&mut RawHead)| -> [u8; HEAD] {
            let mut raw = RawHead::read_from_bytes(&Next::Record(record).encode()).unwrap();
            change(&mut raw);
            raw.checksum = crc32c(&raw.as_bytes()[..HEAD - 4]).into();
            raw.as_bytes().try_into().unwrap()
        };
        let decode = |bytes: &[u8; HEAD]| Next::decode(bytes, Sectors(64));
        assert_eq!(decode(&head(&|_| ())).unwrap(), Next::Record(record));
        let end = Next::End(7).encode().try_into().unwrap();
        assert_eq!(decode(&end).unwrap(), Next::End(7));
        let field = |bytes: [u8; HEAD], name| match decode(&bytes) {
            Err(Damage::Corrupt { what: What::Field { field, .. }, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other:?}"),
        };
        field(head(&|raw| raw.kind.set(1)), "kind");
        for length in [0, 100, MAX_DATA + 512] {
            field(head(&|raw| raw.length.set(length)), "length");
        }
        for start in [63, 64, u64::MAX] {
            field(head(&|raw| raw.start.set(start)), "start");
        }
        let mut torn = head(&|_| ());
        torn[9] ^= 1;
        assert!(matches!(decode(&torn), Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
        assert!(Record::new(Sectors(0), &[1; 512], &[1; 1024]).is_none());
        assert!(Record::new(Sectors(0), &[], &[]).is_none());
    }

    fn judged(found: &[Found]) -> Judge {
        let mut judge = Judge::default();
        (0..).zip(found).for_each(|(at, found)| judge.see(Sectors(at), *found));
        judge
    }

    #[test]
    fn a_base_and_an_interrupted_one_are_told_from_others() {
        use Found::{Base, Data, Neither};
        assert!(judged(&[Data, Data]).is_done() && judged(&[]).is_done());
        assert_eq!(judged(&[Base; 3]).wrong(true), None);
        assert_eq!(judged(&[Data, Neither, Base]).wrong(true), None, "torn where it was interrupted");
        assert_eq!(
            judged(&[Data, Base, Data, Neither, Base]).wrong(true),
            None,
            "out of order in the window"
        );
        assert_eq!(judged(&[Base, Neither, Base]).wrong(true), Some(Sectors(1)));
        assert_eq!(judged(&[Neither]).wrong(true), Some(Sectors(0)));
        assert_eq!(judged(&[Neither, Base]).wrong(true), None);
        assert_eq!(judged(&[Neither, Neither, Base]).wrong(true), Some(Sectors(0)));
        let mut far = vec![Data, Base];
        far.extend([Base; 64]);
        far.push(Neither);
        assert_eq!(judged(&far).wrong(true), Some(Sectors(66)));
        // Nobody knows that it was begun: a later copy has some records still, and others in the places of the rest.
        assert_eq!(judged(&[Data, Base, Data, Base]).wrong(false), None);
        assert_eq!(judged(&[Data, Neither, Base]).wrong(false), Some(Sectors(1)));
        assert_eq!(judged(&[Neither, Base]).wrong(false), Some(Sectors(0)));
    }
}
