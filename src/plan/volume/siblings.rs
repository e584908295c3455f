//! Snapshots of one volume share it: what is written to the volume, each of them has to keep. A plan that makes the kernel write
//! much to a volume asks here whether the stores of its snapshots have room for that; a store that overflows is lost.

use std::collections::BTreeMap;

use superblock::{Bytes, Sectors, lvm::Group};

use crate::{
    model::{human, volume::StoreSeen},
    plan::Refusal,
};

/// What an entry of a store's list takes.
const ENTRY: u64 = 16;

/// Stores of a volume's snapshots by the names of these; why one could not be read.
pub type Stores = BTreeMap<String, Result<StoreSeen, String>>;

/// Ranges of a volume: first sector and length, in order.
pub type Ranges = Vec<(Sectors, Sectors)>;

/// What putting a snapshot back writes to its volume.
#[must_use]
pub fn written_by_rollback(store: &StoreSeen) -> Ranges {
    let sectors = |chunks: u64| Sectors(chunks.saturating_mul(store.chunk.0));
    store.changed.iter().map(|(first, count)| (sectors(*first), sectors(*count))).collect()
}

/// How much more of a store will be in use once these ranges are written.
#[must_use]
pub fn needed(store: &StoreSeen, written: &[(Sectors, Sectors)]) -> Sectors {
    let chunk = store.chunk.0.max(1);
    let (mut new, mut next) = (0_u64, 0_u64);
    for (start, length) in written.iter().filter(|(_, length)| length.0 > 0) {
        let first = (start.0 / chunk).max(next);
        let end = start.0.saturating_add(length.0).div_ceil(chunk).max(first);
        let kept = store.changed.iter().map(|(old, count)| {
            let (from, to) = ((*old).max(first), old.saturating_add(*count).min(end));
            to.saturating_sub(from)
        });
        new = new.saturating_add(end.saturating_sub(first).saturating_sub(kept.sum::<u64>()));
        next = end;
    }
    if new == 0 {
        return Sectors(0);
    }
    let entries: u64 = store.changed.iter().map(|(_, count)| count).sum();
    let in_list = Sectors(chunk).bytes().0.checked_div(ENTRY).unwrap_or(1).max(1);
    // The kernel begins the next list when one is full.
    let lists = |entries: u64| entries.checked_div(in_list).unwrap_or(0).saturating_add(1);
    let lists = lists(entries.saturating_add(new)).saturating_sub(lists(entries));
    Sectors(new.saturating_add(lists).saturating_mul(chunk))
}

/// Refuses what would make the store of another snapshot overflow.
///
/// # Errors
/// The first snapshot that would be lost, and how much more room saves it; or one of which nobody can tell.
pub fn have_room(
    group: &Group,
    origin: &str,
    but: Option<&str>,
    written: &[(Sectors, Sectors)],
    stores: &Stores,
) -> Result<(), Refusal> {
    let whole = format!("{}/{origin}", group.name);
    for snapshot in group.snapshots_of(origin).filter(|one| Some(one.cow) != but && !one.merging) {
        let name = format!("{}/{}", group.name, snapshot.cow);
        let give_up = format!("mdctl volume remove {name} gives it up");
        let store = match stores.get(snapshot.cow) {
            Some(Ok(store)) => store,
            Some(Err(why)) => {
                let text = format!("{name} may overflow by this, and its store cannot be read: {why}");
                return Err(Refusal::new(text).hint(give_up));
            }
            None => continue,
        };
        // What is lost already cannot be lost.
        if !store.is_valid {
            continue;
        }
        let needs = needed(store, written);
        if needs <= store.free {
            continue;
        }
        let more = needs.saturating_sub(store.free).bytes().0.div_ceil(1 << 20);
        let (needs, free) = (human::size(needs.bytes().0), human::size(store.free.bytes().0));
        return Err(Refusal::new(format!(
            "snapshot {name} would overflow and be lost: it has to keep {needs} of what {whole} has now, and {free} of its \
             store are free"
        ))
        .hint(format!("mdctl volume resize {name} +{more}M gives it the room; {give_up}")));
    }
    Ok(())
}

/// So much, somewhere in the volume: the least favourable places.
#[must_use]
pub fn anywhere(bytes: Bytes, pieces: u64) -> Ranges {
    let pieces = pieces.max(1);
    let each = bytes.sectors().0.div_ceil(pieces).max(1);
    // Far apart, so that each begins a chunk of its own, in places that no store has yet.
    let apart = u64::MAX / 4;
    let step = (apart / 2).checked_div(pieces).unwrap_or(1).max(each);
    (0..pieces).map(|n| (Sectors(apart.saturating_add(n.saturating_mul(step))), Sectors(each))).collect()
}

#[cfg(test)]
mod tests {
    use superblock::lvm::LvmUuid;

    use super::*;
    use crate::plan::volume::verbs_tests::with_volumes;

    fn store(chunk: u64, free: u64, changed: &[(u64, u64)]) -> StoreSeen {
        StoreSeen { is_valid: true, chunk: Sectors(chunk), free: Sectors(free), changed: changed.to_vec() }
    }

    #[test]
    fn what_a_store_will_need() {
        let written = |ranges: &[(u64, u64)]| -> Ranges {
            ranges.iter().map(|(start, length)| (Sectors(*start), Sectors(*length))).collect()
        };
        let eight = store(8, 0, &[]);
        for (store, ranges, needs) in [
            (eight.clone(), written(&[]), 0),
            (eight.clone(), written(&[(0, 8)]), 8),
            // A part of a chunk costs all of it.
            (eight.clone(), written(&[(7, 2)]), 16),
            // Two writes into one chunk cost it once.
            (eight.clone(), written(&[(0, 2), (4, 2)]), 8),
            // What it has already costs nothing.
            (store(8, 0, &[(0, 4)]), written(&[(0, 32)]), 0),
            (store(8, 0, &[(1, 2)]), written(&[(0, 32)]), 16),
            // 256 entries in a list of 4 KiB: the last one of it, and the next list.
            (store(8, 0, &[(0, 254)]), written(&[(254 * 8, 8)]), 8),
            (store(8, 0, &[(0, 255)]), written(&[(255 * 8, 8)]), 16),
            (store(64, 0, &[]), written(&[(0, 8), (640, 8)]), 128),
        ] {
            assert_eq!(needed(&store, &ranges), Sectors(needs), "{store:?} {ranges:?}");
        }
        assert_eq!(needed(&store(8, 0, &[(0, 100)]), &anywhere(Bytes(8 << 10), 2)), Sectors(32));
        let small = store(8, 0, &[]);
        assert_eq!(written_by_rollback(&store(64, 0, &[(2, 3)])), written(&[(128, 192)]));
        assert_eq!(needed(&small, &written_by_rollback(&store(64, 0, &[(2, 3)]))), Sectors(192));
    }

    #[test]
    fn a_sibling_that_would_be_lost_is_named() {
        let mut group = with_volumes().group;
        group.rename("w", "s").unwrap();
        group.make_snapshot("a", "s", Sectors(8), LvmUuid::from_random([60; 32])).unwrap();
        let written = vec![(Sectors(0), Sectors(1 << 13))];
        let room = |free: u64| Stores::from([("s".to_owned(), Ok(store(8, free, &[])))]);
        let asked = |stores: &Stores| have_room(&group, "a", None, &written, stores);
        assert!(asked(&room((1 << 13) + 32)).is_ok());
        let refusal = asked(&room(1 << 12)).unwrap_err();
        assert_eq!(
            refusal.text,
            "snapshot vg/s would overflow and be lost: it has to keep 4 MiB of what vg/a has now, and 2 MiB of its store \
             are free"
        );
        assert_eq!(
            refusal.hint.unwrap(),
            "mdctl volume resize vg/s +3M gives it the room; mdctl volume remove vg/s gives it up"
        );
        assert!(have_room(&group, "a", Some("s"), &written, &room(0)).is_ok(), "its own store is not needed");
        let lost = Stores::from([("s".to_owned(), Ok(StoreSeen { is_valid: false, ..store(8, 0, &[]) }))]);
        assert!(asked(&lost).is_ok());
        let unread = Stores::from([("s".to_owned(), Err("EIO".to_owned()))]);
        assert!(asked(&unread).unwrap_err().text.contains("cannot be read: EIO"));
    }
}
