//! Many reads at the same time, and an end to waiting for them: by a ring (`ring.rs`) where it has them without waiting, else
//! by Linux native asynchronous I/O (`linux/aio_abi.h`) and a process of its own.
//!
//! A process that waits for a device that does not answer cannot be ended: neither the wait in read(2) nor the end of a
//! process with requests on their way is interruptible. So a child reads into memory that both have, and is left behind with
//! whatever it waits for; it has nothing open but that. It also ends the kernel's context, which takes tens of milliseconds.

use std::{
    fs::File,
    io::Read as _,
    mem,
    ops::Range,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pipe2},
};
use superblock::{Bytes, window::Loaded};

mod reader;
mod ring;
mod shared;

pub use reader::Limited;

use ring::{AGAIN, Flight, RingRead};
use shared::{DATA, PENDING, Part, Shared};

use super::{
    Meanwhile,
    block::BlockDevice,
    page::PAGE,
    wait::{self, Told},
};

/// A disk that has to spin up first takes ten seconds, one that the driver resets thirty.
pub const LONGEST_WAIT: Duration = Duration::from_secs(40);

/// One read, on boundaries that the device takes.
pub struct Read<'a> {
    /// Where to read.
    pub device: &'a BlockDevice,
    /// From here.
    pub at: Bytes,
    /// This much.
    pub length: Bytes,
}

/// What came of a read.
pub enum ReadAnswer {
    /// All of it.
    Whole(Loaded),
    /// It failed or fell short: it can be tried again in parts.
    Failed,
    /// The device did not answer in time. Whoever reads it now waits as long as the device does.
    Late,
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

/// Reads everything; the answers are in the order of the requests. Each hundred of them has `limit`.
///
/// # Errors
/// No second process, or no asynchronous I/O, or no more of it to give.
pub fn read_all(reads: &[Read<'_>], limit: Duration) -> Result<Vec<ReadAnswer>, Errno> {
    let mut answers = Vec::with_capacity(reads.len());
    for part in reads.chunks(AT_ONCE) {
        answers.extend(read(part, limit)?);
    }
    Ok(answers)
}

fn read(reads: &[Read<'_>], limit: Duration) -> Result<Vec<ReadAnswer>, Errno> {
    let (ranges, length) = ranges(reads);
    let shared = Arc::new(Shared::new(length)?);
    let pending = || {
        let pending = reads.iter().enumerate().filter(|(index, _)| shared.result(*index) == PENDING);
        pending.map(|(_, read)| read.device.path().display().to_string())
    };
    let told = || Told::new(limit, || waits_for(pending(), limit));
    let mut all = told();
    let mut put = |index: usize, result| put(shared.results(), index, result);
    let of_ring = reads.iter().zip(&ranges).map(|(read, range)| RingRead {
        fd: read.device.as_fd().as_raw_fd(),
        at: read.at.0,
        range: range.clone(),
    });
    let flight = Flight::begin(of_ring, &shared, &mut put);
    otherwise(reads, &ranges, &shared, &mut all)?;
    flight.end(&mut all, &mut put);
    // What the kernel found out later.
    otherwise(reads, &ranges, &shared, &mut told())?;
    reads.iter().for_each(|read| read.device.count_read());
    let answer = |(index, range): (usize, Range<usize>)| match shared.result(index) {
        PENDING => ReadAnswer::Late,
        result if usize::try_from(result).is_ok_and(|count| count == range.len()) => {
            ReadAnswer::Whole(Arc::new(Part { shared: Arc::clone(&shared), range }))
        }
        _ => ReadAnswer::Failed,
    };
    Ok(ranges.into_iter().enumerate().map(answer).collect())
}

/// Reads by a process of its own what the ring could not.
fn otherwise(
    reads: &[Read<'_>],
    ranges: &[Range<usize>],
    shared: &Shared,
    told: &mut Told<impl FnOnce()>,
) -> Result<(), Errno> {
    let numbered = reads.iter().zip(ranges).enumerate();
    let left: Vec<_> = numbered.filter(|(index, _)| shared.result(*index) == AGAIN).collect();
    if left.is_empty() {
        return Ok(());
    }
    left.iter().for_each(|(index, _)| put(shared.results(), *index, PENDING));
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    let mut work = Work::new(&left, shared, theirs.as_raw_fd());
    // SAFETY: the child makes system calls only, on memory made ready here: it neither allocates nor takes a lock.
    let child = match unsafe { fork() }? {
        ForkResult::Child => work.carry_out(),
        ForkResult::Parent { child } => child,
    };
    drop(theirs);
    let ended = wait_for(ours, told);
    leave(child);
    ended
}

/// Returns when the child has said that it is done, or the time is over. An error is the child's.
fn wait_for(child: OwnedFd, told: &mut Told<impl FnOnce()>) -> Result<(), Errno> {
    let mut child = File::from(child);
    while let Some(slice) = told.slice() {
        if wait::readable(&[child.as_fd()], slice).unwrap_or(false) {
            let mut said = [0];
            return match child.read(&mut said) {
                Ok(1) if said == [0] => Ok(()),
                Ok(1) => Err(Errno::from_raw(said.map(i32::from)[0])),
                // Somebody ended it.
                Ok(_) => Err(Errno::ECHILD),
                Err(_) => Err(Errno::EIO),
            };
        }
    }
    Ok(())
}

/// Says which devices are waited for, each once, and not more than a few.
fn waits_for(devices: impl Iterator<Item = String>, limit: Duration) {
    let mut names: Vec<String> = devices.collect();
    names.dedup();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let others = if more > 0 { format!(" and {more} others") } else { String::new() };
    let (names, limit) = (names.join(", "), limit.as_secs());
    Meanwhile::everywhere().say(&format!("waiting for {names}{others} to be read (for at most {limit} s)"));
}

/// As many are named.
const MOST_NAMES: usize = 4;

/// More than a thread needs that makes one system call.
const STACK: usize = 64 << 10;

/// Ends the child, where it can be ended, and takes note of its end, so that nothing is left of it in a process that goes on.
fn leave(child: Pid) {
    let _ = kill(child, Signal::SIGKILL);
    let reap = move || {
        let _ = waitpid(child, None);
    };
    // Without a thread to be had, this process's end does it.
    let _ = thread::Builder::new().name("reader".into()).stack_size(STACK).spawn(reap);
}

/// All that the child needs, made ready before it is there.
struct Work<'a> {
    shared: &'a Shared,
    requests: Vec<Request>,
    pointers: Vec<*mut Request>,
    /// Descriptors that stay open, in order.
    keep: Vec<i32>,
    answer: i32,
}

impl<'a> Work<'a> {
    fn new(reads: &[(usize, (&Read<'_>, &Range<usize>))], shared: &'a Shared, answer: i32) -> Self {
        let of = |(index, (read, range)): &(usize, (&Read<'_>, &Range<usize>))| {
            request(read, shared.place(range.start), u64::try_from(*index).unwrap_or(u64::MAX))
        };
        let requests: Vec<Request> = reads.iter().map(of).collect();
        let mut keep: Vec<i32> = reads.iter().map(|(_, (read, _))| read.device.as_fd().as_raw_fd()).collect();
        keep.push(answer);
        keep.sort_unstable();
        keep.dedup();
        Self { shared, pointers: Vec::with_capacity(requests.len()), requests, keep, answer }
    }

    /// Reads, says how it went, and ends.
    fn carry_out(&mut self) -> ! {
        // SAFETY: plain numbers. Where the parent is ended, nobody wants to know any more.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        close_all_but(&self.keep);
        let context = Context::new();
        let number = |errno: &Errno| std::io::Error::from(*errno).raw_os_error();
        let said = context.as_ref().map_or_else(number, |_| Some(0));
        if let Ok(context) = &context {
            let sent = context.submit(&mut self.requests, &mut self.pointers);
            self.collect(context, sent);
        }
        let said = [said.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)];
        // SAFETY: one byte of this frame is written; then the process ends, and with it whatever it had.
        unsafe {
            libc::write(self.answer, said.as_ptr().cast(), 1);
            libc::_exit(0)
        }
    }

    fn collect(&self, context: &Context, mut waiting: usize) {
        let mut events = [Event::default(); AT_ONCE];
        let results = self.shared.results();
        // What was refused, or never sent, failed.
        for request in self.requests.iter().filter(|request| request.opcode != PREAD) {
            put_of(results, request.data, -1);
        }
        while waiting > 0 {
            let Ok(count) = context.events(&mut events) else { return };
            for event in events.iter().take(count) {
                put_of(results, event.data, event.result);
                self.close_where_done(event.data, results);
            }
            waiting = waiting.saturating_sub(count);
        }
    }

    /// Closes a device with its last read.
    fn close_where_done(&self, index: u64, results: &[AtomicI64]) {
        let Some(fd) = self.requests.iter().find(|request| request.data == index).map(|request| request.fd)
        else {
            return;
        };
        let pending = |request: &Request| {
            let result = usize::try_from(request.data).ok().and_then(|index| results.get(index));
            request.fd == fd && result.is_some_and(|result| result.load(Ordering::Acquire) == PENDING)
        };
        if !self.requests.iter().any(pending) {
            i32::try_from(fd).into_iter().for_each(close);
        }
    }
}

fn put(results: &[AtomicI64], index: usize, value: i64) {
    results.get(index).into_iter().for_each(|result| result.store(value, Ordering::Release));
}

fn put_of(results: &[AtomicI64], index: u64, value: i64) {
    usize::try_from(index).into_iter().for_each(|index| put(results, index, value));
}

/// Closes whatever the parent has open, but these, which are in order: a child that waits must not keep a lock, a pipe or an array.
fn close_all_but(keep: &[i32]) {
    let close = |from: i32, to: i32| {
        if from > to {
            return;
        }
        // SAFETY: the descriptors are this process's own copies, and nothing here uses them.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
        if closed != 0 {
            // Older than Linux 5.9.
            (from..=to.min(4096)).for_each(close);
        }
    };
    let mut from: i32 = 0;
    for fd in keep {
        close(from, fd.saturating_sub(1));
        from = fd.saturating_add(1);
    }
    close(from, i32::MAX);
}

fn close(fd: i32) {
    // SAFETY: called in the child alone, for descriptors that it does not use any more.
    unsafe { libc::close(fd) };
}

/// An `aio_context_t`. It ends with the process.
struct Context(libc::c_ulong);

impl Context {
    fn new() -> Result<Self, Errno> {
        let mut id: libc::c_ulong = 0;
        // SAFETY: the kernel writes one word, `id`.
        Errno::result(unsafe { libc::syscall(libc::SYS_io_setup, AT_ONCE, &raw mut id) })?;
        Ok(Self(id))
    }

    /// Hands over as many as the kernel takes, in order; how many. One that it refuses is marked.
    fn submit(&self, requests: &mut [Request], pointers: &mut Vec<*mut Request>) -> usize {
        // There is room for all of them.
        pointers.extend(requests.iter_mut().map(ptr::from_mut));
        let mut rest = pointers.as_mut_slice();
        let mut sent: usize = 0;
        while !rest.is_empty() {
            // SAFETY: the pointers are to requests, each with a buffer of its length; both last as long as the process.
            let taken = Errno::result(unsafe {
                libc::syscall(libc::SYS_io_submit, self.0, rest.len(), rest.as_mut_ptr())
            });
            let taken = match taken {
                Ok(taken) => usize::try_from(taken).unwrap_or_default(),
                Err(Errno::EINTR) => continue,
                Err(_) => 0,
            };
            sent = sent.saturating_add(taken);
            if let (0, Some(refused)) = (taken, rest.first()) {
                // SAFETY: the kernel did not take it, so it is ours alone.
                unsafe { (**refused).opcode = REFUSED };
            }
            rest = rest.get_mut(taken.max(1)..).unwrap_or_default();
        }
        sent
    }

    /// At least one answer.
    fn events(&self, events: &mut [Event; AT_ONCE]) -> Result<usize, Errno> {
        loop {
            // SAFETY: room for as many events as it may write; no time-out is the null pointer.
            let count = Errno::result(unsafe {
                libc::syscall(
                    libc::SYS_io_getevents,
                    self.0,
                    1,
                    AT_ONCE,
                    events.as_mut_ptr(),
                    ptr::null_mut::<libc::timespec>(),
                )
            });
            match count {
                Ok(count) => return Ok(usize::try_from(count).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// In the place of an operation: the kernel did not take the request.
const REFUSED: u16 = u16::MAX;

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

fn request(read: &Read<'_>, buffer: u64, index: u64) -> Request {
    Request {
        data: index,
        opcode: PREAD,
        fd: u32::try_from(read.device.as_fd().as_raw_fd()).unwrap_or(u32::MAX),
        buffer,
        length: read.length.0,
        offset: read.at.0,
        ..Request::default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::kernel::Access;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn reads_come_back_in_order_and_short_ones_failed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..300u32 << 10).map(|at| u8::try_from(at / 512 % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        let device = BlockDevice::open(file.path(), Access::Read).unwrap();
        let read = |at, length| Read { device: &device, at: Bytes(at), length: Bytes(length) };
        let mut reads: Vec<Read<'_>> = (0..200).map(|n| read(n * 1024, 512)).collect();
        reads.push(read(299 << 10, 4096));
        reads.push(read(0, 300 << 10));
        let answers = read_all(&reads, LIMIT).unwrap();
        let whole = |answer: &ReadAnswer| match answer {
            ReadAnswer::Whole(bytes) => bytes.as_ref().as_ref().to_vec(),
            ReadAnswer::Failed | ReadAnswer::Late => panic!("not whole"),
        };
        for (n, answer) in answers.iter().take(200).enumerate() {
            assert_eq!(whole(answer), &bytes[n * 1024..][..512], "{n}");
        }
        assert!(matches!(answers[200], ReadAnswer::Failed), "past the end");
        assert_eq!(whole(&answers[201]), &bytes[..]);
        assert_eq!(device.reads(), 202);
        assert!(read_all(&[], LIMIT).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_answer_in_time_is_late() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4096).unwrap();
        let device = BlockDevice::open(file.path(), Access::Read).unwrap();
        // No time at all: nobody has asked the child for anything yet.
        let answers =
            read_all(&[Read { device: &device, at: Bytes(0), length: Bytes(512) }], Duration::ZERO).unwrap();
        assert!(matches!(answers[..], [ReadAnswer::Late | ReadAnswer::Whole(_)]));
    }
}
