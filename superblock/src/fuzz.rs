//! One function for each format that must come back from any bytes: the bodies of the fuzz targets in `fuzz/`, and
//! of the property tests below, which run on stable.
//!
//! Each puts the bytes where the format is looked for and makes right what would turn them away at the door (magic,
//! position, checksum), so that the code behind the door is what meets them.

use crate::{
    Bytes, Damage, Endian, Level, MdUuid, Media, Role, Sectors, Write, badblocks, bitmap,
    checksum::{crc32c, crc32c_raw, journal_seed},
    content, cow, delta, foreign, journal, lvm, ppl,
    probe::probe,
    sectors::SectorMap,
    v0, v1,
    window::{Width, Window},
};

const DEVICE: usize = 128 << 10;

/// A device of zeros with these pieces; what does not fit is cut.
fn device(pieces: &[(u64, &[u8])]) -> Vec<u8> {
    let mut device = vec![0; DEVICE];
    for (at, bytes) in pieces {
        let tail = usize::try_from(*at).ok().and_then(|at| device.get_mut(at..)).unwrap_or_default();
        for (to, from) in tail.iter_mut().zip(*bytes) {
            *to = *from;
        }
    }
    device
}

fn page(data: &[u8]) -> Vec<u8> {
    let mut page = data.to_vec();
    page.resize(4096, 0);
    page
}

fn patch(page: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in page.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// What is looked for inside of arrays, each magic in its place and the bytes around it.
pub fn content(data: &[u8]) {
    let magics: [(u64, usize, &[u8]); 8] = [
        (1024, 56, &[0x53, 0xef]),
        (0, 0, b"XFSB"),
        (64 << 10, 64, b"_BHRfS_M"),
        (0, 0, b"LUKS\xba\xbe\0\x02"),
        (0, 0, b"LUKS\xba\xbe\0\x01"),
        (512, 0, b"EFI PART"),
        (512, 0, b"LABELONE"),
        (4096, 4, b" LVM2 x[5A%r0N*>"),
    ];
    for (at, within, magic) in magics {
        let mut page = page(data);
        patch(&mut page, within, magic);
        if magic.starts_with(b"LABELONE") {
            patch(&mut page, 24, b"LVM2 001");
        }
        let _ = content::find(&device(&[(at, &page)]), 8).iter().map(content::Content::tally).count();
    }
}

/// A version-1 superblock in each of its places.
pub fn v1(data: &[u8]) {
    for minor in v1::Minor::ALL {
        let mut page = page(data);
        let Some(at) = minor.place(Bytes(128 << 10)) else { continue };
        patch(&mut page, 0, &v1::MAGIC.to_le_bytes());
        patch(&mut page, 4, &1u32.to_le_bytes());
        patch(&mut page, 144, &at.0.to_le_bytes());
        let device = device(&[(at.bytes().0, &page)]);
        let Ok(Some(found)) = v1::read(&device, minor) else { continue };
        let _ = found.check();
        look_at_v1(found.fields());
        change_v1(&device, found.despite_checksum());
    }
}

fn look_at_v1(sb: &v1::Superblock) {
    let _ = (sb.membership(), sb.kernel_objection(), sb.host_and_name(), sb.is_local_to(b"host"));
    let _ = (sb.bitmap_at(), sb.ppl_at(), sb.bad_block_log_at(), sb.new_level(), sb.new_offset());
    let _ = (sb.ctime(), sb.utime(), sb.fits(Sectors(256)), format!("{sb:?}"));
    assert!(sb.roles().len() <= 1920 && sb.max_dev() <= 1920);
    assert!(sb.encode().data.len() <= 4096);
}

fn change_v1(device: &dyn Media, mut sb: v1::Superblock) {
    let _ = badblocks::read(device, &sb);
    let bitmap = sb.bitmap_at().and_then(|at| bitmap::load(device, at).ok());
    let _ = (sb.room_for_bad_block_log(bitmap.as_ref()), sb.room_for_ppl());
    for unstarted in [true, false] {
        let mut turned = sb.clone();
        let before = turned.encode();
        match turned.revert_reshape(unstarted) {
            Ok(()) => assert!(turned.checksum_ok()),
            Err(_) => assert_eq!(turned.encode(), before, "nothing is changed"),
        }
    }
    for edit in [
        v1::Edit::Role { number: sb.dev_number(), role: Role::Spare },
        v1::Edit::Events(sb.events()),
        v1::Edit::NoBitmap,
    ] {
        let _ = sb.edit(edit);
        assert!(sb.checksum_ok() || sb.dev_number() >= 1920);
    }
    let write = sb.encode();
    assert_eq!(write, sb.encode());
}

/// A 0.90 superblock in both byte orders.
pub fn v0(data: &[u8]) {
    for order in [Endian::Little, Endian::Big] {
        let mut page = page(data);
        patch(&mut page, 0, &order.bytes(v0::MAGIC));
        patch(&mut page, 4, &order.bytes(0));
        let at = v0::place(Bytes(128 << 10)).unwrap_or_default();
        let device = device(&[(at.bytes().0, &page)]);
        let Ok(Some(found)) = v0::read(&device) else { continue };
        let _ = found.check();
        let sb = found.fields();
        let _ = (sb.membership(), sb.bitmap_at(), sb.is_local_to(b"host"), format!("{sb:?}"));
        let _ = (sb.disks().last().map(|disk| disk.role()), sb.new_level(), sb.uuid_bytes());
        let mut sb = found.despite_checksum();
        for edit in [v0::Edit::Summaries, v0::Edit::Disk(sb.this_disk()), v0::Edit::Sparc22] {
            let _ = sb.edit(edit);
        }
        let _ = v1::Superblock::from_v0(&sb, Media::len(&device), sb.set_uuid());
        let _ = sb.clone().revert_reshape();
        let before = sb.clone();
        for _ in 0..2 {
            let _ = sb.edit(v0::Edit::ByteOrder);
            assert!(sb.checksum_ok());
        }
        assert_eq!(sb.encode(), before.encode(), "there and back");
    }
}

/// A label of LVM2's, and the metadata areas that it names.
pub fn lvm_label(data: &[u8]) {
    let mut sector = data.to_vec();
    sector.resize(512, 0);
    patch(&mut sector, 0, lvm::label::MAGIC);
    patch(&mut sector, 8, &1u64.to_le_bytes());
    patch(&mut sector, 20, &32u32.to_le_bytes());
    patch(&mut sector, 24, lvm::label::TYPE);
    patch(&mut sector, 32, &[b'a'; 32]);
    let crc = lvm::lvm_crc(sector.get(20..).unwrap_or_default());
    patch(&mut sector, 16, &crc.to_le_bytes());
    let device = device(&[(512, &sector)]);
    let Ok(Some(label)) = lvm::label::read(&device) else { return };
    for place in &label.metadata {
        let _ = lvm::area::read(&device, *place);
    }
    let Some(write) = label.encode() else { return };
    let again = self::device(&[(write.at.0, &write.data)]);
    assert_eq!(lvm::label::read(&again).ok().flatten().as_ref(), Some(&label), "written and read");
}

/// A metadata area's header, and the text that it names.
pub fn lvm_area(data: &[u8]) {
    let place = lvm::Extent { start: Bytes(4096), size: Bytes(0) };
    let mut sector = data.to_vec();
    sector.resize(4096, 0);
    patch(&mut sector, 4, lvm::area::MAGIC);
    patch(&mut sector, 20, &1u32.to_le_bytes());
    patch(&mut sector, 24, &4096u64.to_le_bytes());
    patch(&mut sector, 36, &[0; 4]);
    let crc = lvm::lvm_crc(sector.get(4..512).unwrap_or_default());
    patch(&mut sector, 0, &crc.to_le_bytes());
    let device = device(&[(4096, &sector)]);
    let Ok(area) = lvm::area::read(&device, place) else { return };
    if let Some(slot) = area.committed {
        let _ = lvm::area::text(&device, &area, slot);
    }
    if let Ok(placed) = area.place(data) {
        let end = area.place.start.saturating_add(area.place.size);
        for write in placed.writes {
            let len = Bytes(u64::try_from(write.data.len()).unwrap_or(u64::MAX));
            assert!(write.at >= Bytes(4096 + 512) && write.at.saturating_add(len) <= end, "inside the ring");
        }
        assert_eq!(area.commit(placed.slot).data.len(), 512);
    }
}

/// LVM2's text.
pub fn lvm_text(data: &[u8]) {
    let stamp = lvm::Stamp::default();
    let _ = lvm::write::as_file(data, &stamp);
    let Ok(group) = lvm::Group::parse(data) else { return };
    let _ = (group.parts(), group.free_extents(), group.objections(&[]), group.backup(&stamp));
    let align = vec![Sectors(3072); 4];
    let wish = lvm::Wish { extents: 7, stripes: 2, stripe_size: Sectors(128), align, ..lvm::Wish::default() };
    let _ = group.allocate(&wish);
    if group.strange.is_empty() {
        let again = lvm::Group::parse(&group.raw(&stamp));
        let again = again.map(|again| lvm::Group { written: group.written.clone(), ..again });
        assert_eq!(again.as_ref(), Ok(&group), "written and read");
    }
}

/// A bitmap's superblock with its bits.
pub fn bitmap(data: &[u8]) {
    let mut area = data.to_vec();
    patch(&mut area, 0, &bitmap::MAGIC.to_le_bytes());
    let device = device(&[(4096, &area)]);
    let at = Sectors(8);
    let _ = bitmap::read(&device, at);
    let Ok(sb) = bitmap::load(&device, at) else { return };
    let _ = (sb.check(at), sb.bits(), sb.node_area(), sb.cluster_name(), sb.state(), format!("{sb:?}"));
    for room in [Bytes(0), Bytes(512), Bytes(u64::MAX)] {
        let count = bitmap::count(&device, at, &sb, room);
        assert!(count.is_ok_and(|count| count.dirty <= count.total));
    }
    assert!(bitmap::lockless::count(&device, at, &sb).is_ok());
    let places: Vec<Sectors> = sb.places(at).take(100).collect();
    assert!(places.first() == Some(&at) && places.is_sorted());
    assert!(sb.initial(at).is_none_or(|write| write.data.len() <= 64 << 20));
    let unchanged = sb.encode(at);
    assert_eq!(bitmap::load(&unchanged.data, Sectors(0)).map(|sb| sb.encode(at)).ok(), Some(unchanged));
}

/// A bad-block log: seven bytes for its place, the rest for its entries.
pub fn badblocks(data: &[u8]) {
    let [a, b, c, d, e, f, shift, entries @ ..] = data else { return };
    let log = v1::BadBlockLog {
        offset: i32::from_le_bytes([*a, *b, *c, *d]),
        size: u16::from_le_bytes([*e, *f]),
        shift: *shift,
    };
    let Some(mut sb) = sample() else { return };
    for log in [log, v1::BadBlockLog { offset: 8, size: 1, ..log }] {
        let _ = sb.edit(v1::Edit::BadBlockLog(log));
        // The feature bit, which only the kernel sets.
        let mut page = sb.encode().data;
        patch(&mut page, 8, &8u32.to_le_bytes());
        let device = device(&[(4096, &page), (8192, entries)]);
        let Ok(Some(found)) = v1::read(&device, v1::Minor::V1_2) else { continue };
        if let Ok(badblocks::Log::Ranges(ranges)) = badblocks::read(&device, found.fields()) {
            let _ = badblocks::encode(&ranges, log, Sectors(16));
        }
    }
}

fn sample() -> Option<v1::Superblock> {
    let new = v1::NewArray {
        minor: v1::Minor::V1_2,
        uuid: MdUuid([1; 16]),
        name: v1::set_name(None, b"fuzz"),
        created: 1,
        level: Level::Raid1,
        layout: 0,
        size: Sectors(64),
        chunk: Sectors(0),
        raid_disks: 2,
        spares: 0,
        clean: true,
        raid0_layout: false,
        journal: false,
        ppl: false,
        bitmap: None,
        bad_block_log: true,
        roles: vec![Role::Slot { slot: 0, replacement: false }],
    };
    let member = v1::NewMember {
        number: 0,
        uuid: MdUuid([2; 16]),
        events: crate::Events(0),
        device: Sectors(256),
        data_offset: Sectors(64),
        flags: v1::DevFlags::empty(),
    };
    new.member(&member).ok()
}

/// A PPL header.
pub fn ppl(data: &[u8]) {
    let array = MdUuid([3; 16]);
    let mut page = page(data);
    patch(&mut page, 0, &[0xff; 512]);
    patch(&mut page, 512, &ppl::signature(array).to_le_bytes());
    patch(&mut page, 532, &[0; 4]);
    let sum = crc32c(&page);
    patch(&mut page, 532, &sum.to_le_bytes());
    if let Ok(Some(header)) = ppl::read(&page, Sectors(0), array) {
        assert!(header.entries().count() <= 148);
        assert_eq!(header.encode(Sectors(0)), Write { at: Bytes(0), data: page });
    }
}

/// A journal's meta block.
pub fn journal(data: &[u8]) {
    let array = MdUuid([4; 16]);
    let mut page = page(data);
    patch(&mut page, 0, &journal::MAGIC.to_le_bytes());
    patch(&mut page, 8, &[1]);
    patch(&mut page, 4, &[0; 4]);
    let sum = crc32c_raw(journal_seed(array.0), &page);
    patch(&mut page, 4, &sum.to_le_bytes());
    if let Ok(Some(block)) = journal::read(&page, Sectors(0), array) {
        assert!(block.payloads().len() <= 4064 / 8);
        assert_eq!(block.encode(Sectors(0), array), Write { at: Bytes(0), data: page });
    }
}

/// The header of a delta, and the head of a record.
pub fn delta(data: &[u8]) {
    let mut header = [0; delta::HEADER];
    patch(&mut header, 0, data);
    patch(&mut header, 0, &delta::MAGIC);
    patch(&mut header, 8, &delta::VERSION.to_le_bytes());
    let sum = crc32c(header.get(..252).unwrap_or_default());
    patch(&mut header, 252, &sum.to_le_bytes());
    let size = match delta::Header::decode(&header) {
        Ok(Some(header)) => header.size,
        _ => Sectors(1 << 30),
    };
    let mut head = [0; delta::HEAD];
    patch(&mut head, 0, data);
    let sum = crc32c(head.get(..28).unwrap_or_default());
    patch(&mut head, 28, &sum.to_le_bytes());
    if let Ok(delta::Next::Record(record)) = delta::Next::decode(&head, size) {
        assert!(record.length <= delta::MAX_DATA && record.start < size);
    }
}

/// A snapshot's store: a byte for its chunk, two for its size, the rest for its entries.
pub fn cow(data: &[u8]) {
    let [shift, origin, size, entries @ ..] = data else { return };
    let chunk = Sectors(1 << (shift & 7));
    let mut device = device(&[(chunk.bytes().0, entries)]);
    device.truncate(usize::from(*size).saturating_mul(512));
    for (to, from) in device.iter_mut().zip(cow::Store::header(chunk).map(|w| w.data).unwrap_or_default()) {
        // The first area may be within what is zeroed of a new one.
        *to = if from == 0 { *to } else { from };
    }
    let Ok(Some(store)) = cow::read(&device) else { return };
    let most = Media::len(&device).0 / 16;
    for origin in [None, Some(Sectors(u64::from(*origin)))] {
        let Ok(scan) = cow::scan(&device, &store, origin) else { continue };
        assert!(scan.entries <= most && scan.chunks() <= most && scan.findings.shown.len() <= 64);
        let ends = scan.runs.windows(2).all(|pair| match pair {
            [a, b] => a.old.saturating_add(a.len) <= b.old,
            _ => true,
        });
        assert!(ends, "in order, each chunk once");
        assert!(scan.runs.iter().all(|run| run.new.saturating_add(run.len) <= store.chunks()));
        let Some(mut merge) = cow::Merge::new(&store, &scan, origin.unwrap_or(Sectors(1 << 40))) else {
            continue;
        };
        let mut left = merge.left();
        let mut device = device.clone();
        while let Ok(Some(batch)) = merge.next(&device) {
            assert!(merge.left() < left && batch.from.saturating_add(batch.len) <= Media::len(&device));
            left = merge.left();
            patch(&mut device, usize::try_from(batch.clear.at.0).unwrap_or(usize::MAX), &batch.clear.data);
        }
        assert_eq!(left, 0, "a list without findings is merged to its end");
    }
}

/// A whole small device: the bytes are its start and, turned round, its end.
pub fn device_of(data: &[u8]) {
    let end: Vec<u8> = data.iter().rev().copied().collect();
    let at = u64::try_from(DEVICE.saturating_sub(end.len())).unwrap_or(0);
    for device in [data.to_vec(), device(&[(0, data), (at, &end)])] {
        let probe = probe(&Window::new(&device, Width::Narrow));
        assert!(probe.found.len() <= 4);
        assert!(
            !probe.damaged.iter().any(|damage| matches!(damage, Damage::Io { .. })),
            "memory does not fail"
        );
    }
}

/// Something foreign: the first byte picks one, the rest is what lies around its magic.
pub fn foreign(data: &[u8]) {
    let [pick, rest @ ..] = data else { return };
    let device = foreign::planted(usize::from(*pick), rest);
    assert!(foreign::scan(&device).is_ok_and(|found| !found.is_empty()));
}

/// The text of a device.
pub fn sectors(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(map) = text.parse::<SectorMap>() else { return };
    assert_eq!(map.to_string().parse(), Ok(map));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

    use super::*;

    /// Bytes, often small or all ones as counts and offsets are, and sometimes many of one.
    fn bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![any::<u8>(), Just(0), Just(0xff), 0u8..4];
        proptest::collection::vec(byte, 0..len)
    }

    /// A good superblock with a few bytes changed.
    fn mutated(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
        let changes = proptest::collection::vec((0..good.len().min(512), any::<u8>()), 1..12);
        changes.prop_map(move |changes| {
            let mut bytes = good.clone();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

        #[test]
        fn v1_any(data in bytes(4200)) { v1(&data); }

        #[test]
        fn v1_mutated(data in mutated(sample().unwrap().encode().data)) { v1(&data); }

        #[test]
        fn v0_any(data in bytes(4200)) { v0(&data); }

        #[test]
        fn bitmap_any(data in bytes(2000)) { bitmap(&data); }

        #[test]
        fn badblocks_any(data in bytes(1000)) { badblocks(&data); }

        #[test]
        fn ppl_any(data in bytes(4200)) { ppl(&data); }

        #[test]
        fn journal_any(data in bytes(600)) { journal(&data); }

        #[test]
        fn delta_any(data in bytes(300)) { delta(&data); }

        #[test]
        fn cow_any(data in bytes(9000)) { cow(&data); }

        #[test]
        fn cow_sound(chunks in proptest::collection::vec(0u8..250, 0..200), size in 40u8..255) {
            // Entries that follow the rules, so that merging is reached.
            let mut data = vec![0, 255, size];
            let list = chunks.iter().zip((2u64..).filter(|new| new % 33 != 1));
            data.extend(list.flat_map(|(old, new)| [u64::from(*old).to_le_bytes(), new.to_le_bytes()].concat()));
            cow(&data);
        }

        #[test]
        fn device_any(data in bytes(9000)) { device_of(&data); }

        #[test]
        fn foreign_any(data in bytes(600)) { foreign(&data); }

        #[test]
        fn sectors_any(data in "(size [0-9]{1,6}\n)?([0-9]{1,4}(\\+[0-9]{1,3})?: \\*?[0-9a-f]{0,8}\n){0,6}") {
            sectors(data.as_bytes());
        }

        #[test]
        fn stamps_survive(raw in any::<u64>()) {
            assert_eq!(v1::Stamp::from_raw(raw).raw(), raw);
        }

        #[test]
        fn places_are_on_the_device(sectors in any::<u64>()) {
            let len = Bytes(sectors);
            for (_, at) in v1::places(len).chain(v0::place(len).map(|at| (v1::Minor::V1_0, at))) {
                assert!(at.bytes().saturating_add(Bytes(4096)) <= len);
            }
        }
    }
}
