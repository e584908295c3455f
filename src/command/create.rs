//! `--create`.

use anyhow::Result;

use super::{Ended, FAILED, carry_out, cluster, preview, refuse, say, settings};
use crate::{
    config::sources::ConfigSources,
    inventory,
    kernel::Machine,
    plan::{Plan, Say, create},
    request::{BitmapKind, Common, CreateRequest},
    ui::Ui,
};

/// The original's question.
const WANT_BITMAP: &str = "To optimize recovery speed, it is recommended to enable write-intent bitmap, do you want to enable it now?";

/// Makes an array.
pub(super) fn run(request: &CreateRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut request = request.clone();
    let (config, _) = inventory::configuration(&ConfigSources::from_option(common.config.as_deref()))?;
    if request.nodes.is_some() || request.bitmap == Some(BitmapKind::Clustered) {
        match cluster(request.home_cluster.as_deref(), &config) {
            Ok(name) => request.home_cluster = Some(name),
            Err(refusal) => return Ok(refuse(&refusal, common, ui)),
        }
    }
    let native = ui.program() == "mdctl";
    let asks = create::asks_for_bitmap(&request);
    // The original asks before it looks.
    if asks && !native {
        request.bitmap = Some(asked_for_bitmap(common, ui));
    }
    let mut world = inventory::world(machine, request.identities())?;
    world.devices = inventory::look_to_write(machine, &request.paths());
    let settings = settings(common, config, native);
    let decide = |request: &CreateRequest| {
        let context = settings.context(request, &world)?;
        Ok((create::plan(request, &context, &world)?, context))
    };
    let mut decided = decide(&request);
    if asks && native && decided.is_ok() {
        request.bitmap = Some(asked_for_bitmap(common, ui));
        decided = decide(&request);
    }
    let (plan, context) = match decided {
        Ok(decided) => decided,
        Err(refusal) if native => return Ok(refuse(&create::without_boot_note(refusal), common, ui)),
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    if !agreed(&plan, &request, ui) {
        ui.error("create aborted.");
        return Ok(FAILED);
    }
    let said =
        if common.verbose >= 0 { format!("array {} started.", context.array.path) } else { String::new() };
    let waits = create::waits_for_writes(&plan, &context.array);
    let note = waits.unwrap_or_default();
    carry_out(&plan, machine, common, ui, Ended { out: said, note, ..Ended::default() })
}

/// The answer to the original's question.
fn asked_for_bitmap(common: &Common, ui: &Ui) -> BitmapKind {
    let wanted = !common.dry_run && !common.json && ui.ask(WANT_BITMAP);
    if wanted { BitmapKind::Internal } else { BitmapKind::None }
}

/// Says what was found, and asks where that needs a yes.
fn agreed(plan: &Plan, request: &CreateRequest, ui: &Ui) -> bool {
    for warning in plan.warnings.iter().filter(|w| w.kind != Say::Out) {
        say(warning.kind, &warning.text, ui);
    }
    if plan.needs_consent() {
        if request.run {
            ui.detail("creation continuing despite oddities due to --run");
        } else if !ui.ask("Continue creating array") {
            return false;
        }
    }
    for warning in plan.warnings.iter().filter(|w| w.kind == Say::Out) {
        say(warning.kind, &warning.text, ui);
    }
    true
}
