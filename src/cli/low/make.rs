//! From what was typed to a request: the checks that need several options at once.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use superblock::Level;

use super::{BareWord, LowArgs, no_logical_block_size};
use crate::{
    cli::{
        UsageError,
        options::Mode,
        values::{Layout, size},
    },
    config::name,
    request::{
        AssembleRequest, BitmapKind, BuildRequest, Common, ConsistencyPolicy, CreateRequest, DataOffset,
        GrowRequest, IncrementalRequest, Invocation, ManageOp, ManageRequest, ManageWord, MemberSource,
        MemberWord, MiscAction, MiscRequest, MonitorRequest, Request, Update,
    },
};

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
            yes: false,
            test: low.test,
            no_archive: low.no_archive,
            words: Vec::new(),
        };
        let mut notices = low.notices.clone();
        if low.no_degraded && mode == Mode::Incremental {
            notices.push("--no-degraded is deprecated in Incremental mode".to_owned());
        }
        let request = match mode {
            Mode::Assemble => Request::Assemble(assemble(low)?),
            Mode::Build => Request::Build(build(low)?),
            Mode::Create => Request::Create(create(low)?),
            Mode::Grow => Request::Grow(grow(low)?),
            Mode::Incremental => Request::Incremental(incremental(low)?),
            Mode::Manage => Request::Manage(manage(low)?),
            Mode::Misc => Request::Misc(misc(low)?),
            Mode::Monitor => Request::Monitor(monitor(low)?),
            Mode::AutoDetect => Request::AutoDetect,
        };
        Ok(Self { common, request, notices })
    }
}

/// The array that the first word names, and the words after it.
fn array(words: Vec<BareWord>) -> Result<(OsString, Vec<BareWord>), UsageError> {
    let mut words = words.into_iter();
    let first = words.next().ok_or_else(|| UsageError::new(NO_DEVICE))?;
    check_name(&first.text)?;
    Ok((first.text, words.collect()))
}

/// What can be the name of no array, wherever it leads.
fn check_name(word: &OsStr) -> Result<(), UsageError> {
    let word = word.to_string_lossy();
    let why = match (name::check_length(&word), &*word) {
        (Err(_), _) => "Too long or empty",
        (Ok(()), "<ignore>") => "Special keyword is invalid in this context",
        (Ok(()), _) => return Ok(()),
    };
    let bare = word.strip_prefix("/dev/md/").unwrap_or(&word);
    Err(UsageError::for_root(format!("Value \"{bare}\" cannot be set as devname. Reason: {why}."), 1))
}

fn members(words: Vec<BareWord>, offset: Option<DataOffset>) -> Result<Vec<MemberWord>, UsageError> {
    words.into_iter().map(|word| member(word, offset == Some(DataOffset::Variable))).collect()
}

fn member(word: BareWord, variable: bool) -> Result<MemberWord, UsageError> {
    let mut path = word.text;
    let mut data_offset = None;
    let split = path.to_str().filter(|_| variable).and_then(|text| text.rsplit_once(':'));
    if let Some((name, offset)) = split {
        let Some(sectors) = size(offset) else {
            return Err(UsageError::for_root(format!("Invalid data offset in {name}:{offset}"), 2));
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
    if low.journal.is_some() && low.consistency_policy.is_some_and(|p| p != ConsistencyPolicy::Journal) {
        let policy = low.consistency_policy.map_or("", ConsistencyPolicy::name);
        return refuse(format!("--write-journal is not supported with consistency policy: {policy}"));
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

fn create(mut low: LowArgs) -> Result<CreateRequest, UsageError> {
    check_consistency(&low)?;
    if let Some((said, error)) =
        low.metadata.filter(|_| low.logical_block_size.is_some()).and_then(no_logical_block_size)
    {
        return Err(UsageError { said: vec![said], ..UsageError::new(error) });
    }
    if low.words.is_empty() {
        return Err(UsageError::new(NO_DEVICE));
    }
    let (device, words) = array(std::mem::take(&mut low.words))?;
    refuse_one(&low)?;
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
        destroy: low.destroy,
        name: low.name,
        run: low.run,
        force: low.force,
        readonly: low.readonly,
        logical_block_size: low.logical_block_size,
        nodes: low.nodes,
        home_cluster: low.home_cluster,
    })
}

fn build(mut low: LowArgs) -> Result<BuildRequest, UsageError> {
    if low.words.is_empty() {
        return Err(UsageError::new(NO_DEVICE));
    }
    let (device, words) = array(std::mem::take(&mut low.words))?;
    refuse_one(&low)?;
    if !matches!(low.bitmap, None | Some(BitmapKind::None)) {
        return Err(UsageError::for_root("--build argument only compatible with --bitmap=none", 1));
    }
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
    check_assemble(&low)?;
    let mut words = low.words.into_iter().map(|word| word.text);
    let device = words.next();
    if let Some(word) = device.as_ref().filter(|_| !low.scan) {
        check_name(word)?;
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
        stands: false,
    })
}

/// The original says these in this order, before it looks at anything.
fn check_assemble(low: &LowArgs) -> Result<(), UsageError> {
    let refuse = |message: &str| Err(UsageError::for_root(message, 1));
    match (low.scan, low.words.len()) {
        (false, 0) => Err(UsageError::new(NO_DEVICE)),
        (_, _) if low.update == Some(Update::Nodes) && low.nodes.is_none() => {
            refuse("Please specify nodes number with --nodes")
        }
        (false, _) if low.no_degraded => refuse("--no-degraded not meaningful without a --scan assembly."),
        (true, 0) if low.update.is_some() => refuse("--update not meaningful with a --scan assembly."),
        (true, 2..) if low.update.is_some() => refuse("can only update a single array at a time"),
        (true, 0) if low.backup_file.is_some() => {
            refuse("--backup_file not meaningful with a --scan assembly.")
        }
        (true, 2..) if low.backup_file.is_some() => {
            refuse("can only assemble a single array when providing a backup file.")
        }
        (_, _) => Ok(()),
    }
}

/// An action without a device does something only where a scan finds the devices.
fn check_misc(low: &LowArgs, action: &MiscAction) -> Result<(), UsageError> {
    let scans =
        matches!(action, MiscAction::Detail | MiscAction::Examine | MiscAction::Stop | MiscAction::WaitClean);
    let alone = matches!(action, MiscAction::DetailPlatform | MiscAction::UdevRules(_));
    if !low.words.is_empty() || alone || (scans && low.scan) {
        return Ok(());
    }
    match action {
        MiscAction::Examine => Err(UsageError::new("No devices to examine")),
        _ => Err(UsageError::for_root("No devices given.", 2)),
    }
}

fn misc(low: LowArgs) -> Result<MiscRequest, UsageError> {
    let action = low.action.clone().unwrap_or(MiscAction::Query);
    check_misc(&low, &action)?;
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
    refuse_one(&low)?;
    let (device, words) = array(low.words)?;
    if let Some(word) = words.iter().find(|word| word.op != Some(ManageOp::Add)) {
        return Err(UsageError::new(format!(
            "Must give -a/--add for devices to add: {}",
            word.text.to_string_lossy()
        )));
    }
    if low.data_offset.is_some() && low.backup_file.is_some() {
        return Err(UsageError::for_root("--backup-file and --data-offset are incompatible", 2));
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
        revert: low.revert,
    })
}

/// The original says these in this order.
fn check_incremental(low: &LowArgs) -> Result<(), UsageError> {
    let fail = low.op.is_some();
    let first = low.words.first().map(|word| word.text.to_string_lossy());
    let message = match first {
        None if low.scan && !low.run => "--incremental --scan meaningless without --run.".to_owned(),
        None if low.scan && fail => "--incremental --scan --fail not supported.".to_owned(),
        None if low.scan || low.rebuild_map => return Ok(()),
        None => "--incremental requires a device.".to_owned(),
        Some(_) if low.scan => "In --incremental mode, a device cannot be given with --scan.".to_owned(),
        Some(_) if fail && low.words.len() > 1 => {
            "'--incremental --fail' can only handle one device.".to_owned()
        }
        Some(word) if fail && word.strip_prefix("/dev/").unwrap_or(&word).contains('/') => {
            format!("Cannot remove \"{word}\", devnode path or kernel device name is allowed.")
        }
        Some(_) => return Ok(()),
    };
    Err(UsageError::for_root(message, 1))
}

fn incremental(low: LowArgs) -> Result<IncrementalRequest, UsageError> {
    check_incremental(&low)?;
    Ok(IncrementalRequest {
        devices: low.words.into_iter().map(|word| word.text).collect(),
        metadata: low.metadata,
        scan: low.scan,
        run: low.run,
        rebuild_map: low.rebuild_map,
        fail: low.op.is_some(),
        path: low.path,
        no_degraded: low.no_degraded,
        force: low.force,
    })
}

fn monitor(low: LowArgs) -> Result<MonitorRequest, UsageError> {
    let refuse = |message: &str| {
        let error = UsageError::for_root(message, 1);
        // Who moves no spares needs no rights.
        Err(UsageError { for_root: !(low.oneshot || low.no_sharing), ..error })
    };
    if low.words.is_empty() && !low.scan {
        return refuse("Cannot monitor: need --scan or at least one device");
    }
    if low.pid_file.is_some() && !low.daemonise {
        return refuse("Cannot write a pid file when not in daemon mode");
    }
    if low.scan && !low.words.is_empty() {
        return refuse("Devices list and --scan option cannot be combined - not monitoring.");
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
