//! The text of `mdctl status`: a head, what is worth knowing, a bar, and a table of members.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

use super::{NotRunning, StatusArray, StatusMember, StatusReport, StatusSync};
use crate::model::order::InOrder as _;
use crate::report::text::{DiskText, duration, size};

/// How the text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextView {
    /// Columns; `None` where lines may be of any length.
    pub width: Option<u16>,
    /// Whether colours are understood and wanted.
    pub colour: bool,
}

/// From so many columns on there is room for more.
const WIDE: u16 = 100;
const INDENT: &str = "    ";
/// Blanks between columns.
const GAP: u16 = 2;

/// One column of the table of members.
struct Column {
    name: &'static str,
    /// Left out where no member has anything to say.
    may_lack: bool,
    /// Only where there is room.
    wide: bool,
    /// Numbers.
    right: bool,
    /// How wide it may be on a terminal; 0: as wide as the others leave it.
    most: Option<u16>,
}

const fn column(name: &'static str, most: Option<u16>) -> Column {
    Column { name, may_lack: false, wide: false, right: false, most }
}

/// The model gives way first, then a serial number that is very long, then the rarer words of the state.
const COLUMNS: [Column; 8] = [
    Column { right: true, ..column("SLOT", None) },
    column("DEVICE", None),
    column("STATE", Some(24)),
    Column { may_lack: true, wide: true, right: true, ..column("SIZE", None) },
    Column { may_lack: true, ..column("MODEL", Some(0)) },
    Column { may_lack: true, ..column("SERIAL", Some(16)) },
    Column { right: true, ..column("ERRORS", None) },
    Column { right: true, ..column("BAD", None) },
];

#[derive(Clone, Copy)]
enum Colour {
    Red,
    Yellow,
    Green,
    Dim,
    Bold,
    Plain,
}

impl TextView {
    fn paint(self, colour: Colour, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Red => "31",
            Colour::Yellow => "33",
            Colour::Green => "32",
            Colour::Dim => "2",
            Colour::Bold => "1",
            Colour::Plain => return text.to_owned(),
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    fn is_wide(self) -> bool {
        self.width.is_none_or(|width| width >= WIDE)
    }
}

impl StatusReport {
    /// The text.
    #[must_use]
    pub fn text(&self, view: TextView) -> String {
        let mut parts: Vec<String> = self.arrays.iter().map(|array| array.text(view)).collect();
        let others = self.not_running.as_deref().unwrap_or_default();
        if !others.is_empty() {
            parts.push(others.iter().map(NotRunning::line).collect());
        }
        if parts.is_empty() && self.problems.is_empty() {
            parts.push("no arrays\n".to_owned());
        }
        parts.join("\n")
    }
}

impl NotRunning {
    fn line(&self) -> String {
        let level = self.level.unwrap_or("unknown level");
        let name = self.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        let enough = match (self.startable, self.kernel_refused) {
            (true, _) => "could be started",
            (false, true) => "the kernel refused to start it",
            (false, false) => "not enough to start",
        };
        format!(
            "not running: {name}{level}, {} of {} devices, {enough}\n{INDENT}mdctl explain {}\n",
            self.present_devices, self.raid_devices, self.uuid
        )
    }
}

impl StatusArray {
    fn text(&self, view: TextView) -> String {
        let path = self.path.clone().unwrap_or_else(|| format!("/dev/{}", self.kernel_name));
        let mut head = view.paint(Colour::Bold, &escaped(&path));
        if !path.ends_with(&format!("/{}", self.kernel_name)) {
            let _ = write!(head, " ({})", self.kernel_name);
        }
        let colour = match self.health {
            "complete" | "container" => Colour::Green,
            "degraded" => Colour::Yellow,
            _ => Colour::Red,
        };
        let level = self.level.map(|level| format!("{level}, ")).unwrap_or_default();
        let mut out = format!("{head}: {level}{}\n", view.paint(colour, &self.words.join(", ")));
        let facts = flow(&self.facts(), view);
        out.push_str(&facts);
        if let Some(sync) = &self.sync {
            let _ = writeln!(out, "{INDENT}{}", sync.line(view));
        }
        if !self.members.is_empty() {
            out.push_str(&self.table(view));
        }
        for line in self.remarks() {
            let _ = writeln!(out, "{INDENT}{}", view.paint(Colour::Yellow, &line));
        }
        out
    }

    /// What stands below the head.
    fn facts(&self) -> Vec<String> {
        let mut facts = vec![];
        if self.size_bytes > 0 {
            facts.push(size(self.size_bytes));
        }
        let each = self.used_device_size_bytes.map(|each| format!(" of {}", size(each))).unwrap_or_default();
        if self.raid_devices > 0 {
            let s = if self.raid_devices == 1 { "" } else { "s" };
            let before = self.raid_devices_before.filter(|before| *before != self.raid_devices);
            let before = before.map(|before| format!(" (were {before})")).unwrap_or_default();
            facts.push(format!("{} device{s}{each}{before}", self.raid_devices));
        }
        if self.chunk_bytes > 0 {
            facts.push(format!("chunk {}", size(self.chunk_bytes)));
        }
        facts.extend(self.layout.clone());
        facts.push(match self.metadata.as_str() {
            "none" => "no metadata".to_owned(),
            other => format!("metadata {}", escaped(other)),
        });
        match (&self.bitmap, self.consistency_policy.as_deref()) {
            (Some(bitmap), _) => facts.push(format!("bitmap of {} a bit", size(bitmap.chunk_bytes))),
            (None, Some("ppl")) => facts.push("partial parity log".to_owned()),
            (None, Some("journal")) => {
                let mode = self.journal_mode.as_ref().map(|mode| format!(" ({mode})")).unwrap_or_default();
                facts.push(format!("journal{mode}"));
            }
            (None, Some("resync")) => facts.push("no bitmap".to_owned()),
            (None, _) => {}
        }
        if let Some(name) = &self.name {
            facts.push(format!("name {name}"));
        }
        if let Some(uuid) = &self.uuid {
            facts.push(format!("UUID {uuid}"));
        }
        facts
    }

    fn remarks(&self) -> Vec<String> {
        let mut lines = vec![];
        let shown = self.path.as_ref().map_or_else(|| self.kernel_name.clone(), |path| escaped(path));
        match self.missing_slots.as_slice() {
            [] => {}
            [one] => lines.push(format!(
                "1 of {} devices missing: slot {one}: mdctl explain {shown}",
                self.raid_devices
            )),
            many => {
                let slots: Vec<String> = many.iter().map(ToString::to_string).collect();
                lines.push(format!(
                    "{} of {} devices missing: slots {}: mdctl explain {shown}",
                    many.len(),
                    self.raid_devices,
                    slots.join(", ")
                ));
            }
        }
        if self.health == "inactive" {
            lines.push(format!("not started: mdctl explain {shown}"));
        }
        if self.members.iter().any(|member| member.role == "faulty") && self.missing_slots.is_empty() {
            lines.push(format!("a device failed: mdctl explain {shown}"));
        }
        let checked = matches!(self.last_sync_action.as_deref(), Some("check" | "repair"));
        if let Some(count) = self.mismatch_sectors.filter(|count| *count > 0 && checked) {
            lines.push(format!("{} differ by the last check (mismatch_cnt {count})", size(count * 512)));
        }
        lines
    }

    fn table(&self, view: TextView) -> String {
        let rows = self.rows();
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_truncation_indicator("~");
        match view.width {
            Some(width) => {
                let room = width.saturating_sub(u16::try_from(INDENT.len()).unwrap_or(4));
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(room);
            }
            None => drop(table.set_content_arrangement(ContentArrangement::Disabled)),
        }
        let width = |nth: usize| {
            let cells = rows.iter().filter_map(move |(_, cells)| cells.get(nth));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let shown: Vec<(usize, &Column)> = COLUMNS
            .iter()
            .enumerate()
            .filter(|(nth, column)| !column.may_lack || (width(*nth) > 0 && (!column.wide || view.is_wide())))
            .collect();
        table.set_header(one_line(shown.iter().map(|(_, column)| column.name)));
        let mut colours = vec![Colour::Dim];
        for (colour, cells) in &rows {
            table.add_row(one_line(shown.iter().filter_map(|(nth, _)| cells.get(*nth)).map(String::as_str)));
            colours.push(*colour);
        }
        for (column, (nth, Column { most, right, .. })) in table.column_iter_mut().zip(&shown) {
            column.set_padding((0, GAP));
            if *right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            match most {
                Some(0) => {}
                Some(most) if width(*nth) > usize::from(*most) && view.width.is_some() => {
                    column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(most.saturating_add(GAP))));
                }
                _ => drop(column.set_constraint(ColumnConstraint::ContentWidth)),
            }
        }
        let mut out = String::new();
        for (line, colour) in table.lines().zip(colours) {
            let _ = writeln!(out, "{INDENT}{}", view.paint(colour, line.trim_end()));
        }
        out
    }

    /// One row for each member and each slot without one, by slot.
    fn rows(&self) -> Vec<(Colour, Vec<String>)> {
        let mut rows: Vec<(u32, Colour, Vec<String>)> = self
            .members
            .iter()
            .map(|member| (member.slot.unwrap_or(u32::MAX), member.colour(), member.cells()))
            .collect();
        for slot in &self.missing_slots {
            let cells = [&slot.to_string(), "-", "missing", "", "", "", "", ""];
            rows.push((*slot, Colour::Red, cells.map(str::to_owned).to_vec()));
        }
        rows.order_by_key(|(slot, _, _)| *slot);
        rows.into_iter().map(|(_, colour, cells)| (colour, cells)).collect()
    }
}

impl StatusMember {
    fn colour(&self) -> Colour {
        match self.role {
            "faulty" => Colour::Red,
            "rebuilding" | "replacement" | "attached" => Colour::Yellow,
            "active" if self.corrected_read_errors > 0 || self.bad_block_ranges > 0 => Colour::Yellow,
            "active" | "journal" => Colour::Plain,
            _ => Colour::Dim,
        }
    }

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<DiskText>| text.as_ref().map(ToString::to_string).unwrap_or_default();
        let short = self.path.as_deref().unwrap_or(&self.kernel_name);
        let short = short.strip_prefix("/dev/").unwrap_or(short);
        let gone = if self.path.is_none() { " (gone)" } else { "" };
        vec![
            self.slot.map_or_else(|| "-".to_owned(), |slot| slot.to_string()),
            format!("{}{gone}", escaped(short)),
            self.state_text(),
            self.size_bytes.map(size).unwrap_or_default(),
            text(&self.model),
            text(&self.serial),
            self.corrected_read_errors.to_string(),
            if self.bad_block_ranges == 0 {
                "0".to_owned()
            } else {
                size(self.bad_block_sectors.saturating_mul(512))
            },
        ]
    }

    fn state_text(&self) -> String {
        let is = |word: &str| self.state.iter().any(|known| known == word);
        let base = match (self.role, self.rebuilt_percent) {
            ("active", _) => "in sync".to_owned(),
            ("rebuilding", Some(percent)) => format!("rebuilding {percent:.1}%"),
            ("rebuilding", None) => "out of sync".to_owned(),
            ("replacement", Some(percent)) => format!("replacement {percent:.1}%"),
            (role, _) => role.to_owned(),
        };
        let more = [
            ("write_mostly", "write-mostly"),
            ("failfast", "failfast"),
            ("want_replacement", "to be replaced"),
            ("blocked", "blocked"),
            ("write_error", "write errors"),
        ];
        let more = more.iter().filter(|(word, _)| is(word)).map(|(_, text)| *text);
        std::iter::once(base.as_str()).chain(more).collect::<Vec<_>>().join(", ")
    }
}

impl StatusSync {
    fn line(&self, view: TextView) -> String {
        let action = escaped(&self.action);
        let Some(percent) = self.done_percent else {
            return match self.stage {
                "delayed" => format!("{action} waits for another array on the same devices"),
                "pending" => format!("{action} waits until the array is written to"),
                "remote" => format!("{action} runs on another node"),
                _ => format!("{action} is starting"),
            };
        };
        let speed = self.speed_kib_per_second.map(|kib| format!("  {}/s", size(kib.saturating_mul(1024))));
        let left = self.remaining_seconds.map(|seconds| format!("  {} left", duration(seconds)));
        let cells = if view.is_wide() { 40 } else { 20 };
        let full = (1..=cells).filter(|cell| f64::from(*cell) * 100.0 / f64::from(cells) <= percent).count();
        let empty = usize::try_from(cells).unwrap_or(20).saturating_sub(full);
        let bar = format!("{}{}", "=".repeat(full), ".".repeat(empty));
        format!("{action} [{bar}] {percent:.1}%{}{}", speed.unwrap_or_default(), left.unwrap_or_default())
    }
}

/// A row that is never more than one line.
fn one_line<'a>(cells: impl Iterator<Item = &'a str>) -> Row {
    let mut row = Row::from(cells.collect::<Vec<_>>());
    row.max_height(1);
    row
}

/// Words with commas between, in lines that fit.
fn flow(facts: &[String], view: TextView) -> String {
    let room = usize::from(view.width.unwrap_or(80)).saturating_sub(INDENT.len() + 1);
    let mut lines: Vec<String> = vec![];
    for fact in facts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + fact.chars().count() + 2 <= room => {
                let _ = write!(line, ", {fact}");
            }
            _ => lines.push(fact.clone()),
        }
    }
    lines.iter().map(|line| format!("{INDENT}{line}\n")).collect()
}

fn escaped(text: &str) -> String {
    DiskText::new(text.as_bytes()).to_string()
}
