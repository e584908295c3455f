//! `mdctl history` and `mdctl undo`.

use std::collections::BTreeSet;

use anyhow::Result;

use superblock::foreign::Kind;

use super::{DONE, Ended, FAILED, carry_out_kept, keep::Kept, preview_kept, print, refuse, say};
use crate::{
    archive::{self, About, Identity},
    cli::request::{Common, UndoRequest},
    config::Config,
    inventory::{self, Nodes, Shelf},
    kernel::{Machine, terminal},
    plan::{
        Refusal, Say, Step,
        undo::{self, Present, Trust},
    },
    report::history::{self, Damaged, Entry, History, Parts},
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
    let history = History::new(shelf.entries.iter().rev().map(entry).collect(), damaged.collect());
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
    if request.id.is_none() {
        ui.note(&history::meant(about, &inventory::local_zone()));
    }
    let trust = if request.force { Trust::Path } else { Trust::Proof };
    let plan = match decide(about, trust, &shelf, (machine, ui))? {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let kept = Kept::undoing(&plan, machine, common, Some(about.id.clone()));
    if common.dry_run {
        return Ok(preview_kept(&kept.plan, common));
    }
    for warning in plan.warnings.iter().filter(|warning| warning.kind != Say::Ask || !common.yes) {
        say(warning.kind, &warning.text, ui);
    }
    if (request.id.is_none() || plan.needs_consent()) && !allowed(about, request, common, ui) {
        return Ok(FAILED);
    }
    let paths: Vec<&str> = plan.steps.iter().filter_map(written).collect();
    let again = kept.id.as_ref().map(|id| format!("; `mdctl undo {id}` takes this back")).unwrap_or_default();
    let what = history::shown(&about.summary);
    let out = format!("undid {}: {what}; put back on {}{again}", about.id, paths.join(", "));
    carry_out_kept(&kept, machine, common, ui, Ended { out, ..Ended::default() })
}

/// Whether somebody agrees. Where nobody can be asked, the entry has to be named, or agreed to beforehand.
fn allowed(about: &About, request: &UndoRequest, common: &Common, ui: &Ui) -> bool {
    if common.yes {
        return true;
    }
    if !terminal::somebody_is_there() {
        ui.error("nothing was written: nobody can be asked here");
        ui.note(&match request.id {
            None => format!("name the entry (mdctl undo {}), or agree with --yes (-y)", about.id),
            Some(_) => "--yes (-y) agrees".to_owned(),
        });
        return false;
    }
    let agreed = ui.ask("Take it back");
    if !agreed {
        ui.error("nothing was written");
    }
    agreed
}

/// Puts the bytes of a killed command back, where it had overwritten any; says what came of it. Nobody asked for this: a
/// device that the kernel let go of since is left as it is.
pub(super) fn put_back(id: &str, common: &Common, machine: &Machine, ui: &Ui) -> Result<String> {
    let shelf = inventory::archive(machine)?;
    let Some(shelved) = shelf.entries.iter().find(|shelved| shelved.about.id.as_str() == id) else {
        return Ok("it had overwritten nothing".to_owned());
    };
    let about = &shelved.about;
    if shelved.devices.is_empty() {
        return never_was(about, machine, common, ui);
    }
    let plan = match decide(about, Trust::Unbroken, &shelf, (machine, ui))? {
        Ok(plan) => plan,
        Err(Refusal { text, hint: Some(hint), .. }) => return Ok(format!("{text}; {hint}")),
        Err(refusal) => return Ok(refusal.text),
    };
    if plan.steps.is_empty() {
        return Ok(plan.summary);
    }
    let kept = Kept::undoing(&plan, machine, common, Some(about.id.clone()));
    super::keep::run(&kept, machine, ui)?;
    let paths: Vec<&str> = plan.steps.iter().filter_map(written).collect();
    Ok(format!("the metadata from before is back on {}", paths.join(", ")))
}

/// A change of a group that was noted and never came about leaves no entry.
fn never_was(about: &About, machine: &Machine, common: &Common, ui: &Ui) -> Result<String> {
    let groups = inventory::volumes::groups(machine)?;
    let now = groups.groups.iter().map(|found| (found.group.id.to_string(), found.group.seqno));
    let plan = undo::never_was(about, &now.collect::<Vec<_>>());
    if plan.steps.is_empty() {
        return Ok("its change of the group is done".to_owned());
    }
    super::keep::run(&Kept::new(&plan, machine, common), machine, ui)?;
    Ok("its change of the group has not come about".to_owned())
}

fn written(step: &Step) -> Option<&str> {
    match step {
        Step::Write { device, .. } => Some(device),
        _ => None,
    }
}

fn decide(
    about: &About,
    trust: Trust,
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
    let found = match undo::find(&entry, &here, trust) {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    for left_out in &found.left_out {
        ui.warn(left_out);
    }
    let all: Vec<(&About, &[Identity])> =
        shelf.entries.iter().map(|other| (&other.about, other.devices.as_slice())).collect();
    let later = undo::later(about, &shelved.devices, &all);
    let (devices, places): (Vec<_>, Vec<_>) = found.places.into_iter().unzip();
    let entry = archive::Entry { devices, ..entry };
    let paths: Vec<String> = places.iter().filter_map(|at| here.get(*at)).map(|it| it.path.clone()).collect();
    let present = match present(&entry, &paths, machine)? {
        Ok(present) => present,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(undo::plan(&entry, &present, &later, trust))
}

/// The devices of an entry as they are now.
fn present(
    entry: &archive::Entry,
    paths: &[String],
    machine: &Machine,
) -> Result<Result<Vec<Present>, Refusal>> {
    let mut present = Vec::new();
    for (kept, candidate) in entry.devices.iter().zip(inventory::look_to_write(machine, paths)) {
        match candidate.found {
            Ok(device) => present.push(Present {
                now: inventory::bytes_at(&candidate.path, &kept.before)?,
                inside: inventory::inside(&device),
                group: None,
                device,
            }),
            Err(why) => return Ok(Err(Refusal::new(format!("{}: {why:?}", candidate.path)))),
        }
    }
    let is_volume = |present: &Present| present.device.foreign.iter().any(|found| found.kind == Kind::Lvm2);
    if entry.about.group.is_some() || present.iter().any(is_volume) {
        let groups = inventory::volumes::groups(machine)?;
        for one in &mut present {
            let group = groups.on(one.device.id).and_then(|(found, _)| found).map(|found| &found.group);
            one.group = group.map(|group| (group.name.clone(), group.id.to_string(), group.seqno));
        }
    }
    Ok(Ok(present))
}

/// Every block device that is here, each once: by the path that the entry knows where that is one of its names.
fn devices(known: &[Identity], machine: &Machine) -> Result<Vec<Identity>> {
    let mut paths: Vec<String> = known.iter().map(|device| device.path.clone()).collect();
    paths.extend(inventory::candidates(machine, &Config::partitions(), &Nodes::walk(machine))?);
    let mut seen = BTreeSet::new();
    let mut here = Vec::new();
    for sighted in inventory::like(machine, &paths, known) {
        if seen.insert(sighted.device.id) {
            here.push(sighted.identity);
        }
    }
    Ok(here)
}
