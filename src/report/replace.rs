//! How a replacement ended, as JSON.

use serde::Serialize;

/// Its number grows when a key changes its meaning or goes.
const SCHEMA: &str = "mdctl.replace.1";

/// The end of a replacement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplaceReport {
    schema: &'static str,
    /// `done`, `running`, `failed`.
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
}

impl ReplaceReport {
    fn new(result: &'static str) -> Self {
        let (array, old, new, copy) = (String::new(), String::new(), String::new(), String::new());
        Self { schema: SCHEMA, result, array, old, new, copy, slot: None, missing: None, reason: None }
    }

    /// The new member serves.
    #[must_use]
    pub fn done(slot: u32, missing: u64) -> Self {
        Self { slot: Some(slot), missing: Some(missing), ..Self::new("done") }
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
