//! Streams of snapshots' changes, and what they are put on.

use std::path::Path;

use anyhow::{Context as _, Result};
use superblock::Media as _;

use crate::{
    kernel::{Access, BlockDevice, KernelError, Machine, files},
    model::{
        delta::{Begun, Compared, DeltaHead, KeptBy, compare, header},
        dm::uuid,
    },
};

/// A stream and the device that it is for, as far as can be told without reading either.
///
/// # Errors
/// It is none, or one of them cannot be read.
pub fn delta_head(machine: &Machine, stream: &str, target: &str) -> Result<DeltaHead> {
    let header = header(&mut files::open(Path::new(stream))?).with_context(|| stream.to_owned())?;
    let device = BlockDevice::open(Path::new(target), Access::Read)?;
    let name = device.dev().and_then(|dev| machine.sysfs.name_of(dev));
    let known = name.and_then(|name| machine.sysfs.block_attr(&name, "dm/uuid").ok().flatten());
    let parsed = known.as_deref().and_then(|text| uuid::parse(text.trim()));
    let volume = parsed.map(|known| (known.group.to_owned(), known.volume.to_owned()));
    let identity = identity(target, &device, known.as_deref());
    Ok(DeltaHead { header, size: device.len(), volume, identity })
}

/// What a target is known by, also after a restart.
fn identity(target: &str, device: &BlockDevice, uuid: Option<&str>) -> String {
    let path = files::real(Path::new(target));
    match (uuid.map(str::trim), device.dev(), files::identity(&path)) {
        (Some(uuid), _, _) if !uuid.is_empty() => format!("dm {uuid}"),
        (_, None, Some((_, inode))) => format!("file {} {inode}", path.display()),
        _ => format!("device {} {}", path.display(), device.len().0),
    }
}

/// How the device stands to the stream.
///
/// # Errors
/// The stream is damaged, or one of them cannot be read.
pub fn delta_fit(machine: &Machine, stream: &str, target: &str) -> Result<Compared> {
    let head = delta_head(machine, stream, target)?;
    let begun = |digest| {
        let begun = Begun::new(digest, &head.identity);
        for dir in Begun::dirs(&machine.state, &machine.places.run) {
            let text = files::read_plain(&dir.join(&begun.name), 1 << 16)?;
            if text.is_some_and(|text| text == begun.text.as_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let device = BlockDevice::open(Path::new(target), Access::Read)?;
    compare(&mut files::open(Path::new(stream))?, &device, &begun).with_context(|| stream.to_owned())
}

/// The snapshots of a volume; `None` where the volume is not found.
///
/// # Errors
/// What of the groups could not be read at all.
pub fn kept_by(machine: &Machine, group: &str, volume: &str) -> Result<Option<KeptBy>, KernelError> {
    let groups = super::volumes::groups(machine)?;
    let found = groups.groups.iter().find(|found| found.group.id.plain() == group);
    Ok(found.and_then(|found| {
        let volume = found.group.volumes.iter().find(|one| one.id.plain() == volume)?.name.clone();
        let stores = super::stores(found, &volume);
        Some(KeptBy { group: found.group.clone(), volume, stores })
    }))
}
