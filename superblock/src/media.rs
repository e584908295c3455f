//! What formats are read from and what they are written as.

use std::io;

use crate::units::Bytes;

/// Something with bytes at offsets: a block device, an image, a recorded map of sectors.
pub trait Media {
    /// The size.
    fn len(&self) -> Bytes;

    /// Whether there is nothing at all.
    fn is_empty(&self) -> bool {
        self.len() == Bytes(0)
    }

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// The device's own error, or `UnexpectedEof` where the range is not wholly inside.
    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()>;
}

impl Media for [u8] {
    fn len(&self) -> Bytes {
        Bytes(u64::try_from(<[u8]>::len(self)).unwrap_or(u64::MAX))
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let start = usize::try_from(offset.0).map_err(|_| eof())?;
        let end = start.checked_add(buf.len()).ok_or_else(eof)?;
        buf.copy_from_slice(self.get(start..end).ok_or_else(eof)?);
        Ok(())
    }
}

impl Media for Vec<u8> {
    fn len(&self) -> Bytes {
        Media::len(self.as_slice())
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buf)
    }
}

/// Bytes that belong at an offset of a device. Offset and length are multiples of 512.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where, from the start of the device.
    pub at: Bytes,
    /// What.
    pub data: Vec<u8>,
}
