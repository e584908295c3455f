//! Text into a [`Group`].
//!
//! What a key means is decided here and nowhere else. A key, a word or a kind of segment that is not known goes into
//! [`Group::strange`] with its path; what is known and senseless refuses the text.

mod values;
mod volume;

use std::{collections::HashSet, str::FromStr};

use self::values::{
    Names, Path, Strange, count, count32, integer, missing, name, once, section, sectors, string, strings,
    uuid, words,
};
use super::{
    group::{DeviceId, Group, GroupFlags, PhysicalVolume, PvStatus, Written},
    text::{Entry, Fault, Head, Reader, Value},
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
                Some(pvs) => volume::volumes(reader, path, pvs, (strange, &mut group))?,
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
        volume::volumes(&mut reader, path, &pvs?, (strange, &mut group))?;
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

/// The same from a string.
impl FromStr for Group {
    type Err = BadGroup;

    fn from_str(text: &str) -> Result<Self, BadGroup> {
        Self::parse(text.as_bytes())
    }
}
