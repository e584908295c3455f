//! An array whose members are about to change, and the devices that the words of the command name.

use std::path::Path;

use superblock::{Bytes, Media, Native, Role, Sectors, bitmap, probe};

use super::{Absent, DetailLook, Nodes, archive::written_over, devices::look_to_write};
use crate::{
    kernel::{self, Access, BlockDevice, ErrorCause, KernelError, Machine, node, sysfs::MemberAttr},
    model::manage::Depth,
    model::{
        Candidate,
        detail::ArrayDetail,
        manage::{Link, ManageSubject, Managed, Unknown},
    },
};

/// The array behind a path.
///
/// # Errors
/// Why there is none.
pub fn managed(machine: &Machine, path: &str) -> Result<Managed, Absent> {
    let nodes = Nodes::walk(machine);
    let detail = DetailLook { machine, nodes: &nodes, map: None, prefer: None }.at(path)?;
    let array = machine.sysfs.array(&detail.kernel_name);
    let links = array.members().unwrap_or_default().into_iter().map(|member| Link {
        name: member.name().to_owned(),
        dev: member.dev().ok().flatten(),
        slot: member.read(MemberAttr::Slot).ok().flatten().and_then(|slot| slot.trim().parse().ok()),
        states: member.state().ok().flatten().unwrap_or_default(),
        data_offset: member.data_offset().ok().flatten().unwrap_or_default(),
        bad: bad_blocks(&member),
    });
    let links = links.collect();
    let queue = format!("block/{}/queue/logical_block_size", detail.kernel_name);
    let logical_block = machine.sysfs.value(queue, |text| text.parse().ok()).ok().flatten().unwrap_or(512);
    let (bitmap, bits) = array_bitmap(&nodes, &detail);
    Ok(Managed {
        links,
        sync_action: array.sync_action().ok().flatten(),
        resync_at: array.resync_start().ok().flatten().flatten(),
        slots_before: array.raid_disks().ok().flatten().and_then(|n| u32::try_from(n.old?).ok()),
        logical_block,
        bitmap,
        bits,
        frozen: false,
        detail,
    })
}

/// The kernel's list, and what it has not written down yet.
fn bad_blocks(member: &kernel::sysfs::Member<'_>) -> Vec<(Sectors, Sectors)> {
    let lists = [member.bad_blocks(), member.unacknowledged_bad_blocks()];
    let mut all: Vec<_> = lists.into_iter().filter_map(|list| list.ok().flatten()).flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The bitmap as the first member in sync has it.
fn array_bitmap(nodes: &Nodes, detail: &ArrayDetail) -> (Option<bitmap::Superblock>, bitmap::Count) {
    let nothing = (None, bitmap::Count::default());
    if !detail.flags.bitmap {
        return nothing;
    }
    let Some(superblock) = &detail.superblock else { return nothing };
    let whole = detail.members.iter().filter(|m| m.state.sync && !m.state.faulty);
    let mut found = whole.filter_map(|member| {
        let path = nodes.path(member.dev, None)?;
        let device = BlockDevice::open(Path::new(&path), Access::Read).ok()?;
        let at = match &superblock.native {
            Native::V0(_) => superblock::v0::place(Media::len(&device))?.saturating_add(Sectors(8)),
            Native::V1(sb) => {
                superblock::v1::read(&device, sb.minor()).ok()??.despite_checksum().bitmap_at()?
            }
        };
        read_bitmap(&device, at)
    });
    found.next().map_or(nothing, |(bitmap, bits)| (Some(bitmap), bits))
}

fn read_bitmap(media: &dyn Media, at: Sectors) -> Option<(bitmap::Superblock, bitmap::Count)> {
    let found = bitmap::load(media, at).ok()?;
    if found.magic() != bitmap::MAGIC {
        return None;
    }
    let bits = bitmap::count(media, at, &found, Bytes(u64::MAX)).ok()?;
    Some((found, bits))
}

/// The device that a path names.
#[must_use]
pub fn subject(machine: &Machine, path: &str, depth: Depth) -> ManageSubject {
    let number = match node::number_of(Path::new(path)) {
        Ok(Some(number)) => number,
        Ok(None) => return ManageSubject { unknown: Some(Unknown::NotBlock), ..ManageSubject::default() },
        Err(error) => {
            return ManageSubject {
                unknown: Some(Unknown::NoFile(words(&error))),
                ..ManageSubject::default()
            };
        }
    };
    let dev = Some(number);
    if depth == Depth::Number {
        return ManageSubject { dev, ..ManageSubject::default() };
    }
    let seen = look_to_write(machine, &[path.to_owned()]).into_iter().next();
    let (bitmap, bits) = seen.as_ref().and_then(own_bitmap).unzip();
    let log = if seen.as_ref().is_some_and(leaves_open) { super::kernel_log(machine) } else { Vec::new() };
    let written_over =
        seen.as_ref().filter(|seen| has_slot(seen)).and_then(|seen| written_over(machine, &seen.path));
    ManageSubject { dev, seen, log, bits, bitmap, written_over, ..ManageSubject::default() }
}

/// Whether it was a member in a slot: only such a one can come back as what it was.
fn has_slot(seen: &Candidate) -> bool {
    let in_slot = |found: &probe::Found| matches!(found.fields().membership().role, Role::Slot { .. });
    seen.found.as_ref().is_ok_and(|device| device.probe.found.iter().any(in_slot))
}

/// Whether its metadata says that nothing is in sync, or that the array was being written to: the log knows which.
fn leaves_open(seen: &Candidate) -> bool {
    seen.found.as_ref().is_ok_and(|device| {
        device.probe.found.iter().any(|found| found.fields().resync_offset() == Some(Sectors(0)))
    })
}

/// The bitmap beside the superblock that was found.
fn own_bitmap(seen: &Candidate) -> Option<(bitmap::Superblock, bitmap::Count)> {
    let device = seen.found.as_ref().ok()?;
    let at = device.probe.found.iter().find_map(|found| found.fields().bitmap_at())?;
    let opened = BlockDevice::open(Path::new(&seen.path), Access::Read).ok()?;
    read_bitmap(&opened, at)
}

fn words(error: &KernelError) -> String {
    match &error.cause {
        ErrorCause::Errno(errno) => errno.desc().to_owned(),
        other => other.to_string(),
    }
}
