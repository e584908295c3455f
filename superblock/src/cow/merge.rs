//! Putting a store's chunks on its origin without the kernel, in the kernel's order, so that it can be cut off anywhere and
//! begun again: the last entries first; their data on stable storage before the entries go.

use super::{ENTRY, FORMAT, Scan, Store, scan::entry};
use crate::{
    Damage, Media, Write,
    units::{Bytes, Sectors},
};

/// Entries are taken from one block of an area at a time.
const BLOCK: u64 = 4096;

/// What is left to be merged.
#[derive(Clone, Debug)]
pub struct Merge {
    store: Store,
    origin: Sectors,
    left: u64,
}

/// Chunks that are consecutive on both sides. In this order: copy, sync the origin, write `clear`, sync the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where they are in the store.
    pub from: Bytes,
    /// Where they belong on the origin.
    pub to: Bytes,
    /// How much; less than whole chunks at the end of an origin that has no whole number of them.
    pub len: Bytes,
    /// Takes their entries off the list.
    pub clear: Write,
}

impl Merge {
    /// Of a store that was scanned with the origin's size. `None` where something is wrong with it: nothing is
    /// written by a list that cannot be right.
    #[must_use]
    pub fn new(store: &Store, scan: &Scan, origin: Sectors) -> Option<Self> {
        scan.findings.is_empty().then_some(Self { store: *store, origin, left: scan.entries })
    }

    /// Entries that are still to be merged.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next batch; `None` when all is done. The one before has to be finished.
    ///
    /// # Errors
    /// [`Damage::Io`], and [`Damage::Unsupported`] where the list is not what it was when it was scanned.
    pub fn next(&mut self, media: &dyn Media) -> Result<Option<Batch>, Damage> {
        let Some(last) = self.left.checked_sub(1) else { return Ok(None) };
        let at = self.store.entry_at(last).ok_or_else(changed)?;
        let start = at.round_down(Bytes(self.store.piece(BLOCK)));
        let mut data = vec![0; usize::try_from(self.store.piece(BLOCK)).unwrap_or(0)];
        let io = |source| Damage::Io { format: FORMAT, at: start.sectors(), source };
        media.read_at(start, &mut data).map_err(io)?;
        let count = usize::try_from(at.saturating_sub(start).0).unwrap_or(0).checked_div(ENTRY);
        let count = count.unwrap_or(0).saturating_add(1);
        let entries: Vec<(u64, u64)> = data.chunks_exact(ENTRY).take(count).filter_map(entry).collect();
        let run = last_run(&entries);
        let (old, new) = entries.get(entries.len().saturating_sub(run)).copied().ok_or_else(changed)?;
        if new == 0 {
            return Err(changed());
        }
        let keep = count.saturating_sub(run).saturating_mul(ENTRY);
        data.iter_mut().skip(keep).for_each(|byte| *byte = 0);
        self.left = self.left.saturating_sub(u64::try_from(run).unwrap_or(1));
        self.batch(old, new, run, Write { at: start, data }).map(Some)
    }

    fn batch(&self, old: u64, new: u64, run: usize, clear: Write) -> Result<Batch, Damage> {
        let chunks = u64::try_from(run).map_err(|_| changed())?;
        let end = new.checked_add(chunks).ok_or_else(changed)?;
        if end > self.store.chunks() {
            return Err(changed());
        }
        let to = self.store.place(old).ok_or_else(changed)?;
        let whole = self.store.place(chunks).ok_or_else(changed)?;
        let len = whole.min(self.origin.bytes().saturating_sub(to));
        Ok(Batch { from: self.store.place(new).ok_or_else(changed)?, to, len, clear })
    }
}

fn changed() -> Damage {
    Damage::Unsupported {
        format: FORMAT,
        at: Sectors(0),
        why: "the list changed while it was read".to_owned(),
    }
}

/// How many entries at the end follow one another on both sides.
fn last_run(entries: &[(u64, u64)]) -> usize {
    let follows = |pair: &&[(u64, u64)]| match pair {
        [(old, new), (next_old, next_new)] => {
            old.checked_add(1) == Some(*next_old) && new.checked_add(1) == Some(*next_new)
        }
        _ => false,
    };
    entries.windows(2).rev().take_while(follows).count().saturating_add(1)
}
