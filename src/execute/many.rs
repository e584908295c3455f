//! Several plans at once: each waits for its own disks, and all of them for udev together.

use std::sync::{Mutex, PoisonError};

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
    for chunk in plans.chunks(AT_ONCE) {
        let lock = if chunk.len() > 1 { map_lock(machine).ok() } else { None };
        match lock {
            Some(lock) => done.extend(crew.group(chunk, lock)),
            // Each finds out what it can do without the lock, and waits for it no more. One after the other: else one
            // that gets it after all would keep the others from it.
            None => done.extend(chunk.iter().map(|plan| crew.alone(plan))),
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

    fn group(&self, plans: &[&Plan], lock: MapLock) -> Vec<Result<(), Failure>> {
        let halves: Vec<(Plan, Plan)> = plans.iter().map(|plan| split(plan)).collect();
        let heads = parallel::each(AT_ONCE, &halves, |(head, _)| {
            self.run(head, Live::beside(self.machine.clone(), lock.clone()))
        });
        // Events are handled when nobody holds the map.
        drop(lock);
        if halves.iter().all(|(_, tail)| tail.steps.is_empty()) {
            return heads;
        }
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use superblock::MdUuid;

    use super::*;
    use crate::{
        kernel::{Deadline, Lock, lock::Patience},
        model::world::MapEntry,
    };

    /// A plan that leaves a file, and what it does to the map before its commit or after it.
    fn plan(machine: &Machine, name: &str, after: bool) -> Plan {
        let path = machine.places.run.join("mdadm").join(name).display().to_string();
        let file = Step::System(SystemStep::WriteFile { path, text: "it\n".to_owned(), mode: 0o600 });
        let entry = MapEntry {
            devnm: name.to_owned(),
            metadata: "1.2".into(),
            uuid: MdUuid([7; 16]),
            path: format!("/dev/{name}"),
        };
        let map = [
            Step::System(SystemStep::LockMap),
            Step::System(SystemStep::MapRemove { entry }),
            Step::System(SystemStep::UnlockMap),
        ];
        let acts = vec![file, Step::Commit];
        let steps = if after { [acts, map.to_vec()].concat() } else { [map.to_vec(), acts].concat() };
        Plan { summary: name.to_owned(), steps, warnings: Vec::new() }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    fn a_lock_that_is_kept_is_waited_for_once_by_all_plans_of_a_command() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Machine::live(true);
        machine.places.run = dir.path().join("run");
        let wait = Duration::from_millis(600);
        machine.map_lock = Patience::of(wait);
        let files = machine.places.run.join("mdadm");
        crate::kernel::files::make_dirs(&files, 0o755).unwrap();
        let soon = Deadline::after(Duration::ZERO);
        let held = Lock::take_of_many(&files.join("map.lock"), soon, &|| ()).unwrap();

        let plans = [("a", false), ("b", true), ("c", false), ("d", true)];
        let plans = plans.map(|(name, after)| plan(&machine, name, after));
        let begun = Instant::now();
        for round in [&plans.each_ref()[..], &[&plans[0]], &[&plans[1]], &plans.each_ref()[1..3]] {
            let (done, _) = run_all(round, &machine.clone());
            for (plan, done) in round.iter().zip(done) {
                // What does not need the lock for its change is done, one alone as well as among others; that the map was not
                // changed is told.
                let failure = done.unwrap_err();
                let after = plan.steps.last() != Some(&Step::Commit);
                assert_eq!(failure.committed, after, "{}: {failure}", plan.summary);
                assert_eq!(failure.at, if after { 2 } else { 0 });
                assert!(failure.rest.minor);
                assert!(failure.why().contains("lock the map file: "), "{}", failure.why());
                let path = files.join(&plan.summary);
                assert_eq!(crate::kernel::files::remove(&path).unwrap(), after, "{}", plan.summary);
            }
        }
        let took = begun.elapsed();
        // Waited for by each it would be ten times as long; a busy machine is not.
        assert!(took >= wait && took < wait * 5, "{took:?}");
        drop(held);
        // The thread that still waits has it for a moment.
        let all = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            run_all(&plans.each_ref(), &machine).0.iter().all(Result::is_ok)
        });
        assert!(all, "the lock is taken where its holder is gone");
    }
}
