//! `mdctl overlay`.

use std::path::Path;

use anyhow::{Result, anyhow};
use superblock::Bytes;

use super::{
    DONE,
    drive::Driver,
    keep::{self, Kept},
    print, refuse,
};
use crate::{
    cli::{overlay::OverlayRequest, request::Common},
    config::Config,
    inventory,
    kernel::Machine,
    plan::{
        Plan, Refusal,
        overlay::{self, CommitSet, Discard, MakeSet, NewSet},
    },
    report::{self, overlay::OverlayDiff},
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
            let overlays = report::overlay::OverlayList::new(&inventory::overlays(machine, None)?);
            if common.json {
                print(&format!("{}\n", serde_json::to_string_pretty(&overlays)?));
            } else {
                print(&overlays.text());
            }
            overlays.remarks().iter().for_each(|remark| ui.warn(remark));
            Ok(DONE)
        }
        OverlayRequest::Diff { set, store } => diff(set, store.as_deref(), common, machine, ui),
        OverlayRequest::Commit { set, store } => {
            let show = |changes: &[_]| {
                if !common.json {
                    print(&OverlayDiff::new(set, changes).text());
                }
            };
            driver.drive(&mut CommitSet::new(set, text(store.as_deref()), common.dry_run, show))
        }
        OverlayRequest::Discard { sets, all, store } => {
            driver.drive(&mut Discard::new(sets.clone(), *all, text(store.as_deref())))
        }
    }
}

fn text(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

/// It stands in descriptions and notes, which others read from elsewhere.
fn absolute(store: Option<&Path>) -> Option<String> {
    let store = store.map(|store| std::path::absolute(store).unwrap_or_else(|_| store.to_path_buf()));
    text(store.as_deref())
}

/// What is asked for, with what is usual.
pub(super) fn new_set(
    machine: &Machine,
    name: Option<&str>,
    store: Option<&Path>,
    size: Option<Bytes>,
) -> NewSet {
    // It stands in descriptions and notes, which others read from elsewhere.
    let store = store.map(|store| std::path::absolute(store).unwrap_or_else(|_| store.to_path_buf()));
    let store = store.unwrap_or_else(|| inventory::overlay_store(machine));
    let taken = inventory::overlays(machine, Some(&store)).unwrap_or_default();
    let made_up = (1..)
        .map(|nth: u32| format!("set{nth}"))
        .find(|name| !taken.iter().any(|overlay| overlay.set == *name));
    let set = name.map(str::to_owned).or(made_up).unwrap_or_default();
    NewSet { set, store: store.display().to_string(), size: size.unwrap_or_default() }
}

/// Why there is no plan: a refusal, or the machine did not answer.
type NoPlan = Result<Refusal, anyhow::Error>;

/// Looks at the members and decides.
pub(super) fn make(machine: &Machine, new: &NewSet, devices: &[String]) -> Result<Plan, NoPlan> {
    let seen = inventory::underlays(machine, devices).map_err(|error| Err(error.into()))?;
    overlay::wanted(seen).and_then(|wanted| overlay::create(new, &wanted)).map_err(Ok)
}

/// The paths of the overlays, in the order of the devices.
pub(super) fn paths(new: &NewSet, machine: &Machine, devices: &[String]) -> Vec<String> {
    let name = |path: &String| {
        let dev = crate::kernel::node::number_of(Path::new(path)).ok().flatten();
        let name = dev.and_then(|dev| machine.sysfs.name_of(dev)).unwrap_or_default();
        overlay::path_of(&crate::model::overlay::name_of(&new.set, &name))
    };
    devices.iter().map(name).collect()
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

/// Takes a set away without a word, as the one who made it does: however far that had come.
///
/// # Errors
/// Somebody stands on it, or the machine refused.
pub(super) fn take_away(
    set: &str,
    store: Option<&Path>,
    common: &Common,
    machine: &Machine,
    ui: &Ui,
) -> Result<()> {
    let seen = inventory::all_overlays(machine, store)?;
    let store = store.map(|store| store.display().to_string());
    let plan = overlay::clean_up(set, &seen, store.as_deref()).map_err(|refusal| anyhow!(refusal.text))?;
    keep::run(&Kept::new(&plan, machine, common), machine, ui)?;
    Ok(())
}
