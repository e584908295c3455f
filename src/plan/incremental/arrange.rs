//! The acts, in an order that lets nobody between the look and the act, and that a kill leaves in a state that the next
//! event finishes.
//!
//! The lock comes first, for two processes with the same device would each find it claimed by the other. The plan is committed
//! when the kernel has the member: from then on the array is never taken back, for the other devices' processes count on
//! it. The map's line and the start come after; an array without a line is found by its members.

use std::collections::BTreeSet;

use crate::{
    model::world::MapEntry,
    plan::{ArrayName, DiskStep, MdStep, Plan, Step, SystemStep},
    words::ArrayAttr,
};

/// What a plan of assembly becomes here.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrangement {
    /// The first write makes it writable: until then nothing of it changes.
    pub(super) tentative: bool,
    /// The map has its line.
    pub(super) mapped: bool,
    /// Lines of the map that name other arrays than they say.
    pub(super) wrong: Vec<MapEntry>,
    /// That it waits for members, or does so no longer.
    pub(super) awaited: Option<Step>,
}

/// Arranges the steps of an assembly.
#[must_use]
pub(super) fn arrange(plan: Plan, array: &ArrayName, how: &Arrangement) -> Plan {
    let mut lines = Lines::default();
    for step in plan.steps {
        lines.take(step, array, how);
    }
    let wrong = how.wrong.iter().cloned().map(|entry| Step::System(SystemStep::MapRemove { entry }));
    let mut steps = vec![Step::System(SystemStep::LockMap)];
    steps.extend(lines.claims);
    steps.extend(wrong);
    steps.extend(lines.expect);
    steps.extend(lines.joins);
    steps.push(Step::Commit);
    steps.extend(lines.map);
    steps.extend(lines.start);
    steps.extend(how.awaited.clone());
    steps.push(Step::System(SystemStep::UnlockMap));
    Plan { steps, ..plan }
}

#[derive(Default)]
struct Lines {
    claims: Vec<Step>,
    expect: Vec<Step>,
    joins: Vec<Step>,
    map: Vec<Step>,
    start: Vec<Step>,
    committed: bool,
}

impl Lines {
    fn take(&mut self, step: Step, array: &ArrayName, how: &Arrangement) {
        match step {
            Step::System(SystemStep::LockMap | SystemStep::UnlockMap) => {}
            Step::Commit => self.committed = true,
            Step::Disk(DiskStep::Claim { .. }) => self.claims.push(step),
            Step::Md(MdStep::Expect { .. }) => self.expect.push(step),
            Step::System(SystemStep::MapAdd { .. }) if how.mapped => {}
            Step::System(SystemStep::MapAdd { .. }) => self.map.push(step),
            // What did not start has nothing to show: see [`show`].
            Step::System(SystemStep::Node { .. }) => {}
            Step::Md(MdStep::Run { .. }) if how.tentative => self.start.push(read_auto(array)),
            Step::Md(MdStep::Run { .. } | MdStep::SetAttr { attr: ArrayAttr::ArrayState, .. }) => {
                self.start.push(step);
            }
            // Whoever is killed now leaves an array with this member, which is the others' as well: it is not noted as something to
            // be taken back, as the members of an array that one command makes are.
            Step::Md(MdStep::AddDisk { array, device, info }) => {
                self.joins.push(Step::Md(MdStep::HotAdd { array, device, info }));
            }
            other if self.committed => self.start.push(other),
            other => self.joins.push(other),
        }
    }
}

/// Members of the inactive array that leave it before it starts.
pub(super) fn leaving(plan: &Plan) -> BTreeSet<String> {
    let leaves = |step: &Step| match step {
        Step::Md(MdStep::Withdraw { device, .. }) => Some(device.clone()),
        _ => None,
    };
    plan.steps.iter().filter_map(leaves).collect()
}

/// Waits for the path of an array that was started.
#[must_use]
pub(super) fn show(array: &ArrayName) -> Plan {
    Plan {
        summary: format!("wait for {}", array.path),
        steps: vec![Step::Commit, Step::System(SystemStep::Node { array: array.clone() })],
        warnings: Vec::new(),
    }
}

/// Starts it so that the first write makes it writable.
pub(super) fn read_auto(array: &ArrayName) -> Step {
    Step::Md(MdStep::SetAttr {
        array: array.clone(),
        attr: ArrayAttr::ArrayState,
        value: "read-auto".to_owned(),
        optional: false,
    })
}
