//! Texts into groups, devices into their places: which of several devices counts, what is left out and why, and what speaks
//! against writing a group.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use superblock::lvm::{Group, LvmUuid};

use super::{FoundGroup, Groups, LeftOutCause, PvDevice, RefusedDevice};
use crate::model::DevId;
use crate::model::order::InOrder as _;

/// A text that was read, and what it says.
#[derive(Clone, Debug)]
pub struct Text {
    /// It.
    pub bytes: Vec<u8>,
    /// The group, or why it is not one.
    pub group: Result<Group, String>,
}

/// A device with a label.
#[derive(Clone, Debug)]
pub struct SightedPv {
    /// What is on it.
    pub pv: PvDevice,
    /// The texts of its areas.
    pub texts: Vec<Arc<Text>>,
    /// Why it does not count, if that is known already.
    pub refused: Option<LeftOutCause>,
    /// What stands on it. Only needed of devices with the same label.
    pub holders: Vec<DevId>,
}

/// Puts everything in its place.
pub fn gather(groups: &mut Groups, sighted: Vec<SightedPv>) {
    let mut counting = Vec::new();
    for mut one in sighted {
        match one.refused.take() {
            Some(cause) => groups.refused.push(left_out(one.pv, &one.texts, cause)),
            None => counting.push(one),
        }
    }
    let (chosen, twice) = keep_one_of_each(groups, counting);
    assemble(groups, chosen, twice);
}

/// Labels that more than one device has.
#[must_use]
pub fn duplicates(sighted: &[SightedPv]) -> Vec<LvmUuid> {
    let mut count: BTreeMap<LvmUuid, usize> = BTreeMap::new();
    for one in sighted.iter().filter(|one| one.refused.is_none()) {
        *count.entry(one.pv.label.id).or_default() += 1;
    }
    count.into_iter().filter(|(_, count)| *count > 1).map(|(id, _)| id).collect()
}

fn left_out(pv: PvDevice, texts: &[Arc<Text>], cause: LeftOutCause) -> RefusedDevice {
    let group = texts.iter().find_map(|text| name(text));
    RefusedDevice { dev: Some(pv.dev), pv: Some(pv.label.id), group, path: pv.path, cause }
}

/// The name of the group, as far as the text can be understood.
fn name(text: &Text) -> Option<String> {
    match &text.group {
        Ok(group) => Some(group.name.clone()),
        Err(_) => {
            let (name, _) = std::str::from_utf8(&text.bytes).ok()?.split_once('{')?;
            let name = name.trim();
            let good = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
            (!name.is_empty() && name.chars().all(good)).then(|| name.to_owned())
        }
    }
}

/// Of several devices with the same label the one that stands on the others, else the one that active volumes use. Where there
/// is none, none counts; but what they say of their group is known all the same.
fn keep_one_of_each(groups: &mut Groups, sighted: Vec<SightedPv>) -> (Vec<SightedPv>, Vec<SightedPv>) {
    let twice = duplicates(&sighted);
    let (mut chosen, mut left) = (Vec::new(), Vec::new());
    let mut same: BTreeMap<LvmUuid, Vec<SightedPv>> = BTreeMap::new();
    for one in sighted {
        match twice.contains(&one.pv.label.id) {
            true => same.entry(one.pv.label.id).or_default().push(one),
            false => chosen.push(one),
        }
    }
    for devices in same.into_values() {
        let all: Vec<String> = devices.iter().map(|one| one.pv.path.clone()).collect();
        let (top, in_use) = (upper(&devices), in_use(&devices, groups));
        let best = top.or(in_use);
        for (index, mut one) in devices.into_iter().enumerate() {
            if best == Some(index) {
                // What stands on the others is what they are for: that is nothing to speak of.
                one.pv.twice = if top.is_some() { Vec::new() } else { all.clone() };
                chosen.push(one);
                continue;
            }
            let chosen = best.and_then(|best| all.get(best).cloned());
            let cause = match (chosen, top) {
                (Some(above), Some(_)) => LeftOutCause::Below { above },
                (chosen, _) => LeftOutCause::Twice { all: all.clone(), chosen },
            };
            groups.refused.push(left_out(one.pv.clone(), &one.texts, cause));
            if best.is_none() {
                left.push(one);
            }
        }
    }
    (chosen, left)
}

/// The only one on which no other of them stands.
fn upper(devices: &[SightedPv]) -> Option<usize> {
    only(devices, |one| !devices.iter().any(|other| one.holders.contains(&other.pv.dev)))
}

/// The only one on which an active volume stands.
fn in_use(devices: &[SightedPv], groups: &Groups) -> Option<usize> {
    only(devices, |one| groups.active.iter().any(|volume| one.holders.contains(&volume.dev)))
}

fn only(devices: &[SightedPv], is: impl Fn(&SightedPv) -> bool) -> Option<usize> {
    let mut all = devices.iter().enumerate().filter(|(_, one)| is(one)).map(|(index, _)| index);
    all.next().filter(|_| all.next().is_none())
}

fn assemble(groups: &mut Groups, sighted: Vec<SightedPv>, twice: Vec<SightedPv>) {
    let mut newest: BTreeMap<LvmUuid, Arc<Text>> = BTreeMap::new();
    for text in sighted.iter().chain(&twice).flat_map(|one| &one.texts) {
        let Ok(group) = &text.group else { continue };
        let known = newest.get(&group.id).and_then(|known| known.group.as_ref().ok());
        if known.is_none_or(|known| known.seqno < group.seqno) {
            newest.insert(group.id, Arc::clone(text));
        }
    }
    let rivals = rivals(&newest, sighted.iter().chain(&twice));
    let mut place: HashMap<LvmUuid, (usize, usize)> = HashMap::new();
    let mut devices: Vec<Vec<Option<PvDevice>>> = Vec::new();
    for text in newest.values() {
        let Ok(group) = &text.group else { continue };
        for (index, pv) in group.pvs.iter().enumerate() {
            place.entry(pv.id).or_insert((devices.len(), index));
        }
        devices.push(vec![None; group.pvs.len()]);
    }
    for SightedPv { pv, texts, .. } in sighted {
        let slot =
            place.get(&pv.label.id).and_then(|(group, index)| devices.get_mut(*group)?.get_mut(*index));
        match slot {
            Some(slot) => *slot = Some(pv),
            None => leave_out(groups, pv, &texts, &rivals),
        }
    }
    drop(twice);
    // By now nobody else has the texts, which may be large: they are taken and not copied.
    let mut found: Vec<FoundGroup> = Vec::new();
    for (text, devices) in newest.into_values().map(Arc::unwrap_or_clone).zip(devices) {
        let Ok(group) = text.group else { continue };
        let rival = rivals.get(&group.id).map(|(_, text)| text.clone());
        found.push(FoundGroup { group, text: text.bytes, devices, rival, ..FoundGroup::default() });
    }
    for one in &mut found {
        one.absent = absent(one, groups);
        judge(one, groups);
    }
    found.order_by(|a, b| (&a.group.name, a.group.id).cmp(&(&b.group.name, b.group.id)));
    let names: Vec<String> = found.iter().map(|found| found.group.name.clone()).collect();
    for one in &mut found {
        if names.iter().filter(|name| **name == one.group.name).count() > 1 {
            one.objections.push("another group has the same name: `vgrename UUID NAME` renames one".into());
        }
    }
    groups.groups = found;
}

/// Groups of which two different states have the number of the newest: each side was changed without the other, and neither is older.
fn rivals<'a>(
    newest: &BTreeMap<LvmUuid, Arc<Text>>,
    sighted: impl Iterator<Item = &'a SightedPv>,
) -> BTreeMap<LvmUuid, (u32, String)> {
    let is = |a: &Group, b: &Group| a.name == b.name && a.pvs == b.pvs && a.volumes == b.volumes;
    let mut sides: BTreeMap<LvmUuid, (u32, [Vec<&str>; 2])> = BTreeMap::new();
    for one in sighted {
        for group in one.texts.iter().filter_map(|text| text.group.as_ref().ok()) {
            let known = newest.get(&group.id).and_then(|text| text.group.as_ref().ok());
            let Some(known) = known.filter(|known| known.seqno == group.seqno) else { continue };
            let (_, [counts, other]) = sides.entry(group.id).or_insert((group.seqno, Default::default()));
            let side = if is(known, group) { counts } else { other };
            if !side.contains(&one.pv.path.as_str()) {
                side.push(&one.pv.path);
            }
        }
    }
    let split = sides.into_iter().filter(|(_, (_, [_, other]))| !other.is_empty());
    split
        .map(|(id, (seqno, [counts, other]))| {
            let (counts, other) = (counts.join(", "), other.join(", "));
            let text = format!(
                "there are two different states {seqno} of it, on {counts} and on {other}: each was changed without the other"
            );
            (id, (seqno, text))
        })
        .collect()
}

/// A device that no text knows.
fn leave_out(
    groups: &mut Groups,
    pv: PvDevice,
    texts: &[Arc<Text>],
    rivals: &BTreeMap<LvmUuid, (u32, String)>,
) {
    let cause = texts.first().map(|text| match &text.group {
        Ok(group) if rivals.get(&group.id).is_some_and(|(seqno, _)| *seqno == group.seqno) => {
            LeftOutCause::Rival { group: group.name.clone(), seqno: group.seqno }
        }
        Ok(group) => LeftOutCause::Old { group: group.name.clone() },
        Err(why) => LeftOutCause::NotUnderstood { why: why.clone() },
    });
    let damaged = || pv.damaged.first().map(|why| LeftOutCause::NotUnderstood { why: why.clone() });
    if let Some(LeftOutCause::Old { .. }) = cause {
        groups.outdated.push(pv.clone());
    }
    if texts.is_empty() && !pv.damaged.is_empty() && !pv.areas.is_empty() {
        groups.unread.push(pv.clone());
    }
    match cause.or_else(damaged) {
        Some(cause) => groups.refused.push(left_out(pv, texts, cause)),
        None => groups.lone.push(pv),
    }
}

/// Of the physical volumes that have no device: what is known of one that might be it.
fn absent(found: &FoundGroup, groups: &Groups) -> BTreeMap<usize, RefusedDevice> {
    let mut absent = BTreeMap::new();
    for (index, (pv, device)) in found.group.pvs.iter().zip(&found.devices).enumerate() {
        let by_label = || groups.refused.iter().find(|refused| refused.pv == Some(pv.id));
        // What was not read is known by its path alone.
        let by_path = || {
            let all = groups.refused.iter().chain(&groups.unopened);
            all.filter(|refused| refused.pv.is_none()).find(|refused| refused.path == pv.device)
        };
        if device.is_none() {
            absent.extend(by_label().or_else(by_path).map(|refused| (index, refused.clone())));
        }
    }
    absent
}

/// What the group, its devices and this machine say for and against writing it.
pub fn judge(found: &mut FoundGroup, groups: &Groups) {
    found.anothers = found.group.anothers(&groups.local);
    let mut objections: Vec<String> = groups.faults.clone();
    objections.extend(found.rival.clone());
    objections.extend(found.group.objections(&groups.local));
    let mut remarks = Vec::new();
    for (index, device) in found.devices.iter().enumerate() {
        match device {
            Some(device) => judge_device(found, index, device, groups, (&mut objections, &mut remarks)),
            None => objections.push(found.why_absent(index)),
        }
    }
    if found.areas().next().is_none() {
        objections.push("no metadata area is there to be written".into());
    }
    (found.objections, found.remarks) = (objections, remarks);
}

fn judge_device(
    found: &FoundGroup,
    index: usize,
    device: &PvDevice,
    groups: &Groups,
    (objections, remarks): (&mut Vec<String>, &mut Vec<String>),
) {
    let group = &found.group;
    let dev_size = group.pvs.get(index).map(|pv| pv.dev_size).unwrap_or_default();
    if device.read_only {
        objections.push(format!("{} takes no writes", device.path));
    }
    if !device.twice.is_empty() {
        let said = format!(
            "pv{index} ({}) is on several devices, {}: active volumes use {}; {TAKE_AWAY}",
            device.label.id,
            device.twice.join(" and "),
            device.path
        );
        if groups.change_with_duplicates { remarks.push(said) } else { objections.push(said) }
    }
    if device.size.sectors() < dev_size {
        let (has, had) = (device.size.sectors().0, dev_size.0);
        objections.push(format!("{} has {has} sectors and had {had}", device.path));
    }
    let lost = device.areas.iter().any(|seen| seen.area.lost);
    let mended = if lost { "; the next change writes it again" } else { "" };
    remarks.extend(device.damaged.iter().map(|damage| format!("{}: {damage}{mended}", device.path)));
    for seen in &device.areas {
        match seen.holds {
            Some((id, seqno)) if id == group.id && seqno == group.seqno => {}
            Some((id, seqno)) if id == group.id => remarks.push(format!(
                "{}: its metadata is that of change {seqno}, the group's is {}; the next change puts it right",
                device.path, group.seqno
            )),
            Some(_) => objections.push(format!("{} has the metadata of another group", device.path)),
            None => {}
        }
    }
}

/// How to choose between copies.
pub(super) const TAKE_AWAY: &str = "take the others away, or have a filter in lvm.conf turn them away";

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
