//! Names for numbers, as the reports spell them.

use superblock::Level;

use crate::model::layout::parity_layout_name;

/// What stands for a number without a name.
pub(super) const UNKNOWN: &str = "-unknown-";

/// The name of a layout; `None` for a number without one and for levels that have no layouts.
pub(super) fn layout(level: Level, layout: u32) -> Option<String> {
    match level {
        Level::Raid0 => {
            let name = match layout {
                0 => "dangerous",
                1 => "original",
                2 => "alternate",
                _ => return None,
            };
            Some(name.to_owned())
        }
        Level::Raid5 | Level::Raid6 => parity_layout_name(level, layout).map(str::to_owned),
        Level::Raid10 => Some(raid10(layout).trim_start().to_owned()),
        Level::Faulty
        | Level::Multipath
        | Level::Linear
        | Level::Raid1
        | Level::Raid4
        | Level::Container
        | Level::Other(_) => None,
    }
}

/// What follows `Layout :` for RAID10, the blank before it included.
pub(super) fn raid10(layout: u32) -> String {
    let (near, far) = (layout & 255, layout >> 8 & 255);
    let far_word = if layout & 0x1_0000 == 0 { "far" } else { "offset" };
    match (near, far) {
        (1, 1) => "NO REDUNDANCY".to_owned(),
        (near, 1) => format!(" near={near}"),
        (1, far) => format!(" {far_word}={far}"),
        (near, far) => format!(" near={near}, {far_word}={far}"),
    }
}

/// A layout of level 5 or 6, or what stands for one without a name.
pub(super) fn parity(level: Level, number: u32) -> String {
    layout(level, number).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// `s` for any count but one.
pub(super) fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A RAID10 layout with both of its numbers, as the rarer lines have it.
pub(super) fn raid10_in_full(layout: u32) -> String {
    let far_word = if layout & 0x1_0000 == 0 { "far" } else { "offset" };
    format!("near={}, {far_word}={}", layout & 255, layout >> 8 & 255)
}

/// The same bits with a sign: what the original prints of counts.
pub(super) fn signed(bits: u32) -> i32 {
    i32::from_ne_bytes(bits.to_ne_bytes())
}

/// The same bits with a sign.
pub(super) fn signed64(bits: u64) -> i64 {
    i64::from_ne_bytes(bits.to_ne_bytes())
}

/// The same bits without a sign.
pub(super) fn unsigned16(bits: i16) -> u16 {
    u16::from_ne_bytes(bits.to_ne_bytes())
}
