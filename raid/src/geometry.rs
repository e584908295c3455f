//! How members become an array: sizes, and how many members are enough.

use superblock::{Level, Sectors};

/// The shape of an array, without its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The level.
    pub level: Level,
    /// Layout number; its meaning depends on the level ([`crate::layout`]).
    pub layout: u32,
    /// Chunk; 0 where the level has none.
    pub chunk: Sectors,
    /// Number of slots.
    pub raid_disks: u32,
    /// Used size of each member.
    pub component_size: Sectors,
}

/// RAID10 layout number taken apart: near copies, far copies, offset instead of far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Copies in one stripe.
    pub near: u32,
    /// Copies at different places of the members.
    pub far: u32,
    /// Far copies lie in the next stripe instead of the next section.
    pub offset: bool,
}

impl Copies {
    /// From the layout number (`raid10.h`: near | far << 8 | offset << 16).
    #[must_use]
    pub fn from_layout(layout: u32) -> Self {
        Self { near: layout & 0xff, far: (layout >> 8) & 0xff, offset: layout & 0x1_0000 != 0 }
    }

    /// All copies; 0 for a damaged layout number.
    #[must_use]
    pub fn total(self) -> u32 {
        self.near.saturating_mul(self.far)
    }
}

impl Geometry {
    /// Members' worth of data as a fraction (numerator, denominator); `None` where the level does not say
    /// (linear, raid0: members may differ) or the layout is damaged.
    #[must_use]
    pub fn data_disks(&self) -> Option<(u64, u64)> {
        let n = u64::from(self.raid_disks);
        match self.level {
            Level::Raid1 | Level::Multipath | Level::Faulty => Some((1, 1)),
            Level::Raid4 | Level::Raid5 => n.checked_sub(1).map(|d| (d, 1)),
            Level::Raid6 => n.checked_sub(2).map(|d| (d, 1)),
            Level::Raid10 => match Copies::from_layout(self.layout).total() {
                0 => None,
                copies => Some((n, u64::from(copies))),
            },
            Level::Linear | Level::Raid0 | Level::Container | Level::Other(_) => None,
        }
    }

    /// The array's size where all members have `component_size`; `None` as for [`Self::data_disks`] or on overflow.
    #[must_use]
    pub fn array_size(&self) -> Option<Sectors> {
        let (n, d) = self.data_disks()?;
        self.component_size.0.checked_mul(n).and_then(|s| s.checked_div(d)).map(Sectors)
    }

    /// Whether an array with these slots in sync can serve its data.
    ///
    /// `present[i]` says that slot i has an up-to-date member; `clean` that no write was in flight at the last
    /// shutdown (a PPL counts as clean). The rule per level is the kernel's and the original's alike: a dirty
    /// degraded parity array may hold stale parity, so it is not enough.
    #[must_use]
    pub fn enough(&self, present: &[bool], clean: bool) -> bool {
        let slots = usize::try_from(self.raid_disks).unwrap_or(usize::MAX);
        let here = present.iter().take(slots).filter(|p| **p).count();
        let missing = slots.saturating_sub(here);
        match self.level {
            Level::Linear | Level::Raid0 => missing == 0,
            Level::Raid1 | Level::Multipath | Level::Faulty => here >= 1,
            Level::Raid4 => {
                // Without the parity member there is no stale parity to believe.
                let parity =
                    slots.checked_sub(1).and_then(|last| present.get(last)).copied().unwrap_or(false);
                missing == 0 || (missing == 1 && (clean || !parity))
            }
            Level::Raid5 => missing == 0 || (clean && missing == 1),
            Level::Raid6 => missing == 0 || (clean && missing <= 2),
            Level::Raid10 => enough_copies(Copies::from_layout(self.layout), present, slots),
            Level::Container => true,
            Level::Other(_) => false,
        }
    }
}

/// Each window of `near × far` neighbours, stepped by the near copies, must hold one member.
fn enough_copies(copies: Copies, present: &[bool], slots: usize) -> bool {
    let (Ok(near), Ok(total)) = (usize::try_from(copies.near), usize::try_from(copies.total())) else {
        return false;
    };
    if total == 0 || slots == 0 {
        return false;
    }
    let slot = |number: usize| number.checked_rem(slots).unwrap_or(0);
    let mut first = 0usize;
    loop {
        let mut window = (0..total).map(|nth| slot(first.saturating_add(nth)));
        if !window.any(|slot| present.get(slot).copied().unwrap_or(false)) {
            return false;
        }
        first = slot(first.saturating_add(near));
        if first == 0 {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(level: Level, layout: u32, raid_disks: u32) -> Geometry {
        Geometry { level, layout, chunk: Sectors(1024), raid_disks, component_size: Sectors(1000) }
    }

    #[test]
    fn sizes_by_level() {
        for (level, layout, n, size) in [
            (Level::Raid1, 0, 3, Some(1000)),
            (Level::Raid5, 2, 4, Some(3000)),
            (Level::Raid6, 2, 4, Some(2000)),
            (Level::Raid10, 0x102, 4, Some(2000)),
            (Level::Raid10, 0x102, 3, Some(1500)),
            (Level::Raid10, 0, 4, None),
            (Level::Raid6, 2, 1, None),
            (Level::Raid0, 0, 2, None),
        ] {
            assert_eq!(geometry(level, layout, n).array_size(), size.map(Sectors), "{level:?} {n}");
        }
    }

    #[test]
    fn enough_by_level() {
        let t = true;
        let f = false;
        for (level, layout, present, clean, dirty) in [
            (Level::Raid0, 0, vec![t, f], f, f),
            (Level::Raid1, 0, vec![f, t], t, t),
            (Level::Raid4, 0, vec![t, t, f], t, t),
            (Level::Raid4, 0, vec![t, f, t], t, f),
            (Level::Raid5, 2, vec![t, f, t], t, f),
            (Level::Raid5, 2, vec![t, f, f], f, f),
            (Level::Raid6, 2, vec![t, f, f, t], t, f),
            (Level::Raid10, 0x102, vec![t, f, f, t], t, t),
            (Level::Raid10, 0x102, vec![f, f, t, t], f, f),
            (Level::Raid10, 0x201, vec![t, f, t, f], t, t),
            (Level::Raid10, 0, vec![t, t], f, f),
        ] {
            let g = geometry(level, layout, u32::try_from(present.len()).unwrap());
            assert_eq!(g.enough(&present, true), clean, "{level:?} clean {present:?}");
            assert_eq!(g.enough(&present, false), dirty, "{level:?} dirty {present:?}");
        }
    }
}
