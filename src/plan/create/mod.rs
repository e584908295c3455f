//! Creating an array.

pub mod slots;
