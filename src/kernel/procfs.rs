//! /proc under a root: mounts, swaps, locks, block majors.

use std::path::{Path, PathBuf};

use super::{DevId, KernelError, files};

/// A tree like /proc.
#[derive(Clone, Debug)]
pub struct Procfs {
    root: PathBuf,
}

impl Default for Procfs {
    fn default() -> Self {
        Self::new("/proc")
    }
}

/// The longest file that is read: a machine with very many mounts stays below.
const LONGEST: u64 = 64 << 20;

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The device; anonymous (major 0) for file systems over several devices.
    pub dev: DevId,
    /// The mount point.
    pub at: String,
    /// The type.
    pub kind: String,
    /// What was mounted, usually a path.
    pub source: String,
}

/// One line of `/proc/partitions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLine {
    /// The number.
    pub dev: DevId,
    /// The size.
    pub size: superblock::Kib,
    /// The kernel's name.
    pub name: String,
}

impl Procfs {
    /// The tree below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where something is.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// A file as text, bytes that are not text replaced; empty where there is none.
    pub fn text(&self, below: &str) -> Result<String, KernelError> {
        let bytes = files::read(&self.path(below), LONGEST)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The mounts that a process sees (`self`, `1`).
    pub fn mounts(&self, process: &str) -> Result<Vec<Mount>, KernelError> {
        Ok(self.text(&format!("{process}/mountinfo"))?.lines().filter_map(mount).collect())
    }

    /// The swap areas: paths of devices and files.
    pub fn swaps(&self) -> Result<Vec<String>, KernelError> {
        let text = self.text("swaps")?;
        Ok(text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(unescape).collect())
    }

    /// All block devices that the kernel lists.
    pub fn partitions(&self) -> Result<Vec<PartitionLine>, KernelError> {
        Ok(self.text("partitions")?.lines().filter_map(partition).collect())
    }

    /// The major number of a block driver (`md`, `mdp`, `device-mapper`).
    pub fn block_major(&self, driver: &str) -> Result<Option<u32>, KernelError> {
        let text = self.text("devices")?;
        let blocks = text.lines().skip_while(|line| !line.starts_with("Block devices"));
        let mut majors = blocks.filter_map(|line| {
            let (number, name) = line.trim().split_once(' ')?;
            (name.trim() == driver).then(|| number.parse().ok())?
        });
        Ok(majors.next())
    }

    /// The command name of a process.
    pub fn command_name(&self, pid: u32) -> Option<String> {
        let name = self.text(&format!("{pid}/comm")).ok()?;
        Some(name.trim_end_matches('\n').to_owned()).filter(|name| !name.is_empty())
    }

    /// The process that started it.
    pub fn parent(&self, pid: u32) -> Option<u32> {
        // `1234 (a name) S 1 …`: the name may have anything in it.
        let text = self.text(&format!("{pid}/stat")).ok()?;
        text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    }

    /// The words of a process, with blanks between them.
    pub fn command_line(&self, pid: u32) -> Option<String> {
        let words = self.text(&format!("{pid}/cmdline")).ok()?;
        Some(words.trim_end_matches('\0').replace('\0', " ")).filter(|words| !words.is_empty())
    }

    /// The processes that hold a lock on the file with these numbers.
    pub fn lockers(&self, dev: DevId, inode: u64) -> Result<Vec<u32>, KernelError> {
        let file = format!("{:02x}:{:02x}:{inode}", dev.major, dev.minor);
        let text = self.text("locks")?;
        // `1: FLOCK  ADVISORY  WRITE 1234 00:19:567 0 EOF`; those that wait have `->` after the number.
        // They are in line behind a holder.
        let holder = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_it = words.get(5) == Some(&file.as_str());
            is_it.then(|| words.get(4)?.parse().ok())?
        };
        Ok(text.lines().filter_map(holder).collect())
    }
}

/// `36 35 98:0 /root /at options optional… - type source options` (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let dev = left.nth(2)?.parse().ok()?;
    let at = unescape(left.nth(1)?);
    let mut right = right.split(' ');
    let kind = right.next()?.to_owned();
    Some(Mount { dev, at, kind, source: unescape(right.next()?) })
}

fn partition(line: &str) -> Option<PartitionLine> {
    let mut words = line.split_whitespace();
    let mut number = || words.next()?.parse::<u64>().ok();
    let (major, minor, size) = (number()?, number()?, number()?);
    let dev = DevId { major: u32::try_from(major).ok()?, minor: u32::try_from(minor).ok()? };
    Some(PartitionLine { dev, size: superblock::Kib(size), name: words.next()?.to_owned() })
}

/// `\040` and its like, which the kernel writes for blanks, line ends and backslashes.
fn unescape(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(first));
        rest = if octal.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn procfs(files: &[(&str, &str)]) -> (tempfile::TempDir, Procfs) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let procfs = Procfs::new(dir.path());
        (dir, procfs)
    }

    #[test]
    fn mounts_swaps_locks() {
        let (_dir, procfs) = procfs(&[
            (
                "self/mountinfo",
                "36 35 9:127 / /mnt/a\\040b rw,noatime master:1 - ext4 /dev/md127 rw\n\
                 37 35 0:40 / /srv rw - btrfs /dev/sdb rw,space_cache\nnonsense\n",
            ),
            ("swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2   partition 1024 0 -2\n"),
            (
                "locks",
                "1: FLOCK  ADVISORY  WRITE 77 00:19:567 0 EOF\n1: -> FLOCK ADVISORY WRITE 78 00:19:567 0 EOF\n",
            ),
            ("devices", "Character devices:\n  9 st\n\nBlock devices:\n  7 loop\n  9 md\n254 mdp\n"),
            ("partitions", "major minor  #blocks  name\n\n   8        1    1024 sda1\n"),
            ("77/comm", "mdadm\n"),
        ]);
        let mounts = procfs.mounts("self").unwrap();
        assert_eq!(mounts.len(), 2);
        assert_eq!((mounts[0].at.as_str(), mounts[0].dev), ("/mnt/a b", DevId { major: 9, minor: 127 }));
        assert_eq!((mounts[1].kind.as_str(), mounts[1].source.as_str()), ("btrfs", "/dev/sdb"));
        assert_eq!(procfs.swaps().unwrap(), ["/dev/sda2"]);
        assert_eq!(procfs.lockers(DevId { major: 0, minor: 0x19 }, 567).unwrap(), [77]);
        assert_eq!(procfs.command_name(77).as_deref(), Some("mdadm"));
        assert_eq!(procfs.block_major("mdp").unwrap(), Some(254));
        assert_eq!(procfs.block_major("st").unwrap(), None);
        assert_eq!(procfs.partitions().unwrap()[0].name, "sda1");
    }

    #[test]
    fn escapes() {
        for (text, expected) in
            [("a\\040b", "a b"), ("\\", "\\"), ("\\04", "\\04"), ("\\999", "\\999"), ("\\134", "\\")]
        {
            assert_eq!(unescape(text), expected);
        }
    }
}
