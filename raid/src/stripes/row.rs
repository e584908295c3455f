//! What the slots have in one stripe of a level with parity (`ALGORITHM_*` in `raid5.h`).

use superblock::Level;

/// What a slot has in a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// This chunk of the stripe's data.
    Data(usize),
    /// The sum.
    P,
    /// The second syndrome.
    Q,
}

/// One stripe. In every layout data goes around from one slot on, and leaves out those with the syndromes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    slots: usize,
    p: usize,
    q: Option<usize>,
    /// Where data begins, if no syndrome is there.
    first: usize,
    /// DDF's layouts count all slots in the second syndrome, those with the syndromes too.
    all_count: bool,
}

impl Row {
    /// `None` for a level without parity or an unknown layout.
    pub(super) fn new(level: Level, layout: u32, slots: usize, stripe: u64) -> Option<Self> {
        let last = slots.checked_sub(1)?;
        let one = |p: usize, first: usize| Self { slots, p, q: None, first, all_count: false };
        let turn = turn(stripe, slots)?;
        let back = last.checked_sub(turn)?;
        match (level, layout) {
            (Level::Raid4, _) | (Level::Raid5, 5) => Some(one(last, 0)),
            (Level::Raid5, 0) => Some(one(back, 0)),
            (Level::Raid5, 1) => Some(one(turn, 0)),
            (Level::Raid5, 2) => Some(one(back, back.checked_add(1)?)),
            (Level::Raid5, 3) => Some(one(turn, turn.checked_add(1)?)),
            (Level::Raid5, 4) => Some(one(0, 0)),
            (Level::Raid6, _) => Self::two(layout, slots, stripe, one),
            _ => None,
        }
    }

    fn two(layout: u32, slots: usize, stripe: u64, one: impl Fn(usize, usize) -> Self) -> Option<Self> {
        let last = slots.checked_sub(1)?;
        let turned = turn(stripe, slots)?;
        let back = last.checked_sub(turned)?;
        let after = |slot: usize| slot.checked_add(1)?.checked_rem(slots);
        let with = |p: usize, q: usize, first: usize| Self {
            q: Some(q),
            all_count: (8..=10).contains(&layout),
            ..one(p, first)
        };
        Some(match layout {
            0 => with(back, after(back)?, 0),
            1 | 8 => with(turned, after(turned)?, 0),
            2 => with(back, after(back)?, after(back)?),
            3 => with(turned, after(turned)?, after(turned)?),
            4 => with(0, 1, 0),
            5 => with(last.checked_sub(1)?, last, 0),
            9 => {
                let p = last.checked_sub(turn(stripe.checked_add(1)?, slots)?)?;
                with(p, after(p)?, 0)
            }
            // The second syndrome is before the first, data goes on behind that.
            10 => with(back, back.checked_add(last)?.checked_rem(slots)?, after(back)?),
            // RAID5 over all but the last, which has the second syndrome.
            16..=20 => {
                let turn = turn(stripe, last)?;
                let p = match layout {
                    16 | 18 => last.checked_sub(1)?.checked_sub(turn)?,
                    17 | 19 => turn,
                    _ => 0,
                };
                with(p, last, if matches!(layout, 18 | 19) { after(p)? } else { 0 })
            }
            _ => return None,
        })
    }

    /// How far behind another slot this one is, going around.
    fn behind(&self, from: usize, slot: usize) -> usize {
        let around = slot.checked_add(self.slots).and_then(|slot| slot.checked_sub(from));
        around.and_then(|around| around.checked_rem(self.slots)).unwrap_or(0)
    }

    /// The slots with syndromes before this distance from where data begins.
    fn before(&self, distance: usize) -> usize {
        let of = |slot: usize| usize::from(self.behind(self.first, slot) < distance);
        of(self.p).saturating_add(self.q.map_or(0, of))
    }

    /// What a slot has.
    #[must_use]
    pub fn part(&self, slot: usize) -> Part {
        if slot == self.p {
            return Part::P;
        }
        if Some(slot) == self.q {
            return Part::Q;
        }
        let distance = self.behind(self.first, slot);
        Part::Data(distance.saturating_sub(self.before(distance)))
    }

    /// The slot of this chunk of the stripe's data.
    #[must_use]
    pub fn slot_of(&self, nth: usize) -> Option<usize> {
        // Two syndromes at most lie before it.
        (nth..=nth.saturating_add(2))
            .filter_map(|distance| self.first.checked_add(distance)?.checked_rem(self.slots))
            .find(|slot| self.part(*slot) == Part::Data(nth))
    }

    /// The slot of the sum.
    #[must_use]
    pub fn p(&self) -> usize {
        self.p
    }

    /// The slot of the second syndrome, where there is one.
    #[must_use]
    pub fn q(&self) -> Option<usize> {
        self.q
    }

    /// The place of a slot's data in the second syndrome: counted from the slot behind that on.
    #[must_use]
    pub fn place(&self, slot: usize) -> usize {
        let Some(q) = self.q.filter(|_| !self.all_count) else { return slot };
        let distance = self.behind(q, slot);
        distance.saturating_sub(1).saturating_sub(usize::from(self.behind(q, self.p) < distance))
    }

    /// The slots with data, in the order of their places; `None` for a place without.
    pub fn places(&self) -> impl DoubleEndedIterator<Item = Option<usize>> + '_ {
        let begin = match self.q {
            Some(q) if !self.all_count => q.saturating_add(1),
            _ => 0,
        };
        (0..self.slots).filter_map(move |nth| {
            let slot = begin.checked_add(nth)?.checked_rem(self.slots)?;
            match self.part(slot) {
                Part::Data(_) => Some(Some(slot)),
                Part::P | Part::Q => self.all_count.then_some(None),
            }
        })
    }
}

fn turn(stripe: u64, width: usize) -> Option<usize> {
    usize::try_from(stripe.checked_rem(u64::try_from(width).ok()?)?).ok()
}
