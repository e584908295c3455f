//! Memory aligned for direct I/O.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// The unit of memory and the alignment that every block driver takes.
pub(super) const PAGE: usize = 4096;

#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(4096))]
struct Page([u8; PAGE]);

/// Zeroed bytes that begin on a page boundary.
pub(super) struct Pages {
    pages: Vec<Page>,
    len: usize,
}

impl Pages {
    /// `len` bytes.
    pub(super) fn new(len: usize) -> Self {
        let pages = Page::new_vec_zeroed(len.div_ceil(PAGE));
        Self { pages: pages.unwrap_or_else(|_| vec![Page([0; PAGE]); len.div_ceil(PAGE)]), len }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.pages.as_bytes().split_at(self.len).0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.pages.as_mut_bytes().split_at_mut(self.len).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_and_of_the_asked_length() {
        for len in [0, 1, 512, PAGE, PAGE + 512] {
            let mut pages = Pages::new(len);
            assert_eq!(pages.bytes().len(), len);
            assert_eq!(pages.bytes_mut().as_ptr().addr() % PAGE, 0);
            assert!(pages.bytes().iter().all(|&b| b == 0));
        }
    }
}
