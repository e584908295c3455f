//! `mdctl volume list` and `show`: one value, as text and as JSON.

mod text;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::{Serialize, Serializer};
use superblock::lvm::{Group, Kind, LogicalVolume, LvmUuid, Part};

use crate::model::{
    Below,
    dm::{Listed, SnapshotStatus, name, uuid},
    extents,
    volume::{Found, Groups},
};

pub use text::{COLUMNS, difference, table};

/// Its number grows when a key changes its meaning or goes.
const SCHEMA: &str = "mdctl.volumes.1";

/// Everything that is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Report<'a> {
    schema: &'static str,
    groups: Vec<GroupShown>,
    volumes: Vec<VolumeShown<'a>>,
    /// Devices that look like physical volumes and are left out.
    refused: Vec<RefusedShown>,
}

/// A group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupShown {
    name: String,
    uuid: String,
    changes: u32,
    size_bytes: u64,
    free_bytes: u64,
    extent_bytes: u64,
    /// Of the room that a metadata area has for one text.
    metadata_used_percent: u64,
    tags: Vec<String>,
    /// Why it can only be read.
    objections: Vec<String>,
    remarks: Vec<String>,
    devices: Vec<DeviceShown>,
}

/// A physical volume.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceShown {
    /// Its path; `None` where it is missing.
    path: Option<String>,
    /// Where it was seen last.
    last_path: String,
    uuid: String,
    size_bytes: u64,
    free_bytes: u64,
    extents: u64,
    data_start_bytes: u64,
    full_stripe_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    array: Option<ArrayShown>,
}

/// An array below.
#[derive(Clone, Debug, Serialize)]
pub struct ArrayShown {
    kernel_name: String,
    level: String,
    array_state: String,
    raid_devices: u64,
    degraded_devices: u64,
    sync_action: Option<String>,
    members: Vec<String>,
}

/// A volume. There may be ten thousand, so it borrows what it shows.
#[derive(Clone, Debug, Serialize)]
pub struct VolumeShown<'a> {
    group: &'a str,
    volume: &'a str,
    #[serde(serialize_with = "printed")]
    uuid: LvmUuid,
    /// `linear`, `striped`, `mixed`, `snapshot`, `merging`, or what only lvm makes.
    kind: &'a str,
    size_bytes: u64,
    /// Of a snapshot's store.
    used_percent: Option<f64>,
    /// `active`, `inactive`, `invalid`, `full`, `suspended`.
    state: &'static str,
    read_only: bool,
    /// It has no name to the user.
    hidden: bool,
    snapshots: u64,
    origin: Option<&'a str>,
    on: Vec<&'a str>,
    #[serde(serialize_with = "printed")]
    path: DevPath<'a>,
    #[serde(serialize_with = "printed")]
    device: DeviceName<'a>,
    tags: &'a [String],
    segments: Vec<SegmentShown<'a>>,
}

/// `/dev/GROUP/VOLUME`.
#[derive(Clone, Copy, Debug)]
struct DevPath<'a>(&'a str, &'a str);

impl fmt::Display for DevPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/dev/{}/{}", self.0, self.1)
    }
}

/// The name of a volume's device.
#[derive(Clone, Copy, Debug)]
struct DeviceName<'a>(&'a str, &'a str);

impl fmt::Display for DeviceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name::join(self.0, self.1, None))
    }
}

fn printed<S: Serializer>(value: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// A part of a volume.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentShown<'a> {
    start_extent: u64,
    extents: u64,
    kind: &'a str,
    stripe_bytes: Option<u64>,
    legs: Vec<LegShown<'a>>,
}

/// One device's share of it.
#[derive(Clone, Debug, Serialize)]
pub struct LegShown<'a> {
    device: &'a str,
    first_extent: u64,
    last_extent: u64,
}

/// A device that is left out.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedShown {
    path: String,
    reason: String,
}

/// What is known beside the metadata.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What lies below.
    pub below: Vec<Below>,
    /// Snapshots' state, by the device's name.
    pub snapshots: BTreeMap<String, SnapshotStatus>,
    /// Hidden things are shown.
    pub all: bool,
    /// Where each volume's extents are is not asked for.
    pub brief: bool,
}

/// Does `each` with every volume that is wanted and visible.
fn each_volume<'a>(
    groups: &'a Groups,
    known: &Known,
    wanted: &dyn Fn(&str, Option<&str>) -> bool,
    each: &mut dyn FnMut(VolumeShown<'a>),
) {
    let active: HashMap<&str, &Listed> =
        groups.active.iter().filter_map(|one| Some((one.uuid.as_deref()?, one))).collect();
    for found in &groups.groups {
        let parts = found.group.parts();
        for (volume, part) in found.group.volumes.iter().zip(parts) {
            let shown = known.all || !matches!(part, Part::Row | Part::Hidden);
            if shown && wanted(&found.group.name, Some(&volume.name)) {
                each(volume_shown(found, volume, part, known, &active));
            }
        }
    }
}

impl<'a> Report<'a> {
    /// Of everything that was found, as far as `wanted` says so of a group and a volume.
    #[must_use]
    pub fn new(groups: &'a Groups, known: &Known, wanted: &dyn Fn(&str, Option<&str>) -> bool) -> Self {
        let chosen = groups.groups.iter().filter(|found| {
            let name = &found.group.name;
            wanted(name, None) || found.group.volumes.iter().any(|volume| wanted(name, Some(&volume.name)))
        });
        let mut volumes = Vec::new();
        each_volume(groups, known, wanted, &mut |volume| volumes.push(volume));
        let refused =
            groups.refused.iter().map(|one| RefusedShown { path: one.path.clone(), reason: one.why.clone() });
        Self {
            schema: SCHEMA,
            groups: chosen.map(|found| group_shown(found, known)).collect(),
            volumes,
            refused: refused.collect(),
        }
    }

    /// The document, with its line end.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

fn group_shown(found: &Found, known: &Known) -> GroupShown {
    let group = &found.group;
    let free = group.free();
    let sum =
        |runs: &Vec<std::ops::Range<u64>>| runs.iter().map(|run| run.end.saturating_sub(run.start)).sum();
    let bytes = |extents: u64| group.sectors(extents).bytes().0;
    let devices = group.pvs.iter().zip(&found.devices).zip(&free).map(|((pv, device), free)| {
        let below =
            device.as_ref().and_then(|device| known.below.iter().find(|below| below.dev == device.dev));
        DeviceShown {
            path: device.as_ref().map(|device| device.path.clone()),
            last_path: pv.device.clone(),
            uuid: pv.id.to_string(),
            size_bytes: bytes(pv.pe_count),
            free_bytes: bytes(sum(free)),
            extents: pv.pe_count,
            data_start_bytes: pv.pe_start.bytes().0,
            full_stripe_bytes: below.map(|below| below.stripe.bytes().0).filter(|stripe| *stripe > 0),
            array: below.and_then(array_shown),
        }
    });
    let limit = found.areas().map(|(_, area)| area.limit()).min().unwrap_or(0);
    let used = u64::try_from(found.text.len()).unwrap_or(u64::MAX).saturating_mul(100);
    GroupShown {
        name: group.name.clone(),
        uuid: group.id.to_string(),
        changes: group.seqno,
        size_bytes: bytes(group.pvs.iter().map(|pv| pv.pe_count).sum()),
        free_bytes: bytes(free.iter().map(sum).sum()),
        extent_bytes: group.extent_size.bytes().0,
        metadata_used_percent: used.checked_div(limit).unwrap_or(100),
        tags: group.tags.clone(),
        objections: found.objections.clone(),
        remarks: found.remarks.clone(),
        devices: devices.collect(),
    }
}

fn array_shown(below: &Below) -> Option<ArrayShown> {
    let array = below.array.as_ref()?;
    Some(ArrayShown {
        kernel_name: below.kernel_name.clone(),
        level: array.level.clone(),
        array_state: array.state.clone(),
        raid_devices: array.slots,
        degraded_devices: array.degraded,
        sync_action: array.action.clone(),
        members: array.members.clone(),
    })
}

fn volume_shown<'a>(
    found: &'a Found,
    volume: &'a LogicalVolume,
    part: Part,
    known: &Known,
    active: &HashMap<&str, &Listed>,
) -> VolumeShown<'a> {
    let group = &found.group;
    let is_active = !active.is_empty()
        && active.contains_key(uuid::lvm(group.id.plain(), volume.id.plain(), None).as_str());
    let device = DeviceName(&group.name, &volume.name);
    let snapshot = match part {
        Part::Cow { row, origin } => group.volumes.get(row).zip(group.volumes.get(origin)),
        _ => None,
    };
    let status = if known.snapshots.is_empty() { None } else { known.snapshots.get(&device.to_string()) };
    let merging = snapshot.is_some_and(|(row, _)| {
        row.segments.iter().any(|segment| matches!(segment.kind, Kind::Snapshot { merging: true, .. }))
    });
    let kind = match (snapshot, merging) {
        (Some(_), true) => "merging",
        (Some(_), false) => "snapshot",
        (None, _) => kind_of(volume),
    };
    let state = match (is_active, status) {
        (true, Some(SnapshotStatus::Invalid | SnapshotStatus::MergeFailed)) => "invalid",
        (true, Some(SnapshotStatus::Overflow)) => "full",
        (true, _) => "active",
        (false, _) => "inactive",
    };
    VolumeShown {
        group: &group.name,
        volume: &volume.name,
        uuid: volume.id,
        kind,
        size_bytes: group.sectors(volume.extents()).bytes().0,
        used_percent: status.copied().and_then(used),
        state,
        read_only: !volume.is_writable(),
        hidden: matches!(part, Part::Row | Part::Hidden),
        snapshots: match part {
            Part::Origin { snapshots, .. } => u64::try_from(snapshots).unwrap_or(0),
            _ => 0,
        },
        origin: snapshot.map(|(_, origin)| origin.name.as_str()),
        on: on(found, volume),
        path: DevPath(&group.name, &volume.name),
        device,
        tags: &volume.tags,
        segments: if known.brief {
            Vec::new()
        } else {
            volume.segments.iter().map(|segment| segment_shown(found, segment)).collect()
        },
    }
}

/// A percentage with one decimal.
fn used(status: SnapshotStatus) -> Option<f64> {
    let SnapshotStatus::Usage { allocated, total, .. } = status else { return None };
    let tenths = allocated.0.saturating_mul(1000).checked_div(total.0)?;
    Some(f64::from(u32::try_from(tenths).ok()?) / 10.0)
}

fn kind_of(volume: &LogicalVolume) -> &str {
    let mut kinds = volume.segments.iter().map(|segment| segment_kind(&segment.kind));
    match kinds.next() {
        None => "empty",
        Some(first) if kinds.all(|kind| kind == first) => first,
        Some(_) => "mixed",
    }
}

fn segment_kind(kind: &Kind) -> &str {
    match kind {
        Kind::Striped { legs, .. } if legs.len() == 1 => "linear",
        Kind::Striped { .. } => "striped",
        Kind::Snapshot { .. } => "snapshot",
        Kind::Other { kind } => kind,
    }
}

fn pv_name(found: &Found, index: usize) -> &str {
    match found.devices.get(index) {
        Some(Some(device)) => &device.path,
        _ => "missing",
    }
}

fn on<'a>(found: &'a Found, volume: &LogicalVolume) -> Vec<&'a str> {
    let mut on: Vec<usize> = Vec::new();
    for segment in &volume.segments {
        if let Kind::Striped { legs, .. } = &segment.kind {
            on.extend(legs.iter().map(|leg| leg.pv));
        }
    }
    on.sort_unstable();
    on.dedup();
    on.into_iter().map(|index| pv_name(found, index)).collect()
}

fn segment_shown<'a>(found: &'a Found, segment: &'a superblock::lvm::Segment) -> SegmentShown<'a> {
    let leg =
        |(pv, first_extent, last_extent)| LegShown { device: pv_name(found, pv), first_extent, last_extent };
    let stripe_bytes = match &segment.kind {
        Kind::Striped { stripe_size, legs } if legs.len() > 1 => Some(stripe_size.bytes().0),
        _ => None,
    };
    SegmentShown {
        start_extent: segment.start,
        extents: segment.len,
        kind: segment_kind(&segment.kind),
        stripe_bytes,
        legs: extents::on_devices(segment).into_iter().map(leg).collect(),
    }
}

/// What a group has, a line a thing, by its name: what two states of it are compared by.
fn lines(group: &Group) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let about = format!("group {}: change {}", group.name, group.seqno);
    lines.insert(String::new(), about);
    for pv in &group.pvs {
        let line = format!("device {} ({}): {} extents", pv.device, pv.id, pv.pe_count);
        lines.insert(format!("0 {}", pv.id), line);
    }
    for volume in &group.volumes {
        let part = |segment: &superblock::lvm::Segment| match &segment.kind {
            Kind::Snapshot { origin, cow, merging, .. } => {
                format!(
                    "{cow} is a snapshot of {origin}{}",
                    if *merging { ", going back into it" } else { "" }
                )
            }
            Kind::Other { kind } => kind.clone(),
            Kind::Striped { .. } => {
                let legs = extents::on_devices(segment).into_iter().map(|(pv, first, last)| {
                    let device = group.pvs.get(pv).map_or("?", |pv| pv.device.as_str());
                    format!("{device}:{first}-{last}")
                });
                legs.collect::<Vec<_>>().join(" + ")
            }
        };
        let parts: Vec<String> = volume.segments.iter().map(part).collect();
        let mode = if volume.is_writable() { "" } else { ", read-only" };
        let line =
            format!("volume {}: {} extents{mode}: {}", volume.name, volume.extents(), parts.join(", "));
        lines.insert(format!("1 {} {}", volume.name, volume.id), line);
    }
    lines
}
