//! Columns, as dmsetup prints them: `info -c` and `splitname`.

use std::{cmp::Ordering, fmt::Write as _};

use crate::model::dm::{DmSeen, Mangling, Overview, name};
use crate::model::order::InOrder as _;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Text(String),
    Number(u64),
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => one.cmp(two),
            _ => self.text().cmp(&other.text()),
        }
    }
}

/// What cells are made of.
struct Source<'a> {
    all: &'a Overview,
    seen: &'a DmSeen,
    mangling: Mangling,
}

impl Source<'_> {
    fn shown(&self, name: &str) -> String {
        self.mangling.unmangle(name)
    }

    fn uuid(&self) -> String {
        self.seen.info.uuid.clone().unwrap_or_default()
    }

    fn joined(&self, words: impl Iterator<Item = String>) -> Cell {
        Cell::Text(words.collect::<Vec<_>>().join(","))
    }

    /// Names have parts where they are a volume's.
    fn part(&self, which: usize) -> Cell {
        if !self.uuid().starts_with(crate::model::dm::uuid::LVM) {
            return Cell::Text(String::new());
        }
        let (group, volume, layer) = name::split(&self.shown(&self.seen.info.name));
        Cell::Text([group, volume, layer].into_iter().nth(which).unwrap_or_default())
    }

    fn subsystem(&self) -> Cell {
        let is_lvm = self.uuid().starts_with(crate::model::dm::uuid::LVM);
        Cell::Text(if is_lvm { "LVM" } else { "" }.to_owned())
    }
}

/// A column: its name, heading, least width, where numbers stand, and group.
struct Column {
    name: &'static str,
    heading: &'static str,
    width: usize,
    right: bool,
    group: &'static str,
    cell: fn(&Source<'_>) -> Cell,
}

const fn column(
    name: &'static str,
    heading: &'static str,
    width: usize,
    right: bool,
    group: &'static str,
    cell: fn(&Source<'_>) -> Cell,
) -> Column {
    Column { name, heading, width, right, group, cell }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn number(number: usize) -> Cell {
    Cell::Number(u64::try_from(number).unwrap_or(u64::MAX))
}

/// `L` live, `I` inactive, `s` suspended, `r` or `w`.
fn attributes(source: &Source<'_>) -> Cell {
    let info = &source.seen.info;
    let flag = |set: bool, letter: char| if set { letter } else { '-' };
    let letters = [
        flag(info.live, 'L'),
        flag(info.inactive, 'I'),
        flag(info.suspended, 's'),
        if info.read_only { 'r' } else { 'w' },
    ];
    Cell::Text(letters.iter().collect())
}

fn tables(source: &Source<'_>) -> Cell {
    text(match (source.seen.info.live, source.seen.info.inactive) {
        (true, true) => "Both",
        (true, false) => "Live",
        (false, true) => "Inactive",
        (false, false) => "None",
    })
}

fn used_names(source: &Source<'_>) -> Cell {
    let used = source.seen.deps.iter().filter_map(|dev| source.all.by_number(*dev));
    source.joined(used.map(|seen| source.shown(&seen.info.name)))
}

fn used_blocks(source: &Source<'_>) -> Cell {
    let block = |dev| source.all.blocks.get(dev).cloned().unwrap_or_else(|| dev.to_string());
    source.joined(source.seen.deps.iter().map(block))
}

fn users(source: &Source<'_>) -> Cell {
    let users = source.all.users(source.seen.info.dev);
    source.joined(users.map(|seen| source.shown(&seen.info.name)))
}

const COLUMNS: &[Column] = &[
    column("name", "Name", 16, false, "name_all", |s| Cell::Text(s.shown(&s.seen.info.name))),
    column("mangled_name", "MangledName", 16, false, "name_all", |s| text(&s.seen.info.name)),
    column("unmangled_name", "UnmangledName", 16, false, "name_all", |s| {
        Cell::Text(Mangling::Auto.unmangle(&s.seen.info.name))
    }),
    column("uuid", "UUID", 32, false, "name_all", |s| Cell::Text(s.shown(&s.uuid()))),
    column("mangled_uuid", "MangledUUID", 32, false, "name_all", |s| Cell::Text(s.uuid())),
    column("unmangled_uuid", "UnmangledUUID", 32, false, "name_all", |s| {
        Cell::Text(Mangling::Auto.unmangle(&s.uuid()))
    }),
    column("read_ahead", "RAhead", 6, true, "name_all", |s| {
        Cell::Number(s.seen.read_ahead.unwrap_or(0).into())
    }),
    column("blkdevname", "BlkDevName", 16, false, "info_all", |s| {
        Cell::Text(s.all.blocks.get(&s.seen.info.dev).cloned().unwrap_or_default())
    }),
    column("attr", "Stat", 4, false, "info_all", attributes),
    column("tables_loaded", "Tables", 6, false, "info_all", tables),
    column("suspended", "Suspended", 9, false, "info_all", |s| {
        text(if s.seen.info.suspended { "Suspended" } else { "Active" })
    }),
    column("readonly", "Read-only", 9, false, "info_all", |s| {
        text(if s.seen.info.read_only { "Read-only" } else { "Writeable" })
    }),
    column("devno", "DevNo", 5, false, "info_all", |s| Cell::Text(s.seen.info.dev.to_string())),
    column("major", "Maj", 3, true, "info_all", |s| Cell::Number(s.seen.info.dev.major.into())),
    column("minor", "Min", 3, true, "info_all", |s| Cell::Number(s.seen.info.dev.minor.into())),
    column("open", "Open", 4, true, "info_all", |s| Cell::Number(s.seen.info.open.into())),
    column("segments", "Targ", 4, true, "info_all", |s| Cell::Number(s.seen.info.segments.into())),
    column("events", "Event", 6, true, "info_all", |s| Cell::Number(s.seen.info.event.into())),
    column("device_count", "#Devs", 5, true, "deps_all", |s| number(s.seen.deps.len())),
    column("devs_used", "DevNamesUsed", 16, false, "deps_all", used_names),
    column("devnos_used", "DevNosUsed", 16, false, "deps_all", |s| {
        s.joined(s.seen.deps.iter().map(ToString::to_string))
    }),
    column("blkdevs_used", "BlkDevNamesUsed", 16, false, "deps_all", used_blocks),
    column("device_ref_count", "#Refs", 5, true, "deps_all", |s| {
        number(s.all.users(s.seen.info.dev).count())
    }),
    column("names_using_dev", "RefNames", 8, false, "deps_all", users),
    column("devnos_using_dev", "RefDevNos", 9, false, "deps_all", |s| {
        s.joined(s.all.users(s.seen.info.dev).map(|seen| seen.info.dev.to_string()))
    }),
    column("subsystem", "Subsys", 6, false, "splitname_all", |s| s.subsystem()),
    column("vg_name", "VG", 4, false, "splitname_all", |s| s.part(0)),
    column("lv_name", "LV", 4, false, "splitname_all", |s| s.part(1)),
    column("lv_layer", "LVLayer", 7, false, "splitname_all", |s| s.part(2)),
];

/// What `info -c` shows without being told.
const USUAL: &str = "name,major,minor,attr,open,segments,events,uuid";

/// How columns are laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnLayout {
    /// Which columns; `+` before them means after the usual ones.
    pub fields: Option<String>,
    /// Sorted by which.
    pub sort: Option<String>,
    /// Without a line of headings, cells parted by colons.
    pub no_headings: bool,
    /// `Some(false)`: no headings; `Some(true)`: the columns' names as headings.
    pub headings: Option<bool>,
    /// Between cells, which then are as wide as they are.
    pub separator: Option<String>,
    /// A row becomes a column.
    pub rows: bool,
    /// `DM_NAME='VALUE'`.
    pub prefixes: bool,
    /// Without the quotes.
    pub unquoted: bool,
    /// How names are shown.
    pub mangling: Mangling,
}

impl ColumnLayout {
    fn aligned(&self) -> bool {
        !self.no_headings && !self.prefixes && self.separator.is_none()
    }

    fn between(&self) -> &str {
        match &self.separator {
            Some(text) => text,
            None if self.no_headings => ":",
            None => " ",
        }
    }
}

/// Whether what these fields show needs to know what devices stand on.
#[must_use]
pub fn needs_deps(fields: Option<&str>) -> bool {
    fields.is_some_and(|fields| {
        fields.split(',').any(|field| {
            let field = field.trim_start_matches('+');
            field == "all"
                || field == "deps_all"
                || column_named(field).is_some_and(|c| c.group == "deps_all")
        })
    })
}

fn column_named(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

/// The columns of a list of words.
fn columns(list: &str, usual: &str) -> Result<Vec<&'static Column>, String> {
    let list = match list.strip_prefix('+') {
        Some(more) => format!("{usual},{more}"),
        None => list.to_owned(),
    };
    let mut found: Vec<&Column> = Vec::new();
    for word in list.split(',').filter(|word| !word.is_empty()) {
        let group: Vec<&Column> =
            COLUMNS.iter().filter(|column| word == "all" || column.group == word).collect();
        match (column_named(word), group.is_empty()) {
            (Some(column), _) => found.push(column),
            (None, false) => found.extend(group),
            (None, true) => {
                let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
                return Err(format!(
                    "there is no column `{}`; there are: {}",
                    word.escape_debug(),
                    names.join(" ")
                ));
            }
        }
    }
    Ok(found)
}

/// The report of these devices, which are some or all of the overview.
///
/// # Errors
/// A column that there is not.
pub fn info(all: &Overview, devices: &[&DmSeen], layout: &ColumnLayout) -> Result<String, String> {
    let shown = columns(layout.fields.as_deref().unwrap_or(USUAL), USUAL)?;
    let source = |seen| Source { all, seen, mangling: layout.mangling };
    let mut sorted: Vec<&DmSeen> = devices.to_vec();
    let keys = layout.sort.as_deref().unwrap_or_default();
    for key in keys.split(',').rev().filter(|key| !key.is_empty()) {
        let (down, name) = match key.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, key.trim_start_matches('+')),
        };
        let [column] = columns(name, USUAL)?[..] else { continue };
        sorted.order_by(|one, two| {
            let order = (column.cell)(&source(one)).order(&(column.cell)(&source(two)));
            if down { order.reverse() } else { order }
        });
    }
    let rows: Vec<Vec<String>> = sorted
        .into_iter()
        .map(|seen| shown.iter().map(|column| (column.cell)(&source(seen)).text()).collect())
        .collect();
    Ok(table(&shown, &rows, layout))
}

/// The parts of a name.
#[must_use]
pub fn split_name(parts: (String, String, String), layout: &ColumnLayout) -> String {
    let shown: Vec<&Column> =
        ["vg_name", "lv_name", "lv_layer"].into_iter().filter_map(column_named).collect();
    table(&shown, &[vec![parts.0, parts.1, parts.2]], layout)
}

fn table(columns: &[&Column], rows: &[Vec<String>], layout: &ColumnLayout) -> String {
    let heading = |column: &Column| match layout.headings {
        Some(true) => column.name.to_owned(),
        _ => column.heading.to_owned(),
    };
    let headings: Vec<String> = columns.iter().map(|column| heading(column)).collect();
    let cell = |column: &Column, value: &String| match (layout.prefixes, layout.unquoted) {
        (true, true) => format!("DM_{}={value}", column.name.to_uppercase()),
        (true, false) => format!("DM_{}='{value}'", column.name.to_uppercase()),
        (false, _) => value.clone(),
    };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().zip(row).map(|(column, value)| cell(column, value)).collect())
        .collect();
    let has_headings = !layout.no_headings && layout.headings != Some(false);
    if layout.rows {
        return turned(&headings, &rows, has_headings, layout);
    }
    let aligned = layout.aligned();
    let width = |at: usize| {
        let widest = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let heading = if has_headings { headings.get(at).map_or(0, String::len) } else { 0 };
        widest.unwrap_or(0).max(heading).max(columns.get(at).map_or(0, |column| column.width))
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: &[String], is_heading: bool| {
        let padded = cells.iter().zip(columns).zip(&widths).map(|((cell, column), width)| {
            match (aligned, column.right && !is_heading) {
                (false, _) => cell.clone(),
                (true, true) => format!("{cell:>width$}"),
                (true, false) => format!("{cell:<width$}"),
            }
        });
        // A String takes everything.
        let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join(layout.between()));
    };
    if has_headings {
        line(&headings, true);
    }
    for row in &rows {
        line(row, false);
    }
    text
}

/// A line for each column.
fn turned(headings: &[String], rows: &[Vec<String>], has_headings: bool, layout: &ColumnLayout) -> String {
    let mut text = String::new();
    for (at, heading) in headings.iter().enumerate() {
        let heading = has_headings.then(|| heading.clone());
        let cells = heading.into_iter().chain(rows.iter().filter_map(|row| row.get(at).cloned()));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join(layout.between()));
    }
    text
}
