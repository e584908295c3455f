//! The rooms of mdctl. See `docs/ARCHITECTURE.md` for the map and its invariants.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!(
    "mdctl is for Linux on 64-bit little-endian processors: structures shared with the kernel are laid out for those"
);

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
pub mod request;
pub mod ui;
pub mod words;
