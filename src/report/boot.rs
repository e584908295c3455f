//! `mdctl boot check`.

use std::fmt::Write as _;

use serde::Serialize;

use super::DiskText;

/// What was looked at, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct BootChecked {
    schema: &'static str,
    /// The kernel that runs.
    release: String,
    /// Images that were unpacked.
    images: Vec<String>,
    /// The root is on an array.
    root_on_array: bool,
    remarks: Vec<BootSaid>,
}

/// One remark.
#[derive(Clone, Debug, Serialize)]
pub struct BootSaid {
    /// `fails`, `unknown`, `risk` or `note`.
    pub severity: &'static str,
    pub about: String,
    pub text: String,
    pub next: Option<String>,
}

impl BootChecked {
    /// Of these images.
    #[must_use]
    pub fn new(release: String, images: Vec<String>, root_on_array: bool, remarks: Vec<BootSaid>) -> Self {
        Self { schema: "mdctl.boot-check.1", release, images, root_on_array, remarks }
    }

    /// Whether the next start would fail, or may for all that is known.
    #[must_use]
    pub fn may_fail(&self) -> bool {
        self.has("fails") || self.has("unknown")
    }

    fn has(&self, severity: &str) -> bool {
        self.remarks.iter().any(|remark| remark.severity == severity)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for BootSaid { severity, about, text, next } in &self.remarks {
            let mark = match *severity {
                "fails" => "!!",
                "unknown" => "??",
                "risk" => " !",
                _ => "  ",
            };
            let _ = writeln!(out, "{mark}  {}: {}", safe(about), safe(text));
            if let Some(next) = next {
                let _ = writeln!(out, "      {}", safe(next));
            }
        }
        let images = match self.images.as_slice() {
            [] if !self.root_on_array => "no image looked at: the root is on no array".to_owned(),
            [] => "no image looked at".to_owned(),
            [one] => format!("{} looked at", safe(one)),
            more => format!("{} images looked at", more.len()),
        };
        let end = if self.has("fails") {
            "the next start would fail"
        } else if self.has("unknown") {
            "whether the next start succeeds is not known"
        } else if self.remarks.is_empty() {
            "nothing stands in the way of the next start"
        } else {
            "the next start should succeed"
        };
        let _ = writeln!(out, "{end} ({images})");
        out
    }
}

fn safe(text: &str) -> String {
    DiskText::new(text.as_bytes()).to_string()
}
