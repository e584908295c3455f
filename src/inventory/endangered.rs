//! Devices that a plan is going to write to: what is on them, and what tells them from others.

use std::{collections::BTreeMap, path::Path};

use superblock::{Bytes, Write, foreign, window::Width};

use super::devices::{Opened, describe, each, unusable};
use crate::{
    archive::{Attributes, Identity, Partition, Print, Sighted, prints},
    kernel::{
        self, Access, Machine,
        aio::{self, LONGEST_WAIT, Read, ReadAnswer},
    },
    model::{DevId, Device, Unusable},
};

/// Looks at every path that can be opened, in parallel. Nobody is asked to let go.
#[must_use]
pub fn endangered(machine: &Machine, paths: &[String]) -> Vec<Sighted> {
    let devices = found(machine, paths);
    let places = |device: &Device| prints::places(device.size, &device.probe.found);
    let wanted = devices.iter().map(|device| (device.path.clone(), places(device))).collect();
    sighted(machine, devices, &wanted)
}

/// The same for devices that may be those of an entry: what is read of their blocks is what was noted then.
#[must_use]
pub fn like(machine: &Machine, paths: &[String], known: &[Identity]) -> Vec<Sighted> {
    let devices = found(machine, paths);
    let mut wanted = BTreeMap::new();
    for device in &devices {
        let at = prints::of_size(known, device.size.0);
        if !at.is_empty() {
            wanted.insert(device.path.clone(), at);
        }
    }
    sighted(machine, devices, &wanted)
}

fn found(machine: &Machine, paths: &[String]) -> Vec<Device> {
    let found = each(machine, paths, false, Width::Wide, |path, opened| {
        opened.map_err(unusable).and_then(|opened| one(machine, path, &opened))
    });
    found.into_iter().filter_map(Result::ok).collect()
}

fn sighted(machine: &Machine, devices: Vec<Device>, wanted: &BTreeMap<String, Vec<Bytes>>) -> Vec<Sighted> {
    if devices.is_empty() {
        return Vec::new();
    }
    let by_id = by_id(machine);
    let boot = machine.procfs.text("sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned());
    let mut prints = prints_of(wanted);
    let mut attributes = |device: &Device| {
        let names = by_id.iter().filter(|(_, id)| *id == device.id).map(|(path, _)| path.clone()).collect();
        let disk = device.whole.as_deref().unwrap_or(&device.kernel_name);
        let there = machine.sysfs.attributes_of(disk).unwrap_or_default();
        let attr = |below: &[&str]| attribute(machine, device, &there, below);
        Attributes {
            by_id: names,
            serial: attr(&["serial", "device/serial", "device/vpd_pg80"]),
            wwn: attr(&["wwid", "device/wwid"]),
            boot: boot.clone(),
            diskseq: attr(&["diskseq"]).and_then(|text| text.parse().ok()),
            partition: partition(machine, device),
            uuid: attr(&["dm/uuid", "md/uuid"]),
            backing: attr(&["loop/backing_file"]),
            prints: prints.remove(&device.path).unwrap_or_default(),
        }
    };
    devices
        .into_iter()
        .map(|device| {
            let attributes = attributes(&device);
            Sighted::new(device, attributes)
        })
        .collect()
}

/// Checksums of blocks. What cannot be read in time tells nothing.
fn prints_of(wanted: &BTreeMap<String, Vec<Bytes>>) -> BTreeMap<String, Vec<Print>> {
    let opened: Vec<(&String, kernel::BlockDevice, &Vec<Bytes>)> = wanted
        .iter()
        .filter_map(|(path, at)| {
            Some((path, kernel::BlockDevice::open(Path::new(path), Access::Read).ok()?, at))
        })
        .collect();
    let mut reads = Vec::new();
    let mut of = Vec::new();
    for (path, device, places) in &opened {
        reads.extend(places.iter().map(|at| Read { device, at: *at, length: prints::BLOCK }));
        of.extend(places.iter().map(|at| ((*path).clone(), *at)));
    }
    let mut all: BTreeMap<String, Vec<Print>> = BTreeMap::new();
    for ((path, at), answer) in of.into_iter().zip(aio::read_all(&reads, LONGEST_WAIT).unwrap_or_default()) {
        let ReadAnswer::Whole(loaded) = answer else { continue };
        all.entry(path).or_default().extend(Print::of(&Write { at, data: (*loaded).as_ref().to_vec() }));
    }
    all
}

/// Where a partition lies on its disk.
fn partition(machine: &Machine, device: &Device) -> Option<Partition> {
    device.whole.as_ref()?;
    let attr = |below: &str| machine.sysfs.block_attr(&device.kernel_name, below).ok().flatten();
    let start = attr("start")?.trim().parse().ok()?;
    let uevent = attr("uevent").unwrap_or_default();
    let uuid = uevent.lines().find_map(|line| line.strip_prefix("PARTUUID=")).map(str::to_owned);
    Some(Partition { start, uuid })
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

/// The first of these attributes that the device, or the disk that it is a part of, has; `there` is what its directory has.
fn attribute(machine: &Machine, device: &Device, there: &[String], below: &[&str]) -> Option<String> {
    let disk = device.whole.as_deref().unwrap_or(&device.kernel_name);
    let read = |below: &&str| {
        let first = below.split('/').next()?;
        let is_there = there.iter().any(|name| name == first);
        is_there.then(|| machine.sysfs.block_attr(disk, below).ok().flatten())?
    };
    let printable = |text: String| text.chars().filter(|c| !c.is_control()).collect::<String>();
    below.iter().find_map(read).map(|text| printable(text).trim().to_owned()).filter(|text| !text.is_empty())
}
