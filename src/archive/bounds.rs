//! How much is kept at all.

use superblock::Bytes;

use super::{EntrySubject, FileName};
use crate::model::order::InOrder as _;

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
    /// Changes of groups, in either place: they have no bytes of devices.
    const GROUPS: Self = Self { entries: 512, bytes: Bytes(2 << 20), newest: 8 };
}

/// A file of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub name: FileName,
    /// Its size.
    pub size: Bytes,
}

/// The entries that have to go, oldest first. Those of devices and those of groups are counted apart.
#[must_use]
pub fn superfluous(stored: Vec<Stored>, bounds: Bounds) -> Vec<FileName> {
    let (devices, groups) = stored.into_iter().partition(|file| file.name.of == EntrySubject::Devices);
    let mut gone = beyond(devices, bounds);
    gone.extend(beyond(groups, Bounds::GROUPS));
    gone
}

fn beyond(mut stored: Vec<Stored>, bounds: Bounds) -> Vec<FileName> {
    stored.order_by(|a, b| b.name.cmp(&a.name));
    let mut total = Bytes(0);
    let mut gone: Vec<FileName> = Vec::new();
    for (nth, file) in stored.into_iter().enumerate() {
        total = total.saturating_add(file.size);
        if nth >= bounds.newest && (nth >= bounds.entries || total > bounds.bytes) {
            gone.push(file.name);
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
        // The clock goes backwards.
        let id = |seq| {
            let seconds = 1_800_000_000 - seq;
            let id = crate::archive::EntryId::new(crate::model::world::Timestamp { seconds, micros: 0 }, 1);
            FileName { seq, id, of: EntrySubject::Devices }
        };
        let file = |seq, size| Stored { name: id(seq), size: Bytes(size) };
        let bounds = Bounds { entries: 4, bytes: Bytes(100), newest: 2 };
        let ids = |all: &[u64]| all.iter().map(|seq| id(*seq)).collect::<Vec<_>>();
        let few = vec![file(3, 10), file(1, 10), file(2, 10)];
        assert_eq!(superfluous(few, bounds), ids(&[]));
        let many = (1..=6).map(|s| file(s, 1)).collect();
        assert_eq!(superfluous(many, bounds), ids(&[1, 2]));
        let large = vec![file(1, 1), file(2, 30), file(3, 90), file(4, 90)];
        assert_eq!(superfluous(large, bounds), ids(&[1, 2]), "the newest two stay, however large");
        let of_group = |seq| Stored { name: FileName { of: EntrySubject::Group, ..id(seq) }, size: Bytes(1) };
        let both = [file(1, 1), file(2, 1)].into_iter().chain((3..=400).map(of_group));
        assert_eq!(superfluous(both.collect(), bounds), ids(&[]), "changes of volumes push out no devices");
    }
}
