//! `move`: the course is `plan::volume::courses`; here is how far it is.

use anyhow::Result;

use super::{Work, one};
use crate::{
    command::{DONE, print},
    inventory,
    plan::volume::{courses::Move, shift::GroupScene, standing::standing},
    request::volume::{MoveRequest, Moving, Named},
};

/// One request.
pub(super) fn run(work: &Work<'_>, request: &MoveRequest) -> Result<u8> {
    match &request.what {
        Moving::Status => status(work, &request.name),
        Moving::Abort | Moving::Move { .. } => work.drive(&mut Move::new(request, work.called())),
    }
}

fn status(work: &Work<'_>, name: &Named) -> Result<u8> {
    let groups = inventory::volumes::groups(work.machine)?;
    let found = match one(&groups, &name.group) {
        Ok(found) => found,
        Err(error) => return work.refused(error),
    };
    let (active, stamp) = (work.active(&groups, found)?, work.stamp());
    let scene = GroupScene { found, active: &active, stamp: &stamp };
    let lines = standing(&scene, name);
    if lines.is_empty() {
        work.ui.note(&format!("nothing of {name} is being moved"));
    }
    print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    Ok(DONE)
}
