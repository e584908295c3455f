//! What the machine refused: device, operation, reason.

use std::{borrow::Cow, fmt, io, path::Path, time::Duration};

use nix::errno::Errno;

use super::aio::LONGEST_WAIT;

/// The one error of this room. `Display` is `/dev/sdb1: ADD_NEW_DISK: EBUSY: Device or resource busy`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}: {cause}", Escaped(.device), Escaped(.operation))]
pub struct KernelError {
    /// The device, array or file, as the user or the kernel names it.
    pub device: String,
    /// The ioctl's name, the system call, or `attribute=value`.
    pub operation: Cow<'static, str>,
    /// Why.
    pub cause: ErrorCause,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorCause {
    /// The kernel's answer.
    #[error("{0}")]
    Errno(Errno),
    /// The kernel's answer, and what it means here.
    #[error("{0} ({1})")]
    Explained(Errno, String),
    /// The kernel or a file answered something that is not understood.
    #[error("unexpected content {:?}", .0)]
    Unexpected(String),
    /// What should be a plain file is something else: what, with its article.
    #[error("it is {0}, and should be a plain file")]
    NotAFile(&'static str),
    /// The device is shorter than the range that was asked for.
    #[error("the range ends after the end of the device")]
    PastEnd,
    /// What was waited for did not happen.
    #[error("did not happen within {}", Seconds(*.0))]
    TimedOut(Duration),
    /// It would wait until somebody lets the device-mapper device of this name go on.
    #[error("device-mapper device {0} is suspended; `dmsetup resume {0}` lets it go on")]
    Suspended(String),
    /// A program that was started did not succeed.
    #[error("{0}")]
    Program(String),
}

impl KernelError {
    /// An errno for an operation on a device.
    pub fn new(device: impl Into<String>, operation: impl Into<Cow<'static, str>>, errno: Errno) -> Self {
        Self { device: device.into(), operation: operation.into(), cause: ErrorCause::Errno(errno) }
    }

    /// Any other cause.
    pub fn other(
        device: impl Into<String>,
        operation: impl Into<Cow<'static, str>>,
        cause: ErrorCause,
    ) -> Self {
        Self { device: device.into(), operation: operation.into(), cause }
    }

    /// A failed operation on a file, from the standard library's error.
    pub fn io(path: &Path, operation: impl Into<Cow<'static, str>>, error: &io::Error) -> Self {
        let cause = match error.raw_os_error() {
            Some(number) => ErrorCause::Errno(Errno::from_raw(number)),
            None if error.kind() == io::ErrorKind::UnexpectedEof => ErrorCause::PastEnd,
            None if error.kind() == io::ErrorKind::TimedOut => ErrorCause::TimedOut(LONGEST_WAIT),
            None => ErrorCause::Unexpected(error.to_string()),
        };
        Self { device: path.display().to_string(), operation: operation.into(), cause }
    }

    /// The kernel's number, where the kernel answered.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            ErrorCause::Errno(errno) | ErrorCause::Explained(errno, _) => Some(errno),
            ErrorCause::Unexpected(_)
            | ErrorCause::NotAFile(_)
            | ErrorCause::PastEnd
            | ErrorCause::TimedOut(_)
            | ErrorCause::Suspended(_)
            | ErrorCause::Program(_) => None,
        }
    }

    /// The same as a word that all rooms know.
    #[must_use]
    pub fn number(&self) -> Option<crate::words::Errno> {
        std::io::Error::from(self.errno()?).raw_os_error().map(crate::words::Errno)
    }

    /// Whether the kernel answered this errno.
    #[must_use]
    pub fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno)
    }
}

impl From<KernelError> for io::Error {
    fn from(error: KernelError) -> Self {
        match error.cause {
            ErrorCause::Errno(errno) | ErrorCause::Explained(errno, _) => errno.into(),
            ErrorCause::PastEnd => io::ErrorKind::UnexpectedEof.into(),
            ErrorCause::TimedOut(_) => io::ErrorKind::TimedOut.into(),
            ErrorCause::Unexpected(_)
            | ErrorCause::NotAFile(_)
            | ErrorCause::Suspended(_)
            | ErrorCause::Program(_) => io::Error::other(error),
        }
    }
}

/// A time as people say it: whole seconds where there are any.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_secs(), self.0.subsec_millis()) {
            (seconds, 0) => write!(f, "{seconds} s"),
            (_, _) => write!(f, "{} ms", self.0.as_millis()),
        }
    }
}

/// A name may have come from a disk or a command line: control characters never reach a terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_device_operation_and_errno() {
        let error = KernelError::new("/dev/sdb1", "ADD_NEW_DISK", Errno::EBUSY);
        assert_eq!(error.to_string(), "/dev/sdb1: ADD_NEW_DISK: EBUSY: Device or resource busy");
        assert!(error.is(Errno::EBUSY));
        let error = KernelError::new("/dev/a\nb\x1b[0m", "open", Errno::ENOENT);
        assert_eq!(error.to_string(), "/dev/a\\nb\\u{1b}[0m: open: ENOENT: No such file or directory");
        let waited = ErrorCause::TimedOut(Duration::from_secs(3));
        let error = KernelError::other("md0", "wait for removal", waited);
        assert_eq!(error.to_string(), "md0: wait for removal: did not happen within 3 s");
    }
}
