//! How a replacement ended, as JSON.

use serde::Serialize;
use superblock::Sectors;

/// Its number grows when a key changes its meaning or goes.
const SCHEMA: &str = "mdctl.replace.1";

/// The end of a replacement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplaceReport {
    schema: &'static str,
    /// `done`, `incomplete`, `running`, `failed`.
    result: &'static str,
    array: String,
    old: String,
    new: String,
    copy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u32>,
    /// Slots that are still empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lost: Vec<Lost>,
}

/// Sectors of the new member without data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Lost {
    /// The first, on the device.
    member_sector: u64,
    sectors: u64,
    /// Where the array has the first; not for parity.
    #[serde(skip_serializing_if = "Option::is_none")]
    array_sector: Option<u64>,
    /// The data that belongs to it is on other members.
    parity: bool,
}

impl Lost {
    fn of((member, sectors, array, parity): &LostPlace) -> Self {
        Self {
            member_sector: member.0,
            sectors: sectors.0,
            array_sector: array.map(|at| at.0),
            parity: *parity,
        }
    }
}

/// First sector on the member, number of sectors, first sector in the array, whether it is parity.
pub type LostPlace = (Sectors, Sectors, Option<Sectors>, bool);

impl ReplaceReport {
    fn new(result: &'static str) -> Self {
        let (array, old, new, copy) = (String::new(), String::new(), String::new(), String::new());
        Self {
            schema: SCHEMA,
            result,
            array,
            old,
            new,
            copy,
            slot: None,
            missing: None,
            reason: None,
            lost: Vec::new(),
        }
    }

    /// The new member serves.
    #[must_use]
    pub fn done(slot: u32, missing: u64) -> Self {
        Self { slot: Some(slot), missing: Some(missing), ..Self::new("done") }
    }

    /// The new member serves without all of the data.
    #[must_use]
    pub fn partly(slot: u32, missing: u64, lost: impl IntoIterator<Item = LostPlace>) -> Self {
        let lost = lost.into_iter().map(|place| Lost::of(&place)).collect();
        Self { slot: Some(slot), missing: Some(missing), lost, ..Self::new("incomplete") }
    }

    /// The kernel goes on.
    #[must_use]
    pub fn running() -> Self {
        Self::new("running")
    }

    /// It came to nothing.
    #[must_use]
    pub fn failed(reason: String) -> Self {
        Self { reason: Some(reason), ..Self::new("failed") }
    }

    /// Whose.
    #[must_use]
    pub fn about(self, array: &str, old: &str, new: &str, copy: &str) -> Self {
        let (array, old, new, copy) = (array.to_owned(), old.to_owned(), new.to_owned(), copy.to_owned());
        Self { array, old, new, copy, ..self }
    }

    /// Whether the kernel goes on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.result == "running"
    }

    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{json}\n")
    }
}
