//! Groups: devices get labels and metadata areas, join, leave, and are free again.

use superblock::{
    Bytes, Sectors, Write,
    lvm::{Area, Extent, Group, Label, LvmUuid, PhysicalVolume, Stamp, group::GroupStatus, names},
};

use super::{
    change::Decided,
    edit::refused,
    free::usable,
    groups,
    metadata::{self, ListedDevice, LvmStep},
};
use crate::{
    model::{
        Below, Candidate, Device, human,
        volume::{AreaSeen, FoundGroup, GroupLook, GroupSeen, Groups, PvDevice},
    },
    plan::{DiskStep, Plan, Refusal, Step, Warning},
    request::volume::CreateGroup,
};

/// The first metadata area begins here.
const AREA: Bytes = Bytes(4096);
/// Metadata has this much room at the start of each device.
const ROOM: Bytes = Bytes(8 << 20);
/// And this much on devices smaller than [`SMALL`].
const SMALL_ROOM: Bytes = Bytes(1 << 20);
const SMALL: Bytes = Bytes(64 << 20);
/// An extent where nobody says otherwise and the arrays agree.
const EXTENT: u64 = 4 << 20;
/// LVM2 takes extents that are a power of two or a multiple of this.
const UNIT: u64 = 128 << 10;
/// No extent is made larger than this to fit odd stripes.
const LARGEST_FITTING: u64 = 64 << 20;
/// Labels and the area's header are written in one piece, whatever the device's blocks are.
const HEAD: usize = 8192;

/// A device that shall become a physical volume.
#[derive(Debug)]
pub struct New<'a> {
    /// What was found on it.
    pub candidate: &'a Candidate,
    /// What it is.
    pub below: &'a Below,
    /// Its identity as a physical volume.
    pub id: LvmUuid,
    /// By which a devices file knows it.
    pub listed: Option<(String, String)>,
}

/// A device that was looked through and may be used.
struct Taken {
    path: String,
    id: LvmUuid,
    label: Label,
    area: Area,
    size: Bytes,
    data: Bytes,
    writes: Vec<Write>,
    listed: ListedDevice,
}

/// What a group that is made or gets devices looks at: an identity for each, and one for the group.
#[must_use]
pub fn look(group: &str, devices: &[String], command: &str) -> GroupLook {
    GroupLook {
        name: group.to_owned(),
        command: command.to_owned(),
        fresh: devices.len() + 1,
        joining: devices.to_vec(),
        ..GroupLook::default()
    }
}

/// The group's identity, and the devices that are to join it.
fn joining(seen: &GroupSeen) -> Result<(LvmUuid, Vec<New<'_>>), Refusal> {
    let mut fresh = seen.random.iter().copied().map(LvmUuid::from_random);
    let mut identity = || fresh.next().ok_or_else(|| Refusal::new("no more random identities"));
    let group = identity()?;
    let new = seen.joining.iter().map(|(candidate, below)| {
        Ok(New { candidate, below, id: identity()?, listed: below.listed.clone() })
    });
    Ok((group, new.collect::<Result<_, Refusal>>()?))
}

/// Makes a group of what was seen.
///
/// # Errors
/// As [`create`].
pub fn decide_create(seen: &GroupSeen, request: &CreateGroup) -> Decided {
    let (id, new) = joining(seen)?;
    create(request, &new, (&seen.groups, id), &seen.stamp).map(Some)
}

/// Adds devices as they were seen.
///
/// # Errors
/// As [`extend`].
pub fn decide_extend(seen: &GroupSeen, room: Option<Bytes>) -> Decided {
    let found = groups::named(&seen.groups, &seen.name)?;
    let (_, new) = joining(seen)?;
    extend(found, &new, (&seen.groups, room), &seen.stamp).map(Some)
}

/// Makes a group.
///
/// # Errors
/// A name that is none or is used; a device that is in use or is somebody else's.
pub fn create(
    request: &CreateGroup,
    devices: &[New<'_>],
    (groups, id): (&Groups, LvmUuid),
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    let name = &request.group;
    names::group(name).map_err(|why| Refusal::new(format!("group {name}: {why}")))?;
    if groups.groups.iter().any(|found| found.group.name == *name) {
        return Err(Refusal::new(format!("there is a group {name} already"))
            .hint(format!("mdctl volume group extend {name} DEVICE adds devices to it")));
    }
    let mut warnings = Vec::new();
    let taken = take(devices, groups, request.room, &mut warnings)?;
    let mut group = Group::empty(name.clone());
    group.id = id;
    group.status = GroupStatus::RESIZEABLE | GroupStatus::READ | GroupStatus::WRITE;
    group.extent_size = extent(request.extent, devices, &mut warnings)?;
    for one in &taken {
        add(&mut group, one)?;
    }
    let areas: Vec<(String, Area)> = taken.iter().map(|one| (one.path.clone(), one.area.clone())).collect();
    let change = metadata::create(&group, stamp, &areas, 0)?;
    let free = free(Some(name), groups, &taken);
    Ok(finished(format!("make group {name} of {}", paths(&taken)), (change, free), taken, warnings))
}

fn paths(taken: &[Taken]) -> String {
    taken.iter().map(|one| one.path.as_str()).collect::<Vec<_>>().join(", ")
}

/// Adds devices to a group.
///
/// # Errors
/// The group may only be read; a device is in use or is somebody else's.
pub fn extend(
    found: &FoundGroup,
    devices: &[New<'_>],
    (groups, room): (&Groups, Option<Bytes>),
    stamp: &Stamp,
) -> Result<Plan, Refusal> {
    let mut warnings = Vec::new();
    let taken = take(devices, groups, room, &mut warnings)?;
    let mut group = found.group.clone();
    let mut with = found.clone();
    for one in &taken {
        add(&mut group, one)?;
        with.devices.push(Some(seen(one)));
    }
    for below in devices.iter().map(|new| new.below) {
        if below.stripe.0 > 1 && group.extent_size.0 % below.stripe.0 != 0 {
            warnings.push(uneven(&below.path, group.extent_size.bytes(), below.stripe.bytes()));
        }
    }
    let change = metadata::change(&with, &group, stamp, true)?;
    let summary = format!("add {} to group {}", paths(&taken), group.name);
    let free = free(None, groups, &taken);
    Ok(finished(summary, (change, free), taken, warnings))
}

/// As inventory would find it once its label is written.
fn seen(one: &Taken) -> PvDevice {
    PvDevice {
        path: one.path.clone(),
        dev: crate::model::DevId::default(),
        size: one.size,
        logical_block: 512,
        read_only: false,
        label: one.label.clone(),
        areas: vec![AreaSeen { area: one.area.clone(), holds: None }],
        damaged: Vec::new(),
        twice: Vec::new(),
        stripe: Sectors(0),
        device_id: None,
    }
}

fn add(group: &mut Group, one: &Taken) -> Result<(), Refusal> {
    let extent = group.extent_size;
    let pv = PhysicalVolume::new(one.id, one.path.clone(), one.size.sectors(), one.data.sectors(), extent);
    let pv = pv.ok_or_else(|| {
        Refusal::new(format!(
            "{} is too small: behind {} of metadata there is no room for an extent of {}",
            one.path,
            human::size(one.data.0),
            human::size(extent.bytes().0)
        ))
    })?;
    group.add_pv(pv).map_err(|why| refused(&one.path, &why))
}

/// A second look under the locks.
fn free(name: Option<&str>, groups: &Groups, taken: &[Taken]) -> Step {
    // What was taken out of a group while it was away has a text that says otherwise.
    let has_old =
        |path: &str| groups.refused.iter().any(|refused| refused.path == path && !refused.is_somebodys());
    let take = taken.iter().map(|one| one.path.clone()).filter(|path| !has_old(path)).collect();
    metadata::free(name, take, groups)
}

/// Labels go between the lock and the look at the areas that they name.
fn finished(
    summary: String,
    (change, free): (metadata::ChangeOfGroup, Step),
    taken: Vec<Taken>,
    mut warnings: Vec<Warning>,
) -> Plan {
    warnings.extend(change.warnings.iter().map(Warning::note));
    let mut before = change.before.into_iter();
    let mut steps: Vec<Step> = before.next().into_iter().chain([free]).collect();
    steps.extend(taken.iter().map(|one| Step::Disk(DiskStep::Claim { device: one.path.clone() })));
    for one in &taken {
        steps.push(Step::Disk(DiskStep::Write {
            device: one.path.clone(),
            what: format!("the label of physical volume {}", one.id),
            writes: one.writes.clone(),
        }));
    }
    steps.extend(before);
    steps.extend([change.commit, Step::Commit]);
    let listed = taken.iter().map(|one| one.listed.clone()).collect();
    steps.push(Step::Lvm(LvmStep::Devices { add: listed, remove: Vec::new() }));
    steps.push(Step::Lvm(LvmStep::ForgetHints));
    steps.extend(taken.into_iter().map(|one| Step::Disk(DiskStep::Release { device: one.path })));
    steps.extend(change.after);
    Plan { summary, steps, warnings }
}

/// Looks through all devices and prepares what is written to them.
fn take(
    devices: &[New<'_>],
    groups: &Groups,
    room: Option<Bytes>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Taken>, Refusal> {
    super::groups::refuse_unreadable(groups)?;
    let mut taken = Vec::new();
    for (nth, new) in devices.iter().enumerate() {
        let device = usable(new.candidate, groups)?;
        if devices.iter().take(nth).any(|other| other.below.dev == new.below.dev) {
            return Err(Refusal::new(format!("{} is named twice", device.path)));
        }
        warnings.extend(device.used().map(|used| {
            Warning::ask(format!(
                "{} {used}: what they write and the group would destroy each other",
                device.path
            ))
        }));
        warnings.extend(was_in_group(device, groups));
        for foreign in &device.foreign {
            warnings.push(Warning::ask(format!(
                "{}: found {} on it, which will be overwritten",
                device.path,
                foreign.kind.name()
            )));
        }
        warnings.extend(new.below.warning().map(Warning::note));
        taken.push(prepared(new, device, room)?);
    }
    Ok(taken)
}

/// It left a group, and can come back as what it was.
fn was_in_group(device: &Device, groups: &Groups) -> Option<Warning> {
    let pv = groups.outdated.iter().find(|pv| pv.dev == device.id)?;
    let (id, seqno) = pv.areas.iter().find_map(|seen| seen.holds)?;
    let name = &groups.groups.iter().find(|found| found.group.id == id)?.group.name;
    Some(Warning::ask(format!(
        "{} was in group {name} until change {seqno}: as a new physical volume it forgets what volumes had there; \
         `mdctl volume restore {name} --at {seqno}` takes it in again, with what is on it",
        device.path
    )))
}

fn prepared(new: &New<'_>, device: &Device, room: Option<Bytes>) -> Result<Taken, Refusal> {
    let path = device.path.clone();
    let size = device.size.round_down(Bytes(512));
    let room = room.unwrap_or(if size < SMALL { SMALL_ROOM } else { ROOM }).round_down(Bytes(4096));
    if room < SMALL_ROOM || room.0 > u64::from(u32::MAX) {
        return Err(Refusal::new("metadata takes from 1 MiB to 4 GiB"));
    }
    let stripe = new.below.stripe.bytes().max(Bytes(1));
    let data = room.round_up(stripe).filter(|data| *data < size);
    let data = data.ok_or_else(|| {
        Refusal::new(format!(
            "{path} is too small: {}, and metadata takes {}",
            human::size(size.0),
            human::size(room.0)
        ))
    })?;
    let place = Extent { start: AREA, size: room.saturating_sub(AREA) };
    let mut label = Label::new(new.id, size, place, data);
    label.set_in_use(true);
    let area = Area::new(place);
    let mut head = vec![0; HEAD];
    for write in [label.encode(), Some(area.encode())].into_iter().flatten() {
        let at = usize::try_from(write.at.0).unwrap_or(usize::MAX);
        if let Some(place) = head.get_mut(at..at.saturating_add(write.data.len())) {
            place.copy_from_slice(&write.data);
        }
    }
    let mut writes = vec![Write { at: Bytes(0), data: head }];
    writes.extend(signatures(device, size));
    let (kind, name) = new.listed.clone().unwrap_or_else(|| ("devname".to_owned(), path.clone()));
    let listed = ListedDevice { kind, name, path: path.clone(), pv: new.id };
    Ok(Taken { path, id: new.id, label, area, size, data, writes, listed })
}

/// Zeroes over old signatures that the label does not cover.
fn signatures(device: &Device, size: Bytes) -> Vec<Write> {
    let head = Bytes(u64::try_from(HEAD).unwrap_or(0));
    let mut at: Vec<Bytes> =
        device.foreign.iter().map(|foreign| foreign.at.round_down(Bytes(4096))).collect();
    at.sort_unstable();
    at.dedup();
    let piece = |at: Bytes| {
        let length = size.saturating_sub(at).min(Bytes(4096)).round_down(Bytes(512));
        Some(Write { at, data: vec![0; usize::try_from(length.0).ok()?] })
    };
    at.into_iter().filter(|at| *at >= head).filter_map(piece).filter(|write| !write.data.is_empty()).collect()
}

/// The extent: as asked for, else near 4 MiB and a whole number of every array's full stripes.
fn extent(
    asked: Option<Bytes>,
    devices: &[New<'_>],
    warnings: &mut Vec<Warning>,
) -> Result<Sectors, Refusal> {
    let stripes: Vec<u64> =
        devices.iter().map(|new| new.below.stripe.bytes().0).filter(|bytes| *bytes > 0).collect();
    let size = match asked {
        Some(size)
            if size.0 < 1024 || !(size.0.is_power_of_two() || size.0 % UNIT == 0) || size.0 > 16 << 30 =>
        {
            return Err(Refusal::new(format!(
                "an extent of {} is not possible: a power of two from 1 KiB, or a multiple of 128 KiB",
                human::size(size.0)
            )));
        }
        Some(size) => size.0,
        None => fitting(&stripes).unwrap_or(EXTENT),
    };
    for new in devices.iter().filter(|new| new.below.stripe.0 > 1) {
        if size % new.below.stripe.bytes().0 != 0 {
            warnings.push(uneven(&new.below.path, Bytes(size), new.below.stripe.bytes()));
        }
    }
    Ok(Bytes(size).sectors())
}

fn uneven(path: &str, extent: Bytes, stripe: Bytes) -> Warning {
    Warning::tell(format!(
        "{path}: extents of {} are not a whole number of full stripes ({}); volumes begin on one where there is room",
        human::size(extent.0),
        human::size(stripe.0)
    ))
}

/// The size next to 4 MiB that is a multiple of all these stripes and that LVM2 takes.
fn fitting(stripes: &[u64]) -> Option<u64> {
    if stripes.iter().all(|stripe| EXTENT % stripe == 0) {
        return Some(EXTENT);
    }
    let step = stripes.iter().try_fold(UNIT, |step, stripe| lcm(step, *stripe))?;
    let below = EXTENT / step * step;
    let above = below.checked_add(step)?;
    let near = if below > 0 && EXTENT - below <= above - EXTENT { below } else { above };
    (near <= LARGEST_FITTING).then_some(near)
}

fn lcm(a: u64, b: u64) -> Option<u64> {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a.checked_div(x)?).checked_mul(b)
}

/// A device that is nobody's again: neither label nor area.
pub(super) fn bare(pv: &PvDevice) -> Step {
    let at = pv.label.sector.saturating_mul(512);
    let mut places: Vec<Bytes> = vec![Bytes(at).round_down(Bytes(4096))];
    places.extend(pv.label.metadata.iter().map(|area| area.start.round_down(Bytes(4096))));
    places.sort_unstable();
    places.dedup();
    let writes = places.into_iter().map(|at| Write { at, data: vec![0; 4096] }).collect();
    Step::Disk(DiskStep::Write {
        device: pv.path.clone(),
        what: "zeroes over label and metadata area".to_owned(),
        writes,
    })
}

/// Removes a group that has no volumes.
///
/// # Errors
/// It has some, or it may only be read.
pub fn remove(found: &FoundGroup) -> Result<Plan, Refusal> {
    let group = &found.group;
    if let Some(why) = found.objections.first() {
        return Err(Refusal::new(format!("group {} can only be read: {why}", group.name)));
    }
    let volumes: Vec<&str> = super::devices::heads(group).map(|volume| volume.name.as_str()).collect();
    if !volumes.is_empty() {
        let all: Vec<String> = volumes.iter().map(|volume| format!("{}/{volume}", group.name)).collect();
        return Err(Refusal::new(format!("group {} has volumes: {}", group.name, volumes.join(", ")))
            .hint(format!("mdctl volume remove {} removes them and what is in them", all.join(" "))));
    }
    let areas = found.areas().map(|(path, area)| (path.to_owned(), area.clone())).collect();
    let mut steps = vec![
        Step::Lvm(LvmStep::Lock { global: true, groups: vec![group.name.clone()] }),
        Step::Lvm(LvmStep::Check { group: group.name.clone(), areas }),
    ];
    let present: Vec<&PvDevice> = found.present().map(|(_, pv)| pv).collect();
    steps.extend(present.iter().map(|pv| Step::Disk(DiskStep::Claim { device: pv.path.clone() })));
    steps.extend(present.iter().map(|pv| bare(pv)));
    steps.push(Step::Commit);
    let ids = present.iter().map(|pv| pv.label.id).collect();
    steps.push(Step::Lvm(LvmStep::Devices { add: Vec::new(), remove: ids }));
    steps.push(Step::Lvm(LvmStep::ForgetHints));
    steps.push(Step::Lvm(LvmStep::RemoveBackup { group: group.name.clone() }));
    steps.extend(present.iter().map(|pv| Step::Disk(DiskStep::Release { device: pv.path.clone() })));
    steps.push(Step::Lvm(LvmStep::Unlock));
    Ok(Plan { summary: format!("remove group {}", group.name), steps, warnings: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_fit_the_stripes() {
        let mib = 1 << 20;
        for (stripes, extent) in [
            (&[][..], 4 * mib),
            (&[1 << 20], 4 * mib),
            // Three data disks of 64 KiB: multiples of 384 KiB.
            (&[192 << 10], 4224 << 10),
            // Seven of 512 KiB.
            (&[3584 << 10], 3584 << 10),
            (&[3584 << 10, 1 << 20], 7 * mib),
        ] {
            assert_eq!(fitting(stripes), Some(extent), "{stripes:?}");
        }
        assert_eq!(fitting(&[(1 << 20) - 4096, 3 << 20]), None);
    }
}
