//! `mdctl status`.

use std::path::Path;

use anyhow::Result;

use super::{DONE, FAILED, print};
use crate::{
    cli::request::{Common, StatusRequest},
    inventory::StatusLook,
    kernel::{Machine, host, node, terminal},
    model::DevId,
    report::status::{Problem, Report, View},
    ui::Ui,
};

/// Shows arrays.
pub(super) fn run(request: &StatusRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut look = StatusLook::new(machine)?;
    let report = report(request, &mut look)?;
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        let terminal = terminal::standard_output();
        let view = View {
            width: terminal.map(|terminal| terminal.width),
            colour: terminal.is_some_and(|terminal| terminal.colour),
        };
        print(&report.text(view));
        for problem in &report.problems {
            ui.error(&format!("{}: {}", problem.device, problem.error));
        }
    }
    Ok(if report.problems.is_empty() { DONE } else { FAILED })
}

fn report(request: &StatusRequest, look: &mut StatusLook<'_>) -> Result<Report> {
    let (now, _) = host::now();
    let all = look.all()?;
    if request.arrays.is_empty() {
        return Ok(Report::new(now, &all, None));
    }
    let mut chosen = vec![];
    let mut problems = vec![];
    for word in &request.arrays {
        let id = node::number_of(Path::new(word)).ok().flatten();
        let id = id.map(|number| DevId { major: number.major, minor: number.minor });
        match all.iter().find(|array| array.is_called(word, id)) {
            Some(array) => chosen.push(array.clone()),
            None => {
                let error = "is no array in the kernel; mdctl explain looks on the devices too".to_owned();
                problems.push(Problem { device: word.clone(), error });
            }
        }
    }
    Ok(Report { problems, ..Report::new(now, &chosen, None) })
}
