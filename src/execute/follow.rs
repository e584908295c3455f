//! Commands that a process of this very program carries out in the background: what the kernel goes on with, it ends. One
//! process at a time, by a lock that it holds as long as it lives.

use std::path::{Path, PathBuf};

use crate::kernel::{KernelError, Lock, Machine, files, lock, second};

/// The name under which this program works in the background: the words after it are the name of its lock and a command.
pub const NAME: &str = "mdctl-follow";
/// The same for a monitor that is a process of its own: the words after it are the file with its number, which may be empty, a
/// program's name, and its words.
pub const MONITOR: &str = "mdctl-monitor";

/// systemd's mark of an initial RAM disk.
const INITRD: &str = "/etc/initrd-release";

/// The file of a lock.
///
/// # Errors
/// There is no directory for it.
pub fn place(machine: &Machine, what: &str) -> Result<PathBuf, KernelError> {
    let dir = machine.places.run.join("mdctl/background");
    files::make_dirs(&dir, 0o700)?;
    Ok(dir.join(what))
}

/// Has a command carried out, unless a process is at it: who is, in words.
///
/// # Errors
/// Nobody can be.
pub fn start(machine: &Machine, what: &str, words: &[String]) -> Result<String, KernelError> {
    // What begins in an initial RAM disk ends with it: the booted system has a unit for this.
    if files::exists(Path::new(INITRD)) {
        return Ok("the booted system".to_owned());
    }
    let path = place(machine, what)?;
    match Lock::at_once(&path)? {
        None => {
            let by = lock::holders(&machine.procfs, &path).unwrap_or_default();
            return Ok(by.first().map_or_else(|| "a process".to_owned(), ToString::to_string));
        }
        Some(free) => drop(free),
    }
    let words: Vec<&str> = [NAME, what].into_iter().chain(words.iter().map(String::as_str)).collect();
    let pid = second::in_background(&machine.procfs, &machine.places.dev.join("kmsg"), &words)?;
    Ok(format!("process {pid}"))
}

/// A monitor that ends removes the file with its number, unless another has written there meanwhile.
pub fn forget(pid_file: &Path) {
    let text = files::read_plain(pid_file, 64).ok().flatten().unwrap_or_default();
    if String::from_utf8_lossy(&text).trim() == std::process::id().to_string() {
        let removed = files::remove(pid_file);
        tracing::debug!(?removed, "the file with this process's number");
    }
}
