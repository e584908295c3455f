//! Stopping everything, while others start and hold arrays.

use crate::plan::MdStep;
use std::collections::BTreeMap;

use anyhow::bail;
use superblock::Write;

use super::*;
use crate::{
    model::DevId,
    plan::course::{
        Answer,
        twin::{self, Scene},
    },
    words::{ArrayState, Errno},
};

/// Arrays by name: the arrays below, and whether somebody has it mounted.
#[derive(Clone, Debug, Default)]
struct Arrays(BTreeMap<&'static str, (Vec<&'static str>, bool)>);

impl Arrays {
    fn id(name: &str) -> DevId {
        DevId { major: 9, minor: name.bytes().last().map_or(0, u32::from) }
    }

    fn is_held(&self, name: &str) -> bool {
        let below = self.0.values().any(|(below, _)| below.contains(&name));
        below || self.0.get(name).is_some_and(|(_, mounted)| *mounted)
    }
}

impl Scene for Arrays {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        if let Step::Md(MdStep::Stop { array }) = step {
            let name = array.kernel.as_str();
            if self.is_held(name) {
                bail!("{name}: STOP_ARRAY: Device or resource busy");
            }
            if self.0.remove(name).is_none() {
                bail!("{name}: there is no such array");
            }
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::Free { arrays } => {
                View::Free(arrays.iter().filter(|name| !self.is_held(name)).cloned().collect())
            }
            _ => {
                let array = |(name, (below, _)): (&&str, &(Vec<&str>, bool))| RunningArray {
                    name: (*name).to_owned(),
                    id: Self::id(name),
                    state: ArrayState::Active,
                    members: below.iter().map(|name| Self::id(name)).collect(),
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

fn stacked() -> Arrays {
    Arrays([("md1", (vec![], false)), ("md2", (vec!["md1"], false)), ("md3", (vec![], false))].into())
}

#[test]
fn arrays_on_arrays_are_stopped_round_by_round() {
    let outcome = twin::drive(&mut StopAll::default(), stacked(), Answer::Yes, None, None);
    assert_eq!((outcome.status(), outcome.scene.0.len()), (0, 0), "{}", outcome.text());
    let mut held = stacked();
    held.0.insert("md3", (vec![], true));
    let outcome = twin::drive(&mut StopAll::default(), held, Answer::Yes, None, None);
    assert_eq!(outcome.status(), 1);
    assert_eq!(outcome.scene.0.keys().collect::<Vec<_>>(), [&"md3"], "{}", outcome.text());
    assert_eq!(outcome.said.iter().filter(|said| said.text.contains("busy")).count(), 1);
}

/// Nothing is stopped by being shown, so what stands below is held all the time.
#[test]
fn a_dry_run_shows_all_that_would_be_stopped() {
    let mut arrays = stacked();
    let array = |name: &str, metadata: &str| RunningArray {
        name: name.into(),
        id: Arrays::id(name),
        metadata: metadata.into(),
        ..RunningArray::default()
    };
    arrays.0.insert("md4", (vec![], false));
    let mut course = StopAll::default();
    let (mut shown, mut event) = (Vec::new(), Event::Begin);
    for _ in 0..20 {
        let turn = course.next(event);
        event = match turn.then {
            Then::Look(look) => match arrays.see(&look).unwrap() {
                View::World(mut world) => {
                    world.arrays.extend([array("md7", "external:ddf"), array("md6", "external:/md7/0")]);
                    Event::Seen(View::World(world))
                }
                view => Event::Seen(view),
            },
            Then::Do(plans) => {
                shown.extend(plans.iter().map(|plan| plan.summary.clone()));
                Event::Done(plans.iter().map(|_| Deed::Shown).collect())
            }
            Then::End(ending) => {
                assert_eq!(ending, crate::plan::course::Ending::Status(0), "{:?}", turn.say);
                break;
            }
            then => panic!("{then:?}"),
        };
    }
    let place = |name: &str| shown.iter().position(|line| *line == format!("stop /dev/{name}"));
    assert!(["md1", "md2", "md3", "md4", "md6", "md7"].iter().all(|name| place(name).is_some()), "{shown:?}");
    assert!(place("md2") < place("md1") && place("md6") < place("md7"), "{shown:?}");
    assert_eq!(shown.len(), 6, "each once: {shown:?}");
}

#[test]
fn it_ends_whatever_fails_and_whoever_comes_back() {
    let changes: &[twin::Change<Arrays>] = &[
        ("somebody mounted one", |arrays| {
            if let Some((_, mounted)) = arrays.0.get_mut("md3") {
                *mounted = true;
            }
        }),
        ("udev started one again", |arrays| drop(arrays.0.insert("md3", (vec![], false)))),
        ("one more came up", |arrays| drop(arrays.0.insert("md4", (vec![], false)))),
        ("another program stopped one", |arrays| drop(arrays.0.remove("md3"))),
    ];
    // With status 0 nothing that was there from the start is left.
    let all = |outcome: &twin::Outcome<Arrays>, what: &str| {
        let left = outcome.scene.0.keys().filter(|name| ["md1", "md2"].contains(name)).count();
        assert!(outcome.status() != 0 || left == 0, "{what}: {}", outcome.text());
    };
    let tally = twin::everything(StopAll::default, &stacked(), &[Errno::EBUSY, Errno::EIO], changes, all);
    assert!(tally.reaches(8, 15, 32), "{tally:?}");
}
