//! Putting back what a command overwrote: on the same devices, where nobody else has changed anything since.
//!
//! What may have changed: the kernel, in metadata of the array that the command made or started. So a device is as the
//! command left it if every kept sector has the bytes from before or those that were written, or if it still carries
//! the superblocks that the command left there, known by array, member and creation time. In either case nothing may
//! be on it that was not there before: no other superblock, no other signature.

mod decision;
mod find;
mod left_out;
mod moved_on;
mod put_back;
pub mod session;

use std::collections::BTreeSet;

use superblock::{
    Bytes, MdUuid, Membership, Role, Write, foreign,
    probe::{self, Found},
    window::Seen,
};

pub use crate::model::archive::Present;
pub use find::{DeviceTrust, DevicesHere as FoundDevices, find};
pub use put_back::PutBack;

use moved_on::Around;

use super::{DiskStep, Plan, Refusal, Step, SystemStep, Warning};
use crate::archive::{
    About, Carried, CopiedOver, Entry, EntryId, GroupChange, Identity, KeptDevice, Pieces, Sameness,
};
use crate::model::order::InOrder as _;

/// The entry that is meant: the one that is named, else the newest. Asked twice it goes no further back: where the newest is
/// an undo itself, it has to be named what is wanted.
///
/// # Errors
/// There is none such, or nothing says which is meant.
pub fn choose<'a>(word: Option<&str>, abouts: &[&'a About]) -> Result<&'a About, Refusal> {
    let Some(word) = word else {
        let Some(newest) = abouts.iter().max_by(|a, b| a.order().cmp(&b.order())) else {
            return Err(Refusal::new("there is nothing to undo").hint("mdctl history lists what is kept"));
        };
        let Some(undone) = &newest.undoes else { return Ok(newest) };
        if newest.cleans_up {
            return after_clean_up(undone, abouts);
        }
        return Err(Refusal::new(format!("the last change is an undo itself: {undone} is undone")).hint(
            format!("`mdctl undo {}` does it again; mdctl history lists what came before", newest.id),
        ));
    };
    let is_meant = |about: &&&About| !word.is_empty() && about.id.as_str().starts_with(word);
    let fits: Vec<&&About> = abouts.iter().filter(is_meant).collect();
    match fits.as_slice() {
        [one] if one.cleans_up => {
            let why = one.back().err().unwrap_or_default();
            Err(Refusal::new(format!("{} is not taken back: {why}", one.id))
                .hint("what the killed command was to do is done by giving it again"))
        }
        [one] => Ok(one),
        [] if word.is_empty() => {
            Err(Refusal::new("an empty word names no entry").hint("mdctl history lists what is kept"))
        }
        [] => Err(Refusal::new(format!("{}: no such entry", word.escape_default()))
            .hint("mdctl history lists what is kept")),
        _ => Err(Refusal::new(format!("{} fits several entries", word.escape_default()))
            .hint("give more of the name")),
    }
}

/// After a killed command was cleaned up: what had been undone, had it not been killed at that. What the clean-up itself kept is
/// a part of what the command did, and nobody wants that back.
fn after_clean_up<'a>(killed: &EntryId, abouts: &[&'a About]) -> Result<&'a About, Refusal> {
    let find = |id: &EntryId| abouts.iter().find(|about| about.id == *id);
    let killed_at = find(killed).and_then(|killed| killed.undoes.as_ref());
    if let Some(wanted) = killed_at.and_then(find) {
        return Ok(wanted);
    }
    let words = find(killed).map_or_else(|| killed.to_string(), |killed| killed.command.join(" "));
    Err(Refusal::new(format!("the last change, `{words}`, was killed, and is taken back already"))
        .hint("mdctl history lists what came before"))
}

/// What came after an entry and is about the same devices, arrays or group, and still counts; the newest first. A change that
/// came later and was undone leaves nothing, and neither does its undo.
#[must_use]
pub fn later<'a>(about: &About, devices: &[Identity], all: &[(&'a About, &'a [Identity])]) -> Vec<&'a About> {
    let undone = crate::archive::undone(all.iter().map(|(about, _)| *about));
    let is_later = |other: &About| other.order() > about.order();
    let known = |id: &EntryId| all.iter().find(|(other, _)| other.id == *id).map(|(other, _)| *other);
    let undoes_later = |other: &About| other.undoes.as_ref().and_then(known).is_some_and(is_later);
    let is_about = |other: &About, others: &[Identity]| {
        let group = about.group.as_ref().zip(other.group.as_ref());
        group.is_some_and(|(one, other)| is_one_group(one, other))
            || devices.iter().any(|device| others.iter().any(|other| touches(device, other)))
    };
    let mut later: Vec<&About> = all
        .iter()
        .filter(|(other, others)| {
            is_later(other) && !undone.contains(&other.id) && !undoes_later(other) && is_about(other, others)
        })
        .map(|(other, _)| *other)
        .collect();
    later.order_by(|a, b| b.order().cmp(&a.order()));
    later
}

fn is_one_group(one: &GroupChange, other: &GroupChange) -> bool {
    match (one.id.as_str(), other.id.as_str()) {
        ("", _) | (_, "") => one.group == other.group,
        (one, other) => one == other,
    }
}

/// Whether they may be one device, or were members of one array.
fn touches(one: &Identity, other: &Identity) -> bool {
    let array = || one.md.iter().any(|a| other.md.iter().any(|b| a.array == b.array));
    match one.same(other) {
        Sameness::Same(_) => true,
        Sameness::Another(_) => array(),
        Sameness::CannotTell(_) => one.path == other.path || array(),
    }
}

/// Decides what is put back. `later`: what came after, as [`later`] has it; `around`: what devices say that the entry is not about.
///
/// # Errors
/// Something came later, a device is in use, or was changed since by somebody else (unless it is forced); the change is one of a
/// group, which another command takes back; or there is nothing to put back. Where nobody asked ([`DeviceTrust::Unbroken`]) the last is
/// not an error: the plan has no steps then, and its summary says why.
pub fn plan(
    entry: &Entry,
    present: &[Present],
    later: &[&About],
    (trust, around): (DeviceTrust, &Around),
) -> Result<Plan, Refusal> {
    let about = &entry.about;
    let force = trust == DeviceTrust::Path;
    if let Some(refusal) = not_by_bytes(entry, present, force).filter(|_| trust != DeviceTrust::Unbroken) {
        return Err(refusal);
    }
    if let Some(newest) = later.first().filter(|_| !force) {
        return Err(came_later(newest));
    }
    let (mut said, mut stays_out) = (BTreeSet::new(), Vec::new());
    let mut lost = BTreeSet::new();
    let (mut checks, mut writes) = (Vec::new(), Vec::new());
    let out = match trust {
        DeviceTrust::Proof => left_out::left_out(entry, present),
        DeviceTrust::Path | DeviceTrust::Unbroken => BTreeSet::new(),
    };
    if let Some((path, why)) = used_since(entry, present).filter(|_| trust == DeviceTrust::Proof) {
        return Err(went_on(&path, &why, &about.id));
    }
    for (nth, (kept, present)) in entry.devices.iter().zip(present).enumerate() {
        let is_out = out.contains(&nth);
        let differing = differing(left_out::back(kept, is_out), &present.now);
        if differing.is_empty() && is_out {
            unused(kept, present, about, trust).map_err(|why| changed(present, &why, &about.id))?;
            stays_out.extend(stays_overwritten(entry, nth, present, is_out));
        }
        if differing.is_empty() {
            continue;
        }
        let path = &present.device.path;
        if let Some(serves) = serves(kept, present).filter(|_| trust == DeviceTrust::Unbroken) {
            said.insert(serves);
            continue;
        }
        free(present, force)?;
        match unused(kept, present, about, trust) {
            Ok(()) => said.extend(stays_overwritten(entry, nth, present, is_out)),
            Err(why) if force => drop(said.insert(format!("{path}: {why}"))),
            Err(why) => return Err(changed(present, &why, &about.id)),
        }
        lost.extend(what_goes(kept, present));
        let seen = present.now.iter().chain(&present.ends).cloned().map(Seen::from).collect();
        checks.push(Step::Disk(DiskStep::Unchanged { device: path.clone(), seen }));
        writes.push(Back { device: path.clone(), is_out, writes: differing });
    }
    said.extend(gone_on(entry, present, (trust, around))?);
    if writes.is_empty() && trust == DeviceTrust::Unbroken {
        let warnings = said.into_iter().map(Warning::note).collect();
        return Ok(Plan { summary: nothing_to_do(present), steps: Vec::new(), warnings });
    }
    if writes.is_empty() {
        return Err(nothing_to_put_back(present, &stays_out, &about.id));
    }
    said.extend(stays_out);
    let steps = steps(writes, checks, &about.id);
    let summary = format!("undo {}: {}", about.id, about.summary);
    let warnings = said.into_iter().map(Warning::note).chain(lost.into_iter().map(Warning::ask)).collect();
    Ok(Plan { summary, steps, warnings })
}

/// What an undo put back and has been used since is not taken away again: what was written is in it.
fn used_since(entry: &Entry, present: &[Present]) -> Option<(String, String)> {
    entry.about.undoes.as_ref()?;
    let copied =
        |nth: usize| left_out::by_superblocks(&entry.devices, nth, present.get(nth)?).into_iter().next();
    let (nth, copied) = (0..entry.devices.len()).find_map(|nth| Some((nth, copied(nth)?)))?;
    let why = match copied.array.as_str() {
        "" => "its data was written to since".to_owned(),
        array => format!("array {array} has been written to since it came back"),
    };
    Some((present.get(nth)?.device.path.clone(), why))
}

/// What is said where an array went on and it is forced.
fn gone_on(
    entry: &Entry,
    present: &[Present],
    (trust, around): (DeviceTrust, &Around),
) -> Result<Option<String>, Refusal> {
    let Some((path, why)) = moved_on::why_not(entry, present, around) else { return Ok(None) };
    match trust {
        DeviceTrust::Path => Ok(Some(format!("{path}: {why}"))),
        DeviceTrust::Proof => Err(went_on(&path, &why, &entry.about.id)),
        DeviceTrust::Unbroken => Ok(None),
    }
}

fn came_later(newest: &About) -> Refusal {
    let what = format!("{} came later and is about the same: {}", newest.id, newest.command.join(" "));
    Refusal::new(what).hint(match newest.back() {
        Ok(back) => format!("take that back first: {back}"),
        Err(why) => format!("nothing takes that back: {why}"),
    })
}

/// What is written to one device.
struct Back {
    device: String,
    /// It gets no superblock.
    is_out: bool,
    writes: Vec<Write>,
}

/// What the write to a device is called that gets no superblock.
const NO_SUPERBLOCK: &str = "no superblock";

/// Claims first, then what was seen is compared, written and read back.
fn steps(backs: Vec<Back>, checks: Vec<Step>, id: &EntryId) -> Vec<Step> {
    let claim = |back: &Back| Step::Disk(DiskStep::Claim { device: back.device.clone() });
    let write = |back: &Back| {
        let what = if back.is_out { NO_SUPERBLOCK.to_owned() } else { format!("the bytes from before {id}") };
        Step::Disk(DiskStep::Write { device: back.device.clone(), what, writes: back.writes.clone() })
    };
    let verify = |back: &Back| {
        Step::Disk(DiskStep::Verify { device: back.device.clone(), writes: back.writes.clone() })
    };
    let mut steps: Vec<Step> = backs.iter().map(claim).collect();
    steps.extend(checks);
    steps.extend(backs.iter().map(write));
    steps.extend(backs.iter().map(verify));
    steps.push(Step::Commit);
    steps.extend(backs.into_iter().map(|back| Step::Disk(DiskStep::Release { device: back.device })));
    steps
}

fn nothing_to_put_back(present: &[Present], stays_out: &[String], id: &EntryId) -> Refusal {
    if let Some(why) = stays_out.first() {
        return Refusal::new(why.clone()).hint("--force puts the superblock back all the same");
    }
    if present.is_empty() {
        return Refusal::new(format!("none of the devices of {id} is known to be here"));
    }
    Refusal::new(format!("there is nothing to put back: everything that {id} kept is as it was"))
}

/// Why nothing is put back after a killed command: of devices that are not known to be those of then nothing is claimed.
fn nothing_to_do(present: &[Present]) -> String {
    if present.is_empty() {
        return "nothing was put back: none of its devices is known to be here as it was".to_owned();
    }
    let paths: Vec<&str> = present.iter().map(|present| present.device.path.as_str()).collect();
    format!("what it was to overwrite on {} is as it was before", paths.join(", "))
}

/// A change of a group that is there before and after is LVM2's metadata, which another command takes back. A group that was
/// made goes only while nobody has changed it since.
fn not_by_bytes(entry: &Entry, present: &[Present], force: bool) -> Option<Refusal> {
    let change = entry.about.group.as_ref()?;
    let group = &change.group;
    let back = change.back.as_ref().filter(|_| entry.devices.is_empty() || !force);
    if let Some(back) = back {
        let text = format!("{} changed the metadata of group {group}", entry.about.id);
        return Some(Refusal::new(text).hint(format!("this takes it back: {back}")));
    }
    if let Some(why) = &change.no_way {
        let text =
            format!("{} changed the metadata of group {group}, and nothing takes that back", entry.about.id);
        return Some(Refusal::new(text).hint(why.clone()));
    }
    let after = change.after?;
    let since = present.iter().filter_map(|present| present.group.as_ref());
    let since = since.into_iter().find(|(_, id, seqno)| *id == change.id && *seqno != after)?;
    (!force).then(|| {
        let text = format!(
            "group {group} has been changed since {}: {} times",
            entry.about.id,
            since.2.saturating_sub(after)
        );
        Refusal::new(text).hint(format!(
            "mdctl volume group remove {group} removes it once nothing is in it; \
             `mdctl volume restore --list {group}` shows its earlier states"
        ))
    })
}

/// Takes the entry of a change away that never came about. `groups`: UUIDs and numbers of the groups that are there.
#[must_use]
pub fn never_was(about: &About, groups: &[(String, u32)]) -> Plan {
    let change = about.group.as_ref().and_then(|change| Some((&change.id, change.after?)));
    let is_done =
        change.is_none_or(|(id, after)| groups.iter().any(|(known, now)| known == id && *now >= after));
    if is_done {
        Plan { summary: format!("forget {}", about.id), ..Plan::default() }
    } else {
        forgotten(about)
    }
}

/// An entry goes.
fn forgotten(about: &About) -> Plan {
    let steps = vec![Step::System(SystemStep::Discard { id: about.id.clone() }), Step::Commit];
    Plan { summary: format!("forget {}", about.id), steps, warnings: Vec::new() }
}

/// What cannot be reached any more: an array that the command made goes, and with it what was put on it.
fn what_goes(kept: &KeptDevice, present: &Present) -> Vec<String> {
    let was = |array: &MdUuid| kept.device.md.iter().any(|sb| sb.array == array.to_string());
    let gone = present.inside.iter().filter(|(array, _)| !was(array));
    gone.map(|(array, what)| format!("array {array} will be gone, and with it what is on it: {what}"))
        .collect()
}

/// A device that serves in the array that the command gave it to: there it stays.
fn serves(kept: &KeptDevice, present: &Present) -> Option<String> {
    let device = &present.device;
    let array = device.holders.iter().filter(|_| device.busy).find_map(|by| by.strip_prefix("array "))?;
    let after = kept.after();
    let left = probe::probe(&Pieces { size: Bytes(kept.device.size), pieces: &after }).found;
    let is_left = |found: &&Found| left.iter().any(|left| Carried::of(left).is_same_as(&Carried::of(found)));
    let role = match membership(device.probe.found.iter().find(is_left)?).role {
        Role::Slot { slot, replacement: false } => format!("in slot {slot}"),
        Role::Slot { slot, replacement: true } => format!("the replacement of slot {slot}"),
        Role::Spare => "a spare".to_owned(),
        Role::Faulty => "failed".to_owned(),
        Role::Journal => "its journal".to_owned(),
    };
    Some(format!("{} is a member of {array} by now ({role}), and stays", device.path))
}

fn free(present: &Present, force: bool) -> Result<(), Refusal> {
    let device = &present.device;
    if device.read_only {
        return Err(Refusal::new(format!("{} is read-only", device.path)));
    }
    if let Some(used) = device.used().filter(|_| !force) {
        return Err(Refusal::new(format!("{} {used}", device.path))
            .hint("--force puts the old bytes back all the same"));
    }
    if !device.busy {
        return Ok(());
    }
    let by = if device.holders.is_empty() { "somebody".to_owned() } else { device.holders.join(", ") };
    let refusal = Refusal::new(format!("{} is in use by {by}", device.path));
    let array = device.holders.iter().find_map(|holder| holder.strip_prefix("array "));
    Err(match array {
        Some(array) => refusal.hint(format!("stop it first: mdctl stop /dev/{array}")),
        None => refusal,
    })
}

fn went_on(path: &str, why: &str, id: &EntryId) -> Refusal {
    Refusal::new(format!("{path} cannot be as it was before {id}: {why}"))
        .hint("--force puts the old bytes back all the same; what is there now is kept first")
}

fn changed(present: &Present, why: &str, id: &EntryId) -> Refusal {
    let path = &present.device.path;
    let refusal = Refusal::new(format!("{path} has been changed since {id}: {why}"));
    if let Some((group, _, _)) = &present.group {
        return refusal.hint(format!(
            "it belongs to group {group} now; `mdctl volume group remove {group}` frees it once nothing is in the group"
        ));
    }
    if let Some(found) = present.device.probe.found.first() {
        let array = membership(found).array;
        return refusal.hint(format!("`mdctl explain {path}` tells about array {array}"));
    }
    refusal.hint("--force puts the old bytes back all the same; what is there now is kept first")
}

/// The ranges that are not as they are to be.
fn differing(back: Vec<Write>, now: &[Write]) -> Vec<Write> {
    back.into_iter().filter(|back| !now.contains(back)).collect()
}

/// As [`untouched`]. A killed command's array never ran: where nobody asked, metadata that changed since is in use.
fn unused(kept: &KeptDevice, present: &Present, about: &About, trust: DeviceTrust) -> Result<(), String> {
    untouched(kept, present, about)?;
    if trust == DeviceTrust::Unbroken && !as_left(kept, &present.now) {
        return Err("its array has been used".to_owned());
    }
    Ok(())
}

/// Whether the device is as the command left it; else what is different.
fn untouched(kept: &KeptDevice, present: &Present, about: &About) -> Result<(), String> {
    let after = kept.after();
    let size = Bytes(kept.device.size);
    let media = Pieces { size, pieces: &after };
    let left = probe::probe(&media).found;
    let now = &present.device.probe.found;
    let left_by_us: Vec<Carried> = left.iter().map(Carried::of).collect();
    for found in now.iter().map(Carried::of) {
        let known = left_by_us.iter().chain(&kept.device.md).any(|known| known.is_same_as(&found));
        if !known {
            return Err(format!("it carries a superblock of array {}", found.array));
        }
    }
    let ours: Vec<&str> =
        foreign::scan(&media).unwrap_or_default().iter().map(|foreign| foreign.kind.name()).collect();
    for foreign in &present.device.foreign {
        let name = foreign.kind.name();
        if !kept.device.foreign.iter().any(|known| known == name) && !ours.contains(&name) {
            return Err(format!("it now holds {name}"));
        }
    }
    let made = about.group.as_ref().and_then(|change| Some((&change.id, change.after?)));
    if present
        .group
        .as_ref()
        .zip(made)
        .is_some_and(|((_, id, now), (made, after))| id == made && *now == after)
    {
        return Ok(());
    }
    let is_there = |of: &Carried| now.iter().any(|found| Carried::of(found).is_same_as(of));
    let is_ours = !left.is_empty() && left_by_us.iter().all(is_there);
    if is_ours || as_left(kept, &present.now) {
        return Ok(());
    }
    Err("its metadata is neither what it was nor what the command left".to_owned())
}

/// Whether each sector is as before or as it was written once; a command that was killed leaves some of both.
fn as_left(kept: &KeptDevice, now: &[Write]) -> bool {
    let after = kept.after();
    let one = |before: &Write, after: &Write, now: &Write| {
        let sectors = now.data.chunks(512).zip(before.data.chunks(512).zip(after.data.chunks(512)));
        let mut sectors = sectors.zip((before.at.0..).step_by(512));
        now.data.len() == before.data.len()
            && sectors.all(|((n, (b, a)), at)| n == b || n == a || was_written(&kept.written, Bytes(at), n))
    };
    let mut triples = kept.before.iter().zip(&after).zip(now);
    now.len() == kept.before.len() && triples.all(|((before, after), now)| one(before, after, now))
}

/// Whether one of the writes puts these bytes there, whatever came after it.
fn was_written(written: &[Write], at: Bytes, sector: &[u8]) -> bool {
    written.iter().any(|write| {
        let from = at.checked_sub(write.at).and_then(|from| usize::try_from(from.0).ok());
        from.and_then(|from| write.data.get(from..from.checked_add(sector.len())?)) == Some(sector)
    })
}

/// What the kernel wrote over data for the array that the command made: that does not come back.
fn stays_overwritten(entry: &Entry, nth: usize, present: &Present, is_out: bool) -> Vec<String> {
    let path = &present.device.path;
    let old = entry.devices.get(nth).and_then(|kept| kept.device.md.first());
    let way = match (old, is_out) {
        (Some(old), true) => format!(
            "so it is left without a superblock; start array {} without it, then `mdctl manage ARRAY --add {path}` fills it again",
            old.array
        ),
        (Some(old), false) => format!(
            "the metadata comes back, that data does not; leave {path} out when you start array {}, and add it as a new device then (`mdctl explain` says how)",
            old.array
        ),
        (None, _) => "the metadata comes back, that data does not; check what is on it before you rely on it"
            .to_owned(),
    };
    let one = |copied: CopiedOver| {
        format!(
            "{path}: {} has written over data ({}): {way}",
            copied.by(&format!("array {}", copied.array)),
            copied.extent()
        )
    };
    left_out::copied_now(entry, nth, present).into_iter().map(one).collect()
}

fn membership(found: &Found) -> Membership {
    found.fields().membership()
}

#[cfg(test)]
pub(in crate::plan) mod bench;
#[cfg(test)]
mod tests;
