//! `mdctl history` and `mdctl undo`.

use anyhow::Result;

use super::{DONE, FAILED, drive::Driver, print};
use crate::{
    archive::{self, Shelved},
    config::Config,
    inventory,
    kernel::Machine,
    plan::undo::session::{Job, Undo},
    report::history::{DamagedEntry, EntryParts, History, HistoryEntry},
    request::{Common, UndoRequest},
    ui::Ui,
};

/// Lists what is kept.
pub(super) fn list(common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let shelf = inventory::archive(machine)?;
    let undone = archive::undone(shelf.entries.iter().map(|shelved| &shelved.about));
    let entry = |shelved: &Shelved| {
        HistoryEntry::new(&EntryParts {
            about: &shelved.about,
            devices: &shelved.devices,
            file: shelved.path.display().to_string(),
            size: shelved.size,
            undone: undone.contains(&shelved.about.id),
        })
    };
    let damaged = shelf.damaged.iter();
    let damaged =
        damaged.map(|(path, error)| DamagedEntry { file: path.display().to_string(), error: error.clone() });
    let history = History::new(shelf.entries.iter().rev().map(entry).collect(), damaged.collect());
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&history)?));
    } else {
        print(&history.text(&inventory::local_zone()));
        for DamagedEntry { file, error } in history.damaged() {
            ui.error(&format!("{file}: {error}"));
        }
    }
    Ok(if history.damaged().is_empty() { DONE } else { FAILED })
}

/// Puts an entry back.
pub(super) fn undo(request: &UndoRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut undo = Undo::new(Job {
        id: request.id.clone(),
        force: request.force,
        agreed: common.yes,
        dry_run: common.dry_run,
        zone: inventory::local_zone(),
    });
    let config = Config::default();
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut undo)
}
