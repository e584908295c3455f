//! Putting back what a command overwrote: on the same devices, where nobody else has changed anything since.
//!
//! What may have changed: the kernel, in metadata of the array that the command made or started. So a device is as the
//! command left it if every kept sector has the bytes from before or those that were written, or if it still carries
//! the superblocks that the command left there, known by array, member and creation time. In either case nothing may
//! be on it that was not there before: no other superblock, no other signature.

mod find;

use std::collections::BTreeSet;

use superblock::{
    Bytes, MdUuid, Membership, Role, Sectors, Write,
    probe::{self, Found, Native},
};

pub use find::{Found as FoundDevices, find};

use super::{Plan, Refusal, Step, Warning};
use crate::{
    archive::{About, Carried, Entry, Id, Kept, Pieces},
    model::Device,
};

/// One device of an entry, as it is now.
#[derive(Debug)]
pub struct Present {
    /// The device.
    pub device: Device,
    /// What the kept ranges hold now.
    pub now: Vec<Write>,
}

/// The entry that is meant: the one that is named, else the newest that is neither undone nor puts another back.
///
/// # Errors
/// There is none such.
pub fn choose<'a>(word: Option<&str>, abouts: &[&'a About]) -> Result<&'a About, Refusal> {
    let undone = crate::archive::undone(abouts.iter().copied());
    let Some(word) = word else {
        let candidates = abouts.iter().filter(|about| about.undoes.is_none() && !undone.contains(&about.id));
        return candidates.max_by(|a, b| a.id.cmp(&b.id)).copied().ok_or_else(|| {
            Refusal::new("there is nothing to undo").hint("mdctl history lists what is kept")
        });
    };
    let fits: Vec<&&About> = abouts.iter().filter(|about| about.id.as_str().starts_with(word)).collect();
    match fits.as_slice() {
        [one] => Ok(one),
        [] => Err(Refusal::new(format!("{}: no such entry", word.escape_default()))
            .hint("mdctl history lists what is kept")),
        _ => Err(Refusal::new(format!("{} fits several entries", word.escape_default()))
            .hint("give more of the name")),
    }
}

/// Decides what is put back. `later`: entries of later commands, for the hint.
///
/// # Errors
/// A device is in use, or was changed since by somebody else (unless `force`); or there is nothing to put back.
pub fn plan(entry: &Entry, present: &[Present], later: &[&About], force: bool) -> Result<Plan, Refusal> {
    let mut warnings = BTreeSet::new();
    let mut writes = Vec::new();
    for (kept, present) in entry.devices.iter().zip(present) {
        let differing = differing(kept, &present.now);
        if differing.is_empty() {
            continue;
        }
        let path = &present.device.path;
        free(present)?;
        match untouched(kept, present) {
            Ok(said) => warnings.extend(said),
            Err(why) if force => drop(warnings.insert(format!("{path}: {why}"))),
            Err(why) => return Err(changed(path, &why, &entry.about.id, later)),
        }
        writes.push((path.clone(), differing));
    }
    if writes.is_empty() {
        return Err(Refusal::new(format!(
            "there is nothing to put back: the devices are as they were before {}",
            entry.about.id
        )));
    }
    let mut steps: Vec<Step> =
        writes.iter().map(|(device, _)| Step::Claim { device: device.clone() }).collect();
    let what = format!("the bytes from before {}", entry.about.id);
    for (device, writes) in &writes {
        steps.push(Step::Write { device: device.clone(), what: what.clone(), writes: writes.clone() });
    }
    steps.extend(writes.iter().map(|(device, w)| Step::Verify { device: device.clone(), writes: w.clone() }));
    steps.push(Step::Commit);
    steps.extend(writes.into_iter().map(|(device, _)| Step::Release { device }));
    let summary = format!("undo {}: {}", entry.about.id, entry.about.summary);
    Ok(Plan { summary, steps, warnings: warnings.into_iter().map(Warning::note).collect() })
}

fn free(present: &Present) -> Result<(), Refusal> {
    let device = &present.device;
    if device.read_only {
        return Err(Refusal::new(format!("{} is read-only", device.path)));
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

fn changed(path: &str, why: &str, id: &Id, later: &[&About]) -> Refusal {
    let refusal = Refusal::new(format!("{path} has been changed since {id}: {why}"));
    let names: Vec<&str> = later.iter().map(|about| about.id.as_str()).collect();
    if names.is_empty() {
        return refusal.hint("--force puts the old bytes back all the same; what is there now is kept first");
    }
    refusal.hint(format!("undo what came later first: {}", names.join(" ")))
}

/// The ranges that are not as they were, with the bytes from before.
fn differing(kept: &Kept, now: &[Write]) -> Vec<Write> {
    let same = |before: &Write| now.iter().any(|now| now == before);
    kept.before.iter().filter(|before| !same(before)).cloned().collect()
}

/// Whether the device is as the command left it, and what cannot come back; else what is different.
fn untouched(kept: &Kept, present: &Present) -> Result<Vec<String>, String> {
    let after = kept.after();
    let size = Bytes(kept.device.size);
    let left = probe::probe(&Pieces { size, pieces: &after }).found;
    let now = &present.device.probe.found;
    let left_by_us: Vec<Carried> = left.iter().map(Carried::of).collect();
    for found in now.iter().map(Carried::of) {
        let known = left_by_us.iter().chain(&kept.device.md).any(|known| known.is_same_as(&found));
        if !known {
            return Err(format!("there is a superblock of array {} on it", found.array));
        }
    }
    for foreign in &present.device.foreign {
        let name = foreign.kind.name();
        if !kept.device.foreign.iter().any(|known| known == name) {
            return Err(format!("there is {name} on it"));
        }
    }
    let is_there = |of: &Carried| now.iter().any(|found| Carried::of(found).is_same_as(of));
    if !left.is_empty() && left_by_us.iter().all(is_there) {
        return Ok(left.iter().filter_map(|left| overwritten(left, now)).collect());
    }
    if as_left(&kept.before, &after, &present.now) {
        return Ok(Vec::new());
    }
    Err("its metadata is neither what it was nor what the command left".to_owned())
}

/// Whether each sector is as before or as written; a command that was killed leaves some of both.
fn as_left(before: &[Write], after: &[Write], now: &[Write]) -> bool {
    let known = |before: &Write, after: &Write, now: &Write| {
        let sectors = now.data.chunks(512).zip(before.data.chunks(512).zip(after.data.chunks(512)));
        now.data.len() == before.data.len() && sectors.into_iter().all(|(n, (b, a))| n == b || n == a)
    };
    let mut triples = before.iter().zip(after).zip(now);
    now.len() == before.len() && triples.all(|((before, after), now)| known(before, after, now))
}

/// What the kernel wrote over data of the array that the command made: that does not come back.
fn overwritten(left: &Found, now: &[Found]) -> Option<String> {
    let now = now.iter().find(|found| Carried::of(found).is_same_as(&Carried::of(left)))?;
    let (was, is) = (membership(left), membership(now));
    let array = was.array;
    let far = |what: &str, at: Option<Sectors>| match at {
        Some(Sectors(0)) => None,
        Some(at) => Some(said(array, what, &format!("its first {} KiB", at.kib().0))),
        None => Some(said(array, what, "all of it")),
    };
    if !was.clean {
        let done = match (&now.superblock, is.clean) {
            (_, true) => None,
            (Native::V1(sb), false) => sb.fields().resync_offset(),
            (Native::V0(sb), false) => Some(sb.fields().recovery_cp()),
        };
        return far("a resync", done);
    }
    match (was.role, is.role) {
        (Role::Spare, Role::Slot { .. }) => far("a recovery", is.recovery_offset),
        _ => None,
    }
}

fn said(array: MdUuid, what: &str, how_much: &str) -> String {
    format!(
        "{what} of array {array} has written over data ({how_much}): the metadata comes back, that data does not; \
         check what is on it before you rely on it"
    )
}

fn membership(found: &Found) -> Membership {
    match &found.superblock {
        Native::V0(sb) => sb.fields().membership(),
        Native::V1(sb) => sb.fields().membership(),
    }
}

#[cfg(test)]
mod tests;
