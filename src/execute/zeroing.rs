//! Zeroes over data, as long as it takes.

use std::path::Path;

use anyhow::{Result, anyhow};
use superblock::{Bytes, Sectors};

use super::live::Progress;
use crate::kernel::{Access, Device};

/// One request for zeroes: progress is told after each.
const ZERO_UNIT: Bytes = Bytes(256 << 20);

/// Zeroes all ranges, every device in a thread of its own.
pub(super) fn zero_all(ranges: &[(String, Sectors, Sectors)], progress: &Progress) -> Result<()> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = ranges
            .iter()
            .map(|(path, start, length)| scope.spawn(|| zero(path, start.bytes(), length.bytes(), progress)))
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(done) => done,
            Err(_) => Err(anyhow!("a worker that wrote zeroes ended early")),
        })
    })
}

fn zero(path: &str, start: Bytes, length: Bytes, progress: &Progress) -> Result<()> {
    let device = Device::open(Path::new(path), Access::Write)?;
    let mut done = Bytes(0);
    while done < length {
        let unit = ZERO_UNIT.min(length.saturating_sub(done));
        device.zero(start.saturating_add(done), unit)?;
        done = done.saturating_add(unit);
        progress(path, done, length);
    }
    Ok(device.sync()?)
}
