//! Partition tables, as far as one must know them to see what a new array would cover.

use super::{Foreign, Reader};
use crate::{
    checksum::gpt_crc,
    units::{Bytes, Sectors},
};

/// What a partition table says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Entries in use.
    pub partitions: u32,
    /// Where the last of them ends.
    pub end: Sectors,
    /// MBR: one entry covers the disk for GPT's sake.
    pub protective: bool,
}

/// No sound table has more entries or larger ones; what has is counted as far as this.
const MOST_ENTRIES: u32 = 1024;
const MOST_BYTES: usize = 128 << 10;

/// The header at its sector, the entries where it says.
pub(super) fn gpt(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    // The header is the second logical sector: its place tells their size.
    let sector = found.at.0;
    found.uuid = reader.array::<16>(sector.saturating_add(56)).map(mixed);
    // What a damaged header says of its entries is not believed; that there is one is.
    if is_sound(reader, sector) == Some(true) {
        found.table = entries(reader, sector);
    }
    found
}

/// Whether the header's checksum is right.
fn is_sound(reader: &Reader<'_>, sector: u64) -> Option<bool> {
    let length = usize::try_from(reader.le32(sector.saturating_add(12))?).ok();
    let length = length.filter(|length| (92..=512).contains(length))?;
    let stored = reader.le32(sector.saturating_add(16))?;
    Some(gpt_crc(reader.detail(sector, length)?.as_ref()) == stored)
}

fn entries(reader: &Reader<'_>, sector: u64) -> Option<Table> {
    let first = reader.le64(sector.saturating_add(72))?.checked_mul(sector)?;
    let count = reader.le32(sector.saturating_add(80))?.min(MOST_ENTRIES);
    let size = usize::try_from(reader.le32(sector.saturating_add(84))?).ok().filter(|size| *size >= 128)?;
    let all = usize::try_from(count).ok()?.checked_mul(size)?.min(MOST_BYTES);
    let mut table = Table::default();
    for entry in reader.detail(first, all)?.chunks_exact(size) {
        let end = entry.get(40..48).and_then(|end| end.try_into().ok()).map(u64::from_le_bytes)?;
        if entry.iter().take(16).all(|&byte| byte == 0) {
            continue;
        }
        let end = Bytes(end.saturating_add(1).saturating_mul(sector)).sectors();
        table.partitions = table.partitions.saturating_add(1);
        table.end = table.end.max(end);
    }
    Some(table)
}

/// The four entries of the first sector; logical partitions lie within their extended one.
pub(super) fn mbr(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    let Some(entries) = reader.array::<64>(446) else { return found };
    let mut table = Table::default();
    for entry in entries.chunks_exact(16) {
        let [_, _, _, _, kind, _, _, _, first @ .., a, b, c, d] = entry else { continue };
        let count = u32::from_le_bytes([*a, *b, *c, *d]);
        let first = first.try_into().map_or(0, u32::from_le_bytes);
        if *kind == 0 || count == 0 {
            continue;
        }
        table.partitions = table.partitions.saturating_add(1);
        table.protective |= *kind == 0xee;
        table.end = table.end.max(Sectors(u64::from(first).saturating_add(count.into())));
    }
    found.uuid = reader.le32(440).filter(|&id| id != 0).map(|id| format!("{id:08x}"));
    found.table = Some(table);
    found
}

/// A GUID as GPT stores it: the first three groups are little-endian.
fn mixed(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let head = [d, c, b, a, f, e, h, g];
    super::dashed(head.into_iter().chain(rest), &[4, 6, 8, 10])
}
