//! Arrays that went on since the command: with the superblocks of then a member that missed writes would count as up to date, or
//! one that serves would be lost.

use std::collections::BTreeMap;

use superblock::{Bytes, Events, Membership, Native, Role, Write, probe};

use super::{Present, as_left};
use crate::archive::{Carried, Entry, Identity, KeptDevice, Pieces, data_of, is_one_member};

/// The event counts that devices beside those of an entry have, by array; the highest of each.
pub(super) type Around = BTreeMap<String, u64>;

/// Of these devices, those in `places` left out.
pub(super) fn around(here: &[Identity], places: &[usize]) -> Around {
    let mut around = Around::new();
    let others = here.iter().enumerate().filter(|(at, _)| !places.contains(at));
    for sb in others.flat_map(|(_, device)| &device.md) {
        let events = around.entry(sb.array.clone()).or_default();
        *events = sb.events.max(*events);
    }
    around
}

/// A superblock that the command left on a device, the one that was there before, and what it says now.
struct History<'a> {
    path: &'a str,
    before: Option<Native>,
    left: Native,
    now: Native,
    /// Blocks of the array's data that the entry keeps were written since.
    written: bool,
}

/// Why an array that the command changed must not have its metadata of then back; with the path of a device.
pub(super) fn why_not(entry: &Entry, present: &[Present], around: &Around) -> Option<(String, String)> {
    let devices: Vec<History<'_>> =
        entry.devices.iter().zip(present).flat_map(|(kept, present)| histories(kept, present)).collect();
    devices.iter().find_map(|device| {
        let mates: Vec<&History<'_>> =
            devices.iter().filter(|mate| mate.left.array() == device.left.array()).collect();
        let beside = around.get(&device.left.array().to_string()).copied().map_or(Events(0), Events);
        let why = match &device.before {
            Some(before) => reshaped(&device.left, &device.now)
                .or_else(|| stale(device, before, &mates, beside))
                .or_else(|| left_behind(device, &mates))
                .or_else(|| {
                    device.written.then(|| "what it has where the old bytes would go is newer".to_owned())
                }),
            None if made_then(entry, device) => None,
            None => serves(device, beside),
        };
        why.map(|why| (device.path.to_owned(), why))
    })
}

fn histories<'a>(kept: &'a KeptDevice, present: &'a Present) -> Vec<History<'a>> {
    let size = Bytes(kept.device.size);
    let of = |pieces: &[superblock::Write]| probe::probe(&Pieces { size, pieces }).found;
    let before = of(&kept.before);
    let one = |left: &probe::Found| {
        let is_it = |found: &&probe::Found| Carried::of(found).is_same_as(&Carried::of(left));
        let now = present.device.probe.found.iter().find(is_it)?;
        let was = |found: &&probe::Found| is_one_member(found, left);
        Some(History {
            path: &present.device.path,
            before: before.iter().find(was).map(|found| found.fields().clone()),
            left: left.fields().clone(),
            now: now.fields().clone(),
            written: written_since(kept, present, &left.fields().membership()),
        })
    };
    of(&kept.after()).iter().filter_map(one).collect()
}

/// Whether kept sectors of the array's data are neither what they were nor what the command wrote there.
fn written_since(kept: &KeptDevice, present: &Present, array: &Membership) -> bool {
    let in_data = |piece: &Write| data_of(array).contains(&piece.at);
    let only = |pieces: &[Write]| pieces.iter().filter(|piece| in_data(piece)).cloned().collect();
    let data = KeptDevice { before: only(&kept.before), ..kept.clone() };
    !as_left(&data, &only(&present.now))
}

/// The array went on without a device that the entry is not about: with the metadata of then that one would count, too.
fn left_behind(device: &History<'_>, mates: &[&History<'_>]) -> Option<String> {
    let freshest = mates.iter().filter_map(|mate| mate.before.as_ref()).max_by_key(|sb| sb.events())?;
    let newest = mates.iter().map(|mate| &mate.now).max_by_key(|sb| sb.events())?;
    let is = device.now.membership();
    let (then, now) = (freshest.working_slots(is.raid_disks), newest.working_slots(is.raid_disks));
    let slot_of = |mate: &&History<'_>| match mate.before.as_ref()?.membership().role {
        Role::Slot { slot, .. } => Some(slot),
        Role::Spare | Role::Faulty | Role::Journal => None,
    };
    let own: Vec<u32> = mates.iter().filter_map(slot_of).collect();
    let gone =
        (0..).zip(then.into_iter().zip(now)).find(|(slot, (then, now))| *then && !now && !own.contains(slot));
    gone.map(|(slot, _)| {
        format!("array {} went on without slot {slot}, and with the metadata of then that one would count as up to date", is.array)
    })
}

fn reshaped(left: &Native, now: &Native) -> Option<String> {
    let shape = |of: &Membership| (of.level, of.raid_disks, of.layout, of.chunk, of.component_size);
    let (was, is) = (left.membership(), now.membership());
    let other = shape(&was) != shape(&is) || left.is_reshaping() != now.is_reshaping();
    other.then(|| format!("array {} has another shape since", is.array))
}

/// A member that was up to date then and is not now.
fn stale(device: &History<'_>, before: &Native, mates: &[&History<'_>], beside: Events) -> Option<String> {
    let freshest = mates.iter().filter_map(|mate| mate.before.as_ref()).max_by_key(|sb| sb.events())?;
    let (was, is) = (before.membership(), device.now.membership());
    let counted = is_current(&was, freshest, Events(freshest.events().0.saturating_sub(1)));
    let newest = mates.iter().map(|mate| &mate.now).max_by_key(|sb| sb.events())?;
    let counts = is_current(&is, newest, newest.events().max(beside));
    (counted && !counts).then(|| {
        format!(
            "array {} went on without it, and with its metadata of then it would count as up to date",
            is.array
        )
    })
}

/// Whether a member is in sync by what the freshest one says, and has at least so many events.
fn is_current(member: &Membership, freshest: &Native, events: Events) -> bool {
    let Role::Slot { slot, .. } = member.role else { return false };
    let working = freshest.working_slots(member.raid_disks);
    let works = usize::try_from(slot).ok().and_then(|slot| working.get(slot)).copied().unwrap_or(false);
    works && member.events >= events
}

/// Whether the command made the array: every working member of it is one of its devices.
fn made_then(entry: &Entry, device: &History<'_>) -> bool {
    let left = entry.devices.iter().flat_map(|kept| {
        let after = kept.after();
        probe::probe(&Pieces { size: Bytes(kept.device.size), pieces: &after }).found
    });
    let own = left.filter(|found| {
        let is = found.fields().membership();
        is.array == device.left.array() && matches!(is.role, Role::Slot { .. })
    });
    device.left.working_devices(device.left.membership().raid_disks) <= own.count()
}

/// A device that the command gave to an array that was there before, and that the array relies on by now.
fn serves(device: &History<'_>, beside: Events) -> Option<String> {
    let is = device.now.membership();
    // As the command left it, it has not served since.
    if is.events <= device.left.events() {
        return None;
    }
    let in_sync = is.recovery_offset.is_none() && is_current(&is, &device.now, beside);
    in_sync.then(|| {
        format!(
            "it is an up-to-date member of array {} now; if that can do without it: `mdctl manage ARRAY --fail DEVICE --remove DEVICE` first",
            is.array
        )
    })
}

#[cfg(test)]
mod tests {
    use superblock::{Level, MdUuid, Write, sectors::SectorMap, v1};

    use super::*;
    use crate::{
        archive::{
            overwritten_bench::{NONE, OLD, SIZE, array, member},
            tests::about,
        },
        model::Device,
        plan::create::tests::device,
    };

    /// A member's superblock at 4 KiB; `events`, `active`: which numbers it has as working.
    fn page(of: &v1::NewArray, number: u32, events: u64, active: &[u32]) -> Write {
        let roles = (0..of.raid_disks.max(number + 1)).map(|nth| match active.contains(&nth) {
            true => Role::Slot { slot: nth, replacement: false },
            false if nth == number => Role::Spare,
            false => Role::Faulty,
        });
        let of = v1::NewArray { roles: roles.collect(), ..of.clone() };
        let mut map = SectorMap::zeros(Bytes(SIZE));
        map.write(&member(&of, number, events, NONE).encode());
        let mut data = vec![0; 4096];
        superblock::Media::read_at(&map, Bytes(4096), &mut data).unwrap();
        Write { at: Bytes(4096), data }
    }

    /// Each device: before the command, as it left it, now.
    fn asked(devices: &[[Write; 3]], beside: u64) -> Option<String> {
        let kept = |[before, left, _]: &[Write; 3]| KeptDevice {
            device: Identity { size: SIZE, ..Identity::default() },
            before: vec![before.clone()],
            written: vec![left.clone()],
        };
        let present = |[.., now]: &[Write; 3]| {
            let probe = probe::probe(&Pieces { size: Bytes(SIZE), pieces: std::slice::from_ref(now) });
            Present {
                device: Device { probe, ..device("/dev/a", SIZE).found.expect("a device") },
                now: vec![now.clone()],
                ends: Vec::new(),
                inside: Vec::new(),
                changed: false,
                unchanged: Vec::new(),
                group: None,
            }
        };
        let entry = Entry { about: about(1), devices: devices.iter().map(kept).collect() };
        let present: Vec<Present> = devices.iter().map(present).collect();
        let around = Around::from([(OLD.to_string(), beside)]);
        why_not(&entry, &present, &around).map(|(_, why)| why)
    }

    #[test]
    fn a_member_that_was_left_behind_since_does_not_come_back_as_it_was() {
        let mirror = array(OLD, Level::Raid1, 0, 2, true);
        let other = array(MdUuid([0x99; 16]), Level::Raid1, 0, 2, true);
        let both = |of, number, events| page(of, number, events, &[0, 1]);
        let updated = |number, now: Write| [both(&mirror, number, 7), both(&mirror, number, 7), now];
        let of = |now: [Write; 2], beside| {
            let [a, b] = now;
            asked(&[updated(0, a), updated(1, b)], beside)
        };
        assert_eq!(of([both(&mirror, 0, 40), both(&mirror, 1, 40)], 0), None, "both ran on");
        let gone = of([both(&mirror, 0, 12), page(&mirror, 1, 40, &[1])], 0).expect("a refusal");
        assert!(gone.contains("went on without it"), "{gone}");
        assert!(of([both(&mirror, 0, 12), both(&mirror, 1, 12)], 40).is_some(), "others have gone on");
        // Only the one that was changed is in the entry; the other half is away, and would count.
        let alone = [both(&mirror, 0, 7), both(&mirror, 0, 7), page(&mirror, 0, 40, &[0])];
        let away = asked(&[alone], 0).expect("a refusal");
        assert!(away.contains("went on without slot 1"), "{away}");
        let whole = [both(&mirror, 0, 7), both(&mirror, 0, 7), both(&mirror, 0, 40)];
        assert_eq!(asked(&[whole], 0), None);
        // One that was out of date before is so again.
        let forced = [page(&mirror, 1, 20, &[1]), both(&mirror, 1, 20), page(&mirror, 1, 40, &[1])];
        let stale = [both(&mirror, 0, 7), both(&mirror, 0, 20), both(&mirror, 0, 21)];
        assert_eq!(asked(&[stale, forced], 0), None);
        // Another array was made of them: it goes, whatever became of it.
        let made = [both(&mirror, 0, 7), both(&other, 0, 0), both(&other, 0, 12)];
        let made_too = [both(&mirror, 1, 7), both(&other, 1, 0), page(&other, 1, 40, &[1])];
        assert_eq!(asked(&[made, made_too], 0), None);
    }

    #[test]
    fn another_shape_and_a_member_that_serves() {
        let three = array(OLD, Level::Raid5, 2, 3, true);
        let four = v1::NewArray { raid_disks: 4, ..three.clone() };
        let all = |of, number, events| page(of, number, events, &[0, 1, 2, 3]);
        let grown = |number| {
            let was = page(&three, number, 7, &[0, 1, 2]);
            [was.clone(), was, all(&four, number, 60)]
        };
        let why = asked(&[grown(0), grown(1), grown(2)], 0).expect("a refusal");
        assert!(why.contains("has another shape"), "{why}");
        // Added to an array that was there; by now it is one of those that count.
        let blank = Write { at: Bytes(4096), data: vec![0; 4096] };
        let added = |now: Write| [blank.clone(), page(&three, 2, 7, &[0, 1]), now];
        let serving = page(&three, 2, 50, &[0, 1, 2]);
        assert!(asked(&[added(serving.clone())], 50).expect("a refusal").contains("up-to-date member"));
        assert!(asked(&[added(serving.clone())], 0).is_some(), "the others are gone");
        assert_eq!(asked(&[added(serving)], 55), None, "it was taken out");
        assert_eq!(asked(&[added(page(&three, 2, 9, &[0, 1]))], 50), None, "a spare");
        let written_back = [blank.clone(), page(&three, 2, 7, &[0, 1, 2]), page(&three, 2, 7, &[0, 1, 2])];
        assert_eq!(asked(&[written_back], 7), None, "its superblock was restored, and nothing came of it");
        // Those of which the command made the array go with it.
        let made = |number, left: &[u32]| {
            [blank.clone(), page(&three, number, 0, left), page(&three, number, 30, &[0, 1, 2])]
        };
        assert_eq!(asked(&[made(0, &[0, 1]), made(1, &[0, 1]), made(2, &[0, 1])], 0), None);
    }
}
