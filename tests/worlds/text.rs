//! A machine as a text that a diff can be read of.
//!
//! ```text
//! # a comment
//! /sys/block/sda/size = 131072           a file of one line
//! /sys/dev/block/8:0 -> ../../block/sda  a link
//! /sys/block/sda/holders/                an empty directory
//! /proc/mdstat:                          a file of several lines, which follow, each behind a tab
//! /dev/sda @                             a block device: its bytes follow as `superblock::sectors` has them
//! ```
//! `/facts` is what only system calls answer; `kernel::recorded` says what may stand in it.

use std::{
    fmt::Write as _,
    fs::{self, File},
    os::unix::fs::{FileExt, symlink},
    path::Path,
};

use libtest_mimic::Failed;
use superblock::{Media, sectors::SectorMap};

/// What is on the machine, for the commands.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Nodes of disks and partitions.
    pub(crate) disks: Vec<String>,
    /// Nodes of arrays.
    pub(crate) arrays: Vec<String>,
}

/// Writes the machine below `root`.
pub(crate) fn build(text: &str, root: &Path) -> Result<Contents, Failed> {
    let mut contents = Contents::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut below = String::new();
        while let Some(more) = lines.next_if(|next| next.starts_with('\t')) {
            writeln!(below, "{}", more.trim_start_matches('\t'))?;
        }
        let place = |path: &str| -> Result<_, Failed> {
            let path = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().ok_or("no parent")?)?;
            Ok(path)
        };
        if let Some((path, target)) = line.split_once(" -> ") {
            symlink(target, place(path)?)?;
        } else if let Some((path, value)) = line.split_once(" = ") {
            fs::write(place(path)?, format!("{value}\n"))?;
        } else if let Some(path) = line.strip_suffix(" @") {
            device(&place(path)?, &below)?;
            let name = path.trim_start_matches("/dev/");
            match name.starts_with("md") {
                true => contents.arrays.push(path.to_owned()),
                false if !name.starts_with("dm-") => contents.disks.push(path.to_owned()),
                false => {}
            }
        } else if let Some(path) = line.strip_suffix(':') {
            fs::write(place(path)?, below)?;
        } else if let Some(path) = line.strip_suffix('/') {
            fs::create_dir_all(place(path)?)?;
        } else {
            return Err(format!("not a line of a world: {line}").into());
        }
    }
    Ok(contents)
}

/// A sparse file for a block device.
fn device(path: &Path, text: &str) -> Result<(), Failed> {
    let map: SectorMap = text.parse().map_err(|bad: superblock::sectors::BadLine| bad.to_string())?;
    let file = File::create(path)?;
    file.set_len(map.len().0)?;
    for (at, bytes) in map.sectors() {
        file.write_all_at(bytes, at.bytes().0)?;
    }
    Ok(())
}
