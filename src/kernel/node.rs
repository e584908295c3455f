//! Device nodes and the two doors through which an empty array comes into being.

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::stat::{Mode, SFlag, mknod, stat},
};

use super::{Access, DevId, KernelError, MdDevice, Sysfs};

/// Where nodes and run-time files are.
#[derive(Clone, Debug)]
pub struct Places {
    /// `/dev`.
    pub dev: PathBuf,
    /// `/run`.
    pub run: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { dev: "/dev".into(), run: "/run".into() }
    }
}

impl Places {
    /// Whether udev runs: its control socket is there. Whoever does not want it asks not.
    pub fn has_udev(&self) -> bool {
        self.run.join("udev/control").exists()
    }
}

/// The first door: asks the driver by name (`md127`, `md_home`). `Ok(false)`: this driver has no such door.
/// `EEXIST`: there is one already.
pub fn new_array(sysfs: &Sysfs, name: &str) -> Result<bool, KernelError> {
    let made = sysfs.set_parameter("md_mod", "new_array", name);
    made.map_err(|error| KernelError {
        device: name.to_owned(),
        operation: "md_mod/parameters/new_array".into(),
        cause: error.cause,
    })
}

/// Whether the second door is open: opening the node of an array that does not exist makes it.
pub fn creates_on_open(sysfs: &Sysfs) -> Result<bool, KernelError> {
    Ok(sysfs.parameter("md_mod", "create_on_open")?.is_some_and(|value| value == "Y" || value == "1"))
}

/// Opens a block device by number through a node of its own, which is gone again when this returns. On an md
/// number without an array this is the second door.
pub fn open_number(places: &Places, dev: DevId, access: Access, name: &str) -> Result<MdDevice, KernelError> {
    let mut refused = None;
    // /run for where /dev is read-only or missing (early boot, containers); it may be mounted `nodev`.
    for dir in [&places.dev, &places.run] {
        let node = dir.join(format!(".tmp.md.{}.{}:{}", std::process::id(), dev.major, dev.minor));
        match open_through(&node, dev, access) {
            Ok(file) => return Ok(MdDevice::new(file, name)),
            Err(error) if elsewhere(&error) => refused = refused.or(Some(error)),
            Err(error) => return Err(KernelError { device: name.to_owned(), ..error }),
        }
    }
    Err(refused.unwrap_or_else(|| KernelError::new(name, "mknod", Errno::ENOENT)))
}

/// Errors of the directory rather than of the device.
fn elsewhere(error: &KernelError) -> bool {
    match error.errno() {
        Some(Errno::EROFS | Errno::ENOENT | Errno::ENOTDIR) => error.operation == "mknod",
        // A `nodev` mount.
        Some(Errno::EACCES) => error.operation == "open",
        _ => false,
    }
}

fn open_through(node: &Path, dev: DevId, access: Access) -> Result<File, KernelError> {
    let fail =
        |operation: &'static str| move |errno| KernelError::new(node.display().to_string(), operation, errno);
    // Left by a process of the same number that was killed.
    let _ = fs::remove_file(node);
    mknod(node, SFlag::S_IFBLK, Mode::S_IRUSR | Mode::S_IWUSR, dev.raw()).map_err(fail("mknod"))?;
    let opened = open_file(node, access);
    let removed = fs::remove_file(node);
    let file = opened.map_err(|error| KernelError::io(node, "open", &error))?;
    removed.map_err(|error| KernelError::io(node, "unlink", &error))?;
    Ok(file)
}

fn open_file(node: &Path, access: Access) -> std::io::Result<File> {
    let mut flags = OFlag::O_CLOEXEC;
    flags.set(OFlag::O_EXCL, matches!(access, Access::ReadExclusive | Access::WriteExclusive));
    let write = matches!(access, Access::Write | Access::WriteExclusive);
    File::options().read(true).write(write).custom_flags(flags.bits()).open(node)
}

/// Opens an md device by its path. `ENOTBLK` for what is not a block device.
pub fn open_md(path: &Path, access: Access) -> Result<MdDevice, KernelError> {
    let fail =
        |operation: &'static str| move |errno| KernelError::new(path.display().to_string(), operation, errno);
    let mode = stat(path).map_err(fail("stat"))?.st_mode;
    if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFBLK {
        return Err(fail("open")(Errno::ENOTBLK));
    }
    let file = open_file(path, access).map_err(|error| KernelError::io(path, "open", &error))?;
    Ok(MdDevice::new(file, path.display().to_string()))
}

/// The number behind a path; `None` where it is not a block device.
pub fn number_of(path: &Path) -> Result<Option<DevId>, KernelError> {
    let stat = stat(path).map_err(|errno| KernelError::new(path.display().to_string(), "stat", errno))?;
    let block = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFBLK;
    Ok(block.then(|| DevId::from_raw(stat.st_rdev)))
}
