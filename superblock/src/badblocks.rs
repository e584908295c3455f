//! The bad-block log of a 1.x member: ranges that could neither be read nor written.
//!
//! *Where*: where the superblock says, usually 4 KiB (512 entries). *Byte order*: little. *Checksum*: none.
//! An entry is 64 bits: length in the low 10, start in the upper 54, both in blocks of `512 << bblog_shift`
//! bytes, start counted from the device's own start; all ones end the list.
//! *Written by*: the kernel alone; while the list is empty its feature bit is off and the log has any content.
//! *Source*: `drivers/md/md.c` (`super_1_load`, `super_1_sync`).
//!
//! *Quirk*: mdadm takes a log of more than 100 sectors for none; the kernel takes at most 8.

use crate::{
    Damage, Media, What, Write,
    units::Sectors,
    v1::{BadBlockLog, FeatureMap, Superblock},
};

const FORMAT: &str = "bad-block log";
/// More sectors than this and mdadm sees no log.
pub const MAX_SIZE: u16 = 100;
/// The longest range that one entry has, in blocks.
pub const MAX_LENGTH: u64 = 0x3ff;

/// A range that is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// Where it begins on the device.
    pub start: Sectors,
    /// How long it is.
    pub length: Sectors,
}

/// What a member's log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// It has none.
    Absent,
    /// It has one and nothing is bad.
    Empty,
    /// These are bad.
    Ranges(Vec<Range>),
}

/// Reads the log of a member.
///
/// # Errors
/// [`Damage::Corrupt`] where it is not on the device, or an entry overflows; [`Damage::Io`].
pub fn read(media: &dyn Media, superblock: &Superblock) -> Result<Log, Damage> {
    let Some(log) = superblock.bad_block_log().filter(|log| log.size <= MAX_SIZE) else {
        return Ok(Log::Absent);
    };
    if !superblock.feature_map().contains(FeatureMap::BAD_BLOCKS) {
        return Ok(Log::Empty);
    }
    let Some(at) = superblock.bad_block_log_at() else {
        let (value, rule) = (log.offset.into(), "on the device");
        let what = What::Field { field: "bblog_offset", value, rule };
        return Err(Damage::Corrupt { format: FORMAT, at: superblock.at(), what });
    };
    let mut bytes = vec![0; usize::from(log.size).saturating_mul(512)];
    media.read_at(at.bytes(), &mut bytes).map_err(|source| Damage::Io { format: FORMAT, at, source })?;
    let mut ranges = Vec::new();
    for entry in bytes.chunks_exact(8).map(|entry| u64::from_le_bytes(entry.try_into().unwrap_or_default())) {
        if entry == u64::MAX {
            break;
        }
        ranges.push(decode(entry, log.shift).ok_or_else(|| Damage::Corrupt {
            format: FORMAT,
            at,
            what: What::Field { field: "entry", value: entry.into(), rule: "within 64 bits of sectors" },
        })?);
    }
    Ok(Log::Ranges(ranges))
}

fn decode(entry: u64, shift: u8) -> Option<Range> {
    let scale = 1u64.checked_shl(shift.into())?;
    let start = Sectors((entry >> 10).checked_mul(scale)?);
    let length = Sectors((entry & MAX_LENGTH).checked_mul(scale)?);
    start.checked_add(length)?;
    Some(Range { start, length })
}

/// The log's bytes for these ranges, all ones behind them. `None` where they do not fit the log, or are not
/// whole blocks.
#[must_use]
pub fn encode(ranges: &[Range], log: BadBlockLog, at: Sectors) -> Option<Write> {
    let room = usize::from(log.size).saturating_mul(512);
    let mut data = Vec::new();
    for range in ranges {
        data.extend(entry(range, log.shift)?.to_le_bytes());
    }
    if data.len() > room || log.size > MAX_SIZE {
        return None;
    }
    data.resize(room, 0xff);
    Some(Write { at: at.bytes(), data })
}

fn entry(range: &Range, shift: u8) -> Option<u64> {
    let blocks = |sectors: Sectors| {
        let blocks = sectors.0.checked_shr(shift.into())?;
        (blocks.checked_shl(shift.into())? == sectors.0).then_some(blocks)
    };
    let (start, length) = (blocks(range.start)?, blocks(range.length)?);
    (start < 1 << 54 && length <= MAX_LENGTH).then_some(start << 10 | length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_both_ways() {
        for (start, length, shift) in [(0, 1, 0), (5000, 16, 0), (5000, 16, 3), (8 << 40, 1023 << 3, 3)] {
            let range = Range { start: Sectors(start), length: Sectors(length) };
            assert_eq!(decode(entry(&range, shift).unwrap(), shift), Some(range));
        }
        let log = BadBlockLog { offset: 8, size: 8, shift: 3 };
        let odd = Range { start: Sectors(1), length: Sectors(8) };
        assert_eq!(encode(&[odd], log, Sectors(24)), None, "not whole blocks");
        let long = Range { start: Sectors(0), length: Sectors(1024 << 3) };
        assert_eq!(encode(&[long], log, Sectors(24)), None, "too long");
        let fine = Range { start: Sectors(8), length: Sectors(8) };
        assert_eq!(encode(&[fine; 513], log, Sectors(24)), None, "too many");
        let write = encode(&[fine], log, Sectors(24)).unwrap();
        assert_eq!((write.data.len(), &write.data[..9]), (4096, &[1, 4, 0, 0, 0, 0, 0, 0, 0xff][..]));
    }

    #[test]
    fn a_shift_without_bounds_is_damage_not_a_panic() {
        for shift in [0, 9, 10, 63, 64, 255] {
            let _ = decode(u64::MAX - 1, shift);
        }
        assert_eq!(decode(1 << 10, 64), None);
        assert_eq!(decode(1 << 63, 11), None);
    }
}
