//! The rooms of mdctl. See `docs/ARCHITECTURE.md` for the map and its invariants.

pub mod archive;
pub mod cli;
pub mod command;
pub mod config;
pub mod execute;
#[expect(clippy::disallowed_methods, reason = "reads the environment")]
pub mod inventory;
#[expect(clippy::disallowed_methods, reason = "the room that touches the machine")]
pub mod kernel;
pub mod model;
pub mod plan;
pub mod report;
pub mod ui;
pub mod words;
