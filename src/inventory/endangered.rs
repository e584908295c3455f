//! Devices that a plan is going to write to: what is on them, and what tells them from others.

use superblock::{foreign, window::Width};

use super::devices::{Opened, describe, each, unusable};
use crate::{
    archive::Sighted,
    kernel::{self, Machine},
    model::{DevId, Device, Unusable},
};

/// Looks at every path that can be opened, in parallel. Nobody is asked to let go.
#[must_use]
pub fn endangered(machine: &Machine, paths: &[String]) -> Vec<Sighted> {
    if paths.is_empty() {
        return Vec::new();
    }
    let by_id = by_id(machine);
    let found = each(paths, false, Width::Wide, |path, opened| {
        opened.map_err(unusable).and_then(|opened| one(machine, path, &opened))
    });
    let sighted = |device: Device| {
        let names = by_id.iter().filter(|(_, id)| *id == device.id).map(|(path, _)| path.clone()).collect();
        let attr = |below: &[&str]| attribute(machine, &device, below);
        let serial = attr(&["serial", "device/serial", "device/vpd_pg80"]);
        let wwn = attr(&["wwid", "device/wwid"]);
        Sighted::new(device, names, serial, wwn)
    };
    found.into_iter().filter_map(Result::ok).map(sighted).collect()
}

fn one(machine: &Machine, path: &str, opened: &Opened<'_>) -> Result<Device, Unusable> {
    let mut device = describe(machine, path, opened)?;
    device.foreign = foreign::scan(&opened.window).unwrap_or_default();
    Ok(device)
}

/// The names that a device has below `/dev/disk/by-id`, with their paths.
#[must_use]
pub fn names_by_id(machine: &Machine, device: &std::path::Path) -> Vec<(String, String)> {
    let Ok(Some(number)) = kernel::node::number_of(device) else { return Vec::new() };
    let names = by_id(machine).into_iter().filter(|(_, other)| *other == number);
    names.filter_map(|(path, _)| Some((path.rsplit('/').next()?.to_owned(), path))).collect()
}

/// Every name below `/dev/disk/by-id`.
fn by_id(machine: &Machine) -> Vec<(String, DevId)> {
    let dir = machine.places.dev.join("disk/by-id");
    let names = kernel::files::names(&dir).unwrap_or_default();
    let number = |name: std::ffi::OsString| {
        let path = dir.join(name);
        let id = kernel::node::number_of(&path).ok().flatten()?;
        Some((path.into_os_string().into_string().ok()?, id))
    };
    names.into_iter().filter_map(number).collect()
}

/// The first of these attributes that the device, or the disk that it is a part of, has.
fn attribute(machine: &Machine, device: &Device, below: &[&str]) -> Option<String> {
    let disk = device.whole.as_deref().unwrap_or(&device.kernel_name);
    let read = |below: &&str| machine.sysfs.block_attr(disk, below).ok().flatten();
    let printable = |text: String| text.chars().filter(|c| !c.is_control()).collect::<String>();
    below.iter().find_map(read).map(|text| printable(text).trim().to_owned()).filter(|text| !text.is_empty())
}
