//! `volume restore`: an earlier state of a group comes back.

use anyhow::Result;

use super::Work;
use crate::{
    command::print,
    inventory,
    model::clock,
    plan::volume::{
        former, missing,
        restore::{self, Which},
    },
    report::volume_check,
    request::volume::RestoreRequest,
};

pub(super) fn run(work: &Work<'_>, request: &RestoreRequest) -> Result<u8> {
    let name = &request.group;
    let mut kept = match &request.file {
        Some(file) => inventory::kept::kept_in(file)?.into_iter().collect(),
        None => inventory::kept::kept(work.machine, name)?,
    };
    kept.retain(|kept| kept.group.name == *name);
    if request.list {
        let zone = inventory::local_zone();
        let date = |time: i64| clock::ctime(u64::try_from(time).unwrap_or(0), &zone);
        let json = work.common.json;
        return Ok(print(&if json {
            volume_check::kept_json(&kept)
        } else {
            volume_check::kept(&kept, &date)
        }));
    }
    let which = request.at.map_or(Which::Last, Which::At);
    let stamp = work.stamp();
    work.change(|groups| {
        let chosen = restore::choose(name, groups, &kept, &which)?;
        // A device that lost its label gets it again.
        let traces = inventory::labels::traces(work.machine, groups, &chosen.group)?;
        let bare = former::find(groups, &chosen.group, &traces, request.force)?;
        let (groups, labels) = missing::with_labels(groups, &chosen.group, &bare)?;
        let plan = restore::plan(&groups, chosen, request.force, &stamp);
        Ok(plan.map(|plan| Some(missing::with_steps(plan, &labels))))
    })
}
