//! `mdctl history` and `mdctl undo`.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{DONE, Ended, FAILED, carry_out_kept, keep::Kept, preview_kept, print, refuse, say};
use crate::{
    archive::{self, About, Identity},
    cli::request::{Common, UndoRequest},
    config::Config,
    inventory::{self, Nodes, Shelf},
    kernel::Machine,
    plan::{
        Refusal, Step,
        undo::{self, Present},
    },
    report::history::{Damaged, Entry, History, Parts},
    ui::Ui,
};

/// Lists what is kept.
pub(super) fn list(common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let shelf = inventory::archive(machine)?;
    let undone = archive::undone(shelf.entries.iter().map(|shelved| &shelved.about));
    let entry = |shelved: &inventory::Shelved| {
        Entry::new(&Parts {
            about: &shelved.about,
            devices: &shelved.devices,
            file: shelved.path.display().to_string(),
            size: shelved.size,
            undone: undone.contains(&shelved.about.id),
        })
    };
    let damaged = shelf.damaged.iter();
    let damaged =
        damaged.map(|(path, error)| Damaged { file: path.display().to_string(), error: error.clone() });
    let history = History::new(shelf.entries.iter().map(entry).collect(), damaged.collect());
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&history)?));
    } else {
        print(&history.text(&inventory::local_zone()));
        for Damaged { file, error } in history.damaged() {
            ui.error(&format!("{file}: {error}"));
        }
    }
    Ok(if history.damaged().is_empty() { DONE } else { FAILED })
}

/// Puts an entry back.
pub(super) fn undo(request: &UndoRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let shelf = inventory::archive(machine)?;
    for (path, error) in &shelf.damaged {
        ui.warn(&format!("{}: {error}", path.display()));
    }
    let abouts: Vec<&About> = shelf.entries.iter().map(|shelved| &shelved.about).collect();
    let about = match undo::choose(request.id.as_deref(), &abouts) {
        Ok(about) => about,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let plan = match decide(about, request, &shelf, (machine, ui))? {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let kept = Kept::undoing(&plan, machine, common, Some(about.id.clone()));
    if common.dry_run {
        return Ok(preview_kept(&kept.plan, common));
    }
    for warning in &plan.warnings {
        say(warning.kind, &warning.text, ui);
    }
    let out = format!("{} is undone: {}", about.id, about.summary);
    carry_out_kept(&kept, machine, common, ui, Ended { out, ..Ended::default() })
}

/// Puts the bytes of a killed command back, where it had overwritten any; says what came of it.
pub(super) fn put_back(id: &str, common: &Common, machine: &Machine, ui: &Ui) -> Result<String> {
    let shelf = inventory::archive(machine)?;
    let Some(shelved) = shelf.entries.iter().find(|shelved| shelved.about.id.as_str() == id) else {
        return Ok("it had overwritten nothing".to_owned());
    };
    let about = &shelved.about;
    let request = UndoRequest { id: Some(id.to_owned()), force: false };
    let plan = match decide(about, &request, &shelf, (machine, ui))? {
        Ok(plan) => plan,
        Err(Refusal { text, hint: Some(hint), .. }) => return Ok(format!("{text}; {hint}")),
        Err(refusal) => return Ok(refusal.text),
    };
    let kept = Kept::undoing(&plan, machine, common, Some(about.id.clone()));
    super::keep::run(&kept, machine, ui)?;
    let paths: Vec<&str> = plan.steps.iter().filter_map(written).collect();
    Ok(format!("the metadata from before is back on {}", paths.join(", ")))
}

fn written(step: &Step) -> Option<&str> {
    match step {
        Step::Write { device, .. } => Some(device),
        _ => None,
    }
}

fn decide(
    about: &About,
    request: &UndoRequest,
    shelf: &Shelf,
    (machine, ui): (&Machine, &Ui),
) -> Result<Result<crate::plan::Plan, Refusal>> {
    let Some(shelved) = shelf.entries.iter().find(|shelved| shelved.about.id == about.id) else {
        return Ok(Err(Refusal::new("the entry is gone")));
    };
    let entry = match inventory::entry(&shelved.path) {
        Ok((entry, _)) => entry,
        Err(why) => return Ok(Err(Refusal::new(format!("{}: {why}", shelved.path.display())))),
    };
    let here = devices(&shelved.devices, machine)?;
    let found = match undo::find(&entry, &here, request.force) {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    for left_out in &found.left_out {
        ui.warn(left_out);
    }
    let (devices, places): (Vec<_>, Vec<_>) = found.places.into_iter().unzip();
    let entry = archive::Entry { devices, ..entry };
    let paths: Vec<String> = places.iter().filter_map(|at| here.get(*at)).map(|it| it.path.clone()).collect();
    let mut present = Vec::new();
    for (kept, candidate) in entry.devices.iter().zip(inventory::look(machine, &paths, true)) {
        match candidate.found {
            Ok(device) => {
                present.push(Present { now: inventory::bytes_at(&candidate.path, &kept.before)?, device });
            }
            Err(why) => return Ok(Err(Refusal::new(format!("{}: {why:?}", candidate.path)))),
        }
    }
    let undone = archive::undone(shelf.entries.iter().map(|shelved| &shelved.about));
    let later = shelf.entries.iter().filter(|other| {
        let shared = other.devices.iter().any(|device| paths.contains(&device.path));
        other.about.id > about.id && !undone.contains(&other.about.id) && shared
    });
    let later: Vec<&About> = later.map(|shelved| &shelved.about).collect();
    Ok(undo::plan(&entry, &present, &later, request.force))
}

/// Every block device that is here, each once: by the path that the entry knows where that is one of its names.
fn devices(known: &[Identity], machine: &Machine) -> Result<Vec<Identity>> {
    let mut paths: Vec<String> = known.iter().map(|device| device.path.clone()).collect();
    paths.extend(inventory::candidates(machine, &Config::partitions(), &Nodes::walk(machine))?);
    let mut seen = BTreeSet::new();
    let mut here = Vec::new();
    for sighted in inventory::endangered(machine, &paths) {
        if seen.insert(sighted.device.id) {
            here.push(sighted.identity);
        }
    }
    Ok(here)
}
