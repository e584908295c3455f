//! Arrays in the kernel, as sysfs, /proc/mdstat and udev's database tell them. Opens no device.

use crate::words::{ConsistencyPolicy, MemberState};
use std::{collections::BTreeMap, path::Path};

use superblock::{Bytes, Kib, MdUuid, Sectors};

use super::{arrays::level, map_entries, nodes::Nodes};
use crate::model::order::InOrder as _;
use crate::{
    kernel::{
        KernelError, Machine, mdstat,
        sysfs::{Array, ArrayAttr, Member, SlotText, SyncAction, SyncProgress},
        udev,
    },
    model::{
        DevId,
        status::{Activity, ArrayStatus, BitmapPlace, MemberStatus, Stage},
        world::MapEntry,
    },
};

/// Looks at the arrays of a machine, again and again where it must; what does not change is read once.
#[derive(Debug)]
pub struct StatusLook<'a> {
    machine: &'a Machine,
    nodes: Nodes,
    map: Vec<MapEntry>,
    /// By device number and kernel name: a number alone may be another device's by now.
    disks: BTreeMap<(DevId, String), Disk>,
}

/// What a disk is, apart from what is on it.
#[derive(Clone, Debug, Default)]
struct Disk {
    whole: Option<String>,
    size: Option<Bytes>,
    by_id: Option<String>,
    model: Option<String>,
    serial: Option<String>,
}

impl<'a> StatusLook<'a> {
    /// Finds out the names of devices.
    #[must_use]
    pub fn new(machine: &'a Machine) -> Self {
        let mut look = Self { machine, nodes: Nodes::default(), map: vec![], disks: BTreeMap::new() };
        look.refresh();
        look
    }

    /// Finds out the names of devices again. The map is for root alone; without it there are other names.
    pub fn refresh(&mut self) {
        self.nodes = Nodes::walk(self.machine);
        self.map = map_entries(self.machine).unwrap_or_default();
        self.disks.clear();
    }

    /// The names of block devices.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The map file.
    #[must_use]
    pub fn map(&self) -> &[MapEntry] {
        &self.map
    }

    /// Every array in the kernel that has a state and members or is started, by name. What cannot be read of one is
    /// left out of it.
    ///
    /// # Errors
    /// sysfs or /proc/mdstat could not be read at all.
    pub fn all(&mut self) -> Result<Vec<ArrayStatus>, KernelError> {
        let entries = mdstat::read(&self.machine.procfs)?;
        self.all_with(&entries)
    }

    /// The same beside a /proc/mdstat that was read already.
    pub(super) fn all_with(
        &mut self,
        entries: &[mdstat::MdstatEntry],
    ) -> Result<Vec<ArrayStatus>, KernelError> {
        let mut names = self.machine.sysfs.arrays()?;
        names.order_by_key(|name| (name.len(), name.clone()));
        let found = names.iter().filter_map(|name| self.one(name, entries));
        Ok(found.filter(|array| array.is_running() || !array.members.is_empty()).collect())
    }

    fn one(&mut self, name: &str, entries: &[mdstat::MdstatEntry]) -> Option<ArrayStatus> {
        let machine = self.machine;
        let array = machine.sysfs.array(name);
        let state = known(array.state())?;
        let id = known(array.dev())?;
        let record = udev::record(&machine.places, id);
        let properties = record.ok().flatten().unwrap_or_default().properties;
        let text = |key: &str| properties.get(key).filter(|text| !text.is_empty());
        let by_map = || self.map.iter().find(|entry| entry.devnm == name).map(|entry| entry.uuid);
        let metadata = known(array.metadata_version()).unwrap_or_default();
        let uuid = known(array.read(ArrayAttr::Uuid)).and_then(|text| kernels_uuid(&text, &metadata));
        let uuid = uuid.filter(|uuid| !uuid.is_zero()).or_else(by_map);
        let disks = known(array.raid_disks());
        let count = |n: i64| u32::try_from(n).ok();
        let mut found = ArrayStatus {
            kernel_name: name.to_owned(),
            id,
            path: self.nodes.path(id, None),
            uuid: uuid.or_else(|| text("MD_UUID")?.parse().ok()),
            name: text("MD_NAME").cloned(),
            state,
            level: known(array.level()).and_then(|text| level(&text)),
            metadata,
            layout: known(array.layout()).and_then(|n| count(n.new)).unwrap_or(0),
            chunk: Bytes(known(array.chunk_size()).and_then(|n| u64::try_from(n.new).ok()).unwrap_or(0)),
            raid_disks: disks.and_then(|n| count(n.new)).unwrap_or(0),
            raid_disks_before: disks.and_then(|n| n.old).and_then(count),
            size: known(array.size()).unwrap_or_default().bytes(),
            component_size: known(array.component_size()).filter(|size| size.0 != 0),
            consistency_policy: known(array.read(ArrayAttr::ConsistencyPolicy))
                .map(|word| ConsistencyPolicy::parse(&word))
                .filter(|policy| *policy != ConsistencyPolicy::Unknown),
            bitmap: bitmap(&array),
            journal_mode: known(array.choice(ArrayAttr::JournalMode)).and_then(|(_, chosen)| chosen),
            degraded: known(array.degraded()),
            mismatches: known(array.mismatch_count()),
            last_action: known(array.last_sync_action()),
            action: known(array.sync_action()),
            activity: activity(&array, entries.iter().find(|entry| entry.name == name)),
            reshape_position: known(array.reshape_position()).flatten(),
            holders: machine.sysfs.holders(name).unwrap_or_default(),
            members: vec![],
        };
        let members = array.members().unwrap_or_default();
        found.members = members.iter().map(|member| self.member(member)).collect();
        let rank = |member: &MemberStatus| {
            (member.slot.is_none(), member.slot, member.is(&MemberState::Replacement))
        };
        found.members.order_by_key(rank);
        Some(found)
    }

    fn member(&mut self, member: &Member<'_>) -> MemberStatus {
        let id = known(member.dev());
        let bad = known(member.bad_blocks()).unwrap_or_default();
        let slot = known(member.slot());
        // sysfs has `!` where the kernel's name has `/`.
        let kernel_name = member.name().replace('!', "/");
        let disk = id.map(|id| self.disk(id, member.name())).unwrap_or_default();
        MemberStatus {
            id,
            path: id.and_then(|id| self.nodes.path(id, None)),
            by_id: disk.by_id,
            disk: disk.whole,
            slot: if let Some(SlotText::Slot(slot)) = slot { Some(slot) } else { None },
            state: known(member.state()).unwrap_or_default(),
            errors: known(member.errors()).unwrap_or(0),
            bad_ranges: bad.len(),
            bad_sectors: bad.iter().fold(Sectors(0), |sum: Sectors, (_, length)| sum.saturating_add(*length)),
            recovered: known(member.recovery_start()).flatten(),
            size: disk.size,
            model: disk.model,
            serial: disk.serial,
            kernel_name,
        }
    }

    fn disk(&mut self, id: DevId, name: &str) -> Disk {
        let key = (id, name.to_owned());
        if let Some(disk) = self.disks.get(&key) {
            return disk.clone();
        }
        let disk = disk(self.machine, id, name);
        self.disks.insert(key, disk.clone());
        disk
    }
}

/// The UUID as users know it. The kernel prints the bytes that it has in memory, which for 0.90 are four words.
fn kernels_uuid(text: &str, metadata: &str) -> Option<MdUuid> {
    let uuid: MdUuid = text.parse().ok()?;
    Some(if metadata.starts_with("0.") { MdUuid::from_v0_memory(uuid.0) } else { uuid })
}

fn known<T>(answer: Result<Option<T>, KernelError>) -> Option<T> {
    answer.ok().flatten()
}

fn bitmap(array: &Array<'_>) -> Option<BitmapPlace> {
    let location = known(array.read(ArrayAttr::BitmapLocation)).filter(|place| place != "none")?;
    let chunk = Bytes(known(array.number(ArrayAttr::BitmapChunkSize)).unwrap_or(0));
    Some(BitmapPlace { location, chunk })
}

/// sysfs has the numbers, /proc/mdstat alone says what is pending.
fn activity(array: &Array<'_>, entry: Option<&mdstat::MdstatEntry>) -> Option<Activity> {
    let action = known(array.sync_action());
    let listed = entry.and_then(|entry| entry.activity.as_ref());
    let running = action.as_ref().and_then(SyncAction::kind);
    let kind = running.or(listed.map(|activity| activity.kind))?;
    let stage = match (known(array.sync_completed()), listed.map(|activity| activity.at)) {
        (Some(SyncProgress::At { done, total }), _) => {
            let listed = listed.and_then(|activity| activity.done);
            Stage::Running { done: newest(done, total, listed), total }
        }
        (Some(SyncProgress::Delayed), _) | (_, Some(mdstat::MdstatStage::Delayed)) => Stage::Delayed,
        (_, Some(mdstat::MdstatStage::Pending)) => Stage::Pending,
        (_, Some(mdstat::MdstatStage::Remote)) => Stage::Remote,
        (_, Some(mdstat::MdstatStage::Percent(_)) | None) => Stage::Starting,
    };
    Some(Activity { kind, stage, speed: known(array.sync_speed()).flatten() })
}

/// sysfs has the last checkpoint, which may lie a sixteenth of the array behind; /proc/mdstat counts on, in KiB.
fn newest(done: Sectors, total: Sectors, listed: Option<(Kib, Kib)>) -> Sectors {
    let same = listed.filter(|(_, of)| of.sectors() == total);
    same.map_or(done, |(listed, _)| done.max(listed.sectors()))
}

/// The disk below a member: sysfs knows most models, udev most serial numbers.
fn disk(machine: &Machine, id: DevId, name: &str) -> Disk {
    let sysfs = &machine.sysfs;
    let whole = sysfs.whole_of(name).unwrap_or_else(|| name.to_owned());
    let attr = |below: &str| {
        let text = known(sysfs.block_attr(&whole, below))?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let record = udev::record(&machine.places, id).ok().flatten().unwrap_or_default();
    let property = |keys: &[&str]| keys.iter().find_map(|key| record.properties.get(*key)).cloned();
    let of_dm = || known(sysfs.dm_name(&whole)).map(|name| format!("device-mapper {name}"));
    let ids = record.links.iter().filter(|link| link.starts_with("disk/by-id/"));
    // Made from model and serial number before those made from a world-wide number.
    let by_id = ids.min_by_key(|link| (link.contains("/wwn-") || link.contains("/nvme-eui."), link.len()));
    let size = sysfs.block(name).ok().flatten().map(|entry| entry.size.bytes());
    Disk {
        size,
        by_id: by_id.map(|link| Path::new(&machine.places.dev).join(link).display().to_string()),
        model: attr("device/model").or_else(|| property(&["ID_MODEL"])).or_else(of_dm),
        serial: property(&["ID_SCSI_SERIAL", "ID_SERIAL_SHORT"])
            .or_else(|| attr("device/serial"))
            .or_else(|| attr("serial"))
            .or_else(|| property(&["ID_SERIAL"])),
        whole: Some(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resync_is_as_far_as_the_newest_number_says() {
        let total = Sectors(129_024);
        for (done, listed, expected) in [
            (0, Some((2048, 64_512)), 4096),
            (8192, Some((2048, 64_512)), 8192),
            (8192, None, 8192),
            // Of something else.
            (8192, Some((60_000, 70_000)), 8192),
            (8192, Some((u64::MAX, u64::MAX)), 8192),
        ] {
            let listed = listed.map(|(done, total)| (Kib(done), Kib(total)));
            assert_eq!(newest(Sectors(done), total, listed), Sectors(expected), "{listed:?}");
        }
    }
}
