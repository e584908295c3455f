//! What superblocks say, put together: one family for each array that they speak of.

use std::collections::BTreeMap;

use superblock::{Level, MdUuid, Role, Sectors, placement, v0, v1::Minor};

use super::{Asked, SuperblockWord, TrialSeen};
use crate::model::order::InOrder as _;
use crate::model::{
    Geometry,
    layout::default_layout,
    trial::{Behind, Format, Grounds, Seat},
};

/// The chunk of new arrays.
const USUAL_CHUNK: Sectors = Sectors(1024);

/// What is known of one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownArray {
    /// From where.
    pub grounds: Grounds,
    /// The superblocks.
    pub format: Format,
    /// The shape.
    pub geometry: Geometry,
    /// Who is where, as far as that is known and up to date.
    pub seats: Vec<Option<Seat>>,
    /// Members that are behind: the slot, the member and its event count; the freshest first.
    pub stale: Vec<(usize, Seat, u64)>,
    /// What the superblocks of those say.
    pub behind: Vec<Behind>,
    /// Devices of which nothing is known.
    pub loose: Vec<usize>,
    /// The array's identity.
    pub array: Option<MdUuid>,
    /// Its name.
    pub name: Option<Vec<u8>>,
    /// Whether it had a bitmap.
    pub bitmap: bool,
    /// When it was made, seconds since 1970.
    pub created: u64,
}

/// Whether it is from the archive, and from which entry; the array; the format.
type Key = (bool, String, MdUuid, Format);

/// One for each array that any superblock speaks of, the best known first; last what is usual.
#[must_use]
pub fn families(seen: &[TrialSeen], asked: &Asked) -> Vec<KnownArray> {
    let mut groups: BTreeMap<Key, Vec<(usize, &SuperblockWord)>> = BTreeMap::new();
    for (device, seen) in seen.iter().enumerate() {
        for word in &seen.words {
            let (kept, id) = match &word.grounds {
                Grounds::Archive { id, .. } => (true, id.clone()),
                Grounds::Superblocks | Grounds::Usual => (false, String::new()),
            };
            let key = (kept, id, word.membership.array, word.format);
            groups.entry(key).or_default().push((device, word));
        }
    }
    let mut families: Vec<KnownArray> =
        groups.into_values().filter_map(|words| family(&words, seen)).collect();
    families.retain(|family| fits(family, asked));
    // Superblocks on the devices before those in the archive; there the newest first; more members before fewer.
    families.order_by_key(|family| {
        let kept = matches!(family.grounds, Grounds::Archive { .. });
        let known = family.seats.iter().flatten().count() + family.stale.len();
        (kept, std::cmp::Reverse(known), std::cmp::Reverse(family.created))
    });
    families.extend(usual(seen, asked));
    families
}

fn fits(family: &KnownArray, asked: &Asked) -> bool {
    let shape = &family.geometry;
    asked.level.is_none_or(|level| level == shape.level)
        && asked.raid_devices.is_none_or(|slots| slots == shape.raid_disks)
        && asked.format.is_none_or(|format| format == family.format)
        && !asked.in_order
}

fn family(words: &[(usize, &SuperblockWord)], seen: &[TrialSeen]) -> Option<KnownArray> {
    let freshest = words.iter().map(|(_, word)| word.membership.events).max()?;
    let (_, model) = words.iter().find(|(_, word)| word.membership.events == freshest)?;
    let said = &model.membership;
    let slots = usize::try_from(said.raid_disks).ok().filter(|slots| (1..=1920).contains(slots))?;
    let mut seats = vec![None; slots];
    let (mut stale, mut behind) = (Vec::new(), Vec::new());
    for (device, word) in words {
        let one = &word.membership;
        let Role::Slot { slot, replacement: false } = one.role else { continue };
        let Some(slot) = usize::try_from(slot).ok().filter(|slot| *slot < slots) else { continue };
        let seat = Seat { device: *device, data_offset: one.data_offset, room: one.data_size };
        // One event behind is a superblock that was not written any more before the machine went down.
        let fresh = one.events.0 + 1 >= freshest.0 && one.recovery_offset.is_none();
        match seats.get_mut(slot) {
            Some(free @ None) if fresh => *free = Some(seat),
            _ => {
                stale.push((slot, seat, one.events.0));
                behind.push(Behind {
                    device: *device,
                    slot,
                    events: one.events,
                    updated: one.updated,
                    newest: freshest,
                    newest_updated: said.updated,
                    rebuilt: one.recovery_offset,
                });
            }
        }
    }
    stale.retain(|(slot, ..)| seats.get(*slot).is_some_and(Option::is_none));
    stale.order_by_key(|(_, _, events)| std::cmp::Reverse(*events));
    let speaks = |device: &usize| words.iter().any(|(of, _)| of == device);
    Some(KnownArray {
        grounds: model.grounds.clone(),
        format: model.format,
        geometry: Geometry {
            level: said.level,
            layout: said.layout,
            chunk: said.chunk,
            raid_disks: said.raid_disks,
            component_size: said.component_size,
        },
        seats,
        stale,
        behind,
        loose: (0..seen.len()).filter(|device| !speaks(device)).collect(),
        array: Some(said.array),
        name: said.name.clone(),
        bitmap: model.bitmap,
        created: said.created,
    })
}

/// How much data a device has room for behind an offset.
pub(super) fn room(format: Format, size: Sectors, data_offset: Sectors) -> Sectors {
    match format {
        Format::V0 => v0::place(size.bytes()).unwrap_or_default(),
        Format::V1(minor) => placement::usable_size(minor, size, data_offset, false).unwrap_or_default(),
    }
}

/// What is used of the smallest member.
pub(super) fn component(geometry: &Geometry, room: Sectors) -> Sectors {
    match geometry.level {
        Level::Raid1 => room.round_down(Sectors(128)),
        Level::Linear | Level::Raid0 => Sectors(0),
        _ => room.round_down(geometry.chunk),
    }
}

/// The devices as they were given, and what mdadm makes of such a list when nothing else is said.
fn usual(seen: &[TrialSeen], asked: &Asked) -> Option<KnownArray> {
    let format = asked.format.unwrap_or(Format::V1(Minor::V1_2));
    let listed: Vec<Option<usize>> = match asked.listed.as_slice() {
        [] => (0..seen.len()).map(Some).collect(),
        listed => listed.to_vec(),
    };
    let slots = usize::try_from(asked.raid_devices.unwrap_or(0)).ok()?.max(listed.len());
    let level = asked.level.unwrap_or(if slots < 3 { Level::Raid1 } else { Level::Raid5 });
    let chunk = match level {
        Level::Raid1 | Level::Linear => Sectors(0),
        _ => asked.chunk.unwrap_or(USUAL_CHUNK),
    };
    let first = listed.iter().flatten().find_map(|device| seen.get(*device))?;
    let data_offset = match (asked.data_offsets.first(), format) {
        (Some(asked), _) => *asked,
        (None, Format::V0) => Sectors(0),
        (None, Format::V1(minor)) => placement::default_data_offset(minor, first.size, chunk, false),
    };
    let seat = |device: usize| {
        let size = seen.get(device)?.size;
        Some(Seat { device, data_offset, room: room(format, size, data_offset) })
    };
    let mut seats: Vec<Option<Seat>> = listed.into_iter().map(|device| device.and_then(seat)).collect();
    seats.resize(slots, None);
    let mut geometry = Geometry {
        level,
        layout: asked.layout.unwrap_or(default_layout(level)),
        chunk,
        raid_disks: u32::try_from(slots).ok()?,
        component_size: Sectors(0),
    };
    let least = seats.iter().flatten().map(|seat| seat.room).min()?;
    geometry.component_size = asked.size.unwrap_or(component(&geometry, least));
    Some(KnownArray {
        grounds: Grounds::Usual,
        format,
        geometry,
        seats,
        stale: Vec::new(),
        behind: Vec::new(),
        loose: Vec::new(),
        array: None,
        name: None,
        bitmap: false,
        created: 0,
    })
}
