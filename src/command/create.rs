//! `--create`.

use anyhow::Result;

use super::{DONE, FAILED, execute, print, refuse, report_failure, say};
use crate::model::DevId;
use crate::{
    cli::request::Common,
    inventory,
    kernel::Machine,
    plan::{
        ArrayName, Say,
        create::{self, Context},
        request::{BitmapKind, CreateRequest, MemberSource},
    },
    ui::Ui,
};

/// Makes an array.
pub(super) fn run(request: &CreateRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut request = request.clone();
    if create::asks_for_bitmap(&request) {
        let wanted = !common.dry_run
            && ui.ask("To optimize recovery speed, it is recommended to enable write-intent bitmap, do you want to enable it now?");
        request.bitmap = Some(if wanted { BitmapKind::Internal } else { BitmapKind::None });
    }
    let mut world = inventory::world(machine, request.members.len() + 2)?;
    world.devices = inventory::look(machine, &paths(&request), true);
    let text = request.device.to_string_lossy().into_owned();
    let kernel = text.trim_start_matches("/dev/").to_owned();
    let minor = kernel.trim_start_matches("md").parse().ok();
    let context = Context {
        array: ArrayName { kernel: kernel.clone(), path: text.clone() },
        id: minor.map(|minor| DevId { major: 9, minor }),
        name: request.name.clone().unwrap_or_else(|| kernel.trim_start_matches("md").to_owned()),
        homehost: world.hostname.clone(),
        verbose: common.verbose,
        bad_block_log: true,
        zone: jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC),
        default_metadata: None,
    };
    let plan = match create::plan(&request, &context, &world) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refuse(&refusal, ui)),
    };
    if common.dry_run {
        return Ok(print(&plan.to_string()));
    }
    for warning in plan.warnings.iter().filter(|w| w.kind != Say::Out) {
        say(warning.kind, &warning.text, ui);
    }
    if plan.needs_consent() {
        if request.run {
            ui.detail("creation continuing despite oddities due to --run");
        } else if !ui.ask("Continue creating array") {
            ui.error("create aborted.");
            return Ok(FAILED);
        }
    }
    for warning in plan.warnings.iter().filter(|w| w.kind == Say::Out) {
        say(warning.kind, &warning.text, ui);
    }
    if let Err(failure) = execute(&plan, machine) {
        return Ok(report_failure(&failure, ui));
    }
    if common.verbose >= 0 {
        print(&format!("{}: array {} started.\n", ui.program(), context.array.path));
    }
    Ok(DONE)
}

fn paths(request: &CreateRequest) -> Vec<String> {
    let path = |source: &MemberSource| match source {
        MemberSource::Path(path) | MemberSource::Journal(path) => Some(path.display().to_string()),
        MemberSource::Missing => None,
    };
    request.members.iter().filter_map(|word| path(&word.source)).collect()
}
