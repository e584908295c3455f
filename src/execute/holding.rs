//! What a course holds over several turns.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{live::trouble, volumes};
use crate::{
    kernel::{Access, BlockDevice, Lock, Machine},
    plan::{course::Hold, run::Trouble},
};

/// It is held as long as this lives.
#[derive(Debug)]
pub enum Held {
    /// The lock of a group.
    Group(Lock),
    /// A device.
    Device(BlockDevice),
}

/// Takes hold of all of it or of nothing.
///
/// # Errors
/// Somebody else has it, and kept it for as long as was waited.
pub fn hold(machine: &Machine, hold: &Hold) -> Result<Vec<Held>, Trouble> {
    let held = match hold {
        Hold::Groups { names, most } => {
            let locks = names.iter().map(|name| volumes::hold(machine, name, *most).map(Held::Group));
            locks.collect::<Result<_>>()
        }
        Hold::Device { path } => BlockDevice::open(Path::new(path), Access::WriteExclusive)
            .with_context(|| format!("{path}: a target must not be in use"))
            .map(|device| vec![Held::Device(device)]),
    };
    held.map_err(trouble)
}
