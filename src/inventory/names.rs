//! All arrays there are, under the names that a scan gives them.

use std::path::{Path, PathBuf};

use superblock::Sectors;

use super::nodes::Nodes;
use crate::{
    kernel::{DevId as Number, KernelError, Machine, files, mdstat, node, sysfs::Shape},
    model::world::MapEntry,
};

/// A path to every array of /proc/mdstat, containers before their members, what stands on arrays after these; the
/// name in the map before any other. Instead of a path, the kernel's name of an array that has none.
///
/// # Errors
/// What could not be read.
pub fn arrays_in_order(
    machine: &Machine,
    map: &[MapEntry],
    nodes: &Nodes,
) -> Result<Vec<Result<String, String>>, KernelError> {
    let entries = mdstat::read(&machine.procfs)?;
    let mut order: Vec<&mdstat::MdstatEntry> = vec![];
    for entry in &entries {
        let members = machine.sysfs.array(&entry.name).members()?;
        let stands_on =
            |other: &&mdstat::MdstatEntry| members.iter().any(|member| member.name() == other.name);
        match order.iter().position(stands_on) {
            Some(before) => order.insert(before, entry),
            None => order.push(entry),
        }
    }
    order.reverse();
    let in_container = |entry: &&mdstat::MdstatEntry| entry.metadata.starts_with("external:/");
    let (inner, outer): (Vec<_>, Vec<_>) = order.into_iter().partition(in_container);
    let names = outer.into_iter().chain(inner);
    Ok(names.map(|entry| name(machine, map, nodes, &entry.name).ok_or(entry.name.clone())).collect())
}

fn name(machine: &Machine, map: &[MapEntry], nodes: &Nodes, kernel_name: &str) -> Option<String> {
    let known = map.iter().find(|entry| entry.devnm == kernel_name).map(|entry| entry.path.as_str());
    let known =
        known.filter(|path| !path.is_empty() && *path != "/unknown" && files::exists(Path::new(path)));
    known.map(str::to_owned).or_else(|| standard_name(machine, nodes, kernel_name))
}

/// The usual places, else any node of that number.
fn standard_name(machine: &Machine, nodes: &Nodes, kernel_name: &str) -> Option<String> {
    let number = machine.sysfs.array(kernel_name).dev().ok()??;
    let dev = &machine.places.dev;
    let mut places: Vec<PathBuf> = vec![dev.join(kernel_name)];
    if let Some(name) = kernel_name.strip_prefix("md_") {
        places.insert(0, dev.join("md").join(name));
    }
    places.extend(kernel_name.strip_prefix("md").map(|rest| dev.join("md").join(rest)));
    let is_it = |path: &PathBuf| node::number_of(path).is_ok_and(|found| found == Some(number));
    let place = places.into_iter().find(is_it).and_then(|path| path.into_os_string().into_string().ok());
    place.or_else(|| nodes.path(number, None))
}

/// The whole device behind a number: the kernel's name of it, and the size of what the number itself is.
pub(super) fn whole(machine: &Machine, number: Number) -> Option<(String, Sectors)> {
    let name = machine.sysfs.name_of(number)?;
    let entry = machine.sysfs.block(&name).ok()??;
    let whole = match entry.shape {
        Shape::Partition { of, .. } => of,
        Shape::Whole { .. } => name,
    };
    Some((whole, entry.size))
}
