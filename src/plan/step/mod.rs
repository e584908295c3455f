//! One act, small enough to be undone or to say why not. A family of acts has a file: what a new kind of act belongs to.

mod disk;
mod md;
mod system;

use std::fmt;

use superblock::Write;

pub use self::{
    disk::DiskStep,
    md::{ArrayName, DiskInfo, LegacyShape, MdStep, MemberName, SeenMember, disk_state, is_another},
    system::{SystemStep, TextChange, UnitVerb},
};
use super::{
    critical::Critical,
    dm::DmStep,
    mend::Mend,
    monitor::AlertStep,
    overlay::OverlayStep,
    volume::{fs::FsStep, metadata::LvmStep},
    window::WindowStep,
};

/// One act. `execute` carries it out; nothing else changes the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An act on a device and its bytes.
    Disk(DiskStep),
    /// An act on an array in the kernel.
    Md(MdStep),
    /// An act on files, the archive, the map, `/dev` and udev.
    System(SystemStep),
    /// Something about a device-mapper device.
    Dm(DmStep),
    /// An act on an overlay's file.
    Overlay(OverlayStep),
    /// Suspend, commit metadata, resume: one act. Its own failure leaves nothing suspended.
    Critical(Box<Critical>),
    /// One stripe of an array while nobody writes to it: one act, which lets go of what it held whatever comes of it.
    Mend(Box<Mend>),
    /// Something about what is set aside of an array while its data is laid out anew.
    Window(Box<WindowStep>),
    /// Something about the metadata of a group of volumes.
    Lvm(LvmStep),
    /// A run of a file system's own tool.
    Fs(FsStep),
    /// Somebody is told of something.
    Alert(AlertStep),
    /// The point of no return: what failed before it is rolled back, what fails after it is reported.
    Commit,
}

impl Step {
    /// Whether there is no way back from it: the commit, or a critical section that commits metadata.
    #[must_use]
    pub fn is_commit(&self) -> bool {
        match self {
            Step::Commit => true,
            Step::Critical(critical) => critical.commit.is_some(),
            Step::Mend(mend) => mend.writes(),
            Step::Disk(_)
            | Step::Md(_)
            | Step::System(_)
            | Step::Dm(_)
            | Step::Overlay(_)
            | Step::Lvm(_)
            | Step::Fs(_)
            | Step::Window(_)
            | Step::Alert(_) => false,
        }
    }

    /// Whether it is left out after a commit where a step before it failed: what could not be taken away needs its files still.
    #[must_use]
    pub fn needs_all_before(&self) -> bool {
        matches!(
            self,
            Step::System(SystemStep::RemoveFile { .. }) | Step::Overlay(OverlayStep::Forget { .. })
        )
    }

    /// The step that takes this one back. `saved` is what the host kept when it carried out a [`DiskStep::Write`].
    ///
    /// `None`: `Critical` and `Mend` take themselves back where they fail, and are the point of no return where not; what was told
    /// cannot be untold; the families say why of theirs.
    #[must_use]
    pub fn undo(&self, saved: Vec<Write>) -> Option<Step> {
        match self {
            Step::Disk(step) => step.undo(saved).map(Step::Disk),
            Step::Md(step) => step.undo().map(Step::Md),
            Step::System(step) => step.undo().map(Step::System),
            Step::Dm(step) => step.undo().map(Step::Dm),
            Step::Fs(step) => step.undo().map(Step::Fs),
            Step::Overlay(step) => step.undo().map(Step::Overlay),
            Step::Lvm(step) => step.undo().map(Step::Lvm),
            Step::Window(step) => step.undo().map(Step::System),
            Step::Critical(_) | Step::Mend(_) | Step::Alert(_) | Step::Commit => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Disk(step) => write!(f, "{step}"),
            Step::Md(step) => write!(f, "{step}"),
            Step::System(step) => write!(f, "{step}"),
            Step::Dm(step) => write!(f, "{step}"),
            Step::Overlay(step) => write!(f, "{step}"),
            Step::Critical(critical) => write!(f, "{critical}"),
            Step::Mend(mend) => write!(f, "{mend}"),
            Step::Lvm(step) => write!(f, "{step}"),
            Step::Window(step) => write!(f, "{step}"),
            Step::Fs(step) => write!(f, "{step}"),
            Step::Alert(step) => write!(f, "{step}"),
            Step::Commit => write!(f, "commit"),
        }
    }
}
