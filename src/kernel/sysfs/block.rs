//! Block devices in sysfs: whole disks and partitions, who stands on whom.

use std::path::{Path, PathBuf};

use superblock::Sectors;

use super::{KernelError, Sysfs};
use crate::kernel::DevId;

/// One block device as sysfs has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// The kernel's name.
    pub name: String,
    /// The device number.
    pub dev: DevId,
    /// The size.
    pub size: Sectors,
    /// Whole or a part.
    pub shape: Shape,
}

/// Whether a device is a whole one or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A whole device with the names of its partitions.
    Whole {
        /// The kernel names of its partitions.
        partitions: Vec<String>,
    },
    /// A partition.
    Partition {
        /// The kernel name of the whole device.
        of: String,
        /// Its number.
        number: u32,
        /// Where it begins.
        start: Sectors,
    },
}

impl Sysfs {
    /// The kernel's name of a device number.
    pub fn name_of(&self, dev: DevId) -> Option<String> {
        self.link(Path::new("dev/block").join(dev.to_string()))
    }

    /// The device with this kernel name; `None` where there is none.
    pub fn block(&self, name: &str) -> Result<Option<BlockEntry>, KernelError> {
        let Some(dir) = self.block_dir(name) else { return Ok(None) };
        let dev = self.value(dir.join("dev"), |text| text.parse().ok())?;
        let size = self.value(dir.join("size"), |text| text.parse().ok().map(Sectors))?;
        let (Some(dev), Some(size)) = (dev, size) else { return Ok(None) };
        let number = self.value(dir.join("partition"), |text| text.parse().ok())?;
        let shape = match number {
            None => Shape::Whole { partitions: self.partitions(&dir)? },
            Some(number) => {
                let start = self.value(dir.join("start"), |text| text.parse().ok().map(Sectors))?;
                let of = self.whole_of(name).unwrap_or_default();
                Shape::Partition { of, number, start: start.unwrap_or_default() }
            }
        };
        Ok(Some(BlockEntry { name: name.to_owned(), dev, size, shape }))
    }

    /// The kernel names of all block devices, whole ones and partitions.
    pub fn blocks(&self) -> Result<Vec<String>, KernelError> {
        let mut names = vec![];
        for whole in self.names("block")? {
            names.extend(self.partitions(&Path::new("block").join(&whole))?);
            names.push(whole);
        }
        names.sort();
        Ok(names)
    }

    fn partitions(&self, dir: &Path) -> Result<Vec<String>, KernelError> {
        // The kernel names a partition after its disk, so that not every file there has to be looked into.
        let disk = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut names = self.names(dir)?;
        names.retain(|name| name.starts_with(disk) && self.exists(dir.join(name).join("partition")));
        Ok(names)
    }

    /// The directory of a device: `block/sda`, or `block/sda/sda1` found through `class/block`.
    fn block_dir(&self, name: &str) -> Option<PathBuf> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return None;
        }
        let places = [Path::new("block").join(name), Path::new("class/block").join(name)];
        places.into_iter().find(|dir| self.exists(dir))
    }

    /// The whole device of a partition; `None` for what is whole itself.
    pub fn whole_of(&self, name: &str) -> Option<String> {
        if !self.exists(Path::new("class/block").join(name).join("partition")) {
            return None;
        }
        let target = std::fs::read_link(self.path(Path::new("class/block").join(name))).ok()?;
        target.parent()?.file_name()?.to_str().map(str::to_owned)
    }

    /// The kernel names of what stands on this device.
    pub fn holders(&self, name: &str) -> Result<Vec<String>, KernelError> {
        self.block_dir(name).map_or(Ok(vec![]), |dir| self.names(dir.join("holders")))
    }

    /// The kernel names of what this device stands on.
    pub fn slaves(&self, name: &str) -> Result<Vec<String>, KernelError> {
        self.block_dir(name).map_or(Ok(vec![]), |dir| self.names(dir.join("slaves")))
    }

    /// The device-mapper name; `None` for anything else.
    pub fn dm_name(&self, name: &str) -> Result<Option<String>, KernelError> {
        self.block_dir(name).map_or(Ok(None), |dir| self.read(dir.join("dm/name")))
    }

    /// What a device's directory has.
    pub fn attributes_of(&self, name: &str) -> Result<Vec<String>, KernelError> {
        self.block_dir(name).map_or(Ok(vec![]), |dir| self.names(dir))
    }

    /// One file below a device's directory, such as `queue/rotational` or `device/model`.
    pub fn block_attr(&self, name: &str, below: &str) -> Result<Option<String>, KernelError> {
        self.block_dir(name).map_or(Ok(None), |dir| self.read(dir.join(below)))
    }
}
