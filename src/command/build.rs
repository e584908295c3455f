//! `--build`.

use anyhow::Result;

use super::drive::Driver;
use crate::{
    kernel::Machine,
    plan::build::{BuildJob, Building},
    request::{BuildRequest, Common},
    ui::Ui,
};

/// Starts an array that has no metadata.
pub(super) fn run(request: &BuildRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let job = BuildJob { request: request.clone(), config: config.clone(), dry_run: common.dry_run };
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut Building::new(job))
}
