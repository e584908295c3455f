//! What commands take: one typed request per mode, with the checks that need several options at once.

use std::{ffi::OsString, path::PathBuf};

use superblock::{Bytes, Level, MdUuid, Sectors};

use super::{
    UsageError,
    low::{LowArgs, SuperMinor, Word},
    options::Mode,
    values::{BitmapKind, ConsistencyPolicy, DataOffset, Layout, Metadata, SizeOrMax, size},
};
use crate::config::HostName;

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
}

pub use crate::plan::request::{CreateRequest, MemberSource, MemberWord};

/// `--build`.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildRequest {
    pub device: OsString,
    pub level: Option<Level>,
    pub raid_devices: Option<u32>,
    pub layout: Option<u32>,
    pub chunk: Option<Sectors>,
    pub size: Option<SizeOrMax>,
    pub bitmap: Option<BitmapKind>,
    pub bitmap_chunk: Option<Bytes>,
    pub write_behind: Option<u32>,
    pub delay: Option<u32>,
    pub members: Vec<MemberWord>,
    pub assume_clean: bool,
    pub run: bool,
    pub force: bool,
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
    Sync(SyncAction),
}

/// `--action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncAction {
    Idle,
    Frozen,
    Check,
    Repair,
}

impl SyncAction {
    /// The kernel's word, for `md/sync_action`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Frozen => "frozen",
            Self::Check => "check",
            Self::Repair => "repair",
        }
    }
}

/// An operation of manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManageOp {
    Add,
    AddSpare,
    AddJournal,
    ReAdd,
    Remove,
    Fail,
    Replace,
    With,
    ClusterConfirm,
}

/// A member word of manage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManageWord {
    pub op: ManageOp,
    /// A path, a kernel name, `MAJ:MIN`, or `missing`, `failed`, `detached`, `set-X`.
    pub device: OsString,
    pub write_mostly: Option<bool>,
    pub failfast: Option<bool>,
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

macro_rules! updates {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A keyword of `--update`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Update {
            $($variant),*
        }

        impl Update {
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

updates! {
    Sparc22 = "sparc2.2", Summaries = "summaries", Uuid = "uuid", Name = "name", HomeHost = "homehost",
    HomeCluster = "home-cluster", Nodes = "nodes", Resync = "resync", ByteOrder = "byteorder",
    SuperMinor = "super-minor", DeviceSize = "devicesize", Bitmap = "bitmap", NoBitmap = "no-bitmap",
    Bbl = "bbl", NoBbl = "no-bbl", ForceNoBbl = "force-no-bbl", Ppl = "ppl", NoPpl = "no-ppl",
    Metadata = "metadata", RevertReshape = "revert-reshape", LayoutOriginal = "layout-original",
    LayoutAlternate = "layout-alternate", LayoutUnspecified = "layout-unspecified",
}

impl Update {
    /// With `--assemble`.
    pub const ASSEMBLE: &'static [Self] = &[
        Self::Sparc22,
        Self::Summaries,
        Self::Uuid,
        Self::Name,
        Self::HomeHost,
        Self::HomeCluster,
        Self::Nodes,
        Self::Resync,
        Self::ByteOrder,
        Self::SuperMinor,
        Self::DeviceSize,
        Self::NoBitmap,
        Self::Bbl,
        Self::NoBbl,
        Self::ForceNoBbl,
        Self::Ppl,
        Self::NoPpl,
        Self::Metadata,
        Self::RevertReshape,
        Self::LayoutOriginal,
        Self::LayoutAlternate,
        Self::LayoutUnspecified,
    ];
    /// With `--re-add`.
    pub const RE_ADD: &'static [Self] = &[Self::DeviceSize, Self::Bbl, Self::NoBbl, Self::ForceNoBbl];
    /// With `--update-subarray`.
    pub const SUBARRAY: &'static [Self] = &[Self::Name, Self::Ppl, Self::NoPpl, Self::Bitmap, Self::NoBitmap];
}

const NO_DEVICE: &str = "an md device must be given in this mode";

impl Invocation {
    /// From what was typed; `mode` has been chosen.
    pub fn from_low(mode: Mode, low: LowArgs) -> Result<Self, UsageError> {
        let common = Common {
            verbose: low.verbose,
            brief: low.brief,
            export: low.export,
            no_devices: low.no_devices,
            prefer: low.prefer.clone(),
            homehost: low.homehost.clone(),
            ignore_homehost: low.ignore_homehost,
            config: low.config.clone(),
            dry_run: low.dry_run,
            json: low.json,
            test: low.test,
        };
        let notices = low.notices.clone();
        let request = match mode {
            Mode::Assemble => Request::Assemble(assemble(low)?),
            Mode::Build => Request::Build(build(low)?),
            Mode::Create => Request::Create(create(low)?),
            Mode::Grow => Request::Grow(grow(low)?),
            Mode::Incremental => Request::Incremental(incremental(low)),
            Mode::Manage => Request::Manage(manage(low)?),
            Mode::Misc => Request::Misc(misc(low)?),
            Mode::Monitor => Request::Monitor(monitor(low)?),
            Mode::AutoDetect => Request::AutoDetect,
        };
        Ok(Self { common, request, notices })
    }
}

/// The array that the first word names, and the words after it.
fn array(words: Vec<Word>) -> Result<(OsString, Vec<Word>), UsageError> {
    let mut words = words.into_iter();
    let first = words.next().ok_or_else(|| UsageError::new(NO_DEVICE))?;
    Ok((first.text, words.collect()))
}

fn members(words: Vec<Word>, offset: Option<DataOffset>) -> Result<Vec<MemberWord>, UsageError> {
    words.into_iter().map(|word| member(word, offset == Some(DataOffset::Variable))).collect()
}

fn member(word: Word, variable: bool) -> Result<MemberWord, UsageError> {
    let mut path = word.text;
    let mut data_offset = None;
    let split = path.to_str().filter(|_| variable).and_then(|text| text.rsplit_once(':'));
    if let Some((name, offset)) = split {
        let Some(sectors) = size(offset) else {
            return Err(UsageError::new(format!("Invalid data offset in {name}:{offset}")));
        };
        data_offset = Some(sectors);
        path = OsString::from(name);
    }
    let missing = path.eq_ignore_ascii_case("missing");
    Ok(MemberWord {
        source: if missing { MemberSource::Missing } else { MemberSource::Path(path.into()) },
        write_mostly: word.write_mostly == Some(true),
        failfast: word.failfast == Some(true),
        data_offset,
    })
}

fn layout_number(layout: Option<Layout>) -> Option<u32> {
    match layout {
        Some(Layout::Number(number)) => Some(number),
        Some(Layout::Preserve | Layout::Normalise) | None => None,
    }
}

/// A single active member is almost always a slip of the finger.
fn refuse_one(low: &LowArgs) -> Result<(), UsageError> {
    if low.raid_devices == Some(1) && !low.force && low.level != Some(Level::Faulty) {
        return Err(UsageError::new(
            "'1' is an unusual number of drives for an array, so it is probably\n     a mistake.  If you really mean it you will need to specify --force before\n     setting the number of drives.",
        ));
    }
    Ok(())
}

/// Journal, consistency policy and bitmap must tell the same story.
fn check_consistency(low: &LowArgs) -> Result<(), UsageError> {
    let refuse = |message: String| Err(UsageError::new(message));
    let parity = matches!(low.level, Some(Level::Raid4 | Level::Raid5 | Level::Raid6));
    if low.journal.is_some() && !parity {
        return refuse("--write-journal is only supported for RAID level 4/5/6.".to_owned());
    }
    let bitmap = matches!(low.bitmap, Some(kind) if kind != BitmapKind::None);
    let Some(policy) = low.consistency_policy else { return Ok(()) };
    if let Some(
        level @ (Level::Raid0 | Level::Linear | Level::Multipath | Level::Faulty | Level::Container),
    ) = low.level
    {
        let name = level.name().unwrap_or_default();
        return refuse(format!("--consistency-policy not meaningful with level {name}."));
    }
    match policy {
        ConsistencyPolicy::Journal if low.journal.is_none() => {
            return refuse("--write-journal is required for consistency policy: journal".to_owned());
        }
        ConsistencyPolicy::Ppl if low.level != Some(Level::Raid5) => {
            return refuse("PPL consistency policy is only supported for RAID level 5.".to_owned());
        }
        ConsistencyPolicy::Bitmap if low.bitmap == Some(BitmapKind::None) => {
            return refuse("--bitmap is required for consistency policy: bitmap".to_owned());
        }
        ConsistencyPolicy::Ppl | ConsistencyPolicy::Resync if bitmap => {
            return refuse(format!("--bitmap is not compatible with consistency policy: {}", policy.name()));
        }
        ConsistencyPolicy::Resync
        | ConsistencyPolicy::Bitmap
        | ConsistencyPolicy::Journal
        | ConsistencyPolicy::Ppl => {}
    }
    Ok(())
}

fn create(low: LowArgs) -> Result<CreateRequest, UsageError> {
    check_consistency(&low)?;
    if low.words.is_empty() {
        return Err(UsageError::new(NO_DEVICE));
    }
    refuse_one(&low)?;
    let (device, words) = array(low.words)?;
    let mut members = members(words, low.data_offset)?;
    if let Some((path, words_before)) = low.journal {
        let source = MemberSource::Journal(path.into());
        let word = MemberWord { source, write_mostly: false, failfast: false, data_offset: None };
        members.insert(words_before.saturating_sub(1).min(members.len()), word);
    }
    Ok(CreateRequest {
        device,
        level: low.level,
        raid_devices: low.raid_devices,
        spares: low.spares.unwrap_or(0),
        layout: layout_number(low.layout),
        chunk: low.chunk,
        size: low.size,
        data_offset: low.data_offset,
        metadata: low.metadata,
        bitmap: low.bitmap,
        bitmap_chunk: low.bitmap_chunk,
        write_behind: low.write_behind,
        delay: low.delay,
        members,
        consistency_policy: low.consistency_policy,
        assume_clean: low.assume_clean,
        write_zeroes: low.write_zeroes,
        uuid: low.uuid,
        name: low.name,
        run: low.run,
        force: low.force,
        readonly: low.readonly,
        logical_block_size: low.logical_block_size,
        nodes: low.nodes,
        home_cluster: low.home_cluster,
    })
}

fn build(low: LowArgs) -> Result<BuildRequest, UsageError> {
    if low.words.is_empty() {
        return Err(UsageError::new(NO_DEVICE));
    }
    refuse_one(&low)?;
    if !matches!(low.bitmap, None | Some(BitmapKind::None)) {
        return Err(UsageError::status("--build argument only compatible with --bitmap=none", 1));
    }
    let (device, words) = array(low.words)?;
    Ok(BuildRequest {
        device,
        level: low.level,
        raid_devices: low.raid_devices,
        layout: layout_number(low.layout),
        chunk: low.chunk,
        size: low.size,
        bitmap: low.bitmap,
        bitmap_chunk: low.bitmap_chunk,
        write_behind: low.write_behind,
        delay: low.delay,
        members: members(words, None)?,
        assume_clean: low.assume_clean,
        run: low.run,
        force: low.force,
    })
}

fn assemble(low: LowArgs) -> Result<AssembleRequest, UsageError> {
    let mut words = low.words.into_iter().map(|word| word.text);
    let device = words.next();
    if device.is_none() && !low.scan {
        return Err(UsageError::new(NO_DEVICE));
    }
    let rest: Vec<OsString> = words.collect();
    let (more, devices) = if low.scan { (rest, Vec::new()) } else { (Vec::new(), rest) };
    Ok(AssembleRequest {
        device,
        more,
        devices: devices.into_iter().map(PathBuf::from).collect(),
        scan: low.scan,
        uuid: low.uuid,
        name: low.name,
        super_minor: low.super_minor,
        metadata: low.metadata,
        force: low.force,
        run: low.run,
        no_degraded: low.no_degraded,
        readonly: low.readonly,
        update: low.update,
        backup_file: low.backup_file.map(PathBuf::from),
        invalid_backup: low.invalid_backup,
        nodes: low.nodes,
        home_cluster: low.home_cluster,
    })
}

fn misc(low: LowArgs) -> Result<MiscRequest, UsageError> {
    let action = low.action.unwrap_or(MiscAction::Query);
    if low.name.is_some() && !matches!(action, MiscAction::UpdateSubarray(_)) {
        return Err(UsageError::new("-N/--name only valid with --update-subarray in misc mode"));
    }
    let devices = low
        .words
        .into_iter()
        .map(|word| (word.action.unwrap_or(MiscAction::Query), PathBuf::from(word.text)));
    Ok(MiscRequest {
        devices: devices.collect(),
        action,
        scan: low.scan,
        force: low.force,
        metadata: low.metadata,
        sparc22: low.sparc22,
        name: low.name,
        update: low.update,
    })
}

fn manage(low: LowArgs) -> Result<ManageRequest, UsageError> {
    let (device, words) = array(low.words)?;
    if low.run && low.stop {
        return Err(UsageError::new("Cannot run and stop an array at the same time."));
    }
    let mut members = Vec::new();
    for word in words {
        let Some(op) = word.op else {
            return Err(UsageError::new(format!(
                "Must give one of -a/-r/-f for subsequent devices at {}",
                word.text.to_string_lossy()
            )));
        };
        members.push(ManageWord {
            op,
            device: word.text,
            write_mostly: word.write_mostly,
            failfast: word.failfast,
        });
    }
    Ok(ManageRequest {
        device,
        members,
        run: low.run,
        stop: low.stop,
        readonly: low.readonly,
        force: low.force,
        update: low.update,
    })
}

fn grow(low: LowArgs) -> Result<GrowRequest, UsageError> {
    let (device, words) = array(low.words)?;
    if let Some(word) = words.iter().find(|word| word.op != Some(ManageOp::Add)) {
        return Err(UsageError::new(format!(
            "Must give -a/--add for devices to add: {}",
            word.text.to_string_lossy()
        )));
    }
    if low.data_offset.is_some() && low.backup_file.is_some() {
        return Err(UsageError::new("--backup-file and --data-offset are incompatible"));
    }
    Ok(GrowRequest {
        device,
        add: words.into_iter().map(|word| PathBuf::from(word.text)).collect(),
        level: low.level,
        layout: low.layout_word,
        raid_devices: low.raid_devices,
        chunk: low.chunk,
        size: low.size,
        array_size: low.array_size,
        data_offset: low.data_offset,
        bitmap: low.bitmap,
        bitmap_chunk: low.bitmap_chunk,
        write_behind: low.write_behind,
        delay: low.delay,
        nodes: low.nodes,
        consistency_policy: low.consistency_policy,
        assume_clean: low.assume_clean,
        force: low.force,
        backup_file: low.backup_file.map(PathBuf::from),
        cont: low.cont,
    })
}

fn incremental(low: LowArgs) -> IncrementalRequest {
    IncrementalRequest {
        devices: low.words.into_iter().map(|word| word.text).collect(),
        metadata: low.metadata,
        scan: low.scan,
        run: low.run,
        rebuild_map: low.rebuild_map,
        fail: low.op.is_some(),
        path: low.path,
        no_degraded: low.no_degraded,
    }
}

fn monitor(low: LowArgs) -> Result<MonitorRequest, UsageError> {
    if low.words.is_empty() && !low.scan && (low.oneshot || low.no_sharing) {
        return Err(UsageError::status("Cannot monitor: need --scan or at least one device", 1));
    }
    Ok(MonitorRequest {
        devices: low.words.into_iter().map(|word| word.text).collect(),
        scan: low.scan,
        mail: low.mail,
        program: low.program,
        increment: low.increment,
        delay: low.delay,
        daemonise: low.daemonise,
        oneshot: low.oneshot,
        pid_file: low.pid_file.map(PathBuf::from),
        syslog: low.syslog,
        no_sharing: low.no_sharing,
    })
}
