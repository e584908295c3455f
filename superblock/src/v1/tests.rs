//! Tests of the version-1 superblock on bytes made here; `tests/fixtures.rs` has those that mdadm made.

use super::*;
use crate::{Events, Level, MdUuid, bitmap};

const DEVICE: Sectors = Sectors(262_144);

fn array(minor: Minor) -> NewArray {
    NewArray {
        minor,
        uuid: "01234567:89abcdef:00112233:44556677".parse().unwrap(),
        name: set_name(Some(b"host"), b"home"),
        created: 1_700_000_000,
        level: Level::Raid1,
        layout: 0,
        size: Sectors(129_024),
        chunk: Sectors(0),
        raid_disks: 2,
        spares: 0,
        clean: false,
        raid0_layout: false,
        journal: false,
        ppl: false,
        bitmap: None,
        bad_block_log: true,
        roles: vec![Role::Slot { slot: 0, replacement: false }, Role::Slot { slot: 1, replacement: false }],
    }
}

fn member(data_offset: u64) -> NewMember {
    NewMember {
        number: 1,
        uuid: MdUuid([7; 16]),
        events: Events(0),
        device: DEVICE,
        data_offset: Sectors(data_offset),
        flags: DevFlags::empty(),
    }
}

fn device_with(sb: &Superblock) -> Vec<u8> {
    let mut device = vec![0; usize::try_from(DEVICE.bytes().0).unwrap()];
    let write = sb.encode();
    let at = usize::try_from(write.at.0).unwrap();
    device[at..][..write.data.len()].copy_from_slice(&write.data);
    device
}

fn sample() -> Superblock {
    array(Minor::V1_2).member(&member(2048)).unwrap()
}

#[test]
fn places_in_probe_order() {
    let all: Vec<_> = places(Bytes(1_000_001 * 512 + 17)).collect();
    assert_eq!(all, [(Minor::V1_0, Sectors(999_984)), (Minor::V1_1, Sectors(0)), (Minor::V1_2, Sectors(8))]);
    assert_eq!(places(Bytes(23 * 512)).count(), 0);
    assert_eq!(Minor::V1_0.place(Bytes(24 * 512)), Some(Sectors(8)));
}

#[test]
fn what_is_made_is_read_back() {
    for minor in Minor::ALL {
        let sb = array(minor).member(&member(if minor == Minor::V1_0 { 0 } else { 2048 })).unwrap();
        let device = device_with(&sb);
        let found = read(&device, minor).unwrap().unwrap().verify().unwrap();
        assert_eq!(found.encode(), sb.encode());
        assert_eq!(found.max_dev(), 128);
        assert_eq!(found.encode().data.len(), 512);
        assert_eq!(found.host_and_name(), (Some(&b"host"[..]), &b"home"[..]));
        assert!(found.is_local_to(b"host") && !found.is_local_to(b"hos"));
        assert_eq!(found.role(), Role::Slot { slot: 1, replacement: false });
        assert_eq!(found.resync_offset(), Some(Sectors(0)));
        found.kernel_objection().unwrap();
        for other in Minor::ALL {
            assert_eq!(read(&device, other).unwrap().is_some(), other == minor);
        }
    }
}

#[test]
fn new_superblocks_have_mdadms_places() {
    let cases = [
        // minor, data offset, log offset, data size
        (Minor::V1_2, 2048, 16, DEVICE.0 - 2048),
        (Minor::V1_1, 2048, 16, DEVICE.0 - 2048),
        // no room behind the bitmap's: the last 4 KiB before the data
        (Minor::V1_2, 24, 8, DEVICE.0 - 24),
        (Minor::V1_0, 0, -8, DEVICE.0 - 16 - 16),
    ];
    for (minor, data_offset, log, data_size) in cases {
        let sb = array(minor).member(&member(data_offset)).unwrap();
        let expected = BadBlockLog { offset: log, size: 8, shift: 0 };
        assert_eq!(sb.bad_block_log(), Some(expected), "{minor} {data_offset}");
        assert_eq!(sb.data_size(), Sectors(data_size), "{minor} {data_offset}");
    }
    let sb = NewArray { ppl: true, ..array(Minor::V1_0) }.member(&member(0)).unwrap();
    assert_eq!(sb.ppl(), Some(Ppl { offset: -2056, size: 2048 }));
    assert_eq!(sb.ppl_at(), Some(Sectors(DEVICE.0 - 16 - 2056)));
}

#[test]
fn names_are_joined_only_where_they_fit() {
    let name = |host: Option<&str>, name: &str| set_name(host.map(str::as_bytes), name.as_bytes());
    assert_eq!(&name(Some("h"), "n")[..4], b"h:n\0");
    assert_eq!(&name(Some("h"), "a:b")[..4], b"a:b\0");
    assert_eq!(&name(None, "n")[..2], b"n\0");
    assert_eq!(&name(Some(&"h".repeat(29)), "n")[28..], b"h:n\0");
    assert_eq!(&name(Some(&"h".repeat(30)), "n")[..2], b"n\0");
    assert_eq!(&name(None, &"x".repeat(40))[30..], b"x\0");
}

#[test]
fn each_rejection_by_one_field() {
    let good = device_with(&sample());
    let at = 4096;
    let outcome = |edits: &[(usize, u8)]| {
        let mut bad = good.clone();
        for &(offset, byte) in edits {
            bad[at + offset] ^= byte;
        }
        read(&bad, Minor::V1_2)
    };
    assert!(outcome(&[]).unwrap().unwrap().check().is_ok());
    assert!(outcome(&[(0, 1)]).unwrap().is_none(), "magic");
    assert!(outcome(&[(4, 1)]).unwrap().is_none(), "major version 0");
    assert!(matches!(outcome(&[(4, 3)]), Err(Damage::Unsupported { .. })), "major version 2");
    assert!(outcome(&[(144, 1)]).unwrap().is_none(), "super_offset");
    assert!(matches!(
        outcome(&[(223, 0x7f)]),
        Err(Damage::Corrupt { what: What::Field { field: "max_dev", .. }, at: Sectors(8), .. })
    ));
    let broken = outcome(&[(200, 1)]).unwrap().unwrap();
    assert!(matches!(broken.check(), Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
    assert_eq!(broken.fields().events(), Events(1), "a report can still show it");
}

fn rejected(change: impl Fn(&mut raw::Raw)) -> Result<(), Damage> {
    let mut sb = sample();
    change(&mut sb.page.head);
    sb.fill_csum();
    Unverified::new(sb.clone(), DEVICE).check()?;
    sb.kernel_objection()
}

#[test]
fn each_objection_by_one_field() {
    let is_field = |result, name| match result {
        Err(Damage::Corrupt { what: What::Field { field, .. }, .. }) => assert_eq!(field, name),
        other => panic!("{name}: {other:?}"),
    };
    rejected(|_| ()).unwrap();
    rejected(|head| head.logical_block_size.set(512)).unwrap();
    is_field(rejected(|head| head.raid_disks.set(0x7fff_ffff)), "raid_disks");
    is_field(rejected(|head| head.data_size.set(9)), "data_size");
    is_field(rejected(|head| head.pad0.set(1)), "pad3");
    is_field(rejected(|head| head.pad3[27] = 1), "pad3");
    is_field(rejected(|head| head.data_offset.set(8)), "data_offset");
    is_field(
        rejected(|head| {
            head.feature_map.set(1 | 1024);
            head.bitmap_offset.set(8);
        }),
        "feature_map",
    );
    is_field(rejected(|head| head.feature_map.set(1)), "bitmap_offset");
    is_field(
        rejected(|head| {
            head.feature_map.set(8);
            head.bblog_size.set(9);
        }),
        "bblog_size",
    );
    assert!(matches!(rejected(|head| head.feature_map.set(1 << 13)), Err(Damage::Unsupported { .. })));
}

#[test]
fn edits_change_their_field_and_keep_the_rest() {
    let uuid = MdUuid([9; 16]);
    let cases: &[(Edit, usize, &[u8])] = &[
        (Edit::Events(Events(0x0102)), 200, &[2, 1]),
        (Edit::Role { number: 0, role: Role::Journal }, 256, &[0xfd, 0xff]),
        (Edit::DevNumber(5), 160, &[5]),
        (Edit::DeviceUuid(uuid), 168, &[9; 16]),
        (Edit::MarkClean, 208, &[0xff; 8]),
        (Edit::Uuid(uuid), 16, &[9; 16]),
        (Edit::WriteMostly(true), 184, &[1]),
        (Edit::FailFast(true), 184, &[2]),
        (Edit::ReshapePosition(Sectors(3)), 104, &[3]),
        (Edit::Ppl(Ppl { offset: -1, size: 2 }), 96, &[0xff, 0xff, 2, 0]),
        (Edit::DataSize(Sectors(77)), 136, &[77]),
    ];
    for &(edit, offset, bytes) in cases {
        let mut sb = sample();
        // Unknown bytes must survive.
        sb.page.head.pad3 = [0xa5; 28];
        let before = sb.clone();
        assert_eq!(sb.edit(edit), Ok(true), "{edit:?}");
        assert_eq!(&sb.as_bytes()[offset..offset + bytes.len()], bytes, "{edit:?}");
        assert_eq!(sb.page.head.pad3, [0xa5; 28]);
        assert!(sb.checksum_ok());
        assert_eq!(sb.edit(edit), Ok(false), "{edit:?} twice");
        let differing = sb.as_bytes().iter().zip(before.as_bytes()).filter(|(a, b)| a != b).count();
        assert!(differing <= 16 + 4 + 2, "{edit:?}");
    }
    let mut sb = sample();
    assert_eq!(sb.edit(Edit::MarkDirty), Ok(false));
    assert_eq!(sb.edit(Edit::Role { number: 1920, role: Role::Spare }), Err(NoSuchNumber(1920)));
    assert_eq!(sb.edit(Edit::Role { number: 200, role: Role::Faulty }), Ok(true));
    assert_eq!((sb.max_dev(), sb.role_of(199), sb.role_of(200)), (201, ROLE_SPARE, ROLE_FAULTY));
    assert_eq!(sb.encode().data.len(), 1024);
    let before = sb.clone();
    for (on, off) in [
        (Edit::WriteMostly(true), Edit::WriteMostly(false)),
        (Edit::Raid0Layout(Some(2)), Edit::Raid0Layout(None)),
    ] {
        sb.edit(on).unwrap();
        sb.edit(off).unwrap();
        assert_eq!(sb, before);
    }
    sb.edit(Edit::NoBadBlockLog).unwrap();
    assert_eq!(sb.bad_block_log(), None);
    let mut name = [0; 32];
    name[0] = b'x';
    sb.edit(Edit::Name(name)).unwrap();
    assert_eq!(sb.set_name(), b"x");
}

#[test]
fn bitmap_sits_where_the_superblock_says() {
    let superblock = bitmap::NewSuperblock {
        version: bitmap::Version::Plain,
        uuid: [1; 16],
        sync_size: Sectors(129_024),
        chunk: 64 << 20,
        daemon_sleep: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: Vec::new(),
        assume_clean: false,
    }
    .build();
    let new = NewArray { bitmap: Some(NewBitmap { offset: 8, superblock }), ..array(Minor::V1_2) };
    let sb = new.member(&member(2048)).unwrap();
    assert_eq!(sb.bitmap_at(), Some(Sectors(16)));
    assert_eq!(sb.bad_block_log_at(), Some(Sectors(24)));
    assert_eq!(sb.ppl(), None);
    assert_eq!(superblock.bits(), Some(1));
    let area = superblock.initial(Sectors(16)).unwrap();
    assert_eq!((area.at, area.data.len()), (Sectors(16).bytes(), 4096));
    assert!(area.data[256..].iter().all(|&byte| byte == 0xff));
}

#[test]
fn too_many_and_too_small_are_refused() {
    let many = NewArray { raid_disks: 1919, spares: 2, ..array(Minor::V1_2) };
    assert_eq!(many.member(&member(2048)).unwrap_err(), NotPossible::TooManyDevices(1921));
    let most = NewArray { raid_disks: 1919, spares: 1, ..array(Minor::V1_2) };
    assert_eq!(most.member(&member(2048)).unwrap().encode().data.len(), 4096);
    let small = NewMember { device: Sectors(23), ..member(0) };
    assert!(matches!(array(Minor::V1_2).member(&small), Err(NotPossible::TooSmall { .. })));
    let small = NewMember { device: Sectors(2047), ..member(2048) };
    assert!(matches!(array(Minor::V1_2).member(&small), Err(NotPossible::TooSmall { .. })));
    let small = NewMember { device: Sectors(129_023), ..member(0) };
    assert!(matches!(array(Minor::V1_0).member(&small), Err(NotPossible::TooSmall { .. })));
}

#[test]
fn times_are_forty_and_twenty_four_bits() {
    let stamp = Stamp { seconds: 1_700_000_000, micros: 999_999 };
    assert_eq!(Stamp::from_raw(stamp.raw()), stamp);
    assert_eq!(Stamp::from_raw(u64::MAX), Stamp { seconds: (1 << 40) - 1, micros: (1 << 24) - 1 });
}
