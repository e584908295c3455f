//! Tests of the 0.90 superblock on bytes made here; `tests/fixtures.rs` has those that mdadm made.

use super::*;
use crate::What;

const AT: Sectors = Sectors(1024 - 128);

fn disk(number: u32, raid_disk: u32, state: DiskState) -> Disk {
    Disk { number, major: 8, minor: 16 << number, raid_disk, state }
}

fn array() -> NewArray {
    NewArray {
        uuid: "01234567:89abcdef:00112233:44556677".parse().unwrap(),
        created: 1_700_000_000,
        level: Level::Raid5,
        layout: 2,
        size: Kib(448),
        chunk: Bytes(65536),
        raid_disks: 3,
        md_minor: 7,
        state: ArrayState::CLEAN,
        nr_disks: 4,
        active_disks: 2,
        working_disks: 3,
        failed_disks: 1,
        spare_disks: 1,
        disks: vec![
            disk(0, 0, DiskState::ACTIVE | DiskState::SYNC),
            disk(1, 1, DiskState::ACTIVE | DiskState::SYNC | DiskState::WRITE_MOSTLY),
            disk(3, 3, DiskState::empty()),
        ],
    }
}

fn sample(order: Endian) -> Superblock {
    array().member(1, AT, order).unwrap()
}

fn device_with(sb: &Superblock) -> Vec<u8> {
    let mut device = vec![0; 512 * 1024];
    let write = sb.encode();
    device[usize::try_from(write.at.0).unwrap()..][..write.data.len()].copy_from_slice(&write.data);
    device
}

#[test]
fn place_is_the_last_aligned_block() {
    assert_eq!(place(Bytes(127 * 512)), None);
    assert_eq!(place(Bytes(128 * 512)), Some(Sectors(0)));
    assert_eq!(place(Bytes(255 * 512)), Some(Sectors(0)));
    assert_eq!(place(Bytes(1_000_000 * 512)), Some(Sectors(999_808)));
}

#[test]
fn what_is_made_is_read_back_in_both_orders() {
    for order in [Endian::Little, Endian::Big] {
        let device = device_with(&sample(order));
        let found = read(&device).unwrap().unwrap().verify().unwrap();
        assert_eq!(found, sample(order));
        assert_eq!(found.order(), order);
        assert_eq!(found.encode(), sample(order).encode());
        let view = found.membership();
        assert_eq!(view.array, array().uuid);
        assert_eq!(view.role, Role::Slot { slot: 1, replacement: false });
        assert_eq!((view.minor, view.events, view.component_size), (Some(7), Events(1), Sectors(896)));
        assert_eq!(found.this_disk().state, DiskState::ACTIVE | DiskState::SYNC, "flags are not stored");
        assert_eq!(found.disks().nth(3).unwrap().role(), Role::Spare);
        assert_eq!(found.bitmap_at(), None);
    }
}

#[test]
fn swapping_is_writing_in_the_other_order() {
    let mut sb = sample(Endian::Little);
    sb.edit(Edit::Events(Events(0x0102_0304_0506_0708))).unwrap();
    sb.edit(Edit::ReshapePosition(Sectors(0x1122_3344_5566_7788))).unwrap();
    let before = sb.clone();
    assert_eq!(sb.edit(Edit::ByteOrder), Ok(true));
    assert!(sb.checksum_ok());
    assert_eq!((sb.events(), sb.order()), (before.events(), Endian::Big));
    assert_eq!(sb.membership().array, before.membership().array);
    assert_eq!(&sb.as_bytes()[156..164], &[1, 2, 3, 4, 5, 6, 7, 8]);
    sb.edit(Edit::ByteOrder).unwrap();
    assert_eq!(sb, before);
}

#[test]
fn each_rejection_by_one_field() {
    let good = device_with(&sample(Endian::HOST));
    let at = usize::try_from(AT.bytes().0).unwrap();
    let with = |offset: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at + offset] ^= byte;
        read(&bad).unwrap()
    };
    assert!(with(3, 1).is_none(), "magic");
    assert!(with(4, 1).is_none(), "major version");
    let broken = with(160, 1).unwrap();
    assert!(matches!(broken.check(), Err(Damage::Corrupt { what: What::Checksum { .. }, at: AT, .. })));
    assert_eq!(broken.fields().md_minor(), 7, "a report can still show it");

    let fixed = |change: &dyn Fn(&mut Superblock)| {
        let mut sb = sample(Endian::HOST);
        change(&mut sb);
        sb.edit(Edit::MarkClean).unwrap();
        Unverified::new(sb, Sectors(1024)).check()
    };
    let order = Endian::HOST;
    let is_field = |result| matches!(result, Err(Damage::Corrupt { what: What::Field { .. }, .. }));
    assert!(fixed(&|_| ()).is_ok());
    let reshaping = |sb: &mut Superblock| sb.raw.minor_version.set(order, 91);
    assert!(
        fixed(&|sb| {
            reshaping(sb);
            sb.raw.reshape_position.set(order, u64::MAX);
        })
        .is_ok()
    );
    assert!(is_field(fixed(&reshaping)), "to a shape of no chunk and no level");
    assert!(matches!(fixed(&|sb| sb.raw.minor_version.set(order, 89)), Err(Damage::Unsupported { .. })));
    assert!(is_field(fixed(&|sb| sb.raw.raid_disks.set(order, 28))));
    assert!(is_field(fixed(&|sb| sb.raw.this_disk.number.set(order, 27))));
}

#[test]
fn checksums_are_compared_folded_as_the_kernel_does() {
    let mut sb = sample(Endian::HOST);
    let folded = fold16(sb.computed_csum());
    sb.raw.sb_csum.set(sb.order, folded);
    assert!(!sb.checksum_ok(), "a report shows the difference");
    assert!(Unverified::new(sb, Sectors(1024)).check().is_ok(), "an alpha wrote it so");
}

#[test]
fn edits_change_their_field_and_keep_the_rest() {
    for order in [Endian::Little, Endian::Big] {
        let mut sb = sample(order);
        sb.raw.pstate_reserved[3].set(order, 0xa5a5_a5a5);
        let faulty = disk(0, 0, DiskState::FAULTY);
        for edit in [
            Edit::Events(Events(9)),
            Edit::Disk(faulty),
            Edit::ThisDisk(faulty),
            Edit::MarkDirty,
            Edit::MarkClean,
            Edit::Uuid(MdUuid([3; 16])),
            Edit::Minor(9),
            Edit::ReshapePosition(Sectors(8)),
        ] {
            assert_eq!(sb.edit(edit), Ok(true), "{edit:?}");
            assert_eq!(sb.edit(edit), Ok(false), "{edit:?} twice");
            assert!(sb.checksum_ok());
        }
        assert_eq!(sb.raw.pstate_reserved[3].get(order), 0xa5a5_a5a5);
        assert_eq!(sb.this_disk(), faulty);
        assert_eq!(sb.edit(Edit::Disk(disk(27, 0, DiskState::empty()))), Err(NoSuchDisk(27)));
        sb.edit(Edit::Summaries).unwrap();
        let counts =
            (sb.nr_disks(), sb.active_disks(), sb.working_disks(), sb.failed_disks(), sb.spare_disks());
        assert_eq!(counts, (3, 1, 2, 1, 1));
    }
}

#[test]
fn home_is_in_the_uuid() {
    let uuid = uuid_at_home(array().uuid, b"box", Endian::HOST);
    let sb = NewArray { uuid, ..array() }.member(0, AT, Endian::HOST).unwrap();
    assert!(sb.is_local_to(b"box") && !sb.is_local_to(b"fox") && !sb.is_local_to(b""));
}
