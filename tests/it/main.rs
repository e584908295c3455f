//! What can be shown of the whole program on any machine.

mod completions;
mod man;
mod program;
mod report;
mod rooms;
