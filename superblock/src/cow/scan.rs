//! The entries of a store: one after the other, and all of them judged and put in order.

use std::fmt;

use super::{ENTRY, FORMAT, Store};
use crate::{
    Damage, Media,
    units::{Bytes, Sectors},
};

/// So many separate runs are taken at most: a store that has more needs more memory than the kernel's own table.
pub const MAX_RUNS: usize = 1 << 24;
/// So many findings are told one by one.
const SHOWN: usize = 64;
/// Areas are read in pieces of this size: a chunk may be very large.
const PIECE: u64 = 64 << 10;

/// Consecutive chunks of the origin that are consecutive in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The first chunk on the origin.
    pub old: u64,
    /// The first chunk in the store.
    pub new: u64,
    /// How many.
    pub len: u64,
}

impl Run {
    fn end(&self) -> u64 {
        self.old.saturating_add(self.len)
    }
}

/// The entries in the order of the list, read as they are asked for. Ends where the list ends or the device does.
pub struct Exceptions<'a> {
    media: &'a dyn Media,
    store: Store,
    index: u64,
    /// Where `piece` was read from.
    at: Bytes,
    piece: Vec<u8>,
    ended: bool,
}

/// One entry: its place in the list, the chunk on the origin, the chunk in the store.
pub type Entry = (u64, u64, u64);

impl Store {
    /// The entries.
    #[must_use]
    pub fn exceptions<'a>(&self, media: &'a dyn Media) -> Exceptions<'a> {
        Exceptions { media, store: *self, index: 0, at: Bytes(0), piece: Vec::new(), ended: false }
    }

    /// Where an entry stands; `None` where its area is not wholly on the device.
    pub(super) fn entry_at(&self, index: u64) -> Option<Bytes> {
        let per_area = self.entries_per_area();
        let area = self.area_at(index.checked_div(per_area)?);
        if area >= self.chunks() {
            return None;
        }
        let within = index.checked_rem(per_area)?.checked_mul(u64::try_from(ENTRY).ok()?)?;
        self.place(area)?.checked_add(Bytes(within))
    }

    /// The pieces in which areas are read.
    pub(super) fn piece(&self, most: u64) -> u64 {
        self.chunk().bytes().0.min(most)
    }
}

pub(super) fn entry(bytes: &[u8]) -> Option<(u64, u64)> {
    let (old, rest) = bytes.split_first_chunk()?;
    let (new, _) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*old), u64::from_le_bytes(*new)))
}

impl Exceptions<'_> {
    /// What stands at `index`, the end of the list included.
    fn look(&mut self, index: u64) -> Result<Option<(u64, u64)>, Damage> {
        let Some(at) = self.store.entry_at(index) else { return Ok(None) };
        let size = self.store.piece(PIECE);
        let start = at.round_down(Bytes(size));
        if self.piece.is_empty() || start != self.at {
            self.piece.resize(usize::try_from(size).unwrap_or(0), 0);
            let read = self.media.read_at(start, &mut self.piece);
            if let Err(source) = read {
                self.piece.clear();
                return Err(Damage::Io { format: FORMAT, at: start.sectors(), source });
            }
            self.at = start;
        }
        let within = usize::try_from(at.saturating_sub(start).0).unwrap_or(usize::MAX);
        Ok(self.piece.get(within..).and_then(entry))
    }
}

impl Iterator for Exceptions<'_> {
    type Item = Result<Entry, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let index = self.index;
        match self.look(index) {
            Ok(Some((old, new))) if new != 0 => {
                self.index = index.saturating_add(1);
                Some(Ok((index, old, new)))
            }
            outcome => {
                self.ended = true;
                outcome.err().map(Err)
            }
        }
    }
}

/// Something that the kernel would never have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The data of an entry would be a metadata area.
    InMetadata {
        /// The entry.
        index: u64,
        /// Its chunk in the store.
        new: u64,
    },
    /// The data of an entry would be beyond the device.
    BeyondStore {
        /// The entry.
        index: u64,
        /// Its chunk in the store.
        new: u64,
    },
    /// An entry is for a chunk that the origin does not have.
    BeyondOrigin {
        /// The entry.
        index: u64,
        /// Its chunk on the origin.
        old: u64,
    },
    /// A chunk of the origin has several entries.
    DuplicateOld {
        /// The chunk on the origin.
        old: u64,
        /// How many chunks from there.
        len: u64,
    },
    /// A chunk of the store belongs to several chunks of the origin.
    DuplicateNew {
        /// The chunk in the store.
        new: u64,
        /// How many chunks from there.
        len: u64,
    },
    /// Entries stand behind the end of the list.
    Gap {
        /// The empty entry.
        end: u64,
        /// The first one behind it.
        next: u64,
    },
    /// The list goes on in an area that is beyond the device.
    CutOff {
        /// The area.
        area: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMetadata { index, new } => {
                write!(f, "entry {index} has its data in chunk {new}, which is metadata")
            }
            Self::BeyondStore { index, new } => {
                write!(f, "entry {index} has its data in chunk {new}, which the store does not have")
            }
            Self::BeyondOrigin { index, old } => {
                write!(f, "entry {index} is for chunk {old}, which the origin does not have")
            }
            Self::DuplicateOld { old, len } => {
                write!(f, "{len} chunks of the origin from chunk {old} on have several entries")
            }
            Self::DuplicateNew { new, len } => {
                write!(
                    f,
                    "{len} chunks of the store from chunk {new} on belong to several chunks of the origin"
                )
            }
            Self::Gap { end, next } => {
                write!(f, "the list ends at entry {end}, yet entry {next} behind it is in use")
            }
            Self::CutOff { area } => {
                write!(f, "the list goes on in area {area}, which the store does not have")
            }
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first of them.
    pub shown: Vec<Finding>,
    /// How many there are.
    pub total: u64,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        self.total = self.total.saturating_add(1);
        if self.shown.len() < SHOWN {
            self.shown.push(finding);
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

/// What the kernel's status line would say after loading the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Up to the next free chunk.
    pub allocated: Sectors,
    /// The device.
    pub total: Sectors,
    /// Header and areas so far. A merge is complete when this is all that is allocated.
    pub metadata: Sectors,
}

/// All that a store says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// How many entries it has.
    pub entries: u64,
    /// Sound entries in the order of the origin, each chunk once (the first entry for it).
    pub runs: Vec<Run>,
    /// What is wrong.
    pub findings: Findings,
    /// Figures.
    pub usage: Usage,
}

impl Scan {
    /// Which chunks of the origin have entries: first and length, in order, those that touch joined.
    #[must_use]
    pub fn changed(&self) -> Vec<(u64, u64)> {
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for run in &self.runs {
            match joined.last_mut() {
                Some((start, len)) if start.saturating_add(*len) == run.old => {
                    *len = len.saturating_add(run.len);
                }
                _ => joined.push((run.old, run.len)),
            }
        }
        joined
    }

    /// How many chunks of the origin have sound entries.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(run.len))
    }
}

/// Reads the whole list and judges it. `origin`: its size, where it is known. A store that is not valid is read all the
/// same.
///
/// Memory: a run is 24 bytes and comes from at least 16 bytes that are really on the device.
///
/// # Errors
/// [`Damage::Io`]; [`Damage::Unsupported`] for more than [`MAX_RUNS`] runs.
pub fn scan(media: &dyn Media, store: &Store, origin: Option<Sectors>) -> Result<Scan, Damage> {
    let mut list = store.exceptions(media);
    let mut scan = Scan::default();
    let mut last = 1;
    for entry in &mut list {
        let (index, old, new) = entry?;
        scan.entries = index.saturating_add(1);
        if let Some(finding) = judge(store, origin, (index, old, new)) {
            scan.findings.add(finding);
            continue;
        }
        last = last.max(new);
        extend(&mut scan.runs, old, new)?;
    }
    behind_the_end(&mut list, &mut scan)?;
    scan.usage = usage(store, scan.entries, last);
    duplicates(&mut scan);
    Ok(scan)
}

fn judge(store: &Store, origin: Option<Sectors>, (index, old, new): Entry) -> Option<Finding> {
    // Also keeps every later sum and product within 64 bits.
    let beyond = match origin {
        Some(size) => old >= size.0.div_ceil(store.chunk().0.max(1)),
        None => old > 1 << 54 || store.place(old).is_none_or(|at| at.0 > 1 << 63),
    };
    if store.is_metadata(new) {
        return Some(Finding::InMetadata { index, new });
    }
    if new >= store.chunks() {
        return Some(Finding::BeyondStore { index, new });
    }
    beyond.then_some(Finding::BeyondOrigin { index, old })
}

fn extend(runs: &mut Vec<Run>, old: u64, new: u64) -> Result<(), Damage> {
    let goes_on = |run: &&mut Run| (run.end(), run.new.saturating_add(run.len)) == (old, new);
    if let Some(run) = runs.last_mut().filter(goes_on) {
        run.len = run.len.saturating_add(1);
        return Ok(());
    }
    if runs.len() >= MAX_RUNS {
        let why = format!("more than {MAX_RUNS} separate ranges");
        return Err(Damage::Unsupported { format: FORMAT, at: Sectors(0), why });
    }
    runs.push(Run { old, new, len: 1 });
    Ok(())
}

/// What stands behind the end of the list, up to the end of its area.
fn behind_the_end(list: &mut Exceptions<'_>, scan: &mut Scan) -> Result<(), Damage> {
    let (end, per_area) = (scan.entries, list.store.entries_per_area());
    let area = end.checked_div(per_area).unwrap_or(0);
    if list.store.entry_at(end).is_none() {
        scan.findings.add(Finding::CutOff { area });
        return Ok(());
    }
    let stop = area.saturating_add(1).saturating_mul(per_area);
    for next in end.saturating_add(1)..stop {
        if list.look(next)?.is_some_and(|entry| entry != (0, 0)) {
            scan.findings.add(Finding::Gap { end, next });
            break;
        }
    }
    Ok(())
}

/// `persistent_usage` after `persistent_read_metadata`.
fn usage(store: &Store, entries: u64, last: u64) -> Usage {
    let mut next = last.saturating_add(1);
    if store.is_metadata(next) {
        next = next.saturating_add(1);
    }
    let area = entries.checked_div(store.entries_per_area()).unwrap_or(0);
    let sectors = |chunks: u64| Sectors(chunks.saturating_mul(store.chunk().0));
    Usage {
        allocated: sectors(next),
        total: store.device.sectors(),
        metadata: sectors(area.saturating_add(2)),
    }
}

/// Puts the runs in order and takes out what is there twice.
fn duplicates(scan: &mut Scan) {
    let mut by_store: Vec<(u64, u64)> = scan.runs.iter().map(|run| (run.new, run.len)).collect();
    by_store.sort_unstable();
    let mut end = 0;
    for (new, len) in by_store {
        let stop = new.saturating_add(len);
        let twice = end.min(stop).saturating_sub(new);
        if twice > 0 {
            scan.findings.add(Finding::DuplicateNew { new, len: twice });
        }
        end = end.max(stop);
    }
    // Stable: of several entries for a chunk the first of the list comes first.
    scan.runs.sort_by_key(|run| run.old);
    let mut end = 0;
    let findings = &mut scan.findings;
    scan.runs.retain_mut(|run| {
        let stop = run.end();
        let twice = end.min(stop).saturating_sub(run.old);
        if twice > 0 {
            findings.add(Finding::DuplicateOld { old: run.old, len: twice });
            run.old = run.old.saturating_add(twice);
            run.new = run.new.saturating_add(twice);
            run.len = run.len.saturating_sub(twice);
        }
        end = end.max(stop);
        run.len > 0
    });
}
