//! Events: their names, how grave they are, and the original's sentence about them.

use std::fmt;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `--test` asked for it.
    TestMessage,
    /// An array that was not there before.
    NewArray,
    /// A slot without a member, at the first look.
    DegradedArray,
    /// Fewer spares than the configuration says, at the first look.
    SparesMissing,
    /// A synchronisation began, of whatever kind.
    RebuildStarted,
    /// It came so far, in percent.
    Rebuild(u8),
    /// It is over, however it ended.
    RebuildFinished,
    /// A member is in sync no more.
    Fail,
    /// A member failed that was not in sync.
    FailSpare,
    /// A member is in sync.
    SpareActive,
    /// An array is there no more.
    DeviceDisappeared,
    /// A spare was given from one array to another.
    MoveSpare,
    /// Ours: a check counted sectors that do not agree.
    MismatchFound,
    /// Ours: too few members are left, the data cannot be reached.
    ArrayFailed,
    /// Ours, the all-clear: an array that was degraded or had failed is complete.
    ArrayRestored,
}

/// How grave an event is, as syslog counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Somebody has to act.
    Critical,
    /// Worth a look.
    Warning,
    /// Good to know.
    Info,
}

impl Gravity {
    /// The number that syslog and the journal have for it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Critical => 2,
            Self::Warning => 4,
            Self::Info => 6,
        }
    }
}

impl EventKind {
    /// How grave it is.
    #[must_use]
    pub fn gravity(self) -> Gravity {
        match self {
            Self::DeviceDisappeared
            | Self::Fail
            | Self::FailSpare
            | Self::DegradedArray
            | Self::ArrayFailed => Gravity::Critical,
            Self::RebuildStarted
            | Self::Rebuild(_)
            | Self::RebuildFinished
            | Self::SparesMissing
            | Self::MismatchFound => Gravity::Warning,
            Self::TestMessage
            | Self::NewArray
            | Self::SpareActive
            | Self::MoveSpare
            | Self::ArrayRestored => Gravity::Info,
        }
    }

    /// Whether mail is sent about it.
    #[must_use]
    pub fn is_mailed(self) -> bool {
        match self {
            Self::Fail
            | Self::FailSpare
            | Self::DegradedArray
            | Self::SparesMissing
            | Self::TestMessage
            | Self::MismatchFound
            | Self::ArrayFailed
            | Self::ArrayRestored => true,
            Self::NewArray
            | Self::RebuildStarted
            | Self::Rebuild(_)
            | Self::RebuildFinished
            | Self::SpareActive
            | Self::DeviceDisappeared
            | Self::MoveSpare => false,
        }
    }

    /// Whether the original has it. What it has not is kept from programs and mail that were written for the original.
    #[must_use]
    pub fn is_known_to_original(self) -> bool {
        !matches!(self, Self::MismatchFound | Self::ArrayFailed | Self::ArrayRestored)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TestMessage => "TestMessage",
            Self::NewArray => "NewArray",
            Self::DegradedArray => "DegradedArray",
            Self::SparesMissing => "SparesMissing",
            Self::RebuildStarted => "RebuildStarted",
            Self::Rebuild(percent) => return write!(f, "Rebuild{percent:02}"),
            Self::RebuildFinished => "RebuildFinished",
            Self::Fail => "Fail",
            Self::FailSpare => "FailSpare",
            Self::SpareActive => "SpareActive",
            Self::DeviceDisappeared => "DeviceDisappeared",
            Self::MoveSpare => "MoveSpare",
            Self::MismatchFound => "MismatchFound",
            Self::ArrayFailed => "ArrayFailed",
            Self::ArrayRestored => "ArrayRestored",
        })
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayEvent {
    /// What happened.
    pub kind: EventKind,
    /// The array, as it is watched.
    pub array: String,
    /// Its kernel name, while it has one.
    pub kernel: Option<String>,
    /// The original's third argument: a member, the array that gave a spare, or words.
    pub component: Option<String>,
    /// More about it, for the sentence alone.
    pub description: Option<String>,
    /// The disk that it is about.
    pub disk: Option<DiskWords>,
    /// What the kernel said about it, where it is known.
    pub cause: Option<String>,
    /// What to do next; empty where there is nothing to do.
    pub next: String,
}

/// What a disk is known by, whatever its name is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskWords {
    /// The kernel's name of the member.
    pub kernel: String,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
}

impl fmt::Display for DiskWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.as_deref().unwrap_or("model unknown");
        let serial = self.serial.as_deref().unwrap_or("unknown");
        write!(f, "{model}, serial number {serial}")
    }
}

impl ArrayEvent {
    /// About an array and nothing in particular of it.
    #[must_use]
    pub fn new(kind: EventKind, array: impl Into<String>) -> Self {
        Self {
            kind,
            array: array.into(),
            kernel: None,
            component: None,
            description: None,
            disk: None,
            cause: None,
            next: String::new(),
        }
    }

    /// With the third argument.
    #[must_use]
    pub fn component(self, component: impl Into<String>) -> Self {
        Self { component: Some(component.into()), ..self }
    }

    /// The arguments of a program that is told.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        [self.kind.to_string(), self.array.clone()].into_iter().chain(self.component.clone()).collect()
    }
}

impl fmt::Display for ArrayEvent {
    /// The original's sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} event detected on md device {}", self.kind, self.array)?;
        if let Some(component) = &self.component {
            write!(f, ", component device {component}")?;
        }
        match &self.description {
            Some(description) => write!(f, ": {description}"),
            None => Ok(()),
        }
    }
}
