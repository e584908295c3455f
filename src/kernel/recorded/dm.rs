//! What device-mapper's driver answered when it was asked about everything.

use super::DevId;
use crate::kernel::dm::{DmFlags, DmListed, Info, Reported, TargetType, Who};

/// The driver as it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Driver {
    devices: Vec<Device>,
    pub(crate) version: [u32; 3],
    pub(crate) targets: Vec<TargetType>,
}

#[derive(Clone, Debug)]
struct Device {
    info: Info,
    table: Vec<Reported>,
    status: Vec<Reported>,
    deps: Vec<DevId>,
}

impl Driver {
    /// `dm NAME UUID MAJOR:MINOR OPEN SEGMENTS EVENT FLAGS`, and below it its `table` and `status` rows and its `deps`; a UUID
    /// of `-` is none.
    pub(super) fn fact(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "dm" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let [name, uuid, dev, open, segments, event, flags] = *words.as_slice() else { return None };
                let info = Info {
                    dev: Some(dev.parse().ok()?),
                    name: name.to_owned(),
                    uuid: if uuid == "-" { String::new() } else { uuid.to_owned() },
                    open: open.parse().ok()?,
                    segments: segments.parse().ok()?,
                    event: event.parse().ok()?,
                    flags: DmFlags::from_bits_retain(flags.parse().ok()?),
                };
                self.devices.push(Device { info, table: vec![], status: vec![], deps: vec![] });
            }
            "table" => self.devices.last_mut()?.table.push(row(rest)?),
            "status" => self.devices.last_mut()?.status.push(row(rest)?),
            "deps" => {
                let deps: Option<Vec<DevId>> = rest.split(' ').map(|dev| dev.parse().ok()).collect();
                self.devices.last_mut()?.deps = deps?;
            }
            "dm-version" => self.version = version(rest)?,
            "target" => {
                let (name, numbers) = rest.split_once(' ')?;
                self.targets.push(TargetType { name: name.to_owned(), version: version(numbers)? });
            }
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn list(&self, by_name: &str, by_uuid: &str) -> Vec<DmListed> {
        let listed = |device: &Device| DmListed {
            dev: device.info.dev.unwrap_or_default(),
            name: device.info.name.clone(),
            uuid: Some(device.info.uuid.clone()).filter(|uuid| !uuid.is_empty()),
            event: Some(device.info.event),
        };
        let fits =
            |device: &&Device| device.info.name.starts_with(by_name) && device.info.uuid.starts_with(by_uuid);
        self.devices.iter().filter(fits).map(listed).collect()
    }

    fn find(&self, who: Who<'_>) -> Option<&Device> {
        self.devices.iter().find(|device| match who {
            Who::Name(name) => device.info.name == name,
            Who::Uuid(uuid) => device.info.uuid == uuid,
            Who::Dev(dev) => device.info.dev == Some(dev),
        })
    }

    pub(crate) fn info(&self, who: Who<'_>) -> Option<Info> {
        Some(self.find(who)?.info.clone())
    }

    pub(crate) fn status(&self, who: Who<'_>, flags: DmFlags) -> Option<(Info, Vec<Reported>)> {
        let device = self.find(who)?;
        let rows = if flags.contains(DmFlags::STATUS_TABLE) { &device.table } else { &device.status };
        Some((device.info.clone(), rows.clone()))
    }

    pub(crate) fn deps(&self, who: Who<'_>) -> Option<(Info, Vec<DevId>)> {
        let device = self.find(who)?;
        Some((device.info.clone(), device.deps.clone()))
    }
}

/// `START LENGTH TARGET TEXT`.
fn row(text: &str) -> Option<Reported> {
    let mut words = text.splitn(4, ' ');
    Some(Reported {
        start: words.next()?.parse().ok()?,
        length: words.next()?.parse().ok()?,
        kind: words.next()?.to_owned(),
        text: words.next().unwrap_or_default().to_owned(),
    })
}

fn version(text: &str) -> Option<[u32; 3]> {
    let numbers: Option<Vec<u32>> = text.split('.').map(|word| word.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_it_was_asked() {
        let mut driver = Driver::default();
        for line in [
            "dm-version 4.48.0",
            "target linear 1.4.0",
            "dm vg-home LVM-abc 252:0 1 1 0 32",
            "table 0 8192 linear 9:127 2048",
            "status 0 8192 linear",
            "deps 9:127",
            "dm plain - 252:1 0 1 0 32",
        ] {
            let (word, rest) = line.split_once(' ').unwrap();
            driver.fact(word, rest).unwrap_or_else(|| panic!("{line}"));
        }
        assert_eq!(driver.list("", "LVM-").len(), 1);
        assert_eq!(driver.list("", "")[1].uuid, None);
        let who = Who::Uuid("LVM-abc");
        assert_eq!(driver.status(who, DmFlags::STATUS_TABLE).unwrap().1[0].text, "9:127 2048");
        assert_eq!(driver.status(who, DmFlags::empty()).unwrap().1[0].text, "");
        assert_eq!(driver.deps(who).unwrap().1, [DevId { major: 9, minor: 127 }]);
        assert_eq!(driver.info(Who::Name("none")), None);
        assert_eq!((driver.version, driver.targets.len()), ([4, 48, 0], 1));
        assert_eq!(driver.fact("nothing", "known"), None);
    }
}
