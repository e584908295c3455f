//! Device nodes and the two doors through which an empty array comes into being.

use std::{
    fs::{self, File},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::{
        socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket},
        stat::{Mode, SFlag, mknod, stat},
    },
};

use super::{Access, DevId, KernelError, MdDevice, Sysfs, files, recorded};

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
    /// Where commands note what they are about to leave behind.
    pub fn unfinished(&self) -> PathBuf {
        self.run.join("mdctl/unfinished")
    }

    /// Whether udev runs: somebody listens at one of its sockets, which a daemon that died leaves behind.
    pub fn has_udev(&self) -> bool {
        let sockets = [("udev/control", SockType::SeqPacket), ("udev/io.systemd.Udev", SockType::Stream)];
        sockets.into_iter().any(|(socket, kind)| is_served(&self.run.join(socket), kind))
    }
}

/// Whether somebody accepts connections there.
fn is_served(path: &Path, kind: SockType) -> bool {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let Ok(address) = UnixAddr::new(path) else { return false };
    let Ok(ours) = socket(AddressFamily::Unix, kind, flags, None) else { return false };
    // Where it is not for us, or too busy to answer at once, it is there.
    matches!(
        connect(ours.as_raw_fd(), &address),
        Ok(()) | Err(Errno::EACCES | Errno::EPERM | Errno::EAGAIN | Errno::EINPROGRESS)
    )
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
    if let Some(recorded) = recorded::entered() {
        if access == Access::ReadExclusive && recorded.is_claimed(dev) {
            return Err(KernelError::new(name, "open", Errno::EBUSY));
        }
        return Ok(MdDevice::recorded(dev, recorded.array(dev), name.to_owned()));
    }
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
    if let Some(recorded) = recorded::entered() {
        let node = recorded.open(path, access)?.ok_or_else(|| fail("open")(Errno::ENOTBLK))?;
        return Ok(MdDevice::recorded(node.dev, recorded.array(node.dev), path.display().to_string()));
    }
    let mode = stat(path).map_err(fail("stat"))?.st_mode;
    if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFBLK {
        return Err(fail("open")(Errno::ENOTBLK));
    }
    let file = open_file(path, access).map_err(|error| KernelError::io(path, "open", &error))?;
    Ok(MdDevice::new(file, path.display().to_string()))
}

/// The number behind a path; `None` where it is not a block device.
pub fn number_of(path: &Path) -> Result<Option<DevId>, KernelError> {
    if let Some(recorded) = recorded::entered() {
        let node = recorded.node(path).map_err(|error| KernelError::io(path, "stat", &error))?;
        return Ok(node.map(|node| node.dev));
    }
    let stat = stat(path).map_err(|errno| KernelError::new(path.display().to_string(), "stat", errno))?;
    let block = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFBLK;
    Ok(block.then(|| DevId::from_raw(stat.st_rdev)))
}

/// Makes a node where devtmpfs and udev do not; one that is right already stays as it is.
pub fn make_node(path: &Path, dev: DevId, mode: u32) -> Result<(), KernelError> {
    if matches!(number_of(path), Ok(Some(number)) if number == dev) {
        return Ok(());
    }
    let mode = Mode::from_bits_truncate(mode);
    let fail = |errno| KernelError::new(path.display().to_string(), "mknod", errno);
    mknod(path, SFlag::S_IFBLK, mode, dev.raw()).map_err(fail)
}

/// Sees to it that a path is this block device, itself or through links; whether that needed anything. What stands
/// there and is neither a link nor a block device stays and is `EEXIST`.
pub fn repair_node(path: &Path, dev: DevId, mode: u32) -> Result<bool, KernelError> {
    if matches!(number_of(path), Ok(Some(number)) if number == dev) {
        return Ok(false);
    }
    remove_mapper_node(path)?;
    if let Some(dir) = path.parent() {
        files::make_dirs(dir, 0o755)?;
    }
    make_node(path, dev, mode)?;
    let group = fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode));
    group.map_err(|error| KernelError::io(path, "chmod", &error))?;
    Ok(true)
}

/// Makes the link of a volume in its group's directory, where udev does not.
pub fn link_volume(places: &Places, name: &str, link: &Path) -> Result<(), KernelError> {
    if let Some(dir) = link.parent() {
        files::make_dirs(dir, 0o755)?;
    }
    let target = Path::new("../mapper").join(name);
    match files::link_target(link) {
        Some(there) if there == target => return Ok(()),
        Some(_) => drop(files::remove(link)?),
        None => {}
    }
    debug_assert!(link.starts_with(&places.dev), "a link in /dev");
    std::os::unix::fs::symlink(&target, link).map_err(|error| KernelError::io(link, "symlink", &error))
}

/// Removes it again, and the directory with its last link.
pub fn unlink_volume(places: &Places, name: &str, link: &Path) -> Result<(), KernelError> {
    if files::link_target(link).is_some_and(|there| there == Path::new("../mapper").join(name)) {
        files::remove(link)?;
        if let Some(dir) = link.parent().filter(|dir| *dir != places.dev) {
            // One that is not empty stays.
            let _ = fs::remove_dir(dir);
        }
    }
    Ok(())
}

/// Gives a node to a user and a group.
pub fn give(path: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<(), KernelError> {
    let given = std::os::unix::fs::lchown(path, uid, gid);
    given.map_err(|error| KernelError::io(path, "chown", &error))
}

/// Removes a block device's node or a link; whether there was one. Anything else stays.
pub fn remove_mapper_node(path: &Path) -> Result<bool, KernelError> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(false) };
    let kind = meta.file_type();
    let ours = kind.is_symlink() || std::os::unix::fs::FileTypeExt::is_block_device(&kind);
    if ours { files::remove(path) } else { Ok(false) }
}

/// Makes the node of a character device.
pub fn make_char_node(path: &Path, dev: DevId, mode: u32) -> Result<(), KernelError> {
    let mode = Mode::from_bits_truncate(mode);
    let fail = |errno| KernelError::new(path.display().to_string(), "mknod", errno);
    mknod(path, SFlag::S_IFCHR, mode, dev.raw()).map_err(fail)
}

/// Makes the link `link` (`/dev/md/home`) to the node of a kernel name, and the directory that it stands in. A link
/// that leads elsewhere is replaced; anything that is not a link stays and is `EEXIST`.
pub fn make_link(places: &Places, link: &Path, kernel_name: &str) -> Result<(), KernelError> {
    let target = link_text(places, link, kernel_name);
    if let Some(dir) = link.parent() {
        files::make_dirs(dir, 0o755)?;
    }
    match files::link_target(link) {
        Some(there) if there == target => return Ok(()),
        Some(_) => drop(files::remove(link)?),
        None => {}
    }
    match std::os::unix::fs::symlink(&target, link) {
        // udev was there a moment before.
        Err(_) if files::link_target(link).is_some_and(|there| there == target) => Ok(()),
        done => done.map_err(|error| KernelError::io(link, "symlink", &error)),
    }
}

/// Removes the link if it still leads to this kernel name; whether it did.
pub fn remove_link(link: &Path, kernel_name: &str) -> Result<bool, KernelError> {
    let leads = files::link_target(link);
    let ours = leads.and_then(|target| Some(target.file_name()? == kernel_name)).unwrap_or(false);
    if ours { files::remove(link) } else { Ok(false) }
}

/// Relative below /dev, as udev makes them, so that they also hold where /dev is seen from elsewhere.
fn link_text(places: &Places, link: &Path, kernel_name: &str) -> PathBuf {
    match link.parent().and_then(|dir| dir.strip_prefix(&places.dev).ok()) {
        Some(below) => below.components().map(|_| "..").collect::<PathBuf>().join(kernel_name),
        None => places.dev.join(kernel_name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { dev: dir.path().join("dev"), run: dir.path().join("run") };
        let link = places.dev.join("md/home");
        make_link(&places, &link, "md127").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("../md127"));
        make_link(&places, &link, "md126").unwrap();
        assert!(!remove_link(&link, "md127").unwrap());
        assert!(remove_link(&link, "md126").unwrap());
        fs::write(&link, "").unwrap();
        assert!(make_link(&places, &link, "md127").unwrap_err().is(Errno::EEXIST));
        assert!(!remove_link(&link, "md127").unwrap());
        assert_eq!(link_text(&places, &places.dev.join("x"), "md0"), Path::new("md0"));
        assert_eq!(link_text(&places, Path::new("/elsewhere/x"), "md0"), places.dev.join("md0"));
    }

    #[test]
    fn what_is_not_a_block_device() {
        let error = open_md(Path::new("/dev/null"), Access::Read).unwrap_err();
        assert_eq!(error.to_string(), "/dev/null: open: ENOTBLK: Block device required");
        assert_eq!(number_of(Path::new("/dev/null")), Ok(None));
    }
}
