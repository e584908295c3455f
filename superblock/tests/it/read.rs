//! What mdadm and the kernel wrote is read to exact values, and comes out again as it was.

use crate::support::{FIXTURES, devices, fixture};
use superblock::{
    Bytes, Events, Media, Membership, Role, Sectors,
    badblocks::{self, Log},
    bitmap, journal, ppl,
    sectors::SectorMap,
    v0, v1,
};

fn v1_of(device: &SectorMap) -> Option<v1::Superblock> {
    let mut found = v1::Minor::ALL.into_iter().filter_map(|minor| v1::read(device, minor).unwrap());
    let first = found.next().map(|sb| sb.verify().unwrap());
    assert!(found.next().is_none(), "one device, one superblock");
    first
}

/// The bytes on the device where a write would go.
fn on_device(device: &SectorMap, write: &superblock::Write) -> Vec<u8> {
    let mut bytes = vec![0xa5; write.data.len()];
    device.read_at(write.at, &mut bytes).unwrap();
    bytes
}

#[test]
fn encode_of_read_is_the_identity() {
    let (mut zero, mut one, mut bitmaps) = (0, 0, 0);
    for (name, text) in FIXTURES {
        for (nth, device) in devices(text) {
            let what = format!("{name} device {nth}");
            let (bitmap_at, write) = match v0::read(&device).unwrap() {
                Some(sb) => {
                    zero += 1;
                    let sb = sb.verify().unwrap();
                    assert!(sb.checksum_ok(), "{what}");
                    (sb.bitmap_at(), sb.encode())
                }
                None => {
                    one += 1;
                    let sb = v1_of(&device).unwrap_or_else(|| panic!("{what}: nothing"));
                    sb.kernel_objection().unwrap();
                    assert!(sb.fits(device.len().sectors()), "{what}");
                    (sb.bitmap_at(), sb.encode())
                }
            };
            assert!(write.data == on_device(&device, &write), "{what}");
            if let Some(at) = bitmap_at {
                bitmaps += 1;
                let bitmap = bitmap::read(&device, at).unwrap().unwrap();
                assert!(bitmap.encode(at).data == on_device(&device, &bitmap.encode(at)), "{what}");
            }
        }
    }
    assert!(zero >= 20 && one >= 90 && bitmaps >= 30, "{zero} {one} {bitmaps}");
}

fn member(name: &str, nth: usize) -> (SectorMap, v1::Superblock, Membership) {
    let (_, device) = fixture(name).into_iter().find(|(number, _)| *number == nth).unwrap();
    let sb = v1_of(&device).unwrap();
    let view = sb.membership();
    (device, sb, view)
}

#[test]
fn a_synced_mirror() {
    for (name, minor, data_offset, bitmap_offset, log) in
        [("ran-raid1", v1::Minor::V1_2, 2048, 8, 16), ("ran-raid1-1.0", v1::Minor::V1_0, 0, -16, -8)]
    {
        let (device, sb, view) = member(name, 1);
        assert_eq!((sb.minor(), view.data_offset), (minor, Sectors(data_offset)), "{name}");
        assert_eq!(sb.bitmap_offset(), Some(bitmap_offset));
        assert_eq!(sb.bad_block_log().unwrap().offset, log);
        assert!(view.clean && view.events > Events(10), "{name} {:?}", view.events);
        assert_eq!(view.role, Role::Slot { slot: 1, replacement: false });
        assert_eq!(sb.host_and_name(), (Some(&b"box"[..]), name.as_bytes()));
        let bitmap = bitmap::read(&device, sb.bitmap_at().unwrap()).unwrap().unwrap();
        assert_eq!((bitmap.events(), bitmap.uuid()), (view.events, view.array.0));
        let room = Bytes(1 << 20);
        let count = bitmap::count(&device, sb.bitmap_at().unwrap(), &bitmap, room).unwrap();
        assert_eq!(count, bitmap::Count { total: 1, dirty: 0 });
    }
}

#[test]
fn a_synced_mirror_of_0_90() {
    let (_, device) = fixture("ran-raid1-0.90").remove(0);
    let sb = v0::read(&device).unwrap().unwrap().verify().unwrap();
    let view = sb.membership();
    assert!(view.clean && view.events > Events(10));
    assert_eq!((view.role, view.minor), (Role::Slot { slot: 0, replacement: false }, Some(77)));
    assert_eq!((view.component_size, view.data_size), (sb.size().sectors(), Sectors(130_944)));
    let bitmap = bitmap::read(&device, sb.bitmap_at().unwrap()).unwrap().unwrap();
    assert_eq!((bitmap.uuid(), bitmap.events()), (sb.uuid_bytes(), view.events));
}

#[test]
fn bitmaps_with_many_bits_are_counted() {
    let (device, sb, _) = member("raid6b-1.2", 0);
    let at = sb.bitmap_at().unwrap();
    let bitmap = bitmap::read(&device, at).unwrap().unwrap();
    let all = bitmap.bits().unwrap();
    assert_eq!(all, sb.size().bytes().0 / u64::from(bitmap.chunksize()));
    let count = |room| bitmap::count(&device, at, &bitmap, room).unwrap();
    assert_eq!(count(Bytes(4096)), bitmap::Count { total: all, dirty: all });
    assert_eq!(count(Bytes(512)), bitmap::Count { total: 2048, dirty: 2048 }, "room ends it");
}

#[test]
fn a_failed_member_and_its_replacement() {
    let (_, _, failed) = member("ran-failed", 0);
    let (_, sb, fresh) = member("ran-failed", 1);
    let (_, _, spare) = member("ran-failed", 2);
    assert!(failed.events < fresh.events);
    assert_eq!(fresh.role, Role::Slot { slot: 1, replacement: false });
    assert_eq!(spare.role, Role::Slot { slot: 0, replacement: false });
    assert_eq!(sb.role_of(0), v1::ROLE_FAULTY, "{:?}", sb.roles().collect::<Vec<_>>());
}

#[test]
fn a_bad_block() {
    let (device, sb, view) = member("ran-badblock", 0);
    assert!(sb.feature_map().contains(v1::FeatureMap::BAD_BLOCKS));
    let range = badblocks::Range { start: Sectors(5000), length: Sectors(16) };
    let log = badblocks::read(&device, &sb).unwrap();
    assert_eq!(log, Log::Ranges(vec![range]));
    let (log, at) = (sb.bad_block_log().unwrap(), sb.bad_block_log_at().unwrap());
    let write = badblocks::encode(&[range], log, at).unwrap();
    assert!(write.data == on_device(&device, &write));
    assert!(view.data_offset > at);
    let (device, sb, _) = member("ran-badblock", 1);
    assert_eq!(badblocks::read(&device, &sb).unwrap(), Log::Empty);
    let (device, sb, _) = member("raid1-1.0", 0);
    assert_eq!(badblocks::read(&device, &sb).unwrap(), Log::Empty);
}

#[test]
fn a_journal_that_was_used() {
    let (device, sb, view) = member("ran-journal", 0);
    assert_eq!(view.role, Role::Journal);
    let at = |position: u64| sb.data_offset().saturating_add(Sectors(position));
    let first = journal::read(&device, at(0), view.array).unwrap().unwrap();
    assert_eq!((first.payloads().len(), first.position()), (0, Sectors(0)));
    let next = journal::read(&device, at(16), view.array).unwrap().unwrap();
    assert_eq!(next.position(), Sectors(16));
    assert_eq!(next.payloads().len(), 16);
    assert!(matches!(&next.payloads()[0], journal::Payload::Data(blocks) if blocks.size == Sectors(8)));
    assert!(matches!(&next.payloads()[1], journal::Payload::Parity(blocks) if blocks.checksums.len() == 1));
    let write = next.encode(at(16), view.array);
    assert!(write.data == on_device(&device, &write));
}

#[test]
fn a_partial_parity_log_that_was_used() {
    for nth in 0..3 {
        let (device, sb, view) = member("ran-raid5ppl", nth);
        let at = sb.ppl_at().unwrap();
        let header = ppl::read(&device, at, view.array).unwrap().unwrap();
        assert!(header.encode(at).data == on_device(&device, &header.encode(at)));
    }
}
