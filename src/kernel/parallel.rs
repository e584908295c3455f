//! Threads: the same work for many things, several at a time; and a stack that is as large as it has to be.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use nix::sys::{
    resource::{Resource, getrlimit},
    signal::{SigSet, Signal},
};

/// What threads of tests have, so that whatever passes them passes here.
const STACK: usize = 2 << 20;

/// Does the work on a stack that is large enough: the first thread's is as large as somebody's limit says, which may be 64 KiB.
/// Where it is too small, on a thread's; signals go to that thread alone, as if there were no other.
pub fn on_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let work = Mutex::new(Some(work));
    let take = || work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let run = || {
        // A write beyond the limit for files (RLIMIT_FSIZE) is an error to report, not the end.
        let _ = [Signal::SIGXFSZ].into_iter().collect::<SigSet>().thread_block();
        take().map(|work| work())
    };
    let enough = u64::try_from(STACK)
        .is_ok_and(|stack| getrlimit(Resource::RLIMIT_STACK).is_ok_and(|(soft, _)| soft >= stack));
    if enough {
        return run().unwrap_or_else(|| unreachable!("the work is taken once"));
    }
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run).ok()?;
        // It has begun with the mask from before.
        let before = SigSet::thread_get_mask();
        let blocked = SigSet::all().thread_block();
        let done = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let (Ok(before), Ok(())) = (before, blocked) {
            let _ = before.thread_set_mask();
        }
        done
    });
    // Without a thread to be had, here; the work is still there then.
    done.or_else(run).unwrap_or_else(|| unreachable!("the work is taken once"))
}

/// Does the same for every item, on at most so many threads; the answers are in the order of the items. A panic of one is a
/// panic of the caller's.
pub fn each<I: Sync, T: Send>(threads: usize, items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    if threads.min(items.len()) <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let found: Vec<(usize, T)> = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(some)).collect();
        let mut found = some();
        for helper in helpers {
            found.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        found
    });
    // Sorting would be a copy of its code for every type.
    let mut answers: Vec<Option<T>> = items.iter().map(|_| None).collect();
    for (index, answer) in found {
        if let Some(place) = answers.get_mut(index) {
            *place = Some(answer);
        }
    }
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_and_a_panic_is_not_lost() {
        let items: Vec<u32> = (0..100).collect();
        for threads in [0, 1, 7, 200] {
            assert_eq!(each(threads, &items, |n| n + 1), (1..=100).collect::<Vec<_>>());
        }
        let panics = std::panic::catch_unwind(|| each(4, &items, |n| assert!(*n != 50)));
        assert!(panics.is_err());
    }
}
