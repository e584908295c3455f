//! Tests on bytes laid out by hand; `tests/it/foreign.rs` has what the owners' tools made.

use super::*;
use crate::units::Sectors;

const LEN: usize = 1 << 20;

fn scan_of(pieces: &[(usize, &[u8])]) -> Vec<Foreign> {
    let mut device = vec![0; LEN];
    for (at, bytes) in pieces {
        device[*at..][..bytes.len()].copy_from_slice(bytes);
    }
    scan(&device).unwrap()
}

#[test]
fn every_entry_of_the_table_is_found_alone() {
    for entry in TABLE {
        let at = match entry.place {
            Start(offset) => usize::try_from(offset).unwrap(),
            End(offset) => LEN.saturating_sub(usize::try_from(offset).unwrap()),
        };
        let found = scan_of(&[(at, entry.magic)]);
        let [only] = &found[..] else { panic!("{}: {found:?}", entry.kind) };
        let same = only.kind == entry.kind || only.kind.is_ext() && entry.kind.is_ext();
        assert!(same && usize::try_from(only.at.0) == Ok(at), "{found:?}");
    }
}

#[test]
fn nothing_is_found_on_nothing_and_on_small_devices() {
    assert!(scan_of(&[]).is_empty());
    for len in [0, 1, 511, 512, 4095, 5000] {
        let device = vec![0xff; len];
        assert!(scan(&device).unwrap().is_empty(), "{len}");
    }
}

#[test]
fn partition_tables_say_where_they_end() {
    let mut entry = [0; 16];
    entry[4] = 0x83;
    entry[8..].copy_from_slice(&[0, 8, 0, 0, 0, 16, 0, 0]);
    let found = scan_of(&[(446, &entry), (510, &[0x55, 0xaa])]);
    let expected = Table { partitions: 1, end: Sectors(2048 + 4096), protective: false };
    assert_eq!(found[0].table, Some(expected));

    for sector in [512, 4096] {
        let mut header = [0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[72] = 2;
        header[80] = 128;
        header[84] = 128;
        header[12] = 92;
        let sum = crate::checksum::gpt_crc(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        let mut entry = [0; 128];
        entry[0] = 1;
        entry[40] = 99;
        let found = scan_of(&[(sector, &header), (2 * sector, &entry)]);
        let end = Bytes(100 * u64::try_from(sector).unwrap()).sectors();
        assert_eq!(found[0].table, Some(Table { partitions: 1, end, protective: false }), "{found:?}");
        header[40] ^= 1;
        let damaged = scan_of(&[(sector, &header), (2 * sector, &entry)]);
        assert_eq!((damaged[0].kind, damaged[0].table), (Kind::Gpt, None));
    }
}

#[test]
fn hostile_tables_are_bounded() {
    for fill in [0xff, 0x7f, 1] {
        let mut header = [fill; 92];
        header[..8].copy_from_slice(b"EFI PART");
        assert_eq!(scan_of(&[(512, &header)])[0].kind, Kind::Gpt);
    }
    let mut device = vec![0xff; LEN];
    for entry in TABLE {
        if let Start(at) = entry.place {
            device[usize::try_from(at).unwrap()..][..entry.magic.len()].copy_from_slice(entry.magic);
        }
    }
    assert!(scan(&device).unwrap().len() > 10);
}
