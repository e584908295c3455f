//! `volume restore`: an earlier state of a group comes back.

use anyhow::Result;

use crate::{
    cli::request::Common,
    command::{Ended, print},
    inventory,
    kernel::Machine,
    model::clock,
    plan::volume::{
        request::RestoreRequest,
        restore::{self, Which},
    },
    report::volume_check,
    ui::Ui,
};

pub(super) fn run(request: &RestoreRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let name = &request.group;
    let kept = match &request.file {
        Some(file) => {
            inventory::volumes::kept_in(file)?.into_iter().filter(|kept| kept.group.name == *name).collect()
        }
        None => inventory::volumes::kept(name)?,
    };
    if request.list {
        let zone = jiff::tz::TimeZone::system();
        let date = |time: i64| clock::ctime(u64::try_from(time).unwrap_or(0), &zone);
        return Ok(print(&if common.json {
            volume_check::kept_json(&kept)
        } else {
            volume_check::kept(&kept, &date)
        }));
    }
    let which = request.at.map_or(Which::Last, Which::At);
    let stamp = inventory::volumes::stamp(&common.words.join(" "));
    let decide = || {
        let groups = inventory::volumes::groups(machine)?;
        let plan =
            restore::choose(name, &kept, &which).and_then(|chosen| restore::plan(&groups, chosen, &stamp));
        Ok(plan.map(|plan| (plan, Ended::default())))
    };
    super::act(common, machine, ui, &decide)
}
