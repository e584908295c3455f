//! What was typed, and nothing else: each option sets its field, in the order of the command line.
//!
//! Refusals of a single value are made here, at the option, like the original does; what depends on several
//! options is checked in `request`.

use std::ffi::{OsStr, OsString};

use superblock::{Bytes, Level, MdUuid, Sectors};

use super::{
    UsageError,
    options::{Id, Mode},
    request::{ManageOp, MiscAction, SyncAction, Update},
    values::{self, BadLayout, BitmapKind, ConsistencyPolicy, DataOffset, Layout, Metadata, SizeOrMax},
};
use crate::config::HostName;

/// A bare word with the position-dependent options that were in force when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: OsString,
    pub op: Option<ManageOp>,
    pub action: Option<MiscAction>,
    /// `None` where neither form of the option came before.
    pub write_mostly: Option<bool>,
    pub failfast: Option<bool>,
}

/// A super-minor: a number or the minor of the array's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuperMinor {
    Number(u32),
    OfNode,
}

/// Everything that was typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LowArgs {
    pub mode: Option<Mode>,
    pub words: Vec<Word>,
    /// Things to tell that do not end the command.
    pub notices: Vec<String>,

    pub verbose: i32,
    pub brief: bool,
    pub export: bool,
    pub no_devices: bool,
    pub json: bool,
    pub dry_run: bool,
    pub test: bool,
    pub scan: bool,
    pub force: bool,
    pub run: bool,
    pub stop: bool,
    pub readonly: bool,
    pub prefer: Option<String>,
    pub homehost: Option<HostName>,
    pub ignore_homehost: bool,
    pub config: Option<OsString>,

    pub level: Option<Level>,
    pub layout: Option<Layout>,
    /// In grow the level is known only later.
    pub layout_word: Option<String>,
    pub raid_devices: Option<u32>,
    pub spares: Option<u32>,
    pub chunk: Option<Sectors>,
    pub size: Option<SizeOrMax>,
    pub array_size: Option<SizeOrMax>,
    pub data_offset: Option<DataOffset>,
    pub metadata: Option<Metadata>,
    pub bitmap: Option<BitmapKind>,
    pub bitmap_chunk: Option<Bytes>,
    pub write_behind: Option<u32>,
    pub delay: Option<u32>,
    pub assume_clean: bool,
    pub write_zeroes: bool,
    pub nodes: Option<u32>,
    pub home_cluster: Option<String>,
    /// The journal, and how many words came before it: it takes its place among the devices.
    pub journal: Option<(OsString, usize)>,
    pub consistency_policy: Option<ConsistencyPolicy>,
    pub logical_block_size: Option<u32>,
    pub uuid: Option<MdUuid>,
    pub name: Option<String>,
    pub super_minor: Option<SuperMinor>,

    pub update: Option<Update>,
    pub no_degraded: bool,
    pub backup_file: Option<OsString>,
    pub invalid_backup: bool,
    pub cont: bool,
    pub rebuild_map: bool,
    pub path: Option<OsString>,
    pub sparc22: bool,

    pub op: Option<ManageOp>,
    pub action: Option<MiscAction>,
    /// How the last action was spelled.
    pub action_shown: Option<String>,
    pub write_mostly: Option<bool>,
    pub failfast: Option<bool>,

    pub mail: Option<String>,
    pub program: Option<OsString>,
    pub increment: Option<u32>,
    pub daemonise: bool,
    pub oneshot: bool,
    pub pid_file: Option<OsString>,
    pub syslog: bool,
    pub no_sharing: bool,
}

type Done = Result<(), UsageError>;

fn refuse<T>(message: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError::new(message))
}

/// The value as text; bytes that are not UTF-8 can be no keyword or number, and are shown replaced.
fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

impl LowArgs {
    /// A bare word, in its place.
    pub fn word(&mut self, text: OsString) {
        self.words.push(Word {
            text,
            op: self.op,
            action: self.action.clone(),
            write_mostly: self.write_mostly,
            failfast: self.failfast,
        });
    }

    /// An option that the mode accepts. `value` is empty for one without.
    pub fn option(&mut self, id: Id, shown: &str, value: Option<&OsStr>, mode: Option<Mode>) -> Done {
        let given = value.unwrap_or_default();
        match mode {
            Some(Mode::Manage) if self.manage(id) => return Ok(()),
            Some(Mode::Incremental) if self.incremental(id, given) => return Ok(()),
            Some(Mode::Misc) => {
                if let Some(action) = self.misc_action(id, value)? {
                    return self.set_action(action, shown);
                }
            }
            Some(
                Mode::Assemble
                | Mode::Build
                | Mode::Create
                | Mode::Grow
                | Mode::Incremental
                | Mode::Manage
                | Mode::Monitor
                | Mode::AutoDetect,
            )
            | None => {}
        }
        if self.flag(id) {
            return Ok(());
        }
        let word = text(given);
        match id {
            Id::Chunk
            | Id::Level
            | Id::Layout
            | Id::RaidDevices
            | Id::SpareDevices
            | Id::Size
            | Id::ArraySize
            | Id::DataOffset => self.shape(id, &word, mode),
            Id::Bitmap | Id::BitmapChunk | Id::WriteBehind | Id::Nodes | Id::HomeCluster => {
                self.bitmap_option(id, &word, value, mode)
            }
            Id::Uuid | Id::Name | Id::SuperMinor | Id::Metadata | Id::HomeHost => self.identity(id, &word),
            Id::Mail | Id::Program | Id::Increment | Id::Delay | Id::PidFile => self.monitor(id, given, mode),
            _ => self.rest(id, given, mode),
        }
    }

    /// Options without a value that mean the same in every mode that accepts them.
    fn flag(&mut self, id: Id) -> bool {
        match id {
            Id::Verbose => self.verbose = self.verbose.saturating_add(1),
            Id::Quiet => self.verbose = self.verbose.saturating_sub(1),
            Id::Brief => self.brief = true,
            Id::Export => self.export = true,
            Id::NoDevices => self.no_devices = true,
            Id::Json => self.json = true,
            Id::DryRun => self.dry_run = true,
            Id::Test => self.test = true,
            Id::Scan => self.scan = true,
            Id::Force => self.force = true,
            Id::Run => self.run = true,
            Id::ReadOnly => self.readonly = true,
            Id::AssumeClean => self.assume_clean = true,
            Id::WriteZeroes => self.write_zeroes = true,
            Id::WriteMostly => self.write_mostly = Some(true),
            Id::FailFast => self.failfast = Some(true),
            Id::Sparc22 => self.sparc22 = true,
            Id::Daemonise => self.daemonise = true,
            Id::OneShot => self.oneshot = true,
            Id::Syslog => self.syslog = true,
            Id::NoSharing => self.no_sharing = true,
            Id::NoDegraded => self.no_degraded = true,
            Id::InvalidBackup => self.invalid_backup = true,
            Id::Continue => self.cont = true,
            Id::Add => self.op = Some(ManageOp::Add),
            _ => return false,
        }
        true
    }

    /// What is particular to manage: operations on the devices that follow.
    fn manage(&mut self, id: Id) -> bool {
        match id {
            Id::Add => self.op = Some(ManageOp::Add),
            Id::AddSpare => self.op = Some(ManageOp::AddSpare),
            Id::AddJournal => self.op = Some(ManageOp::AddJournal),
            Id::ReAdd => self.op = Some(ManageOp::ReAdd),
            Id::Remove => self.op = Some(ManageOp::Remove),
            Id::Fail => self.op = Some(ManageOp::Fail),
            Id::Replace => self.op = Some(ManageOp::Replace),
            Id::ClusterConfirm => self.op = Some(ManageOp::ClusterConfirm),
            Id::ReadWrite => self.write_mostly = Some(false),
            Id::NoFailFast => self.failfast = Some(false),
            _ => return false,
        }
        true
    }

    fn incremental(&mut self, id: Id, given: &OsStr) -> bool {
        match id {
            Id::Fail | Id::Remove => self.op = Some(ManageOp::Fail),
            Id::RebuildMap => self.rebuild_map = true,
            Id::Path => self.path = Some(given.to_owned()),
            _ => return false,
        }
        true
    }

    fn misc_action(&mut self, id: Id, value: Option<&OsStr>) -> Result<Option<MiscAction>, UsageError> {
        let given = || value.unwrap_or_default().to_owned();
        let subarray = |taken: bool| {
            if taken { refuse("subarray can only be specified once") } else { Ok(text(&given())) }
        };
        let has_subarray =
            matches!(self.action, Some(MiscAction::KillSubarray(_) | MiscAction::UpdateSubarray(_)));
        Ok(Some(match id {
            Id::Query => MiscAction::Query,
            Id::Detail => MiscAction::Detail,
            Id::Examine => MiscAction::Examine,
            Id::ExamineBitmap => MiscAction::ExamineBitmap,
            Id::ExamineBadblocks => MiscAction::ExamineBadblocks,
            Id::DetailPlatform => MiscAction::DetailPlatform,
            Id::ZeroSuperblock => MiscAction::ZeroSuperblock,
            Id::KillSubarray => MiscAction::KillSubarray(subarray(has_subarray)?),
            Id::UpdateSubarray => MiscAction::UpdateSubarray(subarray(has_subarray)?),
            Id::Dump => MiscAction::Dump(self.directory(&given())?),
            Id::Restore => MiscAction::Restore(self.directory(&given())?),
            Id::UdevRules => match &self.action {
                Some(MiscAction::UdevRules(Some(first))) if value.is_some() => {
                    let first = first.clone();
                    let text = text(&given());
                    self.notices.push(format!("only specify one udev rule filename. {text} ignored."));
                    MiscAction::UdevRules(Some(first))
                }
                _ => MiscAction::UdevRules(value.map(OsStr::to_owned)),
            },
            Id::Run => MiscAction::Run,
            Id::Stop => MiscAction::Stop,
            Id::ReadOnly => MiscAction::ReadOnly,
            Id::ReadWrite => MiscAction::ReadWrite,
            Id::Wait => MiscAction::Wait,
            Id::WaitClean => MiscAction::WaitClean,
            Id::Action => self.sync_action(&text(&given()))?,
            _ => return Ok(None),
        }))
    }

    fn directory(&self, given: &OsStr) -> Result<OsString, UsageError> {
        match &self.action {
            Some(MiscAction::Dump(first) | MiscAction::Restore(first)) => {
                refuse(format!("dump/restore directory specified twice: {} and {}", text(first), text(given)))
            }
            _ => Ok(given.to_owned()),
        }
    }

    fn sync_action(&self, word: &str) -> Result<MiscAction, UsageError> {
        if matches!(self.action, Some(MiscAction::Sync(_))) {
            return refuse("Only one --action can be specified");
        }
        Ok(MiscAction::Sync(match word {
            "idle" => SyncAction::Idle,
            "frozen" => SyncAction::Frozen,
            "check" => SyncAction::Check,
            "repair" => SyncAction::Repair,
            _ => return refuse("action must be one of idle, frozen, check, repair"),
        }))
    }

    /// Each device keeps the action in force when it was read; only examine insists on being alone.
    fn set_action(&mut self, action: MiscAction, shown: &str) -> Done {
        if let (Some(old), Some(before)) = (&self.action, &self.action_shown) {
            let examine = |a: &MiscAction| matches!(a, MiscAction::Examine);
            if *old != action && (examine(old) || examine(&action)) {
                let other = if examine(old) { shown } else { before };
                return refuse(format!("--examine/-E cannot be given with {other}"));
            }
        }
        self.action = Some(action);
        self.action_shown = Some(shown.to_owned());
        Ok(())
    }

    fn shape(&mut self, id: Id, word: &str, mode: Option<Mode>) -> Done {
        match id {
            Id::Chunk => {
                if self.chunk.is_some() {
                    return refuse(format!(
                        "chunk/rounding may only be specified once. Second value is {word}."
                    ));
                }
                self.chunk = values::size(word).filter(|s| s.0 >= 8 && s.0 % 2 == 0);
                self.chunk.map_or_else(|| refuse(format!("invalid chunk/rounding value: {word}")), |_| Ok(()))
            }
            Id::Level => self.set_level(word, mode),
            Id::Layout => self.set_layout(word, mode),
            Id::RaidDevices | Id::SpareDevices => self.count(id, word),
            Id::Size => {
                if self.size.is_some() {
                    return refuse(format!("size may only be specified once. Second value is {word}."));
                }
                self.size = size_or_max(word).filter(|s| *s >= SizeOrMax::Size(Sectors(8)));
                self.size.map_or_else(|| refuse(format!("invalid size: {word}")), |_| Ok(()))
            }
            Id::ArraySize => {
                if self.array_size.is_some() {
                    return refuse(format!("array-size may only be specified once. Second value is {word}."));
                }
                self.array_size = size_or_max(word);
                self.array_size.map_or_else(|| refuse(format!("invalid array size: {word}")), |_| Ok(()))
            }
            _ => {
                if self.data_offset.is_some() {
                    return refuse(format!("data-offset may only be specified one. Second value is {word}."));
                }
                self.data_offset = match word {
                    "variable" => Some(DataOffset::Variable),
                    _ => values::size(word).map(DataOffset::Fixed),
                };
                self.data_offset.map_or_else(|| refuse(format!("invalid data-offset: {word}")), |_| Ok(()))
            }
        }
    }

    fn set_level(&mut self, word: &str, mode: Option<Mode>) -> Done {
        if self.level.is_some() {
            return refuse(format!("raid level may only be set once.  Second value is {word}."));
        }
        let Some(level) = values::level(word) else { return refuse(format!("invalid raid level: {word}")) };
        if mode == Some(Mode::Create)
            && matches!(level, Level::Raid0 | Level::Linear)
            && self.spares.is_some_and(|n| n > 0)
        {
            return refuse(format!("raid level {word} is incompatible with spare-devices setting."));
        }
        let buildable = matches!(
            level,
            Level::Linear | Level::Raid0 | Level::Raid1 | Level::Raid10 | Level::Multipath | Level::Faulty
        );
        if mode == Some(Mode::Build) && !buildable {
            return refuse(format!("Raid level {word} not permitted with --build."));
        }
        self.level = Some(level);
        Ok(())
    }

    fn set_layout(&mut self, word: &str, mode: Option<Mode>) -> Done {
        if self.layout_word.is_some() {
            return refuse(format!("layout may only be sent once.  Second value was {word}"));
        }
        self.layout_word = Some(word.to_owned());
        if mode == Some(Mode::Grow) {
            return Ok(());
        }
        let Some(level) = self.level else { return refuse("raid level must be given before layout.") };
        let name = level.name().unwrap_or("unknown");
        match values::layout(level, word) {
            Ok(number) => self.layout = Some(Layout::Number(number)),
            Err(BadLayout::NoLayouts) => return refuse(format!("layout not meaningful for {name} arrays.")),
            Err(BadLayout::Unknown) if level == Level::Raid10 => {
                return refuse(format!(
                    "layout for raid10 must be 'nNN', 'oNN' or 'fNN' where NN is a number, not {word}"
                ));
            }
            Err(BadLayout::Unknown) => return refuse(format!("layout {word} not understood for {name}.")),
        }
        Ok(())
    }

    fn count(&mut self, id: Id, word: &str) -> Done {
        let (field, least, what, twice) = if id == Id::RaidDevices {
            (&mut self.raid_devices, 1, "raid devices", "raid-devices")
        } else {
            (&mut self.spares, 0, "spare-devices", "spare-devices")
        };
        if let Some(first) = field {
            return refuse(format!("{twice} set twice: {first} and {word}"));
        }
        let number = values::number(word).and_then(|n| u32::try_from(n).ok());
        let Some(number) = number.filter(|n| *n >= least && i32::try_from(*n).is_ok()) else {
            return refuse(format!("invalid number of {what}: {word}"));
        };
        *field = Some(number);
        let no_spares = self.level.filter(|level| matches!(level, Level::Raid0 | Level::Linear));
        if let (Id::SpareDevices, 1.., Some(level)) = (id, number, no_spares) {
            return refuse(format!(
                "spare-devices setting is incompatible with raid level {}",
                level.number()
            ));
        }
        Ok(())
    }

    fn bitmap_option(&mut self, id: Id, word: &str, value: Option<&OsStr>, mode: Option<Mode>) -> Done {
        match id {
            Id::Bitmap if mode == Some(Mode::Assemble) => {
                // In the original only `clustered` passes here, by accident; `internal` is as harmless.
                if !matches!(word, "internal" | "clustered") {
                    return refuse(format!("bitmap file is not supported {word}"));
                }
                self.notices.push(
                    "no need to specify --bitmap when assembling arrays with internal or clustered bitmap"
                        .to_owned(),
                );
            }
            Id::Bitmap => {
                if self.bitmap.is_some() {
                    return refuse(format!("--bitmap cannot be set twice. Second value: \"{word}\"."));
                }
                if word.contains('/') {
                    return refuse("Custom write-intent bitmap file option is not supported.");
                }
                let Some(kind) = values::bitmap(word) else {
                    return refuse(format!(
                        "--bitmap value must be 'internal', 'clustered' or 'none'\nCurrent value is \"{word}\""
                    ));
                };
                self.bitmap = Some(kind);
            }
            Id::BitmapChunk => {
                self.bitmap_chunk = values::bitmap_chunk(word);
                if self.bitmap_chunk.is_none() {
                    return refuse(format!("invalid bitmap chunksize: {word}"));
                }
            }
            Id::WriteBehind => {
                let number = value.map_or(Some(256), |_| values::number(word));
                self.write_behind = number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 16383);
                if self.write_behind.is_none() {
                    return refuse(format!(
                        "Invalid value for maximum outstanding write-behind writes: {word}.\n\tMust be between 0 and 16383."
                    ));
                }
            }
            Id::Nodes => {
                let number = values::number(word).and_then(|n| u32::try_from(n).ok());
                self.nodes = number.filter(|n| *n >= 2);
                if self.nodes.is_none() {
                    return refuse(format!("clustered array needs two nodes at least: {word}"));
                }
            }
            _ => {
                if word.len() > 64 {
                    return refuse("Cluster name too big.");
                }
                self.home_cluster = Some(word.to_owned());
            }
        }
        Ok(())
    }

    fn identity(&mut self, id: Id, word: &str) -> Done {
        match id {
            Id::Uuid => {
                if self.uuid.is_some() {
                    return refuse(format!("uuid cannot be set twice.  Second value {word}."));
                }
                self.uuid = Some(word.parse().or_else(|_| refuse(format!("Bad uuid: {word}")))?);
            }
            Id::Name => {
                let why = if self.name.is_some() { "Already defined" } else { "Too long or empty" };
                if self.name.is_some() || word.is_empty() || word.len() > 32 {
                    return refuse(format!("Value \"{word}\" cannot be set as name. Reason: {why}."));
                }
                self.name = Some(word.to_owned());
            }
            Id::SuperMinor => {
                if self.super_minor.is_some() {
                    return refuse(format!("super-minor cannot be set twice.  Second value: {word}."));
                }
                self.super_minor = Some(match word {
                    "dev" => SuperMinor::OfNode,
                    _ => values::number(word)
                        .and_then(|n| u32::try_from(n).ok())
                        .map(SuperMinor::Number)
                        .map_or_else(|| refuse(format!("Bad super-minor number: {word}.")), Ok)?,
                });
            }
            Id::Metadata => {
                if self.metadata.is_some() {
                    return refuse("metadata information already given");
                }
                self.metadata = Metadata::from_name(word);
                if self.metadata.is_none() {
                    return refuse(format!("unrecognised metadata identifier: {word}"));
                }
            }
            _ => match word {
                "<ignore>" => self.ignore_homehost = true,
                _ => self.homehost = Some(HostName::from_word(word)),
            },
        }
        Ok(())
    }

    /// Options of monitor, of which a second one is only remarked upon; and the delay, also the bitmap's.
    fn monitor(&mut self, id: Id, given: &OsStr, mode: Option<Mode>) -> Done {
        let word = text(given);
        let mut once = |taken: bool, what: &str| {
            if taken {
                self.notices.push(format!("only specify {what}. {word} ignored."));
            }
            !taken
        };
        match id {
            Id::Mail if once(self.mail.is_some(), "one mailaddress") => self.mail = Some(word),
            Id::Program if once(self.program.is_some(), "one alter program") => {
                self.program = Some(given.to_owned());
            }
            Id::PidFile if once(self.pid_file.is_some(), "one pid file") => {
                self.pid_file = Some(given.to_owned());
            }
            Id::Increment => {
                self.increment = values::number(&word)
                    .and_then(|n| u32::try_from(n).ok())
                    .filter(|n| (1..=99).contains(n));
                if self.increment.is_none() {
                    return refuse("please specify positive integer between 1 and 99 as rebuild increments.");
                }
            }
            Id::Delay if mode != Some(Mode::Monitor) || once(self.delay.is_some(), "delay once") => {
                let number = values::number(&word).and_then(|n| u32::try_from(n).ok());
                self.delay = number.filter(|n| *n > 0 && i32::try_from(*n).is_ok());
                if self.delay.is_none() {
                    return refuse(format!("invalid delay: {word}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn rest(&mut self, id: Id, given: &OsStr, mode: Option<Mode>) -> Done {
        let word = text(given);
        match id {
            Id::Config => {
                if self.config.is_some() {
                    return refuse(format!("configfile cannot be set twice.  Second value is {word}."));
                }
                self.config = Some(given.to_owned());
            }
            Id::WriteJournal if self.journal.is_some() => {
                self.notices.push("Please specify only one journal device for the array.".to_owned());
                self.notices.push(format!("Ignoring --write-journal {word}..."));
            }
            Id::WriteJournal => self.journal = Some((given.to_owned(), self.words.len())),
            Id::ConsistencyPolicy => {
                self.consistency_policy = values::consistency_policy(&word);
                if self.consistency_policy.is_none() {
                    return refuse(format!("Invalid consistency policy: {word}"));
                }
            }
            Id::LogicalBlockSize => self.set_logical_block_size(&word)?,
            Id::BackupFile => {
                if self.backup_file.is_some() {
                    return refuse(format!("backup file already specified, rejecting {word}"));
                }
                self.backup_file = Some(given.to_owned());
            }
            Id::Prefer => self.prefer = Some(word),
            Id::Auto => {
                self.notices.push("--auto is deprecated and will be removed in future releases.".to_owned())
            }
            Id::Update => self.set_update(&word, mode)?,
            Id::With => {
                if self.op != Some(ManageOp::Replace) {
                    return refuse("--with must follow --replace");
                }
                self.op = Some(ManageOp::With);
            }
            Id::Stop => self.stop = true,
            _ => {}
        }
        Ok(())
    }

    fn set_logical_block_size(&mut self, word: &str) -> Done {
        if matches!(self.metadata, Some(Metadata::V0 | Metadata::Ddf | Metadata::Imsm)) {
            return refuse("The logical block size is only supported for metadata 1.x.");
        }
        let Some(number) = values::number(word) else {
            return refuse(format!("logical block size [{word}] can't be converted to an integer"));
        };
        self.logical_block_size = u32::try_from(number).ok().filter(|n| *n > 0);
        if self.logical_block_size.is_none() {
            return refuse(format!(
                "The range of logical-block-size is (0, 4294967295], current is {number}"
            ));
        }
        Ok(())
    }

    fn set_update(&mut self, word: &str, mode: Option<Mode>) -> Done {
        if let Some(first) = self.update {
            return refuse(format!(
                "Can only update one aspect of superblock, both {} and {word} given.",
                first.name()
            ));
        }
        let allowed: &[Update] = match mode {
            Some(Mode::Manage) => {
                if self.op != Some(ManageOp::ReAdd) {
                    return Err(UsageError::status("--update in Manage mode only allowed with --re-add.", 1));
                }
                Update::RE_ADD
            }
            Some(Mode::Misc) => {
                if !matches!(self.action, Some(MiscAction::UpdateSubarray(_))) {
                    return refuse("Only subarrays can be updated in misc mode");
                }
                Update::SUBARRAY
            }
            _ => Update::ASSEMBLE,
        };
        self.update = allowed.iter().copied().find(|update| update.name() == word);
        if self.update.is_some() {
            return Ok(());
        }
        let names: Vec<String> = allowed.iter().map(|update| format!("'{}'", update.name())).collect();
        refuse(match mode {
            Some(Mode::Manage) => format!("only {} can be updated with --re-add", and(&names)),
            Some(Mode::Misc) => format!(
                "'--update={word}' is invalid update-subarray option. Valid --update options for update-subarray are:\n\t{}",
                names.join(", ")
            ),
            _ => format!(
                "'--update={word}' is invalid update option. Valid --update options are:\n\t{}",
                names.join(", ")
            ),
        })
    }
}

fn size_or_max(word: &str) -> Option<SizeOrMax> {
    if word == "max" { Some(SizeOrMax::Max) } else { values::size(word).map(SizeOrMax::Size) }
}

fn and(names: &[String]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{}, and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
