//! Lines for the system's logs, through their sockets: syslog's, and the journal's, which takes fields.

use std::{io::ErrorKind, os::unix::net::UnixDatagram, path::Path, time::Duration};

use super::{ErrorCause, KernelError, files};

/// syslog(3)'s socket.
const SYSLOG: &str = "/dev/log";
/// The journal's (systemd, JOURNAL_NATIVE_PROTOCOL).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// LOG_DAEMON, where the priority's number is added to.
const DAEMON: u8 = 3 << 3;
/// A log that does not take lines must not keep anybody waiting.
const LONGEST: Duration = Duration::from_secs(5);

/// Whether there is a journal.
#[must_use]
pub fn has_journal() -> bool {
    files::exists(Path::new(JOURNAL))
}

/// Says a line, as the facility `daemon` and with our process's number.
///
/// # Errors
/// Nobody listens.
pub fn syslog(priority: u8, ident: &str, text: &str) -> Result<(), KernelError> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = format!("<{}>{ident}[{}]: {text}", DAEMON | priority, std::process::id());
    send(Path::new(SYSLOG), line.as_bytes())
}

/// Says fields.
///
/// # Errors
/// Nobody listens, or it is too much for one message.
pub fn journal(fields: &[(String, String)]) -> Result<(), KernelError> {
    send(Path::new(JOURNAL), &serialized(fields))
}

/// `NAME=VALUE`, or, where the value has lines, the name, its length in little-endian order and the value.
fn serialized(fields: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.extend(name.as_bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend(u64::try_from(value.len()).unwrap_or(0).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend(value.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

fn send(path: &Path, bytes: &[u8]) -> Result<(), KernelError> {
    let sent = UnixDatagram::unbound().and_then(|socket| {
        socket.set_write_timeout(Some(LONGEST))?;
        socket.send_to(bytes, path)
    });
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(KernelError::other(path.display().to_string(), "send", ErrorCause::TimedOut(LONGEST)))
        }
        Err(error) => Err(KernelError::io(path, "send", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journals_fields() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(serialized(&[field("A", "b"), field("C", "d=e")]), b"A=b\nC=d=e\n");
        assert_eq!(serialized(&[field("A", "b\nc")]), b"A\n\x03\0\0\0\0\0\0\0b\nc\n");
    }
}
