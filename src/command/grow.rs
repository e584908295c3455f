//! `--grow`: size, shape and bitmap of an array that runs.

use anyhow::Result;

use super::drive::Driver;
use crate::{
    inventory,
    kernel::{Machine, host},
    plan::{
        ArrayName,
        grow::{Grow, GrowJob},
    },
    request::{Common, GrowRequest},
    ui::Ui,
};

/// Changes it.
pub(super) fn run(request: &GrowRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let path = request.device.to_string_lossy().into_owned();
    let mut course = Grow::new(GrowJob {
        request: request.clone(),
        array: ArrayName { kernel: String::new(), path },
        dry_run: common.dry_run,
        outspoken: ui.program() == "mdctl" || ui.verbosity() > 0,
        bad_block_log: config.create.bbl != Some(false),
        zone: inventory::local_zone(),
        now: host::now().0,
    });
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut course)
}
