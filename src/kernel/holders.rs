//! Who keeps a device busy.

use std::{
    fmt, fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    time::Duration,
};

use super::{DevId, KernelError, Procfs, Sysfs, node, sysfs::Shape, wait::Deadline};

/// One of those who hold a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An md array, by kernel name.
    Md(String),
    /// A device-mapper device.
    Dm {
        /// Kernel name (`dm-3`).
        kernel: String,
        /// Its own name.
        name: String,
    },
    /// Any other device that stands on it (bcache, drbd, …), by kernel name.
    Stacked(String),
    /// One of its partitions is held.
    Partition {
        /// The partition's kernel name.
        name: String,
        /// By whom.
        by: Box<Holder>,
    },
    /// A mounted file system.
    Mount(String),
    /// It is swap space.
    Swap,
    /// A process has it open.
    Process {
        /// Its number.
        pid: u32,
        /// Its command name.
        name: String,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md(name) => write!(f, "array {name}"),
            Self::Dm { kernel, name } => write!(f, "device-mapper device {name} ({kernel})"),
            Self::Stacked(name) => write!(f, "device {name}"),
            Self::Partition { name, by } => write!(f, "{by}, through its partition {name}"),
            Self::Mount(at) => write!(f, "the file system mounted at {at}"),
            Self::Swap => write!(f, "swap"),
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
        }
    }
}

/// How long processes are looked through: it explains a failure, it must not become one.
const SEARCH: Duration = Duration::from_secs(1);

/// Everybody who holds the device or one of its partitions. What can not be read is left out: this is asked to
/// explain a refusal.
pub fn holders(sysfs: &Sysfs, procfs: &Procfs, dev: DevId) -> Result<Vec<Holder>, KernelError> {
    let mut found = vec![];
    let Some(name) = sysfs.name_of(dev) else { return Ok(processes(procfs, &[dev])) };
    found.extend(of_device(sysfs, procfs, &name, dev)?);
    let entry = sysfs.block(&name)?;
    let mut parts = vec![dev];
    if let Some(Shape::Whole { partitions }) = entry.map(|entry| entry.shape) {
        for part in partitions {
            let Some(entry) = sysfs.block(&part)? else { continue };
            parts.push(entry.dev);
            let by = of_device(sysfs, procfs, &part, entry.dev)?;
            found.extend(by.into_iter().map(|by| Holder::Partition { name: part.clone(), by: Box::new(by) }));
        }
    }
    found.extend(processes(procfs, &parts));
    Ok(found)
}

fn of_device(sysfs: &Sysfs, procfs: &Procfs, name: &str, dev: DevId) -> Result<Vec<Holder>, KernelError> {
    let mut found = vec![];
    for holder in sysfs.holders(name)? {
        found.push(match sysfs.dm_name(&holder)? {
            Some(name) => Holder::Dm { kernel: holder, name },
            None if sysfs.array(&holder).exists() => Holder::Md(holder),
            None => Holder::Stacked(holder),
        });
    }
    found.extend(mounts(procfs, dev).into_iter().map(Holder::Mount));
    if procfs.swaps()?.iter().any(|path| is_device(path, dev)) {
        found.push(Holder::Swap);
    }
    Ok(found)
}

/// Mount points, as seen here and by the first process, which may live in another mount namespace.
fn mounts(procfs: &Procfs, dev: DevId) -> Vec<String> {
    let mut found = vec![];
    for process in ["self", "1"] {
        for mount in procfs.mounts(process).unwrap_or_default() {
            // A file system over several devices has a number of its own; its source names one of them.
            let is_it = mount.dev == dev || (mount.dev.major == 0 && is_device(&mount.source, dev));
            if is_it && !found.contains(&mount.at) {
                found.push(mount.at);
            }
        }
    }
    found
}

fn is_device(path: &str, dev: DevId) -> bool {
    path.starts_with("/dev/") && matches!(node::number_of(Path::new(path)), Ok(Some(number)) if number == dev)
}

/// The processes other than this one that have one of the devices open.
fn processes(procfs: &Procfs, devs: &[DevId]) -> Vec<Holder> {
    let deadline = Deadline::after(SEARCH);
    let Ok(entries) = fs::read_dir(procfs.path("")) else { return vec![] };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let others = pids.filter(|pid| *pid != std::process::id());
    let searched = others.take_while(|_| deadline.left().is_some());
    let holding = searched.filter(|pid| has_open(&procfs.path(format!("{pid}/fd")), devs));
    let named = holding.map(|pid| {
        let name = procfs.command_name(pid).unwrap_or_default();
        Holder::Process { pid, name }
    });
    named.collect()
}

fn has_open(fds: &Path, devs: &[DevId]) -> bool {
    let Ok(entries) = fs::read_dir(fds) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        // Only names that can be devices are looked at: a stat of a file on a dead server would hang.
        let could_be = fs::read_link(&path).is_ok_and(|target| target.to_string_lossy().contains("/dev/"));
        could_be
            && fs::metadata(&path).is_ok_and(|meta| {
                meta.file_type().is_block_device() && devs.contains(&DevId::from_raw(meta.rdev()))
            })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn from_a_recorded_machine() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("sys/block/sda/dev", "8:0\n"),
            ("sys/block/sda/size", "100\n"),
            ("sys/block/sda/holders/dm-0/dev", ""),
            ("sys/block/sda/holders/bcache0/dev", ""),
            ("sys/block/sda/sda1/partition", "1\n"),
            ("sys/class/block/sda1/dev", "8:1\n"),
            ("sys/class/block/sda1/size", "10\n"),
            ("sys/class/block/sda1/partition", "1\n"),
            ("sys/class/block/sda1/holders/md0/dev", ""),
            ("sys/block/dm-0/dm/name", "vg-lv\n"),
            ("sys/block/md0/md/array_state", "clean\n"),
            ("proc/self/mountinfo", "36 35 8:0 / /mnt rw - ext4 /dev/sda rw\n"),
            ("proc/swaps", "Filename\n"),
        ];
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir_all(dir.path().join("sys/dev/block")).unwrap();
        symlink("../../block/sda", dir.path().join("sys/dev/block/8:0")).unwrap();
        let (sysfs, procfs) = (Sysfs::new(dir.path().join("sys")), Procfs::new(dir.path().join("proc")));
        let found = holders(&sysfs, &procfs, DevId { major: 8, minor: 0 }).unwrap();
        let expected = [
            Holder::Stacked("bcache0".into()),
            Holder::Dm { kernel: "dm-0".into(), name: "vg-lv".into() },
            Holder::Mount("/mnt".into()),
            Holder::Partition { name: "sda1".into(), by: Box::new(Holder::Md("md0".into())) },
        ];
        assert_eq!(found, expected);
    }
}
