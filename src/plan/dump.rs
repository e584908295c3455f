//! `--dump` and `--restore`: which bytes of a device are its metadata.
//!
//! A dump is a sparse file of the device's size with its metadata in its places, so that either program can examine it
//! and put it back.

use superblock::{Bytes, Native, Sectors, Write, bitmap, probe::Found, v1::FeatureMap};

use super::{DiskStep, Plan, Step, SystemStep, zero};
use crate::request::Metadata;

/// What 0.90 has for itself at the end of a device: superblock and bitmap.
const V0_AREA: Bytes = Bytes(64 << 10);
/// What any other superblock has.
const V1_AREA: Bytes = Bytes(4 << 10);

/// The ranges to copy of the superblock that was created last, or of the format that was asked for; `None` where there
/// is none.
#[must_use]
pub fn ranges(found: &[Found], asked: Option<Metadata>, size: Bytes) -> Option<Vec<(Bytes, Bytes)>> {
    let wanted = found.iter().filter(|found| zero::is_asked(found, asked));
    let best = wanted.reduce(|best, next| if next.created() > best.created() { next } else { best })?;
    let at = best.at().bytes();
    let mut ranges = Vec::new();
    match best.fields() {
        Native::V0(_) => ranges.push((at, V0_AREA)),
        Native::V1(sb) => {
            ranges.push((at, V1_AREA));
            if let Some((at, bitmap)) = sb.bitmap_at().zip(best.bitmap.as_ref()) {
                ranges.push((at.bytes(), bitmap_area(bitmap)));
            }
            let listed = sb.feature_map().contains(FeatureMap::BAD_BLOCKS);
            if let Some((at, log)) = sb.bad_block_log_at().zip(sb.bad_block_log()).filter(|_| listed) {
                ranges.push((at.bytes(), Sectors(log.size.into()).bytes()));
            }
        }
    }
    let inside =
        |(at, length): (Bytes, Bytes)| (at, length.min(size.saturating_sub(at)).round_down(Bytes(512)));
    Some(ranges.into_iter().map(inside).filter(|(_, length)| *length > Bytes(0)).collect())
}

/// Superblock and bits in whole sectors; the bitmaps of a cluster with the room of each.
fn bitmap_area(bitmap: &bitmap::Superblock) -> Bytes {
    let nodes = u64::from(bitmap.nodes());
    let one = bitmap.bits().unwrap_or(0).div_ceil(8).saturating_add(256);
    let length = match nodes {
        0 | 1 => one.checked_next_multiple_of(512).unwrap_or(u64::MAX),
        nodes => bitmap.node_area().0.saturating_mul(nodes),
    };
    Bytes(length).min(bitmap::MAX_AREA)
}

/// A new file with these bytes.
#[must_use]
pub fn save(device: &str, file: &str, size: Bytes, pieces: Vec<Write>) -> Plan {
    let step = Step::System(SystemStep::SaveFile { file: file.to_owned(), size, pieces });
    let summary = format!("save the metadata of {device} as {file}");
    Plan { summary, steps: vec![step, Step::Commit], warnings: Vec::new() }
}

/// One more name for it.
#[must_use]
pub fn link(file: &str, name: &str) -> Plan {
    let step = Step::System(SystemStep::Link { file: file.to_owned(), name: name.to_owned() });
    Plan { summary: format!("link {name} to {file}"), steps: vec![step, Step::Commit], warnings: Vec::new() }
}

/// The bytes back to the device.
#[must_use]
pub fn restore(device: &str, file: &str, writes: Vec<Write>) -> Plan {
    let device = device.to_owned();
    let summary = format!("restore the metadata of {device} from {file}");
    let what = format!("the metadata in {file}");
    let steps = vec![
        Step::Disk(DiskStep::Share { device: device.clone() }),
        Step::Disk(DiskStep::Write { device: device.clone(), what, writes }),
        Step::Commit,
        Step::Disk(DiskStep::Release { device }),
    ];
    Plan { summary, steps, warnings: Vec::new() }
}
