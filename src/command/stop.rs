//! `--stop`, `--run`, `--readonly`, `--readwrite`: one array after the other.

use std::path::Path;

use anyhow::Result;

use super::{DONE, Ended, FAILED, carry_out, preview};
use crate::{
    cli::request::{Common, MiscAction, MiscRequest},
    inventory,
    kernel::{self, Access, KernelError, Machine, node},
    model::{RunningArray, World},
    plan::{Plan, stop, switch},
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
    let (plan, mut ended) = decide(action, array, &shown, &world);
    if common.verbose < 0 {
        ended.out.clear();
    }
    let Some(plan) = plan else { return Ok(DONE) };
    if common.dry_run {
        return preview(&plan, common);
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

/// Stops whatever can be stopped. An array may be a member of another: go round as long as something was stopped, and
/// only then say what could not be. No more rounds than there were arrays: one that comes back is not hunted for ever.
fn stop_all(common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut rounds = inventory::world(machine, 0)?.arrays.len();
    loop {
        let world = inventory::world(machine, 0)?;
        let plans = stop::in_order(&world).into_iter().map(|array| {
            let path = format!("/dev/{}", array.name);
            let plan = stop::plan(array, &path, &world);
            (path, plan)
        });
        if common.dry_run {
            return plans
                .into_iter()
                .try_fold(DONE, |status, (_, plan)| Ok(status | preview(&plan, common)?));
        }
        let (free, held): (Vec<_>, Vec<_>) = plans.partition(|(path, _)| is_free(machine, path));
        let last = free.is_empty() || rounds <= 1;
        let mut status = DONE;
        for (path, plan) in if free.is_empty() { &held } else { &free } {
            // The original says nothing of what it stops in a scan unless asked.
            let out = if common.verbose > 0 { format!("stopped {path}") } else { String::new() };
            status |= carry_out(plan, machine, common, ui, Ended { out, ..Ended::default() })?;
        }
        if last || status != DONE {
            return Ok(status);
        }
        rounds -= 1;
    }
}

/// Whether nobody holds the array, so that a stop can succeed.
fn is_free(machine: &Machine, path: &str) -> bool {
    let name = path.trim_start_matches("/dev/");
    let dev = machine.sysfs.array(name).dev().ok().flatten();
    dev.is_some_and(|dev| node::open_number(&machine.places, dev, Access::ReadExclusive, path).is_ok())
}
