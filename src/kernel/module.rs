//! Whether the driver is there, and asking for it.

use std::process::{Command, Stdio};

use super::{KernelError, Sysfs, error::ErrorCause};

/// Where modprobe is looked for; `PATH` is not trusted.
const MODPROBE: &[&str] = &["/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe", "/usr/bin/modprobe"];

/// Whether md is loaded or built in.
pub fn has_md(sysfs: &Sysfs) -> bool {
    sysfs.has_module("md_mod")
}

/// Loads a module with modprobe, directly and without a shell. A module that is loaded or built in is success.
pub fn load(module: &str) -> Result<(), KernelError> {
    let fail = |why: String| KernelError::other(module, "modprobe", ErrorCause::Program(why));
    let Some(program) = MODPROBE.iter().find(|path| std::path::Path::new(path).exists()) else {
        return Err(fail("no modprobe in /sbin or /usr/sbin".to_owned()));
    };
    let output = Command::new(program)
        .args(["-q", "--", module])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| fail(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default().trim();
    let why =
        if said.is_empty() { "the running kernel has no such module".to_owned() } else { said.to_owned() };
    Err(fail(why))
}

/// Loads md where it is missing.
pub fn ensure_md(sysfs: &Sysfs) -> Result<(), KernelError> {
    if has_md(sysfs) { Ok(()) } else { load("md_mod") }
}

/// Asks for the device of a stopped array to be gone when STOP_ARRAY returns (`legacy_async_del_gendisk`, from 6.18).
/// `Ok(false)`: this kernel has no such choice; older ones take the device away a moment later.
///
/// Ask before every stop too: in the old manner 7.2 never removes an empty array with a name (`md_home`).
pub fn remove_at_once(sysfs: &Sysfs) -> Result<bool, KernelError> {
    sysfs.set_parameter("md_mod", "legacy_async_del_gendisk", "N")
}
