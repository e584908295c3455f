//! `mdctl overlay`.

use std::path::Path;

use anyhow::Result;

use super::{DONE, drive::Driver, print, refuse};
use crate::{
    config::Config,
    inventory,
    kernel::Machine,
    model::overlay::{Overlay, changed},
    plan::overlay::{self, CommitSet, Discard, MakeSet},
    report::{self, overlay::OverlayDiff},
    request::{Common, OverlayRequest},
    ui::Ui,
};

/// Carries one of the verbs out.
pub(super) fn run(request: &OverlayRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: false };
    match request {
        OverlayRequest::Create { devices, name, store, size } => {
            let size = size.unwrap_or_default();
            let mut course = MakeSet::new(devices.clone(), name.clone(), absolute(store.as_deref()), size);
            driver.drive(&mut course)
        }
        OverlayRequest::List => {
            let seen = inventory::overlays(machine, None)?;
            let used: Vec<bool> = seen.iter().map(|one| used(machine, one)).collect();
            let overlays = report::overlay::OverlayList::new(&seen).used(&used);
            if common.json {
                print(&format!("{}\n", serde_json::to_string_pretty(&overlays)?));
            } else {
                print(&overlays.text());
            }
            overlays.remarks().iter().for_each(|remark| ui.warn(remark));
            Ok(DONE)
        }
        OverlayRequest::Diff { set, store } => diff(set, store.as_deref(), common, machine, ui),
        OverlayRequest::Commit { set, store, force } => {
            let show = |changes: &[_]| {
                if !common.json {
                    print(&OverlayDiff::new(set, changes).text());
                }
            };
            driver.drive(&mut CommitSet::new(set, text(store.as_deref()), common.dry_run, *force, show))
        }
        OverlayRequest::Discard { sets, all, store } => {
            driver.drive(&mut Discard::new(sets.clone(), *all, text(store.as_deref())))
        }
    }
}

/// Whether the member was used since. What the overlay holds is read only where something is another than it was.
fn used(machine: &Machine, one: &Overlay) -> bool {
    if changed(&one.noted, &inventory::noted_now(one)).next().is_none() {
        return false;
    }
    let pending = inventory::pending(machine, std::slice::from_ref(one));
    pending.map_or(true, |pending| pending.iter().any(overlay::is_used))
}

fn text(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

/// It stands in descriptions and notes, which others read from elsewhere.
fn absolute(store: Option<&Path>) -> Option<String> {
    let store = store.map(|store| std::path::absolute(store).unwrap_or_else(|_| store.to_path_buf()));
    text(store.as_deref())
}

fn diff(set: &str, store: Option<&Path>, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let seen = inventory::all_overlays(machine, store)?;
    let overlays = match overlay::set_of(&seen, set, text(store).as_deref()) {
        Ok((overlays, _)) => overlays,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let diff = OverlayDiff::new(set, &overlay::changes(&inventory::pending(machine, &overlays)?));
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&diff)?));
    } else {
        print(&diff.text());
    }
    report::overlay::OverlayList::new(&overlays).remarks().iter().for_each(|remark| ui.warn(remark));
    Ok(DONE)
}
