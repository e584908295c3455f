//! After a command that was killed while it changed volumes: nothing stays suspended, and the devices become what the metadata
//! says. Whether the change had become real, the number of the committed metadata tells.

pub mod session;

use superblock::lvm::Stamp;

use super::{
    devices::{heads, top_down},
    pieces,
    shift::GroupScene,
    tree::Wanted,
};
use crate::{
    model::{
        active::{Active, ActiveDevice},
        dm::{Dev, Table, Target, UdevFlags, uuid},
        unfinished::Unfinished,
        volume::FoundGroup,
    },
    plan::{
        Plan, Step,
        dm::{DmStep, Quiesce},
    },
};

/// First: what is suspended goes on, with its new table where the metadata was committed, else with its old one. There is no
/// way back from that, and one device that cannot go on keeps no other from it.
#[must_use]
pub fn resume(notes: &Unfinished, found: &[&FoundGroup], devices: &[ActiveDevice]) -> Plan {
    let mut steps = Vec::new();
    for name in &notes.suspended {
        let Some(device) = devices.iter().find(|device| device.info.name == *name) else { continue };
        let (name, flags) = (name.clone(), flags(device));
        let is_committed = is_committed(notes, found, device);
        match (device.info.suspended, device.info.inactive) {
            (_, true) if is_committed => {
                steps.push(DmStep::Resume { name, flags, quiesce: Quiesce::NO_FREEZE, before: None });
            }
            // What never had a table cannot go on; it is taken away later.
            _ if !device.info.live => {}
            (true, _) => steps.push(DmStep::GoOn { name, flags }),
            (false, true) => steps.push(DmStep::Clear { name }),
            (false, false) => {}
        }
    }
    let mut plan = plan("resume what was suspended", steps);
    if let Some(at) = plan.steps.iter().position(Step::is_commit) {
        plan.steps[..=at].rotate_right(1);
    }
    plan
}

fn plan(summary: &str, steps: Vec<DmStep>) -> Plan {
    let mut steps: Vec<Step> = steps.into_iter().map(Step::Dm).collect();
    if !steps.is_empty() {
        steps.extend([Step::Commit, Step::Dm(DmStep::WaitForUdev)]);
    }
    Plan { summary: summary.to_owned(), steps, warnings: Vec::new() }
}

fn is_committed(notes: &Unfinished, found: &[&FoundGroup], device: &ActiveDevice) -> bool {
    let group = device.info.uuid.as_deref().and_then(uuid::parse).map(|parsed| parsed.group);
    let found = found.iter().find(|found| Some(found.group.id.plain()) == group);
    let Some(found) = found else { return false };
    notes
        .groups
        .iter()
        .any(|(name, seqno)| *name == found.group.name && u64::from(found.group.seqno) >= *seqno)
}

fn flags(device: &ActiveDevice) -> UdevFlags {
    let layer = device.info.uuid.as_deref().and_then(uuid::parse).and_then(|parsed| parsed.layer);
    let is_snapshot = device.table.rows.iter().any(|row| matches!(row.target, Target::Snapshot(_)));
    match layer {
        Some("real") => UdevFlags::REAL,
        Some(_) => UdevFlags::HIDDEN,
        None if is_snapshot => UdevFlags::SNAPSHOT,
        None => UdevFlags::VISIBLE,
    }
}

/// Then: tables that wait for nobody are dropped, volumes get the devices that the metadata says, and what belongs to none
/// goes. A rollback that waits for its activation and a move that goes on are left as they are.
#[must_use]
pub fn tidy(found: &FoundGroup, active: &Active, stamp: &Stamp) -> Vec<Plan> {
    let scene = GroupScene { found, active, stamp };
    let group = &found.group;
    let mut plans = Vec::new();
    let mut known: Vec<Wanted> = Vec::new();
    for head in heads(group) {
        let Ok(wanted) = scene.wanted(group, &head.name) else {
            // Nothing is taken away that cannot be judged.
            return Vec::new();
        };
        let merging = group.snapshots_of(&head.name).any(|snapshot| snapshot.merging);
        if !merging && is_other(&scene, &wanted) {
            plans.extend(scene.turn(&head.name, None, wanted.clone(), format!("refresh {}", head.name)).ok());
        }
        known.extend(wanted);
    }
    // Also what never had another: as long as it waits, what it leads to is held.
    let is_unused =
        |device: &&ActiveDevice| device.info.inactive && (device.info.live || is_nobodys(device, &known));
    let waiting = active.devices.iter().filter(is_unused);
    let waiting = waiting.map(|device| DmStep::Clear { name: device.info.name.clone() });
    plans.insert(0, plan("drop tables that were never used", waiting.collect()));
    // What stands on others goes before them, and nothing goes on which something stays.
    let mut left: Vec<&ActiveDevice> = Vec::new();
    for device in top_down(active) {
        let stays_on = |other: &&ActiveDevice| {
            active.named(&other.table).devices().any(|dev| *dev == Dev::Dm(device.info.name.clone()))
                && !left.iter().any(|gone| gone.info.name == other.info.name)
        };
        let in_use = !device.holders.is_empty() || active.devices.iter().any(|other| stays_on(&other));
        if !in_use && is_nobodys(device, &known) {
            left.push(device);
        }
    }
    let remove = |device: &&ActiveDevice| DmStep::Remove {
        name: device.info.name.clone(),
        flags: flags(device),
        deferred: false,
    };
    plans.push(plan("remove devices that belong to no volume", left.iter().map(remove).collect()));
    plans.retain(|plan| !plan.steps.is_empty());
    plans
}

fn is_nobodys(device: &ActiveDevice, known: &[Wanted]) -> bool {
    let uuid = device.info.uuid.as_deref().unwrap_or_default();
    let layer = uuid::parse(uuid).and_then(|parsed| parsed.layer);
    // Layers of kinds that we do not make are somebody's.
    matches!(layer, None | Some("real" | "cow" | "moving")) && !known.iter().any(|one| one.uuid == uuid)
}

/// Whether a volume is active and has other tables than it should.
fn is_other(scene: &GroupScene<'_>, wanted: &[Wanted]) -> bool {
    let live = |one: &Wanted| scene.active.with(&one.uuid).map(|device| scene.active.named(&device.table));
    let tables: Vec<Option<Table>> = wanted.iter().map(live).collect();
    if tables.iter().flatten().any(pieces::is_moving) || tables.iter().all(Option::is_none) {
        return false;
    }
    wanted.iter().zip(&tables).any(|(one, live)| live.as_ref() != Some(&one.table))
}

#[cfg(test)]
mod tests;
