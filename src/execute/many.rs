//! Several plans at once: each waits for its own disks, and all of them for udev together.

use std::thread;

use super::live::{Live, map_lock};
use crate::{
    kernel::Machine,
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
    plans.chunks(AT_ONCE).flat_map(|chunk| group(chunk, machine)).collect()
}

fn group(plans: &[&Plan], machine: &Machine) -> Vec<Result<(), Failure>> {
    let alone = |plan: &Plan| run(plan, &mut Live::new(machine.clone(), Box::new(|_, _, _| {})));
    // Whoever cannot have the lock says so for each plan.
    let lock = if plans.len() > 1 { map_lock(machine).ok() } else { None };
    let Some(lock) = lock else { return plans.iter().map(|plan| alone(plan)).collect() };
    let halves: Vec<(Plan, Plan)> = plans.iter().map(|plan| split(plan)).collect();
    let heads = in_parallel(&halves, |(head, _)| run(head, &mut Live::beside(machine.clone(), lock.clone())));
    // Events are handled when nobody holds the map.
    drop(lock);
    let done: Vec<_> = halves.into_iter().zip(heads).collect();
    in_parallel(&done, |((head, tail), outcome)| {
        if outcome.is_err() {
            return Ok(());
        }
        alone(tail).map_err(|failure| Failure {
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

fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| work(item))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
