//! The driver's vocabulary: device numbers, attributes of arrays and members, and the words in them. It says nothing
//! to a kernel and knows of none; `model` and `kernel` both speak it.

mod attr;
mod dev;
mod errno;
mod values;

pub use attr::{ArrayAttr, MemberAttr};
pub use dev::{BadDevId, DevId, MD_MAJOR};
pub use errno::Errno;
pub use values::{ArrayState, ConsistencyPolicy, MemberState, SyncAction, SyncKind};
