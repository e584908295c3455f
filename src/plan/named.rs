//! `--stop`, `--run`, `--readonly`, `--readwrite`: one named array after the other, as a course.

use std::collections::VecDeque;

use super::{
    Plan,
    course::{Course, Deed, Event, Look, Said, Turn, Unseen, View},
    run::Failure,
    stop, switch,
};
use crate::model::{DevId, RunningArray, World};

/// Exit status of a failure.
const FAILED: u8 = 1;
/// So often an array is looked at again that somebody else changed.
const MOST_AGAIN: u32 = 3;

/// What becomes of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// It is stopped.
    Stopped,
    /// One that was assembled and left inactive is started.
    Started,
    /// It takes no writes.
    ReadOnly,
    /// It takes writes again.
    Writable,
}

/// Does it to each array in turn. What fails with one keeps no other from it; the status tells of all.
#[derive(Debug)]
pub struct NamedArrays {
    becomes: Becomes,
    paths: VecDeque<String>,
    /// The device of the first path.
    number: Option<DevId>,
    /// What is being carried out, and what is said once it is done.
    doing: Option<(Plan, Option<Said>)>,
    status: u8,
    again: u32,
    say: Vec<Said>,
}

impl Course for NamedArrays {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl NamedArrays {
    /// For the arrays at these paths.
    #[must_use]
    pub fn new(becomes: Becomes, paths: Vec<String>) -> Self {
        let paths = paths.into();
        Self { becomes, paths, number: None, doing: None, status: 0, again: 0, say: Vec::new() }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match event {
            Event::Seen(view @ View::World(_)) => self.decide(&*view.world()?),
            Event::Seen(view) => self.found(view.number()?),
            Event::Unseen(unseen) => return Err(unseen),
            Event::Done(deeds) => self.done(deeds),
            Event::Begin | Event::Woke(_) | Event::Answered(_) => self.look(),
        })
    }

    fn look(&self) -> Turn {
        match self.paths.front() {
            Some(path) => Turn::look(Look::Number { path: path.clone() }),
            None => Turn::end(self.status),
        }
    }

    fn path(&self) -> String {
        self.paths.front().cloned().unwrap_or_default()
    }

    fn found(&mut self, number: Result<Option<DevId>, String>) -> Turn {
        match number {
            Ok(number) => {
                self.number = number;
                Turn::look(Look::World { fresh: 0 })
            }
            Err(why) => self.fail(format!("error opening {}: {why}", self.path())),
        }
    }

    fn decide(&mut self, world: &World) -> Turn {
        let path = self.path();
        let Some(array) = world.arrays.iter().find(|array| Some(array.id) == self.number) else {
            return self.fail(format!("{path} does not appear to be an md device"));
        };
        if self.becomes == Becomes::Stopped {
            if let Err(refusal) = stop::check(array, &path, world) {
                self.say.extend(Said::refusal(&refusal));
                return self.next_one(refusal.status);
            }
        }
        let Some(plan) = self.plan(array, &path, world) else { return self.next_one(0) };
        self.doing = Some((plan.clone(), self.end(array, &path, world)));
        Turn::carry_out(plan)
    }

    /// `None`: there is nothing to do.
    fn plan(&self, array: &RunningArray, path: &str, world: &World) -> Option<Plan> {
        match self.becomes {
            Becomes::Stopped => Some(stop::plan(array, path, world)),
            Becomes::Started => switch::start(array, path),
            Becomes::ReadOnly => Some(switch::readonly(array, path)),
            Becomes::Writable => Some(switch::readwrite(array, path)),
        }
    }

    /// What is said once it is done: of the last two nothing.
    fn end(&self, array: &RunningArray, path: &str, world: &World) -> Option<Said> {
        match self.becomes {
            Becomes::Stopped => Some(Said::out(format!("stopped {path}"))),
            Becomes::Started => Some(Said::note(format!("started array {}", switch::known_as(array, world)))),
            Becomes::ReadOnly | Becomes::Writable => None,
        }
    }

    fn done(&mut self, deeds: Vec<Deed>) -> Turn {
        let mut status = 0;
        if let Some((plan, end)) = self.doing.take() {
            for deed in deeds {
                match deed {
                    Deed::Done => self.say.extend(end.clone()),
                    Deed::Shown => {}
                    Deed::Failed(failure)
                        if failure.stale && !failure.committed && self.again < MOST_AGAIN =>
                    {
                        self.again += 1;
                        return self.look();
                    }
                    Deed::Failed(failure) => {
                        let (said, failed) = Said::ended(&failure, &plan.summary);
                        self.say.extend(self.introduced(said, &failure));
                        // What was asked for may be done all the same.
                        self.say.extend(end.clone().filter(|_| failed == 0));
                        status |= failed;
                    }
                }
            }
        }
        self.next_one(status)
    }

    /// Why an array did not take a mode goes after the original's words for it.
    fn introduced(&self, mut said: Vec<Said>, failure: &Failure) -> Vec<Said> {
        let mode = match self.becomes {
            Becomes::Stopped | Becomes::Started => return said,
            Becomes::ReadOnly => "readonly",
            Becomes::Writable => "writable",
        };
        if let Some(first) = said.first_mut().filter(|_| !failure.committed) {
            first.text = format!("failed to set {mode} for {}: {}", self.path(), first.text);
        }
        said
    }

    fn fail(&mut self, text: String) -> Turn {
        self.say.push(Said::error(text));
        self.next_one(FAILED)
    }

    fn next_one(&mut self, status: u8) -> Turn {
        self.status |= status;
        (self.number, self.again) = (None, 0);
        self.paths.pop_front();
        self.look()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anyhow::bail;
    use superblock::Write;

    use super::*;
    use crate::{
        plan::{
            MdStep, Step,
            course::{
                Answer, Ending, Then,
                twin::{self, Outcome, Scene},
            },
            is_another,
            run::Outdated,
        },
        words::{ArrayState, Errno},
    };

    /// Arrays by name: their state, and whether somebody has them open.
    #[derive(Clone, Debug, Default)]
    struct Arrays(BTreeMap<&'static str, (ArrayState, bool)>);

    impl Arrays {
        fn new(arrays: &[(&'static str, ArrayState, bool)]) -> Self {
            Self(arrays.iter().map(|(name, state, held)| (*name, (state.clone(), *held))).collect())
        }

        fn id(name: &str) -> DevId {
            DevId { major: 9, minor: name.bytes().last().map_or(0, u32::from) }
        }

        fn state(&self, name: &str) -> Option<&ArrayState> {
            self.0.get(name).map(|(state, _)| state)
        }

        /// The word of `--stop` and the others: what an array is then, where nobody has it open.
        fn set(&mut self, name: &str, state: Option<ArrayState>) -> anyhow::Result<()> {
            match self.0.iter_mut().find(|(known, _)| **known == name) {
                None => bail!("{name}: there is no such array"),
                Some((_, (_, true))) => bail!("{name}: Device or resource busy"),
                Some((_, (now, _))) => match state {
                    Some(state) => *now = state,
                    None => self.0.retain(|known, _| *known != name),
                },
            }
            Ok(())
        }
    }

    impl Scene for Arrays {
        fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
            match step {
                Step::Md(MdStep::Stop { array }) => self.set(&array.kernel, None)?,
                Step::Md(MdStep::MakeReadonly { array }) => {
                    self.set(&array.kernel, Some(ArrayState::ReadOnly))?;
                }
                Step::Md(MdStep::MakeWritable { array }) => {
                    self.set(&array.kernel, Some(ArrayState::Active))?;
                }
                Step::Md(MdStep::Change { array, attr, from, to }) => {
                    let now = self.state(&array.kernel).map(ArrayState::word);
                    let another = is_another(*attr, (from.as_deref(), to), now);
                    anyhow::ensure!(!another, Outdated(format!("{array} is another by now")));
                    self.set(&array.kernel, Some(ArrayState::parse(to)))?;
                }
                _ => {}
            }
            Ok(Vec::new())
        }

        fn let_go(&mut self) {}

        fn see(&self, look: &Look) -> Result<View, Unseen> {
            Ok(match look {
                Look::Number { path } if path == "/dev/null" => View::Number(Ok(None)),
                Look::Number { path } => {
                    let name = path.trim_start_matches("/dev/");
                    let there = self.0.contains_key(name) || name == "sda";
                    let why = "No such file or directory";
                    View::Number(there.then(|| Some(Self::id(name))).ok_or_else(|| why.to_owned()))
                }
                _ => {
                    let array = |(name, (state, _)): (&&str, &(ArrayState, bool))| RunningArray {
                        name: (*name).to_owned(),
                        id: Self::id(name),
                        state: state.clone(),
                        ..RunningArray::default()
                    };
                    let arrays = self.0.iter().map(array).collect();
                    View::World(Box::new(World { arrays, ..World::default() }))
                }
            })
        }

        fn sound(&self) -> Result<(), String> {
            Ok(())
        }
    }

    fn named(becomes: Becomes, names: &[&str]) -> NamedArrays {
        NamedArrays::new(becomes, names.iter().map(|name| format!("/dev/{name}")).collect())
    }

    fn outcome(becomes: Becomes, names: &[&str], arrays: &Arrays) -> Outcome<Arrays> {
        twin::drive(&mut named(becomes, names), arrays.clone(), Answer::Yes, None, None)
    }

    #[test]
    fn what_somebody_else_started_first_is_left_as_it_is() {
        let arrays =
            Arrays::new(&[("md1", ArrayState::Inactive, false), ("md2", ArrayState::Inactive, false)]);
        let change: twin::Change<Arrays> = ("md1 is started", |arrays| {
            arrays.set("md1", Some(ArrayState::Active)).unwrap();
        });
        // Between the look at the machine and the act.
        let mut course = named(Becomes::Started, &["md1", "md2"]);
        let outcome = twin::drive(&mut course, arrays, Answer::Yes, None, Some((2, change)));
        assert_eq!((outcome.status(), outcome.text().as_str()), (0, "started array /dev/md2"));
        assert_eq!(outcome.scene.state("md1"), Some(&ArrayState::Active));
        assert_eq!(outcome.scene.state("md2"), Some(&ArrayState::ReadAuto));
    }

    #[test]
    fn what_fails_with_one_keeps_no_other_from_it() {
        let arrays = Arrays::new(&[
            ("md1", ArrayState::Active, false),
            ("md2", ArrayState::Active, true),
            ("md3", ArrayState::Active, false),
        ]);
        let names = ["none", "md1", "sda", "null", "md2", "md3"];
        let stopped = outcome(Becomes::Stopped, &names, &arrays);
        assert_eq!(stopped.status(), 1);
        assert_eq!(stopped.scene.0.keys().collect::<Vec<_>>(), [&"md2"]);
        assert_eq!(
            stopped.text(),
            "error opening /dev/none: No such file or directory\n\
             stopped /dev/md1\n\
             /dev/sda does not appear to be an md device\n\
             /dev/null does not appear to be an md device\n\
             md2: Device or resource busy\n\
             stopped /dev/md3"
        );
        let readonly = outcome(Becomes::ReadOnly, &["md2", "md3"], &arrays);
        assert_eq!(readonly.status(), 1);
        assert_eq!(readonly.text(), "failed to set readonly for /dev/md2: md2: Device or resource busy");
        assert_eq!(readonly.scene.state("md3"), Some(&ArrayState::ReadOnly));
        let writable = outcome(Becomes::Writable, &["md2"], &arrays);
        assert_eq!(writable.text(), "failed to set writable for /dev/md2: md2: Device or resource busy");
    }

    #[test]
    fn an_array_that_runs_is_not_started_again() {
        let arrays = Arrays::new(&[
            ("md1", ArrayState::Inactive, false),
            ("md2", ArrayState::Active, true),
            ("md3", ArrayState::Inactive, false),
        ]);
        let started = outcome(Becomes::Started, &["md1", "md2", "md3"], &arrays);
        assert_eq!(started.status(), 0, "{}", started.text());
        assert_eq!(started.text(), "started array /dev/md1\nstarted array /dev/md3");
    }

    #[test]
    fn a_dry_run_stops_nothing_and_shows_all() {
        let arrays = Arrays::new(&[("md1", ArrayState::Active, false), ("md2", ArrayState::Active, false)]);
        let mut course = named(Becomes::Stopped, &["md1", "md2"]);
        let (mut shown, mut event) = (Vec::new(), Event::Begin);
        loop {
            let turn = course.next(event);
            assert_eq!(turn.say, [], "{shown:?}");
            event = match turn.then {
                Then::Look(look) => Event::Seen(arrays.see(&look).unwrap()),
                Then::Do(plans) => {
                    shown.extend(plans.iter().map(|plan| plan.summary.clone()));
                    Event::Done(plans.iter().map(|_| Deed::Shown).collect())
                }
                Then::End(ending) => break assert_eq!(ending, Ending::Status(0)),
                then => panic!("{then:?}"),
            };
        }
        assert_eq!(shown, ["stop /dev/md1", "stop /dev/md2"]);
    }

    #[test]
    fn it_ends_whatever_fails_and_whoever_else_acts() {
        let arrays = Arrays::new(&[("md1", ArrayState::Active, false), ("md2", ArrayState::Active, false)]);
        let changes: &[twin::Change<Arrays>] = &[
            ("somebody opened one", |arrays| {
                if let Some((_, held)) = arrays.0.get_mut("md2") {
                    *held = true;
                }
            }),
            ("another program stopped one", |arrays| drop(arrays.0.remove("md2"))),
        ];
        // With status 0 nothing is left.
        let all = |outcome: &Outcome<Arrays>, what: &str| {
            let is_done = outcome.scene.0.is_empty();
            assert!(outcome.status() != 0 || is_done, "{what}: {}", outcome.text());
        };
        let make = || named(Becomes::Stopped, &["md1", "md2"]);
        let tally = twin::everything(make, &arrays, &[Errno::EBUSY, Errno::EIO], changes, all);
        assert!(tally.reaches(7, 8, 14), "{tally:?}");
    }
}
