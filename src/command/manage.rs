//! `--manage`: the words of the command, one after the other.

use std::collections::VecDeque;

use anyhow::Result;

use super::{
    DONE, Ended, FAILED, carry_out,
    keep::{self, Kept},
    outcome, preview, refuse, say, tell,
};
use crate::{
    cli::request::{Common, ManageRequest},
    config::sources::Sources,
    inventory::{self, Absent, Depth},
    kernel::Machine,
    model::manage::{Managed, Subject},
    plan::{
        ArrayName, Refusal, Step,
        manage::{self, Attempt, Context, Decision, Meaning, Named, Otherwise, Refused, Todo},
        request::ManageOp,
        run::Failure,
        switch,
    },
    ui::Ui,
    words::Errno,
};

/// Nothing was changed, and `--test` asked; or the kernel kept a member that it needs.
const NOTHING_DONE: u8 = 2;
/// So many other commands at once are let go first.
const MOST_COLLISIONS: u32 = 8;

/// Does what the words say, until one fails.
pub(super) fn run(request: &ManageRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let shown = request.device.to_string_lossy().into_owned();
    let array = match inventory::managed(machine, &shown) {
        Ok(array) => array,
        Err(Absent::Empty | Absent::Unanswered(_)) if request.members.is_empty() => return Ok(DONE),
        Err(absent) => return Ok(no_array(&shown, &absent, ui)),
    };
    let name = ArrayName { kernel: array.detail.kernel_name.clone(), path: shown };
    let mut status = DONE;
    if request.readonly {
        status = switched(request, &name, common, machine, ui, Switch::ReadOnly)?;
    }
    if status == DONE && !request.members.is_empty() {
        let mut session = Session::new(request, name.clone(), common, machine, ui)?;
        status = session.run(array)?;
    }
    if status == DONE && request.run {
        status = switched(request, &name, common, machine, ui, Switch::Run)?;
    }
    if status == DONE && request.stop {
        status = switched(request, &name, common, machine, ui, Switch::Stop)?;
    }
    Ok(status)
}

/// There is nothing whose members could be changed.
pub(super) fn no_array(shown: &str, absent: &Absent, ui: &Ui) -> u8 {
    match absent {
        Absent::Unopened(why) => ui.error(&format!("error opening {shown}: {why}")),
        Absent::NotMd => ui.error(&format!("{shown} does not appear to be an md device")),
        Absent::Empty | Absent::Unanswered(_) => ui.error(&format!("Cannot get array info for {shown}")),
    }
    FAILED
}

/// What is done to the array as a whole.
#[derive(Clone, Copy)]
enum Switch {
    ReadOnly,
    Run,
    Stop,
}

fn switched(
    request: &ManageRequest,
    name: &ArrayName,
    common: &Common,
    machine: &Machine,
    ui: &Ui,
    switch: Switch,
) -> Result<u8> {
    let world = inventory::world(machine, 0)?;
    let Some(array) = world.arrays.iter().find(|array| array.name == name.kernel) else { return Ok(FAILED) };
    let shown = request.device.to_string_lossy();
    let failed = |what: &str| Some(format!("failed to set {what} for {shown}"));
    let (plan, ended) = match switch {
        Switch::ReadOnly => {
            let ended = Ended { failed: failed("readonly"), ..Ended::default() };
            (Some(switch::readonly(array, &shown)), ended)
        }
        Switch::Run => {
            let note = format!("started array {}", switch::known_as(array, &world));
            (switch::start(array, &shown), Ended { note, ..Ended::default() })
        }
        Switch::Stop => {
            let out = if common.verbose < 0 { String::new() } else { format!("stopped {shown}") };
            let ended = Ended { out, ..Ended::default() };
            (Some(crate::plan::stop::plan(array, &shown, &world)), ended)
        }
    };
    match plan {
        None => Ok(DONE),
        Some(plan) if common.dry_run => preview(&plan, common),
        Some(plan) => carry_out(&plan, machine, common, ui, ended),
    }
}

/// One command.
pub(super) struct Session<'a> {
    request: &'a ManageRequest,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
    context: Context,
    /// Recovery is kept from starting.
    frozen: bool,
    /// How many words changed something.
    count: usize,
    /// Slots that wait for their `--with`.
    marked: VecDeque<u32>,
    /// What a dry run would have done.
    planned: Vec<Step>,
    /// How often a number was taken by another command in the meantime.
    collisions: u32,
}

/// How one word ended.
enum Outcome {
    Done,
    /// Another command was faster: look again.
    Again,
    Failed(u8),
}

impl<'a> Session<'a> {
    fn new(
        request: &'a ManageRequest,
        array: ArrayName,
        common: &'a Common,
        machine: &'a Machine,
        ui: &'a Ui,
    ) -> Result<Self> {
        let (config, _) = inventory::configuration(&Sources::from_option(common.config.as_deref()))?;
        let context = Context {
            array,
            force: request.force,
            update: request.update,
            bad_block_log: config.create.bbl != Some(false),
            fresh: Vec::new(),
        };
        let (frozen, count, marked) = (false, 0, VecDeque::new());
        let (planned, collisions) = (Vec::new(), 0);
        Ok(Self { request, common, machine, ui, context, frozen, count, marked, planned, collisions })
    }

    fn run(&mut self, array: Managed) -> Result<u8> {
        let ended = self.words(array);
        if self.frozen {
            let plan = manage::thaw(&self.context.array);
            if let Err(failure) =
                keep::run(&Kept::new(&plan, self.machine, self.common), self.machine, self.ui)
            {
                self.ui.warn(&format!("{}: {:#}", failure.step, failure.cause));
            }
        }
        let status = ended?;
        Ok(if status == DONE && self.common.test && self.count == 0 { NOTHING_DONE } else { status })
    }

    /// Each word sees what the ones before have left: for a dry run on paper.
    fn words(&mut self, first: Managed) -> Result<u8> {
        let mut queue: VecDeque<Todo> = self.request.members.iter().map(Todo::new).collect();
        let begun = first.clone();
        let mut known = Some(first);
        while let Some(todo) = queue.pop_front() {
            let mut array = match known.take() {
                Some(array) => array,
                None => match inventory::managed(self.machine, &self.context.array.path) {
                    Ok(array) => array,
                    Err(_) => {
                        self.ui.error(&format!("Cannot get array info for {}", self.context.array.path));
                        return Ok(FAILED);
                    }
                },
            };
            array.frozen |= self.frozen;
            match self.word(todo, &array, &begun, &mut queue)? {
                Outcome::Failed(status) => return Ok(status),
                Outcome::Done | Outcome::Again if self.common.dry_run => {
                    known =
                        Some(self.planned.drain(..).fold(array, |array, step| manage::after(array, &step)));
                }
                Outcome::Done | Outcome::Again => {}
            }
        }
        Ok(DONE)
    }

    fn word(
        &mut self,
        mut todo: Todo,
        array: &Managed,
        begun: &Managed,
        queue: &mut VecDeque<Todo>,
    ) -> Result<Outcome> {
        let named = match manage::meaning(&todo, array, begun, &self.context.array.path) {
            Err(refusal) => return Ok(self.refused(&refusal)),
            Ok(Meaning::Several(more)) => {
                more.into_iter().rev().for_each(|todo| queue.push_front(todo));
                return Ok(Outcome::Done);
            }
            Ok(Meaning::EveryDevice) => {
                let all = self.every_device(&todo)?;
                all.into_iter().rev().for_each(|todo| queue.push_front(todo));
                return Ok(Outcome::Done);
            }
            Ok(Meaning::One(named)) => named,
        };
        if let Named::Slot(slot, path) = &named {
            todo.slot = Some(*slot);
            todo.word.clone_from(path);
        }
        if todo.op == ManageOp::With {
            todo.slot = self.marked.pop_front();
        }
        let subject = self.subject(&named, todo.op, array);
        self.context.fresh = inventory::world(self.machine, 2)?.fresh;
        let decision = match manage::decide(&todo, array, &subject, &self.context) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(self.refused(&refusal)),
        };
        let ended = self.take(&decision, queue)?;
        if let Outcome::Again = ended {
            queue.push_front(todo);
        }
        Ok(ended)
    }

    fn refused(&self, refusal: &Refusal) -> Outcome {
        // What the original does not say is said under its name only when asked for.
        let silent = self.ui.program() == "mdadm" && self.ui.verbosity() <= 0;
        let hint = refusal.hint.clone().filter(|_| !silent);
        Outcome::Failed(refuse(&Refusal { hint, ..refusal.clone() }, self.common, self.ui))
    }

    /// The device that a word names, looked at as closely as the operation needs.
    fn subject(&self, named: &Named, op: ManageOp, array: &Managed) -> Subject {
        let depth = match op {
            ManageOp::Fail | ManageOp::Remove | ManageOp::Replace | ManageOp::With => Depth::Number,
            _ => Depth::Contents,
        };
        match named {
            Named::Kernel(name) => {
                let link = array.links.iter().find(|link| link.name == *name);
                Subject {
                    dev: link.and_then(|link| link.dev),
                    link: Some(name.clone()),
                    ..Subject::default()
                }
            }
            Named::Number(dev) => match self.path_of(*dev).filter(|_| depth == Depth::Contents) {
                Some(path) => inventory::subject(self.machine, &path, depth),
                None => Subject { dev: Some(*dev), ..Subject::default() },
            },
            Named::Slot(_, path) if path == "missing" => Subject::default(),
            Named::Path(path) | Named::Slot(_, path) => inventory::subject(self.machine, path, depth),
            _ => Subject::default(),
        }
    }

    fn path_of(&self, dev: crate::model::DevId) -> Option<String> {
        inventory::Nodes::walk(self.machine).path(dev, None)
    }

    /// `missing`: every device that the configuration knows.
    fn every_device(&self, todo: &Todo) -> Result<Vec<Todo>> {
        let (config, _) = inventory::configuration(&Sources::from_option(self.common.config.as_deref()))?;
        let paths = inventory::candidates_afresh(self.machine, &config)?;
        let one = |path: String| Todo { word: path, quiet: true, ..todo.clone() };
        Ok(paths.into_iter().map(one).collect())
    }

    /// Tries the ways in their order.
    fn take(&mut self, decision: &Decision, queue: &mut VecDeque<Todo>) -> Result<Outcome> {
        for way in &decision.ways {
            if self.common.dry_run {
                preview(&way.plan, self.common)?;
                self.tell(way);
                self.planned.extend(way.plan.steps.iter().cloned());
                return Ok(Outcome::Done);
            }
            for warning in &way.plan.warnings {
                say(warning.kind, &warning.text, self.ui);
            }
            self.tell(way);
            match self.attempt(way)? {
                Some(Outcome::Done) => {
                    self.count += usize::from(decision.counts);
                    self.marked.extend(decision.marked);
                    return Ok(Outcome::Done);
                }
                Some(failed) => return Ok(failed),
                None => {}
            }
        }
        match &decision.otherwise {
            Otherwise::Nothing => Ok(Outcome::Done),
            Otherwise::Mention(text) => {
                self.ui.detail(text);
                Ok(Outcome::Done)
            }
            Otherwise::Refuse(refusal) => Ok(self.refused(refusal)),
            Otherwise::Instead(todos) => {
                todos.iter().rev().for_each(|todo| queue.push_front(todo.clone()));
                Ok(Outcome::Done)
            }
        }
    }

    /// Says beforehand what will be copied. The original says nothing, so under its name it takes a `--verbose`.
    fn tell(&self, way: &Attempt) {
        let Some(copy) = &way.copy else { return };
        let text = format!("{}: {copy}", way.plan.summary);
        if self.ui.program() == "mdctl" { self.ui.note(&text) } else { self.ui.detail(&text) }
    }

    /// One way; `None` where the next is to be tried.
    fn attempt(&mut self, way: &Attempt) -> Result<Option<Outcome>> {
        let kept = Kept::new(&way.plan, self.machine, self.common);
        let failure = match keep::run(&kept, self.machine, self.ui) {
            Ok(()) => {
                self.done(way, &kept);
                return Ok(Some(Outcome::Done));
            }
            Err(failure) if failure.committed => {
                self.done(way, &kept);
                self.ui.warn(&format!("{}: {:#}", failure.step, failure.cause));
                return Ok(Some(Outcome::Done));
            }
            Err(failure) => failure,
        };
        let answer = failure.answer().unwrap_or_else(|| format!("{:#}", failure.cause));
        if self.collided(way, &failure) {
            return Ok(Some(Outcome::Again));
        }
        let is_final = matches!(failure.errno, Some(Errno::ENOMEM | Errno::EROFS));
        match &way.refused {
            Refused::Because(what) => self.ui.error(&format!("{what}{answer}")),
            Refused::Plainly(what) => self.ui.error(what),
            Refused::Quietly(what) if is_final => self.ui.error(&format!("{what}{answer}")),
            Refused::Quietly(_) => {
                tracing::debug!(error = %format!("{:#}", failure.cause), "not this way");
                return Ok(None);
            }
            Refused::Aloud(what) => {
                self.ui.error(&format!("{what} ({answer})"));
                return Ok(None);
            }
        }
        // The errno says little; the log and the holders say more.
        let reason = format!("{:#}", failure.cause);
        self.ui.detail(&reason);
        for left in &failure.not_undone {
            self.ui.error(&format!("could not undo: {left}"));
        }
        if self.common.json {
            let told = outcome(&kept.plan, false);
            tell(told.failed(&failure.step, reason, &failure.not_undone, false));
        }
        let keeps = failure.errno == Some(Errno::EBUSY) && !self.common.test;
        let faulty = matches!(way.plan.steps.first(), Some(Step::Fail { .. }));
        Ok(Some(Outcome::Failed(if keeps && faulty { NOTHING_DONE } else { FAILED })))
    }

    /// The number that was free when we looked may be another's by now.
    fn collided(&mut self, way: &Attempt, failure: &Failure) -> bool {
        let adding = matches!(way.plan.steps.get(failure.at), Some(Step::HotAdd { .. }));
        let new = matches!(way.refused, Refused::Because(_));
        let busy = failure.errno == Some(Errno::EBUSY);
        let collided = adding && new && busy && self.collisions < MOST_COLLISIONS;
        self.collisions += u32::from(collided);
        collided
    }

    fn done(&mut self, way: &Attempt, kept: &Kept) {
        self.frozen |= way.freezes();
        if self.common.json {
            tell(outcome(&kept.plan, false));
        }
        for line in way.said.iter().flat_map(|said| said.lines()) {
            self.ui.note(line);
        }
        if let Some(detail) = &way.detail {
            self.ui.detail(detail);
        }
    }
}
