//! A move of which a device fails: which one, and how its copying ends.
//!
//! All that was ever reported as written is on the old extents, for the mirror has the feature `handle_errors` alone
//! (drivers/md/dm-raid1.c): the kernel holds a write that not every leg took, and reads from the first leg whatever is not copied.
//! With `keep_log` beside it a write that only the copy has is reported as done, and the copy is read, and copied back, although
//! most of it is not there. Without both a region whose copy failed counts as copied.
//!
//! What is held waits until the mirror gets another table, and a device above it cannot be suspended before that. So the layer alone
//! leads to the old extents first, and everything else comes afterwards.

use super::{mover::Underway, pieces, shift::GroupScene};
use crate::{
    model::{
        active::ActiveDevice,
        dm::{Status, UdevFlags},
    },
    plan::{
        Plan, Step,
        dm::{Before, DmStep, Quiesce},
    },
};

/// The kernel's letter of a leg that is well; others say what failed first: a write (D), a flush (F), the copying (S), a read (R).
const WELL: char = 'A';

/// Which device of a move fails, in words; `None` where all are well or nothing copies.
#[must_use]
pub fn failing(scene: &GroupScene<'_>, move_: &Underway) -> Option<String> {
    let layer = layer(scene, move_)?;
    let legs: Vec<&[(String, char)]> = layer.status.iter().filter_map(legs).collect();
    let health = |leg: usize| {
        let letters = legs.iter().filter_map(|legs| legs.get(leg));
        letters.map(|(_, health)| *health).find(|health| *health != WELL)
    };
    let group = &scene.found.group;
    let path = |pv: usize| {
        let there = scene.found.devices.get(pv).and_then(Option::as_ref).map(|device| device.path.clone());
        there.or_else(|| group.pvs.get(pv).map(|pv| pv.device.escape_debug().to_string()))
    };
    if let Some(health) = health(0) {
        let from = path(move_.from).unwrap_or_default();
        return Some(match health {
            'S' | 'R' => format!("{from}, where it is, has read errors"),
            _ => format!("{from}, where it is, has write errors"),
        });
    }
    health(1)?;
    let segments = group.volume(&move_.room).into_iter().flat_map(|room| &room.segments);
    let mut to: Vec<usize> = segments.flat_map(|segment| segment.legs()).map(|leg| leg.pv).collect();
    to.sort_unstable();
    to.dedup();
    let to: Vec<String> = to.into_iter().filter_map(path).collect();
    Some(format!("{}, where it goes, has write errors", to.join(" or ")))
}

/// The layer leads to the old extents alone, and what was held is written there. Nothing is flushed before: the disks do not take
/// it, and whoever wrote it would get an error.
#[must_use]
pub fn let_go(scene: &GroupScene<'_>, move_: &Underway) -> Plan {
    let summary =
        format!("end the copying of {}/{}, of which a device fails", scene.found.group.name, move_.volume);
    let steps =
        layer(scene, move_).map(|layer| without_copy(scene, layer, Quiesce::NONE)).into_iter().flatten();
    let steps: Vec<Step> = steps.chain([Step::Commit]).collect();
    scene.locked(Plan { summary, steps, warnings: Vec::new() })
}

/// The layer leads to the old extents alone.
pub(super) fn without_copy(scene: &GroupScene<'_>, layer: &ActiveDevice, quiesce: Quiesce) -> [Step; 2] {
    let (name, read_only) = (layer.info.name.clone(), layer.info.read_only);
    let before = scene.active.named(&layer.table);
    let table = pieces::without_copies(&before);
    let before = Some(Box::new(Before { table: before, read_only }));
    let resume = DmStep::Resume { name: name.clone(), flags: UdevFlags::HIDDEN, quiesce, before };
    [DmStep::Load { name, table, read_only }, resume].map(Step::Dm)
}

fn layer<'a>(scene: &GroupScene<'a>, move_: &Underway) -> Option<&'a ActiveDevice> {
    scene.active.with(&pieces::layer_uuid(&scene.found.group, move_.id))
}

fn legs(status: &Status) -> Option<&[(String, char)]> {
    match status {
        Status::Mirror { legs, .. } => Some(legs),
        _ => None,
    }
}
