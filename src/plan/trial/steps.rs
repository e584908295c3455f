//! A guess on overlays, as plans: started so that nobody else takes notice, and taken down again.

use crate::{
    model::DevId,
    plan::{ArrayName, MdStep, Plan, Step, SystemStep},
};

/// The plan that would make the array on its devices, for its overlays: read-only, and unseen by udev for as long as it is
/// there.
#[must_use]
pub fn unseen(plan: &Plan) -> Plan {
    let noticed = |step: &Step| {
        matches!(
            step,
            Step::System(SystemStep::MapAdd { .. })
                | Step::System(SystemStep::ShowToUdev { .. })
                | Step::System(SystemStep::Uevent { .. })
                | Step::System(SystemStep::Node { .. })
        )
    };
    let steps = plan.steps.iter().filter(|step| !noticed(step)).cloned().collect();
    Plan { steps, warnings: Vec::new(), summary: plan.summary.clone() }
}

/// Takes such an array down.
#[must_use]
pub fn take_down(array: &ArrayName) -> Plan {
    let steps = vec![
        Step::System(SystemStep::LockMap),
        Step::Md(MdStep::Stop { array: array.clone() }),
        Step::Commit,
        Step::System(SystemStep::ShowToUdev { array: array.clone() }),
        Step::System(SystemStep::UnlockMap),
    ];
    Plan { summary: format!("stop {array}"), steps, warnings: Vec::new() }
}

/// Leaves such an array up: udev may look at it from now on, if somebody asks it to.
#[must_use]
pub fn leave_up(array: &ArrayName) -> Plan {
    let steps = vec![Step::Commit, Step::System(SystemStep::ShowToUdev { array: array.clone() })];
    Plan { summary: format!("leave {array} up"), steps, warnings: Vec::new() }
}

/// A plan that begins with the lock of the map, behind which it looks at the array again.
pub(crate) fn as_seen(mut plan: Plan, array: &ArrayName, members: &[DevId]) -> Plan {
    let expect = MdStep::Expect { array: array.clone(), uuid: None, members: Some(members.to_vec()) };
    plan.steps.insert(1, Step::Md(expect));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told() {
        let array = ArrayName { kernel: "md9".into(), path: "/dev/md/x".into() };
        let whole = Plan {
            steps: vec![
                Step::System(SystemStep::HideFromUdev { array: array.clone() }),
                Step::Md(MdStep::NewArray { array: array.clone(), id: None }),
                Step::Commit,
                Step::System(SystemStep::ShowToUdev { array: array.clone() }),
                Step::System(SystemStep::Uevent { array: array.clone() }),
                Step::System(SystemStep::Node { array: array.clone() }),
            ],
            ..Plan::default()
        };
        let steps: Vec<String> = unseen(&whole).steps.iter().map(ToString::to_string).collect();
        assert_eq!(steps, ["mark md9 as being created", "new array md9", "commit"]);
        assert_eq!(take_down(&array).steps.len(), 5);
        assert_eq!(leave_up(&array).steps.len(), 2);
    }
}
