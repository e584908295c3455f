//! `list` and `show`.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Work;
use crate::{
    command::{DONE, FAILED, print, refuse},
    inventory,
    model::volume::Groups,
    plan::{Refusal, volume::groups},
    report::volume::{BesideMetadata, VolumeReport, table},
    request::volume::{ListRequest, Named},
};

/// What of a request is not there.
fn absent(groups: &Groups, names: &[Named]) -> Option<Refusal> {
    names.iter().find_map(|name| {
        let found = groups.groups.iter().find(|found| found.group.name == name.group);
        match (found, &name.volume) {
            (None, _) => groups::named(groups, &name.group).err(),
            (Some(found), Some(volume)) if found.group.volume(volume).is_none() => {
                Some(Refusal::new(format!("there is no volume {name}")))
            }
            _ => None,
        }
    })
}

fn wanted(names: &[Named]) -> impl Fn(&str, Option<&str>) -> bool + '_ {
    move |group, volume| {
        let fits = |name: &Named| match (&name.volume, volume) {
            _ if name.group != group => false,
            (None, _) => true,
            (Some(wanted), Some(volume)) => wanted == volume,
            (Some(_), None) => false,
        };
        names.is_empty() || names.iter().any(fits)
    }
}

/// One table.
pub(super) fn list(work: &Work<'_>, request: &ListRequest) -> Result<u8> {
    let groups = inventory::volumes::groups(work.machine)?;
    if let Some(refusal) = absent(&groups, &request.names) {
        return Ok(refuse(&refusal, work.common, work.ui));
    }
    let snapshots = inventory::snapshots(work.machine, &groups)?;
    let below = if work.common.json { below(work, &groups) } else { Vec::new() };
    let known = BesideMetadata { below, snapshots, all: request.all };
    // An answer without a group, where something kept us from looking, answers nothing.
    let told = if groups.groups.is_empty() && !groups.faults.is_empty() { FAILED } else { DONE };
    let wanted = wanted(&request.names);
    if work.common.json {
        return Ok(print(&VolumeReport::new(&groups, &known, &wanted).json()).max(told));
    }
    match table(&groups, &known, &wanted, &request.columns) {
        Ok(none) if none.is_empty() => {
            let is_known = groups.faults.is_empty();
            work.ui.note(if is_known {
                "there are no volumes"
            } else {
                "which volumes there are cannot be told"
            });
            let said = groups::remarks(&groups);
            let unread = groups::unread(&groups).into_iter().filter(|why| !said.contains(why));
            unread.for_each(|why| work.ui.note(&why));
        }
        Ok(table) => drop(print(&table)),
        Err(why) => return Ok(refuse(&Refusal::new(why).status(2), work.common, work.ui)),
    }
    remarks(work, &groups)?;
    // The program ends here, and giving ten thousand volumes back piece by piece takes longer than listing them.
    std::mem::forget(groups);
    Ok(told)
}

/// What is not as it should be, on standard error.
fn remarks(work: &Work<'_>, groups: &Groups) -> Result<()> {
    groups::remarks(groups).iter().for_each(|remark| work.ui.warn(remark));
    let absent = inventory::kept::of_absent(work.machine, groups)?;
    groups::all_lost(&absent, groups).iter().for_each(|lost| work.ui.warn(lost));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for found in &groups.groups {
        // What concerns all of them is said once.
        let partial = groups::partial(found);
        let said = |why: &String| {
            groups.faults.contains(why) || found.gone().iter().any(|index| found.why_absent(*index) == *why)
        };
        partial.iter().for_each(|partial| work.ui.warn(partial));
        if let Some(why) = found.objections.iter().find(|why| !said(why)) {
            work.ui.warn(&format!("group {} can only be read: {why}", found.group.name));
        }
        counts.insert(&found.group.name, found.remarks.len());
    }
    for (group, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        work.ui.warn(&format!(
            "group {group}: mdctl volume show {group} tells what is not as it should be ({count})"
        ));
    }
    Ok(())
}

fn below(work: &Work<'_>, groups: &Groups) -> Vec<crate::model::Below> {
    let present = groups.groups.iter().flat_map(|found| found.present().map(|(_, pv)| pv));
    present.map(|pv| inventory::below_of(work.machine, pv.dev, &pv.path)).collect()
}

/// Everything about groups and volumes.
pub(super) fn show(work: &Work<'_>, names: &[Named]) -> Result<u8> {
    let groups = inventory::volumes::groups(work.machine)?;
    if let Some(refusal) = absent(&groups, names) {
        return Ok(refuse(&refusal, work.common, work.ui));
    }
    let known = BesideMetadata {
        below: below(work, &groups),
        snapshots: inventory::snapshots(work.machine, &groups)?,
        all: false,
    };
    groups.faults.iter().for_each(|fault| work.ui.warn(fault));
    let report = VolumeReport::new(&groups, &known, &wanted(names));
    let status = print(&if work.common.json { report.json() } else { report.text() });
    let nothing = groups.groups.is_empty() && groups.refused.is_empty() && groups.held().next().is_none();
    if nothing && !work.common.json {
        work.ui.note("there are no groups of volumes");
    }
    Ok(if status == DONE { DONE } else { FAILED })
}
