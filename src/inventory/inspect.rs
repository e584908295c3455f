//! Everything of a group read once more, piece by piece: labels, each area's own text, the stores of snapshots. Nothing is
//! taken for granted because another device has it, too.

use std::{collections::HashMap, io, path::Path};

use superblock::{
    Bytes, Media, cow,
    lvm::{Group, Kind, Label, LogicalVolume, LvmUuid, area, label},
};

use crate::{
    kernel::{Access, BlockDevice},
    model::{
        human::counted,
        volume::{Checked, FoundGroup, PvDevice},
    },
};

/// Reads a group's devices again.
#[must_use]
pub fn group(found: &FoundGroup) -> Checked {
    let group = &found.group;
    let mut checked = Checked {
        subject: format!("group {}", group.name),
        facts: vec![format!(
            "change {}, {}, {}, {} extents of {} sectors free",
            group.seqno,
            counted(group.pvs.len(), "physical volume"),
            counted(group.volumes.iter().filter(|volume| !volume.is_row()).count(), "volume"),
            group.free_extents(),
            group.extent_size.0
        )],
        problems: group.problems(),
        remarks: found.remarks.clone(),
        read_only: found.objections.clone(),
    };
    checked.absences(found);
    for (_, pv) in found.present() {
        device(pv, Some(group), &mut checked);
    }
    checked.remarks.extend(found.misaligned());
    stores(found, &mut checked);
    checked.say_once();
    checked
}

/// Reads a device that belongs to no group.
#[must_use]
pub fn lone(pv: &PvDevice) -> Checked {
    let mut checked = Checked { subject: pv.path.clone(), ..Checked::default() };
    device(pv, None, &mut checked);
    if pv.label.in_use() == Some(true) {
        checked.remarks.push(format!(
            "{}: its label says that a group has it, and no group was found that does",
            pv.path
        ));
    }
    checked
}

/// A device with what is left of a label of a physical volume, and the group that has that.
#[must_use]
pub fn damaged(path: &str, of: &dyn Fn(LvmUuid) -> Option<String>) -> Option<Checked> {
    let device = BlockDevice::open(Path::new(path), Access::Read).ok()?;
    if !matches!(label::read(&device), Ok(None) | Err(_)) {
        return None;
    }
    let id = label::remains(&device)?;
    let restores = of(id).map_or_else(
        || "no group is known that has it".to_owned(),
        |group| format!("`mdctl volume restore {group}` writes it again"),
    );
    let problems = vec![format!("{path}: the label of physical volume {id} is damaged; {restores}")];
    Some(Checked { subject: path.to_owned(), problems, ..Checked::default() })
}

fn device(pv: &PvDevice, group: Option<&Group>, checked: &mut Checked) {
    let path = &pv.path;
    let device = match BlockDevice::open(Path::new(path), Access::Read) {
        Ok(device) => device,
        Err(error) => return checked.problems.push(error.to_string()),
    };
    let label = match label::read(&device) {
        Ok(Some(label)) => label,
        Ok(None) => return checked.problems.push(format!("{path}: has no label any more")),
        Err(damage) => return checked.problems.push(format!("{path}: {damage}")),
    };
    checked.facts.push(format!("{path}: physical volume {}, label in sector {}", label.id, label.sector));
    if label.in_use() == Some(false) && group.is_some() {
        checked.remarks.push(format!("{path}: its label says that no group has it"));
    }
    if label.size != device.len() {
        let (said, is) = (label.size.0, device.len().0);
        checked.remarks.push(format!("{path}: its label says {said} bytes, the device has {is}"));
    }
    areas(path, &label, &device, group, checked);
}

fn areas(path: &str, label: &Label, device: &BlockDevice, group: Option<&Group>, checked: &mut Checked) {
    for place in &label.metadata {
        let at = place.start.0;
        let area = match area::read(device, *place) {
            Ok(area) => area,
            Err(damage) => {
                checked.problems.push(format!("{path}: {damage}"));
                continue;
            }
        };
        if area.precommitted.is_some() {
            checked.remarks.push(format!(
                "{path}: a change was begun in the area at byte {at} and not finished; the next change takes its place"
            ));
        }
        let Some(slot) = area.committed else {
            checked
                .facts
                .push(format!("{path}: metadata area at byte {at}, {} bytes, empty", area.place.size.0));
            continue;
        };
        let percent = slot.size.saturating_mul(100).checked_div(area.limit()).unwrap_or(0);
        let text = match area::text(device, &area, slot) {
            Ok(text) => text,
            Err(damage) => {
                checked.problems.push(format!("{path}: {damage}"));
                continue;
            }
        };
        match Group::parse(&text) {
            Ok(held) => {
                checked.facts.push(format!(
                    "{path}: metadata area at byte {at}, {} bytes, {percent} % full, change {} of {}",
                    area.place.size.0, held.seqno, held.name
                ));
                if percent >= 70 {
                    checked.remarks.push(format!(
                        "{path}: the metadata area is {percent} % full and cannot be enlarged"
                    ));
                }
                let newest = group.is_none_or(|group| (group.id, group.seqno) == (held.id, held.seqno));
                if !newest {
                    checked.remarks.push(format!(
                        "{path}: the area at byte {at} has an older state; the next change puts it right"
                    ));
                }
            }
            Err(bad) => checked.problems.push(format!("{path}: metadata area at byte {at}: {bad}")),
        }
    }
}

/// The bytes of a volume, read from the devices that it lies on.
struct Bottom<'a> {
    found: &'a FoundGroup,
    volume: &'a LogicalVolume,
    devices: HashMap<usize, BlockDevice>,
}

impl<'a> Bottom<'a> {
    fn open(found: &'a FoundGroup, volume: &'a LogicalVolume) -> Option<Self> {
        let mut devices = HashMap::new();
        for segment in &volume.segments {
            let Kind::Striped { legs, .. } = &segment.kind else { return None };
            for leg in legs {
                let path = &found.devices.get(leg.pv)?.as_ref()?.path;
                if let std::collections::hash_map::Entry::Vacant(none) = devices.entry(leg.pv) {
                    none.insert(BlockDevice::open(Path::new(path), Access::Read).ok()?);
                }
            }
        }
        Some(Self { found, volume, devices })
    }

    /// The device and offset of a byte, and how far it goes on there.
    fn place(&self, at: u64) -> Option<(&BlockDevice, u64, u64)> {
        let extent = self.found.group.extent_size.bytes().0;
        let number = at.checked_div(extent)?;
        let segment =
            self.volume.segments.iter().find(|segment| segment.start <= number && number < segment.end())?;
        let Kind::Striped { stripe_size, legs } = &segment.kind else { return None };
        let inside = at.checked_sub(segment.start.checked_mul(extent)?)?;
        let count = u64::try_from(legs.len()).ok()?;
        let (leg, offset, left) = if count == 1 {
            (0, inside, segment.len.checked_mul(extent)?.checked_sub(inside)?)
        } else {
            let stripe = stripe_size.bytes().0;
            let (row, within) = (inside.checked_div(stripe)?, inside.checked_rem(stripe)?);
            let offset = row.checked_div(count)?.checked_mul(stripe)?.checked_add(within)?;
            (row.checked_rem(count)?, offset, stripe.checked_sub(within)?)
        };
        let leg = legs.get(usize::try_from(leg).ok()?)?;
        let first = self.found.group.pvs.get(leg.pv)?.pe_start.bytes().0;
        let at = first.checked_add(leg.extent.checked_mul(extent)?)?.checked_add(offset)?;
        Some((self.devices.get(&leg.pv)?, at, left))
    }
}

impl Media for Bottom<'_> {
    fn len(&self) -> Bytes {
        self.found.group.sectors(self.volume.extents()).bytes()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let mut at = offset.0;
        let mut rest = buf;
        while !rest.is_empty() {
            let (device, from, left) = self.place(at).ok_or(io::ErrorKind::UnexpectedEof)?;
            let len = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(len);
            device.read_at(Bytes(from), now)?;
            at = at.saturating_add(u64::try_from(len).unwrap_or(0));
            rest = later;
        }
        Ok(())
    }
}

fn stores(found: &FoundGroup, checked: &mut Checked) {
    for snapshot in found.group.snapshots() {
        let name = snapshot.cow;
        let Some(volume) = found.group.volume(name) else { continue };
        let origin = found.group.sectors(snapshot.row.extents());
        let Some(media) = Bottom::open(found, volume) else {
            checked.remarks.push(format!("snapshot {name}: a device of its store is not there"));
            continue;
        };
        let store = match cow::start(&media) {
            Ok(cow::Start::Store(store)) => store,
            Ok(cow::Start::Fresh) => {
                checked.facts.push(format!("snapshot {name}: its store is new and empty"));
                continue;
            }
            Ok(cow::Start::Foreign) => {
                checked.problems.push(format!("snapshot {name}: its store has something else in it"));
                continue;
            }
            Err(damage) => {
                checked.problems.push(format!("snapshot {name}: {damage}"));
                continue;
            }
        };
        if !store.is_valid() {
            checked.problems.push(format!("snapshot {name}: it was full and is invalid; remove it"));
        }
        if store.chunk() != snapshot.chunk {
            let (has, said) = (store.chunk().0, snapshot.chunk.0);
            checked.problems.push(format!(
                "snapshot {name}: its store has chunks of {has} sectors, the group says {said}"
            ));
        }
        match cow::scan(&media, &store, Some(origin)) {
            Ok(scan) => {
                let (used, total) = (scan.usage.allocated.0, scan.usage.total.0);
                let percent = used.saturating_mul(100).checked_div(total).unwrap_or(0);
                checked
                    .facts
                    .push(format!("snapshot {name}: {} exceptions, {percent} % of its store", scan.entries));
                if scan.findings.total > 0 {
                    checked.problems.push(format!(
                        "snapshot {name}: {} entries of its store contradict each other",
                        scan.findings.total
                    ));
                }
            }
            Err(damage) => checked.problems.push(format!("snapshot {name}: {damage}")),
        }
    }
}
