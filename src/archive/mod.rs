//! What is kept before it is overwritten: one entry for each plan that writes metadata, as a value and as a file.
//!
//! Nothing here looks or acts. `plan::keep` says what is kept, `execute` fetches the bytes and stores the file,
//! `inventory` reads it back, `plan::undo` decides what of it is put back. `docs/archive.md` describes the file. What an entry
//! is made of stands in `model::archive`, for whoever looks at the archive.

mod bounds;
mod file_name;
mod format;
mod former;
mod overwritten;
mod pieces;
pub mod prints;
mod same;
mod sighted;

use std::collections::BTreeSet;

use crate::model::order::InOrder as _;
use superblock::{Bytes, Write};

pub use crate::model::archive::{
    About, BadId, Carried, Entry, EntryId, GroupChange, Identity, KeptDevice, Partition, Print, Shelf,
    Shelved,
};

pub use bounds::{Bounds, Stored, superfluous};
pub use file_name::{EntrySubject, FileName};
pub use format::{Damaged, LARGEST, TooLarge, decode, encode};
pub use former::{Former, former};
pub use overwritten::{
    CopiedOver, CopyCause, Overwritten, copied_over, data_changed, data_of, is_one_member, overwritten,
};
pub(crate) use pieces::Pieces;
pub use same::{By, Sameness};
pub use sighted::{Attributes, Sighted};

/// What is to be kept of one device, and what is going to be written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedBytes {
    /// The device.
    pub device: Identity,
    /// Start and length of what is kept: in order, apart, multiples of 512.
    pub ranges: Vec<(Bytes, Bytes)>,
    /// The bytes that the plan writes, in its order.
    pub written: Vec<Write>,
}

/// What is to be kept, before its bytes are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was run.
    pub about: About,
    /// The devices.
    pub devices: Vec<WantedBytes>,
}

impl Record {
    /// How much is kept.
    #[must_use]
    pub fn size(&self) -> Bytes {
        let lengths = self.devices.iter().flat_map(|device| &device.ranges).map(|(_, length)| *length);
        lengths.fold(Bytes(0), Bytes::saturating_add)
    }
}

impl KeptDevice {
    /// What the kept ranges hold once the plan has written, as far as the plan alone decides.
    #[must_use]
    pub fn after(&self) -> Vec<Write> {
        let mut after = self.before.clone();
        for write in &self.written {
            for piece in &mut after {
                lay_over(piece, write);
            }
        }
        after
    }
}

/// Puts the part of `new` that lies in `piece` into it.
pub(crate) fn lay_over(piece: &mut Write, new: &Write) {
    let start = piece.at.max(new.at);
    let skip = |of: Bytes| usize::try_from(start.saturating_sub(of).0).unwrap_or(usize::MAX);
    let (to, from) = (skip(piece.at), skip(new.at));
    let target = piece.data.get_mut(to..).unwrap_or_default();
    let source = new.data.get(from..).unwrap_or_default();
    for (old, new) in target.iter_mut().zip(source) {
        *old = *new;
    }
}

/// The entries that are undone: something put them back, and that was not undone itself.
#[must_use]
pub fn undone<'a>(entries: impl IntoIterator<Item = &'a About>) -> BTreeSet<&'a EntryId> {
    let mut entries: Vec<&About> = entries.into_iter().collect();
    entries.order_by(|a, b| b.order().cmp(&a.order()));
    let mut undone = BTreeSet::new();
    for about in entries {
        if !undone.contains(&about.id) {
            undone.extend(about.undoes.as_ref());
        }
    }
    undone
}

#[cfg(test)]
pub(crate) use overwritten::tests as overwritten_bench;
#[cfg(test)]
pub(crate) mod tests;
