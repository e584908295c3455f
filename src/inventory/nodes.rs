//! Paths to block devices: which names below /dev a device number has.

use std::collections::BTreeMap;

use crate::{
    kernel::{Machine, devdir},
    model::DevId,
};

/// Every block device node and link below /dev, as found in one walk.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    paths: BTreeMap<DevId, Vec<String>>,
}

impl Nodes {
    /// Walks through /dev. What cannot be read, or has no text for a name, is not there.
    #[must_use]
    pub fn walk(machine: &Machine) -> Self {
        let mut paths: BTreeMap<DevId, Vec<String>> = BTreeMap::new();
        for (path, number) in devdir::names(&machine.places) {
            if let Ok(text) = path.into_os_string().into_string() {
                paths.entry(number).or_default().push(text);
            }
        }
        Self { paths }
    }

    /// The name to show: one below /dev/md or with `prefer` in it before all others, and of those the shortest.
    #[must_use]
    pub fn path(&self, id: DevId, prefer: Option<&str>) -> Option<String> {
        let preferred = |path: &str| path.starts_with("/dev/md/") || prefer.is_some_and(|p| path.contains(p));
        let paths = self.paths.get(&id).filter(|_| id != DevId::default())?;
        let best = paths.iter().min_by_key(|path| (!preferred(path), path.len()))?;
        Some(best.clone())
    }

    /// The names in /dev/disk/by-path, without the directory.
    #[must_use]
    pub fn by_path(&self) -> BTreeMap<DevId, Vec<String>> {
        let of = |paths: &Vec<String>| -> Vec<String> {
            paths
                .iter()
                .filter_map(|path| path.strip_prefix("/dev/disk/by-path/"))
                .map(str::to_owned)
                .collect()
        };
        let named = self.paths.iter().map(|(id, paths)| (*id, of(paths)));
        named.filter(|(_, paths)| !paths.is_empty()).collect()
    }

    /// The name of every device.
    #[must_use]
    pub fn all(&self) -> BTreeMap<DevId, String> {
        self.paths.keys().filter_map(|id| Some((*id, self.path(*id, None)?))).collect()
    }
}
