//! Who keeps a device busy.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
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
    /// A loop device over it, or over what shares its bytes.
    Loop {
        /// The loop device's kernel name.
        name: String,
        /// Who holds that.
        by: Vec<Holder>,
    },
    /// A process has it open.
    Process {
        /// Its number.
        pid: u32,
        /// Its command name.
        name: String,
    },
    /// A process has it open for writing, and does not claim it.
    Writer {
        /// Its number.
        pid: u32,
        /// Its command name.
        name: String,
    },
    /// Perhaps a process: not all could be looked through.
    Unseen,
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
            Self::Loop { name, by } => {
                write!(f, "loop device {name}")?;
                let by: Vec<String> = by.iter().map(ToString::to_string).collect();
                if by.is_empty() { Ok(()) } else { write!(f, " ({})", by.join(", ")) }
            }
            // It has just ended, or is on its way to.
            Self::Process { pid, name } if name.is_empty() => write!(f, "process {pid}"),
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
            Self::Writer { pid, name } => write!(f, "process {pid} ({name}), which writes to it"),
            Self::Unseen => write!(f, "somebody unknown (not all processes could be looked through)"),
        }
    }
}

/// How long processes are looked through where it explains a failure: it must not become one.
const SEARCH: Duration = Duration::from_secs(1);
/// The same before something is written: a user who is missed may lose data.
const SEARCH_TO_WRITE: Duration = Duration::from_secs(5);

impl Holder {
    /// Whether it may let go in a moment: devices and file systems do not.
    #[must_use]
    pub fn is_process(&self) -> bool {
        matches!(self, Self::Process { .. } | Self::Writer { .. } | Self::Unseen)
    }
}

/// Everybody who holds the device or one of its partitions. What can not be read is left out: this is asked to
/// explain a refusal. [`Holder::Unseen`] is among them where there was no time for all processes.
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

/// Who uses devices without claiming them.
#[derive(Debug, Default)]
pub struct Users {
    /// Those who were found.
    pub of: BTreeMap<DevId, Vec<Holder>>,
    /// All processes were looked through: there are no others.
    pub all: bool,
}

/// Those who use devices without claiming them, so that the kernel gives the devices away all the same: loop devices over
/// them, and processes that have them open for writing; each by what shares bytes with the device, too: a partition and its disk.
/// What cannot be read is left out. All processes are looked through once, for a bounded time.
pub fn users(sysfs: &Sysfs, procfs: &Procfs, devs: &[DevId]) -> Users {
    users_within(sysfs, procfs, devs, SEARCH_TO_WRITE)
}

fn users_within(sysfs: &Sysfs, procfs: &Procfs, devs: &[DevId], limit: Duration) -> Users {
    let mut found: BTreeMap<DevId, Vec<Holder>> = BTreeMap::new();
    let mut shares: BTreeMap<DevId, Vec<DevId>> = BTreeMap::new();
    for dev in devs {
        for (name, shared) in sharing(sysfs, *dev) {
            shares.entry(shared).or_default().push(*dev);
            let loops = sysfs.loops_over(shared).into_iter().map(|over| looped(sysfs, procfs, over));
            let through = |by: Holder| match shared == *dev {
                true => by,
                false => Holder::Partition { name: name.clone(), by: Box::new(by) },
            };
            found.entry(*dev).or_default().extend(loops.map(through));
        }
    }
    let wanted: Vec<DevId> = shares.keys().copied().collect();
    let mut processes = Others::of(procfs, limit);
    for (dev, writer) in writers(procfs, &mut processes, &wanted) {
        for dev in shares.get(&dev).into_iter().flatten() {
            let users = found.entry(*dev).or_default();
            if !users.contains(&writer) {
                users.push(writer.clone());
            }
        }
    }
    Users { of: found, all: !processes.cut }
}

/// The device, its partitions, and the disk whose partition it is.
fn sharing(sysfs: &Sysfs, dev: DevId) -> Vec<(String, DevId)> {
    let Some(name) = sysfs.name_of(dev) else { return vec![(dev.to_string(), dev)] };
    let others = match sysfs.block(&name).ok().flatten().map(|entry| entry.shape) {
        Some(Shape::Whole { partitions }) => partitions,
        Some(Shape::Partition { of, .. }) => vec![of],
        None => Vec::new(),
    };
    let number = |name: String| Some((name.clone(), sysfs.block(&name).ok()??.dev));
    std::iter::once((name, dev)).chain(others.into_iter().filter_map(number)).collect()
}

/// A loop device with those who hold it or its partitions.
fn looped(sysfs: &Sysfs, procfs: &Procfs, name: String) -> Holder {
    let dev = sysfs.block(&name).ok().flatten().map(|entry| entry.dev);
    let shared = dev.map(|dev| sharing(sysfs, dev)).unwrap_or_default();
    let by =
        shared.into_iter().flat_map(|(part, dev)| of_device(sysfs, procfs, &part, dev).unwrap_or_default());
    Holder::Loop { by: by.collect(), name }
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
    found.extend(sysfs.loops_over(dev).into_iter().map(|name| Holder::Loop { name, by: Vec::new() }));
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
    let mut all = Others::of(procfs, SEARCH);
    let holding = all.by_ref().filter(|pid| !opened(procfs, *pid, devs).is_empty());
    // Those that read for this process have what it has.
    let holding = holding.filter(|pid| procfs.parent(*pid) != Some(std::process::id()));
    let named = holding.map(|pid| {
        let name = procfs.command_name(pid).unwrap_or_default();
        Holder::Process { pid, name }
    });
    let mut found: Vec<Holder> = named.collect();
    if all.cut {
        found.push(Holder::Unseen);
    }
    found
}

/// Those that have one of the devices open for writing, with the device.
fn writers(procfs: &Procfs, processes: &mut Others, devs: &[DevId]) -> Vec<(DevId, Holder)> {
    let mut found = Vec::new();
    for pid in processes {
        for (dev, fd) in opened(procfs, pid, devs) {
            if procfs.text(&format!("{pid}/fdinfo/{fd}")).is_ok_and(|text| is_for_writing(&text)) {
                let name = procfs.command_name(pid).unwrap_or_default();
                found.push((dev, Holder::Writer { pid, name }));
            }
        }
    }
    found
}

/// `flags:` of fdinfo (proc_pid_fdinfo(5)) is octal; its two lowest bits are open(2)'s access mode.
fn is_for_writing(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|text| u32::from_str_radix(text.trim(), 8).ok());
    flags.is_some_and(|flags| flags & 0o3 != 0)
}

/// All processes but this one, for a bounded time.
struct Others {
    left: std::vec::IntoIter<u32>,
    deadline: Deadline,
    /// There were more, or nobody could be looked at.
    cut: bool,
}

impl Others {
    fn of(procfs: &Procfs, limit: Duration) -> Self {
        let deadline = Deadline::after(limit);
        let entries = fs::read_dir(procfs.path(""));
        let cut = entries.is_err();
        let pid = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse::<u32>().ok();
        let this = std::process::id();
        let threads = kernel_threads(procfs);
        let pids = entries.into_iter().flatten().filter_map(pid);
        let pids = pids.filter(|pid| *pid != this && !threads.contains(pid));
        Self { left: pids.collect::<Vec<_>>().into_iter(), deadline, cut }
    }
}

impl Iterator for Others {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let pid = self.left.next()?;
        self.cut |= self.deadline.left().is_none();
        (!self.cut).then_some(pid)
    }
}

/// The kernel's own threads, which are most of all: by one file, so that each need not be asked. Empty where that has no such
/// file, and where process 2 is none of the kernel's, as in a container.
fn kernel_threads(procfs: &Procfs) -> BTreeSet<u32> {
    let is_kernel = fs::read_link(procfs.path("2/exe")).is_err_and(|no| no.kind() == io::ErrorKind::NotFound);
    let children = if is_kernel { procfs.text("2/task/2/children") } else { Ok(String::new()) };
    children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Which of the devices a process has open, and under which descriptors.
fn opened(procfs: &Procfs, pid: u32, devs: &[DevId]) -> Vec<(DevId, String)> {
    // A thread of the kernel's runs no program and has nothing open.
    if fs::read_link(procfs.path(format!("{pid}/exe"))).is_err_and(|no| no.kind() == io::ErrorKind::NotFound)
    {
        return Vec::new();
    }
    let entries = fs::read_dir(procfs.path(format!("{pid}/fd"))).into_iter().flatten();
    let device = |entry: io::Result<fs::DirEntry>| {
        let path = entry.ok()?.path();
        // Only names that can be devices are looked at: a stat of a file on a dead server would hang.
        fs::read_link(&path).ok()?.to_string_lossy().contains("/dev/").then_some(())?;
        let meta = fs::metadata(&path).ok().filter(|meta| meta.file_type().is_block_device())?;
        let dev = DevId::from_raw(meta.rdev());
        devs.contains(&dev).then_some((dev, path.file_name()?.to_str()?.to_owned()))
    };
    entries.filter_map(device).collect()
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

    #[test]
    fn a_search_that_was_cut_short_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (sysfs, procfs) = (Sysfs::new(dir.path().join("sys")), Procfs::new(dir.path().join("proc")));
        let dev = DevId { major: 8, minor: 0 };
        let all = |limit| users_within(&sysfs, &procfs, &[dev], limit).all;
        assert!(!all(Duration::MAX), "there is nothing to look through");
        fs::create_dir_all(dir.path().join("proc/self")).unwrap();
        assert!(all(Duration::ZERO), "there is nobody");
        fs::create_dir_all(dir.path().join("proc/4194305/fd")).unwrap();
        assert!(all(Duration::from_secs(3600)));
        assert!(!all(Duration::ZERO));
        let mut some = Others::of(&procfs, Duration::ZERO);
        assert_eq!((some.next(), some.cut), (None, true));
    }

    #[test]
    fn for_writing_or_only_for_reading() {
        for (info, writes) in [
            ("pos:\t0\nflags:\t0100000\nmnt_id:\t13\n", false),
            ("pos:\t0\nflags:\t0100001\n", true),
            ("flags:\t02100002\n", true),
            ("flags:\t3\n", true),
            ("flags:\t9\n", false),
            ("", false),
        ] {
            assert_eq!(is_for_writing(info), writes, "{info}");
        }
    }

    #[test]
    fn words_of_those_who_do_not_claim() {
        let by = vec![Holder::Mount("/mnt".into())];
        let over = Holder::Loop { name: "loop3".into(), by };
        assert_eq!(over.to_string(), "loop device loop3 (the file system mounted at /mnt)");
        let part = Holder::Partition { name: "sda1".into(), by: Box::new(over) };
        assert!(part.to_string().ends_with("(the file system mounted at /mnt), through its partition sda1"));
        let writer = Holder::Writer { pid: 7, name: "dd".into() };
        assert_eq!(writer.to_string(), "process 7 (dd), which writes to it");
    }
}
