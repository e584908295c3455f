//! Arrays that the kernel has.

use superblock::Level;

use crate::{
    kernel::{KernelError, Machine},
    model::RunningArray,
};

/// Every array in the kernel. One that goes away while it is looked at is left out.
pub(super) fn running(machine: &Machine) -> Result<Vec<RunningArray>, KernelError> {
    let mut found = Vec::new();
    for name in machine.sysfs.arrays()? {
        if let Some(array) = one(machine, &name)? {
            found.push(array);
        }
    }
    Ok(found)
}

fn one(machine: &Machine, name: &str) -> Result<Option<RunningArray>, KernelError> {
    let array = machine.sysfs.array(name);
    let (Some(dev), Some(state)) = (array.dev()?, array.state()?) else {
        return Ok(None);
    };
    let (mut members, mut names) = (Vec::new(), Vec::new());
    for member in array.members()? {
        members.extend(member.dev()?);
        names.push(member.name().to_owned());
    }
    Ok(Some(RunningArray {
        name: name.to_owned(),
        id: dev,
        state,
        level: array.level()?.and_then(|text| level(&text)),
        uuid: None,
        metadata: array.metadata_version()?.unwrap_or_default(),
        raid_disks: array.raid_disks()?.and_then(|n| u32::try_from(n.new).ok()).unwrap_or(0),
        members,
        names,
    }))
}

/// A level by the kernel's word.
pub(super) fn level(text: &str) -> Option<Level> {
    [-5, -4, -1, 0, 1, 4, 5, 6, 10]
        .map(Level::from_number)
        .into_iter()
        .find(|level| level.name() == Some(text))
}
