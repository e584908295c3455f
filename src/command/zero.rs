//! `--zero-superblock`.

use std::path::Path;

use anyhow::Result;

use super::{DONE, Ended, NATIVE, carry_out, preview, print};
use crate::{
    inventory::{self, StatusLook},
    kernel::{Machine, files},
    model::{Candidate, Unusable, status::ArrayStatus, world::LogLine},
    plan::zero::{self, Around, ZeroTarget, ZeroWish},
    request::{Common, MiscRequest},
    ui::Ui,
};

/// Erases superblocks.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if request.devices.is_empty() {
        ui.error("No devices given.");
        return Ok(2);
    }
    let paths: Vec<String> = request.devices.iter().map(|(_, path)| path.display().to_string()).collect();
    let target = |candidate: Candidate| ZeroTarget {
        reasons: request.metadata.map_or_else(Vec::new, |asked| inventory::missing(&candidate.path, asked)),
        candidate,
    };
    let targets: Vec<ZeroTarget> =
        inventory::look_to_write(machine, &paths).into_iter().map(no_file).map(target).collect();
    let (arrays, log) = around(&targets, machine)?;
    let around = Around { arrays: &arrays, log: &log };
    let decision =
        zero::plan(ZeroWish { metadata: request.metadata, force: request.force }, &targets, around);
    for (text, quiet) in &decision.said {
        if *quiet {
            ui.note(text);
        } else {
            ui.error(text);
        }
    }
    if ui.program() == NATIVE {
        decision.held.iter().for_each(|held| ui.error(held));
    }
    let Some(plan) = decision.plan else {
        if common.json {
            let said = decision.said.into_iter().map(|(text, _)| text).collect();
            print(&super::Outcome::refused("nothing to erase".into(), None, said).text());
        }
        return Ok(decision.status);
    };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    let ended = Ended { failed: Some("Could not zero superblock".to_owned()), ..Ended::default() };
    let done = carry_out(&plan, machine, common, ui, ended)?;
    Ok(if done == DONE { decision.status } else { done | decision.status })
}

/// Arrays in the kernel and its log, where a device has metadata of some array.
fn around(targets: &[ZeroTarget], machine: &Machine) -> Result<(Vec<ArrayStatus>, Vec<LogLine>)> {
    let known = |target: &ZeroTarget| {
        target.candidate.found.as_ref().is_ok_and(|device| !device.probe.found.is_empty())
    };
    if !targets.iter().any(known) {
        return Ok((Vec::new(), Vec::new()));
    }
    let arrays = StatusLook::new(machine).all()?;
    let log = if arrays.is_empty() { Vec::new() } else { inventory::kernel_log(machine) };
    Ok((arrays, log))
}

/// What is no device: a directory is not opened to write, and the archive keeps nothing of files.
fn no_file(candidate: Candidate) -> Candidate {
    let path = Path::new(&candidate.path);
    let found = match candidate.found {
        Err(Unusable::NotBlock) if files::is_dir(path) => Err(Unusable::Open("Is a directory".to_owned())),
        Err(Unusable::NotBlock) if files::size(path).is_some() => {
            Err(Unusable::Broken(format!("{} is not a block device.", candidate.path)))
        }
        found => found,
    };
    Candidate { found, path: candidate.path }
}
