//! Rollback: a volume becomes what its snapshot has. The kernel copies it back; reads are right from the first moment.
//!
//! Three states are told apart. *Requested*: the metadata says so and the devices are as before, because somebody had them
//! open; the next activation begins it. *Running*: the volume's device is a `snapshot-merge`, and its status counts down.
//! *Finished*: nothing is left to copy, and metadata and devices still have to be cleaned up, which anybody may do at any
//! time, also for a merge that lvm2 began.

use superblock::{Sectors, lvm::Group};

use super::{
    metadata, mover,
    shift::{GroupScene, Shift},
    siblings::{self, Stores},
};
use crate::{
    model::{
        active::{Active, ActiveDevice},
        dm::{SnapshotStatus, Status, Target, uuid},
    },
    plan::{Plan, Refusal, Step, Warning},
    request::volume::{VolumeName, When},
};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody asked for it.
    None,
    /// It begins at the next activation.
    Requested,
    /// It goes on: sectors that are still to be copied.
    Running(Sectors),
    /// All is copied; what is left is to say so.
    Finished,
    /// It stands still.
    Failed,
    /// The store does not have all that the volume was: nothing is put back.
    Overflowed,
}

/// How far the rollback of a snapshot is.
#[must_use]
pub fn state(group: &Group, active: &Active, snapshot: &str) -> State {
    let Some(found) = group.snapshot_in(snapshot).filter(|snapshot| snapshot.merging) else {
        return State::None;
    };
    let Some(device) = device(group, active, found.origin).filter(|device| merges(device)) else {
        return State::Requested;
    };
    match reported(device) {
        Some(SnapshotStatus::Usage { allocated, metadata, .. }) => match allocated.saturating_sub(metadata) {
            Sectors(0) => State::Finished,
            left => State::Running(left),
        },
        Some(SnapshotStatus::Invalid | SnapshotStatus::Overflow) => State::Overflowed,
        Some(SnapshotStatus::MergeFailed | SnapshotStatus::Unknown) => State::Failed,
        None => State::Running(Sectors(0)),
    }
}

fn device<'a>(group: &Group, active: &'a Active, volume: &str) -> Option<&'a ActiveDevice> {
    active.with(&uuid::lvm(group.id.plain(), group.volume(volume)?.id.plain(), None))
}

fn merges(device: &ActiveDevice) -> bool {
    device.table.rows.iter().any(|row| matches!(row.target, Target::SnapshotMerge(_)))
}

fn reported(device: &ActiveDevice) -> Option<SnapshotStatus> {
    device.status.iter().find_map(|status| match status {
        Status::Snapshot(status) => Some(*status),
        _ => None,
    })
}

/// What the driver says of a snapshot's store; `None` for what is not a snapshot, or not active.
#[must_use]
pub fn store(group: &Group, active: &Active, snapshot: &str) -> Option<SnapshotStatus> {
    let found = group.snapshot_in(snapshot)?;
    let origin = device(group, active, found.origin).filter(|device| found.merging && merges(device));
    reported(origin.or_else(|| device(group, active, snapshot))?)
}

/// Why a volume is not rolled back to a snapshot that was merged into it, and what to do.
#[must_use]
pub fn overflowed(group: &Group, snapshot: &str) -> Refusal {
    let origin = super::devices::head_of(group, snapshot);
    let name = format!("{}/{snapshot}", group.name);
    Refusal::new(format!("{name} overflowed: {}/{origin} is not rolled back", group.name))
        .hint(format!("mdctl volume remove {name}"))
}

/// Refuses to take away a snapshot while it is put back: a part of the volume would be old and the rest new.
///
/// # Errors
/// It goes on, or stands still on its way.
pub fn refuse_merging(group: &Group, active: &Active, snapshot: &str) -> Result<(), Refusal> {
    let origin = super::devices::head_of(group, snapshot);
    let name = format!("{}/{snapshot}", group.name);
    let refused = |how: &str| {
        Err(Refusal::new(format!("{}/{origin} is being rolled back to {name}{how}", group.name))
            .hint(format!("mdctl volume rollback {name} --wait ends that")))
    };
    match state(group, active, snapshot) {
        State::Running(_) | State::Finished => refused(""),
        State::Failed => refused(", and the kernel met an error: only a part of it is back"),
        State::None | State::Requested | State::Overflowed => Ok(()),
    }
}

/// Begins it. `None` in the place of the plan: it goes on already.
///
/// # Errors
/// It is no snapshot, or one that has nothing to give back.
pub fn begin(
    scene: &GroupScene<'_>,
    name: &VolumeName,
    when: When,
    stores: &Stores,
) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    let found = group.snapshot_in(&name.volume);
    let found = found.ok_or_else(|| Refusal::new(format!("{name} is not a snapshot")))?;
    mover::refuse_moving(&group, found.origin)?;
    let origin = found.origin.to_owned();
    let whole = VolumeName { group: name.group.clone(), volume: origin.clone() };
    let lost = matches!(stores.get(&name.volume), Some(Ok(store)) if !store.is_valid);
    if lost || store(&group, scene.active, &name.volume) == Some(SnapshotStatus::Invalid) {
        return Err(Refusal::new(format!("{name} overflowed: it does not hold all that {whole} was"))
            .hint(format!("mdctl volume snapshot diff {name} --reverse --stream FILE saves what it has")));
    }
    if let Some(other) = group.snapshots_of(&origin).find(|other| other.merging) {
        return Err(Refusal::new(format!("{whole} is being rolled back to {} already", other.cow)));
    }
    if !group.volume(&origin).is_some_and(superblock::lvm::LogicalVolume::is_writable) {
        return Err(Refusal::new(format!("{whole} may only be read")));
    }
    siblings(&group, &name.volume, stores)?;
    let open = [&origin, &name.volume].into_iter().find_map(|volume| Some((volume, scene.open_by(volume)?)));
    let later = match (when, &open) {
        (When::NextActivation, _) | (When::Either, Some(_)) => true,
        (When::Now, Some((volume, by))) => {
            return Err(Refusal::new(format!("{}/{volume} is in use: {by}", name.group))
                .hint("close it, or leave --now away: then the rollback begins at the next activation"));
        }
        (When::Either | When::Now, None) => false,
    };
    group.set_merging(&name.volume, true).map_err(|why| Refusal::new(format!("{name}: {why}")))?;
    let summary = format!("roll {whole} back to {}", name.volume);
    if later || !scene.is_active(&origin) {
        return at_next_activation(scene, &group, &summary, open);
    }
    scene.plan(Shift { group: &group, origin: &origin, freeze: false, hold: true, zero: Vec::new(), summary })
}

/// Whether a rollback may begin with the activation of its volume, or go on with it. It is not activated without that: a part
/// of it may have been put back before, and only the kernel knows how to read it then.
///
/// # Errors
/// Another snapshot would be lost; with what to do about it, and how to go on.
pub fn may_begin(group: &Group, snapshot: &str, stores: &Stores) -> Result<(), Refusal> {
    let origin = super::devices::head_of(group, snapshot);
    if group.snapshots_of(origin).nth(1).is_none() {
        return Ok(());
    }
    let looked = match stores.contains_key(snapshot) {
        true => siblings(group, snapshot, stores),
        false => Err(Refusal::new(format!(
            "{}/{snapshot} and other snapshots: their stores were not looked at",
            group.name
        ))),
    };
    looked.map_err(|refusal| {
        let whole = format!("{}/{origin}", group.name);
        let then = format!("mdctl volume activate {whole}");
        let hint = match refusal.hint {
            Some(hint) => format!("{hint}; then {then}"),
            None => then,
        };
        Refusal::new(format!(
            "{whole} is not activated, because its rollback to {snapshot} would begin: {}",
            refusal.text
        ))
        .hint(hint)
    })
}

/// Refuses to lose other snapshots of the volume, which have to keep what is overwritten.
fn siblings(group: &Group, snapshot: &str, stores: &Stores) -> Result<(), Refusal> {
    let written = match stores.get(snapshot) {
        // The kernel puts nothing back from one that overflowed.
        Some(Ok(store)) if !store.is_valid => return Ok(()),
        Some(Ok(store)) => siblings::written_by_rollback(store),
        Some(Err(why)) => return Err(Refusal::new(format!("{}/{snapshot}: {why}", group.name))),
        None => return Ok(()),
    };
    let origin = super::devices::head_of(group, snapshot);
    siblings::have_room(group, origin, Some(snapshot), &written, stores)
}

/// Only the metadata changes: the devices go on as they are.
fn at_next_activation(
    scene: &GroupScene<'_>,
    group: &Group,
    summary: &str,
    open: Option<(&String, String)>,
) -> Result<Plan, Refusal> {
    let change = metadata::change(scene.found, group, scene.stamp, false)?;
    let mut steps = change.before;
    steps.push(change.commit);
    steps.push(Step::Commit);
    steps.extend(change.after);
    let mut warnings: Vec<Warning> = change.warnings.into_iter().map(Warning::note).collect();
    if let Some((volume, by)) = open {
        warnings.push(Warning::note(format!(
            "{}/{volume} is in use ({by}): the rollback begins when it is activated the next time; what is written \
             until then is lost",
            group.name
        )));
    }
    Ok(Plan { summary: format!("{summary} at the next activation"), steps, warnings })
}

/// Says in metadata and devices that it is over.
///
/// # Errors
/// The group may only be read.
pub fn finish(scene: &GroupScene<'_>, name: &VolumeName) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    let found = group.snapshot_in(&name.volume).filter(|snapshot| snapshot.merging);
    let found = found.ok_or_else(|| Refusal::new(format!("{name} is not being rolled back")))?;
    let origin = found.origin.to_owned();
    group.remove(&name.volume).map_err(|why| Refusal::new(format!("{name}: {why}")))?;
    let summary = format!("end the rollback of {}/{origin} to {}", name.group, name.volume);
    scene.plan(Shift { group: &group, origin: &origin, freeze: false, hold: true, zero: Vec::new(), summary })
}

/// Begins what was requested, now that nobody has the volume open: its devices become what the metadata says.
///
/// # Errors
/// It is not requested, or a physical volume is missing.
pub fn start_requested(scene: &GroupScene<'_>, name: &VolumeName, stores: &Stores) -> Result<Plan, Refusal> {
    let group = &scene.found.group;
    siblings(group, &name.volume, stores)?;
    let found = group.snapshot_in(&name.volume).filter(|snapshot| snapshot.merging);
    let found = found.ok_or_else(|| Refusal::new(format!("{name} is not being rolled back")))?;
    for volume in [found.origin, found.cow] {
        if let Some(by) = scene.open_by(volume) {
            return Err(Refusal::new(format!("{}/{volume} is in use: {by}", name.group)));
        }
    }
    let summary = format!("begin the rollback of {}/{} to {}", name.group, found.origin, found.cow);
    Ok(scene.locked(scene.devices_only(found.origin, summary)?))
}
