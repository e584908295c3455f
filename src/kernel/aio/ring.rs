//! Reads that the kernel makes for this process while it goes on: a ring of `io_uring` (`linux/io_uring.h`), one a thread.
//!
//! A process that has such reads on their way ends all the same, unlike one with requests of `linux/aio_abi.h`: the kernel
//! clears up behind it. That holds as long as the kernel need not wait before it has sent them, so each is only tried
//! (`RWF_NOWAIT`): where the kernel would have to wait, or has no ring for us, a process of its own reads.

use std::{
    cell::Cell,
    mem,
    num::NonZeroUsize,
    ops::Range,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::{
    errno::Errno,
    libc::{self, c_void},
    sys::mman::{self, MapFlags, ProtFlags},
};

use super::{AT_ONCE, Shared};
use crate::kernel::wait::{self, Told};

/// Room for as many as are read at the same time.
const ROOM: u32 = 128;
const _: () = assert!(AT_ONCE == 128);
/// `IORING_OFF_SQES`: where the requests are mapped.
const REQUESTS: i64 = 0x1000_0000;
/// `IORING_FEAT_SINGLE_MMAP` and `IORING_FEAT_NODROP`.
const FEATURES: u32 = 0b11;
/// `IORING_OP_READ`.
const READ: u8 = 22;
/// `EAGAIN`: the kernel would have to wait, or there is no ring. The caller then reads another way.
pub(super) const AGAIN: i64 = -11;
const _: () = assert!(libc::EAGAIN == 11);

/// `struct io_uring_sqe`, as far as a read has it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Request {
    opcode: u8,
    flags: u8,
    priority: u16,
    fd: i32,
    offset: u64,
    buffer: u64,
    length: u32,
    rw_flags: u32,
    data: u64,
    rest: [u64; 3],
}

/// `struct io_uring_cqe`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Event {
    data: u64,
    result: i32,
    flags: u32,
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Params {
    requests: u32,
    events: u32,
    flags: u32,
    thread: [u32; 2],
    features: u32,
    worker: u32,
    reserved: [u32; 3],
    sent: Offsets,
    done: Offsets,
}

/// `struct io_sqring_offsets` and `struct io_cqring_offsets`, whose first four are the same.
#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    /// Of requests: flags, dropped, array. Of events: overflow, the events, flags.
    others: [u32; 3],
    reserved: u32,
    address: u64,
}

const _: () = assert!(mem::size_of::<Request>() == 64 && mem::size_of::<Event>() == 16);
const _: () = assert!(mem::size_of::<Params>() == 120);

/// One read into a range of the room's data.
pub(super) struct RingRead {
    pub(super) fd: i32,
    pub(super) at: u64,
    pub(super) range: Range<usize>,
}

thread_local! {
    /// This thread's ring: made with its first read, gone with the thread. `None` inside where there is none to be had.
    static RING: Cell<Option<Option<Ring>>> = const { Cell::new(None) };
}

/// Reads on their way, by this thread's ring.
pub(super) struct Flight {
    ring: Option<Ring>,
    waiting: usize,
    room: Arc<Shared>,
}

impl Flight {
    /// Hands reads into `room` over, and puts what is known at once, by the number of the read: a count, or an error as a
    /// negative number. [`AGAIN`] is the result of what is to be read otherwise.
    pub(super) fn begin(
        reads: impl ExactSizeIterator<Item = RingRead>,
        room: &Arc<Shared>,
        put: &mut impl FnMut(usize, i64),
    ) -> Self {
        let ring = RING.take().unwrap_or_else(|| Ring::new().ok());
        let count = reads.len();
        let sent = ring.as_ref().map_or(0, |ring| ring.send(reads, room));
        (sent..count).for_each(|index| put(index, AGAIN));
        let mut flight = Self { ring, waiting: sent, room: Arc::clone(room) };
        flight.collect(put);
        flight
    }

    /// Waits for all that is on its way still, and puts it.
    pub(super) fn end(mut self, told: &mut Told<impl FnOnce()>, put: &mut impl FnMut(usize, i64)) {
        while let Some(ring) = self.ring.as_ref().filter(|_| self.waiting > 0) {
            let Some(slice) = told.slice() else { break };
            if wait::readable(&[ring.file.as_fd()], slice).is_err() {
                break;
            }
            self.collect(put);
        }
        self.collect(put);
    }

    fn collect(&mut self, put: &mut impl FnMut(usize, i64)) {
        let came = self.ring.as_ref().map_or(0, |ring| ring.collect(put));
        self.waiting = self.waiting.saturating_sub(came);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.waiting == 0 {
            // Nobody asks where a thread is at its end.
            let _ = RING.try_with(|slot| slot.set(Some(self.ring.take())));
            return;
        }
        // The kernel writes there one day. Late answers are nobody's: they go with this ring.
        mem::forget(Arc::clone(&self.room));
    }
}

/// Memory that the kernel has, too.
struct Mapping {
    start: NonNull<c_void>,
    length: NonZeroUsize,
}

impl Mapping {
    fn new(ring: &OwnedFd, length: usize, offset: i64) -> Result<Self, Errno> {
        let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let (access, how) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        // SAFETY: a new mapping at a place of the kernel's choice.
        let start = unsafe { mman::mmap(None, length, access, how | MapFlags::MAP_POPULATE, ring, offset) }?;
        Ok(Self { start, length })
    }

    /// A number that both count.
    fn number(&self, at: u32) -> &AtomicU32 {
        // SAFETY: the kernel says where in its mapping the number is, on its boundary; it lives as long as `self`.
        unsafe { self.place(at).cast::<AtomicU32>().as_ref() }
    }

    fn place(&self, at: u32) -> NonNull<u8> {
        let at = usize::try_from(at).unwrap_or(0).min(self.length.get().saturating_sub(1));
        // SAFETY: inside of the mapping.
        unsafe { self.start.cast::<u8>().add(at) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's; nobody has a reference into it any more.
        let _ = unsafe { mman::munmap(self.start, self.length.get()) };
    }
}

struct Ring {
    file: OwnedFd,
    shared: Mapping,
    requests: Mapping,
    sent: Offsets,
    done: Offsets,
    mask: u32,
}

impl Ring {
    fn new() -> Result<Self, Errno> {
        let mut params = Params::default();
        // SAFETY: the kernel reads and writes `params`, which has its size.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_io_uring_setup, ROOM, &raw mut params) })?;
        let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel has just made it for us.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        if params.features & FEATURES != FEATURES {
            return Err(Errno::ENOSYS);
        }
        let (sent, done) = (params.sent, params.done);
        let end = |at: u32, count: u32, each: usize| {
            let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
            size(at).saturating_add(size(count).saturating_mul(each))
        };
        let [_, _, array] = sent.others;
        let [_, events, _] = done.others;
        let length = end(array, params.requests, 4).max(end(events, params.events, mem::size_of::<Event>()));
        let shared = Mapping::new(&file, length, 0)?;
        let requests = Mapping::new(&file, end(0, params.requests, mem::size_of::<Request>()), REQUESTS)?;
        let mask = shared.number(sent.mask).load(Ordering::Relaxed);
        // Each request stands in its own place.
        for place in 0..params.requests {
            shared.number(array.saturating_add(place.saturating_mul(4))).store(place, Ordering::Relaxed);
        }
        Ok(Self { file, shared, requests, sent, done, mask })
    }

    /// Hands requests over; how many of them the kernel has taken, in order.
    fn send(&self, reads: impl Iterator<Item = RingRead>, room: &Shared) -> usize {
        let tail = self.shared.number(self.sent.tail);
        let begun = tail.load(Ordering::Relaxed);
        let mut next = begun;
        for (read, data) in reads.take(AT_ONCE).zip(0..) {
            let request = Request {
                opcode: READ,
                fd: read.fd,
                offset: read.at,
                buffer: room.place(read.range.start),
                length: u32::try_from(room.room(&read.range)).unwrap_or(0),
                rw_flags: NOWAIT,
                data,
                ..Request::default()
            };
            let place = usize::try_from(next & self.mask).unwrap_or(0);
            // SAFETY: the mapping has room for as many as the mask says, and the kernel reads them only after `io_uring_enter`.
            unsafe { self.requests.start.cast::<Request>().add(place).write(request) };
            next = next.wrapping_add(1);
        }
        tail.store(next, Ordering::Release);
        let mut left = next.wrapping_sub(begun);
        while left > 0 {
            // SAFETY: the requests are written, and `Flight` keeps their buffers; no set of signals is the null pointer.
            let taken = Errno::result(unsafe {
                let none = std::ptr::null::<c_void>();
                libc::syscall(libc::SYS_io_uring_enter, self.file.as_raw_fd(), left, 0, 0, none, 0)
            });
            match taken {
                Ok(taken) if taken > 0 => left = left.saturating_sub(u32::try_from(taken).unwrap_or(0)),
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        // What it did not take is not asked for any more.
        let taken = next.wrapping_sub(left);
        tail.store(taken, Ordering::Release);
        usize::try_from(taken.wrapping_sub(begun)).unwrap_or(0)
    }

    /// Puts the answers that are there; how many.
    fn collect(&self, put: &mut impl FnMut(usize, i64)) -> usize {
        let (head, tail) = (self.shared.number(self.done.head), self.shared.number(self.done.tail));
        let [_, events, _] = self.done.others;
        let mask = self.shared.number(self.done.mask).load(Ordering::Relaxed);
        let mut at = head.load(Ordering::Relaxed);
        let mut count: usize = 0;
        while at != tail.load(Ordering::Acquire) {
            let place = usize::try_from(at & mask).unwrap_or(0);
            // SAFETY: the kernel has written it, and does not write there again before the head has passed it.
            let event = unsafe { self.shared.place(events).cast::<Event>().add(place).read() };
            at = at.wrapping_add(1);
            head.store(at, Ordering::Release);
            let result = i64::from(event.result);
            let otherwise = OTHERWISE.iter().any(|errno| i64::from(*errno) == result.saturating_neg());
            put(usize::try_from(event.data).unwrap_or(usize::MAX), if otherwise { AGAIN } else { result });
            count = count.saturating_add(1);
        }
        count
    }
}

/// `RWF_NOWAIT`.
const NOWAIT: u32 = 8;

/// Of the way it was asked, not of the device: it would have to wait, the driver cannot tell, the kernel does not know it.
const OTHERWISE: [i32; 4] = [libc::EAGAIN, libc::EOPNOTSUPP, libc::EINVAL, libc::ECANCELED];

#[cfg(test)]
mod tests {
    use std::{io::Write as _, time::Duration};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn results(reads: Vec<RingRead>, room: &Arc<Shared>, limit: Duration) -> Vec<Option<i64>> {
        let mut results = vec![None; reads.len()];
        let mut put = |index: usize, result| results[index] = Some(result);
        let flight = Flight::begin(reads.into_iter(), room, &mut put);
        flight.end(&mut Told::new(limit, || ()), &mut put);
        results
    }

    #[test]
    fn each_read_has_its_answer_or_is_to_be_read_otherwise() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..64u32 << 10).map(|at| u8::try_from(at / 512 % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        let room = Arc::new(Shared::new(64 << 10).unwrap());
        let fd = file.as_file().as_raw_fd();
        // Once more with the same ring.
        for _ in 0..3 {
            let read = |n: usize| RingRead {
                fd,
                at: u64::try_from(n * 512).unwrap(),
                range: n * 512..(n + 1) * 512,
            };
            let results = results((0..AT_ONCE).map(read).collect(), &room, LIMIT);
            for (n, result) in results.into_iter().enumerate() {
                match result {
                    Some(512) => {
                        // SAFETY: inside of the mapping, and nobody writes there any more.
                        let there =
                            unsafe { std::slice::from_raw_parts(room.data(n * 512).cast::<u8>(), 512) };
                        assert_eq!(there, &bytes[n * 512..][..512], "{n}");
                    }
                    Some(AGAIN) => {}
                    other => panic!("{n}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn errors_are_answers_and_what_is_empty_is_over() {
        let room = Arc::new(Shared::new(512).unwrap());
        assert!(results(Vec::new(), &room, LIMIT).is_empty());
        let bad = RingRead { fd: -1, at: 0, range: 0..512 };
        let answer = results(vec![bad], &room, LIMIT);
        assert!(matches!(answer[..], [Some(AGAIN)] | [Some(-9)]), "{answer:?}");
    }

    #[test]
    fn what_is_on_its_way_keeps_its_memory_and_not_us() {
        let room = Arc::new(Shared::new(512).unwrap());
        let flight = Flight { ring: None, waiting: 1, room: Arc::clone(&room) };
        flight.end(&mut Told::new(Duration::ZERO, || ()), &mut |_, _| ());
        assert_eq!(Arc::strong_count(&room), 2, "for as long as we live");
    }
}
