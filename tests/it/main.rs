//! What can be shown of the whole program on any machine.

mod man;
mod program;
mod rooms;
