//! `--detail`: what an array is and how it is.

mod table;
mod text;

use serde::Serialize;
use superblock::{Level, Native, v1};

use super::{DiskText, words};
use crate::model::{
    Geometry,
    detail::{ArrayDetail, MemberSuperblock, MetadataVersion, SyncStage},
    geometry::Copies,
};

use crate::words::{ArrayState, SyncKind};

pub use table::DetailDevice;

/// An array for a reader.
#[derive(Clone, Debug, Serialize)]
pub struct Detail {
    /// As the user named it.
    pub device: String,
    pub kernel_name: String,
    /// `1.2`, `0.90`, or what manages the superblocks; empty where there are none.
    pub metadata: String,
    pub container: Option<DetailContainer>,
    /// `null` where superblocks are not the kernel's.
    pub persistent: Option<bool>,
    pub is_container: bool,
    pub started: bool,
    pub created_unix_seconds: Option<u32>,
    pub level: Option<&'static str>,
    pub level_number: i32,
    pub array_size_kib: u64,
    pub used_dev_size_kib: Option<u64>,
    pub raid_devices: u32,
    pub total_devices: i32,
    pub preferred_minor: Option<i32>,
    /// `Internal`, `Internal(Clustered)` or a path.
    pub intent_bitmap: Option<String>,
    pub updated_unix_seconds: Option<u32>,
    /// The kernel's word.
    pub array_state: Option<String>,
    /// The words of the text's State line.
    pub state: Vec<String>,
    pub health: DetailHealth,
    pub active_devices: i32,
    pub working_devices: i32,
    pub failed_devices: i32,
    pub spare_devices: i32,
    pub layout: Option<String>,
    pub layout_number: u32,
    pub chunk_kib: u64,
    pub consistency_policy: Option<String>,
    pub sync: Option<DetailSync>,
    pub reshape: Option<DetailReshape>,
    /// From the superblock of a member.
    #[serde(flatten)]
    pub identity: Option<DetailIdentity>,
    /// The name below /dev/md that was chosen when it was assembled, and the array's UUID then.
    pub map: Option<Map>,
    /// For a container: its arrays.
    pub member_arrays: Option<Vec<String>>,
    pub devices: Vec<DetailDevice>,
    /// Members as sysfs lists them, for the keys of `--export`.
    #[serde(skip)]
    attached: Vec<Attached>,
    #[serde(skip)]
    test: u8,
}

/// Whether the data is there, and whether all of its protection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DetailHealth {
    /// Every slot has a member that is up to date.
    Complete,
    Degraded,
    /// The data is not there.
    Failed,
    /// It has not been started, or is a container.
    Unknown,
}

/// A container, and the array's place in it.
#[derive(Clone, Debug, Serialize)]
pub struct DetailContainer {
    pub device: String,
    pub member: String,
}

/// What synchronises.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DetailSync {
    /// `recovery`, `resync`, `reshape`, `check`.
    pub action: &'static str,
    /// `running`, `delayed`, `pending`, `remote`.
    pub stage: &'static str,
    pub done_percent: Option<u8>,
    #[serde(skip)]
    kind: SyncKind,
}

/// A reshape that is under way.
#[derive(Clone, Debug, Serialize)]
pub struct DetailReshape {
    pub delta_devices: i32,
    pub new_level: Option<&'static str>,
    pub new_level_number: i32,
    pub new_layout: Option<String>,
    pub new_layout_number: u32,
    pub new_chunk_bytes: u64,
}

/// What a member's superblock says of the array.
#[derive(Clone, Debug, Serialize)]
pub struct DetailIdentity {
    pub uuid: String,
    pub name: Option<DiskText>,
    pub local_to_host: Option<String>,
    pub cluster_name: Option<DiskText>,
    pub events: u64,
}

/// What the map file says.
#[derive(Clone, Debug, Serialize)]
pub struct Map {
    pub uuid: String,
    pub path: String,
}

#[derive(Clone, Debug)]
struct Attached {
    key: String,
    slot: Option<u32>,
    path: Option<String>,
}

/// What JSON says of all arrays that were asked about.
#[derive(Debug, Serialize)]
pub struct DetailReport {
    pub schema: &'static str,
    pub arrays: Vec<DetailAnswer>,
}

/// What JSON says of one array.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum DetailAnswer {
    Found(Box<Detail>),
    Not { device: String, error: String },
}

impl DetailReport {
    /// The whole answer.
    #[must_use]
    pub fn new(arrays: Vec<DetailAnswer>) -> Self {
        Self { schema: "mdctl.detail.1", arrays }
    }
}

/// How the text forms are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// `-v`.
    pub verbose: bool,
    /// `--no-devices`.
    pub no_devices: bool,
}

impl Detail {
    /// From an array, and the name of this host.
    #[must_use]
    pub fn of(array: &ArrayDetail, host: Option<&str>) -> Self {
        let native = matches!(array.metadata, MetadataVersion::Native(..));
        let external = matches!(array.metadata, MetadataVersion::External(_));
        let is_container = array.counts.raid_disks == 0 && external;
        let started = array.array_state.as_ref().is_none_or(ArrayState::is_running);
        let health = health(array);
        let identity = array.superblock.as_ref().map(|superblock| identity(superblock, host));
        Self {
            device: array.device.clone(),
            kernel_name: array.kernel_name.clone(),
            metadata: metadata(&array.metadata),
            container: array
                .container
                .as_ref()
                .map(|c| DetailContainer { device: c.path.clone(), member: c.member.clone() }),
            persistent: native.then_some(!array.not_persistent),
            is_container,
            started,
            created_unix_seconds: (array.created != 0).then_some(array.created),
            level: level_name(array, started, is_container),
            level_number: array.level.number(),
            array_size_kib: array.size.0 >> 10,
            used_dev_size_kib: array.component_size.map(|size| size.0),
            raid_devices: array.counts.raid_disks,
            total_devices: array.counts.total,
            preferred_minor: preferred_minor(array),
            intent_bitmap: intent_bitmap(array),
            updated_unix_seconds: (array.updated != 0).then_some(array.updated),
            array_state: array.array_state.as_ref().map(ToString::to_string),
            state: state_words(array, health, started, is_container),
            health,
            active_devices: array.counts.active,
            working_devices: array.counts.working,
            failed_devices: array.counts.failed,
            spare_devices: array.counts.spare,
            layout: words::layout(array.level, array.layout),
            layout_number: array.layout,
            chunk_kib: array.chunk.0 >> 10,
            consistency_policy: array.consistency_policy.as_ref().map(ToString::to_string),
            sync: array.sync.map(sync),
            reshape: array.superblock.as_ref().and_then(|superblock| reshape(&superblock.native)),
            identity,
            map: array.map.as_ref().map(|m| Map { uuid: m.uuid.to_string(), path: m.path.clone() }),
            member_arrays: is_container.then(|| array.member_arrays.clone()),
            devices: table::devices(array),
            attached: attached(array),
            test: test_status(health),
        }
    }

    /// The exit status that `--test` asks for: 0 all is well, 1 a slot is not in sync, 2 the data is not there.
    #[must_use]
    pub fn test_status(&self) -> u8 {
        self.test
    }

    fn level(&self) -> Level {
        Level::from_number(self.level_number)
    }
}

fn metadata(version: &MetadataVersion) -> String {
    match version {
        MetadataVersion::None => String::new(),
        MetadataVersion::External(text) => text.clone(),
        MetadataVersion::Native(major, minor) => format!("{major}.{minor}"),
    }
}

/// An array that has not been started has no level; then the superblock's is shown.
fn level_name(array: &ArrayDetail, started: bool, is_container: bool) -> Option<&'static str> {
    if is_container {
        return Some("container");
    }
    match &array.superblock {
        Some(superblock) if !started => superblock.native.level().name(),
        _ => array.level.name(),
    }
}

fn preferred_minor(array: &ArrayDetail) -> Option<i32> {
    let v0 = matches!(array.metadata, MetadataVersion::Native(0, _));
    (v0 && array.container.is_none()).then_some(array.minor)
}

fn intent_bitmap(array: &ArrayDetail) -> Option<String> {
    match (&array.bitmap_file, array.flags.clustered, array.flags.bitmap) {
        (Some(path), ..) => Some(path.clone()),
        (None, true, _) => Some("Internal(Clustered)".to_owned()),
        (None, false, true) => Some("Internal".to_owned()),
        (None, false, false) => None,
    }
}

/// Which slots have a member that is up to date and still there.
fn slots_in_sync(array: &ArrayDetail) -> Vec<bool> {
    let mut slots = vec![false; usize::try_from(array.counts.raid_disks).unwrap_or(0)];
    for member in array.members.iter().filter(|m| m.alive && m.state.sync && !m.state.journal) {
        let slot = usize::try_from(member.raid_disk).ok().and_then(|slot| slots.get_mut(slot));
        if let Some(slot) = slot {
            *slot = true;
        }
    }
    slots
}

fn health(array: &ArrayDetail) -> DetailHealth {
    if array.counts.raid_disks == 0 {
        return DetailHealth::Unknown;
    }
    let slots = slots_in_sync(array);
    let geometry = Geometry {
        level: array.level,
        layout: array.layout,
        chunk: array.chunk.sectors(),
        raid_disks: array.counts.raid_disks,
        component_size: array.component_size.unwrap_or_default().sectors(),
    };
    if slots.iter().all(|slot| *slot) {
        DetailHealth::Complete
    } else if geometry.enough(&slots, true) {
        DetailHealth::Degraded
    } else {
        DetailHealth::Failed
    }
}

fn test_status(health: DetailHealth) -> u8 {
    match health {
        DetailHealth::Complete => 0,
        DetailHealth::Degraded => 1,
        DetailHealth::Failed | DetailHealth::Unknown => 2,
    }
}

fn state_words(array: &ArrayDetail, health: DetailHealth, started: bool, is_container: bool) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    if array.counts.raid_disks == 0 {
        if !started && !is_container {
            words.push("inactive".to_owned());
        }
        return words;
    }
    let striped = matches!(array.level, Level::Raid0 | Level::Linear);
    words.push(match &array.array_state {
        _ if !array.flags.clean => "active".to_owned(),
        Some(state) if striped => state.to_string(),
        _ => "clean".to_owned(),
    });
    match health {
        DetailHealth::Degraded => words.push("degraded".to_owned()),
        DetailHealth::Failed => words.push("FAILED".to_owned()),
        DetailHealth::Complete | DetailHealth::Unknown => {}
    }
    if let Some(sync) = array.sync {
        words.push(sync.kind.doing().to_owned());
    }
    if array.size.0 == 0 {
        words.push("Not Started".to_owned());
    }
    words
}

fn sync(sync: crate::model::detail::Sync) -> DetailSync {
    let (stage, done_percent) = match sync.stage {
        SyncStage::Percent(percent) => ("running", Some(percent)),
        SyncStage::Delayed => ("delayed", None),
        SyncStage::Pending => ("pending", None),
        SyncStage::Remote => ("remote", None),
    };
    DetailSync { action: sync.kind.word(), stage, done_percent, kind: sync.kind }
}

fn reshape(superblock: &Native) -> Option<DetailReshape> {
    let (delta_devices, new_level, new_layout_number, new_chunk_bytes) = match superblock {
        Native::V0(sb) => {
            sb.reshape_position()?;
            (sb.delta_disks(), sb.new_level(), sb.new_layout(), sb.new_chunk().0)
        }
        Native::V1(sb) => {
            if !sb.feature_map().contains(v1::FeatureMap::RESHAPE_ACTIVE) {
                return None;
            }
            (sb.delta_disks(), sb.new_level(), sb.new_layout(), sb.new_chunk().bytes().0)
        }
    };
    Some(DetailReshape {
        delta_devices,
        new_level: new_level.name(),
        new_level_number: new_level.number(),
        new_layout: words::layout(new_level, new_layout_number),
        new_layout_number,
        new_chunk_bytes,
    })
}

fn identity(superblock: &MemberSuperblock, host: Option<&str>) -> DetailIdentity {
    match &superblock.native {
        Native::V0(sb) => DetailIdentity {
            uuid: sb.set_uuid().to_string(),
            name: None,
            local_to_host: host.filter(|host| sb.is_local_to(host.as_bytes())).map(str::to_owned),
            cluster_name: None,
            events: sb.events().0,
        },
        Native::V1(sb) => {
            let local = |host: &&str| host.len() < 32 && sb.is_local_to(host.as_bytes());
            let cluster = superblock.bitmap.as_ref().filter(|b| b.nodes() > 0 && b.uuid() == sb.set_uuid().0);
            DetailIdentity {
                uuid: sb.set_uuid().to_string(),
                name: Some(DiskText::new(sb.set_name())),
                local_to_host: host.filter(local).map(str::to_owned),
                cluster_name: cluster.map(|bitmap| DiskText::new(bitmap.cluster_name())),
                events: sb.events().0,
            }
        }
    }
}

fn attached(array: &ArrayDetail) -> Vec<Attached> {
    let key = |name: &str| name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    array
        .attached
        .iter()
        .map(|member| Attached { key: key(&member.sys_name), slot: member.slot, path: member.path.clone() })
        .collect()
}

/// The letter of a RAID10 member's set, where the members divide into whole copies of the array.
fn set_letter(array: &ArrayDetail, raid_disk: i32) -> Option<char> {
    if array.level != Level::Raid10 || array.layout & !0x1_ffff != 0 {
        return None;
    }
    let copies = Copies::from_layout(array.layout);
    let sets = copies.near;
    let whole = array.counts.raid_disks.checked_rem(sets)? == 0;
    if copies.far != 1 || !whole || sets > 26 {
        return None;
    }
    let set = u32::try_from(raid_disk).ok()?.checked_rem(sets)?;
    char::from_u32(u32::from('A') + set)
}
