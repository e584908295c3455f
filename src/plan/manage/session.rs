//! `--manage` as a course: one word after the other, each from the array as it is then.
//!
//! A word may stand for several, and may be done in several ways that are tried in their order. Whoever takes a number of
//! the metadata between the look and the act makes us look again. What keeps recovery from starting is taken back at the
//! end, however it ends.

use std::collections::VecDeque;

use super::{
    Attempt, KernelRefusal, ManageContext, ManageDecision, Meaning, NamedMember, Otherwise, Todo, after,
    decide, fail, meaning, twin, whole::Switch,
};
use crate::{
    model::{
        DevId,
        manage::{Absent, Depth, ManageSubject, Managed},
    },
    plan::{
        ArrayName, MdStep, MemberName, Plan, Refusal, Step,
        course::{Course, CourseProgress, Deed, Ending, Event, Look, Said, Then, Turn, Unseen},
        run::Failure,
    },
    request::{ManageOp, ManageWord},
    words::{ArrayState, Errno},
};

/// Exit status of a failure.
pub(super) const FAILED: u8 = 1;
/// Nothing was changed, and `--test` asked; or the kernel kept a member that it needs.
pub(super) const NOTHING_DONE: u8 = 2;
/// So often others are let go first who change the same array.
const MOST_COLLISIONS: u32 = 8;
/// Random identities that one word may need.
const IDENTITIES: usize = 2;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ManageJob {
    /// The words, in their order.
    pub members: Vec<ManageWord>,
    /// First the array becomes read-only.
    pub readonly: bool,
    /// Then it is started.
    pub run: bool,
    /// Last it is stopped.
    pub stop: bool,
    /// Nothing is carried out: what would be is taken for done.
    pub dry_run: bool,
    /// Nothing changed is a status of its own.
    pub test: bool,
    /// What is copied is said beforehand, and what to do about a refusal; else only to those who want to hear everything.
    pub outspoken: bool,
    /// What holds for all words. Its array has the path alone.
    pub context: ManageContext,
}

/// One command.
pub struct Manage {
    pub(super) job: ManageJob,
    pub(super) stage: Stage,
    queue: VecDeque<Todo>,
    switches: VecDeque<Switch>,
    /// The array before the first word.
    begun: Option<Managed>,
    /// The array as it is, where nothing changed it since it was looked at.
    pub(super) known: Option<Managed>,
    /// Slots that wait for their `--with`.
    marked: VecDeque<u32>,
    /// Recovery is kept from starting.
    pub(super) frozen: bool,
    /// How many words changed something.
    pub(super) count: usize,
    /// How often another command was quicker.
    collisions: u32,
    /// What is tried next takes the place of what failed last.
    instead: bool,
    /// One of the devices that were looked for was refused.
    pub(super) left: bool,
    pub(super) say: Vec<Said>,
}

/// What is waited for.
pub(super) enum Stage {
    /// The first look at the array.
    Begin,
    /// The array, for the next word.
    Array,
    /// All devices, for a word that means each of them.
    EveryDevice(Todo),
    /// The device that a word names.
    Subject(Todo),
    /// The member that the device may be a copy of.
    Twin(Todo, Box<ManageSubject>, String),
    /// Random identities.
    Identities(Todo, Box<ManageSubject>),
    /// One way of a word.
    Way(Box<Doing>),
    /// The array, for a member that the kernel answered to be busy: it may have failed all the same.
    Doubted(Box<Doing>, Failure),
    /// The machine, for this.
    World(Switch),
    /// The array as a whole.
    Switched(Switch, Said),
    /// The end, once recovery may start again.
    Thawing(Ending),
}

/// A word that is being done.
pub(super) struct Doing {
    todo: Todo,
    /// The way that is tried.
    way: Attempt,
    /// Those after it.
    ways: VecDeque<Attempt>,
    otherwise: Otherwise,
    marked: Option<u32>,
    counts: bool,
}

impl Course for Manage {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(|unseen| self.finish(Ending::Refused(unseen.into())));
        turn.after(std::mem::take(&mut self.say))
    }

    fn progress(&self, plan: &Plan) -> Option<CourseProgress> {
        let words = self.queue.iter().map(|todo| format!("--{} {}", todo.op.word(), todo.word));
        let run = self.job.run.then(|| "--run".to_owned());
        let stop = self.job.stop.then(|| "--stop".to_owned());
        Some(CourseProgress { doing: plan.summary.clone(), ahead: words.chain(run).chain(stop).collect() })
    }
}

impl Manage {
    /// Begins.
    #[must_use]
    pub fn new(job: ManageJob) -> Self {
        let queue = job.members.iter().map(Todo::new).collect();
        let switches = job.readonly.then_some(Switch::ReadOnly).into_iter().collect();
        Self {
            job,
            stage: Stage::Begin,
            queue,
            switches,
            begun: None,
            known: None,
            marked: VecDeque::new(),
            frozen: false,
            count: 0,
            collisions: 0,
            instead: false,
            left: false,
            say: Vec::new(),
        }
    }

    pub(super) fn array(&self) -> &ArrayName {
        &self.job.context.array
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        let stage = std::mem::replace(&mut self.stage, Stage::Array);
        Ok(match (stage, event) {
            (Stage::Begin, Event::Begin) => {
                self.stage = Stage::Begin;
                Turn::look(Look::Managed { array: self.array().path.clone() })
            }
            (Stage::Begin, Event::Seen(view)) => self.begin(view.managed()?),
            (Stage::Array, Event::Seen(view)) => match view.managed()? {
                Ok(array) => {
                    self.known = Some(*array);
                    self.word()
                }
                Err(_) => self.no_info(),
            },
            (Stage::EveryDevice(todo), Event::Seen(view)) => {
                let paths = view.candidates()?.into_iter().rev();
                paths.for_each(|word| self.queue.push_front(Todo { word, quiet: true, ..todo.clone() }));
                self.word()
            }
            (Stage::Subject(todo), Event::Seen(view)) => self.subject(todo, view.subject()?),
            (Stage::Twin(todo, mut subject, path), Event::Seen(view)) => {
                if twin::are_twins(&subject, &*view.subject()?) {
                    subject.twin = Some(path);
                }
                self.identities(todo, subject)
            }
            (Stage::Identities(todo, subject), Event::Seen(view)) => {
                self.job.context.fresh = view.fresh()?;
                self.decide(todo, &subject)
            }
            (Stage::Way(doing), Event::Done(deeds)) => self.done(*doing, one(deeds)?),
            (Stage::Doubted(doing, failure), Event::Seen(view)) => {
                let array = view.managed()?.ok();
                let marked =
                    |array: &Managed| fails(&doing.way).is_some_and(|dev| fail::is_failed(array, dev));
                let broken = |array: &Managed| array.detail.array_state == Some(ArrayState::Broken);
                match array {
                    Some(array) if marked(&array) => self.failed_all_the_same(&doing, true),
                    // The last one with its data is not marked: the array fails instead.
                    Some(array) if broken(&array) => self.failed_all_the_same(&doing, false),
                    _ => self.failed(*doing, &failure),
                }
            }
            (Stage::World(switch), Event::Seen(view)) => self.switch(switch, &*view.world()?),
            (Stage::Switched(switch, said), Event::Done(deeds)) => self.switched(switch, said, one(deeds)?),
            (Stage::Thawing(ending), Event::Done(deeds)) => {
                if let Deed::Failed(failure) = one(deeds)? {
                    let later = failure.rest.later.iter().map(|later| {
                        Said::note(format!("no recovery starts in {} until: {later}", self.array().path))
                    });
                    let said: Vec<Said> = [Said::error(failure.why())].into_iter().chain(later).collect();
                    self.say.extend(said);
                    self.left = true;
                }
                self.finish(ending)
            }
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    fn begin(&mut self, seen: Result<Box<Managed>, Absent>) -> Turn {
        let shown = &self.array().path;
        let array = match seen {
            Ok(array) => array,
            Err(Absent::Empty | Absent::Unanswered(_)) if self.queue.is_empty() => return Turn::end(0),
            Err(absent) => return Turn::refuse(no_array(shown, &absent)),
        };
        self.job.context.array.kernel.clone_from(&array.detail.kernel_name);
        self.begun = Some((*array).clone());
        self.known = Some(*array);
        self.word()
    }

    pub(super) fn no_info(&mut self) -> Turn {
        let refusal = Refusal::new(format!("Cannot get array info for {}", self.array().path));
        self.finish(Ending::Refused(refusal))
    }

    /// The next word; each sees what those before have left.
    pub(super) fn word(&mut self) -> Turn {
        if let Some(switch) = self.switches.pop_front() {
            self.stage = Stage::World(switch);
            return Turn::look(Look::World { fresh: 0 });
        }
        while let Some(todo) = self.queue.pop_front() {
            let (Some(known), Some(begun)) = (&mut self.known, &self.begun) else {
                self.queue.push_front(todo);
                self.stage = Stage::Array;
                return Turn::look(Look::Managed { array: self.array().path.clone() });
            };
            known.frozen |= self.frozen;
            match meaning(&todo, known, begun, &self.job.context.array.path) {
                Err(refusal) => return self.refused(refusal),
                Ok(Meaning::Several(more)) => {
                    more.into_iter().rev().for_each(|todo| self.queue.push_front(todo));
                }
                Ok(Meaning::EveryDevice) => {
                    self.stage = Stage::EveryDevice(todo);
                    return Turn::look(Look::Candidates);
                }
                Ok(Meaning::One(named)) => return self.named(todo, &named),
            }
        }
        self.finish(Ending::Status(0))
    }

    /// The device that a word names, looked at as closely as the operation needs.
    fn named(&mut self, mut todo: Todo, named: &NamedMember) -> Turn {
        if let NamedMember::Slot(slot, path) = named {
            todo.slot = Some(*slot);
            todo.word.clone_from(path);
        }
        if todo.op == ManageOp::With {
            todo.slot = self.marked.pop_front();
        }
        let depth = if adds(todo.op) { Depth::Contents } else { Depth::Number };
        let path = match named {
            NamedMember::Kernel(name) => {
                let link =
                    self.known.as_ref().and_then(|array| array.links.iter().find(|link| link.name == *name));
                let dev = link.and_then(|link| link.dev);
                let subject = ManageSubject { dev, link: Some(name.clone()), ..ManageSubject::default() };
                return self.subject(todo, Box::new(subject));
            }
            NamedMember::Number(dev) if depth == Depth::Number => {
                return self
                    .subject(todo, Box::new(ManageSubject { dev: Some(*dev), ..ManageSubject::default() }));
            }
            NamedMember::Number(dev) => {
                let members = self.begun.iter().flat_map(|array| &array.detail.members);
                let path = members.filter(|member| member.dev == *dev).find_map(|member| member.path.clone());
                path.unwrap_or_else(|| format!("/dev/block/{dev}"))
            }
            NamedMember::Slot(_, path) if path == "missing" => return self.subject(todo, Box::default()),
            NamedMember::Path(path) | NamedMember::Slot(_, path) => path.clone(),
            NamedMember::Failed | NamedMember::Detached | NamedMember::Missing | NamedMember::Set(_) => {
                return self.subject(todo, Box::default());
            }
        };
        self.stage = Stage::Subject(todo);
        Turn::look(Look::Subject { path, depth })
    }

    fn subject(&mut self, todo: Todo, subject: Box<ManageSubject>) -> Turn {
        let suspect =
            self.known.as_ref().filter(|_| adds(todo.op)).and_then(|array| twin::suspect(array, &subject));
        match suspect {
            Some(path) => {
                self.stage = Stage::Twin(todo, subject, path.clone());
                Turn::look(Look::Subject { path, depth: Depth::Contents })
            }
            None => self.identities(todo, subject),
        }
    }

    fn identities(&mut self, todo: Todo, subject: Box<ManageSubject>) -> Turn {
        if !adds(todo.op) {
            return self.decide(todo, &subject);
        }
        self.stage = Stage::Identities(todo, subject);
        Turn::look(Look::Fresh { ids: IDENTITIES })
    }

    fn decide(&mut self, todo: Todo, subject: &ManageSubject) -> Turn {
        let Some(array) = &self.known else { return self.no_info() };
        match decide(&todo, array, subject, &self.job.context) {
            Err(refusal) => self.refused(refusal),
            Ok(ManageDecision { ways, otherwise, marked, counts }) => {
                self.next_way(todo, ways.into(), otherwise, marked, counts)
            }
        }
    }

    /// Tries the ways in their order.
    fn next_way(
        &mut self,
        todo: Todo,
        mut ways: VecDeque<Attempt>,
        otherwise: Otherwise,
        marked: Option<u32>,
        counts: bool,
    ) -> Turn {
        let Some(way) = ways.pop_front() else { return self.otherwise(otherwise) };
        if !self.job.dry_run {
            self.say.extend(way.plan.warnings.iter().map(Said::from));
        }
        if let Some(copy) = &way.copy {
            let text = format!("{}: {copy}", way.plan.summary);
            self.say.push(if self.job.outspoken { Said::note(text) } else { Said::detail(text) });
        }
        let plan = way.plan.clone();
        self.stage = Stage::Way(Box::new(Doing { todo, way, ways, otherwise, marked, counts }));
        match std::mem::take(&mut self.instead) {
            true => Then::Instead(vec![plan]).into(),
            false => Turn::carry_out(plan),
        }
    }

    /// No way led anywhere.
    fn otherwise(&mut self, otherwise: Otherwise) -> Turn {
        self.instead = false;
        match otherwise {
            Otherwise::Nothing => {}
            Otherwise::Mention(text) => self.say.push(Said::detail(text)),
            Otherwise::Warn(refusal) => {
                self.say.extend(refusal.said.iter().map(Said::from));
                self.say.push(Said::warn(refusal.text));
                self.left = true;
            }
            Otherwise::Refuse(refusal) => return self.refused(refusal),
            Otherwise::Instead(todos) => todos.into_iter().rev().for_each(|todo| self.queue.push_front(todo)),
        }
        self.word()
    }

    /// How one way ended.
    fn done(&mut self, doing: Doing, deed: Deed) -> Turn {
        match deed {
            Deed::Shown => {
                self.known = self.known.take().map(|array| doing.way.plan.steps.iter().fold(array, after));
                self.came(&doing);
            }
            Deed::Done => {
                self.known = None;
                self.frozen |= doing.way.freezes();
                self.came(&doing);
                self.say.extend(doing.way.said.iter().flat_map(|said| said.lines()).map(Said::note));
                self.say.extend(doing.way.detail.iter().map(Said::detail));
            }
            Deed::Failed(failure) => {
                self.known = None;
                if !failure.committed && failure.errno == Some(Errno::EBUSY) && fails(&doing.way).is_some() {
                    return self.doubt(doing, failure);
                }
                if !failure.committed {
                    return self.failed(doing, &failure);
                }
                self.frozen |= doing.way.freezes();
                self.came(&doing);
                let (said, status) = Said::ended(&failure, &doing.way.plan.summary);
                // What is missing is not said to be done: only the last line is of what came before the commit.
                let lines = doing.way.said.iter().flat_map(|said| said.lines());
                let lines: Vec<&str> =
                    if status == 0 { lines.collect() } else { lines.last().into_iter().collect() };
                self.say.extend(lines.into_iter().map(Said::note));
                self.say.extend(doing.way.detail.iter().map(Said::detail));
                self.say.extend(said);
                self.left |= status != 0;
            }
        }
        self.word()
    }

    /// The kernel says EBUSY of a member that it keeps, and of one whose failure the array did not survive. The original does not
    /// ask which.
    fn doubt(&mut self, doing: Doing, failure: Failure) -> Turn {
        if !self.job.outspoken {
            return self.failed(doing, &failure);
        }
        self.stage = Stage::Doubted(Box::new(doing), failure);
        Turn::look(Look::Managed { array: self.array().path.clone() })
    }

    fn failed_all_the_same(&mut self, doing: &Doing, marked: bool) -> Turn {
        self.came(doing);
        let (word, shown) = (&doing.todo.word, &self.array().path);
        let what = if marked {
            format!("{word} is failed, and {shown} has failed with it, for too few members are left")
        } else {
            format!(
                "{shown} has failed, for it cannot do without {word}: every write to it fails from now on"
            )
        };
        let text = format!("{what}; mdctl explain {shown} says what can be done");
        self.say.extend(doing.way.detail.iter().filter(|_| marked).map(Said::detail));
        self.say.push(Said::warn(text));
        self.word()
    }

    fn came(&mut self, doing: &Doing) {
        self.count += usize::from(doing.counts);
        self.marked.extend(doing.marked);
    }

    fn failed(&mut self, doing: Doing, failure: &Failure) -> Turn {
        let reason = format!("{:#}", failure.cause);
        let answer = failure.answer().unwrap_or_else(|| reason.clone());
        if self.collided(&doing.way, failure) {
            self.instead = true;
            self.queue.push_front(doing.todo);
            return self.word();
        }
        let is_final = matches!(failure.errno, Some(Errno::ENOMEM | Errno::EROFS));
        let goes_on = match &doing.way.refused {
            KernelRefusal::Because(what) => {
                self.say.push(Said::error(format!("{what}{answer}")));
                false
            }
            KernelRefusal::Plainly(what) => {
                self.say.push(Said::error(what));
                false
            }
            KernelRefusal::Quietly(what) if is_final => {
                self.say.push(Said::error(format!("{what}{answer}")));
                false
            }
            KernelRefusal::Quietly(_) => true,
            KernelRefusal::Aloud(what) => {
                self.say.push(Said::error(format!("{what} ({answer})")));
                true
            }
        };
        // What could not be taken back is no way to another way.
        self.say.extend(failure.not_undone.iter().map(|left| Said::error(format!("could not undo: {left}"))));
        if goes_on && failure.not_undone.is_empty() {
            self.instead = true;
            let Doing { todo, ways, otherwise, marked, counts, .. } = doing;
            return self.next_way(todo, ways, otherwise, marked, counts);
        }
        // The errno says little; the log and the holders say more.
        self.say.push(Said::detail(reason));
        let keeps = failure.errno == Some(Errno::EBUSY) && !self.job.test;
        let faulty = failing(&doing.way).is_some();
        self.finish(Ending::Status(if keeps && faulty { NOTHING_DONE } else { FAILED }))
    }

    /// The number that was free when we looked may be another's by now, and what was decided on may not be so any more.
    fn collided(&mut self, way: &Attempt, failure: &Failure) -> bool {
        let adding = matches!(way.plan.steps.get(failure.at), Some(Step::Md(MdStep::HotAdd { .. })));
        let new = matches!(way.refused, KernelRefusal::Because(_));
        let busy = failure.errno == Some(Errno::EBUSY);
        let was_quicker = failure.stale || (adding && new && busy);
        let collided = was_quicker && failure.not_undone.is_empty() && self.collisions < MOST_COLLISIONS;
        self.collisions += u32::from(collided);
        collided
    }

    fn refused(&mut self, refusal: Refusal) -> Turn {
        // What the original does not say is said under its name only when asked for; where data is at stake, at once.
        let hint = refusal.hint.clone().filter(|_| self.job.outspoken || !refusal.said.is_empty());
        self.finish(Ending::Refused(Refusal { hint, ..refusal }))
    }
}

/// The member that an attempt marks as failed.
fn failing(way: &Attempt) -> Option<&MemberName> {
    way.plan.steps.iter().find_map(|step| match step {
        Step::Md(MdStep::Fail { member, .. }) => Some(member),
        _ => None,
    })
}

/// Its device.
fn fails(way: &Attempt) -> Option<DevId> {
    failing(way)?.dev
}

/// Whether an operation gives the array a device, whose contents count.
fn adds(op: ManageOp) -> bool {
    match op {
        ManageOp::Fail | ManageOp::Remove | ManageOp::Replace | ManageOp::With => false,
        ManageOp::Add
        | ManageOp::AddSpare
        | ManageOp::AddJournal
        | ManageOp::ReAdd
        | ManageOp::ClusterConfirm => true,
    }
}

/// There is nothing whose members could be changed.
#[must_use]
pub fn no_array(shown: &str, absent: &Absent) -> Refusal {
    Refusal::new(match absent {
        Absent::Unopened(why) => format!("error opening {shown}: {why}"),
        Absent::NotMd => format!("{shown} does not appear to be an md device"),
        Absent::Empty | Absent::Unanswered(_) => format!("Cannot get array info for {shown}"),
    })
}

/// How the one plan ended.
pub(in crate::plan) fn one(deeds: Vec<Deed>) -> Result<Deed, Unseen> {
    let none =
        || Unseen { text: "a plan was carried out, and nothing is known of it".to_owned(), errno: None };
    deeds.into_iter().next().ok_or_else(none)
}
