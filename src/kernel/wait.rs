//! Waiting with an end: for events on descriptors where there are any, by trying again where there are none.

use std::{
    os::fd::BorrowedFd,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{ErrorCause, KernelError};

/// After a longer wait it is said what for.
pub const LONG: Duration = Duration::from_secs(2);

/// The moment at which a wait ends.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    /// So long from now. More than a year is a year.
    pub fn after(limit: Duration) -> Self {
        let limit = limit.min(Duration::from_secs(365 * 86_400));
        let now = Instant::now();
        Self { end: now.checked_add(limit).unwrap_or(now), limit }
    }

    /// What is left; `None` once it is over.
    pub fn left(&self) -> Option<Duration> {
        self.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The error for a wait that is over.
    pub fn error(&self, device: &str, what: &'static str) -> KernelError {
        KernelError::other(device, what, ErrorCause::TimedOut(self.limit))
    }
}

/// A wait of which somebody hears, once, when it has become long.
pub struct Told<F> {
    deadline: Deadline,
    long: Deadline,
    told: Option<F>,
}

impl<F: FnOnce()> Told<F> {
    /// From now on, so long at most.
    pub fn new(limit: Duration, told: F) -> Self {
        Self { deadline: Deadline::after(limit), long: Deadline::after(LONG), told: Some(told) }
    }

    /// How long to sleep at most before this is asked again; `None` once it is over.
    pub fn slice(&mut self) -> Option<Duration> {
        let left = self.deadline.left()?;
        if let Some(long) = self.long.left() {
            return Some(left.min(long));
        }
        self.told.take().into_iter().for_each(|told| told());
        Some(left)
    }
}

/// Rounded up, for a slice of less than a millisecond must not spin; nothing is a look without sleep.
fn timeout(slice: Duration) -> PollTimeout {
    if slice.is_zero() {
        return PollTimeout::ZERO;
    }
    PollTimeout::try_from(slice.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX)
}

/// Sleeps until one of the descriptors has something to read, or the slice of time is over.
pub(super) fn readable(fds: &[BorrowedFd<'_>], slice: Duration) -> Result<bool, KernelError> {
    ready(fds, PollFlags::POLLIN, slice)
}

/// Sleeps until one of the descriptors is ready in this way, or the slice of time is over; whether one is.
pub(super) fn ready(fds: &[BorrowedFd<'_>], how: PollFlags, slice: Duration) -> Result<bool, KernelError> {
    let mut fds: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(*fd, how)).collect();
    match poll(&mut fds, timeout(slice)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(KernelError::new("event descriptors", "poll", errno)),
    }
}

/// Sleeps until the first has something exceptional or the second has input, or the slice of time is over.
pub(super) fn either(
    exceptional: BorrowedFd<'_>,
    input: BorrowedFd<'_>,
    slice: Duration,
) -> Result<(), KernelError> {
    let mut fds = [PollFd::new(exceptional, PollFlags::POLLPRI), PollFd::new(input, PollFlags::POLLIN)];
    match poll(&mut fds, timeout(slice)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(KernelError::new("event descriptors", "poll", errno)),
    }
}

/// Sleeps until something exceptional is told of the one, there is input at the others, or the slice of time is over; whether
/// it was the former.
pub(super) fn exceptional(
    file: Option<BorrowedFd<'_>>,
    inputs: &[BorrowedFd<'_>],
    slice: Duration,
) -> Result<bool, KernelError> {
    let mut fds: Vec<PollFd<'_>> = inputs.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    fds.extend(file.map(|fd| PollFd::new(fd, PollFlags::POLLPRI)));
    match poll(&mut fds, timeout(slice)) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(false),
        Err(errno) => return Err(KernelError::new("event descriptors", "poll", errno)),
    }
    let flags = PollFlags::POLLPRI | PollFlags::POLLERR;
    let rang = fds.get(inputs.len()).and_then(PollFd::revents);
    Ok(rang.is_some_and(|events| events.intersects(flags)))
}

/// Lets time pass, for what the kernel announces by no event that could be waited for.
pub fn pause(time: Duration) {
    // No descriptor, so it ends with the time or with a signal.
    let _ = ready(&[], PollFlags::empty(), time);
}

/// Tries until it works, until it fails in a way that is not `again`, or until time is over: then the last
/// error is the answer. For states of the kernel that no event announces, such as another's short-lived open. `told` is called
/// once where that takes long.
pub fn retry<T>(
    limit: Duration,
    mut attempt: impl FnMut() -> Result<T, KernelError>,
    again: impl Fn(&KernelError) -> bool,
    told: impl FnOnce(),
) -> Result<T, KernelError> {
    let mut wait = Told::new(limit, told);
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(error) if again(&error) => {
                let Some(left) = wait.slice() else { return Err(error) };
                thread::sleep(pause.min(left));
                pause = pause.saturating_mul(2).min(Duration::from_millis(200));
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_ends() {
        let busy = || KernelError::new("md0", "STOP_ARRAY", Errno::EBUSY);
        let mut tries = 0;
        let third = retry(
            Duration::from_secs(5),
            || {
                tries += 1;
                if tries < 3 { Err(busy()) } else { Ok(tries) }
            },
            |error| error.is(Errno::EBUSY),
            || panic!("not long"),
        );
        assert_eq!(third, Ok(3));
        let limit = Duration::from_millis(20);
        let never: Result<(), _> = retry(limit, || Err(busy()), |error| error.is(Errno::EBUSY), || ());
        assert_eq!(never, Err(busy()));
        let mut tries = 0;
        let other: Result<(), _> = retry(
            Duration::from_secs(5),
            || {
                tries += 1;
                Err(KernelError::new("md0", "STOP_ARRAY", Errno::ENXIO))
            },
            |error| error.is(Errno::EBUSY),
            || (),
        );
        assert!(other.is_err());
        assert_eq!(tries, 1);
    }

    #[test]
    fn a_wait_tells_once_when_it_is_long() {
        let told = std::cell::Cell::new(0);
        let tell = || told.set(told.get() + 1);
        let mut wait = Told::new(Duration::from_secs(60), tell);
        assert!(wait.slice().is_some_and(|slice| slice <= LONG));
        assert_eq!(told.get(), 0);
        wait.long = Deadline::after(Duration::ZERO);
        assert!(wait.slice().is_some_and(|slice| slice > LONG));
        assert!(wait.slice().is_some());
        assert_eq!(told.get(), 1);
        assert_eq!(Told::new(Duration::ZERO, || panic!("over")).slice(), None);
    }
}
