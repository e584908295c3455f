//! `mdctl overlay`: what there is and what it would change, as text and as JSON.

use serde::Serialize;

use super::DiskText;
use crate::model::overlay::{ChangedPart, ChangedRange, NEARLY_FULL, Overlay};

/// The list.
#[derive(Clone, Debug, Serialize)]
pub struct OverlayList {
    schema: &'static str,
    overlays: Vec<One>,
}

#[derive(Clone, Debug, Serialize)]
struct One {
    set: String,
    member: String,
    device: Option<String>,
    size_bytes: u64,
    file: String,
    filled_percent: Option<u64>,
    lost: Option<&'static str>,
    /// The member was written to since.
    member_changed: bool,
    used_by: Vec<String>,
}

impl OverlayList {
    /// From what there is.
    #[must_use]
    pub fn new(overlays: &[Overlay]) -> Self {
        let one = |overlay: &Overlay| One {
            set: overlay.set.clone(),
            member: overlay.member.clone(),
            device: overlay.device.as_ref().map(|name| format!("/dev/mapper/{name}")),
            size_bytes: overlay.size.0,
            file: overlay.file.clone(),
            filled_percent: overlay.filled(),
            lost: overlay.lost(),
            member_changed: false,
            used_by: overlay.holders.clone(),
        };
        Self { schema: "mdctl.overlays.1", overlays: overlays.iter().map(one).collect() }
    }

    /// With what is known of each one's member: whether it was written to since.
    #[must_use]
    pub fn used(mut self, used: &[bool]) -> Self {
        for (one, used) in self.overlays.iter_mut().zip(used) {
            one.member_changed = *used;
        }
        self
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["SET", "MEMBER", "OVERLAY", "FULL", "USED BY", "FILE"]);
        for one in &self.overlays {
            let full = one.filled_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%"));
            table.add_row([
                one.set.clone(),
                DiskText::new(one.member.as_bytes()).to_string(),
                one.device.clone().unwrap_or_else(|| "only its file".to_owned()),
                full,
                one.used_by.join(" "),
                DiskText::new(one.file.as_bytes()).to_string(),
            ]);
        }
        if self.overlays.is_empty() {
            return String::new();
        }
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// What a person should know.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let remark = |one: &One| {
            let place = format!("set {}, overlay of {}", one.set, one.member);
            match (one.lost, one.filled_percent) {
                (Some(lost), _) => Some(format!("{place}: {lost}")),
                (None, _) if one.member_changed => Some(format!(
                    "{place}: the member was written to since the set was made: to commit it would put old data over newer"
                )),
                (None, Some(percent)) if percent > NEARLY_FULL => {
                    Some(format!("{place}: its file is {percent}% full; when it is full, writes fail"))
                }
                _ => None,
            }
        };
        self.overlays.iter().filter_map(remark).collect()
    }
}

/// What a set would change.
#[derive(Clone, Debug, Serialize)]
pub struct OverlayDiff {
    schema: &'static str,
    set: String,
    members: Vec<Member>,
}

#[derive(Clone, Debug, Serialize)]
struct Member {
    member: String,
    total_bytes: u64,
    changes: Vec<Range>,
}

#[derive(Clone, Debug, Serialize)]
struct Range {
    start_byte: u64,
    length_bytes: u64,
    part: &'static str,
}

impl OverlayDiff {
    /// From the changes of each member.
    #[must_use]
    pub fn new(set: &str, changes: &[(String, Vec<ChangedRange>)]) -> Self {
        let range = |change: &ChangedRange| Range {
            start_byte: change.at.0,
            length_bytes: change.length.0,
            part: change.part.name(),
        };
        let member = |(member, changes): &(String, Vec<ChangedRange>)| Member {
            member: member.clone(),
            total_bytes: changes.iter().map(|change| change.length.0).sum(),
            changes: changes.iter().map(range).collect(),
        };
        Self {
            schema: "mdctl.overlay-diff.1",
            set: set.to_owned(),
            members: changes.iter().map(member).collect(),
        }
    }

    /// For people: a line a member, and its ranges, of many the first.
    #[must_use]
    pub fn text(&self) -> String {
        const SHOWN: usize = 16;
        let mut text = String::new();
        for member in &self.members {
            let of = |part: ChangedPart| -> u64 {
                let ranges = member.changes.iter().filter(|range| range.part == part.name());
                ranges.map(|range| range.length_bytes).sum()
            };
            text.push_str(&format!(
                "{}: {} bytes would change: {} of metadata, {} of data, {} elsewhere\n",
                DiskText::new(member.member.as_bytes()),
                member.total_bytes,
                of(ChangedPart::Metadata),
                of(ChangedPart::Data),
                of(ChangedPart::Other)
            ));
            for range in member.changes.iter().take(SHOWN) {
                let Range { start_byte, length_bytes, part } = range;
                text.push_str(&format!("    {length_bytes:>10} bytes at {start_byte:>14}  {part}\n"));
            }
            if let Some(more) = member.changes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                text.push_str(&format!("    and {more} ranges more\n"));
            }
        }
        text
    }
}
