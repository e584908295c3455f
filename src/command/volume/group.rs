//! `group create | extend | reduce | remove | rename`.

use anyhow::Result;

use super::Work;
use crate::{
    model::volume::GroupSeen,
    plan::volume::{group, reduce, turns},
    request::volume::GroupRequest,
};

/// One request about groups.
pub(super) fn run(work: &Work<'_>, request: &GroupRequest) -> Result<u8> {
    match request {
        GroupRequest::Create(request) => {
            let look = group::look(&request.group, &request.devices, &work.words());
            work.change(look, |seen: &GroupSeen| group::decide_create(seen, request))
        }
        GroupRequest::Extend { group, devices, room } => {
            let look = group::look(group, devices, &work.words());
            work.change(look, |seen: &GroupSeen| group::decide_extend(seen, *room))
        }
        GroupRequest::Reduce { group, devices } => work
            .change(reduce::look(group, devices, &work.words()), |seen: &GroupSeen| {
                reduce::decide(seen, devices)
            }),
        GroupRequest::Forget { group, force } => {
            work.in_turn(&mut turns::forget(group, *force, work.called()))
        }
        GroupRequest::Remove(names) => work.in_turn(&mut turns::remove_groups(names.clone(), work.called())),
        GroupRequest::Rename { from, to } => work.in_turn(&mut turns::rename_group(from, to, work.called())),
    }
}
