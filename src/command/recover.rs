//! Before a command does its own work: what a killed one left behind.

use std::path::Path;

use anyhow::Result;

use super::{DONE, drive::Driver, keep, keep::Kept, overlay, volume};
use crate::{
    cli::{
        overlay::OverlayRequest,
        request::{Common, MiscAction, Request},
    },
    config::Config,
    inventory::{self, dm::Wanted},
    kernel::{self, Machine, notes::Notes},
    model::{clock::ctime, unfinished::Unfinished},
    plan::{recover, undo::PutBack},
    ui::Ui,
};

/// Whether the request is about to change something, so that it needs what is in its way to be gone.
fn changes(request: &Request) -> bool {
    match request {
        Request::Assemble(_)
        | Request::Build(_)
        | Request::Create(_)
        | Request::Grow(_)
        | Request::Incremental(_)
        | Request::Manage(_)
        | Request::Trial(_)
        | Request::Undo(_) => true,
        Request::Volume(request) => request.changes(),
        Request::Dm(request) => request.verb.changes(),
        Request::Overlay(request) => !matches!(request, OverlayRequest::List | OverlayRequest::Diff { .. }),
        Request::Misc(request) => matches!(
            request.action,
            MiscAction::Stop | MiscAction::Run | MiscAction::ZeroSuperblock | MiscAction::Restore(_)
        ),
        _ => false,
    }
}

/// Takes back what killed commands left, or says that there is something: reports change nothing.
pub(super) fn unfinished(request: &Request, common: &Common, machine: &Machine, ui: &Ui) {
    let changes = changes(request);
    if !changes && !matches!(request, Request::Status(_) | Request::Explain(_) | Request::History) {
        return;
    }
    let found = match inventory::unfinished(machine) {
        Ok(found) => found,
        Err(error) => return tracing::debug!(%error, "no notes of other commands"),
    };
    for (notes, left) in found {
        if changes && !common.dry_run {
            one(notes, &left, common, machine, ui);
        } else {
            notes.leave();
            ui.warn(&format!(
                "{}; the next command that changes something takes it back",
                interrupted(&left)
            ));
        }
    }
}

fn interrupted(left: &Unfinished) -> String {
    let at = ctime(left.time, &inventory::local_zone());
    format!("`{}` was killed at its work ({at})", left.command)
}

/// What cannot be taken back now may be another time: then the notes stay.
fn one(notes: Notes, left: &Unfinished, common: &Common, machine: &Machine, ui: &Ui) {
    ui.warn(&interrupted(left));
    match take_back(left, common, machine, ui) {
        Ok(None) => notes.leave(),
        Ok(Some(said)) => ui.warn(&format!("    {said}")),
        Err(error) => {
            notes.leave();
            ui.error(&format!("what it left could not be taken back: {error:#}"));
        }
    }
}

/// What came of it; nothing where it has been said why it could not be.
fn take_back(left: &Unfinished, common: &Common, machine: &Machine, ui: &Ui) -> Result<Option<String>> {
    // Once the commit was passed, a set that was made is there to stay.
    let made = left.overlays.iter().filter(|_| !left.committed);
    for (set, store) in made.clone().chain(&left.forgotten) {
        overlay::clean_up(set, Path::new(store), common, machine, ui)?;
    }
    let world = inventory::world(machine, 0)?;
    let recovery = recover::plan(left, &world.arrays, &world.map, &inventory::creating(machine)?);
    if !recovery.plan.steps.is_empty() {
        keep::run(&Kept::new(&recovery.plan, machine, common), machine, ui)?;
    }
    let mut said: Vec<String> = recovery.stopped.iter().map(|array| format!("{array} is stopped")).collect();
    said.extend(recovery.running.iter().map(|array| format!("{array} runs, and is left as it is")));
    said.extend(recovery.thawed.iter().map(|array| format!("recovery of {array} may start again")));
    if let Some(id) = &recovery.put_back {
        let mut put_back = PutBack::new(id);
        let config = Config::default();
        // What came of it is a part of what is said of all.
        let driver = Driver { common, machine, ui, config: &config, own_document: true };
        if driver.drive(&mut put_back)? != DONE {
            return Ok(None);
        }
        said.push(put_back.came().to_owned());
    }
    said.extend(volume::recover::run(left, common, machine, ui)?);
    said.extend(devices(left, common, machine, ui)?);
    if made.count() > 0 {
        said.push("its overlays are gone, the members are as they were".to_owned());
    }
    said.extend(left.forgotten.iter().map(|(set, _)| format!("the files of overlays {set} are gone")));
    if said.is_empty() {
        said.push("nothing of it is left".to_owned());
    }
    Ok(Some(said.join("; ")))
}

/// Devices that were made and never got a table, and the semaphores that nobody waits for any more.
fn devices(left: &Unfinished, common: &Common, machine: &Machine, ui: &Ui) -> Result<Vec<String>> {
    for cookie in &left.cookies {
        kernel::cookie::remove(*cookie)?;
    }
    if left.devices.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = Wanted { deps: true, states: true, inactive: true, ..Wanted::default() };
    let all = inventory::dm::Driver::open(machine)?.overview(machine, wanted)?;
    let (plan, removed) = recover::devices(left, &all);
    if !plan.steps.is_empty() {
        keep::run(&Kept::new(&plan, machine, common), machine, ui)?;
    }
    Ok(removed
        .into_iter()
        .map(|name| format!("device {name}, which never had a table, is removed"))
        .collect())
}
