//! States of groups in LVM2's backup and archive directories.

use std::path::Path;

use superblock::lvm::Group;

use crate::{
    kernel::{KernelError, Machine, files},
    model::volume::KeptState,
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
    all.sort_by_key(|kept| std::cmp::Reverse((kept.group.seqno, kept.group.written.time)));
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
