//! Names for the completion of a command line. What cannot be read has no names.

use std::path::{Path, PathBuf};

use crate::kernel::{DevId, Machine, devdir};

/// The arrays that the kernel has: their links below /dev/md, and their nodes.
#[must_use]
pub fn array_names(machine: &Machine) -> Vec<String> {
    let arrays = machine.sysfs.arrays().unwrap_or_default();
    let devices: Vec<DevId> =
        arrays.iter().filter_map(|name| machine.sysfs.array(name).dev().ok()?).collect();
    let below = machine.places.dev.join("md");
    let names = devdir::names(&machine.places).into_iter().filter(|(_, dev)| devices.contains(dev));
    let shown = |path: &Path| path.starts_with(&below) || path.parent() == Some(&machine.places.dev);
    names.filter(|(path, _)| shown(path)).filter_map(|(path, _)| text(path)).collect()
}

/// The members of the array that a word names: a path, or a name without its directory.
#[must_use]
pub fn member_names(machine: &Machine, array: &str) -> Vec<String> {
    let dev = &machine.places.dev;
    let paths: Vec<PathBuf> = [PathBuf::from(array), dev.join(array), dev.join("md").join(array)].into();
    let known = devdir::names(&machine.places);
    let found = paths.iter().find_map(|path| known.iter().find(|(name, _)| name == path));
    let Some((_, number)) = found else { return vec![] };
    let arrays = machine.sysfs.arrays().unwrap_or_default();
    let is_it = |name: &&String| machine.sysfs.array(name).dev().ok().flatten() == Some(*number);
    let Some(name) = arrays.iter().find(is_it) else { return vec![] };
    let members = machine.sysfs.array(name).members().unwrap_or_default();
    members.iter().filter_map(|member| text(dev.join(member.name()))).collect()
}

/// Every block device that the kernel lists and that has a size.
#[must_use]
pub fn device_names(machine: &Machine) -> Vec<String> {
    let listed = machine.procfs.partitions().unwrap_or_default();
    let names = listed.into_iter().map(|line| machine.places.dev.join(line.name));
    names.filter_map(text).collect()
}

fn text(path: PathBuf) -> Option<String> {
    path.into_os_string().into_string().ok()
}
