//! Which devices are physical volumes, and what groups they make: every candidate is read once, all of them at the same
//! time, and a text only once however many areas have it.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex},
};

use superblock::{
    Bytes, Damage, Media, Sectors, What,
    lvm::{Group, Slot, Stamp, area, label},
    probe,
    window::Width,
};

use super::{
    devices::{each, unusable},
    dm,
};
use crate::{
    config::lvm::{self, Settings},
    kernel::{
        BlockDevice, KernelError, Machine, files, host, node,
        sysfs::{Shape, Suspended},
        udev,
    },
    model::{
        DevId, Unusable,
        dm::Listed,
        volume::{
            AreaSeen, DevicesFile, Groups, LeftOutCause, PvDevice, RefusedDevice,
            gather::{self, SightedPv, Text},
        },
    },
};

/// Devices that never are physical volumes: drives with removable media that an open would wake or wait for.
const NEVER: [&str; 3] = ["sr", "fd", "zram"];

/// Texts by checksum and size: equal ones are the same text on several devices.
type Texts = Mutex<HashMap<(u32, u64), Arc<Text>>>;

/// What one candidate turned out to be.
enum Seen {
    Nothing,
    Refused(LeftOutCause),
    Unread(LeftOutCause),
    Pv(Box<SightedPv>),
}

/// Looks for all groups.
///
/// # Errors
/// What of the machine could not be read at all; one bad device is among the refused.
pub fn groups(machine: &Machine) -> Result<Groups, KernelError> {
    let settings = Settings::of(&machine.lvm, |path| files::read_plain(path, lvm::LONGEST));
    let active = dm::list(machine, crate::model::dm::uuid::LVM)?;
    let mut faults = settings.faults.clone();
    let mut groups = Groups {
        local: local_ids(&settings, &mut faults),
        change_with_duplicates: settings.change_with_duplicates,
        active,
        ..Groups::default()
    };
    let file = machine.lvm.join("devices/system.devices");
    let is_used = settings.use_devices_file != Some(false);
    let listed = if is_used { files::read_plain(&file, lvm::LONGEST) } else { Ok(None) };
    // A list that cannot be read may have any device, or none.
    let listed = listed.map_err(|why| faults.push(why.to_string()));
    groups.faults = faults;
    if let Ok(Some(text)) = listed {
        let text = String::from_utf8_lossy(&text).into_owned();
        groups.devices_file = Some(DevicesFile { path: file.display().to_string(), text });
    }
    let mut paths = candidates(machine, &mut groups)?;
    if groups.devices_file.is_none() {
        turn_away(machine, &settings, &mut paths, &mut groups);
    }
    let texts = Texts::default();
    let look = each(machine, &paths, false, Width::Narrow, |path, opened| match opened {
        Ok(opened) => one(machine, path, opened.device, &opened.window, &texts),
        // Nobody can say whether it is one.
        Err(error) => match unusable(error) {
            Unusable::Silent(why) => Seen::Refused(LeftOutCause::Unreadable(why)),
            Unusable::Open(why) | Unusable::Broken(why) => Seen::Unread(LeftOutCause::Unreadable(why)),
            Unusable::NotBlock => Seen::Nothing,
        },
    });
    let mut sighted = Vec::new();
    for (path, seen) in paths.iter().zip(look) {
        match seen {
            Seen::Nothing => {}
            Seen::Refused(cause) => groups.refused.push(unread(path, cause)),
            Seen::Unread(cause) => groups.unopened.push(unread(path, cause)),
            Seen::Pv(one) => sighted.push(*one),
        }
    }
    groups.looked_at = paths;
    not_listed(&groups, &mut sighted);
    under_suspended(machine, &groups, &mut sighted)?;
    let twice = gather::duplicates(&sighted);
    for one in sighted.iter_mut().filter(|one| twice.contains(&one.pv.label.id)) {
        one.holders = holders(machine, one.pv.dev)?;
    }
    drop(texts);
    gather::gather(&mut groups, sighted);
    Ok(groups)
}

/// What is suspended may be the device that counts in place of one that it stands on, or shares an origin with: nobody can say
/// until it goes on. What stands on a volume says nothing of that volume's devices.
fn under_suspended(machine: &Machine, groups: &Groups, sighted: &mut [SightedPv]) -> Result<(), KernelError> {
    let held = groups.unopened.iter().filter(|one| one.cause == LeftOutCause::Suspended);
    for (path, dev) in held.filter_map(|one| Some((&one.path, one.dev?))) {
        let beneath = beneath(machine, groups, dev)?;
        for one in sighted.iter_mut().filter(|one| one.refused.is_none()) {
            let mut own = self::beneath(machine, groups, one.pv.dev)?;
            own.insert(one.pv.dev);
            if !own.is_disjoint(&beneath) {
                let why = format!("may be a part of {path}, which is suspended: nobody can say which counts");
                one.refused = Some(LeftOutCause::Component(why));
            }
        }
    }
    Ok(())
}

/// All that a device stands on, volumes of LVM2's not.
fn beneath(machine: &Machine, groups: &Groups, dev: DevId) -> Result<HashSet<DevId>, KernelError> {
    let mut found = HashSet::new();
    let mut left = vec![dev];
    while let Some(dev) = left.pop() {
        let Some(name) = machine.sysfs.name_of(dev) else { continue };
        for slave in machine.sysfs.slaves(&name)? {
            let Some(below) = machine.sysfs.block(&slave).ok().flatten().map(|entry| entry.dev) else {
                continue;
            };
            let is_volume = groups.active.iter().any(|volume| volume.dev == below);
            if !is_volume && found.insert(below) {
                left.push(below);
            }
        }
    }
    Ok(found)
}

/// A device of which no more is known than its number.
fn unread(path: &str, cause: LeftOutCause) -> RefusedDevice {
    let dev = node::number_of(Path::new(path)).ok().flatten();
    RefusedDevice { path: path.to_owned(), dev, pv: None, group: None, cause }
}

fn holders(machine: &Machine, dev: DevId) -> Result<Vec<DevId>, KernelError> {
    let name = machine.sysfs.name_of(dev).unwrap_or_default();
    let names = machine.sysfs.holders(&name)?;
    let number = |name: &String| Some(machine.sysfs.block(name).ok()??.dev);
    Ok(names.iter().filter_map(number).collect())
}

/// Who writes a text now: for metadata and backup files. `command` is what people find in them.
#[must_use]
pub fn stamp(command: &str) -> Stamp {
    let (seconds, _) = host::now();
    let time = i64::try_from(seconds).unwrap_or(0);
    let host = host::hostname().unwrap_or_default();
    let release = host::release().unwrap_or_default();
    Stamp {
        program: format!("mdctl {}", env!("CARGO_PKG_VERSION")),
        description: command.to_owned(),
        system: format!("Linux {host} {release}"),
        host,
        time,
        date: crate::model::clock::ctime(seconds, &super::local_zone()),
    }
}

/// The ids by which groups may say that they are this machine's.
fn local_ids(settings: &Settings, faults: &mut Vec<String>) -> Vec<String> {
    let mut text = |path: &str| match files::read_plain(Path::new(path), 4096) {
        Ok(text) => text.map(|text| String::from_utf8_lossy(&text).into_owned()),
        Err(why) => {
            faults.push(why.to_string());
            None
        }
    };
    let own = match settings.system_id_source.as_deref() {
        Some("lvmlocal") => settings.system_id.as_deref().map(lvm::system_id),
        Some("uname") => host::hostname().map(|name| lvm::system_id(&name)),
        Some("machineid") => text("/etc/machine-id").map(|text| lvm::system_id(&text)),
        Some("file") => match &settings.system_id_file {
            Some(file) => text(file).map(|text| lvm::system_id_in(&text)),
            None => None,
        },
        // Of "appmachineid" the id is not known here: what has it is somebody else's until extra_system_ids says otherwise.
        Some(_) | None => None,
    };
    let all = own.into_iter().chain(settings.extra_system_ids.iter().cloned());
    all.filter(|id| !id.is_empty()).collect()
}

/// Every block device that has a size and is no volume of LVM2's, no disk with partitions, nothing that is held back.
fn candidates(machine: &Machine, groups: &mut Groups) -> Result<Vec<String>, KernelError> {
    let volumes: HashSet<u32> = groups.active.iter().map(|volume: &Listed| volume.dev.minor).collect();
    let mut paths = Vec::new();
    for name in machine.sysfs.blocks()? {
        let mapper = name.strip_prefix("dm-").and_then(|minor| minor.parse().ok());
        let is_volume = |minor: u32| volumes.contains(&minor);
        let plain = |prefix: &&str| {
            name.strip_prefix(*prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        if mapper.is_some_and(is_volume) || NEVER.iter().any(plain) {
            continue;
        }
        let attr = |below: &str| machine.sysfs.block_attr(&name, below).ok().flatten();
        if attr("size").is_none_or(|size| size.trim() == "0") {
            continue;
        }
        let path = match mapper {
            None => machine.places.dev.join(&name),
            Some(_) => match machine.sysfs.dm_name(&name)? {
                Some(dm_name) => machine.places.dev.join("mapper").join(dm_name.trim()),
                None => continue,
            },
        };
        let dev = || machine.sysfs.block(&name).ok().flatten().map(|entry| entry.dev);
        // Whoever changes a table suspends for a moment.
        let is_held = |dev| Suspended::check_itself(&machine.sysfs, &path, dev).is_err();
        if mapper.is_some()
            && attr("dm/suspended").is_some_and(|held| held.trim() != "0")
            && dev().is_none_or(is_held)
        {
            groups.unopened.push(unread(&path.display().to_string(), LeftOutCause::Suspended));
            continue;
        }
        paths.push(path.display().to_string());
    }
    Ok(paths)
}

fn one(machine: &Machine, path: &str, device: &BlockDevice, window: &dyn Media, texts: &Texts) -> Seen {
    let Some(dev) = device.dev() else { return Seen::Nothing };
    let label = match label::read(window) {
        Ok(Some(label)) => label,
        Ok(None) => return Seen::Nothing,
        // A bad sector where a label might be: nothing is known of it.
        Err(Damage::Io { .. }) => return Seen::Nothing,
        Err(damage) => return Seen::Refused(LeftOutCause::NotUnderstood { why: damage.to_string() }),
    };
    let name = machine.sysfs.name_of(dev).unwrap_or_default();
    if let Some(why) = component(machine, &name, window) {
        return Seen::Refused(LeftOutCause::Component(why));
    }
    let mut pv = PvDevice {
        path: path.to_owned(),
        dev,
        size: device.len(),
        logical_block: device.logical_block_size(),
        read_only: device.is_read_only(),
        label,
        areas: Vec::new(),
        damaged: Vec::new(),
        twice: Vec::new(),
        stripe: full_stripe(machine, &name),
        device_id: device_id(machine, &name, path),
    };
    let texts = areas(&mut pv, window, texts);
    Seen::Pv(Box::new(SightedPv { pv, texts, refused: None, holders: Vec::new() }))
}

/// Whether it is only a part of something that has the label, too.
fn component(machine: &Machine, name: &str, window: &dyn Media) -> Option<String> {
    let probe = probe::probe(window);
    if let Some(found) = probe.found.first() {
        return Some(format!("is a member of an md array (metadata {})", found.format()));
    }
    // One that is damaged is one all the same.
    let native = |damage: &&Damage| match damage {
        Damage::Corrupt { format, .. } | Damage::Unsupported { format, .. } => *format != "bitmap",
        Damage::Io { .. } => false,
    };
    if let Some(damage) = probe.damaged.iter().find(native) {
        return Some(format!("looks like a member of an md array: {damage}"));
    }
    for holder in machine.sysfs.holders(name).unwrap_or_default() {
        if machine.sysfs.exists(format!("class/block/{holder}/md")) {
            return Some(format!("is a member of {holder}"));
        }
        let uuid = machine.sysfs.block_attr(&holder, "dm/uuid").ok().flatten().unwrap_or_default();
        if uuid.starts_with("mpath-") {
            return Some(format!("is a path of the multipath device {holder}"));
        }
    }
    match machine.sysfs.block(name).ok().flatten().map(|entry| entry.shape) {
        Some(Shape::Whole { partitions }) if !partitions.is_empty() => {
            Some("has partitions, which hide the label of the whole disk".into())
        }
        _ => None,
    }
}

fn areas(pv: &mut PvDevice, window: &dyn Media, texts: &Texts) -> Vec<Arc<Text>> {
    let mut found = Vec::new();
    for place in pv.label.metadata.clone() {
        let area = match area::read(window, place) {
            Ok(area) => area,
            Err(damage) => {
                pv.damaged.push(damage.to_string());
                let anew = area::Area::anew(place, pv.size, &damage);
                pv.areas.extend(anew.map(|area| AreaSeen { area, holds: None }));
                continue;
            }
        };
        let mut holds = None;
        if let Some(slot) = area.committed.filter(|_| !area.ignored) {
            match text(window, &area, slot, texts) {
                Ok(text) => {
                    match &text.group {
                        Ok(group) => holds = Some((group.id, group.seqno)),
                        Err(why) => pv.damaged.push(why.clone()),
                    }
                    found.push(text);
                }
                Err(damage) => pv.damaged.push(damage.to_string()),
            }
        }
        pv.areas.push(AreaSeen { area, holds });
    }
    found
}

fn text(media: &dyn Media, area: &area::Area, slot: Slot, texts: &Texts) -> Result<Arc<Text>, Damage> {
    let key = (slot.crc, slot.size);
    let known = texts.lock().ok().and_then(|texts| texts.get(&key).cloned());
    if let Some(known) = known {
        return Ok(known);
    }
    // Somebody may have changed the group between the header and the text: then the header says so now.
    let bytes = match area::text(media, area, slot) {
        Err(Damage::Corrupt { what: What::Checksum { .. }, .. }) => {
            let again = area::read(media, area.place)?;
            area::text(media, &again, again.committed.unwrap_or(slot))?
        }
        other => other?,
    };
    let group = Group::parse(&bytes).map_err(|bad| bad.to_string());
    let text = Arc::new(Text { bytes, group });
    if let Ok(mut texts) = texts.lock() {
        texts.insert(key, Arc::clone(&text));
    }
    Ok(text)
}

/// What writing should come in multiples of.
fn full_stripe(machine: &Machine, name: &str) -> Sectors {
    let whole = machine.sysfs.whole_of(name).unwrap_or_else(|| name.to_owned());
    let attr = machine.sysfs.block_attr(&whole, "queue/optimal_io_size").ok().flatten();
    let bytes: u64 = attr.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    // Some disks say nonsense here: 0xffff sectors and the like.
    if bytes % 4096 == 0 && bytes <= 256 << 20 { Bytes(bytes).sectors() } else { Sectors(0) }
}

/// The name by which a devices file of LVM2's knows a device.
pub(super) fn device_id(machine: &Machine, name: &str, path: &str) -> Option<(String, String)> {
    let attr = |below: &str| {
        let text = machine.sysfs.block_attr(name, below).ok().flatten()?;
        Some(text.trim().replace(' ', "_")).filter(|text| !text.is_empty())
    };
    let named = |kind: &str, name: String| Some((kind.to_owned(), name));
    if let Some(uuid) = attr("md/uuid") {
        return named("md_uuid", uuid);
    }
    if let Some(uuid) = attr("dm/uuid") {
        let kind = [("mpath-", "mpath_uuid"), ("CRYPT-", "crypt_uuid")];
        let kind = kind.into_iter().find(|(prefix, _)| uuid.starts_with(prefix)).map(|(_, kind)| kind);
        return kind.and_then(|kind| named(kind, uuid));
    }
    if let Some(file) = attr("loop/backing_file") {
        return named("loop_file", file);
    }
    let wwid = attr("wwid").or_else(|| attr("device/wwid"));
    wwid.map_or_else(|| named("devname", path.to_owned()), |wwid| named("sys_wwid", wwid))
}

/// What filters leave: a device that is turned away is not even opened. What udev has seen on it is known all the same.
fn turn_away(machine: &Machine, settings: &Settings, paths: &mut Vec<String>, groups: &mut Groups) {
    if !settings.has_filters() {
        return;
    }
    paths.retain(|path| {
        let number = node::number_of(Path::new(path)).ok().flatten();
        let record =
            number.and_then(|dev| udev::record(&machine.places, dev).ok().flatten()).unwrap_or_default();
        let links = record.links.iter().map(|link| machine.places.dev.join(link).display().to_string());
        let names: Vec<String> = std::iter::once(path.clone()).chain(links).collect();
        if settings.takes(&names) {
            return true;
        }
        let pv = record.properties.get("ID_FS_UUID").and_then(|id| id.parse().ok());
        let is_pv = record.properties.get("ID_FS_TYPE").is_some_and(|kind| kind == "LVM2_member");
        let refused = RefusedDevice {
            path: path.clone(),
            dev: number,
            pv: pv.filter(|_| is_pv),
            group: None,
            cause: LeftOutCause::Filtered,
        };
        if is_pv {
            groups.refused.push(refused)
        } else {
            groups.unopened.push(refused)
        }
        false
    });
}

/// What the devices file does not have.
fn not_listed(groups: &Groups, sighted: &mut [SightedPv]) {
    let Some(file) = &groups.devices_file else { return };
    let listed = lvm::devices(&file.text);
    for one in sighted {
        let id = one.pv.device_id.as_ref().map(|(kind, name)| (kind.as_str(), name.as_str()));
        if !lvm::is_listed(&listed, id, one.pv.label.id.plain()) {
            one.refused = Some(LeftOutCause::NotListed);
        }
    }
}
