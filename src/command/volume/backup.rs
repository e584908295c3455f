//! `volume backup`: the present state of groups into files.

use std::path::Path;

use anyhow::Result;
use superblock::lvm::{Stamp, write};

use crate::{
    cli::request::Common,
    command::{DONE, Ended, FAILED, carry_out, preview, refuse},
    inventory,
    kernel::{Machine, files},
    model::volume::FoundGroup,
    plan::{
        Plan, Refusal, Step,
        volume::{metadata::LvmStep, request::BackupRequest},
    },
    ui::Ui,
};

pub(super) fn run(request: &BackupRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let groups = inventory::volumes::groups(machine)?;
    let stamp = inventory::volumes::stamp(&common.words.join(" "));
    let mut names = request.groups.clone();
    if names.is_empty() {
        names = groups.groups.iter().map(|found| found.group.name.clone()).collect();
    }
    if let Some(refusal) = request.file.as_deref().and_then(|file| unfit(file, names.len())) {
        return Ok(refuse(&refusal, common, ui));
    }
    let mut status = DONE;
    for name in names {
        let plan = match groups.group(&name) {
            Some(found) => plan(found, request.file.as_deref(), &machine.lvm, &stamp),
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

/// Why a file cannot be what backups are written to.
fn unfit(file: &Path, groups: usize) -> Option<Refusal> {
    let shown = file.display();
    if let Some(what) = files::in_the_way(file) {
        return Some(Refusal::new(format!("{shown} is {what}: nothing was written")).hint("name a file"));
    }
    (groups > 1).then(|| {
        Refusal::new(format!("{shown} can hold the backup of one group, and there are {groups}"))
            .hint(format!("mdctl volume backup GROUP -f {shown}"))
    })
}

/// A group that is not understood is kept, too: its tree, word for word.
fn plan(found: &FoundGroup, file: Option<&Path>, lvm: &Path, stamp: &Stamp) -> Result<Plan, Refusal> {
    let group = &found.group;
    let text = if group.strange.is_empty() {
        group.backup(stamp)
    } else {
        write::as_file(&found.text, stamp)
            .map_err(|fault| Refusal::new(format!("group {}: {fault}", group.name)))?
    };
    let step = match file {
        None => Step::Lvm(LvmStep::Backup { group: group.name.clone(), text }),
        Some(path) => Step::WriteFile {
            path: path.display().to_string(),
            text: String::from_utf8_lossy(&text).into_owned(),
            mode: 0o600,
        },
    };
    let path = file.map_or_else(
        || lvm.join("backup").join(&group.name).display().to_string(),
        |file| file.display().to_string(),
    );
    let summary = format!("back up the metadata of group {} (change {}) in {path}", group.name, group.seqno);
    Ok(Plan { summary, steps: vec![step, Step::Commit], warnings: Vec::new() })
}
