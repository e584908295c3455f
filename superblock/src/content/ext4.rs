//! ext2, ext3 and ext4: the superblock and its copies, group descriptors, bitmaps and inodes.

use super::{Content, View, le16, le32, uuid, without};
use crate::{Bytes, checksum::crc32c_raw};

const SUPERBLOCK: u64 = 1024;
const MAGIC: u16 = 0xef53;
const BACKUPS: &str = "copies of the superblock";
const DESCRIPTORS: &str = "group descriptors";
const BITMAPS: &str = "bitmaps";
const INODES: &str = "inodes";
const BLOCKS: &str = "directory blocks";
/// The inode of the journal.
const JOURNAL: u32 = 8;
/// `EXT4_EXTENTS_FL`, `EXT4_INDEX_FL`.
const EXTENTS: u32 = 0x8_0000;
const INDEX: u32 = 0x1000;
/// `EXT4_BG_INODE_UNINIT`, `EXT4_BG_BLOCK_UNINIT`.
const UNUSED: [u16; 2] = [1, 2];

/// The fields that are needed, named as `struct ext4_super_block` names them.
struct Super {
    bytes: Vec<u8>,
    block: u64,
    blocks: u64,
    blocks_per_group: u64,
    inodes_per_group: u64,
    first_data_block: u64,
    inode_size: u64,
    desc_size: u64,
    incompat: u32,
    ro_compat: u32,
    seed: u32,
}

impl Super {
    fn read(view: &View<'_>) -> Option<Self> {
        let bytes = view.bytes(SUPERBLOCK, 1024)?;
        if le16(&bytes, 56) != MAGIC {
            return None;
        }
        let block = 1024u64.checked_shl(le32(&bytes, 24).min(16)).filter(|size| *size <= 65536)?;
        let (incompat, ro_compat) = (le32(&bytes, 96), le32(&bytes, 100));
        let wide = incompat & 0x80 != 0;
        let blocks_hi = if wide { u64::from(le32(&bytes, 336)) } else { 0 };
        let seeded = incompat & 0x2000 != 0;
        let seed = if seeded {
            le32(&bytes, 624)
        } else {
            crc32c_raw(u32::MAX, bytes.get(104..120).unwrap_or_default())
        };
        Some(Self {
            block,
            blocks: u64::from(le32(&bytes, 4)) | blocks_hi << 32,
            blocks_per_group: u64::from(le32(&bytes, 32)),
            inodes_per_group: u64::from(le32(&bytes, 40)),
            first_data_block: le32(&bytes, 20).into(),
            inode_size: if le32(&bytes, 76) == 0 { 128 } else { le16(&bytes, 88).into() },
            desc_size: if wide { u64::from(le16(&bytes, 254)).clamp(64, 1024) } else { 32 },
            incompat,
            ro_compat,
            seed,
            bytes,
        })
    }

    fn checksums(&self) -> bool {
        self.ro_compat & 0x400 != 0
    }

    fn is_sound(bytes: &[u8]) -> bool {
        le32(bytes, 1020) == crc32c_raw(u32::MAX, bytes.get(..1020).unwrap_or_default())
    }

    fn groups(&self) -> u64 {
        let blocks = self.blocks.saturating_sub(self.first_data_block);
        if self.blocks_per_group == 0 { 0 } else { blocks.div_ceil(self.blocks_per_group) }
    }

    fn at(&self, block: u64) -> Option<u64> {
        block.checked_mul(self.block)
    }

    /// Groups with a copy of the superblock.
    fn backups(&self) -> Vec<u64> {
        let groups = self.groups();
        let all: Vec<u64> = if le32(&self.bytes, 92) & 0x200 != 0 {
            vec![le32(&self.bytes, 588).into(), le32(&self.bytes, 592).into()]
        } else if self.ro_compat & 1 == 0 {
            (1..groups.min(64)).collect()
        } else {
            let powers = |base: u64| {
                std::iter::successors(Some(base), move |power| power.checked_mul(base))
                    .take_while(move |power| *power < groups)
            };
            std::iter::once(1).chain(powers(3)).chain(powers(5)).chain(powers(7)).collect()
        };
        all.into_iter().filter(|group| (1..groups).contains(group)).collect()
    }

    fn kind(&self) -> &'static str {
        // Features that only ext4 writes, as `foreign` tells them apart.
        let only_ext4 = self.incompat & !0x1e != 0 || self.ro_compat & !7 != 0;
        let journal = le32(&self.bytes, 92) & 4 != 0;
        match (only_ext4, journal) {
            (true, _) => "ext4",
            (false, true) => "ext3",
            (false, false) => "ext2",
        }
    }
}

pub(super) fn find(view: &View<'_>) -> Option<Content> {
    let sb = Super::read(view)?;
    let mut content = Content::new(sb.kind());
    content.id = Some(uuid(&sb.bytes, 104));
    content.note("superblock", !sb.checksums() || Super::is_sound(&sb.bytes));
    content.note_size(sb.blocks.checked_mul(sb.block).map(Bytes), view.media);
    for group in sb.backups().into_iter().take(usize::try_from(view.effort).unwrap_or(16)) {
        content.note(BACKUPS, backup(view, &sb, group).unwrap_or(false));
    }
    // With meta_bg the descriptors are elsewhere.
    if sb.incompat & 0x10 == 0 {
        for group in view.some_of(sb.groups()) {
            look_at_group(view, &sb, group, &mut content);
        }
    }
    Some(content)
}

fn backup(view: &View<'_>, sb: &Super, group: u64) -> Option<bool> {
    let block = group.checked_mul(sb.blocks_per_group)?.checked_add(sb.first_data_block)?;
    let copy = view.bytes(sb.at(block)?, 1024)?;
    let same = le16(&copy, 56) == MAGIC && copy.get(104..120) == sb.bytes.get(104..120);
    let its_own = u64::from(le16(&copy, 90)) == group & 0xffff;
    Some(same && its_own && (!sb.checksums() || Super::is_sound(&copy)))
}

/// The fields of `struct ext4_group_desc`, each a low half and, in the wide form, a high one.
struct Group {
    bytes: Vec<u8>,
}

impl Group {
    fn block(&self, low: usize) -> u64 {
        let high = if self.bytes.len() >= 64 { le32(&self.bytes, low.saturating_add(32)) } else { 0 };
        u64::from(le32(&self.bytes, low)) | u64::from(high) << 32
    }

    fn flags(&self) -> u16 {
        le16(&self.bytes, 18)
    }
}

fn look_at_group(view: &View<'_>, sb: &Super, number: u64, content: &mut Content) {
    if let Some(sound) = group(view, sb, number, content) {
        content.note(DESCRIPTORS, sound);
    }
}

/// Whether its descriptor is sound; what it leads to is counted by the way. `None` where it has no checksum and nothing
/// to say.
fn group(view: &View<'_>, sb: &Super, number: u64, content: &mut Content) -> Option<bool> {
    let table = sb.at(sb.first_data_block.checked_add(1)?)?;
    let at = table.checked_add(number.checked_mul(sb.desc_size)?)?;
    let Some(bytes) = view.bytes(at, usize::try_from(sb.desc_size).ok()?) else { return Some(false) };
    let group = Group { bytes };
    let places = [group.block(0), group.block(4), group.block(8)];
    if places.iter().any(|block| *block == 0 || *block >= sb.blocks) {
        return Some(false);
    }
    if !sb.checksums() {
        return Some(true);
    }
    let own = u32::try_from(number).ok()?.to_le_bytes();
    let crc = crc32c_raw(crc32c_raw(sb.seed, &own), &without(&group.bytes, 30, 2));
    if crc & 0xffff != u32::from(le16(&group.bytes, 30)) {
        return Some(false);
    }
    let [blocks, inodes, _] = places;
    let sizes = [sb.blocks_per_group, sb.inodes_per_group].map(|bits| bits >> 3);
    let [unused_inodes, unused_blocks] = UNUSED;
    for (at, size, sum, unused) in
        [(blocks, sizes[0], 24, unused_blocks), (inodes, sizes[1], 26, unused_inodes)]
    {
        if group.flags() & unused == 0 {
            content.note(BITMAPS, bitmap(view, sb, &group, (at, size, sum)).unwrap_or(false));
        }
    }
    if group.flags() & unused_inodes == 0 {
        look_at_inodes(view, sb, number, &group, content);
    }
    Some(true)
}

fn bitmap(view: &View<'_>, sb: &Super, group: &Group, (block, size, sum): (u64, u64, usize)) -> Option<bool> {
    let bytes = view.bytes(sb.at(block)?, usize::try_from(size.min(sb.block)).ok()?)?;
    let crc = crc32c_raw(sb.seed, &bytes);
    let low = u32::from(le16(&group.bytes, sum));
    if group.bytes.len() < 64 {
        return Some(crc & 0xffff == low);
    }
    let high = u32::from(le16(&group.bytes, sum.saturating_add(32)));
    Some(crc == high << 16 | low)
}

/// The first inodes of the group that are in use.
fn look_at_inodes(view: &View<'_>, sb: &Super, number: u64, group: &Group, content: &mut Content) {
    let Ok(size) = usize::try_from(sb.inode_size) else { return };
    if !(128..=4096).contains(&size) {
        return;
    }
    let Some(table) = sb.at(group.block(8)).and_then(|at| view.bytes(at, size.saturating_mul(16))) else {
        return content.note(INODES, false);
    };
    for (nth, inode) in (1u64..).zip(table.chunks_exact(size)) {
        let in_use = le16(inode, 26) > 0 && le16(inode, 0) != 0;
        let ino = number.saturating_mul(sb.inodes_per_group).saturating_add(nth);
        if let Some(ino) = u32::try_from(ino).ok().filter(|_| in_use) {
            let sound = inode_is_sound(sb, ino, inode);
            content.note(INODES, sound);
            if sound {
                look_at_data(view, sb, ino, inode, content);
            }
        }
    }
}

fn inode_is_sound(sb: &Super, ino: u32, inode: &[u8]) -> bool {
    let extra = inode.len() > 128 && le16(inode, 128) >= 4;
    let mut bytes = without(inode, 124, 2);
    if extra {
        bytes = without(&bytes, 130, 2);
    }
    let generation = inode.get(100..104).unwrap_or_default();
    let crc = crc32c_raw(crc32c_raw(crc32c_raw(sb.seed, &ino.to_le_bytes()), generation), &bytes);
    let low = u32::from(le16(inode, 124));
    if extra { crc == u32::from(le16(inode, 130)) << 16 | low } else { crc & 0xffff == low }
}

/// The first block of a directory has a checksum in its last bytes, that of the journal a magic in its first.
fn look_at_data(view: &View<'_>, sb: &Super, ino: u32, inode: &[u8], content: &mut Content) {
    let (mode, flags) = (le16(inode, 0), le32(inode, 32));
    // One leaf of extents in the inode itself: the first extent's start, 12 bytes into it.
    let leaf = le16(inode, 40) == 0xf30a && le16(inode, 46) == 0 && le16(inode, 42) > 0;
    if flags & EXTENTS == 0 || !leaf {
        return;
    }
    let block = u64::from(le16(inode, 58)) << 32 | u64::from(le32(inode, 60));
    let bytes = sb.at(block).and_then(|at| view.bytes(at, usize::try_from(sb.block).ok()?));
    if ino == JOURNAL {
        let magic = bytes.is_some_and(|bytes| bytes.get(..4) == Some(&[0xc0, 0x3b, 0x39, 0x98]));
        content.note("journal", magic);
    } else if mode & 0xf000 == 0x4000 && flags & INDEX == 0 {
        content.note(BLOCKS, bytes.is_some_and(|bytes| directory_is_sound(sb, ino, inode, &bytes)));
    }
}

fn directory_is_sound(sb: &Super, ino: u32, inode: &[u8], block: &[u8]) -> bool {
    let Some((entries, tail)) = block.split_at_checked(block.len().saturating_sub(12)) else { return false };
    let generation = inode.get(100..104).unwrap_or_default();
    let seed = crc32c_raw(crc32c_raw(sb.seed, &ino.to_le_bytes()), generation);
    tail.get(..8) == Some(&[0, 0, 0, 0, 12, 0, 0, 0xde]) && le32(tail, 8) == crc32c_raw(seed, entries)
}
