//! What the archive holds, and what the devices of an entry hold now.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use superblock::{
    Bytes, Media, Write,
    probe::{self, Probe},
};

use crate::model::order::InOrder as _;
use crate::{
    archive::{self, Entry, FileName, Former, Identity, Overwritten, Shelf, Shelved},
    config::Config,
    kernel::{self, Access, KernelError, Machine, files},
    model::{
        Device, Sight, Unusable,
        archive::{Found, Present, Spot},
        manage::WrittenOver,
    },
};

/// Signatures stand within this much of a device's start,
const START: Bytes = Bytes(68 << 10);
/// and this much of its end.
const END: Bytes = Bytes(132 << 10);

/// The directories, in the order in which entries are stored.
fn archive_places(machine: &Machine) -> [PathBuf; 2] {
    [machine.state.join("mdctl/archive"), machine.places.run.join("mdctl/archive")]
}

/// Reads the archive.
///
/// # Errors
/// A directory that is there and cannot be read.
pub fn archive(machine: &Machine) -> Result<Shelf, KernelError> {
    let mut shelf = Shelf::default();
    for dir in archive_places(machine) {
        for name in files::names(&dir)? {
            let Some(said) = name.to_str().and_then(FileName::parse) else { continue };
            let path = dir.join(name);
            match entry(&path) {
                Ok((entry, _)) if entry.about.order() != (said.seq, &said.id) => {
                    shelf.damaged.push((path, format!("it says that it is {}", entry.about.id)));
                }
                Ok((entry, size)) => shelf.entries.push(Shelved {
                    devices: entry.devices.into_iter().map(|kept| kept.device).collect(),
                    about: entry.about,
                    path,
                    size,
                }),
                Err(why) => shelf.damaged.push((path, why)),
            }
        }
    }
    shelf.entries.order_by(|a, b| a.about.order().cmp(&b.about.order()));
    Ok(shelf)
}

/// Reads one file, with its size.
///
/// # Errors
/// Why it is not believed.
pub fn entry(path: &Path) -> Result<(Entry, u64), String> {
    let bytes = files::read(path, archive::LARGEST.0 + (16 << 20)).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| "it is gone".to_owned())?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    archive::decode(&bytes).map(|entry| (entry, size)).map_err(|error| error.to_string())
}

/// What the archive knows of devices: members that lost their superblock, and those that lost their data.
#[derive(Clone, Debug, Default)]
pub struct KnownMembers {
    /// A command took their superblock.
    pub former: Vec<Former>,
    /// An undo brought their superblock back, and not their data.
    pub overwritten: Vec<Overwritten>,
}

/// What the archive knows of these devices. Nothing is read of them where nothing is kept.
#[must_use]
pub fn known_members(machine: &Machine, sights: &[Sight]) -> KnownMembers {
    let shelf = archive(machine).unwrap_or_default();
    let entries = shelf.known();
    let known: Vec<Identity> = entries
        .iter()
        .flat_map(|(_, devices)| *devices)
        .filter(|then| !then.md.is_empty())
        .cloned()
        .collect();
    // Sizes are known; no other device can be one of them.
    let of_size = |sight: &&Sight| {
        sight.found.as_ref().is_ok_and(|device| known.iter().any(|then| then.size == device.size.0))
    };
    let paths: Vec<String> = sights.iter().filter(of_size).map(|sight| sight.path.clone()).collect();
    let here: Vec<Identity> =
        super::like(machine, &paths, &known).into_iter().map(|sighted| sighted.identity).collect();
    KnownMembers {
        former: archive::former(&entries, &here).into_iter().map(|one| judged(one, &shelf)).collect(),
        overwritten: archive::overwritten(&undos(&shelf), &entries, &here),
    }
}

/// Whether a device carries a superblock that an undo brought back without its data. Nothing is read where nothing was undone.
pub(super) fn written_over(machine: &Machine, path: &str) -> Option<WrittenOver> {
    let shelf = archive(machine).ok()?;
    let undid_bytes = |shelved: &&Shelved| shelved.about.undoes.is_some() && !shelved.devices.is_empty();
    shelf.entries.iter().find(undid_bytes)?;
    let entries = shelf.known();
    let known: Vec<Identity> = entries.iter().flat_map(|(_, devices)| *devices).cloned().collect();
    let here: Vec<Identity> = super::like(machine, &[path.to_owned()], &known)
        .into_iter()
        .map(|sighted| sighted.identity)
        .collect();
    let mut found = archive::overwritten(&undos(&shelf), &entries, &here).into_iter();
    let found = found.find(|one| one.is_back)?;
    let by = found.copied.by(&format!("array {}", found.copied.array));
    Some(WrittenOver { array: found.array, by })
}

/// By the bytes of its entry; as it is where these cannot be read.
fn judged(former: Former, shelf: &Shelf) -> Former {
    let shelved = shelf.entries.iter().find(|shelved| shelved.about.id == former.id);
    match shelved.and_then(|shelved| entry(&shelved.path).ok()) {
        Some((entry, _)) => former.judged(&entry),
        None => former,
    }
}

/// What was undone, with the undo itself. What cannot be read tells nothing.
fn undos(shelf: &Shelf) -> Vec<(Entry, Entry)> {
    let whole = |shelved: &Shelved| entry(&shelved.path).ok().map(|(entry, _)| entry);
    let pair = |undo: &Shelved| {
        let id = undo.about.undoes.as_ref()?;
        let made = shelf.entries.iter().find(|made| made.about.id == *id)?;
        Some((whole(made)?, whole(undo)?))
    };
    shelf.entries.iter().filter_map(pair).collect()
}

/// Every block device that is here, each once: by the path that the entry knows where that is one of its names.
///
/// # Errors
/// The devices cannot be listed.
pub fn here(machine: &Machine, known: &[Identity]) -> Result<Vec<Identity>, KernelError> {
    let mut paths: Vec<String> = known.iter().map(|device| device.path.clone()).collect();
    paths.extend(super::candidates(machine, &Config::partitions(), &super::Nodes::walk(machine))?);
    let mut seen = BTreeSet::new();
    let mut here = Vec::new();
    for sighted in super::like(machine, &paths, known) {
        if seen.insert(sighted.device.id) {
            here.push(sighted.identity);
        }
    }
    Ok(here)
}

/// The devices of an entry as they are now.
#[must_use]
pub fn present(machine: &Machine, spots: &[Spot]) -> Vec<Found> {
    let paths: Vec<String> = spots.iter().map(|spot| spot.path.clone()).collect();
    let looked = super::look_to_write(machine, &paths);
    let one = |(spot, candidate): (&Spot, crate::model::Candidate)| {
        let held = |device| holds(device, &spot.kept).map_err(|error| Unusable::Broken(error.to_string()));
        (candidate.path, candidate.found.and_then(held))
    };
    spots.iter().zip(looked).map(one).collect()
}

fn holds(device: Device, kept: &[(Bytes, Bytes)]) -> Result<Present, KernelError> {
    let path = Path::new(&device.path);
    let (size, now) = (device.size.round_down(Bytes(512)), ranges_of(path, kept)?);
    let end = size.saturating_sub(END).max(START.min(size));
    let ends = ranges_of(path, &[(Bytes(0), START.min(size)), (end, size.saturating_sub(end))])?;
    Ok(Present {
        now,
        ends,
        inside: super::inside(&device),
        changed: false,
        unchanged: Vec::new(),
        group: None,
        device,
    })
}

/// A device or a file that stands for one.
#[derive(Debug)]
pub struct Image {
    /// Its size.
    pub size: Bytes,
    /// The metadata on it.
    pub probe: Probe,
}

/// Reads the metadata of a device, or of a file that stands for one.
///
/// # Errors
/// What could not be opened.
pub fn image(path: &Path) -> Result<Image, KernelError> {
    let device = kernel::BlockDevice::open(path, Access::Read)?;
    Ok(Image { size: Media::len(&device), probe: probe::probe(&device) })
}

/// What a device or file holds in these ranges.
///
/// # Errors
/// What could not be opened or read.
pub fn ranges_of(path: &Path, ranges: &[(Bytes, Bytes)]) -> Result<Vec<Write>, KernelError> {
    let empty = |(at, length): &(Bytes, Bytes)| Write {
        at: *at,
        data: vec![0; usize::try_from(length.0).unwrap_or(0)],
    };
    let pieces: Vec<Write> = ranges.iter().map(empty).collect();
    bytes_at(&path.display().to_string(), &pieces)
}

/// What a device holds where these pieces are.
///
/// # Errors
/// What could not be opened or read.
pub fn bytes_at(path: &str, pieces: &[Write]) -> Result<Vec<Write>, KernelError> {
    let device = kernel::BlockDevice::open(Path::new(path), Access::Read)?;
    let read = |piece: &Write| {
        let mut data = vec![0; piece.data.len()];
        device
            .read_at(piece.at, &mut data)
            .map_err(|error| KernelError::io(Path::new(path), "read", &error))?;
        Ok(Write { at: piece.at, data })
    };
    pieces.iter().map(read).collect()
}
