//! `--stop`, `--run`, `--readonly`, `--readwrite`.

use anyhow::Result;

use super::{DONE, drive::Driver, tell_early};
use crate::{
    config::Config,
    kernel::Machine,
    plan::{
        named::{Becomes, NamedArrays},
        stop::StopAll,
    },
    request::{Common, MiscRequest},
    ui::Ui,
};

/// Exit status where a command names no device.
const NO_DEVICE: u8 = 2;

/// Does it to every array that is named, with `--stop --scan` to all.
pub(super) fn run(
    becomes: Becomes,
    request: &MiscRequest,
    common: &Common,
    machine: &Machine,
    ui: &Ui,
) -> Result<u8> {
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: false };
    if !request.devices.is_empty() {
        let paths: Vec<_> = request.devices.iter().map(|(_, path)| path.display().to_string()).collect();
        let what = paths.join(" ");
        let status = driver.drive(&mut NamedArrays::new(becomes, paths))?;
        if becomes == Becomes::Started {
            match status {
                DONE => tell_early(&format!("{what}: started although members are missing"), machine, ui),
                _ => ui.said().iter().for_each(|said| tell_early(said, machine, ui)),
            }
        }
        return Ok(status);
    }
    if becomes == Becomes::Stopped && request.scan {
        return driver.drive(&mut StopAll::default());
    }
    ui.error("No devices given.");
    Ok(NO_DEVICE)
}
