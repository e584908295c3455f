//! An earlier state of a group comes back: which one, whether it fits what is there, and the steps.

use superblock::lvm::{Area, Group, Kind, LogicalVolume, LvmUuid, Stamp, group::PvStatus};

use super::metadata::{self, LvmStep};
use crate::{
    model::{
        dm::{Listed, uuid},
        human,
        volume::{FoundGroup, Groups, KeptState},
    },
    plan::{Plan, Refusal, Step, Warning},
};

/// Which state is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of the backup file, else the newest.
    Last,
    /// After this change.
    At(u32),
}

/// The state that is asked for. Several files may have the same change: they must agree. Only states of the group that is there
/// count: one of the same name may have been there before.
///
/// # Errors
/// There is none, or two that differ.
pub fn choose<'a>(
    name: &str,
    groups: &Groups,
    kept: &'a [KeptState],
    which: &Which,
) -> Result<&'a KeptState, Refusal> {
    let none = |what: String| {
        Refusal::new(what).hint(format!("`mdctl volume restore --list {name}` shows what is kept"))
    };
    let kept = of_this(name, groups, kept)?;
    match which {
        Which::Last => {
            let newest = kept.into_iter().max_by_key(|kept| (kept.group.seqno, kept.group.written.time));
            newest.ok_or_else(|| none(format!("no state of group {name} is kept")))
        }
        Which::At(seqno) => {
            let mut same = kept.into_iter().filter(|kept| kept.group.seqno == *seqno);
            let first = same
                .next()
                .ok_or_else(|| none(format!("no state of group {name} after change {seqno} is kept")))?;
            let plain = |group: &Group| Group { written: Default::default(), ..group.clone() };
            match same.find(|other| plain(&other.group) != plain(&first.group)) {
                Some(other) => Err(none(format!(
                    "change {seqno} of group {name} is kept twice and differently, in {} and {}; name one with --file",
                    first.path, other.path
                ))),
                None => Ok(first),
            }
        }
    }
}

/// The states of the group that is there, by its UUID; where its metadata is gone, those of which a physical volume is there.
fn of_this<'a>(name: &str, groups: &Groups, kept: &'a [KeptState]) -> Result<Vec<&'a KeptState>, Refusal> {
    let is_there = |id: LvmUuid| groups.lone.iter().any(|lone| lone.label.id == id);
    let known = groups.group(name).map(|found| found.group.id);
    let fits = |kept: &&KeptState| match known {
        Some(id) => kept.group.id == id,
        None => kept.group.pvs.iter().any(|pv| is_there(pv.id)),
    };
    let fitting: Vec<&KeptState> = kept.iter().filter(fits).collect();
    let all = if fitting.is_empty() { kept.iter().collect() } else { fitting };
    let other =
        all.iter().skip(1).find(|kept| all.first().is_some_and(|first| first.group.id != kept.group.id));
    match (all.first(), other) {
        (Some(first), Some(other)) => Err(Refusal::new(format!(
            "there have been several groups called {name}: {} has the one with UUID {}, {} that with {}",
            first.path, first.group.id, other.path, other.group.id
        ))
        .hint(format!("mdctl volume restore {name} --file FILE names one"))),
        _ => Ok(all),
    }
}

/// The steps that make a state the group's present one.
///
/// # Errors
/// It cannot be written, its devices are not there, a volume that is active would change.
pub fn plan(groups: &Groups, kept: &KeptState, force: bool, stamp: &Stamp) -> Result<Plan, Refusal> {
    let old = &kept.group;
    let name = &old.name;
    if let Some(strange) = old.strange.first() {
        return Err(Refusal::new(format!("{}: {strange}", kept.path))
            .hint("`vgcfgrestore -f FILE` restores what only lvm knows"));
    }
    let mut warnings = Vec::new();
    let change = match groups.group(name) {
        Some(found) => {
            let new = onto(found, old)?;
            let lost = lost(&found.group, &new);
            if !lost.is_empty() {
                warnings.push(Warning::ask(format!(
                    "volumes that this state does not have will be gone: {}",
                    lost.join(", ")
                )));
            }
            active(groups, found, &new)?;
            let old = contents(&found.group, &new);
            if !old.is_empty() && !force {
                let mut refusal = Refusal::new(format!(
                    "group {name} as it was after change {}: {}",
                    new.seqno,
                    old.join("; ")
                ))
                .hint(
                    "--force restores it all the same; the state of now stays in `--list`, and can come back",
                );
                refusal.said = warnings;
                return Err(refusal);
            }
            warnings.extend(old.into_iter().map(Warning::ask));
            warnings.extend(other(&found.group, &new).into_iter().map(Warning::note));
            metadata::change(found, &new, stamp, true)?
        }
        None => {
            let (new, areas) = anew(groups, old)?;
            metadata::create(&new, stamp, &areas)?
        }
    };
    warnings.extend(change.warnings.iter().map(Warning::note));
    warnings.push(Warning::ask(format!("group {name} will be as it was after change {}", old.seqno)));
    let mut steps = change.before;
    steps.extend([change.commit, Step::Commit, Step::Lvm(LvmStep::ForgetHints)]);
    steps.extend(change.after);
    let summary = format!("restore group {name} as it was after change {} ({})", old.seqno, kept.path);
    Ok(Plan { summary, steps, warnings })
}

/// The old state with what is of today: where devices are, how often the group was changed.
fn onto(found: &FoundGroup, old: &Group) -> Result<Group, Refusal> {
    let name = &old.name;
    if found.group.id != old.id {
        return Err(Refusal::new(format!(
            "the group {name} that is there has UUID {}, the one that was kept {}",
            found.group.id, old.id
        )));
    }
    let same = |a: &Group, b: &Group| {
        let mut ids: [Vec<_>; 2] = [a, b].map(|group| group.pvs.iter().map(|pv| pv.id).collect());
        ids.iter_mut().for_each(|ids| ids.sort());
        let [a, b] = ids;
        a == b
    };
    if !same(&found.group, old) {
        return Err(Refusal::new(format!(
            "group {name} had other physical volumes after change {}",
            old.seqno
        ))
        .hint("`vgcfgrestore` together with `pvcreate --restorefile` can bring them back"));
    }
    let mut new = old.clone();
    for pv in &mut new.pvs {
        if let Some((_, now)) = found.group.pv(pv.id) {
            pv.device.clone_from(&now.device);
            pv.device_id.clone_from(&now.device_id);
            pv.status.remove(PvStatus::MISSING);
        }
    }
    Ok(new)
}

/// Where no device knows of the group any more, but all its physical volumes are there.
fn anew(groups: &Groups, old: &Group) -> Result<(Group, Vec<(String, Area)>), Refusal> {
    let name = &old.name;
    if let Some(other) = groups.groups.iter().find(|found| found.group.name == *name) {
        return Err(Refusal::new(format!(
            "there are several groups called {name}; one is {}",
            other.group.id
        )));
    }
    let (mut new, mut areas) = (old.clone(), Vec::new());
    for pv in &mut new.pvs {
        let Some(lone) = groups.lone.iter().find(|lone| lone.label.id == pv.id) else {
            return Err(Refusal::new(format!(
                "physical volume {} of group {name}, last seen as {}, is not there",
                pv.id, pv.device
            ))
            .hint(format!("`pvcreate --uuid {} --restorefile FILE DEVICE` makes it again", pv.id)));
        };
        pv.device.clone_from(&lone.path);
        let usable = lone.areas.iter().map(|seen| &seen.area).filter(|area| !area.ignored);
        areas.extend(usable.map(|area| (lone.path.clone(), area.clone())));
    }
    Ok((new, areas))
}

fn lost(now: &Group, new: &Group) -> Vec<String> {
    let gone = now.volumes.iter().filter(|volume| !volume.is_row());
    gone.filter(|volume| !new.volumes.iter().any(|other| other.id == volume.id))
        .map(|volume| volume.name.clone())
        .collect()
}

fn by_id(group: &Group, volume: &LogicalVolume) -> Option<LogicalVolume> {
    group.volumes.iter().find(|other| other.id == volume.id).cloned()
}

/// Where each extent of a volume is: physical volume and number there, stripe by stripe.
fn places(volume: &LogicalVolume) -> Vec<(&Kind, u64, u64)> {
    volume.segments.iter().map(|segment| (&segment.kind, segment.start, segment.len)).collect()
}

/// Volumes that would have other contents than now: a sentence each.
fn contents(now: &Group, new: &Group) -> Vec<String> {
    let mut all = Vec::new();
    for volume in new.volumes.iter().filter(|volume| !volume.is_row()) {
        let name = format!("{}/{}", new.name, volume.name);
        let snapshot = new.snapshot_in(&volume.name);
        match (by_id(now, volume), snapshot) {
            (Some(was), _) if begins_alike(&was, volume) && takes_used(now, new, volume) => all.push(format!(
                "{name} would have extents back that have been given to other volumes since"
            )),
            (Some(was), _) if begins_alike(&was, volume) => {}
            (Some(_), _) => all.push(format!(
                "{name} is at other extents now: it would have what is there, and nothing of what was written to it since"
            )),
            (None, Some(snapshot)) => all.push(format!(
                "snapshot {name} would come back without what it should have kept of {}/{} since",
                new.name, snapshot.origin
            )),
            (None, None) if takes_used(now, new, volume) => all.push(format!(
                "{name} would come back, and what it had has been given to other volumes since"
            )),
            (None, None) => {}
        }
    }
    all
}

/// One is the other, or its beginning: a volume that grew or shrank at its end.
fn begins_alike(a: &LogicalVolume, b: &LogicalVolume) -> bool {
    let (a, b) = (places(a), places(b));
    let common = a.len().min(b.len());
    let Some(whole) = common.checked_sub(1) else { return a.len() == b.len() };
    let last = a.get(whole).zip(b.get(whole));
    a.iter().zip(&b).take(whole).all(|(a, b)| a == b) && last.is_some_and(|(a, b)| (a.0, a.1) == (b.0, b.1))
}

/// Whether extents of a volume belong to others now.
fn takes_used(now: &Group, new: &Group, volume: &LogicalVolume) -> bool {
    let used = |group: &Group, volume: &LogicalVolume| -> Vec<(LvmUuid, u64, u64)> {
        let runs = volume.segments.iter().flat_map(crate::model::extents::on_devices);
        runs.filter_map(|(pv, first, last)| Some((group.pvs.get(pv)?.id, first, last))).collect()
    };
    let mine = used(new, volume);
    let others = now.volumes.iter().filter(|other| other.id != volume.id);
    let meets = |(pv, first, last): (LvmUuid, u64, u64)| {
        mine.iter().any(|(own, from, to)| *own == pv && *from <= last && first <= *to)
    };
    others.flat_map(|other| used(now, other)).any(meets)
}

/// What else will be different: a sentence each.
fn other(now: &Group, new: &Group) -> Vec<String> {
    let size = |group: &Group, volume: &LogicalVolume| human::size(group.sectors(volume.extents()).bytes().0);
    let one = |volume: &LogicalVolume| {
        let name = format!("{}/{}", new.name, volume.name);
        let Some(was) = by_id(now, volume) else { return Some(format!("{name} comes back")) };
        if was.name != volume.name {
            return Some(format!("{}/{} is called {name} again", now.name, was.name));
        }
        (was.extents() != volume.extents())
            .then(|| format!("{name} has {} again, not {}", size(new, volume), size(now, &was)))
    };
    new.volumes.iter().filter(|volume| !volume.is_row()).filter_map(one).collect()
}

/// An active volume must not change under its user.
fn active(groups: &Groups, found: &FoundGroup, new: &Group) -> Result<(), Refusal> {
    let prefix = uuid::group_prefix(found.group.id.plain());
    let ours = |listed: &&Listed| listed.uuid.as_deref().is_some_and(|uuid| uuid.starts_with(&prefix));
    for listed in groups.active.iter().filter(ours) {
        let id = listed.uuid.as_deref().and_then(uuid::parse).map(|parsed| parsed.volume.to_owned());
        let of = |group: &Group| {
            group.volumes.iter().find(|volume| Some(volume.id.plain()) == id.as_deref()).cloned()
        };
        let (before, after) = (of(&found.group), of(new));
        let snapshots = |group: &Group, name: &str| group.snapshots_of(name).count();
        let same = before.as_ref().zip(after.as_ref()).is_some_and(|(before, after)| {
            before.segments == after.segments
                && before.name == after.name
                && snapshots(&found.group, &before.name) == snapshots(new, &after.name)
        });
        if !same {
            let name = before.map_or_else(|| listed.name.clone(), |volume| volume.name);
            return Err(Refusal::new(format!("volume {name} is active and would change under its users"))
                .hint(format!("`mdctl volume deactivate {}/{name}` first", found.group.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use superblock::{
        Bytes, Sectors,
        lvm::{Extent, Label, PhysicalVolume, Slot, Wish},
    };

    use super::*;
    use crate::{
        model::{
            DevId,
            volume::{AreaSeen, PvDevice},
        },
        plan::run::tests::every_failure_leaves_no_trace,
    };

    fn id(seed: u8) -> LvmUuid {
        LvmUuid::from_random([seed; 32])
    }

    fn device(seed: u8, committed: bool) -> PvDevice {
        let place = Extent { start: Bytes(4096), size: Bytes(1_044_480) };
        let mut area = Area::new(place);
        area.committed = committed.then_some(Slot { offset: 512, size: 900, crc: 1, flags: 0 });
        PvDevice {
            path: format!("/dev/d{seed}"),
            size: Bytes(64 << 20),
            label: Label::new(id(seed), Bytes(64 << 20), place, Bytes(1 << 20)),
            areas: vec![AreaSeen { area, holds: None }],
            dev: DevId { major: 8, minor: u32::from(seed) },
            logical_block: 512,
            read_only: false,
            damaged: Vec::new(),
            twice: Vec::new(),
            stripe: Sectors(0),
            device_id: None,
        }
    }

    fn group(seqno: u32, volumes: &[&str]) -> Group {
        let mut group = Group::empty("vg".into());
        (group.id, group.seqno) = (id(9), seqno);
        for seed in 1..=2 {
            let pv =
                PhysicalVolume::new(id(seed), String::new(), Sectors(131_072), Sectors(2048), Sectors(8192));
            group.pvs.push(pv.unwrap());
        }
        for (name, seed) in volumes.iter().zip(20..) {
            let segments = group.allocate(&Wish { extents: 2, ..Wish::default() }).unwrap().segments;
            group
                .add(LogicalVolume { id: id(seed), segments, ..LogicalVolume::empty((*name).into()) })
                .unwrap();
        }
        group
    }

    fn world(group: Group) -> Groups {
        let devices = vec![Some(device(1, true)), Some(device(2, true))];
        let found = FoundGroup { group, devices, ..FoundGroup::default() };
        Groups { groups: vec![found], ..Groups::default() }
    }

    fn kept(seqno: u32, volumes: &[&str], path: &str) -> KeptState {
        KeptState { path: path.into(), group: group(seqno, volumes) }
    }

    #[test]
    fn every_step_may_fail() {
        let plan =
            plan(&world(group(7, &["a", "b"])), &kept(3, &["a"], "x"), false, &Stamp::default()).unwrap();
        let asked: Vec<_> = plan.warnings.iter().map(|warning| warning.text.as_str()).collect();
        assert_eq!(asked[0], "volumes that this state does not have will be gone: b");
        assert_eq!(every_failure_leaves_no_trace(&plan), 6);
        // Nobody knows the group any more.
        let lone = Groups { lone: vec![device(1, false), device(2, false)], ..Groups::default() };
        let anew = super::plan(&lone, &kept(3, &["a"], "x"), false, &Stamp::default()).unwrap();
        assert_eq!(every_failure_leaves_no_trace(&anew), 5);
        let half = Groups { lone: vec![device(1, false)], ..Groups::default() };
        assert!(
            super::plan(&half, &kept(3, &["a"], "x"), false, &Stamp::default())
                .unwrap_err()
                .text
                .contains("is not there")
        );
    }

    #[test]
    fn what_must_not_come_back() {
        let groups = world(group(7, &["a", "b"]));
        let refused = |groups: &Groups, kept: &KeptState| {
            plan(groups, kept, false, &Stamp::default()).unwrap_err().text
        };
        let mut other = kept(3, &["a"], "x");
        other.group.id = id(8);
        assert!(refused(&groups, &other).contains("the one that was kept"));
        let mut fewer = kept(3, &["a"], "x");
        fewer.group.pvs.pop();
        assert!(refused(&groups, &fewer).contains("had other physical volumes"));
        let mut busy = groups.clone();
        let uuid = uuid::lvm(id(9).plain(), id(21).plain(), None);
        busy.active.push(Listed { name: "vg-b".into(), uuid: Some(uuid), ..Listed::default() });
        assert_eq!(
            refused(&busy, &kept(3, &["a"], "x")),
            "volume b is active and would change under its users"
        );
        let mut locked = groups;
        locked.groups[0].objections.push("of a reason".into());
        assert_eq!(refused(&locked, &kept(3, &["a"], "x")), "group vg can only be read: of a reason");
    }

    #[test]
    fn other_contents_are_named_and_not_restored_without_force() {
        let groups = world(group(7, &["a", "b"]));
        let ask = |now: &Group, old: Group, force: bool| {
            let groups = Groups {
                groups: vec![FoundGroup { group: now.clone(), ..groups.groups[0].clone() }],
                ..Groups::default()
            };
            plan(&groups, &KeptState { path: "x".into(), group: old }, force, &Stamp::default())
        };
        // It was moved since.
        let mut moved = group(7, &["a", "b"]);
        let Kind::Striped { legs, .. } = &mut moved.volume_mut("a").unwrap().segments[0].kind else {
            panic!()
        };
        legs[0].pv = 1;
        let refusal = ask(&moved, group(3, &["a"]), false).unwrap_err();
        assert_eq!(
            refusal.text,
            "group vg as it was after change 3: vg/a is at other extents now: it would have what is there, and nothing of what \
             was written to it since"
        );
        assert!(
            refusal.said[0].text.contains("will be gone: b") && refusal.hint.unwrap().contains("--force")
        );
        let forced = ask(&moved, group(3, &["a"]), true).unwrap();
        assert!(
            forced.needs_consent()
                && forced.warnings.iter().any(|it| it.text.starts_with("vg/a is at other extents"))
        );
        // It is longer or shorter, or has another name, or is back: its content is what it was.
        let mut longer = group(7, &["a", "b"]);
        longer.volume_mut("b").unwrap().segments[0].len = 3;
        longer.rename("a", "c").unwrap();
        longer.remove("c").unwrap();
        let plan = ask(&longer, group(3, &["a", "b"]), false).unwrap();
        let said: Vec<&str> = plan.warnings.iter().map(|it| it.text.as_str()).collect();
        assert!(
            said.contains(&"vg/a comes back") && said.contains(&"vg/b has 8 MiB again, not 12 MiB"),
            "{said:?}"
        );
        // What it had is somebody else's now.
        let mut reused = group(7, &["z"]);
        reused.volumes[0].id = id(77);
        let refusal = ask(&reused, group(3, &["a"]), false).unwrap_err();
        assert!(
            refusal.text.contains("vg/a would come back, and what it had has been given"),
            "{}",
            refusal.text
        );
        // A snapshot that was removed has not kept what was written since.
        let mut with = group(3, &["a", "s"]);
        with.make_snapshot("a", "s", Sectors(8), id(50)).unwrap();
        let refusal = ask(&group(7, &["a"]), with, false).unwrap_err();
        assert!(
            refusal.text.contains("snapshot vg/s would come back without what it should have kept of vg/a"),
            "{}",
            refusal.text
        );
    }

    #[test]
    fn which_state() {
        let all = [
            kept(4, &["a", "b"], "new"),
            kept(3, &["a"], "one"),
            kept(3, &["a"], "same"),
            kept(2, &[], "x"),
            kept(2, &["c"], "y"),
        ];
        let none = Groups::default();
        assert_eq!(choose("vg", &none, &all, &Which::Last).unwrap().path, "new");
        assert_eq!(choose("vg", &none, &all, &Which::At(3)).unwrap().path, "one");
        assert!(
            choose("vg", &none, &all, &Which::At(2))
                .unwrap_err()
                .text
                .contains("kept twice and differently, in x and y")
        );
        assert!(
            choose("vg", &none, &all, &Which::At(9))
                .unwrap_err()
                .text
                .contains("no state of group vg after change 9")
        );
        assert!(choose("vg", &none, &[], &Which::Last).is_err());
    }
    #[test]
    fn of_groups_of_one_name_the_one_that_is_there() {
        let mut other = kept(9, &["b"], "other");
        other.group.id = id(200);
        let all = [other, kept(3, &["a"], "one")];
        let there = world(group(2, &["a"]));
        assert_eq!(choose("vg", &there, &all, &Which::Last).unwrap().path, "one");
        assert!(
            choose("vg", &there, &all, &Which::At(9))
                .unwrap_err()
                .text
                .contains("no state of group vg after")
        );
        // Nothing tells which.
        let refusal = choose("vg", &Groups::default(), &all, &Which::Last).unwrap_err();
        assert!(
            refusal.text.contains("there have been several groups called vg: other has"),
            "{}",
            refusal.text
        );
        assert!(refusal.hint.unwrap().contains("--file"));
    }
}
