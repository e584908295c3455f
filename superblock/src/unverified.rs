//! What was read and is not to be relied on yet, whatever the format.

use crate::{Damage, units::Sectors};

/// What makes a superblock one that decisions may be made with.
pub trait Judge {
    /// Whether the bytes are those that were written.
    ///
    /// # Errors
    /// [`Damage::Corrupt`] with both sums.
    fn judge_checksum(&self) -> Result<(), Damage>;

    /// Whether every number is one that the kernel can take, on a device of this size.
    ///
    /// # Errors
    /// [`Damage::Corrupt`] with the first that is not; [`Damage::Unsupported`] for another version.
    fn judge_bounds(&self, device: Sectors) -> Result<(), Damage>;
}

/// A superblock in its place that was not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified<T> {
    superblock: T,
    device: Sectors,
}

impl<T: Judge> Unverified<T> {
    /// What was read of a device of this size.
    pub(crate) fn new(superblock: T, device: Sectors) -> Self {
        Self { superblock, device }
    }

    /// The same, as one of several formats.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Unverified<U> {
        Unverified { superblock: into(self.superblock), device: self.device }
    }

    /// The superblock, if its checksum is right and its numbers are within bounds.
    ///
    /// # Errors
    /// [`Damage`] with what is wrong.
    pub fn verify(self) -> Result<T, Damage> {
        self.check()?;
        Ok(self.superblock)
    }

    /// What [`Self::verify`] would say.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn check(&self) -> Result<(), Damage> {
        self.superblock.judge_checksum()?;
        self.bounds()
    }

    /// Whether its numbers are within bounds, whatever its checksum is. A wrong checksum may be believed by force; a
    /// number that the kernel would stumble over never.
    ///
    /// # Errors
    /// As [`Judge::judge_bounds`].
    pub fn bounds(&self) -> Result<(), Damage> {
        self.superblock.judge_bounds(self.device)
    }

    /// The fields as they stand, for showing them. Decide nothing by them.
    #[must_use]
    pub fn fields(&self) -> &T {
        &self.superblock
    }

    /// The superblock in spite of its checksum, for a report or a repair that the user has asked for. Its numbers are
    /// judged by [`Self::bounds`] alone.
    #[must_use]
    pub fn despite_checksum(self) -> T {
        self.superblock
    }
}
