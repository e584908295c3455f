//! `mdctl scrub`: checks of redundant arrays.

use std::time::Duration;

use anyhow::Result;

use super::{DONE, FAILED, drive::Driver, print};
use crate::{
    config::Config,
    inventory,
    kernel::{Machine, interrupt::Interrupt},
    model::scrub::ScrubArray,
    plan::scrub::{Locate, Scrub, ScrubAct, ScrubJob, ready},
    report::{
        located::LocatedReport,
        scrub::{ScrubLeft, ScrubReport},
    },
    request::{Common, ScrubRequest, ScrubVerb},
    ui::{self, Ui},
};

/// How often somebody wants to see how far a check is.
const TICK: Duration = Duration::from_secs(5);

/// Carries one of the verbs out.
pub(super) fn run(request: &ScrubRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let job = |act, which, from_start| ScrubJob {
        act,
        words: request.arrays.clone(),
        which,
        from_start,
        tick: ui::shows_bars().then_some(TICK),
    };
    let job = match request.verb {
        ScrubVerb::Status => return status(request, common, machine, ui),
        ScrubVerb::Locate => return locate(request, common, machine, ui),
        ScrubVerb::Start { which, from_start } => job(ScrubAct::Start, which, from_start),
        ScrubVerb::Run { which, from_start, most } => job(ScrubAct::Run { most }, which, from_start),
        ScrubVerb::Stop => job(ScrubAct::Stop, Default::default(), false),
        ScrubVerb::Renew => job(ScrubAct::Renew, Default::default(), false),
    };
    let config = Config::default();
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut Scrub::new(job))
}

fn locate(request: &ScrubRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = Config::default();
    // A signal that came ends the process when the answer is out.
    let _held = Interrupt::catch()?;
    let mut course = Locate::new(request.arrays.clone());
    let status = Driver { common, machine, ui, config: &config, own_document: true }.drive(&mut course)?;
    let report = LocatedReport::new(&course.located());
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        print(&report.text());
    }
    Ok(status)
}

fn status(request: &ScrubRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let sight = inventory::scrub(machine, &request.arrays)?;
    let left_out = |array: &_| ready(array).err().map(|left| ScrubLeft { why: left.why, hint: left.hint });
    let contents =
        |array: &ScrubArray| inventory::contents(machine, &array.status.kernel_name, &array.status.shown());
    let report = ScrubReport::new(&sight, left_out, contents);
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        print(&report.text(&inventory::local_zone()));
        for problem in report.problems() {
            ui.error(&format!("{}: {}", problem.device, problem.error));
        }
    }
    Ok(if report.problems().is_empty() { DONE } else { FAILED })
}
