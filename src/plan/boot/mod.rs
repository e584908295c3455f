//! What would fail at the next start of the machine, as long as it can still be put right.

mod image;
mod loader;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use superblock::Level;

use crate::model::boot::{BootArray, BootMount, BootSeen};
use crate::model::order::InOrder as _;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootSeverity {
    /// The machine would not start, or would start without what is named.
    Fails,
    /// Whether it would start cannot be told.
    Unknown,
    /// It would start, unless something else happens.
    Risk,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BootRemark {
    /// How bad it is.
    pub severity: BootSeverity,
    /// What it is about: an image, a place in the tree, an array.
    pub about: String,
    /// The sentence.
    pub text: String,
    /// The command that puts it right, or looks further.
    pub next: Option<String>,
}

impl BootRemark {
    fn new(severity: BootSeverity, about: &str, text: impl fmt::Display) -> Self {
        Self { severity, about: about.to_owned(), text: text.to_string(), next: None }
    }

    fn fails(about: &str, text: impl fmt::Display) -> Self {
        Self::new(BootSeverity::Fails, about, text)
    }

    fn unknown(about: &str, text: impl fmt::Display) -> Self {
        Self::new(BootSeverity::Unknown, about, text)
    }

    fn risk(about: &str, text: impl fmt::Display) -> Self {
        Self::new(BootSeverity::Risk, about, text)
    }

    fn note(about: &str, text: impl fmt::Display) -> Self {
        Self::new(BootSeverity::Note, about, text)
    }

    fn next(self, command: impl Into<String>) -> Self {
        Self { next: Some(command.into()), ..self }
    }
}

/// Everything that there is to say, the worst first.
#[must_use]
pub fn check(seen: &BootSeen) -> Vec<BootRemark> {
    let mut remarks: Vec<BootRemark> =
        seen.kernels.iter().flat_map(|kernel| image::check(seen, kernel)).collect();
    remarks.extend(command_line(seen));
    remarks.extend(loader::grub(seen));
    remarks.extend(loader::firmware(seen));
    remarks.extend(table::check(seen));
    remarks.extend(short(seen));
    remarks.sort();
    remarks.dedup();
    remarks
}

/// What an initial RAM disk mounts.
fn early(seen: &BootSeen) -> impl Iterator<Item = &BootMount> {
    ["/", "/usr"].into_iter().filter_map(|place| seen.at(place))
}

/// Whether an initial RAM disk has to start arrays.
#[must_use]
pub fn rests_on_arrays(seen: &BootSeen) -> bool {
    !needed(seen).is_empty()
}

/// The arrays that an initial RAM disk has to start.
fn needed(seen: &BootSeen) -> Vec<&BootArray> {
    let mut found: Vec<&BootArray> = early(seen).flat_map(|mount| seen.below(mount)).collect();
    found.order_by(|one, other| one.kernel.cmp(&other.kernel));
    found.dedup();
    found
}

/// `root=` and other words for the kernel.
fn command_line(seen: &BootSeen) -> Vec<BootRemark> {
    let mut remarks = Vec::new();
    let about = "kernel command line";
    let root = seen.command_line.iter().rev().find_map(|word| word.strip_prefix("root="));
    if let Some((root, text)) = root.and_then(|root| Some((root, table::unsure(seen, root)?))) {
        remarks.push(BootRemark::risk(about, format!("root={root}: {text}")));
    }
    let dirty =
        |word: &&String| word.ends_with("start_dirty_degraded=1") || word.ends_with("start_dirty_degraded=Y");
    if let Some(word) = seen.command_line.iter().find(dirty) {
        let text = format!(
            "{word}: a RAID4/5/6 array that lacks a member and was not stopped in order starts without a question, and what was being written then may be wrong in places that were not written to"
        );
        remarks.push(BootRemark::risk(about, text));
    }
    remarks
}

/// Arrays that lack a member today.
fn short(seen: &BootSeen) -> Vec<BootRemark> {
    let one = |array: &&BootArray| -> BootRemark {
        let members = match array.missing {
            1 => "1 member of it is missing".to_owned(),
            more => format!("{more} members of it are missing"),
        };
        let next = format!("mdctl explain {}", array.path);
        if matches!(array.level, Some(Level::Raid4 | Level::Raid5 | Level::Raid6)) && is_at_its_floor(array) {
            let text = format!(
                "{members}; after a power cut it would not start by itself, for a stripe that was being written cannot be told from a whole one"
            );
            return BootRemark::risk(&array.path, text).next(next);
        }
        BootRemark::note(&array.path, format!("{members}: it starts after a wait for them")).next(next)
    };
    needed(seen).iter().filter(|array| array.missing > 0).map(one).collect()
}

fn is_at_its_floor(array: &BootArray) -> bool {
    array.missing >= if array.level == Some(Level::Raid6) { 2 } else { 1 }
}
