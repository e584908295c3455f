//! A device read by a process of its own, one read after the other: so there is an end to waiting for it, wherever it is read.
//!
//! The process is made with the first read, for many devices are opened and not read any more. It shares memory with us, has
//! nothing open but the device and a socket, and ends with that socket: also where we are killed. One that waits for a device
//! is left behind.

use std::{
    fs::File,
    io,
    mem::size_of,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::FileExt as _,
    },
    path::{Path, PathBuf},
    slice,
    sync::{Mutex, PoisonError},
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

use super::{DATA, LONGEST_WAIT, Shared, close, close_all_but, leave, waits_for};
use crate::kernel::{
    Deadline,
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
    /// Nothing was read yet.
    New,
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

    /// One read of `file`, which is the device each time.
    ///
    /// # Errors
    /// The device's answer; `TimedOut` where it has none, and from then on always.
    pub fn read(&self, file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::New) {
            *state = Reader::start(file).map_or_else(
                |errno| {
                    tracing::debug!(%errno, "reads have no limit");
                    State::Directly
                },
                State::By,
            );
        }
        let answer = match &mut *state {
            State::New | State::Directly => return file.read_at(buf, at),
            State::Late => return Err(late(self.limit)),
            State::By(reader) => reader.read(buf, at, &self.path, self.limit),
        };
        match answer {
            Ok(Some(count)) => count,
            Ok(None) => {
                *state = State::Late;
                Err(late(self.limit))
            }
            Err(errno) => {
                *state = State::New;
                Err(io::Error::other(format!("the process that reads it has ended ({errno})")))
            }
        }
    }
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
    fn read(
        &mut self,
        buf: &mut [u8],
        at: u64,
        path: &Path,
        limit: Duration,
    ) -> Result<Option<io::Result<usize>>, Errno> {
        let length = buf.len().min(ROOM);
        let asked = [at, u64::try_from(length).unwrap_or_default()].map(u64::to_ne_bytes).concat();
        send(self.talk.as_raw_fd(), &asked, MsgFlags::MSG_NOSIGNAL)?;
        self.idle = false;
        let mut told = Told::new(limit, || waits_for(std::iter::once(path.display().to_string()), limit));
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
            return Ok(Some(self.take(i64::from_ne_bytes(said), buf)));
        }
        Ok(None)
    }

    /// What the process said that it read.
    fn take(&self, said: i64, buf: &mut [u8]) -> io::Result<usize> {
        let Ok(count) = usize::try_from(said) else {
            return Err(io::Error::from_raw_os_error(
                i32::try_from(said.saturating_neg()).unwrap_or(libc::EIO),
            ));
        };
        let count = count.min(buf.len()).min(ROOM);
        // SAFETY: the range is inside of the mapping, and the process waits for what it is asked next.
        let there = unsafe { slice::from_raw_parts(self.room.data(0).cast::<u8>(), count) };
        buf.get_mut(..count).unwrap_or_default().copy_from_slice(there);
        Ok(count)
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
        Limited { path: "x".into(), limit, state: Mutex::new(State::New) }
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
