//! Words out: what is, as text of the original and as JSON. A report gets values and reads nothing.
//!
//! Each report is one value that serialises to JSON (units in the names of its keys, the schema's name in the
//! first), and the original's text forms are views of that value, byte for byte.

pub mod assemble;
pub mod bitmap;
pub mod boot;
pub mod config;
pub mod delta;
pub mod detail;
pub mod dm;
pub mod examine;
pub mod explain;
pub mod history;
pub mod incremental;
pub mod located;
pub mod outcome;
pub mod overlay;
pub mod query;
pub mod replace;
pub mod schedule;
pub mod scrub;
pub mod status;
pub mod text;
pub mod trial;
pub mod volume;
pub mod volume_check;
mod words;

pub use text::DiskText;
