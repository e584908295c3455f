//! A recorded machine in place of the live one.
//!
//! What a root directory is to a process, this is to the looks of a program that may not call `chroot`: entered once, before
//! the first look, and never left. Paths stay as they are on the machine; here is where they lead. Files and directories
//! stand below a directory on this machine, sparse files stand for block devices, and what only a system call answers is
//! said by one text. Nothing of the live machine is seen, no privilege is needed, and nothing can be opened to write.
//! `tests/worlds` makes and replays such machines; no option or variable of the program leads here.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
    sync::OnceLock,
};

use nix::errno::Errno;

use super::{
    Access, DevId, KernelError, Machine, Places, Procfs, Sysfs,
    md::{ArrayInfo, MduDiskInfo},
};
use crate::words::MD_MAJOR;

mod dm;

pub(super) use dm::Driver;

/// The name of the text beside the directories.
pub const FACTS: &str = "facts";

static ENTERED: OnceLock<Recorded> = OnceLock::new();

/// A recorded machine.
#[derive(Debug)]
pub struct Recorded {
    root: PathBuf,
    facts: Facts,
}

/// What a file cannot say of a machine.
#[derive(Debug, Default)]
struct Facts {
    now: u64,
    hostname: Option<String>,
    release: Option<String>,
    udev: bool,
    nodes: BTreeMap<PathBuf, Node>,
    arrays: BTreeMap<DevId, RecordedArray>,
    dm: Driver,
}

/// A block device's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) dev: DevId,
    pub(super) logical: u32,
    pub(super) physical: u32,
    pub(super) read_only: bool,
    /// Somebody has it for himself.
    pub(super) claimed: bool,
}

/// What the md driver answers about an array.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordedArray {
    /// Whether the driver is asked at all.
    pub(super) is_md: bool,
    /// `None`: nothing is running.
    pub(super) info: Option<ArrayInfo>,
    pub(super) disks: BTreeMap<i32, MduDiskInfo>,
    pub(super) bitmap_file: PathBuf,
}

/// A line that is not understood.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct BadFact {
    /// Its number.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// From now on this process sees the machine that is recorded below `root`.
///
/// # Errors
/// Its facts cannot be read.
///
/// # Panics
/// A machine was entered before.
pub fn enter(root: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let facts = fs::read_to_string(root.join(FACTS))?.parse()?;
    let entered = ENTERED.set(Recorded { root: root.to_owned(), facts });
    assert!(entered.is_ok(), "a process enters one machine");
    Ok(())
}

pub(super) fn entered() -> Option<&'static Recorded> {
    ENTERED.get()
}

/// Where a path leads: itself but on a recorded machine.
pub(super) fn at(path: &Path) -> Cow<'_, Path> {
    match entered() {
        Some(recorded) => recorded.at(path),
        None => Cow::Borrowed(path),
    }
}

impl Recorded {
    fn at<'a>(&self, path: &'a Path) -> Cow<'a, Path> {
        match path.strip_prefix("/") {
            Ok(below) if !path.starts_with(&self.root) => Cow::Owned(self.root.join(below)),
            _ => Cow::Borrowed(path),
        }
    }

    pub(super) fn machine(&self) -> Machine {
        Machine {
            sysfs: Sysfs::new(self.root.join("sys")),
            procfs: Procfs::new(self.root.join("proc")),
            places: Places { dev: "/dev".into(), run: self.root.join("run") },
            state: self.root.join("var/lib"),
            lvm: self.root.join("etc/lvm"),
            udev: self.facts.udev,
            event: false,
            meanwhile: super::Meanwhile::default(),
            map_lock: super::lock::Patience::of(super::machine::MAP_LOCK_WAIT),
            frozen: super::notes::Lasting::default(),
        }
    }

    pub(super) fn now(&self) -> (u64, u32) {
        (self.facts.now, 0)
    }

    pub(super) fn hostname(&self) -> Option<String> {
        self.facts.hostname.clone()
    }

    pub(super) fn release(&self) -> Option<String> {
        self.facts.release.clone()
    }

    pub(super) fn driver(&self) -> &Driver {
        &self.facts.dm
    }

    /// The block device behind a path; `None` where something else is there.
    pub(super) fn node(&self, path: &Path) -> std::io::Result<Option<&Node>> {
        let real = self.at(path).canonicalize()?;
        let root = self.root.canonicalize()?;
        let shown = real.strip_prefix(root).map(|below| Path::new("/").join(below));
        Ok(shown.ok().and_then(|shown| self.facts.nodes.get(&shown)))
    }

    /// The device behind a path, for an open; `None` for an image.
    pub(super) fn open(&self, path: &Path, access: Access) -> Result<Option<&Node>, KernelError> {
        let node = self.node(path).map_err(|error| KernelError::io(path, "stat", &error))?;
        let fail = |errno| Err(KernelError::new(path.display().to_string(), "open", errno));
        match (node, access) {
            (Some(_), Access::Write | Access::WriteExclusive) => fail(Errno::EROFS),
            (Some(node), Access::ReadExclusive) if node.claimed => fail(Errno::EBUSY),
            _ => Ok(node),
        }
    }

    pub(super) fn is_claimed(&self, dev: DevId) -> bool {
        self.facts.nodes.values().any(|node| node.dev == dev && node.claimed)
    }

    pub(super) fn array(&self, dev: DevId) -> RecordedArray {
        let array = self.facts.arrays.get(&dev).cloned().unwrap_or_default();
        RecordedArray { is_md: dev.major == MD_MAJOR || array.info.is_some(), ..array }
    }

    /// Every name of every block device, in byte order.
    pub(super) fn names(&self, dev: &Path) -> Vec<(PathBuf, DevId)> {
        let mut found = vec![];
        let mut rest = vec![dev.to_owned()];
        while let Some(dir) = rest.pop() {
            for entry in fs::read_dir(self.at(&dir)).into_iter().flatten().flatten() {
                let path = dir.join(entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    rest.push(path);
                } else if let Ok(Some(node)) = self.node(&path) {
                    found.push((path, node.dev));
                }
            }
        }
        found.sort();
        found
    }
}

impl FromStr for Facts {
    type Err = BadFact;

    fn from_str(text: &str) -> Result<Self, BadFact> {
        let mut facts = Self::default();
        for (nth, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let understood = facts.fact(line);
            understood.ok_or_else(|| BadFact { line: nth + 1, text: line.to_owned() })?;
        }
        Ok(facts)
    }
}

impl Facts {
    fn fact(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "now" => self.now = rest.parse().ok()?,
            "host" => self.hostname = Some(rest.to_owned()),
            "release" => self.release = Some(rest.to_owned()),
            "udev" => self.udev = rest == "yes",
            "node" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let [path, dev, logical, physical, mode, claimed] = *words.as_slice() else { return None };
                let node = Node {
                    dev: dev.parse().ok()?,
                    logical: logical.parse().ok()?,
                    physical: physical.parse().ok()?,
                    read_only: mode == "ro",
                    claimed: claimed == "claimed",
                };
                self.nodes.insert(path.into(), node);
            }
            "array" => {
                let (dev, numbers) = rest.split_once(' ')?;
                self.arrays.entry(dev.parse().ok()?).or_default().info = Some(array_info(numbers)?);
            }
            "disk" => {
                let (dev, numbers) = rest.split_once(' ')?;
                let numbers: Vec<i32> = numbers.split(' ').map_while(|word| word.parse().ok()).collect();
                let [number, major, minor, raid_disk, state] = *numbers.as_slice() else { return None };
                let disk = MduDiskInfo { number, major, minor, raid_disk, state };
                self.arrays.entry(dev.parse().ok()?).or_default().disks.insert(number, disk);
            }
            "bitmap" => {
                let (dev, path) = rest.split_once(' ')?;
                self.arrays.entry(dev.parse().ok()?).or_default().bitmap_file = path.into();
            }
            _ => self.dm.fact(word, rest)?,
        }
        Some(())
    }
}

fn array_info(text: &str) -> Option<ArrayInfo> {
    let n: Vec<i64> = text.split(' ').map_while(|word| word.parse().ok()).collect();
    let signed = |at: usize| n.get(at).and_then(|&number| i32::try_from(number).ok());
    let time = |at: usize| n.get(at).and_then(|&number| u32::try_from(number).ok());
    Some(ArrayInfo {
        major_version: signed(0)?,
        minor_version: signed(1)?,
        patch_version: signed(2)?,
        ctime: time(3)?,
        level: signed(4)?,
        size: signed(5)?,
        nr_disks: signed(6)?,
        raid_disks: signed(7)?,
        md_minor: signed(8)?,
        not_persistent: signed(9)?,
        utime: time(10)?,
        state: signed(11)?,
        active_disks: signed(12)?,
        working_disks: signed(13)?,
        failed_disks: signed(14)?,
        spare_disks: signed(15)?,
        layout: signed(16)?,
        chunk_size: signed(17)?,
    })
}

/// The same array as a line of facts has it.
#[must_use]
pub fn array_words(info: &ArrayInfo) -> String {
    let i = info;
    let numbers: [i64; 18] = [
        i.major_version.into(),
        i.minor_version.into(),
        i.patch_version.into(),
        i.ctime.into(),
        i.level.into(),
        i.size.into(),
        i.nr_disks.into(),
        i.raid_disks.into(),
        i.md_minor.into(),
        i.not_persistent.into(),
        i.utime.into(),
        i.state.into(),
        i.active_disks.into(),
        i.working_disks.into(),
        i.failed_disks.into(),
        i.spare_disks.into(),
        i.layout.into(),
        i.chunk_size.into(),
    ];
    numbers.map(|number| number.to_string()).join(" ")
}

impl RecordedArray {
    /// The errno of a request, where there is one.
    pub(super) fn refusal(&self) -> Option<Errno> {
        match self.info {
            _ if !self.is_md => Some(Errno::ENOTTY),
            None => Some(Errno::ENODEV),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(dir: &Path, facts: &str) -> Recorded {
        fs::create_dir_all(dir.join("dev/md")).unwrap();
        fs::write(dir.join("dev/sda"), "").unwrap();
        fs::write(dir.join("dev/null"), "").unwrap();
        std::os::unix::fs::symlink("../sda", dir.join("dev/md/link")).unwrap();
        Recorded { root: dir.to_owned(), facts: facts.parse().unwrap() }
    }

    #[test]
    fn nodes_by_every_name_and_nothing_outside() {
        let dir = tempfile::tempdir().unwrap();
        let world = recorded(dir.path(), "node /dev/sda 8:0 512 4096 rw claimed\n");
        let sda = DevId { major: 8, minor: 0 };
        let names: Vec<_> = world
            .names(Path::new("/dev"))
            .into_iter()
            .map(|(path, dev)| (path.display().to_string(), dev))
            .collect();
        assert_eq!(names, [("/dev/md/link".to_owned(), sda), ("/dev/sda".to_owned(), sda)]);
        assert_eq!(world.node(Path::new("/dev/null")).unwrap(), None);
        assert!(world.node(Path::new("/dev/sdb")).is_err());
        let open = |access| world.open(Path::new("/dev/md/link"), access);
        assert_eq!(open(Access::Read).unwrap().unwrap().physical, 4096);
        assert!(open(Access::ReadExclusive).unwrap_err().is(Errno::EBUSY));
        assert!(open(Access::Write).unwrap_err().is(Errno::EROFS));
        assert_eq!(world.at(Path::new("/etc/mdadm.conf")), dir.path().join("etc/mdadm.conf"));
        assert_eq!(world.at(Path::new("image")), Path::new("image"));
        assert_eq!(world.at(&dir.path().join("run")), dir.path().join("run"));
    }

    #[test]
    fn arrays_go_and_come_back() {
        let info =
            ArrayInfo { level: -1, nr_disks: 3, utime: u32::MAX, chunk_size: 65536, ..ArrayInfo::default() };
        let text = format!("array 9:127 {}\ndisk 9:127 2 8 32 -1 1\nhost a b\n", array_words(&info));
        let facts: Facts = text.parse().unwrap();
        let array = &facts.arrays[&DevId { major: 9, minor: 127 }];
        assert_eq!((array.info, array.disks[&2].raid_disk), (Some(info), -1));
        assert_eq!(facts.hostname.as_deref(), Some("a b"));
        for bad in ["what is this", "node /dev/sda", "array 9:127 1 2", "disk 9:127 1", "now today"] {
            assert!(bad.parse::<Facts>().is_err(), "{bad}");
        }
    }
}
