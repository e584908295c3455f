//! An overlay's file, made into a device for as long as something stands on it.

use std::path::Path;

use anyhow::Result;

use super::Live;
use crate::{
    kernel::{files, loopback},
    plan::overlay::OverlayStep,
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
