//! An array in the kernel as the kernel's own tables tell it: no device is opened for any of this.

use superblock::{Bytes, Kib, Level, MdUuid, Sectors};

use super::{DevId, Geometry};

use crate::words::{ArrayState, ConsistencyPolicy, MemberState, SyncAction, SyncKind};

/// An array in the kernel, started or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrayStatus {
    /// The kernel's name (`md127`).
    pub kernel_name: String,
    /// Device number.
    pub id: DevId,
    /// A path to it, one below /dev/md before others.
    pub path: Option<String>,
    /// Its identity.
    pub uuid: Option<MdUuid>,
    /// Its name in the metadata with its host, where udev knows it.
    pub name: Option<String>,
    /// `array_state`.
    pub state: ArrayState,
    /// Level; `None` before it has one.
    pub level: Option<Level>,
    /// `metadata_version`.
    pub metadata: String,
    /// Layout number.
    pub layout: u32,
    /// Chunk; 0 where the level has none.
    pub chunk: Bytes,
    /// Slots.
    pub raid_disks: u32,
    /// Slots before the reshape that runs, where it changes their number.
    pub raid_disks_before: Option<u32>,
    /// The size of the block device; 0 before it is started.
    pub size: Bytes,
    /// Used size of each member.
    pub component_size: Option<Kib>,
    /// `consistency_policy`.
    pub consistency_policy: Option<ConsistencyPolicy>,
    /// The write-intent bitmap.
    pub bitmap: Option<BitmapPlace>,
    /// `journal_mode`, the chosen word.
    pub journal_mode: Option<String>,
    /// How many slots have no working member; `None` for levels without redundancy.
    pub degraded: Option<u64>,
    /// What the last check counted.
    pub mismatches: Option<Sectors>,
    /// What the count is of: `last_sync_action`.
    pub last_action: Option<SyncAction>,
    /// `sync_action`.
    pub action: Option<SyncAction>,
    /// What runs or waits to run.
    pub activity: Option<Activity>,
    /// Where a reshape stands.
    pub reshape_position: Option<Sectors>,
    /// What stands on it: kernel names.
    pub holders: Vec<String>,
    /// The members, by slot, then those without.
    pub members: Vec<MemberStatus>,
}

/// Where a bitmap is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitmapPlace {
    /// `+8`, `file`: the kernel's word.
    pub location: String,
    /// What one bit stands for.
    pub chunk: Bytes,
}

/// A resync, recovery, reshape or check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// What.
    pub kind: SyncKind,
    /// How far.
    pub stage: Stage,
    /// KiB a second.
    pub speed: Option<u64>,
}

/// How far a synchronisation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// So many sectors of so many.
    Running {
        /// Done.
        done: Sectors,
        /// Of.
        total: Sectors,
    },
    /// It runs, and has told no numbers yet.
    Starting,
    /// Another array on the same devices goes first.
    Delayed,
    /// It begins when the array is written to.
    Pending,
    /// Another node of the cluster does it.
    Remote,
}

impl Activity {
    /// How much is done, in tenths of a percent.
    #[must_use]
    pub fn per_mille(&self) -> Option<u64> {
        let Stage::Running { done, total } = self.stage else { return None };
        u128::from(done.0)
            .checked_mul(1000)?
            .checked_div(u128::from(total.0))
            .and_then(|n| u64::try_from(n).ok())
    }

    /// Seconds to go at the speed of now.
    #[must_use]
    pub fn seconds_left(&self) -> Option<u64> {
        let Stage::Running { done, total } = self.stage else { return None };
        (total.0.saturating_sub(done.0) / 2).checked_div(self.speed?)
    }
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberStatus {
    /// The kernel's name.
    pub kernel_name: String,
    /// Device number; `None` once the device itself is gone.
    pub id: Option<DevId>,
    /// A path to it.
    pub path: Option<String>,
    /// A name of the disk that stays the same wherever it is plugged in.
    pub by_id: Option<String>,
    /// The whole disk's kernel name, its own where it is one.
    pub disk: Option<String>,
    /// Its slot.
    pub slot: Option<u32>,
    /// The kernel's words of its state.
    pub state: Vec<MemberState>,
    /// Read errors that were corrected.
    pub errors: u64,
    /// Recorded bad blocks: how many ranges.
    pub bad_ranges: usize,
    /// Recorded bad blocks: how many sectors.
    pub bad_sectors: Sectors,
    /// How far a recovery of this member came; `None` when it is complete.
    pub recovered: Option<Sectors>,
    /// The size of the whole device.
    pub size: Option<Bytes>,
    /// The disk's model.
    pub model: Option<String>,
    /// The disk's serial number.
    pub serial: Option<String>,
}

/// What a member is to its array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// Up to date, in a slot.
    Active,
    /// In a slot, and being filled or waiting for it.
    Rebuilding,
    /// Takes a slot over from its holder.
    Replacement,
    /// Waits for work.
    Spare,
    /// Failed.
    Faulty,
    /// The write journal.
    Journal,
    /// Attached to an array that has not been started: the kernel has not looked at it yet.
    Attached,
}

impl MemberStatus {
    /// Whether the kernel says this word of it.
    #[must_use]
    pub fn is(&self, word: &MemberState) -> bool {
        self.state.contains(word)
    }

    /// What it is, in an array that runs.
    #[must_use]
    pub fn role(&self) -> MemberRole {
        if self.is(&MemberState::Faulty) {
            MemberRole::Faulty
        } else if self.is(&MemberState::Journal) {
            MemberRole::Journal
        } else if self.is(&MemberState::Replacement) {
            MemberRole::Replacement
        } else if self.is(&MemberState::InSync) {
            MemberRole::Active
        } else if self.slot.is_some() {
            MemberRole::Rebuilding
        } else {
            MemberRole::Spare
        }
    }

    /// The name to show: the path, else the kernel's name.
    #[must_use]
    pub fn shown(&self) -> String {
        self.path.clone().unwrap_or_else(|| self.kernel_name.clone())
    }
}

/// Whether the data is there, and whether all of its protection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Every slot has a member that is up to date.
    Complete,
    /// The data is there, with less protection than the level promises.
    Degraded,
    /// The data is not there.
    Failed,
    /// It has not been started.
    Inactive,
    /// A container: its arrays have health, not itself.
    Container,
}

impl ArrayStatus {
    /// Whether it serves data.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state.is_running()
    }

    /// Whether its superblocks are managed in user space and it holds other arrays.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.metadata.starts_with("external:") && self.level.is_none() && self.raid_disks == 0
    }

    /// What a member is to this array.
    #[must_use]
    pub fn role_of(&self, member: &MemberStatus) -> MemberRole {
        match member.role() {
            MemberRole::Spare | MemberRole::Rebuilding if !self.is_running() => MemberRole::Attached,
            role => role,
        }
    }

    /// Which slots have an up-to-date member.
    #[must_use]
    pub fn present(&self) -> Vec<bool> {
        let held = |slot: u32| {
            let mut members = self.members.iter().filter(|member| member.slot == Some(slot));
            members.any(|member| member.is(&MemberState::InSync) && !member.is(&MemberState::Faulty))
        };
        (0..self.raid_disks).map(held).collect()
    }

    /// Slots without any working member; none before the array is started.
    #[must_use]
    pub fn missing(&self) -> Vec<u32> {
        let held = |slot: &u32| {
            let mut members = self.members.iter().filter(|member| member.slot == Some(*slot));
            members.any(|member| !member.is(&MemberState::Faulty))
        };
        if self.is_running() { (0..self.raid_disks).filter(|slot| !held(slot)).collect() } else { vec![] }
    }

    /// The shape.
    #[must_use]
    pub fn geometry(&self) -> Option<Geometry> {
        Some(Geometry {
            level: self.level?,
            layout: self.layout,
            chunk: self.chunk.sectors(),
            raid_disks: self.raid_disks,
            component_size: self.component_size.unwrap_or_default().sectors(),
        })
    }

    /// Whether the data is there.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.is_container() {
            return Health::Container;
        }
        if !self.is_running() {
            return Health::Inactive;
        }
        let present = self.present();
        // A running array is never dirty in the sense of an unclean start, so what is enough is enough.
        let enough = self.geometry().is_none_or(|geometry| geometry.enough(&present, true));
        if !enough || self.state == ArrayState::Broken {
            Health::Failed
        } else if present.iter().all(|here| *here) {
            Health::Complete
        } else {
            Health::Degraded
        }
    }

    /// The name to show: the path, else the kernel's name.
    #[must_use]
    pub fn shown(&self) -> String {
        self.path.clone().unwrap_or_else(|| format!("/dev/{}", self.kernel_name))
    }

    /// Whether a user's word means it: a path with this device number, the kernel's name, the UUID, or the name with
    /// or without its host.
    #[must_use]
    pub fn is_called(&self, word: &str, id: Option<DevId>) -> bool {
        let bare = |name: &String| name.split_once(':').is_some_and(|(_, bare)| bare == word);
        let below = |path: &String| path.strip_prefix("/dev/md/") == Some(word);
        id == Some(self.id)
            || word == self.kernel_name
            || word.strip_prefix("/dev/") == Some(&self.kernel_name)
            || self.path.as_ref().is_some_and(|path| path == word || below(path))
            || self.name.as_ref().is_some_and(|name| name == word || bare(name))
            || self.uuid.is_some_and(|uuid| word.parse() == Ok(uuid))
    }

    /// Whether anything moves that a watcher would want to see moving.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.activity.as_ref().is_some_and(|activity| {
            matches!(activity.stage, Stage::Running { .. } | Stage::Starting | Stage::Remote)
        })
    }
}
