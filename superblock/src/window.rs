//! The two ends of a device in memory, so that looking for all formats costs two reads.
//!
//! At the head: 1.1 and 1.2 with their bitmap's superblock; a wide window also has PPL header and bad-block log (a
//! bitmap's room is at most 128 KiB, so all of it ends by 140 KiB), and every file system's magic. At the tail: 0.90 (at
//! most 128 KiB from the end) with its bitmap's superblock, and 1.0; a wide one also has all of 1.0's bitmap and bad-block
//! log, and the anchors in the last sectors.

use std::{cell::OnceCell, fmt, io, sync::Arc};

use crate::{Media, Write, units::Bytes};

/// How much of the beginning is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Enough for md superblocks.
    Narrow,
    /// Enough for whatever else may be there.
    Wide,
}

impl Width {
    fn head(self) -> Bytes {
        match self {
            Self::Narrow => Bytes(16 << 10),
            Self::Wide => Bytes(144 << 10),
        }
    }

    /// Where the tail begins: on a boundary of 4 KiB.
    fn tail(self, len: Bytes) -> Bytes {
        match self {
            // Where 0.90 stands.
            Self::Narrow => len.round_down(Bytes(64 << 10)).saturating_sub(Bytes(64 << 10)),
            Self::Wide => len.saturating_sub(Bytes(160 << 10)).round_down(Bytes(4096)),
        }
    }
}

/// Bytes that somebody read.
pub type Loaded = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// What was seen at an offset of a device: as it was read, nothing is copied.
#[derive(Clone)]
pub struct Seen {
    /// Where, from the start of the device.
    pub at: Bytes,
    data: Loaded,
}

impl Seen {
    /// What.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.data.as_ref().as_ref()
    }
}

impl From<Write> for Seen {
    fn from(write: Write) -> Self {
        Self { at: write.at, data: Arc::new(write.data) }
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.bytes() == other.bytes()
    }
}

impl Eq for Seen {}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {}", self.bytes().len(), self.at.0)
    }
}

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
    bytes: OnceCell<Option<Loaded>>,
}

impl<'a> Window<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(device: &'a dyn Media, width: Width) -> Self {
        let [head, tail] = Self::ends(device.len(), width);
        let end = |(start, stop)| End { start, stop, bytes: OnceCell::new() };
        Self { device, head: end(head), tail: end(tail) }
    }

    /// Where the ends of a device of this size begin and stop; the second is empty where one read has it all.
    #[must_use]
    pub fn ends(len: Bytes, width: Width) -> [(Bytes, Bytes); 2] {
        let (head, tail) = (width.head(), width.tail(len));
        if tail <= head { [(Bytes(0), len), (len, len)] } else { [(Bytes(0), head), (tail, len)] }
    }

    /// With what somebody read of the ends; `None` for one that could not be read as a whole. It will be asked for
    /// piece by piece.
    #[must_use]
    pub fn filled(device: &'a dyn Media, width: Width, ends: [Option<Loaded>; 2]) -> Self {
        let window = Self::new(device, width);
        for (end, bytes) in [&window.head, &window.tail].into_iter().zip(ends) {
            let whole = bytes.filter(|bytes| Media::len(bytes.as_ref().as_ref()) == end.len());
            // A fresh cell takes it.
            let _ = end.bytes.set(whole);
        }
        window
    }
}

impl Window<'_> {
    /// What the ends hold, of those that can be read as a whole.
    #[must_use]
    pub fn ends_read(&self) -> Vec<Seen> {
        let ends = [&self.head, &self.tail].into_iter().filter(|end| end.start < end.stop);
        ends.filter_map(|end| Some(Seen { at: end.start, data: end.loaded(self.device)?.clone() })).collect()
    }
}

impl End {
    fn len(&self) -> Bytes {
        self.stop.saturating_sub(self.start)
    }

    /// The range, where this end has it.
    fn get(&self, device: &dyn Media, offset: Bytes, len: usize) -> Option<&[u8]> {
        let stop = offset.checked_add(Bytes(u64::try_from(len).ok()?))?;
        if offset < self.start || stop > self.stop {
            return None;
        }
        let from = usize::try_from(offset.saturating_sub(self.start).0).ok()?;
        self.bytes(device)?.get(from..)?.get(..len)
    }

    fn loaded(&self, device: &dyn Media) -> Option<&Loaded> {
        self.bytes.get_or_init(|| self.load(device)).as_ref()
    }

    fn bytes(&self, device: &dyn Media) -> Option<&[u8]> {
        self.loaded(device).map(|bytes| bytes.as_ref().as_ref())
    }

    fn load(&self, device: &dyn Media) -> Option<Loaded> {
        let mut bytes = vec![0; usize::try_from(self.len().0).ok()?];
        device.read_at(self.start, &mut bytes).ok()?;
        Some(Arc::new(bytes))
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
        let window = Window::new(&device, Width::Wide);
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
        let window = Window::new(&device, Width::Wide);
        for at in [0, 150 << 10, 299 << 10] {
            check(&window, &device, at);
        }
        assert_eq!(*device.reads.borrow(), [(0, 300 << 10)]);
        assert!(Window::new(&counted(0, None), Width::Wide).is_empty());
    }

    #[test]
    fn a_bad_sector_spoils_itself_alone() {
        let device = counted(1 << 20, Some(8192));
        let window = Window::new(&device, Width::Wide);
        check(&window, &device, 0);
        check(&window, &device, 4096);
        assert!(window.read_at(Bytes(8192), &mut [0; 512]).is_err());
        check(&window, &device, 1 << 19);
    }
    #[test]
    fn what_was_read_before_is_not_read_again() {
        let device = counted(1 << 20, None);
        let ends = Window::ends(device.len(), Width::Narrow);
        assert_eq!(ends, [(Bytes(0), Bytes(16 << 10)), (Bytes(960 << 10), Bytes(1 << 20))]);
        let head: Loaded = Arc::new(device.bytes[..16 << 10].to_vec());
        let window = Window::filled(&device, Width::Narrow, [Some(head), None]);
        check(&window, &device, 8192);
        assert!(device.reads.borrow().is_empty());
        check(&window, &device, 1000 << 10);
        assert_eq!(*device.reads.borrow(), [(1000 << 10, 512)], "piece by piece where the whole failed");
        let short: Loaded = Arc::new(vec![0; 512]);
        check(&Window::filled(&device, Width::Narrow, [Some(short), None]), &device, 0);
    }
}
