//! Which devices a group's volumes have, which they should have, and the steps between.

use std::collections::BTreeSet;

use superblock::lvm::{Group, LogicalVolume, Part, group::VolumeFlags};

use super::{
    metadata::LvmStep,
    mover::{self, Underway},
    pieces, rollback,
    siblings::Stores,
    tree::{Family, MISSING, NoTree, Wanted},
};
use crate::model::order::InOrder as _;
use crate::{
    model::{
        active::{Active, ActiveDevice},
        dm::{Dev, Table, Target, UdevFlags, uuid},
        volume::FoundGroup,
    },
    plan::{
        Plan, Refusal, Step, Warning,
        dm::{Before, DmStep, Gone, Quiesce},
    },
};

/// Where each physical volume of a group is.
pub fn finder(found: &FoundGroup) -> impl Fn(usize) -> Option<Dev> {
    |index| found.devices.get(index)?.as_ref().map(|device| Dev::Number(device.dev))
}

/// The volumes that people see and that have devices of their own: neither snapshots nor hidden.
pub fn heads(group: &Group) -> impl Iterator<Item = &LogicalVolume> {
    let parts = group.parts();
    let head = |part: &Part| matches!(part, Part::Plain | Part::Origin { .. });
    group.volumes.iter().zip(parts).filter(move |(_, part)| head(part)).map(|(volume, _)| volume)
}

/// The volume whose devices this one's are among: a snapshot's origin, else itself.
#[must_use]
pub fn head_of<'a>(group: &'a Group, volume: &'a str) -> &'a str {
    group.snapshot_in(volume).map_or(volume, |snapshot| snapshot.origin)
}

/// The volumes whose devices a request is about, each once, in the group's order; all where none are named.
///
/// # Errors
/// One is not there.
pub fn chosen<'a>(group: &'a Group, names: &[String]) -> Result<Vec<&'a str>, Refusal> {
    for name in names {
        if group.volume(name).is_none() {
            return Err(Refusal::new(format!("there is no volume {}/{name}", group.name))
                .hint(format!("mdctl volume list {} lists those that there are", group.name)));
        }
    }
    let wanted: BTreeSet<&str> = names.iter().map(|name| head_of(group, name)).collect();
    let all = heads(group).map(|volume| volume.name.as_str());
    Ok(all.filter(|name| names.is_empty() || wanted.contains(name)).collect())
}

/// What an activation comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// The steps; none where everything is active already.
    pub plan: Plan,
    /// Volumes that cannot be activated, and why.
    pub left_out: Vec<Refusal>,
}

/// What goes on with an activation, and somebody has to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoesOn {
    /// Snapshots to which volumes are rolled back.
    pub rollbacks: Vec<String>,
    /// Moves.
    pub moves: Vec<Underway>,
}

/// The snapshot that activating a volume begins, or goes on, to put back.
fn about_to_merge<'a>(group: &'a Group, active: &Active, head: &'a str) -> Option<&'a str> {
    let id = group.volume(head)?.id;
    let device = active.with(&uuid::lvm(group.id.plain(), id.plain(), None));
    if device.is_some_and(|device| device.info.live) {
        return None;
    }
    group.snapshots_of(head).find(|one| one.merging).map(|one| one.cow)
}

/// Snapshots that an activation puts back, of volumes that have others, too: what their stores have decides.
#[must_use]
pub fn merges_beside_others(found: &FoundGroup, active: &Active, names: &[String]) -> Vec<String> {
    let group = &found.group;
    let heads = chosen(group, names).unwrap_or_default().into_iter();
    let heads = heads.filter(|head| group.snapshots_of(head).nth(1).is_some());
    heads.filter_map(|head| about_to_merge(group, active, head)).map(str::to_owned).collect()
}

/// What was begun with the volumes that an activation is about. A rollback that waits until its volume is closed is not among it.
#[must_use]
pub fn goes_on(found: &FoundGroup, active: &Active, names: &[String]) -> GoesOn {
    let group = &found.group;
    let chosen = chosen(group, names).unwrap_or_default();
    let is_meant = |volume: &str| chosen.contains(&head_of(group, volume));
    let live = |volume: &str| {
        let id = group.volume(volume)?.id;
        active.with(&uuid::lvm(group.id.plain(), id.plain(), None))
    };
    let merges = |device: &ActiveDevice| {
        device.table.rows.iter().any(|row| matches!(row.target, Target::SnapshotMerge(_)))
    };
    let begins = |origin: &str| live(origin).is_none_or(merges);
    let merging = group.snapshots().filter(|one| one.merging && is_meant(one.origin) && begins(one.origin));
    let moves = mover::underway(group).into_iter();
    GoesOn {
        rollbacks: merging.map(|one| one.cow.to_owned()).collect(),
        moves: moves.filter(|move_| is_meant(&move_.volume) && mover::fits(group, move_)).collect(),
    }
}

/// Refuses a group that others may be using, or whose own words are not understood.
///
/// # Errors
/// Whose it is, or what is not understood.
pub fn refuse_anothers(found: &FoundGroup) -> Result<(), Refusal> {
    let Some(why) = found.anothers.first() else { return Ok(()) };
    let group = &found.group;
    let refusal = Refusal::new(format!("group {} is not activated: {why}", group.name));
    Err(match &group.system_id {
        Some(id) if !id.is_empty() => refusal.hint(
            "`vgchange --systemid` on that machine hands it over; local/extra_system_ids in lvmlocal.conf takes it in here",
        ),
        Some(_) | None => refusal,
    })
}

/// Why a volume has no devices, for people.
#[must_use]
pub fn no_devices(found: &FoundGroup, why: &NoTree) -> Refusal {
    let refusal = Refusal::new(left_out(found, why));
    match why {
        NoTree::OnMove(volume) => refusal
            .hint(format!("`lvchange -ay {}/{volume}` activates it and goes on moving it", found.group.name)),
        NoTree::Missing { .. } | NoTree::Kind { .. } | NoTree::None(_) => refusal,
    }
}

/// Activates volumes of a group, or all of it. What is active stays; what was left half-made is finished.
///
/// # Errors
/// One that is named is not there; the group is somebody else's.
pub fn activate(
    found: &FoundGroup,
    active: &Active,
    stores: &Stores,
    names: &[String],
    partial: bool,
) -> Result<Activation, Refusal> {
    refuse_anothers(found)?;
    let group = &found.group;
    let find = finder(found);
    // Errors take the place of what is gone, never of what is there and only does not count.
    let missing = |index: usize| (!found.is_left_out(index)).then(|| Dev::Path(MISSING.to_owned()));
    let lenient = |index: usize| find(index).or_else(|| missing(index));
    let (mut steps, mut done) = (Vec::new(), Activation::default());
    for name in chosen(group, names)? {
        let skipped = names.is_empty()
            && group.volume(name).is_some_and(|volume| volume.flags.contains(VolumeFlags::ACTIVATION_SKIP));
        if skipped {
            continue;
        }
        let family = if partial { Family::of(group, name, &lenient) } else { Family::of(group, name, &find) };
        match family {
            Ok(_) if is_strange(group, name) => done.left_out.push(Refusal::new(format!(
                "{0}/{name}: its metadata has words that are not known to this program: `lvchange -ay {0}/{name}`",
                group.name
            ))),
            Ok(family) => {
                if let Some(snapshot) = about_to_merge(group, active, name) {
                    if let Err(why) = rollback::may_begin(group, snapshot, stores) {
                        done.left_out.push(why);
                        continue;
                    }
                }
                let wanted = family.wanted();
                let before = steps.len();
                steps.extend(wanted.iter().flat_map(|one| made(one, active)));
                steps.extend(found_again(group, name, &wanted, active));
                if partial && steps.len() > before && Family::of(group, name, &find).is_err() {
                    done.plan.warnings.push(Warning::note(format!(
                        "{}/{name}: parts of it are missing and give errors",
                        group.name
                    )));
                }
            }
            Err(why) => done.left_out.push(no_devices(found, &why)),
        }
    }
    done.plan.summary = format!("activate {}", shown(group, names));
    if !steps.is_empty() {
        done.plan.steps = locked(found, steps);
    }
    Ok(done)
}

/// Volumes in a summary, or the group where all are meant; many only by the first and the last.
pub(super) fn shown(group: &Group, names: &[String]) -> String {
    match names {
        [] => group.name.clone(),
        [first, .., last] if names.len() > 8 => {
            format!("{} volumes of {}, {first} to {last}", names.len(), group.name)
        }
        _ => names.iter().map(|name| format!("{}/{name}", group.name)).collect::<Vec<_>>().join(", "),
    }
}

/// Whether the metadata of a volume, or of a snapshot of it, has words that are not understood.
fn is_strange(group: &Group, head: &str) -> bool {
    let is = |name: &str| group.strange_volumes.contains(name);
    is(head) || group.snapshots_of(head).any(|snapshot| is(snapshot.cow) || is(&snapshot.row.name))
}

fn left_out(found: &FoundGroup, why: &NoTree) -> String {
    let group = &found.group;
    match why {
        NoTree::Missing { volume, pv } => match group.pv(*pv) {
            Some((index, _)) if found.is_left_out(index) => {
                format!("{}/{volume} has no devices: {}", group.name, found.why_absent(index))
            }
            Some((_, pv)) => format!(
                "{}/{volume} needs a device that is missing: physical volume {}, last seen as {}",
                group.name,
                pv.id,
                pv.device.escape_debug()
            ),
            None => format!("{}/{why}", group.name),
        },
        NoTree::Kind { .. } | NoTree::OnMove(_) | NoTree::None(_) => format!("{}/{why}", group.name),
    }
}

/// Devices that stood for missing ones which are there again: nothing leads to them any more.
fn found_again(group: &Group, head: &str, wanted: &[Wanted], active: &Active) -> Vec<Step> {
    let ids = family_ids(group, head);
    let idle = |device: &&ActiveDevice| {
        let stood_in = layer(device).is_some_and(|layer| layer.starts_with("missing_"));
        let uuid = device.info.uuid.as_deref();
        stood_in && is_of(device, &ids) && !wanted.iter().any(|one| Some(one.uuid.as_str()) == uuid)
    };
    let idle: Vec<_> = active.devices.iter().filter(idle).map(|device| (device, UdevFlags::HIDDEN)).collect();
    withdrawn(&idle, active)
}

/// Device steps under the group's lock, with one wait for udev.
pub(super) fn locked(found: &FoundGroup, devices: Vec<Step>) -> Vec<Step> {
    let group = found.group.name.clone();
    let areas = found.areas().map(|(path, area)| (path.to_owned(), area.clone())).collect();
    let mut steps = vec![
        Step::Lvm(LvmStep::Lock { global: false, groups: vec![group.clone()] }),
        Step::Lvm(LvmStep::Check { group, areas }),
    ];
    steps.extend(devices);
    steps.extend([Step::Commit, Step::Dm(DmStep::WaitForUdev), Step::Lvm(LvmStep::Unlock)]);
    steps
}

/// The steps that make a device as it should be; none where it is.
fn made(one: &Wanted, active: &Active) -> Vec<Step> {
    let Some(there) = active.with(&one.uuid) else {
        return [create(one), vec![load(one), resume(one, None)]].concat();
    };
    let mut steps = Vec::new();
    if there.info.name != one.name {
        steps.push(renamed(&there.info.name, one));
    }
    if !there.info.live {
        steps.extend([load(one), resume(one, None)]);
    } else if differs(one, there, active) {
        let before = Before { table: there.table.clone(), read_only: there.info.read_only };
        steps.extend([load(one), resume(one, Some(before))]);
    } else if there.info.suspended {
        steps.push(resume(one, None));
    }
    steps
}

/// Whether the live table is another. Tables with snapshots in them change only in moments of their own.
fn differs(one: &Wanted, there: &ActiveDevice, active: &Active) -> bool {
    let plain = |table: &Table| {
        table
            .rows
            .iter()
            .all(|row| matches!(row.target, Target::Linear(_) | Target::Striped { .. } | Target::Error))
    };
    let live = active.named(&there.table);
    plain(&one.table) && plain(&live) && !pieces::is_moving(&live) && live != one.table
}

/// A device without a table.
pub(super) fn create(one: &Wanted) -> Vec<Step> {
    vec![Step::Dm(DmStep::Create { name: one.name.clone(), uuid: Some(one.uuid.clone()), minor: None })]
}

pub(super) fn load(one: &Wanted) -> Step {
    Step::Dm(DmStep::Load { name: one.name.clone(), table: one.table.clone(), read_only: one.read_only })
}

/// Makes the waiting table live. A file system on it need not be frozen: what it has stays where it is.
pub(super) fn resume(one: &Wanted, before: Option<Before>) -> Step {
    let (name, flags) = (one.name.clone(), one.flags);
    Step::Dm(DmStep::Resume { name, flags, quiesce: Quiesce::NO_FREEZE, before: before.map(Box::new) })
}

pub(super) fn renamed(from: &str, one: &Wanted) -> Step {
    Step::Dm(DmStep::Rename { name: from.to_owned(), to: one.name.clone(), flags: one.flags })
}

/// Everything that these volumes have in the driver, in the order in which it can go: nothing before what stands on it.
#[must_use]
pub fn devices_of<'a>(
    found: &FoundGroup,
    active: &'a Active,
    heads: &[&str],
) -> Vec<(&'a ActiveDevice, UdevFlags)> {
    let group = &found.group;
    let mut all: Vec<(&ActiveDevice, UdevFlags)> = Vec::new();
    let moves = mover::underway(group);
    let is_room = |name: &str| moves.iter().any(|move_| move_.room == name);
    // Rooms that are in use go after what stands on them.
    let (rooms, others): (Vec<&str>, Vec<&str>) = heads.iter().copied().partition(|head| is_room(head));
    let mut heads: Vec<&str> = others;
    let of_these = moves.iter().filter(|move_| heads.contains(&head_of(group, &move_.volume)));
    let more: Vec<&str> = of_these.map(|move_| move_.room.as_str()).collect();
    heads.extend(more);
    heads.extend(rooms);
    for (at, head) in heads.iter().enumerate() {
        if heads.iter().take(at).any(|before| before == head) {
            continue;
        }
        let wanted = Family::of(group, head, &|_| Some(Dev::Path(MISSING.to_owned())));
        let wanted = wanted.map(|family| family.wanted()).unwrap_or_default();
        let known = wanted.iter().rev().filter_map(|one| Some((active.with(&one.uuid)?, one.flags)));
        let mut these: Vec<(&ActiveDevice, UdevFlags)> = known.collect();
        // Layers of a time before: what has none goes first.
        let ids: Vec<&str> = family_ids(group, head);
        let is_new = |device: &ActiveDevice| !these.iter().any(|(known, _)| std::ptr::eq(*known, device));
        let mut rest: Vec<&ActiveDevice> =
            active.devices.iter().filter(|device| is_of(device, &ids) && is_new(device)).collect();
        rest.order_by_key(|device| layer(device).is_some());
        these.extend(rest.into_iter().map(|device| {
            (device, if layer(device).is_some() { UdevFlags::HIDDEN } else { UdevFlags::VISIBLE })
        }));
        all.extend(these);
    }
    all
}

pub(super) fn layer(device: &ActiveDevice) -> Option<&str> {
    uuid::parse(device.info.uuid.as_deref()?)?.layer
}

pub(super) fn is_of(device: &ActiveDevice, ids: &[&str]) -> bool {
    let parsed = device.info.uuid.as_deref().and_then(uuid::parse);
    parsed.is_some_and(|parsed| ids.contains(&parsed.volume))
}

/// The identities of a volume and its snapshots.
pub(super) fn family_ids<'a>(group: &'a Group, head: &'a str) -> Vec<&'a str> {
    let names = group.snapshots_of(head).map(|snapshot| snapshot.cow).chain(std::iter::once(head));
    names.filter_map(|name| group.volume(name)).map(|volume| volume.id.plain()).collect()
}

/// Refuses devices that somebody has open, by whom.
///
/// # Errors
/// The first of them.
pub fn unused(group: &str, devices: &[(&ActiveDevice, UdevFlags)]) -> Result<(), Refusal> {
    let Some((device, _)) = devices.iter().find(|(device, _)| !device.holders.is_empty()) else {
        return Ok(());
    };
    let (_, volume, _) = crate::model::dm::name::split(&device.info.name);
    let refusal = Refusal::new(format!("{group}/{volume} is in use by {}", device.holders.join(", ")));
    let mounted = device.holders.iter().find_map(|holder| holder.strip_prefix("the file system mounted at "));
    Err(match mounted {
        Some(at) => refusal.hint(format!("umount {at}")),
        None => refusal,
    })
}

/// Devices in an order in which nothing goes before what stands on it.
pub(super) fn top_down(active: &Active) -> Vec<&ActiveDevice> {
    let mut left: Vec<&ActiveDevice> = active.devices.iter().collect();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let tables: Vec<Table> = left.iter().map(|device| active.named(&device.table)).collect();
        let below: BTreeSet<&str> = tables
            .iter()
            .flat_map(Table::devices)
            .filter_map(|dev| if let Dev::Dm(name) = dev { Some(name.as_str()) } else { None })
            .collect();
        let (under, top): (Vec<_>, Vec<_>) =
            left.iter().partition(|device| below.contains(device.info.name.as_str()));
        if top.is_empty() {
            ordered.extend(under);
            break;
        }
        (left, ordered) = (under, [ordered, top].concat());
    }
    ordered
}

/// The same before it is decided: if the plan fails, they come back.
pub(super) fn withdrawn(devices: &[(&ActiveDevice, UdevFlags)], active: &Active) -> Vec<Step> {
    let withdraw = |(device, flags): &(&ActiveDevice, UdevFlags)| {
        let ActiveDevice { info, table, .. } = device;
        let (name, flags) = (info.name.clone(), *flags);
        Step::Dm(match info.live {
            false => DmStep::Remove { name, flags, deferred: false },
            true => DmStep::Withdraw(Box::new(Gone {
                name,
                uuid: info.uuid.clone(),
                table: active.named(table),
                read_only: info.read_only,
                flags,
            })),
        })
    };
    devices.iter().map(withdraw).collect()
}

pub(super) fn removed(devices: &[(&ActiveDevice, UdevFlags)]) -> Vec<Step> {
    let remove = |(device, flags): &(&ActiveDevice, UdevFlags)| {
        Step::Dm(DmStep::Remove { name: device.info.name.clone(), flags: *flags, deferred: false })
    };
    devices.iter().map(remove).collect()
}
