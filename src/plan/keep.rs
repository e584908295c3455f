//! Nothing overwritten is lost: before the first write of any plan, what it endangers goes to the archive.
//!
//! Kept are the bytes under every write, and all metadata of every device that the plan writes to or hands to the
//! kernel: a new array's data, bitmap and resync may lie over an old one's metadata, and the kernel writes the
//! superblocks of all members that it is given.

use superblock::{Bytes, Native, Sectors, Write, bitmap, lvm::Group, probe::Found};

use super::{
    DiskStep, MdStep, Plan, Step, SystemStep,
    volume::{
        metadata::LvmStep,
        way_back::{self, GroupWayBack, Made},
    },
};
use crate::{
    archive::{About, GroupChange, Record, Sighted, WantedBytes, prints},
    model::{Device, volume::AreaTarget},
};

/// A superblock takes no more.
const SUPERBLOCK: Bytes = Bytes(4096);
/// The most that is kept of one bitmap.
const MOST_OF_BITMAP: Bytes = Bytes(8 << 20);
/// The most that is kept of one partial parity log.
const MOST_OF_PPL: Bytes = Bytes(1 << 20);
/// A 0.90 bitmap and its room.
const V0_BITMAP: Bytes = Bytes(60 << 10);

/// The devices whose metadata the plan endangers, each once; none where it writes no metadata.
#[must_use]
pub fn endangered(plan: &Plan) -> Vec<String> {
    if !plan.steps.iter().any(|step| matches!(step, Step::Disk(DiskStep::Write { .. }))) {
        return Vec::new();
    }
    let mut paths: Vec<String> = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Disk(DiskStep::Claim { device })
            | Step::Disk(DiskStep::Write { device, .. })
            | Step::Md(MdStep::AddDisk { device, .. })
                if !paths.contains(device) =>
            {
                paths.push(device.clone());
            }
            _ => {}
        }
    }
    paths
}

/// Where what is overwritten has to be kept: before the first write, and before zeroes that precede it. A change of a group
/// that writes nothing else is noted before its text is written.
fn first_write(plan: &Plan) -> Option<usize> {
    if !plan.steps.iter().any(|step| matches!(step, Step::Disk(DiskStep::Write { .. }))) {
        return plan.steps.iter().position(|step| matches!(step, Step::Lvm(LvmStep::PreCommit { .. })));
    }
    plan.steps.iter().position(|step| {
        matches!(step, Step::Disk(DiskStep::Write { .. }) | Step::Disk(DiskStep::Zero { .. }))
    })
}

/// Whether the plan leaves an entry: it writes metadata of devices, or changes that of a group.
#[must_use]
pub fn leaves_entry(plan: &Plan) -> bool {
    first_write(plan).is_some()
}

/// The plan with one step more, and the place of that step; the plan as it is where it writes nothing.
#[must_use]
pub fn keep(plan: &Plan, devices: &[Sighted], about: About) -> (Plan, Option<usize>) {
    let Some(at) = first_write(plan) else { return (plan.clone(), None) };
    let wanted = |sighted: &Sighted| {
        let mut written = written(plan, &sighted.device.path);
        written.extend(of_group(plan, &sighted.device.path));
        let mut ranges: Vec<(Bytes, Bytes)> = written.iter().map(|w| (w.at, length(w))).collect();
        ranges.extend(metadata(&sighted.device));
        let ranges = apart(ranges, sighted.device.size.round_down(Bytes(512)));
        let mut device = sighted.identity.clone();
        device.prints = prints::outside(&device.prints, &ranges);
        WantedBytes { device, ranges, written }
    };
    let about = About { group: group_change(plan, &about.command), ..about };
    let devices: Vec<WantedBytes> = devices.iter().map(wanted).filter(|w| !w.ranges.is_empty()).collect();
    let mut kept = plan.clone();
    kept.steps.insert(at, Step::System(SystemStep::Archive { record: Box::new(Record { about, devices }) }));
    (kept, Some(at))
}

fn written(plan: &Plan, path: &str) -> Vec<Write> {
    let of_device = |step: &Step| match step {
        Step::Disk(DiskStep::Write { device, writes, .. }) if device == path => writes.clone(),
        _ => Vec::new(),
    };
    plan.steps.iter().flat_map(of_device).filter(|write| !write.data.is_empty()).collect()
}

/// What a change of a group writes on a device: the text, and the header as it names it.
fn of_group(plan: &Plan, path: &str) -> Vec<Write> {
    let of_device = |step: &Step| match step {
        Step::Lvm(LvmStep::PreCommit { targets, .. }) => {
            let targets = targets.iter().filter(|target| target.device == path);
            let writes = |target: &AreaTarget| {
                let headers =
                    [target.area.pre_commit(target.placed.slot), target.area.commit(target.placed.slot)];
                [&target.placed.writes[..], &headers].concat()
            };
            targets.flat_map(writes).collect()
        }
        _ => Vec::new(),
    };
    plan.steps.iter().flat_map(of_device).collect()
}

/// What the plan does to a group, and the command that takes it back.
fn group_change(plan: &Plan, words: &[String]) -> Option<GroupChange> {
    let old = plan.steps.iter().find_map(|step| match step {
        Step::Lvm(LvmStep::Archive { text, .. }) => Group::parse(text).ok(),
        _ => None,
    });
    let new = plan.steps.iter().find_map(|step| match step {
        Step::Lvm(LvmStep::PreCommit { text, .. }) => Group::parse(text).ok(),
        _ => None,
    });
    let Some(new) = new else {
        let gone = plan.steps.iter().find_map(|step| match step {
            Step::Lvm(LvmStep::RemoveBackup { group }) => Some(group.clone()),
            _ => None,
        });
        let nothing = GroupChange {
            group: gone?,
            id: String::new(),
            before: None,
            after: None,
            back: None,
            no_way: None,
        };
        return Some(nothing);
    };
    let at_once = plan.steps.iter().any(|step| matches!(step, Step::Critical(_)));
    let back = old.as_ref().map(|old| way_back::of(old, &new, Made { words, at_once }));
    let (back, no_way) = match back {
        Some(GroupWayBack::Command(command)) => (Some(command), None),
        Some(GroupWayBack::Nothing(why)) => (None, Some(why)),
        None => (None, None),
    };
    Some(GroupChange {
        group: new.name.clone(),
        id: new.id.to_string(),
        before: old.as_ref().map(|old| old.seqno),
        after: Some(new.seqno),
        back,
        no_way,
    })
}

/// Where the device has metadata, sound or not.
fn metadata(device: &Device) -> Vec<(Bytes, Bytes)> {
    device.probe.found.iter().flat_map(of_superblock).collect()
}

fn of_superblock(found: &Found) -> Vec<(Bytes, Bytes)> {
    let mut ranges = vec![(found.at().bytes(), SUPERBLOCK)];
    match found.fields() {
        Native::V0(sb) => ranges.extend(sb.bitmap_at().map(|at| (at.bytes(), V0_BITMAP))),
        Native::V1(sb) => {
            ranges.extend(sb.bitmap_at().map(|at| (at.bytes(), bitmap_length(found.bitmap.as_ref()))));
            if let Some((at, log)) = sb.bad_block_log_at().zip(sb.bad_block_log()) {
                ranges.push((at.bytes(), Sectors(log.size.into()).bytes()));
            }
            if let Some((at, log)) = sb.ppl_at().zip(sb.ppl()) {
                ranges.push((at.bytes(), Sectors(log.size.into()).bytes().min(MOST_OF_PPL)));
            }
        }
    }
    ranges
}

/// The bitmap with the room that it says it has; one that is damaged is kept as a page.
fn bitmap_length(bitmap: Option<&bitmap::Superblock>) -> Bytes {
    let Some(bitmap) = bitmap else { return Bytes(4096) };
    let nodes = u64::from(bitmap.nodes().max(1));
    let bits = Bytes(bitmap.node_area().0.saturating_mul(nodes));
    // A lockless bitmap has a byte for each chunk; its room tells.
    bits.max(Sectors(bitmap.sectors_reserved().into()).bytes()).min(MOST_OF_BITMAP)
}

fn length(write: &Write) -> Bytes {
    Bytes(u64::try_from(write.data.len()).unwrap_or(u64::MAX))
}

/// The same bytes as ranges in order, joined where they touch, none beyond the end.
fn apart(mut ranges: Vec<(Bytes, Bytes)>, size: Bytes) -> Vec<(Bytes, Bytes)> {
    ranges.sort_unstable();
    let mut joined: Vec<(Bytes, Bytes)> = Vec::new();
    for (at, length) in ranges {
        let end = at.saturating_add(length).round_up(Bytes(512)).unwrap_or(size).min(size);
        match joined.last_mut() {
            Some(last) if last.1 >= at => last.1 = last.1.max(end),
            _ if end > at => joined.push((at, end)),
            _ => {}
        }
    }
    joined.into_iter().map(|(at, end)| (at, end.saturating_sub(at))).collect()
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
