//! One file per verb: parse, look, decide, then print or ask and do, then report. Nothing is decided here.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    cli::{self, help, parse},
    config::{
        HostName,
        conf::{Config, Diagnostic},
        sources::ConfigSources,
    },
    inventory,
    kernel::{Machine, Meanwhile, files, host, kmsg, parallel},
    model::{Sight, Unusable},
    plan::{
        Plan, Refusal, Say, Step, Warning, assemble::Home, create::CreateSettings, named::Becomes,
        run::Failure,
    },
    report::{outcome::Outcome, text::harmless},
    request::{Common, ConfigRequest, Invocation, MiscAction, MiscRequest, Request},
    ui::{self, Ui},
};

mod action;
mod assemble;
mod bitmap;
mod boot;
mod build;
mod complete;
mod config;
mod create;
mod detail;
mod dm;
mod drive;
mod dump;
mod examine;
mod explain;
mod grow;
mod history;
mod incremental;
mod keep;
mod manage;
mod monitor;
mod noted;
mod output;
mod overlay;
mod platform;
mod query;
mod raid6check;
mod recover;
mod replace;
mod schedule;
mod scrub;
mod second;
mod shared;
mod status;
mod stop;
mod trial;
mod volume;
mod wait;
mod zero;

use keep::Kept;
use output::{print, tell};

/// Exit status of a command that did what it was asked to.
const DONE: u8 = 0;
/// From this many `-v` on, developers' words too.
const TRACED: i32 = 3;
/// The name under which texts and statuses are our own.
const NATIVE: &str = "mdctl";
/// Exit status of a failure.
const FAILED: u8 = 1;

const NOT_ROOT: &str = "must be super-user to perform this action";

/// Runs the program: the words after its name, under the name by which it was called. On a thread of its own, whatever the
/// stack of the caller's is.
#[must_use]
pub fn run(program: &Path, args: Vec<OsString>) -> u8 {
    parallel::on_own_stack(|| {
        let status = named(program, args);
        output::ended(program, status)
    })
}

/// Devices are known by text: a path that is none is replaced by another name of the same file.
fn in_text(word: OsString) -> OsString {
    match word.to_str() {
        Some(_) => word,
        None => files::text_name(Path::new(&word)).map_or(word, PathBuf::into_os_string),
    }
}

fn named(program: &Path, args: Vec<OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().map(in_text).collect();
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(status) = second::run(&name, &args) {
        return status;
    }
    output::begin(args.iter().any(|word| word == "--json"));
    let words = args.iter().map(|word| word.to_string_lossy().into_owned());
    let words = std::iter::once(name.clone()).chain(words).collect();
    match cli::understand(&name, args) {
        Ok(parse::Parsed::Run(mut invocation)) => {
            invocation.common.words = words;
            dispatch(&name, &invocation)
        }
        Ok(parse::Parsed::Help(text)) => print(&text),
        Ok(parse::Parsed::Complete(words)) => complete::run(&words),
        Ok(parse::Parsed::Version) => {
            let version = help::version(&name);
            Ui::new(name.as_str(), 0).plain(&version);
            if output::is_json() {
                tell(Outcome::new(false, version.trim_end(), Vec::new(), Vec::new()));
            }
            DONE
        }
        Err(error) => {
            let ui = Ui::new(name.as_str(), 0);
            let status = misunderstood(&error, &name, &ui);
            document(status, &words, false, &ui);
            status
        }
    }
}

fn misunderstood(error: &cli::UsageError, name: &str, ui: &Ui) -> u8 {
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
        ui.usage(&help::usage(name));
    }
    error.status
}

/// With `--json` there is a document, however a command ends; and no command of ours fails without a word.
fn document(status: u8, words: &[String], planned_only: bool, ui: &Ui) {
    if !output::is_empty() {
        return;
    }
    let words = words.join(" ");
    if status != DONE && ui.said().is_empty() && ui.program() == NATIVE {
        ui.error(&format!("`{words}` ends with status {status}, and nobody said why"));
    }
    let mut said = ui.said();
    if output::is_json() {
        tell(if status == DONE {
            Outcome::new(planned_only, &words, Vec::new(), said)
        } else {
            let reason = if said.is_empty() { words } else { said.remove(0) };
            Outcome::refused(reason, None, said)
        });
    }
}

fn dispatch(name: &str, invocation: &Invocation) -> u8 {
    let ui = Ui::new(name, invocation.common.verbose);
    let common = &invocation.common;
    let status = carried(invocation, &ui);
    document(status, &common.words, common.dry_run, &ui);
    status
}

fn carried(invocation: &Invocation, ui: &Ui) -> u8 {
    if invocation.common.verbose >= TRACED {
        ui::trace();
    }
    for notice in &invocation.notices {
        ui.warn(notice);
    }
    let examines =
        matches!(&invocation.request, Request::Misc(request) if request.action == MiscAction::Examine);
    // Who moves no spares changes nothing.
    let watches = matches!(&invocation.request, Request::Monitor(it) if it.oneshot || it.no_sharing);
    let reads = matches!(invocation.request, Request::Status(_) | Request::Config(ConfigRequest::Show));
    let unprivileged = examines || watches || reads;
    if !unprivileged && !host::is_root() {
        ui.error(NOT_ROOT);
        return FAILED;
    }
    let hears = ui.clone();
    let machine = Machine { meanwhile: Meanwhile::to(move |text| hears.note(text)), ..inventory::machine() };
    machine.meanwhile.serve_everywhere();
    let common = &invocation.common;
    recover::unfinished(&invocation.request, common, &machine, ui);
    let ended = match &invocation.request {
        Request::Assemble(request) => assemble::run(request, common, &machine, ui),
        Request::Create(request) => create::run(request, common, &machine, ui),
        Request::Misc(request) => misc(request, common, &machine, ui),
        Request::Build(request) => build::run(request, common, &machine, ui),
        Request::Grow(request) => grow::run(request, common, &machine, ui),
        Request::Incremental(request) => incremental::run(request, common, &machine, ui),
        Request::Manage(request) => manage::run(request, common, &machine, ui),
        Request::Monitor(request) => monitor::run(request, common, &machine, ui),
        Request::Explain(request) => explain::run(request, common, &machine, ui),
        Request::Scrub(request) => scrub::run(request, common, &machine, ui),
        Request::ScrubSchedule(request) => schedule::run(request, common, &machine, ui),
        Request::Raid6Check(request) => raid6check::run(request, common, &machine, ui),
        Request::Replace(request) => replace::run(request, common, &machine, ui),
        Request::Trial(request) => trial::run(request, common, &machine, ui),
        Request::Overlay(request) => overlay::run(request, common, &machine, ui),
        Request::BootCheck => boot::check(common, &machine),
        Request::Config(request) => config::run(request, common, &machine, ui),
        Request::Status(request) => status::run(request, common, &machine, ui),
        Request::History => history::list(common, &machine, ui),
        Request::Undo(request) => history::undo(request, common, &machine, ui),
        Request::Dm(request) => dm::run(request, common, &machine, ui),
        Request::Volume(request) => volume::run(request, common, &machine, ui),
        Request::AutoDetect => platform::auto_detect(&machine, common, ui),
    };
    ended.unwrap_or_else(|error| {
        ui.error(&format!("{error:#}"));
        FAILED
    })
}

fn one_action(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    match &request.action {
        MiscAction::Stop => stop::run(Becomes::Stopped, request, common, machine, ui),
        MiscAction::Run => stop::run(Becomes::Started, request, common, machine, ui),
        MiscAction::ReadOnly => stop::run(Becomes::ReadOnly, request, common, machine, ui),
        MiscAction::ReadWrite => stop::run(Becomes::Writable, request, common, machine, ui),
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

/// Whose arrays are ours.
fn home(common: &Common, config: &Config) -> Home {
    let host = inventory::homehost(common.homehost.as_ref(), common.ignore_homehost, config);
    Home { host, required: !(common.ignore_homehost || config.home_host.ignore) }
}

/// For arrays that are made.
fn settings(common: &Common, config: Config, native: bool) -> CreateSettings {
    CreateSettings {
        homehost: inventory::homehost(common.homehost.as_ref(), common.ignore_homehost, &config),
        config,
        verbose: common.verbose,
        zone: inventory::local_zone(),
        native,
    }
}

/// A device that does not answer is left out of a scan, and nobody named it.
fn say_silent(sights: &[Sight], ui: &Ui) {
    for sight in sights {
        if let Err(Unusable::Silent(why)) = &sight.found {
            ui.warn(&format!("left out: {why}"));
        }
    }
}

/// In an initial RAM disk the kernel's log is all that is left to read of it.
fn tell_early(text: &str, machine: &Machine, ui: &Ui) {
    kmsg::say_early(&machine.places.dev.join("kmsg"), ui.program(), &harmless(text));
}

/// The configuration; what is wrong in it is said, under our own name with file and line.
fn configured(common: &Common, ui: &Ui) -> Result<Config> {
    let sources = ConfigSources::from_option(common.config.as_deref());
    let (config, diagnostics) = inventory::configuration(&sources)?;
    say_odd(diagnostics, ui);
    Ok(config)
}

/// The same where a machine has to start, and where things are only shown: a file that cannot be read is passed over, as the
/// original does.
fn configured_or_not(common: &Common, ui: &Ui) -> Config {
    let sources = ConfigSources::from_option(common.config.as_deref());
    let (config, diagnostics) = inventory::configuration_to_show(&sources);
    say_odd(diagnostics, ui);
    config
}

fn say_odd(diagnostics: Vec<Diagnostic>, ui: &Ui) {
    for diagnostic in diagnostics {
        ui.error(&if ui.program() == NATIVE { diagnostic.to_string() } else { diagnostic.text });
    }
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
    if refusal.aside {
        ui.note(&refusal.text);
    } else {
        ui.error(&refusal.text);
    }
    if let Some(hint) = &refusal.hint {
        ui.note(hint);
    }
    if common.json {
        tell(refused(refusal));
    }
    refusal.status
}

fn refused(refusal: &Refusal) -> Outcome {
    Outcome::refused(refusal.text.clone(), refusal.hint.clone(), texts(&refusal.said))
}

fn say(kind: Say, text: &str, ui: &Ui) {
    match kind {
        // The one document is alone on standard output.
        Say::Out if output::is_json() => ui.warn(text),
        Say::Out => drop(print(&format!("{}: {}\n", ui.program(), harmless(text)))),
        Say::Tell => ui.note(text),
        Say::Note | Say::Ask => ui.warn(text),
    }
}

/// Shows a plan instead of carrying it out.
fn preview(plan: &Plan, machine: &Machine, common: &Common) -> Result<u8> {
    Ok(preview_kept(&Kept::new(plan, machine, common).plan, common))
}

fn preview_kept(plan: &Plan, common: &Common) -> u8 {
    if common.json {
        tell(outcome(plan, true));
        return DONE;
    }
    print(&harmless(&plan.to_string()))
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
        tell(ended_outcome(&kept.plan, done.as_ref().err()));
    }
    match done {
        Err(failure) if !failure.committed => return Ok(failed(&failure, ended.failed, ui)),
        Err(failure) if !failure.rest.minor => return Ok(incomplete(&failure, &kept.plan, ui)),
        // What was asked for is done.
        Err(failure) => {
            ui.warn(&failure.why());
            failure.rest.others.iter().for_each(|other| ui.warn(other));
        }
        Ok(()) => {}
    }
    kept.plan.warnings.iter().for_each(|warning| say(warning.kind, &warning.text, ui));
    if !ended.out.is_empty() && !common.json {
        print(&format!("{}: {}\n", ui.program(), harmless(&ended.out)));
    }
    if !ended.note.is_empty() {
        ui.note(&ended.note);
    }
    Ok(DONE)
}

/// A plan and how it ended.
fn ended_outcome(plan: &Plan, failure: Option<&Failure>) -> Outcome {
    let done = outcome(plan, false);
    match failure {
        None => done,
        Some(failure) if failure.committed && failure.rest.minor => done.warned(failure.why()),
        Some(failure) => {
            let reason = format!("{:#}", failure.cause);
            let told = done.failed(&failure.step, reason, &failure.not_undone, failure.committed);
            told.hinted(failure.rest.later.as_deref())
        }
    }
}

/// The change is made, and something that belongs to it is not: which, and what does it later.
fn incomplete(failure: &Failure, plan: &Plan, ui: &Ui) -> u8 {
    ui.error(&failure.why());
    failure.rest.others.iter().for_each(|other| ui.error(other));
    ui.error(&format!("not all is done: {}", plan.summary));
    if let Some(later) = &failure.rest.later {
        ui.note(&format!("what remains to be done: {later}"));
    }
    FAILED
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
