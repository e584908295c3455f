//! Stopping arrays.

use super::{
    ArrayName, MdStep, Plan, Refusal, Step, SystemStep,
    course::{Course, Deed, Event, Look, Said, Then, Turn, Unseen, View},
};
use crate::model::order::InOrder as _;
use crate::model::{RunningArray, World};

/// Exit status of a failure.
const FAILED: u8 = 1;

/// The plan that stops one array: it is stopped, and then forgotten.
#[must_use]
pub fn plan(array: &RunningArray, path: &str, world: &World) -> Plan {
    let name = ArrayName { kernel: array.name.clone(), path: path.to_owned() };
    let mut steps = vec![Step::Md(MdStep::Stop { array: name }), Step::Commit];
    if let Some(entry) = world.map.iter().find(|entry| entry.devnm == array.name) {
        steps.extend([
            Step::System(SystemStep::LockMap),
            Step::System(SystemStep::MapRemove { entry: entry.clone() }),
            Step::System(SystemStep::UnlockMap),
        ]);
        if !entry.path.is_empty() {
            let linked = ArrayName { kernel: array.name.clone(), path: entry.path.clone() };
            steps.push(Step::System(SystemStep::RemoveNode { array: linked }));
        }
    }
    Plan { summary: format!("stop {path}"), steps, warnings: Vec::new() }
}

/// A container goes after its arrays: the kernel would let it go from under them, and nobody would note their failures any more.
///
/// # Errors
/// Arrays of it are there.
pub fn check(array: &RunningArray, path: &str, world: &World) -> Result<(), Refusal> {
    let inside = inside(array, world).map(|inside| inside.name.as_str());
    let inside: Vec<&str> = inside.collect();
    match inside.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            let stop = inside.iter().map(|name| format!("/dev/{name}")).collect::<Vec<_>>().join(" ");
            Err(Refusal::new(format!("Cannot stop container {path}: member {first} still active"))
                .hint(format!("mdctl stop {stop} {path}")))
        }
    }
}

/// The arrays of a container.
fn inside<'a>(container: &'a RunningArray, world: &'a World) -> impl Iterator<Item = &'a RunningArray> {
    world.arrays.iter().filter(|array| array.container() == Some(container.name.as_str()))
}

/// All arrays, those first that stand on others.
#[must_use]
pub fn in_order(world: &World) -> Vec<&RunningArray> {
    let mut order: Vec<&RunningArray> = world.arrays.iter().collect();
    order.order_by_key(|array| std::cmp::Reverse(depth(array, world, 0)));
    order
}

/// How many arrays lie below; a damaged world cannot make this endless.
fn depth(array: &RunningArray, world: &World, seen: usize) -> usize {
    if seen > world.arrays.len() {
        return seen;
    }
    let is_below = |other: &&RunningArray| {
        array.members.contains(&other.id) || array.container() == Some(other.name.as_str())
    };
    let below = world.arrays.iter().filter(is_below);
    below.map(|other| depth(other, world, seen + 1) + 1).max().unwrap_or(0)
}

/// Stopping whatever can be stopped, all that nobody holds at once. An array may be a member of another: it goes round as
/// long as something was stopped, and only then says what could not be. There are no more rounds than there were arrays:
/// one that comes back is not hunted for ever.
#[derive(Debug, Default)]
pub struct StopAll {
    /// Rounds that are left, from the first look on.
    rounds: Option<usize>,
    plans: Vec<Plan>,
    world: World,
    last: bool,
    /// A container is left because its arrays are.
    refused: bool,
    /// What the plans are about.
    going: Vec<String>,
    /// What a dry run has shown: it is there still, and counts as gone.
    shown: Vec<String>,
}

impl Course for StopAll {
    fn next(&mut self, event: Event) -> Turn {
        self.turn(event).unwrap_or_else(Turn::refuse)
    }
}

impl StopAll {
    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match event {
            Event::Seen(view @ View::World(_)) => {
                self.world = *view.world()?;
                self.rounds.get_or_insert(self.world.arrays.len());
                self.world.arrays.retain(|array| !self.shown.contains(&array.name));
                let arrays: Vec<String> = in_order(&self.world).into_iter().map(|a| a.name.clone()).collect();
                if arrays.is_empty() {
                    return Ok(Turn::end(0));
                }
                Turn::look(Look::Free { arrays })
            }
            Event::Seen(view) => self.stop(&view.free()?),
            Event::Done(deeds) => self.stopped(deeds),
            Event::Unseen(unseen) => return Err(unseen),
            Event::Begin | Event::Woke(_) | Event::Answered(_) => Turn::look(Look::World { fresh: 0 }),
        })
    }

    /// Those that nobody holds; where there are none, the others, for the kernel's reasons.
    fn stop(&mut self, free: &[String]) -> Turn {
        let is_free = |array: &&RunningArray| free.is_empty() || free.contains(&array.name);
        let plan = |array: &RunningArray| plan(array, &format!("/dev/{}", array.name), &self.world);
        let (now, later): (Vec<_>, Vec<_>) = in_order(&self.world)
            .into_iter()
            .filter(is_free)
            .partition(|array| inside(array, &self.world).next().is_none());
        self.last = free.is_empty() || self.rounds.is_some_and(|rounds| rounds <= 1) || now.is_empty();
        self.going = now.iter().map(|array| array.name.clone()).collect();
        self.plans = now.into_iter().map(plan).collect();
        let refused = later.into_iter().filter(|_| self.last);
        let refused =
            refused.filter_map(|array| check(array, &format!("/dev/{}", array.name), &self.world).err());
        let said: Vec<Said> = refused.flat_map(|refusal| Said::refusal(&refusal)).collect();
        self.refused |= !said.is_empty();
        Turn::from(Then::Do(self.plans.clone())).after(said)
    }

    fn stopped(&mut self, deeds: Vec<Deed>) -> Turn {
        let mut said = Vec::new();
        let mut failed = self.refused;
        for (plan, deed) in self.plans.iter().zip(deeds) {
            match deed {
                // The original says nothing of what it stops in a scan unless asked.
                Deed::Done => said.push(Said::detail(plan.summary.replacen("stop ", "stopped ", 1))),
                Deed::Shown => self.shown.append(&mut self.going),
                Deed::Failed(failure) => {
                    let (why, status) = Said::ended(&failure, &plan.summary);
                    failed |= status != 0;
                    said.extend(why);
                }
            }
        }
        let then = match (failed, self.last) {
            (true, _) => Turn::end(FAILED),
            (false, true) => Turn::end(0),
            (false, false) => {
                self.rounds = self.rounds.map(|rounds| rounds.saturating_sub(1));
                Turn::look(Look::World { fresh: 0 })
            }
        };
        then.after(said)
    }
}

#[cfg(test)]
#[path = "stop_tests.rs"]
mod course_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{DevId, world::MapEntry},
        plan::run::tests::every_failure_leaves_no_trace,
    };

    fn array(name: &str, minor: u32, members: &[DevId]) -> RunningArray {
        let id = DevId { major: 9, minor };
        RunningArray { name: name.into(), id, members: members.to_vec(), ..RunningArray::default() }
    }

    #[test]
    fn arrays_on_arrays_go_first() {
        let [low, high] = [DevId { major: 9, minor: 1 }, DevId { major: 9, minor: 2 }];
        let world = World {
            arrays: vec![array("md1", 1, &[]), array("md2", 2, &[low]), array("md3", 3, &[high])],
            ..World::default()
        };
        let order: Vec<&str> = in_order(&world).iter().map(|a| a.name.as_str()).collect();
        assert_eq!(order, ["md3", "md2", "md1"]);
        let looped = World { arrays: vec![array("md1", 1, &[low])], ..World::default() };
        assert_eq!(in_order(&looped).len(), 1);
    }

    #[test]
    fn a_container_goes_after_its_arrays() {
        let inside = |name, minor, metadata: &str| RunningArray {
            metadata: metadata.into(),
            ..array(name, minor, &[])
        };
        let world = World {
            arrays: vec![
                inside("md127", 127, "external:imsm"),
                inside("md126", 126, "external:/md127/0"),
                inside("md125", 125, "external:-md127/1"),
                inside("md1", 1, "external:/md1270/0"),
            ],
            ..World::default()
        };
        let order: Vec<&str> = in_order(&world).iter().map(|array| array.name.as_str()).collect();
        assert_eq!(order.last(), Some(&"md1"));
        assert_eq!(order[..3], ["md126", "md125", "md127"]);
        let refused = check(&world.arrays[0], "/dev/md127", &world).unwrap_err();
        assert_eq!(refused.text, "Cannot stop container /dev/md127: member md126 still active");
        assert!(check(&world.arrays[1], "/dev/md126", &world).is_ok());
    }

    #[test]
    fn a_stopped_array_is_forgotten() {
        let entry = MapEntry {
            devnm: "md1".into(),
            metadata: "1.2".into(),
            uuid: superblock::MdUuid([7; 16]),
            path: "/dev/md/home".into(),
        };
        let world = World { map: vec![entry], ..World::default() };
        let plan = plan(&array("md1", 1, &[]), "/dev/md1", &world);
        let text: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "stop md1",
                "commit",
                "lock the map file",
                "remove md1 from the map",
                "unlock the map file",
                "remove what is left of /dev/md/home"
            ]
        );
        // The fake has no array to stop: the first step fails by itself, and nothing is left.
        assert_eq!(every_failure_leaves_no_trace(&plan), 2);
    }
}
