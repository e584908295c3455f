//! `mdctl volume list` and `show`: one value, as text and as JSON.

mod table;
mod text;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fmt, ptr,
    sync::Arc,
};

use serde::{Serialize, Serializer};
use superblock::lvm::{Group, Kind, Leg, LogicalVolume, LvmUuid, Part};

use super::words;
use crate::model::{
    Below,
    dm::{SnapshotStatus, name, uuid},
    extents,
    volume::{FoundGroup, Groups, LeftOutCause, RefusedDevice},
};

pub use table::table;
pub use text::difference;

/// Its number grows when a key changes its meaning or goes.
const SCHEMA: &str = "mdctl.volumes.1";

/// Everything that is shown.
#[derive(Clone, Debug, Serialize)]
pub struct VolumeReport<'a> {
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
    /// A physical volume is missing.
    partial: bool,
    /// Why it can only be read.
    objections: Vec<String>,
    remarks: Vec<String>,
    devices: Vec<DeviceShown>,
}

/// A physical volume.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceShown {
    /// Its path; `None` where no device of it counts.
    path: Option<String>,
    /// Its devices, where there are several and none of them counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    duplicates: Vec<String>,
    /// Its one device, which does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
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
pub struct BesideMetadata {
    /// What lies below.
    pub below: Vec<Below>,
    /// Snapshots' state, by the device's name.
    pub snapshots: BTreeMap<String, SnapshotStatus>,
    /// Hidden things are shown.
    pub all: bool,
}

/// A volume with what is known of it.
#[derive(Clone, Copy)]
struct View<'a> {
    found: &'a FoundGroup,
    volume: &'a LogicalVolume,
    part: Part,
    is_active: bool,
    status: Option<SnapshotStatus>,
}

/// Does `each` with every volume that is wanted and visible.
fn each_volume<'a>(
    groups: &'a Groups,
    known: &BesideMetadata,
    wanted: &dyn Fn(&str, Option<&str>) -> bool,
    each: &mut dyn FnMut(View<'a>),
) {
    for found in &groups.groups {
        let group = &found.group;
        let uuids = groups.active.iter().filter_map(|one| uuid::parse(one.uuid.as_deref()?));
        let active: HashSet<&str> = uuids
            .filter(|uuid| uuid.group == group.id.plain() && uuid.layer.is_none())
            .map(|uuid| uuid.volume)
            .collect();
        for (volume, part) in group.volumes.iter().zip(group.parts()) {
            let shown = known.all || !matches!(part, Part::Row | Part::Hidden);
            if !shown || !wanted(&group.name, Some(&volume.name)) {
                continue;
            }
            let is_active = !active.is_empty() && active.contains(volume.id.plain());
            let device = DeviceName(&group.name, &volume.name);
            let status = if known.snapshots.is_empty() {
                None
            } else {
                known.snapshots.get(&device.to_string()).copied()
            };
            each(View { found, volume, part, is_active, status });
        }
    }
}

impl<'a> VolumeReport<'a> {
    /// Of everything that was found, as far as `wanted` says so of a group and a volume.
    #[must_use]
    pub fn new(
        groups: &'a Groups,
        known: &BesideMetadata,
        wanted: &dyn Fn(&str, Option<&str>) -> bool,
    ) -> Self {
        let chosen = groups.groups.iter().filter(|found| {
            let name = &found.group.name;
            wanted(name, None) || found.group.volumes.iter().any(|volume| wanted(name, Some(&volume.name)))
        });
        let mut volumes = Vec::new();
        each_volume(groups, known, wanted, &mut |view| volumes.push(view.volume_shown()));
        let refused = groups
            .refused
            .iter()
            .chain(groups.held())
            .map(|one| RefusedShown { path: one.path.clone(), reason: one.cause.to_string() });
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

fn group_shown(found: &FoundGroup, known: &BesideMetadata) -> GroupShown {
    let group = &found.group;
    let free = group.free();
    let sum =
        |runs: &Vec<std::ops::Range<u64>>| runs.iter().map(|run| run.end.saturating_sub(run.start)).sum();
    let bytes = |extents: u64| group.sectors(extents).bytes().0;
    let devices = group.pvs.iter().zip(&found.devices).zip(&free).enumerate();
    let devices = devices.map(|(index, ((pv, device), free))| {
        let duplicates = found.copies(index).to_vec();
        let left_out = found.absent.get(&index).filter(|_| duplicates.is_empty());
        let below =
            device.as_ref().and_then(|device| known.below.iter().find(|below| below.dev == device.dev));
        DeviceShown {
            path: device.as_ref().map(|device| device.path.clone()),
            duplicates,
            left_out: left_out.map(|refused| refused.path.clone()),
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
        partial: !found.gone().is_empty(),
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
        array_state: array.state.to_string(),
        raid_devices: array.slots,
        degraded_devices: array.degraded,
        sync_action: array.action.as_ref().map(ToString::to_string),
        members: array.members.clone(),
    })
}

impl<'a> View<'a> {
    /// The row and the origin of a snapshot.
    fn snapshot(&self) -> Option<(&'a LogicalVolume, &'a LogicalVolume)> {
        let Part::Cow { row, origin } = self.part else { return None };
        let volumes = &self.found.group.volumes;
        volumes.get(row).zip(volumes.get(origin))
    }

    /// The one segment with the one leg that most volumes are.
    fn only_leg(&self) -> Option<(&'a superblock::lvm::Segment, Leg)> {
        let [segment] = self.volume.segments.as_slice() else { return None };
        match &segment.kind {
            Kind::Striped { legs, .. } if legs.len() == 1 => Some((segment, *legs.first()?)),
            _ => None,
        }
    }

    /// Whether it certainly differs from another one in its name, its identity, its age and its place on the device alone.
    fn is_like(&self, other: &Self) -> bool {
        let plain = |view: &Self| matches!(view.part, Part::Plain) && view.status.is_none();
        ptr::eq(self.found, other.found)
            && Arc::ptr_eq(&self.volume.common, &other.volume.common)
            && plain(self)
            && plain(other)
            && self.is_active == other.is_active
            && self
                .only_leg()
                .zip(other.only_leg())
                .is_some_and(|((one, leg), (other, its))| one.len == other.len && leg.pv == its.pv)
    }

    fn kind(&self) -> &'a str {
        let merging =
            |segment: &superblock::lvm::Segment| matches!(segment.kind, Kind::Snapshot { merging: true, .. });
        match self.snapshot() {
            // One that overflowed is not put back.
            Some(_) if self.status == Some(SnapshotStatus::Invalid) => "snapshot",
            Some((row, _)) if row.segments.iter().any(merging) => "merging",
            Some(_) => "snapshot",
            None => kind_of(self.volume),
        }
    }

    fn state(&self) -> &'static str {
        match (self.is_active, self.status) {
            (true, Some(SnapshotStatus::Invalid | SnapshotStatus::MergeFailed)) => "invalid",
            (true, Some(SnapshotStatus::Overflow)) => "full",
            (true, _) => "active",
            (false, _) => "inactive",
        }
    }

    fn size_bytes(&self) -> u64 {
        self.found.group.sectors(self.volume.extents()).bytes().0
    }

    fn is_hidden(&self) -> bool {
        matches!(self.part, Part::Row | Part::Hidden)
    }

    fn snapshots(&self) -> u64 {
        match self.part {
            Part::Origin { snapshots, .. } => u64::try_from(snapshots).unwrap_or(0),
            _ => 0,
        }
    }

    fn origin(&self) -> Option<&'a str> {
        self.snapshot().map(|(_, origin)| origin.name.as_str())
    }

    fn path(&self) -> DevPath<'a> {
        DevPath(&self.found.group.name, &self.volume.name)
    }

    fn device(&self) -> DeviceName<'a> {
        DeviceName(&self.found.group.name, &self.volume.name)
    }

    fn volume_shown(&self) -> VolumeShown<'a> {
        VolumeShown {
            group: &self.found.group.name,
            volume: &self.volume.name,
            uuid: self.volume.id,
            kind: self.kind(),
            size_bytes: self.size_bytes(),
            used_percent: self.status.and_then(used),
            state: self.state(),
            read_only: !self.volume.is_writable(),
            hidden: self.is_hidden(),
            snapshots: self.snapshots(),
            origin: self.origin(),
            on: on(self.found, self.volume),
            path: self.path(),
            device: self.device(),
            tags: &self.volume.tags,
            segments: self.volume.segments.iter().map(|segment| segment_shown(self.found, segment)).collect(),
        }
    }
}

/// `linear`, `linear, 2 snapshots`.
fn kind_words(kind: &str, snapshots: u64) -> Cow<'_, str> {
    match snapshots {
        0 => Cow::Borrowed(kind),
        some => Cow::Owned(format!("{kind}, {some} snapshot{}", words::plural(some))),
    }
}

/// `active`, `active, read-only`.
fn state_words(state: &'static str, read_only: bool) -> Cow<'static, str> {
    if read_only { Cow::Owned(format!("{state}, read-only")) } else { Cow::Borrowed(state) }
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
        Kind::OnMove { .. } | Kind::Move { .. } => "pvmove",
        Kind::Other { kind } => kind,
    }
}

fn pv_name(found: &FoundGroup, index: usize) -> &str {
    match (found.devices.get(index), found.absent.get(&index)) {
        (Some(Some(device)), _) => &device.path,
        (_, Some(RefusedDevice { cause: LeftOutCause::Twice { .. }, .. })) => "duplicate",
        (_, Some(_)) => "left out",
        (_, None) => "missing",
    }
}

fn on<'a>(found: &'a FoundGroup, volume: &LogicalVolume) -> Vec<&'a str> {
    let mut on: Vec<usize> = Vec::new();
    for segment in &volume.segments {
        on.extend(segment.legs().iter().map(|leg| leg.pv));
        if let Kind::OnMove { volume, .. } = &segment.kind {
            let moved = found.group.volume(volume).into_iter().flat_map(|volume| &volume.segments);
            on.extend(moved.flat_map(|segment| segment.legs()).map(|leg| leg.pv));
        }
    }
    on.sort_unstable();
    on.dedup();
    on.into_iter().map(|index| pv_name(found, index)).collect()
}

fn segment_shown<'a>(found: &'a FoundGroup, segment: &'a superblock::lvm::Segment) -> SegmentShown<'a> {
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
            Kind::Striped { .. } | Kind::OnMove { .. } | Kind::Move { .. } => {
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
