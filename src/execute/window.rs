//! What is set aside of an array while its data is laid out anew where it lies.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use raid::{Stripes, image};
use superblock::{
    Bytes, Media, Sectors,
    backup::{Backup, Part},
    checksum,
};

use crate::{
    kernel::{Access, BlockDevice, KernelError, Machine, files, node, sysfs::Array},
    model::Geometry,
    plan::window::WindowStep,
    words::ArrayAttr,
};

/// Carries one act out.
pub(super) fn carry_out(step: &WindowStep, machine: &Machine) -> Result<()> {
    match step {
        WindowStep::Make { store, size, backup } => make(Path::new(store), *size, backup, machine),
        WindowStep::Save { array, store, at, part, backup, held } => {
            let parts = backup.parts.iter().filter(|part| !part.is_empty());
            let start = parts.clone().map(|part| part.start).min().unwrap_or_default();
            let end = parts.map(Part::end).max().unwrap_or_default();
            hold(&machine.sysfs.array(&array.kernel), (start, end), *held)?;
            save(machine, &array.kernel, Path::new(store), *at, *part, *backup)
        }
        WindowStep::Say { store, at, backup } => {
            let opened = BlockDevice::open(Path::new(store), Access::Write)?;
            Ok(opened.write_all(&[backup.write(*at)])?)
        }
        WindowStep::Hold { array, range, held } => {
            Ok(hold(&machine.sysfs.array(&array.kernel), *range, *held)?)
        }
        WindowStep::Restore { store, parts, shape, members } => {
            let opened = BlockDevice::open(Path::new(store), Access::Read)?;
            parts.iter().try_for_each(|(place, part)| restore(&opened, *place, *part, *shape, members))
        }
    }
}

/// The room is taken at once: a store that is full in the midst of it would end a reshape half-way.
fn make(store: &Path, size: Bytes, backup: &Backup, machine: &Machine) -> Result<()> {
    if let Some(dir) = store.parent().filter(|dir| dir.starts_with(&machine.state)) {
        files::make_dirs(dir, 0o755)?;
    }
    let file = files::create_new(store)?;
    let made = files::reserve(&file, store, size).and_then(|()| {
        let opened = BlockDevice::open(store, Access::Write)?;
        opened.write_all(&[backup.write(Sectors(0))])?;
        files::sync_dir(store.parent().unwrap_or(Path::new("/")))
    });
    if made.is_err() {
        let removed = files::remove(store);
        tracing::debug!(?removed, "the store that was not made");
    }
    Ok(made?)
}

/// Each write of an attribute lets what is under way end. First what makes the range larger, then what makes it smaller: there
/// is no moment at which less is held back than before and after.
fn hold(
    array: &Array<'_>,
    (from, to): (Sectors, Sectors),
    held: (Sectors, Sectors),
) -> Result<(), KernelError> {
    let low = |at: Sectors| array.write(ArrayAttr::SuspendLo, &at.0.to_string());
    let high = |at: Sectors| array.write(ArrayAttr::SuspendHi, &at.0.to_string());
    if from == to {
        return high(Sectors(0)).and_then(|()| low(Sectors(0)));
    }
    if held.0 == held.1 {
        return low(from).and_then(|()| high(to));
    }
    if to > held.1 {
        high(to)?;
    }
    if from != held.0 {
        low(from)?;
    }
    if to < held.1 {
        high(to)?;
    }
    Ok(())
}

/// By md itself, which makes up for members that are missing; reads are not held back.
fn save(
    machine: &Machine,
    kernel: &str,
    store: &Path,
    at: Sectors,
    part: usize,
    backup: Backup,
) -> Result<()> {
    let dev = machine.sysfs.array(kernel).dev()?.context("there is no such array")?;
    let array = BlockDevice::open(&node_of(machine, kernel, dev)?, Access::Read)?;
    let opened = BlockDevice::open(store, Access::Write)?;
    let mut backup = backup;
    let place = backup.place(part);
    let Some(part) = backup.parts.get_mut(part) else { bail!("there is no such part") };
    let mut data = vec![0; usize::try_from(part.length.bytes().0)?];
    array
        .read_at(part.start.bytes(), &mut data)
        .map_err(|error| KernelError::io(array.path(), "read", &error))?;
    opened.write_at(place.bytes(), &data)?;
    opened.sync()?;
    part.sum = Some(checksum::crc32(&data));
    Ok(opened.write_all(&[backup.write(at)])?)
}

fn node_of(machine: &Machine, kernel: &str, dev: crate::words::DevId) -> Result<std::path::PathBuf> {
    let path = machine.places.dev.join(kernel);
    ensure!(node::number_of(&path)? == Some(dev), "{} is not the array", path.display());
    Ok(path)
}

/// Again and again the same: a second time brings nothing else.
fn restore(
    store: &BlockDevice,
    place: Sectors,
    part: Part,
    shape: Geometry,
    members: &[Option<(String, Sectors)>],
) -> Result<()> {
    let mut data = vec![0; usize::try_from(part.length.bytes().0)?];
    store.read_at(place.bytes(), &mut data).map_err(|error| KernelError::io(store.path(), "read", &error))?;
    if let Some(sum) = part.sum {
        let found = checksum::crc32(&data);
        ensure!(sum == found, "{}: what is set aside there is not what was written", store.path().display());
    }
    let stripes = Stripes::new(shape, &[]).context("the array's shape is none that can be written")?;
    let laid = image::stripes(&stripes, part.start, &data);
    let (at, laid) = laid.context("what is set aside is not whole stripes of the array")?;
    for ((path, offset), bytes) in
        members.iter().zip(&laid).filter_map(|(m, bytes)| Some((m.as_ref()?, bytes)))
    {
        let member = BlockDevice::open(Path::new(path), Access::Write)?;
        member.write_at(offset.saturating_add(at).bytes(), bytes)?;
        member.sync()?;
    }
    Ok(())
}
