//! What one device is to md, for `--query`.

use std::path::Path;

use superblock::{Native, v1::FeatureMap};

use super::{
    names::whole,
    superblocks::{Format, Shown, SuperblockMissing, superblocks},
};
use crate::{
    kernel::{Access, DevId, KernelError, Machine, node, sysfs::ArrayAttr},
    model::{
        detail::{Presence, Queried, QueriedArray, QueriedMember},
        world::MapEntry,
    },
    words::ArrayState,
};

/// The major number of md's devices.
const MD: u32 = crate::words::MD_MAJOR;

/// Looks at one device.
///
/// # Errors
/// It is not there, or may not be looked at.
pub fn query(machine: &Machine, map: &[MapEntry], path: &Path) -> Result<Queried, KernelError> {
    let number = node::number_of(path)?;
    let Some(number) = number else {
        // A file that stands for a device may have a superblock.
        return Ok(queried(QueriedArray::No, member(machine, map, path, None)));
    };
    let opened = node::open_md(path, Access::Read)?;
    let described = whole(machine, number)
        .filter(|(name, _)| machine.sysfs.array(name).exists())
        .map(|(name, size)| described(machine, &name, size.bytes()));
    let array = match (described, opened.array_info()) {
        (Some(array), _) => array,
        (None, Ok(_)) => QueriedArray::Inactive,
        (None, Err(error)) if error.is(nix::errno::Errno::ENODEV) => QueriedArray::Inactive,
        (None, Err(error)) if number.major == MD => {
            QueriedArray::Unanswered(error.errno().map_or_else(String::new, |errno| errno.desc().to_owned()))
        }
        (None, Err(_)) => QueriedArray::No,
    };
    Ok(queried(array, member(machine, map, path, Some(number))))
}

fn queried(array: QueriedArray, member: Result<Member, String>) -> Queried {
    match member {
        Ok(member) => {
            let (member, doubt) = member.unzip();
            Queried { array, member, doubt: doubt.flatten(), silent: None }
        }
        Err(silent) => Queried { array, member: None, doubt: None, silent: Some(silent) },
    }
}

fn described(machine: &Machine, name: &str, size: superblock::Bytes) -> QueriedArray {
    let array = machine.sysfs.array(name);
    let Some(level) = array.level().ok().flatten() else { return QueriedArray::Inactive };
    let raid_disks = array.raid_disks().ok().flatten().and_then(|n| u32::try_from(n.new).ok()).unwrap_or(0);
    let members = array.members().unwrap_or_default();
    let spare = |state: &str| !state.contains("faulty") && !state.contains("in_sync");
    let states =
        members.iter().filter_map(|member| member.read(crate::kernel::sysfs::MemberAttr::State).ok()?);
    let spares = u32::try_from(states.filter(|state| spare(state)).count()).unwrap_or(u32::MAX);
    QueriedArray::Yes { size, level, raid_disks, spares }
}

/// What the superblock says, and what is wrong with it; `None` where there is none.
type Member = Option<(QueriedMember, Option<String>)>;

/// What the superblock says, whether the array that it names has this device, and what is wrong with it; why the device was
/// not read, where it does not answer.
fn member(machine: &Machine, map: &[MapEntry], path: &Path, dev: Option<DevId>) -> Result<Member, String> {
    let Some(text) = path.to_str() else { return Ok(None) };
    let seen = superblocks(machine, &[text.to_owned()], None).pop().map(|seen| seen.found);
    match seen {
        Some(Ok(shown)) => Ok(said(machine, map, shown, dev)),
        Some(Err(SuperblockMissing::Silent(why))) => Err(why),
        Some(Err(_)) | None => Ok(None),
    }
}

fn said(machine: &Machine, map: &[MapEntry], shown: Shown, dev: Option<DevId>) -> Member {
    let Format::Md(superblock) = shown.format else { return None };
    let (uuid, number, raid_disks, level) = match &superblock.native {
        Native::V0(sb) => {
            let shrinks = sb.reshape_position().map_or(0, |_| sb.delta_disks().min(0).unsigned_abs());
            (sb.set_uuid(), sb.this_disk().number, sb.raid_disks().saturating_add(shrinks), sb.level())
        }
        Native::V1(sb) if !sb.fits(shown.size.sectors()) => return None,
        Native::V1(sb) => {
            let reshaping = sb.feature_map().contains(FeatureMap::RESHAPE_ACTIVE);
            let shrinks = if reshaping { sb.delta_disks().min(0).unsigned_abs() } else { 0 };
            (sb.set_uuid(), sb.dev_number(), sb.raid_disks().saturating_add(shrinks), sb.level())
        }
    };
    let running = |entry: &&MapEntry| machine.sysfs.array(&entry.devnm).exists();
    let known = map.iter().filter(running).find(|entry| entry.uuid == uuid);
    let activity = known.map_or(Presence::Inactive, |entry| activity(machine, entry, number, dev));
    let path = known.map(|entry| entry.path.clone()).filter(|path| !path.is_empty());
    Some((QueriedMember { number, raid_disks, level, activity, path }, shown.doubt))
}

fn activity(machine: &Machine, entry: &MapEntry, number: u32, dev: Option<DevId>) -> Presence {
    let Ok(opened) = node::open_md(Path::new(&entry.path), Access::Read) else { return Presence::Undetected };
    let state = machine.sysfs.array(&entry.devnm).read(ArrayAttr::ArrayState).ok().flatten();
    if state.is_none_or(|state| !ArrayState::parse(&state).is_running()) {
        return Presence::Undetected;
    }
    let there = i32::try_from(number).ok().and_then(|number| opened.disk_info(number).ok()?.dev());
    if there.is_some() && there == dev { Presence::Active } else { Presence::Mismatch }
}
