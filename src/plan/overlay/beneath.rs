//! What overlays can be put over.

use super::WantedOverlay;
use crate::{
    model::{
        Candidate, Device, Unusable,
        overlay::{ChunkPrint, PREFIX, Underlay, Underlays},
    },
    plan::Refusal,
};

/// The devices, none of which anybody else uses; overlays may be put over one several times.
///
/// # Errors
/// One is not there, cannot be read, or is in use.
pub fn free(seen: Vec<Underlay>) -> Result<Vec<Device>, Refusal> {
    seen.into_iter().map(|seen| one(seen.device, &seen.holders)).collect()
}

/// The members as a set is made over them.
///
/// # Errors
/// As [`free`], or there are too few loop devices.
pub fn wanted(seen: Underlays) -> Result<Vec<WantedOverlay>, Refusal> {
    let prints: Vec<_> = seen.devices.iter().map(|device| device.prints.clone()).collect();
    let devices = free(seen.devices)?;
    if seen.loops.len() < devices.len() {
        return Err(Refusal::new("too few loop devices are free"));
    }
    let wanted = |((device, prints), number): ((Device, Vec<ChunkPrint>), u32)| WantedOverlay {
        path: device.path,
        kernel_name: device.kernel_name,
        size: device.size,
        loop_device: format!("/dev/loop{number}"),
        prints,
    };
    Ok(devices.into_iter().zip(prints).zip(seen.loops).map(wanted).collect())
}

fn one(seen: Candidate, holders: &[(String, Option<String>)]) -> Result<Device, Refusal> {
    let path = seen.path;
    let device = seen.found.map_err(|why| Refusal::new(format!("{path}: {}", unusable(&why))))?;
    let mut ours = false;
    for (holder, name) in holders {
        match name {
            Some(name) if name.starts_with(PREFIX) => ours = true,
            Some(name) => {
                return Err(Refusal::new(format!("{path} is in use by device-mapper's {name}")));
            }
            None => {
                let text = format!("{path} is a member of {holder}, which is running");
                return Err(Refusal::new(text).hint(format!("stop it first: mdctl stop /dev/{holder}")));
            }
        }
    }
    if device.busy && !ours {
        let by = if device.holders.is_empty() { "somebody".to_owned() } else { device.holders.join(", ") };
        return Err(Refusal::new(format!("{path} is in use by {by}")));
    }
    Ok(device)
}

pub(in crate::plan) fn unusable(why: &Unusable) -> String {
    match why {
        Unusable::Open(error) | Unusable::Broken(error) | Unusable::Silent(error) => error.clone(),
        Unusable::NotBlock => "it is not a block device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::create::tests::device;

    fn under(busy: bool, holders: &[(&str, Option<&str>)]) -> Underlay {
        let mut device = device("/dev/sda", 64 << 20);
        device.found = device.found.map(|found| Device { busy, ..found });
        let holders = holders.iter().map(|(kernel, name)| ((*kernel).to_owned(), name.map(str::to_owned)));
        Underlay { device, holders: holders.collect(), prints: Vec::new() }
    }

    fn refused(seen: Underlay) -> String {
        free(vec![seen]).unwrap_err().text
    }

    #[test]
    fn nobody_else_uses_it() {
        assert_eq!(refused(under(true, &[])), "/dev/sda is in use by somebody");
        let member = refused(under(true, &[("md0", None)]));
        assert_eq!(member, "/dev/sda is a member of md0, which is running");
        let volume = refused(under(true, &[("dm-0", Some("vg-v"))]));
        assert_eq!(volume, "/dev/sda is in use by device-mapper's vg-v");
        let ours = ("dm-0", Some("MDOV-t-sda"));
        assert_eq!(free(vec![under(true, &[ours])]).unwrap().len(), 1, "another overlay");
        assert!(free(vec![under(true, &[ours, ("md0", None)])]).is_err());
        let gone = Candidate { path: "/dev/sdx".into(), found: Err(Unusable::Open("No such device".into())) };
        assert_eq!(
            refused(Underlay { device: gone, holders: Vec::new(), prints: Vec::new() }),
            "/dev/sdx: No such device"
        );
    }

    #[test]
    fn each_has_a_loop_device_of_its_own() {
        let two = || vec![under(false, &[]), under(false, &[])];
        let wanted = wanted(Underlays { devices: two(), loops: vec![3, 5] }).unwrap();
        let loops: Vec<&str> = wanted.iter().map(|one| one.loop_device.as_str()).collect();
        assert_eq!(loops, ["/dev/loop3", "/dev/loop5"]);
        assert!(super::wanted(Underlays { devices: two(), loops: vec![3] }).is_err());
    }
}
