//! The names of layouts, as people give them: a level decides what one means.

use superblock::Level;

use crate::config::format::number;

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
