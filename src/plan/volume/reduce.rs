//! A device leaves its group; and what leads on where something is still on it: only commands that will be accepted.

use superblock::lvm::{BadEdit, Kind, Stamp, Wish, group::GroupStatus};

use super::{
    change::Decided,
    devices::{head_of, heads},
    edit::refused,
    group::bare,
    groups,
    metadata::{self, LvmStep},
    mover, pieces,
};
use crate::{
    model::{
        DevId,
        volume::{FoundGroup, GroupLook, GroupSeen, PvDevice},
    },
    plan::{DiskStep, Plan, Refusal, Step, Warning},
};

/// What that looks at.
#[must_use]
pub fn look(group: &str, devices: &[String], command: &str) -> GroupLook {
    GroupLook {
        name: group.to_owned(),
        command: command.to_owned(),
        paths: devices.to_vec(),
        ..GroupLook::default()
    }
}

/// Takes devices out of the group that was seen.
///
/// # Errors
/// As [`plan`]; a path is not a block device.
pub fn decide(seen: &GroupSeen, devices: &[String]) -> Decided {
    let found = groups::named(&seen.groups, &seen.name)?;
    let number = |path: &String| {
        let known = seen.numbers.iter().find(|(known, _)| known == path).map(|(_, dev)| *dev);
        known.ok_or_else(|| Refusal::new(format!("{path} is not a block device")))
    };
    let numbers: Vec<DevId> = devices.iter().map(number).collect::<Result<_, _>>()?;
    plan(found, &numbers, devices, &seen.stamp).map(Some)
}

/// Takes devices out of a group on which nothing is.
///
/// # Errors
/// A volume is on one of them, it is not the group's, or nothing would be left.
pub fn plan(found: &FoundGroup, devices: &[DevId], shown: &[String], stamp: &Stamp) -> Result<Plan, Refusal> {
    let mut group = found.group.clone();
    let mut left = found.clone();
    let mut gone: Vec<PvDevice> = Vec::new();
    for (dev, path) in devices.iter().zip(shown) {
        let pv = found.present().find(|(_, pv)| pv.dev == *dev).map(|(index, pv)| (index, pv.clone()));
        let (index, pv) =
            pv.ok_or_else(|| Refusal::new(format!("{path} is not a device of group {}", group.name)))?;
        group.remove_pv(pv.label.id).map_err(|why| match why {
            BadEdit::PvUsed(volume) => {
                Refusal::new(format!("{path}: volume {}/{volume} is on it", found.group.name))
                    .hint(way(found, index, path))
            }
            BadEdit::LastPv => {
                let name = &found.group.name;
                let hint = match heads(&found.group).next() {
                    None => format!("mdctl volume group remove {name}"),
                    Some(_) => format!(
                        "mdctl volume group extend {name} DEVICE adds one that its volumes can move to"
                    ),
                };
                Refusal::new(format!("{path} is the last device of group {name}")).hint(hint)
            }
            why => refused(path, &why),
        })?;
        left.devices.retain(|device| device.as_ref().is_none_or(|device| device.dev != *dev));
        gone.push(pv);
    }
    let change = metadata::change(&left, &group, stamp, true)?;
    let mut steps = change.before;
    for pv in &gone {
        steps.push(Step::Disk(DiskStep::Claim { device: pv.path.clone() }));
        steps.push(bare(pv));
    }
    steps.extend([change.commit, Step::Commit]);
    let ids = gone.iter().map(|pv| pv.label.id).collect();
    steps.push(Step::Lvm(LvmStep::Devices { add: Vec::new(), remove: ids }));
    steps.push(Step::Lvm(LvmStep::ForgetHints));
    steps.extend(gone.iter().map(|pv| Step::Disk(DiskStep::Release { device: pv.path.clone() })));
    steps.extend(change.after);
    let summary = format!("take {} out of group {}", shown.join(", "), group.name);
    Ok(Plan { summary, steps, warnings: change.warnings.iter().map(Warning::note).collect() })
}

/// What empties the physical volume of this index; what stands in the way where nothing does.
#[must_use]
pub fn way(found: &FoundGroup, index: usize, path: &str) -> String {
    let group = &found.group;
    let name = &group.name;
    if let Some(why) = found.anothers.first() {
        return format!("nothing of it can be moved here: {why}");
    }
    if group.status.contains(GroupStatus::PVMOVE) {
        return "`pvmove` of lvm2 goes on with what it moves, `pvmove --abort` gives it up; until then nothing else can be moved".into();
    }
    if !found.gone().is_empty() {
        return format!(
            "nothing can be moved while a device is missing: `mdctl volume check {name}` says what to do"
        );
    }
    let is_foreign = |kind: &Kind| matches!(kind, Kind::Other { .. });
    let mut kinds = group.volumes.iter().flat_map(|volume| &volume.segments).map(|segment| &segment.kind);
    if !group.strange.is_empty() || kinds.any(is_foreign) {
        return format!(
            "the group has volumes that only lvm can change: `pvmove {path}` moves what is on it, then `vgreduce {name} {path}`"
        );
    }
    if let Some(why) = found.objections.first() {
        return format!("nothing of it can be moved: {why}");
    }
    let volumes = mover::on(group, index);
    let is_meant = |volume: &str| volumes.iter().any(|one| head_of(group, one) == head_of(group, volume));
    let is_on = |volume: &str| group.volume(volume).is_some_and(|volume| pieces::extents(volume, index) > 0);
    let moves = mover::underway(group);
    if let Some(move_) = moves.iter().find(|move_| is_meant(&move_.volume) || is_on(&move_.room)) {
        return format!("mdctl volume move {name}/{} --wait ends the move that goes on there", move_.volume);
    }
    let mut merging = group.snapshots().filter(|one| one.merging);
    if let Some(snapshot) = merging.find(|one| is_meant(one.origin)) {
        return format!(
            "mdctl volume rollback {name}/{} --wait ends the rollback that goes on there",
            snapshot.cow
        );
    }
    if let Some(stuck) = mover::stuck(group).into_iter().next() {
        return stuck;
    }
    let extents = volumes.iter().filter_map(|volume| group.volume(volume));
    let extents = extents.map(|volume| pieces::extents(volume, index)).fold(0, u64::saturating_add);
    let others = group.pvs.iter().enumerate().filter(|(other, _)| *other != index);
    let on: Vec<_> = others.map(|(other, there)| (other, 0..there.pe_count)).collect();
    let move_ = format!("mdctl volume move {name} {path}");
    match group.allocate(&Wish { extents, on, ..Wish::default() }) {
        Ok(_) => format!("{move_} moves what is on it"),
        Err(why) => format!(
            "there is no room for it on the others ({why}): mdctl volume group extend {name} DEVICE, then {move_}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use superblock::Sectors;

    use super::*;
    use crate::{
        model::volume::gather,
        plan::volume::verbs_tests::{id, with_volumes},
    };

    fn judged(mut found: FoundGroup) -> String {
        gather::judge(&mut found, &crate::model::volume::Groups::default());
        way(&found, 0, "/dev/md0")
    }

    #[test]
    fn what_is_advised_is_accepted() {
        assert_eq!(judged(with_volumes()), "mdctl volume move vg /dev/md0 moves what is on it");
        // One of a kind that we do not know, anywhere in the group.
        let mut thin = with_volumes();
        thin.group.volume_mut("w").unwrap().segments[0].kind = Kind::Other { kind: "thin-pool".into() };
        let said = judged(thin);
        assert!(said.contains("`pvmove /dev/md0`") && said.contains("`vgreduce vg /dev/md0`"), "{said}");
        let mut words = with_volumes();
        words.group.strange.push("vg/x is not known".into());
        assert!(judged(words).contains("`pvmove /dev/md0`"));
        // Somebody else's; lvm2 moves; a device is missing; it is only to be read.
        let mut others = with_volumes();
        others.group.system_id = Some("box".into());
        assert!(judged(others).contains("the group belongs to the machine \"box\""));
        let mut moving = with_volumes();
        moving.group.status.insert(GroupStatus::PVMOVE);
        assert!(judged(moving).contains("pvmove --abort"));
        let mut half = with_volumes();
        half.devices[1] = None;
        assert!(judged(half).contains("while a device is missing"));
        let mut locked = with_volumes();
        locked.group.status.remove(GroupStatus::WRITE);
        assert!(judged(locked).contains("vgchange --permission rw"));
        // It is on its way to another state.
        let mut back = with_volumes();
        back.group.make_snapshot("a", "w", Sectors(8), id(60)).unwrap();
        back.group.set_merging("w", true).unwrap();
        assert!(judged(back).contains("mdctl volume rollback vg/w --wait"));
        // The others are full.
        let mut full = with_volumes();
        full.group.pvs[1].pe_count = 2;
        let said = judged(full);
        assert!(
            said.contains("mdctl volume group extend vg DEVICE, then mdctl volume move vg /dev/md0"),
            "{said}"
        );
    }
}
