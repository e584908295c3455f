//! A device of which only some ranges are known: the rest reads as zeros.

use std::io;

use superblock::{Bytes, Media, Write};

use super::lay_over;

/// The known ranges.
pub(crate) struct Pieces<'a> {
    pub(crate) size: Bytes,
    pub(crate) pieces: &'a [Write],
}

impl Media for Pieces<'_> {
    fn len(&self) -> Bytes {
        self.size
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let length = Bytes(u64::try_from(buf.len()).unwrap_or(u64::MAX));
        if offset.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut wanted = Write { at: offset, data: vec![0; buf.len()] };
        for piece in self.pieces {
            lay_over(&mut wanted, piece);
        }
        buf.copy_from_slice(&wanted.data);
        Ok(())
    }
}
