//! `--monitor`: watch arrays and tell somebody.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use super::{DONE, FAILED, drive::Driver, refuse};
use crate::{
    config::{
        Config,
        conf::{ArrayLine, ArrayLineName},
    },
    execute::follow,
    inventory,
    kernel::{Machine, files, host, message, second},
    plan::monitor::{
        self, List, Monitor, MonitorJob, Origin, Outbox, Receivers, Sharing, WatchedArray, Watching,
    },
    request::{Common, MonitorRequest},
    ui::Ui,
};

/// Percents from one event of progress to the next, where nobody said it.
const USUAL_INCREMENT: u32 = 20;
/// Seconds between two looks, where nobody said it.
const USUAL_DELAY: u32 = 60;

/// Watches until there is nothing left to watch, or a signal comes.
pub(super) fn run(request: &MonitorRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
    let given = Receivers {
        program: request.program.as_ref().map(text),
        mail_to: request.mail.clone(),
        mail_from: None,
        syslog: request.syslog,
        journal: message::has_journal(),
        host: host::hostname().unwrap_or_default(),
        native: ui.program() == super::NATIVE,
    };
    let receivers = given.configured(&config);
    let texts = inventory::monitor_texts(common.config.as_deref())?;
    let (boxes, odd) = receivers.mailboxes(texts.alerts.as_ref());
    odd.iter().chain(&texts.secrets).for_each(|odd| ui.warn(odd));
    if request.scan && !receivers.is_anybody() && boxes.is_empty() {
        ui.error("No mail address or alert command - not monitoring.");
        return Ok(FAILED);
    }
    let shares = !(request.oneshot || request.no_sharing);
    let other = inventory::sharing_process(machine).filter(|_| shares);
    match monitor::beside(other, request.scan) {
        Ok(warning) => warning.iter().for_each(|text| ui.warn(text)),
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    }
    if request.daemonise {
        return daemonise(request, common, machine, ui);
    }
    let increment = u8::try_from(request.increment.unwrap_or(USUAL_INCREMENT)).unwrap_or(u8::MAX);
    let delay = request.delay.or(config.monitor_delay).unwrap_or(USUAL_DELAY);
    let outbox = Outbox::new(spools(machine), boxes, process(), &receivers.host);
    let job = MonitorJob {
        list: List::new(watched(request, &config, increment), request.scan, increment, common.test),
        receivers,
        given,
        config: common.config.clone(),
        delay: Duration::from_secs(delay.into()),
        oneshot: request.oneshot,
        outbox,
        sharing: shares.then(|| Sharing {
            rules: config.policies.clone(),
            bad_block_log: config.create.bbl != Some(false),
            zone: inventory::local_zone(),
            dry_run: common.dry_run,
        }),
        pid_file: shares.then(|| (inventory::sharing_file(machine), std::process::id())),
    };
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut Monitor::new(job))
}

/// Where letters are kept until they were delivered: on a disk, or in memory where the disk cannot be written.
fn spools(machine: &Machine) -> Vec<String> {
    [&machine.state, &machine.places.run].map(|dir| dir.join("mdctl/spool").display().to_string()).to_vec()
}

/// What no other process is called, on any machine.
fn process() -> String {
    let random = host::random_bytes().map(u64::from_ne_bytes);
    random.map_or_else(|_| std::process::id().to_string(), |random| format!("{random:016x}"))
}

/// The devices that were given, or those that the configuration names; the last one first, as in the original.
fn watched(request: &MonitorRequest, config: &Config, increment: u8) -> Vec<WatchedArray> {
    let watching = |path: String, expected_spares| Watching { path, expected_spares, increment };
    if !request.scan {
        let paths = request.devices.iter().map(|word| word.to_string_lossy().into_owned());
        let watched = paths.map(|path| WatchedArray::new(watching(path, None), Origin::Named));
        return watched.rev().collect();
    }
    let of_line = |line: &ArrayLine| {
        let ArrayLineName::Word(word) = &line.name else { return None };
        let path = if word.starts_with('/') { word.clone() } else { format!("/dev/md/{word}") };
        let mut watched = WatchedArray::new(watching(path, line.spares), Origin::Configured);
        watched.spare_group.clone_from(&line.spare_group);
        Some(watched)
    };
    config.arrays.iter().rev().filter_map(of_line).collect()
}

/// Goes on as a process of its own; its number goes to the file, or to standard output.
fn daemonise(request: &MonitorRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let words = words(request, common);
    // That process stands elsewhere.
    let pid_file = request.pid_file.as_ref().map(std::path::absolute).transpose()?.unwrap_or_default();
    let pid_file = pid_file.display().to_string();
    let words: Vec<&str> = [follow::MONITOR, &pid_file, ui.program()]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    let pid = second::in_background(&machine.procfs, &PathBuf::from("/dev/null"), &words)?;
    match &request.pid_file {
        Some(path) => {
            if let Err(error) = files::replace(path, format!("{pid}\n").as_bytes(), 0o644) {
                ui.warn(&format!("{error}; the monitor is process {pid}"));
            }
        }
        None => drop(super::print(&format!("{pid}\n"))),
    }
    Ok(DONE)
}

/// The same command without what makes a process of its own.
fn words(request: &MonitorRequest, common: &Common) -> Vec<String> {
    let mut words = vec!["--monitor".to_owned()];
    let mut flag = |given: bool, word: &str| words.extend(given.then(|| word.to_owned()));
    flag(request.scan, "--scan");
    flag(request.oneshot, "--oneshot");
    flag(request.syslog, "--syslog");
    flag(request.no_sharing, "--no-sharing");
    flag(common.test, "--test");
    let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
    let valued = [
        ("mail", request.mail.clone()),
        ("program", request.program.as_ref().map(text)),
        ("increment", request.increment.map(|number| number.to_string())),
        ("delay", request.delay.map(|number| number.to_string())),
        ("config", common.config.as_ref().map(text)),
    ];
    let valued = valued.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
    words.extend(valued.collect::<Vec<_>>());
    words.extend(request.devices.iter().map(text));
    words
}
