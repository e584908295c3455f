//! `volume restore`: an earlier state of a group comes back.

use anyhow::Result;

use super::Work;
use crate::{
    command::print,
    inventory,
    model::clock,
    plan::volume::{
        restore::{self, Restoring},
        which::Which,
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
    let look = restore::look(name, &work.words());
    work.change(look, Restoring { name, kept: &kept, all: &all, which: &which, force: request.force })
}
