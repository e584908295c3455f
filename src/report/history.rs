//! `mdctl history`: what is kept, as text and as JSON.

use serde::Serialize;

use super::DiskText;
use crate::{
    archive::{About, Identity},
    model::clock::ctime,
};

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    schema: &'static str,
    entries: Vec<HistoryEntry>,
    /// Files that are not believed.
    damaged: Vec<DamagedEntry>,
}

/// One entry.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryEntry {
    id: String,
    /// Seconds since 1970.
    time: u64,
    command: Vec<String>,
    summary: String,
    host: Option<String>,
    version: String,
    /// The devices by the paths that they had.
    devices: Vec<String>,
    /// UUIDs of the arrays whose metadata is kept.
    arrays: Vec<String>,
    size_bytes: u64,
    file: String,
    undone: bool,
    /// The entry that this one put back.
    undoes: Option<String>,
    /// The entry's number: higher ones are later.
    number: u64,
    /// The change of a group of volumes.
    group: Option<Group>,
    /// The command that takes it back; null where nothing does.
    back: Option<String>,
    /// What that brings back, in words; or why nothing does.
    brings_back: String,
}

/// A change of a group of volumes.
#[derive(Clone, Debug, Serialize)]
struct Group {
    name: String,
    uuid: String,
    /// The number of its metadata before; null where it was made.
    change_before: Option<u32>,
    /// The number after; null where it was removed.
    change_after: Option<u32>,
}

/// A file that is not believed.
#[derive(Clone, Debug, Serialize)]
pub struct DamagedEntry {
    /// The file.
    pub file: String,
    /// Why.
    pub error: String,
}

/// What an entry is made of.
pub struct EntryParts<'a> {
    /// What was run.
    pub about: &'a About,
    /// The devices.
    pub devices: &'a [crate::archive::Identity],
    /// The file.
    pub file: String,
    /// Its size.
    pub size: u64,
    /// Whether it is undone.
    pub undone: bool,
}

impl HistoryEntry {
    /// From an entry and where it stands.
    #[must_use]
    pub fn new(parts: &EntryParts<'_>) -> Self {
        let about = parts.about;
        let mut arrays: Vec<String> =
            parts.devices.iter().flat_map(|device| &device.md).map(|sb| sb.array.clone()).collect();
        arrays.sort_unstable();
        arrays.dedup();
        Self {
            id: about.id.to_string(),
            time: about.time,
            command: about.command.clone(),
            summary: about.summary.clone(),
            host: about.host.clone(),
            version: about.version.clone(),
            devices: parts.devices.iter().map(|device| device.path.clone()).collect(),
            arrays,
            size_bytes: parts.size,
            file: parts.file.clone(),
            undone: parts.undone,
            undoes: about.undoes.as_ref().map(ToString::to_string),
            number: about.seq,
            group: about.group.as_ref().map(|change| Group {
                name: change.group.clone(),
                uuid: change.id.clone(),
                change_before: change.before,
                change_after: change.after,
            }),
            back: about.back().ok(),
            brings_back: match about.back() {
                Ok(back) => brings_back(about, &back, parts.devices),
                Err(why) => why.to_owned(),
            },
        }
    }
}

/// What taking it back brings back.
fn brings_back(about: &About, back: &str, devices: &[Identity]) -> String {
    if back.starts_with("mdctl volume move ") && !back.ends_with(" --abort") {
        return "the volume on its devices of before, with what is in it now".to_owned();
    }
    if let Some(change) = about.group.as_ref().filter(|change| change.before.is_some()) {
        let before = change.before.unwrap_or_default();
        return format!("group {} as after change {before}", change.group);
    }
    let mut parts: Vec<String> = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    for sb in devices.iter().flat_map(|device| &device.md) {
        if known.contains(&sb.array.as_str()) {
            continue;
        }
        known.push(&sb.array);
        let on = paths(devices, |device| device.md.iter().any(|other| other.array == sb.array));
        let name = sb.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        parts.push(format!("array {}{name} on {on}", sb.array));
    }
    for device in devices.iter().filter(|device| device.md.is_empty() && !device.foreign.is_empty()) {
        parts.push(format!("{} on {}", device.foreign.join(", "), device.path));
    }
    let blank = paths(devices, |device| device.md.is_empty() && device.foreign.is_empty());
    if !blank.is_empty() {
        parts.push(format!("no metadata on {blank}"));
    }
    parts.join("; ")
}

fn paths(devices: &[Identity], which: impl Fn(&Identity) -> bool) -> String {
    devices
        .iter()
        .filter(|device| which(device))
        .map(|device| device.path.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

impl History {
    /// Of these entries, the newest first.
    #[must_use]
    pub fn new(entries: Vec<HistoryEntry>, damaged: Vec<DamagedEntry>) -> Self {
        Self { schema: "mdctl.history.1", entries, damaged }
    }

    /// The files that are not believed.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedEntry] {
        &self.damaged
    }

    /// For people: a few lines an entry, the newest first.
    #[must_use]
    pub fn text(&self, zone: &jiff::tz::TimeZone) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            let state = match &entry.undoes {
                _ if entry.undone => "  undone".to_owned(),
                Some(id) => format!("  undid {}", shown(id)),
                None => String::new(),
            };
            let date = ctime(entry.time, zone);
            text += &format!("{}  {date}  {} KiB{state}\n", entry.id, entry.size_bytes.div_ceil(1024));
            text += &format!("    {}\n", shown(&entry.command.join(" ")));
            if let Some(group) = &entry.group {
                let number =
                    |change: Option<u32>| change.map_or("none".to_owned(), |change| change.to_string());
                let (before, after) = (number(group.change_before), number(group.change_after));
                text += &format!("    group {}: from change {before} to {after}\n", shown(&group.name));
            }
            text += &match &entry.back {
                Some(back) => format!("    {} brings back: {}\n", shown(back), shown(&entry.brings_back)),
                None => format!("    nothing takes it back: {}\n", shown(&entry.brings_back)),
            };
        }
        text
    }
}

/// A file may say anything: nothing of it steers a terminal.
#[must_use]
pub fn shown(text: &str) -> DiskText {
    DiskText::new(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::{about, entry};

    #[test]
    fn three_lines_an_entry_and_nothing_steers_the_terminal() {
        let kept = entry();
        let mut about = about(1_795_343_695);
        about.command.push("\x1b[2J".into());
        let devices: Vec<_> = kept.devices.iter().map(|kept| kept.device.clone()).collect();
        let parts =
            EntryParts { about: &about, devices: &devices, file: "/x".into(), size: 5000, undone: true };
        let history = History::new(vec![HistoryEntry::new(&parts)], Vec::new());
        assert_eq!(
            history.text(&jiff::tz::TimeZone::UTC),
            "20261122-103455-00000007  Sun Nov 22 10:34:55 2026  5 KiB  undone\n    \
             mdctl --create /dev/md0 \\u{1b}[2J\n    mdctl undo 20261122-103455-00000007 brings back: no metadata on /dev/a\n"
        );
        let value = serde_json::to_value(&history).unwrap();
        assert_eq!(value["schema"], "mdctl.history.1");
        assert_eq!(value["entries"][0]["undone"], true);
    }
}
