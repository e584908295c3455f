//! `--stop`, `--run`, `--readonly`, `--readwrite`: one array after the other.

use std::path::Path;

use anyhow::Result;

use super::{DONE, Ended, FAILED, carry_out, drive::Driver, preview, refuse};
use crate::{
    config::Config,
    inventory,
    kernel::{self, KernelError, Machine, node},
    model::{RunningArray, World},
    plan::{
        Plan,
        stop::{self, StopAll},
        switch,
    },
    request::{Common, MiscAction, MiscRequest},
    ui::Ui,
};

/// Does it to every array that is named, with `--stop --scan` to all.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if request.devices.is_empty() {
        if request.action == MiscAction::Stop && request.scan {
            return stop_all(common, machine, ui);
        }
        ui.error("No devices given.");
        return Ok(2);
    }
    let mut status = DONE;
    for (action, path) in &request.devices {
        status |= one(action, path, common, machine, ui)?;
    }
    Ok(status)
}

fn one(action: &MiscAction, path: &Path, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let shown = path.display().to_string();
    let number = match number(path, machine) {
        Ok(number) => number,
        Err(error) => {
            let why = error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned());
            ui.error(&format!("error opening {shown}: {why}"));
            return Ok(FAILED);
        }
    };
    let world = inventory::world(machine, 0)?;
    let Some(array) = world.arrays.iter().find(|array| Some(array.id) == number) else {
        ui.error(&format!("{shown} does not appear to be an md device"));
        return Ok(FAILED);
    };
    if *action == MiscAction::Stop {
        if let Err(refusal) = stop::check(array, &shown, &world) {
            return Ok(refuse(&refusal, common, ui));
        }
    }
    let (plan, mut ended) = decide(action, array, &shown, &world);
    if common.verbose < 0 {
        ended.out.clear();
    }
    let Some(plan) = plan else { return Ok(DONE) };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    carry_out(&plan, machine, common, ui, ended)
}

/// The device of a node, or of the kernel's name for it.
fn number(path: &Path, machine: &Machine) -> Result<Option<kernel::DevId>, KernelError> {
    let named = || {
        let name = path.to_str().filter(|name| !name.contains('/') && !name.is_empty())?;
        machine.sysfs.array(name).dev().ok()?
    };
    node::number_of(path).or_else(|error| named().map(Some).ok_or(error))
}

/// The plan, and what is said at its end; no plan where there is nothing to do.
fn decide(action: &MiscAction, array: &RunningArray, shown: &str, world: &World) -> (Option<Plan>, Ended) {
    let failed =
        |what: &str| Ended { failed: Some(format!("failed to set {what} for {shown}")), ..Ended::default() };
    match action {
        MiscAction::Run => {
            let started = switch::known_as(array, world);
            let ended = Ended { note: format!("started array {started}"), ..Ended::default() };
            (switch::start(array, shown), ended)
        }
        MiscAction::ReadOnly => (Some(switch::readonly(array, shown)), failed("readonly")),
        MiscAction::ReadWrite => (Some(switch::readwrite(array, shown)), failed("writable")),
        _ => {
            let ended = Ended { out: format!("stopped {shown}"), ..Ended::default() };
            (Some(stop::plan(array, shown, world)), ended)
        }
    }
}

/// Stops whatever can be stopped.
fn stop_all(common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = Config::default();
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut StopAll::default())
}
