//! Several plans at once: each waits for its own disks, and all of them for udev together.

use anyhow::anyhow;

use super::live::{Live, MapLock, map_lock};
use crate::{
    kernel::{Machine, parallel},
    plan::{
        Plan, Step,
        run::{Failure, run},
    },
};

/// Plans that are carried out at the same time.
const AT_ONCE: usize = 32;

/// Carries plans out that have nothing in common but the map; the answers are in their order. A plan that fails before
/// its commit is rolled back and stops no other.
#[must_use]
pub fn run_all(plans: &[&Plan], machine: &Machine) -> Vec<Result<(), Failure>> {
    let mut done = Vec::with_capacity(plans.len());
    let mut locked_out = None;
    for chunk in plans.chunks(AT_ONCE) {
        let lock = match &locked_out {
            None if chunk.len() > 1 => map_lock(machine).map(Some),
            None => Ok(None),
            Some(_) => Err(anyhow!("")),
        };
        match lock {
            Ok(Some(lock)) => done.extend(group(chunk, lock, machine)),
            Ok(None) => done.extend(chunk.iter().map(|plan| alone(plan, machine))),
            Err(error) => {
                let why = locked_out.get_or_insert_with(|| format!("{error:#}"));
                done.extend(chunk.iter().map(|plan| without_lock(plan, why, machine)));
            }
        }
    }
    done
}

fn alone(plan: &Plan, machine: &Machine) -> Result<(), Failure> {
    run(plan, &mut Live::new(machine.clone(), Box::new(|_, _, _| {})))
}

/// The lock was waited for once, and is not waited for again by each plan that needs it.
fn without_lock(plan: &Plan, why: &str, machine: &Machine) -> Result<(), Failure> {
    let Some(at) = plan.steps.iter().position(|step| *step == Step::LockMap) else {
        return alone(plan, machine);
    };
    Err(Failure {
        step: Step::LockMap.to_string(),
        at,
        cause: anyhow!("{why}"),
        errno: None,
        stale: false,
        committed: false,
        not_undone: Vec::new(),
        rest: Box::default(),
    })
}

fn group(plans: &[&Plan], lock: MapLock, machine: &Machine) -> Vec<Result<(), Failure>> {
    let halves: Vec<(Plan, Plan)> = plans.iter().map(|plan| split(plan)).collect();
    let heads = parallel::each(AT_ONCE, &halves, |(head, _)| {
        run(head, &mut Live::beside(machine.clone(), lock.clone()))
    });
    // Events are handled when nobody holds the map.
    drop(lock);
    let done: Vec<_> = halves.into_iter().zip(heads).collect();
    parallel::each(AT_ONCE, &done, |((head, tail), outcome)| {
        if outcome.is_err() {
            return Ok(());
        }
        alone(tail, machine).map_err(|failure| Failure {
            at: head.steps.len() + failure.at,
            committed: true,
            not_undone: Vec::new(),
            ..failure
        })
    })
    .into_iter()
    .zip(done)
    .map(|(tail, (_, head))| head.and(tail))
    .collect()
}

/// What needs the map's lock, and the waiting for udev after it.
fn split(plan: &Plan) -> (Plan, Plan) {
    let commit = plan.steps.iter().position(|step| *step == Step::Commit).unwrap_or(plan.steps.len());
    let waits = |step: &Step| matches!(step, Step::Uevent { .. } | Step::Node { .. });
    let at = plan.steps.iter().skip(commit).position(waits).map_or(plan.steps.len(), |nth| commit + nth);
    let (head, tail) = plan.steps.split_at(at);
    let part = |steps: &[Step]| Plan { steps: steps.to_vec(), ..plan.clone() };
    (part(head), part(tail))
}
