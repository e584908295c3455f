//! The states of a lockless bitmap: one byte for each chunk, from byte 1024 of the bitmap on.
//!
//! *Source*: `drivers/md/md-llbitmap.c`. Before the kernel has filled it ([`super::State::FIRST_USE`]) the bytes mean
//! nothing.

use super::{FORMAT, MAX_AREA, State, Superblock};
use crate::{
    Damage, Media,
    units::{Bytes, Sectors},
};

/// Where the states begin.
pub const STATES_AT: Bytes = Bytes(1024);

/// Chunks by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// How many there are, as far as they could be read.
    pub total: u64,
    /// Never written.
    pub unwritten: u64,
    /// In sync.
    pub clean: u64,
    /// Written to, or about to be.
    pub dirty: u64,
    /// To be synchronised, or at it.
    pub to_sync: u64,
    /// In a state that has no meaning here.
    pub unknown: u64,
}

impl States {
    fn add(&mut self, byte: u8) {
        let kind = match byte {
            0 => &mut self.unwritten,
            1 => &mut self.clean,
            2 => &mut self.dirty,
            3 | 4 => &mut self.to_sync,
            _ => &mut self.unknown,
        };
        *kind = kind.saturating_add(1);
        self.total = self.total.saturating_add(1);
    }
}

/// Counts the states of a bitmap whose superblock is at `at`, as far as the device goes; none before its first use.
///
/// # Errors
/// [`Damage::Io`].
pub fn count(media: &dyn Media, at: Sectors, superblock: &Superblock) -> Result<States, Damage> {
    let mut seen = States::default();
    if superblock.state().contains(State::FIRST_USE) {
        return Ok(seen);
    }
    let all = superblock.bits().unwrap_or(0);
    let end = at.bytes().saturating_add(MAX_AREA).min(media.len());
    let mut next = at.bytes().saturating_add(STATES_AT);
    let mut buf = [0; 4096];
    while seen.total < all && next < end {
        let here = end.saturating_sub(next).min(Bytes(4096));
        let Some(part) = usize::try_from(here.0).ok().and_then(|len| buf.get_mut(..len)) else { break };
        let io = |source| Damage::Io { format: FORMAT, at: next.sectors(), source };
        media.read_at(next, part).map_err(io)?;
        let left = usize::try_from(all.saturating_sub(seen.total)).unwrap_or(usize::MAX);
        part.iter().take(left).for_each(|byte| seen.add(*byte));
        next = next.saturating_add(here);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::{MAGIC, load};

    #[test]
    fn states_are_bytes_from_1024_on() {
        let mut image = vec![0u8; 8192];
        image[..4].copy_from_slice(&MAGIC.to_le_bytes());
        image[4] = 6;
        image[40..48].copy_from_slice(&64u64.to_le_bytes()); // sectors
        image[52..56].copy_from_slice(&4096u32.to_le_bytes()); // so 8 chunks
        image[1024..1034].copy_from_slice(&[0, 1, 1, 2, 3, 4, 5, 0xff, 1, 1]);
        let superblock = load(&image, Sectors(0)).unwrap();
        let states = count(&image, Sectors(0), &superblock).unwrap();
        let expected = States { total: 8, unwritten: 1, clean: 2, dirty: 1, to_sync: 2, unknown: 2 };
        assert_eq!(states, expected);
        image[48] = 1 << 3;
        let superblock = load(&image, Sectors(0)).unwrap();
        assert_eq!(count(&image, Sectors(0), &superblock).unwrap(), States::default());
    }
}
