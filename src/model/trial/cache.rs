//! Bytes of a member that were read once: guesses differ in what they make of them, not in what they read.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
};

use superblock::{Bytes, Media};

/// The unit of reads.
const PIECE: u64 = 64 << 10;
/// The most that is kept of one member.
const MOST: usize = 1024;

/// A device behind a cache.
pub struct Cached<'a> {
    media: &'a dyn Media,
    pieces: RefCell<BTreeMap<u64, Option<Vec<u8>>>>,
    /// Pieces that could not be read, and what was said of the first.
    failed: RefCell<Failed>,
}

#[derive(Default)]
struct Failed {
    pieces: BTreeSet<u64>,
    first: Option<(u64, io::Error)>,
}

impl<'a> Cached<'a> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(media: &'a dyn Media) -> Self {
        Self { media, pieces: RefCell::default(), failed: RefCell::default() }
    }

    /// What could not be read, for people; `None` where all could.
    #[must_use]
    pub fn unreadable(&self, name: &str) -> Option<String> {
        let failed = self.failed.borrow();
        let (first, error) = failed.first.as_ref()?;
        Some(match failed.pieces.len() {
            1 => format!("{name}: 64 KiB at byte {first} could not be read and count for nothing: {error}"),
            pieces => format!(
                "{name}: {pieces} times 64 KiB could not be read and count for nothing, the first at byte {first}: {error}"
            ),
        })
    }

    /// Reads one piece.
    fn fetch(&self, piece: u64) -> Option<Vec<u8>> {
        let start = piece.checked_mul(PIECE)?;
        let len = self.media.len().0.checked_sub(start)?.min(PIECE);
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        match self.media.read_at(Bytes(start), &mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) => {
                let mut failed = self.failed.borrow_mut();
                failed.pieces.insert(piece);
                failed.first.get_or_insert((start, error));
                None
            }
        }
    }

    /// The part of one piece, read if it was not yet.
    fn part(&self, piece: u64, skip: usize, buf: &mut [u8]) -> io::Result<()> {
        let mut pieces = self.pieces.borrow_mut();
        if pieces.len() >= MOST && !pieces.contains_key(&piece) {
            pieces.pop_first();
        }
        let bytes = pieces.entry(piece).or_insert_with(|| self.fetch(piece));
        let Some(bytes) = bytes else {
            // Around a bad sector there are good ones.
            let at = piece.checked_mul(PIECE).ok_or(io::ErrorKind::UnexpectedEof)?;
            let skip = u64::try_from(skip).unwrap_or(u64::MAX);
            return self.media.read_at(Bytes(at.saturating_add(skip)), buf);
        };
        let part = bytes.get(skip..).and_then(|bytes| bytes.get(..buf.len()));
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
