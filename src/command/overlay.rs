//! `mdctl overlay`.

use std::path::Path;

use anyhow::{Result, anyhow};
use superblock::{Bytes, Write, probe::Probe};

use super::{
    DONE, Ended, FAILED, agreed, carry_out,
    drive::Driver,
    keep::{self, Kept},
    preview, print, refuse,
};
use crate::{
    archive,
    cli::{overlay::OverlayRequest, request::Common},
    config::Config,
    inventory,
    kernel::Machine,
    model::overlay::{ChangedPart, ChangedRange, Overlay},
    plan::{
        Plan, Refusal,
        overlay::{self, Discard, NewSet, Pending},
    },
    report::{self, overlay::OverlayDiff},
    ui::Ui,
};

/// Carries one of the verbs out.
pub(super) fn run(request: &OverlayRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    match request {
        OverlayRequest::Create { devices, name, store, size } => {
            let new = new_set(machine, name.as_deref(), store.as_deref(), *size);
            let made = make(machine, &new, devices);
            let plan = match made {
                Ok(plan) => plan,
                Err(refusal) => return Ok(refuse(&refusal?, common, ui)),
            };
            if common.dry_run {
                return preview(&plan, machine, common);
            }
            let out = format!("set {}: {}", new.set, paths(&new, machine, devices).join(" "));
            carry_out(&plan, machine, common, ui, Ended { out, ..Ended::default() })
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
        OverlayRequest::Commit { set, store } => commit(set, store.as_deref(), common, machine, ui),
        OverlayRequest::Discard { sets, all, store } => {
            let store = store.as_deref().map(|store| store.display().to_string());
            let config = Config::default();
            let driver = Driver { common, machine, ui, config: &config, own_document: false };
            driver.drive(&mut Discard::new(sets.clone(), *all, store))
        }
    }
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

/// The overlays of a set, and the directory of its files.
fn set_of(machine: &Machine, set: &str, store: Option<&Path>) -> Result<(Vec<Overlay>, String), Refusal> {
    let seen = inventory::all_overlays(machine, store).map_err(|error| Refusal::new(error.to_string()))?;
    overlay::set_of(&seen, set, store.map(|store| store.display().to_string()).as_deref())
}

fn pending(overlays: &[Overlay]) -> Result<Vec<Pending>> {
    let one = |overlay: &Overlay| {
        let writes = inventory::written(overlay, archive::LARGEST)?;
        Ok(Pending { overlay: overlay.clone(), writes })
    };
    overlays.iter().map(one).collect()
}

/// What of a member's changes is metadata, by what is on the overlay and on the member below.
fn changes(machine: &Machine, pending: &Pending) -> Vec<ChangedRange> {
    let overlay = &pending.overlay;
    let mut probes: Vec<Probe> = Vec::new();
    let above = overlay.device.as_ref().map(|name| overlay::path_of(name));
    for path in above.into_iter().chain([overlay.member.clone()]) {
        let looked = inventory::look(machine, &[path], false);
        probes.extend(looked.into_iter().filter_map(|one| one.found.ok()).map(|device| device.probe));
    }
    let data: Vec<(Bytes, Bytes)> = probes
        .iter()
        .flat_map(|probe| &probe.found)
        .filter_map(|found| found.verify().ok())
        .map(|said| (said.data_offset.bytes(), said.data_offset.saturating_add(said.data_size).bytes()))
        .collect();
    let change = |write: &Write| {
        let in_data = data.iter().any(|(start, end)| (*start..*end).contains(&write.at));
        let part = match (data.is_empty(), in_data) {
            (true, _) => ChangedPart::Other,
            (false, true) => ChangedPart::Data,
            (false, false) => ChangedPart::Metadata,
        };
        ChangedRange { at: write.at, length: superblock::Media::len(&write.data), part }
    };
    pending.writes.iter().map(change).collect()
}

fn show(set: &str, machine: &Machine, pending: &[Pending]) -> OverlayDiff {
    let all: Vec<(String, Vec<ChangedRange>)> =
        pending.iter().map(|one| (one.overlay.member.clone(), changes(machine, one))).collect();
    OverlayDiff::new(set, &all)
}

fn diff(set: &str, store: Option<&Path>, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let (overlays, _) = match set_of(machine, set, store) {
        Ok(found) => found,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let diff = show(set, machine, &pending(&overlays)?);
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&diff)?));
    } else {
        print(&diff.text());
    }
    report::overlay::OverlayList::new(&overlays).remarks().iter().for_each(|remark| ui.warn(remark));
    Ok(DONE)
}

fn commit(set: &str, store: Option<&Path>, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let (overlays, dir) = match set_of(machine, set, store) {
        Ok(found) => found,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let pending = pending(&overlays)?;
    let plan = match overlay::commit(set, &pending, &dir) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    if !common.json {
        print(&show(set, machine, &pending).text());
    }
    if !agreed(&format!("Write that to {} members", pending.len()), common, ui) {
        return Ok(FAILED);
    }
    let out = format!("set {set} is written to its members; `mdctl undo` takes it back");
    carry_out(&plan, machine, common, ui, Ended { out, ..Ended::default() })
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
