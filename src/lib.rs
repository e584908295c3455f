//! The rooms of mdctl. See `docs/ARCHITECTURE.md` for the map and its invariants.

pub mod execute;
pub mod model;
pub mod plan;
