//! Which member has data that cannot be made again from the others: too few members are left, a resync is not finished, or
//! a reshape stands between two shapes.

use superblock::{Level, Membership, Native, Role, Sectors};

use crate::model::{DevId, Geometry, geometry::Copies, manage::Managed, world::LogLine};

/// For what counts as clean: nothing is started here.
const RUNS: bool = true;

/// Why a member is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it too few members are up to date.
    Members,
    /// A reshape goes on, and in the old or the new shape too few would be left.
    Reshape,
    /// A resync is not finished: what is behind this place is only on this member (mirrors), or cannot be made from the
    /// others, for the parity is not right there yet.
    Resync(Sectors),
}

/// Whether a member of a running array has what the others cannot make again. That it is being written to makes no difference
/// as long as it runs: what parity lacks then is in the kernel's hands, and parity that is not right yet is a resync that is not
/// finished.
#[must_use]
pub fn need(array: &Managed, dev: DevId) -> Option<Need> {
    let slots = array.detail.counts.raid_disks;
    let (with, without) = (array.present(None), array.present(Some(dev)));
    let geometry = array.geometry();
    if with != without && !geometry.enough(&without, RUNS) {
        return Some(Need::Members);
    }
    if let Some(before) = array.slots_before {
        let width = slots.max(before);
        let (with, without) = (array.present_in(width, None), array.present_in(width, Some(dev)));
        let before = Geometry { raid_disks: before, ..geometry };
        if with != without && (!before.enough(&without, RUNS) || !geometry.enough(&without, RUNS)) {
            return Some(Need::Reshape);
        }
    }
    let from = array.resync_at?;
    let slot = (0..)
        .zip(&with)
        .zip(&without)
        .find(|((_, with), without)| with != without)
        .map(|((slot, _), _)| slot)?;
    is_source(&geometry, &array.preferred(), slot).then_some(Need::Resync(from))
}

/// Whether an unfinished resync takes data from the member in this slot. Mirrors are copied from the first member that is
/// in sync and not write-mostly (`preferred`; kernel: `raid1_sync_request`, `raid10_sync_request`); parity is made from
/// all the others.
#[must_use]
pub fn is_source(geometry: &Geometry, preferred: &[bool], slot: usize) -> bool {
    match geometry.level {
        Level::Raid1 => preferred.iter().position(|preferred| *preferred) == Some(slot),
        Level::Raid4 | Level::Raid5 | Level::Raid6 => true,
        Level::Raid10 => {
            let near = near_copies(geometry.layout, geometry.raid_disks);
            // Where the copies go round everybody has first ones.
            let Some(near) = near.and_then(|near| usize::try_from(near).ok()) else { return true };
            let first = slot - slot % near;
            !(first..slot).any(|other| preferred.get(other).copied().unwrap_or(false))
        }
        Level::Faulty
        | Level::Multipath
        | Level::Linear
        | Level::Raid0
        | Level::Container
        | Level::Other(_) => false,
    }
}

/// A device with the only copy of something, by its own metadata: it was lost before a resync that took data from it was
/// finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnlyCopy {
    /// What is behind this place is only on it. 0 where nothing is known.
    pub from: Sectors,
    /// How it comes back.
    pub way: WayBack,
}

/// How what only one device has comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// It serves the whole array alone.
    Alone,
    /// With the members in all other slots than these, which have copies of its data that are not equal.
    WithoutMirrors {
        /// The first of the slots, its own among them.
        first: u32,
        /// How many.
        copies: u32,
    },
    /// It is needed beside all the others.
    WithAll,
}

/// Finds out whether a device that failed, or is not in its array any more, has the only copy of something. 0 in its
/// metadata does not say so alone: an array that is being written to has that, too. There the kernel's log decides
/// (`in_resync`). `serves`: which slots have a member in the array as it is.
#[must_use]
pub fn left_behind(metadata: &Native, in_resync: bool, serves: impl Fn(u32) -> bool) -> Option<OnlyCopy> {
    let facts = metadata.membership();
    let Role::Slot { slot, replacement: false } = facts.role else { return None };
    let from = metadata.resync_offset()?;
    if (from == Sectors(0) && !in_resync) || facts.recovery_offset.is_some() {
        return None;
    }
    let working = metadata.working_slots(facts.raid_disks);
    let way = way_back(&facts, slot);
    // Once the first of a set of mirrors had failed, the next one is the first by its own word: but it was filled from that one.
    if matches!(way, WayBack::WithoutMirrors { first, .. } if (first..slot).any(serves)) {
        return None;
    }
    let slot = usize::try_from(slot).ok()?;
    let others = working.iter().enumerate().filter(|(other, works)| **works && *other != slot);
    let geometry = Geometry {
        level: facts.level,
        layout: facts.layout,
        chunk: facts.chunk,
        raid_disks: facts.raid_disks,
        component_size: facts.component_size,
    };
    (others.count() > 0 && is_source(&geometry, &working, slot)).then_some(OnlyCopy { from, way })
}

fn way_back(facts: &Membership, slot: u32) -> WayBack {
    if facts.level == Level::Raid1 {
        return WayBack::Alone;
    }
    match near_copies(facts.layout, facts.raid_disks).filter(|_| facts.level == Level::Raid10) {
        Some(copies) if copies == facts.raid_disks => WayBack::Alone,
        Some(copies) => WayBack::WithoutMirrors { first: slot - slot % copies, copies },
        None => WayBack::WithAll,
    }
}

/// How many slots beside each other have the same data in this layout of a RAID10; `None` where copies go round.
fn near_copies(layout: u32, slots: u32) -> Option<u32> {
    let copies = Copies::from_layout(layout);
    let near = copies.near;
    (copies.far == 1 && near > 0 && slots % near == 0).then_some(near)
}

/// Whether the kernel's log says that a device failed while a resync of the array ran: both by their names there.
#[must_use]
pub fn failed_in_resync(log: &[LogLine], array: &str, device: &str) -> bool {
    let begins = format!("md: resync of RAID array {array}");
    let ends = format!("md: {array}: resync ");
    let fails = format!(":{array}: Disk failure on {device},");
    let mut runs = false;
    let mut failed = false;
    for line in log {
        if line.text.trim_end() == begins {
            runs = true;
        } else if line.text.starts_with(&ends) {
            runs = false;
        } else if line.text.contains(&fails) {
            failed = runs;
        }
    }
    failed
}

/// The same of whatever array the device was in, for one that does not run and has no name in the kernel.
#[must_use]
pub fn failed_in_some_resync(log: &[LogLine], device: &str) -> bool {
    let fails = format!(": Disk failure on {device},");
    let array = |line: &LogLine| {
        let (before, _) = line.text.split_once(&fails)?;
        before.rsplit_once(':').map(|(_, array)| array.to_owned())
    };
    log.iter().rev().find_map(array).is_some_and(|array| failed_in_resync(log, &array, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(level: Level, raid_disks: u32, layout: u32) -> Geometry {
        Geometry { level, layout, chunk: Sectors(128), raid_disks, component_size: Sectors(2048) }
    }

    #[test]
    fn a_resync_takes_data_from_some() {
        let sources = |level, layout, preferred: &str| -> String {
            let preferred: Vec<bool> = preferred.chars().map(|state| state == 'U').collect();
            let shape = shape(level, u32::try_from(preferred.len()).unwrap(), layout);
            let one = |slot| if is_source(&shape, &preferred, slot) { 'S' } else { '-' };
            (0..preferred.len()).map(one).collect()
        };
        assert_eq!(sources(Level::Raid1, 0, "UU"), "S-");
        assert_eq!(sources(Level::Raid1, 0, "_UU"), "-S-");
        assert_eq!(sources(Level::Raid10, 0x102, "UUUU"), "S-S-");
        assert_eq!(sources(Level::Raid10, 0x102, "_UUU")[1..], *"SS-");
        assert_eq!(sources(Level::Raid10, 0x103, "UUUUUU"), "S--S--");
        assert_eq!(sources(Level::Raid10, 0x102, "UUU"), "SSS", "the copies go round");
        assert_eq!(sources(Level::Raid10, 0x201, "UU"), "SS", "far");
        assert_eq!(sources(Level::Raid10, 0x1_0201, "UU"), "SS", "offset");
        for level in [Level::Raid4, Level::Raid5, Level::Raid6] {
            assert_eq!(sources(level, 2, "UUUU"), "SSSS");
        }
        assert_eq!(sources(Level::Raid0, 0, "UU"), "--");
    }

    #[test]
    fn the_log_tells_what_ran_when_a_member_failed() {
        let log = |lines: &[&str]| -> Vec<LogLine> {
            lines.iter().map(|text| LogLine { at: 0, text: (*text).to_owned() }).collect()
        };
        let begun = "md: resync of RAID array md1";
        let done = "md: md1: resync done.";
        let failed = "md/raid1:md1: Disk failure on ram0, disabling device.";
        for (lines, expected) in [
            (&[begun, failed, "md: md1: resync interrupted."][..], true),
            (&[begun, done, failed], false),
            (&[failed], false),
            (&[begun, failed, done, failed], false),
            (&["md: resync of RAID array md12", failed], false),
            (&["md: requested-resync of RAID array md1", failed], false),
            (&[begun, "md/raid1:md1: Disk failure on ram01, disabling device."], false),
            (&[begun, "md/raid:md1: Disk failure on ram0, disabling device."], true),
        ] {
            assert_eq!(failed_in_resync(&log(lines), "md1", "ram0"), expected, "{lines:?}");
            assert_eq!(failed_in_some_resync(&log(lines), "ram0"), expected, "{lines:?}");
        }
    }
}
