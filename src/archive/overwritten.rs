//! What the kernel wrote over the data of members on behalf of an array that a command made of them: an undo brings their
//! superblocks back, and not that.

use std::ops::Range;

use superblock::{
    Bytes, Level, Membership, Native, Role, Sectors,
    probe::{self, Found},
    v1::DevFlags,
};

use super::{About, Carried, Entry, EntryId, Identity, KeptDevice, Pieces, Print, Sameness, prints, undone};

/// Why the kernel writes to members on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyCause {
    /// Copies or parity were made equal.
    Resync,
    /// A spare was filled.
    Recovery,
    /// The array was written to.
    Use,
    /// Nothing tells who: blocks of its data are not those of then.
    Unknown,
}

/// What was, or may have been, written over a device's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedOver {
    /// The array for which that was done; empty where nobody knows.
    pub array: String,
    /// Why.
    pub cause: CopyCause,
    /// How much of the device's data, from its start; `None`: all of it.
    pub far: Option<Sectors>,
}

impl CopiedOver {
    /// How much, in words.
    #[must_use]
    pub fn extent(&self) -> String {
        match self.far {
            None if matches!(self.cause, CopyCause::Use | CopyCause::Unknown) => "some of it".to_owned(),
            None => "all of it".to_owned(),
            Some(Sectors(0)) => "perhaps its beginning".to_owned(),
            Some(far) => format!("its first {} KiB", far.kib().0),
        }
    }
}

impl CopiedOver {
    /// Who wrote, in words; `array`: as that is to be called.
    #[must_use]
    pub fn by(&self, array: &str) -> String {
        match self.cause {
            CopyCause::Resync => format!("a resync of {array}"),
            CopyCause::Recovery => format!("a recovery of {array}"),
            CopyCause::Use => format!("what was written to {array}"),
            CopyCause::Unknown => "something that is not known".to_owned(),
        }
    }
}

/// A former member whose data was written over before its metadata was put back by an undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overwritten {
    /// Where it is now.
    pub path: String,
    /// The array that it was a member of.
    pub array: String,
    /// Whether it has that array's superblock again; else the undo left it without any.
    pub is_back: bool,
    /// What was written over it.
    pub copied: CopiedOver,
    /// The words of the command that made the other array.
    pub by: String,
    /// When the superblock came back, seconds since 1970.
    pub since: u64,
    /// The entry that was put back.
    pub undone: EntryId,
}

/// What may have been written over the data of the `nth` device of an entry since its command, by the kernel or by who used the
/// array that the command made. `now`: the superblocks that the device carries; one that the command left and that is not there
/// any more tells nothing, so the worst is taken. `changed`: blocks of its data are not those of then ([`data_changed`]).
#[must_use]
pub fn copied_over(devices: &[KeptDevice], nth: usize, now: &[Found], changed: bool) -> Vec<CopiedOver> {
    let Some(kept) = devices.get(nth) else { return Vec::new() };
    let old = carried(&kept.before, kept);
    let left = carried(&kept.after(), kept);
    let judge = |left: &Found| {
        let is = now.iter().find(|found| Carried::of(found).is_same_as(&Carried::of(left)));
        let went_on = old.iter().any(|old| is_one_member(old, left));
        let used = || used(left, is?, devices).filter(|_| !went_on);
        let copied = copied(left, is, devices).or_else(used)?;
        // Where nothing was, nothing tells where data may have been.
        let touched =
            old.is_empty() || old.iter().any(|old| meets(&membership(old), &membership(left), copied.far));
        touched.then_some(copied)
    };
    let mut found: Vec<CopiedOver> = left.iter().filter_map(judge).collect();
    if changed && found.is_empty() && !old.is_empty() {
        // Who else, while it was in that array.
        let in_array = left.iter().find(|left| now.iter().any(|now| is_one_member(left, now)));
        let array = in_array.map(|left| membership(left).array.to_string());
        let cause = if array.is_some() { CopyCause::Use } else { CopyCause::Unknown };
        found.push(CopiedOver { array: array.unwrap_or_default(), cause, far: None });
    }
    found
}

/// Whether blocks of a former member's data differ from the checksums in the entry, although it has left its array. `read`: whether a place was looked at; a block that is blank by now has no checksum.
#[must_use]
pub fn data_changed(kept: &KeptDevice, now: (&[Found], &[Print]), read: impl Fn(u64) -> bool) -> bool {
    let (now, prints) = now;
    let old = carried(&kept.before, kept);
    if old.iter().any(|old| now.iter().any(|now| is_one_member(old, now))) {
        return false;
    }
    let in_data = |print: &&Print| old.iter().any(|old| data_of(&membership(old)).contains(&Bytes(print.at)));
    kept.device.prints.iter().filter(in_data).any(|print| read(print.at) && !prints.contains(print))
}

/// Where a member has data of its array.
#[must_use]
pub fn data_of(member: &Membership) -> Range<Bytes> {
    let length = member.component_size.max(member.data_size);
    member.data_offset.bytes()..member.data_offset.saturating_add(length).bytes()
}

/// Whether the two superblocks belong to the same member at different times. An array that got a new UUID is still the same.
#[must_use]
pub fn is_one_member(old: &Found, now: &Found) -> bool {
    old.created() == now.created() && Carried::of(old).member == Carried::of(now).member
}

/// A start counts one event more, in the moment after the superblock was made; whatever comes later comes of a write.
const STARTED: (u64, u64) = (1, 5);

/// Whether the array that the command made was written to, as far as its superblock tells: that of RAID0 tells nothing, and where
/// the kernel fills members it counts events of its own.
fn used(left: &Found, is: &Found, devices: &[KeptDevice]) -> Option<CopiedOver> {
    let (was, now) = (membership(left), membership(is));
    let is_filled = || {
        let mut lefts = devices.iter().flat_map(|kept| carried(&kept.after(), kept));
        lefts.any(|other| {
            let other = membership(&other);
            other.array == was.array && other.role == Role::Spare
        })
    };
    if !was.clean || is_filled() {
        return None;
    }
    let (events, seconds) = STARTED;
    let later = now.updated > was.updated.saturating_add(seconds);
    let written = later || now.events.0 > was.events.0.saturating_add(events);
    (slot(&was).is_some() && written).then(|| CopiedOver {
        array: was.array.to_string(),
        cause: CopyCause::Use,
        far: None,
    })
}

fn carried(pieces: &[superblock::Write], kept: &KeptDevice) -> Vec<Found> {
    probe::probe(&Pieces { size: Bytes(kept.device.size), pieces }).found
}

fn membership(found: &Found) -> Membership {
    found.fields().membership()
}

fn copied(left: &Found, is: Option<&Found>, devices: &[KeptDevice]) -> Option<CopiedOver> {
    let was = membership(left);
    let now = is.map(membership);
    let of = |cause, far| Some(CopiedOver { array: was.array.to_string(), cause, far });
    if !was.clean {
        if is_only_read(left, devices) {
            return None;
        }
        let far = match (is, &now) {
            (Some(is), Some(now)) if !now.clean => is.fields().resync_offset(),
            (Some(_) | None, _) => None,
        };
        // It was noted how far it came, but for what the last minutes before a crash did.
        let begun = now.as_ref().is_none_or(|now| now.events != was.events);
        return match far {
            Some(Sectors(0)) if !begun => None,
            Some(far) if far.0 > 0 && was.level == Level::Raid10 => of(CopyCause::Resync, None),
            far => of(CopyCause::Resync, far),
        };
    }
    match (was.role, now.map(|now| (now.role, now.recovery_offset))) {
        (Role::Spare, Some((Role::Slot { .. }, Some(Sectors(0))))) => None,
        (Role::Spare, Some((Role::Slot { .. }, far))) => of(CopyCause::Recovery, far),
        (Role::Spare, None) => of(CopyCause::Recovery, None),
        _ => None,
    }
}

/// Whether a first resync of the array reads this member and writes to others: the first copy is the one that counts, and of
/// RAID4 the last member alone has parity.
fn is_only_read(left: &Found, devices: &[KeptDevice]) -> bool {
    let was = membership(left);
    let Some(group) = group(&was) else { return false };
    if was.level == Level::Raid4 {
        return slot(&was).is_some_and(|slot| slot + 1 < was.raid_disks);
    }
    let lefts = devices.iter().flat_map(|kept| carried(&kept.after(), kept));
    let mates = lefts.filter(|other| {
        let other = membership(other);
        other.array == was.array && self::group(&other) == Some(group)
    });
    mates.map(|mate| rank(&mate)).min().is_some_and(|first| first == rank(left))
}

/// Members of one group have the same data. `None` where each member has something that is made from others.
fn group(was: &Membership) -> Option<u32> {
    let slot = slot(was)?;
    let (near, far) = (was.layout & 0xff, was.layout >> 8 & 0xff);
    match was.level {
        Level::Raid1 | Level::Raid4 => Some(0),
        Level::Raid10 if far == 1 && near > 0 && was.raid_disks % near == 0 => Some(slot / near),
        _ => None,
    }
}

fn slot(was: &Membership) -> Option<u32> {
    match was.role {
        Role::Slot { slot, replacement: false } => Some(slot),
        Role::Slot { .. } | Role::Spare | Role::Faulty | Role::Journal => None,
    }
}

/// The member with the lowest is read; those that are to be written to mostly come last.
fn rank(found: &Found) -> (bool, Option<u32>) {
    let last = match found.fields() {
        Native::V1(sb) => sb.devflags().contains(DevFlags::WRITE_MOSTLY),
        Native::V0(_) => false,
    };
    (last, slot(&membership(found)))
}

/// Whether what was written to the one's data lies in that of the other.
fn meets(old: &Membership, new: &Membership, far: Option<Sectors>) -> bool {
    let length = |of: &Membership| of.component_size.max(of.data_size);
    let old_end = old.data_offset.saturating_add(length(old));
    let written = far.filter(|far| far.0 > 0).unwrap_or_else(|| length(new));
    let new_end = new.data_offset.saturating_add(written);
    new.data_offset < old_end && old.data_offset < new_end
}

/// Which devices here carry a superblock that an undo brought back, and not the data that belongs to it. `undos`: what was
/// undone, with the undo itself; `all`: everything that is kept.
#[must_use]
pub fn overwritten(
    undos: &[(Entry, Entry)],
    all: &[(&About, &[Identity])],
    here: &[Identity],
) -> Vec<Overwritten> {
    let void = undone(all.iter().map(|(about, _)| *about));
    let mut found = Vec::new();
    for (made, undo) in undos.iter().filter(|(_, undo)| !void.contains(&undo.about.id)) {
        for (nth, kept) in made.devices.iter().enumerate() {
            let Some(taken) = undo.devices.iter().find(|taken| is_one(kept, &taken.device)) else { continue };
            let then = carried(&taken.before, taken);
            let places = prints::places(Bytes(taken.device.size), &then);
            let changed = data_changed(kept, (&then, &taken.device.prints), |at| places.contains(&Bytes(at)));
            let copied = copied_over(&made.devices, nth, &then, changed);
            let back = is_back(kept, undo, all, here).map(|(path, array)| (path, array, true));
            let place = back.or_else(|| is_left_out(kept, taken, (undo, all), here));
            let Some((copied, (path, array, is_back))) = copied.into_iter().next().zip(place) else {
                continue;
            };
            found.push(Overwritten {
                path,
                array,
                is_back,
                copied,
                by: made.about.command.join(" "),
                since: undo.about.time,
                undone: made.about.id.clone(),
            });
        }
    }
    found
}

fn is_one(kept: &KeptDevice, other: &Identity) -> bool {
    match kept.same(other) {
        Sameness::Same(_) => true,
        Sameness::Another(_) => false,
        Sameness::CannotTell(_) => kept.device.path == other.path,
    }
}

/// Where the device is, with the array that it is a member of again. One that was added to it since has another superblock;
/// of 0.90, where no member has a name of its own, a later change of the device is taken for that.
fn is_back(
    kept: &KeptDevice,
    undo: &Entry,
    all: &[(&About, &[Identity])],
    here: &[Identity],
) -> Option<(String, String)> {
    let then = &kept.device;
    here.iter().filter(|now| matches!(then.same(now), Sameness::Same(_))).find_map(|now| {
        let member = now.md.iter().find(|sb| then.md.iter().any(|known| known.is_member(sb)))?;
        let counts = member.member.is_some() || !changed_since(undo, now, all);
        counts.then(|| (now.path.clone(), member.array.clone()))
    })
}

/// The same for one that the undo left without a superblock, and that has had nothing put on it since.
fn is_left_out(
    kept: &KeptDevice,
    taken: &KeptDevice,
    (undo, all): (&Entry, &[(&About, &[Identity])]),
    here: &[Identity],
) -> Option<(String, String, bool)> {
    let array = &kept.device.md.first()?.array;
    if !carried(&taken.after(), taken).is_empty() {
        return None;
    }
    let before = || {
        let earlier = all.iter().filter(|(about, _)| about.order() <= undo.about.order());
        earlier.flat_map(|(_, devices)| devices.iter())
    };
    // It is offered to be written over: neither a path nor a likeness is enough.
    let is_proven = |now: &Identity| {
        matches!(taken.same(now), Sameness::Same(_)) && !taken.device.is_only_like(now, before(), here)
    };
    let is_it = |now: &&Identity| {
        now.md.is_empty() && now.foreign.is_empty() && is_proven(now) && !changed_since(undo, now, all)
    };
    here.iter().find(is_it).map(|now| (now.path.clone(), array.clone(), false))
}

/// Whether a later command than this undo wrote to the device.
fn changed_since(undo: &Entry, now: &Identity, all: &[(&About, &[Identity])]) -> bool {
    all.iter().any(|(about, devices)| {
        let later = about.order() > undo.about.order() && about.undoes.is_none();
        later && devices.iter().any(|device| matches!(device.same(now), Sameness::Same(_)))
    })
}

#[cfg(test)]
#[path = "overwritten_tests.rs"]
pub(crate) mod tests;
