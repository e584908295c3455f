//! `move`: volume after volume; begun, watched, ended, given up.

use std::time::Instant;

use anyhow::Result;

use super::{
    Work, activate,
    create::{numbers, pv_of},
    one,
};
use crate::{
    command::{DONE, FAILED, print, refuse, second},
    inventory,
    kernel::host,
    model::{
        dm::{Status, name},
        volume::Groups,
    },
    plan::{
        Refusal,
        volume::{
            create, devices,
            edit::Means,
            mover::{self, Underway},
            pace,
            request::{ActivateRequest, MoveRequest, Moving, Named, PvWord, VolumeName},
            shift::Scene,
        },
    },
    ui,
};

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Far {
    /// The mirror is not there: a restart came between.
    Interrupted,
    /// Regions copied, of all.
    Copied(u64, u64),
    /// A device fails.
    Failing,
    /// Somebody else ended it, or gave it up.
    Over,
}

/// One request.
pub(super) fn run(work: &Work<'_>, request: &MoveRequest) -> Result<u8> {
    let done = match &request.what {
        Moving::Status => status(work, &request.name),
        Moving::Abort => abort(work, &request.name),
        Moving::Move { from, to, wait } => go(work, &request.name, from.as_deref(), to, *wait),
    };
    match done {
        Err(error) => match error.downcast::<Refusal>() {
            Ok(refusal) => Ok(refuse(&refusal, work.common, work.ui)),
            Err(error) => Err(error),
        },
        done => done,
    }
}

/// The moves that the name is about.
fn moves(work: &Work<'_>, name: &Named) -> Result<Vec<Underway>> {
    let groups = inventory::volumes::groups(work.machine)?;
    let mut all = mover::underway(&one(&groups, &name.group)?.group);
    all.retain(|one| name.volume.as_ref().is_none_or(|volume| *volume == one.volume));
    Ok(all)
}

fn shown(name: &Named, move_: &Underway) -> String {
    format!("{}/{}", name.group, move_.volume)
}

fn status(work: &Work<'_>, name: &Named) -> Result<u8> {
    let moves = moves(work, name)?;
    if moves.is_empty() {
        work.ui.note(&format!("nothing of {name} is being moved"));
    }
    for move_ in moves {
        let what = shown(name, &move_);
        let line = match far(work, name, &move_)? {
            Far::Interrupted => format!("{what}: interrupted; mdctl volume move {what} copies again\n"),
            Far::Failing => {
                format!("{what}: a device fails; mdctl volume move {what} --abort leaves it where it is\n")
            }
            Far::Over => continue,
            Far::Copied(done, all) if done == all => {
                format!("{what}: copied; mdctl volume move {what} --wait ends it\n")
            }
            Far::Copied(done, all) => format!("{what}: {} % copied\n", percent(done, all)),
        };
        print(&line);
    }
    Ok(DONE)
}

fn percent(done: u64, all: u64) -> u64 {
    done.saturating_mul(100).checked_div(all).unwrap_or(100)
}

fn abort(work: &Work<'_>, name: &Named) -> Result<u8> {
    let moves = moves(work, name)?;
    if moves.is_empty() {
        return Err(Refusal::new(format!("nothing of {name} is being moved")).into());
    }
    let mut status = DONE;
    for move_ in moves {
        let done =
            work.change(|groups| with(work, groups, name, |scene| mover::abort(scene, &move_).map(Some)))?;
        status |= asleep(work, name, &move_, done)?;
    }
    Ok(status)
}

/// Something decided on what is there.
fn with<T>(
    work: &Work<'_>,
    groups: &Groups,
    name: &Named,
    decide: impl FnOnce(&Scene<'_>) -> T,
) -> Result<T> {
    let found = one(groups, &name.group)?;
    let active = work.active(groups, found)?;
    let stamp = work.stamp();
    Ok(decide(&Scene { found, active: &active, stamp: &stamp }))
}

fn go(work: &Work<'_>, name: &Named, from: Option<&str>, to: &[PvWord], wait: bool) -> Result<u8> {
    let mut status = DONE;
    let begun = moves(work, name)?;
    for move_ in &begun {
        if far(work, name, move_)? == Far::Interrupted {
            status |= work
                .change(|groups| with(work, groups, name, |scene| mover::resume(scene, move_).map(Some)))?;
        }
        status |= ended(work, name, move_, wait)?;
    }
    let Some(from) = from else {
        if begun.is_empty() {
            let why =
                Refusal::new(format!("nothing of {name} is being moved: which device is to be emptied?"));
            return Err(why.into());
        }
        return Ok(status);
    };
    for volume in on(work, name, from)? {
        if begun.iter().any(|move_| move_.volume == volume) {
            continue;
        }
        let whole = VolumeName { group: name.group.clone(), volume };
        status |= begin(work, &whole, from, to)?;
        if status != DONE || work.common.dry_run {
            continue;
        }
        let move_ = moves(work, name)?.into_iter().find(|move_| move_.volume == whole.volume);
        if let Some(move_) = move_ {
            status |= ended(work, name, &move_, wait)?;
        }
    }
    Ok(status)
}

/// The volumes that have something on a device.
fn on(work: &Work<'_>, name: &Named, from: &str) -> Result<Vec<String>> {
    let groups = inventory::volumes::groups(work.machine)?;
    let found = one(&groups, &name.group)?;
    let word = PvWord { path: from.to_owned(), ranges: Vec::new() };
    let named = numbers(std::iter::once(&word));
    let pv = pv_of(found, &named)(from);
    let pv = pv.ok_or_else(|| Refusal::new(format!("{from} is no device of group {}", name.group)))?;
    let mut volumes = mover::on(&found.group, pv);
    volumes.retain(|volume| name.volume.as_ref().is_none_or(|wanted| wanted == volume));
    if volumes.is_empty() {
        work.ui.note(&format!("nothing of {name} is on {from}"));
    }
    Ok(volumes)
}

/// Begins. What is not active becomes it, for the copy alone.
fn begin(work: &Work<'_>, name: &VolumeName, from: &str, to: &[PvWord]) -> Result<u8> {
    let own = PvWord { path: from.to_owned(), ranges: Vec::new() };
    let named = numbers(to.iter().chain(std::iter::once(&own)));
    let begin = |asleep: bool| {
        work.change(|groups| {
            let found = one(groups, &name.group)?;
            let active = work.active(groups, found)?;
            let pv_of = pv_of(found, &named);
            let stamp = work.stamp();
            let mut means = Means {
                pv_of: &pv_of,
                stripes: found.stripes(),
                fresh: create::fresh(vec![host::random_bytes()?]),
                host: host::hostname().unwrap_or_default(),
                now: i64::try_from(host::now().0).unwrap_or(0),
            };
            let Some(pv) = pv_of(from) else {
                return Err(Refusal::new(format!("{from} is no device of group {}", name.group)).into());
            };
            let scene = Scene { found, active: &active, stamp: &stamp };
            Ok(mover::begin(&scene, name, (pv, asleep), to, &mut means).map(Some))
        })
    };
    if is_active(work, name)? {
        return begin(false);
    }
    work.ui.note(&format!("{name} is not active: it is activated while it is copied"));
    let whole = Named { group: name.group.clone(), volume: Some(name.volume.clone()) };
    let request = ActivateRequest { names: vec![whole], partial: false };
    let status = activate::activate(work, &request)?;
    if status != DONE || work.common.dry_run {
        return Ok(status);
    }
    let begun = begin(true);
    if !matches!(begun, Ok(DONE)) {
        activate::deactivate(work, &request.names)?;
    }
    begun
}

fn is_active(work: &Work<'_>, name: &VolumeName) -> Result<bool> {
    let groups = inventory::volumes::groups(work.machine)?;
    let top = devices::head_of(&one(&groups, &name.group)?.group, &name.volume).to_owned();
    with(work, &groups, &Named { group: name.group.clone(), volume: None }, |scene| scene.is_active(&top))
}

/// What was active for its move alone is not active any more.
fn asleep(work: &Work<'_>, name: &Named, move_: &Underway, status: u8) -> Result<u8> {
    if !move_.asleep || status != DONE || work.common.dry_run {
        return Ok(status);
    }
    work.change(|groups| {
        let found = one(groups, &name.group)?;
        // Its snapshots, or its origin, may be on their way still.
        if let Err(refusal) = mover::refuse_moving(&found.group, &move_.volume) {
            work.ui.note(&format!("{} stays active: {}", shown(name, move_), refusal.text));
            return Ok(Ok(None));
        }
        let active = work.active(groups, found)?;
        let plan = devices::deactivate(found, &active, std::slice::from_ref(&move_.volume));
        if let Err(refusal) = &plan {
            work.ui.note(&format!("{} stays active: {}", shown(name, move_), refusal.text));
        }
        Ok(Ok(plan.ok()))
    })
}

/// Waits where that is wanted, and ends what is copied.
fn ended(work: &Work<'_>, name: &Named, move_: &Underway, wait: bool) -> Result<u8> {
    let what = shown(name, move_);
    let bars = work.ui.bars();
    let mut first: Option<(Instant, u64)> = None;
    let mut events = inventory::dm::Events::open(work.machine);
    loop {
        events.arm();
        match far(work, name, move_)? {
            Far::Over => return Ok(DONE),
            Far::Copied(done, all) if done == all => break,
            Far::Copied(done, all) if wait => {
                bars.show(&what, done.saturating_mul(512 << 10), all.saturating_mul(512 << 10));
                let (begun, before) = *first.get_or_insert_with(|| (Instant::now(), done));
                let (copied, left) = (done.saturating_sub(before), all.saturating_sub(done));
                events.wait(pace::next(copied, begun.elapsed(), left, ui::shows_bars()));
            }
            Far::Copied(done, all) => {
                drop(bars);
                let ends = match in_background(work, name, move_) {
                    Some(by) => format!("{by} ends it"),
                    None => format!("mdctl volume move {what} --wait ends it"),
                };
                let percent = percent(done, all);
                work.ui.note(&format!("{what}: {percent} % copied; the kernel goes on, and {ends}"));
                return Ok(DONE);
            }
            Far::Failing => {
                drop(bars);
                work.ui.error(&format!(
                    "{what}: a device fails; mdctl volume move {what} --abort leaves it where it is"
                ));
                return Ok(FAILED);
            }
            Far::Interrupted => {
                drop(bars);
                work.ui.error(&format!(
                    "{what} is not being copied; where it is active, mdctl volume move {what} begins again"
                ));
                return Ok(FAILED);
            }
        }
    }
    drop(bars);
    let status = work.change(|groups| {
        with(work, groups, name, |scene| match mover::is_underway(&scene.found.group, move_) {
            true => mover::finish(scene, move_).map(Some),
            false => Ok(None),
        })
    })?;
    asleep(work, name, move_, status)
}

/// Has it ended in the background: by whom; `None` where nobody can.
pub(super) fn in_background(work: &Work<'_>, name: &Named, move_: &Underway) -> Option<String> {
    let what = shown(name, move_);
    let lock = format!("move-{}", name::join(&name.group, &move_.volume, None));
    second::in_background(work.machine, &lock, &["volume", "move", &what, "--wait"])
}

/// How far it is. Where the volume is not active nothing can be copied.
fn far(work: &Work<'_>, name: &Named, move_: &Underway) -> Result<Far> {
    let groups = inventory::volumes::groups(work.machine)?;
    let found = one(&groups, &name.group)?;
    let active = work.active(&groups, found)?;
    let stamp = work.stamp();
    let scene = Scene { found, active: &active, stamp: &stamp };
    let group = &found.group;
    if !mover::is_underway(group, move_) {
        return Ok(Far::Over);
    }
    let Some(device) = mover::device(&scene, move_) else { return Ok(Far::Interrupted) };
    let driver = inventory::dm::Driver::open(work.machine)?;
    let rows = driver.status(&device.info.name, true)?.map(|(_, rows)| rows).unwrap_or_default();
    let statuses: Vec<&Status> = rows.iter().map(|row| &row.status).collect();
    if !statuses.iter().any(|status| matches!(status, Status::Mirror { .. })) {
        return Ok(Far::Interrupted);
    }
    Ok(mover::progress(statuses.into_iter()).map_or(Far::Failing, |(done, all)| Far::Copied(done, all)))
}
