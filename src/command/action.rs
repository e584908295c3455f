//! `--action` and `--wait-clean`.

use std::path::Path;

use anyhow::Result;
use nix::errno::Errno;

use super::{DONE, Ended, FAILED, carry_out, preview};
use crate::{
    inventory,
    kernel::{KernelError, Machine, node},
    plan::switch,
    request::{Common, MiscAction, MiscRequest},
    ui::Ui,
    words::SyncAction,
};

/// Exit status for what is not there.
const NO_DEVICE: u8 = 2;

/// Has each array do this.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut status = DONE;
    for (action, path) in &request.devices {
        let MiscAction::Sync(action) = action else { continue };
        status |= one(action, path, common, machine, ui)?;
    }
    Ok(status)
}

fn one(action: &SyncAction, path: &Path, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let shown = path.display().to_string();
    let number = match node::number_of(path) {
        Ok(number) => number,
        Err(error) => {
            ui.error(&format!("Couldn't open {shown}: {}", why(&error)));
            return Ok(FAILED);
        }
    };
    let world = inventory::world(machine, 0)?;
    let Some(array) = world.arrays.iter().find(|array| Some(array.id) == number) else {
        ui.error(&format!("{shown} is no an md array"));
        return Ok(FAILED);
    };
    let plan = switch::sync_action(array, &shown, action);
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    // The original's words, its slip of the pen too: scripts look for them.
    let failed = Some(format!("Count not set action for {shown} to {}", action.word()));
    carry_out(&plan, machine, common, ui, Ended { failed, ..Ended::default() })
}

fn why(error: &KernelError) -> String {
    error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}

/// The kernel itself marks arrays of native metadata clean when they are stopped, so there is nothing to wait for.
pub(super) fn wait_clean(request: &MiscRequest, ui: &Ui) -> u8 {
    let mut status = DONE;
    for (_, path) in &request.devices {
        let shown = path.display();
        let problem = match node::number_of(path) {
            Ok(Some(_)) => continue,
            Ok(None) => format!("{shown} is not a block device."),
            Err(error) if error.is(Errno::ENOTBLK) => format!("{shown} is not a block device."),
            Err(error) => format!("stat failed for {shown}: {}", why(&error)),
        };
        ui.error(&problem);
        status |= NO_DEVICE;
    }
    status
}
