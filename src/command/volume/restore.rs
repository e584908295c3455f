//! `volume restore`: an earlier state of a group comes back.

use anyhow::Result;

use super::Work;
use crate::{
    command::print,
    inventory,
    model::{clock, volume::GroupLook},
    plan::volume::{
        former, halfway, missing, restore,
        which::{self, Which},
    },
    report::volume_check,
    request::volume::RestoreRequest,
};

pub(super) fn run(work: &Work<'_>, request: &RestoreRequest) -> Result<u8> {
    let name = &request.group;
    let all = inventory::kept::kept(work.machine, name)?;
    let (kept, which) = match (&request.file, request.at) {
        (Some(file), _) => {
            let state = inventory::kept::kept_in(file)?.filter(|kept| kept.group.name == *name);
            (state.into_iter().collect(), Which::OfFile(file.display().to_string()))
        }
        (None, Some(seqno)) => (all.clone(), Which::At(seqno)),
        (None, None) => (all.clone(), Which::Last),
    };
    if request.list {
        let zone = inventory::local_zone();
        let date = |time: i64| clock::ctime(u64::try_from(time).unwrap_or(0), &zone);
        let json = work.common.json;
        return Ok(print(&if json {
            volume_check::kept_json(&kept)
        } else {
            volume_check::kept(name, &kept, &date)
        }));
    }
    let look = GroupLook { name: name.clone(), command: work.words(), ..GroupLook::default() };
    work.change_looking(look, |seen| {
        let groups = &seen.groups;
        let states = which::with_its_own(&kept, groups.group(name), &which);
        let chosen = which::choose(name, groups, &states, &which)?;
        // A device that lost its label gets it again.
        let traces = inventory::labels::traces(work.machine, groups, &chosen.group)?;
        let bare = former::find(groups, &chosen.group, &traces, request.force)?;
        let (groups, labels) = missing::with_labels(groups, &chosen.group, &bare)?;
        let highest = which::highest(&chosen.group, &groups, &all, &traces);
        if let Err(refusal) = halfway::refuse(chosen, &all, &groups, highest)
            .and_then(|()| halfway::refuse_to_leave(&groups, chosen, request.force))
        {
            return Ok(Err(refusal));
        }
        let plan = restore::plan(&groups, chosen, (highest, &all), request.force, &seen.stamp);
        Ok(plan.map(|plan| Some(missing::with_steps(plan, &labels))))
    })
}
