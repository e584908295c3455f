//! Bytes of a member that were read once: guesses differ in what they make of them, not in what they read.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
};

use superblock::{Bytes, Media};

/// The unit of reads.
const PIECE: u64 = 8 << 10;
/// So many pieces are kept of all members together: 40 MiB.
const ALL: usize = 5120;
/// So many are kept of each member, however many there are: what one look at it takes.
const LEAST: usize = 32;

/// A device behind a cache.
pub struct Cached<'a> {
    media: &'a dyn Media,
    pieces: RefCell<Pieces>,
    /// The most pieces that are kept.
    most: usize,
    /// Pieces that could not be read, and what was said of the first.
    failed: RefCell<Failed>,
}

/// What was read, and when each was last asked for.
#[derive(Default)]
struct Pieces {
    kept: BTreeMap<u64, (u64, Option<Vec<u8>>)>,
    asked: u64,
    read: u64,
}

impl Pieces {
    /// Makes room for one more: the one that was not asked for the longest goes.
    fn make_room(&mut self, most: usize) {
        if self.kept.len() < most {
            return;
        }
        let oldest = self.kept.iter().min_by_key(|(_, (asked, _))| *asked).map(|(piece, _)| *piece);
        if let Some(piece) = oldest {
            self.kept.remove(&piece);
        }
    }
}

#[derive(Default)]
struct Failed {
    pieces: BTreeSet<u64>,
    first: Option<(u64, io::Error)>,
}

impl<'a> Cached<'a> {
    /// One of so many devices; nothing is read yet.
    #[must_use]
    pub fn new(media: &'a dyn Media, devices: usize) -> Self {
        let most = ALL.checked_div(devices).unwrap_or(ALL).max(LEAST);
        Self { media, pieces: RefCell::default(), most, failed: RefCell::default() }
    }

    /// Bytes that were read from the device.
    #[must_use]
    pub fn read(&self) -> Bytes {
        Bytes(self.pieces.borrow().read)
    }

    /// What could not be read, for people; `None` where all could.
    #[must_use]
    pub fn unreadable(&self, name: &str) -> Option<String> {
        let failed = self.failed.borrow();
        let (first, error) = failed.first.as_ref()?;
        Some(match failed.pieces.len() {
            1 => format!("{name}: 8 KiB at byte {first} could not be read and count for nothing: {error}"),
            pieces => format!(
                "{name}: {pieces} times 8 KiB could not be read and count for nothing, the first at byte {first}: {error}"
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
        if !pieces.kept.contains_key(&piece) {
            pieces.make_room(self.most);
            let bytes = self.fetch(piece);
            let length = bytes.as_ref().map_or(0, Vec::len);
            pieces.read = pieces.read.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            pieces.kept.insert(piece, (0, bytes));
        }
        pieces.asked = pieces.asked.saturating_add(1);
        let now = pieces.asked;
        let bytes = pieces.kept.get_mut(&piece).and_then(|(asked, bytes)| {
            *asked = now;
            bytes.as_deref()
        });
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
        let cached = Cached::new(&device, 1);
        for (at, len) in [(0, 512), (65_000, 140_000 - 65_000), (199_999, 1), (0, 200_000)] {
            let mut bytes = vec![0; len];
            cached.read_at(Bytes(at), &mut bytes).unwrap();
            assert!(bytes == device[usize::try_from(at).unwrap()..][..len]);
        }
        assert!(cached.read_at(Bytes(199_999), &mut [0; 2]).is_err());
        assert!(cached.read_at(Bytes(u64::MAX), &mut [0; 2]).is_err());
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_often_stays() {
        struct Endless;
        impl Media for Endless {
            fn len(&self) -> Bytes {
                Bytes(u64::MAX)
            }
            fn read_at(&self, _: Bytes, buf: &mut [u8]) -> io::Result<()> {
                buf.fill(1);
                Ok(())
            }
        }
        let cached = Cached::new(&Endless, 24);
        let most = u64::try_from(cached.most).unwrap();
        assert!(most * PIECE * 24 <= 40 << 20);
        for piece in 0..3 * most {
            cached.read_at(Bytes(0), &mut [0; 512]).unwrap();
            cached.read_at(Bytes(piece * PIECE), &mut [0; 512]).unwrap();
        }
        assert_eq!(cached.pieces.borrow().kept.len(), cached.most);
        assert_eq!(cached.read(), Bytes(3 * most * PIECE), "each was read once, the first too");
    }
}
