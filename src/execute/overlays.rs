//! An overlay's file, made into a device for as long as something stands on it.

use std::path::Path;

use anyhow::{Result, ensure};
use superblock::Media as _;

use super::Live;
use crate::{
    kernel::{Access, BlockDevice, KernelError, files, loopback},
    model::overlay::ChunkPrint,
    plan::{overlay::OverlayStep, run::Outdated},
};

impl Live {
    pub(super) fn overlay(&mut self, step: &OverlayStep) -> Result<()> {
        match step {
            OverlayStep::Attach { file, device } => {
                let number = device.strip_prefix("/dev/loop").and_then(|number| number.parse().ok());
                number.map_or(Ok(()), |number| loopback::make(&self.machine.places, number))?;
                let held = loopback::attach(Path::new(device), Path::new(file))?;
                self.loops.insert(device.clone(), held);
            }
            OverlayStep::Settled { file, prints } => {
                let opened = BlockDevice::open(Path::new(file), Access::Read)?;
                for print in prints {
                    let mut data = vec![0; print.length];
                    opened
                        .read_at(print.at, &mut data)
                        .map_err(|error| KernelError::io(Path::new(file), "read", &error))?;
                    let why = || Outdated(format!("somebody wrote through the overlay of {file} meanwhile"));
                    ensure!(ChunkPrint::of(print.at, &data) == *print, why());
                }
            }
            OverlayStep::Detach { device, .. } => drop(self.loops.remove(device)),
            OverlayStep::Store { store, file, size, .. } => {
                files::make_dirs(Path::new(store), 0o700)?;
                files::save(Path::new(file), *size, &[])?;
            }
            OverlayStep::Forget { files, .. } => {
                for file in files {
                    files::remove(Path::new(file))?;
                }
            }
        }
        Ok(())
    }
}
