//! LVM2's metadata: labels, metadata areas, the text in them, groups of volumes.
//!
//! *Where*: a label in one of the first four sectors of each physical volume ([`label`]); it names up to two metadata areas
//! ([`area`]), each a ring of texts ([`text`]); the committed text of the highest `seqno` is the group ([`group`]). All that
//! is binary is little-endian. *Checksum*: [`lvm_crc`]. *Written by*: LVM2, and by us where nothing in the
//! group is strange to us ([`Group::objections`]).
//!
//! *Commit*: the new text goes into free room of every area, then each header names it as pre-committed, then each header
//! names it as committed. A reader sees the old group or the new one at every moment.

pub mod allocate;
pub mod area;
pub mod group;
pub mod label;
pub mod names;
pub mod text;
pub mod write;

mod check;
mod edit;
mod marks;
mod objections;
mod read;
mod shape;
#[cfg(test)]
mod tests;
mod uuid;

pub use allocate::{Found, NoRoom, Room, Wish};
pub use area::{Area, Full, Placed, Slot};
pub use edit::BadEdit;
pub use group::{Common, Group, Kind, Leg, LogicalVolume, Part, PhysicalVolume, Segment, Snapshot};
pub use label::{Extent, Label};
pub use read::BadGroup;
pub use uuid::{BadLvmUuid, LvmUuid};
pub use write::Stamp;

/// CRC-32 that starts from LVM2's own value and is not inverted at the end.
#[must_use]
pub fn lvm_crc(data: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(!0xf597_a6cf);
    crc.update(data);
    !crc.finalize()
}
