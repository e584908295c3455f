//! Commands that a process of this very program carries out in the background: what the kernel goes on with, it ends. One
//! process at a time, by a lock that it holds as long as it lives.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::kernel::{
    Deadline, Holder, KernelError, Lock, Machine, files,
    interrupt::Interrupt,
    lock,
    second::{self, End},
};

/// The name under which this program works in the background: the words after it are the name of its lock and a command.
pub const NAME: &str = "mdctl-follow";
/// The same for a monitor that is a process of its own: the words after it are the file with its number, which may be empty, a
/// program's name, and its words.
pub const MONITOR: &str = "mdctl-monitor";

/// The same for the one that works, where the other only sees to it that it does: the words after it are the command's.
pub const WORKER: &str = "mdctl-worker";

/// So often one that was killed is started again.
const MOST: u32 = 10;
/// And no sooner than after this.
const PAUSE: Duration = Duration::from_secs(1);
/// So long one that is to end may take for it.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Sees to it that a command is carried out: a process that is killed is followed by another. Each has the lock as well, so that
/// it is held as long as one of them lives. The exit status; `None` where all of them were killed.
///
/// # Errors
/// No process can be started.
pub fn oversee(machine: &Machine, lock: &Lock, words: &[OsString]) -> Result<Option<i32>, KernelError> {
    let interrupt = Interrupt::catch()?;
    for _ in 0..MOST {
        let status = second::at_work(&machine.procfs, WORKER, words, lock.shared()?)?;
        if status.is_some() {
            return Ok(status);
        }
        interrupt.wait(Deadline::after(PAUSE))?;
        if interrupt.has_come() {
            break;
        }
    }
    Ok(None)
}

/// Ends whoever carries a command out, with the one that oversees it.
///
/// # Errors
/// It does not end.
pub fn end(machine: &Machine, what: &str) -> Result<(), KernelError> {
    let path = place(machine, what)?;
    if Lock::at_once(&path)?.is_some() {
        return Ok(());
    }
    let all = lock::holders(&machine.procfs, &path)?;
    for how in [End::Asked, End::Killed] {
        for holder in &all {
            let Holder::Process { pid, name } = holder else { continue };
            // The number may be another's by now.
            if name.is_empty() || name == NAME {
                second::end_session(*pid, how);
            }
        }
        if Lock::take(&path, Deadline::after(PATIENCE), &|| ()).map(drop).is_ok() {
            return Ok(());
        }
    }
    Lock::take(&path, Deadline::after(PAUSE), &|| ()).map(drop)
}

/// A monitor that ends removes the file with its number, unless another has written there meanwhile.
pub fn forget(pid_file: &Path) {
    let text = files::read_plain(pid_file, 64).ok().flatten().unwrap_or_default();
    if String::from_utf8_lossy(&text).trim() == std::process::id().to_string() {
        let removed = files::remove(pid_file);
        tracing::debug!(?removed, "the file with this process's number");
    }
}
