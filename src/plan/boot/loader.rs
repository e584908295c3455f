//! What reads arrays before any kernel runs: GRUB, and the firmware.
//!
//! Source: GRUB's disk/mdraid1x_linux.c, disk/diskfilter.c and disk/lvm.c.

use superblock::Level;

use super::BootRemark;
use crate::model::boot::{BootArray, BootMount, BootSeen};

/// What GRUB has to read: where its own files and the kernels are.
fn place(seen: &BootSeen) -> Option<&BootMount> {
    seen.grub.as_ref()?;
    seen.at("/boot").or_else(|| seen.at("/"))
}

pub(super) fn grub(seen: &BootSeen) -> Vec<BootRemark> {
    let Some(mount) = place(seen) else { return Vec::new() };
    let at = mount.at.as_str();
    let mut remarks = Vec::new();
    for array in seen.below(mount) {
        remarks.extend(unreadable(at, array));
        remarks.extend(left_over(seen, array));
    }
    for (name, kinds) in &mount.mapped {
        let is = |kind: &str| kinds.iter().any(|own| own == kind);
        if is("snapshot-merge") {
            let text =
                format!("{name} is being rolled back: GRUB reads what was there before until that is over");
            remarks.push(BootRemark::risk(at, text).next("mdctl volume status"));
        }
        let other = kinds.iter().find(|kind| {
            !matches!(
                kind.as_str(),
                "linear" | "striped" | "mirror" | "raid" | "snapshot-origin" | "snapshot-merge" | "crypt"
            )
        });
        if let Some(kind) = other {
            let text = format!("{name} is a volume of the kind {kind}, which GRUB cannot read");
            remarks.push(BootRemark::fails(at, text));
        }
    }
    remarks
}

fn unreadable(at: &str, array: &BootArray) -> Option<BootRemark> {
    let path = &array.path;
    if array.reshapes {
        let text = format!(
            "{path} changes its shape: GRUB knows the old shape alone and reads wrong data until that is over"
        );
        return Some(BootRemark::fails(at, text).next(format!("mdctl wait {path}")));
    }
    if array.level == Some(Level::Linear) {
        return Some(BootRemark::fails(at, format!("{path} is a linear array, which GRUB cannot read")));
    }
    let text = || format!("{path} has a journal: GRUB does not read what is still in it");
    array.journal.then(|| BootRemark::risk(at, text()))
}

/// GRUB takes the first device that says that it has a slot; it compares no event counts.
fn left_over(seen: &BootSeen, array: &BootArray) -> Vec<BootRemark> {
    let of = seen.left_over.iter().filter(|one| Some(one.array) == array.uuid && one.has_slot);
    let one = |device: &str| {
        let text = format!(
            "{device} was a member of {} and says that it still is: GRUB may read old files from it",
            array.path
        );
        BootRemark::risk(device, text).next(format!("mdctl explain {device}"))
    };
    of.map(|left| one(&left.device)).collect()
}

/// Where the firmware looks for boot loaders.
const PLACES: [&str; 3] = ["/boot/efi", "/efi", "/boot"];

pub(super) fn firmware(seen: &BootSeen) -> Vec<BootRemark> {
    let places = PLACES.into_iter().filter_map(|place| seen.at(place)).filter(|mount| mount.kind == "vfat");
    let mut remarks = Vec::new();
    for mount in places {
        for array in seen.below(mount) {
            let (at, path) = (mount.at.as_str(), array.path.as_str());
            if matches!(array.metadata.as_str(), "1.1" | "1.2") {
                let text = format!(
                    "{path} has metadata {} at the start of its members: the firmware sees no file system there",
                    array.metadata
                );
                remarks.push(BootRemark::fails(at, text));
            } else if array.level == Some(Level::Raid1) {
                let text = format!(
                    "the firmware takes the members of {path} one by one; what it writes to one of them the others do not have"
                );
                remarks.push(BootRemark::note(at, text).next(format!("mdctl scrub start {path}")));
            } else {
                remarks.push(BootRemark::fails(
                    at,
                    format!("{path} is no mirror: the firmware reads members one by one"),
                ));
            }
        }
    }
    remarks
}
