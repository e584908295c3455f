//! An earlier state of a group comes back: which one, whether it fits what is there, and the steps.

use superblock::lvm::{Area, Group, Kind, Stamp, group::PvStatus};

use super::metadata::{self, LvmStep};
use crate::{
    model::{
        dm::{Listed, uuid},
        volume::{Found, Groups, Kept},
    },
    plan::{Plan, Refusal, Step, Warning},
};

/// Which state is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of the backup file, else the newest.
    Last,
    /// After this change.
    At(u32),
}

/// The state that is asked for. Several files may have the same change: they must agree.
///
/// # Errors
/// There is none, or two that differ.
pub fn choose<'a>(name: &str, kept: &'a [Kept], which: &Which) -> Result<&'a Kept, Refusal> {
    let none = |what: String| {
        Refusal::new(what).hint(format!("`mdctl volume restore --list {name}` shows what is kept"))
    };
    match which {
        Which::Last => {
            let newest = kept.iter().max_by_key(|kept| (kept.group.seqno, kept.group.written.time));
            newest.ok_or_else(|| none(format!("no state of group {name} is kept")))
        }
        Which::At(seqno) => {
            let mut same = kept.iter().filter(|kept| kept.group.seqno == *seqno);
            let first = same
                .next()
                .ok_or_else(|| none(format!("no state of group {name} after change {seqno} is kept")))?;
            let plain = |group: &Group| Group { written: Default::default(), ..group.clone() };
            match same.find(|other| plain(&other.group) != plain(&first.group)) {
                Some(other) => Err(none(format!(
                    "change {seqno} of group {name} is kept twice and differently, in {} and {}; name one with --file",
                    first.path, other.path
                ))),
                None => Ok(first),
            }
        }
    }
}

/// The steps that make a state the group's present one.
///
/// # Errors
/// It cannot be written, its devices are not there, a volume that is active would change.
pub fn plan(groups: &Groups, kept: &Kept, stamp: &Stamp) -> Result<Plan, Refusal> {
    let old = &kept.group;
    let name = &old.name;
    if let Some(strange) = old.strange.first() {
        return Err(Refusal::new(format!("{}: {strange}", kept.path))
            .hint("`vgcfgrestore -f FILE` restores what only lvm knows"));
    }
    let mut warnings = Vec::new();
    let change = match groups.group(name) {
        Some(found) => {
            let new = onto(found, old)?;
            let lost = lost(&found.group, &new);
            if !lost.is_empty() {
                warnings.push(Warning::ask(format!(
                    "volumes that this state does not have will be gone: {}",
                    lost.join(", ")
                )));
            }
            active(groups, found, &new)?;
            metadata::change(found, &new, stamp, true)?
        }
        None => {
            let (new, areas) = anew(groups, old)?;
            metadata::create(&new, stamp, &areas)?
        }
    };
    warnings.extend(change.warnings.iter().map(Warning::note));
    warnings.push(Warning::ask(format!("group {name} will be as it was after change {}", old.seqno)));
    let mut steps = change.before;
    steps.extend([change.commit, Step::Commit, Step::Lvm(LvmStep::ForgetHints)]);
    steps.extend(change.after);
    let summary = format!("restore group {name} as it was after change {} ({})", old.seqno, kept.path);
    Ok(Plan { summary, steps, warnings })
}

/// The old state with what is of today: where devices are, how often the group was changed.
fn onto(found: &Found, old: &Group) -> Result<Group, Refusal> {
    let name = &old.name;
    if found.group.id != old.id {
        return Err(Refusal::new(format!(
            "the group {name} that is there has UUID {}, the one that was kept {}",
            found.group.id, old.id
        )));
    }
    let same = |a: &Group, b: &Group| {
        let mut ids: [Vec<_>; 2] = [a, b].map(|group| group.pvs.iter().map(|pv| pv.id).collect());
        ids.iter_mut().for_each(|ids| ids.sort());
        let [a, b] = ids;
        a == b
    };
    if !same(&found.group, old) {
        return Err(Refusal::new(format!(
            "group {name} had other physical volumes after change {}",
            old.seqno
        ))
        .hint("`vgcfgrestore` together with `pvcreate --restorefile` can bring them back"));
    }
    let mut new = old.clone();
    for pv in &mut new.pvs {
        if let Some((_, now)) = found.group.pv(pv.id) {
            pv.device.clone_from(&now.device);
            pv.device_id.clone_from(&now.device_id);
            pv.status.remove(PvStatus::MISSING);
        }
    }
    Ok(new)
}

/// Where no device knows of the group any more, but all its physical volumes are there.
fn anew(groups: &Groups, old: &Group) -> Result<(Group, Vec<(String, Area)>), Refusal> {
    let name = &old.name;
    if let Some(other) = groups.groups.iter().find(|found| found.group.name == *name) {
        return Err(Refusal::new(format!(
            "there are several groups called {name}; one is {}",
            other.group.id
        )));
    }
    let (mut new, mut areas) = (old.clone(), Vec::new());
    for pv in &mut new.pvs {
        let Some(lone) = groups.lone.iter().find(|lone| lone.label.id == pv.id) else {
            return Err(Refusal::new(format!(
                "physical volume {} of group {name}, last seen as {}, is not there",
                pv.id, pv.device
            ))
            .hint(format!("`pvcreate --uuid {} --restorefile FILE DEVICE` makes it again", pv.id)));
        };
        pv.device.clone_from(&lone.path);
        let usable = lone.areas.iter().map(|seen| &seen.area).filter(|area| !area.ignored);
        areas.extend(usable.map(|area| (lone.path.clone(), area.clone())));
    }
    Ok((new, areas))
}

fn lost(now: &Group, new: &Group) -> Vec<String> {
    let gone = now.volumes.iter().filter(|volume| !volume.is_row());
    gone.filter(|volume| !new.volumes.iter().any(|other| other.id == volume.id))
        .map(|volume| volume.name.clone())
        .collect()
}

/// An active volume must not change under its user.
fn active(groups: &Groups, found: &Found, new: &Group) -> Result<(), Refusal> {
    let prefix = uuid::group_prefix(found.group.id.plain());
    let ours = |listed: &&Listed| listed.uuid.as_deref().is_some_and(|uuid| uuid.starts_with(&prefix));
    for listed in groups.active.iter().filter(ours) {
        let id = listed.uuid.as_deref().and_then(uuid::parse).map(|parsed| parsed.volume.to_owned());
        let of = |group: &Group| {
            group.volumes.iter().find(|volume| Some(volume.id.plain()) == id.as_deref()).cloned()
        };
        let (before, after) = (of(&found.group), of(new));
        let snapshots = |group: &Group, name: &str| group.snapshots_of(name).count();
        let same = before.as_ref().zip(after.as_ref()).is_some_and(|(before, after)| {
            before.segments == after.segments
                && before.name == after.name
                && snapshots(&found.group, &before.name) == snapshots(new, &after.name)
        });
        if !same {
            let name = before.map_or_else(|| listed.name.clone(), |volume| volume.name);
            return Err(Refusal::new(format!("volume {name} is active and would change under its users"))
                .hint(format!("`mdctl volume deactivate {}/{name}` first", found.group.name)));
        }
    }
    Ok(())
}

/// Whether anything of a state is on devices that have it; for lists.
#[must_use]
pub fn extents(group: &Group) -> u64 {
    let striped = group.volumes.iter().flat_map(|volume| &volume.segments);
    striped.filter(|segment| matches!(segment.kind, Kind::Striped { .. })).map(|segment| segment.len).sum()
}
