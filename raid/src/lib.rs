//! The arithmetic of Linux software RAID: sizes, which sector of an array is which sector of which member, redundancy, and
//! arrays that are read in user space, straight from their members.
//!
//! Nothing here opens a file, asks the time, prints or decides. Members are read through [`superblock::Media`].
//!
//! **Contract.** As in `superblock`: numbers come from superblocks that may be damaged, and no number makes a function of this
//! crate panic, loop without bound, or allocate by a count that was not checked first.
//!
//! - [`geometry`]: the shape of an array, and how many members are enough.
//! - [`layout`]: layout numbers and their names.
//! - [`stripes`]: from a sector of the array to its members, and what the slots have in a stripe.
//! - [`parity`]: the two syndromes, and what they bring back.
//! - [`assembled`]: an array with its members, read whatever is missing as long as the rest gives it.
//! - [`blame`]: which block of a RAID6 stripe does not fit the others.
//! - [`differences`]: where copies or parity do not agree, for every level.
//! - [`reshape`]: what it takes to lay data out in another shape, in place.
//! - [`image`]: the other way: what a driver would have written.

pub mod assembled;
pub mod blame;
pub mod differences;
pub mod geometry;
pub mod image;
pub mod layout;
pub mod parity;
pub mod reshape;
pub mod stripes;

pub use assembled::{Assembled, Consistency, Member};
pub use geometry::{Copies, Geometry};
pub use reshape::Reshape;
pub use stripes::{Part, Place, Stripes};
