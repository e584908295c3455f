//! Nouns and arithmetic: what is true of arrays on paper, and the one value that a machine becomes.

pub mod active;
pub mod assembled;
pub mod below;
pub mod bitmap;
pub mod clock;
pub mod detail;
pub mod dm;
pub mod extents;
pub mod geometry;
pub mod human;
pub mod layout;
pub mod manage;
pub mod overlay;
pub mod parity;
pub mod probe;
pub mod status;
pub mod stripes;
pub mod trial;
pub mod unfinished;
pub mod view;
pub mod volume;
pub mod world;

pub use below::{Below, BelowArray};
pub use geometry::Geometry;
pub use probe::Sight;
pub use world::{Candidate, DevId, Device, RunningArray, Unusable, World};
