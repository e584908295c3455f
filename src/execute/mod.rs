//! Doing: the live machine as a [`Host`](crate::plan::run::Host), on which [`crate::plan::run`] carries plans out.

mod critical;
pub mod delta;
pub mod dm;
pub mod follow;
mod keeping;
pub mod live;
mod many;
mod members;
mod nodes;
mod noting;
mod overlays;
mod tools;
pub mod volumes;
pub mod watch;
mod zeroing;

pub use live::Live;
pub use many::run_all;
