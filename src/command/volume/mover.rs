//! `move`: the course is `plan::volume::courses`; here is how far it is.

use anyhow::Result;

use super::{Work, one};
use crate::{
    command::{DONE, print},
    inventory,
    plan::volume::{
        courses::Move,
        mover::{self, Stand},
        request::{MoveRequest, Moving, Named},
        shift::GroupScene,
    },
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
    let mut moves = mover::underway(&found.group);
    moves.extend(mover::left(&scene));
    moves.retain(|one| name.volume.as_ref().is_none_or(|volume| *volume == one.volume));
    if moves.is_empty() {
        work.ui.note(&format!("nothing of {name} is being moved"));
    }
    for move_ in moves {
        let what = format!("{}/{}", name.group, move_.volume);
        let line = match mover::stand(&scene, &move_) {
            Stand::Over => continue,
            Stand::Interrupted => format!("interrupted; mdctl volume move {what} copies again"),
            Stand::Unfit => {
                format!("{}; mdctl volume move {what} --abort leaves it where it is", mover::UNFIT)
            }
            Stand::Lost(why) => {
                format!("{why}; mdctl volume move {what} --abort takes away what still copies")
            }
            Stand::Copies(device) => match mover::progress(device.status.iter()) {
                None => format!("a device fails; mdctl volume move {what} --abort leaves it where it is"),
                Some((done, all)) if done == all => {
                    format!("copied; mdctl volume move {what} --wait ends it")
                }
                Some((done, all)) => {
                    let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
                    format!("{percent} % copied")
                }
            },
        };
        print(&format!("{what}: {line}\n"));
    }
    Ok(DONE)
}
