//! `--assemble --json`: what became of each array.

use serde::Serialize;

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct AssembleReport {
    schema: &'static str,
    arrays: Vec<AssembleArray>,
}

impl AssembleReport {
    /// From what became of each array.
    #[must_use]
    pub fn new(arrays: Vec<AssembleArray>) -> Self {
        Self { schema: "mdctl.assemble.1", arrays }
    }
}

/// One array.
#[derive(Clone, Debug, Serialize)]
pub struct AssembleArray {
    /// Its path, or the word by which it was asked for.
    pub array: String,
    /// The kernel's name of it.
    pub kernel_name: Option<String>,
    /// What became of it.
    pub result: AssembleEnd,
    /// The sentence for people.
    pub message: String,
    /// Who was there.
    pub members: Option<Members>,
    /// Devices that were left out.
    pub left_out: Vec<LeftOut>,
}

/// What became of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AssembleEnd {
    /// It runs.
    Started,
    /// It has its members and waits.
    Inactive,
    /// Nothing was done.
    Refused,
    /// Something was tried and taken back.
    Failed,
    /// No device of it was found.
    NotFound,
}

/// Who was there.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Members {
    /// In sync.
    pub in_sync: usize,
    /// Slots.
    pub slots: usize,
    /// Partly recovered.
    pub rebuilding: usize,
    /// Spares.
    pub spares: usize,
    /// Journals.
    pub journals: usize,
}

/// A device that was left out.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// The device.
    pub device: String,
    /// Why.
    pub reason: String,
}
