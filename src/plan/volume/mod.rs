//! Volumes on groups of devices, in LVM2's format: what is asked for, and what it comes to.

pub mod activate;
pub mod apply;
pub mod backup;
pub mod change;
pub mod courses;
pub mod create;
pub mod deactivate;
pub mod delta;
pub mod devices;
pub mod edit;
pub mod failing;
pub mod former;
mod free;
pub mod fs;
mod given;
pub mod group;
pub mod groups;
pub mod halfway;
pub mod metadata;
pub mod missing;
pub mod mover;
pub mod pace;
mod pieces;
pub mod recover;
pub mod reduce;
pub mod remove;
pub mod rename;
pub mod resize;
pub mod restore;
mod returned;
pub mod rollback;
mod room;
pub mod shift;
pub mod siblings;
pub mod snapshot;
pub mod standing;
pub mod tree;
pub mod turns;
pub mod way_back;
pub mod which;

#[cfg(test)]
mod decided_tests;
#[cfg(test)]
mod lab;
#[cfg(test)]
pub(crate) mod mover_tests;
#[cfg(test)]
pub(crate) mod verbs_tests;
