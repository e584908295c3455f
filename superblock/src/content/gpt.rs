//! GPT: both headers and the table of partitions, which are looked into.

use super::{Content, Inner, View, le32, le64, uuid};
use crate::{Bytes, checksum::gpt_crc};

/// Partitions of a table; more are not read.
const MOST: u64 = 128;

pub(super) fn find(view: &View<'_>) -> Option<(Content, Vec<Inner>)> {
    let (block, header) = [512u64, 4096].into_iter().find_map(|block| {
        let header = view.bytes(block, 512)?;
        (header.get(..8) == Some(b"EFI PART")).then_some((block, header))
    })?;
    let mut content = Content::new("GPT partition table");
    content.id = Some(uuid(&header, 56));
    content.note("header", is_header(&header, 1));
    let other = le64(&header, 32);
    let backup = other.checked_mul(block).and_then(|at| view.bytes(at, 512));
    let right = backup.is_some_and(|copy| {
        copy.get(..8) == Some(b"EFI PART")
            && is_header(&copy, other)
            && copy.get(56..72) == header.get(56..72)
    });
    content.note("header at the end", right);
    let table = table(view, &header, block);
    content.note("table", table.is_some());
    Some((content, table.unwrap_or_default()))
}

fn is_header(header: &[u8], own: u64) -> bool {
    let len = usize::try_from(le32(header, 12)).unwrap_or(0);
    let sum = header.get(..len).filter(|_| len >= 92).map(gpt_crc);
    sum == Some(le32(header, 16)) && le64(header, 24) == own
}

/// The partitions, if the table's checksum is right.
fn table(view: &View<'_>, header: &[u8], block: u64) -> Option<Vec<Inner>> {
    let (count, size) = (u64::from(le32(header, 80)), u64::from(le32(header, 84)));
    if count > MOST || !(128..=4096).contains(&size) {
        return None;
    }
    let bytes =
        view.bytes(le64(header, 72).checked_mul(block)?, usize::try_from(count.checked_mul(size)?).ok()?)?;
    if crc32fast::hash(&bytes) != le32(header, 88) {
        return None;
    }
    let partition = |entry: &[u8]| {
        let (first, last) = (le64(entry, 32), le64(entry, 40));
        let length = last.checked_sub(first)?.checked_add(1)?.checked_mul(block)?;
        let unused = entry.get(..16)?.iter().all(|byte| *byte == 0);
        (!unused).then_some(Inner { pieces: vec![(Bytes(first.checked_mul(block)?), Bytes(length))] })
    };
    Some(bytes.chunks_exact(usize::try_from(size).ok()?).filter_map(partition).collect())
}
