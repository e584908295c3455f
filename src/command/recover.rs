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
    inventory::{self, dm::WantedOfDm},
    kernel::{self, Machine, notes::Notes},
    model::{
        clock::ctime,
        unfinished::{Note, Unfinished},
    },
    plan::recover::{self, session::TakeBack},
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

/// What cannot be taken back now may be another time: then the notes stay. What was done is said in either case.
fn one(mut notes: Notes, left: &Unfinished, common: &Common, machine: &Machine, ui: &Ui) {
    ui.warn(&interrupted(left));
    let mut said = Vec::new();
    let ended = take_back(left, &mut notes, &mut said, (common, machine, ui));
    if matches!(ended, Ok(Ended::Whole)) && said.is_empty() {
        said.push("nothing of it is left".to_owned());
    }
    if !said.is_empty() {
        ui.warn(&format!("    {}", said.join("; ")));
    }
    match ended {
        Ok(Ended::Whole) => {}
        Ok(Ended::SaidWhyNot) => notes.leave(),
        Err(error) => {
            notes.leave();
            ui.error(&format!("what it left could not be taken back: {error:#}"));
        }
    }
}

/// How far it came.
enum Ended {
    Whole,
    SaidWhyNot,
}

/// Part by part; what is over is noted, so that no later command does it to what others made since.
fn take_back(
    left: &Unfinished,
    notes: &mut Notes,
    said: &mut Vec<String>,
    (common, machine, ui): (&Common, &Machine, &Ui),
) -> Result<Ended> {
    // Once the commit was passed, a set that was made is there to stay.
    let made = left.overlays.iter().filter(|_| !left.committed);
    for (set, store) in made.clone().chain(&left.forgotten) {
        overlay::clean_up(set, Path::new(store), common, machine, ui)?;
    }
    let config = Config::default();
    let mut arrays = TakeBack::new(left);
    // What came of it is a part of what is said of all.
    let driver = Driver { common, machine, ui, config: &config, own_document: true };
    if driver.drive(&mut arrays)? != DONE {
        return Ok(Ended::SaidWhyNot);
    }
    said.extend(arrays.told());
    notes.add(&Note::Over.to_string())?;
    said.extend(volume::recover::run(left, common, machine, ui)?);
    said.extend(devices(left, common, machine, ui)?);
    if made.count() > 0 {
        said.push("its overlays are gone, the members are as they were".to_owned());
    }
    said.extend(left.forgotten.iter().map(|(set, _)| format!("the files of overlays {set} are gone")));
    Ok(Ended::Whole)
}

/// Devices that were made and never got a table, and the semaphores that nobody waits for any more.
fn devices(left: &Unfinished, common: &Common, machine: &Machine, ui: &Ui) -> Result<Vec<String>> {
    for cookie in &left.cookies {
        kernel::cookie::remove(*cookie)?;
    }
    if left.devices.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = WantedOfDm { deps: true, states: true, inactive: true, ..WantedOfDm::default() };
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
