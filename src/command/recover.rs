//! Before a command does its own work: what a killed one left behind.

use super::{DONE, drive::Driver};
use crate::{
    config::Config,
    inventory,
    kernel::{Machine, notes::Notes},
    model::{clock::ctime, unfinished::Unfinished},
    plan::recover::Recover,
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
            one(notes, &left, (common, machine, ui));
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
fn one(notes: Notes, left: &Unfinished, (common, machine, ui): (&Common, &Machine, &Ui)) {
    ui.warn(&interrupted(left));
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: true };
    let file = notes.path().display().to_string();
    match driver.drive(&mut Recover::new(left, &file, &common.words.join(" "))) {
        Ok(DONE) => {}
        Ok(_) => notes.leave(),
        Err(error) => {
            notes.leave();
            ui.error(&format!("what it left could not be taken back: {error:#}"));
        }
    }
}
