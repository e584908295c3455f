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
    remarks: Vec<BootSaid>,
}

/// One remark.
#[derive(Clone, Debug, Serialize)]
pub struct BootSaid {
    /// `fails`, `risk` or `note`.
    pub severity: &'static str,
    pub about: String,
    pub text: String,
    pub next: Option<String>,
}

impl BootChecked {
    /// Of these images.
    #[must_use]
    pub fn new(release: String, images: Vec<String>, remarks: Vec<BootSaid>) -> Self {
        Self { schema: "mdctl.boot-check.1", release, images, remarks }
    }

    /// Whether the next start would fail.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.remarks.iter().any(|remark| remark.severity == "fails")
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for BootSaid { severity, about, text, next } in &self.remarks {
            let mark = match *severity {
                "fails" => "!!",
                "risk" => " !",
                _ => "  ",
            };
            let _ = writeln!(out, "{mark}  {}: {}", safe(about), safe(text));
            if let Some(next) = next {
                let _ = writeln!(out, "      {}", safe(next));
            }
        }
        let images = match self.images.as_slice() {
            [] => "no image".to_owned(),
            [one] => safe(one),
            more => format!("{} images", more.len()),
        };
        let end = if self.fails() {
            "the next start would fail"
        } else if self.remarks.is_empty() {
            "nothing stands in the way of the next start"
        } else {
            "the next start should succeed"
        };
        let _ = writeln!(out, "{end} ({images} looked at)");
        out
    }
}

fn safe(text: &str) -> String {
    DiskText::new(text.as_bytes()).to_string()
}
