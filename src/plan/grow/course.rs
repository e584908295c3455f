//! `--grow` as a course: what one command asks for, one change after the other, each from the array as it is then.

use std::collections::VecDeque;

use raid::Reshape;
use superblock::Sectors;

use super::{Act, Change, Going, GrowJob, bitmap, going, name, policy, shape, size};
use crate::{
    model::grow::Growing,
    plan::{
        ArrayName, MdStep, Plan, Refusal, Step, SystemStep,
        course::{Course, Deed, Ending, Event, Look, Said, Then, Turn, Unseen},
        manage::{
            ManageContext,
            session::{Manage, ManageJob, no_array, one},
        },
        run::Failure,
    },
    request::{ManageOp, ManageWord},
    words::Errno,
};
use superblock::Level;

/// Exit status of a failure.
const FAILED: u8 = 1;
/// So often others are let go first who change the same array.
const MOST_COLLISIONS: u32 = 8;

/// One change of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    ArraySize,
    Bitmap,
    Continue,
    Size,
    /// What must be so before the shape is changed.
    Check,
    /// Recovery waits, and the array has its level on the way.
    Prepare,
    /// Devices are added.
    Members,
    Shape,
    Policy,
}

/// What is waited for.
enum Stage {
    Look,
    /// A change is being made.
    Change(Phase, Box<Act>),
    /// The array after its size was changed: what it had before.
    Sized(Sectors),
    /// Members are added.
    Adding(Box<Manage>),
    /// A reshape goes on.
    Going(Box<Going>),
    /// What was done for a shape is taken back, and then it ends.
    Back(Ending),
    End,
}

/// One command.
pub struct Grow {
    job: GrowJob,
    phases: VecDeque<Phase>,
    stage: Stage,
    known: Option<Box<Growing>>,
    /// What the shape is to become.
    change: Option<Change>,
    /// The level before, once the array has another on the way.
    prepared: Option<Level>,
    collisions: u32,
    say: Vec<Said>,
}

impl Course for Grow {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(|unseen| self.give_up(Refusal::from(unseen)));
        turn.after(std::mem::take(&mut self.say))
    }
}

impl Grow {
    /// Begins.
    #[must_use]
    pub fn new(job: GrowJob) -> Self {
        Self {
            job,
            phases: VecDeque::new(),
            stage: Stage::Look,
            known: None,
            change: None,
            prepared: None,
            collisions: 0,
            say: Vec::new(),
        }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        let stage = std::mem::replace(&mut self.stage, Stage::Look);
        Ok(match (stage, event) {
            (Stage::Look, Event::Begin) => {
                match phases(&self.job) {
                    Ok(phases) => self.phases = phases,
                    Err(refusal) => return Ok(Turn::refuse(refusal)),
                }
                self.look()
            }
            (Stage::Look, Event::Seen(view)) => match view.growing()? {
                Ok(array) => {
                    self.known = Some(array);
                    self.phase()
                }
                Err(absent) => {
                    let refusal = no_array(&self.job.array.path, &absent);
                    self.give_up(refusal)
                }
            },
            (Stage::Sized(before), Event::Seen(view)) => {
                if let Ok(array) = view.growing()? {
                    let after = array.managed.component_size();
                    self.say.push(size::came(&self.job, before, after));
                    self.known = Some(array);
                }
                self.phase()
            }
            (Stage::Change(phase, act), Event::Done(deeds)) => self.done(phase, *act, one(deeds)?),
            (Stage::Adding(manage), event) => self.adding(manage, event),
            (Stage::Going(going), event) => self.going(going, event),
            (Stage::Back(ending), Event::Done(deeds)) => {
                if let Deed::Failed(failure) = one(deeds)? {
                    self.say.push(Said::error(format!("could not undo: {}", failure.why())));
                }
                Then::End(ending).into()
            }
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    /// A file for what is set aside, where one was named.
    fn store(&self) -> Option<String> {
        self.job.request.backup_file.as_ref().map(|file| file.to_string_lossy().into_owned())
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::Look;
        Turn::look(Look::Growing { array: self.job.array.path.clone(), store: self.store() })
    }

    /// The next change.
    fn phase(&mut self) -> Turn {
        let Some(phase) = self.phases.front().copied() else { return self.end(0) };
        let Some(array) = self.known.take() else { return self.look() };
        self.phases.pop_front();
        self.job.array.kernel.clone_from(&array.managed.detail.kernel_name);
        match self.decide(phase, &array) {
            Ok(Some(act)) => {
                let plan = act.plan.clone();
                self.stage = Stage::Change(phase, Box::new(act));
                self.known = Some(array);
                Turn::carry_out(plan)
            }
            Ok(None) => {
                self.known = Some(array);
                self.without_a_plan(phase)
            }
            Err(refusal) => self.give_up(refusal),
        }
    }

    /// The plan of a change; `None` where there is none to carry out.
    fn decide(&mut self, phase: Phase, array: &Growing) -> Result<Option<Act>, Refusal> {
        let (job, request) = (&self.job, &self.job.request);
        Ok(match phase {
            Phase::ArraySize => request.array_size.map(|size| size::array_size(job, array, size)),
            Phase::Bitmap => match request.bitmap {
                Some(kind) => Some(bitmap::bitmap(job, array, kind)?),
                None => None,
            },
            Phase::Size => match request.size {
                Some(size) => Some(size::component_size(job, array, size)?),
                None => None,
            },
            Phase::Policy => match request.consistency_policy {
                Some(to) => Some(policy::policy(job, array, to)?),
                None => None,
            },
            Phase::Check => {
                self.change = shape::check(job, array)?;
                None
            }
            Phase::Prepare => {
                let Some(change) = &self.change else { return Ok(None) };
                let mut act = Act::new(format!("make {} ready for its new shape", job.array.path));
                shape::locked(job, array, &mut act);
                act.then(shape::forget(array), "");
                shape::prepare(job, array, change, &mut act);
                act.then([Step::Commit, Step::System(SystemStep::UnlockMap)], "");
                Some(act)
            }
            Phase::Shape => match self.change.clone() {
                Some(change) => Some(self.shape(array, &change)?),
                None => None,
            },
            Phase::Members | Phase::Continue => None,
        })
    }

    fn without_a_plan(&mut self, phase: Phase) -> Turn {
        match phase {
            Phase::Check if self.change.is_none() => {
                self.phases.retain(|phase| !matches!(phase, Phase::Prepare | Phase::Members | Phase::Shape));
                let text = format!("{}: no change requested", self.job.array.path);
                self.say.push(Said::note(text));
                self.phase()
            }
            Phase::Members => self.add(),
            Phase::Continue => {
                let going = Box::new(Going::new(self.job.array.path.clone(), self.job.outspoken));
                self.going(going, Event::Begin)
            }
            _ => self.phase(),
        }
    }

    /// The shape itself: what was prepared before is not done again.
    fn shape(&mut self, array: &Growing, change: &Change) -> Result<Act, Refusal> {
        let job = &self.job;
        let mut act = Act::new(summary(job, array, change));
        shape::locked(job, array, &mut act);
        act.then(shape::forget(array), "");
        let array_name = name(job, array);
        if self.prepared.is_none() {
            shape::prepare(job, array, change, &mut act);
        }
        let reshape = change.reshape.filter(|reshape| !is_at_once(reshape));
        if let Some(reshape) = &reshape {
            shape::reshape(job, array, change, reshape, &mut act)?;
        } else {
            if let Some(reshape) = &change.reshape {
                shape::at_once(array, &array_name, reshape, &mut act, &job.array.path);
            }
            shape::finish(array, &array_name, &change.after, change.without_parity, &mut act);
            shape::slots(job, array, change, &mut act);
            act.then([Step::Commit], "");
            act.then(shape::thaw(array, &array_name, &change.before), "");
        }
        act.then([Step::System(SystemStep::UnlockMap)], "");
        if act.notes() {
            act.then([going::follow(&array_name)], "");
        }
        Ok(act)
    }

    fn done(&mut self, phase: Phase, act: Act, deed: Deed) -> Turn {
        let before = self.known.take();
        match deed {
            Deed::Shown => {
                // What comes then is decided from what this would have left.
                self.known = before;
                self.phases.retain(|phase| *phase != Phase::Members);
                self.prepared = self.change.as_ref().filter(|_| phase == Phase::Prepare).map(|c| c.level);
                self.phase()
            }
            Deed::Done => {
                self.came(phase, act, before.as_deref());
                self.after(phase, before)
            }
            Deed::Failed(failure) if failure.committed => {
                let summary = act.plan.summary.clone();
                self.came(phase, act, before.as_deref());
                let (said, status) = Said::ended(&failure, &summary);
                self.say.extend(said);
                if status != 0 { self.end(status) } else { self.after(phase, before) }
            }
            Deed::Failed(failure) if failure.stale && self.collisions < MOST_COLLISIONS => {
                self.collisions = self.collisions.saturating_add(1);
                self.phases.push_front(phase);
                self.look()
            }
            Deed::Failed(failure) => self.failed(phase, &act, &failure, before.as_deref()),
        }
    }

    fn came(&mut self, phase: Phase, act: Act, before: Option<&Growing>) {
        if phase == Phase::Prepare {
            self.prepared = before.map(|array| shape::shape(array).level);
        }
        self.say.extend(act.said);
    }

    fn after(&mut self, phase: Phase, before: Option<Box<Growing>>) -> Turn {
        if let (Phase::Size, Some(before)) = (phase, before) {
            self.stage = Stage::Sized(before.managed.component_size());
            return Turn::look(Look::Growing { array: self.job.array.path.clone(), store: self.store() });
        }
        self.phase()
    }

    /// The original's words, and then the kernel's.
    fn failed(&mut self, phase: Phase, act: &Act, failure: &Failure, before: Option<&Growing>) -> Turn {
        let answer = failure.answer().unwrap_or_else(|| format!("{:#}", failure.cause));
        let because = act.because.iter().find(|(errno, _)| Some(*errno) == failure.errno);
        let text = match (act.refusal(failure.at), because) {
            (Some(text), _) if text.ends_with(' ') => format!("{text}{answer}"),
            (Some(text), _) => text.to_owned(),
            (None, _) => format!("{:#}", failure.cause),
        };
        let only = because.filter(|(errno, _)| *errno == Errno::E2BIG);
        match (only, because) {
            (Some((_, only)), _) => self.say.push(Said::error(only)),
            (None, Some((_, more))) => self.say.extend([Said::error(more), Said::error(text)]),
            (None, None) => self.say.push(Said::error(text)),
        }
        let left = failure.not_undone.iter().map(|left| Said::error(format!("could not undo: {left}")));
        self.say.extend(left);
        self.say.push(match self.job.outspoken {
            true => Said::note(format!("{:#}", failure.cause)),
            false => Said::detail(format!("{:#}", failure.cause)),
        });
        let ending = Ending::Status(FAILED);
        match (phase, before) {
            (Phase::Shape, Some(array)) => self.take_back(array, ending),
            _ => Then::End(ending).into(),
        }
    }

    /// What an earlier plan of this command has left for a shape that does not come.
    fn take_back(&mut self, array: &Growing, ending: Ending) -> Turn {
        let array_name = name(&self.job, array);
        let file = array.note_file();
        let mut steps: Vec<Step> =
            file.map(|file| Step::System(SystemStep::RemoveFile { file })).into_iter().collect();
        if let (Some(level), Some(change)) = (self.prepared.take(), &self.change) {
            steps.extend(shape::back(&array_name, level, &change.before));
            steps.push(Step::Md(MdStep::Thaw { array: array_name }));
        }
        if steps.is_empty() {
            return Then::End(ending).into();
        }
        steps.insert(0, Step::Commit);
        self.stage = Stage::Back(ending);
        let summary = format!("let {} be as it was", self.job.array.path);
        Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
    }

    /// Refused: what was done before for it is taken back.
    fn give_up(&mut self, refusal: Refusal) -> Turn {
        let hint =
            refusal.hint.clone().filter(|_| self.job.outspoken || refusal.text.starts_with("this change"));
        let refusal = Refusal { hint, ..refusal };
        match (self.prepared, self.known.take()) {
            (Some(_), Some(array)) => self.take_back(&array, Ending::Refused(refusal)),
            _ => Turn::refuse(refusal),
        }
    }

    fn end(&mut self, status: u8) -> Turn {
        self.stage = Stage::End;
        Turn::end(status)
    }

    /// Devices are added by manage's words, which know bitmaps, copies and who uses a device.
    fn add(&mut self) -> Turn {
        let word = |device: &std::path::PathBuf| ManageWord {
            op: ManageOp::AddSpare,
            device: device.clone().into(),
            write_mostly: None,
            failfast: None,
        };
        let manage = Manage::new(ManageJob {
            members: self.job.request.add.iter().map(word).collect(),
            readonly: false,
            run: false,
            stop: false,
            dry_run: self.job.dry_run,
            test: false,
            outspoken: self.job.outspoken,
            context: ManageContext {
                array: ArrayName { kernel: String::new(), path: self.job.array.path.clone() },
                force: false,
                update: None,
                bad_block_log: self.job.bad_block_log,
                fresh: Vec::new(),
                zone: self.job.zone.clone(),
            },
        });
        self.adding(Box::new(manage), Event::Begin)
    }

    fn adding(&mut self, mut manage: Box<Manage>, event: Event) -> Turn {
        let Turn { say, then } = manage.next(event);
        self.say.extend(say);
        match then {
            Then::End(Ending::Status(0)) => {
                // What was added changes the array.
                if !self.job.dry_run {
                    self.known = None;
                }
                self.phase()
            }
            Then::End(Ending::Status(status)) => match self.known.take() {
                Some(array) if self.prepared.is_some() => self.take_back(&array, Ending::Status(status)),
                _ => self.end(status),
            },
            Then::End(Ending::Refused(refusal)) => self.give_up(refusal),
            then => {
                self.stage = Stage::Adding(manage);
                then.into()
            }
        }
    }

    fn going(&mut self, mut going: Box<Going>, event: Event) -> Turn {
        let Turn { say, then } = going.next(event);
        self.say.extend(say);
        if !matches!(then, Then::End(_)) {
            self.stage = Stage::Going(going);
        }
        then.into()
    }
}

/// Two members hold the same bytes whatever the layout and the chunk.
fn is_at_once(reshape: &Reshape) -> bool {
    let Reshape { before, after } = reshape;
    before.raid_disks == 2 && after.raid_disks == 2 && before.level != Level::Raid10
}

/// What comes of it, in one line.
fn summary(job: &GrowJob, array: &Growing, change: &Change) -> String {
    let shown = &job.array.path;
    let named = |level: Level| level.name().unwrap_or("another level");
    let now = shape::shape(array);
    let level = match now.level == change.level {
        true => named(now.level).to_owned(),
        false => format!("{} to {}", named(now.level), named(change.level)),
    };
    format!("change the shape of {shown}: {level}, {} to {} devices", now.raid_disks, change.devices)
}

/// Which changes there are, in the order of the original, and what it says to words that do not go together.
fn phases(job: &GrowJob) -> Result<VecDeque<Phase>, Refusal> {
    let request = &job.request;
    let refuse = |text: &str| Err(Refusal::new(text));
    let mut phases = VecDeque::new();
    let (size, layout, chunk) = (request.size.is_some(), request.layout.is_some(), request.chunk.is_some());
    let (devices, level) = (request.raid_devices.is_some(), request.level.is_some());
    if request.array_size.is_some() {
        if devices || level {
            return refuse(
                "cannot change array size in same operation as changing raiddisks or level.\n    Change size first, then check that data is still intact.",
            );
        }
        phases.push_back(Phase::ArraySize);
    }
    if !request.add.is_empty() && !devices && !level {
        if size || chunk || layout {
            return refuse("--add cannot be used with other geometry changes in --grow mode");
        }
        return refuse("can only add devices to linear arrays");
    }
    if request.bitmap.is_some() {
        if size || devices || chunk || layout || !request.add.is_empty() {
            return refuse("--bitmap changes cannot be used with other geometry changes in --grow mode");
        }
        phases.push_back(Phase::Bitmap);
    } else if request.cont {
        phases.push_back(Phase::Continue);
    } else if size || devices || layout || chunk || level || request.data_offset.is_some() {
        let shape = devices || layout || chunk || level || request.data_offset.is_some();
        if size && (devices || layout || chunk || level) {
            return Err(Refusal::new(
                "cannot change component size at the same time as other changes.\n   Change size first, then check data is intact before making other changes.",
            ));
        }
        if size {
            phases.push_back(Phase::Size);
        }
        if shape {
            phases.push_back(Phase::Check);
            if !request.add.is_empty() {
                phases.extend([Phase::Prepare, Phase::Members]);
            }
            phases.push_back(Phase::Shape);
        }
    } else if request.consistency_policy.is_some() {
        phases.push_back(Phase::Policy);
    }
    if phases.is_empty() {
        return Err(Refusal::new("no changes to --grow").status(0));
    }
    Ok(phases)
}
