//! The table of an array's devices: two places for each slot, then those without one.

use serde::Serialize;

use crate::model::detail::{ArrayDetail, MemberFlags, TableMember};

/// A device, or a slot that has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetailDevice {
    /// `null` where it has none.
    pub number: Option<i32>,
    pub major: u32,
    pub minor: u32,
    pub slot: Option<i32>,
    /// The words of the text.
    pub state: Vec<String>,
    pub path: Option<String>,
    /// It is a member, and its device is gone.
    pub missing: bool,
    #[serde(skip)]
    pub(super) journal: bool,
    /// Not a single bit of its state is set.
    #[serde(skip)]
    pub(super) plain_spare: bool,
    /// It comes after the slots.
    #[serde(skip)]
    pub(super) extra: bool,
}

/// The rows, in their order: for each slot its holder, and its replacement if it has one; then the rest.
pub(super) fn devices(array: &ArrayDetail) -> Vec<DetailDevice> {
    let slots = usize::try_from(array.counts.raid_disks).unwrap_or(0);
    let mut holders: Vec<Option<&TableMember>> = vec![None; slots];
    let mut replacements: Vec<Option<&TableMember>> = vec![None; slots];
    let mut rest = vec![];
    for member in &array.members {
        let slot = usize::try_from(member.raid_disk).ok().filter(|_| !member.state.journal);
        let place = slot.and_then(|slot| {
            let holder = holders.get_mut(slot)?;
            if holder.is_none() { Some(holder) } else { replacements.get_mut(slot).filter(|r| r.is_none()) }
        });
        match place {
            Some(place) => *place = Some(member),
            None => rest.push(member),
        }
    }
    let mut rows = vec![];
    for (slot, (holder, replacement)) in holders.into_iter().zip(replacements).enumerate() {
        rows.push(holder.map_or_else(|| empty(slot), |member| row(array, member, false)));
        rows.extend(replacement.map(|member| row(array, member, false)));
    }
    rows.extend(rest.into_iter().map(|member| row(array, member, true)));
    rows
}

fn empty(slot: usize) -> DetailDevice {
    DetailDevice {
        number: None,
        major: 0,
        minor: 0,
        slot: i32::try_from(slot).ok(),
        state: vec!["removed".to_owned()],
        path: None,
        missing: false,
        journal: false,
        plain_spare: false,
        extra: false,
    }
}

fn row(array: &ArrayDetail, member: &TableMember, extra: bool) -> DetailDevice {
    DetailDevice {
        number: (member.number >= 0).then_some(member.number),
        major: member.dev.major,
        minor: member.dev.minor,
        slot: (member.raid_disk >= 0).then_some(member.raid_disk),
        state: if array.counts.raid_disks == 0 { vec![] } else { state(array, member) },
        path: member.path.clone(),
        missing: member.path.is_none(),
        journal: member.state.journal,
        plain_spare: member.state == MemberFlags::default(),
        extra,
    }
}

fn state(array: &ArrayDetail, member: &TableMember) -> Vec<String> {
    let flags = member.state;
    let in_slot = u32::try_from(member.raid_disk).is_ok_and(|slot| slot < array.counts.raid_disks);
    let set = super::set_letter(array, member.raid_disk).filter(|_| flags.sync);
    let spare = !(flags.active || flags.sync || flags.removed || flags.faulty || flags.journal);
    let words = [
        (flags.faulty, "faulty".to_owned()),
        (flags.active, "active".to_owned()),
        (flags.sync, "sync".to_owned()),
        (set.is_some(), format!("set-{}", set.unwrap_or_default())),
        (flags.removed, "removed".to_owned()),
        (flags.write_mostly, "writemostly".to_owned()),
        (flags.failfast, "failfast".to_owned()),
        (flags.journal, "journal".to_owned()),
        (spare, "spare".to_owned()),
        (spare && in_slot, "rebuilding".to_owned()),
    ];
    words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect()
}
