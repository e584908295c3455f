//! Which numbers the kernel's md driver can take. It believes a superblock whose checksum is right: it allocates by its
//! counts, divides by its chunk and copies, and writes where its offsets lead. So nothing is handed to it that is not
//! within these bounds.
//!
//! *Source*: `drivers/md/md.c` (`super_90_load`, `super_1_load`, `super_1_validate`), `raid5.c` (`setup_conf`,
//! `raid5_run`), `raid10.c` (`setup_geo`), `raid0.c` (`create_strip_zones`), `raid5-ppl.c` (`ppl_validate_rdev`).

use crate::{
    Level, What,
    units::{Bytes, Sectors},
};

/// More sectors than any device has: bytes are counted in 63 bits.
const NO_DEVICE: u64 = 1 << 54;
/// The driver counts a chunk's bytes in 31 bits.
const LARGEST_CHUNK: Bytes = Bytes(0x7fff_ffff);
/// A page, the unit of parity and of RAID10's chunks.
const PAGE: Bytes = Bytes(4096);

/// How a format calls its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) level: &'static str,
    pub(crate) layout: &'static str,
    pub(crate) chunk: &'static str,
    pub(crate) disks: &'static str,
}

/// The shape of an array, before or after a reshape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) level: Level,
    /// `None` where the format does not record it.
    pub(crate) layout: Option<u32>,
    pub(crate) chunk: Bytes,
    /// Wider than the field, for sums of two.
    pub(crate) disks: i64,
    /// As many slots as the format has room for.
    pub(crate) most: u32,
}

/// The field is wrong, unless `holds`.
pub(crate) fn expect(
    holds: bool,
    field: &'static str,
    value: impl Into<i128>,
    rule: &'static str,
) -> Result<(), What> {
    if holds { Ok(()) } else { Err(What::Field { field, value: value.into(), rule }) }
}

/// A number of sectors that no device has.
pub(crate) fn possible(field: &'static str, sectors: Sectors) -> Result<(), What> {
    expect(sectors.0 < NO_DEVICE, field, sectors.0, "less than 2^54 sectors")
}

impl Shape {
    pub(crate) fn judge(&self, names: Names) -> Result<(), What> {
        let least = match self.level {
            Level::Faulty | Level::Multipath | Level::Linear | Level::Raid0 | Level::Raid1 => 1,
            Level::Raid4 | Level::Raid5 => 2,
            Level::Raid6 => 3,
            Level::Raid10 => 2,
            Level::Container | Level::Other(_) => {
                return expect(
                    false,
                    names.level,
                    self.level.number(),
                    "one of -5, -4, -1, 0, 1, 4, 5, 6, 10",
                );
            }
        };
        let disks = self.disks;
        expect(disks >= least, names.disks, disks, "at least what the level needs")?;
        expect(disks <= i64::from(self.most), names.disks, disks, "at most what the format has room for")?;
        self.judge_chunk(names)?;
        let Some(layout) = self.layout else { return Ok(()) };
        let known = match self.level {
            Level::Raid0 => layout <= 2,
            Level::Raid5 => layout <= 5,
            Level::Raid6 => matches!(layout, 0..=5 | 8..=10 | 16..=20),
            Level::Raid10 => self.is_layout_of_copies(layout),
            Level::Raid4
            | Level::Raid1
            | Level::Linear
            | Level::Faulty
            | Level::Multipath
            | Level::Container
            | Level::Other(_) => true,
        };
        expect(known, names.layout, layout, "a layout of its level and number of devices")
    }

    fn judge_chunk(&self, names: Names) -> Result<(), What> {
        let chunk = self.chunk;
        expect(chunk <= LARGEST_CHUNK, names.chunk, chunk.0, "less than 2 GiB (the value is in bytes)")?;
        match self.level {
            Level::Raid0 => {
                expect(chunk >= Bytes(512), names.chunk, chunk.0, "not 0 (the value is in bytes)")
            }
            Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10 => {
                let fits = chunk >= PAGE && chunk.0.is_power_of_two();
                expect(fits, names.chunk, chunk.0, "a power of two, 4096 or more (the value is in bytes)")
            }
            Level::Raid1
            | Level::Linear
            | Level::Faulty
            | Level::Multipath
            | Level::Container
            | Level::Other(_) => Ok(()),
        }
    }

    /// Near copies in the lowest byte, far ones in the next, then two bits and a number up to 2 for far sets. The driver
    /// divides by both counts.
    fn is_layout_of_copies(&self, layout: u32) -> bool {
        let (near, far) = (i64::from(layout & 0xff), i64::from(layout >> 8 & 0xff));
        let copies = near.saturating_mul(far);
        layout >> 17 <= 2 && (2..=self.disks).contains(&copies)
    }
}

/// Sectors of a device, from one up to the one before another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: i128,
    pub(crate) to: i128,
}

impl Span {
    pub(crate) fn new(from: impl Into<i128>, length: impl Into<i128>) -> Self {
        let from = from.into();
        Self { from, to: from.saturating_add(length.into()) }
    }

    pub(crate) fn is_within(self, other: Self) -> bool {
        self.from >= other.from && self.to <= other.to
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}
