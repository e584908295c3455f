//! What begins where the data of an array does, looked at on a member: the array need not run.

use std::{io, path::Path};

use superblock::{
    Bytes, MdUuid, Media, foreign,
    foreign::Kind,
    window::{Width, Window},
};

use crate::{
    kernel::{self, Access},
    model::Device,
};

/// A member's data.
struct Data<'a> {
    device: &'a kernel::BlockDevice,
    start: Bytes,
}

impl Media for Data<'_> {
    fn len(&self) -> Bytes {
        Media::len(self.device).saturating_sub(self.start)
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let at = self.start.checked_add(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.device.read_at(at, buf)
    }
}

/// For each array of which the device is a member what its data begins with, by name and label. That is what the array
/// begins with where the member has its first block.
#[must_use]
pub fn inside(device: &Device) -> Vec<(MdUuid, String)> {
    if device.probe.found.is_empty() {
        return Vec::new();
    }
    let Ok(opened) = kernel::BlockDevice::open(Path::new(&device.path), Access::Read) else {
        return Vec::new();
    };
    let mut inside = Vec::new();
    for found in &device.probe.found {
        let membership = found.fields().membership();
        let data = Data { device: &opened, start: membership.data_offset.bytes() };
        let found = foreign::scan(&Window::new(&data, Width::Wide)).unwrap_or_default();
        // A boot sector says nothing beside a file system, and the end of a member is not that of the array.
        let at_start = found.iter().filter(|found| found.at < Bytes(1 << 20));
        let first = at_start.clone().find(|found| found.kind != Kind::Mbr).or(at_start.clone().next());
        inside.extend(first.map(|found| (membership.array, named(found))));
    }
    inside
}

/// Its kind and its label.
pub(super) fn named(found: &foreign::Foreign) -> String {
    let label = found.label.as_deref().map(String::from_utf8_lossy).filter(|label| !label.is_empty());
    match label {
        Some(label) => format!("{} \"{}\"", found.kind.name(), label.escape_debug()),
        None => found.kind.name().to_owned(),
    }
}
