//! Many reads at the same time without a thread for each: Linux native asynchronous I/O (`linux/aio_abi.h`).
//!
//! A thread that only waits costs a stack, a heap of its own and two dozen system calls; sixty-four of them take longer
//! than the disks. Here all requests go to the kernel in one call, and one more call waits for them.

use std::{
    mem,
    ops::Range,
    os::fd::{AsFd, AsRawFd},
    ptr,
    sync::Arc,
    thread,
};

use nix::{errno::Errno, libc};
use superblock::{Bytes, window::Loaded};

use super::{
    block::Device,
    page::{PAGE, Pages, Part},
};

/// One read, on boundaries that the device takes.
pub struct Read<'a> {
    /// Where to read.
    pub device: &'a Device,
    /// From here.
    pub at: Bytes,
    /// This much.
    pub length: Bytes,
}

/// Requests in the kernel at the same time.
const AT_ONCE: usize = 128;

/// `IOCB_CMD_PREAD`.
const PREAD: u16 = 0;

/// `struct iocb`, little-endian order of key and flags.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Request {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    length: u64,
    offset: u64,
    reserved: u64,
    flags: u32,
    eventfd: u32,
}

/// `struct io_event`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

const _: () = assert!(mem::size_of::<Request>() == 64 && mem::size_of::<Event>() == 32);

/// Reads everything; the answers are in the order of the requests. `None` where a request failed or fell short: it can
/// be tried again in parts.
///
/// # Errors
/// This kernel has no asynchronous I/O, or no more of it to give.
pub fn read_all(reads: &[Read<'_>]) -> Result<Vec<Option<Loaded>>, Errno> {
    let context = Context::new()?;
    let mut answers = Vec::with_capacity(reads.len());
    for part in reads.chunks(AT_ONCE) {
        answers.extend(context.read(part)?);
    }
    context.give_back();
    Ok(answers)
}

/// An `aio_context_t`. Dropping it waits until the kernel has let go of all buffers, and then for tens of milliseconds more.
struct Context(libc::c_ulong);

/// More than a thread needs that makes one system call.
const STACK: usize = 64 << 10;

impl Context {
    /// Gives it back while the caller goes on: nothing is being read any more, and what the kernel waits for is that every
    /// processor has come by (an RCU grace period), whether or not there was ever anything to read.
    fn give_back(self) {
        // Where there is no thread to be had, it is dropped here.
        let _ = thread::Builder::new().name("aio".into()).stack_size(STACK).spawn(move || drop(self));
    }

    fn new() -> Result<Self, Errno> {
        let mut id: libc::c_ulong = 0;
        // SAFETY: the kernel writes one word, `id`.
        Errno::result(unsafe { libc::syscall(libc::SYS_io_setup, AT_ONCE, &raw mut id) })?;
        Ok(Self(id))
    }

    fn read(&self, reads: &[Read<'_>]) -> Result<Vec<Option<Loaded>>, Errno> {
        let (ranges, length) = ranges(reads);
        let mut pages = Pages::new(length);
        let mut requests: Vec<Request> = reads
            .iter()
            .zip(&ranges)
            .zip(0..)
            .filter_map(|((read, range), index)| {
                Some(request(read, pages.bytes_mut().get_mut(range.clone())?, index))
            })
            .collect();
        let sent = self.submit(&mut requests);
        let mut results = vec![0; reads.len()];
        if let Err(errno) = self.collect(sent, &mut results) {
            // Nobody can say when the kernel is done with them.
            mem::forget(pages);
            return Err(errno);
        }
        reads.iter().for_each(|read| read.device.count_read());
        let pages = Arc::new(pages);
        let whole = |(range, result): (Range<usize>, i64)| -> Option<Loaded> {
            let whole = usize::try_from(result).is_ok_and(|count| count == range.len());
            whole.then(|| -> Loaded { Box::new(Part { pages: Arc::clone(&pages), range }) })
        };
        Ok(ranges.into_iter().zip(results).map(whole).collect())
    }

    /// Hands over as many as the kernel takes, in order. One that it refuses is left out, as one that failed.
    fn submit(&self, requests: &mut [Request]) -> usize {
        let mut pointers: Vec<*mut Request> = requests.iter_mut().map(ptr::from_mut).collect();
        let mut rest = pointers.as_mut_slice();
        let mut sent: usize = 0;
        while !rest.is_empty() {
            // SAFETY: the pointers are to requests, each with a buffer of its length; both outlive the wait in `read`.
            let taken = Errno::result(unsafe {
                libc::syscall(libc::SYS_io_submit, self.0, rest.len(), rest.as_mut_ptr())
            });
            let taken = match taken {
                Ok(taken) => usize::try_from(taken).unwrap_or_default(),
                Err(Errno::EINTR) => continue,
                Err(_) => 0,
            };
            sent = sent.saturating_add(taken);
            // Where nothing was taken, the first of the rest is the one that was refused.
            rest = rest.get_mut(taken.max(1)..).unwrap_or_default();
        }
        sent
    }

    fn collect(&self, mut waiting: usize, results: &mut [i64]) -> Result<(), Errno> {
        let mut events = [Event::default(); AT_ONCE];
        while waiting > 0 {
            let room = waiting.min(AT_ONCE);
            // SAFETY: room for as many events as it may write; no time-out is the null pointer.
            let count = Errno::result(unsafe {
                libc::syscall(
                    libc::SYS_io_getevents,
                    self.0,
                    room,
                    room,
                    events.as_mut_ptr(),
                    ptr::null_mut::<libc::timespec>(),
                )
            });
            let count = match count {
                Ok(count) => usize::try_from(count).unwrap_or_default(),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno),
            };
            for event in events.iter().take(count) {
                let index = usize::try_from(event.data).unwrap_or(usize::MAX);
                if let Some(result) = results.get_mut(index) {
                    *result = event.result;
                }
            }
            waiting = waiting.saturating_sub(count);
        }
        Ok(())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the number is the kernel's own; nothing uses it after this.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.0) };
    }
}

/// Where each answer goes, on boundaries of pages, and how much that is.
fn ranges(reads: &[Read<'_>]) -> (Vec<Range<usize>>, usize) {
    let mut next: usize = 0;
    let ranges = reads.iter().map(|read| {
        let length = usize::try_from(read.length.0).unwrap_or_default();
        let range = next..next.saturating_add(length);
        next = range.end.next_multiple_of(PAGE);
        range
    });
    (ranges.collect(), next)
}

fn request(read: &Read<'_>, buffer: &mut [u8], index: u64) -> Request {
    Request {
        data: index,
        opcode: PREAD,
        fd: u32::try_from(read.device.as_fd().as_raw_fd()).unwrap_or(u32::MAX),
        buffer: u64::try_from(buffer.as_mut_ptr().expose_provenance()).unwrap_or_default(),
        length: u64::try_from(buffer.len()).unwrap_or_default(),
        offset: read.at.0,
        ..Request::default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::kernel::Access;

    #[test]
    fn reads_come_back_in_order_and_short_ones_are_none() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..300u32 << 10).map(|at| u8::try_from(at / 512 % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        let device = Device::open(file.path(), Access::Read).unwrap();
        let read = |at, length| Read { device: &device, at: Bytes(at), length: Bytes(length) };
        let mut reads: Vec<Read<'_>> = (0..200).map(|n| read(n * 1024, 512)).collect();
        reads.push(read(299 << 10, 4096));
        reads.push(read(0, 300 << 10));
        let answers = read_all(&reads).unwrap();
        for (n, answer) in answers.iter().take(200).enumerate() {
            let answer = answer.as_ref().expect("inside");
            assert_eq!(answer.as_ref().as_ref(), &bytes[n * 1024..][..512], "{n}");
        }
        assert!(answers[200].is_none(), "past the end");
        assert_eq!(answers[201].as_ref().unwrap().as_ref().as_ref(), &bytes[..]);
        assert_eq!(device.reads(), 202);
        assert!(read_all(&[]).unwrap().is_empty());
    }
}
