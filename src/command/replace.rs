//! `mdctl replace`: started, watched, and its end verified.

use anyhow::Result;

use super::{drive::Driver, print};
use crate::{
    inventory,
    kernel::Machine,
    plan::{
        ArrayName,
        manage::ManageContext,
        replace::lost::LostRange,
        replace::session::{Replace, ReplaceEnd, ReplaceJob},
    },
    report::replace::ReplaceReport,
    request::{Common, ReplaceRequest},
    ui::Ui,
};

/// Replaces a member.
pub(super) fn run(request: &ReplaceRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let mut replace = Replace::new(ReplaceJob {
        old: request.old.clone(),
        new: request.new.clone(),
        no_wait: request.no_wait,
        json: common.json,
        context: ManageContext {
            array: ArrayName { kernel: String::new(), path: request.array.clone() },
            force: request.force,
            update: None,
            bad_block_log: config.create.bbl != Some(false),
            fresh: Vec::new(),
            zone: inventory::local_zone(),
        },
    });
    // A dry run's document is the plan.
    let own_document = !common.dry_run;
    let status = Driver { common, machine, ui, config: &config, own_document }.drive(&mut replace)?;
    if let Some((came, copy)) = replace.came().filter(|_| common.json) {
        let told = match came {
            ReplaceEnd::Done { slot, missing } => ReplaceReport::done(*slot, *missing),
            ReplaceEnd::Partly { slot, missing, lost } => {
                ReplaceReport::partly(*slot, *missing, lost.iter().map(LostRange::parts))
            }
            ReplaceEnd::Running => ReplaceReport::running(),
            ReplaceEnd::Failed(reason) => ReplaceReport::failed(reason.clone()),
        };
        print(&told.about(&request.array, &request.old, &request.new, copy).text());
    }
    Ok(status)
}
