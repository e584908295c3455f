//! Sorting whose code is there once. The standard library's is compiled again for each type and key, 3 to 7 KiB each, and the
//! program has to stay small; what is sorted here is short.

use std::cmp::Ordering;

/// Sorts; what is equal stays as it was.
pub trait InOrder<T> {
    /// By a comparison.
    fn order_by(&mut self, compare: impl Fn(&T, &T) -> Ordering);

    /// By a key.
    fn order_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.order_by(|a, b| key(a).cmp(&key(b)));
    }
}

impl<T> InOrder<T> for [T] {
    fn order_by(&mut self, compare: impl Fn(&T, &T) -> Ordering) {
        let both = |a: usize, b: usize| self.get(a).zip(self.get(b)).map(|(a, b)| compare(a, b));
        for (here, from) in exchanges(self.len(), &|a, b| both(a, b).unwrap_or(Ordering::Equal)) {
            self.swap(here, from);
        }
    }
}

/// The exchanges, one after the other, that put things into this order.
#[inline(never)]
fn exchanges(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    let mut exchanges = Vec::new();
    for here in 0..count {
        // What stood there may have been exchanged before: to where it was put.
        let mut from = here;
        loop {
            from = order.get(from).copied().unwrap_or(from);
            if from >= here {
                break;
            }
        }
        if from != here {
            exchanges.push((here, from));
        }
    }
    exchanges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_the_standard_library(items in proptest::collection::vec((0u8..8, 0u8..4), 0..40)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            ours.order_by_key(|(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(&ours, &theirs);
            ours.order_by(|a, b| b.cmp(a));
            theirs.sort_by(|a, b| b.cmp(a));
            prop_assert_eq!(ours, theirs);
        }
    }
}
