//! The critical section: from the first suspend to the last resume nothing is allocated, logged, opened or locked.
//!
//! [`Ready::new`] opens what is written to, makes every request and every block ready and counts udev's events;
//! [`Ready::send`] only sends what is ready and keeps errnos; sentences are made afterwards. A signal cannot end it. SIGKILL
//! can: then a second process ends it ([`super::watch`]); where that is gone too, the notes that were taken before tell the
//! next command what to resume ([`super::noting`]).
//!
//! There is no timer: a suspend waits for I/O that is under way below, and taking it back would wait for the same I/O.

use anyhow::{Result, anyhow};
use nix::errno::Errno;

use super::{dm::Dm, watch::Watch};
use crate::{
    kernel::{
        Access, BlockDevice, KernelError,
        dm::{Control, DmFlags, Prepared, PreparedRequest, Who},
        locked::Undisturbed,
        ready::ReadyWrites,
    },
    model::dm::UdevFlags,
    plan::{critical::Critical, dm::Quiesce, watch::Phase},
};

/// A failure after the metadata was committed: there is no way back, the change has happened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct PastCommit(String);

/// The way back: the waiting table is dropped, the old one goes on.
pub(super) struct Back {
    clear: Prepared,
    go_on: Prepared,
}

/// A device to be suspended.
struct Held {
    name: String,
    suspend: Prepared,
    back: Back,
}

/// Metadata of one device.
pub(super) struct Written {
    path: String,
    ready: ReadyWrites,
    failed: Option<Errno>,
}

/// A device to be resumed, and what came of it.
pub(super) struct Released {
    name: String,
    resume: Prepared,
    back: Back,
    answer: Option<DmFlags>,
    failed: Option<Errno>,
}

/// Everything that will be sent.
struct Ready {
    held: Vec<Held>,
    written: Vec<Written>,
    released: Vec<Released>,
}

/// What ended it before the commit.
pub(super) enum Stopped {
    Suspend(usize, Errno),
    Commit(usize, Errno),
}

/// Carries it out.
pub(super) fn carry_out(critical: &Critical, dm: &mut Dm, mut watch: Watch) -> Result<()> {
    let mut ready = Ready::new(critical, dm)?;
    watch.wait();
    let undisturbed = Undisturbed::begin();
    let stopped = ready.send(&mut watch);
    drop((undisturbed, watch));
    for one in &ready.released {
        dm.fired(one.answer);
    }
    ready.said(stopped)
}

impl Ready {
    fn new(critical: &Critical, dm: &mut Dm) -> Result<Self> {
        critical.check().map_err(|why| anyhow!("{why}: nothing was done"))?;
        let control = dm.control()?;
        let flags_of = |name: &str| critical.resume.iter().find(|one| one.name == name).map(|one| one.flags);
        let mut held = Vec::with_capacity(critical.suspend.len());
        for one in &critical.suspend {
            let quiesce = if one.freeze { Quiesce::FULL } else { Quiesce::NO_FREEZE };
            let suspend = dm.prepare_suspend(&one.name, quiesce)?;
            let back = back(&control, &one.name, flags_of(&one.name).unwrap_or_default())?;
            held.push(Held { name: one.name.clone(), suspend, back });
        }
        let written = critical.commit.as_ref().map(|commit| writes(&commit.writes));
        let written = written.transpose()?.unwrap_or_default();
        let mut released = Vec::with_capacity(critical.resume.len());
        for one in &critical.resume {
            let made = dm.prepare_resume(&one.name, one.flags).and_then(|resume| {
                let back = back(&control, &one.name, one.flags).inspect_err(|_| dm.fired(None))?;
                Ok(Released { name: one.name.clone(), resume, back, answer: None, failed: None })
            });
            match made {
                Ok(one) => released.push(one),
                Err(error) => {
                    released.iter().for_each(|_| dm.fired(None));
                    return Err(error);
                }
            }
        }
        Ok(Self { held, written, released })
    }

    /// Nothing in here allocates.
    fn send(&mut self, watch: &mut Watch) -> Option<Stopped> {
        watch.tell(Phase::Begun);
        let stopped = self.suspend().or_else(|| {
            watch.tell(Phase::Committing);
            commit(&mut self.written)
        });
        match stopped {
            // What was not suspended is not hurt: without a waiting table a resume of what runs does nothing.
            Some(_) => {
                watch.tell(Phase::Begun);
                self.held.iter_mut().rev().for_each(|one| one.back.fire());
            }
            None => {
                watch.tell(Phase::Committed);
                self.released.iter_mut().for_each(Released::fire);
            }
        }
        watch.tell(Phase::Done);
        stopped
    }

    fn suspend(&mut self) -> Option<Stopped> {
        let mut all = self.held.iter_mut().enumerate();
        all.find_map(|(at, one)| one.suspend.fire().err().map(|errno| Stopped::Suspend(at, errno)))
    }

    fn said(&self, stopped: Option<Stopped>) -> Result<()> {
        let what = match stopped {
            None => return self.late(),
            Some(Stopped::Suspend(at, errno)) => {
                let name = self.held.get(at).map_or("", |one| &one.name);
                KernelError::new(name, "DM_DEV_SUSPEND", errno)
            }
            Some(Stopped::Commit(at, errno)) => {
                let path = self.written.get(at).map_or("", |one| &one.path);
                KernelError::new(path, "write of the metadata", errno)
            }
        };
        Err(anyhow::Error::from(what).context("everything goes on as before"))
    }

    fn late(&self) -> Result<()> {
        let mut late: Vec<String> = Vec::new();
        for one in &self.written {
            let said = |errno| format!("{}: write of the metadata: {errno}; it has the old one", one.path);
            late.extend(one.failed.map(said));
        }
        for one in &self.released {
            let said = |errno| format!("{}: resume: {errno}; it goes on with its old table", one.name);
            late.extend(one.failed.map(said));
        }
        if late.is_empty() { Ok(()) } else { Err(PastCommit(late.join("; ")).into()) }
    }
}

/// One device that took it makes it real, so only all failing is a failure.
pub(super) fn commit(written: &mut [Written]) -> Option<Stopped> {
    let mut real = written.is_empty();
    let mut stopped = None;
    for (at, one) in written.iter_mut().enumerate() {
        one.failed = one.ready.fire().err();
        real |= one.failed.is_none();
        stopped = one.failed.map(|errno| Stopped::Commit(at, errno)).or(stopped);
    }
    stopped.filter(|_| !real)
}

impl Released {
    /// For nobody who waits for its event.
    pub(super) fn unheard(control: &Control, name: &str, flags: UdevFlags) -> Result<Self, KernelError> {
        let resume =
            control.prepare(Who::Name(name), PreparedRequest::Resume(DmFlags::SKIP_LOCKFS, word(flags)))?;
        let back = back(control, name, flags)?;
        Ok(Self { name: name.to_owned(), resume, back, answer: None, failed: None })
    }

    pub(super) fn fire(&mut self) {
        match self.resume.fire() {
            Ok(flags) => self.answer = Some(flags),
            Err(errno) => {
                self.failed = Some(errno);
                // Better the old table than none: nothing may wait for ever.
                self.back.fire();
            }
        }
    }
}

impl Back {
    pub(super) fn fire(&mut self) {
        let _ = self.clear.fire();
        let _ = self.go_on.fire();
    }
}

/// What goes with a request whose event is for nobody to wait for.
pub(super) fn word(flags: UdevFlags) -> u32 {
    u32::from(flags.bits()) << 16
}

/// Its event is for nobody to wait for.
pub(super) fn back(control: &Control, name: &str, flags: UdevFlags) -> Result<Back, KernelError> {
    Ok(Back {
        clear: control.prepare(Who::Name(name), PreparedRequest::Clear)?,
        go_on: control
            .prepare(Who::Name(name), PreparedRequest::Resume(DmFlags::SKIP_LOCKFS, word(flags)))?,
    })
}

pub(super) fn writes(commit: &[(String, Vec<superblock::Write>)]) -> Result<Vec<Written>, KernelError> {
    let ready = |(path, writes): &(String, Vec<superblock::Write>)| {
        let device = BlockDevice::open(path.as_ref(), Access::Write)?;
        Ok(Written { path: path.clone(), ready: device.ready(writes)?, failed: None })
    };
    commit.iter().map(ready).collect()
}
