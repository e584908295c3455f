//! Stores made here by hand; `tests/it/cow.rs` has those that the kernel made.

use super::*;

const CHUNK: u64 = 8;
const PER_AREA: u64 = CHUNK * 32;

/// A device of `chunks` chunks whose list has these entries.
#[expect(clippy::arithmetic_side_effects, reason = "the tests' own small numbers")]
fn device(chunks: u64, entries: &[(u64, u64)]) -> Vec<u8> {
    let mut device = vec![0; usize::try_from(chunks * CHUNK * 512).unwrap()];
    put(&mut device, 0, &Store::header(Sectors(CHUNK)).unwrap().data);
    let store = read(&device).unwrap().unwrap();
    for (index, (old, new)) in (0..).zip(entries) {
        let at = store.entry_at(index).unwrap();
        put(&mut device, at.0, &[old.to_le_bytes(), new.to_le_bytes()].concat());
    }
    device
}

fn put(device: &mut [u8], at: u64, bytes: &[u8]) {
    device[usize::try_from(at).unwrap()..][..bytes.len()].copy_from_slice(bytes);
}

fn scanned(device: &[u8], origin: Option<u64>) -> Scan {
    let device = device.to_vec();
    let store = read(&device).unwrap().unwrap();
    scan(&device, &store, origin.map(|chunks| Sectors(chunks.saturating_mul(CHUNK)))).unwrap()
}

fn run(old: u64, new: u64, len: u64) -> Run {
    Run { old, new, len }
}

#[test]
fn a_start_is_a_store_or_fresh_or_something_else() {
    let mut bytes = device(4, &[]);
    assert!(matches!(start(&bytes).unwrap(), Start::Store(store) if store.is_valid() && store.chunks() == 4));
    put(&mut bytes, 4, &[0; 4]);
    assert!(!read(&bytes).unwrap().unwrap().is_valid());
    put(&mut bytes, 0, &fresh().data);
    assert_eq!(start(&bytes).unwrap(), Start::Fresh);
    put(&mut bytes, 0, b"LABELONE");
    assert_eq!(start(&bytes).unwrap(), Start::Foreign);
    assert!(matches!(read(&vec![0; 100]), Err(Damage::Io { .. })));
}

#[test]
fn each_rejection_of_a_header() {
    for version in [0, 2, u32::MAX] {
        let mut bytes = device(4, &[]);
        put(&mut bytes, 8, &version.to_le_bytes());
        assert!(matches!(read(&bytes), Err(Damage::Unsupported { .. })), "{version}");
    }
    for chunk in [0, 3, 24, 1 << 22, 1 << 31, u32::MAX] {
        let mut bytes = device(4, &[]);
        put(&mut bytes, 12, &chunk.to_le_bytes());
        match read(&bytes) {
            Err(Damage::Corrupt { what: What::Field { field: "chunk_size", value, .. }, .. }) => {
                assert_eq!(value, chunk.into());
            }
            other => panic!("{chunk}: {other:?}"),
        }
    }
    for chunk in [0, 3, 1 << 22, u64::MAX] {
        assert_eq!(Store::header(Sectors(chunk)), None);
    }
    // A chunk larger than the device: a store of no room.
    let mut bytes = device(4, &[]);
    put(&mut bytes, 12, &(1u32 << 21).to_le_bytes());
    let found = scanned(&bytes, None).findings.shown;
    assert_eq!(found, [Finding::CutOff { area: 0 }]);
}

#[test]
fn entries_are_joined_and_put_in_order() {
    let bytes = device(40, &[(9, 5), (10, 6), (11, 8), (3, 7), (4, 9), (12, 10)]);
    let scan = scanned(&bytes, Some(13));
    assert!(scan.findings.is_empty(), "{:?}", scan.findings);
    assert_eq!(scan.runs, [run(3, 7, 1), run(4, 9, 1), run(9, 5, 2), run(11, 8, 1), run(12, 10, 1)]);
    assert_eq!((scan.changed(), scan.chunks(), scan.entries), (vec![(3, 2), (9, 4)], 6, 6));
    assert_eq!(scan.usage.allocated, Sectors(11 * CHUNK));
}

#[test]
fn figures_are_those_of_the_status_line() {
    for (entries, allocated, metadata) in
        [(0, 2, 2), (1, 3, 2), (PER_AREA - 1, 257, 2), (PER_AREA, 259, 3), (PER_AREA + 1, 260, 3)]
    {
        let store = device(1, &[]);
        let store = read(&store).unwrap().unwrap();
        let data = (2..).filter(|&new| !store.is_metadata(new)).zip(100..);
        let list: Vec<(u64, u64)> =
            data.map(|(new, old)| (old, new)).take(entries.try_into().unwrap()).collect();
        let scan = scanned(&device(600, &list), None);
        assert!(scan.findings.is_empty());
        let expected = Usage {
            allocated: Sectors(allocated * CHUNK),
            total: Sectors(600 * CHUNK),
            metadata: Sectors(metadata * CHUNK),
        };
        assert_eq!((scan.usage, scan.entries), (expected, entries), "{entries}");
    }
}

#[test]
fn each_finding_by_one_entry() {
    let found = |entries: &[(u64, u64)]| scanned(&device(400, entries), Some(100)).findings.shown;
    assert_eq!(found(&[(5, 1)]), [Finding::InMetadata { index: 0, new: 1 }]);
    assert_eq!(found(&[(5, 2), (6, 258)]), [Finding::InMetadata { index: 1, new: 258 }]);
    assert_eq!(found(&[(5, 400)]), [Finding::BeyondStore { index: 0, new: 400 }]);
    assert_eq!(found(&[(5, u64::MAX)]), [Finding::BeyondStore { index: 0, new: u64::MAX }]);
    assert_eq!(found(&[(100, 2)]), [Finding::BeyondOrigin { index: 0, old: 100 }]);
    assert_eq!(found(&[(5, 2), (5, 3)]), [Finding::DuplicateOld { old: 5, len: 1 }]);
    assert_eq!(found(&[(5, 2), (7, 2)]), [Finding::DuplicateNew { new: 2, len: 1 }]);
    assert_eq!(found(&[(5, 2), (0, 0), (6, 3)]), [Finding::Gap { end: 1, next: 2 }]);
    let full: Vec<(u64, u64)> = (0..PER_AREA).map(|at| (at, if at == 255 { 257 } else { at + 2 })).collect();
    let scan = scanned(&device(258, &full), None);
    assert_eq!(scan.findings.shown, [Finding::CutOff { area: 1 }]);
    assert_eq!(scan.chunks(), PER_AREA);
    for finding in found(&[(5, 1)]).into_iter().chain(scan.findings.shown) {
        assert!(!finding.to_string().is_empty());
    }
    assert_eq!(scanned(&device(4, &[(u64::MAX, 2)]), None).findings.total, 1, "no origin is so large");
}

#[test]
fn of_several_entries_for_a_chunk_the_first_counts() {
    let bytes = device(40, &[(5, 2), (6, 3), (7, 4), (6, 8), (7, 9), (8, 10)]);
    let scan = scanned(&bytes, None);
    assert_eq!(scan.runs, [run(5, 2, 3), run(8, 10, 1)]);
    assert_eq!(scan.findings.shown, [Finding::DuplicateOld { old: 6, len: 2 }]);
    let store = read(&bytes).unwrap().unwrap();
    assert!(Merge::new(&store, &scan, Sectors(1 << 20)).is_none(), "nothing is written by such a list");
}

#[test]
fn findings_are_counted_and_a_few_are_shown() {
    let entries: Vec<(u64, u64)> = (0..200).map(|old| (old, 1)).collect();
    let findings = scanned(&device(4, &entries), None).findings;
    assert_eq!((findings.shown.len(), findings.total), (64, 200));
}

/// Carries a merge out on bytes; stops after `most` batches.
fn merge(store_bytes: &mut [u8], origin: &mut [u8], most: usize) -> Vec<(u64, u64)> {
    let store = read(&store_bytes.to_vec()).unwrap().unwrap();
    let size = Media::len(origin).sectors();
    let scan = scan(&store_bytes.to_vec(), &store, Some(size)).unwrap();
    let mut merge = Merge::new(&store, &scan, size).unwrap();
    let mut done = Vec::new();
    while done.len() < most {
        let Some(batch) = merge.next(&store_bytes.to_vec()).unwrap() else { break };
        let (from, to) = (usize::try_from(batch.from.0).unwrap(), usize::try_from(batch.to.0).unwrap());
        let len = usize::try_from(batch.len.0).unwrap();
        origin[to..][..len].copy_from_slice(&store_bytes[from..][..len]);
        put(store_bytes, batch.clear.at.0, &batch.clear.data);
        done.push((batch.to.0 / 4096, batch.len.0));
    }
    done
}

#[test]
fn merging_takes_the_last_first_and_can_be_cut_off_anywhere() {
    // The origin ends in the middle of its chunk 299; the list has more than one block of an area.
    let data = (2u64..).filter(|&new| new % 257 != 1);
    let list: Vec<(u64, u64)> = data.zip((0..260).chain([299])).map(|(new, old)| (old, new)).collect();
    let mut store = device(400, &list);
    for (nth, (_, new)) in (1u8..=255).cycle().zip(&list) {
        put(&mut store, new * 4096, &[nth; 4096]);
    }
    let origin = vec![0; 299 * 4096 + 512];
    let (mut done_store, mut whole) = (store.clone(), origin.clone());
    let batches = merge(&mut done_store, &mut whole, usize::MAX);
    assert_eq!(batches, [(299, 512), (256, 4 * 4096), (0, 256 * 4096)]);
    assert_eq!(scanned(&done_store, None).entries, 0);
    assert_eq!(scanned(&done_store, None).usage.allocated, scanned(&done_store, None).usage.metadata);
    for cut in 0..=batches.len() {
        let (mut cut_store, mut part) = (store.clone(), origin.clone());
        merge(&mut cut_store, &mut part, cut);
        // Copied and not yet cleared is copied again.
        merge(&mut cut_store, &mut part, usize::MAX);
        assert!(part == whole, "cut after {cut}");
    }
}

#[test]
fn the_sizes_of_lvm() {
    // 1 + chunks + (chunks + E) / E
    assert_eq!(max_size(Sectors(8192), Sectors(8)), Sectors((1 + 1024 + 5) * 8));
    assert_eq!(max_size(Sectors(1), Sectors(1024)), Sectors(3 * 1024));
    assert_eq!(min_size(Sectors(8)), Sectors(24));
    assert_eq!(max_size(Sectors(u64::MAX), Sectors(8)), Sectors(u64::MAX), "no size wraps");
    assert_eq!(max_size(Sectors(8), Sectors(0)), Sectors(0), "no chunk, no store");
    // As large as it may be, it has room for all of the origin.
    for chunks in [1, 255, 256, 257, 1000] {
        let room = max_size(Sectors(chunks * 8), Sectors(8)).0 / 8;
        let store = read(&device(room, &[])).unwrap().unwrap();
        let data = (2..room).filter(|&chunk| !store.is_metadata(chunk)).count();
        assert!(u64::try_from(data).unwrap() >= chunks, "{chunks}");
    }
}
