//! Other programs: the file systems' own tools. Never through a shell, never with what our environment says.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use nix::errno::Errno;

use super::KernelError;

/// Where administrators' programs are.
const PLACES: [&str; 6] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];
/// Of what a program says, at most so much is told.
const MOST: usize = 2000;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// What it said, on both outputs.
    pub said: String,
}

/// Whether there is such a program.
#[must_use]
pub fn is_there(name: &str) -> bool {
    find(name).is_some()
}

fn find(name: &str) -> Option<std::path::PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file())
}

/// Runs a program to its end, without input.
///
/// # Errors
/// There is no such program, or it could not be started.
pub fn run(name: &str, words: &[&str]) -> Result<Ended, KernelError> {
    let failed = |errno| KernelError::new(name, "start", errno);
    let path = find(name).ok_or_else(|| failed(Errno::ENOENT))?;
    let mut command = Command::new(path);
    command.args(words).env_clear().env("PATH", PLACES.join(":")).env("LC_ALL", "C").stdin(Stdio::null());
    let ended = command
        .output()
        .map_err(|error: io::Error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    let mut said = String::from_utf8_lossy(&ended.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&ended.stderr));
    let from = said.char_indices().rev().nth(MOST).map_or(0, |(at, _)| at);
    Ok(Ended { status: ended.status.code(), said: said.get(from..).unwrap_or_default().trim().to_owned() })
}
