//! The one table of the `mdadm` grammar: every option, its spellings, its argument, and where it is valid.
//!
//! Parser, help, completions and the check of the manual page all derive from [`TABLE`]. Its order is the
//! order in which the possibilities of an ambiguous abbreviation are listed.

use std::fmt;

/// A mode of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Assemble,
    Build,
    Create,
    Grow,
    Incremental,
    Manage,
    Misc,
    Monitor,
    AutoDetect,
}

impl Mode {
    pub const ALL: [Self; 9] = [
        Self::Assemble,
        Self::Build,
        Self::Create,
        Self::Grow,
        Self::Incremental,
        Self::Manage,
        Self::Misc,
        Self::Monitor,
        Self::AutoDetect,
    ];

    /// The name that messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Assemble => "assemble",
            Self::Build => "build",
            Self::Create => "create",
            Self::Grow => "grow",
            Self::Incremental => "incremental",
            Self::Manage => "manage",
            Self::Misc => "misc",
            Self::Monitor => "monitor",
            Self::AutoDetect => "auto-detect",
        }
    }

    /// The letter of the mode's column in [`Modes`].
    fn column(self) -> char {
        match self {
            Self::Assemble => 'A',
            Self::Build => 'B',
            Self::Create => 'C',
            Self::Grow => 'G',
            Self::Incremental => 'I',
            Self::Manage => 'M',
            Self::Misc => 'X',
            Self::Monitor => 'F',
            Self::AutoDetect => 'D',
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of modes, written with one letter each: `A`ssemble `B`uild `C`reate `G`row `I`ncremental `M`anage
/// misc `X` monitor `F` auto-`D`etect, and `-` for "no mode chosen yet".
#[derive(Clone, Copy, Debug)]
pub struct Modes(pub &'static str);

/// Valid everywhere, also before a mode is chosen.
pub const ALL: Modes = Modes("-ABCGIMXFD");

impl Modes {
    /// Whether `mode` is in the set; `None` asks for "no mode chosen yet".
    pub fn has(self, mode: Option<Mode>) -> bool {
        self.0.contains(mode.map_or('-', Mode::column))
    }
}

/// Whether an option takes an argument; the text names it in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    No,
    Required(&'static str),
    Optional(&'static str),
}

/// How an option chooses the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// Not at all: it needs a mode to be known.
    Nothing,
    /// Not at all, and it may stand before the mode.
    Anywhere,
    /// Always; a conflict where another mode is chosen.
    Always(Mode),
    /// Only where none is chosen yet.
    IfNone(Mode),
}

/// The meaning of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptionId {
    Manage,
    Misc,
    Assemble,
    Build,
    Create,
    Detail,
    Examine,
    Follow,
    Grow,
    Incremental,
    ZeroSuperblock,
    Query,
    ExamineBitmap,
    AutoDetect,
    DetailPlatform,
    KillSubarray,
    UpdateSubarray,
    UdevRules,
    OffRoot,
    UseDevlinks,
    ExamineBadblocks,
    Dump,
    Restore,
    Help,
    HelpOptions,
    Version,
    Verbose,
    Quiet,
    Chunk,
    Level,
    Layout,
    RaidDevices,
    SpareDevices,
    Size,
    Auto,
    AssumeClean,
    WriteZeroes,
    Metadata,
    Bitmap,
    BitmapChunk,
    WriteBehind,
    WriteMostly,
    FailFast,
    NoFailFast,
    ReAdd,
    HomeHost,
    DataOffset,
    Nodes,
    HomeCluster,
    WriteJournal,
    ConsistencyPolicy,
    LogicalBlockSize,
    Uuid,
    SuperMinor,
    Name,
    Config,
    Scan,
    Force,
    Update,
    Add,
    AddSpare,
    AddJournal,
    Remove,
    Fail,
    Replace,
    With,
    Run,
    Stop,
    ReadOnly,
    ReadWrite,
    NoDegraded,
    Wait,
    WaitClean,
    Action,
    ClusterConfirm,
    Brief,
    NoDevices,
    Export,
    Sparc22,
    Test,
    Prefer,
    Mail,
    Program,
    Increment,
    Delay,
    Daemonise,
    OneShot,
    PidFile,
    Syslog,
    NoSharing,
    BackupFile,
    InvalidBackup,
    ArraySize,
    Continue,
    Revert,
    RebuildMap,
    Path,
    Json,
    DryRun,
    NoArchive,
    Destroy,
}

impl OptionId {
    /// Whether mdadm 4.6 does not have it.
    pub fn is_new(self) -> bool {
        matches!(
            self,
            Self::Json | Self::Revert | Self::DryRun | Self::NoArchive | Self::Destroy | Self::UseDevlinks
        )
    }
}

/// One option.
#[derive(Debug)]
pub struct Opt {
    pub id: OptionId,
    /// Long spellings, the first being the one that help shows.
    pub names: &'static [&'static str],
    pub arg: Arg,
    pub sets: Sets,
    /// Modes in which it is accepted.
    pub modes: Modes,
    /// Letters, each with the modes in which it means this option.
    pub letters: &'static [(char, Modes)],
    /// One line of help.
    pub help: &'static str,
}

/// Letters that always take an argument, whatever the mode.
const LETTERS_WITH_ARGUMENT: &str = "cdeiklmnpuxzNUZ";
/// Letters that never do.
const LETTERS_WITHOUT: &str = "fhoqstvwyRSWABCDEFGIQXVY1";

/// Whether `letter` takes an argument in this mode, or `None` where no mode knows the letter.
///
/// Three letters change: `-b` (bitmap, else brief), `-a` (the old auto, else add), `-r` (increment, else
/// remove); they do so by mode even where the option they would name is refused.
pub fn letter_takes_argument(letter: char, mode: Option<Mode>) -> Option<bool> {
    match letter {
        'b' => Some(Modes("ABCGIM").has(mode)),
        'a' => Some(Modes("ABCI").has(mode)),
        'r' => Some(Modes("F").has(mode)),
        _ if LETTERS_WITH_ARGUMENT.contains(letter) => Some(true),
        _ if LETTERS_WITHOUT.contains(letter) => Some(false),
        _ => None,
    }
}

/// The option that `letter` names in this mode.
pub fn by_letter(letter: char, mode: Option<Mode>) -> Option<&'static Opt> {
    TABLE.iter().find(|opt| opt.letters.iter().any(|(l, modes)| *l == letter && modes.has(mode)))
}

/// The option with this meaning.
pub fn by_id(id: OptionId) -> &'static Opt {
    TABLE.iter().find(|opt| opt.id == id).expect("every meaning has an entry: a test walks them")
}

/// What a long spelling stands for.
#[derive(Debug)]
pub enum FoundOption {
    /// One option, with its full name.
    One(&'static Opt, &'static str),
    /// Several: the names that it could be.
    Ambiguous(Vec<&'static str>),
    /// None.
    Unknown,
}

/// Finds a long option by its exact name or by an abbreviation that fits only spellings of one option. What
/// mdadm does not have is looked for last, so that no abbreviation that mdadm takes becomes ambiguous.
pub fn by_name(text: &str) -> FoundOption {
    let names = || TABLE.iter().flat_map(|opt| opt.names.iter().map(move |name| (opt, *name)));
    if let Some((opt, name)) = names().find(|(_, name)| *name == text) {
        return FoundOption::One(opt, name);
    }
    match unique(names().filter(|(opt, name)| name.starts_with(text) && !opt.id.is_new())) {
        FoundOption::Unknown => unique(names().filter(|(_, name)| name.starts_with(text))),
        found => found,
    }
}

fn unique(mut fits: impl Iterator<Item = (&'static Opt, &'static str)>) -> FoundOption {
    let Some((first, name)) = fits.next() else { return FoundOption::Unknown };
    let mut possible = vec![name];
    possible.extend(fits.filter(|(opt, _)| opt.id != first.id).map(|(_, name)| name));
    if possible.len() == 1 { FoundOption::One(first, name) } else { FoundOption::Ambiguous(possible) }
}

pub use super::table::TABLE;
