//! `mdctl status`.

mod watch;

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use super::{
    DONE, FAILED, print,
    shared::{session, view},
};
use crate::{
    config::sources::ConfigSources,
    inventory::{self, StatusLook},
    kernel::{Machine, host, node},
    model::{DevId, status::ArrayStatus, view::UsedBy},
    plan::explain::{ExplainScene, Idle},
    report::{
        DiskText,
        status::{NotRunning, Problem, StatusReport},
    },
    request::{Common, StatusRequest},
    ui::Ui,
};

/// Shows arrays.
pub(super) fn run(request: &StatusRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let work = Work { request, common, machine, ui };
    if request.watch {
        return watch::run(&work);
    }
    let mut look = StatusLook::new(machine);
    let all = look.all()?;
    let idle = work.idle(&look, &all)?;
    let report = work.report(&all, idle);
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        print(&report.text(view()));
        for problem in &report.problems {
            ui.error(&format!("{}: {}", problem.device, problem.error));
        }
    }
    Ok(if report.problems.is_empty() { DONE } else { FAILED })
}

/// One command.
struct Work<'a> {
    request: &'a StatusRequest,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
}

impl Work<'_> {
    /// Those that are asked for.
    fn report(&self, all: &[ArrayStatus], idle: Option<Vec<NotRunning>>) -> StatusReport {
        let (now, _) = host::now();
        if self.request.arrays.is_empty() {
            return StatusReport::new(now, all, idle);
        }
        let mut chosen = vec![];
        let mut problems = vec![];
        for word in &self.request.arrays {
            let id = node::number_of(Path::new(word)).ok().flatten();
            match all.iter().find(|array| array.is_called(word, id)) {
                Some(array) => chosen.push(array.clone()),
                None => {
                    let error = "is no array in the kernel; mdctl explain looks on devices too".to_owned();
                    problems.push(Problem { device: word.clone(), error });
                }
            }
        }
        StatusReport { problems, ..StatusReport::new(now, &chosen, None) }
    }

    /// Arrays that do not run, from the devices that are in no array. `None` where nobody may or wants to look.
    fn idle(&self, look: &StatusLook<'_>, arrays: &[ArrayStatus]) -> Result<Option<Vec<NotRunning>>> {
        if self.request.running || !self.request.arrays.is_empty() || !host::is_root() {
            return Ok(None);
        }
        let sources = ConfigSources::from_option(self.common.config.as_deref());
        let (config, odd) = inventory::configuration_to_show(&sources);
        if !self.request.watch {
            odd.iter().filter(|one| one.line == 0).for_each(|one| self.ui.warn(&one.to_string()));
        }
        let inside: BTreeSet<DevId> =
            arrays.iter().flat_map(|array| &array.members).filter_map(|member| member.id).collect();
        let ids = look.nodes().all();
        let members: BTreeSet<&String> =
            ids.iter().filter(|(id, _)| inside.contains(id)).map(|(_, path)| path).collect();
        let mut paths = inventory::candidates(self.machine, &config, look.nodes())?;
        paths.retain(|path| !members.contains(path));
        let sights = inventory::members(self.machine, &paths, UsedBy::Whether);
        if !self.request.watch {
            super::say_silent(&sights, self.ui);
        }
        let session = session(self.machine, &config, self.common, &sights)?;
        let zone = inventory::local_zone();
        let log = inventory::kernel_log(self.machine);
        let scene =
            ExplainScene { arrays, sights: &sights, session: &session, device: None, log: &log, zone: &zone };
        Ok(Some(scene.idle().into_iter().map(not_running).collect()))
    }
}

fn not_running(idle: Idle) -> NotRunning {
    NotRunning {
        uuid: idle.uuid.to_string(),
        name: idle.name.map(|name| DiskText::new(name.as_bytes())),
        level: idle.level.name(),
        raid_devices: idle.raid_disks,
        present_devices: idle.present,
        startable: idle.startable,
        kernel_refused: idle.refused,
        devices: idle.devices,
    }
}
