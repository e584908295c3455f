//! Zeroes over data, as long as it takes.

use std::path::Path;

use anyhow::Result;
use superblock::{Bytes, Sectors};

use super::live::ShowProgress;
use crate::kernel::{Access, BlockDevice, parallel};

/// One request for zeroes: progress is told after each.
const ZERO_UNIT: Bytes = Bytes(256 << 20);

/// Zeroes all ranges, every device in a thread of its own.
pub(super) fn zero_all(ranges: &[(String, Sectors, Sectors)], progress: &ShowProgress) -> Result<()> {
    let work = |(path, start, length): &(String, Sectors, Sectors)| {
        zero(path, start.bytes(), length.bytes(), progress)
    };
    parallel::each(ranges.len(), ranges, work).into_iter().collect()
}

fn zero(path: &str, start: Bytes, length: Bytes, progress: &ShowProgress) -> Result<()> {
    let device = BlockDevice::open(Path::new(path), Access::Write)?;
    let mut done = Bytes(0);
    while done < length {
        let unit = ZERO_UNIT.min(length.saturating_sub(done));
        device.zero(start.saturating_add(done), unit)?;
        done = done.saturating_add(unit);
        progress(path, done, length);
    }
    Ok(device.sync()?)
}
