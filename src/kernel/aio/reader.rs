//! A device read with an end to waiting for it, wherever it is read, one read after the other: by the thread's ring, or, where
//! that has not got it without waiting, by a process of its own.
//!
//! The process is made with the first read that needs it, for many devices are opened and not read any more. It shares memory with us, has
//! nothing open but the device and a socket, and ends with that socket: also where we are killed. One that waits for a device
//! is left behind.

use std::{
    cell::Cell,
    fs::File,
    io,
    mem::size_of,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::FileExt as _,
    },
    path::{Path, PathBuf},
    slice,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    libc::{self, c_void},
    sys::{
        signal::SigSet,
        socket::{AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, send, shutdown, socketpair},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork},
};

use super::{
    AGAIN, DATA, Flight, LONGEST_WAIT, PENDING, RingRead, Shared, close, close_all_but, leave, waits_for,
};
use crate::kernel::{
    Deadline,
    page::Pages,
    wait::{self, Told},
};

/// What one read brings at most: the largest transfer, and a block at either end.
const ROOM: usize = (1 << 20) + (128 << 10);
/// How long a process that waits for nothing may take to close its device.
const TO_CLOSE: Duration = Duration::from_secs(1);

/// Reads of one device, each with an end.
#[derive(Debug)]
pub struct Limited {
    path: PathBuf,
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// By this thread's ring.
    New,
    /// By a process of its own, with the next read.
    Otherwise,
    /// By this process.
    By(Reader),
    /// There is no second process to be had: by this one, without a limit.
    Directly,
    /// It did not answer; nobody waits for it once more.
    Late,
}

impl Limited {
    /// Of the device of this name.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), limit: LONGEST_WAIT, state: Mutex::new(State::New) }
    }

    fn told(&self) -> Told<impl FnOnce() + '_> {
        let name = || std::iter::once(self.path.display().to_string());
        Told::new(self.limit, move || waits_for(name(), self.limit))
    }

    /// One read of `file`, which is the device each time.
    ///
    /// # Errors
    /// The device's answer; `TimedOut` where it has none, and from then on always.
    pub fn read(&self, file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(file, buf.len(), at, |there| {
            buf.get_mut(..there.len()).unwrap_or_default().copy_from_slice(there);
            there.len()
        })
    }

    /// The same, shown where it was read to.
    ///
    /// # Errors
    /// As above.
    pub fn with<T>(
        &self,
        file: &File,
        length: usize,
        at: u64,
        take: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<T> {
        let length = length.min(ROOM);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::New) {
            let room = ROOM_OF_THREAD.take().or_else(|| Some(Arc::new(Shared::new(ROOM).ok()?)));
            match room.map(|room| (by_ring(&room, file, length, at, &mut self.told()), room)) {
                Some((PENDING, _)) => {
                    *state = State::Late;
                    return Err(late(self.limit));
                }
                Some((said, room)) if said != AGAIN => {
                    let answer = taken(&room, said, length, take);
                    ROOM_OF_THREAD.set(Some(room));
                    return answer;
                }
                Some(_) | None => *state = State::Otherwise,
            }
        }
        if matches!(*state, State::Otherwise) {
            *state = Reader::start(file).map_or_else(
                |errno| {
                    tracing::debug!(%errno, "reads have no limit");
                    State::Directly
                },
                State::By,
            );
        }
        let answer = match &mut *state {
            State::New | State::Otherwise | State::Directly => {
                let mut pages = Pages::new(length);
                let count = file.read_at(pages.bytes_mut(), at)?;
                return Ok(take(pages.bytes().get(..count).unwrap_or_default()));
            }
            State::Late => return Err(late(self.limit)),
            State::By(reader) => match reader.read(length, at, &mut self.told()) {
                Ok(Some(said)) => return taken(&reader.room, said, length, take),
                other => other,
            },
        };
        Err(match answer {
            Err(errno) => {
                *state = State::Otherwise;
                io::Error::other(format!("the process that reads it has ended ({errno})"))
            }
            Ok(_) => {
                *state = State::Late;
                late(self.limit)
            }
        })
    }
}

thread_local! {
    /// What this thread's ring reads into, one device after the other.
    static ROOM_OF_THREAD: Cell<Option<Arc<Shared>>> = const { Cell::new(None) };
}

/// One read; what the kernel says of it.
fn by_ring(room: &Arc<Shared>, file: &File, length: usize, at: u64, told: &mut Told<impl FnOnce()>) -> i64 {
    let mut said = PENDING;
    let mut put = |_, result| said = result;
    let read = RingRead { fd: file.as_fd().as_raw_fd(), at, range: 0..length };
    Flight::begin(std::iter::once(read), room, &mut put).end(told, &mut put);
    said
}

/// What was read into the room, or the device's error.
fn taken<T>(room: &Shared, said: i64, length: usize, take: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    let Ok(count) = usize::try_from(said) else {
        return Err(io::Error::from_raw_os_error(i32::try_from(said.saturating_neg()).unwrap_or(libc::EIO)));
    };
    let count = count.min(length).min(ROOM);
    // SAFETY: the range is inside of the mapping, and nobody writes there before the next read.
    Ok(take(unsafe { slice::from_raw_parts(room.data(0).cast::<u8>(), count) }))
}

fn late(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()))
}

/// The process, and what it shares with us.
struct Reader {
    child: Pid,
    talk: OwnedFd,
    room: Shared,
    /// It answered whatever it was asked.
    idle: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.child)
    }
}

impl Reader {
    fn start(device: &File) -> Result<Self, Errno> {
        let room = Shared::new(ROOM)?;
        let (talk, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let mut keep = [device.as_fd().as_raw_fd(), theirs.as_raw_fd()];
        keep.sort_unstable();
        // SAFETY: the child makes system calls only, on memory made ready here: it neither allocates nor takes a lock.
        match unsafe { fork() }? {
            ForkResult::Child => serve(device.as_fd().as_raw_fd(), theirs.as_raw_fd(), &keep, &room),
            ForkResult::Parent { child } => Ok(Self { child, talk, room, idle: true }),
        }
    }

    /// `None` where the device does not answer in time; an error where the process does not.
    fn read(&mut self, length: usize, at: u64, told: &mut Told<impl FnOnce()>) -> Result<Option<i64>, Errno> {
        let asked = [at, u64::try_from(length).unwrap_or_default()].map(u64::to_ne_bytes).concat();
        send(self.talk.as_raw_fd(), &asked, MsgFlags::MSG_NOSIGNAL)?;
        self.idle = false;
        while let Some(slice) = told.slice() {
            if !wait::readable(&[self.talk.as_fd()], slice).unwrap_or(false) {
                continue;
            }
            let mut said = [0; size_of::<i64>()];
            let count = recv(self.talk.as_raw_fd(), &mut said, MsgFlags::empty())?;
            if count != said.len() {
                return Err(Errno::ECHILD);
            }
            self.idle = true;
            return Ok(Some(i64::from_ne_bytes(said)));
        }
        Ok(None)
    }
}

impl Drop for Reader {
    /// Whoever closes a device must not find it open a moment later: an array could not be stopped.
    fn drop(&mut self) {
        let _ = shutdown(self.talk.as_raw_fd(), Shutdown::Write);
        let deadline = Deadline::after(TO_CLOSE);
        while let Some(left) = deadline.left().filter(|_| self.idle) {
            if wait::readable(&[self.talk.as_fd()], left).unwrap_or(true) {
                // It has closed the device, and does nothing more.
                let _ = waitpid(self.child, None);
                return;
            }
        }
        leave(self.child);
    }
}

/// Reads what it is asked for until nobody asks any more. Errors are given as negative numbers.
fn serve(device: i32, talk: i32, keep: &[i32], room: &Shared) -> ! {
    // What a terminal sends is for the parent.
    let _ = SigSet::all().thread_block();
    close_all_but(keep);
    let data: *mut c_void = room.data(0);
    loop {
        let mut asked = [0_u64; 2];
        // SAFETY: two words of this frame are written.
        let got = unsafe { libc::recv(talk, asked.as_mut_ptr().cast(), size_of::<[u64; 2]>(), 0) };
        if usize::try_from(got) != Ok(size_of::<[u64; 2]>()) {
            break;
        }
        let [at, length] = asked;
        let (at, length) = (i64::try_from(at).unwrap_or(-1), usize::try_from(length).unwrap_or(0).min(ROOM));
        // SAFETY: the mapping has room for as much.
        let count = unsafe { libc::pread(device, data, length, at) };
        let said: i64 = match i64::try_from(count) {
            Ok(count) if count >= 0 => count,
            _ => -i64::from(Errno::last_raw()),
        };
        // SAFETY: one word of this frame is read.
        unsafe { libc::send(talk, (&raw const said).cast(), size_of::<i64>(), libc::MSG_NOSIGNAL) };
    }
    close(device);
    close(talk);
    // SAFETY: the process ends, and with it whatever it had.
    unsafe { libc::_exit(0) }
}

const _: () = assert!(DATA % super::PAGE == 0);

#[cfg(test)]
mod tests {
    use std::{io::Write as _, time::Instant};

    use super::*;

    fn limited(limit: Duration) -> Limited {
        Limited { path: "x".into(), limit, state: Mutex::new(State::Otherwise) }
    }

    #[test]
    fn by_whom_it_is_read_makes_no_difference() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 8192]).unwrap();
        for state in [State::New, State::Otherwise, State::Directly] {
            let limited = Limited { state: Mutex::new(state), ..limited(LONGEST_WAIT) };
            for _ in 0..2 {
                let mut buf = [0; 4096];
                assert_eq!(limited.read(file.as_file(), &mut buf, 6144).unwrap(), 2048);
                assert!(buf[..2048].iter().all(|byte| *byte == 7) && buf[2048] == 0);
                let seen = limited.with(file.as_file(), 512, 0, <[u8]>::to_vec).unwrap();
                assert_eq!(seen, [7; 512]);
            }
        }
    }

    #[test]
    fn reads_are_those_of_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..100_u32 << 10).map(|at| u8::try_from(at / 512 % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        let limited = limited(LONGEST_WAIT);
        let read = |at: u64, length: usize| {
            let mut buf = vec![0xa5; length];
            limited.read(file.as_file(), &mut buf, at).map(|count| (count, buf))
        };
        for (at, length) in [(0, 4096), (512, 1), (4096, 65536)] {
            let (count, buf) = read(at, length).unwrap();
            assert_eq!((count, &buf[..]), (length, &bytes[usize::try_from(at).unwrap()..][..length]));
        }
        assert_eq!(read((100 << 10) - 100, 512).unwrap().0, 100, "short at the end");
        assert_eq!(read(1 << 20, 512).unwrap().0, 0);
        let State::By(reader) = &*limited.state.lock().unwrap() else { panic!("by a process") };
        assert!(reader.idle);
    }

    #[test]
    fn errors_are_the_devices_own() {
        let directory = File::open("/").unwrap();
        let error = limited(LONGEST_WAIT).read(&directory, &mut [0; 512], 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EISDIR));
    }

    #[test]
    fn what_does_not_answer_is_not_waited_for_again() {
        let file = tempfile::tempfile().unwrap();
        let limited = limited(Duration::from_millis(50));
        limited.read(&file, &mut [0; 512], 0).unwrap();
        let child = match &*limited.state.lock().unwrap() {
            State::By(reader) => reader.child,
            other => panic!("by a process: {other:?}"),
        };
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGSTOP).unwrap();
        let (file, limited) = (&file, &limited);
        let read = move || limited.read(file, &mut [0; 512], 0).unwrap_err().kind();
        let begun = Instant::now();
        assert_eq!((read(), read()), (io::ErrorKind::TimedOut, io::ErrorKind::TimedOut));
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(matches!(*limited.state.lock().unwrap(), State::Late));
    }
}
