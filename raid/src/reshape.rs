//! What it takes to lay the data of an array out in another shape, in place.

use superblock::{Level, Sectors};

use crate::geometry::{Copies, Geometry};

/// Two shapes of the same array at one level, and the way from the one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// As it is.
    pub before: Geometry,
    /// As it will be.
    pub after: Geometry,
}

/// Where the data of each member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// More members share it: from the beginning, each place is written long after it was read.
    Spreads,
    /// Fewer members share it: from the end.
    Gathers,
    /// As many: what is written lies where it was read.
    InPlace,
}

/// Sectors of a page, in which the kernel counts its stripe cache.
const PAGE: u64 = 8;
/// Chunks for which the kernel's stripe cache must have room.
const CACHED_CHUNKS: u64 = 4;

impl Reshape {
    /// Members' worth of data in a stripe, before and after. RAID10: members.
    #[must_use]
    pub fn widths(&self) -> Option<(u64, u64)> {
        Some((width(&self.before)?, width(&self.after)?))
    }

    /// Which way it goes.
    #[must_use]
    pub fn course(&self) -> Option<Way> {
        let (before, after) = self.widths()?;
        Some(match after.cmp(&before) {
            std::cmp::Ordering::Greater => Way::Spreads,
            std::cmp::Ordering::Less => Way::Gathers,
            std::cmp::Ordering::Equal => Way::InPlace,
        })
    }

    /// The least amount of the array's data that is whole stripes before and after.
    #[must_use]
    pub fn unit(&self) -> Option<Sectors> {
        let (before, after) = self.widths()?;
        let (a, b) = (self.before.chunk.0.checked_mul(before)?, self.after.chunk.0.checked_mul(after)?);
        Self::common_multiple(Sectors(a), Sectors(b))
    }

    /// The least multiple of both.
    #[must_use]
    pub fn common_multiple(a: Sectors, b: Sectors) -> Option<Sectors> {
        a.0.checked_div(common(a.0, b.0))?.checked_mul(b.0).map(Sectors)
    }

    /// The least that the data of each member must move, so that nothing is written over before it was read and what was
    /// written is on the disks.
    #[must_use]
    pub fn least_shift(&self) -> Option<Sectors> {
        if self.before.level == Level::Raid10 {
            let far = |of: &Geometry| of.chunk.0.checked_mul(Copies::from_layout(of.layout).far.into());
            return Some(Sectors(far(&self.before)?.max(far(&self.after)?)));
        }
        let (before, _) = self.widths()?;
        self.unit()?.0.checked_div(before).map(Sectors)
    }

    /// The array's data up to which what is written would lie over what is still to be read, were it not set aside: from the
    /// beginning, whichever way it goes. All of it where as many members share it as before.
    #[must_use]
    pub fn critical(&self) -> Option<Sectors> {
        let (before, after) = self.widths()?;
        let size = self.before.array_size()?.0.min(self.size()?.0);
        let apart = before.abs_diff(after);
        if apart == 0 {
            return Some(Sectors(size));
        }
        let chunk = self.before.chunk.0.max(self.after.chunk.0);
        let least = chunk.checked_mul(before)?.checked_mul(after)?.checked_div(apart)?;
        let unit = self.window_unit()?.0;
        // One more: the kernel counts from where it reads to where it writes by whole steps.
        let whole = least.div_ceil(unit).checked_add(1)?.checked_mul(unit)?;
        Some(Sectors(whole.min(size)))
    }

    /// What is set aside at once is a multiple of this: whole stripes before and after, and a place on the members at which the kernel
    /// can be told to stand still.
    #[must_use]
    pub fn window_unit(&self) -> Option<Sectors> {
        let (_, after) = self.widths()?;
        let chunks = Self::common_multiple(self.before.chunk, self.after.chunk)?;
        Self::common_multiple(self.unit()?, Sectors(chunks.0.checked_mul(after)?))
    }

    /// The array's size afterwards.
    #[must_use]
    pub fn size(&self) -> Option<Sectors> {
        self.after.array_size()
    }

    /// Pages of each member that the kernel's stripe cache must hold.
    #[must_use]
    pub fn cache(&self) -> Option<u64> {
        let (before, after) = self.widths()?;
        let chunks = self.before.chunk.0.max(self.after.chunk.0).checked_mul(CACHED_CHUNKS)?;
        let unit = self.unit()?.0.checked_div(before.min(after))?.checked_add(2 * PAGE)?;
        chunks.max(unit).div_ceil(PAGE).checked_add(1)
    }
}

fn width(of: &Geometry) -> Option<u64> {
    let n = u64::from(of.raid_disks);
    match of.level {
        Level::Raid4 | Level::Raid5 | Level::Raid6 => {
            of.data_disks().map(|(data, _)| data).filter(|d| *d > 0)
        }
        Level::Raid10 => Some(n).filter(|n| *n > 0),
        _ => None,
    }
}

/// Euclid's.
fn common(a: u64, b: u64) -> u64 {
    match a.checked_rem(b) {
        None => a,
        Some(rest) => common(b, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(level: Level, layout: u32, chunk: u64, raid_disks: u32) -> Geometry {
        Geometry { level, layout, chunk: Sectors(chunk), raid_disks, component_size: Sectors(129_024) }
    }

    #[test]
    fn numbers_of_reshapes_that_were_traced() {
        use Way::{Gathers, InPlace, Spreads};
        for (before, after, course, unit, shift, cache) in [
            // mdadm 4.6 on 6.12: new_offset 4096 to 1024, stripe_cache_size 513.
            (shape(Level::Raid5, 2, 1024, 3), shape(Level::Raid5, 2, 1024, 4), Spreads, 6144, 3072, 513),
            // 4096 to 6144.
            (shape(Level::Raid5, 2, 1024, 4), shape(Level::Raid5, 2, 1024, 3), Gathers, 6144, 2048, 513),
            (shape(Level::Raid5, 2, 128, 3), shape(Level::Raid5, 2, 256, 3), InPlace, 512, 256, 129),
            (shape(Level::Raid6, 18, 128, 4), shape(Level::Raid6, 2, 128, 4), InPlace, 256, 128, 65),
            (
                shape(Level::Raid10, 0x102, 128, 4),
                shape(Level::Raid10, 0x102, 128, 6),
                Spreads,
                1536,
                128,
                65,
            ),
            (
                shape(Level::Raid10, 0x102, 128, 4),
                shape(Level::Raid10, 0x1_0201, 128, 4),
                InPlace,
                512,
                256,
                65,
            ),
        ] {
            let reshape = Reshape { before, after };
            assert_eq!(reshape.course(), Some(course), "{reshape:?}");
            assert_eq!(reshape.unit(), Some(Sectors(unit)), "{reshape:?}");
            assert_eq!(reshape.least_shift(), Some(Sectors(shift)), "{reshape:?}");
            assert_eq!(reshape.cache(), Some(cache), "{reshape:?}");
        }
    }

    #[test]
    fn levels_without_stripes_have_no_reshape() {
        let mirror = shape(Level::Raid1, 0, 0, 2);
        assert_eq!(Reshape { before: mirror, after: mirror }.widths(), None);
        let lost = shape(Level::Raid6, 2, 128, 2);
        assert_eq!(Reshape { before: lost, after: lost }.widths(), None);
    }
}
