//! Physical volumes that are missing: taken out of their group for good, or given their label and metadata area again.

use superblock::{
    Bytes, Write,
    foreign::{self, Foreign},
    lvm::{Area, Extent, Group, Label, LvmUuid, Stamp},
};

use super::{
    devices::{devices_of, unused},
    edit::refused,
    metadata::{self, LvmStep},
};
use crate::{
    model::{
        Candidate, Device,
        active::Active,
        volume::{AreaSeen, FoundGroup, Groups, PvDevice, gather},
    },
    plan::{DiskStep, Plan, Refusal, Step, Warning},
};

/// Label and area header are written in one piece, whatever the device's blocks are.
const HEAD: usize = 8192;
/// Where the first metadata area begins, as LVM2 makes it.
pub(super) const AREA: Bytes = Bytes(4096);

/// Takes what is missing out of a group. With `force` the volumes that have extents there are removed.
///
/// # Errors
/// Volumes are there; a device is there and only does not count; something else speaks against writing the group.
pub fn reduce(
    groups: &Groups,
    found: &FoundGroup,
    active: &Active,
    force: bool,
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    let name = &found.group.name;
    let absent: Vec<usize> = found
        .devices
        .iter()
        .enumerate()
        .filter(|(_, device)| device.is_none())
        .map(|(index, _)| index)
        .collect();
    if let Some(index) = absent.iter().find(|index| found.is_left_out(**index)) {
        return Err(Refusal::new(format!("group {name}: {}", found.why_absent(*index)))
            .hint("only what is gone for good is taken out of a group"));
    }
    if absent.is_empty() {
        return Ok(Plan { summary: format!("nothing of group {name} is missing"), ..Plan::default() });
    }
    let lost = lost(&found.group, &absent);
    if !lost.is_empty() && !force {
        return Err(Refusal::new(format!("group {name}: volumes are on what is missing: {}", lost.join(", "))).hint(
            "bring the device back, or its label (mdctl volume restore); --force removes these volumes with what is left of them",
        ));
    }
    let heads: Vec<&str> = lost.iter().map(String::as_str).collect();
    let devices = devices_of(found, active, &heads);
    unused(name, &devices)?;
    if !devices.is_empty() {
        let all: Vec<String> = lost.iter().map(|volume| format!("{name}/{volume}")).collect();
        return Err(Refusal::new(format!("group {name}: of what would be removed, volumes are active"))
            .hint(format!("mdctl volume deactivate {}", all.join(" "))));
    }
    let (group, gone) = without(&found.group, &absent, &lost)?;
    let change = metadata::change(&cleared(groups, found, &group), &group, stamp, true)?;
    let mut warnings: Vec<Warning> = change.warnings.iter().map(Warning::note).collect();
    warnings.extend(lost.iter().map(|volume| {
        Warning::ask(format!(
            "{name}/{volume} will be removed, with what is left of it on devices that are there"
        ))
    }));
    let ids: Vec<String> = gone.iter().map(ToString::to_string).collect();
    warnings.push(Warning::ask(format!(
        "group {name} will forget {}: should it come back, `mdctl volume restore {name} --at {}` takes it in again, with what \
         is on it",
        ids.join(", "),
        found.group.seqno
    )));
    let mut steps = change.before;
    steps.extend([change.commit, Step::Commit]);
    steps.push(Step::Lvm(LvmStep::Devices { add: Vec::new(), remove: gone }));
    steps.push(Step::Lvm(LvmStep::ForgetHints));
    steps.extend(change.after);
    Ok(Plan {
        summary: format!("take what is missing out of group {name}: {}", ids.join(", ")),
        steps,
        warnings,
    })
}

/// The volumes that people know and that have extents on these physical volumes, or whose snapshot or origin does.
fn lost(group: &Group, absent: &[usize]) -> Vec<String> {
    let is_on = |name: &str| {
        let segments = group.volume(name).into_iter().flat_map(|volume| &volume.segments);
        segments.flat_map(|segment| segment.legs()).any(|leg| absent.contains(&leg.pv))
    };
    let gone =
        |name: &str| is_on(name) || group.snapshot_in(name).is_some_and(|snapshot| is_on(snapshot.origin));
    let all = group.volumes.iter().filter(|volume| !volume.is_row() && gone(&volume.name));
    all.map(|volume| volume.name.clone()).collect()
}

/// The group without them, and what they were. Snapshots go before their origins.
fn without(group: &Group, absent: &[usize], lost: &[String]) -> Result<(Group, Vec<LvmUuid>), Refusal> {
    let mut after = group.clone();
    let (stores, others): (Vec<&String>, Vec<&String>) =
        lost.iter().partition(|name| group.snapshot_in(name).is_some());
    for volume in stores.into_iter().chain(others) {
        after.remove(volume).map_err(|why| refused(&format!("{}/{volume}", group.name), &why))?;
    }
    let gone: Vec<LvmUuid> =
        absent.iter().filter_map(|index| group.pvs.get(*index)).map(|pv| pv.id).collect();
    for id in &gone {
        after.remove_pv(*id).map_err(|why| refused(&format!("physical volume {id}"), &why))?;
    }
    Ok((after, gone))
}

/// What speaks against writing the group once these are out of it.
fn cleared(groups: &Groups, found: &FoundGroup, after: &Group) -> FoundGroup {
    let devices = found.devices.iter().flatten().cloned().map(Some).collect();
    let mut judged = FoundGroup { group: after.clone(), devices, ..FoundGroup::default() };
    gather::judge(&mut judged, groups);
    FoundGroup { objections: judged.objections, devices: found.devices.clone(), ..found.clone() }
}

/// A label that is written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relabelled {
    /// The device.
    pub path: String,
    /// Its identity.
    pub pv: LvmUuid,
    /// Its label.
    pub label: Label,
    /// The area for the restored text, empty.
    pub area: Area,
    /// Label and area header.
    pub write: Write,
}

/// Label and area of a physical volume, as the kept state describes it, for a device of that size that nobody uses and that has
/// nothing else on it; what is left of its own label is not in the way. Whether it was that physical volume is for [`super::former`] to say.
///
/// # Errors
/// It is somebody's, or of another size.
pub fn relabel(old: &Group, pv: LvmUuid, candidate: &Candidate) -> Result<Relabelled, Refusal> {
    let path = &candidate.path;
    let Some((_, pv)) = old.pv(pv) else {
        return Err(Refusal::new(format!("group {} has no physical volume {pv}", old.name)));
    };
    let no = |why: String| {
        Refusal::new(format!("physical volume {} of group {} is missing, and {path} {why}", pv.id, old.name))
    };
    let device = match &candidate.found {
        Ok(device) => device,
        Err(_) => return Err(no(", where it was last seen, is not there".into())),
    };
    in_the_way(device, pv.id).map_or(Ok(()), |why| Err(no(why)))?;
    if pv.dev_size.0 > 0 && device.size.sectors() != pv.dev_size {
        let (has, had) = (device.size.sectors().0, pv.dev_size.0);
        return Err(no(format!("has {has} sectors, where that had {had}")));
    }
    let room = pv.pe_start.bytes();
    if room <= AREA || device.size <= room {
        return Err(no("has no room for a metadata area".into()));
    }
    let place = Extent { start: AREA, size: room.saturating_sub(AREA) };
    let mut label = Label::new(pv.id, device.size.round_down(Bytes(512)), place, room);
    label.set_in_use(true);
    let area = Area::new(place);
    let mut data = vec![0; HEAD];
    for write in [label.encode(), Some(area.encode())].into_iter().flatten() {
        let at = usize::try_from(write.at.0).unwrap_or(usize::MAX);
        if let Some(place) = data.get_mut(at..at.saturating_add(write.data.len())) {
            place.copy_from_slice(&write.data);
        }
    }
    Ok(Relabelled { path: path.clone(), pv: pv.id, label, area, write: Write { at: Bytes(0), data } })
}

/// Whether a signature is what `wipefs` or a bad sector left of this physical volume's label.
#[must_use]
pub(super) fn is_label_of(found: &Foreign, pv: LvmUuid) -> bool {
    found.kind == foreign::Kind::Lvm2 && found.uuid.as_ref().is_some_and(|uuid| *uuid == pv.to_string())
}

/// What else the device is.
fn in_the_way(device: &Device, pv: LvmUuid) -> Option<String> {
    if device.busy {
        let by = if device.holders.is_empty() { "somebody".to_owned() } else { device.holders.join(", ") };
        return Some(format!("is in use by {by}"));
    }
    if device.read_only {
        return Some("is read-only".into());
    }
    if !device.probe.found.is_empty() || !device.probe.damaged.is_empty() {
        return Some("is a member of an array".into());
    }
    if let Some(used) = device.used() {
        return Some(used);
    }
    let other = device.foreign.iter().find(|found| !is_label_of(found, pv))?;
    Some(format!("has {} on it", other.kind.name()))
}

/// The groups as they would be found once labels are written on these devices again.
///
/// # Errors
/// Why one of them is not the physical volume.
pub fn with_labels(
    groups: &Groups,
    old: &Group,
    bare: &[(LvmUuid, &Candidate)],
) -> Result<(Groups, Vec<Relabelled>), Refusal> {
    let label = |(pv, candidate): &(LvmUuid, &Candidate)| relabel(old, *pv, candidate);
    let labels: Vec<Relabelled> = bare.iter().map(label).collect::<Result<_, _>>()?;
    let mut after = groups.clone();
    for (one, (_, candidate)) in labels.iter().zip(bare) {
        let Ok(device) = &candidate.found else { continue };
        let pv = seen(one, device);
        let of = after.groups.iter_mut().filter(|found| found.group.id == old.id);
        let place = of.filter_map(|found| {
            let (index, _) = found.group.pv(one.pv)?;
            found.devices.get_mut(index)
        });
        match place.last() {
            Some(place) => *place = Some(pv),
            None => after.lone.push(pv),
        }
    }
    let judged: Vec<FoundGroup> = after
        .groups
        .iter()
        .map(|found| {
            let mut found = found.clone();
            gather::judge(&mut found, &after);
            found
        })
        .collect();
    after.groups = judged;
    Ok((after, labels))
}

/// As it would be found with its label.
fn seen(one: &Relabelled, device: &Device) -> PvDevice {
    PvDevice {
        path: one.path.clone(),
        dev: device.id,
        size: device.size,
        logical_block: 512,
        read_only: false,
        label: one.label.clone(),
        areas: vec![AreaSeen { area: one.area.clone(), holds: None }],
        damaged: Vec::new(),
        twice: Vec::new(),
        stripe: superblock::Sectors(0),
        device_id: None,
    }
}

/// A plan that restores a group, with the labels written before its metadata and everything asked about.
#[must_use]
pub fn with_steps(mut plan: Plan, labels: &[Relabelled]) -> Plan {
    // Claimed and let go here, whatever else is done to them.
    let is_its = |path: &String| labels.iter().any(|label| label.path == *path);
    plan.steps.retain(|step| {
        !matches!(step, Step::Disk(DiskStep::Claim { device } | DiskStep::Release { device }) if is_its(device))
    });
    let locked = plan.steps.iter().position(|step| matches!(step, Step::Lvm(LvmStep::Lock { .. })));
    let at = locked.map_or(0, |at| at.saturating_add(1));
    plan.steps.splice(at..at, labels.iter().flat_map(Relabelled::steps));
    let unlock = plan.steps.iter().rposition(|step| matches!(step, Step::Lvm(LvmStep::Unlock)));
    let at = unlock.unwrap_or(plan.steps.len());
    plan.steps
        .splice(at..at, labels.iter().map(|one| Step::Disk(DiskStep::Release { device: one.path.clone() })));
    plan.warnings.splice(0..0, labels.iter().map(Relabelled::question));
    plan
}

impl Relabelled {
    /// What is asked before.
    #[must_use]
    pub fn question(&self) -> Warning {
        Warning::ask(format!(
            "{} has no label: label and metadata area of physical volume {} will be written there, over what is in its first 8 KiB",
            self.path, self.pv
        ))
    }

    /// The steps before the metadata.
    #[must_use]
    pub fn steps(&self) -> [Step; 2] {
        [
            Step::Disk(DiskStep::Claim { device: self.path.clone() }),
            Step::Disk(DiskStep::Write {
                device: self.path.clone(),
                what: format!("the label of physical volume {}", self.pv),
                writes: vec![self.write.clone()],
            }),
        ]
    }
}

#[cfg(test)]
#[path = "missing_tests.rs"]
mod tests;
