//! Stores as dm-snapshot wrote them (`fixtures/in-guest.sh cow`).

use crate::support::devices;
use superblock::{
    Bytes, Media, Sectors,
    cow::{self, Merge, Run, Scan, Start, Store, Usage},
    sectors::SectorMap,
};

const ORIGIN: Sectors = Sectors(16384);

macro_rules! stores {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../fixtures/", $name, ".sectors")))),*]
    };
}

const STORES: &[(&str, &str)] =
    stores!("cow-32k", "cow-areas", "cow-few", "cow-fresh", "cow-invalid", "cow-merged");

fn store(name: &str) -> (SectorMap, Store, Scan) {
    let (_, text) = STORES.iter().find(|(known, _)| *known == name).unwrap();
    let (_, device) = devices(text).remove(0);
    let store = cow::read(&device).unwrap().unwrap();
    let scan = cow::scan(&device, &store, Some(ORIGIN)).unwrap();
    assert!(scan.findings.is_empty(), "{name}: {:?}", scan.findings);
    (device, store, scan)
}

fn usage(allocated: u64, total: u64, metadata: u64) -> Usage {
    Usage { allocated: Sectors(allocated), total: Sectors(total), metadata: Sectors(metadata) }
}

#[test]
fn a_new_one() {
    let (device, store, scan) = store("cow-fresh");
    assert_eq!((store.is_valid(), store.chunk(), scan.entries), (true, Sectors(8), 0));
    assert_eq!(scan.usage, usage(16, 2048, 16));
    let header = Store::header(Sectors(8)).unwrap();
    let mut bytes = vec![0xa5; header.data.len()];
    device.read_at(header.at, &mut bytes).unwrap();
    assert!(bytes == header.data, "ours is the kernel's");
    assert_eq!(cow::start(&vec![0; 4096]).unwrap(), Start::Fresh);
}

#[test]
fn scattered_and_consecutive() {
    let (_, _, scan) = store("cow-few");
    assert_eq!(scan.entries, 33);
    // What was written to the origin was first copied; what was written to the snapshot went there alone.
    assert_eq!(scan.changed(), [(7, 1), (100, 20), (300, 10), (500, 1), (1000, 1)]);
    assert_eq!(scan.usage.metadata, Sectors(16));
}

#[test]
fn a_second_area() {
    let (_, store, scan) = store("cow-areas");
    assert_eq!(scan.entries, 300);
    // The status line said so: 2424/8192 24.
    assert_eq!(scan.usage, usage(2424, 8192, 24));
    assert!(store.is_metadata(258) && scan.runs.iter().all(|run| !store.is_metadata(run.new)));
    assert_eq!(scan.changed(), [(0, 256), (600, 44)]);
}

#[test]
fn larger_chunks() {
    let (_, store, scan) = store("cow-32k");
    assert_eq!((store.chunk(), store.entries_per_area()), (Sectors(64), 2048));
    assert_eq!(scan.changed(), [(0, 1), (8, 2)]);
}

#[test]
fn one_that_overflowed_has_all_that_it_had_room_for() {
    let (device, store, scan) = store("cow-invalid");
    assert!(!store.is_valid());
    // Header, one area, 14 chunks; nothing is lost of them.
    assert_eq!((scan.chunks(), store.chunks()), (14, 16));
    for Run { old, new, len } in scan.runs {
        assert!(old + len <= 40);
        let mut chunk = [0xa5; 4096];
        device.read_at(Bytes(new * 4096), &mut chunk).unwrap();
        assert!(chunk.iter().all(|&byte| byte == 0), "the origin's zeros");
    }
}

#[test]
fn an_interrupted_merge_goes_on_where_it_was() {
    let (device, store, scan) = store("cow-merged");
    // 24 were there; the last ones are on the origin already.
    assert!((1..24).contains(&scan.entries), "{}", scan.entries);
    let mut merge = Merge::new(&store, &scan, ORIGIN).unwrap();
    let mut device = device;
    let mut last = u64::MAX;
    while let Some(batch) = merge.next(&device).unwrap() {
        assert!(batch.to.0 < last, "from the end");
        last = batch.to.0;
        device.write(&batch.clear);
    }
    let scan = cow::scan(&device, &store, Some(ORIGIN)).unwrap();
    assert_eq!((scan.entries, last, scan.usage), (0, 0, usage(16, 2048, 16)));
}
