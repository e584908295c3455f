//! A metadata area: one header sector and a ring of texts behind it.
//!
//! *Where*: where the label says. *Byte order*: little-endian. *Checksum*: [`lvm_crc`] over bytes 4…511 of the header; over
//! the whole text, NUL at its end included. *Written by*: LVM2 at every change of the group: text, header with the text as
//! pre-committed, header with it as committed.
//!
//! *Quirks*: offsets of texts count from the area's beginning. A text that reaches the end goes on at byte 512. The second
//! slot (pre-committed) is for whoever is in the middle of a change, and is nothing to anybody else.

use super::{
    label::{Extent, u32_at, u64_at},
    lvm_crc,
};
use crate::{Damage, Media, What, Write, units::Bytes};

/// The magic at byte 4.
pub const MAGIC: &[u8; 16] = b" LVM2 x[5A%r0N*>";
/// The header's size; the ring begins behind it.
pub const HEADER: u64 = 512;
/// Flag of a slot: this area is not to be used, others have the group.
pub const IGNORED: u32 = 1;
/// No text is larger: what is read into memory has a bound.
pub const MAX_TEXT: u64 = 64 << 20;

const FORMAT: &str = "LVM2 metadata area";

/// One entry of the header: where a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    /// From the area's beginning; 0 where there is none.
    pub offset: u64,
    /// With the NUL at the end.
    pub size: u64,
    /// The text's checksum.
    pub crc: u32,
    /// [`IGNORED`].
    pub flags: u32,
}

/// A metadata area's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Where it is and how long.
    pub place: Extent,
    /// The committed text.
    pub committed: Option<Slot>,
    /// The pre-committed one: somebody was or is in the middle of a change.
    pub precommitted: Option<Slot>,
    /// Whether it is not to be used.
    pub ignored: bool,
    /// Its header is damaged: the next text makes it anew.
    pub lost: bool,
}

/// Why a text does not go into an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the group's metadata would be {needed} bytes, and a metadata area of {area} bytes takes texts of at most {limit} \
     bytes: remove volumes, or make a group with larger metadata areas"
)]
pub struct Full {
    /// The new text.
    pub needed: u64,
    /// The area's size.
    pub area: u64,
    /// The largest text that it takes whatever it has now.
    pub limit: u64,
}

/// A text's place in an area and the writes that put it there; nobody sees it before a header names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What the header will say.
    pub slot: Slot,
    /// The text, in one or two pieces, filled with zeros to whole sectors.
    pub writes: Vec<Write>,
}

/// Reads the header at a place that a label names.
///
/// # Errors
/// [`Damage::Corrupt`] with what is wrong, [`Damage::Unsupported`] for another version, [`Damage::Io`].
pub fn read(media: &dyn Media, place: Extent) -> Result<Area, Damage> {
    let mut sector = [0; 512];
    let at = place.start.sectors();
    media.read_at(place.start, &mut sector).map_err(|source| Damage::Io { format: FORMAT, at, source })?;
    decode(&sector, place, media.len())
}

fn decode(sector: &[u8], place: Extent, device: Bytes) -> Result<Area, Damage> {
    let at = place.start.sectors();
    let field = |field, value: u64, rule| {
        Err(Damage::Corrupt { format: FORMAT, at, what: What::Field { field, value: value.into(), rule } })
    };
    if sector.get(4..20) != Some(MAGIC) {
        return field("magic", u64_at(sector, 4).unwrap_or_default(), "not that of a metadata area");
    }
    let stored = u32_at(sector, 0).unwrap_or_default();
    let computed = lvm_crc(sector.get(4..).unwrap_or_default());
    if stored != computed {
        return Err(Damage::Corrupt { format: FORMAT, at, what: What::Checksum { stored, computed } });
    }
    let version = u32_at(sector, 20).unwrap_or_default();
    if version != 1 {
        return Err(Damage::Unsupported { format: FORMAT, at, why: format!("version {version}") });
    }
    let start = u64_at(sector, 24).unwrap_or_default();
    if start != place.start.0 {
        return field("start", start, "where the area is");
    }
    let size = u64_at(sector, 32).unwrap_or_default();
    let end = place.start.0.checked_add(size);
    if size < HEADER.saturating_mul(3) || size % 512 != 0 || end.is_none_or(|end| end > device.0) {
        return field("size", size, "whole sectors on the device, at least three");
    }
    if place.size.0 != 0 && place.size.0 != size {
        return field("size", size, "that which the label gives the area");
    }
    let slot = |number: usize| {
        let base = number.saturating_mul(24).saturating_add(40);
        let offset = u64_at(sector, base)?;
        let size = u64_at(sector, base.saturating_add(8))?;
        let crc = u32_at(sector, base.saturating_add(16))?;
        let flags = u32_at(sector, base.saturating_add(20))?;
        Some(Slot { offset, size, crc, flags })
    };
    let [first, second] = [slot(0), slot(1)].map(Option::unwrap_or_default);
    let inside = |slot: Slot| slot.offset >= HEADER && slot.offset < size;
    let fits = |slot: Slot| slot.size <= size.saturating_sub(HEADER) && slot.size <= MAX_TEXT;
    if first.offset != 0 && !inside(first) {
        return field("raw_locn.offset", first.offset, "inside the ring");
    }
    if first.offset != 0 && !fits(first) {
        return field("raw_locn.size", first.size, "not more than the ring has");
    }
    let used = |slot: Slot| (slot.offset != 0 && slot.size != 0).then_some(slot);
    Ok(Area {
        place: Extent { start: place.start, size: Bytes(size) },
        committed: used(first),
        // Nobody who is not in the middle of a change looks at it, so a senseless one does no harm.
        precommitted: used(second).filter(|slot| inside(*slot) && fits(*slot)),
        ignored: first.flags & IGNORED != 0,
        lost: false,
    })
}

/// Reads a text that a header names, NUL at its end included, and verifies it.
///
/// # Errors
/// [`Damage::Corrupt`] for a wrong checksum, [`Damage::Io`].
pub fn text(media: &dyn Media, area: &Area, slot: Slot) -> Result<Vec<u8>, Damage> {
    let at = area.place.start.sectors();
    let [first, second] = area.pieces(slot.offset, slot.size);
    // The slot's size was checked against the ring's and `MAX_TEXT`.
    let mut text = vec![0; usize::try_from(slot.size).unwrap_or_default()];
    let middle = usize::try_from(first.size.0).unwrap_or_default().min(text.len());
    let (head, tail) = text.split_at_mut(middle);
    for (piece, bytes) in [(first, head), (second, tail)] {
        if !bytes.is_empty() {
            media.read_at(piece.start, bytes).map_err(|source| Damage::Io { format: FORMAT, at, source })?;
        }
    }
    let computed = lvm_crc(&text);
    if computed != slot.crc {
        let what = What::Checksum { stored: slot.crc, computed };
        return Err(Damage::Corrupt { format: "LVM2 metadata text", at: first.start.sectors(), what });
    }
    Ok(text)
}

impl Area {
    /// A new one without a text.
    #[must_use]
    pub fn new(place: Extent) -> Self {
        Self { place, committed: None, precommitted: None, ignored: false, lost: false }
    }

    /// One whose header was found damaged, if it can be made anew: the place is that of the label, and what is there is neither a
    /// header of another version nor one that could not be read.
    #[must_use]
    pub fn anew(place: Extent, device: Bytes, damage: &Damage) -> Option<Self> {
        let wrong = match damage {
            Damage::Corrupt { what: What::Checksum { .. }, .. } => true,
            Damage::Corrupt { what: What::Field { field, .. }, .. } => *field == "magic",
            _ => false,
        };
        let end = place.start.0.checked_add(place.size.0);
        let fits = place.size.0 % 512 == 0
            && place.size.0 >= HEADER.saturating_mul(3)
            && end.is_some_and(|end| end <= device.0);
        (wrong && fits).then(|| Self { lost: true, ..Self::new(place) })
    }

    /// The largest text that it takes whatever it has now.
    #[must_use]
    pub fn limit(&self) -> u64 {
        (self.place.size.0.saturating_sub(HEADER) / 2).saturating_sub(512)
    }

    /// Where on the device a run of the ring lies: one piece, or two where it goes over the end.
    fn pieces(&self, offset: u64, size: u64) -> [Extent; 2] {
        let first = size.min(self.place.size.0.saturating_sub(offset));
        let start = self.place.start.saturating_add(Bytes(offset));
        [
            Extent { start, size: Bytes(first) },
            Extent {
                start: self.place.start.saturating_add(Bytes(HEADER)),
                size: Bytes(size.saturating_sub(first)),
            },
        ]
    }

    /// Where the next text goes: at the next sector behind the present one, over the end of the ring where need be.
    ///
    /// # Errors
    /// [`Full`] where it would overlap the present one, or where it is so large that the one after it might.
    pub fn place(&self, text: &[u8]) -> Result<Placed, Full> {
        let needed = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let ring = self.place.size.0.saturating_sub(HEADER);
        let full = Full { needed, area: self.place.size.0, limit: self.limit() };
        let rounded = needed.checked_next_multiple_of(512).ok_or(full)?;
        if needed > full.limit || needed > MAX_TEXT {
            return Err(full);
        }
        let offset = match self.committed {
            None => HEADER,
            Some(now) => {
                let from = Bytes(now.offset.saturating_sub(HEADER)).round_down(Bytes(512)).0;
                let end = now.offset.saturating_sub(HEADER).saturating_add(now.size);
                let end = end.checked_next_multiple_of(512).ok_or(full)?;
                if end.saturating_sub(from).saturating_add(rounded) > ring {
                    return Err(full);
                }
                let behind = if end >= ring { end.saturating_sub(ring) } else { end };
                behind.saturating_add(HEADER)
            }
        };
        let mut padded = text.to_vec();
        padded.resize(usize::try_from(rounded).map_err(|_| full)?, 0);
        let [first, second] = self.pieces(offset, rounded);
        let (head, tail) =
            padded.split_at(usize::try_from(first.size.0).unwrap_or(usize::MAX).min(padded.len()));
        let pieces = [(first, head), (second, tail)];
        let writes = pieces.into_iter().filter(|(_, data)| !data.is_empty());
        let writes = writes.map(|(piece, data)| Write { at: piece.start, data: data.to_vec() }).collect();
        Ok(Placed { slot: Slot { offset, size: needed, crc: lvm_crc(text), flags: 0 }, writes })
    }

    /// The header that names a placed text as pre-committed: to everybody else nothing has changed.
    #[must_use]
    pub fn pre_commit(&self, next: Slot) -> Write {
        Self { precommitted: Some(next), ..self.clone() }.encode()
    }

    /// The header that makes a placed text the one that counts.
    #[must_use]
    pub fn commit(&self, next: Slot) -> Write {
        self.with_committed(next).encode()
    }

    /// As it is after [`commit`](Self::commit).
    #[must_use]
    pub fn with_committed(&self, next: Slot) -> Self {
        Self { committed: Some(next), precommitted: None, lost: false, ..self.clone() }
    }

    /// The header as it was before the pre-commit.
    #[must_use]
    pub fn revert(&self) -> Write {
        Self { precommitted: None, ..self.clone() }.encode()
    }

    /// The header of an area that belongs to no group (any more).
    #[must_use]
    pub fn emptied(&self) -> Write {
        Self { precommitted: None, committed: None, ..self.clone() }.encode()
    }

    /// The header's sector.
    #[must_use]
    pub fn encode(&self) -> Write {
        let mut rest = Vec::with_capacity(512);
        rest.extend_from_slice(MAGIC);
        rest.extend_from_slice(&1u32.to_le_bytes());
        rest.extend_from_slice(&self.place.start.0.to_le_bytes());
        rest.extend_from_slice(&self.place.size.0.to_le_bytes());
        let mark = if self.ignored { IGNORED } else { 0 };
        for (slot, mark) in [(self.committed, mark), (self.precommitted, 0)] {
            let slot = slot.unwrap_or_default();
            rest.extend_from_slice(&slot.offset.to_le_bytes());
            rest.extend_from_slice(&slot.size.to_le_bytes());
            rest.extend_from_slice(&slot.crc.to_le_bytes());
            rest.extend_from_slice(&(slot.flags | mark).to_le_bytes());
        }
        rest.resize(508, 0);
        let mut data = lvm_crc(&rest).to_le_bytes().to_vec();
        data.extend_from_slice(&rest);
        Write { at: self.place.start, data }
    }
}
