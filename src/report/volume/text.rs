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
        let name = match (&self.path, self.duplicates.as_slice(), &self.left_out) {
            (Some(path), ..) => path.clone(),
            (None, [], Some(path)) => format!("{}, which is left out", shown(path)),
            (None, [], None) => format!("missing (last seen as {})", shown(&self.last_path)),
            (None, several, _) => {
                format!("{} (there {} times, and none counts)", shown(&several.join(" or ")), several.len())
            }
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

#[cfg(test)]
mod tests {
    use crate::{
        model::volume::{FoundGroup, Groups, LeftOutCause, RefusedDevice, fixture},
        report::volume::{BesideMetadata, VolumeReport},
    };

    #[test]
    fn what_is_there_and_does_not_count_is_not_missing() {
        let mut found = FoundGroup {
            group: fixture::group("vg", ""),
            devices: vec![None, None, None],
            ..FoundGroup::default()
        };
        let refused =
            |path: &str, cause| RefusedDevice { path: path.into(), dev: None, pv: None, group: None, cause };
        let all = vec!["/dev/sda".to_owned(), "/dev/sdb".to_owned()];
        found.absent.insert(0, refused("/dev/sda", LeftOutCause::Twice { all, chosen: None }));
        found.absent.insert(1, refused("/dev/sdc", LeftOutCause::Filtered));
        let groups = Groups { groups: vec![found], ..Groups::default() };
        let known = BesideMetadata::default();
        let report = VolumeReport::new(&groups, &known, &|_, _| true);
        let text = report.text();
        let on: Vec<&str> = text.lines().filter(|line| line.starts_with("  on ")).collect();
        assert_eq!(on.len(), 3, "{text}");
        assert!(on[0].starts_with("  on /dev/sda or /dev/sdb (there 2 times, and none counts): "), "{text}");
        assert!(on[1].starts_with("  on /dev/sdc, which is left out: "), "{text}");
        assert!(on[2].starts_with("  on missing (last seen as /dev/md2): "), "{text}");
        let json = report.json();
        assert_eq!(json.matches("duplicates").count(), 1, "{json}");
        assert!(json.contains("\"left_out\": \"/dev/sdc\""), "{json}");
    }
}
