//! What e2fsprogs, xfsprogs, util-linux and lvm2 wrote is recognised with its label, UUID and size.

use crate::support::devices;
use superblock::{
    Bytes, Sectors,
    foreign::{Foreign, Kind, Table, scan},
};

macro_rules! foreign {
    ($name:literal) => {
        only(include_str!(concat!("../fixtures/foreign-", $name, ".sectors")))
    };
}

fn only(text: &str) -> Vec<Foreign> {
    scan(&devices(text).remove(0).1).unwrap()
}

const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const MIB: u64 = 1 << 20;

#[test]
fn file_systems_and_swap() {
    for (found, kind, label, size) in [
        (foreign!("ext2"), Kind::Ext2, "label2", 64 * MIB),
        (foreign!("ext3"), Kind::Ext3, "label3", 64 * MIB),
        (foreign!("ext4"), Kind::Ext4, "label4", 64 * MIB),
        (foreign!("xfs"), Kind::Xfs, "labelx", 400 * MIB),
        (foreign!("swap"), Kind::Swap, "labels", 64 * MIB),
    ] {
        let [found] = &found[..] else { panic!("{kind}: {found:?}") };
        assert_eq!((found.kind, found.uuid.as_deref(), found.size), (kind, Some(UUID), Some(Bytes(size))));
        assert_eq!(found.label.as_deref(), Some(label.as_bytes()));
        assert_eq!(found.mtime.is_some(), kind.is_ext());
    }
}

#[test]
fn physical_volume() {
    let found = &foreign!("lvm")[0];
    assert_eq!((found.kind, found.size), (Kind::Lvm2, Some(Bytes(64 * MIB))));
    assert_eq!(found.uuid.as_deref(), Some("012345-6789-abcd-efgh-ijkl-mnop-qrstuv"));
}

#[test]
fn partition_tables() {
    let found = foreign!("mbr");
    let table = Table { partitions: 2, end: Sectors(6144 + 8192), protective: false };
    assert_eq!(
        (found[0].kind, found[0].table, found[0].uuid.as_deref()),
        (Kind::Mbr, Some(table), Some("12345678"))
    );
    let found = foreign!("gpt");
    let kinds: Vec<_> = found.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [Kind::Gpt, Kind::Mbr]);
    assert_eq!(found[0].table, Some(table));
    assert_eq!(found[0].uuid.as_deref(), Some(UUID));
    assert!(found[1].table.unwrap().protective);
}
