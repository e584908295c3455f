//! Looking for a course: each look of the closed set, answered.

use crate::{
    config::Config,
    kernel::{Access, KernelError, Machine, node},
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
        Look::Free { arrays } => {
            View::Free(arrays.iter().filter(|name| is_free(machine, name)).cloned().collect())
        }
    })
}

/// Whether nobody holds the array, so that a stop can succeed.
fn is_free(machine: &Machine, name: &str) -> bool {
    let dev = machine.sysfs.array(name).dev().ok().flatten();
    let path = format!("/dev/{name}");
    dev.is_some_and(|dev| node::open_number(&machine.places, dev, Access::ReadExclusive, &path).is_ok())
}

fn unseen(error: KernelError) -> Unseen {
    Unseen { text: error.to_string(), errno: error.number() }
}
