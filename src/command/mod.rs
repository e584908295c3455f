//! One file per verb: parse, look, decide, then print or ask and do, then report. Nothing is decided here.

use std::{
    ffi::OsString,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;

use crate::{
    cli::{
        self, help, parse,
        request::{Common, Invocation, MiscAction, MiscRequest, Request},
    },
    config::{HostName, conf::Config},
    inventory,
    kernel::{Machine, host, terminal},
    plan::{Plan, Refusal, Say, Step, Warning, run::Failure},
    report::outcome::Outcome,
    ui::{self, Ui},
};

mod action;
mod assemble;
mod bitmap;
mod build;
mod complete;
mod create;
mod detail;
mod dm;
mod drive;
mod dump;
mod examine;
mod explain;
mod history;
mod keep;
mod manage;
mod overlay;
mod platform;
mod query;
mod recover;
mod replace;
mod second;
mod status;
mod stop;
mod trial;
mod volume;
mod wait;
mod zero;

use keep::Kept;

/// Exit status of a command that did what it was asked to.
const DONE: u8 = 0;
/// From this many `-v` on, developers' words too.
const TRACED: i32 = 3;
/// Exit status of a failure.
const FAILED: u8 = 1;

const NOT_ROOT: &str = "must be super-user to perform this action";

/// Runs the program: the words after its name, under the name by which it was called.
#[must_use]
pub fn run(program: &Path, args: Vec<OsString>) -> u8 {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(status) = second::run(&name, &args) {
        return status;
    }
    let words = args.iter().map(|word| word.to_string_lossy().into_owned());
    let words = std::iter::once(name.clone()).chain(words).collect();
    match cli::understand(&name, args) {
        Ok(parse::Outcome::Run(mut invocation)) => {
            invocation.common.words = words;
            dispatch(&name, &invocation)
        }
        Ok(parse::Outcome::Help(text)) => print(&text),
        Ok(parse::Outcome::Complete(words)) => complete::run(&words),
        Ok(parse::Outcome::Version) => {
            let ui = Ui::new(name.as_str(), 0);
            ui.plain(&help::version(&name));
            DONE
        }
        Err(error) => {
            let ui = Ui::new(name.as_str(), 0);
            for said in &error.said {
                ui.warn(said);
            }
            if error.for_root && !host::is_root() {
                ui.error(NOT_ROOT);
                return FAILED;
            }
            if !error.message.is_empty() {
                ui.error(&error.message);
            }
            if error.usage {
                ui.plain(&help::usage(&name));
            }
            error.status
        }
    }
}

/// Writes an answer; a reader that has gone away is no failure of ours.
fn print(text: &str) -> u8 {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => FAILED,
        _ => DONE,
    }
}

fn dispatch(name: &str, invocation: &Invocation) -> u8 {
    let ui = Ui::new(name, invocation.common.verbose);
    if invocation.common.verbose >= TRACED {
        ui::trace();
    }
    for notice in &invocation.notices {
        ui.warn(notice);
    }
    let examines =
        matches!(&invocation.request, Request::Misc(request) if request.action == MiscAction::Examine);
    let unprivileged = examines || matches!(invocation.request, Request::Status(_));
    if !unprivileged && !host::is_root() {
        ui.error(NOT_ROOT);
        return FAILED;
    }
    let machine = inventory::machine();
    let common = &invocation.common;
    recover::unfinished(&invocation.request, common, &machine, &ui);
    let ended = match &invocation.request {
        Request::Assemble(request) => assemble::run(request, common, &machine, &ui),
        Request::Create(request) => create::run(request, common, &machine, &ui),
        Request::Misc(request) => misc(request, common, &machine, &ui),
        Request::Build(request) => build::run(request, common, &machine, &ui),
        Request::Grow(_) => Ok(not_yet("--grow", &ui)),
        Request::Incremental(_) => Ok(not_yet("--incremental", &ui)),
        Request::Manage(request) => manage::run(request, common, &machine, &ui),
        Request::Monitor(_) => Ok(not_yet("--monitor", &ui)),
        Request::Explain(request) => explain::run(request, common, &machine, &ui),
        Request::Replace(request) => replace::run(request, common, &machine, &ui),
        Request::Trial(request) => trial::run(request, common, &machine, &ui),
        Request::Overlay(request) => overlay::run(request, common, &machine, &ui),
        Request::Status(request) => status::run(request, common, &machine, &ui),
        Request::History => history::list(common, &machine, &ui),
        Request::Undo(request) => history::undo(request, common, &machine, &ui),
        Request::Dm(request) => dm::run(request, common, &machine, &ui),
        Request::Volume(request) => volume::run(request, common, &machine, &ui),
        Request::AutoDetect => platform::auto_detect(&machine, common, &ui),
    };
    told(ended.unwrap_or_else(|error| {
        ui.error(&format!("{error:#}"));
        FAILED
    }))
}

fn one_action(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    match &request.action {
        MiscAction::Stop | MiscAction::Run | MiscAction::ReadOnly | MiscAction::ReadWrite => {
            stop::run(request, common, machine, ui)
        }
        MiscAction::Wait => wait::run(request, common, machine, ui),
        MiscAction::Examine => examine::run(request, common, machine, ui),
        MiscAction::Detail => detail::run(request, common, machine, ui),
        MiscAction::Query => query::run(request, common, machine, ui),
        MiscAction::ExamineBitmap => bitmap::bitmaps(request, common, ui),
        MiscAction::ExamineBadblocks => bitmap::bad_blocks(request, common, ui),
        MiscAction::DetailPlatform => Ok(platform::detail_platform(request, ui)),
        MiscAction::ZeroSuperblock => zero::run(request, common, machine, ui),
        MiscAction::KillSubarray(_) | MiscAction::UpdateSubarray(_) => {
            platform::subarray(request, machine, ui)
        }
        MiscAction::Dump(place) => dump::save(Path::new(place), request, common, machine, ui),
        MiscAction::Restore(place) => dump::restore(Path::new(place), request, common, machine, ui),
        MiscAction::UdevRules(file) => platform::udev_rules(request, file.as_deref(), machine, common, ui),
        MiscAction::WaitClean => Ok(action::wait_clean(request, ui)),
        MiscAction::Sync(_) => action::run(request, common, machine, ui),
    }
}

/// The cluster of a clustered array: as given, else as configured. (The original asks the cluster's own service
/// where neither says it.)
fn cluster(given: Option<&str>, config: &Config) -> Result<String, Refusal> {
    match (given, &config.home_cluster) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, Some(HostName::Named(name))) => Ok(name.clone()),
        (None, Some(HostName::None | HostName::System) | None) => {
            Err(Refusal::new("The md can't get cluster name")
                .hint("name it with --home-cluster or in a HOMECLUSTER line of the configuration"))
        }
    }
}

/// What is understood and cannot be done yet.
fn not_yet(what: &str, ui: &Ui) -> u8 {
    ui.error(&format!("{what} is not supported yet; mdadm can be used on the same arrays meanwhile"));
    2
}

/// Each device is treated as the action said that was in force when its word was read; where they differ, one by one.
fn misc(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if request.devices.iter().all(|(action, _)| *action == request.action) {
        return one_action(request, common, machine, ui);
    }
    let mut status = DONE;
    for (action, path) in &request.devices {
        let devices = vec![(action.clone(), path.clone())];
        let one = MiscRequest { action: action.clone(), devices, ..request.clone() };
        status |= one_action(&one, common, machine, ui)?;
    }
    Ok(status)
}

/// Says what a refusal says.
fn refuse(refusal: &Refusal, common: &Common, ui: &Ui) -> u8 {
    for warning in &refusal.said {
        say(warning.kind, &warning.text, ui);
    }
    ui.error(&refusal.text);
    if let Some(hint) = &refusal.hint {
        ui.note(hint);
    }
    if common.json {
        tell(Outcome::refused(refusal.text.clone(), refusal.hint.clone(), texts(&refusal.said)));
    }
    refusal.status
}

fn say(kind: Say, text: &str, ui: &Ui) {
    match kind {
        Say::Out => drop(print(&format!("{}: {text}\n", ui.program()))),
        Say::Note | Say::Ask => ui.warn(text),
    }
}

/// Asks, where nobody said yes beforehand. Nobody waits for an answer that cannot come.
fn agreed(question: &str, common: &Common, ui: &Ui) -> bool {
    if common.yes {
        return true;
    }
    if !terminal::somebody_is_there() {
        ui.error("nothing was written: nobody can be asked here; --yes (-y) agrees");
        return false;
    }
    let agreed = ui.ask(question);
    if !agreed {
        ui.error("nothing was written");
    }
    agreed
}

/// Shows a plan instead of carrying it out.
fn preview(plan: &Plan, common: &Common) -> Result<u8> {
    Ok(preview_kept(&Kept::new(plan, &inventory::machine(), common).plan, common))
}

fn preview_kept(plan: &Plan, common: &Common) -> u8 {
    if common.json {
        tell(outcome(plan, true));
        return DONE;
    }
    print(&plan.to_string())
}

/// What this command did so far. It is told at its end, as one document for all arrays and members that it was about.
static TOLD: Mutex<Vec<Outcome>> = Mutex::new(Vec::new());

fn tell(outcome: Outcome) {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
}

/// Prints what was told.
fn told(status: u8) -> u8 {
    let all = std::mem::take(&mut *TOLD.lock().unwrap_or_else(PoisonError::into_inner));
    let printed = Outcome::together(all).map_or(DONE, |outcome| print(&outcome.text()));
    if status == DONE { printed } else { status }
}

fn outcome(plan: &Plan, planned_only: bool) -> Outcome {
    let undo = |step: &Step| step.undo(Vec::new()).map(|undo| undo.to_string());
    let steps = plan.steps.iter().map(|step| (step.to_string(), undo(step))).collect();
    Outcome::new(planned_only, &plan.summary, steps, texts(&plan.warnings))
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(|warning| warning.text.clone()).collect()
}

/// What is said when a plan has been carried out, or could not be.
#[derive(Default)]
struct Ended {
    /// On standard output.
    out: String,
    /// On standard error, unless `--quiet`.
    note: String,
    /// Goes before the kernel's reason of a failure.
    failed: Option<String>,
}

/// Carries a plan out and says how it ended; what it overwrites is kept first. When it fails before its commit, the machine is as it was.
fn carry_out(plan: &Plan, machine: &Machine, common: &Common, ui: &Ui, ended: Ended) -> Result<u8> {
    carry_out_kept(&Kept::new(plan, machine, common), machine, common, ui, ended)
}

fn carry_out_kept(kept: &Kept, machine: &Machine, common: &Common, ui: &Ui, ended: Ended) -> Result<u8> {
    carried_out(keep::run(kept, machine, ui), kept, common, ui, ended)
}

/// Says how carrying out a plan ended.
fn carried_out(done: Result<(), Failure>, kept: &Kept, common: &Common, ui: &Ui, ended: Ended) -> Result<u8> {
    if common.json {
        let mut told = outcome(&kept.plan, false);
        if let Err(failure) = &done {
            let reason = format!("{:#}", failure.cause);
            told = told.failed(&failure.step, reason, &failure.not_undone, failure.committed);
        }
        tell(told);
    }
    if let Err(failure) = done {
        // After the commit what was asked for is done; what is said is which part of the rest is not.
        if failure.committed {
            ui.warn(&format!("{}: {:#}", failure.step, failure.cause));
        } else {
            return Ok(failed(&failure, ended.failed, ui));
        }
    }
    if !ended.out.is_empty() && !common.json {
        print(&format!("{}: {}\n", ui.program(), ended.out));
    }
    if !ended.note.is_empty() {
        ui.note(&ended.note);
    }
    Ok(DONE)
}

/// Says why nothing was done, and what could not be put back.
fn failed(failure: &Failure, what: Option<String>, ui: &Ui) -> u8 {
    match what {
        Some(what) => ui.error(&format!("{what}: {:#}", failure.cause)),
        None => ui.error(&format!("{:#}", failure.cause)),
    }
    for left in &failure.not_undone {
        ui.error(&format!("could not undo: {left}"));
    }
    FAILED
}
