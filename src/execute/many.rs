//! Several plans at once: each waits for its own disks, and all of them for udev together.

use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;

use super::live::{Live, MapLock, map_lock};
use crate::{
    kernel::{Machine, parallel},
    plan::{
        Plan, Step, SystemStep,
        run::{Failure, run},
    },
};

/// Plans that are carried out at the same time.
const AT_ONCE: usize = 32;

/// Carries plans out that have nothing in common but the map; the answers are in their order. A plan that fails before
/// its commit is rolled back and stops no other. Also what else should be said about what was done, each once.
#[must_use]
pub fn run_all(plans: &[&Plan], machine: &Machine) -> (Vec<Result<(), Failure>>, Vec<String>) {
    let crew = Crew { machine, remarks: Mutex::default() };
    let mut done = Vec::with_capacity(plans.len());
    let mut locked_out = None;
    for chunk in plans.chunks(AT_ONCE) {
        let lock = match &locked_out {
            None if chunk.len() > 1 => map_lock(machine).map(Some),
            None => Ok(None),
            Some(_) => Err(anyhow!("")),
        };
        match lock {
            Ok(Some(lock)) => done.extend(crew.group(chunk, lock)),
            Ok(None) => done.extend(chunk.iter().map(|plan| crew.alone(plan))),
            Err(error) => {
                let why = locked_out.get_or_insert_with(|| format!("{error:#}"));
                done.extend(chunk.iter().map(|plan| crew.without_lock(plan, why)));
            }
        }
    }
    let mut remarks = crew.remarks.into_inner().unwrap_or_else(PoisonError::into_inner);
    remarks.sort();
    remarks.dedup();
    (done, remarks)
}

/// Those who carry plans out side by side.
struct Crew<'a> {
    machine: &'a Machine,
    remarks: Mutex<Vec<String>>,
}

impl Crew<'_> {
    fn run(&self, plan: &Plan, mut live: Live) -> Result<(), Failure> {
        let done = run(plan, &mut live);
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).append(&mut live.remarks());
        done
    }

    fn alone(&self, plan: &Plan) -> Result<(), Failure> {
        self.run(plan, Live::new(self.machine.clone(), Box::new(|_, _, _| {})))
    }

    /// The lock was waited for once, and is not waited for again by each plan that needs it.
    fn without_lock(&self, plan: &Plan, why: &str) -> Result<(), Failure> {
        let Some(at) = plan.steps.iter().position(|step| *step == Step::System(SystemStep::LockMap)) else {
            return self.alone(plan);
        };
        Err(Failure {
            step: Step::System(SystemStep::LockMap).to_string(),
            at,
            cause: anyhow!("{why}"),
            errno: None,
            stale: false,
            committed: false,
            not_undone: Vec::new(),
            rest: Box::default(),
        })
    }

    fn group(&self, plans: &[&Plan], lock: MapLock) -> Vec<Result<(), Failure>> {
        let halves: Vec<(Plan, Plan)> = plans.iter().map(|plan| split(plan)).collect();
        let heads = parallel::each(AT_ONCE, &halves, |(head, _)| {
            self.run(head, Live::beside(self.machine.clone(), lock.clone()))
        });
        // Events are handled when nobody holds the map.
        drop(lock);
        let done: Vec<_> = halves.into_iter().zip(heads).collect();
        parallel::each(AT_ONCE, &done, |((head, tail), outcome)| {
            if outcome.is_err() {
                return Ok(());
            }
            self.alone(tail).map_err(|failure| Failure {
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
}

/// What needs the map's lock, and the waiting for udev after it.
fn split(plan: &Plan) -> (Plan, Plan) {
    let commit = plan.steps.iter().position(|step| *step == Step::Commit).unwrap_or(plan.steps.len());
    let waits = |step: &Step| {
        matches!(step, Step::System(SystemStep::Uevent { .. }) | Step::System(SystemStep::Node { .. }))
    };
    let at = plan.steps.iter().skip(commit).position(waits).map_or(plan.steps.len(), |nth| commit + nth);
    let (head, tail) = plan.steps.split_at(at);
    let part = |steps: &[Step]| Plan { steps: steps.to_vec(), ..plan.clone() };
    (part(head), part(tail))
}
