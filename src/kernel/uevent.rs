//! Events of devices: the kernel's, and udev's once its rules have run.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt, socket,
        sockopt,
    },
};

use super::{
    KernelError,
    wait::{self, Deadline},
};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The kernel, at once.
    Kernel,
    /// udev, when its rules for the event are done: nodes, links and database are as they will be.
    Udev,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uevent {
    properties: BTreeMap<String, String>,
}

impl Uevent {
    /// One property.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(String::as_str)
    }

    /// `add`, `remove`, `change`, ….
    pub fn action(&self) -> &str {
        self.get("ACTION").unwrap_or_default()
    }

    /// The kernel's name of the device.
    pub fn kernel_name(&self) -> &str {
        self.get("DEVPATH").and_then(|path| path.rsplit('/').next()).unwrap_or_default()
    }

    /// Whether it is about a block device.
    pub fn is_block(&self) -> bool {
        self.get("SUBSYSTEM") == Some("block")
    }

    /// From a message; `None` for what is not one.
    pub(super) fn parse(source: Source, message: &[u8]) -> Option<Self> {
        let body = match source {
            // `ACTION@DEVPATH`, a zero byte, then the properties.
            Source::Kernel => {
                let end = message.iter().position(|&b| b == 0)?;
                let (head, rest) = message.split_at(end);
                if !head.contains(&b'@') {
                    return None;
                }
                rest
            }
            Source::Udev => udev_properties(message)?,
        };
        let pairs = body.split(|&b| b == 0).filter_map(|line| {
            let (key, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Some(Self { properties: pairs.collect() })
    }
}

/// udev's framing (systemd, `device-monitor.c`): `libudev\0`, the magic 0xfeedcafe big-endian, then in host order
/// the header's size, the properties' offset and their length.
fn udev_properties(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(b"libudev\0\xfe\xed\xca\xfe")?;
    let number = |at: usize| {
        let bytes = rest.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_ne_bytes(bytes.try_into().ok()?)).ok()
    };
    let (offset, length) = (number(4)?, number(8)?);
    message.get(offset..offset.checked_add(length)?)
}

/// Hears events from the moment it is made: make it before what causes the event.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    source: Source,
}

/// The longest message; the kernel's own limit is 2 KiB of properties, udev adds its own.
const LONGEST: usize = 64 * 1024;

impl Listener {
    /// Listens.
    pub fn new(source: Source) -> Result<Self, KernelError> {
        let fail = |operation: &'static str| move |errno| KernelError::new("uevents", operation, errno);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket =
            socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkKObjectUEvent)
                .map_err(fail("socket"))?;
        // A burst of events while we do something else must not be lost; refused without privileges, then smaller.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20));
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, group(source))).map_err(fail("bind"))?;
        Ok(Self { socket, source })
    }

    /// The next event that has come, without waiting.
    ///
    /// Only what was sent to the group counts, and for the kernel's group only what the kernel itself sent: any
    /// process may send to a socket, only a privileged one to a group. `ENOBUFS` (events were lost) is an error.
    pub fn next_now(&self) -> Result<Option<Uevent>, KernelError> {
        let mut message = vec![0; LONGEST];
        loop {
            match recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut message) {
                Ok((length, Some(from))) if self.trusts(from) => {
                    let event = message.get(..length).and_then(|bytes| Uevent::parse(self.source, bytes));
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => return Err(KernelError::new("uevents", "recvfrom", errno)),
            }
        }
    }

    fn trusts(&self, from: NetlinkAddr) -> bool {
        from.groups() == group(self.source) && (self.source == Source::Udev || from.pid() == 0)
    }

    /// The next event, or `None` when time is over.
    pub fn next(&self, deadline: Deadline) -> Result<Option<Uevent>, KernelError> {
        loop {
            if let Some(event) = self.next_now()? {
                return Ok(Some(event));
            }
            let Some(left) = deadline.left() else { return Ok(None) };
            wait::readable(&[self.as_fd()], left)?;
        }
    }
}

fn group(source: Source) -> u32 {
    match source {
        Source::Kernel => 1,
        Source::Udev => 2,
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROPERTIES: &[u8] =
        b"ACTION=change\0DEVPATH=/devices/virtual/block/md0\0SUBSYSTEM=block\0MAJOR=9\0";

    fn udev_message(offset: u32, length: u32) -> Vec<u8> {
        let mut message = b"libudev\0\xfe\xed\xca\xfe".to_vec();
        for word in [40, offset, length, 0, 0, 0, 0] {
            message.extend(u32::to_ne_bytes(word));
        }
        message.extend(PROPERTIES);
        message
    }

    #[test]
    fn both_framings() {
        let mut kernel = b"change@/devices/virtual/block/md0\0".to_vec();
        kernel.extend(PROPERTIES);
        let length = u32::try_from(PROPERTIES.len()).unwrap();
        for event in [
            Uevent::parse(Source::Kernel, &kernel).unwrap(),
            Uevent::parse(Source::Udev, &udev_message(40, length)).unwrap(),
        ] {
            assert_eq!((event.action(), event.kernel_name()), ("change", "md0"));
            assert!(event.is_block());
            assert_eq!(event.get("MAJOR"), Some("9"));
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let good = udev_message(40, u32::try_from(PROPERTIES.len()).unwrap());
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                for source in [Source::Kernel, Source::Udev] {
                    Uevent::parse(source, &bytes);
                    Uevent::parse(source, &bytes[..at]);
                }
            }
        }
    }

    #[test]
    fn what_is_no_event_is_none() {
        let length = u32::try_from(PROPERTIES.len()).unwrap();
        for (offset, length) in [(40, length + 1), (u32::MAX, 1), (40, u32::MAX)] {
            assert_eq!(Uevent::parse(Source::Udev, &udev_message(offset, length)), None);
        }
        assert_eq!(Uevent::parse(Source::Udev, b"libudev\0\xfe\xed\xca\xfe"), None);
        assert_eq!(Uevent::parse(Source::Kernel, b"no zero byte@"), None);
        assert_eq!(Uevent::parse(Source::Kernel, b"libudev\0"), None);
        assert_eq!(Uevent::parse(Source::Kernel, b""), None);
    }
}
