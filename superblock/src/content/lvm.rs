//! An LVM2 physical volume: its label, the header of the metadata area, the text, and the volumes that lie wholly here.

use super::{Content, Inner, View, le32, le64};
use crate::Bytes;

const MDA_MAGIC: &[u8] = b" LVM2 x[5A%r0N*>";
/// What every checksum of LVM2 starts from.
const SEED: u32 = 0xf597_a6cf;
/// The most text that is read.
const LARGEST: u64 = 1 << 20;

fn crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!SEED);
    hasher.update(bytes);
    !hasher.finalize()
}

pub(super) fn find(view: &View<'_>) -> Option<(Content, Vec<Inner>)> {
    let (nth, label) = (0..4u64).find_map(|nth| {
        let sector = view.bytes(nth.saturating_mul(512), 512)?;
        (sector.get(..8) == Some(b"LABELONE") && sector.get(24..32) == Some(b"LVM2 001"))
            .then_some((nth, sector))
    })?;
    let mut content = Content::new("LVM2 physical volume");
    let own = label.get(32..64)?;
    content.id = Some(String::from_utf8_lossy(own).into_owned());
    content.note("label", le64(&label, 8) == nth && le32(&label, 16) == crc(label.get(20..)?));
    content.note_size(Some(Bytes(le64(&label, 64))), view.media);
    let mut volumes = Vec::new();
    let areas = label.get(72..).unwrap_or_default();
    // Data areas to a pair of zeros, metadata areas to another.
    let mut lists = areas.chunks_exact(16).map(|area| (le64(area, 0), le64(area, 8)));
    let data = lists.by_ref().take_while(|area| *area != (0, 0)).next().map_or(0, |(start, _)| start);
    for (start, size) in lists.take_while(|area| *area != (0, 0)) {
        let text = text(view, start, size, &mut content);
        if volumes.is_empty() {
            volumes = text.map(|text| inside(&text, own, data)).unwrap_or_default();
        }
    }
    Some((content, volumes))
}

/// The text that is in force; what is right about it is noted.
fn text(view: &View<'_>, start: u64, size: u64, content: &mut Content) -> Option<String> {
    let header = view.bytes(start, 512).filter(|header| header.get(4..20) == Some(MDA_MAGIC));
    let sound =
        header.as_ref().is_some_and(|header| le32(header, 0) == crc(header.get(4..).unwrap_or_default()));
    content.note("metadata area", sound && header.as_ref().is_some_and(|header| le64(header, 24) == start));
    let header = header.filter(|_| sound)?;
    let (offset, length, sum) = (le64(&header, 40), le64(&header, 48), le32(&header, 56));
    if length == 0 {
        return None;
    }
    let text = ring(view, (start, size), offset, length.min(LARGEST));
    let right = text.as_ref().is_some_and(|text| crc(text) == sum);
    content.note("metadata text", right);
    Some(String::from_utf8_lossy(&text.filter(|_| right)?).into_owned())
}

/// The text lies in a ring behind the header.
fn ring(view: &View<'_>, (start, size): (u64, u64), offset: u64, length: u64) -> Option<Vec<u8>> {
    let end = offset.checked_add(length)?;
    if offset >= size {
        return None;
    }
    let straight = usize::try_from(length.min(size.checked_sub(offset)?)).ok()?;
    let mut bytes = view.bytes(start.checked_add(offset)?, straight)?;
    let around = usize::try_from(end.saturating_sub(size)).ok()?;
    if around > 0 {
        bytes.extend(view.bytes(start.checked_add(512)?, around)?);
    }
    Some(bytes)
}

/// Volumes whose every segment is one stripe on the physical volume with this identity. The text is believed only for
/// where to look; what is there is checked on its own.
fn inside(text: &str, own: &[u8], data: u64) -> Vec<Inner> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let value = |line: &str, key: &str| {
        let rest = line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim_start();
        Some(rest.split('#').next().unwrap_or_default().trim().to_owned())
    };
    let number = |line: &str, key: &str| value(line, key)?.parse::<u64>().ok();
    let extent = lines.iter().find_map(|line| number(line, "extent_size")).unwrap_or(0).saturating_mul(512);
    let plain = |id: &str| {
        id.bytes().filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'!').collect::<Vec<u8>>()
    };
    // `pv0 {`, then its `id = "…"`.
    let mut name = String::new();
    let mut pv = None;
    for line in &lines {
        if let Some(section) = line.strip_suffix('{') {
            section.trim().clone_into(&mut name);
        } else if value(line, "id").is_some_and(|id| plain(&id) == own) {
            pv = Some(name.clone());
        }
    }
    let Some(pv) = pv.filter(|_| extent > 0) else { return Vec::new() };
    let mut volumes: Vec<Inner> = Vec::new();
    let (mut count, mut open) = (0u64, false);
    for line in &lines {
        if let Some(extents) = number(line, "extent_count") {
            count = extents;
        } else if number(line, "start_extent") == Some(0) {
            volumes.push(Inner { pieces: Vec::new() });
            open = true;
        } else if number(line, "stripe_count").is_some_and(|stripes| stripes != 1) {
            open = false;
        } else if let Some(start) = line.strip_prefix(&format!("\"{pv}\",")).filter(|_| open)
            && let Ok(start) = start.trim().parse::<u64>()
            && let Some(volume) = volumes.last_mut()
        {
            let at = start.saturating_mul(extent).saturating_add(data);
            volume.pieces.push((Bytes(at), Bytes(count.saturating_mul(extent))));
        }
    }
    volumes.retain(|volume| !volume.pieces.is_empty());
    volumes
}
