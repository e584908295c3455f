//! `mdctl dm VERB`: the words of dmsetup.

use crate::model::{
    DevId,
    dm::{Mangling, Owner, ReadAhead},
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmRequest {
    /// The verb.
    pub verb: DmVerb,
    /// The words that are no options.
    pub words: Vec<String>,
    /// The options, whatever the verb.
    pub options: DmOptions,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident = $($word:literal)|+, $least:literal..$most:expr, $form:literal;)*) => {
        /// The verbs, with dmsetup's spelling.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum DmVerb {
            $($(#[$doc])* $verb,)*
        }

        impl DmVerb {
            /// Every spelling.
            pub const WORDS: &[&str] = &[$($($word,)+)*];

            /// The verb of a word.
            #[must_use]
            pub fn named(word: &str) -> Option<Self> {
                match word {
                    $($($word)|+ => Some(Self::$verb),)*
                    _ => None,
                }
            }

            /// How few and how many words it takes, and which.
            #[must_use]
            pub fn form(self) -> (usize, usize, &'static str) {
                match self {
                    $(Self::$verb => ($least, $most, $form),)*
                }
            }
        }
    };
}

/// As many as there are.
const ANY: usize = usize::MAX;

verbs! {
    /// A device.
    Create = "create", 0..2, "NAME [TABLE-FILE]";
    /// Devices go.
    Remove = "remove", 0..ANY, "DEVICE…";
    /// All unused devices go.
    RemoveAll = "remove_all", 0..0, "";
    /// I/O is held back.
    Suspend = "suspend", 0..ANY, "DEVICE…";
    /// The waiting table becomes live.
    Resume = "resume", 0..ANY, "DEVICE…";
    /// A table waits to become live.
    Load = "load" | "reload", 0..2, "DEVICE [TABLE-FILE]";
    /// The waiting table goes.
    Clear = "clear", 0..ANY, "DEVICE…";
    /// All I/O fails from now on.
    WipeTable = "wipe_table", 0..ANY, "DEVICE…";
    /// Another name, or a UUID.
    Rename = "rename", 1..2, "DEVICE NAME|UUID";
    /// Something is said to a target.
    Message = "message", 2..ANY, "DEVICE SECTOR MESSAGE…";
    /// Names.
    Ls = "ls", 0..0, "";
    /// States.
    Info = "info", 0..ANY, "[DEVICE…]";
    /// What tables lead to.
    Deps = "deps", 0..ANY, "[DEVICE…]";
    /// What targets report.
    Status = "status", 0..ANY, "[DEVICE…]";
    /// Tables.
    Table = "table", 0..ANY, "[DEVICE…]";
    /// Until the next event.
    Wait = "wait", 0..2, "DEVICE [EVENT]";
    /// /dev/mapper becomes right.
    Mknodes = "mknodes", 0..ANY, "[DEVICE…]";
    /// Names become as udev takes them.
    Mangle = "mangle", 0..ANY, "[DEVICE…]";
    /// The parts of a volume's name.
    Splitname = "splitname", 1..2, "NAME [SUBSYSTEM]";
    /// What HDIO_GETGEO answers.
    Setgeometry = "setgeometry", 4..5, "DEVICE CYLINDERS HEADS SECTORS START";
    /// Target types that are loaded.
    Targets = "targets", 0..0, "";
    /// One target type.
    TargetVersion = "target-version", 1..ANY, "TARGET…";
    /// Of the driver and of this program.
    Version = "version", 0..0, "";
    /// The text that integrity measurement takes.
    Measure = "measure", 0..ANY, "[DEVICE…]";
    /// A cookie for others.
    UdevCreateCookie = "udevcreatecookie", 0..0, "";
    /// Waits for a cookie.
    UdevReleaseCookie = "udevreleasecookie", 0..1, "[COOKIE]";
    /// What a cookie asks udev for.
    UdevFlags = "udevflags", 1..1, "COOKIE";
    /// What udev's last rule says.
    UdevComplete = "udevcomplete", 1..1, "COOKIE";
    /// Cookies go.
    UdevCompleteAll = "udevcomplete_all", 0..1, "[MINUTES]";
    /// All cookies.
    UdevCookies = "udevcookies", 0..0, "";
    /// Not done here.
    Stats = "stats", 0..ANY, "";
    /// Not done here.
    VdoStats = "vdostats", 0..ANY, "";
}

impl DmVerb {
    /// Whether it changes devices.
    #[must_use]
    pub fn changes(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Remove
                | Self::RemoveAll
                | Self::Suspend
                | Self::Resume
                | Self::Load
                | Self::Clear
                | Self::WipeTable
                | Self::Rename
        )
    }
}

/// All options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DmOptions {
    pub columns: bool,
    pub force: bool,
    pub verbose: bool,
    pub readonly: bool,
    pub no_flush: bool,
    pub no_lockfs: bool,
    pub inactive: bool,
    /// A cookie of somebody who waits himself.
    pub udev_cookie: Option<u32>,
    pub no_udev_rules: bool,
    pub no_udev_sync: bool,
    pub read_ahead: Option<ReadAhead>,
    pub fields: Option<String>,
    pub sort: Option<String>,
    pub name_prefixes: bool,
    pub no_headings: bool,
    /// `none`, `abbrev`, `full`.
    pub headings: Option<Headings>,
    pub separator: Option<String>,
    pub rows: bool,
    pub unquoted: bool,
    pub uuid: Option<String>,
    /// A device by its number; with `create`, the number that it is to have.
    pub number: Option<DevId>,
    pub owner: Owner,
    pub no_table: bool,
    pub table: Option<String>,
    pub concise: bool,
    pub deferred: bool,
    pub set_uuid: bool,
    pub target: Option<String>,
    pub tree: bool,
    pub show_keys: bool,
    pub mangling: Mangling,
}

/// Headings of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headings {
    None,
    Abbreviated,
    Full,
}
