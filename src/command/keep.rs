//! How every plan is carried out: what it overwrites is kept first.

use crate::{
    archive::{About, EntryId},
    execute::{self, Live, MapLock},
    inventory,
    kernel::{Machine, host},
    model::world::Timestamp,
    plan::{
        Plan,
        course::Whose,
        keep,
        run::{self, Failure},
    },
    request::Common,
    ui::Ui,
};

/// A plan with what has to be kept, and where that step was put in.
pub(super) struct Kept {
    pub(super) plan: Plan,
    at: Option<usize>,
}

impl Kept {
    /// Adds to a plan that writes metadata the step that keeps what was there.
    pub(super) fn new(plan: &Plan, machine: &Machine, common: &Common) -> Self {
        Self::undoing(plan, machine, common, None)
    }

    /// The same for a plan that puts an entry back.
    pub(super) fn undoing(
        plan: &Plan,
        machine: &Machine,
        common: &Common,
        undoes: Option<(EntryId, Whose)>,
    ) -> Self {
        let paths = keep::endangered(plan);
        if !keep::leaves_entry(plan) || common.no_archive {
            return Self { plan: plan.clone(), at: None };
        }
        let (seconds, micros) = host::now();
        let [random] = host::random_bytes().unwrap_or_default();
        let about = About {
            id: EntryId::new(Timestamp { seconds, micros }, random),
            time: seconds,
            command: common.words.clone(),
            summary: plan.summary.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host::hostname(),
            cleans_up: matches!(undoes, Some((_, Whose::CleanUp))),
            undoes: undoes.map(|(entry, _)| entry),
            // The number is given when it is stored, the change of a group is read from the plan.
            seq: 0,
            group: None,
        };
        let (plan, at) = keep::keep(plan, &inventory::endangered(machine, &paths), about);
        Self { plan, at }
    }

    /// A failure, told with the places of the plan as it was before.
    fn back(&self, failure: Failure) -> Failure {
        match self.at {
            Some(at) if failure.at == at => Failure { at: usize::MAX, ..failure },
            Some(at) if failure.at > at => Failure { at: failure.at - 1, ..failure },
            _ => failure,
        }
    }
}

/// Carries one plan out.
pub(super) fn run(kept: &Kept, machine: &Machine, ui: &Ui) -> Result<(), Failure> {
    run_in_turn(kept, machine, ui, None)
}

/// The same with the map's lock, where the command has it already.
pub(super) fn run_in_turn(
    kept: &Kept,
    machine: &Machine,
    ui: &Ui,
    lock: Option<MapLock>,
) -> Result<(), Failure> {
    let bars = ui.bars();
    let mut live =
        Live::new(machine.clone(), Box::new(move |what, done, total| bars.show(what, done.0, total.0)));
    live.has(lock);
    let done = run::run(&kept.plan, &mut live).map_err(|failure| kept.back(failure));
    live.remarks().iter().for_each(|remark| ui.warn(remark));
    done
}

/// Carries plans out that have nothing in common but the map; the answers are in their order.
pub(super) fn run_kept(kept: &[Kept], machine: &Machine, ui: &Ui) -> Vec<Result<(), Failure>> {
    let ready: Vec<&Plan> = kept.iter().map(|kept| &kept.plan).collect();
    let (done, remarks) = execute::run_all(&ready, machine);
    remarks.iter().for_each(|remark| ui.warn(remark));
    kept.iter().zip(done).map(|(kept, done)| done.map_err(|failure| kept.back(failure))).collect()
}
