//! The second process of a critical section: it waits beside the first, memory locked and every request ready, and ends the
//! section when the first one is killed in it. What it holds open keeps the group's lock until it is done.

use std::{os::fd::OwnedFd, time::Duration};

use anyhow::{Context as _, Result};

use super::{
    critical::{self, Back, Released, Written},
    dm::Dm,
};
use crate::{
    kernel::{
        KernelError, Machine,
        dm::{Control, Prepared, PreparedRequest, Who},
        kmsg,
        locked::Undisturbed,
        second::{self, Second, SecondSide},
    },
    plan::{
        critical::Critical,
        watch::{Phase, WatchEnding, WatchedCommand},
    },
};

/// The name under which this program is the second process.
pub const NAME: &str = "mdctl-watch";
/// How long it has to get ready. Without it things are as with any other program.
const READY: Duration = Duration::from_secs(5);
/// How long its end is waited for.
const END: Duration = Duration::from_secs(5);
/// The longest section that is believed.
const LONGEST: usize = 64 << 20;

/// The other process as the first one has it; none where it could not be started, or nothing will be suspended.
#[derive(Debug, Default)]
pub(super) struct Watch(Option<Second>);

impl Watch {
    /// Starts it, for this section. `lock`: of the group whose devices these are.
    pub(super) fn start(machine: &Machine, critical: &Critical, dm: &Dm, lock: Option<OwnedFd>) -> Self {
        if critical.suspend.is_empty() {
            return Self(None);
        }
        match Second::start(&machine.procfs, NAME, lock) {
            Ok(mut second) => {
                second.tell(WatchedCommand::of(critical, |name| dm.is_new(name)).to_string().as_bytes());
                Self(Some(second))
            }
            Err(error) => {
                tracing::debug!(%error, "nobody watches the critical section");
                Self(None)
            }
        }
    }

    /// Waits until it is ready. One that is not in time will never be told that anything began.
    pub(super) fn wait(&mut self) {
        if self.0.as_mut().is_some_and(|second| !second.is_ready(READY)) {
            tracing::debug!("nobody watches the critical section: the other process is not ready");
            self.0 = None;
        }
    }

    /// Nothing in here allocates.
    pub(super) fn tell(&mut self, phase: Phase) {
        if let Some(second) = &mut self.0 {
            second.tell(&[phase.byte()]);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(second) = self.0.take() {
            second.end(END);
        }
    }
}

/// Everything that the second process may have to send.
struct Ready {
    back: Vec<Back>,
    new: Vec<Prepared>,
    written: Vec<Written>,
    released: Vec<Released>,
}

impl Ready {
    fn new(machine: &Machine, watched: &WatchedCommand) -> Result<Self, KernelError> {
        let control = Control::open(&machine.places)?;
        let back = watched.back.iter().map(|one| critical::back(&control, &one.name, one.flags));
        let remove = watched.new.iter().map(|one| {
            control.prepare(Who::Name(&one.name), PreparedRequest::Remove(critical::word(one.flags)))
        });
        let released = watched.go_on.iter().map(|one| Released::unheard(&control, &one.name, one.flags));
        Ok(Self {
            back: back.collect::<Result<_, _>>()?,
            new: remove.collect::<Result<_, _>>()?,
            written: critical::writes(&watched.commit)?,
            released: released.collect::<Result<_, _>>()?,
        })
    }

    /// Nothing in here allocates.
    fn end(&mut self, ending: WatchEnding) {
        match ending {
            WatchEnding::Nothing => {}
            WatchEnding::Old => self.back(),
            WatchEnding::Commit if critical::commit(&mut self.written).is_some() => self.back(),
            WatchEnding::Commit | WatchEnding::New => self.released.iter_mut().for_each(Released::fire),
        }
    }

    fn back(&mut self) {
        self.back.iter_mut().for_each(Back::fire);
        // Without a table they hold nothing back; what is in use stays.
        for one in &mut self.new {
            let _ = one.fire();
        }
    }
}

/// The second process, from its beginning to its end.
///
/// # Errors
/// It cannot be of use. The first one goes on without it.
pub fn run(machine: &Machine) -> Result<()> {
    second::stand_alone(NAME);
    let told = SecondSide;
    let text = told.text(LONGEST, WatchedCommand::is_whole).context("nobody says what to watch")?;
    let watched =
        WatchedCommand::parse(std::str::from_utf8(&text)?).context("a section that is not understood")?;
    let mut ready = Ready::new(machine, &watched)?;
    let undisturbed = Undisturbed::begin();
    told.answer()?;
    let mut phase = Phase::Ready;
    while let Some(byte) = told.byte() {
        phase = Phase::of(byte).unwrap_or(phase);
    }
    let ending = phase.ending();
    ready.end(ending);
    drop(undisturbed);
    let how = match ending {
        WatchEnding::Nothing => return Ok(()),
        WatchEnding::Old => "with their old tables",
        WatchEnding::Commit | WatchEnding::New => "with their new tables",
    };
    let names: Vec<&str> = watched.go_on.iter().map(|one| one.name.as_str()).collect();
    let said =
        format!("mdctl: a command was killed while devices were suspended; {} go on {how}", names.join(", "));
    kmsg::say(&machine.places.dev.join("kmsg"), &said);
    Ok(())
}

#[cfg(test)]
mod tests {
    use superblock::{Bytes, Sectors, Write};

    use super::*;
    use crate::{
        model::dm::{Dev, Leg, Table, Target, UdevFlags},
        plan::fake::dm::FakeDm,
        plan::{
            critical::{Commit, Resume, Suspend},
            dm::DmStep,
        },
    };

    /// What the first process does, one after the other.
    enum Act {
        Tell(Phase),
        Suspend(&'static str),
        Write,
        Resume(&'static str),
    }

    fn on(name: &str) -> Table {
        Table::of(Sectors(8), Target::Linear(Leg { dev: Dev::Dm(name.into()), start: Sectors(0) }))
    }

    fn load(name: &str, table: Table) -> DmStep {
        DmStep::Load { name: name.into(), table, read_only: false }
    }

    fn made(dm: &mut FakeDm, name: &str, table: Table) {
        dm.apply(&DmStep::Create { name: name.into(), uuid: None, minor: None }).unwrap();
        dm.apply(&load(name, table)).unwrap();
    }

    fn resume(dm: &mut FakeDm, name: &str) {
        dm.devices.get_mut(name).unwrap().suspended = false;
        let waiting = dm.devices.get_mut(name).unwrap().waiting.take();
        if let Some(table) = waiting {
            dm.devices.get_mut(name).unwrap().live = Some(table);
        }
    }

    /// `top` stands on `real`, which is new, as is `snap`.
    fn first_snapshot() -> (FakeDm, Critical) {
        let mut dm = FakeDm::default();
        made(&mut dm, "top", Table::of(Sectors(8), Target::Error));
        resume(&mut dm, "top");
        made(&mut dm, "real", Table::of(Sectors(8), Target::Error));
        made(&mut dm, "snap", on("real"));
        dm.apply(&load("top", on("real"))).unwrap();
        let suspend = |name: &str| Suspend { name: name.into(), freeze: true };
        let go_on = |name: &str| Resume { name: name.into(), flags: UdevFlags::VISIBLE };
        let writes = vec![("/dev/a".to_owned(), vec![Write { at: Bytes(0), data: vec![1] }])];
        let critical = Critical {
            suspend: vec![suspend("top"), suspend("real")],
            commit: Some(Commit { group: "vg".into(), seqno: 2, writes }),
            resume: vec![go_on("real"), go_on("snap"), go_on("top")],
        };
        (dm, critical)
    }

    const ACTS: [Act; 10] = [
        Act::Tell(Phase::Begun),
        Act::Suspend("top"),
        Act::Suspend("real"),
        Act::Tell(Phase::Committing),
        Act::Write,
        Act::Tell(Phase::Committed),
        Act::Resume("real"),
        Act::Resume("snap"),
        Act::Resume("top"),
        Act::Tell(Phase::Done),
    ];

    #[test]
    fn killed_anywhere_all_goes_on_and_all_is_old_or_all_new() {
        for cut in 0..=ACTS.len() {
            let (mut dm, critical) = first_snapshot();
            let watched = WatchedCommand::of(&critical, |name| dm.devices[name].live.is_none());
            let (mut phase, mut committed) = (Phase::Ready, false);
            for act in &ACTS[..cut] {
                match act {
                    Act::Tell(told) => phase = *told,
                    Act::Suspend(name) => dm.devices.get_mut(*name).unwrap().suspended = true,
                    Act::Write => committed = true,
                    Act::Resume(name) => resume(&mut dm, name),
                }
            }
            match phase.ending() {
                WatchEnding::Nothing => {}
                WatchEnding::Old => {
                    for one in &watched.back {
                        dm.devices.get_mut(&one.name).unwrap().waiting = None;
                        resume(&mut dm, &one.name);
                    }
                    for one in &watched.new {
                        let name = one.name.clone();
                        let flags = one.flags;
                        dm.apply(&DmStep::Remove { name, flags, deferred: false }).unwrap();
                    }
                }
                WatchEnding::Commit | WatchEnding::New => {
                    committed = true;
                    watched.go_on.iter().for_each(|one| resume(&mut dm, &one.name));
                }
            }
            assert!(dm.devices.values().all(|device| !device.suspended), "after {cut}: {dm:#?}");
            let old = dm.devices["top"].live == Some(Table::of(Sectors(8), Target::Error));
            assert_eq!(committed, !old, "after {cut}: {dm:#?}");
            let new = ["real", "snap"].map(|name| dm.devices.get(name).is_some_and(|one| one.live.is_some()));
            assert_eq!(new, [committed; 2], "after {cut}: {dm:#?}");
            let waits = cut > 0 && dm.devices.values().any(|device| device.waiting.is_some());
            assert!(!waits, "after {cut}: {dm:#?}");
        }
    }
}
