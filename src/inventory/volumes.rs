//! Which devices are physical volumes, and what groups they make: every candidate is read once, all of them at the same
//! time, and a text only once however many areas have it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex},
};

use superblock::{
    Bytes, Damage, Media, Sectors, What,
    lvm::{Group, LvmUuid, Slot, Stamp, area, label},
    probe,
    window::Width,
};

use super::{devices::each, dm};
use crate::{
    config::lvm::{self, Settings},
    kernel::{KernelError, Machine, files, host, node, sysfs::Shape, udev},
    model::{
        DevId,
        dm::Listed,
        volume::{AreaSeen, DevicesFile, Found, Groups, PvDevice, Refused},
    },
};

/// The most that a file of LVM2's is believed to be.
const LONGEST: u64 = 16 << 20;
/// Devices that never are physical volumes: drives with removable media that an open would wake or wait for.
const NEVER: [&str; 3] = ["sr", "fd", "zram"];

/// A text that was read, and what it says.
#[derive(Clone, Debug)]
struct Text {
    bytes: Vec<u8>,
    group: Result<Group, String>,
}

/// Texts by checksum and size: equal ones are the same text on several devices.
type Texts = Mutex<HashMap<(u32, u64), Arc<Text>>>;

/// What one candidate turned out to be.
enum Seen {
    Nothing,
    Refused(String),
    Pv(Box<PvDevice>, Vec<Arc<Text>>),
}

/// Looks for all groups.
///
/// # Errors
/// What of the machine could not be read at all; one bad device is among the refused.
pub fn groups(machine: &Machine) -> Result<Groups, KernelError> {
    let settings = settings(machine)?;
    let active = dm::list(machine, crate::model::dm::uuid::LVM)?;
    let mut groups = Groups { local: local_ids(&settings)?, active, ..Groups::default() };
    let file = machine.lvm.join("devices/system.devices");
    let is_used = settings.use_devices_file != Some(false);
    if let Some(text) = if is_used { files::read(&file, LONGEST)? } else { None } {
        let text = String::from_utf8_lossy(&text).into_owned();
        groups.devices_file = Some(DevicesFile { path: file.display().to_string(), text });
    }
    let mut paths = candidates(machine, &groups.active)?;
    if groups.devices_file.is_none() {
        turn_away(machine, &settings, &mut paths, &mut groups.refused);
    }
    let texts = Texts::default();
    let look = each(&paths, false, Width::Narrow, |path, opened| match opened {
        Ok(opened) => one(machine, path, opened.device, &opened.window, &texts),
        // Nobody can say whether it is one.
        Err(_) => Seen::Nothing,
    });
    let mut pvs = Vec::new();
    for (path, seen) in paths.iter().zip(look) {
        match seen {
            Seen::Nothing => {}
            Seen::Refused(why) => groups.refused.push(Refused { path: path.clone(), why }),
            Seen::Pv(pv, texts) => pvs.push((*pv, texts)),
        }
    }
    groups.looked_at = paths;
    keep_listed(&mut groups, &mut pvs);
    keep_one_of_each(machine, &mut groups, &mut pvs)?;
    drop(texts);
    assemble(&mut groups, pvs);
    Ok(groups)
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

fn settings(machine: &Machine) -> Result<Settings, KernelError> {
    let mut settings = Settings::default();
    for name in ["lvm.conf", "lvmlocal.conf"] {
        if let Some(text) = files::read(&machine.lvm.join(name), LONGEST)? {
            settings.read(&text);
        }
    }
    Ok(settings)
}

/// The ids by which groups may say that they are this machine's.
fn local_ids(settings: &Settings) -> Result<Vec<String>, KernelError> {
    let own = match settings.system_id_source.as_deref() {
        Some("lvmlocal") => settings.system_id.clone(),
        Some("uname") => host::hostname().map(|name| lvm::system_id(&name)),
        Some("machineid") => {
            let text = files::read(Path::new("/etc/machine-id"), 4096)?;
            text.map(|text| lvm::system_id(&String::from_utf8_lossy(&text)))
        }
        _ => None,
    };
    let all = own.into_iter().chain(settings.extra_system_ids.iter().cloned());
    Ok(all.filter(|id| !id.is_empty()).collect())
}

/// Every block device that has a size and is no volume of LVM2's, no disk with partitions, nothing that is held back.
fn candidates(machine: &Machine, volumes: &[Listed]) -> Result<Vec<String>, KernelError> {
    let volumes: HashSet<u32> = volumes.iter().map(|volume| volume.dev.minor).collect();
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
            Some(_) if attr("dm/suspended").is_some_and(|held| held.trim() != "0") => continue,
            Some(_) => match machine.sysfs.dm_name(&name)? {
                Some(dm_name) => machine.places.dev.join("mapper").join(dm_name.trim()),
                None => continue,
            },
        };
        paths.push(path.display().to_string());
    }
    Ok(paths)
}

fn one(
    machine: &Machine,
    path: &str,
    device: &crate::kernel::Device,
    window: &dyn Media,
    texts: &Texts,
) -> Seen {
    let Some(dev) = device.dev() else { return Seen::Nothing };
    let label = match label::read(window) {
        Ok(Some(label)) => label,
        Ok(None) => return Seen::Nothing,
        // A bad sector where a label might be: nothing is known of it.
        Err(Damage::Io { .. }) => return Seen::Nothing,
        Err(damage) => return Seen::Refused(damage.to_string()),
    };
    let name = machine.sysfs.name_of(dev).unwrap_or_default();
    if let Some(why) = component(machine, &name, window) {
        return Seen::Refused(why);
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
        stripe: full_stripe(machine, &name),
        device_id: device_id(machine, &name, path),
    };
    let found = areas(&mut pv, window, texts);
    Seen::Pv(Box::new(pv), found)
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

type Pvs = Vec<(PvDevice, Vec<Arc<Text>>)>;

/// What filters leave: a device that is turned away is not even opened. Of those that udev has seen a label on, it is told.
fn turn_away(machine: &Machine, settings: &Settings, paths: &mut Vec<String>, refused: &mut Vec<Refused>) {
    let filters: Vec<lvm::Filter> = settings.filters.iter().map(|words| lvm::Filter::new(words)).collect();
    if filters.is_empty() {
        return;
    }
    paths.retain(|path| {
        let number = node::number_of(Path::new(path)).ok().flatten();
        let record =
            number.and_then(|dev| udev::record(&machine.places, dev).ok().flatten()).unwrap_or_default();
        let links = record.links.iter().map(|link| machine.places.dev.join(link).display().to_string());
        let names: Vec<String> = std::iter::once(path.clone()).chain(links).collect();
        let taken = filters.iter().all(|filter| filter.takes(&names));
        if !taken && record.properties.get("ID_FS_TYPE").is_some_and(|kind| kind == "LVM2_member") {
            let why = "is turned away by a filter of lvm.conf".to_owned();
            refused.push(Refused { path: path.clone(), why });
        }
        taken
    });
}

/// What the devices file leaves.
fn keep_listed(groups: &mut Groups, pvs: &mut Pvs) {
    let Some(file) = &groups.devices_file else { return };
    let listed = lvm::devices(&file.text);
    let refused = &mut groups.refused;
    pvs.retain(|(pv, _)| {
        let same = |entry: &lvm::Entry| {
            let by_id =
                pv.device_id.as_ref().is_some_and(|(kind, name)| (kind, name) == (&entry.kind, &entry.name));
            by_id || entry.pv.as_deref() == Some(pv.label.id.plain())
        };
        let is_listed = listed.iter().any(same);
        if !is_listed {
            let why = "is not in the devices file".to_owned();
            refused.push(Refused { path: pv.path.clone(), why });
        }
        is_listed
    });
}

/// Of several devices with the same label, the one that stands on the others; where none does, none.
fn keep_one_of_each(machine: &Machine, groups: &mut Groups, pvs: &mut Pvs) -> Result<(), KernelError> {
    let mut same: BTreeMap<LvmUuid, Vec<(String, DevId)>> = BTreeMap::new();
    for (pv, _) in pvs.iter() {
        same.entry(pv.label.id).or_default().push((pv.path.clone(), pv.dev));
    }
    for (id, devices) in same.into_iter().filter(|(_, devices)| devices.len() > 1) {
        let mut top = Vec::new();
        for (path, dev) in &devices {
            let name = name_of(machine, *dev);
            let holders = machine.sysfs.holders(&name)?;
            let held = devices.iter().any(|(_, other)| holders.contains(&name_of(machine, *other)));
            if !held {
                top.push(path.clone());
            }
        }
        let all: Vec<&str> = devices.iter().map(|(path, _)| path.as_str()).collect();
        let all = all.join(", ");
        let chosen = if top.len() == 1 { top.first() } else { None };
        for (path, _) in devices.iter().filter(|(path, _)| Some(path) != chosen) {
            let why = format!("has the same physical volume ({id}) as others: {all}");
            groups.refused.push(Refused { path: path.clone(), why });
        }
        pvs.retain(|(pv, _)| pv.label.id != id || Some(&pv.path) == chosen);
    }
    Ok(())
}

fn name_of(machine: &Machine, dev: DevId) -> String {
    machine.sysfs.name_of(dev).unwrap_or_default()
}

/// Texts into groups, devices into their places.
fn assemble(groups: &mut Groups, pvs: Pvs) {
    let mut newest: BTreeMap<LvmUuid, Arc<Text>> = BTreeMap::new();
    for text in pvs.iter().flat_map(|(_, texts)| texts) {
        let Ok(group) = &text.group else { continue };
        let known = newest.get(&group.id).and_then(|known| known.group.as_ref().ok());
        if known.is_none_or(|known| known.seqno < group.seqno) {
            newest.insert(group.id, Arc::clone(text));
        }
    }
    let mut place: HashMap<LvmUuid, (usize, usize)> = HashMap::new();
    let mut devices: Vec<Vec<Option<PvDevice>>> = Vec::new();
    for text in newest.values() {
        let Ok(group) = &text.group else { continue };
        for (index, pv) in group.pvs.iter().enumerate() {
            place.entry(pv.id).or_insert((devices.len(), index));
        }
        devices.push(vec![None; group.pvs.len()]);
    }
    for (pv, texts) in pvs {
        let slot =
            place.get(&pv.label.id).and_then(|(group, index)| devices.get_mut(*group)?.get_mut(*index));
        match slot {
            Some(slot) => *slot = Some(pv),
            None => leave_out(groups, pv, &texts),
        }
    }
    // By now nobody else has the texts, which may be large: they are taken and not copied.
    let mut found: Vec<Found> = Vec::new();
    for (text, devices) in newest.into_values().map(Arc::unwrap_or_clone).zip(devices) {
        let Ok(group) = text.group else { continue };
        let (objections, remarks) = (Vec::new(), Vec::new());
        found.push(Found { group, text: text.bytes, devices, objections, remarks });
    }
    for one in &mut found {
        judge(one, &groups.local);
    }
    found.sort_by(|a, b| (&a.group.name, a.group.id).cmp(&(&b.group.name, b.group.id)));
    let names: Vec<String> = found.iter().map(|found| found.group.name.clone()).collect();
    for one in &mut found {
        if names.iter().filter(|name| **name == one.group.name).count() > 1 {
            one.objections.push("another group has the same name: `vgrename UUID NAME` renames one".into());
        }
    }
    groups.groups = found;
}

fn leave_out(groups: &mut Groups, pv: PvDevice, texts: &[Arc<Text>]) {
    let why = texts.first().map(|text| match &text.group {
        Ok(group) => format!("has an old state of group {}, which does not know it any more", group.name),
        Err(why) => why.clone(),
    });
    match why.or_else(|| pv.damaged.first().cloned()) {
        Some(why) => groups.refused.push(Refused { path: pv.path, why }),
        None => groups.lone.push(pv),
    }
}

/// What the devices say for and against a group.
fn judge(found: &mut Found, local: &[String]) {
    let (mut objections, mut remarks) = (found.group.objections(local), Vec::new());
    for (index, (pv, device)) in found.group.pvs.iter().zip(&found.devices).enumerate() {
        let Some(device) = device else {
            objections.push(format!(
                "pv{index} ({}), last seen as {}, is missing",
                pv.id,
                pv.device.escape_debug()
            ));
            continue;
        };
        if device.read_only {
            objections.push(format!("{} takes no writes", device.path));
        }
        if device.size.sectors() < pv.dev_size {
            let (has, had) = (device.size.sectors().0, pv.dev_size.0);
            objections.push(format!("{} has {has} sectors and had {had}", device.path));
        }
        let mended = if device.areas.iter().any(|seen| seen.area.lost) {
            "; the next change writes it anew"
        } else {
            ""
        };
        remarks.extend(device.damaged.iter().map(|damage| format!("{}: {damage}{mended}", device.path)));
        for seen in &device.areas {
            match seen.holds {
                Some((id, seqno)) if id == found.group.id && seqno == found.group.seqno => {}
                Some((id, seqno)) if id == found.group.id => remarks.push(format!(
                    "{}: its metadata is that of change {seqno}, the group's is {}; the next change puts it right",
                    device.path, found.group.seqno
                )),
                Some(_) => objections.push(format!("{} has the metadata of another group", device.path)),
                None => {}
            }
        }
    }
    if found.areas().next().is_none() {
        objections.push("no metadata area is there to be written".into());
    }
    (found.objections, found.remarks) = (objections, remarks);
}
