//! What follows the header of an answer. The kernel is believed to be the kernel, and its offsets are checked all the same.

use super::buffer::{long, number, text};
use crate::kernel::DevId;

/// One device of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmListed {
    /// Its number.
    pub dev: DevId,
    /// Its name.
    pub name: String,
    /// Its UUID; `None` where it has none or was not asked for.
    pub uuid: Option<String>,
    /// Counts its events, from 4.37.
    pub event: Option<u32>,
}

/// One row of a table, as status or as constructor text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Its first sector.
    pub start: u64,
    /// Its sectors.
    pub length: u64,
    /// The target's name.
    pub kind: String,
    /// The text.
    pub text: String,
}

/// A target type that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetType {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: [u32; 3],
}

/// `sizeof(struct dm_target_spec)`.
pub(super) const SPEC: usize = 40;
/// The driver has no more minors.
const MOST: usize = 1 << 20;

/// `struct dm_name_list`. `with_events`: the driver is new enough to send them.
pub(super) fn names(bytes: &[u8], with_events: bool) -> Vec<DmListed> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(entry) = bytes.get(at..).filter(|entry| entry.len() > 12) {
        let dev = long(entry, 0);
        // An empty list is an entry without a number, or nothing at all.
        if dev == 0 || found.len() >= MOST {
            break;
        }
        let name = text(&entry[12..]);
        let after = (12 + name.len() + 1).next_multiple_of(8);
        let (event, flags) = (number(entry, after), number(entry, after + 4));
        let uuid = (with_events && flags & 1 != 0).then(|| text(entry.get(after + 8..).unwrap_or_default()));
        let event = with_events.then_some(event);
        found.push(DmListed { dev: DevId::from_raw(dev), name, uuid, event });
        match step(number(entry, 8)) {
            Some(next) => at += next,
            None => break,
        }
    }
    found
}

/// The distance to the next entry; never none forward.
fn step(next: u32) -> Option<usize> {
    usize::try_from(next).ok().filter(|next| *next > 0)
}

/// `struct dm_target_spec`, `count` of them. Here `next` counts from the first one.
pub(super) fn rows(bytes: &[u8], count: u32) -> Vec<Reported> {
    let mut found = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let Some(spec) = bytes.get(at..).filter(|spec| spec.len() >= SPEC) else { break };
        let next = usize::try_from(number(spec, 20)).unwrap_or(usize::MAX);
        let end = next.min(bytes.len());
        let params = bytes.get(at + SPEC..end).unwrap_or_default();
        found.push(Reported {
            start: long(spec, 0),
            length: long(spec, 8),
            kind: text(&spec[24..SPEC]),
            text: text(params),
        });
        if next <= at {
            break;
        }
        at = next;
    }
    found
}

/// `struct dm_target_deps`.
pub(super) fn deps(bytes: &[u8]) -> Vec<DevId> {
    let count = usize::try_from(number(bytes, 0)).unwrap_or(0);
    let devs = bytes.get(8..).unwrap_or_default().chunks_exact(8);
    devs.take(count).map(|dev| DevId::from_raw(long(dev, 0))).collect()
}

/// `struct dm_target_versions`.
pub(super) fn versions(bytes: &[u8]) -> Vec<TargetType> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(entry) = bytes.get(at..).filter(|entry| entry.len() > 16) {
        let name = text(&entry[16..]);
        if name.is_empty() || found.len() >= MOST {
            break;
        }
        found.push(TargetType { name, version: [4, 8, 12].map(|at| number(entry, at)) });
        match step(number(entry, 0)) {
            Some(next) => at += next,
            None => break,
        }
    }
    found
}
