//! Writes that are made ready before they are sent: aligned, whole blocks, on an open device.

use std::{fs::File, os::unix::fs::FileExt};

use nix::errno::Errno;

use super::page::Pages;

/// Writes to one device.
pub struct ReadyWrites {
    pub(super) file: File,
    pub(super) parts: Vec<(u64, Pages)>,
}

impl ReadyWrites {
    /// Writes all and syncs. Nothing is allocated.
    ///
    /// # Errors
    /// The device's answer.
    pub fn fire(&self) -> Result<(), Errno> {
        let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        for (at, pages) in &self.parts {
            self.file.write_all_at(pages.bytes(), *at).map_err(errno)?;
        }
        self.file.sync_data().map_err(errno)
    }
}
