//! Before a command does its own work: what a killed one left behind.

use super::drive::Driver;
use crate::{
    config::Config,
    inventory,
    kernel::{Machine, notes::Notes},
    model::{clock::ctime, unfinished::Unfinished},
    plan::recover::{Killed, interrupted, only_told},
    request::{Common, MiscAction, OverlayRequest, Raid6CheckVerb, Request},
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
        Request::Raid6Check(request) => {
            matches!(request.verb, Raid6CheckVerb::Repair { .. } | Raid6CheckVerb::Check { repair: true, .. })
        }
        Request::Misc(request) => matches!(
            request.action,
            MiscAction::Stop | MiscAction::Run | MiscAction::ZeroSuperblock | MiscAction::Restore(_)
        ),
        Request::Scrub(_)
        | Request::ScrubSchedule(_)
        | Request::Monitor(_)
        | Request::AutoDetect
        | Request::Status(_)
        | Request::Explain(_)
        | Request::Config(_)
        | Request::BootCheck
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
    for killed in found {
        let (notes, parts): (Vec<Notes>, Vec<Unfinished>) = killed.into_iter().unzip();
        let at = parts.first().map(|left| ctime(left.time, &inventory::local_zone())).unwrap_or_default();
        if changes && !common.dry_run {
            parts.first().into_iter().for_each(|left| ui.warn(&interrupted(left, &at)));
            take_back(notes, &parts, (common, machine, ui));
        } else {
            only_told(&parts, &at).iter().for_each(|line| ui.warn(line));
            notes.into_iter().for_each(Notes::leave);
        }
    }
}

/// What cannot be taken back now may be another time: then the notes stay.
fn take_back(notes: Vec<Notes>, parts: &[Unfinished], (common, machine, ui): (&Common, &Machine, &Ui)) {
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: true };
    let file = |notes: &Notes| notes.path().display().to_string();
    let parts: Vec<(Unfinished, String)> = parts.iter().cloned().zip(notes.iter().map(file)).collect();
    let mut course = Killed::new(&parts, &common.words.join(" "));
    if let Err(error) = driver.drive(&mut course) {
        ui.error(&format!("what it left could not be taken back: {error:#}"));
    }
    for (nth, notes) in notes.into_iter().enumerate() {
        if course.is_over(nth) {
            drop(notes);
        } else {
            notes.leave();
        }
    }
}
