//! The acts, in the order that keeps others out until all is done.
//!
//! udev is not told to look away: until it runs, an array has nothing to see, and the start itself sends the event by
//! which udev looks. By then the map has the array's line.

use superblock::{Role, Write};

use crate::{
    model::world::MapEntry,
    plan::{ArrayName, DiskInfo, DiskStep, MdStep, Step, SystemStep, grow},
    words::{ArrayAttr, DevId},
};

use super::{claim::Claim, lineup::Lineup, resume::GoingOn};

/// A superblock to be written before the kernel reads it.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Index into the claims.
    pub claim: usize,
    /// For people.
    pub what: String,
    /// What is written with it: its bitmap's superblock, an empty log.
    pub extra: Vec<Write>,
}

/// How the array comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As the kernel does it: read-auto where the module says so, else at once.
    Run,
    /// Read-only.
    Readonly,
    /// Not at all.
    Leave,
}

/// What the steps are made of.
#[derive(Debug)]
pub struct StepParts<'a> {
    /// The array.
    pub name: ArrayName,
    /// Members, with the superblocks as they are to be.
    pub claims: &'a [Claim],
    /// Their places.
    pub lineup: &'a Lineup,
    /// The member whose copy counts: the kernel gets it last.
    pub freshest: usize,
    /// Superblocks to write.
    pub rewrites: Vec<Rewrite>,
    /// The inactive array that has these members already, where there is one.
    pub adopted: Option<Vec<usize>>,
    /// Members of it that must not be in it when it starts.
    pub leaving: Vec<usize>,
    /// All members that it had when it was seen.
    pub had: Option<Vec<DevId>>,
    /// How it comes up.
    pub start: Start,
    /// Start a repair: parity of a RAID6 that was forced one short is not to be believed.
    pub repair: bool,
    /// What a reshape needs that was cut off.
    pub resume: GoingOn,
}

/// Members in the order in which the kernel gets them: slot by slot, spares, journal, and the freshest last.
#[must_use]
pub fn order(lineup: &Lineup, freshest: usize) -> Vec<usize> {
    let seats = lineup.seats().map(|place| place.claim);
    let rest = lineup.spares.iter().copied().chain(lineup.journal.iter().map(|place| place.claim));
    let mut order: Vec<usize> = seats.chain(rest).filter(|claim| *claim != freshest).collect();
    order.push(freshest);
    order
}

/// The steps.
#[must_use]
pub fn steps(parts: &StepParts<'_>) -> Vec<Step> {
    let array = &parts.name;
    let members = order(parts.lineup, parts.freshest);
    let inside = parts.adopted.clone().unwrap_or_default();
    let claim = |index: &usize| parts.claims.get(*index);
    let new: Vec<&Claim> = members.iter().filter(|index| !inside.contains(index)).filter_map(claim).collect();
    let Some(model) = parts.claims.get(parts.freshest) else { return Vec::new() };
    let rewritten = parts.rewrites.iter().map(|rewrite| rewrite.claim);
    let others = rewritten.filter(|index| !members.contains(index) && !inside.contains(index));
    let others: Vec<&Claim> = others.collect::<Vec<_>>().iter().filter_map(claim).collect();
    let claimed = new.iter().chain(&others);
    let mut steps: Vec<Step> =
        claimed.map(|claim| Step::Disk(DiskStep::Claim { device: claim.path.clone() })).collect();
    steps.push(Step::System(SystemStep::LockMap));
    let (array_uuid, members) = (Some(model.facts.array), parts.had.clone());
    steps.push(Step::Md(MdStep::Expect { array: array.clone(), uuid: array_uuid, members }));
    steps.extend(parts.resume.restore.clone());
    for rewrite in &parts.rewrites {
        let Some(claim) = parts.claims.get(rewrite.claim) else { continue };
        let writes = [claim.metadata.encode()].into_iter().chain(rewrite.extra.iter().cloned()).collect();
        steps.push(Step::Disk(DiskStep::Write {
            device: claim.path.clone(),
            what: rewrite.what.clone(),
            writes,
        }));
    }
    // Devices of the array that it does not get now are told nevertheless.
    steps.extend(others.iter().map(|claim| Step::Disk(DiskStep::Release { device: claim.path.clone() })));
    if parts.adopted.is_none() {
        steps.push(Step::Md(MdStep::NewArray { array: array.clone(), id: None }));
        steps.push(Step::Md(MdStep::SetVersion { array: array.clone(), version: model.metadata.version() }));
        if model.lockless {
            steps.push(attr(array, ArrayAttr::BitmapType, "llbitmap", false));
        }
    }
    // Before the new ones: the kernel takes no two members with one number.
    steps.extend(parts.leaving.iter().filter_map(claim).map(|claim| {
        Step::Md(MdStep::Withdraw { array: array.clone(), device: claim.path.clone(), dev: claim.id })
    }));
    steps.extend(new.iter().map(|claim| {
        Step::Md(MdStep::AddDisk { array: array.clone(), device: claim.path.clone(), info: info(claim) })
    }));
    let entry = MapEntry {
        devnm: array.kernel.clone(),
        metadata: model.metadata.format().name().to_owned(),
        uuid: model.facts.array,
        path: array.path.clone(),
    };
    steps.push(Step::System(SystemStep::MapAdd { entry }));
    start(parts, model, &mut steps);
    steps.push(Step::Commit);
    if parts.repair {
        steps.push(attr(array, ArrayAttr::SyncAction, "repair", true));
    }
    steps.extend(parts.resume.note.clone());
    steps.push(Step::System(SystemStep::UnlockMap));
    if parts.start != Start::Leave {
        steps.push(Step::System(SystemStep::Node { array: array.clone() }));
    }
    if parts.start == Start::Run && parts.resume.follow {
        steps.push(grow::follow(array));
    }
    steps
}

/// How it comes up.
fn start(parts: &StepParts<'_>, model: &Claim, steps: &mut Vec<Step>) {
    let array = &parts.name;
    match parts.start {
        // Where the kernel has to stand still, it is told so before it may go on.
        Start::Run if parts.resume.writable => {
            steps.push(attr(array, ArrayAttr::ArrayState, "readonly", false));
            if let Some(still) = parts.resume.still {
                steps.push(attr(array, ArrayAttr::SyncMax, &still.0.to_string(), false));
            }
            steps.push(attr(array, ArrayAttr::ArrayState, "active", false));
        }
        Start::Run => {
            steps.push(Step::Md(MdStep::Run { array: array.clone() }));
            // As long as a reshape cannot go on, a read across the place where it stands ends in the kernel's own death (6.12:
            // "io across reshape position while reshape can't make progress"), so it never waits for a first write.
            if model.metadata.is_reshaping() {
                steps.push(attr(array, ArrayAttr::ArrayState, "active", true));
            }
        }
        Start::Readonly => steps.push(attr(array, ArrayAttr::ArrayState, "readonly", false)),
        Start::Leave => {}
    }
}

fn attr(array: &ArrayName, attr: ArrayAttr, value: &str, optional: bool) -> Step {
    Step::Md(MdStep::SetAttr { array: array.clone(), attr, value: value.to_owned(), optional })
}

/// The kernel reads the superblock and believes that; these numbers are for people who trace it.
fn info(claim: &Claim) -> DiskInfo {
    const ACTIVE_SYNC: u32 = 1 << 1 | 1 << 2;
    const JOURNAL: u32 = 1 << 18;
    let (raid_disk, state) = match claim.facts.role {
        Role::Slot { slot, .. } => (i32::try_from(slot).unwrap_or(-1), ACTIVE_SYNC),
        Role::Journal => (0, JOURNAL),
        Role::Spare | Role::Faulty => (-1, 0),
    };
    DiskInfo { number: i32::try_from(claim.facts.dev_number).unwrap_or(-1), raid_disk, state }
}
