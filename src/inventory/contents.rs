//! What lies on an array: its partitions, the volumes of a group, file systems and where they are mounted.

use std::path::Path;

use superblock::{
    Bytes, Media, Sectors, foreign,
    foreign::Kind,
    lvm::{Kind as SegmentKind, LogicalVolume},
    window::{Width, Window},
};

use super::extents::Extents;
use crate::model::order::InOrder as _;
use crate::{
    kernel::{Access, BlockDevice, Machine, node, sysfs::Shape},
    model::{
        DevId,
        scrub::{OnDevice, Piece, Purpose},
        volume::{FoundGroup, Groups},
    },
};

/// In the order of the array. What cannot be looked at is left out: it is an addition.
#[must_use]
pub fn contents(machine: &Machine, kernel: &str, path: &str) -> Vec<Piece> {
    let mut look = ContentsLook { machine, groups: None, pieces: Vec::new() };
    look.device(kernel, path, Bytes(0));
    look.pieces.order_by_key(|piece| piece.start);
    look.pieces
}

struct ContentsLook<'a> {
    machine: &'a Machine,
    groups: Option<Groups>,
    pieces: Vec<Piece>,
}

impl ContentsLook<'_> {
    /// The array, or a partition of it.
    fn device(&mut self, kernel: &str, path: &str, base: Bytes) {
        let parts: Vec<(String, Sectors)> = self.partitions(kernel);
        for (name, start) in &parts {
            self.device(name, &format!("/dev/{name}"), start.bytes());
        }
        let entry = self.machine.sysfs.block(kernel).ok().flatten();
        let Some(entry) = entry.filter(|_| parts.is_empty()) else { return };
        let device = BlockDevice::open(&self.machine.places.dev.join(kernel), Access::Read).ok();
        let (what, purpose) = device.as_ref().map(|device| seen(device)).unwrap_or_default();
        let is_pv = what.as_ref().is_some_and(|what| what.starts_with(Kind::Lvm2.name()));
        if is_pv && self.volumes(entry.dev, base) {
            return;
        }
        let content = OnDevice { what, mounted: self.mounted(entry.dev), purpose };
        let length = entry.size.bytes();
        let device = path.to_owned();
        self.pieces.push(Piece { start: base, length, device, content, ..Piece::default() });
    }

    fn partitions(&self, kernel: &str) -> Vec<(String, Sectors)> {
        let names = self.machine.sysfs.blocks().unwrap_or_default().into_iter();
        let of = |name: String| {
            let entry = self.machine.sysfs.block(&name).ok().flatten()?;
            match entry.shape {
                Shape::Partition { of, start, .. } if of == kernel => Some((name, start)),
                _ => None,
            }
        };
        names.filter(|name| name.starts_with(kernel) && name != kernel).filter_map(of).collect()
    }

    /// The volumes of the group that has this device, what is between them, and what is before them.
    fn volumes(&mut self, dev: DevId, base: Bytes) -> bool {
        let machine = self.machine;
        let groups =
            self.groups.take().unwrap_or_else(|| super::volumes::groups(machine).unwrap_or_default());
        let is_this = |device: &Option<crate::model::volume::PvDevice>| {
            device.as_ref().is_some_and(|device| device.dev == dev)
        };
        let of = groups.groups.iter().find_map(|found| {
            let pv = found.devices.iter().position(is_this)?;
            Some((found, pv))
        });
        if let Some((found, pv)) = of {
            let pieces = self.of_group(found, pv, base);
            self.pieces.extend(pieces);
        }
        let known = of.is_some();
        self.groups = Some(groups);
        known
    }

    fn of_group(&self, found: &FoundGroup, pv: usize, base: Bytes) -> Vec<Piece> {
        let group = &found.group;
        let Some(device) = group.pvs.get(pv) else { return Vec::new() };
        let start = base.saturating_add(device.pe_start.bytes());
        let extent = group.extent_size.bytes();
        let length = |extents: u64| Bytes(extents.saturating_mul(extent.0));
        let mut pieces = Vec::new();
        for volume in &group.volumes {
            let content = self.of_volume(found, volume);
            for segment in &volume.segments {
                let legs = segment.legs();
                for (nth, leg) in legs.iter().enumerate().filter(|(_, leg)| leg.pv == pv) {
                    let (stripe, first) = match &segment.kind {
                        SegmentKind::Striped { stripe_size, .. } if legs.len() > 1 => {
                            let (size, count) = (stripe_size.bytes(), u64::try_from(legs.len()).unwrap_or(1));
                            let nth = u64::try_from(nth).unwrap_or(0);
                            (Some((size, count)), size.0.saturating_mul(nth))
                        }
                        _ => (None, 0),
                    };
                    pieces.push(Piece {
                        start: start.saturating_add(length(leg.extent)),
                        length: length(segment.leg_len()),
                        device: format!("/dev/{}/{}", group.name, volume.name),
                        at: length(segment.start).saturating_add(Bytes(first)),
                        stripe,
                        content: content.clone(),
                    });
                }
            }
        }
        pieces.order_by_key(|piece| piece.start);
        let mut at = base;
        let mut between = Vec::new();
        let end = start.saturating_add(length(device.pe_count));
        let edges = pieces.iter().map(|piece| (piece.start, piece.start.saturating_add(piece.length)));
        for (from, until) in edges.chain([(end, end)]) {
            if at < start {
                let what = Some(format!("metadata of group {}", group.name));
                let content = OnDevice { what, mounted: None, purpose: Purpose::Metadata };
                between.push(piece(device_path(found, pv), (at, start), base, content));
                at = start;
            }
            if at < from {
                let what = Some(format!("free space of group {}", group.name));
                let content = OnDevice { what, mounted: None, purpose: Purpose::Free };
                between.push(piece(device_path(found, pv), (at, from), base, content));
            }
            at = at.max(until);
        }
        pieces.extend(between);
        pieces
    }

    fn of_volume(&self, found: &FoundGroup, volume: &LogicalVolume) -> OnDevice {
        let path = format!("/dev/{}/{}", found.group.name, volume.name);
        let media = Extents::open(found, volume).ok();
        let (what, purpose) = media.as_ref().map(|media| seen(media)).unwrap_or_default();
        let dev = node::number_of(Path::new(&path)).ok().flatten();
        OnDevice { what, mounted: dev.and_then(|dev| self.mounted(dev)), purpose }
    }

    fn mounted(&self, dev: DevId) -> Option<String> {
        let procfs = &self.machine.procfs;
        let is_it = |path: &str| node::number_of(Path::new(path)).ok().flatten() == Some(dev);
        let mounts = procfs.mounts("self").unwrap_or_default();
        let mount = mounts.into_iter().find(|mount| mount.dev == dev || is_it(&mount.source));
        mount.map(|mount| mount.at)
    }
}

fn piece(device: String, (from, until): (Bytes, Bytes), base: Bytes, content: OnDevice) -> Piece {
    let (length, at) = (until.saturating_sub(from), from.saturating_sub(base));
    Piece { start: from, length, device, at, stripe: None, content }
}

fn device_path(found: &FoundGroup, pv: usize) -> String {
    let device = found.devices.get(pv).and_then(Option::as_ref);
    device.map(|device| device.path.clone()).unwrap_or_default()
}

/// What its bytes say it is.
fn seen(media: &dyn Media) -> (Option<String>, Purpose) {
    let found = foreign::scan(&Window::new(media, Width::Wide)).unwrap_or_default();
    // A boot sector says nothing beside a file system.
    let Some(first) = found.iter().find(|found| found.kind != Kind::Mbr).or(found.first()) else {
        return (None, Purpose::Data);
    };
    let purpose = if first.kind == Kind::Swap { Purpose::Swap } else { Purpose::Data };
    (Some(super::inside::named(first)), purpose)
}
