//! The table of `volume list`.
//!
//! There may be ten thousand rows, and most cells are those of the row above: a line is the one before it with only what
//! differs put in anew. The volumes are gone through twice, for the columns' widths and for the lines, and no cell is kept.

use std::{borrow::Cow, fmt::Write as _, ops::Range, ptr};

use super::{BesideMetadata, View, each_volume, kind_words, on, pv_name, state_words, used};
use crate::{
    model::volume::Groups,
    report::text::{DiskText, size},
};

/// A column.
struct Field {
    name: &'static str,
    /// It is there unless others are asked for.
    usual: bool,
    /// It stands at the right.
    right: bool,
    /// It differs between volumes that are alike ([`View::is_like`]).
    own: bool,
    cell: CellOf,
}

type CellOf = for<'a> fn(&View<'a>) -> Cell<'a>;

const fn field(name: &'static str, cell: CellOf) -> Field {
    Field { name, usual: true, right: false, own: false, cell }
}

static FIELDS: [Field; 12] = [
    field("group", |view| Cell::Text(&view.found.group.name)),
    Field {
        own: true,
        ..field("volume", |view| match view.is_hidden() {
            true => Cell::Made(format!("[{}]", view.volume.name)),
            false => Cell::Text(&view.volume.name),
        })
    },
    field("kind", |view| words(kind_words(view.kind(), view.snapshots()))),
    Field { right: true, ..field("size", |view| Cell::Size(view.size_bytes())) },
    Field {
        right: true,
        ..field("used", |view| match view.status.and_then(used) {
            Some(used) => Cell::Made(format!("{used:.1} %")),
            None => Cell::Text("-"),
        })
    },
    field("state", |view| words(state_words(view.state(), !view.volume.is_writable()))),
    field("on", devices),
    Field { usual: false, ..field("origin", |view| Cell::Text(view.origin().unwrap_or("-"))) },
    Field { usual: false, own: true, ..field("path", |view| Cell::Made(view.path().to_string())) },
    Field { usual: false, own: true, ..field("uuid", |view| Cell::Made(view.volume.id.to_string())) },
    Field {
        usual: false,
        ..field("tags", |view| match view.volume.tags.as_slice() {
            [] => Cell::Text(""),
            tags => Cell::Made(tags.join(",")),
        })
    },
    Field { usual: false, own: true, ..field("device", |view| Cell::Made(view.device().to_string())) },
];

fn words(words: Cow<'_, str>) -> Cell<'_> {
    match words {
        Cow::Borrowed(words) => Cell::Text(words),
        Cow::Owned(words) => Cell::Made(words),
    }
}

fn devices<'a>(view: &View<'a>) -> Cell<'a> {
    match view.only_leg() {
        Some((_, leg)) => Cell::Text(pv_name(view.found, leg.pv)),
        None => Cell::Made(on(view.found, view.volume).join(" ")),
    }
}

/// What stands in a column.
enum Cell<'a> {
    Text(&'a str),
    Size(u64),
    Made(String),
}

impl Cell<'_> {
    /// Whether it certainly is the same: text in the same place is, and is not read for that.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => ptr::eq(*one, *other),
            (Self::Size(one), Self::Size(other)) => one == other,
            (Self::Made(one), Self::Made(other)) => one == other,
            _ => false,
        }
    }
}

/// A column of the table that is being made.
struct Column<'a> {
    field: &'static Field,
    widest: usize,
    last: Option<Cell<'a>>,
    /// The last cell as it is printed, and how wide that is.
    drawn: String,
    width: usize,
    /// Where it stands in the line.
    at: Range<usize>,
}

/// Names and tags may come from a disk; hardly one has anything that must be escaped.
fn put(to: &mut String, text: &str) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        to.push_str(text);
    } else {
        let _ = write!(to, "{}", DiskText::new(text.as_bytes()));
    }
}

impl<'a> Column<'a> {
    fn new(field: &'static Field) -> Self {
        Self { field, widest: field.name.len(), last: None, drawn: String::new(), width: 0, at: 0..0 }
    }

    /// Goes back to the head.
    fn head(&mut self) {
        self.last = None;
        self.drawn = self.field.name.to_uppercase();
        self.width = self.drawn.len();
    }

    /// Goes on to a row: whether another cell stands there than in the row before.
    fn turn(&mut self, view: &View<'a>) -> bool {
        let cell = (self.field.cell)(view);
        if self.last.as_ref().is_some_and(|last| last.same(&cell)) {
            return false;
        }
        self.drawn.clear();
        match &cell {
            Cell::Text(text) => put(&mut self.drawn, text),
            Cell::Made(text) => put(&mut self.drawn, text),
            Cell::Size(bytes) => self.drawn.push_str(&size(*bytes)),
        }
        self.width = if self.drawn.is_ascii() { self.drawn.len() } else { self.drawn.chars().count() };
        self.last = Some(cell);
        true
    }

    /// The cell in its column's width, and two blanks to the next column.
    fn fill(&self, to: &mut Vec<u8>) {
        let gap = self.widest.saturating_sub(self.width);
        to.clear();
        if self.field.right {
            to.resize(gap, b' ');
        }
        to.extend_from_slice(self.drawn.as_bytes());
        to.resize(to.len() + if self.field.right { 2 } else { gap + 2 }, b' ');
    }
}

/// The line that was printed last.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    cell: Vec<u8>,
}

impl Line {
    /// Puts in what a column has now.
    fn set(&mut self, columns: &mut [Column<'_>], index: usize) {
        let Some(column) = columns.get(index) else { return };
        column.fill(&mut self.cell);
        let (at, len) = (column.at.clone(), self.cell.len());
        if let Some(place) = self.bytes.get_mut(at.clone()).filter(|place| place.len() == len) {
            place.copy_from_slice(&self.cell);
            return;
        }
        self.bytes.splice(at, self.cell.drain(..));
        let mut start = columns.get(index).map_or(0, |column| column.at.start);
        for (nth, column) in columns.iter_mut().enumerate().skip(index) {
            let len = if nth == index { len } else { column.at.len() };
            column.at = start..start + len;
            start += len;
        }
    }

    fn print(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.bytes.trim_ascii_end());
        to.push(b'\n');
    }
}

/// One line a volume, of these columns; lines of equal columns, the last one as long as it is. Empty where there is none.
///
/// # Errors
/// A column that there is not.
pub fn table(
    groups: &Groups,
    known: &BesideMetadata,
    wanted: &dyn Fn(&str, Option<&str>) -> bool,
    columns: &[String],
) -> Result<String, String> {
    let mut columns: Vec<Column<'_>> = chosen(columns)?.into_iter().map(Column::new).collect();
    let (mut rows, mut last) = (0usize, None);
    each_volume(groups, known, wanted, &mut |view| {
        rows += 1;
        let alike = last.replace(view).is_some_and(|last| view.is_like(&last));
        for column in columns.iter_mut().filter(|column| column.field.own || !alike) {
            if column.turn(&view) {
                column.widest = column.widest.max(column.width);
            }
        }
    });
    if rows == 0 {
        return Ok(String::new());
    }
    columns.iter_mut().for_each(Column::head);
    let mut line = Line::default();
    (0..columns.len()).for_each(|index| line.set(&mut columns, index));
    let mut text = Vec::with_capacity(line.bytes.len().saturating_mul(rows + 1));
    line.print(&mut text);
    last = None;
    each_volume(groups, known, wanted, &mut |view| {
        let alike = last.replace(view).is_some_and(|last| view.is_like(&last));
        for index in 0..columns.len() {
            let turned = columns.get_mut(index).filter(|column| column.field.own || !alike);
            if turned.is_some_and(|column| column.turn(&view)) {
                line.set(&mut columns, index);
            }
        }
        line.print(&mut text);
    });
    Ok(String::from_utf8(text).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

fn chosen(columns: &[String]) -> Result<Vec<&'static Field>, String> {
    let usual = || FIELDS.iter().filter(|field| field.usual);
    let mut chosen: Vec<&'static Field> = Vec::new();
    for (nth, column) in columns.iter().enumerate() {
        let word = match column.strip_prefix('+') {
            Some(word) if nth == 0 => {
                chosen.extend(usual());
                word
            }
            _ => column.as_str(),
        };
        let all: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        let known = FIELDS.iter().find(|field| field.name == word.trim());
        chosen
            .push(known.ok_or_else(|| format!("there is no column `{word}`; there are {}", all.join(", ")))?);
    }
    Ok(if chosen.is_empty() { usual().collect() } else { chosen })
}

#[cfg(test)]
mod tests {
    use superblock::Sectors;

    use super::*;
    use crate::model::{
        dm::SnapshotStatus,
        volume::{FoundGroup, fixture},
    };

    fn groups() -> Groups {
        let volume = |name: &str, letter: &str, more: &str, at: u64, len: u64| {
            let id = "xxxxxx-xxxx-xxxx-xxxx-xxxx-xxxx-xxxxxx".replace('x', letter);
            format!(
                "{name} {{ id = \"{id}\" status = [\"READ\", \"VISIBLE\"{more}] flags = [] segment_count = 1 segment1 {{ \
                 start_extent = 0 extent_count = {len} type = \"striped\" stripe_count = 1 stripes = [\"pv0\", {at}] }} }}\n"
            )
        };
        let mut text = volume("a", "a", ", \"WRITE\"", 0, 4) + &volume("longer", "b", ", \"WRITE\"", 10, 4);
        text += &volume("c", "c", "", 20, 50);
        text += &volume("d1", "d", ", \"WRITE\"", 70, 2);
        text += &volume("d2", "e", ", \"WRITE\"", 72, 2);
        text += &volume("d3", "f", ", \"WRITE\"", 74, 1);
        let mut group = fixture::group("vg", &text);
        group
            .make_snapshot(
                "a",
                "longer",
                Sectors(8),
                "rrrrrr-rrrr-rrrr-rrrr-rrrr-rrrr-rrrrrr".parse().unwrap(),
            )
            .unwrap();
        for (name, tags) in [("a", ["é\u{7}é"].as_slice()), ("longer", &["long", "longer"])] {
            group.volume_mut(name).unwrap().tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        }
        let found = FoundGroup { group, devices: vec![None, None, None], ..FoundGroup::default() };
        Groups { groups: vec![found], ..Groups::default() }
    }

    fn known(all: bool) -> BesideMetadata {
        let usage =
            SnapshotStatus::Usage { allocated: Sectors(16), total: Sectors(32), metadata: Sectors(8) };
        BesideMetadata {
            all,
            snapshots: [("vg-longer".to_owned(), usage)].into(),
            ..BesideMetadata::default()
        }
    }

    fn of(all: bool, columns: &[&str]) -> Result<String, String> {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        table(&groups(), &known(all), &|_, volume| volume != Some("none"), &columns)
    }

    #[test]
    fn every_line_has_its_own_cells() {
        assert_eq!(
            of(false, &[]).unwrap(),
            "GROUP  VOLUME  KIND                   SIZE    USED  STATE                ON\n\
             vg     a       linear, 1 snapshot   16 KiB       -  inactive             missing\n\
             vg     longer  snapshot             16 KiB  50.0 %  inactive             missing\n\
             vg     c       linear              200 KiB       -  inactive, read-only  missing\n\
             vg     d1      linear                8 KiB       -  inactive             missing\n\
             vg     d2      linear                8 KiB       -  inactive             missing\n\
             vg     d3      linear                4 KiB       -  inactive             missing\n"
        );
        assert_eq!(
            of(true, &["tags", "origin", "size"]).unwrap(),
            "TAGS         ORIGIN     SIZE\n\
             é\\u{7}é      -        16 KiB\n\
             long,longer  a        16 KiB\n\
             \x20            -       200 KiB\n\
             \x20            -         8 KiB\n\
             \x20            -         8 KiB\n\
             \x20            -         4 KiB\n\
             \x20            -        16 KiB\n"
        );
        assert_eq!(
            of(false, &["volume", "tags"]).unwrap(),
            "VOLUME  TAGS\na       é\\u{7}é\nlonger  long,longer\nc\nd1\nd2\nd3\n"
        );
    }

    #[test]
    fn nothing_and_unknown_columns() {
        assert!(
            of(false, &["+nothing"])
                .unwrap_err()
                .starts_with("there is no column `nothing`; there are group,")
        );
        assert_eq!(table(&Groups::default(), &known(false), &|_, _| true, &[]), Ok(String::new()));
        assert_eq!(
            of(false, &["+uuid"]).unwrap().lines().next().unwrap().split_whitespace().last(),
            Some("UUID")
        );
    }
}
