//! What is in volumes, read through the devices of their group: a volume need not be active, or even exist yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use superblock::{
    Bytes, Media, foreign,
    foreign::Kind,
    lvm::{Group, LogicalVolume},
    probe,
    window::{Width, Window},
};

use crate::{
    kernel::{Access, BlockDevice, KernelError},
    model::{
        extents::{self, OldContent},
        volume::FoundGroup,
    },
};

/// A volume as bytes.
struct Mapped<'a> {
    group: &'a Group,
    volume: &'a LogicalVolume,
    devices: &'a [Option<BlockDevice>],
}

impl Media for Mapped<'_> {
    fn len(&self) -> Bytes {
        self.group.sectors(self.volume.extents()).bytes()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let run = extents::locate(self.group, self.volume, at).ok_or_else(eof)?;
            let device = self.devices.get(run.pv).and_then(Option::as_ref).ok_or_else(eof)?;
            let length = usize::try_from(run.length.0).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            device.read_at(run.at, now)?;
            at = at.saturating_add(Bytes(u64::try_from(length).unwrap_or(u64::MAX)));
            rest = later;
        }
        Ok(())
    }
}

fn opened(found: &FoundGroup) -> Result<Vec<Option<BlockDevice>>, KernelError> {
    let open = |path: &str| BlockDevice::open(Path::new(path), Access::Read);
    found.devices.iter().map(|pv| pv.as_ref().map(|pv| open(&pv.path)).transpose()).collect()
}

/// What lies in the place of volumes of a group as it is going to be: names of what is recognised and where, and whether the
/// first 4 KiB have anything but zeroes in them.
///
/// # Errors
/// A device of the group cannot be read.
pub fn in_place_of<'a>(
    found: &FoundGroup,
    after: &Group,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, OldContent>, KernelError> {
    let devices = opened(found)?;
    let mut all = BTreeMap::new();
    let names: BTreeSet<&str> = names.collect();
    for volume in after.volumes.iter().filter(|volume| names.contains(volume.name.as_str())) {
        let mapped = Mapped { group: after, volume, devices: &devices };
        let window = Window::new(&mapped, Width::Wide);
        let mut start = vec![0; 4096.min(usize::try_from(mapped.len().0).unwrap_or(4096))];
        // What cannot be read is not known to be zero.
        let dirty = window.read_at(Bytes(0), &mut start).is_err() || start.iter().any(|byte| *byte != 0);
        let mut signatures = Vec::new();
        for found in foreign::scan(&window).unwrap_or_default() {
            signatures.push((found.kind.name().to_owned(), found.at));
            if found.kind == Kind::Gpt {
                // Its copy.
                let last = mapped.len().saturating_sub(Bytes(512));
                signatures.push(("GPT's copy".to_owned(), last));
            }
        }
        for found in probe::probe(&window).found {
            signatures.push((format!("md metadata {}", found.format()), found.at().bytes()));
        }
        all.insert(volume.name.clone(), OldContent { signatures, dirty });
    }
    Ok(all)
}

/// What is recognised in a volume, and how large it says that it is.
///
/// # Errors
/// A device of the group cannot be read.
pub fn content(
    found: &FoundGroup,
    volume: &LogicalVolume,
) -> Result<Option<(Kind, Option<Bytes>)>, KernelError> {
    let devices = opened(found)?;
    let mapped = Mapped { group: &found.group, volume, devices: &devices };
    let found = foreign::scan(&Window::new(&mapped, Width::Wide)).unwrap_or_default();
    // A boot sector says nothing beside a file system.
    let first = found.iter().find(|found| found.kind != Kind::Mbr).or(found.first());
    Ok(first.map(|found| (found.kind, found.size)))
}
