//! Carrying a plan out: step by step through a [`Host`], rolled back to the start when a step before the commit fails.

use superblock::Write;

use super::{Plan, Step, SystemStep, afterwards::Rest};
use crate::words::Errno;

/// What carries steps out: the live machine, or a test's model of it.
///
/// A step either happens wholly or leaves nothing behind. [`super::DiskStep::Write`] answers with the bytes that it replaced;
/// all other steps answer with nothing.
pub trait Host {
    /// Carries one step out.
    ///
    /// # Errors
    /// What the machine said, with device, operation and errno.
    fn apply(&mut self, step: &Step) -> Result<Vec<Write>, Trouble>;
}

/// Why a step did not happen.
#[derive(Debug, thiserror::Error)]
#[error("{cause:#}")]
pub struct Trouble {
    /// In words, with device and operation.
    pub cause: anyhow::Error,
    /// The kernel's answer, where it was the kernel who refused.
    pub errno: Option<Errno>,
    /// What the plan relied on is not so any more: somebody else changed it. Looking again is the way on.
    pub stale: bool,
    /// The act was past its own point of no return: only the rest of it failed.
    pub past_commit: bool,
}

/// Somebody else was quicker: what the plan relied on is not so any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Outdated(pub String);

impl From<anyhow::Error> for Trouble {
    fn from(cause: anyhow::Error) -> Self {
        let stale = cause.is::<Outdated>();
        Self { cause, errno: None, stale, past_commit: false }
    }
}

/// A plan that did not end.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {cause:#}")]
pub struct Failure {
    /// The step that failed.
    pub step: String,
    /// Its place in the plan.
    pub at: usize,
    /// Why.
    pub cause: anyhow::Error,
    /// The kernel's answer, where it was the kernel who refused.
    pub errno: Option<Errno>,
    /// Somebody else changed what the plan relied on.
    pub stale: bool,
    /// Whether the failed step came after the commit: then nothing was rolled back.
    pub committed: bool,
    /// What could not be undone, in the order of trying; empty when the machine is as it was.
    pub not_undone: Vec<String>,
    /// Of a step after the commit: what it leaves to be done.
    pub rest: Box<Rest>,
}

impl Failure {
    /// Of something that was tried alone, outside of a plan.
    #[must_use]
    pub fn alone(what: String, Trouble { cause, errno, stale, .. }: Trouble) -> Self {
        let (not_undone, rest) = (Vec::new(), Box::default());
        Self { step: what, at: 0, cause, errno, stale, committed: false, not_undone, rest }
    }

    /// Step and reason, the step's words once.
    #[must_use]
    pub fn why(&self) -> String {
        let cause = format!("{:#}", self.cause);
        if cause.starts_with(&self.step) { cause } else { format!("{}: {cause}", self.step) }
    }

    /// The kernel's answer in words ("Invalid argument"), where it was the kernel who refused. For people: what is
    /// decided by it is decided by [`Self::errno`].
    #[must_use]
    pub fn answer(&self) -> Option<String> {
        self.errno.map(Errno::text)
    }
}

/// Carries the plan out.
///
/// # Errors
/// The first failing step. Before the commit everything done is undone, in reverse order; an undo that fails is
/// recorded and does not stop the others. After it there is no way back, so the steps that follow are taken all the
/// same: they let go what was held, and most of them can do without the one that failed.
pub fn run(plan: &Plan, host: &mut dyn Host) -> Result<(), Failure> {
    let mut done: Vec<(&Step, Vec<Write>)> = Vec::new();
    let mut committed = false;
    let mut first: Option<Failure> = None;
    for (at, step) in plan.steps.iter().enumerate() {
        let half_done = first.as_ref().is_some_and(|failure| !failure.rest.minor);
        if half_done && step.needs_all_before() {
            continue;
        }
        tracing::debug!(%step, "step");
        match host.apply(step) {
            Ok(saved) => done.push((step, saved)),
            Err(Trouble { cause, errno, stale, past_commit }) => {
                tracing::debug!(%step, error = %format!("{cause:#}"), "failed");
                // Only the part of it that makes the change real has a way back.
                committed |= past_commit;
                let rest = Box::new(Rest::of(step));
                let (step, not_undone) = (step.to_string(), Vec::new());
                let failure = Failure { step, at, cause, errno, stale, committed, not_undone, rest };
                if !committed {
                    return Err(Failure { not_undone: roll_back(done, host), ..failure });
                }
                first = Some(worse(first, failure));
            }
        }
        if step.is_commit() {
            committed = true;
        }
    }
    first.map_or(Ok(()), Err)
}

/// Of two failures after the commit the first, unless only the second one left anything to be done.
fn worse(first: Option<Failure>, next: Failure) -> Failure {
    let Some(first) = first else { return next };
    let (mut chief, other) = if first.rest.minor && !next.rest.minor { (next, first) } else { (first, next) };
    chief.rest.others.extend(other.rest.others.iter().cloned());
    chief.rest.others.push(other.why());
    chief
}

fn roll_back(done: Vec<(&Step, Vec<Write>)>, host: &mut dyn Host) -> Vec<String> {
    let mut failed = Vec::new();
    for (step, saved) in done.into_iter().rev() {
        let Some(undo) = step.undo(saved) else { continue };
        // What could not be put back can be put back from the archive later.
        if matches!(undo, Step::System(SystemStep::Discard { .. })) && !failed.is_empty() {
            continue;
        }
        tracing::debug!(step = %undo, "undo");
        if let Err(error) = host.apply(&undo) {
            failed.push(format!("{undo}: {error}"));
        }
    }
    failed
}

#[cfg(test)]
pub(crate) mod tests {
    use superblock::Bytes;

    use super::*;
    use crate::{
        model::world::MapEntry,
        plan::{
            ArrayName, DiskInfo, DiskStep, MdStep,
            fake::{self, Fake},
        },
    };

    /// Fails each step before the commit in turn: the machine must be as before. Answers how many were tried.
    pub(crate) fn every_failure_leaves_no_trace(plan: &Plan) -> usize {
        every_failure_leaves(plan, &fake::State::default())
    }

    /// The same where `md0` runs with these members.
    pub(crate) fn every_failure_leaves_no_trace_on(plan: &Plan, members: &[&str]) -> usize {
        let members = members.iter().map(|&member| member.to_owned()).collect();
        let mut state = fake::State::default();
        state.arrays.insert("md0".to_owned(), (members, true));
        let mut host = Fake { state: state.clone(), ..Fake::default() };
        run(plan, &mut host).expect("the plan itself works");
        every_failure_leaves(plan, &state)
    }

    /// The same on what another plan made.
    pub(crate) fn every_failure_leaves_no_trace_after(first: &Plan, plan: &Plan) -> usize {
        let mut host = Fake::default();
        run(first, &mut host).expect("the first plan works");
        let state = host.state.clone();
        run(plan, &mut host).expect("the plan itself works");
        every_failure_leaves(plan, &state)
    }

    fn every_failure_leaves(plan: &Plan, state: &fake::State) -> usize {
        let commit = plan.steps.iter().position(Step::is_commit).expect("a plan has a commit");
        for fail_at in 0..=commit {
            let mut host = Fake { fail_at: Some(fail_at), state: state.clone(), ..Fake::default() };
            let before = host.state.clone();
            let failure = run(plan, &mut host).expect_err("told to fail");
            assert_eq!(failure.not_undone, Vec::<String>::new(), "step {fail_at}");
            host.state.zeroed = before.zeroed.clone();
            assert_eq!(host.state, before, "step {fail_at} left something: {:#?}", host.log);
        }
        commit + 1
    }

    fn small_plan() -> Plan {
        let array = ArrayName { kernel: "md0".into(), path: "/dev/md0".into() };
        let device = "/dev/a".to_owned();
        let write = Write { at: Bytes(4096), data: vec![7; 1024] };
        let entry = MapEntry {
            devnm: "md0".into(),
            metadata: "1.2".into(),
            uuid: superblock::MdUuid([1; 16]),
            path: "/dev/md0".into(),
        };
        let info = DiskInfo { number: 0, raid_disk: 0, state: 6 };
        let steps = vec![
            Step::Disk(DiskStep::Claim { device: device.clone() }),
            Step::System(SystemStep::LockMap),
            Step::System(SystemStep::HideFromUdev { array: array.clone() }),
            Step::Disk(DiskStep::Write {
                device: device.clone(),
                what: "superblock".into(),
                writes: vec![write],
            }),
            Step::Md(MdStep::NewArray { array: array.clone(), id: None }),
            Step::Md(MdStep::AddDisk { array: array.clone(), device, info }),
            Step::System(SystemStep::MapAdd { entry }),
            Step::Md(MdStep::Run { array: array.clone() }),
            Step::Commit,
            Step::System(SystemStep::UnlockMap),
            Step::System(SystemStep::ShowToUdev { array }),
        ];
        Plan { summary: "create md0".into(), steps, warnings: Vec::new() }
    }

    #[test]
    fn a_failed_plan_leaves_no_trace() {
        assert_eq!(every_failure_leaves_no_trace(&small_plan()), 9);
    }

    #[test]
    fn a_failure_after_the_commit_is_only_reported() {
        let plan = small_plan();
        let mut host = Fake { fail_at: Some(9), ..Fake::default() };
        let failure = run(&plan, &mut host).expect_err("told to fail");
        assert!(failure.committed);
        assert_eq!(host.log.len(), plan.steps.len(), "nothing was undone, and what follows was done");
        assert!(host.state.hidden.is_empty(), "udev may see it");
        assert!(host.state.arrays["md0"].1);
    }
}
