//! Volumes on groups of devices, in LVM2's format: what is asked for, and what it comes to.

pub mod metadata;
pub mod request;
pub mod restore;
pub mod tree;
