//! A replacement as a course: started in the first way that the kernel takes, watched, its end verified, and the old
//! member taken out.

use std::{collections::VecDeque, time::Duration};

use super::{
    OldMember, Replacing, Standing,
    lost::{self, LostRange},
    old, plan, standing, take_out, thawed,
};
use crate::{
    model::{
        DevId,
        detail::SyncStage,
        manage::{Depth, ManageSubject, Managed},
    },
    plan::{
        Plan, Refusal,
        course::{
            Bar, Cause, Course, CourseProgress, Deed, Ending, Event, Look, Said, Then, Turn, Unseen, Wait,
            Woke,
        },
        manage::{
            ManageContext, already,
            session::{no_array, one},
            twin,
        },
    },
    words::{ArrayAttr, SyncKind},
};

/// CourseProgress is not an event: look this often.
const SLICE: Duration = Duration::from_millis(500);
/// The kernel takes a moment to begin, and to tell that it ended: so many slices of standing still are the end.
const IDLE_SLICES: u32 = 10;
/// Exit status of a failure.
const FAILED: u8 = 1;
/// Exit status when the user stopped waiting, as a shell has it.
const INTERRUPTED: u8 = 130;
/// Random identities that a new member may need.
const IDENTITIES: usize = 2;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ReplaceJob {
    /// The word for the old member.
    pub old: String,
    /// The new device's path.
    pub new: String,
    /// The end is not waited for.
    pub no_wait: bool,
    /// What is said is answered as a document.
    pub json: bool,
    /// The array, by its path, and what holds for it.
    pub context: ManageContext,
}

/// What became of it, for the command's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplaceEnd {
    /// The new member serves.
    Done {
        /// In this slot.
        slot: u32,
        /// So many are missing still.
        missing: u64,
    },
    /// The new member serves, and could not be given all of the data.
    Partly {
        /// In this slot.
        slot: u32,
        /// So many are missing still.
        missing: u64,
        /// What it has no data for.
        lost: Vec<LostRange>,
    },
    /// The kernel goes on.
    Running,
    /// It came to nothing.
    Failed(String),
}

/// One replacement.
pub struct Replace {
    job: ReplaceJob,
    stage: Stage,
    array: Option<Box<Managed>>,
    new: Box<ManageSubject>,
    named: Box<ManageSubject>,
    /// The ways that are left.
    ways: VecDeque<Replacing>,
    /// What is copied, as it was said.
    copy: String,
    old: OldMember,
    idle: u32,
    came: Option<ReplaceEnd>,
    /// Of what is missing though the new member serves.
    status: u8,
    say: Vec<Said>,
}

/// What is waited for.
enum Stage {
    /// The first look at the array.
    Begin,
    /// The new device.
    New,
    /// The member that it may be a copy of.
    Twin(String),
    /// The old device.
    Named,
    /// Random identities.
    Identities,
    /// The start.
    Start,
    /// The array, whether the new member serves.
    Watch,
    /// The kernel's next event.
    Wait,
    /// The old member is taken out.
    TakeOut(u32),
    /// The array at the end.
    Verify(u32),
}

impl Course for Replace {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(|unseen| self.blind(unseen));
        turn.after(std::mem::take(&mut self.say))
    }

    /// Once it is begun the kernel goes on by itself, and only the old member is left to be taken out.
    fn progress(&self, plan: &Plan) -> Option<CourseProgress> {
        let (ReplaceJob { old, new, .. }, shown) = (&self.job, self.shown());
        Some(match self.stage {
            Stage::TakeOut(_) | Stage::Verify(_) => {
                CourseProgress { doing: plan.summary.clone(), ahead: Vec::new() }
            }
            Stage::Begin
            | Stage::New
            | Stage::Twin(_)
            | Stage::Named
            | Stage::Identities
            | Stage::Start
            | Stage::Watch
            | Stage::Wait => CourseProgress {
                doing: format!(
                    "let the kernel fill {new} for {old} in {shown}, which goes on (mdctl wait {shown})"
                ),
                ahead: vec![format!("take {old} out once {new} serves")],
            },
        })
    }
}

impl Replace {
    /// Begins.
    #[must_use]
    pub fn new(job: ReplaceJob) -> Self {
        Self {
            job,
            stage: Stage::Begin,
            array: None,
            new: Box::default(),
            named: Box::default(),
            ways: VecDeque::new(),
            copy: String::new(),
            old: OldMember::Missing,
            idle: 0,
            came: None,
            status: 0,
            say: Vec::new(),
        }
    }

    /// What became of it; `None` where nothing was tried.
    #[must_use]
    pub fn came(&self) -> Option<(&ReplaceEnd, &str)> {
        self.came.as_ref().map(|came| (came, self.copy.as_str()))
    }

    fn shown(&self) -> &str {
        &self.job.context.array.path
    }

    fn look_at_array(&mut self, stage: Stage) -> Turn {
        self.stage = stage;
        Turn::look(Look::Managed { array: self.shown().to_owned() })
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        let stage = std::mem::replace(&mut self.stage, Stage::Begin);
        Ok(match (stage, event) {
            (_, Event::Begin) => self.look_at_array(Stage::Begin),
            (Stage::Begin, Event::Seen(view)) => match view.managed()? {
                Ok(array) => {
                    self.job.context.array.kernel.clone_from(&array.detail.kernel_name);
                    self.array = Some(array);
                    self.stage = Stage::New;
                    Turn::look(Look::Subject { path: self.job.new.clone(), depth: Depth::Contents })
                }
                Err(absent) => Turn::refuse(no_array(self.shown(), &absent)),
            },
            (Stage::New, Event::Seen(view)) => {
                self.new = view.subject()?;
                match self.array.as_ref().and_then(|array| twin::suspect(array, &self.new)) {
                    Some(path) => {
                        self.stage = Stage::Twin(path.clone());
                        Turn::look(Look::Subject { path, depth: Depth::Contents })
                    }
                    None => self.look_at_old(),
                }
            }
            (Stage::Twin(path), Event::Seen(view)) => {
                if twin::are_twins(&self.new, &*view.subject()?) {
                    self.new.twin = Some(path);
                }
                self.look_at_old()
            }
            (Stage::Named, Event::Seen(view)) => {
                self.named = view.subject()?;
                self.look_for_identities()
            }
            (Stage::Identities, Event::Seen(view)) => {
                self.job.context.fresh = view.fresh()?;
                self.decide().unwrap_or_else(Turn::refuse)
            }
            (Stage::Start, Event::Done(deeds)) => self.started(one(deeds)?),
            (Stage::Watch, Event::Seen(view)) => match view.managed()? {
                Ok(array) => self.watch(&array),
                Err(_) => self.lost("the array is gone"),
            },
            (Stage::Wait, Event::Woke(woke)) => self.woke(woke),
            (Stage::TakeOut(slot), Event::Done(deeds)) => {
                if let Deed::Failed(failure) = one(deeds)? {
                    self.say.push(Said::warn(failure.why()));
                }
                self.look_at_array(Stage::Verify(slot))
            }
            (Stage::Verify(slot), Event::Seen(view)) => match view.managed()? {
                Ok(array) => self.served(slot, &array),
                Err(_) => self.lost("the array is gone"),
            },
            (stage, Event::Unseen(unseen)) => {
                self.stage = stage;
                return Err(unseen);
            }
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    /// Nothing was begun before the watching; from then on the kernel goes on, seen or not.
    fn blind(&mut self, unseen: Unseen) -> Turn {
        match self.stage {
            Stage::Watch | Stage::Wait | Stage::TakeOut(_) | Stage::Verify(_) => {
                self.came = Some(ReplaceEnd::Running);
                let note = format!("the kernel goes on; mdctl wait {} waits for the end", self.shown());
                self.say.extend([Said::error(unseen.text), Said::note(note)]);
                Turn::end(FAILED)
            }
            Stage::Begin | Stage::New | Stage::Twin(_) | Stage::Named | Stage::Identities | Stage::Start => {
                Turn::refuse(unseen)
            }
        }
    }

    fn look_at_old(&mut self) -> Turn {
        if self.job.old.contains('/') {
            self.stage = Stage::Named;
            return Turn::look(Look::Subject { path: self.job.old.clone(), depth: Depth::Contents });
        }
        *self.named = ManageSubject { dev: number(&self.job.old), ..ManageSubject::default() };
        self.look_for_identities()
    }

    fn look_for_identities(&mut self) -> Turn {
        self.stage = Stage::Identities;
        Turn::look(Look::Fresh { ids: IDENTITIES })
    }

    fn decide(&mut self) -> Result<Turn, Refusal> {
        let ReplaceJob { old: old_word, new: new_word, context, .. } = &self.job;
        let gone = || Refusal::new(format!("Cannot get array info for {}", context.array.path));
        let array = self.array.as_ref().ok_or_else(gone)?;
        already::not_yet(new_word, self.new.dev, array, &context.array.path)?;
        let old = old(old_word, array, &self.named, &context.array.path)?;
        let first = plan((old_word, new_word), old, array, &self.new, context)?;
        if self.new.dev.is_none() {
            return Err(Refusal::new(format!("{new_word} is not a block device.")));
        }
        self.say.extend(first.plan.warnings.iter().map(Said::from));
        self.say.push(Said::note(format!("{}: {}", first.plan.summary, first.copy)));
        self.old = first.old.clone();
        let mut next = Some(Box::new(first));
        while let Some(mut way) = next {
            next = way.otherwise.take();
            self.ways.push_back(*way);
        }
        Ok(self.way(Turn::carry_out))
    }

    /// The first of the ways that are left.
    fn way(&mut self, carry_out: fn(Plan) -> Turn) -> Turn {
        let Some(way) = self.ways.front() else { return Turn::end(FAILED) };
        self.copy = way.copy.to_string();
        self.stage = Stage::Start;
        carry_out(thawed(way.plan.clone(), &self.job.context))
    }

    fn started(&mut self, deed: Deed) -> Turn {
        let failure = match deed {
            Deed::Shown => return Turn::end(0),
            Deed::Done => return self.begun(),
            Deed::Failed(failure) if failure.committed => {
                let summary = self.ways.front().map(|way| way.plan.summary.clone()).unwrap_or_default();
                let (said, status) = Said::ended(&failure, &summary);
                self.say.extend(said);
                self.status |= status;
                return self.begun();
            }
            Deed::Failed(failure) => failure,
        };
        let way = self.ways.pop_front();
        let cause = format!("{:#}", failure.cause);
        self.say.extend(failure.not_undone.iter().map(|left| Said::error(format!("could not undo: {left}"))));
        if !self.ways.is_empty() && failure.not_undone.is_empty() {
            self.say.push(Said::detail(cause));
            let turn = self.way(|plan| Then::Instead(vec![plan]).into());
            self.say.push(Said::note(&self.copy));
            return turn;
        }
        let summary = way.map(|way| way.plan.summary).unwrap_or_default();
        self.say.push(Said::error(format!("{summary}: {cause}")));
        self.came = Some(ReplaceEnd::Failed(cause));
        Turn::end(FAILED)
    }

    fn begun(&mut self) -> Turn {
        if self.job.no_wait {
            return self.goes_on(self.status);
        }
        self.look_at_array(Stage::Watch)
    }

    fn goes_on(&mut self, status: u8) -> Turn {
        if !self.job.json {
            let text = format!("the kernel copies; mdctl wait {} waits for the end", self.shown());
            self.say.push(Said::note(text));
        }
        self.came = Some(ReplaceEnd::Running);
        Turn::end(status)
    }

    fn watch(&mut self, array: &Managed) -> Turn {
        let Some(dev) = self.new.dev else { return self.lost("it is not a block device") };
        match standing(array, dev, &self.old) {
            Standing::Done { slot } => {
                let lost = lost::lost(array, dev, slot, self.old.dev());
                if !lost.is_empty() {
                    return self.partly(slot, lost, array);
                }
                return match take_out(&self.job.old, array, &self.old, &self.job.context) {
                    Some(plan) => {
                        self.stage = Stage::TakeOut(slot);
                        Turn::carry_out(plan)
                    }
                    // A look reads the array's table before its members: only the next one has both as they are now.
                    None => self.look_at_array(Stage::Verify(slot)),
                };
            }
            Standing::Lost => return self.lost("the new member failed"),
            Standing::Unlisted if self.idle >= IDLE_SLICES => {
                return self.lost("the new member was taken out");
            }
            Standing::Idle if self.idle >= IDLE_SLICES => {
                return self.lost("the kernel stopped copying before the end");
            }
            Standing::Unlisted | Standing::Idle => self.idle += 1,
            Standing::Going => self.idle = 0,
        }
        let on = Cause::Attribute { array: array.detail.kernel_name.clone(), attr: ArrayAttr::SyncAction };
        self.stage = Stage::Wait;
        Then::Wait(Wait { on: vec![on], most: SLICE, bar: bar(array, &self.job.new) }).into()
    }

    fn woke(&mut self, woke: Woke) -> Turn {
        match woke {
            Woke::Armed | Woke::Changed | Woke::TimeUp | Woke::Called => self.look_at_array(Stage::Watch),
            Woke::Interrupted => self.goes_on(INTERRUPTED),
            Woke::Deaf => self.lost("this level copies nothing"),
        }
    }

    fn lost(&mut self, why: &str) -> Turn {
        let (new, shown) = (&self.job.new, self.shown());
        let error = Said::error(format!("{new} does not serve in {shown}: {why}"));
        let note = Said::note(format!("mdctl explain {shown} says more"));
        self.say.extend([error, note]);
        self.came = Some(ReplaceEnd::Failed(why.to_owned()));
        Then::End(Ending::Status(FAILED)).into()
    }

    /// The kernel calls it complete, and some of it could not be read from anywhere, or not be written. The old member may give
    /// it yet.
    fn partly(&mut self, slot: u32, lost: Vec<LostRange>, array: &Managed) -> Turn {
        let (old, new, shown) = (&self.job.old, &self.job.new, self.shown());
        let stays = take_out(old, array, &self.old, &self.job.context).is_some();
        let (gone, held): (Vec<LostRange>, Vec<LostRange>) =
            lost.iter().partition(|range| range.place.is_lost());
        let unwritable = self.new.dev.is_some_and(|new| lost::is_unwritable(array, new));
        let serves = format!("{new} serves in slot {slot} of {shown}, but");
        let mut said = Vec::new();
        if !gone.is_empty() {
            said.push(Said::error(format!("{serves} {}", lost::text(&gone, new, "read"))));
            said.push(Said::note(
                "reads of that end with errors until it is written to: find the files that are there, and write them again or take them from a backup",
            ));
        }
        if !held.is_empty() {
            let is_all = |place| held.iter().all(|range| range.place == place);
            let how = if unwritable || !is_all(lost::Place::Parity) { "written" } else { "read" };
            said.push(Said::error(format!("{serves} {}", lost::text(&held, new, how))));
            let why = match held.iter().any(|range| matches!(range.place, lost::Place::Old(_))) {
                true => format!(
                    "nothing of that is missing yet: {old} has it, and no other member: keep {old} as it is, and make a backup of {shown}"
                ),
                false if is_all(lost::Place::Parity) => {
                    "no data is missing: all of that is parity".to_owned()
                }
                false => "no data is missing: the other members have it".to_owned(),
            };
            said.push(Said::note(why.replacen(
                "no data",
                if gone.is_empty() { "no data" } else { "of that no data" },
                1,
            )));
        }
        if stays {
            let only_old = held.iter().any(|range| matches!(range.place, lost::Place::Old(_)));
            said.push(Said::note(match (gone.is_empty(), only_old) {
                (true, false) => format!(
                    "{old} is not taken out: it stays in {shown} as failed. To take it back in the place of {new}: mdctl manage {shown} --remove {old}, then mdctl replace {shown} {new} {old}"
                ),
                (true, true) => format!("{old} is not taken out: it stays in {shown} as failed"),
                (false, _) => format!(
                    "{old} is not taken out: it stays in {shown} as failed, and may give with ddrescue what the kernel could not read; then: mdctl manage {shown} --remove {old}"
                ),
            }));
        }
        self.say.extend(said);
        self.came = Some(ReplaceEnd::Partly { slot, missing: missing(array), lost });
        Turn::end(FAILED)
    }

    /// The new member is in sync in its slot.
    fn served(&mut self, slot: u32, array: &Managed) -> Turn {
        let missing = missing(array);
        let (old, new, shown) = (&self.job.old, &self.job.new, self.shown());
        let stays = take_out(old, array, &self.old, &self.job.context).is_some();
        let text = match self.old {
            OldMember::Missing => format!("{new} serves in slot {slot} of {shown}"),
            OldMember::Serving { .. } | OldMember::Failed { .. } if stays => {
                format!("{new} serves in slot {slot} of {shown}, and {old} is not out of it yet")
            }
            OldMember::Serving { .. } | OldMember::Failed { .. } => {
                format!("{new} serves in slot {slot} of {shown}, {old} is out")
            }
        };
        let remove = stays.then(|| Said::note(format!("mdctl manage {shown} --remove {old} takes it out")));
        let rest = match missing {
            0 => "no member is missing".to_owned(),
            1 => "one more member is missing".to_owned(),
            more => format!("{more} more members are missing"),
        };
        self.say.push(Said::out(format!("{text}; {rest}")));
        self.say.extend(remove);
        self.came = Some(ReplaceEnd::Done { slot, missing });
        Turn::end(if stays { FAILED } else { self.status })
    }
}

/// Slots without a member in sync.
fn missing(array: &Managed) -> u64 {
    let empty = array.present(None).into_iter().filter(|present| !present).count();
    u64::try_from(empty).unwrap_or(u64::MAX)
}

/// How far the copy is.
fn bar(array: &Managed, new: &str) -> Option<Bar> {
    let sync = array.detail.sync.filter(|sync| sync.kind == SyncKind::Recovery)?;
    let SyncStage::Percent(percent) = sync.stage else { return None };
    let total = array.component_size().bytes().0;
    Some(Bar { what: new.to_owned(), done: total / 100 * u64::from(percent), total })
}

/// `MAJ:MIN`.
fn number(word: &str) -> Option<DevId> {
    let (major, minor) = word.split_once(':')?;
    Some(DevId { major: major.parse().ok()?, minor: minor.parse().ok()? })
}
