//! What takes a change of a group back: a command that is accepted, or why there is none.
//!
//! The state before a change is not always one to go back to. What the kernel does behind a move or a rollback lies
//! between two states, and whoever brings the first of them back has it done again, over what was written since.

use superblock::lvm::{Group, LogicalVolume, LvmUuid};

use super::room::{self, Underway};

/// What takes a change back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupWayBack {
    /// This command, which may be two in a row.
    Command(String),
    /// Nothing: why.
    Nothing(String),
}

/// How a change was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made<'a> {
    /// The words of the command.
    pub words: &'a [String],
    /// Its devices got other tables in the same moment: what is asked for has begun.
    pub at_once: bool,
}

/// What makes a group what it was.
#[must_use]
pub fn of(old: &Group, new: &Group, made: Made<'_>) -> GroupWayBack {
    let between = of_move(old, new).map(GroupWayBack::Command).or_else(|| of_rollback(old, new, made));
    between.unwrap_or_else(|| {
        let whole = of_group(old, new).or_else(|| of_volume(old, new, made));
        GroupWayBack::Command(whole.unwrap_or_else(|| to(old)))
    })
}

/// Back to a state that is kept.
fn to(old: &Group) -> String {
    format!("mdctl volume restore {} --at {}", old.name, old.seqno)
}

fn by_id(group: &Group, id: LvmUuid) -> Option<&LogicalVolume> {
    group.volumes.iter().find(|volume| volume.id == id)
}

/// A move that began is given up; one that is over goes the other way; one that was given up begins again.
fn of_move(old: &Group, new: &Group) -> Option<String> {
    let (was, is) = (room::underway(old), room::underway(new));
    let lacks = |all: &[Underway], one: &Underway| all.iter().all(|other| other.id != one.id);
    if let Some(begun) = is.iter().find(|one| lacks(&was, one)) {
        return Some(format!("mdctl volume move {}/{} --abort", new.name, begun.volume));
    }
    let over = was.iter().find(|one| lacks(&is, one))?;
    let (before, after) = (by_id(old, over.id)?, by_id(new, over.id)?);
    let name = format!("{}/{}", new.name, after.name);
    let path = |pv: usize| old.pvs.get(pv).map(|pv| pv.device.clone());
    let (from, to) = (path(over.from)?, devices(old, &over.room));
    if before.segments == after.segments {
        return Some(format!("mdctl volume move {name} {from} {}", to.join(" ")));
    }
    let back = |to: &String| format!("mdctl volume move {name} {to} {from}");
    Some(to.iter().map(back).collect::<Vec<_>>().join(" --wait && ")).filter(|back| !back.is_empty())
}

/// The paths of the devices that a volume is on, each once.
fn devices(group: &Group, volume: &str) -> Vec<String> {
    let segments = group.volume(volume).into_iter().flat_map(|volume| &volume.segments);
    let mut on: Vec<String> = Vec::new();
    for pv in segments.flat_map(|segment| segment.legs()).filter_map(|leg| group.pvs.get(leg.pv)) {
        if !on.contains(&pv.device) {
            on.push(pv.device.clone());
        }
    }
    on
}

/// A rollback that waits can be taken back; one that has begun overwrites what the volume had.
fn of_rollback(old: &Group, new: &Group, made: Made<'_>) -> Option<GroupWayBack> {
    let merging = |group: &Group, cow: &str| group.snapshot_in(cow).is_some_and(|one| one.merging);
    let lost = |origin: &str| {
        let name = format!("{}/{origin}", new.name);
        GroupWayBack::Nothing(format!("a rollback overwrites what {name} had, and nothing keeps that"))
    };
    if let Some(begun) = new.snapshots().find(|one| one.merging && !merging(old, one.cow)) {
        return Some(if made.at_once { lost(begun.origin) } else { GroupWayBack::Command(to(old)) });
    }
    let over = old.snapshots().find(|one| one.merging && !merging(new, one.cow))?;
    let is_removed = old.volume(over.origin).is_some_and(|origin| by_id(new, origin.id).is_none());
    if is_removed {
        return Some(GroupWayBack::Command(to(old)));
    }
    if new.snapshot_in(over.cow).is_some() {
        return Some(GroupWayBack::Command(format!("mdctl volume rollback {}/{}", new.name, over.cow)));
    }
    Some(lost(over.origin))
}

/// Another name, or other devices. Only devices on which nothing is can be taken out as they came.
fn of_group(old: &Group, new: &Group) -> Option<String> {
    let name = &new.name;
    if old.name != *name {
        return Some(format!("mdctl volume group rename {name} {}", old.name));
    }
    let came = new.pvs.iter().filter(|pv| old.pv(pv.id).is_none());
    let came: Vec<&str> = came.map(|pv| pv.device.as_str()).collect();
    let all_there = old.pvs.iter().all(|pv| new.pv(pv.id).is_some());
    (!came.is_empty() && all_there && old.volumes == new.volumes)
        .then(|| format!("mdctl volume group reduce {name} {}", came.join(" ")))
}

/// One volume that has another name, or has grown: a state of before would cut off a file system that has grown with it.
fn of_volume(old: &Group, new: &Group, made: Made<'_>) -> Option<String> {
    let was = |volume: &LogicalVolume| by_id(old, volume.id).filter(|was| *was != volume);
    let changed = new.volumes.iter().filter(|volume| !volume.is_row());
    let changed: Vec<_> = changed.filter_map(|volume| Some((was(volume)?, volume))).collect();
    let [(before, after)] = changed.as_slice() else { return None };
    let same_length = old.volumes.len() == new.volumes.len();
    let alone = same_length && new.volumes.iter().all(|volume| by_id(old, volume.id).is_some());
    let group = &new.name;
    if alone && before.name != after.name && before.segments == after.segments {
        return Some(format!("mdctl volume rename {group}/{} {}", after.name, before.name));
    }
    let is_store = new.snapshot_in(&after.name).is_some();
    if !alone || is_store || before.name != after.name || before.extents() >= after.extents() {
        return None;
    }
    let size = old.sectors(before.extents()).0;
    let size = if size % 2048 == 0 { format!("{}M", size / 2048) } else { format!("{size}s") };
    let with_fs = made.words.iter().any(|word| word == "--fs" || word == "-r");
    Some(format!("mdctl volume resize {group}/{} {size}{}", after.name, if with_fs { " --fs" } else { "" }))
}

#[cfg(test)]
#[path = "way_back_tests.rs"]
mod tests;
