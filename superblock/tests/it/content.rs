//! Contents of arrays: all that a whole file system says is right, what lies elsewhere is wrong, and nothing panics.

use crate::support::devices;
use superblock::{
    Bytes, Media, Write,
    content::{Content, find},
    sectors::SectorMap,
};

const EXT4: &str = include_str!("../fixtures/content-ext4.sectors");

macro_rules! foreign {
    ($name:literal) => {
        only(&devices(include_str!(concat!("../fixtures/foreign-", $name, ".sectors"))).remove(0).1)
    };
}

fn only(device: &dyn Media) -> Content {
    let mut found = find(device, 16);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn right(content: &Content, what: &str) -> (u32, u32) {
    content.checks.iter().find(|check| check.what == what).map_or((0, 0), |check| (check.right, check.wrong))
}

#[test]
fn a_whole_ext4() {
    let device: SectorMap = EXT4.parse().unwrap();
    let found = only(&device);
    assert_eq!((found.kind.as_str(), found.size), ("ext4", Some(Bytes(32 << 20))));
    assert_eq!(found.id.as_deref(), Some("01234567-89ab-cdef-0123-456789abcdef"));
    let (sound, wrong) = found.tally();
    assert!(sound >= 18 && wrong == 0, "{found:#?}");
    for what in ["superblock", "size", "copies of the superblock", "bitmaps", "inodes", "group descriptors"] {
        assert!(right(&found, what).0 > 0, "{what}");
    }
}

#[test]
fn one_byte_wrong_is_one_place_wrong() {
    let device: SectorMap = EXT4.parse().unwrap();
    // A count of the superblock, a copy's, one of the first group's.
    for (at, what) in [
        (1024 + 12, "superblock"),
        (8193 * 1024 + 12, "copies of the superblock"),
        (2048 + 12, "group descriptors"),
    ] {
        let mut device = device.clone();
        let start = Bytes(at).round_down(Bytes(512));
        let mut sector = vec![0; 512];
        device.read_at(start, &mut sector).unwrap();
        sector[usize::try_from(at - start.0).unwrap()] ^= 1;
        device.write(&Write { at: start, data: sector });
        let found = only(&device);
        assert_eq!(right(&found, what).1, 1, "{what}: {found:#?}");
    }
}

/// These images are cut: what is there is right, what is beyond counts as wrong.
#[test]
fn the_beginnings_of_others() {
    let found = foreign!("xfs");
    assert_eq!((found.kind.as_str(), right(&found, "superblock")), ("xfs", (1, 0)));
    assert_eq!((right(&found, "tree blocks"), right(&found, "root inode")), ((3, 0), (1, 0)));
    assert_eq!(right(&found, "copies of the superblock"), (0, 3));
    let found = foreign!("lvm");
    assert_eq!((found.kind.as_str(), right(&found, "label")), ("LVM2 physical volume", (1, 0)));
    let found = foreign!("gpt");
    assert_eq!(right(&found, "header"), (1, 0));
    assert_eq!((right(&found, "table"), right(&found, "header at the end")), ((1, 0), (0, 1)));
    assert_eq!(found.tally(), (2, 1));
    for (found, kind) in [(foreign!("swap"), "swap"), (foreign!("mbr"), "MBR partition table")] {
        assert_eq!((found.kind.as_str(), right(&found, "magic")), (kind, (1, 0)));
    }
}

/// What lvm wrote, with a file system where its text says that a volume is.
#[test]
fn a_physical_volume_and_what_is_in_its_volume() {
    let cut = devices(include_str!("../fixtures/lvm/plain.sectors")).remove(0).1;
    let mut device = SectorMap::zeros(Bytes(64 << 20));
    for (at, data) in cut.sectors() {
        device.write(&Write { at: at.bytes(), data: data.to_vec() });
    }
    let found = only(&device);
    assert_eq!(found.kind, "LVM2 physical volume");
    assert_eq!(right(&found, "metadata text"), (1, 0), "{found:#?}");
    assert!(found.inside.is_empty(), "{found:#?}");
    let file_system: SectorMap = EXT4.parse().unwrap();
    for (at, data) in file_system.sectors() {
        device.write(&Write { at: Bytes(at.bytes().0 + (1 << 20)), data: data.to_vec() });
    }
    let found = only(&device);
    let [inside] = found.inside.as_slice() else { panic!("{found:#?}") };
    assert_eq!(inside.kind, "ext4");
    assert!(right(inside, "superblock").0 > 0);
}

/// What cryptsetup wrote: both headers are right, and one bit of either is seen.
#[test]
fn a_whole_luks_header() {
    let device: SectorMap = include_str!("../fixtures/content-luks.sectors").parse().unwrap();
    let found = only(&device);
    assert_eq!((found.kind.as_str(), found.tally()), ("LUKS", (2, 0)), "{found:#?}");
    assert_eq!(found.id.as_deref(), Some("11111111-2222-3333-4444-555555555555"));
}

/// What mkfs.btrfs wrote: the superblock, its mirror at 64 MiB, the chunk tree on both of its copies.
#[test]
fn a_whole_btrfs() {
    let device: SectorMap = include_str!("../fixtures/content-btrfs.sectors").parse().unwrap();
    let found = only(&device);
    assert_eq!((found.kind.as_str(), found.size), ("btrfs", Some(Bytes(114 << 20))));
    assert_eq!(found.id.as_deref(), Some("11111111-2222-3333-4444-555555555555"));
    let (sound, wrong) = found.tally();
    assert!(sound >= 5 && wrong == 0, "{found:#?}");
    assert!(superblock::content::is_btrfs_superblock(&device, Bytes(64 << 10)));
    assert!(!superblock::content::is_btrfs_superblock(&device, Bytes(64 << 20)), "that is the mirror");
}
