//! One file per verb: parse, look, decide, then print or ask and do, then report. Nothing is decided here.

use std::{ffi::OsString, io::Write, path::Path};

use anyhow::Result;

use crate::{
    cli::{
        self, help,
        parse::Outcome,
        request::{Common, Invocation, MiscAction, MiscRequest, Request},
    },
    execute::{self, Failure, Live},
    inventory,
    kernel::{Machine, host},
    plan::{Plan, Refusal, Say},
    ui::Ui,
};

mod create;
mod detail;
mod examine;
mod query;
mod stop;

/// Exit status of a command that did what it was asked to.
const DONE: u8 = 0;
/// Exit status of a failure.
const FAILED: u8 = 1;

const NOT_ROOT: &str = "must be super-user to perform this action";

/// Runs the program: the words after its name, under the name by which it was called.
#[must_use]
pub fn run(program: &Path, args: Vec<OsString>) -> u8 {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match cli::understand(&name, args) {
        Ok(Outcome::Run(invocation)) => dispatch(&name, &invocation),
        Ok(Outcome::Help(text)) => print(&text),
        Ok(Outcome::Version) => {
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
    for notice in &invocation.notices {
        ui.warn(notice);
    }
    let examines =
        matches!(&invocation.request, Request::Misc(request) if request.action == MiscAction::Examine);
    if !examines && !host::is_root() {
        ui.error(NOT_ROOT);
        return FAILED;
    }
    let machine = inventory::machine();
    let ended = match &invocation.request {
        Request::Create(request) => create::run(request, &invocation.common, &machine, &ui),
        Request::Misc(request) if request.action == MiscAction::Stop => {
            stop::run(request, &invocation.common, &machine, &ui)
        }
        Request::Misc(request) if examines => examine::run(request, &invocation.common, &machine, &ui),
        Request::Misc(request) if matches!(request.action, MiscAction::Detail | MiscAction::Query) => {
            look(request, &invocation.common, &machine, &ui)
        }
        _ => {
            ui.error("this mode is not there yet");
            return 2;
        }
    };
    ended.unwrap_or_else(|error| {
        ui.error(&format!("{error:#}"));
        FAILED
    })
}

/// Detail and query; where both are asked for, each device is asked about in its turn.
fn look(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> anyhow::Result<u8> {
    let run = |request: &MiscRequest| match request.action {
        MiscAction::Query => query::run(request, common, machine, ui),
        _ => detail::run(request, common, machine, ui),
    };
    if request.devices.iter().all(|(action, _)| *action == request.action) {
        return run(request);
    }
    let mut status = DONE;
    for (action, path) in &request.devices {
        let devices = vec![(action.clone(), path.clone())];
        status |= run(&MiscRequest { action: action.clone(), devices, ..request.clone() })?;
    }
    Ok(status)
}

/// Says what a refusal says.
fn refuse(refusal: &Refusal, ui: &Ui) -> u8 {
    for warning in &refusal.said {
        say(warning.kind, &warning.text, ui);
    }
    ui.error(&refusal.text);
    if let Some(hint) = &refusal.hint {
        ui.note(hint);
    }
    refusal.status
}

fn say(kind: Say, text: &str, ui: &Ui) {
    match kind {
        Say::Out => drop(print(&format!("{}: {text}\n", ui.program()))),
        Say::Note | Say::Ask => ui.warn(text),
    }
}

/// Carries a plan out; the machine is as it was when this fails before the commit.
fn execute(plan: &Plan, machine: &Machine) -> Result<(), Failure> {
    let mut live = Live::new(machine.clone());
    execute::run(plan, &mut live)
}

/// Says what went wrong, and what could not be put right.
fn report_failure(failure: &Failure, ui: &Ui) -> u8 {
    ui.error(&format!("{:#}", failure.cause));
    for left in &failure.not_undone {
        ui.error(&format!("could not undo: {left}"));
    }
    FAILED
}
