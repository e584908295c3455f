//! Other tools, run directly and for a bounded time: what they say is their exit status.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::errno::Errno;

use super::{Deadline, KernelError, error::Cause, wait};

/// Where tools are looked for; `PATH` is not trusted.
const PLACES: [&str; 4] = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];

/// Runs a tool and waits for it. `None` where there is no such tool; inside, `None` where a signal ended it.
///
/// # Errors
/// It could not be started, or did not end in time: then it was ended.
pub fn run(tool: &str, args: &[&str], limit: Duration) -> Result<Option<Option<i32>>, KernelError> {
    let places = PLACES.iter().map(|place| Path::new(place).join(tool));
    let Some(path) = places.into_iter().find(|path| path.exists()) else { return Ok(None) };
    let failed = |error: std::io::Error| KernelError::io(&path, "run", &error);
    let mut command = Command::new(&path);
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let still = || KernelError::new(path.display().to_string(), "wait", Errno::EAGAIN);
    let attempt = || child.try_wait().map_err(failed)?.ok_or_else(still);
    match wait::retry(Deadline::after(limit), attempt, |error| error.is(Errno::EAGAIN)) {
        Ok(status) => Ok(Some(status.code())),
        Err(error) => {
            let ended = child.kill().and_then(|()| child.wait());
            tracing::debug!(?ended, "a tool that took too long");
            if error.is(Errno::EAGAIN) {
                return Err(KernelError::other(tool, "run", Cause::TimedOut(limit)));
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_an_absence_and_an_end() {
        let limit = Duration::from_secs(10);
        assert_eq!(run("true", &[], limit).unwrap(), Some(Some(0)));
        assert_eq!(run("false", &[], limit).unwrap(), Some(Some(1)));
        assert_eq!(run("no-such-tool", &[], limit).unwrap(), None);
        assert!(run("sleep", &["60"], Duration::from_millis(50)).is_err());
    }
}
