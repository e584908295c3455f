//! The text of `volume list` and `show`, and what a change is to a group.

use std::fmt::Write as _;

use superblock::lvm::Group;

use super::{DeviceShown, GroupShown, Report, VolumeShown, lines};
use crate::report::text::{DiskText, size};

/// The columns there are, and whether they are shown unless others are asked for.
pub const COLUMNS: [(&str, bool); 12] = [
    ("group", true),
    ("volume", true),
    ("kind", true),
    ("size", true),
    ("used", true),
    ("state", true),
    ("on", true),
    ("origin", false),
    ("path", false),
    ("uuid", false),
    ("tags", false),
    ("device", false),
];

/// Names and tags may come from a disk.
fn shown(text: &str) -> DiskText {
    DiskText::new(text.as_bytes())
}

impl Report {
    /// One line a volume, of these columns; lines of equal columns, the last one as long as it is.
    ///
    /// # Errors
    /// A column that there is not.
    pub fn table(&self, columns: &[String]) -> Result<String, String> {
        let columns = chosen(columns)?;
        if self.volumes.is_empty() {
            return Ok(String::new());
        }
        let head: Vec<String> = columns.iter().map(|name| name.to_uppercase()).collect();
        let mut rows = vec![head];
        rows.extend(
            self.volumes.iter().map(|volume| columns.iter().map(|name| cell(volume, name)).collect()),
        );
        let mut widths = vec![0; columns.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::with_capacity(rows.len().saturating_mul(80));
        for row in &rows {
            let from = text.len();
            for ((cell, width), name) in row.iter().zip(&widths).zip(&columns) {
                let right = matches!(*name, "size" | "used");
                let _ =
                    if right { write!(text, "{cell:>width$}  ") } else { write!(text, "{cell:<width$}  ") };
            }
            text.truncate(from + text.get(from..).unwrap_or_default().trim_end().len());
            text.push('\n');
        }
        Ok(text)
    }

    /// Groups and volumes with all that they stand on.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for group in &self.groups {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&group.text());
            for volume in self.volumes.iter().filter(|volume| volume.group == group.name) {
                text.push_str(&volume.text());
            }
        }
        for refused in &self.refused {
            let _ = writeln!(text, "left out: {} {}", shown(&refused.path), shown(&refused.reason));
        }
        text
    }
}

fn chosen(columns: &[String]) -> Result<Vec<&'static str>, String> {
    let usual = || COLUMNS.iter().filter(|(_, usual)| *usual).map(|(name, _)| *name);
    let mut names: Vec<&'static str> = Vec::new();
    for (nth, column) in columns.iter().enumerate() {
        let word = match column.strip_prefix('+') {
            Some(word) if nth == 0 => {
                names.extend(usual());
                word
            }
            _ => column.as_str(),
        };
        let known = COLUMNS.iter().find(|(name, _)| *name == word.trim());
        let all: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        names.push(
            known.ok_or_else(|| format!("there is no column `{word}`; there are {}", all.join(", ")))?.0,
        );
    }
    Ok(if names.is_empty() { usual().collect() } else { names })
}

fn cell(volume: &VolumeShown, column: &str) -> String {
    match column {
        "group" => shown(&volume.group).to_string(),
        "volume" if volume.hidden => format!("[{}]", shown(&volume.volume)),
        "volume" => shown(&volume.volume).to_string(),
        "kind" => match volume.snapshots {
            0 => shown(&volume.kind).to_string(),
            1 => format!("{}, 1 snapshot", shown(&volume.kind)),
            n => format!("{}, {n} snapshots", shown(&volume.kind)),
        },
        "size" => size(volume.size_bytes),
        "used" => volume.used_percent.map_or_else(|| "-".to_owned(), |used| format!("{used:.1} %")),
        "state" if volume.read_only => format!("{}, read-only", volume.state),
        "state" => volume.state.to_owned(),
        "on" => volume.on.join(" "),
        "origin" => {
            volume.origin.as_deref().map_or_else(|| "-".to_owned(), |origin| shown(origin).to_string())
        }
        "path" => shown(&volume.path).to_string(),
        "uuid" => volume.uuid.clone(),
        "tags" => shown(&volume.tags.join(",")).to_string(),
        "device" => shown(&volume.device).to_string(),
        _ => String::new(),
    }
}

impl GroupShown {
    fn text(&self) -> String {
        let mut text = format!(
            "group {}: {} of {} free, extents of {}, change {}, metadata {} % full\n",
            shown(&self.name),
            size(self.free_bytes),
            size(self.size_bytes),
            size(self.extent_bytes),
            self.changes,
            self.metadata_used_percent
        );
        for why in &self.objections {
            let _ = writeln!(text, "  can only be read: {}", shown(why));
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "  {}", shown(remark));
        }
        self.devices.iter().for_each(|device| text.push_str(&device.text()));
        text
    }
}

impl DeviceShown {
    fn text(&self) -> String {
        let name = match &self.path {
            Some(path) => path.clone(),
            None => format!("missing (last seen as {})", shown(&self.last_path)),
        };
        let mut text = format!(
            "  on {name}: {} of {} free ({} extents)\n",
            size(self.free_bytes),
            size(self.size_bytes),
            self.extents
        );
        if let Some(array) = &self.array {
            let degraded = match array.degraded_devices {
                0 => String::new(),
                missing => format!(", DEGRADED: {missing} missing"),
            };
            let action = array.sync_action.as_ref().map(|action| format!(", {action}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "     {} of {} devices, {}{degraded}{action}: {}",
                array.level,
                array.raid_devices,
                array.array_state,
                array.members.join(" ")
            );
        }
        text
    }
}

impl VolumeShown {
    fn text(&self) -> String {
        let mut text = format!(
            "  {}: {}, {}, {}\n",
            shown(&self.volume),
            cell(self, "kind"),
            size(self.size_bytes),
            cell(self, "state")
        );
        if let Some(origin) = &self.origin {
            let used = self.used_percent.map(|used| format!(", store {used:.1} % full")).unwrap_or_default();
            let _ = writeln!(text, "     snapshot of {}{used}", shown(origin));
        }
        for segment in self.segments.iter().filter(|segment| !segment.legs.is_empty()) {
            let legs = segment
                .legs
                .iter()
                .map(|leg| format!("{} extents {}-{}", leg.device, leg.first_extent, leg.last_extent));
            let stripe = segment
                .stripe_bytes
                .map(|bytes| format!("stripes of {} over ", size(bytes)))
                .unwrap_or_default();
            let legs: Vec<String> = legs.collect();
            let _ = writeln!(text, "     {stripe}{}", legs.join(" + "));
        }
        if !self.tags.is_empty() {
            let _ = writeln!(text, "     tags {}", cell(self, "tags"));
        }
        text
    }
}

/// What a change takes from a group and gives to it: lines with `-` and `+`.
#[must_use]
pub fn difference(before: Option<&Group>, after: &Group) -> String {
    let (old, new) = (before.map(lines).unwrap_or_default(), lines(after));
    let mut text = String::new();
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (was, is) = (old.get(key), new.get(key));
        if was != is {
            for (sign, line) in [('-', was), ('+', is)] {
                if let Some(line) = line {
                    let _ = writeln!(text, "{sign} {}", shown(line));
                }
            }
        }
    }
    text
}
