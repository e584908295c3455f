//! Single values and where they stand: what each must look like, and the words for those that do not.

use std::collections::{HashMap, HashSet};

use bitflags::Flags;

use super::BadGroup;
use crate::{
    lvm::{
        LvmUuid,
        text::{Entry, Value, bytes_of},
    },
    units::Sectors,
};

/// LVM2 counts extents in 32 bits.
pub(super) const MAX_EXTENT: i64 = 0xffff_ffff;
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
pub(super) struct Path<'a> {
    pub(super) above: Option<&'a Path<'a>>,
    pub(super) name: &'a [u8],
}

impl Path<'_> {
    pub(super) fn to_text(self) -> String {
        let name = shown(self.name);
        self.above.map_or(name.clone(), |above| format!("{}/{name}", above.to_text()))
    }

    pub(super) fn bad(self, what: impl Into<String>) -> BadGroup {
        BadGroup::Sense { path: self.to_text(), what: what.into() }
    }
}

#[derive(Default)]
pub(super) struct Strange {
    pub(super) said: Vec<String>,
    /// Of all, said or not.
    pub(super) count: usize,
    /// Of those that are volumes'.
    pub(super) inside: usize,
}

impl Strange {
    pub(super) fn key(&mut self, path: Path<'_>) {
        self.say(|| format!("{} is not known to this program", path.to_text()));
    }

    pub(super) fn word(&mut self, path: Path<'_>, word: &[u8]) {
        self.say(|| format!("\"{}\" in {} is not known to this program", shown(word), path.to_text()));
    }

    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.said.len() < MAX_STRANGE {
            self.said.push(what());
        }
    }
}

pub(super) fn string(value: &Value<'_>, path: Path<'_>) -> Result<String, BadGroup> {
    let text = value.text().ok_or_else(|| path.bad("not a quoted string"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

pub(super) fn integer(value: &Value<'_>, path: Path<'_>, min: i64, max: i64) -> Result<i64, BadGroup> {
    let number = value.integer().ok_or_else(|| path.bad("not an integer"))?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(path.bad(format!("{number} is not between {min} and {max}")))
    }
}

pub(super) fn count(value: &Value<'_>, path: Path<'_>) -> Result<u64, BadGroup> {
    Ok(u64::try_from(integer(value, path, 0, MAX_EXTENT)?).unwrap_or_default())
}

pub(super) fn count32(value: &Value<'_>, path: Path<'_>) -> Result<u32, BadGroup> {
    Ok(u32::try_from(integer(value, path, 0, MAX_EXTENT)?).unwrap_or_default())
}

pub(super) fn sectors(value: &Value<'_>, path: Path<'_>) -> Result<Sectors, BadGroup> {
    Ok(Sectors(u64::try_from(integer(value, path, 0, MAX_SECTOR)?).unwrap_or_default()))
}

pub(super) fn uuid(value: &Value<'_>, path: Path<'_>) -> Result<LvmUuid, BadGroup> {
    let text = value.text().ok_or_else(|| path.bad("not a quoted string"))?;
    LvmUuid::from_text(&text).ok_or_else(|| path.bad("not a UUID of LVM2"))
}

pub(super) fn strings(value: &Value<'_>, path: Path<'_>) -> Result<Vec<String>, BadGroup> {
    let Value::List(list) = value else { return Err(path.bad("not a list")) };
    list.iter().map(|item| string(item, path)).collect()
}

pub(super) fn words<F: Flags>(
    value: &Value<'_>,
    path: Path<'_>,
    strange: &mut Strange,
) -> Result<F, BadGroup> {
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

pub(super) fn section<'a, 'b>(value: &'b Value<'a>, path: Path<'_>) -> Result<&'b Vec<Entry<'a>>, BadGroup> {
    if let Value::Section(section) = value { Ok(section) } else { Err(path.bad("not a section")) }
}

/// Keys of a section must not come twice. Few keys: each against those before it.
pub(super) fn once(entries: &[Entry<'_>], path: Path<'_>) -> Result<(), BadGroup> {
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

pub(super) fn name<'a>(path: Path<'a>) -> Result<&'a str, BadGroup> {
    let good = path.name.iter().all(|byte| NAME.get(usize::from(*byte)) == Some(&true));
    let text = std::str::from_utf8(path.name).ok().filter(|_| good && path.name.len() <= 127);
    match text {
        Some(name) if !matches!(name, "" | "." | "..") => Ok(name),
        _ => Err(path.bad("not a name that LVM2 takes")),
    }
}

pub(super) fn missing(path: Path<'_>, key: &str) -> BadGroup {
    path.bad(format!("{key} is missing"))
}

pub(super) type Names<'a> = HashMap<&'a [u8], usize>;

/// Takes in a value for a key that comes once.
pub(super) fn put<T>(to: &mut Option<T>, value: T, path: Path<'_>) -> Result<(), BadGroup> {
    match to.replace(value) {
        None => Ok(()),
        Some(_) => Err(path.bad("stands there twice")),
    }
}
