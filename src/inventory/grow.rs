//! An array whose size or shape is to be changed.

use std::path::{Path, PathBuf};

use superblock::{
    Bytes, Kib, Level, Media, Native, Sectors,
    backup::{self, Backup},
    bitmap,
    probe::{Found, Probe},
};

use super::{Absent, Nodes};
use crate::{
    kernel::{Access, BlockDevice, KernelError, Machine, files, host, loopback, node, sysfs},
    model::{
        Geometry,
        detail::MetadataVersion,
        grow::{Growing, GrowingMember, ReshapeNote, SetAside, StorePlace, WindowSight, note_file},
        manage::{Link, Managed},
    },
    words::{ArrayAttr, ArrayState, MemberState},
};

/// The most that a note is believed to be.
const LONGEST_NOTE: u64 = 64 << 10;
/// File systems that do not outlive the machine.
const IN_MEMORY: [&str; 5] = ["tmpfs", "ramfs", "rootfs", "overlay", "squashfs"];
/// Nothing is built of more devices one on the other.
const MOST_LAYERS: u32 = 32;

/// The array behind a path.
///
/// # Errors
/// Why there is none.
pub fn growing(machine: &Machine, path: &str, store: Option<&str>) -> Result<Growing, Absent> {
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
        store: StorePlace::default(),
        notes,
        managed,
    };
    growing.note = growing.uuid().and_then(|uuid| note(&note_file(&growing.notes, uuid)));
    let usual = growing.note_file().map(|file| file + ".data");
    let file = store.map(str::to_owned).or(usual).unwrap_or_default();
    growing.store = store_place(machine, file, &growing.managed.detail.kernel_name);
    Ok(growing)
}

/// Where a file would be: not in memory, and not on the array itself, however much lies in between.
fn store_place(machine: &Machine, file: String, array: &str) -> StorePlace {
    let mut dir = Path::new(&file);
    while let Some(parent) = dir.parent() {
        dir = parent;
        if files::is_dir(dir) {
            break;
        }
    }
    let mounts = machine.procfs.mounts("self").unwrap_or_default();
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let on = mounts.iter().filter(|mount| dir.starts_with(&mount.at)).max_by_key(|mount| mount.at.len());
    let in_memory = on.is_some_and(|mount| IN_MEMORY.contains(&mount.kind.as_str()));
    // The number of btrfs is none of a device's: its source is.
    let source = on.and_then(|mount| node::number_of(Path::new(&mount.source)).ok().flatten());
    let dev = source.or(on.map(|mount| mount.dev));
    let name = dev.and_then(|dev| machine.sysfs.name_of(dev));
    let on_the_array = name.is_some_and(|name| stands_on(machine, &name, array, MOST_LAYERS));
    StorePlace { exists: files::exists(Path::new(&file)), in_memory, on_the_array, file }
}

/// Whether a device stands on an array, by however many others.
fn stands_on(machine: &Machine, name: &str, array: &str, most: u32) -> bool {
    let Some(most) = most.checked_sub(1) else { return false };
    if name == array {
        return true;
    }
    let whole = machine.sysfs.whole_of(name);
    let behind = loopback::backing_file(&machine.sysfs, name)
        .and_then(|file| machine.procfs.mounts("self").ok().map(|mounts| (file, mounts)))
        .and_then(|(file, mounts)| {
            let on = mounts.into_iter().filter(|mount| file.starts_with(&mount.at));
            machine.sysfs.name_of(on.max_by_key(|mount| mount.at.len())?.dev)
        });
    let below = machine.sysfs.slaves(name).unwrap_or_default();
    whole.into_iter().chain(behind).chain(below).any(|below| stands_on(machine, &below, array, most))
}

/// How far a reshape is, and what is set aside for it.
#[must_use]
pub fn window(machine: &Machine, path: &str, store: &str, at: u64) -> Option<Box<WindowSight>> {
    let dev = node::number_of(Path::new(path)).ok().flatten()?;
    let kernel = machine.sysfs.name_of(dev)?;
    let array = machine.sysfs.array(&kernel);
    let state = array.state().ok().flatten();
    if !state.as_ref().is_some_and(ArrayState::is_running) {
        return None;
    }
    let number = |attr| array.number(attr).ok().flatten().map(Sectors).unwrap_or_default();
    let backup = read_backup(store, at);
    // What runs is asked for before how far it is: what begins in between is seen at the next look.
    let action = array.sync_action().ok().flatten();
    let position = recorded(machine, &array);
    Some(Box::new(WindowSight {
        position,
        sync_max: array.number(ArrayAttr::SyncMax).ok().flatten().map(Sectors),
        held: (number(ArrayAttr::SuspendLo), number(ArrayAttr::SuspendHi)),
        now: host::now().0,
        action,
        state,
        backup,
        kernel,
    }))
}

/// What is noted of the array of a member, where something may be: one look at a note and at the store that it names.
pub(super) fn set_aside(machine: &Machine, probe: &Probe) -> Option<SetAside> {
    let may = |native: &&Native| matches!(native.level(), Level::Raid4 | Level::Raid5 | Level::Raid6);
    let member = probe.found.iter().map(Found::fields).find(may)?;
    let notes = machine.state.join("mdctl/reshape").display().to_string();
    let note = note(&note_file(&notes, member.array()))?;
    let Some(window) = note.window.as_ref().filter(|window| !window.store.is_empty()) else {
        let backup = Err("nothing is set aside".to_owned());
        return Some(SetAside { store: String::new(), backup, notes, note: Some(note) });
    };
    let (store, backup) = (window.store.clone(), read_backup(&window.store, window.at));
    Some(SetAside { store, backup, notes, note: Some(note) })
}

/// The same of a file that somebody names.
#[must_use]
pub fn named_store(machine: &Machine, store: &str) -> SetAside {
    let notes = machine.state.join("mdctl/reshape").display().to_string();
    SetAside { store: store.to_owned(), note: None, backup: read_backup(store, 0), notes }
}

/// What a store says of itself.
pub(super) fn read_backup(store: &str, at: u64) -> Result<Backup, String> {
    let mut bytes = vec![0; backup::SIZE];
    let read = BlockDevice::open(Path::new(store), Access::Read).map_err(|error| error.to_string())?;
    let read = Media::read_at(&read, Sectors(at).bytes(), &mut bytes);
    read.map_err(|error| format!("{store}: {error}"))?;
    match Backup::decode(&bytes) {
        Ok(Some(backup)) => Ok(backup),
        Ok(None) => Err(format!("{store}: there is nothing of a reshape in it")),
        Err(why) => Err(format!("{store}: what it says of a reshape cannot be believed: {why}")),
    }
}

/// How far all members know it to be: a machine that goes down now may start from any of them.
fn recorded(machine: &Machine, array: &sysfs::Array<'_>) -> Option<Sectors> {
    let text = array.metadata_version().ok().flatten()?;
    let mut positions = Vec::new();
    let mut backwards = false;
    for member in array.members().ok()? {
        let states = member.state().ok().flatten().unwrap_or_default();
        let is = |state: &MemberState| states.contains(state);
        if is(&MemberState::Faulty) || is(&MemberState::Journal) {
            continue;
        }
        let Some(dev) = member.dev().ok().flatten() else { continue };
        let path = machine.places.dev.join("block").join(dev.to_string());
        let name = machine.places.dev.join(member.name().replace('!', "/"));
        let opened =
            BlockDevice::open(&name, Access::Read).or_else(|_| BlockDevice::open(&path, Access::Read));
        let Ok(device) = opened else { continue };
        let Some(native) = superblock_of(&device, &text) else { continue };
        if let Some((position, back)) = native.reshape_at() {
            positions.push(position);
            backwards |= back;
        }
    }
    // The kernel has begun, and has not written that down yet.
    let begun = array.reshape_position().ok().flatten().flatten().is_some();
    if positions.is_empty() && begun {
        let way = array.read(ArrayAttr::ReshapeDirection).ok().flatten().unwrap_or_default();
        return Some(if way.trim() == "backwards" { Sectors(u64::MAX) } else { Sectors(0) });
    }
    if backwards { positions.into_iter().max() } else { positions.into_iter().min() }
}

/// A member's superblock of this version (`1.2`, `0.90`).
fn superblock_of(device: &BlockDevice, version: &str) -> Option<Native> {
    let minor = superblock::v1::Minor::ALL.into_iter().find(|minor| minor.name() == version);
    match minor {
        Some(minor) => {
            superblock::v1::read(device, minor).ok()?.map(|found| Native::V1(found.despite_checksum()))
        }
        None => superblock::v0::read(device).ok()?.map(|found| Native::V0(found.despite_checksum())),
    }
}

/// Whether the reshape of an array that does not run stands where it can be turned round, by the superblocks of its members. What else
/// is in the way of that is not asked.
#[must_use]
pub fn can_turn(members: &[PathBuf]) -> bool {
    let between = |path: &PathBuf| {
        let device = BlockDevice::open(path, Access::Read).ok()?;
        let versions =
            superblock::v1::Minor::ALL.map(superblock::v1::Minor::name).into_iter().chain(["0.90"]);
        let mut superblock = versions.into_iter().find_map(|version| superblock_of(&device, version))?;
        let turned = match &mut superblock {
            Native::V0(superblock) => superblock.revert_reshape(),
            Native::V1(superblock) => superblock.revert_reshape(false),
        };
        Some(turned == Err(superblock::v1::NotReverted::Unaligned))
    };
    !members.iter().filter_map(between).any(|between| between)
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
    let version = match managed.detail.metadata {
        MetadataVersion::Native(0, minor) => Some(format!("0.{minor}")),
        MetadataVersion::Native(major, minor) => Some(format!("{major}.{minor}")),
        _ => None,
    };
    let superblock =
        opened.as_ref().zip(version).and_then(|(device, version)| superblock_of(device, &version));
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
