//! Volumes go: first their devices, so that nothing is in use, then they are no longer in the metadata. Where the metadata cannot
//! be written the devices come back. The other way round would be worse: a device that somebody opened in between would stay,
//! over extents that are free to be given to others.

use superblock::lvm::{Group, Stamp};

use super::{
    devices::{devices_of, finder, head_of, shown, unused, withdrawn},
    edit, metadata, mover, rollback,
    tree::{self, Family, Moment, Wanted},
};
use crate::{
    model::{active::Active, dm::UdevFlags, human, volume::FoundGroup},
    plan::{Plan, Refusal, Step, Warning, critical::Commit, dm::DmStep},
    request::volume::VolumeName,
};

/// The plan that removes volumes of one group, and the snapshots of those that have any.
///
/// # Errors
/// One is not there, is in use, or the group may only be read.
pub fn plan(
    found: &FoundGroup,
    active: &Active,
    names: &[VolumeName],
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    let before = &found.group;
    let mut after = before.clone();
    for name in names {
        mover::refuse_moving(before, &name.volume)?;
    }
    let gone = edit::remove(&mut after, names)?;
    for name in
        gone.iter().filter(|name| !gone.iter().any(|head| head == head_of(before, name) && head != *name))
    {
        rollback::refuse_merging(before, active, name)?;
        refuse_promised(before, active, name)?;
    }
    let heads: Vec<&str> =
        gone.iter().filter(|name| head_of(before, name) == name.as_str()).map(String::as_str).collect();
    let devices = devices_of(found, active, &heads);
    unused(&before.name, &devices)?;
    let stays: Vec<&str> = gone
        .iter()
        .map(|name| head_of(before, name))
        .filter(|head| !heads.contains(head))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let change = metadata::change(found, &after, stamp, false)?;
    let mut warnings: Vec<Warning> =
        gone.iter().map(|name| Warning::ask(lost(found, active, name))).collect();
    warnings.extend(change.warnings.iter().map(Warning::note));
    let mut steps = change.before;
    steps.extend(withdrawn(&devices, active));
    let (was, will) = families(found, &after, &stays, active)?;
    in_use(before, active, &was, &gone)?;
    if was.is_empty() {
        steps.extend([change.commit, Step::Commit]);
    } else {
        let commit = Commit {
            group: after.name.clone(),
            seqno: change.group.seqno.into(),
            writes: change.commit_writes,
        };
        let hold = was.iter().map(|one| one.name.clone()).collect();
        let moved = tree::transition(&was, &will, Moment { hold, freeze: false, commit: Some(commit) });
        steps.extend(moved.prepare);
        steps.extend([Step::Critical(Box::new(moved.critical)), Step::Commit]);
        steps.extend(moved.cleanup);
    }
    if !was.is_empty() || !devices.is_empty() {
        steps.push(Step::Dm(DmStep::WaitForUdev));
    }
    steps.extend(change.after);
    Ok(Plan { summary: format!("remove {}", shown(before, &gone)), steps, warnings })
}

/// Without its snapshot a volume is not rolled back to it, as was agreed to.
fn refuse_promised(group: &Group, active: &Active, snapshot: &str) -> Result<(), Refusal> {
    if rollback::state(group, active, snapshot) != rollback::State::Requested {
        return Ok(());
    }
    let (name, origin) = (&group.name, head_of(group, snapshot));
    Err(Refusal::new(format!("{name}/{origin} is to be rolled back to {name}/{snapshot} when it is activated the next time"))
        .hint(format!(
            "mdctl volume rollback {name}/{snapshot} --wait does it as soon as nobody uses them; to take it back: \
             `mdctl volume restore {name} --at SEQNO`, the number from before it (`mdctl history` has it)"
        )))
}

fn lost(found: &FoundGroup, active: &Active, name: &str) -> String {
    let group = &found.group;
    let size = group.volume(name).map_or(0, |volume| group.sectors(volume.extents()).bytes().0);
    let is_active = !devices_of(found, active, &[head_of(group, name)]).is_empty();
    let state = if is_active { ", active" } else { "" };
    let size = human::size(size);
    let merging = group.snapshots().find(|one| one.merging && one.origin == name);
    match (group.snapshot_in(name), merging) {
        (Some(snapshot), _) => {
            let (name, origin) = (format!("{}/{name}", group.name), snapshot.origin);
            match snapshot.merging {
                true => format!("snapshot {name}, to which {origin} is rolled back, goes ({size}{state})"),
                false => format!("snapshot {name} of {origin} goes ({size}{state})"),
            }
        }
        (None, Some(snapshot)) => format!(
            "volume {}/{name} and all that is in it goes ({size}{state}) while it is rolled back to {}: whatever brings it back \
             has to bring back both",
            group.name, snapshot.cow
        ),
        (None, None) => format!("volume {}/{name} and all that is in it goes ({size}{state})", group.name),
    }
}

/// The devices of families that lose a snapshot, before and after.
fn families(
    found: &FoundGroup,
    after: &Group,
    heads: &[&str],
    active: &Active,
) -> Result<(Vec<Wanted>, Vec<Wanted>), Refusal> {
    let find = finder(found);
    let (mut was, mut will) = (Vec::new(), Vec::new());
    for head in heads {
        let family = |group: &Group| {
            let family =
                Family::of(group, head, &find).map_err(|why| super::devices::no_devices(found, &why));
            family.map(|family| family.wanted())
        };
        let old = family(&found.group)?;
        if old.iter().any(|one| active.with(&one.uuid).is_some()) {
            was.extend(old);
            will.extend(family(after)?);
        }
    }
    Ok((was, will))
}

/// A snapshot that goes must not be open; its origin may be.
fn in_use(group: &Group, active: &Active, was: &[Wanted], gone: &[String]) -> Result<(), Refusal> {
    for name in gone {
        let device = crate::model::dm::name::join(&group.name, name, None);
        let open = was.iter().filter(|one| one.name == device).filter_map(|one| active.with(&one.uuid));
        let open: Vec<_> = open.map(|device| (device, UdevFlags::VISIBLE)).collect();
        unused(&group.name, &open)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use superblock::Sectors;

    use super::*;
    use crate::plan::volume::verbs_tests::{id, stamp, volume, with_volumes};

    #[test]
    fn a_snapshot_that_waits_to_be_put_back_stays() {
        let mut found = with_volumes();
        found.group.make_snapshot("a", "w", Sectors(8), id(60)).unwrap();
        let remove =
            |found: &FoundGroup, name| plan(found, &Active::default(), &[volume(name)], &stamp()).map(|_| ());
        assert_eq!(remove(&found, "w"), Ok(()));
        found.group.set_merging("w", true).unwrap();
        let refusal = remove(&found, "w").unwrap_err();
        assert_eq!(refusal.text, "vg/a is to be rolled back to vg/w when it is activated the next time");
        let hint = refusal.hint.unwrap();
        assert!(hint.contains("rollback vg/w --wait") && hint.contains("volume restore vg --at"), "{hint}");
        assert_eq!(remove(&found, "a"), Ok(()), "with all that it is for");
    }
}
