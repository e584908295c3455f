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
