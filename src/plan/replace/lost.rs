//! What could not be copied: md notes the sectors as bad blocks of the new member, and calls the copy complete.

use std::fmt;

use raid::{Part, Stripes};
use superblock::Sectors;

use crate::model::{DevId, human, manage::Managed};

/// So many places are named; a disk that dies may have thousands.
const MOST_NAMED: usize = 4;

/// Where in the array sectors of a member are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// From this sector on.
    Data(Sectors),
    /// Parity: the data is on other members.
    Parity,
    /// The layout does not say it.
    Unknown,
}

/// Sectors of the new member that have no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostRange {
    /// The first, on the device.
    pub at: Sectors,
    /// How many.
    pub length: Sectors,
    /// Where in the array the first is.
    pub place: Place,
}

impl LostRange {
    /// First sector on the member, number of sectors, first sector in the array, whether it is parity.
    #[must_use]
    pub fn parts(&self) -> (Sectors, Sectors, Option<Sectors>, bool) {
        let in_array = match self.place {
            Place::Data(at) => Some(at),
            Place::Parity | Place::Unknown => None,
        };
        (self.at, self.length, in_array, self.place == Place::Parity)
    }
}

impl fmt::Display for LostRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.at.0.saturating_add(self.length.0).saturating_sub(1);
        write!(f, "sectors {} to {last}", self.at.0)?;
        match self.place {
            Place::Data(at) => write!(f, " (sector {} of the array on)", at.0),
            Place::Parity => write!(f, " (parity)"),
            Place::Unknown => Ok(()),
        }
    }
}

/// Whatever the new member has no data for.
#[must_use]
pub fn lost(array: &Managed, new: DevId, slot: u32) -> Vec<LostRange> {
    let Some(link) = array.link_of(new) else { return Vec::new() };
    let stripes = Stripes::new(array.geometry(), &[]);
    let range = |&(at, length): &(Sectors, Sectors)| {
        let inside = at.0.checked_sub(link.data_offset.0);
        let place = stripes.as_ref().zip(inside).and_then(|(stripes, sector)| place(stripes, slot, sector));
        LostRange { at, length, place: place.unwrap_or(Place::Unknown) }
    };
    link.bad.iter().map(range).collect()
}

fn place(stripes: &Stripes, slot: u32, sector: u64) -> Option<Place> {
    let geometry = stripes.geometry();
    if geometry.level == superblock::Level::Raid1 {
        return Some(Place::Data(Sectors(sector)));
    }
    let row = stripes.row(sector)?;
    let Part::Data(nth) = row.part(usize::try_from(slot).ok()?) else { return Some(Place::Parity) };
    let (chunk, data) = (geometry.chunk.0, row.places().flatten().count());
    let stripe = sector.checked_div(chunk)?.checked_mul(u64::try_from(data).ok()?)?;
    let first = stripe.checked_add(u64::try_from(nth).ok()?)?.checked_mul(chunk)?;
    Some(Place::Data(Sectors(first.checked_add(sector.checked_rem(chunk)?)?)))
}

/// How much, and where.
#[must_use]
pub fn text(lost: &[LostRange], member: &str) -> String {
    let total = lost.iter().fold(0, |sum: u64, range| sum.saturating_add(range.length.0));
    let named: Vec<String> = lost.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let rest = lost.len().saturating_sub(MOST_NAMED);
    let rest = if rest == 0 { String::new() } else { format!(" and {rest} more places") };
    format!(
        "{} of it could not be read: {} of {member}{rest}",
        human::size(Sectors(total).bytes().0),
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use superblock::Level;

    use super::*;
    use crate::model::Geometry;

    #[test]
    fn the_place_in_the_array_is_where_reads_find_the_sector() {
        for (level, layout, disks) in
            [(Level::Raid1, 0, 2), (Level::Raid5, 2, 3), (Level::Raid5, 0, 4), (Level::Raid6, 2, 5)]
        {
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
                    match place(&stripes, slot, sector).unwrap() {
                        Place::Data(Sectors(at)) => {
                            let mut copies = stripes.copies(at);
                            let here = |copy: raid::Place| {
                                (copy.slot, copy.sector) == (usize::try_from(slot).unwrap(), sector)
                            };
                            assert!(copies.any(here), "{level:?} {layout} {slot} {sector}");
                        }
                        Place::Parity => parity += 1,
                        Place::Unknown => panic!("{level:?}"),
                    }
                }
            }
            assert_eq!(parity > 0, level != Level::Raid1);
        }
    }

    #[test]
    fn many_places_are_not_all_named() {
        let range =
            |at| LostRange { at: Sectors(at), length: Sectors(8), place: Place::Data(Sectors(at - 2048)) };
        assert_eq!(
            text(&[range(40960)], "/dev/c"),
            "4 KiB of it could not be read: sectors 40960 to 40967 (sector 38912 of the array on) of /dev/c"
        );
        let many: Vec<LostRange> = (1..=9).map(|nth| range(nth * 4096)).collect();
        assert!(text(&many, "/dev/c").ends_with(" of /dev/c and 5 more places"));
    }
}
