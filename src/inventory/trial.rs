//! What there is to guess with: what superblocks say of devices, those on them and those that were kept; and the members,
//! opened to be read.

use std::path::Path;

use superblock::{
    Bytes, Media,
    probe::{Found, probe},
};

use crate::{
    archive::{KeptDevice, Pieces},
    kernel::{self, Access, KernelError},
    model::{
        Device,
        trial::{Cached, Grounds, SuperblockWord, TrialSeen},
    },
};

/// What is on each device.
#[must_use]
pub fn seen(devices: &[Device]) -> Vec<TrialSeen> {
    let one = |device: &Device| TrialSeen {
        path: device.path.clone(),
        size: device.sectors(),
        words: device.probe.found.iter().filter_map(|found| word(found, Grounds::Superblocks)).collect(),
    };
    devices.iter().map(one).collect()
}

/// What was on a device when an entry of the archive was made.
#[must_use]
pub fn kept_words(kept: &KeptDevice, seen: &TrialSeen, grounds: &Grounds) -> Vec<SuperblockWord> {
    let pieces = Pieces { size: seen.size.bytes(), pieces: &kept.before };
    probe(&pieces).found.iter().filter_map(|found| word(found, grounds.clone())).collect()
}

fn word(found: &Found, grounds: Grounds) -> Option<SuperblockWord> {
    let membership = found.verify().ok()?;
    let fields = found.fields();
    Some(SuperblockWord {
        grounds,
        format: fields.format(),
        membership,
        bitmap: fields.bitmap_at().is_some(),
    })
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
