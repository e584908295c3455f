//! Building as a course: where somebody else was quicker to take the name, it is looked again and decided again.

use super::plan;
use crate::{
    config::Config,
    model::World,
    plan::{
        Plan, Refusal,
        course::{Course, Deed, Event, Look, Said, Then, Turn},
        naming,
    },
    request::{BuildRequest, MemberSource},
};

/// So often it is looked again, because somebody else changed what had been seen.
const MOST_AGAIN: u32 = 3;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct BuildJob {
    /// The array.
    pub request: BuildRequest,
    /// Names that are promised.
    pub config: Config,
    /// It is only shown.
    pub dry_run: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    World,
    Devices,
    Building,
}

/// One array that is built.
#[derive(Debug)]
pub struct Building {
    job: BuildJob,
    stage: Stage,
    world: World,
    plan: Plan,
    /// The path of the array.
    path: String,
    again: u32,
}

impl Course for Building {
    fn next(&mut self, event: Event) -> Turn {
        self.turn(event).unwrap_or_else(Turn::refuse)
    }
}

impl Building {
    /// Begins.
    #[must_use]
    pub fn new(job: BuildJob) -> Self {
        let (stage, world, plan) = (Stage::World, World::default(), Plan::default());
        Self { job, stage, world, plan, path: String::new(), again: 0 }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Refusal> {
        match (self.stage, event) {
            (Stage::World, Event::Seen(view)) => {
                self.world = *view.world()?;
                self.stage = Stage::Devices;
                Ok(Turn::look(Look::ToWrite { paths: self.job.request.paths() }))
            }
            (Stage::Devices, Event::Seen(view)) => {
                self.world.devices = view.to_write()?;
                self.decide()
            }
            (Stage::Building, Event::Done(deeds)) => Ok(self.ended(deeds)),
            (_, Event::Unseen(unseen)) => Err(unseen.into()),
            (_, Event::Begin | Event::Seen(_) | Event::Done(_) | Event::Answered(_) | Event::Woke(_)) => {
                Ok(self.look())
            }
        }
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::World;
        Turn::look(Look::World { fresh: 0 })
    }

    fn decide(&mut self) -> Result<Turn, Refusal> {
        let word = self.job.request.device.to_string_lossy().into_owned();
        let chosen = naming::given(&word, None, &self.world, &self.job.config)?;
        self.plan = plan(&self.job.request, &chosen.array, chosen.id, &self.world)?;
        self.path = chosen.array.path;
        self.stage = Stage::Building;
        let warnings = self.plan.warnings.iter().filter(|_| !self.job.dry_run).map(Said::from);
        let said = warnings.collect();
        Ok(Turn::from(Then::Do(vec![self.plan.clone()])).after(said))
    }

    fn ended(&mut self, deeds: Vec<Deed>) -> Turn {
        let started = Said::note(format!("array {} built and started.", self.path));
        match deeds.into_iter().next() {
            Some(Deed::Shown) | None => Turn::end(0),
            Some(Deed::Done) => Turn::end(0).after(vec![started]),
            Some(Deed::Failed(failure)) if failure.stale && !failure.committed && self.again < MOST_AGAIN => {
                self.again += 1;
                self.look()
            }
            Some(Deed::Failed(failure)) => {
                let (mut said, status) = Said::ended(&failure, &self.plan.summary);
                said.extend((status == 0).then_some(started));
                Turn::end(status).after(said)
            }
        }
    }
}

impl BuildRequest {
    /// The devices that it is built of.
    fn paths(&self) -> Vec<String> {
        let path = |source: &MemberSource| match source {
            MemberSource::Path(path) | MemberSource::Journal(path) => Some(path.display().to_string()),
            MemberSource::Missing => None,
        };
        self.members.iter().filter_map(|word| path(&word.source)).collect()
    }
}

#[cfg(test)]
mod tests {
    use superblock::Level;

    use super::{
        super::tests::{request, world},
        *,
    };
    use crate::{
        model::{
            RunningArray,
            view::{Unseen, View},
        },
        plan::{
            MdStep, Step,
            course::{
                Answer,
                twin::{self, Change, Scene},
            },
            fake::{Fake, State},
            run::Outdated,
        },
        words::Errno,
    };

    /// Two disks, and arrays of others.
    #[derive(Clone, Debug, Default)]
    struct Desk {
        others: Vec<String>,
        state: State,
    }

    impl Scene for Desk {
        fn act(&mut self, step: &Step) -> anyhow::Result<Vec<superblock::Write>> {
            match step {
                Step::Md(MdStep::Expect { array, .. }) if self.others.contains(&array.kernel) => {
                    anyhow::bail!(Outdated(format!("{array} is taken")));
                }
                Step::Md(MdStep::NewArray { array, .. }) => {
                    assert!(!self.others.contains(&array.kernel), "{array} was seen to be taken");
                }
                _ => {}
            }
            let mut fake = Fake { state: std::mem::take(&mut self.state), ..Fake::default() };
            let done = fake.act(step);
            self.state = fake.state;
            done
        }

        fn let_go(&mut self) {
            self.state.let_go();
        }

        fn see(&self, look: &Look) -> Result<View, Unseen> {
            let seen = world(&["/dev/a", "/dev/b"]);
            let other = |name: &String| {
                let state = "clean".into();
                RunningArray { name: name.clone(), state, ..RunningArray::default() }
            };
            Ok(match look {
                Look::ToWrite { .. } => View::ToWrite(seen.devices),
                _ => View::World(Box::new(World {
                    arrays: self.others.iter().map(other).collect(),
                    ..World::default()
                })),
            })
        }

        fn sound(&self) -> Result<(), String> {
            if self.state.locked || !self.state.claims.is_empty() {
                return Err(format!("left behind: {:?}", self.state));
            }
            Ok(())
        }
    }

    #[test]
    fn a_name_that_somebody_took_first_is_seen_and_not_built_over() {
        let taken: &[Change<Desk>] = &[
            ("md0 is taken", |desk| desk.others.push("md0".to_owned())),
            ("md127 is taken", |desk| desk.others.push("md127".to_owned())),
        ];
        for (device, finds_another) in [("/dev/md0", false), ("/dev/md/home", true)] {
            let request =
                BuildRequest { device: device.into(), ..request(Level::Raid1, &["/dev/a", "/dev/b"]) };
            let job = BuildJob { request, config: Config::default(), dry_run: false };
            let make = || Building::new(job.clone());
            let tally = twin::everything(make, &Desk::default(), &[Errno::EBUSY], taken, |_, _| {});
            assert!(tally.reaches(4, 10, 8), "{tally:?}");
            let change = if finds_another { taken[1] } else { taken[0] };
            // Just before the plan is carried out.
            let outcome = twin::drive(&mut make(), Desk::default(), Answer::Yes, None, Some((2, change)));
            if finds_another {
                assert!(outcome.status() == 0 && outcome.scene.state.arrays.contains_key("md126"));
            } else {
                assert_eq!(outcome.text(), "/dev/md0 is already in use.");
            }
        }
    }
}
