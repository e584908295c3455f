//! `mdctl replace`: started, watched, and its end verified.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{
    DONE, FAILED,
    keep::{self, Kept},
    manage::no_array,
    preview, print, refuse,
};
use crate::{
    cli::request::{Common, ReplaceRequest},
    config::sources::Sources,
    inventory::{self, Depth},
    kernel::{
        Deadline, Machine,
        interrupt::Interrupt,
        sysfs::{ArrayAttr, Progress},
        watch::Watched,
    },
    model::{
        DevId,
        manage::{Managed, Subject},
    },
    plan::{
        ArrayName, Refusal,
        manage::Context,
        replace::{self, Old, Replacing, Standing},
    },
    report::replace::Told,
    ui::Ui,
};

/// Progress is no event: look this often.
const SLICE: Duration = Duration::from_millis(500);
/// The kernel takes a moment to begin, and to tell that it ended: so many slices of standing still are the end.
const IDLE_SLICES: u32 = 10;
/// Exit status when the user stopped waiting, as a shell has it.
const INTERRUPTED: u8 = 130;

/// Replaces a member.
pub(super) fn run(request: &ReplaceRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let array = match inventory::managed(machine, &request.array) {
        Ok(array) => array,
        Err(absent) => return Ok(no_array(&request.array, &absent, ui)),
    };
    let new = inventory::subject(machine, &request.new, Depth::Contents);
    let context = context(request, &array, common, machine)?;
    let decided = decide(request, &array, &new, &context, machine);
    let (replacing, dev) = match decided {
        Ok(decided) => decided,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    ui.note(&format!("{}: {}", replacing.plan.summary, replacing.copy));
    if common.dry_run {
        return preview(&replace::thawed(replacing.plan, &context), common);
    }
    let session = Session { request, common, machine, ui, context, dev };
    match session.start(replacing)? {
        None => Ok(FAILED),
        Some(replacing) if request.no_wait => Ok(session.told(&replacing, Told::running())),
        Some(replacing) => session.wait(&replacing),
    }
}

fn context(request: &ReplaceRequest, array: &Managed, common: &Common, machine: &Machine) -> Result<Context> {
    let (config, _) = inventory::configuration(&Sources::from_option(common.config.as_deref()))?;
    Ok(Context {
        array: ArrayName { kernel: array.detail.kernel_name.clone(), path: request.array.clone() },
        force: request.force,
        update: None,
        bad_block_log: config.create.bbl != Some(false),
        fresh: inventory::world(machine, 2)?.fresh,
    })
}

fn decide(
    request: &ReplaceRequest,
    array: &Managed,
    new: &Subject,
    context: &Context,
    machine: &Machine,
) -> Result<(Replacing, DevId), Refusal> {
    let is_path = request.old.contains('/');
    let subject = match is_path {
        true => inventory::subject(machine, &request.old, Depth::Contents),
        false => Subject { dev: number(&request.old), ..Subject::default() },
    };
    let old = replace::old(&request.old, array, &subject, &request.array)?;
    let replacing = replace::plan((&request.old, &request.new), old, array, new, context)?;
    let dev = new.dev.ok_or_else(|| Refusal::new(format!("{} is not a block device.", request.new)))?;
    Ok((replacing, dev))
}

/// `MAJ:MIN`.
fn number(word: &str) -> Option<DevId> {
    let (major, minor) = word.split_once(':')?;
    Some(DevId { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

struct Session<'a> {
    request: &'a ReplaceRequest,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
    context: Context,
    dev: DevId,
}

impl Session<'_> {
    /// Starts it in the first way that the kernel takes; `None` where it took none.
    fn start(&self, first: Replacing) -> Result<Option<Replacing>> {
        let mut next = Some(Box::new(first));
        while let Some(way) = next {
            let plan = replace::thawed(way.plan.clone(), &self.context);
            match keep::run(&Kept::new(&plan, self.machine, self.common), self.machine, self.ui) {
                Ok(()) => return Ok(Some(*way)),
                Err(failure) if failure.committed => {
                    self.ui.warn(&format!("{}: {:#}", failure.step, failure.cause));
                    return Ok(Some(*way));
                }
                Err(failure) if way.otherwise.is_some() => {
                    self.ui.detail(&format!("{:#}", failure.cause));
                    next = way.otherwise;
                    if let Some(way) = &next {
                        self.ui.note(&way.copy.to_string());
                    }
                }
                Err(failure) => {
                    super::failed(&failure, Some(plan.summary), self.ui);
                    if self.common.json {
                        self.told(&way, Told::failed(format!("{:#}", failure.cause)));
                    }
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn told(&self, replacing: &Replacing, told: Told) -> u8 {
        let request = self.request;
        let told = told.about(&request.array, &request.old, &request.new, &replacing.copy.to_string());
        if self.common.json {
            print(&told.text());
        } else if told.is_running() {
            self.ui.note(&format!("the kernel copies; mdctl wait {} waits for the end", request.array));
        }
        DONE
    }

    /// Woken by the kernel's events, until the new member serves or nothing moves any more.
    fn wait(&self, replacing: &Replacing) -> Result<u8> {
        let interrupt = Interrupt::catch()?;
        let name = &self.context.array.kernel;
        let path = self.machine.sysfs.path(Path::new("block").join(name).join("md/sync_action"));
        let mut action = Watched::open(&path)?;
        let bars = self.ui.bars();
        let mut idle = 0;
        loop {
            if let Some(action) = &mut action {
                action.read()?;
            }
            let Ok(array) = inventory::managed(self.machine, &self.request.array) else {
                return Ok(self.lost(replacing, "the array is gone"));
            };
            match replace::standing(&array, self.dev, &replacing.old) {
                Standing::Done { slot } => return self.finish(replacing, &array, slot),
                Standing::Lost => return Ok(self.lost(replacing, "the new member failed")),
                Standing::Idle if idle >= IDLE_SLICES => {
                    return Ok(self.lost(replacing, "the kernel stopped copying before the end"));
                }
                Standing::Idle => idle += 1,
                Standing::Going => idle = 0,
            }
            let progress = self.machine.sysfs.array(name).sync_completed();
            if let Ok(Some(Progress::At { done, total })) = progress {
                bars.show(&self.request.new, done.bytes().0, total.bytes().0);
            }
            let slice = Deadline::after(SLICE);
            match &action {
                Some(action) => action.changed_or_interrupted(&interrupt, slice)?,
                None => return Ok(self.lost(replacing, "this level copies nothing")),
            }
            if interrupt.has_come() {
                self.told(replacing, Told::running());
                return Ok(INTERRUPTED);
            }
        }
    }

    fn lost(&self, replacing: &Replacing, why: &str) -> u8 {
        let (new, array) = (&self.request.new, &self.request.array);
        self.ui.error(&format!("{new} does not serve in {array}: {why}"));
        self.ui.note(&format!("mdctl explain {array} says more"));
        if self.common.json {
            self.told(replacing, Told::failed(why.to_owned()));
        }
        FAILED
    }

    /// The new member is in sync in its slot; the old one goes.
    fn finish(&self, replacing: &Replacing, array: &Managed, slot: u32) -> Result<u8> {
        let out = replace::take_out(&self.request.old, array, &replacing.old, &self.context);
        let out =
            out.map(|plan| keep::run(&Kept::new(&plan, self.machine, self.common), self.machine, self.ui));
        if let Some(Err(failure)) = out {
            self.ui.warn(&format!("{}: {:#}", failure.step, failure.cause));
        }
        let degraded = self.machine.sysfs.array(&self.context.array.kernel).number(ArrayAttr::Degraded)?;
        let missing = degraded.unwrap_or(0);
        let (old, new, shown) = (&self.request.old, &self.request.new, &self.request.array);
        let text = match replacing.old {
            Old::Missing => format!("{new} serves in slot {slot} of {shown}"),
            Old::Serving { .. } | Old::Failed { .. } => {
                format!("{new} serves in slot {slot} of {shown}, {old} is out")
            }
        };
        let rest = match missing {
            0 => "no member is missing".to_owned(),
            1 => "one more member is missing".to_owned(),
            more => format!("{more} more members are missing"),
        };
        if !self.common.json {
            print(&format!("{}: {text}; {rest}\n", self.ui.program()));
        }
        self.told(replacing, Told::done(slot, missing));
        Ok(DONE)
    }
}
