//! Stopping an array.

use super::{ArrayName, Plan, Step};
use crate::model::{RunningArray, World};

/// The plan that stops one array: it is stopped, and then forgotten.
#[must_use]
pub fn plan(array: &RunningArray, path: &str, world: &World) -> Plan {
    let name = ArrayName { kernel: array.name.clone(), path: path.to_owned() };
    let entry = world.map.iter().find(|entry| entry.devnm == array.name);
    let mut steps = vec![Step::Stop { array: name.clone() }, Step::Commit];
    if let Some(entry) = entry {
        steps.extend([Step::LockMap, Step::MapRemove { entry: entry.clone() }, Step::UnlockMap]);
        let linked = ArrayName { kernel: array.name.clone(), path: entry.path.clone() };
        if !entry.path.is_empty() {
            steps.push(Step::RemoveNode { array: linked });
        }
    }
    Plan { summary: format!("stop {path}"), steps, warnings: Vec::new() }
}
