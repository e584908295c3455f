//! Moving a volume's extents to another device of its group while it is in use.
//!
//! The room on the other device is taken by an ordinary volume whose tag says what it is for; the volume's own device
//! becomes a mirror of old and new extents, which the kernel fills; then one commit of the metadata gives the volume the new
//! extents and the room its old ones back, with one change of tables. Until that commit the old extents are whole, so that whatever
//! happens before loses no more than the copy: after a restart it is begun again, or given up.

use superblock::{
    Sectors,
    lvm::{Group, Kind, Leg, LogicalVolume, LvmUuid, Segment, Wish, group::VolumeFlags},
};

use super::{
    edit::Means,
    metadata,
    request::{PvWord, VolumeName},
    shift::Scene,
    tree::Wanted,
};
use crate::{
    model::dm::{self, Dev, MirrorLog, Row, Status, Table, Target, uuid},
    plan::{Plan, Refusal},
};

/// What the tag of the room begins with; the volume's name follows, and the device that is emptied.
const TAG: &str = "mdt:move=";
/// Between them.
const FROM: &str = "&from=";
/// What is copied at a time: 512 KiB.
const REGION: &str = "1024";

/// A move that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Underway {
    /// The volume that moves.
    pub volume: String,
    /// The volume that has the room.
    pub room: String,
    /// Index of the physical volume that is emptied.
    pub from: usize,
}

/// Part of a volume that moves.
struct Piece {
    /// Its first extent in the volume.
    start: u64,
    len: u64,
    old: Leg,
    new: Leg,
}

/// The moves of a group.
#[must_use]
pub fn underway(group: &Group) -> Vec<Underway> {
    let of = |room: &LogicalVolume| {
        let tag = room.tags.iter().find_map(|tag| tag.strip_prefix(TAG))?;
        let (volume, from) = tag.split_once(FROM)?;
        let (from, _) = group.pv(from.parse::<LvmUuid>().ok()?)?;
        group.volume(volume)?;
        Some(Underway { volume: volume.to_owned(), room: room.name.clone(), from })
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
        let mut legs = volume.segments.iter().flat_map(legs);
        legs.any(|leg| leg.pv == from) && !volume.tags.iter().any(|tag| tag.starts_with(TAG))
    };
    group.volumes.iter().filter(there).map(|volume| volume.name.clone()).collect()
}

fn legs(segment: &Segment) -> &[Leg] {
    match &segment.kind {
        Kind::Striped { legs, .. } => legs,
        _ => &[],
    }
}

/// Takes room and begins to copy.
///
/// # Errors
/// Nothing of it is on that device, it is striped, there is no room.
pub fn begin(
    scene: &Scene<'_>,
    name: &VolumeName,
    from: usize,
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
    let mut extents: u64 = 0;
    for segment in volume.segments.iter().filter(|segment| legs(segment).iter().any(|leg| leg.pv == from)) {
        if legs(segment).len() != 1 {
            return Err(refused("striped volumes cannot be moved: make a new one and copy it".into()));
        }
        extents = extents.saturating_add(segment.len);
    }
    if extents == 0 {
        return Err(refused("nothing of it is on that device".into()));
    }
    let mut on = means.places(&group, to)?;
    on.retain(|(pv, _)| *pv != from);
    if on.is_empty() {
        let others = group.pvs.iter().enumerate().filter(|(pv, _)| *pv != from);
        on = others.map(|(pv, there)| (pv, 0..there.pe_count)).collect();
    }
    let wish = Wish { extents, on, align: means.stripes.clone(), ..Wish::default() };
    let found = group.allocate(&wish).map_err(|why| refused(format!("no room for it: {why}")))?;
    let id = group.pvs.get(from).map(|pv| pv.id).ok_or_else(|| refused("no such device".into()))?;
    let mut room = LogicalVolume::empty(format!("{}_moves_here", name.volume));
    room.id = means.identity()?;
    room.creation_time = Some(means.now);
    room.creation_host = Some(means.host.clone());
    // Nobody activates it by accident.
    room.flags.insert(VolumeFlags::ACTIVATION_SKIP);
    room.tags = vec![format!("{TAG}{}{FROM}{}", name.volume, id.plain())];
    room.segments = found.segments;
    let room_name = room.name.clone();
    group.add(room).map_err(|why| refused(why.to_string()))?;
    let move_ = Underway { volume: name.volume.clone(), room: room_name, from };
    let table = mirrored(scene, &group, &move_)?;
    let summary = format!("begin to move {name} to other devices");
    shifted(scene, &move_, Some(&group), Some(table), summary)
}

/// Copies again what a restart interrupted.
///
/// # Errors
/// The volume has changed since.
pub fn resume(scene: &Scene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let table = mirrored(scene, &scene.found.group, move_)?;
    let summary = format!("begin again to move {}/{}", scene.found.group.name, move_.volume);
    Ok(scene.locked(shifted(scene, move_, None, Some(table), summary)?))
}

/// All is copied: the volume gets the new extents.
///
/// # Errors
/// The volume has changed since.
pub fn finish(scene: &Scene<'_>, move_: &Underway) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    // Only what the kernel mirrors now can have been copied.
    let wanted = scene.wanted(&group, top(&group, &move_.volume))?;
    let device = device(&wanted, &group, &move_.volume).and_then(|one| scene.active.with(&one.uuid));
    if !device.is_some_and(|device| is_mirror(&device.table)) {
        return Err(Refusal::new(format!("{}/{} is not being copied", group.name, move_.volume)));
    }
    let moved = segments(&group, move_)?;
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
    group.remove(&move_.room).map_err(|why| Refusal::new(format!("{name}: {why}")))?;
    shifted(scene, move_, Some(&group), None, format!("leave {name} where it was"))
}

fn group_name<'a>(scene: &Scene<'a>) -> &'a str {
    &scene.found.group.name
}

/// Whether a device copies.
fn is_mirror(table: &Table) -> bool {
    table.rows.iter().any(|row| matches!(row.target, Target::Mirror { .. }))
}

/// What each extent that moves is and will be.
fn pieces(group: &Group, move_: &Underway) -> Result<Vec<Piece>, Refusal> {
    let changed = || {
        Refusal::new(format!("{}/{} has changed since its move began", group.name, move_.volume))
            .hint(format!("mdctl volume move {}/{} --abort, and begin again", group.name, move_.volume))
    };
    let volume = group.volume(&move_.volume).ok_or_else(changed)?;
    let room = group.volume(&move_.room).ok_or_else(changed)?;
    let runs = room.segments.iter().filter_map(|segment| match legs(segment) {
        [leg] => Some((*leg, segment.len)),
        _ => None,
    });
    let mut runs: std::collections::VecDeque<(Leg, u64)> = runs.collect();
    let mut pieces = Vec::new();
    for segment in &volume.segments {
        let [leg] = legs(segment) else { continue };
        let mut done = 0;
        while leg.pv == move_.from && done < segment.len {
            let (new, free) = runs.pop_front().ok_or_else(changed)?;
            let len = free.min(segment.len - done);
            let old = Leg { pv: leg.pv, extent: leg.extent + done };
            pieces.push(Piece { start: segment.start + done, len, old, new });
            if free > len {
                runs.push_front((Leg { pv: new.pv, extent: new.extent + len }, free - len));
            }
            done += len;
        }
    }
    if runs.is_empty() { Ok(pieces) } else { Err(changed()) }
}

/// The volume's segments when it is over.
fn segments(group: &Group, move_: &Underway) -> Result<Vec<Segment>, Refusal> {
    let pieces = pieces(group, move_)?;
    let volume = group.volume(&move_.volume);
    let mut all: Vec<Segment> = Vec::new();
    for segment in volume.map(|volume| volume.segments.clone()).unwrap_or_default() {
        let inside = |piece: &&Piece| (segment.start..segment.end()).contains(&piece.start);
        let mut moved: Vec<Segment> = pieces
            .iter()
            .filter(inside)
            .map(|piece| {
                let kind = Kind::Striped { stripe_size: Sectors(0), legs: vec![piece.new] };
                Segment { start: piece.start, len: piece.len, tags: segment.tags.clone(), kind }
            })
            .collect();
        if moved.is_empty() {
            moved.push(segment);
        }
        all.append(&mut moved);
    }
    Ok(all)
}

/// The volume's own extents with mirrors in the place of what moves.
fn mirrored(scene: &Scene<'_>, group: &Group, move_: &Underway) -> Result<Table, Refusal> {
    let missing = || Refusal::new(format!("{}/{}: a device is missing", group.name, move_.volume));
    let volume = group.volume(&move_.volume).ok_or_else(missing)?;
    let plain = super::tree::extents(group, volume, &|pv| scene.find(pv));
    let plain = plain.map_err(|why| Refusal::new(format!("{}/{}: {why}", group.name, move_.volume)))?;
    let pieces = pieces(group, move_)?;
    let mut rows: Vec<Row> = Vec::new();
    for row in plain.rows {
        let inside = |piece: &&Piece| {
            let start = group.sectors(piece.start);
            start >= row.start && start < row.start.saturating_add(row.length)
        };
        let mut mirrors = Vec::new();
        for piece in pieces.iter().filter(inside) {
            let leg = |leg: Leg| -> Option<dm::Leg> {
                let dev: Dev = scene.find(leg.pv)?;
                let start = group.pvs.get(leg.pv)?.pe_start.saturating_add(group.sectors(leg.extent));
                Some(dm::Leg { dev, start })
            };
            let legs = leg(piece.old).zip(leg(piece.new)).ok_or_else(missing)?;
            let target = Target::Mirror {
                log: MirrorLog { kind: "core".to_owned(), args: vec![REGION.to_owned()] },
                legs: vec![legs.0, legs.1],
                // A device that fails is told and does not make anybody wait.
                features: ["handle_errors", "keep_log"].map(str::to_owned).to_vec(),
            };
            mirrors.push(Row { start: group.sectors(piece.start), length: group.sectors(piece.len), target });
        }
        if mirrors.is_empty() {
            mirrors.push(row);
        }
        rows.append(&mut mirrors);
    }
    Ok(Table { rows })
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
    mirror: Option<Table>,
    summary: String,
) -> Result<Plan, Refusal> {
    let change = group.map(|group| metadata::change(scene.found, group, scene.stamp, false)).transpose()?;
    let after = group.unwrap_or(&scene.found.group);
    let top = top(after, &move_.volume);
    let own = after.volume(&move_.volume).map(|volume| uuid::lvm(after.id.plain(), volume.id.plain(), None));
    let own = own.unwrap_or_default();
    let mut wanted = scene.wanted(after, top)?;
    let layers = wanted.iter().filter(|one| one.uuid.starts_with(&own)).count();
    for one in &mut wanted {
        // Others of the family may be on their way at the same time.
        if let Some(live) = scene.active.with(&one.uuid)
            && !one.uuid.starts_with(&own)
            && is_mirror(&live.table)
        {
            one.table = scene.active.named(&live.table);
        }
        // The layer that has the extents: the only one, or the one below.
        let has_extents =
            one.uuid.strip_prefix(&own).is_some_and(|layer| (layer.is_empty()) == (layers == 1));
        if let Some(table) = mirror.clone().filter(|_| has_extents) {
            one.table = table;
        }
    }
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

/// The device whose status tells, by its UUID.
#[must_use]
pub fn device<'a>(wanted: &'a [Wanted], group: &Group, volume: &str) -> Option<&'a Wanted> {
    let id = group.volume(volume)?.id;
    let own = uuid::lvm(group.id.plain(), id.plain(), None);
    let layer = |one: &&Wanted| one.uuid.starts_with(&own) && one.uuid != own;
    wanted.iter().find(layer).or_else(|| wanted.iter().find(|one| one.uuid == own))
}
