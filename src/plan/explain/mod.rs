//! Why an array is not, or not fully, up; or why a device is in none. Findings with their evidence, what is still
//! needed, and the safest next command. What is true of members is decided by assembly's own functions.

mod device;
mod forced;
mod former;
mod idle;
mod kernel;
pub(in crate::plan) use kernel::module;
mod label;
mod member;
mod names;
mod only_copy;
mod overwritten;
mod reshape;
mod running;
mod sides;
mod stopped;
mod subject;
mod waiting;

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use superblock::MdUuid;

use crate::model::order::InOrder as _;
use crate::{
    model::{
        Candidate as Looked, Sight,
        clock::ctime,
        human::{duration, shell_word},
        status::ArrayStatus,
        world::LogLine,
    },
    plan::assemble::{Claim, Session},
};

pub use idle::Idle;
pub use subject::{FoundWord, Subject};

/// Everything that was looked at.
#[derive(Debug)]
pub struct ExplainScene<'a> {
    /// Arrays in the kernel.
    pub arrays: &'a [ArrayStatus],
    /// Devices, read as assembly reads them.
    pub sights: &'a [Sight],
    /// The same as assembly judges them; in the order of `sights`.
    pub session: &'a Session<'a>,
    /// The device that is asked about, with all that is on it and those who hold it.
    pub device: Option<&'a Looked>,
    /// The kernel's log lines about md, oldest first.
    pub log: &'a [LogLine],
    /// The zone for dates.
    pub zone: &'a TimeZone,
}

/// What there is to say about one array or device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What it is about: the path of an array or device, a UUID.
    pub subject: String,
    /// The array, where there is one.
    pub uuid: Option<MdUuid>,
    /// The state in one sentence.
    pub summary: String,
    /// The array's devices, as their own metadata tells it.
    pub devices: Vec<ExplainSeen>,
    /// What was found, what matters most first.
    pub findings: Vec<Finding>,
}

/// One device of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainSeen {
    /// Its path.
    pub path: String,
    /// What it is by its own metadata: `slot 1`, `spare`.
    pub role: String,
    /// Its event count.
    pub events: u64,
    /// Its last update, seconds since 1970.
    pub updated: u64,
    /// What it is to the array now.
    pub standing: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Keeps the array from running, or the device from its array.
    Blocks,
    /// The array runs with less protection, or less than it could do.
    Weakens,
    /// Worth knowing.
    Note,
}

/// What to run next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextCommand {
    /// The words, not quoted.
    pub words: Vec<String>,
    /// What it does, and to what.
    pub effect: String,
}

impl NextCommand {
    fn new<'a>(words: impl IntoIterator<Item = &'a str>, effect: impl Into<String>) -> Self {
        Self { words: words.into_iter().map(str::to_owned).collect(), effect: effect.into() }
    }

    /// The line to paste into a shell.
    #[must_use]
    pub fn line(&self) -> String {
        self.words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// What was found. The codes are part of the JSON schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in JSON.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

kinds! {
    /// Nothing is wrong.
    Fine = "fine",
    /// It is whole on the devices and nobody has started it.
    NotAssembled = "not_assembled",
    /// It is in the kernel, and was not started.
    NotStarted = "not_started",
    /// Nothing says that it is this slot.
    MemberMissing = "member_missing",
    /// The array went on without it.
    Stale = "stale",
    /// Two histories.
    Split = "split_brain",
    /// It alone has something that the array lacks.
    OnlyCopy = "only_copy",
    /// It is a copy of another member.
    Copy = "copy_of_member",
    /// It was last written before another member with its event count.
    Older = "older_member",
    /// Its blocks are larger than those of the other members.
    LargerBlocks = "larger_blocks",
    /// Two devices for one slot.
    Duplicate = "duplicate_slot",
    /// It failed while the array ran.
    Failed = "member_failed",
    /// Its own metadata says that it failed.
    MarkedFaulty = "marked_faulty",
    /// Read errors or bad blocks.
    Worn = "errors_or_bad_blocks",
    /// The checksum of its metadata is wrong.
    Checksum = "bad_checksum",
    /// Its metadata is damaged or of a newer kind.
    Unreadable = "metadata_unusable",
    /// It is smaller than its metadata says.
    TooSmall = "too_small",
    /// It cannot be opened or read.
    NoAccess = "cannot_be_read",
    /// Somebody has it.
    Held = "held",
    /// It describes another shape of the array, or a slot that there is not.
    Misfit = "does_not_fit",
    /// Too few members.
    NotEnough = "not_enough_members",
    /// Too few members to trust the parity after writes were cut off.
    DirtyDegraded = "dirty_degraded",
    /// The journal is missing or out of date.
    JournalMissing = "journal_missing",
    /// The bitmap is missing or damaged.
    BitmapUnusable = "bitmap_unusable",
    /// A RAID0 of members of more than one size whose layout is not recorded: which of two it has nobody can tell.
    LayoutUnknown = "layout_unrecorded",
    /// The kernel refused something: its own words.
    KernelRefused = "kernel_refused",
    /// The array is another host's.
    Foreign = "foreign_host",
    /// Why it has the name that it has.
    Name = "name",
    /// A reshape was cut off.
    Reshape = "reshape_interrupted",
    /// It is read-only.
    ReadOnly = "read_only",
    /// It is read-only until the first write.
    ReadAuto = "read_auto",
    /// A resync waits for the first write.
    SyncPending = "sync_pending",
    /// A resync waits for another array.
    SyncDelayed = "sync_delayed",
    /// A resync runs.
    SyncRunning = "sync_running",
    /// Synchronisation is switched off.
    SyncFrozen = "sync_frozen",
    /// A spare waits although a slot is free.
    SpareIdle = "spare_idle",
    /// A check found differences.
    Mismatches = "mismatches",
    /// The configuration keeps it down.
    Configured = "configuration",
    /// It is no member of any array.
    NotMember = "no_md_metadata",
    /// It was a member until a command took its superblock, which is kept.
    Former = "former_member",
    /// An undo brought its superblock back; its data was written over before that.
    Overwritten = "data_overwritten",
    /// It was a physical volume of a group that counts on it; its label is gone.
    FormerLabel = "former_physical_volume",
    /// It is a member and in its place.
    Member = "member",
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// How bad.
    pub severity: Severity,
    /// The device that it is about; `None`: the whole array.
    pub device: Option<String>,
    /// The sentence.
    pub text: String,
    /// What shows it.
    pub evidence: Vec<String>,
    /// What is still needed.
    pub needs: Option<String>,
    /// The safest next command.
    pub command: Option<NextCommand>,
}

impl Finding {
    fn new(kind: Kind, severity: Severity, text: impl Into<String>) -> Self {
        Self { kind, severity, device: None, text: text.into(), evidence: vec![], needs: None, command: None }
    }

    fn of(self, device: &str) -> Self {
        Self { device: Some(device.to_owned()), ..self }
    }

    fn because(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    fn also(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn needs(self, what: impl Into<String>) -> Self {
        Self { needs: Some(what.into()), ..self }
    }

    /// Whether it leads on by `--force` and not otherwise.
    fn is_by_force(&self) -> bool {
        self.command.as_ref().is_some_and(|next| next.effect.contains("--force"))
    }

    fn command(self, command: Option<NextCommand>) -> Self {
        Self { command, ..self }
    }

    fn try_next(self, command: NextCommand) -> Self {
        Self { command: Some(command), ..self }
    }
}

impl Explanation {
    /// The worst findings first, in the order in which they were found.
    fn sorted(mut self) -> Self {
        self.findings.order_by_key(|finding| finding.severity);
        self
    }

    /// The safest next command of all: that of the worst finding that has one. A mere note's does not stand in for
    /// what is wrong, and what was erased on purpose need not come back.
    #[must_use]
    pub fn next(&self) -> Option<&NextCommand> {
        let counts = |finding: &&Finding| {
            finding.severity != Severity::Note || self.is_fine() && finding.kind != Kind::Former
        };
        self.findings.iter().filter(counts).find_map(|finding| finding.command.as_ref())
    }

    /// Whether anything is wrong.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }
}

/// What there is to say of devices with metadata that no DEVICE line allows.
#[must_use]
pub fn kept_away(paths: &[&str]) -> String {
    let paths = paths.join(", ");
    format!(
        "no DEVICE line of mdadm.conf allows {paths}, so they are not assembled automatically; add them to one"
    )
}

/// Explains a subject.
#[must_use]
pub fn explain(scene: &ExplainScene<'_>, subject: &Subject) -> Explanation {
    match subject {
        Subject::Array { running, uuid } => {
            let array = running.and_then(|index| scene.arrays.get(index));
            scene.array(array, *uuid).sorted()
        }
        Subject::Device(path) => device::explain(scene, path).sorted(),
    }
}

impl ExplainScene<'_> {
    fn array(&self, array: Option<&ArrayStatus>, uuid: Option<MdUuid>) -> Explanation {
        match array {
            Some(array) if array.is_running() => running::explain(self, array),
            Some(array) => stopped::explain(self, Some(array), uuid.or_else(|| self.uuid_of(array))),
            None => stopped::explain(self, None, uuid),
        }
    }

    /// What the devices say, all of them.
    fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.session.candidates.iter().filter_map(|candidate| candidate.claim.as_ref().ok())
    }

    /// What the devices of one array say.
    fn claims_of(&self, uuid: MdUuid) -> Vec<Claim> {
        self.claims().filter(|claim| claim.facts.array == uuid).cloned().collect()
    }

    /// The array's UUID, by a member where the kernel does not tell it.
    fn uuid_of(&self, array: &ArrayStatus) -> Option<MdUuid> {
        let inside = |claim: &&Claim| array.members.iter().any(|member| member.id == Some(claim.id));
        array.uuid.or_else(|| self.claims().find(inside).map(|claim| claim.facts.array))
    }

    /// A moment, and how long ago it was.
    fn when(&self, seconds: u64) -> String {
        let ago = self.session.world.now.seconds.checked_sub(seconds);
        let ago = ago.map(|ago| format!(" ({} ago)", duration(ago))).unwrap_or_default();
        format!("{}{ago}", ctime(seconds, self.zone))
    }

    fn sight(&self, claim: &Claim) -> Option<&Sight> {
        self.sights.iter().find(|sight| sight.path == claim.path)
    }
}
