//! `volume backup`: the present state of groups into files.

use std::path::Path;

use anyhow::Result;

use crate::{
    command::{DONE, Ended, FAILED, carry_out, preview, refuse},
    inventory,
    kernel::{Machine, files},
    plan::{Refusal, volume::backup},
    request::{Common, volume::BackupRequest},
    ui::Ui,
};

pub(super) fn run(request: &BackupRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let groups = inventory::volumes::groups(machine)?;
    let stamp = inventory::volumes::stamp(&common.words.join(" "));
    let mut names = request.groups.clone();
    if names.is_empty() {
        names = groups.groups.iter().map(|found| found.group.name.clone()).collect();
    }
    let file = request.file.as_ref().map(|file| file.display().to_string());
    if let Some(file) = &file {
        let in_the_way = files::in_the_way(Path::new(file)).map(|what| what.to_string());
        if let Err(refusal) = backup::fit(file, in_the_way.as_deref(), names.len()) {
            return Ok(refuse(&refusal, common, ui));
        }
    }
    let mut status = DONE;
    for name in names {
        let plan = match groups.group(&name) {
            Some(found) => {
                let usual = machine.lvm.join("backup").join(&name).display().to_string();
                backup::plan(found, file.as_deref(), &usual, &stamp)
            }
            None => Err(Refusal::new(format!("there is no group {name}"))),
        };
        status |= match plan {
            Ok(plan) if common.dry_run => preview(&plan, machine, common)?,
            Ok(plan) => {
                let note = format!("done: {}", plan.summary);
                carry_out(&plan, machine, common, ui, Ended { note, ..Ended::default() })?
            }
            Err(refusal) => refuse(&refusal, common, ui).max(FAILED),
        };
    }
    Ok(status)
}
