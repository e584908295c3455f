//! `--dump` and `--restore`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use superblock::Write;

use super::{DONE, Ended, FAILED, NATIVE, carry_out, keep::Kept, preview, print, refuse};
use crate::{
    inventory::{self, Image},
    kernel::{KernelError, Machine, files},
    plan::{
        Refusal,
        dump::{self, DumpFile},
    },
    request::{Common, Metadata, MiscRequest},
    ui::Ui,
};

/// Exit status where the directory is none.
const NO_DIRECTORY: u8 = 16;

/// One command.
struct Work<'a> {
    request: &'a MiscRequest,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
    place: &'a Path,
}

/// Saves the metadata of devices in a directory.
pub(super) fn save(
    place: &Path,
    request: &MiscRequest,
    common: &Common,
    machine: &Machine,
    ui: &Ui,
) -> Result<u8> {
    let work = Work { request, common, machine, ui, place };
    if request.devices.is_empty() {
        ui.error("No devices given.");
        return Ok(2);
    }
    if !files::is_dir(place) {
        ui.error(&format!("--dump requires an existing directory, not: {}", place.display()));
        return Ok(NO_DIRECTORY);
    }
    request.devices.iter().try_fold(DONE, |status, (_, device)| Ok(status | work.save(device)?))
}

/// Puts saved metadata back.
pub(super) fn restore(
    place: &Path,
    request: &MiscRequest,
    common: &Common,
    machine: &Machine,
    ui: &Ui,
) -> Result<u8> {
    let work = Work { request, common, machine, ui, place };
    if request.devices.is_empty() {
        ui.error("No devices given.");
        return Ok(2);
    }
    if files::identity(place).is_none() {
        ui.error(&format!("{} does not exist: cannot restore from there.", place.display()));
        return Ok(NO_DIRECTORY);
    }
    if request.devices.len() > 1 && !files::is_dir(place) {
        ui.error("--restore requires a directory when multiple devices given");
        return Ok(NO_DIRECTORY);
    }
    request.devices.iter().try_fold(DONE, |status, (_, device)| Ok(status | work.restore(device)?))
}

impl Work<'_> {
    fn fail(&self, text: &str) -> Result<u8> {
        self.ui.error(text);
        Ok(FAILED)
    }

    fn tell(&self, text: &str) {
        if self.common.verbose >= 0 && !self.common.json {
            print(&format!("{text}\n"));
        }
    }

    fn save(&self, device: &Path) -> Result<u8> {
        let shown = device.display();
        let image = match inventory::image(device) {
            Ok(image) => image,
            Err(error) => {
                return self.fail(&format!("Cannot open {shown} to dump metadata: {}", words(&error)));
            }
        };
        let Some(pieces) = self.pieces(&image, device)? else {
            return self.fail(&self.none(&format!("Cannot find RAID metadata on {shown}"), device));
        };
        let file = self.place.join(device.file_name().unwrap_or_default()).display().to_string();
        let plan = dump::save(&shown.to_string(), &file, image.size, pieces);
        if self.common.dry_run {
            return preview(&plan, self.machine, self.common);
        }
        if let Err(failure) =
            super::keep::run(&Kept::new(&plan, self.machine, self.common), self.machine, self.ui)
        {
            let why = failure.answer().unwrap_or_else(|| format!("{:#}", failure.cause));
            return self.fail(&format!("Cannot create dump file {file}: {why}"));
        }
        self.tell(&format!("{shown} saved as {file}."));
        let mut status = DONE;
        for (name, _) in inventory::names_by_id(self.machine, device) {
            let other = self.place.join(name).display().to_string();
            let plan = dump::link(&file, &other);
            match super::keep::run(&Kept::new(&plan, self.machine, self.common), self.machine, self.ui) {
                Ok(()) => self.tell(&format!("{shown} also saved as {other}.")),
                Err(_) => {
                    self.ui.error(&format!("Could not save {shown} as {other}!!"));
                    status |= dump::without_link(self.ui.program() == NATIVE);
                }
            }
        }
        Ok(status)
    }

    fn restore(&self, device: &Path) -> Result<u8> {
        let shown = device.display();
        let size = match inventory::image(device) {
            Ok(image) => image.size,
            Err(error) => {
                return self.fail(&format!("Cannot open {shown} to restore metadata: {}", words(&error)));
            }
        };
        // The archive keeps nothing of files.
        if files::size(device).is_some() {
            return self.fail(&format!("{shown} is not a block device."));
        }
        let file = match self.file_of(device) {
            Ok(file) => file,
            Err(refusal) => return Ok(refuse(&refusal, self.common, self.ui)),
        };
        let saved = inventory::image(&file).ok().filter(|image| image.size == size);
        let Some(saved) = saved else {
            let file = file.display();
            return self.fail(&format!("{file} is not the same size as {shown} - cannot restore."));
        };
        let Some(writes) = self.pieces(&saved, &file)? else {
            return self.fail(&self.none(&format!("Cannot find metadata on {}", file.display()), &file));
        };
        let plan = dump::restore(&shown.to_string(), &file.display().to_string(), writes);
        if self.common.dry_run {
            return preview(&plan, self.machine, self.common);
        }
        let status = carry_out(&plan, self.machine, self.common, self.ui, Ended::default())?;
        if status == DONE {
            self.tell(&format!("{shown} restored from {}.", file.display()));
        }
        Ok(status)
    }

    /// The dump of a device: the place itself where that is a file.
    fn file_of(&self, device: &Path) -> Result<PathBuf, Refusal> {
        if !files::is_dir(self.place) {
            return Ok(self.place.to_owned());
        }
        let file = |name: &OsStr| {
            let path = self.place.join(name);
            let identity = files::identity(&path)?;
            Some(DumpFile { path: path.display().to_string(), identity })
        };
        let names = inventory::names_by_id(self.machine, device);
        let by_id: Vec<DumpFile> = names.iter().filter_map(|(name, _)| file(name.as_ref())).collect();
        let plain = file(device.file_name().unwrap_or_default());
        let (device, place) = (device.display().to_string(), self.place.display().to_string());
        dump::file_of(&device, &place, &by_id, plain.as_ref()).map(PathBuf::from)
    }

    fn pieces(&self, image: &Image, path: &Path) -> Result<Option<Vec<Write>>> {
        let ranges = dump::ranges(&image.probe.found, self.request.metadata, image.size);
        Ok(ranges.map(|ranges| inventory::ranges_of(path, &ranges)).transpose()?)
    }

    fn none(&self, text: &str, path: &Path) -> String {
        match self.request.metadata {
            Some(asked) => format!("No {} metadata found on {}", family(asked), path.display()),
            None => text.to_owned(),
        }
    }
}

/// A format as the original names its family.
fn family(asked: Metadata) -> &'static str {
    match asked {
        Metadata::V0 => "0.90",
        Metadata::V1(_) | Metadata::Default => "1.x",
        Metadata::Ddf => "ddf",
        Metadata::Imsm => "imsm",
        Metadata::Gpt => "gpt",
        Metadata::Mbr => "mbr",
    }
}

/// The kernel's words alone.
fn words(error: &KernelError) -> String {
    error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}
