//! What the machine says of itself: time, randomness, name, who we are.

use std::{
    fs::File,
    io::Read,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{KernelError, recorded};

/// Seconds and microseconds since 1970; zero on a clock before that.
pub fn now() -> (u64, u32) {
    if let Some(recorded) = recorded::entered() {
        return recorded.now();
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_micros())
}

/// Random bytes from the kernel.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], KernelError> {
    let path = Path::new("/dev/urandom");
    if recorded::entered().is_some() {
        return Ok([0x5a; N]);
    }
    let mut bytes = [0; N];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|error| KernelError::io(path, "read", &error))
}

/// The host's name; `None` where it has none or one that is not text.
pub fn hostname() -> Option<String> {
    if let Some(recorded) = recorded::entered() {
        return recorded.hostname();
    }
    nix::unistd::gethostname().ok()?.into_string().ok().filter(|name| !name.is_empty())
}

/// Whether this is an initial RAM disk, whose files are lost when the machine's root takes over. systemd's and dracut's images have
/// the first file, in some of them as a link; those of initramfs-tools have the second.
pub fn is_early() -> bool {
    recorded::entered().is_none()
        && ["/etc/initrd-release", "/conf/initramfs.conf"].iter().any(|file| Path::new(file).exists())
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    recorded::entered().is_some() || nix::unistd::geteuid().is_root()
}

/// The running kernel's release, for people; never to decide by.
pub fn release() -> Option<String> {
    if let Some(recorded) = recorded::entered() {
        return recorded.release();
    }
    nix::sys::utsname::uname().ok()?.release().to_str().map(str::to_owned)
}
