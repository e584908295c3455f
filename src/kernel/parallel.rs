//! The same work for many things, several at a time.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

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
    let mut found: Vec<(usize, T)> = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(some)).collect();
        let mut found = some();
        for helper in helpers {
            found.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        found
    });
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, answer)| answer).collect()
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
