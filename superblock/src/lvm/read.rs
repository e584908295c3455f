//! Text into a [`Group`].
//!
//! What a key means is decided here and nowhere else. A key, a word or a kind of segment that is not known goes into
//! [`Group::strange`] with its path; what is known and senseless refuses the text.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::Arc,
};

use bitflags::Flags;

use super::{
    LvmUuid,
    group::{
        Common, DeviceId, Group, GroupFlags, Kind, Leg, LogicalVolume, PhysicalVolume, PvStatus, Segment,
        VolumeFlags, VolumeStatus, Written,
    },
    marks::distinct,
    shape::Shape,
    text::{Entry, Fault, Head, Reader, Value, bytes_of},
};
use crate::units::Sectors;

/// Why a text is not a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGroup {
    /// It is not even LVM2's text.
    #[error("the metadata text stops being one at {0}")]
    Text(#[from] Fault),
    /// It is, and says something that cannot be.
    #[error("{path}: {what}")]
    Sense {
        /// Which section and key.
        path: String,
        /// What is wrong.
        what: String,
    },
}

/// LVM2 counts extents in 32 bits.
const MAX_EXTENT: i64 = 0xffff_ffff;
/// No device has more sectors.
const MAX_SECTOR: i64 = i64::MAX >> 10;
/// More are not repeated one by one.
const MAX_STRANGE: usize = 64;

/// Lossy: it is only shown or compared.
pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}

/// The way to where we are, for messages; put together only when one is needed.
#[derive(Clone, Copy)]
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    name: &'a [u8],
}

impl Path<'_> {
    fn to_text(self) -> String {
        let name = shown(self.name);
        self.above.map_or(name.clone(), |above| format!("{}/{name}", above.to_text()))
    }

    fn bad(self, what: impl Into<String>) -> BadGroup {
        BadGroup::Sense { path: self.to_text(), what: what.into() }
    }
}

impl Group {
    /// Reads a text: the raw form from a metadata area, or a backup file.
    ///
    /// # Errors
    /// Where and why it is no group.
    pub fn parse(text: &[u8]) -> Result<Self, BadGroup> {
        let mut reader = Reader::new(text);
        let mut strange = Strange::default();
        let mut written = Written::default();
        let mut found: Option<Self> = None;
        let (mut contents, mut version) = (false, false);
        while let Some((key, head)) = reader.entry()? {
            let path = Path { above: None, name: key };
            if head == Head::Section {
                if let Some(first) = &found {
                    return Err(path.bad(format!("a second group beside {}", first.name)));
                }
                found = Some(group(key, &mut reader, &mut strange)?);
                continue;
            }
            let value = &reader.value()?;
            match key {
                b"contents" => contents = value.text().as_deref() == Some(b"Text Format Volume Group"),
                b"version" => version = value.integer() == Some(1),
                b"description" => written.description = string(value, path)?,
                b"creation_host" => written.host = string(value, path)?,
                b"creation_time" => written.time = integer(value, path, i64::MIN, i64::MAX)?,
                _ => strange.key(path),
            }
        }
        let top = Path { above: None, name: b"text" };
        if !contents || !version {
            return Err(top.bad("contents and version are not those of a volume group"));
        }
        let group = found.ok_or_else(|| top.bad("there is no group in it"))?;
        let strange_itself = group.strange_itself || strange.count > strange.inside;
        let mut strange = strange.said;
        let moved: Vec<&str> = group.on_move().collect();
        if !moved.is_empty() {
            strange.insert(0, format!(
                "`pvmove` is moving extents of {}: `pvmove` goes on with it, `pvmove --abort` takes it back",
                moved.join(", ")
            ));
        }
        Ok(Self { written, strange, strange_itself, ..group })
    }
}

#[derive(Default)]
struct Strange {
    said: Vec<String>,
    /// Of all, said or not.
    count: usize,
    /// Of those that are volumes'.
    inside: usize,
}

impl Strange {
    fn key(&mut self, path: Path<'_>) {
        self.say(|| format!("{} is not known to this program", path.to_text()));
    }

    fn word(&mut self, path: Path<'_>, word: &[u8]) {
        self.say(|| format!("\"{}\" in {} is not known to this program", shown(word), path.to_text()));
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.said.len() < MAX_STRANGE {
            self.said.push(what());
        }
    }
}

fn string(value: &Value<'_>, path: Path<'_>) -> Result<String, BadGroup> {
    let text = value.text().ok_or_else(|| path.bad("not a quoted string"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn integer(value: &Value<'_>, path: Path<'_>, min: i64, max: i64) -> Result<i64, BadGroup> {
    let number = value.integer().ok_or_else(|| path.bad("not an integer"))?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(path.bad(format!("{number} is not between {min} and {max}")))
    }
}

fn count(value: &Value<'_>, path: Path<'_>) -> Result<u64, BadGroup> {
    Ok(u64::try_from(integer(value, path, 0, MAX_EXTENT)?).unwrap_or_default())
}

fn count32(value: &Value<'_>, path: Path<'_>) -> Result<u32, BadGroup> {
    Ok(u32::try_from(integer(value, path, 0, MAX_EXTENT)?).unwrap_or_default())
}

fn sectors(value: &Value<'_>, path: Path<'_>) -> Result<Sectors, BadGroup> {
    Ok(Sectors(u64::try_from(integer(value, path, 0, MAX_SECTOR)?).unwrap_or_default()))
}

fn uuid(value: &Value<'_>, path: Path<'_>) -> Result<LvmUuid, BadGroup> {
    let text = value.text().ok_or_else(|| path.bad("not a quoted string"))?;
    LvmUuid::from_text(&text).ok_or_else(|| path.bad("not a UUID of LVM2"))
}

fn strings(value: &Value<'_>, path: Path<'_>) -> Result<Vec<String>, BadGroup> {
    let Value::List(list) = value else { return Err(path.bad("not a list")) };
    list.iter().map(|item| string(item, path)).collect()
}

fn words<F: Flags>(value: &Value<'_>, path: Path<'_>, strange: &mut Strange) -> Result<F, BadGroup> {
    let single = std::slice::from_ref(value);
    let list = if let Value::List(list) = value { list.as_slice() } else { single };
    let mut flags = F::empty();
    for item in list {
        let word = item.text().ok_or_else(|| path.bad("not a list of strings"))?;
        match std::str::from_utf8(&word).ok().and_then(F::from_name) {
            Some(flag) => flags.insert(flag),
            None => strange.word(path, &word),
        }
    }
    Ok(flags)
}

fn section<'a, 'b>(value: &'b Value<'a>, path: Path<'_>) -> Result<&'b Vec<Entry<'a>>, BadGroup> {
    if let Value::Section(section) = value { Ok(section) } else { Err(path.bad("not a section")) }
}

/// Keys of a section must not come twice. Few keys: each against those before it.
fn once(entries: &[Entry<'_>], path: Path<'_>) -> Result<(), BadGroup> {
    if entries.len() > 40 {
        let mut seen = HashSet::with_capacity(entries.len());
        return match entries.iter().find(|entry| !seen.insert(entry.key)) {
            Some(twice) => Err(Path { above: Some(&path), name: twice.key }.bad("stands there twice")),
            None => Ok(()),
        };
    }
    for (index, entry) in entries.iter().enumerate() {
        if entries.iter().take(index).any(|before| before.key == entry.key) {
            return Err(Path { above: Some(&path), name: entry.key }.bad("stands there twice"));
        }
    }
    Ok(())
}

/// What names are made of.
const NAME: [bool; 256] =
    bytes_of(&[b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", b"._-+"]);

fn name<'a>(path: Path<'a>) -> Result<&'a str, BadGroup> {
    let good = path.name.iter().all(|byte| NAME.get(usize::from(*byte)) == Some(&true));
    let text = std::str::from_utf8(path.name).ok().filter(|_| good && path.name.len() <= 127);
    match text {
        Some(name) if !matches!(name, "" | "." | "..") => Ok(name),
        _ => Err(path.bad("not a name that LVM2 takes")),
    }
}

fn missing(path: Path<'_>, key: &str) -> BadGroup {
    path.bad(format!("{key} is missing"))
}

type Names<'a> = HashMap<&'a [u8], usize>;

/// Takes in a value for a key that comes once.
fn put<T>(to: &mut Option<T>, value: T, path: Path<'_>) -> Result<(), BadGroup> {
    match to.replace(value) {
        None => Ok(()),
        Some(_) => Err(path.bad("stands there twice")),
    }
}

/// The group's section. Its volumes are read one by one, for there may be thousands.
fn group<'a>(key: &'a [u8], reader: &mut Reader<'a>, strange: &mut Strange) -> Result<Group, BadGroup> {
    let path = Path { above: None, name: key };
    let mut group = Group::empty(name(path)?.to_owned());
    let (mut own, mut pvs, mut later) = (Vec::new(), None, None);
    let mut seen = HashSet::new();
    while let Some((key, head)) = reader.entry()? {
        let path = Path { above: Some(&path), name: key };
        if !seen.insert(key) {
            return Err(path.bad("stands there twice"));
        }
        match (key, head) {
            (b"physical_volumes", Head::Section) => {
                let Value::Section(entries) = reader.whole(head)? else { continue };
                pvs = Some(physical_volumes(&entries, &mut group, path, strange)?);
            }
            (b"logical_volumes", Head::Section) => match &pvs {
                Some(pvs) => volumes(reader, path, pvs, (strange, &mut group))?,
                // Nobody writes them in this order, and it can be read.
                None => {
                    later = Some(reader.clone());
                    reader.whole(head)?;
                }
            },
            (b"physical_volumes" | b"logical_volumes", Head::Value) => return Err(path.bad("not a section")),
            _ => own.push(Entry { key, value: reader.whole(head)? }),
        }
    }
    let pvs = pvs.ok_or_else(|| missing(path, "physical_volumes"));
    words_of_group(&own, &mut group, path, strange)?;
    if let Some(mut reader) = later {
        let path = Path { above: Some(&path), name: b"logical_volumes" };
        volumes(&mut reader, path, &pvs?, (strange, &mut group))?;
    } else {
        pvs?;
    }
    Ok(group)
}

fn words_of_group(
    entries: &[Entry<'_>],
    group: &mut Group,
    path: Path<'_>,
    strange: &mut Strange,
) -> Result<(), BadGroup> {
    let (mut id, mut seqno, mut extent_size, mut status) = (None, None, None, None);
    for Entry { key, value } in entries {
        let path = Path { above: Some(&path), name: key };
        match *key {
            b"id" => id = Some(uuid(value, path)?),
            b"seqno" => seqno = Some(count32(value, path)?),
            b"format" if value.text().as_deref() == Some(b"lvm2") => {}
            b"format" => strange.say(|| "the group is not of format \"lvm2\"".into()),
            b"status" => status = Some(words(value, path, strange)?),
            b"flags" => group.flags = words::<GroupFlags>(value, path, strange)?,
            b"tags" => group.tags = strings(value, path)?,
            b"system_id" => group.system_id = Some(string(value, path)?),
            b"lock_type" => group.lock_type = Some(string(value, path)?),
            b"lock_args" => group.lock_args = Some(string(value, path)?),
            b"extent_size" => extent_size = Some(sectors(value, path)?),
            b"max_lv" => group.max_lv = count(value, path)?,
            b"max_pv" => group.max_pv = count(value, path)?,
            b"allocation_policy" => group.allocation = Some(string(value, path)?),
            b"profile" => group.profile = Some(string(value, path)?),
            b"metadata_copies" => group.metadata_copies = count32(value, path)?,
            _ => strange.key(path),
        }
    }
    group.id = id.ok_or_else(|| missing(path, "id"))?;
    group.seqno = seqno.ok_or_else(|| missing(path, "seqno"))?;
    group.status = status.ok_or_else(|| missing(path, "status"))?;
    group.extent_size = extent_size.ok_or_else(|| missing(path, "extent_size"))?;
    if group.extent_size == Sectors(0) {
        return Err(path.bad("an extent size of 0"));
    }
    Ok(())
}

fn physical_volumes<'a>(
    entries: &[Entry<'a>],
    group: &mut Group,
    path: Path<'_>,
    strange: &mut Strange,
) -> Result<Names<'a>, BadGroup> {
    once(entries, path)?;
    let mut names = Names::with_capacity(entries.len());
    for (index, Entry { key, value }) in entries.iter().enumerate() {
        let path = Path { above: Some(&path), name: key };
        names.insert(key, index);
        group.pvs.push(physical_volume(section(value, path)?, path, strange)?);
    }
    Ok(names)
}

fn physical_volume(
    entries: &[Entry<'_>],
    path: Path<'_>,
    strange: &mut Strange,
) -> Result<PhysicalVolume, BadGroup> {
    once(entries, path)?;
    let (mut id, mut pe_start, mut pe_count, mut status) = (None, None, None, None);
    let (mut device, mut tags, mut dev_size) = (String::new(), Vec::new(), Sectors(0));
    let (mut id_kind, mut id_text, mut ba_start, mut ba_size) = (None, None, None, None);
    for Entry { key, value } in entries {
        let path = Path { above: Some(&path), name: key };
        match *key {
            b"id" => id = Some(uuid(value, path)?),
            b"device" => device = string(value, path)?,
            b"device_id_type" => id_kind = Some(string(value, path)?),
            b"device_id" => id_text = Some(string(value, path)?),
            b"status" => status = Some(words::<PvStatus>(value, path, strange)?),
            b"flags" => words::<NoFlags>(value, path, strange).map(|_| ())?,
            b"tags" => tags = strings(value, path)?,
            b"dev_size" => dev_size = sectors(value, path)?,
            b"pe_start" => pe_start = Some(sectors(value, path)?),
            b"pe_count" => pe_count = Some(count(value, path)?),
            b"ba_start" => ba_start = Some(sectors(value, path)?),
            b"ba_size" => ba_size = Some(sectors(value, path)?),
            _ => strange.key(path),
        }
    }
    if id_kind.is_some() != id_text.is_some() {
        strange.say(|| format!("{} has only one of device_id and device_id_type", path.to_text()));
    }
    Ok(PhysicalVolume {
        id: id.ok_or_else(|| missing(path, "id"))?,
        device,
        device_id: id_text.map(|id| DeviceId { kind: id_kind.unwrap_or_default(), id }),
        status: status.ok_or_else(|| missing(path, "status"))?,
        tags,
        dev_size,
        pe_start: pe_start.ok_or_else(|| missing(path, "pe_start"))?,
        pe_count: pe_count.ok_or_else(|| missing(path, "pe_count"))?,
        bootloader: ba_start.zip(ba_size),
    })
}

bitflags::bitflags! {
    /// Physical volumes have the key `flags` and no word for it.
    #[derive(Clone, Copy)]
    struct NoFlags: u32 {}
}

fn volumes<'a>(
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

/// The same from a string.
impl FromStr for Group {
    type Err = BadGroup;

    fn from_str(text: &str) -> Result<Self, BadGroup> {
        Self::parse(text.as_bytes())
    }
}
