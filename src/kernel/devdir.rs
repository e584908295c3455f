//! /dev: every name of every block device.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::{DevId, Places, recorded};

/// Deeper than anything in /dev.
const DEPTH: usize = 10;
/// More names than any machine has.
const NAMES: usize = 1 << 20;

/// All names below /dev that are block devices or links to them, in byte order. Directories that are links, and other
/// file systems mounted below (`/dev/shm`), are not entered. What goes away meanwhile is left out.
pub fn names(places: &Places) -> Vec<(PathBuf, DevId)> {
    if let Some(recorded) = recorded::entered() {
        return recorded.names(&places.dev);
    }
    let mut found = vec![];
    if let Ok(root) = fs::metadata(&places.dev) {
        enter(&places.dev, root.dev(), DEPTH, &mut found);
    }
    found.sort();
    found
}

fn enter(dir: &Path, filesystem: u64, depth: usize, found: &mut Vec<(PathBuf, DevId)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.filter_map(Result::ok) {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            let same = fs::metadata(&path).is_ok_and(|meta| meta.dev() == filesystem);
            if let Some(depth) = depth.checked_sub(1).filter(|_| same) {
                enter(&path, filesystem, depth, found);
            }
        } else if (kind.is_block_device() || kind.is_symlink()) && found.len() < NAMES {
            let target = fs::metadata(&path).ok().filter(|meta| meta.file_type().is_block_device());
            found.extend(target.map(|meta| (path, DevId::from_raw(meta.rdev()))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_devices_have_names() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("md")).unwrap();
        fs::write(dir.path().join("md/file"), "").unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("md/up")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("md/broken")).unwrap();
        let places = Places { dev: dir.path().to_owned(), run: "/run".into() };
        assert_eq!(names(&places), []);
    }
}
