//! Thousands of volumes that differ in four places: what is between the places is compared, and not read again.
//!
//! A text with many volumes mostly has linear ones, and each of them the same words in the same order. From one that was read
//! word by word a shape is taken: the bytes between its identity, the time it was made, its size and where it lies. What fits is
//! such a volume, for equal bytes are equal words; what does not is read word by word.

use std::sync::Arc;

use super::{
    LvmUuid,
    group::{Common, Kind, Leg, LogicalVolume, Segment},
    text::{Head, Reader, Value},
};
use crate::units::Sectors;

/// A linear volume without what is its own: name, identity, time and place.
pub(super) struct Shape<'a> {
    /// Before the identity, before the time, before the extents, before the first one's number, and the end.
    between: [&'a [u8]; 5],
    common: Arc<Common>,
    pv: usize,
}

impl<'a> Shape<'a> {
    /// From a volume and what its section has, its closing brace included.
    pub(super) fn of(section: &'a [u8], volume: &LogicalVolume) -> Option<Self> {
        let [Segment { start: 0, tags, kind: Kind::Striped { legs, .. }, .. }] = volume.segments.as_slice()
        else {
            return None;
        };
        let [Leg { pv, .. }] = legs.as_slice() else { return None };
        let between = between(section).filter(|_| tags.is_empty())?;
        Some(Self { between, common: Arc::clone(&volume.common), pv: *pv })
    }

    /// The volume of this name whose section begins here, where it is of this shape.
    pub(super) fn next(&self, name: &str, reader: &mut Reader<'a>) -> Option<LogicalVolume> {
        let [before_id, before_time, before_len, before_extent, end] = self.between;
        let (id, rest) = reader.rest().strip_prefix(before_id)?.split_at_checked(LvmUuid::PRINTED)?;
        let id = LvmUuid::from_text(id)?;
        let (time, rest) = number(rest.strip_prefix(before_time)?, 18)?;
        // More digits might be more than LVM2 counts.
        let (len, rest) = number(rest.strip_prefix(before_len)?, 9)?;
        let (extent, rest) = number(rest.strip_prefix(before_extent)?, 9)?;
        reader.leave(rest.strip_prefix(end)?);
        let legs = vec![Leg { pv: self.pv, extent }];
        let kind = Kind::Striped { stripe_size: Sectors(0), legs };
        Some(LogicalVolume {
            name: name.to_owned(),
            id,
            creation_time: i64::try_from(time).ok(),
            segments: vec![Segment { start: 0, len, tags: Vec::new(), kind }],
            common: Arc::clone(&self.common),
        })
    }
}

/// A number of so many digits at most, and what follows it.
fn number(text: &[u8], most: usize) -> Option<(u64, &[u8])> {
    let (mut value, mut rest, mut digits) = (0u64, text, 0usize);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')));
        (rest, digits) = (after, digits.saturating_add(1));
    }
    (1..=most).contains(&digits).then_some((value, rest))
}

/// Where what differs stands, in this order.
const PLACES: [&[u8]; 4] = [b"id", b"creation_time", b"extent_count", b"stripes"];

/// What stands between the four places, if each is there once and in the usual order.
fn between(section: &[u8]) -> Option<[&[u8]; 5]> {
    let mut reader = Reader::inside(section);
    let (mut between, mut found, mut from) = ([<&[u8]>::default(); 5], 0usize, 0usize);
    let mut depth = 1usize;
    while depth > 0 {
        let (key, value) = match reader.entry().ok()? {
            None => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Some((_, Head::Section)) => {
                depth = depth.saturating_add(1);
                continue;
            }
            Some((key, Head::Value)) => (key, reader.value().ok()?),
        };
        if !PLACES.contains(&key) {
            continue;
        }
        let read = section.len().saturating_sub(reader.rest().len());
        let (place, stop) = match &value {
            Value::Text(id) if id.len() == LvmUuid::PRINTED => (*id, read.checked_sub(1)?),
            Value::Number(digits) => (*digits, read),
            // Before the bracket that closes the list.
            Value::List(list) => match list.as_slice() {
                [Value::Text(_), Value::Number(extent)] => {
                    (*extent, section.get(..read.checked_sub(1)?)?.trim_ascii_end().len())
                }
                _ => return None,
            },
            _ => return None,
        };
        let start = stop.checked_sub(place.len())?;
        if PLACES.get(found) != Some(&key) || section.get(start..stop) != Some(place) {
            return None;
        }
        *between.get_mut(found)? = section.get(from..start)?;
        (found, from) = (found.saturating_add(1), stop);
    }
    *between.get_mut(found)? = section.get(from..)?;
    (found == PLACES.len()).then_some(between)
}
