//! Which device was a physical volume whose label is gone.
//!
//! The path where it was last seen proves nothing: another disk may stand there now. What proves it is the group's own text on
//! the device, or that the device is the one of then (its serial number or world-wide name, in one boot the kernel's own number)
//! and nothing has been written where the label was.

use std::io;

use superblock::{
    Bytes, Media,
    lvm::{Extent, Group, LvmUuid, PhysicalVolume, area},
};

use super::missing::{AREA, is_label_of, relabel};
use crate::{
    archive::{By, Sameness},
    model::{
        Candidate, DevId,
        volume::{Bare, Groups, LeftOutCause, RefusedDevice, Traces},
    },
    plan::Refusal,
};

/// Label and area header are before this; texts come after.
const START: usize = 4608;
/// A number of changes has at most so many.
const DIGITS: usize = 10;
/// Texts begin at a sector.
const SECTOR: usize = 512;
/// The kinds of names in a devices file that belong to the device and to no other.
const LASTING: [&str; 6] = ["sys_wwid", "sys_serial", "md_uuid", "mpath_uuid", "crypt_uuid", "lvmlv_uuid"];

/// For each physical volume that is missing its device. `force` takes the path where it was last seen for proof.
///
/// # Errors
/// Nothing tells which device it was, or more than one could be it, or it is somebody's.
pub fn find<'a>(
    groups: &Groups,
    old: &Group,
    traces: &'a Traces,
    force: bool,
) -> Result<Vec<(LvmUuid, &'a Candidate)>, Refusal> {
    let missing: Vec<&PhysicalVolume> = old.pvs.iter().filter(|pv| !groups.has(pv.id)).collect();
    let mut all: Vec<(LvmUuid, &Candidate)> = Vec::new();
    for pv in &missing {
        let bare = one((groups, &missing), old, pv, traces, force)?;
        let same = |other: &Candidate| number(other).is_some() && number(other) == number(bare);
        if let Some((other, _)) = all.iter().find(|(_, taken)| same(taken)) {
            return Err(Refusal::new(format!(
                "{} was last seen as physical volume {other} and as {} of group {}",
                bare.path, pv.id, old.name
            )));
        }
        all.push((pv.id, bare));
    }
    Ok(all)
}

fn number(candidate: &Candidate) -> Option<DevId> {
    candidate.found.as_ref().ok().map(|device| device.id)
}

fn one<'a>(
    (groups, missing): (&Groups, &[&PhysicalVolume]),
    old: &Group,
    pv: &PhysicalVolume,
    traces: &'a Traces,
    force: bool,
) -> Result<&'a Candidate, Refusal> {
    let free =
        |bare: &&Bare| turned_away(groups, bare).is_none() && relabel(old, pv.id, &bare.candidate).is_ok();
    let proven = |bare: &&Bare| free(bare) && doubt(traces, missing, old, pv, bare).is_none();
    let known: Vec<&Bare> = traces.devices.iter().filter(proven).collect();
    let by_path = traces.devices.iter().find(|bare| bare.candidate.path == pv.device);
    match (known.as_slice(), by_path) {
        ([one], _) => return Ok(&one.candidate),
        ([_, _, ..], _) if !force => {
            let paths: Vec<&str> = known.iter().map(|bare| bare.candidate.path.as_str()).collect();
            let text =
                format!("physical volume {} of group {} may be any of {}", pv.id, old.name, paths.join(", "));
            return Err(Refusal::new(text).hint("detach the copies, then try again"));
        }
        _ => {}
    }
    let Some(bare) = by_path else {
        let text = format!(
            "physical volume {} of group {} is missing, and was last seen as {}",
            pv.id, old.name, pv.device
        );
        return Err(Refusal::new(text).hint("attach its device, then try again"));
    };
    if let Some(refused) = turned_away(groups, bare) {
        let text = format!("physical volume {} of group {} is missing, and {refused}", pv.id, old.name);
        let hint = "a label that is written there would not count either: let LVM2's configuration take the device first";
        let refusal = Refusal::new(text);
        return Err(match refused.cause {
            LeftOutCause::Filtered | LeftOutCause::NotListed => refusal.hint(hint),
            _ => refusal,
        });
    }
    relabel(old, pv.id, &bare.candidate)?;
    match doubt(traces, missing, old, pv, bare) {
        Some(doubt) if !force => Err(unproven(old, pv, &doubt)),
        Some(_) | None => Ok(&bare.candidate),
    }
}

/// A device that would not count with a label either. One whose label is damaged would.
fn turned_away<'a>(groups: &'a Groups, bare: &Bare) -> Option<&'a RefusedDevice> {
    let device = bare.candidate.found.as_ref().ok()?;
    groups.left_out(device.id).filter(|refused| !matches!(refused.cause, LeftOutCause::NotUnderstood { .. }))
}

fn unproven(old: &Group, pv: &PhysicalVolume, doubt: &str) -> Refusal {
    let path = &pv.device;
    Refusal::new(format!(
        "{path} is where physical volume {} of group {} was last seen, and has its size, but nothing tells that it is that disk: {doubt}",
        pv.id, old.name
    ))
    .hint(format!("if you are sure: --force writes its label and metadata area to {path}, over what is there"))
}

/// Why the device where a physical volume was last seen may be another one; `None` where it certainly is that one.
#[must_use]
pub fn doubt_of(traces: &Traces, groups: &Groups, old: &Group, pv: LvmUuid) -> Option<String> {
    let missing: Vec<&PhysicalVolume> = old.pvs.iter().filter(|pv| !groups.has(pv.id)).collect();
    let (_, pv) = old.pv(pv)?;
    match traces.devices.iter().find(|bare| bare.candidate.path == pv.device) {
        Some(bare) => doubt(traces, &missing, old, pv, bare),
        None => Some("it could not be looked at".to_owned()),
    }
}

/// Why this device may not be the physical volume; `None` where it certainly is.
fn doubt(
    traces: &Traces,
    missing: &[&PhysicalVolume],
    old: &Group,
    pv: &PhysicalVolume,
    bare: &Bare,
) -> Option<String> {
    let is_same = match identity(traces, pv.id, bare) {
        Some(Sameness::Another(why)) => return Some(why),
        Some(Sameness::Same(_)) => true,
        Some(Sameness::CannotTell(_)) | None => false,
    };
    // What is left of its label has its identity.
    let found = bare.candidate.found.as_ref().ok();
    if found.is_some_and(|device| device.foreign.iter().any(|left| is_label_of(left, pv.id))) {
        return None;
    }
    let alike = missing.iter().find(|other| other.id != pv.id && other.dev_size == pv.dev_size);
    match (is_same, text(bare, old, pv.id), alike) {
        (true, true, _) | (false, true, None) => None,
        (true, false, _) if is_blank(&bare.head) => None,
        (true, false, _) => {
            Some("it is the disk of then, and something else was written to its start".into())
        }
        (false, true, Some(other)) => {
            Some(format!("the group's text on it may as well be that of {}, which is missing too", other.id))
        }
        (false, false, _) => Some(match identity(traces, pv.id, bare) {
            Some(Sameness::CannotTell(why)) => format!("{why}, nor is the group's text"),
            _ => "neither its serial number is known nor is the group's text on it".into(),
        }),
    }
}

/// Whether the device is the one of then; `None` where nothing is known of that one.
fn identity(traces: &Traces, pv: LvmUuid, bare: &Bare) -> Option<Sameness> {
    let kept = traces.kept.iter().filter(|(id, _)| *id == pv);
    let judged = kept.filter_map(|(_, then)| {
        Some(match then.same(bare.identity.as_ref()?) {
            // What was there before the volumes: blank disks of one size have it in common.
            Sameness::Same(By::Content) => Sameness::CannotTell("it has no number of its own".into()),
            judged => judged,
        })
    });
    let mut judged: Vec<Sameness> = judged.collect();
    let lasting = |kind: &str| LASTING.contains(&kind);
    let names = traces.names.iter().filter(|(id, (kind, _))| *id == pv && lasting(kind));
    judged.extend(names.filter_map(|(_, then)| {
        let now = bare.listed.as_ref().filter(|now| now.0 == then.0)?;
        Some(match now == then {
            true => Sameness::Same(By::Own),
            false => Sameness::Another(format!("its {} is {}, not {}", then.0, now.1, then.1)),
        })
    }));
    let same = judged.iter().position(|one| matches!(one, Sameness::Same(_)));
    let another = judged.iter().position(|one| matches!(one, Sameness::Another(_)));
    let at = same.or(another).or(judged.len().checked_sub(1))?;
    Some(judged.swap_remove(at))
}

/// Whether the group's text, with this physical volume in it, is on the device: in its metadata area, or what is left of one
/// where nothing has been written over its start.
fn text(bare: &Bare, old: &Group, pv: LvmUuid) -> bool {
    let head = &bare.head;
    let in_area = || {
        let size = bare.candidate.found.as_ref().ok()?.size;
        let media = Head { bytes: head, size };
        let area = area::read(&media, Extent { start: AREA, size: Bytes(0) }).ok()?;
        let text = area::text(&media, &area, area.committed?).ok()?;
        let group = Group::parse(&text).ok()?;
        Some(group.id == old.id && group.pv(pv).is_some())
    };
    in_area() == Some(true) || is_blank(head.get(..START).unwrap_or_default()) && remains(head, old.id, pv)
}

/// The first bytes of a device: its areas may end far behind them.
struct Head<'a> {
    bytes: &'a Vec<u8>,
    size: Bytes,
}

impl Media for Head<'_> {
    fn len(&self) -> Bytes {
        self.size
    }

    fn read_at(&self, at: Bytes, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes.read_at(at, buffer)
    }
}

/// Whether a text of the group that names the physical volume begins at one of the sectors.
fn remains(head: &[u8], group: LvmUuid, pv: LvmUuid) -> bool {
    let named = format!("id = \"{pv}\"\n");
    texts(head, group).any(|text| text.windows(named.len()).any(|window| window == named.as_bytes()))
}

/// The numbers of the group's texts that are left in the first bytes of a device. The last number there is says nothing: none
/// can come after it.
pub(super) fn numbers(head: &[u8], group: LvmUuid) -> impl Iterator<Item = u32> {
    texts(head, group).filter_map(|text| {
        let rest = text.strip_prefix(b"seqno = ")?;
        let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).take(DIGITS).collect();
        String::from_utf8(digits).ok()?.parse().ok().filter(|number| *number < u32::MAX)
    })
}

/// The group's texts that begin at one of the sectors, each from behind the group's identity to its end.
fn texts(head: &[u8], group: LvmUuid) -> impl Iterator<Item = &[u8]> {
    let first = format!("{{\nid = \"{group}\"\n");
    head.chunks(SECTOR).enumerate().filter_map(move |(nth, sector)| {
        let name = sector.iter().position(|byte| *byte == b'{')?;
        let rest = head.get(nth.saturating_mul(SECTOR).saturating_add(name)..)?;
        let rest = rest.strip_prefix(first.as_bytes())?;
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        rest.get(..end)
    })
}

fn is_blank(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.windows(2).all(|two| two.first() == two.last())
}

#[cfg(test)]
#[path = "former_tests.rs"]
mod tests;
