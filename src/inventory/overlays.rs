//! Overlays: those that the kernel has, and those of which only the files are left.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use superblock::{Bytes, Media, Write, cow};

use super::dm::Driver;
use crate::model::order::InOrder as _;
use crate::{
    archive::{LARGEST, prints},
    kernel::{self, Access, ErrorCause, KernelError, Machine, files, loopback},
    model::{
        Candidate, Device,
        dm::{Dev, Listed, SnapshotStatus, Status, Target},
        overlay::{self, ChunkPrint, Overlay, Overlays, PREFIX, Pending, Underlay, Underlays},
    },
};

/// The size of a block that is noted.
const BLOCK: usize = 4096;
/// The longest description of a set.
const LONGEST_TEXT: u64 = 1 << 20;

/// The directory for the files where none is named.
#[must_use]
pub fn overlay_store(machine: &Machine) -> PathBuf {
    machine.places.run.join("mdctl/overlays")
}

/// Everything that is there, and the files of their directories. `store`: a directory to look into beside the usual one.
///
/// # Errors
/// What could not be asked.
pub fn all_overlays(machine: &Machine, store: Option<&Path>) -> Result<Overlays, KernelError> {
    let usual = overlay_store(machine);
    let mut files = Vec::new();
    for dir in std::iter::once(usual.as_path()).chain(store.filter(|store| *store != usual)) {
        let names = files::names(dir)?;
        files.extend(names.into_iter().map(|name| dir.join(name).display().to_string()));
    }
    Ok(Overlays { all: overlays(machine, store)?, store: usual.display().to_string(), files })
}

/// The directory for the files of a set, as it can be read from anywhere. `store`: the one that was named.
#[must_use]
pub fn store_for_set(machine: &Machine, store: Option<&Path>) -> PathBuf {
    let absolute = |store: &Path| std::path::absolute(store).unwrap_or_else(|_| store.to_path_buf());
    store.map_or_else(|| overlay_store(machine), absolute)
}

/// Everything that is there. `store`: a directory to look into beside the usual one.
///
/// # Errors
/// What could not be asked.
pub fn overlays(machine: &Machine, store: Option<&Path>) -> Result<Vec<Overlay>, KernelError> {
    let mut found = Vec::new();
    let listed = super::dm::list(machine, PREFIX)?;
    if !listed.is_empty() {
        let driver = Driver::open(machine)?;
        for device in &listed {
            found.extend(running(machine, &driver, device)?);
        }
    }
    let usual = overlay_store(machine);
    for dir in std::iter::once(usual.as_path()).chain(store) {
        for name in files::names(dir)? {
            let Some(set) = name.to_str().and_then(|name| name.strip_suffix(".set")) else { continue };
            let text = files::read(&dir.join(&name), LONGEST_TEXT)?.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            for (member, size, file) in overlay::read_description(&text) {
                let noted = overlay::read_prints(&text, &file);
                match found.iter_mut().find(|one: &&mut Overlay| one.file == file) {
                    Some(known) => (known.member, known.noted) = (member, noted),
                    None => found.push(Overlay {
                        set: set.to_owned(),
                        device: None,
                        id: None,
                        member,
                        size,
                        status: SnapshotStatus::Unknown,
                        file,
                        open: 0,
                        holders: Vec::new(),
                        noted,
                    }),
                }
            }
        }
    }
    found.order_by(|a, b| (&a.set, &a.file).cmp(&(&b.set, &b.file)));
    Ok(found)
}

fn running(machine: &Machine, driver: &Driver, device: &Listed) -> Result<Option<Overlay>, KernelError> {
    let Some((set, _)) = overlay::parts(&device.name) else { return Ok(None) };
    // A device that is being made has no table yet: it is one of ours all the same.
    let table = driver.table(&device.name)?.map(|(_, table)| table).unwrap_or_default();
    let snapshot = table.rows.first().and_then(|row| match &row.target {
        Target::Snapshot(snapshot) => Some((snapshot.clone(), row.length)),
        _ => None,
    });
    let kernel_name = |dev: &Dev| match dev {
        Dev::Number(id) => machine.sysfs.name_of(*id),
        Dev::Path(_) | Dev::Dm(_) => None,
    };
    let member = snapshot.as_ref().and_then(|(snapshot, _)| kernel_name(&snapshot.origin));
    let behind = snapshot.as_ref().and_then(|(snapshot, _)| kernel_name(&snapshot.cow));
    let file = behind.and_then(|name| loopback::backing_file(&machine.sysfs, &name));
    let status = driver.status(&device.name, false)?;
    let info = status.as_ref().map(|(info, _)| info.clone()).unwrap_or_default();
    let status = status.and_then(|(_, rows)| match rows.first().map(|row| row.status.clone()) {
        Some(Status::Snapshot(status)) => Some(status),
        _ => None,
    });
    let own = machine.sysfs.name_of(device.dev);
    let holders = own.map(|own| machine.sysfs.holders(&own)).transpose()?.unwrap_or_default();
    Ok(Some(Overlay {
        set: set.to_owned(),
        device: Some(device.name.clone()),
        id: Some(device.dev),
        member: member.map(|name| format!("/dev/{name}")).unwrap_or_default(),
        size: snapshot.map(|(_, length)| length.bytes()).unwrap_or_default(),
        file: file.map(|file| file.display().to_string()).unwrap_or_default(),
        status: status.unwrap_or(SnapshotStatus::Unknown),
        open: info.open,
        holders,
        noted: Vec::new(),
    }))
}

/// Devices that overlays are to be put over.
///
/// # Errors
/// Who stands on one could not be asked, or all loop devices are in use.
pub fn underlays(machine: &Machine, paths: &[String]) -> Result<Underlays, KernelError> {
    let one = |device: Candidate| {
        let name = device.found.as_ref().ok().map(|device| device.kernel_name.as_str());
        let holders = name.map_or(Ok(Vec::new()), |name| machine.sysfs.holders(name))?;
        let of_dm = |holder: String| {
            let name = machine.sysfs.dm_name(&holder)?;
            Ok((holder, name))
        };
        let holders = holders.into_iter().map(of_dm).collect::<Result<_, KernelError>>()?;
        let prints = device.found.as_ref().map(noteworthy).unwrap_or_default();
        Ok(Underlay { device, holders, prints })
    };
    let looked = super::look(machine, paths, true);
    let devices = looked.into_iter().map(one).collect::<Result<_, KernelError>>()?;
    Ok(Underlays { devices, loops: loopback::unused(&machine.sysfs, paths.len())? })
}

/// What is noted of a member when a set is made over it: its superblocks, which change whenever an array is used, and blocks
/// all over it.
fn noteworthy(device: &Device) -> Vec<ChunkPrint> {
    let found = &device.probe.found;
    let superblocks = found.iter().map(|found| found.at().bytes().round_down(prints::BLOCK));
    let mut places: Vec<Bytes> = superblocks.chain(prints::places(device.size, found)).collect();
    places.dedup();
    places.truncate(overlay::MOST_PRINTS);
    blocks(&device.path, places.into_iter().map(|at| (at, BLOCK)))
}

/// Checksums of blocks. What cannot be read tells nothing.
fn blocks(path: &str, places: impl Iterator<Item = (Bytes, usize)>) -> Vec<ChunkPrint> {
    let Ok(device) = kernel::BlockDevice::open(Path::new(path), Access::Read) else { return Vec::new() };
    let print = |(at, length): (Bytes, usize)| {
        let mut data = vec![0; length];
        device.read_at(at, &mut data).ok()?;
        Some(ChunkPrint::of(at, &data))
    };
    places.filter_map(print).collect()
}

/// What was noted of a member, as it is now.
#[must_use]
pub fn noted_now(overlay: &Overlay) -> Vec<ChunkPrint> {
    blocks(&overlay.member, overlay.noted.iter().map(|print| (print.at, print.length)))
}

/// What overlays would write to their members.
///
/// # Errors
/// A file cannot be read, or is not what it should be.
pub fn pending(machine: &Machine, overlays: &[Overlay]) -> Result<Vec<Pending>, KernelError> {
    let one = |overlay: &Overlay| {
        let (writes, prints) = written(overlay)?;
        let above = overlay.device.as_ref().map(|name| format!("/dev/mapper/{name}"));
        let paths: Vec<String> = above.into_iter().chain([overlay.member.clone()]).collect();
        let looked = super::look(machine, &paths, false);
        let found: Vec<_> = looked.into_iter().filter_map(|one| one.found.ok()).collect();
        let all = || found.iter().flat_map(|device| &device.probe.found);
        let mut superblocks: Vec<Bytes> =
            all().map(|found| found.at().bytes().round_down(prints::BLOCK)).collect();
        superblocks.sort_unstable();
        superblocks.dedup();
        let said = all().filter_map(|found| found.verify().ok());
        let end = |said: &superblock::Membership| said.data_offset.saturating_add(said.data_size).bytes();
        let data = said.map(|said| (said.data_offset.bytes(), end(&said))).collect();
        Ok(Pending { overlay: overlay.clone(), writes, prints, now: noted_now(overlay), data, superblocks })
    };
    overlays.iter().map(one).collect()
}

/// What an overlay holds: chunks that were written, joined where they follow each other, and what its file has of them.
fn written(overlay: &Overlay) -> Result<(Vec<Write>, Vec<ChunkPrint>), KernelError> {
    let path = Path::new(&overlay.file);
    let device = kernel::BlockDevice::open(path, Access::Read)?;
    let odd = |why: String| KernelError::other(&overlay.file, "read overlay", ErrorCause::Unexpected(why));
    let Some(store) = cow::read(&device).map_err(|damage| odd(damage.to_string()))? else {
        return Ok((Vec::new(), Vec::new()));
    };
    let chunk = usize::try_from(store.chunk().bytes().0).unwrap_or(0);
    let mut chunks: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in store.exceptions(&device) {
        let (_, old, new) = entry.map_err(|damage| odd(damage.to_string()))?;
        chunks.insert(old, new);
        let total = u64::try_from(chunks.len().saturating_mul(chunk)).unwrap_or(u64::MAX);
        if total > LARGEST.0 {
            return Err(odd(format!("more than {} MiB were written", LARGEST.0 >> 20)));
        }
    }
    let read = |from: Bytes| {
        let mut data = vec![0; chunk];
        device.read_at(from, &mut data).map_err(|error| KernelError::io(path, "read", &error))?;
        Ok(data)
    };
    let mut prints = Vec::new();
    let count = u64::try_from(chunks.len()).unwrap_or(u64::MAX);
    let areas = count.checked_div(store.entries_per_area()).unwrap_or(0);
    let tables = (0..=areas).map(|area| store.area_at(area)).filter(|at| *at < store.chunks());
    for at in std::iter::once(0).chain(tables).filter_map(|chunk| store.place(chunk)) {
        prints.push(ChunkPrint::of(at, &read(at)?));
    }
    let mut writes: Vec<Write> = Vec::new();
    for (old, new) in chunks {
        let (Some(at), Some(from)) = (store.place(old), store.place(new)) else { continue };
        if at >= overlay.size {
            continue;
        }
        let mut data = read(from)?;
        prints.push(ChunkPrint::of(from, &data));
        let room = usize::try_from(overlay.size.saturating_sub(at).0).unwrap_or(usize::MAX);
        data.truncate(room);
        match writes.last_mut() {
            Some(last) if last.at.saturating_add(Media::len(&last.data)) == at => last.data.extend(data),
            _ => writes.push(Write { at, data }),
        }
    }
    Ok((writes, prints))
}
