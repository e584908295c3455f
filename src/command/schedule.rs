//! `mdctl scrub schedule`: when checks run.

use anyhow::Result;

use super::{DONE, Ended, carry_out, preview, print, refuse};
use crate::{
    inventory,
    kernel::Machine,
    plan::scrub::{remarks, schedule, schedule_files},
    report::schedule::ScheduleReport,
    request::{Common, ScheduleRequest, ScheduleWhen},
    ui::Ui,
};

/// Shows it, or sets it and shows what it is then.
pub(super) fn run(request: &ScheduleRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if *request == ScheduleRequest::default() {
        return show(common, machine);
    }
    let calendar = match &request.when {
        Some(ScheduleWhen::On(calendar)) => Some(calendar.trim()),
        _ => None,
    };
    let seen = inventory::schedule(calendar, &schedule_files())?;
    let plan = match schedule(request, &seen) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    let ended = Ended { note: plan.summary.clone(), ..Ended::default() };
    let status = carry_out(&plan, machine, common, ui, ended)?;
    if status == DONE && !common.json && ui.verbosity() >= 0 {
        return show(common, machine);
    }
    Ok(status)
}

fn show(common: &Common, machine: &Machine) -> Result<u8> {
    let seen = inventory::schedule(None, &[])?;
    let sight = inventory::scrub(machine, &[])?;
    let report = ScheduleReport::new(&seen, &sight, remarks(&seen));
    Ok(if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))
    } else {
        print(&report.text(&inventory::local_zone()))
    })
}
