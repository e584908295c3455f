//! One device that came, as a course: look at it, at the machine, and at the other members where they may be enough; act
//! on that under the lock; look again where somebody was quicker.

use std::collections::BTreeSet;

use super::{
    Arrival, IncrementalJob, Started,
    admission::{self, Denied},
    arrange::{Arrangement, arrange, leaving, show},
    bare::Bare,
    late::Late,
    names, node,
    words::{answer, fewest, not_enough, not_taken},
};
use crate::{
    model::{RunningArray, Sight, world::MapEntry},
    plan::{
        DiskStep, MdStep, Plan, Refusal, Step, SystemStep,
        assemble::{ArrayOutcome, CandidatePath, Claim, Options, Session},
        course::{Course, Deed, Event, Look, Said, Turn, Unseen, UsedBy},
        manage::session::Manage,
        naming::NameTrust,
        run::Failure,
    },
    words::{ArrayAttr, Errno},
};

/// Exit status of a failure.
pub(super) const FAILED: u8 = 1;
/// Exit status of a member that the array does not take.
pub(super) const NOT_TAKEN: u8 = 2;
/// How often others may be quicker: each time one of them has done something, and an array has no more members.
const MOST_OUTDATED: usize = 2 * 384;
/// Numbers of arrays that nobody named are given out from here down.
const LAST_NUMBER: u32 = 127;
/// How many of them are passed over at most.
const MOST_SPREAD: u32 = 97;
/// How often the device may be held by others without being in an array. One that does the same for the same device lets
/// the lock go only when it is in.
const MOST_BUSY: usize = 2;

/// One device that came.
pub struct Joining<'a> {
    pub(super) session: Session<'a>,
    pub(super) job: IncrementalJob,
    pub(super) stage: Stage,
    /// How often somebody else was quicker.
    outdated: usize,
    /// How often the device was held by somebody.
    busy: usize,
    /// Arrays that the map does not know were looked at.
    searched: bool,
    /// The kernel did not take it unseen: look at who is there.
    closely: bool,
    /// The device's own node.
    mine: Option<String>,
    /// Nodes that were looked at.
    pub(super) looked: BTreeSet<String>,
    /// The device, where nothing is on it.
    pub(super) bare: Option<Bare>,
    /// Its array, which the map does not know.
    unmapped: Option<String>,
    /// Lines of the map that are wrong.
    wrong: Vec<MapEntry>,
    came: Option<Arrival>,
    whole: Option<(superblock::MdUuid, String)>,
    pub(super) say: Vec<Said>,
}

/// What is waited for.
pub(super) enum Stage {
    /// The machine.
    World,
    /// The device.
    Device,
    /// Members of arrays.
    Members,
    /// A plan.
    Acting(Box<Acting>),
    /// The path of an array that was started.
    Showing(Arrival),
    /// The words of manage, in an array that runs.
    Late(Box<Manage>, Late),
}

/// What is being done.
pub(super) struct Acting {
    plan: Plan,
    came: Arrival,
    /// Without a look at the other members.
    unseen: bool,
}

impl Course for Joining<'_> {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }

    fn keeps_its_turn(&self) -> bool {
        true
    }
}

impl<'a> Joining<'a> {
    /// Begins; the session has looked at nothing yet.
    #[must_use]
    pub fn new(mut session: Session<'a>, job: IncrementalJob) -> Self {
        session.options = Options { run: job.run, waits: true, ..Options::default() };
        Self {
            session,
            job,
            stage: Stage::World,
            outdated: 0,
            busy: 0,
            searched: false,
            closely: false,
            mine: None,
            looked: BTreeSet::new(),
            bare: None,
            unmapped: None,
            wrong: Vec::new(),
            came: None,
            whole: None,
            say: Vec::new(),
        }
    }

    /// An array that comes up as a whole or not at all, and what is said where it does not.
    #[must_use]
    pub fn whole(&self) -> Option<(superblock::MdUuid, String)> {
        self.whole.clone()
    }

    /// What became of its array.
    #[must_use]
    pub fn came(self) -> Option<Arrival> {
        self.came
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        let stage = std::mem::replace(&mut self.stage, Stage::World);
        Ok(match (stage, event) {
            (Stage::Late(manage, late), event) => self.late(manage, late, event),
            (_, Event::Begin) => Turn::look(Look::World { fresh: 0 }),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (Stage::World, Event::Seen(view)) => {
                self.session.world = *view.world()?;
                if self.session.candidates.is_empty() {
                    self.stage = Stage::Device;
                    Turn::look(Look::Members {
                        paths: vec![self.job.device.clone()],
                        used_by: UsedBy::Unasked,
                    })
                } else {
                    self.spread();
                    self.decide()
                }
            }
            (Stage::Device, Event::Seen(view)) => match view.members()?.first() {
                Some(sight) => self.device(sight),
                None => Turn::end(FAILED),
            },
            (Stage::Members, Event::Seen(view)) => {
                for sight in view.members()? {
                    let candidate = CandidatePath::new(&sight, self.session.asked);
                    self.looked.insert(sight.path);
                    if !self.session.candidates.iter().any(|known| is_same(known, &candidate)) {
                        self.session.candidates.push(candidate);
                    }
                }
                self.decide()
            }
            (Stage::Acting(acting), Event::Done(deeds)) => match deeds.into_iter().next() {
                Some(deed) => self.done(*acting, deed),
                None => Turn::end(FAILED),
            },
            (Stage::Showing(came), Event::Done(deeds)) => {
                if let Some(Deed::Failed(failure)) = deeds.first() {
                    self.say.push(Said::warn(failure.why()));
                }
                self.end(came)
            }
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    /// All who begin an array at one time choose the same number, and all but one look again. From then on each
    /// passes over so many free numbers as its array's identity says, so that they do not meet at the next one.
    fn spread(&mut self) {
        let claim = self.session.candidates.first().and_then(|known| known.of(self.session.asked).ok());
        let Some(claim) = claim.filter(|_| self.outdated > 0) else { return };
        let sum =
            claim.facts.array.0.iter().fold(0, |sum: u32, byte| (sum * 31 + u32::from(*byte)) % MOST_SPREAD);
        let arrays = &mut self.session.world.arrays;
        for number in (0..=LAST_NUMBER).rev().take(usize::try_from(sum).unwrap_or(0)) {
            let name = format!("md{number}");
            if !arrays.iter().any(|array| array.name == name) {
                arrays.push(RunningArray { name, ..RunningArray::default() });
            }
        }
    }

    /// The device was looked at.
    fn device(&mut self, sight: &Sight) -> Turn {
        if let Err(refusal) = admission::device(sight, &self.job, &self.session.world) {
            return Turn::refuse(refusal);
        }
        if let Ok(device) = &sight.found {
            let places = self.session.by_path.entry(device.id).or_default();
            places.extend(self.job.places.iter().cloned());
            self.bare = Some(Bare::new(device, sight.bare));
            self.mine = Some(node(&device.kernel_name));
            self.looked.extend(self.mine.clone());
        }
        self.session.candidates = vec![CandidatePath::new(sight, self.session.asked)];
        self.decide()
    }

    fn decide(&mut self) -> Turn {
        let Some(candidate) = self.session.candidates.first() else { return Turn::end(FAILED) };
        let mine = match admission::member(candidate, &self.session) {
            Ok(claim) => claim.clone(),
            Err(denied) => return self.denied(denied),
        };
        let existing = self.session.existing(mine.facts.array, self.session.asked).cloned();
        if let Some(array) = &existing {
            self.name(array, &mine);
        }
        match existing {
            None => {
                let strangers = self.strangers();
                if !std::mem::replace(&mut self.searched, true) && !strangers.is_empty() {
                    return self.look_at(strangers);
                }
                self.join(&mine, None)
            }
            Some(array) if array.is_active() => self.join_running(&mine, &array),
            Some(array) => {
                let inside = array.members.contains(&mine.id);
                let paths = self.unknown(&array);
                let may_start = array.members.len() + 1 >= fewest(&mine) || self.job.run;
                if !paths.is_empty() && (inside || may_start || self.closely) {
                    return self.look_at(paths);
                }
                if !paths.is_empty() {
                    return self.join_unseen(&mine, &array);
                }
                self.join(&mine, Some(&array))
            }
        }
    }

    /// An array that the map does not know gets the name that it would have got.
    fn name(&mut self, array: &RunningArray, mine: &Claim) {
        if !self.session.world.map.iter().any(|entry| entry.devnm == array.name) {
            let path = names::path(&self.session, array, mine);
            let (devnm, metadata) = (array.name.clone(), String::new());
            self.session.world.map.push(MapEntry { devnm, metadata, uuid: mine.facts.array, path });
            self.unmapped = Some(array.name.clone());
        }
    }

    fn denied(&mut self, denied: Denied) -> Turn {
        match denied {
            Denied::Bare => self.spare(),
            Denied::Refused(refusal) => Turn::refuse(refusal),
            Denied::Whole(array, text) => {
                self.whole = Some((array, text));
                Turn::end(FAILED)
            }
            Denied::Quietly(text) => {
                self.say.push(Said::detail(text));
                Turn::end(FAILED)
            }
        }
    }

    pub(super) fn look_at(&mut self, paths: Vec<String>) -> Turn {
        self.stage = Stage::Members;
        Turn::look(Look::Members { paths, used_by: UsedBy::Unasked })
    }

    /// One member of each array that the map does not know and that waits: a killed process may have begun it.
    fn strangers(&self) -> Vec<String> {
        let map = &self.session.world.map;
        let waiting = self.session.world.arrays.iter().filter(|array| {
            let native = !array.metadata.starts_with("external:");
            native && !array.is_active() && !map.iter().any(|entry| entry.devnm == array.name)
        });
        waiting.filter_map(|array| array.names.first()).map(|name| node(name)).collect()
    }

    /// The members of an array that were not looked at.
    fn unknown(&self, array: &RunningArray) -> Vec<String> {
        array.names.iter().map(|name| node(name)).filter(|path| !self.looked.contains(path)).collect()
    }

    /// Into an array that cannot start with one more: the kernel compares identities, and those who see enough look at all.
    fn join_unseen(&mut self, mine: &Claim, array: &RunningArray) -> Turn {
        let name = self.session.name_of(array);
        let plan = self.session.decide(vec![0], None, &self.session.options, self.session.asked);
        let outcome = match plan {
            Ok((outcome, _)) => outcome,
            Err(refusal) => return Turn::refuse(refusal),
        };
        let came = Arrival {
            foreign: self.is_foreign(mine),
            started: Some(Started::No),
            message: not_enough(&mine.path, &name, array.members.len() + 1),
            array: name,
        };
        let how = Arrangement { mapped: self.is_mapped(array), ..Arrangement::default() };
        self.carry_out(outcome.plan, came, how, true)
    }

    /// Into an array that waits, or a new one, by all of its members.
    fn join(&mut self, mine: &Claim, array: Option<&RunningArray>) -> Turn {
        let inside = array.is_some_and(|array| array.members.contains(&mine.id));
        if let Some(array) = array.filter(|_| !inside) {
            if self.is_of_another(array, mine) {
                // The line is of an array that was there before.
                let (wrong, map) = std::mem::take(&mut self.session.world.map)
                    .into_iter()
                    .partition(|e| e.devnm == array.name);
                self.session.world.map = map;
                self.wrong = wrong;
                return self.decide();
            }
        }
        let word = admission::word(&self.session, mine).filter(|_| array.is_none());
        let decided = self.decided(word);
        let outcome = match decided {
            Ok(outcome) => outcome,
            Err(refusal) => return Turn::refuse(refusal.status(NOT_TAKEN)),
        };
        let out = outcome.out.iter().find(|(path, _)| *path == mine.path).map(|(_, why)| why.clone());
        if let Some(why) = out.filter(|_| !inside) {
            return Turn::refuse(not_taken(mine, &outcome.name, &why));
        }
        let foreign = self.is_foreign(mine);
        let leaving = leaving(&outcome.plan);
        for (path, why) in outcome.out.iter().filter(|(path, _)| leaving.contains(path)) {
            self.say.push(Said::note(format!("{path} is taken out of {}: {why}", outcome.name.path)));
        }
        let tentative = foreign || (self.job.run && !outcome.is_complete());
        let mapped = array.is_some_and(|array| self.is_mapped(array));
        let came = answer(mine, &outcome, foreign);
        let starts = came.started == Some(Started::Yes);
        if inside && !starts && leaving.is_empty() && mapped {
            return self.end(came);
        }
        let awaited = self.awaited(mine, came.started, array.is_some());
        let how = Arrangement { tentative, mapped, awaited, ..Arrangement::default() };
        self.carry_out(outcome.plan, came, how, false)
    }

    /// What is noted of an array that others wait for, so that a member that comes too late is known as one of those.
    fn awaited(&self, mine: &Claim, started: Option<Started>, is_there: bool) -> Option<Step> {
        let path = format!("{}/{}", self.job.waits, mine.facts.array);
        match started {
            Some(Started::Unsafe) => {
                let claims =
                    self.session.candidates.iter().filter_map(|known| known.of(self.session.asked).ok());
                let own = claims.filter(|claim| claim.facts.array == mine.facts.array);
                let events = own.map(|claim| claim.facts.events).max().unwrap_or_default();
                let text = format!("{}\n", events.0);
                Some(Step::System(SystemStep::WriteFile { path, text, mode: 0o644 }))
            }
            Some(Started::Yes) if is_there => Some(Step::System(SystemStep::RemoveFile { file: path })),
            _ => None,
        }
    }

    /// Whoever insists starts what has enough members and lacks some; what has too few waits all the same.
    fn decided(&self, word: Option<&str>) -> Result<ArrayOutcome, Refusal> {
        let with = |options: &Options| {
            let decided = self.session.decide(vec![0], word, options, self.session.asked);
            decided.map(|(outcome, _)| outcome)
        };
        let options = self.session.options;
        let outcome = with(&options)?;
        if outcome.shortage.is_some() && options.run {
            return with(&Options { run: false, ..options });
        }
        Ok(outcome)
    }

    fn carry_out(&mut self, plan: Plan, came: Arrival, mut how: Arrangement, unseen: bool) -> Turn {
        how.wrong.clone_from(&self.wrong);
        let plan = arrange(plan, &came.array, &how);
        self.stage = Stage::Acting(Box::new(Acting { plan: plan.clone(), came, unseen }));
        Turn::carry_out(plan)
    }

    fn done(&mut self, acting: Acting, deed: Deed) -> Turn {
        let failure = match deed {
            Deed::Done if acting.came.started == Some(Started::Yes) => {
                let plan = show(&acting.came.array);
                self.stage = Stage::Showing(acting.came);
                return Turn::carry_out(plan);
            }
            Deed::Done => return self.end(acting.came),
            // It was shown, and nothing came of it.
            Deed::Shown => return Turn::end(0),
            Deed::Failed(failure) => failure,
        };
        let step = acting.plan.steps.get(failure.at);
        if failure.committed {
            return self.half_done(acting.came, step, &failure);
        }
        let left = failure.not_undone.iter().map(|left| Said::error(format!("could not undo: {left}")));
        self.say.extend(left);
        if failure.stale && self.outdated < MOST_OUTDATED {
            self.outdated += 1;
            self.say.push(Said::detail(format!("{:#}", failure.cause)));
            return self.again();
        }
        let device = &self.job.device;
        let why = failure.answer().unwrap_or_else(|| format!("{:#}", failure.cause));
        let (text, status) = match step {
            Some(Step::Disk(DiskStep::Claim { .. })) if self.busy < MOST_BUSY => {
                self.busy += 1;
                return self.again();
            }
            Some(Step::Disk(DiskStep::Claim { .. })) => {
                // Who holds it stands in the cause, behind the device's name.
                let why = why.strip_prefix(&format!("{device}: ")).unwrap_or(&why).to_owned();
                (format!("cannot reopen {device}: {why}."), FAILED)
            }
            Some(Step::Md(MdStep::HotAdd { .. })) => {
                let refused = matches!(failure.errno, Some(Errno::EBUSY | Errno::EINVAL));
                if acting.unseen && refused && !std::mem::replace(&mut self.closely, true) {
                    return self.again();
                }
                (format!("failed to add {device} to {}: {why}.", acting.came.array.path), NOT_TAKEN)
            }
            _ => (format!("{}: {}: {:#}", acting.came.array.path, failure.step, failure.cause), NOT_TAKEN),
        };
        Turn::refuse(Refusal::new(text).status(status))
    }

    /// The member is in; something of what follows did not happen.
    fn half_done(&mut self, mut came: Arrival, step: Option<&Step>, failure: &Failure) -> Turn {
        let starts = matches!(
            step,
            Some(Step::Md(MdStep::Run { .. } | MdStep::SetAttr { attr: ArrayAttr::ArrayState, .. }))
        );
        if !starts {
            self.say.push(Said::warn(failure.why()));
            return self.end(came);
        }
        let why = failure.answer().unwrap_or_else(|| format!("{:#}", failure.cause));
        let (device, path) = (&self.job.device, &came.array.path);
        let text = format!("{device} attached to {path}, but failed to start: {why}.");
        self.say.push(Said::error(&text));
        self.say.push(Said::detail(format!("{:#}", failure.cause)));
        came.started = None;
        came.message = text;
        self.came = Some(came);
        Turn::end(FAILED)
    }

    /// Once more from the look at the machine; what is on the device did not change.
    fn again(&mut self) -> Turn {
        self.session.candidates.truncate(1);
        self.looked = self.mine.iter().cloned().collect();
        self.wrong.clear();
        self.unmapped = None;
        self.searched = false;
        self.stage = Stage::World;
        Turn::look(Look::World { fresh: 0 })
    }

    pub(super) fn end(&mut self, came: Arrival) -> Turn {
        let quiet = self.job.export;
        self.say.push(if quiet { Said::detail(&came.message) } else { Said::note(&came.message) });
        self.came = Some(came);
        Turn::end(0)
    }

    pub(super) fn is_foreign(&self, mine: &Claim) -> bool {
        self.session.trust(mine) == NameTrust::Foreign
    }

    fn is_mapped(&self, array: &RunningArray) -> bool {
        let map = &self.session.world.map;
        self.unmapped.as_ref() != Some(&array.name)
            && map.iter().any(|entry| entry.devnm == array.name && !entry.path.is_empty())
    }

    /// Whether its members say that the array is another one than this member's. Where none can be read the map is believed.
    fn is_of_another(&self, array: &RunningArray, mine: &Claim) -> bool {
        let claims = self.session.candidates.iter().filter_map(|known| known.of(self.session.asked).ok());
        let inside = claims.filter(|claim| array.members.contains(&claim.id));
        let mut same = inside.map(|claim| claim.facts.array == mine.facts.array).peekable();
        same.peek().is_some() && !same.any(|same| same)
    }
}

/// Whether two paths are of one device.
fn is_same(a: &CandidatePath, b: &CandidatePath) -> bool {
    let id = |candidate: &CandidatePath| candidate.claim.as_ref().ok().map(|claim| claim.id);
    a.path == b.path || (id(a).is_some() && id(a) == id(b))
}
