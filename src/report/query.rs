//! `--query`: one line about the array that a device is, one about the array that it is a member of.

use std::fmt::Write;

use serde::Serialize;

use super::{text::brief_binary, words};
use crate::model::detail::{Activity, Queried, QueriedArray};

/// The answer for one device.
#[derive(Clone, Debug, Serialize)]
pub struct Query {
    /// As the user named it.
    pub device: String,
    pub array: Array,
    pub member: Option<Member>,
}

/// What it is as an array.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Array {
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
pub struct Member {
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
pub struct Report {
    pub schema: &'static str,
    pub devices: Vec<Answer>,
}

/// What JSON says of one device.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Found(Query),
    Not { device: String, error: String },
}

impl Report {
    /// The whole answer.
    #[must_use]
    pub fn new(devices: Vec<Answer>) -> Self {
        Self { schema: "mdctl.query.1", devices }
    }
}

impl Query {
    /// From what was found out about a device.
    #[must_use]
    pub fn of(device: &str, queried: &Queried) -> Self {
        let array = match &queried.array {
            QueriedArray::No => Array::No,
            QueriedArray::Inactive => Array::Inactive,
            QueriedArray::Unanswered(error) => Array::Unanswered { error: error.clone() },
            QueriedArray::Yes { size, level, raid_disks, spares } => Array::Yes {
                size_bytes: size.0,
                level: level.clone(),
                raid_devices: *raid_disks,
                spare_devices: *spares,
            },
        };
        let member = queried.member.as_ref().map(|member| Member {
            device_number: member.number,
            raid_devices: member.raid_disks,
            level: member.level.name(),
            activity: match member.activity {
                Activity::Active => "active",
                Activity::Mismatch => "mismatch",
                Activity::Undetected => "undetected",
                Activity::Inactive => "inactive",
            },
            array: member.path.clone(),
        });
        Self { device: device.to_owned(), array, member }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let device = &self.device;
        let mut out = match &self.array {
            Array::No => format!("{device}: is not an md array\n"),
            Array::Inactive => format!("{device}: is an md device which is not active\n"),
            Array::Unanswered { error } => {
                format!("{device}: is an md device, but gives \"{error}\" when queried\n")
            }
            Array::Yes { size_bytes, level, raid_devices, spare_devices } => {
                let size = brief_binary(u128::from(*size_bytes));
                let s = words::plural((*spare_devices).into());
                format!(
                    "{device}: {size} {level} {raid_devices} devices, {spare_devices} spare{s}. \
                     Use mdadm --detail for more detail.\n"
                )
            }
        };
        if let Some(member) = &self.member {
            let Member { device_number, raid_devices, level, activity, array } = member;
            let (level, array) = (level.unwrap_or(words::UNKNOWN), array.as_deref().unwrap_or("array"));
            let written = writeln!(
                out,
                "{device}: device {device_number} in {raid_devices} device {activity} {level} {array}.  \
                 Use mdadm --examine for more detail."
            );
            debug_assert!(written.is_ok(), "a string takes everything");
        }
        out
    }
}
