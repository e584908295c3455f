//! Volumes and their segments.

use std::{collections::HashSet, sync::Arc};

use super::{
    BadGroup,
    values::{
        MAX_EXTENT, Names, Path, Strange, count, integer, missing, name, once, put, section, sectors, shown,
        string, strings, uuid, words,
    },
};
use crate::{
    lvm::{
        group::{Common, Group, Kind, Leg, LogicalVolume, Segment, VolumeFlags, VolumeStatus},
        marks::distinct,
        shape::Shape,
        text::{Entry, Head, Reader, Value},
    },
    units::Sectors,
};

/// The section of the volumes, of which there may be thousands.
pub(super) fn volumes<'a>(
    reader: &mut Reader<'a>,
    path: Path<'_>,
    pvs: &Names<'_>,
    (strange, group): (&mut Strange, &mut Group),
) -> Result<(), BadGroup> {
    let volumes = &mut group.volumes;
    // Where hardly two are alike, looking for what they have in common is given up.
    let (mut shape, mut tries) = (None::<Shape<'_>>, 16u32);
    while let Some((key, head)) = reader.entry()? {
        let path = Path { above: Some(&path), name: key };
        if head == Head::Value {
            return Err(path.bad("not a section"));
        }
        let name = name(path)?;
        if let Some(alike) = shape.as_ref().and_then(|shape| shape.next(name, reader)) {
            volumes.push(alike);
            continue;
        }
        let (before, known) = (reader.clone(), strange.count);
        let read = volume(reader, name.to_owned(), path, pvs, strange)?;
        let more = strange.count.saturating_sub(known);
        if more > 0 {
            strange.inside = strange.inside.saturating_add(more);
            group.strange_volumes.insert(read.name.clone());
        } else if tries > 0 {
            tries = tries.saturating_sub(1);
            shape = Shape::of(reader.since(&before), &read).or(shape);
        }
        volumes.push(read);
    }
    moves_exist(volumes, path)?;
    if distinct(volumes.iter().map(|volume| volume.name.as_bytes())) {
        return Ok(());
    }
    let mut names = HashSet::with_capacity(volumes.len());
    let twice = volumes.iter().find(|volume| !names.insert(volume.name.as_str()));
    if let Some(LogicalVolume { name, .. }) = twice {
        return Err(Path { above: Some(&path), name: name.as_bytes() }.bad("stands there twice"));
    }
    Ok(())
}

/// What a segment is on and no physical volume is, has to be a volume that `pvmove` made.
fn moves_exist(volumes: &[LogicalVolume], path: Path<'_>) -> Result<(), BadGroup> {
    let is_move = |name: &str| {
        volumes.iter().any(|other| other.name == name && other.status.contains(VolumeStatus::PVMOVE))
    };
    for volume in volumes.iter().filter(|volume| volume.is_on_move()) {
        for segment in &volume.segments {
            let Kind::OnMove { volume: on, .. } = &segment.kind else { continue };
            if !is_move(on) {
                let path = Path { above: Some(&path), name: volume.name.as_bytes() };
                return Err(path.bad(format!("there is no physical volume {on}")));
            }
        }
    }
    Ok(())
}

fn volume(
    reader: &mut Reader<'_>,
    name: String,
    path: Path<'_>,
    pvs: &Names<'_>,
    strange: &mut Strange,
) -> Result<LogicalVolume, BadGroup> {
    let (mut id, mut status, mut flags, mut tags, mut count_of) = (None, None, None, None, None);
    let (mut creation_time, mut segments, mut common) = (None, Vec::new(), Common::default());
    while let Some((key, head)) = reader.entry()? {
        let path = Path { above: Some(&path), name: key };
        let value = &reader.whole(head)?;
        match key {
            b"id" => put(&mut id, uuid(value, path)?, path)?,
            b"status" => put(&mut status, words::<VolumeStatus>(value, path, strange)?, path)?,
            b"flags" => put(&mut flags, words::<VolumeFlags>(value, path, strange)?, path)?,
            b"tags" => put(&mut tags, strings(value, path)?, path)?,
            b"creation_time" => put(&mut creation_time, integer(value, path, 0, i64::MAX)?, path)?,
            b"creation_host" => put(&mut common.creation_host, string(value, path)?, path)?,
            b"lock_args" => put(&mut common.lock_args, string(value, path)?, path)?,
            b"allocation_policy" => put(&mut common.allocation, string(value, path)?, path)?,
            b"profile" => put(&mut common.profile, string(value, path)?, path)?,
            b"read_ahead" => put(&mut common.read_ahead, integer(value, path, -1, MAX_EXTENT)?, path)?,
            b"major" => put(&mut common.major, integer(value, path, -1, MAX_EXTENT)?, path)?,
            b"minor" => put(&mut common.minor, integer(value, path, -1, MAX_EXTENT)?, path)?,
            b"segment_count" => put(&mut count_of, count(value, path)?, path)?,
            [b's', b'e', b'g', b'm', b'e', b'n', b't', number @ ..]
                if number.iter().all(u8::is_ascii_digit) =>
            {
                numbered(number, segments.len(), path)?;
                // Most volumes have one, and a vector would begin with four.
                segments.reserve_exact(usize::from(segments.is_empty()));
                segments.push(segment(section(value, path)?, path, pvs, strange)?);
            }
            _ => strange.key(path),
        }
    }
    let counted = u64::try_from(segments.len()).unwrap_or(u64::MAX);
    if count_of.ok_or_else(|| missing(path, "segment_count"))? != counted {
        return Err(path.bad(format!("has {counted} segments and says another number")));
    }
    let id = id.ok_or_else(|| missing(path, "id"))?;
    common.status = status.ok_or_else(|| missing(path, "status"))?;
    if !common.status.contains(VolumeStatus::PVMOVE) {
        for segment in segments.iter_mut().filter(|segment| matches!(segment.kind, Kind::Move { .. })) {
            strange.say(|| format!("{} is of kind \"mirror\"", path.to_text()));
            segment.kind = Kind::Other { kind: "mirror".to_owned() };
        }
    }
    common.flags = flags.unwrap_or_default();
    common.tags = tags.unwrap_or_default();
    Ok(LogicalVolume { name, id, creation_time, segments, common: Arc::new(common) })
}

/// Whether a segment's number is the next one.
fn numbered(number: &[u8], before: usize, path: Path<'_>) -> Result<(), BadGroup> {
    let next = before.saturating_add(1);
    if number == b"1" && next == 1 || number == next.to_string().as_bytes() {
        return Ok(());
    }
    Err(path.bad("segments are not numbered one after another from 1"))
}

fn segment(
    entries: &[Entry<'_>],
    path: Path<'_>,
    pvs: &Names<'_>,
    strange: &mut Strange,
) -> Result<Segment, BadGroup> {
    once(entries, path)?;
    let get = |key: &'static str| entries.iter().find(|entry| entry.key == key.as_bytes());
    let required = |key: &'static str| {
        let found = get(key).ok_or_else(|| missing(path, key))?;
        Ok::<_, BadGroup>((&found.value, Path { above: Some(&path), name: found.key }))
    };
    let number = |key| required(key).and_then(|(value, path)| count(value, path));
    let start = number("start_extent")?;
    let len = number("extent_count")?;
    let (value, kind_path) = required("type")?;
    let kind = value.text().ok_or_else(|| kind_path.bad("not a quoted string"))?;
    let (kind, known): (Kind, &[&[u8]]) = match kind.as_ref() {
        b"striped" => (striped(&required, path, pvs)?, &[b"stripe_count", b"stripe_size", b"stripes"]),
        b"snapshot" => (
            snapshot(&required, get("merging_store").is_some())?,
            &[b"chunk_size", b"origin", b"cow_store", b"merging_store"],
        ),
        // Of the mirrors only those of moves: of others the legs are volumes.
        b"mirror" if moved(entries, path, pvs).is_some() => (
            Kind::Move { legs: moved(entries, path, pvs).unwrap_or_default() },
            &[b"mirror_count", b"extents_moved", b"region_size", b"mirrors"],
        ),
        other => {
            let kind = shown(other);
            strange.say(|| format!("{} is of kind \"{kind}\"", path.to_text()));
            return Ok(Segment { start, len, tags: Vec::new(), kind: Kind::Other { kind } });
        }
    };
    let mut tags = Vec::new();
    for Entry { key, value } in entries {
        let path = Path { above: Some(&path), name: key };
        match *key {
            b"start_extent" | b"extent_count" | b"type" => {}
            b"tags" => tags = strings(value, path)?,
            key if known.contains(&key) => {}
            _ => strange.key(path),
        }
    }
    Ok(Segment { start, len, tags, kind })
}

type Required<'r, 'a, 'b, 'p> = &'r dyn Fn(&'static str) -> Result<(&'b Value<'a>, Path<'p>), BadGroup>;

fn striped(required: Required<'_, '_, '_, '_>, path: Path<'_>, pvs: &Names<'_>) -> Result<Kind, BadGroup> {
    let (value, count_path) = required("stripe_count")?;
    let stripes = count(value, count_path)?;
    let stripe_size = match stripes {
        1 => Sectors(0),
        _ => required("stripe_size").and_then(|(value, path)| sectors(value, path))?,
    };
    let (value, list_path) = required("stripes")?;
    let Value::List(list) = value else { return Err(list_path.bad("not a list")) };
    let pairs = list.chunks(2).len();
    if stripes == 0 || u64::try_from(pairs) != Ok(stripes) {
        return Err(path.bad(format!("has {pairs} stripes and says {stripes}")));
    }
    let (legs, moved) = places(list, list_path, pvs)?;
    Ok(match moved.into_iter().next() {
        None => Kind::Striped { stripe_size, legs },
        Some(volume) => Kind::OnMove { volume, stripes, legs },
    })
}

/// Pairs of a name and an extent: legs on physical volumes, and the names of what is none.
fn places(list: &[Value<'_>], path: Path<'_>, pvs: &Names<'_>) -> Result<(Vec<Leg>, Vec<String>), BadGroup> {
    let (mut legs, mut others) = (Vec::with_capacity(list.len() / 2), Vec::new());
    for pair in list.chunks(2) {
        let none = || path.bad("not pairs of a physical volume and an extent");
        let [name, extent] = pair else { return Err(none()) };
        let name = name.text().ok_or_else(none)?;
        let extent = count(extent, path)?;
        match pvs.get(name.as_ref()) {
            Some(pv) => legs.push(Leg { pv: *pv, extent }),
            None => others.push(shown(&name)),
        }
    }
    Ok((legs, others))
}

/// The two places of a move; `None` where it is a mirror of another kind.
fn moved(entries: &[Entry<'_>], path: Path<'_>, pvs: &Names<'_>) -> Option<Vec<Leg>> {
    let list = entries.iter().find(|entry| entry.key == b"mirrors")?;
    let Value::List(list) = &list.value else { return None };
    let (legs, others) = places(list, path, pvs).ok()?;
    (others.is_empty() && legs.len() == 2).then_some(legs)
}

fn snapshot(required: Required<'_, '_, '_, '_>, merging: bool) -> Result<Kind, BadGroup> {
    let text = |key| required(key).and_then(|(value, path)| string(value, path));
    Ok(Kind::Snapshot {
        origin: text("origin")?,
        cow: text(if merging { "merging_store" } else { "cow_store" })?,
        chunk: required("chunk_size").and_then(|(value, path)| sectors(value, path))?,
        merging,
    })
}
