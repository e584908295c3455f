//! `--create`.

use anyhow::Result;

use super::{cluster, drive::Driver, refuse, settings};
use crate::{
    kernel::Machine,
    plan::create::{MakeJob, Making},
    request::{BitmapKind, Common, CreateRequest},
    ui::Ui,
};

/// Makes an array.
pub(super) fn run(request: &CreateRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut request = request.clone();
    let config = super::configured(common, ui)?;
    if request.nodes.is_some() || request.bitmap == Some(BitmapKind::Clustered) {
        match cluster(request.home_cluster.as_deref(), &config) {
            Ok(name) => request.home_cluster = Some(name),
            Err(refusal) => return Ok(refuse(&refusal, common, ui)),
        }
    }
    let job = MakeJob {
        request,
        settings: settings(common, config.clone(), ui.program() == "mdctl"),
        dry_run: common.dry_run,
        document: common.json,
    };
    Driver { common, machine, ui, config: &config, own_document: false }.drive(&mut Making::new(job))
}
