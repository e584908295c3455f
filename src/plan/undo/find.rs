//! The devices of an entry, wherever they are now.

use crate::{
    archive::{Entry, Identity, Kept},
    plan::Refusal,
};

/// For each device of the entry its place among those that are here.
///
/// A name by-id proves a device, and so does a member's own UUID. Where a device has neither, it is known by its path;
/// another size, another serial number or other names by-id prove that it is another one.
///
/// With `force` those that are not found are left out, and said.
///
/// # Errors
/// One of them is not here, or there are two that could be it.
pub fn find(entry: &Entry, here: &[Identity], force: bool) -> Result<Found, Refusal> {
    let mut found = Found::default();
    for kept in &entry.devices {
        match one(kept, here) {
            Ok(at) => found.places.push((kept.clone(), at)),
            Err(refusal) if force => found.left_out.push(refusal.text),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(found)
}

/// The devices of an entry that are here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Each with its place among those that are here.
    pub places: Vec<(Kept, usize)>,
    /// Why others are left out.
    pub left_out: Vec<String>,
}

fn one(kept: &Kept, here: &[Identity]) -> Result<usize, Refusal> {
    let possible = || here.iter().enumerate().filter(|(_, it)| !is_another(&kept.device, it));
    let by_name = |it: &Identity| it.by_id.iter().any(|name| kept.device.by_id.contains(name));
    let members = members(kept);
    let by_member =
        |it: &Identity| it.md.iter().filter_map(|sb| sb.member.as_ref()).any(|uuid| members.contains(uuid));
    let by_path = |it: &Identity| it.path == kept.device.path;
    let proofs: [&dyn Fn(&Identity) -> bool; 2] = [&by_name, &by_member];
    for known in proofs {
        let found: Vec<(usize, &Identity)> = possible().filter(|(_, it)| known(it)).collect();
        match found.as_slice() {
            [] => {}
            [(at, _)] => return Ok(*at),
            several => match several.iter().find(|(_, it)| by_path(it)) {
                Some((at, _)) => return Ok(*at),
                None => return Err(twice(kept, several)),
            },
        }
    }
    possible().find(|(_, it)| by_path(it)).map(|(at, _)| at).ok_or_else(|| missing(kept))
}

fn twice(kept: &Kept, several: &[(usize, &Identity)]) -> Refusal {
    let paths: Vec<&str> = several.iter().map(|(_, it)| it.path.as_str()).collect();
    Refusal::new(format!("{} may be any of {}", kept.device.path, paths.join(", ")))
        .hint("detach the copies, then try again")
}

fn missing(kept: &Kept) -> Refusal {
    let device = &kept.device;
    let mut known = vec![format!("{} bytes", device.size)];
    known.extend(device.serial.iter().map(|serial| format!("serial {serial}")));
    known.extend(device.by_id.first().cloned());
    Refusal::new(format!("{} ({}) is not here", device.path, known.join(", ")))
}

/// Whether it cannot be the same device.
fn is_another(was: &Identity, is: &Identity) -> bool {
    let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    let unlike =
        !was.by_id.is_empty() && !is.by_id.is_empty() && !is.by_id.iter().any(|n| was.by_id.contains(n));
    was.size != is.size || differ(&was.serial, &is.serial) || differ(&was.wwn, &is.wwn) || unlike
}

/// The UUIDs of the members that it was and that it became.
fn members(kept: &Kept) -> Vec<String> {
    let after = kept.after();
    let size = superblock::Bytes(kept.device.size);
    let became = superblock::probe::probe(&crate::archive::Pieces { size, pieces: &after }).found;
    let became = became.iter().map(crate::archive::Carried::of);
    kept.device.md.iter().cloned().chain(became).filter_map(|sb| sb.member).collect()
}
