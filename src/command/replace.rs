//! `mdctl replace`: started, watched, and its end verified.

use anyhow::Result;

use super::{drive::Driver, print};
use crate::{
    cli::request::{Common, ReplaceRequest},
    config::sources::Sources,
    inventory,
    kernel::Machine,
    plan::{
        ArrayName,
        manage::Context,
        replace::session::{Came, Job, Replace},
    },
    report::replace::Told,
    ui::Ui,
};

/// Replaces a member.
pub(super) fn run(request: &ReplaceRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let (config, _) = inventory::configuration(&Sources::from_option(common.config.as_deref()))?;
    let mut replace = Replace::new(Job {
        old: request.old.clone(),
        new: request.new.clone(),
        no_wait: request.no_wait,
        json: common.json,
        context: Context {
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
            Came::Done { slot, missing } => Told::done(*slot, *missing),
            Came::Running => Told::running(),
            Came::Failed(reason) => Told::failed(reason.clone()),
        };
        print(&told.about(&request.array, &request.old, &request.new, copy).text());
    }
    Ok(status)
}
