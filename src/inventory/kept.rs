//! States of groups in LVM2's backup and archive directories.

use std::path::Path;

use superblock::lvm::Group;

use crate::model::order::InOrder as _;
use crate::{
    kernel::{KernelError, Machine, files, node},
    model::volume::{FormerLabel, Groups, KeptState},
};

/// The most that a file of LVM2's is believed to be.
const LONGEST: u64 = 16 << 20;

/// The states of a group that LVM2's backup and archive directories have, newest first. A file that is no group's is passed
/// over.
///
/// # Errors
/// A directory that cannot be read.
pub fn kept(machine: &Machine, group: &str) -> Result<Vec<KeptState>, KernelError> {
    let mut all = Vec::new();
    for directory in ["backup", "archive"] {
        let directory = machine.lvm.join(directory);
        for name in files::names(&directory)? {
            let name = name.to_string_lossy().into_owned();
            let archived = name.strip_prefix(group).is_some_and(|rest| rest.starts_with('_'));
            if name == group || archived {
                all.extend(kept_in(&directory.join(name))?);
            }
        }
    }
    all.retain(|kept| kept.group.name == group);
    all.order_by_key(|kept| std::cmp::Reverse((kept.group.seqno, kept.group.written.time)));
    Ok(all)
}

/// The states in LVM2's backup directory of groups that were not found. One that was found is not read: it may be large.
///
/// # Errors
/// The directory, or a file in it, cannot be read.
pub fn of_absent(machine: &Machine, groups: &Groups) -> Result<Vec<KeptState>, KernelError> {
    let directory = machine.lvm.join("backup");
    let mut all = Vec::new();
    for name in files::names(&directory)? {
        let text = name.to_string_lossy();
        if !groups.groups.iter().any(|found| found.group.name == text) {
            all.extend(kept_in(&directory.join(&name))?.filter(|kept| kept.group.name == text));
        }
    }
    Ok(all)
}

/// The physical volumes that were last seen at a path, each with its group, by groups that are here and by the backups of those
/// that are not. Whether the device that is there now is the one of then is not looked at.
///
/// # Errors
/// The backup directory cannot be read.
pub fn former_labels(
    machine: &Machine,
    groups: &Groups,
    path: &str,
) -> Result<Vec<(FormerLabel, Group)>, KernelError> {
    let number = |path: &str| node::number_of(Path::new(path)).ok().flatten();
    let asked = number(path);
    let is_it = |hint: &str| hint == path || (asked.is_some() && number(hint) == asked);
    let former = |group: &Group, backup: Option<&str>| -> Vec<(FormerLabel, Group)> {
        let gone = group.pvs.iter().filter(|pv| is_it(&pv.device) && !groups.has(pv.id));
        gone.map(|pv| {
            let former = FormerLabel {
                group: group.name.clone(),
                pv: pv.id,
                path: path.to_owned(),
                size: Some(pv.dev_size.bytes()).filter(|size| size.0 > 0),
                backup: backup.map(ToOwned::to_owned),
                doubt: None,
            };
            (former, group.clone())
        })
        .collect()
    };
    let mut all: Vec<(FormerLabel, Group)> =
        groups.groups.iter().flat_map(|found| former(&found.group, None)).collect();
    let directory = machine.lvm.join("backup");
    for name in files::names(&directory)? {
        let Some(state) = kept_in(&directory.join(name))? else { continue };
        if !groups.groups.iter().any(|found| found.group.id == state.group.id) {
            all.extend(former(&state.group, Some(&state.path)));
        }
    }
    Ok(all)
}

/// The state in one file; none where it is no group's.
///
/// # Errors
/// It cannot be read.
pub fn kept_in(file: &Path) -> Result<Option<KeptState>, KernelError> {
    let text = files::read(file, LONGEST)?.unwrap_or_default();
    let group = Group::parse(&text).ok();
    Ok(group.map(|group| KeptState { path: file.display().to_string(), group }))
}
