//! Other names: of volumes, and of groups with all their volumes. Devices keep their UUIDs, and whoever uses them goes on.

use superblock::lvm::{Group, Stamp};

use super::{
    devices::{heads, renamed},
    edit, metadata, mover,
    tree::{Family, Wanted},
};
use crate::{
    model::{
        active::Active,
        dm::Dev,
        volume::{FoundGroup, Groups},
    },
    plan::{Plan, Refusal, Step, Warning, dm::DmStep},
    request::volume::VolumeName,
};

/// A volume gets another name.
///
/// # Errors
/// It is not there, or the name is not to be had; the group may only be read.
pub fn volume(
    found: &FoundGroup,
    active: &Active,
    from: &VolumeName,
    to: &str,
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    edit::existing(&found.group, from)?;
    mover::refuse_moving(&found.group, &from.volume)?;
    let mut after = found.group.clone();
    after.rename(&from.volume, to).map_err(|why| edit::refused(&from.to_string(), &why))?;
    let change = metadata::change(found, &after, stamp, false)?;
    Ok(finished(format!("rename {from} to {}/{to}", from.group), change, &steps(&after, active)))
}

/// A group gets another name.
///
/// # Errors
/// The name is not to be had, or the group may only be read.
pub fn group(
    found: &FoundGroup,
    active: &Active,
    (to, groups): (&str, &Groups),
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    if groups.groups.iter().any(|other| other.group.name == to) {
        return Err(Refusal::new(format!("there is a group {to} already")));
    }
    let mut after = found.group.clone();
    let from = after.name.clone();
    after.rename_group(to).map_err(|why| edit::refused(&format!("group {from}"), &why))?;
    let mut change = metadata::change(found, &after, stamp, true)?;
    // Behind the locks.
    change.before.insert(1, metadata::free(Some(to), Vec::new(), groups));
    Ok(finished(format!("rename group {from} to {to}"), change, &steps(&after, active)))
}

fn finished(summary: String, change: metadata::ChangeOfGroup, renames: &[Step]) -> Plan {
    let mut steps = change.before;
    steps.extend_from_slice(renames);
    steps.extend([change.commit, Step::Commit]);
    if !renames.is_empty() {
        steps.push(Step::Dm(DmStep::WaitForUdev));
    }
    steps.extend(change.after);
    Plan { summary, steps, warnings: change.warnings.iter().map(Warning::note).collect() }
}

/// Devices that are called otherwise than they should be.
fn steps(after: &Group, active: &Active) -> Vec<Step> {
    let anywhere = |_| Some(Dev::Path(String::new()));
    let families = heads(after).filter_map(|head| Family::of(after, &head.name, &anywhere).ok());
    let wanted: Vec<Wanted> = families.flat_map(|family| family.wanted()).collect();
    let other = |one: &Wanted| {
        let there = active.with(&one.uuid).filter(|there| there.info.name != one.name)?;
        Some(renamed(&there.info.name, one))
    };
    wanted.iter().filter_map(other).collect()
}
