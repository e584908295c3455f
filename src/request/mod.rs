//! What commands take: one typed request per mode, with the checks that need several options at once.

mod array;
mod config;
mod dm;
mod layout;
mod overlay;
mod raid6check;
mod scrub;
mod trial;
pub mod volume;

use std::{ffi::OsString, path::PathBuf};

use superblock::{Bytes, Level, MdUuid, Sectors};

pub use self::{
    array::{
        BitmapKind, BuildRequest, ConsistencyPolicy, CreateRequest, DataOffset, ManageOp, ManageWord,
        MemberSource, MemberWord, Metadata, SizeOrMax, Update,
    },
    config::ConfigRequest,
    dm::{DmOptions, DmRequest, DmVerb, Headings},
    layout::{BadLayout, layout},
    overlay::OverlayRequest,
    raid6check::{Raid6CheckRequest, Raid6CheckVerb},
    scrub::{ScheduleRequest, ScheduleWhen, ScrubChoice, ScrubRequest, ScrubVerb},
    trial::TrialRequest,
    volume::VolumeRequest,
};
use crate::{config::HostName, words::SyncAction};

/// Options that every mode accepts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Common {
    /// `-v` counted up, `-q` down.
    pub verbose: i32,
    pub brief: bool,
    pub export: bool,
    pub no_devices: bool,
    pub prefer: Option<String>,
    /// `--homehost=NAME`; `None` leaves it to the configuration.
    pub homehost: Option<HostName>,
    /// `--homehost=<ignore>`: names of other hosts' arrays are as good as ours.
    pub ignore_homehost: bool,
    /// `-c`: a file, a directory, `partitions` or `none`; `None` stands for the usual places.
    pub config: Option<OsString>,
    pub dry_run: bool,
    pub json: bool,
    pub test: bool,
    /// Yes to every question.
    pub yes: bool,
    /// Do not keep what is overwritten.
    pub no_archive: bool,
    /// The whole command line, for the archive.
    pub words: Vec<String>,
}

impl Common {
    /// Of a verb of our own that shows (`dry_run` is false then) or changes something.
    pub fn of_verb(json: bool, dry_run: bool, yes: bool) -> Self {
        Self { json, dry_run, yes, ..Self::default() }
    }
}

/// A command line that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    pub common: Common,
    pub request: Request,
    /// Things to tell the user first.
    pub notices: Vec<String>,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Assemble(AssembleRequest),
    Build(BuildRequest),
    Create(CreateRequest),
    Grow(GrowRequest),
    Incremental(IncrementalRequest),
    Manage(ManageRequest),
    Misc(MiscRequest),
    Monitor(MonitorRequest),
    AutoDetect,
    Status(StatusRequest),
    Explain(ExplainRequest),
    History,
    Undo(UndoRequest),
    Replace(ReplaceRequest),
    Scrub(ScrubRequest),
    /// `mdctl scrub schedule`.
    ScrubSchedule(ScheduleRequest),
    Raid6Check(Raid6CheckRequest),
    Volume(VolumeRequest),
    Dm(Box<DmRequest>),
    Overlay(OverlayRequest),
    Config(ConfigRequest),
    /// `mdctl boot check`.
    BootCheck,
    Trial(Box<TrialRequest>),
}

/// `mdctl undo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoRequest {
    /// The entry's name or its beginning; the newest where there is none.
    pub id: Option<String>,
    /// Put back even where something has changed since.
    pub force: bool,
}

/// `mdctl status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRequest {
    /// Paths, kernel names, names or UUIDs; all arrays where there are none.
    pub arrays: Vec<String>,
    /// Again whenever something changes.
    pub watch: bool,
    /// Only arrays in the kernel.
    pub running: bool,
}

/// `mdctl explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainRequest {
    /// Arrays and devices; everything that is not in order where there are none.
    pub subjects: Vec<String>,
}

/// `mdctl replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceRequest {
    /// The array.
    pub array: String,
    /// The old member: a device, its kernel name or number, a slot, or `missing`.
    pub old: String,
    /// The new one: a path.
    pub new: String,
    /// Return once the kernel copies.
    pub no_wait: bool,
    /// A new member may have larger logical blocks.
    pub force: bool,
}

/// A super-minor: a number or the minor of the array's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuperMinor {
    Number(u32),
    OfNode,
}

/// `--assemble`.
#[derive(Clone, Debug, PartialEq)]
pub struct AssembleRequest {
    /// The array; `None` with `--scan` alone. With `--scan`, all words are arrays: the rest is in `more`.
    pub device: Option<OsString>,
    /// Further arrays, with `--scan`.
    pub more: Vec<OsString>,
    /// Candidate devices; empty where they come from the configuration.
    pub devices: Vec<PathBuf>,
    pub scan: bool,
    pub uuid: Option<MdUuid>,
    pub name: Option<String>,
    pub super_minor: Option<SuperMinor>,
    pub metadata: Option<Metadata>,
    pub force: bool,
    pub run: bool,
    pub no_degraded: bool,
    pub readonly: bool,
    pub update: Option<Update>,
    pub backup_file: Option<PathBuf>,
    pub invalid_backup: bool,
    pub nodes: Option<u32>,
    pub home_cluster: Option<String>,
    /// A reshape goes on no farther than to where it can be turned round.
    pub stands: bool,
}

impl AssembleRequest {
    /// One array out of these devices, and nothing else.
    #[must_use]
    pub fn listed(device: OsString, devices: Vec<PathBuf>) -> Self {
        Self {
            device: Some(device),
            more: Vec::new(),
            devices,
            scan: false,
            uuid: None,
            name: None,
            super_minor: None,
            metadata: None,
            force: false,
            run: false,
            no_degraded: false,
            readonly: false,
            update: None,
            backup_file: None,
            invalid_backup: false,
            nodes: None,
            home_cluster: None,
            stands: false,
        }
    }
}

/// `--misc`.
#[derive(Clone, Debug, PartialEq)]
pub struct MiscRequest {
    /// The last action; it holds where no device is given.
    pub action: MiscAction,
    /// Each device with the action in force when it was read.
    pub devices: Vec<(MiscAction, PathBuf)>,
    pub scan: bool,
    pub force: bool,
    pub metadata: Option<Metadata>,
    pub sparc22: bool,
    pub name: Option<String>,
    pub update: Option<Update>,
}

/// An action of misc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MiscAction {
    Query,
    Detail,
    Examine,
    ExamineBitmap,
    ExamineBadblocks,
    DetailPlatform,
    ZeroSuperblock,
    KillSubarray(String),
    UpdateSubarray(String),
    Dump(OsString),
    Restore(OsString),
    UdevRules(Option<OsString>),
    Run,
    Stop,
    ReadOnly,
    ReadWrite,
    Wait,
    WaitClean,
    /// `--action`.
    Sync(SyncAction),
}

/// `--manage`.
#[derive(Clone, Debug, PartialEq)]
pub struct ManageRequest {
    pub device: OsString,
    pub members: Vec<ManageWord>,
    pub run: bool,
    pub stop: bool,
    pub readonly: bool,
    pub force: bool,
    pub update: Option<Update>,
}

/// `--grow`.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowRequest {
    pub device: OsString,
    /// Devices to add.
    pub add: Vec<PathBuf>,
    pub level: Option<Level>,
    /// Understood once the level is known.
    pub layout: Option<String>,
    pub raid_devices: Option<u32>,
    pub chunk: Option<Sectors>,
    pub size: Option<SizeOrMax>,
    pub array_size: Option<SizeOrMax>,
    pub data_offset: Option<DataOffset>,
    pub bitmap: Option<BitmapKind>,
    pub bitmap_chunk: Option<Bytes>,
    pub write_behind: Option<u32>,
    pub delay: Option<u32>,
    pub nodes: Option<u32>,
    pub consistency_policy: Option<ConsistencyPolicy>,
    pub assume_clean: bool,
    pub force: bool,
    pub backup_file: Option<PathBuf>,
    pub cont: bool,
    /// A reshape is turned round.
    pub revert: bool,
}

/// `--incremental`.
#[derive(Clone, Debug, PartialEq)]
pub struct IncrementalRequest {
    /// The device, then names that are only matched against DEVICE lines.
    pub devices: Vec<OsString>,
    pub metadata: Option<Metadata>,
    pub scan: bool,
    pub run: bool,
    pub rebuild_map: bool,
    /// The device vanished: fail and remove it.
    pub fail: bool,
    pub path: Option<OsString>,
    pub no_degraded: bool,
    /// Fail the device even where the array cannot do without it.
    pub force: bool,
}

/// `--monitor`.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorRequest {
    pub devices: Vec<OsString>,
    pub scan: bool,
    pub mail: Option<String>,
    pub program: Option<OsString>,
    pub increment: Option<u32>,
    pub delay: Option<u32>,
    pub daemonise: bool,
    pub oneshot: bool,
    pub pid_file: Option<PathBuf>,
    pub syslog: bool,
    pub no_sharing: bool,
}
