//! A device that is gone: it is failed in its array and taken out, unless the array cannot do without it.
//!
//! The original tries to fail the last good member of a mirror, too. The kernel refuses and calls the array broken from then
//! on, although its disk may be back in a moment.

use crate::{
    model::{
        DevId,
        manage::{Link, Managed},
        world::MapEntry,
    },
    plan::{
        ArrayName, MdStep, MemberName, Plan, Refusal, Step, SystemStep,
        course::{Course, Deed, Event, Look, Said, Turn, Unseen},
        only_copy::need,
        run::Failure,
    },
    words::ArrayState,
};

use super::arrange::read_auto;

/// Exit status of a failure.
const FAILED: u8 = 1;

/// So often it is looked again where somebody was quicker.
const MOST_OUTDATED: u8 = 5;

/// What is gone.
#[derive(Clone, Debug)]
pub struct LeavingJob {
    /// Its kernel name.
    pub name: String,
    /// The way to it, for the disk that takes its place.
    pub path: Option<String>,
    /// Also where the array cannot do without it.
    pub force: bool,
    /// Where the ways of failed members are remembered.
    pub slots: String,
}

/// One device that is gone.
pub struct Leaving {
    job: LeavingJob,
    stage: Stage,
    array: ArrayName,
    entry: Option<MapEntry>,
    managed: Option<Box<Managed>>,
    /// How often somebody was quicker.
    outdated: u8,
    say: Vec<Said>,
}

#[derive(Clone, Copy)]
enum Stage {
    World,
    Array,
    Free,
    Acting,
}

impl Course for Leaving {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl Leaving {
    /// Begins.
    #[must_use]
    pub fn new(job: LeavingJob) -> Self {
        let array = ArrayName { kernel: String::new(), path: String::new() };
        Self { job, stage: Stage::World, array, entry: None, managed: None, outdated: 0, say: Vec::new() }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (Stage::World, Event::Begin) => Turn::look(Look::World { fresh: 0 }),
            (Stage::World, Event::Seen(view)) => {
                let world = view.world()?;
                let name = &self.job.name;
                let Some(array) = world.arrays.iter().find(|array| array.names.contains(name)) else {
                    let text = format!("{name} does not appear to be a component of any array");
                    self.say.push(Said::detail(text));
                    return Ok(Turn::end(0));
                };
                if array.metadata.starts_with("external:") {
                    let text = format!("{name} is in a container; containers are not supported yet");
                    return Ok(Turn::refuse(Refusal::new(text).hint("use mdadm for it")));
                }
                let kernel = array.name.clone();
                self.entry = world.map.iter().find(|entry| entry.devnm == kernel).cloned();
                self.array = ArrayName { path: format!("/dev/{kernel}"), kernel };
                if !array.is_active() && array.names.len() == 1 {
                    return Ok(self.stop(array.members.clone()));
                }
                self.stage = Stage::Array;
                Turn::look(Look::Managed { array: self.array.path.clone() })
            }
            (Stage::Array, Event::Seen(view)) => {
                let Ok(managed) = view.managed()? else {
                    let text = format!("Cannot get array info for {}", self.array.path);
                    return Ok(Turn::refuse(Refusal::new(text)));
                };
                self.managed = Some(managed);
                self.stage = Stage::Free;
                Turn::look(Look::Free { arrays: vec![self.array.kernel.clone()] })
            }
            (Stage::Free, Event::Seen(view)) => {
                let free = !view.free()?.is_empty();
                self.act(free)
            }
            (Stage::Acting, Event::Done(deeds)) => match deeds.into_iter().next() {
                Some(Deed::Failed(failure)) => self.failed(&failure),
                Some(Deed::Done | Deed::Shown) => self.done(),
                None => Turn::end(FAILED),
            },
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    fn act(&mut self, free: bool) -> Turn {
        let (name, array) = (&self.job.name, &self.array);
        let Some(managed) = &self.managed else { return Turn::end(FAILED) };
        let Some(link) = managed.links.iter().find(|link| link.name == *name) else {
            self.say.push(Said::detail(format!("{name} is not in {} any more", array.kernel)));
            return Turn::end(0);
        };
        let state = managed.detail.array_state.clone().unwrap_or_default();
        let dev = number(managed, link);
        let needed = dev.filter(|_| state.is_running() && !self.job.force).and_then(|dev| need(managed, dev));
        if needed.is_some() {
            let text = format!("Cannot fail member device {name} in array {}.", array.kernel);
            let hint = format!(
                "{} cannot do without it, and goes on when the device is back; --force fails it all the same",
                array.kernel
            );
            return Turn::refuse(Refusal::new(text).hint(hint));
        }
        let member = MemberName { shown: name.clone(), dev: None, link: Some(name.clone()) };
        let mut steps = Vec::new();
        // Nobody uses it: what is left of it stays as it is until somebody does.
        if free && matches!(state, ArrayState::Active | ArrayState::Clean) {
            steps.push(read_auto(array));
        }
        if state.is_running() {
            steps.push(Step::Md(MdStep::Fail { array: array.clone(), member: member.clone() }));
        }
        steps.extend(self.remembered());
        if state.is_running() {
            steps.push(Step::Commit);
        }
        steps.push(Step::Md(MdStep::Remove { array: array.clone(), member, patient: true }));
        if !state.is_running() {
            steps.push(Step::Commit);
        }
        self.stage = Stage::Acting;
        Turn::carry_out(Plan {
            summary: format!("take {name}, which is gone, out of {}", array.kernel),
            steps,
            warnings: Vec::new(),
        })
    }

    /// It was alone in an array that waits: that goes, too. Empty it would keep its number and its name from the same array when
    /// the device comes back.
    fn stop(&mut self, members: Vec<DevId>) -> Turn {
        let array = self.array.clone();
        let mut steps = vec![
            Step::System(SystemStep::LockMap),
            Step::Md(MdStep::Expect { array: array.clone(), uuid: None, members: Some(members) }),
        ];
        steps.extend(self.remembered());
        steps.extend([Step::Md(MdStep::Stop { array: array.clone() }), Step::Commit]);
        if let Some(entry) = self.entry.clone() {
            let linked = ArrayName { path: entry.path.clone(), ..array.clone() };
            let has_link = !entry.path.is_empty();
            steps.push(Step::System(SystemStep::MapRemove { entry }));
            steps.extend(has_link.then_some(Step::System(SystemStep::RemoveNode { array: linked })));
        }
        steps.push(Step::System(SystemStep::UnlockMap));
        self.stage = Stage::Acting;
        Turn::carry_out(Plan {
            summary: format!("stop {}, whose only member {} is gone", array.kernel, self.job.name),
            steps,
            warnings: Vec::new(),
        })
    }

    /// The array to which a disk in the same place belongs.
    fn remembered(&self) -> Option<Step> {
        let (path, entry) = (self.job.path.as_ref()?, self.entry.as_ref()?);
        if path.is_empty() || path.contains('/') || path.starts_with('.') {
            return None;
        }
        let text = format!("{:>20} {}\n", entry.metadata, entry.uuid);
        let path = format!("{}/{path}", self.job.slots);
        Some(Step::System(SystemStep::WriteFile { path, text, mode: 0o644 }))
    }

    fn done(&mut self) -> Turn {
        let (name, kernel) = (&self.job.name, &self.array.kernel);
        self.say.push(Said::detail(format!("set {name} faulty in {kernel}")));
        self.say.push(Said::detail(format!("hot removed {name} from {kernel}")));
        Turn::end(0)
    }

    fn failed(&mut self, failure: &Failure) -> Turn {
        if failure.stale && self.outdated < MOST_OUTDATED {
            self.outdated += 1;
            self.stage = Stage::World;
            return Turn::look(Look::World { fresh: 0 });
        }
        let (name, kernel) = (&self.job.name, &self.array.kernel);
        self.say.push(Said::detail(failure.why()));
        Turn::refuse(Refusal::new(if failure.committed {
            format!("Cannot remove member device {name} from array {kernel}: {:#}", failure.cause)
        } else {
            format!("Cannot fail member device {name} in array {kernel}.")
        }))
    }
}

/// The number by which the kernel's table knows a member whose device may be gone.
fn number(managed: &Managed, link: &Link) -> Option<DevId> {
    link.dev.or_else(|| {
        let slot = link.slot?;
        let mut members = managed.detail.members.iter();
        members.find(|member| u32::try_from(member.raid_disk) == Ok(slot)).map(|member| member.dev)
    })
}
