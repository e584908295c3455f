//! Watching arrays: from two looks at them to events, whom they are told to, and the loop over all of it as a course.

mod cause;
mod changes;
mod course;
mod crowd;
mod document;
mod event;
mod list;
mod mime;
mod moves;
mod outbox;
mod step;
mod telling;

pub use changes::{Watching, changes};
pub use course::{Monitor, MonitorJob};
pub use crowd::beside;
pub use event::{ArrayEvent, DiskWords, EventKind, Gravity};
pub use list::{List, Origin, WatchedArray};
pub use mime::{envelope, mail, unaddressed};
pub use moves::Sharing;
pub use outbox::{Mailbox, Outbox};
pub use step::AlertStep;
pub use telling::{Receivers, about};
