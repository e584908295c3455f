//! LUKS: version 1 by the marks of its key slots, version 2 by the checksums of both headers.

use super::{Content, View, be16, be32, be64, sha256::sha256, without};

const MAGIC: &[u8] = b"LUKS\xba\xbe";
const SECOND: &[u8] = b"SKUL\xba\xbe";
/// The largest header area of version 2.
const LARGEST: u64 = 4 << 20;

pub(super) fn find(view: &View<'_>) -> Option<Content> {
    let header = view.bytes(0, 1024)?;
    if header.get(..6) != Some(MAGIC) {
        return None;
    }
    let mut content = Content::new("LUKS");
    let text = header.get(168..208)?.split(|byte| *byte == 0).next()?;
    content.id = Some(String::from_utf8_lossy(text).into_owned());
    if be16(&header, 6) == 1 {
        for slot in 0..8usize {
            let mark = be32(&header, 208usize.saturating_add(slot.saturating_mul(48)));
            content.note("key slots", matches!(mark, 0x00ac_71f3 | 0x0000_dead));
        }
        return Some(content);
    }
    let size = be64(&header, 8);
    content.note("header", area(view, 0, size, MAGIC) == Some(true));
    content.note("second header", area(view, size, size, SECOND) == Some(true));
    Some(content)
}

/// A header and its text: SHA-256 over all of it, the checksum taken as zeros.
fn area(view: &View<'_>, at: u64, size: u64, magic: &[u8]) -> Option<bool> {
    if !(4096..=LARGEST).contains(&size) {
        return Some(false);
    }
    let mut bytes = Vec::new();
    while length(&bytes) < size {
        let here = size.saturating_sub(length(&bytes)).min(1 << 20);
        bytes.extend(view.bytes(at.checked_add(length(&bytes))?, usize::try_from(here).ok()?)?);
    }
    let named = bytes.get(..6) == Some(magic) && be64(&bytes, 256) == at;
    let known = bytes.get(72..104)?.split(|byte| *byte == 0).next() == Some(b"sha256");
    let sum = sha256(&without(&bytes, 448, 64));
    Some(named && (!known || bytes.get(448..480) == Some(&sum)))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
