//! What was typed, and nothing else: each option sets its field, in the order of the command line.
//!
//! Refusals of a single value are made here, at the option, like the original does; what depends on several
//! options is checked in `make`.

mod identity;
mod make;
mod shape;

pub(super) use identity::no_logical_block_size;

use std::ffi::{OsStr, OsString};

use superblock::{Bytes, Level, MdUuid, Sectors};

use super::{
    UsageError,
    options::{self, Mode, OptionId},
    values::{self, Layout},
};
use crate::{
    config::HostName,
    request::{
        BitmapKind, ConsistencyPolicy, DataOffset, ManageOp, Metadata, MiscAction, SizeOrMax, SuperMinor,
        Update,
    },
    words::SyncAction,
};

/// A bare word with the position-dependent options that were in force when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct BareWord {
    pub text: OsString,
    pub op: Option<ManageOp>,
    pub action: Option<MiscAction>,
    /// `None` where neither form of the option came before.
    pub write_mostly: Option<bool>,
    pub failfast: Option<bool>,
}

/// Everything that was typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LowArgs {
    pub mode: Option<Mode>,
    pub words: Vec<BareWord>,
    /// Things to tell that do not end the command.
    pub notices: Vec<String>,

    pub verbose: i32,
    pub brief: bool,
    pub export: bool,
    pub no_devices: bool,
    pub json: bool,
    pub dry_run: bool,
    pub no_archive: bool,
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
    pub destroy: Option<MdUuid>,
    pub name: Option<String>,
    pub super_minor: Option<SuperMinor>,

    pub update: Option<Update>,
    pub no_degraded: bool,
    pub backup_file: Option<OsString>,
    pub invalid_backup: bool,
    pub cont: bool,
    pub revert: bool,
    pub rebuild_map: bool,
    pub path: Option<OsString>,
    pub sparc22: bool,

    pub op: Option<ManageOp>,
    pub action: Option<MiscAction>,
    /// The letter of the last action, where it has one.
    pub action_letter: Option<char>,
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
        self.words.push(BareWord {
            text,
            op: self.op,
            action: self.action.clone(),
            write_mostly: self.write_mostly,
            failfast: self.failfast,
        });
    }

    /// An option that the mode accepts. `value` is empty for one without.
    pub fn option(&mut self, id: OptionId, shown: &str, value: Option<&OsStr>, mode: Option<Mode>) -> Done {
        let given = value.unwrap_or_default();
        match mode {
            Some(Mode::Manage) if self.manage(id) => return Ok(()),
            Some(Mode::Incremental) if self.incremental(id, given) => return Ok(()),
            Some(Mode::Misc) => {
                if let Some(action) = self.misc_action(id, value)? {
                    return self.set_action(action, id, shown);
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
            OptionId::Chunk
            | OptionId::Level
            | OptionId::Layout
            | OptionId::RaidDevices
            | OptionId::SpareDevices
            | OptionId::Size
            | OptionId::ArraySize
            | OptionId::DataOffset => self.shape(id, &word, mode),
            OptionId::Bitmap
            | OptionId::BitmapChunk
            | OptionId::WriteBehind
            | OptionId::Nodes
            | OptionId::HomeCluster => self.bitmap_option(id, &word, value, mode),
            OptionId::Uuid
            | OptionId::Destroy
            | OptionId::Name
            | OptionId::SuperMinor
            | OptionId::Metadata
            | OptionId::HomeHost => self.identity(id, &word, mode),
            OptionId::Mail
            | OptionId::Program
            | OptionId::Increment
            | OptionId::Delay
            | OptionId::PidFile => self.monitor(id, given),
            _ => self.rest(id, given, mode),
        }
    }

    /// Options without a value that mean the same in every mode that accepts them.
    fn flag(&mut self, id: OptionId) -> bool {
        match id {
            OptionId::Verbose => self.verbose = self.verbose.saturating_add(1),
            OptionId::Quiet => self.verbose = self.verbose.saturating_sub(1),
            OptionId::Brief => self.brief = true,
            OptionId::Export => self.export = true,
            OptionId::NoDevices => self.no_devices = true,
            OptionId::Json => self.json = true,
            OptionId::DryRun => self.dry_run = true,
            OptionId::NoArchive => self.no_archive = true,
            OptionId::Test => self.test = true,
            OptionId::Scan => self.scan = true,
            OptionId::Force => self.force = true,
            OptionId::Run if !self.stop => self.run = true,
            OptionId::ReadOnly => self.readonly = true,
            OptionId::AssumeClean => self.assume_clean = true,
            OptionId::WriteZeroes => self.write_zeroes = true,
            OptionId::WriteMostly => self.write_mostly = Some(true),
            OptionId::FailFast => self.failfast = Some(true),
            OptionId::Daemonise => self.daemonise = true,
            OptionId::OneShot => self.oneshot = true,
            OptionId::Syslog => self.syslog = true,
            OptionId::NoSharing => self.no_sharing = true,
            OptionId::NoDegraded => self.no_degraded = true,
            OptionId::InvalidBackup => self.invalid_backup = true,
            OptionId::Continue => self.cont = true,
            OptionId::Revert => self.revert = true,
            OptionId::Add => self.op = Some(ManageOp::Add),
            _ => return false,
        }
        true
    }

    /// What is particular to manage: operations on the devices that follow.
    fn manage(&mut self, id: OptionId) -> bool {
        match id {
            OptionId::Add => self.op = Some(ManageOp::Add),
            OptionId::AddSpare => self.op = Some(ManageOp::AddSpare),
            OptionId::AddJournal => self.op = Some(ManageOp::AddJournal),
            OptionId::ReAdd => self.op = Some(ManageOp::ReAdd),
            OptionId::Remove => self.op = Some(ManageOp::Remove),
            OptionId::Fail => self.op = Some(ManageOp::Fail),
            OptionId::Replace => self.op = Some(ManageOp::Replace),
            OptionId::ClusterConfirm => self.op = Some(ManageOp::ClusterConfirm),
            OptionId::ReadWrite => self.write_mostly = Some(false),
            OptionId::NoFailFast => self.failfast = Some(false),
            _ => return false,
        }
        true
    }

    fn incremental(&mut self, id: OptionId, given: &OsStr) -> bool {
        match id {
            OptionId::Fail | OptionId::Remove => self.op = Some(ManageOp::Fail),
            OptionId::RebuildMap => self.rebuild_map = true,
            OptionId::Path => self.path = Some(given.to_owned()),
            _ => return false,
        }
        true
    }

    fn misc_action(&mut self, id: OptionId, value: Option<&OsStr>) -> Result<Option<MiscAction>, UsageError> {
        let given = || value.unwrap_or_default().to_owned();
        let subarray = |taken: bool| {
            if taken { refuse("subarray can only be specified once") } else { Ok(text(&given())) }
        };
        let has_subarray = self.has_subarray();
        Ok(Some(match id {
            OptionId::Query => MiscAction::Query,
            OptionId::Detail => MiscAction::Detail,
            OptionId::Examine => MiscAction::Examine,
            OptionId::ExamineBitmap => MiscAction::ExamineBitmap,
            OptionId::ExamineBadblocks => MiscAction::ExamineBadblocks,
            OptionId::DetailPlatform => MiscAction::DetailPlatform,
            OptionId::ZeroSuperblock => MiscAction::ZeroSuperblock,
            OptionId::KillSubarray => MiscAction::KillSubarray(subarray(has_subarray)?),
            OptionId::UpdateSubarray => MiscAction::UpdateSubarray(subarray(has_subarray)?),
            OptionId::Dump => MiscAction::Dump(self.directory(&given())?),
            OptionId::Restore => MiscAction::Restore(self.directory(&given())?),
            OptionId::UdevRules => match &self.action {
                Some(MiscAction::UdevRules(Some(first))) if value.is_some() => {
                    let first = first.clone();
                    let text = text(&given());
                    self.notices.push(format!("only specify one udev rule filename. {text} ignored."));
                    MiscAction::UdevRules(Some(first))
                }
                _ => MiscAction::UdevRules(value.map(OsStr::to_owned)),
            },
            OptionId::Run => MiscAction::Run,
            OptionId::Stop => MiscAction::Stop,
            OptionId::ReadOnly => MiscAction::ReadOnly,
            OptionId::ReadWrite => MiscAction::ReadWrite,
            OptionId::Wait => MiscAction::Wait,
            OptionId::WaitClean => MiscAction::WaitClean,
            OptionId::Action => self.sync_action(&text(&given()))?,
            _ => return Ok(None),
        }))
    }

    /// Whether the action is about an array in a container.
    fn has_subarray(&self) -> bool {
        matches!(self.action, Some(MiscAction::KillSubarray(_) | MiscAction::UpdateSubarray(_)))
    }

    fn updates_subarray(&self) -> bool {
        matches!(self.action, Some(MiscAction::UpdateSubarray(_)))
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

    /// Each device keeps the action in force when it was read; only examine insists on being alone, but
    /// takes over from query, which is what happens anyway.
    fn set_action(&mut self, action: MiscAction, id: OptionId, shown: &str) -> Done {
        match (&self.action, &action) {
            // The original remarks upon it, and forgets the examination.
            (Some(_), MiscAction::UdevRules(_)) if !matches!(self.action, Some(MiscAction::UdevRules(_))) => {
                self.notices.push("--udev-rules must be the only option.".to_owned());
            }
            (Some(MiscAction::Examine), MiscAction::Examine) => {}
            (Some(MiscAction::Examine), _) => {
                return refuse(format!("--examine/-E cannot be given with {shown}"));
            }
            (Some(old), MiscAction::Examine) if *old != MiscAction::Query => {
                let before = self.action_letter.map(|letter| format!("-{letter}"));
                let before = before.as_deref().unwrap_or("previous option");
                return refuse(format!("--examine/-E cannot be given with {before}"));
            }
            (_, _) => {}
        }
        self.action = Some(action);
        // The original knows `--wait` by a code that is no letter.
        let letter = options::by_id(id).letters.first().filter(|_| shown != "--wait");
        self.action_letter = letter.map(|(letter, _)| *letter);
        Ok(())
    }

    fn rest(&mut self, id: OptionId, given: &OsStr, mode: Option<Mode>) -> Done {
        let word = text(given);
        match id {
            OptionId::Config => {
                if self.config.is_some() {
                    return refuse(format!("configfile cannot be set twice.  Second value is {word}."));
                }
                self.config = Some(given.to_owned());
            }
            OptionId::WriteJournal if self.journal.is_some() => {
                self.notices.push("Please specify only one journal device for the array.".to_owned());
                self.notices.push(format!("Ignoring --write-journal {word}..."));
            }
            OptionId::WriteJournal => self.journal = Some((given.to_owned(), self.words.len())),
            OptionId::ConsistencyPolicy => {
                self.consistency_policy = values::consistency_policy(&word);
                if self.consistency_policy.is_none() {
                    return refuse(format!("Invalid consistency policy: {word}"));
                }
            }
            OptionId::LogicalBlockSize => self.set_logical_block_size(&word)?,
            OptionId::BackupFile => {
                if self.backup_file.is_some() {
                    return refuse(format!("backup file already specified, rejecting {word}"));
                }
                self.backup_file = Some(given.to_owned());
            }
            OptionId::Prefer => self.prefer = Some(word),
            OptionId::Update => self.set_update(&word, mode)?,
            OptionId::With => {
                if self.op != Some(ManageOp::Replace) {
                    return refuse("--with must follow --replace");
                }
                self.op = Some(ManageOp::With);
            }
            OptionId::Stop if self.run => return refuse("Cannot both Run and Stop an array"),
            OptionId::Stop => self.stop = true,
            OptionId::Run => return refuse("Cannot both Stop and Run an array"),
            OptionId::Sparc22 => {
                if self.action != Some(MiscAction::Examine) {
                    return refuse("--sparc2.2 only allowed with --examine");
                }
                self.sparc22 = true;
            }
            other if is_passed_over(other) => {}
            other => return no_effect(other),
        }
        Ok(())
    }
}

/// Options that only choose a mode, were answered before, or mean nothing any more.
fn is_passed_over(id: OptionId) -> bool {
    let chooses_a_mode = matches!(
        id,
        OptionId::Manage
            | OptionId::Misc
            | OptionId::Assemble
            | OptionId::Build
            | OptionId::Create
            | OptionId::Follow
            | OptionId::Grow
            | OptionId::Incremental
            | OptionId::AutoDetect
    );
    chooses_a_mode
        || matches!(
            id,
            OptionId::Auto
                | OptionId::OffRoot
                | OptionId::UseDevlinks
                | OptionId::Help
                | OptionId::HelpOptions
                | OptionId::Version
        )
}

/// An option with a row in the table and without an effect must not be dropped in silence.
fn no_effect<T>(id: OptionId) -> Result<T, UsageError> {
    refuse(format!("--{} has no effect here: this is a bug", options::by_id(id).names.first().unwrap_or(&"")))
}
