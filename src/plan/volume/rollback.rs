//! Rollback: a volume becomes what its snapshot has. The kernel copies it back; reads are right from the first moment.
//!
//! Three states are told apart. *Requested*: the metadata says so and the devices are as before, because somebody had them
//! open; the next activation begins it. *Running*: the volume's device is a `snapshot-merge`, and its status counts down.
//! *Finished*: nothing is left to copy, and metadata and devices still have to be cleaned up, which anybody may do at any
//! time, also for a merge that lvm2 began.

use superblock::{Sectors, lvm::Group};

use super::{
    metadata, mover,
    request::{VolumeName, When},
    shift::{Scene, Shift},
};
use crate::{
    model::dm::SnapshotStatus,
    plan::{Plan, Refusal, Step, Warning},
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
}

/// What the origin's device says: the name of its first target, and its status.
pub type Says<'a> = Option<(&'a str, Option<SnapshotStatus>)>;

/// How far the rollback of a snapshot is.
#[must_use]
pub fn state(group: &Group, snapshot: &str, origin: Says<'_>) -> State {
    if !group.snapshot_in(snapshot).is_some_and(|snapshot| snapshot.merging) {
        return State::None;
    }
    match origin {
        Some(("snapshot-merge", Some(SnapshotStatus::Usage { allocated, metadata, .. }))) => {
            match allocated.saturating_sub(metadata) {
                Sectors(0) => State::Finished,
                left => State::Running(left),
            }
        }
        Some(("snapshot-merge", Some(_))) => State::Failed,
        Some(("snapshot-merge", None)) => State::Running(Sectors(0)),
        _ => State::Requested,
    }
}

/// Begins it. `None` in the place of the plan: it goes on already.
///
/// # Errors
/// It is no snapshot, or one that has nothing to give back.
pub fn begin(
    scene: &Scene<'_>,
    name: &VolumeName,
    when: When,
    snapshot: Option<SnapshotStatus>,
) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    let found = group.snapshot_in(&name.volume);
    let found = found.ok_or_else(|| Refusal::new(format!("{name} is no snapshot")))?;
    mover::refuse_moving(&group, found.origin)?;
    let origin = found.origin.to_owned();
    let whole = VolumeName { group: name.group.clone(), volume: origin.clone() };
    if matches!(snapshot, Some(SnapshotStatus::Invalid)) {
        return Err(Refusal::new(format!("{name} overflowed: it does not hold all that {whole} was"))
            .hint(format!("mdctl volume snapshot diff {name} --reverse --stream FILE saves what it has")));
    }
    if let Some(other) = group.snapshots_of(&origin).find(|other| other.merging) {
        return Err(Refusal::new(format!("{whole} is being rolled back to {} already", other.cow)));
    }
    if !group.volume(&origin).is_some_and(superblock::lvm::LogicalVolume::is_writable) {
        return Err(Refusal::new(format!("{whole} may only be read")));
    }
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

/// Only the metadata changes: the devices go on as they are.
fn at_next_activation(
    scene: &Scene<'_>,
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
pub fn finish(scene: &Scene<'_>, name: &VolumeName) -> Result<Plan, Refusal> {
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
pub fn start_requested(scene: &Scene<'_>, name: &VolumeName) -> Result<Plan, Refusal> {
    let group = &scene.found.group;
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
