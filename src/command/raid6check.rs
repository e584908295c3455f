//! `raid6check`.

use anyhow::Result;

use super::drive::Driver;
use crate::{
    config::Config,
    kernel::Machine,
    plan::raid6check::SixCheck,
    request::{Common, Raid6CheckRequest},
    ui::Ui,
};

/// Checks or repairs stripes.
pub(super) fn run(request: &Raid6CheckRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: false };
    driver.drive(&mut SixCheck::new(request.clone()))
}
