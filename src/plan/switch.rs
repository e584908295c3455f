//! Starting an assembled array, and making arrays read-only or writable.

use super::{ArrayName, MdStep, Plan, Step, SystemStep};
use crate::{
    model::{RunningArray, World},
    words::{ArrayAttr, ArrayState, SyncAction},
};

fn name(array: &RunningArray, path: &str) -> ArrayName {
    ArrayName { kernel: array.name.clone(), path: path.to_owned() }
}

fn plan(summary: String, step: Step) -> Plan {
    Plan { summary, steps: vec![step, Step::Commit], warnings: Vec::new() }
}

/// What people call the array: its path in the map, else its node.
#[must_use]
pub fn known_as(array: &RunningArray, world: &World) -> String {
    let entry = world.map.iter().find(|entry| entry.devnm == array.name && !entry.path.is_empty());
    entry.map_or_else(|| format!("/dev/{}", array.name), |entry| entry.path.clone())
}

/// Starts an array that was assembled and left inactive; `None` where it runs already. It stays read-only until the
/// first write, so that looking at it changes nothing.
#[must_use]
pub fn start(array: &RunningArray, path: &str) -> Option<Plan> {
    if array.is_active() {
        return None;
    }
    let name = name(array, path);
    let mut plan = plan(
        format!("start {path}"),
        Step::Md(MdStep::Change {
            array: name.clone(),
            attr: ArrayAttr::ArrayState,
            from: Some(ArrayState::Inactive.word().to_owned()),
            to: ArrayState::ReadAuto.word().to_owned(),
        }),
    );
    plan.steps.push(Step::System(SystemStep::Uevent { array: name }));
    Some(plan)
}

/// Makes an array read-only.
#[must_use]
pub fn readonly(array: &RunningArray, path: &str) -> Plan {
    plan(format!("make {path} read-only"), Step::Md(MdStep::MakeReadonly { array: name(array, path) }))
}

/// Makes a read-only array writable.
#[must_use]
pub fn readwrite(array: &RunningArray, path: &str) -> Plan {
    plan(format!("make {path} writable"), Step::Md(MdStep::MakeWritable { array: name(array, path) }))
}

/// Starts or stops a check or a repair.
#[must_use]
pub fn sync_action(array: &RunningArray, path: &str, action: &SyncAction) -> Plan {
    // Whatever it does: it was not asked what that is, and a check may end by itself meanwhile.
    let change = Step::Md(MdStep::Change {
        array: name(array, path),
        attr: ArrayAttr::SyncAction,
        from: None,
        to: action.word().to_owned(),
    });
    plan(format!("set what {path} does to {action}"), change)
}
