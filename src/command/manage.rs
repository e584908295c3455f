//! `--manage`: the words of the command, one after the other.

use anyhow::Result;

use super::drive::Driver;
use crate::{
    inventory,
    kernel::Machine,
    plan::{
        ArrayName,
        manage::{
            ManageContext,
            session::{Manage, ManageJob},
        },
    },
    request::{Common, ManageRequest},
    ui::Ui,
};

/// Does what the words say, until one fails.
pub(super) fn run(request: &ManageRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let path = request.device.to_string_lossy().into_owned();
    let mut course = Manage::new(ManageJob {
        members: request.members.clone(),
        readonly: request.readonly,
        run: request.run,
        stop: request.stop,
        dry_run: common.dry_run,
        test: common.test,
        outspoken: ui.program() == "mdctl" || ui.verbosity() > 0,
        context: ManageContext {
            array: ArrayName { kernel: String::new(), path },
            force: request.force,
            update: request.update,
            bad_block_log: config.create.bbl != Some(false),
            fresh: Vec::new(),
            zone: inventory::local_zone(),
        },
    });
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut course)
}
