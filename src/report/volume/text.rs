//! The text of `volume show`, and what a change is to a group.

use std::fmt::Write as _;

use superblock::lvm::Group;

use super::{DeviceShown, GroupShown, VolumeReport, VolumeShown, kind_words, lines, state_words};
use crate::report::text::{DiskText, size};

/// Names and tags may come from a disk.
fn shown(text: &str) -> DiskText {
    DiskText::new(text.as_bytes())
}

impl VolumeReport<'_> {
    /// Groups and volumes with all that they stand on.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for group in &self.groups {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&group.text());
            for volume in self.volumes.iter().filter(|volume| volume.group == group.name) {
                text.push_str(&volume.text());
            }
        }
        for refused in &self.refused {
            let _ = writeln!(text, "left out: {} {}", shown(&refused.path), shown(&refused.reason));
        }
        text
    }
}

impl GroupShown {
    fn text(&self) -> String {
        let mut text = format!(
            "group {}{}: {} of {} free, extents of {}, change {}, metadata {} % full\n",
            shown(&self.name),
            if self.partial { " (partial)" } else { "" },
            size(self.free_bytes),
            size(self.size_bytes),
            size(self.extent_bytes),
            self.changes,
            self.metadata_used_percent
        );
        for why in &self.objections {
            let _ = writeln!(text, "  can only be read: {}", shown(why));
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "  {}", shown(remark));
        }
        self.devices.iter().for_each(|device| text.push_str(&device.text()));
        text
    }
}

impl DeviceShown {
    fn text(&self) -> String {
        let name = match &self.path {
            Some(path) => path.clone(),
            None => format!("missing (last seen as {})", shown(&self.last_path)),
        };
        let mut text = format!(
            "  on {name}: {} of {} free ({} extents)\n",
            size(self.free_bytes),
            size(self.size_bytes),
            self.extents
        );
        if let Some(array) = &self.array {
            let degraded = match array.degraded_devices {
                0 => String::new(),
                missing => format!(", DEGRADED: {missing} missing"),
            };
            let action = array.sync_action.as_ref().map(|action| format!(", {action}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "     {} of {} devices, {}{degraded}{action}: {}",
                array.level,
                array.raid_devices,
                array.array_state,
                array.members.join(" ")
            );
        }
        text
    }
}

impl VolumeShown<'_> {
    fn text(&self) -> String {
        let mut text = format!(
            "  {}: {}, {}, {}\n",
            shown(self.volume),
            shown(&kind_words(self.kind, self.snapshots)),
            size(self.size_bytes),
            state_words(self.state, self.read_only)
        );
        if let Some(origin) = &self.origin {
            let used = self.used_percent.map(|used| format!(", store {used:.1} % full")).unwrap_or_default();
            let _ = writeln!(text, "     snapshot of {}{used}", shown(origin));
        }
        for segment in self.segments.iter().filter(|segment| !segment.legs.is_empty()) {
            let legs = segment
                .legs
                .iter()
                .map(|leg| format!("{} extents {}-{}", leg.device, leg.first_extent, leg.last_extent));
            let stripe = segment
                .stripe_bytes
                .map(|bytes| format!("stripes of {} over ", size(bytes)))
                .unwrap_or_default();
            let legs: Vec<String> = legs.collect();
            let _ = writeln!(text, "     {stripe}{}", legs.join(" + "));
        }
        if !self.tags.is_empty() {
            let _ = writeln!(text, "     tags {}", shown(&self.tags.join(",")));
        }
        text
    }
}

/// What a change takes from a group and gives to it: lines with `-` and `+`.
#[must_use]
pub fn difference(before: Option<&Group>, after: &Group) -> String {
    let (old, new) = (before.map(lines).unwrap_or_default(), lines(after));
    let mut text = String::new();
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (was, is) = (old.get(key), new.get(key));
        if was != is {
            for (sign, line) in [('-', was), ('+', is)] {
                if let Some(line) = line {
                    let _ = writeln!(text, "{sign} {}", shown(line));
                }
            }
        }
    }
    text
}
