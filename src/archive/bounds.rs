//! How much is kept at all.

use superblock::Bytes;

use super::Id;

/// How much a place may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Entries.
    pub entries: usize,
    /// Bytes of all files together.
    pub bytes: Bytes,
    /// So many of the newest always stay.
    pub newest: usize,
}

impl Bounds {
    /// On a disk.
    pub const DISK: Self = Self { entries: 256, bytes: Bytes(256 << 20), newest: 8 };
    /// In memory.
    pub const MEMORY: Self = Self { entries: 64, bytes: Bytes(32 << 20), newest: 8 };
}

/// A file of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The entry.
    pub id: Id,
    /// The file's size.
    pub size: Bytes,
}

/// The entries that have to go, oldest first.
#[must_use]
pub fn superfluous(mut stored: Vec<Stored>, bounds: Bounds) -> Vec<Id> {
    stored.sort_by(|a, b| b.id.cmp(&a.id));
    let mut total = Bytes(0);
    let mut gone: Vec<Id> = Vec::new();
    for (nth, file) in stored.into_iter().enumerate() {
        total = total.saturating_add(file.size);
        if nth >= bounds.newest && (nth >= bounds.entries || total > bounds.bytes) {
            gone.push(file.id);
        }
    }
    gone.reverse();
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_the_newest_few_stay() {
        let id = |seconds| Id::new(crate::model::world::Timestamp { seconds, micros: 0 }, 1);
        let file = |seconds, size| Stored { id: id(seconds), size: Bytes(size) };
        let bounds = Bounds { entries: 4, bytes: Bytes(100), newest: 2 };
        let ids = |seconds: &[u64]| seconds.iter().map(|s| id(*s)).collect::<Vec<_>>();
        let few = vec![file(3, 10), file(1, 10), file(2, 10)];
        assert_eq!(superfluous(few, bounds), ids(&[]));
        let many = (1..=6).map(|s| file(s, 1)).collect();
        assert_eq!(superfluous(many, bounds), ids(&[1, 2]));
        let large = vec![file(1, 1), file(2, 30), file(3, 90), file(4, 90)];
        assert_eq!(superfluous(large, bounds), ids(&[1, 2]), "the newest two stay, however large");
    }
}
