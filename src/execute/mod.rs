//! Doing: the live machine as a [`Host`](crate::plan::run::Host), on which [`crate::plan::run`] carries plans out.

mod alerts;
mod arrays;
mod critical;
pub mod delta;
pub mod dm;
pub mod follow;
mod holding;
mod keeping;
pub mod live;
mod many;
mod members;
mod mend;
mod nodes;
mod noting;
mod overlays;
pub mod post;
mod texts;
mod tools;
mod units;
mod volumes;
pub mod watch;
mod window;
mod zeroing;

pub use holding::{Held, hold};
pub use live::{Live, MapLock, map_turn};
pub use many::run_all;
pub use noting::begin as begin_notes;
