//! An array whose size or shape is to be changed.

use std::path::Path;

use superblock::{Bytes, Kib, Media, Native, bitmap};

use super::{Absent, Nodes};
use crate::{
    kernel::{Access, BlockDevice, KernelError, Machine, files, sysfs},
    model::{
        Geometry,
        detail::MetadataVersion,
        grow::{Growing, GrowingMember, ReshapeNote, note_file},
        manage::{Link, Managed},
    },
    words::ArrayAttr,
};

/// The most that a note is believed to be.
const LONGEST_NOTE: u64 = 64 << 10;

/// The array behind a path.
///
/// # Errors
/// Why there is none.
pub fn growing(machine: &Machine, path: &str) -> Result<Growing, Absent> {
    let managed = super::managed(machine, path)?;
    let nodes = Nodes::walk(machine);
    let array = machine.sysfs.array(&managed.detail.kernel_name);
    let members = managed.links.iter().map(|link| member(&array, &nodes, &managed, link)).collect();
    let notes = machine.state.join("mdctl/reshape").display().to_string();
    let mut growing = Growing {
        members,
        bounded: array.array_size().ok().flatten().flatten(),
        stripe_cache: array.number(ArrayAttr::StripeCacheSize).ok().flatten(),
        reshape_at: array.reshape_position().ok().flatten().flatten(),
        before: before(&array, &managed),
        note: None,
        notes,
        managed,
    };
    growing.note = growing.uuid().and_then(|uuid| note(&note_file(&growing.notes, uuid)));
    Ok(growing)
}

/// What is noted of an array.
fn note(file: &str) -> Option<ReshapeNote> {
    let text = files::read_plain(Path::new(file), LONGEST_NOTE).ok().flatten()?;
    ReshapeNote::parse(&String::from_utf8_lossy(&text))
}

/// The shape before the reshape, where the kernel names two.
fn before(array: &sysfs::Array<'_>, managed: &Managed) -> Option<Geometry> {
    let old = |now: Result<Option<sysfs::Changing>, KernelError>| {
        u32::try_from(now.ok().flatten().and_then(|it| it.old)?).ok()
    };
    let (disks, layout, chunk) = (old(array.raid_disks()), old(array.layout()), old(array.chunk_size()));
    if disks.is_none() && layout.is_none() && chunk.is_none() {
        return None;
    }
    let now = managed.geometry();
    Some(Geometry {
        raid_disks: disks.unwrap_or(now.raid_disks),
        layout: layout.unwrap_or(now.layout),
        chunk: chunk.map_or(now.chunk, |bytes| Bytes(bytes.into()).sectors()),
        ..now
    })
}

fn member(array: &sysfs::Array<'_>, nodes: &Nodes, managed: &Managed, link: &Link) -> GrowingMember {
    let path = link.dev.and_then(|dev| nodes.path(dev, None));
    let opened = path.as_ref().and_then(|path| BlockDevice::open(Path::new(path), Access::Read).ok());
    let superblock = opened.as_ref().and_then(|device| superblock(device, managed));
    let bitmap = opened.as_ref().zip(superblock.as_ref()).and_then(|(device, superblock)| {
        let at = superblock.bitmap_at()?;
        bitmap::load(device, at).ok().filter(|found| found.magic() == bitmap::MAGIC)
    });
    GrowingMember {
        name: link.name.clone(),
        dev: link.dev,
        path,
        slot: link.slot,
        states: link.states.clone(),
        data_offset: link.data_offset,
        usable: array.member(&link.name).size().ok().flatten().map(Kib::sectors).unwrap_or_default(),
        device: opened.as_ref().map(|device| Media::len(device).sectors()).unwrap_or_default(),
        superblock,
        bitmap,
    }
}

fn superblock(device: &BlockDevice, managed: &Managed) -> Option<Native> {
    let MetadataVersion::Native(major, minor) = managed.detail.metadata else { return None };
    if major == 0 {
        return superblock::v0::read(device).ok()?.map(|found| Native::V0(found.despite_checksum()));
    }
    let minor = superblock::v1::Minor::ALL.into_iter().find(|known| known.number() == minor)?;
    superblock::v1::read(device, minor).ok()?.map(|found| Native::V1(found.despite_checksum()))
}
