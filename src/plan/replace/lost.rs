//! What could not be copied: md notes the sectors as bad blocks of the new member, and calls the copy complete.

use std::fmt;

use raid::{Part, Stripes};
use superblock::{Level, Sectors};

use crate::{
    model::{
        DevId, human,
        manage::{Link, Managed},
    },
    words::MemberState,
};

/// So many places are named; a disk that dies may have thousands.
const MOST_NAMED: usize = 4;

/// What sectors of a member are to the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Data, from this sector of the array on, and no other member can give it.
    Data(Sectors),
    /// They are not missed themselves, and more of the stripe is missing than can be made good: data from this sector of the
    /// array on.
    Stripe(Sectors),
    /// Data, from this sector of the array on, that the replaced member has and no other.
    Old(Sectors),
    /// Data that other members can give.
    Elsewhere,
    /// Parity: the data is on other members.
    Parity,
    /// The layout does not say it.
    Unknown,
}

impl Place {
    /// Whether reads of the array end with errors there.
    #[must_use]
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Data(_) | Self::Stripe(_) | Self::Unknown)
    }

    /// What follows it, so many sectors further on.
    fn after(self, length: Sectors) -> Self {
        match self {
            Self::Data(at) => Self::Data(at.saturating_add(length)),
            Self::Stripe(at) => Self::Stripe(at.saturating_add(length)),
            Self::Old(at) => Self::Old(at.saturating_add(length)),
            Self::Elsewhere | Self::Parity | Self::Unknown => self,
        }
    }
}

/// Sectors of the new member that have no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostRange {
    /// The first, on the device.
    pub at: Sectors,
    /// How many.
    pub length: Sectors,
    /// What they are.
    pub place: Place,
}

impl LostRange {
    /// First sector on the member, number of sectors, first sector in the array, whether nothing of it is missing.
    #[must_use]
    pub fn parts(&self) -> (Sectors, Sectors, Option<Sectors>, bool) {
        let in_array = match self.place {
            Place::Data(at) | Place::Stripe(at) | Place::Old(at) => Some(at),
            Place::Elsewhere | Place::Parity | Place::Unknown => None,
        };
        (self.at, self.length, in_array, matches!(self.place, Place::Parity | Place::Elsewhere))
    }
}

impl fmt::Display for LostRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.at.0.saturating_add(self.length.0).saturating_sub(1);
        write!(f, "sectors {} to {last}", self.at.0)?;
        match self.place {
            Place::Data(at) | Place::Old(at) => write!(f, " (sector {} of the array on)", at.0),
            Place::Stripe(at) => {
                write!(f, " (parity of a stripe that lacks more: sector {} of the array on)", at.0)
            }
            Place::Parity => write!(f, " (parity)"),
            Place::Elsewhere | Place::Unknown => Ok(()),
        }
    }
}

/// Whatever the new member has no data for; `old`: whom it replaced.
#[must_use]
pub fn lost(array: &Managed, new: DevId, slot: u32, old: Option<DevId>) -> Vec<LostRange> {
    let Some(link) = array.link_of(new) else { return Vec::new() };
    let stripes = Stripes::new(array.geometry(), &[]);
    let unwritable = link.is(&MemberState::WriteError);
    let old = old.and_then(|old| array.link_of(old)).filter(|_| unwritable);
    let look = Look { array, stripes, slot, old, unwritable };
    link.bad.iter().flat_map(|(at, length)| look.range(link, *at, *length)).collect()
}

/// Whether the kernel saw writes to the member fail.
#[must_use]
pub fn is_unwritable(array: &Managed, member: DevId) -> bool {
    array.link_of(member).is_some_and(|link| link.is(&MemberState::WriteError))
}

/// All members of the array, at the sectors that one lacks.
struct Look<'a> {
    array: &'a Managed,
    stripes: Option<Stripes>,
    slot: u32,
    /// Who was replaced, where it may have what the new one lacks.
    old: Option<&'a Link>,
    /// The kernel saw writes to the new one fail. Where it did not, it could not read: it notes that with those whom it writes
    /// to, and not always with those whom it reads.
    unwritable: bool,
}

impl Look<'_> {
    /// A range, taken apart where something changes.
    fn range(&self, link: &Link, at: Sectors, length: Sectors) -> Vec<LostRange> {
        let Some(inside) = at.0.checked_sub(link.data_offset.0) else {
            return vec![LostRange { at, length, place: Place::Unknown }];
        };
        let end = inside.saturating_add(length.0);
        let mut cuts = self.cuts(inside, end);
        cuts.push(end);
        let mut found: Vec<LostRange> = Vec::new();
        let mut from = inside;
        for to in cuts {
            let place = self.place(from).unwrap_or(Place::Unknown);
            let length = Sectors(to.saturating_sub(from));
            match found.last_mut() {
                Some(last) if last.place.after(last.length) == place => {
                    last.length = last.length.saturating_add(length);
                }
                _ => found.push(LostRange {
                    at: link.data_offset.saturating_add(Sectors(from)),
                    length,
                    place,
                }),
            }
            from = to;
        }
        found
    }

    /// Where, between these sectors, another chunk begins or bad blocks of a member begin or end.
    fn cuts(&self, from: u64, to: u64) -> Vec<u64> {
        let chunk = self.stripes.as_ref().map_or(0, |stripes| stripes.geometry().chunk.0);
        let first = from.checked_div(chunk).map_or(to, |nth| nth.saturating_add(1).saturating_mul(chunk));
        let chunks = (first..to).step_by(usize::try_from(chunk.max(1)).unwrap_or(usize::MAX));
        let of_link = |link: &Link| {
            let inside = link.data_offset.0;
            let bounds = |&(at, length): &(Sectors, Sectors)| {
                [at.0.saturating_sub(inside), at.0.saturating_add(length.0).saturating_sub(inside)]
            };
            link.bad.iter().flat_map(bounds).collect::<Vec<_>>()
        };
        let bounds = self
            .array
            .links
            .iter()
            .flat_map(of_link)
            .filter(|cut| (from.saturating_add(1)..to).contains(cut));
        let mut cuts: Vec<u64> = chunks.chain(bounds).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    /// Whether a slot has a member that can give this sector.
    fn gives(&self, slot: u32, sector: u64) -> bool {
        let serves = |link: &&Link| {
            link.slot == Some(slot) && link.is(&MemberState::InSync) && !link.is(&MemberState::Faulty)
        };
        self.array.links.iter().filter(serves).any(|link| has(link, sector))
    }

    fn place(&self, sector: u64) -> Option<Place> {
        let stripes = self.stripes.as_ref()?;
        let here = position(stripes, self.slot, sector)?;
        let disks = stripes.geometry().raid_disks;
        let away: Vec<u32> = match (stripes.geometry().level, here) {
            (Level::Raid1, _) => (0..disks).filter(|slot| !self.gives(*slot, sector)).collect(),
            (Level::Raid10, Position::Data(at)) => {
                let slot = |copy: &raid::Place| u32::try_from(copy.slot).unwrap_or(u32::MAX);
                stripes
                    .copies(at.0)
                    .filter(|copy| !self.gives(slot(copy), copy.sector))
                    .map(|copy| slot(&copy))
                    .collect()
            }
            _ => (0..disks).filter(|slot| !self.gives(*slot, sector)).collect(),
        };
        let enough = match stripes.geometry().level {
            Level::Raid1 => away.len() < usize::try_from(disks).ok()?,
            Level::Raid10 => match here {
                Position::Data(at) => away.len() < stripes.copies(at.0).count(),
                Position::Parity => true,
            },
            Level::Raid6 => away.len() <= 2,
            _ => away.len() <= 1,
        };
        let enough = enough && self.unwritable;
        let old_has = self.old.is_some_and(|old| has(old, sector));
        let lost = away.iter().find_map(|slot| match position(stripes, *slot, sector) {
            Some(Position::Data(at)) => Some(at),
            Some(Position::Parity) | None => None,
        });
        let first = || {
            let slot = stripes.row(sector)?.slot_of(0)?;
            match position(stripes, u32::try_from(slot).ok()?, sector)? {
                Position::Data(at) => Some(at),
                Position::Parity => None,
            }
        };
        Some(match (here, enough) {
            (Position::Data(_), true) => Place::Elsewhere,
            (Position::Parity, true) => Place::Parity,
            (Position::Data(at), false) if old_has => Place::Old(at),
            (Position::Data(at), false) => Place::Data(at),
            (Position::Parity, false) => {
                lost.or_else(first).map_or(Place::Unknown, if old_has { Place::Old } else { Place::Stripe })
            }
        })
    }
}

/// Whether bad blocks leave this sector of its data alone.
fn has(link: &Link, sector: u64) -> bool {
    let at = sector.saturating_add(link.data_offset.0);
    !link.bad.iter().any(|(from, length)| (from.0..from.0.saturating_add(length.0)).contains(&at))
}

/// Where a sector of a member is in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Data(Sectors),
    Parity,
}

fn position(stripes: &Stripes, slot: u32, sector: u64) -> Option<Position> {
    let geometry = stripes.geometry();
    if geometry.level == Level::Raid1 {
        return Some(Position::Data(Sectors(sector)));
    }
    if geometry.level == Level::Raid10 {
        return of_copies(stripes, slot, sector);
    }
    let row = stripes.row(sector)?;
    let Part::Data(nth) = row.part(usize::try_from(slot).ok()?) else { return Some(Position::Parity) };
    let (chunk, data) = (geometry.chunk.0, row.places().flatten().count());
    let stripe = sector.checked_div(chunk)?.checked_mul(u64::try_from(data).ok()?)?;
    let first = stripe.checked_add(u64::try_from(nth).ok()?)?.checked_mul(chunk)?;
    Some(Position::Data(Sectors(first.checked_add(sector.checked_rem(chunk)?)?)))
}

/// The chunk of the array that has a copy there: near the one that would be if copies lay side by side. `None` for copies that
/// are far away.
fn of_copies(stripes: &Stripes, slot: u32, sector: u64) -> Option<Position> {
    let geometry = stripes.geometry();
    let (chunk, disks) = (geometry.chunk.0, u64::from(geometry.raid_disks));
    let copies = u64::try_from(stripes.copies(0).count()).ok()?;
    let near = sector.checked_div(chunk)?.checked_mul(disks)?.checked_div(copies)?;
    let here = |at: &u64| {
        let mut copies = stripes.copies(*at);
        copies.any(|copy| (u32::try_from(copy.slot), copy.sector) == (Ok(slot), sector))
    };
    let all = near.saturating_sub(disks)..=near.saturating_add(disks);
    let sectors = all.filter_map(|nth| nth.checked_mul(chunk)?.checked_add(sector.checked_rem(chunk)?));
    sectors.filter(here).map(|at| Position::Data(Sectors(at))).next()
}

/// How much, and where; `how`: why it lacks that.
#[must_use]
pub fn text(lost: &[LostRange], member: &str, how: &str) -> String {
    let total = lost.iter().fold(0, |sum: u64, range| sum.saturating_add(range.length.0));
    let named: Vec<String> = lost.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let rest = lost.len().saturating_sub(MOST_NAMED);
    let rest = if rest == 0 { String::new() } else { format!(" and {rest} more places") };
    format!(
        "{} of it could not be {how}: {} of {member}{rest}",
        human::size(Sectors(total).bytes().0),
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Geometry;

    #[test]
    fn the_place_in_the_array_is_where_reads_find_the_sector() {
        for (level, layout, disks) in [
            (Level::Raid1, 0, 2),
            (Level::Raid5, 2, 3),
            (Level::Raid5, 0, 4),
            (Level::Raid6, 2, 5),
            (Level::Raid10, 0x102, 4),
            (Level::Raid10, 0x102, 3),
            (Level::Raid10, 0x1_0201, 3),
        ] {
            let geometry = Geometry {
                level,
                layout,
                chunk: Sectors(8),
                raid_disks: disks,
                component_size: Sectors(800),
            };
            let stripes = Stripes::new(geometry, &[]).unwrap();
            let mut parity = 0;
            for slot in 0..disks {
                for sector in (0..800).step_by(3) {
                    match position(&stripes, slot, sector).unwrap() {
                        Position::Data(Sectors(at)) => {
                            let mut copies = stripes.copies(at);
                            let here = |copy: raid::Place| {
                                (copy.slot, copy.sector) == (usize::try_from(slot).unwrap(), sector)
                            };
                            assert!(copies.any(here), "{level:?} {layout} {slot} {sector}");
                        }
                        Position::Parity => parity += 1,
                    }
                }
            }
            assert_eq!(parity > 0, matches!(level, Level::Raid5 | Level::Raid6));
        }
    }

    #[test]
    fn many_places_are_not_all_named() {
        let range =
            |at| LostRange { at: Sectors(at), length: Sectors(8), place: Place::Data(Sectors(at - 2048)) };
        assert_eq!(
            text(&[range(40960)], "/dev/c", "read"),
            "4 KiB of it could not be read: sectors 40960 to 40967 (sector 38912 of the array on) of /dev/c"
        );
        let many: Vec<LostRange> = (1..=9).map(|nth| range(nth * 4096)).collect();
        assert!(text(&many, "/dev/c", "read").ends_with(" of /dev/c and 5 more places"));
    }

    /// Four members with 1024 sectors each in chunks of 8, and what each lacks.
    fn array(level: Level, bad: [&[u64]; 4]) -> Managed {
        let mut array = crate::plan::manage::tests::array(level, "UUUU");
        array.detail.level = level;
        array.detail.layout = if level == Level::Raid10 { 0x102 } else { 2 };
        array.detail.chunk = superblock::Bytes(4096);
        array.detail.counts.raid_disks = 4;
        array.detail.component_size = Some(superblock::Kib(512));
        let link = |(slot, bad): (u32, &[u64])| Link {
            name: format!("sd{slot}"),
            dev: Some(DevId { major: 8, minor: slot }),
            slot: Some(slot),
            states: vec![MemberState::InSync],
            data_offset: Sectors(2048),
            bad: bad.iter().map(|at| (Sectors(2048 + at), Sectors(8))).collect(),
        };
        array.links = (0..).zip(bad).map(link).collect();
        array
    }

    fn fails_at_writing(array: &mut Managed) {
        for link in &mut array.links {
            link.states.push(MemberState::WriteError);
        }
    }

    fn places(array: &Managed, slot: u32, old: Option<DevId>) -> Vec<Place> {
        let lost = lost(array, DevId { major: 8, minor: slot }, slot, old);
        lost.into_iter().map(|range| range.place).collect()
    }

    #[test]
    fn parity_of_a_stripe_that_lacks_data_too_is_not_called_harmless() {
        // The first stripe of this layout has P and Q in slots 3 and 0.
        let three = array(Level::Raid6, [&[], &[0], &[0], &[0]]);
        assert_eq!(places(&three, 3, None), [Place::Stripe(Sectors(0))]);
        assert_eq!(places(&three, 2, None), [Place::Data(Sectors(8))]);
        let mut two = array(Level::Raid6, [&[], &[0], &[], &[0]]);
        assert_eq!(
            places(&two, 3, None),
            [Place::Stripe(Sectors(0))],
            "not all that could not be read is noted"
        );
        assert_eq!(places(&two, 1, None), [Place::Data(Sectors(0))]);
        fails_at_writing(&mut two);
        assert_eq!(places(&two, 3, None), [Place::Parity]);
        assert_eq!(places(&two, 1, None), [Place::Elsewhere]);
        // One that is missing counts, and one that is bad in another stripe does not.
        let mut missing = array(Level::Raid6, [&[8], &[0], &[], &[0]]);
        fails_at_writing(&mut missing);
        assert_eq!(places(&missing, 3, None), [Place::Parity]);
        missing.links.remove(2);
        assert_eq!(places(&missing, 3, None), [Place::Stripe(Sectors(0))]);
        for level in [Level::Raid1, Level::Raid10] {
            let mut copies = array(level, [&[0], &[0], &[], &[]]);
            fails_at_writing(&mut copies);
            let both = if level == Level::Raid10 { Place::Data(Sectors(0)) } else { Place::Elsewhere };
            assert_eq!(places(&copies, 1, None), [both], "{level:?}");
        }
    }

    #[test]
    fn what_could_not_be_written_is_on_the_old_member() {
        let mut mirror = array(Level::Raid1, [&[], &[0], &[0], &[0]]);
        let old = DevId { major: 8, minor: 0 };
        mirror.links[0].slot = None;
        mirror.links[0].states = vec![MemberState::Faulty];
        assert_eq!(places(&mirror, 1, Some(old)), [Place::Data(Sectors(0))], "the kernel could not read it");
        mirror.links[1].states.push(MemberState::WriteError);
        assert_eq!(places(&mirror, 1, Some(old)), [Place::Old(Sectors(0))]);
        mirror.links[0].bad = vec![(Sectors(2048), Sectors(4))];
        assert_eq!(places(&mirror, 1, Some(old)), [Place::Data(Sectors(0)), Place::Old(Sectors(4))]);
    }

    #[test]
    fn a_range_over_several_chunks_is_told_by_chunk() {
        let mut array = array(Level::Raid5, [&[], &[], &[], &[]]);
        array.links.remove(0);
        array.links[0].bad = vec![(Sectors(2048), Sectors(40))];
        let places = places(&array, 1, None);
        assert_eq!(places.len(), 5, "{places:?}");
        assert!(places.iter().filter(|place| matches!(place, Place::Stripe(_))).count() == 1, "{places:?}");
    }
}
