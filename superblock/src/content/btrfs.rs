//! btrfs: the superblock, its mirrors, and the root of the chunk tree, which the superblock itself says where to find.

use super::{Content, View, array, le16, le32, le64, uuid};
use crate::{Bytes, checksum::crc32c};

const PLACES: [u64; 3] = [super::BTRFS_SUPERBLOCK.0, 64 << 20, 256 << 30];
const SUPER_LEN: usize = 4096;
/// The most that the superblock can carry of the chunk tree.
const SYSTEM_CHUNKS: usize = 2048;

pub(super) fn find(view: &View<'_>) -> Option<Content> {
    let [first, mirrors @ ..] = PLACES;
    let sb = view.bytes(first, SUPER_LEN)?;
    if sb.get(64..72) != Some(b"_BHRfS_M") {
        return None;
    }
    let mut content = Content::new("btrfs");
    content.id = Some(uuid(&sb, 32));
    content.note("superblock", is_super(&sb, first));
    content.note_size(Some(Bytes(le64(&sb, 112))), view.media);
    for at in mirrors {
        let end = at.saturating_add(SUPER_LEN.try_into().unwrap_or(0));
        if end <= view.media.len().0 && end <= le64(&sb, 112) {
            let copy = view.bytes(at, SUPER_LEN);
            let right = copy.is_some_and(|copy| copy.get(32..48) == sb.get(32..48) && is_super(&copy, at));
            content.note("copies of the superblock", right);
        }
    }
    if checksummed(&sb) {
        for at in chunk_root(&sb) {
            content.note("tree blocks", is_tree_block(view, &sb, at).unwrap_or(false));
        }
    }
    Some(content)
}

pub(super) fn is_first_at(view: &View<'_>, at: Bytes) -> bool {
    let [first, ..] = PLACES;
    view.bytes(at.0, SUPER_LEN).is_some_and(|sb| is_super(&sb, first))
}

/// Only the first kind of checksum is known here; the others are taken as right.
fn checksummed(sb: &[u8]) -> bool {
    le16(sb, 196) == 0
}

fn is_super(sb: &[u8], at: u64) -> bool {
    let sum = !checksummed(sb) || le32(sb, 0) == crc32c(sb.get(32..).unwrap_or_default());
    sum && le64(sb, 48) == at && sb.get(64..72) == Some(b"_BHRfS_M")
}

/// Where the copies of the chunk tree's root are on the one device: from the chunks that the superblock lists.
fn chunk_root(sb: &[u8]) -> Vec<u64> {
    let logical = le64(sb, 88);
    let len = usize::try_from(le32(sb, 160)).unwrap_or(0).min(SYSTEM_CHUNKS);
    let mut rest = sb.get(811..811usize.saturating_add(len)).unwrap_or_default();
    let mut places = Vec::new();
    // A key of 17 bytes, a chunk of 48, its stripes of 32 each.
    while rest.len() >= 65 {
        let (start, size) = (le64(rest, 9), le64(rest, 17));
        let stripes = usize::from(le16(rest, 61));
        for nth in 0..stripes.min(4) {
            let offset = le64(rest, 65usize.saturating_add(nth.saturating_mul(32)).saturating_add(8));
            if let Some(within) = logical.checked_sub(start).filter(|within| *within < size) {
                places.extend(offset.checked_add(within));
            }
        }
        let used = 65usize.saturating_add(stripes.saturating_mul(32));
        rest = rest.get(used..).unwrap_or_default();
    }
    places
}

fn is_tree_block(view: &View<'_>, sb: &[u8], at: u64) -> Option<bool> {
    let size = usize::try_from(le32(sb, 148)).ok().filter(|size| (4096..=65536).contains(size))?;
    let block = view.bytes(at, size)?;
    let own = le64(&block, 48) == le64(sb, 88) && array::<16>(&block, 32) == array::<16>(sb, 32);
    Some(own && le32(&block, 0) == crc32c(block.get(32..)?))
}
