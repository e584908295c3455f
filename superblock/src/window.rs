//! The two ends of a device in memory, so that looking for all formats costs two reads.
//!
//! At the head: 1.1 and 1.2 with their bitmap's superblock, PPL header and bad-block log (a bitmap's room is at most
//! 128 KiB, so all of it ends by 140 KiB), and every file system's magic. At the tail: 0.90 (at most 128 KiB from the
//! end) with its bitmap's superblock, 1.0 with bitmap and bad-block log, and the anchors in the last sectors.

use std::{cell::OnceCell, io};

use crate::{Media, units::Bytes};

/// How much of the beginning is read at once.
pub const HEAD: Bytes = Bytes(144 << 10);
/// How much of the end is read at once, and up to 4 KiB more so that it begins on a boundary of 4 KiB.
pub const TAIL: Bytes = Bytes(160 << 10);

/// A device whose ends are read once, when first asked for; all else is passed on.
pub struct Window<'a> {
    device: &'a dyn Media,
    head: End,
    tail: End,
}

struct End {
    start: Bytes,
    stop: Bytes,
    /// `None` inside where it could not be read as a whole.
    bytes: OnceCell<Option<Vec<u8>>>,
}

impl<'a> Window<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(device: &'a dyn Media) -> Self {
        let len = device.len();
        let end = |start, stop| End { start, stop, bytes: OnceCell::new() };
        let tail = len.saturating_sub(TAIL).round_down(Bytes(4096));
        // Where they would meet, one read has it all.
        let (head, tail) = if tail <= HEAD { (len, len) } else { (HEAD, tail) };
        Self { device, head: end(Bytes(0), head), tail: end(tail, len) }
    }
}

impl End {
    /// The range, where this end has it.
    fn get(&self, device: &dyn Media, offset: Bytes, len: usize) -> Option<&[u8]> {
        let stop = offset.checked_add(Bytes(u64::try_from(len).ok()?))?;
        if offset < self.start || stop > self.stop {
            return None;
        }
        let bytes = self.bytes.get_or_init(|| self.load(device)).as_deref()?;
        let from = usize::try_from(offset.saturating_sub(self.start).0).ok()?;
        bytes.get(from..)?.get(..len)
    }

    fn load(&self, device: &dyn Media) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.stop.saturating_sub(self.start).0).ok()?];
        device.read_at(self.start, &mut bytes).ok()?;
        Some(bytes)
    }
}

impl Media for Window<'_> {
    fn len(&self) -> Bytes {
        self.device.len()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        // An end with a bad sector is asked for piece by piece: only what lies on that sector fails.
        let len = buf.len();
        let end = self.head.get(self.device, offset, len).or_else(|| self.tail.get(self.device, offset, len));
        match end {
            Some(bytes) => buf.copy_from_slice(bytes),
            None => self.device.read_at(offset, buf)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    struct Counted {
        bytes: Vec<u8>,
        bad: Option<u64>,
        reads: RefCell<Vec<(u64, usize)>>,
    }

    impl Media for Counted {
        fn len(&self) -> Bytes {
            Media::len(&self.bytes)
        }

        fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
            self.reads.borrow_mut().push((offset.0, buf.len()));
            let len = u64::try_from(buf.len()).unwrap();
            if self.bad.is_some_and(|bad| offset.0 <= bad && bad < offset.0.saturating_add(len)) {
                return Err(io::Error::other("bad sector"));
            }
            self.bytes.read_at(offset, buf)
        }
    }

    fn counted(len: usize, bad: Option<u64>) -> Counted {
        let bytes = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        Counted { bytes, bad, reads: RefCell::default() }
    }

    fn check(window: &Window<'_>, device: &Counted, at: usize) {
        let mut buf = [0; 512];
        window.read_at(Bytes(at.try_into().unwrap()), &mut buf).unwrap();
        assert_eq!(buf[..], device.bytes[at..][..512]);
    }

    #[test]
    fn two_reads_and_aligned() {
        let device = counted((1 << 20) + 512, None);
        let window = Window::new(&device);
        for at in [0, 4096, 143 << 10, 1 << 20, (1 << 20) - (159 << 10)] {
            check(&window, &device, at);
        }
        assert_eq!(*device.reads.borrow(), [(0, 144 << 10), (864 << 10, (160 << 10) + 512)]);
        check(&window, &device, 500 << 10);
        assert_eq!(device.reads.borrow().len(), 3, "the middle is passed on");
        let mut buf = [0; 512];
        assert!(window.read_at(Bytes((1 << 20) + 1), &mut buf).is_err());
        assert!(window.read_at(Bytes(u64::MAX), &mut buf).is_err());
    }

    #[test]
    fn a_small_device_is_one_read() {
        let device = counted(300 << 10, None);
        let window = Window::new(&device);
        for at in [0, 150 << 10, 299 << 10] {
            check(&window, &device, at);
        }
        assert_eq!(*device.reads.borrow(), [(0, 300 << 10)]);
        assert!(Window::new(&counted(0, None)).is_empty());
    }

    #[test]
    fn a_bad_sector_spoils_itself_alone() {
        let device = counted(1 << 20, Some(8192));
        let window = Window::new(&device);
        check(&window, &device, 0);
        check(&window, &device, 4096);
        assert!(window.read_at(Bytes(8192), &mut [0; 512]).is_err());
        check(&window, &device, 1 << 19);
    }
}
