//! `mdctl explain`.

use std::path::Path;

use anyhow::Result;

use super::{
    DONE, FAILED, print,
    shared::{session, view},
};
use crate::{
    config::{Config, sources::ConfigSources},
    inventory::{self, StatusLook},
    kernel::{KernelError, Machine, node},
    model::{
        Candidate as Looked, DevId, Sight,
        view::UsedBy,
        volume::{FormerLabel, Groups},
    },
    plan::{
        explain::{self, ExplainScene, Explanation, FoundWord, Subject},
        volume::former,
    },
    report::{
        explain::{ExplainDevice, ExplainReport, ExplainSubject as Shown, ShownCommand, ShownFinding},
        status::Problem,
    },
    request::{Common, ExplainRequest},
    ui::Ui,
};

/// Explains what is asked about, or all that is not in order.
pub(super) fn run(request: &ExplainRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let (config, diagnostics) =
        inventory::configuration_to_show(&ConfigSources::from_option(common.config.as_deref()));
    for diagnostic in diagnostics {
        ui.error(&diagnostic.to_string());
    }
    let mut look = StatusLook::new(machine);
    let arrays = look.all()?;
    let mut sights = sights(machine, &config, &look, &request.subjects, ui)?;
    super::say_silent(&sights, ui);
    inventory::find_holders(machine, &mut sights, &arrays, None);
    let session = session(machine, &config, common, &sights)?;
    let log = inventory::kernel_log(machine);
    let zone = inventory::local_zone();
    let scene = ExplainScene {
        arrays: &arrays,
        sights: &sights,
        session: &session,
        device: None,
        log: &log,
        zone: &zone,
    };
    let known = inventory::known_members(machine, &sights);
    let told = |explanation| {
        scene.with_overwritten(scene.with_former(explanation, &known.former), &known.overwritten)
    };
    let mut problems = vec![];
    let mut shown = vec![];
    if request.subjects.is_empty() {
        let troubles = scene.troubles();
        let all = troubles.iter().map(|subject| told(explain::explain(&scene, subject)));
        let all: Vec<Explanation> = all.collect();
        shown.extend(all.iter().filter(|one| !one.is_fine()).map(report));
        shown.extend(scene.lost(&known.former).iter().map(report));
    }
    for word in &request.subjects {
        match scene.understand(word, number(word)) {
            FoundWord::Nothing => problems.push(Problem { device: word.clone(), error: nothing(word) }),
            FoundWord::Subjects(subjects) => {
                for subject in &subjects {
                    let device = device(machine, subject);
                    let scene = ExplainScene { device: device.as_ref(), ..scene };
                    let labels = if scene.is_blank() { labels(machine, subject, ui) } else { Vec::new() };
                    let explanation = told(explain::explain(&scene, subject));
                    shown.push(report(&scene.with_labels(explanation, &labels)));
                }
            }
        }
    }
    let report = ExplainReport::new(shown, problems);
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else if report.subjects.is_empty() && report.problems.is_empty() {
        print(&format!("{}\n", crate::report::explain::nothing_to_explain(&arrays)));
    } else {
        print(&report.text(view(), &zone));
    }
    for problem in report.problems.iter().filter(|_| !common.json) {
        ui.error(&format!("{}: {}", problem.device, problem.error));
    }
    Ok(if report.problems.is_empty() { DONE } else { FAILED })
}

fn nothing(word: &str) -> String {
    if word.starts_with('/') && !Path::new(word).starts_with("/dev/md") {
        "there is no such device".to_owned()
    } else {
        "no array in the kernel and no device's metadata is called so".to_owned()
    }
}

fn number(word: &str) -> Option<DevId> {
    node::number_of(Path::new(word)).ok().flatten()
}

/// A device that is asked about is looked at once more, for everything that is on it.
fn device(machine: &Machine, subject: &Subject) -> Option<Looked> {
    let Subject::Device(path) = subject else { return None };
    inventory::look(machine, std::slice::from_ref(path), true).pop()
}

/// What groups of volumes say of a device that says nothing itself. It is an addition: where they cannot be read, that is said.
fn labels(machine: &Machine, subject: &Subject, ui: &Ui) -> Vec<FormerLabel> {
    let Subject::Device(path) = subject else { return Vec::new() };
    let judged = |groups: &Groups| -> Result<Vec<FormerLabel>, KernelError> {
        let all = inventory::kept::former_labels(machine, groups, path)?.into_iter();
        all.map(|(former, group)| {
            let traces = inventory::labels::traces(machine, groups, &group)?;
            let doubt = former::doubt_of(&traces, groups, &group, former.pv);
            Ok(FormerLabel { doubt, ..former })
        })
        .collect()
    };
    let labels = inventory::volumes::groups(machine).and_then(|groups| judged(&groups));
    labels.unwrap_or_else(|error| {
        ui.warn(&format!("groups of volumes could not be asked: {error}"));
        Vec::new()
    })
}

/// All devices that a scan looks at, members of arrays in the kernel included, and those that are named. What DEVICE lines
/// keep away from a scan is looked at all the same: that may be why an array is not there.
fn sights(
    machine: &Machine,
    config: &Config,
    look: &StatusLook<'_>,
    words: &[String],
    ui: &Ui,
) -> Result<Vec<Sight>> {
    let mut paths = inventory::candidates(machine, config, look.nodes())?;
    let mut known: Vec<Option<DevId>> = paths.iter().map(|path| number(path)).collect();
    let mut new = |word: &String| {
        let id = number(word).filter(|id| !known.contains(&Some(*id)));
        known.extend(id.map(Some));
        id.is_some()
    };
    let mut away = Vec::new();
    if config.devices.is_some() {
        away = inventory::candidates(machine, &Config::partitions(), look.nodes())?;
        away.retain(&mut new);
    }
    let named: Vec<String> = words.iter().filter(|word| new(word)).cloned().collect();
    paths.extend(away.iter().cloned().chain(named));
    let sights = inventory::members(machine, &paths, UsedBy::Whether);
    let has_metadata =
        |sight: &&Sight| sight.found.as_ref().is_ok_and(|device| !device.probe.found.is_empty());
    let kept = sights.iter().filter(|sight| away.contains(&sight.path)).filter(has_metadata);
    let kept: Vec<&str> = kept.map(|sight| sight.path.as_str()).collect();
    if !kept.is_empty() {
        ui.warn(&explain::kept_away(&kept));
    }
    Ok(sights)
}

fn report(explanation: &Explanation) -> Shown {
    let command = |command: &explain::NextCommand| ShownCommand {
        line: command.line(),
        words: command.words.clone(),
        effect: command.effect.clone(),
    };
    let finding = |finding: &explain::Finding| ShownFinding {
        kind: finding.kind.code(),
        severity: match finding.severity {
            explain::Severity::Blocks => "blocks",
            explain::Severity::Weakens => "weakens",
            explain::Severity::Note => "note",
        },
        device: finding.device.clone(),
        text: finding.text.clone(),
        evidence: finding.evidence.clone(),
        needs: finding.needs.clone(),
        command: finding.command.as_ref().map(command),
    };
    let device = |seen: &explain::ExplainSeen| ExplainDevice {
        path: seen.path.clone(),
        role: seen.role.clone(),
        events: seen.events,
        updated_unix_seconds: seen.updated,
        standing: seen.standing.clone(),
    };
    Shown {
        subject: explanation.subject.clone(),
        uuid: explanation.uuid.map(|uuid| uuid.to_string()),
        summary: explanation.summary.clone(),
        fine: explanation.is_fine(),
        devices: explanation.devices.iter().map(device).collect(),
        findings: explanation.findings.iter().map(finding).collect(),
        next_command: explanation.next().map(command),
    }
}
