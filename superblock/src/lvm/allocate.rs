//! Finding room for extents.
//!
//! Linear is striping over one leg. Preferred, in this order: going on where the volume ends; one run that holds all, first in
//! the order of the physical volumes; the longest runs. A run begins on a full stripe of the array below where that is possible at all.

use std::ops::Range;

use super::group::{Group, Kind, Leg, PvStatus, Segment};
use crate::units::Sectors;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// How many extents, over all legs.
    pub extents: u64,
    /// Legs; 0 and 1 both mean linear.
    pub stripes: usize,
    /// Of one leg before the next has its turn; only for several legs.
    pub stripe_size: Sectors,
    /// Only here: physical volumes by index with runs of extents, in this order of preference. Empty for anywhere.
    pub on: Vec<(usize, Range<u64>)>,
    /// All in one run on each leg, or not at all.
    pub contiguous: bool,
    /// Where the volume that is to grow ends: its last segment.
    pub after: Option<Segment>,
    /// By index of physical volume: a full stripe of what lies below; 0 or absent for none.
    pub align: Vec<Sectors>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Segments that begin at extent 0.
    pub segments: Vec<Segment>,
    /// Whether every run begins on a full stripe of the array below it (or goes on where the volume ended).
    pub aligned: bool,
}

/// Why there is no room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Not enough extents.
    #[error("{wanted} extents are wanted and {free} are free{}", if *.one_run { " in one run" } else { "" })]
    Extents {
        /// Wanted.
        wanted: u64,
        /// To be had.
        free: u64,
        /// In one run.
        one_run: bool,
    },
    /// Not enough physical volumes with room.
    #[error("{wanted} stripes are wanted and {free} physical volumes have room for one")]
    Legs {
        /// Wanted.
        wanted: usize,
        /// With room.
        free: usize,
    },
    /// A size of nothing.
    #[error("a volume has at least one extent")]
    Nothing,
}

type Runs = Vec<Vec<Range<u64>>>;

/// The free extents of a group, kept while several volumes are given some of them one after the other.
#[derive(Clone, Debug)]
pub struct Room(Runs);

impl Room {
    /// How many extents there are in all.
    #[must_use]
    pub fn extents(&self) -> u64 {
        self.0.iter().flatten().fold(0, |sum, run| sum.saturating_add(len(run)))
    }

    /// The runs of each physical volume, in the group's order.
    #[must_use]
    pub fn runs(&self) -> &[Vec<Range<u64>>] {
        &self.0
    }

    /// These are free no more.
    pub fn take(&mut self, segments: &[Segment]) {
        for segment in segments {
            for leg in segment.legs() {
                if let Some(runs) = self.0.get_mut(leg.pv) {
                    cut_out(runs, leg.extent, segment.leg_len());
                }
            }
        }
    }
}

impl Group {
    /// The free extents of each physical volume, in order.
    #[must_use]
    pub fn free(&self) -> Runs {
        let mut used: Runs = vec![Vec::new(); self.pvs.len()];
        for segment in self.volumes.iter().flat_map(|volume| &volume.segments) {
            for leg in segment.legs() {
                if let Some(used) = used.get_mut(leg.pv) {
                    used.push(leg.extent..leg.extent.saturating_add(segment.leg_len()));
                }
            }
        }
        let mut free = Runs::with_capacity(used.len());
        for (pv, mut used) in self.pvs.iter().zip(used) {
            used.sort_unstable_by_key(|run| run.start);
            let (mut next, mut runs) = (0, Vec::new());
            for run in used {
                if run.start > next {
                    runs.push(next..run.start);
                }
                next = next.max(run.end);
            }
            if next < pv.pe_count {
                runs.push(next..pv.pe_count);
            }
            free.push(runs);
        }
        free
    }

    /// The same, to be kept.
    #[must_use]
    pub fn room(&self) -> Room {
        Room(self.free())
    }

    /// How many extents are free in all.
    #[must_use]
    pub fn free_extents(&self) -> u64 {
        self.room().extents()
    }

    /// Room for what is wanted, rounded up to whole stripes.
    ///
    /// # Errors
    /// What is missing.
    pub fn allocate(&self, wish: &Wish) -> Result<Found, NoRoom> {
        self.allocate_in(&self.room(), wish)
    }

    /// The same where the free extents are known. What is found is not taken yet.
    ///
    /// # Errors
    /// What is missing.
    pub fn allocate_in(&self, room: &Room, wish: &Wish) -> Result<Found, NoRoom> {
        if wish.extents == 0 {
            return Err(NoRoom::Nothing);
        }
        let free = self.offered(room, wish);
        let all = free.iter().flat_map(|(_, runs)| runs).fold(0u64, |sum, run| sum.saturating_add(len(run)));
        if wish.stripes <= 1 && !wish.contiguous && all < wish.extents {
            return Err(NoRoom::Extents { wanted: wish.extents, free: all, one_run: false });
        }
        match self.attempt(wish, free.clone(), true) {
            Ok(segments) => Ok(Found { segments, aligned: true }),
            Err(_) => self.attempt(wish, free, false).map(|segments| Found { segments, aligned: false }),
        }
    }

    /// The free runs among those that may be used, by physical volume.
    fn offered(&self, room: &Room, wish: &Wish) -> Vec<(usize, Vec<Range<u64>>)> {
        let free = room.runs();
        let allowed =
            |pv: usize| self.pvs.get(pv).is_some_and(|pv| pv.status.contains(PvStatus::ALLOCATABLE));
        if wish.on.is_empty() {
            return free.iter().cloned().enumerate().filter(|(pv, _)| allowed(*pv)).collect();
        }
        let mut offered: Vec<(usize, Vec<Range<u64>>)> = Vec::new();
        for (pv, only) in wish.on.iter().filter(|(pv, _)| allowed(*pv)) {
            let runs = free.get(*pv).into_iter().flatten();
            let cut =
                runs.map(|run| run.start.max(only.start)..run.end.min(only.end)).filter(|run| len(run) > 0);
            match offered.iter_mut().find(|(known, _)| known == pv) {
                Some((_, runs)) => runs.extend(cut),
                None => offered.push((*pv, cut.collect())),
            }
        }
        for (_, runs) in &mut offered {
            disjoint(runs);
        }
        offered
    }

    fn attempt(
        &self,
        wish: &Wish,
        mut free: Vec<(usize, Vec<Range<u64>>)>,
        align: bool,
    ) -> Result<Vec<Segment>, NoRoom> {
        let legs = wish.stripes.max(1);
        let count = u64::try_from(legs).unwrap_or(u64::MAX);
        let mut need = wish.extents.div_ceil(count);
        let (mut segments, mut start) = (Vec::<Segment>::new(), 0u64);
        let mut after = wish.after.clone();
        while need > 0 {
            let picked = after.take().and_then(|last| going_on(&last, &free, legs, need));
            let continues = picked.is_some();
            let align =
                |run: &Range<u64>, pv| if align { self.aligned(run, pv, wish) } else { Some(run.clone()) };
            let (runs, len) = match picked {
                Some(found) => found,
                None => pick(&free, legs, need, wish, &align)?,
            };
            if wish.contiguous && !segments.is_empty() || wish.contiguous && len < need && !continues {
                return Err(self.lacking(&free, wish));
            }
            if wish.contiguous && len < need {
                return Err(NoRoom::Extents {
                    wanted: wish.extents,
                    free: len.saturating_mul(count),
                    one_run: true,
                });
            }
            for leg in &runs {
                take(&mut free, *leg, len);
            }
            let all = len.saturating_mul(count);
            let stripe_size = if legs > 1 { wish.stripe_size } else { Sectors(0) };
            let kind = Kind::Striped { stripe_size, legs: runs };
            segments.push(Segment { start, len: all, tags: Vec::new(), kind });
            start = start.saturating_add(all);
            need = need.saturating_sub(len);
        }
        Ok(segments)
    }

    /// The part of a run that begins on a full stripe of what is below.
    fn aligned(&self, run: &Range<u64>, pv: usize, wish: &Wish) -> Option<Range<u64>> {
        let stripe = wish.align.get(pv).map_or(0, |stripe| stripe.0);
        if stripe <= 1 {
            return Some(run.clone());
        }
        let first = self.pvs.get(pv)?.pe_start.0;
        let on = |extent: u64| {
            let at = first.checked_add(extent.checked_mul(self.extent_size.0)?)?;
            at.checked_rem(stripe)
        };
        // Remainders repeat after stripe / gcd extents; a stripe is small, so is this search.
        let period = stripe.checked_div(gcd(stripe, self.extent_size.0)).unwrap_or(1).min(1 << 16);
        let tried = run.start..run.end.min(run.start.saturating_add(period));
        let start = tried.into_iter().find(|extent| on(*extent) == Some(0))?;
        Some(start..run.end)
    }

    fn lacking(&self, free: &[(usize, Vec<Range<u64>>)], wish: &Wish) -> NoRoom {
        let all = free.iter().flat_map(|(_, runs)| runs);
        let free = if wish.contiguous {
            all.map(len).max().unwrap_or(0)
        } else {
            all.fold(0u64, |sum, run| sum.saturating_add(len(run)))
        };
        NoRoom::Extents { wanted: wish.extents, free, one_run: wish.contiguous }
    }
}

fn len(run: &Range<u64>) -> u64 {
    run.end.saturating_sub(run.start)
}

fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a
}

/// Sorts runs and joins those that overlap or touch.
fn disjoint(runs: &mut Vec<Range<u64>>) {
    runs.sort_unstable_by_key(|run| run.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(runs.len());
    for run in runs.drain(..) {
        match joined.last_mut().filter(|last| last.end >= run.start) {
            Some(last) => last.end = last.end.max(run.end),
            None => joined.push(run),
        }
    }
    *runs = joined;
}

/// The legs right behind those of a segment, and how far they go together.
fn going_on(
    last: &Segment,
    free: &[(usize, Vec<Range<u64>>)],
    legs: usize,
    need: u64,
) -> Option<(Vec<Leg>, u64)> {
    let Kind::Striped { legs: before, .. } = &last.kind else { return None };
    if before.len() != legs {
        return None;
    }
    let mut room = need;
    let mut next = Vec::with_capacity(legs);
    for leg in before {
        let extent = leg.extent.saturating_add(last.leg_len());
        let runs = &free.iter().find(|(pv, _)| *pv == leg.pv)?.1;
        let run = runs.iter().find(|run| run.contains(&extent))?;
        room = room.min(run.end.saturating_sub(extent));
        next.push(Leg { pv: leg.pv, extent });
    }
    Some((next, room))
}

type Align<'a> = dyn Fn(&Range<u64>, usize) -> Option<Range<u64>> + 'a;

/// Runs on as many physical volumes as there are legs, and how much of `need` they hold.
fn pick(
    free: &[(usize, Vec<Range<u64>>)],
    legs: usize,
    need: u64,
    wish: &Wish,
    align: &Align<'_>,
) -> Result<(Vec<Leg>, u64), NoRoom> {
    let usable: Vec<(usize, Vec<Range<u64>>)> = free
        .iter()
        .map(|(pv, runs)| (*pv, runs.iter().filter_map(|run| align(run, *pv)).collect::<Vec<_>>()))
        .filter(|(_, runs)| !runs.is_empty())
        .collect();
    let whole = |(pv, runs): &(usize, Vec<Range<u64>>)| {
        runs.iter().find(|run| len(run) >= need).map(|run| Leg { pv: *pv, extent: run.start })
    };
    let found: Vec<Leg> = usable.iter().filter_map(whole).take(legs).collect();
    if found.len() == legs {
        return Ok((found, need));
    }
    let total = || {
        let all = free.iter().flat_map(|(_, runs)| runs);
        let all = all.fold(0, |sum: u64, run| sum.saturating_add(len(run)));
        if legs == 1 {
            NoRoom::Extents { wanted: wish.extents, free: all, one_run: false }
        } else {
            NoRoom::Legs { wanted: legs, free: usable.len() }
        }
    };
    if wish.contiguous {
        let longest = usable.iter().flat_map(|(_, runs)| runs).map(len).max().unwrap_or(0);
        return Err(NoRoom::Extents { wanted: need, free: longest, one_run: true });
    }
    let mut longest: Vec<(u64, Leg)> = usable
        .iter()
        .filter_map(|(pv, runs)| {
            let run = runs.iter().rev().max_by_key(|run| len(run))?;
            Some((len(run), Leg { pv: *pv, extent: run.start }))
        })
        .collect();
    // Stable: of equal ones the first counts.
    longest.sort_by_key(|(len, _)| std::cmp::Reverse(*len));
    longest.truncate(legs);
    let shortest = longest.last().map_or(0, |(len, _)| *len).min(need);
    if longest.len() < legs || shortest == 0 {
        return Err(total());
    }
    Ok((longest.into_iter().map(|(_, leg)| leg).collect(), shortest))
}

fn take(free: &mut [(usize, Vec<Range<u64>>)], leg: Leg, count: u64) {
    let Some((_, runs)) = free.iter_mut().find(|(pv, _)| *pv == leg.pv) else { return };
    cut_out(runs, leg.extent, count);
}

fn cut_out(runs: &mut Vec<Range<u64>>, from: u64, count: u64) {
    let end = from.saturating_add(count);
    let cut = |run: &Range<u64>| {
        [run.start..run.end.min(from), run.start.max(end)..run.end].into_iter().filter(|run| len(run) > 0)
    };
    *runs = runs.iter().flat_map(|run| cut(run).collect::<Vec<_>>()).collect();
}
