//! The ends of a device in memory: metadata lives there, and each end costs one read.

use std::{io, sync::OnceLock};

use superblock::{Bytes, Media};

/// A device whose first and last bytes are read once, when they are first asked for; ranges that are not wholly in
/// one of the two go to the device. It shows what was there when it was read.
#[derive(Debug)]
pub struct Ends<'a, M: Media + ?Sized> {
    device: &'a M,
    head: Window,
    tail: Window,
}

#[derive(Debug)]
struct Window {
    start: u64,
    length: u64,
    bytes: OnceLock<Vec<u8>>,
}

/// The largest window; more is not an end.
const LARGEST: u64 = 4 << 20;

impl<'a, M: Media + ?Sized> Ends<'a, M> {
    /// Keeps `head` bytes of the beginning and `tail` bytes of the end.
    pub fn new(device: &'a M, head: Bytes, tail: Bytes) -> Self {
        let size = device.len().0;
        let window = |start, length| Window { start, length, bytes: OnceLock::new() };
        let (head, tail) = (head.0.min(LARGEST).min(size), tail.0.min(LARGEST).min(size));
        Self { device, head: window(0, head), tail: window(size.saturating_sub(tail), tail) }
    }
}

impl Window {
    /// The range's place in the window; `None` where it is not wholly inside.
    fn place(&self, offset: u64, len: usize) -> Option<std::ops::Range<usize>> {
        let start = offset.checked_sub(self.start)?;
        let end = start.checked_add(u64::try_from(len).ok()?)?;
        let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
        (end <= self.length).then_some(range)
    }

    fn load<M: Media + ?Sized>(&self, device: &M) -> io::Result<&[u8]> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(bytes);
        }
        let mut bytes = vec![0; usize::try_from(self.length).map_err(io::Error::other)?];
        device.read_at(Bytes(self.start), &mut bytes)?;
        Ok(self.bytes.get_or_init(|| bytes))
    }
}

impl<M: Media + ?Sized> Media for Ends<'_, M> {
    fn len(&self) -> Bytes {
        self.device.len()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        for window in [&self.head, &self.tail] {
            let Some(place) = window.place(offset.0, buf.len()) else { continue };
            // One bad sector in a window must not hide the good ones beside it.
            if let Some(bytes) = window.load(self.device).ok().and_then(|bytes| bytes.get(place)) {
                buf.copy_from_slice(bytes);
                return Ok(());
            }
            break;
        }
        self.device.read_at(offset, buf)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    struct Logged {
        bytes: Vec<u8>,
        bad: Option<u64>,
        reads: RefCell<Vec<(u64, usize)>>,
    }

    impl Media for Logged {
        fn len(&self) -> Bytes {
            Media::len(&self.bytes)
        }

        fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
            self.reads.borrow_mut().push((offset.0, buf.len()));
            let len = u64::try_from(buf.len()).unwrap();
            if self.bad.is_some_and(|bad| (offset.0..offset.0 + len).contains(&bad)) {
                return Err(io::Error::from_raw_os_error(nix::libc::EIO));
            }
            self.bytes.as_slice().read_at(offset, buf)
        }
    }

    fn device(bad: Option<u64>) -> Logged {
        let bytes = (0u32..100_000).map(|n| u8::try_from(n % 251).unwrap()).collect();
        Logged { bytes, bad, reads: RefCell::default() }
    }

    #[test]
    fn each_end_is_read_once() {
        let device = device(None);
        let ends = Ends::new(&device, Bytes(8192), Bytes(4096));
        let mut buf = [0; 512];
        for offset in [0, 4096, 7680, 99_488, 96_000, 50_000] {
            ends.read_at(Bytes(offset), &mut buf).unwrap();
            let at = usize::try_from(offset).unwrap();
            assert_eq!(buf, device.bytes[at..at + 512]);
        }
        assert_eq!(*device.reads.borrow(), [(0, 8192), (95_904, 4096), (50_000, 512)]);
        assert!(ends.read_at(Bytes(99_999), &mut buf).is_err());
        assert!(ends.read_at(Bytes(u64::MAX), &mut buf).is_err());
    }

    #[test]
    fn a_bad_sector_spoils_only_itself() {
        let device = device(Some(100));
        let ends = Ends::new(&device, Bytes(8192), Bytes(4096));
        let mut buf = [0; 512];
        ends.read_at(Bytes(4096), &mut buf).unwrap();
        assert_eq!(buf, device.bytes[4096..4608]);
        assert_eq!(ends.read_at(Bytes(0), &mut buf).unwrap_err().raw_os_error(), Some(nix::libc::EIO));
    }

    #[test]
    fn a_small_device_is_both_ends() {
        let bytes = vec![7; 1000];
        let ends = Ends::new(&bytes, Bytes(8192), Bytes(u64::MAX));
        let mut buf = [0; 1000];
        ends.read_at(Bytes(0), &mut buf).unwrap();
        assert_eq!(buf, [7; 1000]);
    }
}
