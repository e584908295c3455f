//! `--dump` and `--restore`: which bytes of a device are its metadata.
//!
//! A dump is a sparse file of the device's size with its metadata in its places, so that either program can examine it
//! and put it back.

use superblock::{Bytes, Native, Sectors, Write, bitmap, probe::Found, v1::FeatureMap};

use super::{DiskStep, Plan, Refusal, Step, SystemStep, zero};
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

/// The exit status where a link by-id could not be made, by which `--restore` finds the dump. The original reports it and
/// ends with 0.
#[must_use]
pub fn without_link(native: bool) -> u8 {
    u8::from(native)
}

/// A file of a directory of dumps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpFile {
    /// Its path.
    pub path: String,
    /// What it is, whatever its name.
    pub identity: (u64, u64),
}

/// The dump of a device in a directory: what stands under its names by-id, if that is one file, else under its plain name.
///
/// # Errors
/// There is none, or it is not clear which.
pub fn file_of<'a>(
    device: &str,
    dir: &str,
    by_id: &'a [DumpFile],
    plain: Option<&'a DumpFile>,
) -> Result<&'a str, Refusal> {
    for pair in by_id.windows(2) {
        if let [one, other] = pair {
            if one.identity != other.identity {
                return Err(Refusal::new(format!(
                    "Both {} and {} seem suitable for {device}.  Please choose one.",
                    one.path, other.path
                )));
            }
        }
    }
    let found = by_id.last().or(plain).map(|file| file.path.as_str());
    found.ok_or_else(|| Refusal::new(format!("Cannot find suitable file in {dir} for {device}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, inode: u64) -> DumpFile {
        DumpFile { path: path.into(), identity: (1, inode) }
    }

    #[test]
    fn names_by_id_go_before_the_plain_one() {
        let none = "Cannot find suitable file in /d for /dev/sda";
        let unclear = "Both /d/wwn and /d/ata seem suitable for /dev/sda.  Please choose one.";
        let plain = file("/d/sda", 7);
        for (by_id, plain, expected) in [
            (vec![], None, Err(none)),
            (vec![], Some(&plain), Ok("/d/sda")),
            (vec![file("/d/ata", 3)], None, Ok("/d/ata")),
            // The disk that was sda then is another one now.
            (vec![file("/d/ata", 3)], Some(&plain), Ok("/d/ata")),
            (vec![file("/d/ata", 3), file("/d/wwn", 3)], Some(&plain), Ok("/d/wwn")),
            (vec![file("/d/id", 3), file("/d/wwn", 3), file("/d/ata", 4)], Some(&plain), Err(unclear)),
        ] {
            let found = file_of("/dev/sda", "/d", &by_id, plain);
            assert_eq!(found.map_err(|refusal| refusal.text), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn a_missing_link_is_a_failure_under_our_own_name() {
        assert_eq!([true, false].map(without_link), [1, 0]);
    }
}
