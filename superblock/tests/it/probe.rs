//! Probing: what is found, what is said of damage, and how often the device is read.

use std::{cell::Cell, io};

use crate::support::{FIXTURES, devices, fixture};
use superblock::{
    Bytes, Damage, Media, Native, What, Write,
    foreign::scan,
    probe::probe,
    sectors::SectorMap,
    v1,
    window::{Width, Window},
};

struct Counted {
    map: SectorMap,
    reads: Cell<usize>,
    broken: Option<Bytes>,
}

impl Counted {
    fn new(map: SectorMap) -> Self {
        Self { map, reads: Cell::new(0), broken: None }
    }
}

impl Media for Counted {
    fn len(&self) -> Bytes {
        self.map.len()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        self.reads.set(self.reads.get().saturating_add(1));
        assert_eq!(offset.0 % 512, 0, "whole sectors");
        assert_eq!(buf.len() % 512, 0, "whole sectors");
        let end = offset.0.saturating_add(buf.len().try_into().unwrap());
        match self.broken {
            Some(at) if (offset.0..end).contains(&at.0) => Err(io::Error::other("bad sector")),
            _ => self.map.read_at(offset, buf),
        }
    }
}

#[test]
fn every_fixture_in_two_reads() {
    for (name, text) in FIXTURES {
        for (nth, map) in devices(text) {
            let device = Counted::new(map);
            let probe = probe(&Window::new(&device, Width::Narrow));
            let far = name.ends_with("-1.0") && probe.found.iter().any(|found| found.bitmap.is_some());
            assert!((2..=if far { 3 } else { 2 }).contains(&device.reads.get()), "{name} device {nth}");
            assert!(probe.damaged.is_empty(), "{name} device {nth}: {:?}", probe.damaged);
            let [found] = &probe.found[..] else { panic!("{name} device {nth}: {:?}", probe.found) };
            found.verify().unwrap();
            let named = found.fields().bitmap_at().is_some();
            assert_eq!(found.bitmap.is_some(), named, "{name} device {nth}");
            let format = name.rsplit('-').next().unwrap();
            assert!(!format.contains('.') || found.format() == format, "{name}: {}", found.format());
        }
    }
}

#[test]
fn native_and_foreign_together_in_two_reads() {
    let device = Counted::new(fixture("raid1b-1.2").remove(0).1);
    let window = Window::new(&device, Width::Wide);
    assert_eq!(probe(&window).found.len(), 1);
    assert_eq!(scan(&window).unwrap(), []);
    assert_eq!(device.reads.get(), 2);
}

#[test]
fn several_superblocks_are_all_reported() {
    let mut map = fixture("raid1-1.2").remove(0).1;
    for name in ["raid1-1.0", "raid1-1.1", "raid1-0.90"] {
        let other = fixture(name).remove(0).1;
        for (at, bytes) in other.sectors() {
            map.write(&Write { at: at.bytes(), data: bytes.to_vec() });
        }
    }
    let formats: Vec<_> = probe(&map).found.iter().map(|found| (found.format(), found.created())).collect();
    let names: Vec<_> = formats.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["0.90", "1.0", "1.1", "1.2"]);
    assert!(formats.iter().all(|(_, created)| *created > 1_700_000_000));
}

fn with(name: &str, at: Bytes, bytes: &[u8]) -> SectorMap {
    let mut map = fixture(name).remove(0).1;
    let start = at.round_down(Bytes(512));
    let mut data = vec![0; 512];
    map.read_at(start, &mut data).unwrap();
    data[usize::try_from(at.0 % 512).unwrap()..][..bytes.len()].copy_from_slice(bytes);
    map.write(&Write { at: start, data });
    map
}

#[test]
fn a_bitmap_that_is_not_sound_is_dropped_and_said() {
    const BITMAP: u64 = 8192;
    for (offset, bytes, field) in
        [(0, &[0][..], "magic"), (8, &[9], "uuid"), (52, &[0; 4], "chunksize"), (52, &[3], "chunksize")]
    {
        let probe = probe(&with("raid1b-1.2", Bytes(BITMAP).saturating_add(Bytes(offset)), bytes));
        assert!(probe.found[0].bitmap.is_none());
        match &probe.damaged[..] {
            [Damage::Corrupt { format: "bitmap", what: What::Field { field: is, .. }, .. }] => {
                assert_eq!(*is, field)
            }
            other => panic!("{other:?}"),
        }
    }
    // An offset that leads off the device, either way.
    for offset in [i32::MIN, i32::MAX] {
        let probe = probe(&with("raid1b-1.2", Bytes(4096 + 96), &offset.to_le_bytes()));
        assert!(probe.found[0].bitmap.is_none(), "{offset}");
    }
}

#[test]
fn a_wrong_checksum_is_shown_and_not_believed() {
    let probe = probe(&with("raid1-1.2", Bytes(4096 + 200), &[77]));
    let found = &probe.found[0];
    assert!(matches!(found.verify(), Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
    let Native::V1(sb) = found.fields() else { panic!("{found:?}") };
    assert_eq!((sb.events().0, sb.minor()), (77, v1::Minor::V1_2));
}

#[test]
fn a_count_beyond_the_page_is_damage() {
    let probe = probe(&with("raid1-1.2", Bytes(4096 + 220), &[0xff, 0xff, 0xff, 0x7f]));
    assert!(probe.found.is_empty());
    assert!(matches!(
        &probe.damaged[..],
        [Damage::Corrupt { what: What::Field { field: "max_dev", .. }, .. }]
    ));
}

#[test]
fn an_unreadable_sector_is_an_error_and_no_absence() {
    let mut device = Counted::new(fixture("raid1-1.2").remove(0).1);
    device.broken = Some(Bytes(512));
    let first = probe(&device);
    assert!(matches!(&first.damaged[..], [Damage::Io { format: "1.1", .. }]), "{:?}", first.damaged);
    assert_eq!(first.found.len(), 1, "1.2 lies beside it");
    device.broken = Some(Bytes(4096));
    let second = probe(&device);
    assert!(matches!(&second.damaged[..], [Damage::Io { format: "1.2", .. }]), "{:?}", second.damaged);
    assert!(second.found.is_empty());
    assert!(matches!(scan(&device), Err(Damage::Io { .. })) || scan(&device).unwrap().is_empty());
}

#[test]
fn a_truncated_device_has_nothing_or_an_error_never_a_panic() {
    for (_, text) in FIXTURES.iter().take(6) {
        let (_, map) = devices(text).remove(0);
        let mut head = vec![0; 12 * 4096];
        map.read_at(Bytes(0), &mut head).unwrap();
        for len in [0, 1, 511, 512, 4096, 4097, 8191, 8192, 12_288, 24 * 512, 40_000] {
            let short = head[..len].to_vec();
            let _ = (probe(&short), scan(&short).unwrap());
        }
    }
}
