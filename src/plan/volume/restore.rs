//! An earlier state of a group comes back: whether it fits what is there, and the steps. Which one is for [`super::which`] to say.

use std::collections::BTreeMap;

use superblock::lvm::{Area, Group, Kind, LogicalVolume, LvmUuid, Stamp};

use super::{
    change::{Decide, Decided, Sought},
    former,
    given::Since,
    halfway,
    metadata::{self, LvmStep},
    missing,
    returned::{Rearranged, rearranged},
    which::{self, Which},
};
use crate::{
    model::{
        dm::{Listed, uuid},
        human,
        volume::{FoundGroup, GroupLook, GroupSeen, Groups, KeptState},
    },
    plan::{
        Plan, Refusal, Step, Warning,
        course::{Look, View},
    },
};

/// What a restore looks at first.
#[must_use]
pub fn look(group: &str, command: &str) -> GroupLook {
    GroupLook { name: group.to_owned(), command: command.to_owned(), ..GroupLook::default() }
}

/// An earlier state comes back, by what is seen.
#[derive(Clone, Copy, Debug)]
pub struct Restoring<'a> {
    /// The group's name.
    pub name: &'a str,
    /// States that may be meant.
    pub kept: &'a [KeptState],
    /// All that are kept of the group.
    pub all: &'a [KeptState],
    /// Which of them it is.
    pub which: &'a Which,
    /// Also where content is lost by it.
    pub force: bool,
}

impl Decide for Restoring<'_> {
    fn first(&mut self, seen: &GroupSeen) -> Result<Sought, Refusal> {
        let groups = &seen.groups;
        let states = which::with_its_own(self.kept, groups.group(self.name), self.which);
        let chosen = which::choose(self.name, groups, &states, self.which)?;
        let of = Box::new(chosen.group.clone());
        Ok(Sought::Look(Look::Traces { groups: Box::new(groups.clone()), of }))
    }

    fn then(&mut self, seen: &GroupSeen, more: View) -> Decided {
        let (groups, traces) = (&seen.groups, more.traces()?);
        let states = which::with_its_own(self.kept, groups.group(self.name), self.which);
        let chosen = which::choose(self.name, groups, &states, self.which)?;
        // A device that lost its label gets it again.
        let bare = former::find(groups, &chosen.group, &traces, self.force)?;
        let (groups, labels) = missing::with_labels(groups, &chosen.group, &bare)?;
        let highest = which::highest(&chosen.group, &groups, self.all, &traces);
        halfway::refuse(chosen, self.all, &groups, highest)?;
        halfway::refuse_to_leave(&groups, chosen, self.force)?;
        let plan = plan(&groups, chosen, (highest, self.all), self.force, &seen.stamp)?;
        Ok(Some(missing::with_steps(plan, &labels)))
    }
}

/// The steps that make a state the group's present one. `highest`: of the numbers that changes of it have had; `all`: what is
/// kept of it.
///
/// # Errors
/// It cannot be written, its devices are not there, a volume that is active would change.
pub fn plan(
    groups: &Groups,
    kept: &KeptState,
    (highest, all): (u32, &[KeptState]),
    force: bool,
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    let old = &kept.group;
    let name = &old.name;
    if let Some(strange) = old.strange.first() {
        return Err(Refusal::new(format!("{}: {strange}", kept.path))
            .hint("`vgcfgrestore -f FILE` restores what only lvm knows"));
    }
    let mut warnings = Vec::new();
    let mut gone = Vec::new();
    let change = match groups.group(name) {
        Some(found) => {
            let devices = onto(groups, found, old)?;
            let new = devices.group.clone();
            gone = lost(&found.group, &new);
            if !gone.is_empty() {
                warnings.push(Warning::tell(format!(
                    "volumes that this state does not have will be gone: {}",
                    gone.join(", ")
                )));
            }
            active(groups, found, &new)?;
            let since = Since::new(&kept.group, &found.group, all);
            let old = contents(&found.group, &new, &since);
            if !old.is_empty() && !force {
                let mut refusal = Refusal::new(format!(
                    "group {name} as it was after change {}: {}",
                    new.seqno,
                    old.join("; ")
                ))
                .hint(
                    "--force restores it all the same; the state of now stays in `--list`, and can come back",
                );
                refusal.said = warnings;
                return Err(refusal);
            }
            warnings.extend(old.into_iter().map(Warning::tell));
            warnings.extend(other(&found.group, &new).into_iter().map(Warning::tell));
            warnings.extend(devices.warnings());
            let last = highest.max(found.group.seqno);
            let mut change = metadata::change_after(&devices.found, &new, stamp, true, last)?;
            devices.complete(&mut change);
            change
        }
        None => {
            let (new, areas) = anew(groups, old)?;
            metadata::create(&new, stamp, &areas, highest.max(old.seqno))?
        }
    };
    warnings.extend(change.warnings.iter().map(Warning::note));
    // A yes is to these names.
    let without = if gone.is_empty() { String::new() } else { format!(", without {}", gone.join(", ")) };
    warnings.push(Warning::ask(format!(
        "group {name} will be as it was after change {}{}{without}",
        old.seqno,
        before(&old.written.description)
    )));
    let mut steps = change.before;
    steps.extend([change.commit, Step::Commit, Step::Lvm(LvmStep::ForgetHints)]);
    steps.extend(change.after);
    let summary = format!("restore group {name} as it was after change {} ({})", old.seqno, kept.path);
    Ok(Plan { summary, steps, warnings })
}

/// What a state was archived before, in the words that LVM2 and we write into the file.
fn before(description: &str) -> String {
    let command =
        description.strip_prefix("Created *before* executing '").and_then(|rest| rest.strip_suffix('\''));
    command.map_or_else(String::new, |command| format!(", before `{}`", command.escape_debug()))
}

/// The old state with what is of today: where devices are, how often the group was changed.
fn onto(groups: &Groups, found: &FoundGroup, old: &Group) -> Result<Rearranged, Refusal> {
    if found.group.id != old.id {
        return Err(Refusal::new(format!(
            "the group {} that is there has UUID {}, the one that was kept {}",
            old.name, found.group.id, old.id
        )));
    }
    rearranged(groups, found, old)
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
        // Also where its texts are damaged: its label says which one it is.
        let mut labelled = groups.lone.iter().chain(&groups.unread);
        let Some(lone) = labelled.find(|lone| lone.label.id == pv.id) else {
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

fn by_id(group: &Group, volume: &LogicalVolume) -> Option<LogicalVolume> {
    group.volumes.iter().find(|other| other.id == volume.id).cloned()
}

/// Where each extent of a volume is: physical volume and number there, stripe by stripe.
fn places(volume: &LogicalVolume) -> Vec<(&Kind, u64, u64)> {
    volume.segments.iter().map(|segment| (&segment.kind, segment.start, segment.len)).collect()
}

/// Volumes that would have other contents than now: a sentence each.
fn contents(now: &Group, new: &Group, since: &Since<'_>) -> Vec<String> {
    let given: BTreeMap<LvmUuid, String> = since.given(now, new);
    let comes_back =
        |name: &str, given: &String| format!("{name} would come back, and what it had has {given}");
    let mut all = Vec::new();
    for volume in new.volumes.iter().filter(|volume| !volume.is_row()) {
        let name = format!("{}/{}", new.name, volume.name);
        let snapshot = new.snapshot_in(&volume.name);
        match (by_id(now, volume), snapshot, given.get(&volume.id)) {
            (Some(was), _, given) if begins_alike(&was, volume) => {
                all.extend(given.map(|given| format!("{name} would have extents back that have {given}")));
            }
            (Some(_), _, _) => all.push(format!(
                "{name} is at other extents now: it would have what is there, and nothing of what was written to it since"
            )),
            (None, Some(snapshot), given) if goes_on(new, volume, since) => {
                let what = format!("snapshot {name}, to which {} is rolled back,", snapshot.origin);
                all.extend(given.map(|given| comes_back(&what, given)));
            }
            (None, Some(snapshot), _) => all.push(format!(
                "snapshot {name} would come back without what it should have kept of {}/{} since",
                new.name, snapshot.origin
            )),
            (None, None, given) => {
                all.extend(given.map(|given| comes_back(&name, given)));
                all.extend(since.midst(volume.id).map(|(seqno, snapshot)| {
                    format!(
                        "{name} was to be rolled back to {}/{snapshot} when it was removed, which may have begun: a part of it \
                         would be old and the rest new, and --at {seqno} brings back both",
                        new.name
                    )
                }));
            }
        }
    }
    all
}

/// Whether a snapshot comes back to which its volume is rolled back, and both are as they were taken away: the kernel goes on.
pub(super) fn goes_on(new: &Group, snapshot: &LogicalVolume, since: &Since<'_>) -> bool {
    let merging = new.snapshot_in(&snapshot.name).filter(|one| one.merging);
    let origin = merging.and_then(|one| new.volume(one.origin));
    origin.is_some_and(|origin| since.untouched([origin.id, snapshot.id]))
}

/// One is the other, or its beginning: a volume that grew or shrank at its end.
fn begins_alike(a: &LogicalVolume, b: &LogicalVolume) -> bool {
    let (a, b) = (places(a), places(b));
    let common = a.len().min(b.len());
    let Some(whole) = common.checked_sub(1) else { return a.len() == b.len() };
    let last = a.get(whole).zip(b.get(whole));
    a.iter().zip(&b).take(whole).all(|(a, b)| a == b) && last.is_some_and(|(a, b)| (a.0, a.1) == (b.0, b.1))
}

/// What else will be different: a sentence each.
fn other(now: &Group, new: &Group) -> Vec<String> {
    let size = |group: &Group, volume: &LogicalVolume| human::size(group.sectors(volume.extents()).bytes().0);
    let one = |volume: &LogicalVolume| {
        let name = format!("{}/{}", new.name, volume.name);
        let Some(was) = by_id(now, volume) else {
            return Some(format!("{name} comes back; `mdctl volume activate {name}` makes its device"));
        };
        if was.name != volume.name {
            return Some(format!("{}/{} is called {name} again", now.name, was.name));
        }
        (was.extents() != volume.extents())
            .then(|| format!("{name} has {} again, not {}", size(new, volume), size(now, &was)))
    };
    new.volumes.iter().filter(|volume| !volume.is_row()).filter_map(one).collect()
}

/// An active volume must not change under its user.
fn active(groups: &Groups, found: &FoundGroup, new: &Group) -> Result<(), Refusal> {
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

#[cfg(test)]
#[path = "restore_tests.rs"]
pub(super) mod tests;
