//! `--grow`: size, shape and bitmap of an array that runs.

use std::path::PathBuf;

use anyhow::Result;

use super::{DONE, FAILED, assemble, drive::Driver, stop};
use crate::{
    config::Config,
    inventory,
    kernel::{Machine, host},
    plan::{
        ArrayName,
        grow::{Going, Grow, GrowJob, Until},
        named::Becomes,
    },
    request::{AssembleRequest, Common, GrowRequest, MiscAction, MiscRequest, Update},
    ui::Ui,
};

/// Changes it.
pub(super) fn run(request: &GrowRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let path = request.device.to_string_lossy().into_owned();
    let outspoken = ui.program() == "mdctl" || ui.verbosity() > 0;
    if request.revert {
        let store = request.backup_file.as_ref().map(|file| file.to_string_lossy().into_owned());
        return Round { path, store, outspoken, common, machine, ui, config: &config }.turn();
    }
    let mut course = Grow::new(GrowJob {
        request: request.clone(),
        array: ArrayName { kernel: String::new(), path },
        dry_run: common.dry_run,
        outspoken,
        bad_block_log: config.create.bbl != Some(false),
        zone: inventory::local_zone(),
        now: host::now().0,
    });
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut course)
}

/// A reshape that is turned round: the kernel does that only at a start, so the array is stopped for a moment.
struct Round<'a> {
    path: String,
    /// Where data is set aside, where somebody says.
    store: Option<String>,
    outspoken: bool,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
    config: &'a Config,
}

impl Round<'_> {
    fn turn(&self) -> Result<u8> {
        let Self { common, ui, .. } = *self;
        let mut ending = self.going(Until::NothingIsAside);
        let status = self.driver().drive(&mut ending)?;
        let members: Vec<PathBuf> = ending.members().iter().map(PathBuf::from).collect();
        if status != DONE {
            return if members.is_empty() { Ok(status) } else { self.goes_on(status) };
        }
        if common.dry_run {
            let text = format!(
                "then {path} would be stopped, which needs nobody to use it, and assembled with --update=revert-reshape",
                path = self.path
            );
            ui.note(&text);
            return Ok(DONE);
        }
        if self.stop()? != DONE {
            return self.goes_on(FAILED);
        }
        let back = |update, stands| self.assemble(&members, update, stands);
        let can_turn = inventory::can_turn(&members);
        if can_turn && back(Some(Update::RevertReshape), false)? == DONE {
            return Ok(DONE);
        }
        // It stands where only one of the two shapes begins a stripe: it is led to where both do.
        if !can_turn
            && back(None, true)? == DONE
            && self.driver().drive(&mut self.going(Until::ItStands))? == DONE
        {
            if self.stop()? != DONE {
                return self.goes_on(FAILED);
            }
            if back(Some(Update::RevertReshape), false)? == DONE {
                return Ok(DONE);
            }
        }
        back(None, false)?;
        self.goes_on(FAILED)
    }

    fn driver(&self) -> Driver<'_> {
        let Self { common, machine, ui, config, .. } = *self;
        Driver { common, machine, ui, config, own_document: false }
    }

    fn going(&self, until: Until) -> Going {
        Going::new(self.path.clone(), self.outspoken)
            .until(until)
            .with_store(self.store.clone(), host::now().0)
    }

    /// The same way as before.
    fn goes_on(&self, status: u8) -> Result<u8> {
        self.driver().drive(&mut self.going(Until::InTheBackground))?;
        Ok(status)
    }

    fn stop(&self) -> Result<u8> {
        let action = MiscAction::Stop;
        let request = MiscRequest {
            action: action.clone(),
            devices: vec![(action, PathBuf::from(&self.path))],
            scan: false,
            force: false,
            metadata: None,
            sparc22: false,
            name: None,
            update: None,
        };
        stop::run(Becomes::Stopped, &request, self.common, self.machine, self.ui)
    }

    fn assemble(&self, members: &[PathBuf], update: Option<Update>, stands: bool) -> Result<u8> {
        let listed = AssembleRequest::listed(self.path.clone().into(), members.to_vec());
        let request = AssembleRequest { run: true, update, stands, ..listed };
        assemble::run(&request, self.common, self.machine, self.ui)
    }
}
