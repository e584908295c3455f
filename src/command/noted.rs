//! How far a course is, noted for the next command in case that this one is killed.

use crate::{
    execute,
    kernel::{KernelError, Machine, notes::Notes},
    model::unfinished::Note,
    plan::{
        Plan,
        course::{Course, Deed},
    },
};

/// The notes of one course, begun with its first plan; they go with it.
#[derive(Default)]
pub(super) struct Noted {
    notes: Option<Notes>,
    doing: Vec<String>,
}

impl Noted {
    /// Notes what is about to be done. Notes that cannot be taken stop nothing.
    pub(super) fn before(&mut self, course: &dyn Course, plans: &[Plan], machine: &Machine) {
        if let Err(error) = self.note(course, plans, machine) {
            tracing::debug!(%error, "no notes");
        }
    }

    fn note(&mut self, course: &dyn Course, plans: &[Plan], machine: &Machine) -> Result<(), KernelError> {
        self.doing.clear();
        for progress in plans.iter().filter_map(|plan| course.progress(plan)) {
            let notes = match &mut self.notes {
                Some(notes) => notes,
                none => none.insert(execute::begin_notes(machine)?),
            };
            notes.add(&Note::Doing(progress.doing.clone()).to_string())?;
            progress.ahead.into_iter().try_for_each(|next| notes.add(&Note::Ahead(next).to_string()))?;
            self.doing.push(progress.doing);
        }
        Ok(())
    }

    /// Notes what was done.
    pub(super) fn after(&mut self, deeds: &[Deed]) {
        let Some(notes) = &mut self.notes else { return };
        let is_done = |deed: &Deed| match deed {
            Deed::Done => true,
            Deed::Failed(failure) => failure.committed,
            Deed::Shown => false,
        };
        for (doing, _) in self.doing.drain(..).zip(deeds).filter(|(_, deed)| is_done(deed)) {
            if let Err(error) = notes.add(&Note::Did(doing).to_string()) {
                tracing::debug!(%error, "no notes");
            }
        }
    }
}
