//! `--stop`.

use std::path::Path;

use anyhow::Result;

use super::{DONE, FAILED, execute, print, report_failure};
use crate::{
    cli::request::{Common, MiscRequest},
    inventory,
    kernel::{Machine, node},
    plan::stop,
    ui::Ui,
};

/// Stops arrays.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut status = DONE;
    for (_, path) in &request.devices {
        status |= one(path, common, machine, ui)?;
    }
    Ok(status)
}

fn one(path: &Path, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let shown = path.display().to_string();
    let number = match node::number_of(path) {
        Ok(number) => number,
        Err(error) => {
            ui.error(&format!("error opening {shown}: {}", error.cause));
            return Ok(FAILED);
        }
    };
    let world = inventory::world(machine, 0)?;
    let id = number.map(|n| crate::model::DevId { major: n.major, minor: n.minor });
    let Some(array) = world.arrays.iter().find(|array| Some(array.id) == id) else {
        ui.error(&format!("{shown} does not appear to be an md device"));
        return Ok(FAILED);
    };
    let plan = stop::plan(array, &shown, &world);
    if common.dry_run {
        return Ok(print(&plan.to_string()));
    }
    match execute(&plan, machine) {
        Ok(()) => {
            ui.note(&format!("stopped {shown}"));
            Ok(DONE)
        }
        Err(failure) => Ok(report_failure(&failure, ui)),
    }
}
