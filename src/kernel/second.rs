//! This program once more, as a process of its own that outlives this one: never through a shell, from `/proc/self/exe`, so that
//! it is the same program whatever has become of its file.

use std::{
    ffi::OsString,
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use nix::{
    poll::PollFlags,
    sys::signal::{SigSet, SigmaskHow, Signal, killpg},
    unistd::{Pid, setsid},
};

use super::{KernelError, Procfs, wait};

fn program(procfs: &Procfs, name: &str) -> (PathBuf, Command) {
    let path = procfs.path("self/exe");
    let mut command = Command::new(&path);
    command.arg0(name).current_dir("/");
    (path, command)
}

/// A process that is told things, and answers one byte when it is ready.
#[derive(Debug)]
pub struct Second {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Second {
    /// Starts it under this name. `keep`: a file that stays open in it, with the lock that is on it.
    ///
    /// # Errors
    /// There is no /proc, or no memory.
    pub fn start(procfs: &Procfs, name: &str, keep: Option<OwnedFd>) -> Result<Self, KernelError> {
        let (path, mut command) = program(procfs, name);
        let failed = |error: std::io::Error| KernelError::io(&path, "start", &error);
        let kept = keep.map_or_else(Stdio::null, Stdio::from);
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(kept);
        let mut child = command.spawn().map_err(failed)?;
        let input = child.stdin.take();
        match child.stdout.take() {
            Some(output) => Ok(Self { child, input, output }),
            None => Err(failed(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Tells it something. That it is gone is no failure. A byte after it has read everything before needs no new memory
    /// in the kernel: the pipe keeps the page.
    pub fn tell(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(bytes);
        }
    }

    /// Waits for its answer; whether there is one in time.
    pub fn is_ready(&mut self, limit: Duration) -> bool {
        let answered = wait::ready(&[self.output.as_fd()], PollFlags::POLLIN, limit).unwrap_or(false);
        answered && self.output.read(&mut [0]).is_ok_and(|count| count == 1)
    }

    /// Closes its input, and waits a moment for it to end.
    pub fn end(mut self, limit: Duration) {
        drop(self.input.take());
        let ended = wait::ready(&[self.output.as_fd()], PollFlags::POLLIN, limit).unwrap_or(false);
        // Its output is closed by its end, or just before.
        if ended {
            let _ = self.child.wait();
        }
    }
}

/// Starts it without anybody who listens: no input, no output, errors to the kernel's log.
///
/// # Errors
/// There is no /proc, or no memory.
pub fn in_background(procfs: &Procfs, log: &Path, words: &[&str]) -> Result<u32, KernelError> {
    let Some((name, words)) = words.split_first() else { return Ok(0) };
    let (path, mut command) = program(procfs, name);
    let log = File::options().write(true).open(log).map_or_else(|_| Stdio::null(), Stdio::from);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let child = command.spawn().map_err(|error| KernelError::io(&path, "start", &error))?;
    Ok(child.id())
}

/// Starts it for one short act, with what our environment says. `ended` hears how it ended, as soon as it has: its exit status,
/// `None` where a signal ended it. Nothing is left of it in the table of processes.
///
/// # Errors
/// There is no /proc, or no memory.
pub fn for_one_act(
    procfs: &Procfs,
    words: &[&str],
    ended: impl FnOnce(Option<i32>) + Send + 'static,
) -> Result<u32, KernelError> {
    let Some((name, words)) = words.split_first() else { return Ok(0) };
    let (path, mut command) = program(procfs, name);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| KernelError::io(&path, "start", &error))?;
    let pid = child.id();
    // Signals go to those who work.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
    std::thread::spawn(move || {
        if let Ok(status) = child.wait() {
            ended(status.code());
        }
    });
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    Ok(pid)
}

/// Starts it and waits for its end: its exit status, `None` where a signal ended it. `keep`: a file that stays open in it, with the
/// lock that is on it.
///
/// # Errors
/// There is no /proc, or no memory.
pub fn at_work(
    procfs: &Procfs,
    name: &str,
    words: &[OsString],
    keep: OwnedFd,
) -> Result<Option<i32>, KernelError> {
    let (path, mut command) = program(procfs, name);
    command.args(words).stdin(Stdio::from(keep)).stdout(Stdio::null());
    let status = command.status().map_err(|error| KernelError::io(&path, "start", &error))?;
    Ok(status.code())
}

/// How a process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It may do first what must be.
    Asked,
    /// At once.
    Killed,
}

/// Ends all processes of the session that this one began.
pub fn end_session(leader: u32, how: End) {
    // A lock of another namespace's process has the number 0, and to the kernel that is our own group.
    let Some(leader) = i32::try_from(leader).ok().filter(|leader| *leader > 1) else { return };
    let signal = match how {
        End::Asked => Signal::SIGTERM,
        End::Killed => Signal::SIGKILL,
    };
    let told = killpg(Pid::from_raw(leader), signal);
    tracing::debug!(?told, leader, "a session is to end");
}

/// What such a process does first: a session of its own, so that nobody's terminal ends it, and a name by which it is found.
pub fn stand_alone(name: &str) {
    if let Err(errno) = setsid() {
        tracing::debug!(%errno, "no session of its own");
    }
    named(name);
}

/// A name by which it is found.
pub fn named(name: &str) {
    // The process's, whichever thread asks.
    let _ = std::fs::write("/proc/self/comm", name);
}

/// What the other side of [`Second`] has: the one who is told.
#[derive(Debug, Default)]
pub struct SecondSide;

impl SecondSide {
    /// What it is told first, until that is whole; `None` where it ends before, or is longer than `most`.
    #[must_use]
    pub fn text(&self, most: usize, is_whole: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let mut input = std::io::stdin().lock();
        let mut text = Vec::new();
        let mut part = vec![0; 1 << 16];
        while !is_whole(&text) {
            let count = input.read(&mut part).ok().filter(|count| *count > 0)?;
            text.extend_from_slice(part.get(..count)?);
            if text.len() > most {
                return None;
            }
        }
        Some(text)
    }

    /// Says that it is ready.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn answer(&self) -> std::io::Result<()> {
        let mut output = std::io::stdout().lock();
        output.write_all(b"r")?;
        output.flush()
    }

    /// The next byte; `None` where the other one closed its end, or is no more.
    #[must_use]
    pub fn byte(&self) -> Option<u8> {
        let mut byte = [0];
        let count = std::io::stdin().lock().read(&mut byte).ok()?;
        byte.first().copied().filter(|_| count > 0)
    }
}
