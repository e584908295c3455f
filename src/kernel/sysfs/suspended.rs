//! Devices that answer no read before somebody lets them go on: suspended ones of device-mapper, and what stands on them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{ErrorCause, KernelError, Sysfs};
use crate::kernel::{Deadline, DevId, node, wait};

/// Those who change tables suspend for milliseconds.
const PATIENCE: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(10);

/// What is held back, and by which device of device-mapper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspended(BTreeMap<DevId, String>);

impl Suspended {
    /// Looks; what is only changed at this moment gets the time to end that. One directory where nothing is suspended, and one
    /// file for each device of device-mapper.
    #[must_use]
    pub fn look(sysfs: &Sysfs) -> Self {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let suspended = suspended(sysfs);
            if suspended.is_empty() {
                return Self::default();
            }
            if deadline.left().is_none() {
                return Self::above(sysfs, suspended);
            }
            wait::pause(PAUSE);
        }
    }

    /// Why nothing is to be read from a device that is open: asks for itself alone, one file.
    ///
    /// # Errors
    /// It would wait.
    pub fn check_itself(sysfs: &Sysfs, path: &Path, dev: DevId) -> Result<(), KernelError> {
        let attr = |name: &str| sysfs.read(format!("dev/block/{dev}/dm/{name}")).ok().flatten();
        let deadline = Deadline::after(PATIENCE);
        while attr("suspended").is_some_and(|text| text == "1") {
            if deadline.left().is_none() {
                let by = attr("name").unwrap_or_else(|| dev.to_string());
                return Err(KernelError::other(
                    path.display().to_string(),
                    "open",
                    ErrorCause::Suspended(by),
                ));
            }
            wait::pause(PAUSE);
        }
        Ok(())
    }

    /// Those and everything that stands on them, however far.
    fn above(sysfs: &Sysfs, suspended: Vec<String>) -> Self {
        let mut found = BTreeMap::new();
        for kernel in suspended {
            let name = sysfs.dm_name(&kernel).ok().flatten().unwrap_or_else(|| kernel.clone());
            let mut rest = vec![kernel];
            while let Some(next) = rest.pop() {
                let Ok(Some(entry)) = sysfs.block(&next) else { continue };
                if found.insert(entry.dev, name.clone()).is_none() {
                    rest.extend(sysfs.on(&next).into_iter().map(|(user, _)| user));
                }
            }
        }
        Self(found)
    }

    /// Why nothing is to be read from this path.
    ///
    /// # Errors
    /// It would wait.
    pub fn check(&self, path: &Path) -> Result<(), KernelError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let dev = node::number_of(path).ok().flatten();
        match dev.and_then(|dev| self.0.get(&dev)) {
            None => Ok(()),
            Some(by) => {
                let path = path.display().to_string();
                Err(KernelError::other(path, "read", ErrorCause::Suspended(by.clone())))
            }
        }
    }
}

fn suspended(sysfs: &Sysfs) -> Vec<String> {
    if !sysfs.has_module("dm_mod") {
        return Vec::new();
    }
    let mut names = sysfs.names("block").unwrap_or_default();
    let held =
        |name: &str| sysfs.block_attr(name, "dm/suspended").ok().flatten().is_some_and(|text| text == "1");
    names.retain(|name| name.starts_with("dm-") && held(name));
    names
}

/// How a device stands on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// It is one of its partitions.
    Partition,
    /// It claims it: md, device-mapper, bcache.
    Holder,
    /// It is a loop device, and the other its backing file.
    Loop,
}

impl Sysfs {
    /// The kernel names of what stands directly on a device.
    pub fn on(&self, name: &str) -> Vec<(String, On)> {
        let mut found = Vec::new();
        let Ok(Some(entry)) = self.block(name) else { return found };
        if let super::Shape::Whole { partitions } = entry.shape {
            found.extend(partitions.into_iter().map(|part| (part, On::Partition)));
        }
        found.extend(self.holders(name).unwrap_or_default().into_iter().map(|holder| (holder, On::Holder)));
        found.extend(self.loops_over(entry.dev).into_iter().map(|over| (over, On::Loop)));
        found
    }

    /// The loop devices whose backing file is a device.
    pub fn loops_over(&self, dev: DevId) -> Vec<String> {
        let mut names = self.names("block").unwrap_or_default();
        let over = |name: &str| {
            let file = self.read(PathBuf::from("block").join(name).join("loop/backing_file")).ok().flatten();
            // A backing file in a file system may be on a server that does not answer: only names of devices are asked about.
            let device = file.filter(|path| path.starts_with("/dev/"));
            device.is_some_and(
                |path| matches!(node::number_of(Path::new(&path)), Ok(Some(found)) if found == dev),
            )
        };
        names.retain(|name| name.starts_with("loop") && over(name));
        names
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_that_stands_on_a_suspended_device_is_held_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut number = 0;
        let mut device = |path: &str, files: &[(&str, &str)]| {
            number += 1;
            let at = dir.path().join(path);
            let numbers = format!("7:{number}\n");
            for (name, text) in files.iter().chain(&[("dev", numbers.as_str()), ("size", "8\n")]) {
                let file = at.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
        };
        device("block/dm-0", &[("dm/suspended", "1\n"), ("dm/name", "slow\n"), ("holders/md9/dev", "")]);
        device("block/dm-1", &[("dm/suspended", "0\n"), ("dm/name", "quick\n")]);
        device("block/md9", &[("md9p1/partition", "1\n")]);
        device("class/block/md9p1", &[("partition", "1\n")]);
        let sysfs = Sysfs::new(dir.path());
        assert_eq!(suspended(&sysfs), Vec::<String>::new(), "without the driver");
        fs::create_dir_all(dir.path().join("module/dm_mod")).unwrap();
        assert_eq!(suspended(&sysfs), ["dm-0"]);
        let found = Suspended::above(&sysfs, suspended(&sysfs));
        let held: Vec<_> = found.0.iter().map(|(dev, by)| (dev.minor, by.as_str())).collect();
        assert_eq!(held, [(1, "slow"), (3, "slow"), (4, "slow")]);
        assert_eq!(found.check(Path::new("/dev/null")), Ok(()));
    }
}
