//! What the system mounts after its root, from fstab.

use super::{BootRemark, needed};
use crate::{
    config::conf::{self, ArrayLineName},
    model::boot::{BootArray, BootEntry, BootMount, BootSeen},
};

pub(super) fn check(seen: &BootSeen) -> Vec<BootRemark> {
    let mut remarks = Vec::new();
    for entry in &seen.table {
        remarks.extend(line(seen, entry));
    }
    let later = seen.mounts.iter().filter(|mount| !matches!(mount.at.as_str(), "/" | "/usr"));
    let later: Vec<&BootMount> = later.filter(|mount| !mount.arrays.is_empty()).collect();
    let needed = needed(seen);
    let others = || seen.arrays.iter().filter(|array| !needed.contains(array));
    if !seen.rules.iter().any(|rule| rule == "64-md-raid-assembly.rules") {
        let text = |what: &str| {
            format!(
                "udev's rule 64-md-raid-assembly.rules, of this package, is not installed: nothing takes {what}"
            )
        };
        let one = |mount: &&BootMount| BootRemark::fails(&mount.at, text("its members into an array"));
        remarks.extend(later.iter().map(one));
        if later.is_empty() {
            let one = |array: &BootArray| BootRemark::risk(&array.path, text("members into it"));
            remarks.extend(others().map(one));
        }
    } else if !seen.has_last_resort {
        let text = "mdadm-last-resort@.timer, of this package, is not installed: an array that lacks a member at the start stays off";
        remarks.extend(later.iter().map(|mount| BootRemark::risk(&mount.at, text)));
    }
    remarks
}

/// A line of fstab: whether its source is there next time.
fn line(seen: &BootSeen, BootEntry { source, at, needed, there }: &BootEntry) -> Option<BootRemark> {
    let unsure = unsure(seen, source);
    if *there {
        let text = unsure?;
        return Some(BootRemark::risk(at, format!("fstab mounts it from {source}: {text}")));
    }
    let why = unsure.unwrap_or_else(|| "no device has that name now".to_owned());
    let text = format!("fstab mounts it from {source}: {why}");
    Some(match needed {
        true => {
            BootRemark::fails(at, format!("{text}, and the start stops there unless the line says nofail"))
        }
        false => BootRemark::note(at, text),
    })
}

/// Why a path of an array may be another one's, or nobody's, next time.
pub(super) fn unsure(seen: &BootSeen, source: &str) -> Option<String> {
    let of_array = source.strip_prefix("/dev/md")?;
    if let Some(name) = of_array.strip_prefix('/') {
        let known = seen.arrays.iter().any(|array| array.path == source);
        let base = name.trim_end_matches(|digit: char| digit.is_ascii_digit()).trim_end_matches('p');
        let is_part = seen.arrays.iter().any(|array| array.path == format!("/dev/md/{base}"));
        return (!known && !is_part).then(|| "no array has that name now".to_owned());
    }
    let number = of_array.trim_start_matches('_').split('p').next().unwrap_or_default();
    if number.is_empty() || !number.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let kernel = format!("md{number}");
    let Some(array) = seen.array(&kernel) else { return Some("there is no such array now".to_owned()) };
    let (config, _) = conf::parse(seen.config.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let is_fixed = config.arrays.iter().any(|line| {
        let names_it = match &line.name {
            ArrayLineName::Word(word) => {
                let word = word.rsplit('/').next().unwrap_or_default();
                word == kernel || word == number
            }
            ArrayLineName::Unnamed | ArrayLineName::Ignore => false,
        };
        names_it && line.uuid.is_some() && line.uuid == array.uuid
    });
    let own = array.name.as_deref().map(|name| name.rsplit(':').next().unwrap_or_default());
    // Old metadata has the number in it, and so has a name that is one.
    let has_number = array.metadata.starts_with("0.") || own == Some(number);
    (!is_fixed && !has_number).then(|| "numbers are given in the order in which arrays come up, and no ARRAY line of mdadm.conf says that this array has this one".to_owned())
}
