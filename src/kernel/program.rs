//! Other programs: the file systems' own tools. Never through a shell, never with what our environment says, and never without an
//! end to the waiting.

use std::{
    io::{Read as _, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::signal::{Signal, kill},
    unistd::{Pid, pipe2},
};

use super::{Deadline, KernelError, error::ErrorCause, interrupt::Interrupt, wait};

/// Where administrators' programs are; `PATH` is not trusted.
const PLACES: [&str; 6] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];
/// Of what a program says, at most so many characters at its end are told.
const MOST: usize = 2000;
/// Making a large file system smaller moves everything in it.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// A program may leave somebody behind who has its output: its own end is looked for this often.
const SLICE: Duration = Duration::from_millis(200);

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

/// Where it is.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file())
}

/// Runs a program to its end, without input. It may take days.
///
/// # Errors
/// There is no such program, or it could not be started.
pub fn run(name: &str, words: &[&str]) -> Result<Ended, KernelError> {
    run_for(name, words, LONGEST)
}

/// The same for a bounded time.
///
/// # Errors
/// There is no such program (`ENOENT`), it could not be started, or it did not end in time: then it was ended.
pub fn run_for(name: &str, words: &[&str], limit: Duration) -> Result<Ended, KernelError> {
    let failed = |errno| KernelError::new(name, "start", errno);
    let path = find(name).ok_or_else(|| failed(Errno::ENOENT))?;
    let (output, its) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let other = its.try_clone().map_err(|error| KernelError::io(&path, "dup", &error))?;
    let mut command = Command::new(&path);
    command.args(words).env_clear().env("PATH", PLACES.join(":")).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(its).stderr(other);
    let mut child = command.spawn().map_err(|error| KernelError::io(&path, "start", &error))?;
    // Its own copies: else the output would never end.
    drop(command);
    let said = listen(&mut child, output.into(), Deadline::after(limit));
    match child.try_wait() {
        Ok(Some(status)) => Ok(Ended { status: status.code(), said }),
        Ok(None) => {
            let ended = child.kill().and_then(|()| child.wait());
            tracing::debug!(?ended, "a program that took too long");
            Err(KernelError::other(name, "run", ErrorCause::TimedOut(limit)))
        }
        Err(error) => Err(KernelError::io(&path, "wait", &error)),
    }
}

/// Runs what an administrator named, with our environment and outputs, and with this for its input; its exit status, `None` where
/// a signal ended it.
///
/// # Errors
/// It could not be started, or it did not end in time: then it was ended. A signal that asks us to end came first (`EINTR`): it
/// goes on alone.
pub fn call(
    path: &Path,
    words: &[String],
    input: Option<&[u8]>,
    limit: Duration,
) -> Result<Option<i32>, KernelError> {
    let failed = |what: &'static str| move |error: std::io::Error| KernelError::io(path, what, &error);
    let mut command = Command::new(path);
    command.args(words).stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().map_err(failed("start"))?;
    let pipe = child.stdin.take().zip(input.map(<[u8]>::to_vec));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let (sender, ended) = std::sync::mpsc::channel();
    // Others wait for the end of time; this one for the end of the program.
    let waiter = std::thread::spawn(move || {
        // The status says that nobody read it.
        let _ = pipe.map(|(mut pipe, bytes)| pipe.write_all(&bytes));
        let _ = sender.send(child.wait());
    });
    let deadline = Deadline::after(limit);
    let interrupt = Interrupt::catch().ok();
    while let Some(left) = deadline.left() {
        if let Ok(status) = ended.recv_timeout(left.min(SLICE)) {
            let _ = waiter.join();
            return status.map(|status| status.code()).map_err(failed("wait"));
        }
        if interrupt.as_ref().is_some_and(Interrupt::has_come) {
            return Err(KernelError::new(path.display().to_string(), "wait", Errno::EINTR));
        }
    }
    let killed = kill(pid, Signal::SIGKILL);
    tracing::debug!(?killed, "a program that took too long");
    let _ = waiter.join();
    Err(KernelError::other(path.display().to_string(), "run", ErrorCause::TimedOut(limit)))
}

/// What a program makes of a file.
pub struct Piped {
    child: Child,
    output: std::process::ChildStdout,
}

/// Starts a program that reads a file from where it stands, and writes what it makes of it.
///
/// # Errors
/// There is no such program (`ENOENT`), or it could not be started.
pub fn filter(name: &str, words: &[&str], input: std::fs::File) -> Result<Piped, KernelError> {
    let path = find(name).ok_or_else(|| KernelError::new(name, "start", Errno::ENOENT))?;
    let mut command = Command::new(&path);
    command.args(words).env_clear().env("PATH", PLACES.join(":")).env("LC_ALL", "C");
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| KernelError::io(&path, "start", &error))?;
    match child.stdout.take() {
        Some(output) => Ok(Piped { child, output }),
        None => Err(KernelError::new(name, "start", Errno::EPIPE)),
    }
}

impl std::io::Read for Piped {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        self.output.read(room)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        tracing::debug!(?ended, "a filter");
    }
}

/// What a program says until it ends, or the time is over.
fn listen(child: &mut Child, mut output: std::fs::File, deadline: Deadline) -> String {
    let mut said = Vec::new();
    let mut part = [0; 4096];
    let mut open = true;
    while let Some(left) = deadline.left() {
        let ended = !matches!(child.try_wait(), Ok(None));
        let slice = if ended { Duration::ZERO } else { left.min(SLICE) };
        let fds = [output.as_fd()];
        match wait::readable(if open { &fds } else { &[] }, slice) {
            Ok(true) => match output.read(&mut part) {
                Ok(count) if count > 0 => said.extend_from_slice(part.get(..count).unwrap_or_default()),
                _ => open = false,
            },
            _ if ended => break,
            _ => {}
        }
        // Four bytes a character.
        let surplus = said.len().saturating_sub(8 * MOST);
        said.drain(..surplus);
    }
    let said = String::from_utf8_lossy(&said);
    let from = said.char_indices().rev().nth(MOST).map_or(0, |(at, _)| at);
    said.get(from..).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_what_it_said_an_absence_and_an_end() {
        let limit = Duration::from_secs(10);
        let run = |name, words: &[&str]| run_for(name, words, limit);
        assert_eq!(run("true", &[]).unwrap(), Ended { status: Some(0), said: String::new() });
        assert_eq!(run("sh", &["-c", "echo one; echo two >&2; exit 3"]).unwrap().status, Some(3));
        assert_eq!(run("sh", &["-c", "echo one; echo two >&2"]).unwrap().said, "one\ntwo");
        let much = run("sh", &["-c", "yes x | head -c 300000"]).unwrap();
        assert_eq!((much.status, much.said.len()), (Some(0), MOST - 1));
        assert_eq!(run("sh", &["-c", "kill -9 $$"]).unwrap().status, None);
        // Somebody stays behind with its output.
        assert_eq!(run("sh", &["-c", "sleep 60 & echo gone"]).unwrap().said, "gone");
        assert!(run("no-such-tool", &[]).unwrap_err().is(Errno::ENOENT));
        let error = run_for("sleep", &["60"], Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "sleep: run: did not happen within 50 ms");
    }
}
