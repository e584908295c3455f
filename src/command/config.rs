//! `mdctl config`.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use super::{DONE, Ended, FAILED, carry_out, preview, print, refuse};
use crate::{
    config::{
        alerts,
        conf::{self, Config, Diagnostic},
        sources::{ConfigSources, ConfigTexts},
    },
    inventory::{self, StatusLook},
    kernel::{Machine, host},
    model::{status::ArrayStatus, view::UsedBy},
    plan::configuration::{self, ConfigBeside, ConfigRemark},
    report::config::{ConfigChecked, ConfigLine, ConfigSaid, ConfigShown},
    request::{Common, ConfigRequest},
    ui::Ui,
};

/// Carries one of the verbs out.
pub(super) fn run(request: &ConfigRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    match request {
        ConfigRequest::Show => show(common),
        ConfigRequest::Check => check(common, machine),
        ConfigRequest::Write { file } => write(file.as_deref(), common, machine, ui),
    }
}

/// The files, their meaning, and what of them is not understood.
struct Read {
    texts: ConfigTexts,
    config: Config,
    diagnostics: Vec<Diagnostic>,
}

fn read(sources: &ConfigSources) -> Result<Read> {
    let (texts, mut diagnostics) = inventory::configuration_texts(sources)?;
    let (config, odd) = conf::parse(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    diagnostics.extend(odd);
    Ok(Read { texts, config, diagnostics })
}

impl Read {
    fn files(&self) -> Vec<String> {
        self.texts.iter().map(|(file, _)| file.clone()).collect()
    }
}

fn show(common: &Common) -> Result<u8> {
    let read = read(&ConfigSources::from_option(common.config.as_deref()))?;
    let problems = |file: &str, line: usize| {
        let here = read.diagnostics.iter().filter(|odd| odd.file == file && odd.line == line);
        here.map(|odd| odd.text.clone()).collect()
    };
    let of_file = |(file, text): &(String, String)| {
        let line =
            |(line, words)| ConfigLine { file: file.clone(), line, words, problems: problems(file, line) };
        conf::logical_lines(text).into_iter().map(line).collect::<Vec<_>>()
    };
    let shown = ConfigShown::new(read.files(), read.texts.iter().flat_map(of_file).collect());
    Ok(if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))
    } else {
        print(&shown.text())
    })
}

fn check(common: &Common, machine: &Machine) -> Result<u8> {
    let sources = ConfigSources::from_option(common.config.as_deref());
    let read = read(&sources)?;
    let others = inventory::passed_over_configuration(&sources, &read.texts);
    let named = match &sources {
        ConfigSources::Path(path) => Some(path.display().to_string()),
        ConfigSources::Usual | ConfigSources::None | ConfigSources::Partitions => None,
    };
    let mut look = StatusLook::new(machine);
    let arrays = look.all()?;
    let paths = inventory::candidates(machine, &read.config, look.nodes())?;
    let sights = inventory::members(machine, &paths, UsedBy::Unasked);
    let found = sights.iter().filter_map(|sight| sight.found.as_ref().ok());
    let on_devices: BTreeSet<_> =
        found.flat_map(|device| &device.probe.found).map(|found| found.fields().array()).collect();
    let mut remarks = configuration::check_files(&read.texts, &others, named.as_deref());
    let texts = inventory::monitor_texts(common.config.as_deref())?;
    let (alerts, odd) = texts.alerts.as_ref().map(|(_, text)| alerts::parse(text)).unwrap_or_default();
    let beside = ConfigBeside {
        on_devices,
        kept_away: inventory::kept_away(&read.config, &arrays)?,
        has_receiver: alerts.smtp.is_some() || !alerts.hooks.is_empty(),
        no_program: read.config.program.as_deref().is_some_and(|path| !inventory::is_executable(path)),
        host: host::hostname(),
        open_to_all: inventory::writable_by_all(&read.texts),
        arrays: arrays.clone(),
    };
    remarks.extend(configuration::check((&read.config, &read.diagnostics), &beside));
    let of_ours = odd.into_iter().chain(texts.secrets);
    remarks.extend(of_ours.map(|text| ConfigRemark { wrong: true, place: None, text }));
    let would_add = configuration::lacking(&read.config, &arrays).into_iter().map(configuration::line);
    let checked =
        ConfigChecked::new(read.files(), remarks.into_iter().map(said).collect(), would_add.collect());
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&checked)?));
    } else {
        print(&checked.text());
    }
    Ok(if checked.is_wrong() { FAILED } else { DONE })
}

fn said(ConfigRemark { wrong, place, text }: ConfigRemark) -> ConfigSaid {
    let (file, line) = place.unzip();
    ConfigSaid { wrong, file, line, text }
}

fn write(file: Option<&Path>, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let sources = file.map_or(ConfigSources::Usual, |file| ConfigSources::Path(file.to_path_buf()));
    let read = read(&sources)?;
    read.diagnostics.iter().for_each(|odd| ui.warn(&odd.to_string()));
    let main = configuration::main_file(&read.texts, inventory::usual_configuration());
    let file = inventory::configuration_file(file.unwrap_or(Path::new(main)))?;
    let arrays: Vec<ArrayStatus> = StatusLook::new(machine).all()?;
    let plan = match configuration::write(&file, &read.config, &arrays) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    if common.dry_run || plan.steps.is_empty() {
        return preview(&plan, machine, common);
    }
    let ended = Ended { note: plan.summary.replacen("add to", "added to", 1), ..Ended::default() };
    carry_out(&plan, machine, common, ui, ended)
}
