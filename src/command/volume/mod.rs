//! `mdctl volume`: one file per verb.

use anyhow::Result;

use super::{
    Ended,
    keep::{self, Kept},
    not_yet, preview, refuse, say, tell,
};
use crate::{
    cli::request::{Common, VolumeRequest},
    execute::volumes::Stale,
    kernel::Machine,
    plan::{Plan, Refusal},
    ui::Ui,
};

mod backup;
mod check;
mod restore;

/// Does what is asked for.
pub(super) fn run(request: &VolumeRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    match request {
        VolumeRequest::Check(names) => check::run(names, common, machine, ui),
        VolumeRequest::Backup(request) => backup::run(request, common, machine, ui),
        VolumeRequest::Restore(request) => restore::run(request, common, machine, ui),
        _ => Ok(not_yet("mdctl volume", ui)),
    }
}

/// How often a group may be changed by others between our look at it and our lock on it.
const ROUNDS: u32 = 100;

/// Looks, decides, asks and acts. Groups are read before they are locked; where one was changed in between, it begins anew.
fn act(
    common: &Common,
    machine: &Machine,
    ui: &Ui,
    decide: &dyn Fn() -> Result<Result<(Plan, Ended), Refusal>>,
) -> Result<u8> {
    for round in 0.. {
        let (plan, ended) = match decide()? {
            Ok(decided) => decided,
            Err(refusal) => return Ok(refuse(&refusal, common, ui)),
        };
        if common.dry_run {
            return preview(&plan, common);
        }
        if round == 0 && !agree(&plan, common, ui) {
            let refusal = Refusal::new("nothing was changed").hint("`--yes` agrees beforehand");
            return Ok(refuse(&refusal, common, ui));
        }
        let kept = Kept::new(&plan, machine, common);
        let done = keep::run(&kept, machine, ui);
        let stale = done.as_ref().is_err_and(|failure| failure.cause.downcast_ref::<Stale>().is_some());
        if !stale || round >= ROUNDS {
            return tell(&kept, done, common, ui, ended);
        }
    }
    Ok(super::FAILED)
}

/// Says what a person should know, and asks where that needs a yes.
fn agree(plan: &Plan, common: &Common, ui: &Ui) -> bool {
    for warning in &plan.warnings {
        say(warning.kind, &warning.text, ui);
    }
    !plan.needs_consent() || common.yes || ui.ask("Go on")
}
