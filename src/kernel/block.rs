//! One opened block device or image: its sizes, its bytes around the page cache.

use std::{
    fs::File,
    io,
    num::NonZeroU32,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, Flock, FlockArg, OFlag},
    sys::stat::{SFlag, fstat, stat},
};
use superblock::{Bytes, Media};
use zerocopy::FromZeros;

use super::{
    DevId, KernelError, Sysfs,
    aio::Limited,
    ioctl::{self, PartitionChange, Request},
    page::Pages,
    ready::ReadyWrites,
    recorded::{self, Node},
    sysfs::Suspended,
};

/// How a device is opened. Opening for writing makes udev look at it again when it is closed. A device that is opened to be
/// read alone has [`super::aio::LONGEST_WAIT`] to answer a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Read,
    /// To read, and nobody else may claim it: `EBUSY` where somebody has.
    ReadExclusive,
    /// To write.
    Write,
    /// To write, and nobody else may claim it.
    WriteExclusive,
}

impl Access {
    fn writes(self) -> bool {
        matches!(self, Self::Write | Self::WriteExclusive)
    }

    fn exclusive(self) -> bool {
        matches!(self, Self::ReadExclusive | Self::WriteExclusive)
    }
}

/// The largest single transfer.
const TRANSFER: usize = 1 << 20;

/// An opened block device, or a regular file that stands for one.
#[derive(Debug)]
pub struct BlockDevice {
    path: PathBuf,
    file: File,
    dev: Option<DevId>,
    size: Bytes,
    logical: NonZeroU32,
    direct: bool,
    /// Where it is only read, there is an end to the waiting.
    limited: Option<Limited>,
    /// What the system would be asked, of a recorded machine's device.
    recorded: Option<Node>,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl BlockDevice {
    /// Opens it and asks for its sizes. Anything but a block device or a regular file is `ENOTBLK`; a suspended device of
    /// device-mapper, from which a read would wait without end, is refused.
    ///
    /// Block devices are read and written around the page cache, because md writes its superblocks so.
    pub fn open(path: &Path, access: Access) -> Result<Self, KernelError> {
        if let Some(recorded) = recorded::entered() {
            if let Some(node) = recorded.open(path, access)? {
                Suspended::check_itself(&recorded.machine().sysfs, path, node.dev)?;
                return Self::stand_in(path, node);
            }
        }
        let fail = |operation: &'static str| {
            move |errno| KernelError::new(path.display().to_string(), operation, errno)
        };
        // Looked at before it is opened: opening a FIFO would wait for its other end.
        let mode =
            SFlag::from_bits_truncate(stat(recorded::at(path).as_ref()).map_err(fail("stat"))?.st_mode)
                & SFlag::S_IFMT;
        let block = mode == SFlag::S_IFBLK;
        if !block && mode != SFlag::S_IFREG {
            return Err(fail("open")(Errno::ENOTBLK));
        }
        let (file, direct) =
            open_direct(path, access, block).map_err(|error| KernelError::io(path, "open", &error))?;
        let stat = fstat(&file).map_err(fail("fstat"))?;
        let mut device = Self {
            path: path.to_owned(),
            dev: block.then(|| DevId::from_raw(stat.st_rdev)),
            size: Bytes(u64::try_from(stat.st_size).unwrap_or(0)),
            file,
            logical: SECTOR,
            direct,
            limited: (block && !access.writes()).then(|| Limited::new(path)),
            recorded: None,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        };
        if let Some(dev) = device.dev {
            // The kernel that has this device is the one of /sys, whatever else may be looked at.
            Suspended::check_itself(&Sysfs::default(), path, dev)?;
            device.measure()?;
        }
        Ok(device)
    }

    /// The file that stands for a recorded machine's device.
    fn stand_in(path: &Path, node: &Node) -> Result<Self, KernelError> {
        let file = File::open(recorded::at(path)).map_err(|error| KernelError::io(path, "open", &error))?;
        let size = file.metadata().map_err(|error| KernelError::io(path, "fstat", &error))?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            dev: Some(node.dev),
            size: Bytes(size),
            logical: NonZeroU32::new(node.logical).unwrap_or(SECTOR),
            direct: false,
            limited: None,
            recorded: Some(node.clone()),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        })
    }

    /// Whether somebody has claimed the device: it is asked for alone, and let go at once.
    pub fn is_claimed(path: &Path) -> Result<bool, KernelError> {
        if let Some(recorded) = recorded::entered() {
            let node = recorded.node(path).map_err(|error| KernelError::io(path, "open", &error))?;
            return Ok(node.is_some_and(|node| node.claimed));
        }
        match open_direct(path, Access::ReadExclusive, true) {
            Ok(_) => Ok(false),
            Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) => Ok(true),
            Err(error) => Err(KernelError::io(path, "open", &error)),
        }
    }

    fn measure(&mut self) -> Result<(), KernelError> {
        let number = |value: i32| u32::try_from(value).ok().and_then(NonZeroU32::new);
        self.size = Bytes(self.ask::<ioctl::BlkGetSize64>(0)?);
        self.logical = number(self.ask::<ioctl::BlkSszGet>(0)?).unwrap_or(SECTOR);
        Ok(())
    }

    fn ask<R: Request<Arg: FromZeros>>(&self, mut arg: R::Arg) -> Result<R::Arg, KernelError> {
        match ioctl::call::<R>(self.file.as_fd(), &mut arg) {
            Ok(_) => Ok(arg),
            Err(errno) => Err(self.error(R::NAME, errno)),
        }
    }

    fn error(&self, operation: &'static str, errno: Errno) -> KernelError {
        KernelError::new(self.path.display().to_string(), operation, errno)
    }

    fn io_error(&self, operation: &'static str) -> impl Fn(io::Error) -> KernelError {
        move |error| KernelError::io(&self.path, operation, &error)
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number; `None` for an image.
    pub fn dev(&self) -> Option<DevId> {
        self.dev
    }

    /// The logical block size: the unit of transfers.
    pub fn logical_block_size(&self) -> u32 {
        self.logical.get()
    }

    /// The physical block size.
    pub fn physical_block_size(&self) -> u32 {
        if let Some(node) = &self.recorded {
            return node.physical;
        }
        let asked = self.dev.and_then(|_| self.ask::<ioctl::BlkPbszGet>(0).ok());
        asked.and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0).unwrap_or(self.logical.get())
    }

    /// Whether the device refuses writes.
    pub fn is_read_only(&self) -> bool {
        if let Some(node) = &self.recorded {
            return node.read_only;
        }
        self.dev.is_some_and(|_| self.ask::<ioctl::BlkRoGet>(0).is_ok_and(|answer| answer != 0))
    }

    /// A read that was made for it elsewhere.
    pub(super) fn count_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// How many reads were done so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// How many writes were done so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Writes `data` at `offset`. What the device can only write in larger blocks is read first and written back
    /// unchanged around it.
    pub fn write_at(&self, offset: Bytes, data: &[u8]) -> Result<(), KernelError> {
        self.check(offset, data.len()).map_err(self.io_error("write"))?;
        let mut at = offset;
        for part in data.chunks(TRANSFER) {
            self.write_part(at, part).map_err(self.io_error("write"))?;
            at = at.saturating_add(length(part.len()));
        }
        Ok(())
    }

    fn write_part(&self, offset: Bytes, data: &[u8]) -> io::Result<()> {
        let (start, skip, span) = self.blocks(offset, data.len())?;
        let mut pages = Pages::new(span);
        if span != data.len() {
            self.transfer_in(start, pages.bytes_mut())?;
        }
        let range = skip..skip.saturating_add(data.len());
        pages.bytes_mut().get_mut(range).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.file.write_all_at(pages.bytes(), start.0)
    }

    /// Whether these bytes are there.
    pub fn holds(&self, offset: Bytes, bytes: &[u8]) -> Result<bool, KernelError> {
        self.check(offset, bytes.len()).map_err(self.io_error("read"))?;
        let mut at = offset;
        for part in bytes.chunks(TRANSFER) {
            if !self.holds_part(at, part).map_err(self.io_error("read"))? {
                return Ok(false);
            }
            at = at.saturating_add(length(part.len()));
        }
        Ok(true)
    }

    fn holds_part(&self, at: Bytes, part: &[u8]) -> io::Result<bool> {
        let (start, skip, span) = self.blocks(at, part.len())?;
        let Some(limited) = &self.limited else {
            let mut there = vec![0; part.len()];
            self.read_at(at, &mut there)?;
            return Ok(there == part);
        };
        let same = |there: &[u8]| there.get(skip..).and_then(|there| there.get(..part.len())) == Some(part);
        loop {
            self.count_read();
            match limited.with(&self.file, span, start.0, same) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
    }

    /// Makes writes ready, so that sending them allocates nothing. What shares a block with them must not change until then.
    pub fn ready(&self, writes: &[superblock::Write]) -> Result<ReadyWrites, KernelError> {
        let part = |write: &superblock::Write| {
            self.check(write.at, write.data.len())?;
            let (start, skip, span) = self.blocks(write.at, write.data.len())?;
            let mut pages = Pages::new(span);
            if span != write.data.len() {
                self.transfer_in(start, pages.bytes_mut())?;
            }
            let range = skip..skip.saturating_add(write.data.len());
            let place = pages.bytes_mut().get_mut(range).ok_or(io::ErrorKind::UnexpectedEof)?;
            place.copy_from_slice(&write.data);
            Ok((start.0, pages))
        };
        let parts = writes.iter().map(part).collect::<io::Result<_>>().map_err(self.io_error("read"))?;
        let file = self.file.try_clone().map_err(self.io_error("dup"))?;
        Ok(ReadyWrites { file, parts })
    }

    /// Writes several pieces and syncs them: when this returns, they are on the device.
    pub fn write_all(&self, writes: &[superblock::Write]) -> Result<(), KernelError> {
        writes.iter().try_for_each(|write| self.write_at(write.at, &write.data))?;
        self.sync()
    }

    /// What is where `writes` would go: the way back.
    pub fn saved(&self, writes: &[superblock::Write]) -> Result<Vec<superblock::Write>, KernelError> {
        let save = |write: &superblock::Write| {
            let mut data = vec![0; write.data.len()];
            self.read_at(write.at, &mut data).map_err(self.io_error("read"))?;
            Ok(superblock::Write { at: write.at, data })
        };
        writes.iter().map(save).collect()
    }

    /// Keeps udev from probing the device for as long as the answer lives: udev skips what is flocked exclusively
    /// (systemd, "Locking Block Device Access"). It looks at whole devices only, so lock the whole one for a
    /// partition. `EWOULDBLOCK` while udev or another tool has it.
    pub fn hide_from_udev(path: &Path) -> Result<Flock<File>, KernelError> {
        let file = File::open(path).map_err(|error| KernelError::io(path, "open", &error))?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| KernelError::new(path.display().to_string(), "flock", errno))
    }

    /// Makes `length` bytes from `offset` read as zeros: by the device's own command where it has one, with
    /// writes where it has none.
    pub fn zero(&self, offset: Bytes, length: Bytes) -> Result<(), KernelError> {
        if self.dev.is_some() {
            return self.ask::<ioctl::BlkZeroOut>([offset.0, length.0]).map(drop);
        }
        let range = i64::try_from(offset.0).ok().zip(i64::try_from(length.0).ok());
        let (offset, length) = range.ok_or_else(|| self.error("fallocate", Errno::EFBIG))?;
        let how = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        nix::fcntl::fallocate(&self.file, how, offset, length).map_err(|errno| self.error("fallocate", errno))
    }

    /// Returns when everything written is on stable storage.
    pub fn sync(&self) -> Result<(), KernelError> {
        self.file.sync_all().map_err(self.io_error("fsync"))
    }

    /// Makes the kernel forget one partition; the table on the device stays. `ENXIO` where there is none.
    pub fn delete_partition(&self, number: u16) -> Result<(), KernelError> {
        match ioctl::call::<ioctl::BlkPg>(self.file.as_fd(), &mut PartitionChange::delete(number.into())) {
            Ok(_) => Ok(()),
            Err(errno) => Err(self.error("BLKPG_DEL_PARTITION", errno)),
        }
    }

    /// `UnexpectedEof` unless the range is wholly inside.
    fn check(&self, offset: Bytes, len: usize) -> io::Result<()> {
        match offset.checked_add(length(len)) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The whole blocks around a range: where they start, how far in the range begins, how long they are.
    fn blocks(&self, offset: Bytes, len: usize) -> io::Result<(Bytes, usize, usize)> {
        let unit = Bytes(if self.direct { self.logical.get().into() } else { 1 });
        let start = offset.round_down(unit);
        let end = offset.checked_add(length(len)).and_then(|end| end.round_up(unit));
        let span = end.and_then(|end| end.checked_sub(start));
        let fit = |bytes: Bytes| usize::try_from(bytes.0).map_err(|_| io::ErrorKind::InvalidInput);
        Ok((start, fit(offset.saturating_sub(start))?, fit(span.ok_or(io::ErrorKind::InvalidInput)?)?))
    }

    /// Fills `buf` (aligned, whole blocks) from `start`; the last block of an odd-sized device may be short.
    fn transfer_in(&self, start: Bytes, buf: &mut [u8]) -> io::Result<usize> {
        let mut done: usize = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let at = start.saturating_add(length(done)).0;
            let read = match &self.limited {
                Some(limited) => limited.read(&self.file, rest, at),
                None => self.file.read_at(rest, at),
            };
            match read {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if done % 512 != 0 {
                break;
            }
        }
        Ok(done)
    }
}

const SECTOR: NonZeroU32 = NonZeroU32::new(512).expect("not zero");

fn length(len: usize) -> Bytes {
    Bytes(u64::try_from(len).unwrap_or(u64::MAX))
}

fn open_direct(path: &Path, access: Access, block: bool) -> io::Result<(File, bool)> {
    let open = |direct: bool| {
        let mut flags = OFlag::O_CLOEXEC;
        flags.set(OFlag::O_DIRECT, direct);
        flags.set(OFlag::O_EXCL, access.exclusive() && block);
        File::options().read(true).write(access.writes()).custom_flags(flags.bits()).open(recorded::at(path))
    };
    if !block {
        return Ok((open(false)?, false));
    }
    match open(true) {
        Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => Ok((open(false)?, false)),
        opened => Ok((opened?, true)),
    }
}

impl Media for BlockDevice {
    fn len(&self) -> Bytes {
        self.size
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        self.check(offset, buf.len())?;
        let mut at = offset;
        let mut pages = Pages::new(0);
        for part in buf.chunks_mut(TRANSFER) {
            let (start, skip, span) = self.blocks(at, part.len())?;
            if pages.bytes().len() < span {
                pages = Pages::new(span);
            }
            let got = self.transfer_in(start, pages.bytes_mut().get_mut(..span).unwrap_or_default())?;
            let bytes = pages.bytes().get(..got).and_then(|b| b.get(skip..)).unwrap_or_default();
            part.copy_from_slice(bytes.get(..part.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            at = at.saturating_add(length(part.len()));
        }
        Ok(())
    }
}

impl AsFd for BlockDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_device() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, [1; 3000]).unwrap();
        let device = BlockDevice::open(&path, Access::WriteExclusive).unwrap();
        assert_eq!((Media::len(&device), device.dev(), device.is_read_only()), (Bytes(3000), None, false));
        let mut buf = [0; 1000];
        device.read_at(Bytes(2000), &mut buf).unwrap();
        assert_eq!((buf, device.reads()), ([1; 1000], 1));
        let error = device.read_at(Bytes(2001), &mut buf).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);

        let writes = [superblock::Write { at: Bytes(512), data: vec![2; 512] }];
        let saved = device.saved(&writes).unwrap();
        device.write_all(&writes).unwrap();
        device.read_at(Bytes(256), &mut buf).unwrap();
        assert_eq!([buf[0], buf[255], buf[256], buf[767], buf[768]], [1, 1, 2, 2, 1]);
        device.write_all(&saved).unwrap();
        device.ready(&writes).unwrap().fire().unwrap();
        device.ready(&saved).unwrap().fire().unwrap();
        assert!(device.ready(&[superblock::Write { at: Bytes(4096), data: vec![0; 512] }]).is_err());
        drop(device);
        assert_eq!(std::fs::read(&path).unwrap(), [1; 3000]);
    }

    #[test]
    fn only_what_is_a_device_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [fifo.as_path(), dir.path(), Path::new("/dev/null")] {
            assert!(BlockDevice::open(path, Access::Read).unwrap_err().is(Errno::ENOTBLK), "{path:?}");
        }
        assert!(BlockDevice::open(&dir.path().join("none"), Access::Read).unwrap_err().is(Errno::ENOENT));
    }

    #[test]
    fn writes_past_the_end_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, [1; 1024]).unwrap();
        let device = BlockDevice::open(&path, Access::Write).unwrap();
        for offset in [513, 1024, u64::MAX] {
            assert!(device.write_at(Bytes(offset), &[0; 512]).is_err());
        }
        assert_eq!(device.writes(), 0);
    }
}
