//! Where the data of each member goes, so that what is laid out anew never lies where what it is made from still does.
//!
//! With room before or behind the data of every member this is the whole of what keeps data safe: the kernel writes down how far it
//! is before it writes over what it would need if it had to begin there again.

use raid::{Reshape, reshape::Way};
use superblock::Sectors;

use super::members;
use crate::{
    model::grow::{Growing, GrowingMember, Room},
    plan::{MemberName, Refusal},
};

/// Data begins at a multiple of this where that is possible.
const BEST: u64 = 2048;
/// And of this in any case where it is.
const LEAST: u64 = 8;

/// A member whose data moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// It.
    pub(super) member: MemberName,
    /// Where its data begins.
    pub(super) from: Sectors,
    /// Where it is to begin.
    pub(super) to: Sectors,
    /// The kernel must be told first to use all of the member.
    pub(super) all_of_it: bool,
}

/// Where data goes on every member; `None` where one has no room.
///
/// # Errors
/// A place was asked for that cannot be.
pub(super) fn shifts(
    array: &Growing,
    reshape: &Reshape,
    wanted: Option<Sectors>,
) -> Result<Option<Vec<Shift>>, Refusal> {
    let (Some(least), Some(course)) = (reshape.least_shift(), reshape.course()) else { return Ok(None) };
    let used = reshape.before.component_size;
    let told: Vec<&GrowingMember> = array.members.iter().filter(|member| members::is_told(member)).collect();
    let rooms: Option<Vec<Room>> = told.iter().map(|member| member.room(used)).collect();
    let Some(rooms) = rooms else { return Ok(None) };
    let smallest = |of: fn(&Room) -> Sectors| rooms.iter().map(of).min().unwrap_or_default();
    let room = Room { before: smallest(|room| room.before), after: smallest(|room| room.after) };
    let up = match (course, wanted, told.first()) {
        (Way::Spreads, ..) => false,
        (Way::Gathers, ..) => true,
        (Way::InPlace, Some(wanted), Some(first)) => wanted > first.data_offset,
        (Way::InPlace, ..) => room.after > room.before,
    };
    let space = if up { room.after } else { room.before };
    if wanted.is_none() && space < least {
        return Ok(None);
    }
    let far = if course == Way::InPlace { Some(space) } else { None };
    let shifts = told.iter().zip(&rooms).map(|(member, own)| {
        let from = member.data_offset;
        let to = match wanted {
            Some(wanted) => asked(member, *own, wanted, least, up)?,
            None => place(from, least, far, up),
        };
        let more = to.saturating_sub(from);
        Ok(Shift {
            member: members::named(member),
            from,
            to,
            all_of_it: more > Sectors(0) && more.saturating_add(used) > member.usable,
        })
    });
    shifts.collect::<Result<Vec<Shift>, Refusal>>().map(Some)
}

/// So far as must be; where room allows more, half of it: the kernel then writes down less often how far it is, and the same way
/// back is left.
fn place(from: Sectors, least: Sectors, room: Option<Sectors>, up: bool) -> Sectors {
    let moved = |by: Sectors| if up { from.saturating_add(by) } else { from.saturating_sub(by) };
    let Some(room) = room else { return moved(least) };
    let middle = moved(Sectors(room.0 / 2));
    let reaches = |to: Sectors| {
        let by = if up { to.checked_sub(from) } else { from.checked_sub(to) };
        by.is_some_and(|by| by >= least && by <= room)
    };
    let mut unit = BEST;
    while unit >= LEAST {
        let down = middle.round_down(Sectors(unit));
        let aligned = if up { down.saturating_add(Sectors(unit)) } else { down };
        if let Some(to) = [aligned, down].into_iter().find(|to| reaches(*to)) {
            return to;
        }
        unit /= 2;
    }
    moved(least)
}

/// What was asked for, where the member has room for it.
fn asked(
    member: &GrowingMember,
    room: Room,
    wanted: Sectors,
    least: Sectors,
    up: bool,
) -> Result<Sectors, Refusal> {
    let shown = members::shown(member);
    let from = member.data_offset;
    let refuse = |text: String| Err(Refusal::new(text));
    if wanted == from {
        return refuse(format!("{shown}: already has that data_offset"));
    }
    if up {
        if wanted < from.saturating_add(least) {
            return refuse(format!("--data-offset too small for {shown}"));
        }
        if wanted.saturating_sub(from) > room.after {
            return refuse(format!("Insufficient tail-space for reshape on {shown}"));
        }
    } else {
        if wanted.saturating_add(least) > from {
            return refuse(format!("--data-offset too large for {shown}"));
        }
        if from.saturating_sub(wanted) > room.before {
            return refuse(format!("Insufficient head-space for reshape on {shown}"));
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_as_the_original_chooses_them() {
        for (from, least, room, up, to) in [
            // Observed with mdadm 4.6: 3 to 4 devices, and 64K to 128K with the data at 1 MiB.
            (4096, 3072, None, false, 1024),
            (2048, 256, Some(1968), false, 1024),
            (2048, 256, Some(2048), true, 4096),
            // No more than the least, wherever it leads.
            (2048, 1960, Some(1968), false, 88),
            (4096, 2048, None, true, 6144),
        ] {
            let found = place(Sectors(from), Sectors(least), room.map(Sectors), up);
            assert_eq!(found, Sectors(to), "{from} {least} {room:?} {up}");
        }
    }
}
