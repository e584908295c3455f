//! The words that option values are made of: sizes, levels, layouts, metadata, policies.

use superblock::{Bytes, Level, Sectors};

pub use crate::config::format::{level, number};
use crate::request::{BitmapKind, ConsistencyPolicy};

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

/// Why a layout word was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLayout {
    /// The level has only one layout.
    NoLayouts,
    /// The level has no layout of this name.
    Unknown,
}

/// A layout of `level` by name (`md_p.h` and `raid5.h` have the numbers).
pub fn layout(level: Level, text: &str) -> Result<u32, BadLayout> {
    let found = match level {
        Level::Raid0 => match text {
            "dangerous" => Some(0),
            "original" | "1" => Some(1),
            "alternate" | "2" => Some(2),
            _ => None,
        },
        Level::Raid5 => rotation(text).or(match text {
            "ddf-N-restart" => Some(0),
            "ddf-zero-restart" => Some(1),
            "ddf-N-continue" => Some(2),
            _ => None,
        }),
        Level::Raid6 => rotation(text).or(match text {
            "ddf-zero-restart" => Some(8),
            "ddf-N-restart" => Some(9),
            "ddf-N-continue" => Some(10),
            "left-asymmetric-6" => Some(16),
            "right-asymmetric-6" => Some(17),
            "left-symmetric-6" => Some(18),
            "right-symmetric-6" => Some(19),
            "parity-first-6" => Some(20),
            _ => None,
        }),
        Level::Raid10 => copies(text),
        Level::Faulty => fault(text),
        Level::Linear
        | Level::Raid1
        | Level::Raid4
        | Level::Multipath
        | Level::Container
        | Level::Other(_) => return Err(BadLayout::NoLayouts),
    };
    found.ok_or(BadLayout::Unknown)
}

fn rotation(text: &str) -> Option<u32> {
    Some(match text {
        "left-asymmetric" | "la" => 0,
        "right-asymmetric" | "ra" => 1,
        "left-symmetric" | "ls" | "default" => 2,
        "right-symmetric" | "rs" => 3,
        "parity-first" => 4,
        "parity-last" => 5,
        _ => return None,
    })
}

/// RAID10: `n`, `f` or `o` and the number of copies, 1 to 200.
fn copies(text: &str) -> Option<u32> {
    let (kind, count) = text.split_at_checked(1)?;
    let count = u32::try_from(number(count)?).ok().filter(|n| (1..=200).contains(n))?;
    Some(match kind {
        "n" => 256 + count,
        "f" => 256 * count + 1,
        "o" => 0x1_0000 + 256 * count + 1,
        _ => return None,
    })
}

/// The faulty level: a mode, and after it the period of the faults.
fn fault(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (name, period) = text.split_at_checked(digits)?;
    let mode = match name {
        "write-transient" | "wt" => 0,
        "read-transient" | "rt" => 1,
        "write-persistent" | "wp" => 2,
        "read-persistent" | "rp" => 3,
        "write-all" | "wa" => 4,
        "read-fixable" | "rf" => 5,
        "clear" | "none" | "default" => 0x1e,
        "flush" => 0x1f,
        _ => return None,
    };
    let period: u32 = if period.is_empty() { 0 } else { period.parse().ok()? };
    period.checked_mul(32).map(|p| mode | p)
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
