//! The text of `volume list` and `show`, and what a change is to a group.

use std::fmt::Write as _;

use superblock::lvm::Group;

use super::{DeviceShown, GroupShown, Known, Report, VolumeShown, each_volume, lines};
use crate::{
    model::volume::Groups,
    report::text::{DiskText, size},
};

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

/// One line a volume, of these columns; lines of equal columns, the last one as long as it is. Empty where there is none.
///
/// # Errors
/// A column that there is not.
pub fn table(
    groups: &Groups,
    known: &Known,
    wanted: &dyn Fn(&str, Option<&str>) -> bool,
    columns: &[String],
) -> Result<String, String> {
    let columns = chosen(columns)?;
    let mut cells = Cells { widths: vec![0; columns.len()], ..Cells::default() };
    for name in &columns {
        cells.text.push_str(&name.to_uppercase());
        cells.end();
    }
    let head = cells.ends.len();
    // Many volumes have the size of the one before.
    let mut last = (0, String::new());
    each_volume(groups, known, wanted, &mut |volume| {
        for name in &columns {
            if *name == "size" {
                if last.1.is_empty() || last.0 != volume.size_bytes {
                    last = (volume.size_bytes, size(volume.size_bytes));
                }
                cells.text.push_str(&last.1);
            } else {
                cell(&mut cells.text, &volume, name);
            }
            cells.end();
        }
    });
    if cells.ends.len() == head {
        return Ok(String::new());
    }
    let right: Vec<bool> = columns.iter().map(|name| matches!(*name, "size" | "used")).collect();
    Ok(cells.table(&right))
}

impl Report<'_> {
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

/// The cells of a table, row after row, in one text: there may be a hundred thousand.
#[derive(Default)]
struct Cells {
    text: String,
    /// Where each cell ends, and how wide it is.
    ends: Vec<(usize, usize)>,
    /// Of each column.
    widths: Vec<usize>,
    /// The column of the next cell.
    column: usize,
    /// Where it begins.
    start: usize,
}

/// More than any gap between two columns that anybody looks at.
const BLANKS: &str = "                                                                ";

fn blanks(text: &mut String, mut count: usize) {
    while count > 0 {
        let some = count.min(BLANKS.len());
        text.push_str(BLANKS.get(..some).unwrap_or_default());
        count -= some;
    }
}

impl Cells {
    /// What was put into the text since the last one is a cell.
    fn end(&mut self) {
        let cell = self.text.get(self.start..).unwrap_or_default();
        let width = if cell.is_ascii() { cell.len() } else { cell.chars().count() };
        if let Some(widest) = self.widths.get_mut(self.column) {
            *widest = width.max(*widest);
        }
        self.column += 1;
        if self.column == self.widths.len() {
            self.column = 0;
        }
        self.start = self.text.len();
        self.ends.push((self.start, width));
    }

    /// Columns two blanks apart; nothing but the line's end after the last word.
    fn table(&self, right: &[bool]) -> String {
        let mut text = String::with_capacity(self.text.len() * 2);
        let mut from = 0;
        for row in self.ends.chunks(right.len().max(1)) {
            let mut due = 0;
            for (((end, width), widest), right) in row.iter().zip(&self.widths).zip(right) {
                let gap = widest - width;
                if from < *end {
                    blanks(&mut text, if *right { due + gap } else { due });
                    text.push_str(self.text.get(from..*end).unwrap_or_default());
                    due = if *right { 2 } else { gap + 2 };
                } else {
                    due += gap + 2;
                }
                from = *end;
            }
            text.push('\n');
        }
        text
    }
}

/// Text that may come from a disk; most of it has nothing that must be escaped.
fn put(to: &mut String, text: &str) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        to.push_str(text);
    } else {
        let _ = write!(to, "{}", shown(text));
    }
}

fn cell(to: &mut String, volume: &VolumeShown<'_>, column: &str) {
    match column {
        "group" => put(to, volume.group),
        "volume" if volume.hidden => {
            to.push('[');
            put(to, volume.volume);
            to.push(']');
        }
        "volume" => put(to, volume.volume),
        "kind" => {
            put(to, volume.kind);
            match volume.snapshots {
                0 => {}
                1 => to.push_str(", 1 snapshot"),
                n => {
                    let _ = write!(to, ", {n} snapshots");
                }
            }
        }
        "size" => to.push_str(&size(volume.size_bytes)),
        "used" => match volume.used_percent {
            Some(used) => {
                let _ = write!(to, "{used:.1} %");
            }
            None => to.push('-'),
        },
        "state" => {
            to.push_str(volume.state);
            if volume.read_only {
                to.push_str(", read-only");
            }
        }
        "on" => joined(to, volume.on.iter().copied(), ' '),
        "origin" => put(to, volume.origin.unwrap_or("-")),
        "path" => put(to, &volume.path.to_string()),
        "uuid" => {
            let _ = write!(to, "{}", volume.uuid);
        }
        "tags" => joined(to, volume.tags.iter().map(String::as_str), ','),
        "device" => put(to, &volume.device.to_string()),
        _ => {}
    }
}

fn joined<'a>(to: &mut String, words: impl Iterator<Item = &'a str>, between: char) {
    for (nth, word) in words.enumerate() {
        if nth > 0 {
            to.push(between);
        }
        put(to, word);
    }
}

fn cell_of(volume: &VolumeShown<'_>, column: &str) -> String {
    let mut text = String::new();
    cell(&mut text, volume, column);
    text
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

impl VolumeShown<'_> {
    fn text(&self) -> String {
        let mut text = format!(
            "  {}: {}, {}, {}\n",
            shown(self.volume),
            cell_of(self, "kind"),
            size(self.size_bytes),
            cell_of(self, "state")
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
            let _ = writeln!(text, "     tags {}", cell_of(self, "tags"));
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
