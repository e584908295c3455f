//! The label of a physical volume and the header behind it.
//!
//! *Where*: in one of the first four sectors; LVM2 writes to sector 1. All of it is in that one sector. *Byte order*:
//! little-endian. *Checksum*: [`lvm_crc`] over bytes 20…511 of the sector. *Written by*: `pvcreate` and its like; the flag
//! "in use" whenever a group takes or gives up the device.
//!
//! *Quirks*: a label that names another sector than the one in which it stands is not a label (it is a copy), and neither
//! is one without a type: `wipefs` erases that and nothing else. The extension is younger than the format: version 0 or no bytes at all mean that there is none. An area of size 0 is as
//! long as there is room.

use super::{LvmUuid, lvm_crc};
use crate::{
    Damage, Media, What, Write,
    units::{Bytes, Sectors},
};

/// "LABELONE".
pub const MAGIC: &[u8; 8] = b"LABELONE";
/// The type that we know.
pub const TYPE: &[u8; 8] = b"LVM2 001";
/// The sector to which labels are written.
pub const SECTOR: u64 = 1;
/// How many sectors are looked at.
pub const SECTORS: u64 = 4;
/// Flag of the extension: the device belongs to a group.
pub const IN_USE: u32 = 1;
/// The extension's version as it is written now.
pub const EXTENSION: u32 = 2;

const FORMAT: &str = "LVM2 label";

/// A piece of the device, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Where it begins.
    pub start: Bytes,
    /// How long it is; 0 as long as there is room.
    pub size: Bytes,
}

/// A physical volume as its own label describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The sector in which it stands.
    pub sector: u64,
    /// The identity.
    pub id: LvmUuid,
    /// The device's size.
    pub size: Bytes,
    /// Where data is: one piece; its start is `pe_start`.
    pub data: Vec<Extent>,
    /// Metadata areas, at most two in use.
    pub metadata: Vec<Extent>,
    /// Version of the extension, 0 for none.
    pub extension: u32,
    /// Flags of the extension; bits that we do not know are kept.
    pub flags: u32,
    /// Room for a boot loader, at most one in use.
    pub bootloader: Vec<Extent>,
}

/// Looks for a label. `None` where there is none.
///
/// # Errors
/// [`Damage::Corrupt`] for a wrong checksum or lists that do not end inside the sector, [`Damage::Unsupported`] for a label of
/// another type, [`Damage::Io`].
pub fn read(media: &dyn Media) -> Result<Option<Label>, Damage> {
    let mut first = [0; 2048];
    let len = usize::try_from(media.len().0).unwrap_or(usize::MAX).min(first.len());
    let first = first.get_mut(..len).unwrap_or_default();
    media.read_at(Bytes(0), first).map_err(|source| Damage::Io { format: FORMAT, at: Sectors(0), source })?;
    for (number, sector) in (0u64..).zip(first.chunks_exact(512)) {
        let wiped = sector.get(24..32) == Some(&[0; 8]);
        if sector.starts_with(MAGIC) && u64_at(sector, 8) == Some(number) && !wiped {
            return decode(number, sector).map(Some);
        }
    }
    Ok(None)
}

/// The identity in what is left of a label that is none any more: without its type, as `wipefs` leaves it, or with a wrong
/// checksum.
#[must_use]
pub fn remains(media: &dyn Media) -> Option<LvmUuid> {
    let mut first = [0; 2048];
    media.read_at(Bytes(0), &mut first).ok()?;
    let left = first.chunks_exact(512).find(|sector| sector.starts_with(MAGIC))?;
    left.get(32..64)?.try_into().ok().and_then(LvmUuid::from_stored)
}

fn decode(number: u64, sector: &[u8]) -> Result<Label, Damage> {
    let at = Sectors(number);
    let field = |field, value: i128, rule| Damage::Corrupt {
        format: FORMAT,
        at,
        what: What::Field { field, value, rule },
    };
    let stored = u32_at(sector, 16).unwrap_or_default();
    let computed = lvm_crc(sector.get(20..).unwrap_or_default());
    if stored != computed {
        return Err(Damage::Corrupt { format: FORMAT, at, what: What::Checksum { stored, computed } });
    }
    if sector.get(24..32) != Some(TYPE) {
        let kind =
            String::from_utf8_lossy(sector.get(24..32).unwrap_or_default()).escape_default().to_string();
        return Err(Damage::Unsupported { format: FORMAT, at, why: format!("a label of type \"{kind}\"") });
    }
    let offset = u32_at(sector, 20).unwrap_or_default();
    let header = usize::try_from(offset).ok().and_then(|from| sector.get(from..));
    let Some(header) = header.filter(|_| offset >= 32) else {
        return Err(field("offset_xl", offset.into(), "inside the sector behind the label"));
    };
    let id = header.get(..32).and_then(|id| id.try_into().ok()).and_then(LvmUuid::from_stored);
    let id = id.ok_or_else(|| field("pv_uuid", 0, "letters and digits in all 32 places"))?;
    let mut lists = Lists { header, at: 40 };
    let short = |list| move || field(list, 0, "a list that ends inside the sector");
    let data = lists.next().ok_or_else(short("disk_areas"))?;
    let metadata = lists.next().ok_or_else(short("metadata_areas"))?;
    let extension = lists.u32().unwrap_or(0);
    let flags = lists.u32().filter(|_| extension > 0).unwrap_or(0);
    let bootloader =
        if extension > 0 { lists.next().ok_or_else(short("bootloader_areas"))? } else { Vec::new() };
    let size = Bytes(u64_at(header, 32).unwrap_or_default());
    Ok(Label { sector: number, id, size, data, metadata, extension, flags, bootloader })
}

struct Lists<'a> {
    header: &'a [u8],
    at: usize,
}

impl Lists<'_> {
    /// Up to the pair whose offset is 0. Bounded by the sector.
    fn next(&mut self) -> Option<Vec<Extent>> {
        let mut list = Vec::new();
        loop {
            let start = Bytes(u64_at(self.header, self.at)?);
            let size = Bytes(u64_at(self.header, self.at.checked_add(8)?)?);
            self.at = self.at.checked_add(16)?;
            if start == Bytes(0) {
                return Some(list);
            }
            list.push(Extent { start, size });
        }
    }

    fn u32(&mut self) -> Option<u32> {
        let value = u32_at(self.header, self.at)?;
        self.at = self.at.checked_add(4)?;
        Some(value)
    }
}

impl Label {
    /// A new one, not yet in a group, with one metadata area and the data behind it.
    #[must_use]
    pub fn new(id: LvmUuid, size: Bytes, metadata: Extent, data: Bytes) -> Self {
        Self {
            sector: SECTOR,
            id,
            size,
            data: vec![Extent { start: data, size: Bytes(0) }],
            metadata: vec![metadata],
            extension: EXTENSION,
            flags: 0,
            bootloader: Vec::new(),
        }
    }

    /// Whether a group has it, where the label says anything about that.
    #[must_use]
    pub fn in_use(&self) -> Option<bool> {
        (self.extension > 0).then_some(self.flags & IN_USE != 0)
    }

    /// Says whether a group has it; an older header is brought to the present version, as LVM2 does.
    pub fn set_in_use(&mut self, used: bool) {
        self.extension = self.extension.max(EXTENSION);
        self.flags = if used { self.flags | IN_USE } else { self.flags & !IN_USE };
    }

    /// The sector. `None` where the lists do not fit into one.
    #[must_use]
    pub fn encode(&self) -> Option<Write> {
        let mut body = Vec::with_capacity(512);
        body.extend_from_slice(self.id.stored());
        body.extend_from_slice(&self.size.0.to_le_bytes());
        for list in [&self.data, &self.metadata] {
            put_list(&mut body, list);
        }
        if self.extension > 0 {
            body.extend_from_slice(&self.extension.to_le_bytes());
            body.extend_from_slice(&self.flags.to_le_bytes());
            put_list(&mut body, &self.bootloader);
        }
        let mut rest = Vec::with_capacity(512);
        rest.extend_from_slice(&32u32.to_le_bytes());
        rest.extend_from_slice(TYPE);
        rest.extend_from_slice(&body);
        if rest.len() > 512usize.saturating_sub(20) {
            return None;
        }
        rest.resize(512usize.saturating_sub(20), 0);
        let mut data = Vec::with_capacity(512);
        data.extend_from_slice(MAGIC);
        data.extend_from_slice(&self.sector.to_le_bytes());
        data.extend_from_slice(&lvm_crc(&rest).to_le_bytes());
        data.extend_from_slice(&rest);
        Some(Write { at: Sectors(self.sector).bytes(), data })
    }

    /// What takes the label away: zeros over all four sectors in which one may stand would take more than ours, so
    /// only its own.
    #[must_use]
    pub fn wipe(&self) -> Write {
        Write { at: Sectors(self.sector).bytes(), data: vec![0; 512] }
    }
}

fn put_list(body: &mut Vec<u8>, list: &[Extent]) {
    for extent in list {
        body.extend_from_slice(&extent.start.0.to_le_bytes());
        body.extend_from_slice(&extent.size.0.to_le_bytes());
    }
    body.extend_from_slice(&[0; 16]);
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}
