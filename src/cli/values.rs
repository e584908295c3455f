//! The words that option values are made of: sizes, levels, layouts, metadata, policies.

use superblock::{Bytes, Level, Sectors};

use crate::request::{BitmapKind, ConsistencyPolicy};
pub use crate::{
    config::format::{level, number},
    request::{BadLayout, layout},
};

/// A layout: the kernel's number, or what only `--grow` understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Number(u32),
    /// RAID5 → RAID6 with all Q blocks on the new member.
    Preserve,
    /// Give up such a layout.
    Normalise,
}

/// A positive size with an optional suffix: `s` sectors, `K` (the default), `M`, `G`, `T`.
///
/// `1s` is refused like the original, in which it was the mark of an invalid size.
pub fn size(text: &str) -> Option<Sectors> {
    let (digits, sectors) = match text.as_bytes().last()? {
        b's' => (text.strip_suffix('s')?, 1),
        b'K' => (text.strip_suffix('K')?, 2),
        b'M' => (text.strip_suffix('M')?, 2 << 10),
        b'G' => (text.strip_suffix('G')?, 2 << 20),
        b'T' => (text.strip_suffix('T')?, 2 << 30),
        _ => (text, 2),
    };
    let count = u64::try_from(number(digits)?).ok().filter(|n| *n > 0)?;
    let size = count.checked_mul(sectors)?;
    (size > 1 && i64::try_from(size).is_ok()).then_some(Sectors(size))
}

/// A bitmap chunk: a power of two, in bytes of 32 bits.
pub fn bitmap_chunk(text: &str) -> Option<Bytes> {
    let bytes = size(text).filter(|size| size.0.is_power_of_two()).map(Sectors::bytes);
    bytes.filter(|bytes| u32::try_from(bytes.0).is_ok())
}

/// The default layout of a level: what its name `default` means; 0 where a level has none.
pub fn default_layout(level: Level) -> u32 {
    match level {
        Level::Raid5 | Level::Raid6 => 2,
        Level::Raid10 => 0x102,
        Level::Raid0 => 1,
        Level::Faulty => 0x100,
        Level::Raid1 | Level::Raid4 | Level::Linear | Level::Multipath | Level::Container => 0,
        Level::Other(_) => 0,
    }
}

/// A kind of bitmap by name.
pub fn bitmap(text: &str) -> Option<BitmapKind> {
    Some(match text {
        "internal" => BitmapKind::Internal,
        "clustered" => BitmapKind::Clustered,
        "lockless" => BitmapKind::Lockless,
        "none" => BitmapKind::None,
        _ => return None,
    })
}

/// A consistency policy by name.
pub fn consistency_policy(text: &str) -> Option<ConsistencyPolicy> {
    Some(match text {
        "resync" => ConsistencyPolicy::Resync,
        "bitmap" => ConsistencyPolicy::Bitmap,
        "journal" => ConsistencyPolicy::Journal,
        "ppl" => ConsistencyPolicy::Ppl,
        _ => return None,
    })
}
