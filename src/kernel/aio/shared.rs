//! Memory that several have: this process, one that reads for it, the kernel.

use std::{
    mem,
    num::NonZeroUsize,
    ops::Range,
    ptr::NonNull,
    slice,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use nix::{
    errno::Errno,
    libc::c_void,
    sys::mman::{self, MapFlags, ProtFlags},
};

use super::{AT_ONCE, PAGE};

/// A result that has not come.
pub(super) const PENDING: i64 = i64::MIN;

/// Memory that a child has, too: the results first, then what is read.
#[derive(Debug)]
pub(super) struct Shared {
    start: NonNull<c_void>,
    length: NonZeroUsize,
}

/// Where what is read begins.
pub(super) const DATA: usize = PAGE;
const _: () = assert!(AT_ONCE * mem::size_of::<AtomicI64>() <= DATA);

// SAFETY: it is plain memory. Results are atomic; a range of data is read only after its result has come.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn new(data: usize) -> Result<Self, Errno> {
        let length = NonZeroUsize::MIN.saturating_add(DATA.saturating_add(data).saturating_sub(1));
        let (access, how) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        // SAFETY: a new mapping at a place of the kernel's choice.
        let start = unsafe { mman::mmap_anonymous(None, length, access, how) }?;
        let shared = Self { start, length };
        shared.results().iter().for_each(|result| result.store(PENDING, Ordering::Release));
        Ok(shared)
    }

    pub(super) fn results(&self) -> &[AtomicI64] {
        // SAFETY: the mapping has one page for them, on a page boundary, and lives as long as `self`.
        unsafe { slice::from_raw_parts(self.start.cast().as_ptr(), AT_ONCE) }
    }

    pub(super) fn result(&self, index: usize) -> i64 {
        self.results().get(index).map_or(PENDING, |result| result.load(Ordering::Acquire))
    }

    /// Where a byte of the data is.
    pub(super) fn data(&self, at: usize) -> *mut c_void {
        self.start.as_ptr().cast::<u8>().wrapping_add(DATA.saturating_add(at)).cast()
    }

    /// How much of a range there is.
    pub(super) fn room(&self, range: &Range<usize>) -> usize {
        let end = self.length.get().saturating_sub(DATA);
        range.end.min(end).saturating_sub(range.start)
    }

    /// The same as the kernel's structures have it.
    pub(super) fn place(&self, at: usize) -> u64 {
        u64::try_from(self.data(at).expose_provenance()).unwrap_or_default()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's; nobody has a reference into it any more. A child has its own.
        let _ = unsafe { mman::munmap(self.start, self.length.get()) };
    }
}

/// What one read brought.
pub(super) struct Part {
    pub(super) shared: Arc<Shared>,
    pub(super) range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        let start = self.shared.start.cast::<u8>();
        // SAFETY: the range is inside of the mapping, and its read is over: nobody writes there any more.
        unsafe { slice::from_raw_parts(start.add(DATA).add(self.range.start).as_ptr(), self.range.len()) }
    }
}
