//! States in the midst of what the kernel does: a move, a rollback. One that is over by now is not brought back, for it would be
//! done again, from extents that are old by now, over what was written since; and from one that goes on no other state is reached.

use superblock::lvm::{
    Group, LogicalVolume,
    group::{GroupStatus, VolumeStatus},
};

use super::{given::Since, pieces, restore, room, which::alike};
use crate::{
    model::{
        dm::uuid,
        volume::{Groups, KeptState},
    },
    plan::Refusal,
};

/// What is under way in a state.
enum Act<'a> {
    /// Ours: the volume, and where it goes.
    Move(&'a LogicalVolume, &'a LogicalVolume),
    /// LVM2's.
    Pvmove,
    /// The volume, and the snapshot that it becomes.
    Rollback(&'a LogicalVolume, &'a LogicalVolume),
}

fn acts(group: &Group) -> Vec<Act<'_>> {
    let volume = |name: &str| group.volume(name);
    let mut all = Vec::new();
    for move_ in room::underway(group) {
        all.extend(volume(&move_.volume).zip(volume(&move_.room)).map(|(of, room)| Act::Move(of, room)));
    }
    let moves = group.volumes.iter().any(|volume| volume.status.contains(VolumeStatus::PVMOVE));
    if moves || group.status.contains(GroupStatus::PVMOVE) || group.on_move().next().is_some() {
        all.push(Act::Pvmove);
    }
    for one in group.snapshots().filter(|one| one.merging) {
        all.extend(volume(one.origin).zip(volume(one.cow)).map(|(of, cow)| Act::Rollback(of, cow)));
    }
    all
}

/// Whether the same goes on in another state, between the same extents.
fn goes_on(act: &Act<'_>, other: &Group) -> bool {
    let same = |a: &LogicalVolume, b: &LogicalVolume| a.id == b.id && a.segments == b.segments;
    acts(other).iter().any(|one| match (act, one) {
        (Act::Move(a, in_a), Act::Move(b, in_b)) => same(a, b) && same(in_a, in_b) && in_a.tags == in_b.tags,
        (Act::Rollback(a, to_a), Act::Rollback(b, to_b)) => same(a, b) && same(to_a, to_b),
        _ => false,
    })
}

/// Refuses a state in which something is under way that is over by now. `highest`: of the numbers that changes of the group have
/// had; where no device knows of it any more, the newest state is as it stands.
///
/// # Errors
/// It is such a state; the nearest others are named.
pub fn refuse(chosen: &KeptState, kept: &[KeptState], groups: &Groups, highest: u32) -> Result<(), Refusal> {
    let now = groups.groups.iter().map(|found| &found.group).find(|group| group.id == chosen.group.id);
    let is_over = |state: &Group| -> Option<String> {
        match now {
            Some(now) if alike(now, state) => return None,
            None if state.seqno >= highest => return None,
            Some(_) | None => {}
        }
        let since = now.map(|now| Since::new(state, now, kept));
        // Where volume and snapshot were removed in its midst, it is not over.
        let is_over = |act: &Act<'_>| match (act, &since, now) {
            (Act::Rollback(_, snapshot), Some(since), _) if restore::goes_on(state, snapshot, since) => false,
            (act, _, now) => now.is_none_or(|now| !goes_on(act, now)),
        };
        let over = acts(state).into_iter().find(is_over);
        over.map(|act| sentence(state, &act))
    };
    let Some(what) = is_over(&chosen.group) else { return Ok(()) };
    let at = chosen.group.seqno;
    let others = kept.iter().map(|kept| &kept.group).filter(|group| group.id == chosen.group.id);
    let numbers: Vec<u32> =
        others.chain(now).filter(|group| is_over(group).is_none()).map(|group| group.seqno).collect();
    let before = numbers.iter().filter(|number| **number < at).max();
    let after = numbers.iter().filter(|number| **number > at).min();
    let shown = |number: &u32| {
        let of_now = if now.is_some_and(|now| now.seqno == *number) { " (that of now)" } else { "" };
        format!("--at {number}{of_now}")
    };
    let nearest = match (before, after) {
        (Some(before), Some(after)) => format!("{} before it, {} after it", shown(before), shown(after)),
        (Some(before), None) => format!("{} before it; none after it is kept", shown(before)),
        (None, Some(after)) => format!("{} after it; none before it is kept", shown(after)),
        (None, None) => "none is kept".to_owned(),
    };
    let name = &chosen.group.name;
    Err(Refusal::new(format!(
        "group {name} as it was after change {at}: {what}, and the kernel would do that again, over what was written since"
    ))
    .hint(format!("the nearest other states: {nearest}")))
}

fn sentence(group: &Group, act: &Act<'_>) -> String {
    let name = &group.name;
    match act {
        Act::Move(volume, _) => format!("{name}/{} was being moved then", volume.name),
        Act::Pvmove => "`pvmove` was moving volumes then".to_owned(),
        Act::Rollback(volume, snapshot) => {
            format!("{name}/{} was being rolled back to {} then", volume.name, snapshot.name)
        }
    }
}

/// Refuses to leave a state while the kernel copies in it.
///
/// # Errors
/// A move or a rollback goes on that the other state does not have; or may be half done (unless it is forced).
pub fn refuse_to_leave(groups: &Groups, chosen: &KeptState, force: bool) -> Result<(), Refusal> {
    let now = groups.groups.iter().map(|found| &found.group).find(|group| group.id == chosen.group.id);
    let Some(now) = now.filter(|now| !alike(now, &chosen.group)) else { return Ok(()) };
    let is_active = |uuid: &str| groups.active.iter().any(|listed| listed.uuid.as_deref() == Some(uuid));
    let of = |volume: &LogicalVolume| uuid::lvm(now.id.plain(), volume.id.plain(), None);
    for act in acts(now).iter().filter(|act| !goes_on(act, &chosen.group)) {
        match act {
            Act::Move(volume, room) => {
                if is_active(&of(room)) || is_active(&pieces::layer_uuid(now, volume.id)) {
                    let what = format!("{}/{}", now.name, volume.name);
                    return Err(Refusal::new(format!("{what} is being moved")).hint(format!(
                        "mdctl volume move {what} --wait ends that; with --abort it stays where it was"
                    )));
                }
            }
            Act::Pvmove => {}
            Act::Rollback(volume, snapshot) => {
                let (what, to) =
                    (format!("{}/{}", now.name, volume.name), format!("{}/{}", now.name, snapshot.name));
                let is_up = is_active(&of(volume));
                // Until it begins, the snapshot has a device of its own.
                if is_up && !is_active(&of(snapshot)) {
                    return Err(Refusal::new(format!("{what} is being rolled back to {to}"))
                        .hint(format!("mdctl volume rollback {to} --wait ends that")));
                }
                if !is_up && !force {
                    return Err(Refusal::new(format!(
                        "{what} is to be rolled back to {to}, which may have begun: a part of it would be old and the rest new"
                    ))
                    .hint(format!(
                        "mdctl volume rollback {to} --wait ends that; --force restores it all the same, if {what} was not \
                         activated since that was asked for"
                    )));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "halfway_tests.rs"]
mod tests;
