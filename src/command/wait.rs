//! `--wait`: until nothing is being synced.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{DONE, FAILED};
use crate::{
    cli::request::MiscRequest,
    kernel::{Deadline, Machine, node, watch::Watched},
    ui::Ui,
};

/// Not every end is announced: look again this often.
const SLICE: Duration = Duration::from_secs(2);
/// A frozen array may be waited for in vain: so many slices.
const FROZEN_SLICES: u32 = 8;
/// Exit status for what is not there.
const NO_DEVICE: u8 = 2;

/// Waits for each array in turn; status 0 only where there was something to wait for, as the original has it.
pub(super) fn run(request: &MiscRequest, machine: &Machine, ui: &Ui) -> Result<u8> {
    if request.devices.is_empty() {
        ui.error("No devices given.");
        return Ok(NO_DEVICE);
    }
    let mut status = DONE;
    for (_, path) in &request.devices {
        status |= one(path, machine, ui)?;
    }
    Ok(status)
}

fn one(path: &Path, machine: &Machine, ui: &Ui) -> Result<u8> {
    let number = match node::number_of(path) {
        Ok(number) => number,
        Err(error) => {
            let why = error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned());
            ui.error(&format!("stat failed for {}: {why}", path.display()));
            return Ok(NO_DEVICE);
        }
    };
    let name = number.and_then(|dev| machine.sysfs.name_of(dev));
    // Under its name the original's silence stays.
    let native = ui.program() == super::NATIVE;
    let no_array = || {
        if native {
            ui.error(&format!("{} is not an md array that runs", path.display()));
        }
        Ok(FAILED)
    };
    let Some(name) = name else { return no_array() };
    let action = machine.sysfs.path(format!("block/{name}/md/sync_action"));
    let Some(mut action) = Watched::open(&action)? else { return no_array() };
    let mut waited = false;
    let mut frozen = 0;
    while let Some(now) = action.read()? {
        match now.as_str() {
            "idle" => break,
            "frozen" if frozen >= FROZEN_SLICES => break,
            "frozen" => frozen += 1,
            _ => waited = true,
        }
        action.changed(Deadline::after(SLICE))?;
    }
    if native && !waited {
        ui.note(&format!("{}: there is nothing to wait for", path.display()));
    }
    Ok(if waited { DONE } else { FAILED })
}
