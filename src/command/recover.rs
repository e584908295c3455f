//! Before a command does its own work: what a killed one left behind.

use super::drive::Driver;
use crate::{
    config::Config,
    inventory::{self, KilledNotes},
    kernel::{Machine, notes::Notes},
    model::{clock::ctime, unfinished::Unfinished},
    plan::recover::{Killed, leaves_anything, progress},
    request::{Common, MiscAction, OverlayRequest, Request},
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
        | Request::Replace(_)
        | Request::Trial(_)
        | Request::Undo(_) => true,
        Request::Volume(request) => request.changes(),
        Request::Dm(request) => request.verb.changes(),
        Request::Overlay(request) => !matches!(request, OverlayRequest::List | OverlayRequest::Diff { .. }),
        Request::Misc(request) => matches!(
            request.action,
            MiscAction::Stop | MiscAction::Run | MiscAction::ZeroSuperblock | MiscAction::Restore(_)
        ),
        Request::Monitor(_)
        | Request::AutoDetect
        | Request::Status(_)
        | Request::Explain(_)
        | Request::History => false,
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
    for command in found {
        if changes && !common.dry_run {
            one(command, (common, machine, ui));
        } else {
            ui.warn(&interrupted(&command));
            progress(command.iter().map(|(_, left)| left))
                .iter()
                .for_each(|line| ui.warn(&format!("    {line}")));
            if command.iter().any(|(_, left)| leaves_anything(left)) {
                ui.warn("    the next command that changes something takes back what is left of it");
            }
            command.into_iter().for_each(|(notes, _)| notes.leave());
        }
    }
}

fn interrupted(command: &KilledNotes) -> String {
    let (words, time) =
        command.first().map(|(_, left)| (left.command.as_str(), left.time)).unwrap_or_default();
    let at = ctime(time, &inventory::local_zone());
    format!("`{words}` was killed at its work ({at})")
}

/// What cannot be taken back now may be another time: then the notes stay.
fn one(command: KilledNotes, (common, machine, ui): (&Common, &Machine, &Ui)) {
    ui.warn(&interrupted(&command));
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: true };
    let file = |notes: &Notes| notes.path().display().to_string();
    let parts: Vec<(Unfinished, String)> =
        command.iter().map(|(notes, left)| (left.clone(), file(notes))).collect();
    let mut course = Killed::new(&parts, &common.words.join(" "));
    if let Err(error) = driver.drive(&mut course) {
        ui.error(&format!("what it left could not be taken back: {error:#}"));
    }
    for (nth, (notes, _)) in command.into_iter().enumerate() {
        if course.is_over(nth) {
            drop(notes);
        } else {
            notes.leave();
        }
    }
}
