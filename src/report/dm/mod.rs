//! What device-mapper has, in dmsetup's words, and as JSON.

pub mod columns;
pub mod json;
pub mod text;
pub mod tree;
