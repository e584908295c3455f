//! After a command that was killed: what it had begun in the kernel is taken back, as if one of its steps had failed.

mod killed;
pub mod session;
mod whole;

pub use killed::{Killed, interrupted, only_told};
use whole::Recover;

use super::{
    ArrayName, MdStep, Plan, Step, SystemStep,
    course::{Said, Turn},
    dm::DmStep,
};
use crate::{
    model::{
        dm::{DmSeen, Overview, UdevFlags},
        unfinished::Unfinished,
        world::{MapEntry, RunningArray},
    },
    words::{ArrayAttr, DevId},
};

/// How a course ends that cannot take back what a killed command left.
#[must_use]
pub fn failed(why: &str) -> Turn {
    Turn::end(1).after(vec![Said::error(format!("what it left could not be taken back: {why}"))])
}

/// What was done before something failed is said before that.
#[must_use]
pub fn told_before(told: Vec<String>) -> Vec<Said> {
    let said = (!told.is_empty()).then(|| Said::warn(format!("    {}", told.join("; "))));
    said.into_iter().collect()
}

/// What there is to do, and how far the command had come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Stops arrays that were made and never started, and removes what marked them as being created.
    pub plan: Plan,
    /// Arrays that will be stopped.
    pub stopped: Vec<String>,
    /// Arrays that the command made and that serve data: they are left as they are, their members too.
    pub running: Vec<String>,
    /// Arrays whose recovery may start again.
    pub thawed: Vec<String>,
    /// Arrays that take writes to all of them again.
    pub released: Vec<String>,
    /// The entry of the archive whose bytes are to be put back.
    pub put_back: Option<String>,
}

/// Decides. `creating`: the arrays that have a `creating-` file.
#[must_use]
pub fn plan(notes: &Unfinished, arrays: &[RunningArray], map: &[MapEntry], creating: &[String]) -> Recovery {
    let made: Vec<&RunningArray> = arrays.iter().filter(|array| is_its(notes, array)).collect();
    let (running, idle): (Vec<&RunningArray>, Vec<&RunningArray>) =
        made.into_iter().partition(|array| array.is_active() || notes.committed);
    let entry = |array: &RunningArray| map.iter().find(|entry| entry.devnm == array.name);
    let named = |array: &RunningArray| {
        let path = entry(array).map(|entry| entry.path.clone()).filter(|path| !path.is_empty());
        ArrayName { kernel: array.name.clone(), path: path.unwrap_or_else(|| format!("/dev/{}", array.name)) }
    };
    let mut steps = vec![Step::System(SystemStep::LockMap)];
    steps.extend(idle.iter().map(|array| {
        Step::Md(MdStep::Expect { array: named(array), uuid: None, members: Some(array.members.clone()) })
    }));
    for array in &idle {
        steps.push(Step::Md(MdStep::Stop { array: named(array) }));
        steps.extend(entry(array).map(|entry| Step::System(SystemStep::MapRemove { entry: entry.clone() })));
    }
    steps.push(Step::Commit);
    let marked = notes.hidden.iter().filter(|name| creating.contains(name));
    steps.extend(marked.clone().map(|name| {
        Step::System(SystemStep::ShowToUdev {
            array: ArrayName { kernel: name.clone(), path: format!("/dev/{name}") },
        })
    }));
    steps.push(Step::System(SystemStep::UnlockMap));
    for array in &running {
        steps.push(Step::System(SystemStep::Uevent { array: named(array) }));
    }
    if idle.is_empty() && marked.count() == 0 {
        steps = vec![Step::Commit];
    }
    let frozen: Vec<&RunningArray> =
        arrays.iter().filter(|array| notes.frozen.contains(&array.name)).collect();
    steps.extend(frozen.iter().map(|array| Step::Md(MdStep::Thaw { array: named(array) })));
    let held: Vec<&RunningArray> = arrays.iter().filter(|array| notes.held.contains(&array.name)).collect();
    for array in &held {
        // The upper end first: nothing is held back any more once it is below the lower one.
        steps.extend([ArrayAttr::SuspendHi, ArrayAttr::SuspendLo].map(|attr| {
            let (array, value) = (named(array), "0".to_owned());
            Step::Md(MdStep::SetAttr { array, attr, value, optional: true })
        }));
    }
    if steps == [Step::Commit] {
        steps.clear();
    }
    let names = |arrays: &[&RunningArray]| arrays.iter().map(|array| array.name.clone()).collect();
    Recovery {
        plan: Plan {
            summary: format!("take back what is left of: {}", notes.command),
            steps,
            warnings: Vec::new(),
        },
        stopped: names(&idle),
        running: names(&running),
        thawed: names(&frozen),
        released: names(&held),
        put_back: notes.archive.clone().filter(|_| running.is_empty() && !notes.committed),
    }
}

/// Whether an array is the one that the command made, and not another one that has its name by now: whoever made that gave it
/// other members. One that has members of both is nobody's to stop.
fn is_its(notes: &Unfinished, array: &RunningArray) -> bool {
    let added = |dev: &DevId| notes.added.iter().any(|(name, added)| *name == array.name && added == dev);
    notes.made.contains(&array.name) && array.members.iter().all(added)
}

/// Devices of device-mapper that the command made and that never got a live table: they are removed, after the waiting
/// tables that lead to them. `all` tells what waiting tables lead to.
#[must_use]
pub fn devices(notes: &Unfinished, all: &Overview) -> (Plan, Vec<String>) {
    let halves: Vec<&DmSeen> = all
        .devices
        .iter()
        .filter(|seen| {
            notes.devices.contains(&seen.info.name) && !seen.info.live && seen.info.open <= users(all, seen)
        })
        .collect();
    let leads =
        |seen: &&DmSeen| seen.info.inactive && halves.iter().any(|half| seen.deps.contains(&half.info.dev));
    let waiting = all.devices.iter().filter(leads).map(|seen| DmStep::Clear { name: seen.info.name.clone() });
    let mut steps: Vec<Step> = waiting.map(Step::Dm).collect();
    for half in &halves {
        let (name, flags) = (half.info.name.clone(), UdevFlags::VISIBLE);
        steps.push(Step::Dm(DmStep::Remove { name, flags, deferred: false }));
    }
    if !steps.is_empty() {
        steps.extend([Step::Commit, Step::Dm(DmStep::WaitForUdev)]);
    }
    let names = halves.iter().map(|half| half.info.name.clone()).collect();
    let summary = format!("remove what is left of: {}", notes.command);
    (Plan { summary, steps, warnings: Vec::new() }, names)
}

/// How many waiting tables have it open.
fn users(all: &Overview, of: &DmSeen) -> u32 {
    u32::try_from(all.users(of.info.dev).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DevId, dm::DeviceInfo};

    fn array(name: &str, state: &str) -> RunningArray {
        RunningArray { name: name.into(), state: state.into(), ..RunningArray::default() }
    }

    fn notes() -> Unfinished {
        Unfinished {
            command: "mdadm -C".into(),
            archive: Some("1".into()),
            made: vec!["md0".into()],
            hidden: vec!["md0".into()],
            ..Unfinished::default()
        }
    }

    #[test]
    fn an_array_that_never_started_is_stopped_and_the_bytes_come_back() {
        let arrays = [array("md0", "inactive"), array("md1", "inactive")];
        let recovery = plan(&notes(), &arrays, &[], &["md0".into(), "md7".into()]);
        assert_eq!(recovery.stopped, ["md0"]);
        assert_eq!(recovery.put_back.as_deref(), Some("1"));
        let steps: Vec<String> = recovery.plan.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            steps,
            [
                "lock the map file",
                "check that md0 still has the members that were seen",
                "stop md0",
                "commit",
                "mark md0 as created",
                "unlock the map file"
            ]
        );
    }

    #[test]
    fn another_array_of_the_name_is_left() {
        let dev = |minor| DevId { major: 8, minor };
        let notes = Unfinished { added: vec![("md0".into(), dev(0)), ("md0".into(), dev(16))], ..notes() };
        let with = |minors: &[u32]| {
            let members = minors.iter().map(|minor| dev(*minor)).collect();
            plan(&notes, &[RunningArray { members, ..array("md0", "inactive") }], &[], &[]).stopped
        };
        assert_eq!(with(&[0, 16]), ["md0"]);
        assert_eq!(with(&[0]), ["md0"], "killed before the second");
        assert_eq!(with(&[]), ["md0"], "and before the first");
        assert!(with(&[32]).is_empty() && with(&[0, 32]).is_empty());
    }

    #[test]
    fn a_device_that_never_had_a_table_is_removed() {
        let dev = |minor| DevId { major: 253, minor };
        let seen = |name: &str, minor, live, inactive, open, deps: &[u32]| DmSeen {
            info: DeviceInfo {
                name: name.into(),
                dev: dev(minor),
                live,
                inactive,
                open,
                ..DeviceInfo::default()
            },
            deps: deps.iter().map(|minor| dev(*minor)).collect(),
            ..DmSeen::default()
        };
        let all = Overview {
            devices: vec![
                seen("data", 0, true, true, 1, &[1]),
                seen("data-real", 1, false, true, 1, &[]),
                seen("done", 2, true, false, 0, &[]),
                seen("others", 3, false, false, 0, &[]),
            ],
            ..Overview::default()
        };
        let notes = Unfinished { devices: vec!["done".into(), "data-real".into()], ..Unfinished::default() };
        let (plan, names) = devices(&notes, &all);
        let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        let expected =
            ["drop the waiting table of data", "remove device data-real", "commit", "wait for udev"];
        assert_eq!(steps, expected);
        assert_eq!(names, ["data-real"]);
    }

    #[test]
    fn recovery_that_was_kept_from_starting_may_start() {
        let frozen = Unfinished { frozen: vec!["md0".into(), "md9".into()], ..Unfinished::default() };
        let steps = plan(&frozen, &[array("md0", "clean")], &[], &[]).plan.steps;
        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
        assert_eq!(steps, ["commit", "let recovery of md0 start"]);
    }

    #[test]
    fn writes_that_were_held_back_go_on() {
        let held = Unfinished { held: vec!["md0".into(), "md9".into()], ..Unfinished::default() };
        let steps = plan(&held, &[array("md0", "active")], &[], &[]).plan.steps;
        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
        assert_eq!(steps, ["commit", "set suspend_hi of md0 to 0", "set suspend_lo of md0 to 0"]);
    }

    #[test]
    fn an_array_that_serves_data_is_left() {
        let recovery = plan(&notes(), &[array("md0", "clean")], &[], &["md0".into()]);
        assert_eq!((recovery.running.as_slice(), recovery.put_back), (&["md0".to_owned()][..], None));
        assert!(!recovery.plan.steps.iter().any(|step| matches!(step, Step::Md(MdStep::Stop { .. }))));
        assert!(
            recovery
                .plan
                .steps
                .iter()
                .any(|step| matches!(step, Step::System(SystemStep::ShowToUdev { .. })))
        );
    }

    #[test]
    fn before_the_kernel_knew_of_it_only_bytes_come_back() {
        let recovery = plan(&notes(), &[], &[], &[]);
        assert!(recovery.plan.steps.is_empty() && recovery.put_back.is_some());
    }

    #[test]
    fn after_the_commit_nothing_is_taken_back() {
        let committed = Unfinished { committed: true, ..notes() };
        let recovery = plan(&committed, &[array("md0", "inactive")], &[], &["md0".into()]);
        assert_eq!((recovery.stopped.len(), recovery.put_back), (0, None));
        assert!(
            recovery
                .plan
                .steps
                .iter()
                .any(|step| matches!(step, Step::System(SystemStep::ShowToUdev { .. })))
        );
    }
}
