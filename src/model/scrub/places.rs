//! Where members differ, as far as the kernel tells: its lines name sectors of the members, people look for sectors of the array.

use superblock::Level;

use crate::model::status::ArrayStatus;

/// So many ranges are kept.
const KEPT: usize = 64;
/// So many are told.
const TOLD: usize = 8;

/// From the kernel's lines about the last check: first sector of the array and how many, ascending. Only levels with parity have
/// such lines, and of many in a short time the kernel leaves some out.
#[must_use]
pub fn ranges(log: &[String], array: &ArrayStatus) -> Vec<(u64, u64)> {
    let parity = match array.level {
        Some(Level::Raid4 | Level::Raid5) => 1,
        Some(Level::Raid6) => 2,
        _ => return Vec::new(),
    };
    let (chunk, data) = (array.chunk.sectors().0, u64::from(array.raid_disks).saturating_sub(parity));
    let name = &array.kernel_name;
    let begins = format!("check of RAID array {name}");
    let begun = log.iter().rposition(|line| line.trim_end().ends_with(&begins)).map_or(0, |at| at + 1);
    let said = format!("{name}: mismatch sector in range ");
    let lines = log.iter().skip(begun).filter_map(|line| line.split_once(&said));
    let rows = lines.filter_map(|(_, rest)| {
        let (first, end) = rest.trim().split_once('-')?;
        Some((first.parse::<u64>().ok()?, end.parse::<u64>().ok()?))
    });
    let place = |first: u64, end: u64, nth: u64| {
        let within = first.checked_rem(chunk)?;
        let stripe = first.checked_div(chunk)?.checked_mul(data)?;
        let start = stripe.checked_add(nth)?.checked_mul(chunk)?.checked_add(within)?;
        let length = end.checked_sub(first)?.min(chunk - within);
        (length > 0).then_some((start, length))
    };
    joined(rows.flat_map(|(first, end)| (0..data.min(1024)).filter_map(move |nth| place(first, end, nth))))
}

/// In order, with what lies side by side as one.
pub(super) fn joined(ranges: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = ranges.into_iter().collect();
    all.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, length) in all {
        match joined.last_mut() {
            Some((first, count)) if start <= first.saturating_add(*count) => {
                *count = (*count).max(start.saturating_add(length).saturating_sub(*first));
            }
            _ => joined.push((start, length)),
        }
    }
    joined.truncate(KEPT);
    joined
}

/// For people; none where nothing is known.
#[must_use]
pub fn places(ranges: &[(u64, u64)]) -> Option<String> {
    let place = |(start, length): &(u64, u64)| format!("{start}-{}", start.saturating_add(*length));
    let first: Vec<String> = ranges.iter().take(TOLD).map(place).collect();
    let more = ranges.len().saturating_sub(TOLD);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!first.is_empty()).then(|| {
        format!(
            "as far as the kernel tells, in these sectors of the array or their parity: {}{more}",
            first.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use raid::{Geometry, Stripes};
    use superblock::{Bytes, Kib, Sectors};

    use super::*;

    #[test]
    fn the_kernels_sectors_are_those_of_the_array_that_stand_there() {
        let log = [
            "md5: mismatch sector in range 8-16",
            "md: check of RAID array md5",
            "md5: mismatch sector in range 296-304",
            "md5: mismatch sector in range 304-312",
            "md55: mismatch sector in range 0-8",
            "md5: mismatch sector in range 18446744073709551000-18446744073709551008",
            "md5: mismatch sector in range 16-8",
            "md5: mismatch sector in range x",
        ]
        .map(str::to_owned);
        for (level, disks, layout) in [(Level::Raid5, 3, 2), (Level::Raid5, 4, 0), (Level::Raid6, 5, 2)] {
            let array = ArrayStatus {
                kernel_name: "md5".into(),
                level: Some(level),
                raid_disks: disks,
                layout,
                chunk: Bytes(65_536),
                component_size: Some(Kib(1024)),
                ..ArrayStatus::default()
            };
            let geometry: Geometry = array.geometry().unwrap();
            let stripes = Stripes::new(geometry, &[]).unwrap();
            let found = ranges(&log, &array);
            let data = usize::try_from(disks).unwrap() - if level == Level::Raid6 { 2 } else { 1 };
            assert_eq!(found.len(), data, "{found:?}");
            for (start, length) in found {
                assert_eq!((stripes.at(start).unwrap().place.sector, length), (296, 16));
            }
            assert_eq!(Sectors(128), geometry.chunk);
        }
        assert_eq!(ranges(&log, &ArrayStatus::default()), []);
        assert!(places(&[]).is_none());
        assert!(places(&[(0, 8); 9]).unwrap().ends_with("0-8 and 1 more"));
    }
}
