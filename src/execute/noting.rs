//! What is about to be left behind should this process be killed, noted for the next command.

use std::path::Path;

use crate::{
    kernel::{KernelError, Machine, host, node, notes::Notes},
    model::unfinished::Note,
    plan::{
        MdStep, Step, SystemStep, critical::Critical, dm::DmStep, overlay::OverlayStep,
        volume::metadata::LvmStep,
    },
    words::ArrayAttr,
};

/// The notes of one plan, begun with the first step that leaves something.
#[derive(Debug, Default)]
pub(super) struct Noting {
    notes: Option<Notes>,
}

impl Noting {
    /// Notes what this step is about to do. Notes that cannot be taken stop nothing: without them it is as with any
    /// other program.
    pub(super) fn before(&mut self, step: &Step, machine: &Machine) {
        let noted = match step {
            Step::Md(MdStep::Freeze { array }) => freeze(&array.kernel, machine),
            Step::System(SystemStep::Archive { record }) => {
                self.add(&Note::Archive(record.about.id.to_string()), machine)
            }
            Step::Md(MdStep::NewArray { array, .. }) => self.add(&Note::Made(array.kernel.clone()), machine),
            Step::Md(MdStep::AddDisk { array, device, .. }) => self.member(&array.kernel, device, machine),
            Step::System(SystemStep::HideFromUdev { array }) => {
                self.add(&Note::Hidden(array.kernel.clone()), machine)
            }
            Step::Lvm(LvmStep::PreCommit { group, seqno, .. }) => {
                self.add(&Note::Group(group.clone(), (*seqno).into()), machine)
            }
            Step::Critical(critical) => self.critical(critical, machine),
            Step::Mend(mend) => self.add(&Note::Held(mend.array.kernel.clone()), machine),
            Step::Dm(DmStep::Create { name, .. }) => self.add(&Note::Device(name.clone()), machine),
            Step::Overlay(OverlayStep::Store { set, store, .. }) => {
                self.add(&Note::Overlays { set: set.clone(), store: store.clone() }, machine)
            }
            Step::Overlay(OverlayStep::Forget { set, store, .. }) => {
                self.add(&Note::Forgotten { set: set.clone(), store: store.clone() }, machine)
            }
            Step::Commit if self.notes.is_some() => self.add(&Note::Committed, machine),
            _ => return,
        };
        if let Err(error) = noted {
            tracing::debug!(%error, "no notes");
        }
    }

    /// What was done needs no note any more: recovery may start, or something was begun in its place.
    pub(super) fn after(step: &Step, machine: &Machine) {
        match step {
            Step::Md(MdStep::Thaw { array })
            | Step::Md(MdStep::Change { array, attr: ArrayAttr::SyncAction, .. }) => {
                machine.frozen.forget(&array.kernel)
            }
            _ => {}
        }
    }

    /// A semaphore that would stay if this process were killed now.
    pub(super) fn cookie(&mut self, value: Option<u32>, machine: &Machine) {
        if let Some(Err(error)) = value.map(|value| self.add(&Note::Cookie(value), machine)) {
            tracing::debug!(%error, "no notes");
        }
    }

    /// By what the array is known again; only of one that this plan made.
    fn member(&mut self, array: &str, device: &str, machine: &Machine) -> Result<(), KernelError> {
        if self.notes.is_none() {
            return Ok(());
        }
        match node::number_of(Path::new(device))? {
            Some(dev) => self.add(&Note::Member { array: array.to_owned(), dev }, machine),
            None => Ok(()),
        }
    }

    /// Which devices may be found suspended, and how to tell whether the metadata was committed.
    fn critical(&mut self, critical: &Critical, machine: &Machine) -> Result<(), KernelError> {
        if let Some(commit) = &critical.commit {
            self.add(&Note::Group(commit.group.clone(), commit.seqno), machine)?;
        }
        critical.names().try_for_each(|name| self.add(&Note::Suspended(name.to_owned()), machine))
    }

    fn add(&mut self, note: &Note, machine: &Machine) -> Result<(), KernelError> {
        let notes = match &mut self.notes {
            Some(notes) => notes,
            none => none.insert(begin(machine)?),
        };
        notes.add(&note.to_string())
    }
}

/// Recovery is kept from starting over several plans, so that this note does not end with one of them; it is the command's.
/// Where the command ends without a thaw it stays for the next one.
fn freeze(array: &str, machine: &Machine) -> Result<(), KernelError> {
    let mut notes = begin(machine)?;
    notes.add(&Note::Frozen(array.to_owned()).to_string())?;
    machine.frozen.keep(array, notes);
    Ok(())
}

/// Begins notes with the words of this command.
///
/// # Errors
/// They cannot be written.
pub fn begin(machine: &Machine) -> Result<Notes, KernelError> {
    let mut notes = Notes::begin(&machine.places.unfinished())?;
    let command = machine.procfs.command_line(std::process::id()).unwrap_or_default();
    notes.add(&Note::Begun { command, time: host::now().0 }.to_string())?;
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ArrayName;

    #[test]
    fn the_note_of_an_array_ends_with_its_own_thaw() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Machine::live(true);
        machine.places.run = dir.path().to_owned();
        let name = |kernel: &str| ArrayName { kernel: kernel.to_owned(), path: format!("/dev/{kernel}") };
        let freeze = |kernel| Step::Md(MdStep::Freeze { array: name(kernel) });
        let thaw = |kernel| Step::Md(MdStep::Thaw { array: name(kernel) });
        let left = || crate::kernel::files::names(&machine.places.unfinished()).unwrap_or_default().len();
        // Each plan notes for itself; the command is the same.
        let note = |step: Step| {
            Noting::default().before(&step, &machine.clone());
            Noting::after(&step, &machine.clone());
        };
        note(freeze("md0"));
        note(freeze("md1"));
        assert_eq!(left(), 2);
        note(thaw("md1"));
        assert_eq!(left(), 1);
        note(thaw("md1"));
        assert_eq!(left(), 1, "that of md0 is another's");
        note(freeze("md0"));
        assert_eq!(left(), 1, "once an array");
        note(thaw("md0"));
        assert_eq!(left(), 0);
    }
}
