//! XFS: the superblock and, in every allocation group, its copy, the group's headers and the roots of its trees.

use super::{Content, View, be16, be32, be64, le32, uuid, without};
use crate::{Bytes, checksum::crc32c};

const COPIES: &str = "copies of the superblock";
const HEADERS: &str = "group headers";
const TREES: &str = "tree blocks";

pub(super) fn find(view: &View<'_>) -> Option<Content> {
    let sb = view.bytes(0, 512)?;
    if sb.get(..4) != Some(b"XFSB") {
        return None;
    }
    let mut content = Content::new("xfs");
    content.id = Some(uuid(&sb, 32));
    let block = u64::from(be32(&sb, 4));
    let sector = u64::from(be16(&sb, 102));
    let plausible =
        (512..=65536).contains(&block) && (512..=32768).contains(&sector) && block.is_power_of_two();
    content.note("superblock", plausible && sound(view, &sb, 0, sector, 224) == Some(true));
    content.note_size(be64(&sb, 8).checked_mul(block).map(Bytes), view.media);
    let (per_group, groups) = (u64::from(be32(&sb, 84)), u64::from(be32(&sb, 88)));
    if plausible && per_group > 0 {
        for group in view.some_of(groups) {
            if let Some(at) = group.checked_mul(per_group).and_then(|at| at.checked_mul(block)) {
                look_at_group(view, &sb, Place { group, at, block, sector }, &mut content);
            }
        }
        if let Some(right) = root_inode(view, &sb, block, per_group) {
            content.note("root inode", right);
        }
    }
    Some(content)
}

struct Place {
    group: u64,
    at: u64,
    block: u64,
    sector: u64,
}

fn has_checksums(sb: &[u8]) -> bool {
    be16(sb, 100) & 0xf == 5
}

/// Whether the checksum of a structure is right; older file systems have none.
fn sound(view: &View<'_>, sb: &[u8], at: u64, len: u64, field: usize) -> Option<bool> {
    if !has_checksums(sb) {
        return Some(true);
    }
    let bytes = view.bytes(at, usize::try_from(len).ok()?)?;
    Some(le32(&bytes, field) == crc32c(&without(&bytes, field, 4)))
}

fn look_at_group(view: &View<'_>, sb: &[u8], place: Place, content: &mut Content) {
    let sector = |nth: u64| place.at.checked_add(nth.checked_mul(place.sector)?);
    if place.group > 0 {
        let copy = view.bytes(place.at, 512).filter(|copy| copy.get(..4) == Some(b"XFSB"));
        let same = copy.is_some_and(|copy| copy.get(32..48) == sb.get(32..48));
        content.note(COPIES, same && sound(view, sb, place.at, place.sector, 224) == Some(true));
    }
    // Free space's header and its two trees' roots, the inodes' and its one.
    for (nth, magic, field, roots) in [(1, b"XAGF", 216, &[16usize, 20][..]), (2, b"XAGI", 312, &[20])] {
        let header = sector(nth).and_then(|at| Some((at, view.bytes(at, 512)?)));
        let Some((at, header)) = header else { return content.note(HEADERS, false) };
        let right = header.get(..4) == Some(magic)
            && u64::from(be32(&header, 8)) == place.group
            && sound(view, sb, at, place.sector, field) == Some(true);
        content.note(HEADERS, right);
        if !right || !has_checksums(sb) {
            continue;
        }
        for root in roots {
            let block = u64::from(be32(&header, *root)).checked_mul(place.block);
            let right = block.and_then(|at| sound(view, sb, place.at.checked_add(at)?, place.block, 52));
            content.note(TREES, right == Some(true));
        }
    }
}

/// An inode's number has its group, the block in it and the place in that, in bits that the superblock counts.
fn root_inode(view: &View<'_>, sb: &[u8], block: u64, per_group: u64) -> Option<bool> {
    let number = be64(sb, 56);
    let [per_block, blocks] = [123, 124].map(|at| u32::from(*sb.get(at).unwrap_or(&0)));
    let size = u64::from(be16(sb, 104));
    if !has_checksums(sb) || per_block > 8 || blocks > 31 || !(256..=2048).contains(&size) {
        return None;
    }
    let mask = |bits: u32| 1u64.checked_shl(bits).unwrap_or(0).saturating_sub(1);
    let group = number.checked_shr(per_block.saturating_add(blocks))?;
    let within = number.checked_shr(per_block)? & mask(blocks);
    let at = group.checked_mul(per_group)?.checked_add(within)?.checked_mul(block)?;
    let at = at.checked_add((number & mask(per_block)).checked_mul(size)?)?;
    let Some(inode) = view.bytes(at, usize::try_from(size).ok()?) else { return Some(false) };
    let own = inode.get(..2) == Some(b"IN") && be64(&inode, 152) == number;
    Some(own && sound(view, sb, at, size, 100) == Some(true))
}
