//! A running array, read past md, straight from its members.

use std::path::Path;

use raid::{Geometry, blame::Syndromes};
use superblock::{Bytes, Level, Media, Sectors};

use super::StatusLook;
use crate::{
    kernel::{Access, BlockDevice, KernelError, Machine, node, parallel, sysfs::ArrayAttr},
    model::{
        raw::{NotRaw, RawArray, RawMember, StripePart, StripeRange, StripesSeen},
        status::{ArrayStatus, MemberStatus},
    },
    words::MemberState,
};

/// The array at a path, if it is of one of the levels.
///
/// # Errors
/// sysfs or /proc/mdstat could not be read at all.
pub(super) fn raw(
    machine: &Machine,
    path: &str,
    levels: &[Level],
) -> Result<Result<Box<RawArray>, NotRaw>, KernelError> {
    let number = match node::number_of(Path::new(path)) {
        Ok(number) => number,
        Err(error) => return Ok(Err(NotRaw::NoDevice(error.to_string()))),
    };
    let all = StatusLook::new(machine).all()?;
    let found = number.and_then(|number| all.iter().find(|array| array.id == number));
    let of_level = |array: &ArrayStatus| array.level.filter(|level| levels.contains(level));
    Ok(match found.filter(|array| array.is_running()).and_then(|array| Some((array, of_level(array)?))) {
        Some((array, level)) => of(machine, array, level, path).map(Box::new),
        None => Err(NotRaw::OtherLevel),
    })
}

fn of(machine: &Machine, status: &ArrayStatus, level: Level, path: &str) -> Result<RawArray, NotRaw> {
    if status.reshape_position.is_some() || status.raid_disks_before.is_some() {
        return Err(NotRaw::Shape("it is changing its shape".to_owned()));
    }
    if status.degraded.is_some_and(|missing| missing > 0) {
        return Err(NotRaw::Degraded);
    }
    let array = machine.sysfs.array(&status.kernel_name);
    let number = |attr| array.number(attr).ok().flatten().unwrap_or(0);
    let geometry = Geometry {
        level,
        layout: status.layout,
        chunk: status.chunk.sectors(),
        raid_disks: status.raid_disks,
        component_size: status.component_size.ok_or_else(unclear)?.sectors(),
    };
    let mut members = Vec::new();
    for slot in 0..status.raid_disks {
        let serves = |member: &&MemberStatus| {
            member.slot == Some(slot)
                && member.is(&MemberState::InSync)
                && !member.is(&MemberState::Replacement)
        };
        let member = status.members.iter().find(serves).ok_or(NotRaw::Degraded)?;
        let entry = array.member(&member.kernel_name);
        members.push(RawMember {
            path: member.path.clone().unwrap_or_else(|| format!("/dev/{}", member.kernel_name)),
            dev: member.id.ok_or(NotRaw::Degraded)?,
            data_offset: entry.offset().ok().flatten().ok_or_else(unclear)?,
            bad: entry.bad_blocks().ok().flatten().unwrap_or_default(),
        });
    }
    let listed = array.members().unwrap_or_default().into_iter().filter_map(|entry| {
        let dev = entry.dev().ok().flatten()?;
        members.iter().position(|member| member.dev == dev)
    });
    let found = RawArray {
        kernel: status.kernel_name.clone(),
        path: path.to_owned(),
        geometry,
        listed: listed.collect(),
        members,
        syncing: status.activity.as_ref().map(|activity| activity.kind),
        unsynced: array.resync_start().ok().flatten().flatten().is_some(),
        held: number(ArrayAttr::SuspendHi) > number(ArrayAttr::SuspendLo),
    };
    if found.length() == Sectors(0) {
        return Err(NotRaw::Shape(format!("layout {} is not known", status.layout)));
    }
    Ok(found)
}

fn unclear() -> NotRaw {
    NotRaw::Shape("md does not tell all of its shape".to_owned())
}

/// Reads a range of all members at the same time. Answers the stripes that do not fit together; `all`: every one.
///
/// # Errors
/// The array has lost a member since, whose blocks would be old ones.
pub(super) fn stripes(
    machine: &Machine,
    array: &RawArray,
    range: StripeRange,
    all: bool,
) -> Result<Box<StripesSeen>, KernelError> {
    let seen = fitted(array, range, all);
    still_whole(machine, array)?;
    Ok(Box::new(seen))
}

fn fitted(array: &RawArray, range: StripeRange, all: bool) -> StripesSeen {
    let read = |member: &RawMember| read(member, range);
    let blocks = parallel::each(array.members.len(), &array.members, read);
    let Some(layout) = array.stripes() else { return StripesSeen::default() };
    let mut seen = StripesSeen::default();
    let mut syndromes = Syndromes::default();
    let (mut at, end) = (range.from.0, range.from.0.saturating_add(range.length.0));
    let chunk = array.geometry.chunk.0.max(1);
    // One sector that cannot be read leaves its own stripe out, and no other.
    if blocks.iter().any(Result::is_err) && range.length.0 > chunk {
        while at < end {
            let length =
                chunk.saturating_sub(at.checked_rem(chunk).unwrap_or(0)).min(end.saturating_sub(at)).max(1);
            let one = fitted(array, StripeRange { from: Sectors(at), length: Sectors(length) }, all);
            seen.parts.extend(one.parts);
            seen.unread.extend(one.unread);
            at = at.saturating_add(length);
        }
        return seen;
    }
    while at < end {
        let stripe = at.checked_div(chunk).unwrap_or(0);
        let within = at.checked_rem(chunk).unwrap_or(0);
        let length = chunk.saturating_sub(within).min(end.saturating_sub(at));
        let skip = bytes(at.saturating_sub(range.from.0));
        let piece = skip..skip.saturating_add(bytes(length));
        let unread = array.members.iter().zip(&blocks).enumerate().find_map(|(slot, (member, block))| {
            let why = is_bad(member, at, length).or_else(|| block.as_ref().err().map(ToString::to_string))?;
            Some((stripe, slot, why))
        });
        let here: Option<Vec<&[u8]>> = blocks
            .iter()
            .map(|block| block.as_ref().ok().and_then(|block| block.get(piece.clone())))
            .collect();
        match (unread, here, layout.row(Sectors(at).0)) {
            (None, Some(here), Some(row)) => {
                if all || syndromes.fit(&row, &here) == Some(false) {
                    let blocks = here.iter().map(|block| block.to_vec()).collect();
                    seen.parts.push(StripePart { stripe, at: Sectors(within).bytes(), blocks });
                }
            }
            (unread, ..) => seen.unread.extend(unread),
        }
        at = at.saturating_add(length.max(1));
    }
    seen
}

/// What was read of one that was lost meanwhile may be old.
pub(super) fn still_whole(machine: &Machine, array: &RawArray) -> Result<(), KernelError> {
    match machine.sysfs.array(&array.kernel).degraded()? {
        Some(0) => Ok(()),
        _ => Err(KernelError::new(array.path.clone(), "read all members", nix::errno::Errno::ENODEV)),
    }
}

pub(super) fn bytes(sectors: u64) -> usize {
    usize::try_from(Sectors(sectors).bytes().0).unwrap_or(usize::MAX)
}

/// What the log of bad blocks names is known to be of no use.
pub(super) fn is_bad(member: &RawMember, at: u64, length: u64) -> Option<String> {
    let end = at.saturating_add(length);
    let hit = |(start, length): &&(Sectors, Sectors)| start.0 < end && at < start.0.saturating_add(length.0);
    member.bad.iter().find(hit).map(|_| "its bad-block log names a place there".to_owned())
}

/// A range of one member's data.
///
/// # Errors
/// Its path leads to another device now, or it cannot be read.
pub(super) fn read(member: &RawMember, range: StripeRange) -> Result<Vec<u8>, KernelError> {
    let device = BlockDevice::open(Path::new(&member.path), Access::Read)?;
    if device.dev() != Some(member.dev) {
        return Err(KernelError::new(member.path.clone(), "find", nix::errno::Errno::ENODEV));
    }
    let mut block = vec![0; bytes(range.length.0)];
    let at: Bytes = member.data_offset.saturating_add(range.from).bytes();
    device.read_at(at, &mut block).map_err(|error| KernelError::io(device.path(), "read", &error))?;
    Ok(block)
}
