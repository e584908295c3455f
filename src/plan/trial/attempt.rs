//! One guess on its own overlays, turn by turn: they are made, an array is started over them, somebody looks, and all is
//! taken away again, however it went.

use superblock::{Bytes, Events, MdUuid, Sectors, foreign::Foreign};

use super::{
    removal::{Remains, Removal},
    request, unseen,
};
use crate::{
    model::{
        Candidate, DevId, Device, World,
        overlay::{Underlays, name_of},
        trial::{Checker, Scored, ToolEnded, Tried},
    },
    plan::{
        ArrayName, MdStep, Plan, Refusal, Step, SystemStep,
        course::{Deed, Event, Look, Turn, Unseen},
        create::{self, CreateSettings},
        dm::DmStep,
        overlay::{self, NewSet, OverlayStep, path_of},
        run::Failure,
    },
    request::CreateRequest,
    words::Errno,
};

/// So often something is tried again because somebody else was quicker.
const MOST_AGAIN: u32 = 3;

/// Where a superblock is, and of a sound one the array, how far it came and when that was.
pub type SuperblockMark = (Sectors, Option<(MdUuid, Events, u64)>);

/// A device that was looked at to guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialDevice {
    /// Its path.
    pub path: String,
    /// Its number.
    pub id: DevId,
    /// Its size.
    pub size: Bytes,
    /// The superblocks on it.
    pub superblocks: Vec<SuperblockMark>,
    /// What else is on it.
    pub foreign: Vec<Foreign>,
}

impl From<&Device> for TrialDevice {
    fn from(device: &Device) -> Self {
        let said = device.probe.found.iter().map(|found| {
            let said = found.verify().ok().map(|said| (said.array, said.events, said.updated));
            (found.at(), said)
        });
        Self {
            path: device.path.clone(),
            id: device.id,
            size: device.size,
            superblocks: said.collect(),
            foreign: device.foreign.clone(),
        }
    }
}

impl TrialDevice {
    /// Whether its path still leads to it, and nothing is there that was not there before. What is missing may be what
    /// could not be read this time.
    ///
    /// # Errors
    /// What was found out is of another device, or of what was there before.
    pub(super) fn still(&self, now: &Candidate) -> Result<(), Refusal> {
        let Ok(now) = &now.found else { return Ok(()) };
        let now = Self::from(now);
        let known = now.superblocks.iter().all(|one| self.superblocks.contains(one))
            && now.foreign.iter().all(|one| self.foreign.contains(one));
        let text = match (now.id, now.size) == (self.id, self.size) {
            true if known => return Ok(()),
            true => format!("{} was written to since it was looked at", self.path),
            false => format!("{} is another device than the one that was looked at", self.path),
        };
        Err(Refusal::new(text).hint("try again"))
    }
}

/// What all guesses of a trial are tried with.
#[derive(Clone, Debug)]
pub struct TrialBench {
    /// The devices that the guesses speak of by number.
    pub devices: Vec<TrialDevice>,
    /// The directory for the overlays' files.
    pub store: String,
    /// The size of each; 0 for what the member may need.
    pub store_size: Bytes,
    /// For arrays that are made.
    pub settings: CreateSettings,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What is below.
    Beneath,
    /// The end of the plan that makes the overlays.
    Overlaying,
    /// The machine.
    World,
    /// What is on the overlays.
    Overlaid,
    /// The end of the plan that starts the array.
    Starting,
    /// What the file system's tool finds.
    Checking,
    /// The end of the removal.
    Removing,
}

/// One guess that is tried.
#[derive(Debug)]
pub(super) struct Attempt {
    scored: Scored,
    set: String,
    stage: Stage,
    /// The paths of the overlays by the number of the device below; empty for one that the guess leaves out.
    paths: Vec<String>,
    /// The plan that makes the overlays.
    making: Plan,
    world: World,
    /// The plan that starts the array.
    starting: Plan,
    array: Option<ArrayName>,
    tried: Option<Tried>,
    again: u32,
    removal: Removal,
}

impl Attempt {
    /// `stays`: it is to stay up, and is not looked at.
    pub(super) fn new(scored: Scored, set: String, stays: bool, bench: &TrialBench) -> Self {
        let members = scored.hypothesis.seats.iter().flatten().count();
        Self {
            scored,
            removal: Removal::new(set.clone(), bench.store.clone(), members, stays),
            set,
            stage: Stage::Beneath,
            paths: vec![String::new(); bench.devices.len()],
            making: Plan::default(),
            world: World::default(),
            starting: Plan::default(),
            array: None,
            tried: None,
            again: 0,
        }
    }

    /// What comes next; `None` when it is over.
    pub(super) fn next(&mut self, bench: &TrialBench, event: Event) -> Option<Turn> {
        self.turn(bench, event).unwrap_or_else(|unseen| self.give_up(Tried::Untried(unseen.text)))
    }

    /// What is known of the guess now, and what of it is still there.
    pub(super) fn came(self) -> (Option<Tried>, Remains) {
        (self.removal.judged(self.tried), self.removal.remains())
    }

    fn turn(&mut self, bench: &TrialBench, event: Event) -> Result<Option<Turn>, Unseen> {
        Ok(match (self.stage, event) {
            (Stage::Removing, event) => self.removal.next(event),
            (_, Event::Begin) => Some(self.look_beneath(bench)),
            (Stage::Beneath, Event::Seen(view)) => self.beneath(bench, view.underlays()?),
            (Stage::Overlaying, Event::Done(deeds)) => self.overlaid(bench, deeds),
            (Stage::World, Event::Seen(view)) => {
                self.world = *view.world()?;
                self.stage = Stage::Overlaid;
                let paths = self.paths.iter().filter(|path| !path.is_empty());
                Some(Turn::look(Look::ToWrite { paths: paths.cloned().collect() }))
            }
            (Stage::Overlaid, Event::Seen(view)) => self.start(bench, view.to_write()?),
            (Stage::Starting, Event::Done(deeds)) => self.started(deeds),
            (Stage::Checking, Event::Seen(view)) => {
                let ended = view.tool()?;
                self.give_up(found(&self.scored, ended))
            }
            // Not to see what a tool finds is as if there were none.
            (Stage::Checking, Event::Unseen(unseen)) => self.give_up(Tried::Blind(unseen.text)),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, Event::Seen(_) | Event::Done(_) | Event::Woke(_) | Event::Answered(_)) => self.take_away(),
        })
    }

    /// The devices that the guess seats, with their numbers, in the order of the slots.
    fn used<'a>(&self, bench: &'a TrialBench) -> Vec<(usize, &'a TrialDevice)> {
        let seats = self.scored.hypothesis.seats.iter().flatten();
        seats.filter_map(|seat| Some((seat.device, bench.devices.get(seat.device)?))).collect()
    }

    fn look_beneath(&mut self, bench: &TrialBench) -> Turn {
        self.stage = Stage::Beneath;
        let paths = self.used(bench).into_iter().map(|(_, device)| device.path.clone()).collect();
        Turn::look(Look::Underlays { paths })
    }

    fn beneath(&mut self, bench: &TrialBench, seen: Underlays) -> Option<Turn> {
        let used = self.used(bench);
        let mut same = used.iter().zip(&seen.devices).map(|((_, then), now)| then.still(&now.device));
        let wanted = same.try_for_each(|one| one).and_then(|()| overlay::wanted(seen));
        let new = NewSet { set: self.set.clone(), store: bench.store.clone(), size: bench.store_size };
        let plan = wanted.and_then(|wanted| {
            for ((number, _), member) in used.iter().zip(&wanted) {
                if let Some(path) = self.paths.get_mut(*number) {
                    *path = path_of(&name_of(&self.set, &member.kernel_name));
                }
            }
            overlay::create(&new, &wanted)
        });
        match plan {
            Ok(plan) => {
                self.removal.begun = true;
                self.making = plan.clone();
                self.stage = Stage::Overlaying;
                Some(Turn::carry_out(plan))
            }
            Err(refusal) => self.give_up(Tried::Untried(refusal.text)),
        }
    }

    fn overlaid(&mut self, bench: &TrialBench, deeds: Vec<Deed>) -> Option<Turn> {
        match deeds.into_iter().next() {
            Some(Deed::Failed(failure)) if !failure.committed => {
                // Somebody else took a loop device, or a member is gone by now: a look tells.
                let looks = self.again == 0 || failure.errno == Some(Errno::EBUSY);
                if looks && self.once_more(&failure) {
                    return Some(self.look_beneath(bench));
                }
                let why = failure.to_string();
                let of_room = self.making.steps.get(failure.at).is_some_and(needs_room);
                self.give_up(if of_room { Tried::NoRoom(why) } else { Tried::Untried(why) })
            }
            // What comes after the commit is held by this process alone, and ends with it.
            Some(Deed::Done | Deed::Failed(_)) => Some(self.look_around()),
            Some(Deed::Shown) | None => self.take_away(),
        }
    }

    fn look_around(&mut self) -> Turn {
        self.stage = Stage::World;
        Turn::look(Look::World { fresh: self.request().identities() })
    }

    /// What has to be asked for so that it is on the overlays.
    fn request(&self) -> CreateRequest {
        request(&self.scored.hypothesis, &self.paths, &format!("/dev/md/{}", self.set), true)
    }

    fn start(&mut self, bench: &TrialBench, overlays: Vec<Candidate>) -> Option<Turn> {
        // An overlay that is gone, or used by another, says nothing of the guess.
        let own = overlays.iter().find_map(|overlay| match &overlay.found {
            Ok(device) if device.busy => Some(format!("{} is in use", overlay.path)),
            Ok(_) => None,
            Err(why) => Some(format!("{}: {}", overlay.path, overlay::unusable(why))),
        });
        if let Some(why) = own {
            return self.give_up(Tried::Untried(why));
        }
        self.world.devices = overlays;
        let request = self.request();
        let context = match bench.settings.context(&request, &self.world) {
            Ok(context) => context,
            Err(refusal) => return self.give_up(Tried::Untried(refusal.text)),
        };
        match create::plan(&request, &context, &self.world) {
            Ok(plan) => {
                self.starting = unseen(&plan);
                self.array = Some(context.array);
                self.stage = Stage::Starting;
                Some(Turn::carry_out(self.starting.clone()))
            }
            Err(refusal) => self.give_up(Tried::NoStart(refusal.text)),
        }
    }

    fn started(&mut self, deeds: Vec<Deed>) -> Option<Turn> {
        match deeds.into_iter().next() {
            Some(Deed::Failed(failure)) if !failure.committed => self.not_started(&failure),
            // What comes after the commit lets go of what was held.
            Some(Deed::Done | Deed::Failed(_)) => {
                self.removal.marked = self.array.clone();
                self.removal.array = self.array.clone();
                self.tried = Some(Tried::Starts);
                let tool = Checker::of(&self.scored).filter(|_| !self.removal.stays);
                match (tool, &self.array) {
                    (Some(tool), Some(array)) => {
                        self.stage = Stage::Checking;
                        Some(Turn::look(Look::Tool { tool, device: format!("/dev/{}", array.kernel) }))
                    }
                    _ => self.take_away(),
                }
            }
            Some(Deed::Shown) | None => self.take_away(),
        }
    }

    fn not_started(&mut self, failure: &Failure) -> Option<Turn> {
        let step = self.starting.steps.get(failure.at);
        let of_guess = step.is_some_and(tells_of_guess);
        // Somebody else took the number.
        let taken = failure.stale || matches!(step, Some(Step::Md(MdStep::NewArray { .. })));
        if taken && self.once_more(failure) {
            return Some(self.look_around());
        }
        if !failure.not_undone.is_empty() {
            self.removal.marked = self.array.clone();
        }
        let why = failure.to_string();
        self.give_up(if of_guess { Tried::NoStart(why) } else { Tried::Untried(why) })
    }

    /// Whether somebody else was quicker, nothing is left of what was tried, and it is not for ever.
    fn once_more(&mut self, failure: &Failure) -> bool {
        self.again += 1;
        self.again < MOST_AGAIN && failure.not_undone.is_empty()
    }

    /// This is what came of it.
    fn give_up(&mut self, tried: Tried) -> Option<Turn> {
        self.tried = Some(tried);
        self.take_away()
    }

    /// Before the first step there is nothing to be taken away.
    fn take_away(&mut self) -> Option<Turn> {
        if !self.removal.begun {
            return None;
        }
        self.stage = Stage::Removing;
        self.removal.next(Event::Begin)
    }
}

/// Whether this step writes to an overlay's file, or fails where that cannot be written.
fn needs_room(step: &Step) -> bool {
    matches!(
        step,
        Step::Overlay(OverlayStep::Store { .. })
            | Step::System(SystemStep::SaveFile { .. })
            | Step::Dm(DmStep::Load { .. } | DmStep::Resume { .. })
    )
}

/// Whether it is by the guess that this step fails: the kernel reads what was written and does not take it. Everything else
/// says something of the machine.
fn tells_of_guess(step: &Step) -> bool {
    matches!(
        step,
        Step::Md(MdStep::SetVersion { .. })
            | Step::Md(MdStep::SetShape { .. })
            | Step::Md(MdStep::AddDisk { .. })
            | Step::Md(MdStep::SetAttr { .. })
            | Step::Md(MdStep::Run { .. })
    )
}

fn found(scored: &Scored, ended: ToolEnded) -> Tried {
    match (Checker::of(scored), ended) {
        (Some(tool), ToolEnded::Ended(status)) => Tried::Looked { tool: tool.program(), status },
        (_, ToolEnded::Failed(why)) => Tried::Blind(why),
        (_, ToolEnded::NoTool) | (None, ToolEnded::Ended(_)) => Tried::Starts,
    }
}
