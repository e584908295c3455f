//! The devices of an entry, wherever they are now.

use crate::{
    archive::{By, Entry, Identity, KeptDevice, Sameness},
    plan::Refusal,
};

/// What is enough to take a device for the one of then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceTrust {
    /// Somebody asked for this entry: whatever proves the device.
    Proof,
    /// As before, and the path where nothing proves anything. Never another device.
    Path,
    /// Nobody asked: the kernel must not have let go of the device since.
    Unbroken,
}

/// For each device of the entry its place among those that are here.
///
/// `here`: all devices that are here; `before`: devices as entries up to this one knew them. With [`DeviceTrust::Proof`] all of them are found; otherwise those that are not are left out, and said.
///
/// # Errors
/// One of them is not here, or nothing tells that it is, or there are two that could be it.
pub fn find(
    entry: &Entry,
    (here, before): (&[Identity], &[&Identity]),
    trust: DeviceTrust,
) -> Result<DevicesHere, Refusal> {
    let mut found = DevicesHere::default();
    for kept in &entry.devices {
        let one = one(kept, (here, before), trust).and_then(|at| {
            match found.places.iter().find(|(_, taken)| *taken == at) {
                Some((other, _)) => Err(Refusal::new(format!(
                    "{} and {} seem to be one device now",
                    other.device.path, kept.device.path
                ))),
                None => Ok(at),
            }
        });
        match (one, trust) {
            (Ok(at), _) => found.places.push((kept.clone(), at)),
            (Err(refusal), DeviceTrust::Proof) => return Err(refusal),
            (Err(refusal), DeviceTrust::Path | DeviceTrust::Unbroken) => found.left_out.push(refusal.text),
        }
    }
    Ok(found)
}

/// The devices of an entry that are here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicesHere {
    /// Each with its place among those that are here.
    pub places: Vec<(KeptDevice, usize)>,
    /// Why others are left out.
    pub left_out: Vec<String>,
}

/// A device that is the one of then, its place, and by what it is known.
type Known<'a> = (usize, By, &'a Identity);

fn one(
    kept: &KeptDevice,
    (here, before): (&[Identity], &[&Identity]),
    trust: DeviceTrust,
) -> Result<usize, Refusal> {
    let judge = |it: &Identity| match kept.device.is_only_like(it, before.iter().copied(), here) {
        true => Sameness::Another("it is the other disk that had the same content".to_owned()),
        false => kept.same(it),
    };
    let judged: Vec<(usize, Sameness, &Identity)> =
        here.iter().enumerate().map(|(at, it)| (at, judge(it), it)).collect();
    let known: Vec<Known<'_>> = judged
        .iter()
        .filter_map(|(at, same, it)| match same {
            Sameness::Same(by) => Some((*at, *by, *it)),
            Sameness::Another(_) | Sameness::CannotTell(_) => None,
        })
        .collect();
    let by_path = judged.iter().find(|(_, _, it)| it.path == kept.device.path);
    if trust == DeviceTrust::Unbroken {
        return unbroken(kept, &known, by_path.map(|(_, same, _)| same));
    }
    let best = known.iter().map(|(_, by, _)| *by).min();
    let known: Vec<Known<'_>> = known.into_iter().filter(|(_, by, _)| Some(*by) == best).collect();
    match (known.as_slice(), by_path) {
        ([(at, _, _)], _) => Ok(*at),
        ([], Some((at, Sameness::CannotTell(_), _))) if trust == DeviceTrust::Path => Ok(*at),
        ([], Some((_, Sameness::CannotTell(why), _))) => Err(cannot_tell(kept, why)),
        ([], Some((_, Sameness::Another(why), _))) => Err(another(kept, why)),
        ([], _) => Err(missing(kept)),
        (several, Some((at, _, _))) if several.iter().any(|(known, _, _)| known == at) => {
            if trust == DeviceTrust::Path { Ok(*at) } else { Err(mates(kept, several)) }
        }
        (several, _) => Err(twice(kept, several)),
    }
}

/// The device that is there since then. A kernel that does not count devices leaves their own numbers and names.
fn unbroken(kept: &KeptDevice, known: &[Known<'_>], by_path: Option<&Sameness>) -> Result<usize, Refusal> {
    let counts = kept.device.diskseq.is_some();
    let enough = |by: &By| *by == By::Kernel || *by == By::Own && !counts;
    if let [(at, _, _)] = known.iter().filter(|(_, by, _)| enough(by)).collect::<Vec<_>>().as_slice() {
        return Ok(*at);
    }
    let path = &kept.device.path;
    Err(match by_path {
        None => missing(kept),
        Some(Sameness::Another(why)) => another(kept, why),
        Some(Sameness::CannotTell(_) | Sameness::Same(_)) => Refusal::new(format!(
            "{path}: another disk is there now, or the same one attached again; it is left as it is"
        )),
    })
}

fn another(kept: &KeptDevice, why: &str) -> Refusal {
    Refusal::new(format!("{}: another disk is there now: {why}", kept.device.path))
        .hint("attach the disk of then; --force goes on without it")
}

fn cannot_tell(kept: &KeptDevice, why: &str) -> Refusal {
    let path = &kept.device.path;
    Refusal::new(format!("{path}: nothing tells that this is the disk of then: {why}")).hint(format!(
        "if you are sure: --force writes to {path} because it has the path and the size of then"
    ))
}

fn twice(kept: &KeptDevice, several: &[Known<'_>]) -> Refusal {
    may_be(kept, several).hint("detach the copies, then try again")
}

/// Mirrors without serials look the same once their superblocks are gone.
fn mates(kept: &KeptDevice, several: &[Known<'_>]) -> Refusal {
    let path = &kept.device.path;
    may_be(kept, several).hint(format!(
        "detach the copies, then try again; if you are sure that each disk has the path of then: --force takes {path}"
    ))
}

fn may_be(kept: &KeptDevice, several: &[Known<'_>]) -> Refusal {
    let paths: Vec<&str> = several.iter().map(|(_, _, it)| it.path.as_str()).collect();
    Refusal::new(format!("{} may be any of {}", kept.device.path, paths.join(", ")))
}

fn missing(kept: &KeptDevice) -> Refusal {
    let device = &kept.device;
    let mut known = vec![format!("{} bytes", device.size)];
    known.extend(device.serial.iter().map(|serial| format!("serial {serial}")));
    known.extend(device.by_id.first().cloned());
    Refusal::new(format!("{} ({}) is not here", device.path, known.join(", ")))
        .hint("attach it; --force goes on without it")
}
