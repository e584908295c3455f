//! Labels, UUIDs and sizes of what the table found. Offsets are from the owners' on-disk headers, named as there.

use super::{Foreign, Kind, Reader, dashed};
use crate::units::Bytes;

fn product(count: Option<u64>, unit: Option<u64>) -> Option<Bytes> {
    count?.checked_mul(unit?).map(Bytes)
}

/// `struct ext4_super_block` at 1 KiB.
pub(super) fn ext(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    const S: u64 = 1024;
    let block = reader.le32(S + 24).and_then(|log| 1024u64.checked_shl(log.min(63)));
    let incompat = reader.le32(S + 96).unwrap_or(0);
    let blocks = |high| {
        let low = u64::from(reader.le32(S + 4)?);
        Some(low | u64::from(if incompat & 0x80 == 0 { 0 } else { high }) << 32)
    };
    found.size = product(blocks(reader.le32(S + 336).unwrap_or(0)), block);
    found.mtime = reader.le32(S + 44);
    found.uuid = reader.uuid(S + 104);
    found.label = reader.text(S + 120, 16);
    // Features that only ext4 writes: anything beyond filetype, recover, journal_dev and meta_bg; beyond
    // sparse_super, large_file and btree_dir.
    let only_ext4 = incompat & !0x1e != 0 || reader.le32(S + 100).unwrap_or(0) & !7 != 0;
    let journal = reader.le32(S + 92).unwrap_or(0) & 4 != 0;
    found.kind = match (only_ext4, journal) {
        (true, _) => Kind::Ext4,
        (false, true) => Kind::Ext3,
        (false, false) => Kind::Ext2,
    };
    found
}

/// `struct reiserfs_super_block` at 64 KiB.
pub(super) fn reiserfs(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    const S: u64 = 64 << 10;
    let block = reader.array(S + 44).map(u16::from_le_bytes);
    found.size = product(reader.le32(S).map(u64::from), block.map(u64::from));
    found.uuid = reader.uuid(S + 84);
    found.label = reader.text(S + 100, 16);
    found
}

/// `struct xfs_dsb`.
pub(super) fn xfs(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    found.size = product(reader.be64(8), reader.be32(4).map(u64::from));
    found.uuid = reader.uuid(32);
    found.label = reader.text(108, 12);
    found
}

/// `struct btrfs_super_block` at 64 KiB.
pub(super) fn btrfs(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    const S: u64 = 64 << 10;
    found.size = reader.le64(S + 0x70).map(Bytes);
    found.uuid = reader.uuid(S + 0x20);
    found.label = reader.text(S + 0x12b, 256);
    found
}

/// `struct f2fs_super_block` at 1 KiB; its label is UTF-16 and left alone.
pub(super) fn f2fs(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    const S: u64 = 1024;
    let block = reader.le32(S + 16).and_then(|log| 1u64.checked_shl(log));
    found.size = product(reader.le64(S + 36), block);
    found.uuid = reader.uuid(S + 108);
    found
}

/// The primary volume descriptor at 32 KiB.
pub(super) fn iso9660(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    const S: u64 = 32 << 10;
    let block = reader.array(S + 128).map(u16::from_le_bytes);
    found.size = product(reader.le32(S + 80).map(u64::from), block.map(u64::from));
    found.label = reader.text(S + 40, 32);
    found
}

fn fat(reader: &Reader<'_>, mut found: Foreign, serial: u64, label: u64) -> Foreign {
    let sector = reader.array(11).map(u16::from_le_bytes).map(u64::from);
    let small = reader.array(19).map(u16::from_le_bytes).filter(|&count| count > 0);
    found.size = product(small.map(u64::from).or(reader.le32(32).map(u64::from)), sector);
    found.uuid = reader.array::<4>(serial).map(|[a, b, c, d]| dashed([d, c, b, a], &[2]).to_uppercase());
    found.label = reader.text(label, 11);
    found
}

/// The boot sector of FAT32.
pub(super) fn fat32(reader: &Reader<'_>, found: Foreign) -> Foreign {
    fat(reader, found, 0x43, 0x47)
}

/// The boot sector of FAT12 and FAT16.
pub(super) fn fat16(reader: &Reader<'_>, found: Foreign) -> Foreign {
    fat(reader, found, 0x27, 0x2b)
}

/// The boot sector of NTFS.
pub(super) fn ntfs(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    let sector = reader.array(11).map(u16::from_le_bytes).map(u64::from);
    found.size = product(reader.le64(0x28), sector);
    found.uuid = reader.le64(0x48).map(|serial| format!("{serial:016X}"));
    found
}

/// `union swap_header`: the fields at 1 KiB, the magic at the page's end, which tells the page's size.
pub(super) fn swap(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    const S: u64 = 1024;
    let page = found.at.0.saturating_add(10);
    found.size = product(reader.le32(S + 4).map(|last| u64::from(last).saturating_add(1)), Some(page));
    found.uuid = reader.uuid(S + 12);
    found.label = reader.text(S + 28, 16);
    found
}

/// `struct luks_phdr` and `struct luks2_hdr_disk`: the UUID is text, at the same place in both.
pub(super) fn luks(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    found.uuid = reader.text(168, 40).and_then(|uuid| String::from_utf8(uuid).ok());
    if found.kind == Kind::Luks2 {
        found.label = reader.text(24, 48);
    }
    found
}

/// The label's sector: the PV's UUID is 32 characters, spelled in groups of 6-4-4-4-4-4-6.
pub(super) fn lvm(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    let at = found.at.0;
    let uuid = reader.array::<32>(at.saturating_add(32)).filter(|uuid| uuid.iter().all(u8::is_ascii_graphic));
    found.uuid = uuid.map(|uuid| {
        let mut text = String::new();
        for (nth, byte) in uuid.into_iter().enumerate() {
            if matches!(nth, 6 | 10 | 14 | 18 | 22 | 26) {
                text.push('-');
            }
            text.push(char::from(byte));
        }
        text
    });
    found.size = reader.le64(at.saturating_add(64)).map(Bytes);
    found
}

/// `struct cache_sb` at 4 KiB.
pub(super) fn bcache(reader: &Reader<'_>, mut found: Foreign) -> Foreign {
    const S: u64 = 4096;
    found.uuid = reader.uuid(S + 40);
    found.label = reader.text(S + 72, 32);
    found
}
