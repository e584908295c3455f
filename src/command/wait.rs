//! `--wait`: until nothing is being synced.

use anyhow::Result;

use super::drive::Driver;
use crate::{
    config::Config,
    kernel::Machine,
    plan::wait::Waits,
    request::{Common, MiscRequest},
    ui::Ui,
};

/// Exit status for what is not there.
const NO_DEVICE: u8 = 2;

/// Waits for each array in turn.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if request.devices.is_empty() {
        ui.error("No devices given.");
        return Ok(NO_DEVICE);
    }
    let paths = request.devices.iter().map(|(_, path)| path.display().to_string()).collect();
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: false };
    driver.drive(&mut Waits::new(paths, ui.program() == super::NATIVE))
}
