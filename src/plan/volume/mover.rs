//! Moving a volume's extents to another device of its group while it is in use.
//!
//! The room on the other device is taken by an ordinary volume whose tag says what it is for; the volume's own device
//! leads to a layer, a mirror of the old extents and of the room's device, which the kernel fills; then one commit of the metadata
//! gives the volume the new extents and the room its old ones back, with one change of tables. Until that commit the old extents are
//! whole, so that whatever happens before loses no more than the copy: after a restart it is begun again, or given up.
//!
//! Nothing is ever written to extents that are not the room's: the copy goes through the room's device, which is in use as
//! long as it is written to. And nothing is believed to be copied unless metadata and tables still say the same ([`stand`]): of
//! whatever does not fit any more the devices are taken away ([`abandon`]).

use std::collections::BTreeSet;

use superblock::lvm::{Found as Room, Group, LogicalVolume, LvmUuid, Wish, group::VolumeFlags};

use super::{
    edit::Means,
    failing, metadata,
    pieces::{self, Copying, Pieces},
    room::{RoomTag, TAG, orphan, tag},
    shift::GroupScene,
    tree::Wanted,
};
use crate::{
    model::{
        active::ActiveDevice,
        dm::{Status, Table, UdevFlags, name, uuid},
    },
    plan::{
        Plan, Refusal, Step,
        dm::{Condition, DmStep, Quiesce},
    },
    request::volume::{PvWord, VolumeName},
};

pub use super::room::{Underway, current, is_renamed, underway};

/// Whether a move goes on.
#[must_use]
pub fn is_underway(group: &Group, move_: &Underway) -> bool {
    underway(group).iter().any(|one| one.id == move_.id)
}

/// How a move stands, by metadata and devices together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand<'a> {
    /// Nothing of it is there any more.
    Over,
    /// It was begun, and nothing copies for the volume: after a restart, or because somebody gave it other tables.
    Interrupted,
    /// This device copies, from where the volume is to where its room is.
    Copies(&'a ActiveDevice),
    /// Its devices are there and do not fit the metadata any more: why.
    Lost(&'static str),
    /// Nothing copies, and it cannot begin again: the volume or its room has changed.
    Unfit,
}

/// Where it is not what it was.
pub const UNFIT: &str =
    "it, or the room that it moves to, has changed since its move began, and nothing is copied";

/// Where nothing of a move is in the metadata, and devices of it are there.
const NO_ROOM: &str =
    "the metadata has no room that it moves to any more: the move was ended, or somebody took the room away";

/// Where somebody removed the volume.
pub const REMOVED: &str = "it was removed while it was being moved";

/// How a move stands.
#[must_use]
pub fn stand<'a>(scene: &GroupScene<'a>, move_: &Underway) -> Stand<'a> {
    let (group, active) = (&scene.found.group, scene.active);
    let layer = active.with(&pieces::layer_uuid(group, move_.id));
    if orphan(group, move_).is_some() {
        return Stand::Lost(REMOVED);
    }
    if !is_underway(group, move_) {
        return layer.map_or(Stand::Over, |_| Stand::Lost(NO_ROOM));
    }
    let Some(layer) = layer.filter(|layer| active.lead_to(&layer.info.name)) else {
        return pieces_of(group, move_).map_or(Stand::Unfit, |_| Stand::Interrupted);
    };
    let Ok(tables) = copying(scene, group, move_) else {
        return Stand::Lost("somebody changed the volume, or the room that it moves to");
    };
    let is = |device: Option<&ActiveDevice>, table: &Table| {
        device.is_some_and(|device| active.named(&device.table) == *table)
    };
    let fits = is(Some(layer), &tables.layer) && is(room_device(scene, group, move_), &tables.room);
    if fits { Stand::Copies(layer) } else { Stand::Lost("its devices are not where the metadata says") }
}

/// Whether the metadata still has what a move is made of.
#[must_use]
pub fn fits(group: &Group, move_: &Underway) -> bool {
    pieces_of(group, move_).is_ok()
}

/// Moves that cannot go on, and rooms whose volume is gone: a sentence each, with what to do.
#[must_use]
pub fn stuck(group: &Group) -> Vec<String> {
    let moves = underway(group);
    let in_room = |room: &LogicalVolume| {
        room.tags.iter().find(|tag| tag.starts_with(TAG))?;
        match moves.iter().find(|move_| move_.room == room.name) {
            Some(move_) if fits(group, move_) => None,
            Some(move_) => {
                let what = format!("{}/{}", group.name, move_.volume);
                Some(format!("{what}: {UNFIT}; mdctl volume move {what} --abort leaves it where it is"))
            }
            None => {
                let what = format!("{}/{}", group.name, room.name);
                Some(format!(
                    "{what} is where a volume was being moved that is gone; mdctl volume remove {what}"
                ))
            }
        }
    };
    group.volumes.iter().filter_map(in_room).collect()
}

/// Moves of which devices are left and the metadata knows nothing, or a room whose volume is gone.
#[must_use]
pub fn left(scene: &GroupScene<'_>) -> Vec<Underway> {
    let group = &scene.found.group;
    let known = underway(group);
    let left = scene.active.devices.iter().filter_map(|device| {
        let uuid = device.info.uuid.as_deref().filter(|uuid| pieces::is_layer(uuid))?;
        let id = uuid::parse(uuid)?.volume.parse::<LvmUuid>().ok()?;
        let named = || name::split(&device.info.name).1;
        let volume = group.volumes.iter().find(|one| one.id == id).map_or_else(named, |one| one.name.clone());
        Some(Underway { volume, id, room: String::new(), from: 0, asleep: false })
    });
    let mut left: Vec<Underway> = left.filter(|one| !known.iter().any(|move_| move_.id == one.id)).collect();
    for room in &group.volumes {
        let Some(tag) = RoomTag::of(room).filter(|tag| tag.volume_in(group).is_none()) else { continue };
        let (volume, room) = (tag.volume.to_owned(), room.name.clone());
        match left.iter_mut().find(|one| tag.is_of(one)) {
            Some(one) => one.room = room,
            None => {
                // Without an identity nothing else is known of it.
                let Some(id) = tag.id else { continue };
                left.push(Underway { volume, id, room, from: 0, asleep: false });
            }
        }
    }
    left
}

/// The device of a move's room.
fn room_device<'a>(scene: &GroupScene<'a>, group: &Group, move_: &Underway) -> Option<&'a ActiveDevice> {
    scene.active.with(&uuid::lvm(group.id.plain(), group.volume(&move_.room)?.id.plain(), None))
}

/// Refuses what would begin the copy of a volume again, or lose it: anything that gives other tables to its devices.
///
/// # Errors
/// The volume, or one of those that share devices with it, is being moved; or it is where one goes.
pub fn refuse_moving(group: &Group, volume: &str) -> Result<(), Refusal> {
    let head = |volume| super::devices::head_of(group, volume);
    let moves = underway(group);
    let in_way = moves.iter().find(|move_| move_.room == volume || head(&move_.volume) == head(volume));
    let Some(move_) = in_way else { return Ok(()) };
    let what = format!("{}/{}", group.name, move_.volume);
    let text = match move_.room == volume {
        true => format!("{}/{volume} is where {what} is being moved", group.name),
        false => format!("{what} is being moved"),
    };
    Err(Refusal::new(text)
        .hint(format!("mdctl volume move {what} --wait ends that; with --abort it stays where it was")))
}

/// The volumes that have extents on a device.
#[must_use]
pub fn on(group: &Group, from: usize) -> Vec<String> {
    let there = |volume: &&LogicalVolume| {
        pieces::extents(volume, from) > 0 && !volume.tags.iter().any(|tag| tag.starts_with(TAG))
    };
    group.volumes.iter().filter(there).map(|volume| volume.name.clone()).collect()
}

/// Takes room and begins to copy. `asleep`: the volume is active for this alone.
///
/// # Errors
/// Nothing of it is on that device, there is no room.
pub fn begin(
    scene: &GroupScene<'_>,
    name: &VolumeName,
    (from, asleep): (usize, bool),
    to: &[PvWord],
    means: &mut Means<'_>,
) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    let refused = |why: String| Refusal::new(format!("{name}: {why}"));
    let volume = group.volume(&name.volume).ok_or_else(|| refused("there is no such volume".into()))?;
    if underway(&group).iter().any(|move_| move_.volume == name.volume) {
        return Err(refused("it is being moved already".into()));
    }
    if let Some(snapshot) =
        group.snapshots().find(|one| one.merging && [one.origin, one.cow].contains(&&*name.volume))
    {
        return Err(refused(format!("it is being rolled back to {}; move it afterwards", snapshot.cow)));
    }
    if !scene.is_active(top(&group, &name.volume)) {
        let hint = format!("mdctl volume activate {name}");
        return Err(refused("it is not active, and the kernel copies only what is".into()).hint(hint));
    }
    let volume_id = volume.id;
    let found = found_room(&group, volume, from, to, means)?.map_err(refused)?;
    // Where one of the family is active for its move alone, all of them are: the last one that ends finds them so.
    let head = super::devices::head_of(&group, &name.volume);
    let asleep = asleep
        || underway(&group)
            .iter()
            .any(|one| one.asleep && super::devices::head_of(&group, &one.volume) == head);
    let id = group.pvs.get(from).map(|pv| pv.id).ok_or_else(|| refused("no such device".into()))?;
    let mut room = LogicalVolume::empty(format!("{}_moves_here", name.volume));
    room.id = means.identity()?;
    room.creation_time = Some(means.now);
    room.creation_host = Some(means.host.clone());
    // Nobody activates it by accident.
    room.flags.insert(VolumeFlags::ACTIVATION_SKIP);
    room.tags = vec![tag((&name.volume, volume_id), id, asleep)];
    room.segments = found.segments;
    let room_name = room.name.clone();
    group.add(room).map_err(|why| refused(why.to_string()))?;
    let move_ = Underway { volume: name.volume.clone(), id: volume_id, room: room_name, from, asleep };
    let tables = copying(scene, &group, &move_)?;
    let summary = format!("begin to move {name} to other devices");
    shifted(scene, &move_, Some(&group), Some(tables), summary)
}

/// Room for what moves; why there is none.
fn found_room(
    group: &Group,
    volume: &LogicalVolume,
    from: usize,
    to: &[PvWord],
    means: &Means<'_>,
) -> Result<Result<Room, String>, Refusal> {
    let extents = pieces::extents(volume, from);
    if extents == 0 {
        return Ok(Err("nothing of it is on that device".into()));
    }
    let mut named = means.places(group, to)?;
    named.retain(|(pv, _)| *pv != from);
    let room = |on: Vec<_>| {
        if on.is_empty() {
            return Err("no room for it: there is no other device".to_owned());
        }
        let wish = Wish { extents, on, align: means.stripes.clone(), ..Wish::default() };
        group.allocate(&wish).map_err(|why| format!("no room for it: {why}"))
    };
    if !named.is_empty() {
        return Ok(room(named));
    }
    let others = || {
        group.pvs.iter().enumerate().map(|(pv, there)| (pv, 0..there.pe_count)).filter(|(pv, _)| *pv != from)
    };
    let beside = pieces::beside(volume, from);
    let apart = others().filter(|(pv, _)| !beside.contains(pv)).collect();
    Ok(room(apart).or_else(|_| room(others().collect())))
}

/// Copies again what a restart interrupted.
///
/// # Errors
/// The volume has changed since.
pub fn resume(scene: &GroupScene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let tables = copying(scene, &scene.found.group, move_)?;
    let summary = format!("begin again to move {}/{}", scene.found.group.name, move_.volume);
    Ok(scene.locked(shifted(scene, move_, None, Some(tables), summary)?))
}

/// All is copied: the volume gets the new extents.
///
/// # Errors
/// The volume has changed since, or it is not copied.
pub fn finish(scene: &GroupScene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    // Only what the kernel mirrors now, between these very extents, can have been copied.
    let copies = match stand(scene, move_) {
        Stand::Copies(device) => device.info.name.clone(),
        Stand::Lost(why) => {
            return Err(Refusal::new(format!("{}/{}: {why}", group.name, move_.volume)));
        }
        Stand::Over | Stand::Interrupted | Stand::Unfit => {
            return Err(Refusal::new(format!("{}/{} is not being copied", group.name, move_.volume)));
        }
    };
    let moved = pieces_of(&group, move_)?.moved();
    let refused = |why: superblock::lvm::BadEdit| {
        Refusal::new(format!("{}/{}: {why}", group_name(scene), move_.volume))
    };
    group.remove(&move_.room).map_err(refused)?;
    if let Some(volume) = group.volume_mut(&move_.volume) {
        volume.segments.clear();
    }
    group.extend(&move_.volume, moved).map_err(refused)?;
    let summary = format!("give {}/{} its new extents", group.name, move_.volume);
    let plan = shifted(scene, move_, Some(&group), None, summary)?;
    Ok(expecting(plan, copies, Condition::InSync))
}

/// A disk may have failed since somebody looked.
fn expecting(mut plan: Plan, name: String, state: Condition) -> Plan {
    let moment = plan.steps.iter().position(|step| matches!(step, Step::Critical(_)));
    plan.steps.insert(moment.unwrap_or(0), Step::Dm(DmStep::Expect { name, state }));
    plan
}

/// The same where something may copy.
fn expecting_well(scene: &GroupScene<'_>, move_: &Underway, plan: Plan) -> Plan {
    let layer = scene.active.with(&pieces::layer_uuid(&scene.found.group, move_.id));
    match layer.filter(|layer| pieces::is_mirror(&layer.table)) {
        Some(layer) => expecting(plan, layer.info.name.clone(), Condition::Well),
        None => plan,
    }
}

/// The copy ends at once, and its devices are taken away: the volume's devices become what the metadata says, which stays as it is.
///
/// # Errors
/// A physical volume is missing.
pub fn abandon(scene: &GroupScene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let group = &scene.found.group;
    let summary = format!("end the copying of {}/{}", group.name, move_.volume);
    if group.volume(&move_.volume).is_some_and(|volume| volume.id == move_.id) {
        let plan = shifted(scene, move_, None, None, summary)?;
        return Ok(scene.locked(expecting_well(scene, move_, plan)));
    }
    // The volume is gone from the metadata. Whoever still has its device open keeps what it leads to, without the copy.
    let layer = scene.active.with(&pieces::layer_uuid(group, move_.id));
    let room = orphan(group, move_);
    if layer.is_none() && room.is_none() {
        return Ok(Plan { summary, ..Plan::default() });
    }
    let mut steps = Vec::new();
    let mut gone: Vec<&ActiveDevice> = Vec::new();
    if let Some(layer) = layer {
        if scene.active.lead_to(&layer.info.name) {
            steps.extend(failing::without_copy(scene, layer, Quiesce::NO_FREEZE));
        } else {
            gone.push(layer);
        }
        let below = scene.rooms_of(layer);
        let is_below = |device: &&ActiveDevice| below.iter().any(|room| room.name == device.info.name);
        gone.extend(scene.active.devices.iter().filter(is_below));
    }
    let own = room.and_then(|room| scene.active.with(&uuid::lvm(group.id.plain(), room.id.plain(), None)));
    let own = own.filter(|own| !gone.iter().any(|one| one.info.name == own.info.name));
    gone.extend(own);
    let gone: Vec<_> = gone.into_iter().map(|device| (device, UdevFlags::HIDDEN)).collect();
    steps.extend(super::devices::withdrawn(&gone, scene.active));
    let settled = [Step::Commit, Step::Dm(DmStep::WaitForUdev)];
    let Some(room) = room else {
        steps.extend(settled);
        return Ok(scene.locked(Plan { summary, steps, warnings: Vec::new() }));
    };
    let mut after = group.clone();
    let name = format!("{}/{}", group.name, room.name);
    after.remove(&room.name).map_err(|why| Refusal::new(format!("{name}: {why}")))?;
    let change = metadata::change(scene.found, &after, scene.stamp, false)?;
    let mut all = change.before;
    all.extend(steps);
    all.push(change.commit);
    all.extend(settled);
    all.extend(change.after);
    let summary = format!("remove {name}, to which nothing is moved any more");
    Ok(Plan { summary, steps: all, warnings: Vec::new() })
}

/// Everything stays where it was.
///
/// # Errors
/// The group may only be read.
pub fn abort(scene: &GroupScene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    let name = format!("{}/{}", group.name, move_.volume);
    if !is_underway(&group, move_) {
        return Err(Refusal::new(format!("{name} is not being moved any more")));
    }
    group.remove(&move_.room).map_err(|why| Refusal::new(format!("{name}: {why}")))?;
    let stays = places(scene, &move_.volume).join(", ");
    let summary = format!("give up the move of {name}: all its data stays on {stays}");
    let plan = shifted(scene, move_, Some(&group), None, summary)?;
    Ok(expecting_well(scene, move_, plan))
}

/// The devices that a volume's extents are on, by the metadata: each once, those that are missing by the path of then.
fn places(scene: &GroupScene<'_>, volume: &str) -> Vec<String> {
    let group = &scene.found.group;
    let segments = group.volume(volume).into_iter().flat_map(|volume| &volume.segments);
    let on: BTreeSet<usize> = segments.flat_map(|segment| segment.legs()).map(|leg| leg.pv).collect();
    let path = |pv: usize| {
        let there = scene.found.devices.get(pv).and_then(Option::as_ref).map(|device| device.path.clone());
        there.or_else(|| group.pvs.get(pv).map(|pv| format!("{} (missing)", pv.device.escape_debug())))
    };
    on.into_iter().filter_map(path).collect()
}

fn group_name<'a>(scene: &GroupScene<'a>) -> &'a str {
    &scene.found.group.name
}

fn pieces_of<'a>(group: &'a Group, move_: &Underway) -> Result<Pieces<'a>, Refusal> {
    let volume = group.volume(&move_.volume).zip(group.volume(&move_.room));
    let pieces = volume.and_then(|(volume, room)| Pieces::of(group, volume, move_.from, room));
    pieces.ok_or_else(|| {
        Refusal::new(format!("{}/{} has changed since its move began", group.name, move_.volume))
            .hint(format!("mdctl volume move {}/{} --abort, and begin again", group.name, move_.volume))
    })
}

/// The tables while the kernel copies.
fn copying(scene: &GroupScene<'_>, group: &Group, move_: &Underway) -> Result<Copying, Refusal> {
    let missing = || Refusal::new(format!("{}/{}: a device is missing", group.name, move_.volume));
    let room = room_device(scene, group, move_);
    let room = room.map_or_else(|| name::join(&group.name, &move_.room, None), |room| room.info.name.clone());
    pieces_of(group, move_)?.copying(&room, &|pv| scene.find(pv)).ok_or_else(missing)
}

/// The volume that is not a snapshot, to whose devices this one's belong.
fn top<'a>(group: &'a Group, volume: &'a str) -> &'a str {
    group.snapshot_in(volume).map_or(volume, |snapshot| snapshot.origin)
}

/// The steps that make metadata (`None`: it stays) and devices what they shall be.
fn shifted(
    scene: &GroupScene<'_>,
    move_: &Underway,
    group: Option<&Group>,
    tables: Option<Copying>,
    summary: String,
) -> Result<Plan, Refusal> {
    let change = group.map(|group| metadata::change(scene.found, group, scene.stamp, false)).transpose()?;
    let after = group.unwrap_or(&scene.found.group);
    let top = top(after, &move_.volume);
    let volume = after.volume(&move_.volume);
    let own = volume.map(|volume| uuid::lvm(after.id.plain(), volume.id.plain(), None)).unwrap_or_default();
    let mut wanted = scene.wanted(after, top)?;
    let layers = wanted.iter().filter(|one| one.uuid.starts_with(&own)).count();
    for one in &mut wanted {
        // Others of the family may be on their way at the same time.
        let live = scene.active.with(&one.uuid).map(|live| scene.active.named(&live.table));
        if let Some(live) = live.filter(|live| !one.uuid.starts_with(&own) && pieces::is_moving(live)) {
            one.table = live;
        }
        // The layer that has the extents: the only one, or the one below.
        let has_extents =
            one.uuid.strip_prefix(&own).is_some_and(|layer| (layer.is_empty()) == (layers == 1));
        if let Some(tables) = tables.as_ref().filter(|_| has_extents) {
            one.table = tables.holder.clone();
        }
    }
    let mut below = scene.moving(top);
    below.retain(|(of, _)| !of.starts_with(&own));
    let mut below: Vec<Wanted> = below.into_iter().map(|(_, one)| one).collect();
    let room = after.volume(&move_.room);
    if let Some(((tables, volume), room)) = tables.zip(volume).zip(room) {
        let known = room_device(scene, after, move_).map(|device| device.info.name.clone());
        let name = known.unwrap_or_else(|| name::join(&after.name, &room.name, None));
        below.push(pieces::room(after, room, name, tables.room));
        below.push(pieces::layer(after, volume, tables.layer));
    }
    wanted.splice(0..0, below);
    scene.turn(top, change, wanted, summary)
}

/// How much of a move is copied, by its device's status: regions in sync and all regions; `None` where a device fails.
#[must_use]
pub fn progress<'a>(statuses: impl Iterator<Item = &'a Status>) -> Option<(u64, u64)> {
    let mut sum = (0_u64, 0_u64);
    for status in statuses {
        let Status::Mirror { legs, in_sync, regions } = status else { continue };
        if legs.iter().any(|(_, health)| *health != 'A') {
            return None;
        }
        sum = (sum.0.saturating_add(*in_sync), sum.1.saturating_add(*regions));
    }
    Some(sum)
}
