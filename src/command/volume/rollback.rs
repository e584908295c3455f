//! `rollback`: begun, watched, ended. Whoever ends it, this command or another, it is over once.

use std::time::Instant;

use anyhow::Result;
use superblock::Sectors;

use super::{Work, one};
use crate::{
    command::{DONE, FAILED, refuse, second},
    inventory,
    model::{
        active::Active,
        dm::{SnapshotStatus, Status, name, uuid},
        volume::{Found, Groups},
    },
    plan::{
        Refusal,
        volume::{
            pace,
            request::{RollbackRequest, VolumeName, When},
            rollback::{self, State},
            shift::Scene,
        },
    },
    ui,
};

/// One request.
pub(super) fn run(work: &Work<'_>, request: &RollbackRequest) -> Result<u8> {
    let name = &request.name;
    let state = match look(work, name) {
        Ok(Some(state)) => state,
        Ok(None) => return Ok(refuse(&none(name), work.common, work.ui)),
        Err(error) => return Ok(refuse(&error.downcast::<Refusal>()?, work.common, work.ui)),
    };
    let status = match state {
        State::None => begin(work, request)?,
        State::Requested if request.when != When::NextActivation => requested(work, request)?,
        State::Requested | State::Running(_) | State::Finished => DONE,
        State::Failed => FAILED,
    };
    if status != DONE || work.common.dry_run {
        return Ok(status);
    }
    end(work, request)
}

fn none(name: &VolumeName) -> Refusal {
    Refusal::new(format!("there is no snapshot {name}"))
        .hint(format!("mdctl volume list {} lists those that there are", name.group))
}

fn begin(work: &Work<'_>, request: &RollbackRequest) -> Result<u8> {
    work.change(|groups| {
        let found = one(groups, &request.name.group)?;
        let active = work.active(groups, found)?;
        let status = snapshot_status(work, found, &active, &request.name.volume)?;
        let stamp = work.stamp();
        let scene = Scene { found, active: &active, stamp: &stamp };
        Ok(rollback::begin(&scene, &request.name, request.when, status).map(Some))
    })
}

/// It was asked for before: it begins now, if nobody is in its way.
fn requested(work: &Work<'_>, request: &RollbackRequest) -> Result<u8> {
    let name = &request.name;
    let mut waits = None;
    let status = work.change(|groups| {
        let found = one(groups, &name.group)?;
        let active = work.active(groups, found)?;
        let stamp = work.stamp();
        let scene = Scene { found, active: &active, stamp: &stamp };
        let origin = found.group.snapshot_in(&name.volume).map(|one| one.origin).unwrap_or_default();
        waits = match (scene.is_active(origin), request.when) {
            (false, _) => {
                Some(format!("{name}: the rollback begins when {}/{origin} is activated", name.group))
            }
            (true, When::Either) => [origin, &name.volume].into_iter().find_map(|volume| {
                let by = scene.open_by(volume)?;
                Some(format!(
                    "{name}: the rollback waits for {}/{volume}, which is in use by {by}",
                    name.group
                ))
            }),
            (true, _) => None,
        };
        match waits {
            Some(_) => Ok(Ok(None)),
            None => Ok(rollback::start_requested(&scene, name).map(Some)),
        }
    })?;
    if let Some(why) = waits {
        work.ui.warn(&why);
    }
    Ok(status)
}

/// Waits where that is wanted, and ends what is finished.
fn end(work: &Work<'_>, request: &RollbackRequest) -> Result<u8> {
    let name = &request.name;
    let shown = name.to_string();
    let bars = work.ui.bars();
    let mut first: Option<(Instant, Sectors)> = None;
    let mut events = inventory::dm::Events::open(work.machine);
    loop {
        events.arm();
        match look(work, name)? {
            // Somebody else ended it.
            None | Some(State::None) => return Ok(DONE),
            Some(State::Finished) => {
                drop(bars);
                return finish(work, name);
            }
            Some(State::Failed) => {
                drop(bars);
                let why = "the rollback stands still: the kernel met an error (dmesg tells); what was rolled back \
                           stays readable";
                work.ui.error(&format!("{name}: {why}"));
                return Ok(FAILED);
            }
            Some(State::Requested) => {
                if request.wait {
                    work.ui.error(&format!(
                        "{name}: the rollback has not begun; it begins at the next activation"
                    ));
                    return Ok(FAILED);
                }
                return Ok(DONE);
            }
            Some(State::Running(left)) => {
                if !request.wait {
                    drop(bars);
                    let ends = match in_background(work, name) {
                        Some(by) => format!("{by} ends it"),
                        None => format!("mdctl volume rollback {name} --wait ends it"),
                    };
                    work.ui.note(&format!(
                        "{name}: the volume reads as it was already; it is copied back in the background, and {ends}"
                    ));
                    return Ok(DONE);
                }
                let (begun, most) = *first.get_or_insert_with(|| (Instant::now(), left));
                let copied = most.saturating_sub(left);
                bars.show(&shown, copied.bytes().0, most.bytes().0);
                events.wait(pace::next(copied.0, begun.elapsed(), left.0, ui::shows_bars()));
            }
        }
    }
}

/// Has it ended in the background: by whom; `None` where nobody can.
pub(super) fn in_background(work: &Work<'_>, name: &VolumeName) -> Option<String> {
    let lock = format!("rollback-{}", name::join(&name.group, &name.volume, None));
    second::in_background(work.machine, &lock, &["volume", "rollback", &name.to_string(), "--wait"])
}

fn finish(work: &Work<'_>, name: &VolumeName) -> Result<u8> {
    work.change(|groups| {
        let found = one(groups, &name.group)?;
        let active = work.active(groups, found)?;
        // Between the look and the lock lvm2's own watcher may have been quicker.
        if found.group.snapshot_in(&name.volume).is_none() {
            return Ok(Ok(None));
        }
        let stamp = work.stamp();
        let scene = Scene { found, active: &active, stamp: &stamp };
        Ok(rollback::finish(&scene, name).map(Some))
    })
}

/// How far it is; `None` where there is no such snapshot.
fn look(work: &Work<'_>, name: &VolumeName) -> Result<Option<State>> {
    let groups: Groups = inventory::volumes::groups(work.machine)?;
    let found = one(&groups, &name.group)?;
    let Some(snapshot) = found.group.snapshot_in(&name.volume) else { return Ok(None) };
    let active = work.active(&groups, found)?;
    let origin = status(work, found, &active, snapshot.origin)?;
    let says = origin.as_ref().map(|(kind, status)| (kind.as_str(), *status));
    Ok(Some(rollback::state(&found.group, &name.volume, says)))
}

/// What the first target of a volume's own device says.
fn status(
    work: &Work<'_>,
    found: &Found,
    active: &Active,
    volume: &str,
) -> Result<Option<(String, Option<SnapshotStatus>)>> {
    let group = &found.group;
    let Some(volume) = group.volume(volume) else { return Ok(None) };
    let Some(device) = active.with(&uuid::lvm(group.id.plain(), volume.id.plain(), None)) else {
        return Ok(None);
    };
    let driver = inventory::dm::Driver::open(work.machine)?;
    let Some((_, rows)) = driver.status(&device.info.name, true)? else { return Ok(None) };
    Ok(rows.into_iter().next().map(|row| match row.status {
        Status::Snapshot(status) => (row.kind, Some(status)),
        _ => (row.kind, None),
    }))
}

fn snapshot_status(
    work: &Work<'_>,
    found: &Found,
    active: &Active,
    volume: &str,
) -> Result<Option<SnapshotStatus>> {
    Ok(status(work, found, active, volume)?.and_then(|(_, status)| status))
}

/// How much of a snapshot's store is in use; `None` for what is no snapshot, or not active.
pub(super) fn store_used(
    work: &Work<'_>,
    found: &Found,
    active: &Active,
    volume: &str,
) -> Result<Option<Sectors>> {
    if found.group.snapshot_in(volume).is_none() {
        return Ok(None);
    }
    Ok(snapshot_status(work, found, active, volume)?.and_then(|status| match status {
        SnapshotStatus::Usage { allocated, .. } => Some(allocated),
        _ => None,
    }))
}
