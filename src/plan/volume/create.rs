//! New volumes: room, old signatures, metadata, devices.
//!
//! What lies at the start of a new volume's extents is wiped on the group's devices, before there is a device that could
//! be looked at. So udev never sees what was there, and the bytes are kept like all that is overwritten.

use std::collections::{BTreeMap, HashMap};

use superblock::{
    Bytes, Write,
    lvm::{Group, LogicalVolume, Stamp},
};

use super::{
    change::{Decide, Decided, Sought},
    devices::{create, finder, load, resume},
    edit::{self, Means},
    groups, metadata,
    tree::{Family, Wanted},
};
use crate::{
    model::{
        Below,
        extents::{self, OldContent},
        volume::{FoundGroup, GroupLook, GroupSeen},
    },
    plan::{
        DiskStep, Plan, Refusal, Step, Warning,
        course::{Look, View},
        dm::DmStep,
    },
    request::volume::{CreateVolumes, NewVolume, Wipe},
};

/// The start of every new volume is zero: no old file system is found there.
const START: Bytes = Bytes(4096);
/// Signatures are wiped in pieces of this size.
const PIECE: Bytes = Bytes(4096);

/// The group with the new volumes, and what should be said.
///
/// # Errors
/// One of them cannot be made; then none is.
pub fn edited(
    found: &FoundGroup,
    volumes: &[NewVolume],
    means: &mut Means<'_>,
) -> Result<(Group, Vec<Warning>), Refusal> {
    let mut after = found.group.clone();
    let said = edit::create(&mut after, volumes, means)?;
    Ok((after, said))
}

/// The plan. `old`: what is in the place of each new volume, by name; nothing is known of those that are not in it.
///
/// # Errors
/// The group may only be read, or old signatures are to be asked about.
pub fn plan(
    found: &FoundGroup,
    (after, said): (&Group, Vec<Warning>),
    request: &CreateVolumes,
    old: &BTreeMap<String, OldContent>,
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    let change = metadata::change(found, after, stamp, false)?;
    let names: Vec<&str> = request.volumes.iter().map(|new| new.name.volume.as_str()).collect();
    let mut warnings = said;
    warnings.extend(change.warnings.iter().map(Warning::note));
    if request.wipe == Wipe::Ask {
        for (name, old) in old.iter().filter(|(_, old)| !old.signatures.is_empty()) {
            let what: Vec<&str> = old.signatures.iter().map(|(what, _)| what.as_str()).collect();
            let (group, what) = (&after.name, what.join(", "));
            warnings.push(Warning::ask(format!(
                "{group}/{name}: found {what} in its place, which will be wiped (--wipe yes wipes without a question)"
            )));
        }
    }
    let mut steps = change.before;
    let wipes = wipes(found, after, &names, old);
    for (device, writes) in &wipes {
        steps.push(Step::Disk(DiskStep::Share { device: device.clone() }));
        let what = "zeroes where new volumes begin".to_owned();
        steps.push(Step::Disk(DiskStep::Write { device: device.clone(), what, writes: writes.clone() }));
    }
    let wanted = if request.inactive { Vec::new() } else { devices(found, after, &names)? };
    for one in &wanted {
        steps.extend(create(one));
        steps.push(load(one));
    }
    steps.extend([change.commit, Step::Commit]);
    steps.extend(wanted.iter().map(|one| resume(one, None)));
    if !wanted.is_empty() {
        steps.push(Step::Dm(DmStep::WaitForUdev));
    }
    steps.extend(wipes.into_keys().map(|device| Step::Disk(DiskStep::Release { device })));
    steps.extend(change.after);
    Ok(Plan { summary: summary(&after.name, &names), steps, warnings })
}

fn summary(group: &str, names: &[&str]) -> String {
    match names {
        [one] => format!("make volume {group}/{one}"),
        [first, .., last] => format!("make {} volumes in {group}, {first} to {last}", names.len()),
        [] => format!("make no volume in {group}"),
    }
}

fn devices(found: &FoundGroup, after: &Group, names: &[&str]) -> Result<Vec<Wanted>, Refusal> {
    let find = finder(found);
    let mut wanted = Vec::new();
    for volume in named(after, names) {
        let family = Family::alone(after, volume, &find)
            .map_err(|why| Refusal::new(format!("{}/{why}", after.name)))?;
        wanted.extend(family.wanted());
    }
    Ok(wanted)
}

/// The volumes of these names, looked up once for all.
fn named<'a>(group: &'a Group, names: &[&str]) -> Vec<&'a LogicalVolume> {
    let known: HashMap<&str, &LogicalVolume> =
        group.volumes.iter().map(|volume| (volume.name.as_str(), volume)).collect();
    names.iter().filter_map(|name| known.get(name).copied()).collect()
}

/// Zeroes by device, each range once.
fn wipes(
    found: &FoundGroup,
    after: &Group,
    names: &[&str],
    old: &BTreeMap<String, OldContent>,
) -> BTreeMap<String, Vec<Write>> {
    let mut wipes: BTreeMap<String, Vec<Write>> = BTreeMap::new();
    for volume in named(after, names) {
        let Some(old) = old.get(&volume.name) else { continue };
        let start = old.dirty.then_some((Bytes(0), START));
        let signatures = old.signatures.iter().map(|(_, at)| (at.round_down(PIECE), PIECE));
        let mut ranges: Vec<(Bytes, Bytes)> = start.into_iter().chain(signatures).collect();
        ranges.sort_unstable();
        ranges.dedup();
        for (at, length) in ranges {
            for (pv, write) in extents::zeroes(after, volume, at, length) {
                let Some(device) = found.devices.get(pv).and_then(Option::as_ref) else { continue };
                wipes.entry(device.path.clone()).or_default().push(write);
            }
        }
    }
    wipes
}

/// What should be said of the devices that new extents lie on, and why none can be written.
///
/// # Errors
/// A device of the group takes no writes.
pub fn below(found: &FoundGroup, below: &[Below]) -> Result<Vec<Warning>, Refusal> {
    for (_, device) in found.present() {
        let stuck = below.iter().find(|below| below.dev == device.dev && below.read_only);
        if device.read_only || stuck.is_some() {
            let refusal = Refusal::new(format!(
                "{} is read-only: group {} cannot be changed",
                device.path, found.group.name
            ));
            return Err(match stuck.and_then(|below| below.array.as_ref()) {
                Some(_) => refusal.hint(format!("mdctl readwrite {} makes the array writable", device.path)),
                None => refusal,
            });
        }
    }
    Ok(below.iter().filter_map(Below::warning).map(Warning::note).collect())
}

/// What the making of volumes looks at; each needs an identity.
#[must_use]
pub fn look(request: &CreateVolumes, group: &str, command: &str) -> GroupLook {
    GroupLook {
        name: group.to_owned(),
        command: command.to_owned(),
        paths: edit::paths(request.volumes.iter().flat_map(|new| &new.on)),
        fresh: request.volumes.len(),
        below: true,
        ..GroupLook::default()
    }
}

/// The making of volumes, by what is seen.
#[derive(Clone, Copy, Debug)]
pub struct MakingVolumes<'a> {
    /// What is asked for.
    pub request: &'a CreateVolumes,
}

impl MakingVolumes<'_> {
    /// The group as it would be, and what should be said.
    fn after(self, seen: &GroupSeen, found: &FoundGroup) -> Result<(Group, Vec<Warning>), Refusal> {
        let mut said = below(found, &seen.below)?;
        let pv_of = |path: &str| edit::pv_of(found, seen, path);
        let mut means = Means::of(seen, found, &pv_of);
        let (after, more) = edited(found, &self.request.volumes, &mut means)?;
        said.extend(more);
        Ok((after, said))
    }

    fn with(self, seen: &GroupSeen, old: &BTreeMap<String, OldContent>) -> Decided {
        let found = groups::named(&seen.groups, &seen.name)?;
        let (after, said) = self.after(seen, found)?;
        plan(found, (&after, said), self.request, old, &seen.stamp).map(Some)
    }
}

impl Decide for MakingVolumes<'_> {
    fn first(&mut self, seen: &GroupSeen) -> Result<Sought, Refusal> {
        if self.request.wipe == Wipe::No {
            return self.with(seen, &BTreeMap::new()).map(Sought::Decided);
        }
        let found = groups::named(&seen.groups, &seen.name)?;
        let (after, _) = self.after(seen, found)?;
        let names = self.request.volumes.iter().map(|new| new.name.volume.clone()).collect();
        Ok(Sought::Look(Look::InPlace { found: Box::new(found.clone()), after: Box::new(after), names }))
    }

    fn then(&mut self, seen: &GroupSeen, more: View) -> Decided {
        self.with(seen, &more.in_place()?)
    }
}
