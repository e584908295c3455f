//! Rejections one by one, edits, allocation, the ring; and properties: what is written reads the same, no text goes over
//! another, no bytes do harm. `tests/it/lvm.rs` compares with what the real lvm wrote.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failure of the test")]

use proptest::prelude::*;

use super::{
    group::{GroupFlags, GroupStatus, PvStatus, VolumeFlags, VolumeStatus},
    *,
};
use crate::{
    Bytes, Damage, Media, Sectors, What, Write,
    lvm::area::{HEADER, Slot},
};

const PLACE: Extent = Extent { start: Bytes(4096), size: Bytes(1_044_480) };

fn id(seed: u8) -> LvmUuid {
    LvmUuid::from_random([seed; 32])
}

fn put(device: &mut [u8], write: &Write) {
    let at = usize::try_from(write.at.0).unwrap();
    device[at..][..write.data.len()].copy_from_slice(&write.data);
}

fn pv(seed: u8, extents: u64) -> PhysicalVolume {
    let size = Sectors(2048 + extents * 8192);
    PhysicalVolume::new(id(seed), format!("/dev/d{seed}"), size, Sectors(2048), Sectors(8192)).unwrap()
}

fn group(pvs: &[u64]) -> Group {
    let mut group = Group::empty("vg".into());
    group.id = id(200);
    group.pvs = pvs.iter().zip(1u8..).map(|(extents, seed)| pv(seed, *extents)).collect();
    group
}

fn volume(name: &str, seed: u8, segments: Vec<Segment>) -> LogicalVolume {
    LogicalVolume { id: id(seed), segments, ..LogicalVolume::empty(name.into()) }
}

fn add(group: &mut Group, name: &str, seed: u8, extents: u64) {
    let found = group.allocate(&Wish { extents, ..Wish::default() }).unwrap();
    group.add(volume(name, seed, found.segments)).unwrap();
}

/// Start, length, legs.
type Run = (u64, u64, Vec<(usize, u64)>);

fn runs(segments: &[Segment]) -> Vec<Run> {
    let legs = |segment: &Segment| match &segment.kind {
        Kind::Striped { legs, .. } => legs.iter().map(|leg| (leg.pv, leg.extent)).collect(),
        _ => Vec::new(),
    };
    segments.iter().map(|segment| (segment.start, segment.len, legs(segment))).collect()
}

mod labels {
    use super::*;

    fn device() -> Vec<u8> {
        let mut device = vec![0xa5; 1 << 20];
        let label = Label::new(id(1), Bytes(1 << 20), PLACE, Bytes(1 << 20));
        put(&mut device, &label.encode().unwrap());
        device
    }

    fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut device = device();
        device[512 + at..][..bytes.len()].copy_from_slice(bytes);
        let crc = lvm_crc(&device[512 + 20..1024]);
        device[512 + 16..][..4].copy_from_slice(&crc.to_le_bytes());
        device
    }

    fn field(device: &[u8]) -> &'static str {
        match label::read(&device.to_vec()) {
            Err(Damage::Corrupt { what: What::Field { field, .. }, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn into_bytes_and_back() {
        let mut label = label::read(&device()).unwrap().unwrap();
        assert_eq!((label.sector, label.in_use()), (1, Some(false)));
        label.set_in_use(true);
        label.bootloader.push(Extent { start: Bytes(4096), size: Bytes(512) });
        let mut device = device();
        put(&mut device, &label.encode().unwrap());
        assert_eq!(label::read(&device).unwrap(), Some(label.clone()));
        put(&mut device, &label.wipe());
        assert_eq!(label::read(&device).unwrap(), None);
        label.bootloader = vec![Extent { start: Bytes(1), size: Bytes(1) }; 40];
        assert_eq!(label.encode(), None, "no more than a sector");
    }

    #[test]
    fn each_rejection() {
        let mut other = device();
        other[512 + 100] ^= 1;
        assert!(matches!(label::read(&other), Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
        assert!(matches!(label::read(&patched(24, b"LVM1 001")), Err(Damage::Unsupported { .. })));
        assert_eq!(field(&patched(20, &600u32.to_le_bytes())), "offset_xl");
        assert_eq!(field(&patched(20, &8u32.to_le_bytes())), "offset_xl");
        assert_eq!(field(&patched(32, b"/")), "pv_uuid");
        assert_eq!(field(&patched(72, &[1; 440])), "disk_areas");
        assert_eq!(field(&patched(104, &[1; 408])), "metadata_areas");
        // A copy that somebody made: it names another sector.
        let mut copy = device();
        copy.copy_within(512..1024, 1024);
        copy[512..1024].fill(0);
        assert_eq!(label::read(&copy).unwrap(), None);
        assert_eq!(label::read(&vec![0u8; 300]).unwrap(), None);
        assert!(matches!(label::read(&vec![0u8; 0]), Ok(None)));
    }
}

mod areas {
    use super::*;

    fn header(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut area = Area::new(PLACE);
        area.committed = Some(Slot { offset: 512, size: 700, crc: 1, flags: 0 });
        let mut write = area.encode();
        change(&mut write.data);
        let crc = lvm_crc(&write.data[4..]);
        write.data[..4].copy_from_slice(&crc.to_le_bytes());
        let mut device = vec![0; 2 << 20];
        put(&mut device, &write);
        device
    }

    fn set(at: usize, value: u64) -> impl Fn(&mut Vec<u8>) {
        move |bytes| bytes[at..][..8].copy_from_slice(&value.to_le_bytes())
    }

    #[test]
    fn each_rejection() {
        let field = |device: Vec<u8>| match area::read(&device, PLACE) {
            Err(Damage::Corrupt { what: What::Field { field, .. }, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert!(area::read(&header(|_| {}), PLACE).is_ok());
        assert_eq!(field(header(|bytes| bytes[5] = 0)), "magic");
        assert_eq!(field(header(set(24, 8192))), "start");
        for size in [0, 1024, 1_044_481, u64::MAX, 4 << 20] {
            assert_eq!(field(header(set(32, size))), "size");
        }
        assert_eq!(field(header(set(40, 100))), "raw_locn.offset");
        assert_eq!(field(header(set(40, 1_044_480))), "raw_locn.offset");
        assert_eq!(field(header(set(48, 1_044_480))), "raw_locn.size");
        let version = header(|bytes| bytes[20] = 2);
        assert!(matches!(area::read(&version, PLACE), Err(Damage::Unsupported { .. })));
        let mut flipped = header(|_| {});
        flipped[4096 + 300] ^= 1;
        assert!(matches!(
            area::read(&flipped, PLACE),
            Err(Damage::Corrupt { what: What::Checksum { .. }, .. })
        ));
        // What is pre-committed may be anything: nobody reads it.
        let senseless = header(set(64, u64::MAX));
        assert_eq!(area::read(&senseless, PLACE).unwrap().precommitted, None);
        let beyond = Extent { start: Bytes(2 << 20), size: Bytes(0) };
        assert!(matches!(area::read(&header(|_| {}), beyond), Err(Damage::Io { .. })));
        let sound = area::read(&header(|_| {}), PLACE).unwrap();
        let wrong = area::text(&header(|_| {}), &sound, sound.committed.unwrap());
        assert!(matches!(wrong, Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
    }

    #[test]
    fn a_limit_that_always_holds() {
        let area = Area::new(PLACE);
        assert_eq!(area.limit(), 521_472);
        let largest = vec![b' '; 521_472];
        let placed = area.place(&largest).unwrap();
        let then = area.with_committed(placed.slot);
        assert!(then.place(&largest).is_ok(), "also beside one as large");
        let full = area.place(&vec![b' '; 521_473]).unwrap_err();
        assert!(full.to_string().contains("takes texts of at most 521472 bytes"), "{full}");
    }

    proptest! {
        /// Text after text: none is written over the one that counts, each reads back.
        #[test]
        fn round_and_round(sizes in prop::collection::vec(1usize..4000, 1..40), sectors in 9u64..60) {
            let place = Extent { start: Bytes(4096), size: Bytes(sectors * 512) };
            let mut device = vec![0u8; 64 << 10];
            let mut area = Area::new(place);
            put(&mut device, &area.encode());
            let mut before: Option<(Slot, Vec<u8>)> = None;
            for (nth, size) in sizes.into_iter().enumerate() {
                let text: Vec<u8> = (0..size).map(|at| u8::try_from((at + nth) % 251).unwrap()).collect();
                let Ok(placed) = area.place(&text) else {
                    prop_assert!(u64::try_from(size).unwrap() > area.limit());
                    continue;
                };
                for write in &placed.writes {
                    prop_assert!(write.at.0 % 512 == 0 && write.data.len() % 512 == 0);
                    prop_assert!(write.at.0 >= 4096 + HEADER);
                    prop_assert!(write.at.0 + u64::try_from(write.data.len()).unwrap() <= 4096 + place.size.0);
                    put(&mut device, write);
                }
                let still = |device: &Vec<u8>| before.as_ref().is_none_or(|(slot, text)| {
                    area::text(device, &area, *slot).unwrap() == *text
                });
                prop_assert!(still(&device));
                put(&mut device, &area.pre_commit(placed.slot));
                let seen = area::read(&device, place).unwrap();
                prop_assert_eq!(seen.committed, area.committed);
                prop_assert_eq!(seen.precommitted, Some(placed.slot));
                put(&mut device, &area.revert());
                prop_assert_eq!(&area::read(&device, place).unwrap(), &area);
                put(&mut device, &area.commit(placed.slot));
                area = area.with_committed(placed.slot);
                prop_assert_eq!(&area::read(&device, place).unwrap(), &area);
                prop_assert_eq!(&area::text(&device, &area, placed.slot).unwrap(), &text);
                before = Some((placed.slot, text));
            }
        }
    }
}

mod texts {
    use super::*;

    fn sample() -> String {
        let mut group = group(&[10, 10]);
        add(&mut group, "data", 10, 4);
        add(&mut group, "cow", 11, 2);
        group.make_snapshot("data", "cow", Sectors(8), id(12)).unwrap();
        String::from_utf8(group.raw(&Stamp::default())).unwrap().trim_end_matches('\0').to_owned()
    }

    fn refused(from: &str, to: &str) -> String {
        let text = sample();
        assert!(text.contains(from), "{from}:\n{text}");
        text.replacen(from, to, 1).parse::<Group>().unwrap_err().to_string()
    }

    #[test]
    fn each_rejection() {
        for (from, to, why) in [
            ("seqno = 0\n", "", "vg: seqno is missing"),
            ("seqno = 0", "seqno = -1", "vg/seqno: -1 is not between 0 and 4294967295"),
            ("seqno = 0", "seqno = \"a\"", "vg/seqno: not an integer"),
            ("seqno = 0", "seqno = 0 seqno = 1", "vg/seqno: stands there twice"),
            ("version = 1", "version = 2", "text: contents and version are not those of a volume group"),
            ("vg {", "v/g {", "v/g: not a name that LVM2 takes"),
            ("extent_size = 8192", "extent_size = 0", "vg: an extent size of 0"),
            ("physical_volumes {", "other {", "vg: physical_volumes is missing"),
            (
                "segment_count = 1",
                "segment_count = 2",
                "vg/logical_volumes/data: has 1 segments and says another number",
            ),
            (
                "segment1 {",
                "segment2 {",
                "vg/logical_volumes/data/segment2: segments are not numbered one after another from 1",
            ),
            ("stripe_count = 1", "stripe_count = 0", "stripe_size is missing"),
            (
                "\"pv0\", 0\n",
                "\"pv9\", 0\n",
                "vg/logical_volumes/data/segment1/stripes: there is no physical volume pv9",
            ),
            ("\"pv0\", 0\n", "\"pv0\"\n", "not pairs of a physical volume and an extent"),
            ("origin = \"data\"\n", "", "vg/logical_volumes/snapshot0/segment1: origin is missing"),
            ("status = [\"RESIZEABLE\"", "status = [1", "vg/status: not a list of strings"),
            ("cow {", "data {", "vg/logical_volumes/data: stands there twice"),
            (
                "pe_start = 2048",
                "pe_start = 99999999999999999999",
                "vg/physical_volumes/pv0/pe_start: not an integer",
            ),
        ] {
            let said = refused(from, to);
            assert!(said.contains(why), "{from} -> {to}: {said}");
        }
        let two = sample().replace("contents =", "vg2 { }\ncontents =");
        assert_eq!(two.parse::<Group>().unwrap_err().to_string(), "vg2: a second group beside vg");
    }

    #[test]
    fn what_is_strange_is_an_objection() {
        for (from, to, why) in [
            ("max_lv = 0", "max_lv = 0 new_key = 5", "vg/new_key is not known to this program"),
            (
                "\"ALLOCATABLE\"",
                "\"ALLOCATABLE\", \"NEW\"",
                "\"NEW\" in vg/physical_volumes/pv0/status is not known to this program",
            ),
            (
                "flags = []\ndev",
                "flags = [\"X\\n\"]\ndev",
                "\"X\\\\n\" in vg/physical_volumes/pv0/flags is not known to this program",
            ),
            (
                "stripe_count = 1",
                "stripe_count = 1 extra = 2",
                "vg/logical_volumes/data/segment1/extra is not known to this program",
            ),
            (
                "type = \"striped\"",
                "type = \"striped+NEW\"",
                "vg/logical_volumes/data/segment1 is of kind \"striped+NEW\"",
            ),
            ("format = \"lvm2\"", "format = \"lvm9\"", "the group is not of format \"lvm2\""),
            ("\"ALLOCATABLE\"", "\"MISSING\"", "pv0 (55555555-5555"),
            ("\"RESIZEABLE\", ", "\"EXPORTED\", ", "the group is exported"),
            ("\"RESIZEABLE\", ", "\"PVMOVE\", ", "extents are being moved"),
            ("max_lv = 0", "lock_type = \"sanlock\" max_lv = 0", "coordinated by \"sanlock\""),
            ("max_lv = 0", "system_id = \"x\" max_lv = 0", "the group belongs to the machine \"x\""),
            ("\"READ\", \"WRITE\"]", "\"READ\"]", "the group may only be read"),
        ] {
            let text = sample();
            assert!(text.contains(from), "{from}:\n{text}");
            let group: Group = text.replacen(from, to, 1).parse().unwrap();
            let all = group.objections(&[]).join("\n");
            let why = why.replace("55555555-5555", "");
            assert!(all.contains(&why), "{to}: {all}");
        }
        assert_eq!(sample().parse::<Group>().unwrap().objections(&[]), [""; 0]);
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let problem = |change: &dyn Fn(&mut Group)| {
            let mut group: Group = sample().parse().unwrap();
            change(&mut group);
            assert!(group.checked(&Stamp::default()).is_err());
            group.problems().join("; ")
        };
        let leg = |group: &mut Group, extent| {
            let Kind::Striped { legs, .. } = &mut group.volumes[1].segments[0].kind else { panic!() };
            legs[0].extent = extent;
        };
        assert_eq!(problem(&|group| leg(group, 3)), "extents 3 to 3 of pv0 belong to data and to cow");
        assert_eq!(
            problem(&|group| leg(group, 9)),
            "volume cow, segment 1: needs extents up to 11 of pv0, which has 10"
        );
        assert!(problem(&|group| group.volumes[0].segments[0].start = 1).contains("does not begin where"));
        assert!(problem(&|group| group.pvs[1].id = group.pvs[0].id).contains("is in the group twice"));
        assert!(
            problem(&|group| group.volumes[1].name = "data".into()).contains("two volumes are called data")
        );
        assert!(
            problem(&|group| group.volumes[1].id = group.volumes[0].id)
                .contains("has the UUID of another one")
        );
        assert!(problem(&|group| group.volumes[2].segments[0].len = 3).contains("not as long as the volume"));
        assert!(
            problem(&|group| group.pvs[0].pe_count = 11)
                .contains("has extents up to sector 92160 and 83968 sectors")
        );
        assert!(problem(&|group| drop(group.volumes.remove(0))).contains("a snapshot of does not exist"));
        assert!(problem(&|group| drop(group.volumes.remove(1))).contains("with its store does not exist"));
        assert!(problem(&|group| group.volumes[1].segments.clear()).contains("has no segments"));
    }

    #[test]
    fn ten_thousand_volumes() {
        let mut group = group(&[20_000]);
        for number in 0..10_000u64 {
            let kind = Kind::Striped { stripe_size: Sectors(0), legs: vec![Leg { pv: 0, extent: number }] };
            let mut volume =
                volume(&format!("lv{number}"), 0, vec![Segment { start: 0, len: 1, tags: vec![], kind }]);
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes().map(|byte| byte % 61));
            volume.id = LvmUuid::from_random(bytes);
            bytes[9] = u8::try_from(number / 61 % 61).unwrap();
            bytes[10] = u8::try_from(number / 3721).unwrap();
            volume.id = LvmUuid::from_random(bytes);
            volume.creation_time = Some(1_700_000_000);
            volume.creation_host = Some("host".into());
            group.volumes.push(volume);
        }
        let text = group.raw(&Stamp::default());
        let begun = std::time::Instant::now();
        let read = Group::parse(&text).unwrap();
        let parsed = begun.elapsed();
        assert_eq!(read.problems(), [""; 0]);
        let checked = begun.elapsed();
        assert_eq!(Group { written: group.written.clone(), ..read }, group);
        // Not a measure, a bound against what grows with the square: unoptimised this is about 0.2 s.
        assert!(checked.as_secs() < 20, "{parsed:?} to read, {checked:?} with the checks");
        println!("{} bytes: {parsed:?} to read, {checked:?} with the checks", text.len());
    }

    fn text() -> impl Strategy<Value = String> {
        prop::string::string_regex("[ -~éß\t]{0,12}").unwrap()
    }

    prop_compose! {
        fn any_group()(
            extents in prop::collection::vec(1u64..50, 1..4),
            sizes in prop::collection::vec((1u64..9, 1usize..4), 0..8),
            snapshots in prop::collection::vec(any::<bool>(), 8),
            tags in prop::collection::vec(text(), 0..3),
            words in (0u32..128, 0u32..4, 0u32..8, 0u32..512, 0u32..32),
            optional in prop::option::of(text()),
            numbers in (any::<u32>(), 0u64..1000, prop::option::of(-1i64..1 << 20)),
        ) -> Group {
            let mut group = group(&extents);
            group.seqno = numbers.0;
            group.max_lv = numbers.1.saturating_add(20);
            group.status = GroupStatus::from_bits_truncate(words.0);
            group.flags = GroupFlags::from_bits_truncate(words.1);
            group.tags = tags.clone();
            (group.system_id, group.profile) = (optional.clone(), optional.clone());
            (group.lock_type, group.lock_args, group.allocation) = (None, optional.clone(), optional.clone());
            for (nth, (size, stripes)) in sizes.iter().enumerate() {
                let wish = Wish { extents: *size, stripes: *stripes, stripe_size: Sectors(128), ..Wish::default() };
                let Ok(found) = group.allocate(&wish) else { continue };
                let seed = u8::try_from(nth).unwrap() + 20;
                let mut volume = volume(&format!("v{nth}"), seed, found.segments);
                volume.tags = tags.clone();
                volume.status = VolumeStatus::from_bits_truncate(words.3);
                volume.flags = VolumeFlags::from_bits_truncate(words.4);
                (volume.creation_time, volume.creation_host) = (Some(i64::from(numbers.0)), optional.clone());
                (volume.read_ahead, volume.minor) = (numbers.2, numbers.2);
                group.add(volume).unwrap();
                if snapshots[nth] && nth > 0 {
                    let _ = group.make_snapshot("v0", &format!("v{nth}"), Sectors(8), id(seed + 40));
                }
            }
            group.pvs[0].status = PvStatus::from_bits_truncate(words.2);
            group.pvs[0].tags = tags;
            group
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(group in any_group()) {
            let stamp = Stamp::default();
            let raw = Group::parse(&group.raw(&stamp)).unwrap();
            prop_assert_eq!(&Group { written: group.written.clone(), ..raw }, &group);
            let file = Group::parse(&group.backup(&stamp)).unwrap();
            prop_assert_eq!(&Group { written: group.written.clone(), ..file }, &group);
            let kept = write::as_file(&group.raw(&stamp), &stamp).unwrap();
            let kept = Group::parse(&kept).unwrap();
            prop_assert_eq!(&Group { written: group.written.clone(), ..kept }, &group);
            prop_assert_eq!(group.problems(), Vec::<String>::new());
        }

        /// Every extent is free or belongs to one volume.
        #[test]
        fn nothing_is_lost_or_given_twice(group in any_group()) {
            let used: u64 = group.volumes.iter().filter(|volume| !volume.is_row()).map(LogicalVolume::extents).sum();
            let all: u64 = group.pvs.iter().map(|pv| pv.pe_count).sum();
            prop_assert_eq!(group.free_extents() + used, all);
        }

        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..3000, len in 0usize..20) {
            crate::fuzz::lvm_text(&bytes);
            crate::fuzz::lvm_label(&bytes);
            crate::fuzz::lvm_area(&bytes);
            let mut text = sample().into_bytes();
            let from = at.min(text.len());
            let to = from.saturating_add(len).min(text.len());
            text.splice(from..to, bytes.iter().take(len).copied());
            crate::fuzz::lvm_text(&text);
        }
    }
}

mod edits {
    use super::*;

    #[test]
    fn room_is_found_where_it_should() {
        let mut group = group(&[10, 6, 6]);
        add(&mut group, "a", 10, 3);
        add(&mut group, "b", 11, 2);
        assert_eq!(runs(&group.volumes[1].segments), [(0, 2, vec![(0, 3)])]);
        group.remove("a").unwrap();
        let wish = |extents| Wish { extents, ..Wish::default() };
        assert_eq!(runs(&group.allocate(&wish(4)).unwrap().segments), [(0, 4, vec![(0, 5)])]);
        assert_eq!(runs(&group.allocate(&wish(6)).unwrap().segments), [(0, 6, vec![(1, 0)])]);
        let all = group.allocate(&wish(20)).unwrap();
        assert_eq!(
            runs(&all.segments),
            [(0, 6, vec![(1, 0)]), (6, 6, vec![(2, 0)]), (12, 5, vec![(0, 5)]), (17, 3, vec![(0, 0)])]
        );
        let error = group.allocate(&wish(21)).unwrap_err();
        assert_eq!(error.to_string(), "21 extents are wanted and 20 are free");
        let contiguous = Wish { contiguous: true, ..wish(7) };
        assert_eq!(
            group.allocate(&contiguous).unwrap_err().to_string(),
            "7 extents are wanted and 6 are free in one run"
        );
        let striped = Wish { stripes: 2, stripe_size: Sectors(128), ..wish(11) };
        assert_eq!(runs(&group.allocate(&striped).unwrap().segments), [(0, 12, vec![(1, 0), (2, 0)])]);
        let striped = Wish { stripes: 4, ..striped };
        assert_eq!(
            group.allocate(&striped).unwrap_err().to_string(),
            "4 stripes are wanted and 3 physical volumes have room for one"
        );
        let on = Wish { on: vec![(2, 3..u64::MAX), (0, 0..2)], ..wish(5) };
        assert_eq!(
            runs(&group.allocate(&on).unwrap().segments),
            [(0, 3, vec![(2, 3)]), (3, 2, vec![(0, 0)])]
        );
        group.pvs[1].status.remove(PvStatus::ALLOCATABLE);
        assert_eq!(runs(&group.allocate(&wish(6)).unwrap().segments), [(0, 6, vec![(2, 0)])]);
        assert_eq!(group.allocate(&wish(0)), Err(NoRoom::Nothing));
    }

    #[test]
    fn a_volume_goes_on_where_it_ends() {
        let mut group = group(&[10, 10]);
        add(&mut group, "a", 10, 3);
        let after = group.volume("a").unwrap().segments.last().cloned();
        let found = group.allocate(&Wish { extents: 9, after, ..Wish::default() }).unwrap();
        assert_eq!(runs(&found.segments), [(0, 7, vec![(0, 3)]), (7, 2, vec![(1, 0)])]);
        group.extend("a", found.segments).unwrap();
        assert_eq!(
            runs(&group.volume("a").unwrap().segments),
            [(0, 10, vec![(0, 0)]), (10, 2, vec![(1, 0)])]
        );
        group.reduce("a", 4).unwrap();
        assert_eq!(runs(&group.volume("a").unwrap().segments), [(0, 4, vec![(0, 0)])]);
        assert_eq!(group.reduce("a", 0), Err(BadEdit::Empty("a".into())));
        assert_eq!(group.problems(), [""; 0]);
    }

    #[test]
    fn volumes_begin_on_full_stripes() {
        let mut group = group(&[40, 40]);
        // 3 data disks of 512 KiB: a stripe of 1.5 MiB, extents of 4 MiB: every third extent, from one that fits.
        group.pvs[0].pe_start = Sectors(3072);
        let align = vec![Sectors(3072), Sectors(0)];
        let wish = |extents| Wish { extents, align: align.clone(), ..Wish::default() };
        let found = group.allocate(&wish(4)).unwrap();
        assert_eq!((runs(&found.segments), found.aligned), (vec![(0, 4, vec![(0, 0)])], true));
        group.add(volume("a", 10, found.segments)).unwrap();
        let found = group.allocate(&wish(4)).unwrap();
        assert_eq!((runs(&found.segments), found.aligned), (vec![(0, 4, vec![(0, 6)])], true));
        let found = group.allocate(&wish(76)).unwrap();
        assert!(!found.aligned, "rather not aligned than not at all");
    }

    #[test]
    fn snapshots_come_and_go() {
        let mut group = group(&[20]);
        add(&mut group, "data", 10, 4);
        add(&mut group, "cow", 11, 1);
        add(&mut group, "cow2", 12, 1);
        group.make_snapshot("data", "cow", Sectors(8), id(30)).unwrap();
        group.make_snapshot("data", "cow2", Sectors(64), id(31)).unwrap();
        assert_eq!(
            group.volumes.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(),
            ["data", "cow", "cow2", "snapshot0", "snapshot1"]
        );
        assert_eq!(
            group.make_snapshot("cow", "data", Sectors(8), id(32)),
            Err(BadEdit::IsSnapshot("cow".into()))
        );
        assert_eq!(
            group.remove("data").unwrap_err(),
            BadEdit::HasSnapshots { volume: "data".into(), count: 2 }
        );
        group.rename("data", "home").unwrap();
        group.rename("cow", "before").unwrap();
        assert_eq!(
            group.snapshots().map(|s| (s.origin, s.cow)).collect::<Vec<_>>(),
            [("home", "before"), ("home", "cow2")]
        );
        let parts = group.parts();
        assert_eq!(parts[0], Part::Origin { snapshots: 2, merging: false });
        assert_eq!(
            parts[1..4],
            [Part::Cow { row: 3, origin: 0 }, Part::Cow { row: 4, origin: 0 }, Part::Row]
        );
        group.set_merging("before", true).unwrap();
        assert_eq!(group.set_merging("cow2", true), Err(BadEdit::Merging("home".into())));
        let more = group.allocate(&Wish { extents: 2, ..Wish::default() }).unwrap().segments;
        group.extend("home", more).unwrap();
        assert_eq!(group.problems(), [""; 0], "rows are as long as their origin");
        group.split_snapshot("before").unwrap();
        assert!(group.volume("before").unwrap().status.contains(VolumeStatus::VISIBLE));
        group.remove("cow2").unwrap();
        assert_eq!(group.volumes.len(), 2, "the row went with it");
        add(&mut group, "new", 13, 1);
        assert_eq!(group.problems(), [""; 0]);
    }

    #[test]
    fn physical_volumes_come_and_go() {
        let mut group = group(&[4, 4, 4]);
        add(&mut group, "a", 10, 4);
        let on = Wish { extents: 2, on: vec![(2, 0..4)], ..Wish::default() };
        let segments = group.allocate(&on).unwrap().segments;
        group.add(volume("b", 11, segments)).unwrap();
        assert_eq!(group.remove_pv(id(1)).unwrap_err(), BadEdit::PvUsed("a".into()));
        group.remove_pv(id(2)).unwrap();
        assert_eq!(runs(&group.volume("b").unwrap().segments), [(0, 2, vec![(1, 0)])], "counted anew");
        assert_eq!(group.add_pv(pv(3, 5)), Err(BadEdit::PvExists));
        group.max_pv = 2;
        assert_eq!(group.add_pv(pv(9, 5)), Err(BadEdit::Limit(2)));
        assert_eq!(group.remove_pv(id(9)).unwrap_err(), BadEdit::NoPv);
        assert_eq!(group.problems(), [""; 0]);
        assert!(group.rename_group("a/b").is_err());
        assert!(group.add(volume("a", 12, vec![])).is_err());
    }
}

#[test]
fn the_checksum_is_lvm2s() {
    // The label of a fixture: `foreign-lvm.sectors` and all of `fixtures/lvm` are read with it.
    assert_eq!(lvm_crc(b""), 0xf597_a6cf);
    assert_eq!(lvm_crc(b"123456789"), table_crc(b"123456789"));
}

/// Bit by bit, without the library.
fn table_crc(data: &[u8]) -> u32 {
    data.iter().fold(0xf597_a6cf, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn devices_have_a_size() {
    assert!(!Media::is_empty(&vec![0u8; 1]));
}
