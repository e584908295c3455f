//! Bytes of a member that were read once: guesses differ in what they make of them, not in what they read.

use std::{cell::RefCell, collections::BTreeMap, io};

use superblock::{Bytes, Media};

/// The unit of reads.
const PIECE: u64 = 64 << 10;
/// The most that is kept of one member.
const MOST: usize = 1024;

/// A device behind a cache.
pub struct Cached<'a> {
    media: &'a dyn Media,
    pieces: RefCell<BTreeMap<u64, Option<Vec<u8>>>>,
}

impl<'a> Cached<'a> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(media: &'a dyn Media) -> Self {
        Self { media, pieces: RefCell::default() }
    }

    /// The part of one piece, read if it was not yet.
    fn part(&self, piece: u64, skip: usize, buf: &mut [u8]) -> io::Result<()> {
        let mut pieces = self.pieces.borrow_mut();
        if pieces.len() >= MOST && !pieces.contains_key(&piece) {
            pieces.pop_first();
        }
        let bytes = pieces.entry(piece).or_insert_with(|| {
            let start = piece.checked_mul(PIECE)?;
            let len = self.media.len().0.checked_sub(start)?.min(PIECE);
            let mut bytes = vec![0; usize::try_from(len).ok()?];
            self.media.read_at(Bytes(start), &mut bytes).ok().map(|()| bytes)
        });
        let part = bytes.as_ref().and_then(|bytes| bytes.get(skip..)?.get(..buf.len()));
        buf.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Media for Cached<'_> {
    fn len(&self) -> Bytes {
        self.media.len()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let (mut at, mut rest) = (offset.0, buf);
        while !rest.is_empty() {
            let skip = usize::try_from(at % PIECE).unwrap_or(0);
            let room = usize::try_from(PIECE).unwrap_or(0) - skip;
            let (part, next) = rest.split_at_mut(room.min(rest.len()));
            self.part(at / PIECE, skip, part)?;
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            rest = next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_and_the_same_end() {
        let device: Vec<u8> = (0..200_000u32).map(|at| at.to_le_bytes()[1]).collect();
        let cached = Cached::new(&device);
        for (at, len) in [(0, 512), (65_000, 140_000 - 65_000), (199_999, 1), (0, 200_000)] {
            let mut bytes = vec![0; len];
            cached.read_at(Bytes(at), &mut bytes).unwrap();
            assert!(bytes == device[usize::try_from(at).unwrap()..][..len]);
        }
        assert!(cached.read_at(Bytes(199_999), &mut [0; 2]).is_err());
        assert!(cached.read_at(Bytes(u64::MAX), &mut [0; 2]).is_err());
    }
}
