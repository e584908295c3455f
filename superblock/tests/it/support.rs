//! The fixtures: one text for each array, one device map for each member that was written.

use superblock::sectors::SectorMap;

/// A fixture's devices with their numbers on the command line that made them.
pub(crate) fn devices(text: &str) -> Vec<(usize, SectorMap)> {
    text.split("device ")
        .skip(1)
        .map(|part| {
            let (number, map) = part.split_once('\n').unwrap();
            (number.parse().unwrap(), map.parse().unwrap())
        })
        .collect()
}

/// All fixtures by name.
macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../fixtures/", $name, ".sectors")))),*]
    };
}

pub(crate) const FIXTURES: &[(&str, &str)] = fixtures!(
    "faulty-1.2",
    "home-0.90",
    "journal-1.2",
    "linear-0.90",
    "linear-1.0",
    "linear-1.1",
    "linear-1.2",
    "lockless-1.2",
    "locklessc-1.2",
    "many-1.2",
    "miss-1.2",
    "offset-1.2",
    "raid0-0.90",
    "raid0-1.0",
    "raid0-1.1",
    "raid0-1.2",
    "raid1-0.90",
    "raid1-1.0",
    "raid1-1.1",
    "raid1-1.2",
    "raid10b-0.90",
    "raid10b-1.0",
    "raid10b-1.1",
    "raid10b-1.2",
    "raid1b-0.90",
    "raid1b-1.0",
    "raid1b-1.1",
    "raid1b-1.2",
    "raid4-1.2",
    "raid5-0.90",
    "raid5-1.0",
    "raid5-1.1",
    "raid5-1.2",
    "raid5ppl-1.0",
    "raid5ppl-1.1",
    "raid5ppl-1.2",
    "raid6b-1.0",
    "raid6b-1.1",
    "raid6b-1.2",
    "ran-badblock",
    "ran-failed",
    "ran-journal",
    "ran-raid1",
    "ran-raid1-0.90",
    "ran-raid1-1.0",
    "ran-raid5ppl",
    "wm-1.2",
);

/// One fixture's devices.
pub(crate) fn fixture(name: &str) -> Vec<(usize, SectorMap)> {
    devices(FIXTURES.iter().find(|(known, _)| *known == name).unwrap().1)
}
