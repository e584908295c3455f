//! Moving a volume's extents to another device of its group while it is in use.
//!
//! The room on the other device is taken by an ordinary volume whose tag says what it is for; the volume's own device
//! becomes a mirror of old and new extents (of a striped volume a layer below it), which the kernel fills; then one commit of the metadata gives the volume the new
//! extents and the room its old ones back, with one change of tables. Until that commit the old extents are whole, so that whatever
//! happens before loses no more than the copy: after a restart it is begun again, or given up.

use superblock::lvm::{Found as Room, Group, LogicalVolume, LvmUuid, Wish, group::VolumeFlags};

use super::{
    edit::Means,
    metadata,
    pieces::{self, Copying, Pieces},
    request::{PvWord, VolumeName},
    shift::Scene,
};
use crate::{
    model::{
        active::ActiveDevice,
        dm::{Status, uuid},
    },
    plan::{Plan, Refusal},
};

/// What the tag of the room begins with; the volume's name follows, and the device that is emptied.
const TAG: &str = "mdt:move=";
/// Between them.
const FROM: &str = "&from=";
/// What ends it where the volume was not active before.
const ASLEEP: &str = "&then=deactivate";

/// A move that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Underway {
    /// The volume that moves.
    pub volume: String,
    /// The volume that has the room.
    pub room: String,
    /// Index of the physical volume that is emptied.
    pub from: usize,
    /// It was not active before, and shall not be afterwards.
    pub asleep: bool,
}

/// The moves of a group.
#[must_use]
pub fn underway(group: &Group) -> Vec<Underway> {
    let of = |room: &LogicalVolume| {
        let tag = room.tags.iter().find_map(|tag| tag.strip_prefix(TAG))?;
        let (volume, from) = tag.split_once(FROM)?;
        let (from, asleep) = from.strip_suffix(ASLEEP).map_or((from, false), |from| (from, true));
        let (from, _) = group.pv(from.parse::<LvmUuid>().ok()?)?;
        group.volume(volume)?;
        Some(Underway { volume: volume.to_owned(), room: room.name.clone(), from, asleep })
    };
    group.volumes.iter().filter_map(of).collect()
}

/// Whether a move goes on.
#[must_use]
pub fn is_underway(group: &Group, move_: &Underway) -> bool {
    underway(group).iter().any(|one| one.volume == move_.volume)
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
    scene: &Scene<'_>,
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
    let then = if asleep { ASLEEP } else { "" };
    room.tags = vec![format!("{TAG}{}{FROM}{}{then}", name.volume, id.plain())];
    room.segments = found.segments;
    let room_name = room.name.clone();
    group.add(room).map_err(|why| refused(why.to_string()))?;
    let move_ = Underway { volume: name.volume.clone(), room: room_name, from, asleep };
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
pub fn resume(scene: &Scene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let tables = copying(scene, &scene.found.group, move_)?;
    let summary = format!("begin again to move {}/{}", scene.found.group.name, move_.volume);
    Ok(scene.locked(shifted(scene, move_, None, Some(tables), summary)?))
}

/// All is copied: the volume gets the new extents.
///
/// # Errors
/// The volume has changed since.
pub fn finish(scene: &Scene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    // Only what the kernel mirrors now can have been copied.
    if device(scene, move_).is_none() {
        return Err(Refusal::new(format!("{}/{} is not being copied", group.name, move_.volume)));
    }
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
    shifted(scene, move_, Some(&group), None, summary)
}

/// Everything stays where it was.
///
/// # Errors
/// The group may only be read.
pub fn abort(scene: &Scene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    let name = format!("{}/{}", group.name, move_.volume);
    if !is_underway(&group, move_) {
        return Err(Refusal::new(format!("{name} is not being moved any more")));
    }
    group.remove(&move_.room).map_err(|why| Refusal::new(format!("{name}: {why}")))?;
    shifted(scene, move_, Some(&group), None, format!("leave {name} where it was"))
}

fn group_name<'a>(scene: &Scene<'a>) -> &'a str {
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
fn copying(scene: &Scene<'_>, group: &Group, move_: &Underway) -> Result<Copying, Refusal> {
    let missing = || Refusal::new(format!("{}/{}: a device is missing", group.name, move_.volume));
    pieces_of(group, move_)?.copying(&|pv| scene.find(pv)).ok_or_else(missing)
}

/// The volume that is not a snapshot, to whose devices this one's belong.
fn top<'a>(group: &'a Group, volume: &'a str) -> &'a str {
    group.snapshot_in(volume).map_or(volume, |snapshot| snapshot.origin)
}

/// The steps that make metadata (`None`: it stays) and devices what they shall be.
fn shifted(
    scene: &Scene<'_>,
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
    below.retain(|one| !one.uuid.starts_with(&own));
    let table = tables.and_then(|tables| tables.layer);
    below.extend(table.zip(volume).map(|(table, volume)| pieces::layer(after, volume, table)));
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

/// The device that copies, and whose status tells; `None` where a restart, or somebody else, came between. One to which the
/// volume does not lead any more copies what is old.
#[must_use]
pub fn device<'a>(scene: &Scene<'a>, move_: &Underway) -> Option<&'a ActiveDevice> {
    let (group, active) = (&scene.found.group, scene.active);
    let own = uuid::lvm(group.id.plain(), group.volume(&move_.volume)?.id.plain(), None);
    active.devices.iter().find(|device| {
        let uuid = device.info.uuid.as_deref().unwrap_or_default();
        uuid.starts_with(&own)
            && pieces::is_mirror(&device.table)
            && (!pieces::is_layer(uuid) || active.lead_to(&device.info.name))
    })
}
