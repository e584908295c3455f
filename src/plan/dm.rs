//! Acts on device-mapper devices. Names are as the driver has them (mangled).

use std::fmt;

use super::cookies::CookieStep;
use crate::model::dm::{Owner, ReadAhead, Table, UdevFlags};

/// What suspending does beside holding I/O back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiesce {
    /// A file system on it is frozen, so that it is whole on the disk.
    pub freeze: bool,
    /// I/O that is queued goes to the disks first.
    pub flush: bool,
}

impl Quiesce {
    /// Both: for what must find a whole file system.
    pub const FULL: Self = Self { freeze: true, flush: true };
    /// No freezing: for what does not change what is on the device.
    pub const NO_FREEZE: Self = Self { freeze: false, flush: true };
    /// Neither: for a device whose disks may not answer.
    pub const NONE: Self = Self { freeze: false, flush: false };
}

/// How events and nodes are treated from here on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Udev {
    /// A cookie that somebody else made and waits for.
    pub cookie: Option<u32>,
    /// Nodes are made here, not by udev.
    pub no_rules: bool,
    /// Nobody waits.
    pub no_sync: bool,
    /// Whom a node made here belongs to.
    pub owner: Owner,
}

/// A table that a device had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// The rows.
    pub table: Table,
    /// Whether it took no writes.
    pub read_only: bool,
}

/// A whole device, as it was: it can be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Option<String>,
    /// Its live table; devices that go with it are named, for they come back with other numbers.
    pub table: Table,
    /// Whether it took no writes.
    pub read_only: bool,
    /// What udev is asked to do.
    pub flags: UdevFlags,
}

/// What a device has to be for a plan to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All its mirrors have all regions on all legs, and every leg is well.
    InSync,
    /// No leg of its mirrors has failed, so that no write is held: what stands on it can be suspended.
    Well,
}

/// One act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DmStep {
    /// A device without a table.
    Create {
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: Option<String>,
        /// Its minor number, where it is to have a certain one.
        minor: Option<u32>,
    },
    /// Put a table where it waits to become live. Never while anything is suspended.
    Load {
        /// The device.
        name: String,
        /// Its rows; a device-mapper device in it may be named.
        table: Table,
        /// It shall take no writes.
        read_only: bool,
    },
    /// Make the waiting table live, if there is one, and let I/O go on.
    Resume {
        /// The device.
        name: String,
        /// What udev is asked to do.
        flags: UdevFlags,
        /// How it is suspended on the way.
        quiesce: Quiesce,
        /// The table that it had, for the undo; `None` for a device that the plan itself made.
        before: Option<Box<Before>>,
    },
    /// Load and resume at once: the undo of a `Resume`, and for devices whose old table is of no use.
    Replace {
        /// The device.
        name: String,
        /// Its rows.
        table: Table,
        /// It shall take no writes.
        read_only: bool,
        /// What udev is asked to do.
        flags: UdevFlags,
    },
    /// Hold I/O back.
    Suspend {
        /// The device.
        name: String,
        /// What is done beside.
        quiesce: Quiesce,
        /// What udev is asked to do when this is taken back.
        flags: UdevFlags,
    },
    /// Drop the waiting table and let I/O go on with the live one: the undo of a `Suspend`.
    GoOn {
        /// The device.
        name: String,
        /// What udev is asked to do.
        flags: UdevFlags,
    },
    /// Remove a device; whoever has it open for a moment is waited for.
    Remove {
        /// The device.
        name: String,
        /// What udev is asked to do.
        flags: UdevFlags,
        /// Where it is open, it goes with its last user.
        deferred: bool,
    },
    /// Remove a device before it is decided that it goes.
    Withdraw(Box<Gone>),
    /// Make it again as it was: the undo of a `Withdraw`.
    Bring(Box<Gone>),
    /// Give it another name.
    Rename {
        /// The device.
        name: String,
        /// The name.
        to: String,
        /// What udev is asked to do.
        flags: UdevFlags,
    },
    /// Give it a UUID, which it keeps.
    SetUuid {
        /// The device.
        name: String,
        /// The UUID.
        uuid: String,
    },
    /// Drop the waiting table.
    Clear {
        /// The device.
        name: String,
    },
    /// Say something to a target.
    Message {
        /// The device.
        name: String,
        /// A sector of the target.
        sector: u64,
        /// What is said.
        text: String,
    },
    /// How many sectors are read ahead. After the first resume.
    ReadAhead {
        /// The device.
        name: String,
        /// How many.
        sectors: ReadAhead,
    },
    /// What `HDIO_GETGEO` answers.
    SetGeometry {
        /// The device.
        name: String,
        /// Cylinders, heads, sectors a track, first sector.
        numbers: [u64; 4],
    },
    /// How events and nodes are treated from here on.
    Udev(Udev),
    /// Fail unless the device is still what the plan was made for.
    Expect {
        /// The device.
        name: String,
        /// What it has to be.
        state: Condition,
    },
    /// Something about a semaphore by which udev tells others that it is done.
    Cookie(CookieStep),
    /// Wait until udev is done with everything since the last such step, and see to it that /dev is right.
    WaitForUdev,
}

impl DmStep {
    /// The step that takes this one back.
    ///
    /// `None`: `Remove` comes after the commit, or takes away what the plan itself made; `Replace`, `GoOn` and `Bring` are undos;
    /// a `Resume` without `before` goes with the device that the plan made; a UUID stays; a message cannot be unsaid;
    /// read-ahead, geometry and the manner of events harm nobody;
    /// a cleared table was nobody's; looking and waiting change nothing.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        Some(match self {
            Self::Create { name, .. } => {
                Self::Remove { name: name.clone(), flags: UdevFlags::VISIBLE, deferred: false }
            }
            Self::Load { name, .. } => Self::Clear { name: name.clone() },
            Self::Resume { name, flags, before, .. } => {
                let before = before.as_deref()?;
                Self::Replace {
                    name: name.clone(),
                    table: before.table.clone(),
                    read_only: before.read_only,
                    flags: *flags,
                }
            }
            Self::Withdraw(gone) => Self::Bring(gone.clone()),
            Self::Suspend { name, flags, .. } => Self::GoOn { name: name.clone(), flags: *flags },
            Self::Rename { name, to, flags } => {
                Self::Rename { name: to.clone(), to: name.clone(), flags: *flags }
            }
            Self::Cookie(step) => Self::Cookie(step.undo()?),
            Self::Replace { .. }
            | Self::GoOn { .. }
            | Self::Bring(_)
            | Self::Remove { .. }
            | Self::SetUuid { .. }
            | Self::Clear { .. }
            | Self::Message { .. }
            | Self::ReadAhead { .. }
            | Self::SetGeometry { .. }
            | Self::Udev(_)
            | Self::Expect { .. }
            | Self::WaitForUdev => return None,
        })
    }
}

impl fmt::Display for DmStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "make device {name}"),
            Self::Load { name, table, read_only } => {
                write!(f, "load into {name}{}: {}", mode(*read_only), Short(table))
            }
            Self::Resume { name, .. } => write!(f, "resume {name}"),
            Self::Replace { name, table, read_only, .. } => {
                write!(f, "give {name} the table{}: {}", mode(*read_only), Short(table))
            }
            Self::Suspend { name, quiesce, .. } => {
                let how = if quiesce.freeze { ", file system frozen" } else { "" };
                write!(f, "suspend {name}{how}")
            }
            Self::GoOn { name, .. } => write!(f, "let {name} go on as before"),
            Self::Remove { name, deferred, .. } => {
                write!(f, "remove device {name}{}", if *deferred { " when it is closed" } else { "" })
            }
            Self::Withdraw(gone) => write!(f, "remove device {}", gone.name),
            Self::Bring(gone) => write!(f, "make device {} again: {}", gone.name, Short(&gone.table)),
            Self::Rename { name, to, .. } => write!(f, "rename device {name} to {to}"),
            Self::SetUuid { name, uuid } => write!(f, "give {name} the UUID {uuid}"),
            Self::Cookie(step) => write!(f, "{step}"),
            Self::Clear { name } => write!(f, "drop the waiting table of {name}"),
            Self::Message { name, text, .. } => write!(f, "tell {name}: {}", text.escape_debug()),
            Self::ReadAhead { name, .. } => write!(f, "set how far {name} reads ahead"),
            Self::SetGeometry { name, numbers: [c, h, s, start] } => {
                write!(f, "set the geometry of {name} to {c} {h} {s} {start}")
            }
            Self::Udev(udev) => match (udev.cookie, udev.no_rules, udev.no_sync) {
                (Some(cookie), _, _) => write!(f, "let 0x{cookie:x} be the cookie"),
                (None, true, _) => write!(f, "keep udev from making nodes"),
                (None, false, true) => write!(f, "do not wait for udev"),
                (None, false, false) => write!(f, "wait for udev as usual"),
            },
            Self::Expect { name, state: Condition::InSync } => write!(f, "make sure that {name} is copied"),
            Self::Expect { name, state: Condition::Well } => {
                write!(f, "make sure that no device of {name} fails")
            }
            Self::WaitForUdev => write!(f, "wait for udev"),
        }
    }
}

fn mode(read_only: bool) -> &'static str {
    if read_only { " (read-only)" } else { "" }
}

/// A table in a line.
struct Short<'a>(&'a Table);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.rows.as_slice() {
            [one] => write!(f, "{one}"),
            [first, rest @ ..] => write!(f, "{first}, and {} rows more", rest.len()),
            [] => write!(f, "nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::run::tests::every_failure_leaves_no_trace,
        plan::{Plan, Step},
    };

    fn load(name: &str, table: &str) -> DmStep {
        DmStep::Load { name: name.into(), table: table.parse().unwrap(), read_only: false }
    }

    fn create(name: &str) -> DmStep {
        DmStep::Create { name: name.into(), uuid: Some(format!("LVM-{name}")), minor: None }
    }

    fn resume(name: &str, before: Option<&str>) -> DmStep {
        let before = before.map(|table| Box::new(Before { table: table.parse().unwrap(), read_only: false }));
        DmStep::Resume { name: name.into(), flags: UdevFlags::VISIBLE, quiesce: Quiesce::FULL, before }
    }

    #[test]
    fn taken_back_from_every_step() {
        let suspend = |name: &str| DmStep::Suspend {
            name: name.into(),
            quiesce: Quiesce::FULL,
            flags: UdevFlags::VISIBLE,
        };
        let rename = DmStep::Rename { name: "data".into(), to: "old".into(), flags: UdevFlags::VISIBLE };
        let steps = [
            create("data"),
            load("data", "0 8 linear 8:0 0"),
            resume("data", None),
            create("data-real"),
            load("data-real", "0 8 linear 8:0 0"),
            load("data", "0 8 snapshot-origin data-real"),
            suspend("data"),
            resume("data-real", None),
            resume("data", Some("0 8 linear 8:0 0")),
            rename,
            DmStep::WaitForUdev,
        ];
        let mut steps: Vec<Step> = steps.into_iter().map(Step::Dm).collect();
        steps.push(Step::Commit);
        let plan = Plan { summary: "snapshot".into(), steps, warnings: Vec::new() };
        assert_eq!(every_failure_leaves_no_trace(&plan), 12);
        let text = plan.to_string();
        assert!(text.contains("load into data: 0 8 snapshot-origin data-real"), "{text}");
        assert!(text.contains("undo: let data go on as before"), "{text}");
    }
}
