//! On-disk formats of Linux software RAID: bytes in, values out.
//!
//! Nothing here opens a file, asks the time, prints or decides. Devices are read through [`Media`];
//! what has to be written is returned as [`Write`] values.
//!
//! **Contract of the family.** No input makes a function of this crate panic, loop without bound, or
//! allocate by a count that was not checked first. A `read` has five outcomes: `Ok(None)` this format is
//! not here; `Ok(Some(_))`; [`Damage::Corrupt`] it is here and damaged; [`Damage::Unsupported`] it is
//! here and newer than we are; [`Damage::Io`] the device could not be read. They are never mixed.
//!
//! **Checksums.** Where the whole structure can be shown in spite of a wrong checksum (0.90, 1.x), reading gives an
//! [`Unverified`], whose fields a report may look at; only `verify` makes the value that decisions are made with. It
//! looks at the checksum and at every number that reaches the kernel.
//!
//! **Formats**, in the order in which [`probe::probe`] looks for them:
//! - [`v0`]: near the end, so it is looked for first: a disk may carry it together with its last partition.
//! - [`v1`]: near the end (1.0), at the start (1.1), at 4 KiB (1.2); each says itself where it is.
//! - both as one: [`Native`].
//! - what they point to: [`bitmap`], [`badblocks`], [`ppl`], [`journal`].
//! - what is set aside during a reshape: [`backup`].
//! - [`lvm`]: LVM2's physical volumes and groups.
//! - [`foreign`]: what belongs to others. [`placement`] says where new things go.
//!
//! New superblocks are made from inputs alone (`NewArray`, `NewSuperblock`), byte for byte as mdadm makes them:
//! `tests/it/created.rs` compares.

pub mod backup;
pub mod badblocks;
pub mod bitmap;
pub mod checksum;
pub mod content;
pub mod cow;
pub mod delta;
pub mod endian;
pub mod foreign;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod id;
pub mod journal;
pub mod lvm;
pub mod mbr;
pub mod media;
pub mod membership;
pub mod placement;
pub mod ppl;
pub mod probe;
pub mod sectors;
pub mod units;
pub mod v0;
pub mod v1;
pub mod window;

mod bounds;
mod damage;
mod native;
mod unverified;

pub use damage::{Damage, What};
pub use endian::Endian;
pub use id::MdUuid;
pub use media::{Media, Write};
pub use membership::{Events, Level, Membership, Role};
pub use native::{Format, Native};
pub use units::{Bytes, Kib, Sectors};
pub use unverified::{Judge, Unverified};
