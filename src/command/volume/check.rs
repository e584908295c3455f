//! `volume check`: groups and devices read piece by piece.

use anyhow::Result;

use crate::{
    command::{DONE, FAILED, print},
    inventory,
    kernel::{Machine, node},
    model::volume::{Checked, FoundGroup, Groups, KeptState},
    plan::volume::{groups, mover},
    report::volume_check,
    request::Common,
    ui::Ui,
};

pub(super) fn run(names: &[String], common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let groups = inventory::volumes::groups(machine)?;
    groups.faults.iter().for_each(|fault| ui.warn(fault));
    let absent = inventory::kept::of_absent(machine, &groups)?;
    let lost = |state: &KeptState| groups::lost(state, &groups);
    let mut all = Vec::new();
    let mut unknown = Vec::new();
    if names.is_empty() {
        all.extend(groups.groups.iter().map(group));
        all.extend(groups.lone.iter().map(inventory::inspect::lone));
        all.extend(groups.refused.iter().chain(groups.held()).map(Checked::left_out));
        absent.iter().filter_map(lost).for_each(|lost| ui.warn(&lost));
    }
    for name in names {
        match one(name, &groups, &absent)? {
            Some(checked) => all.extend(checked),
            None => {
                let lost = absent.iter().find(|state| state.group.name == *name).and_then(lost);
                let why = lost.unwrap_or_else(|| {
                    format!("{name} is neither a group nor a device with a physical volume on it")
                });
                ui.error(&why);
                unknown.push(why);
            }
        }
    }
    print(&if common.json { volume_check::json(&all, &unknown) } else { volume_check::text(&all) });
    let sound = all.iter().all(|checked| checked.problems.is_empty());
    Ok(if sound && unknown.is_empty() { DONE } else { FAILED })
}

fn group(found: &FoundGroup) -> Checked {
    let mut checked = inventory::inspect::group(found);
    checked.remarks.extend(mover::stuck(&found.group));
    checked
}

fn one(name: &str, groups: &Groups, absent: &[KeptState]) -> Result<Option<Vec<Checked>>> {
    if !name.contains('/') {
        let named = groups.groups.iter().filter(|found| found.group.name == name);
        let checked: Vec<_> = named.map(group).collect();
        return Ok(Some(checked).filter(|checked| !checked.is_empty()));
    }
    let Some(dev) = node::number_of(std::path::Path::new(name))? else { return Ok(None) };
    let found = groups.on(dev);
    let checked = found.map(|(found, pv)| found.map_or_else(|| inventory::inspect::lone(pv), group));
    let held = groups.held().find(|held| held.dev == Some(dev)).map(Checked::left_out);
    let left_out = || groups.refused.iter().find(|refused| refused.dev == Some(dev)).map(Checked::left_out);
    let group_of = |id| {
        let here = groups.groups.iter().map(|found| &found.group);
        let mut all = here.chain(absent.iter().map(|state| &state.group));
        all.find(|group| group.pv(id).is_some()).map(|group| group.name.clone())
    };
    let damaged = || inventory::inspect::damaged(name, &group_of);
    Ok(checked.or(held).or_else(damaged).or_else(left_out).map(|checked| vec![checked]))
}
