//! Requests that are made before they are sent: between the first suspend and the last resume nothing may be
//! allocated, for that may need the very device that is suspended.

use std::{fs::File, os::fd::AsFd, sync::Arc};

use nix::errno::Errno;

use super::{
    Command, Control, DmBuffer, DmFlags, KernelError, Who,
    calls::{request, string},
};
use crate::kernel::ioctl;

/// What can be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreparedRequest<'a> {
    /// Hold I/O back.
    Suspend(DmFlags),
    /// Make the waiting table live and let I/O go on; with udev's flags and the cookie.
    Resume(DmFlags, u32),
    /// Another name; with udev's flags and the cookie.
    Rename(&'a str, u32),
    /// Drop the waiting table.
    Clear,
    /// Remove the device; with udev's flags and the cookie.
    Remove(u32),
}

/// A request that is ready to be sent, as often as needed.
#[derive(Debug)]
pub struct Prepared {
    file: Arc<File>,
    command: Command,
    request: Vec<u64>,
    buffer: DmBuffer,
}

impl Prepared {
    /// Sends it. Nothing is allocated. The answer's flags: where [`DmFlags::UEVENT_GENERATED`] is not among them, no
    /// event will lower the cookie that went with it.
    ///
    /// # Errors
    /// The kernel's answer; [`KernelError::new`] with [`Command::name`] says it in full, later.
    pub fn fire(&mut self) -> Result<DmFlags, Errno> {
        self.buffer.restore(&self.request);
        ioctl::dm(self.file.as_fd(), self.command, &mut self.buffer)?;
        Ok(self.buffer.flags())
    }

    /// The request's name, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.command.name()
    }
}

impl Control {
    /// Makes a request ready.
    ///
    /// # Errors
    /// A name that does not fit.
    pub fn prepare(&self, who: Who<'_>, what: PreparedRequest<'_>) -> Result<Prepared, KernelError> {
        let (command, payload, flags, cookie) = match what {
            PreparedRequest::Suspend(flags) => (Command::Suspend, Vec::new(), flags | DmFlags::SUSPEND, 0),
            PreparedRequest::Resume(flags, cookie) => (Command::Suspend, Vec::new(), flags, cookie),
            PreparedRequest::Rename(name, cookie) => {
                (Command::Rename, string(name), DmFlags::empty(), cookie)
            }
            PreparedRequest::Clear => (Command::Clear, Vec::new(), DmFlags::empty(), 0),
            PreparedRequest::Remove(cookie) => (Command::Remove, Vec::new(), DmFlags::empty(), cookie),
        };
        let mut buffer = request(who, command, &payload)?;
        let by_number = matches!(who, Who::Dev(_));
        buffer.set_flags(if by_number { flags | DmFlags::PERSISTENT_DEV } else { flags });
        buffer.set_event(cookie);
        buffer.seal();
        Ok(Prepared { file: Arc::clone(&self.file), command, request: buffer.as_words().to_vec(), buffer })
    }
}
