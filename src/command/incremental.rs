//! `--incremental`.

use std::path::Path;

use anyhow::Result;
use superblock::MdUuid;

use super::{DONE, FAILED, drive::Driver, home, output, print, tell_early};
use crate::{
    config::{Config, HostName},
    inventory,
    kernel::Machine,
    plan::{
        assemble::{
            Session, WantedIdentity,
            rounds::{AssembleJob, Rounds},
        },
        incremental::{Arrival, IncrementalJob, Joining, Leaving, LeavingJob, Rebuilding, Starting},
    },
    report::incremental::{IncrementalArray, IncrementalReport},
    request::{Common, IncrementalRequest},
    ui::Ui,
};

/// Does what one event of a device asks for.
pub(super) fn run(request: &IncrementalRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured_or_not(common, ui);
    let driver = Driver { common, machine, ui, config: &config, own_document: true };
    let names: Vec<String> = request.devices.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if request.rebuild_map {
        let status = driver.drive(&mut Rebuilding::new(session(request, common, machine, &config)))?;
        if status != DONE {
            return Ok(status);
        }
    }
    if request.scan {
        let mut course = Starting::new(session(request, common, machine, &config));
        let status = driver.drive(&mut course)?;
        if common.json {
            tell(&IncrementalReport::new(None, course.came().iter().map(array).collect()), common)?;
        }
        return Ok(status);
    }
    let Some(device) = names.first().cloned() else { return Ok(DONE) };
    if request.fail {
        return driver.drive(&mut Leaving::new(LeavingJob {
            name: device.strip_prefix("/dev/").unwrap_or(&device).to_owned(),
            path: request.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            force: request.force,
            slots: machine.places.run.join("mdadm/failed-slots").display().to_string(),
        }));
    }
    let places = inventory::by_path_of_event();
    let job = IncrementalJob {
        permitted: inventory::is_permitted(&config, &names)?,
        origin: inventory::origin_of_path(machine, Path::new(&device)),
        device: device.clone(),
        heir_of: inventory::failed_in(machine, &places),
        awaited: inventory::awaited(machine),
        waits: inventory::waits(machine).display().to_string(),
        places,
        run: request.run,
        export: common.export,
        bad_block_log: config.create.bbl != Some(false),
        zone: inventory::local_zone(),
    };
    let mut course = Joining::new(session(request, common, machine, &config), job);
    let status = driver.drive(&mut course)?;
    if let Some((array, text)) = course.whole() {
        return whole(array, &text, request, common, machine, &config, ui);
    }
    let came = course.came();
    // Where udev answers to nobody: what was decided, or why nothing was.
    match &came {
        None if status != DONE => ui.said().iter().for_each(|said| tell_early(said, machine, ui)),
        came => came.iter().for_each(|came| tell_early(&came.message, machine, ui)),
    }
    let arrays = came.iter().map(array).collect();
    tell(&IncrementalReport::new(Some(device), arrays), common)?;
    Ok(status)
}

/// Its data is being laid out anew where it lies: what was set aside must be back before any of it counts, so all of its members are
/// taken at once, by the last of them.
fn whole(
    array: MdUuid,
    text: &str,
    request: &IncrementalRequest,
    common: &Common,
    machine: &Machine,
    config: &Config,
    ui: &Ui,
) -> Result<u8> {
    let identity = WantedIdentity { uuid: Some(array), ..WantedIdentity::default() };
    let mut session = session(request, common, machine, config);
    session.options.run = request.run;
    let mut course = Rounds::new(session, AssembleJob::Scan(identity), 0);
    let driver = Driver { common, machine, ui, config, own_document: true };
    let status = driver.drive(&mut course)?;
    if status != DONE {
        ui.error(text);
        tell_early(text, machine, ui);
        return Ok(FAILED);
    }
    tell(
        &IncrementalReport::new(
            request.devices.first().map(|d| d.to_string_lossy().into_owned()),
            Vec::new(),
        ),
        common,
    )?;
    Ok(DONE)
}

/// A refusal has a document already.
fn tell(report: &IncrementalReport, common: &Common) -> Result<()> {
    if common.json && output::is_empty() {
        print(&format!("{}\n", serde_json::to_string_pretty(report)?));
    } else if common.export && !common.json {
        print(&report.export());
    }
    Ok(())
}

fn session<'a>(
    request: &IncrementalRequest,
    common: &Common,
    machine: &Machine,
    config: &'a Config,
) -> Session<'a> {
    let by_path = inventory::all_by_path(machine, config);
    let mut home = home(common, config);
    // As in the original: with `<none>` every array counts as local here, although a scan then assembles none by itself.
    let word = common.homehost.as_ref().or(config.home_host.name.as_ref());
    home.required &= word != Some(&HostName::None);
    Session { asked: request.metadata, by_path, ..Session::new(config, home) }
}

fn array(came: &Arrival) -> IncrementalArray {
    IncrementalArray {
        array: came.array.path.clone(),
        kernel_name: came.array.kernel.clone(),
        foreign: came.foreign,
        started: came.started.map(|started| started.word()),
        message: came.message.clone(),
    }
}
