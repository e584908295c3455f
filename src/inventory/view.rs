//! Looking for a course: each look of the closed set, answered.

use crate::{
    config::Config,
    kernel::{KernelError, Machine},
    model::view::{Look, Unseen, View},
};

/// Looks.
///
/// # Errors
/// Why there was nothing to see.
pub fn see(machine: &Machine, config: &Config, look: &Look) -> Result<View, Unseen> {
    Ok(match look {
        Look::World { fresh } => View::World(Box::new(super::world(machine, *fresh).map_err(unseen)?)),
        Look::Candidates => View::Candidates(super::candidates_afresh(machine, config).map_err(unseen)?),
        Look::Members { paths, explain } => View::Members(super::members(machine, paths, *explain)),
        Look::Managed { array } => View::Managed(super::managed(machine, array).map(Box::new)),
        Look::Subject { path, depth } => View::Subject(Box::new(super::subject(machine, path, *depth))),
        Look::Groups => View::Groups(Box::new(super::volumes::groups(machine).map_err(unseen)?)),
    })
}

fn unseen(error: KernelError) -> Unseen {
    Unseen { text: error.to_string(), errno: error.number() }
}
