//! The devices of an earlier state that are not those of the present one. What left the group comes back, known by its identity:
//! its label and its metadata area are written to, and nothing of its extents. What joined since is free again.

use superblock::lvm::{Group, LvmUuid, group::PvStatus};

use super::{
    group::bare,
    metadata::{ChangeOfGroup, LvmStep},
};
use crate::{
    model::volume::{FoundGroup, Groups, PvDevice, gather},
    plan::{DiskStep, Refusal, Step, Warning},
};

/// The old state on the devices of today.
pub(super) struct Rearranged {
    /// The state.
    pub(super) group: Group,
    /// The present group, with the devices that the state has.
    pub(super) found: FoundGroup,
    joined: Vec<PvDevice>,
    leaving: Vec<PvDevice>,
}

/// Finds the devices of a state.
///
/// # Errors
/// One of them is not here.
pub(super) fn rearranged(groups: &Groups, found: &FoundGroup, old: &Group) -> Result<Rearranged, Refusal> {
    let mut group = old.clone();
    let (mut devices, mut joined) = (Vec::new(), Vec::new());
    for pv in &mut group.pvs {
        let Some((index, now)) = found.group.pv(pv.id) else {
            let device =
                lone(groups, old.id, pv.id).ok_or_else(|| not_here(groups, old, pv.id, &pv.device))?;
            pv.device.clone_from(&device.path);
            pv.status.remove(PvStatus::MISSING);
            joined.push(device.clone());
            devices.push(Some(device.clone()));
            continue;
        };
        pv.device.clone_from(&now.device);
        pv.device_id.clone_from(&now.device_id);
        pv.status.remove(PvStatus::MISSING);
        devices.push(found.devices.get(index).cloned().flatten());
    }
    let leaving: Vec<PvDevice> = found
        .present()
        .filter(|(_, device)| old.pv(device.label.id).is_none())
        .map(|(_, pv)| pv.clone())
        .collect();
    let mut with = FoundGroup { devices, ..found.clone() };
    if group.pvs.len() != found.group.pvs.len() || !joined.is_empty() {
        let mut judged = FoundGroup { group: group.clone(), ..with.clone() };
        gather::judge(&mut judged, groups);
        let mut objections = found.group.objections(&groups.local);
        objections.extend(judged.objections);
        objections.dedup();
        with.objections = objections;
    }
    Ok(Rearranged { group, found: with, joined, leaving })
}

/// A device with this label that is in no group, or that left this one.
fn lone(groups: &Groups, group: LvmUuid, pv: LvmUuid) -> Option<&PvDevice> {
    let of_group =
        |device: &&PvDevice| device.areas.iter().filter_map(|seen| seen.holds).all(|(id, _)| id == group);
    groups.lone.iter().chain(groups.outdated.iter().filter(of_group)).find(|device| device.label.id == pv)
}

fn not_here(groups: &Groups, old: &Group, pv: LvmUuid, path: &str) -> Refusal {
    let (name, seqno) = (&old.name, old.seqno);
    let text = format!(
        "group {name} had physical volume {pv} after change {seqno}, last seen as {path}, which is not here"
    );
    match groups.refused.iter().find(|refused| refused.pv == Some(pv)) {
        Some(refused) => {
            Refusal::new(format!("group {name} had physical volume {pv} after change {seqno}: {refused}"))
        }
        None => Refusal::new(text).hint("attach its device, then try again"),
    }
}

impl Rearranged {
    /// What a person should know of the devices.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let joined = self.joined.iter().map(|device| {
            Warning::tell(format!(
                "{} comes back as physical volume {}, with what is on it now",
                device.path, device.label.id
            ))
        });
        let leaving = self.leaving.iter().map(|device| {
            Warning::tell(format!("{} will be in no group: its label and metadata will be gone", device.path))
        });
        joined.chain(leaving).collect()
    }

    /// Adds to a change of the group what is done to devices that come and go.
    pub(super) fn complete(&self, change: &mut ChangeOfGroup) {
        let claim = |device: &PvDevice| Step::Disk(DiskStep::Claim { device: device.path.clone() });
        let release = |device: &PvDevice| Step::Disk(DiskStep::Release { device: device.path.clone() });
        let all = || self.joined.iter().chain(&self.leaving);
        let mut steps: Vec<Step> = all().map(claim).collect();
        steps.extend(self.joined.iter().filter_map(used));
        steps.extend(self.leaving.iter().map(bare));
        change.before.splice(1..1, steps);
        let mut after: Vec<Step> = Vec::new();
        if !self.leaving.is_empty() {
            let remove = self.leaving.iter().map(|device| device.label.id).collect();
            after.push(Step::Lvm(LvmStep::Devices { add: Vec::new(), remove }));
        }
        after.extend(all().map(release));
        change.after.splice(0..0, after);
    }
}

/// The label says that a group uses it.
fn used(device: &PvDevice) -> Option<Step> {
    if device.label.in_use() == Some(true) {
        return None;
    }
    let mut label = device.label.clone();
    label.set_in_use(true);
    let what = format!("the label of physical volume {}", label.id);
    let writes = vec![label.encode()?];
    Some(Step::Disk(DiskStep::Write { device: device.path.clone(), what, writes }))
}

#[cfg(test)]
#[path = "returned_tests.rs"]
mod tests;
