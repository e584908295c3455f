//! `--query`: one line about the array that a device is, one about the array that it is a member of.

use std::fmt::Write;

use serde::Serialize;

use super::{
    text::{brief_binary, harmless},
    words,
};
use crate::model::detail::{Presence, Queried, QueriedArray};

/// The answer for one device.
#[derive(Clone, Debug, Serialize)]
pub struct Query {
    /// As the user named it.
    pub device: String,
    pub array: QueryArray,
    pub member: Option<QueryMember>,
}

/// What it is as an array.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum QueryArray {
    /// Nothing of md's.
    No,
    /// An md device without an array.
    Inactive,
    /// An md device that does not answer.
    Unanswered {
        error: String,
    },
    Yes {
        size_bytes: u64,
        level: String,
        raid_devices: u32,
        spare_devices: u32,
    },
}

/// What its superblock says.
#[derive(Clone, Debug, Serialize)]
pub struct QueryMember {
    pub device_number: u32,
    pub raid_devices: u32,
    pub level: Option<&'static str>,
    /// `active`, `mismatch`, `undetected`, `inactive`.
    pub activity: &'static str,
    /// A path to the array.
    pub array: Option<String>,
}

/// What JSON says of all devices that were asked about.
#[derive(Debug, Serialize)]
pub struct QueryReport {
    pub schema: &'static str,
    pub devices: Vec<QueryAnswer>,
}

/// What JSON says of one device.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum QueryAnswer {
    Found(Query),
    Not { device: String, error: String },
}

impl QueryReport {
    /// The whole answer.
    #[must_use]
    pub fn new(devices: Vec<QueryAnswer>) -> Self {
        Self { schema: "mdctl.query.1", devices }
    }
}

impl Query {
    /// From what was found out about a device.
    #[must_use]
    pub fn of(device: &str, queried: &Queried) -> Self {
        let array = match &queried.array {
            QueriedArray::No => QueryArray::No,
            QueriedArray::Inactive => QueryArray::Inactive,
            QueriedArray::Unanswered(error) => QueryArray::Unanswered { error: error.clone() },
            QueriedArray::Yes { size, level, raid_disks, spares } => QueryArray::Yes {
                size_bytes: size.0,
                level: level.clone(),
                raid_devices: *raid_disks,
                spare_devices: *spares,
            },
        };
        let member = queried.member.as_ref().map(|member| QueryMember {
            device_number: member.number,
            raid_devices: member.raid_disks,
            level: member.level.name(),
            activity: match member.activity {
                Presence::Active => "active",
                Presence::Mismatch => "mismatch",
                Presence::Undetected => "undetected",
                Presence::Inactive => "inactive",
            },
            array: member.path.clone(),
        });
        Self { device: device.to_owned(), array, member }
    }

    /// The text; `native`: further commands are our own verbs.
    #[must_use]
    pub fn text(&self, native: bool) -> String {
        let detail = if native { "mdctl detail" } else { "mdadm --detail" };
        let examine = if native { "mdctl examine" } else { "mdadm --examine" };
        let device = harmless(&self.device);
        let mut out = match &self.array {
            QueryArray::No => format!("{device}: is not an md array\n"),
            QueryArray::Inactive => format!("{device}: is an md device which is not active\n"),
            QueryArray::Unanswered { error } => {
                format!("{device}: is an md device, but gives \"{error}\" when queried\n")
            }
            QueryArray::Yes { size_bytes, level, raid_devices, spare_devices } => {
                let size = brief_binary(u128::from(*size_bytes));
                let s = words::plural((*spare_devices).into());
                format!(
                    "{device}: {size} {level} {raid_devices} devices, {spare_devices} spare{s}. \
                     Use {detail} for more detail.\n"
                )
            }
        };
        if let Some(member) = &self.member {
            let QueryMember { device_number, raid_devices, level, activity, array } = member;
            let (level, array) = (level.unwrap_or(words::UNKNOWN), array.as_deref().unwrap_or("array"));
            let written = writeln!(
                out,
                "{device}: device {device_number} in {raid_devices} device {activity} {level} {array}.  \
                 Use {examine} for more detail."
            );
            debug_assert!(written.is_ok(), "a string takes everything");
        }
        out
    }
}
