//! `mdctl status`: all arrays at a glance. The JSON value is made first; the text is a view of it.

mod text;

use crate::words::{ArrayState, MemberState, SyncAction, SyncKind};
use serde::Serialize;

use super::{DiskText, words};
use crate::model::status::{Activity, ArrayStatus, Health, MemberRole, MemberStatus, Stage};

pub use text::TextView;

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct StatusReport {
    pub schema: &'static str,
    pub time_unix_seconds: u64,
    pub arrays: Vec<StatusArray>,
    /// Arrays that are on devices and not in the kernel; `null` where no device was looked at.
    pub not_running: Option<Vec<NotRunning>>,
    /// What was asked for and could not be shown.
    pub problems: Vec<Problem>,
}

/// An array in the kernel.
#[derive(Clone, Debug, Serialize)]
pub struct StatusArray {
    pub kernel_name: String,
    pub path: Option<String>,
    pub uuid: Option<String>,
    /// As the metadata has it, with its host.
    pub name: Option<DiskText>,
    /// `complete`, `degraded`, `failed`, `inactive`, `container`.
    pub health: &'static str,
    /// The kernel's word.
    pub array_state: String,
    pub level: Option<&'static str>,
    pub metadata: String,
    pub layout: Option<String>,
    pub layout_number: u32,
    pub chunk_bytes: u64,
    pub size_bytes: u64,
    pub used_device_size_bytes: Option<u64>,
    pub raid_devices: u32,
    /// During a reshape that changes their number.
    pub raid_devices_before: Option<u32>,
    pub consistency_policy: Option<String>,
    pub bitmap: Option<StatusBitmap>,
    pub journal_mode: Option<String>,
    pub degraded_devices: Option<u64>,
    pub missing_slots: Vec<u32>,
    /// What the last check or repair found different.
    pub mismatch_sectors: Option<u64>,
    pub last_sync_action: Option<String>,
    pub sync_action: Option<String>,
    pub sync: Option<StatusSync>,
    pub reshape_position_sectors: Option<u64>,
    /// Kernel names of the devices that stand on it.
    pub holders: Vec<String>,
    pub members: Vec<StatusMember>,
    /// The words that the text shows after the level.
    #[serde(skip)]
    words: Vec<&'static str>,
}

/// A write-intent bitmap.
#[derive(Clone, Debug, Serialize)]
pub struct StatusBitmap {
    /// The kernel's word: `+8` sectors after the superblock, `file`.
    pub location: String,
    pub chunk_bytes: u64,
}

/// What synchronises.
#[derive(Clone, Debug, Serialize)]
pub struct StatusSync {
    /// `recovery`, `resync`, `reshape`, `check`, `repair`.
    pub action: String,
    /// `running`, `starting`, `delayed`, `pending`, `remote`.
    pub stage: &'static str,
    pub done_sectors: Option<u64>,
    pub total_sectors: Option<u64>,
    pub done_percent: Option<f64>,
    pub speed_kib_per_second: Option<u64>,
    pub remaining_seconds: Option<u64>,
}

/// A member.
#[derive(Clone, Debug, Serialize)]
pub struct StatusMember {
    pub kernel_name: String,
    /// `null` where there is no node, or no such device any more.
    pub path: Option<String>,
    pub by_id: Option<String>,
    pub slot: Option<u32>,
    /// `active`, `rebuilding`, `replacement`, `spare`, `faulty`, `journal`, `attached`.
    pub role: &'static str,
    /// The kernel's words.
    pub state: Vec<String>,
    /// How much of its data it has, while it is being filled.
    pub rebuilt_percent: Option<f64>,
    pub write_mostly: bool,
    pub failfast: bool,
    pub size_bytes: Option<u64>,
    pub model: Option<DiskText>,
    pub serial: Option<DiskText>,
    pub corrected_read_errors: u64,
    pub bad_block_ranges: usize,
    pub bad_block_sectors: u64,
}

/// An array on devices that is not in the kernel.
#[derive(Clone, Debug, Serialize)]
pub struct NotRunning {
    pub uuid: String,
    pub name: Option<DiskText>,
    pub level: Option<&'static str>,
    pub raid_devices: u32,
    /// Slots with a device that is up to date.
    pub present_devices: usize,
    /// Whether that is enough to start it.
    pub startable: bool,
    /// The kernel refused to start it since its last update.
    pub kernel_refused: bool,
    pub devices: Vec<String>,
}

/// What could not be shown.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    pub device: String,
    pub error: String,
}

impl StatusReport {
    /// From what was found out.
    #[must_use]
    pub fn new(now: u64, arrays: &[ArrayStatus], not_running: Option<Vec<NotRunning>>) -> Self {
        Self {
            schema: "mdctl.status.1",
            time_unix_seconds: now,
            arrays: arrays.iter().map(StatusArray::of).collect(),
            not_running,
            problems: vec![],
        }
    }
}

impl StatusArray {
    /// From what the kernel says.
    #[must_use]
    pub fn of(array: &ArrayStatus) -> Self {
        let health = array.health();
        // A check's count stays when its words are gone; a resync's or recovery's says nothing of the data now.
        Self {
            kernel_name: array.kernel_name.clone(),
            path: array.path.clone(),
            uuid: array.uuid.map(|uuid| uuid.to_string()),
            name: array.name.as_ref().map(|name| DiskText::new(name.as_bytes())),
            health: health_word(health),
            array_state: array.state.to_string(),
            level: array.level.and_then(superblock::Level::name),
            metadata: array.metadata.clone(),
            layout: array.level.and_then(|level| words::layout(level, array.layout)),
            layout_number: array.layout,
            chunk_bytes: array.chunk.0,
            size_bytes: array.size.0,
            used_device_size_bytes: array.component_size.map(|size| size.sectors().bytes().0),
            raid_devices: array.raid_disks,
            raid_devices_before: array.raid_disks_before,
            consistency_policy: array.consistency_policy.as_ref().map(ToString::to_string),
            bitmap: array.bitmap.as_ref().map(|bitmap| StatusBitmap {
                location: bitmap.location.clone(),
                chunk_bytes: bitmap.chunk.0,
            }),
            journal_mode: array.journal_mode.clone(),
            degraded_devices: array.degraded,
            missing_slots: array.missing(),
            mismatch_sectors: array.mismatches.map(|count| count.0),
            last_sync_action: array.last_action.as_ref().map(ToString::to_string),
            sync_action: array.action.as_ref().map(ToString::to_string),
            sync: array.activity.as_ref().map(StatusSync::of),
            reshape_position_sectors: array.reshape_position.map(|at| at.0),
            holders: array.holders.clone(),
            members: array.members.iter().map(|member| StatusMember::of(array, member)).collect(),
            words: state_words(array, health),
        }
    }
}

impl StatusSync {
    fn of(activity: &Activity) -> Self {
        let (stage, numbers) = match activity.stage {
            Stage::Running { done, total } => ("running", Some((done.0, total.0))),
            Stage::Starting => ("starting", None),
            Stage::Delayed => ("delayed", None),
            Stage::Pending => ("pending", None),
            Stage::Remote => ("remote", None),
        };
        Self {
            action: activity.kind.word().to_owned(),
            stage,
            done_sectors: numbers.map(|(done, _)| done),
            total_sectors: numbers.map(|(_, total)| total),
            done_percent: activity.per_mille().map(percent),
            speed_kib_per_second: activity.speed.filter(|_| numbers.is_some()),
            remaining_seconds: activity.seconds_left(),
        }
    }
}

impl StatusMember {
    fn of(array: &ArrayStatus, member: &MemberStatus) -> Self {
        let role = array.role_of(member);
        let text = |text: &Option<String>| text.as_ref().map(|text| DiskText::new(text.as_bytes()));
        Self {
            kernel_name: member.kernel_name.clone(),
            path: member.path.clone(),
            by_id: member.by_id.clone(),
            slot: member.slot,
            role: role_word(role),
            state: member.state.iter().map(ToString::to_string).collect(),
            rebuilt_percent: rebuilt(array, member, role).map(percent),
            write_mostly: member.is(&MemberState::WriteMostly),
            failfast: member.is(&MemberState::FailFast),
            size_bytes: member.size.map(|size| size.0),
            model: text(&member.model),
            serial: text(&member.serial),
            corrected_read_errors: member.errors,
            bad_block_ranges: member.bad_ranges,
            bad_block_sectors: member.bad_sectors.0,
        }
    }
}

/// Tenths of a percent as percents.
fn percent(per_mille: u64) -> f64 {
    f64::from(u32::try_from(per_mille.min(1000)).unwrap_or(1000)) / 10.0
}

/// How much of a member is filled, in tenths of a percent: while a recovery runs its progress, else how far the last
/// one came.
fn rebuilt(array: &ArrayStatus, member: &MemberStatus, role: MemberRole) -> Option<u64> {
    let filling = match role {
        MemberRole::Rebuilding => true,
        MemberRole::Replacement => !member.is(&MemberState::InSync),
        MemberRole::Active
        | MemberRole::Spare
        | MemberRole::Faulty
        | MemberRole::Journal
        | MemberRole::Attached => false,
    };
    let running = array.activity.as_ref().filter(|activity| activity.kind == SyncKind::Recovery);
    let before = || {
        let total = u128::from(array.component_size?.sectors().0);
        let done = u128::from(member.recovered?.0).checked_mul(1000)?.checked_div(total)?;
        u64::try_from(done).ok().filter(|done| *done > 0)
    };
    if !filling {
        return None;
    }
    running.and_then(Activity::per_mille).or_else(before)
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::Complete => "complete",
        Health::Degraded => "degraded",
        Health::Failed => "failed",
        Health::Inactive => "inactive",
        Health::Container => "container",
    }
}

fn role_word(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Active => "active",
        MemberRole::Rebuilding => "rebuilding",
        MemberRole::Replacement => "replacement",
        MemberRole::Spare => "spare",
        MemberRole::Faulty => "faulty",
        MemberRole::Journal => "journal",
        MemberRole::Attached => "attached",
    }
}

/// As `--detail` orders them: the kernel's state, then what is wrong, then what is done about it.
fn state_words(array: &ArrayStatus, health: Health) -> Vec<&'static str> {
    let state = match &array.state {
        ArrayState::Clean | ArrayState::ActiveIdle => "clean",
        ArrayState::Active | ArrayState::WritePending => "active",
        ArrayState::ReadOnly => "read-only",
        ArrayState::ReadAuto => "read-only until written to",
        ArrayState::Suspended => "suspended",
        ArrayState::Broken => "broken",
        ArrayState::Other(_) if array.is_running() => "running",
        ArrayState::Clear | ArrayState::Inactive | ArrayState::Other(_) => "inactive",
    };
    let health = match health {
        Health::Degraded => Some("degraded"),
        Health::Failed => Some("failed"),
        Health::Container => Some("container"),
        Health::Complete | Health::Inactive => None,
    };
    let sync = array.activity.as_ref().map(|activity| match activity.stage {
        Stage::Pending => "resync pending",
        Stage::Delayed => "sync delayed",
        Stage::Running { .. } | Stage::Starting | Stage::Remote => activity.kind.doing(),
    });
    let frozen = (array.action == Some(SyncAction::Frozen)).then_some("frozen");
    [Some(state), health, sync, frozen].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
