//! What a command that was killed leaves of devices is taken away, whichever of its steps was the last.

use super::*;
use crate::{
    plan::{
        fake::dm::FakeDm,
        volume::{
            edit::Means,
            mover,
            mover_tests::{driver, seen},
            snapshot,
            verbs_tests::{active, id, means, stamp, volume, with_volumes},
        },
    },
    request::volume::NewSnapshot,
};

/// The driver after what puts it right.
fn tidied(found: &FoundGroup, mut dm: FakeDm, what: &str) -> FakeDm {
    let there = seen(&dm);
    for plan in tidy(found, &there, &stamp()) {
        for step in &plan.steps {
            if let Step::Dm(step) = step {
                dm.apply(step).unwrap_or_else(|error| panic!("{what}: {step}: {error}"));
            }
        }
    }
    dm
}

#[test]
fn whatever_was_the_last_step() {
    let found = with_volumes();
    let (up, there) = active(&found);
    let stamp = stamp();
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    let mut means = Means { fresh: (20..40).map(id).collect::<Vec<_>>().into_iter(), ..means() };
    let new = NewSnapshot {
        origin: volume("a"),
        name: Some("z".into()),
        size: None,
        chunk: None,
        read_only: false,
        on: Vec::new(),
    };
    let snapshot = snapshot::create(&scene, &new, &mut means).unwrap();
    let moved = mover::begin(&scene, &volume("a"), (0, false), &[], &mut means).unwrap();
    let striped = mover::begin(&scene, &volume("w"), (0, false), &[], &mut means).unwrap();
    for plan in [snapshot, moved, striped] {
        let moment = plan.steps.iter().position(|step| matches!(step, Step::Critical(_))).unwrap();
        for last in 0..moment {
            let mut begun = plan.clone();
            begun.steps.truncate(last + 1);
            let what = format!("{}: killed after {}", plan.summary, begun.steps[last]);
            let before = driver(&[&up]);
            let after = tidied(&found, driver(&[&up, &begun]), &what);
            assert_eq!(after.devices, before.devices, "{what}");
        }
    }
}
