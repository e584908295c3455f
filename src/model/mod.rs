//! Nouns and arithmetic: what is true of arrays on paper, and the one value that a machine becomes.

pub mod active;
pub mod archive;
pub mod below;
pub mod bitmap;
pub mod boot;
pub mod clock;
pub mod delta;
pub mod detail;
pub mod dm;
pub mod extents;
pub mod grow;
pub mod human;
pub mod manage;
pub mod monitor;
pub mod order;
pub mod overlay;
pub mod probe;
pub mod raw;
#[cfg(test)]
pub(crate) mod samples;
pub mod scrub;
pub mod status;
pub mod trial;
pub mod unfinished;
pub mod view;
pub mod volume;
pub mod world;

pub use raid::{Geometry, geometry, layout, stripes};

pub use below::{Below, BelowArray};
pub use probe::Sight;
pub use world::{Candidate, DevId, Device, RunningArray, Unusable, World};
