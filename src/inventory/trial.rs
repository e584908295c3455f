//! What there is to guess with: what was kept of devices; and the members, opened to be read. And what a file system's own tool
//! finds on a guess.

use std::{path::Path, time::Duration};

use superblock::{Bytes, Media};

use crate::{
    archive::Entry,
    kernel::{self, Access, KernelError, Machine, program},
    model::{
        Device,
        trial::{Cached, Checker, ToolEnded},
    },
};

/// How long a tool may look at a file system.
const TOOL_LIMIT: Duration = Duration::from_secs(300);

/// The newest entries of the archive, each read when it is asked for: together they may be large.
pub fn kept_entries(machine: &Machine, most: usize) -> impl Iterator<Item = Entry> {
    let shelf = super::archive(machine).unwrap_or_default();
    let newest = shelf.entries.into_iter().rev().take(most);
    newest.filter_map(|shelved| super::entry(&shelved.path).ok()).map(|(entry, _)| entry)
}

/// Has a file system's own tool look at a device, without a write and for a bounded time.
#[must_use]
pub fn checked(tool: Checker, device: &str) -> ToolEnded {
    let program = tool.program();
    if !program::is_there(program) {
        return ToolEnded::NoTool;
    }
    let words: Vec<&str> = tool.words().iter().copied().chain([device]).collect();
    match program::run_for(program, &words, TOOL_LIMIT) {
        Ok(ended) => ToolEnded::Ended(ended.status),
        Err(error) => ToolEnded::Failed(error.to_string()),
    }
}

/// What looking came to, and what it took.
pub struct Looked<T> {
    /// The answer.
    pub answer: T,
    /// What of each device could not be read.
    pub unreadable: Vec<Option<String>>,
    /// Bytes that were read, of all devices together.
    pub read: Bytes,
}

/// Opens devices to be read, around every cache but one of its own, and lets somebody look.
///
/// # Errors
/// A device that cannot be opened.
pub fn with_members<T>(
    devices: &[Device],
    look: impl FnOnce(&[&dyn Media]) -> T,
) -> Result<Looked<T>, KernelError> {
    let opened: Result<Vec<kernel::BlockDevice>, KernelError> = devices
        .iter()
        .map(|device| kernel::BlockDevice::open(Path::new(&device.path), Access::Read))
        .collect();
    let opened = opened?;
    let cached: Vec<Cached<'_>> = opened.iter().map(|device| Cached::new(device, opened.len())).collect();
    let members: Vec<&dyn Media> = cached.iter().map(|member| -> &dyn Media { member }).collect();
    let answer = look(&members);
    let unreadable = devices.iter().zip(&cached).map(|(device, cached)| cached.unreadable(&device.path));
    let read = cached.iter().map(Cached::read).fold(Bytes(0), Bytes::saturating_add);
    Ok(Looked { answer, unreadable: unreadable.collect(), read })
}
