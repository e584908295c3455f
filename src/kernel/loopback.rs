//! Loop devices: a file that serves as a block device for as long as somebody has it open.

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    KernelError, Places, Sysfs,
    ioctl::{self, Request},
    module,
};

/// The device goes with its last user.
const AUTOCLEAR: u32 = 4;

/// `struct loop_config` with its `struct loop_info64` (`include/uapi/linux/loop.h`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct LoopConfig {
    fd: u32,
    block_size: u32,
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

fn control(places: &Places) -> Result<(PathBuf, File), KernelError> {
    let path = places.dev.join("loop-control");
    let open = || File::options().read(true).write(true).open(&path);
    let opened = open().or_else(|_| {
        module::load("loop").map_err(std::io::Error::from)?;
        open()
    });
    let file = opened.map_err(|error| KernelError::io(&path, "open", &error))?;
    Ok((path, file))
}

/// The most numbers that are looked at.
const MOST: u32 = 4096;

/// Numbers that no device has in use at this moment, the lowest. There need be no devices of them yet.
pub fn unused(sysfs: &Sysfs, count: usize) -> Result<Vec<u32>, KernelError> {
    let free = |number: &u32| backing_file(sysfs, &format!("loop{number}")).is_none();
    let numbers: Vec<u32> = (0..MOST).filter(free).take(count).collect();
    match numbers.len() == count {
        true => Ok(numbers),
        false => Err(KernelError::new("loop devices".to_owned(), "find unused ones", Errno::ENOSPC)),
    }
}

/// Makes the loop device of this number, where there is none.
pub fn make(places: &Places, number: u32) -> Result<(), KernelError> {
    let (path, file) = control(places)?;
    let mut word = ioctl::Word(usize::try_from(number).unwrap_or(usize::MAX));
    match ioctl::call::<ioctl::LoopCtlAdd>(file.as_fd(), &mut word) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(KernelError::new(path.display().to_string(), ioctl::LoopCtlAdd::NAME, errno)),
    }
}

/// Makes a file appear as this device, which stays as long as the answer or another user has it open. `EBUSY` where
/// somebody else took the device.
pub fn attach(device: &Path, file: &Path) -> Result<File, KernelError> {
    let open = |path: &Path| {
        let options = File::options().read(true).write(true).custom_flags(nix::libc::O_NOFOLLOW).to_owned();
        options.open(path).map_err(|error| KernelError::io(path, "open", &error))
    };
    let (node, backing) = (open(device)?, open(file)?);
    let mut config = LoopConfig::read_from_bytes(&[0; size_of::<LoopConfig>()])
        .map_err(|_| KernelError::new(device.display().to_string(), "LOOP_CONFIGURE", Errno::EINVAL))?;
    config.fd = u32::try_from(backing.as_raw_fd()).unwrap_or(u32::MAX);
    config.flags = AUTOCLEAR;
    let named = file.as_os_str().as_encoded_bytes();
    config.file_name.iter_mut().take(63).zip(named).for_each(|(to, from)| *to = *from);
    ioctl::call::<ioctl::LoopConfigure>(node.as_fd(), &mut config)
        .map_err(|errno| KernelError::new(device.display().to_string(), ioctl::LoopConfigure::NAME, errno))?;
    Ok(node)
}

/// The file behind a loop device, by the kernel's name of the device.
pub fn backing_file(sysfs: &Sysfs, name: &str) -> Option<PathBuf> {
    let text = sysfs.read(format!("block/{name}/loop/backing_file")).ok().flatten()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}
